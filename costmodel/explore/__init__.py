"""Design spaces: many networks priced as one."""

from costmodel.explore.sweep import METRICS, sweep_of

__all__ = ["METRICS", "sweep_of"]
