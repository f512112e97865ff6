"""The result of one analysis: layers, totals, sources and assumptions of one network on one piece of hardware."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.boundary import Boundary, layer_at, whole_bytes
from costmodel.errors import InputError, NetworkError
from costmodel.estimate import Estimate
from costmodel.joint.choice import checked_objective, checked_time_limit, is_compiled
from costmodel.joint.pinning import refuse_strange
from costmodel.mapping import Mapping, mapping_of
from costmodel.mapping.levels.pins import UNPINNED
from costmodel.precision import precision_of, tensor_bits
from costmodel.schedule import KINDS, PHASES, Scheduler, checked_kind, checked_phase, memory_of, pins

if TYPE_CHECKING:
    from collections.abc import Mapping as Map
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.graph import FileNode, Graph, Tensor
    from costmodel.hardware import Constant, HardwareProfile, Source
    from costmodel.hardware.profile import Objective
    from costmodel.mapping.levels.mapped import MappedNest
    from costmodel.mapping.levels.pins import LayerPins
    from costmodel.precision import Precision
    from costmodel.reconciliation import Reconciliation
    from costmodel.schedule import Kind, Phase, Schedule
    from costmodel.sparsity import ActivationDensities

SCHEMA_VERSION = 1
COUNT_COLUMNS = ("params", "macs", "other_ops")
SIZE_COLUMNS = ("weight_bytes", "ifmap_bytes", "ofmap_bytes")
DRAM_COLUMNS = (
    "weight_dram_bytes", "ifmap_dram_bytes", "ofmap_dram_bytes", "dram_bytes", "compulsory_bytes", "io_bound_bytes",
)  # fmt: skip
ENERGY_COLUMNS = ("energy_mac_j", "energy_on_chip_j", "energy_off_chip_j", "energy_static_j")
RANGE_COLUMNS = ("energy_j", "energy_low_j", "energy_high_j", "latency_s", "latency_low_s", "latency_high_s")
SUMMED = COUNT_COLUMNS + SIZE_COLUMNS + DRAM_COLUMNS + ENERGY_COLUMNS + RANGE_COLUMNS
MOST_BATCH = 1 << 20


@dataclass(frozen=True)
class Range:
    """A value and the interval that the ranges of its constants allow."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer for the whole batch, plain Python numbers.

    ``*_bits`` are the widths that its operands are priced at and ``mac_format`` the multiplier; ``weight_bytes`` is the stored
    size of its parameters; ``*_dram_bytes`` cross the off-chip boundary under the optimal
    mapping; ``compulsory_bytes`` is the least that any mapping of the layer alone moves, ``io_bound_bytes`` what no
    schedule of it undercuts with this memory; ``binding`` names the resource that sets the latency; ``on_chip`` the operands
    that the schedule keeps on chip, or the cascade that the layer is part of;
    ``status`` is counted, free (by the rule in ``note``) or unknown; ``effective_macs`` are the MACs whose activation is
    expected not to be zero, where densities of activations are given. ``mapping`` is that of the off-chip boundary or,
    where layers are mapped for an objective, through all memories; ``accesses`` then gives ``read_bytes``, ``write_bytes``
    and ``energy_j`` by memory and operand, what the multipliers take included.
    """

    name: str
    group: str
    op: str
    status: str
    note: str
    weight_bits: int
    ifmap_bits: int
    ofmap_bits: int
    mac_format: str
    params: int
    macs: int
    other_ops: int
    weight_bytes: int
    ifmap_bytes: int
    ofmap_bytes: int
    weight_dram_bytes: int
    ifmap_dram_bytes: int
    ofmap_dram_bytes: int
    dram_bytes: int
    compulsory_bytes: int
    io_bound_bytes: int
    energy_mac_j: float
    energy_on_chip_j: float
    energy_off_chip_j: float
    energy_static_j: float
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    latency_s: float
    latency_low_s: float
    latency_high_s: float
    binding: str
    on_chip: str
    mapping: Mapping | MappedNest | None
    effective_macs: int | None = None
    accesses: dict[str, dict[str, dict[str, float]]] | None = None

    @property
    def macs_per_dram_byte(self) -> float:
        """Arithmetic intensity [MAC/B]; 0 where nothing crosses the boundary."""
        return self.macs / self.dram_bytes if self.dram_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        record["macs_per_dram_byte"] = self.macs_per_dram_byte
        record["mapping"] = self.mapping.to_dict() if self.mapping else None
        for name in ("effective_macs", "accesses"):
            if record[name] is None:
                del record[name]
        return record

    def flat(self) -> dict[str, Any]:
        """Return the record with the mapping on one line, and energies by memory and operand as columns."""
        record = {**self.to_dict(), "mapping": self.mapping.summary if self.mapping else ""}
        found = record.pop("accesses", {})
        energies = {f"energy_{level}_{op}_j": one["energy_j"] for level, ops in found.items() for op, one in ops.items()}
        return {**record, **energies}


@dataclass(frozen=True)
class Totals:
    """Sums over all layers, for the whole batch."""

    params: int
    macs: int
    other_ops: int
    weight_bytes: int
    ifmap_bytes: int
    ofmap_bytes: int
    weight_dram_bytes: int
    ifmap_dram_bytes: int
    ofmap_dram_bytes: int
    dram_bytes: int
    compulsory_bytes: int
    io_bound_bytes: int
    energy_mac_j: float
    energy_on_chip_j: float
    energy_off_chip_j: float
    energy_static_j: float
    energy_j: Range
    latency_range_s: Range
    effective_macs: int | None = None

    @property
    def latency_s(self) -> float:
        """Latency of the whole network, layer after layer [s]."""
        return self.latency_range_s.value

    @property
    def macs_per_dram_byte(self) -> float:
        """Arithmetic intensity [MAC/B]."""
        return self.macs / self.dram_bytes if self.dram_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; ``latency_s`` is the value, its range beside it."""
        record = asdict(self)
        low_high = record.pop("latency_range_s")
        if self.effective_macs is None:
            del record["effective_macs"]
        return {
            **record,
            "latency_s": low_high["value"],
            "latency_low_s": low_high["low"],
            "latency_high_s": low_high["high"],
            "macs_per_dram_byte": self.macs_per_dram_byte,
        }


def column(estimate: Estimate, name: str) -> NDArray[Any]:  # noqa: PLR0911 - one return per kind of column
    """One numeric column of an estimate; nothing that it does not need is computed."""
    table, widths = estimate.table, estimate.widths
    match name.split("_"):
        case ["ifmap", "bytes"]:
            return whole_bytes(table.ifmap_elems, widths.ifmap)
        case ["ofmap", "bytes"]:
            return whole_bytes(table.ofmap_elems, widths.ofmap)
        case [("weight" | "ifmap" | "ofmap") as operand, "dram", "bytes"]:
            return np.asarray(getattr(estimate.off_chip, f"{operand}_bytes"))
        case ["dram", "bytes"]:
            return estimate.off_chip.moved_bytes
        case ["energy", ("low" | "high") as bound, "j"]:
            return estimate.energy_j(bound=bound)
        case ["latency", ("low" | "high") as bound, "s"]:
            return estimate.latency_s(bound)
        case ["latency", "s"]:
            return estimate.latency_s()
        case ["energy", *part, "j"]:
            return estimate.energy_j("_".join(part) or None)
        case _:
            return np.asarray(getattr(estimate if hasattr(estimate, name) else table, name))


def total(estimate: Estimate, name: str) -> NDArray[Any]:
    """Sum of a column over the layers, one value per design point.

    Counts, and bytes at widths of whole bytes, are summed row by row: a sweep then never puts the columns together.
    """
    table, widths = estimate.table, estimate.widths
    operands = {"weight": widths.weight, "ifmap": widths.ifmap, "ofmap": widths.ofmap}
    if name in ("params", "macs", "other_ops"):
        return table.total(name)
    if table.encoded or any(np.any(bits % 8) for bits in operands.values()):
        return summed(column(estimate, name))
    each = {operand: (bits[:, 0] // 8).tolist() for operand, bits in operands.items()}
    match name.split("_"):
        case ["weight", "bytes"]:
            return weight_bytes(estimate)
        case [("ifmap" | "ofmap") as operand, "bytes"]:
            return table.total(f"{operand}_elems", each[operand])
        case ["compulsory", "bytes"]:
            moved = [table.total(f"{operand}_elems", each[operand]) for operand in operands]
            return np.asarray(sum(moved) - table.total("bias_elems", each["weight"]))
        case _:
            return summed(column(estimate, name))


def summed(values: NDArray[Any]) -> NDArray[Any]:
    """Sum over the layers, one after the other: rounded alike at every design point, however many there are.

    ``sum(axis=0)`` adds in pairs where there is one design point.
    """
    found = values[0].copy()
    for row in values[1:]:
        found += row
    return np.asarray(found)


def weight_bytes(estimate: Estimate) -> NDArray[np.int64]:
    """Stored size of all parameters at widths of whole bytes [B]; one width is a factor outside the sum."""
    if not estimate.precision.as_stored:
        return estimate.table.total("params") * (estimate.precision.weight_bits // 8)
    return estimate.table.total("params", [row.weight_bits // 8 for row in estimate.precisions])


def columns(estimate: Estimate, names: Sequence[str] = SUMMED) -> dict[str, NDArray[Any]]:
    """Numeric columns of an estimate by name, arrays (L, 1) or (L, D)."""
    return {name: column(estimate, name) for name in names}


@dataclass(frozen=True, repr=False)
class Analysis:
    """What one network costs on one piece of hardware.

    Attributes
    ----------
    network
        Name of the network.
    hardware, precision, batch
        What it was priced for; all figures are for the whole batch.
    estimate
        The columns behind it, arrays (layers, 1).
    inputs_bytes, outputs_bytes
        Size of the network's inputs and outputs [B].
    kind, phase
        Schedule that was priced (``layer``, ``resident`` or ``fused``), in ``steady`` state or from a ``cold`` start.
    scheduler
        Makes the other schedules.
    nodes
        Nodes of the file behind the network, by layer; empty where there is none.
    reconciliation
        Its parameters against those of the framework, where asked for.
    fallback
        Why layers are not mapped for the objective that the profile declares; empty where they are, or it declares none.
    """

    network: str
    hardware: HardwareProfile
    precision: Precision
    batch: int
    estimate: Estimate
    inputs_bytes: int
    outputs_bytes: int
    kind: Kind
    phase: Phase
    scheduler: Scheduler
    nodes: Map[str, FileNode] = field(default_factory=dict)
    reconciliation: Reconciliation | None = None
    fallback: str = ""

    @property
    def objective(self) -> Objective | None:
        """What layers are mapped for through all memories; None where each boundary is priced by itself."""
        return self.estimate.objective

    @property
    def schedule(self) -> Schedule:
        """The schedule that was priced."""
        return self.scheduled(self.kind, self.phase)

    def scheduled(self, kind: Kind, phase: Phase) -> Schedule:
        """The schedule of a kind, the one that was priced or another."""
        if self.estimate.schedule is not None and (kind, phase) == (self.kind, self.phase):
            return self.estimate.schedule
        if (kind, phase) not in self.made:
            alone = self.alone and kind == "layer"
            self.made[kind, phase] = (
                self.scheduler.by_layer(self.hardware, phase, self.estimate.off_chip)
                if alone
                else self.scheduler.schedule(self.hardware, kind, phase)
            )
        return self.made[kind, phase]

    @cached_property
    def made(self) -> dict[tuple[Kind, Phase], Schedule]:
        """Schedules made so far, beside the one that was priced."""
        return {}

    @property
    def alone(self) -> bool:
        """Whether no schedule is comparable: none knows which activations are zero, or maps for an objective."""
        return self.estimate.code is not None or self.objective is not None

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Every kind of schedule; in both phases where they differ, since weights may stay."""
        return tuple(
            self.scheduled(kind, phase)
            for kind in ((self.kind,) if self.alone else KINDS)
            for phase in PHASES
            if phase == self.phase or pins(self.hardware, kind, "steady")
        )

    @cached_property
    def values(self) -> dict[str, list[Any]]:
        """Every numeric column as plain Python numbers, one per layer."""
        return {name: found[:, 0].tolist() for name, found in columns(self.estimate).items()}

    @cached_property
    def mappings(self) -> dict[int, Mapping] | dict[int, MappedNest]:
        """Mapping of each row whose operands are not all on chip already, by row number."""
        crossing, table = self.estimate.off_chip, self.estimate.table
        if self.estimate.joint is not None:
            return dict(self.estimate.joint.nests)
        assert isinstance(crossing, Boundary)
        buffering = 2 if self.hardware.levels[1].double_buffered else 1
        found = {
            int(row): mapping_of(
                layer_at(table, crossing.widths, int(row)),
                int(crossing.solutions.stationary[index]),
                crossing.solutions.tile[:, index],
                buffering,
            )
            for index, row in enumerate(crossing.mapped)
            if any(bits[row, 0] for bits in (crossing.widths.weight, crossing.widths.ifmap, crossing.widths.ofmap))
        }
        unit = crossing.widths.unit
        return {row: replace(one, buffer_bytes=-(-one.buffer_bytes // unit)) for row, one in found.items()}

    @cached_property
    def layers(self) -> tuple[LayerCost, ...]:
        """Costs per layer, in order of execution."""
        table = self.estimate.table
        values = self.values
        names, binding = self.estimate.binding()
        precisions, effective = self.estimate.precisions, self.estimate.effective_macs
        accesses = self.estimate.accesses_by_operand()
        return tuple(
            LayerCost(
                name=table.names[row],
                group=table.groups[row],
                op=table.ops[row],
                status=table.status[row],
                note=table.notes[row],
                weight_bits=precisions[row].weight_bits,
                ifmap_bits=precisions[row].ifmap_bits,
                ofmap_bits=precisions[row].ofmap_bits,
                mac_format=precisions[row].mac_format,
                binding=names[binding[row, 0]] if values["latency_s"][row] else "",
                on_chip=self.estimate.schedule.places[row] if self.estimate.schedule else "",
                mapping=self.mappings.get(row),
                effective_macs=None if effective is None else int(effective[row, 0]),
                accesses=None if accesses is None else accesses[row],
                **{name: found[row] for name, found in values.items()},
            )
            for row in range(len(table.names))
        )

    @cached_property
    def totals(self) -> Totals:
        """Sums over the layers."""
        sums = {name: sum(found) for name, found in self.values.items()}
        energy = Range(sums.pop("energy_j"), sums.pop("energy_low_j"), sums.pop("energy_high_j"))
        latency = Range(sums.pop("latency_s"), sums.pop("latency_low_s"), sums.pop("latency_high_s"))
        effective = self.estimate.effective_macs
        macs = None if effective is None else int(effective.sum())
        return Totals(**sums, energy_j=energy, latency_range_s=latency, effective_macs=macs)

    @property
    def mixed(self) -> bool:
        """Whether layers that cost anything differ in their widths or formats, as in some files."""
        rows = zip(self.estimate.precisions, self.estimate.table.status, strict=True)
        return len({(p.weight_bits, p.ifmap_bits, p.ofmap_bits, p.mac_format) for p, status in rows if status != "free"}) > 1

    @property
    def unknown(self) -> tuple[LayerCost, ...]:
        """Layers that nobody models: their work is missing from every total."""
        return tuple(layer for layer in self.layers if layer.status == "unknown")

    def constants(self) -> tuple[Constant, ...]:
        """Constants of the profile that this result depends on."""
        compute, used = self.hardware.compute, self.estimate.formats
        other = {c.name for key, c in compute.mac_pj.items() if key not in used}
        other |= {c.name for key, c in compute.macs_per_cycle.items() if key not in used}
        return tuple(constant for constant in self.hardware.constants() if constant.name not in other)

    def assumptions(self) -> tuple[Constant, ...]:
        """Constants used that no source gives."""
        return tuple(constant for constant in self.constants() if constant.tier == "assumed")

    def sources(self) -> tuple[Source, ...]:
        """Bibliography of the constants used."""
        cited = {constant.source for constant in self.constants()}
        return tuple(source for source in self.hardware.sources() if source.key in cited)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.network,
            "hardware": self.hardware.name,
            "batch": self.batch,
            "precision": self.precision.to_dict(),
            "inputs_bytes": self.inputs_bytes,
            "outputs_bytes": self.outputs_bytes,
            "schedule": self.schedule.to_dict(),
            "schedules": [summary(schedule) for schedule in self.schedules],
            "totals": self.totals.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
            "unknown": [layer.name for layer in self.unknown],
            "constants": [asdict(constant) for constant in self.constants()],
            "sources": [asdict(source) for source in self.sources()],
            **({"reconciliation": self.reconciliation.to_dict()} if self.reconciliation else {}),
            **({"activations": self.activations_dict()} if self.estimate.code else {}),
            **({"objective": self.objective_dict()} if self.objective or self.fallback else {}),
        }

    def objective_dict(self) -> dict[str, Any]:
        """What layers are mapped for, and how far that is proved, as plain data."""
        joint = self.estimate.joint
        if joint is None:
            return {"name": None, "reason": self.fallback}
        fixed = {"pins": list(self.estimate.pins.words)} if self.estimate.pins else {}
        proof = {"mapped": len(joint.nests), "proved": joint.proved, "gap_ratio": joint.gap_ratio}
        return {"name": joint.objective, **proof, **fixed}

    def activations_dict(self) -> dict[str, Any]:
        """What was said of zeros among activations, as plain data."""
        code = self.estimate.code
        if code is None:
            return {}
        return {**{name: getattr(code.densities, name) for name in ("name", "source", "place")}, "layers": code.layers}

    def to_netron(self) -> dict[str, Any]:
        """Return the attachment that Netron shows beside an open model file.

        Raises
        ------
        InputError
            The network comes from no file that Netron opens.
        """
        from costmodel.report.as_netron import netron_attachment

        return netron_attachment(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per layer, one column per quantity; the mapping as text."""
        import pandas as pd

        return pd.DataFrame.from_records([layer.flat() for layer in self.layers])

    def __repr__(self) -> str:
        """Return the table that the command line prints."""
        from costmodel.report import render

        return render(self, "text")

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        from costmodel.report import html_table

        return html_table(self)


def summary(schedule: Schedule) -> dict[str, Any]:
    """What a schedule gives, as plain data."""
    return {name: value for name, value in schedule.to_dict().items() if not isinstance(value, list)}


def checked_batch(batch: int) -> int:
    """Refuse batches that are not positive whole numbers."""
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or not 1 <= batch <= MOST_BATCH:
        raise InputError(f"batch: {batch!r} given; give a whole number from 1 to {MOST_BATCH}")
    return int(batch)


def estimate_of(
    graph: Graph, hardware: HardwareProfile, batch: int, dtype: str | None, bits: Map[str, int] | None
) -> Estimate:
    """Columns of ``graph`` on ``hardware``, for every design point it carries."""
    if not graph.layers:
        raise NetworkError(f"{graph.name}: has no layers; add some before it is priced, or return the right graph")
    table = graph.table()
    chosen = precision_of(table, hardware, dtype, bits)
    return Estimate(table.with_batch(checked_batch(batch)), hardware, chosen)


def single(graph: Graph, estimate: Estimate) -> Estimate:
    """Refuse a graph that carries a design space."""
    if estimate.table.design_points != 1:
        raise InputError(
            f"{graph.name}: carries {estimate.table.design_points} design points; analyze prices one network, "
            "sweep prices a design space"
        )
    return estimate


def analysis_of(
    graph: Graph,
    hardware: HardwareProfile,
    batch: int,
    dtype: str | None,
    bits: Map[str, int] | None,
    schedule: str | None = None,
    state: str = "steady",
    activations: ActivationDensities | None = None,
    objective: str | None = None,
    time_limit_s: float | None = None,
    pinned: LayerPins = UNPINNED,
) -> Analysis:
    """Analysis of a graph without design axes, under the schedule that the profile declares or another.

    Mapped through all memories for an objective, layer by layer: that given, else the profile's own, unless what is asked for
    besides is priced boundary by boundary only. ``pinned`` is what is fixed of these mappings.

    Raises
    ------
    InputError
        The graph carries arrays: ``sweep`` evaluates those. Or densities of activations, or an objective, meet a schedule
        across layers, or an objective compressed weights.
    """
    asked = None if objective is None else checked_objective(objective)
    kind, phase = checked_kind("layer" if asked and schedule is None else schedule, hardware), checked_phase(state)
    if activations is not None and kind != "layer":
        raise InputError("activation densities are priced layer by layer, since no schedule knows them: use schedule layer")
    estimate = replace(single(graph, estimate_of(graph, hardware, batch, dtype, bits)), activations=activations)
    reason = boundary_by_boundary(estimate, kind)
    if asked and reason:
        raise InputError(f"objective {asked}: {reason}; leave one of them out")
    estimate = replace(
        estimate,
        objective=hardware.objective if objective is None and not reason else asked,
        time_limit_s=checked_time_limit(time_limit_s),
        pins=pinned,
    )
    if estimate.time_limit_s and not estimate.objective:
        raise InputError("time limit: nothing is searched that long without an objective; give one, or leave the limit out")
    if pinned:
        refuse_pinned(estimate, reason)
    scheduler = Scheduler(graph, estimate.table, estimate.off_chip_widths, batch)
    if kind != "layer":
        estimate = replace(estimate, schedule=scheduler.schedule(hardware, kind, phase))
    if estimate.joint is None:
        estimate.boundaries  # noqa: B018 - a layer that does not fit is an error here, not when the result is read
    if kind == "layer" and estimate.code is None and isinstance(estimate.off_chip, Boundary):
        scheduler.alone = memory_of(hardware), estimate.off_chip

    def tensor_bytes(tensors: Sequence[Tensor]) -> int:
        return sum(-(-int(tensor.elems) * tensor_bits(tensor, estimate.precision) // 8) for tensor in tensors) * batch

    return Analysis(
        graph.name,
        hardware,
        estimate.precision,
        batch,
        estimate,
        tensor_bytes(graph.inputs),
        tensor_bytes(graph.outputs),
        kind,
        phase,
        scheduler,
        graph.nodes,
        fallback=reason if objective is None and hardware.objective else "",
    )


def refuse_pinned(estimate: Estimate, reason: str) -> None:
    """Refuse pins where nothing is mapped through all memories, and those for layers or memories that there are not."""
    if estimate.objective is None:
        if estimate.hardware.objective and reason:
            why = f"the profile's objective, which is not used: {reason}"
            raise InputError(f"pins: they fix mappings for {why}; leave them out")
        raise InputError(
            "pins: they fix mappings through all memories, which are made for an objective only; give energy, latency, edp or "
            "dram_bytes, or leave them out"
        )
    table = estimate.table
    rows = zip(table.names, table.status, table.streamed, strict=True)
    names = [name for name, status, streamed in rows if status != "free" and not streamed]
    refuse_strange(estimate.pins, names, estimate.hardware)


def boundary_by_boundary(estimate: Estimate, kind: Kind) -> str:
    """Why layers cannot be mapped through all memories at once; empty where they can."""
    if kind != "layer":
        return f"the schedule {kind} is made for off-chip bytes and one memory on chip, and objectives are layer by layer"
    if estimate.table.encoded:
        return "compressed weights change their width behind the first memory on chip, which no objective knows"
    return "" if is_compiled() else "it needs Numba, which compiles the search: pip install 'nn-costmodel[fast]'"
