"""Pins as a property of a loop nest, and every mapping that has it, written from the words of ``docs/models/mapping.md``."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import assume
from hypothesis import strategies as st

from costmodel.mapping import Layer
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.pins import PassingPin, Pins, SidePin, StationaryPin, TilePin
from costmodel.mapping.levels.price import PLAIN
from tests.oracle.levels_enumeration import DIMS, RELEVANT, Enumeration, all_orders
from tests.oracle.levels_strategies import bounded, hierarchies, nests, problems, sides


def loops_around(nest, layer, hierarchy, number):
    """Loops of more than one trip that step through the tiles of a store, the outermost first."""
    whole = {dim: getattr(layer, dim) for dim in DIMS}
    inner, outer = dict(nest.tiles[number - 1]), dict(nest.tiles[number - 2]) if number > 1 else whole
    if hierarchy.stores[number].per_element:
        inner = {dim: min(size * nest.unroll.get(dim, (0, 1))[1], whole[dim]) for dim, size in inner.items()}
    return [dim for dim in nest.orders[number - 1] if -(-outer[dim] // inner[dim]) > 1]


def stationary(nest, layer, hierarchy, number, operand):
    """Whether nothing of an operand changes from one trip of the innermost loop around a store's tile to the next."""
    loops = loops_around(nest, layer, hierarchy, number)
    return not loops or loops[-1] not in RELEVANT[operand]


def along(nest, number):
    """What is unrolled along a side."""
    return {dim: many for dim, (side, many) in nest.unroll.items() if side == number and many > 1}


def satisfies(nest, layer, hierarchy, pins):
    """Whether a loop nest does everything that is pinned."""
    names = {store.name: number for number, store in enumerate(hierarchy.stores)}
    for pin in pins.tiles:
        if nest.tiles[names[pin.store] - 1][pin.dim] != min(pin.size, getattr(layer, pin.dim)):
            return False
    for pin in pins.passing:
        store = hierarchy.stores[names[pin.store]]
        held = pin.operand in store.holds and pin.operand not in nest.bypass[names[pin.store] - 1]
        if held == pin.passes:
            return False
    for pin in pins.sides:
        number = next(at for at, side in enumerate(hierarchy.sides) if side.name == pin.side)
        found = along(nest, number)
        if not pin.more and not set(found) <= {dim for dim, _ in pin.dims}:
            return False
        if any(many and found.get(dim, 1) != min(many, getattr(layer, dim)) for dim, many in pin.dims):
            return False
    said = [(names[pin.store], pin.operand) for pin in pins.stationary]
    said += [(number, store.stationary) for number, store in enumerate(hierarchy.stores) if store.stationary]
    return all(stationary(nest, layer, hierarchy, number, operand) for number, operand in said)


def weight_last(loops):
    """Orders whose innermost loop is one that the weight does not depend on."""
    return [one for one in permutations(loops) if not one or one[-1] in "npq"]


def ifmap_last(loops):
    """Orders whose innermost loop is one that the ifmap does not depend on."""
    return [one for one in permutations(loops) if not one or one[-1] == "k"]


def ofmap_last(loops):
    """Orders whose innermost loop is one that the ofmap does not depend on."""
    return [one for one in permutations(loops) if not one or one[-1] in "crs"]


LAST = {"weight": weight_last, "ifmap": ifmap_last, "ofmap": ofmap_last}


class PinnedEnumeration(Enumeration):
    """All mappings of a layer on a hierarchy that do what is pinned."""

    def __init__(self, layer, hierarchy, pins, fixed=PLAIN):
        super().__init__(layer, hierarchy, fixed)
        self.pins = pins
        names = [store.name for store in hierarchy.stores]
        self.kept = {number: store.stationary for number, store in enumerate(hierarchy.stores) if store.stationary}
        self.kept |= {names.index(pin.store): pin.operand for pin in pins.stationary}

    def choices(self, block, nest, levels, loops, flows):
        """Costs of the orders of a block that leave in place what is to stay."""
        self.orders = LAST[self.kept[block]] if block in self.kept else all_orders
        return super().choices(block, nest, levels, loops, flows)

    def note(self, accesses_pj, ports, cycles, parts):
        """Keep a mapping where it does what is pinned and is the best so far."""
        from costmodel.mapping.levels.loopnest import LoopNest

        if satisfies(LoopNest(*parts), self.layer, self.hierarchy, self.pins):
            super().note(accesses_pj, ports, cycles, parts)


def pinned_enumerated(layer, hierarchy, pins, fixed=PLAIN):
    """The best mapping for every objective, of all that do what is pinned; empty where there is none."""
    return PinnedEnumeration(layer, hierarchy, pins, fixed).run()


@st.composite
def pins_like(draw, nest, layer, hierarchy, share):
    """Draw pins that a nest satisfies, of a share of what can be pinned; but what stays in place is drawn by itself."""
    def chosen():
        return draw(st.integers(1, 100)) <= share

    stores = hierarchy.on_chip
    dims = [dim for dim in DIMS if getattr(layer, dim) > 1] or ["k"]
    tiles = [TilePin(s.name, dim, t[dim]) for s, t in zip(stores, nest.tiles, strict=True) for dim in dims if chosen()]
    passing = [
        PassingPin(store.name, operand, operand in out)
        for store, out in zip(stores, nest.bypass, strict=True)
        for operand in store.optional
        if not store.per_element and chosen()
    ]
    sides = []
    for number, side in enumerate(hierarchy.sides):
        if chosen():
            found = along(nest, number)
            each = [(dim, many if draw(st.booleans()) else 0) for dim, many in found.items()]
            sides.append(SidePin(side.name, tuple(each), more=draw(st.booleans())))
    stays = [StationaryPin(store.name, draw(st.sampled_from(OPERANDS))) for store in stores if chosen()]
    return Pins(tuple(tiles), tuple(stays), tuple(passing), tuple(sides))


@st.composite
def astray(draw, layer, pins):
    """Draw the same pins with another size of some tile, up to more than the layer has."""
    if not pins.tiles or not draw(st.booleans()):
        return pins
    at = draw(st.integers(0, len(pins.tiles) - 1))
    sizes = list(pins.tiles)
    sizes[at] = replace(sizes[at], size=draw(st.integers(1, getattr(layer, sizes[at].dim) + 1)))
    return replace(pins, tiles=tuple(sizes))


@st.composite
def long_problems(draw, size=600):
    """Draw a layer with one long loop, up to three stores, and a pinned tile that others of as many trips are smaller than."""
    dim, other = draw(st.permutations("nkcpq"))[:2]
    long = draw(st.sampled_from([4, 5, 7, 9, 11]))
    sizes = {dim: long, other: draw(st.integers(1, 2))}
    bits = {name: draw(st.sampled_from([1, 4, 8])) for name in ("weight_bits", "ifmap_bits", "ofmap_bits")}
    layer = Layer(**sizes, ifmap_h=sizes.get("p", 1), ifmap_w=sizes.get("q", 1), **bits, psum_bits=16)
    hierarchy = draw(hierarchies(3, array=draw(sides((dim, other), 4))))
    hierarchy = draw(bounded(layer, hierarchy)) if draw(st.booleans()) else hierarchy
    assume(Enumeration(layer, hierarchy).size <= size)
    shared = [store for store in hierarchy.on_chip if not store.per_element]
    assume(shared)
    uneven = [size for size in range(2, long) if -(-long // -(-long // size)) < size]
    pin = TilePin(draw(st.sampled_from(shared)).name, dim, draw(st.sampled_from(uneven)))
    more = draw(pins_like(draw(nests(layer, hierarchy)), layer, hierarchy, draw(st.sampled_from([0, 10, 25]))))
    tiles = (pin, *(one for one in more.tiles if (one.store, one.dim) != (pin.store, pin.dim)))
    return layer, hierarchy, replace(more, tiles=tiles)


@st.composite
def pinned_problems(draw, most=2, **limits):
    """Draw a layer, a hierarchy and pins, or a hierarchy that says what stays in place; few enough mappings to try all."""
    layer, hierarchy = draw(problems(most, **limits))
    share = draw(st.sampled_from([0, 10, 25, 50]))
    pins = draw(astray(layer, draw(pins_like(draw(nests(layer, hierarchy)), layer, hierarchy, share))))
    if pins.stationary and draw(st.booleans()):
        said = {pin.store: pin.operand for pin in pins.stationary}
        stores = [replace(store, stationary=said.get(store.name, "")) for store in hierarchy.stores]
        return layer, replace(hierarchy, stores=tuple(stores)), replace(pins, stationary=())
    return layer, hierarchy, pins
