"""Files that are no networks, and inputs that are not fixed: one clear message each."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.importers.onnx import onnx_graph
from costmodel.importers.onnx.names import clean, dotted
from costmodel.importers.onnx.wire import MODEL, WireError, message, model_message, signed
from tests.unit.onnx_files import encoded, ints, model, node, number, tensor, value, weight

MODELS = Path(__file__).parents[1] / "models" / "onnx"
IMAGE = value("x", 1, 3, 8, 8)
RELU = [node("Relu", "x", "y")]


@pytest.fixture
def write(tmp_path):
    """Write a model or bytes, and give the path."""

    def written(content, name="net.onnx"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else encoded(content))
        return path

    return written


def refusal(path, shapes=None, error=CostModelError):
    """The message of the error that importing raises, which starts with the file and is one line per problem."""
    with pytest.raises(error) as raised:
        onnx_graph(path, shapes)
    text = str(raised.value)
    assert all(problem.startswith(str(path)) for problem in raised.value.problems)
    return text.replace(str(path), "FILE")


# ---- no model at all


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "FILE: is empty; give a complete binary .onnx file"),
        (b"this is not a model at all", "FILE: is a text file, not an ONNX model; give a complete binary .onnx file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "FILE: is a Git LFS pointer, not the model; run `git lfs pull`"),
        (b"PK\x03\x04" + bytes(40), "FILE: is a zip archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "FILE: is an HDF5 file"),
        (b"\x1c\0\0\0TFL3" + bytes(40), "FILE: is a TFLite model"),
        (b"\x89PNG" + bytes(40), "FILE: is a PNG image"),
        (b"\x08\x09", "FILE: is not an ONNX model: it has no graph"),
        (b"\x08", "FILE: is not a complete ONNX model: it ends inside a number"),
        (b"\x3a\xff\xff\xff\xff\x0f", "FILE: is not a complete ONNX model: a field of"),
        (b"\xff" * 30, "FILE: is not a complete ONNX model"),
    ],
)
def test_files_that_are_no_models(write, content, text):
    """Each says what the file seems to be."""
    assert text in refusal(write(content), error=InputError)


def test_files_that_are_not_there(tmp_path):
    """Missing files and directories."""
    assert refusal(tmp_path / "no.onnx") == "FILE: no such file; give a complete binary .onnx file"
    assert "is a directory" in refusal(tmp_path)


def test_a_model_without_nodes_is_refused(write):
    """Nothing to price."""
    assert "it has no nodes" in refusal(write(model([], [IMAGE])))


def test_a_model_that_computes_nothing_is_refused(write):
    """All nodes are constant."""
    assert "computes nothing" in refusal(write(model([node("Constant", "", "y", value=weight("t", 3))], [IMAGE])))


def test_old_opsets_are_refused(write):
    """With the tool that converts them."""
    assert "uses opset 6, older than 7" in refusal(write(model(RELU, [IMAGE], opset=6)), error=InputError)


@pytest.mark.parametrize("opset", [7, 13, 27, 99])
def test_new_opsets_are_read(write, opset):
    """What is known is known in every version."""
    assert len(onnx_graph(write(model(RELU, [IMAGE], opset=opset))).layers) == 1


def test_messages_within_messages_have_an_end(write):
    """A graph within a graph, a thousand times."""
    graph = encoded(model(RELU, [IMAGE]))[2:]
    for _ in range(200):
        inner = b"\x32" + number(len(graph)) + graph
        field = b"\x2a" + number(len(inner)) + inner
        graph = b"\x0a" + number(len(field)) + field

    assert "messages within each other" in refusal(write(b"\x3a" + number(len(graph)) + graph))


# ---- inputs


def test_open_axes_ask_for_a_shape(write):
    """And show what to write."""
    path = write(model(RELU, [value("x", 1, 3, "height", "width")]))

    assert refusal(path, error=InputError) == (
        "FILE: input 'x' has open axes (1x3xheightxwidth); give its shape: --input x=1x3xNxN with a number for each N, "
        "or height wherever it is: --input height=N"
    )
    assert onnx_graph(path, {"x": (1, 3, 32, 16)}).outputs[0].shape == (1, 3, 32, 16)


def test_one_size_for_all_axes_of_a_name(write):
    """Files with many inputs that share axes, such as the caches of a language model."""
    inputs = [value("x", "batch", 3, "time"), value("y", "batch", 3, "time"), value("z", 2, "rows", "time")]
    nodes = [node("Add", "x y", "a"), node("Tanh", "z", "b")]
    path = write(model(nodes, inputs, outputs=[{"name": "a"}, {"name": "b"}]))

    def shapes(given):
        return [tensor.shape for tensor in onnx_graph(path, given).inputs]

    assert shapes({"time": (7,), "z": (2, 5, 7)}) == [(1, 3, 7), (1, 3, 7), (2, 5, 7)]
    assert shapes({"time": [7], "rows": [9], "batch": [4]}) == [(4, 3, 7), (4, 3, 7), (2, 9, 7)]
    assert "input 'z' has open axes (2xrowsx7)" in refusal(path, {"time": (7,)})
    assert "has no input 'rows'" in refusal(path, {"time": (7,), "rows": (1, 2)})
    assert "has no input 'tim'" in refusal(path, {"tim": (7,)})


@pytest.mark.parametrize("shapes", [{"c": (1, 2, 0, 4)}, {"past": (0,)}])
def test_an_empty_input_takes_no_part(write, shapes):
    """A cache of no steps: by its shape, or by the name of its axis."""
    path = write(model([node("Concat", "c x", "y", axis=2)], [value("c", 1, 2, "past", 4), value("x", 1, 2, 3, 4)]))
    graph = onnx_graph(path, shapes)

    assert [t.name for t in graph.inputs] == ["x"]
    assert graph.outputs[0].shape == (1, 2, 3, 4)


@pytest.mark.parametrize("name", ["batch", "N", "batch_size", "BATCH", "bs", "input_batch", "batch-size", "batch_1"])
def test_a_symbolic_batch_is_one(write, name):
    """The batch of the analysis multiplies it later."""
    assert onnx_graph(write(model(RELU, [value("x", name, 3, 8, 8)]))).inputs[0].shape == (1, 3, 8, 8)


@pytest.mark.parametrize("name", ["", "unk__7", "sequence", "time"])
def test_other_symbols_are_not_the_batch(write, name):
    """Nobody says that they are 1."""
    assert "has open axes" in refusal(write(model(RELU, [value("x", name, 3)])))


def test_a_batch_on_another_axis(write):
    """A short name means the batch on the first axis only; a full one everywhere, as in the states of an LSTM."""
    assert "has open axes (3xN)" in refusal(write(model(RELU, [value("x", 3, "N")])))
    assert onnx_graph(write(model(RELU, [value("x", 2, "batch", 5)]))).inputs[0].shape == (2, 1, 5)


def test_inputs_without_shape_ask_for_one(write):
    """The rank is unknown as well."""
    path = write(model(RELU, [{"name": "x", "type": {"tensor_type": {"elem_type": 1}}}]))

    assert "give it: --input x=1x3x224x224" in refusal(path)
    assert onnx_graph(path, {"x": [2, 5]}).outputs[0].shape == (2, 5)


def test_inputs_that_are_no_tensors_are_refused(write):
    """Sequences and maps."""
    assert "which this tool does not read" in refusal(write(model(RELU, [{"name": "x", "type": {}}])))


def test_shapes_of_other_inputs_are_refused(write):
    """With the name that was probably meant."""
    path = write(model(RELU, [value("image", 1, 3), value("x", 1, 3)]))

    assert refusal(path, {"imag": (1, 3)}) == "FILE: has no input 'imag'; did you mean 'image'?; its inputs are image, x"


def test_shapes_of_another_rank_are_refused(write):
    """The file knows the rank."""
    assert "has 4 axes, but its shape is given as 3x8x8" in refusal(write(model(RELU, [IMAGE])), {"x": (3, 8, 8)})


def test_all_problems_are_told_at_once(write):
    """One line each."""
    text = refusal(write(model([node("Add", "a b", "y")], [value("a", 3, "p"), value("b", 3, "q")])))

    assert [line.split(" has")[0] for line in text.splitlines()] == ["FILE: input 'a'", "FILE: input 'b'"]


def test_the_number_of_an_input_without_axes_is_its_value(write):
    """The branch of an If, here on whether the number is 8."""
    branches = {
        name: {"node": [node(op, "x", f"{name}_y")], "output": [{"name": f"{name}_y"}]}
        for name, op in (("then_branch", "Relu"), ("else_branch", "Tanh"))
    }
    nodes = [node("Equal", "rate eight", "same"), node("If", "same", "y", **branches)]
    path = write(model(nodes, [IMAGE, value("rate", kind=6)], [tensor("eight", np.array(8, dtype=np.int32))]))

    for shapes, op in (({"rate": (8,)}, "relu"), ({"rate": (9,)}, "tanh"), (None, "If")):
        assert onnx_graph(path, shapes).table().ops == (op,) if shapes else op in onnx_graph(path).table().ops
    assert refusal(path, {"rate": (10**12,)}) == "FILE: input 'rate' is a number, and its type cannot hold 1000000000000"
    assert "has 0 axes, but its shape is given as 8x8" in refusal(path, {"rate": (8, 8)})


def test_initializers_are_not_inputs(write):
    """Old files list them among the inputs."""
    nodes = [node("Conv", "x w", "y")]
    graph = onnx_graph(write(model(nodes, [IMAGE, value("w", 4, 3, 1, 1)], [weight("w", 4, 3, 1, 1)])))

    assert [tensor.name for tensor in graph.inputs] == ["x"]


# ---- sizes


@pytest.mark.parametrize("size", [0, -1, -(2**40), 10**12, 2**63 - 1])
def test_impossible_sizes_of_inputs_are_refused(write, size):
    """Zero, negative and absurd."""
    text = refusal(write(model(RELU, [value("x", 1, size, 8, 8)])))

    assert ("has open axes (1x?x8x8)" if size == -1 else str(size)) in text


@pytest.mark.parametrize("shape", [(-4, 3, 1, 1), (4, -3, 1, 1)])
def test_negative_sizes_of_weights_are_refused(write, shape):
    """Before anything is computed from them."""
    path = write(model([node("Conv", "x w", "y")], [IMAGE], [weight("w", *shape)]))

    assert f"tensor 'w' has a negative size: {shape}" in refusal(path)


def test_absurd_weights_are_refused(write):
    """A million million channels."""
    path = write(model([node("Conv", "x w", "y")], [IMAGE], [weight("w", 10**12, 3, 1, 1)]))

    assert "FILE: node 'y' (Conv): out_channels must be at most 2147483647" in refusal(path, error=NetworkError)


@pytest.mark.parametrize("op", ["Expand", "Tile"])
def test_absurd_copies_are_refused(write, op):
    """No memory is asked for."""
    path = write(model([node(op, "x s", "y")], [value("x", 1, 1)], [ints("s", 10**12, 10**12)]))

    assert "FILE: node 'y'" in refusal(path) or "64 bits" in refusal(path)


def test_absurd_constants_take_no_memory(write):
    """A constant of a million million elements is a shape."""
    nodes = [node("ConstantOfShape", "s", "c"), node("Range", "a b d", "r"), *RELU]
    bounds = [ints(name, size) | {"dims": []} for name, size in (("a", 0), ("b", 10**12), ("d", 1))]
    constants = [ints("s", 10**6, 10**6), *bounds]

    assert len(onnx_graph(write(model(nodes, [IMAGE], constants))).layers) == 1


# ---- graphs


def test_cycles_are_refused(write):
    """With a node on the cycle."""
    path = write(model([node("Relu", "b", "a"), node("Relu", "a", "b")], [IMAGE]))

    assert "depends on its own output (the graph is cyclic)" in refusal(path)


def test_nodes_out_of_order_are_read(write):
    """Exporters should sort them; not all do."""
    graph = onnx_graph(write(model([node("Tanh", "a", "y"), node("Relu", "x", "a")], [IMAGE], outputs=[{"name": "y"}])))

    assert [layer.name for layer in graph.layers] == ["a", "y"]


def test_missing_values_are_refused(write):
    """With the node that reads them."""
    text = refusal(write(model([node("Add", "x lost", "y", name="sum")], [IMAGE])))

    assert text == (
        "FILE: node 'sum' (Add): reads 'lost', which no input, initializer or node gives; export the model again"
    )


@pytest.mark.parametrize(
    ("made", "constants", "text"),
    [
        (node("Conv", "x w", "y"), [weight("w", 4, 5, 1, 1)], "takes 5 channels, but the input has (1, 3, 8, 8)"),
        (node("Conv", "x w", "y", kernel_shape=[3, 3]), [weight("w", 4, 3, 1, 1)], "kernel_shape (3, 3) differs"),
        (node("Conv", "x w", "y", strides=[0, 1]), [weight("w", 4, 3, 1, 1)], "stride must be at least 1, got 0"),
        (node("Conv", "x w", "y", pads=[1, 1]), [weight("w", 4, 3, 1, 1)], "pads (1, 1) do not fit 2 spatial axes"),
        (node("Conv", "x", "y"), [], "input 1 is missing"),
        (node("Conv", "x w", "y", group="one"), [weight("w", 4, 3, 1, 1)], "attribute group must be an integer, got 'one'"),
        (node("MatMul", "x w", "y"), [weight("w", 5, 4)], "the inner sizes differ: (1, 3, 8, 8) and (5, 4)"),
        (node("Reshape", "x s", "y"), [ints("s", 5, 5)], "cannot reshape (1, 3, 8, 8) into (5, 5)"),
        (node("Reshape", "x s", "y"), [ints("s", -1, -1)], "is not a shape"),
        (node("Transpose", "x", "y", perm=[0, 0, 1, 2]), [], "does not name each of 4 axes once"),
        (node("Concat", "x x", "y", axis=9), [], "axis 9 does not exist in 4 axes"),
        (node("Add", "x b", "y"), [weight("b", 7)], "shapes do not broadcast"),
        (node("Gather", "x i", "y", axis=1), [], "reads 'i', which no input"),
        (node("DepthToSpace", "x", "y", blocksize=0), [], "do not fit together"),
        (node("MaxPool", "x", "y"), [], "do not fit an input"),
        (node("Resize", "x", "y"), [], "needs one constant scale or size per axis"),
        (node("Split", "x", "a b", axis=1, split=[1, 1]), [], "cannot split axis 1"),
    ],
    ids=lambda part: part["op_type"] if isinstance(part, dict) else "",
)
def test_nodes_that_do_not_fit_are_refused(write, made, constants, text):
    """With file, node, operation and sizes."""
    assert text in refusal(write(model([made], [IMAGE], constants)), error=NetworkError)


# ---- names


def test_names_of_any_kind_are_harmless(write):
    """Control characters are written out; HTML stays text, which reports escape."""
    nodes = [node("Relu", "x", "a", name="\x1b[31mred\n\0"), node("Tanh", "a", "y", name="<script>alert(1)</script>")]
    names = [layer.name for layer in onnx_graph(write(model(nodes, [IMAGE]))).layers]

    assert names == [r"\x1b[31mred\n\x00", "<script>alert(1)</script>"]


def test_messages_show_no_control_characters(write):
    """Not even those of inputs."""
    assert "\x1b" not in refusal(write(model([node("Add", "x \x1b[2J", "y")], [IMAGE])))


def test_equal_names_are_numbered(write):
    """Layers have names of their own."""
    nodes = [node("Relu", "x", "a", name="act"), node("Relu", "a", "y", name="act")]

    assert [layer.name for layer in onnx_graph(write(model(nodes, [IMAGE]))).layers] == ["act", "act_2"]


def test_long_names_are_cut():
    """In the middle, where they differ least."""
    assert len(clean("a" * 5000 + "end")) < 130
    assert clean("a" * 5000 + "end").endswith("end")


def test_names_that_are_not_unicode_are_read(write):
    """Broken bytes become replacement characters."""
    path = write(encoded(model([node("Relu", "x", "y", name="NAME")], [IMAGE])).replace(b"NAME", b"N\xffM\xfe"))

    assert len(onnx_graph(path).layers) == 1


@pytest.mark.parametrize(
    ("modules", "path"),
    [(["layer1", "layer1.0", "conv2"], "layer1.0.conv2"), (["a"], "a"), ([], ""), (["ab", "a.b"], "ab.a.b")],
)
def test_module_paths(modules, path):
    """Scopes of node names."""
    assert path == dotted(modules)


# ---- weights


def test_external_data_is_never_opened(write):
    """Wherever it points: what is outside is not looked at, what is missing is not missed."""
    for place in ("/".join([*[".."] * 9, "etc", "passwd"]), "missing.bin", "net.onnx", ""):
        outside = weight("w", 4, 3, 1, 1) | {"data_location": 1, "external_data": [{"key": "location", "value": place}]}
        graph = onnx_graph(write(model([node("Conv", "x w", "y")], [IMAGE], [outside])))

        assert int(graph.table().total("params")[0]) == 12


def test_memory_does_not_grow_with_the_weights(tmp_path):
    """A sparse file of 256 MiB of weights is read in a few hundred kilobytes."""
    size = 1 << 28
    message = model([node("MatMul", "x w", "y")], [value("x", 1, 8192)], [weight("w", 8192, 8192)])
    initializer = encoded(weight("w", 8192, 8192), MODEL[7][1][5][1]) + b"\x4a" + number(size)
    field = b"\x2a" + number(len(initializer) + size) + initializer
    del message["graph"]["initializer"]
    rest = encoded(message["graph"], MODEL[7][1])
    path = tmp_path / "large.onnx"
    head = encoded({"opset_import": message["opset_import"]}) + b"\x3a" + number(len(rest) + len(field) + size)
    with path.open("wb") as file:
        file.write(head + rest + field)
        file.truncate(file.tell() + size)
    tracemalloc.start()
    graph = onnx_graph(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert int(graph.table().total("macs")[0]) == 8192 * 8192
    assert peak < 5_000_000


# ---- the wire format


@pytest.mark.parametrize(("encoded_", "expected"), [(0, 0), (2**63, -(2**63)), (2**64 - 1, -1), (2**63 - 1, 2**63 - 1)])
def test_integers_are_signed(encoded_, expected):
    """Two's complement in 64 bits."""
    assert expected == signed(encoded_)


def test_unknown_fields_are_skipped():
    """Of every wire type, as protocol buffers demand."""
    fields = {0: b"\x05", 1: bytes(8), 2: b"\x01a", 5: bytes(4)}
    extra = b"".join(number(99 << 3 | wire) + content for wire, content in fields.items())

    assert message(memoryview(extra + b"\x08\x09"), MODEL) == {"ir_version": 9}


def test_fields_of_another_type_are_skipped():
    """A text where a number belongs is not a number."""
    assert message(memoryview(b"\x0a\x01a"), MODEL) == {}


@pytest.mark.parametrize("data", [b"\x0b", b"\x80", b"\x0a\x05a", b"\x09abc", b"\x80" * 11 + b"\x01"])
def test_broken_fields_are_errors(data):
    """Groups, and fields that end too early or never."""
    with pytest.raises(WireError):
        message(memoryview(data), MODEL)


def test_lists_may_be_packed_or_not():
    """Both forms hold the same numbers."""
    ints_of = MODEL[7][1][5][1]
    packed, single = b"\x0a\x02\x03\x04", b"\x08\x03\x08\x04"

    assert message(memoryview(packed), ints_of) == message(memoryview(single), ints_of) == {"dims": [3, 4]}


def test_floats_of_attributes_are_read():
    """Packed, four bytes each."""
    attribute_of = MODEL[7][1][1][1][5][1]

    assert message(memoryview(b"\x3a\x08" + struct.pack("<2f", 1.5, -2)), attribute_of) == {"floats": [1.5, -2.0]}


def test_the_decoder_agrees_with_the_onnx_package():
    """Names, operations and shapes of a whole file; only where the package is installed."""
    onnx = pytest.importorskip("onnx", reason="the onnx package is not installed; the importer does not need it")
    path = MODELS / "swin_t.dynamo.onnx"
    theirs, ours = onnx.load(path, load_external_data=False).graph, model_message(path)["graph"]

    assert [(n.name, n.op_type, list(n.input), list(n.output)) for n in theirs.node] == [
        (n.get("name", ""), n["op_type"], n.get("input", []), n.get("output", [])) for n in ours["node"]
    ]
    assert [(t.name, list(t.dims), t.data_type) for t in theirs.initializer] == [
        (t["name"], t.get("dims", []), t["data_type"]) for t in ours["initializer"]
    ]
