"""Least energy and least time of a network on a machine, from totals alone: what a million designs are thinned out by.

Every boundary of memory moves what is compulsory: each weight and input once inwards, each output once outwards. The array of
multipliers is busy everywhere. Where transfers overlap with compute, they do so over the whole network, so that its time is
that of the slowest resource. Both figures come from totals over the layers: no array over layers is needed.

Where layers are mapped through all memories at once, an operand may pass a memory by: only memories that it must go through
are counted, and the multipliers take from the innermost one what that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from costmodel.analysis import summed, total
from costmodel.boundary import weight_operand_elems
from costmodel.estimate import INVERSE, at
from costmodel.formulas.energy import access_j, mac_j, operand_feed_bytes, static_j
from costmodel.formulas.latency import compute_s, overlapped_s, transfer_s
from costmodel.joint.costs import holders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from costmodel.estimate import Estimate
    from costmodel.hardware import HardwareProfile

    Floats = NDArray[np.float64]

INWARDS = ("weight", "ifmap")
OUTWARDS = ("ofmap",)
OPERANDS = (*INWARDS, *OUTWARDS)


@dataclass(frozen=True)
class Totals:
    """What the bounds depend on, arrays (D,) or (1,).

    ``operations`` by number format; ``mac_bits`` by operand: MACs times the width of what they take, partial sums for the
    ofmap; ``moved_bytes`` by operand: what every boundary moves at least; ``busy_rows`` layers that are executed.
    """

    operations: Mapping[str, Floats]
    mac_bits: Mapping[str, Floats]
    moved_bytes: Mapping[str, Floats]
    busy_rows: int


def bound_totals(estimate: Estimate, *, jointly: bool = False) -> Totals:
    """Totals over the layers of a table; the mapper is not asked. Mapped ``jointly``, layers move parts of bytes."""
    moved = moved_parts(estimate) if jointly else moved_whole(estimate)
    return Totals(operations_of(estimate), mac_bits(estimate), moved, int(estimate.busy.sum()))


def moved_whole(estimate: Estimate) -> dict[str, Floats]:
    """Compulsory bytes by operand, whole ones per layer."""
    ifmap, ofmap = (total(estimate, f"{operand}_bytes").astype(np.float64) for operand in ("ifmap", "ofmap"))
    weight = total(estimate, "compulsory_bytes") - ifmap - ofmap
    return {"weight": weight, "ifmap": ifmap, "ofmap": ofmap}


def moved_parts(estimate: Estimate) -> dict[str, Floats]:
    """Compulsory bytes by operand, as the sum of bits."""
    table, widths = estimate.table, estimate.widths
    elems = {"weight": weight_operand_elems(table), "ifmap": table.ifmap_elems, "ofmap": table.ofmap_elems}
    return {operand: summed(size * widths.columns()[operand]) / 8 for operand, size in elems.items()}


def operations_of(estimate: Estimate) -> dict[str, Floats]:
    """MACs and other operations by the format they are priced at."""
    if len(estimate.formats) == 1:
        both = total(estimate, "macs").astype(np.float64) + total(estimate, "other_ops")
        return {estimate.formats[0]: both}
    return {form: summed(estimate.operations_at(form)) for form in estimate.formats}


def mac_bits(estimate: Estimate) -> dict[str, Floats]:
    """MACs times the width of each operand [bits]."""
    widths = estimate.widths
    found = {}
    for operand, bits in (("weight", widths.weight), ("ifmap", widths.ifmap), ("ofmap", widths.psum)):
        if np.all(bits == bits.flat[0]):
            found[operand] = total(estimate, "macs") * float(bits.flat[0])
        else:
            found[operand] = summed(estimate.table.macs.astype(np.float64) * bits)
    return found


def at_points(totals: Totals, which: NDArray[np.int64]) -> Totals:
    """Totals of some points, as often as they are named."""

    def taken(columns: Mapping[str, Floats]) -> dict[str, Floats]:
        return {name: column if column.size == 1 else column[which] for name, column in columns.items()}

    return Totals(taken(totals.operations), taken(totals.mac_bits), taken(totals.moved_bytes), totals.busy_rows)


def feeds_bytes(totals: Totals, hardware: HardwareProfile, *, jointly: bool = False) -> dict[str, Floats]:
    """Bytes that the multipliers take from the innermost memory, by operand; ``jointly`` nothing of what it does not hold."""
    level = hardware.levels[-1]
    reuse = level.macs_per_access
    found = {
        operand: np.asarray(operand_feed_bytes(bits, 1.0, at(reuse[operand], INVERSE["value"]) if operand in reuse else 1.0))
        for operand, bits in totals.mac_bits.items()
    }
    return {op: np.zeros_like(size) if jointly and op not in level.holds else size for op, size in found.items()}


def paths(hardware: HardwareProfile, *, jointly: bool) -> dict[str, list[int]]:
    """Levels that an operand goes through in any mapping, by operand, outermost first."""
    levels = hardware.levels
    return {operand: holders(levels, operand) if jointly else list(range(len(levels))) for operand in OPERANDS}


def latency_bound_s(totals: Totals, hardware: HardwareProfile, *, jointly: bool = False) -> Floats:
    """Time that no mapping undercuts, layer by layer [s].

    ``max(compute, every port) + overhead * layers`` over the whole network, or their sum where nothing overlaps.
    """
    compute = hardware.compute
    spent = [
        compute_s(operations, at(compute.macs_per_cycle[form], "value"), 1.0, at(compute.clock_hz, "value"))
        for form, operations in totals.operations.items()
    ]
    times = [sum(spent[1:], spent[0])]
    handed = [handed_bytes(totals, paths(hardware, jointly=jointly), index) for index in range(len(hardware.levels) - 1)]
    through = [*handed, sum(feeds_bytes(totals, hardware, jointly=jointly).values())]
    for level, moved in zip(hardware.levels, through, strict=True):
        if level.bandwidth_bytes_per_s is not None:
            times.append(transfer_s(moved, at(level.bandwidth_bytes_per_s, "value")))
    longest = times[0]
    for time in times[1:]:
        longest = overlapped_s(longest, time) if hardware.overlap else longest + time
    return np.asarray(longest + totals.busy_rows * at(hardware.layer_overhead_s, "value"))


def handed_bytes(totals: Totals, on: Mapping[str, list[int]], index: int, operands: tuple[str, ...] = OPERANDS) -> Floats:
    """Bytes of operands that a level exchanges with the next one inwards on their paths."""
    handing = [totals.moved_bytes[operand] for operand in operands if index in on[operand][:-1]]
    return np.asarray(sum(handing, np.zeros(1)))


def filled_bytes(totals: Totals, on: Mapping[str, list[int]], index: int, operands: tuple[str, ...]) -> Floats:
    """Bytes of operands that a level exchanges with the next one outwards on their paths."""
    return np.asarray(sum((totals.moved_bytes[operand] for operand in operands if index in on[operand][1:]), np.zeros(1)))


def energy_bound_j(totals: Totals, hardware: HardwareProfile, *, jointly: bool = False) -> Floats:
    """Energy that no mapping undercuts, layer by layer [J].

    MACs and other operations, reads and writes of every memory with the compulsory bytes at every boundary, and static power
    times :func:`latency_bound_s`.
    """
    prices = hardware.compute.mac_pj
    spent = [mac_j(operations, at(prices[form], "value")) for form, operations in totals.operations.items()]
    feeds, on = feeds_bytes(totals, hardware, jointly=jointly), paths(hardware, jointly=jointly)
    last = len(hardware.levels) - 1
    for index, level in enumerate(hardware.levels):
        read = handed_bytes(totals, on, index, INWARDS) if index < last else sum(feeds.values())
        written = handed_bytes(totals, on, index, OUTWARDS) if index < last else feeds["ofmap"]
        if index:
            read = read + filled_bytes(totals, on, index, OUTWARDS)
            written = written + filled_bytes(totals, on, index, INWARDS)
        spent += [access_j(read, at(level.read_pj_per_byte, "value")), access_j(written, at(level.write_pj_per_byte, "value"))]
    spent.append(static_j(at(hardware.static_w, "value"), latency_bound_s(totals, hardware, jointly=jointly)))
    return np.asarray(sum(spent[1:], spent[0]))
