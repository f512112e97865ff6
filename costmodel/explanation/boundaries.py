"""Mappings at single boundaries as loop nests of two memories, so that they are explained as all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.boundary import Boundary, capacity_bits, layer_at, weight_operand_elems
from costmodel.errors import InputError
from costmodel.joint.machine import store_of
from costmodel.mapping import mapping_of
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import Priced, priced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.estimate import Estimate
    from costmodel.hardware import MemoryLevel
    from costmodel.mapping import Layer, Solutions
    from costmodel.mapping.levels.hierarchy import Store


def nest_at(layer: Layer, hierarchy: Hierarchy, solutions: Solutions, index: int) -> Priced:
    """A solution of the search at one boundary, as a loop nest with its counts."""
    found = mapping_of(layer, int(solutions.stationary[index]), solutions.tile[:, index], 1)
    return priced(layer, hierarchy, LoopNest((found.tile,), ("".join(found.order),)))


def boundary_nests(estimate: Estimate, row: int) -> Iterator[tuple[Boundary, MemoryLevel, Priced]]:
    """The loop nest of a row at every boundary that it crosses with one.

    Raises
    ------
    InputError
        Its weights are compressed to fractions of a bit, which no count of whole bits shows.
    """
    outer = estimate.hardware.levels[0]
    for level, boundary in zip(estimate.hardware.levels[1:], estimate.boundaries, strict=True):
        if isinstance(boundary, Boundary) and row in boundary.mapped:
            if boundary.widths.unit > 1:
                raise InputError(
                    f"{estimate.table.names[row]}: its weights are compressed to fractions of a bit off chip; explain the "
                    "network without the scheme"
                )
            index = boundary.mapped.tolist().index(row)
            pair = Hierarchy((store_of(outer), one_room(level)))
            yield boundary, level, nest_at(counted_layer(estimate, boundary, row), pair, boundary.solutions, index)
        outer = level


def one_room(level: MemoryLevel) -> Store:
    """A memory with one room for all operands, that of all elements together: what a boundary by itself knows."""
    return replace(
        store_of(level), capacity_bits=int(capacity_bits(level)), part_bits={}, holds=OPERANDS, optional=(), per_element=False
    )


def counted_layer(estimate: Estimate, boundary: Boundary, row: int) -> Layer:
    """One step of a row as a layer, its elements counted exactly."""
    layer = layer_at(estimate.table, boundary.widths, row)
    weights = int(weight_operand_elems(estimate.table)[row, 0])
    ofmaps = int(estimate.table.ofmap_elems[row, 0] // estimate.table.steps[row, 0])
    return replace(layer, weight_count=weights, ofmap_count=ofmaps)
