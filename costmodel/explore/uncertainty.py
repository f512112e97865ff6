"""How far a front depends on constants that are not known exactly: the same draws of them for every design.

A constant with a range takes ``samples`` values in it, spread evenly over the logarithm (over the value where the range begins
at zero), one in each of as many equal parts, in random order. All designs on one profile see the same draws, so that what two
designs share cancels; constants of different profiles are drawn independently.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.explore.evaluate import CACHE, METRICS, evaluate_points
from costmodel.explore.grouping import groups
from costmodel.explore.pricing import priced
from costmodel.explore.ranking import ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.explore.grouping import Group
    from costmodel.explore.space import DesignSpace
    from costmodel.hardware import Constant, HardwareProfile

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

PRICED_AT_ONCE: Final = 16384
"""Designs times samples that are priced in one call."""
AGREES: Final = 1e-9
"""Relative difference between figures of a table and those of its space."""
MOST_SAMPLES: Final = 100_000


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
        Rows that stay dominated although all their uncertain figures get better by this share are not looked at.
    """

    samples: int = 256
    seed: int = 0
    near: float = 0.25

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
    if not 0 <= uncertainty.near < np.inf:
        problems.append(f"pareto: near is {uncertainty.near!r}; give a share of 0 or more")
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


def sampled(group: Group, uncertainty: Uncertainty) -> Group:
    """A group with every point as often as there are samples, one after the other, each with its draw of the constants."""
    count, times = len(group), uncertainty.samples
    machines = np.repeat(group.machine_of, times)
    constants = {name: column[machines] for name, column in group.constants.items()}
    for constant in ranged(group.hardware(np.arange(count))):
        low, high = (np.repeat(np.broadcast_to(np.float64(end), count), times) for end in (constant.low, constant.high))
        places = np.tile(draws(group.profile.name, constant.name, uncertainty), count)
        constants[constant.name] = drawn(low, high, places)
    return replace(
        group, network_of=np.repeat(group.network_of, times), constants=constants, machine_of=np.arange(count * times)
    )


def slices(group: Group, most: int) -> Iterator[tuple[slice, Group]]:
    """Parts of a group of at most so many points."""
    for start in range(0, len(group), most):
        part = slice(start, start + most)
        yield part, replace(group, network_of=group.network_of[part], machine_of=group.machine_of[part])


def sampled_figures(
    space: DesignSpace, points: Ints, metrics: Sequence[str], uncertainty: Uncertainty
) -> dict[str, Floats]:
    """Metrics of points under every draw of the constants, arrays (points, samples)."""
    found = {name: np.full((points.size, uncertainty.samples), np.nan) for name in metrics}
    most = max(PRICED_AT_ONCE // uncertainty.samples, 1)
    for places, group in groups(space, space.positions(points)):
        for part, few in slices(group, most):
            figures, _ = priced(sampled(few, uncertainty), metrics, CACHE)
            for name, column in figures.items():
                found[name][places[part]] = column.reshape(len(few), uncertainty.samples)
    return found


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


def candidates(losses: Floats, uncertain: Sequence[bool], front: Ints, near: float) -> NDArray[np.bool_]:
    """Rows that no row of the front dominates once their own uncertain figures are better by the share ``near``.

    A loss of 1.25 is better by 0.25 at 1.
    """
    improved = np.where(uncertain, losses - np.abs(losses) * (near / (1 + near)), losses)
    found = np.ones(len(losses), dtype=np.bool_)
    for row in losses[front]:
        left = np.flatnonzero(found)
        some = improved[left]
        found[left[(row <= some).all(axis=1) & (row < some).any(axis=1)]] = False
    found[front] = True
    return found
