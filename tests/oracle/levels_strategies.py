"""Random small hierarchies, and random legal nests through them, for the oracles of whole hierarchies."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import prod

from hypothesis import assume
from hypothesis import strategies as st

from costmodel.mapping import Layer
from costmodel.mapping.axis import touched
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from tests.oracle.levels_enumeration import Enumeration
from tests.oracle.strategies import layers

DIMS = "ngkcpqrs"
PJ = st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])
OUTER_RATE, RATE = st.sampled_from([1.0, 4.0]), st.sampled_from([2.0, 8.0])
STATIC = st.sampled_from([0.0, 1e-12])
SIDES = st.sampled_from([0, 1, 2, 2])
ORDER = st.permutations(DIMS)


@cache  # Hypothesis checks every strategy that is made
def some(names, most=3, least=1):
    """Some of the names, in any order."""
    return st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True) if names else st.just([])


def trimmed(layer, macs):
    """Cut the longest loop of a layer, until it has few MACs."""
    while prod(getattr(layer, dim) for dim in DIMS) > macs:
        longest = max(DIMS, key=lambda dim: getattr(layer, dim))
        layer = Layer(**{**vars(layer), longest: getattr(layer, longest) - 1})
    return layer


@st.composite
def small_layers(draw, macs=400, **limits):
    """Draw a layer small enough to walk."""
    return trimmed(draw(layers(**limits)), macs)


@cache
@st.composite
def sides(draw, dims=DIMS, most=6):
    """Draw none, one or two sides of an array; a dimension may be unrolled along both, though not in one nest."""
    return tuple(
        Side(name, draw(st.integers(2, most)), tuple(draw(some(tuple(dims), 3))), draw(st.booleans()), draw(st.booleans()))
        for name in ("rows", "columns")[: draw(SIDES)]
    )


def energies(draw):
    """Draw an energy per bit for every operand."""
    return {operand: draw(PJ) for operand in OPERANDS}


@cache
@st.composite
def contents(draw, count, *, elements):
    """Draw what each store on chip holds, each operand at least one of them, and what may pass by the outer ones."""
    holds = [OPERANDS if draw(st.booleans()) else tuple(draw(some(OPERANDS))) for _ in range(count)]
    missing = set(OPERANDS) - {operand for held in holds for operand in held}
    if not elements:
        holds[0] = tuple(operand for operand in OPERANDS if operand in holds[0] or operand in missing)
    optional = [tuple(draw(some(held, least=0))) for held in holds]
    for number, held in enumerate(holds):
        further = set(OPERANDS) if elements else {operand for one in holds[number + 1 :] for operand in one}
        optional[number] = tuple(op for op in optional[number] if op in further and number < count - elements and op in held)
    return list(zip(holds, optional, strict=True))


@st.composite
def hierarchies(draw, most=3, *, elements=None, array=None):
    """Draw a backing store, one to ``most`` stores on chip without bounds, and an array of none, one or two sides."""
    array = draw(sides()) if array is None else array
    in_elements = bool(array) and (draw(st.booleans()) if elements is None else elements)
    count = draw(st.integers(1, most))
    stores = [Store("dram", None, energies(draw), energies(draw), bits_per_s=draw(OUTER_RATE))]
    for number, (holds, optional) in enumerate(draw(contents(count, elements=in_elements)), 1):
        stores.append(
            Store(f"store{number}", None, energies(draw), energies(draw), holds=holds, optional=optional,
                  per_element=in_elements and number == count, bits_per_s=draw(RATE))
        )  # fmt: skip
    rate = float(prod(side.size for side in array))
    return Hierarchy(tuple(stores), array, rate, draw(st.booleans()), draw(STATIC))


@st.composite
def unrollings(draw, layer, array):
    """Draw what is unrolled: a dimension along one side at most, factors that fit along it."""
    unroll = {}
    for number, side in enumerate(array):
        room = side.size
        for dim in side.dims:
            if dim not in unroll and room > 1 and getattr(layer, dim) > 1:
                most = min(room, getattr(layer, dim) + 1)
                factor = draw(st.integers(1, most))
                if factor > 1:
                    unroll[dim], room = (number, factor), room // factor
    return unroll


@cache
def multiples(total, piece):
    """A whole number of pieces, or the whole extent."""
    return st.sampled_from([*range(piece, total, piece), total])


@cache
@st.composite
def wholes(draw, total, piece):
    """Draw a whole number of pieces, or the whole extent."""
    return draw(multiples(total, piece))


@st.composite
def nests(draw, layer, hierarchy):
    """Draw tiles that nest, orders of every block, unrolling, and what passes by."""
    unroll = draw(unrollings(layer, hierarchy.sides))
    extents = {dim: getattr(layer, dim) for dim in DIMS}
    own = dict.fromkeys(DIMS, 1)
    tiles = []
    if hierarchy.in_elements:
        own = {dim: 1 if dim == "g" else draw(st.integers(1, size)) for dim, size in extents.items()}
        tiles = [own]
    step = {dim: min(own[dim] * (unroll[dim][1] if dim in unroll else 1), size) for dim, size in extents.items()}
    for _ in range(len(hierarchy.on_chip) - len(tiles)):
        step = {dim: draw(wholes(extents[dim], step[dim])) for dim in DIMS}
        tiles.insert(0, step)
    orders = tuple("".join(draw(ORDER)) for _ in hierarchy.on_chip)
    never = [() if store.per_element else set(OPERANDS) - set(store.holds) for store in hierarchy.on_chip]
    chosen = [draw(some(store.optional, least=0)) for store in hierarchy.on_chip]
    bypass = tuple(frozenset(out) | frozenset(more) for out, more in zip(never, chosen, strict=True))
    return LoopNest(tuple(tiles), orders, unroll, bypass)


@st.composite
def bounded(draw, layer, hierarchy):
    """Draw room for every store, from too little to more than enough: for all operands together, and parts for some."""
    ifmap_elems = layer.n * layer.g * layer.c * layer.ifmap_h * layer.ifmap_w
    most = {
        "weight": layer.weight_elems * layer.weight_bits, "ifmap": ifmap_elems * layer.ifmap_bits,
        "ofmap": layer.ofmap_elems * layer.psum_bits,
    }  # fmt: skip
    stores = [hierarchy.stores[0]]
    for store in hierarchy.on_chip:
        apart = draw(some(store.holds, least=0)) if draw(st.booleans()) else []
        room = {op: max(layer.psum_bits, most[op] * draw(st.integers(1, 10)) ** 2 // 100) for op in OPERANDS}
        together = sum(room[op] for op in store.holds if op not in apart)
        capacity = draw(st.sampled_from([together, together, 2 * together, together // 2, None]))
        stores.append(replace(store, capacity_bits=capacity, part_bits={op: room[op] for op in apart}))
    return replace(hierarchy, stores=tuple(stores))


@st.composite
def problems(draw, most=2, size=300, macs=300, **limits):
    """Draw a layer and a hierarchy with few enough mappings to try all."""
    layer = draw(small_layers(macs, **limits))
    assume(touched(layer.height) and touched(layer.width))  # a layer that reads nothing but padding is none
    dims = [dim for dim in DIMS if getattr(layer, dim) > 1] or ["k"]
    hierarchy = draw(hierarchies(most, array=draw(sides(tuple(dims), 4))))
    while Enumeration(layer, hierarchy).size > size and prod(getattr(layer, dim) for dim in DIMS) > 1:
        longest = max(DIMS, key=lambda dim: getattr(layer, dim))
        layer = Layer(**{**vars(layer), longest: getattr(layer, longest) - 1})
    assume(touched(layer.height) and touched(layer.width))
    return layer, draw(bounded(layer, hierarchy))


@st.composite
def constants(draw):
    """Draw what no mapping changes."""
    return Fixed(*(draw(st.sampled_from([0.0, most])) for most in (500.0, 3.0, 20.0, 5.0)))
