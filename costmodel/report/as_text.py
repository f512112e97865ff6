"""A report for a terminal: fits its width, and tells more where there is more room."""

from __future__ import annotations

from io import StringIO
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from costmodel.report.document import Column, Facts, Row, Sentences, Table, filled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table as RichTable

    from costmodel.report.document import Block, Document

DEFAULT_WIDTH = 80
LEAST_WIDTH = 40
LEAST_WRAPPED = 24
LEAST_NAME = 8
GAP = 2
STYLES = {"plain": "", "group": "bold cyan", "member": "", "free": "dim", "total": "bold", "unknown": "bold red"}


def text(document: Document, width: int | None = None, *, color: bool = False) -> str:
    """The document as lines of at most ``width`` columns; with ANSI colours where asked for."""
    console = console_of(max(width or DEFAULT_WIDTH, LEAST_WIDTH), color=color)
    console.print(heading(document.title))
    for block in document.for_terminal:
        console.print()
        for part in renderables(block, console.width):
            console.print(part)
    return without_trailing_blanks(console.file.getvalue())  # type: ignore[attr-defined]  # a StringIO


def console_of(width: int, *, color: bool) -> Console:
    """A console that depends on nothing but its arguments."""
    from rich.console import Console

    return Console(
        file=StringIO(),
        width=width,
        color_system="standard" if color else None,
        force_terminal=color,
        no_color=not color,
        legacy_windows=False,
        emoji=False,
        markup=False,
        highlight=False,
        _environ={},
    )


def without_trailing_blanks(printed: str) -> str:
    """Lines without the blanks that only fill the width."""
    return "\n".join(line.rstrip() for line in printed.rstrip().splitlines()) + "\n"


def heading(title: str) -> RenderableType:
    """A title in bold."""
    from rich.text import Text

    return Text(title, "bold")


def renderables(block: Block, width: int) -> Iterable[RenderableType]:
    """What rich prints for a block."""
    match block:
        case Table():
            titled = (heading(block.title),) if block.title else ()
            return (*titled, table(block, width))
        case Facts():
            return (facts(block),)
        case Sentences():
            return sentences(block)


def table(block: Table, width: int) -> RichTable:
    """The columns that fit, the others left out; where even these do not fit, the first one is cut or broken."""
    from rich.table import Table as RichTable

    kept = fitting(block, width)
    room = width - needed(block, kept[1:]) - GAP * (len(kept) - 1)
    grid = RichTable(box=simple_box(), padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for index in kept:
        add_column(grid, block.columns[index])
    for row in block.rows:
        if row.style == "total":
            grid.add_section()
        grid.add_row(*cells(row, kept, block.columns, max(room, LEAST_NAME)), style=STYLES[row.style])
    return grid


def simple_box() -> Any:  # noqa: ANN401 - a rich Box
    """Rules below the header and above the total, nothing else."""
    from rich.box import Box

    return Box("    \n    \n ── \n    \n ── \n ── \n    \n    \n")


def add_column(grid: RichTable, column: Column) -> None:
    """Add one column: header of one or two lines, alignment, wrapping."""
    from rich.text import Text

    header = Text("\n".join(part for part in (column.title, column.unit) if part), "bold")
    grid.add_column(
        header,
        justify="right" if column.numeric else "left",
        no_wrap=not column.wrap,
        overflow="fold" if column.wrap else "ellipsis",
        vertical="top",
    )


def cells(row: Row, kept: Sequence[int], columns: Sequence[Column], room: int) -> list[RenderableType]:
    """Cells of the columns kept, free of markup; a first one that does not break is cut to ``room``."""
    from rich.text import Text

    first, *rest = (row.cells[index] for index in kept)
    name = broken(first, room) if columns[kept[0]].wrap else shortened(first, room)
    return [Text(cell) for cell in (name, *rest)]


def broken(name: str, room: int) -> str:
    """A name over several lines, broken at blanks and hyphens.

    >>> broken("alexnet-conv1-at-most-published", 20).splitlines()
    ['alexnet-conv1-at-', 'most-published']
    """
    return "\n".join(wrap(name, room)) or name


def shortened(name: str, room: int) -> str:
    """A name that takes at most ``room`` columns: its end tells layers apart, so the middle goes.

    >>> shortened("features.denseblock3.denselayer11.conv1", 20)
    'feature…ayer11.conv1'
    """
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= room:
        return name
    tail = name[-(room * 2 // 3) :]
    while cell_len(tail) > room * 2 // 3:
        tail = tail[1:]
    return set_cell_size(name, room - 1 - cell_len(tail)).rstrip() + "…" + tail


def fitting(block: Table, width: int) -> list[int]:
    """Numbers of the columns that fit, the least important dropped first."""
    kept = filled(block)
    while needed(block, kept) + GAP * (len(kept) - 1) > width:
        droppable = [i for i in kept[1:] if block.columns[i].priority]
        if not droppable:
            break
        least = max(block.columns[i].priority for i in droppable)
        kept = [i for i in kept if i == kept[0] or block.columns[i].priority != least]
    return kept


def needed(block: Table, indices: Sequence[int]) -> int:
    """Columns on the screen that some columns of a table need together."""
    return sum(column_width(block, index, first=index == 0) for index in indices)


def column_width(block: Table, index: int, *, first: bool) -> int:
    """Columns on the screen that a column needs; the first one and one that wraps do with less than they could use."""
    from rich.cells import cell_len

    column = block.columns[index]
    longest = max(map(cell_len, (column.title, column.unit, *(row.cells[index] for row in block.rows))))
    return min(longest, LEAST_WRAPPED) if column.wrap or first else longest


def facts(block: Facts) -> RenderableType:
    """A box of labels, values and details."""
    from rich.box import ROUNDED
    from rich.panel import Panel
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for fact in block.facts:
        part = fact.label.startswith(" ")
        grid.add_row(Text(fact.label), Text(fact.value, "" if part else "bold"), Text(fact.detail, "dim" if part else ""))
    return Panel(grid, box=ROUNDED, title=Text(block.title, "bold"), title_align="left", expand=False)


def sentences(block: Sentences) -> Iterable[RenderableType]:
    """A heading and its sentences as a list; a single block of text where it has none."""
    from rich.table import Table as RichTable
    from rich.text import Text

    style = "bold red" if block.alarm else ""
    if not block.title:
        return [Text(sentence, style) for sentence in block.sentences]
    items = RichTable.grid(padding=(0, 1, 0, 0))
    items.add_column(no_wrap=True)
    items.add_column(overflow="fold")
    for sentence in block.sentences:
        items.add_row(Text("-", style), Text(sentence, style))
    return (Text(block.title, style or "bold"), items)
