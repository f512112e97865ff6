"""The explanation of a layer: sums are the layer's costs, drops are where the search finds them, errors say what to do."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.explanation import explanation_of
from costmodel.graph import Graph
from tests.unit.machine import machine

ARRAY = {"rows": (2, ("c", "k")), "columns": (2, ("p",))}


def network():
    """Return a convolution and a pooling, small enough to search in no time."""
    g = Graph("small")
    x = g.conv("conv1", g.input("data", (1, 4, 8, 8)), 8, kernel=3)
    g.output(g.relu("relu1", g.max_pool("pool1", x, kernel=2, stride=2)))
    return g


def explained(objective="energy", layer="conv1", capacity=100, **options):
    """Return an explanation on the machine of round numbers."""
    hardware = machine(capacity, array=ARRAY, overhead_s=1e-6, static_w=1e-3)
    return cm.explain(network(), hardware, layer, objective, **options)


@pytest.mark.parametrize("objective", ["energy", "latency", "edp", "dram_bytes", "none"])
@pytest.mark.parametrize("layer", ["conv1", "pool1"])
def test_energies_add_up(objective, layer):
    """Memories, arithmetic and static power are the layer's energy, whatever it is mapped for."""
    found = explained(objective, layer, drops=False)

    parts = sum(one.energy_j for one in found.spent) + found.arithmetic_j + found.static_j
    assert parts == pytest.approx(found.energy_j)


@pytest.mark.parametrize("objective", ["energy", "latency", "none"])
def test_the_slowest_resource_and_the_overhead_are_the_latency(objective):
    """Transfers overlap on this machine."""
    found = explained(objective, drops=False)

    assert max(found.times_s.values()) + found.overhead_s == pytest.approx(found.latency_s)


@pytest.mark.parametrize("objective", ["energy", "none"])
def test_accesses_are_the_off_chip_traffic(objective):
    """What the formulas of the backing store come to is what an analysis says."""
    found = explained(objective, drops=False)
    analysis = cm.analyze(
        network(), machine(100, array=ARRAY, overhead_s=1e-6, static_w=1e-3), objective=objective, schedule="layer"
    )
    (layer,) = [one for one in analysis.layers if one.name == "conv1"]

    bits = sum(one.bits for one in found.parts[0].accesses if one.store == 0)
    assert bits / 8 == pytest.approx(layer.dram_bytes)


@pytest.mark.parametrize("objective", ["dram_bytes", "none"])
def test_a_drop_is_where_a_larger_memory_moves_less(objective):
    """One byte less moves as much as now; the size found moves what is promised: by analyses of machines of these sizes."""
    (one,) = explained(objective).parts[0].drops

    def moved(size):
        hardware = machine(size, array=ARRAY)
        layers = cm.analyze(network(), hardware, objective=objective, schedule="layer").layers
        return next(layer.dram_bytes for layer in layers if layer.name == "conv1")

    assert one.size_bytes == 100
    assert one.more_bytes > 0
    assert moved(100 + one.more_bytes - 1) == moved(100) == one.value
    assert moved(100 + one.more_bytes) == one.then < one.value
    assert one.changes


def test_a_memory_that_holds_everything_has_no_drop():
    """More room than all operands take saves nothing, and the report says so."""
    found = explained("dram_bytes", capacity=1 << 16)

    assert [one.more_bytes for one in found.parts[0].drops] == [None]
    assert "has room for the whole layer: no size lowers off-chip" in repr(found)


def test_double_buffers_need_twice_the_room():
    """Half of the memory holds tiles: as much more room takes twice as many bytes."""
    whole = cm.explain(network(), machine(100), "conv1", "none").parts[0].drops[0]
    halves = cm.explain(network(), machine(200, double_buffered=True), "conv1", "none").parts[0].drops[0]

    assert (halves.size_bytes, halves.more_bytes) == (2 * whole.size_bytes, 2 * whole.more_bytes)


def test_boundaries_are_explained_one_by_one():
    """Two memories on chip without an objective: two nests, each between two memories."""
    found = cm.explain(network(), machine(2000, inner=200), "conv1", drops=False)

    assert [part.stores for part in found.parts] == [("dram", "sram"), ("sram", "rf")]
    assert "between sram and rf" in found.parts[1].text


def test_json_has_the_formulas():
    """Every access with its parts, and its line."""
    record = json.loads(json.dumps(explained(drops=False).to_dict()))["nests"][0]["accesses"][0]

    assert record["accesses_elems"] == record["sweep_elems"] * record["sweeps"]
    assert record["formula"].endswith(f"{record['accesses_elems']:,}")


def test_a_given_mapping_is_set_beside_the_best():
    """The best mapping given back costs the same; another one more, and its lower bound is the best."""
    hardware = machine(400, array=ARRAY)
    best = cm.analyze(network(), hardware, objective="energy").layers[0].mapping
    data = best.to_dict()
    again = cm.price_mapping(network(), hardware, "conv1", data, "energy")
    worse = {"levels": [{"name": "sram", "tile": {"k": 1, "c": 1, "r": 3, "s": 3}, "order": "kcpq"}]}
    other = cm.price_mapping(network(), hardware, "conv1", worse, "energy")

    assert again.energy_j == pytest.approx(cm.explain(network(), hardware, "conv1", "energy", drops=False).energy_j)
    assert again.optimum.value == best.value
    assert other.energy_j > again.energy_j
    assert "the least is at most" in other.parts[0].text


def run(*words):
    """Run a command."""
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("conv11",), "error: layer 'conv11' is not in squeezenet-1.1; did you mean 'conv1'?"),
        (("fire2/concat",), "error: layer 'fire2/concat' of squeezenet-1.1 is free and has no loop nest"),
    ],
)
def test_layers_that_cannot_be_explained(words, message):
    """One message, exit 2."""
    result = run("explain", "squeezenet:version=1.1", "--hw", "snapdragon", "--layer", *words)

    assert result.exit_code == 2
    assert result.stderr.startswith(message)


def test_a_given_mapping_needs_an_objective():
    """A profile priced boundary by boundary has no nest through all memories to compare with."""
    result = run("mapping", "squeezenet:version=1.1", "--hw", "snapdragon")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "snapdragon declares no objective" in result.stderr


def test_mappings_are_written_and_given_back(tmp_path):
    """From one command's JSON to the other; a broken file is refused with its name, and nothing is written."""
    file = tmp_path / "best.json"
    net = ("squeezenet:version=1.1", "--hw", "horowitz-45nm", "--objective", "dram_bytes")
    assert run("mapping", *net, "--layer", "conv10", "--format", "json", "-o", file).exit_code == 0

    good = run("explain", *net, "--layer", "conv10", "--mapping", file)
    file.write_text(file.read_text(encoding="utf-8").replace('"sram"', '"cache"'), encoding="utf-8")
    bad = run("explain", *net, "--layer", "conv10", "--mapping", file, "-o", tmp_path / "report.txt")

    assert good.exit_code == 0
    assert "given" in good.stdout
    assert bad.exit_code == 2
    assert bad.stderr.startswith(f"error: {file}: levels: are cache, rf; give sram, rf, in this order")
    assert not (tmp_path / "report.txt").exists()


def test_timeloop_takes_one_file_per_layer(tmp_path):
    """A directory takes them all; one file for several layers is refused before anything is written."""
    net = ("squeezenet:version=1.1", "--hw", "horowitz-45nm", "--objective", "dram_bytes", "--format", "timeloop")
    refused = run("mapping", *net, "-o", tmp_path / "all.yaml")
    written = run("mapping", *net, "-o", tmp_path)

    assert refused.exit_code == 2
    assert "Timeloop takes one file per layer; give a directory" in refused.stderr
    assert written.exit_code == 0
    assert (tmp_path / "fire2_squeeze1x1.map.yaml").is_file() or len(list(tmp_path.glob("*.map.yaml"))) > 20
    assert not (tmp_path / "all.yaml").exists()


def test_an_analysis_can_be_explained_layer_by_layer():
    """From Python, one analysis serves every layer."""
    analysis = cm.analyze(network(), machine(400), objective="energy")

    found = [explanation_of(analysis, name, drops=False).layer for name in ("conv1", "pool1")]
    assert found == ["conv1", "pool1"]
