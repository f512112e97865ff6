"""What a mapping costs so far, and at least: compiled, and called for every step of the search.

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
    SIDE,
    TILE,
    UNROLLED,
    WEIGHT,
    C,
    K,
    N,
    P,
    Q,
    R,
    S,
)
from costmodel.mapping.levels.compiled import lean
from costmodel.mapping.levels.tables import cover

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record

TIE = 1e-12
"""Relative difference below which two costs, summed in different orders, are the same."""


@lean
def is_free(operand: int, dim: int) -> bool:
    """Whether an operand does not depend on a loop."""
    if operand == WEIGHT:
        return dim == N or dim == P or dim == Q  # noqa: PLR1714  # compiled faster than a membership test
    if operand == IFMAP:
        return dim == K
    return dim == C or dim == R or dim == S  # noqa: PLR1714


@lean
def must_equal(w: Work, level: int, dim: int) -> bool:
    """Whether the tile of a level is tied to the one inside along a dimension."""
    tied = w.tied[level + 1]
    return tied == 2 or (tied == 1 and not is_free(w.stays[level + 1], dim))


@lean
def times(w: Work, level: int, weight: float, ifmap: float, ofmap: float, still: int, width: float, many: float) -> float:
    """How often elements of operands fit into ``many`` times a level, if all but those of ``still`` grow; 0 if not once."""
    limit, growing, fixed = np.inf, 0.0, 0.0
    for operand in range(3):
        amount = weight if operand == WEIGHT else (ifmap if operand == IFMAP else ofmap)
        if level == w.last and level == w.inner and amount > 0:
            often = np.floor(w.values[operand] * many / amount)
            limit = min(limit, often if operand != still or often < 1 else limit)
        if w.holds[level, operand]:
            bits = amount * (width if operand == OFMAP else w.bits[operand])
            part = w.room[level, 1 + operand]
            if part >= 0:
                if bits > 0:
                    often = np.floor(part * many / bits)
                    limit = min(limit, often if operand != still or often < 1 else limit)
            elif operand != still:
                growing += bits
            else:
                fixed += bits
    free = w.room[level, 0] * many - fixed
    if free < growing:
        return 0.0
    return min(limit, np.floor(free / growing)) if growing > 0 else limit


@lean
def sweeps(w: Work, operand: int, level: int) -> float:
    """Product of the trips of the loops that an operand does not depend on."""
    trips = w.trips
    if operand == WEIGHT:
        return trips[level, N] * trips[level, P] * trips[level, Q]
    if operand == IFMAP:
        return trips[level, K]
    return trips[level, C] * trips[level, R] * trips[level, S]


@lean
def axis_cover(w: Work, spans: Floats, axis: int, level: int, outer: int, loop: int) -> float:
    """Positions fetched along an axis in one sweep, at least those where its tile is undecided."""
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


@lean
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


@lean
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


@lean
def is_apart(w: Work, rows: Ints, operand: int, dim: int) -> bool:
    """Whether elements along a dimension each need an access of their own to the store outside."""
    row = w.pick[dim]
    if row < 0 or rows[row, SIDE] < 0:
        return False
    return w.side[rows[row, SIDE], 2 if operand == OFMAP else 1] == 0


@lean
def sweeps_along(w: Work, rows: Ints, operand: int, level: int, dim: int) -> tuple[float, float]:
    """Trips along a dimension that an operand does not depend on: as the store outside sees them, and copies in elements."""
    copies = copies_along(w, rows, level, dim)
    return copies if is_apart(w, rows, operand, dim) else w.trips[level, dim], copies


@lean
def element_sweeps(w: Work, rows: Ints, operand: int, level: int) -> tuple[float, float]:
    """Sweeps over an operand for elements of the array: at the store outside, and copies counted, in them."""
    if operand == IFMAP:
        return sweeps_along(w, rows, operand, level, K)
    one, two, three = (N, P, Q) if operand == WEIGHT else (C, R, S)
    shared, own = sweeps_along(w, rows, operand, level, one)
    more_shared, more_own = sweeps_along(w, rows, operand, level, two)
    last_shared, last_own = sweeps_along(w, rows, operand, level, three)
    return shared * more_shared * last_shared, own * more_own * last_own


@lean
def element_axis(w: Work, spans: Floats, rows: Ints, wants: Floats, axis: int, outer: int, loop: int) -> tuple[float, float]:
    """Positions along an axis that elements read, and that are written in them."""
    out, tap = P + axis, R + axis
    a, b = w.pick[out], w.pick[tap]
    if a < 0 or b < 0:
        return w.least[axis], w.least[axis]
    if rows[a, UNROLLED] * rows[b, UNROLLED] == 1:
        alone = axis_cover(w, spans, axis, w.last, outer, loop)
        return alone, alone
    own = spans[axis, 1, rows[a, TILE], rows[b, TILE]] + spans[axis, 2, rows[a, TILE], rows[b, TILE]]
    return wants[axis, a - w.begin[out], b - w.begin[tap]], own


@lean
def element_walks(w: Work, spans: Floats, rows: Ints, wants: Floats, outer: int) -> None:
    """Write positions that elements read, and that are written in them, for each loop walked: none, p, q, r, s.

    They are infinite where the form of the block does not allow the loop.
    """
    stay = w.stays[w.walked + 1]
    high, high_own = element_axis(w, spans, rows, wants, 0, outer, 0)
    wide, wide_own = element_axis(w, spans, rows, wants, 1, outer, 0)
    w.read[:], w.written[:] = np.inf, np.inf
    w.read[0], w.written[0] = high * wide, high_own * wide_own
    for loop in range(1, 3):
        if stay != (OFMAP if loop == 1 else WEIGHT):
            kept, kept_own = element_axis(w, spans, rows, wants, 0, outer, loop)
            w.read[2 * loop - 1], w.written[2 * loop - 1] = kept * wide, kept_own * wide_own
            kept, kept_own = element_axis(w, spans, rows, wants, 1, outer, loop)
            w.read[2 * loop], w.written[2 * loop] = high * kept, high_own * kept_own


@lean
def sum_walks(w: Work, rows: Ints, level: int) -> None:
    """Write what elements exchange of the ifmap for each loop walked; infinite where the form does not allow it."""
    shared, own = element_sweeps(w, rows, IFMAP, level)
    for walk in range(5):
        if w.read[walk] == np.inf:
            w.walks[walk] = np.inf
            continue
        for at in range(w.resources):
            w.walks[walk, at] = w.outer[IFMAP, at] * shared * w.read[walk] + w.own[IFMAP, at] * own * w.written[walk]


@lean
def least_walk(w: Work, at: int) -> float:
    """Least of a resource over the loops walked."""
    return min(w.walks[0, at], w.walks[1, at], w.walks[2, at], w.walks[3, at], w.walks[4, at])


@lean
def settles(w: Work, operand: int) -> int:
    """Level whose tile settles what elements exchange of an operand."""
    return w.walked if operand == IFMAP else w.counted[operand]


@lean
def charge(w: Work, level: int, operand: int, count: float) -> None:
    """Add what crosses a boundary in ``count`` sweeps."""
    for at in range(w.resources):
        w.total[at] += w.flow[level, operand, at] * count


@lean
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


@lean
def add_elements(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Add what elements exchange that the tile of this level settles."""
    for operand in (WEIGHT, OFMAP):
        if w.counted[operand] == level:
            shared, own = element_sweeps(w, rows, operand, level)
            for at in range(w.resources):
                w.total[at] += w.outer[operand, at] * shared + w.own[operand, at] * own
    if settles(w, IFMAP) == level:
        element_walks(w, spans, rows, wants, level)
        w.walking = 0
        sum_walks(w, rows, w.counted[IFMAP])
        for at in range(w.resources):
            w.total[at] += least_walk(w, at)


@lean
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


@lean
def busy_along(w: Work, rows: Ints, operand: int, dim: int) -> tuple[float, float]:
    """Elements busy along a dimension that an operand is free of, 1 while undecided: apart at the store outside, and all."""
    row = w.pick[dim]
    if row < 0:
        return 1.0, 1.0
    busy = float(min(rows[row, UNROLLED], rows[row, COPIES]))
    return busy if is_apart(w, rows, operand, dim) else 1.0, busy


@lean
def wait(w: Work, spans: Floats, rows: Ints, wants: Floats, operand: int) -> None:
    """Write the least of what elements exchange of an operand, less what the level that settles it is charged anyway."""
    if operand == IFMAP and not w.walking:
        element_walks(w, spans, rows, wants, 0)
        w.known[0], w.known[1] = w.read[0], w.written[0]
        for walk in range(1, 5):
            w.known[0], w.known[1] = min(w.known[0], w.read[walk]), min(w.known[1], w.written[walk])
        w.walking = 1
    if w.counted[operand] == w.last:
        if operand == IFMAP:
            sum_walks(w, rows, w.last)
            for at in range(w.resources):
                w.waiting[operand, at] = least_walk(w, at)
        return
    charged = 1.0
    if operand == IFMAP:
        charged = w.least[0] * w.least[1]
        shared, own = busy_along(w, rows, operand, K)
        shared, own = shared * w.known[0], own * w.known[1]
    else:
        one, two, three = (N, P, Q) if operand == WEIGHT else (C, R, S)
        shared, own = busy_along(w, rows, operand, one)
        more_shared, more_own = busy_along(w, rows, operand, two)
        last_shared, last_own = busy_along(w, rows, operand, three)
        shared, own = shared * more_shared * last_shared, own * more_own * last_own
    for at in range(w.resources):
        w.waiting[operand, at] = w.outer[operand, at] * (shared - charged) + w.own[operand, at] * (own - charged)


@lean
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


@lean
def improves(w: Work, first: float, second: float) -> bool:
    """Whether a pair is better than the best: by its first entry, or, where that is settled, by its second."""
    if w.second:
        return first <= w.best[0] + TIE * abs(w.best[0]) and second < w.best[1] - TIE * abs(w.best[1])
    if w.best[0] == np.inf:
        return first < np.inf
    return first < w.best[0] - TIE * abs(w.best[0])


@lean
def decisive(w: Work, latency: float) -> tuple[int, float]:
    """Resource that decides whether what takes at least so long can beat the best (-1: none), and what it must stay below."""
    static = w.static_pj_per_s * latency
    if w.kind == 3 and not w.second:
        return w.resources - 1, w.best[0]
    if w.kind == 0 and not w.second:
        return 0, w.best[0] - static
    if w.kind == 2 and not w.second:
        return 0, w.best[0] / latency - static if latency > 0 else np.inf
    if w.kind != 0 and w.second:
        return 0, w.best[1] - static
    return -1, np.inf


@lean
def charged_outermost(w: Work) -> None:
    """Write what the backing store is charged at least, whatever the mapping."""
    w.total[:] = 0.0
    least = w.least[0] * w.least[1]
    if w.stores > 1:
        charge(w, 1, w.stays[1], least if w.stays[1] == IFMAP else 1.0)
    if w.inner == w.last:
        for operand in range(3):
            if w.counted[operand] == 0:
                count = least if operand == IFMAP else 1.0
                for at in range(w.resources):
                    w.total[at] += (w.outer[operand, at] + w.own[operand, at]) * count
