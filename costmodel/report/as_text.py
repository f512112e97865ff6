"""A report for a terminal: fits its width, and tells more where there is more room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from costmodel.report.document import Facts, Sentences, Table, filled
from costmodel.report.layout import colored, columns, padded, parts, shortened, wrapped

if TYPE_CHECKING:
    from costmodel.report.document import Block, Document, Row

DEFAULT_WIDTH = 80
LEAST_WIDTH = 40
LEAST_WRAPPED = 24
LEAST_NAME = 8
LEAST_DETAIL = 16
GAP = "  "
RULE = "─"
STYLES = {"plain": "", "group": "cyan", "member": "", "free": "dim", "total": "bold", "unknown": "red"}


class Screen(NamedTuple):
    """Where a report is printed."""

    width: int
    color: bool

    def line(self, text: str, style: str = "") -> str:
        """One line in a style."""
        return colored(text, style, color=self.color)


def text(document: Document, width: int | None = None, *, color: bool = False) -> str:
    """The document as lines of at most ``width`` columns; with ANSI colours where asked for."""
    screen = Screen(max(width or DEFAULT_WIDTH, LEAST_WIDTH), color)
    lines = list(heading(document.title, screen))
    for block in document.for_terminal:
        lines += ["", *block_lines(block, screen)]
    return "\n".join(lines) + "\n"


def heading(title: str, screen: Screen, style: str = "bold") -> Iterator[str]:
    """A title; nothing where there is none."""
    if title:
        yield from (screen.line(line, style) for line in wrapped(title, screen.width))


def block_lines(block: Block, screen: Screen) -> Iterator[str]:
    """Lines of a block under its heading."""
    match block:
        case Table():
            yield from heading(block.title, screen)
            yield from table_lines(block, screen)
        case Facts():
            yield from box_lines(block, screen)
        case Sentences():
            style = "red" if block.alarm else ""
            yield from heading(block.title, screen, style or "bold")
            yield from sentence_lines(block, screen, style)


# ---- tables


def table_lines(table: Table, screen: Screen) -> Iterator[str]:
    """Header, rule, rows; another rule above the total."""
    kept = fitting(table, screen.width)
    widths = dict(zip(kept, shared(table, kept, screen.width), strict=True))
    rule = RULE * (sum(widths.values()) + len(GAP) * (len(kept) - 1))
    headers = {index: header_cell(table, index, width) for index, width in widths.items()}
    height = max(map(len, headers.values()))
    top = {index: [""] * (height - len(lines)) + lines for index, lines in headers.items()}
    yield from (screen.line(line, "bold") for line in joined(table, top, widths))
    yield rule
    for row in table.rows:
        if row.style == "total":
            yield rule
        cells = {index: cell(table, row, index, width) for index, width in widths.items()}
        yield from (screen.line(line, STYLES[row.style]) for line in joined(table, cells, widths))


def joined(table: Table, cells: dict[int, list[str]], widths: dict[int, int]) -> Iterator[str]:
    """Lines of one row, whose cells may have several."""
    for texts in zip_longest(*cells.values(), fillvalue=""):
        aligned = zip(texts, widths.items(), strict=True)
        yield GAP.join(padded(text, width, right=table.columns[index].numeric) for text, (index, width) in aligned)


def header_cell(table: Table, index: int, width: int) -> list[str]:
    """Title of a column, and its unit below."""
    column = table.columns[index]
    title = wrapped(column.title, width, name=True) if column.wrap else [shortened(column.title, width)]
    return [part for part in (*title, shortened(column.unit, width)) if part] or [""]


def cell(table: Table, row: Row, index: int, width: int) -> list[str]:
    """A cell, broken or cut to its width."""
    found = row.cells[index]
    if not table.columns[index].wrap:
        return [shortened(found, width)]
    return wrapped(found, width, name=index == 0) if found else [""]


def fitting(table: Table, width: int) -> list[int]:
    """Numbers of the columns that fit, the least important dropped first, those of one priority together."""
    kept = filled(table)
    while sum(least(table, i) for i in kept) + len(GAP) * (len(kept) - 1) > width:
        droppable = [table.columns[i].priority for i in kept[1:] if table.columns[i].priority]
        if not droppable:
            break
        kept = [i for i in kept if i == kept[0] or table.columns[i].priority != max(droppable)]
    return kept


def least(table: Table, index: int) -> int:
    """Columns of the screen that a column can do with: the first one may be cut, one that wraps may be broken."""
    flexible = table.columns[index].wrap or index == 0
    return min(natural(table, index), LEAST_WRAPPED) if flexible else natural(table, index)


def natural(table: Table, index: int) -> int:
    """Columns of the screen that a column would take; of a title that wraps only the longest part counts."""
    column = table.columns[index]
    titles = (*parts(column.title), column.unit) if column.wrap else (column.title, column.unit)
    return max(map(columns, (*titles, *(row.cells[index] for row in table.rows))))


def shared(table: Table, kept: Sequence[int], width: int) -> list[int]:
    """Width of every column kept: what it would take, shortened where that is too much.

    Columns that wrap give way first, then the first one, then the widest ones.
    """
    widths = [natural(table, index) for index in kept]
    room = width - len(GAP) * (len(kept) - 1)
    flexible = [(position, LEAST_WRAPPED) for position, index in enumerate(kept) if table.columns[index].wrap]
    for position, smallest in [*flexible, (0, LEAST_NAME)]:
        too_much = max(sum(widths) - room, 0)
        widths[position] = max(widths[position] - too_much, min(smallest, widths[position]))
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    return with_titles(table, kept, widths, room)


def with_titles(table: Table, kept: Sequence[int], widths: list[int], room: int) -> list[int]:
    """Widths in which columns that wrap take what is left, as far as their titles want it."""
    for position, index in enumerate(kept):
        if table.columns[index].wrap:
            spare = room - sum(widths)
            wanted = columns(table.columns[index].title) - widths[position]
            widths[position] += max(min(spare, wanted), 0)
    return widths


# ---- facts and sentences


def box_lines(block: Facts, screen: Screen) -> Iterator[str]:
    """A box of labels, values and details; details go below where there is no room beside them."""
    labels = max(columns(fact.label) for fact in block.facts)
    values = max(columns(fact.value) for fact in block.facts)
    room = screen.width - labels - values - len("│ " + GAP + GAP + " │")
    beside = room >= LEAST_DETAIL
    details = min(max(columns(fact.detail) for fact in block.facts), room) if beside else 0
    inner = max(labels + values + len(GAP) + (details + len(GAP) if beside else 0), columns(block.title) + 1)
    yield screen.line(f"╭─ {block.title} {RULE * (inner - columns(block.title) - 1)}╮")
    for fact in block.facts:
        head = padded(fact.label, labels) + GAP + padded(fact.value, values, right=True)
        for line in fact_lines(head, fact.detail, details if beside else inner - 2 * len(GAP), beside=beside):
            yield f"│ {padded(line, inner)} │"
    yield f"╰{RULE * (inner + 2)}╯"


def fact_lines(head: str, detail: str, width: int, *, beside: bool) -> Iterator[str]:
    """Lines of a fact: its details beside its value, or below it and indented."""
    lines = wrapped(detail, width)
    if not beside:
        yield head
        yield from (2 * GAP + line for line in lines if line)
        return
    yield head + GAP + lines[0]
    yield from (" " * columns(head) + GAP + line for line in lines[1:])


def sentence_lines(block: Sentences, screen: Screen, style: str) -> Iterator[str]:
    """Sentences as a list; as paragraphs where there is no heading."""
    first, further = ("- ", "  ") if block.title else ("", "")
    for sentence in block.sentences:
        for number, line in enumerate(wrapped(sentence, screen.width - len(first))):
            yield screen.line((further if number else first) + line, style)
