"""How far a front depends on constants that are not known exactly: the same draws of them for every design.

A constant with a range takes ``samples`` values in it, spread evenly over the logarithm (over the value where the range begins
at zero), one in each of as many equal parts, in random order. All designs on one profile see the same draws, so that what two
designs share cancels; constants of different profiles are drawn independently.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import total
from costmodel.errors import InputError
from costmodel.explore.bounds import at_points, bound_totals
from costmodel.explore.evaluate import CACHE, CHUNK_POINTS, METRICS, evaluate_points, nests_of
from costmodel.explore.grouping import groups
from costmodel.explore.pricing import (
    BOUND_OF,
    Mappers,
    Refusals,
    built,
    estimated,
    mapped_estimate,
    objective_of,
    scheduled_estimates,
)
from costmodel.explore.ranking import ranks
from costmodel.hardware.columns import with_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.estimate import Estimate
    from costmodel.explore.bounds import Totals
    from costmodel.explore.grouping import Group
    from costmodel.explore.space import DesignSpace
    from costmodel.hardware import Constant, HardwareProfile

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

AGREES: Final = 1e-9
"""Relative difference between figures of a table and those of its space."""
MOST_SAMPLES: Final = 100_000
Price = Callable[["HardwareProfile"], "Mapping[str, Floats]"]


@dataclass(frozen=True)
class Uncertainty:
    """How constants are varied.

    Attributes
    ----------
    samples
        Draws of all constants.
    seed
        What decides the draws.
    near
        Rows that are looked at, in whole fronts from the first one on: as many fronts as hold so many rows.
    """

    samples: int = 256
    seed: int = 0
    near: int = 1000

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def checked(uncertainty: Uncertainty) -> Uncertainty:
    """Refuse numbers that make no sense."""
    problems = []
    if not isinstance(uncertainty.samples, int) or not 2 <= uncertainty.samples <= MOST_SAMPLES:
        problems.append(f"pareto: samples is {uncertainty.samples!r}; give a whole number from 2 to {MOST_SAMPLES}")
    if not isinstance(uncertainty.seed, int) or uncertainty.seed < 0:
        problems.append(f"pareto: seed is {uncertainty.seed!r}; give a whole number of 0 or more")
    if not isinstance(uncertainty.near, int) or uncertainty.near < 1:
        problems.append(f"pareto: near is {uncertainty.near!r}; give a whole number from 1")
    if problems:
        raise InputError(*problems)
    return uncertainty


def depends(metric: str) -> bool:
    """Whether a metric depends on constants that have ranges: energies and times do.

    >>> depends("energy_j"), depends("latency_s"), depends("dram_bytes")
    (True, True, False)
    """
    return metric in METRICS and metric.endswith(("_j", "_s"))


# ---- draws


def draws(profile: str, constant: str, uncertainty: Uncertainty) -> Floats:
    """Places of the draws within the range of a constant, from 0 to 1, one per sample.

    They depend on nothing but the two names, the seed and the number of samples.
    """
    key = zlib.crc32(f"{profile}\n{constant}".encode())
    random = np.random.default_rng([uncertainty.seed, key])
    return (random.permutation(uncertainty.samples) + random.random(uncertainty.samples)) / uncertainty.samples


def drawn(low: Floats, high: Floats, places: Floats) -> Floats:
    """Values at places within ranges.

    >>> drawn(np.array([1.0, 0.0]), np.array([4.0, 4.0]), np.array([0.5, 0.5])).tolist()
    [2.0, 2.0]
    """
    positive = low > 0
    by_factor = low * np.divide(high, low, out=np.ones_like(high), where=positive) ** places
    return np.where(positive, by_factor, low + (high - low) * places)


def ranged(profile: HardwareProfile) -> Iterator[Constant]:
    """Constants of a profile whose range is more than one value; values may be columns."""
    for constant in profile.constants():
        if np.any(np.asarray(constant.low) < np.asarray(constant.high)):
            yield constant


def drawn_profiles(hardware: HardwareProfile, profile: str, uncertainty: Uncertainty) -> Iterator[HardwareProfile]:
    """The hardware under one draw after the other; ``profile`` is its name without what varies."""
    constants = list(ranged(hardware))
    places = {constant.name: draws(profile, constant.name, uncertainty) for constant in constants}
    for sample in range(uncertainty.samples):
        yield with_columns(hardware, {c.name: drawn_value(c, places[c.name][sample]) for c in constants})


def drawn_value(constant: Constant, place: float) -> Floats | float:
    """A constant at a place in its range, or a column of them."""
    low, high = (np.asarray(end, dtype=np.float64) for end in (constant.low, constant.high))
    value = drawn(low, high, np.asarray(place))
    return value if value.ndim else value.item()


def sampled_figures(
    space: DesignSpace, points: Ints, metrics: Sequence[str], uncertainty: Uncertainty
) -> dict[str, Floats]:
    """Metrics of points that can be priced under every draw of the constants, arrays (points, samples).

    Traffic does not depend on what is drawn: layers are mapped and schedules made once, and priced for every draw.
    """
    found = {name: np.empty((points.size, uncertainty.samples)) for name in metrics}
    for start in range(0, points.size, CHUNK_POINTS):
        for places, group in groups(space, space.positions(points[start : start + CHUNK_POINTS])):
            for members, hardware, price in prices(group, metrics):
                rows = start + places[members]
                for sample, drawn_hardware in enumerate(drawn_profiles(hardware, group.profile.name, uncertainty)):
                    for name, column in price(drawn_hardware).items():
                        found[name][rows, sample] = column
    return found


def prices(group: Group, metrics: Sequence[str]) -> Iterator[tuple[Ints, HardwareProfile, Price]]:
    """Parts of a group: points, their hardware, and what prices some of the metrics on such hardware."""
    everything = np.arange(len(group))
    bounds, others = ([name for name in metrics if (name in BOUND_OF) == wanted] for wanted in (True, False))
    if bounds:
        networks, which = np.unique(group.network_of, return_inverse=True)
        estimate = estimated(group, built(group, networks).table())
        jointly = objective_of(group, estimate) is not None
        totals = at_points(bound_totals(estimate, jointly=jointly), which)
        yield everything, group.hardware(everything), partial(bounded, totals, bounds, jointly=jointly)
    if others and group.kind == "layer":
        mappers = Mappers(CACHE, nests_of(len(group.profile.levels)))
        estimate = mapped_estimate(group, everything, mappers, Unexpected(everything))
        estimate.joint  # noqa: B018 - mapped once, for the constants as they are
        yield everything, estimate.hardware, partial(repriced, estimate, others)
    elif others:
        for members, made in scheduled_estimates(group, everything):
            scheduled = made()
            yield members, scheduled.hardware, partial(repriced, scheduled, others)


def bounded(totals: Totals, names: Sequence[str], hardware: HardwareProfile, *, jointly: bool) -> dict[str, Floats]:
    """Bounds on some hardware."""
    return {name: BOUND_OF[name](totals, hardware, jointly=jointly) for name in names}


def repriced(estimate: Estimate, names: Sequence[str], hardware: HardwareProfile) -> dict[str, Floats]:
    """Figures of an estimate on other hardware."""
    found = estimate.repriced(hardware)
    return {name: total(found, name) for name in names}


class Unexpected(Refusals):
    """Points that have figures fit into their memory."""

    def refuse_point(self, _point: int, _points: int, text: str) -> None:
        """Fail."""
        raise AssertionError(f"a point with figures does not fit: {text}")


# ---- fronts


def shares(
    space: DesignSpace, points: Ints, by: Mapping[str, Floats], maximise: Sequence[bool], uncertainty: Uncertainty
) -> Floats:
    """Share of the draws in which no other of these designs dominates a design, (points,).

    Parameters
    ----------
    space
        The space of the designs.
    points
        Their indices.
    by
        Their figures by name, (points,); those that depend on constants are priced again for every draw.
    maximise
        For every figure whether more is better.
    uncertainty
        How constants are varied.

    Raises
    ------
    InputError
        Figures that are not those of the space.
    """
    uncertain = [name for name in by if depends(name)]
    check_figures(space, points, {name: by[name] for name in by if name in METRICS})
    under = sampled_figures(space, points, uncertain, uncertainty)
    kept = np.zeros(points.size)
    for sample in range(uncertainty.samples):
        values = np.column_stack([under[name][:, sample] if name in under else by[name] for name in by])
        kept += ranks(values, maximise, 1) == 0
    return kept / uncertainty.samples


def check_figures(space: DesignSpace, points: Ints, figures: Mapping[str, Floats]) -> None:
    """Refuse figures that a space does not give at these points."""
    order = np.argsort(points, kind="stable")
    found = evaluate_points(space, points[order], list(figures))
    if found["point"].size != points.size:
        raise InputError(f"pareto: the table has points that the constraints of {space.name} exclude; give the space it is of")
    for name, values in figures.items():
        same = np.isclose(found[name], values[order], rtol=AGREES, atol=0)
        if not same.all():
            place = int(np.flatnonzero(~same)[0])
            raise InputError(
                f"pareto: {name} of point {points[order][place]} is {values[order][place]:.9g} in the table and "
                f"{found[name][place]:.9g} in {space.name}; give the space that the table is of"
            )


def candidates(losses: Floats, known: NDArray[np.bool_], near: int) -> NDArray[np.bool_]:
    """Rows of the first fronts: those that are known, and whole fronts behind them until there are at least ``near`` rows.

    >>> candidates(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([True, False, False, False]), 3).tolist()
    [True, True, True, False]
    """
    found = known.copy()
    while found.sum() < near and not found.all():
        left = np.flatnonzero(~found)
        found[left[ranks(losses[left], [False] * losses.shape[1], 1) == 0]] = True
    return found
