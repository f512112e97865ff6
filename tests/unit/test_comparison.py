"""Comparisons: ratios, factors that multiply to the whole, what stays on chip, where the order turns."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.comparison import CAUSES, comparison_of, product_of, ratio
from costmodel.errors import InputError
from costmodel.graph import Graph
from tests.unit.machine import machine


def perceptron(name, *widths):
    """Build a chain of fully connected layers."""
    graph = Graph(name)
    x = graph.input("x", (1, widths[0]))
    for index, width in enumerate(widths[1:]):
        x = graph.linear(f"fc{index}", x, width)
    return graph


def convolutional(name, channels, size=32):
    """Build two convolutions: few weights, many activations."""
    graph = Graph(name)
    x = graph.conv("conv0", graph.input("x", (1, 3, size, size)), channels, kernel=3, padding=1)
    graph.conv("conv1", x, channels, kernel=1)
    return graph


def compared(*graphs, hardware=None, batch=1, dtypes=None, bits=None):
    """Compare graphs on the machine of round numbers."""
    return comparison_of(graphs, hardware or [machine()], batch, dtypes, bits)


def test_ratios_are_baseline_over_other():
    """The larger baseline has ratios above 1."""
    pair = compared(perceptron("large", 100, 100), perceptron("small", 100, 10)).pairs[0]
    assert pair.ratios["params"] == 10100 / 1010
    assert pair.ratios["macs"] == 10.0
    assert pair.ratios["dram_bytes"] == pytest.approx((10000 + 200) / (1000 + 110))


@pytest.mark.parametrize(("numbers", "expected"), [((4, 2), 2.0), ((0, 0), 1.0), ((1, 0), inf), ((0, 3), 0.0)])
def test_ratio(numbers, expected):
    """Nothing against nothing is 1, something against nothing infinite."""
    assert ratio(*numbers) == expected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=4),
    st.integers(1, 40),
    st.integers(8, 1 << 14),
    st.sampled_from([None, ["int8"], ["fp32", "int8"]]),
    st.integers(1, 5),
)
def test_factors_multiply_to_the_off_chip_energy_ratio(widths, channels, capacity, dtypes, batch):
    """Whatever the networks, buffer, precision and batch, the factors' product is the ratio they explain."""
    graphs = perceptron("a", *widths), convolutional("b", channels, 8)
    pair = compared(*graphs, hardware=[machine(capacity=capacity + 64)], dtypes=dtypes, batch=batch).pairs[0]
    assert product_of(pair.factors) == pytest.approx(pair.ratios["energy_off_chip_j"], rel=1e-6)


def test_fewer_bits_is_a_factor_of_its_own():
    """One network in fp32 and int8: only the bits differ, by 4."""
    graph = perceptron("net", 100, 10)
    pair = compared(graph, graph, dtypes=["fp32", "int8"]).pairs[0]
    factors = {factor.name: factor.ratio for factor in pair.factors}
    assert factors["fewer bits per weight"] * factors["fewer bits per activation"] == pytest.approx(4.0)
    assert factors["fewer weights"] == pytest.approx(1.0)
    assert factors["tiles that fit on chip"] == pytest.approx(1.0)


def test_a_small_buffer_is_a_factor_of_its_own():
    """One network on two buffers: only what fits differs."""
    graph = perceptron("net", 400, 400)
    hardware = [machine(capacity=32), replace(machine(), name="roomy machine")]
    pair = comparison_of([graph], hardware, 1, None, None).pairs[0]
    factors = {factor.name: factor.ratio for factor in pair.factors}
    assert factors["tiles that fit on chip"] == pytest.approx(pair.ratios["dram_bytes"])
    assert factors["tiles that fit on chip"] > 1


def test_ranking_is_certain_where_every_term_agrees():
    """A network that does more of everything costs more for every value of the constants."""
    assert compared(perceptron("large", 100, 100), perceptron("small", 100, 10)).pairs[0].certain


def test_ranking_is_uncertain_where_terms_disagree():
    """More transfers against more MACs: which is dearer depends on constants that range over an order of magnitude."""
    weights, macs = perceptron("weights", 500, 60), convolutional("macs", 12, 12)
    pair = compared(weights, macs).pairs[0]
    assert pair.ratios["dram_bytes"] > 1 > pair.ratios["macs"]
    assert not pair.certain


def test_fit_says_what_would_stay_on_chip():
    """Weights and activations fit: only input and output cross. One layer's weights fit: those of the other cross too.

    Nothing fits beside the tiles: as layer by layer.
    """
    graph = perceptron("net", 100, 50, 10)
    roomy = compared(graph, graph).fits[0]
    assert (roomy.weight_bytes, roomy.peak_bytes, roomy.capacity_bytes) == (5560, 150, 1 << 20)
    assert (roomy.layer_bytes, roomy.resident_bytes, roomy.fused_bytes, roomy.bound_bytes) == (5710, 110, 110, 110)
    middle = compared(graph, graph, hardware=[machine(capacity=1000)]).fits[0]
    assert (middle.layer_bytes, middle.resident_bytes, middle.bound_bytes) == (5710, 110 + 5000, 110 + 5500 - 1000)
    tight = compared(graph, graph, hardware=[machine(capacity=120)]).fits[0]
    assert tight.resident_bytes == tight.fused_bytes == tight.layer_bytes > 5710
    assert roomy.transfer_over_mac_ratio == 400.0


def test_crossover_is_the_first_batch_where_the_order_turns():
    """Weights are shared by the batch, activations are not; the batch found is the first, checked by pricing each one."""
    few, many = convolutional("few weights", 4), perceptron("many weights", 300, 100)
    comparison = compared(many, few)
    turn = comparison.crossovers[0].batch
    favours = [comparison.bytes_per_input(0, b)[0] > comparison.bytes_per_input(1, b)[0] for b in range(1, turn + 1)]
    assert favours == [True] * (turn - 1) + [False]


def test_no_crossover_where_one_is_always_smaller():
    """A network that moves less of everything stays ahead at every batch."""
    assert compared(perceptron("large", 100, 100), perceptron("small", 100, 10)).crossovers[0].batch is None


def test_causes_are_the_largest_modules():
    """The modules that move most come first, with their share."""
    causes = compared(perceptron("a", 10, 200, 10), perceptron("b", 10, 10)).pairs[0].causes
    assert [(c.network, c.group, c.dram_bytes) for c in causes] == [
        ("a", "fc0", 2210),
        ("a", "fc1", 2210),
        ("b", "fc0", 120),
    ]
    assert len(causes) <= CAUSES
    assert sum(c.share for c in causes if c.network == "b") == pytest.approx(1.0)


def test_batch_sweep_divides_by_the_batch():
    """Bytes per input at batch 1 are the analysis's own."""
    comparison = compared(perceptron("a", 10, 20), perceptron("b", 10, 10), batch=4)
    assert comparison.batch_sweep[0].bytes_per_input == (230.0, 120.0)


def test_plain_data():
    """JSON and data frame carry every analysis."""
    comparison = compared(perceptron("a", 10, 20), perceptron("b", 10, 10))
    assert [a["network"] for a in comparison.to_dict()["analyses"]] == ["a", "b"]
    assert comparison.to_frame()["params"].tolist() == [220, 110]


def test_one_analysis_is_no_comparison():
    """Comparing needs two."""
    with pytest.raises(InputError, match="needs at least two networks, or one network on two hardware profiles"):
        compared(perceptron("a", 10, 20))


def test_dtypes_must_match_networks():
    """Three dtypes for two networks cannot be told apart."""
    with pytest.raises(InputError, match="3 dtypes for 2 networks; give one, or one per network"):
        compared(perceptron("a", 1, 1), perceptron("b", 1, 1), dtypes=["int8", "fp32", "int8"])


def test_pairs_stay_on_one_profile():
    """Two networks on two profiles make a pair on each; one network on two profiles makes a pair across them."""
    graphs = [perceptron("a", 10, 20), perceptron("b", 10, 10)]
    small, large = machine(), replace(machine(1 << 22), name="large machine")
    across = comparison_of(graphs, [small, large], 1, None, None)
    names = [(p.baseline.network, p.baseline.hardware.name, p.other.network, p.other.hardware.name) for p in across.pairs]
    assert names == [("a", "machine", "b", "machine"), ("a", "large machine", "b", "large machine")]
    assert len(across.crossovers) == 2
    alone = comparison_of(graphs[:1], [small, large], 1, None, None)
    assert [(p.baseline.hardware.name, p.other.hardware.name) for p in alone.pairs] == [("machine", "large machine")]
