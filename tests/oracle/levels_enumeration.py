"""Every mapping of the mapspace of a tiny layer on a small hierarchy: what passes by, unrolling, nested tiles, orders.

Nothing is left out but repetition: orders with the same loops inside the innermost loop of every operand cost the same by the
definition of a flow, and are priced once; so are flows that differ in nothing that they depend on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations, product
from math import inf

from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.loopnest import LoopNest, chain
from costmodel.mapping.levels.price import PLAIN, Counter, fits

DIMS = "ngkcpqrs"
RELEVANT = {"weight": "gkcrs", "ifmap": "ngcpqrs", "ofmap": "ngkpq"}
OBJECTIVES = ("energy", "latency", "edp", "dram_bytes")


def subsets(names):
    """Every subset of some names."""
    return [frozenset(chosen) for size in range(len(names) + 1) for chosen in combinations(names, size)]


def passings(hierarchy):
    """What may pass by the stores on chip: what feeds the multipliers may not."""
    choices = []
    for number, store in enumerate(hierarchy.on_chip):
        further = hierarchy.on_chip[number + 1 :]
        free = [op for op in store.optional if any(op in one.holds or one.per_element for one in further)]
        never = frozenset(OPERANDS) - frozenset(store.holds) if not store.per_element else frozenset()
        choices.append([never | chosen for chosen in subsets(free)])
    return list(product(*choices))


def unrollings(layer, array):
    """Every way to unroll; more elements along a dimension than it is long would have no work."""
    ways = [{}]
    for dim in DIMS:
        most = getattr(layer, dim)
        more = [
            {**way, dim: (number, many)}
            for way in ways
            for number, side in enumerate(array)
            if dim in side.dims
            for many in range(2, min(side.size, most) + 1)
            if many * taken(way, number) <= side.size
        ]
        ways += more
    return ways


def taken(way, side):
    """How many elements along a side are told apart so far."""
    product_of = 1
    for number, many in way.values():
        product_of *= many if number == side else 1
    return product_of


def wholes(total, piece):
    """Sizes that are a whole number of pieces, or the whole extent."""
    return [*range(piece, total, piece), total]


def tilings(dim, total, many, shared, *, in_elements):
    """Every chain of tiles along one dimension, outermost first; groups are no larger than what the array unrolls."""
    if dim == "g":
        return [(min(many, total),) * shared + (1,) * in_elements]
    found = [((own,), min(total, own * many)) for own in range(1, total + 1)] if in_elements else [((), min(many, total))]
    for _ in range(shared):
        found = [((size, *sizes), size) for sizes, piece in found for size in wholes(total, piece)]
    return [sizes for sizes, _ in found]


def all_orders(loops):
    """Every order of some loops."""
    return permutations(loops)


def form_orders(loops):
    """Orders with the loops innermost that one operand does not depend on, and with each that can move the ifmap last once."""
    groups = [dim for dim in loops if dim == "g"]
    for operand in OPERANDS:
        inside = [dim for dim in loops if dim not in RELEVANT[operand]]
        outside = [dim for dim in loops if dim in RELEVANT[operand] and dim != "g"]
        walked = outside if operand == "ifmap" else inside
        for last in walked or [""]:
            turned = [dim for dim in walked if dim != last] + [last] * bool(last)
            yield (*groups, *turned, *inside) if operand == "ifmap" else (*groups, *outside, *turned)


def split(order, operand):
    """The innermost loop that an operand depends on, and those inside it."""
    at = max((number for number, dim in enumerate(order) if dim in RELEVANT[operand]), default=-1)
    return (order[at] if at >= 0 else "", frozenset(order[at + 1 :]) if at >= 0 else frozenset())


@cache
def distinct_orders(loops, orders):
    """One order for every way in which orders differ for some operand."""
    found = {}
    for order in orders(loops):
        found.setdefault(tuple(split(order, operand) for operand in OPERANDS), "".join(order))
    return tuple(found.items())


@dataclass(frozen=True)
class Best:
    """The least of an objective, the least energy it can be had with, and a nest that has both."""

    value: float
    energy_pj: float
    nest: LoopNest


class Enumeration:
    """One layer on one hierarchy."""

    def __init__(self, layer, hierarchy, fixed=PLAIN, orders=all_orders):
        self.layer, self.hierarchy, self.fixed, self.orders = layer, hierarchy, fixed, orders
        self.extents = {dim: getattr(layer, dim) for dim in DIMS}
        self.last = len(hierarchy.stores) - 1
        self.shared = self.last - hierarchy.in_elements
        self.memo = {}
        self.best = {}

    def tilings(self, unroll):
        """Tiles of all stores, for one unrolling."""
        many = {dim: unroll[dim][1] if dim in unroll else 1 for dim in DIMS}
        lines = [
            tilings(dim, self.extents[dim], many[dim], self.shared, in_elements=self.hierarchy.in_elements) for dim in DIMS
        ]
        for sizes in product(*lines):
            yield tuple(dict(zip(DIMS, tile, strict=True)) for tile in zip(*sizes, strict=True))

    @property
    def size(self):
        """How many tilings with their unrollings there are."""
        total = 0
        for unroll in unrollings(self.layer, self.hierarchy.sides):
            many = 1
            for dim in DIMS:
                factor = unroll[dim][1] if dim in unroll else 1
                many *= len(tilings(dim, self.extents[dim], factor, self.shared, in_elements=self.hierarchy.in_elements))
            total += many
        return total * len(passings(self.hierarchy))

    def run(self):
        """The best mapping for every objective; none where nothing fits."""
        for unroll in unrollings(self.layer, self.hierarchy.sides):
            for tiles in self.tilings(unroll):
                self.tile(unroll, tiles)
        return self.best

    def tile(self, unroll, tiles):
        """Price all orders of one tiling, whatever passes by."""
        nest = LoopNest(tiles, ("",) * self.last, unroll)
        count = Counter(self.layer, self.hierarchy, nest)
        room = [count.tile_elems(store) for store in range(1, self.last + 1)]
        levels = chain(self.layer, self.hierarchy, nest)
        loops = [tuple(dim for dim in DIMS if levels[at][dim] < levels[at - 1][dim]) for at in range(1, self.last + 1)]
        blocks = {
            (store, operand): next(
                (at for at in range(store, 0, -1) if any(dim in RELEVANT[operand] for dim in loops[at - 1])), 0
            )
            for store in range(1, self.last + 1)
            for operand in OPERANDS
        }
        own = tuple(tiles[-1].values()) if self.hierarchy.in_elements else ()
        cycles = self.remembered(("cycles", own, tuple(unroll.items())), count.cycles)
        for bypass in passings(self.hierarchy):
            if self.roomy(room, tiles, bypass, None):
                self.price(nest, levels, loops, blocks, room, cycles, bypass)

    def remembered(self, key, function):
        """A result, computed once."""
        if key not in self.memo:
            self.memo[key] = function()
        return self.memo[key]

    def held(self, store, bypass):
        """Operands in a store."""
        inside = self.hierarchy.stores[store].per_element
        return [operand for operand in OPERANDS if inside or operand not in bypass[store - 1]]

    def roomy(self, room, tiles, bypass, visits):
        """Whether tiles fit: with partial sums where they must be, or as ``visits`` of the stores say."""
        layer, whole = self.layer, self.extents
        wide_inside = False
        for store in range(self.last, 0, -1):
            spec, held = self.hierarchy.stores[store], self.held(store, bypass)
            wide = any(tiles[store - 1][dim] < whole[dim] for dim in "crs") or wide_inside
            width = {
                "weight": layer.weight_bits, "ifmap": layer.ifmap_bits,
                "ofmap": layer.psum_bits if wide else layer.ofmap_bits,
            }  # fmt: skip
            used = {operand: room[store - 1][operand] * width[operand] for operand in held if operand in spec.holds}
            registers = all(room[store - 1][operand] <= 1 for operand in held if operand not in spec.holds)
            if not (registers and fits(spec.capacity_bits, spec.part_bits, used)):
                return False
            if visits and "ofmap" in held:
                wide_inside = visits[store] > 1
        return True

    def counts(self, store, operand, block, key, order, nest, levels):
        """Elements of a flow, computed once for all nests that agree in what it depends on."""
        matter = [dim for dim in DIMS if dim not in RELEVANT[operand]] + (list("pqrs") if operand == "ifmap" else [])
        inside = self.hierarchy.stores[store].per_element
        tiles = (levels[max(block - 1, 0)], levels[block], *([nest.tiles[-1]] if inside else []))
        known = (
            operand, inside, block == self.last, block == 0, key if block else None,
            tuple(tile[dim] for tile in tiles for dim in matter), tuple(nest.unroll.items()) if inside else (),
        )  # fmt: skip
        if known not in self.memo:
            orders = tuple(order if at == block else "" for at in range(1, self.last + 1))
            flow = Counter(self.layer, self.hierarchy, LoopNest(nest.tiles, orders, nest.unroll)).flow(store, operand)
            self.memo[known] = (flow.out_down, flow.in_down, flow.out_up, flow.in_up, flow.finished, flow.sweeps)
        return self.memo[known]

    def cost(self, operand, outer, inner, counts):
        """Energy of a flow, and its bits at the outer store."""
        out_down, in_down, out_up, in_up, finished, _ = counts
        layer, stores = self.layer, self.hierarchy.stores
        free = operand not in stores[inner].holds
        down = layer.psum_bits if operand == "ofmap" else getattr(layer, f"{operand}_bits")
        up_out = (out_up - finished) * layer.psum_bits + finished * layer.ofmap_bits
        up_in = (in_up - finished) * layer.psum_bits + finished * layer.ofmap_bits
        energy = out_down * down * stores[outer].read_pj[operand] + up_out * stores[outer].write_pj[operand]
        if not free:
            energy += in_down * down * stores[inner].write_pj[operand] + up_in * stores[inner].read_pj[operand]
        return energy, out_down * down + up_out

    def choices(self, block, nest, levels, loops, flows):
        """Distinct costs that the orders of a block can have (energy, bits and visits by store), with an order of each."""
        found = {}
        for split_by, order in distinct_orders(loops[block - 1], self.orders) if block else [((None,) * 3, "")]:
            energy, ports, visits = 0.0, [0] * self.last, {}
            for store, operand, outer in flows:
                key = split_by[OPERANDS.index(operand)]
                counts = self.counts(store, operand, block, key, order, nest, levels)
                more, bits = self.cost(operand, outer, store, counts)
                energy, ports[outer] = energy + more, ports[outer] + bits
                if operand == "ofmap":
                    visits[store] = counts[-1]
            found.setdefault((energy, tuple(ports), tuple(visits.items())), order)
        return [(*what, order) for what, order in found.items()]

    def price(self, nest, levels, loops, blocks, room, cycles, bypass):
        """Price all orders of one tiling with what passes by."""
        flows = {block: [] for block in range(self.last + 1)}
        for store in range(1, self.last + 1):
            for operand in self.held(store, bypass):
                outer = next(at for at in range(store - 1, -1, -1) if at == 0 or operand in self.held(at, bypass))
                flows[blocks[store, operand]].append((store, operand, outer))
        lists = [self.choices(block, nest, levels, loops, flows[block]) for block in range(self.last + 1)]
        for chosen in product(*lists):
            visits = {store: many for one in chosen for store, many in one[2]}
            if self.roomy(room, nest.tiles, bypass, visits):
                ports = [sum(bits) for bits in zip(*(one[1] for one in chosen), strict=True)]
                orders = tuple(one[3] for one in chosen[1:])
                self.note(sum(one[0] for one in chosen), ports, cycles, (nest.tiles, orders, nest.unroll, bypass))

    def note(self, accesses_pj, ports, cycles, parts):
        """Keep a mapping where it is the best so far."""
        h, fixed = self.hierarchy, self.fixed
        times = [cycles * h.elements / h.macs_per_s if h.macs_per_s < inf else 0.0, fixed.feed_s]
        times[0] += fixed.compute_s
        times += [bits / store.bits_per_s for bits, store in zip([*ports, 0], h.stores, strict=True)]
        latency = (max(times) if h.overlap else sum(times)) + fixed.overhead_s
        energy = accesses_pj + fixed.energy_pj + h.static_w * latency * 1e12
        for objective, value in zip(OBJECTIVES, (energy, latency, energy * latency, ports[0] / 8), strict=True):
            best = self.best.get(objective)
            if best is None or (value, energy) < (best.value, best.energy_pj):
                self.best[objective] = Best(value, energy, LoopNest(*parts))


def enumerated(layer, hierarchy, fixed=PLAIN, orders=all_orders):
    """The best mapping for every objective, of all there are; empty where nothing fits."""
    return Enumeration(layer, hierarchy, fixed, orders).run()
