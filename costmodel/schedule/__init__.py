"""Across layers: what is alive, in which order and where, what stays on chip, and which layers are executed together."""

from costmodel.schedule.liveness import Liveness, liveness, peak_live_bytes
from costmodel.schedule.order import Order, least_memory_order, program_order
from costmodel.schedule.schedule import (
    KINDS,
    PHASES,
    Fused,
    Kind,
    Phase,
    Schedule,
    Scheduler,
    Stay,
    checked_kind,
    checked_phase,
    declared_kind,
    memory_of,
    pins,
)

__all__ = [
    "KINDS",
    "PHASES",
    "Fused",
    "Kind",
    "Liveness",
    "Order",
    "Phase",
    "Schedule",
    "Scheduler",
    "Stay",
    "checked_kind",
    "checked_phase",
    "declared_kind",
    "least_memory_order",
    "liveness",
    "memory_of",
    "peak_live_bytes",
    "pins",
    "program_order",
]
