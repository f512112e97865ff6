"""Across layers: what is alive at the same time, in which order, and where it lies."""

from costmodel.schedule.liveness import Liveness, liveness, peak_live_bytes
from costmodel.schedule.order import Order, least_memory_order, program_order
from costmodel.schedule.packing import Packing, greedy_by_size, least_packing

__all__ = [
    "Liveness",
    "Order",
    "Packing",
    "greedy_by_size",
    "least_memory_order",
    "least_packing",
    "liveness",
    "peak_live_bytes",
    "program_order",
]
