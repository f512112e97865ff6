"""One operation at a time: shapes, MACs, parameters and rules of small ONNX files."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.errors import NetworkError
from costmodel.importers.onnx import importer, onnx_graph, onnx_network
from tests.unit.onnx_files import encoded, ints, model, node, tensor, value, weight

IMAGE = value("x", 1, 16, 8, 8)
TOKENS = value("x", 1, 10, 16)


@pytest.fixture
def graph(tmp_path):
    """Write a model and import it."""

    def read(*arguments, shapes=None, **more):
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(*arguments, **more)))
        return onnx_graph(path, shapes)

    return read


def macs(graph):
    """All MACs."""
    return int(graph.table().total("macs")[0])


def params(graph):
    """All parameters."""
    return int(graph.table().total("params")[0])


def rows(graph):
    """(op, status) of all rows."""
    table = graph.table()
    return list(zip(table.ops, table.status, strict=True))


CASES = [
    # node, constants, input, MACs, parameters, output shape
    (
        node("Conv", "x w b", "y", pads=[1, 1, 1, 1]),
        [weight("w", 32, 16, 3, 3), weight("b", 32)], IMAGE, 294912, 4640, (1, 32, 8, 8),
    ),
    (node("Conv", "x w", "y", group=16), [weight("w", 16, 1, 3, 3)], IMAGE, 5184, 144, (1, 16, 6, 6)),
    (
        node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2]),
        [weight("w", 4, 16, 3, 3)], IMAGE, 9216, 576, (1, 4, 4, 4),
    ),
    (
        node("Conv", "x w", "y", auto_pad="SAME_LOWER", strides=[2, 2]),
        [weight("w", 4, 16, 3, 3)], IMAGE, 9216, 576, (1, 4, 4, 4),
    ),
    (node("Conv", "x w", "y", auto_pad="VALID"), [weight("w", 4, 16, 3, 3)], IMAGE, 20736, 576, (1, 4, 6, 6)),
    (node("Conv", "x w", "y"), [weight("w", 4, 16, 3)], value("x", 1, 16, 8), 1152, 192, (1, 4, 6)),
    (node("ConvTranspose", "x w", "y", strides=[2, 2]), [weight("w", 16, 4, 2, 2)], IMAGE, 16384, 256, (1, 4, 16, 16)),
    (
        node("ConvTranspose", "x w", "y", strides=[2, 2], output_shape=[15, 15]),
        [weight("w", 16, 4, 2, 2)], IMAGE, 16384, 256, (1, 4, 15, 15),
    ),
    (
        node("ConvTranspose", "x w", "y", strides=[2, 2], auto_pad="SAME_UPPER"),
        [weight("w", 16, 4, 3, 3)], IMAGE, 36864, 576, (1, 4, 16, 16),
    ),
    (node("Gemm", "x w b", "y", transB=1), [weight("w", 5, 7), weight("b", 5)], value("x", 2, 7), 70, 40, (2, 5)),
    (node("Gemm", "x w", "y"), [weight("w", 7, 5)], value("x", 2, 7), 70, 35, (2, 5)),
    (node("Gemm", "x w", "y", transA=1), [weight("w", 7, 5)], value("x", 7, 2), 70, 35, (2, 5)),
    (node("MatMul", "x w", "y"), [weight("w", 16, 4)], TOKENS, 640, 64, (1, 10, 4)),
    (node("MatMul", "w x", "y"), [weight("w", 3, 10)], TOKENS, 480, 30, (1, 3, 16)),
    (node("MatMul", "x w", "y"), [weight("w", 1, 16, 4)], TOKENS, 640, 64, (1, 10, 4)),
    (node("MatMul", "x w", "y"), [weight("w", 16)], TOKENS, 160, 16, (1, 10)),
    (node("MatMul", "x x", "y"), [], value("x", 2, 4, 4), 128, 0, (2, 4, 4)),
    (node("Einsum", "x w", "y", equation="btc,ck->btk"), [weight("w", 16, 4)], TOKENS, 640, 64, (1, 10, 4)),
    (node("Einsum", "x x", "y", equation="bic, bjc -> bij"), [], TOKENS, 1600, 0, (1, 10, 10)),
    (node("Einsum", "x w", "y", equation="bic,bjc"), [weight("w", 1, 3, 16)], TOKENS, 480, 48, (10, 3)),
    (node("LSTM", "x w r b", "y", hidden_size=8),
     [weight("w", 1, 32, 16), weight("r", 1, 32, 8), weight("b", 1, 64)], value("x", 10, 2, 16), 15360, 832, (10, 1, 2, 8)),
    (node("GRU", "x w r b", "y", hidden_size=8, direction="bidirectional"),
     [weight("w", 2, 24, 16), weight("r", 2, 24, 8), weight("b", 2, 48)], value("x", 10, 1, 16), 11520, 1248, (10, 2, 1, 8)),
    (node("RNN", "x w r", "y", hidden_size=8, layout=1),
     [weight("w", 1, 8, 16), weight("r", 1, 8, 8)], value("x", 1, 10, 16), 1920, 192, (1, 10, 1, 8)),
    (
        node("Attention", "x k v", "y"),
        [weight("k", 1, 2, 7, 8), weight("v", 1, 2, 7, 6)], value("x", 1, 2, 5, 8), 980, 196, (1, 2, 5, 6),
    ),
    (
        node("MultiHeadAttention", "x x x", "y", num_heads=4, domain="com.microsoft"),
        [], TOKENS, 3200, 0, (1, 10, 16),
    ),
    (
        node("Attention", "x w b", "y", num_heads=4, domain="com.microsoft"),
        [weight("w", 16, 48), weight("b", 48)], TOKENS, 7680 + 3200, 816, (1, 10, 16),
    ),
    (node("FusedMatMul", "x w", "y", transB=1, domain="com.microsoft"), [weight("w", 4, 16)], TOKENS, 640, 64, (1, 10, 4)),
    (
        node("MatMulNBits", "x w s", "y", K=16, N=4, bits=4, domain="com.microsoft"),
        [weight("w", 4, 1, 8, kind=2), weight("s", 4)], TOKENS, 640, 64, (1, 10, 4),
    ),
    (node("ConvInteger", "x w", "y"), [weight("w", 4, 16, 1, 1, kind=3)], IMAGE, 4096, 64, (1, 4, 8, 8)),
    (node("MatMulInteger", "x w", "y"), [weight("w", 16, 4, kind=3)], TOKENS, 640, 64, (1, 10, 4)),
    (
        node("QLinearMatMul", "x s z w s z s z", "y"),
        [weight("w", 16, 4, kind=3), weight("s"), weight("z", kind=3)], TOKENS, 640, 64, (1, 10, 4),
    ),
    (node("QGemm", "x s z w s z b s z", "y", transB=1, domain="com.microsoft"),
     [weight("w", 5, 7, kind=3), weight("b", 5, kind=6), weight("s"), weight("z", kind=3)], value("x", 2, 7), 70, 40, (2, 5)),
    (node("BatchNormalization", "x s b m v", "y"), [weight(name, 16) for name in "sbmv"], IMAGE, 0, 32, (1, 16, 8, 8)),
    (node("LayerNormalization", "x s b", "y"), [weight("s", 16), weight("b", 16)], TOKENS, 0, 32, (1, 10, 16)),
    (node("LayerNormalization", "x s", "y"), [weight("s", 16)], TOKENS, 0, 16, (1, 10, 16)),
    (node("InstanceNormalization", "x s b", "y"), [weight("s", 16), weight("b", 16)], IMAGE, 0, 32, (1, 16, 8, 8)),
    (node("GroupNormalization", "x s b", "y", num_groups=4), [weight("s", 16), weight("b", 16)], IMAGE, 0, 32, (1, 16, 8, 8)),
    (node("PRelu", "x s", "y"), [weight("s", 16, 1, 1)], IMAGE, 0, 16, (1, 16, 8, 8)),
    (node("Gather", "t x", "y"), [weight("t", 100, 16)], value("x", 1, 10, kind=7), 0, 1600, (1, 10, 16)),
    (node("Gather", "x i", "y", axis=1), [tensor("i", np.array(0))], TOKENS, 0, 0, (1, 16)),
    (node("Gather", "x i", "y", axis=1), [ints("i", 0, 3)], TOKENS, 0, 0, (1, 2, 16)),
    (node("Slice", "x a b c", "y"), [ints("a", 1), ints("b", 2**62), ints("c", 1)], TOKENS, 0, 0, (1, 9, 16)),
    (
        node("Slice", "x a b c d", "y"),
        [ints("a", -1), ints("b", -(2**62)), ints("c", 1), ints("d", -2)], TOKENS, 0, 0, (1, 5, 16),
    ),
    (node("Slice", "x", "y", starts=[2], ends=[-2], axes=[1]), [], TOKENS, 0, 0, (1, 6, 16)),
    (node("Transpose", "x", "y", perm=[0, 2, 1]), [], TOKENS, 0, 0, (1, 16, 10)),
    (node("Flatten", "x", "y"), [], IMAGE, 0, 0, (1, 1024)),
    (node("Reshape", "x s", "y"), [ints("s", 0, -1)], IMAGE, 0, 0, (1, 1024)),
    (node("Unsqueeze", "x a", "y"), [ints("a", 0, -1)], TOKENS, 0, 0, (1, 1, 10, 16, 1)),
    (node("Squeeze", "x", "y", axes=[0]), [], TOKENS, 0, 0, (10, 16)),
    (node("Expand", "x s", "y"), [ints("s", 3, 1, 1)], TOKENS, 0, 0, (3, 10, 16)),
    (node("Tile", "x s", "y"), [ints("s", 1, 2, 3)], TOKENS, 0, 0, (1, 20, 48)),
    (node("Pad", "x p", "y"), [ints("p", 0, 0, 1, 1, 0, 0, 2, 2)], IMAGE, 0, 0, (1, 16, 11, 11)),
    (node("Pad", "x", "y", pads=[0, 0, 1, 1, 0, 0, 2, 2]), [], IMAGE, 0, 0, (1, 16, 11, 11)),
    (
        node("Resize", "x _ s", "y", mode="linear"),
        [tensor("s", np.array([1, 1, 2, 2], np.float32))], IMAGE, 0, 0, (1, 16, 16, 16),
    ),
    (node("Resize", "x _ _ s", "y"), [ints("s", 1, 16, 5, 6)], IMAGE, 0, 0, (1, 16, 5, 6)),
    (node("Upsample", "x", "y", scales=[1.0, 1.0, 2.0, 2.0]), [], IMAGE, 0, 0, (1, 16, 16, 16)),
    (node("DepthToSpace", "x", "y", blocksize=2), [], IMAGE, 0, 0, (1, 4, 16, 16)),
    (node("SpaceToDepth", "x", "y", blocksize=2), [], IMAGE, 0, 0, (1, 64, 4, 4)),
    (node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2]), [], IMAGE, 0, 0, (1, 16, 3, 3)),
    (node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), [], IMAGE, 0, 0, (1, 16, 4, 4)),
    (node("AveragePool", "x", "y", kernel_shape=[2, 2], strides=[2, 2]), [], IMAGE, 0, 0, (1, 16, 4, 4)),
    (node("GlobalMaxPool", "x", "y"), [], IMAGE, 0, 0, (1, 16, 1, 1)),
    (node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0), [], IMAGE, 0, 0, (1, 16)),
    (node("ReduceSum", "x a", "y"), [ints("a", -1)], TOKENS, 0, 0, (1, 10, 1)),
    (node("ArgMax", "x", "y", axis=2, keepdims=0), [], TOKENS, 0, 0, (1, 10)),
    (node("TopK", "x k", "y i", axis=1), [ints("k", 3)], TOKENS, 0, 0, (1, 3, 16)),
    (node("Softmax", "x", "y"), [], TOKENS, 0, 0, (1, 10, 16)),
    (node("LRN", "x", "y", size=5), [], IMAGE, 0, 0, (1, 16, 8, 8)),
    (node("Where", "c x z", "y"), [tensor("c", np.ones((10, 1), bool)), weight("z")], TOKENS, 0, 0, (1, 10, 16)),
    (node("OneHot", "x d v", "y"), [ints("d", 7), weight("v", 2)], value("x", 1, 10, kind=7), 0, 0, (1, 10, 7)),
    (node("NonZero", "x", "y"), [], TOKENS, 0, 0, (3, 160)),
    (node("NonMaxSuppression", "x s n", "y"), [weight("s", 1, 3, 10), ints("n", 4)], value("x", 1, 10, 4), 0, 30, (12, 3)),
    (node("GridSample", "x g", "y"), [weight("g", 1, 4, 4, 2)], IMAGE, 0, 32, (1, 16, 4, 4)),
]  # fmt: skip


IDS = [f"{case[0]['op_type']}{i}" for i, case in enumerate(CASES)]


@pytest.mark.parametrize(("made", "constants", "given", "expected", "trained", "shape"), CASES, ids=IDS)
def test_operation(graph, made, constants, given, expected, trained, shape):
    """MACs, parameters and the shape of the output by hand arithmetic."""
    g = graph([made], [given], constants)

    assert (expected, trained) == (macs(g), params(g))
    assert shape == g.outputs[0].shape


# ---- constants in disguise


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Constant", "", "w", value=weight("t", 32, 16, 1, 1))],
        [node("ConstantOfShape", "s", "w")],
        [node("Identity", "v", "w")],
        [node("Transpose", "u", "w", perm=[3, 2, 0, 1])],
        [node("DequantizeLinear", "q a z", "w")],
        [node("QuantizeLinear", "v a z", "q2"), node("DequantizeLinear", "q2 a z", "w")],
        [node("Unsqueeze", "m axes", "w")],
        [node("Cast", "v", "w", to=10)],
    ],
    ids=lambda nodes: nodes[0]["op_type"],
)
def test_weights_behind_other_nodes(graph, nodes):
    """Wherever the weight hides, the layer is an ordinary convolution with its own parameters and nothing else."""
    constants = [
        ints("s", 32, 16, 1, 1), ints("axes", 2, 3), weight("v", 32, 16, 1, 1), weight("u", 1, 1, 16, 32),
        weight("q", 32, 16, 1, 1, kind=3), weight("a"), weight("z", kind=3), weight("m", 32, 16),
    ]  # fmt: skip
    g = graph([*nodes, node("Conv", "x w", "y")], [IMAGE], constants)

    assert rows(g) == [("conv", "counted")]
    assert (macs(g), params(g)) == (32768, 512)


def test_shared_weights_count_once(graph):
    """Two layers, one initializer."""
    g = graph([node("Conv", "x w", "a"), node("Conv", "a w", "y")], [IMAGE], [weight("w", 16, 16, 1, 1)])

    assert (macs(g), params(g)) == (32768, 256)


def test_weights_shared_with_biases_of_their_own(graph):
    """The second bias gets a row of its own."""
    constants = [weight("w", 16, 16, 1, 1), weight("b", 16), weight("c", 16)]
    g = graph([node("Conv", "x w b", "a"), node("Conv", "a w c", "y")], [IMAGE], constants)

    assert params(g) == 256 + 16 + 16


def test_a_split_weight_counts_as_a_whole(graph):
    """Query, key and value from one initializer."""
    products = [node("MatMul", "x q", "a"), node("MatMul", "x k", "b"), node("Add", "a b", "y")]
    nodes = [node("Split", "w", "q k", axis=1), *products]
    g = graph(nodes, [TOKENS], [weight("w", 16, 32)])

    assert (macs(g), params(g)) == (5120, 512)


def test_embeddings_are_trained_tensors(graph):
    """A position embedding is read by the sum; scalars and indices are not parameters."""
    nodes = [node("Add", "x p", "a"), node("Mul", "a s", "y")]
    g = graph(nodes, [TOKENS], [weight("p", 1, 10, 16), tensor("s", np.float32(2))])

    assert params(g) == 160
    assert rows(g) == [("parameter", "free"), ("add", "counted"), ("mul", "free")]


def test_literals_of_torch_are_not_trained(graph):
    """Its exporters keep parameters as initializers: what a Constant node holds is a number of the program."""
    nodes = [node("Constant", "", "c", value=tensor("", np.ones((16, 1, 1), np.float32))), node("Sub", "x c", "y")]

    assert params(graph(nodes, [IMAGE], producer_name="pytorch")) == 0
    assert params(graph(nodes, [IMAGE], producer_name="other")) == 16


# ---- fusion follows the file


def test_a_bias_added_at_once_is_part_of_the_linear_layer(graph):
    """As every runtime does: MatMul and Add of a vector."""
    g = graph([node("MatMul", "x w", "a"), node("Add", "b a", "y")], [TOKENS], [weight("w", 16, 4), weight("b", 4)])

    assert rows(g) == [("linear", "counted")]
    assert params(g) == 68


def test_a_bias_is_not_merged_where_others_read_the_product(graph):
    """The product is then needed by itself."""
    nodes = [node("MatMul", "x w", "a"), node("Add", "a b", "c"), node("Mul", "a c", "y")]
    g = graph(nodes, [TOKENS], [weight("w", 16, 4), weight("b", 4)])

    assert [op for op, _ in rows(g)] == ["linear", "add", "mul"]


def test_silu_is_one_activation(graph):
    """Sigmoid and the product with its own input."""
    nodes = [node("Conv", "x w", "a"), node("Sigmoid", "a", "s"), node("Mul", "a s", "y")]
    g = graph(nodes, [IMAGE], [weight("w", 16, 16, 1, 1)])

    assert rows(g) == [("conv", "counted"), ("silu", "free")]


def test_a_gate_is_no_silu(graph):
    """A sigmoid times something else stays a product."""
    nodes = [node("Relu", "x", "a"), node("Sigmoid", "a", "s"), node("Mul", "x s", "y")]

    assert [op for op, _ in rows(graph(nodes, [IMAGE]))] == ["relu", "sigmoid", "mul"]


def test_batch_norm_is_folded_where_the_file_allows(graph):
    """Behind a convolution that nobody else reads."""
    constants = [weight("w", 16, 16, 1, 1), *(weight(name, 16) for name in "sbmv")]
    nodes = [node("Conv", "x w", "a"), node("BatchNormalization", "a s b m v", "c"), node("Relu", "c", "y")]

    assert rows(graph(nodes, [IMAGE], constants)) == [("conv", "counted"), ("batch_norm", "free"), ("relu", "free")]


@pytest.mark.parametrize(("bounds", "label"), [((0, 6), "relu6"), ((-1, 1), "clip")])
def test_clip_says_what_it_is(graph, bounds, label):
    """By its bounds."""
    constants = [tensor(name, np.float32(bound)) for name, bound in zip(("lo", "hi"), bounds, strict=True)]

    assert rows(graph([node("Clip", "x lo hi", "y")], [IMAGE], constants)) == [(label, "counted")]


def test_microsoft_fusions(graph):
    """A convolution with a sum and an activation, and a normalisation with a skip."""
    nodes = [
        node("FusedConv", "x w b x", "a", activation="Relu", domain="com.microsoft"),
        node("QuickGelu", "a", "y", domain="com.microsoft"),
    ]
    g = graph(nodes, [IMAGE], [weight("w", 16, 16, 1, 1), weight("b", 16)])

    assert [op for op, _ in rows(g)] == ["conv", "add", "relu", "gelu"]


def test_skip_layer_normalization(graph):
    """A sum and a normalisation, whose sum others may read."""
    made = node("SkipLayerNormalization", "x x s b", "y _ _ t", domain="com.microsoft")
    g = graph([made, node("Relu", "t", "z")], [TOKENS], [weight("s", 16), weight("b", 16)])

    assert [op for op, _ in rows(g)] == ["add", "layer_norm", "relu"]
    assert params(g) == 32


# ---- folding


def test_shapes_that_a_file_computes(graph):
    """Shape, Gather, arithmetic and Concat in front of Reshape, as the old exporter writes it."""
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n axes", "n1"),
        node("Slice", "s one four", "rest"), node("ReduceProd", "rest", "p", keepdims=1), node("Div", "p two", "half"),
        node("Cast", "half", "h", to=7), node("Concat", "n1 h minus", "shape", axis=0), node("Reshape", "x shape", "y"),
    ]  # fmt: skip
    vectors = {"axes": 0, "one": 1, "four": 4, "two": 2, "minus": -1}
    constants = [tensor("zero", np.array(0)), *(ints(name, number) for name, number in vectors.items())]

    assert graph(nodes, [IMAGE], constants).outputs[0].shape == (1, 512, 2)


def test_range_where_and_equal_fold(graph):
    """What exporters write for Expand."""
    nodes = [
        node("ConstantOfShape", "three", "ones", value=tensor("", np.array([1]))), node("Mul", "ones minus", "m"),
        node("Equal", "shape m", "e"), node("Where", "e ones shape", "target"), node("Expand", "x target", "y"),
    ]  # fmt: skip
    constants = [ints("three", 3), ints("minus", -1), ints("shape", 2, -1, -1)]

    assert graph(nodes, [TOKENS], constants).outputs[0].shape == (2, 10, 16)


def test_stale_value_info_is_ignored(graph):
    """Shapes follow from the inputs, whatever the file declares."""
    g = graph([node("Relu", "x", "a"), node("Flatten", "a", "y")], [IMAGE], value_info=[value("a", 1, 99, 1, 1)])

    assert g.outputs[0].shape == (1, 1024)


@pytest.mark.parametrize(("condition", "op"), [(True, "relu"), (False, "tanh")])
def test_if_with_a_constant_condition(graph, condition, op):
    """Only the branch taken is part of the network; it sees the values around it."""
    branches = {
        "then_branch": {"node": [node("Relu", "x", "t")], "output": [{"name": "t"}]},
        "else_branch": {"node": [node("Tanh", "x", "e")], "output": [{"name": "e"}]},
    }
    g = graph([node("If", "c", "y", **branches)], [IMAGE], [tensor("c", np.array(condition))])

    assert [name for name, _ in rows(g)] == [op]


def test_if_with_an_unknown_condition_is_listed(graph):
    """As unknown, with its name and what it holds."""
    branch = {"node": [node("Gemm", "x x", "t")], "output": [{"name": "t"}]}
    g = graph([node("If", "c", "y", name="choice", then_branch=branch, else_branch=branch)], [IMAGE, value("c", 1, kind=9)])

    assert rows(g) == [("If", "unknown")]
    assert g.table().notes == ("'If' on a condition unknown before the network runs; within: Gemm",)
    assert g.layers[0].name == "choice"


def test_local_functions_are_read_in_place(graph):
    """With the caller's attributes, and constants that flow in."""
    function = {
        "name": "Block", "domain": "mine", "input": ["a", "w"], "output": ["c"], "attribute": ["g"],
        "node": [
            node("Conv", "a w", "b") | {"attribute": [{"name": "group", "ref_attr_name": "g", "type": 2}]},
            node("Relu", "b", "c"),
        ],
    }  # fmt: skip
    g = graph([node("Block", "x w", "y", domain="mine", g=16)], [IMAGE], [weight("w", 16, 1, 1, 1)], functions=[function])

    assert rows(g) == [("conv", "counted"), ("relu", "free")]
    assert macs(g) == 1024


def test_functions_that_call_themselves_are_refused(graph):
    """Without end there is no network."""
    function = {"name": "F", "domain": "m", "input": ["a"], "output": ["b"], "node": [node("F", "a", "b", domain="m")]}

    with pytest.raises(NetworkError, match="nest"):
        graph([node("F", "x", "y", domain="m")], [IMAGE], functions=[function])


def test_functions_that_multiply_are_refused(graph, monkeypatch):
    """Ten functions that call each other ten times would be ten thousand million nodes."""
    monkeypatch.setattr(importer, "MOST_NODES", 2000)
    functions = [
        {
            "name": f"F{i}", "domain": "m", "input": ["a"], "output": ["b9"],
            "node": [node(f"F{i + 1}" if i < 9 else "Relu", "a", f"b{j}", domain="m" if i < 9 else "") for j in range(10)],
        }
        for i in range(10)
    ]  # fmt: skip

    with pytest.raises(NetworkError, match="nodes with functions written out"):
        graph([node("F0", "x", "y", domain="m")], [IMAGE], functions=functions)


# ---- unknown operations


def test_unknown_operations_are_listed_by_name_and_place(graph):
    """With the shape that the file declares."""
    nodes = [node("Magic", "x", "a", name="block/spell", domain="acme"), node("Relu", "a", "y")]
    g = graph(nodes, [IMAGE], value_info=[value("a", 1, 4, 8, 8)])

    assert rows(g) == [("acme.Magic", "unknown"), ("relu", "counted")]
    assert g.layers[0].name == "block/spell"
    assert g.outputs[0].shape == (1, 4, 8, 8)


def test_what_follows_an_unknown_shape_is_unknown_too(graph):
    """And says why."""
    table = graph([node("Magic", "x", "a"), node("Conv", "a w", "y")], [IMAGE], [weight("w", 4, 16, 1, 1)]).table()

    assert table.status == ("unknown", "unknown")
    assert table.notes[1] == "'Conv': its shape depends on data"


@pytest.mark.parametrize("op", ["Loop", "Scan", "SequenceConstruct", "StringNormalizer", "DFT"])
def test_other_operations_are_listed(graph, op):
    """Each as unknown, none as an error."""
    assert rows(graph([node(op, "x", "y")], [IMAGE])) == [(op, "unknown")]


def test_sizes_that_depend_on_data_are_counted_at_their_largest(graph):
    """NonZero gives at most every element."""
    nodes = [node("NonZero", "x", "i"), node("Transpose", "i", "t"), node("GatherND", "x t", "y")]
    g = graph(nodes, [TOKENS])

    assert rows(g)[0] == ("NonZero", "unknown")
    assert g.outputs[0].shape == (160,)


# ---- quantisation


def test_dynamic_quantisation(graph):
    """The data is quantised at run time, the product counts."""
    nodes = [node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q w z", "y")]
    g = graph(nodes, [TOKENS], [weight("w", 16, 4, kind=3)])

    assert [op for op, _ in rows(g)] == ["quantize", "linear"]
    assert macs(g) == 640


def test_widths_of_four_bits(tmp_path):
    """The packed weights are four bits wide, activations half floats."""
    path = tmp_path / "net.onnx"
    nodes = [node("DequantizeLinear", "w s", "f"), node("MatMul", "x f", "y")]
    constants = [weight("w", 16, 4, kind=22), weight("s", kind=10)]
    path.write_bytes(encoded(model(nodes, [value("x", 1, 10, 16, kind=10)], constants)))
    bits = onnx_network(path).widths["y"]

    assert (bits.weight_bits, bits.ifmap_bits, bits.ofmap_bits) == (4, 16, 16)


def test_quantised_sums_and_concats(graph):
    """Scales and zero points are no operands."""
    nodes = [
        node("QLinearAdd", "x s z x s z s z", "a", domain="com.microsoft"), node("Relu", "x", "b"),
        node("QLinearConcat", "s z a s z b s z", "y", axis=1, domain="com.microsoft"),
    ]  # fmt: skip
    g = graph(nodes, [value("x", 1, 16, 8, 8, kind=2)], [weight("s"), weight("z", kind=2)])

    assert [op for op, _ in rows(g)] == ["add", "relu", "concat"]
    assert g.outputs[0].shape == (1, 32, 8, 8)


def test_constants_of_two_functions_are_distinct(graph):
    """Both call theirs "w"; a function that is called twice has one."""
    functions = [
        {
            "name": name, "domain": "m", "input": ["a"], "output": ["b"],
            "node": [node("Constant", "", "w", value=weight("t", 16, 16, 1, 1)), node("Conv", "a w", "b")],
        }
        for name in "FG"
    ]  # fmt: skip
    nodes = [node("F", "x", "a", domain="m"), node("G", "a", "b", domain="m"), node("F", "b", "y", domain="m")]

    assert params(graph(nodes, [IMAGE], functions=functions)) == 2 * 256


def test_broken_branches_leave_the_graph_around_them_intact(graph):
    """Where a branch cannot be read because sizes depend on data, reading goes on outside."""
    branch = {"node": [node("Reshape", "i five", "t")], "output": [{"name": "t"}]}
    nodes = [node("NonZero", "x", "i"), node("Size", "i", "n"), node("Greater", "n five", "c")]
    nodes += [node("If", "c", "z", then_branch=branch, else_branch=branch), node("Relu", "x", "y")]
    g = graph(nodes, [TOKENS], [tensor("five", np.array(5))])

    assert ("relu", "counted") in rows(g)
    assert ("Reshape", "unknown") in rows(g)


# ---- folding, operation by operation

A, B = np.array([[7, -3, 2], [4, 0, -5]]), np.array([2, -2, 3])
FOLDED = [
    (node("Add", "a b", "y"), A + B), (node("Sub", "a b", "y"), A - B), (node("Mul", "a b", "y"), A * B),
    (node("Div", "a b", "y"), np.array([[3, 1, 0], [2, 0, -1]])), (node("Mod", "a b", "y"), np.mod(A, B)),
    (node("Max", "a b", "y"), np.maximum(A, B)), (node("Min", "a b", "y"), np.minimum(A, B)), (node("Neg", "a", "y"), -A),
    (node("Abs", "a", "y"), abs(A)), (node("Sign", "a", "y"), np.sign(A)), (node("Relu", "a", "y"), np.maximum(A, 0)),
    (node("Sum", "a b b", "y"), A + B + B), (node("Transpose", "a", "y"), A.T),
    (node("Concat", "a a", "y", axis=1), np.hstack([A, A])),
    (node("Gather", "a one", "y", axis=1), A[:, 1]), (node("Slice", "a one two", "y"), A[1:2]),
    (node("Slice", "a", "y", starts=[-2], ends=[100], axes=[1]), A[:, -2:]),
    (node("ReduceSum", "a axis", "y", keepdims=0), A.sum(1)), (node("ReduceProd", "a", "y", keepdims=0), A.prod()),
    (node("ReduceMax", "a", "y", axes=[0]), A.max(0, keepdims=True)),
    (node("ArgMax", "a", "y", axis=1, keepdims=0), A.argmax(1)),
    (node("CumSum", "b zero", "y"), np.cumsum(B)), (node("Expand", "b shape", "y"), np.broadcast_to(B, (2, 3))),
    (node("Tile", "b two", "y"), np.tile(B, 2)), (node("Flatten", "a", "y", axis=0), A.reshape(1, 6)),
    (node("Where", "c a b", "y"), np.where(A > 0, A, B)), (node("Pad", "b pads", "y"), np.pad(B, (1, 2))),
    (node("Range", "zero nine four", "y"), np.arange(0, 9, 4)), (node("Clip", "a zero four", "y"), np.clip(A, 0, 4)),
    (node("Squeeze", "one", "y"), np.array(1)), (node("Unsqueeze", "b axis", "y"), B[:, None]),
    (node("Reshape", "a whole", "y"), A.ravel()), (node("Cast", "c", "y", to=7), (A > 0).astype(int)),
    (node("GatherND", "a place", "y"), A[1, 2]), (node("ScatterND", "b spot new", "y"), np.array([2, 9, 3])),
    (node("Identity", "b", "y"), B), (node("Size", "a", "y"), np.array(6)), (node("Shape", "a", "y", start=1), np.array([3])),
]  # fmt: skip


@pytest.mark.parametrize(("made", "expected"), FOLDED, ids=[made["op_type"] for made, _ in FOLDED])
def test_small_constants_fold(graph, made, expected):
    """The content equals NumPy's, seen as the shape of what is expanded by it: each element gives an axis."""
    constants = [
        tensor("a", A), tensor("b", B), tensor("c", A > 0), ints("one", 1), ints("two", 2), ints("axis", 1),
        ints("shape", 2, 3), ints("pads", 1, 2), ints("whole", -1), ints("place", 1, 2), tensor("spot", np.array([[1]])),
        ints("new", 9), tensor("zero", np.array(0)), tensor("four", np.array(4)), tensor("nine", np.array(9)),
        ints("base", 10), ints("flat", -1),
    ]  # fmt: skip
    if made["op_type"] == "Gather":
        made = node("Gather", "a single", "y", axis=1)
        constants.append(tensor("single", np.array(1)))
    nodes = [made, node("Add", "y base", "t"), node("Reshape", "t flat", "target"), node("Expand", "x target", "z")]
    g = graph(nodes, [value("x", 1)], constants)

    assert g.outputs[0].shape == tuple((expected + 10).ravel().tolist())
