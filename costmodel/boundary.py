"""What crosses each memory boundary of a profile, per layer: the mapper's answer in bytes read and written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from costmodel.errors import MappingError
from costmodel.formulas.counts import ceil_div
from costmodel.formulas.traffic import moved_ofmap_bits
from costmodel.mapping import EXACT_BITS, Layer, Problems, Solutions, smallest_buffer_bits, solve
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from costmodel.graph import LayerTable
    from costmodel.hardware import MemoryLevel
    from costmodel.precision import Precision

    Ints = NDArray[np.int64]

MOST_POSITIONS = 1 << 22
LARGEST_BITS = 1 << 60
"""Capacity beyond which a memory is taken to be as large: every layer that is counted exactly fits, and int64 holds sums."""
LOOPS = (
    "n", "g", "k", "c", "p", "q", "r", "s", "stride_h", "stride_w", "dilation_h", "dilation_w",
    "pad_top", "pad_left", "ifmap_h", "ifmap_w",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Widths:
    """Operand widths of every row, arrays (L, 1), in units of 1/``unit`` bit: compressed weights have no whole width."""

    weight: Ints
    ifmap: Ints
    ofmap: Ints
    psum: Ints
    unit: int = 1

    def columns(self) -> dict[str, Ints]:
        """The widths by operand."""
        return {"weight": self.weight, "ifmap": self.ifmap, "ofmap": self.ofmap, "psum": self.psum}

    def bytes_of(self, size: Ints) -> Ints:
        """Bytes that hold a size in these units."""
        return -(-size >> (8 * self.unit).bit_length() - 1)  # a power of two: several times faster than a division


@dataclass(frozen=True, eq=False)
class Crossing:
    """Traffic between two neighbouring memories, int64 arrays (L, D) in bytes.

    ``psum_bytes`` is what unfinished outputs write, and read back again: it is part of ``ofmap_bytes`` twice.
    """

    outer: str
    inner: str
    weight_bytes: Ints
    ifmap_bytes: Ints
    ofmap_bytes: Ints
    psum_bytes: Ints

    @property
    def load_bytes(self) -> Ints:
        """Bytes read from the outer and written to the inner memory."""
        return self.weight_bytes + self.ifmap_bytes + self.psum_bytes

    @property
    def store_bytes(self) -> Ints:
        """Bytes read from the inner and written to the outer memory."""
        return self.ofmap_bytes - self.psum_bytes

    @property
    def moved_bytes(self) -> Ints:
        """All bytes that cross."""
        return self.weight_bytes + self.ifmap_bytes + self.ofmap_bytes


@dataclass(frozen=True, eq=False)
class Boundary(Crossing):
    """The least traffic of every layer, each by itself, and the mappings behind it.

    ``solutions`` holds the mappings of the rows listed in ``mapped``, row after row, at the ``widths`` that cross: 0 for an
    operand that is on chip already.
    """

    mapped: Ints
    solutions: Solutions
    widths: Widths


def operand_widths(table: LayerTable, precisions: Sequence[Precision]) -> Widths:
    """Widths per row from the precision of each: the second activation of a matmul is stored like an ifmap."""
    dynamic = np.asarray(table.dynamic_weight)[:, None]
    rows = [(row.weight_bits, row.ifmap_bits, row.ofmap_bits, row.psum_bits) for row in precisions]
    weight, ifmap, ofmap, psum = np.array(rows, dtype=np.int64).reshape(len(rows), 4).T[:, :, None]
    return Widths(np.where(dynamic, ifmap, weight), ifmap, ofmap, psum)


ENCODED_UNIT: Final = 256
"""Compressed weights are priced at their average width, rounded up to this fraction of a bit."""


def encoded_widths(table: LayerTable, widths: Widths) -> Widths:
    """Widths at which operands cross to and lie in the first memory on chip: compressed weights at their average width."""
    if not table.encoded:
        return widths
    size = np.array([[found.operand_bits if found else 0] for found in table.encoded], dtype=np.int64)
    chosen = np.array([[found is not None] for found in table.encoded])
    average = ceil_div(size * ENCODED_UNIT, np.maximum(weight_operand_elems(table), 1))
    plain = Widths(**{name: column * ENCODED_UNIT for name, column in widths.columns().items()}, unit=ENCODED_UNIT)
    return replace(plain, weight=np.where(chosen, average, plain.weight))


def weight_operand_elems(table: LayerTable) -> Ints:
    """Elements of the weight operand that cross a boundary.

    Biases are left out, as in every published count of traffic: one value per output channel, kept beside the
    accumulators. They are part of the parameters and of the stored size.
    """
    return np.asarray(table.weight_elems - table.bias_elems)


def whole_bytes(elems: Ints, bits: Ints | int) -> Ints:
    """Bytes that hold ``elems`` elements of ``bits``; whole widths are spared the division, which doubles a sweep's cost."""
    if np.all(np.equal(bits, 8)):
        return elems
    if not np.any(np.remainder(bits, 8)):
        return np.asarray(elems * (bits // 8))
    return np.asarray(ceil_div(elems * bits, 8))


def problems_of(table: LayerTable, widths: Widths, rows: Ints, points: int) -> Problems:
    """Build the mapping problems of ``rows``, one per row and design point, row-major."""

    def flat(column: Ints) -> Ints:
        chosen = column[rows]
        return chosen.reshape(-1) if chosen.shape[1] == points else np.repeat(chosen[:, 0], points)

    columns = {name: flat(getattr(table, name)) for name in LOOPS}
    bits = {f"{name}_bits": flat(column) for name, column in widths.columns().items()}
    ofmap = table.ofmap_elems // table.steps
    return Problems(**columns, **bits, weight_elems=flat(weight_operand_elems(table)), ofmap_elems=flat(ofmap))


def capacity_bits(level: MemoryLevel) -> Ints:
    """Bits of ``level`` that a tile of every operand may take, one value or one per design point: half if double-buffered.

    A level that exists once per processing element counts with all of them together.
    """
    if level.capacity_bytes is None:
        raise MappingError(f"memory level {level.name!r} has no capacity; only the backing store may go without")
    most_bytes = np.minimum(level.capacity_bytes.value * level.instances, float(LARGEST_BITS // 8))
    return np.asarray(most_bytes).astype(np.int64) * 8 // (2 if level.double_buffered else 1)


def resident(problems: Problems, bits: int | Ints) -> NDArray[np.bool_]:
    """Whether the whole weight of a recurrent step fits beside one input and one output vector."""
    whole = problems.weight_elems * problems.weight_bits
    vectors = problems.c * problems.ifmap_bits + problems.k * problems.ofmap_bits
    return np.asarray(whole + vectors <= bits)


def mappable(table: LayerTable, rows: Ints) -> None:
    """Refuse axes so long that their tiles cannot be listed."""
    longest = {dim: getattr(table, dim)[rows].max(axis=1) for dim in ("n", "p", "q", "r", "s")}
    problems = [
        f"{table.names[rows[index]]}: {int(extents[index])} positions along loop {dim}; "
        f"at most {MOST_POSITIONS} can be mapped: check the sizes"
        for dim, extents in longest.items()
        for index in np.flatnonzero(extents > MOST_POSITIONS)
    ]
    if problems:
        raise MappingError(*problems)


def checked(
    table: LayerTable, rows: Ints, problems: Problems, solutions: Solutions, level: MemoryLevel, unit: int
) -> None:
    """Refuse layers that no tile brings into ``level``, each with the smallest buffer that would do."""
    points = len(problems) // max(rows.size, 1)
    inexact = np.flatnonzero(~solutions.exact.reshape(rows.size, points).all(axis=1))
    if inexact.size:
        raise MappingError(
            *(
                f"{table.names[rows[row]]}: moves more than {EXACT_BITS} bits, beyond what is counted exactly; "
                "check its sizes and the batch"
                for row in inexact
            )
        )
    if solutions.fits.all():
        return
    buffering = 2 if level.double_buffered else 1
    failing = np.flatnonzero(~solutions.fits.reshape(rows.size, points).all(axis=1))
    messages = []
    for row in failing:
        point = row * points + int(np.flatnonzero(~solutions.fits[row * points : (row + 1) * points])[0])
        smallest = -(-smallest_buffer_bits(problems[point : point + 1]) * buffering // (8 * unit))
        sizes = np.atleast_1d(level.capacity_bytes.value * level.instances if level.capacity_bytes else 0)
        capacity = int(sizes[point % points % sizes.size])
        messages.append(
            f"{table.names[rows[row]]}: cannot be tiled into {level.name} of {capacity} B; "
            f"the smallest {level.name} that holds one tile is {smallest} B ({si_bytes(smallest)})"
        )
    raise MappingError(*messages)


Mapper: TypeAlias = "Callable[[LayerTable, Widths, Ints, MemoryLevel, int], tuple[dict[str, Ints], Solutions]]"
"""Maps rows of a table into a memory, at a number of design points: bits that cross by operand, of unfinished outputs
(``psum``) too, each (rows, points), and the mappings where they are wanted."""


def mapped(
    table: LayerTable, widths: Widths, rows: Ints, level: MemoryLevel, points: int
) -> tuple[dict[str, Ints], Solutions]:
    """Map every row at every point.

    Raises
    ------
    MappingError
        A layer cannot be tiled into ``level``.
    """
    problems = problems_of(table, widths, rows, points)
    capacity = capacity_bits(level) * widths.unit
    each = np.tile(capacity, rows.size) if capacity.ndim else int(capacity)
    solutions = solve(problems, each)
    checked(table, rows, problems, solutions, level, widths.unit)
    steps = np.broadcast_to(table.steps[rows], (rows.size, points)).reshape(-1)
    found = operand_bits(problems, steps, each, solutions)
    return {name: column.reshape(rows.size, points) for name, column in found.items()}, solutions


def boundary(table: LayerTable, widths: Widths, outer: str, level: MemoryLevel, mapper: Mapper = mapped) -> Boundary:
    """Return the least traffic between ``outer`` and ``level`` of each row, each layer by itself.

    Streamed rows read every input and write every output once; free rows move nothing. The capacity of ``level`` may be a
    column of one value per design point.

    Raises
    ------
    MappingError
        A layer cannot be tiled into ``level``.
    """
    points = max(table.design_points, capacity_bits(level).size)
    counted = np.array([status != "free" for status in table.status])
    rows = np.flatnonzero(counted & ~np.asarray(table.streamed) & (table.ofmap_elems > 0).any(axis=1))
    shape = (len(table.names), points)
    streams = {
        "weight": weight_operand_elems(table) * widths.weight,
        "ifmap": table.ifmap_elems * widths.ifmap,
        "ofmap": table.ofmap_elems * widths.ofmap,
        "psum": np.zeros((1, 1), dtype=np.int64),
    }
    bits = {name: np.broadcast_to(np.where(counted[:, None], column, 0), shape).copy() for name, column in streams.items()}
    mappable(table, rows)
    found, solutions = mapper(table, widths, rows, level, points)
    for name, column in found.items():
        bits[name][rows] = column
    moved = {f"{name}_bytes": widths.bytes_of(column) for name, column in bits.items()}
    return Boundary(outer, level.name, **moved, mapped=rows, solutions=solutions, widths=widths)


def operand_bits(problems: Problems, steps: Ints, capacity: int | Ints, solutions: Solutions) -> dict[str, Ints]:
    """Bits that cross for each operand, and those of partial sums written, over all ``steps`` of a layer, arrays (M,)."""
    stays = (steps == 1) | resident(problems, capacity)
    finished = moved_ofmap_bits(problems.ofmap_elems, 1, problems.ofmap_bits, problems.psum_bits)
    return {
        "weight": solutions.weight_bits * np.where(stays, 1, steps),
        "ifmap": solutions.ifmap_bits * steps,
        "ofmap": solutions.ofmap_bits * steps,
        "psum": (solutions.ofmap_bits - finished) // 2 * steps,
    }


def layer_at(table: LayerTable, widths: Widths, row: int, point: int = 0) -> Layer:
    """Return one row at one design point as a scalar layer."""

    def at(column: Ints) -> int:
        return int(column[row, min(point, column.shape[1] - 1)])

    loops = {name: at(getattr(table, name)) for name in LOOPS}
    return Layer(**loops, **{f"{name}_bits": at(column) for name, column in widths.columns().items()})
