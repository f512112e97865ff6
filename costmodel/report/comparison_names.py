"""Names in a comparison: each analysis by what distinguishes it from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.names import visible
from costmodel.report.numbers import listed
from costmodel.report.schedule_table import executed

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.comparison import Comparison, Pair


def subject(comparison: Comparison, analysis: Analysis) -> str:
    """Network of an analysis; its hardware and format behind it where these differ."""
    network, rest = two_lines(comparison, analysis)
    return f"{network} ({rest})" if rest else network


def two_lines(comparison: Comparison, analysis: Analysis) -> tuple[str, str]:
    """Network; hardware and format where these differ."""
    hardware = {a.hardware.name for a in comparison.analyses}
    formats = {a.precision.name for a in comparison.analyses}
    rest = [analysis.hardware.name] if len(hardware) > 1 else []
    rest += [analysis.precision.name] if len(formats) > 1 else []
    return visible(analysis.network), visible(", ".join(rest))


def title(comparison: Comparison) -> str:
    """All networks, all hardware, all formats, all schedules."""
    found = comparison.analyses
    networks = dict.fromkeys(visible(a.network) for a in found)
    hardware = dict.fromkeys(visible(a.hardware.name) for a in found)
    formats = dict.fromkeys(visible(a.precision.name) for a in found)
    schedules = dict.fromkeys(executed(a.kind, a.phase) for a in found)
    priced = f"{listed(list(formats))}, batch {found[0].batch}, {' or '.join(schedules)}"
    return f"{listed(list(networks))} on {listed(list(hardware))}, {priced}"


def both(comparison: Comparison, pair: Pair) -> tuple[str, str]:
    """Names of the baseline and of the other."""
    return subject(comparison, pair.baseline), subject(comparison, pair.other)


def number(comparison: Comparison, analysis: Analysis) -> int:
    """Place of an analysis in the comparison."""
    return next(index for index, found in enumerate(comparison.analyses) if found is analysis)


def by_hardware(comparison: Comparison) -> list[list[Analysis]]:
    """Analyses that share a profile, profile after profile."""
    found: dict[tuple[str, str], list[Analysis]] = {}
    for analysis in comparison.analyses:
        found.setdefault((analysis.hardware.name, str(analysis.hardware.file)), []).append(analysis)
    return list(found.values())
