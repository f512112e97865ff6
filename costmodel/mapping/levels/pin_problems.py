"""What is wrong with pins: names that a machine does not have, pins that contradict one another, tiles that cannot fit."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations, pairwise
from math import prod
from typing import TYPE_CHECKING

from costmodel.errors import PinError
from costmodel.mapping.levels.forms import feeds
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.pinned import Pinned
from costmodel.mapping.levels.pins import STATIONARY
from costmodel.mapping.levels.price import Counter
from costmodel.mapping.mapping import DIMS
from costmodel.mapping.nest import RELEVANT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from costmodel.mapping.levels.hierarchy import Hierarchy, Store
    from costmodel.mapping.levels.pins import Pins, TilePin
    from costmodel.mapping.nest import Layer


def refuse_pins(layer: Layer, hierarchy: Hierarchy, pins: Pins) -> None:
    """Refuse pins that no mapping of a layer satisfies, as far as their sizes alone tell.

    Raises
    ------
    PinError
        What the hierarchy does not have; else contradictions; else tiles that do not nest; else those that cannot fit.
    """
    if not pins and not any(store.stationary for store in hierarchy.stores):
        return
    asked = Machine(hierarchy, pins)
    found = [*asked.unknown()] or [*asked.contradictions()]
    if not found:
        sized = Sized(Pinned(layer, hierarchy, pins))
        found = [*sized.nesting()] or [*sized.stationary()] or [*sized.rooms()]
    if found:
        raise PinError(*found)


def impossible(hierarchy: Hierarchy, pins: Pins) -> str:
    """Say that no mapping does what pins and the profile fix, after the search looked at all; empty where they fix nothing."""
    words = [*pins.words, *(f"{said(store)}" for store in hierarchy.stores if store.stationary)]
    if not words:
        return ""
    together = " together" if len(words) > 1 else ""
    return f"no mapping satisfies {' '.join(words)}{together}: no tiles that fit do; take {'one' if together else 'it'} away"


def named(words: Sequence[str]) -> str:
    """Pins in a message.

    >>> named(["rf.k=2"]), named(["rf.k=2", "rows=c"])
    ('pin rf.k=2', 'pins rf.k=2 rows=c')
    """
    return f"pin{'s' if len(words) > 1 else ''} {' '.join(words)}"


def said(store: Store) -> str:
    """What a profile says to stay in place."""
    return f"{store.name}.{STATIONARY}={store.stationary} (the profile's)"


def meant(given: str, known: Iterable[str]) -> str:
    """The known name that is close, and all of them."""
    names = list(known)
    close = get_close_matches(given, names, 1)
    return f"{f' (did you mean {close[0]!r}?)' if close else ''}; there are {', '.join(names) or 'none'}"


@dataclass(frozen=True)
class Machine:
    """Pins against a machine, whatever the layer."""

    hierarchy: Hierarchy
    pins: Pins

    def unknown(self) -> Iterator[str]:
        """Memories, sides and operands that the machine does not have, or does not have there."""
        stores = {store.name: store for store in self.hierarchy.on_chip}
        for pin in self.pins.of_stores:
            if pin.store == self.hierarchy.stores[0].name:
                yield f"pin {pin}: {pin.store} holds everything; pin one of {', '.join(stores)}"
            elif pin.store not in stores:
                yield f"pin {pin}: no memory {pin.store!r} on chip{meant(pin.store, stores)}"
        for passing in self.pins.passing:
            if passing.store in stores:
                yield from passing_problems(stores[passing.store], passing.operand, passes=passing.passes)
        yield from self.unknown_sides()

    def unknown_sides(self) -> Iterator[str]:
        """Sides that the array does not have, and dimensions that they do not unroll."""
        sides = {side.name: side for side in self.hierarchy.sides}
        for pin in self.pins.sides:
            if pin.side not in sides:
                close = meant(pin.side, sides)
                yield f"pin {pin}: no side {pin.side!r} of the array{close}; of a memory, pin such as {pin.side}.k"
                continue
            side = sides[pin.side]
            most = max((many for _, many in pin.dims), default=0)
            if most > side.size:
                yield f"pin {pin}: {most} elements along {side.name}, which has {side.size}"
            strange = [dim for dim, _ in pin.dims if dim not in side.dims]
            if strange:
                yield f"pin {pin}: {', '.join(strange)} along {side.name}, which unrolls {', '.join(side.dims)} only"

    def contradictions(self) -> Iterator[str]:
        """Pins that say two things of one."""
        pairs = combinations(self.pins.all, 2)
        yield from (f"pins {one} and {other}: {why}" for one, other in pairs if (why := one.against(other)))
        for pin in self.pins.stationary:
            store = next(store for store in self.hierarchy.on_chip if store.name == pin.store)
            if store.stationary not in ("", pin.operand):
                yield f"pin {pin}: the profile says that {store.stationary} is stationary in {store.name}"
        passing = [self.passed(store) for store in self.hierarchy.on_chip]
        for operand in OPERANDS:
            if not feeds(self.hierarchy, tuple(passing), operand):
                pinned = [str(pin) for pin in self.pins.passing if pin.passes and pin.operand == operand]
                if pinned:
                    yield f"{named(pinned)}: {operand} would pass by the memory that feeds the multipliers with it"

    def passed(self, store: Store) -> frozenset[str]:
        """Operands that pass a store by whatever the mapping."""
        if store.per_element:
            return frozenset()
        pinned = {pin.operand for pin in self.pins.passing if pin.store == store.name and pin.passes}
        return (frozenset(OPERANDS) - frozenset(store.holds)) | pinned


def passing_problems(store: Store, operand: str, *, passes: bool) -> Iterator[str]:
    """Operands pinned to pass by that may not, or to be held where they are not."""
    allowed = ", ".join(store.optional) or "none"
    if passes and operand in store.holds and (operand not in store.optional or store.per_element):
        yield f"pin {store.name}.bypass={operand}: {operand} may not pass by; the profile allows {allowed}"
    if not passes and operand not in store.holds:
        yield f"pin {store.name}.hold={operand}: {store.name} holds {', '.join(store.holds)} only"


@dataclass(frozen=True)
class Sized:
    """Pins against the sizes of one layer."""

    pinned: Pinned

    def nesting(self) -> Iterator[str]:
        """Tiles that are no whole number of those inside, more elements than a side has, groups that differ."""
        for number, side in enumerate(self.pinned.hierarchy.sides):
            along = {dim: many for dim, (at, many) in self.pinned.spread.items() if at == number}
            if prod(along.values()) > side.size:
                pin = next(pin for pin in self.pinned.pins.sides if pin.side == side.name)
                yield f"pin {pin}: {prod(along.values())} elements along {side.name}, which has {side.size}"
        for dim in DIMS:
            yield from self.chain(dim)

    def chain(self, dim: str) -> Iterator[str]:
        """Pinned tiles along one dimension that do not nest, from the outside in."""
        whole = self.pinned.extents[dim]
        sizes = [(f"{pin.store}.{dim}={pin.size}", min(pin.size, whole)) for pin in self.ordered(dim)]
        own, many = self.pinned.own(dim), self.pinned.spread.get(dim, (0, 1))[1]
        if own and sizes:
            sizes.pop()
        if own or many > 1:
            sizes.append((self.array_words(dim, own, many), min(max(own, 1) * many, whole)))
        for (outer, large), (inner, small) in pairwise(sizes):
            if small > large or (large % small and large != whole):
                yield f"pins {outer} and {inner}: a tile of {large} is no whole number of {small}, nor the extent {whole}"
        if dim == "g":
            yield from self.groups(sizes if many > 1 or not own else sizes[:-1])  # how many are unrolled may be open

    def groups(self, sizes: list[tuple[str, int]]) -> Iterator[str]:
        """Groups lie in tiles as the array unrolls them."""
        if len({size for _, size in sizes}) > 1:
            words = " and ".join(word for word, _ in sizes)
            yield f"pins {words}: a tile has as many groups as the array unrolls"
        if self.pinned.own("g") > 1:
            yield "pins of g: an element takes one group at a time"

    def array_words(self, dim: str, own: int, many: int) -> str:
        """Pins of the array's tile along a dimension."""
        words = [f"{self.pinned.hierarchy.stores[-1].name}.{dim}={own}"] if own else []
        if many > 1:
            side = self.pinned.hierarchy.sides[self.pinned.spread[dim][0]].name
            words.append(f"{side}={dim}:{many}")
        return " with ".join(words)

    def ordered(self, dim: str) -> list[TilePin]:
        """Pins of tiles along a dimension, the outermost store first."""
        found = [pin for pin in self.pinned.pins.tiles if pin.dim == dim]
        return sorted(found, key=lambda pin: self.pinned.numbers[pin.store])

    def rooms(self) -> Iterator[str]:
        """Stores that have no room for the least tile that pins leave them."""
        pinned, layer = self.pinned, self.pinned.layer
        tiles = tuple(self.least(number) for number in range(1, len(pinned.hierarchy.stores)))
        count = Counter(layer, pinned.hierarchy, LoopNest(tiles, ("",) * len(tiles)))
        for number, store in enumerate(pinned.hierarchy.on_chip, 1):
            split = any(pinned.cap(number, dim) < pinned.extents[dim] for dim in "crs")
            psum = layer.psum_bits if split else min(layer.psum_bits, layer.ofmap_bits)
            widths = {"weight": layer.weight_bits, "ifmap": layer.ifmap_bits, "ofmap": psum}
            values = count.tile_elems(number)
            yield from self.room(number, store, {op: values[op] * widths[op] for op in OPERANDS}, values)

    def least(self, number: int) -> dict[str, int]:
        """The least tile of a store; in elements, that of one."""
        inside = self.pinned.hierarchy.stores[number].per_element
        if self.pinned.whole(number) and not inside:
            return self.pinned.extents
        return {dim: max(self.pinned.own(dim), 1) if inside else self.pinned.floor(number, dim) for dim in DIMS}

    def room(self, number: int, store: Store, bits: dict[str, int], values: dict[str, int]) -> Iterator[str]:
        """Operands that do not fit into one store."""
        words = self.least_words(number, store)
        held = {pin.operand for pin in self.pinned.pins.passing if pin.store == store.name and not pin.passes}
        kept = [op for op in store.holds if op not in store.optional or op in held]
        if not words:
            return
        for operand in kept:
            if operand in store.part_bits and bits[operand] > store.part_bits[operand]:
                yield f"{words}: {operand} takes {bits[operand] / 8:,g} B of its part of {store.part_bits[operand] / 8:,g} B"
        if store.per_element:
            yield from (
                f"{words}: an element takes {values[op]} values of {op} at a time and has a register of one"
                for op in OPERANDS
                if op not in store.holds and values[op] > 1
            )
        together = {op: bits[op] for op in kept if op not in store.part_bits}
        if store.capacity_bits is not None and sum(together.values()) > store.capacity_bits:
            sizes = ", ".join(f"{operand} {size / 8:,g} B" for operand, size in together.items())
            yield f"{words}: {sizes} do not fit into {store.capacity_bits / 8:,g} B"

    def least_words(self, number: int, store: Store) -> str:
        """Why the least tile of a store is what it is; empty where nothing is pinned of it."""
        if self.pinned.whole(number) and not store.per_element:
            return f"{self.stays(number)}, so that {store.name} would have to hold the whole layer"
        pins = [str(pin) for pin in self.pinned.pins.tiles if self.pinned.numbers[pin.store] >= number]
        pins += [str(pin) for pin in self.pinned.pins.sides if pin.dims and not store.per_element]
        return f"{named(pins)}: no tile of {store.name} that they allow fits" if pins else ""

    def stays(self, block: int) -> str:
        """What is to stay in place around a store, and that no loop of its block leaves it there."""
        store, operand = self.pinned.hierarchy.stores[block], OPERANDS[self.pinned.keep(block)]
        free = " ".join(dim for dim in DIMS if dim not in RELEVANT[operand])
        others = " ".join(str(pin) for pin in self.pinned.pins.tiles if pin.dim in self.looped(block) or pin.dim in free)
        own = said(store) if store.stationary else f"pin {store.name}.{STATIONARY}={operand}"
        return f"{own}{' with ' if others else ''}{others}: no loop of {free} steps through tiles of {store.name}"

    def stationary(self) -> Iterator[str]:
        """Blocks that cannot leave in place what is to stay, and cannot be without loops."""
        pinned = self.pinned
        for block in range(1, len(pinned.hierarchy.stores)):
            keep = pinned.keep(block)
            if keep < 0 or pinned.spares(block, OPERANDS[keep]) or not self.looped(block):
                continue
            yield f"{self.stays(block)}, and {' '.join(self.looped(block))} does"

    def looped(self, block: int) -> list[str]:
        """Dimensions along which a block has a loop whatever the mapping."""
        pinned = self.pinned
        return [dim for dim in DIMS if self.certain(block - 1, dim) > pinned.cap(block, dim)]

    def certain(self, number: int, dim: str) -> int:
        """The least a tile is for sure, that of the whole layer included."""
        return self.pinned.floor(number, dim) if number else self.pinned.extents[dim]
