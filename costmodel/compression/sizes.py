"""Bytes of one layer at every stage: dense, pruned, with shared weights and a relative index, behind Huffman codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.compression.huffman import huffman_bits
from costmodel.formulas.compression import entry_elems, gap_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.compression.scheme import LayerScheme

FLOAT_BITS: Final = 32
"""What weights are trained at, and what shared weights, biases and counts stay at [bits]."""
STAGES: Final = ("dense", "pruned", "quantized", "coded")


@dataclass(frozen=True)
class Streams:
    """What is stored of the weights of one layer, counted or expected.

    Attributes
    ----------
    weights, others
        Weights, and parameters that are left as they are: biases.
    nonzero, entries
        Weights that are not pruned, and entries with the padding between them.
    bits, index_bits
        Width of a code and of a relative index.
    codes_bits, indices_bits
        Size of all codes and of all indices behind Huffman codes; None where the stream keeps its fixed width.
    """

    weights: int
    others: int
    nonzero: int
    entries: int
    bits: int
    index_bits: int
    codes_bits: int | None
    indices_bits: int | None


@dataclass(frozen=True)
class LayerStorage:
    """Bytes of one layer at every stage.

    ``quantized_bytes`` and ``coded_bytes`` hold everything that a decoder needs: a count of entries, the shared weights, the
    biases, and each stream in whole bytes; a stream has a Huffman code only where that, with its table, is shorter.
    ``code_bits`` and ``code_index_bits`` are averages per entry behind these codes. ``pruned_bytes`` are those of the weights
    left, without saying where they were, as published; ``weight_operand_bytes`` those of the last stage without the biases.
    """

    name: str
    op: str
    params: int
    weights: int
    nonzero: int
    entries: int
    bits: int
    index_bits: int
    code_bits: float
    code_index_bits: float
    dense_bytes: int
    pruned_bytes: int
    quantized_bytes: int
    coded_bytes: int
    weight_operand_bytes: int

    @property
    def density_ratio(self) -> float:
        """Share of the weights that are not pruned."""
        return self.nonzero / self.weights if self.weights else 1.0

    @property
    def bits_per_weight(self) -> float:
        """Average stored size of a weight, pruned ones included [bits]."""
        return 8 * self.weight_operand_bytes / self.weights if self.weights else 0.0


def stored_layer(name: str, op: str, streams: Streams) -> LayerStorage:
    """Bytes of a layer from what is stored of it."""
    s = shorter(streams)
    others = ceil(s.others * FLOAT_BITS / 8)
    coded = coded_bytes(s)
    return LayerStorage(
        name, op, s.weights + s.others, s.weights, s.nonzero, s.entries, s.bits, s.index_bits,
        code_bits=average(s.codes_bits, s.entries, s.bits),
        code_index_bits=average(s.indices_bits, s.entries, s.index_bits),
        dense_bytes=(s.weights + s.others) * FLOAT_BITS // 8,
        pruned_bytes=s.nonzero * FLOAT_BITS // 8 + others,
        quantized_bytes=quantized_bytes(s),
        coded_bytes=coded,
        weight_operand_bytes=coded - others,
    )  # fmt: skip


def shorter(s: Streams) -> Streams:
    """The streams with Huffman codes only where these, with their tables, take less than the fixed width."""
    codes, indices = (
        None if coded is None or huffman_bytes(coded, width) >= whole(s.entries * width) else coded
        for coded, width in ((s.codes_bits, s.bits), (s.indices_bits, s.index_bits))
    )
    return replace(s, codes_bits=codes, indices_bits=indices)


def average(size_bits: int | None, entries: int, width_bits: int) -> float:
    """Average length of a symbol [bits]."""
    return float(width_bits) if size_bits is None or not entries else size_bits / entries


def header_bytes(s: Streams) -> int:
    """Bytes of a count, of the shared weights and of the biases, each of 32 bits."""
    return (1 + (1 << s.bits) + s.others) * FLOAT_BITS // 8


def quantized_bytes(s: Streams) -> int:
    """Bytes with codes and relative indices at their fixed widths."""
    return header_bytes(s) + whole(s.entries * s.bits) + whole(s.entries * s.index_bits)


def coded_bytes(s: Streams) -> int:
    """Bytes with Huffman codes where the streams have some."""
    size = header_bytes(s)
    for coded, width in ((s.codes_bits, s.bits), (s.indices_bits, s.index_bits)):
        size += whole(s.entries * width) if coded is None else huffman_bytes(coded, width)
    return size


def huffman_bytes(size_bits: int, width_bits: int) -> int:
    """Bytes of a stream and of its table: the length of every symbol's code in a byte, as a canonical code needs."""
    return whole(size_bits) + (1 << width_bits)


def whole(bits: int) -> int:
    """Bytes that hold bits.

    >>> whole(12)
    2
    """
    return -(-bits // 8)


def plain_layer(name: str, op: str, params: int, weights: int) -> LayerStorage:
    """A layer that stays as it is at every stage."""
    size = params * FLOAT_BITS // 8
    return LayerStorage(
        name, op, params, weights, weights, weights, FLOAT_BITS, 0, float(FLOAT_BITS), 0.0, size, size, size, size,
        weight_operand_bytes=weights * FLOAT_BITS // 8,
    )  # fmt: skip


# ---- from what is declared


def declared_streams(weights: int, others: int, scheme: LayerScheme, *, huffman: bool) -> Streams:
    """What is stored of a layer by its declared density and widths.

    Entries and indices are expected values: positions are pruned independently of each other. Codes keep their width unless
    their average length behind a Huffman code is declared: how often each occurs is not known.
    """
    nonzero = round(weights * scheme.density) if scheme.nonzero is None else scheme.nonzero
    index_bits = default_index_bits(scheme, nonzero < weights)
    entries = expected_entries(weights, nonzero, index_bits) if scheme.entries is None else scheme.entries
    codes = indices = None
    if huffman:
        codes = None if scheme.coded_bits is None else round(entries * scheme.coded_bits)
        indices = index_stream_bits(weights, nonzero, entries, index_bits, scheme.coded_index_bits)
    return Streams(weights, others, nonzero, entries, scheme.bits, index_bits, codes, indices)


def default_index_bits(scheme: LayerScheme, pruned: bool) -> int:
    """Width of the relative index: 4 bits where anything is pruned and nothing is said."""
    if scheme.index_bits is not None:
        return scheme.index_bits
    return 4 if pruned else 0


def expected_entries(weights: int, nonzero: int, index_bits: int) -> int:
    """Entries with the padding expected between them; never more than there are positions."""
    return min(round(float(entry_elems(weights, nonzero, index_bits))), weights)


def index_stream_bits(weights: int, nonzero: int, entries: int, index_bits: int, declared: float | None) -> int | None:
    """Size of the indices behind a Huffman code; None where there are none."""
    if not index_bits:
        return None
    if declared is not None:
        return round(entries * declared)
    return round(entries * huffman_bits(gap_shares(weights, nonzero, index_bits)))


def gap_shares(weights: int, nonzero: int, index_bits: int) -> Sequence[float]:
    """Share of every relative index where positions are pruned independently of each other."""
    shares: list[float] = np.asarray(gap_ratio(weights, nonzero, index_bits, np.arange(2**index_bits))).tolist()
    return shares


