"""What the schedules of a network move: layer by layer, with residency, with fusion, and the bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.document import Column, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, at_most, counted, listed, share
from costmodel.schedule import declared_kind, pins
from costmodel.units import si_bytes, si_count

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.schedule import Fused, Kind, Phase, Schedule

NAMES = {"layer": "layer by layer", "resident": "resident", "fused": "fused"}
COLUMNS = (
    Column("schedule", numeric=False),
    Column("weights", "at start", numeric=False),
    Column("off-chip", "bytes"),
    Column("of layer", "by layer"),
    Column("tensors", "that stay", 3),
    Column("weights", "that stay", 1),
    Column("cascades", priority=3),
    Column("MACs", "again", 4),
    Column("above the", "optimum", 2),
)
STYLES = {"lines": "rows that are read again kept in line buffers", "halo": "rows that stripes share computed again"}


def executed(kind: Kind, phase: Phase) -> str:
    """How a network was executed, in words; layer by layer no weights stay, so that the state makes no difference.

    >>> executed("layer", "steady"), executed("fused", "cold")
    ('layer by layer', 'fused, cold')
    """
    return NAMES[kind] if kind == "layer" else f"{NAMES[kind]}, {phase}"


def schedule_table(analysis: Analysis) -> Table:
    """One line per kind of schedule, the one that was priced marked.

    The last line is what every schedule moves: inputs and outputs once, and weights that cannot stay. Nothing where
    activations are coded, since schedules across layers do not know what will be zero, or layers mapped for an objective.
    """
    if analysis.alone:
        return Table("", COLUMNS, ())
    level = analysis.hardware.levels[1]
    size = si_bytes(level.total_bytes) if level.total_bytes else ""
    declared = NAMES[declared_kind(analysis.hardware)]
    title = f"Across layers: what {level.name} of {size} saves (priced: *; the profile declares {declared})"
    alone = analysis.scheduled("layer", analysis.phase).dram_bytes
    rows = [Row(cells(analysis, one, alone)) for one in analysis.schedules]
    least = analysis.scheduler.bound_bytes(analysis.hardware, "fused", analysis.phase)
    bound = ("lower bound", weights(analysis, "fused", analysis.phase), si_bytes(least), share(least, alone), *[NOTHING] * 5)
    return Table(title, COLUMNS, (*rows, Row(bound, "free")))


def priced(analysis: Analysis, schedule: Schedule) -> bool:
    """Whether the totals are those of this schedule."""
    return (schedule.kind, schedule.phase) == (analysis.kind, analysis.phase)


def weights(analysis: Analysis, kind: Kind, phase: Phase) -> str:
    """Whether an inference finds weights on chip or loads them all."""
    return "on chip" if pins(analysis.hardware, kind, phase) else "loaded"


def cells(analysis: Analysis, schedule: Schedule, alone: int) -> tuple[str, ...]:
    """One line of the table."""
    again = int(schedule.again_macs.sum())
    gap = schedule.gap_ratio
    return (
        NAMES[schedule.kind] + (" *" if priced(analysis, schedule) else ""),
        weights(analysis, schedule.kind, schedule.phase),
        si_bytes(schedule.dram_bytes),
        share(schedule.dram_bytes, alone),
        str(len(schedule.stays) or NOTHING),
        si_bytes(schedule.pinned_bytes) if schedule.pinned else NOTHING,
        str(len(schedule.fused) or NOTHING),
        si_count(again) if again else NOTHING,
        f"<= {at_most(gap)}" if gap else "0, proved",
    )


def cascades(analysis: Analysis) -> Sentences:
    """Every cascade of the schedule that was priced."""
    found = enumerate(analysis.schedule.fused, 1)
    return Sentences("Cascades", tuple(f"{number}: {described(fused)}." for number, fused in found))


def described(fused: Fused) -> str:
    """One cascade."""
    again = f", {si_count(fused.again_macs)} MACs again" if fused.again_macs else ""
    weights = "weights held" if fused.weights_held else "weights streamed"
    layers = listed([visible(name) for name in fused.layers])
    return f"{layers}; {counted(fused.rows, 'row')} at a time, {weights}, {STYLES[fused.style]}{again}"
