"""Notebooks of the examples, run cell by cell in one process, without Jupyter, and written again with what they show.

A cell's outputs are what it prints and what its last expression is, by every representation that the object gives itself.
"""

from __future__ import annotations

import ast
import base64
import json
import re
import struct
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
SPACES: Final = re.compile(r"[ \u2500-]+")
PICTURE: Final = "image/png"

Notebook = dict[str, Any]


def notebooks() -> list[Path]:
    """Return the notebooks that are run."""
    return sorted((ROOT / "examples").rglob("*.ipynb"))


def load(path: Path) -> Notebook:
    """Read a notebook."""
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return found


def dump(notebook: Notebook) -> str:
    """Text of a notebook as Jupyter writes it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def lines(text: str) -> list[str]:
    """Text as notebooks keep it."""
    return text.splitlines(keepends=True)


def remade(path: Path) -> Notebook:
    """Return a notebook with the outputs that it gives today; its cells run where it is, in order, and share their names."""
    notebook, names, count = load(path), {"__name__": "__main__"}, 0
    with chdir(path.parent):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                cell["execution_count"] = count
                cell["outputs"] = outputs("".join(cell["source"]), names, count)
    return notebook


def outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Run a cell; what it prints, and what its last expression is."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {count}", "exec"), names)  # the examples' own code
        value = eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), names) if last else None
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())})
    if value is not None:
        found.append(
            {"data": shown(value), "execution_count": count, "metadata": {}, "output_type": "execute_result"}
        )
    return found


def shown(value: object) -> dict[str, Any]:
    """Representations of a value by their kind: its own bundle, or HTML and text."""
    bundle = getattr(value, "_repr_mimebundle_", None)
    if bundle is not None:
        made = bundle(None, None)
        found = dict(made[0] if isinstance(made, tuple) else made)
        return {kind: base64.b64encode(data).decode() if isinstance(data, bytes) else data for kind, data in found.items()}
    html = getattr(value, "_repr_html_", lambda: None)()
    found = {} if html is None else {"text/html": lines(html)}
    return {**found, "text/plain": lines(repr(value))}


# ---- comparing


def words(text: str) -> tuple[list[str], list[float]]:
    """Everything but the numbers and the width of columns, and the numbers."""
    numbers = [float(number.replace(",", "")) for number in NUMBER.findall(text)]
    return SPACES.sub(" ", NUMBER.sub("#", text)).split(), numbers


def alike(one: str, other: str) -> bool:
    """Whether texts say the same, numbers to six digits.

    >>> alike("mean  0.30000001 J", "mean 0.3 J"), alike("mean 0.3 J", "mean 0.4 J"), alike("mean 0.3 J", "most 0.3 J")
    (True, False, False)
    """
    (first, numbers), (second, others) = words(one), words(other)
    return first == second and numbers == pytest.approx(others, rel=1e-6)


def texts(cell: dict[str, Any]) -> list[str]:
    """What a cell shows as text, pictures by their size."""
    found = []
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            found.append("".join(output["text"]))
        elif PICTURE in output["data"]:
            found.append(f"picture of {pixels(output['data'][PICTURE])}")
        else:
            found.append("".join(output["data"]["text/plain"]))
    return found


def pixels(picture: str) -> str:
    """Width and height of a PNG in base 64."""
    head = base64.b64decode(picture)[:24]
    if head[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    return "{} x {} pixels".format(*struct.unpack(">II", head[16:]))


def differences(committed: Notebook, today: Notebook) -> list[str]:
    """Cells that show something else today, each with what it shows."""
    found = []
    for number, (before, now) in enumerate(zip(committed["cells"], today["cells"], strict=True), 1):
        if before["cell_type"] != "code":
            continue
        old, new = texts(before), texts(now)
        if len(old) != len(new) or not all(map(alike, old, new)):
            found.append(f"cell {number} shows {new}, and the notebook {old}")
    return found
