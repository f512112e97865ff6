"""A loop nest through a whole hierarchy, walked literally: every iteration, every element of the array, every MAC.

Shares no formula with the closed form. The rules of the mapspace, as mechanisms:

- the loops of all blocks, from the backing store inwards, form one nest; a loop exists where a tile is smaller than that
  outside it;
- the load of a store's tile stands in the nest directly inside the innermost loop its operand depends on; each time it is
  reached, the tile is fetched from the nearest store outside that holds the operand;
- of an ifmap tile, what the last iteration of that loop has left there is kept, unless its axis is spread over elements
  that have a store;
- an output is written out when the loop leaves its tile, and comes back when the loop returns to it;
- elements fetch what they are to work on when they first do; on the way to the array equal values share a read along sides
  that multicast, partial sums of one output leave as one along sides that reduce;
- the array takes, in every step, as long as its busiest element.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import product

import numpy as np

DIMS = "ngkcpqrs"
RELEVANT = {"weight": "gkcrs", "ifmap": "ngcpqrs", "ofmap": "ngkpq"}
OPERANDS = tuple(RELEVANT)


def chunks(whole, size):
    """Split a range into ranges of a size; the last is as long as what remains."""
    return [range(start, min(start + size, whole.stop)) for start in range(whole.start, whole.stop, size)]


def spanned(outputs, taps, stride, dilation, pad, size):
    """Return the positions a tile spans along one axis, padding left out."""
    low, high = outputs[0] * stride + taps[0] * dilation - pad, outputs[-1] * stride + taps[-1] * dilation - pad
    return range(max(low, 0), max(min(high + 1, size), low, 0))


def elements(layer, operand, at):
    """Return the elements of an operand that a tile needs."""
    if operand != "ifmap":
        return set(product(*(at[dim] for dim in RELEVANT[operand])))
    rows = spanned(at["p"], at["r"], layer.stride_h, layer.dilation_h, layer.pad_top, layer.ifmap_h)
    columns = spanned(at["q"], at["s"], layer.stride_w, layer.dilation_w, layer.pad_left, layer.ifmap_w)
    return set(product(at["n"], at["g"], at["c"], rows, columns))


@dataclass
class Boundary:
    """Where one operand enters one store: the loop its load stands in, and what has crossed so far."""

    store: int
    operand: str
    outer: int
    site: int
    slides: bool
    held: set = field(default_factory=set)
    version: int = 0
    fresh: bool = True
    moved: Counter = field(default_factory=Counter)
    seen: set = field(default_factory=set)


@dataclass
class Element:
    """One processing element: where it stands along every unrolled dimension, what it has, and of which version."""

    place: dict
    held: dict = field(default_factory=lambda: {operand: set() for operand in OPERANDS})
    version: dict = field(default_factory=lambda: dict.fromkeys(OPERANDS, -1))

    def work(self, at, own):
        """Return its part of an array's tile, or None if there is nothing for it."""
        part = dict(at)
        for dim, number in self.place.items():
            pieces = chunks(at[dim], own[dim])
            if number >= len(pieces):
                return None
            part[dim] = pieces[number]
        return part


class Walk:
    """A nest as it runs."""

    def __init__(self, layer, hierarchy, nest):
        self.layer, self.hierarchy, self.nest = layer, hierarchy, nest
        self.whole = {dim: range(getattr(layer, dim)) for dim in DIMS}
        self.in_elements = hierarchy.stores[-1].per_element
        self.last = len(hierarchy.stores) - 1
        self.own = dict(nest.tiles[-1]) if self.in_elements else dict.fromkeys(DIMS, 1)
        self.factors = {dim: many for dim, (_, many) in nest.unroll.items()}
        self.loops, self.ends = self.nested()
        self.boundaries = [self.boundary(store, op) for store in range(1, self.last + 1) for op in self.held(store)]
        self.remaining = dict.fromkeys(elements(layer, "ofmap", self.whole), layer.c * layer.r * layer.s)
        self.done = np.zeros([getattr(layer, dim) for dim in DIMS], dtype=int)
        self.array = [
            Element(dict(zip(self.factors, place, strict=True)))
            for place in product(*(range(many) for many in self.factors.values()))
        ]
        self.room = {(b.store, b.operand): 0 for b in self.boundaries}
        self.wide = dict.fromkeys(range(1, self.last + 1), False)
        self.cycles = 0
        self.sent, self.leaving = set(), defaultdict(set)

    def held(self, store):
        """Operands that a store holds; an element has something for each."""
        if self.in_elements and store == self.last:
            return OPERANDS
        passing = self.nest.passes_by(store - 1)
        return [operand for operand in self.hierarchy.stores[store].holds if operand not in passing]

    def nested(self):
        """All loops, outermost first, as (dimension, size of a step), and where the block of each store ends."""
        loops, ends, outside = [], {}, {dim: len(all_of) for dim, all_of in self.whole.items()}
        for store, (tile, order) in enumerate(zip(self.nest.tiles, self.nest.orders, strict=True), 1):
            step = dict(tile)
            if self.in_elements and store == self.last:
                step = {dim: min(len(self.whole[dim]), tile[dim] * self.factors.get(dim, 1)) for dim in DIMS}
            exist = {dim for dim in DIMS if step[dim] < outside[dim]}
            assert exist <= set(order), "a loop that exists has a place in the order"
            loops += [(dim, step[dim]) for dim in order if dim in exist]
            ends[store], outside = len(loops), step
        return loops, ends

    def boundary(self, store, operand):
        """Place the load of an operand into a store."""
        inside = [at for at in range(self.ends[store]) if self.loops[at][0] in RELEVANT[operand]]
        site = inside[-1] if inside else -1
        outer = next((at for at in range(store - 1, 0, -1) if operand in self.held(at)), 0)
        dim = self.loops[site][0] if inside else ""
        axis = "pr" if dim in ("p", "r") else "qs"
        spread = self.in_elements and store == self.last and any(self.factors.get(d, 1) > 1 for d in axis)
        return Boundary(store, operand, outer, site, operand == "ifmap" and dim in tuple("pqrs") and not spread)

    def run(self, depth=0, at=None):
        """Run the nest from a loop inwards."""
        at = at or self.whole
        if depth == 0:
            self.enter(-1, at)
        if depth == len(self.loops):
            self.steps(at)
            self.look(depth, at)
            if depth == 0:
                self.leave(-1, at)
            return
        dim, size = self.loops[depth]
        for boundary in self.boundaries:
            boundary.fresh = boundary.fresh or boundary.site == depth
        for part in chunks(at[dim], size):
            inner = {**at, dim: part}
            self.enter(depth, inner)
            self.run(depth + 1, inner)
            self.leave(depth, inner)
        self.look(depth, at)
        if depth == 0:
            self.leave(-1, at)

    def look(self, depth, at):
        """Where the work on a store's tile ends, see whether its outputs are unfinished and wait as partial sums."""
        for store, end in self.ends.items():
            if end == depth and not (self.in_elements and store == self.last):
                unfinished = any(self.remaining[value] for value in elements(self.layer, "ofmap", at))
                self.wide[store] = self.wide[store] or unfinished

    def enter(self, depth, at):
        """Execute the loads that stand inside a loop."""
        for boundary in self.boundaries:
            if boundary.site == depth:
                boundary.version += 1
                if self.in_elements and boundary.store == self.last:
                    continue
                tile = elements(self.layer, boundary.operand, at)
                self.fetch(boundary, tile)
                boundary.held, boundary.fresh = tile, False
                self.occupy(boundary, tile)

    def fetch(self, boundary, tile):
        """Bring a tile into a shared store."""
        if boundary.operand == "ofmap":
            new = tile & boundary.seen
            boundary.seen |= tile
        else:
            new = tile - boundary.held if boundary.slides and not boundary.fresh else tile
        boundary.moved["out_down"] += len(new)
        boundary.moved["in_down"] += len(new)

    def occupy(self, boundary, tile):
        """Note the largest tile."""
        key = boundary.store, boundary.operand
        self.room[key] = max(self.room[key], len(tile))

    def leave(self, depth, at):
        """Write out the outputs whose tile a loop leaves."""
        for boundary in reversed(self.boundaries):
            if boundary.site != depth:
                continue
            if self.in_elements and boundary.store == self.last:
                self.leave_elements(boundary)
            elif boundary.operand == "ofmap":
                tile = elements(self.layer, "ofmap", at)
                for name in ("out_up", "in_up"):
                    boundary.moved[name] += len(tile)
                self.finish(boundary, tile)

    def finish(self, boundary, values):
        """Outputs leave a store: those without work left are finished, others arrive outside as partial sums."""
        finished = sum(self.remaining[value] == 0 for value in values)
        boundary.moved["finished"] += finished
        if finished < len(values) and boundary.outer:
            self.wide[boundary.outer] = True

    def leave_elements(self, boundary):
        """A version of an operand ends in all elements: partial sums are added along the sides that can, and leave."""
        boundary.fresh = False
        if boundary.operand != "ofmap":
            self.sent = {one for one in self.sent if one[0] != boundary.operand}
            return
        for value, copies in self.leaving.items():
            groups = {self.apart(element, "reduction") for element in copies}
            boundary.moved["in_up"] += len(copies)
            boundary.moved["out_up"] += len(groups)
            for number in range(len(groups)):  # one after the other; each but the first ever needs what came before
                came_before = value in boundary.seen or number > 0
                boundary.moved["out_down"] += came_before
                boundary.moved["in_down"] += came_before
                boundary.seen.add(value)
            if len(groups) > 1 and boundary.outer:
                self.wide[boundary.outer] = True
        self.finish(boundary, list(self.leaving))
        self.leaving = defaultdict(set)

    def apart(self, number, sharing):
        """Where an element stands along the sides that do not multicast, or do not reduce."""
        place = self.array[number].place
        sides = self.hierarchy.sides
        return tuple(place[dim] for dim, (side, _) in self.nest.unroll.items() if not getattr(sides[side], sharing))

    def steps(self, at):
        """The array works on what the innermost loop gives it."""
        if self.in_elements:
            self.step(at)
            return
        widths = {dim: self.factors.get(dim, 1) for dim in DIMS}
        for part in product(*(chunks(at[dim], widths[dim]) for dim in DIMS)):
            self.step(dict(zip(DIMS, part, strict=True)))

    def step(self, at):
        """One step: every element with work fetches what it does not have, and multiplies."""
        longest = 0
        for number, element in enumerate(self.array):
            part = element.work(at, self.own)
            if part is None:
                continue
            if self.in_elements:
                self.feed(number, element, part)
            self.done[np.ix_(*(part[dim] for dim in DIMS))] += 1
            reduced = len(part["c"]) * len(part["r"]) * len(part["s"])
            for value in elements(self.layer, "ofmap", part):
                self.remaining[value] -= reduced
            longest = max(longest, int(np.prod([len(part[dim]) for dim in DIMS])))
            if self.in_elements and reduced < self.layer.c * self.layer.r * self.layer.s:
                self.wide[self.last] = True
        self.cycles += longest

    def feed(self, number, element, part):
        """Bring an element what it does not have of the present version."""
        for boundary in self.boundaries:
            if boundary.store != self.last:
                continue
            operand, tile = boundary.operand, elements(self.layer, boundary.operand, part)
            if element.version[operand] == boundary.version:
                assert element.held[operand] == tile, "an element works on what it holds"
                continue
            if operand == "ofmap":
                for value in tile:
                    self.leaving[value].add(number)
            else:
                new = tile - element.held[operand] if boundary.slides and not boundary.fresh else tile
                boundary.moved["in_down"] += len(new)
                reads = {(operand, value, self.apart(number, "multicast")) for value in new} - self.sent
                self.sent |= reads
                boundary.moved["out_down"] += len(reads)
            element.version[operand], element.held[operand] = boundary.version, tile
            self.occupy(boundary, tile)


def walked(layer, hierarchy, nest):
    """Walk a nest; the walk, after every MAC was executed exactly once."""
    walk = Walk(layer, hierarchy, nest)
    walk.run()
    assert (walk.done == 1).all(), "every MAC is executed exactly once"
    assert not any(walk.remaining.values()), "every output is finished"
    return walk
