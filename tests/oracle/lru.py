"""A fully associative cache that replaces what was used least recently, fed with the accesses of a loop nest.

The mapper treats a cache as a memory that software fills: what a tile needs comes once, what it no longer needs leaves. A
cache decides by itself, and may keep what it should not. Here both see the same nest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import prod
from random import Random

from costmodel.mapping import Layer, buffer_bits
from costmodel.mapping.axis import touched
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Store
from costmodel.mapping.levels.price import Counter, priced
from costmodel.mapping.levels.search import search
from tests.oracle.levels_simulator import Walk, elements

DIMS = "ngkcpqrs"


@dataclass
class Lru:
    """A cache for one layer.

    ``line_bits`` None: every value comes and goes by itself, an output at partial-sum width until it is finished. Else lines
    of that many bits, in which operands lie one after the other, outputs at partial-sum width where the nest leaves them
    unfinished. An output that was never written before is not fetched; padding is not read. ``left`` counts the MACs that
    outputs still wait for.
    """

    layer: Layer
    capacity_bits: int
    wide: bool
    left: dict
    line_bits: int | None = None
    held: OrderedDict = field(default_factory=OrderedDict)
    used_bits: int = 0
    moved_bits: int = 0
    written: set = field(default_factory=set)

    def place(self, operand, index):
        """What is fetched together, and its bits."""
        output_bits = self.layer.psum_bits if self.wide else self.layer.ofmap_bits
        width = output_bits if operand == "ofmap" else getattr(self.layer, f"{operand}_bits")
        if self.line_bits is None:
            return (operand, index), width
        return (operand, index * width // self.line_bits), self.line_bits

    def touch(self, operand, index):
        """Use a value."""
        key, bits = self.place(operand, index)
        if key in self.held:
            self.held.move_to_end(key)
            return
        while self.used_bits + bits > self.capacity_bits:
            self.evict()
        self.held[key] = bits
        self.used_bits += bits
        self.moved_bits += bits if operand != "ofmap" or key in self.written else 0

    def evict(self):
        """Drop what was used least recently; outputs are written."""
        (operand, index), bits = self.held.popitem(last=False)
        self.used_bits -= bits
        if operand == "ofmap":
            self.written.add((operand, index))
            finished = self.line_bits is None and self.left[index] == 0
            self.moved_bits += self.layer.ofmap_bits if finished else bits

    def flush(self):
        """Write what is left."""
        while self.held:
            self.evict()


def parts(total, size):
    """Ranges of the tiles of a loop."""
    return [range(at, min(at + size, total)) for at in range(0, total, size)]


def macs(layer, tile, order, inside=""):
    """Every MAC of a nest of one store: loops that step through tiles, and those within one, in the same order or another."""
    loops = [*order, *(dim for dim in DIMS if dim not in order)]
    within_tile = list(inside or loops)

    def within(rest, at):
        if not rest:
            yield at
            return
        for index in at[rest[0]]:
            yield from within(rest[1:], {**at, rest[0]: index})

    def tiles(rest, at):
        if not rest:
            yield from within(within_tile, at)
            return
        for part in parts(getattr(layer, rest[0]), tile[rest[0]]):
            yield from tiles(rest[1:], {**at, rest[0]: part})

    yield from tiles(loops, {})


def addresses(layer, at):
    """Operands of a MAC, and where their values lie; none of the ifmap in the padding."""
    row = at["p"] * layer.stride_h + at["r"] * layer.dilation_h - layer.pad_top
    column = at["q"] * layer.stride_w + at["s"] * layer.dilation_w - layer.pad_left
    filters = (at["g"] * layer.k + at["k"]) * layer.c + at["c"]
    yield "weight", (filters * layer.r + at["r"]) * layer.s + at["s"]
    if 0 <= row < layer.ifmap_h and 0 <= column < layer.ifmap_w:
        channel = (at["n"] * layer.g + at["g"]) * layer.c + at["c"]
        yield "ifmap", (channel * layer.ifmap_h + row) * layer.ifmap_w + column
    channel = (at["n"] * layer.g + at["g"]) * layer.k + at["k"]
    yield "ofmap", (channel * layer.p + at["p"]) * layer.q + at["q"]


def lru_bits(layer, nest, capacity_bits, line_bits=None, inside=""):
    """Bits that a cache of a capacity exchanges with the backing store while a nest of one store runs."""
    wide = any(nest.tiles[0][dim] < getattr(layer, dim) for dim in "crs")
    left = dict.fromkeys(range(layer.ofmap_elems), layer.c * layer.r * layer.s)
    cache = Lru(layer, capacity_bits, wide, left, line_bits)
    for at in macs(layer, nest.tiles[0], nest.orders[0], inside):
        for operand, index in addresses(layer, at):
            cache.touch(operand, index)
        left[index] -= 1  # the output comes last
    cache.flush()
    return cache.moved_bits


class Requests(Walk):
    """A walk whose inner store asks a cache for what it needs."""

    def __init__(self, layer, hierarchy, nest, capacity_bits):
        super().__init__(layer, hierarchy, nest)
        room, tile = priced(layer, hierarchy, nest).used_bits[0], Counter(layer, hierarchy, nest).tile_elems(1)
        wide = room["ofmap"] > tile["ofmap"] * layer.ofmap_bits
        self.cache = Lru(layer, capacity_bits, wide, self.remaining)

    def fetch(self, boundary, tile):
        """The inner store asks for the new part of a tile."""
        new = tile - boundary.held if boundary.slides and not boundary.fresh else tile
        if boundary.store == 2:
            for value in sorted(new & boundary.seen if boundary.operand == "ofmap" else new):
                self.cache.touch(boundary.operand, value)
            boundary.seen |= tile

    def finish(self, boundary, values):
        """It writes outputs, finished or not."""
        if boundary.store == 2:
            for value in sorted(values):
                self.cache.touch("ofmap", value)

    def steps(self, at):
        """All MACs of a tile at once."""
        for value in elements(self.layer, "ofmap", at):
            self.remaining[value] -= len(at["c"]) * len(at["r"]) * len(at["s"])


def requested_bits(layer, hierarchy, nest, capacity_bits):
    """Bits that a cache around an inner store exchanges with the backing store while a nest of two stores runs."""
    walk = Requests(layer, hierarchy, nest, capacity_bits)
    walk.run()
    walk.cache.flush()
    return walk.cache.moved_bits


def caches(*capacities_bits):
    """A backing store and shared stores."""
    free = dict.fromkeys(OPERANDS, 1.0)
    return Hierarchy((Store("dram", None, free, free), *(Store(f"at {bits}", bits, free, free) for bits in capacities_bits)))


def channels(random):
    """One to 64 channels, small numbers as often as large ones."""
    return int(64 ** random.random())


def small_layer(random, least, most):
    """A convolution, depthwise or pointwise layer, or a product, of so many MACs; kinds that can have them alike often."""
    while True:
        size = random.choice([1, 4, 6, 8, 10, 14])
        window, stride = random.choice([(1, 1), (3, 1), (3, 2), (5, 1)]) if size > 1 else (1, 1)
        depthwise = size > 1 and random.random() < 0.15
        outputs = (size - 1) // stride + 1
        for _ in range(50):
            layer = Layer(
                n=random.randint(1, 8) if size == 1 else 1, g=channels(random) if depthwise else 1,
                k=1 if depthwise else channels(random), c=1 if depthwise else channels(random), p=outputs, q=outputs,
                r=window, s=window, stride_h=stride, stride_w=stride, pad_top=window // 2, pad_left=window // 2,
                ifmap_h=size, ifmap_w=size,
            )  # fmt: skip
            if least <= prod(getattr(layer, dim) for dim in DIMS) <= most:
                return layer


def whole_bits(layer):
    """Bits of a buffer that holds everything."""
    return buffer_bits(layer, {dim: getattr(layer, dim) for dim in DIMS})


def compulsory_bits(layer):
    """Bits of every weight, every input that is needed and every output, once."""
    ifmap = layer.n * layer.g * layer.c * touched(layer.height) * touched(layer.width)
    return layer.weight_elems * layer.weight_bits + ifmap * layer.ifmap_bits + layer.ofmap_elems * layer.ofmap_bits


def drawn(count, least=1000, most=12_000, least_bits=512, seed=1):
    """Small layers, each with a buffer of a fiftieth to seven tenths of what it would need to hold everything [bit]."""
    random = Random(seed)
    while count:
        layer = small_layer(random, least, most)
        capacity_bits = int(whole_bits(layer) * 0.02 * 35 ** random.random())
        if capacity_bits >= least_bits:
            yield layer, capacity_bits
            count -= 1


@dataclass(frozen=True)
class Deviation:
    """What caches as large as the buffer and twice as large move, over what the mapper says; and that over compulsory."""

    as_large: float
    twice: float
    over_compulsory: float


def deviations(cases, line_bits=None, *, inside="", inner=False):
    """How far caches are from the memories they are taken for, under the nest found best for off-chip bytes.

    With ``inner``, a buffer of an eighth lies within the cache and asks it for its tiles; else the arithmetic does, which runs
    through a tile in the order of the loops outside it, or as ``inside`` says.
    """
    found = []
    for layer, capacity_bits in cases:
        hierarchy = caches(capacity_bits, max(128, capacity_bits // 8)) if inner else caches(capacity_bits)
        (best,) = search([layer], hierarchy, "dram_bytes")
        said = best.priced.dram_bits
        both = (capacity_bits, 2 * capacity_bits)
        if inner:
            moved = [requested_bits(layer, hierarchy, best.nest, size) for size in both]
        else:
            moved = [lru_bits(layer, best.nest, size, line_bits, inside) for size in both]
        found.append(Deviation(moved[0] / said, moved[1] / said, said / compulsory_bits(layer)))
    return found
