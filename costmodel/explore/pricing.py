"""Figures of a group of points: counts and bounds from totals, traffic from the mapper, schedules one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.activations import memory_of
from costmodel.analysis import SUMMED, boundary_by_boundary, total
from costmodel.boundary import capacity_bits, checked
from costmodel.errors import CostModelError, InputError, MappingError, NetworkError
from costmodel.estimate import Estimate
from costmodel.explore.bounds import at_points, bound_totals, energy_bound_j, latency_bound_s
from costmodel.explore.grouping import distinct
from costmodel.explore.nests import joint_costs_at
from costmodel.explore.vary import problem
from costmodel.graph import Graph
from costmodel.joint.choice import checked_objective
from costmodel.mapping import solve
from costmodel.precision import precision_of
from costmodel.schedule import Scheduler, checked_phase
from costmodel.schedule.conventions import CONVENTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from costmodel.explore.grouping import Group
    from costmodel.explore.nests import Source
    from costmodel.explore.solutions import Places, SolutionCache
    from costmodel.graph import LayerTable
    from costmodel.hardware import MemoryLevel
    from costmodel.hardware.profile import Objective
    from costmodel.mapping import Problems

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

COUNTED: Final = ("params", "macs", "other_ops", "weight_bytes", "ifmap_bytes", "ofmap_bytes", "compulsory_bytes")
"""Metrics that depend on the network, the batch and the widths alone."""
BOUNDS: Final = ("energy_bound_j", "latency_bound_s")
"""Metrics that no mapping undercuts, layer by layer; the mapper is not asked."""
MAPPED: Final = tuple(name for name in SUMMED if name not in COUNTED)
"""Metrics that depend on the best mapping of every layer, or on the schedule across layers."""
NESTED: Final = tuple(name for name in MAPPED if name != "io_bound_bytes")
"""Those of them that ask for mappings through all memories where there is an objective."""
MEMORY: Final = ("peak_ram_bytes",)
"""Metrics of the activations alive at once; one network at a time."""
METRICS: Final = (*SUMMED, *BOUNDS, *MEMORY)

Notes = dict[int, str]
"""What is wrong with points, by their place in a group; the first problem of each is kept."""
Figures = Mapping[str, "Floats"]


@dataclass(frozen=True)
class Mappers:
    """What maps layers: across one boundary after the other, or through all memories at once."""

    layers: SolutionCache
    nests: Source


@dataclass(frozen=True)
class Part:
    """How some metrics of some points of a group are found; ``per_machine`` says whether the hardware matters."""

    figures: Callable[[Group, Ints, Sequence[str], Notes, Mappers], Figures]
    per_machine: bool


def priced(group: Group, metrics: Sequence[str], mappers: Mappers) -> tuple[dict[str, Floats], Notes]:
    """Figures of every point of a group, not a number where there is none, and what is wrong with those points.

    Parameters
    ----------
    group
        The points.
    metrics
        Names of :data:`METRICS`.
    mappers
        What maps layers.
    """
    figures = {name: np.full(len(group), np.nan) for name in metrics}
    notes: Notes = {}
    for part, names in parts(group, metrics):
        guarded(part, group, np.arange(len(group)), names, figures, notes, mappers)
    return figures, notes


def parts(group: Group, metrics: Sequence[str]) -> Iterator[tuple[Part, list[str]]]:
    """Parts of the work, each with its metrics."""
    alone = group.kind == "layer"
    for names, part in (
        ((*COUNTED, *BOUNDS), Part(counted, per_machine=False)),
        (MAPPED, Part(mapped if alone else scheduled, per_machine=True)),
        (MEMORY, Part(remembered, per_machine=False)),
    ):
        chosen = [name for name in metrics if name in names]
        if chosen:
            yield part, chosen


def list_nests(group: Group, metrics: Sequence[str], mappers: Mappers) -> None:
    """Ask for the mappings through all memories that the metrics need, and for nothing else."""
    if group.kind == "layer" and any(name in NESTED for name in metrics):
        guarded(Part(asking, per_machine=True), group, np.arange(len(group)), (), {}, {}, mappers)


def asking(group: Group, points: Ints, _names: Sequence[str], _notes: Notes, mappers: Mappers) -> Figures:
    """Nothing but the question of how layers are mapped."""
    mapped_estimate(group, points, mappers, Refusals(points)).joint  # noqa: B018 - asked for when it is looked at
    return {}


def guarded(
    part: Part,
    group: Group,
    points: Ints,
    names: Sequence[str],
    figures: Mapping[str, Floats],
    notes: Notes,
    mappers: Mappers,
) -> None:
    """Fill in the figures of some points; where that fails, halves are tried until the points that fail are found."""
    try:
        for name, column in part.figures(group, points, names, notes, mappers).items():
            figures[name][points] = column
    except CostModelError as error:
        networks = np.unique(group.network_of[points])
        if networks.size > 1:
            below = group.network_of[points] < networks[networks.size // 2]
        elif part.per_machine and points.size > 1:
            below = np.arange(points.size) < points.size // 2
        else:
            note(notes, points, group.subject.reason(problem(error)))
            return
        for half in (points[below], points[~below]):
            guarded(part, group, half, names, figures, notes, mappers)


def note(notes: Notes, points: Ints, text: str) -> None:
    """Keep a problem of points that have none."""
    for point in points.tolist():
        notes.setdefault(point, text)


# ---- networks and tables


def built(group: Group, networks: Ints) -> Graph:
    """One graph for some networks of a group.

    Raises
    ------
    CostModelError
        The builder refuses one of them.
    """
    graph = group.subject.build(**group.named(networks))
    if not graph.layers:
        raise NetworkError(f"{graph.name}: has no layers; add some before it is priced, or return the right graph")
    return graph


def estimated(group: Group, table: LayerTable, **more: Any) -> Estimate:  # noqa: ANN401 - fields of an estimate
    """Columns of a table at the batch and the widths of a group."""
    precision = precision_of(table, group.profile, group.dtype, group.bits)
    return Estimate(table.with_batch(group.batch), group.profile, precision, **more)


# ---- counts and bounds


def counted(group: Group, points: Ints, names: Sequence[str], _notes: Notes, _mappers: Mappers) -> Figures:
    """Totals of the networks of some points, and the bounds that follow from them."""
    chosen = group.network_of[points]
    first, which = distinct(chosen)
    estimate = estimated(group, built(group, chosen[first]).table())
    found = {name: spread(total(estimate, name), which) for name in names if name in COUNTED}
    bounds = {name: bound for name, bound in BOUND_OF.items() if name in names}
    if bounds:
        jointly = objective_of(group, estimate) is not None
        totals, hardware = at_points(bound_totals(estimate, jointly=jointly), which), group.hardware(points)
        found |= {name: bound(totals, hardware, jointly=jointly) for name, bound in bounds.items()}
    return found


BOUND_OF: Final = {"energy_bound_j": energy_bound_j, "latency_bound_s": latency_bound_s}


def spread(column: NDArray[Any], which: Ints) -> Floats:
    """A column of distinct networks at points."""
    return np.asarray(column if column.size == 1 else column[which], dtype=np.float64)


# ---- the mapper


def objective_of(group: Group, estimate: Estimate) -> Objective | None:
    """What layers are mapped for through all memories, as an analysis has it: as asked, or as the profile declares.

    Raises
    ------
    InputError
        It is asked for, and cannot be met.
    """
    asked = None if group.objective is None else checked_objective(group.objective)
    reason = boundary_by_boundary(estimate, group.kind)
    if asked and reason:
        raise InputError(f"objective {asked}: {reason}; leave one of them out")
    return group.profile.objective if group.objective is None and not reason else asked


def mapped(group: Group, points: Ints, names: Sequence[str], notes: Notes, mappers: Mappers) -> Figures:
    """Figures of layers that are mapped each by itself, all points at once."""
    refusals = Refusals(points)
    estimate = mapped_estimate(group, points, mappers, refusals)
    figures = {name: np.array(np.broadcast_to(total(estimate, name), points.size), dtype=np.float64) for name in names}
    for place, text in refusals.notes.items():
        note(notes, points[[place]], text)
        for column in figures.values():
            column[place] = np.nan
    return figures


def mapped_estimate(group: Group, points: Ints, mappers: Mappers, refusals: Refusals) -> Estimate:
    """The estimate of some points whose layers are mapped each by itself."""
    networks = group.network_of[points]
    alike = networks[:1] if (networks == networks[0]).all() else networks
    plain = estimated(group, built(group, alike).table())
    found = replace(
        plain,
        hardware=group.hardware(points),
        hardware_points=points.size if group.constants else 1,
        mapper=partial(mappers.layers.moved, refuse=refusals.refuse),
    )
    objective = objective_of(group, plain)
    if objective is None:
        return found
    each = partial(joint_costs_at, machines=group.machines(points), nests=mappers.nests, refuse=refusals.refuse_point)
    return replace(found, objective=objective, joint_mapper=each)


class Refusals:
    """Points at which a layer cannot be tiled into a memory, by place, with what an analysis would say."""

    def __init__(self, points: Ints) -> None:
        self.count = points.size
        self.notes: Notes = {}

    def refuse_point(self, point: int, points: int, text: str) -> None:
        """Note a point, one of as many, that does not fit; one stands for all."""
        for place in range(self.count) if points == 1 else [point]:
            self.notes.setdefault(place, text)

    def refuse(self, table: LayerTable, rows: Ints, places: Places, level: MemoryLevel, unit: int) -> None:
        """Note the points that do not fit; the rest goes on."""
        good = places.found[:, -1].astype(np.bool_)[places.which]
        points = good.shape[1]
        for point in np.flatnonzero(~good.all(axis=0)).tolist():
            wrong = np.flatnonzero(~good[:, point])
            text = refusal(table, rows[wrong], places.problems(places.which[wrong, point]), at_point(level, point), unit)
            self.refuse_point(point, points, text)


def refusal(table: LayerTable, rows: Ints, problems: Problems, level: MemoryLevel, unit: int) -> str:
    """What an analysis would say of rows that do not fit."""
    try:
        checked(table, rows, problems, solve(problems, capacity_bits(level) * unit), level, unit)
    except MappingError as error:
        return problem(error)
    raise AssertionError("a layer that fits was refused")


def at_point(level: MemoryLevel, point: int) -> MemoryLevel:
    """A memory as it is at one design point."""
    constant = level.capacity_bytes
    if constant is None or not isinstance(constant.value, np.ndarray):
        return level
    return replace(level, capacity_bytes=replace(constant, value=float(constant.value[point % constant.value.size])))


# ---- one by one


def scheduled(group: Group, points: Ints, names: Sequence[str], notes: Notes, _mappers: Mappers) -> Figures:
    """Figures under a schedule across layers; what schedules of one network share is worked out once."""
    figures = {name: np.full(points.size, np.nan) for name in names}
    for places, estimate in scheduled_estimates(group, points):
        try:
            found = estimate()
            for name in names:
                figures[name][places] = total(found, name)
        except MappingError as error:
            note(notes, points[places], problem(error))
    return figures


def scheduled_estimates(group: Group, points: Ints) -> Iterator[tuple[Ints, Callable[[], Estimate]]]:
    """The place of every point, and what gives its estimate under its schedule; networks one after the other."""
    for network in np.unique(group.network_of[points]):
        graph = built(group, np.array([network]))
        estimate = estimated(group, graph.table())
        objective_of(group, estimate)
        scheduler = Scheduler(graph, estimate.table, estimate.off_chip_widths, group.batch)
        for place in np.flatnonzero(group.network_of[points] == network).tolist():
            yield np.array([place]), partial(with_schedule, group, int(points[place]), estimate, scheduler)


def with_schedule(group: Group, point: int, estimate: Estimate, scheduler: Scheduler) -> Estimate:
    """The estimate of one point under its schedule."""
    hardware = group.hardware_of(point)
    schedule = scheduler.schedule(hardware, group.kind, checked_phase(group.state))
    return Estimate(estimate.table, hardware, estimate.precision, schedule)


def remembered(group: Group, points: Ints, names: Sequence[str], _notes: Notes, _mappers: Mappers) -> Figures:
    """Memory of the activations alive at once, in the order of the program."""
    networks, which = np.unique(group.network_of[points], return_inverse=True)
    live = {"live": CONVENTIONS["live"]}
    peaks = [
        memory_of(
            built(group, np.array([network])), group.profile, group.batch, group.dtype, group.bits, live, "live", "program"
        ).peak_bytes
        for network in networks
    ]
    return {name: spread(np.array(peaks), which) for name in names}
