"""Points of a design space: each is what an analysis gives for it, in whatever slices; points that fail say why."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore import evaluate as module
from costmodel.explore import pricing
from costmodel.explore.evaluate import METRICS, evaluate, evaluate_points
from costmodel.explore.pricing import BOUNDS, COUNTED, MAPPED
from costmodel.hardware.columns import with_columns
from tests.unit.spaces import BUILDER, EMPTY, builder, space

PLAIN = (*COUNTED, *MAPPED)
MODELS = Path(__file__).resolve().parents[1] / "models"


def analysed(made, values):
    """Totals of one point by an analysis of its own, on a profile that is changed constant by constant."""
    spec = values.get("network", made.network)
    arguments = {name.removeprefix("net."): value for name, value in values.items() if name.startswith("net.")}
    hardware = cm.load_hardware(values.get("hardware", made.hardware))
    for name, value in values.items():
        if name.startswith("hw.array."):
            hardware = with_columns(hardware, {name.removeprefix("hw."): value})
        elif name.startswith("hw."):
            path = f"{hardware.levels[1].name}.capacity" if name == "hw.sram" else name.removeprefix("hw.")
            hardware = hardware.with_constant(path, float(value))
    bits = {name.removeprefix("bits."): value for name, value in values.items() if name.startswith("bits.")}
    chosen = {name: values.get(name, getattr(made, name)) for name in ("batch", "dtype", "schedule", "state")}
    graph = cm.load_network(spec, **arguments)
    totals = cm.analyze(graph, hardware, bits=bits or None, objective="none", **chosen).totals.to_dict()
    energy = totals.pop("energy_j")
    return totals | {"energy_j": energy["value"], "energy_low_j": energy["low"], "energy_high_j": energy["high"]}


def assert_analysed(made, metrics=PLAIN):
    """Every point of a space is its own analysis."""
    rows = evaluate(made, 0, made.size, metrics)
    assert rows["point"].tolist() == list(range(made.size))
    assert set(rows["problem"]) == {""}
    for point in range(made.size):
        values = made.at(point)
        assert {name: rows[name][point] for name in made.names} == values
        expected = analysed(made, values)
        for name in metrics:
            assert rows[name][point] == pytest.approx(expected[name], rel=1e-12), (values, name)


def test_arguments_and_settings(tmp_path):
    """Arguments that are arrays, arguments that are not, batch, number format and widths."""
    made = space(
        builder(tmp_path),
        axes={
            "net.width": [4, 9], "net.depth": [1, 2], "net.share": [0.3, 1.0], "net.kind": ["relu", "sigmoid"],
            "batch": [1, 3], "bits.weight": [3, 8],
        },
    )  # fmt: skip
    assert_analysed(made)


def test_hardware_constants(tmp_path):
    """Capacities, bandwidths, energies, clock and array sizes, with several networks at each."""
    made = space(
        builder(tmp_path),
        axes={
            "hw.sram": "1KiB:64KiB:8x", "net.width": [4, 9], "hw.dram.bandwidth": ["1 MB/s", "1 GB/s"],
            "hw.glb.read_energy": ["1 pJ/B", "9 pJ/B"], "hw.array.rows": [3, 12], "hw.compute.clock": ["100 MHz", "1 GHz"],
        },
    )  # fmt: skip
    assert_analysed(made)


def test_one_network_on_many_machines():
    """A network that does not vary meets columns of the hardware."""
    axes = {"hw.sram": ["16 KiB", "108 KiB"], "hw.rf.capacity": ["520 B", "1040 B"], "hw.static_power": [0.0, 0.5]}
    assert_analysed(space("squeezenet:version=1.1", axes=axes, batch=2, dtype="int16"))


def test_several_networks_and_machines():
    """Names of memories differ between machines; hw.sram is the first on chip of each."""
    axes = {"hw.sram": ["64 KiB", "256 KiB"], "state": ["cold"]}
    made = space(["ds_cnn", "resnet_cifar"], ["stm32h743", "eyeriss"], axes=axes)
    assert_analysed(made)


@pytest.mark.parametrize("hardware", ["stm32n6", "edge-tpu"])
def test_schedules_across_layers(hardware):
    """What the profile declares, or what is asked for; the schedule may vary and so may the state."""
    made = space("ds_cnn", hardware, schedule=None, axes={"hw.sram": ["32 KiB", "1 MiB"], "state": ["steady", "cold"]})
    assert_analysed(made)
    assert_analysed(space("ds_cnn", hardware, axes={"schedule": ["layer", "resident"], "hw.sram": ["32 KiB", "1 MiB"]}))


@pytest.mark.parametrize("name", ["onnx/light_bvlc_alexnet.onnx", "tflite/face_detection_full_range_sparse.tflite"])
def test_model_files(name):
    """What has no builder varies in its hardware and batch."""
    made = space(str(MODELS / name), "snapdragon", axes={"hw.sram": ["256 KiB", "8 MiB"], "batch": [1, 2]})
    assert_analysed(made)
    bounds = evaluate(made, 0, made.size, ["energy_bound_j", "energy_j"])
    assert (bounds["energy_bound_j"] <= bounds["energy_j"]).all()


def test_memory_of_activations():
    """The peak of the activations is that of the memory report."""
    made = space("ds_cnn", axes={"batch": [1, 2], "dtype": ["int8", "int16"], "hw.sram": ["64 KiB", "128 KiB"]})
    found = evaluate(made, 0, made.size, ["peak_ram_bytes"])["peak_ram_bytes"]
    for point in range(made.size):
        values = made.at(point)
        assert found[point] == cm.memory("ds_cnn", batch=values["batch"], dtype=values["dtype"]).peak_bytes


# ---- bounds


@pytest.mark.parametrize("hardware", ["eyeriss-168", "snapdragon", "stm32h743", "ethos-u55-128", "edge-tpu"])
@pytest.mark.parametrize("network", ["squeezenet:version=1.1", "ds_cnn", "kws_rnn"])
def test_bounds_are_not_undercut(network, hardware):
    """No mapping takes less energy or time than the bounds, which come close where memories are large."""
    made = space(network, hardware, axes={"hw.sram": ["64 KiB", "64 MiB"], "batch": [1, 4]})
    rows = evaluate(made, 0, made.size, ["energy_bound_j", "energy_j", "latency_bound_s", "latency_s"])
    assert (rows["energy_bound_j"] <= rows["energy_j"] * (1 + 1e-12)).all()
    assert (rows["latency_bound_s"] <= rows["latency_s"] * (1 + 1e-12)).all()
    assert (rows["energy_bound_j"] > 0.05 * rows["energy_j"]).all()


def test_the_energy_bound_by_hand(tmp_path):
    """One layer on two memories: MACs, both memories at compulsory traffic, the feed of the multipliers, static power."""
    net = EMPTY.replace("    return", '    g.output(g.linear("fc", g.input("x", (1, 100)), 50, bias=False))\n    return')
    hardware = "stm32h743"
    profile = cm.load_hardware(hardware)
    made = space(builder(tmp_path, net), hardware)
    rows = evaluate(made, 0, 1, ["energy_bound_j", "latency_bound_s", "macs", "other_ops"])
    assert (rows["macs"][0], rows["other_ops"][0]) == (5000, 0)
    outer, inner = profile.levels[0], profile.levels[-1]
    weight, ifmap, ofmap = 5000, 100, 50
    reuse = {name: constant.value for name, constant in inner.macs_per_access.items()}
    feeds = {
        "weight": 5000 / reuse.get("weight", 1), "ifmap": 5000 / reuse.get("ifmap", 1),
        "ofmap": 5000 * 4 / reuse.get("ofmap", 1),
    }  # fmt: skip
    between = profile.levels[1:-1]
    energy = 5000 * profile.compute.mac_pj["int8"].value
    energy += (weight + ifmap) * outer.read_pj_per_byte.value + ofmap * outer.write_pj_per_byte.value
    for level in between:
        energy += (weight + ifmap + ofmap) * (level.read_pj_per_byte.value + level.write_pj_per_byte.value)
    energy += (sum(feeds.values()) + ofmap) * inner.read_pj_per_byte.value
    energy += (feeds["ofmap"] + weight + ifmap) * inner.write_pj_per_byte.value
    times = [5000 / profile.compute.macs_per_cycle["int8"].value / profile.compute.clock_hz.value]
    moved = [weight + ifmap + ofmap] * (len(profile.levels) - 1) + [sum(feeds.values())]
    times += [
        size / level.bandwidth_bytes_per_s.value
        for size, level in zip(moved, profile.levels, strict=True)
        if level.bandwidth_bytes_per_s is not None
    ]
    latency = (max(times) if profile.overlap else sum(times)) + profile.layer_overhead_s.value
    assert rows["latency_bound_s"][0] == pytest.approx(latency, rel=1e-12)
    assert rows["energy_bound_j"][0] == pytest.approx(energy * 1e-12 + latency * profile.static_w.value, rel=1e-12)


# ---- slices


AXES = {
    "net.width": [4, 0, 9, 5], "net.depth": [1, 4, 2], "hw.sram": [4, 2048, 65536], "hw.dram.bandwidth": ["1 MB/s", "1 GB/s"],
}  # fmt: skip


def equal(one, other):
    """Whether two sets of rows are the same, kinds of columns included."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in one
    )


@pytest.mark.parametrize("step", [1, 7, 24])
def test_slices_do_not_change_anything(tmp_path, step):
    """In parts of any length the rows are the same, failing points and their reasons included."""
    made = space(builder(tmp_path), axes=AXES, constraints=["net.width != 5 or hw.sram > 4"])
    metrics = ["params", "energy_bound_j", "dram_bytes", "energy_j"]
    whole = evaluate(made, 0, made.size, metrics)
    parts = [evaluate(made, start, min(start + step, made.size), metrics) for start in range(0, made.size, step)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in whole}
    assert equal(whole, joined)
    assert 0 < (whole["problem"] != "").sum() < whole["problem"].size


def test_chunks_do_not_change_anything(tmp_path, monkeypatch):
    """Neither does the length of the chunks within a slice."""
    made = space(builder(tmp_path), axes=AXES)
    whole = evaluate(made, 0, made.size, METRICS)
    monkeypatch.setattr(module, "CHUNK_POINTS", 5)
    assert equal(whole, evaluate(made, 0, made.size, METRICS))


def test_points_in_any_order(tmp_path):
    """Any points, repeated ones too, are rows of the whole."""
    made = space(builder(tmp_path), axes=AXES)
    whole = evaluate(made, 0, made.size, ["dram_bytes"])
    chosen = [50, 3, 3, 71, 0]
    rows = evaluate_points(made, chosen, ["dram_bytes"])
    assert rows["point"].tolist() == chosen
    assert equal(rows, {name: column[chosen] for name, column in whole.items()})


def test_only_points_that_meet_the_constraints():
    """The others are left out and keep their numbers."""
    axes = {"batch": [1, 2, 3, 4], "hw.sram": ["64KiB", "128KiB"]}
    made = space(axes=axes, constraints=["batch % 2 == 0", "hw.sram > 64KiB"])
    assert evaluate(made, 0, made.size, ["params"])["point"].tolist() == [3, 7]


def test_no_points():
    """An empty slice, and one without feasible points, have every column and no row."""
    made = space(axes={"batch": [1, 2]}, constraints=["batch > 2"])
    for rows in (evaluate(made, 0, 2, METRICS), evaluate(made, 1, 1, METRICS), evaluate_points(made, [], METRICS)):
        assert list(rows) == ["point", "batch", *METRICS, "problem"]
        assert {column.size for column in rows.values()} == {0}


@pytest.mark.parametrize(
    ("indices", "metrics", "message"),
    [
        ([0, 2], ["params"], "test: points 0 to 2; it has points 0 to 1"),
        ([-1], ["params"], "test: points -1 to -1"),
        ([0], ["parms"], r"no metric parms \(did you mean 'params'\?\); the metrics are params, macs"),
    ],
)
def test_points_and_metrics_that_are_none(indices, metrics, message):
    """Indices outside and unknown metrics are refused."""
    with pytest.raises(InputError, match=message):
        evaluate_points(space(axes={"batch": [1, 2]}), indices, metrics)


# ---- failures


def test_failing_points_say_what_an_analysis_says(tmp_path):
    """Too small a memory, a refused size and an exception of the builder are notes of their points alone."""
    made = space(builder(tmp_path), axes=AXES)
    rows = evaluate(made, 0, made.size, ["params", "dram_bytes"])
    for point in range(made.size):
        values = made.at(point)
        problem = rows["problem"][point]
        if problem:
            with pytest.raises(cm.CostModelError) as refused:
                analysed(made, values)
            assert problem.partition(" (and ")[0] in str(refused.value)
            assert np.isnan(rows["dram_bytes"][point])
        else:
            assert rows["dram_bytes"][point] == analysed(made, values)["dram_bytes"]
    notes = set(rows["problem"])
    assert any("too deep" in note for note in notes)
    assert any("cannot be tiled into glb of 4 B" in note for note in notes)
    assert not any("\n" in note or str(tmp_path) in note for note in notes)


def test_counts_stay_where_the_mapper_fails(tmp_path):
    """A layer that cannot be tiled has its parameters and its bounds all the same."""
    made = space(builder(tmp_path), axes={"hw.sram": [4, 65536]})
    rows = evaluate(made, 0, 2, ["params", "energy_bound_j", "dram_bytes"])
    assert np.isnan(rows["dram_bytes"]).tolist() == [True, False]
    assert rows["params"][0] == rows["params"][1] > 0
    assert rows["energy_bound_j"][0] == rows["energy_bound_j"][1] > 0
    assert "conv0: cannot be tiled into glb of 4 B; the smallest glb that holds one tile is" in rows["problem"][0]


def test_few_builds_find_a_failing_point(tmp_path, monkeypatch):
    """One bad design among 256 is found by halving, not by building each."""
    made = space(builder(tmp_path), axes={"net.width": {"low": 0, "high": 255, "count": 256}})
    builds = []
    built = pricing.built
    monkeypatch.setattr(pricing, "built", lambda group, networks: builds.append(networks.size) or built(group, networks))
    rows = evaluate(made, 0, 256, ["params"])
    assert np.flatnonzero(rows["problem"]).tolist() == [0]
    assert len(builds) == 2 * 8 + 1


def test_a_builder_that_returns_nothing(tmp_path):
    """What is no graph, and a graph without layers, are notes too."""
    made = space(builder(tmp_path, BUILDER.replace("    return g\n", "    return None\n")))
    assert "build returned NoneType, not a Graph" in evaluate(made, 0, 1, ["params"])["problem"][0]
    made = space(builder(tmp_path, EMPTY))
    assert evaluate(made, 0, 1, ["params"])["problem"][0].startswith("empty: has no layers")


def test_only_what_the_metrics_need(monkeypatch):
    """Counts and bounds never ask the mapper; off-chip bytes ask it at one boundary."""
    made = space(axes={"net.squeeze_ratio": [0.125, 0.5]})
    monkeypatch.setattr(module, "CACHE", None)
    evaluate(made, 0, 2, [*COUNTED, *BOUNDS])
    asked = []

    class Counting:
        """Notes the memories that are asked for."""

        @staticmethod
        def moved(table, widths, rows, level, points, refuse):
            asked.append(level.name)
            return cache(table, widths, rows, level, points, refuse)

    cache = module.SolutionCache().moved
    monkeypatch.setattr(module, "CACHE", Counting)
    evaluate(made, 0, 2, ["dram_bytes"])
    assert asked == ["glb"]
    evaluate(made, 0, 2, ["energy_j"])
    assert asked == ["glb", "glb", "rf"]


def test_longer_arrays_compute_more():
    """MACs per cycle grow with the array, unless they are an axis themselves."""
    for more, ratio in (({}, 2.0), ({"hw.compute.macs_per_cycle.int16": [168.0]}, 1.0)):
        made = space("squeezenet", axes={"hw.array.columns": [14, 28], **more})
        bound = evaluate(made, 0, 2, ["latency_bound_s"])["latency_bound_s"]
        assert bound[0] / bound[1] == pytest.approx(ratio, rel=0.02)


def test_every_metric_is_given():
    """Each name of METRICS is a column of numbers."""
    rows = evaluate(space(axes={"batch": [1]}), 0, 1, METRICS)
    assert all(np.isfinite(rows[name]).all() and rows[name].dtype == np.float64 for name in METRICS)


def test_all_points_of_a_grid_are_met_once():
    """Two axes of two values are four points in the order of itertools.product."""
    made = space(axes={"net.base_e": [64, 128], "batch": [1, 2]})
    rows = evaluate(made, 0, 4, ["macs"])
    assert list(zip(rows["net.base_e"].tolist(), rows["batch"].tolist(), strict=True)) == list(product([64, 128], [1, 2]))
