"""Plans of a hierarchy: what passes by, which operand stays in place in each block, and what each sweep then costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import compress, pairwise, product
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from costmodel.mapping.levels.hierarchy import OPERANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from costmodel.mapping.levels.hierarchy import Hierarchy
    from costmodel.mapping.nest import Layer

    Floats = NDArray[np.float64]

Passing = tuple[frozenset[str], ...]


def bypasses(hierarchy: Hierarchy) -> Iterator[Passing]:
    """Every choice of operands that pass by the stores on chip; each keeps a store that feeds the multipliers."""
    choices = []
    for store in hierarchy.on_chip:
        never = frozenset(OPERANDS) - frozenset(store.holds)
        optional = [] if store.per_element else [operand for operand in store.optional if operand in store.holds]
        chosen = [frozenset(compress(optional, flags)) for flags in product((0, 1), repeat=len(optional))]
        choices.append([frozenset() if store.per_element else never | out for out in chosen])
    for passing in product(*choices):
        if all(feeds(hierarchy, passing, operand) for operand in OPERANDS):
            yield passing


def feeds(hierarchy: Hierarchy, passing: Passing, operand: str) -> bool:
    """Whether an operand is in the innermost store that can hold it: elements have at least a register."""
    if hierarchy.in_elements:
        return True
    homes = [at for at, store in enumerate(hierarchy.on_chip) if operand in store.holds]
    return bool(homes) and operand not in passing[homes[-1]]


@dataclass(frozen=True)
class Charges:
    """What one sweep costs at a boundary, by resource: once for all elements (``shared``), for each (``own``), always."""

    shared: Floats
    own: Floats
    always: Floats


@dataclass(frozen=True)
class Resources:
    """What bounds count: energy, times of ports that can limit, and bits of the backing store where these are minimised."""

    hierarchy: Hierarchy
    dram: bool

    @cached_property
    def ports(self) -> list[int]:
        """Stores whose port can limit."""
        return [at for at, store in enumerate(self.hierarchy.stores[:-1]) if store.bits_per_s < inf]

    @property
    def many(self) -> int:
        """Number of resources."""
        return 1 + len(self.ports) + self.dram

    def row(self, energy: float, outer: int, bits: float) -> Floats:
        """Energy, and bits that a store exchanges with those further in."""
        found = np.zeros(self.many)
        found[0] = energy
        for at, store in enumerate(self.ports):
            if store == outer:
                found[1 + at] = bits / self.hierarchy.stores[store].bits_per_s
        if self.dram and outer == 0:
            found[-1] = bits
        return found

    def charges(self, layer: Layer, operand: str, outer: int, inner: int) -> Charges:
        """What a sweep over an operand costs between two stores; of the ifmap, per position along both axes."""
        out, own = self.hierarchy.stores[outer], self.hierarchy.stores[inner]
        inside = 1.0 if operand in own.holds else 0.0  # a register's energy is part of the MAC's
        read, write = own.read_pj[operand] * inside, own.write_pj[operand] * inside
        if operand != "ofmap":
            elems = layer.weight_elems if operand == "weight" else layer.n * layer.g * layer.c
            bits = float(elems * getattr(layer, f"{operand}_bits"))
            shared, each = self.row(bits * out.read_pj[operand], outer, bits), self.row(bits * write, -1, 0)
            return Charges(shared, each, self.row(0, -1, 0))
        wide, final = float(layer.ofmap_elems * layer.psum_bits), float(layer.ofmap_elems * layer.ofmap_bits)
        shared = self.row(wide * (out.read_pj[operand] + out.write_pj[operand] + write), outer, 2 * wide)
        each = self.row(wide * read, -1, 0)
        finished = self.row(final * (out.write_pj[operand] + read), outer, final)
        return Charges(shared, each, finished - shared - each)


@dataclass(frozen=True)
class Traffic:
    """Charges of every boundary under one choice of what passes by."""

    passing: Passing
    holds: NDArray[np.int64]
    shared: Floats
    own: Floats
    always: Floats


def traffic(layer: Layer, hierarchy: Hierarchy, passing: Passing, resources: Resources) -> Traffic:
    """Charges of every boundary, arrays (L + 1, 3, resources)."""
    stores = len(hierarchy.stores)
    holds = np.ones((stores, 3), dtype=np.int64)
    shared, own = np.zeros((2, stores, 3, resources.many))
    always = np.zeros(resources.many)
    for store in range(1, stores):
        for at, operand in enumerate(OPERANDS):
            holds[store, at] = operand not in passing[store - 1]
            if holds[store, at]:
                outer = max(level for level in range(store) if holds[level, at])
                found = resources.charges(layer, operand, outer, store)
                shared[store, at], own[store, at] = found.shared, found.own
                always += found.always
    return Traffic(passing, holds, shared, own, always)


def ties_of(outer: int, stay: int) -> tuple[int, ...]:
    """Ties that can cost less: of what stays in both blocks, of the ifmap for the overlap kept outside, of everything.

    Where the ifmap stays in both, everything tied costs what the ifmap tied costs with equal tiles.
    """
    if OPERANDS[stay] == "ifmap":
        return (0, 1)
    return (0, 1, 2) if stay == outer else (0,)


def forms(stores: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Operands in place in the blocks of stores 1 to L, and what is tied to the store outside: 0 nothing, 1 theirs, 2 all."""
    for stays in product(range(3), repeat=stores):
        ties = [(0,), *(ties_of(outer, stay) for outer, stay in pairwise(stays))]
        for tied in product(*ties):
            yield stays, tied
