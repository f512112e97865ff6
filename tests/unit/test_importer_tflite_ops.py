"""TensorFlow Lite operators one by one: rows, shapes, parameters and MACs worked out by hand, and every message."""

from __future__ import annotations

from functools import partial

import pytest

from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.graph import Graph, StoredWidths
from costmodel.importers.tflite_ops import HANDLERS
from tests.models.tflite.writer import Fields, Ints, Model
from tests.unit.tflite_files import reread, totals

SAME, VALID = ("<b", 0), ("<b", 1)
YES = ("<B", 1)
ACTIVATIONS = {1: "relu", 2: "hardtanh", 3: "relu6", 4: "tanh", 5: "sign"}


def one(value: int) -> tuple[str, int]:
    """An int32 option."""
    return ("<i", value)


def act(kind: int) -> tuple[str, int]:
    """A fused activation."""
    return ("<b", kind)


def x(*shape: int) -> tuple[str, tuple[int, ...]]:
    """An operand that is fed."""
    return ("input", shape)


def w(*shape: int) -> tuple[str, tuple[int, ...]]:
    """An operand that is a constant of unknown values."""
    return ("weight", shape)


def ints(*values: int) -> tuple[str, tuple[int, ...]]:
    """An operand that is a vector of known integers."""
    return ("ints", values)


def scalar(value: int) -> tuple[str, tuple[int, ...]]:
    """An operand that is one known integer."""
    return ("scalar", (value,))


def placed(model: Model, operand: tuple[str, tuple[int, ...]] | None) -> int:
    """Index of the tensor of an operand; None is one left out."""
    if operand is None:
        return -1
    kind, given = operand
    name = f"{kind}{len(model.tensors)}"
    if kind == "input":
        return model.input(name, given)
    if kind == "weight":
        return model.tensor(name, given)
    return model.tensor(name, (len(given),) if kind == "ints" else (), "int32", values=given)


def single(code: str, operands: list, outputs: list, options: dict | None = None) -> Model:
    """A model of one operator."""
    model = Model()
    inputs = [placed(model, operand) for operand in operands]
    made = [model.tensor(f"y{index}", shape) for index, shape in enumerate(outputs)]
    model.add(code, inputs, made, options or {})
    return model


@pytest.fixture
def load(tmp_path):
    """Write a model and read it back."""
    return partial(reread, tmp_path / "net.tflite")


def rows(graph: Graph) -> list[tuple[str, str, bool]]:
    """Operation, status and whether it streams, of every row."""
    table = graph.table()
    return list(zip(table.ops, table.status, map(bool, table.streamed), strict=True))


def others(graph: Graph) -> int:
    """Operations other than MACs."""
    return int(graph.table().total("other_ops")[0])


def shapes(graph: Graph) -> list[tuple[int, ...]]:
    """Shapes of the outputs in the graph: channels behind the batch where windows slide."""
    return [tuple(map(int, tensor.shape)) for tensor in graph.outputs]


# ---- convolutions

CONVOLUTIONS = {
    "same, strides differ": (
        "CONV_2D", [x(1, 9, 7, 3), w(4, 3, 5, 3), w(4)], (1, 3, 4, 4), {0: SAME, 1: one(2), 2: one(3)},
        180 + 4, 3 * 4 * 4 * 45,
    ),
    "valid, strides differ": (
        "CONV_2D", [x(1, 9, 7, 3), w(4, 3, 5, 3)], (1, 3, 2, 4), {0: VALID, 1: one(2), 2: one(3)},
        180, 3 * 2 * 4 * 45,
    ),
    "dilated along the height": (
        "CONV_2D", [x(1, 9, 7, 3), w(4, 3, 5, 3)], (1, 5, 3, 4), {0: VALID, 1: one(1), 2: one(1), 4: one(1), 5: one(2)},
        180, 5 * 3 * 4 * 45,
    ),
    "dilated along the width": (
        "CONV_2D", [x(1, 9, 9, 3), w(4, 3, 3, 3)], (1, 7, 3, 4), {0: VALID, 1: one(1), 2: one(1), 4: one(3)},
        108, 7 * 3 * 4 * 27,
    ),
    "dilated, same": (
        "CONV_2D", [x(1, 9, 9, 3), w(4, 3, 3, 3)], (1, 9, 9, 4), {0: SAME, 1: one(1), 2: one(1), 4: one(4), 5: one(4)},
        108, 81 * 4 * 27,
    ),
    "grouped": (
        "CONV_2D", [x(1, 4, 4, 6), w(4, 1, 1, 3), w(4)], (1, 4, 4, 4), {0: SAME, 1: one(1), 2: one(1)},
        12 + 4, 16 * 4 * 3,
    ),
    "batch of 2": (
        "CONV_2D", [x(2, 4, 4, 6), w(5, 1, 1, 6)], (2, 4, 4, 5), {0: VALID, 1: one(1), 2: one(1)},
        30, 2 * 16 * 30,
    ),
    "window of the whole image": (
        "CONV_2D", [x(1, 4, 5, 2), w(3, 4, 5, 2)], (1, 1, 1, 3), {0: VALID, 1: one(1), 2: one(1)},
        120, 120,
    ),
    "depthwise": (
        "DEPTHWISE_CONV_2D", [x(1, 6, 6, 4), w(1, 3, 3, 4)], (1, 4, 4, 4), {0: VALID, 1: one(1), 2: one(1), 3: one(1)},
        36, 16 * 4 * 9,
    ),
    "depthwise, three per channel": (
        "DEPTHWISE_CONV_2D", [x(1, 6, 6, 4), w(1, 3, 3, 12), w(12)], (1, 3, 3, 12),
        {0: SAME, 1: one(2), 2: one(2), 3: one(3)}, 108 + 12, 9 * 12 * 9,
    ),
    "depthwise, dilated": (
        "DEPTHWISE_CONV_2D", [x(1, 6, 6, 4), w(1, 3, 3, 4)], (1, 2, 4, 4),
        {0: VALID, 1: one(1), 2: one(1), 3: one(1), 5: one(1), 6: one(2)}, 36, 2 * 4 * 4 * 9,
    ),
    "volume": (
        "CONV_3D", [x(1, 4, 6, 8, 2), w(2, 3, 3, 2, 5), w(5)], (1, 3, 4, 3, 5),
        {0: VALID, 1: one(1), 2: one(2), 3: one(1)}, 180 + 5, 3 * 4 * 3 * 5 * 36,
    ),
    "volume, same": (
        "CONV_3D", [x(1, 4, 6, 8, 2), w(2, 3, 3, 2, 5)], (1, 2, 2, 8, 5),
        {0: SAME, 1: one(2), 2: one(1), 3: one(3)}, 180, 2 * 2 * 8 * 5 * 36,
    ),
    "volume, dilated": (
        "CONV_3D", [x(1, 4, 6, 8, 2), w(2, 3, 3, 2, 5)], (1, 2, 4, 2, 5),
        {0: VALID, 1: one(1), 2: one(1), 3: one(1), 5: one(2), 6: one(3), 7: one(1)}, 180, 2 * 4 * 2 * 5 * 36,
    ),
    "transposed, strides differ": (
        "TRANSPOSE_CONV", [ints(1, 9, 8, 5), w(5, 2, 3, 2), x(1, 3, 4, 2), w(5)], (1, 9, 8, 5),
        {0: SAME, 1: one(2), 2: one(3)}, 60 + 5, 3 * 4 * 2 * 5 * 6,
    ),
    "transposed, valid": (
        "TRANSPOSE_CONV", [ints(1, 7, 9, 5), w(5, 3, 3, 2), x(1, 3, 4, 2)], (1, 7, 9, 5),
        {0: VALID, 1: one(2), 2: one(2)}, 90, 3 * 4 * 2 * 5 * 9,
    ),
}  # fmt: skip
"""Code, operands, output in the file's order, options, parameters, MACs."""


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions(load, case):
    """Windows, strides, dilation and groups give the declared output, the weights and their products."""
    code, operands, out, options, params, macs = CONVOLUTIONS[case]
    graph = load(single(code, operands, [out], options))

    assert (params, macs) == totals(graph)
    assert [(out[0], out[-1], *out[1:-1])] == shapes(graph)
    assert [("conv_transpose" if code == "TRANSPOSE_CONV" else "conv", "counted", False)] == rows(graph)


@pytest.mark.parametrize(("padding", "size"), [(SAME, (6, 8)), (VALID, (7, 9))])
def test_transposed_output_that_is_computed(load, padding, size):
    """Where the file holds the output size in no constant, padding and stride say it."""
    operands = [x(4), w(5, 3, 3, 2), x(1, 3, 4, 2)]
    graph = load(single("TRANSPOSE_CONV", operands, [(1, *size, 5)], {0: padding, 1: one(2), 2: one(2)}))

    assert [(1, 5, *size)] == shapes(graph)
    assert totals(graph) == (90, 12 * 90)


@pytest.mark.parametrize(
    ("code", "operands", "out", "options", "name"),
    [
        ("CONV_2D", [x(1, 4, 4, 3), x(2, 1, 1, 3)], (1, 4, 4, 2), {0: VALID, 1: one(1), 2: one(1)}, "CONV_2D"),
        ("DEPTHWISE_CONV_2D", [x(1, 4, 4, 3), x(1, 1, 1, 3)], (1, 4, 4, 3), {0: VALID, 1: one(1), 2: one(1)}, None),
        ("CONV_3D", [x(1, 4, 4, 4, 3), x(1, 1, 1, 3, 2)], (1, 4, 4, 4, 2), {0: VALID}, None),
        ("TRANSPOSE_CONV", [ints(1, 4, 4, 2), x(2, 1, 1, 3), x(1, 4, 4, 3)], (1, 4, 4, 2), {0: VALID}, None),
        ("FULLY_CONNECTED", [x(1, 4), x(2, 2, 4)], (1, 4), {}, None),
        ("SVDF", [x(1, 4), w(6, 4), w(6, 5)], (1, 2), {0: one(4)}, None),
        ("SVDF", [x(1, 4), x(6, 4), w(6, 5)], (1, 3), {0: one(2)}, None),
        ("L2_POOL_2D", [x(1, 4, 4, 3)], (1, 2, 2, 3), {}, None),
        ("IF", [x(1, 4)], (1, 4), {0: one(0), 1: one(7)}, "IF of subgraph main"),
        ("CALL", [x(1, 4)], (1, 4), {0: ("<I", 0)}, "CALL of subgraph main"),
    ],
)
def test_forms_without_a_model(load, code, operands, out, options, name):
    """Weights that are computed and operators nobody models are listed as unknown, with the declared output."""
    graph = load(single(code, operands, [out], options))

    assert [(name or code, "unknown", True)] == rows(graph)
    assert sorted(out) == sorted(shapes(graph)[0])
    assert totals(graph) == (0, 0)


# ---- fused activations

FUSED = {
    "CONV_2D": ([x(1, 4, 4, 3), w(2, 1, 1, 3)], (1, 4, 4, 2), {0: VALID, 1: one(1), 2: one(1)}, 3),
    "DEPTHWISE_CONV_2D": ([x(1, 4, 4, 3), w(1, 1, 1, 3)], (1, 4, 4, 3), {0: VALID, 1: one(1), 2: one(1)}, 4),
    "CONV_3D": ([x(1, 4, 4, 4, 3), w(1, 1, 1, 3, 2)], (1, 4, 4, 4, 2), {0: VALID, 1: one(1), 2: one(1), 3: one(1)}, 4),
    "TRANSPOSE_CONV": (
        [ints(1, 4, 4, 2), w(2, 1, 1, 3), x(1, 4, 4, 3)], (1, 4, 4, 2), {0: VALID, 1: one(1), 2: one(1)}, 3,
    ),
    "FULLY_CONNECTED": ([x(1, 4), w(2, 4)], (1, 2), {}, 0),
    "SVDF": ([x(1, 4), w(6, 4), w(6, 5)], (1, 3), {0: one(2)}, 1),
    "MAX_POOL_2D": ([x(1, 4, 4, 3)], (1, 2, 2, 3), {0: VALID, 1: one(2), 2: one(2), 3: one(2), 4: one(2)}, 5),
    "CONCATENATION": ([x(1, 4), x(1, 5)], (1, 9), {0: one(1)}, 1),
    **{code: ([x(1, 4), x(1, 4)], (1, 4), {}, 0) for code in ("ADD", "SUB", "MUL", "DIV")},
}  # fmt: skip
"""Operands, output, options, and the slot of the activation."""


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("code", FUSED)
def test_fused_activations(load, code, kind):
    """A fused activation is a layer of its own behind its operator, free, with the same output."""
    operands, out, options, slot = FUSED[code]
    plain = load(single(code, operands, [out], options))
    graph = load(single(code, operands, [out], {**options, slot: act(kind)}))

    assert [*rows(plain), (ACTIVATIONS[kind], "free", True)] == rows(graph)
    assert shapes(plain) == shapes(graph)
    assert totals(plain) == totals(graph)


@pytest.mark.parametrize("code", FUSED)
@pytest.mark.parametrize("kind", [-1, 6, 99])
def test_fused_activations_that_do_not_exist(load, code, kind):
    """A code that no activation has."""
    operands, out, options, slot = FUSED[code]

    with pytest.raises(InputError, match=rf"{code}: unknown fused activation {kind}; the file is damaged"):
        load(single(code, operands, [out], {**options, slot: act(kind)}))


# ---- other products

PRODUCTS = {
    "linear": ("FULLY_CONNECTED", [x(3, 8), w(5, 8), w(5)], (3, 5), {}, 45, 3 * 40),
    "linear, no bias": ("FULLY_CONNECTED", [x(3, 8), w(5, 8), None], (3, 5), {}, 40, 3 * 40),
    "linear, axes joined": ("FULLY_CONNECTED", [x(2, 3, 8), w(5, 8)], (6, 5), {}, 40, 6 * 40),
    "linear, image flattened": ("FULLY_CONNECTED", [x(2, 2, 2, 3), w(5, 12)], (2, 5), {}, 60, 2 * 60),
    "linear, axes kept": ("FULLY_CONNECTED", [x(2, 3, 8), w(5, 8)], (2, 3, 5), {2: YES}, 40, 6 * 40),
    "linear of an activation": ("FULLY_CONNECTED", [x(3, 8), x(5, 8)], (3, 5), {}, 0, 3 * 40),
    "matmul": ("BATCH_MATMUL", [x(2, 4, 8), x(2, 8, 5)], (2, 4, 5), {}, 0, 2 * 4 * 8 * 5),
    "matmul, left turned": ("BATCH_MATMUL", [x(2, 8, 4), x(2, 8, 5)], (2, 4, 5), {0: YES}, 0, 2 * 4 * 8 * 5),
    "matmul, both turned": ("BATCH_MATMUL", [x(2, 8, 4), x(2, 5, 8)], (2, 4, 5), {0: YES, 1: YES}, 0, 2 * 4 * 8 * 5),
    "matmul of heads": ("BATCH_MATMUL", [x(1, 3, 4, 8), x(1, 3, 8, 4)], (1, 3, 4, 4), {}, 0, 3 * 4 * 8 * 4),
    "matmul, one for the batch": ("BATCH_MATMUL", [x(2, 4, 8), w(8, 5)], (2, 4, 5), {}, 40, 2 * 4 * 40),
    "matmul, turned constant": ("BATCH_MATMUL", [x(2, 4, 8), w(2, 5, 8)], (2, 4, 5), {1: YES}, 80, 2 * 4 * 40),
    "svdf": ("SVDF", [x(1, 4), w(6, 4), w(6, 5), w(3)], (1, 3), {0: one(2)}, 24 + 30 + 3, 24 + 30),
    "svdf, no bias": ("SVDF", [x(1, 4), w(6, 4), w(6, 5), None], (1, 6), {0: one(1)}, 24 + 30, 24 + 30),
}
"""Code, operands, output, options, parameters, MACs."""


@pytest.mark.parametrize("case", PRODUCTS)
def test_products(load, case):
    """Linear layers, products of activations and SVDF: the output, the weights and their products."""
    code, operands, out, options, params, macs = PRODUCTS[case]
    graph = load(single(code, operands, [out], options))

    assert (params, macs) == totals(graph)
    assert [out] == shapes(graph)
    assert "unknown" not in graph.table().status


@pytest.mark.parametrize(
    ("major", "biased", "params"), [(0, True, 4 * (80 + 64 + 8)), (1, True, 4 * (80 + 64 + 8)), (0, False, 4 * (80 + 64))]
)
def test_lstm_forms(load, major, biased, params):
    """An LSTM of 8 units over 6 steps of 10 features; time may be the first axis."""
    gates = [w(8, 10)] * 4 + [w(8, 8)] * 4 + [None] * 3 + [w(8) if biased else None] * 4
    fed, out = (x(6, 2, 10), (6, 2, 8)) if major else (x(2, 6, 10), (2, 6, 8))
    graph = load(single("UNIDIRECTIONAL_SEQUENCE_LSTM", [fed, *gates], [out], {3: ("<B", major)}))

    assert (params, 2 * 6 * 4 * (80 + 64)) == totals(graph)
    assert [out] == shapes(graph)


@pytest.mark.parametrize("position", [9, 10, 11, 16, 20, 21, 22, 23])
def test_lstm_with_extras(load, position):
    """Peepholes, projection and layer norm have no model and are named."""
    operands = [x(2, 6, 10), *[w(8, 10)] * 4, *[w(8, 8)] * 4, *[None] * 3, *[w(8)] * 4, *[None] * 8]
    operands[position] = w(8, 8) if position == 16 else w(8)
    table = load(single("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [(2, 6, 8)])).table()

    assert table.ops == ("UNIDIRECTIONAL_SEQUENCE_LSTM with projection, peepholes, layer norm or coupled gates",)
    assert table.status == ("unknown",)


def test_lstm_with_coupled_gates(load):
    """Without weights of the input gate, that gate follows the forget gate: no model."""
    operands = [x(2, 6, 10), None, *[w(8, 10)] * 3, *[w(8, 8)] * 4]

    assert load(single("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [(2, 6, 8)])).table().status == ("unknown",)


# ---- rows that stream

UNARY = {
    "RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "hardtanh", "RELU_0_TO_1": "hardtanh", "TANH": "tanh",
    "LOGISTIC": "sigmoid", "HARD_SWISH": "hardswish", "GELU": "gelu", "ELU": "elu", "LEAKY_RELU": "leaky_relu",
    "EXP": "exp", "SQRT": "sqrt", "ABS": "abs", "NEG": "neg", "RSQRT": "rsqrt", "LOG": "log", "SQUARE": "square",
    "FLOOR": "floor", "CEIL": "ceil", "ROUND": "round", "SIN": "sin", "COS": "cos", "SIGN": "sign",
    "LOGICAL_NOT": "not", "QUANTIZE": "quantize", "DEQUANTIZE": "dequantize", "CAST": "cast", "FAKE_QUANT": "fake_quant",
}  # fmt: skip


@pytest.mark.parametrize("code", UNARY)
def test_unary(load, code):
    """One operation per element: a row of its own on an input, free behind a layer that computes."""
    model = Model()
    fed, weight = model.input("x", (1, 4, 4, 3)), model.tensor("w", (2, 1, 1, 3))
    first, middle, y = (model.tensor(name, (1, 4, 4, size)) for name, size in (("a", 3), ("b", 2), ("c", 2)))
    model.add(code, [fed], [first])
    model.add("CONV_2D", [first, weight], [middle], {0: VALID, 1: one(1), 2: one(1)})
    model.add(code, [middle], [y])
    graph = load(model)

    assert [(UNARY[code], "counted", True), ("conv", "counted", False), (UNARY[code], "free", True)] == rows(graph)
    assert [int(count) for count in graph.table().other_ops[:, 0]] == [48, 0, 32]


BINARY = {
    "ADD": "add", "SUB": "sub", "MUL": "mul", "DIV": "div", "ADD_N": "add", "MAXIMUM": "max", "MINIMUM": "min",
    "POW": "pow", "FLOOR_DIV": "div", "FLOOR_MOD": "mod", "SQUARED_DIFFERENCE": "squared_difference", "LESS": "less",
    "LESS_EQUAL": "less_equal", "GREATER": "greater", "GREATER_EQUAL": "greater_equal", "EQUAL": "equal",
    "NOT_EQUAL": "not_equal", "LOGICAL_AND": "and", "LOGICAL_OR": "or", "ATAN2": "atan2", "BITWISE_XOR": "xor",
    "RIGHT_SHIFT": "shift",
}  # fmt: skip


@pytest.mark.parametrize("code", BINARY)
def test_binary(load, code):
    """Two operands: both are read, one operation per element of the output."""
    graph = load(single(code, [x(2, 6), x(1, 6)], [(2, 6)]))
    table = graph.table()

    assert [(BINARY[code], "counted", True)] == rows(graph)
    assert tuple(int(table[name][0, 0]) for name in ("other_ops", "ifmap_elems", "ofmap_elems")) == (12, 18, 12)


@pytest.mark.parametrize(
    ("operands", "out", "params", "other_ops"),
    [
        ([x(1, 4, 5, 3), w(3)], (1, 4, 5, 3), 3, 60),
        ([x(1, 4, 5, 3), w(4, 1, 1)], (1, 4, 5, 3), 4, 60),
        ([x(1, 4, 5, 3), w(1, 4, 5, 1)], (1, 4, 5, 3), 20, 60),
        ([w(4, 5, 3), x(1, 4, 5, 3)], (1, 4, 5, 3), 60, 60),
        ([x(1, 4, 5, 3), w(1, 1, 1, 1)], (1, 4, 5, 3), 0, 60),
        ([scalar(2), x(1, 4, 5, 3)], (1, 4, 5, 3), 0, 60),
        ([x(1, 4, 5, 3), x(1, 1, 1, 3)], (1, 4, 5, 3), 0, 60),
        ([x(1, 4, 5, 3), x(5, 3)], (1, 4, 5, 3), 0, 60),
        ([x(1, 4, 1, 3), x(1, 1, 5, 1)], (1, 4, 5, 3), 0, 60),
        ([x(3), x(4, 3)], (4, 3), 0, 12),
    ],
)
@pytest.mark.parametrize("pooled", [False, True])
def test_broadcasting(load, operands, out, params, other_ops, pooled):
    """Operands meet as NumPy has it in the file's order, also where the graph has channels behind the batch."""
    model = single("MUL", operands, [out])
    if pooled and len(out) == 4:
        last = model.tensor("pooled", out)
        options = {0: SAME, 1: one(1), 2: one(1), 3: one(3), 4: one(3)}
        model.add("MAX_POOL_2D", [model.operators[0].slots[2].values[0]], [last], options)
    graph = load(model)
    table = graph.table()

    assert (params, 0) == totals(graph)
    assert other_ops == sum(int(c) for op, c in zip(table.ops, table.other_ops[:, 0], strict=True) if op == "mul")
    assert [(out[0], out[-1], *out[1:-1]) if pooled and len(out) == 4 else out] == shapes(graph)


@pytest.mark.parametrize(
    ("code", "operands", "out", "op", "other_ops"),
    [
        ("ADD_N", [x(1, 4), x(1, 4), x(1, 4)], (1, 4), "add", 8),
        ("SELECT", [x(1, 4), x(1, 4), x(1, 4)], (1, 4), "select", 8),
        ("SELECT_V2", [x(3, 1), x(1, 4), x(3, 4)], (3, 4), "select", 24),
    ],
)
def test_three_operands(load, code, operands, out, op, other_ops):
    """One operation per element and further operand."""
    graph = load(single(code, operands, [out]))

    assert [(op, "counted", True)] == rows(graph)
    assert (other_ops, [out]) == (others(graph), shapes(graph))


STREAMS = {
    "tile": ("TILE", [x(1, 3), ints(2, 4)], [(2, 12)], {}, "tile", 24),
    "broadcast": ("BROADCAST_TO", [x(1, 3), ints(4, 3)], [(4, 3)], {}, "broadcast_to", 12),
    "reverse": ("REVERSE_V2", [x(2, 3), ints(1)], [(2, 3)], {}, "reverse_v2", 6),
    "mirror": ("MIRROR_PAD", [x(2, 3), ints(0, 0, 1, 1)], [(2, 5)], {}, "mirror_pad", 10),
    "gather nd": ("GATHER_ND", [x(4, 3), ints(1, 2)], [(2, 3)], {}, "gather_nd", 6),
    "arg max": ("ARG_MAX", [x(4, 3), ints(1)], [(4,)], {}, "arg_max", 4),
    "arg min": ("ARG_MIN", [x(4, 3), ints(0)], [(3,)], {}, "arg_min", 3),
    "one hot": ("ONE_HOT", [x(4), scalar(7), scalar(1), scalar(0)], [(4, 7)], {}, "one_hot", 28),
    "running sum": ("CUMSUM", [x(4, 3), scalar(0)], [(4, 3)], {}, "cumsum", 12),
    "top": ("TOPK_V2", [x(2, 9), scalar(3)], [(2, 3), (2, 3)], {}, "topk_v2", 6),
    "update": ("DYNAMIC_UPDATE_SLICE", [x(4, 3), x(1, 3), ints(0, 0)], [(4, 3)], {}, "dynamic_update_slice", 12),
    "scatter": ("SCATTER_ND", [x(2, 1), x(2, 3), ints(5, 3)], [(5, 3)], {}, "scatter_nd", 15),
    "reverse steps": ("REVERSE_SEQUENCE", [x(2, 5, 3), x(2)], [(2, 5, 3)], {}, "reverse_sequence", 30),
    "zeros": ("ZEROS_LIKE", [x(4, 3)], [(4, 3)], {}, "zeros_like", 12),
    "where": ("WHERE", [x(4)], [(4, 1)], {}, "where", 4),
    "gather": ("GATHER", [x(1, 8, 3), ints(0, 2)], [(1, 2, 3)], {0: one(1)}, "gather", 0),
    "gather by an input": ("GATHER", [x(8, 3), x(5)], [(5, 3)], {0: one(0)}, "gather", 0),
    "mean of rows": ("MEAN", [x(2, 6), ints(1)], [(2,)], {}, "mean", 12),
    "mean of the last axis": ("MEAN", [x(2, 6, 3), ints(-1)], [(2, 6)], {}, "mean", 36),
    "sum of an image": ("SUM", [x(1, 4, 4, 8), ints(1, 2)], [(1, 8)], {}, "sum", 128),
    "sum of all": ("SUM", [x(2, 6), ints(0, 1)], [()], {}, "sum", 12),
    "least": ("REDUCE_MIN", [x(2, 6), ints(-1)], [(2, 1)], {0: YES}, "min", 12),
    "product": ("REDUCE_PROD", [x(2, 6), ints(0)], [(6,)], {}, "prod", 12),
    "any": ("REDUCE_ANY", [x(2, 6), ints(0)], [(6,)], {}, "any", 12),
    "all": ("REDUCE_ALL", [x(2, 6), ints(0)], [(6,)], {}, "all", 12),
    "axes that are fed": ("MEAN", [x(2, 6), x(1)], [(2,)], {}, "mean", 12),
    "l2": ("L2_NORMALIZATION", [x(2, 6)], [(2, 6)], {}, "l2_norm", 36),
    "transpose": ("TRANSPOSE", [x(2, 6, 3), ints(2, 0, 1)], [(3, 2, 6)], {}, "transpose", 0),
    "transpose that is fed": ("TRANSPOSE", [x(2, 6), x(2)], [(6, 2)], {}, "transpose", 0),
    "pad rows": ("PAD", [x(2, 6), ints(0, 1, 2, 3)], [(3, 11)], {}, "pad", 0),
    "pad that is fed": ("PAD", [x(2, 6), x(2, 2)], [(3, 11)], {}, "pad", 0),
    "slice that is fed": ("SLICE", [x(2, 6), x(2), ints(1, 3)], [(1, 3)], {}, "slice", 0),
    "strides that are fed": ("STRIDED_SLICE", [x(2, 6), x(2), ints(1, 3), ints(1, 1)], [(1, 3)], {}, "slice", 0),
    "backwards": ("STRIDED_SLICE", [x(2, 6), ints(0, 5), ints(2, -7), ints(1, -1)], [(2, 6)], {}, "reverse", 0),
    "concat": ("CONCATENATION", [x(2, 6), x(2, 1)], [(2, 7)], {0: one(-1)}, "concat", 0),
    "softmax": ("SOFTMAX", [x(2, 6)], [(2, 6)], {}, "softmax", 60),
    "log softmax": ("LOG_SOFTMAX", [x(2, 6)], [(2, 6)], {}, "softmax", 60),
}
"""Code, operands, outputs, options, name of the row, other operations."""


@pytest.mark.parametrize("case", STREAMS)
def test_streams(load, case):
    """Copies, reductions and gathers: one row that reads its operands and writes its outputs once."""
    code, operands, out, options, op, other_ops = STREAMS[case]
    graph = load(single(code, operands, out, options))

    assert [(op, "counted", True)] == rows(graph)
    assert (out, other_ops) == (shapes(graph), others(graph))
    assert totals(graph) == (0, 0)


IMAGES = {
    "mean, flat": ("MEAN", [x(1, 4, 6, 8), ints(1, 2)], (1, 8), {}, (1, 8)),
    "mean, kept": ("MEAN", [x(1, 4, 6, 8), ints(2, 1)], (1, 1, 1, 8), {0: YES}, (1, 8, 1, 1)),
    "mean of rows": ("MEAN", [x(1, 4, 6, 8), ints(1)], (1, 6, 8), {}, (1, 6, 8)),
    "max, kept": ("REDUCE_MAX", [x(1, 4, 6, 8), ints(-3, -2)], (1, 1, 1, 8), {0: YES}, (1, 8, 1, 1)),
    "average": (
        "AVERAGE_POOL_2D", [x(1, 5, 7, 3)], (1, 3, 3, 3), {0: SAME, 1: one(3), 2: one(2), 3: one(3), 4: one(2)},
        (1, 3, 3, 3),
    ),
    "max, valid": (
        "MAX_POOL_2D", [x(1, 5, 7, 3)], (1, 2, 3, 3), {0: VALID, 1: one(2), 2: one(3), 3: one(3), 4: one(2)},
        (1, 3, 2, 3),
    ),
    "bilinear": ("RESIZE_BILINEAR", [x(1, 4, 4, 3), ints(7, 9)], (1, 7, 9, 3), {}, (1, 3, 7, 9)),
    "nearest": ("RESIZE_NEAREST_NEIGHBOR", [x(1, 4, 4, 3), ints(2, 8)], (1, 2, 8, 3), {}, (1, 3, 2, 8)),
    "resize that is fed": ("RESIZE_BILINEAR", [x(1, 4, 4, 3), x(2)], (1, 7, 9, 3), {}, (1, 3, 7, 9)),
    "to space": ("DEPTH_TO_SPACE", [x(2, 3, 5, 18)], (2, 9, 15, 2), {0: one(3)}, (2, 9, 15, 2)),
    "to depth": ("SPACE_TO_DEPTH", [x(2, 9, 15, 2)], (2, 3, 5, 18), {0: one(3)}, (2, 3, 5, 18)),
    "to batch": (
        "SPACE_TO_BATCH_ND", [x(1, 7, 9, 2), ints(2, 3), ints(1, 0, 0, 0)], (6, 4, 3, 2), {}, (6, 4, 3, 2),
    ),
    "from batch": (
        "BATCH_TO_SPACE_ND", [x(6, 4, 3, 2), ints(2, 3), ints(1, 0, 0, 0)], (1, 7, 9, 2), {}, (1, 7, 9, 2),
    ),
    "to batch, sequence": ("SPACE_TO_BATCH_ND", [x(1, 7, 5), ints(2), ints(1, 0)], (2, 4, 5), {}, (2, 4, 5)),
    "blocks that are fed": ("SPACE_TO_BATCH_ND", [x(1, 8, 8, 2), x(2), x(2, 2)], (4, 4, 4, 2), {}, (4, 4, 4, 2)),
    "local response": ("LOCAL_RESPONSE_NORMALIZATION", [x(1, 4, 6, 8)], (1, 4, 6, 8), {0: one(2)}, (1, 8, 4, 6)),
    "pad": ("PAD", [x(1, 4, 6, 3), ints(0, 0, 1, 2, 3, 4, 0, 0)], (1, 7, 13, 3), {}, (1, 3, 7, 13)),
    "pad channels": ("PADV2", [x(1, 4, 6, 3), ints(0, 0, 0, 0, 0, 0, 1, 2)], (1, 4, 6, 6), {}, (1, 4, 6, 6)),
}  # fmt: skip
"""Code, operands, output in the file's order, options, output in the graph."""


@pytest.mark.parametrize("case", IMAGES)
def test_images(load, case):
    """Pooling, interpolation, blocks and padding have no weights and no MACs; shapes by the format's own rules."""
    code, operands, out, options, expected = IMAGES[case]
    graph = load(single(code, operands, [out], options))

    assert [expected] == shapes(graph)
    assert totals(graph) == (0, 0)
    assert "unknown" not in graph.table().status


VIEWS = {
    "reshape": ("RESHAPE", [x(2, 6), ints(3, 4)], [(3, 4)], {}),
    "reshape, rest": ("RESHAPE", [x(2, 6), ints(3, -1)], [(3, 4)], {}),
    "reshape by option": ("RESHAPE", [x(2, 6)], [(4, 3)], {0: Ints("i", (4, -1))}),
    "reshape that is fed": ("RESHAPE", [x(2, 6), x(2)], [(4, 3)], {}),
    "squeeze": ("SQUEEZE", [x(1, 6, 1)], [(6,)], {}),
    "squeeze one": ("SQUEEZE", [x(1, 6, 1)], [(1, 6)], {0: Ints("i", (-1,))}),
    "expand": ("EXPAND_DIMS", [x(2, 6), scalar(1)], [(2, 1, 6)], {}),
    "expand at the end": ("EXPAND_DIMS", [x(2, 6), scalar(-1)], [(2, 6, 1)], {}),
    "slice": ("SLICE", [x(4, 6), ints(1, 0), ints(2, -1)], [(2, 6)], {}),
    "strided": ("STRIDED_SLICE", [x(4, 7), ints(0, 1), ints(4, 7), ints(1, 3)], [(4, 2)], {}),
    "strided, masks": ("STRIDED_SLICE", [x(4, 7), ints(3, 3), ints(1, 5), ints(1, 1)], [(4, 5)], {0: one(3), 1: one(1)}),
    "strided, from the end": ("STRIDED_SLICE", [x(4, 7), ints(-2, 0), ints(4, -1), ints(1, 1)], [(2, 6)], {}),
    "shrunk": ("STRIDED_SLICE", [x(4, 7), ints(-1, 0), ints(0, 7), ints(1, 1)], [(7,)], {4: one(1)}),
    "new axis": ("STRIDED_SLICE", [x(4, 7), ints(0, 0), ints(0, 4), ints(1, 1)], [(1, 4, 7)], {3: one(1)}),
    "ellipsis": ("STRIDED_SLICE", [x(2, 4, 7), ints(0, 2), ints(0, 5), ints(1, 1)], [(2, 4, 3)], {2: one(1)}),
    "split": ("SPLIT", [scalar(1), x(4, 6)], [(4, 2)] * 3, {0: one(3)}),
    "split from the end": ("SPLIT", [scalar(-2), x(4, 6)], [(2, 6)] * 2, {0: one(2)}),
    "split by sizes": ("SPLIT_V", [x(4, 6), ints(1, 2, 3), scalar(1)], [(4, 1), (4, 2), (4, 3)], {0: one(3)}),
    "split, rest": ("SPLIT_V", [x(4, 6), ints(1, -1), scalar(1)], [(4, 1), (4, 5)], {0: one(2)}),
    "unpack": ("UNPACK", [x(4, 2)], [(4,), (4,)], {0: one(2), 1: one(-1)}),
}
"""Code, operands, outputs, options."""


@pytest.mark.parametrize("case", VIEWS)
def test_views(load, case):
    """Operators that only rename elements: free, whatever their number."""
    code, operands, out, options = VIEWS[case]
    graph = load(single(code, operands, out, options))

    assert out == shapes(graph)
    assert {("free", True)} == {row[1:] for row in rows(graph)}
    assert totals(graph) == (0, 0)


@pytest.mark.parametrize(("axis", "out"), [(0, (3, 4, 5)), (1, (4, 3, 5)), (2, (4, 5, 3)), (-1, (4, 5, 3)), (-3, (3, 4, 5))])
def test_pack(load, axis, out):
    """Tensors along a new axis: views, then one concatenation."""
    graph = load(single("PACK", [x(4, 5)] * 3, [out], {0: one(3), 1: one(axis)}))

    assert [out] == shapes(graph)
    assert rows(graph) == [("reshape", "free", True)] * 3 + [("concat", "counted", True)]


@pytest.mark.parametrize(
    ("code", "operands", "out"),
    [("GATHER", [w(9, 4), x(2, 3)], (2, 3, 4)), ("EMBEDDING_LOOKUP", [x(6), w(9, 4)], (6, 4))],
)
def test_embeddings(load, code, operands, out):
    """Rows of a constant table, whichever operand holds it."""
    graph = load(single(code, operands, [out]))

    assert rows(graph) == [("embedding", "counted", True)]
    assert ((36, 0), [out]) == (totals(graph), shapes(graph))


@pytest.mark.parametrize(("slopes", "params"), [(w(3), 3), (w(1, 1, 3), 3), (w(4, 5, 3), 60), (w(1, 1, 1), 1)])
def test_prelu(load, slopes, params):
    """Slopes per channel, per element, or one for all."""
    graph = load(single("PRELU", [x(1, 4, 5, 3), slopes], [(1, 4, 5, 3)]))

    assert (params, 0) == totals(graph)
    assert shapes(graph) == [(1, 3, 4, 5)]


def test_prelu_with_computed_slopes(load):
    """Slopes that are an activation are an operand, not parameters."""
    graph = load(single("PRELU", [x(2, 3), x(3)], [(2, 3)]))

    assert (rows(graph), shapes(graph)) == ([("leaky_relu", "counted", True)], [(2, 3)])
    assert totals(graph) == (0, 0)


# ---- constants


@pytest.mark.parametrize("code", ["DEQUANTIZE", "QUANTIZE", "CAST", "DENSIFY", "FAKE_QUANT"])
def test_constants_in_another_format(load, code):
    """A constant that is converted is the same parameters, of the width that is stored, without a row."""
    model = Model()
    fed, stored = model.input("x", (1, 8), "fp32"), model.tensor("stored", (4, 8), "int4")
    weight = model.tensor("fc", (4, 8), "fp32")
    model.add(code, [stored], [weight])
    model.add("FULLY_CONNECTED", [fed, weight], [model.tensor("y", (1, 4), "fp32")], {})
    graph = load(model)

    assert (rows(graph), totals(graph)) == ([("linear", "counted", False)], (32, 32))
    assert list(graph.stored.values()) == [StoredWidths(4, 32, 32, "fp")]


FOLDS = {
    "ADD": ([ints(1, 2), ints(1, 10)], {}, (2, 12)),
    "SUB": ([ints(4, 8), ints(2, -4)], {}, (2, 12)),
    "MUL": ([ints(1, 6), scalar(2)], {}, (2, 12)),
    "FLOOR_DIV": ([ints(9, 36), ints(4, 3)], {}, (2, 12)),
    "MAXIMUM": ([ints(2, 1), ints(1, 12)], {}, (2, 12)),
    "MINIMUM": ([ints(2, 99), ints(9, 12)], {}, (2, 12)),
    "CAST": ([ints(2, 12)], {}, (2, 12)),
    "RESHAPE": ([ints(2, 12), ints(2)], {}, (2, 12)),
    "SQUEEZE": ([ints(2, 12)], {}, (2, 12)),
    "EXPAND_DIMS": ([scalar(24), scalar(0)], {}, (24,)),
    "PACK": ([scalar(2), scalar(12)], {0: one(2)}, (2, 12)),
    "CONCATENATION": ([ints(2, 3), ints(4)], {}, (2, 3, 4)),
    "GATHER": ([ints(12, 5, 2), ints(2, 0)], {}, (2, 12)),
    "STRIDED_SLICE": ([ints(2, 9, 12), ints(0), ints(3), ints(2)], {}, (2, 12)),
    "SLICE": ([ints(9, 2, 12), ints(1), ints(-1)], {}, (2, 12)),
    "REDUCE_PROD": ([ints(2, 12), ints(0)], {0: YES}, (24,)),
    "SUM": ([ints(20, 4), ints(0)], {0: YES}, (24,)),
    "RANGE": ([scalar(4), scalar(8), scalar(2)], {}, (4, 6)),
    "FILL": ([ints(1), scalar(24)], {}, (24,)),
}
"""Operands, options, the shape that they compute for 24 elements."""


@pytest.mark.parametrize("code", FOLDS)
def test_arithmetic_of_shapes(load, code):
    """Arithmetic on known integers is done while reading; only the reshape is a row."""
    operands, options, out = FOLDS[code]
    model = single(code, operands, [()], options)
    fed, y = model.input("x", (2, 2, 6)), model.tensor("y", out)
    model.add("RESHAPE", [fed, model.operators[0].slots[2].values[0]], [y])
    graph = load(model)

    assert [out] == shapes(graph)
    assert rows(graph) == [("reshape", "free", True)]


def test_rank_is_a_number(load):
    """RANK of anything is known."""
    model = Model()
    fed, rank, y = model.input("x", (1, 2)), model.tensor("r", (), "int32"), model.tensor("y", (2,))
    model.add("RANK", [fed], [rank])
    model.add("RESHAPE", [fed, rank], [y])

    assert shapes(load(model)) == [(2,)]


def test_unpacked_numbers(load):
    """UNPACK of a shape gives its sizes one by one."""
    model = single("UNPACK", [ints(12, 2)], [(), ()], {0: one(2)})
    (high, low), fed = model.operators[0].slots[2].values, model.input("x", (24,))
    shape, y = model.tensor("s", (2,), "int32"), model.tensor("y", (2, 12))
    model.add("PACK", [low, high], [shape], {0: one(2)})
    model.add("RESHAPE", [fed, shape], [y])

    assert shapes(load(model)) == [(2, 12)]


@pytest.mark.parametrize(
    ("code", "operands", "message"),
    [
        ("RANGE", [scalar(0), scalar(10**6), scalar(1)], "RANGE: is not as the format prescribes .range is too long"),
        ("FILL", [ints(10**4, 10**4), scalar(1)], "filled constant is too large"),
        ("RESHAPE", [ints(1, 2, 3), ints(2)], "RESHAPE: is not as the format prescribes"),
        ("SLICE", [ints(1, 2), ints(0, 0), ints(1)], "SLICE: is not as the format prescribes"),
        ("ADD", [ints(1, 2), ints(1, 2, 3)], "ADD: is not as the format prescribes"),
    ],
)
def test_arithmetic_that_fails(load, code, operands, message):
    """Arithmetic that no converter writes is refused, and takes no memory."""
    with pytest.raises(InputError, match=message):
        load(single(code, operands, [()]))


@pytest.mark.parametrize(
    ("code", "shape", "options", "out", "params", "macs"),
    [
        ("CONV_2D", (3, 1, 1, 3), {0: VALID, 1: one(1), 2: one(1)}, (1, 4, 4, 3), 9, 2 * 16 * 9),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 3), {0: SAME, 1: one(1), 2: one(1)}, (1, 4, 4, 3), 27, 2 * 16 * 27),
        ("FULLY_CONNECTED", (48, 48), {}, (1, 48), 2304, 2 * 2304),
    ],
)
def test_shared_buffers(load, code, shape, options, out, params, macs):
    """Operators that read one buffer count its parameters once and their products each."""
    model = Model()
    at = model.input("x", (1, 4, 4, 3) if len(shape) == 4 else (1, 48))
    weight = model.tensor("w0", shape)
    twin = model.tensor("w1", shape, buffer=model.tensors[weight].slots[2][1])
    for name, read in (("a", weight), ("b", twin)):
        y = model.tensor(name, out)
        model.add(code, [at, read], [y], options)
        at = y

    assert (params, macs) == totals(load(model))


SHARING = {
    "PRELU": ([x(1, 4), w(4)], (1, 4), {}, 4, 0),
    "SVDF": ([x(1, 4), w(8, 4), w(8, 5)], (1, 4), {0: one(2)}, 32 + 40, 2 * (32 + 40)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (
        [x(1, 6, 8), *[w(8, 8)] * 8], (1, 6, 8), {}, 8 * 64, 2 * 6 * 8 * 64,
    ),
}  # fmt: skip
"""Operands, output of the size of the input, options, parameters and MACs of two in a row."""


@pytest.mark.parametrize("code", SHARING)
def test_shared_weights(load, code):
    """The other operators with weights count them once, too."""
    operands, out, options, params, macs = SHARING[code]
    model = single(code, operands, [out], options)
    before = model.operators[0].slots
    y = model.tensor("y", out)
    model.add(code, [*before[2].values, *before[1].values[1:]], [y], options)

    assert (params, macs) == totals(load(model))


def test_shared_tables_and_parameters(load):
    """One embedding table read twice and one vector added twice count once each."""
    model = Model()
    table, bias = model.tensor("table", (9, 4)), model.tensor("bias", (4,))
    ends = []
    for name in "ab":
        ids, rows_, y = model.input(name, (3,)), model.tensor(f"{name}r", (3, 4)), model.tensor(f"{name}y", (3, 4))
        model.add("GATHER", [table, ids], [rows_], {})
        model.add("ADD", [rows_, bias], [y], {})
        ends.append(y)
    model.outputs = ends

    assert totals(load(model)) == (36 + 4, 0)


# ---- state


def test_variables(load):
    """A state is read from an input of the graph and written to an output; handles and set-up cost nothing."""
    model = Model()
    model.others = [Fields({4: b"init"})]
    fed, handle = model.input("x", (1, 4)), model.tensor("handle", (), "resource")
    state, joined, y = model.tensor("state", (1, 3)), model.tensor("joined", (1, 7)), model.tensor("y", (1, 4))
    kept, weight = model.tensor("kept", (1, 3)), model.tensor("w", (4, 7))
    model.add("CALL_ONCE", [], [], {0: one(1)})
    model.add("VAR_HANDLE", [], [handle])
    model.add("READ_VARIABLE", [handle], [state])
    model.add("CONCATENATION", [fed, state], [joined], {0: one(1)})
    bounds = [placed(model, ints(*values)) for values in ((0, 4), (1, 3))]
    model.add("SLICE", [joined, *bounds], [kept])
    model.add("ASSIGN_VARIABLE", [handle, kept], [])
    model.add("FULLY_CONNECTED", [joined, weight], [y], {})
    graph = load(model)

    assert [tuple(tensor.shape) for tensor in graph.inputs] == [(1, 4), (1, 3)]
    assert shapes(graph) == [(1, 4), (1, 3)]
    assert totals(graph) == (28, 28)


# ---- messages


@pytest.mark.parametrize(
    ("code", "operands", "out", "options", "message"),
    [
        ("CONV_2D", [x(1, 4, 4, 3)], (1, 4, 4, 2), {}, "CONV_2D: has no input 1; the file is damaged"),
        ("CONV_2D", [x(1, 4, 4, 3), w(2, 3)], (1, 4, 4, 2), {}, r"weights have 2 axes instead of 4: \(2, 3\)"),
        ("CONV_3D", [x(1, 4, 4, 4, 3), w(2, 1, 1, 3)], (1,), {}, "weights have 4 axes instead of 5"),
        ("FULLY_CONNECTED", [x(1, 4), w(4,)], (1, 4), {}, "weights have 1 axes instead of 2"),
        ("SVDF", [x(1, 4), w(4, 4, 1), w(4, 5)], (1, 4), {}, "weights have 3 axes instead of 2"),
        ("CONV_2D", [x(1, 4, 4, 3), w(2, 1, 1, 2)], (1, 4, 4, 2), {0: VALID}, "filters of 2 channels do not divide"),
        ("CONV_2D", [x(1, 4, 4, 3), w(2, 1, 1, 0)], (1, 4, 4, 2), {0: VALID}, "filters of 0 channels do not divide"),
        ("CONV_2D", [x(1, 4, 4, 3), w(2, 70000, 1, 3)], (1, 4, 4, 2), {}, "a window of 70000 taps; the most is 65536"),
        ("DEPTHWISE_CONV_2D", [x(1, 4, 4, 3), w(1, 1, 1, 4)], (1, 4, 4, 4), {1: one(1), 2: one(1)}, "groups 3 do not divide"),
        ("CONV_3D", [x(1, 4, 4, 4, 3), w(1, 1, 1, 3, 2)], (1,), {0: ("<b", 2)}, "padding 2 is neither SAME nor VALID"),
        ("TRANSPOSE_CONV", [x(4), w(2, 1, 1, 3), x(4, 4, 3)], (1,), {}, r"needs \(batch, height, width, channels\)"),
        ("TRANSPOSE_CONV", [x(4), w(2, 1, 1, 3), x(1, 4, 4, 3)], (1,), {0: ("<b", 9)}, "padding 9 is neither"),
        ("FULLY_CONNECTED", [x(1, 7), w(2, 4)], (1, 2), {}, "4 features do not divide the input"),
        ("FULLY_CONNECTED", [x(1, 7), x(2, 4)], (1, 2), {}, "4 features do not divide the input"),
        ("DEPTH_TO_SPACE", [x(1, 4, 4, 4)], (1, 8, 8, 1), {0: one(0)}, "DEPTH_TO_SPACE: block size 0"),
        ("SPACE_TO_DEPTH", [x(1, 4, 4, 4)], (1, 8, 8, 1), {0: one(-2)}, "SPACE_TO_DEPTH: block size -2"),
        ("DEPTH_TO_SPACE", [x(4, 4)], (8, 8), {0: one(2)}, "is not as the format prescribes"),
        ("MAX_POOL_2D", [x(1, 4, 4, 3)], (1,), {3: one(1), 4: one(70000)}, "a window of 70000 taps"),
        ("MAX_POOL_2D", [x(1, 4, 4, 3)], (1,), {0: ("<b", 5)}, "padding 5 is neither SAME nor VALID"),
        ("TILE", [x(1, 4), ints(1, 2)], (1, -1), {}, "output 1x-1 is open in the file and cannot be computed"),
        ("MY_OPERATOR", [x(1, 4)], (-1, -1), {}, "output 1x-1 is open in the file and cannot be computed"),
        ("STRIDED_SLICE", [x(4, 7), *[ints(0, 0, 0)] * 3], (4,), {4: one(7)}, "3 indices for 2 axes; the file is damaged"),
        ("SLICE", [x(4, 7), ints(0), ints(1)], (1,), {}, "1 indices for 2 axes; the file is damaged"),
        ("SLICE", [x(4, 7), ints(0, 0), ints(1)], (1,), {}, "SLICE: is not as the format prescribes"),
        ("SLICE", [x(4, 7), ints(0, 7), ints(4, 1)], (4, 1), {}, "is empty or outside"),
        ("TRANSPOSE", [x(4, 7), ints(0, 0)], (4, 4), {}, r"axes must name each axis once, got \(0, 0\)"),
        ("CONCATENATION", [x(4, 7), x(4, 7)], (8, 7), {0: one(5)}, "axis 5 does not exist"),
        ("CONCATENATION", [x(4, 7), x(5, 6)], (9, 7), {0: one(0)}, "inputs disagree outside axis 0"),
        ("RESHAPE", [x(4, 7), ints(5, 5)], (5, 5), {}, "cannot hold the same elements in"),
        ("ADD", [x(4, 7), x(5, 7)], (4, 7), {}, "inputs do not broadcast"),
        ("BATCH_MATMUL", [x(1, 4, 7), x(1, 6, 5)], (1, 4, 5), {}, "the last axis of the first input must equal"),
        ("RELU", [x(4, 7)], (4, 8), {}, "RELU: gives 4x7, but the file declares 4x8; the file is damaged"),
        ("ADD", [ints(1, 2), ints(3, 4)], (2,), {}, "has no operator that computes anything"),
    ],
)
def test_messages(load, code, operands, out, options, message):
    """What does not fit is refused by one message that names the file and says what is wrong."""
    with pytest.raises(CostModelError, match=message) as caught:
        load(single(code, operands, [out], options))
    assert isinstance(caught.value, (InputError, NetworkError))


def test_every_operator_is_tested():
    """No operator has a handler that the tables of this file leave out."""
    tables = (CONVOLUTIONS, PRODUCTS, STREAMS, IMAGES, VIEWS)
    tested = {case[0] for table in tables for case in table.values()}
    tested |= {*FUSED, *UNARY, *BINARY, "PACK", "PRELU", "EMBEDDING_LOOKUP", "SELECT", "SELECT_V2"}
    tested |= {"UNIDIRECTIONAL_SEQUENCE_LSTM", "READ_VARIABLE", "ASSIGN_VARIABLE", "VAR_HANDLE", "CALL_ONCE"}

    assert {"IF", "WHILE", "CALL"} == HANDLERS.keys() - tested
