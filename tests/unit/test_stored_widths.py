"""Networks priced at the widths that their files store: which, from where, and what they cost; figures worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import costmodel as cm
from costmodel.analysis import analysis_of, estimate_of
from costmodel.api import vary
from costmodel.comparison import comparison_of, ingredients
from costmodel.errors import HardwareError
from costmodel.graph import FileNode, Graph, StoredWidths
from costmodel.graph.stored import multiplied
from costmodel.hardware import load_hardware
from costmodel.importers.onnx import onnx_graph
from costmodel.precision import (
    kept,
    precision,
    precision_of,
    stored_format,
    stored_precision,
    tensor_bits,
    widest_format,
)
from costmodel.report import document_of, render
from tests.models.tflite.writer import Model
from tests.unit.machine import machine
from tests.unit.onnx_files import encoded, model, node, tensor, value, weight
from tests.unit.tflite_files import reread

MODELS = Path(__file__).parents[1] / "models"
INT8 = StoredWidths(8, 8, 8, "int")
SINGLE = StoredWidths(32, 32, 32, "fp")


def two_layers(first=INT8, second=INT8):
    """Build fc1 of 100 x 10 and fc2 of 10 x 4, both without biases, at stored widths."""
    graph = Graph("two")
    x = graph.input("x", (1, 100), 8)
    graph.linear("fc2", graph.linear("fc1", x, 10, bias=False), 4, bias=False)
    graph.store({"fc1": first, "fc2": second})
    return graph


def priced(graph, hardware=None, **options):
    """Analyse a graph."""
    return analysis_of(graph, hardware or machine(), 1, options.get("dtype"), options.get("bits"))


@pytest.fixture
def onnx(tmp_path):
    """Return a function from nodes, inputs and constants to a graph, through a file."""

    def load(*arguments, **more):
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(*arguments, **more)))
        return onnx_graph(path)

    return load


# ---- what a file says


def test_a_tensor_has_the_width_that_its_layer_stores():
    """Inputs have that of their declaration, outputs that of the ofmap, parameters that of the weights."""
    graph = Graph("net")
    x = graph.input("x", (1, 4), 16)
    table = graph.parameter("table", (1, 4))
    y = graph.add("sum", x, table)
    graph.store({"table": StoredWidths(4, 0, 0, "int"), "sum": StoredWidths(0, 16, 8, "int")})

    assert (x.bits, table.bits, y.bits) == (16, 4, 8)


def test_without_a_file_nothing_is_said():
    """A network written by hand has tensors and rows without widths."""
    graph = Graph("net")
    y = graph.linear("fc", graph.input("x", (1, 4)), 2)

    assert y.bits == 0
    assert graph.table().stored == (StoredWidths(),)
    assert not graph.table().states_widths
    assert graph.stored == {}


def test_rows_of_one_layer_have_its_widths():
    """A recurrent layer gives several rows; a batch and a selection keep their widths."""
    graph = Graph("net")
    graph.lstm("rnn", graph.input("x", (1, 3, 8)), 4, bidirectional=True)
    graph.store({"rnn": INT8})
    table = graph.table()

    assert len(table) > 1
    assert set(table.stored) == set(table.with_batch(4).stored) == {INT8}
    assert table.rows([0]).stored == (INT8,)


@pytest.mark.parametrize(
    ("stored", "stated"),
    [
        (StoredWidths(), False),
        (SINGLE, False),
        (StoredWidths(0, 32, 32, "fp"), False),
        (INT8, True),
        (StoredWidths(32, 32, 32, "int"), True),
        (StoredWidths(16, 32, 32, "fp"), True),
        (StoredWidths(16, 16, 16, "bf"), True),
        (StoredWidths(64, 64, 64, "fp"), True),
    ],
)
def test_single_precision_says_nothing(stored, stated):
    """What frameworks train in is no statement on the hardware; anything else in a product is."""
    assert two_layers(SINGLE, stored).table().states_widths == stated


def test_widths_without_a_product_say_nothing():
    """Indices of 64 bits and masks of 8 are no statement on how to multiply."""
    graph = Graph("net")
    graph.relu("relu", graph.input("x", (1, 4)))
    graph.store({"relu": INT8})

    assert not graph.table().states_widths


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [((), ""), (("", ""), ""), (("int", "int"), "int"), (("bf", "fp"), "fp"), (("", "bf"), "bf"), (("int", "bf"), "fp")],
)
def test_kind_of_a_product(kinds, expected):
    """Two kinds meet in floating point."""
    assert multiplied(*kinds) == expected


def test_nodes_are_those_of_the_file():
    """What a layer was made of is noted beside it."""
    graph = two_layers()
    graph.note_node(FileNode("a", output="y"), graph.added(1))

    assert graph.added(1) == ("fc2",)
    assert graph.nodes == {"fc2": FileNode("a", output="y")}


# ---- which precision follows


SNAPDRAGON = load_hardware("snapdragon")
CPU = load_hardware("snapdragon-cpu")
EYERISS = load_hardware("eyeriss")


@pytest.mark.parametrize(
    ("hardware", "kind", "widest", "expected"),
    [
        (SNAPDRAGON, "int", 4, "int8"),
        (SNAPDRAGON, "int", 8, "int8"),
        (SNAPDRAGON, "int", 16, "int16"),
        (SNAPDRAGON, "int", 32, None),
        (SNAPDRAGON, "fp", 8, "fp16"),
        (SNAPDRAGON, "fp", 16, "fp16"),
        (SNAPDRAGON, "bf", 16, "fp32"),
        (SNAPDRAGON, "fp", 64, None),
        (CPU, "bf", 16, "bf16"),
        (CPU, "fp", 16, "fp16"),
        (EYERISS, "fp", 16, None),
        (EYERISS, "int", 12, "int16"),
    ],
)
def test_narrowest_format_that_holds_the_numbers(hardware, kind, widest, expected):
    """Floats never fit in integers, nor the two 16-bit floats in each other."""
    assert stored_format(hardware, kind, widest) == expected


def test_integers_without_a_multiplier_of_their_own_take_a_float_twice_as_wide():
    """int8 fits in a 16-bit float, int16 does not."""
    mac_pj = dict.fromkeys(("fp32", "fp16", "bf16"))
    floats: Any = SimpleNamespace(compute=SimpleNamespace(mac_pj=mac_pj))

    assert stored_format(floats, "int", 8) == "bf16"
    assert stored_format(floats, "int", 16) == "fp32"
    assert stored_format(floats, "int", 32) is None
    assert widest_format(floats) == "fp32"


def test_operands_that_the_file_leaves_out_are_the_profiles():
    """A layer without weights has no width for them; one that nothing is known of is as by default."""
    plain = precision(machine())
    found = stored_precision(machine(), plain, StoredWidths(0, 32, 8, "fp"))

    assert (found.weight_bits, found.ifmap_bits, found.ofmap_bits, found.mac_format) == (8, 32, 8, "fp32")
    assert stored_precision(machine(), plain, StoredWidths()).mac_format == "int8"


@pytest.mark.parametrize(
    ("stored", "psum"),
    [(INT8, 32), (StoredWidths(8, 8, 64, "int"), 64), (SINGLE, 32), (StoredWidths(16, 16, 16, "fp"), 32)],
)
def test_partial_sums(stored, psum):
    """Integers accumulate as the hardware does, floats in single precision, and no sum is narrower than its output."""
    assert stored_precision(machine(), precision(machine()), stored).psum_bits == psum


def test_eyeriss_accumulates_in_16_bits():
    """The accumulators are the hardware's, whatever the file keeps its biases in."""
    assert stored_precision(EYERISS, precision(EYERISS), INT8).psum_bits == 16


@pytest.mark.parametrize(("dtype", "bits"), [("int8", None), ("fp32", None), (None, {"weight": 4}), ("int8", {"ifmap": 4})])
def test_what_is_asked_for_wins(dtype, bits):
    """With --dtype or --bits the file has no say."""
    table = two_layers(INT8, SINGLE).table()

    assert precision_of(table, machine(), dtype, bits) == precision(machine(), dtype, bits)


def test_the_precision_is_that_of_most_macs():
    """fc1 has 1,000 MACs and fc2 40; the name lists both."""
    found = precision_of(two_layers(INT8, SINGLE).table(), machine())

    assert (found.name, found.weight_bits, found.mac_format, found.as_stored) == ("int8 and fp32 as stored", 8, "int8", True)


def test_names_tell_what_is_narrower_than_the_multiplier():
    """Weights of 16 bits behind activations of 32 are multiplied in 32."""
    table = two_layers(StoredWidths(16, 32, 32, "fp"), StoredWidths(16, 32, 8, "fp")).table()

    assert precision_of(table, machine()).name == "fp32, weight 16 bit as stored"


def test_hardware_without_a_multiplier_names_the_layer_and_says_what_to_do():
    """One message, with what the file has and what the hardware has."""
    with pytest.raises(HardwareError) as caught:
        cm.analyze(two_layers(INT8, StoredWidths(16, 16, 16, "fp")), "eyeriss")
    assert str(caught.value) == (
        "fc2: eyeriss has no multiplier for floating-point numbers of 16 bits, as the file stores them; it has int16, int8: "
        "choose one with --dtype"
    )


def test_layers_without_macs_are_never_refused():
    """A float softmax behind int8 products is priced at the widest format of hardware without floats."""
    graph = Graph("net")
    graph.softmax("prob", graph.linear("fc", graph.input("x", (1, 4), 8), 4, bias=False))
    graph.store({"fc": INT8, "prob": StoredWidths(0, 32, 32, "fp")})
    analysis = cm.analyze(graph, "eyeriss")

    assert [layer.mac_format for layer in analysis.layers] == ["int8", "int16"]
    assert [layer.ifmap_bits for layer in analysis.layers] == [8, 32]


# ---- what it costs


def test_bytes_are_those_of_each_layer():
    """fc1 at 8 bits, fc2 with 16-bit weights and 32-bit activations."""
    analysis = priced(two_layers(INT8, StoredWidths(16, 32, 32, "fp")))
    first, second = analysis.layers

    assert (first.weight_bytes, first.ifmap_bytes, first.ofmap_bytes) == (1000, 100, 10)
    assert (second.weight_bytes, second.ifmap_bytes, second.ofmap_bytes) == (80, 40, 16)
    assert (first.dram_bytes, second.dram_bytes) == (1110, 136)
    assert (second.weight_bits, second.ifmap_bits, second.ofmap_bits, second.mac_format) == (16, 32, 32, "fp32")
    assert analysis.totals.weight_bytes == 1080
    assert (analysis.inputs_bytes, analysis.outputs_bytes) == (100, 16)


def test_energy_of_macs_is_that_of_each_layers_format():
    """1,000 MACs at int8 and 40 at fp32; the formats are terms of their own, and both constants are used."""
    hardware = load_hardware("snapdragon")
    analysis = priced(two_layers(INT8, SINGLE), hardware)
    int8, fp32 = (hardware.compute.mac_pj[form].value for form in ("int8", "fp32"))

    assert [layer.energy_mac_j for layer in analysis.layers] == pytest.approx([1000 * int8 * 1e-12, 40 * fp32 * 1e-12])
    assert analysis.estimate.formats == ("int8", "fp32")
    assert [term.constant.name.rpartition(".")[2] for term in analysis.estimate.terms[:2]] == ["int8", "fp32"]
    assert {"compute.macs_per_cycle.int8", "compute.macs_per_cycle.fp32"} < {c.name for c in analysis.constants()}
    assert "compute.mac_energy.fp16" not in {c.name for c in analysis.constants()}


def test_time_of_macs_is_that_of_each_layers_format():
    """fp32 runs at 128 MACs a cycle of 1 GHz where int8 runs at 10,000."""
    hardware = load_hardware("snapdragon")
    compute = estimate_of(two_layers(INT8, SINGLE), hardware, 1, None, None).resources_s()["compute"]
    rates = [hardware.compute.macs_per_cycle[form].value for form in ("int8", "fp32")]

    assert compute[:, 0] == pytest.approx([1000 / rates[0] / 1e9, 40 / rates[1] / 1e9])


def test_uniform_widths_cost_what_the_dtype_costs():
    """A file at int8 throughout is the same as --dtype int8, to the last digit, in every column."""
    stored, asked = priced(two_layers()), priced(two_layers(), dtype="int8")

    assert stored.values == asked.values
    assert stored.precision.as_stored
    assert not asked.precision.as_stored


def test_the_second_operand_of_a_product_of_activations_is_an_activation():
    """Its width is the ifmap's, not that of weights elsewhere."""
    graph = Graph("net")
    a, b = graph.input("a", (1, 4, 8), 16), graph.input("b", (1, 8, 2), 16)
    graph.matmul("product", a, b)
    graph.store({"product": StoredWidths(0, 16, 16, "fp")})
    layer = cm.analyze(graph, "snapdragon").layers[0]

    assert (layer.weight_dram_bytes, layer.ifmap_dram_bytes) == (8 * 2 * 2, 4 * 8 * 2)


def test_half_bytes_round_up_per_layer():
    """41 weights of 4 bits take 21 bytes."""
    graph = Graph("net")
    graph.linear("fc", graph.input("x", (1, 41), 8), 1, bias=False)
    graph.store({"fc": StoredWidths(4, 8, 8, "int")})

    assert priced(graph).totals.weight_bytes == 21


@pytest.mark.parametrize(("as_stored", "expected"), [(True, (16, 4, 8)), (False, (8, 8, 8))])
def test_width_of_an_activation(as_stored, expected):
    """The accessor for what reads tensors: the file's where it counts and speaks, the precision's otherwise."""
    graph = Graph("net")
    x, silent = graph.input("x", (1, 4), 16), graph.input("silent", (1, 4))
    y = graph.add("sum", x, silent)
    graph.store({"sum": StoredWidths(0, 16, 4, "int")})
    chosen = precision(machine())
    chosen = type(chosen)(**{**vars(chosen), "as_stored": as_stored})

    assert tuple(tensor_bits(tensor, chosen) for tensor in (x, y, silent)) == expected


# ---- from real files


@pytest.mark.parametrize("hardware", ["snapdragon", "horowitz-45nm", "eyeriss-168"])
def test_an_int8_file_moves_what_the_network_by_hand_moves_at_int8(hardware):
    """SqueezeNet 1.1 quantised by TensorFlow against the description: every layer up to the softmax, which the file lacks."""
    file = cm.analyze(MODELS / "tflite" / "squeezenet1_1_int8.tflite", hardware, objective="none")
    hand = cm.analyze("squeezenet:version=1.1", hardware, dtype="int8", objective="none")
    columns = ("weight_bytes", "ifmap_bytes", "ofmap_bytes", "dram_bytes", "compulsory_bytes", "energy_mac_j", "energy_j")

    def moved(analysis):
        """Columns of what costs, softmax aside."""
        return [[getattr(e, c) for c in columns] for e in analysis.layers if e.status == "counted" and e.op != "softmax"]

    assert moved(file) == moved(hand)
    assert file.totals.weight_bytes == hand.totals.weight_bytes == 1_235_496
    assert (file.inputs_bytes, file.outputs_bytes) == (hand.inputs_bytes, hand.outputs_bytes) == (150_528, 1000)
    assert file.precision.name == "int8 as stored"


@pytest.mark.parametrize("name", ["squeezenet1_1.qdq", "squeezenet1_1.qop"])
def test_a_quantised_onnx_file_has_single_precision_at_its_ends(name):
    """Input and scores are floats: 150,528 and 1,000 elements of 4 bytes, quantised and dequantised by layers of their own."""
    analysis = cm.analyze(MODELS / "onnx" / f"{name}.onnx", "snapdragon")
    costly = [layer for layer in analysis.layers if layer.status == "counted"]

    assert (analysis.inputs_bytes, analysis.outputs_bytes) == (4 * 150_528, 4000)
    assert analysis.totals.weight_bytes == 1_235_496
    assert {(layer.weight_bits, layer.mac_format) for layer in costly if layer.macs} == {(8, "int8")}
    assert (costly[0].op, costly[0].ifmap_bits, costly[0].ofmap_bits) == ("quantize", 32, 8)
    int8 = cm.analyze(MODELS / "onnx" / f"{name}.onnx", "snapdragon", dtype="int8").totals
    assert analysis.totals.dram_bytes - int8.dram_bytes == 3 * (150_528 + 1000)  # read by quantize, written by dequantize


@pytest.mark.parametrize("kind", ["resident", "fused"])
def test_schedules_keep_tensors_at_the_widths_of_the_file(kind):
    """All of SqueezeNet stays in 8 MiB: what crosses is the input of 4 bytes an element, and the scores."""
    path = MODELS / "onnx" / "squeezenet1_1.qdq.onnx"
    stored, int8 = (cm.analyze(path, "snapdragon", dtype=dtype, schedule=kind).totals.dram_bytes for dtype in (None, "int8"))

    assert (stored, int8) == (4 * (150_528 + 1000), 150_528 + 1000)


def test_a_variation_prices_the_file_until_the_format_varies():
    """Along the batch every layer has its own widths; along the format all have the one of the point."""
    path = str(MODELS / "tflite" / "squeezenet1_1_int8.tflite")
    stored = vary([path], "horowitz-45nm", {"batch": [1]}).points[0]
    asked = vary([path], "horowitz-45nm", {"dtype": ["int8", "fp32"]}).points

    assert [point.dram_bytes for point in asked] == [stored.dram_bytes, 4 * stored.dram_bytes]


def test_a_half_precision_file_is_multiplied_in_the_wider_operand():
    """TensorFlow's float16 keeps weights at 16 bits and activations at 32."""
    analysis = cm.analyze(MODELS / "tflite" / "face_detection_full_range_sparse.tflite", "horowitz-45nm")

    assert analysis.precision.name == "fp32, weight 16 bit as stored"
    assert analysis.totals.weight_bytes == 2 * analysis.totals.params
    assert analysis.estimate.formats == ("fp32",)


def test_a_single_precision_file_is_priced_as_a_network_by_hand():
    """Its precision is the profile's own."""
    path = MODELS / "onnx" / "squeezenet1_1.dynamo.onnx"

    assert cm.analyze(path, "snapdragon").precision == precision(SNAPDRAGON)


def test_packed_weights_have_the_width_of_a_weight(onnx):
    """MatMulNBits stores two weights of 4 bits in a byte."""
    made = node("MatMulNBits", "x w s", "y", domain="com.microsoft", N=16, K=32, bits=4, block_size=32)
    graph = onnx([made], [value("x", 1, 32)], [weight("w", 16, 1, 16, kind=2), weight("s", 16)])

    assert graph.stored["y"] == StoredWidths(4, 32, 32, "fp")
    assert priced(graph).totals.weight_bytes == 16 * 32 // 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(10, StoredWidths(16, 16, 16, "fp")), (16, StoredWidths(16, 16, 16, "bf")), (11, StoredWidths(64, 64, 64, "fp"))],
)
def test_floats_of_other_widths(onnx, kind, expected):
    """Half, bfloat16 and double precision are told apart."""
    graph = onnx([node("Gemm", "x w", "y", transB=1)], [value("x", 1, 8, kind=kind)], [weight("w", 4, 8, kind=kind)])

    assert graph.stored["y"] == expected
    assert (graph.inputs[0].bits, graph.outputs[0].bits) == (expected.ifmap_bits, expected.ofmap_bits)


@pytest.mark.parametrize(("kind", "expected"), [(3, "int"), (17, "fp")])
def test_what_a_float_is_quantised_to(onnx, kind, expected):
    """Behind DequantizeLinear the numbers are those in front of it: int8, or an 8-bit float."""
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w s z", "wd"), node("Gemm", "d wd", "y", transB=1),
    ]  # fmt: skip
    constants = [tensor("s", np.float32(0.1)), weight("z", kind=kind), weight("w", 4, 8, kind=kind)]
    graph = onnx(nodes, [value("x", 1, 8)], constants)

    assert graph.stored["y"] == StoredWidths(8, 8, 32, expected)


def test_layers_of_one_operator_share_its_widths_and_its_place(tmp_path):
    """A fused activation is stored as its operator stores its output; a transposed convolution reads its third input."""
    net = Model()
    shape, w = net.tensor("shape", (4,), "int32", values=(1, 8, 8, 4)), net.tensor("w", (4, 2, 2, 3))
    x = net.input("x", (1, 4, 4, 3), "int16")
    y = net.tensor("y", (1, 8, 8, 4), "int16")
    net.add("TRANSPOSE_CONV", [shape, w, x], [y], {0: ("<b", 0), 1: ("<i", 2), 2: ("<i", 2)})
    net.add("RELU", [y], [net.tensor("z", (1, 8, 8, 4), "int8")], {})
    graph = reread(tmp_path / "net.tflite", net)

    assert [graph.stored[layer.name] for layer in graph.layers] == [
        StoredWidths(8, 16, 16, "int"), StoredWidths(0, 16, 8, "int"),
    ]  # fmt: skip
    assert [graph.nodes[layer.name] for layer in graph.layers] == [FileNode("", "0", "y"), FileNode("", "1", "z")]


# ---- what is said of it


def test_the_report_shows_widths_where_layers_differ():
    """A column of widths and formats, and a sentence; neither where one precision serves all."""
    mixed = render(priced(two_layers(INT8, StoredWidths(16, 32, 32, "fp"))), "text", width=120)
    uniform = render(priced(two_layers()), "text", width=120)

    assert "w/i/o" in mixed
    assert "16/32/32 fp32" in mixed
    assert "8 to 16 bits each" in mixed
    assert "w/i/o" not in uniform
    assert "at 8 bits each" in uniform
    for text in (mixed, uniform):
        assert "as stored, batch 1" in text
        assert "Widths: as in the file" in text.replace("\n  ", " ")
    assert "as in the file" not in render(priced(two_layers(), dtype="int8"), "text")


def test_layers_without_weights_have_no_width_of_weights():
    """A dash in the table."""
    graph = Graph("net")
    graph.max_pool("pool", graph.linear("fc", graph.input("x", (1, 4, 8, 8), 8), 8, bias=False), 2)
    graph.store({"fc": INT8, "pool": StoredWidths(0, 32, 32, "fp")})

    assert "-/32/32 fp32" in render(priced(graph), "md")


@pytest.mark.parametrize("fmt", ["json", "csv"])
def test_widths_of_every_layer_are_in_the_data(fmt):
    """Whether they differ or not."""
    text = render(priced(two_layers(INT8, SINGLE)), fmt)
    if fmt == "csv":
        assert text.splitlines()[2].split(",")[9:13] == ["32", "32", "32", "fp32"]
        return
    data = json.loads(text)
    assert data["precision"]["as_stored"] is True
    assert [(e["weight_bits"], e["mac_format"]) for e in data["layers"]] == [(8, "int8"), (32, "fp32")]


def test_a_comparison_reasons_with_mean_widths():
    """1,000 weights at 8 bits and 40 at 32 are 8.92 bits on average; the factors still multiply to the whole."""
    mixed, narrow = two_layers(INT8, SINGLE), two_layers()
    comparison = comparison_of([mixed, narrow], [machine()], 1, None, None)
    pair = comparison.pairs[0]

    assert ingredients(pair.baseline)["weight_bits"] == pytest.approx((1000 * 8 + 40 * 32) / 1040)
    assert ingredients(pair.baseline)["weight_elems"] == pytest.approx(1040)
    assert np.prod([f.ratio for f in pair.factors]) == pytest.approx(pair.ratios["energy_off_chip_j"])
    assert "Widths: as in the file" in "".join(s for b in document_of(comparison).notes for s in getattr(b, "sentences", ()))


def test_formats_that_differ_share_no_constant_of_arithmetic():
    """The difference of two energies is bounded term by term only where the terms are the same."""
    comparison = comparison_of([two_layers(INT8, SINGLE), two_layers()], [machine()], 1, None, None)
    a, b = (analysis.totals.energy_j for analysis in comparison.analyses)

    assert comparison.pairs[0].certain == (a.low > b.high or a.high < b.low)


# ---- memory of activations


@pytest.mark.parametrize("hardware", [None, "snapdragon", "eyeriss"])
def test_memory_is_that_of_the_file(hardware):
    """fc1 reads 100 elements of 16 bits and gives 10 of 32, whatever the hardware multiplies; what is asked for wins."""
    graph = two_layers(StoredWidths(4, 16, 32, "fp"), StoredWidths(16, 32, 16, "fp"))
    found = cm.memory(graph, hw=hardware)
    asked = cm.memory(graph, dtype="int8", hw=hardware)

    assert [buffer.size_bytes for buffer in found.buffers] == [200, 40, 8]
    assert (found.peak_bytes, asked.peak_bytes) == (240, 110)
    assert (found.weight_bytes, asked.weight_bytes) == (1000 * 4 // 8 + 40 * 2, 1040)
    assert (found.precision.name, asked.precision.name) == ("fp16 as stored", "int8")


def test_memory_without_a_statement_is_as_before():
    """Single precision says nothing: int8, or the dtype of the hardware."""
    graph = two_layers(SINGLE, SINGLE)

    assert cm.memory(graph).peak_bytes == 110
    assert cm.memory(graph, hw="horowitz-45nm").peak_bytes == 440


def test_what_the_file_leaves_out_is_kept_as_by_default():
    """A layer that nothing is said of, and one without weights."""
    plain = precision(machine())

    assert kept(StoredWidths(), plain).weight_bits == 8
    found = kept(StoredWidths(0, 32, 8, "fp"), plain)
    assert (found.weight_bits, found.ifmap_bits, found.ofmap_bits) == (8, 32, 8)
