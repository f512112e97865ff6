"""Across layers: what is alive, what stays on chip, and which layers are executed together."""

from costmodel.schedule.liveness import peak_live_bytes
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
    pins,
)

__all__ = [
    "KINDS",
    "PHASES",
    "Fused",
    "Kind",
    "Phase",
    "Schedule",
    "Scheduler",
    "Stay",
    "checked_kind",
    "checked_phase",
    "declared_kind",
    "peak_live_bytes",
    "pins",
]
