"""What schedules share, in a sweep or between the analyses of one network, never changes a result."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.analysis import analysis_of
from costmodel.errors import MappingError
from costmodel.graph import Graph
from costmodel.schedule import KINDS, PHASES
from tests.unit.machine import machine

CAPACITIES = st.lists(st.integers(8, 900), min_size=2, max_size=5)


@st.composite
def networks(draw):
    """Draw a network of two to five layers: convolutions, poolings, additions and a branch that is joined again."""
    graph = Graph("drawn")
    height, width = draw(st.sampled_from([(4, 4), (6, 2), (3, 5)]))
    x = graph.input("x", (1, draw(st.integers(1, 3)), height, width))
    for index in range(draw(st.integers(1, 3))):
        x = layer(graph, index, x, draw)
    graph.output(x)
    return graph


def layer(graph, index, x, draw):
    """Add one or two layers behind a tensor."""
    kind = draw(st.sampled_from(["conv", "wide", "pool", "residual", "branches", "linear"]))
    match kind:
        case "conv":
            return graph.conv(f"conv{index}", x, draw(st.integers(1, 4)), kernel=1)
        case "wide":
            return graph.conv(f"wide{index}", x, draw(st.integers(1, 4)), kernel=3, padding=1)
        case "pool":
            return graph.max_pool(f"pool{index}", x, 3, stride=1, padding=1)
        case "residual":
            return graph.add(f"add{index}", x, graph.conv(f"inner{index}", x, x.shape[1], kernel=1))
        case "branches":
            one = graph.conv(f"one{index}", x, 2, kernel=1)
            return graph.concat(f"join{index}", one, graph.conv(f"three{index}", x, 1, kernel=3, padding=1))
    return graph.linear(f"fc{index}", x, 3)


def outcome(graph, hardware, batch, kind, phase):
    """Figures of a fresh analysis, or the reason why there are none."""
    try:
        found = analysis_of(graph, hardware, batch, None, None, kind, phase)
        energy_j, latency_s = found.totals.energy_j.value, found.totals.latency_s
    except MappingError as error:
        return error.problems[0]
    bound = found.scheduler.bound_bytes(hardware, kind, phase)
    return found.totals.dram_bytes, found.schedule.lower_bytes, bound, round(energy_j * 1e15), round(latency_s * 1e12)


def figures(point):
    """Figures of a point, or its problem."""
    if point.problem:
        return point.problem.partition(" (and ")[0]
    return (
        point.dram_bytes, point.lower_bytes, point.bound_bytes, round(point.energy_j * 1e15), round(point.latency_s * 1e12)
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(networks(), CAPACITIES, st.sampled_from(KINDS), st.sampled_from(PHASES), st.booleans(), st.integers(1, 2))
def test_a_sweep_over_capacities_equals_fresh_analyses(graph, capacities, kind, phase, double_buffered, batch):
    """Larger memories are searched first and smaller ones use what they found; in any order of the values."""
    hardware = machine(1024, double_buffered=double_buffered)
    found = cm.vary([graph], hardware, {"hw.sram": capacities}, batch, schedule=kind, state=phase)
    alone = [
        outcome(graph, machine(capacity, double_buffered=double_buffered), batch, kind, phase) for capacity in capacities
    ]
    assert [figures(point) for point in found.points] == alone


@settings(max_examples=15, deadline=None)
@given(networks(), CAPACITIES, st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2, unique=True))
def test_a_sweep_over_everything_equals_fresh_analyses(graph, capacities, batches):
    """Schedules, states, batches and capacities share one scheduler per batch."""
    axes = {"schedule": list(KINDS), "hw.sram": capacities, "state": list(PHASES), "batch": batches}
    for point in cm.vary([graph], machine(1024), axes).points:
        kind, capacity, phase, batch = point.at
        assert figures(point) == outcome(graph, machine(int(capacity)), batch, kind, phase)


@settings(max_examples=40, deadline=None)
@given(networks(), st.integers(16, 900), st.permutations([(kind, phase) for kind in KINDS for phase in PHASES]))
def test_schedules_of_one_analysis_do_not_depend_on_their_order(graph, capacity, asked):
    """Whichever is asked for first, each is what a fresh analysis finds."""
    found = analysis_of(graph, machine(capacity), 1, None, None, *asked[0])
    for kind, phase in asked:
        fresh = analysis_of(graph, machine(capacity), 1, None, None, kind, phase)
        assert found.scheduled(kind, phase).to_dict() == fresh.schedule.to_dict()


@settings(max_examples=40, deadline=None)
@given(networks(), st.integers(16, 900), st.sampled_from(PHASES), st.booleans())
def test_more_moves_never_cost_more(graph, capacity, phase, double_buffered):
    """Layer by layer, resident, fused: each may do what the one before does; none undercuts what must cross."""
    found = analysis_of(graph, machine(capacity, double_buffered=double_buffered), 1, None, None, "layer", phase)
    layer, resident, fused = (found.scheduled(kind, phase) for kind in KINDS)
    assert layer.dram_bytes >= resident.dram_bytes >= fused.dram_bytes * (1 - 2e-3)
    for one in (resident, fused):
        assert one.dram_bytes >= one.lower_bytes >= found.scheduler.bound_bytes(found.hardware, one.kind, phase)


@settings(max_examples=40, deadline=None)
@given(networks(), CAPACITIES, st.sampled_from(KINDS), st.sampled_from(PHASES))
def test_more_memory_never_costs_more(graph, capacities, kind, phase):
    """Where every schedule is proved optimal, bytes fall with the capacity; else they rise by the gap at most."""
    found = cm.vary([graph], machine(), {"hw.sram": sorted(capacities)}, schedule=kind, state=phase)
    priced = [point for point in found.points if not point.problem]
    for small, large in pairwise(priced):
        assert large.lower_bytes <= small.dram_bytes
        assert large.dram_bytes <= small.dram_bytes * (1 + 2e-3)
