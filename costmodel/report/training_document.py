"""The cost of training as a document: an iteration, the bytes that workers exchange, and how it scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.report.assumptions import assumed_constants, bibliography, constant_table
from costmodel.report.document import Column, Document, Fact, Facts, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import bare_ratio, counted, listed, scale, share, times
from costmodel.training import ALGORITHMS
from costmodel.units import si_bytes, si_count, si_time

if TYPE_CHECKING:
    from costmodel.training import ScalingPoint, TrainingCost


def document(found: TrainingCost) -> Document:
    """Report of the training of one network."""
    return Document(
        title=title(found),
        summary=(facts(found), best(found)),
        details=tuple(scaling(found, name) for name in ALGORITHMS),
        notes=(
            unknown(found.unknown),
            Sentences("How it was modelled", modelling(found)),
            assumed_constants(found.constants()),
        ),
        appendix=lambda: (constant_table(found.constants()), bibliography(found)),
    )


def title(found: TrainingCost) -> str:
    """What is trained, on what."""
    return (
        f"Training {visible(found.network)} on {visible(found.hardware.name)} over {visible(found.link.name)}, "
        f"{visible(found.precision.name)}, batch {found.batch}"
    )


def facts(found: TrainingCost) -> Facts:
    """One iteration, whatever the number of workers."""
    whole = found.forward_macs + found.backward_macs
    ratio = bare_ratio(found.backward_macs / found.forward_macs) if found.forward_macs else "0"
    sample = whole // found.batch
    return Facts(
        "One iteration",
        (
            Fact("forward", f"{si_count(found.forward_macs)}MAC", counted(found.batch, "sample")),
            Fact("backward", f"{si_count(found.backward_macs)}MAC", f"{ratio} times the forward pass"),
            Fact("per sample", f"{si_count(sample)}MAC", f"{si_count(2 * sample)}FLOP"),
            Fact("gradient", si_bytes(found.gradient_bytes), f"{found.params:,} parameters"),
        ),
    )


def scaling(found: TrainingCost, name: str) -> Table:
    """The curve of one algorithm: a line per number of workers."""
    points = [point for point in found.points if point.algorithm == name]
    compute = scale((point.forward_s + point.backward_s for point in points), "s")
    exchange = scale((point.exchange_s for point in points), "s")
    serial, total = (scale((getattr(p.exchange, kind) for p in points), "B") for kind in ("serial_bytes", "total_bytes"))
    columns = (
        Column("workers"),
        Column("samples", "each", 3),
        Column("compute", compute.unit),
        Column("bytes in a row", serial.unit, 1),
        Column("bytes in all", total.unit, 4),
        Column("exchange", exchange.unit),
        Column("speed-up"),
        Column("range", priority=2),
        Column("efficiency"),
    )

    def row(point: ScalingPoint) -> Row:
        low, high = bare_ratio(point.speedup.low), bare_ratio(point.speedup.high)
        return Row((
            str(point.workers),
            str(point.samples),
            compute.text(point.forward_s + point.backward_s),
            serial.text(point.exchange.serial_bytes),
            total.text(point.exchange.total_bytes),
            exchange.text(point.exchange_s),
            times(point.speedup.value),
            f"{low} to {high}" if low != high else "exactly",
            share(point.efficiency_ratio, 1),
        ))  # fmt: skip

    heading = ALGORITHMS[name].title
    return Table(heading[0].upper() + heading[1:], columns, tuple(map(row, points)))


def best(found: TrainingCost) -> Sentences:
    """Which algorithm is fastest on the most workers, and what limits it."""
    most = max(point.workers for point in found.points)
    ranked = sorted((p for p in found.points if p.workers == most), key=lambda point: point.iteration_s)
    first = ranked[0]
    if most == 1:
        return Sentences("", (f"An iteration takes {si_time(first.iteration_s)} on one worker.",))
    figures = listed([f"{times(point.speedup.value)} with a {ALGORITHMS[point.algorithm].title}" for point in ranked])
    part = share(first.exchange_s, first.iteration_s)
    return Sentences(
        "In short",
        (
            f"{most} workers are faster than one by {figures}.",
            f"The fastest iteration takes {si_time(first.iteration_s)}; its exchange is {part} of that"
            + (", partly hidden behind the backward pass." if found.overlap else "."),
        ),
    )


def unknown(names: tuple[str, ...]) -> Sentences:
    """Layers that nobody models."""
    title_ = f"{counted(len(names), 'layer')} UNKNOWN: no model, their work is missing from every figure"
    return Sentences(title_, tuple(map(visible, names)), alarm=True)


def modelling(found: TrainingCost) -> tuple[str, ...]:
    """What the figures hold and what they leave out."""
    when = "during the backward pass, as far as that lasts" if found.overlap else "after the backward pass"
    return (
        "Data-parallel and synchronous: every worker computes its share of the batch, the largest share sets the time.",
        "A layer's gradients (of its weights, and of its input where something before it is trained) each take as long as "
        "the layer itself.",
        f"Workers exchange gradients {when}. Links carry both directions at once; no contention in the network.",
        "The parameter server is one node beside the workers; the tree is binomial; the ring sends one chunk per worker.",
        "Speed-ups are of iterations, over one worker with the same batch. Reading data, the update of the weights and the "
        "memory of a worker are left out.",
        "Ranges: the ends of the hardware's constants together against those of the link.",
    )
