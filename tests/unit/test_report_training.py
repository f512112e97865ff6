"""The report of a training: an iteration, the curves, what it rests on, in every format, and the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.report import html_table, render
from costmodel.report.training_document import best, document, facts, modelling, scaling, title
from costmodel.training import ALGORITHMS, training_of
from tests.golden.samples import EVIL, evil, small
from tests.unit.machine import constant, machine


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(make=small, workers=(1, 2, 4), batch=8, **options):
    """Train a small network on machines of round numbers over Gemini."""
    return training_of(make(), machine(), cm.load_link("gemini"), list(workers), batch, **options)


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(cli, ["train-cost", *map(str, arguments)])


BASIC = ("squeezenet", "--hw", "k20x", "--link", "titan", "--workers", "1,128")


# ---- the document


def test_the_title_says_what_was_priced():
    """Network, hardware, link, format, batch."""
    assert title(found()) == "Training small on machine over gemini, int8, batch 8"


def test_facts_of_an_iteration():
    """MACs both ways, per sample, and the gradient."""
    result = found()
    shown = {fact.label: (fact.value, fact.detail) for fact in facts(result).facts}

    assert shown["forward"][1] == "8 samples"
    assert shown["backward"][1] == f"{result.backward_macs / result.forward_macs:.2f} times the forward pass"
    assert shown["gradient"] == (f"{result.gradient_bytes / 1000:.4g} kB", f"{result.params:,} parameters")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_line_per_number_of_workers(name):
    """Workers, samples, and the speed-up of one exactly 1."""
    table = scaling(found(), name)

    assert [row.cells[:2] for row in table.rows] == [("1", "8"), ("2", "4"), ("4", "2")]
    assert table.rows[0].cells[3:] == ("-", "-", "-", "1.00x", "exactly", "100 %")
    assert table.title.lower() == ALGORITHMS[name].title


def test_the_fastest_is_named_first():
    """Speed-ups in order, with what limits the first."""
    first, second = best(cm.train_cost("alexnet", "k20x", "titan", [128])).sentences

    assert first.startswith("128 workers are faster than one by ")
    assert first.index("ring") < first.index("tree") < first.index("server")
    assert second.endswith("% of that.")


def test_one_worker_alone():
    """Nothing to compare with."""
    (sentence,) = best(found(workers=(1,))).sentences

    assert sentence.startswith("An iteration takes ")


def test_overlap_is_said():
    """In the sentences, and in how it was modelled."""
    result = found(overlap=True)

    assert "partly hidden behind the backward pass" in best(result).sentences[1]
    assert any("during the backward pass" in line for line in modelling(result))
    assert not any("during the backward pass" in line for line in modelling(found()))


def test_assumed_constants_are_listed():
    """What no source gives, of hardware and link."""
    text = render(cm.train_cost("squeezenet", "k20x", "titan", [2]), "text")

    assert "What was assumed: 2 of the 8 constants used have no source" in text
    assert "titan.latency = 15 us" in text


def test_a_page_has_constants_and_sources():
    """Every constant with its place, and the bibliography."""
    text = render(cm.train_cost("squeezenet", "k20x", "titan", [2]), "md", command="costmodel train-cost")

    assert "compute.macs_per_cycle.fp32" in text
    assert "euroben2013: The Cray Inc. XE6/XE6m" in text
    assert document(found()).appendix()[0].rows


def test_unknown_layers_are_an_alarm():
    """Their work is missing, and nothing in their names acts on a terminal."""
    text = render(found(evil, workers=(1,)), "text")

    assert "1 layer UNKNOWN: no model, their work is missing" in text
    assert EVIL not in text
    assert not any(ord(character) < 32 and character != "\n" for character in text)


def test_hostile_names_on_a_page():
    """As in every other report."""
    assert "<script" not in html_table(found(evil, workers=(1,)))


def test_a_range_that_is_a_point_is_exact():
    """Nothing is uncertain where no constant is."""
    exact = constant("bandwidth", 1e6, "B/s"), constant("latency", 0.0, "s")
    wire = replace(cm.load_link("gemini"), bandwidth_bytes_per_s=exact[0], latency_s=exact[1])
    table = scaling(training_of(small(), machine(), wire, [4], 8), "tree")

    assert table.rows[0].cells[7] == "exactly"


# ---- the command


def test_the_command_prints_the_report():
    """The same as the library."""
    result = run(*BASIC)

    assert result.exit_code == 0
    assert result.stdout.rstrip("\n") == repr(cm.train_cost("squeezenet", "k20x", "titan", [1, 128])).rstrip("\n")


def test_json_and_csv():
    """One record per number of workers and algorithm, unrounded."""
    data = json.loads(run(*BASIC, "--format", "json").stdout)
    rows = list(csv.DictReader(StringIO(run(*BASIC, "--format", "csv").stdout)))

    assert len(data["points"]) == len(rows) == 6
    assert [float(row["speedup"]) for row in rows] == [point["speedup"] for point in data["points"]]
    assert rows[-1]["algorithm"] == "ring"


def test_markdown_begins_with_its_command():
    """What a reader types to get it again."""
    text = run(*BASIC, "--format", "md", "--overlap", "--gradient-bits", "16").stdout

    assert text.splitlines()[0] == (
        "`$ costmodel train-cost squeezenet --hw k20x --link titan --workers 1,128 --gradient-bits 16 --overlap --format md`"
    )


def test_options_reach_the_library():
    """Batch, width of the gradient, overlap."""
    data = json.loads(run(*BASIC, "--batch", "256", "--gradient-bits", "8", "--overlap", "--format", "json").stdout)

    assert (data["batch"], data["overlap"], data["gradient_bytes"]) == (256, True, 1_248_424)
    assert [point["samples"] for point in data["points"]] == [256] * 3 + [2] * 3


def test_a_result_in_a_file():
    """Complete or not at all."""
    result = run(*BASIC, "-o", "curve.csv", "--format", "csv")

    assert (result.exit_code, result.stdout) == (0, "")
    assert Path("curve.csv").read_text().startswith("workers,samples,algorithm,")


def test_strict_fails_on_unknown_layers():
    """Named on stderr; exit code 1 where asked for."""
    Path("mine.py").write_text(
        "from costmodel import Graph\n"
        "def build():\n"
        "    g = Graph('mine')\n"
        "    x = g.conv('conv', g.input('x', (1, 3, 8, 8)), 4, 3)\n"
        "    g.output(g.unknown('mystery', 'Op', [x], x.shape))\n"
        "    return g\n"
    )
    plain, strict = (run("mine.py", *BASIC[1:], *extra) for extra in ((), ("--strict",)))

    assert (plain.exit_code, strict.exit_code) == (0, 1)
    assert "unknown layer: mine: mystery" in plain.stderr


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("--workers", "0:8"), "workers: '0:8' does not end"),
        (("--workers", "many"), "workers: 'many' given; write START:STOP"),
        (("--workers", "2048"), "workers: 2048 given; give whole numbers from 1 to 1024"),
        (("--batch", "0"), "Invalid value for '--batch'"),
        (("--gradient-bits", "7"), "Invalid value for '--gradient-bits'"),
        (("--dtype", "int8"), "k20x has no multiplier for int8"),
        (("--link", "gone"), "no link 'gone'"),
        (("--hw", "gone"), "no hardware profile 'gone'"),
        (("--input", "data"), "--input: 'data' is not NAME=SHAPE"),
        (("-o", "gone/x.txt"), "the directory gone does not exist"),
    ],
)
def test_mistakes_are_one_message(arguments, fragment):
    """Exit code 2, nothing on stdout, no traceback."""
    result = run("squeezenet", "--hw", "k20x", "--link", "titan", *arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert fragment in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("missing", ["--hw", "--link"])
def test_what_must_be_given(missing):
    """Hardware and link."""
    arguments = [one for option in (("--hw", "k20x"), ("--link", "titan")) if option[0] != missing for one in option]
    result = run("squeezenet", *arguments)

    assert result.exit_code == 2
    assert f"Missing option '{missing}'" in result.stderr
