"""Every operation with MACs: shapes, MACs, parameters and loop dimensions worked out by hand."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from costmodel.errors import NetworkError
from costmodel.importers.onnx import onnx_graph, onnx_network
from tests.unit.onnx_files import encoded, model, node, tensor, value, weight

TOKENS = value("x", 2, 10, 16)
MS = "com.microsoft"


@pytest.fixture
def graph(tmp_path):
    """Write a model and import it."""

    def read(*arguments, **more):
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(*arguments, **more)))
        return onnx_graph(path)

    return read


@pytest.fixture
def network(tmp_path):
    """Write a model and import it with its widths."""

    def read(*arguments, **more):
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(*arguments, **more)))
        return onnx_network(path)

    return read


def total(graph, column):
    """Sum of a column."""
    return int(graph.table().total(column)[0])


def row(graph, columns, index=0):
    """Columns of a row."""
    table = graph.table()
    return tuple(int(table[column][index, 0]) for column in columns.split())


def ops(graph):
    """Operations of all rows."""
    return list(graph.table().ops)


# ---- convolution

CONVOLUTIONS = [
    # attributes, weight, input, output, MACs per output (channels of a group times taps)
    ({}, (4, 6, 3), (2, 6, 10), (2, 4, 8), 6 * 3),
    ({"pads": [1, 1]}, (4, 6, 3), (2, 6, 10), (2, 4, 10), 6 * 3),
    ({"pads": [2, 0]}, (4, 6, 3), (2, 6, 10), (2, 4, 10), 6 * 3),
    ({"strides": [3]}, (4, 6, 3), (2, 6, 10), (2, 4, 3), 6 * 3),
    ({"dilations": [4]}, (4, 6, 3), (2, 6, 10), (2, 4, 2), 6 * 3),
    ({"group": 2}, (4, 3, 3), (2, 6, 10), (2, 4, 8), 3 * 3),
    ({"group": 6}, (12, 1, 3), (2, 6, 10), (2, 12, 8), 3),
    ({"auto_pad": "SAME_UPPER", "strides": [4]}, (4, 6, 3), (2, 6, 10), (2, 4, 3), 6 * 3),
    ({"auto_pad": "SAME_LOWER", "strides": [4]}, (4, 6, 3), (2, 6, 10), (2, 4, 3), 6 * 3),
    ({"auto_pad": "VALID", "strides": [4]}, (4, 6, 3), (2, 6, 10), (2, 4, 2), 6 * 3),
    ({}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 5, 8), 3 * 6),
    ({"kernel_shape": [3, 2]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 5, 8), 3 * 6),
    ({"pads": [1, 0, 1, 1]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 7, 9), 3 * 6),
    ({"strides": [2, 3]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 3, 3), 3 * 6),
    ({"dilations": [2, 3]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 3, 6), 3 * 6),
    ({"dilations": [2, 3], "strides": [2, 2], "pads": [2, 1, 2, 2]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 4, 5), 3 * 6),
    ({"group": 3}, (6, 1, 3, 3), (1, 3, 7, 9), (1, 6, 5, 7), 9),
    ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 4, 5), 3 * 6),
    ({"auto_pad": "SAME_LOWER", "dilations": [2, 2]}, (5, 3, 3, 2), (1, 3, 7, 9), (1, 5, 7, 9), 3 * 6),
    ({"auto_pad": "NOTSET", "pads": [1, 1, 1, 1]}, (5, 3, 3, 3), (1, 3, 7, 9), (1, 5, 7, 9), 3 * 9),
    ({}, (3, 2, 2, 3, 3), (1, 2, 4, 6, 6), (1, 3, 3, 4, 4), 2 * 18),
    ({"group": 2, "pads": [0, 1, 1, 1, 1, 1]}, (4, 1, 2, 3, 3), (1, 2, 4, 6, 6), (1, 4, 4, 6, 6), 18),
    ({"strides": [2, 2, 3]}, (3, 2, 2, 3, 3), (1, 2, 4, 6, 6), (1, 3, 2, 2, 2), 2 * 18),
    ({"auto_pad": "SAME_UPPER", "strides": [3, 2, 1]}, (3, 2, 2, 3, 3), (1, 2, 4, 6, 6), (1, 3, 2, 3, 6), 2 * 18),
]


@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(("attributes", "taps", "given", "shape", "each"), CONVOLUTIONS)
def test_convolutions(graph, attributes, taps, given, shape, each, bias):
    """One to three axes, each way to pad: outputs times channels times taps."""
    constants = [weight("w", *taps), weight("b", taps[0])]
    g = graph([node("Conv", "x w b" if bias else "x w", "y", **attributes)], [value("x", *given)], constants)

    assert shape == g.outputs[0].shape
    assert (prod(shape) * each, prod(taps) + bias * taps[0]) == (total(g, "macs"), total(g, "params"))
    assert bias * prod(shape) == total(g, "other_ops")


LOOPS = "n g k c p q r s stride_h stride_w dilation_h dilation_w pad_top pad_left ifmap_h ifmap_w"
CONVOLUTION_LOOPS = [
    ({"pads": [2, 0], "strides": [2]}, (4, 6, 3), (2, 6, 10), (2, 1, 4, 6, 1, 5, 1, 3, 1, 2, 1, 1, 0, 2, 1, 10)),
    ({"group": 2}, (4, 3, 3), (2, 6, 10), (2, 2, 2, 3, 1, 8, 1, 3, 1, 1, 1, 1, 0, 0, 1, 10)),
    (
        {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 2, 1, 2]}, (5, 3, 3, 2), (1, 3, 7, 9),
        (1, 1, 5, 3, 4, 11, 3, 2, 2, 1, 1, 2, 1, 2, 7, 9),
    ),
    # an even total is shared, an odd element goes behind or in front: 7 -> 4 needs 2, 8 -> 4 needs 1
    ({"auto_pad": "SAME_UPPER", "strides": [2] * 2}, (5, 3, 3, 3), (1, 3, 7, 8),
     (1, 1, 5, 3, 4, 4, 3, 3, 2, 2, 1, 1, 1, 0, 7, 8)),
    ({"auto_pad": "SAME_LOWER", "strides": [2] * 2}, (5, 3, 3, 3), (1, 3, 7, 8),
     (1, 1, 5, 3, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 7, 8)),
    # three axes: the depth of the kernel multiplies the channels, that of the output the batch
    ({}, (3, 2, 2, 3, 3), (1, 2, 4, 6, 6), (3, 1, 3, 4, 4, 4, 3, 3, 1, 1, 1, 1, 0, 0, 6, 6)),
]  # fmt: skip


@pytest.mark.parametrize(("attributes", "taps", "given", "loops"), CONVOLUTION_LOOPS)
def test_loops_of_convolutions(graph, attributes, taps, given, loops):
    """The nest that a mapping sees."""
    g = graph([node("Conv", "x w", "y", **attributes)], [value("x", *given)], [weight("w", *taps)])

    assert loops == row(g, LOOPS)


@pytest.mark.parametrize(
    ("attributes", "taps", "given", "reads"),
    [
        ({"strides": [2, 2]}, (4, 3, 1, 1), (1, 3, 8, 8), 3 * 4 * 4),
        ({"strides": [3, 3]}, (4, 3, 2, 2), (1, 3, 8, 8), 3 * 6 * 6),
        ({}, (4, 3, 3, 3), (1, 3, 8, 8), 3 * 8 * 8),
        ({"dilations": [7, 7]}, (4, 3, 2, 2), (1, 3, 8, 8), 3 * 2 * 2),
        ({"pads": [1, 1, 1, 1], "strides": [4, 4]}, (4, 3, 1, 1), (1, 3, 8, 8), 3 * 2 * 2),
    ],
)
def test_convolutions_read_what_windows_touch(graph, attributes, taps, given, reads):
    """Elements that stride or dilation leave out are not read, padding neither."""
    g = graph([node("Conv", "x w", "y", **attributes)], [value("x", *given)], [weight("w", *taps)])

    assert (reads,) == row(g, "ifmap_elems")


def test_convolutions_with_computed_weights(graph):
    """A weight that the network computes is a dynamic operand without parameters, not a constant."""
    nodes = [node("Relu", "k", "w"), node("Conv", "x w", "y", pads=[1, 1, 1, 1])]
    g = graph(nodes, [value("x", 1, 3, 8, 8), value("k", 4, 3, 3, 3)])
    table = g.table()

    assert (table.ops, table.dynamic_weight.tolist()) == (("relu", "conv"), [False, True])
    assert row(g, "macs params weight_elems", 1) == (4 * 64 * 27, 0, 108)
    assert [tensor.name for tensor in g.layers[1].inputs] == ["x", "w"]


# ---- transposed convolution

TRANSPOSED = [
    # attributes; weight as channels, outputs of a group, taps; input; output
    ({}, (6, 4, 3), (2, 6, 10), (2, 4, 12)),
    ({"strides": [2]}, (6, 4, 3), (2, 6, 10), (2, 4, 21)),
    ({"strides": [2], "output_padding": [1]}, (6, 4, 3), (2, 6, 10), (2, 4, 22)),
    ({"strides": [2], "pads": [1, 0]}, (6, 4, 3), (2, 6, 10), (2, 4, 20)),
    ({"dilations": [3]}, (6, 4, 3), (2, 6, 10), (2, 4, 16)),
    ({"group": 2}, (6, 4, 3), (2, 6, 10), (2, 8, 12)),
    ({"strides": [2, 2]}, (3, 5, 2, 2), (1, 3, 7, 9), (1, 5, 14, 18)),
    ({"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, (3, 5, 3, 3), (1, 3, 7, 9), (1, 5, 14, 18)),
    ({"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]}, (3, 5, 3, 3), (1, 3, 7, 9), (1, 5, 14, 17)),
    ({"strides": [2, 3], "output_shape": [14, 27]}, (3, 5, 3, 3), (1, 3, 7, 9), (1, 5, 14, 27)),
    ({"strides": [2, 2], "output_shape": [1, 5, 13, 16]}, (3, 5, 2, 2), (1, 3, 7, 9), (1, 5, 13, 16)),
    ({"strides": [2, 2], "output_shape": [15, 19]}, (3, 5, 2, 2), (1, 3, 7, 9), (1, 5, 15, 19)),
    ({"strides": [2, 2], "auto_pad": "SAME_UPPER"}, (3, 5, 3, 3), (1, 3, 7, 9), (1, 5, 14, 18)),
    ({"strides": [2, 2], "auto_pad": "SAME_LOWER"}, (3, 5, 3, 3), (1, 3, 7, 9), (1, 5, 14, 18)),
    ({"strides": [3, 1], "auto_pad": "SAME_LOWER"}, (3, 5, 5, 4), (1, 3, 7, 9), (1, 5, 21, 9)),
    ({"strides": [2, 2], "auto_pad": "VALID"}, (3, 5, 3, 3), (1, 3, 7, 9), (1, 5, 15, 19)),
    ({"strides": [2, 2, 2]}, (2, 3, 2, 2, 2), (1, 2, 4, 6, 6), (1, 3, 8, 12, 12)),
    ({"strides": [2, 1, 1], "group": 2}, (2, 3, 2, 3, 3), (1, 2, 4, 6, 6), (1, 6, 8, 8, 8)),
]


@pytest.mark.parametrize("bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(("attributes", "taps", "given", "shape"), TRANSPOSED)
def test_transposed_convolutions(graph, attributes, taps, given, shape, bias):
    """Every input element meets each weight of its channel once, whatever is cropped."""
    constants = [weight("w", *taps), weight("b", shape[1])]
    g = graph([node("ConvTranspose", "x w b" if bias else "x w", "y", **attributes)], [value("x", *given)], constants)

    assert shape == g.outputs[0].shape
    assert (prod(given) * prod(taps[1:]), prod(taps) + bias * shape[1]) == (total(g, "macs"), total(g, "params"))


def test_loops_of_a_transposed_convolution(graph):
    """Sub-pixels: a stride of two makes four times the channels of half the outputs and taps."""
    nodes = [node("ConvTranspose", "x w", "y", strides=[2, 2])]
    g = graph(nodes, [value("x", 1, 3, 7, 9)], [weight("w", 3, 5, 4, 4)])

    assert row(g, "n g k c p q r s macs") == (1, 1, 20, 3, 8, 10, 2, 2, 3 * 63 * 5 * 16)


# ---- matrices

GEMMS = [
    # inputs, attributes, input, constants, output, MACs, parameters, operations
    ("x w", {}, (3, 4), {"w": (4, 5)}, (3, 5), 60, 20, ["linear"]),
    ("x w", {"transB": 1}, (3, 4), {"w": (5, 4)}, (3, 5), 60, 20, ["linear"]),
    ("x w b", {"transB": 1}, (3, 4), {"w": (5, 4), "b": (5,)}, (3, 5), 60, 25, ["linear"]),
    ("x w b", {"transB": 1}, (3, 4), {"w": (5, 4), "b": (1, 5)}, (3, 5), 60, 25, ["linear"]),
    ("x w b", {"alpha": 0.5, "beta": 2.0}, (3, 4), {"w": (4, 5), "b": (5,)}, (3, 5), 60, 25, ["linear"]),
    ("x w b", {}, (3, 4), {"w": (4, 5), "b": (3, 5)}, (3, 5), 60, 35, ["linear", "parameter", "add"]),
    ("x w b", {}, (3, 4), {"w": (4, 5), "b": ()}, (3, 5), 60, 20, ["linear"]),
    ("x w", {"transA": 1}, (4, 3), {"w": (4, 5)}, (3, 5), 60, 20, ["parameter", "matmul"]),
    ("x w", {"transA": 1, "transB": 1}, (4, 3), {"w": (5, 4)}, (3, 5), 60, 20, ["parameter", "matmul"]),
    ("w x", {}, (4, 5), {"w": (3, 4)}, (3, 5), 60, 12, ["parameter", "matmul"]),
    ("w x", {"transA": 1, "transB": 1}, (5, 4), {"w": (4, 3)}, (3, 5), 60, 12, ["parameter", "matmul"]),
    ("x x", {"transB": 1}, (3, 4), {}, (3, 3), 36, 0, ["matmul"]),
    ("x x", {"transA": 1}, (3, 4), {}, (4, 4), 48, 0, ["matmul"]),
    ("x w x", {}, (3, 4), {"w": (4, 4)}, (3, 4), 48, 16, ["linear", "add"]),
]


@pytest.mark.parametrize(("inputs", "attributes", "given", "constants", "shape", "macs", "params", "made"), GEMMS)
def test_gemm(graph, inputs, attributes, given, constants, shape, macs, params, made):
    """Either side constant, either side transposed, any sum."""
    weights = [weight(name, *sizes) for name, sizes in constants.items()]
    g = graph([node("Gemm", inputs, "y", **attributes)], [value("x", *given)], weights)

    assert (shape, made) == (g.outputs[0].shape, ops(g))
    assert (macs, params) == (total(g, "macs"), total(g, "params"))


MATMULS = [
    # left, right, which one is constant, output, MACs, loops over g and p and c and k
    ((3, 4), (4, 5), "b", (3, 5), 60, None),
    ((2, 3, 4), (4, 5), "b", (2, 3, 5), 120, None),
    ((2, 6, 3, 4), (4, 5), "b", (2, 6, 3, 5), 720, None),
    ((3, 4), (4, 5), "", (3, 5), 60, (1, 3, 4, 5)),
    ((2, 3, 4), (2, 4, 5), "", (2, 3, 5), 120, (2, 3, 4, 5)),
    ((2, 3, 4), (1, 4, 5), "", (2, 3, 5), 120, (2, 3, 4, 5)),
    ((2, 3, 4), (4, 5), "", (2, 3, 5), 120, (2, 3, 4, 5)),
    ((3, 4), (2, 4, 5), "", (2, 3, 5), 120, (2, 3, 4, 5)),
    ((2, 6, 3, 4), (2, 6, 4, 5), "", (2, 6, 3, 5), 720, (12, 3, 4, 5)),
    ((2, 1, 3, 4), (6, 4, 5), "", (2, 6, 3, 5), 720, (12, 3, 4, 5)),
    ((2, 3, 4), (2, 4, 5), "b", (2, 3, 5), 120, (2, 3, 4, 5)),
    ((2, 3, 4), (2, 4, 5), "a", (2, 3, 5), 120, (2, 5, 4, 3)),
    ((3, 4), (2, 4, 5), "a", (2, 3, 5), 120, None),
    ((4,), (4,), "", (), 4, (1, 1, 4, 1)),
    ((4,), (4,), "b", (), 4, (1, 1, 4, 1)),
    ((3, 4), (4,), "", (3,), 12, (1, 3, 4, 1)),
    ((2, 3, 4), (4,), "b", (2, 3), 24, (1, 6, 4, 1)),
    ((4,), (4, 5), "", (5,), 20, (1, 1, 4, 5)),
    ((4,), (2, 4, 5), "", (2, 5), 40, (2, 1, 4, 5)),
    ((4,), (4, 5), "a", (5,), 20, (1, 5, 4, 1)),
]


@pytest.mark.parametrize(("left", "right", "constant", "shape", "macs", "loops"), MATMULS)
def test_matmul(graph, left, right, constant, shape, macs, loops):
    """Ranks one to four as NumPy multiplies them; parameters are the elements of the constant side."""
    sides = {"a": left, "b": right}
    given = [value(name, *sizes) for name, sizes in sides.items() if name != constant]
    g = graph([node("MatMul", "a b", "y")], given, [weight(constant, *sides[constant])] if constant else [])

    assert shape == g.outputs[0].shape == np.matmul(np.ones(left), np.ones(right)).shape
    assert (macs, prod(sides.get(constant, (0,)))) == (total(g, "macs"), total(g, "params"))
    assert loops in (None, row(g, "g p c k", -1))
    assert bool(g.table().dynamic_weight[-1]) is (not constant)


def test_loops_of_a_linear_layer(graph):
    """The batch is n, what lies between it and the features is p."""
    g = graph([node("MatMul", "x w", "y")], [value("x", 2, 6, 3, 4)], [weight("w", 4, 5)])

    assert row(g, "n k c p macs weight_elems ifmap_elems ofmap_elems") == (2, 5, 4, 18, 720, 20, 144, 180)


@pytest.mark.parametrize(
    ("left", "right", "attributes", "shape", "macs"),
    [
        ((2, 3, 4), (2, 4, 5), {}, (2, 3, 5), 120),
        ((2, 4, 3), (2, 4, 5), {"transA": 1}, (2, 3, 5), 120),
        ((2, 3, 4), (2, 5, 4), {"transB": 1, "alpha": 0.125}, (2, 3, 5), 120),
        ((4, 3), (2, 5, 4), {"transA": 1, "transB": 1}, (2, 3, 5), 120),
        ((4,), (4, 5), {}, (5,), 20),
    ],
)
def test_fused_matmul(graph, left, right, attributes, shape, macs):
    """Scores of attention as the runtime's optimiser writes them."""
    g = graph([node("FusedMatMul", "a b", "y", domain=MS, **attributes)], [value("a", *left), value("b", *right)])

    assert (shape, macs) == (g.outputs[0].shape, total(g, "macs"))


# ---- einsum

EINSUMS = [
    # equation, left, right, output, loops over g and p and c and k
    ("ij,jk->ik", (3, 4), (4, 5), (3, 5), (1, 3, 4, 5)),
    ("ij,jk", (3, 4), (4, 5), (3, 5), (1, 3, 4, 5)),
    ("ij,jk->ki", (3, 4), (4, 5), (5, 3), (1, 3, 4, 5)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5), (2, 3, 5), (2, 3, 4, 5)),
    ("bhid,bhjd->bhij", (2, 3, 4, 6), (2, 3, 5, 6), (2, 3, 4, 5), (6, 4, 6, 5)),
    ("bhij,bhjd->bihd", (2, 3, 4, 5), (2, 3, 5, 6), (2, 4, 3, 6), (6, 4, 5, 6)),
    ("btc, chd -> bthd", (2, 7, 4), (4, 3, 5), (2, 7, 3, 5), (1, 14, 4, 15)),
    ("i,j->ij", (3,), (5,), (3, 5), (1, 3, 1, 5)),
    ("i,i->", (4,), (4,), (), (1, 1, 4, 1)),
    ("bi,bi->b", (2, 4), (2, 4), (2,), (2, 1, 4, 1)),
    ("ij,ij->ij", (3, 4), (3, 4), (3, 4), (12, 1, 1, 1)),
    ("ija,jk->ik", (3, 4, 7), (4, 5), (3, 5), (1, 3, 4, 5)),
    ("ij,jka->ik", (3, 4), (4, 5, 7), (3, 5), (1, 3, 4, 5)),
    ("BiJ,BJk->Bik", (2, 3, 4), (2, 4, 5), (2, 3, 5), (2, 3, 4, 5)),
]


@pytest.mark.parametrize(("equation", "left", "right", "shape", "loops"), EINSUMS)
def test_einsum(graph, equation, left, right, shape, loops):
    """Batch, rows, depth, columns; the shape is NumPy's, and an axis summed in one operand adds no products."""
    g = graph([node("Einsum", "a b", "y", equation=equation)], [value("a", *left), value("b", *right)])

    assert shape == g.outputs[0].shape == np.einsum(equation, np.ones(left), np.ones(right)).shape
    assert (*loops, prod(loops)) == row(g, "g p c k macs")


@pytest.mark.parametrize(
    ("equation", "left", "right", "loops"),
    [
        ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5), (2, 3, 4, 5)),
        ("...ij,jk->...ik", (2, 3, 4), (4, 5), (1, 6, 4, 5)),
        ("b...d,bd", (2, 7, 4), (2, 4), (1, 7, 8, 1)),
        ("i...,i...->i...", (3, 4), (3, 4), (12, 1, 1, 1)),
    ],
)
def test_einsum_with_dots(graph, equation, left, right, loops):
    """Dots stand for the axes that have no letter; they come first where the result is not written."""
    g = graph([node("Einsum", "a b", "y", equation=equation)], [value("a", *left), value("b", *right)])

    assert g.outputs[0].shape == np.einsum(equation, np.ones(left), np.ones(right)).shape
    assert (*loops, prod(loops)) == row(g, "g p c k macs")


@pytest.mark.parametrize(("equation", "sums"), [("ij->ji", 0), ("ij->i", 12), ("ij->", 15), ("...j->...", 12), ("ji", 0)])
def test_einsum_of_one_operand(graph, equation, sums):
    """A copy in another order, with one sum for each element that is gone."""
    g = graph([node("Einsum", "x", "y", equation=equation)], [value("x", 4, 4)])

    assert g.outputs[0].shape == np.einsum(equation, np.ones((4, 4))).shape
    assert (0, sums) == row(g, "macs other_ops")


def test_other_einsums_are_listed(graph):
    """Three operands: unknown, with the equation."""
    table = graph([node("Einsum", "x x x", "y", equation="ij,jk,kl->il")], [value("x", 4, 4)]).table()

    assert table.status == ("unknown",)
    assert table.notes == ("'Einsum' 'ij,jk,kl->il': only one or two operands are modelled",)


# ---- quantised products

SCALES = [weight("s"), weight("z", kind=3), weight("s4", 4), weight("z4", 4, kind=3)]
QUANTISED = [
    # node, weights, input, output, MACs, parameters
    (
        node("QLinearConv", "x s z w s4 z4 s z b", "y", pads=[1, 1, 1, 1]),
        [weight("w", 4, 3, 3, 3, kind=3), weight("b", 4, kind=6)], (1, 3, 8, 8), (1, 4, 8, 8), 4 * 64 * 27, 112,
    ),
    (
        node("QLinearConv", "x s z w s z s z", "y", group=3),
        [weight("w", 3, 1, 3, 3, kind=3)], (1, 3, 8, 8), (1, 3, 6, 6), 3 * 36 * 9, 27,
    ),
    (node("ConvInteger", "x w z z", "y"), [weight("w", 4, 3, 1, 1, kind=3)], (1, 3, 8, 8), (1, 4, 8, 8), 4 * 64 * 3, 12),
    (node("MatMulInteger", "x w z z", "y"), [weight("w", 6, 4, kind=3)], (2, 5, 6), (2, 5, 4), 240, 24),
    (node("QLinearMatMul", "x s z w s4 z4 s z", "y"), [weight("w", 6, 4, kind=3)], (2, 5, 6), (2, 5, 4), 240, 24),
    (node("QLinearMatMul", "x s z x s z s z", "y"), [], (2, 4, 4), (2, 4, 4), 128, 0),
    (
        node("QGemm", "x s z w s z b s z", "y", transB=1, domain=MS),
        [weight("w", 4, 6, kind=3), weight("b", 4, kind=6)], (5, 6), (5, 4), 120, 28,
    ),
    (
        node("DynamicQuantizeMatMul", "x w s z b", "y", domain=MS),
        [weight("w", 6, 4, kind=3), weight("b", 4)], (2, 5, 6), (2, 5, 4), 240, 28,
    ),
    (
        node("MatMulIntegerToFloat", "x w s s z z b", "y", domain=MS),
        [weight("w", 6, 4, kind=3), weight("b", 4)], (2, 5, 6), (2, 5, 4), 240, 28,
    ),
    (
        node("MatMulNBits", "x w s", "y", K=32, N=4, bits=4, block_size=32, domain=MS),
        [weight("w", 4, 1, 16, kind=2)], (2, 5, 32), (2, 5, 4), 1280, 128,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "weights", "given", "shape", "macs", "params"), QUANTISED, ids=[case[0]["op_type"] for case in QUANTISED]
)
def test_quantised_products(graph, made, weights, given, shape, macs, params):
    """As the float operation; scales and zero points are neither operands nor parameters."""
    g = graph([made], [value("x", *given, kind=3)], [*SCALES, *weights])

    assert shape == g.outputs[0].shape
    assert (macs, params) == (total(g, "macs"), total(g, "params"))
    assert len(g.layers) == 1


@pytest.mark.parametrize(
    ("made", "widths"),
    [
        (node("ConvInteger", "x w", "y"), (8, 8, 32)),
        (node("QLinearConv", "x s z w s z s z", "y"), (8, 8, 8)),
        (node("Conv", "x f", "y"), (16, 8, 8)),
    ],
    ids=lambda item: item.get("op_type") if isinstance(item, dict) else None,
)
def test_widths_of_products(network, made, widths):
    """Integers accumulate in 32 bits unless the operation requantises."""
    constants = [*SCALES, weight("w", 4, 3, 1, 1, kind=3), weight("f", 4, 3, 1, 1, kind=10)]
    bits = network([made], [value("x", 1, 3, 8, 8, kind=3)], constants).widths["y"]

    assert widths == (bits.weight_bits, bits.ifmap_bits, bits.ofmap_bits)


# ---- recurrence

RECURRENT = [
    # operation, gates, ways, layout, bias
    ("LSTM", 4, 1, 0, True), ("LSTM", 4, 2, 0, True), ("LSTM", 4, 1, 0, False), ("LSTM", 4, 2, 1, True),
    ("GRU", 3, 1, 0, True), ("GRU", 3, 2, 0, False), ("GRU", 3, 1, 1, True),
    ("RNN", 1, 1, 0, True), ("RNN", 1, 2, 1, False),
]  # fmt: skip


@pytest.mark.parametrize(("op", "gates", "ways", "layout", "bias"), RECURRENT)
def test_recurrence(graph, op, gates, ways, layout, bias):
    """Five steps of a batch of two, three features to four states: every gate reads both, in each direction."""
    time, batch, features, hidden = 5, 2, 3, 4
    rows = gates * hidden
    constants = [weight("w", ways, rows, features), weight("r", ways, rows, hidden), weight("b", ways, 2 * rows)]
    direction = "bidirectional" if ways == 2 else "reverse"
    made = node(op, "x w r b" if bias else "x w r", "y h", hidden_size=hidden, layout=layout, direction=direction)
    g = graph([made], [value("x", *((batch, time, features) if layout else (time, batch, features)))], constants)
    states = (batch, time, ways, hidden) if layout else (time, ways, batch, hidden)

    assert states == g.outputs[0].shape
    assert total(g, "macs") == time * batch * ways * rows * (features + hidden)
    assert total(g, "params") == ways * rows * (features + hidden + 2 * bias)
    assert row(g, "n g k c p steps") == (batch, 1, ways * rows, features, time, 1)
    assert row(g, "n g k c p steps", 1) == (batch, ways, rows, hidden, 1, time)
    assert g.table().names == ("y/input", "y/recurrent")


def test_states_of_a_recurrence(graph):
    """The last state and cell are outputs of their own; peepholes are trained."""
    constants = [weight("w", 1, 16, 3), weight("r", 1, 16, 4), weight("p", 1, 12)]
    nodes = [node("LSTM", "x w r _ _ _ _ p", "y h c", hidden_size=4), node("Add", "h c", "z")]
    g = graph(nodes, [value("x", 5, 2, 3)], constants)

    assert g.outputs[0].shape == (1, 2, 4)
    assert total(g, "params") == 16 * 7 + 12


# ---- attention


def attention_loops(g):
    """(g, p, c, k) of both products."""
    return [row(g, "g p c k", index) for index, op in enumerate(ops(g)) if op == "matmul"]


@pytest.mark.parametrize(
    ("attributes", "query", "key", "val", "shape", "loops"),
    [
        ({}, (2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 6), (2, 3, 5, 6), [(6, 5, 8, 7), (6, 5, 7, 6)]),
        ({}, (2, 6, 5, 8), (2, 2, 7, 8), (2, 2, 7, 8), (2, 6, 5, 8), [(4, 15, 8, 7), (4, 15, 7, 8)]),
        (
            {"q_num_heads": 3, "kv_num_heads": 3}, (2, 5, 24), (2, 7, 24), (2, 7, 18), (2, 5, 18),
            [(6, 5, 8, 7), (6, 5, 7, 6)],
        ),
        (
            {"q_num_heads": 6, "kv_num_heads": 2}, (2, 5, 48), (2, 7, 16), (2, 7, 16), (2, 5, 48),
            [(4, 15, 8, 7), (4, 15, 7, 8)],
        ),
    ],
    ids=["4d", "4d-grouped", "3d", "3d-grouped"],
)  # fmt: skip
def test_attention(graph, attributes, query, key, val, shape, loops):
    """Scores and context per head; queries that share keys are rows of one product."""
    given = [value("q", *query), value("k", *key), value("v", *val)]
    g = graph([node("Attention", "q k v", "y", **attributes)], given, opset=23)

    assert (shape, loops) == (g.outputs[0].shape, attention_loops(g))
    assert ops(g) == ["matmul", "softmax", "matmul"]
    assert total(g, "macs") == sum(map(prod, loops))


def test_attention_of_microsoft(graph):
    """A packed projection, also with unequal widths, or three operands."""
    packed = graph([node("Attention", "x w b", "y", num_heads=4, domain=MS)], [TOKENS], [weight("w", 16, 48), weight("b", 48)])
    unequal = node("Attention", "x w b", "y", num_heads=4, domain=MS, qkv_hidden_sizes=[16, 16, 8])
    unequal_ = graph([unequal], [TOKENS], [weight("w", 16, 40), weight("b", 40)])
    several = graph([node("MultiHeadAttention", "x x x", "y", num_heads=2, domain=MS)], [TOKENS])

    assert [op for op in ops(packed) if op != "slice"] == ["linear", "matmul", "softmax", "matmul"]
    assert total(packed, "macs") == 2 * 10 * 16 * 48 + 2 * 2 * 4 * 10 * 10 * 4
    assert total(packed, "params") == 16 * 48 + 48
    assert attention_loops(unequal_) == [(8, 10, 4, 10), (8, 10, 10, 2)]
    assert unequal_.outputs[0].shape == (2, 10, 8)
    assert attention_loops(several) == [(4, 10, 8, 10), (4, 10, 10, 8)]


@pytest.mark.parametrize(
    ("inputs", "given", "loops"),
    [
        ("q", [value("q", 2, 10, 4, 3, 8)], [(8, 10, 8, 10), (8, 10, 10, 8)]),
        ("q kv", [value("q", 2, 10, 32), value("kv", 2, 6, 4, 2, 8)], [(8, 10, 8, 6), (8, 10, 6, 8)]),
        ("q k v", [value("q", 2, 10, 32), *(value(n, 2, 4, 6, 8) for n in "kv")], [(8, 10, 8, 6), (8, 10, 6, 8)]),
        (
            "q k v _ _ _ pk pv", [*(value(n, 2, 1, 32) for n in "qkv"), *(value(n, 2, 4, 9, 8) for n in ("pk", "pv"))],
            [(8, 1, 8, 10), (8, 1, 10, 8)],
        ),
        (
            "q k v _ _ _ pk pv", [*(value(n, 2, 5, 32) for n in "qkv"), *(value(n, 2, 4, "p", 8) for n in ("pk", "pv"))],
            [(8, 5, 8, 5), (8, 5, 5, 8)],
        ),
    ],
    ids=["packed", "packed-keys", "of-an-encoder", "cache", "empty-cache"],
)  # fmt: skip
def test_operands_of_multi_head_attention(tmp_path, inputs, given, loops):
    """Packed in one or two tensors, ready per head, or behind those of earlier steps; an empty cache is given as 0."""
    path = tmp_path / "net.onnx"
    attending = node("MultiHeadAttention", inputs, "y k2 v2", num_heads=4, domain=MS)
    path.write_bytes(encoded(model([attending], given)))
    shapes = dict.fromkeys(("pk", "pv"), (2, 4, 0, 8)) if '"p"' in repr(given).replace("'", '"') else None
    g = onnx_graph(path, shapes)

    assert attention_loops(g) == loops
    assert "unknown" not in g.table().status


def test_a_bias_of_multi_head_attention_is_trained(graph):
    """One vector for queries, keys and values."""
    g = graph([node("MultiHeadAttention", "x x x b", "y", num_heads=2, domain=MS)], [TOKENS], [weight("b", 48)])

    assert total(g, "params") == 48


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("length", "past"), [(5, 0), (1, 7)])
def test_group_query_attention(graph, packed, length, past):
    """Queries of six heads, keys and values of two, and of the steps before: as language models are exported."""
    widths = {"q": 10 * 8} if packed else {"q": 6 * 8, "k": 2 * 8, "v": 2 * 8}
    operands = [value(name, 2, length, width) for name, width in widths.items()]
    caches = [value(f"past_{name}", 2, 2, past, 8) for name in "kv"] if past else []
    inputs = f"q {'_ _' if packed else 'k v'} {'past_k past_v' if past else '_ _'}"
    attending = node("GroupQueryAttention", inputs, "y k2 v2", num_heads=6, kv_num_heads=2, domain=MS)
    rest = [node("Relu", "y", "z"), node("Relu", "k2", "c")]
    g = graph([attending, *rest], [*operands, *caches], outputs=[value("z"), value("c")])
    span = length + past

    assert attention_loops(g) == [(4, 3 * length, 8, span), (4, 3 * length, span, 8)]
    assert [tensor.shape for tensor in g.outputs] == [(2, length, 48), (2, 2, span, 8)]


@pytest.mark.parametrize(
    ("op", "domain", "inputs", "cache", "shapes"),
    [
        ("Attention", "", "q k v _ pk pv", [value(n, 2, 3, 7, 8) for n in ("pk", "pv")], [(2, 5, 24), (2, 3, 12, 8)]),
        ("Attention", MS, "q w b _ p", [value("p", 2, 2, 3, 7, 8)], [(2, 5, 24), (2, 2, 3, 12, 8)]),
        ("QAttention", MS, "q w b s s _ s s p", [value("p", 2, 2, 3, 7, 8)], [(2, 5, 24), (2, 2, 3, 12, 8)]),
    ],
)
def test_attention_with_a_cache(graph, op, domain, inputs, cache, shapes):
    """What is attended to is what the cache holds and what is new; the new cache is an output."""
    heads = {"num_heads": 3} if domain else {"q_num_heads": 3, "kv_num_heads": 3}
    operands = [value(n, 2, 5, 24) for n in ("q" if domain else "qkv")]
    constants = [weight("w", 24, 72), weight("b", 72), weight("s")]
    nodes = [node(op, inputs, "y present", domain=domain, **heads)]
    g = graph(nodes, [*operands, *cache], constants, outputs=[value("y"), value("present")])

    assert attention_loops(g) == [(6, 5, 8, 12), (6, 5, 12, 8)]
    assert [tensor.shape for tensor in g.outputs] == shapes


@pytest.mark.parametrize(
    ("made", "given"),
    [
        (node("Attention", "q q q", "y", q_num_heads=5, kv_num_heads=5), [value("q", 2, 5, 24)]),
        (node("Attention", "q q q", "y", q_num_heads=3, kv_num_heads=2), [value("q", 2, 5, 24)]),
        (node("Attention", "q q q", "y", q_num_heads=0, kv_num_heads=0), [value("q", 2, 5, 24)]),
        (node("GroupQueryAttention", "q q q", "y", num_heads=3, kv_num_heads=1, domain=MS), [value("q", 2, 5, 24)]),
    ],
)
def test_heads_that_do_not_fit(graph, made, given):
    """Widths are multiples of the heads, and keys as wide as queries."""
    with pytest.raises(NetworkError, match=r"widths 24, 24 and 24 do not fit \d heads of queries and \d of keys"):
        graph([made], given)


def test_rotary_embedding(graph):
    """Two products and a sum per element; the angles are no parameters."""
    made = node("RotaryEmbedding", "x c s", "y")
    g = graph([made], [value("x", 2, 3, 5, 8)], [weight("c", 2, 5, 4), weight("s", 2, 5, 4)], opset=23)

    assert row(g, "other_ops params ofmap_elems") == (3 * 240, 0, 240)


@pytest.mark.parametrize("op", ["Loop", "Scan"])
def test_loops_are_listed(graph, op):
    """With what they repeat."""
    body = {"node": [node("MatMul", "a w", "b"), node("Relu", "b", "c")], "output": [{"name": "c"}]}
    table = graph([node(op, "_ _ x", "y", body=body)], [TOKENS], [weight("w", 16, 16)]).table()

    assert table.status == ("unknown",)
    assert table.notes == (f"{op!r} repeats what is within: MatMul",)


# ---- fused by a runtime


def test_fused_products(graph):
    """Sums and activations that a runtime has fused are rows of their own, free where they would be."""
    constants = [weight("w", 3, 3, 1, 1), weight("b", 3), weight("m", 8, 5), weight("c", 5)]
    conv = graph([node("FusedConv", "x w b x", "y", activation="Relu", domain=MS)], [value("x", 1, 3, 4, 8)], constants)
    gemm = graph([node("FusedGemm", "x m c", "y", activation="Tanh", domain=MS)], [value("x", 2, 8)], constants)

    assert (ops(conv), ops(gemm)) == (["conv", "add", "relu"], ["linear", "tanh"])
    assert [layer.name for layer in conv.layers] == ["y", "y.add", "y.relu"]
    assert (gemm.table().status[1], total(gemm, "params")) == ("free", 45)


# ---- what does not fit

BROKEN = [
    (node("Conv", "x w", "y"), {"w": (4, 5, 3, 3)}, (1, 3, 8, 8), "takes 5 channels, but the input has (1, 3, 8, 8)"),
    (node("Conv", "x w", "y", group=2), {"w": (4, 3, 3, 3)}, (1, 3, 8, 8), "with 2 group(s) takes 6 channels"),
    (node("Conv", "x w", "y"), {"w": (4, 3, 3)}, (1, 3, 8, 8), "channels, but the input has"),
    (node("Conv", "x w", "y", kernel_shape=[5, 5]), {"w": (4, 3, 3, 3)}, (1, 3, 8, 8), "kernel_shape (5, 5) differs"),
    (node("Conv", "x w", "y", strides=[2]), {"w": (4, 3, 3, 3)}, (1, 3, 8, 8), "strides (2,)"),
    (node("Conv", "x w", "y", pads=[1, 1]), {"w": (4, 3, 3, 3)}, (1, 3, 8, 8), "pads (1, 1) do not fit 2 spatial axes"),
    (node("Conv", "x w", "y"), {"w": (4, 3, 9, 9)}, (1, 3, 8, 8), "the window is larger than the padded input"),
    (node("Conv", "x _", "y"), {}, (1, 3, 8, 8), "input 1 is missing"),
    (node("ConvTranspose", "x w", "y"), {"w": (4, 3, 3, 3)}, (1, 3, 8, 8), "takes 4 channels, but the input has"),
    (node("ConvTranspose", "x w", "y", output_padding=[1, 1]), {"w": (3, 4, 3, 3)}, (1, 3, 8, 8), "must be smaller than"),
    (node("Gemm", "x w", "y"), {"w": (5, 4)}, (3, 4), "the inner sizes differ: (3, 4) and (5, 4)"),
    (node("Gemm", "x w", "y"), {"w": (4, 5)}, (2, 3, 4), "needs two matrices, got (2, 3, 4) and (4, 5)"),
    (node("MatMul", "x w", "y"), {"w": (5, 4)}, (3, 4), "the inner sizes differ"),
    (node("MatMul", "x w", "y"), {"w": (5,)}, (3, 4), "the inner sizes differ: (3, 4) and (5,)"),
    (node("MatMul", "x w", "y"), {"w": (2, 5, 4)}, (2, 3, 4), "the last axis of the first input must equal"),
    (node("MatMul", "x w", "y"), {"w": (3, 4, 5)}, (2, 3, 4), "leading axes do not broadcast"),
    (node("FusedMatMul", "x w", "y", transB=1, domain=MS), {"w": (4, 5)}, (3, 4), "the inner sizes differ"),
    (node("MatMulNBits", "x w s", "y", K=8, N=4, domain=MS), {"w": (4, 1, 4), "s": (4,)}, (3, 4), "has K = 8"),
    (node("Einsum", "x w", "y", equation="ij,jk->ik"), {"w": (5, 4)}, (3, 4), "'j' is 4 and 5"),
    (node("Einsum", "x w", "y", equation="ijk,jk->ik"), {"w": (5, 4)}, (3, 4), "do not fit together"),
    (node("LSTM", "x w r", "y"), {"w": (1, 16, 9), "r": (1, 16, 4)}, (5, 2, 3), "weights (1, 16, 9) and (1, 16, 4)"),
    (node("GRU", "x w r", "y"), {"w": (1, 16, 3), "r": (1, 16, 4)}, (5, 2, 3), "do not fit an input of (5, 2, 3)"),
]


@pytest.mark.parametrize(("made", "constants", "given", "text"), BROKEN)
def test_products_that_do_not_fit(graph, tmp_path, made, constants, given, text):
    """The message names the file, the node, the operation and the sizes."""
    with pytest.raises(NetworkError) as raised:
        graph([made | {"name": "bad"}], [value("x", *given)], [weight(name, *sizes) for name, sizes in constants.items()])

    assert str(raised.value).startswith(f"{tmp_path / 'net.onnx'}: node 'bad' ({made['op_type']}): ")
    assert text in str(raised.value)


# ---- parameters


@pytest.mark.parametrize(
    ("nodes", "params"),
    [
        ([node("MatMul", "x w", "a"), node("MatMul", "a w", "y")], 256),
        ([node("MatMul", "x w", "a"), node("Add", "a b", "c"), node("MatMul", "c w", "d"), node("Add", "d b", "y")], 272),
        ([node("Transpose", "w", "t"), node("MatMul", "x w", "a"), node("MatMul", "a t", "y")], 256),
        ([node("MatMul", "x w", "a"), node("MatMul", "x v", "c"), node("Add", "a c", "y")], 512),
        ([node("Concat", "w v", "u", axis=1), node("MatMul", "x u", "y")], 512),
        ([node("Gemm", "f w b", "y")], 272),
    ],
    ids=["tied", "tied-bias", "transposed", "two", "joined", "gemm"],
)
def test_trained_tensors_count_once(graph, nodes, params):
    """However often, and behind whatever, they are read."""
    constants = [weight("w", 16, 16), weight("v", 16, 16), weight("b", 16)]
    g = graph(nodes, [TOKENS, value("f", 2, 16)], constants)

    assert params == total(g, "params")


def test_scalars_are_no_parameters(graph):
    """A scale of one number is a number."""
    constants = [weight("w", 16, 4), tensor("s", np.float32(2))]
    g = graph([node("MatMul", "x w", "a"), node("Mul", "a s", "y")], [TOKENS], constants)

    assert total(g, "params") == 64
