"""How much larger a memory would have to be for the next drop of an objective, found by search with larger memories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from costmodel.mapping.levels.hierarchy import OPERANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from costmodel.mapping.levels.hierarchy import Hierarchy, Store
    from costmodel.mapping.nest import Layer

SAME: Final = 1e-9
"""Relative difference below which two values are the same."""


@dataclass(frozen=True)
class Room:
    """Room of one store on chip: that of an operand with a part of its own, or what the others share.

    ``size_bytes`` is what its tiles may take; twice as much where the store is double-buffered.
    """

    store: int
    operand: str | None
    size_bytes: int
    most_bytes: int


def rooms(layer: Layer, hierarchy: Hierarchy) -> Iterator[Room]:
    """Every room that could be larger: what a layer has of each operand bounds what is of use."""
    sizes = {
        "weight": layer.weight_elems * layer.weight_bits,
        "ifmap": layer.n * layer.g * layer.c * layer.ifmap_h * layer.ifmap_w * layer.ifmap_bits,
        "ofmap": layer.ofmap_elems * max(layer.ofmap_bits, layer.psum_bits),
    }
    for number, store in enumerate(hierarchy.on_chip, 1):
        for operand, bits in store.part_bits.items():
            yield Room(number, operand, bits // 8, -(-sizes[operand] // 8))
        shared = [operand for operand in OPERANDS if operand in store.holds and operand not in store.part_bits]
        if store.capacity_bits is not None and shared:
            yield Room(number, None, store.capacity_bits // 8, -(-sum(sizes[operand] for operand in shared) // 8))


def enlarged(hierarchy: Hierarchy, room: Room, size_bytes: int) -> Hierarchy:
    """The hierarchy with another size of one room."""
    store: Store = hierarchy.stores[room.store]
    if room.operand is None:
        changed = replace(store, capacity_bits=8 * size_bytes)
    else:
        changed = replace(store, part_bits={**store.part_bits, room.operand: 8 * size_bytes})
    return replace(hierarchy, stores=(*hierarchy.stores[: room.store], changed, *hierarchy.stores[room.store + 1 :]))


def next_drop(value_at: Callable[[int], float], size_bytes: int, most_bytes: int) -> int | None:
    """Smallest size at which a value that never rises with size falls below what it is now; None if it never does.

    Sizes grow by doubled steps until the value falls, and halved steps find where it began to.

    >>> next_drop(lambda size: 10 // size, 3, 100), next_drop(lambda size: 7.0, 3, 100)
    (4, None)
    """
    now = value_at(size_bytes)
    step, low = 1, size_bytes
    while True:
        high = min(size_bytes + step, most_bytes)
        if high <= low:
            return None
        if falls(value_at(high), now):
            return first_below(value_at, low, high, now)
        low, step = high, 2 * step


def first_below(value_at: Callable[[int], float], low: int, high: int, now: float) -> int:
    """Smallest size in (low, high] at which a value is below what it is now; it is at ``high``."""
    while high - low > 1:
        middle = (low + high) // 2
        if falls(value_at(middle), now):
            high = middle
        else:
            low = middle
    return high


def falls(value: float, now: float) -> bool:
    """Whether a value is below another by more than the order of a sum makes of it.

    >>> falls(1.0, 2.0), falls(1.0, 1.0 + 1e-12)
    (True, False)
    """
    return value < now - SAME * abs(now)
