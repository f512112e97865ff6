"""Rows of a layer table as layers to be mapped, each with what no mapping of it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from costmodel.boundary import layer_at, mappable, weight_operand_elems
from costmodel.joint.machine import hierarchy_of
from costmodel.mapping.levels.hierarchy import Fixed
from costmodel.mapping.levels.pins import FREE, UNPINNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.boundary import Widths
    from costmodel.graph import LayerTable
    from costmodel.hardware import HardwareProfile
    from costmodel.mapping import Layer
    from costmodel.mapping.levels.hierarchy import Hierarchy
    from costmodel.mapping.levels.pins import LayerPins, Pins
    from costmodel.precision import Precision

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """What is to be priced: a table with one design point, the widths and formats of its rows, what multipliers take.

    ``feed_bytes`` holds what they take from the innermost memory by operand, partial sums read and written, (L, 1); ``pins``
    what is fixed of the mappings.
    """

    table: LayerTable
    widths: Widths
    precisions: Sequence[Precision]
    hardware: HardwareProfile
    feed_bytes: Mapping[str, Floats]
    pins: LayerPins = UNPINNED

    @property
    def mapped(self) -> list[int]:
        """Rows that have a loop nest; the others are free, or stream their operands once."""
        table = self.table
        return [
            row
            for row, status in enumerate(table.status)
            if status != "free" and not table.streamed[row] and table.ofmap_elems[row, 0] > 0
        ]


@dataclass(frozen=True)
class Task:
    """One row: its layer (one step of it where it is repeated), its machine, what no mapping changes, what is pinned."""

    row: int
    name: str
    layer: Layer
    hierarchy: Hierarchy
    fixed: Fixed
    steps: int
    pins: Pins = FREE


def macs_per_s(hardware: HardwareProfile, form: str) -> float:
    """Rate of all multipliers at a number format [MAC/s]."""
    return hardware.compute.macs_per_cycle[form].value * hardware.compute.clock_hz.value


def tasks(work: Work) -> list[Task]:
    """Return every row that is mapped.

    Raises
    ------
    MappingError
        A loop so long that its tiles cannot be listed.
    """
    rows = work.mapped
    mappable(work.table, np.array(rows, dtype=np.int64))
    machines = {form: hierarchy_of(work.hardware, macs_per_s(work.hardware, form)) for form in formats(work, rows)}
    without_macs = hierarchy_of(work.hardware, inf)
    return [task(work, row, machines[work.precisions[row].mac_format], without_macs) for row in rows]


def formats(work: Work, rows: Sequence[int]) -> tuple[str, ...]:
    """Number formats of some rows."""
    return tuple(dict.fromkeys(work.precisions[row].mac_format for row in rows))


def task(work: Work, row: int, machine: Hierarchy, without_macs: Hierarchy) -> Task:
    """Return one row."""
    steps = int(work.table.steps[row, 0])
    hierarchy = machine if work.table.macs[row, 0] > 0 else without_macs
    name = work.table.names[row]
    return Task(row, name, layer_of(work, row), hierarchy, fixed_of(work, row, steps), steps, work.pins.of(name))


def layer_of(work: Work, row: int) -> Layer:
    """One step of a row as a layer, its elements counted exactly; windows without weights move none."""
    table = work.table
    layer = layer_at(table, work.widths, row)
    weights = int(weight_operand_elems(table)[row, 0])
    ofmaps = int(table.ofmap_elems[row, 0] // table.steps[row, 0])
    return replace(
        layer,
        weight_bits=layer.weight_bits if weights else 0,
        weight_count=None if weights in (0, layer.weight_elems) else weights,
        ofmap_count=None if ofmaps == layer.ofmap_elems else ofmaps,
    )


def fixed_of(work: Work, row: int, steps: int) -> Fixed:
    """What no mapping of one step of a row changes."""
    hardware, form = work.hardware, work.precisions[row].mac_format
    inner = hardware.levels[-1]
    feeds = {operand: float(size[row, 0]) for operand, size in work.feed_bytes.items()}
    operations = int(work.table.macs[row, 0] + work.table.other_ops[row, 0])
    energy = operations * hardware.compute.mac_pj[form].value + sum(feeds.values()) * inner.read_pj_per_byte.value
    energy += feeds["ofmap"] * inner.write_pj_per_byte.value
    bandwidth = inner.bandwidth_bytes_per_s
    return Fixed(
        energy_pj=energy / steps,
        compute_s=int(work.table.other_ops[row, 0]) / macs_per_s(hardware, form) / steps,
        feed_s=0.0 if bandwidth is None else sum(feeds.values()) / bandwidth.value / steps,
        overhead_s=hardware.layer_overhead_s.value / steps,
    )
