"""A mapping through the whole hierarchy: the tile each store holds, the order of the loops between, what is unrolled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.mapping.levels.hierarchy import Hierarchy
    from costmodel.mapping.nest import Layer


@dataclass(frozen=True)
class LoopNest:
    """A mapping of one layer on one hierarchy.

    Attributes
    ----------
    tiles
        Per store on chip, outermost first, the size of its tile along each of ``DIMS``, at most the extent of the loop. In
        processing elements: the tile of one element.
    orders
        Per store on chip, the loops that step from one of its tiles to the next within a tile of the store outside it,
        outermost first; loops that are left out have one trip.
    unroll
        Side of the array and factor of each dimension that is unrolled.
    bypass
        Per store on chip, operands that pass it by.
    """

    tiles: tuple[Mapping[str, int], ...]
    orders: tuple[str, ...]
    unroll: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    bypass: tuple[frozenset[str], ...] = ()

    def passes_by(self, store: int) -> frozenset[str]:
        """Operands that pass by the store on chip of that number."""
        return self.bypass[store] if self.bypass else frozenset()


def extents(layer: Layer) -> dict[str, int]:
    """Extent of every loop of a layer."""
    return {dim: int(getattr(layer, dim)) for dim in DIMS}


def factor(nest: LoopNest, dim: str) -> int:
    """How many elements of the array a dimension is spread over."""
    return nest.unroll[dim][1] if dim in nest.unroll else 1


def array_tile(layer: Layer, hierarchy: Hierarchy, nest: LoopNest) -> dict[str, int]:
    """What all elements of the array work on together."""
    inner = nest.tiles[-1] if hierarchy.in_elements else dict.fromkeys(DIMS, 1)
    return {dim: min(inner[dim] * factor(nest, dim), size) for dim, size in extents(layer).items()}


def chain(layer: Layer, hierarchy: Hierarchy, nest: LoopNest) -> list[dict[str, int]]:
    """Tiles that loops step through: the whole layer, then one per store on chip, that of the array for the elements."""
    shared = nest.tiles[:-1] if hierarchy.in_elements else nest.tiles
    last = [array_tile(layer, hierarchy, nest)] if hierarchy.in_elements else []
    return [extents(layer), *(dict(tile) for tile in shared), *last]
