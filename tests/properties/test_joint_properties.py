"""What holds of any network mapped through all memories of any profile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.analysis import analysis_of
from costmodel.graph import Graph
from costmodel.hardware.profile import OBJECTIVES, ArrayAxis
from tests.unit.joint_machine import level
from tests.unit.machine import machine

COUNTS = st.integers(1, 4)


@st.composite
def networks(draw):
    """A convolution (strided, padded, grouped or transposed) and a fully connected layer behind it."""
    graph = Graph("drawn")
    groups = draw(st.integers(1, 2))
    channels, filters, size = groups * draw(COUNTS), groups * draw(COUNTS), draw(st.integers(2, 5))
    x = graph.input("x", (1, channels, size, size))
    kernel = draw(st.integers(1, min(3, size)))
    if draw(st.booleans()):
        options = {"stride": draw(st.integers(1, 2)), "padding": draw(st.integers(0, kernel // 2)), "groups": groups}
        x = graph.conv("conv", x, filters, kernel, **options)
    else:
        x = graph.conv_transpose("conv", x, filters, kernel, stride=draw(st.integers(1, 2)))
    graph.output(graph.linear("fc", graph.flatten("flat", graph.relu("relu", x)), draw(COUNTS)))
    return graph


@st.composite
def profiles(draw):
    """Two or three memories, with and without an array, parts, a bypass and elements that keep one operand alone."""
    base = machine(draw(st.integers(300, 900)), overlap=draw(st.booleans()), static_w=draw(st.sampled_from([0.0, 0.01])))
    if not draw(st.booleans()):
        return base
    array = {
        "rows": ArrayAxis(draw(COUNTS), ("c", "r"), multicast=draw(st.booleans())),
        "columns": ArrayAxis(draw(COUNTS), ("k", "q"), reduction=draw(st.booleans())),
    }
    compute = replace(base.compute, array=array)
    kept = draw(st.sampled_from([("weight", "ifmap", "ofmap"), ("weight",), ("ofmap",)]))
    parts = {"weight": 4.0} if draw(st.booleans()) and kept != ("weight",) and "weight" in kept else {}
    reuse = dict.fromkeys(kept, 1.0)
    options = {"holds": kept, "parts": parts, "per_element": True, "instances": compute.elements, "reuse": reuse}
    elements = level("rf", draw(st.integers(16, 40)), 0.25, **options)
    passing = draw(st.sampled_from([(), ("weight",), ("ifmap", "ofmap")]))
    buffer = replace(base.levels[1], bypass=tuple(operand for operand in passing if operand in kept))
    return replace(base, levels=(base.levels[0], buffer, elements), compute=compute)


@settings(max_examples=60, deadline=None)
@given(networks(), profiles(), st.sampled_from(OBJECTIVES), st.integers(1, 2))
def test_costs_are_the_sum_of_the_mappings(graph, hardware, objective, batch):
    """Energy and latency are those of every priced nest; accesses by memory and operand add up; off chip never too little."""
    analysis = analysis_of(graph, hardware, batch, None, None, objective=objective)
    mapped = [layer for layer in analysis.layers if layer.mapping]
    assert [layer.name for layer in mapped] == ["conv", "fc"]
    for layer in mapped:
        found = layer.mapping.priced
        assert layer.energy_j == pytest.approx(found.energy_pj / 1e12)
        assert layer.latency_s == pytest.approx(found.latency_s)
        assert layer.dram_bytes == found.dram_bits // 8
        assert layer.compulsory_bytes <= layer.io_bound_bytes <= layer.dram_bytes
        assert layer.energy_low_j <= layer.energy_j <= layer.energy_high_j
        spent = sum(one["energy_j"] for operands in layer.accesses.values() for one in operands.values())
        assert spent == pytest.approx(layer.energy_on_chip_j + layer.energy_off_chip_j)
    total = sum(layer.mapping.priced.energy_pj for layer in mapped) / 1e12
    free = sum(layer.energy_j for layer in analysis.layers if not layer.mapping)
    assert analysis.totals.energy_j.value == pytest.approx(total + free)


@settings(max_examples=30, deadline=None)
@given(networks(), profiles())
def test_an_objective_is_least_by_its_own_measure(graph, hardware):
    """Mapped for energy no other objective takes less energy, and so on."""
    found = {name: analysis_of(graph, hardware, 1, None, None, objective=name).totals for name in OBJECTIVES}
    close = 1 - 1e-9
    for other in found.values():
        assert other.energy_j.value >= close * found["energy"].energy_j.value
        assert other.latency_s >= close * found["latency"].latency_s
        assert other.dram_bytes >= found["dram_bytes"].dram_bytes


@settings(max_examples=30, deadline=None)
@given(networks(), profiles())
def test_one_mapping_for_all_memories_costs_no_less_than_each_boundary_at_its_best(graph, hardware):
    """Without an array, bypass and parts, the sum of boundaries that are each mapped alone is a lower bound of the energy."""
    compute = replace(hardware.compute, array=None)
    plain = replace(hardware, levels=hardware.levels[:2], compute=compute, static_w=machine().static_w)
    joint, alone = (analysis_of(graph, plain, 1, None, None, objective=name).totals for name in ("energy", "none"))
    assert joint.energy_j.value >= alone.energy_j.value * (1 - 1e-9)
