"""The search under pins equals the enumeration of every mapping that satisfies them."""

from __future__ import annotations

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.pins import FREE, PassingPin, Pins, SidePin, StationaryPin, TilePin
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.search import search
from tests.oracle.levels_enumeration import DIMS, OBJECTIVES
from tests.oracle.levels_pins import (
    along,
    long_problems,
    loops_around,
    pinned_enumerated,
    pinned_problems,
    satisfies,
    stationary,
)
from tests.oracle.levels_strategies import constants, problems
from tests.oracle.test_levels_enumeration import nested, value


def check(layer, hierarchy, pins, fixed, objective):
    """Compare the search with the enumeration: value, energy, and that the mapping is legal and does what is pinned."""
    best = pinned_enumerated(layer, hierarchy, pins, fixed).get(objective)
    event("no mapping" if best is None else "a mapping")
    if best is None:
        with pytest.raises(MappingError):
            search([layer], hierarchy, objective, fixed, pins=pins)
        return
    (found,) = search([layer], hierarchy, objective, fixed, pins=pins)
    cost = priced(layer, hierarchy, found.nest, fixed)
    assert cost.fits
    assert nested(found.nest, layer, hierarchy)
    assert satisfies(found.nest, layer, hierarchy, pins)
    assert (found.value, cost.energy_pj) == pytest.approx((best.value, best.energy_pj), rel=1e-9)
    assert value(cost, objective) == pytest.approx(found.value, rel=1e-12)
    assert (found.lower, found.optimal) == (found.value, True)


@settings(max_examples=600)
@given(pinned_problems(most=2, longest=4, channels=3), constants(), st.sampled_from(OBJECTIVES))
def test_the_search_finds_the_best_of_what_pins_leave(case, fixed, objective):
    """Value and energy of 400 searches under pins are those of the best of all mappings that satisfy them."""
    check(*case, fixed, objective)


@settings(max_examples=150)
@given(pinned_problems(most=3, size=80, longest=3, channels=2), constants(), st.sampled_from(OBJECTIVES))
def test_the_search_finds_the_best_of_what_pins_leave_through_three_stores(case, fixed, objective):
    """The same with up to three stores on chip."""
    check(*case, fixed, objective)


@settings(max_examples=200)
@given(long_problems(), constants(), st.sampled_from(OBJECTIVES))
def test_the_search_finds_the_best_below_and_above_a_pinned_tile(case, fixed, objective):
    """Loops of up to nine trips, whose tiles are not only the smallest of their trips: 150 problems."""
    check(*case, fixed, objective)


def pinned_as(nest, layer, hierarchy):
    """Pin every tile, every side, everything that passes by, and what stays in every block."""
    stores = hierarchy.on_chip
    tiles = [TilePin(store.name, dim, tile[dim]) for store, tile in zip(stores, nest.tiles, strict=True) for dim in DIMS]
    sides = [
        SidePin(side.name, tuple(along(nest, number).items()), more=False) for number, side in enumerate(hierarchy.sides)
    ]
    passing = [
        PassingPin(store.name, operand, operand in out)
        for store, out in zip(stores, nest.bypass, strict=True)
        for operand in store.optional
        if not store.per_element
    ]
    stays = [
        StationaryPin(store.name, next(op for op in OPERANDS if stationary(nest, layer, hierarchy, number, op)))
        for number, store in enumerate(stores, 1)
        if loops_around(nest, layer, hierarchy, number)
        and any(stationary(nest, layer, hierarchy, number, op) for op in OPERANDS)
    ]
    return Pins(tuple(tiles), tuple(stays), tuple(passing), tuple(sides))


@settings(max_examples=100)
@given(problems(most=3, longest=6, channels=6, size=10**6, macs=2000), constants(), st.sampled_from(OBJECTIVES), st.data())
def test_pinning_what_was_found_costs_the_same(case, fixed, objective, data):
    """All of the best mapping pinned, or any part of it, is as good as the best; and no pins are none."""
    layer, hierarchy = case
    try:
        (free,) = search([layer], hierarchy, objective, fixed)
    except MappingError:
        assume(False)
    whole = pinned_as(free.nest, layer, hierarchy)
    some = Pins(*(tuple(pin for pin in kind if data.draw(st.booleans())) for kind in vars(whole).values()))

    for pins in (FREE, some, whole):
        (found,) = search([layer], hierarchy, objective, fixed, pins=pins)
        assert found.value == pytest.approx(free.value, rel=1e-9)
        assert satisfies(found.nest, layer, hierarchy, pins)
    assert search([layer], hierarchy, objective, fixed, pins=whole)[0].nest.tiles == free.nest.tiles


@settings(max_examples=150)
@given(pinned_problems(most=3, longest=6, channels=6, size=10**6, macs=2000), constants(), st.sampled_from(OBJECTIVES))
def test_pins_never_make_it_cheaper(case, fixed, objective):
    """The best under pins is one of all mappings; a pin more is never better."""
    layer, hierarchy, pins = case
    try:
        (found,) = search([layer], hierarchy, objective, fixed, pins=pins)
    except MappingError:
        assume(False)
    fewer = Pins(pins.tiles[1:], pins.stationary[1:], pins.passing[1:], pins.sides[1:])
    values = [search([layer], hierarchy, objective, fixed, pins=one)[0].value for one in (FREE, fewer)]

    assert values[0] <= values[1] * (1 + 1e-9)
    assert values[1] <= found.value * (1 + 1e-9)
