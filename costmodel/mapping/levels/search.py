"""The exact search for the best mapping of a layer through a whole hierarchy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from costmodel.errors import MappingError
from costmodel.mapping.levels.arrays import SIDE, TILE, UNROLLED
from costmodel.mapping.levels.hierarchy import Fixed, Hierarchy, crowded
from costmodel.mapping.levels.homes import nothing, refuse_homeless
from costmodel.mapping.levels.loopnest import LoopNest, extents
from costmodel.mapping.levels.pin_problems import refuse_pins
from costmodel.mapping.levels.pins import FREE, Pins
from costmodel.mapping.levels.price import PLAIN, Priced, priced, value_of
from costmodel.mapping.levels.setup import OBJECTIVES, Arrays, Setup
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from costmodel.mapping.nest import Layer

    Ints = NDArray[np.int64]

ROUNDS: Final = (1 << 7, 1 << 10, 1 << 14, 1 << 62)
"""Steps that each plan is searched for, in rounds: soon something near the best is found, which spares most of the rest."""
BUDGET: Final = 1 << 17
"""Steps of the search between two looks at the clock."""


@dataclass(frozen=True)
class Found:
    """The mapping found for one layer.

    Attributes
    ----------
    nest
        The mapping.
    value
        What was minimised: energy [pJ], latency [s], their product [pJ s] or bytes exchanged with the backing store.
    lower
        What no mapping undercuts; the value itself where ``optimal``.
    optimal
        Whether the search was completed.
    """

    layer: Layer
    hierarchy: Hierarchy
    fixed: Fixed
    nest: LoopNest
    value: float
    lower: float
    optimal: bool

    @cached_property
    def priced(self) -> Priced:
        """What the mapping moves and costs."""
        return priced(self.layer, self.hierarchy, self.nest, self.fixed)


def search(
    layers: Sequence[Layer],
    hierarchy: Hierarchy,
    objective: str = "energy",
    fixed: Sequence[Fixed] | Fixed = PLAIN,
    time_limit_s: float | None = None,
    pins: Pins = FREE,
) -> list[Found]:
    """Find the best mapping of each layer; equal layers are searched once.

    Parameters
    ----------
    layers
        The layers.
    hierarchy
        The stores and the array.
    objective
        One of ``OBJECTIVES``. Among equals of latency, product or DRAM bytes, the least energy is taken; among equals of
        energy, where the array's elements have no store, the least latency; else the first in the order of the search.
    fixed
        What no mapping changes, of every layer or of all.
    time_limit_s
        Seconds after which a layer's best mapping so far is taken; None: no limit.
    pins
        What is fixed of the mapping; the best of those that satisfy them is found.

    Returns
    -------
    list of Found
        One per layer.

    Raises
    ------
    MappingError
        No tile of a layer fits into a store, or no store holds an operand.
    PinError
        Pins contradict one another, or no mapping satisfies them.
    """
    if objective not in OBJECTIVES:
        raise MappingError(f"objective {objective!r} is unknown; choose one of {', '.join(OBJECTIVES)}")
    each = [fixed] * len(layers) if isinstance(fixed, Fixed) else list(fixed)
    refuse_homeless(hierarchy)
    known: dict[tuple[Layer, Fixed], Found] = {}
    for layer, constant in zip(layers, each, strict=True):
        if (layer, constant) not in known:
            refuse_pins(layer, hierarchy, pins)
            known[layer, constant] = Search(Setup(layer, hierarchy, objective, constant, pins)).run(time_limit_s)
    return [known[key] for key in zip(layers, each, strict=True)]


@dataclass(frozen=True)
class Search:
    """The search for one layer."""

    setup: Setup

    def run(self, time_limit_s: float | None) -> Found:
        """Search for the best, then among its equals."""
        until = perf_counter() + (inf if time_limit_s is None else time_limit_s)
        setup = self.setup
        if crowded(setup.layer, setup.hierarchy):  # else every innermost tile is tried in vain, which can take a minute
            raise nothing(setup.layer, setup.hierarchy, setup.pins)
        w = setup.arrays.works[0]
        proved = False
        for second in (0, 1) if setup.breaks_ties else (0,):
            w["second"] = second
            done = self.finished(until)
            if w["best"][0] == inf:
                raise nothing(setup.layer, setup.hierarchy, setup.pins)
            proved = proved or done
            if not done:
                break
        counted = 8 if setup.objective == "dram_bytes" else 1  # the search counts bits of the backing store
        return self.found(float(setup.prepared.bound[:, 0].min()) / counted, proved)

    def finished(self, until: float) -> bool:
        """Search all plans, each for more steps from round to round; whether all were finished in time."""
        from costmodel.mapping.levels import rounds

        setup, steps, anew = self.setup, np.array(ROUNDS), True
        while not rounds.advance(*setup.arrays, setup.plans, setup.prepared, steps, BUDGET, anew):
            if perf_counter() > until and setup.arrays.works[0]["best"][0] < inf:
                return False
            anew = False
        return True

    def moving(self, tiles: tuple[dict[str, int], ...], unroll: dict[str, tuple[int, int]]) -> list[set[str]]:
        """Loops of more than one trip of every block."""
        found, outer = [], extents(self.setup.layer)
        for store, tile in zip(self.setup.hierarchy.on_chip, tiles, strict=True):
            own = {dim: size * (unroll.get(dim, (0, 1))[1] if store.per_element else 1) for dim, size in tile.items()}
            found.append({dim for dim in DIMS if own[dim] < outer[dim]})
            outer = own
        return found

    def found(self, lower: float, proved: bool) -> Found:
        """Describe the best mapping, the loops of every block in their best order."""
        setup, number = self.setup, int(self.setup.arrays.works[0]["best_plan"])
        tiles, unroll = tiles_of(setup.arrays, setup.hierarchy)
        stays, passing = setup.plans.stays[number].tolist(), setup.passings[setup.plans.passing[number]]
        choices = [orders(stay, moving) for stay, moving in zip(stays, self.moving(tiles, unroll), strict=True)]
        if setup.layer.r * setup.layer.s == 1:  # windows of neighbours share nothing that an order could keep
            choices = [choice[:1] for choice in choices]
        best = self.worth(LoopNest(tiles, tuple(choice[0] for choice in choices), unroll, passing))
        for at, choice in enumerate(choices):
            for order in choice[1:]:
                nest = best.price.nest
                other = self.worth(replace(nest, orders=(*nest.orders[:at], order, *nest.orders[at + 1 :])))
                if (other.value, other.second) < (best.value, best.second):
                    best = other
        value, nest = best.value, best.price.nest
        lower = value if proved else min(lower, value)
        found = Found(setup.layer, setup.hierarchy, setup.fixed, nest, value, lower, proved)
        found.__dict__["priced"] = best.price  # what its property would find again
        return found

    def worth(self, nest: LoopNest) -> Worth:
        """What a mapping is measured by, and what decides among equals."""
        setup = self.setup
        price = priced(setup.layer, setup.hierarchy, nest, setup.fixed)
        second = price.latency_s if setup.objective == "energy" else price.energy_pj
        return Worth(value_of(price, setup.objective), second, price)


class Worth(NamedTuple):
    """A mapping's price, what it is measured by, and what decides among equals."""

    value: float
    second: float
    price: Priced


def orders(stay: int, moving: Collection[str] = DIMS) -> list[str]:
    """Orders of a block whose innermost loops leave an operand in place, by the loop that is walked just outside those.

    That is one of those in ``moving``; one order where none of them moves.
    """
    walked = {0: "pq", 1: "pqrs", 2: "rs"}[stay]
    inside = {0: "npq", 1: "k", 2: "crs"}[stay]
    outside = [dim for dim in "gnkcpqrs" if dim not in inside]
    found = []
    for loop in [dim for dim in walked if dim in moving] or walked[0]:
        if stay == 1:
            found.append("".join([dim for dim in outside if dim != loop] + [loop, "k"]))
        else:
            found.append("".join(outside + [dim for dim in inside if dim != loop] + [loop]))
    return found


def tiles_of(
    arrays: Arrays, hierarchy: Hierarchy
) -> tuple[tuple[dict[str, int], ...], dict[str, tuple[int, int]]]:
    """Tiles of the stores on chip, and what is unrolled."""
    w = arrays.works[0]
    rows = arrays.rows[w["best_pick"]]
    levels = range(1, len(hierarchy.stores))
    tiles = [dict(zip(DIMS, map(int, w["best_tile"][level]), strict=True)) for level in levels]
    if hierarchy.in_elements:
        tiles[-1] = dict(zip(DIMS, map(int, rows[:, TILE]), strict=True))
    unroll = {dim: (int(row[SIDE]), int(row[UNROLLED])) for dim, row in zip(DIMS, rows, strict=True) if row[SIDE] >= 0}
    return tuple(tiles), unroll
