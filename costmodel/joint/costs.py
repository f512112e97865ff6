"""What every row of a table moves, reads and writes where layers are mapped through all memories at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.boundary import Crossing, weight_operand_elems
from costmodel.joint.solving import solved
from costmodel.joint.tasks import tasks
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.price import priced, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from costmodel.hardware import HardwareProfile, MemoryLevel
    from costmodel.hardware.profile import Objective
    from costmodel.joint.tasks import Task, Work
    from costmodel.mapping.levels.loopnest import LoopNest
    from costmodel.mapping.levels.search import Found
    from costmodel.sparsity import ActivationCode

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

WAYS: Final = ("read", "write")


@dataclass(frozen=True)
class Moved:
    """Bits of one operand of one row that an outer level hands to an inner one and takes back.

    Counted at the outer level (``down``, ``up``) and at the inner one (``in_down``, ``in_up``), where several elements may
    share what is read once; ``unfinished`` of what goes up outside, and all of what comes down of an ofmap, are partial sums.
    """

    row: int
    operand: str
    outer: int
    inner: int
    down: int
    up: int
    in_down: int
    in_up: int
    unfinished: int = 0


@dataclass(frozen=True)
class JointCosts:
    """Traffic of every row between all memories, under the mapping that is best for an objective.

    Attributes
    ----------
    objective
        What the mappings minimise.
    hardware
        The profile.
    rows
        Number of rows of the table.
    nests
        Mapping of each row that has a loop nest, by row.
    moved
        What every row moves, the streamed ones included.
    code
        The run-length code of activations off chip, None where they are dense.
    """

    objective: Objective
    hardware: HardwareProfile
    rows: int
    nests: Mapping[int, MappedNest]
    moved: tuple[Moved, ...]
    code: ActivationCode | None = None

    @cached_property
    def accesses(self) -> dict[tuple[int, str, str], Floats]:
        """Bytes by level, operand and ``read`` or ``write``, (L, 1); what the multipliers take is not part of it."""
        levels = range(len(self.hardware.levels))
        found = {(at, op, way): np.zeros((self.rows, 1)) for at in levels for op in OPERANDS for way in WAYS}
        for one in self.moved:
            down, up = self.outside(one)
            found[one.outer, one.operand, "read"][one.row] += down / 8
            found[one.outer, one.operand, "write"][one.row] += up / 8
            found[one.inner, one.operand, "write"][one.row] += one.in_down / 8
            found[one.inner, one.operand, "read"][one.row] += one.in_up / 8
        return found

    def outside(self, one: Moved) -> tuple[float, float]:
        """Bits handed down and taken back at the outer level; off chip, activations may be coded, partial sums never are."""
        if one.outer > 0 or self.code is None or one.operand == "weight":
            return one.down, one.up
        ratio = float(getattr(self.code, f"{one.operand}_ratio")[one.row, 0])
        if one.operand == "ifmap":
            return one.down * ratio, one.up
        return one.down, one.unfinished + (one.up - one.unfinished) * ratio

    def through(self, level: int) -> Floats:
        """Bytes that a level exchanges with the levels further in, (L, 1)."""
        found = np.zeros((self.rows, 1))
        for one in self.moved:
            if one.outer == level:
                found[one.row] += sum(self.outside(one)) / 8
        return found

    def total(self, level: int, way: str) -> Floats:
        """Bytes of all operands read from or written to a level, (L, 1)."""
        return np.asarray(sum((self.accesses[level, operand, way] for operand in OPERANDS), np.zeros((self.rows, 1))))

    @cached_property
    def off_chip(self) -> Crossing:
        """What crosses between the backing store and all levels on chip; whole bytes, rounded up."""
        found = self.accesses
        read = {operand: whole(found[0, operand, "read"]) for operand in OPERANDS}
        outer, inner = (level.name for level in self.hardware.levels[:2])
        written = whole(found[0, "ofmap", "write"])
        return Crossing(outer, inner, read["weight"], read["ifmap"], read["ofmap"] + written, read["ofmap"])

    @cached_property
    def slots(self) -> Floats:
        """MACs that the array has time for while it computes a row, idle elements included, (L, 1)."""
        found = np.zeros((self.rows, 1))
        for row, nest in self.nests.items():
            found[row] = nest.cycles * nest.priced.hierarchy.elements * nest.steps
        return found

    @property
    def gap_ratio(self) -> float:
        """The largest part of an objective's value by which a mapping may exceed the optimum; 0 where all are proved."""
        return max((nest.gap_ratio for nest in self.nests.values()), default=0.0)

    @property
    def proved(self) -> int:
        """Mappings that are proved optimal."""
        return sum(nest.optimal for nest in self.nests.values())


def whole(size: Floats) -> Ints:
    """Whole bytes that hold a size.

    >>> whole(np.array([[10.5]])).tolist()
    [[11]]
    """
    return np.ceil(np.round(size, 6)).astype(np.int64)


def joint_costs(
    work: Work, objective: Objective, time_limit_s: float | None, code: ActivationCode | None, given: Mapping[int, LoopNest]
) -> JointCosts:
    """Map every layer of a table through all memories of a profile for an objective, each by itself.

    Parameters
    ----------
    work
        Table, widths, formats, profile.
    objective
        ``energy``, ``latency``, ``edp`` or ``dram_bytes``.
    time_limit_s
        For all layers together [s].
    code
        The run-length code of activations off chip; mappings are those of dense activations.
    given
        Legal mappings by row, taken in place of the best.

    Raises
    ------
    MappingError
        A layer that fits nowhere, or a loop too long to be tiled; pins that no mapping satisfies.
    """
    asked = tasks(work)
    answers = solved(asked, objective, time_limit_s)
    nests = {task.row: nest_of(task, found, objective, given) for task, found in zip(asked, answers, strict=True)}
    moved = [one for task in asked for one in moved_by(task, nests[task.row])]
    moved += [one for row in streamed(work) for one in streamed_by(work, row)]
    return JointCosts(objective, work.hardware, len(work.table.names), nests, tuple(moved), code)


def nest_of(task: Task, found: Found, objective: Objective, given: Mapping[int, LoopNest]) -> MappedNest:
    """The mapping of a task as a result: the best, or the one given, which the best bounds from below."""
    if task.row in given:
        own = priced(task.layer, task.hierarchy, given[task.row], task.fixed)
        value = value_of(own, objective)
        return MappedNest(objective, own, value, found.lower, optimal=value <= found.lower, steps=task.steps)
    price = found.priced
    return MappedNest(objective, price, found.value, found.lower, found.optimal, task.steps, task.pins)


def moved_by(task: Task, nest: MappedNest) -> Iterator[Moved]:
    """What all steps of a mapped row move."""
    layer = task.layer
    widths = {"weight": layer.weight_bits, "ifmap": layer.ifmap_bits, "ofmap": layer.psum_bits}
    for flow in nest.priced.flows:
        times = 1 if flow.operand == "weight" and stays(task, flow.inner) else task.steps
        bits = widths[flow.operand] * times
        kept = flow.operand in task.hierarchy.stores[flow.inner].holds  # else a register, whose energy is part of the MAC's
        saved = (layer.psum_bits - layer.ofmap_bits) * flow.finished * times if flow.operand == "ofmap" else 0
        yield Moved(
            task.row,
            flow.operand,
            flow.outer,
            flow.inner,
            down=flow.out_down * bits,
            up=flow.out_up * bits - saved,
            in_down=flow.in_down * bits if kept else 0,
            in_up=flow.in_up * bits - saved if kept else 0,
            unfinished=(flow.out_up - flow.finished) * bits if flow.operand == "ofmap" else 0,
        )


def stays(task: Task, inner: int) -> bool:
    """Whether the whole weight of a repeated step stays in a store from one step to the next, beside its vectors."""
    store, layer = task.hierarchy.stores[inner], task.layer
    if task.steps == 1 or store.per_element or store.capacity_bits is None:
        return False
    room = store.part_bits.get("weight", store.capacity_bits)
    vectors = 0 if "weight" in store.part_bits else layer.c * layer.ifmap_bits + layer.k * layer.ofmap_bits
    return layer.weight_elems * layer.weight_bits + vectors <= room


def streamed(work: Work) -> list[int]:
    """Rows that move every operand once, without a loop nest."""
    mapped = set(work.mapped)
    return [row for row, status in enumerate(work.table.status) if status != "free" and row not in mapped]


def streamed_by(work: Work, row: int) -> Iterator[Moved]:
    """What a streamed row moves: each operand once through every level that it does not pass by."""
    table, widths = work.table, work.widths
    sizes = {
        "weight": weight_operand_elems(table)[row, 0] * widths.weight[row, 0],
        "ifmap": table.ifmap_elems[row, 0] * widths.ifmap[row, 0],
        "ofmap": table.ofmap_elems[row, 0] * widths.ofmap[row, 0],
    }
    for operand, size in sizes.items():
        bits = int(size)
        for outer, inner in pairwise(holders(work.hardware.levels, operand)):
            down, up = (0, bits) if operand == "ofmap" else (bits, 0)
            yield Moved(row, operand, outer, inner, down, up, down, up)


def holders(levels: tuple[MemoryLevel, ...], operand: str) -> list[int]:
    """Levels that an operand goes through, outermost first."""
    return [at for at, level in enumerate(levels) if operand in level.holds and operand not in level.bypass]
