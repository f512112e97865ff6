"""The scheduler equals the enumeration of every order, residency, pinned set, cascade and stripe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.graph import Graph
from costmodel.mapping import Problems, smallest_buffer_bits
from costmodel.schedule.order import program_order
from tests.oracle.schedule_simulator import Optimum, Rules, problem
from tests.oracle.small_networks import mixed_networks, striped_networks
from tests.oracle.stripe_simulator import described
from tests.unit.scheduled import hardware, scheduler_of

FORMATS = (
    {"weight": 8, "ifmap": 8, "ofmap": 8, "psum": 32},
    {"weight": 8, "ifmap": 8, "ofmap": 8, "psum": 8},
    {"weight": 16, "ifmap": 8, "ofmap": 16, "psum": 32},
    {"weight": 8, "ifmap": 16, "ofmap": 8, "psum": 16},
)


def everything_bytes(net):
    """Return a memory that holds the whole network."""
    weights = sum(net.weight_bits(m) for m in range(len(net.tasks)))
    return (weights + sum(place.bits for place in net.places)) // 8


def smallest_bytes(net):
    """Return the smallest memory into which every layer can be tiled by itself."""
    rows = [task.row for task in net.tasks if not net.table.streamed[task.row]]
    problems = [{name: np.array([size]) for name, size in problem(net, row, (False,) * 3).items()} for row in rows]
    return -(-max((smallest_buffer_bits(Problems(**one)) for one in problems), default=8) // 8)


@st.composite
def cases(draw, networks, most_steps, most_heavy=3):
    """Draw a network, widths, batch, a machine from too small to more than enough, and a state."""
    graph = draw(networks)
    batch, bits = draw(st.sampled_from([1, 1, 1, 2])), draw(st.sampled_from(FORMATS))
    net = described(graph, batch, bits)
    assume(len(net.tasks) <= most_steps)
    assume(sum(net.weight_bits(m) > 0 for m in range(len(net.tasks))) <= most_heavy)
    doubled, share = draw(st.booleans()), draw(st.floats(-0.05, 1.0))
    least, most = smallest_bytes(net) * (2 if doubled else 1), everything_bytes(net)
    profile = hardware(
        max(1, int(least + share * abs(share) * max(1.1 * most - least, least))), doubled=doubled,
        residency=draw(st.sampled_from(["none", "activations", "all"])), fusion=False,
        kind=draw(st.sampled_from(["scratchpad", "scratchpad", "cache"])),
    )  # fmt: skip
    return graph, batch, bits, net, profile, draw(st.sampled_from(["steady", "cold"]))


def rules_of(profile, kind, *, fixed_order=False):
    """Return what a machine does, for the enumeration."""
    level = profile.levels[1]
    return Rules(int(level.capacity_bytes.value) * 8, 2 if level.double_buffered else 1, kind == "fused", fixed_order)


def optimum_bytes(net, profile, kind, phase, *, fixed_order=False):
    """Return the bytes of the best schedule of all."""
    pins = phase == "steady" and profile.residency != "activations"
    rules = rules_of(profile, kind, fixed_order=fixed_order)
    return Optimum(net, rules, pins=pins, together=profile.levels[1].kind == "cache").bits / 8


def check(case, kind):
    """Compare a schedule with the enumeration, in both directions."""
    graph, batch, bits, net, profile, phase = case
    scheduler = scheduler_of(graph, batch, bits)
    try:
        found = scheduler.schedule(profile, kind, phase)
    except MappingError:
        return
    assert found.dram_bytes == optimum_bytes(net, profile, kind, phase)
    assert (found.lower_bytes, found.every_order) == (found.dram_bytes, True)


@settings(max_examples=500)
@given(cases(striped_networks(most=4, height=12, width=5), 5))
def test_fused_schedules_equal_the_enumeration(case):
    """Cascades, residency and pinned weights of 500 networks of windows, sums, concatenations and views."""
    check(case, "fused")


@settings(max_examples=300)
@given(cases(striped_networks(most=3, height=20, width=6, channels=(2, 8), kinds="wwwwfs"), 4))
def test_cascades_in_little_memory_equal_the_enumeration(case):
    """Tall feature maps, where executing in stripes pays: 300 networks."""
    check(case, "fused")


@settings(max_examples=500)
@given(cases(striped_networks(most=5, height=6), 5))
def test_resident_schedules_equal_the_enumeration(case):
    """Residency and pinned weights of 500 such networks."""
    check(case, "resident")


@settings(max_examples=400)
@given(cases(mixed_networks(), 5), st.sampled_from(["resident", "fused"]))
def test_schedules_of_products_equal_the_enumeration(case, kind):
    """Linear layers, products of two activations, normalisation and several inputs and outputs: 400 networks."""
    check(case, kind)


@pytest.mark.parametrize("kind", ["resident", "fused"])
@settings(max_examples=100)
@given(case=cases(striped_networks(most=4, height=12, width=5), 5))
def test_a_fixed_order_equals_the_enumeration_in_that_order(kind, case):
    """Where there are too many orders, one is kept: here that of the network."""
    graph, batch, bits, net, profile, phase = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("costmodel.schedule.schedule.MOST_ORDERS", 0)
        patch.setattr("costmodel.schedule.order.least_memory_order", program_order)
        try:
            found = scheduler_of(graph, batch, bits).schedule(profile, kind, phase)
        except MappingError:
            return
    assert found.dram_bytes == optimum_bytes(net, profile, kind, phase, fixed_order=True)
    assert found.lower_bytes == found.dram_bytes


@st.composite
def many_weights(draw):
    """Draw seven or eight linear layers in a row, or each with an input of its own, and a memory."""
    graph, sizes = Graph("many"), st.sampled_from([1, 2, 3, 4, 6, 8, 12])
    x = graph.input("x", (1, draw(sizes)))
    for place in range(draw(st.integers(7, 8))):
        y = x if draw(st.integers(0, 3)) else graph.input(f"x{place}", (1, draw(sizes)))
        x = graph.linear(f"fc{place}", y, draw(sizes), bias=False)
    net = described(graph, 1, FORMATS[0])
    least, most = smallest_bytes(net), everything_bytes(net)
    return graph, net, hardware(least + int(draw(st.floats(0.0, 1.0)) * (most - least)))


@settings(max_examples=60)
@given(many_weights())
def test_many_weights_stay_within_the_stated_gap(case):
    """Where not every choice of weights is tried, the optimum lies between the bound and what was found."""
    graph, net, profile = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("costmodel.schedule.schedule.MOST_ORDERS", 0)
        patch.setattr("costmodel.schedule.order.least_memory_order", program_order)
        found = scheduler_of(graph).schedule(profile, "resident")
    optimum = optimum_bytes(net, profile, "resident", "steady", fixed_order=True)
    assert found.lower_bytes <= optimum <= found.dram_bytes
    assert optimum >= found.dram_bytes * (1 - found.gap_ratio)
