"""The tables of a comparison: side by side, the factors of the why, modules, what fits, batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isclose, prod
from typing import TYPE_CHECKING, NamedTuple

from costmodel.report.comparison_names import both, subject, two_lines
from costmodel.report.document import Column, Row, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, bare_ratio, share, times
from costmodel.units import si, si_bytes, si_count

if TYPE_CHECKING:
    from costmodel.analysis import Analysis
    from costmodel.comparison import BatchPoint, Comparison, Factor, Fit, Pair

INLINE = 3
ANALYSIS = Column("", numeric=False, wrap=True)


class Quantity(NamedTuple):
    """A line of the comparison.

    How an analysis shows it, the key of its ratio, when a narrow table drops it, and what it is a part of.
    """

    name: str
    text: Callable[[Analysis], str]
    ratio: str = ""
    priority: int = 0
    whole: str = ""


QUANTITIES = (
    Quantity("parameters", lambda a: si_count(a.totals.params), "params", 3),
    Quantity("MACs", lambda a: si_count(a.totals.macs), "macs", 4),
    Quantity("stored weights", lambda a: si_bytes(a.totals.weight_bytes), "weight_bytes", 6),
    Quantity("off-chip bytes", lambda a: si_bytes(a.totals.dram_bytes), "dram_bytes"),
    Quantity("  weights", lambda a: si_bytes(a.totals.weight_dram_bytes), "", 9, "off-chip"),
    Quantity("  activations", lambda a: si_bytes(a.totals.ifmap_dram_bytes + a.totals.ofmap_dram_bytes), "", 9, "off-chip"),
    Quantity("  compulsory", lambda a: si_bytes(a.totals.compulsory_bytes), "compulsory_bytes", 7, "off-chip"),
    Quantity("MACs per byte", lambda a: bare_ratio(a.totals.macs_per_dram_byte), "", 8),
    Quantity("energy", lambda a: si(a.totals.energy_j.value, "J"), "energy_j"),
    Quantity("  at least", lambda a: si(a.totals.energy_j.low, "J"), "", 2, "energy"),
    Quantity("  at most", lambda a: si(a.totals.energy_j.high, "J"), "", 2, "energy"),
    Quantity("  off chip", lambda a: si(a.totals.energy_off_chip_j, "J"), "energy_off_chip_j", 5, "energy"),
    Quantity("latency", lambda a: si(a.totals.latency_s, "s"), "latency_s"),
    Quantity("  at least", lambda a: si(a.totals.latency_range_s.low, "s"), "", 3, "latency"),
    Quantity("  at most", lambda a: si(a.totals.latency_range_s.high, "s"), "", 3, "latency"),
)


def quantities(comparison: Comparison) -> tuple[Quantity, ...]:
    """Lines of the comparison; compulsory bytes are the least of a layer alone, and mean nothing where tensors stay."""
    alone = all(analysis.kind == "layer" for analysis in comparison.analyses)
    return tuple(q for q in QUANTITIES if alone or q.ratio != "compulsory_bytes")


# ---- side by side


def side_by_side(comparison: Comparison) -> tuple[Table, ...]:
    """Totals of all analyses and their ratios: in one table where there are few, else one line per analysis."""
    if len(comparison.analyses) <= INLINE:
        return (few_side_by_side(comparison),)
    return many_below_each_other(comparison), ratio_table(comparison)


def few_side_by_side(comparison: Comparison) -> Table:
    """One line per quantity, one column per analysis, ratios beside them."""
    columns = [Column("", numeric=False)]
    fillers: list[Callable[[Quantity], str]] = [lambda q: q.name]
    ratios = {id(pair.other): pair for pair in comparison.pairs}
    for analysis in comparison.analyses:
        columns.append(Column(*two_lines(comparison, analysis)))
        fillers.append(value_in(analysis))
        if id(analysis) in ratios:
            columns.append(Column("ratio"))
            fillers.append(ratio_in(ratios[id(analysis)]))
    shown = quantities(comparison)
    rows = (Row(tuple(fill(q) for fill in fillers), "member" if q.name.startswith(" ") else "plain") for q in shown)
    return Table("Side by side", tuple(columns), tuple(rows))


def value_in(analysis: Analysis) -> Callable[[Quantity], str]:
    """Column of an analysis."""
    return lambda quantity: quantity.text(analysis)


def ratio_in(pair: Pair) -> Callable[[Quantity], str]:
    """Column of ratios: baseline over the other."""
    return lambda quantity: times(pair.ratios[quantity.ratio]) if quantity.ratio else ""


def many_below_each_other(comparison: Comparison) -> Table:
    """One line per analysis, one column per quantity."""
    shown = quantities(comparison)
    columns = (ANALYSIS, *(quantity_column(q) for q in shown))
    rows = (Row((subject(comparison, a), *(q.text(a) for q in shown))) for a in comparison.analyses)
    return Table("Side by side", columns, tuple(rows))


def ratio_table(comparison: Comparison) -> Table:
    """One line of ratios per pair."""
    shown = [quantity for quantity in quantities(comparison) if quantity.ratio]
    baselines = {subject(comparison, pair.baseline) for pair in comparison.pairs}
    one = len(baselines) == 1
    names = [subject(comparison, p.other) if one else " / ".join(both(comparison, p)) for p in comparison.pairs]
    rows = (Row((name, *(ratio_in(p)(q) for q in shown))) for name, p in zip(names, comparison.pairs, strict=True))
    columns = (ANALYSIS, *(quantity_column(q) for q in shown))
    return Table(f"Ratios: {baselines.pop()} over each other one" if one else "Ratios", columns, tuple(rows))


def quantity_column(quantity: Quantity) -> Column:
    """Column of a quantity, named on two lines; a part of another one names that as well."""
    name = quantity.name if not quantity.name.startswith(" ") else f"{quantity.whole} {quantity.name.strip()}"
    return Column(*two_words(name), quantity.priority)


def two_words(name: str) -> tuple[str, str]:
    """A name on two lines of a header.

    >>> two_words("off-chip bytes"), two_words("MACs")
    (('off-chip', 'bytes'), ('MACs', ''))
    """
    first, blank, last = name.partition(" ")
    return first, last if blank else ""


# ---- the why


def why(comparison: Comparison, pair: Pair) -> Table:
    """Factors that multiply to the ratio of the off-chip energies."""
    baseline, other = both(comparison, pair)
    whole = times(prod(factor.ratio for factor in pair.factors))
    explanation = Column(f"{baseline} against {other}", numeric=False, wrap=True)
    columns = (Column("factor", numeric=False), Column("ratio"), Column("so far"), explanation)
    total = Row(("off-chip energy", times(pair.ratios["energy_off_chip_j"]), whole, "the product of all factors"), "total")
    title = f"Why {baseline} spends {whole} the off-chip energy of {other}"
    return Table(title, columns, (*factor_rows(pair.factors), *equal_row(pair.factors), total))


def factor_rows(factors: Sequence[Factor]) -> Iterator[Row]:
    """One line per factor that makes a difference, with the product so far."""
    running = 1.0
    for factor in factors:
        running *= factor.ratio
        if not isclose(factor.ratio, 1):
            yield Row((visible(factor.name), times(factor.ratio), times(running), visible(factor.explanation)))


def equal_row(factors: Sequence[Factor]) -> Iterator[Row]:
    """One line for the factors that make no difference."""
    equal = [visible(factor.name) for factor in factors if isclose(factor.ratio, 1)]
    if equal:
        yield Row(("no difference", times(1), "", ", ".join(equal)), "free")


def causes(comparison: Comparison) -> Iterator[Table]:
    """Modules that move most, per pair of different networks."""
    columns = (
        Column("module", numeric=False),
        Column("of", numeric=False),
        Column("off-chip", "bytes"),
        Column("share of", "its network"),
    )
    for pair in comparison.pairs:
        if pair.baseline.network == pair.other.network:
            continue
        rows = (Row((visible(c.group), visible(c.network), si_bytes(c.dram_bytes), share(c.share, 1))) for c in pair.causes)
        yield Table(f"Modules that move most, of {' and '.join(both(comparison, pair))}", columns, tuple(rows))


# ---- what fits


def fits(comparison: Comparison) -> Table:
    """What fits on chip, and what crosses under each kind of schedule."""
    columns = (
        ANALYSIS,
        Column("weights", priority=3),
        Column("peak of", "activations", 2),
        Column("on-chip", "memory", 1),
        Column("layer by", "layer"),
        Column("resident"),
        Column("fused"),
        Column("lower", "bound", 4),
    )
    lines = zip(comparison.analyses, comparison.fits, strict=True)
    rows = tuple(Row((subject(comparison, analysis), *map(si_bytes, fit_bytes(fit)))) for analysis, fit in lines)
    return Table("What fits on chip, and the off-chip bytes of each schedule", columns, rows)


def fit_bytes(fit: Fit) -> tuple[int, ...]:
    """One line of what fits [B]."""
    sizes = (fit.weight_bytes, fit.peak_bytes, fit.capacity_bytes)
    return (*sizes, fit.layer_bytes, fit.resident_bytes, fit.fused_bytes, fit.bound_bytes)


# ---- batch


def sweep(comparison: Comparison) -> Table:
    """Off-chip bytes per input at several batch sizes."""
    title = "Off-chip bytes per input, by batch"
    if len(comparison.analyses) <= INLINE:
        return Table(title, batch_columns(comparison), tuple(map(batch_row, comparison.batch_sweep)))
    series = zip(*(point.bytes_per_input for point in comparison.batch_sweep), strict=True)
    columns = (ANALYSIS, *(Column("batch", str(p.batch), i % 2 * i) for i, p in enumerate(comparison.batch_sweep)))
    lines = zip(comparison.analyses, series, strict=True)
    return Table(title, columns, tuple(Row((subject(comparison, a), *map(si_bytes, found))) for a, found in lines))


def batch_columns(comparison: Comparison) -> tuple[Column, ...]:
    """Batch, analyses, and the ratios of the first to each other one."""
    several = len(comparison.analyses) > 2
    names = [two_lines(comparison, analysis) for analysis in comparison.analyses]
    ratios = (Column("ratio to", name[0]) if several else Column("ratio") for name in names[1:])
    return (Column("batch"), *(Column(*name) for name in names), *ratios)


def batch_row(point: BatchPoint) -> Row:
    """One batch size: bytes per input, then the ratios of the first to each other one."""
    first, *others = point.bytes_per_input
    ratios = (times(first / other) if other else NOTHING for other in others)
    return Row((str(point.batch), *map(si_bytes, point.bytes_per_input), *ratios))
