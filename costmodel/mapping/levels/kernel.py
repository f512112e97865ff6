"""The compiled search: depth first through the tiles of one plan, from the innermost store outwards.

Levels, dimensions and the record ``w`` are those of :mod:`costmodel.mapping.levels.arrays`, the tables ``spans`` and ``wants``
those of :mod:`costmodel.mapping.levels.tables`; the reasons are in ``docs/models/mapping.md``. Imported only when a search
runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.mapping.levels.arrays import IFMAP, ORDER, TILE, C, G, K
from costmodel.mapping.levels.compiled import lean
from costmodel.mapping.levels.costs import (
    TIE,
    add_settled,
    add_waiting,
    decisive,
    improves,
    least_walk,
    score,
    times,
)
from costmodel.mapping.levels.decide import (
    clear_inner,
    decide_inner,
    decide_outer,
    expect,
    expect_elements,
    fewest_steps,
    fits,
    most,
    ofmap_width,
    place,
    spare,
    take_tied,
)
from costmodel.mapping.levels.inner import (
    CHANNELS,
    KERNELS,
    PAIR,
    PARTIAL,
    STEPPING,
    Entries,
    Pairs,
    charge_pair,
    tiles,
    walked,
)
from costmodel.mapping.levels.least import WALKED, Bounds, Leaves, Limit, least_gathered, least_nested
from costmodel.mapping.levels.pin_kernel import lost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record


FIRST = 13
"""Depth at which the search of the rest begins, ``n p r q s`` of the innermost tile taken."""


class Queue(NamedTuple):
    """Innermost candidates along ``c`` and ``k`` in the order of their bounds: rows (2, M) and bounds (2, M, 2)."""

    row: Ints
    bound: Floats


@lean
def resume(w: Work, level: int) -> None:
    """Begin to add to what is settled at a level."""
    for at in range(w.resources):
        w.total[at] = w.settled[level, at]


@lean
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
    resume(w, level + 1)
    add_settled(w, spans, rows, wants, level)
    add_waiting(w, spans, rows, wants, level)
    for at in range(w.resources):
        w.reached[level, at] = w.total[at]
        w.total[at] += bounds.nested[level - 1, at_table, at]
    first, second = score(w, fewest_steps(w))
    return improves(w, first, second)


@lean
def limit_of(w: Work, bounds: Bounds, level: int) -> Limit:
    """What the next level outside has to stay below; resource -1 where nothing decides.

    For the least energy of all that move no more, what is moved has to stay below as well.
    """
    at, most = decisive(w, w.latency)
    if at < 0 or level == 1 or most == np.inf:
        return Limit(-1, np.inf, -1, np.inf)
    row = bounds.begin[5] + w.place[level, 5]
    other, other_below = -1, np.inf
    if w.kind == 3 and w.second:
        other = w.resources - 1
        other_below = w.best[0] * (1 + TIE) ** 2 - (w.total[other] - bounds.nested[level - 1, row, other])
    return Limit(at, most * (1 + TIE) - (w.total[at] - bounds.nested[level - 1, row, at]), other, other_below)


@lean
def refined(w: Work, bounds: Bounds, leaves: Leaves, level: int) -> tuple[float, float]:
    """Bound of what was scored last, the next level outside whole numbers of what is decided; infinite if no better."""
    limit = limit_of(w, bounds, level)
    if limit.resource >= 0:
        if level == w.inner and w.leaves >= 0:
            found = least_gathered(w, bounds, leaves, level - 1, limit)
        else:
            found = least_nested(w, bounds, leaves, level - 1, limit, False)
        if found >= limit.below:
            return np.inf, np.inf
        charged = bounds.nested[level - 1, bounds.begin[5] + w.place[level, 5], limit.resource]
        w.total[limit.resource] += max(found - charged, 0.0)
    return score(w, fewest_steps(w))


@lean
def settle(w: Work, spans: Floats, rows: Ints, wants: Floats, level: int) -> None:
    """Write what is exact from a level inwards."""
    resume(w, level + 1)
    add_settled(w, spans, rows, wants, level)
    for at in range(w.resources):
        w.settled[level, at] = w.total[at]


@lean
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


@lean
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
            w.best_plan = w.plan
            for dim in range(8):
                w.best_pick[dim] = w.pick[dim]
                for level in range(w.inner + 1):
                    w.best_tile[level, dim] = w.tile[level, dim]


@lean
def start(w: Work) -> None:
    """Forget every innermost tile."""
    w.pick[:] = -1
    w.used[:] = 1
    w.walking = 0
    for at in range(w.resources):
        w.settled[w.inner + 1, at] = w.always[at]
    w.place[w.inner, 0] = 0


@lean
def expect_kernels(w: Work, rows: Ints, pairs: Pairs, one: Entries, two: Entries) -> None:
    """Write the fewest trips of ``k`` that the room left by a pair and a tile of ``c`` allows."""
    row = w.pick[C]
    along_k = 1.0
    if w.inner == w.last:
        i, j = pairs.entries[w.pair]
        weight, ifmap, ofmap, _ = tiles(w, one, i, two, j)
        size = rows[row, TILE]
        whole = size == w.extent[C] and one.figures[i, PARTIAL] + two.figures[j, PARTIAL] == 0
        width = w.bits[2] if whole else w.bits[3]
        along_k = min(times(w, w.inner, weight * size, ifmap * size, ofmap, IFMAP, width, 1.0), float(w.extent[K]))
    copies = max(np.ceil(w.extent[K] / along_k), w.fewest[K, 0])
    w.figures[KERNELS], w.figures[KERNELS + 1] = max(np.ceil(copies / spare(w, K)), w.fewest[K, 1]), copies
    w.trips[w.inner, K] = w.figures[KERNELS]


@lean
def enqueue(w: Work, queue: Queue, at: int, count: int, row: int, first: float, second: float) -> None:
    """Put a candidate behind those of no higher bounds."""
    row_of, bound = queue.row, queue.bound
    value = second if w.second else first
    while count > 0 and bound[at, count - 1, w.second] > value:
        row_of[at, count] = row_of[at, count - 1]
        bound[at, count, 0], bound[at, count, 1] = bound[at, count - 1, 0], bound[at, count - 1, 1]
        count -= 1
    row_of[at, count], bound[at, count, 0], bound[at, count, 1] = row, first, second


@lean
def rank(
    w: Work, spans: Floats, rows: Ints, bounds: Bounds, queue: Queue, leaves: Leaves, pairs: Pairs, one: Entries,
    two: Entries, dim: int,
) -> None:
    """Put the candidates along a dimension that may be part of a mapping better than the best in the order of their bounds."""
    at, count = 0 if dim == C else 1, 0
    clear_inner(w, rows, dim)
    longest, whole = np.inf, np.inf
    if w.inner == w.last:
        longest = most(w, spans, w.inner, dim, ofmap_width(w, rows, w.inner) if dim == K else w.bits[3], 1.0)
        whole = max(longest, most(w, spans, w.inner, dim, w.bits[2], 1.0))
    place = pairs.place[w.pair]
    for row in range(w.begin[dim], w.begin[dim + 1]):
        all_of_it = rows[row, TILE] == w.extent[dim]
        if rows[row, TILE] > (whole if all_of_it else longest) or not decide_inner(w, rows, dim, row) or lost(w, w.inner):
            continue
        if all_of_it and not fits(w, spans, rows, w.inner):
            continue
        if dim == C:
            expect_kernels(w, rows, pairs, one, two)
        charge_pair(w, rows, bounds, w.figures, place)
        first, second = score(w, fewest_steps(w))
        if improves(w, first, second):
            first, second = refined(w, bounds, leaves, w.inner)
            if improves(w, first, second):
                enqueue(w, queue, at, count, row, first, second)
                count += 1
    clear_inner(w, rows, dim)
    w.ranked[at] = count
    w.at[FIRST + at] = -1


@lean
def next_ranked(w: Work, rows: Ints, queue: Queue, dim: int) -> tuple[bool, bool]:
    """Take the next of the candidates ranked along a dimension."""
    at = 0 if dim == C else 1
    w.at[FIRST + at] += 1
    place = w.at[FIRST + at]
    if place >= w.ranked[at] or not improves(w, queue.bound[at, place, 0], queue.bound[at, place, 1]):
        clear_inner(w, rows, dim)
        return False, False
    return True, decide_inner(w, rows, dim, queue.row[at, place])


@lean
def gather(w: Work, bounds: Bounds, leaves: Leaves) -> bool:
    """Gather what of the level outside the array's may be part of something better; whether anything may."""
    limit = limit_of(w, bounds, w.inner)
    w.leaves = -1
    if limit.resource < 0:
        return True
    w.leaves = 0
    return bool(least_nested(w, bounds, leaves, w.inner - 1, limit, True) < limit.below)


@lean
def take(
    w: Work, spans: Floats, rows: Ints, bounds: Bounds, queue: Queue, leaves: Leaves, pairs: Pairs, one: Entries, two: Entries
) -> None:
    """Take a pair of innermost entries, and go to where the search of the rest begins."""
    start(w)
    for dim in range(8):
        clear_inner(w, rows, dim)
    i, j = pairs.entries[w.pair]
    for at in range(5):
        decide_inner(w, rows, WALKED[at], one.rows[i, at] if at < 3 else two.rows[j, at - 2])
        place(w, bounds, w.inner, at + 1)
    for column in range(PAIR):
        w.figures[column] = pairs.figures[w.pair, column]
    w.trips[w.inner, C], w.trips[w.inner, K] = w.figures[CHANNELS], w.figures[KERNELS]
    w.known[0], w.known[1] = walked(w, w.figures, 1.0, 0.0), walked(w, w.figures, 0.0, 1.0)
    charge_pair(w, rows, bounds, w.figures, pairs.place[w.pair])
    score(w, max(w.figures[STEPPING], w.least_steps))
    w.depth = 0
    if gather(w, bounds, leaves):
        w.depth = FIRST
        rank(w, spans, rows, bounds, queue, leaves, pairs, one, two, C)


@lean
def pursue(
    w: Work, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, queue: Queue, leaves: Leaves, one: Entries,
    two: Entries, pairs: Pairs, chosen: Ints, values: Floats, budget: int,
) -> bool:
    """Search on from the next of the pairs chosen, or in the middle of one, for some steps; whether all are finished."""
    budget += w.count
    while True:
        left = budget - w.count
        if w.depth >= FIRST and explore(w, spans, rows, wants, bounds, queue, leaves, pairs, one, two, left):
            return False
        w.depth = 0
        if w.at_pair == w.pairs:
            return True
        if w.count > budget:
            return False
        w.count += 1
        value = values[w.at_pair]
        if improves(w, w.best[0] if w.second else value, value if w.second else 0.0):
            w.pair = chosen[w.at_pair]
            take(w, spans, rows, bounds, queue, leaves, pairs, one, two)
        w.at_pair += 1


@lean
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


@lean
def explore(
    w: Work, spans: Floats, rows: Ints, wants: Floats, bounds: Bounds, queue: Queue, leaves: Leaves, pairs: Pairs,
    one: Entries, two: Entries, budget: int,
) -> bool:
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
        if 1 < level < w.inner and position >= 4 and refined(w, bounds, leaves, level)[0] == np.inf:
            continue
        if dim == (G if depth < 16 else K):
            complete(w, spans, rows, wants, level)
        if depth == last:
            record(w)
            continue
        w.depth += 1
        w.at[w.depth] = w.begin[G] - 1 if w.depth == 15 else 0
        if w.depth == FIRST + 1:
            rank(w, spans, rows, bounds, queue, leaves, pairs, one, two, K)
    return w.depth >= FIRST
