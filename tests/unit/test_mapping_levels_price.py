"""What a loop nest through a hierarchy costs, on cases small enough to count by hand; tests/oracle walks random ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.mapping import Layer, traffic
from costmodel.mapping.axis import Axis
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.walks import afresh, distinct, union
from tests.oracle.strategies import axes, layers, mappings

ONE = dict.fromkeys(OPERANDS, 1.0)
ORDER = "ngkcpqrs"
POINTWISE = Layer(p=4, q=1, stride_h=2, ifmap_h=7, ifmap_w=1)
"""A 1x1 convolution of stride 2 on a column."""


def tile(**sizes):
    """Return a tile of one along every dimension that is not given."""
    return {**dict.fromkeys(ORDER, 1), **sizes}


def array(*, multicast=True, holds=OPERANDS, capacity_bits=None):
    """Return a backing store and stores in four elements side by side."""
    stores = Store("dram", None, ONE, ONE), Store("rf", capacity_bits, ONE, ONE, holds=holds, per_element=True)
    return Hierarchy(stores, (Side("rows", 4, tuple(ORDER), multicast),), 4.0)


def flow(cost, operand):
    """Return the flow of an operand into the only store on chip."""
    return next(flow for flow in cost.flows if flow.operand == operand)


@pytest.mark.parametrize("multicast", [True, False])
def test_positions_between_the_tiles_of_elements_are_not_read(multicast):
    """Four elements that want every second row read four rows, whether or not they could share them."""
    nest = LoopNest((tile(),), (ORDER,), {"p": (0, 4)})
    ifmap = flow(priced(POINTWISE, array(multicast=multicast), nest), "ifmap")
    assert (ifmap.out_down, ifmap.in_down) == (4, 4)


def test_overlap_of_elements_is_read_once_where_they_share():
    """Four outputs of a 3-tap filter span six rows; each element keeps three."""
    layer = Layer(p=4, r=3, ifmap_h=6, ifmap_w=1)
    nest = LoopNest((tile(r=3),), (ORDER,), {"p": (0, 4)})
    shared, apart = (flow(priced(layer, array(multicast=m), nest), "ifmap") for m in (True, False))
    assert (shared.out_down, shared.in_down, apart.out_down, apart.in_down) == (6, 12, 12, 12)


def test_a_register_holds_one_value():
    """Where elements hold no weights, a tile of two weights is illegal, and one takes neither room nor energy."""
    layer, hierarchy = Layer(k=2, c=2), array(holds=("ifmap", "ofmap"), capacity_bits=8 + 32)
    one = priced(layer, hierarchy, LoopNest((tile(),), (ORDER,)))
    assert one.fits
    assert not priced(layer, hierarchy, LoopNest((tile(k=2),), (ORDER,))).fits
    everything = replace(hierarchy, stores=(hierarchy.stores[0], replace(hierarchy.stores[1], holds=OPERANDS)))
    stored = priced(layer, everything, LoopNest((tile(),), (ORDER,)))
    assert not stored.fits
    assert stored.flows == one.flows
    assert stored.energy_pj - one.energy_pj == flow(one, "weight").in_down * layer.weight_bits


def test_energy_and_latency_by_hand():
    """Two weights, one input, two outputs: each once from the backing store, and the steps of one element in four."""
    layer = Layer(k=2)
    cost = priced(layer, array(), LoopNest((tile(k=2),), (ORDER,)), Fixed(energy_pj=100.0, overhead_s=1.0))
    assert cost.dram_bits == 2 * 8 + 8 + 2 * 8
    assert cost.energy_pj == 2 * cost.dram_bits + 100.0
    assert cost.latency_s == 2 + 1.0


@given(data=st.data())
def test_one_shared_store_is_the_boundary(data):
    """A hierarchy of one store without an array moves and holds what one boundary does."""
    layer = data.draw(layers(longest=4, channels=3))
    sizes, order = data.draw(mappings(layer))
    hierarchy = Hierarchy((Store("dram", None, ONE, ONE), Store("buffer", None, ONE, ONE)))
    cost = priced(layer, hierarchy, LoopNest((sizes,), ("".join(order),)))
    moved = traffic(layer, sizes, order)
    assert [cost.bits(0, "read", op) + cost.bits(0, "write", op) for op in OPERANDS] == [
        moved.weight_bits, moved.ifmap_bits, moved.ofmap_bits
    ]  # fmt: skip


@given(axes(8), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_sharing_never_reads_more(drawn, outputs, taps, many, more):
    """Elements that share read at most what they read apart, and at least the largest of them."""
    axis = Axis(*drawn)
    shared = distinct(axis, (outputs, many), (taps, more))
    assert shared <= distinct(axis, (outputs, many), (taps, 1)) <= afresh(axis, outputs, taps)
    assert distinct(axis, (outputs, 1), (taps, 1)) == afresh(axis, outputs, taps)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_union_counts_positions(intervals):
    """A union has as many positions as a set of them."""
    assert union(intervals) == len({at for first, last in intervals for at in range(first, last)})
