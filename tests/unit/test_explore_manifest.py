"""The manifest of a run: what makes it another run, and who may write to its directory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from costmodel.errors import InputError
from costmodel.explore import manifest
from costmodel.explore.manifest import Manifest, changes, differences, locked, read

SPACE = {"name": "s", "network": "a/net.py", "axes": {"net.a": [1, 2], "hw.sram": "1KiB:4KiB:2x"}, "batch": 1}
RUN = Manifest("0.1.0", SPACE, "d1", ("macs", "energy_j"), 100, 10)


def test_a_manifest_is_read_as_it_was_written(tmp_path):
    """Finished or not."""
    for run in (RUN, RUN.ended(90, 3)):
        (tmp_path / manifest.NAME).write_bytes(run.text())
        assert read(tmp_path) == run
    assert json.loads(run.text()) | {"finished": True, "rows": 90, "problems": 3} == json.loads(run.text())


def test_no_manifest(tmp_path):
    """None, and not an error."""
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no manifest of a run"), ("[1]", "is no manifest of a run"), ('{"format": 1}', "is no manifest of a run"),
        ('{"format": 2}', "has format 2; this version of costmodel continues format 1"), ("{}", "has format None"),
    ],
)  # fmt: skip
def test_files_that_are_no_manifest(tmp_path, content, message):
    """Each with a message that names the file."""
    (tmp_path / manifest.NAME).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path)
    assert str(tmp_path / manifest.NAME) in str(caught.value)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (RUN, []),
        (replace(RUN, finished=True, rows=3), []),
        (replace(RUN, space=SPACE | {"network": "b/net.py"}), []),
        (replace(RUN, version="0.2.0", digest="d2"), ["costmodel was 0.1.0 and is 0.2.0"]),
        (replace(RUN, digest="d2"), ["the space has changed in a file of a network or of the hardware"]),
        (replace(RUN, digest="d2", space=SPACE | {"batch": 2}), ["the space has changed in batch"]),
        (
            replace(RUN, digest="d2", space=SPACE | {"axes": {"net.a": [1, 2, 3], "net.b": [1]}, "batch": 2}),
            ["the space has changed in axes.hw.sram, axes.net.a, axes.net.b, batch"],
        ),
        (replace(RUN, metrics=("macs",)), ["the metrics were macs, energy_j and are macs"]),
        (replace(RUN, chunk_points=20), ["chunks were of 10 points and are of 20"]),
        (
            replace(RUN, metrics=("macs",), chunk_points=20),
            ["the metrics were macs, energy_j and are macs", "chunks were of 10 points and are of 20"],
        ),
    ],
)  # fmt: skip
def test_what_makes_another_run(now, expected):
    """The version, the space, its files, the metrics, the chunks; not where files are, nor how far the run is."""
    assert list(changes(RUN, now)) == expected


def test_differences_have_dotted_names():
    """Both sides, inner mappings included."""
    assert differences({"a": 1, "b": {"c": 1, "d": 2}}, {"a": 1, "b": {"c": 1}, "e": 0}) == ["b.d", "e"]
    assert differences({"a": {"b": 1}}, {"a": 3}) == ["a"]
    assert differences(SPACE, dict(SPACE)) == []


def test_one_run_at_a_time(tmp_path):
    """A second one is refused, also of this process; afterwards the directory is free."""
    with locked(tmp_path), pytest.raises(InputError, match="another run is writing there"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_killed_run_lets_go(tmp_path):
    """The lock is the operating system's: no stale file stands in the way."""
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom costmodel.explore.manifest import locked\n"
        "with locked(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -9
    assert (tmp_path / manifest.LOCK).exists()
    with locked(tmp_path):
        pass


def test_file_systems_without_locks(tmp_path, monkeypatch):
    """The run goes on: such systems are rare, and a part written twice is the same part."""
    monkeypatch.setattr("fcntl.flock", lambda *_: (_ for _ in ()).throw(OSError(37, "No locks available")))
    with locked(tmp_path):
        pass


def test_systems_without_locks(tmp_path, monkeypatch):
    """The module is not there on Windows."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []
