"""Networks priced while hardware, batch, number format or schedule vary: where a network begins to fit, and what it saves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from costmodel.analysis import SCHEMA_VERSION, estimate_of, single
from costmodel.errors import InputError, MappingError
from costmodel.explore.axes import HARDWARE, MOST_POINTS, Axis, Value
from costmodel.precision import FORMAT_BITS, parse_bits
from costmodel.schedule import Scheduler, checked_kind, checked_phase

if TYPE_CHECKING:
    import pandas as pd

    from costmodel.estimate import Estimate
    from costmodel.graph import Graph
    from costmodel.hardware import HardwareProfile
    from costmodel.schedule import Kind, Phase

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


@dataclass(frozen=True, repr=False)
class Variation:
    """Networks on one piece of hardware while something varies; points in order of the axes, networks fastest."""

    hardware: HardwareProfile
    axes: tuple[Axis, ...]
    networks: tuple[str, ...]
    points: tuple[Point, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "hardware": self.hardware.name,
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "points": self.records(),
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

    def to_frame(self) -> pd.DataFrame:
        """One row per point."""
        import pandas as pd

        return pd.DataFrame.from_records(self.records())

    def __repr__(self) -> str:
        """Return the tables that the command line prints."""
        from costmodel.report import render

        return render(self, "text")

    def _repr_html_(self) -> str:
        """Return the tables for notebooks."""
        from costmodel.report import html_table

        return html_table(self)


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
    combined = list(product(*(axis.values for axis in axes)))
    found: dict[tuple[int, int], Point] = {}
    for column, subject in enumerate(subjects):
        pricer = _Pricer(subject, hardware, [axis.name for axis in axes], settings)
        for row in sorted(range(len(combined)), key=lambda row: pricer.order(combined[row])):
            found[row, column] = pricer.point(combined[row])
    points = tuple(found[row, column] for row in range(len(combined)) for column in range(len(subjects)))
    return Variation(hardware, tuple(axes), tuple(subject.name for subject in subjects), points)


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

    def order(self, at: tuple[Value, ...]) -> float:
        """Larger memories first, so that smaller ones find what they share worked out."""
        level = self.hardware.levels[1].name
        sizes = [float(v) for name, v in zip(self.names, at, strict=True) if name == f"{HARDWARE}{level}.capacity"]
        return -sum(sizes)

    def point(self, at: tuple[Value, ...]) -> Point:
        """One point."""
        subject, chosen = self.subject, {**self.settings, **dict(zip(self.names, at, strict=True))}
        hardware = self.hardware
        for name, value in chosen.items():
            if name.startswith(HARDWARE):
                hardware = hardware.with_constant(name.removeprefix(HARDWARE), float(value))
        kind, phase = checked_kind(chosen["schedule"], hardware), checked_phase(chosen["state"])
        dtype = subject.dtype or chosen["dtype"]
        estimate = single(subject.graph, estimate_of(subject.graph, hardware, chosen["batch"], dtype, subject.bits))
        unpriced = Point(subject.name, at, chosen["batch"], estimate.precision.name, kind, phase)
        try:
            return self._priced(unpriced, estimate)
        except MappingError as error:
            return replace(unpriced, problem=problem(error))

    def _priced(self, point: Point, estimate: Estimate) -> Point:
        hardware, key = estimate.hardware, (point.batch, point.precision)
        if key not in self.schedulers:
            self.schedulers[key] = Scheduler(self.subject.graph, estimate.table, estimate.widths, point.batch)
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


def problem(error: MappingError) -> str:
    """The first problem, and how many more there are.

    >>> problem(MappingError("conv1: cannot be tiled", "conv2: cannot be tiled"))
    'conv1: cannot be tiled (and 1 more problem)'
    """
    first, *more = error.problems
    return f"{first} (and {len(more)} more problem{'s' if len(more) > 1 else ''})" if more else first
