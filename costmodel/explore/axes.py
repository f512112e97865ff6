"""What varies: constants of the hardware, batch, number format, schedule or state, and the values each takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from costmodel.analysis import checked_batch
from costmodel.errors import CostModelError, InputError
from costmodel.hardware.constants import number as constant_value
from costmodel.hardware.profile import did_you_mean
from costmodel.hardware.variation import field_of
from costmodel.precision import FORMAT_BITS, precision
from costmodel.schedule import KINDS, PHASES
from costmodel.units import quantity

if TYPE_CHECKING:
    from costmodel.hardware import HardwareProfile

HARDWARE: Final = "hw."
ON_CHIP: Final = "hw.sram"
"""Stands for the capacity of the first memory on chip, whatever the profile calls it."""
WORDS: Final[Mapping[str, Sequence[str]]] = {"dtype": tuple(FORMAT_BITS), "schedule": KINDS, "state": PHASES}
MOST_POINTS: Final = 10_000
"""Values of one axis, and points of a variation."""
DIGITS: Final = 12
"""Significant digits of a value that is the sum or product of steps."""
EXACT: Final = 1 << 53
"""Whole numbers up to here are what they are as floating-point numbers."""
PLAIN: Final = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|inf)", re.IGNORECASE | re.ASCII)
FACTOR: Final = re.compile(r"(\d+(?:\.\d+)?)x")
Value = str | int | float


@dataclass(frozen=True)
class Axis:
    """What varies: a constant of the hardware (``hw.vtcm.capacity``), ``batch``, ``dtype``, ``schedule`` or ``state``."""

    name: str
    values: tuple[Value, ...]
    labels: tuple[str, ...]

    @property
    def ascends(self) -> bool:
        """Whether the values are numbers, each larger than the one before."""
        numeric = all(not isinstance(value, str) for value in self.values)
        return numeric and all(one < two for one, two in pairwise(self.values))  # type: ignore[operator]  # all numbers


def axis_of(name: str, values: str | Iterable[Any], hardware: HardwareProfile) -> Axis:
    """An axis from values, or from a text as on the command line: ``a,b,c`` or ``START:STOP:STEP``, STEP ``2x`` or a size.

    Raises
    ------
    InputError
        Unknown names, values that make no sense for them, or a range without end.
    HardwareError
        A value that the hardware cannot have.
    """
    full = constant_name(name, hardware)
    given = values if isinstance(values, str) else listed(name, values)
    if full in WORDS:
        return word_axis(full, given, hardware)
    if full == "batch":
        sizes = tuple(checked_batch(value) for value in numbers(name, given, ""))
        return Axis(full, sizes, tuple(map(str, sizes)))
    path = full.removeprefix(HARDWARE)
    unit = field_of(path).unit
    amounts = tuple(float(value) for value in numbers(name, given, path))
    for amount in amounts:
        hardware.with_constant(path, amount)
    return Axis(full, amounts, tuple(quantity(amount, unit) for amount in amounts))


def listed(name: str, values: Any) -> list[Any]:  # noqa: ANN401 - whatever a caller gives
    """The values of an axis as a list."""
    found = list(values) if isinstance(values, Iterable) else [values]
    if not found:
        raise InputError(f"vary: no values given for {name}; give at least one")
    return found


def word_axis(name: str, given: str | Sequence[Any], hardware: HardwareProfile) -> Axis:
    """An axis of number formats, schedules or states."""
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else [str(word) for word in given]
    unknown = [repr(word) for word in words if word not in WORDS[name]]
    if unknown:
        raise InputError(f"vary: {name} cannot be {', '.join(unknown)}; it takes {', '.join(WORDS[name])}")
    if name == "dtype":
        for word in words:
            precision(hardware, word)
    return Axis(name, tuple(words), tuple(words))


def constant_name(name: str, hardware: HardwareProfile) -> str:
    """Name of what varies in full: a level stands for its capacity, ``hw.sram`` for that of the first memory on chip.

    Raises
    ------
    InputError
        No such constant, or the capacity of the backing store, which no figure depends on.
    """
    backing, *on_chip = (level.name for level in hardware.levels)
    known = [HARDWARE + path for path in hardware.settable_names() if path != f"{backing}.capacity"]
    if name in known or name in ("batch", *WORDS):
        return name
    if name in [HARDWARE + level for level in on_chip]:
        return f"{name}.capacity"
    if name == ON_CHIP:
        return f"{HARDWARE}{on_chip[0]}.capacity"
    every = [ON_CHIP, "batch", *WORDS, *known]
    raise InputError(f"vary: {name!r} cannot vary on {hardware.name}{did_you_mean(name, every)}; use {', '.join(every)}")


# ---- numbers


def numbers(name: str, values: str | Sequence[Any], path: str) -> list[Any]:
    """Numbers in base units from a text or a sequence; ``path`` names a constant of the hardware, or is empty."""
    if not isinstance(values, str):
        return [checked_number(name, value, path) for value in values]
    if ":" not in values:
        return [number(name, value, path) for value in values.split(",")]
    parts = [part.strip() for part in values.split(":")]
    if len(parts) != 3:
        raise InputError(f"vary: {name}={values} is not START:STOP:STEP; write for example 32KiB:16MiB:2x")
    start, stop = number(name, parts[0], path), number(name, parts[1], path)
    factor = FACTOR.fullmatch(parts[2])
    step = float(factor[1]) if factor else number(name, parts[2], path)
    if start > stop or (step <= 1 or start <= 0 if factor else step <= 0):
        raise InputError(
            f"vary: {name}={values} does not lead from START to STOP; START must not exceed STOP, a STEP must be more than 0, "
            "and a factor more than 1x from a START of more than 0"
        )
    return list(ranged(name, start, stop, step, grows=bool(factor)))


def ranged(name: str, start: float, stop: float, step: float, *, grows: bool) -> Iterator[float]:
    """Values from start to stop, stop included where a step meets it."""
    value, count = start, 0
    while value <= stop * (1 + 1e-9):
        if count == MOST_POINTS:
            raise InputError(f"vary: {name} takes more than {MOST_POINTS} values; take longer steps")
        yield tidy(value)
        count += 1
        value = value * step if grows else start + step * count


def tidy(value: float) -> float:
    """A value without the digits that sums and products of binary fractions leave behind.

    >>> tidy(3e-6 + 2e-6), tidy(65536.0)
    (5e-06, 65536)
    """
    whole = float(value).is_integer() and abs(value) <= EXACT
    return int(value) if whole else float(f"{value:.{DIGITS}g}")


def number(name: str, text: str, path: str) -> float:
    """A number from text, in base units: a plain one is in them already."""
    plain = text.strip()
    if PLAIN.fullmatch(plain):
        return tidy(checked_number(name, float(plain), path))
    if not path:
        raise InputError(f"vary: {name} is {plain!r}; write {wanted(path)}")
    try:
        return constant_value(plain, field_of(path))
    except CostModelError as error:
        raise InputError(*(f"vary: {name}: {problem}" for problem in error.problems)) from None


def checked_number(name: str, given: Any, path: str) -> float:  # noqa: ANN401 - whatever a caller gives
    """A number as it is; quantities in text are read."""
    if isinstance(given, str):
        return number(name, given, path)
    if isinstance(given, bool) or not isinstance(given, Real) or not finite(given):
        raise InputError(f"vary: {name} is {given!r}; write {wanted(path)}")
    return given  # type: ignore[return-value]  # a Real of any library


def finite(given: Real) -> bool:
    """Whether a number is one, and not beyond every floating-point number.

    >>> finite(3), finite(float("nan")), finite(10**400)
    (True, False, False)
    """
    try:
        return isfinite(given)
    except OverflowError:
        return False


def wanted(path: str) -> str:
    """What an axis takes."""
    return f"a quantity in {field_of(path).unit}" if path else "a whole number"
