"""Quantities: text with a unit to a float in the project's base unit, and numbers to text for people.

This is the only module that knows prefixes. k, M, G, T are powers of 1000; Ki, Mi, Gi, Ti are powers of 1024.

>>> parse("2 MiB", "B")
2097152.0
>>> parse("20 pJ/bit", "pJ/B")
160.0
>>> parse("640 pJ / 32 bit", "pJ/B")
160.0
>>> si_bytes(243_860_896), si_bytes(2097152, binary=True)
('243.9 MB', '2 MiB')
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

from costmodel.errors import UnitError

BASE_UNITS = ("pJ/B", "B", "B/s", "Hz", "s", "W", "pJ", "J", "bit")
"""Units that `parse` is asked for in this project; any other product of the units below works as well."""

_DECIMAL = {"p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}
_BINARY_SIZES = (*((2.0**exponent, prefix) for prefix, exponent in reversed(_BINARY.items())), (1.0, ""))
_UNITS = {
    # unit: (eighths of the base unit, dimension as exponents of joule, byte, second)
    "B": (8, (0, 1, 0)),
    "bit": (1, (0, 1, 0)),
    "J": (8, (1, 0, 0)),
    "W": (8, (1, 0, -1)),
    "s": (8, (0, 0, 1)),
    "Hz": (8, (0, 0, -1)),
}
_BITS = ("B", "bit")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER}|[-+]?(?i:nan|inf|infinity))\s*(.*?)\s*")
_COUNT = re.compile(rf"\s*({_NUMBER})\s*([kMGT]?)\s*")
_TERM = re.compile(r"(?:([1-9]\d{0,8})\s*)?([^\W\d_]+)")
_EXAMPLES = {
    "pJ/B": "160 pJ/B or 20 pJ/bit",
    "B": "2 MiB or 512 kB",
    "B/s": "12.8 GB/s",
    "Hz": "787 MHz",
    "s": "25 us",
    "W": "0.5 W",
    "pJ": "0.23 pJ",
}


class _Scale(NamedTuple):
    """A unit as an exact ratio of integers to J, B, s, with its dimension."""

    numerator: int
    denominator: int
    dimension: tuple[int, int, int]


def parse(text: str, unit: str) -> float:
    """Return the value of a quantity in a given unit.

    Parameters
    ----------
    text
        A number and its unit, such as ``"160 pJ/B"``, ``"2 MiB"`` or ``"640 pJ / 32 bit"``.
    unit
        The unit of the result, such as ``"pJ/B"``; the dimension of ``text`` must equal its dimension.

    Returns
    -------
    float
        The value in ``unit``; finite, of either sign.

    Raises
    ------
    UnitError
        No unit, an unknown or misspelt one, one of another dimension, or a number that is not finite.

    Examples
    --------
    >>> parse("67.2 GB/s", "B/s")
    67200000000.0
    >>> parse("787 MHz", "Hz")
    787000000.0
    >>> parse("160", "pJ/B")
    Traceback (most recent call last):
        ...
    costmodel.errors.UnitError: '160' has no unit: write for example 160 pJ/B or 20 pJ/bit
    """
    number, unit_text = split_number(text, unit)
    given, wanted = _scale(unit_text, text), _scale(unit, unit)
    if given.dimension != wanted.dimension:
        names = f"{_dimension_name(given)}, not {_dimension_name(wanted)}"
        raise UnitError(f"{text!r} is {names}: {_write(unit)}")
    numerator, denominator = given.numerator * wanted.denominator, given.denominator * wanted.numerator
    common = math.gcd(numerator, denominator)  # so that an equal unit multiplies by 1 / 1, which is exact
    value = number * (numerator // common) / (denominator // common)
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is not a finite number: {_write(unit)}")
    return value


def parse_count(text: str) -> float:
    """Return a count without a unit, under a decimal prefix or none.

    Raises
    ------
    UnitError
        No number, or something else behind it than k, M, G or T.

    Examples
    --------
    >>> parse_count("1.25 M"), parse_count("4e5")
    (1250000.0, 400000.0)
    """
    match = _COUNT.fullmatch(text)
    if match is None:
        raise UnitError(f"{text!r} is no count: write for example 1.25 M or 400000")
    return float(match[1]) * float(10 ** _DECIMAL[match[2]])


def split_number(text: str, unit: str = "B") -> tuple[float, str]:
    """Split a quantity into number and unit text; `unit` only serves the example in an error.

    >>> split_number("12.8 GB/s")
    (12.8, 'GB/s')
    """
    if not isinstance(text, str):
        raise UnitError(f"{text!r} has no unit: {_write(unit)}")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(f"{text!r} does not start with a number: {_write(unit)}")
    if not match[2]:
        raise UnitError(f"{text!r} has no unit: {_write(unit)}")
    return float(match[1]), match[2]


@lru_cache(maxsize=256)
def _scale(unit_text: str, text: str) -> _Scale:
    numerator, *denominators = unit_text.split("/")
    if len(denominators) > 1:
        raise UnitError(f"{text!r} divides twice: write for example {_EXAMPLES['pJ/B']}")
    top = _term(numerator.strip(), text)
    if not denominators:
        return top
    bottom = _term(denominators[0].strip(), text, counted=True)
    dimension = (
        top.dimension[0] - bottom.dimension[0],
        top.dimension[1] - bottom.dimension[1],
        top.dimension[2] - bottom.dimension[2],
    )
    return _Scale(top.numerator * bottom.denominator, top.denominator * bottom.numerator, dimension)


def _term(term: str, text: str, *, counted: bool = False) -> _Scale:
    """Scale of one prefixed unit; a denominator may carry a count, as in "pJ / 32 bit"."""
    match = _TERM.fullmatch(term)
    if match is None or (match[1] and not counted):
        raise UnitError(f"{text!r}: {term!r} is not a unit{_did_you_mean(term)}")
    prefix, name = _prefix_and_name(match[2], text)
    eighths, dimension = _UNITS[name]
    numerator = eighths * int(match[1] or 1) << _BINARY.get(prefix, 0)
    exponent = _DECIMAL.get(prefix, 0)
    return _Scale(numerator * 10 ** max(exponent, 0), 8 * 10 ** max(-exponent, 0), dimension)


def _prefix_and_name(spelling: str, text: str) -> tuple[str, str]:
    for name in ("bit", "Hz", "B", "J", "W", "s"):
        prefix = spelling.removesuffix(name)
        if spelling.endswith(name) and prefix in _prefixes(name):
            return prefix, name
    raise UnitError(f"{text!r}: {spelling!r} is not a unit{_did_you_mean(spelling)}")


def _prefixes(name: str) -> tuple[str, ...]:
    """Prefixes a unit takes: bytes have no thousandths, and only bytes have powers of 1024."""
    if name in _BITS:
        return (*(prefix for prefix, exponent in _DECIMAL.items() if exponent >= 0), *_BINARY)
    return tuple(_DECIMAL)


def _did_you_mean(spelling: str) -> str:
    from difflib import get_close_matches

    if spelling in ("KB", "Kb", "kb", "K"):
        return ": write kB (1000 bytes), KiB (1024 bytes) or kbit (1000 bits)"
    if spelling.endswith("b"):
        return f": write {spelling[:-1]}B for bytes or {spelling[:-1]}bit for bits"
    known = [prefix + name for name in _UNITS for prefix in _prefixes(name)]
    same_letters = [unit for unit in known if unit.lower() == spelling.lower()]
    close = same_letters or get_close_matches(spelling, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f": known units are {', '.join(_UNITS)}"


def _dimension_name(scale: _Scale) -> str:
    names = {
        (1, -1, 0): "an energy per byte",
        (0, 1, 0): "a number of bytes",
        (0, 1, -1): "a bandwidth",
        (0, 0, -1): "a frequency",
        (0, 0, 1): "a time",
        (1, 0, -1): "a power",
        (1, 0, 0): "an energy",
    }
    return names.get(scale.dimension, "another kind of quantity")


def _write(unit: str) -> str:
    return f"write for example {_EXAMPLES.get(unit, '1 ' + unit)}"


def si(value: float, unit: str, digits: int = 4) -> str:
    """Write a value for people with a decimal prefix, k = 1000, to so many significant digits.

    A unit that already carries a prefix in its numerator, such as pJ/B, is scaled from there.

    >>> si(67.2e9, "B/s"), si(160.0, "pJ/B"), si(0.0005, "W"), si(1e6, "pJ")
    ('67.2 GB/s', '160 pJ/B', '500 uW', '1 uJ')
    """
    if unit.startswith("pJ"):
        value, unit = value * 1e-12, unit[1:]
    smallest = 0 if unit.startswith(_BITS) else -12
    steps = [(10.0**exponent, prefix) for prefix, exponent in _SHOWN if exponent >= smallest]
    return _scaled(value, steps, unit, digits)


_SHOWN = (("p", -12), ("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12))


def _scaled(value: float, steps: list[tuple[float, str]], unit: str, digits: int) -> str:
    """Value under the largest step that leaves at least 1 after rounding to the digits shown."""
    if not math.isfinite(value):
        return f"{value} {unit}".rstrip()
    rounded = float(f"{value:.{digits - 1}e}")
    chosen = steps[0] if rounded else (1.0, "")
    for step in steps:
        if abs(rounded) >= step[0]:
            chosen = step
    return f"{_digits(rounded / chosen[0], digits)} {chosen[1]}{unit}".rstrip()


def _digits(value: float, digits: int) -> str:
    """Write significant digits without an exponent where the number stays readable.

    >>> _digits(243.86, 4), _digits(5.0, 4), _digits(123456.0, 4), _digits(0.00012, 4)
    ('243.9', '5', '123500', '0.00012')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value + 0.0:.0f}"  # which has no negative zero
    rounded = float(f"{value:.{digits - 1}e}")
    if not 1e-6 <= abs(rounded) < 1e15:
        return f"{rounded:.{digits}g}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    text = f"{rounded:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def si_bytes(value_bytes: float, digits: int = 4, *, binary: bool = False) -> str:
    """Write bytes for people: decimal prefixes (MB = 1000 kB), or ``binary`` ones (MiB = 1024 KiB).

    >>> si_bytes(4_941_984), si_bytes(110_592, binary=True), si_bytes(12)
    ('4.942 MB', '108 KiB', '12 B')
    """
    if not binary:
        return si(value_bytes, "B", digits)
    texts = [(_digits(value_bytes / size, digits), prefix) for size, prefix in _BINARY_SIZES]
    chosen = next(((text, prefix) for text, prefix in texts if abs(float(text)) >= 1), texts[-1])
    return f"{chosen[0]} {chosen[1]}B"


def si_energy(value_j: float, digits: int = 4) -> str:
    """Write joules for people.

    >>> si_energy(0.0123), si_energy(160e-12)
    ('12.3 mJ', '160 pJ')
    """
    return si(value_j, "J", digits)


def si_time(value_s: float, digits: int = 4) -> str:
    """Write seconds for people.

    >>> si_time(0.00195), si_time(2)
    ('1.95 ms', '2 s')
    """
    return si(value_s, "s", digits)


def si_power(value_w: float, digits: int = 4) -> str:
    """Write watts for people.

    >>> si_power(0.278)
    '278 mW'
    """
    return si(value_w, "W", digits)


def si_count(value: float, digits: int = 4) -> str:
    """Write a count for people, k = 1000.

    >>> si_count(724_406_816), si_count(1_248_424), si_count(96)
    ('724.4 M', '1.248 M', '96')
    """
    steps = [(10.0**exponent, prefix) for prefix, exponent in _SHOWN if exponent >= 0]
    return _scaled(value, steps, "", digits)


def quantity(value: float, unit: str, digits: int = 6) -> str:
    """Write a constant of a profile for people: bytes by powers of 1024 where that is exact, else `si`.

    >>> quantity(8388608.0, "B"), quantity(512e3, "B"), quantity(12.0, "MAC/cycle")
    ('8 MiB', '512 kB', '12 MAC/cycle')
    """
    if unit == "B":
        return si_bytes(value, digits, binary=value % 1024 == 0 and value % 1000 != 0)
    if unit in BASE_UNITS:
        return si(value, unit, digits)
    return f"{_digits(value, digits)} {unit}"
