"""What a schedule moves, row by row of the layer table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.boundary import Boundary, Widths, operand_bits
from costmodel.mapping import solve
from costmodel.schedule.costs import Kept, with_kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.schedule.costs import Costs
    from costmodel.schedule.moves import Move
    from costmodel.schedule.search import Path, Way

    Ints = NDArray[np.int64]

OPERANDS = ("weight", "ifmap", "ofmap", "psum")


class Traffic(NamedTuple):
    """Bytes across the boundary by row, MACs computed again by row (L, 1), and what each row finds on chip."""

    boundary: Boundary
    again_macs: Ints
    places: tuple[str, ...]


def traffic_of(path: Path, pinned: frozenset[int], costs: Costs, outer: str, inner: str) -> Traffic:
    """Traffic of a schedule across the boundary between ``outer`` and ``inner``."""
    ledger = _Ledger(costs, pinned)
    for move, way in path.moves:
        ledger.enter(move, way)
    return ledger.traffic(outer, inner)


class _Ledger:
    """Bits by operand and row, as moves are entered."""

    def __init__(self, costs: Costs, pinned: frozenset[int]) -> None:
        self.costs, self.pinned = costs, pinned
        rows = len(costs.table.names)
        self.bits = {name: [0] * rows for name in OPERANDS}
        self.again = [0] * rows
        self.places = [""] * rows
        self.cascades = 0
        self.nests: list[tuple[int, Kept, int]] = []

    def enter(self, move: Move, way: Way) -> None:
        """Add what one move moves."""
        buffers = self.costs.program.buffers
        first, last = (self.costs.program.steps[number].rows for number in (move.steps[0], move.steps[-1]))
        self.bits["ifmap"][first[0]] += sum(buffers[b].bits for b in move.loaded)
        self.bits["ofmap"][last[-1]] += sum(buffers[b].bits for b in move.stored)
        if move.cascade is None:
            self._step(move, way)
        else:
            self._cascade(move, way)

    def _step(self, move: Move, way: Way) -> None:
        """One step: rows without a loop nest move what is off chip once, the others what the mapper finds."""
        number = move.steps[0]
        step, nests = self.costs.program.steps[number], self.costs.nests[number]
        on_chip = way.held or number in self.pinned
        for access in (*step.reads, *step.writes):
            if access.row not in nests and access.buffer not in move.on_chip:
                self.bits[access.operand][access.row] += access.bits
        for row in step.rows:
            weights = number in self.pinned and self.costs.row_weight_bits[row] > 0
            here = {a.operand for a in (*step.reads, *step.writes) if a.row == row and a.buffer in move.on_chip}
            self.places[row] = " ".join(o for o in OPERANDS if o in here or (o == "weight" and weights))
            if way.held or (row not in nests and not on_chip):
                self.bits["weight"][row] += self.costs.row_weight_bits[row]
            if row in nests:
                self.nests.append((row, self.costs.kept(step, row, move.on_chip, pinned=on_chip), way.capacity_bits))

    def _cascade(self, move: Move, way: Way) -> None:
        """A cascade: edges off chip by the access they belong to, weights once or once per visit."""
        cascade, option = move.cascade, way.option
        if cascade is None or option is None:
            raise AssertionError("a cascade is entered with its option")
        place = cascade.heights.index(option.rows)
        self.cascades += 1
        for edge in (*cascade.entering, *cascade.leaving):
            if edge.buffer not in move.on_chip:
                self._edge(cascade.steps, edge.buffer, int(edge.moved_bits[option.style][place]))
        for index, number in enumerate(cascade.steps):
            step = self.costs.program.steps[number]
            times = 1 if option.held else int(cascade.visits[index][place])
            for row in step.rows:
                self.places[row] = f"cascade {self.cascades}"
                self.bits["weight"][row] += 0 if number in self.pinned else times * self.costs.row_weight_bits[row]
            self.again[step.rows[0]] += int(cascade.again_by_step[option.style][index][place])

    def _edge(self, steps: tuple[int, ...], buffer: int, bits: int) -> None:
        """Bits of a buffer that enters or leaves: writers each their part, the first reader everything."""
        members = [self.costs.program.steps[number] for number in steps]
        writes = [access for step in members for access in step.writes if access.buffer == buffer]
        for access in writes:
            self.bits["ofmap"][access.row] += access.bits
        extra = bits - sum(access.bits for access in writes)
        if extra:
            reads = [access for step in members for access in (*step.reads, *step.writes) if access.buffer == buffer]
            self.bits[reads[0].operand][reads[0].row] += extra

    def traffic(self, outer: str, inner: str) -> Traffic:
        """Settle the loop nests and turn bits into bytes."""
        rows = np.array([row for row, _, _ in self.nests], dtype=np.int64)
        places = np.array([self.costs.rows.number[row] for row in rows.tolist()], dtype=np.int64)
        problems = with_kept(self.costs.rows.problems[places], [kept for _, kept, _ in self.nests])
        capacity = np.array([bits for _, _, bits in self.nests], dtype=np.int64)
        solutions = solve(problems, capacity)
        for name, column in operand_bits(problems, self.costs.rows.repeats[places], capacity, solutions).items():
            for row, bits in zip(rows.tolist(), column.tolist(), strict=True):
                self.bits[name][row] += bits
        moved = {
            f"{name}_bytes": self.costs.widths.bytes_of(np.array(column, dtype=np.int64)[:, None])
            for name, column in self.bits.items()
        }
        widths = self._widths(rows, problems)
        crossing = Boundary(outer, inner, **moved, mapped=rows, solutions=solutions, widths=widths)
        return Traffic(crossing, np.array(self.again, dtype=np.int64)[:, None], tuple(self.places))

    def _widths(self, rows: Ints, problems: object) -> Widths:
        """Widths of every row, zero for operands on chip."""
        columns = {name: column.copy() for name, column in self.costs.widths.columns().items()}
        for name, column in columns.items():
            column[rows, 0] = getattr(problems, f"{name}_bits")
        return Widths(**columns, unit=self.costs.widths.unit)
