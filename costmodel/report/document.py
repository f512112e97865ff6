"""What a report says, before any format: tables, facts and sentences, all of them plain text.

Every format but JSON and CSV renders one `Document`, so that text, Markdown and HTML never disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

Style = Literal["plain", "group", "member", "free", "total", "unknown"]


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    title, unit
        Two lines of the header.
    priority
        0 is never dropped; where the terminal is too narrow the highest number goes first.
    numeric
        Aligned to the right.
    wrap
        Takes the width that is left and breaks its text; others are cut only when nothing else helps.
    text_only
        Means something on a terminal only (a bar); Markdown and HTML leave it out.
    """

    title: str
    unit: str = ""
    priority: int = 0
    numeric: bool = True
    wrap: bool = False
    text_only: bool = False


class Row(NamedTuple):
    """One line of a table; ``style`` says what kind of line it is."""

    cells: tuple[str, ...]
    style: Style = "plain"


class Table(NamedTuple):
    """A titled table; every row has one cell per column."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Fact(NamedTuple):
    """A labelled value and what it is made of."""

    label: str
    value: str
    detail: str = ""


class Facts(NamedTuple):
    """A box of facts."""

    title: str
    facts: tuple[Fact, ...]


class Sentences(NamedTuple):
    """A titled list of sentences; ``alarm`` marks what must not be overlooked."""

    title: str
    sentences: tuple[str, ...]
    alarm: bool = False


Block: TypeAlias = Table | Facts | Sentences


class Document(NamedTuple):
    """A report in three parts.

    A terminal shows ``details`` first, since its last lines are the ones that stay in sight; a page shows ``summary`` first
    and has room for the ``appendix``, which is not put together before.
    """

    title: str
    summary: tuple[Block, ...]
    details: tuple[Block, ...]
    notes: tuple[Block, ...]
    appendix: Callable[[], tuple[Block, ...]] = tuple

    @property
    def for_terminal(self) -> tuple[Block, ...]:
        """Blocks in the order of a terminal; empty ones left out."""
        return shown(*self.details, *self.summary, *self.notes)

    @property
    def for_page(self) -> tuple[Block, ...]:
        """Blocks in the order of a page; empty ones left out."""
        return shown(*self.summary, *self.details, *self.notes, *self.appendix())


def shown(*blocks: Block) -> tuple[Block, ...]:
    """The blocks that hold something."""
    return tuple(block for block in blocks if content(block))


def content(block: Block) -> tuple[object, ...]:
    """Rows, facts or sentences of a block."""
    match block:
        case Table():
            return block.rows
        case Facts():
            return block.facts
        case Sentences():
            return block.sentences


def filled(table: Table) -> list[int]:
    """Numbers of the columns that hold something in at least one line."""
    return [i for i, _ in enumerate(table.columns) if any(row.cells[i].strip(" -") for row in table.rows)]


def page_columns(table: Table) -> list[int]:
    """Numbers of the columns that a page shows."""
    return [i for i in filled(table) if not table.columns[i].text_only]
