"""The mapping of a layer through all memories, as a result: priced, read by people, written as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from costmodel.mapping.levels.loopnest import array_tile, chain, extents
from costmodel.mapping.levels.pins import FREE
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.mapping.levels.pins import Pins
    from costmodel.mapping.levels.price import Priced


@dataclass(frozen=True)
class Loop:
    """One loop of a nest: the dimension, how many tiles it steps through, and their size."""

    dim: str
    trips: int
    step: int


@dataclass(frozen=True)
class Spread:
    """A dimension that is unrolled: over how many elements of which side, and how much of it each has at a time."""

    dim: str
    side: str
    elements: int
    each: int


@dataclass(frozen=True, repr=False)
class MappedNest:
    """The mapping of one layer through all memories and over the array.

    Attributes
    ----------
    objective
        What it minimises: ``energy``, ``latency``, ``edp`` or ``dram_bytes``.
    priced
        The loop nest with its counts.
    value, lower
        What the objective comes to, and what no mapping undercuts: pJ, s, pJ s or bytes.
    optimal
        Whether it is proved that no mapping is better.
    steps
        How often the nest is executed, as in the time steps of a recurrent layer.
    pins
        What was fixed before the rest was searched for.
    """

    objective: str
    priced: Priced
    value: float
    lower: float
    optimal: bool
    steps: int = 1
    pins: Pins = FREE

    @property
    def gap_ratio(self) -> float:
        """Part of the value by which it may exceed the optimum; 0 where it is proved optimal."""
        return 0.0 if self.optimal or not self.value else max(1 - self.lower / self.value, 0.0)

    @property
    def cycles(self) -> int:
        """Steps of the array in one execution."""
        return self.priced.cycles

    @cached_property
    def utilisation_ratio(self) -> float:
        """MACs over what the array has time for in its steps."""
        sizes = extents(self.priced.layer)
        macs = prod(sizes.values())
        slots = self.cycles * self.priced.hierarchy.elements
        return macs / slots if slots else 1.0

    @cached_property
    def blocks(self) -> tuple[tuple[Loop, ...], ...]:
        """Per store on chip, the loops of more than one trip that step through its tiles, outermost first."""
        tiles = chain(self.priced.layer, self.priced.hierarchy, self.priced.nest)
        return tuple(
            tuple(
                Loop(dim, -(-outer[dim] // inner[dim]), inner[dim])
                for dim in order
                if inner[dim] < outer[dim]
            )
            for order, outer, inner in zip(self.priced.nest.orders, tiles, tiles[1:], strict=False)
        )

    @cached_property
    def within(self) -> tuple[Loop, ...]:
        """Loops within an innermost tile, which the multipliers step through; their order is of no account."""
        tile = self.innermost
        return tuple(Loop(dim, size, 1) for dim, size in tile.items() if size > 1)

    @property
    def innermost(self) -> dict[str, int]:
        """How much of each dimension an element works through, one value after the other."""
        nest, hierarchy = self.priced.nest, self.priced.hierarchy
        if hierarchy.in_elements:
            return dict(nest.tiles[-1])
        array = array_tile(self.priced.layer, hierarchy, nest)
        return {dim: -(-nest.tiles[-1][dim] // array[dim]) for dim in DIMS}

    @cached_property
    def spread(self) -> tuple[Spread, ...]:
        """Dimensions that are unrolled over more than one element, by side."""
        nest, hierarchy = self.priced.nest, self.priced.hierarchy
        own = nest.tiles[-1] if hierarchy.in_elements else dict.fromkeys(DIMS, 1)
        return tuple(
            Spread(dim, hierarchy.sides[side].name, elements, own[dim])
            for dim, (side, elements) in sorted(nest.unroll.items(), key=lambda item: (item[1][0], DIMS.index(item[0])))
            if elements > 1
        )

    def __str__(self) -> str:
        from costmodel.mapping.levels.text import nest_text

        return nest_text(self)

    @property
    def summary(self) -> str:
        """The mapping on one line: the loops of every store, then what is unrolled, from the outside in."""
        from costmodel.mapping.levels.text import one_line

        return one_line(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping as plain data for JSON."""
        layer, hierarchy = self.priced.layer, self.priced.hierarchy
        return {
            "objective": self.objective,
            "value": self.value,
            "lower": self.lower,
            "optimal": self.optimal,
            "steps": self.steps,
            "extents": extents(layer),
            "levels": [
                self.level_dict(number, self.priced.used_bits[number]) for number in range(len(hierarchy.on_chip))
            ],
            "unroll": {one.dim: {"side": one.side, "elements": one.elements} for one in self.spread},
            "cycles": self.cycles,
            "utilisation_ratio": self.utilisation_ratio,
            **({"pins": list(self.pins.words)} if self.pins else {}),
        }

    def level_dict(self, number: int, used: Mapping[str, int]) -> dict[str, Any]:
        """What one store on chip holds, and the loops that step through its tiles."""
        store, nest = self.priced.hierarchy.on_chip[number], self.priced.nest
        return {
            "name": store.name,
            "tile": {dim: int(nest.tiles[number][dim]) for dim in DIMS},
            "order": [loop.dim for loop in self.blocks[number]],
            "trips": {loop.dim: loop.trips for loop in self.blocks[number]},
            "bypass": sorted(nest.passes_by(number)),
            "used_bytes": {operand: -(-bits // 8) for operand, bits in used.items() if operand in store.holds},
        }
