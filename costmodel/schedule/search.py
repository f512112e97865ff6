"""The cheapest way to execute a program: which buffers stay on chip, which steps form cascades, and in which order.

Dynamic programming over (steps executed, buffers on chip). A label is kept per state; between two states the moves are one
step, or one cascade. For a buffer on chip the state says whether its content is off chip as well (``clean``), so that
giving it up costs nothing. The moves are listed in ``docs/models/schedule.md``; the search is exact over them, unless more
states appear than are kept: then ``lower_bits`` says how far it may be from the optimum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, combinations, product
from math import floor, inf
from typing import TYPE_CHECKING, Final, NamedTuple

from costmodel.schedule.program import mask_of
from costmodel.schedule.stripes import Cascade, Cascades, Links, Option, Verdict

if TYPE_CHECKING:
    from costmodel.schedule.costs import Costs
    from costmodel.schedule.program import Access, Program

MOST_STATES: Final = 512
"""States kept among those with equally many steps executed."""
MOST_CASCADE: Final = 16
"""Steps of the longest cascade that is tried."""
FUSED_BITS: Final = 2.0**-12
"""Added for every step in a cascade: of schedules that move equally much, the one with fewer is taken."""

Resident = tuple[tuple[int, bool], ...]
"""Buffers on chip with whether they are clean, in order of their numbers."""
State = tuple[int, Resident]


class Move(NamedTuple):
    """One step or one cascade.

    Attributes
    ----------
    steps
        Numbers of the steps, in order of execution.
    on_chip
        Buffers that are on chip while they are executed.
    resident_bits
        Their size.
    fixed_bits
        Bits moved beside the steps' own: buffers loaded to stay, given up, or written back as outputs.
    loaded, stored
        The buffers that this concerns.
    after
        State that follows.
    """

    steps: tuple[int, ...]
    on_chip: frozenset[int]
    resident_bits: int
    fixed_bits: int
    loaded: tuple[int, ...]
    stored: tuple[int, ...]
    after: State
    cascade: Cascade | None


class Way(NamedTuple):
    """How a move is executed: a cascade's option, or the memory left for a step's tiles beside ``held`` weights [bits]."""

    option: Option | None
    capacity_bits: int
    held: bool = False


class Label(NamedTuple):
    """Cheapest way found into a state."""

    bits: float
    before: State | None
    move: Move | None
    way: Way | None


@dataclass(frozen=True)
class Path:
    """A schedule: its cost, what no schedule undercuts, and its moves with how each is executed."""

    bits: float
    lower_bits: float
    moves: tuple[tuple[Move, Way], ...]


class Search:
    """Schedules of one program; transitions are worked out once and serve every run and every size of memory.

    Parameters
    ----------
    program, costs, links
        The steps, what they move, and who reads what.
    capacity_bits
        Size of the memory on chip [bits]; see :meth:`sized`.
    order
        Order of execution; None for all orders.
    fusion
        Whether layers are cascaded.
    """

    def __init__(
        self, program: Program, costs: Costs, links: Links, capacity_bits: int, order: Sequence[int] | None, *, fusion: bool
    ) -> None:
        self.program, self.costs, self.links = program, costs, links
        self.capacity_bits = self.largest_bits = capacity_bits
        self.fusion = fusion
        count = len(program.steps)
        self.all = (1 << count) - 1
        self.readers = [mask_of(steps) for steps in links.readers]
        self.writers = [mask_of(steps) for steps in links.writers]
        self.before = [mask_of(step.needs) for step in program.steps]
        self.bits = [buffer.bits for buffer in program.buffers]
        self.inputs = [
            (self.readers[b], self.least_read(b)) for b, buffer in enumerate(program.buffers) if buffer.is_input
        ]
        self.next: dict[int, tuple[int, ...]] = {} if order is None else dict(prefixes(order))
        self.ranks = None if order is None else {step: rank for rank, step in enumerate(order)}
        self.planner = Cascades(program, links)
        self.moves: dict[State, list[Move]] = {}
        self.found: dict[int, list[Cascade]] = {}

    def sized(self, capacity_bits: int) -> Search:
        """The same search for a memory that is no larger; what is worked out is shared."""
        other = copy(self)
        other.capacity_bits = capacity_bits
        return other

    # ---- what can follow

    def successors(self, executed: int) -> tuple[int, ...]:
        """Steps that can be executed next."""
        if executed not in self.next:
            steps = range(len(self.program.steps))
            ready = (s for s in steps if not executed >> s & 1 and self.before[s] & ~executed == 0)
            self.next[executed] = tuple(ready)
        return self.next[executed]

    def cascades(self, executed: int) -> list[Cascade]:
        """Cascades that can be executed next, shorter ones first."""
        if executed not in self.found:
            found: list[Cascade] = []
            waiting = {frozenset((step,)) for step in self.successors(executed)}
            while waiting:
                longer: set[frozenset[int]] = set()
                for members in sorted(waiting, key=sorted):
                    if self._extends(executed, members, found):
                        inside = executed | mask_of(members)
                        longer |= {members | {step} for step in self.successors(inside)}
                waiting = longer
            self.found[executed] = found
        return self.found[executed]

    def _extends(self, executed: int, members: frozenset[int], found: list[Cascade]) -> bool:
        """Add the cascade of these steps if there is one; whether more steps may join it."""
        if len(members) > MOST_CASCADE:
            return False
        if len(members) == 1:
            return self.program.steps[min(members)].window is not None
        order = self._in_order(members)
        if self.planner.least_bits(order) > self.largest_bits:
            return False
        verdict = self.planner.cascade(order, executed)
        if isinstance(verdict, Verdict):
            return verdict is Verdict.NOT_YET
        if min(verdict.inner_bits_of_lines) <= self.largest_bits or verdict.need_bits <= self.largest_bits:
            found.append(verdict)
        return True

    def _in_order(self, members: frozenset[int]) -> tuple[int, ...]:
        """Members in an order of execution: the fixed one, or that of the program."""
        if self.ranks is None:  # the order of the network is one of those possible
            return tuple(sorted(members))
        return tuple(sorted(members, key=self.ranks.__getitem__))

    # ---- moves

    def moves_from(self, state: State) -> list[Move]:
        """Every move from a state."""
        if state not in self.moves:
            self.moves[state] = self._moves_from(state)
        return self.moves[state]

    def _moves_from(self, state: State) -> list[Move]:
        executed, resident = state
        listed: list[Move] = []
        for given_up in self._spills(state):
            stored = tuple(b for b in given_up if not dict(resident)[b])
            rest = {b: clean for b, clean in resident if b not in given_up}
            for step in self.successors(executed):
                listed += self._step_moves(executed, rest, stored, step, given_up)
            if self.fusion:
                for cascade in self.cascades(executed):
                    listed += self._cascade_moves(executed, rest, stored, cascade, given_up)
        return listed

    def _spills(self, state: State) -> Iterator[tuple[int, ...]]:
        """Sets of buffers that may leave the chip: those written whole, read before and needed again."""
        executed, resident = state
        used = [b for b, _ in resident if self.readers[b] & executed and not self.writers[b] & ~executed]
        return chain.from_iterable(combinations(used, size) for size in range(len(used) + 1))

    def _step_moves(
        self, executed: int, rest: dict[int, bool], stored: tuple[int, ...], number: int, given_up: tuple[int, ...]
    ) -> Iterator[Move]:
        step = self.program.steps[number]
        after = executed | 1 << number
        fresh = [b for b in distinct(step.writes) if self._may_stay(b, executed, after, rest, given_up)]
        loadable = [
            b for b in distinct(step.reads)
            if b not in rest and b not in given_up and self.readers[b] & ~after and not self.writers[b] & ~executed
        ]  # fmt: skip
        for loaded in subsets(loadable):
            for new in subsets(fresh):
                yield self._move((number,), executed, rest, stored, loaded, new, None)

    def _cascade_moves(
        self, executed: int, rest: dict[int, bool], stored: tuple[int, ...], cascade: Cascade, given_up: tuple[int, ...]
    ) -> Iterator[Move]:
        after = executed | mask_of(cascade.steps)
        leaving = [edge.buffer for edge in cascade.leaving]
        fresh = [b for b in leaving if self._may_stay(b, executed, after, rest, given_up)]
        for new in subsets(fresh):
            yield self._move(cascade.steps, executed, rest, stored, (), new, cascade)

    def _may_stay(
        self, buffer: int, executed: int, after: int, rest: dict[int, bool], given_up: tuple[int, ...]
    ) -> bool:
        """Whether a buffer that is written can begin to stay on chip here, and somebody reads it later."""
        begun = bool(self.writers[buffer] & executed)
        wanted = bool(self.readers[buffer] & ~after)
        return wanted and not begun and buffer not in rest and buffer not in given_up

    def _move(
        self,
        steps: tuple[int, ...],
        executed: int,
        rest: dict[int, bool],
        stored: tuple[int, ...],
        loaded: tuple[int, ...],
        new: tuple[int, ...],
        cascade: Cascade | None,
    ) -> Move:
        after = executed | mask_of(steps)
        here = rest | dict.fromkeys(loaded, True) | dict.fromkeys(new, False)
        size = sum(self.bits[b] for b in here)
        if cascade is None:
            size -= self._overwritten(steps[0], after, here, new)
        dead = [b for b in here if (self.readers[b] | self.writers[b]) & ~after == 0]
        flushed = tuple(b for b in dead if self.program.buffers[b].is_output and not here[b])
        stays = tuple(sorted((b, clean) for b, clean in here.items() if b not in dead))
        fixed = sum(self.bits[b] for b in (*stored, *loaded, *flushed))
        return Move(steps, frozenset(here), size, fixed, loaded, (*stored, *flushed), (after, stays), cascade)

    def _overwritten(self, number: int, after: int, here: dict[int, bool], new: tuple[int, ...]) -> int:
        """Bits saved where an element-wise step writes over an input that nobody reads any more."""
        dying = {
            self.bits[b] for b in self.program.steps[number].overwrites
            if b in here and self.readers[b] & ~after == 0 and not (self.program.buffers[b].is_output and not here[b])
        }  # fmt: skip
        return next((self.bits[b] for b in new if self.bits[b] in dying), 0)

    # ---- the search

    def unwritten(self, buffer: int, executed: int) -> int:
        """Bits of an output on chip that must still be written, less the parts that steps not ``executed`` owe [bits]."""
        if not self.program.buffers[buffer].is_output:
            return 0
        later = (self.program.steps[number] for number in self.links.writers[buffer] if not executed >> number & 1)
        return self.bits[buffer] - sum(a.bits for step in later for a in step.writes if a.buffer == buffer)

    def least_read(self, buffer: int) -> int:
        """Bits that reading a buffer moves at least [bits]."""
        steps = (self.program.steps[number] for number in self.links.readers[buffer])
        return min((a.bits for step in steps for a in step.reads if a.buffer == buffer), default=0)

    def run(self, pinned: frozenset[int], reserve_bits: int, most_bits: float = inf) -> Path:
        """Cheapest schedule with the weights of ``pinned`` steps on chip and ``reserve_bits`` taken for them.

        Parameters
        ----------
        pinned
            Steps whose weights cost nothing.
        reserve_bits
            Memory that nothing else may use.
        most_bits
            Schedules that cost as much or more are of no interest.

        Returns
        -------
        Path
            Infinite bits and no moves where no schedule found costs less than ``most_bits``.
        """
        return _Run(self, pinned, reserve_bits, most_bits).path()


class _Run:
    """State of :meth:`Search.run`: best first, by what a state costs and what must still move from it."""

    def __init__(self, search: Search, pinned: frozenset[int], reserve_bits: int, most_bits: float) -> None:
        self.search, self.pinned, self.most = search, pinned, most_bits
        self.room = search.capacity_bits - reserve_bits
        self.due = [0 if number in pinned else bits for number, bits in enumerate(search.costs.weight_bits)]
        self.loose: dict[tuple[int, ...], int] = {}
        self.dropped = inf
        self.expanded = [0] * (len(search.program.steps) + 1)
        self.labels: dict[State, Label] = {(0, ()): Label(0.0, None, None, None)}
        self.rest = {0: sum(self._owed(number) for number in range(len(search.program.steps)))}
        self.queue: list[tuple[float, int, State]] = [(self._promise((0, ()), 0.0), 0, (0, ()))]

    def path(self) -> Path:
        """Expand states until the end is the best one left, and walk back from it."""
        while self.queue:
            promise, left, state = heappop(self.queue)
            label = self.labels[state]
            if promise > self._promise(state, label.bits):
                continue  # a cheaper way into this state was found after this entry
            if state[0] == self.search.all:
                bits = floor(label.bits)
                return Path(bits, floor(min(label.bits, self.dropped)), tuple(self._walked(label)))
            self.expanded[left] += 1
            if self.expanded[left] > MOST_STATES:
                self.dropped = min(self.dropped, promise)
            else:
                self._expand(state, label)
        return Path(inf, min(self.dropped, self.most), ())

    def _walked(self, label: Label) -> list[tuple[Move, Way]]:
        found = []
        while label.move is not None and label.before is not None and label.way is not None:
            found.append((label.move, label.way))
            label = self.labels[label.before]
        return found[::-1]

    def _owed(self, number: int) -> int:
        """Bits that a step moves whatever is chosen: weights, and outputs of the network."""
        search = self.search
        written = search.program.steps[number].writes
        outputs = sum(access.bits for access in written if search.program.buffers[access.buffer].is_output)
        return outputs + self.due[number]

    def _promise(self, state: State, bits: float) -> float:
        """Bits of the cheapest schedule that a state could still lead to."""
        search, (executed, resident) = self.search, state
        unread = sum(least for readers, least in search.inputs if not readers & executed)
        unwritten = sum(search.unwritten(b, executed) for b, clean in resident if not clean)
        return bits + self.rest[executed] + unread + unwritten

    def _expand(self, state: State, label: Label) -> None:
        """Follow every move from a state."""
        steps = []
        for move in self.search.moves_from(state):
            room = self.room - move.resident_bits
            if room < 0:
                continue
            if move.cascade is None:
                steps.append((move, room))
            else:
                stream = self.pinned.isdisjoint(move.steps)
                spare = self.most - label.bits - move.fixed_bits - self._owed_after(state, move)
                option = move.cascade.best(move.on_chip, self._loose_bits(move.steps), room, spare, stream=stream)
                if option is not None:
                    moved_bits = option.moved_bits + FUSED_BITS * len(move.steps)
                    self._offer(state, label, move, moved_bits, Way(option, room))
        short, costs = [], self.search.costs
        for move, room, moved in self._priced(steps, held=False):
            number = move.steps[0]
            self._offer(state, label, move, moved, Way(None, room // self.search.links.buffering))
            if number not in self.pinned and moved > costs.least_bits(number, move.on_chip) + costs.weight_bits[number]:
                short.append((move, room - costs.weight_bits[number]))
        for move, room, moved in self._priced(short, held=True):
            loaded = moved + costs.weight_bits[move.steps[0]]
            self._offer(state, label, move, loaded, Way(None, room // self.search.links.buffering, held=True))

    def _owed_after(self, state: State, move: Move) -> int:
        """Bits that must still move after a move, inputs and outputs on chip left out."""
        executed = move.after[0]
        if executed not in self.rest:
            self.rest[executed] = self.rest[state[0]] - sum(self._owed(number) for number in move.steps)
        return self.rest[executed]

    def _loose_bits(self, steps: tuple[int, ...]) -> int:
        """Size of the weights of some steps that are not on chip for ever."""
        if steps not in self.loose:
            self.loose[steps] = sum(self.due[number] for number in steps)
        return self.loose[steps]

    def _priced(self, steps: list[tuple[Move, int]], *, held: bool) -> Iterator[tuple[Move, int, float]]:
        """What each step moves with some room left; all of them asked together."""
        costs, waiting = self.search.costs, []
        for move, room in steps:
            if room >= 0:
                number = move.steps[0]
                on_chip = held or number in self.pinned
                demand = costs.questions(number, move.on_chip, room // self.search.links.buffering, pinned=on_chip)
                waiting.append((move, room, demand))
        costs.settle()
        for move, room, (streamed, asked) in waiting:
            yield move, room, streamed + sum(costs.answers[key] for key in asked)

    def _offer(self, state: State, label: Label, move: Move, moved: float, way: Way) -> None:
        bits = label.bits + moved + move.fixed_bits
        after = move.after
        self._owed_after(state, move)
        known = self.labels.get(after)
        if known is not None and known.bits <= bits:
            return
        promise = self._promise(after, bits)
        if promise < self.most:
            self.labels[after] = Label(bits, state, move, way)
            heappush(self.queue, (promise, len(self.expanded) - 1 - after[0].bit_count(), after))


def prefixes(order: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """What follows each prefix of an order."""
    executed = 0
    for step in order:
        yield executed, (step,)
        executed |= 1 << step
    yield executed, ()


def distinct(accesses: tuple[Access, ...]) -> tuple[int, ...]:
    """Buffers of some accesses, each once."""
    return tuple(dict.fromkeys(access.buffer for access in accesses))


def subsets(buffers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every subset, the empty one first."""
    for chosen in product((False, True), repeat=len(buffers)):
        yield tuple(b for b, taken in zip(buffers, chosen, strict=True) if taken)
