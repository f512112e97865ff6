"""Published peaks of RAM and figures of flash, each by the convention its row names; what capacity cliffs rest on.

The conventions are computed here from the graph alone, apart from the scheduler.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from costmodel.hardware import load_hardware, profile_names
from costmodel.importers import load_network
from costmodel.schedule import peak_live_bytes
from costmodel.validation import REQUIRED, Check, actual

HERE = Path(__file__).parent / "memory"
PEAKS, CLIFFS = (YAML(typ="safe").load(file.read_text()) for file in (HERE.with_suffix(".yaml"), HERE / "cliffs.yaml"))
CONVENTIONS = ("live", "in_out", "largest", "int8_weights_int32_biases")
ASSUMPTIONS = {"depthwise_in_place", "fused_pool", "copied_concat"}
RAM = [row for row in PEAKS if row["quantity"] == "peak_ram_bytes"]
TIMES = [row for row in CLIFFS if row["quantity"] == "latency_s"]
VELA = [row for row in CLIFFS if row["quantity"] == "off_chip_bytes"]


def steps(graph, assume=()):
    """Layers that do work as (layer, tensors read, tensor written), every tensor by the one whose memory it has."""
    table = graph.table()
    status = dict(zip(table.names, table.status, strict=True))
    home, found = {}, []
    for layer in graph.layers:
        kind, read = type(layer.op).__name__, [home.get(t, t) for t in layer.inputs]
        joins = kind == "Concat" and "copied_concat" not in assume
        if status[layer.name] == "free" and kind != "Concat":
            home[layer.outputs[0]] = read[0]
        elif joins:
            for tensor in read:
                home |= dict.fromkeys([tensor, *(k for k, v in home.items() if v is tensor)], layer.outputs[0])
        elif "fused_pool" in assume and kind == "Pool" and found and found[-1][2] is read[0] and is_convolution(found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1], layer.outputs[0])
        else:
            found.append((layer, read, layer.outputs[0]))
    return [(layer, {home.get(t, t) for t in read}, home.get(written, written)) for layer, read, written in found]


def is_convolution(layer):
    """Whether a layer is a convolution."""
    return type(layer.op).__name__ == "Conv"


def depthwise(layer):
    """Whether a layer convolves each channel by itself."""
    return is_convolution(layer) and layer.op.groups == layer.inputs[0].shape[1] > 1


def in_out_bytes(graph, assume=()):
    """Largest total of inputs and outputs of one layer [B] at 8 bits."""
    return max(
        max(t.elems for t in (*read, written))
        if "depthwise_in_place" in assume and depthwise(layer)
        else sum(t.elems for t in {*read, written})
        for layer, read, written in steps(graph, assume)
    )


def largest_bytes(graph):
    """Largest tensor [B] at 8 bits."""
    return max(t.elems for _, read, written in steps(graph) for t in (*read, written))


def flash_bytes(graph):
    """Weights of 1 byte and biases of 4 [B]."""
    table = graph.table()
    biases = int(table.total("bias_elems")[0])
    return int(table.total("weight_elems")[0]) + 3 * biases


def ours(row):
    """Our figure for a row, by its convention."""
    graph = load_network(row["network"])
    return {
        "live": lambda: peak_live_bytes(graph, 8),
        "in_out": lambda: in_out_bytes(graph, row.get("assume", ())),
        "largest": lambda: largest_bytes(graph),
        "int8_weights_int32_biases": lambda: flash_bytes(graph),
    }[row["convention"]]()


def check(row, actual):
    """One figure against ours."""
    fields = (row["source"], row["place"], row["why"])
    return Check(
        row["id"], row["quantity"], row["value"], actual, row.get("relation", "="), row["tolerance_ratio"], *fields
    )


@pytest.mark.parametrize("row", PEAKS, ids=[row["id"] for row in PEAKS])
def test_published_peak(row):
    """Each figure comes out by the convention of its row, within its tolerance."""
    found = check(row, ours(row))
    assert found.ok, f"{found.actual} {found.relation} {found.expected} ({found.deviation_ratio:+.4f}): {row}"


@pytest.mark.parametrize("row", PEAKS, ids=[row["id"] for row in PEAKS])
def test_the_library_gives_the_same_figure(row):
    """What `costmodel validate` computes through the scheduler is what is computed here from the graph alone."""
    assert actual(row) == ours(row)


@pytest.mark.parametrize("row", PEAKS, ids=[row["id"] for row in PEAKS])
def test_tolerances_are_tight(row):
    """A tolerance is not wider than the deviation needs, and only where a row says why."""
    deviation = abs(check(row, ours(row)).deviation_ratio)
    if row.get("relation", "=") != "=":
        return
    assert row["tolerance_ratio"] <= max(1.1 * deviation, 7e-5)
    assert row["why"] or row["tolerance_ratio"] == 0


def test_rows_are_complete():
    """Every row has what the other published figures have, a unique id, known words only."""
    rows = [*PEAKS, *CLIFFS]
    assert [row.get("id") for row in rows if set(REQUIRED) - set(row)] == []
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["convention"] for row in PEAKS} <= set(CONVENTIONS)
    assert {name for row in PEAKS for name in row.get("assume", ())} == ASSUMPTIONS
    assert {row["hardware"] for row in CLIFFS} <= set(profile_names())


def test_other_conventions_do_not_explain_a_figure():
    """Each row rests on its convention: without it, or without one of its assumptions, the deviation is larger."""
    for row in RAM:
        if row.get("relation", "=") != "=" or row["value"] < 10_000:
            continue
        graph = load_network(row["network"])
        deviation = abs(ours(row) / row["value"] - 1)
        if row["convention"] == "largest":
            assert abs(in_out_bytes(graph) / row["value"] - 1) > 2 * deviation, row["id"]
        for name in row.get("assume", ()):
            less = [other for other in row["assume"] if other != name]
            assert abs(in_out_bytes(graph, less) / row["value"] - 1) > deviation or row["source"].startswith("mit"), row["id"]


def test_what_is_alive_bounds_one_layer():
    """Inputs and output of a layer are alive at once, and none is larger than both."""
    for row in RAM:
        graph = load_network(row["network"])
        assert largest_bytes(graph) <= in_out_bytes(graph) <= peak_live_bytes(graph, 8)


def test_steps_of_a_fire_module():
    """Concatenations in place take no step; copied, they read both halves."""
    graph = load_network("squeezenet:version=1.1,ceil_mode=False")
    plain, copied = steps(graph), steps(graph, ("copied_concat",))
    joined = next(written for layer, _, written in plain if layer.name == "fire2/expand1x1")

    assert joined.shape == (1, 128, 55, 55)
    assert [written is joined for layer, _, written in plain if layer.name == "fire2/expand3x3"] == [True]
    assert [len(read) for layer, read, _ in copied if layer.name == "fire2/concat"] == [2]
    assert in_out_bytes(graph, ("copied_concat", "fused_pool")) == 2 * 128 * 55 * 55


# ---- cliffs


def row_of(name):
    """A row of the cliffs."""
    return next(row for row in CLIFFS if row["id"] == name)


def test_stm32n6_spills_a_float_copy():
    """6 bytes for every output of conv1, which int8 would not need: all that is alive would fit."""
    graph = load_network("squeezenet")
    conv1 = next(layer.outputs[0] for layer in graph.layers if layer.name == "conv1")
    row = row_of("stm32n6-squeezenet-1.0-external")

    assert conv1.shape == (1, 96, 109, 109)
    assert check(row, 6 * conv1.elems).ok
    assert peak_live_bytes(graph, 8) < load_hardware("stm32n6").levels[1].capacity_bytes.value < row["value"]


def test_stm32n6_keeps_version_11():
    """Version 1.1 is int8 throughout: alive and in memory."""
    row = row_of("stm32n6-squeezenet-1.1-external")
    assert row["value"] == 0
    assert peak_live_bytes(load_network(row["network"]), 8) < load_hardware("stm32n6").levels[1].capacity_bytes.value


@pytest.mark.parametrize(
    ("network", "fits"),
    [("mobilenet_v1", True), ("mobilenet_v2", True), ("googlenet:variant=torchvision", True), ("inception_v4", False)],
)
def test_edge_tpu_holds_all_but_inception_v4(network, fits):
    """Its weights are beyond 8 MiB, and its time is 20 times that of Inception v1 for 8 times the MACs."""
    weights = flash_bytes(load_network(f"{network}{',' if ':' in network else ':'}folded=True"))
    rows = [row for row in CLIFFS if row["network"] == network and row["hardware"] == "edge-tpu"]

    assert (weights <= load_hardware("edge-tpu").level("sram").capacity_bytes.value) is fits
    assert all((row["value"] < 5e-3) is fits for row in rows)
    assert len(rows) == 2


def resident_s(network, hardware, kept, ends):
    """Time of an inference with all activations on chip, and the first `kept` bytes of weights for ever [s].

    Per layer, the longer of arithmetic and of the weights that stream in, and the overhead; `ends` says whether the
    network's input and output cross as well.
    """
    graph, compute = load_network(network), hardware.compute
    table, backing_bytes_per_s = graph.table(), hardware.levels[0].bandwidth_bytes_per_s.value
    rate_hz = compute.clock_hz.value * compute.macs_per_cycle["int8"].value
    total_s = 0.0
    for status, macs, other, weights in zip(
        table.status, table.macs[:, 0], table.other_ops[:, 0], table.weight_elems[:, 0], strict=True
    ):
        streamed, kept = max(0, weights - kept), max(0, kept - weights)
        if status != "free":
            total_s += max((macs + other) / rate_hz, streamed / backing_bytes_per_s) + hardware.layer_overhead_s.value
    crossing = sum(t.elems for t in (*graph.inputs, *graph.outputs)) if ends else 0
    return total_s + crossing / backing_bytes_per_s


def row_s(row):
    """Our time for a row [s]: the Edge TPU keeps weights and its input crosses; the STM32N6 reads flash each time."""
    hardware = load_hardware(row["hardware"])
    link = row["hardware"] == "edge-tpu"
    return resident_s(row["network"], hardware, hardware.levels[1].capacity_bytes.value if link else 0, link)


@pytest.mark.parametrize("row", TIMES, ids=[row["id"] for row in TIMES])
def test_published_times_follow_from_what_crosses(row):
    """Within the tolerance of the row, when activations stay on chip."""
    found = check(row, row_s(row))
    assert found.ok, f"{found.deviation_ratio:+.3f}"


@pytest.mark.parametrize(("hardware", "rows", "error"), [("stm32n6", 17, 0.195), ("edge-tpu", 8, 0.185)])
def test_profiles_are_fitted_as_they_say(hardware, rows, error):
    """Root mean square of the logarithm of ours over published, over all rows of a profile."""
    logs = [math.log(row_s(row) / row["value"]) for row in TIMES if row["hardware"] == hardware]

    assert len(logs) == rows
    assert math.sqrt(sum(x * x for x in logs) / rows) < error


@pytest.mark.parametrize("row", VELA, ids=[row["id"] for row in VELA])
def test_vela_is_above_the_floor(row):
    """No schedule loads fewer weights; with DRAM behind the core, input and output cross as well."""
    table = load_network(row["network"]).table()
    weights = int(table.total("weight_elems")[0] - table.total("bias_elems")[0])
    saved = row.get("weights_bytes", 0) - row.get("encoded_weights_bytes", 0)
    graph = load_network(row["network"])
    ends = 0 if row["hardware"] == "ethos-u55-128" else sum(t.elems for t in (*graph.inputs, *graph.outputs))

    assert weights + ends <= (row["value"] + saved) * (1 + row["tolerance_ratio"])
