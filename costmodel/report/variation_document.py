"""A variation as a document: one table per combination of all axes but the first, and where the ratios are largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING

from costmodel.report.assumptions import EXECUTED
from costmodel.report.comparison_tables import equal_row, factor_rows
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, counted, listed, times
from costmodel.report.schedule_table import NAMES, executed
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.explore.axes import Axis
    from costmodel.explore.vary import Point, Reason, Variation

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
    """What was priced, and what varied."""
    names = [axis.name for axis in variation.axes]
    networks = listed([visible(name) for name in variation.networks])
    parts = [f"{networks} on {visible(variation.hardware.name)}", *fixed(variation)]
    return f"{', '.join(parts)}, by {listed(names)}"


def fixed(variation: Variation) -> Iterator[str]:
    """What all points share: number format, batch, schedule."""
    points = variation.points
    formats = {point.precision for point in points}
    if len(formats) == 1:
        yield visible(formats.pop())
    if len({point.batch for point in points}) == 1:
        yield f"batch {points[0].batch}"
    found = {executed(point.schedule, point.state) for point in points}
    if len(found) == 1:
        yield found.pop()


def tables(variation: Variation) -> Iterator[Table]:
    """One table per combination of the other axes: a line per value of the first."""
    first, *others = variation.axes
    width = len(variation.networks)
    count = prod(len(axis.values) for axis in others)
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
        *(Column(visible(name), wrap=True) for name in variation.networks),
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
    """Smallest and largest ratio to each network, and at how many points it is a hundred."""
    baseline, width = visible(variation.networks[0]), len(variation.networks)
    for column, other in enumerate(variation.networks[1:], 1):
        lines = zip(variation.points[::width], variation.points[column::width], strict=True)
        ratios = [ratio(first, point) for first, point in lines if comparable(first, point)]
        if ratios:
            yield (
                f"{baseline} moves {span(variation, other)} the off-chip bytes of {visible(other)}: at least {HUNDREDFOLD} "
                f"times at {sum(found >= HUNDREDFOLD for found in ratios) or 'none'} of {counted(len(ratios), 'point')}, "
                f"fewer bytes at {sum(found < 1 for found in ratios) or 'none'}."
            )


def span(variation: Variation, other: str) -> str:
    """The smallest and the largest ratio to a network, with their places where they differ."""
    ends = [reason for reason in variation.reasons if reason.other == other]
    if len(ends) == 1:
        return f"{bare_ratio(ends[0].ratio)} times"
    return " to ".join(f"{bare_ratio(end.ratio)} times ({place(variation, end)})" for end in reversed(ends))


def place(variation: Variation, found: Reason | Point) -> str:
    """Values of all axes, in words."""
    values = zip(variation.axes, found.at, strict=True)
    return where(variation.axes, [axis.labels[axis.values.index(value)] for axis, value in values])


def reasons(variation: Variation) -> Iterator[Table]:
    """Factors of the largest and of the smallest ratio to each network."""
    baseline = visible(variation.networks[0])
    for reason in variation.reasons:
        whole = prod(factor.ratio for factor in reason.factors)
        title = f"Why {baseline} moves {times(reason.ratio)} the bytes of {visible(reason.other)}: {place(variation, reason)}"
        columns = (Column("factor", numeric=False), Column("ratio"), Column("so far"), Column("", numeric=False, wrap=True))
        total = Row(("off-chip energy", times(whole), times(whole), "the product of all factors"), "total")
        yield Table(title, columns, (*factor_rows(reason.factors), *equal_row(reason.factors), total))


def beginnings(variation: Variation) -> Table:
    """At which values of the first axis each network fits, by the values of the others."""
    first, *others = variation.axes
    width = len(variation.networks)
    combined = list(product(*(axis.labels for axis in others)))
    rows = []
    for number, labels in enumerate(combined):
        lines = [variation.points[number * width + column :: len(combined) * width] for column in range(width)]
        rows.append(Row((where(others, labels), *(fitting(first, line) for line in lines))))
    columns = (Column("", numeric=False), *(Column(visible(name), numeric=False, wrap=True) for name in variation.networks))
    found = any(cell != NOTHING for row in rows for cell in row.cells[1:])
    return Table(f"Values of {first.name} at which nothing crosses but what must", columns, tuple(rows) if found else ())


def fitting(axis: Axis, line: Sequence[Point]) -> str:
    """Values of an axis at which a network fits, in words."""
    fits = [point.fits for point in line]
    labels = [visible(label) for label, fit in zip(axis.labels, fits, strict=True) if fit]
    if not labels:
        return NOTHING
    if all(fits):
        return "all"
    if axis.ascends and sum(one != two for one, two in pairwise(fits)) == 1:
        return f"from {labels[0]} on" if fits[-1] else f"up to {labels[-1]}"
    return listed(labels)


def legend(variation: Variation) -> Sentences:
    """How the points were priced."""
    store, memory = (level.name for level in variation.hardware.levels[:2])
    points = variation.points
    kinds = dict.fromkeys(point.schedule for point in points)
    star = ("*: nothing crosses but the network's inputs and outputs, and weights where they must be loaded.",)
    explained = [EXECUTED[kind].format(store=store, memory=memory) for kind in kinds]
    if len(kinds) > 1:
        explained = [f"{NAMES[kind]}: {text[0].lower()}{text[1:]}" for kind, text in zip(kinds, explained, strict=True)]
    fits = star if any(point.fits for point in points) else ()
    return Sentences("How to read it", (*fits, *explained, *problems(variation)))


def problems(variation: Variation) -> Iterator[str]:
    """Where a network could not be priced, and why, once per network."""
    for name in dict.fromkeys(variation.networks):
        own = [point for point in variation.points if point.network == name]
        failed = [point for point in own if point.problem]
        if failed:
            count = f"{len(failed)} of {counted(len(own), 'point')}"
            at = place(variation, failed[0])
            yield f"{NOTHING}: {visible(name)} cannot be priced at {count}; at {at}: {visible(failed[0].problem)}."
