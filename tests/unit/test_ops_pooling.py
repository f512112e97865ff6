"""Pooling: windows, rounding, the whole map, adaptive windows, refusals."""

import numpy as np
import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph
from costmodel.graph.table import COUNTS, DIMENSIONS


def only_row(build, shape):
    """The only row of a graph of one layer, as plain values, with its output shape."""
    g = Graph("one")
    y = build(g, g.input("x", shape))
    table = g.table()
    plain = {column: int(table[column][0, 0]) for column in DIMENSIONS + COUNTS}
    return plain | {"op": table.ops[0], "shape": y.shape, "streamed": bool(table.streamed[0])}


def message(build, shape):
    """The text of the ShapeError that a layer raises."""
    g = Graph("one")
    with pytest.raises(ShapeError) as caught:
        build(g, g.input("x", shape))
    return str(caught.value)


def test_all_columns_of_a_max_pool():
    """One group per channel, a window, no weights, no MACs."""
    row = only_row(lambda g, x: g.max_pool("p", x, 3, 2), (1, 96, 55, 55))

    assert row == {
        "op": "max_pool", "shape": (1, 96, 27, 27), "streamed": False,
        "n": 1, "g": 96, "k": 1, "c": 1, "p": 27, "q": 27, "r": 3, "s": 3,
        "stride_h": 2, "stride_w": 2, "dilation_h": 1, "dilation_w": 1, "pad_top": 0, "pad_left": 0,
        "ifmap_h": 55, "ifmap_w": 55, "steps": 1,
        "params": 0, "macs": 0, "other_ops": 96 * 27 * 27 * 9,
        "weight_elems": 0, "bias_elems": 0, "ifmap_elems": 96 * 55 * 55, "ofmap_elems": 96 * 27 * 27,
    }  # fmt: skip


def test_the_stride_defaults_to_the_kernel():
    """As in torch."""
    assert only_row(lambda g, x: g.avg_pool("p", x, 4), (1, 2, 16, 16))["shape"] == (1, 2, 4, 4)


@pytest.mark.parametrize(
    ("extent", "kernel", "stride", "padding", "floor", "ceil"),
    [
        (54, 3, 2, 0, 26, 27),
        (55, 3, 2, 0, 27, 27),
        (56, 3, 2, 0, 27, 28),
        (6, 3, 2, 1, 3, 4),
        (5, 3, 2, 1, 3, 3),
        (2, 1, 2, 0, 1, 1),  # rounding up would start a window beyond the input
        (4, 2, 3, 1, 2, 2),
    ],
)
def test_floor_and_ceil(extent, kernel, stride, padding, floor, ceil):
    """Incomplete windows are dropped, or kept if they start inside."""
    for mode, outputs in ((False, floor), (True, ceil)):
        row = only_row(
            lambda g, x, mode=mode: g.max_pool("p", x, kernel, stride, padding, ceil_mode=mode),
            (1, 1, extent, extent),
        )
        assert row["shape"] == (1, 1, outputs, outputs)


def test_windows_beyond_the_input_read_only_the_input():
    """Ceil mode and padding never add reads."""
    row = only_row(lambda g, x: g.max_pool("p", x, 3, 2, 1, ceil_mode=True), (1, 3, 6, 6))

    assert row["ifmap_elems"] == 3 * 36


def test_dilation_skips_inputs():
    """Window of three taps over five positions."""
    row = only_row(lambda g, x: g.max_pool("p", x, 3, 1, dilation=2), (1, 1, 5, 5))

    assert (row["shape"], row["ifmap_elems"], row["other_ops"]) == ((1, 1, 1, 1), 9, 9)


@pytest.mark.parametrize(
    ("shape", "output", "window"),
    [((1, 3, 9), (1, 3, 4), (1, 1, 2)), ((2, 3, 4, 6, 9), (2, 3, 2, 3, 4), (2, 2, 2))],
)
def test_one_and_three_axes(shape, output, window):
    """Depth folds into c and n, as for convolution."""
    row = only_row(lambda g, x: g.max_pool("p", x, 2), shape)
    depth = output[2] if len(shape) == 5 else 1

    assert row["shape"] == output
    assert (row["c"], row["r"], row["s"]) == window
    assert row["n"] == shape[0] * depth
    assert row["other_ops"] == int(np.prod(output)) * int(np.prod(window))


@pytest.mark.parametrize("kind", ["global_avg_pool", "global_max_pool"])
@pytest.mark.parametrize("shape", [(1, 5, 7), (1, 5, 7, 9), (1, 5, 2, 7, 9)])
def test_the_whole_map(kind, shape):
    """One output per channel, every input once."""
    row = only_row(lambda g, x: getattr(g, kind)("p", x), shape)
    elems = int(np.prod(shape))

    assert row["op"] == kind.removeprefix("global_")
    assert row["shape"] == (1, 5, *(1,) * (len(shape) - 2))
    assert (row["other_ops"], row["ifmap_elems"], row["ofmap_elems"]) == (elems, elems, 5)


@pytest.mark.parametrize(
    ("extent", "outputs", "taps"), [(12, 6, 2), (13, 6, 3), (6, 6, 1), (1, 6, 1), (7, 4, 4)]
)
def test_adaptive_windows_cover_the_input(extent, outputs, taps):
    """Equal windows that together read everything."""
    row = only_row(lambda g, x: g.adaptive_avg_pool("p", x, outputs), (1, 2, extent, extent))

    assert (row["op"], row["shape"]) == ("avg_pool", (1, 2, outputs, outputs))
    assert row["r"] == taps
    assert (outputs - 1) * row["stride_h"] + taps >= extent
    assert row["ifmap_elems"] == 2 * extent * extent


def test_adaptive_operations_are_those_of_the_real_windows():
    """13 -> 6: six windows of three, literally."""
    row = only_row(lambda g, x: g.adaptive_max_pool("p", x, (6, 13)), (1, 2, 13, 13))

    assert (row["op"], row["other_ops"]) == ("max_pool", 2 * 18 * 13)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda g, x: g.max_pool("p", x, 9),
            "p: the window is larger than the padded input on spatial axis 0: kernel 9, dilation 1, padding "
            "0 + 0, but x gives (1, 2, 5, 5); use a smaller kernel, more padding or a larger input",
        ),
        (
            lambda g, x: g.max_pool("p", x, 2, 1, 2),
            "p: padding 2 + 2 would make windows of padding only: the window covers 2",
        ),
        (lambda g, x: g.max_pool("p", x, 2, 0), "p: stride must be at least 1, got 0"),
        (lambda g, x: g.adaptive_avg_pool("p", x, 0), "p: output size must be at least 1, got 0"),
        (
            lambda g, x: g.adaptive_avg_pool("p", x, (1, 2, 3)),
            "p: output size must have one entry per spatial axis (2), got (1, 2, 3)",
        ),
        (
            lambda g, x: g.global_avg_pool("p", g.flatten("flat", x)),
            "p: needs axes (batch, channels, 1 to 3 spatial), but flat gives (1, 50)",
        ),
    ],
)
def test_refusals(build, text):
    """Each mistake has its message."""
    assert message(build, (1, 2, 5, 5)) == text


def test_an_adaptive_pool_of_another_rank():
    """An operation built by hand meets a tensor of another rank."""
    from costmodel.graph.ops.pooling import AdaptivePool

    text = message(lambda g, x: g.layer("p", AdaptivePool("avg_pool", (1,)), x), (1, 2, 5, 5))
    assert text == "p: has 1 output sizes, but x gives (1, 2, 5, 5)"
