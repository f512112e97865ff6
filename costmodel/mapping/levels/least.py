"""The least that levels further out are charged, for every number of trips along the loops: tables that bound the search.

Only the number of trips of a tile enters what a level is charged, and of all tiles of a number of trips the smallest needs
the least room. So a level is tabulated over its *rungs*, the distinct numbers of trips along ``n p r q s``, ``c`` and ``k``
as the room allows. Tiles nest, so the trips of a level are those of the next one inside divided by a whole number and rounded
up: minima over these, taken from level to level, bound all levels further out than what is decided. The reasons are in
``docs/models/mapping.md``. Imported only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.mapping.levels.arrays import IFMAP, OFMAP, WEIGHT, C, K, N, P, Q, R, S
from costmodel.mapping.levels.compiled import compiled, lean
from costmodel.mapping.levels.costs import charged_outermost, must_equal, times
from costmodel.mapping.levels.tables import cover

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster

WALKED = (N, P, R, Q, S)
"""Loops of the tables, in the order in which the search decides them."""
NO_ROOM = 1e300
"""Trips of what has no room."""
TINY = 1e-150
"""Least charge of a trip, so that what has no room is never the least."""
NOWHERE = NO_ROOM * TINY / 10
"""What has no room is charged more, whatever is counted."""
AREA, POOLED, AFRESH, ALONG_OUTPUTS, ALONG_TAPS = range(5)
"""Least positions along an axis: of the largest tile, of it where many elements share it, and fetched by all tiles afresh, or
with what neighbours share kept while outputs or taps advance."""
PER_A, PER_B, PER_C, PER_HB, PER_H, ALWAYS = range(6)
"""Charges per trip of ``n p q``, of ``k``, of ``c r s``; per position of the ifmap and trip of ``k``, per position; always."""


class Rungs(NamedTuple):
    """Distinct trips of every dimension: ``trips`` (8, M) ascending, ``many`` (8,), and the rung of a number of trips."""

    trips: Floats
    many: Ints
    start: Ints
    at: Ints


class Bounds(NamedTuple):
    """Tables of one plan by level.

    The least that a level and those further out are charged, by the rungs of its own tile (``own``) and by those of the tile
    inside (``nested``), each (levels, M, resources), of which sections begin at ``begin``; charges per trip (levels, 6,
    resources), fewest trips of ``k`` by rungs of ``n p r q s c``, and the least positions of both ``axes``.
    """

    rungs: Rungs
    begin: Ints
    own: Floats
    nested: Floats
    per: Floats
    kernels: Floats
    axes: Floats


@compiled
def rungs_of(extent: Ints) -> tuple[Floats, Ints, Ints, Ints]:
    """Fields of :class:`Rungs`; the rung of ``x`` trips along ``d`` is ``at[start[d] + x]``."""
    start = np.zeros(8, dtype=np.int64)
    for dim in range(1, 8):
        start[dim] = start[dim - 1] + extent[dim - 1] + 1
    at = np.full(start[7] + extent[7] + 1, -1, dtype=np.int64)
    many = np.zeros(8, dtype=np.int64)
    for dim in range(8):
        for tile in range(1, extent[dim] + 1):
            at[start[dim] + -(-extent[dim] // tile)] = 0
        for trips in range(1, extent[dim] + 1):
            if at[start[dim] + trips] == 0:
                at[start[dim] + trips] = many[dim]
                many[dim] += 1
    values = np.zeros((8, many.max()))
    for dim in range(8):
        for trips in range(1, extent[dim] + 1):
            if at[start[dim] + trips] >= 0:
                values[dim, at[start[dim] + trips]] = trips
    return values, many, start, at


@compiled
def axis_least(works: Works, spans: Floats, rungs: Rungs) -> Floats:
    """Least positions along both axes over the tiles of every two rungs: (2, 5, outputs, taps)."""
    w = works[0]
    many = rungs.many
    least = np.full((2, 5, max(many[P], many[Q]), max(many[R], many[S])), np.inf)
    for axis in range(2):
        outputs, taps = w.extent[P + axis], w.extent[R + axis]
        stride, dilation = w.gaps[axis, 0], w.gaps[axis, 1]
        table = spans[axis]
        for o in range(1, outputs + 1):
            i = rungs.at[rungs.start[P + axis] + -(-outputs // o)]
            for t in range(1, taps + 1):
                j = rungs.at[rungs.start[R + axis] + -(-taps // t)]
                one = least[axis, :, i, j]
                area = table[0, o, t]
                touching = dilation == 1 and (o == 1 or stride <= t)
                touching = touching or (stride == 1 and (t == 1 or dilation <= o))
                one[AREA] = min(one[AREA], area)
                one[POOLED] = min(one[POOLED], area if touching else min(area, 1.0))
                for loop in range(3):
                    fetched = cover(table, outputs, taps, stride, dilation, o, t, outputs, taps, loop)
                    one[AFRESH + loop] = min(one[AFRESH + loop], fetched)
    return least


@compiled
def grid(works: Works, spans: Floats) -> tuple[Rungs, Floats, Ints]:
    """Rungs of the layer, the least positions of both axes by them, and where the sections of tables begin."""
    trips, many, start, at = rungs_of(works[0].extent)
    rungs = Rungs(trips, many, start, at)
    return rungs, axis_least(works, spans, rungs), sections(many)


@lean
def smallest(w: Work, rungs: Rungs, dim: int, rung: int) -> float:
    """Smallest tile along a dimension with the trips of a rung."""
    return float(-(-w.extent[dim] // int(rungs.trips[dim, rung])))


@lean
def is_barred(w: Work, rungs: Rungs, level: int, dim: int, rung: int) -> bool:
    """Whether pins leave a level no tile with the trips of a rung."""
    trips, total = rungs.trips[dim, rung], w.extent[dim]
    return trips < -(-total // w.cap[level, dim]) or trips > -(-total // w.floor[level, dim])


@compiled
def fewest_trips(works: Works, rungs: Rungs, axes: Floats, level: int, elements: float) -> Floats:
    """Fewest trips of ``k`` that the room of a level, ``elements`` times that of one, leaves; by rungs of ``n p r q s c``."""
    w = works[0]
    many = rungs.many
    extent = POOLED if elements > 1 else AREA
    found = np.full((many[N], many[P], many[R], many[Q], many[S], many[C]), NO_ROOM)
    most_k = float(w.cap[level, K])
    for n in range(many[N]):
        images = smallest(w, rungs, N, n)
        for p in range(many[P]):
            for r in range(many[R]):
                high = axes[0, extent, p, r]
                barred = is_barred(w, rungs, level, P, p) or is_barred(w, rungs, level, R, r)
                barred = barred or is_barred(w, rungs, level, N, n)
                for q in range(many[Q]):
                    for s in range(many[S]):
                        if barred or is_barred(w, rungs, level, Q, q) or is_barred(w, rungs, level, S, s):
                            continue
                        area = images * high * axes[1, extent, q, s]
                        pixels = images * smallest(w, rungs, P, p) * smallest(w, rungs, Q, q)
                        taps = smallest(w, rungs, R, r) * smallest(w, rungs, S, s)
                        for c in range(many[C]):
                            channels = smallest(w, rungs, C, c)
                            whole = c + r + s == 0
                            width = min(w.bits[2], w.bits[3]) if whole else w.bits[3]
                            most = times(w, level, channels * taps, channels * area, pixels, IFMAP, width, elements)
                            if most >= 1 and not is_barred(w, rungs, level, C, c):
                                found[n, p, r, q, s, c] = np.ceil(w.extent[K] / min(most, most_k))
    return found


@lean
def charge_trips(w: Work, level: int, per: Floats) -> None:
    """Write what a level is charged per trip, whatever the tiles of the others: (6, resources)."""
    per[:] = 0.0
    inside = level + 1
    least = w.least[0] * w.least[1]
    for at in range(w.resources):
        if 1 <= level < w.stores:
            if w.stays[level] != WEIGHT:
                per[PER_A, at] += w.flow[level, WEIGHT, at]
            if w.stays[level] != OFMAP:
                per[PER_C, at] += w.flow[level, OFMAP, at]
            if w.stays[level] == IFMAP:
                per[PER_H, at] += w.flow[level, IFMAP, at]
                per[ALWAYS, at] -= w.flow[level, IFMAP, at] * least
            else:
                per[PER_HB, at] += w.flow[level, IFMAP, at]
        if inside < w.stores:
            stay = w.stays[inside]
            charge = w.flow[inside, stay, at]
            per[stay, at] += charge * least if stay == IFMAP else charge
        if w.inner == w.last:
            for operand in range(3):
                if w.counted[operand] == level:
                    shared, own = w.outer[operand, at], w.own[operand, at]
                    charge = shared + own
                    if operand == IFMAP:
                        charge = shared * w.fetched[0] + own * w.fetched[1]
                        per[ALWAYS, at] += (shared + own) * least - charge
                    per[operand, at] += charge


@lean
def fetched_least(axes: Floats, stay: int, p: int, r: int, q: int, s: int) -> float:
    """Least positions of the ifmap fetched in one sweep, the best of the loops that a form allows walked innermost."""
    high, wide = axes[0, AFRESH, p, r], axes[1, AFRESH, q, s]
    kept_high, kept_wide = high, wide
    if stay != OFMAP:
        kept_high = min(kept_high, axes[0, ALONG_OUTPUTS, p, r])
        kept_wide = min(kept_wide, axes[1, ALONG_OUTPUTS, q, s])
    if stay != WEIGHT:
        kept_high = min(kept_high, axes[0, ALONG_TAPS, p, r])
        kept_wide = min(kept_wide, axes[1, ALONG_TAPS, q, s])
    return min(kept_high * wide, high * kept_wide)


@compiled
def sections(many: Ints) -> Ints:
    """Where the parts of a table begin: the least of all, then by rungs of ``n``, of ``n p``, ... and the end."""
    begin = np.zeros(7, dtype=np.int64)
    size = 1
    for depth in range(6):
        begin[depth + 1] = begin[depth] + size
        if depth < 5:
            size *= many[WALKED[depth]]
    return begin


@lean
def charge_rungs(
    w: Work, rungs: Rungs, axes: Floats, begin: Ints, kernels: Floats, level: int, per: Floats, table: Floats
) -> None:
    """Write what a level is charged at least by itself, by rungs of ``n p q r s``; ``per`` trip what it is charged."""
    many, trips, stay, row = rungs.many, rungs.trips, w.stays[level], begin[5]
    for n in range(many[N]):
        for p in range(many[P]):
            for r in range(many[R]):
                for q in range(many[Q]):
                    sweeps = trips[N, n] * trips[P, p] * trips[Q, q]
                    for s in range(many[S]):
                        taps = trips[R, r] * trips[S, s]
                        fetched = fetched_least(axes, stay, p, r, q, s)
                        for at in range(w.resources):
                            fixed = per[PER_A, at] * sweeps + per[PER_H, at] * fetched + per[ALWAYS, at]
                            per_k = max(per[PER_B, at] + per[PER_HB, at] * fetched, TINY)
                            per_c, channels = per[PER_C, at] * taps, np.inf
                            for c in range(many[C]):
                                channels = min(channels, per_c * trips[C, c] + per_k * kernels[level, n, p, r, q, s, c])
                            table[row, at] = fixed + channels
                        row += 1


@lean
def tables_of(
    w: Work, rungs: Rungs, axes: Floats, begin: Ints, kernels: Floats, own: Floats, nested: Floats, per: Floats
) -> None:
    """Write fields ``own``, ``nested`` and ``per`` of :class:`Bounds` of the plan in the record."""
    charged_outermost(w)
    many = w.resources
    for row in range(begin[6]):
        for at in range(many):
            own[0, row, at] = nested[0, row, at] = w.total[at]
    for level in range(1, w.inner):
        charge_trips(w, level, per[level])
        charge_rungs(w, rungs, axes, begin, kernels, level, per[level], own[level])
        for row in range(begin[5], begin[6]):
            for at in range(many):
                own[level, row, at] += nested[level - 1, row, at]
                nested[level, row, at] = own[level, row, at]
        least_of_prefixes(own[level], begin, rungs.many)
        nest(w, rungs, begin, nested[level], level)


class Known(NamedTuple):
    """Charges of levels that were looked at before (levels, M, 6, resources), and their least (levels, M, resources)."""

    many: Ints
    stay: Ints
    per: Floats
    least: Floats


@lean
def add_least(w: Work, rungs: Rungs, axes: Floats, begin: Ints, kernels: Floats, known: Known, table: Floats) -> None:
    """Write what all levels of the plan in the record are charged at least, each by itself; ``table`` is overwritten."""
    charged_outermost(w)
    for level in range(1, w.inner + 1 if w.inner == w.last else w.inner):
        stay = w.stays[level]
        for inside in range(level + 1, w.last + 1):
            if w.tied[inside] == 0:
                break
            stay = 9 * stay + 3 * w.tied[inside] + w.stays[inside]
        room = min(known.many[level], len(known.stay[level]) - 1)
        charge_trips(w, level, known.per[level, room])
        found = same(w, known, level, room, stay)
        if found < 0:
            found, known.many[level], known.stay[level, room] = room, room + 1, stay
            charge_rungs(w, rungs, axes, begin, kernels, level, known.per[level, room], table)
            for at in range(w.resources):
                known.least[level, room, at] = np.inf
                for row in range(begin[5], begin[6]):
                    known.least[level, room, at] = min(known.least[level, room, at], table[row, at])
        for at in range(w.resources):
            w.total[at] += known.least[level, found, at]
    for at in range(w.resources):
        w.total[at] += w.always[at]


@lean
def same(w: Work, known: Known, level: int, room: int, stay: int) -> int:
    """Place of charges that were looked at before and are those in a place that is free; -1 if there are none."""
    for place in range(room - 1, -1, -1):
        if known.stay[level, place] == stay:
            equal = True
            for column in range(6):
                for at in range(w.resources):
                    equal = equal and known.per[level, place, column, at] == known.per[level, room, column, at]
            if equal:
                return place
    return -1


@lean
def least_of_prefixes(table: Floats, begin: Ints, many: Ints) -> None:
    """Write the least over the loops that a part of a table leaves open."""
    for depth in range(4, -1, -1):
        size = many[WALKED[depth]]
        for row in range(begin[depth + 1] - begin[depth]):
            first = begin[depth + 1] + row * size
            for at in range(table.shape[1]):
                least = table[first, at]
                for rung in range(1, size):
                    least = min(least, table[first + rung, at])
                table[begin[depth] + row, at] = least


@lean
def is_step(first: int, last: int) -> bool:
    """Whether division by the factors from one to another is not two by smaller ones: of two above 2, one is even."""
    if first == 2:
        return True
    divisor = 2
    while divisor * divisor <= first and first % divisor > 0:
        divisor += 1
    return last == first and divisor * divisor > first


@lean
def nest(w: Work, rungs: Rungs, begin: Ints, found: Floats, level: int) -> None:
    """Turn a level's table into the least over the tiles that are whole numbers of the tile inside, by the rungs of that.

    Trips are divided step by step, from the fewest on: what is read is already the least.
    """
    many, size = rungs.many, begin[6] - begin[5]
    inner = size
    for depth in range(5):
        dim = WALKED[depth]
        inner //= many[dim]
        if must_equal(w, level, dim):
            continue
        for rung in range(1, many[dim]):
            trips, factor, fewer = int(rungs.trips[dim, rung]), 2, 0
            while fewer != 1:
                fewer = -(-trips // factor)
                last = -(-trips // (fewer - 1)) - 1 if fewer > 1 else 2 * trips
                if is_step(factor, last):
                    less = (rung - rungs.at[rungs.start[dim] + fewer]) * inner
                    for block in range(size // (inner * many[dim])):
                        first = begin[5] + (block * many[dim] + rung) * inner
                        for row in range(first, first + inner):
                            for at in range(found.shape[1]):
                                found[row, at] = min(found[row, at], found[row - less, at])
                factor = last + 1
    least_of_prefixes(found, begin, many)


@lean
def fewest_nested(inside: float, least: float, tied: bool) -> float:
    """Fewest trips, at least ``least``, of a tile of whole numbers of one with ``inside`` trips."""
    if tied or least <= 1 or inside < least:
        return (inside if tied else 1.0) if inside >= least else NO_ROOM
    return np.ceil(inside / ((inside - 1) // (least - 1)))


@lean
def next_nested(inside: int, trips: int, tied: bool) -> int:
    """Next fewer trips of a tile of whole numbers of one with ``inside`` trips, that many itself after 0; 0 after the last."""
    if trips == 0:
        return inside
    if tied or trips == 1:
        return 0
    return -(-inside // -(-inside // (trips - 1)))


class Leaves(NamedTuple):
    """Trips of ``n p r q s`` of the level outside the array's that can be part of something better, as rungs (M, 5).

    Beside them charges (M, 2, 3) of one resource and perhaps another: whatever ``c`` and ``k`` are, of a trip of ``k``, and of
    one of ``c``.
    """

    cost: Floats
    rung: Ints


class Limit(NamedTuple):
    """Charges of a resource, and of another (-1: of none), that what is better stays below."""

    resource: int
    below: float
    other: int
    other_below: float


@lean
def nested_charges(
    w: Work, bounds: Bounds, level: int, resource: int, fetched: float, row: int
) -> tuple[float, float, float]:
    """What a level and those further out are charged of a resource with the trips looked at; per trip of ``k``, of ``c``."""
    per, walked, inside = bounds.per, w.walked_trips, level + 1
    per_b, always = per[level, PER_B, resource], per[level, ALWAYS, resource]
    if inside == w.inner == w.last and w.counted[IFMAP] == level:
        shared, each = w.outer[IFMAP, resource], w.own[IFMAP, resource]
        known = shared * (w.known[0] - w.fetched[0]) + each * (w.known[1] - w.fetched[1])
        per_b, always = per_b + known, always - known
    fixed = per[level, PER_A, resource] * walked[0] * walked[1] * walked[3] + per[level, PER_H, resource] * fetched
    fixed += always + bounds.nested[level - 1, row, resource]
    per_k = max(per_b + per[level, PER_HB, resource] * fetched, TINY)
    return fixed, per_k, per[level, PER_C, resource] * walked[2] * walked[4]


@lean
def least_nested(w: Work, bounds: Bounds, leaves: Leaves, level: int, limit: Limit, gather: bool) -> float:
    """Least, below a limit, that a level and those further out are charged of a resource; the limit if nothing is below.

    Its tile is whole numbers of that of the next level inside, of which all of ``n p q r s`` is decided; where ``c`` or ``k``
    is not, that has at least the trips expected of it. To ``gather`` is to write all that stays below the limit.
    """
    rungs, inside, begin, own = bounds.rungs, level + 1, bounds.begin, bounds.own
    walked, row, rung = w.walked_trips, w.walked_row, w.walked_rung
    walked[0], row[0] = 0, 0
    found, depth = limit.below, 0
    while depth >= 0:
        dim = WALKED[depth]
        walked[depth] = next_nested(int(w.trips[inside, dim]), walked[depth], must_equal(w, level, dim))
        if walked[depth] == 0:
            depth -= 1
            continue
        rung[depth] = rungs.at[rungs.start[dim] + walked[depth]]
        row[depth + 1] = row[depth] * rungs.many[dim] + rung[depth]
        table = begin[depth + 1] + row[depth + 1]
        if own[level, table, limit.resource] >= (limit.below if gather else found):
            continue
        if limit.other >= 0 and own[level, table, limit.other] >= limit.other_below:
            continue
        if depth < 4:
            depth += 1
            walked[depth] = 0
            continue
        fetched = fetched_least(bounds.axes, w.stays[level], rung[1], rung[2], rung[3], rung[4])
        for at in range(1 if limit.other < 0 else 2):
            resource = limit.other if at else limit.resource
            cost = nested_charges(w, bounds, level, resource, fetched, table)
            leaves.cost[w.leaves, at, 0], leaves.cost[w.leaves, at, 1], leaves.cost[w.leaves, at, 2] = cost
        for at in range(5):
            leaves.rung[w.leaves, at] = rung[at]
        value = leaf_least(w, bounds, leaves, w.leaves, level, limit, limit.below if gather else found)
        if gather and value < limit.below:
            w.leaves += 1
        found = min(found, value)
    return found


@lean
def leaf_least(w: Work, bounds: Bounds, leaves: Leaves, leaf: int, level: int, limit: Limit, below: float) -> float:
    """Least that one of the trips gathered is charged, ``c`` and ``k`` as far as they are decided; ``below`` if not below."""
    cost = leaves.cost
    if cost[leaf, 0, 0] >= below or (limit.other >= 0 and cost[leaf, 1, 0] >= limit.other_below):
        return below
    n, p, r, q, s = (
        leaves.rung[leaf, 0], leaves.rung[leaf, 1], leaves.rung[leaf, 2], leaves.rung[leaf, 3], leaves.rung[leaf, 4]
    )  # fmt: skip
    room = bounds.kernels[level, n, p, r, q, s]
    if limit.other >= 0:
        other = cost[leaf, 1, 0] + least_channels(w, bounds.rungs, level, room, cost[leaf, 1, 2], cost[leaf, 1, 1])
        if other >= limit.other_below:
            return below
    return min(below, cost[leaf, 0, 0] + least_channels(w, bounds.rungs, level, room, cost[leaf, 0, 2], cost[leaf, 0, 1]))


@lean
def least_gathered(w: Work, bounds: Bounds, leaves: Leaves, level: int, limit: Limit) -> float:
    """The least of what was gathered while less was decided, below a limit; the limit if nothing is below."""
    found = limit.below
    for leaf in range(w.leaves):
        found = leaf_least(w, bounds, leaves, leaf, level, limit, found)
    return found


@lean
def is_decided(w: Work, level: int, dim: int) -> bool:
    """Whether the tile of a level is decided along a dimension."""
    return w.pick[dim] >= 0 if level == w.inner else w.tile[level, dim] > 0


@lean
def least_channels(w: Work, rungs: Rungs, level: int, room: Floats, per_c: float, per_k: float) -> float:
    """Least that trips of ``c`` and ``k`` cost, other trips given, of a level whose tile is whole numbers of that inside."""
    least = np.inf
    tied_c, tied_k = must_equal(w, level, C), must_equal(w, level, K)
    kernels, decided = w.trips[level + 1, K], is_decided(w, level + 1, K)
    inside = int(w.trips[level + 1, C])
    if is_decided(w, level + 1, C):
        trips = next_nested(inside, 0, tied_c)
        while trips > 0:
            fewest = least_kernels(kernels, decided, room[rungs.at[rungs.start[C] + trips]], tied_k)
            least = min(least, per_c * trips + per_k * fewest)
            trips = next_nested(inside, trips, tied_c)
        return least
    for rung in range(rungs.many[C]):
        if not tied_c or rungs.trips[C, rung] >= inside:
            fewest = least_kernels(kernels, decided, room[rung], tied_k)
            least = min(least, per_c * rungs.trips[C, rung] + per_k * fewest)
    return least


@lean
def least_kernels(inside: float, decided: bool, room: float, tied: bool) -> float:
    """Fewest trips of ``k``, of which the room leaves as few as ``room``, and the next level inside has ``inside``."""
    if decided:
        return fewest_nested(inside, room, tied)
    return max(room, inside) if tied else room


@lean
def confine(w: Work, rungs: Rungs, kernels: Floats, level: int) -> None:
    """Take the fewest trips of ``k`` of a level that needs room in the next one inside too, the same tile as far as tied."""
    many = rungs.many
    for n in range(many[N]):
        own_n = n if must_equal(w, level, N) else many[N] - 1
        for p in range(many[P]):
            own_p = p if must_equal(w, level, P) else many[P] - 1
            for r in range(many[R]):
                own_r = r if must_equal(w, level, R) else many[R] - 1
                for q in range(many[Q]):
                    own_q = q if must_equal(w, level, Q) else many[Q] - 1
                    for s in range(many[S]):
                        own_s = s if must_equal(w, level, S) else many[S] - 1
                        for c in range(many[C]):
                            own_c = c if must_equal(w, level, C) else many[C] - 1
                            inside = kernels[level + 1, own_n, own_p, own_r, own_q, own_s, own_c]
                            if must_equal(w, level, K) or inside == NO_ROOM:
                                kernels[level, n, p, r, q, s, c] = max(kernels[level, n, p, r, q, s, c], inside)


@compiled
def confined(w: Work, rungs: Rungs, kernels: Floats, found: Floats) -> None:
    """Write the fewest trips of ``k`` of every level, as tied tiles need room at both levels."""
    found[:] = kernels
    for level in range(w.last - 1, 0, -1):
        if w.tied[level + 1] > 0:
            confine(w, rungs, found, level)
