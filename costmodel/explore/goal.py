"""What a search is for, and candidates priced for it: losses to be made small, violations that must not be positive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.explore.budget import Budget
from costmodel.explore.evaluate import METRICS, evaluate_points
from costmodel.explore.indexing import number
from costmodel.explore.objectives import objective_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.explore.space import DesignSpace

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

UNPRICED: Final = 1e30
"""Loss and violation of a point that a constraint of the space excludes or that cannot be priced; finite, since search
libraries calculate with them."""
SPACE: Final = "space"
"""Name of the violation of being such a point."""


@dataclass(frozen=True)
class Goal:
    """What a search is for.

    Attributes
    ----------
    objectives
        Metrics that are to be small, by their full names.
    maximise
        Those of them that are to be large instead.
    budget
        What no candidate may exceed.
    """

    objectives: tuple[str, ...]
    maximise: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that it needs: the objectives first, then what the budget limits."""
        return tuple(dict.fromkeys((*self.objectives, *self.budget.metrics)))

    @property
    def signs(self) -> Floats:
        """1 for every objective that is to be small, -1 for one that is to be large."""
        return np.array([-1.0 if name in self.maximise else 1.0 for name in self.objectives])

    @property
    def violated(self) -> tuple[str, ...]:
        """Names of the violations."""
        return (SPACE, *self.budget.limits)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; limits in base units."""
        return {
            "objectives": list(self.objectives),
            "maximise": list(self.maximise),
            "budget": dict(self.budget.limits),
        }


def goal_of(
    objectives: str | Iterable[str], budget: Budget | Iterable[str] | None = None, maximise: str | Iterable[str] = ()
) -> Goal:
    """A goal from names, short ones too, and a budget or texts such as ``max_energy=5mJ``.

    Raises
    ------
    InputError
        Objectives or limits that do not exist, or one that is maximised and no objective.
    """
    names = objective_names(objectives, METRICS)
    more = objective_names(maximise, METRICS, "maximise") if maximise else ()
    stray = [name for name in more if name not in names]
    if stray:
        raise InputError(f"maximise: {', '.join(stray)} is no objective; add it to the objectives")
    return Goal(names, more, budget if isinstance(budget, Budget) else Budget.parse(budget or ()))


@dataclass(frozen=True)
class Priced:
    """Candidates of a space, priced for a goal; arrays of one row per candidate, in the order asked for.

    Attributes
    ----------
    points
        Their indices in the space.
    columns
        Metrics by name; NaN where a candidate is not priced.
    losses
        One column per objective, maximised ones negated: less is better.
    violations
        One column per name of :attr:`Goal.violated`; a candidate is feasible where none is positive. The first is positive
        where a constraint of the space excludes a candidate, or it cannot be priced.
    problems
        Why a candidate could not be priced; empty where it could, or where a constraint excludes it.
    """

    points: Ints
    columns: Mapping[str, Floats]
    losses: Floats
    violations: Floats
    problems: Sequence[str]

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether a candidate is priced and within the budget."""
        return np.asarray((self.violations <= 0).all(axis=1))

    @property
    def priced(self) -> NDArray[np.bool_]:
        """Whether a candidate has figures."""
        return np.asarray(self.violations[:, 0] <= 0)


def priced(space: DesignSpace, points: Iterable[int], goal: Goal) -> Priced:
    """Price candidates, all of them in one vectorised call; equal ones once.

    Parameters
    ----------
    space
        The design space.
    points
        Indices of its points, in any order.
    goal
        What they are priced for.
    """
    asked = np.fromiter(points, dtype=np.int64)
    unique, position = np.unique(asked, return_inverse=True)
    found = evaluate_points(space, unique, goal.metrics)
    columns = {name: aligned(found, name, unique)[position] for name in goal.metrics}
    reasons = np.full(unique.size, "", dtype=object)
    reasons[np.searchsorted(unique, found["point"])] = found["problem"]
    values = np.column_stack([columns[name] for name in goal.objectives])
    missing = np.asarray(np.isnan(np.column_stack(list(columns.values()))).any(axis=1))
    losses = np.where(missing[:, None], UNPRICED, values * goal.signs)
    limits = np.where(missing[:, None], UNPRICED, goal.budget.matrix(columns, asked.size))
    violations = np.column_stack([np.where(missing, UNPRICED, 0.0), limits])
    return Priced(asked, columns, losses, violations, reasons[position].tolist())


def aligned(found: Mapping[str, NDArray[Any]], name: str, points: Ints) -> Floats:
    """A metric at every point asked for; NaN where a constraint of the space excludes it."""
    values = np.full(points.size, np.nan)
    values[np.searchsorted(points, found["point"])] = found[name]
    return values


# ---- points as the variables of search libraries


def ordered(values: Sequence[Any]) -> bool:
    """Whether the values of an axis are numbers that rise or fall, so that neighbours are alike.

    >>> ordered([64, 128, 256]), ordered(["int8", "fp16"]), ordered([False, True]), ordered([3, 1, 2])
    (True, False, False, False)
    """
    if any(isinstance(value, bool | str) for value in values):
        return False
    steps = np.diff(np.asarray(values, dtype=np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


def axes_of(space: DesignSpace) -> dict[str, list[Any]]:
    """Values of every axis by name, the slowest axis first."""
    return {name: list(values) for name, values in space.resolved.values.items()}


def point_at(space: DesignSpace, positions: Mapping[str, int]) -> int:
    """Index of the point at a position on every axis."""
    return int(number([np.array([positions[name]]) for name in space.names], space.lengths)[0])
