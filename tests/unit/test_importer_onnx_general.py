"""Operations that importers lower to: declared shapes, constants per channel, contractions, recurrence over time."""

from __future__ import annotations

import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph
from costmodel.graph.ops.elementwise import Parameter
from costmodel.graph.ops.general import ChannelWise, Contraction, Part, TimeMajorRecurrent, Unshaped, Work


@pytest.fixture
def g():
    """A graph with one image."""
    graph = Graph("net")
    graph.input("x", (1, 8, 4, 4))
    return graph


def row(graph, *columns):
    """Columns of the last row."""
    table = graph.table()
    return tuple(table[c][-1] if isinstance(table[c], tuple) else int(table[c][-1, 0]) for c in columns)


def test_a_part_is_a_view(g):
    """One index of an axis: free, and not larger than its input."""
    (y,) = g.layer("first", Part(1, shape=(1, 4, 4)), *g.inputs)

    assert y.shape == (1, 4, 4)
    assert row(g, "ops", "status", "notes", "ifmap_elems") == ("slice", "free", "view: no data moves", 0)


def test_a_part_is_no_more_than_the_whole(g):
    """A slice cannot invent elements."""
    with pytest.raises(ShapeError, match=r"first: cannot take \(1, 9, 4, 4\) out of it"):
        g.layer("first", Part(1, shape=(1, 9, 4, 4)), *g.inputs)


def test_work_reads_what_it_touches(g):
    """A gather reads its rows, not the whole table; trained parameters are read besides."""
    g.layer("rows", Work("gather", ((1, 2, 4, 4),), 5, 7, 32), *g.inputs)

    assert row(g, "other_ops", "params", "weight_elems", "ifmap_elems", "ofmap_elems") == (5, 7, 7, 32, 32)


def test_work_writes_all_its_outputs(g):
    """Values and indices."""
    outputs = g.layer("top", Work("top_k", ((1, 3), (1, 3))), *g.inputs)

    assert [tensor.name for tensor in outputs] == ["top", "top:1"]
    assert row(g, "ifmap_elems", "ofmap_elems") == (128, 6)


def test_a_constant_per_channel_is_fused(g):
    """Behind a convolution; its trained elements stay."""
    x = g.conv("conv", g.inputs[0], 4, kernel=1)
    g.layer("scale", ChannelWise("mul", 4, (4, 1, 1), 4), x)

    assert row(g, "status", "params", "weight_elems", "other_ops") == ("free", 4, 0, 64)


def test_a_constant_per_channel_is_read_elsewhere(g):
    """Behind an input there is nothing to fuse it into."""
    g.layer("scale", ChannelWise("mul", 8, (8, 1, 1), 8), *g.inputs)

    assert row(g, "status", "params", "weight_elems", "ifmap_elems") == ("counted", 8, 8, 128)


def test_a_constant_that_does_not_broadcast_is_refused(g):
    """Seven scales for eight channels."""
    with pytest.raises(ShapeError, match="does not broadcast"):
        g.layer("scale", ChannelWise("mul", 7, (7, 1, 1), 7), *g.inputs)


def test_unknown_shapes_are_said(g):
    """The row gives the reason."""
    g.layer("magic", Unshaped("Magic", ((),), "nobody knows"), *g.inputs)

    assert row(g, "status", "notes", "ofmap_elems") == ("unknown", "nobody knows", 1)


def test_contractions_count_their_loops(g):
    """Batch times rows times depth times columns."""
    a, b = g.input("a", (2, 3, 5)), g.input("b", (2, 7, 5))
    g.layer("scores", Contraction(2, 3, 5, 7, (2, 3, 7)), a, b)

    assert row(g, "macs", "g", "p", "c", "k", "weight_elems") == (210, 2, 3, 5, 7, 70)
    assert g.table().dynamic_weight.tolist() == [True]


def test_contractions_with_a_parameter_have_a_static_weight(g):
    """On either side; rows and columns change places."""
    a, b = g.input("a", (3, 5)), g.parameter("w", (7, 5))
    g.layer("left", Contraction(1, 7, 5, 3, (7, 3)), b, a)

    assert row(g, "macs", "p", "k", "weight_elems", "ifmap_elems") == (105, 3, 7, 35, 15)
    assert not g.table().dynamic_weight[-1]


def test_contractions_need_two_operands(g):
    """Not one."""
    with pytest.raises(ShapeError, match="needs 2 inputs, got 1"):
        g.layer("scores", Contraction(1, 1, 1, 1, (1,)), *g.inputs)


def test_recurrence_over_time_equals_that_over_the_batch():
    """The same rows as the LSTM that people write, whose batch comes first."""
    ours, theirs = Graph("ours"), Graph("theirs")
    ours.layer("lstm", TimeMajorRecurrent("lstm", 6), ours.input("x", (10, 2, 4)))
    theirs.lstm("lstm", theirs.input("x", (2, 10, 4)), 6)
    tables = [ours.table(), theirs.table()]

    for column in ("macs", "params", "other_ops", "weight_elems", "ifmap_elems", "ofmap_elems", "steps", "n", "k", "c", "p"):
        assert tables[0][column].tolist() == tables[1][column].tolist(), column
    assert tables[0].names == tables[1].names == ("lstm/input", "lstm/recurrent")


def test_recurrence_has_the_outputs_of_onnx():
    """All states, the last ones, and the cells; with the batch first as well."""
    g = Graph("net")
    x = g.input("x", (2, 10, 4))
    shapes = [tensor.shape for tensor in g.layer("gru", TimeMajorRecurrent("gru", 6, 2, batch_first=True), x)]

    assert shapes == [(2, 10, 2, 6), (2, 2, 6), (2, 2, 6)]


def test_shared_recurrence_has_no_parameters():
    """They were counted elsewhere; they are still read."""
    g = Graph("net")
    g.layer("rnn", TimeMajorRecurrent("rnn", 6, shared=True), g.input("x", (10, 1, 4)))

    assert g.table().total("params")[0] == 0
    assert g.table().total("weight_elems")[0] == 6 * 4 + 6 * 6 + 12


def test_parameters_made_of_others(g):
    """A tensor computed from trained ones holds as many parameters as those."""
    g.layer("table", Parameter((49, 49), 169))

    assert row(g, "params", "status") == (169, "free")
