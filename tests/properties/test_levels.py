"""What must hold of mappings through whole hierarchies, on layers larger than those enumerated."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.mapping import Layer
from costmodel.mapping.axis import touched
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Side, Store
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.search import search
from costmodel.mapping.levels.setup import OBJECTIVES
from tests.oracle.levels_strategies import bounded, constants, hierarchies, nests, small_layers
from tests.oracle.lru import compulsory_bits

ROUNDING = 1 + 1e-12


@st.composite
def cases(draw, **limits):
    """Draw a layer of up to 2,000 MACs, a hierarchy of up to two stores on chip, and what no mapping changes."""
    layer = draw(small_layers(2000, longest=6, channels=6))
    assume(touched(layer.height) and touched(layer.width))
    hierarchy = draw(bounded(layer, draw(hierarchies(2, **limits))))
    return layer, hierarchy, draw(constants())


def least(layer, hierarchy, objective, fixed):
    """The value of the best mapping; infinite where nothing fits."""
    try:
        return search([layer], hierarchy, objective, fixed)[0].value
    except MappingError:
        return inf


def with_store(hierarchy, at, **changes):
    """Return a hierarchy one of whose stores is another."""
    stores = list(hierarchy.stores)
    stores[at] = replace(stores[at], **changes)
    return replace(hierarchy, stores=tuple(stores))


def never_worse(case, better, objective):
    """Assert that a hierarchy is at least as good as that of a case."""
    layer, hierarchy, fixed = case
    assert least(layer, better, objective, fixed) <= least(layer, hierarchy, objective, fixed) * ROUNDING


@settings(max_examples=40)
@given(cases(), st.data(), st.sampled_from(OBJECTIVES))
def test_more_room_is_never_worse(case, data, objective):
    """A store that is larger, as a whole or in one part."""
    hierarchy = case[1]
    at = data.draw(st.integers(1, len(hierarchy.stores) - 1))
    store, factor = hierarchy.stores[at], data.draw(st.sampled_from([1.1, 2, 10]))
    grown = [name for name in store.part_bits if data.draw(st.booleans())]
    parts = {name: int(bits * (factor if name in grown else 1)) for name, bits in store.part_bits.items()}
    room = store.capacity_bits and int(store.capacity_bits * factor)
    never_worse(case, with_store(hierarchy, at, capacity_bits=room, part_bits=parts), objective)


@settings(max_examples=40)
@given(cases(), st.data(), st.sampled_from(["energy", "edp"]))
def test_cheaper_accesses_are_never_worse(case, data, objective):
    """Energy per bit of one operand in one store, read or written."""
    hierarchy = case[1]
    at = data.draw(st.integers(0, len(hierarchy.stores) - 1))
    way, operand = data.draw(st.sampled_from(["read_pj", "write_pj"])), data.draw(st.sampled_from(OPERANDS))
    prices = dict(getattr(hierarchy.stores[at], way))
    prices[operand] *= data.draw(st.sampled_from([0.0, 0.5, 0.9]))
    never_worse(case, with_store(hierarchy, at, **{way: prices}), objective)


@settings(max_examples=40)
@given(cases(), st.data(), st.sampled_from(OBJECTIVES))
def test_more_bandwidth_is_never_worse(case, data, objective):
    """Bits per second of one store."""
    hierarchy = case[1]
    at = data.draw(st.integers(0, len(hierarchy.stores) - 1))
    rate = hierarchy.stores[at].bits_per_s * data.draw(st.sampled_from([1.5, 4, inf]))
    never_worse(case, with_store(hierarchy, at, bits_per_s=rate), objective)


@settings(max_examples=40)
@given(cases(elements=True), st.data(), st.sampled_from(OBJECTIVES))
def test_more_choice_is_never_worse(case, data, objective):
    """One more operand that may pass by a store."""
    hierarchy = case[1]
    assume(hierarchy.in_elements and len(hierarchy.stores) > 2)
    at = data.draw(st.integers(1, len(hierarchy.stores) - 2))
    store = hierarchy.stores[at]
    optional = tuple(op for op in store.holds if op in store.optional or data.draw(st.booleans()))
    never_worse(case, with_store(hierarchy, at, optional=optional), objective)


@settings(max_examples=40)
@given(cases(), st.data(), st.sampled_from(OBJECTIVES))
def test_a_larger_array_is_never_worse(case, data, objective):
    """A longer side at the same rate per element, more dimensions along it, or wires that share."""
    hierarchy = case[1]
    assume(hierarchy.sides)
    at = data.draw(st.integers(0, len(hierarchy.sides) - 1))
    side = hierarchy.sides[at]
    larger = replace(
        side, size=side.size + data.draw(st.integers(0, 3)), dims=(*side.dims, *(d for d in "kp" if d not in side.dims)),
        multicast=side.multicast or data.draw(st.booleans()), reduction=side.reduction or data.draw(st.booleans()),
    )  # fmt: skip
    sides = tuple(larger if number == at else one for number, one in enumerate(hierarchy.sides))
    rate = hierarchy.macs_per_s / side.size * larger.size
    never_worse(case, replace(hierarchy, sides=sides, macs_per_s=rate), objective)


@settings(max_examples=60)
@given(cases(), st.sampled_from(OBJECTIVES))
def test_never_below_what_is_compulsory(case, objective):
    """Off-chip bits, time and energy of the best mapping are at least those of every operand once and of every MAC."""
    layer, hierarchy, fixed = case
    assume(least(layer, hierarchy, objective, fixed) < inf)
    (found,) = search([layer], hierarchy, objective, fixed)
    assert found.lower <= found.value
    above_compulsory(found.priced)


@settings(max_examples=300)
@given(st.data())
def test_no_nest_is_below_what_is_compulsory(data):
    """The same of any nest at all."""
    layer = data.draw(small_layers(5000, longest=6, channels=6))
    hierarchy = data.draw(hierarchies(3))
    above_compulsory(priced(layer, hierarchy, data.draw(nests(layer, hierarchy)), data.draw(constants())))


def above_compulsory(cost):
    """Assert that a nest moves, takes and spends what every mapping must."""
    layer, dram, fixed = cost.layer, cost.hierarchy.stores[0], cost.fixed
    macs = prod(getattr(layer, dim) for dim in "ngkcpqrs")
    compulsory = compulsory_bits(layer)
    assert cost.dram_bits >= compulsory
    assert cost.cycles * max(cost.hierarchy.elements, 1) >= macs
    times = macs / cost.hierarchy.macs_per_s + fixed.compute_s, compulsory / dram.bits_per_s, fixed.feed_s
    assert cost.latency_s * ROUNDING >= max(times) + fixed.overhead_s
    outputs = layer.ofmap_elems * layer.ofmap_bits
    reads = layer.weight_elems * layer.weight_bits * dram.read_pj["weight"]
    reads += (compulsory - outputs - layer.weight_elems * layer.weight_bits) * dram.read_pj["ifmap"]
    static = cost.hierarchy.static_w * cost.latency_s * 1e12
    assert cost.energy_pj * ROUNDING >= reads + outputs * dram.write_pj["ofmap"] + fixed.energy_pj + static


@settings(max_examples=300)
@given(st.data())
def test_sharing_never_costs_a_nest_more(data):
    """With sides that multicast and reduce, no nest reads, writes or needs more than without."""
    layer = data.draw(small_layers(2000, longest=5, channels=5))
    hierarchy = data.draw(hierarchies(3, elements=True))
    nest = data.draw(nests(layer, hierarchy))
    shared, apart = (
        priced(layer, replace(hierarchy, sides=tuple(replace(s, multicast=on, reduction=on) for s in hierarchy.sides)), nest)
        for on in (True, False)
    )
    assert shared.energy_pj <= apart.energy_pj * ROUNDING
    assert shared.latency_s <= apart.latency_s * ROUNDING
    for one, other in zip(shared.used_bits, apart.used_bits, strict=True):
        assert all(one[operand] <= other[operand] for operand in one)


def test_each_objective_is_best_at_what_it_asks_for():
    """Of the mappings found for four objectives, each has the least of its own."""
    layer = Layer(k=8, c=8, p=7, q=7, r=3, s=3, pad_top=1, pad_left=1, ifmap_h=7, ifmap_w=7)
    free = dict.fromkeys(OPERANDS, 1.0)
    stores = (
        Store("dram", None, dict.fromkeys(OPERANDS, 25.0), dict.fromkeys(OPERANDS, 25.0), bits_per_s=64.0),
        Store("buffer", 1024 * 8, free, free, bits_per_s=512.0),
        Store("rf", 32 * 8, free, free, per_element=True),
    )
    hierarchy = Hierarchy(stores, (Side("rows", 8, ("k", "r")), Side("columns", 8, ("p", "c"))), 64.0)
    found = {objective: search([layer], hierarchy, objective)[0].priced for objective in OBJECTIVES}
    assert min(found.values(), key=lambda cost: cost.energy_pj).energy_pj == found["energy"].energy_pj
    assert min(cost.latency_s for cost in found.values()) == found["latency"].latency_s
    assert min(cost.dram_bits for cost in found.values()) == found["dram_bytes"].dram_bits
    products = {name: cost.energy_pj * cost.latency_s for name, cost in found.items()}
    assert min(products.values()) == products["edp"]
