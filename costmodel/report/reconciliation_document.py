"""A reconciliation of parameter counts as a document, by itself or within the report of an analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.reconciliation import UNEXPLAINED
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, counted

if TYPE_CHECKING:
    from costmodel.reconciliation import Line, Reconciliation
    from costmodel.report.document import Style


def document(reconciled: Reconciliation) -> Document:
    """Report of one reconciliation."""
    title = f"{visible(reconciled.network)}: parameters, reconciled with {reconciled.framework}"
    return Document(title, (), (table(reconciled, ""),), (verdict(reconciled, ""),))


def table(reconciled: Reconciliation, title: str) -> Table:
    """Every line, what is not explained, and the total."""
    columns = (
        Column("stored tensors", numeric=False),
        Column("tensors", priority=3),
        Column("elements", priority=2),
        Column("stored", "B", priority=4),
        Column("parameters", f"by {reconciled.framework}"),
        Column("parameters", "here"),
        Column("why they differ", priority=1, numeric=False, wrap=True),
    )
    lines = tuple(map(row, reconciled.lines))
    return Table(title, columns, (*lines, *unexplained(reconciled), total(reconciled)))


def row(line: Line) -> Row:
    """One line; a kind that neither counts is dim."""
    numbers = (line.tensors, line.elems, line.stored_bytes, line.framework_params, line.params)
    style: Style = "plain" if line.framework_params or line.params else "free"
    return Row((line.kind, *map(whole, numbers), line.why), style)


def whole(number: int | None) -> str:
    """A whole number in full: these are compared to the last digit.

    >>> whole(1248424), whole(None)
    ('1,248,424', '-')
    """
    return NOTHING if number is None else f"{number:,}"


def unexplained(reconciled: Reconciliation) -> tuple[Row, ...]:
    """A line for parameters that no tensor accounts for, if there are any."""
    if not reconciled.unexplained:
        return ()
    return (Row(("no tensor", "", "", "", "", whole(reconciled.unexplained), UNEXPLAINED), "unknown"),)


def total(reconciled: Reconciliation) -> Row:
    """The two totals; bytes only where all are known."""
    lines = reconciled.lines
    sizes = [line.stored_bytes for line in lines if line.stored_bytes is not None]
    size = sum(sizes) if len(sizes) == len(lines) else None
    sums = (sum(line.tensors for line in lines), sum(line.elems for line in lines), size)
    return Row(("total", *map(whole, sums), whole(reconciled.framework_params), whole(reconciled.params), ""), "total")


def verdict(reconciled: Reconciliation, title: str) -> Sentences:
    """The two totals in words, and what is shared."""
    there, here = reconciled.framework_params, reconciled.params
    if there == here:
        judged = f"Both count {here:,} parameters."
    else:
        more = "more" if here > there else "fewer"
        judged = f"{here:,} parameters here, {abs(here - there):,} {more} than the {there:,} by {reconciled.framework}."
    shared = sum(line.shared for line in reconciled.lines)
    return Sentences(
        title,
        (
            f"By {reconciled.framework}: {reconciled.rule}.",
            judged,
            *((f"{counted(shared, 'tensor')} read by several layers, and stored once.",) if shared else ()),
        ),
    )
