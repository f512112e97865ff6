"""Hardware and networks designed for each other: for every network of a space the best of everything else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import SCHEMA_VERSION
from costmodel.errors import InputError
from costmodel.explore.evaluate import evaluate_points
from costmodel.explore.subjects import NET
from costmodel.explore.uncertainty import Uncertainty, checked, sampled_figures
from costmodel.hardware.profile import did_you_mean
from costmodel.results import Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from costmodel.explore.space import DesignSpace

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

GOALS: Final[Mapping[str, tuple[str, ...]]] = {
    "energy": ("energy_j",),
    "latency": ("latency_s",),
    "edp": ("energy_j", "latency_s"),
}
"""What can be the least, per input, and the metrics that are multiplied for it; ``edp`` is the energy-delay product [J s]."""
COLUMNS: Final[Mapping[str, str]] = {"energy": "energy_j", "latency": "latency_s", "edp": "energy_delay_j_s"}
"""Name of each figure in records."""
NETWORK: Final = "network"
ALL: Final = "all networks"
"""What the configuration is best for that costs them least more than their own, in the geometric mean."""
MOST_POINTS: Final = 20_000
"""Points that are priced: 320 kB a draw."""
MOST_GRID: Final = 10_000_000
"""Points that are looked through for those that meet the constraints."""
EQUAL: Final = 1 + 1e-9
"""Ratio of figures up to which they are equal."""


@dataclass(frozen=True)
class Best:
    """The configuration that is best for a network, or for all.

    Attributes
    ----------
    goal
        ``energy``, ``latency`` or ``edp``.
    network
        Whom it is best for; :data:`ALL` for the compromise.
    configuration
        Its number: the index of its point in a space of one network.
    at
        Value of every axis but the network.
    value
        The figure, per input [J], [s] or [J s]; for the compromise the geometric mean of the ratios to each own best.
    share
        Share of the draws of uncertain constants in which no other configuration is better.
    regret_ratio
        Most that it costs in any draw, over the best configuration of that draw, at least 1.
    """

    goal: str
    network: str
    configuration: int
    at: Mapping[str, Any]
    value: float
    share: float
    regret_ratio: float

    @property
    def certain(self) -> bool:
        """Whether it is the best in every draw."""
        return self.share == 1


@dataclass(frozen=True)
class Transfer:
    """What a network costs on the configuration that is best for another, over its own best one.

    ``ratio`` is that of the constants' values, not a number where the network cannot be priced there; ``low`` and ``high`` are
    its ends over the draws.
    """

    goal: str
    network: str
    best_for: str
    ratio: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the own configuration is at least as good in every draw, or the other one cannot be used."""
        return not self.low < 1 / EQUAL


@dataclass(frozen=True, repr=False)
class CoDesign(Recorded):
    """For every network the best configuration of hardware, and what it costs the others.

    Attributes
    ----------
    space
        The design space.
    goals
        What was to be least.
    networks
        Networks in the order of the space.
    configurations
        Configurations that meet the constraints for at least one network.
    unpriced
        Points that were left out, since a layer does not fit.
    best
        By goal and network, the compromise last.
    transfers
        By goal, network and whose configuration, the compromise last.
    uncertainty
        How constants were drawn.
    """

    space: DesignSpace
    goals: tuple[str, ...]
    networks: tuple[str, ...]
    configurations: int
    unpriced: int
    best: tuple[Best, ...]
    transfers: tuple[Transfer, ...]
    uncertainty: Uncertainty

    def of(self, goal: str, network: str) -> Best:
        """The best configuration for a network, or for :data:`ALL`."""
        return next(found for found in self.best if (found.goal, found.network) == (goal, network))

    def records(self) -> list[dict[str, Any]]:
        """One record per goal, network and configuration that is best for a network or for all."""
        return [
            {
                "goal": found.goal,
                "network": found.network,
                "best_for": found.best_for,
                **self.of(found.goal, found.best_for).at,
                "ratio": found.ratio,
                "ratio_low": found.low,
                "ratio_high": found.high,
                "certain": found.certain,
            }
            for found in self.transfers
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "space": self.space.name,
            "digest": self.space.digest,
            "goals": {goal: COLUMNS[goal] for goal in self.goals},
            "configurations": self.configurations,
            "unpriced": self.unpriced,
            "uncertainty": {"samples": self.uncertainty.samples, "seed": self.uncertainty.seed},
            "best": [asdict(found) | {"certain": found.certain} for found in self.best],
            "transfers": [without_nan(asdict(found)) | {"certain": found.certain} for found in self.transfers],
        }


def without_nan(record: dict[str, Any]) -> dict[str, Any]:
    """A record that JSON can hold."""
    return {name: None if value != value else value for name, value in record.items()}  # noqa: PLR0124 - not a number


def codesign_of(space: DesignSpace, goals: str | Iterable[str], uncertainty: Uncertainty) -> CoDesign:
    """The best configurations of a space; see :func:`costmodel.codesign`."""
    chosen, drawing = checked_goals(goals), checked(uncertainty)
    table = tabled(space, tuple(dict.fromkeys(metric for goal in chosen for metric in GOALS[goal])), drawing)
    best, transfers = [], []
    for goal in chosen:
        choice = chosen_for(table, goal)
        best += choice.best(table, space)
        transfers += choice.transfers(table)
    return CoDesign(
        space, chosen, table.networks, table.places.size, table.unpriced, tuple(best), tuple(transfers), drawing
    )


def checked_goals(goals: str | Iterable[str]) -> tuple[str, ...]:
    """Goals by name, as a sequence or separated by commas.

    Raises
    ------
    InputError
        None, one that does not exist, or one given twice.
    """
    given = [name.strip() for name in (goals.split(",") if isinstance(goals, str) else goals)]
    problems = [f"codesign: no goal {n!r}{did_you_mean(n, GOALS)}; use {', '.join(GOALS)}" for n in given if n not in GOALS]
    twice = sorted({name for name in given if given.count(name) > 1})
    problems += [f"codesign: {name} is given twice; give it once" for name in twice]
    if not given:
        problems.append(f"codesign: no goal; give {', '.join(GOALS)} or some of them")
    if problems:
        raise InputError(*problems)
    return tuple(given)


# ---- figures


@dataclass(frozen=True)
class Figures:
    """Figures per input of every network on every configuration.

    ``places`` are the numbers of the configurations; ``values`` are arrays (networks, configurations) by goal and ``drawn``
    arrays (networks, configurations, samples), not a number where there is none.
    """

    networks: tuple[str, ...]
    places: Ints
    values: Mapping[str, Floats]
    drawn: Mapping[str, Floats]
    unpriced: int


def checked_space(space: DesignSpace) -> Ints:
    """The points of a space that is small enough and leaves its networks as they are.

    Raises
    ------
    InputError
        It is another one, or its constraints exclude everything.
    """
    problems = [
        f"codesign: {space.name} varies {name}, but only hardware is to be found; list the networks under network"
        for name in space.names
        if name.startswith(NET)
    ]
    if len(space.names) == (NETWORK in space.names):
        problems.append(f"codesign: nothing varies in {space.name} besides networks; give axes such as hw.sram")
    if problems:
        raise InputError(*problems)
    if space.size > MOST_GRID:
        raise InputError(f"codesign: {space.name} has {space.size:,} points; at most {MOST_GRID:,} are looked through")
    points = np.flatnonzero(space.feasible(space.columns(0, space.size)))
    if not points.size:
        raise InputError(f"codesign: the constraints of {space.name} exclude all of its {space.size:,} points; loosen them")
    if points.size > MOST_POINTS:
        raise InputError(f"codesign: {space.name} has {points.size:,} points; at most {MOST_POINTS:,} are priced: thin it out")
    return points


def tabled(space: DesignSpace, metrics: tuple[str, ...], uncertainty: Uncertainty) -> Figures:
    """Figures of every point, and the same under every draw of the constants."""
    points = checked_space(space)
    rows = evaluate_points(space, points, metrics)
    priced = rows["problem"] == ""
    if not priced.any():
        first = rows["problem"][0]
        raise InputError(f"codesign: none of {points.size} points of {space.name} can be priced; the first: {first}")
    kept = points[priced]
    batch = rows["batch"][priced].astype(np.float64) if "batch" in rows else np.full(kept.size, float(space.batch))
    networks = tuple(map(str, space.resolved.values.get(NETWORK, (space.network,))))
    places, column = np.unique(kept % (space.size // len(networks)), return_inverse=True)
    at = (kept // (space.size // len(networks)), column)
    drawn = sampled_figures(space, kept, metrics, uncertainty)
    shape = (len(networks), places.size)
    return Figures(
        networks,
        places,
        goal_figures({name: spread(rows[name][priced] / batch, at, shape) for name in metrics}),
        goal_figures({name: spread(drawn[name] / batch[:, None], at, shape) for name in metrics}),
        int((~priced).sum()),
    )


def spread(figures: Floats, at: tuple[Ints, Ints], shape: tuple[int, int]) -> Floats:
    """Figures of points at their network and configuration, not a number elsewhere."""
    found = np.full((*shape, *figures.shape[1:]), np.nan)
    found[at] = figures
    return found


def goal_figures(metrics: Mapping[str, Floats]) -> dict[str, Floats]:
    """Every goal whose metrics are there."""
    known = {goal: names for goal, names in GOALS.items() if all(name in metrics for name in names)}
    return {goal: np.prod([metrics[name] for name in names], axis=0) for goal, names in known.items()}


# ---- choices


@dataclass(frozen=True)
class Choice:
    """Columns of :class:`Figures` that are best for each network, -1 where it fits nowhere; the compromise last.

    ``mean`` is the mean ratio of the compromise.
    """

    goal: str
    columns: tuple[int, ...]
    mean: float

    def best(self, table: Figures, space: DesignSpace) -> list[Best]:
        """The configurations that were chosen."""
        values, drawn = table.values[self.goal], table.drawn[self.goal]
        found = [
            described(self, row, float(values[row, column]), drawn[row], table, space)
            for row, column in enumerate(self.columns[:-1])
            if column >= 0
        ]
        if self.columns[-1] >= 0:
            found.append(described(self, len(table.networks), self.mean, mean_ratios(drawn), table, space))
        return found

    def transfers(self, table: Figures) -> list[Transfer]:
        """What every network costs on the configurations of the others."""
        values, drawn = table.values[self.goal], table.drawn[self.goal]
        owners = [(name, column) for name, column in zip((*table.networks, ALL), self.columns, strict=True) if column >= 0]
        found = []
        for row, name in enumerate(table.networks):
            own = self.columns[row]
            for other, column in owners if own >= 0 else ():
                ratios = drawn[row, column] / drawn[row, own]
                ratio = float(values[row, column] / values[row, own])
                found.append(Transfer(self.goal, name, other, ratio, float(ratios.min()), float(ratios.max())))
        return found


def chosen_for(table: Figures, goal: str) -> Choice:
    """The best configurations; of equal ones the first of the space."""
    values = table.values[goal]
    ratios = mean_ratios(values)
    columns = tuple(first_least(row) for row in (*values, ratios))
    return Choice(goal, columns, float(ratios[columns[-1]]))


def first_least(figures: Floats) -> int:
    """Place of the first of the least figures, -1 where there is none.

    >>> first_least(np.array([2.0, 1.0, np.nan, 1.0])), first_least(np.array([np.nan]))
    (1, -1)
    """
    if np.isnan(figures).all():
        return -1
    return int(np.flatnonzero(figures <= np.nanmin(figures) * EQUAL)[0])


def mean_ratios(figures: Floats) -> Floats:
    """Geometric mean over networks of their ratios to their own best, by configuration (and draw).

    Not a number where a network cannot be priced; networks that fit nowhere do not count.

    >>> mean_ratios(np.array([[1.0, 2.0], [8.0, 1.0]])).round(3).tolist()
    [2.828, 1.414]
    """
    somewhere = figures[~np.isnan(figures).reshape(len(figures), -1).all(axis=1)]
    logs: Floats = np.log(somewhere / np.nanmin(somewhere, axis=1, keepdims=True))
    return np.asarray(np.exp(logs.mean(axis=0)))


def described(choice: Choice, row: int, value: float, drawn: Floats, table: Figures, space: DesignSpace) -> Best:
    """A configuration that was chosen, and how it does in the draws, (configurations, samples)."""
    column = choice.columns[row]
    ratios = drawn[column] / np.nanmin(drawn, axis=0)
    place = int(table.places[column])
    at = {name: value for name, value in space.at(place).items() if name != NETWORK}
    name = (*table.networks, ALL)[row]
    return Best(choice.goal, name, place, at, value, float((ratios <= EQUAL).mean()), float(ratios.max()))

