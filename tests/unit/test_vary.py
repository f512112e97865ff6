"""Networks priced while something varies: figures by hand, order, what cannot be tiled, what makes no sense."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import costmodel as cm
from costmodel.analysis import analysis_of
from costmodel.errors import CostModelError, HardwareError, InputError
from costmodel.explore.axes import MOST_POINTS, axis_of
from costmodel.explore.vary import Subject, variation_of, with_widths
from costmodel.graph import Graph
from costmodel.schedule import KINDS, PHASES
from tests.unit.cascades import pair, perceptron, tower
from tests.unit.machine import machine


def varied(graphs, axes, hardware=None, **options):
    """Vary something on the machine of round numbers."""
    return cm.vary(graphs, hardware or machine(), axes, **options)


def moved(variation):
    """Off-chip bytes of every point."""
    return [point.dram_bytes for point in variation.points]


# ---- by hand


def test_capacity_by_hand():
    """Two fully connected layers of 5,000 and 500 weights, 100 inputs and 10 outputs, tensors and weights staying.

    In 64 KiB all fits: 110 bytes cross. In 1,000 bytes the 500 weights and the 50 values between stay, 5,000 weights cross.
    """
    found = varied([perceptron()], {"hw.sram": [1000, 65536]}, schedule="resident")
    assert moved(found) == [5000 + 100 + 10, 100 + 10]
    assert [point.fits for point in found.points] == [False, True]
    assert [point.lower_bytes for point in found.points] == moved(found)
    assert [point.bound_bytes for point in found.points] == [110 + 5500 - 1000, 110]


def test_state_by_hand():
    """From a cold start all 5,500 weights are loaded, however large the memory; then that is what must cross."""
    found = varied([perceptron()], {"state": "steady,cold"}, schedule="resident")
    assert moved(found) == [110, 5610]
    assert [point.fits for point in found.points] == [True, True]


def test_schedule_by_hand():
    """Two convolutions with 1,024 bytes between them, in 600 bytes.

    Layer by layer that crosses twice; in stripes never; the 160 weights stay in both schedules across layers.
    """
    found = varied([pair()], {"schedule": "layer,resident,fused", "state": "steady,cold"}, machine(600))
    weights, ends = 144 + 16, 2 * 1024
    by_layer = weights + ends + 2 * 1024
    assert moved(found) == [by_layer, by_layer, by_layer - weights, by_layer, ends, ends + weights]
    assert [point.fits for point in found.points] == [False, False, False, False, True, True]


def test_batch_by_hand():
    """A batch of 3 shares the weights: 5,500 and three times the activations of both layers."""
    found = varied([perceptron()], {"batch": "1:3:1"})
    assert moved(found) == [5500 + count * (100 + 50 + 50 + 10) for count in (1, 2, 3)]
    assert [point.batch for point in found.points] == [1, 2, 3]


def test_formats_by_hand():
    """Four times the bits are four times the bytes."""
    found = varied([perceptron()], {"dtype": "int8,fp32"}, machine(1 << 20))
    assert moved(found) == [5710, 4 * 5710]
    assert [point.precision for point in found.points] == ["int8", "fp32"]


def test_time_and_energy_by_hand():
    """Slower and dearer memory changes neither bytes nor the energy of arithmetic."""
    by_rate = varied([perceptron()], {"hw.dram.bandwidth": [1e3, 1e6, 1e9]}).points
    compute_s = (5000 + 50 + 500 + 10) / 10 / 1e6
    assert [point.latency_s for point in by_rate] == pytest.approx([5710 / 1e3, 5710 / 1e6, compute_s])
    assert {point.dram_bytes for point in by_rate} == {5710}
    by_energy = varied([perceptron()], {"hw.dram.read_energy": [0.0, 100.0]}).points
    assert by_energy[1].energy_j - by_energy[0].energy_j == pytest.approx((5710 - 60) * 100e-12)


# ---- equal to the analysis of every point


@pytest.mark.parametrize("make", [perceptron, pair, tower])
@pytest.mark.parametrize("schedule", KINDS)
@pytest.mark.parametrize("state", PHASES)
def test_every_point_is_an_analysis(make, schedule, state):
    """Bytes, bounds, energy and time are exactly those of `analyze` on the hardware with the constant changed."""
    hardware = machine(inner=64, static_w=0.01, overhead_s=1e-6)
    axes = {"hw.sram": [4096, 256, 700, 1500, 128], "batch": [2, 1]}
    found = varied([make()], axes, hardware, schedule=schedule, state=state)
    for point in found.points:
        capacity, batch = point.at
        alone = cm.analyze(make(), hardware.with_constant("sram.capacity", capacity), batch, schedule=schedule, state=state)
        assert (point.schedule, point.state, point.precision) == (alone.kind, alone.phase, alone.precision.name)
        assert point.dram_bytes == alone.totals.dram_bytes
        assert point.lower_bytes == alone.schedule.lower_bytes
        assert point.bound_bytes == alone.scheduler.bound_bytes(alone.hardware, alone.kind, alone.phase)
        assert point.energy_j == pytest.approx(alone.totals.energy_j.value, rel=1e-12)
        assert point.latency_s == pytest.approx(alone.totals.latency_s, rel=1e-12)


@pytest.mark.parametrize("hardware", ["snapdragon", "ethos-u65-512", "edge-tpu"])
def test_what_the_profile_declares_is_priced_unless_asked_otherwise(hardware):
    """Without a schedule, the one that `analyze` chooses."""
    (point,) = cm.vary(["squeezenet:version=1.1,input=64"], hardware, {"batch": [1]}).points
    alone = cm.analyze("squeezenet:version=1.1,input=64", hardware)
    assert (point.schedule, point.state, point.dram_bytes) == (alone.kind, "steady", alone.totals.dram_bytes)


# ---- order and shape


def test_points_are_in_order_of_the_axes():
    """The last axis faster than the first, networks fastest, whatever order they were priced in."""
    found = varied([perceptron("a"), perceptron("b", (3, 2))], {"hw.sram": [64, 4096, 512], "batch": [2, 1]})
    assert [(point.at, point.network) for point in found.points] == [
        ((capacity, batch), name) for capacity in (64.0, 4096.0, 512.0) for batch in (2, 1) for name in "ab"
    ]
    assert found.networks == ("a", "b")
    assert [axis.name for axis in found.axes] == ["hw.sram.capacity", "batch"]


def test_one_point():
    """One network, one value."""
    (point,) = varied([perceptron()], {"batch": 4}).points
    assert (point.at, point.batch, point.schedule, point.state) == ((4,), 4, "layer", "steady")


def test_the_hardware_is_left_alone():
    """A profile is a value."""
    hardware = machine(1000)
    found = varied([perceptron()], {"hw.sram": [4096]}, hardware)
    assert hardware.levels[1].capacity_bytes.value == 1000
    assert found.hardware is hardware


# ---- networks with widths of their own


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("squeezenet", ("squeezenet", None, None)),
        ("squeezenet@int8", ("squeezenet", "int8", None)),
        ("squeezenet:version=1.1@fp32", ("squeezenet:version=1.1", "fp32", None)),
        ("squeezenet@weight=3", ("squeezenet", None, {"weight": 3})),
        ("squeezenet@weight=3,ifmap=4", ("squeezenet", None, {"weight": 3, "ifmap": 4})),
        ("a@b/model.onnx", ("a@b/model.onnx", None, None)),
        ("models@int8/a.onnx", ("models@int8/a.onnx", None, None)),
        ("models@v2/a.onnx@int8", ("models@v2/a.onnx", "int8", None)),
        ("squeezenet@int9", ("squeezenet@int9", None, None)),
        ("squeezenet@", ("squeezenet@", None, None)),
        ("@int8", ("", "int8", None)),
        ("", ("", None, None)),
    ],
)
def test_widths_behind_a_name(spec, expected):
    """A format or widths by operand behind the last @; every other @ is part of the path."""
    assert with_widths(spec) == expected


def test_own_widths_by_hand(tmp_path, monkeypatch):
    """3 bits a weight: 5,500 weights take 1,875 and 188 bytes; a path with an @ is a path."""
    (tmp_path / "nets@home").mkdir()
    text = (
        "from costmodel.graph import Graph\n"
        "def build():\n"
        "    g = Graph('mine')\n"
        "    x = g.linear('fc0', g.input('x', (1, 100)), 50)\n"
        "    g.output(g.linear('fc1', x, 10))\n"
        "    return g\n"
    )
    (tmp_path / "nets@home" / "mine.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = ["nets@home/mine.py", "nets@home/mine.py@weight=3", "nets@home/mine.py@fp32"]
    found = varied(names, {"batch": [1]})
    assert moved(found) == [5710, 1875 + 188 + 210, 4 * 5710]
    assert [point.precision for point in found.points] == ["int8", "int8, weight 3 bit", "fp32"]
    assert found.networks == tuple(names)


def test_own_formats_do_not_vary():
    """A network with a format of its own keeps it while that of the others varies."""
    found = cm.vary(
        ["autoencoder", "autoencoder@int8"], machine(1 << 22), {"dtype": "fp32,int8"}, schedule="resident", state="cold"
    )
    assert [point.precision for point in found.points] == ["fp32", "int8", "int8", "int8"]
    assert moved(found)[1] == moved(found)[2] == moved(found)[3] == moved(found)[0] // 4


def test_own_widths_vary_with_the_format():
    """Widths of one operand stand beside whichever format the others have."""
    found = cm.vary(["autoencoder@weight=4"], machine(1 << 22), {"dtype": "int8,fp32"})
    assert [point.precision for point in found.points] == ["int8, weight 4 bit", "fp32, weight 4 bit"]
    assert moved(found)[0] < moved(found)[1]


# ---- what cannot be tiled


def test_points_that_cannot_be_tiled_say_so():
    """The layer and the smallest memory that would do; the other points are priced.

    A tile of one weight, one input and one sum takes 3 x 4 bytes in fp32, 1 + 1 + 4 in int8.
    """
    found = varied(["autoencoder@fp32", "autoencoder"], {"hw.sram": [8, 1 << 22]})
    assert [bool(point.problem) for point in found.points] == [True, False, False, False]
    first = found.points[0]
    assert ": cannot be tiled into sram of 8 B; the smallest sram that holds one tile is 12 B" in first.problem
    assert (first.dram_bytes, first.lower_bytes, first.bound_bytes, first.energy_j, first.latency_s) == (0, 0, 0, 0.0, 0.0)
    assert not first.fits


def test_the_message_is_that_of_the_analysis():
    """Counted where several layers have the same trouble."""
    (point,) = varied([perceptron()], {"hw.sram": [5]}).points
    with pytest.raises(CostModelError) as raised:
        analysis_of(perceptron(), machine(5), 1, None, None)
    assert point.problem == f"{raised.value.problems[0]} (and 1 more problem)"


def test_inner_memories_that_are_too_small_say_so():
    """A tile that no register file holds is no error of the sweep either."""
    found = varied([perceptron()], {"hw.rf": [4, 64]}, machine(inner=64))
    assert "cannot be tiled into rf of 4 B" in found.points[0].problem
    assert found.points[1].dram_bytes == 5710


def test_figures_that_were_not_worked_out_are_missing():
    """No zero that a plot would show as a point: null in JSON, NaN in a frame."""
    found = varied([perceptron()], {"hw.sram": [5, 4096]})
    records = found.to_dict()["points"]
    figures = ("dram_bytes", "lower_bytes", "bound_bytes", "energy_j", "latency_s")
    assert [records[0][name] for name in figures] == [None] * 5
    assert None not in [records[1][name] for name in figures]
    frame = found.to_frame()
    assert frame["dram_bytes"].isna().tolist() == [True, False]
    assert frame["fits"].tolist() == [False, False]


# ---- plain data


def test_plain_data():
    """JSON and data frame: the axes, then what was priced and the figures."""
    found = varied([perceptron("a"), perceptron("b", (3, 2))], {"hw.sram": [4096, 8192], "batch": [1, 2]}, schedule="fused")
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (data["schema_version"], data["hardware"]) == (1, "machine")
    assert data["axes"] == {"hw.sram.capacity": [4096.0, 8192.0], "batch": [1, 2]}
    assert len(data["points"]) == 8
    assert list(data["points"][0]) == [
        "hw.sram.capacity", "batch", "network", "precision", "schedule", "state", "dram_bytes", "lower_bytes", "bound_bytes",
        "energy_j", "latency_s", "problem", "fits",
    ]  # fmt: skip
    frame = found.to_frame()
    assert frame["dram_bytes"].tolist() == moved(found)
    assert frame["network"].tolist() == ["a", "b"] * 4
    assert frame["hw.sram.capacity"].tolist() == [4096.0] * 4 + [8192.0] * 4
    assert frame["batch"].tolist() == [1, 1, 2, 2] * 2
    assert set(frame["schedule"]) == {"fused"}
    assert frame["dram_bytes"].dtype == np.int64


def test_repr_is_the_report():
    """In a shell the tables, in a notebook the same as HTML."""
    found = varied([perceptron("a"), perceptron("b", (3, 2))], {"batch": [1, 2]})
    assert repr(found).startswith("a and b on machine, int8, layer by layer, by batch\n")
    assert found._repr_html_().count("Off-chip bytes per input") == 1


# ---- what makes no sense


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "vary: nothing varies; give an axis"),
        ({"hw.sram": [1024], "hw.sram.capacity": [2048]}, "vary: hw.sram.capacity varies twice; give all its values at once"),
        ({"hw.sram": [1], "hw.sram.capacity": [2], "batch": [1]}, "vary: hw.sram.capacity varies twice"),
        ({"batch": []}, "vary: no values given for batch"),
        ({"hw.sram": "1:101:1", "batch": "1:100:1"}, f"vary: 10100 points; at most {MOST_POINTS} are priced at once"),
    ],
)
def test_axes_that_make_no_sense(axes, message):
    """One message each."""
    with pytest.raises(InputError) as raised:
        varied([perceptron()], axes)
    (problem,) = raised.value.problems
    assert problem.startswith(message)


def test_no_network():
    """At least one."""
    with pytest.raises(InputError, match="vary: no network given; give at least one"):
        varied([], {"batch": [1]})


def test_networks_count_as_points():
    """The limit is on what is priced."""
    axis = axis_of("batch", f"1:{MOST_POINTS}:1", machine())
    with pytest.raises(InputError, match=f"vary: {2 * MOST_POINTS} points"):
        variation_of([Subject("a", perceptron()), Subject("b", perceptron())], machine(), [axis], 1, None, "steady")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "fuse"}, "schedule: 'fuse' is not a schedule; use one of layer, resident, fused"),
        ({"state": "warm"}, "state: 'warm' given; use one of steady, cold"),
        ({"batch": 0}, "batch: 0 given; give a whole number from 1 to"),
        ({"batch": math.nan}, "batch: nan given; give a whole number from 1 to"),
        ({"batch": True}, "batch: True given; give a whole number from 1 to"),
    ],
)
def test_settings_that_make_no_sense(options, message):
    """What does not vary is checked as `analyze` does."""
    with pytest.raises(InputError) as raised:
        varied([perceptron()], {"hw.sram": [4096]}, **options)
    assert raised.value.problems[0].startswith(message)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("squeezenet@int9", InputError, "no compression scheme 'int9', did you mean int8.: shipped are"),
        ("squeezenet@weights=3", InputError, "bits: 'weights' is not an operand"),
        ("squeezenet@weight=0", InputError, "bits: weight is 0 bits wide"),
        ("squeezenet@weight=3,weight=4", InputError, "weight is given twice"),
        ("squeezenet@bf16", HardwareError, "machine has no multiplier for bf16"),
        ("nowhere", InputError, "no network called 'nowhere'"),
    ],
)
def test_networks_that_make_no_sense(spec, error, message):
    """One message each."""
    with pytest.raises(error, match=message):
        varied([spec], {"batch": [1]})


def test_a_network_without_layers():
    """Refused as `analyze` refuses it."""
    with pytest.raises(CostModelError, match="has no layers"):
        varied([Graph("empty")], {"batch": [1]})


def test_design_spaces_are_refused():
    """A graph with arrays goes to `sweep`."""
    graph = Graph("arrays")
    graph.output(graph.linear("fc", graph.input("x", (1, 4)), np.array([1, 2])))
    with pytest.raises(InputError, match="carries 2 design points; analyze prices one network, sweep"):
        varied([graph], {"batch": [1]})


def test_input_shapes_are_for_model_files():
    """A Python network has arguments."""
    with pytest.raises(InputError, match="input shapes are for model files; a Python network takes arguments"):
        varied(["squeezenet"], {"batch": [1]}, inputs={"data": (1, 3, 224, 224)})
    with pytest.raises(InputError, match="input shapes are for model files"):
        cm.compare(["squeezenet", perceptron()], machine(), inputs={"data": (1, 3, 224, 224)})


def test_memories_without_end_hold_everything():
    """No number of bytes is too large to be counted: the layer moves its compulsory bytes, the schedule only the ends."""
    found = varied([pair()], {"hw.sram": ["1e18 B", 1e300], "schedule": ["layer", "resident"]})
    assert moved(found) == [4256, 2048, 4256, 2048]
