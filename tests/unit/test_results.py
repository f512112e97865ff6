"""Results made of records: a frame, the report as repr, a table in notebooks."""

from __future__ import annotations

import pytest

import costmodel as cm
from costmodel.report import html_table, render
from costmodel.results import Recorded

RESULTS = {
    "memory": lambda: cm.memory("squeezenet"),
    "curve": lambda: cm.curve("squeezenet", capacity="64KiB,1MiB"),
    "variation": lambda: cm.vary(["squeezenet"], "snapdragon", {"batch": [1, 2]}),
    "training": lambda: cm.train_cost("squeezenet", "k20x", "titan", [1, 2]),
    "update": lambda: cm.update("squeezenet"),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_frame_has_a_row_per_record(name):
    """The columns are the keys."""
    result = RESULTS[name]()
    records, frame = result.records(), result.to_frame()

    assert isinstance(result, Recorded)
    assert len(frame) == len(records) > 0
    assert list(frame.columns) == list(records[0])


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_shows_itself_as_its_report(name):
    """In a terminal and in a notebook."""
    result = RESULTS[name]()

    assert repr(result) == render(result, "text")
    assert result._repr_html_() == html_table(result)


def test_records_must_be_given():
    """A result without records is none."""
    with pytest.raises(TypeError, match="abstract"):
        Recorded()
