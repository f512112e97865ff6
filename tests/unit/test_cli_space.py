"""The command `costmodel sweep` on a design space: what it writes, what it says, and every way to misuse it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import costmodel as cm
from costmodel.explore.run import RunReport
from costmodel.report.progress import summary, watched
from tests.unit.run_spaces import FEASIBLE, METRICS, POINTS, PROBLEMS, space_file
from tests.unit.test_cli import refused, run

ROOT = Path(__file__).resolve().parents[2]
NAMES = ",".join(METRICS)
SAID = f"{FEASIBLE} rows of {POINTS} points in 1 part; {PROBLEMS} rows without figures, see the column problem\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A space in the working directory, by its name."""
    monkeypatch.chdir(tmp_path)
    return space_file(tmp_path).name


def test_rows_go_to_a_directory(file):
    """Those of ``cm.sweep``; stdout stays empty, stderr says what is where."""
    result = run("sweep", file, "--metrics", NAMES, "-o", "o.parquet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"o.parquet: {SAID}")
    assert_frame_equal(pd.read_parquet("o.parquet"), cm.sweep(file, metrics=METRICS), check_dtype=False)


def test_resuming_what_is_finished(file):
    """Nothing is computed again, and the line says so."""
    arguments = ("sweep", file, "--metrics", NAMES, "-o", "o.parquet", "--chunk", "100")
    assert run(*arguments).exit_code == 0
    result = run(*arguments, "--resume")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"{FEASIBLE} rows of {POINTS} points in 3 parts, 3 of them from before; " in result.stderr


def test_rows_go_to_one_csv_file(file):
    """Whole numbers as such, also where a point has none; no metrics are all metrics of an analysis."""
    result = run("sweep", file, "--metrics", "params,energy_j", "-o", "o.csv")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"o.csv: {FEASIBLE} rows\n")
    text = Path("o.csv").read_text(encoding="utf-8")
    head = "point,hardware,net.depth,net.width,net.kind,batch,params,energy_j,problem\n0,eyeriss-168,1,4,relu,1,68,"
    assert re.match(re.escape(head) + r"\d", text)
    found = pd.read_csv("o.csv", keep_default_na=False, na_values={"params": "", "energy_j": ""})
    assert_frame_equal(found, cm.sweep(file, metrics=["params", "energy_j"]), check_dtype=False)
    assert (found["problem"] != "").sum() == PROBLEMS


def test_the_suffix_in_capitals(file):
    """Both of the space and of the output."""
    Path(file).rename("CHAINS.YML")
    assert run("sweep", "CHAINS.YML", "--metrics", "macs", "-o", "O.CSV").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("chains.yaml",), "chains.yaml: the rows of a design space need a place; give -o NAME.parquet"),
        (("chains.yaml", "-o", "o.txt"), "chains.yaml: the rows of a design space need a place"),
        (("chains.yaml", "squeezenet", "-o", "o.csv"), "chains.yaml, squeezenet: a design space stands alone"),
        (("chains.yaml", "-o", "o.csv", "--hw", "stm32h743"), "--hw: a design space says that itself; write it into"),
        (
            ("chains.yaml", "-o", "o.csv", "--vary", "batch=1", "--format", "json", "--batch", "2"),
            "--vary, --format, --batch: a design space says that itself",
        ),
        (("chains.yaml", "-o", "o.csv", "--state", "steady"), "--state: a design space says that itself"),
        (("chains.yaml", "-o", "o.csv", "--resume"), "--resume: a CSV file is written at once"),
        (("chains.yaml", "-o", "o.csv", "--workers", "2"), "--workers: a CSV file is written at once, by this process; give"),
        (("chains.yaml", "-o", "o.parquet", "--metrics", "energy"), "no metric energy (did you mean 'energy_j'?)"),
        (("chains.yaml", "-o", "o.csv", "--metrics", ""), "no metric "),
        (("chains.yaml", "-o", "no/where.parquet"), "-o no/where.parquet: the directory no does not exist; create it first"),
        (("chains.yaml", "-o", "no/where.csv"), "-o no/where.csv: the directory no does not exist; create it first"),
        (("nowhere.yaml", "-o", "o.parquet"), "nowhere.yaml"),
        (("chains.yaml", "-o", "o.parquet", "--workers", "0"), "Invalid value for '--workers'"),
        (("chains.yaml", "-o", "o.parquet", "--workers", "2000"), "workers: 2000; give a number from 1 to 1024"),
        (("chains.yaml", "-o", "o.parquet", "--chunk", "0"), "Invalid value for '--chunk'"),
        (("chains.yaml", "-o", "chain.py.parquet/o.parquet"), "the directory chain.py.parquet does not exist"),
        (("squeezenet", "--hw", "snapdragon", "--vary", "batch=1", "--workers", "2"), "--workers: only a design space, SPACE"),
        (
            ("squeezenet", "--hw", "snapdragon", "--vary", "batch=1", "--metrics", "macs", "--resume"),
            "--metrics, --resume: only a design space, SPACE.yaml, takes that",
        ),
        (("squeezenet", "--vary", "batch=1"), "Missing option '--hw'"),
    ],
)  # fmt: skip
def test_misuse_is_one_message(file, arguments, fragment):
    """Exit 2, nothing on stdout, one line that says what to do, and nothing written."""
    result = run("sweep", *arguments)
    refused(result, fragment)
    assert sorted(path.name for path in Path().iterdir() if path.name != "__pycache__") == ["chain.py", file]


def test_an_output_that_exists(file):
    """Not touched without --resume, nor by another run with it."""
    assert run("sweep", file, "--metrics", "macs", "-o", "o.parquet").exit_code == 0
    refused(run("sweep", file, "--metrics", "macs", "-o", "o.parquet"), "-o o.parquet: exists; give --resume to continue")
    refused(
        run("sweep", file, "--metrics", "params", "-o", "o.parquet", "--resume"),
        "--resume continues the same run only: the metrics were macs and are params. Undo that, or give another -o",
    )


def test_a_space_with_mistakes_says_where(file):
    """File, line and column, and nothing is written."""
    text = Path(file).read_text(encoding="utf-8")
    Path(file).write_text(text.replace("net.depth: [1, 2, 4]", "net.depht: [1, 2, 4]"), encoding="utf-8")
    refused(run("sweep", file, "-o", "o.parquet"), "chains.yaml:5:3: axes.net.depht:")
    assert not Path("o.parquet").exists()


# ---- who watches


def watched_run(file, **variables):
    """What a terminal on stderr shows of a run, and what stdout holds."""
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "costmodel", "sweep", file, "--metrics", "macs", "--chunk", "60", "-o", "o.parquet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", **variables}
    child = subprocess.Popen([*words, "--resume"], stdout=subprocess.PIPE, stderr=slave, env=environment)
    os.close(slave)
    shown = b""
    while part := read(master):
        shown += part
    os.close(master)
    assert (child.communicate(timeout=60)[0], child.returncode) == (b"", 0)
    return shown.decode()


def read(descriptor):
    """What a terminal shows next; nothing at its end."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


def test_a_bar_where_a_person_watches(file):
    """Points done, the rate and the time left; gone at the end, when the summary stands."""
    shown = watched_run(file)
    assert "240/240" in shown
    assert "left" in shown
    assert shown.rstrip().endswith("see the column problem")
    dumb = watched_run(file, TERM="dumb")
    assert "/240" not in dumb
    assert dumb.startswith("o.parquet: ")


def test_no_bar_where_nobody_watches(capsys):
    """Logs hold no bars."""
    with watched(shown=False) as told:
        told(RunReport(Path("o"), 10, 5))
    assert capsys.readouterr() == ("", "")


def test_what_a_run_left():
    """One line, its nouns in number."""
    one = RunReport(Path("o.parquet"), 1, 1, 1, 0, 1)
    assert summary(one) == "o.parquet: 1 row of 1 point in 1 part"
    many = RunReport(Path("o.parquet"), 5000, 5000, 4000, 1, 3, 2, 3000)
    assert summary(many) == (
        "o.parquet: 4,000 rows of 5,000 points in 3 parts, 2 of them from before; "
        "1 row without figures, see the column problem"
    )
