"""Bytes, energy and latency of small graphs, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.analysis import analysis_of, estimate_of
from costmodel.errors import InputError, MappingError
from costmodel.graph import Graph
from tests.unit.machine import machine


def linear(features=100, outputs=10):
    """Build a fully connected layer: 1,000 weights and 10 biases, 100 inputs, 10 outputs."""
    graph = Graph("linear")
    graph.linear("fc", graph.input("x", (1, features)), outputs)
    return graph


def priced(graph, hardware, batch=1, **options):
    """Analyse a graph."""
    return analysis_of(graph, hardware, batch, options.get("dtype"), options.get("bits"))


def test_counts_and_compulsory_traffic():
    """A layer that fits moves its weights, inputs and outputs once; biases are stored but not counted as traffic."""
    layer = priced(linear(), machine()).layers[0]
    assert (layer.params, layer.macs, layer.weight_bytes) == (1010, 1000, 1010)
    assert (layer.weight_dram_bytes, layer.ifmap_dram_bytes, layer.ofmap_dram_bytes) == (1000, 100, 10)
    assert layer.dram_bytes == layer.compulsory_bytes == 1110
    assert layer.macs_per_dram_byte == pytest.approx(1000 / 1110)


def test_energy_by_part():
    """MACs and bias additions at 1 pJ; DRAM reads at 100 and writes at 200 pJ/B; the buffer filled, read and drained."""
    layer = priced(linear(), machine()).layers[0]
    operations = layer.macs + layer.other_ops
    feeds = 1000 + 1000 + 4 * 1000  # per MAC one weight, one input, one partial sum of 32 bits
    assert layer.energy_mac_j == pytest.approx(operations * 1e-12)
    assert layer.energy_off_chip_j == pytest.approx((1100 * 100 + 10 * 200) * 1e-12)
    assert layer.energy_on_chip_j == pytest.approx(((feeds + 10) * 2 + (1100 + 4000) * 3) * 1e-12)
    assert layer.energy_j == pytest.approx(layer.energy_mac_j + layer.energy_off_chip_j + layer.energy_on_chip_j)


def test_energy_range_is_that_of_its_constants():
    """Low and high sum every constant at its ends: DRAM at half and double, MACs at 0.5 and 4 pJ, the buffer exact."""
    layer = priced(linear(), machine()).layers[0]
    operations = layer.macs + layer.other_ops
    off_chip = (1100 * 100 + 10 * 200) * 1e-12
    assert layer.energy_low_j == pytest.approx(operations * 0.5e-12 + off_chip / 2 + layer.energy_on_chip_j)
    assert layer.energy_high_j == pytest.approx(operations * 4e-12 + off_chip * 2 + layer.energy_on_chip_j)


def test_inner_level_and_reuse():
    """With registers behind the buffer, the buffer feeds them and they feed the MACs; 4 MACs share a weight read."""
    analysis = priced(linear(), machine(inner=1 << 16))
    accesses = {level.name: (float(read.sum()), float(write.sum())) for level, read, write in analysis.estimate.access_bytes()}
    assert accesses["dram"] == (1100, 10)
    assert accesses["sram"] == (1100 + 10, 1100 + 10)
    assert accesses["rf"] == (1000 / 4 + 1000 + 4000 + 10, 4000 + 1100)
    low = analysis.estimate.access_bytes("low")[-1][1].sum()
    assert low == 1000 / 8 + 1000 + 4000 + 10


def test_latency_is_the_slowest_resource_plus_overhead():
    """1,010 operations at 10 a cycle and 1 MHz take 101 us; 1,110 bytes at 1 GB/s take 1.11 us; they overlap."""
    layer = priced(linear(), machine(overhead_s=5e-6)).layers[0]
    operations = layer.macs + layer.other_ops
    assert layer.latency_s == pytest.approx(operations / 10 / 1e6 + 5e-6)
    assert layer.binding == "compute"


def test_without_overlap_resources_add_up():
    """Where transfers wait for compute, both times count."""
    layer = priced(linear(), machine(overlap=False)).layers[0]
    operations = layer.macs + layer.other_ops
    assert layer.latency_s == pytest.approx(operations / 10 / 1e6 + 1110 / 1e9)


def test_slow_memory_binds():
    """At 1 MB/s the layer waits for DRAM."""
    layer = priced(linear(), machine(bandwidth=1e6)).layers[0]
    assert layer.binding == "dram"
    assert layer.latency_s == pytest.approx(1110 / 1e6)


def test_overhead_binds():
    """An overhead longer than every resource is named."""
    assert priced(linear(), machine(overhead_s=1.0)).layers[0].binding == "overhead"


def test_static_energy_is_power_times_latency():
    """1 W for the latency of the layer."""
    layer = priced(linear(), machine(static_w=1.0)).layers[0]
    assert layer.energy_static_j == pytest.approx(layer.latency_s)


def test_array_utilisation():
    """10 outputs on 8 columns keep 10 of 16 column slots busy; 100 inputs on 4 rows keep all."""
    graph = linear()
    hardware = machine(array={"rows": (4, ("c",)), "columns": (8, ("k", "p"))})
    layer = priced(graph, hardware).layers[0]
    operations = layer.macs + layer.other_ops
    assert layer.latency_s == pytest.approx(operations / (10 * 10 / 16) / 1e6)


def test_one_dimension_is_not_unrolled_twice():
    """Two axes that may both take k cannot: the second has only k, so the first takes c."""
    hardware = machine(array={"rows": (4, ("k", "c")), "columns": (5, ("k",))})
    layer = priced(linear(), hardware).layers[0]
    assert layer.latency_s == pytest.approx((layer.macs + layer.other_ops) / 10 / 1e6)


def test_batch_shares_weights():
    """Four images read the weights once."""
    layer = priced(linear(), machine(), batch=4).layers[0]
    assert (layer.weight_dram_bytes, layer.ifmap_dram_bytes, layer.ofmap_dram_bytes) == (1000, 400, 40)
    assert (layer.params, layer.macs) == (1010, 4000)


def test_narrow_weights():
    """4-bit weights halve their bytes, odd bits rounded up to whole bytes."""
    layer = priced(linear(3, 3), machine(), bits={"weight": 4}).layers[0]
    assert (layer.weight_bytes, layer.weight_dram_bytes) == (6, 5)


def test_product_of_two_activations_reads_both_at_activation_width():
    """The second operand of a matmul is an activation: no parameters, ifmap width, its own copy per image."""
    graph = Graph("attention")
    graph.matmul("scores", graph.input("q", (1, 2, 6, 4)), graph.input("k", (1, 2, 4, 6)))
    layer = priced(graph, machine(), batch=3, bits={"weight": 4}).layers[0]
    assert (layer.params, layer.weight_dram_bytes, layer.ifmap_dram_bytes) == (0, 3 * 48, 3 * 48)
    assert layer.macs == 3 * 2 * 6 * 6 * 4


def test_recurrent_weights_are_read_every_step_unless_they_fit():
    """An LSTM's recurrent weights cross once where they fit in the buffer, at every step where they do not."""
    graph = Graph("lstm")
    graph.lstm("lstm", graph.input("x", (1, 50, 16)), 32)
    roomy = {layer.name: layer for layer in priced(graph, machine()).layers}
    tight = {layer.name: layer for layer in priced(graph, machine(capacity=2048)).layers}
    weights = 4 * 32 * 32
    assert roomy["lstm/recurrent"].weight_dram_bytes == weights
    assert tight["lstm/recurrent"].weight_dram_bytes >= 50 * weights
    assert tight["lstm/recurrent"].ofmap_dram_bytes >= roomy["lstm/recurrent"].ofmap_dram_bytes


def test_free_layers_move_nothing_and_element_wise_ones_do():
    """A fused activation is free, an addition reads both inputs and writes its output."""
    graph = Graph("residual")
    x = graph.input("x", (1, 8, 4, 4))
    y = graph.relu("relu", graph.conv("conv", x, 8, kernel=1))
    graph.add("add", x, y)
    relu, add = priced(graph, machine()).layers[1:]
    assert (relu.status, relu.dram_bytes, relu.note) == ("free", 0, "fused into the producing layer")
    assert (add.status, add.dram_bytes, add.macs) == ("counted", 3 * 128, 0)


def test_pooling_is_not_free_of_charge():
    """A max pool reads its input and writes its output."""
    graph = Graph("pool")
    graph.max_pool("pool", graph.input("x", (1, 8, 8, 8)), 2, stride=2)
    assert priced(graph, machine()).layers[0].dram_bytes == 512 + 128


def test_buffer_that_is_too_small_names_layer_and_smallest_buffer():
    """A buffer of one byte holds no tile; the message says what would."""
    with pytest.raises(MappingError) as raised:
        priced(linear(), machine(capacity=2))
    assert str(raised.value) == (
        "fc: cannot be tiled into sram of 2 B; the smallest sram that holds one tile is 6 B (6 B)"
    )
    assert priced(linear(), machine(capacity=6)).totals.dram_bytes > 1110
    with pytest.raises(MappingError):
        priced(linear(), machine(capacity=5))


def test_double_buffering_halves_the_buffer():
    """A double-buffered memory maps like one of half its size."""
    small = priced(linear(), machine(capacity=32)).layers[0]
    double = priced(linear(), machine(capacity=64, double_buffered=True)).layers[0]
    assert small.dram_bytes == double.dram_bytes > 1110
    assert double.mapping.buffer_bytes <= 64


def test_totals_are_sums():
    """Every total is the sum of its column, for every column."""
    graph = Graph("two")
    x = graph.max_pool("pool", graph.conv("conv", graph.input("x", (1, 3, 9, 9)), 8, kernel=3), 2)
    graph.linear("fc", graph.flatten("flat", x), 10)
    analysis = priced(graph, machine(capacity=256, static_w=0.1))
    totals = analysis.totals.to_dict()
    for name in ("params", "macs", "dram_bytes", "compulsory_bytes", "energy_mac_j", "energy_static_j", "latency_s"):
        assert totals[name] == pytest.approx(sum(getattr(layer, name) for layer in analysis.layers))
    parts = sum(totals[f"energy_{part}_j"] for part in ("mac", "on_chip", "off_chip", "static"))
    assert totals["energy_j"]["value"] == pytest.approx(parts)
    assert totals["energy_j"]["low"] <= totals["energy_j"]["value"] <= totals["energy_j"]["high"]


def test_design_points_equal_single_networks():
    """A graph that carries three design points is priced like three graphs."""
    outputs = np.array([1, 7, 300])
    estimate = estimate_of(linear(outputs=outputs), machine(capacity=200, inner=64), 2, None, None)
    for point, count in enumerate(outputs.tolist()):
        single = estimate_of(linear(outputs=count), machine(capacity=200, inner=64), 2, None, None)
        assert estimate.off_chip.moved_bytes[0, point] == single.off_chip.moved_bytes[0, 0]
        assert estimate.energy_j()[0, point] == single.energy_j()[0, 0]
        assert estimate.latency_s()[0, point] == single.latency_s()[0, 0]


def test_analysis_refuses_design_spaces():
    """A graph with arrays goes to sweep."""
    with pytest.raises(InputError, match="carries 2 design points; analyze prices one network, sweep"):
        priced(linear(outputs=np.array([1, 2])), machine())


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2", 1 << 21])
def test_batches_that_are_none(batch):
    """Only positive whole numbers are batches."""
    with pytest.raises(InputError, match=r"batch: .* give a whole number from 1 to 1048576"):
        priced(linear(), machine(), batch=batch)
