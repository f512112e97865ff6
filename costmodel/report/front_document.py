"""The best rows of a table as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from costmodel.explore.pareto import CERTAIN, RANK, SHARE
from costmodel.report.design_table import bare, design_table, more_rows
from costmodel.report.document import Document, Sentences
from costmodel.report.names import visible
from costmodel.report.numbers import counted, listed

if TYPE_CHECKING:
    from costmodel.explore.pareto import Front

OWN = (RANK, SHARE, CERTAIN)


def document(found: Front) -> Document:
    """Report of a front."""
    records = found.records()
    marks = {"front": [membership(record) for record in records]} if found.uncertainty else {}
    names = [str(name) for name in found.frame]
    described = [name for name in names if name not in (*found.by, *OWN) and varies(records, name)]
    ranked = [RANK] if len({record[RANK] for record in records}) > 1 else []
    table = design_table("Designs that no other one beats", records, [*ranked, *described], found.by, marks)
    return Document(
        title=title(found),
        summary=(Sentences("In short", tuple(summary(found, records))),),
        details=(table,),
        notes=(Sentences("How to read it", tuple(notes(found, len(records)))),),
    )


def title(found: Front) -> str:
    """What is compared."""
    least = [visible(bare(name)) for name in found.by if name not in found.maximise]
    most = [visible(bare(name)) for name in found.maximise]
    parts = [f"least {listed(least)}" if least else "", f"most {listed(most)}" if most else ""]
    return f"Front of {counted(found.rows, 'design')}: {listed([part for part in parts if part])}"


def varies(records: Sequence[dict[str, Any]], name: str) -> bool:
    """Whether a column tells these rows apart; a single row shows all it has."""
    return len(records) == 1 or len({str(record[name]) for record in records}) > 1


def membership(record: dict[str, Any]) -> str:
    """Whether a row is on the front whatever the constants are.

    >>> membership({"front_share": 1.0}), membership({"front_share": 0.25})
    ('certain', '25 % of draws')
    """
    share = record[SHARE]
    return "certain" if share == 1 else "in no draw" if share == 0 else f"{percent(share)} of draws"


def percent(share: float) -> str:
    """A share that is neither nothing nor all.

    >>> percent(0.25), percent(0.999), percent(0.001)
    ('25 %', '>99 %', '<1 %')
    """
    return "<1 %" if share < 0.005 else ">99 %" if share > 0.995 else f"{100 * share:.0f} %"


def summary(found: Front, records: Sequence[dict[str, Any]]) -> list[str]:
    """How many there are."""
    first = sum(record[RANK] == 0 for record in records)
    lines = [f"{counted(first, 'design')} of {found.rows:,} {'is' if first == 1 else 'are'} beaten by no other one."]
    if found.uncertainty:
        certain = sum(record[SHARE] == 1 for record in records)
        others = sum(record[RANK] != 0 and record[SHARE] > 0 for record in records)
        lines.append(
            f"{certain or 'None'} of them {'is' if certain == 1 else 'are'} so in all {found.uncertainty.samples} draws of "
            f"the constants within their ranges; {counted(others, 'other design')} in some of them."
        )
    if found.unpriced:
        lines.append(f"{counted(found.unpriced, 'row')} without figures left out.")
    return lines


def notes(found: Front, count: int) -> list[str]:
    """What is meant."""
    lines = ["A design beats another if it is no worse in any figure compared and better in one; equal ones all stay."]
    if found.uncertainty:
        lines.append(
            "All designs see the same draws of the constants. The first fronts that hold at least "
            f"{found.uncertainty.near:,} designs are looked at; those behind count as beaten."
        )
    return [*lines, *more_rows(count)]
