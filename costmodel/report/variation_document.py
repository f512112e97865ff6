"""A variation as a document: one table per combination of all axes but the first, and where the ratios are largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from costmodel.report.assumptions import EXECUTED
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, counted, listed, times
from costmodel.report.schedule_table import NAMES, executed
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.explore.axes import Axis
    from costmodel.explore.vary import Point, Variation

HUNDREDFOLD = 100
FITS = " *"


class Compared(NamedTuple):
    """Bytes of the first network over those of another, at one point."""

    ratio: float
    other: str
    place: str


def document(variation: Variation) -> Document:
    """Report of a variation."""
    return Document(
        title=title(variation),
        summary=(Sentences("In short", (*extremes(variation), *beginnings(variation))),),
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


def compared(variation: Variation) -> Iterator[Compared]:
    """Every ratio with its place."""
    width = len(variation.networks)
    combined = list(product(*(axis.labels for axis in variation.axes)))
    for row, labels in enumerate(combined):
        first, *others = variation.points[row * width : (row + 1) * width]
        for point in others:
            if comparable(first, point):
                yield Compared(ratio(first, point), point.network, where(variation.axes, labels))


def extremes(variation: Variation) -> Iterator[str]:
    """Largest and smallest ratio to each network, and at how many points it is a hundred."""
    everything = list(compared(variation))
    baseline = visible(variation.networks[0])
    for other in dict.fromkeys(one.other for one in everything):
        found = [one for one in everything if one.other == other]
        most, least = max(found), min(found)
        hundred, fewer = sum(one.ratio >= HUNDREDFOLD for one in found), sum(one.ratio < 1 for one in found)
        between = f"{bare_ratio(least.ratio)} times ({least.place}) to {bare_ratio(most.ratio)} times ({most.place})"
        spread = between if len(found) > 1 else f"{bare_ratio(most.ratio)} times"
        yield (
            f"{baseline} moves {spread} the off-chip bytes of {visible(other)}: at least {HUNDREDFOLD} times at "
            f"{hundred or 'none'} of {counted(len(found), 'point')}, fewer bytes at {fewer or 'none'}."
        )


def beginnings(variation: Variation) -> Iterator[str]:
    """At which values of the first axis each network fits, at each combination of the others."""
    first, *others = variation.axes
    width = len(variation.networks)
    combined = list(product(*(axis.labels for axis in others)))
    for number, labels in enumerate(combined):
        for column, name in enumerate(variation.networks):
            line = variation.points[number * width + column :: len(combined) * width]
            reach = fitting(first, line)
            if reach:
                place = f" at {where(others, labels)}" if labels else ""
                yield f"{visible(name)} fits {reach}{place}: nothing crosses but what must."


def fitting(axis: Axis, line: Sequence[Point]) -> str:
    """Values of an axis at which a network fits, in words; nothing where it is all of them or none."""
    fits = [point.fits for point in line]
    labels = [visible(label) for label, fit in zip(axis.labels, fits, strict=True) if fit]
    changes = sum(one != two for one, two in pairwise(fits))
    if not changes:
        return ""
    if changes == 1 and axis.ascends:
        return f"from {axis.name} {labels[0]} on" if fits[-1] else f"up to {axis.name} {labels[-1]}"
    return f"at {axis.name} {listed(labels)}"


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
            at = ", ".join(f"{axis.name} {visible(label)}" for axis, label in located(variation, failed[0]))
            count = f"{len(failed)} of {counted(len(own), 'point')}"
            yield f"-: {visible(name)} cannot be priced at {count}; at {at}: {visible(failed[0].problem)}."


def located(variation: Variation, point: Point) -> Iterator[tuple[Axis, str]]:
    """Every axis with the label of its value at a point."""
    for axis, value in zip(variation.axes, point.at, strict=True):
        yield axis, axis.labels[axis.values.index(value)]
