"""What a larger memory would save a layer: through all memories by the search, at one boundary by its own."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.boundary import layer_at, problems_of
from costmodel.explanation.boundaries import nest_at
from costmodel.explanation.explanation import Drop
from costmodel.mapping import solve
from costmodel.mapping.levels.loopnest import chain
from costmodel.mapping.levels.rooms import Reach, Room, enlarged, falls, next_drop, rooms
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.boundary import Boundary
    from costmodel.estimate import Estimate
    from costmodel.hardware import HardwareProfile, MemoryLevel
    from costmodel.mapping.levels.mapped import MappedNest
    from costmodel.mapping.levels.price import Priced
    from costmodel.mapping.levels.search import Found


LONGEST_S: Final = 2.0
"""How long one search with a larger memory may take; beyond, what it could not prove is said."""


def joint_drops(mapped: MappedNest, hardware: HardwareProfile) -> tuple[Drop, ...]:
    """The next drop for every memory on chip, the mapping proved optimal."""
    found = rooms(mapped.priced.layer, mapped.priced.hierarchy)
    return tuple(joint_drop(mapped, hardware.levels[room.store], room) for room in found)


def joint_drop(mapped: MappedNest, level: MemoryLevel, room: Room) -> Drop:
    """The next drop for one memory."""
    from costmodel.mapping.levels.search import search

    priced = mapped.priced

    @cache
    def best(size_bytes: int) -> Found:
        larger = enlarged(priced.hierarchy, room, size_bytes)
        return search([priced.layer], larger, mapped.objective, priced.fixed, LONGEST_S, mapped.pins)[0]

    def lowers(size_bytes: int) -> bool | None:
        found = best(size_bytes)
        return True if falls(found.value, mapped.value) else (None if falls(found.lower, mapped.value) else False)

    reach = next_drop(lowers, room.size_bytes, room.most_bytes)
    if reach.size_bytes is None:
        return drop(level, room, reach, mapped.value, mapped.value, ())
    found = best(reach.size_bytes)
    return drop(level, room, reach, mapped.value, found.value, changes(priced, found.priced))


def boundary_drop(estimate: Estimate, boundary: Boundary, level: MemoryLevel, row: int, priced: Priced) -> Drop:
    """The next drop of what crosses one boundary."""
    problems = problems_of(estimate.table, boundary.widths, np.array([row]), 1)

    def crossing_bytes(size_bytes: int) -> float:
        found = solve(problems, 8 * size_bytes)
        return float(found.weight_bits[0] + found.ifmap_bits[0] + found.ofmap_bits[0]) / 8

    (room,) = rooms(priced.layer, priced.hierarchy)
    now = crossing_bytes(room.size_bytes)
    reach = next_drop(lambda size_bytes: falls(crossing_bytes(size_bytes), now), room.size_bytes, room.most_bytes)
    size = reach.size_bytes
    if size is None:
        return drop(level, room, reach, now, now, ())
    layer = layer_at(estimate.table, boundary.widths, row)
    then = nest_at(layer, enlarged(priced.hierarchy, room, size), solve(problems, 8 * size), 0)
    return drop(level, room, reach, now, crossing_bytes(size), changes(priced, then))


def drop(level: MemoryLevel, room: Room, reach: Reach, value: float, then: float, changed: tuple[str, ...]) -> Drop:
    """What a size of a memory saves, if any was found."""
    more = None if reach.size_bytes is None else sized(level, reach.size_bytes - room.size_bytes)
    proved, most = (sized(level, size - room.size_bytes) for size in (reach.proved_bytes, room.most_bytes))
    size = sized(level, room.size_bytes)
    return Drop(level.name, room.operand, size, more, max(proved, 0), max(most, 0), value, then, changed)


def sized(level: MemoryLevel, tiles_bytes: int) -> int:
    """Capacity that gives tiles so much room: twice as much where one half is filled while the other is in use."""
    return tiles_bytes * (2 if level.double_buffered else 1)


def changes(now: Priced, then: Priced) -> tuple[str, ...]:
    """What another loop nest does otherwise: tiles, loops inside, what is unrolled, what passes by."""
    return (*tile_changes(now, then), *unroll_changes(now, then), *order_changes(now, then))


def tile_changes(now: Priced, then: Priced) -> Iterator[str]:
    """Tiles of other sizes, store by store."""
    pairs = zip(now.hierarchy.on_chip, now.nest.tiles, then.nest.tiles, strict=True)
    for store, before, after in pairs:
        sizes = [f"{dim} {after[dim]} instead of {before[dim]}" for dim in DIMS if after[dim] != before[dim]]
        if sizes:
            yield f"tile of {store.name}: {', '.join(sizes)}"


def unroll_changes(now: Priced, then: Priced) -> Iterator[str]:
    """Dimensions spread over another number of elements."""
    before, after = ({dim: many for dim, (_, many) in one.nest.unroll.items()} for one in (now, then))
    other = [dim for dim in DIMS if before.get(dim, 1) != after.get(dim, 1)]
    if other:
        yield "unrolled: " + ", ".join(f"{dim} x {after.get(dim, 1)} instead of {before.get(dim, 1)}" for dim in other)


def order_changes(now: Priced, then: Priced) -> Iterator[str]:
    """Loops in another order, and operands that pass by or no longer do."""
    for number, store in enumerate(now.hierarchy.on_chip):
        before, after = (loops(one, number) for one in (now, then))
        if before != after:
            yield f"loops around {store.name}: {after or 'none'} instead of {before or 'none'}"
        passed, passing = now.nest.passes_by(number), then.nest.passes_by(number)
        if passed != passing:
            who = " and ".join(sorted(passing ^ passed))
            yield f"{who} {'passes by' if passing > passed else 'stays in'} {store.name}"


def loops(priced: Priced, number: int) -> str:
    """Loops of more than one trip around a store, outermost first."""
    tiles = chain(priced.layer, priced.hierarchy, priced.nest)
    return " ".join(dim for dim in priced.nest.orders[number] if tiles[number + 1][dim] < tiles[number][dim])


