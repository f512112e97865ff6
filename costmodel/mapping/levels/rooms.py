"""How much larger a memory would have to be for the next drop of an objective, found by search with larger memories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from costmodel.mapping.levels.hierarchy import OPERANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from costmodel.mapping.levels.hierarchy import Hierarchy, Store
    from costmodel.mapping.nest import Layer

MOST_TIMES: Final = 4
"""How many times as large as it is a memory is looked at."""

SAME: Final = 1e-9
"""Relative difference below which two values are the same."""


@dataclass(frozen=True)
class Room:
    """Room of one store on chip: that of an operand with a part of its own, or what the others share.

    ``size_bytes`` is what its tiles may take (half of it where the store is double-buffered), ``most_bytes`` the largest size
    to look at: what the layer has, or ``MOST_TIMES`` its size.
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
            yield room(number, operand, bits // 8, sizes[operand])
        shared = [operand for operand in OPERANDS if operand in store.holds and operand not in store.part_bits]
        if store.capacity_bits is not None and shared:
            yield room(number, None, store.capacity_bits // 8, sum(sizes[operand] for operand in shared))


def room(store: int, operand: str | None, size_bytes: int, useful_bits: int) -> Room:
    """A room, no larger than is of use."""
    return Room(store, operand, size_bytes, min(-(-useful_bits // 8), MOST_TIMES * size_bytes))


def enlarged(hierarchy: Hierarchy, room: Room, size_bytes: int) -> Hierarchy:
    """The hierarchy with another size of one room."""
    store: Store = hierarchy.stores[room.store]
    if room.operand is None:
        changed = replace(store, capacity_bits=8 * size_bytes)
    else:
        changed = replace(store, part_bits={**store.part_bits, room.operand: 8 * size_bytes})
    return replace(hierarchy, stores=(*hierarchy.stores[: room.store], changed, *hierarchy.stores[room.store + 1 :]))


@dataclass(frozen=True)
class Reach:
    """Where a value drops next.

    ``size_bytes`` is a size at which it is lower, None where none was found; ``proved_bytes`` the largest at which it is
    proved not to be. Where one follows the other, the size is the least.
    """

    size_bytes: int | None
    proved_bytes: int


def next_drop(lowers: Callable[[int], bool | None], size_bytes: int, most_bytes: int) -> Reach:
    """Smallest size at which something lowers a value that never rises with size; ``lowers`` may not know (None).

    Sizes grow by doubled steps until the value falls, and halved steps find where it began to.

    >>> next_drop(lambda size: size >= 7, 3, 100), next_drop(lambda size: False, 3, 100)
    (Reach(size_bytes=7, proved_bytes=6), Reach(size_bytes=None, proved_bytes=100))
    """
    step, low = 1, size_bytes
    while low < most_bytes:
        high = min(size_bytes + step, most_bytes)
        answer = lowers(high)
        if answer is None:
            return Reach(None, low)
        if answer:
            return first_below(lowers, low, high)
        low, step = high, 2 * step
    return Reach(None, low)


def first_below(lowers: Callable[[int], bool | None], low: int, high: int) -> Reach:
    """Smallest size in (low, high] that lowers a value, as ``high`` does; a larger one where an answer is not known."""
    while high - low > 1:
        middle = (low + high) // 2
        answer = lowers(middle)
        if answer is None:
            break
        low, high = (low, middle) if answer else (middle, high)
    return Reach(high, low)


def falls(value: float, now: float) -> bool:
    """Whether a value is below another by more than the order of a sum makes of it.

    >>> falls(1.0, 2.0), falls(1.0, 1.0 + 1e-12)
    (True, False)
    """
    return value < now - SAME * abs(now)
