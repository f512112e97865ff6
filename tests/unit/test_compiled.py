"""What one process compiled of the search, the next one need not compile: `make test` relies on it."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import compiled
from tests.architecture.source import ROOT


def ran(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run statements in a process of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_another_process_compiles_nothing():
    """Whatever the objective, the memories and the pins, a process finds what an earlier one kept."""
    compiled.searched()

    code = "from tests import compiled; compiled.searched(); print(compiled.made_here(), len(list(compiled.functions())))"
    made, many = ran(code).stdout.rsplit(" ", 1)

    assert made == "[]"
    assert int(many) > 50


def test_what_is_compiled_is_named():
    """A process says which functions it found nowhere: here one that nobody keeps."""
    code = (
        "from numba import njit; from costmodel.mapping.levels import candidates; from tests import compiled\n"
        "def stranger(x): return x + 1\n"
        "stranger.__module__ = candidates.__name__; candidates.stranger = njit(stranger); candidates.stranger(1)\n"
        "print(compiled.made_here())"
    )
    assert ran(code).stdout == "['stranger']\n"


def test_a_search_that_is_not_compiled_is_an_error():
    """`make test` stops where nothing is kept for the tests, as where Numba is missing or turned off."""
    left = ran("from tests import compiled; compiled.main()", NUMBA_DISABLE_JIT="1")

    assert left.returncode == 1
    assert "is Numba installed?" in left.stderr
