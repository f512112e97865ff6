"""Fronts: exact against brute force, equal rows, what cannot be ranked, and tables from files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.explore import libraries
from costmodel.explore.pareto import pareto_of, ranks, read_table

TABLE = pd.DataFrame({"params": [3, 1, 2, 3, 1], "energy_j": [1.0, 3.0, 2.0, 2.0, 3.0], "accuracy": [0.9, 0.5, 0.5, 0.9, 0.6]})


def dominates(one, other, maximise):
    """Whether a row is no worse anywhere and better somewhere."""
    pairs = [(b, a) if more else (a, b) for a, b, more in zip(one, other, maximise, strict=True)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def peeled(rows, maximise):
    """Ranks by definition: rows that none of those left dominates, one rank after another."""
    found, left, rank = [-1] * len(rows), set(range(len(rows))), 0
    while left:
        front = {i for i in left if not any(dominates(rows[j], rows[i], maximise) for j in left)}
        for i in front:
            found[i] = rank
        left, rank = left - front, rank + 1
    return found


@st.composite
def tables(draw):
    """Draw few values on a small grid, so that rows tie in some columns and in all."""
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 4)] * width), min_size=1, max_size=25))
    return rows, draw(st.lists(st.booleans(), min_size=width, max_size=width))


@given(tables())
def test_ranks_are_those_of_brute_force(table):
    """All ranks, with ties, duplicates and any mix of directions."""
    rows, maximise = table
    expected = peeled(rows, maximise)
    assert ranks(np.array(rows, dtype=float), maximise).tolist() == expected
    for fronts in (1, 2):
        limited = [rank if rank < fronts else -1 for rank in expected]
        assert ranks(np.array(rows, dtype=float), maximise, fronts).tolist() == limited


@given(tables())
def test_the_front_is_that_of_brute_force(table):
    """Rows of a frame keep their index and their columns."""
    rows, maximise = table
    names = [f"c{i}" for i in range(len(maximise))]
    frame = pd.DataFrame(rows, columns=names, index=[f"row{i}" for i in range(len(rows))]).assign(label="x")
    front = pareto_of(frame, names, [name for name, more in zip(names, maximise, strict=True) if more])
    expected = {f"row{i}" for i, rank in enumerate(peeled(rows, maximise)) if rank == 0}
    assert set(front.frame.index) == expected
    assert len(front.frame) == len(expected)
    assert list(front.frame) == [*names, "label", "rank"]


def test_a_front_in_order():
    """By rank, then by the columns compared; equal rows all stay."""
    front = pareto_of(TABLE, "params,energy")
    assert front.by == ("params", "energy_j")
    assert front.frame.index.tolist() == [1, 4, 2, 0]
    assert set(front.frame["rank"]) == {0}
    assert (front.rows, front.unpriced) == (5, 0)


def test_more_fronts():
    """The ranks that were asked for, or all."""
    two = pareto_of(TABLE, ["params", "energy_j"], fronts=2)
    assert two.frame["rank"].tolist() == [0, 0, 0, 0, 1]
    assert pareto_of(TABLE, ["params"], fronts=None).frame["rank"].tolist() == [0, 0, 1, 2, 2]


def test_more_may_be_better():
    """A column that is maximised."""
    front = pareto_of(TABLE, ["params", "accuracy"], maximise="accuracy")
    assert front.frame.index.tolist() == [4, 0, 3]
    assert front.maximise == ("accuracy",)


def test_a_column_of_a_short_name_is_taken_as_it_is():
    """``energy`` is ``energy_j`` unless the table has its own."""
    frame = TABLE.assign(energy=[5, 4, 3, 2, 1])
    assert pareto_of(frame, "energy").frame.index.tolist() == [4]
    assert pareto_of(TABLE, "energy").frame.index.tolist() == [0]


def test_rows_without_figures_are_left_out():
    """And counted; infinite figures are figures."""
    frame = pd.DataFrame({"energy_j": [np.nan, 2.0, 1.0, np.inf], "params": [1, 1, 2, 0]})
    front = pareto_of(frame, "energy,params")
    assert (front.rows, front.unpriced) == (3, 1)
    assert front.frame.index.tolist() == [2, 1, 3]


def test_plain_data():
    """Records and JSON hold Python's own numbers."""
    found = pareto_of(TABLE, "params", fronts=1).to_dict()
    assert found["front"][0] == {"params": 1, "energy_j": 3.0, "accuracy": 0.5, "rank": 0}
    assert {type(value) for value in found["front"][0].values()} == {int, float}
    assert (found["rows"], found["by"], found["uncertainty"]) == (5, ["params"], None)


@pytest.mark.parametrize(
    ("by", "options", "message"),
    [
        ("parms", {}, r"pareto: no column parms \(did you mean 'params'\?\); the columns are params, energy_j, accuracy"),
        ("latency", {}, "pareto: no column latency_s"),
        ("", {}, "pareto: nothing to compare"),
        ("params,params", {}, "pareto: params is given twice"),
        ("energy,energy_j", {}, "pareto: energy_j is given twice"),
        ("params", {"maximise": "accuracy"}, "accuracy is to be maximised, but not compared"),
        ("params", {"fronts": 0}, "0 fronts asked for"),
    ],
)
def test_columns_that_cannot_be_compared(by, options, message):
    """One message for each."""
    with pytest.raises(InputError, match=message):
        pareto_of(TABLE, by, **options)


def test_tables_that_cannot_be_ranked():
    """Columns without numbers, tables without rows or without figures."""
    with pytest.raises(InputError, match="name is not numeric: it holds 'a'"):
        pareto_of(pd.DataFrame({"name": ["a", "b"]}), "name")
    with pytest.raises(InputError, match="the table has no rows"):
        pareto_of(TABLE[:0], "params")
    with pytest.raises(InputError, match="none of the 2 rows of the table has energy_j and params"):
        pareto_of(pd.DataFrame({"energy_j": [np.nan] * 2, "params": [1, 2]}), "energy,params")


# ---- files


def test_tables_from_files(tmp_path):
    """CSV, Parquet, and a directory of Parquet files, whatever else lies in it."""
    TABLE.to_csv(tmp_path / "t.csv", index=False)
    TABLE.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "run.parquet").mkdir()
    TABLE[:2].to_parquet(tmp_path / "run.parquet" / "part-0.parquet")
    TABLE[2:].to_parquet(tmp_path / "run.parquet" / "part-1.parquet")
    (tmp_path / "run.parquet" / "_run.json").write_text("{}", encoding="utf-8")
    for name in ("t.csv", "t.parquet", "run.parquet"):
        pd.testing.assert_frame_equal(read_table(tmp_path / name).reset_index(drop=True), TABLE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "does not exist"),
        ("t.xlsx", b"x", "is neither .csv nor .parquet"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n1,2\n3,4,5\n", "is no readable csv table"),
        ("t.csv", b"\xff\xfe\x00a", "is no readable csv table"),
        ("t.parquet", b"no parquet", "is no readable parquet table"),
        ("t.parquet", b"", "is no readable parquet table"),
    ],
)
def test_files_that_are_no_tables(name, content, message, tmp_path):
    """One line that names the file."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(tmp_path / name)
    assert "\n" not in str(error.value)
    assert name in str(error.value)


def test_a_directory_without_tables(tmp_path):
    """A directory must hold Parquet files."""
    with pytest.raises(InputError, match=r"holds no \.parquet files"):
        read_table(tmp_path)


# ---- libraries


def test_a_library_that_is_missing(monkeypatch):
    """The message says how to install it."""

    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(libraries, "import_module", missing)
    with pytest.raises(InputError, match=r"optuna is not installed; pip install 'nn-costmodel\[search\]'"):
        libraries.library("optuna.samplers")


def test_a_library_that_misses_another(monkeypatch):
    """What the library itself lacks is not hidden."""

    def broken(_name):
        raise ModuleNotFoundError(name="numba")

    monkeypatch.setattr(libraries, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        libraries.library("optuna")
