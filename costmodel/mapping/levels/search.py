"""The exact search for the best mapping of a layer through a whole hierarchy."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from costmodel.errors import MappingError, PinError
from costmodel.mapping.levels.arrays import (
    COPIES,
    LEVELS,
    RESOURCES,
    SIDE,
    SIDES,
    STEPS,
    TILE,
    TRIPS,
    UNROLLED,
    C,
    works,
)
from costmodel.mapping.levels.forms import Plan, Resources, plan, traffic
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy, crowded
from costmodel.mapping.levels.loopnest import LoopNest, extents
from costmodel.mapping.levels.pin_problems import impossible, refuse_pins
from costmodel.mapping.levels.pinned import Pinned
from costmodel.mapping.levels.pins import FREE, Pins
from costmodel.mapping.levels.price import PLAIN, Priced, priced, value_of
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from costmodel.mapping.levels.inner import Entries, Pairs
    from costmodel.mapping.levels.kernel import Form, Queue
    from costmodel.mapping.levels.least import Bounds, Known, Rungs
    from costmodel.mapping.nest import Layer

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster

OBJECTIVES: Final = ("energy", "latency", "edp", "dram_bytes")
UNBOUNDED: Final = 1e300
ROUNDS: Final = (1 << 7, 1 << 10, 1 << 14, 1 << 62)
"""Steps that each plan is searched for, in rounds: soon something near the best is found, which spares most of the rest."""
KEPT_BYTES: Final = 1 << 26
"""Tables kept from round to round."""
BUDGET: Final = 1 << 16
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
            known[layer, constant] = Search(layer, hierarchy, objective, constant, pins).run(time_limit_s)
    return [known[key] for key in zip(layers, each, strict=True)]


class Arrays(NamedTuple):
    """What the compiled search reads and writes."""

    works: Works
    spans: Floats
    rows: Ints
    wants: Floats


@dataclass(frozen=True)
class Bounded:
    """A plan and what no mapping of it undercuts."""

    first: float
    second: float
    plan: Plan


@dataclass(frozen=True)
class Best:
    """The best found so far."""

    first: float
    second: float
    plan: Plan
    tile: Ints
    pick: Ints


@dataclass(frozen=True)
class Least:
    """What levels of the plan in the record are charged at least; what plans have in common is found once."""

    hierarchy: Hierarchy
    works: Works
    spans: Floats
    rooms: dict[bytes, Floats] = field(default_factory=dict)
    tables: dict[object, Bounds] = field(default_factory=dict)

    @cached_property
    def rungs(self) -> tuple[Rungs, Floats, Ints]:
        """Rungs of the layer, the least positions of both axes by them, and where the sections of tables begin."""
        from costmodel.mapping.levels import least

        rungs = least.Rungs(*least.rungs_of(self.works[0]["extent"]))
        return rungs, least.axis_least(self.works, self.spans, rungs), least.sections(rungs.many)

    @cached_property
    def known(self) -> Known:
        """Room for what was looked at before."""
        from costmodel.mapping.levels import least

        levels, many = int(self.works[0]["inner"]) + 1, 64
        shapes = (levels,), (levels, many), (levels, many, 6, RESOURCES), (levels, many, RESOURCES)
        whole, real = np.zeros(shapes[0], dtype=np.int64), np.zeros(shapes[1], dtype=np.int64)
        return least.Known(whole, real, np.zeros(shapes[2]), np.zeros(shapes[3]))

    def kernels(self, holds: Ints) -> Floats:
        """Fewest trips of ``k`` that the room of each level leaves, given what it holds."""
        from costmodel.mapping.levels import least

        key = holds.tobytes()
        if key not in self.rooms:
            rungs, axes, _ = self.rungs
            w = self.works[0]
            many, inner = [int(rungs.many[dim]) for dim in least.WALKED], int(w["inner"])
            found = np.empty((inner + 1, *many, int(rungs.many[C])))
            w["holds"][: len(holds)] = holds
            for level in range(1, inner + 1 if inner == w["last"] else inner):
                elements = self.hierarchy.elements if level == inner else 1
                found[level] = least.fewest_trips(self.works, rungs, axes, level, elements)
            self.rooms[key] = found
        return self.rooms[key]

    def bounds(self, one: Plan) -> Bounds:
        """Write a plan into the record, and return the tables of its levels, those of a few plans kept."""
        from costmodel.mapping.levels import kernel

        form, key = form_of(one), (one.stays, one.tied, one.traffic.passing)
        if key in self.tables:
            kernel.take_form(self.works, form)
            return self.tables[key]
        rungs, axes, begin = self.rungs
        found = kernel.opened(self.works, form, rungs, axes, self.kernels(one.traffic.holds), begin)
        if (len(self.tables) + 1) * (found.own.nbytes + found.kernels.nbytes) < KEPT_BYTES:
            self.tables[key] = found
        return found


@dataclass(frozen=True)
class Search:
    """The search for one layer."""

    layer: Layer
    hierarchy: Hierarchy
    objective: str
    fixed: Fixed
    pins: Pins = FREE

    @cached_property
    def pinned(self) -> Pinned:
        """What pins leave to choose from."""
        return Pinned(self.layer, self.hierarchy, self.pins)

    @cached_property
    def resources(self) -> Resources:
        """What bounds count."""
        return Resources(self.hierarchy, dram=self.objective == "dram_bytes")

    @cached_property
    def arrays(self) -> Arrays:
        """The layer on the hierarchy as arrays, and what is minimised."""
        arrays = arrays_of(self.layer, self.hierarchy, self.pins)
        aim(arrays.works[0], self)
        return arrays

    @property
    def breaks_ties(self) -> bool:
        """Whether a second criterion is minimised too: energy, or latency where energy does not depend on the array."""
        if self.objective == "energy":
            return bool(self.hierarchy.sides) and not self.hierarchy.in_elements
        return True

    @property
    def counts_steps(self) -> bool:
        """Whether steps of the array matter."""
        return self.objective != "energy" or self.breaks_ties or self.hierarchy.static_w > 0

    @cached_property
    def least(self) -> Least:
        """What levels further out than what is decided are charged at least."""
        return Least(self.hierarchy, self.arrays.works, self.arrays.spans)

    def plans(self) -> list[Bounded]:
        """Every plan with the bound of its best mapping, the most promising first."""
        from costmodel.mapping.levels import kernel

        found = []
        works, known, (rungs, axes, _) = self.arrays.works, self.least.known, self.least.rungs
        works[0]["least_steps"] = self.fewest_steps() if self.counts_steps else 0.0
        for passing in self.pinned.passings():
            charged = traffic(self.layer, self.hierarchy, passing, self.resources)
            charged.always[0] += self.fixed.energy_pj
            kernels = self.least.kernels(charged.holds)
            known.many[:] = 0
            for stays, tied in self.pinned.forms():
                one = plan(self.hierarchy, charged, stays, tied)
                first, second = kernel.bounded(works, form_of(one), rungs, axes, kernels, known)
                if first < inf:
                    found.append(Bounded(first, second, one))
        return sorted(found, key=lambda entry: (entry.first, entry.second))

    @cached_property
    def entries(self) -> tuple[Entries, Entries]:
        """Innermost tiles of both axes."""
        from costmodel.mapping.levels import inner

        rungs, _, _ = self.least.rungs
        works, spans, rows, wants = self.arrays
        w = works[0]
        stores = self.hierarchy.stores
        held = [[store.per_element or operand in store.holds for operand in OPERANDS] for store in stores]
        w["holds"][: w["last"] + 1] = held
        one, two = (inner.Entries(*inner.entries_of(works, spans, rows, wants, rungs, axis)) for axis in range(2))
        return one, two

    @cached_property
    def pairs(self) -> Pairs:
        """Pairs of innermost tiles of both axes."""
        from costmodel.mapping.levels import inner

        return inner.Pairs(*inner.pairs_of(self.arrays.works, self.least.rungs[0], *self.entries))

    def fewest_steps(self) -> float:
        """Return the fewest steps of any mapping; infinite where no element has room."""
        from costmodel.mapping.levels import inner

        return float(inner.fewest_of_all(self.arrays.works, self.arrays.rows, *self.entries, self.pairs))

    def run(self, time_limit_s: float | None) -> Found:
        """Search for the best, then among its equals."""
        until = perf_counter() + (inf if time_limit_s is None else time_limit_s)
        if crowded(self.layer, self.hierarchy):  # else every innermost tile is tried in vain, which can take a minute
            raise nothing(self.layer, self.hierarchy, self.pins)
        plans, w = self.plans(), self.arrays.works[0]
        best: Best | None = None
        proved = False
        for second in (0, 1) if self.breaks_ties else (0,):
            w["second"] = second
            done, best = self.passed(plans, best, until)
            if best is None:
                raise nothing(self.layer, self.hierarchy, self.pins)
            proved = proved or done
            w["best"][:] = best.first, best.second
            if not done:
                break
        assert best is not None
        counted = 8 if self.objective == "dram_bytes" else 1  # the search counts bits of the backing store
        return self.found(best, min(entry.first for entry in plans) / counted, proved)

    def passed(self, plans: list[Bounded], best: Best | None, until: float) -> tuple[bool, Best | None]:
        """Search all plans, each for more steps from round to round; whether all were completed, and the best found."""
        from costmodel.mapping.levels import kernel

        for steps in ROUNDS:
            left: list[tuple[float, int, Bounded]] = []
            for number, entry in enumerate(plans):
                if not kernel.worthwhile(self.arrays.works, entry.first, entry.second):
                    continue
                if best is not None and perf_counter() > until:
                    return False, best
                least, done, best = self.searched(entry.plan, best, steps, until)
                if not done:
                    left.append((least, number, entry))
            plans = [entry for *_, entry in sorted(left, key=lambda one: one[:2])]
        return not plans, best

    def searched(self, one: Plan, best: Best | None, steps: int, until: float) -> tuple[float, bool, Best | None]:
        """Search one plan for some steps: the least bound of its innermost tiles, whether it was completed, the best."""
        from costmodel.mapping.levels import inner, kernel

        arrays, pairs = self.arrays, self.pairs
        w = arrays.works[0]
        bounds = self.least.bounds(one)
        count = inner.scan(arrays.works, bounds, pairs, *self.scanned)
        chosen, values = self.scanned[0][:count], self.scanned[1][:count]
        order = np.argsort(values, kind="stable")
        chosen, values = pairs.entries[chosen[order]], values[order]
        at, w["depth"], last = 0, 0, int(w["count"]) + steps
        while at < count or w["depth"] >= kernel.FIRST:
            budget = min(BUDGET, last - int(w["count"]))
            if budget <= 0 or (best is not None and perf_counter() > until):
                return float(values[0]), False, best
            w["found"] = 0
            at = kernel.pursue(*arrays, bounds, self.queue, *self.entries, chosen, values, at, budget)
            if w["found"]:
                best = Best(float(w["best"][0]), float(w["best"][1]), one, w["best_tile"].copy(), w["best_pick"].copy())
        return inf, True, best

    @cached_property
    def scanned(self) -> tuple[Ints, Floats]:
        """Room for what a look at all pairs finds."""
        return np.empty(len(self.pairs.place), dtype=np.int64), np.empty(len(self.pairs.place))

    @cached_property
    def queue(self) -> Queue:
        """Room for candidates in the order of their bounds."""
        from costmodel.mapping.levels import kernel

        many = int(np.diff(self.arrays.works[0]["begin"]).max())
        return kernel.Queue(np.empty((2, many), dtype=np.int64), np.empty((2, many, 2)))

    def moving(self, tiles: tuple[dict[str, int], ...], unroll: dict[str, tuple[int, int]]) -> list[set[str]]:
        """Loops of more than one trip of every block."""
        found, outer = [], extents(self.layer)
        for store, tile in zip(self.hierarchy.on_chip, tiles, strict=True):
            own = {dim: size * (unroll.get(dim, (0, 1))[1] if store.per_element else 1) for dim, size in tile.items()}
            found.append({dim for dim in DIMS if own[dim] < outer[dim]})
            outer = own
        return found

    def found(self, best: Best, lower: float, proved: bool) -> Found:
        """Describe the best mapping, the loops of every block in their best order."""
        tiles, unroll = tiles_of(self.arrays, best, self.hierarchy)
        choices = [orders(stay, moving) for stay, moving in zip(best.plan.stays, self.moving(tiles, unroll), strict=True)]
        passing = best.plan.traffic.passing
        nest = LoopNest(tiles, tuple(choice[0] for choice in choices), unroll, passing)
        value, second = self.worth(nest)
        for at, choice in enumerate(choices):
            for order in choice[1:]:
                other = LoopNest(tiles, (*nest.orders[:at], order, *nest.orders[at + 1 :]), unroll, passing)
                found = self.worth(other)
                if found < (value, second):
                    (value, second), nest = found, other
        return Found(self.layer, self.hierarchy, self.fixed, nest, value, value if proved else min(lower, value), proved)

    def worth(self, nest: LoopNest) -> tuple[float, float]:
        """What a mapping is measured by, and what decides among equals."""
        price = priced(self.layer, self.hierarchy, nest, self.fixed)
        return value_of(price, self.objective), price.latency_s if self.objective == "energy" else price.energy_pj


def refuse_homeless(hierarchy: Hierarchy) -> None:
    """Refuse operands that nothing feeds to the multipliers, and more memories or sides than can be searched."""
    held = {operand for store in hierarchy.on_chip for operand in store.holds}
    problems = [
        f"no store on chip holds the {operand}, so that nothing feeds the multipliers with it: let one of "
        f"{', '.join(store.name for store in hierarchy.on_chip) or 'several'} hold it"
        for operand in OPERANDS
        if operand not in held and not (hierarchy.on_chip and hierarchy.in_elements)
    ]
    if len(hierarchy.stores) > LEVELS - 2:
        problems.append(f"{len(hierarchy.stores)} memories; at most {LEVELS - 2} can be mapped through: merge some")
    if len(hierarchy.sides) > SIDES:
        problems.append(f"an array of {len(hierarchy.sides)} sides; at most {SIDES} can be mapped to: merge some")
    if problems:
        raise MappingError(*problems)


def nothing(layer: Layer, hierarchy: Hierarchy, pins: Pins) -> MappingError:
    """Why no mapping was found: what is fixed, or tiles for which there is no room."""
    fixed = impossible(hierarchy, pins)
    return PinError(fixed) if fixed else MappingError(*without_room(layer, hierarchy))


def without_room(layer: Layer, hierarchy: Hierarchy) -> list[str]:
    """Say of every store into which one value of each operand does not fit what it needs and what it has."""
    psum = layer.psum_bits if layer.c * layer.r * layer.s > 1 else layer.ofmap_bits
    bits = {"weight": layer.weight_bits, "ifmap": layer.ifmap_bits, "ofmap": psum}
    found = []
    for store in hierarchy.on_chip:
        found += [
            f"{store.name}: no tile of the {operand} fits: one value needs {bits[operand]} bit, its part has {room} bit"
            for operand, room in store.part_bits.items()
            if operand in store.holds and bits[operand] > room
        ]
        kept = [o for o in store.holds if o not in store.optional and o not in store.part_bits]
        needed = sum(bits[operand] for operand in kept)
        if store.capacity_bits is not None and needed > store.capacity_bits:
            values = f"one value of {', '.join(kept)} needs {needed} bit"
            found.append(f"{store.name}: no tile fits: {values}, it has {store.capacity_bits} bit")
    names = ", ".join(store.name for store in hierarchy.on_chip)
    return found or [f"{names}: no tiles fit together: what the array works on at a time is larger than a store; enlarge one"]


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
    arrays: Arrays, best: Best, hierarchy: Hierarchy
) -> tuple[tuple[dict[str, int], ...], dict[str, tuple[int, int]]]:
    """Tiles of the stores on chip, and what is unrolled."""
    rows = arrays.rows[best.pick]
    levels = range(1, len(hierarchy.stores))
    tiles = [dict(zip(DIMS, map(int, best.tile[level]), strict=True)) for level in levels]
    if hierarchy.in_elements:
        tiles[-1] = dict(zip(DIMS, map(int, rows[:, TILE]), strict=True))
    unroll = {dim: (int(row[SIDE]), int(row[UNROLLED])) for dim, row in zip(DIMS, rows, strict=True) if row[SIDE] >= 0}
    return tuple(tiles), unroll


def arrays_of(layer: Layer, hierarchy: Hierarchy, pins: Pins = FREE) -> Arrays:
    """Arrays of a layer on a hierarchy."""
    from costmodel.mapping.levels.tables import least_fetched, spans_of

    work = works()
    w = work[0]
    w["extent"] = [extents(layer)[dim] for dim in DIMS]
    w["tile"][0] = w["extent"]
    w["trips"][0] = 1.0
    w["gaps"] = [[layer.stride_h, layer.dilation_h], [layer.stride_w, layer.dilation_w]]
    w["geometry"] = [[layer.pad_top, layer.ifmap_h], [layer.pad_left, layer.ifmap_w]]
    w["bits"] = [layer.weight_bits, layer.ifmap_bits, layer.ofmap_bits, layer.psum_bits]
    w["least"] = [least_fetched(layer.height), least_fetched(layer.width)]
    w["fetched"] = w["least"].prod()
    w["last"] = len(hierarchy.on_chip)
    w["inner"] = w["last"] + (not hierarchy.in_elements)
    rooms(w, hierarchy)
    spans = spans_of(layer.height, layer.width)
    pinned = Pinned(layer, hierarchy, pins)
    pinned.write(w)
    rows, begin = candidates_of(pinned, w, spans)
    w["begin"] = begin
    for dim in range(8):
        w["fewest"][dim] = rows[begin[dim] : begin[dim + 1], [COPIES, TRIPS, STEPS]].min(axis=0)
    counts = np.diff(begin)
    return Arrays(work, spans, rows, np.full((2, max(counts[4:6]), max(counts[6:8])), -1.0))


def form_of(one: Plan) -> Form:
    """Return a plan as arrays."""
    from costmodel.mapping.levels.kernel import Form

    held, stays, tied = one.traffic, np.array(one.stays), np.array(one.tied)
    return Form(stays, tied, held.holds, held.always, one.flow, one.outer, one.own, one.counted, one.walked, one.stores)


def aim(w: Work, search: Search) -> None:
    """Write what is minimised into the record."""
    h, fixed = search.hierarchy, search.fixed
    w["kind"] = OBJECTIVES.index(search.objective)
    w["ports"], w["resources"] = len(search.resources.ports), search.resources.many
    w["scale"] = h.elements / h.macs_per_s if h.macs_per_s < inf else 0.0
    w["compute_s"], w["feed_s"], w["overhead_s"] = fixed.compute_s, fixed.feed_s, fixed.overhead_s
    w["overlap"], w["static_pj_per_s"] = h.overlap, h.static_w * 1e12
    w["best"] = inf, inf


def rooms(w: Work, hierarchy: Hierarchy) -> None:
    """Write the bits that operands share in each store and those of their parts, and the values that a register holds."""
    w["room"][:] = -1.0
    w["values"] = UNBOUNDED
    w["unrolls"][:], w["sides"] = 0, len(hierarchy.sides)
    for level, store in enumerate(hierarchy.stores):
        w["room"][level, 0] = UNBOUNDED if store.capacity_bits is None else store.capacity_bits
        for at, operand in enumerate(OPERANDS):
            if operand in store.part_bits:
                w["room"][level, 1 + at] = store.part_bits[operand]
            if store.per_element and operand not in store.holds:
                w["room"][level, 1 + at], w["values"][at] = UNBOUNDED, 1.0
    for at, side in enumerate(hierarchy.sides):
        w["side"][at] = side.size, side.multicast, side.reduction
        w["unrolls"][:, at] = [dim in side.dims for dim in DIMS]


DEPENDS: Final = {"n": (1, 2), "k": (0, 2), "c": (0, 1), "p": (2,), "q": (2,), "r": (0,), "s": (0,)}
"""Operands whose elements in a tile are at least the tile's size along a dimension."""


def longest(layer: Layer, hierarchy: Hierarchy, w: Work, dim: str, some: bool) -> int:
    """Largest tile of an element along a dimension; ``some``: every tile has positions of the ifmap."""
    total = int(getattr(layer, dim))
    if not hierarchy.in_elements or dim == "g":
        return 1
    level = int(w["last"])
    bits = (layer.weight_bits, layer.ifmap_bits, min(layer.ofmap_bits, layer.psum_bits))
    for at in DEPENDS[dim]:
        own = w["room"][level, 1 + at] if w["room"][level, 1 + at] >= 0 else w["room"][level, 0]
        if some or at != 1:
            total = int(min(total, w["values"][at], own // bits[at] if bits[at] else total))
    return max(total, 1)


def candidates_of(pinned: Pinned, w: Work, spans: Floats) -> tuple[Ints, Ints]:
    """Candidates of the innermost tile along every dimension, and where each dimension's begin."""
    found = []
    some = bool(spans[0, 0, 1, 1] > 0 and spans[1, 0, 1, 1] > 0)
    for dim in DIMS:
        most = longest(pinned.layer, pinned.hierarchy, w, dim, some)
        rows = pinned.rows(dim, most, spans[0 if dim in "pr" else 1])
        if not len(rows):
            raise nothing(pinned.layer, pinned.hierarchy, pinned.pins)
        order = np.lexsort((rows[:, TILE], rows[:, UNROLLED], rows[:, TRIPS]))
        found.append(rows[order])
    begin = np.concatenate([[0], np.cumsum([len(rows) for rows in found])]).astype(np.int64)
    return np.concatenate(found), begin
