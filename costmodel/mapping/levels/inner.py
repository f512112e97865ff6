"""The innermost tile along ``n p q r s``, both axes at a time: what of it is the same for all plans is found once.

An *entry* is a choice of candidates along the loops of one axis of the ifmap: of ``n p r``, or of ``q s``. A plan is bounded
for two entries by a handful of products. Imported only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.mapping.levels.arrays import (
    COPIES,
    IFMAP,
    OFMAP,
    SIDE,
    SIDES,
    STEPS,
    TILE,
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
from costmodel.mapping.levels.compiled import compiled, lean
from costmodel.mapping.levels.costs import decisive, element_axis, improves, is_apart, score, times
from costmodel.mapping.levels.tables import wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.mapping.levels.least import Bounds, Rungs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster

OUTPUTS, TAPS, EXTENT, PARTIAL = range(4)
"""Columns of an entry: its tile of outputs and of taps, positions of the ifmap (with images), whether taps are left out."""
SWEEPS, COPIED, BUSY, BUSY_COPIED = range(4, 8)
"""Sweeps over the weight that reach the store outside, those that every element counts, and the same while both stay."""
SUMS, SUM_COPIES, SUM_BUSY, SUM_BUSY_COPIED = range(8, 12)
"""The same of the ofmap."""
READ, WRITTEN = 12, 15
"""Positions read and written, each afresh, and with what is shared kept along outputs and along taps."""
STEPPED = 18
"""Steps of the array."""
FIGURES = 19


class Entries(NamedTuple):
    """Entries of one axis; the last has the least of every figure.

    Rows of candidates of images, outputs and taps (M, 3; -1: none), elements used of each side (M, SIDES), place among the
    rungs of their loops (M,), figures (M, FIGURES).
    """

    rows: Ints
    used: Ints
    place: Ints
    figures: Floats


@lean
def use(w: Work, rows: Ints, used: Ints, row: int) -> bool:
    """Take the elements that a candidate unrolls; whether the side has them."""
    if row < 0 or rows[row, SIDE] < 0:
        return True
    used[rows[row, SIDE]] *= rows[row, UNROLLED]
    return used[rows[row, SIDE]] <= w.side[rows[row, SIDE], 0]


@compiled
def entries_of(
    works: Works, spans: Floats, rows: Ints, wants: Floats, rungs: Rungs, axis: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Fields of :class:`Entries` of an axis, images with the first."""
    w = works[0]
    begin, many = w.begin, rungs.many
    images = begin[N + 1] - begin[N] if axis == 0 else 1
    most = images * (begin[P + axis + 1] - begin[P + axis]) * (begin[R + axis + 1] - begin[R + axis]) + 1
    chosen, used = np.full((most, 3), -1, dtype=np.int64), np.ones((most, SIDES), dtype=np.int64)
    place, figures = np.zeros(most, dtype=np.int64), np.ones((most, FIGURES))
    count = 0
    for n in range(begin[N], begin[N] + images):
        image = n if axis == 0 else -1
        for out in range(begin[P + axis], begin[P + axis + 1]):
            for tap in range(begin[R + axis], begin[R + axis + 1]):
                used[count] = 1
                alone = use(w, rows, used[count], image) and use(w, rows, used[count], out) and use(w, rows, used[count], tap)
                if alone and holds(w, spans, rows, axis, image, out, tap):
                    chosen[count] = image, out, tap
                    w.pick[:] = -1
                    w.pick[P + axis], w.pick[R + axis] = out, tap
                    at, to = out - begin[P + axis], tap - begin[R + axis]
                    if rows[out, UNROLLED] * rows[tap, UNROLLED] > 1 and wants[axis, at, to] < 0:
                        wants[axis, at, to] = wanted_by(w, rows, axis)
                    figure(w, spans, rows, wants, axis, image, figures[count])
                    rung = rungs.at[rungs.start[N] + rows[n, TRIPS]] if axis == 0 else 0
                    rung = rung * many[P + axis] + rungs.at[rungs.start[P + axis] + rows[out, TRIPS]]
                    place[count] = rung * many[R + axis] + rungs.at[rungs.start[R + axis] + rows[tap, TRIPS]]
                    count += 1
    w.pick[:] = -1
    used[count] = 1
    for column in range(FIGURES if count else 0):
        figures[count, column] = figures[:count, column].min()
    return chosen[: count + 1], used[: count + 1], place[: count + 1], figures[: count + 1]


@compiled
def wanted_by(w: Work, rows: Ints, axis: int) -> float:
    """Distinct positions along an axis that elements together read, each tile afresh."""
    out, tap = P + axis, R + axis
    a, b = w.pick[out], w.pick[tap]
    many = 1 if is_apart(w, rows, IFMAP, out) else rows[a, UNROLLED]
    wide = 1 if is_apart(w, rows, IFMAP, tap) else rows[b, UNROLLED]
    return wanted(w.extent[out], w.extent[tap], w.gaps[axis], w.geometry[axis], rows[a, TILE], many, rows[b, TILE], wide)


@lean
def holds(w: Work, spans: Floats, rows: Ints, axis: int, image: int, out: int, tap: int) -> bool:
    """Whether an element has room for the candidates of an axis, the other loops aside."""
    if w.inner > w.last:
        return True
    images = float(rows[image, TILE]) if image >= 0 else 1.0
    width = w.bits[3] if rows[tap, TILE] < w.extent[R + axis] else min(w.bits[2], w.bits[3])
    positions = min(spans[axis, 0, rows[out, TILE], rows[tap, TILE]], 1.0 if spans[1 - axis, 0, 1, 1] == 0 else np.inf)
    return times(w, w.inner, rows[tap, TILE], images * positions, images * rows[out, TILE], IFMAP, width, 1.0) >= 1


@lean
def figure(w: Work, spans: Floats, rows: Ints, wants: Floats, axis: int, image: int, own: Floats) -> None:
    """Write the figures of an entry whose candidates are picked."""
    out, tap = w.pick[P + axis], w.pick[R + axis]
    own[:] = 1.0
    for row, operand in ((image, WEIGHT), (out, WEIGHT), (tap, OFMAP)):
        if row >= 0:
            dim = N if row == image else (P + axis if row == out else R + axis)
            w.pick[dim] = row
            apart = is_apart(w, rows, operand, dim)
            busy = min(rows[row, UNROLLED], rows[row, COPIES])
            first = SWEEPS if operand == WEIGHT else SUMS
            own[first] *= rows[row, COPIES] if apart else rows[row, TRIPS]
            own[first + 1] *= rows[row, COPIES]
            own[first + 2] *= busy if apart else 1
            own[first + 3] *= busy
            own[OUTPUTS if operand == WEIGHT else TAPS] *= rows[row, TILE]
            own[STEPPED] *= rows[row, STEPS]
    own[EXTENT] = spans[axis, 0, rows[out, TILE], rows[tap, TILE]] * (rows[image, TILE] if image >= 0 else 1)
    own[PARTIAL] = 1.0 if rows[tap, TILE] < w.extent[R + axis] else 0.0
    w.tile[w.last, P + axis], w.tile[w.last, R + axis] = rows[out, TILE], rows[tap, TILE]
    for loop in range(3):
        own[READ + loop], own[WRITTEN + loop] = element_axis(w, spans, rows, wants, axis, 0, loop)
    w.tile[w.last, P + axis], w.tile[w.last, R + axis] = 0, 0


class Pairs(NamedTuple):
    """Pairs of entries that have room: their numbers (M, 2), place among the rungs of their loops (M,), figures (M, PAIR)."""

    entries: Ints
    place: Ints
    figures: Floats


KERNELS, CHANNELS, WALKS, STEPPING, PAIR = 8, 10, 12, 22, 23
"""Columns of a pair, after four each of the weight and of the ofmap (sweeps as the store outside sees them and as elements
count them, and both while it stays), without what ``k`` and ``c`` add: fewest trips and copies along these; positions read
and written for each loop walked; steps."""


@compiled
def pairs_of(works: Works, rungs: Rungs, one: Entries, two: Entries) -> tuple[Ints, Ints, Floats]:
    """Fields of :class:`Pairs`."""
    w = works[0]
    entries, count = np.empty((1024, 2), dtype=np.int64), 0
    some = len(two.place) - 1
    for i in range(len(one.place) - 1):
        if not has_room(w, one, i, two, some):
            continue
        for j in range(some):
            if has_room(w, one, i, two, j):
                if count == len(entries):
                    more = np.empty((2 * count, 2), dtype=np.int64)
                    more[:count] = entries
                    entries = more
                entries[count, 0], entries[count, 1] = i, j
                count += 1
    place, figures = np.empty(count, dtype=np.int64), np.empty((count, PAIR))
    for at in range(count):
        i, j = entries[at]
        place[at] = one.place[i] * rungs.many[Q] * rungs.many[S] + two.place[j]
        combine(w, one, i, two, j, figures[at])
    return entries[:count].copy(), place, figures


@compiled
def innermost(works: Works, spans: Floats, rows: Ints, wants: Floats, rungs: Rungs) -> tuple[Entries, Entries, Pairs]:
    """Innermost tiles of both axes, and pairs of them."""
    chosen, used, place, figures = entries_of(works, spans, rows, wants, rungs, 0)
    one = Entries(chosen, used, place, figures)
    chosen, used, place, figures = entries_of(works, spans, rows, wants, rungs, 1)
    two = Entries(chosen, used, place, figures)
    both, place, figures = pairs_of(works, rungs, one, two)
    return one, two, Pairs(both, place, figures)


@lean
def tiles(w: Work, one: Entries, i: int, two: Entries, j: int) -> tuple[float, float, float, float]:
    """Values of every operand in an element of the array, with one channel and kernel, and the least width of partial sums."""
    a, b = one.figures[i], two.figures[j]
    width = w.bits[3] if a[PARTIAL] + b[PARTIAL] > 0 else min(w.bits[2], w.bits[3])
    return a[TAPS] * b[TAPS], a[EXTENT] * b[EXTENT], a[OUTPUTS] * b[OUTPUTS], width


@lean
def has_room(w: Work, one: Entries, i: int, two: Entries, j: int) -> bool:
    """Whether elements and sides have room for two entries."""
    for side in range(w.sides):
        if one.used[i, side] * two.used[j, side] > w.side[side, 0]:
            return False
    if w.inner > w.last:
        return True
    weight, ifmap, ofmap, width = tiles(w, one, i, two, j)
    part = w.room[w.inner, 1 + IFMAP]
    if (part >= 0 and w.holds[w.inner, IFMAP] and ifmap * w.bits[IFMAP] > part) or ifmap > w.values[IFMAP]:
        return False
    return times(w, w.inner, weight, ifmap, ofmap, IFMAP, width, 1.0) >= 1


@lean
def most_elements(w: Work, dim: int, used: Ints, other: Ints) -> int:
    """Most elements along a side that may unroll a dimension."""
    many = 1
    for side in range(w.sides):
        if w.unrolls[dim, side]:
            many = max(many, w.side[side, 0] // (used[side] * other[side]))
    return many


@lean
def combine(w: Work, one: Entries, i: int, two: Entries, j: int, own: Floats) -> None:
    """Write the figures of a pair."""
    a, b = one.figures[i], two.figures[j]
    along_c, along_k = 1.0, 1.0
    if w.inner == w.last:
        weight, ifmap, ofmap, width = tiles(w, one, i, two, j)
        along_c = min(times(w, w.inner, weight, ifmap, ofmap, OFMAP, width, 1.0), float(w.extent[C]))
        along_k = min(times(w, w.inner, weight, ifmap, ofmap, IFMAP, width, 1.0), float(w.extent[K]))
    copies_c = max(np.ceil(w.extent[C] / along_c), w.fewest[C, 0])
    copies_k = max(np.ceil(w.extent[K] / along_k), w.fewest[K, 0])
    trips_c = max(np.ceil(copies_c / most_elements(w, C, one.used[i], two.used[j])), w.fewest[C, 1])
    trips_k = max(np.ceil(copies_k / most_elements(w, K, one.used[i], two.used[j])), w.fewest[K, 1])
    for column in range(4):
        own[column] = a[SWEEPS + column] * b[SWEEPS + column]
        own[4 + column] = a[SUMS + column] * b[SUMS + column]
    own[CHANNELS], own[CHANNELS + 1] = trips_c, copies_c
    own[KERNELS], own[KERNELS + 1] = trips_k, copies_k
    own[WALKS], own[WALKS + 1] = a[READ] * b[READ], a[WRITTEN] * b[WRITTEN]
    for loop in range(1, 3):
        own[WALKS + 4 * loop - 2] = a[READ + loop] * b[READ]
        own[WALKS + 4 * loop - 1] = a[WRITTEN + loop] * b[WRITTEN]
        own[WALKS + 4 * loop] = a[READ] * b[READ + loop]
        own[WALKS + 4 * loop + 1] = a[WRITTEN] * b[WRITTEN + loop]
    own[STEPPING] = steps_least(w, one, i, two, j)


@lean
def steps_least(w: Work, one: Entries, i: int, two: Entries, j: int) -> float:
    """Fewest steps of two entries, ``c``, ``k`` and ``g`` at best."""
    together = float(w.extent[C]) * float(w.extent[K]) * float(w.extent[G])
    for side in range(w.sides):
        together /= w.side[side, 0] // (one.used[i, side] * two.used[j, side])
    apart = w.fewest[C, 2] * w.fewest[K, 2] * w.fewest[G, 2]
    return one.figures[i, STEPPED] * two.figures[j, STEPPED] * max(apart, np.ceil(together - 1e-6))


@lean
def walked(w: Work, own: Floats, outer: float, each: float) -> float:
    """Least charge of what elements read and write of the ifmap, over the loops that the form lets them walk."""
    least = outer * own[WALKS] + each * own[WALKS + 1]
    stay = w.stays[w.walked + 1]
    if stay != OFMAP:
        least = min(least, outer * own[WALKS + 2] + each * own[WALKS + 3])
        least = min(least, outer * own[WALKS + 4] + each * own[WALKS + 5])
    if stay != WEIGHT:
        least = min(least, outer * own[WALKS + 6] + each * own[WALKS + 7])
        least = min(least, outer * own[WALKS + 8] + each * own[WALKS + 9])
    return least


@lean
def along(w: Work, rows: Ints, own: Floats, operand: int, dim: int) -> tuple[float, float, float, float]:
    """Trips of ``c`` or ``k`` for an operand that does not depend on it, the fewest while undecided, and elements busy.

    Each as the store outside sees them, and as elements count them.
    """
    row = w.pick[dim]
    if row < 0:
        column = CHANNELS if dim == C else KERNELS
        return own[column], own[column + 1], 1.0, 1.0
    copies, busy = float(rows[row, COPIES]), float(min(rows[row, UNROLLED], rows[row, COPIES]))
    if is_apart(w, rows, operand, dim):
        return copies, copies, busy, busy
    return float(rows[row, TRIPS]), copies, 1.0, busy


@lean
def bound(w: Work, rows: Ints, own: Floats, at: int) -> float:
    """Least that elements are charged of a resource with a pair, and what is decided of ``c`` and ``k``."""
    outer, each = w.outer, w.own
    if w.counted[WEIGHT] == w.last:
        total = outer[WEIGHT, at] * own[0] + each[WEIGHT, at] * own[1]
    else:
        total = outer[WEIGHT, at] * (own[2] - 1) + each[WEIGHT, at] * (own[3] - 1)
    trips, copies, busy, busy_each = along(w, rows, own, OFMAP, C)
    if w.counted[OFMAP] == w.last:
        total += outer[OFMAP, at] * own[4] * trips + each[OFMAP, at] * own[5] * copies
    else:
        total += outer[OFMAP, at] * (own[6] * busy - 1) + each[OFMAP, at] * (own[7] * busy_each - 1)
    trips, copies, busy, busy_each = along(w, rows, own, IFMAP, K)
    if w.counted[IFMAP] == w.last:
        return total + walked(w, own, outer[IFMAP, at] * trips, each[IFMAP, at] * copies)
    least = w.least[0] * w.least[1]
    read, written = walked(w, own, 1.0, 0.0), walked(w, own, 0.0, 1.0)
    return total + outer[IFMAP, at] * (busy * read - least) + each[IFMAP, at] * (busy_each * written - least)


@lean
def charge_pair(w: Work, rows: Ints, bounds: Bounds, own: Floats, place: int) -> None:
    """Write what a mapping is charged at least with a pair, and what is decided of ``c`` and ``k``."""
    table = bounds.begin[5] + place
    for at in range(w.resources):
        w.total[at] = w.always[at] + bounds.nested[w.inner - 1, table, at]
        if w.inner == w.last:
            w.total[at] += bound(w, rows, own, at)


@lean
def scan(w: Work, rows: Ints, bounds: Bounds, pairs: Pairs, found: Ints, values: Floats) -> int:
    """Write the pairs that can be better than the best, and their bounds; how many there are."""
    count, section = 0, bounds.begin[5]
    w.pick[:] = -1
    at, limit = decisive(w, 0.0)
    for pair in range(len(pairs.place)):
        if at >= 0 and w.always[at] + bounds.nested[w.inner - 1, section + pairs.place[pair], at] >= limit:
            continue  # whatever elements are charged
        own = pairs.figures[pair]
        charge_pair(w, rows, bounds, own, pairs.place[pair])
        first, second = score(w, max(own[STEPPING], w.least_steps))
        if improves(w, first, second):
            found[count] = pair
            values[count] = second if w.second else first
            count += 1
    return count


@compiled
def fewest_of_all(works: Works, rows: Ints, one: Entries, two: Entries, pairs: Pairs) -> float:
    """Fewest steps of any innermost tile that has room; infinite where none has."""
    w = works[0]
    best = np.inf
    used = np.ones(SIDES, dtype=np.int64)
    for pair in range(len(pairs.place)):
        if pairs.figures[pair, STEPPING] >= best:
            continue
        i, j = pairs.entries[pair]
        weight, ifmap, ofmap, _ = tiles(w, one, i, two, j)
        partial = one.figures[i, PARTIAL] + two.figures[j, PARTIAL] > 0
        stepped = one.figures[i, STEPPED] * two.figures[j, STEPPED]
        for c in range(w.begin[C], w.begin[C + 1]):
            for k in range(w.begin[K], w.begin[K + 1]):
                for g in range(w.begin[G], w.begin[G + 1]):
                    steps = stepped * rows[c, STEPS] * rows[k, STEPS] * rows[g, STEPS]
                    if steps >= best:
                        continue
                    used[:] = one.used[i] * two.used[j]
                    if not (use(w, rows, used, c) and use(w, rows, used, k) and use(w, rows, used, g)):
                        continue
                    wide = w.bits[3] if partial or rows[c, TILE] < w.extent[C] else w.bits[2]
                    size_c, size_k = rows[c, TILE], rows[k, TILE]
                    if w.inner > w.last or times(
                        w, w.inner, weight * size_c * size_k, ifmap * size_c, ofmap * size_k, IFMAP, wide, 1.0
                    ) >= 1:
                        best = steps
    return best
