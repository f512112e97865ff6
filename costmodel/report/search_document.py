"""What a search has found as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from costmodel.explore.budget import LIMITED
from costmodel.explore.objectives import unit_of
from costmodel.explore.subjects import is_array
from costmodel.hardware.variation import field_of
from costmodel.report.design_table import bare, design_table, more_rows
from costmodel.report.document import Document, Sentences
from costmodel.report.names import visible
from costmodel.report.numbers import counted, listed
from costmodel.report.objective import space_sentences
from costmodel.units import quantity, si_count

if TYPE_CHECKING:
    from costmodel.explore.study import Search


def document(found: Search) -> Document:
    """Report of a search."""
    records = [readable(found, record) for record in found.records()]
    single = len(found.goal.objectives) == 1
    title_of_table = "Best design" + ("" if len(records) == 1 else "s") if single else "Designs that no other one tried beats"
    return Document(
        title=title(found),
        summary=(Sentences("In short", tuple(summary(found))),),
        details=(design_table(title_of_table, records, ["point", *found.space.names], found.goal.metrics),),
        notes=(Sentences("How to read it", tuple(notes(found, len(records)))),),
    )


def readable(found: Search, record: dict[str, Any]) -> dict[str, Any]:
    """A record whose constants of the hardware have their unit."""
    paths = found.space.resolved.hardware_paths[0]
    constants = {name: field_of(path).unit for name, path in paths.items() if not is_array(path)}
    return record | {name: quantity(float(record[name]), unit) for name, unit in constants.items()}


def title(found: Search) -> str:
    """What was searched for, where."""
    goal = found.goal
    least = [bare(name) for name in goal.objectives if name not in goal.maximise]
    most = [bare(name) for name in goal.maximise]
    parts = [f"least {listed(least)}" if least else "", f"most {listed(most)}" if most else ""]
    return f"Search of {visible(found.space.name)}: {listed([part for part in parts if part])}{budget(found)}"


def budget(found: Search) -> str:
    """Limits in words."""
    limits = [f"{name} {limited(name, value)}" for name, value in found.goal.budget.limits.items()]
    return f", within {listed(limits)}" if limits else ""


def limited(name: str, value: float) -> str:
    """A limit in its unit.

    >>> limited("max_energy", 0.005), limited("max_params", 1.25e6), limited("max_ram", 327680)
    ('5 mJ', '1.25 M', '320 KiB')
    """
    unit = unit_of(LIMITED[name])
    return quantity(value, unit) if unit else si_count(value, 6)


def summary(found: Search) -> list[str]:
    """What was tried, and how much of it is within the budget."""
    lines = [
        f"{counted(found.trials, 'trial')} with the sampler {found.settings.sampler}, seed {found.settings.seed}: "
        f"{found.distinct:,} different ones of the {counted(found.space.size, 'point')} of the grid."
    ]
    if found.goal.budget.limits or found.feasible < found.distinct:
        lines.append(f"{found.feasible:,} of them can be priced and keep within the budget.")
    return lines


def notes(found: Search, count: int) -> list[str]:
    """What it is and is not."""
    tried = "every point was tried" if found.distinct == found.space.size else "points that were not tried may be better"
    what = f"The best of what was tried: {tried}. Accuracy is not modelled."
    return [what, *space_sentences(found.space), *more_rows(count)]
