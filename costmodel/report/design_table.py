"""Designs as a table: what they are, then what they cost, one unit per column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Final

from costmodel.explore.objectives import unit_of
from costmodel.report.document import Column, Row, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, scale

MOST_ROWS: Final = 40
"""Designs that people are shown; JSON and CSV have all."""


def design_table(
    title: str,
    records: Sequence[Mapping[str, Any]],
    described: Sequence[str],
    figures: Sequence[str],
    marks: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """The first designs of many.

    Parameters
    ----------
    title
        Title of the table.
    records
        One mapping per design.
    described
        Keys of what a design is; the later ones are dropped first where there is no room.
    figures
        Keys of what it costs, in base units.
    marks
        Further columns of text by their title, one entry per design.
    """
    shown = records[:MOST_ROWS]
    columns = [[text(record[name]) for record in shown] for name in described]
    header = [Column(*two_lines(name), priority=number) for number, name in enumerate(described)]
    for name in figures:
        unit, *cells = figure_texts([float(record[name]) for record in shown], unit_of(name))
        header.append(Column(visible(bare(name)), unit))
        columns.append(cells)
    for name, marked in (marks or {}).items():
        header.append(Column(name, numeric=False))
        columns.append(list(marked[:MOST_ROWS]))
    return Table(title, tuple(header), tuple(Row(cells) for cells in zip(*columns, strict=True)))


def figure_texts(values: Sequence[float], unit: str) -> list[str]:
    """The unit of figures, then each of them; without a unit, counts are scaled and fractions are not.

    >>> figure_texts([0.0012, 0.0307], "J"), figure_texts([0.975, 1.0], "")
    (['mJ', '1.20', '30.70'], ['', '0.9750', '1.0000'])
    """
    if not unit and any(value % 1 for value in values):
        return ["", *(f"{value:.4f}" for value in values)]
    found = scale(values, unit)
    return [found.unit, *map(found.text, values)]


def two_lines(name: str) -> tuple[str, str]:
    """An axis in two lines of a header.

    >>> two_lines("net.squeeze_ratio"), two_lines("point")
    (('net.', 'squeeze_ratio'), ('point', ''))
    """
    kind, dot, rest = visible(name).partition(".")
    return (kind + dot, rest) if dot else (kind, "")


def bare(name: str) -> str:
    """A metric without its unit, which stands below it.

    >>> bare("energy_j"), bare("dram_bytes"), bare("macs")
    ('energy', 'dram', 'macs')
    """
    return next((name.removesuffix(end) for end in ("_bytes", "_j", "_s") if name.endswith(end)), name)


def text(value: Any) -> str:  # noqa: ANN401 - whatever a table holds
    """A value of a design.

    >>> text(0.125), text(131072), text("int8"), text(float("nan"))
    ('0.125', '131072', 'int8', '-')
    """
    if isinstance(value, float):
        return NOTHING if isnan(value) else f"{value:.12g}"
    return visible(str(value))


def more_rows(count: int) -> tuple[str, ...]:
    """A sentence on designs that are not shown."""
    return (f"{count - MOST_ROWS:,} more are in JSON and CSV.",) if count > MOST_ROWS else ()
