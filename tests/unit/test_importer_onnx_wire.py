"""Bytes against hand-made messages, names of layers, free rules, unknown operations, messages of errors."""

from __future__ import annotations

import struct

import pytest

from costmodel.errors import InputError, NetworkError
from costmodel.graph.rows import FOLDED, FUSED, IDENTITY, IN_PLACE, PARAMETER, VIEW
from costmodel.importers.onnx import onnx_graph, onnx_network
from costmodel.importers.onnx.names import LONGEST, MOST_SCOPES, SCOPES, Names, clean, place
from costmodel.importers.onnx.values import node_of
from costmodel.importers.onnx.wire import DEEPEST, WireError, message, model_message, packed, signed, varint
from tests.unit.onnx_files import encoded, ints, model, node, number, value, weight

IMAGE = value("x", 1, 4, 8, 8)
INNER = {1: ("name", "text", False)}
FIELDS = {
    1: ("whole", "int", False), 2: ("wholes", "ints", True), 3: ("part", "float", False), 4: ("parts", "floats", True),
    5: ("text", "text", False), 6: ("texts", "text", True), 7: ("bytes", "view", False), 8: ("views", "view", True),
    9: ("inner", INNER, False), 10: ("inners", INNER, True), 16: ("far", "int", False),
}  # fmt: skip


def decoded(text, schema=FIELDS):
    """The message of bytes in hexadecimal."""
    return message(memoryview(bytes.fromhex(text)), schema)


# ---- numbers of variable length


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00", 0), ("01", 1), ("7f", 127), ("8001", 128), ("ac02", 300), ("ffff03", 65535), ("808080808001", 2**35),
        ("8000", 0), ("ffffffffffffffff7f", 2**63 - 1), ("ffffffffffffffffff01", 2**64 - 1),
    ],
)  # fmt: skip
def test_varints(text, expected):
    """Seven bits per byte, the lowest first; the longest has ten bytes."""
    data = bytes.fromhex(text)

    assert varint(memoryview(data + b"\x55"), 0) == (expected, len(data))
    assert varint(memoryview(b"\xff" + data), 1) == (expected, len(data) + 1)


@pytest.mark.parametrize("value_", [0, 1, -1, 127, 128, -128, 2**31, -(2**31), 2**63 - 1, -(2**63)])
def test_integers_survive_a_round_trip(value_):
    """Negative ones take ten bytes."""
    data = number(value_)

    assert signed(varint(memoryview(data), 0)[0]) == value_
    assert (len(data) == 10) is (value_ < 0)
    assert packed(memoryview(data * 3)) == [value_] * 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("80", "ends inside a number at byte 1"), ("ffffff", "ends inside a number at byte 3"),
        ("80" * 10 + "01", "an integer of more than 64 bits"), ("", "ends inside a number at byte 0"),
    ],
)  # fmt: skip
def test_broken_varints(text, problem):
    """Without an end, or too long."""
    with pytest.raises(WireError, match=problem):
        varint(memoryview(bytes.fromhex(text)), 0)


# ---- fields

MESSAGES = [
    ("", {}),
    ("0896 01", {"whole": 150}),
    ("08ffffffffffffffffff01", {"whole": -1}),
    ("0880808080808080808001", {"whole": -(2**63)}),
    ("0801 0802", {"whole": 2}),
    ("1001 1002 10ffffffffffffffffff01", {"wholes": [1, 2, -1]}),
    ("1203 038e02", {"wholes": [3, 270]}),
    ("1202 0102 1003 1201 04", {"wholes": [1, 2, 3, 4]}),
    ("1200", {"wholes": []}),
    ("1d 0000c03f", {"part": 1.5}),
    ("2208 0000c03f 000000c0", {"parts": [1.5, -2.0]}),
    ("25 0000c03f 25 000000c0", {"parts": [1.5, -2.0]}),
    ("2205 0000c03f 00", {"parts": [1.5]}),
    ("2a02 6869", {"text": "hi"}),
    ("2a00", {"text": ""}),
    ("2a03 61ff62", {"text": "a\ufffdb"}),
    ("2a02 c3a9", {"text": "é"}),
    ("3201 61 3201 62", {"texts": ["a", "b"]}),
    ("3a02 00ff", {"bytes": b"\x00\xff"}),
    ("4201 07 4203 010203", {"views": [b"\x07", b"\x01\x02\x03"]}),
    ("4005 4201 07", {"views": [5, b"\x07"]}),
    ("4a03 0a0161", {"inner": {"name": "a"}}),
    ("4a00", {"inner": {}}),
    ("5203 0a0161 5200", {"inners": [{"name": "a"}, {}]}),
    ("800107", {"far": 7}),
    # fields that the schema does not know, of all four wire types, one of them with a large number
    ("5807 0801", {"whole": 1}),
    ("59 0102030405060708 0801", {"whole": 1}),
    ("5a02 0102 0801", {"whole": 1}),
    ("5d 01020304 0801", {"whole": 1}),
    ("f8ffffff0f 01 0801", {"whole": 1}),
    # known fields of another wire type
    ("0a0161 0801", {"whole": 1}),
    ("0d01020304", {}),
    ("1801", {}),
    ("2801", {}),
    ("4801", {}),
    ("1501020304", {"wholes": []}),
]


@pytest.mark.parametrize(("text", "expected"), MESSAGES)
def test_messages(text, expected):
    """One field after the other; the last of several single ones counts, unknown and foreign ones are skipped."""
    assert decoded(text) == expected


BROKEN = [
    ("08", "ends inside a number at byte 1"),
    ("0880", "ends inside a number at byte 2"),
    ("2a", "ends inside a number at byte 1"),
    ("2a05 6869", "a field of 5 bytes at byte 2, but only 2 are left"),
    ("1d 0000c0", "a field of 4 bytes at byte 1, but only 3 are left"),
    ("59 01020304", "a field of 8 bytes at byte 1, but only 4 are left"),
    ("2affffffffffffffffff01", "a field of 18446744073709551615 bytes"),
    ("0b 0801 0c", "no field can start at byte 1"),
    ("0c", "no field can start at byte 1"),
    ("0e01", "no field can start at byte 1"),
    ("0f01", "no field can start at byte 1"),
    ("1202 0180", "ends inside a number at byte 2"),
    ("4a02 0a05", "a field of 5 bytes at byte 4, but only 0 are left"),
    ("80" * 11, "an integer of more than 64 bits"),
]


@pytest.mark.parametrize(("text", "problem"), BROKEN)
def test_broken_messages(text, problem):
    """Cut fields at every level, groups, and wire types that do not exist."""
    with pytest.raises(WireError, match=problem):
        decoded(text)


@pytest.mark.parametrize(("levels", "fits"), [(1, True), (DEEPEST, True), (DEEPEST + 1, False)])
def test_nesting_has_a_limit(levels, fits):
    """Messages within messages, to the last level that is read."""
    schema = {}
    schema[1] = ("inner", schema, False)
    data = b""
    for _ in range(levels):
        data = b"\x0a" + number(len(data)) + data
    if not fits:
        with pytest.raises(WireError, match=f"more than {DEEPEST} messages within each other"):
            message(memoryview(data), schema)
        return
    found = message(memoryview(data), schema)
    for _ in range(levels):
        found = found["inner"]

    assert found == {}


def test_every_cut_of_a_file_is_refused_or_shorter(tmp_path):
    """A file that ends anywhere gives the whole model, or one message with the file in front."""
    path, data = tmp_path / "net.onnx", encoded(model([node("Relu", "x", "y", name="act")], [IMAGE]))
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"net\.onnx: is ") as raised:
            onnx_graph(path)
        assert "give a complete binary .onnx file" in str(raised.value)
    path.write_bytes(data)

    assert [layer.name for layer in onnx_graph(path).layers] == ["act"]


def test_attributes_of_a_file(tmp_path):
    """All kinds that the encoder writes come back, floats in single precision."""
    attributes = {"alpha": 0.1, "axis": -1, "mode": "linear", "pads": [0, -1, 2**40], "scales": [0.5, 2.0]}
    path = tmp_path / "net.onnx"
    path.write_bytes(encoded(model([node("Magic", "x", "y", **attributes)], [IMAGE])))
    read = node_of(model_message(path)["graph"]["node"][0])

    assert dict(read.attributes) == attributes | {"alpha": struct.unpack("<f", struct.pack("<f", 0.1))[0]}
    assert (read.op, read.inputs, read.outputs) == ("Magic", ("x",), ("y",))


# ---- names


def named(op, name="", inputs=("x",), scopes=None):
    """A node with a name or with torch's scopes."""
    made = node(op, " ".join(inputs), "y") | {"name": name}
    if scopes is not None:
        made["metadata_props"] = [{"key": SCOPES, "value": scopes if isinstance(scopes, str) else str(scopes)}]
    return node_of(made)


PLACES = [
    (named("Relu", "node_relu_1", scopes=["", "features", "features.1", "relu"]), ("features.1", "relu")),
    (named("Relu", "node_relu_1", scopes=["", "relu"]), ("", "node_relu_1")),
    (named("Relu", "node_relu_1", scopes=["relu"]), ("", "node_relu_1")),
    (named("Relu", "n", scopes="not a list"), ("", "n")),
    (named("Relu", "n", scopes=["", "a" * MOST_SCOPES, "relu"]), ("", "n")),
    (named("Relu", "/layer1/layer1.0/relu/Relu"), ("layer1.0.relu", "Relu")),
    (named("Add", "/layer1/layer1.0/Add_1"), ("layer1.0", "Add_1")),
    (named("Relu", "/Relu"), ("", "Relu")),
    (named("Relu", "plain/name"), ("", "plain/name")),
    (named("Relu"), ("", "y")),
    (named("Conv", "c", ("x", "layer1.0.conv2.weight")), ("layer1.0.conv2", "Conv")),
    (named("Conv", "c", ("x", "conv2.weight_quantized")), ("conv2", "Conv")),
    (named("QLinearConv", "c", ("x", "s", "z", "fc.weight_quantized")), ("fc", "QLinearConv")),
    (named("Conv", "c", ("x", "fire2/squeeze1x1_w_0")), ("fire2/squeeze1x1", "Conv")),
    (named("Conv", "c", ("x", "onnx::Conv_193")), ("", "c")),
    (named("Conv", "c", ("x", "weight")), ("", "c")),
    (named("Conv", "c", ("x", "bad-name.weight")), ("", "c")),
    (named("Relu", "r", ("conv.weight",)), ("", "r")),
    (named("Conv", "/conv1/Conv", ("x", "body.conv1.weight")), ("body.conv1", "Conv")),
    (named("Gemm", "g", ("x", "fc.weight"), ["", "head", "addmm"]), ("fc", "Gemm")),
]


@pytest.mark.parametrize(("made", "expected"), PLACES)
def test_places(made, expected):
    """The weight names a product; then come torch's scopes, then the node's own name."""
    assert place(made) == expected


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([named("Conv", "c", ("x", "l.conv.weight")), named("Relu", "/l/relu/Relu")], ["l/conv", "l/relu"]),
        ([named("Relu", "/l/Relu"), named("Relu", "/l/Relu_1")], ["l/Relu", "l/Relu_1"]),
        ([named("Conv", "a", ("x", "l.weight")), named("Add", "/l/Add")], ["l", "l/Add"]),
        ([named("Conv", "a", ("x", "l.weight")), named("Conv", "b", ("x", "l.weight"))], ["l/Conv", "l/Conv"]),
        ([named("Relu", "/l/Relu"), named("Transpose", "/l/Transpose")], ["l", "l"]),
        ([named("Relu", "/l/Relu"), named("Tanh", "/l/l.m/Tanh")], ["l/Relu", "l/m"]),
    ],
    ids=["modules", "shared", "product", "tied", "quiet", "nested"],
)
def test_names_of_layers(nodes, expected):
    """A module that one operation makes up gives it its name; in others each has its own below."""
    names = Names(nodes)

    assert [names.of(made) for made in nodes] == expected
    assert names.of(nodes[0], "outer") == f"outer/{expected[0]}"


def test_clashes_are_numbered():
    """In the order of the file, also where a number is taken."""
    names = Names(())

    found = [names.unique(name) for name in ("a", "a", "a_2", "a", "", "")]

    assert found == ["a", "a_2", "a_2_2", "a_3", "unnamed", "unnamed_2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain/name.0", "plain/name.0"), ("naïve 層", "naïve 層"), ("a\tb\n", r"a\tb\n"), ("\x1b[2J", r"\x1b[2J"),
        ("\x00", r"\x00"), ("a\u202eb", r"a\u202eb"), ("a\u200bb", r"a\u200bb"), ("\x7f", r"\x7f"), ("\x9b", r"\x9b"),
        ("", ""),
        ("a" * LONGEST, "a" * LONGEST), ("a" * LONGEST + "b", "a" * (LONGEST - 20) + "..." + "a" * 15 + "b"),
    ],
)  # fmt: skip
def test_clean_names(text, expected):
    """Control and formatting characters are written out, long names cut in the middle."""
    assert clean(text) == expected


# ---- free rules


@pytest.fixture
def rows(tmp_path):
    """Write a model; operation, status and note of each row."""

    def read(nodes, inputs=(IMAGE,), constants=(), **more):
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(nodes, list(inputs), list(constants), **more)))
        table = onnx_graph(path).table()
        return list(zip(table.ops, table.status, table.notes, strict=True))

    return read


CONV = node("Conv", "x w", "c")
CONSTANTS = [weight("w", 4, 4, 1, 1), *(weight(name, 4) for name in "sbmv"), weight("k", 4, 1, 1), ints("shape", 0, -1)]
CONSTANTS += [ints(name, i) for i, name in enumerate(("zero", "one", "two"))] + [weight("scalar")]
NORM = "c s b m v"
FREE = [
    ([CONV, node("Relu", "c", "y")], "relu", "free", FUSED),
    ([node("Relu", "x", "y")], "relu", "counted", ""),
    ([CONV, node("Relu", "c", "r"), node("Add", "c r", "y")], "relu", "counted", ""),
    ([CONV, node("Neg", "c", "n"), node("Relu", "c", "y")], "relu", "counted", ""),
    ([CONV, node("Clip", "c", "y", min=0.0, max=6.0)], "relu6", "free", FUSED),
    ([CONV, node("Mul", "c k", "y")], "mul", "free", FUSED),
    ([node("Mul", "x k", "y")], "mul", "counted", ""),
    ([CONV, node("Add", "c scalar", "y")], "add", "free", FUSED),
    ([CONV, node("Add", "c x", "y")], "add", "counted", ""),
    ([CONV, node("BatchNormalization", NORM, "y")], "batch_norm", "free", FOLDED),
    ([node("BatchNormalization", "x s b m v", "y")], "batch_norm", "counted", ""),
    ([CONV, node("BatchNormalization", NORM, "n"), node("Add", "c n", "y")], "batch_norm", "counted", ""),
    ([CONV, node("Conv", "x w", "d"), node("Concat", "c d", "y", axis=1)], "concat", "free", IN_PLACE),
    ([CONV, node("Concat", "x c", "y", axis=1)], "concat", "counted", ""),
    ([node("Reshape", "x shape", "y")], "reshape", "free", VIEW),
    ([node("Flatten", "x", "y")], "reshape", "free", VIEW),
    ([node("Unsqueeze", "x zero", "y")], "reshape", "free", VIEW),
    ([node("Squeeze", "x zero", "y")], "reshape", "free", VIEW),
    ([node("Slice", "x zero one one", "y")], "slice", "free", VIEW),
    ([node("Split", "x", "y z", axis=1)], "slice", "free", VIEW),
    ([node("Gather", "x one", "y", axis=1)], "slice", "free", VIEW),
    ([node("Transpose", "x", "y", perm=[1, 0, 2, 3])], "transpose", "counted", ""),
    ([node("Transpose", "x", "y", perm=[0, 2, 3, 1])], "transpose", "counted", ""),
    ([node("Identity", "x", "y")], "identity", "free", IDENTITY),
    ([node("Dropout", "x", "y m")], "dropout", "free", IDENTITY),
    ([node("Add", "x e", "y")], "parameter", "free", PARAMETER),
    ([node("ReduceSum", "x one", "y")], "reduce_sum", "counted", ""),
    ([node("Softmax", "x", "y")], "softmax", "counted", ""),
    ([node("Cast", "x", "y", to=10)], "cast", "counted", ""),
    ([CONV, node("QuantizeLinear", "c scalar", "q"), node("DequantizeLinear", "q scalar", "y")], "quantize", "free", FUSED),
    ([node("QuantizeLinear", "x scalar", "q"), node("DequantizeLinear", "q scalar", "y")], "dequantize", "free", IDENTITY),
]


@pytest.mark.parametrize(("nodes", "op", "status", "note"), FREE)
def test_free_rules(rows, nodes, op, status, note):
    """Each rule where it applies, and the same operation where it does not."""
    constants = [*CONSTANTS, weight("e", 4, 8, 8)]

    assert (op, status, note) in rows(nodes, constants=constants)


# ---- unknown operations


@pytest.mark.parametrize(
    ("made", "op", "note"),
    [
        (node("Loop", "_ _ x", "y"), "Loop", "'Loop' repeats what is within: no products"),
        (node("Magic", "x", "y", domain="acme"), "acme.Magic", "shape of 'acme.Magic' unknown"),
        (node("Conv", "x w", "y", domain="acme"), "acme.Conv", "shape of 'acme.Conv' unknown"),
        (node("Ma\x1bgic", "x", "y"), r"Ma\x1bgic", r"shape of 'Ma\\x1bgic' unknown"),
    ],
    ids=["control-flow", "domain", "known-elsewhere", "control"],
)
def test_unknown_operations(rows, made, op, note):
    """One row with the name and what is not known; a declared shape is believed."""
    assert rows([made], constants=CONSTANTS) == [(op, "unknown", note)]
    declared = rows([made, node("Relu", "y", "z")], constants=CONSTANTS, value_info=[value("y", 1, 2, 3)])
    assert [(row[0], row[1]) for row in declared] == [(op, "unknown"), ("relu", "counted")]


def test_reading_goes_on_behind_unknown_operations(rows):
    """What does not depend on it is counted, what does is unknown."""
    found = rows([node("Magic", "x", "m"), CONV, node("Conv", "m w", "y")], constants=CONSTANTS)

    assert [row[:2] for row in found] == [("Magic", "unknown"), ("conv", "counted"), ("Conv", "unknown")]


@pytest.mark.parametrize("domain", ["", "ai.onnx", "com.microsoft"])
def test_domains_of_known_operations(rows, domain):
    """The standard one by either name, and the runtime's."""
    assert rows([node("Relu", "x", "y", domain=domain)]) == [("relu", "counted", "")]


# ---- messages


@pytest.mark.parametrize(
    ("nodes", "place_", "text"),
    [
        ([node("Conv", "x w", "y", name="a/b")], "node 'a/b' (Conv)", "takes 9 channels"),
        ([node("Conv", "x w", "out") | {"name": ""}], "node 'out' (Conv)", "takes 9 channels"),
        ([node("Relu", "nobody", "y", name="r")], "node 'r' (Relu)", "reads 'nobody', which no input, initializer or node"),
        ([node("Add", "x b", "a", name="p"), node("Neg", "a", "b", name="q")], "node '", "depends on its own output"),
        ([node("Relu", "_", "y", name="r")], "", "r"),
        ([node("Softmax", "x", "y", name="s", axis=7)], "node 's' (Softmax)", "axis 7 does not exist in 4 axes"),
        ([node("Conv", "x w", "y", name="\x1b[31m")], r"node '\\x1b[31m' (Conv)", "takes 9 channels"),
    ],
    ids=["name", "output", "missing", "cycle", "empty", "axis", "control"],
)
def test_messages_of_errors(tmp_path, nodes, place_, text):
    """The file first, then the node by its name or output, then its operation."""
    path = tmp_path / "net.onnx"
    path.write_bytes(encoded(model(nodes, [IMAGE], [weight("w", 4, 9, 1, 1)])))
    with pytest.raises(NetworkError) as raised:
        onnx_graph(path)

    assert str(raised.value).startswith(f"{path}: {place_}")
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("opsets", "expected"),
    [
        ([("", 17)], 17), ([("ai.onnx", 18)], 18), ([("ai.onnx.ml", 3), ("", 13)], 13), ([("ai.onnx.ml", 3)], 0),
        ([("", 9), ("ai.onnx", 21)], 21),
    ],
)  # fmt: skip
def test_opsets(tmp_path, opsets, expected):
    """That of the standard operators, by either name."""
    path = tmp_path / "net.onnx"
    versions = [{"domain": domain, "version": version} for domain, version in opsets]
    path.write_bytes(encoded(model([node("Relu", "x", "y")], [IMAGE]) | {"opset_import": versions}))

    assert onnx_network(path).opset == expected
