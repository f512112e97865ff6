"""Analyses under a schedule: what each layer finds on chip, totals, energy, time and mappings, worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.analysis import analysis_of
from costmodel.errors import InputError, MappingError
from costmodel.graph import Graph
from costmodel.schedule import KINDS, PHASES, declared_kind
from tests.properties.test_sharing import networks
from tests.unit.cascades import pair, perceptron, tower
from tests.unit.machine import machine

KINDS_AND_PHASES = [(kind, phase) for kind in KINDS for phase in PHASES]


def priced(graph, kind=None, phase="steady", capacity=1 << 20, batch=1, **hardware):
    """Analyse a graph on the machine of round numbers under a schedule."""
    return analysis_of(graph, machine(capacity, **hardware), batch, None, None, kind, phase)


def crossing(analysis):
    """Bytes of weights, inputs and outputs of every layer."""
    return [(one.weight_dram_bytes, one.ifmap_dram_bytes, one.ofmap_dram_bytes) for one in analysis.layers]


# ---- which schedule


def test_kind_and_phase_of_an_analysis():
    """What was asked for; the profile's own where nothing was."""
    assert (priced(perceptron()).kind, priced(perceptron()).phase) == ("layer", "steady")
    asked = priced(perceptron(), "fused", "cold")
    assert (asked.kind, asked.phase, asked.schedule.kind, asked.schedule.phase) == ("fused", "cold", "fused", "cold")


@pytest.mark.parametrize(
    ("profile", "kind"),
    [("snapdragon", "layer"), ("edge-tpu", "resident"), ("stm32n6", "resident"), ("ethos-u65-512", "fused")],
)
def test_what_profiles_declare(profile, kind):
    """Residency and fusion of the hardware decide what is priced."""
    assert declared_kind(cm.load_hardware(profile)) == kind
    assert cm.analyze("autoencoder", profile).kind == kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "fuse"}, "schedule: 'fuse' is not a schedule; use one of layer, resident, fused"),
        ({"schedule": ""}, "schedule: '' is not a schedule"),
        ({"state": "warm"}, "state: 'warm' given; use one of steady, cold"),
        ({"state": None}, "state: None given; use one of steady, cold"),
    ],
)
def test_schedules_that_do_not_exist(options, message):
    """One message each, from the library as from the command line."""
    with pytest.raises(InputError) as raised:
        cm.analyze("autoencoder", "snapdragon", **options)
    (problem,) = raised.value.problems
    assert problem.startswith(message)


def test_every_schedule_of_a_profile_whose_weights_may_stay():
    """Layer by layer once, the others in both phases; the one that was priced is the same object."""
    analysis = priced(perceptron(), "resident")
    found = [(one.kind, one.phase) for one in analysis.schedules]
    assert found == [
        ("layer", "steady"), ("resident", "steady"), ("resident", "cold"), ("fused", "steady"), ("fused", "cold"),
    ]  # fmt: skip
    assert analysis.schedules[1] is analysis.schedule is analysis.estimate.schedule
    assert analysis.scheduled("fused", "cold") is analysis.scheduled("fused", "cold")


@pytest.mark.parametrize("state", PHASES)
def test_schedules_of_a_profile_whose_weights_may_not_stay(state):
    """Where only activations stay, both phases are the same: each kind once, in the phase that was asked for."""
    analysis = cm.analyze("autoencoder", "ethos-u65-512", state=state)
    assert [(one.kind, one.phase) for one in analysis.schedules] == [(kind, state) for kind in KINDS]
    other = next(phase for phase in PHASES if phase != state)
    assert analysis.scheduled("fused", other).dram_bytes == analysis.schedule.dram_bytes


# ---- on chip, by layer


@pytest.mark.parametrize(
    ("kind", "phase", "moved", "on_chip"),
    [
        ("layer", "steady", [(5000, 100, 50), (500, 50, 10)], ["", ""]),
        ("layer", "cold", [(5000, 100, 50), (500, 50, 10)], ["", ""]),
        ("resident", "steady", [(0, 100, 0), (0, 0, 10)], ["weight ofmap", "weight ifmap"]),
        ("resident", "cold", [(5000, 100, 0), (500, 0, 10)], ["ofmap", "ifmap"]),
        ("fused", "steady", [(0, 100, 0), (0, 0, 10)], ["weight ofmap", "weight ifmap"]),
        ("fused", "cold", [(5000, 100, 0), (500, 0, 10)], ["ofmap", "ifmap"]),
    ],
)
def test_a_perceptron_that_fits(kind, phase, moved, on_chip):
    """Two layers in 1 MiB: only what is not on chip crosses, and the labels say which."""
    analysis = priced(perceptron(), kind, phase)
    assert crossing(analysis) == moved
    assert [layer.on_chip for layer in analysis.layers] == on_chip
    assert analysis.totals.dram_bytes == sum(map(sum, moved)) == analysis.schedule.dram_bytes


@pytest.mark.parametrize(
    ("kind", "phase", "moved", "on_chip"),
    [
        ("layer", "steady", [(144, 1024, 1024), (16, 1024, 1024)], ["", ""]),
        ("resident", "steady", [(0, 1024, 1024), (0, 1024, 1024)], ["weight", "weight"]),
        ("resident", "cold", [(144, 1024, 1024), (16, 1024, 1024)], ["", ""]),
        ("fused", "steady", [(0, 1024, 0), (0, 0, 1024)], ["cascade 1", "cascade 1"]),
        ("fused", "cold", [(144, 1024, 0), (16, 0, 1024)], ["cascade 1", "cascade 1"]),
    ],
)
def test_a_pair_of_convolutions_that_is_cascaded(kind, phase, moved, on_chip):
    """In 600 bytes a map of 1,024 does not stay, three rows of it do."""
    analysis = priced(pair(), kind, phase, 600)
    assert crossing(analysis) == moved
    assert [layer.on_chip for layer in analysis.layers] == on_chip
    assert analysis.schedule.pinned == (("conv1", "conv2") if phase == "steady" and kind != "layer" else ())


def test_rows_that_are_computed_again():
    """Twelve stripes of one row in 123 bytes; conv2 reads three rows, so 34 rows are computed of twelve.

    conv0 and conv1 compute 22 rows of 8 again; 34 rows of 8 are read, 12 rows of 16 written, 23 weights loaded.
    """
    analysis = priced(tower(), "fused", "cold", 123)
    (cascade,) = analysis.schedule.fused
    assert (cascade.style, cascade.rows, cascade.again_macs) == ("halo", 1, 2 * 22 * 8)
    assert analysis.schedule.again_macs[:, 0].tolist() == [22 * 8, 22 * 8, 0, 0, 0]
    assert analysis.totals.dram_bytes == 34 * 8 + 12 * 16 + 23
    assert crossing(analysis) == [(1, 34 * 8, 0), (1, 0, 0), (3, 0, 0), (6, 0, 0), (12, 0, 12 * 16)]


# ---- totals


def test_macs_computed_again_are_executed_and_not_counted():
    """The network has as many MACs as before; arithmetic, its energy and its time are those executed."""
    alone, fused = (priced(tower(), kind, "cold", 123, bandwidth=None) for kind in ("layer", "fused"))
    again = 2 * 22 * 8
    assert fused.totals.macs == alone.totals.macs
    assert fused.totals.other_ops == alone.totals.other_ops
    assert int(fused.estimate.executed_macs.sum()) == fused.totals.macs + again
    assert int(alone.estimate.executed_macs.sum()) == alone.totals.macs
    assert fused.totals.energy_mac_j - alone.totals.energy_mac_j == pytest.approx(again * 1e-12)
    assert fused.totals.latency_s - alone.totals.latency_s == pytest.approx(again / 10 / 1e6)
    macs = {layer.name: layer.macs for layer in fused.layers}
    assert macs["conv0"] == 12 * 8


@pytest.mark.parametrize(("kind", "phase"), KINDS_AND_PHASES)
def test_energy_by_hand(kind, phase):
    """DRAM at 100 pJ a byte read and 200 written; the buffer is filled at 3 and drained at 2 by what crosses alone."""
    analysis = priced(pair(), kind, phase, 600)
    weight, ifmap, ofmap = (sum(column) for column in zip(*crossing(analysis), strict=True))
    loaded, totals = weight + ifmap, analysis.totals
    operations, macs = totals.macs + totals.other_ops, totals.macs
    assert totals.energy_mac_j == pytest.approx(operations * 1e-12)
    assert totals.energy_off_chip_j == pytest.approx((loaded * 100 + ofmap * 200) * 1e-12)
    feeds = (1 + 1 + 4) * macs
    assert totals.energy_on_chip_j == pytest.approx(((feeds + ofmap) * 2 + (loaded + 4 * macs) * 3) * 1e-12)
    assert totals.energy_j.low == pytest.approx(
        (operations * 0.5 + (loaded * 100 + ofmap * 200) / 2) * 1e-12 + totals.energy_on_chip_j
    )


@pytest.mark.parametrize(("kind", "phase"), KINDS_AND_PHASES)
def test_time_by_hand(kind, phase):
    """At 1 kB/s every layer waits for what crosses; at 1 GB/s for its operations at 10 a microsecond; overheads add."""
    slow, fast = (priced(pair(), kind, phase, 600, bandwidth=rate, overhead_s=1e-3) for rate in (1e3, 1e9))
    for moved, layer in zip(crossing(slow), slow.layers, strict=True):
        operations_s = (layer.macs + layer.other_ops) / 1e7
        assert layer.latency_s == pytest.approx(max(sum(moved) / 1e3, operations_s) + 1e-3)
    assert [layer.latency_s for layer in fast.layers] == pytest.approx(
        [(layer.macs + layer.other_ops) / 1e7 + 1e-3 for layer in fast.layers]
    )
    assert slow.totals.latency_s == pytest.approx(sum(layer.latency_s for layer in slow.layers))


def test_a_layer_whose_operands_are_all_on_chip_waits_for_nothing():
    """What binds is no longer the memory off chip."""
    graph = perceptron(widths=(10, 200, 200, 10))
    by_layer, resident = (priced(graph, kind, bandwidth=1e5) for kind in ("layer", "resident"))
    assert [layer.binding for layer in by_layer.layers] == ["dram"] * 3
    assert [layer.binding for layer in resident.layers] == ["compute"] * 3
    assert resident.layers[1].dram_bytes == 0
    assert resident.layers[1].macs_per_dram_byte == 0.0


@pytest.mark.parametrize(("kind", "phase"), KINDS_AND_PHASES)
def test_inner_memories_are_priced_layer_by_layer(kind, phase):
    """A schedule decides what crosses the outermost boundary; what the registers see is the same under every one."""
    analysis, alone = (priced(pair(), *which, 600, inner=64) for which in ((kind, phase), ("layer", "steady")))
    outer, inner = analysis.estimate.boundaries
    assert outer is analysis.schedule.boundary or kind == "layer"
    assert inner.moved_bytes.tolist() == alone.estimate.boundaries[1].moved_bytes.tolist()
    assert analysis.estimate.off_chip.moved_bytes.sum() == analysis.totals.dram_bytes


def test_constants_do_not_depend_on_the_schedule():
    """The same sources and assumptions, whatever stays."""
    names = [[constant.name for constant in priced(pair(), kind).constants()] for kind in KINDS]
    assert names[0] == names[1] == names[2]
    shares = [[one.key for one in cm.analyze("autoencoder", "snapdragon", schedule=kind).sources()] for kind in KINDS]
    assert shares[0] == shares[1] == shares[2] != []


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(16, 900), st.sampled_from(KINDS_AND_PHASES), st.integers(1, 2), st.booleans())
def test_off_chip_is_the_sum_of_layers(graph, capacity, which, batch, double_buffered):
    """Exactly: bytes of the schedule, of the totals, of every operand of every layer; and counts are those of the network."""
    analysis = priced(graph, *which, capacity, batch, double_buffered=double_buffered)
    alone = priced(graph, "layer", "steady", capacity, batch, double_buffered=double_buffered)
    assert analysis.schedule.dram_bytes == analysis.totals.dram_bytes == sum(map(sum, crossing(analysis)))
    for name in ("params", "macs", "other_ops", "weight_bytes", "ifmap_bytes", "ofmap_bytes", "compulsory_bytes"):
        assert getattr(analysis.totals, name) == getattr(alone.totals, name)
    parts = sum(getattr(analysis.totals, f"energy_{part}_j") for part in ("mac", "on_chip", "off_chip", "static"))
    assert analysis.totals.energy_j.value == pytest.approx(parts)
    assert (analysis.estimate.executed_macs >= analysis.estimate.table.macs).all()
    assert all(min(moved) >= 0 for moved in crossing(analysis))


# ---- mappings


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(16, 900), st.sampled_from(KINDS_AND_PHASES), st.booleans())
def test_tiles_are_legal_and_fit(graph, capacity, which, double_buffered):
    """Each tile lies within its layer, trips cover it, and its operands off chip fit into the memory beside all that stays."""
    analysis = priced(graph, *which, capacity, double_buffered=double_buffered)
    table = analysis.estimate.table
    for row, mapping in analysis.mappings.items():
        for dim, size in mapping.tile.items():
            extent = int(getattr(table, dim)[row, 0])
            assert 1 <= size <= extent
            assert mapping.trips[dim] == -(-extent // size)
        assert 0 < mapping.buffer_bytes <= capacity
        assert sorted(mapping.order) == sorted(dim for dim, trips in mapping.trips.items() if trips > 1)


def test_the_mapping_is_that_of_the_operands_off_chip():
    """Beside 500 weights and 50 outputs that stay, 450 of 1,000 bytes are left: for 100 inputs, 50 sums and some weights."""
    analysis = priced(perceptron(), "resident", "steady", 1000)
    first, second = analysis.layers
    assert (first.on_chip, second.on_chip) == ("ofmap", "weight ifmap")
    assert first.mapping.buffer_bytes <= 1000 - 500 - 50
    assert (first.weight_dram_bytes, first.ifmap_dram_bytes) == (5000, 100)


def test_layers_with_nothing_off_chip_have_no_mapping():
    """Nothing is tiled where nothing crosses; in a cascade rows are cut, not loops."""
    graph = perceptron(widths=(10, 20, 20, 10))
    mappings = [layer.mapping for layer in priced(graph, "resident").layers]
    assert [mapping is None for mapping in mappings] == [False, True, False]
    assert all(layer.mapping is None for layer in priced(pair(), "fused", "steady", 600).layers)
    assert all(layer.mapping is not None for layer in priced(pair(), "resident", "steady", 600).layers)


# ---- plain data


@pytest.mark.parametrize(("kind", "phase"), KINDS_AND_PHASES)
def test_json_says_which_schedule_and_what_the_others_would_give(kind, phase):
    """The whole of the one that was priced, the figures of the others, the place of every layer."""
    analysis = priced(pair(), kind, phase, 600)
    data = json.loads(json.dumps(analysis.to_dict(), allow_nan=False))
    one = data["schedule"]
    assert (one["kind"], one["phase"], one["level"], one["capacity_bytes"]) == (kind, phase, "sram", 600)
    assert one["dram_bytes"] == data["totals"]["dram_bytes"]
    assert one["order"] == ["conv1", "conv2"]
    assert [fused["layers"] for fused in one["fused"]] == ([["conv1", "conv2"]] if kind == "fused" else [])
    assert [layer["on_chip"] for layer in data["layers"]] == [layer.on_chip for layer in analysis.layers]
    others = [(found["kind"], found["phase"]) for found in data["schedules"]]
    assert (kind, phase) in others
    assert len(others) == len(set(others)) == 5
    assert [found["dram_bytes"] for found in data["schedules"]] == [found.dram_bytes for found in analysis.schedules]
    assert not any(isinstance(value, list) for found in data["schedules"] for value in found.values())


def test_tensors_that_stay_in_json():
    """Name, size, and between which layers."""
    (stay,) = priced(perceptron(), "resident").to_dict()["schedule"]["stays"]
    assert (stay["size_bytes"], stay["first"], stay["last"]) == (50, "fc0", "fc1")


def test_a_frame_has_the_places():
    """One row per layer, under any schedule."""
    frame = priced(perceptron(), "resident").to_frame()
    assert frame["on_chip"].tolist() == ["weight ofmap", "weight ifmap"]
    assert frame["dram_bytes"].tolist() == [100, 10]


# ---- edges


def test_a_network_that_moves_nothing():
    """A view alone: no step, no bytes, every schedule the same."""
    graph = Graph("view")
    graph.output(graph.flatten("flat", graph.input("x", (1, 2, 2))))
    for kind, phase in KINDS_AND_PHASES:
        analysis = priced(graph, kind, phase)
        assert (analysis.totals.dram_bytes, analysis.schedule.dram_bytes, analysis.schedule.lower_bytes) == (0, 0, 0)
        assert analysis.schedule.gap_ratio == 0.0
        assert repr(analysis).startswith("view on machine")


def test_unknown_layers_are_scheduled_by_their_tensors():
    """Their work is unknown, what they read and write is not."""
    graph = Graph("net")
    x = graph.linear("fc", graph.input("x", (1, 4)), 6)
    graph.output(graph.unknown("mystery", "FancyOp", [x], (1, 8)))
    assert crossing(priced(graph, "layer")) == [(24, 4, 6), (0, 6, 8)]
    assert crossing(priced(graph, "resident")) == [(0, 4, 0), (0, 0, 8)]


def test_a_layer_that_cannot_be_tiled_is_an_error_under_every_schedule():
    """With the same message."""
    messages = set()
    for kind, phase in KINDS_AND_PHASES:
        with pytest.raises(MappingError) as raised:
            priced(perceptron(), kind, phase, 5)
        messages.add(str(raised.value))
    assert len(messages) == 1


def test_counts_are_integers():
    """No NumPy number leaves the library."""
    analysis = priced(tower(), "fused", "cold", 123)
    assert type(analysis.schedule.dram_bytes) is int
    assert type(analysis.layers[0].ifmap_dram_bytes) is int
    assert analysis.schedule.again_macs.dtype == np.int64
