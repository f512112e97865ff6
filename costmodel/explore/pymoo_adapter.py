"""A design space as a problem of pymoo: integer variables, the positions on the axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.explore.goal import goal_of, priced
from costmodel.explore.indexing import number
from costmodel.explore.libraries import library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from pymoo.core.problem import Problem  # type: ignore[import-untyped]  # it has no types

    from costmodel.explore.budget import Budget
    from costmodel.explore.space import DesignSpace


def points_of(space: DesignSpace, variables: NDArray[Any]) -> NDArray[np.int64]:
    """Indices of the points at rows of variables, rounded to the nearest position on each axis."""
    highest = np.array(space.lengths) - 1
    positions = np.clip(np.rint(np.asarray(variables, dtype=np.float64)), 0, highest).astype(np.int64)
    return number(list(np.atleast_2d(positions).T), space.lengths)


def problem(
    space: DesignSpace,
    objectives: str | Iterable[str],
    budget: Budget | Iterable[str] | None = None,
    maximise: str | Iterable[str] = (),
) -> Problem:
    """A vectorised ``pymoo.core.problem.Problem``: a generation is priced in one call.

    Variables are positions on the axes, from 0; real ones are rounded, so that any algorithm runs, although integer operators
    (``RoundingRepair``) waste fewer evaluations. ``F`` has one column per objective, maximised ones negated; ``G`` has one
    column that is positive for points that the space excludes or that cannot be priced, and one per limit of the budget.
    :func:`points_of` turns the variables of a result into points.

    Parameters
    ----------
    space, objectives, budget, maximise
        As for :func:`costmodel.explore.optuna_adapter.objective`.

    Raises
    ------
    InputError
        Objectives or limits that do not exist.
    """
    goal = goal_of(objectives, budget, maximise)
    base = library("pymoo.core.problem").Problem

    class SpaceProblem(base):  # type: ignore[misc, valid-type]  # a class that is loaded late
        """Points of a design space."""

        def __init__(self) -> None:
            super().__init__(
                n_var=len(space.lengths), n_obj=len(goal.objectives), n_ieq_constr=len(goal.violated),
                xl=np.zeros(len(space.lengths), dtype=int), xu=np.array(space.lengths) - 1, vtype=int,
            )  # fmt: skip

        def _evaluate(self, x: NDArray[Any], out: dict[str, Any], *_args: Any, **_options: Any) -> None:  # noqa: ANN401
            """Losses and violations of a generation."""
            found = priced(space, points_of(space, x), goal)
            out["F"], out["G"] = found.losses, found.violations

    return SpaceProblem()
