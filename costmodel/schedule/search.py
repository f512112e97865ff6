"""The cheapest way to execute a program: which buffers stay on chip, which steps form cascades, and in which order.

Dynamic programming over (steps executed, buffers on chip). A label is kept per state; between two states the moves are one
step, or one cascade. For a buffer on chip the state says whether its content is off chip as well (``clean``), so that
giving it up costs nothing. The moves are listed in ``docs/models/schedule.md``; the search is exact over them, unless more
states appear than are kept: then ``lower_bits`` says how far it may be from the optimum.
"""

from __future__ import annotations

from copy import copy
from heapq import heappop, heappush
from math import floor, inf, nextafter
from typing import TYPE_CHECKING, Final, NamedTuple

from costmodel.schedule.moves import FUSED_BITS, Move, Moves, State
from costmodel.schedule.program import mask_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from costmodel.schedule.costs import Costs
    from costmodel.schedule.program import Program
    from costmodel.schedule.stripes import Links, Option

MOST_STATES: Final = 512
"""States kept among those with equally many steps executed."""


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


class Path(NamedTuple):
    """A schedule: its cost, what no schedule undercuts, and its moves with how each is executed."""

    bits: float
    lower_bits: float
    moves: tuple[tuple[Move, Way], ...]


class Search(Moves):
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
        super().__init__(program, costs, links, capacity_bits, order, fusion=fusion)
        self.capacity_bits, self.plain = capacity_bits, plain

    def sized(self, capacity_bits: int) -> Search:
        """The same search for a memory that is no larger; what is worked out is shared."""
        other = copy(self)
        other.capacity_bits = capacity_bits
        return other

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
        return path if path.bits < inf or simple.bits == inf else simple._replace(lower_bits=min(path.lower_bits, simple.bits))

    def again(self, path: Path, pinned: frozenset[int], reserve_bits: int) -> Path:
        """The same moves beside the weights of ``pinned`` steps, each in the best way; infinite where there is no room."""
        run = _Run(self, pinned, reserve_bits, inf)
        return run.followed([move for move, _ in path.moves])


class _Run:
    """State of :meth:`Search.run`: best first, by what a state costs and what must still move from it."""

    def __init__(self, search: Search, pinned: frozenset[int], reserve_bits: int, most_bits: float) -> None:
        self.search, self.pinned, self.most = search, pinned, most_bits
        self.room = search.capacity_bits - reserve_bits
        self.due = [0 if number in pinned else bits for number, bits in enumerate(search.costs.weight_bits)]
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
