"""Parts of a Parquet data set: what is in a file, and that a file is there as a whole or not at all."""

from __future__ import annotations

import errno
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from costmodel.errors import InputError
from costmodel.explore import parts
from costmodel.explore.chunks import Chunk
from costmodel.explore.parts import encoded, finished_parts, part_name, whole_numbers, write_durably
from tests.unit.run_spaces import ROOT_ENVIRONMENT

WHOLE = frozenset({"macs"})


def columns(macs, energies, problems):
    """Columns as an evaluation gives them."""
    count = len(macs)
    return {
        "point": np.arange(count, dtype=np.int64),
        "net.ratio": np.linspace(0, 1, count),
        "net.bypass": np.arange(count) % 2 == 0,
        "dtype": np.array(["int8", "fp16"] * count, dtype=object)[:count],
        "macs": np.array(macs, dtype=np.float64),
        "energy_j": np.array(energies, dtype=np.float64),
        "problem": np.array(problems, dtype=object),
    }


def table(data):
    """A part as Arrow reads it."""
    return parquet.read_table(pa.BufferReader(data))


def test_a_part_holds_its_columns():
    """Types by kind; nothing where a row has a problem."""
    part = encoded(columns([12.0, np.nan, 2**53], [0.5, np.nan, 1e-9], ["", "too large", ""]), WHOLE)
    found = table(part.data)
    assert (part.rows, part.problems) == (3, 1)
    assert {field.name: str(field.type) for field in found.schema} == {
        "point": "int64", "net.ratio": "double", "net.bypass": "bool", "dtype": "string", "macs": "int64",
        "energy_j": "double", "problem": "string",
    }  # fmt: skip
    assert found.to_pydict() == {
        "point": [0, 1, 2], "net.ratio": [0, 0.5, 1], "net.bypass": [True, False, True], "dtype": ["int8", "fp16", "int8"],
        "macs": [12, None, 2**53], "energy_j": [0.5, None, 1e-9], "problem": ["", "too large", ""],
    }  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 2**53), st.floats(0, 1e300), st.sampled_from(["", "no", "ü\n"])), max_size=30))
def test_parts_of_one_run_have_one_schema(rows):
    """Whatever is in them: without rows, without problems, with problems alone."""
    macs, energies, problems = zip(*rows, strict=True) if rows else ((), (), ())
    missing = [np.nan if problem else value for value, problem in zip(macs, problems, strict=True)]
    part = encoded(columns(missing, energies, problems), WHOLE)
    found = table(part.data)
    assert found.schema.equals(table(encoded(columns([1.0], [1.0], [""]), WHOLE).data).schema)
    assert found["macs"].to_pylist() == [None if problem else value for value, problem in zip(macs, problems, strict=True)]
    assert found["energy_j"].to_pylist() == list(energies)
    assert part.problems == sum(map(bool, problems))


def test_a_metric_of_the_wrong_kind_is_not_rounded():
    """Half a MAC is a mistake of this program, not a number to hide."""
    with pytest.raises(ValueError, match=r"1\.5 is not a whole number"):
        encoded(columns([1.5], [0.0], [""]), WHOLE)
    assert whole_numbers(np.array([3.0, 2.0**53])).tolist() == [3, 2**53]


def test_the_same_columns_are_the_same_bytes():
    """Nothing of the time or the machine is in a part."""
    data = columns([1.0, 2.0], [0.1, 0.2], ["", ""])
    assert encoded(data, WHOLE) == encoded(data, WHOLE)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_arrays_are_those_that_arrow_makes(count):
    """Made of buffers, entry by entry as by Arrow itself: whole bytes of bits, and some over; columns of larger arrays."""
    rng = np.random.default_rng(count)
    pairs = rng.random((count, 2))
    missing = np.where(pairs < 0.5, np.nan, pairs)[:, 0]
    texts = np.array(["", "ü\n", "no"], dtype=object)[rng.integers(0, 3, count)]
    for column in (pairs[:, 0], pairs.astype(np.float32)[:, 1], missing, pairs[:, 1] < 0.5, rng.integers(0, 9, count), texts):
        found = parts.arrow(column, whole=False)
        found.validate(full=True)
        kind = pa.string() if column.dtype == object else pa.float64() if column.dtype.kind == "f" else None
        assert found.equals(pa.array(column, type=kind, from_pandas=True))
    assert parts.arrow(np.floor(4 * missing), whole=True).equals(pa.array(np.floor(4 * missing), pa.int64(), from_pandas=True))


def test_parts_are_made_without_pandas():
    """Every worker would have to load it."""
    script = """
import sys
import numpy as np
from costmodel.explore.parts import encoded

columns = {"macs": np.array([1.0, np.nan]), "b": np.array([True, False]), "problem": np.array(["", "no"], dtype=object)}
assert encoded(columns, frozenset({"macs"})).problems == 1
assert "pyarrow" in sys.modules
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, env=ROOT_ENVIRONMENT)


# ---- files


def test_names_sort_as_chunks():
    """A directory listing is in the order of the points."""
    chunks = [Chunk(start, start + 10) for start in (0, 10, 90, 100, 99_999_990, 10**11)]
    assert sorted(map(part_name, chunks)) == list(map(part_name, chunks))


def test_finished_parts_are_found(tmp_path):
    """With their rows and problems, from the files alone; temporaries and the files of the run are none."""
    expected = {}
    for start, problems in ((0, ["", "no"]), (10, [])):
        chunk = Chunk(start, start + 10)
        part = encoded(columns([1.0] * len(problems), [1.0] * len(problems), problems), WHOLE)
        write_durably(tmp_path / part_name(chunk), part.data)
        expected[chunk] = (part.rows, part.problems)
    (tmp_path / f".{part_name(Chunk(20, 30))}.x.tmp").write_bytes(b"half")
    (tmp_path / "_run.json").write_text("{}", encoding="utf-8")
    assert {chunk: (part.rows, part.problems) for chunk, part in finished_parts(tmp_path).items()} == expected
    assert len(pd.read_parquet(tmp_path)) == 2
    parts.drop_temporaries(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["_run.json", *map(part_name, expected)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
def test_a_damaged_part_is_named(tmp_path, content):
    """It is not taken for finished, nor replaced in silence."""
    (tmp_path / part_name(Chunk(0, 5))).write_bytes(content)
    with pytest.raises(InputError, match=r"part-0+-0+5\.parquet: is damaged .*; delete it and run again with --resume"):
        finished_parts(tmp_path)


def test_a_part_of_something_else_is_named(tmp_path):
    """A Parquet file that no run wrote."""
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / part_name(Chunk(0, 5)))
    with pytest.raises(InputError, match="is damaged"):
        finished_parts(tmp_path)
    (tmp_path / part_name(Chunk(0, 5))).rename(tmp_path / "part-0.parquet")
    with pytest.raises(InputError, match=r"part-0\.parquet: is no part of a run; move it away"):
        finished_parts(tmp_path)


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.chmod"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, failing):
    """Neither half a file nor a temporary one, wherever writing fails."""
    target = tmp_path / "part.parquet"
    write_durably(target, b"before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(failing, full)
    with pytest.raises(OSError, match="No space left"):
        write_durably(target, b"after")
    assert [file.name for file in tmp_path.iterdir()] == ["part.parquet"]
    assert target.read_bytes() == b"before"


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Content first, then the name, then the directory: what a power cut may interrupt anywhere."""
    done = []
    monkeypatch.setattr("os.fsync", lambda descriptor: done.append(("sync", descriptor)))
    replace = parts.Path.replace
    monkeypatch.setattr("pathlib.Path.replace", lambda self, to: done.append(("name", to.name)) or replace(self, to))
    write_durably(tmp_path / "part.parquet", b"content")
    assert [step for step, _ in done] == ["sync", "name", "sync"]
    assert (tmp_path / "part.parquet").read_bytes() == b"content"


def test_parquet_without_pyarrow(monkeypatch):
    """What to install, before anything is computed."""
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"Parquet needs pyarrow: pip install 'nn-costmodel\[sweep\]'"):
        parts.checked_pyarrow()
