"""Tables that bound the search, compared with minima over tiles and trips written out one by one."""

from __future__ import annotations

from itertools import product
from math import inf, prod

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.mapping import DIMS, Layer
from costmodel.mapping.axis import Axis
from costmodel.mapping.levels import least
from costmodel.mapping.levels.costs import must_equal
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.setup import arrays_of
from costmodel.mapping.levels.walks import along_outputs, along_taps, largest
from tests.oracle.levels_strategies import small_layers
from tests.oracle.strategies import axes
from tests.unit.levels_search import (
    MUCH,
    WALKED,
    axis_walks,
    bounds_of,
    extents_of,
    fetched_least,
    grid_of,
    has_room,
    kernels_of,
    level_charge,
    nested_in,
    planned,
    plans_of,
    rung_tuples,
    searches,
    tied_along,
    tile_bits,
    trips_of,
)
from tests.unit.test_mapping_levels_costs import search_free

AT = {dim: number for number, dim in enumerate(DIMS)}


def interpreted(function):
    """Return a function as Python runs it, where Numba compiled it."""
    return getattr(function, "py_func", function)


def close(found, expected):
    """Whether numbers agree, what has no room aside."""
    return np.allclose(np.minimum(found, MUCH), np.minimum(expected, MUCH), rtol=1e-9, atol=1e-9)


# ---- rungs


@given(st.lists(st.integers(1, 40), min_size=8, max_size=8))
def test_rungs_are_the_distinct_trips(extent):
    """Every number of tiles that a loop can be cut into once, ascending, and where to find it."""
    for function in (least.rungs_of, interpreted(least.rungs_of)):
        rungs = least.Rungs(*function(np.array(extent)))
        for dim, total in enumerate(extent):
            literal = trips_of(total)
            assert rungs.trips[dim, : rungs.many[dim]].tolist() == literal
            assert not rungs.trips[dim, rungs.many[dim] :].any()
            found = rungs.at[rungs.start[dim] : rungs.start[dim] + total + 1].tolist()
            assert found == [literal.index(trips) if trips in literal else -1 for trips in range(total + 1)]


def test_rungs_of_ten_by_hand():
    """Ten is cut into 1, 2, 3, 4, 5 or 10 tiles, never into 6 to 9."""
    rungs = least.Rungs(*least.rungs_of(np.array([10, 1, 1, 1, 1, 1, 1, 1])))
    assert rungs.trips[0].tolist() == [1, 2, 3, 4, 5, 10]
    assert rungs.many.tolist() == [6, 1, 1, 1, 1, 1, 1, 1]


@settings(max_examples=60)
@given(small_layers(longest=6, channels=2))
def test_least_positions_are_attained_by_a_tile(layer):
    """Of the largest tile, and of every walk within the whole layer, the least over the tiles of two rungs."""
    arrays = arrays_of(layer, search_free())
    rungs = least.Rungs(*least.rungs_of(extents_of(layer)))
    found = least.axis_least(arrays.works, arrays.spans, rungs)
    for number, axis in enumerate((layer.height, layer.width)):
        for (i, trips), (j, taps) in product(enumerate(trips_of(axis.outputs)), enumerate(trips_of(axis.taps))):
            area, walks = axis_walks(axis, trips, taps)
            assert found[number, least.AREA, i, j] == area
            assert found[number, [least.AFRESH, least.ALONG_OUTPUTS, least.ALONG_TAPS], i, j].tolist() == walks


@settings(max_examples=60)
@given(small_layers(longest=7, channels=1), st.data())
def test_no_tile_within_any_other_fetches_less(layer, data):
    """Overlap is kept best within the whole layer: a tile within any whole number of it fetches at least as much."""
    arrays = arrays_of(layer, search_free())
    rungs = least.Rungs(*least.rungs_of(extents_of(layer)))
    found = least.axis_least(arrays.works, arrays.spans, rungs)[0]
    axis = layer.height
    tile, taps = data.draw(st.integers(1, axis.outputs)), data.draw(st.integers(1, axis.taps))
    outer = min(tile * data.draw(st.integers(1, 5)), axis.outputs), min(taps * data.draw(st.integers(1, 3)), axis.taps)
    i, j = trips_of(axis.outputs).index(-(-axis.outputs // tile)), trips_of(axis.taps).index(-(-axis.taps // taps))
    assert found[least.ALONG_OUTPUTS, i, j] <= along_outputs(axis, tile, taps, outer[0])
    assert found[least.ALONG_TAPS, i, j] <= along_taps(axis, tile, taps, outer[1])


@settings(max_examples=200)
@given(axes(9), st.data())
def test_elements_together_hold_at_least_what_pools_count(drawn, data):
    """Elements side by side each hold their own tile; the array's tile is counted in full only where theirs touch."""
    axis = Axis(*drawn)
    tile, taps = data.draw(st.integers(1, axis.outputs)), data.draw(st.integers(1, axis.taps))
    many, wide = data.draw(st.integers(1, axis.outputs)), data.draw(st.integers(1, axis.taps))
    together = min(tile * many, axis.outputs), min(taps * wide, axis.taps)
    touching = axis.dilation == 1 and (together[0] == 1 or axis.stride <= together[1])
    touching = touching or (axis.stride == 1 and (together[1] == 1 or axis.dilation <= together[0]))
    pooled = largest(axis, *together) if touching else min(largest(axis, *together), 1)
    assert many * wide * largest(axis, tile, taps) >= pooled
    layer_extent = np.ones(8, dtype=np.int64)
    layer_extent[[AT["p"], AT["r"]]] = axis.outputs, axis.taps
    works = arrays_of_axis(axis)
    rungs = least.Rungs(*least.rungs_of(layer_extent))
    found = least.axis_least(works.works, works.spans, rungs)[0, least.POOLED]
    i = trips_of(axis.outputs).index(-(-axis.outputs // together[0]))
    j = trips_of(axis.taps).index(-(-axis.taps // together[1]))
    assert found[i, j] <= pooled


def arrays_of_axis(axis):
    """Arrays of a layer that has this axis alone."""
    layer = Layer(
        p=axis.outputs, r=axis.taps, stride_h=axis.stride, dilation_h=axis.dilation, pad_top=axis.pad, ifmap_h=axis.size,
        ifmap_w=1,
    )  # fmt: skip
    return arrays_of(layer, search_free())


# ---- room


@settings(max_examples=60)
@given(planned(macs=60, longest=4))
def test_fewest_trips_leave_room_and_fewer_do_not(case):
    """The largest number of filters that fits beside the rest is found by trying all of them."""
    search, one, bounds = case
    layer, w = search.layer, search.arrays.works[0]
    kernels = kernels_of(search, one)
    for level, store in enumerate(search.hierarchy.stores):
        if level == 0 or store.per_element:
            continue
        held = [operand for at, operand in enumerate(OPERANDS) if one.traffic.holds[level, at]]
        for at, trips in rung_tuples(layer):
            area = bounds.axes[0, least.AREA, at[1], at[2]] * bounds.axes[1, least.AREA, at[3], at[4]]
            for rung, many in enumerate(trips_of(layer.c)):
                tile = {dim: -(-getattr(layer, dim) // of) for dim, of in {**trips, "c": many}.items()}
                some = [k for k in range(1, layer.k + 1) if has_room(store, held, tile_bits(layer, {**tile, "k": k}, area))]
                literal = -(-layer.k // max(some)) if some else least.NO_ROOM
                assert kernels[(level, *at, rung)] == literal
    assert w.last == len(search.hierarchy.on_chip)


def array_tile(layer, hierarchy, random):
    """Tile of an element that fits and that of an array of such elements; None where the first does not fit."""
    store = hierarchy.stores[-1]
    own = {dim: random.randint(1, getattr(layer, dim)) for dim in "nkcpqrs"}
    many = {dim: random.randint(1, 3) for dim in own}
    area = largest(layer.height, own["p"], own["r"]) * largest(layer.width, own["q"], own["s"])
    counts = {"weight": own["k"] * own["c"] * own["r"] * own["s"], "ifmap": own["n"] * own["c"] * area}
    counts["ofmap"] = own["n"] * own["k"] * own["p"] * own["q"]
    single = all(counts[operand] <= 1 for operand in OPERANDS if operand not in store.holds)
    if not single or prod(many.values()) > hierarchy.elements or not has_room(store, store.holds, tile_bits(layer, own, area)):
        return None
    return {dim: min(own[dim] * many[dim], getattr(layer, dim)) for dim in own}


@settings(max_examples=150)
@given(planned(macs=60, longest=4), st.randoms(use_true_random=False))
def test_no_array_needs_fewer_trips_than_its_elements_together(case, random):
    """Tiles of elements that fit each have together no fewer trips of ``k`` than all their room leaves."""
    search, one, bounds = case
    layer, hierarchy = search.layer, search.hierarchy
    kernels = kernels_of(search, one)
    assert kernels.shape == bounds.kernels.shape
    for _ in range(100 * hierarchy.in_elements):
        tile = array_tile(layer, hierarchy, random)
        if tile:
            trips = {dim: -(-getattr(layer, dim) // tile[dim]) for dim in tile}
            at = [trips_of(getattr(layer, dim)).index(trips[dim]) for dim in (*WALKED, "c")]
            assert kernels[(len(hierarchy.on_chip), *at)] <= trips["k"]


@settings(max_examples=100)
@given(planned(macs=40, longest=3))
def test_tied_tiles_need_room_at_both_stores(case):
    """As many trips as the next store inside needs with the same tile along what is tied, the smallest along the rest."""
    search, one, _ = case
    layer, w = search.layer, search.arrays.works[0]
    rungs, _, _ = grid_of(search)
    kernels = kernels_of(search, one)
    for level in range(1, w.last):
        if not one.tied[level]:
            continue
        found = kernels.copy()
        least.confine(w, rungs, found, level)
        for at, _ in rung_tuples(layer):
            for rung in range(rungs.many[AT["c"]]):
                here = dict(zip((*WALKED, "c"), (*at, rung), strict=True))
                choices = [
                    [here[dim]] if tied_along(one, level, dim) else range(here[dim], rungs.many[AT[dim]]) for dim in here
                ]
                inside = min(kernels[(level + 1, *chosen)] for chosen in product(*choices))
                literal = kernels[(level, *at, rung)]
                if tied_along(one, level, "k") or inside == least.NO_ROOM:
                    literal = max(literal, inside)
                assert found[(level, *at, rung)] == literal


@settings(max_examples=100)
@given(planned(macs=40, longest=3))
def test_ties_of_a_plan_are_those_of_its_form(case):
    """The compiled rule for which tiles are tied is the literal one, and only tied levels have less room than others."""
    search, one, bounds = case
    w = search.arrays.works[0]
    for level, dim in product(range(1, w.last + 1), DIMS):
        assert bool(must_equal(w, level, AT[dim])) == tied_along(one, level, dim)
    kernels = kernels_of(search, one)
    levels = range(1, len(bounds.own))
    assert all((bounds.kernels[level] >= kernels[level]).all() for level in levels)
    assert any(one.tied) or all((bounds.kernels[level] == kernels[level]).all() for level in levels)


# ---- tables


def shaped(search, table):
    """The largest section of a table by rungs of ``n p r q s``."""
    rungs, _, begin = grid_of(search)
    return table[begin[5] :].reshape(*(rungs.many[AT[dim]] for dim in WALKED), -1)


def prefixes_hold(search, table):
    """Whether every other section is the least over the loops that it leaves open."""
    whole = shaped(search, table)
    begin = grid_of(search)[2]
    return all(
        (table[begin[depth] : begin[depth + 1]] == whole.min(axis=tuple(range(depth, 5))).reshape(-1, whole.shape[-1])).all()
        for depth in range(5)
    )


@settings(max_examples=60)
@given(planned(macs=50, longest=4))
def test_a_level_is_charged_the_least_over_its_rungs(case):
    """``c`` over its rungs, ``k`` as the room allows, and what levels further out add: every entry of every table."""
    search, one, bounds = case
    layer, w = search.layer, search.arrays.works[0]
    for level in range(1, w.inner):
        own, further = shaped(search, bounds.own[level]), shaped(search, bounds.nested[level - 1])
        for at, trips in rung_tuples(layer):
            fetched = fetched_least(layer, one.stays[level - 1], trips)
            literal = np.min([
                level_charge(w, one, level, {**trips, "c": c, "k": bounds.kernels[(level, *at, rung)]}, fetched)
                if bounds.kernels[(level, *at, rung)] < least.NO_ROOM else np.full(w.resources, inf)
                for rung, c in enumerate(trips_of(layer.c))
            ], axis=0)  # fmt: skip
            assert close(own[at], literal + further[at])
        assert prefixes_hold(search, bounds.own[level])
        assert prefixes_hold(search, bounds.nested[level])


@settings(max_examples=60)
@given(planned(macs=50, longest=4))
def test_the_outermost_table_is_what_every_mapping_is_charged(case):
    """What is in place in the first block is swept once, and so is what elements exchange with the backing store."""
    search, one, bounds = case
    w = search.arrays.works[0]
    literal = level_charge(w, one, 0, dict.fromkeys(DIMS, 1), 0.0)
    assert close(bounds.own[0], np.broadcast_to(literal, bounds.own[0].shape))
    assert (bounds.nested[0] == bounds.own[0]).all()


@settings(max_examples=100)
@given(planned(macs=60, longest=5), st.randoms(use_true_random=False))
def test_nesting_takes_the_least_over_whole_numbers(case, random):
    """Trips of a tile of ``m`` inner ones are those divided by ``m``, rounded up; along what is tied they are the same."""
    search, one, _ = case
    rungs, _, begin = grid_of(search)
    w = search.arrays.works[0]
    table = np.array([[random.randint(0, 999)] for _ in range(begin[6])], dtype=float)
    before = shaped(search, table).copy()
    level = random.randrange(1, w.last + 1)
    least.nest(w, rungs, begin, table, level)
    after = shaped(search, table)
    for at, trips in rung_tuples(search.layer):
        choices = [
            [trips_of(getattr(search.layer, dim)).index(many) for many in nested_in(trips[dim], tied_along(one, level, dim))]
            for dim in WALKED
        ]
        assert after[at] == min(before[chosen] for chosen in product(*choices))
    assert prefixes_hold(search, table)


@given(st.integers(2, 400))
def test_steps_lead_to_all_that_nests(trips):
    """Trips divided step by step are those divided by any whole number."""
    def steps(many):
        every = {}
        for factor in range(2, 2 * many + 1):
            every.setdefault(-(-many // factor), []).append(factor)
        return {fewer for fewer, factors in every.items() if least.is_step(factors[0], factors[-1])}

    reached, left = {trips}, [trips]
    while left:
        many = left.pop()
        new = steps(many) - reached if many > 1 else set()
        reached |= new
        left += new
    assert sorted(reached) == nested_in(trips, False)


# ---- plans


def least_alone(search, one, level, kernels):
    """Least that a level is charged over all rungs, by resource, whatever the others are."""
    layer, w, found = search.layer, search.arrays.works[0], []
    for at, trips in rung_tuples(layer):
        fetched = fetched_least(layer, one.stays[level - 1], trips)
        for rung, c in enumerate(trips_of(layer.c)):
            if kernels[(level, *at, rung)] < least.NO_ROOM:
                found.append(level_charge(w, one, level, {**trips, "c": c, "k": kernels[(level, *at, rung)]}, fetched))
    return np.min(found, axis=0) if found else np.full(w.resources, inf)


@settings(max_examples=60)
@given(planned(macs=40, longest=3))
def test_a_plan_is_bounded_by_its_levels_each_by_itself(case):
    """The sum of the least of every level, of the backing store, and of what is always charged."""
    search, one, bounds = case
    w = search.arrays.works[0]
    literal = one.traffic.always + level_charge(w, one, 0, dict.fromkeys(DIMS, 1), 0.0)
    for level in range(1, w.inner + (w.inner == w.last)):
        literal = literal + least_alone(search, one, level, bounds.kernels)
    bounds_of(search, [one])
    assert close(w.total[: w.resources], literal)


@settings(max_examples=60)
@given(searches(macs=40, longest=3), st.randoms(use_true_random=False))
def test_what_was_looked_at_before_changes_no_bound(search, random):
    """Levels charged the same are looked up; the bounds are those of plans looked at alone, in whatever order they come."""
    every = plans_of(search)
    passing = random.choice(every).traffic.passing
    some = [one for one in every if one.traffic.passing == passing]
    some = random.sample(some, min(len(some), 30))
    alone = [bounds_of(search, [one])[0] for one in some]
    together = bounds_of(search, some)
    assert np.array_equal(np.minimum(alone, MUCH), np.minimum(together, MUCH), equal_nan=True)


# ---- nesting with what is decided


@given(st.integers(1, 60), st.one_of(st.integers(1, 70), st.just(least.NO_ROOM)), st.booleans())
def test_fewest_nested_is_the_fewest_of_all_that_nest(inside, fewest, tied):
    """Of all whole numbers of the tile inside, the one with the fewest trips that are enough."""
    literal = min((trips for trips in nested_in(inside, tied) if trips >= fewest), default=least.NO_ROOM)
    for function in (least.fewest_nested, interpreted(least.fewest_nested)):
        assert function(float(inside), float(fewest), tied) == literal


@given(st.integers(1, 60), st.booleans())
def test_next_nested_goes_through_all_that_nest(inside, tied):
    """From as many trips as the tile inside has, down to one."""
    found, trips = [], least.next_nested(inside, 0, tied)
    while trips:
        found.append(trips)
        trips = least.next_nested(inside, trips, tied)
    assert found == nested_in(inside, tied)[::-1]


@st.composite
def decided(draw):
    """Draw a plan, a level within which all of ``n p q r s`` is decided, perhaps ``c`` and ``k``, and that in the record."""
    search, one, bounds = draw(planned(macs=50, longest=4))
    w = search.arrays.works[0]
    level = draw(st.integers(1, w.inner - 1)) if w.inner > 1 else 0
    assume(level)
    trips = {dim: draw(st.sampled_from(trips_of(getattr(search.layer, dim)))) for dim in (*WALKED, "c", "k")}
    known = {dim: dim in WALKED or draw(st.booleans()) for dim in trips}
    w.trips[level + 1], w.tile[level + 1], w.pick = 1.0, 0, -1
    for dim, many in trips.items():
        w.trips[level + 1, AT[dim]] = many
        if known[dim]:
            w.tile[level + 1, AT[dim]] = -(-getattr(search.layer, dim) // many)
            w.pick[AT[dim]] = 0
    w.known = w.fetched[0] * draw(st.sampled_from([1, 2])), w.fetched[1] * draw(st.sampled_from([1, 3]))
    return search, one, bounds, level, trips, known


def filters(one, level, inside, known, room):
    """Fewest trips of ``k`` that the room and the level inside leave."""
    tied = tied_along(one, level, "k")
    if known:
        return min((trips for trips in nested_in(inside, tied) if trips >= room), default=inf)
    return max(room, inside if tied else 1)


def leaf_literals(case):
    """Least of a level and those further out by resource, for all trips of ``n p q r s`` that nest, over ``c`` and ``k``."""
    search, one, bounds, level, inside, known = case
    layer, w = search.layer, search.arrays.works[0]
    further, found = shaped(search, bounds.nested[level - 1]), []
    read = tuple(w.known) if level + 1 == w.inner == w.last and one.counted[1] == level else None
    for at, trips in rung_tuples(layer):
        if any(trips[dim] not in nested_in(inside[dim], tied_along(one, level, dim)) for dim in WALKED):
            continue
        fetched, least_of_all = fetched_least(layer, one.stays[level - 1], trips), np.full(w.resources, MUCH)
        for rung, c in enumerate(trips_of(layer.c)):
            tied = tied_along(one, level, "c")
            if c not in nested_in(inside["c"], tied) if known["c"] else tied and c < inside["c"]:
                continue
            k = filters(one, level, inside["k"], known["k"], bounds.kernels[(level, *at, rung)])
            if k < MUCH:
                charged = level_charge(w, one, level, {**trips, "c": c, "k": k}, fetched, read)
                least_of_all = np.minimum(least_of_all, charged + further[at])
        found.append(least_of_all)
    return np.array(found)


def limited(resource, below=inf, other=-1, other_below=inf):
    """A limit of one resource, or of two."""
    return least.Limit(resource, float(below), other, float(other_below))


@settings(max_examples=200)
@given(decided(), st.data())
def test_the_next_level_is_made_of_whole_numbers_of_what_is_decided(case, data):
    """The least over all of its tiles, with ``c`` and ``k`` decided inside or not, tied or not; never above a limit."""
    search, _, bounds, level, _, _ = case
    w, leaves = search.arrays.works[0], search.prepared.scratch.leaves
    resource = data.draw(st.integers(0, w.resources - 1))
    literal = leaf_literals(case)[:, resource].min()
    found = least.least_nested(w, bounds, leaves, level, limited(resource), False)
    assert min(found, MUCH) == pytest.approx(literal, rel=1e-9, abs=1e-9)
    limit = data.draw(st.sampled_from([0.5, 1.0, 2.0])) * min(found, MUCH)
    assert least.least_nested(w, bounds, leaves, level, limited(resource, limit), False) == min(limit, found)


@settings(max_examples=200)
@given(decided(), st.data())
def test_of_two_resources_both_stay_below_their_limits(case, data):
    """The least of one over the trips with which the other can stay below its limit, which is not next to nothing."""
    search, _, bounds, level, _, _ = case
    w, leaves = search.arrays.works[0], search.prepared.scratch.leaves
    resource, other = (data.draw(st.integers(0, w.resources - 1)) for _ in range(2))
    literal = leaf_literals(case)
    below = max(data.draw(st.sampled_from(sorted(set(literal[:, other].tolist())))), 1e-9)
    below *= data.draw(st.sampled_from([0.999, 1.001]))
    some = literal[literal[:, other] < below, resource]
    found = least.least_nested(w, bounds, leaves, level, limited(resource, inf, other, below), False)
    assert min(found, MUCH) == pytest.approx(some.min() if some.size else MUCH, rel=1e-9, abs=1e-9)


@settings(max_examples=200)
@given(decided(), st.data())
def test_what_was_gathered_gives_what_is_looked_for(case, data):
    """Trips gathered below a limit while ``c`` and ``k`` are open hold the least below any limit once they are decided."""
    search, _, bounds, level, trips, known = case
    w, leaves = search.arrays.works[0], search.prepared.scratch.leaves
    resource = data.draw(st.integers(0, w.resources - 1))
    other = data.draw(st.integers(-1, w.resources - 1))
    own, kept = w.pick.copy(), w.tile[level + 1].copy()
    w.trips[level + 1, [AT["c"], AT["k"]]] = 1.0
    w.pick[[AT["c"], AT["k"]]], w.tile[level + 1, [AT["c"], AT["k"]]] = -1, 0
    everything = least.least_nested(w, bounds, leaves, level, limited(resource), False)
    moved = min(least.least_nested(w, bounds, leaves, level, limited(max(other, 0)), False), MUCH)
    limit, most = (data.draw(st.sampled_from([1.0, 1.5, 4.0])) * one + 1.0 for one in (min(everything, MUCH), moved))
    first = limited(resource, limit, other, most)
    least_first = least.least_nested(w, bounds, leaves, level, first, False)
    w.leaves = 0
    assert least.least_nested(w, bounds, leaves, level, first, True) == least_first
    assert (w.leaves > 0) == (least_first < limit)
    w.pick, w.tile[level + 1] = own, kept
    for dim in "ck":
        w.trips[level + 1, AT[dim]] = trips[dim] if known[dim] else 1.0
    scale = data.draw(st.sampled_from([0.5, 1.0]))
    again = limited(resource, scale * limit, other, scale * most)
    gathered = least.least_gathered(w, bounds, leaves, level, again)
    assert gathered == least.least_nested(w, bounds, leaves, level, again, False)
    assert gathered <= scale * limit


@settings(max_examples=60)
@given(searches(macs=40, longest=3))
def test_a_record_without_room_has_no_least(search):
    """Stores without any room leave no trips at all."""
    rungs, axes, _ = grid_of(search)
    w = search.arrays.works[0]
    w.holds[:] = 1
    w.room[1] = 0.0, -1.0, -1.0, -1.0
    assert (least.fewest_trips(search.arrays.works, rungs, axes, 1, 1) == least.NO_ROOM).all()
