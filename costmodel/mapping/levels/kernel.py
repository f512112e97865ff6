"""The compiled search: depth first through the tiles of one plan, from the innermost store outwards.

Levels, dimensions and the record ``w`` are those of :mod:`costmodel.mapping.levels.arrays`, the tables ``spans`` and ``wants``
those of :mod:`costmodel.mapping.levels.tables`; the reasons are in ``docs/models/mapping.md``. Imported only when a search
runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    WEIGHT,
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
from costmodel.mapping.levels.tables import better, cover, wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record

TIE = 1e-12
"""Relative difference below which two costs, summed in different orders, are the same."""


@compiled
def is_free(operand: int, dim: int) -> bool:
    """Whether an operand does not depend on a loop."""
    if operand == WEIGHT:
        return dim == N or dim == P or dim == Q  # noqa: PLR1714  # compiled faster than a membership test
    if operand == IFMAP:
        return dim == K
    return dim == C or dim == R or dim == S  # noqa: PLR1714


@compiled
def sweeps(w: Work, operand: int, level: int) -> float:
    """Product of the trips of the loops that an operand does not depend on."""
    trips = w.trips
    if operand == WEIGHT:
        return trips[level, N] * trips[level, P] * trips[level, Q]
    if operand == IFMAP:
        return trips[level, K]
    return trips[level, C] * trips[level, R] * trips[level, S]


@compiled
def axis_cover(w: Work, spans: Floats, axis: int, level: int, outer: int, loop: int) -> float:
    """Positions fetched along an axis in one sweep, at least those where its tile is undecided; outer tile of level ``outer``."""
    out, tap = P + axis, R + axis
    outputs, taps = w.tile[level, out], w.tile[level, tap]
    if outputs == 0 or taps == 0:
        return w.least[axis]
    size, wide = w.extent[out], w.extent[tap]
    if loop == 0:
        return spans[axis, 1, outputs, taps] + spans[axis, 2, outputs, taps]
    outer_outputs, outer_taps = w.tile[outer, out], w.tile[outer, tap]
    if outer_outputs == 0:
        outer_outputs = size
    if outer_taps == 0:
        outer_taps = wide
    return cover(spans[axis], size, wide, w.gaps[axis, 0], w.gaps[axis, 1], outputs, taps, outer_outputs, outer_taps, loop)


@compiled
def halo(w: Work, spans: Floats, stay: int, level: int, outer: int) -> float:
    """Positions of the ifmap fetched in one sweep, the best of the loops that a form allows walked innermost."""
    high, wide = axis_cover(w, spans, 0, level, outer, 0), axis_cover(w, spans, 1, level, outer, 0)
    kept_high, kept_wide = high, wide
    if stay != OFMAP:
        kept_high = min(kept_high, axis_cover(w, spans, 0, level, outer, 1))
        kept_wide = min(kept_wide, axis_cover(w, spans, 1, level, outer, 1))
    if stay != WEIGHT:
        kept_high = min(kept_high, axis_cover(w, spans, 0, level, outer, 2))
        kept_wide = min(kept_wide, axis_cover(w, spans, 1, level, outer, 2))
    return min(kept_high * wide, high * kept_wide)


@compiled
def copies_along(w: Work, rows: Ints, level: int, dim: int) -> float:
    """Copies in elements along a dimension: of every tile, or while a loop runs, of those busy in each tile outside."""
    if level == w.last:
        return w.copies[dim]
    row = w.pick[dim]
    if row < 0:
        return w.trips[level, dim]
    many, own = rows[row, UNROLLED], rows[row, TILE]
    total = w.extent[dim]
    tile = w.tile[level, dim] if w.tile[level, dim] > 0 else total
    trips = -(-total // tile)
    rest = total - (trips - 1) * tile
    return float((trips - 1) * many + min(many, -(-rest // own)))


@compiled
def is_apart(w: Work, rows: Ints, operand: int, dim: int) -> bool:
    """Whether elements along a dimension each need an access of their own to the store outside."""
    row = w.pick[dim]
    if row < 0 or rows[row, SIDE] < 0:
        return False
    return w.side[rows[row, SIDE], 2 if operand == OFMAP else 1] == 0


@compiled
def element_sweeps(w: Work, rows: Ints, operand: int, level: int) -> tuple[float, float]:
    """Sweeps over an operand for elements of the array: at the store outside, and copies counted, in them."""
    shared, own = 1.0, 1.0
    for dim in range(8):
        if is_free(operand, dim):
            copies = copies_along(w, rows, level, dim)
            own *= copies
            shared *= copies if is_apart(w, rows, operand, dim) else w.trips[level, dim]
    return shared, own


@compiled
def element_axis(w: Work, spans: Floats, rows: Ints, wants: Floats, axis: int, outer: int, loop: int) -> tuple[float, float]:
    """Positions along an axis that elements read, and that are written in them."""
    out, tap = P + axis, R + axis
    a, b = w.pick[out], w.pick[tap]
    if a < 0 or b < 0:
        return w.least[axis], w.least[axis]
    if rows[a, UNROLLED] * rows[b, UNROLLED] == 1:
        alone = axis_cover(w, spans, axis, w.last, outer, loop)
        return alone, alone
    at, to = a - w.begin[out], b - w.begin[tap]
    if wants[axis, at, to] < 0:
        many = rows[a, UNROLLED] if not is_apart(w, rows, IFMAP, out) else 1
        wide = rows[b, UNROLLED] if not is_apart(w, rows, IFMAP, tap) else 1
        wants[axis, at, to] = wanted(
            w.extent[out], w.extent[tap], w.gaps[axis], w.geometry[axis], rows[a, TILE], many, rows[b, TILE], wide
        )
    own = spans[axis, 1, rows[a, TILE], rows[b, TILE]] + spans[axis, 2, rows[a, TILE], rows[b, TILE]]
    return wants[axis, at, to], own


@compiled
def element_walk(w: Work, spans: Floats, rows: Ints, wants: Floats, outer: int, walk: int) -> tuple[float, float]:
    """Positions that elements read, and that are written in them, while a loop is walked: none, p, q, r, s."""
    high, high_own = element_axis(w, spans, rows, wants, 0, outer, 1 if walk == 1 else (2 if walk == 3 else 0))
    wide, wide_own = element_axis(w, spans, rows, wants, 1, outer, 1 if walk == 2 else (2 if walk == 4 else 0))
    return high * wide, high_own * wide_own


@compiled
def ifmap_walks(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int, outer: int) -> None:
    """Write what elements exchange of the ifmap for each loop walked innermost; infinite where the form does not allow it."""
    shared, own = element_sweeps(w, rows, IFMAP, level)
    stay = w.stays[w.walked + 1]
    for walk in range(5):
        allowed = walk == 0 or (stay != OFMAP if walk <= 2 else stay != WEIGHT)
        if allowed:
            read, written = element_walk(w, spans, rows, wants, outer, walk)
            for at in range(w.resources):
                w.walks[walk, at] = w.outer[IFMAP, at] * shared * read + w.own[IFMAP, at] * own * written
        else:
            w.walks[walk] = np.inf


@compiled
def least_walk(w: Work, at: int) -> float:
    """Least of a resource over the loops walked."""
    return min(min(w.walks[0, at], w.walks[1, at]), min(w.walks[2, at], w.walks[3, at]), w.walks[4, at])


@compiled
def settles(w: Work, operand: int) -> int:
    """Level whose tile settles what elements exchange of an operand."""
    return w.walked if operand == IFMAP else w.counted[operand]


@compiled
def charge(w: Work, level: int, operand: int, count: float) -> None:
    """Add what crosses a boundary in ``count`` sweeps."""
    for at in range(w.resources):
        w.total[at] += w.flow[level, operand, at] * count


@compiled
def add_settled(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Add what is exact once the tile of a level is known, the ifmap's overlap kept with the one inside included."""
    inside = level + 1
    if 1 <= level < w.stores:
        if w.stays[level] != WEIGHT:
            charge(w, level, WEIGHT, sweeps(w, WEIGHT, level))
        if w.stays[level] != OFMAP:
            charge(w, level, OFMAP, sweeps(w, OFMAP, level))
    if inside < w.stores:
        stay = w.stays[inside]
        if stay != IFMAP:
            charge(w, inside, stay, sweeps(w, stay, level))
        count = w.trips[level, K] if stay == IFMAP else w.trips[inside, K]
        charge(w, inside, IFMAP, count * halo(w, spans, stay, inside, level))
    if w.inner == w.last:
        add_elements(w, spans, rows, wants, level)


@compiled
def add_elements(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Add what elements exchange that the tile of this level settles."""
    for operand in (WEIGHT, OFMAP):
        if w.counted[operand] == level:
            shared, own = element_sweeps(w, rows, operand, level)
            for at in range(w.resources):
                w.total[at] += w.outer[operand, at] * shared + w.own[operand, at] * own
    if settles(w, IFMAP) == level:
        ifmap_walks(w, spans, rows, wants, w.counted[IFMAP], level)
        for at in range(w.resources):
            w.total[at] += least_walk(w, at)


@compiled
def add_waiting(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Add the least of what is known at a level but settled further out, less what those levels are charged anyway."""
    if 1 <= level < w.stores:
        fetched = halo(w, spans, w.stays[level], level, 0)
        if w.stays[level] == IFMAP:
            charge(w, level, IFMAP, fetched - w.least[0] * w.least[1])
        else:
            charge(w, level, IFMAP, fetched * w.trips[level, K])
    if w.inner != w.last:
        return
    if level == w.last:
        for operand in range(3):
            wait(w, spans, rows, wants, operand)
    for operand in range(3):
        if settles(w, operand) < level:
            for at in range(w.resources):
                w.total[at] += w.waiting[operand, at]


@compiled
def wait(w: Work, spans: Floats, rows: Ints, wants: Floats, operand: int) -> None:
    """Write the least of what elements exchange of an operand, less what the level that settles it is charged anyway."""
    if w.counted[operand] == w.last:
        if operand == IFMAP:
            ifmap_walks(w, spans, rows, wants, w.last, 0)
            for at in range(w.resources):
                w.waiting[operand, at] = least_walk(w, at)
        return
    shared, own, charged = 1.0, 1.0, 1.0
    for dim in range(8):
        if is_free(operand, dim) and w.pick[dim] >= 0:
            busy = min(rows[w.pick[dim], UNROLLED], rows[w.pick[dim], COPIES])
            own *= busy
            shared *= busy if is_apart(w, rows, operand, dim) else 1
    if operand == IFMAP:
        charged = w.least[0] * w.least[1]
        least_read, least_written = np.inf, np.inf
        for walk in range(5):
            read, written = element_walk(w, spans, rows, wants, 0, walk)
            least_read, least_written = min(least_read, read), min(least_written, written)
        shared, own = shared * least_read, own * least_written
        w.known[0], w.known[1] = least_read, least_written
    for at in range(w.resources):
        w.waiting[operand, at] = w.outer[operand, at] * (shared - charged) + w.own[operand, at] * (own - charged)


@compiled
def add_alone(w: Work, spans: Floats, level: int) -> None:
    """Add the least that a level is charged, whatever the tiles of the others: what bounds levels not yet decided."""
    inside = level + 1
    least = w.least[0] * w.least[1]
    if 1 <= level < w.stores:
        stay = w.stays[level]
        if stay != WEIGHT:
            charge(w, level, WEIGHT, sweeps(w, WEIGHT, level))
        if stay != OFMAP:
            charge(w, level, OFMAP, sweeps(w, OFMAP, level))
        fetched = halo(w, spans, stay, level, 0)
        charge(w, level, IFMAP, fetched - least if stay == IFMAP else fetched * w.trips[level, K])
    if inside < w.stores:
        stay = w.stays[inside]
        charge(w, inside, stay, sweeps(w, stay, level) * (least if stay == IFMAP else 1.0))
    if w.inner == w.last:
        for operand in range(3):
            if w.counted[operand] == level:
                count = sweeps(w, operand, level)
                read = least + (count - 1) * w.fetched[0] if operand == IFMAP else count
                written = least + (count - 1) * w.fetched[1] if operand == IFMAP else count
                for at in range(w.resources):
                    w.total[at] += w.outer[operand, at] * read + w.own[operand, at] * written


@compiled
def score(w: Work, steps: float) -> tuple[float, float]:
    """What is minimised, and what decides among equals: energy, or latency where energy is minimised."""
    times = w.scale * steps + w.compute_s
    latency = max(times, w.feed_s) if w.overlap else times + w.feed_s
    for at in range(1, 1 + w.ports):
        latency = max(latency, w.total[at]) if w.overlap else latency + w.total[at]
    latency += w.overhead_s
    w.latency = latency
    energy = w.total[0] + w.static_pj_per_s * latency
    if w.kind == 0:
        return energy, latency
    if w.kind == 1:
        return latency, energy
    if w.kind == 2:
        return energy * latency, energy
    return w.total[w.resources - 1], energy


@compiled
def improves(w: Work, first: float, second: float) -> bool:
    """Whether a pair is better than the best: by its first entry, or, where that is settled, by its second."""
    if w.second:
        return first <= w.best[0] + TIE * abs(w.best[0]) and second < w.best[1] - TIE * abs(w.best[1])
    if w.best[0] == np.inf:
        return first < np.inf
    return first < w.best[0] - TIE * abs(w.best[0])


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
    """How many times the least tile fits into a store along ``c`` or ``k``, or in general (0 or 1 times for other dims)."""
    amounts = footprints(w, spans, level, many)
    fixed, growing, limit = 0.0, 0.0, np.inf
    for operand in range(3):
        amount = amounts[operand]
        grows = not is_free(operand, dim)
        if level == w.last and level == w.inner and amount > 0:
            times = w.values[operand] * many // amount
            limit = min(limit, times if grows or times < 1 else limit)
        if w.holds[level, operand]:
            bits = amount * (width if operand == OFMAP else w.bits[operand])
            part = w.room[level, 1 + operand]
            if part >= 0:
                if bits > 0:
                    times = part * many // bits
                    limit = min(limit, times if grows or times < 1 else limit)
            elif grows:
                growing += bits
            else:
                fixed += bits
    free = w.room[level, 0] * many - fixed
    if free < growing:
        return 0.0
    return min(limit, free // growing) if growing > 0 else limit


@compiled
def fits(w: Work, spans: Floats, rows: Ints, level: int) -> bool:
    """Whether what is decided of a level's tile, the rest as small as possible, has room."""
    return level > w.last or most(w, spans, level, K, ofmap_width(w, rows, level), 1.0) >= 1


@compiled
def expect(w: Work, spans: Floats, level: int, width: float, many: float) -> None:
    """Write the fewest trips of ``c`` and ``k``, while undecided, that the room left allows."""
    for dim in (C, K):
        if w.tile[level, dim] == 0:
            tile = min(w.low[level, dim] * most(w, spans, level, dim, width, many), float(w.extent[dim]))
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
    while factor > leader and not (
        spans[axis, 0, 0 if tap else trips, trips if tap else 0] > 0 and better(spans[axis], total, tap, size * factor, size * leader)
    ):
        factor -= 1
    return factor


@compiled
def must_equal(w: Work, level: int, dim: int) -> bool:
    """Whether the tile of a level is tied to the one inside along a dimension."""
    tied = w.tied[level + 1]
    return tied == 2 or (tied == 1 and not is_free(w.stays[level + 1], dim))


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
        return 1 - factor
    factor = following(spans, dim, w.extent[dim], size, inside, factor)
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
def promising(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> bool:
    """Whether what is decided can be part of a mapping that is better than the best found."""
    if level == w.inner:
        expect_elements(w, spans, rows)
    else:
        expect(w, spans, level, ofmap_width(w, rows, level), 1.0)
    for at in range(w.resources):
        w.total[at] = w.settled[level + 1, at] + w.rest[level, at]
    add_settled(w, spans, rows, wants, level)
    add_waiting(w, spans, rows, wants, level)
    refined = w.depth - 8
    if level == w.inner and refined > 4:
        w.total[decisive(w)[0]] += w.extra[1 if refined > 5 else 0]
    first, second = score(w, fewest_steps(w))
    return improves(w, first, second)


@compiled
def decisive(w: Work) -> tuple[int, float]:
    """Resource that decides whether what was scored last can be better than the best, and what must not be reached of it."""
    if w.kind == 3 and not w.second:
        return w.resources - 1, w.best[0]
    static = w.static_pj_per_s * w.latency
    if w.kind == 0 and not w.second:
        return 0, w.best[0] - static
    if w.kind == 2 and not w.second and w.latency > 0:
        return 0, w.best[0] / w.latency - static
    if w.kind != 0 and w.second:
        return 0, w.best[1] - static
    return 0, np.inf


@compiled
def refine(w: Work, spans: Floats, number: int) -> bool:
    """Whether the next level outside has a tile that is whole numbers of what is decided, cheap enough; write how much dearer."""
    at, limit = decisive(w)
    w.extra[number] = 0.0
    if limit == np.inf:
        return True
    level = w.inner - 1
    charged = w.rest[w.inner, at] - w.rest[level, at]
    left = limit * (1 + TIE) - w.total[at] + charged + (w.extra[0] if number == 1 else 0.0)
    if w.inner == w.last and w.counted[IFMAP] < w.last:
        w.fetched[:] = w.known
    found = least_alone(w, spans, level, at, 1.0, left, True)
    w.fetched[:] = w.least[0] * w.least[1]
    w.extra[number] = max(found - charged, 0.0)
    return found < left


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
def start(w: Work, rows: Ints) -> None:
    """Go to where the search of a plan begins."""
    w.pick[:] = -1
    w.used[:] = 1
    for dim in range(8):
        clear_inner(w, rows, dim)
    w.settled[w.inner + 1] = w.always
    w.depth = 8
    w.at[8] = w.begin[N] - 1


@compiled
def explore(w: Work, spans: Floats, rows: Ints, wants: Floats, budget: int) -> bool:
    """Search on from where the plan's search stands, for a number of steps; whether it is not finished."""
    last = 16 + 7 * (w.inner - 1) - 1
    while w.depth >= 8 and budget > 0:
        budget -= 1
        w.count += 1
        depth = w.depth
        if depth < 16:
            level, dim = w.inner, ORDER[depth - 8]
            w.at[depth] += 1
            if w.at[depth] >= w.begin[dim + 1]:
                clear_inner(w, rows, dim)
                w.depth -= 1
                continue
            if not decide_inner(w, rows, dim, w.at[depth]):
                continue
        else:
            level, dim = w.inner - 1 - (depth - 16) // 7, ORDER[(depth - 16) % 7]
            w.at[depth] = decide_outer(w, spans, level, dim, w.at[depth])
            if w.at[depth] == 0:
                w.depth -= 1
                continue
        if not fits(w, spans, rows, level):
            continue
        if not promising(w, spans, rows, wants, level):
            if depth >= 16 and dim == K:
                w.at[depth] = 1  # smaller tiles cost more, and leave no other dimension more room
            continue
        if depth in (12, 13) and w.inner > 1 and not refine(w, spans, depth - 12):
            continue
        if dim == (G if depth < 16 else K):
            complete(w, spans, rows, wants, level)
        if depth == last:
            record(w)
        else:
            w.depth += 1
            w.at[w.depth] = w.begin[ORDER[w.depth - 8]] - 1 if w.depth < 16 else 0
    return w.depth >= 8


@compiled
def fewest_of_all(w: Work, spans: Floats, rows: Ints) -> float:
    """Fewest steps of any innermost tile that has room."""
    start(w, rows)
    w.least_steps = 0.0
    best = np.inf
    while w.depth >= 8:
        dim = ORDER[w.depth - 8]
        w.at[w.depth] += 1
        if w.at[w.depth] >= w.begin[dim + 1]:
            clear_inner(w, rows, dim)
            w.depth -= 1
        elif decide_inner(w, rows, dim, w.at[w.depth]) and fits(w, spans, rows, w.inner) and fewest_steps(w) < best:
            if w.depth == 15:
                best = fewest_steps(w)
            else:
                w.depth += 1
                w.at[w.depth] = w.begin[ORDER[w.depth - 8]] - 1
    return best


@compiled
def decide_alone(w: Work, spans: Floats, level: int, dim: int, factor: int, nested: bool) -> int:
    """Take the next tile of a level considered by itself; 0 when there is none left."""
    size, inside = 1, w.extent[dim]
    if nested and w.tile[level + 1, dim] > 0:
        if must_equal(w, level, dim):
            return 1 - factor
        size, inside = w.tile[level + 1, dim], int(w.trips[level + 1, dim])
    factor = following(spans, dim, w.extent[dim], size, inside, factor)
    tile = min(size * factor, w.extent[dim])
    w.tile[level, dim], w.low[level, dim] = tile, tile if factor > 0 else size
    w.trips[level, dim] = float(-(-w.extent[dim] // tile)) if tile > 0 else 1.0
    return factor


@compiled
def least_alone(w: Work, spans: Floats, level: int, resource: int, elements: float, best: float, nested: bool) -> float:
    """Least, below ``best``, that a level is charged of a resource, its tile as free as its room allows.

    Where ``nested``, it is whole numbers of what is decided of the next level inside.
    """
    at = np.zeros(7, dtype=np.int64)
    for dim in range(8):
        w.tile[level, dim], w.trips[level, dim], w.low[level, dim] = 0, 1.0, 1
        if nested and w.tile[level + 1, dim] > 0:
            w.low[level, dim] = w.tile[level + 1, dim]
    if nested:
        take_tied(w, level)
    depth = 0
    while depth >= 0:
        dim = ORDER[depth]
        at[depth] = decide_alone(w, spans, level, dim, at[depth], nested)
        if at[depth] == 0:
            depth -= 1
            continue
        width = alone_width(w, level)
        if most(w, spans, level, K, width, elements) < 1:
            continue
        expect(w, spans, level, width, elements)
        w.total[:] = 0.0
        add_alone(w, spans, level)
        if w.total[resource] >= best:
            if dim == K:
                at[depth] = 1
            continue
        if depth == 6:
            best = w.total[resource]
        else:
            depth += 1
            at[depth] = 0
    return best


@compiled
def alone_width(w: Work, level: int) -> float:
    """Least bits of an output in a store of which nothing else is known."""
    for dim in (C, R, S):
        if 0 < w.tile[level, dim] < w.extent[dim]:
            return w.bits[3]
    return min(w.bits[2], w.bits[3])


@compiled
def charged_outermost(w: Work, spans: Floats) -> None:
    """Write what the backing store is charged whatever the mapping."""
    w.tile[0], w.trips[0], w.total[:] = w.extent, 1.0, 0.0
    add_alone(w, spans, 0)
