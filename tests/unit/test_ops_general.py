"""Operations that importers lower to: shapes, loops, counts and rules by hand, refusals by their message."""

from __future__ import annotations

from math import prod

import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.dense import Embedding, Linear
from costmodel.graph.ops.dynamic import DynamicConv
from costmodel.graph.ops.general import ChannelWise, Contraction, Part, TimeMajorRecurrent, Unshaped, Work
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.ops.streams import HalfBatchNorm, OneBias, Reused, Stream, Svdf
from costmodel.graph.rows import FOLDED, FUSED

COUNTS = "params macs other_ops weight_elems bias_elems ifmap_elems ofmap_elems"


def lone(op, *shapes, parameters=()):
    """A graph of one layer over inputs of these shapes, those listed being parameters; its outputs."""
    graph = Graph("net")
    tensors = [
        graph.parameter(f"w{i}", shape) if i in parameters else graph.input(f"x{i}", shape) for i, shape in enumerate(shapes)
    ]
    return graph, graph.layer("layer", op, *tensors)


def row(graph, columns, index=-1):
    """Numeric columns of a row."""
    table = graph.table()
    return tuple(int(table[column][index, 0]) for column in columns.split())


# ---- streams


@pytest.mark.parametrize(
    ("op", "given", "shapes", "counts"),
    [
        (Stream("reduce_sum", ((2, 1),), 6), [(2, 3)], [(2, 1)], (0, 0, 6, 0, 0, 6, 2)),
        (Stream("tile", ((2, 9),)), [(2, 3)], [(2, 9)], (0, 0, 0, 0, 0, 6, 18)),
        (Stream("top_k", ((2, 1), (2, 1)), 6), [(2, 3)], [(2, 1), (2, 1)], (0, 0, 6, 0, 0, 6, 4)),
        (Stream("where", ((2, 3),), 6), [(2, 3), (2, 3)], [(2, 3)], (0, 0, 6, 0, 0, 12, 6)),
        (Work("layer_norm", ((2, 3),), 42, 6), [(2, 3)], [(2, 3)], (6, 0, 42, 6, 0, 6, 6)),
        (Work("gather", ((1, 3),), 0, 0, 4), [(900, 3)], [(1, 3)], (0, 0, 0, 0, 0, 4, 3)),
        (Work("nothing", ((1, 3),), 0, 0, 0), [(900, 3)], [(1, 3)], (0, 0, 0, 0, 0, 0, 3)),
        (Embedding(50, 8), [(2, 5)], [(2, 5, 8)], (400, 0, 0, 0, 0, 10 + 80, 80)),
        (Embedding(4, 8, shared=True), [(2, 5)], [(2, 5, 8)], (0, 0, 0, 0, 0, 10 + 32, 80)),
    ],
)
def test_streams(op, given, shapes, counts):
    """Inputs are read once, or as far as said; all outputs are written; nothing multiplies."""
    graph, outputs = lone(op, *given)

    assert [tensor.shape for tensor in outputs] == shapes
    assert row(graph, COUNTS) == counts
    assert (graph.table().streamed.tolist(), graph.table().status) == ([True], ("counted",))


@pytest.mark.parametrize(("shape", "fits"), [((3,), True), ((2, 3), True), ((6,), True), ((7,), False), ((2, 4), False)])
def test_parts(shape, fits):
    """A declared shape of no more elements than there are; free."""
    if not fits:
        with pytest.raises(ShapeError, match=r"layer: cannot take .* out of it: x0 gives"):
            lone(Part(0, shape=shape), (2, 3))
        return
    graph, (y,) = lone(Part(0, shape=shape), (2, 3))

    assert (y.shape, graph.table().status, row(graph, "ifmap_elems ofmap_elems")) == (shape, ("free",), (0, 0))


@pytest.mark.parametrize("reason", ["", "nobody knows"])
def test_unshaped(reason):
    """The reason is given, or that the shape is unknown."""
    graph, _ = lone(Unshaped("Magic", ((), ()), reason), (2, 3))

    assert graph.table().status == ("unknown",)
    assert graph.table().notes == (reason or "shape of 'Magic' unknown",)


# ---- constants per channel


@pytest.mark.parametrize(
    ("constant", "given", "shape"),
    [((8, 1, 1), (2, 8, 4, 4), (2, 8, 4, 4)), ((4,), (2, 8, 4, 4), (2, 8, 4, 4)), ((1, 8, 1, 1), (1, 8, 4, 4), (1, 8, 4, 4))],
)
def test_constants_per_channel(constant, given, shape):
    """One operation per element; the constants are read beside the input, and trained if it says so."""
    graph, (y,) = lone(ChannelWise("mul", prod(constant), constant, 3), given)

    assert y.shape == shape
    assert row(graph, COUNTS) == (3, 0, prod(shape), prod(constant), 0, prod(given), prod(shape))


@pytest.mark.parametrize("constant", [(7, 1, 1), (3,), (2, 8, 4, 5)])
def test_constants_that_do_not_fit(constant):
    """The message has the layer and both shapes."""
    with pytest.raises(ShapeError, match=r"layer: a constant \(.*\) does not broadcast: x0 gives \(2, 8, 4, 4\)"):
        lone(ChannelWise("mul", prod(constant), constant), (2, 8, 4, 4))


def test_constants_per_channel_fuse_where_nobody_else_reads():
    """Behind a convolution they are free; with a second reader of its output they are not."""
    statuses = []
    for shared in (False, True):
        graph = Graph("net")
        x = graph.conv("conv", graph.input("x", (1, 8, 4, 4)), 8, kernel=1)
        if shared:
            graph.layer("other", Stream("reduce_sum", ((1, 8),)), x)
        graph.layer("scale", ChannelWise("mul", 8, (8, 1, 1), 8), x)
        statuses.append((graph.table().status[-1], graph.table().notes[-1]))

    assert statuses == [("free", FUSED), ("counted", "")]


# ---- contractions


@pytest.mark.parametrize(
    ("sizes", "left", "right", "shape"),
    [
        ((1, 3, 4, 5), (3, 4), (4, 5), (3, 5)), ((2, 3, 4, 5), (2, 3, 4), (2, 4, 5), (2, 3, 5)),
        ((1, 1, 4, 1), (4,), (4,), ()), ((6, 4, 6, 5), (2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 4, 5)),
        ((1, 3, 1, 5), (3,), (5,), (3, 5)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("parameter", [None, 0, 1])
def test_contractions(sizes, left, right, shape, parameter):
    """The product of all loops; a parameter is the weight operand on either side."""
    batch, rows, depth, columns = sizes
    graph, (y,) = lone(Contraction(*sizes, shape), left, right, parameters=() if parameter is None else (parameter,))
    swapped = parameter == 0
    loops = (batch, columns, depth, rows) if swapped else (batch, rows, depth, columns)
    operands = (prod(right), prod(left)) if swapped else (prod(left), prod(right))

    assert y.shape == shape
    assert row(graph, "g p c k") == loops
    assert row(graph, "macs ifmap_elems weight_elems ofmap_elems") == (prod(sizes), *operands, prod(shape))
    assert bool(graph.table().dynamic_weight[-1]) is (parameter is None)


@pytest.mark.parametrize("count", [1, 3])
def test_contractions_of_two(count):
    """Neither one nor three."""
    with pytest.raises(ShapeError, match=f"layer: needs 2 inputs, got {count}"):
        lone(Contraction(1, 1, 1, 1, (1,)), *[(2, 2)] * count)


# ---- recurrence

GATES = {"lstm": (4, 9), "gru": (3, 10), "rnn": (1, 1)}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("kind", list(GATES))
def test_recurrence_over_time(kind, ways, batch_first, bias):
    """Seven steps of three sequences, five features to four states: both products, biases and cells."""
    time, n, c, h = 7, 3, 5, 4
    gates, cell = GATES[kind]
    op = TimeMajorRecurrent(kind, h, ways, bias=bias, batch_first=batch_first)
    graph, outputs = lone(op, (n, time, c) if batch_first else (time, n, c))
    made, states = time * n * ways * gates * h, time * n * ways * h
    biases = bias * ways * gates * h

    assert [prod(tensor.shape) for tensor in outputs] == [states, ways * n * h, ways * n * h]
    assert row(graph, COUNTS, 0) == (
        ways * gates * h * c + biases, made * c, bias * made, ways * gates * h * c + biases, biases, time * n * c, made,
    )  # fmt: skip
    assert row(graph, COUNTS, 1) == (
        ways * gates * h * h + biases, made * h, bias * made + cell * states, ways * gates * h * h + biases, biases,
        states, made,
    )  # fmt: skip
    assert row(graph, "n g k c p steps", 0) == (n, 1, ways * gates * h, c, time, 1)
    assert row(graph, "n g k c p steps", 1) == (n, ways, gates * h, h, 1, time)


@pytest.mark.parametrize("shape", [(7, 5), (7, 3, 5, 2)])
def test_recurrence_needs_three_axes(shape):
    """Time, batch, features."""
    with pytest.raises(ShapeError, match=r"layer: needs axes \(time, batch, features\)"):
        lone(TimeMajorRecurrent("lstm", 4), shape)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kind", "gates"), [("lstm", 4), ("gru", 3)])
def test_one_bias_per_gate(kind, gates, bias):
    """The second product has none: fewer parameters and sums than with two, the same MACs."""
    ours, _ = lone(OneBias.of(kind, 4, bias=bias), (3, 7, 5))
    theirs, _ = lone(Recurrent.of(kind, 4, bias=bias), (3, 7, 5))
    fewer = bias * gates * 4
    saved = (fewer, 0, bias * 3 * 7 * gates * 4, fewer, fewer, 0, 0)

    assert row(ours, COUNTS, 0) == row(theirs, COUNTS, 0)
    assert row(ours, COUNTS, 1) == tuple(a - b for a, b in zip(row(theirs, COUNTS, 1), saved, strict=True))


# ---- other forms


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("units", "rank", "memory"), [(6, 2, 10), (4, 1, 3)])
def test_rank_decomposed_layers(units, rank, memory, bias):
    """A linear layer to all filters, then each filter's own window, then sums over the rank."""
    graph, (y,) = lone(Svdf(units, rank, memory, bias), (3, 5))
    filters, biases = units * rank, bias * units
    sums = 3 * units * (rank - 1) + 3 * biases

    assert (y.shape, graph.table().names) == ((3, units), ("layer/feature", "layer/time"))
    assert row(graph, COUNTS, 0) == (filters * 5, 3 * filters * 5, 0, filters * 5, 0, 15, 3 * filters)
    weights = filters * memory + biases
    assert row(graph, COUNTS, 1) == (weights, 3 * filters * memory, sums, weights, biases, 3 * filters * memory, 3 * filters)


def test_reused_layers_count_no_parameters_again():
    """The same row with other parameters; of two rows, the second has none."""
    plain, _ = lone(Linear.of(4), (2, 5))
    reused, (y,) = lone(Reused(Linear.of(4), 4), (2, 5))
    twice, _ = lone(Reused(Recurrent.of("gru", 4)), (3, 7, 5))

    assert y.shape == (2, 4)
    assert (row(plain, COUNTS)[0], row(reused, COUNTS)[0]) == (24, 4)
    assert row(plain, COUNTS)[1:] == row(reused, COUNTS)[1:]
    assert twice.table().params[:, 0].tolist() == [0, 0]


def test_half_batch_norms_fold_like_whole_ones():
    """One parameter per channel instead of two, also where it is reused."""
    graph = Graph("net")
    x = graph.conv("conv", graph.input("x", (1, 3, 4, 4)), 8, kernel=1, bias=False)
    (x,) = graph.layer("half", HalfBatchNorm(None, True), x)
    (x,) = graph.layer("none", HalfBatchNorm(None, False), x)
    graph.layer("again", Reused(ChannelWise("mul", 8, (8, 1, 1), 8)), x)
    table = graph.table()

    assert table.params[:, 0].tolist() == [24, 8, 0, 0]
    assert (table.notes[1], table.notes[3]) == (FOLDED, FUSED)


@pytest.mark.parametrize(("groups", "kernel"), [(1, (3, 3)), (2, (1, 1)), (6, (3, 1))])
def test_convolutions_with_computed_weights(groups, kernel):
    """As a convolution, but the weights are an activation: no parameters."""
    arguments = (2, 6, kernel, 1, 1, 1, groups)
    plain, (y,) = lone(Conv.of(*arguments, bias=False), (1, 6, 8, 8))
    dynamic, (z,) = lone(DynamicConv.of(*arguments, bias=False), (1, 6, 8, 8), (6, 6 // groups, *kernel))

    assert y.shape == z.shape
    assert row(plain, COUNTS)[1:] == row(dynamic, COUNTS)[1:]
    assert (row(dynamic, "params"), dynamic.table().dynamic_weight.tolist()) == ((0,), [True])


def test_computed_weights_are_an_input():
    """Without them there is nothing to multiply."""
    with pytest.raises(ShapeError, match=r"layer: needs 2 input\(s\), got 1"):
        lone(DynamicConv.of(2, 6, 3), (1, 6, 8, 8))
