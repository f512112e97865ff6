"""Plans: what passes by, what a sweep costs, and that trips times charges are what pricing a nest of the plan gives."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress, pairwise, product
from math import inf, isclose, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping import DIMS, Layer
from costmodel.mapping.levels.forms import (
    Resources,
    bypasses,
    feeds,
    forms,
    ties_of,
    traffic,
)
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.search import orders
from costmodel.mapping.nest import RELEVANT
from tests.unit.levels_search import changed_by, opened, plan, plans_of, searches

NOTHING = frozenset()


def prices(weight, ifmap, ofmap):
    """Energies per bit."""
    return {"weight": weight, "ifmap": ifmap, "ofmap": ofmap}


DRAM = Store("dram", None, prices(2.0, 3.0, 5.0), prices(7.0, 11.0, 13.0), bits_per_s=4.0)
GLB = Store("glb", 4096, prices(0.5, 0.25, 1.5), prices(0.75, 1.25, 2.5), optional=("weight", "ifmap"), bits_per_s=8.0)
BUF = Store("buf", 512, prices(0.125, 0.375, 0.625), prices(0.0625, 0.1875, 0.3125))
RF = replace(BUF, name="rf", holds=("weight", "ofmap"), per_element=True)
SIDES = (Side("rows", 4, ("c",), multicast=True, reduction=False), Side("columns", 4, ("k", "p"), multicast=False))
TWO, THREE = Hierarchy((DRAM, GLB)), Hierarchy((DRAM, GLB, BUF))
ARRAY = Hierarchy((DRAM, GLB, RF), SIDES, 16.0)
LAYER = Layer(n=2, g=2, k=3, c=4, p=5, ifmap_h=5, weight_bits=4, ifmap_bits=8, ofmap_bits=16, psum_bits=32)


# ---- what passes by


def test_what_passes_by_where_all_stores_are_shared():
    """The last store that can hold an operand must; before it, both choices of what is optional."""
    found = set(bypasses(THREE))
    assert found == {(frozenset(out), NOTHING) for out in ((), ("weight",), ("ifmap",), ("weight", "ifmap"))}
    assert list(bypasses(TWO)) == [(NOTHING,)]


def test_what_passes_by_where_elements_have_a_store():
    """The elements feed the multipliers, so that everything optional may pass by the store before; nothing the elements."""
    assert set(bypasses(ARRAY)) == {(frozenset(out), NOTHING) for out in ((), ("weight",), ("ifmap",), ("weight", "ifmap"))}
    partial = replace(ARRAY, stores=(DRAM, replace(GLB, holds=("weight", "ofmap")), RF))
    assert set(bypasses(partial)) == {(frozenset({"ifmap"}), NOTHING), (frozenset({"weight", "ifmap"}), NOTHING)}


def test_an_operand_without_a_home_is_not_fed():
    """No store on chip holds the weight: no choice feeds the multipliers."""
    homeless = Hierarchy((DRAM, replace(GLB, holds=("ifmap", "ofmap"), optional=())))
    assert list(bypasses(homeless)) == []
    assert not feeds(homeless, (frozenset({"weight"}),), "weight")
    assert feeds(homeless, (frozenset({"weight"}),), "ifmap")
    assert feeds(ARRAY, (frozenset(OPERANDS), NOTHING), "ifmap")


@given(st.lists(st.tuples(st.sets(st.sampled_from(OPERANDS)), st.sets(st.sampled_from(OPERANDS))), min_size=1, max_size=3))
def test_bypasses_are_all_that_feed(given_):
    """Every subset of what is optional added to what is never held, kept where the last home of each operand keeps it."""
    stores = [replace(GLB, holds=tuple(holds), optional=tuple(optional)) for holds, optional in given_]
    hierarchy = Hierarchy((DRAM, *stores))
    subsets = [set(compress(OPERANDS, flags)) for flags in product((0, 1), repeat=3)]
    literal = set()
    for passing in product(subsets, repeat=len(stores)):
        legal = all(
            set(OPERANDS) - set(store.holds) <= out <= (set(OPERANDS) - set(store.holds)) | set(store.optional)
            for store, out in zip(stores, passing, strict=True)
        )
        homes = {op: [at for at, store in enumerate(stores) if op in store.holds] for op in OPERANDS}
        if legal and all(at and op not in passing[at[-1]] for op, at in homes.items()):
            literal.add(tuple(frozenset(out) for out in passing))
    found = list(bypasses(hierarchy))
    assert set(found) == literal
    assert len(found) == len(literal)


# ---- charges


def test_resources_by_hand():
    """Energy, seconds of ports that can limit (never of the innermost store), bits of the backing store."""
    unlimited = Hierarchy((replace(DRAM, bits_per_s=inf), GLB, BUF))
    assert (Resources(THREE, dram=True).ports, Resources(unlimited, dram=False).ports) == ([0, 1], [1])
    assert (Resources(THREE, dram=True).many, Resources(unlimited, dram=False).many) == (4, 2)
    assert Resources(THREE, dram=True).row(9.0, 0, 32.0).tolist() == [9.0, 8.0, 0.0, 32.0]
    assert Resources(THREE, dram=True).row(9.0, 1, 32.0).tolist() == [9.0, 0.0, 4.0, 0.0]
    assert Resources(THREE, dram=False).row(9.0, -1, 0.0).tolist() == [9.0, 0.0, 0.0]


def test_charges_by_hand():
    """A sweep over 24 weights of 4 bits, over one position of 16 ifmap planes of 8, over 60 outputs of 32, then 16 bits."""
    one = Resources(TWO, dram=True)
    weight = one.charges(LAYER, "weight", 0, 1)
    assert (weight.shared.tolist(), weight.own.tolist()) == ([96 * 2.0, 24.0, 96.0], [96 * 0.75, 0.0, 0.0])
    ifmap = one.charges(LAYER, "ifmap", 0, 1)
    assert (ifmap.shared.tolist(), ifmap.own.tolist()) == ([128 * 3.0, 32.0, 128.0], [128 * 1.25, 0.0, 0.0])
    ofmap = one.charges(LAYER, "ofmap", 0, 1)
    assert ofmap.shared.tolist() == [1920 * (5.0 + 13.0 + 2.5), 2 * 1920 / 4, 2 * 1920]
    assert ofmap.own.tolist() == [1920 * 1.5, 0.0, 0.0]
    once = ofmap.shared + ofmap.own + ofmap.always  # the first sweep brings nothing in, and all is finished in the last
    assert once.tolist() == [960 * (13.0 + 1.5), 960 / 4, 960.0]
    assert not weight.always.any()
    assert not ifmap.always.any()


def test_a_register_costs_nothing_by_itself():
    """Elements that hold no ifmap pay for what the store outside reads, and for no write."""
    found = Resources(ARRAY, dram=False).charges(LAYER, "ifmap", 1, 2)
    assert found.shared.tolist() == [128 * 0.25, 0.0, 128 / 8]
    assert not found.own.any()


def test_traffic_skips_what_passes_by():
    """Weights that pass the buffer by are read from the backing store; the sums that always count are those of all stores."""
    resources = Resources(ARRAY, dram=False)
    found = traffic(LAYER, ARRAY, (frozenset({"weight"}), NOTHING), resources)
    assert found.holds.tolist() == [[1, 1, 1], [0, 1, 1], [1, 1, 1]]
    assert not found.shared[1, 0].any()
    assert found.shared[2, 0].tolist() == resources.charges(LAYER, "weight", 0, 2).shared.tolist()
    assert found.shared[2, 1].tolist() == resources.charges(LAYER, "ifmap", 1, 2).shared.tolist()
    always = [resources.charges(LAYER, "ofmap", outer, outer + 1).always for outer in (0, 1)]
    assert np.allclose(found.always, sum(always))


# ---- forms


def test_ties_by_hand():
    """The same in place: nothing, that, or everything; the ifmap to any, and all with it; others only to themselves."""
    assert [[ties_of(outer, stay) for stay in range(3)] for outer in range(3)] == [
        [(0, 1, 2), (0, 1), (0,)], [(0,), (0, 1), (0,)], [(0,), (0, 1), (0, 1, 2)],
    ]  # fmt: skip


@pytest.mark.parametrize("stores", [1, 2, 3])
def test_every_form_once(stores):
    """The outermost block is tied to nothing; every choice of operands in place, with each of its ties."""
    found = list(forms(stores))
    assert len(set(found)) == len(found)
    assert {stays for stays, _ in found} == set(product(range(3), repeat=stores))
    assert all(tied[0] == 0 for _, tied in found)
    assert len(found) == sum(
        prod(len(ties_of(*pair)) for pair in pairwise(stays)) for stays in product(range(3), repeat=stores)
    )


@pytest.mark.parametrize(
    ("operand", "stays", "tied", "block"),
    [
        (0, (0, 0, 0), (0, 2, 2), 1),
        (0, (0, 0, 0), (0, 0, 2), 2),
        (2, (0, 0, 0), (0, 1, 2), 2),
        (0, (0, 0, 0), (0, 1, 1), 1),
        (1, (2, 1, 1), (0, 1, 0), 3),
        (1, (2, 1, 1), (0, 1, 1), 1),
    ],
)
def test_the_block_that_changes_an_operand(operand, stays, tied, block):
    """Outwards as long as the tiles of the operand are those of the store outside."""
    assert changed_by(operand, stays, tied) == block


@given(st.sampled_from(list(forms(3))))
def test_ties_move_charges_and_lose_none(form):
    """Charges of all boundaries add up to the same under any form, and a tied boundary has none of what moved."""
    hierarchy = Hierarchy((DRAM, GLB, replace(GLB, name="glb2"), BUF))
    one = traffic(LAYER, hierarchy, next(bypasses(hierarchy)), Resources(hierarchy, dram=True))
    found = plan(hierarchy, one, *form)
    assert np.allclose(found.flow.sum(axis=0), (one.shared + one.own).sum(axis=0))
    assert found.stores == 4
    assert found.walked == changed_by(1, *form) - 1
    assert not found.outer.any()
    for block, (stay, tied) in enumerate(zip(*form, strict=True), 1):
        if tied == 2:
            assert not found.flow[block].any()
        elif tied == 1:
            assert not found.flow[block, stay].any()


# ---- against pricing


def counted(tiles, level, operand):
    """Sweeps over an operand by the tiles of a level: the trips of all loops it does not depend on."""
    return prod(-(-tiles[0][dim] // tiles[level][dim]) for dim in DIMS if dim not in RELEVANT[operand])


@st.composite
def chained(draw, levels):
    """Draw extents of n, k, c, p and tiles of which every block steps through several along each."""
    sizes = {dim: draw(st.integers(1, 2)) for dim in "nkcp"}
    tiles = [{**dict.fromkeys(DIMS, 1), **sizes}]
    for _ in range(levels):
        tiles.insert(0, {dim: tiles[0][dim] * (draw(st.integers(2, 3)) if dim in sizes else 1) for dim in DIMS})
    return tiles


def checked(found, total):
    """Compare energy, times of the ports and bits of the backing store."""
    ports = [found.port_bits(at) / store.bits_per_s for at, store in enumerate(found.hierarchy.stores[:-1])]
    expected = [found.energy_pj, *ports, found.dram_bits]
    assert all(isclose(one, other, rel_tol=1e-12) for one, other in zip(expected, total, strict=True))


@settings(max_examples=150)
@given(st.data(), st.tuples(st.integers(0, 2), st.integers(0, 2)))
def test_charges_times_trips_are_the_price(data, stays):
    """Two shared stores: an operand in place in a block is swept by the trips of the tiles outside, others by its own."""
    tiles = data.draw(chained(2))
    layer = replace(LAYER, g=1, **{dim: tiles[0][dim] for dim in "nkcp"}, ifmap_h=tiles[0]["p"])
    passing = data.draw(st.sampled_from(list(bypasses(THREE))))
    one = plan(THREE, traffic(layer, THREE, passing, Resources(THREE, dram=True)), stays, (0, 0))
    total = one.traffic.always.copy()
    for level, (at, operand) in product((1, 2), enumerate(OPERANDS)):
        count = counted(tiles, level - (stays[level - 1] == at), operand)
        total += one.flow[level, at] * count * (layer.p if operand == "ifmap" else 1)
    nest = LoopNest(tuple(tiles[1:]), tuple(orders(stay)[0] for stay in stays), {}, passing)
    checked(priced(layer, THREE, nest), total)


@settings(max_examples=150)
@given(st.data(), st.integers(0, 2), st.lists(st.booleans(), min_size=4, max_size=4))
def test_charges_of_elements_times_copies_are_the_price(data, stay, wires):
    """Reads shared by wires are counted by the array's tiles, others, and what elements write, by each element's."""
    sides = tuple(
        Side(side.name, 4, side.dims, *wires[2 * at : 2 * at + 2]) for at, side in enumerate(SIDES)
    )
    hierarchy = replace(ARRAY, sides=sides)
    whole, outer, array = data.draw(chained(2))
    spread = {dim: (side, array[dim]) for dim, side in (("c", 0), ("k", 1))}
    own = {dim: 1 if dim in spread else array[dim] for dim in DIMS}
    layer = replace(LAYER, g=1, **{dim: whole[dim] for dim in "nkcp"}, ifmap_h=whole["p"])
    passing = data.draw(st.sampled_from(list(bypasses(hierarchy))))
    stays = (data.draw(st.integers(0, 2)), stay)
    one = plan(hierarchy, traffic(layer, hierarchy, passing, Resources(hierarchy, dram=True)), stays, (0, 0))
    assert one.walked == 1
    tiles, total = [whole, outer, array], one.traffic.always.copy()
    for at, operand in enumerate(OPERANDS):
        positions = layer.p if operand == "ifmap" else 1
        total += one.flow[1, at] * counted(tiles, 1 - (stays[0] == at), operand) * positions
        assert one.counted[at] == 2 - (stay == at)
        sweeps = counted(tiles, one.counted[at], operand)
        free = [dim for dim in spread if dim not in RELEVANT[operand]]
        apart = [dim for dim in free if not (sides[spread[dim][0]].reduction if at == 2 else sides[spread[dim][0]].multicast)]
        total += one.outer[at] * sweeps * prod(spread[dim][1] for dim in apart) * positions
        total += one.own[at] * sweeps * prod(spread[dim][1] for dim in free) * positions
    unroll = {dim: (side, many) for dim, (side, many) in spread.items() if many > 1}
    nest = LoopNest((outer, own), tuple(orders(stay)[0] for stay in stays), unroll, passing)
    checked(priced(layer, hierarchy, nest), total)


# ---- what the search writes


@settings(max_examples=150)
@given(searches(macs=12, longest=2), st.data())
def test_the_record_holds_the_plan(setup, data):
    """Charges by level, ties and what is held, as the literal plan has them; nothing is left of the one before."""
    every, w = plans_of(setup), setup.arrays.works[0]
    for one in data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=4)):
        opened(setup, one)
        levels, many = len(one.stays), w.resources
        assert w.stays[1 : levels + 1].tolist() == list(one.stays)
        assert w.tied[1 : levels + 1].tolist() == list(one.tied)
        assert (w.stays[levels + 1 :] == -1).all()
        assert not w.tied[levels + 1 :].any()
        assert (w.holds[: levels + 1] == one.traffic.holds).all()
        assert np.allclose(w.flow[: len(one.flow), :, :many], one.flow)
        assert np.allclose(w.outer[:, :many], one.outer)
        assert np.allclose(w.own[:, :many], one.own)
        assert np.allclose(w.always[:many], one.traffic.always)
        assert w.counted.tolist() == one.counted.tolist()
        assert (w.walked, w.stores) == (one.walked, one.stores)
    assert len(every) == len(setup.plans.room)
