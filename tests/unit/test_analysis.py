"""The result object: layers, totals, sources, plain data."""

from __future__ import annotations

import dataclasses
import json

import pytest

import costmodel as cm
from costmodel.analysis import COUNT_COLUMNS, DRAM_COLUMNS, ENERGY_COLUMNS, RANGE_COLUMNS, SUMMED, columns
from costmodel.errors import HardwareError, InputError, NetworkError
from costmodel.graph import Graph
from tests.unit.machine import machine


@pytest.fixture(scope="module")
def alexnet():
    """AlexNet on the abstract Eyeriss, boundary by boundary."""
    return cm.analyze("alexnet", "eyeriss-168", objective="none")


def test_totals_of_alexnet(alexnet):
    """Published counts and compulsory words of the products."""
    assert alexnet.totals.params == 60_965_224
    assert alexnet.totals.macs == 724_406_816
    products = [layer for layer in alexnet.layers if layer.op in ("conv", "linear")]
    assert sum(layer.compulsory_bytes for layer in products) // 2 == 62_028_963


def test_analysis_is_frozen(alexnet):
    """Nobody changes a result."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        alexnet.batch = 2


def test_required_keys_of_the_plain_data(alexnet):
    """The JSON has exactly the promised keys, others beside them, and survives a round trip."""
    data = json.loads(json.dumps(alexnet.to_dict()))
    assert {"schema_version", "network", "hardware", "batch", "totals", "layers"} <= set(data)
    assert (data["network"], data["hardware"], data["batch"]) == ("alexnet", "eyeriss-168", 1)
    totals = {"params", "macs", "weight_bytes", "dram_bytes", "compulsory_bytes", "energy_j", "latency_s"}
    assert totals <= set(data["totals"])
    assert set(data["totals"]["energy_j"]) == {"value", "low", "high"}
    layer = {
        "name", "op", "params", "macs", "dram_bytes", "weight_dram_bytes", "ifmap_dram_bytes", "ofmap_dram_bytes",
        "energy_j", "latency_s",
    }  # fmt: skip
    assert all(layer <= set(record) for record in data["layers"])
    assert isinstance(data["layers"][0]["energy_j"], float)


def test_every_summed_column_sums(alexnet):
    """Totals equal the sums of the data frame's columns."""
    frame = alexnet.to_frame()
    totals = alexnet.totals.to_dict()
    for name in (*COUNT_COLUMNS, *DRAM_COLUMNS, *ENERGY_COLUMNS):
        assert totals[name] == pytest.approx(frame[name].sum())
    assert totals["latency_s"] == pytest.approx(frame["latency_s"].sum())
    assert set(RANGE_COLUMNS) <= set(frame.columns)


def test_parts_of_a_layer_add_up(alexnet):
    """Operands sum to off-chip bytes, parts to energy, and no layer undercuts its compulsory bytes."""
    for layer in alexnet.layers:
        assert layer.dram_bytes == layer.weight_dram_bytes + layer.ifmap_dram_bytes + layer.ofmap_dram_bytes
        parts = layer.energy_mac_j + layer.energy_on_chip_j + layer.energy_off_chip_j + layer.energy_static_j
        assert layer.energy_j == pytest.approx(parts)
        assert layer.energy_low_j <= layer.energy_j <= layer.energy_high_j
        assert layer.latency_low_s <= layer.latency_s <= layer.latency_high_s
        assert layer.dram_bytes >= layer.compulsory_bytes


def test_only_columns_asked_for_are_computed(alexnet):
    """Counts alone never reach the mapper."""
    found = columns(alexnet.estimate, ("params", "weight_bytes"))
    assert list(found) == ["params", "weight_bytes"]
    assert set(SUMMED) == set(columns(alexnet.estimate))


def test_constants_are_those_the_precision_uses():
    """An int8 result does not depend on the fp32 multiplier."""
    names = {constant.name for constant in cm.analyze("squeezenet", "snapdragon", dtype="int8").constants()}
    assert "compute.mac_energy.int8" in names
    assert not any(name.endswith("fp32") for name in names)


def test_assumptions_and_sources():
    """Assumed constants are listed apart, cited ones lead to a bibliography entry."""
    analysis = cm.analyze("squeezenet", "snapdragon")
    assert all(constant.tier == "assumed" for constant in analysis.assumptions())
    assert analysis.assumptions()
    keys = {source.key for source in analysis.sources()}
    assert keys >= {c.source for c in analysis.constants() if c.source != "assumed"}


def test_mappings_belong_to_layers(alexnet):
    """Products and pools have a mapping, free and streamed layers have none."""
    by_name = {layer.name: layer for layer in alexnet.layers}
    assert by_name["conv1"].mapping is not None
    assert by_name["pool1"].mapping is not None
    assert all(layer.mapping is None for layer in alexnet.layers if layer.status == "free")


def test_unknown_layers_are_listed_and_cost_nothing_silently():
    """An op that nobody models is unknown: its traffic is streamed, its work missing, its name in the result."""
    graph = Graph("net")
    x = graph.input("x", (1, 4))
    graph.unknown("mystery", "FancyOp", [x], (1, 8))
    analysis = cm.analyze(graph, machine())
    assert [layer.name for layer in analysis.unknown] == ["mystery"]
    assert analysis.to_dict()["unknown"] == ["mystery"]
    assert analysis.layers[0].dram_bytes == 12


def test_inputs_and_outputs(alexnet):
    """The network's ends: 227 x 227 x 3 words in, 1,000 out."""
    assert (alexnet.inputs_bytes, alexnet.outputs_bytes) == (227 * 227 * 3 * 2, 2000)


def test_repr_is_the_table(alexnet):
    """In a shell the result shows itself; in a notebook as HTML."""
    assert "conv1" in repr(alexnet)
    assert "Totals" in repr(alexnet)
    assert "<table" in alexnet._repr_html_()


def test_networks_and_profiles_by_name_path_or_object():
    """All ways to name the same thing give the same result."""
    graph, hardware = cm.load_network("squeezenet:version=1.1"), cm.load_hardware("horowitz-45nm")
    by_object = cm.analyze(graph, hardware).to_dict()
    assert cm.analyze("squeezenet:version=1.1", "horowitz-45nm").to_dict() == by_object


@pytest.mark.parametrize(
    ("network", "hardware", "error"),
    [
        ("squeezenett", "snapdragon", InputError),
        ("squeezenet:versoin=1.1", "snapdragon", InputError),
        ("squeezenet:version=7", "snapdragon", (InputError, NetworkError)),
        ("squeezenet", "snapdargon", (InputError, HardwareError)),
        ("nowhere.py", "snapdragon", InputError),
    ],
)
def test_names_that_do_not_exist(network, hardware, error):
    """Every wrong name is one clear error."""
    with pytest.raises(error):
        cm.analyze(network, hardware)


def test_compare_takes_one_dtype_per_network():
    """As a list or separated by commas."""
    one = cm.compare(["alexnet", "squeezenet"], "snapdragon", dtype=["fp32", "int8"])
    two = cm.compare(["alexnet", "squeezenet"], "snapdragon", dtype="fp32,int8")
    assert [a.precision.name for a in one.analyses] == ["fp32", "int8"] == [a.precision.name for a in two.analyses]


def test_where_small_networks_win_and_where_not():
    """The mission's claims: 49x fewer parameters; beyond 100x less off chip where the network stays; more at batch 16."""
    comparison = cm.compare(["alexnet", "squeezenet"], "snapdragon", dtype="int8")
    assert comparison.pairs[0].ratios["params"] == pytest.approx(48.8, abs=0.05)
    alexnet, squeezenet = comparison.fits
    assert squeezenet.resident_bytes == squeezenet.bound_bytes == 3 * 223 * 223 + 1000  # conv1 reaches 223 rows
    assert alexnet.resident_bytes > 100 * squeezenet.resident_bytes
    assert alexnet.layer_bytes < 10 * squeezenet.layer_bytes
    assert squeezenet.transfer_over_mac_ratio > 100
    by_batch = {point.batch: point.bytes_per_input for point in comparison.batch_sweep}
    assert by_batch[1][0] > 5 * by_batch[1][1]
    assert by_batch[16][0] < by_batch[16][1]


def test_public_names_load_on_first_use():
    """The package lists its names and refuses others."""
    assert {"analyze", "compare", "sweep", "Graph"} <= set(dir(cm))
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        cm.analyse  # noqa: B018 - the point of the test
