"""Networks priced while hardware, batch, number format or schedule vary: where a network begins to fit, and what it saves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from costmodel.analysis import SCHEMA_VERSION, Analysis, analysis_of, estimate_of, single
from costmodel.comparison import Factor, factors_of
from costmodel.errors import CostModelError, InputError, MappingError
from costmodel.explore.axes import HARDWARE, MOST_POINTS, Axis, Value
from costmodel.precision import FORMAT_BITS, parse_bits
from costmodel.results import Recorded
from costmodel.schedule import Scheduler, checked_kind, checked_phase

if TYPE_CHECKING:
    from costmodel.estimate import Estimate
    from costmodel.graph import Graph
    from costmodel.hardware import HardwareProfile
    from costmodel.schedule import Kind, Phase

SETTINGS = ("batch", "dtype", "bits", "schedule", "state")
"""What an analysis takes beside the network and the hardware."""
FIGURES = ("dram_bytes", "lower_bytes", "bound_bytes", "energy_j", "latency_s")


@dataclass(frozen=True)
class Subject:
    """A network with the widths that are its own: these do not vary."""

    name: str
    graph: Graph
    dtype: str | None = None
    bits: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Point:
    """One network at one value of every axis; for the whole batch.

    ``precision``, ``schedule`` and ``state`` are what was priced. ``lower_bytes`` no schedule undercuts, ``bound_bytes`` is
    what every schedule moves. Where a layer cannot be tiled into the memory, ``problem`` says so and the figures are zero.
    """

    network: str
    at: tuple[Value, ...]
    batch: int
    precision: str
    schedule: Kind
    state: Phase
    dram_bytes: int = 0
    lower_bytes: int = 0
    bound_bytes: int = 0
    energy_j: float = 0.0
    latency_s: float = 0.0
    problem: str = ""

    @property
    def fits(self) -> bool:
        """Whether nothing crosses but inputs, outputs and what must be loaded."""
        return not self.problem and self.dram_bytes <= self.bound_bytes


@dataclass(frozen=True)
class Reason:
    """Why the first network moves so many times the bytes of another, where that ratio is largest or smallest.

    The factors multiply to the ratio of the off-chip energies.
    """

    other: str
    at: tuple[Value, ...]
    ratio: float
    factors: tuple[Factor, ...]


@dataclass(frozen=True, repr=False)
class Variation(Recorded):
    """Networks on one piece of hardware while something varies; points in order of the axes, networks fastest."""

    hardware: HardwareProfile
    axes: tuple[Axis, ...]
    networks: tuple[str, ...]
    points: tuple[Point, ...]
    reasons: tuple[Reason, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "hardware": self.hardware.name,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "points": self.records(),
            "reasons": [asdict(reason) for reason in self.reasons],
        }

    def records(self) -> list[dict[str, Any]]:
        """One record per point; figures that could not be worked out are None."""
        names = [axis.name for axis in self.axes]
        found = []
        for point in self.points:
            figures = {name: value for name, value in vars(point).items() if name != "at"}
            if point.problem:
                figures |= dict.fromkeys(FIGURES)
            found.append({**dict(zip(names, point.at, strict=True)), **figures, "fits": point.fits})
        return found


def with_widths(spec: str) -> tuple[str, str | None, dict[str, int] | None]:
    """Split ``squeezenet@int8`` or ``squeezenet@weight=3`` into the network and the widths that are its own.

    >>> with_widths("squeezenet@weight=3"), with_widths("alexnet@fp32"), with_widths("a@b.onnx")
    (('squeezenet', None, {'weight': 3}), ('alexnet', 'fp32', None), ('a@b.onnx', None, None))
    """
    name, at, widths = spec.rpartition("@")
    if at and widths in FORMAT_BITS:
        return name, widths, None
    if at and re.fullmatch(r"\w+=\d+(,\w+=\d+)*", widths):
        return name, None, parse_bits(widths)
    return spec, None, None


def variation_of(
    subjects: Sequence[Subject],
    hardware: HardwareProfile,
    axes: Sequence[Axis],
    batch: int,
    schedule: str | None,
    state: str,
) -> Variation:
    """Every network at every combination of the axes; see :func:`costmodel.vary`."""
    checked_extent(subjects, axes)
    settings = {"batch": batch, "schedule": schedule, "state": state, "dtype": None}
    pricers = [_Pricer(subject, hardware, [axis.name for axis in axes], settings) for subject in subjects]
    combined = list(product(*(axis.values for axis in axes)))
    smallest_first = sorted(combined, key=pricers[0].size_bytes)
    for pricer in pricers:
        pricer.largest_bytes = pricer.size_bytes(smallest_first[-1])
    columns = [{at: pricer.point(at) for at in smallest_first} for pricer in pricers]
    points = tuple(column[at] for at in combined for column in columns)
    reasons = [reason for other in range(1, len(pricers)) for reason in _reasons(pricers, columns, combined, other)]
    return Variation(hardware, tuple(axes), tuple(subject.name for subject in subjects), points, tuple(reasons))


def _reasons(
    pricers: Sequence[_Pricer],
    columns: Sequence[Mapping[tuple[Value, ...], Point]],
    combined: Sequence[tuple[Value, ...]],
    other: int,
) -> Iterator[Reason]:
    """Where the ratio of the first network to another is largest and smallest, each with its factors."""
    ratios = {
        at: columns[0][at].dram_bytes / columns[other][at].dram_bytes
        for at in combined
        if not columns[0][at].problem and columns[other][at].dram_bytes
    }
    ends = (max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)) if ratios else ()
    for at in dict.fromkeys(ends):
        factors = factors_of(pricers[0].analysis(at), pricers[other].analysis(at))
        yield Reason(pricers[other].subject.name, at, ratios[at], factors)


def checked_extent(subjects: Sequence[Subject], axes: Sequence[Axis]) -> None:
    """Refuse nothing, the same axis twice, and more points than anybody waits for."""
    if not subjects:
        raise InputError("vary: no network given; give at least one")
    if not axes:
        raise InputError("vary: nothing varies; give an axis")
    names = [axis.name for axis in axes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"vary: {', '.join(twice)} varies twice; give all its values at once")
    count = prod(len(axis.values) for axis in axes) * len(subjects)
    if count > MOST_POINTS:
        raise InputError(f"vary: {count} points; at most {MOST_POINTS} are priced at once: take fewer values")


class _Pricer:
    """Prices one network at many points; what schedules share is worked out once per batch and number format."""

    def __init__(self, subject: Subject, hardware: HardwareProfile, names: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.subject, self.hardware, self.names, self.settings = subject, hardware, names, settings
        self.schedulers: dict[tuple[int, str], Scheduler] = {}
        self.largest_bytes = 0

    def size_bytes(self, at: tuple[Value, ...]) -> int:
        """Size of the first memory on chip at a point [B]; smaller ones come first, since larger ones can do what they do."""
        level = self.hardware.levels[1]
        given = [int(v) for name, v in zip(self.names, at, strict=True) if name == f"{HARDWARE}{level.name}.capacity"]
        return given[0] if given else level.total_bytes or 0

    def chosen(self, at: tuple[Value, ...]) -> tuple[HardwareProfile, dict[str, Any]]:
        """Hardware and settings of a point; widths that are the network's own win."""
        settings = {**self.settings, **dict(zip(self.names, at, strict=True))}
        hardware = self.hardware
        for name, value in settings.items():
            if name.startswith(HARDWARE):
                hardware = hardware.with_constant(name.removeprefix(HARDWARE), float(value))
        return hardware, settings | {"dtype": self.subject.dtype or settings["dtype"], "bits": self.subject.bits}

    def analysis(self, at: tuple[Value, ...]) -> Analysis:
        """The whole analysis of a point."""
        hardware, settings = self.chosen(at)
        return analysis_of(self.subject.graph, hardware, *(settings[name] for name in SETTINGS))

    def point(self, at: tuple[Value, ...]) -> Point:
        """One point."""
        hardware, settings = self.chosen(at)
        batch, dtype, bits, schedule, state = (settings[name] for name in SETTINGS)
        kind, phase = checked_kind(schedule, hardware), checked_phase(state)
        graph = self.subject.graph
        estimate = single(graph, estimate_of(graph, hardware, batch, dtype, bits))
        unpriced = Point(self.subject.name, at, batch, estimate.precision.name, kind, phase)
        try:
            return self._priced(unpriced, estimate)
        except MappingError as error:
            return replace(unpriced, problem=problem(error))

    def _priced(self, point: Point, estimate: Estimate) -> Point:
        hardware, key = estimate.hardware, (point.batch, point.precision)
        if key not in self.schedulers:
            largest_bits = self.largest_bytes * 8
            made = Scheduler(self.subject.graph, estimate.table, estimate.off_chip_widths, point.batch, largest_bits)
            self.schedulers[key] = made
        scheduler = self.schedulers[key]
        schedule = scheduler.schedule(hardware, point.schedule, point.state)
        estimate = replace(estimate, schedule=schedule)
        return replace(
            point,
            dram_bytes=schedule.dram_bytes,
            lower_bytes=schedule.lower_bytes,
            bound_bytes=scheduler.bound_bytes(hardware, point.schedule, point.state),
            energy_j=float(estimate.energy_j().sum()),
            latency_s=float(estimate.latency_s().sum()),
        )


def problem(error: CostModelError) -> str:
    """The first problem, and how many more there are.

    >>> problem(MappingError("conv1: cannot be tiled", "conv2: cannot be tiled"))
    'conv1: cannot be tiled (and 1 more problem)'
    """
    first, *more = error.problems
    return f"{first} (and {len(more)} more problem{'s' if len(more) > 1 else ''})" if more else first
