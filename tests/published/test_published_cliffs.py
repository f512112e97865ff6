"""Where networks no longer fit on chip: published bytes and times against the schedules that the profiles declare.

Each row by itself is checked with all other published figures; here what the rows say together.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import costmodel as cm
from costmodel.hardware import load_hardware, profile_names
from costmodel.importers import load_network
from costmodel.schedule.liveness import peak_live_bytes
from costmodel.validation import REQUIRED, actual, check, priced

ROWS = YAML(typ="safe").load((Path(__file__).parent / "cliffs.yaml").read_text())
TIMES = [row for row in ROWS if row["quantity"] == "latency_s"]
VELA = [row for row in ROWS if row["quantity"] == "dram_bytes"]
STRICT = [f"vela-{core}-512-{network}" for core in ("u65", "u85") for network in ("squeezenet-1.1", "mobilenet-v2")]


def row_of(name):
    """A row by its id."""
    return next(row for row in ROWS if row["id"] == name)


def analysis_of_row(row):
    """The analysis that `costmodel validate` takes the figure from."""
    return priced(row["network"], row["hardware"], 1, None)


def saved_bytes(row):
    """What Vela saves by storing weights compressed [B]; nothing where the row does not say."""
    return row.get("weights_bytes", 0) - row.get("encoded_weights_bytes", 0)


def test_rows_are_complete():
    """Every row has what the other published figures have, a unique id, a shipped profile and a known quantity."""
    assert [row.get("id") for row in ROWS if set(REQUIRED) - set(row)] == []
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert {row["hardware"] for row in ROWS} <= set(profile_names())
    assert {row["quantity"] for row in ROWS} == {"external_ram_bytes", "latency_s", "dram_bytes"}


# ---- Vela


@pytest.mark.parametrize("row", VELA, ids=[row["id"] for row in VELA])
def test_at_most_what_vela_moves(row):
    """Strictly, or by no more than what compressed weights save; the tolerance allows for nothing else."""
    ours, published = actual(row), row["value"]
    assert row["relation"] == "<="
    if row["tolerance_ratio"]:
        assert published < ours <= published + saved_bytes(row)
        assert row["tolerance_ratio"] == pytest.approx(saved_bytes(row) / published, abs=1.1e-6)
    else:
        assert ours <= published


def test_main_networks_are_below_vela_without_any_allowance():
    """SqueezeNet 1.1 and MobileNet V2 on U65-512 and U85-512."""
    for name in STRICT:
        row = row_of(name)
        assert row["tolerance_ratio"] == 0
        assert actual(row) < 0.6 * row["value"], name


@pytest.mark.parametrize("row", VELA, ids=[row["id"] for row in VELA])
def test_nothing_crosses_but_what_must(row):
    """Why ours are so few: every activation stays, or is handed on in stripes; weights and both ends cross once.

    Proved: no schedule of the declared moves is better.
    """
    analysis = analysis_of_row(row)
    table = analysis.estimate.table
    weights = int(table.total("weight_elems")[0] - table.total("bias_elems")[0])
    assert analysis.kind == "fused"
    assert analysis.totals.weight_dram_bytes == weights
    assert analysis.totals.ofmap_dram_bytes == analysis.outputs_bytes
    assert analysis.totals.ifmap_dram_bytes <= analysis.inputs_bytes
    assert analysis.schedule.lower_bytes == analysis.totals.dram_bytes
    assert analysis.schedule.gap_ratio == 0.0


@pytest.mark.parametrize("row", VELA, ids=[row["id"] for row in VELA])
def test_vela_is_above_the_floor(row):
    """No schedule loads fewer weights; with DRAM behind the core, input and output cross as well."""
    table = load_network(row["network"]).table()
    weights = int(table.total("weight_elems")[0] - table.total("bias_elems")[0])
    graph = load_network(row["network"])
    ends = 0 if row["hardware"] == "ethos-u55-128" else sum(t.elems for t in (*graph.inputs, *graph.outputs))

    assert weights + ends <= (row["value"] + saved_bytes(row)) * 1.002


@pytest.mark.parametrize(
    ("network", "hardware", "kind"),
    [
        ("squeezenet:version=1.1", "ethos-u65-512", "resident"),
        ("squeezenet:version=1.1", "ethos-u65-512", "layer"),
        ("mobilenet_v2", "ethos-u65-512", "resident"),
        ("mobilenet_v2", "ethos-u85-512", "layer"),
    ],
)
def test_without_cascades_more_crosses(network, hardware, kind):
    """What fusion is for: without it, SqueezeNet and MobileNet V2 move at least twice as much in these memories."""
    assert cm.analyze(network, hardware, schedule=kind).totals.dram_bytes > 2 * cm.analyze(network, hardware).totals.dram_bytes


# ---- STM32N6


def test_stm32n6_spills_a_float_copy():
    """6 bytes for every output of conv1, which int8 would not need: all that is alive would fit.

    So the published cliff between version 1.0 and 1.1 is that of a float layer left to the processor, not one of int8.
    """
    graph = load_network("squeezenet")
    conv1 = next(layer.outputs[0] for layer in graph.layers if layer.name == "conv1")
    row = row_of("stm32n6-squeezenet-1.0-external")

    assert conv1.shape == (1, 96, 109, 109)
    assert row["value"] == pytest.approx(6 * conv1.elems, rel=1e-6)
    assert peak_live_bytes(graph, 8) < load_hardware("stm32n6").levels[1].capacity_bytes.value < row["value"]


@pytest.mark.parametrize("name", ["stm32n6-squeezenet-1.0-external", "stm32n6-squeezenet-1.1-external"])
def test_the_scheduler_keeps_both_versions_in_int8(name):
    """No activation leaves the memory on chip but the output; the input is read and the weights stream from flash."""
    analysis = analysis_of_row(row_of(name))
    assert (analysis.kind, analysis.phase) == ("resident", "steady")
    assert actual(row_of(name)) == 0
    assert analysis.totals.ifmap_dram_bytes <= analysis.inputs_bytes
    assert analysis.schedule.gap_ratio == 0.0


def test_the_cliff_of_int8_is_in_a_smaller_memory():
    """Version 1.1 fits into 1 MiB, 1.0 into 1.375 MiB: between them 1.0 alone spills, several times as many bytes."""
    found = cm.vary(["squeezenet", "squeezenet:version=1.1"], "stm32n6", {"hw.sram": "768KiB:1536KiB:128KiB"})
    by_network = {name: [p for p in found.points if p.network == name] for name in found.networks}
    fitting = {name: [p.at[0] / 1024 for p in points if p.fits] for name, points in by_network.items()}

    assert (fitting["squeezenet"], fitting["squeezenet:version=1.1"]) == ([1408, 1536], [1024, 1152, 1280, 1408, 1536])
    at_one = [points[2] for points in by_network.values()]
    assert at_one[0].dram_bytes > 2.5 * at_one[1].dram_bytes
    assert all(p.dram_bytes == p.lower_bytes for p in at_one)


# ---- Edge TPU


@pytest.mark.parametrize(
    ("network", "fits"),
    [("mobilenet_v1", True), ("mobilenet_v2", True), ("googlenet:variant=torchvision", True), ("inception_v4", False)],
)
def test_edge_tpu_holds_all_but_inception_v4(network, fits):
    """The weights of all others stay in its 8 MiB for ever; of Inception V4 the most that fits does, and the rest crosses."""
    analysis = cm.analyze(network, "edge-tpu")
    weights = int(analysis.estimate.table.total("weight_elems")[0] - analysis.estimate.table.total("bias_elems")[0])
    rows = [row for row in TIMES if row["network"] == network and row["hardware"] == "edge-tpu"]

    assert (analysis.kind, analysis.phase) == ("resident", "steady")
    assert (analysis.totals.weight_dram_bytes == 0) is fits
    assert analysis.totals.weight_dram_bytes == weights - analysis.schedule.pinned_bytes
    assert analysis.schedule.pinned_bytes <= analysis.schedule.capacity_bytes
    assert all((row["value"] < 5e-3) is fits for row in rows)
    assert len(rows) == 2


def test_edge_tpu_falls_off_a_cliff():
    """Inception V4 takes 25 to 28 times as long as V1 for 8 times the MACs, because its weights cross at every inference."""
    small, large = (cm.analyze(name, "edge-tpu") for name in ("googlenet:variant=torchvision", "inception_v4"))
    published = [
        row_of(f"edge-tpu-inception-v4-{place}")["value"] / row_of(f"edge-tpu-inception-v1-{place}")["value"]
        for place in ("usb", "dev-board")
    ]
    ours = large.totals.latency_s / small.totals.latency_s

    assert 25 < min(published) < ours < max(published) < 28
    assert 7.5 < large.totals.macs / small.totals.macs < 8.5
    waiting = sum(layer.latency_s for layer in large.layers if layer.binding == "host")
    assert waiting > 0.85 * large.totals.latency_s


def test_edge_tpu_without_its_cliff():
    """In a memory that holds all weights, Inception V4 would take as much longer as it has MACs and layers."""
    found = cm.vary(["inception_v4", "googlenet:variant=torchvision"], "edge-tpu", {"hw.sram": "8MiB,64MiB"})
    now, small, roomy, same = found.points

    assert (now.fits, roomy.fits) == (False, True)
    assert roomy.latency_s < now.latency_s / 4
    assert roomy.latency_s / same.latency_s < 8.5
    assert same.latency_s == small.latency_s


def test_a_cold_start_loads_all_weights():
    """Then the small network waits for the host as well."""
    steady, cold = (cm.analyze("mobilenet_v2", "edge-tpu", state=state) for state in ("steady", "cold"))
    weights = int(cold.estimate.table.total("weight_elems")[0] - cold.estimate.table.total("bias_elems")[0])

    assert cold.totals.dram_bytes == steady.totals.dram_bytes + weights
    assert cold.totals.latency_s > 3 * steady.totals.latency_s


# ---- times


@pytest.mark.parametrize(("hardware", "rows", "error"), [("stm32n6", 17, 0.19), ("edge-tpu", 8, 0.18)])
def test_profiles_are_fitted_as_they_say(hardware, rows, error):
    """Root mean square of the logarithm of ours over published, over all rows of a profile."""
    logs = [math.log(actual(row) / row["value"]) for row in TIMES if row["hardware"] == hardware]

    assert len(logs) == rows
    assert math.sqrt(sum(x * x for x in logs) / rows) < error


@pytest.mark.parametrize("hardware", ["stm32n6", "edge-tpu"])
def test_layer_by_layer_no_time_comes_out(hardware):
    """The times rest on what stays: with every tensor crossing, each network takes at least 1.8 times as long."""
    slower = [
        cm.analyze(row["network"], hardware, schedule="layer").totals.latency_s / row["value"]
        for row in TIMES
        if row["hardware"] == hardware
    ]
    assert min(slower) > 1.8


@pytest.mark.parametrize("row", TIMES, ids=[row["id"] for row in TIMES])
def test_tolerances_are_not_wider_than_their_profile_needs(row):
    """One row of each tolerance deviates nearly as much."""
    alike = ("hardware", "tolerance_ratio")
    same = [other for other in TIMES if all(other[key] == row[key] for key in alike)]
    assert max(abs(check(other).deviation_ratio) for other in same) > 0.9 * row["tolerance_ratio"]
