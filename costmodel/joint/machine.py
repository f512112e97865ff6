"""A profile as the mapper through all memories sees it: stores, sides of the array, rates in base units of bits."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from costmodel.boundary import LARGEST_BITS
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Side, Store

if TYPE_CHECKING:
    from costmodel.hardware import ArrayAxis, Constant, HardwareProfile, MemoryLevel


def hierarchy_of(hardware: HardwareProfile, macs_per_s: float) -> Hierarchy:
    """Return the hierarchy of a profile.

    Parameters
    ----------
    hardware
        The profile; constants at their value.
    macs_per_s
        Rate of the array with every element busy at the number format of a layer; infinite for layers without MACs, whose
        work does not depend on the array.
    """
    return Hierarchy(
        stores=tuple(store_of(level) for level in hardware.levels),
        sides=tuple(side_of(name, axis) for name, axis in (hardware.compute.array or {}).items()),
        macs_per_s=macs_per_s,
        overlap=hardware.overlap,
        static_w=hardware.static_w.value,
    )


def store_of(level: MemoryLevel) -> Store:
    """Return a memory; the backing store is without bound whatever its size, since a layer's operands are in it anyway."""
    backing = level.kind == "backing"
    parts = {operand: room_bits(level, part) for operand, part in level.parts.items()}
    whole = None if backing or level.capacity_bytes is None else room_bits(level, level.capacity_bytes)
    bandwidth = level.bandwidth_bytes_per_s
    return Store(
        name=level.name,
        capacity_bits=None if whole is None else whole - sum(parts.values()),
        part_bits=parts,
        read_pj=dict.fromkeys(OPERANDS, level.read_pj_per_byte.value / 8),
        write_pj=dict.fromkeys(OPERANDS, level.write_pj_per_byte.value / 8),
        holds=level.holds,
        optional=level.bypass,
        per_element=level.per_element,
        bits_per_s=inf if bandwidth is None else bandwidth.value * 8,
        stationary=level.stationary or "",
    )


def room_bits(level: MemoryLevel, size: Constant) -> int:
    """Bits that tiles may take of a size of one instance: half of it where it is double-buffered."""
    return min(int(size.value) * 8, LARGEST_BITS) // (2 if level.double_buffered else 1)


def side_of(name: str, axis: ArrayAxis) -> Side:
    """Return a side of the array."""
    return Side(name, axis.size, axis.dims, axis.multicast, axis.reduction)
