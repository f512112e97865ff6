"""Sweep a network builder over a grid of arguments: one vectorised graph per topology, not one graph per design."""

from __future__ import annotations

import inspect
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.analysis import SUMMED, estimate_of, total
from costmodel.errors import CostModelError, InputError
from costmodel.graph import Graph
from costmodel.importers.python import vectorisable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.hardware import HardwareProfile

METRICS = SUMMED
"""Columns a sweep can give: every column of an analysis, summed over the layers."""
CHUNK_POINTS = 4096
COUNT_CHUNK_POINTS = 32768
DEFAULT = tuple(name for name in METRICS if name != "io_bound_bytes")
"""What a sweep gives unless asked: all but the bound, which no other column needs."""
COUNTED = ("params", "macs", "other_ops", "weight_bytes", "ifmap_bytes", "ofmap_bytes", "compulsory_bytes")
"""Metrics that never ask the mapper; they come in larger chunks."""
MOST_POINTS = 50_000_000


def checked_axes(build: Callable[..., Graph], axes: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Refuse arguments the builder does not have, and axes without values."""
    parameters = inspect.signature(build).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    problems = [
        f"sweep: {name!r} is not an argument of the network; it has {', '.join(parameters)}"
        for name in axes
        if name not in parameters and not open_ended
    ]
    values = {}
    for name, axis in axes.items():
        if isinstance(axis, str) or not np.iterable(axis):
            problems.append(f"sweep: {name} is {axis!r}; give a list of values")
            continue
        values[name] = list(axis)
        if not values[name]:
            problems.append(f"sweep: {name} has no values; give at least one")
    points = int(np.prod([len(axis) for axis in values.values()], dtype=np.float64))
    if points > MOST_POINTS:
        problems.append(f"sweep: {points} design points; give at most {MOST_POINTS}, or sweep part after part")
    if problems:
        raise InputError(*problems)
    return values


def topologies(axes: Mapping[str, Sequence[Any]]) -> Iterable[dict[str, Any]]:
    """Every combination of the arguments that cannot be arrays."""
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def grid(axes: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
    """All combinations of the array arguments, one array of design points each, the last axis fastest."""
    arrays = [np.asarray(values) for values in axes.values()]
    if not arrays:
        return {}
    return {name: mesh.ravel() for name, mesh in zip(axes, np.meshgrid(*arrays, indexing="ij"), strict=True)}


def totals(
    graph: Graph, hardware: HardwareProfile, batch: int, dtype: str | None, metrics: Sequence[str]
) -> dict[str, NDArray[Any]]:
    """Sum of each metric over the layers, one value per design point of the graph."""
    estimate = estimate_of(graph, hardware, batch, dtype, None)
    return {name: total(estimate, name) for name in metrics}


def checked_metrics(metrics: Sequence[str] | None) -> tuple[str, ...]:
    """Refuse metrics that do not exist."""
    chosen = tuple(metrics) if metrics is not None else DEFAULT
    unknown = [name for name in chosen if name not in METRICS]
    if unknown:
        raise InputError(f"sweep: no metric {', '.join(unknown)}; the metrics are {', '.join(METRICS)}")
    return chosen


def sweep_of(
    build: Callable[..., Graph],
    axes: Mapping[str, Sequence[Any]],
    hardware: HardwareProfile,
    batch: int = 1,
    dtype: str | None = None,
    metrics: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Price every combination of builder arguments; see :func:`costmodel.sweep`."""
    import pandas as pd

    values, chosen = checked_axes(build, axes), checked_metrics(metrics)
    vectorised = vectorisable(build)
    points = grid({name: axis for name, axis in values.items() if name in vectorised})
    fixed = list(topologies({name: axis for name, axis in values.items() if name not in vectorised}))
    step = COUNT_CHUNK_POINTS if set(chosen) <= set(COUNTED) else CHUNK_POINTS

    frames = []
    for arguments in fixed:
        for chunk in chunks(points, step):
            found = totals(build_chunk(build, arguments, chunk), hardware, batch, dtype, chosen)
            count = max((column.size for column in chunk.values()), default=1)
            spread = {name: np.broadcast_to(column, count) for name, column in found.items()}
            frames.append(pd.DataFrame({**arguments, **chunk, **spread}, index=range(count)))
    priced: pd.DataFrame = pd.concat(frames, ignore_index=True)
    return priced[[*values, *chosen]]


def chunks(points: Mapping[str, NDArray[Any]], step: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Split a grid into parts of at most ``step`` points; one empty part where no argument is an array."""
    size = next(iter(points.values())).size if points else 1
    for start in range(0, size, step):
        yield {name: column[start : start + step] for name, column in points.items()}


def build_chunk(build: Callable[..., Graph], fixed: Mapping[str, Any], chunk: Mapping[str, NDArray[Any]]) -> Graph:
    """Build one graph for a chunk of points; a single point is passed as plain numbers."""
    arguments = {name: column if column.size > 1 else column[0].item() for name, column in chunk.items()}
    try:
        graph = build(**fixed, **arguments)
    except CostModelError as error:
        where = ", ".join(f"{name}={value!r}" for name, value in fixed.items())
        raise type(error)(*(f"sweep{f' at {where}' if where else ''}: {text}" for text in error.problems)) from error
    if not isinstance(graph, Graph):
        raise InputError(f"sweep: build returned {type(graph).__name__}, not a Graph")
    return graph
