"""A loop nest from plain data, as a user gives it or ``MappedNest.to_dict`` wrote it, every problem said at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from costmodel.errors import MappingError
from costmodel.mapping.levels.forms import feeds
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.loopnest import LoopNest, array_tile, chain, extents
from costmodel.mapping.levels.price import Counter, priced
from costmodel.mapping.mapping import DIMS
from costmodel.mapping.nest import RELEVANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from costmodel.mapping.levels.hierarchy import Hierarchy, Store
    from costmodel.mapping.nest import Layer

SETTINGS = ("name", "tile", "order", "bypass", "trips", "used_bytes")
"""What a level may say; trips and bytes follow from the tiles, and are not read."""


def from_dict(data: Any, layer: Layer, hierarchy: Hierarchy) -> LoopNest:  # noqa: ANN401 - whatever a file holds
    """Read a loop nest and check that it is legal for a layer on a hierarchy.

    Parameters
    ----------
    data
        ``levels``, one per memory on chip, outermost first: ``name``, ``tile`` (size by dimension; 1 where left out),
        ``order`` (loops around its tile, outermost first) and ``bypass`` (operands); ``unroll``: ``side`` and ``elements`` by
        dimension.
    layer, hierarchy
        What it maps, and on what.

    Raises
    ------
    MappingError
        Everything that is wrong: first what cannot be read, then what is not legal.
    """
    reader = Reader(layer, hierarchy)
    found = [*reader.shape_problems(data)] or [*reader.level_problems(data["levels"]), *reader.unroll_problems(data)]
    if found:
        raise MappingError(*found)
    nest = reader.nest(data)
    found = [*reader.nesting_problems(nest)] or [*reader.order_problems(nest)]
    found = found or [*reader.stationary_problems(nest), *reader.room_problems(nest)]
    if found:
        raise MappingError(*found)
    return nest


def is_count(value: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    """Whether a value is a whole number of at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def passing_by(store: Store, given: str | Sequence[str]) -> frozenset[str]:
    """Operands that pass a store by: those given, and those it never holds; elements have a register for these."""
    named = frozenset((given,) if isinstance(given, str) else given)
    return frozenset() if store.per_element else (frozenset(OPERANDS) - frozenset(store.holds)) | named


@dataclass(frozen=True)
class Reader:
    """Reads and checks loop nests of one layer on one hierarchy."""

    layer: Layer
    hierarchy: Hierarchy

    def shape_problems(self, data: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a file holds
        """What keeps the data from being read level by level."""
        names = [store.name for store in self.hierarchy.on_chip]
        if not isinstance(data, Mapping) or not isinstance(data.get("levels"), list):
            yield f"levels: missing; give a list with one entry per memory on chip: {', '.join(names)}"
            return
        if not isinstance(data.get("unroll", {}) or {}, Mapping):
            yield "unroll: is no mapping; write for example {k: {side: columns, elements: 4}}"
        bare = [level for level in data["levels"] if not isinstance(level, Mapping)]
        yield from (f"levels: {level!r} is no mapping; write such as {{name: {names[0]}, tile: {{k: 16}}}}" for level in bare)
        given = [level.get("name") for level in data["levels"] if isinstance(level, Mapping)]
        if not bare and given != names:
            yield f"levels: are {', '.join(map(str, given)) or 'empty'}; give {', '.join(names)}, in this order"

    def level_problems(self, levels: list[Any]) -> Iterator[str]:
        """What is wrong with single levels."""
        for level, store in zip(levels, self.hierarchy.on_chip, strict=True):
            unknown = [key for key in level if key not in SETTINGS]
            yield from (f"{store.name}: {key!r} is not known; use {', '.join(SETTINGS[:4])}" for key in unknown)
            yield from self.tile_problems(store, level.get("tile"))
            order = level.get("order", [])
            loops = list(order) if isinstance(order, str | list | tuple) else [order]
            wrong = [str(dim) for dim in loops if dim not in DIMS]
            if wrong:
                yield f"{store.name}: order has {', '.join(wrong)}, no loops of a layer; these are {' '.join(DIMS)}"
            elif len(set(loops)) < len(loops):
                yield f"{store.name}: order {' '.join(loops)} has a loop twice; a memory has one loop per dimension"
            yield from self.bypass_problems(store, level.get("bypass", []))

    def tile_problems(self, store: Store, tile: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a file holds
        """What is wrong with sizes of a tile."""
        if not isinstance(tile, Mapping):
            yield f"{store.name}: tile is {tile!r}; give a size by dimension, such as {{k: 16, c: 4}}"
            return
        sizes = extents(self.layer)
        for dim, size in tile.items():
            if dim not in sizes:
                yield f"{store.name}: tile has {dim!r}, no loop of a layer; these are {' '.join(DIMS)}"
            elif not is_count(size) or size > sizes[dim]:
                yield f"{store.name}: tile of {dim} is {size!r}; give a whole number from 1 to its extent {sizes[dim]}"

    def bypass_problems(self, store: Store, given: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a file holds
        """What is wrong with operands that pass a level by."""
        for operand in given if isinstance(given, list | tuple) else [given]:
            if operand not in OPERANDS:
                yield f"{store.name}: bypass has {operand!r}, no operand; these are {', '.join(OPERANDS)}"
            elif operand in store.holds and operand not in store.optional:
                allowed = ", ".join(store.optional) or "none"
                yield f"{store.name}: {operand} may not pass by; the profile allows {allowed}"

    def unroll_problems(self, data: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with what is unrolled."""
        sides = {side.name: side for side in self.hierarchy.sides}
        used = dict.fromkeys(sides, 1)
        for dim, one in (data.get("unroll") or {}).items():
            name, many = (one.get("side"), one.get("elements", 0)) if isinstance(one, Mapping) else (None, 0)
            if not isinstance(name, str) or name not in sides:
                yield f"unroll: {dim} is along {name!r}; the sides of the array are {', '.join(sides) or 'none'}"
            elif dim not in sides[name].dims:
                yield f"unroll: {dim} along {name}, which unrolls {', '.join(sides[name].dims)} only"
            elif not is_count(many):
                yield f"unroll: {dim} over {many!r} elements; give a whole number from 1 to {sides[name].size}"
            else:
                used[name] *= many
        for name, many in used.items():
            if many > sides[name].size:
                yield f"unroll: {many} elements along {name}, which has {sides[name].size}"

    def nest(self, data: Mapping[str, Any]) -> LoopNest:
        """The loop nest, every value known to be of its kind."""
        numbers = {side.name: number for number, side in enumerate(self.hierarchy.sides)}
        unroll = {dim: (numbers[one["side"]], one["elements"]) for dim, one in (data.get("unroll") or {}).items()}
        tiles = tuple({dim: int(level["tile"].get(dim, 1)) for dim in DIMS} for level in data["levels"])
        orders = tuple("".join(level.get("order", [])) for level in data["levels"])
        pairs = zip(data["levels"], self.hierarchy.on_chip, strict=True)
        passing = tuple(passing_by(store, level.get("bypass", [])) for level, store in pairs)
        return LoopNest(tiles, orders, {dim: one for dim, one in unroll.items() if one[1] > 1}, passing)

    def nesting_problems(self, nest: LoopNest) -> Iterator[str]:
        """Tiles that are no whole number of those of the next store inwards, and operands that feed no multiplier."""
        tiles, names = chain(self.layer, self.hierarchy, nest), [store.name for store in self.hierarchy.stores]
        if self.hierarchy.in_elements:
            names[-1] = f"the elements of the array, {names[-1]}"
        else:
            tiles, names = [*tiles, array_tile(self.layer, self.hierarchy, nest)], [*names, "the array"]
        for at, (outer, inner) in enumerate(pairwise(tiles[1:]), 1):
            for dim, size in outer.items():
                if (size % inner[dim] and size != tiles[0][dim]) or size < inner[dim]:
                    yield (
                        f"{names[at]}: tile of {dim} is {size}, no whole number of the {inner[dim]} of {names[at + 1]}, nor "
                        f"the extent {tiles[0][dim]}"
                    )
        for operand in OPERANDS:
            if not feeds(self.hierarchy, nest.bypass, operand):
                yield f"{names[-2]}: {operand} passes by the memory that feeds the multipliers; it has to stay in one"

    def order_problems(self, nest: LoopNest) -> Iterator[str]:
        """Loops of more than one trip that no order names."""
        tiles = chain(self.layer, self.hierarchy, nest)
        for store, order, outer, inner in zip(self.hierarchy.on_chip, nest.orders, tiles, tiles[1:], strict=False):
            missing = [dim for dim in DIMS if inner[dim] < outer[dim] and dim not in order]
            if missing:
                yield f"{store.name}: order {order or 'is empty and'} leaves out {', '.join(missing)}, which has several trips"

    def stationary_problems(self, nest: LoopNest) -> Iterator[str]:
        """Blocks that change the operand that the profile says to stay in place."""
        count = Counter(self.layer, self.hierarchy, nest)
        for number, store in enumerate(self.hierarchy.on_chip, 1):
            loops = count.loops(number) if store.stationary else []
            if loops and loops[-1] in RELEVANT[store.stationary]:
                yield (
                    f"{store.name}: loop {loops[-1]} is innermost and changes the {store.stationary}, which is stationary in "
                    f"{store.name} as the profile says; put a loop inside that it does not depend on"
                )

    def room_problems(self, nest: LoopNest) -> Iterator[str]:
        """Stores whose tiles do not fit."""
        found = priced(self.layer, self.hierarchy, nest)
        values = Counter(self.layer, self.hierarchy, nest).tile_elems(len(nest.tiles))
        for store, used in zip(self.hierarchy.on_chip, found.used_bits, strict=True):
            yield from (
                f"{store.name}: an element takes {values[operand]} values of {operand} at a time and has a register of one"
                for operand in used
                if operand not in store.holds and values[operand] > 1
            )
            held = {operand: bits for operand, bits in used.items() if operand in store.holds}
            yield from (
                f"{store.name}: {operand} takes {held[operand] / 8:,g} B of its part of {room / 8:,g} B"
                for operand, room in store.part_bits.items()
                if held.get(operand, 0) > room
            )
            shared = {operand: bits for operand, bits in held.items() if operand not in store.part_bits}
            if store.capacity_bits is not None and sum(shared.values()) > store.capacity_bits:
                sizes = ", ".join(f"{operand} {bits / 8:,g} B" for operand, bits in shared.items())
                yield f"{store.name}: {sizes} do not fit into {store.capacity_bits / 8:,g} B"


