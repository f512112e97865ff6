"""Innermost tiles of both axes: which there are, what they exchange, and that bounds stay below every mapping."""

from __future__ import annotations

from itertools import product
from math import inf, isclose, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.mapping import DIMS, Layer
from costmodel.mapping.levels import inner, kernel
from costmodel.mapping.levels.arrays import COPIES, SIDE, STEPS, TILE, TOGETHER, TRIPS, UNROLLED
from costmodel.mapping.levels.costs import score
from costmodel.mapping.levels.decide import decide_inner, fewest_steps
from costmodel.mapping.levels.forms import forms
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import priced, spread_steps, value_of
from costmodel.mapping.levels.search import Search, orders, search
from costmodel.mapping.levels.setup import OBJECTIVES, Setup
from costmodel.mapping.levels.walks import afresh, along_outputs, along_taps, distinct, largest
from tests.oracle.levels_enumeration import Enumeration, passings, unrollings
from tests.unit.levels_search import (
    MUCH,
    bounds_of,
    depends,
    fewest_of,
    has_room,
    opened,
    plans_of,
    searches,
    tied_along,
    tile_bits,
    trips_of,
)

AT = {dim: number for number, dim in enumerate(DIMS)}
ONE = dict.fromkeys(OPERANDS, 1.0)
UNIT = {"dram_bytes": 8}
"""Off-chip traffic is counted in bits and stated in bytes."""


def rows_of(search, dim):
    """Numbers of the candidates along a dimension."""
    begin = search.arrays.works[0].begin
    return range(begin[AT[dim]], begin[AT[dim] + 1])


def elements_of(search, chosen):
    """Elements that candidates take of each side."""
    used = [1] * len(search.hierarchy.sides)
    for row in chosen:
        side, many = search.arrays.rows[row, [SIDE, UNROLLED]]
        if side >= 0:
            used[side] *= int(many)
    return used


def on_sides(search, chosen):
    """Whether every side has the elements that candidates take."""
    return all(many <= side.size for many, side in zip(elements_of(search, chosen), search.hierarchy.sides, strict=True))


def in_element(search, tile):
    """Whether an element has room for a tile: values of what it holds, and one in a register of each operand it does not."""
    layer, hierarchy = search.layer, search.hierarchy
    if not hierarchy.in_elements:
        return True
    store = hierarchy.stores[-1]
    area = largest(layer.height, tile["p"], tile["r"]) * largest(layer.width, tile["q"], tile["s"])
    count = {
        "weight": tile["k"] * tile["c"] * tile["r"] * tile["s"], "ifmap": tile["n"] * tile["c"] * area,
        "ofmap": tile["n"] * tile["k"] * tile["p"] * tile["q"],
    }  # fmt: skip
    if any(count[operand] > 1 for operand in OPERANDS if operand not in store.holds):
        return False
    return has_room(store, store.holds, tile_bits(layer, tile, area))


def tile_of(search, chosen):
    """Tile of an element of candidates by dimension; as little as there is along the others, whole for what may be."""
    return {dim: int(search.arrays.rows[chosen[dim], TILE]) if dim in chosen else 1 for dim in DIMS}


def least_room(search, chosen):
    """Whether an element has room for candidates along ``n p q r s``, with one channel and filter of the least width."""
    layer = search.layer
    tile = tile_of(search, chosen)
    partial = tile["r"] < layer.r or tile["s"] < layer.s
    width = layer.psum_bits if partial else min(layer.ofmap_bits, layer.psum_bits)
    area = largest(layer.height, tile["p"], tile["r"]) * largest(layer.width, tile["q"], tile["s"])
    count = {"weight": tile["r"] * tile["s"], "ifmap": tile["n"] * area, "ofmap": tile["n"] * tile["p"] * tile["q"]}
    bits = {"weight": layer.weight_bits, "ifmap": layer.ifmap_bits, "ofmap": width}
    store = search.hierarchy.stores[-1]
    if any(count[operand] > 1 for operand in OPERANDS if operand not in store.holds):
        return False
    return has_room(store, store.holds, {operand: count[operand] * bits[operand] for operand in OPERANDS})


def chosen_by(search, pair):
    """Candidates of a pair by dimension."""
    one, two = search.prepared.one, search.prepared.two
    i, j = search.prepared.pairs.entries[pair]
    n, p, r = one.rows[i].tolist()
    _, q, s = two.rows[j].tolist()
    return {"n": n, "p": p, "q": q, "r": r, "s": s}


# ---- which there are


@settings(max_examples=60)
@given(searches(macs=40, longest=3))
def test_every_pair_that_has_room_is_there_and_no_other(search):
    """All candidates along ``n p q r s`` are tried: those that elements and sides have room for are the pairs, each once."""
    found = [tuple(chosen_by(search, pair)[dim] for dim in "npqrs") for pair in range(len(search.prepared.pairs.place))]
    literal = set()
    for rows in product(*(rows_of(search, dim) for dim in "npqrs")):
        chosen = dict(zip("npqrs", rows, strict=True))
        if on_sides(search, rows) and (not search.hierarchy.in_elements or least_room(search, chosen)):
            literal.add(rows)
    assert len(found) == len(set(found))
    assert set(found) == literal


@settings(max_examples=60)
@given(searches(macs=60, longest=4))
def test_places_are_those_of_the_trips_of_the_array(search):
    """The place of a pair is that of its trips among the rungs of ``n p r q s``; elements used are those of its candidates."""
    layer, rows = search.layer, search.arrays.rows
    one, two = search.prepared.one, search.prepared.two
    for pair, place in enumerate(search.prepared.pairs.place):
        chosen, literal = chosen_by(search, pair), 0
        for dim in "nprqs":
            rungs = trips_of(getattr(layer, dim))
            literal = literal * len(rungs) + rungs.index(rows[chosen[dim], TRIPS])
        assert place == literal
        i, j = search.prepared.pairs.entries[pair]
        many = len(search.hierarchy.sides)
        assert (one.used[i, :many] * two.used[j, :many]).tolist() == elements_of(search, chosen.values())


# ---- what they exchange


def swept(search, chosen, operand, dims):
    """Sweeps over an operand: as the store outside sees them, as elements count them, and both of one tile of the array."""
    found = [1, 1, 1, 1]
    for dim in dims:
        row = search.arrays.rows[chosen[dim]]
        side = search.hierarchy.sides[row[SIDE]] if row[SIDE] >= 0 else None
        apart = side is not None and not (side.reduction if operand == "ofmap" else side.multicast)
        busy = min(row[UNROLLED], row[COPIES])
        found[0] *= row[COPIES] if apart else row[TRIPS]
        found[1] *= row[COPIES]
        found[2] *= busy if apart else 1
        found[3] *= busy
    return found


def reads(search, chosen):
    """Positions read and written along both axes, each afresh and with what is kept along outputs and taps."""
    rows, layer, found = search.arrays.rows, search.layer, []
    for axis, out, tap in ((layer.height, "p", "r"), (layer.width, "q", "s")):
        own, wide = rows[chosen[out]], rows[chosen[tap]]
        shares = []
        for row in (own, wide):
            side = search.hierarchy.sides[row[SIDE]] if row[SIDE] >= 0 else None
            shares.append(int(row[UNROLLED]) if side is None or side.multicast else 1)
        tile, taps = int(own[TILE]), int(wide[TILE])
        if own[UNROLLED] * wide[UNROLLED] > 1:  # overlap is not kept along an axis that is unrolled
            both = distinct(axis, (tile, shares[0]), (taps, shares[1])), afresh(axis, tile, taps)
            found.append([both] * 3)
        else:
            kept = along_outputs(axis, tile, taps, axis.outputs), along_taps(axis, tile, taps, axis.taps)
            found.append([(walk, walk) for walk in (afresh(axis, tile, taps), *kept)])
    return found


def rest_of(search, chosen, dim):
    """Candidates along ``c`` or ``k`` that fit into elements and sides beside a pair, with some tile of the other."""
    for row in rows_of(search, dim):
        tile = tile_of(search, {**chosen, dim: row})
        channels = [tile["c"]] if dim == "c" else [1, search.layer.c]
        if on_sides(search, [*chosen.values(), row]) and any(in_element(search, {**tile, "c": many}) for many in channels):
            yield search.arrays.rows[row]


@settings(max_examples=60)
@given(searches(macs=40, longest=3))
def test_figures_of_pairs_are_products_over_their_candidates(search):
    """Sweeps of the weight and, ``c`` aside, of the ofmap; positions of each walk that a form can have."""
    for pair, own in enumerate(search.prepared.pairs.figures):
        chosen = chosen_by(search, pair)
        assert own[:4].tolist() == swept(search, chosen, "weight", "npq")
        ofmap = swept(search, chosen, "ofmap", "rs")
        assert own[4:8].tolist() == ofmap
        assert own[inner.CHANNELS] >= 1
        assert own[inner.KERNELS] >= 1
        for c in rest_of(search, chosen, "c"):
            assert own[inner.CHANNELS] <= c[TRIPS]
            assert own[inner.CHANNELS + 1] <= c[COPIES]
        for k in rest_of(search, chosen, "k"):
            assert own[inner.KERNELS] <= k[TRIPS]
            assert own[inner.KERNELS + 1] <= k[COPIES]
        high, wide = reads(search, chosen)
        walked = [(0, 0), (1, 0), (0, 1), (2, 0), (0, 2)]
        literal = [high[a][way] * wide[b][way] for a, b in walked for way in range(2)]
        assert own[inner.WALKS : inner.WALKS + 10].tolist() == literal


@settings(max_examples=60)
@given(searches(macs=24, longest=3, channels=3))
def test_steps_of_pairs_are_no_more_than_any_rest_of_them(search):
    """Steps along ``n p q r s`` times what ``c``, ``k`` and ``g`` need at least beside them."""
    rows = search.arrays.rows
    for pair, own in enumerate(search.prepared.pairs.figures):
        chosen = chosen_by(search, pair)
        steps = prod(int(rows[row, STEPS]) for row in chosen.values())
        for rest in product(*(rows_of(search, dim) for dim in "ckg")):
            if on_sides(search, [*chosen.values(), *rest]):
                assert own[inner.STEPPING] <= steps * prod(int(rows[row, STEPS]) for row in rest)


@settings(max_examples=60)
@given(searches(macs=16, longest=2, channels=2))
def test_fewest_steps_of_all_are_the_fewest_of_every_tile(search):
    """Every tile of an element and every unrolling are tried, candidates or not."""
    layer, hierarchy = search.layer, search.hierarchy
    best = inf
    for unroll in unrollings(layer, hierarchy.sides):
        sizes = [range(1, getattr(layer, dim) + 1) if hierarchy.in_elements and dim != "g" else [1] for dim in DIMS]
        for own in product(*sizes):
            tile = dict(zip(DIMS, own, strict=True))
            if in_element(search, tile):
                steps = [spread_steps(getattr(layer, dim), tile[dim], unroll.get(dim, (0, 1))[1]) for dim in DIMS]
                best = min(best, prod(steps))
    assert fewest_of(search) == best


# ---- bounds stay below every mapping


def compatible(one, chain):
    """Whether tiles are tied as a plan says."""
    return all(
        chain[level][dim] == chain[level + 1][dim]
        for level, dim in product(range(1, len(chain) - 1), DIMS)
        if tied_along(one, level, dim)
    )


def array_rows(search, nest):
    """Candidate of the innermost tile along every dimension; None where one of them is none."""
    found, rows = {}, search.arrays.rows
    for dim in DIMS:
        side, many = nest.unroll.get(dim, (-1, 1))
        own = nest.tiles[-1][dim] if search.hierarchy.in_elements else 1
        found[dim] = next(
            (row for row in rows_of(search, dim) if rows[row, [TILE, SIDE, UNROLLED]].tolist() == [own, side, many]), None
        )
    return None if None in found.values() else found


def settled(search, chosen, chain):
    """What the compiled search charges the plan in the record for a mapping, from the innermost tile outwards."""
    arrays = search.arrays
    w, rows = arrays.works[0], arrays.rows
    kernel.start(w)
    for dim in DIMS:
        number, row = AT[dim], rows[chosen[dim]]
        w.pick[number], w.copies[number], w.steps[number] = chosen[dim], row[COPIES], row[STEPS]
        w.tile[w.inner, number], w.trips[w.inner, number] = row[TOGETHER], row[TRIPS]
        for level in range(w.inner):
            w.tile[level, number] = chain[level][dim]
            w.trips[level, number] = -(-getattr(search.layer, dim) // chain[level][dim])
    for level in range(w.inner, -1, -1):
        kernel.settle(w, arrays.spans, rows, arrays.wants, level)
    if w.inner > w.last:
        w.total[:] = w.settled[0]
        return score(w, fewest_steps(w))[0]
    least, found = w.walks.min(axis=0), []
    for walk in w.walks[w.walks[:, 0] < inf]:
        w.total[:] = w.settled[0] + walk - least
        found.append(score(w, fewest_steps(w))[0])
    return min(found)


def chain_of(search, nest):
    """Tiles of all levels, the layer first and the array's last."""
    layer, inside = search.layer, search.hierarchy.in_elements
    whole = {dim: getattr(layer, dim) for dim in DIMS}
    shared = nest.tiles[:-1] if inside else nest.tiles
    own = nest.tiles[-1] if inside else dict.fromkeys(DIMS, 1)
    array = {dim: min(whole[dim], own[dim] * nest.unroll.get(dim, (0, 1))[1]) for dim in DIMS}
    return [whole, *shared, array]


def values(search, nest):
    """The best value of every choice of operands in place, over the loops walked, of those mappings that fit."""
    found = {}
    for stays in product(range(3), repeat=len(search.hierarchy.on_chip)):
        prices = [
            priced(search.layer, search.hierarchy, LoopNest(nest.tiles, chosen, nest.unroll, nest.bypass), search.fixed)
            for chosen in product(*(orders(stay) for stay in stays))
        ]
        found[stays] = min((value_of(one, search.objective) for one in prices if one.fits), default=inf)
    return {stays: value * UNIT.get(search.objective, 1) for stays, value in found.items() if value < inf}


def random_nests(search, random, many):
    """Some tilings, with what is unrolled and what passes by."""
    space = Enumeration(search.layer, search.hierarchy)
    ways = unrollings(search.layer, search.hierarchy.sides)
    for _ in range(many):
        unroll = random.choice(ways)
        tiles = random.choice(list(space.tilings(unroll)))
        yield LoopNest(tiles, ("",) * len(tiles), unroll, random.choice(passings(search.hierarchy)))


def pair_bounds(search, bounds):
    """Bound of every pair, before anything is found."""
    w = search.arrays.works[0]
    w.best, w.second = (inf, inf), 0
    numbers, found = np.empty(len(search.prepared.pairs.place), dtype=np.int64), np.empty(len(search.prepared.pairs.place))
    count = inner.scan(w, search.arrays.rows, bounds, search.prepared.pairs, numbers, found)
    return dict(zip(numbers[:count].tolist(), found[:count].tolist(), strict=True))


def rest_bounds(search, bounds, pair, chosen):
    """Highest bound of a pair of which ``c``, and then ``k``, are decided; what was decided before is put back."""
    w, rows = search.arrays.works[0], search.arrays.rows
    kernel.start(w)
    found, own = [], search.prepared.pairs.figures[pair]
    for dim in ("c", "k"):
        assert decide_inner(w, rows, AT[dim], chosen[dim])
        inner.charge_pair(w, rows, bounds, own, search.prepared.pairs.place[pair])
        found.append(score(w, max(own[inner.STEPPING], w.least_steps))[0])
    return max(found)


def check_plan(search, one, nest, chosen, value):
    """Compare the bounds of a plan, and of the pair that a mapping begins with, with its value."""
    slack = 1e-9 * abs(value) + 1e-9
    assert bounds_of(search, [one])[0, 0] <= value + slack
    bounds = opened(search, one)
    by_pair = pair_bounds(search, bounds)
    wanted = {dim: chosen[dim] for dim in "npqrs"}
    at = [pair for pair in range(len(search.prepared.pairs.place)) if chosen_by(search, pair) == wanted]
    assert len(at) == 1
    assert by_pair[at[0]] <= value + slack
    assert rest_bounds(search, bounds, at[0], chosen) <= value + slack
    assert nest.unroll.keys() == {dim for dim in DIMS if search.arrays.rows[chosen[dim], SIDE] >= 0}


@settings(max_examples=150, deadline=None)
@given(searches(most=2, size=200, macs=60, longest=3, channels=3), st.randoms(use_true_random=False))
def test_no_bound_exceeds_a_mapping_of_its_plan(search, random):
    """Random mappings with the tiles of some plans: the plans that charge what pricing gives, and their pairs, bound it.

    Of the plans that tiles are compatible with, one charges the best of their orders exactly, and none charges less.
    """
    search.prepared  # noqa: B018  # found before a plan is in the record
    search.arrays.works[0]["least_steps"] = 0.0
    every = plans_of(search)
    for nest in random_nests(search, random, 4):
        chosen = array_rows(search, nest)
        worth = values(search, nest) if chosen else {}
        if not worth:
            continue
        chain, charged = chain_of(search, nest), []
        for one in every:
            if one.traffic.passing != nest.bypass or not compatible(one, chain) or one.stays not in worth:
                continue
            opened(search, one)
            value = settled(search, chosen, chain)
            charged.append(value)
            assert value >= worth[one.stays] * (1 - 1e-9)
            if isclose(value, worth[one.stays], rel_tol=1e-9, abs_tol=1e-9):
                check_plan(search, one, nest, chosen, value)
        assert not charged or isclose(min(charged), min(worth.values()), rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=40, deadline=None)
@given(searches(most=2, size=120, macs=40, longest=3, channels=2))
def test_the_best_plan_is_bounded_by_no_more_than_the_best(search):
    """Plans come in the order of their bounds, and the first is no dearer than what is found."""
    try:
        found = Search(search).run(None)
    except MappingError:
        return
    again = Setup(search.layer, search.hierarchy, search.objective, search.fixed)
    firsts = again.prepared.bound[again.prepared.order, 0].tolist()
    assert firsts[0] <= found.value * UNIT.get(search.objective, 1) * (1 + 1e-9) + 1e-9
    assert firsts == sorted(firsts)
    assert all(first < MUCH for first in firsts)


# ---- by hand

ARRAY = Hierarchy(
    (
        Store("dram", None, ONE, ONE),
        Store("rf", None, ONE, ONE, {"weight": 24, "ifmap": 16, "ofmap": 32}, per_element=True),
    ),
    (Side("rows", 2, ("p", "r")), Side("columns", 2, ("k",))),
    4.0,
)
LAYER = Layer(k=2, p=2, r=3, ifmap_h=4, ifmap_w=1, psum_bits=32)


def test_room_of_elements_by_hand():
    """Three weights, two inputs and one sum of a 3-tap filter: two taps for one output, or one; p and r share two rows."""
    one = Setup(LAYER, ARRAY, "energy", Fixed())
    tiles = set()
    for pair in range(len(one.prepared.pairs.place)):
        chosen = chosen_by(one, pair)
        tiles.add(tuple(tuple(one.arrays.rows[chosen[dim], [TILE, UNROLLED]].tolist()) for dim in "pr"))
    p, r = [(1, 1), (1, 2)], [(1, 1), (2, 1), (1, 2), (2, 2)]
    assert tiles == {(out, tap) for out in p for tap in r if out[1] * tap[1] <= 2}


def test_the_fewest_steps_by_hand():
    """Two rows take the outputs and two columns the filters: three taps one after the other."""
    assert fewest_of(Setup(LAYER, ARRAY, "latency", Fixed())) == 3
    assert search([LAYER], ARRAY, "latency")[0].priced.cycles == 3


def test_nothing_has_room_in_elements_that_are_too_small():
    """No pair, no steps, and a message."""
    small = Hierarchy((ARRAY.stores[0], Store("rf", 8, ONE, ONE, per_element=True)), ARRAY.sides, 4.0)
    one = Setup(LAYER, small, "latency", Fixed())
    assert len(one.prepared.pairs.place) == 0
    assert fewest_of(one) == inf
    with pytest.raises(MappingError):
        Search(one).run(None)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_forms_that_waste_nothing_have_plans(objective):
    """Every form of every choice of what passes by is a plan, each with tables of its own."""
    one = Setup(LAYER, ARRAY, objective, Fixed())
    assert len(plans_of(one)) == len(list(forms(1)))
    found = [opened(one, each) for each in plans_of(one)]
    assert all(bounds.own.shape[0] == one.arrays.works[0].inner for bounds in found)
    assert depends(0, "k")
