"""Off-chip traffic against the size of the memory: the exact minimum, its steps, and what no schedule undercuts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import SCHEMA_VERSION, checked_batch
from costmodel.boundary import (
    LARGEST_BITS,
    encoded_widths,
    layer_at,
    mappable,
    operand_bits,
    operand_widths,
    problems_of,
)
from costmodel.errors import CostModelError, InputError, MappingError, NetworkError
from costmodel.explore.axes import numbers
from costmodel.hardware.profile import did_you_mean
from costmodel.io_bound import Nest, compulsory_bytes, nest_of, schedule_bytes
from costmodel.mapping import EXACT_BITS, Problems, Solutions, mapping_of, smallest_buffer_bits, solve
from costmodel.precision import kept_precisions, precision_of, row_precisions, stored
from costmodel.results import Recorded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.boundary import Widths
    from costmodel.graph import Graph, LayerTable
    from costmodel.hardware import HardwareProfile
    from costmodel.precision import Precision

    Ints = NDArray[np.int64]

DTYPE: Final = "int8"
"""Number format where neither an option nor hardware nor a file says one."""
OPERANDS: Final = ("weight", "ifmap", "ofmap")
STEP: Final = "2x"
MOST_BYTES: Final = LARGEST_BITS // 8
NEVER: Final = 1 << 62
"""Stands for the bytes of a layer that does not fit: more than any that does."""


@dataclass(frozen=True)
class CurvePoint:
    """Traffic at one size of the memory, for the whole batch; ``compulsory_bytes <= io_bound_bytes <= dram_bytes``.

    ``dram_bytes`` is None where no tile fits. ``stationary`` is the operand that the innermost loops leave in place, empty for
    a whole network and for layers that only stream.
    """

    capacity_bytes: int
    compulsory_bytes: int
    io_bound_bytes: int
    dram_bytes: int | None
    stationary: str = ""

    @property
    def bound_ratio(self) -> float | None:
        """What is moved over what any schedule moves; None where no tile fits or nothing crosses."""
        return self.dram_bytes / self.io_bound_bytes if self.dram_bytes is not None and self.io_bound_bytes else None


@dataclass(frozen=True)
class LayerCurve:
    """One layer at every size.

    ``smallest_bytes`` is the smallest memory that holds a tile, ``least_bytes`` what moves where memory is no limit, and
    ``least_from_bytes`` the memory from which on it does: with ``least_bytes`` equal to compulsory traffic, every operand
    then crosses once. Both memories are 0 for layers that only stream.
    """

    name: str
    op: str
    smallest_bytes: int
    least_bytes: int
    least_from_bytes: int
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Breakpoint:
    """A size at which the minimum drops: one byte less, and ``saved_bytes`` more are moved; None where nothing fits then."""

    capacity_bytes: int
    dram_bytes: int
    saved_bytes: int | None
    stationary: str
    mapping: str


@dataclass(frozen=True, repr=False)
class Curve(Recorded):
    """Off-chip traffic of a network, layer by layer, against the size of the first memory on chip.

    Attributes
    ----------
    network, precision, batch
        What was priced.
    hardware, memory
        The hardware and its first memory on chip whose number format and buffering were used, None without.
    double_buffered
        Whether a tile takes half of the memory.
    layer
        The one layer that was asked for, None for all.
    layers
        One curve per layer that moves anything.
    breakpoints
        Where one layer was asked for: every size in the range at which its minimum drops, the first one that fits included.
    """

    network: str
    precision: Precision
    batch: int
    hardware: str | None
    memory: str | None
    double_buffered: bool
    layer: str | None
    capacities: tuple[int, ...]
    layers: tuple[LayerCurve, ...]
    breakpoints: tuple[Breakpoint, ...]

    @property
    def points(self) -> tuple[CurvePoint, ...]:
        """The one layer, or all together, each by itself; ``dram_bytes`` is None where one of them does not fit."""
        if self.layer is not None:
            return self.layers[0].points
        return tuple(map(summed, zip(*(layer.points for layer in self.layers), strict=True)))

    def records(self) -> list[dict[str, Any]]:
        """One record per size and layer, after one for all of them together."""
        lines = [("", self.points)] if self.layer is None else []
        lines += [(layer.name, layer.points) for layer in self.layers]
        context = {"network": self.network, "precision": self.precision.name, "batch": self.batch}
        return [
            {**context, "layer": name, **asdict(point), "bound_ratio": point.bound_ratio}
            for name, points in lines
            for point in points
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.network,
            "precision": self.precision.to_dict(),
            "batch": self.batch,
            "hardware": self.hardware,
            "memory": self.memory,
            "double_buffered": self.double_buffered,
            "layer": self.layer,
            "points": [plain(point) for point in self.points],
            "layers": [asdict(layer) | {"points": [plain(point) for point in layer.points]} for layer in self.layers],
            "breakpoints": [asdict(step) for step in self.breakpoints],
        }


def plain(point: CurvePoint) -> dict[str, Any]:
    """A point with its ratio."""
    return {**asdict(point), "bound_ratio": point.bound_ratio}


def summed(points: Sequence[CurvePoint]) -> CurvePoint:
    """Several layers at one size."""
    moved = [point.dram_bytes for point in points]
    return CurvePoint(
        points[0].capacity_bytes,
        sum(point.compulsory_bytes for point in points),
        sum(point.io_bound_bytes for point in points),
        None if None in moved else sum(size for size in moved if size is not None),
    )


# ---- the sizes


def capacities_of(given: str | Iterable[Any]) -> tuple[int, ...]:
    """Sizes from a text, ``1KiB:16MiB``, ``1KiB:16MiB:4x`` or ``64KiB,1MiB``, or from a sequence; ascending whole bytes.

    >>> capacities_of("1KiB:4KiB"), capacities_of([4096, "1 KiB"])
    ((1024, 2048, 4096), (1024, 4096))
    """
    doubled = isinstance(given, str) and given.count(":") == 1
    values = f"{given}:{STEP}" if doubled else given if isinstance(given, str) else list(given)
    try:
        sizes = numbers("capacity", values, "memory.capacity")
    except CostModelError as error:
        raise InputError(*(text.replace("vary: ", "curve: ", 1) for text in error.problems)) from None
    if not sizes or not all(1 <= size <= MOST_BYTES for size in sizes):
        raise InputError(f"curve: capacity {given!r}; give sizes from 1 B to {MOST_BYTES} B, such as 1KiB:16MiB")
    return tuple(sorted({int(size) for size in sizes}))


# ---- pricing


@dataclass(frozen=True)
class Moved:
    """What some rows move at some sizes, arrays (M,); ``size_bytes`` is NEVER where no tile fits."""

    size_bytes: Ints
    solutions: Solutions

    def stationary(self, index: int) -> str:
        """Operand in place, empty where no tile fits."""
        return OPERANDS[int(self.solutions.stationary[index])] if self.size_bytes[index] < NEVER else ""


@dataclass(frozen=True)
class Pricer:
    """The loop nests of one network; `rows` are those that the mapper solves, one problem each."""

    table: LayerTable
    widths: Widths
    rows: Ints
    problems: Problems
    nest: Nest
    buffering: int

    @classmethod
    def of(cls, table: LayerTable, widths: Widths, buffering: int) -> Pricer:
        """Pricer of a table."""
        counted = np.array([status != "free" for status in table.status])
        rows = np.flatnonzero(counted & ~np.asarray(table.streamed) & (table.ofmap_elems > 0).any(axis=1))
        mappable(table, rows)
        return cls(table, widths, rows, problems_of(table, widths, rows, 1), nest_of(table), buffering)

    def usable_bits(self, capacities: Ints) -> Ints:
        """Part of a memory that the tiles of a row may take, in units of the widths."""
        return np.minimum(capacities * 8 // self.buffering, LARGEST_BITS // self.widths.unit) * self.widths.unit

    def moved(self, places: Ints, capacities: Ints) -> Moved:
        """What rows move, each at its own size; `places` index ``rows``."""
        problems, bits = self.problems[places], self.usable_bits(capacities)
        found = solve(problems, bits)
        inexact = self.rows[places[~found.exact]]
        if inexact.size:
            name = self.table.names[inexact[0]]
            raise MappingError(
                f"{name}: moves more than {EXACT_BITS} bits, beyond what is counted exactly; check its sizes and the batch"
            )
        each = operand_bits(problems, self.table.steps[self.rows[places], 0], bits, found)
        size = np.add.reduce([self.widths.bytes_of(each[operand]) for operand in OPERANDS])
        return Moved(np.where(found.fits, size, NEVER), found)

    def smallest_bytes(self, place: int) -> int:
        """The smallest memory that holds a tile of a row."""
        whole = -(-smallest_buffer_bits(self.problems[place : place + 1]) // self.widths.unit)
        return -(-whole * self.buffering // 8)

    def mapping(self, place: int, found: Solutions, index: int) -> str:
        """The mapping of a solution in words."""
        layer = layer_at(self.table, self.widths, int(self.rows[place]))
        return str(mapping_of(layer, int(found.stationary[index]), found.tile[:, index], self.buffering))


def least_from(pricer: Pricer, smallest: Ints) -> tuple[Ints, Ints]:
    """What every row moves where memory is no limit, and the memory from which on it does, found by bisection."""
    places = np.arange(pricer.rows.size)
    low, high = smallest - 1, np.full(places.size, MOST_BYTES)
    least = pricer.moved(places, high).size_bytes
    high = np.maximum(np.minimum(high, enough_bytes(pricer)), smallest)
    while (open_ := np.flatnonzero(high - low > 1)).size:
        middle = (low[open_] + high[open_]) // 2
        reached = pricer.moved(open_, middle).size_bytes == least[open_]
        high[open_[reached]] = middle[reached]
        low[open_[~reached]] = middle[~reached]
    return least, high


def enough_bytes(pricer: Pricer) -> Ints:
    """A memory that holds all operands of a row at once, partial sums wide and inputs with their holes."""
    p = pricer.problems
    inputs = p.n * p.g * p.c * p.ifmap_h * p.ifmap_w
    bits = p.weight_elems * p.weight_bits + inputs * p.ifmap_bits + p.ofmap_elems * (p.psum_bits + p.ofmap_bits)
    return np.asarray(-(-bits // (8 * pricer.widths.unit)) * pricer.buffering + 1)


def drops(cost: Callable[[Ints], Ints], low: int, high: int) -> list[int]:
    """Where a function that never grows falls, between two whole numbers: all bisections advance together.

    >>> drops(lambda at: 10 - at // 4, 1, 12)
    [4, 8, 12]
    """
    left, right = np.array([low]), np.array([high])
    above, below = cost(left), cost(right)
    found: list[int] = []
    while (open_ := np.flatnonzero(above != below)).size:
        left, right, above, below = (column[open_] for column in (left, right, above, below))
        adjacent = right - left == 1
        found += right[adjacent].tolist()
        left, right, above, below = (column[~adjacent] for column in (left, right, above, below))
        middle = (left + right) // 2
        costs = cost(middle)
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
        above, below = np.concatenate([above, costs]), np.concatenate([costs, below])
    return sorted(found)


def breakpoints(pricer: Pricer, place: int, low: int, high: int) -> Iterator[Breakpoint]:
    """Every size from `low` to `high` at which a row moves less than with a byte less, or fits at all."""

    def cost(capacities: Ints) -> Ints:
        return pricer.moved(np.full(capacities.size, place), capacities).size_bytes

    sizes = np.array(drops(cost, max(low - 1, 0), high), dtype=np.int64)
    found, before = pricer.moved(np.full(sizes.size, place), sizes), cost(sizes - 1)
    for index, size in enumerate(sizes.tolist()):
        moved, more = int(found.size_bytes[index]), int(before[index])
        mapping = pricer.mapping(place, found.solutions, index)
        yield Breakpoint(size, moved, None if more == NEVER else more - moved, found.stationary(index), mapping)


# ---- the curve


def curve_of(
    graph: Graph,
    hardware: HardwareProfile | None,
    capacities: Sequence[int],
    layer: str | None,
    batch: int,
    dtype: str | None,
    bits: Mapping[str, int] | None,
) -> Curve:
    """Curve of a graph without design axes; see :func:`costmodel.curve`.

    Raises
    ------
    NetworkError
        It has no layers.
    InputError
        It carries design points, or has no such layer.
    """
    if not graph.layers:
        raise NetworkError(f"{graph.name}: has no layers; add some, or return the right graph")
    table = graph.table().with_batch(checked_batch(batch))
    if table.design_points != 1:
        raise InputError(f"{graph.name}: carries {table.design_points} design points; a curve is that of one network")
    precision, rows = precisions_of(table, hardware, dtype, bits)
    if layer is not None:
        chosen = row_of(table, graph.name, layer)
        table, rows = table.rows([chosen]), (rows[chosen],)
    level = hardware.levels[1] if hardware else None
    doubled = level is not None and level.double_buffered
    pricer = Pricer.of(table, encoded_widths(table, operand_widths(table, rows)), 2 if doubled else 1)
    steps = tuple(breakpoints(pricer, 0, capacities[0], capacities[-1])) if layer is not None and pricer.rows.size else ()
    return Curve(
        network=graph.name,
        precision=precision,
        batch=batch,
        hardware=hardware.name if hardware else None,
        memory=level.name if level else None,
        double_buffered=doubled,
        layer=layer,
        capacities=tuple(capacities),
        layers=tuple(layer_curves(pricer, capacities, every=layer is not None)),
        breakpoints=steps,
    )


def precisions_of(
    table: LayerTable, hardware: HardwareProfile | None, dtype: str | None, bits: Mapping[str, int] | None
) -> tuple[Precision, tuple[Precision, ...]]:
    """The precision, and that of every row; without hardware the widths are those that are stored."""
    if hardware is not None:
        chosen = precision_of(table, hardware, dtype, bits)
        return chosen, row_precisions(table, hardware, chosen)
    plain_precision = stored(dtype or DTYPE, bits)
    if dtype is None and not bits and table.states_widths:
        return kept_precisions(table, plain_precision)
    return plain_precision, (plain_precision,) * len(table)


def row_of(table: LayerTable, network: str, layer: str) -> int:
    """Number of the row of a layer."""
    if layer not in table.names:
        moving = [name for name, status in zip(table.names, table.status, strict=True) if status != "free"]
        raise InputError(
            f"curve: {network} has no layer {layer!r}{did_you_mean(layer, moving)}; costmodel analyze lists them"
        )
    return table.names.index(layer)


def layer_curves(pricer: Pricer, capacities: Sequence[int], *, every: bool) -> Iterator[LayerCurve]:
    """The curve of every row that moves anything; with `every` also of one that moves nothing."""
    sizes, count = np.array(capacities, dtype=np.int64), len(capacities)
    places = np.arange(pricer.rows.size)
    moved = pricer.moved(np.repeat(places, count), np.tile(sizes, places.size))
    smallest = np.array([pricer.smallest_bytes(place) for place in places.tolist()], dtype=np.int64)
    least, enough = least_from(pricer, smallest)
    compulsory = compulsory_bytes(pricer.table, pricer.widths)
    bound = np.maximum(compulsory, schedule_bytes(pricer.nest, pricer.widths, pricer.usable_bits(sizes)[None, :]))
    place_of = dict(zip(pricer.rows.tolist(), places.tolist(), strict=True))
    for row, (name, op) in enumerate(zip(pricer.table.names, pricer.table.ops, strict=True)):
        needed, place = int(compulsory[row, 0]), place_of.get(row)
        if place is None:
            if needed or every:
                same = tuple(CurvePoint(size, needed, needed, needed) for size in capacities)
                yield LayerCurve(name, op, 0, needed, 0, same)
            continue
        points = tuple(
            CurvePoint(size, needed, int(bound[row, index]), *at(moved, place * count + index))
            for index, size in enumerate(capacities)
        )
        yield LayerCurve(name, op, int(smallest[place]), int(least[place]), int(enough[place]), points)


def at(moved: Moved, index: int) -> tuple[int | None, str]:
    """Bytes and operand in place of one row at one size."""
    size = int(moved.size_bytes[index])
    return (None if size == NEVER else size), moved.stationary(index)
