"""The search through a whole hierarchy equals the enumeration of every mapping, and the enumeration its definition."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.search import search
from tests.oracle.levels_enumeration import (
    DIMS,
    OBJECTIVES,
    Enumeration,
    enumerated,
    form_orders,
    passings,
    unrollings,
)
from tests.oracle.levels_strategies import constants, problems


def value(cost, objective):
    """The figure that an objective asks for."""
    return {
        "energy": cost.energy_pj, "latency": cost.latency_s, "edp": cost.energy_pj * cost.latency_s,
        "dram_bytes": cost.dram_bits / 8,
    }[objective]  # fmt: skip


def nested(nest, layer, hierarchy):
    """Whether tiles are whole numbers of those inside, or the whole extent, unrolling fits, and only what may passes by."""
    taken = [1] * len(hierarchy.sides)
    for dim, (side, many) in nest.unroll.items():
        assert dim in hierarchy.sides[side].dims
        taken[side] *= many
    assert all(many <= side.size for many, side in zip(taken, hierarchy.sides, strict=True))
    assert {frozenset(one) for one in [nest.bypass]} <= {frozenset(one) for one in passings(hierarchy)}
    for dim in DIMS:
        whole, many = getattr(layer, dim), nest.unroll.get(dim, (0, 1))[1]
        sizes = [tile[dim] for tile in nest.tiles]
        inner = sizes.pop() if hierarchy.in_elements else 1
        piece = min(whole, inner * many)
        for size in reversed(sizes):
            assert size == whole or size % piece == 0
            assert piece <= size <= whole
            piece = size
    return True


def literally(layer, hierarchy, fixed):
    """The least of every objective, each nest with every order of its loops priced by itself."""
    found = dict.fromkeys(OBJECTIVES)
    space = Enumeration(layer, hierarchy)
    for unroll in unrollings(layer, hierarchy.sides):
        for tiles, bypass in product(list(space.tilings(unroll)), passings(hierarchy)):
            for orders in product(list(permutations([d for d in DIMS if getattr(layer, d) > 1])), repeat=space.last):
                cost = priced(layer, hierarchy, LoopNest(tiles, tuple("".join(one) for one in orders), unroll, bypass), fixed)
                if cost.fits:
                    for name in OBJECTIVES:
                        found[name] = min(value(cost, name), value(cost, name) if found[name] is None else found[name])
    return {name: least for name, least in found.items() if least is not None}


@settings(max_examples=100)
@given(problems(most=2, size=12, macs=24, longest=2, channels=2), constants())
def test_the_enumeration_leaves_out_only_repetition(case, fixed):
    """Every order of the loops of every tiling, priced one by one, is no better than what is found: 100 problems."""
    layer, hierarchy = case
    assume(sum(getattr(layer, dim) > 1 for dim in DIMS) <= 3)
    found = {name: best.value for name, best in enumerated(layer, hierarchy, fixed).items()}
    assert found == pytest.approx(literally(layer, hierarchy, fixed), rel=1e-12)


@settings(max_examples=300)
@given(problems(most=2, longest=4, channels=3), constants())
def test_three_forms_are_as_good_as_all_orders(case, fixed):
    """Per block, one operand in place and one loop that moves the ifmap: nothing else is ever better, on 300 problems."""
    layer, hierarchy = case
    every, forms = enumerated(layer, hierarchy, fixed), enumerated(layer, hierarchy, fixed, form_orders)
    assert every.keys() == forms.keys()
    for name, best in every.items():
        assert (best.value, best.energy_pj) == pytest.approx((forms[name].value, forms[name].energy_pj), rel=1e-12)
        cost = priced(layer, hierarchy, best.nest, fixed)
        assert cost.fits
        assert nested(best.nest, layer, hierarchy)
        assert (best.value, best.energy_pj) == pytest.approx((value(cost, name), cost.energy_pj), rel=1e-12)


@settings(max_examples=100)
@given(problems(most=3, size=60, longest=3, channels=2), constants())
def test_three_forms_are_as_good_through_three_stores(case, fixed):
    """The same with up to three stores on chip."""
    layer, hierarchy = case
    every, forms = enumerated(layer, hierarchy, fixed), enumerated(layer, hierarchy, fixed, form_orders)
    for name, best in every.items():
        assert (best.value, best.energy_pj) == pytest.approx((forms[name].value, forms[name].energy_pj), rel=1e-12)


@settings(max_examples=1000)
@given(problems(most=2, longest=4, channels=3), constants(), st.sampled_from(OBJECTIVES))
def test_the_search_finds_the_best_of_all_mappings(case, fixed, objective):
    """Value and energy of 1,000 searches are those of the best of all mappings, and what is found is one of them."""
    check(*case, fixed, objective)


@settings(max_examples=200)
@given(problems(most=3, size=80, longest=3, channels=2), constants(), st.sampled_from(OBJECTIVES))
def test_the_search_finds_the_best_through_three_stores(case, fixed, objective):
    """The same with up to three stores on chip."""
    check(*case, fixed, objective)


def check(layer, hierarchy, fixed, objective):
    """Compare the search with the enumeration."""
    best = enumerated(layer, hierarchy, fixed).get(objective)
    if best is None:
        with pytest.raises(MappingError):
            search([layer], hierarchy, objective, fixed)
        return
    (found,) = search([layer], hierarchy, objective, fixed)
    cost = priced(layer, hierarchy, found.nest, fixed)
    assert cost.fits
    assert nested(found.nest, layer, hierarchy)
    assert (found.value, cost.energy_pj) == pytest.approx((best.value, best.energy_pj), rel=1e-9)
    assert value(cost, objective) == pytest.approx(found.value, rel=1e-12)
    assert (found.lower, found.optimal) == (found.value, True)
