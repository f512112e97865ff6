"""Schedules as users see them: kinds and phases, bounds, and what stays, is fused and pinned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from costmodel.errors import InputError, MappingError
from costmodel.graph import Graph
from costmodel.schedule import (
    KINDS,
    PHASES,
    Fused,
    Scheduler,
    Stay,
    checked_kind,
    checked_phase,
    declared_kind,
    pins,
)
from costmodel.schedule.schedule import level_bits
from tests.unit.scheduled import fire, hardware, pair, scheduler_of, unet, widened

DECLARED = [("none", False, "layer"), ("activations", False, "resident"), ("all", False, "resident"), ("all", True, "fused")]


@pytest.mark.parametrize(("residency", "fusion", "kind"), DECLARED)
def test_a_profile_declares_its_schedule(residency, fusion, kind):
    """Residency between layers, cascades where it says so; a flag overrides it."""
    profile = hardware(100, residency=residency, fusion=fusion)
    assert declared_kind(profile) == kind
    assert checked_kind(None, profile) == kind
    assert [checked_kind(one, profile) for one in KINDS] == ["layer", "resident", "fused"]


@pytest.mark.parametrize("kind", ["", "Layer", "fuse", "all"])
def test_an_unknown_schedule_is_refused(kind):
    """The message lists what there is."""
    with pytest.raises(InputError) as error:
        checked_kind(kind, hardware(100))
    assert error.value.problems == (f"schedule: {kind!r} is not a schedule; use one of layer, resident, fused",)


def test_an_unknown_state_is_refused():
    """Steady or cold."""
    assert [checked_phase(phase) for phase in PHASES] == ["steady", "cold"]
    with pytest.raises(InputError) as error:
        checked_phase("warm")
    assert error.value.problems == ("state: 'warm' given; use one of steady, cold",)


def test_where_weights_stay():
    """In steady state, unless the profile keeps activations only, or layers are priced by themselves."""
    everything, activations, nothing = (hardware(9, residency=one) for one in ("all", "activations", "none"))
    assert [pins(one, "resident", "steady") for one in (everything, activations, nothing)] == [True, False, True]
    assert not pins(everything, "layer", "steady")
    assert not pins(everything, "fused", "cold")


def test_layer_by_layer():
    """Two convolutions of 144 B on maps of 256 B, each by itself, in the order of the network."""
    found = scheduler_of(pair()).schedule(hardware(1000), "layer")
    assert (found.dram_bytes, found.lower_bytes, found.gap_ratio) == (2 * 656, 2 * 656, 0.0)
    assert (found.kind, found.phase, found.level, found.capacity_bytes) == ("layer", "steady", "sram", 1000)
    assert (found.order, found.stays, found.fused, found.pinned) == (("a", "b"), (), (), ())
    assert found.again_macs.tolist() == [[0], [0]]


def test_resident():
    """In 545 B the map between stays beside weights and one column of rows; the weights are loaded each time."""
    found = scheduler_of(pair()).schedule(hardware(2000), "resident", "cold")
    assert found.dram_bytes == 256 + 288 + 256
    assert found.stays == (Stay("a", 256, "a", "b"),)
    assert found.boundary.moved_bytes[:, 0].tolist() == [256 + 144, 144 + 256]
    assert found.boundary.ofmap_bytes[:, 0].tolist() == [0, 256]


def test_weights_that_stay_for_ever():
    """In steady state all 288 B of weights stay: input and output are left."""
    found = scheduler_of(pair()).schedule(hardware(2000), "resident")
    assert (found.dram_bytes, found.pinned, found.pinned_bytes) == (512, ("a", "b"), 288)
    assert found.boundary.weight_bytes.sum() == 0
    activations = scheduler_of(pair()).schedule(hardware(2000, residency="activations"), "resident")
    assert (activations.dram_bytes, activations.pinned) == (512 + 288, ())


def test_fused():
    """Maps of 512 B in 512 B: a cascade in stripes of one row, weights held, nothing computed again."""
    found = scheduler_of(pair(16)).schedule(hardware(7 * 32 + 288), "fused", "cold")
    assert found.fused == (Fused(("a", "b"), 1, "lines", True, 0),)
    assert found.dram_bytes == 512 + 288 + 512
    assert found.boundary.moved_bytes[:, 0].tolist() == [512 + 144, 144 + 512]
    assert found.stays == ()


def test_halos_are_computed_again():
    """Weights for ever and 8 rows of memory: three of the map between, no room for lines of both; rows come again."""
    scheduler = scheduler_of(pair(16))
    for capacity in range(288 + 4 * 32, 288 + 12 * 32, 16):
        found = scheduler.schedule(hardware(capacity), "fused")
        again = sum(one.again_macs for one in found.fused)
        assert found.again_macs.sum() == again
        assert (again > 0) == any(one.style == "halo" for one in found.fused)


def test_plain_data():
    """What goes into JSON: names, sizes, gap, cascades."""
    record = scheduler_of(pair(16)).schedule(hardware(7 * 32 + 288), "fused", "cold").to_dict()
    assert record == {
        "kind": "fused",
        "phase": "cold",
        "level": "sram",
        "capacity_bytes": 512,
        "dram_bytes": 1312,
        "lower_bytes": 1312,
        "gap_ratio": 0.0,
        "every_order": True,
        "order": ["a", "b"],
        "stays": [],
        "fused": [{"layers": ["a", "b"], "rows": 1, "style": "lines", "weights_held": True, "again_macs": 0}],
        "pinned": [],
        "pinned_bytes": 0,
    }


def test_the_gap_is_what_is_not_proved():
    """A quarter of what moves may be too much; nothing that moves leaves no gap."""
    found = scheduler_of(pair()).schedule(hardware(2000), "resident")
    assert replace(found, lower_bytes=384).gap_ratio == 0.25
    assert replace(found, lower_bytes=1000).gap_ratio == 0.0
    nothing = replace(found.boundary, **{f"{name}_bytes": np.zeros((2, 1), np.int64) for name in ("weight", "ifmap", "ofmap")})
    assert replace(found, boundary=nothing).gap_ratio == 0.0


def test_a_layer_that_cannot_be_tiled_is_an_error_in_every_kind():
    """The message is that of pricing layer by layer: which layer, and the smallest memory that would do."""
    for kind in KINDS:
        with pytest.raises(MappingError) as error:
            scheduler_of(pair()).schedule(hardware(4), kind)
        assert [problem.split(":")[0] for problem in error.value.problems] == ["a", "b"]


def test_bounds():
    """Input and output; all weights from a cold start; in steady state those that cannot stay."""
    scheduler = scheduler_of(pair())
    assert scheduler.bound_bytes(hardware(100), "resident", "cold") == 512 + 288
    assert scheduler.bound_bytes(hardware(100), "resident", "steady") == 512 + 188
    assert scheduler.bound_bytes(hardware(1000), "fused", "steady") == 512
    assert scheduler.bound_bytes(hardware(1000), "layer", "steady") == 512 + 288
    assert scheduler.bound_bytes(hardware(1000, residency="activations"), "fused", "steady") == 512 + 288


def test_an_input_that_nobody_reads_costs_nothing():
    """It is a buffer, and stays off chip."""
    graph = pair()
    graph.input("unused", (1, 5))
    scheduler = scheduler_of(graph)
    assert scheduler.bound_bytes(hardware(1000), "fused", "steady") == 512
    assert scheduler.schedule(hardware(2000), "fused").dram_bytes == 512


def test_few_orders(monkeypatch):
    """A chain of n steps has n + 1 sets of executed steps; k branches 2 to the k."""
    graph = Graph("branches")
    x = graph.input("x", (1, 4))
    for name in "abc":
        graph.softmax(name, x)
    monkeypatch.setattr("costmodel.schedule.schedule.MOST_ORDERS", 8)
    assert scheduler_of(graph).every_order
    assert scheduler_of(unet()).every_order
    monkeypatch.setattr("costmodel.schedule.schedule.MOST_ORDERS", 7)
    assert not scheduler_of(graph).every_order
    found = scheduler_of(graph).schedule(hardware(6), "resident")
    assert (found.every_order, found.order) == (False, ("a", "b", "c"))


def test_links():
    """Readers, writers, MACs, weights and one filter of each step."""
    links = scheduler_of(fire()).links(2)
    assert links.readers == (frozenset({0}), frozenset({1, 2}), frozenset())
    assert links.writers == (frozenset(), frozenset({0}), frozenset({1, 2}))
    assert links.macs == (36 * 16, 36 * 8, 36 * 72)
    assert links.weight_bits == (16 * 8, 8 * 8, 72 * 8)
    assert links.filter_bits == (8 * 8, 2 * 8, 18 * 8)
    assert links.buffering == 2


def test_a_memory_without_a_size_holds_nothing():
    """The backing store may go without; a memory on chip has a size."""
    outer, inner = hardware(100).levels
    assert (level_bits(outer), level_bits(inner)) == (0, 800)


def test_a_cache_keeps_all_weights_or_none():
    """In 12 B there is room for 6 of 11 B of weights beside the tiles: a scratchpad keeps them, a cache does not."""
    graph = Graph("two")
    for name, size in (("five", 5), ("six", 6)):
        graph.linear(name, graph.input(f"{name}/x", (1, size)), 1, bias=False)
    scheduler = scheduler_of(graph)
    managed, unmanaged = (scheduler.schedule(hardware(12, kind=kind), "resident") for kind in ("scratchpad", "cache"))
    assert (managed.pinned, managed.dram_bytes) == (("six",), 5 + 6 + 2 + 5)
    assert (unmanaged.pinned, unmanaged.dram_bytes) == ((), 5 + 6 + 2 + 11)


def test_costs_are_worked_out_once():
    """Every schedule of a scheduler shares them."""
    scheduler = scheduler_of(pair())
    assert scheduler.costs is scheduler.costs
    assert isinstance(scheduler, Scheduler)


def test_what_stays_is_listed_with_its_first_and_last_step():
    """In 33 B there is room for ``a`` until the end and for ``b`` beside it; ``c`` is written and read again."""
    found = scheduler_of(widened()).schedule(hardware(16 + 17, residency="activations"), "resident")
    assert found.stays == (Stay("b", 16, "b", "c"), Stay("a", 8, "a", "d"))
    assert found.boundary.moved_bytes[:, 0].tolist() == [4 + 32, 128, 128 + 8, 8 + 8]


def test_kinds_share_what_they_have_in_common_for_one_memory():
    """Layer by layer and residency without weights that stay are found once, and again where the memory changes."""
    made = scheduler_of(pair())
    small, large = hardware(700), hardware(4000)
    resident, fused = (made.schedule(small, kind, "cold") for kind in ("resident", "fused"))
    assert made.schedule(small, "layer").boundary is made.schedule(small, "layer").boundary
    assert (resident.kind, fused.kind) == ("resident", "fused")
    other = made.schedule(large, "resident", "cold")
    assert other.capacity_bytes == 4000
    assert other.dram_bytes <= resident.dram_bytes
    again = made.schedule(small, "resident", "cold")
    assert (again.capacity_bytes, again.dram_bytes) == (700, resident.dram_bytes)
    assert [scheduler_of(pair()).schedule(small, kind, "cold").dram_bytes for kind in ("resident", "fused")] == [
        resident.dram_bytes, fused.dram_bytes,
    ]  # fmt: skip
