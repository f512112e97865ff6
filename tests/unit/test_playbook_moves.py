"""Down-sampling that moves, and channels that are pruned together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.graph import Graph
from costmodel.graph.ops.general import ChannelWise
from costmodel.playbook import Design, transformed
from costmodel.playbook.delayed_pooling import Flow
from tests.unit.networks import classifier, macs, params, residual, stages

CONV = 4 * 4 * 9
"""Products per pixel of a stage of the network of stages."""


def applied(graph, name, strength):
    """Return the graph after a step, and what the step changed."""
    design, changes = transformed(Design(graph, {}), name, strength)
    return design.graph, changes


def extents(graph):
    """Height of the map behind every layer."""
    return {layer.name: layer.outputs[0].shape[2] for layer in graph.layers if layer.outputs[0].rank == 4}


def channels(graph):
    """Channels behind every layer."""
    return {layer.name: layer.outputs[0].shape[1] for layer in graph.layers}


# ---- delayed pooling


@pytest.mark.parametrize(("strength", "passed"), [(0.3, 1), (0.5, 2), (1, 3)])
def test_a_pooling_moves_past_stages(strength, passed):
    """Each stage that it passes works on 32 x 32 instead of 16 x 16 pixels."""
    graph = stages()
    made, changes = applied(graph, "delayed_pooling", strength)

    assert macs(made) - macs(graph) == passed * CONV * (32 * 32 - 16 * 16)
    assert params(made) == params(graph)
    assert str(changes[0]) == f"pool0: max_pool 2x2 /2 behind relu0 becomes max_pool 2x2 /2 behind relu{passed}"


@pytest.mark.parametrize(("strength", "passed"), [(-0.3, 1), (-1, 3)])
def test_a_pooling_moves_to_the_front(strength, passed):
    """The second pooling passes stages backwards: they work on 8 x 8 instead of 16 x 16 pixels."""
    graph = stages()
    made, _ = applied(graph, "delayed_pooling", strength)
    found = extents(made)

    assert [found[f"conv{number}"] for number in (3, 2, 1)] == [8] * passed + [16] * (3 - passed)


def test_a_stride_moves_to_another_convolution():
    """The first convolution gives every output, a later one every second: no pooling is put in."""
    graph = stages(pool=False)
    made, changes = applied(graph, "delayed_pooling", 0.3)
    strides = {layer.name: layer.op.stride for layer in made.layers if layer.name.startswith("conv")}

    assert strides == {"conv0": (1, 1), "conv1": (2, 2), "conv2": (1, 1), "conv3": (1, 1)}
    assert [layer.name for layer in made.layers] == [layer.name for layer in graph.layers]
    assert str(changes[0]) == "conv0: stride 2 behind data becomes stride 2 behind relu1"


@given(
    st.integers(1, 40), st.integers(1, 5), st.integers(1, 4), st.integers(1, 2), st.integers(0, 3), st.booleans()
)
def test_a_stride_is_a_pooling_of_one_tap(size, taps, stride, dilation, pad, same):
    """Of a convolution of stride one, keeping every u-th output gives what stride u gives."""
    padding = "same" if same else pad
    if not same and size + 2 * pad < dilation * (taps - 1) + 1:
        return
    graph = Graph("strides")
    x = graph.input("x", (1, 2, size))
    strided = graph.conv("strided", x, 3, taps, stride, padding, dilation)
    every = graph.conv("every", x, 3, taps, 1, padding, dilation)

    assert graph.max_pool("kept", every, 1, stride).shape == strided.shape


def branches():
    """Build a stride of 2 before a module of two branches, so that no single convolution can take it on."""
    g = Graph("branches")
    x = g.relu("relu", g.conv("conv", g.input("data", (1, 3, 16, 16)), 4, kernel=3, stride=2, padding=1))
    x = g.concat("join", g.conv("one", x, 4, kernel=1), g.conv("three", x, 4, kernel=3, padding=1))
    g.output(g.conv("end", x, 2, kernel=8))
    return g


def test_a_stride_behind_branches_is_a_pooling_of_one_tap():
    """Where branches join, every second position is kept."""
    made, _ = applied(branches(), "delayed_pooling", 1)
    (pool,) = [layer for layer in made.layers if layer.name == "conv_stride"]

    assert (pool.op.kernel, pool.op.stride) == ((1, 1), (2, 2))
    assert extents(made)["join"] == 16
    assert extents(made)["conv_stride"] == 8


def test_residual_blocks_are_passed_whole():
    """A pooling cannot end up between a block and its shortcut."""
    graph = Graph("residual")
    x = graph.max_pool("pool", graph.conv("stem", graph.input("data", (1, 3, 16, 16)), 4, kernel=3, padding=1), 2)
    y = graph.relu("relu", graph.conv("one", x, 4, kernel=3, padding=1))
    x = graph.add("sum", x, graph.conv("two", y, 4, kernel=3, padding=1))
    graph.output(graph.global_avg_pool("end", x))
    flow = Flow(graph)

    assert [tensor.name for tensor in flow.stages(flow.giver[graph.layers[1].outputs[0]].outputs[0])] == ["sum"]
    assert applied(graph, "delayed_pooling", 1)[1][0].after == "max_pool 2x2 /2 behind sum"


def test_what_also_leaves_the_network_stays():
    """A map that is an output of the network keeps its size."""
    graph = Graph("outputs")
    x = graph.max_pool("pool", graph.conv("stem", graph.input("data", (1, 3, 16, 16)), 4, kernel=3, padding=1), 2)
    graph.output(x, graph.conv("one", x, 4, kernel=3, padding=1))

    assert applied(graph, "delayed_pooling", 1)[1] == ()


def test_a_pooling_can_move_before_the_first_layer():
    """Down to the image itself."""
    graph = Graph("front")
    x = graph.conv("conv", graph.input("data", (1, 3, 16, 16)), 4, kernel=3, padding=1)
    graph.output(graph.conv("end", graph.max_pool("pool", x, 2), 2, kernel=8))
    made, changes = applied(graph, "delayed_pooling", -1)

    assert [layer.name for layer in made.layers] == ["pool", "conv", "end"]
    assert changes[0].after == "max_pool 2x2 /2 behind data"


def test_a_normalisation_over_neighbours_goes_with_its_convolution():
    """AlexNet's second pooling stands behind one; it moves in front of the convolution, the first one has nowhere to go."""
    found = applied(cm.load_network("alexnet"), "delayed_pooling", -1)[1]

    assert [str(change) for change in found] == [
        "pool5: max_pool 3x3 /2 behind relu5 becomes max_pool 3x3 /2 behind pool2",
        "pool2: max_pool 3x3 /2 behind norm2 becomes max_pool 3x3 /2 behind pool1",
    ]


def test_squeezenet_pools_where_its_versions_differ():
    """Version 1.1 pools earlier than 1.0: moving later takes its 3x3 first layer towards the MACs of 1.0."""
    later, _ = applied(cm.load_network("squeezenet:version=1.1"), "delayed_pooling", 0.5)

    assert [layer.name for layer in later.layers if layer.op.__class__.__name__ == "Pool"] == ["pool1", "pool3", "pool5"]
    assert extents(later)["fire2/concat"] > extents(cm.load_network("squeezenet:version=1.1"))["fire2/concat"]
    assert macs(later) > macs(cm.load_network("squeezenet:version=1.1"))


# ---- pruning


def test_pruning():
    """Half of 5, 20 and 12 channels are 3, 10 and 6; input and classes stay."""
    made, changes = applied(classifier(), "pruning", 0.5)
    expected = (3 * 27 + 3) + (3 * 9 * 10 + 10) + (10 * 6 + 6) + (6 * 7 + 7)

    assert params(made) == expected
    assert channels(made)["flatten"] == 27
    assert [change.layer for change in changes] == ["conv", "fc0", "fc1"]
    assert str(changes[1]) == "fc0: linear 20 becomes linear 10"


def test_channels_that_are_added_go_together():
    """Both sides of a sum lose the same; the inner layer of the block loses its own."""
    found = channels(applied(residual(8), "pruning", 0.25)[0])

    assert (found["stem"], found["two"], found["sum"]) == (6, 6, 6)
    assert found["one"] == 6 - round(0.25 * 6)
    assert found["fc"] == 10


def test_depthwise_convolutions_follow():
    """One filter per channel that is left."""
    graph = Graph("depthwise")
    x = graph.conv("wide", graph.input("data", (1, 3, 8, 8)), 16, kernel=1)
    x = graph.relu("relu", graph.batch_norm("bn", graph.conv("dw", x, 16, kernel=3, padding=1, groups=16)))
    graph.output(graph.conv("end", x, 5, kernel=1))
    made, changes = applied(graph, "pruning", 0.5)

    assert params(made) == (3 * 8 + 8) + (8 * 9 + 8) + 16 + (8 * 5 + 5)
    assert [change.layer for change in changes] == ["wide", "dw"]


def test_shared_depthwise_convolutions_fix_their_channels():
    """Two uses of the same filters, one of them with channels that must stay: neither is pruned."""
    graph = Graph("shared")
    x = graph.conv("wide", graph.input("data", (1, 3, 8, 8)), 16, kernel=1)
    x = graph.conv("dw", x, 16, kernel=3, padding=1, groups=16)
    y = graph.conv("middle", x, 16, kernel=1)
    graph.output(graph.conv("again", y, 16, kernel=3, padding=1, groups=16, share="dw"))

    assert applied(graph, "pruning", 0.5)[1] == ()


def test_groups_lose_as_many_channels_each():
    """Of 3 and of 5 channels in each of 2 groups 2 and 3 are left, also on the side that feeds them."""
    graph = Graph("groups")
    x = graph.conv("wide", graph.input("data", (1, 3, 8, 8)), 6, kernel=1)
    x = graph.conv("grouped", x, 10, kernel=3, groups=2)
    graph.output(graph.conv("end", x, 5, kernel=1))
    found = channels(applied(graph, "pruning", 0.3)[0])

    assert (found["wide"], found["grouped"]) == (4, 6)


def test_concatenated_channels_go_apart():
    """Each branch loses its own; what reads them sees the sum."""
    found = channels(applied(branches(), "pruning", 0.5)[0])

    assert (found["one"], found["three"], found["join"]) == (2, 2, 4)


def test_concatenated_channels_that_are_added_stay():
    """A sum with a concatenation ties channels of several layers to those of one: all stay."""
    graph = Graph("tied")
    x = graph.conv("wide", graph.input("data", (1, 3, 8, 8)), 8, kernel=1)
    joined = graph.concat("join", graph.conv("a", x, 4, kernel=1), graph.conv("b", x, 4, kernel=1))
    graph.output(graph.conv("end", graph.add("sum", joined, graph.conv("c", x, 8, kernel=1)), 5, kernel=1))
    found = channels(applied(graph, "pruning", 0.5)[0])

    assert {name: found[name] for name in "abc"} == {"a": 4, "b": 4, "c": 8}
    assert found["wide"] == 4


def test_what_is_not_known_to_treat_channels_alike_fixes_them():
    """Before a transposition, a slice or an unknown operation nothing is lost."""
    for stop in (
        lambda g, x: g.transpose("stop", x, (0, 2, 3, 1)),
        lambda g, x: g.slice("stop", x, 1, 0, 3),
        lambda g, x: g.unknown("stop", "Mystery", [x], x.shape),
    ):
        graph = Graph("stop")
        x = graph.conv("conv", graph.input("data", (1, 3, 8, 8)), 8, kernel=1)
        graph.output(stop(graph, x))

        assert applied(graph, "pruning", 0.5)[1] == ()


@pytest.mark.parametrize(
    ("shape", "expected"), [((8, 1, 1), (4, 1, 1)), ((1, 8, 1, 1), (1, 4, 1, 1)), ((1, 1, 1), (1, 1, 1)), ((1,), (1,))]
)
def test_constants_per_channel_shrink(shape, expected):
    """A scale that a file holds as a constant has one value per channel that is left."""
    graph = Graph("scaled")
    x = graph.conv("conv", graph.input("data", (1, 3, 8, 8)), 8, kernel=1)
    constants = 8 if 8 in shape else 1
    (x,) = graph.layer("scale", ChannelWise("mul", constants, shape, constants), x)
    graph.output(graph.conv("end", x, 5, kernel=1))
    made, changes = applied(graph, "pruning", 0.5)
    (op,) = [layer.op for layer in made.layers if layer.name == "scale"]

    assert op.constant_shape == expected
    assert op.constants == op.params == (4 if 8 in shape else 1)
    assert [change.layer for change in changes] == ["conv"]


def test_a_constant_per_position_fixes_its_channels():
    """A constant that varies over the map is not known to be prunable."""
    graph = Graph("positions")
    x = graph.conv("conv", graph.input("data", (1, 3, 8, 8)), 8, kernel=1)
    (x,) = graph.layer("scale", ChannelWise("mul", 8 * 64, (8, 8, 8)), x)
    graph.output(graph.conv("end", x, 5, kernel=1))

    assert applied(graph, "pruning", 0.5)[1] == ()
