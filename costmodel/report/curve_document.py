"""A curve as a document: traffic by memory between what no schedule undercuts and what is moved, and where it drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, Scale, bar, bare_ratio, counted, scale, times
from costmodel.units import quantity

if TYPE_CHECKING:
    from costmodel.explore.curve import Breakpoint, Curve, CurvePoint, LayerCurve

LISTED = 16
"""Breakpoints that a report lists: those at which most is saved."""


def document(curve: Curve) -> Document:
    """Report of a curve."""
    return Document(
        title=title(curve),
        summary=(Sentences("In short", tuple(findings(curve))),),
        details=(slope(curve), drops(curve) if curve.layer is not None else layers(curve)),
        notes=(Sentences("How to read it", tuple(legend(curve))),),
    )


def title(curve: Curve) -> str:
    """What was priced."""
    name = visible(curve.network) if curve.layer is None else f"{visible(curve.layer)} of {visible(curve.network)}"
    where = f" on {visible(curve.hardware)}" if curve.hardware else ""
    return f"Off-chip bytes of {name} by memory{where}, {visible(curve.precision.name)}, batch {curve.batch}"


# ---- the slope


def slope(curve: Curve) -> Table:
    """One line per size, a bar for what is moved."""
    points = curve.points
    sizes = [size for point in points for size in (point.dram_bytes or 0, point.io_bound_bytes)]
    unit, most = scale(sizes, "B"), max((point.dram_bytes or 0 for point in points), default=0)
    columns = (
        Column("memory"),
        Column("moved", unit.unit),
        Column("", numeric=False, priority=2, text_only=True),
        Column("I/O bound", unit.unit),
        Column("compulsory", unit.unit, 1),
        Column("moved", "/ bound"),
        Column("in place", numeric=False, priority=1),
    )
    return Table("Off-chip bytes by memory", columns, tuple(line(point, unit, most) for point in points))


def line(point: CurvePoint, unit: Scale, most_bytes: int) -> Row:
    """One size; its style says whether nothing more can be saved."""
    moved = point.dram_bytes
    cells = (
        memory(point.capacity_bytes),
        NOTHING if moved is None else unit.text(moved),
        bar(moved or 0, most_bytes),
        unit.text(point.io_bound_bytes),
        unit.text(point.compulsory_bytes),
        NOTHING if point.bound_ratio is None else times(point.bound_ratio),
        point.stationary or NOTHING,
    )
    return Row(cells, "group" if moved == point.compulsory_bytes else "plain")


# ---- the lists


def layers(curve: Curve) -> Table:
    """One line per layer: its memories, and how far from the bound it is where it is farthest."""
    unit = scale((layer.least_bytes for layer in curve.layers), "B")
    columns = (
        Column("layer", numeric=False),
        Column("op", numeric=False, priority=3),
        Column("fits from", "B", 2),
        Column("least", unit.unit),
        Column("least from", "B"),
        Column("farthest", "/ bound"),
        Column("at", "memory", 1),
    )
    return Table("Layers", columns, tuple(layer_row(layer, unit) for layer in curve.layers))


def layer_row(layer: LayerCurve, unit: Scale) -> Row:
    """One layer; a star where not even the largest memory brings it to compulsory traffic."""
    priced = [point for point in layer.points if point.bound_ratio is not None]
    worst = max(priced, key=ratio, default=None)
    above = layer.least_bytes > layer.points[0].compulsory_bytes
    far = worst is not None and ratio(worst) > 1
    cells = (
        visible(layer.name),
        visible(layer.op),
        f"{layer.smallest_bytes:,}" if layer.smallest_bytes else NOTHING,
        unit.text(layer.least_bytes) + (" *" if above else ""),
        f"{layer.least_from_bytes:,}" if layer.least_from_bytes else NOTHING,
        NOTHING if worst is None else times(ratio(worst)),
        memory(worst.capacity_bytes) if worst is not None and far else NOTHING,
    )
    return Row(cells)


def ratio(point: CurvePoint) -> float:
    """What is moved over the bound, 0 where neither is known."""
    return point.bound_ratio or 0.0


def memory(size_bytes: int) -> str:
    """A size of memory for people."""
    return quantity(float(size_bytes), "B")


def drops(curve: Curve) -> Table:
    """The breakpoints at which most is saved, in order of memory."""
    unit = scale((step.dram_bytes for step in curve.breakpoints), "B")
    columns = (
        Column("from", "B"),
        Column("moved", unit.unit),
        Column("saved", unit.unit),
        Column("mapping", numeric=False, wrap=True),
    )
    rows = tuple(drop_row(step, unit) for step in largest(curve.breakpoints))
    return Table("Sizes at which the minimum drops", columns, rows)


def drop_row(step: Breakpoint, unit: Scale) -> Row:
    """One breakpoint; the first size that fits saves nothing that could be counted."""
    saved = NOTHING if step.saved_bytes is None else unit.text(step.saved_bytes)
    return Row((f"{step.capacity_bytes:,}", unit.text(step.dram_bytes), saved, step.mapping))


def largest(steps: Sequence[Breakpoint]) -> list[Breakpoint]:
    """The breakpoints at which most is saved, in order of memory."""
    chosen = sorted(steps, key=lambda step: -(step.saved_bytes or 0))[:LISTED]
    return sorted(chosen, key=lambda step: step.capacity_bytes)


# ---- sentences


def findings(curve: Curve) -> Iterator[str]:
    """How far from the limit, from where on nothing is saved, and what does not fit."""
    priced = [point for point in curve.points if point.bound_ratio is not None]
    if priced:
        worst = max(priced, key=ratio)
        at = f", at {memory(worst.capacity_bytes)}" if ratio(worst) > 1 else ""
        yield f"It moves at most {bare_ratio(ratio(worst))} times what no schedule undercuts{at}."
    nested = [layer for layer in curve.layers if layer.smallest_bytes]
    if nested:
        yield from ends(curve, nested)


def ends(curve: Curve, nested: Sequence[LayerCurve]) -> Iterator[str]:
    """The memory from which on more saves nothing, and the one below which a layer does not fit."""
    last = max(nested, key=lambda layer: layer.least_from_bytes)
    least, compulsory = (sum(values) for values in zip(*map(bytes_of, curve.layers), strict=True))
    what = "compulsory traffic" if least == compulsory else f"{bare_ratio(least / compulsory)} times compulsory traffic"
    name = "" if curve.layer is not None else f", the last being {visible(last.name)}"
    yield f"From {exactly(last.least_from_bytes)} on it moves the least, {what}{name}."
    first = max(nested, key=lambda layer: layer.smallest_bytes)
    if first.smallest_bytes > curve.capacities[0]:
        name = "it" if curve.layer is not None else visible(first.name)
        yield f"Below {exactly(first.smallest_bytes)} no tile of {name} fits."
    steps = curve.breakpoints
    if steps:
        shown = f"; those {LISTED} that save most are listed" if len(steps) > LISTED else ""
        yield f"The minimum has {counted(len(steps), 'step')} in this range{shown}."


def bytes_of(layer: LayerCurve) -> tuple[int, int]:
    """What a layer moves at least, and what is compulsory."""
    return layer.least_bytes, layer.points[0].compulsory_bytes


def exactly(size_bytes: int) -> str:
    """A size of memory to the byte."""
    return f"{size_bytes:,} B"


def legend(curve: Curve) -> Iterator[str]:
    """What the columns mean, and what the memory is."""
    yield (
        "moved: the exact minimum over all tiles and loop orders, layer by layer. I/O bound: what no schedule whatever "
        "undercuts, in any order of the MACs, without recomputation. compulsory: every operand once."
    )
    if curve.double_buffered:
        yield f"Tiles take half of the memory, since {visible(curve.memory or '')} is double-buffered."
    if any(layer.least_bytes > layer.points[0].compulsory_bytes for layer in curve.layers):
        yield "*: more than compulsory in any memory, since a tile is fetched with the rows that its stride passes over."
