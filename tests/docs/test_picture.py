"""The picture of the README shows what the tool prints today; `UPDATE_DOCS=1 pytest tests/docs` draws it again."""

from __future__ import annotations

import os
import re

from tests.docs.picture import COMMAND, PICTURE, drawn, letters, report


def test_the_picture_is_up_to_date():
    """Its text is that of the report; how rich draws them may change."""
    if os.environ.get("UPDATE_DOCS"):
        PICTURE.write_text(drawn(), encoding="utf-8")

    assert letters(PICTURE.read_text(encoding="utf-8")) == "".join(report(color=False).split())


def test_the_picture_names_its_command():
    """A reader sees what to type."""
    assert COMMAND in PICTURE.read_text(encoding="utf-8").replace("&#160;", " ")


def test_the_picture_loads_nothing():
    """A viewer needs no network: the only address is the name of the format."""
    svg = PICTURE.read_text(encoding="utf-8")

    assert re.findall(r"https?://[^\s\"')]+", svg.partition("-->")[2]) == []


def test_drawing_is_repeatable():
    """The same report gives the same picture, to the letter."""
    assert drawn() == drawn()
