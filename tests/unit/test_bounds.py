"""Bounds on energy and time: closed forms on round numbers, one term at a time, and what no change of hardware undercuts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.analysis import estimate_of
from costmodel.explore.bounds import (
    Totals,
    at_points,
    bound_totals,
    energy_bound_j,
    feeds_bytes,
    latency_bound_s,
)
from costmodel.graph import StoredWidths
from tests.unit.machine import constant, machine

COUNTS = st.integers(1, 10**9)


def totals(operations=1000.0, weight=40.0, ifmap=60.0, ofmap=20.0, rows=3, bits=(8, 8, 32)):
    """Totals of one design whose MACs are all its operations."""
    return Totals(
        {"int8": np.array([float(operations)])},
        {name: np.array([float(operations * b)]) for name, b in zip(("weight", "ifmap", "ofmap"), bits, strict=True)},
        {name: np.array([float(v)]) for name, v in (("weight", weight), ("ifmap", ifmap), ("ofmap", ofmap))},
        rows,
    )


# ---- time


def test_time_is_that_of_the_array_where_it_is_slowest():
    """1000 MACs, ten a cycle at 1 MHz, are 100 us; 120 B at 1 GB/s are hidden behind them."""
    assert latency_bound_s(totals(), machine()).tolist() == pytest.approx([100e-6])


def test_time_is_that_of_the_port_where_it_is_slowest():
    """120 B at 1 kB/s are 120 ms, which hide the 100 us."""
    assert latency_bound_s(totals(), machine(bandwidth=1e3)).tolist() == pytest.approx([0.12])


def test_times_add_up_where_nothing_overlaps():
    """100 us and 120 ms, one after the other."""
    assert latency_bound_s(totals(), machine(bandwidth=1e3, overlap=False)).tolist() == pytest.approx([0.1201])


def test_a_port_without_a_rate_takes_no_time():
    """Only the array is left, whether transfers overlap or not."""
    for overlap in (True, False):
        hardware = machine(bandwidth=None, overlap=overlap)
        assert latency_bound_s(totals(weight=1e15), hardware).tolist() == pytest.approx([100e-6])


@given(st.integers(0, 50), st.floats(0, 1))
def test_every_layer_that_is_executed_has_the_overhead(rows, overhead_s):
    """It is added to the slowest resource, once per row."""
    found = latency_bound_s(totals(rows=rows), machine(overhead_s=overhead_s))

    assert found.tolist() == pytest.approx([100e-6 + rows * overhead_s])


def test_the_innermost_memory_feeds_the_multipliers():
    """Its port moves what they take: 1 + 1 + 4 bytes a MAC, 6000 B at 1 kB/s, rather than the compulsory 120 B."""
    hardware = machine(bandwidth=None)
    inner = replace(hardware.levels[-1], bandwidth_bytes_per_s=constant("sram.bandwidth", 1e3, "B/s"))

    assert latency_bound_s(totals(), replace(hardware, levels=(hardware.levels[0], inner))).tolist() == pytest.approx([6.0])


def test_formats_take_their_turns():
    """100 operations at ten a cycle and 100 at one: 10 us and 100 us on the same array."""
    mixed = replace(totals(), operations={"int8": np.array([100.0]), "fp32": np.array([100.0])})

    assert latency_bound_s(mixed, machine(bandwidth=None)).tolist() == pytest.approx([110e-6])


# ---- energy


def test_energy_by_hand():
    """MACs 1 pJ; DRAM 100 in and 200 out; the buffer 2 to be read and 3 to be written.

    DRAM gives 40 + 60 B and takes 20 B. The buffer is read for 6000 B of operands and 20 B outwards, and written 4000 B of
    partial sums and 100 B inwards.
    """
    expected_pj = 1000 * 1 + 100 * 100 + 20 * 200 + (6000 + 20) * 2 + (4000 + 100) * 3

    assert energy_bound_j(totals(), machine()).tolist() == pytest.approx([expected_pj * 1e-12])


def test_energy_of_three_memories_by_hand():
    """The middle one passes everything on both ways; the innermost reads a weight once for four MACs."""
    feeds = {"weight": 1000 / 4, "ifmap": 1000, "ofmap": 4000}
    dram_pj = 100 * 100 + 20 * 200
    sram_pj = (100 + 20) * 2 + (20 + 100) * 3
    rf_pj = (sum(feeds.values()) + 20) * 1 + (feeds["ofmap"] + 100) * 1
    hardware = machine(inner=64)

    assert {name: value.tolist() for name, value in feeds_bytes(totals(), hardware).items()} == {
        name: [value] for name, value in feeds.items()
    }
    assert energy_bound_j(totals(), hardware).tolist() == pytest.approx([(1000 + dram_pj + sram_pj + rf_pj) * 1e-12])


@given(st.floats(0, 10), st.floats(0, 1))
def test_static_power_takes_the_least_time(static_w, overhead_s):
    """What it adds is its power times the bound on time."""
    with_static, without = machine(static_w=static_w, overhead_s=overhead_s), machine(overhead_s=overhead_s)
    added = energy_bound_j(totals(), with_static) - energy_bound_j(totals(), without)

    assert added.tolist() == pytest.approx((static_w * latency_bound_s(totals(), with_static)).tolist(), abs=1e-15)


def test_formats_have_their_price():
    """100 operations at 1 pJ and 100 at 5 pJ, where nothing is moved."""
    nothing = {name: np.array([0.0]) for name in ("weight", "ifmap", "ofmap")}
    mixed = Totals({"int8": np.array([100.0]), "fp32": np.array([100.0])}, nothing, nothing, 1)

    assert energy_bound_j(mixed, machine()).tolist() == pytest.approx([600e-12])


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.integers(1, 9))
def test_bounds_are_proportional_to_totals(operations, weight, ifmap, ofmap, times):
    """Without overhead so many times as much of everything takes so many times as much energy and time."""
    one = totals(operations, weight, ifmap, ofmap)
    more = totals(*(times * part for part in (operations, weight, ifmap, ofmap)))
    for bound in (energy_bound_j, latency_bound_s):
        assert bound(more, machine(static_w=0.1))[0] == pytest.approx(times * bound(one, machine(static_w=0.1))[0])


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_overlap_hides_half_at_most(operations, weight, ifmap, ofmap):
    """Two resources one after the other take as long as the slower one to twice as long."""
    of = totals(operations, weight, ifmap, ofmap)
    hidden, plain = (latency_bound_s(of, machine(overlap=overlap))[0] for overlap in (True, False))

    assert hidden <= plain <= 2 * hidden * (1 + 1e-12)


# ---- totals


def test_totals_of_a_network_by_hand():
    """A classifier of 4 x 8 weights in int8: 32 MACs, 8 additions of biases, 8 comparisons; biases do not cross."""
    g = cm.Graph("one")
    g.output(g.relu("relu", g.linear("fc", g.input("x", (1, 4)), 8)))
    found = bound_totals(estimate_of(g, machine(), 1, None, None))

    assert {name: value.tolist() for name, value in found.operations.items()} == {"int8": [32 + 8 + 8]}
    assert {name: value.tolist() for name, value in found.mac_bits.items()} == {
        "weight": [32 * 8], "ifmap": [32 * 8], "ofmap": [32 * 32],
    }  # fmt: skip
    assert (found.moved_bytes["ifmap"].tolist(), found.moved_bytes["ofmap"].tolist()) == ([4], [8])
    assert found.moved_bytes["weight"].tolist() == [32]
    assert found.busy_rows == 1


def test_a_batch_moves_its_weights_once():
    """Seven inputs: seven times the MACs, inputs and outputs, and the same weights."""
    g = cm.Graph("one")
    g.output(g.linear("fc", g.input("x", (1, 4)), 8, bias=False))
    one, seven = (bound_totals(estimate_of(g, machine(), batch, None, None)) for batch in (1, 7))

    assert seven.operations["int8"].tolist() == (7 * one.operations["int8"]).tolist()
    assert seven.moved_bytes["weight"].tolist() == one.moved_bytes["weight"].tolist() == [32]
    for name in ("ifmap", "ofmap"):
        assert seven.moved_bytes[name].tolist() == (7 * one.moved_bytes[name]).tolist()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_totals_at_points(which):
    """Columns are taken as often as they are named; what is the same everywhere stays one value."""
    three = Totals(
        {"int8": np.array([1.0, 2.0, 3.0])},
        {"weight": np.array([8.0])},
        {"ifmap": np.array([5.0, 6.0, 7.0])},
        4,
    )
    found = at_points(three, np.array(which))

    assert found.operations["int8"].tolist() == [w + 1 for w in which]
    assert found.moved_bytes["ifmap"].tolist() == [w + 5 for w in which]
    assert found.mac_bits["weight"].tolist() == [8.0]
    assert found.busy_rows == 4


@pytest.mark.parametrize("hardware", ["eyeriss-168", "snapdragon", "stm32h743", "ethos-u65-512"])
def test_an_analysis_is_never_below(hardware):
    """Layer by layer no shipped profile undercuts its bounds."""
    graph, profile = cm.load_network("ds_cnn"), cm.load_hardware(hardware)
    of, found = bound_totals(estimate_of(graph, profile, 1, None, None)), cm.analyze(graph, profile, schedule="layer").totals

    assert 0 < energy_bound_j(of, profile)[0] <= found.energy_j.value * (1 + 1e-12)
    assert 0 < latency_bound_s(of, profile)[0] <= found.latency_s * (1 + 1e-12)


def two_formats():
    """Build fc1 of 100 x 10 at int8 and fc2 of 10 x 4 at fp32, as a file would store them."""
    g = cm.Graph("two")
    g.output(g.linear("fc2", g.linear("fc1", g.input("x", (1, 100), 8), 10, bias=False), 4, bias=False))
    g.store({"fc1": StoredWidths(8, 8, 8, "int"), "fc2": StoredWidths(32, 32, 32, "fp")})
    return g


def test_layers_of_several_formats_count_at_their_own():
    """1000 MACs at int8 and 40 at fp32: operations by format, and each times the bits of its own operands."""
    found = bound_totals(estimate_of(two_formats(), machine(), 1, None, None))

    assert {name: value.tolist() for name, value in found.operations.items()} == {"int8": [1000], "fp32": [40]}
    assert found.mac_bits["weight"].tolist() == found.mac_bits["ifmap"].tolist() == [1000 * 8 + 40 * 32]
    assert found.moved_bytes["weight"].tolist() == [1000 + 40 * 4]
    assert found.moved_bytes["ifmap"].tolist() == [100 + 10 * 4]
    assert found.moved_bytes["ofmap"].tolist() == [10 + 4 * 4]


def test_time_and_energy_of_several_formats_are_not_undercut():
    """Layers one after the other take at least 1000 / 10 and 40 / 1 cycles of a microsecond."""
    graph, hardware = two_formats(), machine(bandwidth=None)
    of, found = bound_totals(estimate_of(graph, hardware, 1, None, None)), cm.analyze(graph, hardware).totals

    assert latency_bound_s(of, hardware).tolist() == pytest.approx([140e-6])
    assert found.latency_s == pytest.approx(140e-6)
    assert 0 < energy_bound_j(of, hardware)[0] <= found.energy_j.value * (1 + 1e-12)
