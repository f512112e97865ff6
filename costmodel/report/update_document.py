"""An update over the air as a document: what changes, and what sending it costs a device and the fleet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from costmodel.report.assumptions import assumed_constants, bibliography, constant_table
from costmodel.report.document import Column, Document, Fact, Facts, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, counted, listed, share, span
from costmodel.units import si_bytes, si_energy, si_time
from costmodel.updates.update import SENT

if TYPE_CHECKING:
    from costmodel.analysis import Range
    from costmodel.hardware.link import Link
    from costmodel.updates import Delivery, TensorUpdate, UpdateCost

NAMED = 5
"""Removed tensors that are named; the others are counted."""


def document(found: UpdateCost) -> Document:
    """Report of an update."""
    return Document(
        title=title(found),
        summary=(facts(found), *(deliveries(found, link) for link in found.links)),
        details=(tensors(found),),
        notes=(Sentences("How it was counted", remarks(found)), assumed_constants(found.constants())),
        appendix=lambda: (constant_table(found.constants()), bibliography(found)),
    )


def title(found: UpdateCost) -> str:
    """What comes instead of what, where."""
    over = listed([visible(link.name) for link in found.links])
    return f"Update from {visible(found.old)} to {visible(found.new)}, {counted_devices(found.fleet)}, over {over}"


def counted_devices(fleet: int) -> str:
    """Devices in words.

    >>> counted_devices(1), counted_devices(1_000_000)
    ('one device', '1,000,000 devices')
    """
    return "one device" if fleet == 1 else f"{fleet:,} devices"


def facts(found: UpdateCost) -> Facts:
    """Bytes by what is sent, and what changes."""
    sizes = found.sizes()
    full = sizes["full"]
    parts = {sent: "" if sent == "full" else f", {share(size, full)} of full" for sent, size in sizes.items()}
    lines = [Fact(sent, si_bytes(size), f"{size:,} B, {SENT[sent][1]}{parts[sent]}") for sent, size in sizes.items()]
    before = Fact("on devices", si_bytes(found.old_bytes), f"{found.old_bytes:,} B, {visible(found.old)}")
    return Facts("Bytes", (*([before] if found.old_bytes else []), *lines, Fact("changes", changes(found))))


def changes(found: UpdateCost) -> str:
    """How many tensors change."""
    what = "tensor" if found.basis == "weights" else "layer"
    counts = Counter(tensor.status for tensor in found.tensors)
    parts = [f"{counted(counts[status], what)} {status}" for status in ("new", "changed", "same") if counts[status]]
    return listed([*parts, *([f"{len(found.removed)} removed"] if found.removed else [])])


def deliveries(found: UpdateCost, link: Link) -> Table:
    """Time and energy of every way to send the update over one link."""
    columns = (
        Column("sent", numeric=False),
        Column("bytes"),
        Column("time", "per device"),
        Column("range", priority=2),
        Column("energy", "per device"),
        Column("range", "", 2),
        Column("bytes", "of the fleet", 1),
        Column("energy", "of the fleet", 1),
    )
    rows = tuple(delivery_row(delivery) for delivery in found.deliveries if delivery.link == link.name)
    return Table(f"{visible(link.name)}: {visible(link.title)}", columns, rows)


def delivery_row(delivery: Delivery) -> Row:
    """One way to send the update."""
    return Row((
        delivery.sent,
        si_bytes(delivery.sent_bytes),
        si_time(delivery.device_s.value),
        ends(delivery.device_s, "s"),
        si_energy(delivery.device_j.value) if delivery.device_j else NOTHING,
        ends(delivery.device_j, "J"),
        si_bytes(delivery.fleet_bytes),
        si_energy(delivery.fleet_j.value) if delivery.fleet_j else NOTHING,
    ))  # fmt: skip


def ends(figures: Range | None, unit: str) -> str:
    """Low to high; nothing where there is no figure."""
    return span(figures.low, figures.high, unit) if figures and figures.high else NOTHING


def tensors(found: UpdateCost) -> Table:
    """Every tensor, or layer, and what is sent of it."""
    columns = (
        Column("tensor" if found.basis == "weights" else "layer", numeric=False),
        Column("shape", numeric=False, priority=2),
        Column("", numeric=False),
        Column("full", "B"),
        Column("coded", "B", 3),
        Column("sent", "B"),
        Column("sent coded", "B"),
    )
    return Table("What is sent", columns, tuple(map(tensor_row, found.tensors)))


def tensor_row(tensor: TensorUpdate) -> Row:
    """One tensor."""
    figures = (tensor.full_bytes, tensor.coded_bytes, tensor.delta_bytes, tensor.delta_coded_bytes)
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    cells = (visible(tensor.name), shape, tensor.status, *(f"{size:,}" if size else NOTHING for size in figures))
    return Row(cells, "free" if tensor.status == "same" else "plain")


def remarks(found: UpdateCost) -> tuple[str, ...]:
    """What the figures hold and what they leave out."""
    unpublished = [visible(link.name) for link in found.links if link.receiver is None]
    return (
        *basis(found),
        "Energy is that of the receiving device above idle, with the while that its radio stays awake; what networks and "
        "servers spend, and writing flash, are left out. Names, framing, signatures and lost packets are not counted.",
        *([f"What receiving over {listed(unpublished)} costs is not in its file: no energy."] if unpublished else []),
        *([removed(found.removed)] if found.removed else []),
    )


def basis(found: UpdateCost) -> tuple[str, ...]:
    """What a change was told by."""
    if found.basis == "weights":
        return (
            "A tensor changes where its name, shape, format or any element differs. Codes are deflate of its bytes, grouped "
            "by significance; of a changed tensor the shorter one, of itself or of its difference to the old one.",
        )
    named = listed([repr(visible(pattern)) for pattern in found.retrained])
    trained = f"Layers called {named} were retrained; other" if named else "Other"
    return (
        f"Without weights a layer changes where its name or shape differs. {trained} weights in a layer of the same name "
        "and shape are not seen: give files with weights, or --retrained.",
        f"Parameters are stored as {visible(found.dtype)}, uncoded.",
    )


def removed(names: tuple[str, ...]) -> str:
    """What the device deletes."""
    others = len(names) - NAMED
    shown = [visible(name) for name in names[:NAMED]]
    return f"Deleted, which sends nothing: {listed([*shown, *([f'{others} others'] if others > 0 else [])])}."
