"""A loop nest as factors: how many trips every loop has, and how many in the last tile of the loops outside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from costmodel.mapping.levels.loopnest import array_tile, extents
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from costmodel.mapping.levels.mapped import MappedNest


@dataclass(frozen=True)
class Step:
    """All loops of one kind below a store.

    Attributes
    ----------
    store
        Number of the store whose tile they step through, the backing store 0.
    kind
        ``temporal``, or ``spatial`` for the sides of the array.
    factors
        Per dimension the trips in a full tile, and in the last one.
    order
        All dimensions, the outermost first.
    """

    store: int
    kind: Literal["temporal", "spatial"]
    factors: dict[str, tuple[int, int]]
    order: tuple[str, ...]


def steps(mapped: MappedNest) -> tuple[Step, ...]:
    """Loops below every store, from the outside in: those over tiles, those of the array, those within an element.

    Along every dimension the full factors of the loops inside make a tile, and the last ones what remains: with ``T`` and
    ``R`` for a full and a last tile of the loop inside, a loop of ``f`` trips (``r`` the last time) makes ``f T`` and
    ``(r - 1) T + R``; the outermost ``R`` is the extent.
    """
    priced = mapped.priced
    layer, hierarchy, nest = priced.layer, priced.hierarchy, priced.nest
    whole, ones, last = extents(layer), dict.fromkeys(DIMS, 1), len(hierarchy.on_chip)
    array = array_tile(layer, hierarchy, nest)
    shared = [dict(tile) for tile in (nest.tiles[:-1] if hierarchy.in_elements else nest.tiles)]
    own = dict(nest.tiles[-1]) if hierarchy.in_elements else ones
    tiles = [whole, *shared, array]
    orders = [*nest.orders] if hierarchy.in_elements else [*nest.orders, ""]
    pairs = zip(tiles[:-1], tiles[1:], orders, strict=True)
    found = [
        Step(store, "temporal", factors(whole, outer, inner), full(order))
        for store, (outer, inner, order) in enumerate(pairs)
    ]
    found.append(Step(last - hierarchy.in_elements, "spatial", factors(whole, array, own), DIMS))
    if hierarchy.in_elements:
        found.append(Step(last, "temporal", factors(whole, own, ones), DIMS))
    return tuple(found)


def full(order: str) -> tuple[str, ...]:
    """All dimensions in an order that may leave some out: these have one trip.

    >>> "".join(full("kc"))
    'ngpqrskc'
    """
    return tuple(dim for dim in DIMS if dim not in order) + tuple(order)


def factors(whole: dict[str, int], outer: dict[str, int], inner: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Trips over inner tiles in a full outer tile, and in the last one.

    >>> factors({"k": 13}, {"k": 8}, {"k": 2})
    {'k': (4, 3)}
    """
    found = {}
    for dim, total in whole.items():
        rest = total - (-(-total // outer[dim]) - 1) * outer[dim]
        found[dim] = -(-outer[dim] // inner[dim]), -(-rest // inner[dim])
    return found
