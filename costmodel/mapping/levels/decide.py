"""What is decided of a mapping, what has room beside it, and what comes next: compiled, for every step of the search.

Levels, dimensions and the record ``w`` are those of :mod:`costmodel.mapping.levels.arrays`, the tables ``spans`` those of
:mod:`costmodel.mapping.levels.tables`; the reasons are in ``docs/models/mapping.md``. Imported only when a search runs:
compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.mapping.levels.arrays import (
    COPIES,
    IFMAP,
    OFMAP,
    SIDE,
    STEPS,
    TILE,
    TOGETHER,
    TRIPS,
    UNROLLED,
    C,
    G,
    K,
    N,
    P,
    Q,
    R,
    S,
)
from costmodel.mapping.levels.compiled import lean
from costmodel.mapping.levels.costs import element_sweeps, must_equal, sweeps, times
from costmodel.mapping.levels.least import WALKED, Bounds
from costmodel.mapping.levels.pin_kernel import pinned
from costmodel.mapping.levels.tables import better

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record


@lean
def comes_back(w: Work, rows: Ints, level: int) -> bool:
    """Whether partial sums come back to a level that holds the whole reduction, from the next store inside."""
    at = level + 1
    while at <= w.last and w.holds[at, OFMAP] == 0:
        at += 1
    if at > w.last:
        return False
    counted = at
    while w.tied[counted] == 2 or (w.tied[counted] == 1 and w.stays[counted] == OFMAP):
        counted -= 1
    if w.stays[counted] == OFMAP:
        counted -= 1
    counted = max(counted, level)
    if at == w.last and at == w.inner:
        return element_sweeps(w, rows, OFMAP, counted)[0] > 1
    return sweeps(w, OFMAP, counted) > 1


@lean
def ofmap_width(w: Work, rows: Ints, level: int) -> float:
    """Bits of an output in a store; the least possible while the reduction of its tile is undecided."""
    decided = True
    for dim in (C, R, S):
        size = w.tile[level, dim]
        if level == w.inner and w.pick[dim] >= 0:
            size = rows[w.pick[dim], TILE]
        if 0 < size < w.extent[dim]:
            return w.bits[3]
        decided = decided and size > 0
    if not decided:
        return min(w.bits[2], w.bits[3])
    return w.bits[3] if level < w.last and comes_back(w, rows, level) else w.bits[2]


@lean
def axis_extent(w: Work, spans: Floats, axis: int, level: int, many: float) -> float:
    """Positions along an axis in the least tile; where many elements share it, what lies between their tiles left out."""
    outputs, taps = w.low[level, P + axis], w.low[level, R + axis]
    stride, dilation = w.gaps[axis, 0], w.gaps[axis, 1]
    extent = spans[axis, 0, outputs, taps]
    touching = dilation == 1 and (outputs == 1 or stride <= taps)
    touching = touching or (stride == 1 and (taps == 1 or dilation <= outputs))
    return extent if many == 1 or touching else min(extent, 1.0)


@lean
def footprints(w: Work, spans: Floats, level: int, many: float) -> tuple[float, float, float]:
    """Elements of every operand in the least tile that a level can have."""
    low = w.low
    area = axis_extent(w, spans, 0, level, many) * axis_extent(w, spans, 1, level, many)
    weight = float(low[level, G] * low[level, K]) * float(low[level, C] * low[level, R] * low[level, S])
    ifmap = float(low[level, G] * low[level, N]) * low[level, C] * area
    ofmap = float(low[level, G] * low[level, N]) * float(low[level, K]) * float(low[level, P] * low[level, Q])
    return weight, ifmap, ofmap


@lean
def most(w: Work, spans: Floats, level: int, dim: int, width: float, many: float) -> float:
    """How many times the least tile fits into a store along ``c`` or ``k``."""
    weight, ifmap, ofmap = footprints(w, spans, level, many)
    return times(w, level, weight, ifmap, ofmap, OFMAP if dim == C else IFMAP, width, many)


@lean
def fits(w: Work, spans: Floats, rows: Ints, level: int) -> bool:
    """Whether what is decided of a level's tile, the rest as small as possible, has room."""
    return level > w.last or most(w, spans, level, K, ofmap_width(w, rows, level), 1.0) >= 1


@lean
def expect(w: Work, spans: Floats, level: int, width: float, many: float) -> None:
    """Write the fewest trips of ``c`` and ``k``, while undecided, that the room left allows."""
    for dim in (C, K):
        if w.tile[level, dim] == 0:
            low = w.low[level, dim]
            w.low[level, dim] = 1  # the whole extent need not be a whole number of tiles of the level inside
            tile = min(most(w, spans, level, dim, width, many), float(w.cap[level, dim]))
            w.low[level, dim] = low
            w.trips[level, dim] = np.ceil(w.extent[dim] / tile)


@lean
def spare(w: Work, dim: int) -> int:
    """Most elements left along a side that may unroll a dimension."""
    many = 1
    for side in range(w.sides):
        if w.unrolls[dim, side]:
            many = max(many, w.side[side, 0] // w.used[side])
    return many


@lean
def expect_elements(w: Work, spans: Floats, rows: Ints) -> None:
    """Write the fewest copies and trips of ``c`` and ``k``, while undecided, that room and sides left allow."""
    width = ofmap_width(w, rows, w.inner)
    for dim in (C, K):
        if w.pick[dim] < 0:
            tile = 1.0
            if w.inner == w.last:
                tile = min(most(w, spans, w.inner, dim, width, 1.0), float(w.extent[dim]))
            copies = np.ceil(w.extent[dim] / tile)
            w.copies[dim] = max(copies, w.fewest[dim, 0])
            w.trips[w.inner, dim] = max(np.ceil(copies / spare(w, dim)), w.fewest[dim, 1])


@lean
def fewest_steps(w: Work) -> float:
    """Steps of what is decided times the fewest of the rest: with every element left, or each dimension by itself."""
    decided, apart, together = 1.0, 1.0, 1.0
    for dim in range(8):
        if w.pick[dim] >= 0:
            decided *= w.steps[dim]
        else:
            apart *= w.fewest[dim, 2]
            together *= w.extent[dim]
    for side in range(w.sides):
        together /= w.side[side, 0] // w.used[side]
    return max(decided * max(apart, np.ceil(together - 1e-6)), w.least_steps)


@lean
def following(spans: Floats, dim: int, total: int, size: int, inside: int, factor: int) -> int:
    """Next smaller number of inner tiles in a tile that can be best; 0 after the last, and to begin with."""
    if factor == 1:
        return 0
    if factor == 0:
        return inside
    factor -= 1
    trips = -(-inside // factor)
    leader = -(-inside // trips)
    if dim < P:
        return leader
    axis, tap = (dim - P) % 2, dim >= R
    if spans[axis, 0, 0 if tap else trips, trips if tap else 0] == 0:
        return leader
    while factor > leader and not better(spans[axis], total, tap, size * factor, size * leader):
        factor -= 1
    return factor


@lean
def allowed(w: Work, spans: Floats, level: int, dim: int, size: int, inside: int, factor: int) -> int:
    """Next smaller number of inner tiles in a tile that pins allow and that can be best; 0 after the last, and before all."""
    if w.pin[level, dim] > 0 or w.within[level, dim] > 0:
        return pinned(w, level, dim, size, inside, factor)
    return following(spans, dim, w.extent[dim], size, inside, factor)


@lean
def take_tied(w: Work, level: int) -> None:
    """Take what is decided of the next level inside along the dimensions that are tied to it."""
    for dim in range(8):
        if w.tile[level + 1, dim] > 0 and must_equal(w, level, dim):
            w.tile[level, dim], w.low[level, dim] = w.tile[level + 1, dim], w.tile[level + 1, dim]
            w.trips[level, dim] = w.trips[level + 1, dim]


@lean
def decide_outer(w: Work, spans: Floats, level: int, dim: int, factor: int) -> int:
    """Take the next tile of a level along a dimension; 0 when there is none left."""
    inside, size = int(w.trips[level + 1, dim]), w.tile[level + 1, dim]
    if must_equal(w, level, dim):
        return 1 - factor if w.pin[level, dim] in (0, size) else 0
    factor = allowed(w, spans, level, dim, size, inside, factor)
    if factor == 0:
        w.tile[level, dim], w.low[level, dim], w.trips[level, dim] = 0, size, 1.0
        return 0
    tile = min(size * factor, w.extent[dim])
    w.tile[level, dim], w.low[level, dim] = tile, tile
    w.trips[level, dim] = float(-(-w.extent[dim] // tile))
    return factor


@lean
def clear_inner(w: Work, rows: Ints, dim: int) -> None:
    """Forget the innermost tile along a dimension."""
    level, row = w.inner, w.pick[dim]
    if row >= 0 and rows[row, SIDE] >= 0:
        w.used[rows[row, SIDE]] = w.at[dim]
    w.tile[level, dim], w.low[level, dim], w.pick[dim] = 0, 1, -1
    w.copies[dim], w.trips[level, dim], w.steps[dim] = w.fewest[dim, 0], w.fewest[dim, 1], w.fewest[dim, 2]


@lean
def decide_inner(w: Work, rows: Ints, dim: int, row: int) -> bool:
    """Take a candidate of the innermost tile; whether the side of the array has elements left for it."""
    if w.pick[dim] >= 0:
        clear_inner(w, rows, dim)
    side = rows[row, SIDE]
    if side >= 0:
        used = w.used[side] * rows[row, UNROLLED]
        if used > w.side[side, 0]:
            return False
        w.at[dim] = w.used[side]
        w.used[side] = used
    w.pick[dim] = row
    w.tile[w.inner, dim], w.low[w.inner, dim] = rows[row, TOGETHER], rows[row, TILE]
    w.copies[dim], w.trips[w.inner, dim] = rows[row, COPIES], rows[row, TRIPS]
    w.steps[dim] = rows[row, STEPS]
    return True


@lean
def place(w: Work, bounds: Bounds, level: int, decided: int) -> None:
    """Write where the trips decided of a level stand in the tables, the last of them new."""
    if decided <= 5:
        dim = WALKED[decided - 1]
        rung = bounds.rungs.at[bounds.rungs.start[dim] + int(w.trips[level, dim])]
        w.place[level, decided] = w.place[level, decided - 1] * bounds.rungs.many[dim] + rung
