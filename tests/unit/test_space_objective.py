"""Design spaces whose layers are mapped through all memories: every point is its own analysis for the objective."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore import evaluate as module
from costmodel.explore.bounds import paths
from costmodel.explore.evaluate import evaluate, evaluate_points, layers_of
from costmodel.explore.nests import Nests
from costmodel.explore.pricing import BOUNDS, METRICS, NESTED
from costmodel.explore.uncertainty import Uncertainty, sampled_figures
from costmodel.hardware import load_hardware
from costmodel.hardware.columns import resized
from costmodel.hardware.profile import OBJECTIVES
from costmodel.report.objective import space_sentences
from tests.unit.joint_machine import stationary
from tests.unit.spaces import builder, space

PLAIN = tuple(name for name in METRICS if name not in (*BOUNDS, "peak_ram_bytes"))
PROFILES = Path(__file__).resolve().parents[2] / "hw_profiles"
STEPPED = '''"""A recurrent layer, a pooling and a strided convolution without padding."""

from costmodel.graph import Dim, Graph


def build(features: Dim = 3, steps: int = 4, channels: int = 2) -> Graph:
    """Build them."""
    g = Graph("stepped")
    x = g.conv("strided", g.input("image", (1, 2, 9, 9)), channels, kernel=1, stride=2)
    g.output(g.avg_pool("pool", x, kernel=2))
    g.output(g.gru("gru", g.input("words", (1, steps, 5)), features))
    return g
'''


def analysed(made, values):
    """Totals of one point by an analysis of its own."""
    arguments = {name.removeprefix("net."): value for name, value in values.items() if name.startswith("net.")}
    hardware = cm.load_hardware(values.get("hardware", made.hardware))
    array = {name.removeprefix("hw.array."): value for name, value in values.items() if name.startswith("hw.array.")}
    hardware = resized(hardware, array) if array else hardware
    for name, value in values.items():
        if name.startswith("hw.") and not name.startswith("hw.array."):
            path = f"{hardware.levels[1].name}.capacity" if name == "hw.sram" else name.removeprefix("hw.")
            hardware = hardware.with_constant(path, float(value))
    bits = {name.removeprefix("bits."): value for name, value in values.items() if name.startswith("bits.")}
    chosen = {name: values.get(name, getattr(made, name)) for name in ("batch", "dtype", "schedule", "state", "objective")}
    graph = cm.load_network(values.get("network", made.network), **arguments)
    totals = cm.analyze(graph, hardware, bits=bits or None, **chosen).totals.to_dict()
    energy = totals.pop("energy_j")
    return totals | {"energy_j": energy["value"], "energy_low_j": energy["low"], "energy_high_j": energy["high"]}


def assert_analysed(made):
    """Every point of a space is its own analysis, to the last bit, and nothing undercuts its bounds."""
    rows = evaluate(made, 0, made.size, (*PLAIN, *BOUNDS))
    assert set(rows["problem"]) == {""}
    for point in range(made.size):
        expected = analysed(made, made.at(point))
        assert {name: rows[name][point] for name in PLAIN} == {name: expected[name] for name in PLAIN}, made.at(point)
    assert (rows["energy_bound_j"] <= rows["energy_j"]).all()
    assert (rows["latency_bound_s"] <= rows["latency_s"]).all()
    return rows


# ---- figures


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_point_is_its_own_analysis(tmp_path, objective):
    """Arguments that are arrays or not, batch and widths, on memories alone and on an array with memories in its elements."""
    axes = {"net.width": [4, 9], "net.depth": [1, 2], "net.share": [0.3, 1.0], "batch": [1, 3], "bits.weight": [3, 8]}
    made = space(builder(tmp_path), ["snapdragon", "eyeriss-168"], axes=axes, schedule=None, objective=objective)
    rows = assert_analysed(made)
    apart = evaluate(space(builder(tmp_path), ["snapdragon", "eyeriss-168"], axes=axes), 0, made.size, ["energy_j"])
    assert (rows["energy_j"] != apart["energy_j"]).any()


def test_hardware_that_varies(tmp_path):
    """Sizes of memories and of the array, energies and rates: one column per constant, one search per machine."""
    axes = {
        "net.width": [4, 9], "hw.sram": ["1KiB", "64KiB"], "hw.array.rows": [4, 12],
        "hw.dram.read_energy": ["10 pJ/B", "90 pJ/B"], "hw.compute.clock": ["100MHz", "200MHz"],
    }  # fmt: skip
    assert_analysed(space(builder(tmp_path), axes=axes, objective="edp"))


def test_repeated_steps_and_rows_without_weights(tmp_path):
    """Weights that stay from step to step, poolings that move no weights, inputs that a stride leaves out, no overlap."""
    axes = {"net.features": [1, 3, 8], "net.steps": [1, 4], "net.channels": [1, 5], "dtype": ["int8", "int16"]}
    assert_analysed(space(builder(tmp_path, STEPPED), axes=axes, objective="latency"))
    assert_analysed(space(builder(tmp_path, STEPPED), "ws-16x16", axes={"net.features": [1, 3, 8]}, objective="energy"))


def test_rows_without_outputs_are_streamed(tmp_path):
    """A convolution of no filters moves its inputs as an analysis has it, wherever else it has some."""
    text = builder(tmp_path, STEPPED.replace("channels: int", "channels: Dim").replace('"strided", g', '"strided", g'))
    made = space(text, axes={"net.channels": [1, 2, 3]}, objective="energy")
    assert_analysed(made)


def test_shipped_networks():
    """Groups, ceiling modes and classes of a real network on a machine without an array."""
    axes = {"net.squeeze_ratio": [0.125, 0.3], "net.bypass": ["none", "simple"], "hw.sram": ["64KiB", "1MiB"]}
    assert_analysed(space("squeezenet", "snapdragon", axes=axes, objective="energy"))
    assert_analysed(space("mobilenet_v1", "snapdragon", objective="latency"))


def test_objectives_may_vary_and_be_declared(tmp_path):
    """As an axis; ``none`` is each boundary by itself, and no objective is that of the profile, as for an analysis."""
    text = (PROFILES / "snapdragon.yaml").read_text(encoding="utf-8")
    declared = tmp_path / "mine.yaml"
    declared.write_text(f"objective: latency\n{text}", encoding="utf-8")
    (tmp_path / "sources.yaml").write_text((PROFILES / "sources.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    made = space(builder(tmp_path), "snapdragon", axes={"objective": ["none", *OBJECTIVES], "net.width": [4, 40]})
    rows = assert_analysed(made)
    alone = evaluate(space(builder(tmp_path), "snapdragon", axes={"net.width": [4, 40]}), 0, 2, ["energy_j"])
    assert rows["energy_j"][:2].tolist() == alone["energy_j"].tolist()
    own = space(builder(tmp_path), str(declared), axes={"net.width": [4, 40]})
    assert own.resolved.maps_jointly
    (said,) = space_sentences(space(builder(tmp_path), [str(declared), "eyeriss-168"], axes={"net.width": [4]}))
    assert said.startswith("Every layer by itself is mapped for the least time on snapdragon, through")
    assert_analysed(own)
    assert not space(builder(tmp_path), str(declared), objective="none").resolved.maps_jointly


def test_points_do_not_depend_on_their_neighbours(tmp_path):
    """Any points, in any order and any parts, are the same."""
    axes = {"net.width": "3:20:1", "hw.sram": ["1KiB", "4KiB"]}
    made = space(builder(tmp_path), "snapdragon", axes=axes, objective="energy")
    whole = evaluate(made, 0, made.size, PLAIN)
    order = np.random.default_rng(1).permutation(made.size)
    for part in np.array_split(order, 5):
        found = evaluate_points(made, part, PLAIN, Nests(made.resolved.most_levels))
        for name in PLAIN:
            assert found[name].tolist() == whole[name][part].tolist()


# ---- equal layers


def test_equal_layers_are_mapped_once(tmp_path, monkeypatch):
    """Within a slice, since an earlier one, and not at all for metrics that do not ask how layers are mapped."""
    nests = Nests(3)
    monkeypatch.setattr(module, "nests_of", lambda _: nests)
    axes = {"net.share": [0.5], "net.kind": ["relu", "sigmoid"], "net.width": [4, 8]}
    made = space(builder(tmp_path), "snapdragon", axes=axes, objective="energy")
    evaluate(made, 0, 4, ["params", "energy_bound_j", "io_bound_bytes"])
    assert nests.solved == 0
    evaluate(made, 0, 4, ["energy_j"])
    solved, listed = nests.solved, layers_of(made, 0, 4, ["energy_j"])
    assert solved == listed.count == 4  # two convolutions of two widths; activations have no loop nest
    assert np.unique(listed.keys, axis=0).shape == (solved, 2)
    evaluate(made, 0, 4, ["latency_s"])
    assert nests.solved == solved
    assert layers_of(made, 0, 4, [name for name in METRICS if name not in NESTED]).count == 0


# ---- problems


def test_layers_that_fit_nowhere_say_what_an_analysis_says(tmp_path):
    """The same words, at the points that are concerned; the others have their figures."""
    axes = {"net.width": [4, 9], "hw.sram": ["2 B", "1 KiB"]}
    made = space(builder(tmp_path), axes=axes, objective="energy")
    rows = evaluate(made, 0, 4, ["energy_j", "params"])
    assert np.isnan(rows["energy_j"]).tolist() == [True, False, True, False]
    assert not np.isnan(rows["params"]).any()
    for point in range(4):
        if rows["problem"][point]:
            with pytest.raises(cm.CostModelError) as caught:
                analysed(made, made.at(point))
            first, *more = caught.value.problems
            others = f" (and {len(more)} more problem{'s' * (len(more) > 1)})" if more else ""
            assert rows["problem"][point] == first + others


def test_builders_that_refuse_points(tmp_path):
    """Rows with the reason, as without an objective."""
    made = space(builder(tmp_path), "snapdragon", axes={"net.depth": [1, 4], "net.width": [0, 4]}, objective="energy")
    problems = evaluate(made, 0, 4, ["energy_j"])["problem"]
    assert [bool(text) for text in problems] == [True, False, True, True]
    assert "too deep" in problems[3]


def test_a_schedule_across_layers_and_an_objective(tmp_path):
    """One of the two: refused for a space, and a problem of a point where one of them varies."""
    with pytest.raises(InputError, match=r"objective: energy is layer by layer, and the schedule is resident; leave one"):
        space(builder(tmp_path), "snapdragon", schedule="resident", objective="energy")
    axes = {"schedule": ["layer", "resident"]}
    made = space(builder(tmp_path), "snapdragon", axes=axes, objective="energy")
    problems = evaluate(made, 0, 2, ["dram_bytes"])["problem"]
    assert problems[0] == ""
    assert problems[1].startswith("objective energy: the schedule resident is made for off-chip bytes")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objective": "joules"}, r"objective: 'joules' is not known: use one of energy, latency, edp, dram_bytes, none"),
        ({"axes": {"objective": ["energy", "enrgy"]}}, r"axes\.objective: 'enrgy' is not known \(did you mean 'energy'\?\)"),
        ({"objective": 3}, r"objective: "),
    ],
)
def test_objectives_that_are_none(tmp_path, fields, message):
    """One clear message."""
    with pytest.raises(InputError, match=message):
        space(builder(tmp_path), "snapdragon", **fields)


def test_without_numba_an_objective_is_refused(tmp_path, monkeypatch):
    """As for an analysis; a search would take hours."""
    monkeypatch.setattr("costmodel.joint.choice.is_compiled", lambda: False)
    with pytest.raises(InputError, match=r"objective: energy needs Numba"):
        space(builder(tmp_path), "snapdragon", objective="energy")


# ---- bounds and uncertainty


def test_bounds_leave_out_what_may_be_passed_by():
    """Weights may pass the buffer by on one machine; on another its elements hold nothing else."""
    assert paths(load_hardware("eyeriss-168"), jointly=True) == {"weight": [0, 2], "ifmap": [0, 1, 2], "ofmap": [0, 1, 2]}
    assert paths(stationary(), jointly=True) == {"weight": [0, 1, 2], "ifmap": [0, 1], "ofmap": [0, 1]}
    assert paths(stationary(), jointly=False) == {operand: [0, 1, 2] for operand in ("weight", "ifmap", "ofmap")}


def test_layers_are_mapped_once_for_all_draws(tmp_path):
    """Draws price the mappings of the constants as they are: the middle of all ranges is the figure itself."""
    made = space(builder(tmp_path), "snapdragon", axes={"net.width": [4, 9]}, objective="energy")
    metrics = ["energy_j", "energy_bound_j"]
    found = sampled_figures(made, np.arange(2), metrics, Uncertainty(samples=16))
    rows = evaluate(made, 0, 2, ["energy_j", "energy_low_j", "energy_high_j"])
    for point in range(2):
        assert (found["energy_j"][point] >= rows["energy_low_j"][point]).all()
        assert (found["energy_j"][point] <= rows["energy_high_j"][point]).all()
        assert (found["energy_bound_j"][point] <= found["energy_j"][point]).all()


def test_searches_and_codesign_ask_for_it_too(tmp_path):
    """They evaluate points of the space, whose objective it is."""
    made = space(builder(tmp_path), "snapdragon", axes={"net.width": [4, 9, 20]}, objective="latency")
    search = cm.search(made, "energy_j", trials=30, sampler="random")
    assert "Every layer by itself is mapped for the least time, through all memories" in " ".join(repr(search).split())
    best = search.to_frame()
    rows = evaluate(made, 0, 3, ["energy_j"])
    assert best["energy_j"].iloc[0] == rows["energy_j"].min()
    hardware = space("squeezenet", "snapdragon", axes={"hw.sram": ["64KiB", "1MiB"]}, objective="energy")
    found = cm.codesign(hardware, "energy", samples=4)
    energies = evaluate(hardware, 0, 2, ["energy_j"])["energy_j"]
    assert found.of("energy", "squeezenet").value == energies.min()
    assert "Every layer by itself is mapped for the least energy, through all memories" in " ".join(repr(found).split())
    plain = space(builder(tmp_path), "snapdragon", axes={"net.width": [4, 9, 20]})
    assert "through all memories" not in repr(cm.search(plain, "energy_j", trials=5, sampler="random"))
