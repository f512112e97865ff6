"""Compressed storage as a document: bytes per layer and stage, and what the stages are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.compression.sizes import FLOAT_BITS
from costmodel.report.document import Column, Document, Fact, Facts, Row, Sentences, Table
from costmodel.report.names import visible
from costmodel.report.numbers import NOTHING, share, times
from costmodel.units import si_bytes

if TYPE_CHECKING:
    from costmodel.compression import LayerStorage, Storage

STAGES = {
    "dense": "every parameter at 32 bits",
    "pruned": "the weights left at 32 bits, without their places, as published",
    "quantized": "codes of shared weights and relative indices, padding, shared weights and biases",
    "coded": "the same behind Huffman codes, with their tables",
}


def document(found: Storage) -> Document:
    """Report of the storage of one network."""
    return Document(
        title=f"Compressed storage of {visible(found.network)}, {visible(found.scheme.name)}",
        summary=(facts(found),),
        details=(layers(found),),
        notes=(Sentences("How it is counted", remarks(found)),),
    )


def layers(found: Storage) -> Table:
    """Layer by layer, and the sum."""
    columns = (
        Column("layer", numeric=False),
        Column("weights"),
        Column("left", "%"),
        Column("padding", "%", priority=4),
        Column("code", "bits", priority=2),
        Column("index", "bits", priority=2),
        Column("dense", "B", priority=1),
        Column("pruned", "B", priority=3),
        Column("quantized", "B"),
        Column("coded", "B"),
        Column("per weight", "bits"),
    )
    return Table("Layers", columns, (*map(layer_row, found.layers), total_row(found)))


def layer_row(layer: LayerStorage) -> Row:
    """One layer; one that stays as it is shows its size only."""
    plain = layer.bits == FLOAT_BITS
    padding = share(layer.entries - layer.nonzero, layer.entries, sign="") if layer.code_index_bits else NOTHING
    cells = (
        visible(layer.name),
        f"{layer.weights:,}" if layer.weights else NOTHING,
        NOTHING if plain else share(layer.nonzero, layer.weights, sign=""),
        padding,
        NOTHING if plain else widths(layer.bits, layer.code_bits),
        NOTHING if plain or not layer.index_bits else widths(layer.index_bits, layer.code_index_bits),
        *(f"{getattr(layer, f'{stage}_bytes'):,}" for stage in STAGES),
        f"{layer.bits_per_weight:.2f}" if layer.weights else NOTHING,
    )
    return Row(cells)


def widths(fixed: int, coded: float) -> str:
    """A fixed width, and the average behind a Huffman code where that differs.

    >>> widths(8, 8.0), widths(4, 2.31)
    ('8', '4 > 2.31')
    """
    return str(fixed) if coded == fixed else f"{fixed} > {coded:.2f}"


def total_row(found: Storage) -> Row:
    """The sum over the layers."""
    weights, sums = found.total("weights"), found.stages.values()
    average = f"{8 * found.total('weight_operand_bytes') / weights:.2f}" if weights else NOTHING
    left = share(found.total("nonzero"), weights, sign="")
    cells = ("total", f"{weights:,}", left, "", "", "", *(f"{size:,}" for size in sums), average)
    return Row(cells, "total")


def facts(found: Storage) -> Facts:
    """The stages of the whole network."""
    dense = found.stages["dense"]
    shown = tuple(
        Fact(stage, si_bytes(size), f"{times(dense / size) if size else NOTHING} smaller: {STAGES[stage]}")
        for stage, size in found.stages.items()
    )
    return Facts("Storage", shown)


def remarks(found: Storage) -> tuple[str, ...]:
    """Where the figures come from and what they hold."""
    scheme = found.scheme
    origin = f"{visible(scheme.source)}, {visible(scheme.place)}." if scheme.source else "Densities and widths as given."
    read = f"Weights of {visible(found.weights)}, shared by {found.method} quantisation; lengths of their own Huffman codes."
    declared = (
        "Padding and indices are expected values for weights pruned independently of each other; codes whose length "
        "behind the Huffman code is not declared keep their width."
    )
    return (
        origin,
        read if found.weights else declared,
        *(() if scheme.huffman else ("The scheme has no Huffman codes: the last stage is the one before.",)),
        "Accuracy is not computed: a network that is compressed further must be trained again and measured.",
    )
