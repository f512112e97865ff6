"""Weights that stay on chip for ever."""

from __future__ import annotations

from itertools import chain, combinations
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.graph import Graph
from costmodel.schedule import pinning
from costmodel.schedule.pinning import Plan, filled, with_pins, without_pins
from costmodel.schedule.search import Path
from tests.unit.scheduled import search_of


def layers(*weights):
    """Return one-output linear layers side by side, each with an input of its own: weights as given, one output."""
    graph = Graph("layers")
    for place, size in enumerate(weights):
        graph.linear(f"fc{place}", graph.input(f"x{place}", (1, size)), 1, bias=False)
    return graph


def planned(graph, capacity_bytes, *, whole=False, most_bits=inf, order=None):
    """Return the plan with weights that stay, in a fixed order."""
    search = search_of(graph, capacity_bytes, order=range(len(graph.layers)) if order is None else order)
    return with_pins(search, without_pins(search, most_bits), most_bits, whole=whole)


FILLINGS = [
    ([50, 30, 30, 0], [0, 1, 2], 65, [1, 2]),
    ([50, 30, 30], [0, 1, 2], 50, [0]),
    ([50, 30, 30], [0, 1, 2], 29, []),
    ([50, 30, 30], [0, 1, 2], 0, []),
    ([1, 2, 4, 8], [3, 1], 9, [3]),
    ([7, 7, 7], [], 20, []),
]


@pytest.mark.parametrize(("weights", "steps", "reserve", "expected"), FILLINGS)
def test_fillings(weights, steps, reserve, expected):
    """The fullest choice of weights that fits a reserve."""
    assert filled(weights, steps, reserve) == expected


@given(st.lists(st.integers(1, 60), max_size=7), st.integers(0, 200))
def test_fillings_equal_the_enumeration(weights, reserve):
    """No other choice fills small reserves better, and none exceeds them."""
    steps = range(len(weights))
    choices = chain.from_iterable(combinations(steps, size) for size in range(len(weights) + 1))
    sums = [sum(weights[step] for step in chosen) for chosen in choices]
    assert sum(weights[step] for step in filled(weights, list(steps), reserve)) == max(s for s in sums if s <= reserve)


@given(st.lists(st.integers(0, 1 << 40), max_size=8), st.integers(0, 1 << 41))
def test_large_fillings_fit(weights, reserve):
    """Rounded to one part in 65,536, a filling still fits, and leaves no weight out that would have fit by so much more."""
    steps = [number for number, size in enumerate(weights) if size]
    chosen = filled(weights, steps, reserve)
    used, grain = sum(weights[step] for step in chosen), max(reserve // pinning.GRAINS, 1)
    assert used <= reserve
    assert len(chosen) == len(set(chosen))
    left = [weights[step] for step in steps if step not in chosen]
    assert all(size + used > reserve - grain * (len(chosen) + 2) for size in left)


def test_without_weights_that_stay_every_weight_is_loaded():
    """The cold plan is its own bound."""
    search = search_of(layers(4, 8), 100)
    plan = without_pins(search)
    assert (plan.path.bits, plan.pinned, plan.lower_bits) == ((4 + 4 + 1 + 8 + 8 + 1) * 8, frozenset(), 26 * 8)


def test_every_choice_of_few_weights_is_tried():
    """Of weights of 5, 6 and 7 B in 17 B: 5 + 6 leave 6 B for an input, a weight and a wide sum; 5 + 7 leave too little."""
    plan = planned(layers(5, 6, 7), 17)
    assert plan.pinned == {0, 1}
    assert plan.lower_bits == plan.path.bits


def test_nothing_stays_where_nothing_is_gained():
    """A network without weights, and one whose weights leave no room."""
    graph = Graph("none")
    graph.softmax("s", graph.input("x", (1, 5)))
    assert planned(graph, 10).pinned == frozenset()
    assert planned(layers(100), 100).pinned == frozenset()


def test_in_a_cache_all_weights_stay_or_none():
    """A cache that nobody manages does not choose: 5 + 6 B fit beside their tiles in 22 B, not in 12 B."""
    assert planned(layers(5, 6), 25, whole=True).pinned == {0, 1}
    assert planned(layers(5, 6), 12, whole=True).pinned == frozenset()
    assert planned(layers(5, 6), 12).pinned != frozenset()


def test_a_cost_that_is_known_bounds_the_plan():
    """Nothing cheaper than what is known: no path, and the known cost as the bound."""
    cheapest = planned(layers(4, 8), 100).path.bits
    plan = planned(layers(4, 8), 100, most_bits=cheapest)
    assert (plan.path.bits, plan.lower_bits) == (inf, cheapest)


def exhaustive(weights, capacity_bytes):
    """Return the fewest bits over every choice of weights."""
    search = search_of(layers(*weights), capacity_bytes, order=range(len(weights)))
    steps = range(len(weights))
    choices = chain.from_iterable(combinations(steps, size) for size in range(len(weights) + 1))
    kept = [(c, sum(search.costs.weight_bits[n] for n in c)) for c in choices]
    return min(search.run(frozenset(c), size).bits for c, size in kept if size <= capacity_bytes * 8)


CASES = [
    ((3, 5, 7, 11, 13, 17, 19), 40),
    ((10,) * 8, 35),
    ((40, 3, 3, 3, 3, 3, 3), 45),
    ((9, 8, 7, 6, 5, 4, 3, 2), 23),
    ((100, 90, 80, 1, 1, 1, 1), 185),
]


@pytest.mark.parametrize(("weights", "capacity"), CASES)
def test_many_weights_are_halved_to_a_proved_bound(weights, capacity):
    """The best plan is no worse than its bound says, and the bound is no better than the optimum."""
    plan, optimum = planned(layers(*weights), capacity), exhaustive(weights, capacity)
    assert plan.lower_bits <= optimum <= plan.path.bits
    used = sum(search_of(layers(*weights), capacity).costs.weight_bits[n] for n in plan.pinned)
    assert used <= capacity * 8


@pytest.mark.parametrize(("weights", "capacity"), CASES)
@pytest.mark.parametrize(("grains", "runs"), [(1, 24), (4, 24), (1 << 16, 2), (1 << 16, 0)])
def test_the_bound_holds_wherever_halving_stops(weights, capacity, grains, runs, monkeypatch):
    """Intervals too short to be halved, or runs used up, count in the bound with what they promise."""
    monkeypatch.setattr(pinning, "MOST_HALVINGS", runs)
    monkeypatch.setattr(pinning, "GRAINS", grains)
    plan = planned(layers(*weights), capacity)
    monkeypatch.undo()
    assert plan.lower_bits <= exhaustive(weights, capacity) <= plan.path.bits


def test_everything_stays_where_it_fits():
    """Seven weights that all fit beside their tiles cost nothing in steady state."""
    plan = planned(layers(*range(3, 10)), 200)
    assert plan.pinned == frozenset(range(7))
    assert plan.lower_bits == plan.path.bits == (sum(range(3, 10)) + 7) * 8


def test_a_plan_says_what_it_is():
    """Path, weights that stay, bound."""
    plan = Plan(Path(8.0, 8.0, ()), frozenset({1}), 7.0)
    assert (plan.path.bits, plan.pinned, plan.lower_bits) == (8.0, {1}, 7.0)
