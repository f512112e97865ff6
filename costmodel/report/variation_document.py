"""A variation as a document: one table per combination of all axes but the first, and where the ratios are largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from costmodel.report.assumptions import EXECUTED
from costmodel.report.comparison_tables import equal_row, factor_rows
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, times
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.explore.vary import Axis, Point, Reason, Variation

HUNDREDFOLD = 100
FITS = " *"


def document(variation: Variation) -> Document:
    """Report of a variation."""
    return Document(
        title=title(variation),
        summary=(Sentences("In short", tuple(extremes(variation))), beginnings(variation), *reasons(variation)),
        details=tuple(tables(variation)),
        notes=(legend(variation),),
    )


def title(variation: Variation) -> str:
    """What was varied."""
    networks = ", ".join(map(visible, variation.networks))
    return f"{networks} on {visible(variation.hardware.name)}, by {', '.join(axis.name for axis in variation.axes)}"


def tables(variation: Variation) -> Iterator[Table]:
    """One table per combination of the other axes: a line per value of the first."""
    first, *others = variation.axes
    width = len(variation.networks)
    depth = [len(axis.values) for axis in others]
    count = 1
    for length in depth:
        count *= length
    for number, labels in enumerate(product(*(axis.labels for axis in others))):
        at = [
            variation.points[(row * count + number) * width : (row * count + number + 1) * width]
            for row in range(len(first.values))
        ]
        yield table(variation, first, at, where(others, labels))


def where(axes: Sequence[Axis], labels: Sequence[str]) -> str:
    """Values of axes in words."""
    return ", ".join(f"{axis.name} {visible(label)}" for axis, label in zip(axes, labels, strict=True))


def table(variation: Variation, axis: Axis, lines: Sequence[Sequence[Point]], place: str) -> Table:
    """Off-chip bytes per input of every network, and the ratios of the first to each other one."""
    others = variation.networks[1:]
    columns = (
        Column(axis.name),
        *(Column(visible(name)) for name in variation.networks),
        *(Column("ratio to", visible(name), 1) for name in others),
    )
    rows = []
    for label, points in zip(axis.labels, lines, strict=True):
        first, *rest = points
        ratios = (times(ratio(first, point)) if comparable(first, point) else NOTHING for point in rest)
        rows.append(Row((visible(label), *map(cell, points), *ratios)))
    return Table(f"Off-chip bytes per input{': ' + place if place else ''}", columns, tuple(rows))


def cell(point: Point) -> str:
    """Bytes per input, marked where nothing else crosses than what must."""
    if point.problem:
        return NOTHING
    return si_bytes(point.dram_bytes / point.batch) + (FITS if point.fits else "")


def comparable(first: Point, other: Point) -> bool:
    """Whether both were priced."""
    return not first.problem and not other.problem and other.dram_bytes > 0


def ratio(first: Point, other: Point) -> float:
    """Bytes of the first over those of the other."""
    return first.dram_bytes / other.dram_bytes


def extremes(variation: Variation) -> Iterator[str]:
    """Largest and smallest ratio to each network, and in how many places it is a hundred."""
    baseline, width = visible(variation.networks[0]), len(variation.networks)
    for column, other in enumerate(variation.networks[1:], 1):
        lines = zip(variation.points[::width], variation.points[column::width], strict=True)
        ratios = [ratio(first, point) for first, point in lines if comparable(first, point)]
        ends = [reason for reason in variation.reasons if reason.other == other]
        if ratios:
            span = " to ".join(f"{bare_ratio(end.ratio)} times ({named(variation, end)})" for end in reversed(ends))
            yield (
                f"{baseline} moves {span} the off-chip bytes of {visible(other)}: at least {HUNDREDFOLD} times in "
                f"{sum(found >= HUNDREDFOLD for found in ratios)} of {len(ratios)} places, fewer in "
                f"{sum(found < 1 for found in ratios)}."
            )


def named(variation: Variation, reason: Reason) -> str:
    """Where a ratio was found."""
    places = zip(variation.axes, reason.at, strict=True)
    return where(variation.axes, [axis.labels[axis.values.index(value)] for axis, value in places])


def reasons(variation: Variation) -> Iterator[Table]:
    """Factors of the largest and of the smallest ratio to each network."""
    baseline = visible(variation.networks[0])
    for reason in variation.reasons:
        whole = prod(factor.ratio for factor in reason.factors)
        title = f"Why {baseline} moves {times(reason.ratio)} the bytes of {visible(reason.other)}: {named(variation, reason)}"
        columns = (Column("factor", numeric=False), Column("ratio"), Column("so far"), Column("", numeric=False, wrap=True))
        total = Row(("off-chip energy", times(whole), times(whole), "the product of all factors"), "total")
        yield Table(title, columns, (*factor_rows(reason.factors), *equal_row(reason.factors), total))


def beginnings(variation: Variation) -> Table:
    """Smallest value of the first axis from which each network fits, by the values of the others."""
    first, *others = variation.axes
    width = len(variation.networks)
    combined = list(product(*(axis.labels for axis in others)))
    rows = []
    for number, labels in enumerate(combined):
        lines = [variation.points[number * width + column :: len(combined) * width] for column in range(width)]
        rows.append(Row((where(others, labels), *(beginning(first, line) for line in lines))))
    columns = (Column("", numeric=False), *(Column(visible(name)) for name in variation.networks))
    found = any(cell != NOTHING for row in rows for cell in row.cells[1:])
    return Table(f"Smallest {first.name} from which nothing crosses but what must", columns, tuple(rows) if found else ())


def beginning(axis: Axis, line: Sequence[Point]) -> str:
    """First value from which a network fits at every further one."""
    fitting = NOTHING
    for label, point in zip(reversed(axis.labels), reversed(line), strict=True):
        if not point.fits:
            break
        fitting = visible(label)
    return fitting


def legend(variation: Variation) -> Sentences:
    """How the points were priced."""
    store, memory = (level.name for level in variation.hardware.levels[:2])
    problems = dict.fromkeys(point.problem for point in variation.points if point.problem)
    return Sentences(
        "How to read it",
        (
            "* nothing crosses but the network's inputs and outputs, and weights where they must be loaded.",
            *(f"{kind}: {text.format(store=store, memory=memory)}" for kind, text in EXECUTED.items()),
            *(visible(problem) for problem in problems),
        ),
    )
