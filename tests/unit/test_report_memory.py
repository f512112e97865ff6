"""The report of a memory timeline: step by step, the figures, the conventions, in every format."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.report import render
from costmodel.report.memory_document import (
    alive,
    beside,
    conventions,
    document,
    facts,
    order,
    packed,
    steps,
    title,
)
from tests.golden.samples import evil, small
from tests.unit.machine import machine


def found(make=small, **options):
    """Return the memory of a small network."""
    return cm.memory(make(), **options)


def cells(table):
    """Return a table as {first cell: other cells}."""
    return {row.cells[0]: row.cells[1:] for row in table.rows}


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(cli, ["memory", *map(str, arguments)])


# ---- the document


def test_the_title_says_what_was_counted_and_how():
    """Network, format, batch, convention, order."""
    assert title(found(order="least", convention="arena", batch=2)) == (
        "Activation memory of small, int8, batch 2, convention arena, in the order of least memory"
    )


def test_every_step_is_a_line():
    """Its number, its memory, a bar, and what is alive; the peak is marked."""
    table = steps(found())
    assert [row.cells[1] for row in table.rows] == ["conv1", "pool1", "block/one", "block/three", "fc", "prob"]
    peak = [row.cells for row in table.rows if row.style == "group"]
    assert [cell[1] for cell in peak] == ["conv1"]
    assert peak[0][3:] == ("2.816", "██████████", "peak", "conv1, data")
    assert table.columns[3].unit == "kB"


def test_bars_are_for_terminals():
    """A page shows numbers."""
    assert [column.text_only for column in steps(found()).columns].count(True) == 1
    assert "█" in render(found(), "text", width=100)
    assert "█" not in render(found(), "md")


def test_many_buffers_are_counted_not_listed():
    """Three names, and how many others."""
    step = replace(found().steps[0], alive=tuple("abcdef"))
    assert alive(step) == "a, b, c, 3 others"
    assert alive(replace(step, alive=tuple("abcd"))) == "a, b, c, 1 other"
    assert alive(replace(step, alive=("a",))) == "a"


def test_the_peak_with_its_bounds():
    """In bytes, where, in any order, at other addresses."""
    lines = {fact.label.strip(): (fact.value, fact.detail) for fact in facts(found()).facts}
    assert lines["peak of activations"] == ("2.816 kB", "2,816 B, most at conv1")
    assert lines["least in any order"] == ("2.816 kB", "alive at once; no other order needs less")
    assert lines["at other addresses"] == ("2.816 kB", "no other addresses span less")


def test_what_is_not_proved_says_so():
    """A bound below the peak, a packing above it."""
    loose = replace(found(), order_proved=False, packed_bytes=3000, packed_proved=False)
    assert order(loose).detail == "alive at once at least, as far as proved; --order least looks for a better one"
    assert order(replace(loose, order="least")).detail == "alive at once at least, as far as proved"
    assert packed(loose).detail == "the best addresses found"


def test_in_out_has_neither_order_nor_addresses():
    """One layer at a time."""
    labels = [fact.label.strip() for fact in facts(found(convention="in_out")).facts]
    assert labels == ["peak of activations", "weights"]


@pytest.mark.parametrize(
    ("capacity", "verdict"),
    [
        (2815, "the peak takes 100 % of it and does not fit"),
        (2816, "the peak takes 100 % of it; the weights do not fit beside it"),
        (30_000, "the peak takes 9.4 % of it, and the weights fit beside it"),
    ],
)
def test_the_memory_of_hardware(capacity, verdict):
    """What fits in it, to the byte."""
    memory = beside(found(hw=machine(capacity=capacity)))[-1]
    assert memory.label == "memory on chip"
    assert memory.detail == f"sram of machine: {verdict}"


def test_conventions_side_by_side():
    """Bytes, their share of what is alive, where, and what is in place; the chosen one stands out."""
    table = conventions(found(convention="arena", in_place=["view"]))
    assert cells(table)["live"] == ("2,816", "100 %", "conv1", "element-wise layers, concatenations and views")
    assert cells(table)["arena"][-1] == "views"
    assert cells(conventions(found()))["arena"][-1] == "nothing"
    assert [row.cells[0] for row in table.rows if row.style == "group"] == ["arena"]


def test_buffers_are_on_the_page():
    """Size, lifetime and address of each, where there is room; a dash where there is no address."""
    appendix = document(found()).appendix()[0]
    assert appendix.title == "Buffers"
    assert cells(appendix)["data"] == ("768", "0", "0", "2,048", "")
    assert "## Buffers" in render(found(), "md")
    assert cells(document(found(convention="in_out")).appendix()[0])["data"][3] == "-"


def test_all_conventions_are_explained():
    """Each by name, and what is left out of all of them."""
    notes = document(found()).notes[0].sentences
    assert [note.partition(":")[0] for note in notes[1:]] == ["live", "in_out", "arena"]
    assert "weights" in notes[0]


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_hostile_names_act_on_nothing(fmt):
    """Escapes of a terminal and line ends within names are shown, not obeyed."""
    text = render(found(evil), fmt)
    assert "\x1b" not in text
    assert "[red]x[/red]|<b>" not in text or fmt != "md"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_report_fits(width):
    """No line is wider than the terminal."""
    assert max(map(len, render(found(), "text", width=width).splitlines())) <= width


# ---- the command


def test_the_command_prints_the_report():
    """The same as the library's repr."""
    result = run("squeezenet", "--hw", "snapdragon", "--width", 80)
    assert result.exit_code == 0
    assert result.output == repr(cm.memory("squeezenet", hw="snapdragon"))


def test_json_of_the_command():
    """Every option reaches the library."""
    options = "--dtype fp16 --batch 2 --convention arena --order least --in-place concat,view --bits weight=4"
    data = json.loads(run("squeezenet", *options.split(), "--format", "json").output)
    expected = cm.memory("squeezenet", "fp16", 2, "arena", "least", in_place=["concat", "view"], bits={"weight": 4})
    assert data == json.loads(json.dumps(expected.to_dict()))


def test_csv_of_the_command():
    """One row per step with what was counted; the header names the columns."""
    rows = list(csv.DictReader(StringIO(run("alexnet", "--format", "csv").output)))
    assert len(rows) == 14
    assert rows[0] == {
        "network": "alexnet", "precision": "int8", "batch": "1", "convention": "live", "order": "program", "step": "0",
        "name": "conv1", "op": "conv", "live_bytes": "444987", "alive": "conv1;data",
    }  # fmt: skip


def test_markdown_of_the_command(tmp_path):
    """Written to a file, its first line the command that makes it."""
    file = tmp_path / "memory.md"
    assert run("alexnet", "--format", "md", "--in-place", "none", "-o", file).output == ""
    first, *_ = file.read_text(encoding="utf-8").splitlines()
    assert first == "`$ costmodel memory alexnet --in-place none --format md`"
    run("alexnet", "--format", "md", "--in-place", "view,concat", "-o", file)
    assert "--in-place view,concat " in file.read_text(encoding="utf-8").splitlines()[0]


def test_a_model_file_with_open_axes():
    """Given as for analyze."""
    file = "tests/models/tflite/mobilenet_v3_small_int8.tflite"
    assert "open axes" in run(file).output
    assert run(file, "--input", "keras_tensor_196=1x224x224x3").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["nowhere"], "error: no network called 'nowhere'"),
        (["squeezenet", "--convention", "peak"], "'peak' is not one of 'live', 'in_out', 'arena'"),
        (["squeezenet", "--order", "best"], "'best' is not one of 'program', 'least'"),
        (["squeezenet", "--in-place", "sums"], "error: --in-place: 'sums' is not known; use one of elementwise, concat,"),
        (["squeezenet", "--in-place", "layer"], "error: in_place: 'layer' is of one layer, and convention live"),
        (["squeezenet", "--hw", "snapdragn"], "error: no hardware profile 'snapdragn'"),
        (["squeezenet", "--hw", "snapdragon", "--dtype", "fp64"], "error: dtype: 'fp64' is not a number format"),
        (["squeezenet", "--batch", "0"], "0 is not in the range x>=1"),
        (["squeezenet", "--batch", "9999999"], "error: batch: 9999999 given"),
        (["squeezenet", "--strict"], "No such option '--strict'"),
        (["squeezenet", "-o", "no/such/file.md"], "error: -o no/such/file.md: the directory no/such does not exist"),
        ([], "Missing argument 'NET'"),
    ],
)
def test_mistakes_are_one_line(arguments, fragment):
    """Exit code 2, what was wrong and what to do, no traceback."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert fragment in result.output
    assert "Traceback" not in result.output
