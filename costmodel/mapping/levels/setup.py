"""A layer on a hierarchy as the arrays that the compiled search reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np

from costmodel.mapping.levels.arrays import COPIES, LEVELS, STEPS, TILE, TRIPS, UNROLLED, works
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
    from costmodel.mapping.levels.rounds import Plans, Prepared
    from costmodel.mapping.nest import Layer

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster

OBJECTIVES: Final = ("energy", "latency", "edp", "dram_bytes")
UNBOUNDED: Final = 1e300


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

    @property
    def prepared(self) -> Prepared:
        """What the search begins with, found once.

        Not a ``cached_property``, which before Python 3.12 lets a single thread at a time into all of its kind.
        """
        from costmodel.mapping.levels import rounds

        kept = self.__dict__
        if "_prepared" not in kept:
            elements = float(self.hierarchy.elements)
            kept["_prepared"] = rounds.prepare(*self.arrays, self.plans, elements, self.counts_steps)
        return cast("Prepared", kept["_prepared"])


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
    for level, store in enumerate(hierarchy.stores):
        w["holds"][level] = [store.per_element or operand in store.holds for operand in OPERANDS]
    spans = spans_of(layer.height, layer.width)
    pinned = Pinned(layer, hierarchy, pins)
    pinned.write(w)
    extents_of = [extent_of(pinned, w, spans, dim) for dim in DIMS]
    if pinned.free:
        found = [free_candidates(*extent) for extent in extents_of]
        wants = free_wants(tuple(extents_of[4:]), tuple(side.multicast for side in hierarchy.sides))
    else:
        found = [pinned_candidates(pinned, extent.most, spans, dim) for extent, dim in zip(extents_of, DIMS, strict=True)]
        wants = wants_of([rows for rows, _ in found[4:]])
    w["begin"][1:] = np.cumsum([len(rows) for rows, _ in found])
    w["fewest"] = [fewest for _, fewest in found]
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


class Extent(NamedTuple):
    """What candidates along a loop depend on where nothing is pinned.

    Its extent, the largest tile of an element, number and size of the sides that may unroll it, the axis of the ifmap along
    which it is a loop (None: of none), and whether it is over taps.
    """

    total: int
    most: int
    sides: tuple[tuple[int, int], ...]
    axis: Axis | None
    taps: bool


def extent_of(pinned: Pinned, w: Work, spans: Floats, dim: str) -> Extent:
    """Return what candidates along a loop depend on."""
    layer, hierarchy = pinned.layer, pinned.hierarchy
    most = longest(layer, hierarchy, w, dim, bool(spans[0, 0, 1, 1] > 0 and spans[1, 0, 1, 1] > 0))
    sides = tuple((at, hierarchy.sides[at].size) for at in pinned.sides(dim))
    axis = layer.height if dim in "pr" else (layer.width if dim in "qs" else None)
    return Extent(pinned.extents[dim], most, sides, axis, dim in "rs")


@lru_cache(maxsize=4096)
def free_candidates(
    total: int, most: int, sides: tuple[tuple[int, int], ...], axis: Axis | None, taps: bool
) -> tuple[Ints, Ints]:
    """Candidates of the innermost tile along a loop where nothing is pinned, and their fewest copies, trips and steps."""
    from costmodel.mapping.levels.candidates import along
    from costmodel.mapping.levels.tables import axis_table

    table = np.zeros((5, 1, 1)) if axis is None else axis_table(axis)
    return ordered(along(total, most, np.array(sides, dtype=np.int64).reshape(-1, 2), axis is not None, taps, table, 0, False))


def pinned_candidates(pinned: Pinned, most: int, spans: Floats, dim: str) -> tuple[Ints, Ints]:
    """The same of what pins leave.

    Raises
    ------
    MappingError
        They leave none.
    """
    rows = pinned.rows(dim, most, spans[0 if dim in "pr" else 1])
    if not len(rows):
        raise nothing(pinned.layer, pinned.hierarchy, pinned.pins)
    return ordered(rows)


@lru_cache(maxsize=256)
def free_wants(loops: tuple[Extent, ...], _multicast: tuple[bool, ...]) -> Floats:
    """Positions that elements together read, by candidates of ``p q r s``, -1 while unknown: searches fill them in.

    They depend on these loops and on which sides multicast; searches that share them find the same.
    """
    return wants_of([free_candidates(*loop)[0] for loop in loops])


def wants_of(rows: list[Ints]) -> Floats:
    """Positions that elements together read (2, outputs, taps), all unknown, by candidates of ``p q r s``."""
    p, q, r, s = (len(one) for one in rows)
    return np.full((2, max(p, q), max(r, s)), -1.0)


def ordered(rows: Ints) -> tuple[Ints, Ints]:
    """Candidates in the order in which they are tried, and the fewest copies, trips and steps of them."""
    rows = rows[np.lexsort((rows[:, TILE], rows[:, UNROLLED], rows[:, TRIPS]))]
    rows.flags.writeable = False
    return rows, rows[:, [COPIES, TRIPS, STEPS]].min(axis=0)
