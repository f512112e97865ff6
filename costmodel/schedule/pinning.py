"""Weights that stay on chip for ever: which ones, together with the schedule of the activations beside them.

Memory given to weights is memory taken from activations. For ``q`` bits reserved let ``A(q)`` be the least that moves if all
weights were on chip but only ``q`` bits were taken. ``A`` does not fall, and no schedule whose weights take between ``a`` and
``b`` bits moves less than ``A(a) + W - b``, with ``W`` the size of all weights: what is not kept is read at least once. Nor
does it move less than ``C - b``, with ``C`` the optimum that loads every weight in every inference: without the reserve there
is room to load the same weights when they are needed. Intervals of ``q`` are halved, the most promising first, until the best
schedule found is within ``TOLERANCE`` of the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, combinations
from math import inf
from typing import TYPE_CHECKING, Final

from costmodel.schedule.search import Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from costmodel.schedule.search import Search

TOLERANCE: Final = 1e-3
"""Part of its cost by which a schedule may exceed the bound and still be taken."""
MOST_RUNS: Final = 24
"""Reserves that are tried before the gap that is left is accepted."""
EVERY_SUBSET: Final = 6
"""Layers with weights up to which every choice of them is tried."""
GRAINS: Final = 1 << 16
"""Parts that the reserve is divided into when weights are chosen to fill it."""


@dataclass(frozen=True)
class Plan:
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
        some; otherwise its cost is within ``TOLERANCE`` of ``lower_bits``, or what is left of the gap after ``MOST_RUNS``.
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
        if reserve <= search.machine.capacity_bits:
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
        self.total = sum(self.weights)
        self.everything = frozenset(number for number, bits in enumerate(self.weights) if bits)
        self.best = cold
        self.tried: set[frozenset[int]] = {frozenset()}
        self.runs = 0

    @property
    def most(self) -> float:
        """Cost to undercut [bits]."""
        return min(self.best.path.bits, self.known_bits)

    def plan(self) -> Plan:
        """Halve intervals of the reserve until nothing better can be left, or the runs are used up."""
        high = min(self.total, self.search.machine.capacity_bits)
        first = self.activations(0)
        waiting: list[tuple[float, int, int, float]] = []
        settled = inf
        self._wait(waiting, 0, high, first)
        self._try(high)
        while waiting and waiting[0][0] < self.most * (1 - TOLERANCE) and self.runs < MOST_RUNS:
            bound, start, end, cost = heappop(waiting)
            if end - start <= max(high // GRAINS, 1):
                settled = min(settled, bound)
                continue
            middle = (start + end) // 2
            reached = self.activations(middle)
            if self._bound(middle, reached) < self.most:
                self._try(middle)
            if reached > cost:
                self._wait(waiting, start, middle, cost)
            self._wait(waiting, middle, end, reached)
        lower = min([self.most, settled, *(entry[0] for entry in waiting)])
        return Plan(self.best.path, self.best.pinned, lower)

    def _wait(self, waiting: list[tuple[float, int, int, float]], start: int, end: int, cost: float) -> None:
        if cost < inf:
            heappush(waiting, (self._bound(end, cost), start, end, cost))

    def _bound(self, end: int, cost: float) -> float:
        """What no schedule with weights of up to ``end`` bits undercuts; ``cost`` is that of activations beside the fewest."""
        return max(cost + self.total - end, self.cold.lower_bits - end)

    def activations(self, reserve: int) -> float:
        """Least bits moved if all weights were on chip and took ``reserve`` bits."""
        self.runs += 1
        path: Path = self.search.run(self.everything, reserve)
        return path.lower_bits

    def _try(self, reserve: int) -> None:
        """Fill a reserve with weights, and schedule the rest beside them."""
        for chosen in self._fillings(reserve):
            if chosen not in self.tried:
                self.tried.add(chosen)
                taken = sum(self.weights[number] for number in chosen)
                path = self.search.run(chosen, taken, self.most)
                if path.bits < self.best.path.bits:
                    self.best = Plan(path, chosen, path.lower_bits)

    def _fillings(self, reserve: int) -> Iterator[frozenset[int]]:
        """All weights if they fit, else as much as fits."""
        if reserve >= self.total:
            yield self.everything
        else:
            order = sorted(self.everything)
            for steps in (order, order[::-1], sorted(order, key=lambda number: self.weights[number])):
                yield frozenset(filled(self.weights, steps, reserve))


def filled(weights: Sequence[int], steps: Sequence[int], reserve: int) -> list[int]:
    """Steps whose weights fill ``reserve`` bits best, to one part in ``GRAINS``.

    >>> filled([50, 30, 30, 0], [0, 1, 2], 65)
    [1, 2]
    """
    grain = max(reserve // GRAINS, 1)
    room = reserve // grain
    reached = [1]
    for step in steps:
        taken = min(-(-weights[step] // grain), room + 1)  # more is too much however large: spares shifts by as many bits
        reached.append(reached[-1] | (reached[-1] << taken & (1 << room + 1) - 1))
    place = reached[-1].bit_length() - 1
    chosen = []
    for index in range(len(steps) - 1, -1, -1):
        if not reached[index] >> place & 1:
            chosen.append(steps[index])
            place -= -(-weights[steps[index]] // grain)
    return chosen[::-1]
