"""The execution order that needs the least memory: exact where the search ends, else with a proved lower bound.

A set of executed steps is closed if it holds the predecessors of its members. What is alive after a closed set, and what the
next step needs, depend on the set alone and not on the order within it, so an order is a path through closed sets, and the
least peak is a bottleneck shortest path. The search goes through closed sets by increasing peak; the proofs of what it leaves
out are in ``docs/models/memory.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from heapq import heappop, heappush, nsmallest
from operator import or_
from typing import TYPE_CHECKING, Final, NamedTuple

from costmodel.schedule.liveness import liveness, overwriting, replaceable, whole_bytes_of
from costmodel.schedule.program import mask_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from costmodel.schedule.program import Program

MOST_SETS: Final = 20_000
"""Closed sets that the search looks at before it settles for the best order found: one or two seconds."""
BEAM: Final = 32
"""Sets of each size with which it then goes on to the end."""


@dataclass(frozen=True)
class Order:
    """Steps in the order of execution, the memory they need at their peak, and what every order needs at least [bits].

    Every buffer takes whole bytes, so both are multiples of 8.
    """

    steps: tuple[int, ...]
    peak_bits: int
    lower_bound_bits: int

    @property
    def proved(self) -> bool:
        """Whether no order needs less."""
        return self.peak_bits == self.lower_bound_bits


class Executed(NamedTuple):
    """A closed set on the way: what is alive after it, its members as bits, the steps that are ready, and how it was reached.

    Sets compare by what is alive, then by the order in which they were found.
    """

    live_bits: int
    found: int
    members: int
    ready: tuple[int, ...]
    path: Path | None


class Path(NamedTuple):
    """The last step of a way through closed sets, and the way before it."""

    step: int
    before: Path | None


def program_order(program: Program, *, in_place: bool = True) -> Order:
    """The order in which the network is written; its lower bound is that of :func:`least_of_steps`."""
    return order_of(program, range(len(program.steps)), least_of_steps(program, in_place=in_place), in_place=in_place)


def order_of(program: Program, steps: Iterable[int], lower_bound_bits: int, *, in_place: bool) -> Order:
    """An order with its peak."""
    given = tuple(steps)
    return Order(given, 8 * liveness(program, given, in_place=in_place).peak_bytes, lower_bound_bits)


def least_of_steps(program: Program, *, in_place: bool = True) -> int:
    """What any order needs at least [bits]: at its most demanding step, at the start, or at the end.

    While a step is executed its operands are alive, and every buffer that some step before it writes and some step after it
    uses, whatever the order.
    """
    sizes = [8 * whole_bytes_of(buffer.bits) for buffer in program.buffers]
    ends = [
        sum(size for size, buffer in zip(sizes, program.buffers, strict=True) if getattr(buffer, end))
        for end in ("is_input", "is_output")
    ]
    needs = [-sizes[inputs[0]] if inputs else 0 for inputs in replaceable_inputs(program, in_place=in_place)]
    for size, steps in zip(sizes, alive_in_every_order(program), strict=True):
        for step in members_of(steps):
            needs[step] += size
    return max(*ends, *needs)


def replaceable_inputs(program: Program, *, in_place: bool) -> list[tuple[int, ...]]:
    """Inputs over which each step may write its output if they end there; they are as large as it."""
    writers = program.writers()
    outputs = [overwriting(program, step, writers) if in_place else None for step in program.steps]
    return [
        () if output is None else tuple(replaceable(program, step, output))
        for step, output in zip(program.steps, outputs, strict=True)
    ]


def alive_in_every_order(program: Program) -> list[int]:
    """Steps during which each buffer is alive whatever the order, as bits."""
    predecessors = program.predecessors()
    before = closures(predecessors)
    after = closures(successors_of(predecessors), backwards=True)
    found = []
    for buffer, writers, readers in zip(program.buffers, program.writers(), program.readers(), strict=True):
        begun = -1 if buffer.is_input else union(after[step] for step in writers)
        needed = -1 if buffer.is_output else union(before[step] for step in (*writers, *readers))
        always = (1 << len(predecessors)) - 1
        found.append(begun & needed & always | mask_of((*writers, *readers)))
    return found


def closures(neighbours: Sequence[Iterable[int]], *, backwards: bool = False) -> list[int]:
    """All steps that lead to each one, as bits; those that follow from it if backwards.

    >>> [bin(steps) for steps in closures([[], [0], [1]])]
    ['0b0', '0b1', '0b11']
    """
    found = [0] * len(neighbours)
    for step in reversed(range(len(neighbours))) if backwards else range(len(neighbours)):
        found[step] = union(found[one] | 1 << one for one in neighbours[step])
    return found


def union(masks: Iterable[int]) -> int:
    """Bits that are in any of the masks."""
    return reduce(or_, masks, 0)


def members_of(steps: int) -> Iterator[int]:
    """Steps whose bits are set.

    >>> list(members_of(0b1001))
    [0, 3]
    """
    while steps:
        lowest = steps & -steps
        yield lowest.bit_length() - 1
        steps ^= lowest


def successors_of(predecessors: Sequence[Iterable[int]]) -> list[list[int]]:
    """Steps that need each step.

    >>> successors_of([[], [0], [0]])
    [[1, 2], [], []]
    """
    found: list[list[int]] = [[] for _ in predecessors]
    for step, before in enumerate(predecessors):
        for one in before:
            found[one].append(step)
    return found


def least_memory_order(program: Program, *, in_place: bool = True, most_sets: int = MOST_SETS) -> Order:
    """The order of least peak; the program's own where no other needs less.

    Parameters
    ----------
    program
        Steps and buffers.
    in_place
        Whether element-wise steps write over an input that dies there.
    most_sets
        Closed sets to look at; after that, the best order found is given with a lower bound.

    Returns
    -------
    Order
        The same on every call.

    Examples
    --------
    >>> from costmodel.importers import load_network
    >>> from costmodel.schedule.program import program_of
    >>> import numpy as np
    >>> table = (graph := load_network("squeezenet")).table()
    >>> bits = np.full((len(table), 1), 8)
    >>> least_memory_order(program_of(graph, table, bits, bits, 1)).proved
    True
    """
    own = program_order(program, in_place=in_place)
    if own.proved:
        return own
    steps, lower_bound_bits = Search(program, own, in_place=in_place, most_sets=most_sets).result()
    found = order_of(program, steps, lower_bound_bits, in_place=in_place)
    if found.peak_bits < own.peak_bits:
        return found
    return Order(own.steps, own.peak_bits, lower_bound_bits)


class Memory:
    """What executing a step after a closed set does to memory; sets are bit masks of steps."""

    def __init__(self, program: Program, *, in_place: bool) -> None:
        self.sizes = [8 * whole_bytes_of(buffer.bits) for buffer in program.buffers]
        self.kept = [buffer.is_output for buffer in program.buffers]
        self.writers = list(map(mask_of, program.writers()))
        self.users = [w | mask_of(r) for w, r in zip(self.writers, program.readers(), strict=True)]
        self.given = [buffer.is_input for buffer in program.buffers]
        self.operands = [tuple(dict.fromkeys(a.buffer for a in (*s.reads, *s.writes))) for s in program.steps]
        self.written = [tuple(dict.fromkeys(a.buffer for a in step.writes)) for step in program.steps]
        self.replaceable = replaceable_inputs(program, in_place=in_place)
        self.unused_bits = sum(
            size
            for size, given, kept, users in zip(self.sizes, self.given, self.kept, self.users, strict=True)
            if given and not kept and not users
        )

    def start_bits(self) -> int:
        """Memory before the first step of the network's inputs that some step or the caller needs later [bits]."""
        return sum(size for size, given in zip(self.sizes, self.given, strict=True) if given) - self.unused_bits

    def after(self, members: int, live_bits: int, step: int) -> tuple[int, int]:
        """Memory while a step is executed after a closed set, and after it [bits]."""
        all_members = members | 1 << step
        begun = sum(self.sizes[b] for b in self.written[step] if not self.given[b] and not self.writers[b] & members)
        dying = [b for b in self.operands[step] if not self.kept[b] and not self.users[b] & ~all_members]
        saved = next((self.sizes[b] for b in self.replaceable[step] if b in dying), 0)
        first_bits = 0 if members else self.unused_bits
        return live_bits + first_bits + begun - saved, live_bits + begun - sum(self.sizes[b] for b in dying)


def cuts(predecessors: Sequence[frozenset[int]]) -> list[bool]:
    """Whether each step is a predecessor or a successor, direct or not, of every other one: no order avoids the set it closes.

    All steps before it lead to it if each has a successor up to it; all after it depend on it if each has a predecessor from
    it on (by induction along the order, which is topological).

    >>> cuts([frozenset(), frozenset({0}), frozenset({0}), frozenset({1, 2})])
    [True, False, False, True]
    """
    count = len(predecessors)
    nearest = [count] * count
    for step in reversed(range(count)):
        for before in predecessors[step]:
            nearest[before] = step
    reached = [0, *nearest]
    for index in range(1, count + 1):
        reached[index] = max(reached[index - 1], reached[index])
    needed = [max(before, default=-1) for before in predecessors] + [count]
    for index in reversed(range(count)):
        needed[index] = min(needed[index], needed[index + 1])
    return [reached[step] <= step <= needed[step + 1] for step in range(count)]


class Search:
    """Bottleneck shortest path through closed sets, from one that loses nothing to the next.

    ``level_bits`` is the least peak of any order as far as proved. Sets reached within it are looked at first, those with
    the least alive before others, of equals the one found first: what is left out rests on this order. The level rises only
    when none is left, to the least peak of those set aside. The first set at which no more is alive than where the search
    began, or that no order avoids, becomes the new beginning.
    """

    def __init__(self, program: Program, own: Order, *, in_place: bool, most_sets: int) -> None:
        predecessors = program.predecessors()
        self.memory = Memory(program, in_place=in_place)
        self.needed = list(map(mask_of, predecessors))
        self.successors = successors_of(predecessors)
        self.cut = cuts(predecessors)
        self.own, self.most_sets = own, most_sets
        self.level_bits = own.lower_bound_bits
        self.looked_at = self.found = 0
        start = tuple(step for step, before in enumerate(predecessors) if not before)
        self.begin(Executed(self.memory.start_bits(), 0, 0, start, None))
        self.open.append(self.base)

    def begin(self, at: Executed) -> None:
        """Forget all other sets: those that go on from this one are enough."""
        self.base = at
        self.open: list[Executed] = []
        self.aside: list[tuple[int, Executed]] = []
        self.seen = {at.members}

    def result(self) -> tuple[tuple[int, ...], int]:
        """The best order found, and the least peak of any order as far as proved [bits]."""
        while self.looked_at < self.most_sets:
            at = self.next_set()
            if at is None:
                return self.own.steps, self.own.peak_bits
            if not at.ready:
                return steps_of(at.path), self.level_bits
            if self.loses_nothing(at):
                self.begin(at)
            self.look_at(at)
        return steps_of(self.beam().path), self.level_bits

    def next_set(self) -> Executed | None:
        """The set to look at next; None where every way needs as much as the program's own order."""
        while not self.open and self.aside:
            self.level_bits = self.aside[0][0]
            while self.aside and self.aside[0][0] == self.level_bits:
                self.put(*heappop(self.aside))
        return heappop(self.open) if self.open else None

    def put(self, during_bits: int, at: Executed) -> None:
        """Keep a set that has not been reached otherwise: to be looked at, or aside where it needs more than the level."""
        if at.members in self.seen or during_bits >= self.own.peak_bits:
            return
        if during_bits > self.level_bits:
            heappush(self.aside, (during_bits, at))
            return
        self.seen.add(at.members)
        heappush(self.open, at)

    def look_at(self, at: Executed) -> None:
        """Execute every ready step after a set."""
        self.looked_at += 1
        for step in at.ready:
            self.put(*self.executed(at, step))

    def loses_nothing(self, at: Executed) -> bool:
        """Whether the least peak of any order is that of one through this set.

        Not by what is alive where an unused input burdens whichever step is the first.
        """
        if at.path is None:
            return False
        burdened = self.base.path is None and self.memory.unused_bits > 0
        return self.cut[at.path.step] or (at.live_bits <= self.base.live_bits and not burdened)

    def executed(self, at: Executed, step: int) -> tuple[int, Executed]:
        """Memory while a step is executed after a set [bits], and the set with it."""
        during_bits, live_bits = self.memory.after(at.members, at.live_bits, step)
        members = at.members | 1 << step
        freed = (s for s in self.successors[step] if not self.needed[s] & ~members)
        ready = tuple(sorted([*(s for s in at.ready if s != step), *freed]))
        self.found += 1
        return during_bits, Executed(live_bits, self.found, members, ready, Path(step, at.path))

    def beam(self) -> Executed:
        """Go on to the end from where the search stands with the few sets that need least so far, then hold least."""
        kept: list[tuple[int, Executed]] = [(self.level_bits, self.base)]
        while kept[0][1].ready:
            best: dict[int, tuple[int, Executed]] = {}
            for peak_bits, at in kept:
                for during_bits, following in (self.executed(at, step) for step in at.ready):
                    way = max(peak_bits, during_bits), following
                    best[following.members] = min(best.get(following.members, way), way)
            kept = nsmallest(BEAM, best.values())
        return kept[0][1]


def steps_of(path: Path | None) -> tuple[int, ...]:
    """Steps of a way, the first one first."""
    steps = []
    while path is not None:
        steps.append(path.step)
        path = path.before
    return tuple(reversed(steps))
