"""The box of totals: each figure with what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.document import Fact, Facts
from costmodel.report.numbers import at_most, bare_ratio, counted, share, span
from costmodel.units import si, si_bytes, si_count

if TYPE_CHECKING:
    from costmodel.analysis import Analysis, Totals

PARTS = {
    "energy_mac_j": "arithmetic",
    "energy_on_chip_j": "on-chip memory",
    "energy_off_chip_j": "off-chip traffic",
    "energy_static_j": "static power",
}
OPERANDS = {"weight_dram_bytes": "weights", "ifmap_dram_bytes": "ifmaps", "ofmap_dram_bytes": "ofmaps"}


def totals_facts(analysis: Analysis) -> Facts:
    """Totals of an analysis."""
    t = analysis.totals
    title = "Totals" if analysis.batch == 1 else f"Totals for the batch of {analysis.batch}"
    return Facts(title, (*work(analysis), *bytes_moved(analysis), *energy(t), *time(t)))


def work(analysis: Analysis) -> tuple[Fact, ...]:
    """Parameters and operations."""
    t = analysis.totals
    again = int(analysis.estimate.executed_macs.sum()) - t.macs
    return (
        Fact("parameters", si_count(t.params), f"{si_bytes(t.weight_bytes)} at {weight_widths(analysis)} each"),
        Fact("MACs", si_count(t.macs), f"and {si_count(t.other_ops)} other operations"),
        *effective(analysis),
        *((Fact("  again", si_count(again), "computed more than once, where stripes overlap"),) if again else ()),
    )


def effective(analysis: Analysis) -> tuple[Fact, ...]:
    """MACs whose activation is not zero, where densities are given."""
    macs = analysis.totals.effective_macs
    if macs is None:
        return ()
    return (Fact("  effective", si_count(macs), f"{share(macs, analysis.totals.macs)}: whose activation is not zero"),)


def weight_widths(analysis: Analysis) -> str:
    """Widths at which parameters are stored."""
    if analysis.estimate.table.encoded:
        return f"{bare_ratio(8 * analysis.totals.weight_bytes / max(analysis.totals.params, 1))} bits compressed, on average,"
    if not analysis.precision.as_stored:
        return counted(analysis.precision.weight_bits, "bit")
    widths = sorted({layer.weight_bits for layer in analysis.layers if layer.params}) or [analysis.precision.weight_bits]
    return counted(widths[0], "bit") if len(widths) == 1 else f"{widths[0]} to {widths[-1]} bits"


def bytes_moved(analysis: Analysis) -> tuple[Fact, ...]:
    """Off-chip bytes, by operand, and the least that must move."""
    totals = analysis.totals
    return (
        Fact("off-chip bytes", si_bytes(totals.dram_bytes), f"{bare_ratio(totals.macs_per_dram_byte)} MACs per byte"),
        *(
            Fact(f"  {name}", si_bytes(getattr(totals, key)), share(getattr(totals, key), totals.dram_bytes))
            for key, name in OPERANDS.items()
        ),
        compared(analysis),
    )


def compared(analysis: Analysis) -> Fact:
    """What the bytes moved are to be compared with: the least layer by layer, or what no schedule of the kind undercuts."""
    totals = analysis.totals
    if analysis.kind == "layer":
        return Fact("  compulsory", si_bytes(totals.compulsory_bytes), compulsory_detail(totals))
    saved = share(totals.dram_bytes, analysis.scheduled("layer", analysis.phase).dram_bytes)
    detail = f"at most {at_most(analysis.schedule.gap_ratio)} less" if analysis.schedule.gap_ratio else "the optimum, proved"
    return Fact("  at least", si_bytes(analysis.schedule.lower_bytes), f"{detail}; {saved} of layer by layer")


def compulsory_detail(totals: Totals) -> str:
    """How far the bytes moved are from the least that any mapping moves."""
    if totals.dram_bytes == totals.compulsory_bytes:
        return "reached: no byte crosses twice"
    return f"the least; {bare_ratio(totals.dram_bytes / totals.compulsory_bytes)} times that crosses"


def energy(totals: Totals) -> tuple[Fact, ...]:
    """Energy with its range and its parts."""
    total = totals.energy_j
    return (
        Fact("energy", si(total.value, "J"), span(total.low, total.high, "J")),
        *(
            Fact(f"  {name}", si(getattr(totals, key), "J"), share(getattr(totals, key), total.value))
            for key, name in PARTS.items()
        ),
    )


def time(totals: Totals) -> tuple[Fact, ...]:
    """Latency with its range."""
    return (Fact("latency", si(totals.latency_s, "s"), span(totals.latency_range_s.low, totals.latency_range_s.high, "s")),)
