"""Parameters here against those of the framework: every difference has a reason, and the reasons sum to the difference."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.errors import InputError
from costmodel.graph import Graph
from costmodel.importers import inventory_of
from costmodel.importers.inventory import (
    BATCH_NORM,
    BIASES,
    CONSTANTS,
    KINDS,
    NORM,
    NOT_TRAINED,
    SCALES,
    STATISTICS,
    TRAINED,
    UNKNOWN,
    UNUSED,
    WEIGHTS,
    ZERO_POINTS,
    Inventory,
    Stored,
)
from costmodel.importers.keras_inventory import ADAPTED
from costmodel.importers.onnx.inventory import INSIDE, PACKED
from costmodel.importers.tflite_inventory import TOGETHER
from costmodel.importers.torch_inventory import UNREAD, torch_inventory
from costmodel.reconciliation import UNEXPLAINED, reconciliation_of
from costmodel.report import html_table, render
from tests.models.tflite.writer import Fields, Ints, Model
from tests.unit.onnx_files import encoded, ints, model, node, tensor, value, weight
from tests.wheels.records import records

MODELS = Path(__file__).parents[1] / "models"
COPIES = [record for record in records() if record.copy]
SHAPES = {
    "mobilenet_v3_small_int8": {"keras_tensor_196": (1, 224, 224, 3)},
    "melspectrogram": {"input": (1, 1760)},
}
FILES = sorted(path for suffix in ("onnx", "tflite", "keras") for path in (MODELS / suffix).glob(f"*.{suffix}"))


def counts(reconciled):
    """Return what each side counts, by kind and reason."""
    return {(line.kind, line.why): (line.framework_params, line.params) for line in reconciled.lines}


@pytest.fixture
def onnx(tmp_path):
    """Return a function from nodes, inputs and constants to the reconciliation of a file."""

    def load(*arguments, **more):
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(*arguments, **more)))
        return cm.reconcile(path)

    return load


@pytest.fixture
def tflite(tmp_path):
    """Return a function from a model to the reconciliation of its file."""

    def load(net):
        path = tmp_path / "net.tflite"
        path.write_bytes(net.bytes())
        return cm.reconcile(path)

    return load


# ---- every sample file


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_parameter_of_every_file_is_accounted_for(path):
    """The lines sum to what the analysis reports; a line has a reason exactly where the two sides differ."""
    found = cm.reconcile(path, inputs=SHAPES.get(path.stem))

    assert found.unexplained == 0
    assert found.params == int(cm.load_network(path, SHAPES.get(path.stem)).table().total("params")[0])
    assert all(bool(line.why) == (line.framework_params != line.params) for line in found.lines)
    difference = sum(line.params - line.framework_params for line in found.differences)
    assert found.params - found.framework_params == difference


@pytest.mark.parametrize("record", COPIES, ids=[record.name for record in COPIES])
def test_files_that_nobody_here_wrote_are_accounted_for(record):
    """Models of wheels on PyPI: branches, state and operations of all kinds."""
    found = cm.reconcile(MODELS / record.copy, inputs=record.inputs or None)

    assert found.unexplained == 0
    assert all(bool(line.why) == (line.framework_params != line.params) for line in found.lines)


KERAS_PRINTS = {
    "attention": 9_272, "cnn": 4_146, "convnext_tiny": 28_589_128, "mobilenet_v3_small": 2_554_968, "nested": 153,
    "recurrent": 7_948, "sequential": 13_610, "video": 766,
}  # fmt: skip
"""What ``model.count_params()`` of Keras 3.15.1 gives; see tests/models/keras/PROVENANCE.md."""


@pytest.mark.parametrize("name", KERAS_PRINTS)
def test_the_total_of_keras_is_what_keras_prints(name):
    """Moving statistics included; that is all the two differ in."""
    found = cm.reconcile(MODELS / "keras" / f"{name}.keras")

    assert found.framework_params == KERAS_PRINTS[name]
    assert {line.kind for line in found.differences} <= {STATISTICS}


def test_quantised_onnx():
    """SqueezeNet 1.1 in QDQ form: biases are stored in 4 bytes, scales and zero points are initializers."""
    found = cm.reconcile(MODELS / "onnx" / "squeezenet1_1.qdq.onnx")
    stored = {line.kind: (line.elems, line.stored_bytes) for line in found.lines}

    assert stored[WEIGHTS] == (1_231_552, 1_231_552)
    assert stored[BIASES] == (3_944, 4 * 3_944)
    assert (found.framework_params, found.params) == (1_251_346, 1_235_496)
    assert {line.kind for line in found.differences} == {SCALES, ZERO_POINTS, CONSTANTS}


# ---- ONNX, initializer by initializer

GEMM = (node("Gemm", "x w b", "y", transB=1), [value("x", 1, 8)])


def test_initializers_of_every_kind(onnx):
    """A convolution, its normalisation, a layer normalisation, a slope, a shape, a scalar, and one that nobody reads."""
    nodes = [
        node("Conv", "x w b", "c"), node("BatchNormalization", "c s t m v", "n"), node("PRelu", "n slope", "p"),
        node("Reshape", "p shape", "r"), node("LayerNormalization", "r ls lb", "l"), node("Mul", "l half", "y"),
    ]  # fmt: skip
    constants = [
        weight("w", 4, 3, 1, 1), weight("b", 4), *(weight(name, 4) for name in "stmv"), weight("slope", 4, 1, 1),
        ints("shape", 1, 4, 4), weight("ls", 4), weight("lb", 4), tensor("half", np.float32(0.5)), weight("orphan", 7),
    ]  # fmt: skip
    found = onnx(nodes, [value("x", 1, 3, 2, 2)], constants)

    assert counts(found) == {
        (WEIGHTS, ""): (12, 12),
        (BIASES, ""): (4, 4),
        (BATCH_NORM, ""): (8, 8),
        (STATISTICS, NOT_TRAINED[STATISTICS]): (8, 0),
        (NORM, ""): (8, 8),
        (TRAINED, ""): (4, 4),
        (CONSTANTS, NOT_TRAINED[CONSTANTS]): (4, 0),
        (UNUSED, NOT_TRAINED[UNUSED]): (7, 0),
    }
    assert [line.kind for line in found.lines] == [kind for kind in KINDS if kind not in (SCALES, ZERO_POINTS)]
    assert found.unexplained == 0


def test_tensors_are_seen_through_what_leaves_them_as_they_are(onnx):
    """Weights behind Transpose and DequantizeLinear, a bias behind Identity; the scale is one of quantisation."""
    nodes = [
        node("DequantizeLinear", "q s", "d"), node("Transpose", "d", "t"), node("Identity", "b", "i"),
        node("Gemm", "x t i", "y"),
    ]  # fmt: skip
    constants = [weight("q", 4, 8, kind=3), tensor("s", np.float32(0.1)), weight("b", 4)]
    found = onnx(nodes, GEMM[1], constants)

    assert counts(found) == {(WEIGHTS, ""): (32, 32), (BIASES, ""): (4, 4), (SCALES, NOT_TRAINED[SCALES]): (1, 0)}
    assert [line.stored_bytes for line in found.lines] == [32, 16, 4]


def test_a_bias_that_is_added_behind_a_product(onnx):
    """Exporters of torch write a linear layer as MatMul and Add."""
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "y")]

    assert counts(onnx(nodes, GEMM[1], [weight("w", 8, 4), weight("b", 4)])) == {(WEIGHTS, ""): (32, 32), (BIASES, ""): (4, 4)}


def test_a_shared_initializer_counts_once(onnx):
    """Two products with one matrix: the framework and costmodel count it once, and the report says so."""
    nodes = [node("MatMul", "x w", "h"), node("MatMul", "h w", "y")]
    found = onnx(nodes, GEMM[1], [weight("w", 8, 8)])

    assert (found.framework_params, found.params, found.lines[0].shared) == (64, 64, 1)
    assert "1 tensor read by several layers, and stored once." in render(found)


def test_packed_weights(onnx):
    """Two weights of 4 bits in a byte: 256 bytes hold 512 parameters."""
    made = node("MatMulNBits", "x w s", "y", domain="com.microsoft", N=16, K=32, bits=4, block_size=32)
    found = onnx([made], [value("x", 1, 32)], [weight("w", 16, 1, 16, kind=2), weight("s", 16)])

    assert counts(found) == {(WEIGHTS, PACKED): (256, 512), (SCALES, NOT_TRAINED[SCALES]): (16, 0)}
    assert found.lines[0].stored_bytes == 256


def test_constants_within_nodes(onnx):
    """A weight in a Constant node is a parameter that counting initializers misses."""
    nodes = [node("Constant", "", "w", value=weight("w", 8, 4)), node("MatMul", "x w", "y")]
    found = onnx(nodes, GEMM[1])

    assert counts(found) == {(WEIGHTS, INSIDE): (0, 32)}
    assert found.lines[0].stored_bytes is None


def test_weights_of_an_unknown_operation(onnx):
    """Known by their position, but what has no model counts nothing."""
    nodes = [node("Relu", "x", "h"), node("Einsum", "h w v", "y", equation="ij,jk,kl->il")]
    found = onnx(nodes, GEMM[1], [weight("w", 8, 4), weight("v", 4, 2)], [value("y", 1, 2)])

    assert counts(found) == {(WEIGHTS, UNKNOWN): (32, 0), (CONSTANTS, NOT_TRAINED[CONSTANTS]): (8, 0)}
    assert found.unexplained == 0


def test_a_graph_within_reads_an_initializer(onnx):
    """The branch that a constant condition takes uses a weight of the graph around it: not unused."""
    branch = {"node": [node("MatMul", "x w", "y")], "output": [{"name": "y"}], "name": "then"}
    nodes = [node("If", "c", "z", then_branch=branch, else_branch=branch)]
    found = onnx(nodes, GEMM[1], [weight("w", 8, 4), tensor("c", np.array(True))])

    assert found.unexplained == 0
    assert counts(found)[TRAINED, ""] == (32, 32)


# ---- TFLite, buffer by buffer


def dense(net, x, name, features, outputs, *, kind="int8", **weights):
    """Add a fully connected layer; gives its output."""
    w = net.tensor(f"{name}_w", (outputs, features), kind, **weights)
    b = net.tensor(f"{name}_b", (outputs,), "int32" if kind == "int8" else kind)
    y = net.tensor(name, (1, outputs), "int8")
    net.add("FULLY_CONNECTED", [x, w, b], [y], {})
    return y


def test_constants_of_a_buffer_count_once(tflite):
    """Two layers with one matrix; their biases are their own."""
    net = Model()
    x = net.input("x", (1, 8))
    y = dense(net, x, "a", 8, 8)
    dense(net, y, "b", 8, 8, buffer=2)  # 1 is the input's, 2 the first matrix
    found = tflite(net)

    assert counts(found) == {(WEIGHTS, ""): (64, 64), (BIASES, ""): (16, 16)}
    assert [line.stored_bytes for line in found.lines] == [64, 64]
    assert [line.shared for line in found.lines] == [1, 0]


def test_biases_that_a_converter_put_together(tflite):
    """Equal biases in one buffer belong to two layers, as parameters they are two."""
    net = Model()
    y = dense(net, net.input("x", (1, 8)), "a", 8, 8)
    w, b = net.tensor("w", (8, 8)), net.tensor("b", (8,), "int32", buffer=3)
    net.add("FULLY_CONNECTED", [y, w, b], [net.tensor("z", (1, 8))], {})
    found = tflite(net)

    assert counts(found) == {(WEIGHTS, ""): (128, 128), (BIASES, TOGETHER): (8, 16)}
    assert found.params - found.framework_params == 8


def test_half_precision_behind_dequantize(tflite):
    """The constant is the weight, stored in two bytes."""
    net = Model()
    x, half = net.input("x", (1, 8), "fp32"), net.tensor("half", (4, 8), "fp16")
    w = net.tensor("w", (4, 8), "fp32")
    net.add("DEQUANTIZE", [half], [w])
    net.add("FULLY_CONNECTED", [x, w], [net.tensor("y", (1, 4), "fp32")], {})
    found = tflite(net)

    assert [(line.kind, line.params, line.stored_bytes) for line in found.lines] == [(WEIGHTS, 32, 64)]


def test_scales_and_zero_points_stand_beside_the_tensors(tflite):
    """They are in no buffer, so that neither side counts them; the table shows how many there are."""
    net = Model()
    dense(net, net.input("x", (1, 8)), "a", 8, 4)
    net.tensors[1].slots[4] = Fields({2: Ints("f", (0.1,) * 4), 3: Ints("q", (0,) * 4)})
    net.tensors[0].slots[4] = Fields({2: Ints("f", (0.5,)), 3: Ints("q", (3,))})
    found = tflite(net)
    lines = {line.kind: line for line in found.lines}

    assert (lines[SCALES].elems, lines[SCALES].stored_bytes) == (5, 20)
    assert (lines[ZERO_POINTS].elems, lines[ZERO_POINTS].stored_bytes) == (5, 40)
    assert found.framework_params == found.params == 36


def test_shapes_and_what_a_custom_operator_reads(tflite):
    """Neither is a parameter."""
    net = Model()
    x = net.input("x", (1, 8))
    y, odd = net.tensor("y", (1, 2, 4)), net.tensor("odd", (5,))
    net.add("RESHAPE", [x, net.tensor("shape", (3,), "int32", values=(1, 2, 4))], [y])
    net.add("Mystery", [y, odd], [net.tensor("z", (1, 2, 4))])

    assert counts(tflite(net)) == {(CONSTANTS, NOT_TRAINED[CONSTANTS]): (8, 0)}


# ---- Keras, from the configuration


def keras_layer(kind, **config):
    """A layer as Keras writes it, built on 8 x 8 pictures of three channels."""
    return {"module": "keras.layers", "class_name": kind, "config": config, "build_config": {"input_shape": [None, 8, 8, 3]}}


def keras_file(path, *layers):
    """Write a Sequential model."""
    given = keras_layer("InputLayer", name="image", batch_shape=[None, 8, 8, 3])
    entry = {"module": "keras", "class_name": "Sequential", "config": {"name": "net", "layers": [given, *layers]}}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(entry))
    return path


@pytest.mark.parametrize(
    ("config", "measured"),
    [({"axis": [-1], "mean": None}, 7), ({"axis": -1, "mean": None}, 7), ({"axis": [], "mean": None}, 3), ({"mean": 1.0}, 0)],
)
def test_what_keras_measures(tmp_path, config, measured):
    """Mean, variance and count of Normalization, as Keras 3.15.1 counts them; none where they are given."""
    convolution = keras_layer("Conv2D", name="conv", filters=2, kernel_size=[3, 3], strides=[1, 1], padding="valid")
    layers = [keras_layer("Normalization", name="norm", **config), convolution]
    found = cm.reconcile(keras_file(tmp_path / "net.keras", *layers))

    assert found.framework_params - found.params == measured
    assert (CONSTANTS, ADAPTED) in counts(found) or not measured


def test_batch_norm_that_only_shifts(tmp_path):
    """Without scale a channel has one trained parameter, and still two statistics."""
    layer = keras_layer("BatchNormalization", name="bn", axis=-1, scale=False, center=True)
    found = cm.reconcile(keras_file(tmp_path / "net.keras", layer))

    assert counts(found) == {(BATCH_NORM, ""): (3, 3), (STATISTICS, NOT_TRAINED[STATISTICS]): (6, 0)}


# ---- networks without a file


def test_a_network_by_hand():
    """Per layer from the graph; a shared layer counts once, statistics are named and counted by nobody."""
    graph = Graph("net")
    x = graph.conv("conv", graph.input("x", (1, 3, 8, 8)), 4, 3, padding=1)
    x = graph.batch_norm("bn", x)
    x = graph.linear("fc2", graph.linear("fc", graph.layer_norm("ln", x), 8), 8, share="fc")
    graph.add("sum", x, graph.parameter("position", (1, 1, 8, 8)))
    found = cm.reconcile(graph)

    assert counts(found) == {
        (WEIGHTS, ""): (108 + 64, 108 + 64),
        (BIASES, ""): (4 + 8, 4 + 8),
        (BATCH_NORM, ""): (8, 8),
        (STATISTICS, ""): (0, 0),
        (NORM, ""): (16, 16),
        (TRAINED, ""): (64, 64),
    }
    assert {line.kind: line.elems for line in found.lines}[STATISTICS] == 8
    assert found.unexplained == 0


def test_the_networks_that_ship():
    """AlexNet of the paper: 60,965,224 parameters, 10,568 of them biases."""
    assert [(line.kind, line.params) for line in cm.reconcile("alexnet").lines] == [(WEIGHTS, 60_954_656), (BIASES, 10_568)]


def test_recurrent_layers_have_their_biases_apart():
    """An LSTM of 4 on 8 features: 4 x 4 x (8 + 4) weights and two biases per gate."""
    graph = Graph("net")
    graph.lstm("rnn", graph.input("x", (1, 3, 8)), 4)

    assert {line.kind: line.params for line in cm.reconcile(graph).lines} == {WEIGHTS: 192, BIASES: 32}


def test_a_design_space_is_refused():
    """One network is reconciled, not many."""
    graph = Graph("net")
    graph.linear("fc", graph.input("x", (1, 8)), np.array([2, 4]))
    with pytest.raises(InputError, match="net: carries 2 design points; reconcile takes one network"):
        cm.reconcile(graph)


def test_errors_are_those_of_loading(tmp_path):
    """A file that cannot be read, and inputs that are not by name."""
    broken = tmp_path / "net.onnx"
    broken.write_bytes(b"")
    with pytest.raises(cm.CostModelError, match=r"net\.onnx"):
        cm.reconcile(broken)
    with pytest.raises(InputError, match="inputs are shapes by name"):
        inventory_of(FILES[0], [(1, 3, 8, 8)])


# ---- PyTorch


def test_a_module_of_torch():
    """Its total is the sum over parameters(); tied ones count once, buffers never, and what is not read is said."""
    torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "nn-costmodel[torch]"')
    nn = torch.nn

    class Net(nn.Module):
        """A bit of everything."""

        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.first, self.second, self.norm = nn.Linear(6, 6), nn.Linear(6, 6), nn.LayerNorm(6)
            self.second.weight = self.first.weight
            self.scale, self.idle = nn.Parameter(torch.ones(6)), nn.Linear(5, 5)
            self.register_buffer("table", torch.ones(11))

        def forward(self, x):
            return self.norm(self.second(self.first(self.bn(self.conv(x))))) * self.scale

    module = Net()
    found = cm.reconcile(module, inputs=[(1, 3, 8, 8)])

    assert found.framework_params == sum(p.numel() for p in module.parameters())
    assert counts(found) == {
        (WEIGHTS, ""): (108 + 36, 108 + 36),
        (WEIGHTS, UNREAD): (25, 0),
        (BIASES, ""): (4 + 6 + 6, 4 + 6 + 6),
        (BIASES, UNREAD): (5, 0),
        (BATCH_NORM, ""): (8, 8),
        (STATISTICS, ""): (0, 0),
        (NORM, ""): (12, 12),
        (TRAINED, ""): (6, 6),
        (CONSTANTS, ""): (0, 0),
    }
    assert found.unexplained == 0
    assert sum(line.shared for line in found.lines) == 1
    elems = {line.kind: (line.elems, line.stored_bytes) for line in found.lines}
    assert elems[STATISTICS] == (8, 32)
    assert elems[CONSTANTS] == (11 + 1, 11 * 4 + 8)  # num_batches_tracked is one int64
    assert torch_inventory(module, (1, 3, 8, 8)).framework == "PyTorch"


# ---- what is printed


@pytest.fixture
def odd():
    """Return a reconciliation with everything: a kind of unknown size, one that nobody counts, something unexplained."""
    graph = Graph("odd")
    graph.linear("fc", graph.input("x", (1, 9)), 1, bias=False)
    tensors = (
        Stored("w", WEIGHTS, 6, 4, 6, 6), Stored("s", SCALES, 2, 32, 2, 0, "not trained"), Stored("c", CONSTANTS, 3, 0, 0, 0),
    )  # fmt: skip
    return reconciliation_of(Inventory(graph, "Caffe", "what it says", tensors))


def test_what_is_not_explained_is_an_alarm(odd):
    """9 parameters reported, 6 found: 3 are a line of their own, never hidden in another."""
    assert (odd.framework_params, odd.params, odd.unexplained) == (8, 9, 3)
    line = next(line for line in render(odd, "md").splitlines() if UNEXPLAINED in line)
    assert [cell.strip(" *") for cell in line.split("|")[1:-1]] == ["no tensor", "", "", "", "", "3", UNEXPLAINED]


def test_the_table(odd):
    """Bytes of packed elements round up; a total of bytes only where all are known; the verdict in words."""
    text = render(odd, "text", width=120)

    assert [line.stored_bytes for line in odd.lines] == [3, 8, None]
    assert "odd: parameters, reconciled with Caffe" in text
    assert "By Caffe: what it says." in text
    assert "9 parameters here, 1 more than the 8 by Caffe." in text
    total = next(line for line in text.splitlines() if line.startswith("total"))
    assert total.split() == ["total", "3", "11", "-", "8", "9"]
    assert repr(odd).startswith("odd: parameters")


def test_equal_totals_in_words():
    """Nothing to explain."""
    assert "Both count 1,248,424 parameters." in render(cm.reconcile("squeezenet"))


def test_data_of_a_reconciliation(odd):
    """JSON has the whole, CSV and the frame one row per line."""
    data = json.loads(render(odd, "json"))
    rows = list(csv.DictReader(io.StringIO(render(odd, "csv"))))

    assert (data["framework_params"], data["params"], data["unexplained"]) == (8, 9, 3)
    assert [line["kind"] for line in data["lines"]] == [row["kind"] for row in rows] == list(odd.to_frame()["kind"])
    assert rows[2]["stored_bytes"] == ""
    assert (rows[1]["network"], rows[1]["framework"], rows[1]["why"]) == ("odd", "Caffe", "not trained")


def test_names_of_tensors_do_not_act_on_a_page(onnx):
    """Names of a file never reach the table, and the network's is escaped."""
    found = onnx(*GEMM[:0], [GEMM[0]], GEMM[1], [weight("w<b>", 4, 8), weight("w", 4, 8), weight("b", 4)])

    assert "<b>" not in html_table(found)
    assert "<table" in html_table(found)


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_the_option(fmt):
    """In text and Markdown beside the layers, in JSON under a key of its own, in CSV instead of them."""
    arguments = ["analyze", str(MODELS / "keras" / "cnn.keras"), "--hw", "snapdragon", "--format", fmt]
    plain, reconciled = (CliRunner().invoke(cli, [*arguments, *more]).stdout for more in ([], ["--reconcile"]))

    if fmt == "csv":
        assert reconciled.splitlines()[0] == (
            "network,framework,kind,tensors,elems,stored_bytes,framework_params,params,why,shared"
        )
        return
    if fmt == "json":
        whole = json.loads(reconciled)
        assert whole.pop("reconciliation")["framework_params"] == 4_146
        assert whole == json.loads(plain)
        return
    assert "Parameters, reconciled with Keras" in reconciled
    assert "4,114 parameters here, 32 fewer than the 4,146 by Keras." in reconciled
    assert "reconciled" not in plain.partition("\n")[2]
