"""The shipped arrays under mappings for an objective, beside energies and times that are worked out by hand."""

from __future__ import annotations

from itertools import permutations
from math import ceil, prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.analysis import analysis_of
from costmodel.graph import Graph
from costmodel.hardware import load_hardware
from costmodel.hardware.profile import OBJECTIVES
from costmodel.io_bound import nest_of, schedule_bytes
from costmodel.joint.machine import hierarchy_of
from tests.unit.joint_machine import small, spatial
from tests.unit.machine import machine

DRAM, BUFFER, ELEMENT, MAC = 200.0, 6.0, 1.0, 1.0
"""Energy of 16 bits, and of a MAC, in units of a MAC: Chen et al. 2016, Table IV."""


def dense(inputs, outputs):
    """Build a fully connected layer without biases."""
    graph = Graph("dense")
    graph.output(graph.linear("fc", graph.input("x", (1, inputs)), outputs, bias=False))
    return graph


def pointwise(channels, filters, size):
    """Build a convolution of 1 x 1 without biases."""
    graph = Graph("pointwise")
    graph.output(graph.conv("conv", graph.input("x", (1, channels, size, size)), filters, 1, bias=False))
    return graph


def mapped(graph, hardware, objective="energy", batch=1, dtype=None):
    """The only layer of a network, mapped for an objective."""
    hardware = load_hardware(hardware) if isinstance(hardware, str) else hardware
    (layer,) = analysis_of(graph, hardware, batch, dtype, None, objective=objective).layers
    assert layer.mapping.optimal
    return layer


def sweeps(order, trips, relevant):
    """How often tiles of an operand are fetched: the trips of every loop down to the innermost that selects them."""
    turning = [dim for dim in order if trips[dim] > 1]
    inside = max((at for at, dim in enumerate(turning) if dim in relevant), default=-1)
    return prod(trips[dim] for dim in turning[: inside + 1])


def weight_stationary_pj(n, c, k):
    """Least energy of a fully connected layer on 16 x 16 elements that keep one weight, by trying every order of loops.

    Everything fits into the buffer, which weights may pass by; inputs are broadcast along columns, sums added down rows.
    """
    trips = {"n": n, "c": ceil(c / 16), "k": ceil(k / 16)}
    found = []
    for order in permutations("nck"):
        weights = c * k * sweeps(order, trips, "ck") // (trips["c"] * trips["k"])
        inputs = n * c * sweeps(order, trips, "nc") // (n * trips["c"])
        visits = sweeps(order, trips, "nk") // (n * trips["k"])
        sums = n * k * (visits - 1) * 2 * 2  # written and read again, 32 bits
        fed = min(DRAM * weights, (DRAM + BUFFER) * c * k + BUFFER * weights) + ELEMENT * weights
        found.append(fed + BUFFER * (inputs + n * c) + BUFFER * (sums + 2 * n * k))
    return min(found) + DRAM * n * (c + k) + (ELEMENT + MAC) * n * c * k


# ---- weight-stationary


def test_one_tile_of_weights_by_hand():
    """16 x 16 weights: each word once off chip, 256 weights into the elements and out again, 36 ns for 576 B at 16 GB/s."""
    layer = mapped(dense(16, 16), "ws-16x16")

    assert layer.energy_j == pytest.approx((200 * (256 + 16 + 16) + 6 * 2 * (16 + 16) + 256 + 256 + 256) * 1e-12)
    assert (layer.dram_bytes, layer.mapping.cycles, layer.mapping.utilisation_ratio) == (576, 1, 1.0)
    assert layer.latency_s == pytest.approx(576 / 16e9)


@pytest.mark.parametrize(("n", "c", "k"), [(1, 32, 16), (1, 16, 32), (1, 32, 32), (3, 20, 33), (2, 48, 17), (40, 33, 18)])
def test_weight_stationary_energy(n, c, k):
    """Partial sums or inputs pass again, whichever is cheaper; a rest of one costs no padding."""
    assert mapped(dense(c, k), "ws-16x16", batch=n).energy_j == pytest.approx(weight_stationary_pj(n, c, k) * 1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40))
def test_weight_stationary_energy_of_any_size(n, c, k):
    """The search finds what trying every order of the three loops finds."""
    assert mapped(dense(c, k), "ws-16x16", batch=n).energy_j == pytest.approx(weight_stationary_pj(n, c, k) * 1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(1, 40), st.integers(1, 40))
def test_fewest_steps_of_a_weight_stationary_array(n, c, k):
    """An input at a time, 16 channels by 16 filters: no objective takes fewer steps, and energy takes no more."""
    layer = mapped(dense(c, k), "ws-16x16", batch=n)

    assert layer.mapping.cycles == n * ceil(c / 16) * ceil(k / 16)
    assert layer.mapping.utilisation_ratio == pytest.approx(n * c * k / (256 * layer.mapping.cycles))


def test_a_batch_shares_its_weights():
    """Weights cross once a batch: the second input adds its own words, MACs and feeds alone."""
    one, two = (mapped(dense(16, 16), "ws-16x16", batch=batch) for batch in (1, 2))

    assert two.weight_dram_bytes == one.weight_dram_bytes == 512
    assert (two.energy_j - one.energy_j) * 1e12 == pytest.approx(200 * 32 + 6 * 2 * 32 + 256 + 256)


# ---- output-stationary


def output_stationary_pj(c, k, pixels):
    """Energy of a convolution of 1 x 1 whose sums stay in their elements until they are finished.

    A MAC reads and writes a sum of 32 bits; all inputs are read again for every filter, unless a register keeps the only one.
    """
    macs, words = c * k * pixels, c * k + c * pixels + k * pixels
    inputs = c * pixels * (1 + (k if c > 1 else 1))
    return DRAM * words + BUFFER * (inputs + 2 * k * pixels) + ELEMENT * k * pixels + (MAC + 4 * ELEMENT) * macs


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 16))
def test_output_stationary_energy(c, k, size):
    """Up to 16 x 16 pixels, one in each element; a weight for all of them is read once."""
    layer = mapped(pointwise(c, k, size), "os-16x16")

    assert layer.energy_j == pytest.approx(output_stationary_pj(c, k, size**2) * 1e-12)
    assert layer.mapping.cycles == c * k
    assert layer.mapping.utilisation_ratio == pytest.approx(size**2 / 256)
    assert layer.weight_dram_bytes == 2 * c * k


@pytest.mark.parametrize(("size", "steps"), [(16, 1), (17, 4), (32, 4), (33, 9)])
def test_pixels_beyond_the_array_take_another_turn(size, steps):
    """A side of 17 takes two turns, the second with one pixel."""
    assert mapped(pointwise(1, 1, size), "os-16x16", "latency").mapping.cycles == steps


def test_fully_connected_layers_suit_one_of_the_arrays():
    """One pixel keeps one of 256 elements busy; weights keep all of them."""
    weights, outputs = (mapped(dense(16, 16), name, "latency").mapping for name in ("ws-16x16", "os-16x16"))

    assert (weights.cycles, outputs.cycles) == (1, 256)
    assert outputs.utilisation_ratio == pytest.approx(1 / 256)


# ---- TPU


def test_a_tile_of_the_tpu_by_hand():
    """256 x 256 weights straight to the elements; inputs through the buffer, outputs through accumulators and buffer."""
    layer = mapped(dense(256, 256), "tpu-v1")
    latency_s = (65536 + 512) / 34e9 + 1e-6
    memories = 160 * (65536 + 512) + 4 * 2 * (256 + 256) + 2 * 2 * 256 + 0.12 * 65536

    assert layer.latency_s == pytest.approx(latency_s)
    assert layer.energy_j == pytest.approx((memories + (0.12 + 0.15) * 65536) * 1e-12 + 28 * latency_s)
    assert layer.accesses["ub"]["weight"] == {"read_bytes": 0.0, "write_bytes": 0.0, "energy_j": 0.0}
    assert layer.accesses["accumulators"]["ifmap"] == {"read_bytes": 0.0, "write_bytes": 0.0, "energy_j": 0.0}
    assert layer.accesses["pe"]["weight"]["write_bytes"] == layer.accesses["pe"]["weight"]["read_bytes"] == 65536


def test_the_tpu_waits_for_weights():
    """At batch 1 the DRAM is 1,300 times slower than the array; 65,536 B take 1.9 us, one step takes 1.4 ns."""
    layer = mapped(dense(256, 256), "tpu-v1", "latency")

    assert layer.mapping.cycles == 1
    assert layer.binding == "dram"
    assert layer.latency_s - 1e-6 == pytest.approx(layer.dram_bytes / 34e9)
    assert layer.latency_s - 1e-6 > 1300 / 700e6


def test_wide_numbers_are_a_quarter_as_fast():
    """The same steps of the array, each four cycles long."""
    rates = [hierarchy_of(load_hardware("tpu-v1"), load_hardware("tpu-v1").compute.macs_per_cycle[form].value * 700e6)
             for form in ("int8", "int16")]  # fmt: skip

    assert rates[0].macs_per_s == 4 * rates[1].macs_per_s
    assert rates[0].elements == rates[1].elements == 65536
    assert rates[0].stores[3].capacity_bits == 8


# ---- calibrated


@pytest.mark.parametrize("graph", [small(), small(16, 9, 40), dense(300, 50)], ids=["small", "larger", "dense"])
def test_dearer_chips_trade_on_chip_for_off_chip(graph):
    """All of the chip 1.48 times as dear: by exchange, no more units of energy on chip and no less off chip."""
    cited, fitted = (analysis_of(graph, load_hardware(name), 1, None, None, objective="energy").totals
                     for name in ("eyeriss", "eyeriss-calibrated"))  # fmt: skip
    on_chip = [one.energy_j.value - one.energy_off_chip_j for one in (cited, fitted)]

    assert on_chip[1] / 2.22 <= on_chip[0] / 1.5 * (1 + 1e-9)
    assert fitted.energy_off_chip_j >= cited.energy_off_chip_j * (1 - 1e-9)
    assert cited.energy_j.value < fitted.energy_j.value <= 2.22 / 1.5 * cited.energy_j.value * (1 + 1e-9)


def test_calibration_changes_neither_time_nor_bytes():
    """Mapped for them, both profiles are the same machine."""
    for objective, figure in (("latency", "latency_s"), ("dram_bytes", "dram_bytes")):
        one, two = (analysis_of(small(), load_hardware(name), 1, None, None, objective=objective).totals
                    for name in ("eyeriss", "eyeriss-calibrated"))  # fmt: skip
        assert getattr(one, figure) == getattr(two, figure)


# ---- bounds


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", ["ws-16x16", "os-16x16", "tpu-v1", "eyeriss-calibrated"])
def test_nothing_undercuts_the_bounds(name, objective):
    """Compulsory bytes, what the memories on chip allow, the time of the bytes, and the time of the MACs."""
    hardware = load_hardware(name)
    analysis = analysis_of(small(16, 9, 40), hardware, 1, None, None, objective=objective)
    rate = hardware.compute.clock_hz.value * hardware.compute.macs_per_cycle[analysis.precision.mac_format].value
    dram = hardware.levels[0].bandwidth_bytes_per_s

    for layer in analysis.layers:
        assert layer.compulsory_bytes <= layer.io_bound_bytes <= layer.dram_bytes
        assert layer.latency_s >= layer.macs / rate * (1 - 1e-9)
        assert dram is None or layer.latency_s >= layer.dram_bytes / dram.value * (1 - 1e-9)


@pytest.mark.parametrize("hardware", [spatial(), machine(128)], ids=["spatial", "plain"])
def test_the_bound_takes_all_memories_on_chip_together(hardware):
    """What may pass by the first memory lies in the others: the bound is no higher with them, and the same without."""
    alone, joint = (analysis_of(dense(40, 60), hardware, 30, None, None, objective=name) for name in ("none", "dram_bytes"))
    (one,), (two,) = alone.layers, joint.layers
    estimate = joint.estimate
    bits = 8 * sum(int(level.total_bytes) for level in hardware.levels[1:])
    bound = schedule_bytes(nest_of(estimate.table), estimate.off_chip_widths, bits * estimate.off_chip_widths.unit, (1.0, 1.0))

    assert two.io_bound_bytes == max(two.compulsory_bytes, int(bound[0, 0]))
    assert two.compulsory_bytes == one.compulsory_bytes == 40 * 60 + 30 * (40 + 60)
    assert two.io_bound_bytes <= one.io_bound_bytes
    assert (two.io_bound_bytes == one.io_bound_bytes) or len(hardware.levels) > 2
