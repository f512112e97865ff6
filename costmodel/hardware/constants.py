"""The text of a constant (`"160 (80 to 320) pJ/B | han2015 | Figure 1"`) to a `Constant` in base units."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from costmodel.errors import CostModelError, HardwareError, UnitError
from costmodel.hardware.profile import ASSUMED, TIER_RATIO, Constant, Tier, did_you_mean
from costmodel.units import parse, quantity

DIMENSIONLESS: Final = ("MAC/cycle", "MAC")
UNLIMITED: Final = "unlimited"

Finding = tuple[str, str]
"""Which of a constant's fields is wrong (value, low, high, source, tier), and a sentence about it."""

_RANGE = re.compile(r"(?P<value>[^()]*?)\s*\(\s*(?P<low>\S+)\s+to\s+(?P<high>\S+)\s*\)\s*(?P<unit>[^()]*)")


class Field(NamedTuple):
    """What a field may hold: its unit, whether zero is allowed, when its default range is one value.

    ``exact`` is "always" (a size: another size is another machine), "sourced" (a design figure such as a
    clock: exact unless calibrated, scaled or assumed) or "never" (an energy, power, bandwidth or time: the tier's ratio).
    """

    unit: str
    positive: bool
    exact: str


CAPACITY: Final = Field("B", positive=True, exact="always")
BANDWIDTH: Final = Field("B/s", positive=True, exact="never")
ENERGY_PER_BYTE: Final = Field("pJ/B", positive=False, exact="never")
CLOCK: Final = Field("Hz", positive=True, exact="sourced")
MACS_PER_CYCLE: Final = Field("MAC/cycle", positive=True, exact="sourced")
MACS_PER_ACCESS: Final = Field("MAC", positive=True, exact="sourced")
MAC_ENERGY: Final = Field("pJ", positive=False, exact="never")
STATIC_POWER: Final = Field("W", positive=False, exact="never")
LAYER_OVERHEAD: Final = Field("s", positive=False, exact="never")

FIELDS: Final[Mapping[str, Field]] = {
    "capacity": CAPACITY,
    "parts": CAPACITY,
    "bandwidth": BANDWIDTH,
    "read_energy": ENERGY_PER_BYTE,
    "write_energy": ENERGY_PER_BYTE,
    "macs_per_access": MACS_PER_ACCESS,
    "clock": CLOCK,
    "macs_per_cycle": MACS_PER_CYCLE,
    "mac_energy": MAC_ENERGY,
    "static_power": STATIC_POWER,
    "layer_overhead": LAYER_OVERHEAD,
}
"""Fields by their name in a profile."""


class Given(NamedTuple):
    """A constant as a profile gives it, still text."""

    value: str | float
    low: str | float | None
    high: str | float | None
    source: str
    where: str
    tier: Tier | None


def split_shorthand(text: str) -> dict[str, str]:
    """Split the line ``VALUE | SOURCE | WHERE [| TIER]``, its range in parentheses before the unit.

    >>> split_shorthand("160 (80 to 320) pJ/B | han2015 | Figure 1")
    {'value': '160 pJ/B', 'low': '80 pJ/B', 'high': '320 pJ/B', 'source': 'han2015', 'where': 'Figure 1'}

    Raises
    ------
    HardwareError
        Fewer or more parts than that.
    """
    parts = [part.strip() for part in text.split("|")]
    if not 3 <= len(parts) <= 4 or not all(parts):
        raise HardwareError(
            f"{text!r} does not say where it comes from: write 'VALUE | SOURCE | WHERE', such as "
            f"'{parts[0] or '160 pJ/B'} | assumed | the reason', or the fields value, source and where"
        )
    fields = dict(zip(("value", "source", "where", "tier"), parts, strict=False))
    match = _RANGE.fullmatch(fields["value"])
    if match:
        low, high = (f"{match[end]} {match['unit']}".strip() for end in ("low", "high"))
        value = f"{match['value']} {match['unit']}".strip()
        del fields["value"]
        fields = {"value": value, "low": low, "high": high, **fields}
    return fields


def constant(name: str, given: Given, kind: Field, tiers: Mapping[str, Tier]) -> Constant:
    """Return the constant in base units; `tiers` are those of the bibliography's entries, by key.

    Raises
    ------
    HardwareError
        Every problem of its numbers, range, source and tier.
    """
    numbers, found = _numbers(given, kind)
    found += _source_problems(given, tiers)
    if not found:
        tier = given.tier or tiers[given.source]
        low, high = default_range(numbers["value"], tier, kind)
        ends = {"low": low, "high": high, **numbers}
        found = _range_problems(ends, kind)
    if found:
        raise HardwareError(*(f"{field}: {text}" for field, text in found))
    return Constant(
        name, ends["value"], ends["low"], ends["high"], kind.unit, given.source, given.where, tier
    )


def _numbers(given: Given, kind: Field) -> tuple[dict[str, float], list[Finding]]:
    """Return what of value, low and high is given and can be read, and what is wrong with the rest."""
    numbers: dict[str, float] = {}
    found: list[Finding] = []
    for end, text in (("value", given.value), ("low", given.low), ("high", given.high)):
        if text is None:
            continue
        try:
            numbers[end] = number(text, kind)
        except CostModelError as error:
            found += [(end, problem) for problem in error.problems]
    return numbers, found


def _range_problems(ends: Mapping[str, float], kind: Field) -> list[Finding]:
    low, value, high = (quantity(ends[end], kind.unit) for end in ("low", "value", "high"))
    found = []
    if ends["low"] > ends["value"]:
        found.append(("low", f"{low} is above the value {value}: low <= value <= high must hold"))
    if ends["high"] < ends["value"]:
        found.append(("high", f"{high} is below the value {value}: low <= value <= high must hold"))
    return found


def default_range(value: float, tier: Tier, kind: Field) -> tuple[float, float]:
    """Return low and high of a constant that gives none.

    >>> default_range(160.0, "assumed", ENERGY_PER_BYTE), default_range(8.0, "assumed", CAPACITY)
    ((80.0, 320.0), (8.0, 8.0))
    """
    if kind.exact == "always" or (kind.exact == "sourced" and tier not in ("calibrated", "scaled", "assumed")):
        return value, value
    return value / TIER_RATIO[tier], value * TIER_RATIO[tier]


def number(given: str | float, kind: Field) -> float:
    """Return a quantity in the base unit of its field, finite and not below what the field allows.

    Raises
    ------
    UnitError
        A bare number where a unit is needed, or a wrong unit.
    HardwareError
        A value out of bounds.
    """
    if isinstance(given, float) and not math.isfinite(given):
        raise HardwareError(f"{given} is not a finite number: write a finite one")
    value = _count(given, kind.unit) if kind.unit in DIMENSIONLESS else parse(str(given), kind.unit)
    if not math.isfinite(value):
        raise HardwareError(f"{given} is not a finite number: write a finite one")
    if value < 0:
        raise HardwareError(f"{given} is negative: write {'more than 0' if kind.positive else '0 or more'}")
    if value == 0 and kind.positive:
        raise HardwareError(f"{given} is zero: write more than 0")
    return value


def _count(quantity: str | float, unit: str) -> float:
    """Return a dimensionless quantity, its unit optional: ``16``, ``"16"`` or ``"16 MAC/cycle"``."""
    if not isinstance(quantity, str):
        return float(quantity)
    text = quantity.strip().removesuffix(unit).strip()
    try:
        return float(text)
    except ValueError:
        raise UnitError(f"{quantity!r} is no number of {unit}: write for example 16 or '16 {unit}'") from None


def _source_problems(given: Given, known: Collection[str]) -> list[Finding]:
    if given.source not in known:
        hint = did_you_mean(given.source, known)
        todo = "use one of its keys, add it under 'sources:', or write 'assumed' with the reason in 'where'"
        return [("source", f"{given.source!r} is not in the bibliography{hint}: {todo}")]
    if given.source == ASSUMED and given.tier not in (None, ASSUMED):
        return [
            ("tier", f"{given.tier!r} given with the source 'assumed': without a source, it is 'assumed'")
        ]
    return []
