"""Advice as a document: the network as it is, what-ifs below it, and what each would change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from costmodel.advice import OBJECTIVES, figures
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, counted, listed, times
from costmodel.units import si, si_bytes, si_count

if TYPE_CHECKING:
    from costmodel.advice import Advice, WhatIf
    from costmodel.analysis import Analysis

ACCURACY = (
    "Accuracy is not modelled: a network that was changed must be trained again and its accuracy measured before any of this "
    "counts as a saving."
)


class Figure(NamedTuple):
    """A column: its key, its title on two lines, when a narrow table drops it, and how it is written."""

    key: str
    title: tuple[str, str]
    priority: int
    text: Callable[[float], str]


FIGURES = (
    Figure("params", ("parameters", ""), 3, si_count),
    Figure("macs", ("MACs", ""), 2, si_count),
    Figure("weight_bytes", ("stored", "weights"), 4, si_bytes),
    Figure("dram_bytes", ("off-chip", "bytes"), 0, si_bytes),
    Figure("energy_j", ("energy", ""), 0, lambda value: si(value, "J")),
    Figure("latency_s", ("latency", ""), 1, lambda value: si(value, "s")),
)


def document(advice: Advice) -> Document:
    """Report of what-ifs."""
    return Document(
        title=f"What would make {priced(advice.before)} smaller, by {advice.objective}",
        summary=(ranking(advice), in_short(advice)),
        details=(what_changes("What each would change", advice.what_ifs),),
        notes=(remarks(advice),),
    )


def priced(analysis: Analysis) -> str:
    """A network and what it was priced for."""
    where = f"{visible(analysis.network)} on {visible(analysis.hardware.name)}"
    return f"{where} ({visible(analysis.precision.name)}, batch {analysis.batch}, {analysis.kind})"


def ranking(advice: Advice) -> Table:
    """The network as it is, and every what-if with its figures, the best first."""
    key = OBJECTIVES[advice.objective]
    before = figures(advice.before)[key]
    rows = [Row(("as it is", *cells(advice.before), times(1)), "group")]
    for one in advice.what_ifs:
        after = figures(one.analysis)[key] if one.analysis else 0
        rows.append(Row((one.name, *cells(one.analysis), times(before / after) if after else NOTHING)))
    columns = (Column("step", numeric=False), *figure_columns(key), Column("before /", "after"))
    return Table(f"What-ifs, by {advice.objective}", columns, tuple(rows))


def figure_columns(wanted: str = "") -> tuple[Column, ...]:
    """One column per figure; the one that is wanted is never dropped."""
    return tuple(Column(*figure.title, 0 if figure.key == wanted else figure.priority) for figure in FIGURES)


def cells(analysis: Analysis | None) -> Iterator[str]:
    """Figures of an analysis; dashes where there is none."""
    found = figures(analysis) if analysis else {}
    for figure in FIGURES:
        yield figure.text(found[figure.key]) if found else NOTHING


def in_short(advice: Advice) -> Sentences:
    """The best what-if in words, and whether its saving of energy is certain."""
    best = next((one for one in advice.what_ifs if one.analysis), None)
    if best is None or best.analysis is None:
        nothing = "No what-if can be priced." if advice.what_ifs else "No step of the playbook changes this network."
        return Sentences("In short", (nothing,))
    key = OBJECTIVES[advice.objective]
    before, after = figures(advice.before)[key], figures(best.analysis)[key]
    if after >= before:
        return Sentences("In short", (f"No what-if needs less {spoken(advice.objective)} than the network as it is.",))
    saving = f"{best.name} leaves {bare_ratio(after / before)} of the {spoken(advice.objective)}"
    sure = (certainty(best),) if advice.objective == "energy" else ()
    return Sentences("In short", (f"{saving}: {effect(advice.before, best.analysis)}.", *sure))


def spoken(objective: str) -> str:
    """An objective in words."""
    return {"dram": "off-chip traffic", "storage": "stored weights"}.get(objective, objective)


def effect(before: Analysis, after: Analysis) -> str:
    """Every figure before and after that differs, in words."""
    one, two = figures(before), figures(after)
    differing = [figure for figure in FIGURES if one[figure.key] != two[figure.key]]
    names = {figure: " ".join(filter(None, figure.title)) for figure in differing}
    return listed([f"{names[f]} {f.text(one[f.key])} to {f.text(two[f.key])}" for f in differing])


def certainty(one: WhatIf) -> str:
    """Whether the energies differ in the same direction whatever the constants are."""
    if one.certain:
        return "Certain: its energy differs in this direction for every value of the constants within their ranges."
    return "Not certain: for some values of the constants within their ranges its energy does not differ in this direction."


def what_changes(title: str, what_ifs: Sequence[WhatIf]) -> Table:
    """Layers that steps change: how many, and the first."""
    columns = (
        Column("step", numeric=False),
        Column("changes"),
        Column("the first of them", numeric=False, wrap=True),
    )
    rows = (Row((one.name, f"{len(one.changes):,}", first_change(one))) for one in what_ifs)
    return Table(title, columns, tuple(rows))


def first_change(one: WhatIf) -> str:
    """The first change in words; why there are no figures, where there are none."""
    if one.problem:
        return visible(one.problem)
    return visible(str(one.changes[0])) if one.changes else "nothing to change"


def remarks(advice: Advice) -> Sentences:
    """What to make of the figures."""
    idle = f"Nothing to change here for {listed(advice.idle)}."
    return Sentences(
        "How to read it",
        (
            ACCURACY,
            "Every what-if is the network with one step applied, and priced like any network; "
            f"{counted(len(advice.what_ifs), 'what-if')}, no rule of thumb.",
            *([idle] if advice.idle else []),
        ),
    )
