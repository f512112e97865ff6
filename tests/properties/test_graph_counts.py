"""Counts against literal enumeration: every position, window and product is visited one by one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import ShapeError
from costmodel.formulas import counts
from costmodel.graph import Graph

extents = st.integers(1, 24)
taps = st.integers(1, 6)
strides = st.integers(1, 5)
paddings = st.integers(0, 4)
axes = st.tuples(extents, taps, strides, paddings, paddings, strides)
"""Extent, taps, stride, padding before and after, dilation."""


def window_starts(extent, window, stride, before, after):
    """Starts of all windows that lie within the padded input."""
    starts = []
    start = -before
    while start + window <= extent + after:
        starts.append(start)
        start += stride
    return starts


def ceil_starts(extent, window, stride, before, after):
    """Starts of windows until the padded input is covered, each within the input or the padding before it."""
    starts = [-before]
    while starts[-1] + window < extent + after and starts[-1] + stride < extent:
        starts.append(starts[-1] + stride)
    return starts


def read_positions(starts, taps_, dilation, extent):
    """Positions of the real input that the windows read."""
    return {s + j * dilation for s, j in product(starts, range(taps_)) if 0 <= s + j * dilation < extent}


@given(st.integers(0, 500), st.integers(1, 40))
def test_ceil_div_counts_boxes(items, size):
    """As many boxes as it takes to hold the items."""
    boxes = 0
    while boxes * size < items:
        boxes += 1

    assert counts.ceil_div(items, size) == boxes


@given(axes)
def test_conv_out_counts_windows(axis):
    """The output extent is the number of windows that fit."""
    extent, r, u, before, after, d = axis
    window = counts.window(r, d)
    if extent + before + after < window:
        return

    assert counts.conv_out(extent, r, u, before + after, d) == len(
        window_starts(extent, window, u, before, after)
    )


@given(axes)
def test_pool_out_ceil_counts_windows(axis):
    """Windows are added until everything is covered, unless one would start beyond the input."""
    extent, r, u, before, after, d = axis
    window = counts.window(r, d)
    if extent + before + after < window or after >= window:
        return

    assert counts.pool_out_ceil(extent, r, u, before, after, d) == len(
        ceil_starts(extent, window, u, before, after)
    )


@given(extents, taps, strides, paddings, strides, st.integers(0, 2))
def test_conv_transpose_out_counts_positions(extent, r, u, pad, d, extra):
    """Scatter every input through the kernel, crop the padding, append the output padding."""
    positions = {i * u + j * d for i in range(extent) for j in range(r)}
    expected = max(positions) + 1 - 2 * pad + extra

    assert counts.conv_transpose_out(extent, r, u, 2 * pad, d, extra) == expected


@given(extents, taps, strides, strides)
def test_same_padding_is_the_smallest(extent, r, u, d):
    """The smallest padding with ceil(extent / stride) outputs."""
    outputs = counts.ceil_div(extent, u)
    needed = 0
    while counts.conv_out(extent, r, u, needed, d) < outputs:
        needed += 1

    assert counts.same_padding(extent, r, u, d) == needed


@given(extents, extents)
def test_adaptive_taps_sums_windows(extent, outputs):
    """Every window of the definition, position by position."""
    windows = [range(i * extent // outputs, -(-(i + 1) * extent // outputs)) for i in range(outputs)]

    assert counts.adaptive_taps(extent, outputs) == sum(map(len, windows))


@given(extents, taps, strides, strides, paddings, extents)
@settings(max_examples=400)
def test_touched_enumerates_positions(outputs, r, u, d, before, extent):
    """The closed form equals the set of positions, for windows that may reach beyond the input."""
    starts = [i * u - before for i in range(outputs)]

    assert counts.touched(outputs, r, u, d, before, extent) == len(read_positions(starts, r, d, extent))


@given(extents, taps, strides, st.integers(1, 4), paddings, extents, st.booleans())
@settings(max_examples=400)
def test_touched_regular_is_touched(outputs, r, small, factor, before, extent, swap):
    """Where stride and dilation divide each other, the cheap form is exact too."""
    u, d = (small, small * factor) if swap else (small * factor, small)

    assert counts.touched_regular(outputs, r, u, d, before, extent) == counts.touched(
        outputs, r, u, d, before, extent
    )


FORMULAS = {
    "ceil_div": 2,
    "window": 2,
    "conv_out": 5,
    "pool_out_ceil": 6,
    "conv_transpose_out": 6,
    "same_padding": 4,
    "adaptive_taps": 2,
    "touched": 6,
    "touched_regular": 6,
    "meeting": 6,
    "macs": 8,
    "weight_elems": 5,
    "ofmap_elems": 5,
}


@pytest.mark.parametrize("name", FORMULAS)
@given(data=st.data())
@settings(max_examples=50)
def test_array_equals_scalar(name, data):
    """A call with arrays gives exactly what the calls point by point give."""
    formula, arguments = getattr(counts, name), FORMULAS[name]
    points = data.draw(st.lists(st.tuples(*[st.integers(1, 9)] * arguments), min_size=1, max_size=8))
    columns = [np.array(column, dtype=np.int64) for column in zip(*points, strict=True)]

    assert formula(*columns).tolist() == [int(formula(*point)) for point in points]


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_is_covered(name):
    """The list above names what exists, and misses nothing public."""
    public = {
        n for n, f in vars(counts).items() if callable(f) and getattr(f, "__module__", "") == counts.__name__
    }

    assert name in public
    assert {n for n in public if not n.startswith("_")} == set(FORMULAS)


both_sides = st.tuples(st.integers(0, 2), st.integers(0, 2))
convolutions = st.fixed_dictionaries(
    {
        "n": st.integers(1, 2),
        "groups": st.integers(1, 3),
        "c": st.integers(1, 3),
        "k": st.integers(1, 3),
        "extent": st.tuples(st.integers(1, 7), st.integers(1, 7)),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "dilation": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "padding": st.tuples(both_sides, both_sides),
    }
)


def literal_convolution(case):
    """MACs, weights, inputs and outputs of a convolution executed loop by loop."""
    heights, widths = (
        window_starts(h, counts.window(r, d), u, *pad)
        for h, r, u, d, pad in zip(
            case["extent"], case["kernel"], case["stride"], case["dilation"], case["padding"], strict=True
        )
    )
    (r, s), (dh, dw), (h, w) = case["kernel"], case["dilation"], case["extent"]
    macs, weights, reads, writes = 0, set(), set(), set()
    loops = product(
        range(case["n"]), range(case["groups"]), range(case["k"]), range(case["c"]),
        heights, widths, range(r), range(s),
    )  # fmt: skip
    for n, g, k, c, top, left, i, j in loops:
        macs += 1
        weights.add((g, k, c, i, j))
        writes.add((n, g, k, top, left))
        y, x = top + i * dh, left + j * dw
        if 0 <= y < h and 0 <= x < w:
            reads.add((n, g, c, y, x))
    return macs, len(weights), len(reads), len(writes)


@given(convolutions)
@settings(max_examples=150, deadline=None)
def test_convolution_row_equals_literal_loops(case):
    """The count columns of a convolution are what its loops touch."""
    g = Graph("one")
    x = g.input("x", (case["n"], case["groups"] * case["c"], *case["extent"]))
    try:
        g.conv("conv", x, case["groups"] * case["k"], case["kernel"], case["stride"], case["padding"],
               case["dilation"], case["groups"], bias=False)  # fmt: skip
    except ShapeError:
        return  # the window does not fit
    row = g.table()

    found = [int(row[column][0, 0]) for column in ("macs", "weight_elems", "ifmap_elems", "ofmap_elems")]

    assert found == list(literal_convolution(case))


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_pool_row_equals_literal_windows(height, width, r, u, pad, ceil_mode):
    """The count columns of a pooling are what its windows touch."""
    g = Graph("one")
    x = g.input("x", (1, 2, height, width))
    try:
        g.max_pool("pool", x, r, u, pad, ceil_mode=ceil_mode)
    except ShapeError:
        return  # the window does not fit, or would hold padding only
    starts = [
        (ceil_starts if ceil_mode else window_starts)(extent, r, u, pad, pad) for extent in (height, width)
    ]
    reads = [len(read_positions(s, r, 1, e)) for s, e in zip(starts, (height, width), strict=True)]
    outputs = 2 * len(starts[0]) * len(starts[1])

    table = g.table()

    assert int(table.ofmap_elems[0, 0]) == outputs
    assert int(table.other_ops[0, 0]) == outputs * r * r
    assert int(table.ifmap_elems[0, 0]) == 2 * reads[0] * reads[1]


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_transposed_convolution_equals_scatter(c, k, extent, r, u):
    """Scatter every input element through every weight of its output channel."""
    g = Graph("one")
    g.conv_transpose("up", g.input("x", (1, c, extent, extent)), k, r, u, bias=False)
    scattered = list(product(range(c), range(k), range(extent), range(extent), range(r), range(r)))

    table = g.table()

    assert int(table.macs[0, 0]) == len(scattered)
    assert int(table.weight_elems[0, 0]) == len({(a, b, i, j) for a, b, _, _, i, j in scattered})
    assert int(table.ofmap_elems[0, 0]) == k * ((extent - 1) * u + r) ** 2
