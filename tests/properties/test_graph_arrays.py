"""A graph that carries design points equals the graphs built point by point."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import NetworkError
from costmodel.graph import Graph
from costmodel.graph.table import COUNTS, DIMENSIONS
from costmodel.importers import load_builder

squeezenet = load_builder("squeezenet")

LABELS = ("names", "ops", "groups", "status", "notes")
FLAGS = ("dynamic_weight", "streamed")


def assert_points_equal(build, columns):
    """Compare ``build`` of arrays with ``build`` of each point, column by column."""
    arrays = build(**{name: np.array(values) for name, values in columns.items()}).table()
    points = len(next(iter(columns.values())))
    for point in range(points):
        scalar = build(**{name: values[point] for name, values in columns.items()}).table()
        assert scalar.design_points == 1
        for column in LABELS:
            assert arrays[column] == scalar[column]
        for column in FLAGS:
            assert arrays[column].tolist() == scalar[column].tolist()
        for column in DIMENSIONS + COUNTS:
            wide = np.broadcast_to(arrays[column], (len(arrays), points))
            assert wide[:, point].tolist() == scalar[column][:, 0].tolist(), column


def points_of(**strategies):
    """Two to four design points, as one list per argument."""
    return st.integers(2, 4).flatmap(
        lambda size: st.fixed_dictionaries(
            {name: st.lists(values, min_size=size, max_size=size) for name, values in strategies.items()}
        )
    )


@given(
    points_of(
        squeeze_ratio=st.floats(0.05, 1.5),
        pct_3x3=st.floats(0.05, 0.95),
        base_e=st.integers(32, 256),
        incr_e=st.integers(0, 256),
        freq=st.integers(1, 4),
    )
)
@settings(max_examples=15, deadline=None)
def test_squeezenet_space_equals_its_points(columns):
    """The five metaparameters of the paper."""
    assert_points_equal(squeezenet, columns)


@given(points_of(input=st.integers(64, 256), conv10_pad=st.integers(0, 1), num_classes=st.integers(1, 1000)))
@settings(max_examples=10, deadline=None)
def test_squeezenet_resolutions_equal_their_points(columns):
    """Resolution, padding and classes change shapes instead of filters."""
    assert_points_equal(squeezenet, columns)


def test_alexnet_resolutions_equal_their_points():
    """Both variants of AlexNet at several resolutions."""
    for variant in ("caffe", "torchvision"):
        assert_points_equal(load_builder(f"alexnet:variant={variant}"), {"input": [195, 227, 259]})


def everything(channels, extent, kernel, stride, groups, hidden):
    """A graph with most operations, as a builder."""
    g = Graph("everything")
    x = g.input("x", (1, channels * groups, extent, extent))
    x = g.conv("conv", x, channels * groups * 2, kernel, stride, 2, groups=groups)
    x = g.relu("relu", g.batch_norm("bn", x))
    y = g.conv_transpose("up", x, channels, 4, 2, 1)
    y = g.max_pool("pool", y, 2, ceil_mode=True)
    z = g.conv("same", x, channels, 3, padding="same", dilation=2)
    x = g.add("add", z, g.conv("mix", y, channels, 1))
    x = g.concat("cat", x, g.sigmoid("sigmoid", z))
    x = g.multiply("scale", x, g.global_avg_pool("gap", x))
    x = g.pad("pad", g.upsample("resize", x, 2, mode="bilinear"), ((0, 1), (1, 0)))
    x = g.adaptive_avg_pool("adapt", x, 3)
    x = g.slice("half", x, 1, 0, channels)
    x = g.reshape("tokens", x, (1, channels, 9))
    x = g.transpose("swap", x, (0, 2, 1))
    x = g.layer_norm("norm", g.linear("proj", x, hidden))
    a = g.softmax("weights", g.matmul("scores", x, g.transpose("kt", x, (0, 2, 1))))
    x = g.matmul("attend", a, x)
    x = g.gru("gru", g.lstm("lstm", x, hidden, bidirectional=True), hidden)
    g.linear("head", g.dropout("drop", g.flatten("flat", x)), 10)
    return g


@given(
    points_of(
        channels=st.integers(1, 5),
        extent=st.integers(8, 15),
        kernel=st.integers(1, 5),
        stride=st.integers(1, 3),
        groups=st.integers(1, 3),
        hidden=st.integers(1, 6),
    )
)
@settings(max_examples=25, deadline=None)
def test_every_operation_takes_arrays(columns):
    """Most operations at once, with all their sizes varying together."""
    assert_points_equal(everything, columns)


@given(
    points_of(
        out=st.integers(1, 9), kernel=st.integers(1, 3), stride=st.integers(1, 4), dilation=st.integers(1, 4)
    )
)
@settings(max_examples=40, deadline=None)
def test_strides_and_dilations_vary(columns):
    """Window arithmetic, also where stride and dilation do not divide each other."""

    def build(out, kernel, stride, dilation):
        g = Graph("conv")
        x = g.input("x", (1, 2, 12, 13))
        g.max_pool("pool", g.conv("conv", x, out, kernel, stride, 1, dilation), 2, 1, 1)
        return g

    assert_points_equal(build, columns)


sizes = st.lists(st.integers(2**16, 2**31 - 1), min_size=2, max_size=5)


@given(sizes, sizes)
@settings(max_examples=100, deadline=None)
def test_counts_never_wrap(first, second):
    """A product is exact or refused, for arrays as for scalars."""
    size = min(len(first), len(second))
    first, second = np.array(first[:size]), np.array(second[:size])
    exact = [7 * int(a) * int(b) for a, b in zip(first, second, strict=True)]
    g = Graph("wide")
    g.linear("fc", g.input("x", (1, 7, first)), second, bias=False)
    if max(exact) >= 2**63 - 2**11:
        with pytest.raises(NetworkError, match="do not fit in 64 bits"):
            g.table()
    else:
        assert g.table().macs[0].tolist() == exact


def batched(**kwargs):
    """SqueezeNet's table."""
    return squeezenet(**kwargs).table()


@given(st.integers(1, 64), st.sampled_from(["1.0", "1.1"]), st.sampled_from(["none", "simple", "complex"]))
@settings(max_examples=20, deadline=None)
def test_totals_are_sums_and_batches_multiply(batch, version, bypass):
    """Totals add up rows; a batch multiplies activations and work, never weights."""
    one = batched(version=version, bypass=bypass)
    many = one.with_batch(batch)
    for column in COUNTS:
        assert one.total(column)[0] == sum(int(value) for value in one[column][:, 0])
    for column in ("macs", "other_ops", "ifmap_elems", "ofmap_elems", "n"):
        assert (many[column] == batch * one[column]).all()
    for column in ("params", "weight_elems", "bias_elems", "k", "c", "p", "q"):
        assert (many[column] == one[column]).all()


@given(
    points_of(channels=st.integers(1, 5), extent=st.integers(8, 15), kernel=st.integers(1, 5),
              stride=st.integers(1, 3), groups=st.integers(1, 3), hidden=st.integers(1, 6))
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_loop_nests_agree_with_counts(columns):
    """Products of the loop extents are the counts, wherever the docstrings promise it."""
    table = everything(**{name: np.array(values) for name, values in columns.items()}).table()
    nest = table.n * table.g * table.k * table.p * table.q * table.steps
    for row, op in enumerate(table.ops):
        if op in ("conv", "linear", "matmul", "lstm", "gru"):
            depth = table.c[row] * table.r[row] * table.s[row]
            assert (nest[row] * depth == table.macs[row]).all(), op
        if table.status[row] == "counted" and op != "conv_transpose" and not table.streamed[row]:
            assert (nest[row] == table.ofmap_elems[row]).all(), op
        if table.status[row] == "free":
            moved = table.ifmap_elems[row] + table.ofmap_elems[row] + table.weight_elems[row]
            assert (moved == 0).all()


@pytest.mark.parametrize("points", [2, 4096])
def test_a_space_has_as_many_points_as_its_arrays(points):
    """The design axis has the length of the arrays, and the graph knows it."""
    graph = squeezenet(squeeze_ratio=np.linspace(0.1, 1, points))

    assert graph.design_points == points
    assert graph.table().design_points == points
    assert graph.table().total("macs").shape == (points,)
