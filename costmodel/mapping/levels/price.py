"""What a loop nest moves between the stores of a hierarchy, in closed form: the definition the search is tested against.

Stated with its proof in ``docs/models/mapping.md``, and tested against a simulation that walks every iteration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, prod
from typing import TYPE_CHECKING, Final

from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy
from costmodel.mapping.levels.loopnest import LoopNest, chain, extents, factor
from costmodel.mapping.levels.walks import afresh, along_outputs, along_taps, distinct, largest
from costmodel.mapping.nest import RELEVANT

if TYPE_CHECKING:
    from costmodel.mapping.axis import Axis
    from costmodel.mapping.nest import Layer

PLAIN: Final = Fixed()
SPATIAL: Final = (("p", "r"), ("q", "s"))
"""Loops over outputs and over taps of either axis."""


@dataclass(frozen=True)
class Flow:
    """Elements that one operand moves between a store and the nearest one outside it that holds it too.

    ``out_down`` and ``out_up`` are counted at the outer store (a value that several elements of the array want is read once
    where it is multicast), ``in_down`` and ``in_up`` at the inner one. ``sweeps`` is how often the operand passes.
    """

    operand: str
    outer: int
    inner: int
    sweeps: int
    out_down: int
    in_down: int
    out_up: int
    in_up: int
    finished: int


@dataclass(frozen=True)
class Priced:
    """A loop nest, priced.

    Attributes
    ----------
    flows
        What moves between stores.
    used_bits
        Room each store on chip needs at most, by operand [bit].
    cycles
        Steps of the array until the last MAC is done, each of its elements doing one MAC a step.
    """

    layer: Layer
    hierarchy: Hierarchy
    nest: LoopNest
    fixed: Fixed
    flows: tuple[Flow, ...]
    used_bits: tuple[Mapping[str, int], ...]
    cycles: int

    @cached_property
    def moved(self) -> tuple[tuple[int, str, str, int], ...]:
        """Store, operand, ``read`` or ``write``, and bits, of every access."""
        found = []
        for flow in self.flows:
            wide, final = (self.layer.psum_bits, self.layer.ofmap_bits) if flow.operand == "ofmap" else (0, 0)
            each = getattr(self.layer, f"{flow.operand}_bits")
            down = wide or each
            found.append((flow.outer, flow.operand, "read", flow.out_down * down))
            found.append((flow.inner, flow.operand, "write", flow.in_down * down))
            if flow.operand == "ofmap":
                found.append((flow.outer, flow.operand, "write", (flow.out_up - flow.finished) * wide + flow.finished * final))
                found.append((flow.inner, flow.operand, "read", (flow.in_up - flow.finished) * wide + flow.finished * final))
        return tuple(found)

    def bits(self, store: int, way: str, operand: str | None = None) -> int:
        """Bits read from or written to a store, of one operand or of all."""
        chosen = (operand,) if operand else OPERANDS
        return sum(bits for at, op, how, bits in self.moved if at == store and how == way and op in chosen)

    def port_bits(self, store: int) -> int:
        """Bits a store exchanges with the stores further in."""
        total = 0
        for flow in self.flows:
            if flow.outer == store:
                total += flow_bits(self.layer, flow)
        return total

    @cached_property
    def dram_bits(self) -> int:
        """Bits read from and written to the backing store."""
        return self.bits(0, "read") + self.bits(0, "write")

    @cached_property
    def energy_pj(self) -> float:
        """Energy of all accesses, of what no mapping changes, and of static power [pJ]."""
        stores = self.hierarchy.stores
        price = {"read": [store.read_pj for store in stores], "write": [store.write_pj for store in stores]}
        moved = [one for one in self.moved if one[1] in stores[one[0]].holds]  # a register's energy is part of the MAC's
        accesses = sum(bits * price[way][at][operand] for at, operand, way, bits in moved)
        return accesses + self.fixed.energy_pj + self.hierarchy.static_w * self.latency_s * 1e12

    @cached_property
    def latency_s(self) -> float:
        """Time: the slowest of arithmetic and ports where they overlap, else their sum, and the overhead [s]."""
        h = self.hierarchy
        steps = self.cycles * h.elements / h.macs_per_s if h.macs_per_s < inf else 0.0
        times = [steps + self.fixed.compute_s, self.fixed.feed_s]
        times += [self.port_bits(at) / store.bits_per_s for at, store in enumerate(h.stores)]
        return (max(times) if h.overlap else sum(times)) + self.fixed.overhead_s

    @property
    def fits(self) -> bool:
        """Whether every store has room for what it holds; a register has room for one value."""
        values = Counter(self.layer, self.hierarchy, self.nest).tile_elems(len(self.used_bits))
        for store, used in zip(self.hierarchy.on_chip, self.used_bits, strict=True):
            stored = {operand: bits for operand, bits in used.items() if operand in store.holds}
            one_value = all(values[operand] <= 1 for operand in used if operand not in stored)
            if not (one_value and fits(store.capacity_bits, store.part_bits, stored)):
                return False
        return True


def value_of(found: Priced, objective: str) -> float:
    """Return what an objective minimises."""
    if objective == "energy":
        return found.energy_pj
    if objective == "latency":
        return found.latency_s
    if objective == "edp":
        return found.energy_pj * found.latency_s
    return found.dram_bits / 8


def flow_bits(layer: Layer, flow: Flow) -> int:
    """Bits of a flow at its outer store."""
    if flow.operand != "ofmap":
        return flow.out_down * int(getattr(layer, f"{flow.operand}_bits"))
    return (flow.out_down + flow.out_up - flow.finished) * layer.psum_bits + flow.finished * layer.ofmap_bits


def fits(capacity_bits: int | None, part_bits: Mapping[str, int], used: Mapping[str, int]) -> bool:
    """Whether operands fit into their parts, and those without one into the rest."""
    shared = sum(bits for operand, bits in used.items() if operand not in part_bits)
    parts_fit = all(used.get(operand, 0) <= room for operand, room in part_bits.items())
    return parts_fit and (capacity_bits is None or shared <= capacity_bits)


def trips(total: int, tile: int) -> int:
    """Number of tiles of a loop."""
    return -(-total // tile)


def priced(layer: Layer, hierarchy: Hierarchy, nest: LoopNest, fixed: Fixed = PLAIN) -> Priced:
    """Price a loop nest that is legal but for the room it needs.

    Parameters
    ----------
    layer
        The layer: extents, geometry, widths.
    hierarchy
        The stores and the array.
    nest
        Tiles, orders, unrolling and what passes by.
    fixed
        What no mapping changes.

    Returns
    -------
    Priced
        Counts, energy, latency, and whether it fits.
    """
    count = Counter(layer, hierarchy, nest)
    flows = tuple(count.flow(store, operand) for store in range(1, len(hierarchy.stores)) for operand in count.held(store))
    passes = {flow.inner: flow.sweeps for flow in flows if flow.operand == "ofmap"}
    used = tuple(count.used_bits(store, passes) for store in range(1, len(hierarchy.stores)))
    return Priced(layer, hierarchy, nest, fixed, flows, used, count.cycles())


@dataclass(frozen=True)
class Counter:
    """Counts the accesses of one loop nest."""

    layer: Layer
    hierarchy: Hierarchy
    nest: LoopNest

    @cached_property
    def tiles(self) -> list[dict[str, int]]:
        """Tiles that the loops step through, the whole layer first; that of the array for stores in elements."""
        return chain(self.layer, self.hierarchy, self.nest)

    def held(self, store: int) -> tuple[str, ...]:
        """Operands in a store; elements have at least a register for each."""
        if self.inside(store):
            return OPERANDS
        passing = self.nest.passes_by(store - 1)
        return tuple(operand for operand in self.hierarchy.stores[store].holds if operand not in passing)

    def inside(self, store: int) -> bool:
        """Whether a store exists once per element of the array."""
        return self.hierarchy.stores[store].per_element

    def parent(self, store: int, operand: str) -> int:
        """The nearest store outside that holds an operand."""
        return next(at for at in range(store - 1, -1, -1) if at == 0 or operand in self.held(at))

    def loops(self, store: int) -> list[str]:
        """Loops of more than one trip that step through the tiles of a store, outermost first."""
        inner, outer = self.tiles[store], self.tiles[store - 1]
        return [dim for dim in self.nest.orders[store - 1] if inner[dim] < outer[dim]]

    def stepping(self, store: int, operand: str) -> tuple[int, str, frozenset[str]]:
        """The block of loops that changes what a store holds of an operand, its innermost loop that does, and those inside.

        Block 0 is none: the operand never changes.
        """
        for block in range(store, 0, -1):
            loops = self.loops(block)
            relevant = [at for at, dim in enumerate(loops) if dim in RELEVANT[operand]]
            if relevant:
                return block, loops[relevant[-1]], frozenset(loops[relevant[-1] + 1 :])
        return 0, "", frozenset()

    def counted(self, dim: str, block: int, inside: frozenset[str]) -> int:
        """Tiles of an irrelevant dimension that are visited one after the other."""
        if block == 0:
            return 1
        at = block - 1 if dim in inside else block
        return trips(self.tiles[0][dim], self.tiles[at][dim])

    def copies(self, dim: str, block: int, inside: frozenset[str]) -> int:
        """As :meth:`counted`, every element of the array that is busy along ``dim`` counted by itself."""
        own = self.nest.tiles[-1][dim]
        at = max(block - 1, 0) if dim in inside or block == 0 else block
        if at == len(self.tiles) - 1:
            return trips(self.tiles[0][dim], own)
        size, total = self.tiles[at][dim], self.tiles[0][dim]
        most = factor(self.nest, dim)
        sizes = [size] * (total // size) + ([total % size] if total % size else [])
        return sum(min(most, trips(one, own)) for one in sizes)

    def flow(self, store: int, operand: str) -> Flow:
        """What an operand moves between a store and the one outside it."""
        block, innermost, inside = self.stepping(store, operand)
        last = self.inside(store)
        irrelevant = [dim for dim in self.tiles[0] if dim not in RELEVANT[operand]]
        sweeps = prod(self.counted(dim, block, inside) for dim in irrelevant)
        outer = inner = sweeps
        if last:
            apart = [dim for dim in irrelevant if not self.together(dim, operand)]
            outer = prod(
                self.copies(d, block, inside) if d in apart else self.counted(d, block, inside) for d in irrelevant
            )
            inner = prod(self.copies(dim, block, inside) for dim in irrelevant)
        whole_out, whole_in = self.elements(operand, store, block, innermost)
        parent = self.parent(store, operand)
        if operand == "ofmap":
            done = self.layer.ofmap_elems
            down = done * (outer - 1)
            return Flow(operand, parent, store, outer, down, down, done * outer, done * inner, done)
        return Flow(operand, parent, store, sweeps, whole_out * outer, whole_in * inner, 0, 0, 0)

    def together(self, dim: str, operand: str) -> bool:
        """Whether elements along a dimension share one access of the store outside."""
        if dim not in self.nest.unroll:
            return True
        side = self.hierarchy.sides[self.nest.unroll[dim][0]]
        return side.reduction if operand == "ofmap" else side.multicast

    def elements(self, operand: str, store: int, block: int, innermost: str) -> tuple[int, int]:
        """Elements of one sweep over an operand, at the store outside and at this one."""
        if operand == "weight":
            return self.layer.weight_elems, self.layer.weight_elems
        shared = own = self.layer.n * self.layer.g * self.layer.c
        for output, tap in SPATIAL:
            if self.inside(store):
                shared *= self.wanted(output, tap, block, innermost)
                own *= self.wanted(output, tap, block, innermost, sharing=False)
            else:
                fetched = self.positions(output, tap, block, innermost)
                shared, own = shared * fetched, own * fetched
        return shared, own

    def positions(self, output: str, tap: str, block: int, innermost: str) -> int:
        """Positions fetched along an axis in one sweep."""
        geometry, tile = self.axis(output), self.tiles[block]
        if innermost == output:
            return along_outputs(geometry, tile[output], tile[tap], self.tiles[block - 1][output])
        if innermost == tap:
            return along_taps(geometry, tile[output], tile[tap], self.tiles[block - 1][tap])
        return afresh(geometry, tile[output], tile[tap])

    def wanted(self, output: str, tap: str, block: int, innermost: str, *, sharing: bool = True) -> int:
        """Positions read along an axis for all elements of the array in one sweep; without ``sharing``: written in them."""
        spread = [factor(self.nest, dim) for dim in (output, tap)]
        if spread == [1, 1]:
            return self.positions(output, tap, block, innermost)
        tile = self.nest.tiles[-1]
        dims = zip((output, tap), spread, strict=True)
        together = [many if sharing and self.together(dim, "ifmap") else 1 for dim, many in dims]
        return distinct(self.axis(output), (tile[output], together[0]), (tile[tap], together[1]))

    def axis(self, output: str) -> Axis:
        """Geometry of the axis of an output dimension."""
        return self.layer.height if output == "p" else self.layer.width

    def used_bits(self, store: int, passes: Mapping[int, int]) -> dict[str, int]:
        """Room that the largest tile of every operand needs in a store [bit]."""
        values, tile = self.tile_elems(store), self.nest.tiles[store - 1]
        width = {
            "weight": self.layer.weight_bits,
            "ifmap": self.layer.ifmap_bits,
            "ofmap": self.ofmap_width(store, tile, passes),
        }
        return {operand: values[operand] * width[operand] for operand in self.held(store)}

    def tile_elems(self, store: int) -> dict[str, int]:
        """Elements of the largest tile of every operand at a store; in elements, of one of them."""
        t = self.nest.tiles[store - 1]
        area = largest(self.layer.height, t["p"], t["r"]) * largest(self.layer.width, t["q"], t["s"])
        return {
            "weight": t["g"] * t["k"] * t["c"] * t["r"] * t["s"],
            "ifmap": t["g"] * t["n"] * t["c"] * area,
            "ofmap": t["g"] * t["n"] * t["k"] * t["p"] * t["q"],
        }

    def ofmap_width(self, store: int, tile: Mapping[str, int], passes: Mapping[int, int]) -> int:
        """Partial sums lie in a store whose tile does not hold the whole reduction, or where they come back from inside."""
        whole = self.tiles[0]
        further_in = next((passes[at] for at in sorted(passes) if at > store), 1)
        split = any(tile[dim] < whole[dim] for dim in "crs")
        return self.layer.psum_bits if split or further_in > 1 else self.layer.ofmap_bits

    def cycles(self) -> int:
        """Steps of the array: along an unrolled dimension, the elements with most of it count."""
        own = self.nest.tiles[-1] if self.hierarchy.in_elements else dict.fromkeys(self.tiles[0], 1)
        return prod(spread_steps(total, own[dim], factor(self.nest, dim)) for dim, total in extents(self.layer).items())


def spread_steps(total: int, tile: int, elements: int) -> int:
    """Steps along a dimension spread over elements, each of which has a tile of it at a time.

    >>> spread_steps(13, 1, 14), spread_steps(27, 2, 5), spread_steps(27, 1, 1)
    (1, 6, 27)
    """
    if elements == 1:
        return total
    together = tile * elements
    rest = total - (ceil(total / together) - 1) * together
    return (ceil(total / together) - 1) * tile + min(tile, rest)
