"""The compiled search: depth first through the tiles of one plan, from the innermost store outwards.

Levels, dimensions and arrays are those of :mod:`costmodel.mapping.levels.arrays`; the reasons are in ``docs/models/mapping.md``.
Imported only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    from costmodel.mapping.levels.arrays import Aim, Case, Plan, State

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TIE = 1e-12
"""Relative difference below which two costs, summed in different orders, are the same."""


@compiled
def is_free(operand: int, dim: int) -> bool:
    """Whether an operand does not depend on a loop."""
    if operand == WEIGHT:
        return dim in (N, P, Q)
    if operand == IFMAP:
        return dim == K
    return dim in (C, R, S)


@compiled
def sweeps(operand: int, trips: Floats) -> float:
    """Product of the trips of the loops that an operand does not depend on."""
    if operand == WEIGHT:
        return trips[N] * trips[P] * trips[Q]
    if operand == IFMAP:
        return trips[K]
    return trips[C] * trips[R] * trips[S]


@compiled
def axis_cover(case: Case, axis: int, tile: Ints, outer: Ints, loop: int) -> float:
    """Positions fetched along an axis in one sweep, at least those where its tile is undecided."""
    out, tap = (P, R) if axis == 0 else (Q, S)
    if tile[out] == 0 or tile[tap] == 0:
        return case.least[axis]
    table = case.height if axis == 0 else case.width
    outputs = outer[out] if outer[out] > 0 else case.size[out]
    taps = outer[tap] if outer[tap] > 0 else case.size[tap]
    return cover(table, case.gaps[axis, 0], case.gaps[axis, 1], tile[out], tile[tap], outputs, taps, loop)


@compiled
def halo(case: Case, stay: int, tile: Ints, outer: Ints) -> float:
    """Positions of the ifmap fetched in one sweep, the best of the loops that a form allows walked innermost."""
    high, wide = axis_cover(case, 0, tile, outer, 0), axis_cover(case, 1, tile, outer, 0)
    best = high * wide
    if stay != OFMAP:
        best = min(best, axis_cover(case, 0, tile, outer, 1) * wide, high * axis_cover(case, 1, tile, outer, 1))
    if stay != WEIGHT:
        best = min(best, axis_cover(case, 0, tile, outer, 2) * wide, high * axis_cover(case, 1, tile, outer, 2))
    return best


@compiled
def spread_copies(case: Case, state: State, level: int, dim: int) -> float:
    """Copies in elements along a dimension: of every tile, or while a loop runs, of those busy in each tile outside."""
    if level == case.last:
        return state.copies[dim]
    row = state.pick[dim]
    if row < 0:
        return state.trips[level, dim]
    many, own = case.candidates[row, UNROLLED], case.candidates[row, TILE]
    tile = state.tile[level, dim] if state.tile[level, dim] > 0 else case.size[dim]
    trips = -(-case.size[dim] // tile)
    rest = case.size[dim] - (trips - 1) * tile
    return (trips - 1.0) * many + min(many, -(-rest // own))


@compiled
def is_apart(case: Case, state: State, operand: int, dim: int) -> bool:
    """Whether elements along a dimension each need an access of their own to the store outside."""
    row = state.pick[dim]
    if row < 0 or case.candidates[row, SIDE] < 0:
        return False
    return case.side[case.candidates[row, SIDE], 2 if operand == OFMAP else 1] == 0


@compiled
def element_sweeps(case: Case, state: State, operand: int, level: int) -> tuple[float, float]:
    """Sweeps over an operand for elements of the array: at the store outside, and copies counted, in them."""
    shared, own = 1.0, 1.0
    for dim in range(8):
        if is_free(operand, dim):
            copies = spread_copies(case, state, level, dim)
            own *= copies
            shared *= copies if is_apart(case, state, operand, dim) else state.trips[level, dim]
    return shared, own


@compiled
def element_axis(case: Case, state: State, axis: int, outer: Ints, loop: int) -> tuple[float, float]:
    """Positions along an axis that elements read, and that are written in them."""
    out, tap = (P, R) if axis == 0 else (Q, S)
    a, b = state.pick[out], state.pick[tap]
    if a < 0 or b < 0:
        return case.least[axis], case.least[axis]
    rows = case.candidates
    if rows[a, UNROLLED] * rows[b, UNROLLED] == 1:
        alone = axis_cover(case, axis, state.tile[case.last], outer, loop)
        return alone, alone
    known = state.distinct_h if axis == 0 else state.distinct_w
    at, to = a - case.begin[out], b - case.begin[tap]
    if known[at, to] < 0:
        many = rows[a, UNROLLED] if not is_apart(case, state, IFMAP, out) else 1
        wide = rows[b, UNROLLED] if not is_apart(case, state, IFMAP, tap) else 1
        known[at, to] = wanted(
            case.size[out], case.size[tap], case.gaps[axis], case.geometry[axis], rows[a, TILE], many, rows[b, TILE], wide
        )
    table = case.height if axis == 0 else case.width
    own = table[1, rows[a, TILE], rows[b, TILE]] + table[2, rows[a, TILE], rows[b, TILE]]
    return known[at, to], own


@compiled
def ifmap_walks(case: Case, plan: Plan, state: State, level: int, outer: Ints) -> None:
    """Write what elements exchange of the ifmap for each loop walked innermost: none, p, q, r, s."""
    shared, own = element_sweeps(case, state, IFMAP, level)
    stay = plan.stays[case.last]
    for walk in range(5):
        allowed = walk == 0 or (stay != OFMAP if walk <= 2 else stay != WEIGHT)
        high, high_own = element_axis(case, state, 0, outer, 1 if walk == 1 else (2 if walk == 3 else 0))
        wide, wide_own = element_axis(case, state, 1, outer, 1 if walk == 2 else (2 if walk == 4 else 0))
        for at in range(state.walks.shape[1]):
            cost = plan.outer[IFMAP, at] * shared * high * wide + plan.own[IFMAP, at] * own * high_own * wide_own
            state.walks[walk, at] = cost if allowed else np.inf


@compiled
def settle_level(case: Case, plan: Plan, operand: int) -> int:
    """Level whose tile settles what elements exchange of an operand."""
    if operand == IFMAP and plan.counted_at[IFMAP] == case.last:
        return case.last - 1
    return plan.counted_at[operand]


@compiled
def add_settled(case: Case, plan: Plan, state: State, level: int, total: Floats) -> None:
    """Add what is exact once the tile of a level is known, the ifmap's overlap kept with the one inside included."""
    trips, inner, many = state.trips[level], level + 1, total.size
    stores = plan.flow.shape[0] - 1
    if 1 <= level < stores:
        for operand in (WEIGHT, OFMAP):
            if plan.stays[level] != operand:
                count = sweeps(operand, trips)
                for at in range(many):
                    total[at] += plan.flow[level, operand, at] * count
    if inner < stores:
        stay = plan.stays[inner]
        if stay != IFMAP:
            count = sweeps(stay, trips)
            for at in range(many):
                total[at] += plan.flow[inner, stay, at] * count
        count = trips[K] if stay == IFMAP else state.trips[inner, K]
        count *= halo(case, stay, state.tile[inner], state.tile[level])
        for at in range(many):
            total[at] += plan.flow[inner, IFMAP, at] * count
    if case.inner == case.last:
        add_elements(case, plan, state, level, total)


@compiled
def add_elements(case: Case, plan: Plan, state: State, level: int, total: Floats) -> None:
    """Add what elements exchange that the tile of this level settles."""
    for operand in (WEIGHT, OFMAP):
        if plan.counted_at[operand] == level:
            shared, own = element_sweeps(case, state, operand, level)
            for at in range(total.size):
                total[at] += plan.outer[operand, at] * shared + plan.own[operand, at] * own
    if settle_level(case, plan, IFMAP) == level:
        ifmap_walks(case, plan, state, plan.counted_at[IFMAP], state.tile[level])
        for at in range(total.size):
            total[at] += state.walks[:, at].min()


@compiled
def add_waiting(case: Case, plan: Plan, state: State, level: int, total: Floats) -> None:
    """Add the least of what is known at a level but settled further out, less what those levels are charged anyway."""
    if 1 <= level < plan.flow.shape[0] - 1:
        fetched = halo(case, plan.stays[level], state.tile[level], case.size)
        if plan.stays[level] == IFMAP:
            fetched -= case.least[0] * case.least[1]
        else:
            fetched *= state.trips[level, K]
        for at in range(total.size):
            total[at] += plan.flow[level, IFMAP, at] * fetched
    if case.inner != case.last:
        return
    if level == case.last:
        for operand in range(3):
            waiting_elements(case, plan, state, operand)
    for operand in range(3):
        if settle_level(case, plan, operand) < level:
            for at in range(total.size):
                total[at] += state.waiting[operand, at]


@compiled
def waiting_elements(case: Case, plan: Plan, state: State, operand: int) -> None:
    """Write the least of what elements exchange of an operand, less what the level that settles it is charged anyway."""
    last = case.last
    if plan.counted_at[operand] == last:
        if operand == IFMAP:
            ifmap_walks(case, plan, state, last, case.size)
            for at in range(state.walks.shape[1]):
                state.waiting[operand, at] = state.walks[:, at].min()
        return
    shared, own, charged = 1.0, 1.0, 1.0
    for dim in range(8):
        if is_free(operand, dim) and state.pick[dim] >= 0:
            row = case.candidates[state.pick[dim]]
            busy = min(row[UNROLLED], row[COPIES])
            own *= busy
            shared *= busy if is_apart(case, state, operand, dim) else 1
    if operand == IFMAP:
        charged = case.least[0] * case.least[1]
        least_shared, least_own = np.inf, np.inf
        for walk in range(5):
            high, high_own = element_axis(case, state, 0, case.size, 1 if walk == 1 else (2 if walk == 3 else 0))
            wide, wide_own = element_axis(case, state, 1, case.size, 1 if walk == 2 else (2 if walk == 4 else 0))
            least_shared, least_own = min(least_shared, high * wide), min(least_own, high_own * wide_own)
        shared, own = shared * least_shared, own * least_own
    for at in range(state.walks.shape[1]):
        state.waiting[operand, at] = plan.outer[operand, at] * (shared - charged) + plan.own[operand, at] * (own - charged)


@compiled
def add_alone(case: Case, plan: Plan, state: State, level: int, total: Floats) -> None:
    """Add the least that a level is charged, whatever the tiles of the others: what bounds levels not yet decided."""
    trips, inner, many = state.trips[level], level + 1, total.size
    stores = plan.flow.shape[0] - 1
    least = case.least[0] * case.least[1]
    if 1 <= level < stores:
        stay = plan.stays[level]
        for operand in (WEIGHT, OFMAP):
            if stay != operand:
                for at in range(many):
                    total[at] += plan.flow[level, operand, at] * sweeps(operand, trips)
        fetched = halo(case, stay, state.tile[level], case.size)
        count = fetched - least if stay == IFMAP else fetched * trips[K]
        for at in range(many):
            total[at] += plan.flow[level, IFMAP, at] * count
    if inner < stores:
        stay = plan.stays[inner]
        count = sweeps(stay, trips) * (least if stay == IFMAP else 1.0)
        for at in range(many):
            total[at] += plan.flow[inner, stay, at] * count
    if case.inner == case.last:
        for operand in range(3):
            if plan.counted_at[operand] == level:
                count = sweeps(operand, trips) * (least if operand == IFMAP else 1.0)
                for at in range(many):
                    total[at] += (plan.outer[operand, at] + plan.own[operand, at]) * count


@compiled
def scores(aim: Aim, total: Floats, steps: float) -> tuple[float, float]:
    """What is minimised, and what decides among equals: energy, or latency where energy is minimised."""
    times = aim.scale * steps + aim.compute_s
    latency = max(times, aim.feed_s) if aim.overlap else times + aim.feed_s
    for at in range(1, 1 + aim.ports):
        latency = max(latency, total[at]) if aim.overlap else latency + total[at]
    latency += aim.overhead_s
    energy = total[0] + aim.static_pj_per_s * latency
    if aim.kind == 0:
        return energy, latency
    if aim.kind == 1:
        return latency, energy
    if aim.kind == 2:
        return energy * latency, energy
    return total[total.size - 1], energy


@compiled
def improves(first: float, second: float, best: Floats) -> bool:
    """Whether a pair is better than the best, the second entry deciding where the first is the same."""
    if best[0] == np.inf or first < best[0] - TIE * abs(best[0]):
        return first < np.inf
    return first <= best[0] + TIE * abs(best[0]) and second < best[1] - TIE * abs(best[1])


@compiled
def comes_back(case: Case, plan: Plan, state: State, level: int) -> bool:
    """Whether partial sums come back to a level that holds the whole reduction, from the next store inside."""
    at = level + 1
    while at <= case.last and plan.holds[at, OFMAP] == 0:
        at += 1
    if at > case.last:
        return False
    counted = at
    while plan.stays[counted] == OFMAP and plan.tied[counted]:
        counted -= 1
    if plan.stays[counted] == OFMAP:
        counted -= 1
    counted = max(counted, level)
    if at == case.last == case.inner:
        return element_sweeps(case, state, OFMAP, counted)[0] > 1
    return sweeps(OFMAP, state.trips[counted]) > 1


@compiled
def ofmap_width(case: Case, plan: Plan, state: State, level: int) -> float:
    """Bits of an output in a store; the least possible while the reduction of its tile is undecided."""
    decided = True
    for dim in (C, R, S):
        size = state.tile[level, dim]
        if level == case.inner and state.pick[dim] >= 0:
            size = case.candidates[state.pick[dim], TILE]
        if 0 < size < case.size[dim]:
            return case.bits[3]
        decided = decided and size > 0
    if not decided:
        return min(case.bits[2], case.bits[3])
    return case.bits[3] if level < case.last and comes_back(case, plan, state, level) else case.bits[2]


@compiled
def holds_tile(case: Case, plan: Plan, level: int, tile: Ints, width: float, many: float) -> bool:
    """Whether a store, or ``many`` of them together, have room for a tile of every operand they hold."""
    area = float(case.height[0, tile[P], tile[R]] * case.width[0, tile[Q], tile[S]])
    weight = float(tile[G] * tile[K] * tile[C]) * tile[R] * tile[S]
    ifmap = float(tile[G] * tile[N] * tile[C]) * area
    ofmap = float(tile[G] * tile[N] * tile[K]) * tile[P] * tile[Q]
    if level == case.last == case.inner:
        if weight > case.values[WEIGHT] * many or ifmap > case.values[IFMAP] * many or ofmap > case.values[OFMAP] * many:
            return False
    shared = 0.0
    for operand in range(3):
        if plan.holds[level, operand]:
            if operand == WEIGHT:
                bits = weight * case.bits[0]
            elif operand == IFMAP:
                bits = ifmap * case.bits[1]
            else:
                bits = ofmap * width
            if case.room[level, 1 + operand] < 0:
                shared += bits
            elif bits > case.room[level, 1 + operand] * many:
                return False
    return shared <= case.room[level, 0] * many


@compiled
def fits(case: Case, plan: Plan, state: State, level: int) -> bool:
    """Whether what is decided of a level's tile, the rest as small as possible, has room."""
    if level > case.last:
        return True
    return holds_tile(case, plan, level, state.low[level], ofmap_width(case, plan, state, level), 1.0)


@compiled
def following(case: Case, dim: int, size: int, inside: int, factor: int) -> int:
    """Next smaller number of inner tiles in a tile that can be best; 0 after the last, and to begin with."""
    if factor == 1:
        return 0
    if factor == 0:
        return inside
    factor -= 1
    spatial = dim in (P, Q, R, S)
    while True:
        trips = -(-inside // factor)
        leader = -(-inside // trips)
        if factor == leader or not spatial:
            return leader
        if case.irregular[dim, trips]:
            table = case.height if dim in (P, R) else case.width
            if better(table, dim in (R, S), size * factor, size * leader):
                return factor
            factor -= 1
        else:
            return leader


@compiled
def must_equal(plan: Plan, level: int, dim: int) -> bool:
    """Whether the tile of a level is tied to the one inside along a dimension."""
    return plan.tied[level + 1] == 1 and not is_free(plan.stays[level + 1], dim)


@compiled
def decide_outer(case: Case, plan: Plan, state: State, level: int, dim: int, factor: int) -> int:
    """Take the next tile of a level along a dimension; 0 when there is none left."""
    inside, size = int(state.trips[level + 1, dim]), state.tile[level + 1, dim]
    if must_equal(plan, level, dim):
        factor = 1 if factor == 0 else 0
    else:
        factor = following(case, dim, size, inside, factor)
    if factor == 0:
        state.tile[level, dim], state.low[level, dim], state.trips[level, dim] = 0, size, 1.0
        return 0
    tile = min(size * factor, case.size[dim])
    state.tile[level, dim], state.low[level, dim] = tile, tile
    state.trips[level, dim] = -(-case.size[dim] // tile)
    return factor


@compiled
def clear_inner(case: Case, state: State, dim: int) -> None:
    """Forget the innermost tile along a dimension."""
    level = case.inner
    state.tile[level, dim], state.low[level, dim], state.pick[dim] = 0, 1, -1
    state.copies[dim], state.trips[level, dim], state.steps[dim] = case.fewest[dim, 0], case.fewest[dim, 1], case.fewest[dim, 2]


@compiled
def decide_inner(case: Case, state: State, dim: int, row: int) -> bool:
    """Take a candidate of the innermost tile; whether the side of the array has elements left for it."""
    level, chosen = case.inner, case.candidates[row]
    side = chosen[SIDE]
    clear_inner(case, state, dim)
    if side >= 0:
        used = chosen[UNROLLED]
        for other in range(8):
            if state.pick[other] >= 0 and case.candidates[state.pick[other], SIDE] == side:
                used *= case.candidates[state.pick[other], UNROLLED]
        if used > case.side[side, 0]:
            return False
    state.pick[dim] = row
    state.tile[level, dim], state.low[level, dim] = chosen[TOGETHER], chosen[TILE]
    state.copies[dim], state.trips[level, dim], state.steps[dim] = chosen[COPIES], chosen[TRIPS], chosen[STEPS]
    return True


@compiled
def promising(case: Case, plan: Plan, aim: Aim, state: State, level: int) -> bool:
    """Whether what is decided can be part of a mapping that is better than the best found."""
    total = state.settled[level + 1] + aim.rest[level]
    add_settled(case, plan, state, level, total)
    add_waiting(case, plan, state, level, total)
    first, second = scores(aim, total, state.steps.prod())
    return improves(first, second, state.best)


@compiled
def complete(case: Case, plan: Plan, state: State, level: int) -> None:
    """Settle a level whose tile is decided, and open the next one outside; the backing store settles at once."""
    settle(case, plan, state, level)
    state.tile[level - 1], state.low[level - 1], state.trips[level - 1] = 0, state.tile[level], 1.0
    state.tile[level - 1, G] = state.tile[level, G]
    if level == 1:
        state.tile[0] = case.size
        settle(case, plan, state, 0)


@compiled
def settle(case: Case, plan: Plan, state: State, level: int) -> None:
    """Write what is exact from a level inwards."""
    total = state.settled[level]
    total[:] = state.settled[level + 1]
    add_settled(case, plan, state, level, total)


@compiled
def record(case: Case, aim: Aim, state: State) -> None:
    """Keep a mapping if it is better than the best; each loop that elements may walk is looked at."""
    elements = case.inner == case.last
    for walk in range(5 if elements else 1):
        total = state.settled[0].copy()
        if elements:
            for at in range(total.size):
                total[at] += state.walks[walk, at] - state.walks[:, at].min()
        first, second = scores(aim, total, state.steps.prod())
        if improves(first, second, state.best):
            state.best[0], state.best[1] = first, second
            state.best_tile[:] = state.tile
            state.best_pick[:] = state.pick
            state.best_walk[0] = walk


@compiled
def explore(case: Case, plan: Plan, aim: Aim, state: State, begin: int, end: int) -> None:
    """Search all mappings of a plan whose innermost batch tile is one of some candidates."""
    for dim in range(8):
        clear_inner(case, state, dim)
    state.settled[case.inner + 1] = aim.base
    last = 8 + 7 * (case.inner - 1) - 1
    at = np.zeros(last + 1, dtype=np.int64)
    depth, at[0] = 0, begin - 1
    while depth >= 0:
        state.count[0] += 1
        if depth < 8:
            level, dim = case.inner, ORDER[depth]
            at[depth] += 1
            if at[depth] >= (end if depth == 0 else case.begin[dim + 1]):
                clear_inner(case, state, dim)
                depth -= 1
                continue
            if not decide_inner(case, state, dim, at[depth]):
                continue
        else:
            level, dim = case.inner - 1 - (depth - 8) // 7, ORDER[(depth - 8) % 7]
            at[depth] = decide_outer(case, plan, state, level, dim, at[depth])
            if at[depth] == 0:
                depth -= 1
                continue
        if not fits(case, plan, state, level):
            continue
        if not promising(case, plan, aim, state, level):
            if depth >= 8 and dim in (N, C, K):
                at[depth] = 1  # smaller tiles cost more
            continue
        if dim == (G if depth < 8 else K):
            complete(case, plan, state, level)
        if depth == last:
            record(case, aim, state)
        else:
            depth += 1
            at[depth] = case.begin[ORDER[depth]] - 1 if depth < 8 else 0


@compiled
def least_alone(case: Case, plan: Plan, state: State, level: int, resource: int, elements: float) -> float:
    """Least that a level is charged of a resource, its tile as free as its room allows; infinite where none fits."""
    best = np.inf
    at = np.zeros(7, dtype=np.int64)
    state.tile[level], state.low[level], state.trips[level] = 0, 1, 1.0
    state.pick[:] = -1
    total = np.zeros(plan.flow.shape[2])
    depth = 0
    while depth >= 0:
        dim = ORDER[depth]
        at[depth] = following(case, dim, 1, case.size[dim], at[depth])
        if at[depth] == 0:
            state.tile[level, dim], state.low[level, dim], state.trips[level, dim] = 0, 1, 1.0
            depth -= 1
            continue
        state.tile[level, dim], state.low[level, dim] = at[depth], at[depth]
        state.trips[level, dim] = -(-case.size[dim] // at[depth])
        if not holds_tile(case, plan, level, state.low[level], alone_width(case, state, level), elements):
            continue
        total[:] = 0.0
        add_alone(case, plan, state, level, total)
        if total[resource] >= best:
            if dim in (N, C, K):
                at[depth] = 1
            continue
        if depth == 6:
            best = total[resource]
        else:
            depth += 1
            at[depth] = 0
    return best


@compiled
def alone_width(case: Case, state: State, level: int) -> float:
    """Least bits of an output in a store of which nothing else is known."""
    for dim in (C, R, S):
        if 0 < state.tile[level, dim] < case.size[dim]:
            return case.bits[3]
    return min(case.bits[2], case.bits[3])


@compiled
def charged_outermost(case: Case, plan: Plan, state: State, total: Floats) -> None:
    """Add what the backing store is charged whatever the mapping."""
    state.tile[0], state.trips[0] = case.size, 1.0
    add_alone(case, plan, state, 0, total)
