"""Across layers: what is alive, in which order and where, what stays on chip, and which layers are executed together."""

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
    "Phase",
    "Schedule",
    "Scheduler",
    "Stay",
    "checked_kind",
    "checked_phase",
    "declared_kind",
    "memory_of",
    "pins",
]
