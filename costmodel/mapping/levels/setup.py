"""A layer on a hierarchy as the arrays that the compiled search reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from costmodel.mapping.levels.arrays import COPIES, LEVELS, RESOURCES, STEPS, TILE, TRIPS, UNROLLED, C, works
from costmodel.mapping.levels.forms import Passing, Resources, forms, traffic
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy
from costmodel.mapping.levels.homes import nothing
from costmodel.mapping.levels.loopnest import extents
from costmodel.mapping.levels.pinned import Pinned
from costmodel.mapping.levels.pins import FREE, Pins
from costmodel.mapping.mapping import DIMS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.mapping.axis import Axis
    from costmodel.mapping.levels.inner import Entries, Pairs
    from costmodel.mapping.levels.least import Known, Rungs
    from costmodel.mapping.levels.rounds import Plans, Scratch, Tables
    from costmodel.mapping.nest import Layer

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster

OBJECTIVES: Final = ("energy", "latency", "edp", "dram_bytes")
UNBOUNDED: Final = 1e300
KEPT_BYTES: Final = 1 << 26
"""Tables of plans, and of room, that are kept from round to round."""
MOST_KEPT: Final = 64
"""Plans whose tables are kept at most."""


class Arrays(NamedTuple):
    """What the compiled search reads and writes."""

    works: Works
    spans: Floats
    rows: Ints
    wants: Floats


@dataclass(frozen=True)
class Setup:
    """One layer on a hierarchy, what is minimised and what is fixed, as arrays.

    Fields are those that :func:`costmodel.mapping.levels.search.search` takes; what is found from them writes to the same
    record, and is found once.
    """

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
    def arrays(self) -> Arrays:
        """The layer on the hierarchy as arrays, and what is minimised."""
        arrays = arrays_of(self.layer, self.hierarchy, self.pins)
        aim(arrays.works[0], self)
        return arrays

    @cached_property
    def passings(self) -> tuple[Passing, ...]:
        """Every choice of what passes by."""
        return tuple(self.pinned.passings())

    @cached_property
    def plans(self) -> Plans:
        """Every plan: each form with each choice of what passes by.

        Raises
        ------
        MappingError
            There is none.
        """
        from costmodel.mapping.levels.rounds import Plans

        charged = [traffic(self.layer, self.hierarchy, passing, self.resources) for passing in self.passings]
        stores = len(self.hierarchy.on_chip)
        stays, tied, rooms = free_forms(stores) if self.pinned.free else form_arrays(list(self.pinned.forms()), stores)
        many = len(charged)
        if not many or not len(stays):
            raise nothing(self.layer, self.hierarchy, self.pins)
        return Plans(
            np.tile(stays, (many, 1)),
            np.tile(tied, (many, 1)),
            np.repeat(np.arange(many), len(stays)),
            (np.arange(many)[:, None] * (rooms.max() + 1) + rooms).ravel(),
            np.array([one.holds for one in charged]),
            np.array([one.shared for one in charged]),
            np.array([one.own for one in charged]),
            np.array([one.always for one in charged]) + self.fixed.energy_pj * (np.arange(self.resources.many) == 0),
        )

    @cached_property
    def rungs(self) -> tuple[Rungs, Floats, Ints]:
        """Rungs of the layer, the least positions of both axes by them, and where the sections of tables begin."""
        from costmodel.mapping.levels import least

        works, spans, *_ = self.arrays
        return least.grid(works, spans)

    @cached_property
    def kernels(self) -> Floats:
        """Fewest trips of ``k`` that the room of each level leaves, for every choice of what passes by."""
        from costmodel.mapping.levels import least

        rungs, axes, _ = self.rungs
        works, holds = self.arrays.works, self.plans.holds
        w = works[0]
        inner, last = int(w["inner"]), int(w["last"])
        found = np.zeros((len(holds), inner + 1, *(int(rungs.many[dim]) for dim in (*least.WALKED, C))))
        known: dict[tuple[int, bytes], Floats] = {}
        for number, held in enumerate(holds):
            w["holds"][: len(held)] = held
            for level in range(1, inner + 1 if inner == last else inner):
                key = level, held[level].tobytes()
                if key not in known:
                    elements = self.hierarchy.elements if level == inner else 1
                    known[key] = least.fewest_trips(works, rungs, axes, level, elements)
                found[number, level] = known[key]
        return found

    @cached_property
    def tables(self) -> Tables:
        """Room for tables of plans, those that all of them share filled in."""
        from costmodel.mapping.levels.rounds import Tables

        rungs, axes, begin = self.rungs
        kernels, plans = self.kernels, self.plans
        levels, size, many = int(self.arrays.works[0]["inner"]), int(begin[-1]), self.resources.many
        rooms = kept(len(set(plans.room.tolist())), kernels[0].nbytes)
        slots = min(kept(len(plans.room), 2 * 8 * levels * size * many), MOST_KEPT)
        return Tables(
            rungs, axes, begin, kernels, np.empty((rooms, *kernels.shape[1:])), np.full(rooms, -1),
            np.empty((slots, levels, size, many)), np.empty((slots, levels, size, many)),
            np.empty((slots, levels, 6, RESOURCES)), np.full(slots, -1),
        )  # fmt: skip

    @property
    def known(self) -> Known:
        """Room for what was looked at before."""
        from costmodel.mapping.levels import least

        levels, many = int(self.arrays.works[0]["inner"]) + 1, 64
        shapes = (levels,), (levels, many), (levels, many, 6, RESOURCES), (levels, many, RESOURCES)
        whole, real = np.zeros(shapes[0], dtype=np.int64), np.zeros(shapes[1], dtype=np.int64)
        return least.Known(whole, real, np.zeros(shapes[2]), np.zeros(shapes[3]))

    @cached_property
    def bounds(self) -> Floats:
        """What no mapping of each plan undercuts, of what is minimised and of what decides among equals (M, 2)."""
        from costmodel.mapping.levels import rounds

        works, plans, tables = self.arrays.works, self.plans, self.tables
        works[0]["least_steps"] = self.fewest_steps() if self.counts_steps else 0.0
        found = np.empty((len(plans.room), 2))
        rounds.bound_all(works, plans, tables, self.known, np.empty(tables.own.shape[2:]), found)
        return found

    @property
    def order(self) -> Ints:
        """Numbers of the plans for which there is room, the most promising first."""
        first, second = self.bounds.T
        order: Ints = np.lexsort((second, first))
        return np.extract(first[order] < inf, order)

    @cached_property
    def innermost(self) -> tuple[Entries, Entries, Pairs]:
        """Innermost tiles of both axes, and pairs of them."""
        from costmodel.mapping.levels import inner

        w, stores = self.arrays.works[0], self.hierarchy.stores
        held = [[store.per_element or operand in store.holds for operand in OPERANDS] for store in stores]
        w["holds"][: w["last"] + 1] = held
        return inner.innermost(*self.arrays, self.rungs[0])

    @property
    def entries(self) -> tuple[Entries, Entries]:
        """Innermost tiles of both axes."""
        return self.innermost[:2]

    @property
    def pairs(self) -> Pairs:
        """Pairs of innermost tiles of both axes."""
        return self.innermost[2]

    def fewest_steps(self) -> float:
        """Return the fewest steps of any mapping; infinite where no element has room."""
        from costmodel.mapping.levels import inner

        return float(inner.fewest_of_all(self.arrays.works, self.arrays.rows, *self.entries, self.pairs))

    @cached_property
    def scratch(self) -> Scratch:
        """Room for what the search of a plan finds."""
        from costmodel.mapping.levels import kernel, least, rounds

        rows, many, plans = int(np.diff(self.arrays.works[0]["begin"]).max()), len(self.pairs.place), len(self.plans.room)
        begin = self.rungs[2]
        leaves = int(begin[6] - begin[5])
        return rounds.Scratch(
            kernel.Queue(np.empty((2, rows), dtype=np.int64), np.empty((2, rows, 2))),
            least.Leaves(np.empty((leaves + 1, 2, 3)), np.empty((leaves + 1, 5), dtype=np.int64)),
            np.empty(many, dtype=np.int64), np.empty(many),
            np.empty(plans, dtype=np.int64), np.empty(plans, dtype=np.int64), np.empty(plans),
        )  # fmt: skip


def kept(many: int, each_bytes: int) -> int:
    """How many of so many tables are kept."""
    return max(1, min(many, KEPT_BYTES // max(each_bytes, 1)))


@lru_cache(maxsize=LEVELS)
def free_forms(stores: int) -> tuple[Ints, Ints, Ints]:
    """Every form of the blocks of so many stores, as :func:`form_arrays` has them."""
    return form_arrays(list(forms(stores)), stores)


def form_arrays(some: list[tuple[tuple[int, ...], tuple[int, ...]]], stores: int) -> tuple[Ints, Ints, Ints]:
    """Operands in place and ties of forms (M, stores), and numbers of the tables of room (M,): the same ties share one.

    >>> form_arrays([((0, 1), (0, 0)), ((1, 2), (0, 0)), ((0, 1), (0, 1)), ((0, 0), (0, 2))], 2)[2].tolist()
    [0, 0, 1, 2]
    """
    numbers: dict[tuple[tuple[int, int], ...], int] = {}
    rooms = [
        numbers.setdefault(tuple((tie, stay if tie == 1 else 0) for stay, tie in zip(*form, strict=True)), len(numbers))
        for form in some
    ]
    stays, tied = (np.array([form[at] for form in some], dtype=np.int64).reshape(-1, stores) for at in range(2))
    return stays, tied, np.array(rooms, dtype=np.int64)


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
    found = [candidates_of(pinned, w, spans, dim) for dim in DIMS]
    counts = [len(rows) for rows, _ in found]
    w["begin"][1:] = np.cumsum(counts)
    w["fewest"] = [fewest for _, fewest in found]
    wants = np.full((2, max(counts[4:6]), max(counts[6:8])), -1.0)
    return Arrays(work, spans, np.concatenate([rows for rows, _ in found]), wants)


def aim(w: Work, setup: Setup) -> None:
    """Write what is minimised into the record."""
    h, fixed = setup.hierarchy, setup.fixed
    w["kind"] = OBJECTIVES.index(setup.objective)
    w["ports"], w["resources"] = len(setup.resources.ports), setup.resources.many
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


def candidates_of(pinned: Pinned, w: Work, spans: Floats, dim: str) -> tuple[Ints, Ints]:
    """Candidates of the innermost tile along a dimension, and the fewest copies, trips and steps of them."""
    layer, hierarchy = pinned.layer, pinned.hierarchy
    most = longest(layer, hierarchy, w, dim, bool(spans[0, 0, 1, 1] > 0 and spans[1, 0, 1, 1] > 0))
    if pinned.free:
        sides = tuple((at, hierarchy.sides[at].size) for at in pinned.sides(dim))
        axis = layer.height if dim in "pr" else (layer.width if dim in "qs" else None)
        return free_candidates(pinned.extents[dim], most, sides, axis, dim in "rs")
    rows = pinned.rows(dim, most, spans[0 if dim in "pr" else 1])
    if not len(rows):
        raise nothing(layer, hierarchy, pinned.pins)
    return ordered(rows)


@lru_cache(maxsize=4096)
def free_candidates(
    total: int, most: int, sides: tuple[tuple[int, int], ...], axis: Axis | None, taps: bool
) -> tuple[Ints, Ints]:
    """The same where nothing is pinned: along the outputs or ``taps`` of an axis, or a loop of none."""
    from costmodel.mapping.levels.candidates import along
    from costmodel.mapping.levels.tables import axis_table

    table = np.zeros((5, 1, 1)) if axis is None else axis_table(axis)
    return ordered(along(total, most, np.array(sides, dtype=np.int64).reshape(-1, 2), axis is not None, taps, table, 0, False))


def ordered(rows: Ints) -> tuple[Ints, Ints]:
    """Candidates in the order in which they are tried, and the fewest copies, trips and steps of them."""
    rows = rows[np.lexsort((rows[:, TILE], rows[:, UNROLLED], rows[:, TRIPS]))]
    rows.flags.writeable = False
    return rows, rows[:, [COPIES, TRIPS, STEPS]].min(axis=0)
