"""Each step of the playbook on a small network, its counts worked out by hand."""

from __future__ import annotations

from math import gcd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.graph import Graph
from costmodel.graph.ops.convolution import Conv
from costmodel.playbook import Design, transformed
from costmodel.playbook.grouped_convolution import groups_of
from costmodel.playbook.kernel_reduction import one_tap, spare_padding
from costmodel.playbook.layers import conv_in_words, described, heaviest, kept, spatial
from tests.unit.networks import classifier, conv_params, macs, pair, params

PIXELS = 8 * 8
LOCAL = ("kernel_reduction", "channel_reduction", "depthwise_separable", "separable_kernel", "bottleneck")


def applied(graph, name, strength):
    """Return the graph after a step, and what the step changed."""
    design, changes = transformed(Design(graph, {}), name, strength)
    return design.graph, changes


def saved(graph, made):
    """Parameters and MACs that are gone."""
    return params(graph) - params(made), macs(graph) - macs(made)


def op_of(graph, name):
    """Operation of a layer."""
    return next(layer.op for layer in graph.layers if layer.name == name)


def names(graph):
    """Names of all layers."""
    return [layer.name for layer in graph.layers]


# ---- kernel reduction


def test_kernel_reduction():
    """A quarter of 32 filters 3x3 become 1x1: 8 x 16 x 8 taps fewer; each branch has its normalisation and ReLU."""
    graph = pair()
    made, changes = applied(graph, "kernel_reduction", 0.25)

    assert saved(graph, made) == (8 * 16 * 8, 8 * 16 * 8 * PIXELS)
    assert names(made) == ["first", "conv", "bn", "relu", "conv_1x1", "bn_1x1", "relu_1x1", "conv_concat", "last"]
    assert [str(change) for change in changes] == ["conv: 3x3 16 -> 32 becomes 1x1 16 -> 8, 3x3 16 -> 24"]
    assert made.table().status[-2] == "free"  # the concatenation is written in place by the branches


def test_kernel_reduction_of_all_filters():
    """At strength one nothing is left of the 3x3 filters, and nothing is concatenated."""
    graph = pair()
    made, changes = applied(graph, "kernel_reduction", 1)

    assert names(made) == names(graph)
    assert op_of(made, "conv").kernel == (1, 1)
    assert saved(graph, made)[0] == 32 * 16 * 8
    assert changes[0].after == "1x1 16 -> 32"


def test_kernel_reduction_in_groups():
    """Every group loses as many filters: half of 4 in each of 8 groups."""
    graph = pair(16, 32, groups=8)
    made, _ = applied(graph, "kernel_reduction", 0.5)

    assert (op_of(made, "conv").groups, op_of(made, "conv_1x1").groups) == (8, 8)
    assert saved(graph, made)[0] == 16 * 2 * 8


@pytest.mark.parametrize(
    "options", [{"padding": 0}, {"padding": 2}, {"stride": 2}, {"padding": 1, "stride": 2}, {"dilation": 2, "padding": 2}]
)
def test_kernel_reduction_and_padding(options):
    """The two branches give maps of one size, or the convolution stays."""
    graph = pair(**options)
    made, changes = applied(graph, "kernel_reduction", 0.5)

    assert [tensor.shape for tensor in made.outputs] == [tensor.shape for tensor in graph.outputs]
    assert bool(changes) == (options != {"padding": 0})


@given(
    st.integers(1, 30), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.integers(0, 6), st.integers(0, 6)
)
def test_one_tap_gives_as_many_outputs(size, taps, stride, dilation, before, after):
    """Wherever padding covers what the window has beyond one tap."""
    op = Conv.of(1, 4, taps, stride, ((before, after),), dilation)
    if size + before + after < dilation * (taps - 1) + 1 or min(spare_padding(op)) < 0:
        return
    graph = Graph("sizes")
    x = graph.input("x", (1, 2, size))

    assert graph.layer("one", one_tap(op, 4), x)[0].shape == graph.layer("all", op, x)[0].shape


# ---- squeeze, bottleneck


def test_channel_reduction():
    """16 channels become 4 before the 3x3 filters, which the same number of outputs reads."""
    graph = pair()
    made, changes = applied(graph, "channel_reduction", 0.75)
    squeezed = conv_params(16, 4, 1) + conv_params(4, 32, 9)

    assert params(made) == params(graph) - conv_params(16, 32, 9) + squeezed
    assert macs(made) == macs(graph) - (16 * 9 * 32 - 16 * 4 - 4 * 9 * 32) * PIXELS
    assert names(made) == ["first", "conv_squeeze", "conv_squeeze_relu", "conv", "bn", "relu", "last"]
    assert changes[0].after == "1x1 16 -> 4, 3x3 4 -> 32"


def test_channel_reduction_that_saves_nothing():
    """Few channels less do not pay for the squeeze layer: 16 x 15 + 15 x 9 x 2 products are more than 16 x 9 x 2."""
    assert applied(pair(16, 2), "channel_reduction", 1 / 16)[1] == ()


def test_bottleneck():
    """A quarter of 16 channels in the middle: 1x1 down, 3x3, 1x1 up; the last has a bias only if the first had one."""
    graph = pair(bias=False)
    made, changes = applied(graph, "bottleneck", 0.75)
    narrow = conv_params(16, 4, 1) + conv_params(4, 4, 9) + conv_params(4, 32, 1, bias=False)

    assert params(made) == params(graph) - conv_params(16, 32, 9, bias=False) + narrow
    assert macs(made) == macs(graph) - (16 * 9 * 32 - 16 * 4 - 4 * 9 * 4 - 4 * 32) * PIXELS
    assert changes[0].after == "1x1 16 -> 4, 3x3 4 -> 4, 1x1 4 -> 32"


def test_a_bottleneck_keeps_its_stride_in_the_middle():
    """As torchvision does: the 1x1 convolutions see every pixel."""
    made, _ = applied(pair(stride=2), "bottleneck", 0.75)

    assert [op_of(made, name).stride for name in ("conv_reduce", "conv_middle", "conv")] == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize(("name", "layer"), [("channel_reduction", "conv_squeeze"), ("bottleneck", "conv_middle")])
def test_narrow_layers_keep_whole_groups(name, layer):
    """Half of 4 channels in each of 4 groups."""
    made, _ = applied(pair(16, 32, groups=4), name, 0.5)

    assert (op_of(made, layer).out_channels, op_of(made, layer).groups) == (8, 4)


# ---- depthwise separable, separable kernels


def test_depthwise_separable():
    """3x3 per channel, then 1x1: 16 x 9 + 16 x 32 products a pixel."""
    graph = pair()
    made, changes = applied(graph, "depthwise_separable", 1)
    separable = conv_params(16, 16, 9, groups=16) + conv_params(16, 32, 1)

    assert params(made) == params(graph) - conv_params(16, 32, 9) + separable
    assert macs(made) == macs(graph) - (16 * 9 * 32 - 16 * 9 - 16 * 32) * PIXELS
    assert changes[0].after == "3x3 16 -> 16 in 16 groups, 1x1 16 -> 32"


def test_separable_kernel():
    """5x1 to the narrower side, then 1x5: 16 x 5 x 16 + 16 x 5 x 32 products a pixel."""
    graph = pair(kernel=5)
    made, changes = applied(graph, "separable_kernel", 1)

    assert macs(made) == macs(graph) - (16 * 25 * 32 - 16 * 5 * 16 - 16 * 5 * 32) * PIXELS
    assert params(made) == params(graph) - conv_params(16, 32, 25) + conv_params(16, 16, 5) + conv_params(16, 32, 5)
    assert changes[0].after == "5x1 16 -> 16, 1x5 16 -> 32"


def test_a_separable_kernel_keeps_each_axis():
    """Stride, padding and dilation of an axis go with its taps."""
    made, _ = applied(
        pair(kernel=(3, 5), padding=((1, 2), (2, 3)), stride=(2, 1), dilation=(1, 2)), "separable_kernel", 1
    )
    rows, columns = op_of(made, "conv_rows"), op_of(made, "conv")

    assert (rows.kernel, rows.stride, rows.padding, rows.dilation) == ((3, 1), (2, 1), ((1, 2), (0, 0)), (1, 1))
    assert (columns.kernel, columns.stride, columns.padding, columns.dilation) == (
        (1, 5), (1, 1), ((0, 0), (2, 3)), (1, 2),
    )  # fmt: skip


def test_layers_with_most_macs_go_first():
    """Of 16 -> 8, 8 -> 64 and 64 -> 16 channels a third is the last, two thirds the last two."""
    graph = Graph("three")
    x = graph.conv("first", graph.input("data", (1, 3, 8, 8)), 16, kernel=1)
    for name, filters in (("a", 8), ("b", 64), ("c", 16)):
        x = graph.conv(name, x, filters, kernel=3, padding=1)
    graph.output(x)

    assert [change.layer for change in applied(graph, "depthwise_separable", 0.33)[1]] == ["c"]
    assert [change.layer for change in applied(graph, "depthwise_separable", 0.34)[1]] == ["b", "c"]
    assert [layer.name for layer in heaviest(list(spatial(graph)), 1)] == ["a", "b", "c"]
    assert heaviest(list(spatial(graph)), 0) == []


# ---- groups


def test_grouped_convolution():
    """Four groups: a quarter of weights and MACs, and a shuffle that reads and writes the input once."""
    graph = pair()
    made, changes = applied(graph, "grouped_convolution", 0.75)
    table = made.table()
    shuffle = table.names.index("conv_shuffle")

    assert op_of(made, "conv").groups == 4
    assert params(graph) - params(made) == 16 * 9 * 32 * 3 / 4 + 32 * 4 * 3 / 4
    assert (table.ifmap_elems[shuffle, 0], table.ofmap_elems[shuffle, 0]) == (16 * PIXELS, 16 * PIXELS)
    assert table.status[shuffle] == "counted"
    assert [change.layer for change in changes] == ["conv", "last"]


def test_a_normalisation_is_still_folded_behind_groups():
    """The shuffle stands before the convolution, so that nothing comes between it and its normalisation."""
    table = applied(pair(), "grouped_convolution", 0.5)[0].table()

    assert table.status[table.names.index("bn")] == table.status[table.names.index("relu")] == "free"


@given(st.integers(1, 200), st.integers(1, 200), st.floats(0, 1))
def test_groups_divide_both_sides_and_keep_enough(inputs, outputs, strength):
    """As many groups as leave 1 - strength of the products, of those that divide."""
    groups = groups_of(inputs, outputs, strength)
    fitting = [n for n in range(1, gcd(inputs, outputs) + 1) if inputs % n == 0 == outputs % n]

    assert groups in fitting
    assert all(1 / n < 1 - strength - 1e-6 for n in fitting if n > groups)
    assert strength == 1 or groups * (1 - strength) <= 1 + 1e-6


# ---- global average pooling


@pytest.mark.parametrize(
    ("strength", "gone", "left"),
    [(1, 20 * 45 + 20 + 20 * 12 + 12 + 12 * 7 + 7, 5 * 7 + 7), (0.3, 45 * 20 + 20, 5 * 20 + 20)],
)
def test_global_pooling(strength, gone, left):
    """Of three fully connected layers on 5 channels of 3x3 all go, or the first one."""
    graph = classifier()
    made, changes = applied(graph, "global_pooling", strength)

    assert params(made) == params(graph) - gone + left
    assert len(changes) == 1
    assert [layer.name for layer in made.layers][-1] == "prob"


def test_global_pooling_in_words():
    """What goes, and what takes its place."""
    change = applied(classifier(), "global_pooling", 1)[1][0]

    assert str(change) == "fc: linear 45 -> 20 -> 12 -> 7 becomes 1x1 5 -> 7 and the average over 3x3"


def test_global_pooling_that_saves_nothing():
    """A classifier that is narrower than its map would need more MACs on every position: it stays."""
    assert applied(classifier(hidden=(1,)), "global_pooling", 1)[1] == ()


def test_what_is_no_feature_map_stays():
    """Attention also makes a vector of its heads: nothing is averaged there."""
    graph = Graph("heads")
    x = graph.linear("values", graph.input("data", (9, 4, 16)), 16)
    x = graph.linear("out", graph.reshape("join", x, (9, 64)), 8)
    graph.output(x)

    assert applied(graph, "global_pooling", 1)[1] == ()


def test_a_map_of_one_position_stays():
    """Behind a global pooling there is nothing to average."""
    graph = Graph("pooled")
    x = graph.conv("conv", graph.input("data", (1, 3, 8, 8)), 4, kernel=3)
    graph.output(graph.linear("fc", graph.flatten("flatten", graph.global_avg_pool("pool", x)), 10))

    assert applied(graph, "global_pooling", 1)[1] == ()


# ---- precision


@pytest.mark.parametrize(
    ("bits", "strength", "expected"), [(8, 0.5, 4), (32, 0.75, 8), (8, 0.1, 7), (1, 1, 1), (8, 0.01, 8)]
)
def test_lower_precision(bits, strength, expected):
    """A fraction of the bits falls away, whole bits at a time, one is left."""
    graph = pair()
    design, changes = transformed(Design(graph, {"weight": bits}), "lower_precision", strength)

    assert design.bits == {"weight": expected}
    assert design.graph is graph
    assert len(changes) == (expected < bits)


# ---- what they share


@pytest.mark.parametrize("name", LOCAL)
def test_first_and_depthwise_convolutions_stay(name):
    """What reads the image stays whole, through any normalisation; so does one filter per channel."""
    graph = Graph("first")
    x = graph.relu("scaled", graph.input("data", (1, 16, 8, 8)))
    x = graph.conv("first", x, 32, kernel=3, padding=1)
    graph.output(graph.conv("depthwise", x, 32, kernel=3, padding=1, groups=32))

    assert applied(graph, name, 0.75)[1] == ()


@given(st.integers(1, 512), st.floats(0, 1), st.sampled_from([1, 2, 4]))
def test_kept_is_whole_units(size, strength, unit):
    """A multiple of the unit, at least one, never more than there was."""
    found = kept(size * unit, strength, unit)

    assert found % unit == 0
    assert unit <= found <= size * unit
    assert kept(size * unit, 0, unit) == size * unit


def test_layers_in_words():
    """Kernels, channels, strides, groups; equal ones are counted."""
    graph = classifier()

    assert conv_in_words(Conv.of(2, 8, (1, 7), (1, 2), groups=2), 4) == "1x7 4 -> 8 /1x2 in 2 groups"
    assert described(graph.layers[:4]) == "3x3 3 -> 5, max_pool 2x2 /2, flatten 45"
    assert described([graph.layers[0]] * 2) == "2 times 3x3 3 -> 5"
