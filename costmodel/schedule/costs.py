"""What one step moves off chip, given which of its operands are on chip already and how much memory is left for tiles.

An operand that is on chip is neither moved nor buffered: the exact search runs with zero bits for it. Questions are
collected and settled together, since one search over many layers costs little more than one over a few.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import product
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from costmodel.boundary import mappable, operand_bits, problems_of, weight_operand_elems
from costmodel.mapping import needed_bits, solve, solve_distinct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from costmodel.boundary import Widths
    from costmodel.graph import LayerTable
    from costmodel.mapping import Problems
    from costmodel.schedule.program import Program, Step

    Ints = NDArray[np.int64]

Kept = tuple[bool, bool, bool]
"""Whether weight, ifmap and ofmap of a row are on chip."""
KINDS: tuple[Kept, ...] = tuple(product((False, True), repeat=3))  # type: ignore[arg-type]  # three booleans each


def with_kept(problems: Problems, kept: Iterable[Kept]) -> Problems:
    """The problems with zero bits for operands on chip.

    Partial sums as wide as the finished output are added up where it stays, so they take no room of their own.
    """
    weight, ifmap, ofmap = np.array(list(kept), dtype=np.bool_).reshape(-1, 3).T
    in_place = ofmap & (problems.psum_bits <= problems.ofmap_bits)
    return replace(
        problems,
        weight_bits=np.where(weight, 0, problems.weight_bits),
        ifmap_bits=np.where(ifmap, 0, problems.ifmap_bits),
        ofmap_bits=np.where(ofmap, 0, problems.ofmap_bits),
        psum_bits=np.where(in_place, 0, problems.psum_bits),
    )


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that the mapper solves: their problems, repetitions, and for every row the number of its class."""

    number: dict[int, int]
    problems: Problems
    repeats: Ints
    of_class: Ints
    first: Ints


def mapped_rows(table: LayerTable, widths: Widths) -> Rows:
    """Rows of a table that have a loop nest to tile, as :func:`costmodel.boundary.boundary` maps them."""
    executed = np.array([status != "free" for status in table.status])
    rows = np.flatnonzero(executed & ~np.asarray(table.streamed) & (table.ofmap_elems > 0).any(axis=1))
    mappable(table, rows)
    problems = problems_of(table, widths, rows, 1)
    repeats = table.steps[rows][:, 0]
    first, of_class = problems.classes(repeats)
    return Rows({int(row): i for i, row in enumerate(rows)}, problems, repeats, of_class, first)


class Costs:
    """Off-chip bits of the steps of a program, in the unit of its widths; answers are kept."""

    def __init__(self, program: Program, table: LayerTable, widths: Widths) -> None:
        self.program, self.table, self.widths = program, table, widths
        self.rows = mapped_rows(table, widths)
        elems = np.where(table.dynamic_weight[:, None], 0, weight_operand_elems(table))
        self.row_weight_bits: list[int] = (elems * widths.weight)[:, 0].tolist()
        self.weight_bits: list[int] = [sum(self.row_weight_bits[row] for row in step.rows) for step in program.steps]
        self.nests = [[row for row in step.rows if row in self.rows.number] for step in program.steps]
        steps = program.steps
        self.touched = [frozenset(a.buffer for a in (*step.reads, *step.writes)) for step in steps]
        self.demands: dict[tuple[int, frozenset[int], bool], tuple[int, tuple[tuple[int, Kept], ...]]] = {}
        self.answers: dict[tuple[int, Kept, int], float] = {}
        self.pending: dict[tuple[int, Kept, int], None] = {}
        self.solved: dict[tuple[int, Kept], tuple[list[int], list[float]]] = {}
        self.repeats: list[int] = self.rows.repeats[self.rows.first].tolist()
        self._limits()

    def _limits(self) -> None:
        """Per class and kind: a capacity that holds every operand whole, and the bits that move there: the least of all.

        Nothing fits into less than ``smallest``: an element of the weights beside one of the output.
        """
        count, each = self.rows.first.size, len(KINDS)
        chosen = np.tile(self.rows.first, each)
        p = with_kept(self.rows.problems[chosen], [kept for kept in KINDS for _ in range(count)])
        reads = p.n * p.g * p.c * p.ifmap_h * p.ifmap_w * p.ifmap_bits
        size = p.weight_elems * p.weight_bits + reads + p.ofmap_elems * np.maximum(p.ofmap_bits, p.psum_bits)
        bits = operand_bits(p, self.rows.repeats[chosen], size, solve(p, size))
        moved = bits["weight"] + bits["ifmap"] + bits["ofmap"]
        keys = [(number, kept) for kept in KINDS for number in range(count)]
        self.least: dict[tuple[int, Kept], int] = dict(zip(keys, moved.tolist(), strict=True))
        self.whole: dict[tuple[int, Kept], int] = dict(zip(keys, size.tolist(), strict=True))
        element = np.where(p.weight_elems > 0, p.weight_bits, 0) + np.minimum(p.ofmap_bits, p.psum_bits)
        self.smallest: dict[tuple[int, Kept], int] = dict(zip(keys, element.tolist(), strict=True))

    def kept(self, step: Step, row: int, on_chip: frozenset[int], *, pinned: bool) -> Kept:
        """Which operands of a row are on chip, given the buffers that are and whether its weights are."""
        here = {a.operand for a in (*step.reads, *step.writes) if a.row == row and a.bits and a.buffer in on_chip}
        weight = "weight" in here or (pinned and not bool(self.table.dynamic_weight[row]))
        return weight, "ifmap" in here, "ofmap" in here

    def demand(self, number: int, on_chip: frozenset[int], *, pinned: bool) -> tuple[int, tuple[tuple[int, Kept], ...]]:
        """Bits of a step's rows without a loop nest, and class and operands on chip of those that have one."""
        key = (number, on_chip & self.touched[number], pinned)
        if key not in self.demands:
            step, nests = self.program.steps[number], self.nests[number]
            moved = sum(a.bits for a in (*step.reads, *step.writes) if a.row not in nests and a.buffer not in on_chip)
            static = 0 if pinned else sum(self.row_weight_bits[row] for row in step.rows if row not in nests)
            classes = [int(self.rows.of_class[self.rows.number[row]]) for row in nests]
            kinds = [self.kept(step, row, on_chip, pinned=pinned) for row in nests]
            self.demands[key] = (moved + static, tuple(zip(classes, kinds, strict=True)))
        return self.demands[key]

    def least_bits(self, number: int, on_chip: frozenset[int]) -> int:
        """What a step moves at least in any memory if its weights are on chip [bits]."""
        streamed, nests = self.demand(number, on_chip, pinned=True)
        return streamed + sum(self.least[key] for key in nests)

    def questions(
        self, number: int, on_chip: frozenset[int], capacity: int, *, pinned: bool
    ) -> tuple[int, list[tuple[int, Kept, int]]]:
        """Bits that move whatever the capacity, and what the mapper must be asked: class, operands on chip, capacity."""
        streamed, nests = self.demand(number, on_chip, pinned=pinned)
        asked = [(nest, kept, min(capacity, self.whole[nest, kept])) for nest, kept in nests]
        self.request(asked)
        return streamed, asked

    def request(self, questions: Iterable[tuple[int, Kept, int]]) -> None:
        """Note questions for the next :meth:`settle`."""
        for key in questions:
            if key not in self.answers:
                between = self._between(*key)
                if between is None:
                    self.pending[key] = None
                else:
                    self.answers[key] = between

    def _between(self, nest: int, kept: Kept, capacity: int) -> float | None:
        """The answer where a smaller and a larger capacity have the same one, since more room never moves more."""
        least = self.least[nest, kept]
        if capacity >= self.whole[nest, kept]:
            return least
        if capacity < self.smallest[nest, kept]:
            return inf
        capacities, moved = self.solved.get((nest, kept), ((), ()))
        place = bisect_right(capacities, capacity)
        above = moved[place] if place < len(moved) else least
        return above if above == inf or (place and moved[place - 1] == above) else None

    def settle(self) -> None:
        """Answer every pending question in one search."""
        if not self.pending:
            return
        keys = list(self.pending)
        self.pending.clear()
        chosen = self.rows.first[np.array([key[0] for key in keys])]
        problems = with_kept(self.rows.problems[chosen], [key[1] for key in keys])
        capacity = np.array([key[2] for key in keys], dtype=np.int64)
        solutions = solve_distinct(problems, capacity)
        bits = operand_bits(problems, self.rows.repeats[chosen], capacity, solutions)
        total = bits["weight"] + bits["ifmap"] + bits["ofmap"]
        usable = solutions.fits & solutions.exact
        room = needed_bits(problems, solutions)
        for key, moved, fits, needed in zip(keys, total.tolist(), usable.tolist(), room, strict=True):
            self.answers[key] = answer = moved if fits else inf
            self._note(key[:2], key[2], answer)
            if fits and self.repeats[key[0]] == 1 and needed < key[2]:
                self._note(key[:2], needed, answer)

    def _note(self, asked: tuple[int, Kept], capacity: int, answer: float) -> None:
        """Keep an answer in order of capacity."""
        capacities, known = self.solved.setdefault(asked, ([], []))
        place = bisect_right(capacities, capacity)
        capacities.insert(place, capacity)
        known.insert(place, answer)

    def bits(self, number: int, on_chip: frozenset[int], capacity: int, *, pinned: bool) -> float:
        """Least bits a step moves off chip; infinite where no tile fits into ``capacity`` bits.

        Parameters
        ----------
        number
            The step.
        on_chip
            Buffers that are in the memory on chip for the whole step.
        capacity
            Memory left for tiles, divided by the buffering factor [bits].
        pinned
            Whether its trained weights are on chip.
        """
        if capacity < 0:
            return inf
        streamed, asked = self.questions(number, on_chip, capacity, pinned=pinned)
        self.settle()
        return streamed + sum(self.answers[key] for key in asked)
