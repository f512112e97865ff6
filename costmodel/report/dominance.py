"""What dominates: a few sentences computed from an analysis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from costmodel.report.document import Sentences
from costmodel.report.names import visible
from costmodel.report.numbers import bare_ratio, counted, listed, share, span
from costmodel.report.totals import OPERANDS, PARTS
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.analysis import Analysis, LayerCost, Totals
    from costmodel.estimate import Term

NAMED = 4


def dominance(analysis: Analysis) -> Sentences:
    """Which parts, operands, layers, resources and constants decide the totals."""
    found = (*energy(analysis), *traffic(analysis), *latency(analysis), *uncertainty(analysis))
    return Sentences("What dominates", found)


def energy(analysis: Analysis) -> Iterator[str]:
    """The largest part of the energy and the layers that spend it."""
    total = analysis.totals.energy_j.value
    if total:
        part, spent = largest(analysis.totals, PARTS)
        yield f"Energy: {part} takes {share(spent, total)}; {half(analysis.layers, 'energy_j', total)}."
        yield from byte_against_mac(analysis)


def byte_against_mac(analysis: Analysis) -> Iterator[str]:
    """Energy of an off-chip byte in units of a MAC."""
    t = analysis.totals
    if t.dram_bytes and t.macs and t.energy_mac_j and t.energy_off_chip_j:
        mac_j = t.energy_mac_j / (t.macs + t.other_ops)
        worth = t.energy_off_chip_j / t.dram_bytes / mac_j
        yield f"Moving one byte off chip costs as much energy as {bare_ratio(worth)} MACs ({analysis.precision.mac_format})."


def traffic(analysis: Analysis) -> Iterator[str]:
    """The largest operand of the off-chip traffic, its layers, and what is moved more than once."""
    t = analysis.totals
    if not t.dram_bytes:
        return
    operand, moved = largest(t, OPERANDS)
    layers = half(analysis.layers, "dram_bytes", t.dram_bytes)
    yield f"Off-chip bytes: {operand} are {share(moved, t.dram_bytes)}; {layers}."
    alone = analysis.kind == "layer"  # else a layer may move less than its compulsory bytes
    again = sorted((e for e in analysis.layers if alone and excess(e)), key=excess, reverse=True)
    if again:
        whole = sum(map(excess, again))
        shown = listed([f"{visible(e.name)} ({si_bytes(excess(e))})" for e in again[:NAMED]])
        more = f" and {len(again) - NAMED} more" if len(again) > NAMED else ""
        yield f"Fetched more than once because it does not fit on chip: {si_bytes(whole)} in {shown}{more}."


def latency(analysis: Analysis) -> Iterator[str]:
    """The resource that most of the time waits for, and the slowest layers."""
    total = analysis.totals.latency_s
    waits: Counter[str] = Counter()
    for layer in analysis.layers:
        waits[layer.binding] += layer.latency_s  # type: ignore[assignment]  # a Counter of seconds
    if total:
        parts = listed([f"{share(time, total)} for {name}" for name, time in waits.most_common() if time / total >= 0.001])
        yield f"Latency: waiting {parts}; {half(analysis.layers, 'latency_s', total)}."


def uncertainty(analysis: Analysis) -> Iterator[str]:
    """The constant whose range moves the total energy most."""
    terms: dict[str, list[Term]] = {}
    for term in analysis.estimate.terms:
        terms.setdefault(term.constant.name, []).append(term)
    swings = {name: swing(found) for name, found in terms.items()}
    name, (low, high) = max(swings.items(), key=lambda item: item[1][1] - item[1][0])
    total = analysis.totals.energy_j.value
    if high > low:
        reach = span(total + low, total + high, "J")
        yield f"The range of the energy comes mostly from {name}, which alone moves the total within {reach}."


def swing(terms: Sequence[Term]) -> tuple[float, float]:
    """Change of the total energy when one constant goes to its low and to its high end [J]."""
    value, low, high = (
        sum(float(term.amount["value"].sum()) * getattr(term.constant, bound) / 1e12 for term in terms)
        for bound in ("value", "low", "high")
    )
    return low - value, high - value


def largest(totals: Totals, names: dict[str, str]) -> tuple[str, float]:
    """Name and value of the largest of several totals."""
    key = max(names, key=lambda k: float(getattr(totals, k)))
    return names[key], getattr(totals, key)


def excess(layer: LayerCost) -> int:
    """Bytes that a layer moves beyond the compulsory ones."""
    return layer.dram_bytes - layer.compulsory_bytes


def half(layers: Sequence[LayerCost], key: str, total: float) -> str:
    """The fewest layers that make up half of a column.

    One to four are named with their share; more are counted, the first one named.
    """
    ordered = sorted(layers, key=lambda layer: -float(getattr(layer, key)))
    reached, few = 0.0, 0
    while reached < total / 2 and few < len(ordered):
        reached += getattr(ordered[few], key)
        few += 1
    named = [f"{visible(e.name)} {share(getattr(e, key), total)}" for e in ordered[:few]]
    costly = sum(1 for e in ordered if getattr(e, key) and e.status != "free")
    if few <= NAMED:
        return listed(named) + (f", together {share(reached, total)}" if few > 1 else "")
    return f"half of it in {few} of {counted(costly, 'layer')}, most in {listed(named[:3])}"
