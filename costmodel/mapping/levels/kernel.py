"""The compiled search: depth first through the tiles of one plan, from the innermost store outwards.

Levels, dimensions and the record ``w`` are those of :mod:`costmodel.mapping.levels.arrays`, the tables ``spans`` and ``wants``
those of :mod:`costmodel.mapping.levels.tables`; the reasons are in ``docs/models/mapping.md``. Imported only when a search
runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.mapping.levels.arrays import (
    COPIES,
    IFMAP,
    OFMAP,
    ORDER,
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
from costmodel.mapping.levels.compiled import compiled
from costmodel.mapping.levels.costs import (
    TIE,
    add_settled,
    add_waiting,
    element_sweeps,
    improves,
    least_walk,
    must_equal,
    score,
    sweeps,
    times,
)
from costmodel.mapping.levels.inner import Entries
from costmodel.mapping.levels.least import (
    WALKED,
    Bounds,
    Known,
    Rungs,
    add_least,
    confined,
    least_nested,
    tables_of,
)
from costmodel.mapping.levels.pin_kernel import lost, pinned
from costmodel.mapping.levels.tables import better

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster


FIRST = 13
"""Depth at which the search of the rest begins, ``n p r q s`` of the innermost tile taken."""


class Form(NamedTuple):
    """A plan as arrays: see :class:`costmodel.mapping.levels.forms.Plan`."""

    stays: Ints
    tied: Ints
    holds: Ints
    always: Floats
    flow: Floats
    outer: Floats
    own: Floats
    counted: Ints
    walked: int
    stores: int


class Queue(NamedTuple):
    """Innermost candidates along ``c`` and ``k`` in the order of their bounds: rows (2, M) and bounds (2, M, 2)."""

    row: Ints
    bound: Floats


@compiled
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


@compiled
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


@compiled
def axis_extent(w: Work, spans: Floats, axis: int, level: int, many: float) -> float:
    """Positions along an axis in the least tile; where many elements share it, what lies between their tiles left out."""
    outputs, taps = w.low[level, P + axis], w.low[level, R + axis]
    stride, dilation = w.gaps[axis, 0], w.gaps[axis, 1]
    extent = spans[axis, 0, outputs, taps]
    touching = dilation == 1 and (outputs == 1 or stride <= taps)
    touching = touching or (stride == 1 and (taps == 1 or dilation <= outputs))
    return extent if many == 1 or touching else min(extent, 1.0)


@compiled
def footprints(w: Work, spans: Floats, level: int, many: float) -> tuple[float, float, float]:
    """Elements of every operand in the least tile that a level can have."""
    low = w.low
    area = axis_extent(w, spans, 0, level, many) * axis_extent(w, spans, 1, level, many)
    weight = float(low[level, G] * low[level, K]) * float(low[level, C] * low[level, R] * low[level, S])
    ifmap = float(low[level, G] * low[level, N]) * low[level, C] * area
    ofmap = float(low[level, G] * low[level, N]) * float(low[level, K]) * float(low[level, P] * low[level, Q])
    return weight, ifmap, ofmap


@compiled
def most(w: Work, spans: Floats, level: int, dim: int, width: float, many: float) -> float:
    """How many times the least tile fits into a store along ``c`` or ``k``."""
    weight, ifmap, ofmap = footprints(w, spans, level, many)
    return times(w, level, weight, ifmap, ofmap, OFMAP if dim == C else IFMAP, width, many)


@compiled
def fits(w: Work, spans: Floats, rows: Ints, level: int) -> bool:
    """Whether what is decided of a level's tile, the rest as small as possible, has room."""
    return level > w.last or most(w, spans, level, K, ofmap_width(w, rows, level), 1.0) >= 1


@compiled
def expect(w: Work, spans: Floats, level: int, width: float, many: float) -> None:
    """Write the fewest trips of ``c`` and ``k``, while undecided, that the room left allows."""
    for dim in (C, K):
        if w.tile[level, dim] == 0:
            low = w.low[level, dim]
            w.low[level, dim] = 1  # the whole extent need not be a whole number of tiles of the level inside
            tile = min(most(w, spans, level, dim, width, many), float(w.cap[level, dim]))
            w.low[level, dim] = low
            w.trips[level, dim] = np.ceil(w.extent[dim] / tile)


@compiled
def expect_elements(w: Work, spans: Floats, rows: Ints) -> None:
    """Write the fewest copies and trips of ``c`` and ``k``, while undecided, that room and sides left allow."""
    width = ofmap_width(w, rows, w.inner)
    for dim in (C, K):
        if w.pick[dim] < 0:
            tile = 1.0
            if w.inner == w.last:
                tile = min(most(w, spans, w.inner, dim, width, 1.0), float(w.extent[dim]))
            copies = np.ceil(w.extent[dim] / tile)
            many = 1
            for side in range(w.sides):
                if w.unrolls[dim, side]:
                    many = max(many, w.side[side, 0] // w.used[side])
            w.copies[dim] = max(copies, w.fewest[dim, 0])
            w.trips[w.inner, dim] = max(np.ceil(copies / many), w.fewest[dim, 1])


@compiled
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


@compiled
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


@compiled
def allowed(w: Work, spans: Floats, level: int, dim: int, size: int, inside: int, factor: int) -> int:
    """Next smaller number of inner tiles in a tile that pins allow and that can be best; 0 after the last, and before all."""
    if w.pin[level, dim] > 0 or w.within[level, dim] > 0:
        return pinned(w, level, dim, size, inside, factor)
    return following(spans, dim, w.extent[dim], size, inside, factor)


@compiled
def take_tied(w: Work, level: int) -> None:
    """Take what is decided of the next level inside along the dimensions that are tied to it."""
    for dim in range(8):
        if w.tile[level + 1, dim] > 0 and must_equal(w, level, dim):
            w.tile[level, dim], w.low[level, dim] = w.tile[level + 1, dim], w.tile[level + 1, dim]
            w.trips[level, dim] = w.trips[level + 1, dim]


@compiled
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


@compiled
def clear_inner(w: Work, rows: Ints, dim: int) -> None:
    """Forget the innermost tile along a dimension."""
    level, row = w.inner, w.pick[dim]
    if row >= 0 and rows[row, SIDE] >= 0:
        w.used[rows[row, SIDE]] = w.at[dim]
    w.tile[level, dim], w.low[level, dim], w.pick[dim] = 0, 1, -1
    w.copies[dim], w.trips[level, dim], w.steps[dim] = w.fewest[dim, 0], w.fewest[dim, 1], w.fewest[dim, 2]


@compiled
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


@compiled
def place(w: Work, bounds: Bounds, level: int, decided: int) -> None:
    """Write where the trips decided of a level stand in the tables, the last of them new."""
    if decided <= 5:
        dim = WALKED[decided - 1]
        rung = bounds.rungs.at[bounds.rungs.start[dim] + int(w.trips[level, dim])]
        w.place[level, decided] = w.place[level, decided - 1] * bounds.rungs.many[dim] + rung


@compiled
def promising(w: Work, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, level: int, decided: int) -> bool:
    """Whether what is decided can be part of a mapping that is better than the best found."""
    if decided <= 5:
        place(w, bounds, level, decided)
    at_table = bounds.begin[min(decided, 5)] + w.place[level, min(decided, 5)]
    if level < w.inner and decided <= 5:
        for at in range(w.resources):
            w.total[at] = w.reached[level + 1, at] + bounds.own[level, at_table, at]
        first, second = score(w, fewest_steps(w))
        if not improves(w, first, second):
            return False
    if level == w.inner:
        expect_elements(w, spans, rows)
    else:
        expect(w, spans, level, ofmap_width(w, rows, level), 1.0)
    w.total[:] = w.settled[level + 1]
    add_settled(w, spans, rows, wants, level)
    add_waiting(w, spans, rows, wants, level)
    for at in range(w.resources):
        w.reached[level, at] = w.total[at]
        w.total[at] += bounds.nested[level - 1, at_table, at]
    first, second = score(w, fewest_steps(w))
    return improves(w, first, second)


@compiled
def decisive(w: Work) -> tuple[int, float]:
    """Resource that decides whether what was scored last can beat the best (-1: none), and what it must stay below."""
    static = w.static_pj_per_s * w.latency
    if w.kind == 3 and not w.second:
        return w.resources - 1, w.best[0]
    if w.kind == 0 and not w.second:
        return 0, w.best[0] - static
    if w.kind == 2 and not w.second:
        return 0, w.best[0] / w.latency - static if w.latency > 0 else np.inf
    if w.kind != 0 and w.second:
        return 0, w.best[1] - static
    return -1, np.inf


@compiled
def nests(w: Work, bounds: Bounds, level: int, at: int, limit: float) -> bool:
    """Whether the next level outside, whole numbers of what is decided, can stay below a limit; add how much dearer it is."""
    charged = bounds.nested[level - 1, bounds.begin[5] + w.place[level, 5], at]
    left = limit * (1 + TIE) - (w.total[at] - charged)
    found = least_nested(w, bounds, level - 1, at, left)
    if found >= left:
        return False
    w.total[at] += max(found - charged, 0.0)
    return True


@compiled
def refined(w: Work, bounds: Bounds, level: int) -> tuple[float, float]:
    """Bound of what was scored last, the next level outside whole numbers of what is decided; infinite if no better."""
    at, limit = decisive(w)
    if at >= 0 and level > 1 and limit < np.inf:
        if w.kind == 3 and w.second and not nests(w, bounds, level, w.resources - 1, w.best[0] * (1 + TIE)):
            return np.inf, np.inf
        if not nests(w, bounds, level, at, limit):
            return np.inf, np.inf
    return score(w, fewest_steps(w))


@compiled
def settle(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Write what is exact from a level inwards."""
    w.total[:] = w.settled[level + 1]
    add_settled(w, spans, rows, wants, level)
    w.settled[level] = w.total


@compiled
def complete(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Settle a level whose tile is decided, and open the next one outside; the backing store settles at once."""
    settle(w, spans, rows, wants, level)
    for dim in range(8):
        w.tile[level - 1, dim] = w.extent[dim] if level == 1 else 0
        w.low[level - 1, dim], w.trips[level - 1, dim] = w.tile[level, dim], 1.0
    if level == 1:
        settle(w, spans, rows, wants, 0)
    else:
        w.tile[level - 1, G] = w.tile[level, G]
        take_tied(w, level - 1)


@compiled
def record(w: Work) -> None:
    """Keep a mapping if it is better than the best; each loop that elements may walk is looked at."""
    steps = fewest_steps(w)
    for walk in range(5 if w.inner == w.last else 1):
        for at in range(w.resources):
            w.total[at] = w.settled[0, at]
            if w.inner == w.last:
                w.total[at] += w.walks[walk, at] - least_walk(w, at)
        first, second = score(w, steps)
        if improves(w, first, second):
            w.best[1] = second
            if not w.second:
                w.best[0] = first
            w.found = 1
            w.best_tile[:] = w.tile
            w.best_pick[:] = w.pick


@compiled
def load(w: Work, one: Form) -> None:
    """Write a plan into the record."""
    many, levels = w.resources, len(one.stays)
    w.stays[:], w.tied[:] = -1, 0
    for at in range(levels):
        w.stays[1 + at], w.tied[1 + at] = one.stays[at], one.tied[at]
    w.holds[: len(one.holds)], w.flow[: len(one.flow), :, :many] = one.holds, one.flow
    w.always[:many], w.outer[:, :many], w.own[:, :many] = one.always, one.outer, one.own
    w.counted[:], w.walked, w.stores = one.counted, one.walked, one.stores


@compiled
def take_form(works: Works, one: Form) -> None:
    """Write a plan into the record."""
    load(works[0], one)


@compiled
def bounded(works: Works, one: Form, rungs: Rungs, axes: Floats, kernels: Floats, known: Known) -> tuple[float, float]:
    """What no mapping of a plan undercuts, of what is minimised and of what decides among equals."""
    w = works[0]
    load(w, one)
    start(w)
    add_least(w, rungs, axes, kernels, known)
    return score(w, fewest_steps(w))


@compiled
def opened(works: Works, one: Form, rungs: Rungs, axes: Floats, kernels: Floats, begin: Ints) -> Bounds:
    """Write a plan into the record, and return its tables."""
    w = works[0]
    load(w, one)
    own_kernels = confined(w, rungs, kernels, 1)
    own, nested, per = tables_of(w, rungs, axes, own_kernels)
    return Bounds(rungs, begin, own, nested, per, own_kernels, axes)


@compiled
def worthwhile(works: Works, first: float, second: float) -> bool:
    """Whether a bound is better than the best found."""
    return improves(works[0], first, second)


@compiled
def start(w: Work) -> None:
    """Forget every innermost tile."""
    w.pick[:] = -1
    w.used[:] = 1
    w.walking = 0
    w.settled[w.inner + 1] = w.always
    w.place[w.inner, 0] = 0


@compiled
def rank(w: Work, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, queue: Queue, dim: int) -> None:
    """Put the candidates along a dimension that may be part of a mapping better than the best in the order of their bounds."""
    at, count = 0 if dim == C else 1, 0
    clear_inner(w, rows, dim)
    longest, whole = np.inf, np.inf
    if w.inner == w.last:
        longest = most(w, spans, w.inner, dim, ofmap_width(w, rows, w.inner) if dim == K else w.bits[3], 1.0)
        whole = max(longest, most(w, spans, w.inner, dim, w.bits[2], 1.0))
    for row in range(w.begin[dim], w.begin[dim + 1]):
        all_of_it = rows[row, TILE] == w.extent[dim]
        if rows[row, TILE] > (whole if all_of_it else longest) or not decide_inner(w, rows, dim, row) or lost(w, w.inner):
            continue
        if all_of_it and not fits(w, spans, rows, w.inner):
            continue
        if promising(w, spans, rows, wants, bounds, w.inner, 6 if dim == C else 7):
            first, second = refined(w, bounds, w.inner)
            if improves(w, first, second):
                queue.row[at, count], queue.bound[at, count, 0], queue.bound[at, count, 1] = row, first, second
                count += 1
    clear_inner(w, rows, dim)
    order = np.argsort(queue.bound[at, :count, w.second], kind="mergesort")
    queue.row[at, :count], queue.bound[at, :count] = queue.row[at, :count][order], queue.bound[at, :count][order]
    w.ranked[at] = count
    w.at[FIRST + at] = -1


@compiled
def next_ranked(w: Work, rows: Ints, queue: Queue, dim: int) -> tuple[bool, bool]:
    """Take the next of the candidates ranked along a dimension."""
    at = 0 if dim == C else 1
    w.at[FIRST + at] += 1
    place = w.at[FIRST + at]
    if place >= w.ranked[at] or not improves(w, queue.bound[at, place, 0], queue.bound[at, place, 1]):
        clear_inner(w, rows, dim)
        return False, False
    return True, decide_inner(w, rows, dim, queue.row[at, place])


@compiled
def take(
    w: Work, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, queue: Queue, one: Ints, two: Ints
) -> None:
    """Take the innermost candidates of ``n p r`` and of ``q s``, and go to where the search of the rest begins."""
    start(w)
    for dim in range(8):
        clear_inner(w, rows, dim)
    for at in range(5):
        decide_inner(w, rows, WALKED[at], one[at] if at < 3 else two[at - 2])
        place(w, bounds, w.inner, at + 1)
    w.depth = 0
    if promising(w, spans, rows, wants, bounds, w.inner, 5):
        first, second = refined(w, bounds, w.inner)
        if improves(w, first, second):
            w.depth = FIRST
            rank(w, spans, rows, wants, bounds, queue, C)


@compiled
def pursue(
    works: Works, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, queue: Queue, one: Entries, two: Entries,
    pairs: Ints, values: Floats, at: int, budget: int,
) -> int:
    """Search on from pair ``at`` of innermost entries, or in the middle of the one before, for some steps; where it stands."""
    w = works[0]
    budget += w.count
    while True:
        if w.depth >= FIRST and explore(w, spans, rows, wants, bounds, queue, budget - w.count):
            return at
        w.depth = 0
        if at == len(pairs) or w.count > budget:
            return at
        w.count += 1
        value = values[at]
        if improves(w, w.best[0] if w.second else value, value if w.second else 0.0):
            take(w, spans, rows, wants, bounds, queue, one.rows[pairs[at, 0]], two.rows[pairs[at, 1]])
        at += 1


@compiled
def decide(w: Work, spans: Floats, rows: Ints, queue: Queue, level: int, dim: int) -> tuple[bool, bool]:
    """Take the next tile of a level along a dimension: whether there is one left, and whether it can be taken."""
    depth = w.depth
    if level < w.inner:
        w.at[depth] = decide_outer(w, spans, level, dim, w.at[depth])
        return w.at[depth] > 0, w.at[depth] > 0
    if dim != G:
        return next_ranked(w, rows, queue, dim)
    w.at[depth] += 1
    if w.at[depth] >= w.begin[dim + 1]:
        clear_inner(w, rows, dim)
        return False, False
    return True, decide_inner(w, rows, dim, w.at[depth])


@compiled
def explore(w: Work, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, queue: Queue, budget: int) -> bool:
    """Search on with the tile taken, for a number of steps; whether it is not finished."""
    last = 16 + 7 * (w.inner - 1) - 1
    while w.depth >= FIRST and budget > 0:
        budget -= 1
        w.count += 1
        depth = w.depth
        level = w.inner if depth < 16 else w.inner - 1 - (depth - 16) // 7
        position = depth - 8 if depth < 16 else (depth - 16) % 7
        dim = ORDER[position]
        more, taken = decide(w, spans, rows, queue, level, dim)
        if not more:
            w.depth -= 1
        if not taken or lost(w, level) or not fits(w, spans, rows, level):
            continue
        if not promising(w, spans, rows, wants, bounds, level, position + 1):
            if depth >= 16 and dim == K:
                w.at[depth] = 1  # smaller tiles cost more, and leave no other dimension more room
            continue
        if 1 < level < w.inner and position >= 4 and refined(w, bounds, level)[0] == np.inf:
            continue
        if dim == (G if depth < 16 else K):
            complete(w, spans, rows, wants, level)
        if depth == last:
            record(w)
            continue
        w.depth += 1
        w.at[w.depth] = w.begin[G] - 1 if w.depth == 15 else 0
        if w.depth == FIRST + 1:
            rank(w, spans, rows, wants, bounds, queue, K)
    return w.depth >= FIRST
