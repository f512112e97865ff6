"""Real ONNX files: exact counts, names, widths, and equality with networks written by hand."""

from __future__ import annotations

import time
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from costmodel.importers import load_network
from costmodel.importers.onnx import importer, onnx_graph, onnx_network
from costmodel.importers.onnx.wire import model_message

MODELS = Path(__file__).parents[1] / "models" / "onnx"
TRUTH = YAML(typ="safe").load(MODELS / "truth.yaml")["models"]
IDS = [entry["file"] for entry in TRUTH]
LIGHT = [name for name in IDS if name.startswith("light_")]


def path(name):
    """A sample file."""
    return MODELS / f"{name}.onnx"


@cache
def loaded(name):
    """The graph of a sample file."""
    return onnx_graph(path(name))


def total(graph, column):
    """Sum of a column as an integer."""
    return int(graph.table().total(column)[0])


@pytest.mark.parametrize("entry", TRUTH, ids=IDS)
def test_macs_are_exact(entry):
    """MACs equal the published or independently computed ones, to the last."""
    assert entry["macs"] == total(loaded(entry["file"]), "macs")


@pytest.mark.parametrize("entry", TRUTH, ids=IDS)
def test_params_are_exact(entry):
    """Parameters equal those of the framework, minus what the exporter folded away or left out, plus what it added."""
    expected = entry["framework_params"] + sum(entry.get("differs", {}).values())

    assert expected == total(loaded(entry["file"]), "params")


@pytest.mark.parametrize("entry", TRUTH, ids=IDS)
def test_unknown_operations_are_listed(entry):
    """Operations without a model are those that the record names, no more and no fewer."""
    table = loaded(entry["file"]).table()
    found = {op for op, status in zip(table.ops, table.status, strict=True) if status == "unknown"}

    assert set(entry.get("unknown", ())) == found


def test_every_sample_has_a_record():
    """A file without a record would be tested by nobody."""
    assert sorted(file.stem for file in MODELS.glob("*.onnx")) == sorted(IDS)


# ---- an independent count


def weights_of(message):
    """Shapes of constants by name, through ConstantOfShape and Unsqueeze, as the old caffe2 exports have them."""
    shapes = {t["name"]: tuple(t.get("dims", ())) for t in message["initializer"]}
    whole = [t for t in message["initializer"] if t.get("data_type") == 7]
    data = {t["name"]: np.frombuffer(t["raw_data"], np.int64).tolist() for t in whole if "raw_data" in t}
    data |= {t["name"]: _packed(t["int64_data"]) for t in whole if "int64_data" in t}
    for node in message["node"]:
        if node["op_type"] == "ConstantOfShape" and node["input"][0] in data:
            shapes[node["output"][0]] = tuple(data[node["input"][0]])
        if node["op_type"] == "Reshape" and node["input"][0] in shapes:
            shapes[node["output"][0]] = shapes[node["input"][0]]
    return shapes


def _packed(parts):
    """Integers of a repeated field; enough for small positive ones."""
    found = []
    for part in parts:
        if isinstance(part, int):
            found.append(part)
            continue
        value = shift = 0
        for byte in bytes(part):
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                found.append(value)
                value = shift = 0
    return found


@pytest.mark.parametrize("name", LIGHT)
def test_an_independent_count_of_macs_agrees(name):
    """Each convolution has weight elements times output positions; each Gemm, weight elements."""
    message, graph = model_message(path(name))["graph"], loaded(name)
    shapes = weights_of(message)
    products = [shapes[node["input"][1]] for node in message["node"] if node["op_type"] in ("Conv", "Gemm")]
    positions = [prod(layer.outputs[0].shape[2:]) for layer in graph.layers if type(layer.op).__name__ in ("Conv", "Linear")]
    expected = sum(prod(shape) * times for shape, times in zip(products, positions, strict=True))

    assert expected == total(graph, "macs")


@pytest.mark.parametrize("name", LIGHT)
def test_an_independent_count_of_parameters_agrees(name):
    """Each layer has its weight and bias, each batch-norm its scale and shift; Caffe's scale layers come through Unsqueeze."""
    message = model_message(path(name))["graph"]
    shapes = weights_of(message)
    trained = {"Conv": slice(1, 3), "Gemm": slice(1, 3), "BatchNormalization": slice(1, 3), "Unsqueeze": slice(0, 1)}
    read = {name for node in message["node"] for name in node["input"][trained.get(node["op_type"], slice(0, 0))]}

    assert sum(prod(shapes[name]) for name in read) == total(loaded(name), "params")


def test_weights_name_the_layers_of_caffe2():
    """Its nodes have numbers, its weights have names."""
    assert loaded("light_squeezenet").layers[3].name == "fire2/squeeze1x1"


# ---- equal to what people write


@pytest.mark.parametrize(
    ("file", "net"),
    [
        ("squeezenet1_0.dynamo", "squeezenet:version=1.0"),
        ("squeezenet1_1.dynamo", "squeezenet:version=1.1"),
        ("squeezenet1_1.qdq", "squeezenet:version=1.1"),
        ("squeezenet1_1.qop", "squeezenet:version=1.1"),
        ("light_squeezenet", "squeezenet:version=1.1"),
    ],
)
def test_squeezenet_equals_the_one_written_by_hand(file, net):
    """Every convolution has the same MACs, parameters, elements and window, in the same order."""
    columns = ("macs", "params", "weight_elems", "ifmap_elems", "ofmap_elems", *"kcpqrs", "stride_h", "pad_top")
    rows = []
    for graph in (load_network(net), onnx_graph(path(file))):
        table = graph.table()
        convolutions = table.rows([op == "conv" for op in table.ops])
        rows.append([tuple(int(convolutions[column][i, 0]) for column in columns) for i in range(len(convolutions))])

    assert sorted(rows[0]) == sorted(rows[1])
    assert len(rows[0]) == 26


def test_pools_and_free_rows_equal_the_ones_written_by_hand():
    """Pools cost the same, and concats and activations are free by the same rules."""
    tables = [load_network("squeezenet").table(), onnx_graph(path("squeezenet1_0.dynamo")).table()]

    def summary(table):
        keep = ("max_pool", "avg_pool", "concat", "relu")
        return [
            (table.ops[i], table.status[i], table.notes[i], int(table.other_ops[i, 0]), int(table.ifmap_elems[i, 0]))
            for i in range(len(table))
            if table.ops[i] in keep
        ]

    assert sorted(summary(tables[0])) == sorted(summary(tables[1]))


def test_both_exporters_give_equal_convolutions():
    """MobileNetV2 by torch's old and new exporter: the same rows."""
    sizes = []
    for name in ("mobilenet_v2.dynamo", "mobilenet_v2.legacy13"):
        table = onnx_graph(path(name)).table()
        counts = (table.macs[:, 0].tolist(), table.params[:, 0].tolist())
        sizes.append(list(zip(table.ops, table.status, *counts, strict=True)))

    assert sizes[0] == sizes[1]


# ---- shapes


@pytest.mark.parametrize("name", [name for name in IDS if name.endswith(".dynamo")])
def test_shapes_are_those_that_the_exporter_wrote(name, monkeypatch):
    """Torch's new exporter declares every intermediate shape and type: all agree, though none was believed."""
    bodies = []
    run = importer.Importer.run
    monkeypatch.setattr(importer.Importer, "run", lambda self, body, names: (run(self, body, names), bodies.append(body)))
    onnx_graph(path(name))
    scope, declared = bodies[-1].scope, bodies[-1].declared
    expected = {key: (value.shape, value.kind) for key, value in declared.items() if value.shape is not None}

    assert expected == {key: (scope[key].shape, scope[key].kind) for key in expected}
    assert len(expected) > 90


# ---- names


def test_modules_become_groups():
    """A convolution carries the module of its weight, functions that of their module."""
    names = [layer.name for layer in onnx_graph(path("resnet18.dynamo")).layers]

    assert names[:7] == [
        "conv1", "relu", "maxpool", "layer1.0/conv1", "layer1.0.relu/relu_1", "layer1.0/conv2", "layer1.0/add",
    ]  # fmt: skip


def test_modules_of_the_old_exporter():
    """Scopes of node names are joined to module paths."""
    names = [layer.name for layer in onnx_graph(path("mobilenet_v2.legacy13")).layers]

    assert "features.2.conv.1/0" in names
    assert names[-1] == "classifier/1"


def test_quantised_files_have_the_same_modules():
    """Both quantised forms name convolutions like the float file."""
    names = [
        [layer.name for layer in onnx_graph(path(f"squeezenet1_1.{kind}")).layers if type(layer.op).__name__ == "Conv"]
        for kind in ("dynamo", "qdq", "qop")
    ]

    assert sorted(names[0]) == sorted(names[1])
    assert names[0] == names[2]


# ---- stored widths


@pytest.mark.parametrize(("kind", "width"), [("dynamo", 32), ("qdq", 8), ("qop", 8)])
def test_widths_are_those_of_the_file(kind, width):
    """All operands of every convolution, through scales and zero points."""
    network = onnx_network(path(f"squeezenet1_1.{kind}"))
    found = {
        (bits.weight_bits, bits.ifmap_bits, bits.ofmap_bits)
        for layer in network.graph.layers
        if type(layer.op).__name__ == "Conv"
        for bits in [network.widths[layer.name]]
    }

    assert found == {(width, width, width)}


def test_quantised_activations_are_free():
    """Scales between layers cost no traffic; the conversion of the input does."""
    table = onnx_graph(path("squeezenet1_1.qdq")).table()
    counted = [table.names[i] for i in range(len(table)) if table.status[i] == "counted" and table.streamed[i]]

    assert counted == ["x_QuantizeLinear"]


# ---- speed


@pytest.mark.parametrize(("name", "limit_s"), [("resnet50.dynamo", 0.5), ("vit_b_16.dynamo", 0.5), ("swin_t.dynamo", 2.0)])
def test_files_import_in_a_fraction_of_a_second(name, limit_s):
    """The best of three, since machines are shared."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        onnx_graph(path(name)).table()
        times.append(time.perf_counter() - start)

    assert min(times) < limit_s


def test_the_graph_describes_itself():
    """Name from the file, inputs and outputs from the graph."""
    graph = onnx_graph(path("squeezenet1_0.dynamo"))

    assert graph.name == "squeezenet1_0.dynamo"
    assert [(tensor.name, tensor.shape) for tensor in graph.inputs] == [("x", (1, 3, 224, 224))]
    assert [tensor.shape for tensor in graph.outputs] == [(1, 1000)]


def test_metadata_of_the_file():
    """Opset and exporter."""
    network = onnx_network(path("resnet18.dynamo"))

    assert (network.opset, network.producer) == (20, "pytorch")


def test_shapes_can_be_given():
    """Another resolution, where the network allows it."""
    graph = onnx_graph(path("squeezenet1_0.dynamo"), {"x": (1, 3, 227, 227)})

    assert graph.inputs[0].shape == (1, 3, 227, 227)
    assert total(graph, "macs") == total(load_network("squeezenet:input=227"), "macs")
