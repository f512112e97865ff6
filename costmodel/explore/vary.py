"""Networks priced while hardware, batch, number format or schedule vary: where a network begins to fit, and what it saves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from costmodel.analysis import SCHEMA_VERSION, Analysis, analysis_of, checked_batch, estimate_of
from costmodel.comparison import Factor, factors_of
from costmodel.errors import CostModelError, InputError, MappingError
from costmodel.hardware.variation import field_of
from costmodel.precision import FORMAT_BITS, parse_bits
from costmodel.schedule import KINDS, PHASES, Scheduler, checked_kind, checked_phase
from costmodel.units import parse, quantity

if TYPE_CHECKING:
    import pandas as pd

    from costmodel.graph import Graph
    from costmodel.hardware import HardwareProfile

HARDWARE: Final = "hw."
ON_CHIP: Final = "hw.sram"
"""Stands for the capacity of the first memory on chip, whatever the profile calls it."""
WORDS: Final[Mapping[str, Sequence[str]]] = {"dtype": tuple(FORMAT_BITS), "schedule": KINDS, "state": PHASES}
MOST_VALUES: Final = 10_000
Value = str | int | float


@dataclass(frozen=True)
class Axis:
    """What varies: a constant of the hardware (``hw.vtcm.capacity``), ``batch``, ``dtype``, ``schedule`` or ``state``."""

    name: str
    values: tuple[Value, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Subject:
    """A network with the widths that are its own."""

    name: str
    graph: Graph
    dtype: str | None = None
    bits: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Point:
    """One network at one value of every axis; for the whole batch.

    ``lower_bytes`` no schedule undercuts, ``bound_bytes`` is what every schedule moves. Where a layer cannot be tiled into
    the memory, `problem` says so and the figures are zero.
    """

    network: str
    at: tuple[Value, ...]
    batch: int
    dram_bytes: int
    lower_bytes: int
    bound_bytes: int
    energy_j: float
    latency_s: float
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
class Variation:
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
        """One record per point."""
        names = [axis.name for axis in self.axes]
        found = []
        for point in self.points:
            figures = {name: value for name, value in vars(point).items() if name != "at"}
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


# ---- what varies


def axis_of(name: str, values: str | Sequence[Any], hardware: HardwareProfile) -> Axis:
    """An axis from values, or from a text as on the command line: ``a,b,c`` or ``START:STOP:STEP``, STEP ``2x`` or a size.

    Raises
    ------
    InputError
        Unknown names, values that make no sense for them, or a range without end.
    """
    full = constant_name(name, hardware)
    if full == "batch":
        found: list[Value] = [checked_batch(value) for value in numbers(name, values, "")]
        return Axis(full, tuple(found), tuple(map(str, found)))
    if full in WORDS:
        words = values.split(",") if isinstance(values, str) else [str(value) for value in values]
        unknown = [word for word in words if word not in WORDS[full]]
        if unknown or not words:
            raise InputError(f"vary: {', '.join(unknown) or 'nothing'} given for {name}; it takes {', '.join(WORDS[full])}")
        return Axis(full, tuple(words), tuple(words))
    unit = field_of(full.removeprefix(HARDWARE)).unit
    sizes = [float(value) for value in numbers(name, values, unit)]
    return Axis(full, tuple(sizes), tuple(quantity(size, unit) for size in sizes))


def constant_name(name: str, hardware: HardwareProfile) -> str:
    """Name of what varies in full: a level stands for its capacity, ``hw.sram`` for that of the first memory on chip."""
    known = [HARDWARE + path for path in hardware.settable_names()]
    levels = [HARDWARE + level.name for level in hardware.levels]
    if name in known or name in ("batch", *WORDS):
        return name
    if name in levels:
        return f"{name}.capacity"
    if name == ON_CHIP:
        return f"{levels[1]}.capacity"
    raise InputError(f"vary: {name!r} cannot vary on {hardware.name}; use {ON_CHIP}, batch, {', '.join([*WORDS, *known])}")


def numbers(name: str, values: str | Sequence[Any], unit: str) -> list[Any]:
    """Numbers in base units from a text or a sequence."""
    if not isinstance(values, str):
        return [number(name, value, unit) for value in values]
    if ":" not in values:
        return [number(name, value, unit) for value in values.split(",")]
    parts = [part.strip() for part in values.split(":")]
    if len(parts) != 3:
        raise InputError(f"vary: {name}={values} is not START:STOP:STEP; write for example 32KiB:16MiB:2x")
    start, stop = number(name, parts[0], unit), number(name, parts[1], unit)
    factor = re.fullmatch(r"(\d+(?:\.\d+)?)x", parts[2])
    step = float(factor[1]) if factor else number(name, parts[2], unit)
    if start > stop or (step <= 1 if factor else step <= 0):
        raise InputError(f"vary: {name}={values} does not end; START must not exceed STOP, and STEP must lead there")
    return list(ranged(name, start, stop, step, grows=bool(factor)))


def ranged(name: str, start: float, stop: float, step: float, *, grows: bool) -> Iterator[float]:
    """Values from start to stop, stop included where a step meets it."""
    for count in range(MOST_VALUES):
        value = start * step**count if grows else start + step * count
        if value > stop * (1 + 1e-9):
            return
        yield int(value) if float(value).is_integer() else value
    raise InputError(f"vary: {name} takes more than {MOST_VALUES} values; take longer steps")


def number(name: str, text: Any, unit: str) -> float:  # noqa: ANN401 - a text or a number
    """A quantity in its base unit; a plain number is in it already."""
    if not isinstance(text, str):
        return text  # type: ignore[no-any-return]  # what is no number is refused where it is used
    plain = text.strip()
    if re.fullmatch(r"\d+", plain):
        return int(plain)
    try:
        return parse(plain, unit) if unit else float(plain)
    except (CostModelError, ValueError):
        wanted = f"a quantity in {unit}" if unit else "a whole number"
        raise InputError(f"vary: {name} is {text!r}; write {wanted}") from None


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


# ---- prices


def variation_of(
    subjects: Sequence[Subject],
    hardware: HardwareProfile,
    axes: Sequence[Axis],
    batch: int,
    schedule: str | None,
    state: str,
) -> Variation:
    """Every network at every combination of the axes; see :func:`costmodel.vary`."""
    if not subjects:
        raise InputError("vary: no network given; give at least one")
    twice = {axis.name for axis in axes if sum(other.name == axis.name for other in axes) > 1}
    if twice or not axes:
        raise InputError(f"vary: {', '.join(sorted(twice))} varies twice" if twice else "vary: nothing varies; give an axis")
    settings = {"batch": batch, "schedule": schedule, "state": state, "dtype": None}
    pricers = [_Pricer(subject, hardware, [axis.name for axis in axes], settings) for subject in subjects]
    combined = list(product(*(axis.values for axis in axes)))
    largest_first = sorted(combined, key=pricers[0].order)
    columns = [{at: pricer.point(at) for at in largest_first} for pricer in pricers]
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


class _Pricer:
    """Prices one network at many points; what schedules share is worked out once per batch and number format."""

    def __init__(self, subject: Subject, hardware: HardwareProfile, names: Sequence[str], settings: Mapping[str, Any]) -> None:
        self.subject, self.hardware, self.names, self.settings = subject, hardware, names, settings
        self.schedulers: dict[tuple[Any, Any], Scheduler] = {}

    def order(self, at: tuple[Value, ...]) -> float:
        """Larger memories first, so that smaller ones find what they share worked out."""
        level = self.hardware.levels[1].name
        sizes = [float(v) for name, v in zip(self.names, at, strict=True) if name == f"{HARDWARE}{level}.capacity"]
        return -sum(sizes)

    def chosen(self, at: tuple[Value, ...]) -> tuple[dict[str, Any], HardwareProfile]:
        """Settings and hardware of a point."""
        settings = {**self.settings, **dict(zip(self.names, at, strict=True))}
        hardware = self.hardware
        for name, value in settings.items():
            if name.startswith(HARDWARE):
                hardware = hardware.with_constant(name.removeprefix(HARDWARE), float(value))
        return settings, hardware

    def analysis(self, at: tuple[Value, ...]) -> Analysis:
        """The whole analysis of a point."""
        settings, hardware = self.chosen(at)
        dtype = settings["dtype"] or self.subject.dtype
        widths = (settings["batch"], dtype, self.subject.bits)
        return analysis_of(self.subject.graph, hardware, *widths, settings["schedule"], settings["state"])

    def point(self, at: tuple[Value, ...]) -> Point:
        """One point."""
        settings, hardware = self.chosen(at)
        try:
            return self._priced(at, hardware, settings)
        except MappingError as error:
            return Point(self.subject.name, at, settings["batch"], 0, 0, 0, 0.0, 0.0, error.problems[0])

    def _priced(self, at: tuple[Value, ...], hardware: HardwareProfile, chosen: Mapping[str, Any]) -> Point:
        subject, batch = self.subject, chosen["batch"]
        dtype = chosen["dtype"] or subject.dtype
        kind, phase = checked_kind(chosen["schedule"], hardware), checked_phase(chosen["state"])
        estimate = estimate_of(subject.graph, hardware, batch, dtype, subject.bits)
        key = (batch, dtype)
        if key not in self.schedulers:
            self.schedulers[key] = Scheduler(subject.graph, estimate.table, estimate.off_chip_widths, batch)
        scheduler = self.schedulers[key]
        schedule = scheduler.schedule(hardware, kind, phase)
        estimate = replace(estimate, schedule=schedule)
        bound = scheduler.bound_bytes(hardware, "fused" if kind != "layer" else "layer", phase)
        energy, latency = float(estimate.energy_j().sum()), float(estimate.latency_s().sum())
        return Point(subject.name, at, batch, schedule.dram_bytes, schedule.lower_bytes, bound, energy, latency)
