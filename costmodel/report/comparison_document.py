"""A comparison as a document: side by side, why, which modules, what fits, at which batch the order turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, TypeVar

from costmodel.comparison import LAST_BATCH
from costmodel.report.analysis_document import title as analysis_title
from costmodel.report.assumptions import assumed_constants, bibliography, constant_table, modelling, unknown, used_constants
from costmodel.report.document import Block, Column, Document, Row, Sentences, Table
from costmodel.report.layer_table import layer_table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, listed, share, span, times
from costmodel.units import si, si_bytes, si_count

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.comparison import Comparison, Fit, Pair

INLINE = 3
Titled = TypeVar("Titled", Sentences, Table)
Quantity = tuple[str, Callable[["Analysis"], str], str]
QUANTITIES: tuple[Quantity, ...] = (
    ("parameters", lambda a: si_count(a.totals.params), "params"),
    ("MACs", lambda a: si_count(a.totals.macs), "macs"),
    ("stored weights", lambda a: si_bytes(a.totals.weight_bytes), "weight_bytes"),
    ("off-chip bytes", lambda a: si_bytes(a.totals.dram_bytes), "dram_bytes"),
    ("  weights", lambda a: si_bytes(a.totals.weight_dram_bytes), ""),
    ("  activations", lambda a: si_bytes(a.totals.ifmap_dram_bytes + a.totals.ofmap_dram_bytes), ""),
    ("  compulsory", lambda a: si_bytes(a.totals.compulsory_bytes), "compulsory_bytes"),
    ("MACs per byte", lambda a: bare_ratio(a.totals.macs_per_dram_byte), ""),
    ("energy", lambda a: si(a.totals.energy_j.value, "J"), "energy_j"),
    ("  low to high", lambda a: span(a.totals.energy_j.low, a.totals.energy_j.high, "J"), ""),
    ("  off chip", lambda a: si(a.totals.energy_off_chip_j, "J"), "energy_off_chip_j"),
    ("latency", lambda a: si(a.totals.latency_s, "s"), "latency_s"),
    ("  low to high", lambda a: span(a.totals.latency.low, a.totals.latency.high, "s"), ""),
)  # fmt: skip
SPOKEN = {
    "params": "the parameters",
    "macs": "the MACs",
    "dram_bytes": "the off-chip bytes",
    "energy_j": "the energy",
    "latency_s": "the time",
}
RESIDENT = {
    "all": "all of it",
    "activations": "activations",
    "nothing": "neither",
}


def document(comparison: Comparison) -> Document:
    """Report of several analyses; the first is the baseline of every ratio."""
    return Document(
        title=f"{listed([subject(comparison, a) for a in comparison.analyses])}{common(comparison)}",
        summary=(*unknowns(comparison), side_by_side(comparison), *ratio_table(comparison), in_short(comparison)),
        details=(*(why(comparison, pair) for pair in comparison.pairs), *causes(comparison), fits(comparison), sweep(comparison)),
        notes=tuple(assumptions(comparison)),
        appendix=tuple(appendix(comparison)),
    )


# ---- names


def subject(comparison: Comparison, analysis: Analysis) -> str:
    """What distinguishes an analysis from the others: its network, and its hardware and format where these differ."""
    network, rest = two_lines(comparison, analysis)
    return f"{network} ({rest})" if rest else network


def two_lines(comparison: Comparison, analysis: Analysis) -> tuple[str, str]:
    """Network; hardware and format where these differ."""
    hardware = {a.hardware.name for a in comparison.analyses}
    formats = {a.precision.name for a in comparison.analyses}
    rest = [analysis.hardware.name] if len(hardware) > 1 else []
    rest += [analysis.precision.name] if len(formats) > 1 else []
    return visible(analysis.network), visible(", ".join(rest))


def common(comparison: Comparison) -> str:
    """What all analyses share."""
    hardware = {visible(a.hardware.name) for a in comparison.analyses}
    formats = {visible(a.precision.name) for a in comparison.analyses}
    where = f" on {hardware.pop()}" if len(hardware) == 1 else ""
    form = f", {formats.pop()}" if len(formats) == 1 else ""
    return f"{where}{form}, batch {comparison.analyses[0].batch}"


def by_hardware(comparison: Comparison) -> list[list[Analysis]]:
    """Analyses that share a profile, profile after profile."""
    found: dict[tuple[str, str], list[Analysis]] = {}
    for analysis in comparison.analyses:
        found.setdefault((analysis.hardware.name, str(analysis.hardware.file)), []).append(analysis)
    return list(found.values())


# ---- side by side


def side_by_side(comparison: Comparison) -> Table:
    """Totals of all analyses, with ratios beside them where there are few."""
    inline = len(comparison.analyses) <= INLINE
    columns = [Column("", numeric=False)]
    fillers: list[Callable[[Quantity], str]] = [lambda q: q[0]]
    for index, analysis in enumerate(comparison.analyses):
        columns.append(Column(*two_lines(comparison, analysis)))
        fillers.append(value_of(analysis))
        if index and inline:
            columns.append(Column("ratio"))
            fillers.append(ratio_of(comparison.pairs[index - 1]))
    rows = (Row(tuple(fill(q) for fill in fillers), "member" if q[0].startswith(" ") else "plain") for q in QUANTITIES)
    return Table("Side by side", tuple(columns), tuple(rows))


def value_of(analysis: Analysis) -> Callable[[Quantity], str]:
    """Column of an analysis."""
    return lambda quantity: quantity[1](analysis)


def ratio_of(pair: Pair) -> Callable[[Quantity], str]:
    """Column of ratios: baseline over the other."""
    return lambda quantity: times(pair.ratios[quantity[2]]) if quantity[2] else ""


def ratio_table(comparison: Comparison) -> Iterator[Table]:
    """Ratios on their own where there are too many analyses to put them side by side."""
    if len(comparison.analyses) > INLINE:
        shown = [q for q in QUANTITIES if q[2]]
        columns = (Column("", numeric=False), *(Column(*two_words(q[0].strip()), priority=i) for i, q in enumerate(shown)))
        rows = (
            Row((subject(comparison, pair.other), *(times(pair.ratios[q[2]]) for q in shown))) for pair in comparison.pairs
        )
        yield Table(f"{subject(comparison, comparison.analyses[0])} over each other one", columns, tuple(rows))


def two_words(name: str) -> tuple[str, str]:
    """A name on two lines of a header."""
    first, _, last = name.rpartition(" ")
    return first, last


# ---- the why


def why(comparison: Comparison, pair: Pair) -> Table:
    """Factors that multiply to the ratio of the off-chip energies."""
    whole = prod(factor.ratio for factor in pair.factors)
    running = 1.0
    rows = []
    for factor in pair.factors:
        running *= factor.ratio
        rows.append(Row((factor.name, times(factor.ratio), times(running), factor.explanation)))
    rows.append(Row(("off-chip energy", times(whole), times(pair.ratios["energy_off_chip_j"]), "the product of all factors"), "total"))
    columns = (
        Column("factor", numeric=False),
        Column("ratio"),
        Column("so far"),
        Column(f"{subject(comparison, pair.baseline)} against {subject(comparison, pair.other)}", numeric=False, wrap=True),
    )
    return Table(
        f"Why {subject(comparison, pair.baseline)} spends {times(whole)} the off-chip energy of {subject(comparison, pair.other)}",
        columns,
        tuple(rows),
    )


def causes(comparison: Comparison) -> Iterator[Table]:
    """Modules that move most, per pair."""
    columns = (
        Column("module", numeric=False),
        Column("of", numeric=False),
        Column("off-chip", "bytes"),
        Column("share of", "its network"),
    )
    for pair in comparison.pairs:
        rows = (
            Row((visible(c.group), visible(c.network), si_bytes(c.dram_bytes), share(c.share, 1))) for c in pair.causes
        )
        names = f"{subject(comparison, pair.baseline)} and {subject(comparison, pair.other)}"
        yield Table(f"Modules that move most, of {names}", columns, tuple(rows))


# ---- what fits


def fits(comparison: Comparison) -> Table:
    """What would stay on chip, and what must cross even then."""
    columns = (
        Column("", numeric=False),
        Column("weights", "", 3),
        Column("peak of", "activations", 2),
        Column("on-chip", "memory", 1),
        Column("fits", numeric=False),
        Column("crosses", "now"),
        Column("must", "cross"),
    )
    rows = (
        Row((subject(comparison, analysis), *fit_cells(fit)))
        for analysis, fit in zip(comparison.analyses, comparison.fits, strict=True)
    )
    return Table("What fits on chip, and what would still cross if the hardware kept it there", columns, tuple(rows))


def fit_cells(fit: Fit) -> tuple[str, ...]:
    """One line of what fits."""
    return (
        si_bytes(fit.weight_bytes),
        si_bytes(fit.peak_bytes),
        si_bytes(fit.capacity_bytes),
        RESIDENT.get(fit.resident, fit.resident),
        si_bytes(fit.dram_bytes),
        si_bytes(fit.floor_bytes),
    )


# ---- batch


def sweep(comparison: Comparison) -> Table:
    """Off-chip bytes per input at several batch sizes."""
    ratios = len(comparison.analyses) <= INLINE
    columns = [Column("batch"), *(Column(*two_lines(comparison, a)) for a in comparison.analyses)]
    columns += [Column("ratio", subject(comparison, p.other) if len(comparison.pairs) > 1 else "") for p in comparison.pairs if ratios]
    rows = []
    for point in comparison.batch_sweep:
        first, *others = point.bytes_per_input
        cells = [str(point.batch), *map(si_bytes, point.bytes_per_input)]
        cells += [times(first / other) if other else NOTHING for other in others if ratios]
        rows.append(Row(tuple(cells)))
    return Table("Off-chip bytes per input, by batch", tuple(columns), tuple(rows))


def crossover(comparison: Comparison, index: int) -> str:
    """When the order of the baseline and another analysis by off-chip bytes per input turns."""
    pair, found = comparison.pairs[index - 1], comparison.crossovers[index - 1]
    names = f"{subject(comparison, pair.baseline)} and {subject(comparison, pair.other)}"
    if found.batch is None:
        return f"The order of {names} by off-chip bytes per input is the same at every batch up to {LAST_BATCH}."
    by_bound = f" (by compulsory bytes: from {found.compulsory_batch})" if found.compulsory_batch else ""
    first = comparison.batch_sweep[0].bytes_per_input
    baseline_gains = first[0] > first[index]
    fewer, more = (pair.baseline, pair.other) if baseline_gains else (pair.other, pair.baseline)
    return (
        f"From batch {found.batch} on{by_bound}, {subject(comparison, fewer)} moves fewer off-chip bytes per input than "
        f"{subject(comparison, more)}."
    )


# ---- in short


def in_short(comparison: Comparison) -> Sentences:
    """Ratios, certainty, crossover and the price of a byte in words."""
    found: list[str] = []
    for index, pair in enumerate(comparison.pairs, 1):
        found += [headline(comparison, pair), *kept_on_chip(comparison, index)]
        found += [certainty(comparison, pair), crossover(comparison, index)]
    found += byte_prices(comparison)
    return Sentences("In short", tuple(found))


def headline(comparison: Comparison, pair: Pair) -> str:
    """The ratios in words."""
    ratios = [f"{bare_ratio(pair.ratios[key])} times {name}" for key, name in SPOKEN.items()]
    return f"{subject(comparison, pair.baseline)} has {listed(ratios)} of {subject(comparison, pair.other)}."


def kept_on_chip(comparison: Comparison, index: int) -> Iterator[str]:
    """The ratio of what must cross if the hardware keeps what fits."""
    baseline, other = comparison.fits[0], comparison.fits[index]
    if (baseline.resident, other.resident) != ("nothing", "nothing"):
        names = [subject(comparison, comparison.analyses[i]) for i in (0, index)]
        yield (
            f"If the hardware kept on chip what fits there, {names[0]} would need {bare_ratio(baseline.floor_bytes / other.floor_bytes)} "
            f"times the off-chip bytes of {names[1]}: {si_bytes(baseline.floor_bytes)} against {si_bytes(other.floor_bytes)}."
        )


def certainty(comparison: Comparison, pair: Pair) -> str:
    """Whether the ranking by energy holds for every value of the constants."""
    more, less = (pair.baseline, pair.other) if pair.ratios["energy_j"] >= 1 else (pair.other, pair.baseline)
    claim = f"{subject(comparison, more)} spends more energy than {subject(comparison, less)}"
    if pair.certain:
        return f"Certain: {claim} for every value of the constants within their ranges, although the joules are not."
    return f"Not certain: {claim}, but some values of the constants within their ranges turn that around."


def byte_prices(comparison: Comparison) -> Iterator[str]:
    """Energy of a word from off chip against that of a MAC, per hardware and format."""
    seen = set()
    for analysis, fit in zip(comparison.analyses, comparison.fits, strict=True):
        sentence = (
            f"On {visible(fit.hardware)} reading one byte off chip costs {si(fit.pj_per_byte, 'pJ')}, one "
            f"{analysis.precision.mac_format} MAC {si(fit.pj_per_mac, 'pJ')}: a 32-bit word costs as much as "
            f"{bare_ratio(fit.transfer_over_mac_ratio)} MACs."
        )
        if sentence not in seen:
            seen.add(sentence)
            yield sentence


# ---- what it rests on


def unknowns(comparison: Comparison) -> Iterable[Block]:
    """Layers that nobody models, per network."""
    return [unknown(analysis.unknown) for analysis in comparison.analyses if analysis.unknown]


def assumptions(comparison: Comparison) -> Iterator[Block]:
    """Assumed constants and simplifications, once per profile."""
    groups = by_hardware(comparison)
    for group in groups:
        yield named(assumed_constants(used_constants(group)), group, groups)
    for group in groups:
        yield named(modelling(group[0].hardware), group, groups)


def appendix(comparison: Comparison) -> Iterator[Block]:
    """Every layer, every constant, every source."""
    for analysis in comparison.analyses:
        yield replace(layer_table(analysis), title=f"Layers of {analysis_title(analysis)}")
    groups = by_hardware(comparison)
    for group in groups:
        yield named(constant_table(used_constants(group)), group, groups)
    sources = dict.fromkeys(sentence for analysis in comparison.analyses for sentence in bibliography(analysis).sentences)
    yield Sentences("Sources", tuple(sources))


def named(block: Titled, group: Sequence[Analysis], groups: Sequence[Sequence[Analysis]]) -> Titled:
    """The block, its title naming the hardware where there are several."""
    if len(groups) == 1:
        return block
    return replace(block, title=f"On {visible(group[0].hardware.name)}. {block.title}")
