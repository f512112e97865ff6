"""The compiled search of all plans of a layer: bounded, opened and pursued in rounds.

The record ``w`` is that of :mod:`costmodel.mapping.levels.arrays`; the reasons are in ``docs/models/mapping.md``. Imported
only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.mapping.levels.arrays import IFMAP, RESOURCES, C, N, P, Q, R, S
from costmodel.mapping.levels.compiled import compiled, lean
from costmodel.mapping.levels.costs import improves, score
from costmodel.mapping.levels.decide import fewest_steps
from costmodel.mapping.levels.inner import Entries, Pairs, fewest_of_all, innermost, scan
from costmodel.mapping.levels.kernel import Queue, pursue, start
from costmodel.mapping.levels.least import (
    NOWHERE,
    Bounds,
    Known,
    Leaves,
    Rungs,
    add_least,
    confined,
    fewest_trips,
    grid,
    tables_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Work = Any  # a record
    Works = Any  # an array of one record, which compiled code takes faster


KEPT_BYTES = 1 << 26
"""Tables of plans, and of room, that are kept from round to round."""
MOST_KEPT = 64
"""Plans whose tables are kept at most."""
KNOWN = 64
"""Charges of a level that are remembered."""


class Plans(NamedTuple):
    """Every plan (M) of a layer on a hierarchy of L stores on chip.

    Operands in place and ties of every block (M, L), the choice of what passes by and the number of the tables of room; of
    every choice (B) what stores hold (B, L + 1, 3) and what sweeps cost at their boundaries: shared by elements, of each of
    them (B, L + 1, 3, resources), and always (B, resources).
    """

    stays: Ints
    tied: Ints
    passing: Ints
    room: Ints
    holds: Ints
    shared: Floats
    own: Floats
    always: Floats


class Tables(NamedTuple):
    """Tables of plans, the latest kept.

    Fields of :class:`Bounds` that all plans share; fewest trips of ``k`` of every choice of what passes by, ``rooms`` the same
    as ties leave them, and ``room_of`` whose they are (-1: nobody's); tables of plans, and whose they are.
    """

    rungs: Rungs
    axes: Floats
    begin: Ints
    kernels: Floats
    rooms: Floats
    room_of: Ints
    own: Floats
    nested: Floats
    per: Floats
    plan_of: Ints


class Scratch(NamedTuple):
    """Room for what the search of a plan finds, and for the plans of a round: in order, and left for the next."""

    queue: Queue
    leaves: Leaves
    chosen: Ints
    values: Floats
    order: Ints
    rest: Ints
    least: Floats


class Prepared(NamedTuple):
    """What the search of a layer begins with.

    Tables; what no mapping of each plan undercuts, of what is minimised and of what decides among equals (M, 2); plans for
    which there is room, the most promising first; innermost tiles of both axes and their pairs; room to work in.
    """

    tables: Tables
    bound: Floats
    order: Ints
    one: Entries
    two: Entries
    pairs: Pairs
    scratch: Scratch


@lean
def load(w: Work, plans: Plans, number: int) -> None:
    """Write a plan into the record: charges of a tied boundary join those of the one outside."""
    levels, passing = plans.stays.shape[1], plans.passing[number]
    elements = w.inner == w.last
    w.stores = levels if elements else levels + 1
    w.stays[:], w.tied[:] = -1, 0
    for at in range(levels):
        w.stays[1 + at], w.tied[1 + at] = plans.stays[number, at], plans.tied[number, at]
    for at in range(w.resources):
        w.always[at] = plans.always[passing, at]
        for operand in range(3):
            for store in range(levels + 1):
                shared, own = plans.shared[passing, store, operand, at], plans.own[passing, store, operand, at]
                w.flow[store, operand, at] = shared + own if store < w.stores else 0.0
            w.outer[operand, at] = plans.shared[passing, levels, operand, at] if elements else 0.0
            w.own[operand, at] = plans.own[passing, levels, operand, at] if elements else 0.0
    for operand in range(3):
        for store in range(levels + 1):
            w.holds[store, operand] = plans.holds[passing, store, operand]
        for level in range(w.stores - 1, 1, -1):
            if w.tied[level] == 2 or (w.tied[level] == 1 and operand == w.stays[level]):
                for at in range(w.resources):
                    w.flow[level - 1, operand, at] += w.flow[level, operand, at]
                    w.flow[level, operand, at] = 0.0
        block = levels
        while w.tied[block] == 2 or (w.tied[block] == 1 and w.stays[block] == operand):
            block -= 1
        w.counted[operand] = block - (w.stays[block] == operand)
        if operand == IFMAP:
            w.walked = block - 1


@compiled
def room(w: Work, plans: Plans, tables: Tables, number: int) -> int:
    """Where the fewest trips of ``k`` are that the room of each level leaves to the plan in the record."""
    key = plans.room[number]
    slot = key % len(tables.room_of)
    if tables.room_of[slot] != key:
        tables.room_of[slot] = key
        confined(w, tables.rungs, tables.kernels[plans.passing[number]], tables.rooms[slot])
    return int(slot)


@compiled
def opened(works: Works, plans: Plans, tables: Tables, number: int) -> Bounds:
    """Write a plan into the record, and return its tables."""
    w = works[0]
    load(w, plans, number)
    kernels = tables.rooms[room(w, plans, tables, number)]
    slot = number % len(tables.plan_of)
    own, nested, per = tables.own[slot], tables.nested[slot], tables.per[slot]
    if tables.plan_of[slot] != number:
        tables.plan_of[slot] = number
        tables_of(w, tables.rungs, tables.axes, tables.begin, kernels, own, nested, per)
    return Bounds(tables.rungs, tables.begin, own, nested, per, kernels, tables.axes)


@compiled
def bound_all(works: Works, plans: Plans, tables: Tables) -> Floats:
    """What no mapping of each plan undercuts, of what is minimised and of what decides among equals (M, 2)."""
    w = works[0]
    known = Known(
        np.zeros(w.inner + 1, dtype=np.int64), np.zeros((w.inner + 1, KNOWN), dtype=np.int64),
        np.zeros((w.inner + 1, KNOWN, 6, RESOURCES)), np.zeros((w.inner + 1, KNOWN, RESOURCES)),
    )  # fmt: skip
    found, table = np.empty((len(plans.room), 2)), np.empty(tables.own.shape[2:])
    for number in range(len(plans.room)):
        if number == 0 or plans.passing[number] != plans.passing[number - 1]:
            known.many[:] = 0
        load(w, plans, number)
        start(w)
        kernels = tables.rooms[room(w, plans, tables, number)]
        add_least(w, tables.rungs, tables.axes, tables.begin, kernels, known, table)
        found[number, 0], found[number, 1] = score(w, fewest_steps(w))
    return found


@compiled
def kernels_of(works: Works, rungs: Rungs, axes: Floats, holds: Ints, elements: float) -> Floats:
    """Fewest trips of ``k`` that the room of each level leaves, for every choice of what passes by."""
    w, many = works[0], rungs.many
    found = np.zeros((len(holds), w.inner + 1, many[N], many[P], many[R], many[Q], many[S], many[C]))
    for number in range(len(holds)):
        for level in range(1, w.inner + 1 if w.inner == w.last else w.inner):
            same = 0
            while (holds[same, level] != holds[number, level]).any():
                same += 1
            if same < number:
                found[number, level] = found[same, level]
            else:
                w.holds[level] = holds[number, level]
                found[number, level] = fewest_trips(works, rungs, axes, level, elements if level == w.inner else 1.0)
    return found


@compiled
def tables_for(w: Work, plans: Plans, rungs: Rungs, axes: Floats, begin: Ints, kernels: Floats) -> Tables:
    """Room for tables of plans, what all of them share filled in."""
    own_bytes, room_bytes = 16 * w.inner * begin[6] * w.resources, 8 * kernels[0].size
    rooms = max(1, min(plans.room.max() + 1, KEPT_BYTES // room_bytes))
    slots = max(1, min(len(plans.room), MOST_KEPT, KEPT_BYTES // own_bytes))
    shape, size = kernels.shape, begin[6]
    return Tables(
        rungs, axes, begin, kernels,
        np.empty((rooms, shape[1], shape[2], shape[3], shape[4], shape[5], shape[6], shape[7])), np.full(rooms, -1),
        np.empty((slots, w.inner, size, w.resources)), np.empty((slots, w.inner, size, w.resources)),
        np.empty((slots, w.inner, 6, RESOURCES)), np.full(slots, -1),
    )  # fmt: skip


@compiled
def scratch_for(w: Work, plans: Plans, begin: Ints, pairs: Pairs) -> Scratch:
    """Room for what the search of a plan finds."""
    rows, leaves, many, number = 0, begin[6] - begin[5] + 1, len(pairs.place), len(plans.room)
    for dim in range(8):
        rows = max(rows, w.begin[dim + 1] - w.begin[dim])
    return Scratch(
        Queue(np.empty((2, rows), dtype=np.int64), np.empty((2, rows, 2))),
        Leaves(np.empty((leaves, 2, 3)), np.empty((leaves, 5), dtype=np.int64)),
        np.empty(many, dtype=np.int64), np.empty(many),
        np.empty(number, dtype=np.int64), np.empty(number, dtype=np.int64), np.empty(number),
    )  # fmt: skip


@compiled
def prepare(
    works: Works, spans: Floats, rows: Ints, wants: Floats, plans: Plans, elements: float, counts_steps: bool
) -> Prepared:
    """Find what the search of a layer begins with; fewest steps only where they count."""
    w = works[0]
    rungs, axes, begin = grid(works, spans)
    one, two, pairs = innermost(works, spans, rows, wants, rungs)
    w.least_steps = 0.0
    if counts_steps:
        w.least_steps = fewest_of_all(works, rows, one, two, pairs)
    tables = tables_for(w, plans, rungs, axes, begin, kernels_of(works, rungs, axes, plans.holds, elements))
    bound = bound_all(works, plans, tables)
    order = np.argsort(bound[:, 1], kind="mergesort")
    order = order[np.argsort(bound[order, 0], kind="mergesort")]
    order = order[bound[order, 0] < NOWHERE]
    return Prepared(tables, bound, order, one, two, pairs, scratch_for(w, plans, begin, pairs))


@compiled
def next_round(w: Work, scratch: Scratch) -> None:
    """Order what is left by the least bound of its pairs, and begin with it again."""
    left = np.argsort(scratch.least[: w.rest], kind="mergesort")
    scratch.order[: w.rest] = scratch.rest[: w.rest][left]
    w.lap, w.turn, w.many, w.rest = w.lap + 1, 0, w.rest, 0


@compiled
def look(w: Work, rows: Ints, bounds: Bounds, pairs: Pairs, scratch: Scratch) -> None:
    """Find the pairs of the plan in the record that can be better than the best, and order them by their bounds."""
    many = scan(w, rows, bounds, pairs, scratch.chosen, scratch.values)
    order = np.argsort(scratch.values[:many], kind="mergesort")
    scratch.chosen[:many], scratch.values[:many] = scratch.chosen[:many][order], scratch.values[:many][order]
    w.at_pair, w.pairs, w.depth, w.going = 0, many, 0, 1


@compiled
def advance(
    works: Works, spans: Floats, rows: Ints, wants: Floats, plans: Plans, prepared: Prepared, steps: Ints, budget: int,
    anew: bool,
) -> bool:
    """Search on, each plan for the steps of its round, until about so much is done; whether all are finished."""
    w, pairs, scratch = works[0], prepared.pairs, prepared.scratch
    if anew:
        many = len(prepared.order)
        scratch.order[:many] = prepared.order
        w.lap, w.turn, w.many, w.rest, w.going, w.count, w.spent = 0, 0, many, 0, 0, 0, 0
    budget += w.spent
    while w.turn < w.many or w.rest > 0:
        if w.spent >= budget:
            return False
        if w.turn == w.many:
            next_round(w, scratch)
        number = scratch.order[w.turn]
        if not w.going and not improves(w, prepared.bound[number, 0], prepared.bound[number, 1]):
            w.turn += 1
            continue
        bounds = opened(works, plans, prepared.tables, number)
        if not w.going:
            w.plan, w.until = number, w.count + steps[w.lap]
            w.spent += len(pairs.place) // 16 + len(bounds.own[0]) // 4
            look(w, rows, bounds, pairs, scratch)
        before = w.count
        done = pursue(
            w, spans, rows, wants, bounds, scratch.queue, scratch.leaves, prepared.one, prepared.two, pairs, scratch.chosen,
            scratch.values, min(w.until - w.count, budget - w.spent),
        )  # fmt: skip
        w.spent += w.count - before
        if not done and w.count < w.until:
            continue
        if not done:
            scratch.rest[w.rest], scratch.least[w.rest] = number, scratch.values[0]
            w.rest += 1
        w.turn, w.going = w.turn + 1, 0
    return True
