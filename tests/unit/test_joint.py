"""Layers mapped through all memories of a profile: what the mapper is asked, and what becomes of its answer."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.analysis import analysis_of, estimate_of
from costmodel.cli import cli
from costmodel.errors import InputError, MappingError
from costmodel.graph import Graph
from costmodel.hardware import load_hardware
from costmodel.hardware.profile import OBJECTIVES, ArrayAxis
from costmodel.joint.choice import checked_objective, checked_time_limit
from costmodel.joint.machine import hierarchy_of
from costmodel.joint.solving import ANSWERS, MOST_ANSWERS, solved
from costmodel.joint.tasks import Work, tasks
from costmodel.mapping.levels.hierarchy import Fixed
from tests.unit.joint_machine import level, small, spatial, stationary
from tests.unit.machine import constant, machine

MACHINES = (spatial(static_w=1e-3), machine(256), stationary())


def priced(graph, hardware, objective="energy", batch=1, **options):
    """Analyse a graph, mapped for an objective."""
    return analysis_of(graph, hardware, batch, options.get("dtype"), options.get("bits"), objective=objective)


def asked(graph, hardware, objective="energy", dtype=None):
    """What the mapper is asked of a graph."""
    estimate = replace(estimate_of(graph, hardware, 1, dtype, None), objective=objective)
    work = Work(estimate.table, estimate.widths, estimate.precisions, hardware, estimate.feed_bytes("value"))
    return {task.name: task for task in tasks(work)}


# ---- the machine


def test_a_profile_becomes_a_hierarchy():
    """Capacities in bits behind the parts, energies per bit, bandwidths in bits, what is held and what may pass by."""
    found = hierarchy_of(spatial(bandwidth=1e9, static_w=0.5), macs_per_s=1e7)
    dram, sram, rf = found.stores
    assert (dram.capacity_bits, sram.capacity_bits, rf.capacity_bits) == (None, 512 * 8, (24 - 4) * 8)
    assert (rf.part_bits, rf.per_element, sram.optional, sram.holds) == (
        {"weight": 32}, True, ("weight",), ("weight", "ifmap", "ofmap"),
    )  # fmt: skip
    assert [store.read_pj["ifmap"] * 8 for store in found.stores] == [100.0, 2.0, 0.25]
    assert [store.write_pj["ofmap"] * 8 for store in found.stores] == [200.0, 3.0, 0.375]
    assert (dram.bits_per_s, sram.bits_per_s) == (8e9, inf)
    assert [(side.name, side.size, side.dims) for side in found.sides] == [("rows", 2, ("c", "r")), ("columns", 4, ("k", "p"))]
    assert (found.macs_per_s, found.overlap, found.static_w) == (1e7, True, 0.5)


def test_double_buffering_halves_the_room_and_every_part():
    """What is filled while the other half is used holds no tile."""
    base = spatial()
    halved = replace(base, levels=(*base.levels[:2], replace(base.levels[2], double_buffered=True)))
    rf = hierarchy_of(halved, 1.0).stores[-1]
    assert (rf.capacity_bits, rf.part_bits) == (10 * 8, {"weight": 16})


def test_sides_without_multicast_and_reduction():
    """What a profile says of its array reaches the mapper."""
    base = spatial()
    array = {"rows": ArrayAxis(2, ("c",), multicast=False), "columns": ArrayAxis(4, ("k",), reduction=False)}
    sides = hierarchy_of(replace(base, compute=replace(base.compute, array=array)), 1.0).sides
    assert [(side.multicast, side.reduction) for side in sides] == [(False, True), (True, False)]


def test_a_backing_store_of_some_size_is_not_a_buffer():
    """A layer's operands are in it whatever its capacity."""
    base = machine()
    sized = replace(base.levels[0], capacity_bytes=constant("dram.capacity", 10.0, "B"))
    assert hierarchy_of(replace(base, levels=(sized, base.levels[1])), 1.0).stores[0].capacity_bits is None


# ---- what is asked


def test_only_loop_nests_are_mapped():
    """Free rows are not, nor those that stream their operands once."""
    assert list(asked(small(), spatial())) == ["conv", "pool", "fc"]


def test_windows_without_weights_move_none():
    """A pooling has taps but no weights, does no MACs, and depends on the array in no way that takes time."""
    pool = asked(small(), spatial())["pool"]
    assert (pool.layer.r, pool.layer.weight_bits, pool.hierarchy.macs_per_s) == (2, 0, inf)
    assert pool.fixed.compute_s == pytest.approx(4 * 9 * 3 / 10e6, rel=0.5)
    conv = asked(small(), spatial())["conv"]
    assert (conv.layer.weight_bits, conv.hierarchy.macs_per_s) == (8, 10e6)


def test_transposed_convolutions_count_their_elements_exactly():
    """Their loops only bound weights and ofmap; the layer says what is really there."""
    graph = Graph("up")
    graph.output(graph.conv_transpose("up", graph.input("x", (1, 3, 5, 5)), 4, 3, stride=2, padding=1))
    layer = asked(graph, spatial())["up"].layer
    assert layer.weight_elems == 3 * 4 * 9
    assert layer.ofmap_elems == 4 * 9 * 9
    assert layer.g * layer.k * layer.c * layer.r * layer.s != layer.weight_elems


def test_what_no_mapping_changes():
    """Arithmetic at the multiplier's price, what multipliers take from the elements, other operations, the overhead."""
    hardware = spatial(overhead_s=1e-3)
    fc = asked(small(), hardware)["fc"]
    macs, biases = 4 * 9 * 5, 5
    feed_pj = macs * (1 + 1 + 4) * 0.25 + macs * 4 * 0.375
    assert fc.fixed == Fixed(
        energy_pj=pytest.approx(macs + biases + feed_pj), compute_s=pytest.approx(biases / 10e6), feed_s=0.0, overhead_s=1e-3
    )


def test_registers_feed_for_nothing():
    """Of an element that keeps the weight alone, only weights are taken; their reads are part of what is fixed."""
    fc = asked(small(), stationary())["fc"]
    assert fc.fixed.energy_pj == pytest.approx(180 + 5 + 180 * 0.125)


def test_formats_have_machines_of_their_own():
    """A row is computed at the rate of its format."""
    assert asked(small(), spatial(), dtype="fp32")["conv"].hierarchy.macs_per_s == 1e6


# ---- what becomes of the answer


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("hardware", MACHINES, ids=["spatial", "plain", "stationary"])
def test_totals_are_those_of_the_mappings(hardware, objective):
    """Energy and latency of every mapped row are those of its priced nest; off-chip bytes are its reads and writes."""
    analysis = priced(small(), hardware, objective)
    mapped = {layer.name: layer for layer in analysis.layers if layer.mapping}
    assert list(mapped) == ["conv", "pool", "fc"]
    for layer in mapped.values():
        found = layer.mapping.priced
        assert layer.energy_j == pytest.approx(found.energy_pj / 1e12)
        assert layer.latency_s == pytest.approx(found.latency_s)
        assert layer.dram_bytes == found.dram_bits // 8
        assert layer.mapping.optimal
        assert found.fits
        assert layer.dram_bytes >= layer.compulsory_bytes


@pytest.mark.parametrize("hardware", MACHINES, ids=["spatial", "plain", "stationary"])
def test_accesses_add_up_to_the_energy_of_the_memories(hardware):
    """By memory and operand, feeds and streamed rows included."""
    for layer in priced(small(), hardware).layers:
        energy = sum(one["energy_j"] for operands in layer.accesses.values() for one in operands.values())
        assert energy == pytest.approx(layer.energy_on_chip_j + layer.energy_off_chip_j)
        first = layer.accesses["dram"]
        assert sum(one["read_bytes"] + one["write_bytes"] for one in first.values()) == layer.dram_bytes
        assert first["weight"]["read_bytes"] == layer.weight_dram_bytes


def test_each_objective_is_the_least_by_its_own_measure():
    """No other objective's mappings are better at what one is for."""
    found = {objective: priced(small(), spatial(), objective).layers for objective in OBJECTIVES}
    for at in range(len(found["energy"])):
        least = {name: layers[at] for name, layers in found.items()}
        close = 1 - 1e-9
        assert all(one.energy_j >= close * least["energy"].energy_j for one in least.values())
        assert all(one.latency_s >= close * least["latency"].latency_s for one in least.values())
        assert all(one.dram_bytes >= least["dram_bytes"].dram_bytes for one in least.values())
        products = {name: one.energy_j * one.latency_s for name, one in least.items()}
        assert min(products.values()) == pytest.approx(products["edp"])


def test_off_chip_bytes_through_one_boundary_are_those_of_the_boundary():
    """Without an array, the fewest off-chip bytes through two memories are what the one-boundary mapper finds."""
    joint, alone = (priced(small(), machine(200), objective).layers for objective in ("dram_bytes", "none"))
    assert [one.dram_bytes for one in joint if one.name != "pool"] == [one.dram_bytes for one in alone if one.name != "pool"]
    assert sum(one.dram_bytes for one in joint) <= sum(one.dram_bytes for one in alone)  # a pooling keeps no room for weights


def test_ranges_vary_constants_at_the_chosen_mapping():
    """Low and high ends price the same accesses."""
    layer = next(one for one in priced(small(), spatial()).layers if one.name == "conv")
    low = sum(
        one["read_bytes"] * read + one["write_bytes"] * write
        for name, read, write in (("dram", 50.0, 100.0), ("sram", 2.0, 3.0), ("rf", 0.125, 0.375))
        for one in layer.accesses[name].values()
    )
    operations = layer.macs + layer.other_ops
    assert layer.energy_low_j == pytest.approx((low + 0.5 * operations) / 1e12)


def test_streamed_rows_pass_by_what_they_may():
    """A softmax goes through the buffer into the elements and back once, weights of the normalisation past the buffer."""
    graph = Graph("norm")
    graph.output(graph.layer_norm("norm", graph.input("x", (1, 8))))
    (layer,) = (one for one in priced(graph, spatial()).layers if one.name == "norm")
    assert layer.mapping is None
    assert layer.accesses["sram"]["weight"] == {"read_bytes": 0.0, "write_bytes": 0.0, "energy_j": 0.0}
    assert layer.accesses["dram"]["weight"]["read_bytes"] == layer.accesses["rf"]["weight"]["write_bytes"] == 16
    assert layer.accesses["sram"]["ifmap"]["read_bytes"] == layer.accesses["sram"]["ifmap"]["write_bytes"] == 8


def test_recurrent_weights_cross_once_where_they_stay():
    """The steps of an LSTM load weights once if they fit beside a step's vectors, else every time."""
    graph = Graph("lstm")
    graph.output(graph.lstm("lstm", graph.input("x", (1, 5, 4)), 3))
    recurrent = {}
    for capacity in (4096, 30):
        layers = priced(graph, machine(capacity, inner=None)).layers
        recurrent[capacity] = next(one for one in layers if one.name == "lstm/recurrent")
    assert recurrent[4096].mapping.steps == 5
    assert recurrent[4096].weight_dram_bytes == 12 * 3
    assert recurrent[30].weight_dram_bytes == 5 * 12 * 3
    assert recurrent[4096].ofmap_dram_bytes == 5 * 12


def test_coded_activations_are_shorter_off_chip_only():
    """The code divides what the backing store reads and writes of finished activations; the buffer sees them dense."""
    plain, coded = (
        cm.analyze(small(), spatial(), activation_density=density, objective="energy").layers for density in (None, 0.1)
    )
    for one, two in zip(plain, coded, strict=True):
        assert two.weight_dram_bytes == one.weight_dram_bytes
        assert two.ifmap_dram_bytes <= one.ifmap_dram_bytes
        assert one.accesses["sram"] == two.accesses["sram"]
    conv = [next(layer for layer in layers if layer.name == "conv") for layers in (plain, coded)]
    assert conv[1].ifmap_dram_bytes < conv[0].ifmap_dram_bytes


# ---- which objective


def test_a_profile_declares_what_its_layers_are_mapped_for():
    """Its objective holds unless another is given; none is each boundary by itself."""
    hardware = spatial("latency")
    assert analysis_of(small(), hardware, 1, None, None).objective == "latency"
    assert priced(small(), hardware, "energy").objective == "energy"
    assert priced(small(), hardware, "none").objective is None
    assert analysis_of(small(), spatial(), 1, None, None).objective is None


def test_boundary_by_boundary_knows_the_memory_of_all_elements():
    """A memory in elements is priced as one of their size together where each boundary stands by itself."""
    layers = priced(small(), spatial(), "none").layers
    assert all(layer.accesses is None for layer in layers)
    whole = replace(spatial(), levels=(*spatial().levels[:2], level("rf", 192, 0.25)))
    expected = priced(small(), whole, "none").layers
    assert [layer.energy_j for layer in layers] == [layer.energy_j for layer in expected]


def test_schedules_fall_back_from_the_objective_of_a_profile():
    """A schedule across layers that is asked for is made; the report says that the objective is not used."""
    hardware = replace(spatial("energy"), residency="activations")
    analysis = analysis_of(small(), hardware, 1, None, None, schedule="resident")
    assert (analysis.objective, analysis.kind) == (None, "resident")
    assert "the schedule resident is made for off-chip bytes" in analysis.fallback
    shown = " ".join(repr(analysis).split())
    assert "The profile's objective, energy, is not used: the schedule resident" in shown
    assert analysis.to_dict()["objective"] == {"name": None, "reason": analysis.fallback}


def test_without_numba_the_objective_of_a_profile_is_not_used(monkeypatch):
    """Interpreted, the search would take hours: each boundary is priced by itself, and the report says why."""
    monkeypatch.setattr("costmodel.analysis.is_compiled", lambda: False)
    analysis = analysis_of(small(), spatial("energy"), 1, None, None)
    assert analysis.objective is None
    assert "The profile's objective, energy, is not used: it needs Numba" in " ".join(repr(analysis).split())
    assert priced(small(), spatial(), "none").fallback == ""


def test_an_objective_that_is_asked_for_is_layer_by_layer():
    """On a profile that declares residency, an objective means layer by layer; with a schedule it is refused."""
    hardware = replace(spatial(), residency="all", fusion=True)
    assert priced(small(), hardware).kind == "layer"
    with pytest.raises(InputError, match=r"^objective energy: the schedule fused is made for .*; leave one of them out$"):
        analysis_of(small(), hardware, 1, None, None, schedule="fused", objective="energy")


def test_compressed_weights_have_no_objective():
    """They change their width on the way in: refused where asked for, a reason where declared."""
    with pytest.raises(InputError, match="objective energy: compressed weights change their width"):
        cm.analyze("squeezenet@squeezenet-deep-compression-8bit", "snapdragon", objective="energy")
    declared = replace(load_hardware("eyeriss"), objective="energy")
    analysis = cm.analyze("squeezenet@squeezenet-deep-compression-8bit", declared)
    assert analysis.objective is None
    assert analysis.fallback.startswith("compressed weights")


def test_objectives_and_limits_are_checked():
    """One sentence: what was given, what there is."""
    assert [checked_objective(name) for name in (*OBJECTIVES, "none")] == [*OBJECTIVES, None]
    with pytest.raises(InputError, match=r"^objective: 'enrgy' is not known \(did you mean 'energy'\?\): use one of energy, "):
        checked_objective("enrgy")
    for wrong in (0, -1.0, True, "1", float("nan"), inf):
        with pytest.raises(InputError, match=r"^time limit: .* given; "):
            checked_time_limit(wrong)
    with pytest.raises(InputError, match="nothing is searched that long without an objective"):
        analysis_of(small(), spatial(), 1, None, None, time_limit_s=1.0)


def test_what_fits_nowhere_is_named():
    """Every layer at once, each by its name."""
    tiny = spatial("energy")
    no_room = replace(tiny.levels[1], capacity_bytes=constant("sram.capacity", 1.0, "B"))
    tiny = replace(tiny, levels=(tiny.levels[0], no_room, tiny.levels[2]))
    with pytest.raises(MappingError) as error:
        analysis_of(small(), tiny, 1, None, None)
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["conv", "pool", "fc"]


# ---- asking once


def test_answers_are_kept_in_the_process(monkeypatch):
    """What was proved is not searched again, whatever network it is part of; what was cut off is."""
    ANSWERS.clear()
    found = list(asked(small(), spatial()).values())
    first = solved(found, "energy")

    def never(*_arguments):
        raise AssertionError

    monkeypatch.setattr("costmodel.mapping.levels.search.search", never)
    assert solved(found, "energy") == first
    assert len(ANSWERS) <= MOST_ANSWERS
    with pytest.raises(AssertionError):
        solved(found, "edp")


def test_equal_layers_are_asked_once(monkeypatch):
    """Ten times the same layer is one search."""
    graph = Graph("ten")
    x = graph.input("x", (1, 7))
    for number in range(10):
        x = graph.linear(f"fc{number}", x, 7)
    ANSWERS.clear()
    from costmodel.mapping.levels import search

    real, asked_for = search.search, []
    monkeypatch.setattr(search, "search", lambda layers, *rest: asked_for.append(layers) or real(layers, *rest))
    analysis = priced(graph, spatial())
    assert len(asked_for) == 1
    assert len({layer.energy_j for layer in analysis.layers}) == 1


# ---- reports


def test_the_command_maps_for_an_objective():
    """`--objective` reaches the search, and the title, the mappings and the proof are in the report."""
    result = CliRunner().invoke(cli, ["analyze", "squeezenet", "--hw", "snapdragon", "--objective", "bytes"])
    assert result.exit_code == 2
    assert "is not one of 'energy', 'latency', 'edp', 'dram_bytes', 'none'" in " ".join(result.output.split())


def test_reports_say_what_is_proved():
    """The objective in the title, how many mappings are proved, the energies by memory and operand in CSV."""
    analysis = priced(small(), spatial(), "edp")
    shown = " ".join(repr(analysis).split())
    assert "batch 1, mapped for the least product of energy and time" in shown
    assert "through dram, sram and rf and over the array at once; 3 mappings proved to be the best there is." in shown
    assert "Across layers" not in shown
    frame = analysis.to_frame()
    assert frame["energy_sram_weight_j"].sum() > 0
    assert frame["mapping"].str.contains("array ").any()
    assert analysis.to_dict()["objective"] == {"name": "edp", "mapped": 3, "proved": 3, "gap_ratio": 0.0}


def test_a_comparison_maps_both_networks():
    """Every analysis, the batch sweep included, is mapped for the objective."""
    found = cm.compare([small(), small(channels=8)], spatial(), objective="dram_bytes")
    assert [one.objective for one in found.analyses] == ["dram_bytes", "dram_bytes"]
    alone = cm.analyze(small(), spatial(), batch=4, objective="dram_bytes").totals.dram_bytes
    assert found.bytes_per_input(0, 4)[0] == alone / 4
    assert np.prod([factor.ratio for factor in found.pairs[0].factors]) == pytest.approx(
        found.pairs[0].ratios["energy_off_chip_j"]
    )


def test_no_shipped_profile_declares_an_objective():
    """A search through all memories takes seconds a network: it is asked for."""
    names = ("eyeriss", "eyeriss-168", "os-16x16", "tpu-v1", "ws-16x16", "snapdragon", "ethos-u65-512")
    assert {load_hardware(name).objective for name in names} == {None}
