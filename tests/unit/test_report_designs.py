"""Reports of searches and fronts: what stands in their tables, titles and sentences, however many designs there are."""

from __future__ import annotations

import pandas as pd
import pytest

from costmodel.explore.pareto import Front, pareto_of
from costmodel.explore.study import Settings, search_of
from costmodel.explore.uncertainty import Uncertainty
from costmodel.report import document_of, html_table, render
from costmodel.report.design_table import MOST_ROWS, design_table, more_rows, two_lines
from costmodel.report.front_document import membership, percent
from costmodel.report.search_document import limited
from tests.unit.searched import shared, small

RECORDS = [
    {"point": 3, "net.width": 0.5, "kind": "a\x1b[1m", "energy_j": 0.0012, "weight_bytes": 4_000, "macs": 1_500_000},
    {"point": 11, "net.width": 0.25, "kind": "b", "energy_j": 0.0307, "weight_bytes": 812_000, "macs": 20_000},
]


def cells(table, title):
    """Cells of a column."""
    index = [column.title for column in table.columns].index(title)
    return [row.cells[index] for row in table.rows]


def sentences(document):
    """Return all sentences of a document as one text."""
    blocks = (*document.summary, *document.notes)
    return " ".join(line for block in blocks for line in block.sentences)


# ---- tables of designs


def test_a_column_has_one_unit():
    """Figures share the unit that suits the largest; what a design is stands before them."""
    table = design_table("t", RECORDS, ["point", "net.width", "kind"], ["energy_j", "weight_bytes", "macs"])
    assert [(column.title, column.unit) for column in table.columns] == [
        ("point", ""), ("net.", "width"), ("kind", ""), ("energy", "mJ"), ("weight", "kB"), ("macs", "M"),
    ]  # fmt: skip
    assert cells(table, "energy") == ["1.20", "30.70"]
    assert cells(table, "weight") == ["4.0", "812.0"]
    assert cells(table, "macs") == ["1.500", "0.020"]
    assert cells(table, "net.") == ["0.5", "0.25"]


def test_texts_of_designs_are_shown_not_sent():
    """Escapes are visible."""
    assert cells(design_table("t", RECORDS, ["kind"], []), "kind") == ["a\\x1b[1m", "b"]


def test_marks_are_columns():
    """Further texts stand behind the figures."""
    table = design_table("t", RECORDS, ["point"], ["macs"], {"front": ["certain", "25 % of draws"]})
    assert [column.title for column in table.columns] == ["point", "macs", "front"]
    assert cells(table, "front") == ["certain", "25 % of draws"]


def test_later_columns_go_first_where_there_is_no_room():
    """The index of a design stays; figures stay."""
    table = design_table("t", RECORDS, ["point", "net.width", "kind"], ["energy_j"])
    assert [column.priority for column in table.columns] == [0, 1, 2, 0]


@pytest.mark.parametrize(("count", "shown", "said"), [(40, 40, ()), (41, 40, ("1 more are in JSON and CSV.",)), (1, 1, ())])
def test_long_tables_are_cut(count, shown, said):
    """The first rows, and a sentence on the others."""
    records = [{"point": number, "macs": number + 1} for number in range(count)]
    table = design_table("t", records, ["point"], ["macs"], {"front": ["certain"] * count})
    assert len(table.rows) == shown <= MOST_ROWS
    assert more_rows(count) == said


def test_names_of_axes_take_two_lines():
    """Only the first dot parts them."""
    assert two_lines("hw.dram.bandwidth") == ("hw.", "dram.bandwidth")
    assert two_lines("batch") == ("batch", "")


# ---- fronts


@pytest.mark.parametrize(
    ("share", "expected"),
    [(1.0, "certain"), (0.0, "in no draw"), (0.5, "50 % of draws"), (0.999, ">99 % of draws"), (0.001, "<1 % of draws")],
)
def test_marks_of_a_front(share, expected):
    """Only what holds in every draw is certain."""
    assert membership({"front_share": share}) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.005, "0 %"), (0.0049, "<1 %"), (0.994, "99 %"), (0.9951, ">99 %")])
def test_shares_are_never_rounded_to_all(share, expected):
    """Neither nothing nor all is said of what is between."""
    assert percent(share) == expected


def test_a_front_of_one():
    """One design shows all that it has, in the singular."""
    front = pareto_of(pd.DataFrame({"name": ["a", "b"], "width": [1, 1], "params": [5, 7]}), "params")
    document = document_of(front)
    assert document.title == "Front of 2 designs: least params"
    assert [column.title for column in document.details[0].columns] == ["name", "width", "params"]
    assert "1 design of 2 is beaten by no other one." in sentences(document)


def test_a_front_shows_what_tells_designs_apart():
    """Columns that are the same everywhere are left out, and the rank where there is one alone."""
    frame = pd.DataFrame({"same": [1, 1, 1], "width": [1, 2, 3], "params": [1, 2, 3], "macs": [3, 2, 4]})
    one, two = (document_of(pareto_of(frame, "params,macs", fronts=fronts)).details[0] for fronts in (1, 2))
    assert [column.title for column in one.columns] == ["width", "params", "macs"]
    assert [column.title for column in two.columns] == ["rank", "width", "params", "macs"]
    assert cells(two, "rank") == ["0", "0", "1"]


def test_rows_left_out_are_counted():
    """A report says what it does not show."""
    frame = pd.DataFrame({"params": [1.0, None, 2.0]})
    assert "1 row without figures left out." in sentences(document_of(pareto_of(frame, "params")))


def test_what_is_maximised_is_in_the_title():
    """Least of some, most of others."""
    frame = pd.DataFrame({"energy_j": [1.0], "accuracy": [0.5], "macs": [1]})
    front = pareto_of(frame, "energy,macs,accuracy", "accuracy")
    assert document_of(front).title == "Front of 1 design: least energy and macs and most accuracy"
    assert document_of(pareto_of(frame, "accuracy", "accuracy")).title == "Front of 1 design: most accuracy"


def test_marked_fronts_count_the_certain_and_the_others():
    """Designs on the front in every draw, and those beyond it that are there in some."""
    marks = {"rank": [0, 0, -1], "front_share": [1.0, 0.5, 0.25], "certain": [True, False, False]}
    frame = pd.DataFrame({"params": [1, 2, 3], **marks})
    front = Front(("params",), (), frame, 3, 0, Uncertainty(16, 0, 1000))
    text = sentences(document_of(front))
    assert "1 of them is so in all 16 draws" in text
    assert "1 other design in some of them" in text
    assert "at least 1,000 designs are looked at" in text
    assert cells(document_of(front).details[0], "front") == ["certain", "50 % of draws", "25 % of draws"]


# ---- searches


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("max_energy", 5e-3, "5 mJ"), ("max_latency", 0.01, "10 ms"), ("max_ram", 327680, "320 KiB"), ("max_dram", 1e6, "1 MB"),
     ("max_storage", 491520, "480 KiB"), ("max_params", 1.25e6, "1.25 M"), ("max_macs", 42, "42")],
)  # fmt: skip
def test_limits_have_their_unit(name, value, expected):
    """As a person would write them."""
    assert limited(name, value) == expected


def test_a_search_of_everything_says_so():
    """Where every point was tried, nothing better was missed."""
    space = small(axes={"net.base_e": [32, 64]})
    document = document_of(search_of(space, "params", 20, settings=Settings("random", 0, 10)))
    assert "every point was tried" in sentences(document)
    assert document.details[0].title == "Best design"
    assert cells(document.details[0], "point") == ["0"]


def test_a_search_of_some_does_not():
    """What was not tried may be better; constants of the hardware have their unit."""
    found = search_of(shared(), "energy,macs", 10, (), "macs", None, Settings("random", 0, 10))
    document = document_of(found)
    assert "points that were not tried may be better" in sentences(document)
    assert {cell.partition(" ")[2] for cell in cells(document.details[0], "hw.")} == {"KiB"}
    assert "10 trials with the sampler random, seed 0" in sentences(document)


@pytest.mark.parametrize("fmt", ["text", "md"])
def test_narrow_reports_keep_index_and_figures(fmt):
    """Forty columns are enough for what is most needed."""
    found = search_of(shared(), "energy,macs", 10, (), "macs", None, Settings("random", 0, 10))
    text = render(found, fmt, width=40)
    assert "point" in text
    assert "energy" in text
    assert fmt == "md" or all(len(line) <= 40 for line in text.splitlines())


def test_notebooks_get_a_table():
    """Escaped HTML for both results."""
    frame = pd.DataFrame({"name<b>": ["x<i>", "y"], "params": [1, 1]})
    html = html_table(pareto_of(frame, "params"))
    assert "<table" in html
    assert "<b>" not in html
    assert "<i>" not in html
    assert pareto_of(frame, "params")._repr_html_() == html
