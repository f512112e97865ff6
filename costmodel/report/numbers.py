"""Numbers as a report shows them: one unit per column, shares, ratios and ranges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, isfinite
from typing import NamedTuple

from costmodel.units import parse, si, si_count

NOTHING = "-"
BAR = " ▏▎▍▌▋▊▉"
FULL = "█"


class Scale(NamedTuple):
    """The one unit of a column and the decimals that its largest value deserves."""

    unit: str
    factor: float
    decimals: int

    def text(self, value: float) -> str:
        """A value in this unit; nothing at all is a dash, and what would round to zero says so.

        >>> Scale("kB", 1e3, 1).text(1552), Scale("kB", 1e3, 1).text(2), Scale("kB", 1e3, 1).text(0)
        ('1.6', '<0.1', '-')
        """
        if value == 0:
            return NOTHING
        if not isfinite(value):
            return str(value)
        least = 10.0**-self.decimals
        scaled = value / self.factor
        return f"<{least:.{self.decimals}f}" if 0 < scaled < least / 2 else f"{scaled:,.{self.decimals}f}"


def scale(values: Iterable[float], unit: str) -> Scale:
    """Unit and decimals that show the largest value with four digits.

    >>> scale([1552, 9280], "B"), scale([724_406_816], "").unit
    (Scale(unit='kB', factor=1000.0, decimals=3), 'M')
    """
    largest = max((abs(v) for v in values if isfinite(v)), default=0.0)
    number, _, shown = (si(largest, unit) if unit else si_count(largest)).partition(" ")
    whole = len(number.partition(".")[0])
    factor = parse(f"1 {shown}", unit) if unit else parse(f"1 {shown}B", "B")
    return Scale(shown, factor, 0 if factor == 1 and unit in ("B", "") else max(4 - whole, 0))


def share(part: float, whole: float, *, sign: str = " %") -> str:
    """Part of a whole in percent.

    >>> share(1, 8), share(1, 100_000), share(0, 3), share(1, 0)
    ('12.5 %', '<0.1 %', '-', '-')
    """
    if part == 0 or whole == 0:
        return NOTHING
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return f"<0.1{sign}"
    return f"{percent:.0f}{sign}" if percent > 99.95 else f"{percent:.1f}{sign}"


def at_most(ratio: float) -> str:
    """A ratio in percent, rounded up, so that it stays a bound.

    >>> at_most(0.00141), at_most(0.002), at_most(0.12301)
    ('0.2 %', '0.2 %', '12.4 %')
    """
    return f"{ceil(1000 * ratio * (1 - 1e-12)) / 10:.1f} %"


def times(ratio: float) -> str:
    """A ratio for people.

    >>> times(48.833), times(1.0), times(0.0123), times(1234.5), times(float("inf"))
    ('48.8x', '1.00x', '0.0123x', '1,234x', 'infx')
    """
    return f"{bare_ratio(ratio)}x"


def bare_ratio(ratio: float) -> str:
    """A ratio with three digits.

    >>> bare_ratio(1.0384), bare_ratio(0.00204)
    ('1.04', '0.00204')
    """
    if not isfinite(ratio):
        return str(ratio)
    size = abs(ratio)
    if 0 < size < 0.1:
        return f"{ratio:.3g}"
    return f"{ratio:,.{2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


def span(low: float, high: float, unit: str) -> str:
    """A range, its unit once where both ends share it.

    >>> span(0.0027, 0.0305, "J"), span(0.0008, 0.0305, "J"), span(1.0, 1.0, "s")
    ('2.7 to 30.5 mJ', '800 uJ to 30.5 mJ', 'exactly 1 s')
    """
    if low == high:
        return f"exactly {si(low, unit)}"
    first, last = si(low, unit, 3), si(high, unit, 3)
    number, _, prefix = first.partition(" ")
    return f"{number if prefix == last.partition(' ')[2] else first} to {last}"


def bar(part: float, whole: float, width: int = 10) -> str:
    """A bar of ``width`` characters for the whole.

    >>> bar(1, 2, 4), bar(1, 16, 4), bar(0, 1, 4)
    ('██', '▎', '')
    """
    eighths = round(8 * width * part / whole) if whole else 0
    return FULL * (eighths // 8) + BAR[eighths % 8].strip()


def listed(items: Sequence[str]) -> str:
    """Items as in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "layer"), counted(3, "layer")
    ('1 layer', '3 layers')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
