"""The command `costmodel sweep`: what it prints in every format, the command it says gave it, and every way to misuse it."""

from __future__ import annotations

import csv
import json
import shlex

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from tests.unit.onnx_files import encoded, model, node, value
from tests.unit.test_cli import refused, run

SMALL = "squeezenet:version=1.1,input=64"


def swept(*arguments, hw="snapdragon"):
    """Run a sweep in this process."""
    return run("sweep", *arguments, "--hw", hw)


def test_a_sweep_prints_the_report():
    """Text is the default; nothing on stderr."""
    result = swept("autoencoder", SMALL, "--vary", "hw.sram=64KiB:1MiB:4x", "--schedule", "resident")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"autoencoder and {SMALL} on snapdragon, int8")
    assert "Off-chip bytes per input" in result.stdout
    assert "Values of hw.vtcm.capacity at which nothing crosses but what must\n" in result.stdout
    assert "from 1 MiB on" in result.stdout


def test_options_reach_the_library():
    """Schedule, state, batch and several axes."""
    result = swept(
        "autoencoder", "--vary", "hw.vtcm=256KiB,1MiB", "--vary", "dtype=int8,fp16", "--batch", 4, "--schedule", "resident",
        "--state", "cold", "--format", "json",
    )  # fmt: skip
    axes = {"hw.vtcm": [262144, 1048576], "dtype": ["int8", "fp16"]}
    expected = cm.vary(["autoencoder"], "snapdragon", axes, 4, schedule="resident", state="cold").to_dict()
    assert json.loads(result.stdout) == json.loads(json.dumps(expected))
    assert {point["batch"] for point in expected["points"]} == {4}


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_every_format_to_a_file(fmt, tmp_path):
    """-o writes what stdout would have had."""
    arguments = (SMALL, "autoencoder", "--vary", "batch=1,2", "--format", fmt)
    file = tmp_path / "sweep.out"
    result = swept(*arguments, "-o", file)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert file.read_text(encoding="utf-8") == swept(*arguments).stdout


def test_markdown_begins_with_the_command_that_gives_it():
    """Each axis with its own option, the networks with their widths; -o is no part of it. Run again, it gives the same."""
    axes = ("--vary", "batch=1:4:2x", "--vary", "schedule=layer,fused")
    first = swept("autoencoder@weight=4", "autoencoder", *axes, "--format", "md")
    command = first.stdout.splitlines()[0].strip("`").removeprefix("$ ")
    assert command == (
        "costmodel sweep autoencoder@weight=4 autoencoder --hw snapdragon --vary batch=1:4:2x --vary schedule=layer,fused "
        "--format md"
    )
    again = CliRunner().invoke(cli, shlex.split(command)[1:])
    assert again.stdout == first.stdout


def test_csv_has_a_row_per_point():
    """Networks fastest, then the last axis."""
    result = swept("autoencoder", SMALL, "--vary", "hw.sram=1MiB,64KiB", "--vary", "batch=1,2", "--format", "csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [(row["hw.vtcm.capacity"], row["batch"], row["network"]) for row in rows] == [
        (size, batch, name) for size in ("1048576.0", "65536.0") for batch in "12" for name in ("autoencoder", SMALL)
    ]


def test_points_that_cannot_be_tiled_are_no_failure():
    """Exit 0: the report says which and why."""
    result = swept("autoencoder", "--vary", "hw.sram=8B,1MiB", "--width", 200)
    assert result.exit_code == 0
    assert "-: autoencoder cannot be priced at 1 of 2 points; at hw.vtcm.capacity 8 B:" in result.stdout


@pytest.mark.parametrize("command", [("sweep", "--vary", "batch=1"), ("compare", "autoencoder")])
def test_a_model_file_with_open_axes_says_which_option_it_needs(command, tmp_path):
    """The option exists: with it the command runs, on the figures of `analyze`."""
    file = tmp_path / "open.onnx"
    file.write_bytes(encoded(model([node("Add", "x x", "y")], [value("x", 1, 3, "height", "width")])))
    arguments = (*command, file, "--hw", "snapdragon", "--format", "json")
    refused(run(*arguments), "input 'x' has open axes (1x3xheightxwidth); give its shape: --input x=1x3xNxN")
    data = json.loads(run(*arguments, "--input", "x=1x3x8x8").stdout)
    found = [point["dram_bytes"] for point in data.get("points", ())]
    found += [one["totals"]["dram_bytes"] for one in data.get("analyses", ())][1:]
    assert found == [cm.analyze(file, "snapdragon", inputs={"x": (1, 3, 8, 8)}).totals.dram_bytes]


def test_input_shapes_without_a_model_file():
    """A Python network has arguments."""
    refused(swept("squeezenet", "--vary", "batch=1", "--input", "data=1x3x64x64"), "input shapes are for model files")


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("squeezenet",), "Missing option '--vary'"),
        (("--vary", "batch=1"), "Missing argument 'NET...|SPACE.yaml'"),
        (("squeezenet", "--vary", "batch"), "--vary: 'batch' is not NAME=VALUES; write for example hw.sram=32KiB:16MiB:2x"),
        (("squeezenet", "--vary", "batch="), "--vary: 'batch=' is not NAME=VALUES"),
        (("squeezenet", "--vary", "=1"), "vary: '' cannot vary on snapdragon"),
        (("squeezenet", "--vary", "batch=1", "--vary", "batch=2"), "--vary: batch is given twice; give all its values"),
        (("squeezenet", "--vary", "hw.sram=1MiB", "--vary", "hw.vtcm=2MiB"), "vary: hw.vtcm.capacity varies twice"),
        (("squeezenet", "--vary", "hw.sram=1MiB", "--vary", "hw.vtcm.capacity=2MiB"), "vary: hw.vtcm.capacity varies twice"),
        (("squeezenet", "--vary", "hw.sram=nan"), "vary: hw.sram is nan; write a quantity in B"),
        (("squeezenet", "--vary", "hw.sram=inf"), "vary: hw.sram is inf; write a quantity in B"),
        (("squeezenet", "--vary", "hw.sram=1 KB"), "vary: hw.sram: '1 KB': 'KB' is not a unit: write kB (1000 bytes)"),
        (("squeezenet", "--vary", "hw.sram=-1MiB"), "vary: hw.sram: -1MiB is negative: write more than 0"),
        (("squeezenet", "--vary", "hw.sram=0"), "vtcm.capacity: 0.0 B is zero: write more than 0"),
        (("squeezenet", "--vary", "hw.sram=0:4MiB:2x"), "does not lead from START to STOP"),
        (("squeezenet", "--vary", "hw.sram=1B:1GiB:1B"), "takes more than 10000 values"),
        (("squeezenet", "--vary", "batch=1:5000:1", "--vary", "hw.sram=1:3:1"), "15000 points; at most 10000"),
        (("squeezenet", "--vary", "batch=true"), "vary: batch is 'true'; write a whole number"),
        (("squeezenet", "--vary", "batch=0"), "batch: 0 given; give a whole number from 1"),
        (("squeezenet", "--vary", "dtype=int9"), "vary: dtype cannot be 'int9'; it takes int4, int8"),
        (("squeezenet", "--vary", "dtype=bf16"), "snapdragon has no multiplier for bf16"),
        (("squeezenet", "--vary", "schedule=fuse"), "vary: schedule cannot be 'fuse'; it takes layer, resident, fused"),
        (("squeezenet", "--vary", "hw.dram=1GiB"), "vary: 'hw.dram' cannot vary on snapdragon"),
        (("squeezenet", "--vary", "hw.clock=1GHz"), "vary: 'hw.clock' cannot vary on snapdragon"),
        (("squeezenet@weights=3", "--vary", "batch=1"), "bits: 'weights' is not an operand"),
        (("squeezenet@int9", "--vary", "batch=1"), "no compression scheme 'int9', did you mean int8?: shipped are"),
        (("nowhere.onnx", "--vary", "batch=1"), "nowhere.onnx: no such file; give a model file"),
        (("squeezenet", "--vary", "batch=1", "--schedule", "fuse"), "Invalid value for '--schedule'"),
        (("squeezenet", "--vary", "batch=1", "--state", "warm"), "Invalid value for '--state'"),
        (("squeezenet", "--vary", "batch=1", "--batch", "0"), "Invalid value for '--batch'"),
        (("squeezenet", "--vary", "batch=1", "-o", "/nowhere/at/all.md"), "the directory /nowhere/at does not"),
        (("squeezenet", "--vary", "batch=1", "--width", "10"), "Invalid value for '--width'"),
    ],
)
def test_misuse_is_one_message(arguments, fragment):
    """Exit 2, nothing on stdout, one line that says what to do."""
    result = swept(*arguments)
    refused(result, fragment)
    assert len(result.stderr.splitlines()) <= 4


def test_an_unknown_profile():
    """As for `analyze`."""
    refused(swept("squeezenet", "--vary", "batch=1", hw="snapdargon"), "snapdargon")


def test_nothing_is_written_where_something_is_wrong(tmp_path):
    """The file that was there stays as it was."""
    file = tmp_path / "report.md"
    file.write_text("before", encoding="utf-8")
    refused(swept("squeezenet", "--vary", "batch=0", "-o", file), "batch: 0 given")
    assert file.read_text(encoding="utf-8") == "before"
