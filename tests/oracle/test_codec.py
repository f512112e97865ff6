"""Compressed storage against an actual encoder and decoder: what is written is as long as predicted, and is read back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from bitarray import bitarray
from bitarray.util import ba2int, canonical_decode, canonical_huffman, int2ba

from costmodel.compression.scheme import LayerScheme
from costmodel.compression.sizes import coded_bytes, quantized_bytes, shorter
from costmodel.compression.weights import encoded, measured_streams

SEED = 20160502


def fixed(symbols, width):
    """Symbols at a fixed width, filled up to whole bytes."""
    bits = bitarray()
    for symbol in symbols.tolist() if width else ():
        bits.extend(int2ba(symbol, width))
    bits.fill()
    return bits.tobytes()


def read_fixed(data, count, width):
    """The symbols back."""
    bits = bitarray()
    bits.frombytes(data)
    return [ba2int(bits[at * width : (at + 1) * width]) if width else 0 for at in range(count)]


def huffman(symbols, width):
    """A table with the length of every symbol's code in a byte, then the codes."""
    values, counts = np.unique(symbols, return_counts=True)
    found, _, _ = canonical_huffman(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    codes = canonical({symbol: len(code) for symbol, code in found.items()})
    bits = bitarray()
    bits.encode(codes, symbols.tolist())
    bits.fill()
    return bytes(len(codes.get(symbol, ())) for symbol in range(2**width)) + bits.tobytes()


def canonical(lengths):
    """Codes in the order of their lengths, then of their symbols."""
    codes, code, last = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - last
        codes[symbol], last = int2ba(code, length), length
        code += 1
    return codes


def read_huffman(data, count, width):
    """The symbols back, from nothing but the table and the codes."""
    lengths = data[: 2**width]
    used = sorted((length, symbol) for symbol, length in enumerate(lengths) if length)
    counts = [sum(length == n for length, _ in used) for n in range(max(lengths) + 1)]
    bits = bitarray()
    bits.frombytes(data[2**width :])
    decoded = canonical_decode(bits, counts, [symbol for _, symbol in used])
    return [next(decoded) for _ in range(count)]


@dataclass
class File:
    """What is written of one layer."""

    head: bytes
    codes: bytes
    gaps: bytes

    def __len__(self):
        return len(self.head) + len(self.codes) + len(self.gaps)


def written(layer, biases, scheme, streams, *, coded):
    """Write a layer: count, shared weights, biases, codes, gaps."""
    head = np.uint32(layer.codes.size).tobytes() + layer.shared.astype(np.float32).tobytes() + biases.tobytes()
    parts = []
    for symbols, width, size in (
        (layer.codes, scheme.bits, streams.codes_bits),
        (layer.gaps, streams.index_bits, streams.indices_bits),
    ):
        parts.append(huffman(symbols, width) if coded and size is not None else fixed(symbols, width))
    return File(head, *parts)


def read_back(file, elems, others, scheme, streams, *, coded):
    """The dense weights and the biases from a file."""
    count = int(np.frombuffer(file.head[:4], np.uint32)[0])
    shared = np.frombuffer(file.head[4 : 4 + 4 * 2**scheme.bits], np.float32)
    biases = np.frombuffer(file.head[4 + 4 * 2**scheme.bits :], np.float32)
    assert biases.size == others
    found = []
    for data, width, size in (
        (file.codes, scheme.bits, streams.codes_bits),
        (file.gaps, streams.index_bits, streams.indices_bits),
    ):
        found.append((read_huffman if coded and size is not None else read_fixed)(data, count, width))
    dense = np.zeros(elems, np.float32)
    at = -1
    for code, gap in zip(*found, strict=True):
        at += gap + 1
        dense[at] = shared[code]
    return dense, biases


def weights(elems, density, rng):
    """Weights as trained ones are: most are small, some are zero already."""
    values = rng.laplace(size=elems).astype(np.float32)
    values[rng.random(elems) > density] = 0
    return values


@pytest.mark.parametrize("density", [0.02, 0.09, 0.35, 1.0])
@pytest.mark.parametrize(("bits", "index_bits"), [(2, 2), (5, 4), (6, 4), (8, 8), (8, 0), (4, None)])
@pytest.mark.parametrize("method", ["linear", "kmeans"])
def test_bytes_written_and_read_back_are_those_predicted(density, bits, index_bits, method):
    """Every stage that can be decoded has exactly the predicted length, and gives the shared weights back."""
    rng = np.random.default_rng(SEED)
    values, biases = weights(1200, density, rng), rng.normal(size=7).astype(np.float32)
    scheme = LayerScheme(bits=bits, index_bits=index_bits)
    streams = shorter(measured_streams(values, 7, scheme, method, huffman=True))
    layer = encoded(values, scheme, method)
    expected = np.zeros_like(values)
    chosen = np.flatnonzero(values)
    centres = layer.shared[1:]
    expected[chosen] = centres[np.abs(values[chosen, None] - centres[None]).argmin(axis=1)]

    for coded, size in ((False, quantized_bytes(streams)), (True, coded_bytes(streams))):
        file = written(layer, biases, scheme, streams, coded=coded)
        dense, left = read_back(file, values.size, 7, scheme, streams, coded=coded)
        assert len(file) == size
        assert np.allclose(dense, expected)
        assert left.tolist() == biases.tolist()


def test_what_is_pruned_comes_back_as_zero():
    """The largest stay, the others are zero, and nothing else is."""
    values = weights(4000, 1.0, np.random.default_rng(SEED))
    scheme = LayerScheme(density=0.1, bits=5, index_bits=4)
    streams = measured_streams(values, 0, scheme, "kmeans", huffman=False)
    file = written(encoded(values, scheme, "kmeans"), np.zeros(0, np.float32), scheme, streams, coded=False)
    dense, _ = read_back(file, values.size, 0, scheme, streams, coded=False)

    assert np.flatnonzero(dense).tolist() == np.sort(np.argsort(-np.abs(values))[:400]).tolist()
    assert np.abs(dense - values)[dense != 0].max() < 1.0


def test_layers_without_a_weight_left():
    """All zero: no entries, and a file that still holds biases and shared weights."""
    scheme = LayerScheme(bits=3, index_bits=4)
    streams = measured_streams(np.zeros(50, np.float32), 2, scheme, "linear", huffman=True)

    assert (streams.nonzero, streams.entries, quantized_bytes(streams)) == (0, 0, 4 * (1 + 8 + 2))


def test_a_stream_keeps_its_width_where_a_code_is_no_shorter():
    """Codes that occur equally often gain nothing, and their table costs."""
    values = np.tile(np.linspace(-1, 1, 7, dtype=np.float32), 40)
    values[values == 0] = 0.05
    streams = measured_streams(values, 0, LayerScheme(bits=3), "linear", huffman=True)

    assert streams.codes_bits is not None
    assert shorter(streams).codes_bits is None
    assert coded_bytes(shorter(streams)) == quantized_bytes(streams)
    assert coded_bytes(replace(streams, indices_bits=None)) >= quantized_bytes(streams)


# ---- expected values against simulation


def simulated_entries(elems, nonzero, index_bits, rng):
    """Entries of randomly placed weights, one position after the other."""
    kept = np.zeros(elems, bool)
    kept[rng.choice(elems, nonzero, replace=False)] = True
    entries = skipped = 0
    for one in kept:
        if one or skipped == 2**index_bits - 1:
            entries, skipped = entries + 1, 0
        else:
            skipped += 1
    return entries


@pytest.mark.parametrize("density", [0.01, 0.04, 0.09, 0.3])
@pytest.mark.parametrize("index_bits", [2, 4, 5])
def test_expected_padding_is_that_of_a_simulation(density, index_bits):
    """The mean of simulated entries is the expected number, to one in a hundred."""
    from costmodel.compression.sizes import expected_entries

    rng = np.random.default_rng(SEED)
    elems = 20_000
    nonzero = round(density * elems)
    mean = np.mean([simulated_entries(elems, nonzero, index_bits, rng) for _ in range(8)])

    assert expected_entries(elems, nonzero, index_bits) == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("density", [0.05, 0.33, 0.8])
def test_expected_indices_are_those_of_random_weights(density):
    """The size of the indices behind a Huffman code is predicted to one in fifty of what random weights take."""
    from costmodel.compression.sizes import declared_streams

    rng = np.random.default_rng(SEED)
    values = rng.normal(size=60_000).astype(np.float32)
    values[rng.permutation(values.size)[round(density * values.size) :]] = 0
    scheme = LayerScheme(density=density, bits=4, index_bits=4)
    real = measured_streams(values, 0, scheme, "linear", huffman=True)
    found = declared_streams(values.size, 0, scheme, huffman=True)

    assert found.nonzero == real.nonzero
    assert found.entries == pytest.approx(real.entries, rel=0.01)
    assert found.indices_bits == pytest.approx(real.indices_bits, rel=0.02)
