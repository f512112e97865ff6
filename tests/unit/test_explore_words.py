"""What runs, searches and fronts say: progress, titles, limits, refusals; every word beside what it stands for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.explore.engine import loss
from costmodel.explore.goal import SPACE, Goal, axes_of, goal_of, ordered, point_at
from costmodel.explore.optuna_adapter import POINT, PROBLEM
from costmodel.explore.pareto import Front, checked_by, pareto_of, points_of
from costmodel.explore.run import RunReport, left_in
from costmodel.explore.study import (
    MOST_TRIALS,
    Search,
    Settings,
    check_same,
    checked,
    checked_file,
    first_line,
    journal,
    nothing_found,
)
from costmodel.explore.uncertainty import Uncertainty
from costmodel.explore.workers import MOST_WORKERS, processes
from costmodel.report.front_document import notes as front_notes
from costmodel.report.front_document import summary as front_summary
from costmodel.report.front_document import title as front_title
from costmodel.report.front_document import varies
from costmodel.report.progress import many, problems, rate, summary, watched
from costmodel.report.search_document import budget, document, notes, readable, title
from costmodel.report.search_document import summary as search_summary
from tests.unit.searched import shared

# ---- progress


@pytest.mark.parametrize(
    ("speed", "said"),
    [(None, ""), (0.0, ""), (0.4, "0/s"), (1.0, "1/s"), (999.4, "999/s"), (12345.6, "12,300/s"), (1.2e7, "12,000,000/s")],
)
def test_rates_have_three_digits(speed, said):
    """Nothing is said before there is a rate."""
    assert rate(speed) == said


@given(st.integers(1, 10**12))
def test_rates_are_close(points_per_s):
    """Half a unit of the third digit at most is lost."""
    shown = int(rate(float(points_per_s)).removesuffix("/s").replace(",", ""))

    assert abs(shown - points_per_s) <= max(0.005 * points_per_s, 0.5)


@pytest.mark.parametrize(("count", "said"), [(0, ""), (1, "1 without figures"), (12_000, "12,000 without figures")])
def test_problems_are_told_where_there_are_any(count, said):
    """A bar has no place for none."""
    assert problems(count) == said


@pytest.mark.parametrize(("count", "said"), [(0, "0 parts"), (1, "1 part"), (2, "2 parts"), (10**6, "1,000,000 parts")])
def test_nouns_are_in_number(count, said):
    """One is singular, everything else plural."""
    assert many(count, "part") == said


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_a_summary_says_what_is_there(parts, resumed, wrong):
    """Earlier parts and rows without figures are mentioned only where there are some."""
    said = summary(RunReport(Path("o"), 9, 9, 7, wrong, parts, resumed))

    assert said.startswith(f"o: 7 rows of 9 points in {many(parts, 'part')}")
    assert ("from before" in said) == (resumed > 0)
    assert ("see the column problem" in said) == (wrong > 0)


def test_a_bar_is_drawn_on_stderr_and_goes(capsys, monkeypatch):
    """Points, problems and the time left; stdout is for results."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with watched(shown=True) as told:
        told(RunReport(Path("o"), 10, 4, problems=2))
        told(RunReport(Path("o"), 10, 10, problems=3))
    out, err = capsys.readouterr()

    assert out == ""
    assert "10/10" in err
    assert "3 without figures" in err


def test_a_run_that_ends_early_says_how_to_go_on():
    """Where it stands, of how much, and the option."""
    assert left_in(RunReport(Path("o.parquet"), 5000, 1200)) == (
        "1,200 of 5,000 points are in o.parquet; run the same command with --resume to go on"
    )


@pytest.mark.parametrize(("times", "said"), [(1, "a worker was lost (OSError)"), (3, "workers were lost 3 times in a row")])
def test_lost_workers_are_counted(times, said):
    """With the first chunk that is not finished."""
    message = loss("points 0 to 9", times, OSError())

    assert message.startswith(f"sweep: {said}")
    assert "the first unfinished chunk being points 0 to 9" in message


@pytest.mark.parametrize("count", [-1, 0, MOST_WORKERS + 1])
def test_workers_are_counted_from_one(count):
    """No pool is opened."""
    with pytest.raises(InputError, match=f"workers: {count}; give a number from 1 to 1024"):
        processes(count)


# ---- goals


def test_a_goal_tells_what_it_needs():
    """Each metric once, objectives first; signs, violations and plain data follow."""
    goal = goal_of("energy,macs", ["max_energy=5mJ", "max_params=2M"], "macs")

    assert goal.metrics == ("energy_j", "macs", "params")
    assert goal.signs.tolist() == [1, -1]
    assert goal.violated == (SPACE, "max_energy", "max_params")
    assert goal.to_dict() == {
        "objectives": ["energy_j", "macs"], "maximise": ["macs"], "budget": {"max_energy": 0.005, "max_params": 2e6},
    }  # fmt: skip


def test_a_goal_without_limits_violates_nothing():
    """One column is left, that of the space; a matrix of no limits has its rows."""
    goal = Goal(("params",))

    assert goal.violated == (SPACE,)
    assert goal.budget.matrix({"params": np.array([1.0, 2.0])}, 2).shape == (2, 0)
    assert goal.budget.fits({"params": 1.0}) is True


def test_what_is_maximised_is_an_objective():
    """All that are none are named."""
    with pytest.raises(InputError, match="maximise: macs, energy_j is no objective; add it to the objectives"):
        goal_of("params", (), "macs,energy")


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=6))
def test_values_in_order_rise_or_fall(values):
    """Strictly, all the way; a single value does."""
    pairs = list(pairwise(values))

    assert ordered(values) == (all(a < b for a, b in pairs) or all(a > b for a, b in pairs))


@given(st.integers(0, 71))
def test_points_are_found_by_their_positions(point):
    """The values there are those of the space at that point."""
    space, rest, positions = shared(), point, {}
    for name, length in reversed(list(zip(space.names, space.lengths, strict=True))):
        rest, positions[name] = divmod(rest, length)

    assert point_at(space, positions) == point
    assert {name: values[positions[name]] for name, values in axes_of(space).items()} == space.at(point)


# ---- studies


def test_settings_are_refused_all_at_once():
    """A number that is true is none, and a sampler that is close is named."""
    with pytest.raises(InputError) as caught:
        checked(True, Settings("random ", -1, MOST_TRIALS + 1))

    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        "search: trials is True",
        "search: seed is -1",
        "search: batch is 10000001",
        "search: no sampler 'random ' (did you mean 'random'?)",
    ]
    assert checked(1, Settings("nsga2", 0, 1)) == Settings("nsga2", 0, 1)


@pytest.mark.parametrize(
    ("storage", "expected"),
    [("a.journal", True), ("a.LOG", True), ("a.db", False), ("sqlite:///a.journal", False), ("mysql://h/x.log", False)],
)
def test_journals_are_files(storage, expected):
    """An address is never one, whatever it ends with."""
    assert journal(storage) == expected


@pytest.mark.parametrize(
    ("error", "said"), [(ValueError("  one\ntwo"), "one"), (OSError(), "OSError"), (KeyError("  "), "'  '")]
)
def test_errors_of_storages_are_one_line(error, said):
    """The first of theirs, or their kind."""
    assert first_line(error) == said


def test_files_of_studies(tmp_path):
    """A kind that is known, no directory, in a directory that is there."""
    (tmp_path / "d.db").mkdir()
    for name, said in (
        ("a.txt", r"give a file \.db, \.sqlite, \.sqlite3, \.journal, \.log, or the address of a data base"),
        ("d.db", "is a directory; give a file in it"),
        ("gone/a.log", "gone does not exist; create it first"),
    ):
        with pytest.raises(InputError, match=said):
            checked_file(tmp_path / name)
    checked_file(tmp_path / "A.SQLITE3")


def test_another_study_is_told_apart():
    """The space first, then every setting; what it has is said."""
    now = {"digest": "b" * 64, "seed": 1, "sampler": "tpe"}
    check_same(dict(now), now, "s.db")
    with pytest.raises(InputError) as caught:
        check_same({"digest": "a" * 64, "seed": 0, "sampler": "tpe"}, now, "s.db")
    space, seed = caught.value.problems

    assert f"(digest {'a' * 12}, now {'b' * 12}); give a new file" in space
    assert seed == "--storage s.db: its study has seed 0, not 1; give what it has, or a new file"


def trial(point, energy=0.0, space=0.0, **attributes):
    """Build a trial that was told, with how far it exceeds a budget."""
    return SimpleNamespace(constraints={SPACE: space, "max_energy": energy}, user_attrs={POINT: point, **attributes})


def test_the_closest_point_is_named():
    """That which exceeds the budget least, of equal ones the first of the space."""
    goal = goal_of("params", ["max_energy=5mJ"])
    said = nothing_found([trial(7, 0.5), trial(5, 0.25), trial(3, 0.25)], shared(), goal)

    assert said.startswith("search: none of 3 points tried is within the budget; the closest, point 3 (")
    assert all(f"{name}={value}" in said for name, value in shared().at(3).items())
    assert "exceeds max_energy by 25 %; loosen the budget" in said


def test_points_without_figures_say_why():
    """The first reason, or that all are excluded."""
    goal = goal_of("params", ["max_energy=5mJ"])
    why = nothing_found([trial(1, space=1), trial(2, space=1, **{PROBLEM: "too deep"})], shared(), goal)
    excluded = nothing_found([trial(1, space=1)], shared(), goal)

    assert why == "search: none of 2 points tried can be priced; the first: too deep"
    assert excluded == "search: none of 1 points tried can be priced; the constraints of the space exclude all of them"


# ---- documents of searches


def search(**changes):
    """Build a search of nine points, eight of them different, of which five keep within 5 mJ."""
    goal = goal_of("params,macs", ["max_energy=5mJ", "max_ram=320KiB"], "macs")
    return replace(Search(shared(), goal, Settings("random", 4, 3), 9, 8, 5, (0, 11)), **changes)


def test_titles_of_searches():
    """What is least and most, where, and within what."""
    assert title(search()) == "Search of small: least params and most macs, within max_energy 5 mJ and max_ram 320 KiB"
    assert title(search(goal=Goal(("macs",), ("macs",)))) == "Search of small: most macs"
    assert budget(search(goal=Goal(("macs",)))) == ""


def test_summaries_of_searches():
    """What keeps within the budget is said where there is one, or where something could not be priced."""
    tried = "9 trials with the sampler random, seed 4: 8 different ones of the 72 points of the grid."
    kept = "5 of them can be priced and keep within the budget."

    assert search_summary(search()) == [tried, kept]
    assert search_summary(search(goal=Goal(("macs",)))) == [tried, kept]
    assert search_summary(search(goal=Goal(("macs",)), feasible=8)) == [tried]


def test_notes_of_searches():
    """Only where all of the grid was tried nothing can be better."""
    assert notes(search(), 2) == [
        "The best of what was tried: points that were not tried may be better. Accuracy is not modelled."
    ]
    assert notes(search(distinct=72), 41) == [
        "The best of what was tried: every point was tried. Accuracy is not modelled.", "1 more are in JSON and CSV.",
    ]  # fmt: skip


def test_tables_of_searches_are_named_by_their_goal():
    """One objective has a best, or several equal ones; several have a front."""
    one = Goal(("params",))

    assert document(search(goal=one, points=(0,))).details[0].title == "Best design"
    assert document(search(goal=one)).details[0].title == "Best designs"
    assert document(search(goal=Goal(("params", "macs")))).details[0].title == "Designs that no other one tried beats"


def test_records_of_searches_read_in_their_unit():
    """A capacity is a quantity; what is no constant stays."""
    record = {"point": 3, "net.base_e": 32, "hw.sram": 131072}

    assert readable(search(), record) == {"point": 3, "net.base_e": 32, "hw.sram": "128 KiB"}


# ---- fronts


def front(rows, uncertainty=None, unpriced=0):
    """Build a front from its rank and share by row."""
    frame = pd.DataFrame(rows, columns=["params", "rank", "front_share"]).assign(certain=False)
    return Front(("params",), (), frame, 1000, unpriced, uncertainty)


def test_titles_of_fronts():
    """Least of some, most of others, or one of them."""
    assert front_title(front([(1, 0, 1.0)])) == "Front of 1000 designs: least params"
    assert front_title(replace(front([(1, 0, 1.0)]), by=("params", "a"), maximise=("params", "a"))).endswith(
        ": most params and a"
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(1, 0, 1.0)], ("1 of them is so", "; 0 other designs in")),
        ([(1, 0, 0.5), (2, -1, 0.5)], ("None of them are so", "; 1 other design in")),
        ([(1, 0, 1.0), (1, 0, 1.0), (3, -1, 0.0)], ("2 of them are so", "; 0 other designs in")),
    ],
)
def test_fronts_count_what_is_certain(rows, said):
    """None, one or several in every draw, and those behind that are there in some."""
    marked = front(rows, Uncertainty(16, 0, 1000))

    assert front_summary(marked, marked.records())[1] == (
        f"{said[0]} in all 16 draws of the constants within their ranges{said[1]} some of them."
    )


def test_plain_fronts_say_nothing_of_draws():
    """How many there are, and what was left out."""
    plain = front([(1, 0, 1.0), (1, 0, 1.0)], unpriced=2)

    assert front_summary(plain, plain.records()) == [
        "2 designs of 1,000 are beaten by no other one.", "2 rows without figures left out.",
    ]  # fmt: skip
    assert len(front_notes(plain, 2)) == 1
    assert len(front_notes(plain, 42)) == 2
    assert "at least 7 designs" in front_notes(front([], Uncertainty(16, 0, 7)), 0)[1]


@pytest.mark.parametrize(
    ("values", "expected"), [([1], True), ([1, 1], False), ([1, 2], True), ([None, None], False), (["1", 1], False)]
)
def test_columns_that_vary(values, expected):
    """By what is shown of them; one row shows all."""
    assert varies([{"a": value} for value in values], "a") == expected


def test_columns_to_compare_are_refused_all_at_once():
    """Twice, and maximised without being compared."""
    frame = pd.DataFrame({"params": [1], "macs": [2], "energy_j": [3.0]})
    with pytest.raises(InputError) as caught:
        checked_by(frame, "params,energy,energy_j,params", ["macs"])

    assert caught.value.problems == (
        "pareto: energy_j is given twice; give it once",
        "pareto: params is given twice; give it once",
        "pareto: macs is to be maximised, but not compared; add it to --by",
    )
    with pytest.raises(InputError, match="nothing to compare; give columns"):
        checked_by(frame, " , ", ())


@pytest.mark.parametrize("fronts", [0, -3])
def test_fronts_are_counted_from_one(fronts):
    """None is no number of them."""
    with pytest.raises(InputError, match=f"pareto: {fronts} fronts asked for; give 1 or more"):
        pareto_of(pd.DataFrame({"params": [1]}), "params", fronts=fronts)


@pytest.mark.parametrize("point", [-1, 72, 0.5, float("nan")])
def test_rows_that_are_no_points_of_a_space(point):
    """Outside, between two, or not a number."""
    with pytest.raises(InputError, match="column point has numbers that are no points of small"):
        points_of(pd.DataFrame({"point": [0, point]}), shared())


def test_rows_that_are_points_of_a_space():
    """The first and the last, as whole numbers; without the column nothing is found."""
    assert points_of(pd.DataFrame({"point": [0.0, 71.0]}), shared()).tolist() == [0, 71]
    with pytest.raises(InputError, match="no column point, so rows are not found in small; leave the space out"):
        points_of(pd.DataFrame({"params": [1]}), shared())
