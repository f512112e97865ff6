"""The memory that a network's activations take: step by step, under each convention, beside the weights and the hardware."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from costmodel.analysis import SCHEMA_VERSION, checked_batch
from costmodel.boundary import operand_widths
from costmodel.errors import InputError, NetworkError
from costmodel.precision import kept_precisions, precision, stored
from costmodel.results import Recorded
from costmodel.schedule.conventions import CONVENTIONS, ORDERS, Convention, checked, convention
from costmodel.schedule.liveness import whole_bytes_of
from costmodel.schedule.timeline import Sized, Timeline, timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from costmodel.graph import Graph, LayerTable
    from costmodel.hardware import HardwareProfile
    from costmodel.precision import Precision

DTYPE: Final = "int8"
"""Number format where neither a dtype nor hardware says one."""


@dataclass(frozen=True)
class ActivationBuffer:
    """One piece of memory.

    ``first`` and ``last`` are the numbers of the steps, counted in the order of execution, between which it is alive;
    ``overwrites`` is the buffer in whose place it begins, or "".
    """

    name: str
    size_bytes: int
    first: int
    last: int
    address_bytes: int | None
    overwrites: str
    is_input: bool
    is_output: bool


@dataclass(frozen=True)
class StepMemory:
    """One executed layer: memory that it needs under the convention, and what is counted in it.

    An output that takes the place of an input is named beside it and counted once.
    """

    name: str
    op: str
    live_bytes: int
    alive: tuple[str, ...]


@dataclass(frozen=True)
class ConventionPeak:
    """The figure of one convention, the step at which it comes about, and what any order and any addresses need at least.

    ``in_place`` says what it takes to be written in place, by the names of :data:`costmodel.schedule.conventions.PLACES`.
    """

    convention: str
    meaning: str
    in_place: tuple[str, ...]
    peak_bytes: int
    peak_step: str
    lower_bound_bytes: int


@dataclass(frozen=True, repr=False)
class MemoryTimeline(Recorded):
    """Memory that the activations of one network take, step by step.

    Attributes
    ----------
    network, precision, batch
        What was counted; all figures are for the whole batch.
    convention, order
        How it was counted, and whether in the order of the program or in the one that needs least.
    steps, buffers
        Executed layers in order, and the memory they use.
    peaks
        All conventions in that order, the chosen one among them.
    order_proved
        Whether no other order needs less.
    packed_bytes, packed_proved
        Memory that the buffers span at the best addresses found, and whether no others span less; None where the
        convention has no addresses.
    weight_bytes
        Stored parameters [B], not part of the other figures.
    compressed
        Whether these are stored compressed.
    hardware, memory, capacity_bytes
        The hardware, its first memory on chip and its size [B], where one was given.
    """

    network: str
    precision: Precision
    batch: int
    convention: str
    order: str
    steps: tuple[StepMemory, ...]
    buffers: tuple[ActivationBuffer, ...]
    peaks: tuple[ConventionPeak, ...]
    order_proved: bool
    packed_bytes: int | None
    packed_proved: bool | None
    weight_bytes: int
    hardware: str | None
    memory: str | None
    capacity_bytes: int | None
    compressed: bool = False

    @property
    def peak(self) -> ConventionPeak:
        """The figure of the chosen convention."""
        return next(peak for peak in self.peaks if peak.convention == self.convention)

    @property
    def peak_bytes(self) -> int:
        """Memory for activations under the chosen convention [B]."""
        return self.peak.peak_bytes

    def records(self) -> list[dict[str, Any]]:
        """One record per step."""
        return [{"step": number, **asdict(step)} for number, step in enumerate(self.steps)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.network,
            "batch": self.batch,
            "precision": self.precision.to_dict(),
            "convention": self.convention,
            "order": self.order,
            "order_proved": self.order_proved,
            "peak_bytes": self.peak_bytes,
            "peak_step": self.peak.peak_step,
            "lower_bound_bytes": self.peak.lower_bound_bytes,
            "packed_bytes": self.packed_bytes,
            "packed_proved": self.packed_proved,
            "weight_bytes": self.weight_bytes,
            "hardware": self.hardware,
            "memory": self.memory,
            "capacity_bytes": self.capacity_bytes,
            "conventions": [asdict(peak) for peak in self.peaks],
            "steps": self.records(),
            "buffers": [asdict(buffer) for buffer in self.buffers],
        }


def memory_of(
    graph: Graph,
    hardware: HardwareProfile | None,
    batch: int,
    dtype: str | None,
    bits: Mapping[str, int] | None,
    conventions: Mapping[str, Convention],
    chosen: str,
    order: str,
) -> MemoryTimeline:
    """Memory of a graph without design axes under every convention, the timeline under one of them."""
    checked(order, ORDERS, "order")
    widths = precision(hardware, dtype, bits) if hardware else stored(dtype or DTYPE, bits)
    rows: tuple[Precision, ...] = ()
    if dtype is None and not bits and graph.table().states_widths:
        widths, rows = kept_precisions(graph.table(), widths)
    network = sized(graph, widths, checked_batch(batch), rows)
    found = {name: timeline(network, one, order) for name, one in conventions.items()}
    shown = found[chosen]
    packing = shown.least_packing
    level = hardware.levels[1] if hardware else None
    return MemoryTimeline(
        network=graph.name,
        precision=widths,
        batch=batch,
        convention=chosen,
        order=order,
        steps=steps_of(shown, network),
        buffers=buffers_of(shown),
        peaks=tuple(map(peak_of, found.values())),
        order_proved=shown.order.proved,
        packed_bytes=packing.size_bytes if packing else None,
        packed_proved=packing.proved if packing else None,
        weight_bytes=whole_bytes_of(stored_weight_bits(network.table, rows or (widths,) * len(network.table))),
        hardware=hardware.name if hardware else None,
        memory=level.name if level else None,
        capacity_bytes=level.total_bytes if level else None,
        compressed=bool(network.table.encoded),
    )


def stored_weight_bits(table: LayerTable, rows: Sequence[Precision]) -> int:
    """Size of all parameters [bits]."""
    if not table.encoded:
        return int(table.total("params", [row.weight_bits for row in rows])[0])
    params = table.params[:, 0].tolist()
    each = zip(table.encoded, params, rows, strict=True)
    return sum(found.stored_bits if found else count * row.weight_bits for found, count, row in each)


def sized(graph: Graph, widths: Precision, batch: int, rows: Sequence[Precision] = ()) -> Sized:
    """A graph with the sizes of its activations; `rows` are precisions of every row where they differ.

    Raises
    ------
    NetworkError
        It has no layers.
    InputError
        It carries design points.
    """
    if not graph.layers:
        raise NetworkError(f"{graph.name}: has no layers; add some, or return the right graph")
    table = graph.table().with_batch(batch)
    if table.design_points != 1:
        raise InputError(f"{graph.name}: carries {table.design_points} design points; memory is that of one network")
    bits = operand_widths(table, rows or (widths,) * len(table))
    return Sized(graph, table, bits.ifmap, bits.ofmap, batch)


def every_convention(name: str, in_place: Iterable[str] | None) -> dict[str, Convention]:
    """All conventions by name; what is written in place replaced in the one that is asked for."""
    return {**CONVENTIONS, name: convention(name, in_place)}


def steps_of(found: Timeline, network: Sized) -> tuple[StepMemory, ...]:
    """Executed layers with what is alive."""
    program = found.program
    rows = zip(found.order.steps, found.step_bytes, found.alive, strict=bool(found.order.steps))
    return tuple(
        StepMemory(program.steps[number].name, network.table.ops[program.steps[number].rows[0]], size_bytes, alive)
        for number, size_bytes, alive in rows
    )


def buffers_of(found: Timeline) -> tuple[ActivationBuffer, ...]:
    """Buffers with their lifetimes and addresses."""
    program = found.program
    replaced = {new: program.buffers[old].name for new, old in found.liveness.replaced.items()}
    return tuple(
        ActivationBuffer(
            buffer.name,
            whole_bytes_of(buffer.bits),
            *found.liveness.ranges[number],
            found.addresses[number],
            replaced.get(number, ""),
            buffer.is_input,
            buffer.is_output,
        )
        for number, buffer in enumerate(program.buffers)
    )


def peak_of(found: Timeline) -> ConventionPeak:
    """The figure of a timeline and where it comes about."""
    by = found.convention
    steps = found.order.steps
    return ConventionPeak(
        by.name,
        by.meaning,
        by.in_place,
        found.peak_bytes,
        found.program.steps[steps[found.peak_position]].name if steps else "",
        found.lower_bound_bytes,
    )
