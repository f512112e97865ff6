"""Points of a design space to figures: any slice, or any points, the same wherever and in whatever parts it is done."""

from __future__ import annotations

from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.explore.grouping import groups
from costmodel.explore.nests import Listed, Nests
from costmodel.explore.pricing import BOUNDS, COUNTED, METRICS, Mappers, list_nests, priced
from costmodel.explore.solutions import SolutionCache
from costmodel.hardware.profile import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.explore.nests import Layers, Source
    from costmodel.explore.space import DesignSpace

    Ints = NDArray[np.int64]
    Rows = dict[str, NDArray[Any]]

CHUNK_POINTS: Final = 4096
"""Points that are mapped at once: columns over layers stay in the cache."""
NEST_CHUNK_POINTS: Final = 1024
"""Points whose layers are mapped through all memories at once: thrice as many columns."""
COUNT_CHUNK_POINTS: Final = 20480
"""Points that are counted at once: what a chunk of some thirty layers allocates is less than ``HEAP_BYTES`` twice."""
HEAP_BYTES: Final = 31 << 20
"""Largest block whose release makes glibc keep twice as much of a freed heap, as far as it adapts by itself."""
CACHE: Final = SolutionCache()
"""Layers mapped in this process, across one boundary after the other."""
ONE_AT_A_TIME: Final = RLock()
"""Threads take turns: files of networks have the process's output and import path while they run, and the cache is shared."""
POINT: Final = "point"
PROBLEM: Final = "problem"

__all__ = ["METRICS", "checked_metrics", "evaluate", "evaluate_points"]


@cache
def nests_of(levels: int) -> Nests:
    """Layers mapped in this process through all memories of machines of at most so many."""
    return Nests(levels)


@cache
def heap_kept() -> None:
    """Let the memory of one chunk be used again by the next instead of being given back and faulted in page by page.

    The C library of Linux raises its thresholds when a mapped block is freed; the block is never touched. With the thresholds
    of a fresh process half of the time of counting is spent on page faults. Where memory is managed otherwise nothing happens.
    """
    np.empty(HEAP_BYTES, dtype=np.uint8)


def evaluate(
    space: DesignSpace, start: int, stop: int, metrics: Sequence[str], nests: Source | None = None
) -> Rows:
    """Figures of the points from ``start`` to ``stop - 1`` that meet the constraints.

    Parameters
    ----------
    space
        The space.
    start, stop
        Indices of grid points.
    metrics
        Names of :data:`METRICS`; only what these need is computed.
    nests
        What knows how layers are mapped through all memories; what this process remembers where None.

    Returns
    -------
    dict
        Columns by name, one entry per point that meets the constraints, in order: ``point``, its index; every axis; every
        metric, floating-point numbers, exact up to 2**53, not a number where there is none; ``problem``, why, or "".

    Raises
    ------
    InputError
        Indices outside the space, or metrics that do not exist.

    Examples
    --------
    >>> from costmodel.explore.space import DesignSpace
    >>> axes = {"net.squeeze_ratio": [0.125, 0.5]}
    >>> space = DesignSpace(name="tiny", network="squeezenet", hardware="snapdragon", axes=axes)
    >>> evaluate(space, 0, 2, ["params"])["params"].tolist()
    [1248424.0, 3404392.0]
    """
    return evaluate_points(space, space.slice(start, stop), metrics, nests)


def evaluate_points(
    space: DesignSpace, indices: Ints | Sequence[int], metrics: Sequence[str], nests: Source | None = None
) -> Rows:
    """Figures of any points that meet the constraints, as :func:`evaluate` gives those of a slice.

    Parameters
    ----------
    space
        The space.
    indices
        Indices of grid points, in any order; repeated ones give repeated rows.
    metrics
        Names of :data:`METRICS`.
    nests
        As for :func:`evaluate`.
    """
    chosen = checked_metrics(metrics)
    points = np.asarray(indices, dtype=np.int64).reshape(-1)
    if points.size and not (points.min() >= 0 and points.max() < space.size):
        raise InputError(f"{space.name}: points {points.min()} to {points.max()}; it has points 0 to {space.size - 1}")
    heap_kept()
    step = step_points(chosen, jointly=space.resolved.maps_jointly)
    mappers = Mappers(CACHE, nests or nests_of(space.resolved.most_levels))
    starts = range(0, max(points.size, 1), step)
    with ONE_AT_A_TIME:
        found = [_evaluated(space, points[start : start + step], chosen, mappers) for start in starts]
    return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]} if len(found) > 1 else found[0]


def step_points(metrics: Sequence[str], *, jointly: bool) -> int:
    """Points that are evaluated at once; ``jointly`` where layers may be mapped through all memories."""
    if set(metrics) <= {*COUNTED, *BOUNDS}:
        return COUNT_CHUNK_POINTS
    return NEST_CHUNK_POINTS if jointly else CHUNK_POINTS


def checked_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Refuse metrics that do not exist, or are named twice."""
    unknown = [f"{name}{did_you_mean(name, METRICS)}" for name in metrics if name not in METRICS]
    if unknown:
        raise InputError(f"no metric {', '.join(unknown)}; the metrics are {', '.join(METRICS)}")
    return tuple(dict.fromkeys(metrics))


def layers_of(space: DesignSpace, start: int, stop: int, metrics: Sequence[str]) -> Layers:
    """Distinct layers of a slice that are mapped through all memories for some metrics; nothing is mapped."""
    listed = Listed(space.resolved.most_levels)
    mappers = Mappers(CACHE, listed)
    points = space.slice(start, stop)
    with ONE_AT_A_TIME:
        for first in range(0, points.size, NEST_CHUNK_POINTS):
            there, positions, _ = _feasible(space, points[first : first + NEST_CHUNK_POINTS])
            for _, group in groups(space, positions) if there.size else ():
                list_nests(group, metrics, mappers)
    return listed.layers()


def _feasible(space: DesignSpace, points: Ints) -> tuple[Ints, dict[str, Ints], Rows]:
    """Points that meet the constraints, with positions on and values of every axis."""
    positions = space.positions(points)
    columns = space.columns_of(positions)
    if space.resolved.constraints:
        met = space.feasible(columns)
        points = points[met]
        positions = {name: position[met] for name, position in positions.items()}
        columns = {name: column[met] for name, column in columns.items()}
    return points, positions, columns


def _evaluated(space: DesignSpace, points: Ints, metrics: Sequence[str], mappers: Mappers) -> Rows:
    """Figures of a chunk."""
    points, positions, columns = _feasible(space, points)
    figures = {name: np.full(points.size, np.nan) for name in metrics}
    problems = np.full(points.size, "", dtype=object)
    for places, group in groups(space, positions) if points.size else ():
        found, notes = priced(group, metrics, mappers)
        for name, column in found.items():
            figures[name][places] = column
        for place, text in notes.items():
            problems[places[place]] = text
    return {POINT: points, **columns, **figures, PROBLEM: problems}
