"""A variation as text, Markdown, JSON, CSV and HTML: what is said, what is marked, nothing acts on a terminal or a page."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest

import costmodel as cm
from costmodel.explore.axes import Axis
from costmodel.explore.vary import Point, Reason, Variation
from costmodel.report import document_of, html_table, render
from costmodel.report.document import Sentences, Table
from costmodel.report.variation_document import beginnings, extremes, fitting, reasons
from tests.golden.samples import EVIL
from tests.unit.cascades import pair, perceptron
from tests.unit.machine import machine


def varied(axes=None, networks=None, **options):
    """Vary the capacity of the machine of round numbers."""
    chosen = networks or [perceptron("large"), perceptron("small", (100, 5, 1))]
    return cm.vary(chosen, machine(), axes or {"hw.sram": [256, 1024, 65536]}, **options)


def made(dram, fits=(), batch=1, axis="batch", problems=()):
    """Build a variation from bytes: one line per tuple, one network per entry."""
    labels = tuple(str(index) for index in range(len(dram)))
    values = tuple(range(1, len(dram) + 1))
    names = tuple("abc"[: len(dram[0])])
    points = tuple(
        Point(
            name, (values[row],), batch, "int8", "resident", "steady", size, size, size if (row, name) in fits else 0,
            problem="too small" if (row, name) in problems else "",
        )
        for row, line in enumerate(dram)
        for name, size in zip(names, line, strict=True)
    )  # fmt: skip
    return Variation(machine(), (Axis(axis, values, labels),), names, points, tuple(ends(points, names)))


def ends(points, names):
    """Yield the largest and the smallest ratio to every other network, without factors."""
    for column, name in enumerate(names[1:], 1):
        lines = zip(points[:: len(names)], points[column :: len(names)], strict=True)
        found = {one.at: one.dram_bytes / two.dram_bytes for one, two in lines if not one.problem and not two.problem}
        for at in dict.fromkeys([max(found, key=found.get), min(found, key=found.get)] if found else []):
            yield Reason(name, at, found[at], ())


def rows(variation, number=0):
    """Cells of a table."""
    return [row.cells for row in document_of(variation).details[number].rows]


def sentences(variation, title):
    """Sentences of a block."""
    document = document_of(variation)
    return next((b.sentences for b in (*document.summary, *document.notes) if b.title == title), ())


# ---- title and tables


@pytest.mark.parametrize(
    ("axes", "options", "expected"),
    [
        ({"batch": [1]}, {}, "a on machine, int8, batch 1, layer by layer, by batch"),
        ({"batch": [1, 2]}, {}, "a on machine, int8, layer by layer, by batch"),
        ({"hw.sram": [999]}, {"batch": 3, "schedule": "fused", "state": "cold"},
         "a on machine, int8, batch 3, fused, cold, by hw.sram.capacity"),
        ({"dtype": ["int8", "fp32"], "state": ["cold", "steady"]}, {"schedule": "resident"},
         "a on machine, batch 1, by dtype and state"),
        ({"schedule": ["layer", "fused"], "hw.sram": [999], "batch": [1, 2]}, {},
         "a on machine, int8, by schedule, hw.sram.capacity and batch"),
    ],
)  # fmt: skip
def test_the_title_says_what_was_priced(axes, options, expected):
    """Format, batch and schedule where they are the same everywhere, then what varied."""
    found = varied(axes, [perceptron("a")], **options)
    assert document_of(found).title == expected
    assert repr(found).startswith(expected[:60])


def test_a_line_per_value_and_a_column_per_network():
    """Bytes per input, marked where only what must crosses, and the ratio of the first to each other."""
    networks = [perceptron("large"), perceptron("small", (100, 5, 1)), pair("third")]
    found = varied({"batch": [2, 4]}, networks, schedule="resident")
    table = document_of(found).details[0]
    assert table.title == "Off-chip bytes per input"
    assert [f"{c.title} {c.unit}".strip() for c in table.columns] == [
        "batch", "large", "small", "third", "ratio to small", "ratio to third",
    ]  # fmt: skip
    assert rows(found) == [
        ("2", "110 B *", "101 B *", "2.048 kB *", "1.09x", "0.0537x"),
        ("4", "110 B *", "101 B *", "2.048 kB *", "1.09x", "0.0537x"),
    ]


def test_a_table_per_combination_of_the_other_axes():
    """The first axis down the table, the others in its title."""
    axes = {"hw.sram": [1000, 65536], "state": ["steady", "cold"], "batch": [1, 2]}
    found = varied(axes, [perceptron("a")], schedule="resident")
    titles = [table.title for table in document_of(found).details]
    assert titles == [
        f"Off-chip bytes per input: state {state}, batch {batch}" for state in ("steady", "cold") for batch in (1, 2)
    ]
    assert [rows(found, number) for number in range(4)] == [
        [("1 kB", "5.11 kB"), ("64 KiB", "110 B *")],
        [("1 kB", "2.61 kB"), ("64 KiB", "110 B *")],
        [("1 kB", "5.61 kB *"), ("64 KiB", "5.61 kB *")],
        [("1 kB", "2.86 kB *"), ("64 KiB", "2.86 kB *")],
    ]


def test_every_point_is_in_one_table():
    """Cells are the points, whatever the shape."""
    found = varied({"batch": [1, 2, 4], "hw.sram": [300, 3000], "schedule": ["layer", "resident"]})
    cells = [cell for table in document_of(found).details for row in table.rows for cell in row.cells[1:3]]
    assert len(cells) == len(found.points) == 24


# ---- in words


def test_extremes_by_hand():
    """Ratios 0.5, 100 and 250: where the first and the last are, how many are a hundred, how many less than one."""
    (sentence,) = extremes(made([(1, 2), (200, 2), (500, 2)]))
    assert sentence == (
        "a moves 0.50 times (batch 0) to 250 times (batch 2) the off-chip bytes of b: at least 100 times at 2 of 3 points, "
        "fewer bytes at 1."
    )


def test_extremes_of_one_point():
    """One ratio is no span; none is a word."""
    (sentence,) = extremes(made([(30, 10)]))
    assert sentence == (
        "a moves 3.00 times the off-chip bytes of b: at least 100 times at none of 1 point, fewer bytes at none."
    )


def test_extremes_leave_out_what_was_not_priced():
    """Points without figures are no ratio of zero."""
    found = made([(1, 2), (200, 2)], problems={(0, "a")})
    assert list(extremes(found)) == [
        "a moves 100 times the off-chip bytes of b: at least 100 times at 1 of 1 point, fewer bytes at none."
    ]
    assert rows(found)[0] == ("0", "-", "2 B", "-")
    assert list(extremes(made([(1, 2)], problems={(0, "b")}))) == []


@pytest.mark.parametrize(
    ("fits", "expected"),
    [
        ([False, False, True], "from 2 on"),
        ([False, True, True], "from 1 on"),
        ([True, False, False], "up to 0"),
        ([True, True, True], "all"),
        ([False, False, False], "-"),
        ([True, False, True], "0 and 2"),
        ([False, True, False], "1"),
    ],
)
def test_where_a_network_fits(fits, expected):
    """From a value on, up to one, at some, at all or at none."""
    found = made([(5,)] * 3, fits={(row, "a") for row, fit in enumerate(fits) if fit})
    assert fitting(found.axes[0], found.points) == expected
    assert [row.cells for row in beginnings(found).rows] == ([("", expected)] if any(fits) else [])


def test_words_have_no_order():
    """Of schedules none is beyond the other; of sizes that fall neither."""
    axis = Axis("schedule", ("layer", "resident"), ("layer", "resident"))
    points = made([(5,)] * 2, fits={(1, "a")}).points
    assert fitting(axis, points) == "resident"
    assert fitting(Axis("batch", (4, 1), ("4", "1")), points) == "1"


def test_where_it_fits_by_the_other_axes():
    """A line for each combination, a column for each network."""
    axes = {"hw.sram": [1000, 65536], "state": ["steady", "cold"]}
    table = beginnings(varied(axes, [perceptron("a"), pair("b")], schedule="resident"))
    assert table.title == "Values of hw.sram.capacity at which nothing crosses but what must"
    assert [row.cells for row in table.rows] == [
        ("state steady", "from 64 KiB on", "from 64 KiB on"),
        ("state cold", "all", "from 64 KiB on"),
    ]


def test_reasons_are_the_factors_at_both_ends():
    """They multiply to the ratio of the off-chip energies, which is that of the bytes where reads are all that differ."""
    found = varied({"hw.sram": [256, 65536]}, schedule="resident")
    most, least = found.reasons
    assert (most.other, least.other) == ("small", "small")
    assert most.ratio > least.ratio
    for reason, table in zip(found.reasons, reasons(found), strict=True):
        analyses = [
            cm.analyze(graph, machine(int(reason.at[0])), schedule="resident")
            for graph in (perceptron("large"), perceptron("small", (100, 5, 1)))
        ]
        energies = [analysis.totals.energy_off_chip_j for analysis in analyses]
        moved = [analysis.totals.dram_bytes for analysis in analyses]
        assert math.prod(factor.ratio for factor in reason.factors) == pytest.approx(energies[0] / energies[1])
        assert reason.ratio == moved[0] / moved[1]
        assert table.rows[-1].cells[0] == "off-chip energy"
        assert table.title.startswith(f"Why large moves {moved[0] / moved[1]:.2f}x the bytes of small: hw.sram.capacity ")


def test_no_reasons_for_one_network():
    """Nothing to compare with."""
    assert varied(networks=[perceptron("a")]).reasons == ()


# ---- how to read it


def test_only_the_schedules_in_use_are_explained():
    """One by its sentence, several by their names; the star only where one is."""
    layer = sentences(varied(), "How to read it")
    assert layer == (
        "Every layer reads its inputs from dram and writes its outputs there; nothing stays on chip between layers.",
    )
    resident = sentences(varied(schedule="resident"), "How to read it")
    assert resident[0].startswith("*: nothing crosses but")
    assert resident[1].startswith("What the schedule keeps in sram is neither written")
    both = sentences(varied({"schedule": ["layer", "fused"]}), "How to read it")
    assert [sentence.partition(":")[0] for sentence in both] == ["*", "layer by layer", "fused"]
    assert both[1].startswith("layer by layer: every layer reads")


def test_a_problem_is_said_once_per_network():
    """However many points have it."""
    found = varied({"hw.sram": [3, 4, 5, 4096], "batch": [1, 2]}, [perceptron("a"), perceptron("b", (3, 2)), pair("c")])
    problems = [sentence for sentence in sentences(found, "How to read it") if sentence.startswith("-: ")]
    assert [problem.partition(" cannot")[0] for problem in problems] == ["-: a", "-: b", "-: c"]
    assert problems[1] == (
        "-: b cannot be priced at 6 of 8 points; at hw.sram.capacity 3 B, batch 1: fc0: cannot be tiled into sram of 3 B; the "
        "smallest sram that holds one tile is 6 B (6 B)."
    )
    assert rows(found)[0] == ("3 B", "-", "-", "-", "-", "-")


def test_nothing_priced_at_all():
    """A report all the same: dashes and the reason."""
    found = varied({"hw.sram": [2]}, [perceptron("a"), pair("b")])
    assert sentences(found, "In short") == ()
    assert rows(found) == [("2 B", "-", "-", "-")]
    assert "cannot be priced at 1 of 1 point;" in render(found, width=200)


# ---- formats


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
def test_text_stays_within_its_width(width):
    """Narrow terminals lose the ratios first, then break words; no line is longer."""
    names = [perceptron("a network with a rather long name"), perceptron("b", (10, 5)), pair("c")]
    text = render(varied({"hw.sram": [5, 500, 50000], "batch": [1, 2]}, names, schedule="fused"), width=width)
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert ("ratio to" in text) == (width >= 80)


def test_names_of_networks_are_broken_at_their_arguments():
    """Before anything is cut: no letter is lost, and no column splits a word that fits."""
    networks = [perceptron("net:version=1.1,mode=False"), perceptron("other:depth=50,input=64"), pair("c")]
    found = varied({"batch": [1]}, networks)
    text = render(found, width=60)
    header = text.partition("Off-chip bytes per input\n")[2].partition("\n─")[0]
    assert "…" not in header
    for part in ("net", ":version=1.1", ",mode=False", "other", ":depth=50", ",input=64"):
        assert part in header


def test_markdown():
    """Command, title, the same tables with every column."""
    found = varied(schedule="resident")
    text = render(found, "md", command="costmodel sweep a b --hw machine --vary batch=1")
    assert text.startswith("`$ costmodel sweep a b --hw machine --vary batch=1`\n\n# large and small on machine")
    assert "| hw.sram.capacity | large | small | ratio to small |\n| ---: | ---: | ---: | ---: |\n" in text
    assert "| 64 KiB | 110 B \\* | 101 B \\* | 1.09x |" in text
    assert "- \\*: nothing crosses but" in text


def test_json():
    """The whole of to_dict, the same bytes every time."""
    found = varied(schedule="resident")
    assert json.loads(render(found, "json")) == json.loads(json.dumps(found.to_dict()))
    assert render(found, "json") == render(varied(schedule="resident"), "json")


def test_csv():
    """One row per point; what was not worked out is empty."""
    found = varied({"hw.sram": [5, 65536]}, schedule="resident")
    records = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert [record["dram_bytes"] for record in records] == ["", "", "110", "101"]
    assert [record["fits"] for record in records] == ["False", "False", "True", "True"]
    assert [record["hw.sram.capacity"] for record in records] == ["5.0", "5.0", "65536.0", "65536.0"]
    assert [record["network"] for record in records] == ["large", "small"] * 2
    assert records[0]["problem"].startswith("fc0: cannot be tiled")
    assert len(records) == len(found.points)


def test_html():
    """For notebooks: headings, a table per combination, every column."""
    found = varied({"batch": [1, 2], "state": ["steady", "cold"]}, schedule="resident")
    page = html_table(found)
    assert page == found._repr_html_()
    assert page.startswith('<div class="costmodel">\n<h3>large and small on machine')
    assert page.count("<h4>Off-chip bytes per input: state ") == 2
    assert page.count("ratio to small") == 2
    assert "110 B *" in page


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv", "html"])
def test_names_of_others_do_nothing(fmt):
    """A name with markup, a colour, a line break and a pipe is shown, not obeyed, in any format."""
    found = varied({"hw.sram": [5, 4096]}, [perceptron(f"one{EVIL}"), perceptron(f"two{EVIL}", (3, 2))])
    text = html_table(found) if fmt == "html" else render(found, fmt, width=200, color=True)
    assert not re.search(r"\x1b\[31m", text)
    assert "<b>" not in text or fmt in ("text", "csv", "json")
    if fmt == "md":
        assert all(line.startswith("|") for line in text.splitlines() if "\\[red\\]" in line and line.count("|") > 8)
    if fmt in ("text", "csv"):
        assert "\\x1b[31m\\n" in text
    if fmt == "csv":
        assert len(list(csv.reader(io.StringIO(text)))) == 1 + len(found.points)


def test_blocks_are_of_known_kinds():
    """Every block of the document holds what its kind says."""
    document = document_of(varied())
    assert all(isinstance(block, Table) for block in document.details)
    assert [type(block) for block in document.summary] == [Sentences, Table, *[Table] * len(varied().reasons)]
    assert [type(block) for block in document.notes] == [Sentences]
    assert document.appendix() == ()
