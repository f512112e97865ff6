"""One line of the table of results, and numbers for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MB: Final = 1_000_000
HEADER: Final = ("what", "measured", "reference in the same run", "ratio", "goal", "")


@dataclass(frozen=True)
class Result:
    """One line of the table; `met` is None where there is no goal."""

    what: str
    measured: str
    reference: str
    ratio: str
    goal: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """The line as cells."""
        verdict = {None: "", True: "met", False: "**not met**"}[self.met]
        return (self.what, self.measured, self.reference, self.ratio, self.goal, verdict)


def shown(seconds: float) -> str:
    """Seconds with three digits, in ms below one."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def per_second(count: int, seconds: float) -> str:
    """A rate with three digits."""
    return f"{float(f'{count / seconds:.3g}'):,.0f} designs/s"


def times(ratio: float) -> str:
    """A ratio with three digits."""
    return f"{float(f'{ratio:.3g}'):,g}x"
