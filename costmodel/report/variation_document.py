"""A variation as a document: one table per combination of all axes but the first, and where the ratios are largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from costmodel.report.assumptions import EXECUTED
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, times
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.explore.vary import Axis, Point, Variation

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
    """Largest and smallest ratio to each network, and in how many places it is a hundred."""
    everything = list(compared(variation))
    baseline = visible(variation.networks[0])
    for other in dict.fromkeys(one.other for one in everything):
        found = [one for one in everything if one.other == other]
        most, least = max(found), min(found)
        hundred = sum(one.ratio >= HUNDREDFOLD for one in found)
        turned = sum(one.ratio < 1 for one in found)
        yield (
            f"{baseline} moves from {bare_ratio(least.ratio)} times ({least.place}) to {bare_ratio(most.ratio)} times "
            f"({most.place}) the off-chip bytes of {visible(other)}: at least {HUNDREDFOLD} times in {hundred} of "
            f"{len(found)} places, fewer bytes in {turned}."
        )


def beginnings(variation: Variation) -> Iterator[str]:
    """From which value of the first axis on each network fits, at each combination of the others."""
    first, *others = variation.axes
    width = len(variation.networks)
    combined = list(product(*(axis.labels for axis in others))) or [()]
    for number, labels in enumerate(combined):
        for column, name in enumerate(variation.networks):
            step = len(combined) * width
            line = variation.points[number * width + column :: step]
            fitting = [label for label, point in zip(first.labels, line, strict=True) if point.fits]
            if fitting and not all(point.fits for point in line):
                place = f" at {where(others, labels)}" if labels else ""
                yield f"{visible(name)} fits from {first.name} {visible(fitting[0])} on{place}: nothing crosses but what must."


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
