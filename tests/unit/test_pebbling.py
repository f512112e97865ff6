"""The I/O bound: worked examples, the bounds of the literature, and which rows of a table it holds for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.boundary import operand_widths
from costmodel.formulas.pebbling import PRICES, pebbled_bits, schedule_bound_bits, window_reuse
from costmodel.graph import Graph
from costmodel.io_bound import compulsory_bytes, nest_of, schedule_bytes
from costmodel.precision import stored


def one(add, shape=(1, 8, 6, 6)):
    """Return the last row of a network of one operation, as a table."""
    g = Graph("one")
    add(g, g.input("x", shape))
    table = g.table()
    return table.rows([len(table) - 1])


def widths_of(table, dtype="int8"):
    """Return the widths of a table at one format."""
    return operand_widths(table, (stored(dtype),) * len(table))


# ---- the formulas


@pytest.mark.parametrize(("n", "m", "k", "words"), [(64, 64, 64, 256), (100, 30, 70, 49), (512, 512, 512, 1024)])
def test_products_reach_the_bound_of_smith(n, m, k, words):
    """Where all words are alike: at least 2 m n k / sqrt(S), the leading term of arXiv:1702.02017, with nothing subtracted."""
    macs, word = n * m * k, 1

    assert pebbled_bits(macs, 1, word, word, word, words) >= 2 * macs / math.sqrt(words) * (1 - 1e-12)


def test_products_are_nearly_attained():
    """Tiles of sqrt(S) - 1 by sqrt(S) - 1 outputs move 2 m n k / (sqrt(S) - 1) + m n words: a few percent above the bound."""
    size, words = 1020, 256 * 256
    side = math.isqrt(words) - 1
    attained = 2 * size**3 / side + size * size
    bound = schedule_bound_bits(size**3, 1, size * size, 8, 8, 8, 8, words * 8) / 8

    assert 1 <= attained / bound < 1.14


def test_the_bound_scales_with_the_unit_of_widths():
    """Halves of a bit give the same bytes: what compressed weights are priced in."""
    bits = schedule_bound_bits(10**6, 9, 1000, 3, 8, 8, 32, 4096)
    halves = schedule_bound_bits(10**6, 9, 1000, 6, 16, 16, 64, 8192)

    assert halves == pytest.approx(2 * bits)


@settings(max_examples=200)
@given(
    st.integers(1, 10**9), st.integers(1, 49), st.integers(1, 10**6), st.integers(0, 32), st.integers(0, 32),
    st.integers(0, 32), st.integers(1, 64), st.integers(1, 10**7), st.integers(1, 10**7),
)  # fmt: skip
def test_more_memory_never_raises_the_bound(macs, reuse, outputs, weight, ifmap, ofmap, psum, one_size, more):
    """Nor does any argument make it anything but a finite number, not even operands of no bits."""
    arguments = (macs, reuse, outputs, weight, ifmap, ofmap, psum)
    small, large = schedule_bound_bits(*arguments, one_size), schedule_bound_bits(*arguments, one_size + more)

    assert np.isfinite(small)
    assert large <= small * (1 + 1e-12) + 1e-6


@settings(max_examples=200)
@given(
    st.integers(10**4, 10**9), st.integers(1, 49), st.integers(1, 4000), st.integers(1, 64), st.integers(64, 10**6),
    st.floats(0.01, 1),
)  # fmt: skip
def test_the_price_of_a_sum_is_nearly_the_best(macs, reuse, depth, psum, capacity, share):
    """No price up to the width of a partial sum gives a leading term more than 1 % above the bound."""
    outputs, price, held = max(macs // depth, 1), share * psum, capacity + psum
    leading = 2 * macs * math.sqrt(8 * 8 * price / (reuse * held)) - price * outputs

    assert leading <= float(schedule_bound_bits(macs, reuse, outputs, 8, 8, 0, psum, capacity)) * 1.01 + 1e-6


@settings(max_examples=200)
@given(st.integers(1, 10**7), st.integers(1, 10**5), st.floats(1, 1e4))
def test_the_bound_is_the_best_that_any_larger_memory_gives(macs, capacity, times):
    """What a schedule does in a memory it can do in a larger one; the closed form is the largest of all these bounds."""

    def plain(size):
        segments = macs * math.sqrt(512) / size**1.5
        return size * (2 * math.floor(segments) + min(2, 3 * (segments % 1) ** (2 / 3)))

    found = float(pebbled_bits(macs, 1, 8, 8, 8, capacity))
    sizes = np.geomspace(capacity, capacity * 1e4, 3000)

    assert plain(capacity * times) <= found * (1 + 1e-9)
    assert found <= max(map(plain, sizes)) * 1.01 or macs * math.sqrt(512) < capacity**1.5


def test_an_operand_without_bits_leaves_the_others():
    """What is on chip already costs nothing, and then only outputs must leave."""
    assert schedule_bound_bits(1000, 1, 10, 0, 8, 8, 32, 64) == 80
    assert schedule_bound_bits(1000, 1, 10, 8, 0, 8, 32, 64) == 80


@pytest.mark.parametrize(
    ("outputs", "taps", "stride", "dilation", "expected"),
    [(55, 11, 4, 1, 3), (13, 3, 1, 1, 3), (1, 6, 1, 1, 1), (9, 3, 3, 1, 1), (9, 3, 2, 2, 3), (9, 4, 2, 1, 2), (2, 5, 1, 1, 2)],
)
def test_window_reuse(outputs, taps, stride, dilation, expected):
    """Taps a stride apart meet one input; no more windows than there are."""
    assert window_reuse(outputs, taps, stride, dilation) == expected


# ---- rows of a table


def test_a_convolution_in_figures():
    """conv3 of AlexNet at 16 KiB, worked by hand: MACs without padding, nine windows an input, the leading term."""
    table = cm.load_network("alexnet").table()
    row = table.rows([table.names.index("conv3")])
    nest = nest_of(row)
    pairs = 3 * 13 - 2
    macs, held = 384 * 256 * pairs * pairs, 16384 * 8 + 32
    leading = max(2 * macs * math.sqrt(64 * 32 * price / 9 / held) - 32 * price * 384 * 169 for price in PRICES)
    bound = schedule_bytes(nest, widths_of(row), 16384 * 8).item()

    assert (nest.macs.item(), nest.reuse.item(), nest.plain.item()) == (macs, 9, True)
    assert 1 <= bound / (leading / 8 + 384 * 169) < 1.02


@pytest.mark.parametrize(
    ("name", "add", "plain"),
    [
        ("conv", lambda g, x: g.conv("l", x, 4, kernel=3, padding=1), True),
        ("strided", lambda g, x: g.conv("l", x, 4, kernel=1, stride=2), True),
        ("dilated", lambda g, x: g.conv("l", x, 4, kernel=2, dilation=3, stride=2), True),
        ("grouped", lambda g, x: g.conv("l", x, 4, kernel=3, groups=4), True),
        ("linear", lambda g, x: g.linear("l", g.flatten("f", x), 5), True),
        ("matmul", lambda g, x: g.matmul("l", x, x), True),
        ("pool", lambda g, x: g.max_pool("l", x, kernel=2), False),
        ("relu", lambda g, x: g.add("l", x, x), False),
        ("transposed", lambda g, x: g.conv_transpose("l", x, 4, kernel=3, stride=2), False),
        ("unknown", lambda g, x: g.unknown("l", "Warp", [x], x.shape), False),
    ],
)  # fmt: skip
def test_only_plain_loop_nests_are_bounded(name, add, plain):
    """Whose operands are what their loops say; others have no bound beyond compulsory traffic."""
    row = one(add)

    assert nest_of(row).plain.item() is plain, name
    assert (schedule_bytes(nest_of(row), widths_of(row), 64).item() > 0) is plain


def test_three_dimensions_are_not_bounded():
    """A folded axis lets an input be used more often than its windows say."""
    row = one(lambda g, x: g.conv("l", x, 4, kernel=3), (1, 2, 6, 6, 6))

    assert not nest_of(row).plain.item()


def test_recurrent_steps_are_not_bounded():
    """What a step computes may stay for the next, which reads it."""
    g = Graph("gru")
    g.gru("l", g.input("x", (1, 5, 6)), 7)
    nest, steps = nest_of(g.table()), g.table().steps[:, 0]

    assert not nest.plain[steps > 1, 0].any()


def test_design_points_are_bounded_each():
    """A table with a design axis gives the bound of every design by itself."""
    channels = np.array([2, 8, 32])

    def network(outputs):
        g = Graph("points")
        g.conv("l", g.input("x", (1, 8, 6, 6)), outputs, kernel=3)
        return g.table()

    together, widths = network(channels), widths_of(network(channels))
    each = [schedule_bytes(nest_of(t), widths_of(t), 512).item() for t in map(network, channels.tolist())]

    assert schedule_bytes(nest_of(together), widths, 512)[0].tolist() == each


def test_compulsory_bytes_are_those_of_an_analysis():
    """Operand by operand in whole bytes, free rows nothing, as `analyze` counts."""
    analysis = cm.analyze("squeezenet", "snapdragon")
    table = analysis.estimate.table
    expected = [layer.compulsory_bytes for layer in analysis.layers]

    assert compulsory_bytes(table, analysis.estimate.widths)[:, 0].tolist() == expected
