"""The cheapest way to execute a program: which buffers stay on chip, which steps form cascades, and in which order.

Dynamic programming over (steps executed, buffers on chip). A label is kept per state; between two states the moves are one
step, or one cascade. For a buffer on chip the state says whether its content is off chip as well (``clean``), so that
giving it up costs nothing. The moves are listed in ``docs/models/schedule.md``; the search is exact over them, unless more
states appear than are kept: then ``lower_bits`` says how far it may be from the optimum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import chain, combinations, product
from math import floor, inf, nextafter
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
    cascade
        The cascade, or None for a step.
    added_bits
        Bits moved at least, weights and the steps' parts of outputs left out: those are owed from the start.
    left_bits
        First reads of inputs and outputs on chip that are still to move in the state that follows.
    written_bits
        The steps' parts of outputs.
    """

    steps: tuple[int, ...]
    on_chip: frozenset[int]
    resident_bits: int
    fixed_bits: int
    loaded: tuple[int, ...]
    stored: tuple[int, ...]
    after: State
    cascade: Cascade | None
    added_bits: float
    left_bits: int
    written_bits: int


class Way(NamedTuple):
    """How a move is executed: a cascade's option, or the memory left for a step's tiles beside ``held`` weights [bits]."""

    option: Option | None
    capacity_bits: int
    held: bool = False


class Label(NamedTuple):
    """Cheapest way found into a state; ``owing_bits`` are its bits and those that the steps not executed move in any case."""

    bits: float
    owing_bits: float
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
    plain
        The same search without cascades, whose schedules bound what is worth trying with them.
    """

    def __init__(
        self,
        program: Program,
        costs: Costs,
        links: Links,
        capacity_bits: int,
        order: Sequence[int] | None,
        *,
        fusion: bool,
        plain: Search | None = None,
    ) -> None:
        self.program, self.costs, self.links = program, costs, links
        self.capacity_bits = self.largest_bits = capacity_bits
        self.fusion, self.plain = fusion, plain
        count = len(program.steps)
        self.all = (1 << count) - 1
        self.readers = [mask_of(steps) for steps in links.readers]
        self.writers = [mask_of(steps) for steps in links.writers]
        self.before = [mask_of(step.needs) for step in program.steps]
        self.users = [readers | writers for readers, writers in zip(self.readers, self.writers, strict=True)]
        self.bits = [buffer.bits for buffer in program.buffers]
        self.outputs = [b for b, buffer in enumerate(program.buffers) if buffer.is_output]
        self.written = [sum(a.bits for a in step.writes if program.buffers[a.buffer].is_output) for step in program.steps]
        self.inputs = [
            (self.readers[b], self.least_read(b)) for b, buffer in enumerate(program.buffers) if buffer.is_input
        ]
        self.next: dict[int, tuple[int, ...]] = {} if order is None else dict(prefixes(order))
        self.ranks = None if order is None else {step: rank for rank, step in enumerate(order)}
        self.planner = Cascades(program, links)
        self.moves: dict[State, list[Move]] = {}
        self.found: dict[int, list[Cascade]] = {}
        self.unread: dict[int, int] = {}

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
        after = executed | cascade.inside
        fresh = [b for b in cascade.left if self._may_stay(b, executed, after, rest, given_up)]
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
        after = executed | (1 << steps[0] if cascade is None else cascade.inside)
        here = rest | dict.fromkeys(loaded, True) | dict.fromkeys(new, False) if loaded or new else rest
        bits, users = self.bits, self.users
        size = sum([bits[b] for b in here])
        if cascade is None:
            size -= self._overwritten(steps[0], after, here, new)
        flushed = tuple([b for b in self.outputs if b in here and users[b] & ~after == 0 and not here[b]])
        stays = tuple(sorted([entry for entry in here.items() if users[entry[0]] & ~after]))
        fixed = sum([bits[b] for b in (*stored, *loaded, *flushed)])
        on_chip = frozenset(here)
        if cascade is None:
            written, least = self.written[steps[0]], float(self.costs.least_bits(steps[0], on_chip))
        else:
            written, least = cascade.written_bits, cascade.once_bits(on_chip) + FUSED_BITS * len(steps)
        left = self.left_bits(after, stays)
        return Move(
            steps, on_chip, size, fixed, loaded, (*stored, *flushed), (after, stays), cascade, fixed + least - written, left, written
        )  # fmt: skip

    def left_bits(self, executed: int, resident: Resident) -> int:
        """First reads of inputs, and outputs on chip, that must still move [bits]."""
        if executed not in self.unread:
            self.unread[executed] = sum(least for readers, least in self.inputs if not readers & executed)
        return self.unread[executed] + sum([self.unwritten(b, executed) for b, clean in resident if not clean])

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
        if self.plain is None:
            return _Run(self, pinned, reserve_bits, most_bits).path()
        simple = self.plain.sized(self.capacity_bits).run(pinned, reserve_bits, most_bits)
        run = _Run(self, pinned, reserve_bits, min(most_bits, nextafter(simple.bits, inf)))
        if simple.bits <= run.least_bits:  # no cascade can move less
            return simple
        path = run.path()
        return path if path.bits < inf or simple.bits == inf else replace(simple, lower_bits=min(path.lower_bits, simple.bits))

    def again(self, path: Path, pinned: frozenset[int], reserve_bits: int) -> Path:
        """The same moves with the weights of ``pinned`` steps on chip, each in the best way; infinite where there is no room."""
        run = _Run(self, pinned, reserve_bits, inf)
        return run.followed([move for move, _ in path.moves])


class _Run:
    """State of :meth:`Search.run`: best first, by what a state costs and what must still move from it."""

    def __init__(self, search: Search, pinned: frozenset[int], reserve_bits: int, most_bits: float) -> None:
        self.search, self.pinned, self.most = search, pinned, most_bits
        self.room = search.capacity_bits - reserve_bits
        self.due = [0 if number in pinned else bits for number, bits in enumerate(search.costs.weight_bits)]
        self.loose: dict[tuple[int, ...], int] = {}
        self.dropped = inf
        self.expanded = [0] * (len(search.program.steps) + 1)
        owed = sum(search.written) + sum(self.due)
        self.rest = {0: owed}
        self.least_bits = owed + search.left_bits(0, ())
        self.labels: dict[State, Label] = {(0, ()): Label(0.0, owed, None, None, None)}
        self.queue: list[tuple[float, int, State]] = [(self.least_bits, 0, (0, ()))]
        self.pinned_mask = mask_of(pinned)

    def path(self) -> Path:
        """Expand states until the end is the best one left, and walk back from it."""
        while self.queue:
            promise, left, state = heappop(self.queue)
            label = self.labels[state]
            if promise > label.owing_bits + self.search.left_bits(*state):
                continue  # a cheaper way into this state was found after this entry
            if state[0] == self.search.all:
                return self._found(label)
            self.expanded[left] += 1
            if self.expanded[left] > MOST_STATES:
                self.dropped = min(self.dropped, promise)
            else:
                self._expand(state, label)
        return Path(inf, min(self.dropped, self.most), ())

    def followed(self, moves: Sequence[Move]) -> Path:
        """Execute moves in the best way."""
        state: State = (0, ())
        for move in moves:
            if move.resident_bits <= self.room:
                self._follow(state, self.labels[state], [move])
            if move.after not in self.labels:
                return Path(inf, inf, ())
            state = move.after
        return self._found(self.labels[state])

    def _found(self, label: Label) -> Path:
        return Path(floor(label.bits), floor(min(label.bits, self.dropped)), tuple(self._walked(label)))

    def _walked(self, label: Label) -> list[tuple[Move, Way]]:
        found = []
        while label.move is not None and label.before is not None and label.way is not None:
            found.append((label.move, label.way))
            label = self.labels[label.before]
        return found[::-1]

    def _expand(self, state: State, label: Label) -> None:
        """Follow every move from a state."""
        self._follow(state, label, self._worthwhile(state, label))

    def _follow(self, state: State, label: Label, moves: Iterable[Move]) -> None:
        """Follow some moves from a state, none of which takes more than the room that there is."""
        steps = []
        for move in moves:
            room = self.room - move.resident_bits
            if move.cascade is None:
                steps.append((move, room))
                continue
            rest = self._rest(move, state)
            loose = self.rest[state[0]] - rest - move.written_bits
            stream = not self.pinned_mask & move.cascade.inside
            spare = self.most - label.bits - move.fixed_bits - rest
            option = move.cascade.best(move.on_chip, loose, room, spare, stream=stream)
            if option is not None:
                moved_bits = option.moved_bits + FUSED_BITS * len(move.steps)
                self._offer(state, label, move, moved_bits, Way(option, room))
        self._follow_steps(state, label, steps)

    def _follow_steps(self, state: State, label: Label, steps: list[tuple[Move, int]]) -> None:
        """Follow moves of one step, each with the room that it leaves for tiles."""
        short, costs = [], self.search.costs
        for move, room, moved in self._priced(steps, held=False):
            number = move.steps[0]
            self._offer(state, label, move, moved, Way(None, room // self.search.links.buffering))
            if number not in self.pinned and moved > costs.least_bits(number, move.on_chip) + costs.weight_bits[number]:
                short.append((move, room - costs.weight_bits[number]))
        for move, room, moved in self._priced(short, held=True):
            loaded = moved + costs.weight_bits[move.steps[0]]
            self._offer(state, label, move, loaded, Way(None, room // self.search.links.buffering, held=True))

    def _worthwhile(self, state: State, label: Label) -> Iterator[Move]:
        """Moves that there is room for and that could lead to a better schedule even if they moved as little as they can."""
        owing, most, room, labels = label.owing_bits, self.most, self.room, self.labels
        for move in self.search.moves_from(state):
            reached = owing + move.added_bits
            if reached + move.left_bits < most and move.resident_bits <= room:
                known = labels.get(move.after)
                if known is None or reached < known.owing_bits:
                    yield move

    def _rest(self, move: Move, state: State) -> int:
        """Bits that must still move after a move, inputs and outputs on chip left out."""
        executed = move.after[0]
        if executed not in self.rest:
            owed = sum([self.due[number] for number in move.steps]) + move.written_bits
            self.rest[executed] = self.rest[state[0]] - owed
        return self.rest[executed]

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
            yield move, room, streamed + sum([costs.answers[key] for key in asked])

    def _offer(self, state: State, label: Label, move: Move, moved: float, way: Way) -> None:
        bits = label.bits + moved + move.fixed_bits
        after = move.after
        owing = bits + self._rest(move, state)
        known = self.labels.get(after)
        if known is not None and known.owing_bits <= owing:
            return
        promise = owing + move.left_bits
        if promise < self.most:
            self.labels[after] = Label(bits, owing, state, move, way)
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
