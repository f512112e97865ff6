"""A comparison as a document: in short, side by side, why, what fits, at which batch the order turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isclose
from typing import TYPE_CHECKING, TypeVar

from costmodel.comparison import LAST_BATCH
from costmodel.report.analysis_document import title as analysis_title
from costmodel.report.assumptions import (
    assumed_constants,
    bibliography,
    constant_table,
    modelling,
    unknown,
    used_constants,
)
from costmodel.report.comparison_names import both, by_hardware, number, subject, title
from costmodel.report.comparison_tables import causes, fits, side_by_side, sweep, why
from costmodel.report.document import Block, Document, Sentences, Table
from costmodel.report.layer_table import layer_table
from costmodel.report.names import visible
from costmodel.report.numbers import bare_ratio, listed
from costmodel.units import si, si_bytes

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.comparison import Comparison, Crossover, Pair

Titled = TypeVar("Titled", Sentences, Table)
SPOKEN = {
    "params": "the parameters",
    "macs": "the MACs",
    "dram_bytes": "the off-chip bytes",
    "energy_j": "the energy",
    "latency_s": "the time",
}


def document(comparison: Comparison) -> Document:
    """Report of several analyses; ratios are baseline over other."""
    reasons = tuple(why(comparison, pair) for pair in comparison.pairs)
    return Document(
        title=title(comparison),
        summary=(*unknowns(comparison), *side_by_side(comparison), in_short(comparison)),
        details=(*reasons, *causes(comparison), fits(comparison), sweep(comparison)),
        notes=tuple(assumptions(comparison)),
        appendix=lambda: tuple(appendix(comparison)),
    )


# ---- in short


def in_short(comparison: Comparison) -> Sentences:
    """Ratios, certainty, crossover and the price of a byte in words."""
    found: list[str] = []
    for pair, turn in zip(comparison.pairs, comparison.crossovers, strict=True):
        found += [*headline(comparison, pair), *kept_on_chip(comparison, pair)]
        found += [certainty(comparison, pair), crossover(comparison, pair, turn)]
    return Sentences("In short", (*found, *byte_prices(comparison)))


def headline(comparison: Comparison, pair: Pair) -> Iterator[str]:
    """The ratios in words; what is equal is left out."""
    baseline, other = both(comparison, pair)
    differing = {name: pair.ratios[key] for key, name in SPOKEN.items() if not isclose(pair.ratios[key], 1)}
    ratios = [f"{bare_ratio(ratio)} times {name}" for name, ratio in differing.items()]
    if ratios:
        yield f"{baseline} has {listed(ratios)} of {other}."


def kept_on_chip(comparison: Comparison, pair: Pair) -> Iterator[str]:
    """The ratio of what crosses if the hardware keeps what fits, where it was priced layer by layer."""
    one, two = (comparison.fits[number(comparison, analysis)] for analysis in (pair.baseline, pair.other))
    kept = (one.resident_bytes, two.resident_bytes)
    if pair.baseline.kind == "layer" and two.resident_bytes and kept != (one.layer_bytes, two.layer_bytes):
        baseline, other = both(comparison, pair)
        yield (
            f"If the hardware kept on chip what fits there, {baseline} would need {bare_ratio(kept[0] / kept[1])} times the "
            f"off-chip bytes of {other}: {si_bytes(kept[0])} against {si_bytes(kept[1])}."
        )


def certainty(comparison: Comparison, pair: Pair) -> str:
    """Whether the ranking by energy holds for every value of the constants."""
    names = both(comparison, pair)
    more, less = names if pair.ratios["energy_j"] >= 1 else names[::-1]
    claim = f"{more} spends more energy than {less}"
    if pair.certain:
        return f"Certain: {claim} for every value of the constants within their ranges, although the joules are not."
    return f"Not certain: {claim}, but some values of the constants within their ranges turn that around."


def crossover(comparison: Comparison, pair: Pair, found: Crossover) -> str:
    """When the order by off-chip bytes per input turns."""
    names = both(comparison, pair)
    if found.batch is None:
        return f"The order of {listed(names)} by off-chip bytes per input is the same at every batch up to {LAST_BATCH}."
    first = comparison.batch_sweep[0].bytes_per_input
    baseline_moved_more = first[number(comparison, pair.baseline)] > first[number(comparison, pair.other)]
    fewer, more = names if baseline_moved_more else names[::-1]
    alone = pair.baseline.kind == pair.other.kind == "layer"  # else less than the compulsory bytes may move
    by_bound = f" (by compulsory bytes: from {found.compulsory_batch})" if alone and found.compulsory_batch else ""
    return f"From batch {found.batch} on{by_bound}, {fewer} moves fewer off-chip bytes per input than {more}."


def byte_prices(comparison: Comparison) -> Iterable[str]:
    """Energy of a word from off chip against that of a MAC, once per hardware and format."""
    sentences = (
        f"On {visible(fit.hardware)} reading one byte off chip costs {si(fit.pj_per_byte, 'pJ')}, one "
        f"{analysis.precision.mac_format} MAC {si(fit.pj_per_mac, 'pJ')}: a 32-bit word costs as much as "
        f"{bare_ratio(fit.transfer_over_mac_ratio)} MACs."
        for analysis, fit in zip(comparison.analyses, comparison.fits, strict=True)
    )
    return dict.fromkeys(sentences)


# ---- what it rests on


def unknowns(comparison: Comparison) -> Iterator[Block]:
    """Layers that nobody models, per network."""
    for analysis in comparison.analyses:
        block = unknown(analysis.unknown)
        yield block._replace(title=f"{subject(comparison, analysis)}: {block.title}")


def assumptions(comparison: Comparison) -> Iterator[Block]:
    """Assumed constants and simplifications, once per profile."""
    groups = by_hardware(comparison)
    for group in groups:
        yield named(assumed_constants(used_constants(group)), group, groups)
    for group in groups:
        yield named(modelling(group), group, groups)


def appendix(comparison: Comparison) -> Iterator[Block]:
    """Every layer, every constant, every source."""
    for analysis in comparison.analyses:
        yield layer_table(analysis)._replace(title=f"Layers of {analysis_title(analysis)}")
    groups = by_hardware(comparison)
    for group in groups:
        yield named(constant_table(used_constants(group)), group, groups)
    sources = dict.fromkeys(sentence for analysis in comparison.analyses for sentence in bibliography(analysis).sentences)
    yield Sentences("Sources", tuple(sources))


def named(block: Titled, group: Sequence[Analysis], groups: Sequence[Sequence[Analysis]]) -> Titled:
    """The block, its title naming the hardware where there are several."""
    if len(groups) == 1:
        return block
    return block._replace(title=f"{visible(group[0].hardware.name)}: {block.title[0].lower()}{block.title[1:]}")
