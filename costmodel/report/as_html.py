"""A report as a fragment of HTML for notebooks; every text in it is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from costmodel.report.document import Facts, Sentences, Table, page_columns
from costmodel.report.names import visible

if TYPE_CHECKING:
    from costmodel.report.document import Block, Document, Row, Style

INDENT = "&emsp;"
STYLES: dict[Style, str] = {
    "plain": "",
    "group": "font-weight:bold",
    "member": "",
    "free": "opacity:.6",
    "total": "font-weight:bold;border-top:1px solid",
    "unknown": "color:#b00020;font-weight:bold",
}
RIGHT, LEFT = "text-align:right", "text-align:left"


def html(document: Document) -> str:
    """The document inside one ``div``."""
    parts = [f"<h3>{safe(document.title)}</h3>"]
    for block in document.for_page:
        parts.extend(elements(block))
    return '<div class="costmodel">\n' + "\n".join(parts) + "\n</div>\n"


def safe(text: str) -> str:
    """Text that HTML shows as it is; leading blanks, which indent, survive.

    >>> safe("<b>"), safe("  & x")
    ('&lt;b&gt;', '&emsp;&amp; x')
    """
    shown = visible(text)
    bare = shown.lstrip(" ")
    return INDENT * ((len(shown) - len(bare)) // 2) + escape(bare)


def elements(block: Block) -> Iterator[str]:
    """Elements of a block under its heading."""
    if block.title:
        yield f"<h4>{safe(block.title)}</h4>"
    match block:
        case Table():
            yield from table(block)
        case Facts():
            yield "<table>"
            yield from (
                f"<tr>{td(f.label, LEFT)}{td(f.value, RIGHT)}{td(f.detail, LEFT)}</tr>" for f in block.facts
            )
            yield "</table>"
        case Sentences():
            yield "<ul>"
            yield from (f"<li>{safe(sentence)}</li>" for sentence in block.sentences)
            yield "</ul>"


def table(block: Table) -> Iterator[str]:
    """A table with every column that means something on a page."""
    kept = page_columns(block)
    aligned = [RIGHT if block.columns[index].numeric else LEFT for index in kept]
    titles = [f"{block.columns[index].title} {block.columns[index].unit}".strip() for index in kept]
    yield "<table>"
    yield "<thead>" + tr((f'<th style="{a}">{safe(t)}</th>' for a, t in zip(aligned, titles, strict=True)), "") + "</thead>"
    yield "<tbody>"
    yield from (tr((td(row.cells[i], a) for i, a in zip(kept, aligned, strict=True)), style_of(row)) for row in block.rows)
    yield "</tbody></table>"


def style_of(row: Row) -> str:
    """CSS of a line."""
    return STYLES[row.style]


def tr(cells: Iterable[str], style: str) -> str:
    """One line."""
    attribute = f' style="{style}"' if style else ""
    return f"<tr{attribute}>{''.join(cells)}</tr>"


def td(text: str, style: str) -> str:
    """One cell."""
    return f'<td style="{style}">{safe(text)}</td>'
