"""A memory timeline as a document: step by step, the peak, and the conventions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.document import Column, Document, Fact, Facts, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, Scale, bar, counted, listed, scale, share
from costmodel.schedule.conventions import PLACES
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.activations import ActivationBuffer, ConventionPeak, MemoryTimeline, StepMemory

NAMED = 3
"""Buffers that a line names; the others are counted."""


def document(found: MemoryTimeline) -> Document:
    """Report of the memory of one network."""
    return Document(
        title=title(found),
        summary=(facts(found), conventions(found)),
        details=(steps(found),),
        notes=(Sentences("How it is counted", remarks(found)),),
        appendix=lambda: (buffers(found),),
    )


def title(found: MemoryTimeline) -> str:
    """What was counted, and how."""
    order = "in program order" if found.order == "program" else "in the order of least memory"
    name = f"Activation memory of {visible(found.network)}"
    return f"{name}, {visible(found.precision.name)}, batch {found.batch}, convention {found.convention}, {order}"


# ---- steps


def steps(found: MemoryTimeline) -> Table:
    """What is alive step by step; the peak is marked."""
    unit = scale((step.live_bytes for step in found.steps), "B")
    columns = (
        Column("step"),
        Column("layer", numeric=False),
        Column("op", numeric=False, priority=3),
        Column("memory", unit.unit),
        Column("", numeric=False, priority=2, text_only=True),
        Column("", numeric=False),
        Column("what is alive", numeric=False, priority=1, wrap=True),
    )
    most = max((step.live_bytes for step in found.steps), default=0)
    rows = tuple(step_row(number, step, unit, most) for number, step in enumerate(found.steps))
    return Table("Timeline", columns, rows)


def step_row(number: int, step: StepMemory, unit: Scale, most_bytes: int) -> Row:
    """One step."""
    peak = step.live_bytes == most_bytes
    cells = (
        str(number),
        visible(step.name),
        visible(step.op),
        unit.text(step.live_bytes),
        bar(step.live_bytes, most_bytes),
        "peak" if peak else "",
        alive(step),
    )
    return Row(cells, "group" if peak else "plain")


def alive(step: StepMemory) -> str:
    """The largest things alive, and how many others."""
    others = len(step.alive) - NAMED
    shown = [visible(name) for name in step.alive[:NAMED]]
    return ", ".join([*shown, *([counted(others, "other")] if others > 0 else [])])


def buffers(found: MemoryTimeline) -> Table:
    """Size, lifetime and address of every buffer."""
    columns = (
        Column("buffer", numeric=False),
        Column("size", "B"),
        Column("alive from", "step"),
        Column("to", "step"),
        Column("address", "B"),
        Column("in the place of", numeric=False),
    )
    return Table("Buffers", columns, tuple(map(buffer_row, found.buffers)))


def buffer_row(buffer: ActivationBuffer) -> Row:
    """One buffer."""
    address = NOTHING if buffer.address_bytes is None else f"{buffer.address_bytes:,}"
    lifetime = str(buffer.first), str(buffer.last)
    return Row((visible(buffer.name), f"{buffer.size_bytes:,}", *lifetime, address, visible(buffer.overwrites)))


# ---- the figures


def facts(found: MemoryTimeline) -> Facts:
    """The peak, what bounds it, and what it stands beside."""
    return Facts("Memory", tuple(fact for fact in (peak(found), order(found), packed(found), *beside(found)) if fact))


def peak(found: MemoryTimeline) -> Fact:
    """The figure of the convention and where it comes about."""
    at = f"most at {visible(found.peak.peak_step)}" if found.peak.peak_step else "inputs and outputs"
    return Fact("peak of activations", si_bytes(found.peak_bytes), f"{found.peak_bytes:,} B, {at}")


def order(found: MemoryTimeline) -> Fact | None:
    """What other orders could need; nothing where the figure does not depend on the order."""
    if found.convention == "in_out":
        return None
    least = si_bytes(found.peak.lower_bound_bytes)
    if found.order_proved:
        return Fact("  least in any order", least, "alive at once; no other order needs less")
    better = "" if found.order == "least" else "; --order least looks for a better one"
    return Fact("  least in any order", least, f"alive at once at least, as far as proved{better}")


def packed(found: MemoryTimeline) -> Fact | None:
    """How small addresses can be made in this order."""
    if found.packed_bytes is None:
        return None
    proof = "no other addresses span less" if found.packed_proved else "the best addresses found"
    return Fact("  at other addresses", si_bytes(found.packed_bytes), proof)


def beside(found: MemoryTimeline) -> tuple[Fact, ...]:
    """Weights and the memory of the hardware."""
    bits = "compressed" if found.compressed else f"at {counted(found.precision.weight_bits, 'bit')} each"
    weights = Fact("weights", si_bytes(found.weight_bytes), f"{bits}, beside the activations")
    if found.capacity_bytes is None or found.memory is None:
        return (weights,)
    name = f"{visible(found.memory)} of {visible(found.hardware or '')}"
    return weights, Fact("memory on chip", si_bytes(found.capacity_bytes), f"{name}: {fits(found)}")


def fits(found: MemoryTimeline) -> str:
    """What fits in the memory of the hardware."""
    capacity = found.capacity_bytes or 0
    part = share(found.peak_bytes, capacity)
    if found.peak_bytes > capacity:
        return f"the peak takes {part} of it and does not fit"
    if found.peak_bytes + found.weight_bytes > capacity:
        return f"the peak takes {part} of it; the weights do not fit beside it"
    return f"the peak takes {part} of it, and the weights fit beside it"


def conventions(found: MemoryTimeline) -> Table:
    """All conventions side by side; the chosen one is marked."""
    columns = (
        Column("convention", numeric=False),
        Column("activations", "B"),
        Column("", "of live"),
        Column("most at", numeric=False, priority=1),
        Column("in place", numeric=False, wrap=True),
    )
    live = next(peak.peak_bytes for peak in found.peaks if peak.convention == "live")
    rows = tuple(convention_row(peak, live, chosen=peak.convention == found.convention) for peak in found.peaks)
    return Table("Conventions", columns, rows)


def convention_row(peak: ConventionPeak, live_bytes: int, *, chosen: bool) -> Row:
    """One convention."""
    places = listed([PLACES[place] for place in peak.in_place]) or "nothing"
    figures = f"{peak.peak_bytes:,}", share(peak.peak_bytes, live_bytes)
    return Row((peak.convention, *figures, visible(peak.peak_step), places), "group" if chosen else "plain")


def remarks(found: MemoryTimeline) -> tuple[str, ...]:
    """What the figures hold and what they leave out."""
    return (
        "Activations only: weights, scratch memory of kernels and the runtime's own data come on top.",
        *(f"{peak.convention}: {peak.meaning}. {REMARKS[peak.convention]}" for peak in found.peaks),
    )


REMARKS = {
    "live": "A buffer is alive from the first layer that writes a part of it to the last one that reads it; inputs from the "
    "start, outputs to the end.",
    "in_out": "What a bypass keeps alive over other layers is not counted.",
    "arena": "The largest tensor is placed first, each at the lowest gap, sizes in multiples of 16 B.",
}
