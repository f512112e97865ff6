"""A design space as a parametrisation of Nevergrad, asked and told in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.explore.goal import axes_of, goal_of, ordered, point_at, priced
from costmodel.explore.libraries import library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nevergrad.optimization.base import Optimizer  # type: ignore[import-untyped]  # it has no types
    from nevergrad.parametrization.parameter import Dict as Parameters  # type: ignore[import-untyped]  # it has no types
    from numpy.typing import NDArray

    from costmodel.explore.budget import Budget
    from costmodel.explore.goal import Priced
    from costmodel.explore.space import DesignSpace

BATCH = 10


def parametrization(space: DesignSpace) -> Parameters:
    """A dictionary of one variable per axis: an integer position where values are in order, else a choice of positions."""
    p = library("nevergrad").p

    def variable(values: list[Any]) -> Any:  # noqa: ANN401 - a parameter of Nevergrad
        last = len(values) - 1
        if last == 0 or not ordered(values):
            return p.Choice(list(range(len(values))))
        return p.Scalar(init=last / 2, lower=0, upper=last).set_integer_casting()

    return p.Dict(**{name: variable(values) for name, values in axes_of(space).items()})


def ask_and_tell(
    optimizer: Optimizer,
    space: DesignSpace,
    objectives: str | Iterable[str],
    budget: Budget | Iterable[str] | None = None,
    maximise: str | Iterable[str] = (),
    batch: int = BATCH,
) -> Priced:
    """Spend what is left of an optimizer's budget, ``batch`` candidates asked for and priced together.

    Parameters
    ----------
    optimizer
        Made with :func:`parametrization`, such as ``nevergrad.optimizers.OnePlusOne(parametrization(space), budget=200)``.
    space, objectives, budget, maximise
        As for :func:`costmodel.explore.optuna_adapter.objective`; several objectives need an optimizer that takes them.
    batch
        Candidates that do not know of each other's outcome.

    Returns
    -------
    Priced
        Every candidate, in the order asked for.

    Raises
    ------
    InputError
        Objectives or limits that do not exist.
    """
    goal = goal_of(objectives, budget, maximise)
    points: list[int] = []
    total = int(optimizer.budget or 0)
    while optimizer.num_ask < total:
        asked = [optimizer.ask() for _ in range(min(batch, total - optimizer.num_ask))]
        found = priced(space, [point_at(space, each.value) for each in asked], goal)
        points += found.points.tolist()
        for candidate, losses, violations in zip(asked, found.losses, found.violations, strict=True):
            loss = losses.tolist() if len(losses) > 1 else losses.item()
            optimizer.tell(candidate, loss, constraint_violation=positive(violations))
    return priced(space, points, goal)


def positive(violations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Violations alone, without how much room is left."""
    return np.maximum(violations, 0.0)
