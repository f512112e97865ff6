"""Random small hierarchies, and random legal nests through them, for the oracles of whole hierarchies."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st

from costmodel.mapping import Layer
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from tests.oracle.strategies import layers

DIMS = "ngkcpqrs"
PJ = st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])


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


@st.composite
def sides(draw, most=3):
    """Draw none, one or two sides of an array; a dimension may be unrolled along both, though not in one nest."""
    return tuple(
        Side(name, draw(st.integers(2, 2 * most)), tuple(draw(some(DIMS, 3))),
             draw(st.booleans()), draw(st.booleans()))
        for name in ("rows", "columns")[: draw(st.sampled_from([0, 1, 2, 2]))]
    )  # fmt: skip


def energies(draw):
    """Draw an energy per bit for every operand."""
    return {operand: draw(PJ) for operand in OPERANDS}


@st.composite
def hierarchies(draw, most=3, *, elements=None):
    """Draw a backing store, one to ``most`` stores on chip without bounds, and an array; shared stores hold all or some."""
    array = draw(sides())
    in_elements = bool(array) and (draw(st.booleans()) if elements is None else elements)
    count = draw(st.integers(1, most))
    stores = [Store("dram", None, energies(draw), energies(draw), bits_per_s=draw(st.sampled_from([1.0, 4.0])))]
    for number in range(count):
        inside = in_elements and number == count - 1
        innermost = number == count - 1
        holds = OPERANDS if innermost or draw(st.booleans()) else tuple(draw(some(OPERANDS)))
        optional = () if innermost else tuple(draw(some(holds, least=0)))
        stores.append(
            Store(f"store{number}", None, energies(draw), energies(draw), holds=holds, optional=optional, per_element=inside,
                  bits_per_s=draw(st.sampled_from([2.0, 8.0])))
        )  # fmt: skip
    rate = float(prod(side.size for side in array))
    return Hierarchy(tuple(stores), array, rate, draw(st.booleans()), draw(st.sampled_from([0.0, 1e-12])))


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


@st.composite
def wholes(draw, total, piece):
    """Draw a whole number of pieces, or the whole extent."""
    return draw(st.sampled_from([*range(piece, total, piece), total]))


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
    orders = tuple("".join(draw(st.permutations(DIMS))) for _ in hierarchy.on_chip)
    bypass = tuple(
        frozenset(OPERANDS) - frozenset(store.holds) | frozenset(draw(some(store.optional, least=0)))
        for store in hierarchy.on_chip
    )
    return LoopNest(tuple(tiles), orders, unroll, bypass)
