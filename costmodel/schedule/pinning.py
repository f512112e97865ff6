"""Weights that stay on chip for ever: which ones, together with the schedule of the activations beside them.

Memory given to weights is memory taken from activations. For ``q`` bits reserved let ``A(q)`` be the least that moves if all
weights were on chip but only ``q`` bits were taken. ``A`` does not fall, and no schedule whose weights take between ``a`` and
``b`` bits moves less than ``A(a) + W - b``, with ``W`` the size of all weights: what is not kept is read at least once. Nor
does it move less than ``C - b``, with ``C`` the optimum that loads every weight in every inference: without the reserve there
is room to load the same weights when they are needed. Intervals of ``q`` are halved, the most promising first, until the best
schedule found is within ``TOLERANCE`` of the bound.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import chain, combinations
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from costmodel.schedule.search import Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from costmodel.schedule.search import Search

TOLERANCE: Final = 2e-3
"""Part of its cost by which a schedule may exceed the bound and still be taken."""
MOST_HALVINGS: Final = 16
"""Intervals that are halved before the gap that is left is accepted."""
MOST_STEPS: Final = 4_000
"""Layers with weights, over all halvings: long networks are halved less often."""
EVERY_SUBSET: Final = 6
"""Layers with weights up to which every choice of them is tried."""
GRAINS: Final = 1 << 16
"""Parts that the reserve is divided into when weights are chosen to fill it."""


class Plan(NamedTuple):
    """A schedule with the steps whose weights stay on chip; ``lower_bits`` is what no schedule undercuts."""

    path: Path
    pinned: frozenset[int]
    lower_bits: float


def without_pins(search: Search, most_bits: float = inf) -> Plan:
    """Cheapest schedule that loads every weight in every inference."""
    path = search.run(frozenset(), 0, most_bits)
    return Plan(path, frozenset(), path.lower_bits)


def with_pins(search: Search, cold: Plan, most_bits: float = inf, *, whole: bool = False) -> Plan:
    """Cheapest schedule in which any weights may stay on chip for ever.

    Parameters
    ----------
    search
        The program, its costs and the machine.
    cold
        The cheapest schedule without such weights.
    most_bits
        Cost of a schedule that is known already.
    whole
        Whether the weights stay all together or not at all, as in a cache that nobody manages.

    Returns
    -------
    Plan
        ``cold`` itself where nothing is gained. Every choice of weights is tried for up to ``EVERY_SUBSET`` layers that have
        some; otherwise its cost is within ``TOLERANCE`` of ``lower_bits``, or what is left of the gap after ``MOST_HALVINGS``.
    """
    steps = [number for number, bits in enumerate(search.costs.weight_bits) if bits]
    if whole:
        return _tried(search, [tuple(steps)], cold, most_bits)
    if len(steps) <= EVERY_SUBSET:
        choices = chain.from_iterable(combinations(steps, size) for size in range(len(steps), 0, -1))
        return _tried(search, choices, cold, most_bits)
    return _Halving(search, cold, most_bits).plan()


def _tried(search: Search, choices: Iterable[tuple[int, ...]], cold: Plan, most_bits: float) -> Plan:
    """Best of some choices of weights."""
    best, lower = cold, cold.lower_bits
    for chosen in choices:
        reserve = sum(search.costs.weight_bits[number] for number in chosen)
        if reserve <= search.capacity_bits:
            path = search.run(frozenset(chosen), reserve, min(best.path.bits, most_bits))
            lower = min(lower, path.lower_bits)
            if path.bits < best.path.bits:
                best = Plan(path, frozenset(chosen), path.lower_bits)
    return Plan(best.path, best.pinned, lower)


class _Halving:
    """State of :func:`with_pins` for many layers."""

    def __init__(self, search: Search, cold: Plan, most_bits: float) -> None:
        self.search, self.cold, self.known_bits = search, cold, most_bits
        self.weights = search.costs.weight_bits
        self.steps = [number for number, bits in enumerate(self.weights) if bits]
        self.total = sum(self.weights)
        self.best = cold
        self.waiting: list[tuple[float, int, int, float]] = []
        self.settled = inf
        self.activation_paths: list[tuple[int, Path]] = []
        self.tried: set[frozenset[int]] = {frozenset()}
        self.filled: dict[int, int] = {}

    @property
    def worth(self) -> float:
        """Cost that a schedule must undercut to be of interest [bits]."""
        return min(self.best.path.bits, self.known_bits) * (1 - TOLERANCE)

    def plan(self) -> Plan:
        """Halve intervals until nothing better can be left."""
        high = min(self.total, self.search.capacity_bits)
        self._try(high, 0)
        self._wait(0, high, self.activations(0, high))
        for _ in range(min(MOST_HALVINGS, MOST_STEPS // max(len(self.steps), 1))):
            if not self.waiting or self.waiting[0][0] >= self.worth:
                break
            self._halve(*heappop(self.waiting)[1:])
        lower = min([self.best.path.bits, self.known_bits, self.settled, *(entry[0] for entry in self.waiting)])
        return Plan(self.best.path, self.best.pinned, lower)

    def _halve(self, start: int, end: int, cost: float) -> None:
        middle = (start + end) // 2
        reached = self.activations(middle, end)
        self._try(middle, self._bound(middle, reached))
        if reached > cost:  # else whatever fits below the middle costs no less than at the middle
            self._wait(start, middle, cost)
        self._wait(middle, end, reached)

    def _wait(self, start: int, end: int, cost: float) -> None:
        if cost < inf and end - start > 1:
            heappush(self.waiting, (self._bound(end, cost), start, end, cost))
        else:
            self.settled = min(self.settled, self._bound(end, cost))

    def _bound(self, end: int, cost: float) -> float:
        """What no schedule with weights of up to ``end`` bits undercuts; ``cost`` is that of activations beside the fewest."""
        return max(cost + self._loose(end), self.cold.lower_bits - end)

    def _loose(self, end: int) -> int:
        """Bits of weights that are read at least if up to ``end`` bits of them stay."""
        if end not in self.filled:
            self.filled[end] = most_filled(self.weights, self.steps, end)
        return self.total - self.filled[end]

    def activations(self, reserve: int, end: int) -> float:
        """Least bits moved if all weights were on chip and took ``reserve`` bits.

        Less where it is so much that no schedule with weights of up to ``end`` bits is worth having.
        """
        most = self.worth - self._loose(end)
        below = max((entry for entry in self.activation_paths if entry[0] <= reserve), key=itemgetter(0), default=None)
        if below is not None:  # less room never moves less, so a schedule that still fits is still the best
            path = self.search.again(below[1], frozenset(self.steps), reserve)
            if path.bits == below[1].bits:
                self.activation_paths.append((reserve, path))
                return min(path.bits, most)
        path = self.search.run(frozenset(self.steps), reserve, most)
        if path.bits == path.lower_bits:
            self.activation_paths.append((reserve, path))
        return path.lower_bits

    def _try(self, reserve: int, bound: float) -> None:
        """Fill a reserve with weights and schedule the rest beside them; several ways, until one is close to the bound."""
        for steps in (self.steps, self.steps[::-1], sorted(self.steps, key=lambda number: self.weights[number])):
            if bound >= self.worth:
                return
            chosen = frozenset(filled(self.weights, steps, reserve))
            if chosen in self.tried:
                return
            self.tried.add(chosen)
            path = self.search.run(chosen, sum(self.weights[number] for number in chosen), self.worth)
            if path.bits < self.best.path.bits:
                self.best = Plan(path, chosen, path.lower_bits)


def fillings(weights: Sequence[int], steps: Sequence[int], room: int, grain: int, *, up: bool) -> list[int]:
    """Sums that the weights of some steps can reach within ``room`` grains, as bits, after each further step."""
    reached, within = [1], (1 << room + 1) - 1
    for step in steps:
        size = -(-weights[step] // grain) if up else weights[step] // grain
        taken = min(size, room + 1)  # more is too much however large: spares shifts by as many bits
        reached.append(reached[-1] | (reached[-1] << taken & within))
    return reached


def filled(weights: Sequence[int], steps: Sequence[int], reserve: int) -> list[int]:
    """Steps whose weights fill ``reserve`` bits best, to one part in ``GRAINS``.

    >>> filled([50, 30, 30, 0], [0, 1, 2], 65)
    [1, 2]
    """
    if sum(weights[step] for step in steps) <= reserve:
        return list(steps)
    grain = max(reserve // GRAINS, 1)
    reached = fillings(weights, steps, reserve // grain, grain, up=True)
    place = reached[-1].bit_length() - 1
    chosen = []
    for index in range(len(steps) - 1, -1, -1):
        if not reached[index] >> place & 1:
            chosen.append(steps[index])
            place -= -(-weights[steps[index]] // grain)
    return chosen[::-1]


def most_filled(weights: Sequence[int], steps: Sequence[int], reserve: int) -> int:
    """What no choice of weights within ``reserve`` bits exceeds: sizes are rounded down to one part in ``GRAINS``.

    >>> most_filled([50, 30, 30, 0], [0, 1, 2], 65), most_filled([50, 30, 30, 0], [0, 1, 2], 1000)
    (60, 110)
    """
    grain = max(reserve // GRAINS, 1)
    reached = fillings(weights, steps, reserve // grain, grain, up=False)[-1].bit_length() - 1
    rounded = 0 if grain == 1 else (reached + len(steps)) * grain
    return min(max(reached * grain, rounded), reserve, sum(weights[step] for step in steps))
