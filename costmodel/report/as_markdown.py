"""A report as Markdown: the same content as on a terminal, every column, and the sources of all constants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from costmodel.report.document import Facts, Sentences, Table, page_columns
from costmodel.report.names import visible

if TYPE_CHECKING:
    from costmodel.report.document import Block, Document, Row

SPECIAL = re.compile(r"([\\`*\[\]<>|#~$]|(?<![^\W_])_|_(?![^\W_]))")
INDENT = "&emsp;"
EMPHASIS = {"group": "**", "total": "**", "unknown": "**", "free": "*"}


def markdown(document: Document, command: str | None = None) -> str:
    """The document as Markdown; its first line is the command where one is given."""
    parts = [f"{code(f'$ {command}')}\n"] if command else []
    parts.append(f"# {escaped(document.title)}\n")
    parts += ["\n".join(lines(block)) + "\n" for block in document.for_page]
    return "\n".join(parts)


def code(text: str) -> str:
    """Inline code, whatever backticks it holds.

    >>> print(code("$ costmodel nets list"))
    `$ costmodel nets list`
    """
    shown = visible(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"


def escaped(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(escaped("a|b <i> max_pool _x_"))
    a\|b \<i\> max_pool \_x\_
    """
    stripped = visible(text).lstrip(" ")
    return SPECIAL.sub(r"\\\1", stripped).replace("&", "&amp;")


def lines(block: Block) -> Iterator[str]:
    """Lines of a block under its heading."""
    if block.title:
        yield f"## {escaped(block.title)}\n"
    match block:
        case Table():
            yield from table(block)
        case Facts():
            yield from ("| | | |", "|---|---:|---|")
            yield from (line((cell(f.label), cell(f.value), cell(f.detail))) for f in block.facts)
        case Sentences():
            yield from (f"- {escaped(sentence)}" for sentence in block.sentences)


def table(block: Table) -> Iterator[str]:
    """A table with every column that means something on a page."""
    kept = page_columns(block)
    columns = [block.columns[index] for index in kept]
    yield line(escaped(f"{column.title} {column.unit}".strip()) for column in columns)
    yield line("---:" if column.numeric else "---" for column in columns)
    yield from (line(styled(row, index) for index in kept) for row in block.rows)


def line(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def styled(row: Row, index: int) -> str:
    """A cell in the emphasis of its line."""
    mark, text = EMPHASIS.get(row.style, ""), cell(row.cells[index])
    return f"{mark}{text}{mark}" if mark and text not in ("", "-") else text


def cell(text: str) -> str:
    """A cell; leading blanks, which indent, survive."""
    return INDENT * ((len(text) - len(text.lstrip(" "))) // 2) + escaped(text)
