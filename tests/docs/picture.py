"""The picture of the README: the report of a real analysis as a terminal shows it."""

from __future__ import annotations

import re
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Final

import costmodel as cm
from costmodel.report import render

PICTURE: Final = Path(__file__).parents[2] / "docs" / "images" / "analyze.svg"
COMMAND: Final = "costmodel analyze squeezenet --hw snapdragon"
WIDTH: Final = 96
FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Fonts that rich would have a viewer load from the web."""
LAST: Final = "What dominates"
"""Heading before which the picture ends."""


def report(*, color: bool) -> str:
    """Return the report down to its totals."""
    text = render(cm.analyze("squeezenet", "snapdragon"), "text", width=WIDTH, color=color)
    lines = text.splitlines()
    end = next(number for number, line in enumerate(lines) if LAST in line)
    return "\n".join(lines[:end]).rstrip() + "\n"


def drawn() -> str:
    """Return the report as SVG, coloured."""
    from rich.console import Console
    from rich.text import Text

    console = Console(
        record=True, width=WIDTH, file=StringIO(), color_system="standard", legacy_windows=False
    )
    console.print(Text.from_ansi(report(color=True)))
    svg = FONT.sub("", console.export_svg(title=COMMAND)).replace("Fira Code,", "Fira Code, ui-monospace,")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def letters(svg: str) -> str:
    """Return the text of a picture in reading order without blanks, which rich draws as distance; not the window's title."""
    found = re.findall(r'<text class="[\w-]+-r\d+"[^>]*>([^<]*)</text>', svg)
    return "".join(unescape("".join(found)).split())
