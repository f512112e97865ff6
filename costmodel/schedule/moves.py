"""What can follow while a program is executed: the moves from each state, and what each moves at least.

They are listed in ``docs/models/schedule.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, product
from typing import TYPE_CHECKING, Final, NamedTuple

from costmodel.schedule.program import mask_of
from costmodel.schedule.stripes import Cascade, Cascades, Links, Verdict

if TYPE_CHECKING:
    from costmodel.schedule.costs import Costs
    from costmodel.schedule.program import Access, Program

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


class Kept(NamedTuple):
    """Buffers that are on chip already and stay over a move, and those given up before it.

    ``unwritten`` are those of the former that are outputs and not clean, ``stored`` those of the latter that are not clean.
    """

    resident: Resident
    on_chip: frozenset[int]
    size_bits: int
    unwritten: tuple[int, ...]
    given_up: tuple[int, ...]
    stored: tuple[int, ...]
    stored_bits: int


class Moves:
    """Moves of one program; each is worked out once and serves every run and every size of memory.

    Parameters
    ----------
    program, costs, links
        The steps, what they move, and who reads what.
    largest_bits
        Size of the largest memory that is asked for [bits]; cascades that need more are left out.
    order
        Order of execution; None for all orders.
    fusion
        Whether layers are cascaded.
    """

    def __init__(
        self, program: Program, costs: Costs, links: Links, largest_bits: int, order: Sequence[int] | None, *, fusion: bool
    ) -> None:
        self.program, self.costs, self.links = program, costs, links
        self.largest_bits, self.fusion = largest_bits, fusion
        count = len(program.steps)
        self.all = (1 << count) - 1
        self.readers = [mask_of(steps) for steps in links.readers]
        self.writers = [mask_of(steps) for steps in links.writers]
        self.users = [readers | writers for readers, writers in zip(self.readers, self.writers, strict=True)]
        self.before = [mask_of(step.needs) for step in program.steps]
        self.bits = [buffer.bits for buffer in program.buffers]
        self.outputs = frozenset(b for b, buffer in enumerate(program.buffers) if buffer.is_output)
        self.written = [sum(a.bits for a in step.writes if a.buffer in self.outputs) for step in program.steps]
        self.inputs = [
            (self.readers[b], self.least_read(b)) for b, buffer in enumerate(program.buffers) if buffer.is_input
        ]
        self.next: dict[int, tuple[int, ...]] = {} if order is None else dict(prefixes(order))
        self.ranks = None if order is None else {step: rank for rank, step in enumerate(order)}
        self.planner = Cascades(program, links)
        self.moves: dict[State, list[Move]] = {}
        self.found: dict[int, list[Cascade]] = {}
        self.unread: dict[int, int] = {}

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
        if not self.planner.fits(order, self.largest_bits):
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
            kept = self._kept(resident, given_up)
            for step in self.successors(executed):
                listed += self._step_moves(executed, kept, step)
            if self.fusion:
                for cascade in self.cascades(executed):
                    listed += self._cascade_moves(executed, kept, cascade)
        return listed

    def _spills(self, state: State) -> Iterator[tuple[int, ...]]:
        """Sets of buffers that may leave the chip: those written whole, read before and needed again."""
        executed, resident = state
        used = [b for b, _ in resident if self.readers[b] & executed and not self.writers[b] & ~executed]
        return chain.from_iterable(combinations(used, size) for size in range(len(used) + 1))

    def _kept(self, resident: Resident, given_up: tuple[int, ...]) -> Kept:
        """What stays where some buffers are given up."""
        rest = tuple([entry for entry in resident if entry[0] not in given_up])
        stored = tuple([b for b, clean in resident if b in given_up and not clean])
        unwritten = tuple([b for b, clean in rest if b in self.outputs and not clean])
        size, stored_bits = sum([self.bits[b] for b, _ in rest]), sum([self.bits[b] for b in stored])
        return Kept(rest, frozenset([b for b, _ in rest]), size, unwritten, given_up, stored, stored_bits)

    def _step_moves(self, executed: int, kept: Kept, number: int) -> Iterator[Move]:
        step = self.program.steps[number]
        after = executed | 1 << number
        fresh = [b for b in distinct(step.writes) if self._may_stay(b, executed, after, kept)]
        loadable = [b for b in distinct(step.reads) if self.readers[b] & ~after and not self.writers[b] & ~executed]
        loadable = [b for b in loadable if b not in kept.on_chip and b not in kept.given_up]
        for loaded in subsets(loadable):
            for new in subsets(fresh):
                yield self._step_move(number, after, kept, loaded, new)

    def _step_move(self, number: int, after: int, kept: Kept, loaded: tuple[int, ...], new: tuple[int, ...]) -> Move:
        here = dict(kept.resident) | dict.fromkeys(loaded, True) | dict.fromkeys(new, False)
        size = sum([self.bits[b] for b in here]) - self._overwritten(number, after, here, new)
        flushed = self._flushed(kept, after)
        fixed = kept.stored_bits + sum([self.bits[b] for b in (*loaded, *flushed)])
        state = (after, tuple(sorted([entry for entry in here.items() if self.users[entry[0]] & ~after])))
        written, on_chip = self.written[number], frozenset(here)
        added = fixed + self.costs.least_bits(number, on_chip) - written
        stored = kept.stored + flushed
        return Move((number,), on_chip, size, fixed, loaded, stored, state, None, added, self.left_bits(*state), written)

    def _cascade_moves(self, executed: int, kept: Kept, cascade: Cascade) -> Iterator[Move]:
        after = executed | cascade.inside
        fresh = [b for b in cascade.left if self._may_stay(b, executed, after, kept)]
        for new in subsets(fresh):
            yield self._cascade_move(cascade, after, kept, new)

    def _cascade_move(self, cascade: Cascade, after: int, kept: Kept, new: tuple[int, ...]) -> Move:
        users, flushed = self.users, self._flushed(kept, after)
        stays = tuple([entry for entry in kept.resident if users[entry[0]] & ~after])
        size, on_chip = kept.size_bits, kept.on_chip
        if new:
            stays = tuple(sorted([*stays, *((b, False) for b in new)]))
            size, on_chip = size + sum([self.bits[b] for b in new]), on_chip.union(new)
        fixed = kept.stored_bits + sum([self.bits[b] for b in flushed])
        added = fixed + cascade.once_bits(on_chip) + FUSED_BITS * len(cascade.steps) - cascade.written_bits
        left, stored = self.left_bits(after, stays), kept.stored + flushed
        return Move(
            cascade.steps, on_chip, size, fixed, (), stored, (after, stays), cascade, added, left, cascade.written_bits
        )  # fmt: skip

    def _flushed(self, kept: Kept, after: int) -> tuple[int, ...]:
        """Outputs that are written off chip since the last step that uses them is executed."""
        return tuple([b for b in kept.unwritten if not self.users[b] & ~after])

    def _may_stay(self, buffer: int, executed: int, after: int, kept: Kept) -> bool:
        """Whether a buffer that is written can begin to stay on chip here, and somebody reads it later."""
        if self.writers[buffer] & executed or not self.readers[buffer] & ~after:
            return False
        return buffer not in kept.on_chip and buffer not in kept.given_up

    def _overwritten(self, number: int, after: int, here: dict[int, bool], new: tuple[int, ...]) -> int:
        """Bits saved where an element-wise step writes over an input that nobody reads any more."""
        dying = {
            self.bits[b] for b in self.program.steps[number].overwrites
            if b in here and self.readers[b] & ~after == 0 and not (self.program.buffers[b].is_output and not here[b])
        }  # fmt: skip
        return next((self.bits[b] for b in new if self.bits[b] in dying), 0)

    # ---- what must still move

    def left_bits(self, executed: int, resident: Resident) -> int:
        """First reads of inputs, and outputs on chip, that must still move [bits]."""
        if executed not in self.unread:
            self.unread[executed] = sum(least for readers, least in self.inputs if not readers & executed)
        return self.unread[executed] + sum([self.unwritten(b, executed) for b, clean in resident if not clean])

    def unwritten(self, buffer: int, executed: int) -> int:
        """Bits of an output on chip that must still be written, less the parts that steps not ``executed`` owe [bits]."""
        if buffer not in self.outputs:
            return 0
        later = (self.program.steps[number] for number in self.links.writers[buffer] if not executed >> number & 1)
        return self.bits[buffer] - sum(a.bits for step in later for a in step.writes if a.buffer == buffer)

    def least_read(self, buffer: int) -> int:
        """Bits that reading a buffer moves at least [bits]."""
        steps = (self.program.steps[number] for number in self.links.readers[buffer])
        return min((a.bits for step in steps for a in step.reads if a.buffer == buffer), default=0)


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
