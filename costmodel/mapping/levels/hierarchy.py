"""A memory hierarchy as the mapper sees it: stores from the backing one inwards, and an array of processing elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.mapping.nest import Layer

OPERANDS: Final = ("weight", "ifmap", "ofmap")


@dataclass(frozen=True)
class Store:
    """One memory, or, where ``per_element``, one memory in every processing element.

    Attributes
    ----------
    name
        Its name in the profile.
    capacity_bits
        Room for the operands that have no part of their own, after halving for double buffering; None is without bound.
        That of one element where ``per_element``.
    part_bits
        Room for an operand that has a part of its own.
    holds
        Operands it may hold. An operand that the elements do not hold passes through a register of one value in each.
    optional
        Operands of ``holds`` that may pass it by where that is cheaper: the mapper chooses.
    read_pj, write_pj
        Energy per bit read and written, by operand [pJ/bit].
    bits_per_s
        What it exchanges with the stores further in, both directions together; infinite where it never limits.
    stationary
        The operand that stays in place while the innermost loop around its tile runs; empty where mappings choose.
    """

    name: str
    capacity_bits: int | None
    read_pj: Mapping[str, float]
    write_pj: Mapping[str, float]
    part_bits: Mapping[str, int] = field(default_factory=dict)
    holds: tuple[str, ...] = OPERANDS
    optional: tuple[str, ...] = ()
    per_element: bool = False
    bits_per_s: float = inf
    stationary: str = ""


@dataclass(frozen=True)
class Side:
    """One side of the array: how many elements, and which loop dimensions may be unrolled along it.

    With ``multicast`` a value wanted by several elements along the side is read once, else once for each; with
    ``reduction`` their partial sums are added on the way out, else each leaves by itself.
    """

    name: str
    size: int
    dims: tuple[str, ...]
    multicast: bool = True
    reduction: bool = True


@dataclass(frozen=True)
class Hierarchy:
    """Stores from the backing store inwards, and the array below the last one that is not ``per_element``.

    Attributes
    ----------
    stores
        The backing store first, which holds everything; a store ``per_element`` is the last one.
    sides
        Sides of the array; empty where there is none.
    macs_per_s
        Rate with every element busy.
    overlap
        Whether transfers and arithmetic overlap (the slowest counts), or follow one another (their sum).
    static_w
        Power spent as long as the layer takes [W].
    """

    stores: tuple[Store, ...]
    sides: tuple[Side, ...] = ()
    macs_per_s: float = inf
    overlap: bool = True
    static_w: float = 0.0

    @property
    def on_chip(self) -> tuple[Store, ...]:
        """Stores that hold tiles."""
        return self.stores[1:]

    @property
    def elements(self) -> int:
        """Processing elements of the array."""
        return prod(side.size for side in self.sides)

    @property
    def in_elements(self) -> bool:
        """Whether the innermost store exists once per processing element."""
        return self.stores[-1].per_element


@dataclass(frozen=True)
class Fixed:
    """What no mapping of a layer changes, which energy and latency need nevertheless.

    Attributes
    ----------
    energy_pj
        Arithmetic and what the multipliers take from the innermost store [pJ].
    compute_s
        Time of operations that are no MACs [s].
    feed_s
        Time in which the innermost store feeds the multipliers [s].
    overhead_s
        Time spent on every layer [s].
    """

    energy_pj: float = 0.0
    compute_s: float = 0.0
    feed_s: float = 0.0
    overhead_s: float = 0.0


def crowded(layer: Layer, hierarchy: Hierarchy) -> bool:
    """Whether a store has no room for one value of each operand that it has to hold, whatever the tiles of the others."""
    bits = dict(zip(OPERANDS, (layer.weight_bits, layer.ifmap_bits, min(layer.ofmap_bits, layer.psum_bits)), strict=True))
    for store in hierarchy.on_chip:
        needed = {operand: bits[operand] for operand in store.holds if operand not in store.optional}
        shared = sum(many for operand, many in needed.items() if operand not in store.part_bits)
        if store.capacity_bits is not None and shared > store.capacity_bits:
            return True
        if any(many > store.part_bits[operand] for operand, many in needed.items() if operand in store.part_bits):
            return True
    return False
