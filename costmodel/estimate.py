"""The estimate as columns: bytes, energy and latency of every layer at every design point."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from costmodel.boundary import (
    Crossing,
    boundary,
    capacity_bits,
    encoded_widths,
    mapped,
    operand_widths,
    weight_operand_elems,
    whole_bytes,
)
from costmodel.formulas.energy import access_j, mac_j, operand_feed_bytes, static_j
from costmodel.formulas.latency import compute_s, overlapped_s, transfer_s, unrolled_ratio
from costmodel.io_bound import nest_of, schedule_bytes
from costmodel.mapping.levels.pins import UNPINNED
from costmodel.precision import row_precisions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from costmodel.boundary import Mapper, Widths
    from costmodel.graph import LayerTable
    from costmodel.hardware import Compute, Constant, HardwareProfile, MemoryLevel
    from costmodel.hardware.profile import Objective
    from costmodel.joint.costs import JointCosts
    from costmodel.joint.tasks import Work
    from costmodel.mapping.levels.loopnest import LoopNest
    from costmodel.mapping.levels.pins import LayerPins
    from costmodel.precision import Precision
    from costmodel.schedule import Schedule
    from costmodel.sparsity import ActivationCode, ActivationDensities

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    JointMapper = Callable[[Work, Objective], JointCosts]

Bound = Literal["value", "low", "high"]
BOUNDS: tuple[Bound, ...] = ("value", "low", "high")
INVERSE: dict[Bound, Bound] = {"value": "value", "low": "high", "high": "low"}
PARTS = ("mac", "on_chip", "off_chip", "static")


class Term(NamedTuple):
    """One summand of the energy: ``amount`` times a constant, both with their range; amounts are (L, D).

    ``amount`` is in bytes or operations, the constant in pJ per each.
    """

    part: str
    what: str
    constant: Constant
    amount: dict[Bound, Floats]

    def energy_j(self, bound: Bound = "value") -> Floats:
        """Energy of this term per layer and design point [J]."""
        price = mac_j if self.part == "mac" else access_j
        return np.asarray(price(self.amount[bound], getattr(self.constant, bound)))


def at(constant: Constant, bound: Bound) -> float | Floats:
    """Return the value of a constant at one end of its range: one, or a column with one per design point."""
    value = getattr(constant, bound)
    return value if isinstance(value, np.ndarray) else float(value)


def access(level: MemoryLevel, read_bytes: float, write_bytes: float) -> dict[str, float]:
    """What a level reads and writes, and the energy of both [J]."""
    energy_j = float(access_j(read_bytes, level.read_pj_per_byte.value) + access_j(write_bytes, level.write_pj_per_byte.value))
    return {"read_bytes": read_bytes, "write_bytes": write_bytes, "energy_j": energy_j}


def fixed(amount: Ints | Floats) -> dict[Bound, Floats]:
    """An amount that is exact: counted, not assumed."""
    exact = np.asarray(amount, dtype=np.float64)
    return {"value": exact, "low": exact, "high": exact}


def utilisation_ratio(table: LayerTable, compute: Compute) -> Floats:
    """Busy share of the array: the best assignment of one loop dimension to each axis [ratio]."""
    if not compute.array:
        return np.ones((1, 1))
    axes = list(compute.array.values())
    best = np.zeros((1, 1))
    for dims in product(*(axis.dims for axis in axes)):
        if len(set(dims)) == len(dims):
            ratios = [unrolled_ratio(getattr(table, dim), axis.size) for dim, axis in zip(dims, axes, strict=True)]
            best = np.maximum(best, np.prod(np.broadcast_arrays(*ratios), axis=0))
    return best


@dataclass(frozen=True, eq=False)
class Estimate:
    """Everything that is computed from one table, one profile and one precision; arrays (L, D).

    Totals are sums over axis 0; nothing here depends on another design point, nor, without a `schedule`, on the order of
    layers. With one, the outermost boundary is what the schedule moves. Constants of the profile may be columns, one value
    for each of `hardware_points`; the table then has one design point, or as many. With an `objective`, every layer is mapped
    for it through all memories at once, in `time_limit_s` together where that is given; rows in `given` take that mapping
    instead, and mappings do what ``pins`` fix. That takes one design point, or a `joint_mapper` that maps layers of many.
    """

    table: LayerTable
    hardware: HardwareProfile
    precision: Precision
    schedule: Schedule | None = None
    activations: ActivationDensities | None = None
    hardware_points: int = 1
    mapper: Mapper = mapped
    objective: Objective | None = None
    time_limit_s: float | None = None
    given: Mapping[int, LoopNest] = field(default_factory=dict)
    joint_mapper: JointMapper | None = None
    pins: LayerPins = UNPINNED

    def repriced(self, hardware: HardwareProfile) -> Estimate:
        """The same traffic on hardware that differs in energies, rates and powers alone, not in sizes or formats."""
        found = replace(self, hardware=hardware)
        of_hardware = ("hardware", "terms", "latencies_s")
        vars(found).update({name: value for name, value in vars(self).items() if name not in of_hardware})
        return found

    @cached_property
    def precisions(self) -> tuple[Precision, ...]:
        """Precision of every row; all the same unless it is as a file stores it."""
        return row_precisions(self.table, self.hardware, self.precision)

    @cached_property
    def widths(self) -> Widths:
        """Operand widths per row [bits]."""
        return operand_widths(self.table, self.precisions)

    @cached_property
    def off_chip_widths(self) -> Widths:
        """Operand widths per row off chip and in the first memory on chip, where compressed weights stay so."""
        return encoded_widths(self.table, self.widths)

    @cached_property
    def code(self) -> ActivationCode | None:
        """The run-length code of activations off chip, None where these are dense."""
        if self.activations is None:
            return None
        from costmodel.sparsity import activation_code

        return activation_code(self.table, self.widths, self.activations)

    @cached_property
    def effective_macs(self) -> Ints | None:
        """MACs whose activation is expected not to be zero, None where nothing is said of it."""
        if self.code is None:
            return None
        from costmodel.sparsity import effective_macs

        return effective_macs(self.table.macs, self.code)

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """Formats that MACs and other operations are priced at, that of the precision first."""
        main = self.precision.mac_format
        if not self.precision.as_stored:
            return (main,)
        used = [row.mac_format for row, works in zip(self.precisions, self.operations, strict=True) if works.any()]
        return tuple(dict.fromkeys([main, *used]))

    def operations_at(self, form: str) -> Floats:
        """Operations that are priced at a format [operations]."""
        if len(self.formats) == 1:
            return self.operations
        return np.asarray(self.operations * np.array([[row.mac_format == form] for row in self.precisions]))

    @cached_property
    def boundaries(self) -> tuple[Crossing, ...]:
        """Least traffic across every boundary from the backing store inwards, each boundary by itself."""
        pairs = list(pairwise(self.hardware.levels))[1:]
        return (self.outermost, *(boundary(self.table, self.widths, o.name, inner, self.mapper) for o, inner in pairs))

    @cached_property
    def outermost(self) -> Crossing:
        """The first of the boundaries, and the only one that a compression of weights or activations concerns."""
        if self.schedule is not None:
            found = self.schedule.boundary
        else:
            outer, inner = self.hardware.levels[:2]
            found = boundary(self.table, self.off_chip_widths, outer.name, inner, self.mapper)
        if self.code is None:
            return found
        from costmodel.sparsity import coded_boundary

        return coded_boundary(found, self.code)

    @cached_property
    def joint(self) -> JointCosts | None:
        """What moves between all memories under the mappings for the objective, None without one."""
        if self.objective is None:
            return None
        from costmodel.joint.costs import joint_costs
        from costmodel.joint.tasks import Work

        work = Work(self.table, self.widths, self.precisions, self.hardware, self.feed_bytes("value"), self.pins)
        if self.joint_mapper is not None:
            return self.joint_mapper(work, self.objective)
        return joint_costs(work, self.objective, self.time_limit_s, self.code, self.given)

    @cached_property
    def off_chip(self) -> Crossing:
        """Traffic between the backing store and the memories on chip; no other boundary is mapped for it."""
        if self.joint is not None:
            return self.joint.off_chip
        return self.schedule.boundary if self.schedule is not None else self.outermost

    @cached_property
    def weight_bytes(self) -> Ints:
        """Stored size of the parameters, biases included [B]."""
        bits = np.array([[row.weight_bits] for row in self.precisions], dtype=np.int64)
        plain = whole_bytes(self.table.params, bits)
        if not self.table.encoded:
            return plain
        size = np.array([[found.stored_bits if found else -1] for found in self.table.encoded], dtype=np.int64)
        return np.where(size < 0, plain, whole_bytes(size, 1))

    @cached_property
    def compulsory_bytes(self) -> Ints:
        """Every weight and input read once, every output written once: no schedule of the layer alone moves less [B]."""
        t, w, outside = self.table, self.widths, self.off_chip_widths
        weights = weight_operand_elems(t)
        return (
            (outside.bytes_of(weights * outside.weight) if t.encoded else whole_bytes(weights, w.weight))
            + self.coded(whole_bytes(t.ifmap_elems, w.ifmap), "ifmap")
            + self.coded(whole_bytes(t.ofmap_elems, w.ofmap), "ofmap")
        )

    @cached_property
    def io_bound_bytes(self) -> Ints:
        """What no schedule of the layer alone undercuts with the memory on chip: compulsory traffic, or more [B].

        That is the first memory where it is priced by itself, and all of them together where operands may pass it by.
        """
        code, widths = self.code, self.off_chip_widths
        ratios = (1.0, 1.0) if code is None else (code.ifmap_ratio, code.ofmap_ratio)
        levels = self.hardware.levels[1:2] if self.objective is None else self.hardware.levels[1:]
        capacity = np.asarray(sum(capacity_bits(level) for level in levels) * widths.unit)
        return np.maximum(self.compulsory_bytes, schedule_bytes(nest_of(self.table), widths, capacity, ratios))

    def coded(self, size: Ints, operand: Literal["ifmap", "ofmap"]) -> Ints:
        """Bytes of an operand behind the code of activations, if there is one [B]."""
        if self.code is None:
            return size
        from costmodel.sparsity import coded_bytes

        return coded_bytes(size, getattr(self.code, f"{operand}_ratio"))

    @cached_property
    def executed_macs(self) -> Ints:
        """MACs, those included that a schedule computes again because stripes overlap."""
        return self.table.macs if self.schedule is None else self.table.macs + self.schedule.again_macs

    @cached_property
    def operations(self) -> Floats:
        """Return MACs and other operations together, the latter priced as a MAC each [operations]."""
        return np.asarray(self.executed_macs + self.table.other_ops, dtype=np.float64)

    def feed_bytes(self, bound: Bound) -> dict[str, Floats]:
        """Bytes the multipliers take from the innermost memory, per operand; partial sums are read and written.

        Mapped for an objective, elements take what they do not hold from a register, whose energy is part of the MAC's.
        """
        level, macs = self.hardware.levels[-1], self.executed_macs.astype(np.float64)
        bits = {"weight": self.widths.weight, "ifmap": self.widths.ifmap, "ofmap": self.widths.psum}
        reuse = {op: at(level.macs_per_access[op], INVERSE[bound]) if op in level.macs_per_access else 1.0 for op in bits}
        found = {op: np.asarray(operand_feed_bytes(macs, bits[op].astype(np.float64), reuse[op])) for op in bits}
        if self.objective is None:
            return found
        return {op: np.broadcast_to(size if op in level.holds else np.float64(0), self.shape) for op, size in found.items()}

    def access_bytes(self, bound: Bound = "value") -> list[tuple[MemoryLevel, Floats, Floats]]:
        """Bytes read from and written to every level, backing store first."""
        feeds = self.feed_bytes(bound)
        if self.joint is not None:
            return self.joint_access_bytes(self.joint, feeds)
        crossing = self.boundaries
        out = [b.load_bytes.astype(np.float64) for b in crossing] + [sum(feeds.values(), np.zeros((1, 1)))]
        back = [b.store_bytes.astype(np.float64) for b in crossing] + [feeds["ofmap"]]
        rows = []
        for index, level in enumerate(self.hardware.levels):
            filled = out[index - 1] if index else np.zeros((1, 1))
            drained = back[index - 1] if index else np.zeros((1, 1))
            rows.append((level, out[index] + drained, back[index] + filled))
        return rows

    def joint_access_bytes(self, joint: JointCosts, feeds: Mapping[str, Floats]) -> list[tuple[MemoryLevel, Floats, Floats]]:
        """Bytes read and written where layers are mapped through all levels: their flows, and at the innermost the feed."""
        rows = [(level, joint.total(at, "read"), joint.total(at, "write")) for at, level in enumerate(self.hardware.levels)]
        level, read, written = rows[-1]
        rows[-1] = level, read + sum(feeds.values(), np.zeros((1, 1))), written + feeds["ofmap"]
        return rows

    def accesses_by_operand(self) -> list[dict[str, dict[str, dict[str, float]]]] | None:
        """Per row, by memory and operand: bytes read and written and their energy, the multipliers' feed included.

        None without an objective: boundary by boundary, they are not told apart.
        """
        if self.joint is None:
            return None
        feeds, last = self.feed_bytes("value"), len(self.hardware.levels) - 1
        rows: list[dict[str, dict[str, dict[str, float]]]] = [{} for _ in range(self.shape[0])]
        for (number, level), operand in product(enumerate(self.hardware.levels), feeds):
            taken = feeds[operand] if number == last else np.zeros((1, 1))
            read = self.joint.accesses[number, operand, "read"] + taken
            written = self.joint.accesses[number, operand, "write"] + (taken if operand == "ofmap" else 0.0)
            for row, found in enumerate(rows):
                found.setdefault(level.name, {})[operand] = access(level, float(read[row, 0]), float(written[row, 0]))
        return rows

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Summands of the energy that are linear in one constant, static power left out."""
        prices = self.hardware.compute.mac_pj
        what = "MACs and other operations"
        found = [Term("mac", what, prices[form], fixed(self.operations_at(form))) for form in self.formats]
        accesses = {bound: self.access_bytes(bound) for bound in BOUNDS}
        for index, level in enumerate(self.hardware.levels):
            part = "on_chip" if index else "off_chip"
            reads = {bound: accesses[bound][index][1] for bound in BOUNDS}
            writes = {bound: accesses[bound][index][2] for bound in BOUNDS}
            found.append(Term(part, f"bytes read from {level.name}", level.read_pj_per_byte, reads))
            found.append(Term(part, f"bytes written to {level.name}", level.write_pj_per_byte, writes))
        return tuple(found)

    @cached_property
    def array_ratio(self) -> Floats:
        """Busy share of the array where there are MACs; other operations do not depend on it [ratio]."""
        return np.where(self.table.macs > 0, utilisation_ratio(self.table, self.hardware.compute), 1.0)

    def resources_s(self, bound: Bound = "value") -> dict[str, Floats]:
        """Time each resource needs per layer, were it alone [s]; ``low`` is the fastest the ranges allow."""
        compute, rate = self.hardware.compute, INVERSE[bound]
        rates = {form: at(compute.macs_per_cycle[form], rate) for form in self.formats}
        macs_per_cycle = rates[self.precision.mac_format] if len(rates) == 1 else self.rates_of(rates)
        feeds = sum(self.feed_bytes(bound).values(), np.zeros((1, 1)))
        if self.joint is None:
            work, ratio = self.operations, self.array_ratio
            through = [b.moved_bytes.astype(np.float64) for b in self.boundaries] + [feeds]
        else:
            work, ratio = self.busy_slots(self.joint), np.ones((1, 1))
            through = [self.joint.through(level) for level in range(len(self.hardware.levels) - 1)] + [feeds]
        times = {"compute": compute_s(work, macs_per_cycle, ratio, at(compute.clock_hz, rate))}
        for level, moved in zip(self.hardware.levels, through, strict=True):
            if level.bandwidth_bytes_per_s is not None:
                times[level.name] = transfer_s(moved, at(level.bandwidth_bytes_per_s, rate))
        return {name: np.broadcast_to(np.asarray(t), self.shape) for name, t in times.items()}

    def busy_slots(self, joint: JointCosts) -> Floats:
        """Operations that the array has time for while it is busy: idle elements in a layer's MACs, then other operations."""
        return np.where(self.table.macs > 0, joint.slots, 0.0) + self.table.other_ops

    def rates_of(self, rates: Mapping[str, float | Floats]) -> Floats:
        """The MACs per cycle of every row, (L, 1) or (L, D); rows without operations take those of the precision."""
        main = rates[self.precision.mac_format]
        rows = [np.atleast_1d(rates.get(row.mac_format, main)) for row in self.precisions]
        return np.stack(np.broadcast_arrays(*rows))

    @property
    def shape(self) -> tuple[int, int]:
        """Layers and design points."""
        return len(self.table.names), max(self.table.design_points, self.hardware_points)

    @cached_property
    def busy(self) -> NDArray[np.bool_]:
        """Rows that are executed: free ones take no time of their own, (L, 1)."""
        return np.array([[status != "free"] for status in self.table.status])

    @cached_property
    def latencies_s(self) -> dict[Bound, Floats]:
        """Latencies computed so far, by end of the range [s]."""
        return {}

    def latency_s(self, bound: Bound = "value") -> Floats:
        """Time of each layer [s]: the slowest resource where transfers overlap, else their sum, and the overhead."""
        if bound not in self.latencies_s:
            self.latencies_s[bound] = self.computed_latency_s(bound)
        return self.latencies_s[bound]

    def computed_latency_s(self, bound: Bound) -> Floats:
        """Compute :meth:`latency_s` [s]."""
        times = list(self.resources_s(bound).values())
        total = times[0]
        for time in times[1:]:
            total = np.asarray(overlapped_s(total, time)) if self.hardware.overlap else total + time
        return np.asarray(total + np.where(self.busy, at(self.hardware.layer_overhead_s, bound), 0.0))

    def binding(self) -> tuple[list[str], Ints]:
        """Names of resources, overhead last, and the index of the slowest one per layer and design point."""
        times = self.resources_s()
        overhead = np.where(self.busy, self.hardware.layer_overhead_s.value, 0.0)
        stacked = np.stack([*times.values(), np.broadcast_to(overhead, self.shape)])
        return [*times, "overhead"], np.asarray(stacked.argmax(axis=0))

    def static_energy_j(self, bound: Bound = "value") -> Floats:
        """Static power times latency [J]."""
        return np.asarray(static_j(at(self.hardware.static_w, bound), self.latency_s(bound)))

    def energy_j(self, part: str | None = None, bound: Bound = "value") -> Floats:
        """Energy of one part (mac, on_chip, off_chip, static), or of all, per layer and design point [J]."""
        chosen: list[Floats] = [t.energy_j(bound) for t in self.terms if part in (None, t.part)]
        if part in (None, "static"):
            chosen.append(self.static_energy_j(bound))
        return np.broadcast_to(sum(chosen, np.zeros((1, 1))), self.shape)
