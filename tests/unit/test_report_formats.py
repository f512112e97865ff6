"""Markdown, JSON, CSV and HTML: complete, parseable, and proof against names that mean something to them."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import fields
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from costmodel.analysis import LayerCost
from costmodel.errors import InputError
from costmodel.report import FORMATS, document_of, html_table, render, render_document
from costmodel.report.as_json import finite, json_text
from costmodel.report.as_markdown import cell, code, escaped
from tests.golden.samples import analysis, comparison, evil, small


def cells(line):
    """Return the cells of a line of a Markdown table, escapes undone."""
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in re.split(r"(?<!\\)\|", line)[1:-1]]


# ---- Markdown


def test_the_command_is_the_first_line():
    """A reader of a committed report sees at once how it was made."""
    first, second, third = render(analysis(), "md", command="costmodel analyze small --hw x").splitlines()[:3]

    assert (first, second) == ("`$ costmodel analyze small --hw x`", "")
    assert third.startswith("# small on machine")


def test_without_a_command_the_title_is_first():
    """In a notebook or a script there is no command."""
    assert render(analysis(), "md").startswith("# small on machine, int8, batch 1, layer by layer\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ls", "`ls`"), ("a`b", "`` a`b ``"), ("a``b`c", "``` a``b`c ```"), ("a\nb", "`a\\nb`")],
)
def test_code_with_backquotes(text, expected):
    """Inline code is fenced by more backquotes than it holds."""
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_pool", "max_pool"), ("_x_", "\\_x\\_"), ("a|b", "a\\|b"), ("*b*", "\\*b\\*"), ("<i>", "\\<i\\>"),
        ("[a](b)", "\\[a\\](b)"), ("&amp;", "&amp;amp;"), ("#1 ~x~ $y$", "\\#1 \\~x\\~ \\$y\\$"), ("`c`", "\\`c\\`"),
    ],
)  # fmt: skip
def test_markdown_is_escaped(text, expected):
    """Whatever a name holds, Markdown shows it as it is written; underscores inside words need no escape."""
    assert escaped(text) == expected


def test_indentation_survives():
    """Layers of a module stay indented."""
    assert cell("  squeeze1x1") == "&emsp;squeeze1x1"


@pytest.mark.parametrize("make", [small, evil])
def test_every_line_of_a_table_has_as_many_cells_as_its_header(make):
    """Hostile names do not add columns."""
    width = None
    for line in render(analysis(make), "md").splitlines():
        if not line.startswith("|"):
            width = None
            continue
        width = width or len(cells(line))
        assert len(cells(line)) == width, line


def test_markdown_says_all_that_text_says():
    """The sentences of the terminal, and the constants with their sources besides."""
    page = re.sub(r"\\(.)", r"\1", render(analysis(), "md"))
    document = document_of(analysis())

    for block in document.for_terminal:
        for sentence in getattr(block, "sentences", ()):
            assert f"- {sentence}" in page
    assert "## Constants used" in page
    assert "| dram.read_energy | 100 pJ/B | 50 to 200 pJ/B | assumed | test | made up |" in page


def test_layers_are_in_the_markdown():
    """Every counted layer and every module has its line."""
    names = [cells(line)[0] for line in render(analysis(), "md").splitlines() if line.startswith("|")]

    assert {"conv1", "**block**", "&emsp;one", "&emsp;three", "fc", "*3 free layers*", "**total**"} <= set(names)


def test_a_comparison_has_the_layers_of_both_in_its_appendix():
    """A page has room for every layer of every network."""
    page = render(comparison(2), "md")

    assert "## Layers of large on machine0, int8, batch 1" in page
    assert "## Layers of small on machine0, int8, batch 1" in page


# ---- JSON


def test_json_is_the_dictionary():
    """Nothing is lost, renamed or rounded."""
    assert json.loads(render(analysis(), "json")) == json.loads(json.dumps(analysis().to_dict()))


@pytest.mark.parametrize("result", [analysis, comparison])
def test_json_is_the_same_on_every_run(result):
    """Two runs give the same bytes."""
    assert render(result(), "json") == json_text(result.__wrapped__())


def test_json_is_ascii():
    """No name acts on a terminal."""
    assert render(analysis(evil), "json").isascii()
    assert "\x1b" not in render(analysis(evil), "json")


def test_json_has_no_infinity():
    """A ratio to zero is null."""
    result = SimpleNamespace(to_dict=lambda: {"ratio": float("inf"), "list": [float("nan"), 1, (2.5,)], "name": "x"})

    assert json.loads(json_text(result)) == {"ratio": None, "list": [None, 1, [2.5]], "name": "x"}
    assert finite({"a": True, "b": None}) == {"a": True, "b": None}


# ---- CSV


def test_csv_has_one_row_per_layer_and_every_quantity():
    """The header names the columns as the library does; what needs densities of activations or an objective is not there."""
    rows = list(csv.DictReader(render(analysis(), "csv").splitlines()))

    assert [row["name"] for row in rows] == [layer.name for layer in analysis().layers]
    named = {field.name for field in fields(LayerCost)} - {"effective_macs", "accesses"}
    assert named | {"network", "hardware", "precision", "batch"} <= rows[0].keys()


def test_csv_is_in_base_units():
    """Numbers are those of the library, bytes and joules and seconds, without prefix or rounding."""
    rows = list(csv.DictReader(render(analysis(), "csv").splitlines()))

    for row, layer in zip(rows, analysis().layers, strict=True):
        assert int(row["dram_bytes"]) == layer.dram_bytes
        assert float(row["energy_j"]) == layer.energy_j
        assert row["mapping"] == str(layer.mapping or "")


def test_csv_of_a_comparison_has_the_layers_of_all():
    """Rows say which network and which hardware they belong to."""
    rows = list(csv.DictReader(render(comparison(2, 2), "csv").splitlines()))

    assert len(rows) == sum(len(a.layers) for a in comparison(2, 2).analyses)
    assert {(row["network"], row["hardware"]) for row in rows} == {
        (network, hardware) for network in ("large", "small") for hardware in ("machine0", "machine1")
    }


def test_csv_survives_hostile_names():
    """A name with a line break does not break a line."""
    lines = render(analysis(evil), "csv").splitlines()

    assert len(lines) == 1 + len(analysis(evil).layers)


# ---- HTML


class Tags(HTMLParser):
    """Counts opened and closed elements, and collects the text."""

    def __init__(self):
        super().__init__()
        self.opened, self.closed, self.text = [], [], []

    def handle_starttag(self, tag, _attributes):
        """Note an opened element."""
        self.opened.append(tag)

    def handle_endtag(self, tag):
        """Note a closed element."""
        self.closed.append(tag)

    def handle_data(self, data):
        """Note text."""
        self.text.append(data)


@pytest.mark.parametrize("result", [analysis, lambda: analysis(evil), lambda: comparison(3)])
def test_html_is_balanced_and_escaped(result):
    """Only elements of the report are there, each closed, whatever the names hold."""
    tags = Tags()
    tags.feed(html_table(result()))

    assert sorted(tags.opened) == sorted(tags.closed)
    assert set(tags.opened) <= {"div", "h3", "h4", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}


def test_html_shows_hostile_names_as_they_are():
    """Markup in a name is text."""
    tags = Tags()
    tags.feed(html_table(analysis(evil)))

    assert "[red]x[/red]|<b>&`_*\\x1b[31m\\n" in "".join(tags.text)


def test_notebooks_show_the_table():
    """The method that notebooks call gives the fragment."""
    assert analysis()._repr_html_() == html_table(analysis())
    assert comparison()._repr_html_() == html_table(comparison())


# ---- all


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("result", [analysis, comparison])
def test_every_format_ends_its_last_line(fmt, result):
    """Output of a command is whole lines."""
    printed = render(result(), fmt)

    assert printed.endswith("\n")
    assert not printed.endswith("\n\n")


def test_an_unknown_format_is_refused():
    """The message lists the formats there are."""
    with pytest.raises(InputError, match="format: 'xml' is not known; use one of text, md, json, csv"):
        render(analysis(), "xml")


def test_lists_are_documents_too():
    """What the listing commands print goes through the same renderer."""
    assert render_document(document_of(analysis()), width=80) == render(analysis(), "text", width=80)
