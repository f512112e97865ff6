"""Small design spaces that can be enumerated, and what enumeration finds in them."""

from __future__ import annotations

from functools import cache

import numpy as np

from costmodel.explore.evaluate import evaluate
from costmodel.explore.goal import goal_of
from costmodel.explore.space import DesignSpace
from tests.unit.test_pareto import peeled

SMALL = {
    "name": "small",
    "network": "squeezenet:version=1.1,input=64",
    "hardware": "snapdragon",
    "axes": {
        "net.base_e": [32, 64, 96, 128],
        "net.squeeze_ratio": [0.125, 0.25, 0.5],
        "net.bypass": ["none", "simple"],
        "hw.sram": "64KiB:256KiB:2x",
    },
}
"""72 points: numbers in order, words, and a constant of the hardware."""


def small(**changes):
    """Build the space, with fields or constraints changed."""
    return DesignSpace.of({**SMALL, **changes})


@cache
def shared():
    """Return the space, always the same one."""
    return small()


@cache
def figures(*metrics):
    """Figures of every point of it."""
    return evaluate(shared(), 0, shared().size, metrics)


def enumerated(space, *objectives, budget=(), maximise=()):
    """Every point that meets constraints and budget: indices, and losses."""
    goal = goal_of(objectives, budget, maximise)
    found = evaluate(space, 0, space.size, goal.metrics)
    fine = (found["problem"] == "") & goal.budget.fits({name: found[name] for name in goal.metrics})
    losses = np.column_stack([found[name] for name in goal.objectives]) * goal.signs
    return found["point"][fine].tolist(), losses[fine]


def best(space, *objectives, budget=(), maximise=()):
    """Return the points that no other one beats, by brute force."""
    points, losses = enumerated(space, *objectives, budget=budget, maximise=maximise)
    rank = peeled(losses.tolist(), [False] * losses.shape[1])
    return {point for point, r in zip(points, rank, strict=True) if r == 0}
