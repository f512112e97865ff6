"""Choices of a co-design on tables made by hand: the best, the compromise, what is missing, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan, prod

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from costmodel.errors import InputError
from costmodel.explore import codesign as module
from costmodel.explore.codesign import (
    ALL,
    Best,
    CoDesign,
    Figures,
    Transfer,
    checked_goals,
    checked_space,
    chosen_for,
    codesign_of,
    goal_figures,
    spread,
    without_nan,
)
from costmodel.explore.space import DesignSpace
from costmodel.explore.uncertainty import Uncertainty
from costmodel.report.codesign_document import (
    cell,
    dearest,
    document,
    draws,
    figure_texts,
    halves,
    notes,
    sentence,
    setting,
    summary,
    title,
    transfer_table,
)

NETWORKS = ("squeezenet:version=1.1,input=64", "ds_cnn")
A, B = NETWORKS


def space(**changes):
    """Two networks on two sizes of a buffer and three rates of its memory: six configurations, in the order of their axes."""
    fields = {
        "name": "two",
        "network": list(NETWORKS),
        "hardware": "snapdragon",
        "schedule": "layer",
        "axes": {"hw.dram.bandwidth": ["10 GB/s", "20 GB/s", "40 GB/s"], "hw.sram": ["16 KiB", "64 KiB"]},
    }
    return DesignSpace.of(fields | changes)


OF = space()


def table(values, drawn=None, places=None):
    """Figures of energy; without draws, two that equal the values."""
    values = np.array(values, dtype=np.float64)
    drawn = np.repeat(values[:, :, None], 2, axis=2) if drawn is None else np.array(drawn, dtype=np.float64)
    places = np.arange(values.shape[1]) if places is None else np.array(places)
    return Figures(NETWORKS[: len(values)], places, {"energy": values}, {"energy": drawn}, 0)


def best(goal="energy", network=A, configuration=0, share=1.0, regret=1.0):
    """Build a choice."""
    return Best(goal, network, configuration, OF.at(configuration) | {"network": network}, 1e-3, share, regret)


def result(found=(), transfers=(), **changes):
    """Build a co-design from its parts."""
    plain = CoDesign(OF, ("energy",), NETWORKS, 6, 0, tuple(found), tuple(transfers), Uncertainty(samples=8, seed=3))
    return replace(plain, **changes)


# ---- choices


def test_choices_by_hand():
    """One is best at the first, one at the last; the middle costs each 1.5 times its own, the others 1 and 4."""
    found = chosen_for(table([[2, 3, 8], [8, 3, 2]]), "energy")

    assert found.columns == (0, 2, 1)
    assert found.mean == pytest.approx(1.5)


def test_transfers_by_hand():
    """Every network on its own, on the other one's, and on the compromise."""
    of = table([[2, 3, 8], [8, 3, 2]])
    found = [(t.network, t.best_for, t.ratio, t.low, t.high, t.certain) for t in chosen_for(of, "energy").transfers(of)]

    assert found == [
        (A, A, 1, 1, 1, True), (A, B, 4, 4, 4, True), (A, ALL, 1.5, 1.5, 1.5, True),
        (B, A, 4, 4, 4, True), (B, B, 1, 1, 1, True), (B, ALL, 1.5, 1.5, 1.5, True),
    ]  # fmt: skip


def test_what_a_network_does_not_fit_on_has_no_ratio():
    """The second cannot use what is best for the first: not a number there, and certain, since it is no choice."""
    of = table([[1, 2], [nan, 5]])
    found = chosen_for(of, "energy")
    ratios = {(t.network, t.best_for): t for t in found.transfers(of)}

    assert found.columns == (0, 1, 1)
    assert found.mean == pytest.approx(2**0.5)
    assert isnan(ratios[B, A].ratio)
    assert ratios[B, A].certain
    assert ratios[A, B].ratio == 2


def test_a_network_that_fits_nowhere_has_no_best():
    """It owns nothing and pays for nothing; the compromise is that of the other one."""
    of = table([[nan, nan], [3, 2]])
    found = chosen_for(of, "energy")

    assert found.columns == (-1, 1, 1)
    assert [(b.network, b.configuration) for b in found.best(of, OF)] == [(B, 1), (ALL, 1)]
    assert [(t.network, t.best_for) for t in found.transfers(of)] == [(B, B), (B, ALL)]


def test_networks_that_fit_nowhere_together_have_no_compromise():
    """Each has its best, and no configuration holds both."""
    of = table([[1, nan], [nan, 2]])
    found = chosen_for(of, "energy")

    assert found.columns == (0, 1, -1)
    assert [(b.network, b.configuration) for b in found.best(of, OF)] == [(A, 0), (B, 1)]
    assert {t.best_for for t in found.transfers(of)} == {A, B}


def test_shares_and_regret_by_hand():
    """Best in two of four draws, once as good as the other one and once twice as dear."""
    drawn = [[[1, 1, 2, 4], [2, 1, 1, 3]]]
    of = table([[1, 2]], drawn)
    own, compromise = chosen_for(of, "energy").best(of, OF)

    assert (own.configuration, own.share, own.regret_ratio, own.certain) == (0, 0.5, 2, False)
    assert (compromise.network, compromise.share, compromise.regret_ratio) == (ALL, 0.5, 2)
    assert compromise.value == 1


def test_settings_are_those_of_the_place():
    """Columns are numbers of configurations; what they stand for has every axis but the network."""
    of = table([[2, 1], [2, 1]], places=[1, 4])
    found = chosen_for(of, "energy").best(of, OF)

    assert {b.configuration for b in found} == {4}
    assert all(b.at == {"hw.dram.bandwidth": 40e9, "hw.sram": 16 << 10} for b in found)


@given(hnp.arrays(np.float64, (2, 4), elements=st.one_of(st.just(nan), st.floats(0.5, 100))))
def test_choices_are_those_of_brute_force(values):
    """Nothing that can be priced is cheaper, and no configuration that holds all has a smaller product of ratios."""
    everywhere = [row for row in values if not np.isnan(row).all()]
    assume(everywhere)  # a table of which nothing can be priced is refused before
    found = chosen_for(table(values), "energy")
    for row, column in zip(values, found.columns, strict=False):
        figures = [figure for figure in row if not isnan(figure)]
        assert (column < 0) == (not figures)
        if figures:
            assert row[column] == pytest.approx(min(figures), rel=1e-8)
    products = [prod(row[place] / np.nanmin(row) for row in everywhere) for place in range(4)]
    known = [product for product in products if not isnan(product)]
    assert (found.columns[-1] < 0) == (not known)
    if known:
        assert found.mean == pytest.approx(min(known) ** (1 / len(everywhere)))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), unique=True))
def test_figures_stand_at_their_place(at):
    """And not a number wherever none was given, draws included."""
    rows, columns = np.array(at, dtype=np.int64).reshape(-1, 2).T
    found = spread(np.array([[10.0 * r + c, -1.0] for r, c in at]).reshape(-1, 2), (rows, columns), (3, 4))

    assert found.shape == (3, 4, 2)
    for row in range(3):
        for column in range(4):
            expected = [10 * row + column, -1] if (row, column) in at else [nan, nan]
            assert found[row, column].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_goal_needs_its_metrics():
    """The product of both where both are there, and neither more nor less."""
    energy, latency = np.array([2.0, 3.0]), np.array([5.0, 7.0])

    assert list(goal_figures({"energy_j": energy})) == ["energy"]
    assert goal_figures({"energy_j": energy, "latency_s": latency})["edp"].tolist() == [10, 21]
    assert goal_figures({}) == {}


def test_not_a_number_is_null():
    """Everything else is as it was."""
    assert without_nan({"a": nan, "b": 1.5, "c": "nan", "d": None}) == {"a": None, "b": 1.5, "c": "nan", "d": None}


# ---- misuse


def test_spaces_are_looked_through_to_a_limit(monkeypatch):
    """Twelve points are one too many for a limit of eleven, of those looked at as of those priced."""
    monkeypatch.setattr(module, "MOST_GRID", 11)
    with pytest.raises(InputError, match="two has 12 points; at most 11 are looked through"):
        checked_space(OF)
    monkeypatch.setattr(module, "MOST_GRID", 12)
    monkeypatch.setattr(module, "MOST_POINTS", 11)
    with pytest.raises(InputError, match="two has 12 points; at most 11 are priced: thin it out"):
        checked_space(OF)
    monkeypatch.setattr(module, "MOST_POINTS", 12)
    assert checked_space(OF).tolist() == list(range(12))


def test_goals_are_read_with_spaces_and_in_order():
    """As a text or a list; all problems at once."""
    assert checked_goals(" edp , energy") == checked_goals(["edp", "energy"]) == ("edp", "energy")
    with pytest.raises(InputError) as caught:
        checked_goals("power,energy,energy")
    assert caught.value.problems == (
        "codesign: no goal 'power'; use energy, latency, edp", "codesign: energy is given twice; give it once",
    )  # fmt: skip


def test_a_network_on_an_axis_of_its_own_counts_as_one():
    """A space of one network has no axis of networks: its points are its configurations."""
    found = codesign_of(space(network="ds_cnn"), "energy", Uncertainty(samples=2))

    assert (found.networks, found.configurations, found.unpriced) == (("ds_cnn",), 6, 0)
    assert found.of("energy", "ds_cnn").at == found.of("energy", ALL).at
    assert found.of("energy", ALL).value == 1
    assert [record["ratio"] for record in found.records()] == [1, 1]


# ---- words


def test_the_title_names_networks_and_hardware():
    """One profile or several."""
    assert title(result()) == f"two: {A} and {B} on snapdragon"
    several = space(hardware=["snapdragon", "eyeriss-168"], axes={"dtype": ["int8", "int16"]})
    assert title(result(space=several)).endswith(" on snapdragon and eyeriss-168")


@pytest.mark.parametrize(
    ("axis", "expected"),
    [("hw.dram.bandwidth", ("hw.dram.", "bandwidth")), ("hw.sram", ("hw.", "sram")), ("batch", ("batch", ""))],
)
def test_axes_take_two_lines(axis, expected):
    """They are parted at the last dot."""
    assert halves(axis) == expected


def test_settings_have_their_unit():
    """Constants of the hardware are quantities; sizes of an array and words are as they are."""
    assert setting(result(), "hw.sram", 65536) == "64 KiB"
    assert setting(result(), "hw.dram.bandwidth", 10e9) == "10 GB/s"
    assert setting(result(), "dtype", "int8") == "int8"
    arrays = space(hardware="eyeriss-168", axes={"hw.array.rows": [6, 12]})
    assert setting(result(space=arrays), "hw.array.rows", 12) == "12"


@pytest.mark.parametrize(("share", "said"), [(1.0, "all"), (0.0, "none"), (0.5, "50 %"), (0.001, "<1 %"), (0.999, ">99 %")])
def test_shares_of_draws(share, said):
    """Only what holds in every draw is all, and only what holds in no draw is none."""
    assert draws(best(share=share)) == said


def test_delays_times_energies_have_one_unit():
    """1 mJ ms is 1e-6 J s; four digits, and commas above a thousand."""
    assert figure_texts("edp", [1e-6, 1.23456e-2, 0.0]) == ["mJ ms", "1", "12,350", "0"]


def test_the_network_that_pays_most():
    """By its ratio on another one's hardware; the compromise is nobody's, and what does not fit costs nothing."""
    pays = [Transfer("energy", B, A, 3.0, 2.0, 4.0), Transfer("energy", A, B, 2.0, 2.0, 2.0)]
    others = [Transfer("energy", A, ALL, 9.0, 9.0, 9.0), Transfer("energy", A, B, nan, nan, nan),
              Transfer("edp", A, B, 7.0, 7.0, 7.0)]  # fmt: skip

    assert dearest(result(transfers=pays + others), "energy") == f"; {B} pays most for another's, 3.00x on that of {A}."
    assert dearest(result(transfers=[Transfer("energy", A, B, 1.0, 1.0, 1.0)]), "energy") == "."
    assert dearest(result(transfers=others[:2]), "energy") == "."


def test_the_summary_counts():
    """Configurations and draws first, what was left out last, in their number."""
    lines = list(summary(result([best(), best(network=B)], unpriced=1)))

    assert lines[0] == "6 configurations of the hardware; constants drawn 8 times."
    assert lines[1] == "Least energy: one configuration is best for all 2 networks."
    assert lines[2] == "Which one is best for least energy is certain for every network: it is in every draw."
    assert lines[3] == "1 point left out, since a layer does not fit."
    assert len(list(summary(result([best()])))) == 3


def test_notes_tell_what_stays_as_it_is():
    """Where hardware varies its prices do not; constraints are repeated, or there are none."""
    assert list(notes(result()))[-1].endswith("is said by the constraints: none.")
    bound = space(constraints=["hw.sram < 64KiB", "hw.sram > 1KiB"])
    assert list(notes(result(space=bound)))[-1].endswith("is said by the constraints: hw.sram < 64KiB; hw.sram > 1KiB.")
    formats = list(notes(result(space=space(axes={"dtype": ["int8", "fp16"]}))))
    assert len(formats) == len(list(notes(result()))) - 1
    assert formats[-1].startswith("All networks: the configuration whose ratios")


@pytest.mark.parametrize(("words", "expected"), [("least energy", "Least energy"), ("", ""), ("a", "A"), ("eDP", "EDP")])
def test_sentences_begin_with_a_capital(words, expected):
    """The rest stays."""
    assert sentence(words) == expected


def test_a_network_on_its_own_configuration_costs_itself():
    """Whatever rounding left of the ratio, and no mark."""
    assert cell(Transfer("energy", A, A, 1.0000001, 0.9, 1.1)) == "1.00x"


def test_tables_of_costs_have_a_row_per_network_and_a_column_per_owner():
    """Cells stand where network and owner meet; the best of another goal are not among them."""
    pairs = [(A, A), (A, B), (A, ALL), (B, A), (B, B), (B, ALL)]
    ratios = dict(zip(pairs, (1.0, 2.0, 1.5, 4.0, 1.0, 1.25), strict=True))
    transfers = [Transfer("energy", *pair, ratio, ratio, ratio) for pair, ratio in ratios.items()]
    found = transfer_table(result(transfers=[*transfers, Transfer("edp", A, "x", 9.0, 9.0, 9.0)]), "energy")

    assert [column.unit for column in found.columns] == ["", A, B, ALL]
    assert [row.cells for row in found.rows] == [(A, "1.00x", "2.00x", "1.50x"), (B, "4.00x", "1.00x", "1.25x")]


def test_the_document_of_a_goal_whose_compromise_is_missing():
    """The best of each has its row with its figure; there is no total."""
    sure = Best("energy", A, 0, {"hw.sram": 16 << 10}, 0.002, 1.0, 1.0)
    unsure = Best("energy", B, 1, {"hw.sram": 64 << 10}, 0.5, 0.0, 1.5)
    rows = document(result([sure, unsure])).details[0].rows

    assert [row.style for row in rows] == ["plain", "plain"]
    assert rows[0].cells == (A, "16 KiB", "2.0", "all", "1.00x")
    assert rows[1].cells == (B, "64 KiB", "500.0", "none", "1.50x")
