"""A design space as a search space of Optuna; every trial is one point.

An axis of numbers in order is an integer, the position on the axis; any other axis is categorical, its values the categories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from costmodel.explore.goal import axes_of, goal_of, ordered, point_at, priced
from costmodel.explore.libraries import library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import Trial

    from costmodel.explore.budget import Budget
    from costmodel.explore.goal import Goal, Priced
    from costmodel.explore.space import DesignSpace

POINT: Final = "point"
PROBLEM: Final = "problem"
BATCH: Final = 10


def distributions(space: DesignSpace) -> dict[str, BaseDistribution]:
    """Distribution of every axis, for ``study.ask``."""
    kinds = library("optuna.distributions")
    return {
        name: kinds.IntDistribution(0, len(values) - 1) if ordered(values) else kinds.CategoricalDistribution(tuple(values))
        for name, values in axes_of(space).items()
    }


def suggest(space: DesignSpace, trial: Trial) -> int:
    """The point that a trial suggests, by its index in the space; ``space.at`` gives its values.

    Examples
    --------
    >>> import optuna
    >>> from costmodel.explore.space import DesignSpace
    >>> space = DesignSpace(name="s", network="squeezenet", hardware="snapdragon", axes={"net.base_e": [64, 128, 256]})
    >>> suggest(space, optuna.trial.FixedTrial({"net.base_e": 2}))
    2
    """
    positions = {}
    for name, values in axes_of(space).items():
        if ordered(values):
            positions[name] = trial.suggest_int(name, 0, len(values) - 1)
        else:
            positions[name] = values.index(trial.suggest_categorical(name, values))
    return point_at(space, positions)


def point_of(space: DesignSpace, params: dict[str, Any]) -> int:
    """The point of a trial that was made with :func:`distributions`, by its index in the space."""
    positions = {
        name: int(params[name]) if ordered(values) else values.index(params[name]) for name, values in axes_of(space).items()
    }
    return point_at(space, positions)


def directions(goal: Goal) -> list[str]:
    """Direction of every objective, for ``optuna.create_study``."""
    return ["maximize" if name in goal.maximise else "minimize" for name in goal.objectives]


def objective(
    space: DesignSpace,
    objectives: str | Iterable[str],
    budget: Budget | Iterable[str] | None = None,
    maximise: str | Iterable[str] = (),
) -> Callable[[Trial], float | tuple[float, ...]]:
    """A function for ``study.optimize``: the objectives of the point that a trial suggests.

    Violations become constraints of the trial (``trial.set_constraint``), the point its user attribute ``point``. A point that
    cannot be priced gets a loss of 1e30 and a constraint that is violated.

    Parameters
    ----------
    space
        The design space.
    objectives, maximise
        Metrics, by name or short name, and those of them that are to be large: the study needs the directions that
        :func:`directions` gives.
    budget
        What must not be exceeded, or texts such as ``max_energy=5mJ``.

    Raises
    ------
    InputError
        Objectives or limits that do not exist.
    """
    goal = goal_of(objectives, budget, maximise)

    def evaluated(trial: Trial) -> float | tuple[float, ...]:
        found = priced(space, [suggest(space, trial)], goal)
        annotate(trial, found, 0, goal)
        values = tuple((found.losses[0] * goal.signs).tolist())
        return values if len(values) > 1 else values[0]

    return evaluated


def annotate(trial: Trial, found: Priced, row: int, goal: Goal) -> None:
    """Tell a trial its point, its violations, and why it could not be priced."""
    trial.set_user_attr(POINT, int(found.points[row]))
    if found.problems[row]:
        trial.set_user_attr(PROBLEM, found.problems[row])
    for name, value in zip(goal.violated, found.violations[row].tolist(), strict=True):
        trial.set_constraint(name, value)


def tell(study: Study, trials: Sequence[Trial], space: DesignSpace, goal: Goal) -> Priced:
    """Price the points of trials in one vectorised call, and tell the study."""
    found = priced(space, [point_of(space, trial.params) for trial in trials], goal)
    for row, (trial, losses) in enumerate(zip(trials, found.losses, strict=True)):
        annotate(trial, found, row, goal)
        study.tell(trial, (losses * goal.signs).tolist())
    return found


def ask_and_tell(study: Study, space: DesignSpace, goal: Goal, trials: int, batch: int = BATCH) -> None:
    """Run so many trials, ``batch`` of them asked for and priced together.

    Parameters
    ----------
    study
        A study with the directions of :func:`directions`.
    space, goal
        What is searched, and what for.
    trials
        How many trials are added.
    batch
        Trials that do not know of each other's outcome.
    """
    axes = distributions(space)
    for start in range(0, trials, batch):
        tell(study, [study.ask(axes) for _ in range(min(batch, trials - start))], space, goal)
