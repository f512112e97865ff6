"""Pins of one layer on one hierarchy, in the numbers of the search: what is left to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.mapping.levels.forms import bypasses, ties_of
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.loopnest import extents
from costmodel.mapping.levels.pins import FREE
from costmodel.mapping.mapping import DIMS
from costmodel.mapping.nest import RELEVANT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from costmodel.mapping.levels.forms import Passing
    from costmodel.mapping.levels.hierarchy import Hierarchy
    from costmodel.mapping.levels.pins import Pins
    from costmodel.mapping.nest import Layer

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record

ALL = 2
"""A tie of everything: a block without loops."""


@dataclass(frozen=True)
class Pinned:
    """What pins leave of the mapspace of a layer; they are known to be of this hierarchy and not to contradict one another."""

    layer: Layer
    hierarchy: Hierarchy
    pins: Pins

    @property
    def free(self) -> bool:
        """Whether nothing is pinned, and nothing has to stay in place."""
        return self.pins == FREE and not any(store.stationary for store in self.hierarchy.stores)

    @cached_property
    def extents(self) -> dict[str, int]:
        """Extent of every loop."""
        return extents(self.layer)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Number of every store by its name."""
        return {store.name: number for number, store in enumerate(self.hierarchy.stores)}

    @cached_property
    def sizes(self) -> dict[tuple[int, str], int]:
        """Pinned tiles by store and dimension, no larger than the layer."""
        return {(self.numbers[pin.store], pin.dim): min(pin.size, self.extents[pin.dim]) for pin in self.pins.tiles}

    @property
    def shared(self) -> int:
        """Number of the last store that is not in the elements of the array."""
        return len(self.hierarchy.on_chip) - self.hierarchy.in_elements

    def own(self, dim: str) -> int:
        """Pinned tile of an element; 0: free."""
        return self.sizes.get((len(self.hierarchy.on_chip), dim), 0) if self.hierarchy.in_elements else 0

    @cached_property
    def spread(self) -> dict[str, tuple[int, int]]:
        """Side and elements of every dimension that is pinned to several, no more than its extent."""
        sides = {side.name: number for number, side in enumerate(self.hierarchy.sides)}
        return {
            dim: (sides[pin.side], min(many, self.extents[dim]))
            for pin in self.pins.sides
            for dim, many in pin.dims
            if min(many, self.extents[dim]) > 1
        }

    def sides(self, dim: str) -> list[int]:
        """Sides of the array along which a dimension may be unrolled."""
        if dim in self.spread:
            return [self.spread[dim][0]]
        pinned = {pin.side: pin for pin in self.pins.sides}
        found = []
        for number, side in enumerate(self.hierarchy.sides):
            pin = pinned.get(side.name)
            listed = pin is None or dict(pin.dims).get(dim, -1 if not pin.more else 0) == 0
            if dim in side.dims and listed:
                found.append(number)
        return found

    def keep(self, store: int) -> int:
        """Operand that stays in place in the block of a store, as the profile or a pin says; -1: any."""
        name = self.hierarchy.stores[store].name
        said = [pin.operand for pin in self.pins.stationary if pin.store == name]
        operand = self.hierarchy.stores[store].stationary or next(iter(said), "")
        return OPERANDS.index(operand) if operand else -1

    # ---- tiles

    def outer(self, store: int, dim: str) -> int:
        """Size of the nearest pinned tile outside a store that its own has to divide; 0 where any tile will do."""
        for at in range(store - 1, 0, -1):
            size = self.sizes.get((at, dim), 0)
            if size:
                return size if size < self.extents[dim] else 0
        return 0

    def cap(self, store: int, dim: str) -> int:
        """The most a tile can be: that of the array for a store in its elements, for one beyond the last, and along groups."""
        most = self.outer(store, dim) or self.extents[dim]
        if store <= self.shared and (store == 0 or dim != "g" or (store, dim) in self.sizes):
            return self.sizes.get((store, dim), 0) or most
        own = self.own(dim) if self.hierarchy.in_elements and dim != "g" else 1
        many = [self.spread[dim][1]] if dim in self.spread else [self.hierarchy.sides[at].size for at in self.sides(dim)]
        return min(own * max(many, default=1), most) if own else most

    def floor(self, store: int, dim: str) -> int:
        """The least a tile can be: that of the array for a store in its elements, and for one beyond the last."""
        for at in range(store, self.shared + 1):
            if (at, dim) in self.sizes:
                return self.sizes[at, dim]
        many = self.spread[dim][1] if dim in self.spread else 1
        return min(max(self.own(dim), 1) * many, self.extents[dim])

    def spares(self, block: int, operand: str) -> bool:
        """Whether a block can have a loop of more than one trip that an operand does not depend on."""
        free = [dim for dim in DIMS if dim not in RELEVANT[operand]]
        return any(self.cap(block - 1, dim) > self.floor(block, dim) for dim in free)

    def whole(self, block: int) -> bool:
        """Whether the first block can have no loop, since none of those it could have leaves in place what is to stay."""
        keep = self.keep(block)
        return block == 1 and keep >= 0 and not self.spares(block, OPERANDS[keep])

    def write(self, w: Work) -> None:
        """Write into the record of the search what is pinned of the tiles that it decides outside the array."""
        w["pin"], w["within"], w["floor"], w["cap"], w["keep"] = 0, 0, 1, w["extent"], -1
        if self.free:
            return
        for store in range(1, len(self.hierarchy.stores)):
            w["keep"][store] = self.keep(store)
        for store in range(1, self.shared + 1):
            for at, dim in enumerate(DIMS):
                pin = self.extents[dim] if self.whole(store) else self.sizes.get((store, dim), 0)
                w["pin"][store, at] = pin
                w["within"][store, at] = 0 if pin else self.outer(store, dim)
                w["floor"][store, at] = pin or self.floor(store, dim)
                w["cap"][store, at] = pin or self.cap(store, dim)

    # ---- the array

    def rows(self, dim: str, most: int, table: Floats) -> Ints:
        """Candidates of the innermost tile along a dimension, in the columns of :func:`candidates.along`.

        Where a store outside has its tile pinned, every size that divides it is one; else those that can be best.
        """
        from costmodel.mapping.levels.candidates import along

        total, own = self.extents[dim], self.own(dim)
        along_sides = [(at, self.hierarchy.sides[at].size) for at in self.sides(dim)]
        divided = self.array_within(dim)
        if own > most:
            return np.zeros((0, 7), dtype=np.int64)
        if divided:
            found = np.array([self.row(dim, *one) for one in self.parts(dim, divided, most)], dtype=np.int64).reshape(-1, 7)
        else:
            sides = np.array(along_sides, dtype=np.int64).reshape(-1, 2)
            found = along(total, most, sides, dim in "pqrs", dim in "rs", table, own, dim in self.spread)
        if dim in self.spread:
            side, many = self.spread[dim]
            found = found[(found[:, 1] == side) & (found[:, 2] == many)]
        if self.shared == 0 and self.whole(1):
            found = found[found[:, 3] == total]
        return found if dim != "g" or not divided else found[found[:, 3] == divided]

    def array_within(self, dim: str) -> int:
        """Size that the array's tile has to divide, or to be along groups; 0: any."""
        beyond = self.shared + 1
        pinned = [self.sizes[at, dim] for at in range(1, beyond) if (at, dim) in self.sizes]
        if dim == "g":
            return self.extents[dim] if self.whole(1) else next(iter(pinned), 0)
        return self.outer(beyond, dim)

    def parts(self, dim: str, size: int, most: int) -> Iterator[tuple[int, int, int]]:
        """Tile of an element, side and elements whose product divides a size."""
        own = self.own(dim)
        choices = [(-1, 1)] + [(at, many) for at in self.sides(dim) for many in range(2, self.hierarchy.sides[at].size + 1)]
        for side, many in choices:
            if size % many == 0:
                each = [own] if own else range(1, min(most, size // many) + 1)
                yield from ((tile, side, many) for tile in each if size % (tile * many) == 0)

    def row(self, dim: str, tile: int, side: int, many: int) -> tuple[int, ...]:
        """One candidate."""
        from costmodel.mapping.levels.candidates import steps_along

        total = self.extents[dim]
        copies = -(-total // tile)
        return tile, side, many, min(tile * many, total), copies, -(-copies // many), int(steps_along(total, tile, many))

    # ---- plans

    def passings(self) -> Iterator[Passing]:
        """Every choice of what passes by that is not pinned otherwise."""
        for passing in bypasses(self.hierarchy):
            if all(self.agrees(passing, pin.store, pin.operand, pin.passes) for pin in self.pins.passing):
                yield passing

    def agrees(self, passing: Passing, store: str, operand: str, passes: bool) -> bool:
        """Whether a choice has an operand pass a store by, or held in it; an element never holds what the profile says."""
        number = self.numbers[store]
        if self.hierarchy.stores[number].per_element:
            return (operand not in self.hierarchy.stores[number].holds) == passes
        return (operand in passing[number - 1]) == passes

    def forms(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Forms of the blocks, as :func:`forms.forms` has them; where an operand is to stay, its own, and no loops at all."""
        stores = len(self.hierarchy.on_chip)
        for stays in product(range(3), repeat=stores):
            ties = [self.ties(block, stays) for block in range(1, stores + 1)]
            yield from ((stays, tied) for tied in product(*ties))

    def ties(self, block: int, stays: tuple[int, ...]) -> Sequence[int]:
        """Ties of a block to the one outside; none where its form is not to be."""
        stay, keep = stays[block - 1], self.keep(block)
        if block == 1:
            return (0,) if keep in (-1, stay) else ()
        outer = stays[block - 2]
        if keep == -1:
            return ties_of(outer, stay)
        own = ties_of(outer, stay) if stay == keep and self.spares(block, OPERANDS[keep]) else ()
        return (*own, ALL) if stay == outer and ALL not in own else own
