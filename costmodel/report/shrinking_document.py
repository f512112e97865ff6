"""A network on its way through the playbook as a document: step by step, beside its goal, and curves of metaparameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from costmodel.advice import figures
from costmodel.report.advice_document import (
    ACCURACY,
    FIGURES,
    cells,
    effect,
    figure_columns,
    priced,
    what_changes,
)
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, times
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.advice import Curve, CurvePoint, Shrinking
    from costmodel.analysis import Analysis


def document(shrinking: Shrinking) -> Document:
    """Report of steps one after the other."""
    return Document(
        title=f"{priced(shrinking.before)}, step by step",
        summary=(steps(shrinking), ratios(shrinking), in_short(shrinking)),
        details=(what_changes("What each step changes", shrinking.stages), *map(curve_table, shrinking.curves)),
        notes=(remarks(shrinking),),
        appendix=lambda: tuple(every_change(shrinking)),
    )


def lines(shrinking: Shrinking) -> Iterator[tuple[str, Analysis | None]]:
    """The network as it is, after every step, and what stands beside it."""
    yield visible(shrinking.before.network), shrinking.before
    for stage in shrinking.stages:
        yield f"+ {stage.name}", stage.analysis
    for analysis in shrinking.towards:
        yield f"beside it: {visible(analysis.network)}", analysis


def steps(shrinking: Shrinking) -> Table:
    """Figures after each step, all earlier ones included."""
    rows = tuple(Row((name, *cells(analysis))) for name, analysis in lines(shrinking))
    return Table("Step by step", (Column("", numeric=False), *figure_columns()), rows)


def ratios(shrinking: Shrinking) -> Table:
    """Figures of the network as it is over those after each step."""
    base = figures(shrinking.before)
    rows = []
    for name, analysis in list(lines(shrinking))[1:]:
        found = figures(analysis) if analysis else {}
        shown = (times(base[f.key] / found[f.key]) if found and found[f.key] else NOTHING for f in FIGURES)
        rows.append(Row((name, *shown)))
    title = f"How many times less than {visible(shrinking.before.network)}"
    return Table(title, (Column("", numeric=False), *figure_columns()), tuple(rows))


def in_short(shrinking: Shrinking) -> Sentences:
    """What each step does to every figure, in words."""
    found = []
    before = shrinking.before
    for stage in shrinking.stages:
        if stage.analysis is None:
            found.append(f"{stage.name} cannot be priced: {visible(stage.problem)}.")
            continue
        found.append(f"{stage.name}: {effect(before, stage.analysis) or 'nothing'}.")
        before = stage.analysis
    return Sentences("What each step does", tuple(found))


# ---- curves


def curve_table(curve: Curve) -> Table:
    """A network over one argument: its figures, and where sizes were published its own at as many bits beside them."""
    bits = next((point.published.weight_bits for point in curve.points if point.published), 0)
    columns = (
        Column(visible(curve.argument), numeric=False),
        *figure_columns(),
        Column("size at", f"{bits} bits", 1),
        Column("published", "size", 1),
    )
    rows = tuple(Row((visible(point.value), *cells(point.analysis), *sizes(point, bits))) for point in curve.points)
    return Table(f"{visible(curve.network)} by {visible(curve.argument)}", columns, rows)


def sizes(point: CurvePoint, weight_bits: int) -> tuple[str, ...]:
    """Stored size at a width, and the one published; nothing where none is published on the curve."""
    ours = point.analysis.totals.params * weight_bits / 8
    theirs = point.published.size_bytes if point.published else 0
    return tuple(si_bytes(size, 3, binary=True) if size else "" for size in (ours, theirs))


def remarks(shrinking: Shrinking) -> Sentences:
    """What to make of the figures."""
    known = any(point.published for curve in shrinking.curves for point in curve.points)
    sizes = "Published sizes are in MB of 2^20 bytes; costmodel validate lists them with their sources."
    return Sentences(
        "How to read it",
        (
            ACCURACY,
            "Each line has all steps above it applied, and is priced like any network.",
            *([sizes] if known else []),
        ),
    )


def every_change(shrinking: Shrinking) -> Iterator[Sentences]:
    """All changes of every step."""
    for stage in shrinking.stages:
        yield Sentences(f"{stage.name}, layer by layer", tuple(visible(str(change)) for change in stage.changes))
