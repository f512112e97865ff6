"""The commands `costmodel search` and `costmodel pareto`: what they print in every format, and every way to misuse them."""

from __future__ import annotations

import csv
import json
import shlex

import pandas as pd
import pytest

import costmodel as cm
from costmodel.explore.evaluate import evaluate
from tests.unit.searched import SMALL, best, shared
from tests.unit.test_cli import refused, run


@pytest.fixture
def space(tmp_path):
    """Write a file of the space; JSON is YAML."""
    file = tmp_path / "space.yaml"
    file.write_text(json.dumps(SMALL), encoding="utf-8")
    return file


@pytest.fixture
def table(tmp_path):
    """Write a table of every point of the space."""
    file = tmp_path / "out.csv"
    pd.DataFrame(evaluate(shared(), 0, shared().size, ["params", "macs", "energy_j"])).to_csv(file, index=False)
    return file


def searched(space, *arguments):
    """Run a quick search."""
    return run("search", space, "--objective", "energy,macs", "--maximise", "macs", "--sampler", "random", *arguments)


# ---- search


def test_a_search_prints_the_report(space):
    """Text is the default; nothing on stderr."""
    result = searched(space, "--trials", 50)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Search of small: least energy and most macs\n")
    assert "50 trials with the sampler random, seed 0" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_options_reach_the_library(space, tmp_path):
    """Everything that the command takes."""
    result = run(
        "search", space, "--objective", "latency,params", "--maximise", "params", "--trials", 24,
        "--budget", "max_energy=130uJ", "--budget", "max_ram=1MB", "--sampler", "nsga2", "--seed", 5, "--batch", 12,
        "--storage", tmp_path / "s.journal", "--format", "json",
    )  # fmt: skip
    expected = cm.search(
        SMALL, ["latency", "params"], 24, cm.Budget(max_energy="130 uJ", max_ram=1e6), "params", sampler="nsga2", seed=5,
        batch=12,
    ).to_dict()  # fmt: skip
    assert json.loads(result.stdout) == json.loads(json.dumps(expected))
    assert (tmp_path / "s.journal").exists()


def test_a_search_goes_on(space, tmp_path):
    """The same command with more trials."""
    storage = ("--storage", tmp_path / "s.journal", "--batch", 10)
    searched(space, "--trials", 10, *storage)
    again = searched(space, "--trials", 20, *storage, "--format", "json")
    assert again.stdout == searched(space, "--trials", 20, "--batch", 10, "--format", "json").stdout


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_every_format_to_a_file(fmt, space, tmp_path):
    """-o writes what stdout would have had."""
    file = tmp_path / "found.out"
    result = searched(space, "--trials", 20, "--format", fmt, "-o", file)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert file.read_text(encoding="utf-8") == searched(space, "--trials", 20, "--format", fmt).stdout


def test_markdown_begins_with_the_command_that_gives_it(space):
    """Every option with its value; run again, it gives the same."""
    first = searched(space, "--trials", 20, "--budget", "max_energy=1 J", "--budget", "max_params=3M", "--format", "md")
    command = shlex.split(first.stdout.splitlines()[0].strip("`$ "))
    assert command[:2] == ["costmodel", "search"]
    assert run(*command[1:]).stdout == first.stdout


def test_csv_has_a_row_per_design(space):
    """Index, axes in base units, metrics."""
    rows = list(csv.DictReader(searched(space, "--trials", 400, "--batch", 100, "--format", "csv").stdout.splitlines()))
    assert list(rows[0]) == ["point", *shared().names, "energy_j", "macs"]
    assert {int(row["point"]) for row in rows} <= best(shared(), "energy", "macs", maximise="macs")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objective", "enrgy", "--trials", 5), "objective: 'enrgy' is not known (did you mean 'energy'?)"),
        (("--objective", "energy", "--trials", 0), "--trials"),
        (("--objective", "energy", "--trials", 5, "--maximise", "macs"), "maximise: macs is no objective"),
        (("--objective", "energy", "--trials", 5, "--budget", "max_energy=5"), "max_energy: '5' has no unit"),
        (("--objective", "energy", "--trials", 5, "--budget", "energy=5mJ"), "no limit 'energy' (did you mean 'max_energy'?)"),
        (("--objective", "energy", "--trials", 5, "--storage", "s.txt"), "--storage s.txt: give a file .db"),
        (("--objective", "energy", "--trials", 5, "--sampler", "grid"), "--sampler"),
        (("--objective", "energy", "--trials", 5, "--budget", "max_macs=1k"), "is within the budget; the closest, point "),
    ],
)
def test_mistakes_of_a_search(arguments, message, space):
    """One line on stderr, exit code 2."""
    refused(run("search", space, *arguments), message)


def test_a_space_that_is_not_there(tmp_path):
    """The file is named."""
    refused(run("search", tmp_path / "gone.yaml", "--objective", "energy", "--trials", 5), "gone.yaml")


def test_a_failed_search_writes_nothing(space, tmp_path):
    """No file where nothing was found."""
    arguments = ("--objective", "energy", "--trials", 5, "--budget", "max_macs=1k", "-o", tmp_path / "o.csv")
    refused(run("search", space, *arguments), "the closest")
    assert not (tmp_path / "o.csv").exists()


# ---- pareto


def test_a_front_is_printed(table):
    """The designs that enumeration finds."""
    result = run("pareto", table, "--by", "energy,macs", "--maximise", "macs")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Front of 72 designs: least energy and most macs\n")
    text = run("pareto", table, "--by", "energy,macs", "--maximise", "macs", "--format", "csv").stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert {int(row["point"]) for row in rows} == best(shared(), "energy", "macs", maximise="macs")


def test_options_of_a_front_reach_the_library(table, space):
    """Ranks, draws, seed and nearness."""
    result = run(
        "pareto", table, "--by", "energy,macs", "--maximise", "macs", "--fronts", 2, "--space", space,
        "--samples", 8, "--seed", 2, "--near", 20, "--format", "json",
    )  # fmt: skip
    expected = cm.pareto(table, "energy,macs", "macs", 2, space, samples=8, seed=2, near=20).to_dict()
    assert json.loads(result.stdout) == json.loads(json.dumps(expected))
    assert {record["rank"] for record in expected["front"]} >= {0, 1}


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_fronts_in_every_format(fmt, table, space, tmp_path):
    """-o writes what stdout would have had; the marks are in all of them."""
    arguments = ("pareto", table, "--by", "energy,macs", "--maximise", "macs", "--space", space, "--samples", 8)
    arguments += ("--format", fmt)
    run(*arguments, "-o", tmp_path / "f.out")
    text = run(*arguments).stdout
    assert (tmp_path / "f.out").read_text(encoding="utf-8") == text
    assert ("certain" if fmt in ("text", "md") else "front_share") in text


def test_what_a_sweep_wrote_has_a_front(space, tmp_path):
    """A directory of Parquet files of several parts, and its marks."""
    out = tmp_path / "out.parquet"
    assert run("sweep", space, "--metrics", "params,energy_j,macs", "--chunk", 30, "-o", out).exit_code == 0
    arguments = ("--by", "energy,macs", "--maximise", "macs", "--space", space, "--samples", 8, "--format", "csv")
    rows = list(csv.DictReader(run("pareto", out, *arguments).stdout.splitlines()))
    front = {int(row["point"]) for row in rows if row["rank"] == "0"}
    assert front == best(shared(), "energy", "macs", maximise="macs")


def test_a_table_with_names_that_act_on_a_terminal(tmp_path):
    """Escapes are shown, not sent."""
    file = tmp_path / "t.csv"
    pd.DataFrame({"name\x1b[31m": ["a\x1b[0m", "b"], "params": [1, 2], "macs": [2, 1]}).to_csv(file, index=False)
    for fmt in ("text", "md", "csv", "json"):
        assert "\x1b" not in run("pareto", file, "--by", "params,macs", "--format", fmt).stdout


def test_many_designs_are_cut(tmp_path):
    """People see the first forty, and how many more there are; CSV has all."""
    file = tmp_path / "t.csv"
    pd.DataFrame({"a": range(100), "b": range(100, 0, -1)}).to_csv(file, index=False)
    assert "60 more are in JSON and CSV" in run("pareto", file, "--by", "a,b").stdout
    assert run("pareto", file, "--by", "a,b", "--format", "csv").stdout.count("\n") == 101


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "parms"), "pareto: no column parms (did you mean 'params'?); the columns are point, net.base_e"),
        (("--by", "params", "--maximise", "macs"), "macs is to be maximised, but not compared"),
        (("--by", "net.bypass"), "net.bypass is not numeric: it holds 'none'"),
        (("--by", ""), "nothing to compare"),
        (("--by", "params", "--fronts", 0), "--fronts"),
        (("--by", "energy", "--samples", 1), "--samples"),
        (("--by", "energy", "--space", "gone.yaml"), "gone.yaml"),
    ],
)
def test_mistakes_of_a_front(arguments, message, table):
    """One line on stderr, exit code 2."""
    refused(run("pareto", table, *arguments), message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "does not exist; give a table that costmodel sweep wrote"),
        ("empty.csv", "", "is empty"),
        ("header.csv", "params,macs\n", "the table has no rows"),
        ("t.json", "{}", "is neither .csv nor .parquet"),
        ("t.parquet", "no", "is no readable parquet table"),
    ],
)
def test_tables_that_cannot_be_used(name, content, message, tmp_path):
    """One line that says why."""
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    refused(run("pareto", tmp_path / name, "--by", "params"), message)
