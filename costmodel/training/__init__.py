"""Training: what an iteration computes, what workers exchange, and how it scales with their number."""

from costmodel.training.passes import Backward, backward
from costmodel.training.scaling import (
    ALGORITHMS,
    Exchange,
    ScalingPoint,
    TrainingCost,
    parse_workers,
    training_of,
)

__all__ = ["ALGORITHMS", "Backward", "Exchange", "ScalingPoint", "TrainingCost", "backward", "parse_workers", "training_of"]
