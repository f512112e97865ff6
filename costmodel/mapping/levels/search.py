"""The exact search for the best mapping of a layer through a whole hierarchy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import MappingError
from costmodel.mapping.levels.arrays import COPIES, SIDE, STEPS, TILE, TRIPS, UNROLLED, Aim, Case, Plan, State
from costmodel.mapping.levels.forms import Resources, Traffic, bypasses, forms, plan, traffic
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy
from costmodel.mapping.levels.loopnest import LoopNest, extents
from costmodel.mapping.levels.price import PLAIN, Priced, priced
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.mapping.nest import Layer

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

OBJECTIVES: Final = ("energy", "latency", "edp", "dram_bytes")
UNBOUNDED: Final = 1e300


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


def value_of(found: Priced, objective: str) -> float:
    """Return what an objective minimises."""
    if objective == "energy":
        return found.energy_pj
    if objective == "latency":
        return found.latency_s
    if objective == "edp":
        return found.energy_pj * found.latency_s
    return found.dram_bits / 8


def search(
    layers: Sequence[Layer],
    hierarchy: Hierarchy,
    objective: str = "energy",
    fixed: Sequence[Fixed] | Fixed = PLAIN,
    time_limit_s: float | None = None,
) -> list[Found]:
    """Find the best mapping of each layer; equal layers are searched once.

    Parameters
    ----------
    layers
        The layers.
    hierarchy
        The stores and the array.
    objective
        One of ``OBJECTIVES``. Among equals, the least energy is taken (the least latency where energy is minimised).
    fixed
        What no mapping changes, of every layer or of all.
    time_limit_s
        Seconds after which a layer's best mapping so far is taken; None: no limit.

    Returns
    -------
    list of Found
        One per layer.

    Raises
    ------
    MappingError
        No tile of a layer fits into a store, or no store holds an operand.
    """
    if objective not in OBJECTIVES:
        raise MappingError(f"objective {objective!r} is unknown; choose one of {', '.join(OBJECTIVES)}")
    each = [fixed] * len(layers) if isinstance(fixed, Fixed) else list(fixed)
    known: dict[tuple[Layer, Fixed], Found] = {}
    for layer, constant in zip(layers, each, strict=True):
        if (layer, constant) not in known:
            known[layer, constant] = Search(layer, hierarchy, objective, constant).run(time_limit_s)
    return [known[key] for key in zip(layers, each, strict=True)]


@dataclass(frozen=True)
class Search:
    """The search for one layer."""

    layer: Layer
    hierarchy: Hierarchy
    objective: str
    fixed: Fixed

    @cached_property
    def resources(self) -> Resources:
        """What bounds count."""
        return Resources(self.hierarchy, dram=self.objective == "dram_bytes")

    @cached_property
    def case(self) -> Case:
        """The layer on the hierarchy as arrays."""
        return case_of(self.layer, self.hierarchy)

    def aim(self, charged: Traffic, rest: Floats) -> Aim:
        """Return what is minimised under one choice of what passes by."""
        h, fixed = self.hierarchy, self.fixed
        base = charged.always.copy()
        base[0] += fixed.energy_pj
        scale = h.elements / h.macs_per_s if h.macs_per_s < inf else 0.0
        return Aim(
            OBJECTIVES.index(self.objective), len(self.resources.ports), scale, fixed.compute_s, fixed.feed_s,
            fixed.overhead_s, h.overlap, h.static_w * 1e12, base, rest,
        )  # fmt: skip

    def plans(self, state: State) -> list[tuple[float, float, Plan, Aim, Traffic]]:
        """Every plan with the bound of its best mapping, the most promising first."""
        from costmodel.mapping.levels import kernel

        found = []
        known: dict[bytes, Floats] = {}
        steps = float(self.case.fewest[:, 2].prod())
        for passing in bypasses(self.hierarchy):
            charged = traffic(self.layer, self.hierarchy, passing, self.resources)
            for stays, tied in forms(len(self.hierarchy.on_chip)):
                one = plan(self.hierarchy, charged, stays, tied)
                rest = self.rest(one, state, known)
                aim = self.aim(charged, rest)
                first, second = kernel.scores(aim, aim.base + rest[-1], steps)
                if first < inf:
                    found.append((first, second, one, aim, charged))
        return sorted(found, key=lambda entry: entry[:2])

    def rest(self, one: Plan, state: State, known: dict[bytes, Floats]) -> Floats:
        """Sums of what levels further out than each are charged at least, (L + 2, resources)."""
        from costmodel.mapping.levels import kernel

        many = self.resources.many
        rest = np.zeros((len(self.hierarchy.stores) + 2, many))
        kernel.charged_outermost(self.case, one, state, rest[1])
        for level in range(1, self.case.last + 1):
            parts = [one.stays[level : level + 2], one.holds[level], one.flow[level : level + 2], one.counted_at == level]
            key = bytes([level]) + b"".join(part.tobytes() for part in [*parts, one.outer, one.own])
            if key not in known:
                elements = float(self.hierarchy.elements) if level == self.case.inner else 1.0
                known[key] = np.array(
                    [kernel.least_alone(self.case, one, state, level, at, elements) for at in range(many)]
                )
            rest[level + 1] = rest[level] + known[key]
        rest[-1] = rest[self.case.last + 1]
        return rest

    def run(self, time_limit_s: float | None) -> Found:
        """Search plan after plan, as long as their bounds are better than the best found."""
        from costmodel.mapping.levels import kernel

        started = perf_counter()
        state = state_of(self.case, self.resources.many)
        plans = self.plans(state)
        best: tuple[Plan, Traffic] | None = None
        lower = inf
        rows = int(self.case.begin[1])
        for first, second, one, aim, charged in plans:
            if not kernel.improves(first, second, state.best):
                break
            value = tuple(state.best)
            for row in range(rows):
                if time_limit_s is not None and best and perf_counter() - started > time_limit_s:
                    lower = min(lower, first)
                    break
                kernel.explore(self.case, one, aim, state, row, row + 1)
                if tuple(state.best) != value:
                    best, value = (one, charged), tuple(state.best)
        if best is None:
            raise MappingError(f"no tile fits: {self.layer}")
        return self.found(state, *best, lower)

    def found(self, state: State, one: Plan, charged: Traffic, lower: float) -> Found:
        """Describe the best mapping, the loops of every block in their best order."""
        tiles, unroll = tiles_of(self.case, state, self.hierarchy)
        choices = [orders(self.layer, int(stay)) for stay in one.stays[1:-1]]
        passing = charged.passing
        nest = LoopNest(tiles, tuple(choice[0] for choice in choices), unroll, passing)
        value, energy = inf, inf
        for at, choice in enumerate(choices):
            for order in choice:
                other = LoopNest(tiles, (*nest.orders[:at], order, *nest.orders[at + 1 :]), unroll, passing)
                price = priced(self.layer, self.hierarchy, other, self.fixed)
                found = value_of(price, self.objective), price.energy_pj
                if found < (value, energy):
                    (value, energy), nest = found, other
        return Found(self.layer, self.hierarchy, self.fixed, nest, value, min(lower, value), lower >= value)


def orders(layer: Layer, stay: int) -> list[str]:
    """Orders of a block whose innermost loops leave an operand in place."""
    walked = {0: "pq", 1: "pqrs", 2: "rs"}[stay]
    inside = {0: "npq", 1: "k", 2: "crs"}[stay]
    outside = [dim for dim in "gnkcpqrs" if dim not in inside]
    found = []
    for loop in walked:
        if stay == 1:
            found.append("".join([dim for dim in outside if dim != loop] + [loop, "k"]))
        else:
            found.append("".join(outside + [dim for dim in inside if dim != loop] + [loop]))
    return found


def tiles_of(case: Case, state: State, hierarchy: Hierarchy) -> tuple[tuple[dict[str, int], ...], dict[str, tuple[int, int]]]:
    """Tiles of the stores on chip, and what is unrolled."""
    rows = case.candidates[state.best_pick]
    tiles = [dict(zip(DIMS, map(int, state.best_tile[level]), strict=True)) for level in range(1, case.last + 1)]
    if hierarchy.in_elements:
        tiles[-1] = dict(zip(DIMS, map(int, rows[:, TILE]), strict=True))
    unroll = {dim: (int(row[SIDE]), int(row[UNROLLED])) for dim, row in zip(DIMS, rows, strict=True) if row[SIDE] >= 0}
    return tuple(tiles), unroll


def case_of(layer: Layer, hierarchy: Hierarchy) -> Case:
    """Arrays of a layer on a hierarchy."""
    from costmodel.mapping.levels.tables import axis_table, least_fetched

    size = np.array([extents(layer)[dim] for dim in DIMS], dtype=np.int64)
    (height, high_out, high_tap), (width, wide_out, wide_tap) = axis_table(layer.height), axis_table(layer.width)
    irregular = np.zeros((8, int(size.max()) + 1), dtype=np.int64)
    for dim, flags in zip((4, 6, 5, 7), (high_out, high_tap, wide_out, wide_tap), strict=True):
        irregular[dim, : flags.size] = flags
    room, values = rooms(layer, hierarchy)
    candidates, begin = candidates_of(layer, hierarchy, room, values, (height, width))
    fewest = np.array([
        [candidates[begin[d] : begin[d + 1], column].min() for column in (COPIES, TRIPS, STEPS)] for d in range(8)
    ], dtype=np.float64)  # fmt: skip
    return Case(
        size, height, width,
        np.array([[layer.stride_h, layer.dilation_h], [layer.stride_w, layer.dilation_w]], dtype=np.int64),
        np.array([[layer.pad_top, layer.ifmap_h], [layer.pad_left, layer.ifmap_w]], dtype=np.int64),
        irregular,
        np.array([layer.weight_bits, layer.ifmap_bits, layer.ofmap_bits, layer.psum_bits], dtype=np.float64),
        np.array([least_fetched(height), least_fetched(width)]),
        len(hierarchy.on_chip), len(hierarchy.on_chip) + (not hierarchy.in_elements),
        room, values, candidates, begin, fewest,
        np.array([[s.size, s.multicast, s.reduction] for s in hierarchy.sides], dtype=np.int64).reshape(-1, 3),
    )  # fmt: skip


def rooms(layer: Layer, hierarchy: Hierarchy) -> tuple[Floats, Floats]:
    """Bits that operands share in each store and those of their parts (-1: none); values that a register holds."""
    room = np.full((len(hierarchy.stores), 4), -1.0)
    values = np.full(3, UNBOUNDED)
    for level, store in enumerate(hierarchy.stores):
        room[level, 0] = UNBOUNDED if store.capacity_bits is None else store.capacity_bits
        for at, operand in enumerate(OPERANDS):
            if operand in store.part_bits:
                room[level, 1 + at] = store.part_bits[operand]
            if store.per_element and operand not in store.holds:
                room[level, 1 + at], values[at] = UNBOUNDED, 1.0
    del layer
    return room, values


DEPENDS: Final = {"n": (1, 2), "k": (0, 2), "c": (0, 1), "p": (2,), "q": (2,), "r": (0,), "s": (0,)}
"""Operands whose elements in a tile are at least the tile's size along a dimension."""


def longest(layer: Layer, hierarchy: Hierarchy, room: Floats, values: Floats, dim: str) -> int:
    """Largest tile of an element along a dimension."""
    total = int(getattr(layer, dim))
    if not hierarchy.in_elements or dim == "g":
        return 1
    bits = (layer.weight_bits, layer.ifmap_bits, min(layer.ofmap_bits, layer.psum_bits))
    for at in DEPENDS[dim]:
        own = room[-1, 1 + at] if room[-1, 1 + at] >= 0 else room[-1, 0]
        total = int(min(total, values[at], own // bits[at] if bits[at] else total))
    return max(total, 1)


def candidates_of(
    layer: Layer, hierarchy: Hierarchy, room: Floats, values: Floats, tables: tuple[Any, Any]
) -> tuple[Ints, Ints]:
    """Candidates of the innermost tile along every dimension, and where each dimension's begin."""
    from costmodel.mapping.levels.candidates import along

    found = []
    for dim in DIMS:
        sides = [(at, side.size) for at, side in enumerate(hierarchy.sides) if dim in side.dims]
        table = tables[0] if dim in "pr" else tables[1]
        most = longest(layer, hierarchy, room, values, dim)
        rows = along(
            int(getattr(layer, dim)), most, np.array(sides, dtype=np.int64).reshape(-1, 2), dim in "pqrs", dim in "rs", table
        )
        order = np.lexsort((rows[:, TILE], rows[:, UNROLLED], rows[:, TRIPS]))
        found.append(rows[order])
    begin = np.concatenate([[0], np.cumsum([len(rows) for rows in found])]).astype(np.int64)
    return np.concatenate(found), begin


def state_of(case: Case, resources: int) -> State:
    """Where every search begins."""
    levels = case.inner + 2

    def ints(*shape: int) -> Ints:
        return np.zeros(shape, dtype=np.int64)

    counts = np.diff(case.begin)
    return State(
        ints(levels, 8), np.ones((levels, 8), dtype=np.int64), np.ones((levels, 8)), ints(8) - 1, np.ones(8), np.ones(8),
        np.zeros((levels, resources)), np.zeros((3, resources)), np.zeros((5, resources)),
        np.full((counts[4], counts[6]), -1.0), np.full((counts[5], counts[7]), -1.0),
        np.array([inf, inf]), ints(levels, 8), ints(8), ints(1), ints(1),
    )  # fmt: skip


__all__ = ["OBJECTIVES", "Found", "product", "search", "value_of"]
