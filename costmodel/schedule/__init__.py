"""Across layers: what is alive at the same time."""

from costmodel.schedule.liveness import peak_live_bytes

__all__ = ["peak_live_bytes"]
