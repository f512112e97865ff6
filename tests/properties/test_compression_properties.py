"""Laws of compressed storage: monotone in what is kept and how wide, Huffman codes near the entropy."""

from __future__ import annotations

import numpy as np
import pytest
from bitarray.util import huffman_code
from hypothesis import given
from hypothesis import strategies as st

from costmodel.compression.huffman import entropy_bits, huffman_bits
from costmodel.compression.scheme import LayerScheme
from costmodel.compression.sizes import (
    declared_streams,
    expected_entries,
    gap_shares,
    quantized_bytes,
    stored_layer,
)
from costmodel.compression.weights import entries_of, nearest, pruned

COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=40)
ELEMS = st.integers(1, 100_000)
INDEX = st.integers(0, 8)


@given(COUNTS)
def test_huffman_is_between_the_entropy_and_one_bit_more(counts):
    """The optimal prefix code of single symbols, one symbol alone aside."""
    number = sum(counts)
    size = huffman_bits(counts)

    assert size <= entropy_bits(counts) + number + 1e-6
    assert size >= entropy_bits(counts) - 1e-6


@given(COUNTS)
def test_huffman_is_that_of_a_library(counts):
    """As many bits as bitarray's code takes."""
    present = {symbol: count for symbol, count in enumerate(counts) if count}
    codes = huffman_code(present) if len(present) > 1 else dict.fromkeys(present, "0")

    assert huffman_bits(counts) == sum(count * len(codes[symbol]) for symbol, count in present.items())


@given(ELEMS, st.floats(0, 1), INDEX)
def test_entries_are_between_what_is_left_and_everything(elems, share, index_bits):
    """No entry is lost, and no position has two; at least one entry per span that an index can skip."""
    nonzero = round(elems * share)
    entries = expected_entries(elems, nonzero, index_bits)

    assert nonzero <= entries <= elems
    if nonzero and index_bits == 0:
        assert entries == elems
    if nonzero:
        assert entries >= elems / 2**index_bits - 1


@given(ELEMS, st.floats(0, 1), st.floats(0, 1), INDEX)
def test_more_weights_never_take_fewer_entries(elems, one, other, index_bits):
    """Monotone in density."""
    fewer, more = sorted((round(elems * one), round(elems * other)))

    assert expected_entries(elems, fewer, index_bits) <= expected_entries(elems, more, index_bits)


@given(ELEMS, st.floats(0, 1), st.integers(1, 15), INDEX)
def test_wider_codes_never_take_fewer_bytes(elems, density, bits, index_bits):
    """Monotone in bits."""
    narrow, wide = (
        declared_streams(elems, 0, LayerScheme(density=density, bits=width, index_bits=index_bits), huffman=False)
        for width in (bits, bits + 1)
    )

    assert quantized_bytes(narrow) < quantized_bytes(wide)


@given(ELEMS, st.integers(0, 100), st.floats(0, 1), st.integers(1, 12), st.none() | INDEX)
def test_huffman_codes_never_cost_bytes(elems, others, density, bits, index_bits):
    """The last stage is at most the one before; the biases are in every stage."""
    scheme = LayerScheme(density=density, bits=bits, index_bits=index_bits)
    found = stored_layer("x", "conv", declared_streams(elems, others, scheme, huffman=True))

    assert found.coded_bytes <= found.quantized_bytes
    assert min(found.dense_bytes, found.pruned_bytes, found.coded_bytes) >= 4 * others
    assert found.weight_operand_bytes == found.coded_bytes - 4 * others
    assert found.pruned_bytes <= found.dense_bytes == 4 * (elems + others)


@given(ELEMS, st.floats(0, 1), st.integers(1, 8))
def test_shares_of_gaps_add_up(elems, share, index_bits):
    """Every entry skips something, if only nothing."""
    shares = gap_shares(elems, round(elems * share), index_bits)

    assert len(shares) == 2**index_bits
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)


@given(st.sets(st.integers(0, 400), max_size=40), st.integers(1, 6))
def test_gaps_lead_back_to_the_positions(chosen, index_bits):
    """Walking over the entries meets every position, in order, and fits in the index."""
    positions = np.array(sorted(chosen), dtype=np.int64)
    gaps, holds = entries_of(positions, index_bits)
    places = np.cumsum(gaps + 1) - 1

    assert places[holds >= 0].tolist() == positions.tolist()
    assert gaps.max(initial=0) < 2**index_bits
    assert holds[holds >= 0].tolist() == list(range(positions.size))


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=60), st.floats(0, 1))
def test_pruning_keeps_the_largest(values, density):
    """As many as asked for or as are not zero, none smaller than one that went."""
    array = np.array(values, dtype=np.float32)
    left = pruned(array, LayerScheme(density=density))
    kept = left != 0

    assert kept.sum() == min(round(array.size * density), np.count_nonzero(array))
    assert (left[kept] == array[kept]).all()
    if kept.any() and (~kept).any():
        assert np.abs(array[kept]).min() >= np.abs(array[~kept]).max()


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.lists(st.floats(-5, 5), min_size=1, max_size=9))
def test_nearest_is_nearest(values, centres):
    """No other value is closer."""
    ordered = np.sort(np.array(centres))
    found = nearest(np.array(values), ordered)

    for value, index in zip(values, found.tolist(), strict=True):
        assert abs(value - ordered[index]) <= np.abs(value - ordered).min() + 1e-9
