"""A curve as text, Markdown, JSON, CSV and HTML, and the command that prints it."""

from __future__ import annotations

import csv
import io
import json

import pytest

import costmodel as cm
from costmodel.explore.curve import Breakpoint, Curve, CurvePoint, LayerCurve
from costmodel.graph import Graph
from costmodel.precision import stored
from costmodel.report import document_of, html_table, render
from costmodel.report.curve_document import LISTED, drops, findings, largest, layers, legend, line, slope
from costmodel.report.document import Sentences, Table
from costmodel.report.numbers import scale
from tests.golden.samples import EVIL
from tests.unit.machine import machine
from tests.unit.test_cli import refused, run

SIZES = "64:4096:4x"


def network(name="small"):
    """Build a convolution whose stride passes over rows, and a classifier."""
    g = Graph(name)
    x = g.conv(f"conv{name}", g.input("data", (1, 3, 16, 16)), 8, kernel=3, stride=2)
    g.output(g.softmax("prob", g.linear("fc", g.flatten("flat", x), 10)))
    return g


def made(moved, *, bound=100, compulsory=80, least=None, layer=None, steps=(), smallest=10, least_from=50):
    """Build a curve of one layer from bytes."""
    points = tuple(CurvePoint(64 << i, compulsory, bound, size, "weight") for i, size in enumerate(moved))
    least = compulsory if least is None else least
    one = LayerCurve("conv", "conv", smallest, least, least_from, points)
    return Curve("net", stored("int8"), 1, None, None, False, layer, tuple(p.capacity_bytes for p in points), (one,), steps)


def steps(saved):
    """Build breakpoints that save so much."""
    return tuple(Breakpoint(100 + i, 1000 - i, size, "weight", f"mapping {i}") for i, size in enumerate(saved))


# ---- tables


def test_a_line_per_size():
    """Moved, bound, compulsory, the ratio and the operand in place."""
    table = slope(made([None, 250, 80], layer="conv"))

    assert [row.cells for row in table.rows] == [
        ("64 B", "-", "", "100", "80", "-", "weight"),
        ("128 B", "250", "██████████", "100", "80", "2.50x", "weight"),
        ("256 B", "80", "███▎", "100", "80", "0.80x", "weight"),
    ]
    assert [row.style for row in table.rows] == ["plain", "plain", "group"]


def test_a_line_of_nothing():
    """A layer that moves nothing has no ratio."""
    assert line(CurvePoint(64, 0, 0, 0), scale([0], "B"), 0).cells == ("64 B", "-", "", "-", "-", "-", "-")


def test_a_layer_says_where_it_is_farthest():
    """Its smallest memory, its least, from where on, and the worst ratio."""
    ((row,), title) = (layers(made([None, 250, 180])).rows, "Layers")

    assert row.cells == ("conv", "conv", "10", "80", "50", "2.50x", "128 B")
    assert layers(made([100])).title == title
    assert layers(made([100])).rows[0].cells[-2:] == ("1.00x", "-")


def test_a_least_above_compulsory_is_marked():
    """And explained."""
    curve = made([120], least=90)

    assert layers(curve).rows[0].cells[3] == "90 *"
    assert any(text.startswith("*:") for text in legend(curve))
    assert not any(text.startswith("*:") for text in legend(made([120])))


def test_a_streamed_layer_needs_no_memory():
    """Dashes instead of sizes."""
    curve = made([80], bound=80, smallest=0, least_from=0)

    assert layers(curve).rows[0].cells[2:5] == ("-", "80", "-")
    assert list(findings(curve)) == ["It moves at most 1.00 times what no schedule undercuts."]


def test_the_breakpoints_that_save_most_are_listed():
    """In order of memory; the first size that fits has nothing to compare with."""
    found = steps([None, *range(30)])

    assert largest(found) == list(found[-LISTED:])
    assert largest(steps([None, 5])) == list(steps([None, 5]))
    table = drops(made([100], layer="conv", steps=steps([None, 5])))
    assert [row.cells for row in table.rows] == [("100", "1.000", "-", "mapping 0"), ("101", "0.999", "0.005", "mapping 1")]


# ---- sentences


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (
            made([250, 80]),
            ["It moves at most 2.50 times what no schedule undercuts, at 64 B.",
             "From 50 B on it moves the least, compulsory traffic, the last being conv."],
        ),
        (
            made([None, 250], smallest=100, layer="conv", least=88),
            ["It moves at most 2.50 times what no schedule undercuts, at 128 B.",
             "From 50 B on it moves the least, 1.10 times compulsory traffic.",
             "Below 100 B no tile of it fits."],
        ),
        (
            made([None], smallest=100),
            ["From 50 B on it moves the least, compulsory traffic, the last being conv.", "Below 100 B no tile of conv fits."],
        ),
        (
            made([100], layer="conv", steps=steps([1])),
            ["It moves at most 1.00 times what no schedule undercuts.",
             "From 50 B on it moves the least, compulsory traffic.", "The minimum has 1 step in this range."],
        ),
    ],
)  # fmt: skip
def test_findings(curve, expected):
    """How far from the limit, from where on nothing is saved, what does not fit, how many steps."""
    assert list(findings(curve)) == expected


def test_many_steps_are_counted():
    """Those that are not listed are not forgotten."""
    curve = made([100], layer="conv", steps=steps(range(1, 40)))

    assert list(findings(curve))[-1] == "The minimum has 39 steps in this range; those 16 that save most are listed."


def test_double_buffering_is_said():
    """The name of the memory with it."""
    curve = cm.curve(network(), capacity=SIZES, hardware=machine(double_buffered=True))

    assert "Tiles take half of the memory, since sram is double-buffered." in list(legend(curve))
    assert render(curve, "text").startswith("Off-chip bytes of small by memory on machine, int8, batch 1\n")


# ---- formats


@pytest.mark.parametrize("layer", [None, "convsmall"])
def test_text_and_markdown_have_the_same_tables(layer):
    """Of the network, and of one layer."""
    curve = cm.curve(network(), layer=layer, capacity=SIZES)
    blocks = [*document_of(curve).for_terminal, *document_of(curve).for_page]
    titles = {block.title for block in blocks if isinstance(block, Table | Sentences)}

    assert titles == {
        "Off-chip bytes by memory", "In short", "How to read it",
        "Layers" if layer is None else "Sizes at which the minimum drops",
    }  # fmt: skip
    text, page = render(curve, "text", width=80), render(curve, "md")
    assert all(title in text and title in page for title in titles)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("fmt", ["text", "md", "csv"])
def test_hostile_names_act_on_nothing(fmt):
    """Neither on a terminal nor on a page."""
    curve = cm.curve(network(EVIL), layer=f"conv{EVIL}", capacity=SIZES)

    assert "\x1b" not in render(curve, fmt)
    assert "[red]x" not in html_table(curve) or "<b>&`" not in html_table(curve)


def test_csv_leaves_out_what_does_not_fit():
    """A row per size, first of all layers; empty where no tile fits."""
    rows = list(csv.DictReader(io.StringIO(render(cm.curve(network(), capacity="4,64"), "csv"))))

    assert [row["layer"] for row in rows] == ["", "", "convsmall", "convsmall", "fc", "fc", "prob", "prob"]
    assert [row["dram_bytes"] for row in rows][:3:2] == ["", ""]
    assert rows[1]["capacity_bytes"] == "64"


# ---- the command


def test_the_command_prints_the_report():
    """Text is the default, nothing on stderr; options reach the library."""
    result = run("curve", "squeezenet:version=1.1", "--layer", "conv10", "--capacity", "16KiB:128KiB", "--dtype", "fp16")
    expected = cm.curve("squeezenet:version=1.1", "conv10", "16KiB:128KiB", dtype="fp16")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == render(expected, "text", width=80)


def test_json_is_the_plain_data():
    """With hardware, batch and widths."""
    result = run(
        "curve", "autoencoder", "--hw", "snapdragon", "--batch", 2, "--bits", "weight=4", "--capacity", "1KiB", "--format",
        "json",
    )  # fmt: skip
    expected = cm.curve("autoencoder", None, "1KiB", "snapdragon", 2, bits={"weight": 4})

    assert json.loads(result.stdout) == json.loads(json.dumps(expected.to_dict()))


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_every_format_to_a_file(fmt, tmp_path):
    """-o writes what stdout would have had."""
    arguments = ("curve", "autoencoder", "--capacity", "1KiB:4KiB", "--format", fmt)
    file = tmp_path / "curve.out"
    result = run(*arguments, "-o", file)

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert file.read_text(encoding="utf-8") == run(*arguments).stdout


def test_markdown_begins_with_the_command_that_gives_it():
    """Run again, it gives the same."""
    page = run("curve", "autoencoder", "--capacity", "1KiB:4KiB", "--format", "md").stdout

    assert "costmodel curve autoencoder --capacity 1KiB:4KiB --format md" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("alexnet", "--layer", "conv9"), "error: curve: alexnet has no layer 'conv9' (did you mean 'conv"),
        (("alexnet", "--capacity", "16MiB:1KiB"), "error: curve: capacity=16MiB:1KiB:2x does not lead from START to STOP"),
        (("alexnet", "--capacity", "big"), "error: curve: capacity: 'big' does not start with a number"),
        (("alexnet", "--capacity", "0"), "error: curve: capacity '0'; give sizes from 1 B"),
        (("alexnet", "--hw", "nowhere"), "error: no hardware profile 'nowhere'"),
        (("nowhere",), "error: no network called 'nowhere'"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path):
    """Exit code 2, no traceback, and no file left behind."""
    file = tmp_path / "curve.txt"
    result = run("curve", *arguments, "-o", file)

    refused(result, message)
    assert len(result.stderr.splitlines()) == 1
    assert not file.exists()
