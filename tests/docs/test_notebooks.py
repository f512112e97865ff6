"""Notebooks run from top to bottom, and show what they show today.

`UPDATE_DOCS=1 pytest tests/docs` writes them again; review what changed.
"""

from __future__ import annotations

import base64
import json
import os
import re

import pytest

from tests.docs.notebooks import ROOT, alike, differences, dump, lines, load, notebooks, pixels, remade, texts

DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""One pixel."""
UPDATE = bool(os.environ.get("UPDATE_DOCS"))


def notebook(path, *cells):
    """Write a notebook of code cells, each a source and what it is said to show."""
    made = [
        {"cell_type": "code", "source": lines(source), "metadata": {}, "execution_count": None, "outputs": outputs}
        for source, outputs in cells
    ]
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)
def test_notebooks_are_up_to_date(path):
    """Every cell runs, and shows what the notebook says."""
    today = remade(path)
    if UPDATE:
        path.write_text(dump(today), encoding="utf-8")

    assert differences(load(path), today) == [], "run `UPDATE_DOCS=1 pytest tests/docs` and review what changed"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)
def test_notebooks_are_written_as_jupyter_does(path):
    """A person who saves one without a change changes nothing; cells have names, and nothing says where it was made."""
    text = path.read_text(encoding="utf-8")
    found = load(path)

    assert text == dump(found)
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    assert not re.search("/" + "work/|/" + "tmp/|/home/", text)


def test_there_are_notebooks():
    """The tests above look at something."""
    assert [path.relative_to(ROOT).as_posix() for path in notebooks()] == ["examples/design_space.ipynb"]


def test_cells_share_names_and_show_their_last_expression(tmp_path):
    """What is printed and what a cell ends with; a statement shows nothing."""
    made = remade(notebook(tmp_path / "n.ipynb", ("x = 2", []), ("print('a')\nx + 1", []), ("None", [])))

    assert [texts(cell) for cell in made["cells"]] == [[], ["a\n", "3"], []]
    assert [cell["execution_count"] for cell in made["cells"]] == [1, 2, 3]


def test_stale_outputs_are_seen(tmp_path):
    """Other words, other numbers, or an output more or less."""
    path = notebook(tmp_path / "n.ipynb", ("print('energy', 0.3)", [{"output_type": "stream", "text": ["energy 0.4\n"]}]))
    today = remade(path)

    assert len(differences(load(path), today)) == 1
    assert differences(today, today) == []
    assert len(differences(remade(notebook(tmp_path / "m.ipynb", ("0", []))), remade(notebook(path, ("None", []))))) == 1


def test_last_digits_and_widths_may_differ():
    """Numbers to six digits; columns as wide as they are."""
    assert alike("a   1.0000000  2", "a 1.00000001 2")
    assert not alike("a 1.0", "a 1.001")
    assert not alike("1 design", "1 designs")


def test_pictures_are_told_by_their_size(tmp_path):
    """A chart is a PNG in base 64, as Jupyter keeps it, whatever its pixels; what is none is an error."""
    draw = "class Dot:\n    def _repr_mimebundle_(self, *_):\n        return {'image/png': png}, {}\n"
    png = f"png = {base64.b64decode(DOT)!r}\n"
    made = remade(notebook(tmp_path / "n.ipynb", (f"{png}{draw}Dot()", [])))

    assert texts(made["cells"][0]) == ["picture of 1 x 1 pixels"]
    assert made["cells"][0]["outputs"][0]["data"] == {"image/png": DOT}
    with pytest.raises(ValueError, match="no PNG"):
        pixels(base64.b64encode(b"GIF89a" * 8).decode())


def test_a_cell_that_fails_fails_the_notebook(tmp_path):
    """An error is no output."""
    with pytest.raises(ZeroDivisionError):
        remade(notebook(tmp_path / "n.ipynb", ("1 / 0", [])))
