"""A co-design as a document: the best configuration of every network, and what each of them costs the others."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, Final

from costmodel.explore.codesign import ALL
from costmodel.explore.subjects import is_array
from costmodel.hardware.variation import field_of
from costmodel.report.design_table import text
from costmodel.report.document import Column, Document, Row, Sentences, Table
from costmodel.report.front_document import percent
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, counted, listed, scale, times
from costmodel.report.objective import space_sentences
from costmodel.units import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from costmodel.explore.codesign import Best, CoDesign, Transfer

TITLES: Final = {"energy": "least energy", "latency": "least latency", "edp": "least energy-delay product"}
UNITS: Final = {"energy": "J", "latency": "s"}
EDP_SCALE: Final = 1e-6
"""1 mJ ms [J s]."""
UNCERTAIN: Final = " ?"
MOST_AXES: Final = 4
"""Axes that are shown however narrow the terminal is."""


def document(found: CoDesign) -> Document:
    """Report of a co-design."""
    return Document(
        title=title(found),
        summary=(Sentences("In short", tuple(summary(found))),),
        details=tuple(table for goal in found.goals for table in (best_table(found, goal), transfer_table(found, goal))),
        notes=(Sentences("How to read it", tuple(notes(found))),),
    )


def title(found: CoDesign) -> str:
    """Which networks, on what."""
    hardware = found.space.hardware if isinstance(found.space.hardware, str) else listed(found.space.hardware)
    return f"{visible(found.space.name)}: {listed(list(map(visible, found.networks)))} on {visible(hardware)}"


# ---- the best of each


def best_table(found: CoDesign, goal: str) -> Table:
    """The best configuration of every network for a goal, and how far it depends on constants."""
    chosen = [best for best in found.best if best.goal == goal]
    figures = figure_texts(goal, [best.value for best in chosen if best.network != ALL])
    axes = list(chosen[0].at) if chosen else []
    columns = (
        Column("best for", numeric=False, wrap=True),
        *(Column(*halves(axis), priority=max(number - MOST_AXES, 0)) for number, axis in enumerate(axes, 1)),
        Column(goal, figures.pop(0)),
        Column("best in", "draws"),
        Column("regret", "at most"),
    )
    rows = []
    for best in chosen:
        style, figure = ("total", times(best.value)) if best.network == ALL else ("plain", figures.pop(0))
        cells = (visible(best.network), *(setting(found, axis, best.at[axis]) for axis in axes), figure, draws(best))
        rows.append(Row((*cells, times(best.regret_ratio)), style))  # type: ignore[arg-type]  # two of the styles
    return Table(f"Best configurations: {TITLES[goal]} per image", columns, tuple(rows))


def halves(axis: str) -> tuple[str, str]:
    """An axis in two lines of a header, parted at its last dot.

    >>> halves("hw.array.rows"), halves("dtype")
    (('hw.array.', 'rows'), ('dtype', ''))
    """
    kind, dot, rest = visible(axis).rpartition(".")
    return (kind + dot, rest) if dot else (rest, "")


def figure_texts(goal: str, values: Sequence[float]) -> list[str]:
    """The unit of figures, then each of them.

    >>> figure_texts("edp", [0.000259, 0.014]), figure_texts("latency", [0.25])
    (['mJ ms', '259', '14,000'], ['ms', '250.0'])
    """
    if goal == "edp":
        return ["mJ ms", *(f"{float(f'{value / EDP_SCALE:.4g}'):,.12g}" for value in values)]
    unit = scale(values, UNITS[goal])
    return [unit.unit, *map(unit.text, values)]


def setting(found: CoDesign, axis: str, value: Any) -> str:  # noqa: ANN401 - a value of an axis
    """A value of an axis, in its unit where it is a constant of the hardware."""
    path = found.space.resolved.hardware_paths[0].get(axis)
    return text(value) if path is None or is_array(path) else quantity(float(value), field_of(path).unit)


def draws(best: Best) -> str:
    """Share of the draws in which a configuration is the best.

    A configuration that is the best in all of them is so for certain.
    """
    return "all" if best.certain else "none" if best.share == 0 else percent(best.share)


# ---- what they cost each other


def transfer_table(found: CoDesign, goal: str) -> Table:
    """What each network costs on the best configuration of the others."""
    chosen = [transfer for transfer in found.transfers if transfer.goal == goal]
    owners = list(dict.fromkeys(transfer.best_for for transfer in chosen))
    columns = (Column("costs of", numeric=False), *(Column("best for", visible(owner)) for owner in owners))
    cells = {(transfer.network, transfer.best_for): cell(transfer) for transfer in chosen}
    names = dict.fromkeys(transfer.network for transfer in chosen)
    rows = tuple(Row((visible(name), *(cells[name, owner] for owner in owners))) for name in names)
    return Table(f"What the best for one costs the others: {TITLES[goal]}", columns, rows)


def cell(transfer: Transfer) -> str:
    """A ratio, marked where some draw turns it round."""
    if isnan(transfer.ratio):
        return NOTHING
    if transfer.network == transfer.best_for:
        return times(1.0)
    return times(transfer.ratio) + ("" if transfer.certain else UNCERTAIN)


# ---- sentences


def summary(found: CoDesign) -> Iterator[str]:
    """What stands out."""
    drawn = f"constants drawn {found.uncertainty.samples} times"
    yield f"{counted(found.configurations, 'configuration')} of the hardware; {drawn}."
    for goal in found.goals:
        chosen = [best for best in found.best if best.goal == goal and best.network != ALL]
        yield f"{sentence(TITLES[goal])}: {agreement(chosen)}{dearest(found, goal)}"
        yield from doubts(goal, chosen)
    if found.unpriced:
        yield f"{counted(found.unpriced, 'point')} left out, since a layer does not fit."


def sentence(words: str) -> str:
    """Words with a capital."""
    return words[:1].upper() + words[1:]


def agreement(chosen: Sequence[Best]) -> str:
    """How many configurations are the best of some network."""
    different = len({best.configuration for best in chosen})
    if len(chosen) == 1:
        return f"one configuration is best for {visible(chosen[0].network)}"
    if different == 1:
        return f"one configuration is best for all {len(chosen)} networks"
    return f"{different} different configurations are best for {len(chosen)} networks"


def dearest(found: CoDesign, goal: str) -> str:
    """The network that suffers most from hardware that suits another."""
    others = [t for t in found.transfers if t.goal == goal and t.best_for != ALL and not isnan(t.ratio)]
    worst = max(others, key=lambda transfer: transfer.ratio, default=None)
    if worst is None or worst.ratio == 1:
        return "."
    return f"; {visible(worst.network)} pays most for another's, {times(worst.ratio)} on that of {visible(worst.best_for)}."


def doubts(goal: str, chosen: Sequence[Best]) -> Iterator[str]:
    """Which of the best are so only for some constants."""
    open_ones = [f"{visible(best.network)} ({draws(best)} of draws)" for best in chosen if not best.certain]
    if not open_ones:
        yield f"Which one is best for {TITLES[goal]} is certain for every network: it is in every draw."
        return
    most = max(best.regret_ratio for best in chosen)
    yield (
        f"Not certain for {TITLES[goal]}: {listed(open_ones)}; whatever the constants are drawn, "
        f"the ones shown cost at most {times(most)} the best."
    )


def notes(found: CoDesign) -> Iterator[str]:
    """What is meant."""
    yield from space_sentences(found.space)
    yield (
        "Constants with a range are drawn within it, the same for every network and configuration (common random numbers); "
        f"{UNCERTAIN.strip()} marks ratios that some draw turns below 1. Their ranges are in JSON and CSV."
    )
    yield "Regret: the most that a configuration costs in any draw, over the best one of that draw."
    yield (
        f"{sentence(ALL)}: the configuration whose ratios to each network's own best have the least geometric mean, which "
        "stands in place of a figure. Of equal configurations the first of the space is shown."
    )
    if any(axis.startswith("hw.") for axis in found.space.names):
        yield (
            "Energy per access, static power and clock stay as the profile has them unless they are axes: a larger memory "
            "costs no more per access. What one size costs in another is said by the constraints: "
            f"{'; '.join(map(visible, found.space.constraints)) or 'none'}."
        )
