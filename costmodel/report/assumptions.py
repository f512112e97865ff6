"""What a result rests on: constants that no source gives, the model's own simplifications, rules for free layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from costmodel.report.document import Column, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import counted, listed
from costmodel.report.objective import mapping_sentences
from costmodel.units import quantity

if TYPE_CHECKING:
    from costmodel.analysis import Analysis, LayerCost
    from costmodel.hardware import Constant
    from costmodel.training import TrainingCost
    from costmodel.updates import UpdateCost

CONSTANT_COLUMNS = (
    Column("constant", numeric=False),
    Column("value"),
    Column("range", priority=1),
    Column("tier", numeric=False, priority=2),
    Column("source", numeric=False),
    Column("place or reason", numeric=False, wrap=True),
)


def used_constants(analyses: Iterable[Analysis]) -> tuple[Constant, ...]:
    """Constants that at least one of several analyses on one profile depends on."""
    return tuple({c.name: c for analysis in analyses for c in analysis.constants()}.values())


def assumed_constants(used: Sequence[Constant]) -> Sentences:
    """Constants of tier ``assumed``: value, range unless exact, reason."""
    found = [constant for constant in used if constant.tier == "assumed"]
    title = f"What was assumed: {len(found)} of the {len(used)} constants used have no source"
    return Sentences(title, tuple(map(assumed, found)))


def assumed(constant: Constant) -> str:
    """One assumption."""
    spread = "" if constant.exact else f" ({constant_range(constant)})"
    return f"{constant.name} = {constant.text}{spread}: {visible(constant.where)}"


def constant_range(constant: Constant) -> str:
    """Low to high, or that there is no range.

    The unit is written once where both ends share it.
    """
    if constant.exact:
        return "exact"
    low, high = (quantity(end, constant.unit) for end in (constant.low, constant.high))
    number, _, unit = low.partition(" ")
    return f"{number if high.endswith(f' {unit}') else low} to {high}"


def constant_table(used: Iterable[Constant]) -> Table:
    """Constants with their sources."""
    return Table("Constants used", CONSTANT_COLUMNS, tuple(map(constant_row, used)))


def constant_row(constant: Constant) -> Row:
    """One constant."""
    source = visible(constant.source)
    return Row((constant.name, constant.text, constant_range(constant), constant.tier, source, visible(constant.where)))


def bibliography(analysis: Analysis | TrainingCost | UpdateCost) -> Sentences:
    """Sources of the constants."""
    found = tuple(visible(f"{source.key}: {source.reference}") for source in analysis.sources() if source.key != "assumed")
    return Sentences("Sources", found)


EXECUTED = {
    "layer": "Every layer reads its inputs from {store} and writes its outputs there; nothing stays on chip between layers.",
    "resident": "What the schedule keeps in {memory} is neither written to {store} nor read from it; every other tensor is.",
    "fused": "What the schedule keeps in {memory}, or hands on in stripes, is neither written to {store} nor read from it.",
}


TILED = {
    "layer": "Off-chip bytes of a layer are the exact minimum over all tilings and loop orders that fit in {memory}{half}.",
    "resident": "What a layer still moves is the exact minimum over all tilings and loop orders that fit beside what stays in "
    "{memory}{half}.",
    "fused": "What a layer outside the cascades still moves is the exact minimum over all tilings and loop orders that fit "
    "beside what stays in {memory}{half}.",
}


DENSE = "Nothing is compressed, no zero is skipped; biases stay beside the accumulators."
COMPRESSED = (
    "Compressed weights stay so in {store} and in {memory}, at their layer's average width rounded up to 1/256 bit, and are "
    "decoded behind it; no zero is skipped; biases stay beside the accumulators."
)


def modelling(analyses: Sequence[Analysis]) -> Sentences:
    """Simplifications of the model, for analyses on one profile under one kind of schedule."""
    hardware, kind = analyses[0].hardware, analyses[0].kind
    as_stored = any(analysis.precision.as_stored for analysis in analyses)
    objective = all(analysis.objective for analysis in analyses)
    compressed = any(analysis.estimate.table.encoded for analysis in analyses)
    store, first = (level.name for level in hardware.levels[:2])
    room = "of it" if kind == "layer" else "of what is left"
    half = f", half {room} holding the next tile (double buffering)" if hardware.levels[1].double_buffered else ""
    together = "overlap: a layer takes as long as its slowest resource" if hardware.overlap else "take turns: their times add"
    widths = ("Widths: as in the file, layer by layer, where a network is as stored; --dtype prices all layers alike.",)
    return Sentences(
        "How it was modelled",
        (
            *(widths if as_stored else ()),
            EXECUTED[kind].format(store=store, memory=first),
            *(() if objective else (TILED[kind].format(memory=first, half=half),)),
            *mapping_sentences(analyses),
            *order_kept(analyses),
            COMPRESSED.format(store=store, memory=first) if compressed else DENSE,
            "Every other operation (activation, pooling, normalisation) costs what a MAC costs.",
            f"Transfers and compute {together}.",
        ),
    )


def modelled(analysis: Analysis) -> Sentences:
    """Simplifications of an analysis."""
    found = modelling([analysis])
    return found._replace(sentences=(*found.sentences, *coded_activations(analysis)))


def coded_activations(analysis: Analysis) -> tuple[str, ...]:
    """What holds of sparse activations, where densities are given."""
    code = analysis.estimate.code
    if code is None:
        return ()
    origin = f"{visible(code.densities.source)}, {visible(code.densities.place)}" if code.densities.source else "as given"
    store = analysis.hardware.levels[0].name
    return (
        f"Activations have the zeros of {visible(code.densities.name)} ({origin}) in {code.layers} of "
        f"{len(analysis.estimate.table)} rows; those that nothing is said of are dense.",
        f"In {store} they take a run-length code, 5 bits of run per value in words of 64 bits, where that is shorter; partial "
        "sums are not coded, and tiles are those of dense activations.",
        "No MAC is skipped in any figure but the effective MACs, whose activation is expected not to be zero.",
    )


def order_kept(analyses: Sequence[Analysis]) -> Iterator[str]:
    """The networks whose orders of execution were not all searched."""
    kept = dict.fromkeys(visible(a.network) for a in analyses if not a.schedule.every_order)
    if kept:
        names = f" of {listed(list(kept))}" if len(analyses) > 1 else ""
        yield f"The layers{names} are executed in the order in which they are written: there are too many others to search."


def free_rules(layers: Iterable[LayerCost]) -> Sentences:
    """Free layers counted by the rule that makes them free."""
    rules = Counter((layer.op, layer.note) for layer in layers if layer.status == "free")
    found = listed([f"{count} {visible(op)} ({visible(note)})" for (op, note), count in rules.most_common()])
    sentence = f"{counted(rules.total(), 'layer')} free by rule, with no traffic of their own: {found}."
    return Sentences("", (sentence,) if rules else ())


def unknown(layers: Iterable[LayerCost]) -> Sentences:
    """Layers that nobody models."""
    found = [f"{visible(e.name)} ({visible(e.op)}){': ' + visible(e.note) if e.note else ''}" for e in layers]
    title = f"{counted(len(found), 'layer')} UNKNOWN: no model, their work is missing from every total"
    return Sentences(title, tuple(found), alarm=True)
