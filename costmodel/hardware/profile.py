"""A hardware profile at run time: frozen dataclasses in base units, every number with source and range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Final, Literal, get_args

from costmodel.errors import HardwareError
from costmodel.units import quantity

Tier = Literal["measured", "datasheet", "literature", "calibrated", "scaled", "assumed"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)
LevelKind = Literal["backing", "scratchpad", "cache"]
LEVEL_KINDS: Final[tuple[LevelKind, ...]] = get_args(LevelKind)
Residency = Literal["none", "activations", "all"]
RESIDENCIES: Final[tuple[Residency, ...]] = get_args(Residency)
Objective = Literal["energy", "latency", "edp", "dram_bytes"]
OBJECTIVES: Final[tuple[Objective, ...]] = get_args(Objective)
LEVEL_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
RESERVED_LEVELS: Final = ("compute", "static_power", "layer_overhead")
"""Words of a constant's path that are no memory level."""

Format = Literal["int4", "int8", "int16", "fp16", "bf16", "fp32"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
OPERANDS: Final = ("weight", "ifmap", "ofmap")
LOOP_DIMS: Final = tuple("ngkcpqrs")

TIER_RATIO: Final[Mapping[str, float]] = {
    "measured": 1.05,
    "datasheet": 1.1,
    "literature": 1.25,
    "calibrated": 1.35,
    "scaled": 1.5,
    "assumed": 2.0,
}
"""Range of a constant whose file gives none: from value / ratio to value * ratio."""

ASSUMED: Final = "assumed"
"""Source of a constant that has none: its `where` holds the reasoning."""

GIVEN_BY_USER: Final = "given by the user"


@dataclass(frozen=True)
class Constant:
    """One number of a profile.

    Attributes
    ----------
    name
        Dotted path in the profile, such as ``dram.read_energy``.
    value, low, high
        In the base unit ``unit``; low <= value <= high.
    unit
        ``pJ/B``, ``pJ`` (per MAC), ``B``, ``B/s``, ``Hz``, ``s``, ``W``, ``MAC/cycle`` or ``MAC``.
    source
        Key of the bibliography, ``assumed``, or "given by the user".
    where
        Place in the source, or the reasoning behind an assumption.
    tier
        measured, datasheet, literature, scaled or assumed.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    source: str
    where: str
    tier: Tier

    def __str__(self) -> str:
        """Write name, value and range for people.

        >>> print(Constant("dram.read_energy", 160.0, 80.0, 320.0, "pJ/B", "han2015", "Fig. 1", "literature"))
        dram.read_energy = 160 pJ/B (80 pJ/B to 320 pJ/B), literature: han2015, Fig. 1
        """
        spread = "" if self.exact else f" ({self._text(self.low)} to {self._text(self.high)})"
        return f"{self.name} = {self.text}{spread}, {self.tier}: {self.source}, {self.where}"

    @property
    def exact(self) -> bool:
        """Whether the range is a single value."""
        return self.low == self.high

    @property
    def text(self) -> str:
        """The value with a prefix chosen for people."""
        return self._text(self.value)

    def _text(self, value: float) -> str:
        return quantity(value, self.unit)


@dataclass(frozen=True)
class Source:
    """An entry of the bibliography; `read` says how the figures were seen when not in the source itself."""

    key: str
    title: str
    authors: str = ""
    venue: str = ""
    year: int | None = None
    doi: str = ""
    url: str = ""
    read: str = ""
    tier: Tier = "literature"

    @property
    def reference(self) -> str:
        """One line for a bibliography.

        >>> Source("x", "A title", authors="A. Author", venue="A journal", year=2017, doi="10.1/2").reference
        'A. Author: A title. A journal, 2017. https://doi.org/10.1/2'
        """
        head = f"{self.authors}: {self.title}" if self.authors else self.title
        place = ", ".join(str(part) for part in (self.venue, self.year) if part)
        link = f"https://doi.org/{self.doi}" if self.doi else self.url
        return ". ".join(part for part in (head, place, link) if part)


@dataclass(frozen=True)
class MemoryLevel:
    """One memory; ``None`` stands for a capacity without bound or a bandwidth that never limits.

    Attributes
    ----------
    macs_per_access
        On the innermost level only: how many MACs one element read there (or one partial sum read and written) feeds, by
        operand.
    parts
        Size of the part that an operand has for itself, by operand [B]; the rest of the capacity is for the others.
    holds
        Operands that it may hold.
    bypass
        Operands of these that may pass it by where that is cheaper.
    stationary
        The operand that stays in place while the innermost loop around its tile runs, as the machine is built; None where the
        mapping chooses.
    instances
        How many of them there are: as many as processing elements where each has its own, which ``capacity_bytes`` and
        ``parts`` then speak of.
    """

    name: str
    kind: LevelKind
    capacity_bytes: Constant | None
    read_pj_per_byte: Constant
    write_pj_per_byte: Constant
    bandwidth_bytes_per_s: Constant | None
    double_buffered: bool = False
    macs_per_access: Mapping[str, Constant] = field(default_factory=dict)
    parts: Mapping[str, Constant] = field(default_factory=dict)
    holds: tuple[str, ...] = OPERANDS
    bypass: tuple[str, ...] = ()
    per_element: bool = False
    instances: int = 1
    stationary: str | None = None

    @property
    def total_bytes(self) -> int | None:
        """Size of all instances together [B]; None without bound."""
        return None if self.capacity_bytes is None else int(self.capacity_bytes.value) * self.instances


@dataclass(frozen=True)
class ArrayAxis:
    """One axis of the array of multipliers and the loop dimensions that may be unrolled along it.

    With ``multicast`` a value that several units along it want is read once, with ``reduction`` their partial sums are added
    on the way out; without, each unit reads and writes by itself.
    """

    size: int
    dims: tuple[str, ...]
    multicast: bool = True
    reduction: bool = True


@dataclass(frozen=True)
class Compute:
    """The multipliers: clock [Hz], and per number format MACs per cycle and energy per MAC [pJ]."""

    clock_hz: Constant
    macs_per_cycle: Mapping[str, Constant]
    mac_pj: Mapping[str, Constant]
    array: Mapping[str, ArrayAxis] | None = None

    @property
    def elements(self) -> int:
        """Processing elements of the array; 1 where there is none."""
        return elements(self.array)


def elements(array: Mapping[str, ArrayAxis] | None) -> int:
    """Processing elements of an array; 1 where there is none."""
    return prod(axis.size for axis in (array or {}).values())


@dataclass(frozen=True)
class HardwareProfile:
    """A piece of hardware: memories from the backing store inwards, multipliers, and what is spent anyway.

    ``psum_bits`` is the width of partial sums of integer formats (floating-point formats add at 32 bits);
    ``overlap`` says whether transfers overlap with compute; ``residency`` what may stay in the first memory on chip
    beyond one layer (``all``: activations, and weights for ever), ``fusion`` whether layers are cascaded in stripes;
    ``objective`` what layers are mapped for through all memories at once, None where each boundary is priced by itself;
    ``bibliography`` holds the sources that the constants cite.
    """

    name: str
    title: str
    default_dtype: str
    psum_bits: int
    levels: tuple[MemoryLevel, ...]
    compute: Compute
    static_w: Constant
    layer_overhead_s: Constant
    overlap: bool
    file: Path
    description: str = ""
    bibliography: Mapping[str, Source] = field(default_factory=dict)
    residency: Residency = "none"
    fusion: bool = False
    objective: Objective | None = None

    @cached_property
    def _by_name(self) -> dict[str, Constant]:
        found = [constant for level in self.levels for constant in _level_constants(level)]
        found += [self.compute.clock_hz, *self.compute.macs_per_cycle.values(), *self.compute.mac_pj.values()]
        return {constant.name: constant for constant in (*found, self.static_w, self.layer_overhead_s)}

    def constants(self) -> tuple[Constant, ...]:
        """Return every constant, memories first, from the backing store inwards."""
        return tuple(self._by_name.values())

    def assumptions(self) -> tuple[Constant, ...]:
        """Return the constants that rest on no source."""
        return tuple(constant for constant in self.constants() if constant.tier == "assumed")

    def sources(self) -> tuple[Source, ...]:
        """Return the bibliography entries that the constants cite, each once, in order of first use."""
        keys = dict.fromkeys(constant.source for constant in self.constants() if constant.source != ASSUMED)
        return tuple(self.bibliography[key] for key in keys if key in self.bibliography)

    def level(self, name: str) -> MemoryLevel:
        """Return the memory level of that name."""
        for level in self.levels:
            if level.name == name:
                return level
        names = [level.name for level in self.levels]
        raise HardwareError(
            f"{self.name}: no memory level {name!r}{did_you_mean(name, names)}: it has {', '.join(names)}"
        )

    def with_constant(
        self,
        path: str,
        value: str | float,
        *,
        low: str | float | None = None,
        high: str | float | None = None,
    ) -> HardwareProfile:
        """Return the same profile with another value for one constant, for what-if questions and sweeps.

        Parameters
        ----------
        path
            Name of the constant, such as ``"vtcm.capacity"`` (see `settable_names`).
        value
            A quantity (``"2 MiB"``), a number in the base unit, or ``"unlimited"`` for a bandwidth or the
            capacity of the backing store.
        low, high
            Its range; by default the value is taken as exact.

        Returns
        -------
        HardwareProfile
            A new profile; the constant's source is "given by the user" and its tier ``assumed``.

        Raises
        ------
        HardwareError
            An unknown path, or a value that a profile may not hold.
        """
        from costmodel.hardware.variation import Request, varied

        return varied(self, Request(path, value, low, high))

    def with_array(self, **sizes: int) -> HardwareProfile:
        """Return the same profile with other sizes of axes of its array of multipliers.

        MACs per cycle of every number format grow with the array; what else a larger array needs, such as register files or
        MACs that an access feeds, stays: change these with :meth:`with_constant`.

        Parameters
        ----------
        **sizes
            Size by name of the axis, such as ``rows=16``.

        Returns
        -------
        HardwareProfile
            A new profile; rates that changed say what they were, as constants given by the user do.

        Raises
        ------
        HardwareError
            No such axis, or no whole number from 1 on.

        Examples
        --------
        >>> from costmodel.hardware import load_hardware
        >>> load_hardware("eyeriss").with_array(rows=24).compute.macs_per_cycle["int16"].value
        336.0
        """
        from costmodel.hardware.columns import resized

        return resized(self, sizes)

    def settable_names(self) -> tuple[str, ...]:
        """Return the paths that `with_constant` accepts: every constant, and limits that are not set."""
        unset = [f"{level.name}.bandwidth" for level in self.levels if level.bandwidth_bytes_per_s is None]
        unset += [f"{level.name}.capacity" for level in self.levels if level.capacity_bytes is None]
        return (*self._by_name, *unset)


def _level_constants(level: MemoryLevel) -> tuple[Constant, ...]:
    found = (
        level.capacity_bytes,
        level.read_pj_per_byte,
        level.write_pj_per_byte,
        level.bandwidth_bytes_per_s,
    )
    given = tuple(constant for constant in found if constant is not None)
    return (*given, *level.macs_per_access.values(), *level.parts.values())


def room_problems(
    capacity_bytes: float, parts: Mapping[str, float], holds: tuple[str, ...]
) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with the parts of a level: the field below it that is at fault, and a sentence.

    >>> room_problems(10.0, {"weight": 10.0}, ("weight", "ifmap"))
    [(('holds',), 'no room for ifmap: the parts take all 10 B; give ifmap a part, or leave it out of holds')]
    """
    found: list[tuple[tuple[str, ...], str]] = []
    for operand in parts:
        if operand not in holds:
            text = f"a part for {operand}, which the level does not hold: add {operand} to holds, or take the part away"
            found.append((("parts", operand), text))
    together = sum(parts.values())
    if together > capacity_bytes:
        sizes = ", ".join(f"{operand} {size:.0f} B" for operand, size in parts.items())
        text = f"{sizes} are {together:.0f} B together, the capacity is {capacity_bytes:.0f} B: make them smaller or it larger"
        found.append((("parts",), text))
    without = [operand for operand in holds if operand not in parts]
    if together == capacity_bytes and without:
        names = " and ".join(without)
        text = f"no room for {names}: the parts take all {capacity_bytes:.0f} B; give {names} a part, or leave it out of holds"
        found.append((("holds",), text))
    return found


def did_you_mean(given: str, known: Any) -> str:  # noqa: ANN401 - any iterable of names
    """Return `` (did you mean 'x'?)`` when a known name is close, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
