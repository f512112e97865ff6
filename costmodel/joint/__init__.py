"""Layers mapped through all memories of a profile at once, for an objective: which, how, and what it costs."""

from __future__ import annotations

from costmodel.joint.choice import NO_OBJECTIVE, checked_objective, checked_time_limit
from costmodel.joint.costs import JointCosts, joint_costs

__all__ = ["NO_OBJECTIVE", "JointCosts", "checked_objective", "checked_time_limit", "joint_costs"]
