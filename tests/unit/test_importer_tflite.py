"""TensorFlow Lite files: exact counts on real files, every operator on small ones, one clear message on damage.

``COSTMODEL_FUZZ=1000`` sets the mutations per sample file (default 40): ``COSTMODEL_FUZZ=1000 pytest -k fuzz
tests/unit/test_importer_tflite.py`` takes a few minutes.
"""

from __future__ import annotations

from functools import partial
from math import prod
from pathlib import Path

import pytest

from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.graph import Graph, StoredWidths
from costmodel.importers import load_network
from costmodel.importers.tflite import layer_names, tflite_graph
from costmodel.importers.tflite_file import read_model
from tests.models.tflite.writer import Fields, Ints, Model
from tests.unit.tflite_files import reread, totals

SAMPLES = Path(__file__).parents[1] / "models" / "tflite"
SHAPES = {
    "mobilenet_v3_small_int8": {"keras_tensor_196": (1, 224, 224, 3)},
    "melspectrogram": {"input": (1, 1760)},
}
SAME, VALID = ("<b", 0), ("<b", 1)
RELU = ("<b", 1)


def one(value: int) -> tuple[str, int]:
    """An int32 option."""
    return ("<i", value)


@pytest.fixture
def load(tmp_path):
    """Write a model and read it back."""
    return partial(reread, tmp_path / "net.tflite")


def rows(graph: Graph) -> list[tuple[str, str]]:
    """Operation and status of every layer."""
    table = graph.table()
    return list(zip(table.ops, table.status, strict=True))


# ---- real files


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("squeezenet1_1_int8", 1_235_496, 349_151_936),
        ("mobilenet_v3_small_int8", 2_453_280, 56_510_400),
        ("okay_nabu_streaming", 37_185, 36_480),
        ("face_detection_full_range_sparse", 508_308, 117_188_352),
        ("melspectrogram", 271_906, 2_171_136),
    ],
)
def test_real_files_are_exact(name, params, macs):
    """Parameters and MACs of the sample files; see PROVENANCE.md for where each number is from."""
    graph = tflite_graph(SAMPLES / f"{name}.tflite", SHAPES.get(name))

    assert (params, macs) == totals(graph)
    assert "unknown" not in graph.table().status


def test_equals_the_shipped_network():
    """The converted SqueezeNet 1.1 and the shipped description have the same convolutions, row by row."""
    columns = (*"ngkcpqrs", "stride_h", "params", "macs", "weight_elems", "ifmap_elems", "ofmap_elems")
    mine, shipped = (
        [[int(table[c][i, 0]) for c in columns] for i, op in enumerate(table.ops) if op == "conv"]
        for table in (
            tflite_graph(SAMPLES / "squeezenet1_1_int8.tflite").table(),
            load_network("squeezenet:version=1.1").table(),
        )
    )

    assert mine == shipped


def declared_macs(path: Path) -> int:
    """MACs by the shapes that the file declares, without the graph."""
    main = read_model(path).subgraphs[0]
    total = 0
    for fact in main.operators:
        shapes = [tuple(map(abs, main.tensors[index].shape)) for index in fact.inputs if index >= 0]
        out = prod(map(abs, main.tensors[fact.outputs[0]].shape)) if fact.outputs else 0
        if fact.code == "CONV_2D":
            total += out * prod(shapes[1][1:])
        elif fact.code == "DEPTHWISE_CONV_2D":
            total += out * prod(shapes[1][1:3])
        elif fact.code == "FULLY_CONNECTED":
            total += prod(shapes[0]) * shapes[1][0]
    return total


@pytest.mark.parametrize("name", ["squeezenet1_1_int8", "okay_nabu_streaming", "face_detection_full_range_sparse"])
def test_macs_agree_with_the_declared_shapes(name):
    """The shapes that the builder infers and those in the file give the same MACs."""
    path = SAMPLES / f"{name}.tflite"

    assert declared_macs(path) == totals(tflite_graph(path))[1]


def test_widths_are_those_of_the_tensors():
    """An int8 file has 8-bit operands; weights behind DEQUANTIZE have the width of their buffer."""
    int8 = tflite_graph(SAMPLES / "squeezenet1_1_int8.tflite").stored
    half = tflite_graph(SAMPLES / "face_detection_full_range_sparse.tflite").stored

    assert int8["conv2d_1"] == int8["conv2d_1_relu"] == StoredWidths(8, 8, 8, "int")
    assert {widths.weight_bits for widths in half.values()} == {0, 16}
    assert {widths.kind for widths in half.values()} == {"fp"}


def test_names_are_those_of_the_modules():
    """The converter's step names and the common first part are gone, and names are unique."""
    main = read_model(SAMPLES / "squeezenet1_1_int8.tflite").subgraphs[0]
    names = layer_names(main)

    assert names[:3] == ["conv2d_1", "max_pooling2d_1", "conv2d_1_2"]
    assert len(set(names)) == len(names)


def test_layers_are_grouped_by_module(load):
    """What is before the last slash of a name is the group."""
    model = Model()
    x = model.input("x", (1, 8, 8, 3))
    for block in ("a", "b"):
        w, y = model.tensor(f"net/{block}/conv/Conv2D", (3, 1, 1, 3)), model.tensor("y", (1, 8, 8, 3))
        model.add("CONV_2D", [x, w], [y], {0: VALID, 1: one(1), 2: one(1)})
        x = y

    assert load(model).table().groups == ("a", "b")


# ---- products


def conv_model(
    weight: tuple[int, ...], out: tuple[int, ...], code: str, options: dict, *, biased: bool = True, size: int = 8
) -> Model:
    """A model of one convolution over (1, size, size, 3)."""
    model = Model()
    x = model.input("x", (1, size, size, 3))
    w = model.tensor("conv/Conv2D", weight)
    inputs = [x, w, model.tensor("b", (out[-1],), "int32")] if biased else [x, w]
    model.add(code, inputs, [model.tensor("y", out)], options)
    return model


def test_conv_same_padding_stride_and_activation(load):
    """SAME padding is the output's, the bias counts, the fused activation is a free layer."""
    options = {0: SAME, 1: one(2), 2: one(2), 3: RELU}
    graph = load(conv_model((16, 3, 3, 3), (1, 4, 4, 16), "CONV_2D", options))

    assert totals(graph) == (3 * 3 * 3 * 16 + 16, 4 * 4 * 16 * 27)
    assert rows(graph) == [("conv", "counted"), ("relu", "free")]
    assert graph.outputs[0].shape == (1, 16, 4, 4)


def test_equals_the_hand_written_network(load):
    """A file and a description of the same network give equal tables."""
    options = {0: SAME, 1: one(2), 2: one(2), 3: RELU}
    table = load(conv_model((16, 3, 3, 3), (1, 4, 4, 16), "CONV_2D", options)).table()
    hand = Graph("hand")
    x = hand.input("x", (1, 3, 8, 8))
    hand.relu("conv_relu", hand.conv("conv", x, 16, 3, stride=2, padding="same"))

    for column in table.__dataclass_fields__:
        mine, other = table[column], hand.table()[column]
        assert mine == other if isinstance(mine, tuple) else (mine == other).all(), column


def test_conv_dilated_grouped_without_bias(load):
    """Filters that see part of the channels make groups; dilation widens the window."""
    options = {0: VALID, 1: one(1), 2: one(1), 4: one(2), 5: one(2)}
    graph = load(conv_model((6, 3, 3, 1), (1, 4, 4, 6), "CONV_2D", options, biased=False))

    assert totals(graph) == (54, 4 * 4 * 6 * 9)
    assert int(graph.table().g[0, 0]) == 3


def test_depthwise_multiplier(load):
    """A depthwise convolution has one group per input channel and a multiple of outputs."""
    options = {0: SAME, 1: one(1), 2: one(1), 3: one(2)}
    graph = load(conv_model((1, 3, 3, 6), (1, 8, 8, 6), "DEPTHWISE_CONV_2D", options))

    assert totals(graph) == (9 * 6 + 6, 64 * 6 * 9)
    assert [int(graph.table()[name][0, 0]) for name in "gkc"] == [3, 2, 1]


@pytest.mark.parametrize(("padding", "size", "kernel"), [(SAME, 16, 3), (VALID, 17, 3), (SAME, 16, 1)])
def test_transposed_conv(load, padding, size, kernel):
    """MACs count by the input; the output has the size that the file asks for."""
    model = Model()
    x = model.input("x", (1, 8, 8, 3))
    shape = model.tensor("shape", (4,), "int32", values=(1, size, size, 5))
    w, y = model.tensor("up/w", (5, kernel, kernel, 3)), model.tensor("y", (1, size, size, 5))
    model.add("TRANSPOSE_CONV", [shape, w, x], [y], {0: padding, 1: one(2), 2: one(2)})
    graph = load(model)

    assert totals(graph) == (15 * kernel**2, 8 * 8 * 3 * 5 * kernel**2)
    assert graph.outputs[0].shape == (1, 5, size, size)


def test_fully_connected_flattens(load):
    """Features are the last axis of the weights, whatever the input's axes."""
    model = Model()
    x = model.input("x", (1, 4, 4, 8))
    w, b, y = model.tensor("w", (10, 128)), model.tensor("b", (10,), "int32"), model.tensor("y", (1, 10))
    model.add("FULLY_CONNECTED", [x, w, b], [y], {0: RELU})

    assert totals(load(model)) == (1290, 1280)


def test_fully_connected_keeps_axes(load):
    """With keep_num_dims the leading axes are positions."""
    model = Model()
    x = model.input("x", (1, 7, 32))
    w, y = model.tensor("w", (10, 32)), model.tensor("y", (1, 7, 10))
    model.add("FULLY_CONNECTED", [x, w, -1], [y], {2: ("<B", 1)})

    assert totals(load(model)) == (320, 2240)


@pytest.mark.parametrize(("b", "adjoint"), [((2, 8, 5), 0), ((2, 5, 8), 1)])
def test_batch_matmul(load, b, adjoint):
    """A product of two activations, either of which may be turned."""
    model = Model()
    x, y = model.input("x", (2, 4, 8)), model.input("y", b)
    model.add("BATCH_MATMUL", [x, y], [model.tensor("z", (2, 4, 5))], {1: ("<B", adjoint)})
    graph = load(model)

    assert totals(graph) == (0, 2 * 4 * 5 * 8)
    assert graph.table().dynamic_weight.any()


def test_batch_matmul_by_a_constant(load):
    """A constant operand is a parameter, read in the orientation that the product needs."""
    model = Model()
    x, w = model.input("x", (1, 4, 8)), model.tensor("w", (5, 8))
    model.add("BATCH_MATMUL", [x, w], [model.tensor("z", (1, 4, 5))], {1: ("<B", 1)})

    assert totals(load(model)) == (40, 160)


def test_lstm(load):
    """A plain sequence LSTM has one bias per gate."""
    model = Model()
    x = model.input("x", (1, 6, 10))
    weights = [model.tensor(f"w{gate}", (8, 10)) for gate in range(4)]
    recurrent = [model.tensor(f"r{gate}", (8, 8)) for gate in range(4)]
    biases = [model.tensor(f"b{gate}", (8,)) for gate in range(4)]
    y = model.tensor("y", (1, 6, 8))
    model.add("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, *weights, *recurrent, -1, -1, -1, *biases], [y], {})

    assert totals(load(model)) == (4 * (80 + 64 + 8), 6 * 4 * (80 + 64))


def test_svdf(load):
    """Features by filters, then filters by memory, as in Nakkiran et al. 2015."""
    model = Model()
    x = model.input("x", (1, 40))
    feature, time = model.tensor("f", (16, 40)), model.tensor("t", (16, 10))
    bias, state = model.tensor("b", (8,)), model.tensor("s", (1, 160))
    model.add("SVDF", [x, feature, time, bias, state], [model.tensor("y", (1, 8))], {0: one(2)})

    assert totals(load(model)) == (640 + 160 + 8, 640 + 160)


# ---- constants


def test_weights_behind_dequantize(load):
    """A float16 constant that is dequantised is the same parameters, and costs no layer."""
    model = Model()
    x = model.input("x", (1, 8, 8, 3), "fp32")
    half, w = model.tensor("w16", (4, 1, 1, 3), "fp16"), model.tensor("w", (4, 1, 1, 3), "fp32")
    model.add("DEQUANTIZE", [half], [w])
    model.add("CONV_2D", [x, w], [model.tensor("y", (1, 8, 8, 4), "fp32")], {0: VALID, 1: one(1), 2: one(1)})
    graph = load(model)

    assert totals(graph) == (12, 768)
    assert rows(graph) == [("conv", "counted")]


@pytest.mark.parametrize(("own_bias", "params"), [(False, 16), (True, 16 + 4)])
def test_shared_buffers_count_once(load, own_bias, params):
    """Two convolutions with one buffer share their weights; biases of their own count."""
    model = Model()
    x = model.input("x", (1, 8, 8, 4))
    w = model.tensor("w", (4, 1, 1, 4))
    twin = model.tensor("twin", (4, 1, 1, 4), buffer=model.tensors[w].slots[2][1])
    biases = [model.tensor("b", (4,), "int32")] if own_bias else []
    middle, y = model.tensor("m", (1, 8, 8, 4)), model.tensor("y", (1, 8, 8, 4))
    model.add("CONV_2D", [x, w], [middle], {0: VALID, 1: one(1), 2: one(1)})
    model.add("CONV_2D", [middle, twin, *biases], [y], {0: VALID, 1: one(1), 2: one(1)})

    assert totals(load(model)) == (params, 2 * 64 * 16)


def test_scalars_are_part_of_the_function(load):
    """Multiplying by one number is an operation per element, not a parameter."""
    model = Model()
    x, half = model.input("x", (1, 4, 4, 3)), model.tensor("half", ())
    model.add("MUL", [x, half], [model.tensor("y", (1, 4, 4, 3))], {})
    table = load(model).table()

    assert int(table.total("params")[0]) == 0
    assert int(table.total("other_ops")[0]) == 48


def test_vectors_are_parameters_along_channels(load):
    """A constant per channel is a parameter, aligned with the last axis of the file."""
    model = Model()
    x, b = model.input("x", (1, 4, 4, 3)), model.tensor("bias", (3,))
    pooled = model.tensor("p", (1, 2, 2, 3))
    model.add("ADD", [x, b], [model.tensor("y", (1, 4, 4, 3))], {0: RELU})
    model.add("MAX_POOL_2D", [model.operators[0].slots[2].values[0]], [pooled], pool(2))
    graph = load(model)

    assert totals(graph) == (3, 0)
    assert graph.outputs[0].shape == (1, 3, 2, 2)


# ---- the other operators


def pool(size: int, padding: tuple[str, int] = VALID) -> dict:
    """Options of a pooling with as much stride as window."""
    return {0: padding, 1: one(size), 2: one(size), 3: one(size), 4: one(size)}


CASES = {
    "AVERAGE_POOL_2D": ([(1, 5, 5, 3)], [], (1, 3, 3, 3), pool(2, SAME)),
    "MEAN": ([(1, 4, 4, 8)], [(1, 2)], (1, 8), {}),
    "SUM": ([(1, 4, 4, 8)], [(3,)], (1, 4, 4, 1), {0: ("<B", 1)}),
    "REDUCE_MAX": ([(1, 6, 8)], [(1,)], (1, 8), {}),
    "RESIZE_BILINEAR": ([(1, 4, 4, 3)], [(8, 12)], (1, 8, 12, 3), {}),
    "RESIZE_NEAREST_NEIGHBOR": ([(1, 4, 4, 3)], [(8, 8)], (1, 8, 8, 3), {}),
    "DEPTH_TO_SPACE": ([(1, 4, 4, 12)], [], (1, 8, 8, 3), {0: one(2)}),
    "SPACE_TO_DEPTH": ([(1, 4, 4, 3)], [], (1, 2, 2, 12), {0: one(2)}),
    "SPACE_TO_BATCH_ND": ([(1, 6, 6, 3)], [(2, 2), (1, 1, 1, 1)], (4, 4, 4, 3), {}),
    "BATCH_TO_SPACE_ND": ([(4, 4, 4, 3)], [(2, 2), (1, 1, 1, 1)], (1, 6, 6, 3), {}),
    "HARD_SWISH": ([(1, 4, 4, 3)], [], (1, 4, 4, 3), {}),
    "LOGISTIC": ([(1, 10)], [], (1, 10), {}),
    "QUANTIZE": ([(1, 4, 4, 3)], [], (1, 4, 4, 3), {}),
    "SUB": ([(1, 4, 4, 3), (1, 1, 1, 3)], [], (1, 4, 4, 3), {}),
    "MAXIMUM": ([(1, 9, 3), (9, 3)], [], (1, 9, 3), {}),
    "SELECT_V2": ([(1, 9), (1, 9), (1, 9)], [], (1, 9), {}),
    "SOFTMAX": ([(1, 4, 10)], [], (1, 4, 10), {}),
    "L2_NORMALIZATION": ([(1, 10)], [], (1, 10), {}),
    "LOCAL_RESPONSE_NORMALIZATION": ([(1, 4, 4, 8)], [], (1, 4, 4, 8), {0: one(2)}),
    "CONCATENATION": ([(1, 4, 4, 3), (1, 4, 4, 5)], [], (1, 4, 4, 8), {0: one(3)}),
    "RESHAPE": ([(1, 4, 4, 3)], [(1, 48)], (1, 48), {}),
    "SQUEEZE": ([(1, 1, 1, 3)], [], (1, 3), {0: Ints("i", (1, 2))}),
    "EXPAND_DIMS": ([(1, 8)], [(-1,)], (1, 8, 1), {}),
    "TRANSPOSE": ([(1, 4, 6, 3)], [(0, 3, 1, 2)], (1, 3, 4, 6), {}),
    "PAD": ([(1, 4, 4, 3)], [(0, 0, 1, 1, 0, 2, 0, 0)], (1, 6, 6, 3), {}),
    "PADV2": ([(1, 4, 4, 3)], [(0, 0, 0, 0, 0, 0, 0, 5)], (1, 4, 4, 8), {}),
    "STRIDED_SLICE": ([(1, 8, 8, 3)], [(0, 1, 0, 0), (1, 8, 8, 3), (1, 2, 1, 1)], (1, 4, 8, 3), {}),
    "SLICE": ([(1, 8, 3)], [(0, 2, 0), (1, -1, 3)], (1, 6, 3), {}),
    "GATHER": ([(1, 8, 3)], [(0, 2)], (1, 2, 3), {0: one(1)}),
    "TILE": ([(1, 3)], [(1, 4)], (1, 12), {}),
    "MIRROR_PAD": ([(1, 4, 3)], [(0, 0, 1, 1, 0, 0)], (1, 6, 3), {}),
    "ARG_MAX": ([(1, 10)], [(1,)], (1,), {}),
    "LEAKY_RELU": ([(1, 4, 4, 3)], [], (1, 4, 4, 3), {}),
}
"""Operator: activations, integer constants, output, options."""


@pytest.mark.parametrize("code", CASES)
def test_operators(load, code):
    """Each operator gives the declared shape without MACs, and none is unknown."""
    shapes, constants, out, options = CASES[code]
    model = Model()
    inputs = [model.input(f"x{index}", shape) for index, shape in enumerate(shapes)]
    inputs += [model.tensor(f"c{i}", (len(v),), "int32", values=v) for i, v in enumerate(constants)]
    model.add(code, inputs, [model.tensor("y", out)], options)
    graph = load(model)

    assert totals(graph) == (0, 0)
    assert prod(out) == graph.outputs[0].elems
    assert "unknown" not in graph.table().status


def test_split_and_pack(load):
    """SPLIT gives slices, PACK joins them along a new axis; both only arrange data."""
    model = Model()
    axis, x = model.tensor("axis", (), "int32", values=(2,)), model.input("x", (1, 4, 6))
    parts = [model.tensor(f"p{index}", (1, 4, 3)) for index in range(2)]
    model.add("SPLIT", [axis, x], parts, {0: one(2)})
    model.add("PACK", parts, [model.tensor("y", (1, 2, 4, 3))], {0: one(2), 1: one(1)})

    assert load(model).outputs[0].shape == (1, 2, 4, 3)


def test_unpack_and_shrink(load):
    """UNPACK and a shrinking slice drop an axis."""
    model = Model()
    x = model.input("x", (1, 2, 5))
    parts = [model.tensor(f"p{index}", (1, 5)) for index in range(2)]
    model.add("UNPACK", [x], parts, {0: one(2), 1: one(1)})
    bounds = [model.tensor(f"b{i}", (2,), "int32", values=v) for i, v in enumerate([(0, 0), (1, 1), (1, 1)])]
    model.add("STRIDED_SLICE", [parts[0], *bounds], [model.tensor("y", (1,))], {4: one(2)})

    assert load(model).outputs[0].shape == (1,)


def test_embedding(load):
    """Rows of a constant table, gathered by an input, are an embedding."""
    model = Model()
    table, ids = model.tensor("table", (100, 16)), model.input("ids", (1, 7), "int32")
    model.add("GATHER", [table, ids], [model.tensor("y", (1, 7, 16))], {})
    graph = load(model)

    assert (totals(graph), rows(graph)) == ((1600, 0), [("embedding", "counted")])


def test_shapes_are_computed(load):
    """SHAPE, STRIDED_SLICE and PACK of known sizes are numbers, not layers, and a reshape follows them."""
    model = Model()
    x = model.input("x", (1, 4, 4, 3), signature=(-1, 4, 4, 3))
    shape, first = model.tensor("s", (4,), "int32"), model.tensor("n", (), "int32")
    model.add("SHAPE", [x], [shape])
    bounds = [model.tensor(f"b{i}", (1,), "int32", values=(v,)) for i, v in enumerate([0, 1, 1])]
    model.add("STRIDED_SLICE", [shape, *bounds], [first], {4: one(1)})
    size, target = model.tensor("48", (), "int32", values=(48,)), model.tensor("t", (2,), "int32")
    model.add("PACK", [first, size], [target], {0: one(2)})
    model.add("RESHAPE", [x, target], [model.tensor("y", (1, 48), signature=(-1, 48))])
    graph = load(model, {"x": (3, 4, 4, 3)})

    assert graph.outputs[0].shape == (3, 48)
    assert len(graph.layers) == 1


# ---- what is not understood is said


def test_custom_and_unknown_operators_are_listed(load):
    """Custom operators appear under their own name, without MACs."""
    model = Model()
    x, y, z = model.input("x", (1, 8)), model.tensor("y", (1, 8)), model.tensor("z", (1, 3))
    model.add("TFLite_Detection_PostProcess", [x], [y])
    model.add("HASHTABLE_LOOKUP", [y], [z])
    table = load(model).table()

    assert table.ops == ("TFLite_Detection_PostProcess", "HASHTABLE_LOOKUP")
    assert table.status == ("unknown", "unknown")


def test_invoked_subgraphs_are_listed(load):
    """A loop is unknown and names its subgraphs."""
    model = Model()
    x, y = model.input("x", (1, 8)), model.tensor("y", (1, 8))
    model.others = [Fields({4: b"cond"}), Fields({4: b"body"})]
    model.add("WHILE", [x], [y], {0: one(1), 1: one(2)})

    assert load(model).table().ops == ("WHILE of subgraph cond, body",)


def test_variables_are_inputs_and_outputs():
    """The state of a streaming network comes from outside and goes there."""
    graph = tflite_graph(SAMPLES / "okay_nabu_streaming.tflite")

    assert len(graph.inputs) > 1
    assert len(graph.outputs) > 1


# ---- open axes


def open_model() -> Model:
    """A convolution whose input's height and width are open."""
    model = Model()
    x = model.input("serving_default_image:0", (1, 1, 1, 3), signature=(-1, -1, -1, 3))
    w, y = model.tensor("c/w", (4, 3, 3, 3)), model.tensor("y", (1, 1, 1, 4), signature=(-1, -1, -1, 4))
    model.add("CONV_2D", [x, w], [y], {0: SAME, 1: one(1), 2: one(1)})
    return model


def test_open_axes_are_asked_for(load):
    """Height and width are stored as 1; that is never taken for their size."""
    with pytest.raises(InputError, match=r"'image' has open axes \(\?x\?x\?x3\).*--input image=1x224x224x3"):
        load(open_model())


@pytest.mark.parametrize("name", ["image", "serving_default_image:0"])
def test_open_axes_are_given(load, name):
    """With sizes the same file is exact, under either spelling of the input."""
    assert totals(load(open_model(), {name: (1, 20, 30, 3)})) == (108, 20 * 30 * 108)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"imag": (1, 8, 8, 3)}, "has no input 'imag'; did you mean 'image'"),
        ({"image": (1, 8, 8, 4)}, "is .x.x.x3 in the file and cannot be 1x8x8x4"),
        ({"image": (1, 8, 3)}, "cannot be 1x8x3"),
        ({"image": (1, 0, 8, 3)}, "sizes must be positive"),
    ],
)
def test_sizes_that_do_not_fit(load, inputs, message):
    """Unknown names, fixed axes and impossible sizes are refused."""
    with pytest.raises(InputError, match=message):
        load(open_model(), inputs)


def test_batch_alone_is_one(load):
    """An open batch axis is no reason to ask."""
    model = Model()
    x, y = model.input("x", (1, 8), signature=(-1, 8)), model.tensor("y", (1, 8), signature=(-1, 8))
    model.add("RELU", [x], [y])

    assert load(model).inputs[0].shape == (1, 8)


# ---- bad files


def sample_bytes() -> bytes:
    """A small valid file."""
    return conv_model((4, 3, 3, 3), (1, 6, 6, 4), "CONV_2D", {0: VALID, 1: one(1), 2: one(1)}).bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello, world: no model", "is not a TensorFlow Lite file"),
        (b"\x08\0\0\0TFL3", "truncated"),
        (b"\x18\0\0\0TFL3" + b"\xff" * 64, "damaged or truncated"),
        (sample_bytes()[:200], "damaged or truncated"),
    ],
)
def test_files_that_are_no_models(tmp_path, content, message):
    """Empty, text and truncated files: one message with the path."""
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)

    with pytest.raises(InputError, match=message) as caught:
        tflite_graph(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("path", ["gone.tflite", "."])
def test_files_that_cannot_be_read(path):
    """A path that leads nowhere, and a directory."""
    with pytest.raises(InputError, match="cannot be read"):
        tflite_graph(path)


def test_cycles_are_refused(load):
    """An operator that reads what a later one produces."""
    model = Model()
    x, a, b = model.input("x", (1, 8)), model.tensor("a", (1, 8)), model.tensor("b", (1, 8))
    model.add("ADD", [x, b], [a], {})
    model.add("RELU", [a], [b])

    with pytest.raises(NetworkError, match="cycle or are out of order"):
        load(model)


@pytest.mark.parametrize("shape", [(1, -5, 8, 3), (1, 2**31 - 1, 2**31 - 1, 3), (1, 0, 8, 3), (1,) * 9])
def test_absurd_sizes_are_refused(load, shape):
    """Negative, enormous, empty and too many axes."""
    model = Model()
    x = model.input("x", shape)
    model.add("RELU", [x], [model.tensor("y", shape)])

    with pytest.raises(CostModelError):
        load(model).table()


def test_contradictions_are_refused(load):
    """A declared output that the arguments do not give."""
    with pytest.raises(NetworkError, match="gives 1x6x6x4, but the file declares 1x7x7x4"):
        load(conv_model((4, 3, 3, 3), (1, 7, 7, 4), "CONV_2D", {0: VALID, 1: one(1), 2: one(1)}))


@pytest.mark.parametrize(
    ("code", "options", "message"),
    [
        ("CONV_2D", {0: ("<b", 7), 1: one(1), 2: one(1)}, "neither SAME nor VALID"),
        ("CONV_2D", {0: VALID, 1: one(0), 2: one(1)}, "stride must be at least 1"),
        ("CONV_2D", {0: VALID, 1: one(1), 2: one(1), 3: ("<b", 99)}, "unknown fused activation 99"),
    ],
)
def test_options_out_of_range(load, code, options, message):
    """Options that no converter writes."""
    with pytest.raises(CostModelError, match=message):
        load(conv_model((4, 3, 3, 3), (1, 6, 6, 4), code, options))


@pytest.mark.parametrize("taps", [0, -1, 10**9])
def test_windows_out_of_range(load, taps):
    """Empty, negative and enormous windows, also where padding would let them in."""
    model = Model()
    x, y = model.input("x", (1, 8, 8, 3)), model.tensor("y", (1, 8, 8, 3))
    model.add("MAX_POOL_2D", [x], [y], {0: SAME, 1: one(1), 2: one(1), 3: one(taps), 4: one(3)})

    with pytest.raises(NetworkError):
        load(model)


def test_references_out_of_range(load):
    """A tensor index beyond the tensors."""
    model = Model()
    x = model.input("x", (1, 8))
    model.add("RELU", [x], [99])

    with pytest.raises(InputError, match="refers to tensor 99"):
        load(model)


def test_names_are_made_harmless(load):
    """Control characters and markup of a name do not reach a terminal or a page."""
    model = Model()
    x, y = model.input("x\x1b[31m", (1, 8)), model.tensor("<script>alert(1)</script>\x07\u202e", (1, 8))
    model.add("RELU", [x], [y])
    graph = load(model)
    names = graph.table().names[0] + graph.inputs[0].name

    assert not set("<>\x1b\x07\u202e") & set(names)


def test_weights_are_not_read(tmp_path):
    """A file with 64 MB of weights is read as fast as one without: they are mapped, not loaded."""
    model = conv_model((4, 3, 3, 3), (1, 6, 6, 4), "CONV_2D", {0: VALID, 1: one(1), 2: one(1)})
    path = tmp_path / "large.tflite"
    with path.open("wb") as file:
        file.write(model.bytes())
        file.truncate(64_000_000)

    assert totals(tflite_graph(path)) == (112, 3888)
