"""The report for terminals: it fits, it groups, it folds, it says what is missing, and names cannot act in it."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from rich.cells import cell_len

from costmodel.report import document_of, render
from costmodel.report.as_text import fitting, text
from costmodel.report.document import Column, Document, Fact, Facts, Row, Sentences, Table
from costmodel.report.layer_table import layer_table
from tests.golden.samples import EVIL, analysis, comparison, evil, long_names, small

WIDTHS = (40, 60, 80, 100, 120, 160, 200)
RESULTS = {
    "small": analysis,
    "evil": lambda: analysis(evil),
    "long names": lambda: analysis(long_names),
    "batch": lambda: analysis(batch=16),
    "pair": lambda: comparison(2),
    "three": lambda: comparison(3),
    "grid": lambda: comparison(2, 2),
}


def header(printed):
    """Return the words above the first rule of a report."""
    lines = printed.splitlines()
    rule = next(index for index, line in enumerate(lines) if line.startswith("──"))
    return " ".join(lines[rule - 2 : rule])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RESULTS)
def test_no_line_is_wider_than_the_terminal(name, width):
    """Whatever the names and however many columns, every line fits."""
    lines = render(RESULTS[name](), "text", width=width).splitlines()

    assert [line for line in lines if cell_len(line) > width] == []


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("name", RESULTS)
def test_numbers_are_never_cut(name, width):
    """From 80 columns on only names are shortened: no cell that begins with a digit ends with an ellipsis."""
    printed = render(RESULTS[name](), "text", width=width)

    assert re.findall(r"(?<!\S)<?\d[\d.,]*…", printed) == []


def test_more_room_shows_more():
    """Each width keeps what the narrower one shows, and 120 columns show more than 80."""
    shown = [set(header(render(analysis(), "text", width=width)).split()) for width in WIDTHS]

    for narrow, wide in pairwise(shown):
        assert narrow <= wide
    assert {"op", "weights", "ifmaps", "ofmaps"} <= shown[WIDTHS.index(120)] - shown[WIDTHS.index(60)]


def test_what_is_never_left_out():
    """Layer, off-chip bytes and energy are there at any width."""
    assert {"layer", "off-chip", "energy"} <= set(header(render(analysis(), "text", width=40)).split())


def test_the_default_is_80_columns():
    """A repr in a pipe is 80 columns wide."""
    assert render(analysis()) == render(analysis(), "text", width=80) == repr(analysis())


def test_modules_have_their_sum_above_their_layers():
    """A module of two layers is a line with its sum, then its layers, indented."""
    lines = render(analysis(), "text", width=120).splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("block"))

    assert [line.split()[0] for line in lines[at : at + 3]] == ["block", "one", "three"]
    assert "2 layers" in lines[at]
    assert all(line.startswith("  ") for line in lines[at + 1 : at + 3])


def test_the_table_adds_up():
    """Layers, sums of modules and the line of free layers add up to the total, column by column."""
    table = layer_table(analysis())
    macs = next(index for index, column in enumerate(table.columns) if column.title == "MACs")
    top = [row for row in table.rows if row.style in ("plain", "group", "free", "unknown")]
    total = next(row for row in table.rows if row.style == "total")
    found = sum(float(row.cells[macs].replace(",", "")) for row in top if row.cells[macs] not in ("-", "<0.1"))

    assert found == pytest.approx(float(total.cells[macs].replace(",", "")), rel=0.01)


def test_free_layers_are_one_line_and_one_sentence():
    """relu, concat and flatten are folded into one line, and their rules are named."""
    printed = " ".join(render(analysis(), "text", width=200).split())

    assert "3 free layers" in printed
    assert "3 layers free by rule, with no traffic of their own: " in printed
    assert "1 relu (fused into the producing layer)" in printed
    assert "1 concat (written in place by its producers)" in printed


def test_unknown_layers_are_loud():
    """A layer that nobody models is marked in the table and listed with an alarm."""
    printed = render(analysis(evil), "text", width=120)

    assert "1 layer UNKNOWN: no model, their work is missing from every total" in printed
    assert " ?" in printed


def test_no_alarm_without_unknown_layers():
    """A complete analysis does not mention unknown layers."""
    assert "UNKNOWN" not in render(analysis(), "text")


def test_no_colour_unless_asked_for(monkeypatch):
    """Plain text holds no escape sequence, whatever the environment says."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")

    assert "\x1b" not in render(analysis(), "text")


def test_colour_changes_nothing_but_colour(monkeypatch):
    """Without its escape sequences, coloured text has the words of plain text; NO_COLOR is the caller's to heed."""
    monkeypatch.setenv("NO_COLOR", "1")
    coloured = render(analysis(), "text", width=100, color=True)
    bare = re.sub(r"\x1b\[[\d;]*m", "", coloured)

    assert "\x1b[" in coloured
    assert bare.split() == render(analysis(), "text", width=100).split()


def test_names_cannot_act():
    """Markup of rich is shown as it is written; control characters are shown as escapes."""
    printed = render(analysis(evil), "text", width=200)

    assert "[red]x[/red]|<b>&`_*\\x1b[31m\\n" in printed
    assert "\x1b" not in printed
    assert EVIL not in printed


def test_the_unit_of_a_column_is_in_its_header():
    """Cells hold bare numbers; their unit stands once, above them."""
    lines = render(analysis(), "text", width=80).splitlines()
    rule = next(index for index, line in enumerate(lines) if line.startswith("──"))

    assert {"kB", "k"} & set(lines[rule - 1].split())
    assert not re.search(r"\d [kM]B", lines[rule + 1])


def test_columns_of_one_priority_go_together():
    """Bytes of the three operands are shown all or none."""
    table = Table(
        "t",
        (Column("name"), Column("a", priority=1), Column("b", priority=2), Column("c", priority=2)),
        (Row(("n", "1" * 10, "2" * 10, "3" * 10)),),
    )

    assert fitting(table, 80) == [0, 1, 2, 3]
    assert fitting(table, 30) == [0, 1]
    assert fitting(table, 10) == [0]


def test_empty_columns_are_left_out():
    """A column of dashes says nothing."""
    table = Table("t", (Column("name"), Column("a"), Column("b")), (Row(("n", "-", "1")), Row(("m", "", "2"))))

    assert fitting(table, 80) == [0, 2]


def test_every_kind_of_block_is_printed():
    """Titles, facts, sentences and tables appear, empty blocks do not."""
    document = Document(
        "A title",
        (Facts("Facts", (Fact("label", "value", "detail"),)), Sentences("Nothing", ())),
        (Table("Table", (Column("x", "y"),), (Row(("1",)),)),),
        (Sentences("Words", ("one", "two")), Sentences("", ("alone",))),
    )

    printed = text(document, 60)

    for part in ("A title", "Facts", "label", "value", "detail", "Table", "x\ny\n", "Words\n- one\n- two", "\nalone\n"):
        assert part in printed
    assert "Nothing" not in printed


def test_details_come_first_on_a_terminal_and_last_on_a_page():
    """What matters most stays in sight: the end of a terminal, the top of a page."""
    document = document_of(analysis())
    terminal = [block.title for block in document.for_terminal]
    page = [block.title for block in document.for_page]

    assert terminal.index("Layers") < terminal.index("Totals")
    assert page.index("Totals") < page.index("Layers")
    assert "Constants used" in page
    assert "Constants used" not in terminal


def test_a_network_without_modules_or_free_layers():
    """The smallest network has one line and its total."""
    assert "free layers" not in render(analysis(long_names), "text", width=80)
    assert small().name == "small"


def test_details_go_below_where_there_is_no_room():
    """On 40 columns a detail of a fact stands below its value, in the box."""
    facts = Facts("Box", (Fact("off-chip bytes", "11.53 MB", "reached: no byte crosses twice"), Fact("x", "1", "")))
    lines = text(Document("t", (facts,), (), ()), 40).splitlines()[2:]

    assert lines[1:4] == [
        "│ off-chip bytes  11.53 MB │",
        "│     reached: no byte     │",
        "│     crosses twice        │",
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_box_is_as_wide_as_its_title():
    """A long title does not stick out."""
    lines = text(Document("t", (Facts("A title that is long", (Fact("a", "1", "b"),)),), (), ()), 80).splitlines()[2:]

    assert len({len(line) for line in lines}) == 1
