"""Every published figure, row by row, against the library, through the code that `costmodel validate` runs."""

from __future__ import annotations

import pytest

from costmodel.errors import InputError
from costmodel.validation import Check, check, published

ROWS = published()


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_published_figure(row):
    """Each figure comes out exactly, within the tolerance its row gives, or on the right side of it."""
    found = check(row)
    assert found.ok, f"{found.actual} {found.relation} {found.expected}: {found}"


def test_every_row_is_documented():
    """Ids are unique; every row has its source and place, and says why it may deviate."""
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row["source"]
        assert row["place"]
        assert row["tolerance_ratio"] == 0 or row["why"], row["id"]


def test_all_one_operator_cases_are_there():
    """The 27 cases on which counters were compared."""
    assert sum("case" in row for row in ROWS) == 27


@pytest.mark.parametrize(
    ("relation", "actual", "ok"),
    [
        ("=", 100, True),
        ("=", 101, True),
        ("=", 102, False),
        ("<=", 50, True),
        ("<=", 102, False),
        (">=", 98, False),
        (">=", 500, True),
    ],
)
def test_check_can_fail(relation, actual, ok):
    """A figure outside its tolerance, or on the wrong side of a bound, is not ok."""
    row = Check("id", "macs", 100, actual, relation, 0.01, "source", "place", "why")
    assert row.ok is ok


def test_incomplete_rows_are_refused(tmp_path):
    """A row without its source does not count as published."""
    (tmp_path / "x.yaml").write_text(
        "- {id: a, quantity: macs, value: 1, tolerance_ratio: 0, place: p, why: ''}\n"
    )
    with pytest.raises(InputError, match="a: lacks source"):
        published(tmp_path)
