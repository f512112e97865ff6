"""Layers of many design points as columns of whole numbers, and what they move as columns: no object per layer and point."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.boundary import LOOPS, mappable, weight_operand_elems
from costmodel.hardware.profile import OBJECTIVES
from costmodel.joint.costs import WAYS, JointCosts, holders
from costmodel.joint.machine import hierarchy_of
from costmodel.joint.tasks import macs_per_s
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.hardware import Constant, HardwareProfile
    from costmodel.hardware.profile import Objective
    from costmodel.joint.tasks import Work
    from costmodel.mapping.levels.hierarchy import Hierarchy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

UNCOUNTED: Final = -1
"""Stands for elements that the loops count by themselves."""
WIDTHS: Final = tuple(f"{operand}_bits" for operand in (*OPERANDS, "psum"))
FIXED: Final = tuple(one.name for one in fields(Fixed))
COLUMNS: Final = (*LOOPS, *WIDTHS, "weight_count", "ofmap_count", "steps", *FIXED, "machine", "machine_too", "objective")
"""All that the best mapping of a layer, and what it moves, depend on.

``FIXED`` are the bits of floats, the two of ``machine`` halves of a digest, ``objective`` its place in ``OBJECTIVES``.
"""
AT: Final = {name: index for index, name in enumerate(COLUMNS)}
DIGEST_BYTES: Final = 16


@dataclass(frozen=True)
class Machines:
    """Hardware of design points: distinct profiles of single values, and which of them each point has, (D,) or (1,)."""

    profiles: tuple[HardwareProfile, ...]
    which: Ints


@dataclass(frozen=True)
class Asked:
    """Layers of some rows at some points.

    Attributes
    ----------
    rows
        Rows of the table that have a loop nest at one point at least.
    columns
        One array per name of :data:`COLUMNS`, (rows, 1) or (rows, D).
    has_nest
        Whether a row has a loop nest at a point, (rows, 1) or (rows, D); without outputs it has none.
    hierarchies
        Machines by their digest.
    """

    rows: Ints
    columns: list[Ints]
    has_nest: NDArray[np.bool_]
    hierarchies: Mapping[bytes, Hierarchy]


def asked(work: Work, objective: Objective, machines: Machines) -> Asked:
    """Return the layers of a table that are mapped, at all of its design points.

    Raises
    ------
    MappingError
        A loop so long that its tiles cannot be listed.
    """
    table = work.table
    counted = np.array([status != "free" for status in table.status]) & ~np.asarray(table.streamed)
    rows = np.flatnonzero(counted & (table.ofmap_elems > 0).any(axis=1))
    mappable(table, rows)
    loops = {name: getattr(table, name)[rows] for name in LOOPS}
    steps, weights = table.steps[rows], weight_operand_elems(table)[rows]
    found = loops | {f"{operand}_bits": column[rows] for operand, column in work.widths.columns().items()}
    found["weight_bits"] = np.where(weights > 0, found["weight_bits"], 0)
    found["weight_count"] = uncounted(weights, product(loops, "gkcrs"), weights == 0)
    found["ofmap_count"] = uncounted(table.ofmap_elems[rows] // steps, product(loops, "ngkpq"), weights < 0)
    found["steps"] = steps
    found |= {name: as_bits(column) for name, column in fixed_columns(work, rows).items()}
    of_machine, hierarchies = machine_columns(work, rows, machines)
    found |= of_machine | {"objective": np.full((rows.size, 1), OBJECTIVES.index(objective))}
    return Asked(rows, [found[name] for name in COLUMNS], table.ofmap_elems[rows] > 0, hierarchies)


def product(loops: Mapping[str, Ints], dims: str) -> Ints:
    """Iterations of some loops."""
    found = loops[dims[0]]
    for dim in dims[1:]:
        found = found * loops[dim]
    return found


def uncounted(elems: Ints, by_loops: Ints, besides: NDArray[np.bool_]) -> Ints:
    """Elements where the loops do not count them by themselves, as :func:`costmodel.joint.tasks.layer_of` has them."""
    return np.where(besides | (elems == by_loops), UNCOUNTED, elems)


def as_bits(values: Floats) -> Ints:
    """Floating-point numbers as the whole numbers that have the same bits."""
    return np.ascontiguousarray(values, dtype=np.float64).view(np.int64)


def value(constant: Constant) -> Floats:
    """A constant, or a column of them."""
    return np.asarray(constant.value, dtype=np.float64)


def fixed_columns(work: Work, rows: Ints) -> dict[str, Floats]:
    """What no mapping of one step changes, as :func:`costmodel.joint.tasks.fixed_of` has it: the same operations in order."""
    table, hardware, inner = work.table, work.hardware, work.hardware.levels[-1]
    steps, others = table.steps[rows], table.other_ops[rows]
    feeds = [np.asarray(size)[rows] for size in work.feed_bytes.values()]
    fed = sum(feeds[1:], feeds[0])
    forms = [work.precisions[row].mac_format for row in rows]
    prices = stacked([value(hardware.compute.mac_pj[form]) for form in forms])
    rates = stacked([np.asarray(macs_per_s(hardware, form)) for form in forms])
    energy = (table.macs[rows] + others) * prices + fed * value(inner.read_pj_per_byte)
    energy = energy + np.asarray(work.feed_bytes["ofmap"])[rows] * value(inner.write_pj_per_byte)
    bandwidth = inner.bandwidth_bytes_per_s
    feed = np.zeros((rows.size, 1)) if bandwidth is None else fed / value(bandwidth) / steps
    overhead = value(hardware.layer_overhead_s) / steps
    return {"energy_pj": energy / steps, "compute_s": others / rates / steps, "feed_s": feed, "overhead_s": overhead}


def stacked(columns: Sequence[Floats]) -> Floats:
    """Values of every row, (rows, 1) or (rows, D)."""
    return np.stack([np.atleast_1d(column) for column in columns]) if columns else np.zeros((0, 1))


def machine_columns(work: Work, rows: Ints, machines: Machines) -> tuple[dict[str, Ints], dict[bytes, Hierarchy]]:
    """The machine of every row and point, by the halves of its digest, and the machines themselves."""
    forms = [work.precisions[row].mac_format for row in rows]
    hierarchies: dict[bytes, Hierarchy] = {}

    def digests(form: str | None) -> Ints:
        """Halves of the digests of all points at a number format, or without MACs, (2, D) or (2, 1)."""
        rates = [inf if form is None else macs_per_s(profile, form) for profile in machines.profiles]
        made = [hierarchy_of(profile, rate) for profile, rate in zip(machines.profiles, rates, strict=True)]
        found = [blake2b(repr(one).encode(), digest_size=DIGEST_BYTES).digest() for one in made]
        hierarchies.update(zip(found, made, strict=True))
        return np.frombuffer(b"".join(found), dtype="<i8").reshape(-1, 2)[machines.which].T

    busy, idle = {form: digests(form) for form in dict.fromkeys(forms)}, digests(None)
    works = work.table.macs[rows] > 0
    halves = [
        np.where(works, stacked([busy[form][half] for form in forms]).astype(np.int64), idle[half]) for half in range(2)
    ]
    return {"machine": halves[0], "machine_too": halves[1]}, hierarchies


# ---- what they move


@dataclass(frozen=True)
class JointColumns(JointCosts):
    """Traffic of every row between all memories at many design points; mappings are not kept.

    Attributes
    ----------
    amounts
        By level, operand and way; ``through`` and level; and ``slots``: arrays (L, D).
    """

    amounts: Mapping[tuple[int | str, ...], Floats] = field(default_factory=dict)

    @cached_property
    def accesses(self) -> dict[tuple[int, str, str], Floats]:
        """Bytes by level, operand and ``read`` or ``write``, (L, D)."""
        levels = range(len(self.hardware.levels))
        return {(at, op, way): self.amounts[at, op, way] for at in levels for op in OPERANDS for way in WAYS}

    def through(self, level: int) -> Floats:
        """Bytes that a level exchanges with the levels further in, (L, D)."""
        return self.amounts["through", level]

    def total(self, level: int, way: str) -> Floats:
        """Bytes of all operands read from or written to a level, (L, D)."""
        return sum((self.amounts[level, operand, way] for operand in OPERANDS[1:]), self.amounts[level, OPERANDS[0], way])

    @cached_property
    def slots(self) -> Floats:
        """MACs that the array has time for while it computes a row, idle elements included, (L, D)."""
        return self.amounts["slots",]


def amount_names(levels: int) -> Iterator[tuple[int | str, ...]]:
    """Names of what a layer moves, in the order of the columns of an answer."""
    yield from ((at, operand, way) for at in range(levels) for operand in OPERANDS for way in WAYS)
    yield from (("through", at) for at in range(levels - 1))
    yield ("slots",)


def joint_columns(work: Work, objective: Objective, found: Asked, amounts: Floats, which: Ints) -> JointColumns:
    """Costs from answers.

    Parameters
    ----------
    work
        Table, widths, formats, profile.
    objective
        What was minimised.
    found
        The layers that were asked for.
    amounts
        What distinct layers move, (M, columns) in the order of :func:`amount_names`, zero where a row has no loop nest.
    which
        The distinct layer of every row and point, (rows, D).
    """
    shape, levels = (len(work.table.names), which.shape[1]), work.hardware.levels
    columns = {}
    for number, name in enumerate(amount_names(len(levels))):
        column = columns[name] = np.zeros(shape)
        column[found.rows] = amounts[:, number][which]
    for row, without in streamed_rows(work, found):
        for operand, size in streamed_sizes(work, row).items():
            add_streamed(columns, holders(levels, operand), operand, row, np.where(without, size / 8, 0.0))
    return JointColumns(objective, work.hardware, shape[0], {}, (), None, columns)


def streamed_rows(work: Work, found: Asked) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Rows that move every operand once at some points, and whether they do at each of them."""
    nests = {int(row): has for row, has in zip(found.rows, found.has_nest, strict=True)}
    for row, status in enumerate(work.table.status):
        if status != "free" and not (row in nests and nests[row].all()):
            yield row, ~nests[row] if row in nests else np.ones(1, dtype=np.bool_)


def streamed_sizes(work: Work, row: int) -> dict[str, Ints]:
    """Bits of the operands of a row, (D,) or (1,)."""
    table, widths = work.table, work.widths
    return {
        "weight": weight_operand_elems(table)[row] * widths.weight[row],
        "ifmap": table.ifmap_elems[row] * widths.ifmap[row],
        "ofmap": table.ofmap_elems[row] * widths.ofmap[row],
    }


def add_streamed(
    columns: dict[tuple[int | str, ...], Floats], levels: Sequence[int], operand: str, row: int, size: Floats
) -> None:
    """Move an operand once through the levels that it goes through."""
    ways = ("write", "read") if operand == "ofmap" else ("read", "write")
    for outer, inner in pairwise(levels):
        columns[outer, operand, ways[0]][row] += size
        columns[inner, operand, ways[1]][row] += size
        columns["through", outer][row] += size
