"""The command as a process: what a shell sees."""

from __future__ import annotations

import ast
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "costmodel"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
ANALYZE = ["analyze", "squeezenet", "--hw", "horowitz-45nm"]


def process(*arguments, **options):
    """Run the command as a process of its own."""
    settings = {"capture_output": True, "text": True, "env": ENVIRONMENT, "timeout": 120, **options}
    return subprocess.run([*COMMAND, *arguments], check=False, **settings)


def on_a_terminal(*arguments, **variables):
    """Run the command with a terminal as its stdout, and give what it shows."""
    master, slave = pty.openpty()
    child = subprocess.Popen([*COMMAND, *arguments], stdout=slave, stderr=slave, env={**ENVIRONMENT, **variables})
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            part = b""
        if not part:
            break
        shown += part
    os.close(master)
    assert child.wait(timeout=60) == 0
    return shown.decode()


def test_a_result_is_on_stdout():
    """Exit code 0, and nothing on stderr."""
    result = process(*ANALYZE)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("squeezenet-1.0 on horowitz-45nm")


def test_a_mistake_is_one_line_on_stderr():
    """Exit code 2, stdout empty, no traceback."""
    result = process("analyze", "squeezenet", "--hw", "snapdragn")

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: no hardware profile 'snapdragn'")
    assert result.stderr.count("\n") == 1


def test_the_module_and_the_script_have_one_name():
    """``python -m costmodel`` calls itself costmodel."""
    assert process("--help").stdout.startswith("Usage: costmodel [OPTIONS]")


def test_a_terminal_gets_colour_and_a_pipe_does_not():
    """Colour only where someone looks, and not where NO_COLOR is set."""
    assert "\x1b[1m" in on_a_terminal(*ANALYZE)
    assert "\x1b" not in on_a_terminal(*ANALYZE, NO_COLOR="1")
    assert "\x1b" not in process(*ANALYZE).stdout


NETWORK = """
import os
from costmodel.graph import Graph


def build():
    print(os.environ["OPENBLAS_NUM_THREADS"])
    graph = Graph("one")
    graph.output(graph.relu("relu", graph.input("x", (1, 4))))
    return graph
"""


def test_numpy_starts_no_threads_unless_told_to(tmp_path):
    """They would wait busily for products of matrices, of which there are none."""
    (tmp_path / "net.py").write_text(NETWORK, encoding="utf-8")
    command = ["analyze", str(tmp_path / "net.py"), "--hw", "horowitz-45nm"]
    untold = {name: value for name, value in ENVIRONMENT.items() if name != "OPENBLAS_NUM_THREADS"}

    assert process(*command, env=untold).stderr == "1\n"
    assert process(*command, env={**untold, "OPENBLAS_NUM_THREADS": "2"}).stderr == "2\n"


def test_a_reader_that_leaves_early_is_no_error():
    """As with ``| head -1``: no message, exit code 0."""
    command = [*COMMAND, *ANALYZE, "--format", "json"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    child.stdout.readline()
    child.stdout.close()
    complaint = child.stderr.read()
    child.stderr.close()

    assert (child.wait(timeout=60), complaint) == (0, b"")


def test_an_interruption_leaves_no_traceback(tmp_path):
    """Ctrl-C while a network is built: exit code 130."""
    (tmp_path / "slow.py").write_text(
        "import sys, time\ndef build():\n    print('started', file=sys.stderr, flush=True)\n    time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [*COMMAND, "analyze", str(tmp_path / "slow.py"), "--hw", "horowitz-45nm"],
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - a shell may ignore it
    )
    assert child.stderr.readline() == b"started\n"
    child.send_signal(signal.SIGINT)
    complaint = child.stderr.read()
    child.stderr.close()

    assert (child.wait(timeout=60), complaint.strip()) == (130, b"interrupted")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_stdout_that_does_not_know_every_character(encoding):
    """Frames that cannot be written are no reason for a traceback."""
    result = process(*ANALYZE, text=False, env={**ENVIRONMENT, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"})

    assert (result.returncode, result.stderr) == (0, b"")
    assert b"off-chip traffic" in result.stdout


def loaded(*arguments):
    """Return the modules that a command has loaded."""
    code = (
        "import sys\nfrom costmodel.cli import cli\ntry:\n    cli.main(sys.argv[1:], prog_name='costmodel')\n"
        "except SystemExit:\n    pass\nprint(sorted(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=ENVIRONMENT, check=True, timeout=60
    )
    return set(ast.literal_eval(result.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["analyze", "--help"], ["compare", "--help"], ["profiles"]])
def test_help_loads_click_and_nothing_else(arguments):
    """Of this package only the command line and the errors; of others only click."""
    found = loaded(*arguments)
    heavy = {"numpy", "pandas", "pydantic", "rich", "networkx", "ruamel", "ruamel.yaml"}

    assert {name for name in found if name.startswith("costmodel.")} <= {
        "costmodel.cli", "costmodel.cli_explore", "costmodel.cli_mapping", "costmodel.cli_shared",
        "costmodel.errors", "costmodel.report", "costmodel.report.names",
    }  # fmt: skip
    assert found & heavy == set()


def test_an_analysis_loads_no_more_than_it_needs():
    """Neither pandas nor networkx, and no rich where the result is data."""
    assert loaded(*ANALYZE) & {"pandas", "networkx"} == set()
    assert loaded(*ANALYZE, "--format", "json") & {"pandas", "networkx", "rich"} == set()
