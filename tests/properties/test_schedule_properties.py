"""Properties of schedules, on random graphs and on real networks."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.hardware import load_hardware
from costmodel.importers import load_network
from costmodel.schedule import KINDS, PHASES, pins
from costmodel.schedule import schedule as scheduling
from costmodel.schedule.schedule import Description
from tests.oracle.small_networks import mixed_networks, striped_networks
from tests.oracle.test_schedules import FORMATS
from tests.unit.scheduled import hardware, scheduler_of

ONNX = Path(__file__).parents[1] / "models" / "onnx"
REAL = {
    "squeezenet": "squeezenet:version=1.1",
    "mobilenet": str(ONNX / "mobilenet_v2.dynamo.onnx"),
    "resnet18": str(ONNX / "resnet18.dynamo.onnx"),
    "shufflenet": str(ONNX / "shufflenet_v2_x1_0.dynamo.onnx"),
    "googlenet": str(ONNX / "googlenet.dynamo.onnx"),
}
NAMES = sorted(REAL)
SWEPT = ("resnet18", "squeezenet")


@cache
def real(name):
    """Return the scheduler of a real network in int8."""
    return scheduler_of(load_network(REAL[name]))


@cache
def scheduled(name, capacity, kind, phase="steady", residency="all"):
    """Return a schedule of a real network in some memory [B]."""
    return real(name).schedule(hardware(capacity, residency=residency), kind, phase)


@st.composite
def machines(draw):
    """Draw a small machine."""
    residency, kind = draw(st.sampled_from(["none", "activations", "all"])), draw(st.sampled_from(["scratchpad", "cache"]))
    return hardware(draw(st.integers(8, 1200)), doubled=draw(st.booleans()), residency=residency, fusion=False, kind=kind)


def schedulers():
    """Draw the scheduler of a random network."""
    graphs = st.one_of(striped_networks(most=8, height=10, width=4), mixed_networks())
    return st.builds(scheduler_of, graphs, st.sampled_from([1, 2]), st.sampled_from(FORMATS))


def attempt(scheduler, profile, kind, phase):
    """Return a schedule; reject examples whose layers do not fit by themselves."""
    try:
        return scheduler.schedule(profile, kind, phase)
    except MappingError:
        return assume(False)


def ends_bytes(scheduler, phase, profile, kind):
    """Return the size of what must cross: inputs read, outputs written, and weights that cannot stay [B]."""
    steps, buffers = scheduler.program.steps, scheduler.program.buffers
    outputs = sum(a.bits for step in steps for a in step.writes if buffers[a.buffer].is_output)
    inputs = 0
    for number, buffer in enumerate(buffers):
        reads = [a.bits for step in steps for a in step.reads if a.buffer == number]
        inputs += min(reads, default=0) if buffer.is_input else 0
    weights = sum(scheduler.costs.weight_bits)
    held = profile.levels[1].capacity_bytes.value * 8 if pins(profile, kind, phase) else 0
    return (outputs + inputs + max(weights - held, 0)) / 8


@settings(max_examples=150)
@given(schedulers(), machines(), st.sampled_from(PHASES))
def test_kinds_are_ordered_and_bounded(scheduler, profile, phase):
    """Layer by layer moves most, cascades least, and nothing less than inputs, outputs and weights that cannot stay."""
    moved = [attempt(scheduler, profile, kind, phase) for kind in KINDS]
    assert [one.kind for one in moved] == list(KINDS)
    assert moved[0].dram_bytes >= moved[1].dram_bytes >= moved[2].dram_bytes
    for one in moved:
        assert one.dram_bytes >= one.lower_bytes >= scheduler.bound_bytes(profile, one.kind, phase)
        assert one.lower_bytes >= ends_bytes(scheduler, phase, profile, one.kind)


@settings(max_examples=100)
@given(schedulers(), machines(), st.sampled_from(KINDS))
def test_a_cold_start_never_moves_less(scheduler, profile, kind):
    """Loading every weight costs as much as finding some there, or more, and at least all of them."""
    cold, steady = (attempt(scheduler, profile, kind, phase) for phase in ("cold", "steady"))
    assert cold.dram_bytes >= steady.dram_bytes
    assert cold.boundary.weight_bytes.sum() * 8 >= sum(scheduler.costs.weight_bits)
    assert (cold.pinned, cold.pinned_bytes) == ((), 0)


@settings(max_examples=60)
@given(schedulers(), st.lists(st.integers(8, 1500), min_size=2, max_size=4), st.sampled_from(KINDS[1:]), st.booleans())
def test_more_memory_never_moves_more(scheduler, capacities, kind, doubled):
    """On small networks, where every schedule is optimal, a larger memory moves as much or less."""
    moved = []
    for capacity in sorted(capacities):
        profile = hardware(capacity, doubled=doubled)
        moved.append(attempt(scheduler, profile, kind, "steady"))
    bytes_moved = [one.dram_bytes for one in moved if one.gap_ratio == 0]
    assert bytes_moved == sorted(bytes_moved, reverse=True)


@settings(max_examples=80)
@given(schedulers(), machines())
def test_layer_by_layer_is_the_sum_of_the_layers(scheduler, profile):
    """The schedule ``layer`` moves what each layer moves alone, and proves it."""
    found = attempt(scheduler, profile, "layer", "steady")
    capacity = int(profile.levels[1].capacity_bytes.value) * 8 // (2 if profile.levels[1].double_buffered else 1)
    alone = [scheduler.costs.bits(n, frozenset(), capacity, pinned=False) for n in range(len(scheduler.program.steps))]
    assert found.dram_bytes == sum(alone) / 8
    assert (found.lower_bytes, found.stays, found.fused, found.pinned) == (found.dram_bytes, (), (), ())


@settings(max_examples=60)
@given(schedulers(), machines(), st.sampled_from(KINDS), st.sampled_from(PHASES))
def test_the_same_twice(scheduler, profile, kind, phase):
    """A schedule depends on nothing but its network and machine."""
    again = copy(scheduler)
    again.searches, again.plans = {}, {}
    first, second = (attempt(one, profile, kind, phase) for one in (scheduler, again))
    assert first.to_dict() == second.to_dict()
    assert (first.boundary.moved_bytes == second.boundary.moved_bytes).all()


class Recorder:
    """Keeps the path behind the schedules made."""

    def __init__(self, patch):
        self.paths = []
        original = scheduling.traffic_of

        def recorded(path, pinned, *rest):
            self.paths.append((path, pinned))
            return original(path, pinned, *rest)

        patch.setattr(scheduling, "traffic_of", recorded)


@settings(max_examples=250)
@given(schedulers(), machines(), st.sampled_from(KINDS[1:]), st.sampled_from(PHASES))
def test_schedules_can_be_executed(scheduler, profile, kind, phase):
    """Steps come after what they read, memory suffices at every move, and rows add up to what the search counted."""
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(patch)
        found = attempt(scheduler, profile, kind, phase)
    names = [step.name for step in scheduler.program.steps]
    place = {name: found.order.index(name) for name in names}
    assert sorted(found.order) == sorted(names)
    assert all(place[names[n]] < place[s.name] for s in scheduler.program.steps for n in s.needs)
    if recorder.paths and len(found.stays) + len(found.fused) + len(found.pinned):
        path, pinned = recorder.paths[-1]
        assert found.boundary.moved_bytes.sum() * 8 == path.bits
        executed(scheduler, path, pinned, profile)


def executed(scheduler, path, pinned, profile):
    """Execute a path with an account of memory of its own: what is on chip, what is written, what is read again."""
    steps, buffers, costs = scheduler.program.steps, scheduler.program.buffers, scheduler.costs
    level = profile.levels[1]
    capacity, factor = int(level.capacity_bytes.value) * 8, 2 if level.double_buffered else 1
    forever = sum(costs.weight_bits[n] for n in pinned)
    stored = {b for b, one in enumerate(buffers) if one.is_input}
    here, moved = {}, 0
    last = {b: max((i for i, (m, _) in enumerate(path.moves) if uses(steps, m, b)), default=-1) for b in range(len(buffers))}
    for place, (move, way) in enumerate(path.moves):
        for b in move.loaded:
            assert b in stored
            here[b] = True
        for b in [b for b in here if b not in move.on_chip]:
            assert b in move.stored or here.pop(b)
        written = {a.buffer for n in move.steps for a in steps[n].writes}
        read = {a.buffer for n in move.steps for a in steps[n].reads}
        assert read <= stored | set(here) | written
        here = {b: here.get(b, False) for b in move.on_chip}
        stored |= (written - set(here)) | set(move.stored)
        shared = sum(buffers[b].bits for b in here) - move.resident_bits
        assert shared in {0, *(buffers[b].bits for n in move.steps for b in steps[n].overwrites)}
        weights = sum(costs.weight_bits[n] for n in move.steps if n not in pinned)
        if way.option is not None:
            used, own = way.option.need_bits, way.option.moved_bits
        else:
            held, on_chip = weights if way.held else 0, way.held or move.steps[0] in pinned
            used = held + way.capacity_bits * factor
            own = held + costs.bits(move.steps[0], move.on_chip, way.capacity_bits, pinned=on_chip)
        moved += own + sum(buffers[b].bits for b in (*move.loaded, *move.stored))
        assert forever + move.resident_bits + used <= capacity
        here = {b: clean for b, clean in here.items() if last[b] > place}
    assert moved == path.bits
    assert all(b in stored for b, one in enumerate(buffers) if one.is_output)


def uses(steps, move, buffer):
    """Whether a move reads or writes a buffer."""
    return any(a.buffer == buffer for n in move.steps for a in (*steps[n].reads, *steps[n].writes))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("capacity", [96 << 10, 1 << 20, 8 << 20])
def test_real_networks_are_ordered_and_bounded(name, capacity):
    """The same order of kinds and bounds on real networks; the gap is what the schedule says."""
    moved = [scheduled(name, capacity, kind) for kind in KINDS]
    assert moved[0].dram_bytes >= moved[1].dram_bytes >= moved[2].dram_bytes
    for one in moved:
        assert one.dram_bytes >= one.lower_bytes >= ends_bytes(real(name), "steady", hardware(capacity), one.kind)
        assert one.gap_ratio == max(1 - one.lower_bytes / one.dram_bytes, 0)


@pytest.mark.parametrize("name", SWEPT)
def test_more_memory_on_real_networks(name):
    """A larger memory moves no more than a smaller one, up to the gap that is stated."""
    sizes = [64 << 10, 128 << 10, 200 << 10, 256 << 10, 512 << 10, 1 << 20, 3 << 20, 4 << 20, 16 << 20]
    for kind in KINDS:
        moved = [scheduled(name, size, kind) for size in sizes]
        for small, large in pairwise(moved):
            assert large.lower_bytes <= small.dram_bytes
            assert large.dram_bytes * (1 - large.gap_ratio) <= small.dram_bytes


@pytest.mark.parametrize("name", ["squeezenet", "mobilenet"])
def test_a_network_that_fits_moves_its_ends(name):
    """With everything on chip only the input and the output cross, and from a cold start the weights too."""
    scheduler, capacity = real(name), 64 << 20
    steady, cold = (scheduled(name, capacity, "fused", phase) for phase in ("steady", "cold"))
    ends = sum(one.bits for one in scheduler.program.buffers if one.is_input or one.is_output) // 8
    assert steady.dram_bytes <= ends
    assert cold.dram_bytes == steady.dram_bytes + sum(scheduler.costs.weight_bits) // 8


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_batch_moves_its_inputs_and_no_more_weights(kind):
    """In unlimited memory a batch moves the inputs and outputs of every image, and weights once."""
    graph, profile = load_network("squeezenet:version=1.1"), hardware(1 << 30)
    one, four = (scheduler_of(graph, batch).schedule(profile, kind, "cold") for batch in (1, 4))
    weights = int(one.boundary.weight_bytes.sum())
    assert four.boundary.weight_bytes.sum() == weights
    assert four.dram_bytes - weights == 4 * (one.dram_bytes - weights)


@pytest.mark.parametrize("capacity", [200 << 10, 2 << 20])
@pytest.mark.parametrize("kind", KINDS)
def test_two_exports_of_one_network_have_the_same_schedule(kind, capacity):
    """MobileNetV2 from both ONNX exporters of PyTorch moves the same bytes in the same order, whatever the names."""
    graphs = [load_network(str(ONNX / f"mobilenet_v2.{how}.onnx")) for how in ("dynamo", "legacy13")]
    found = [scheduler_of(graph).schedule(hardware(capacity), kind) for graph in graphs]
    moved = [[int(b) for b in one.boundary.moved_bytes[:, 0] if b] for one in found]
    assert moved[0] == moved[1]
    assert len(found[0].fused) == len(found[1].fused)
    assert found[0].pinned_bytes == found[1].pinned_bytes


def test_profiles_and_overrides():
    """A machine that declares nothing still answers what residency would give, as if it kept everything."""
    profile = replace(load_hardware("eyeriss"), residency="none", fusion=False)
    scheduler = real("squeezenet")
    what_if = scheduler.schedule(profile, "resident")
    assert what_if.dram_bytes == scheduler.schedule(replace(profile, residency="all"), "resident").dram_bytes
    assert what_if.dram_bytes < scheduler.schedule(profile, "layer").dram_bytes


@settings(max_examples=60)
@given(schedulers(), machines(), st.sampled_from(KINDS[1:]))
def test_descriptions_match_the_path(scheduler, profile, kind):
    """What a schedule says stays is on chip at its first and last step, and is read or written there."""
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(patch)
        attempt(scheduler, profile, kind, "steady")
    for path, _ in recorder.paths:
        told = Description(scheduler.program, path)
        for stay in told.stays():
            (number,) = [b for b, one in enumerate(scheduler.program.buffers) if one.name == stay.tensor]
            on = [move for move, _ in path.moves if number in move.on_chip]
            names = [[scheduler.program.steps[n].name for n in move.steps] for move in on]
            assert {stay.first, stay.last} <= {name for move in names for name in move}
        assert sum(len(one.layers) for one in told.fused()) <= len(told.order()) == len(scheduler.program.steps)
