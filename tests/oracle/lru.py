"""A fully associative cache that replaces what was used least recently, fed by the accesses of a loop nest, MAC by MAC.

The mapper treats a cache as a memory that software fills: what a tile needs comes once, what it no longer needs leaves. A cache
decides by itself, and keeps what it should not. Here both see the same nest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from math import prod
from random import Random

from costmodel.mapping import Layer, buffer_bits
from costmodel.mapping.axis import touched
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Store
from costmodel.mapping.levels.price import priced

DIMS = "ngkcpqrs"


@dataclass
class Lru:
    """A cache for one layer.

    ``line_bits`` None: every value comes and goes by itself, an output at partial-sum width until it is finished. Else lines of that
    many bits, in which operands lie one after the other, outputs at partial-sum width where the nest leaves them unfinished.
    An output that was never written before is not fetched; padding is not read.
    """

    layer: Layer
    capacity_bits: int
    wide: bool
    line_bits: int | None = None
    held: OrderedDict = field(default_factory=OrderedDict)
    used_bits: int = 0
    moved_bits: int = 0
    left: dict = field(default_factory=dict)
    written: set = field(default_factory=set)

    @property
    def output_bits(self):
        """Bits that an output takes in the cache."""
        return self.layer.psum_bits if self.wide else self.layer.ofmap_bits

    def place(self, operand, index):
        """What is fetched together, and its bits."""
        width = self.output_bits if operand == "ofmap" else getattr(self.layer, f"{operand}_bits")
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


def macs(layer, tile, order):
    """Every MAC of a nest of one store: the loops that step through tiles, and, in the same order, those inside one."""
    outer = [dim for dim in (*order, *(d for d in DIMS if d not in order))]

    def within(loops, at):
        if not loops:
            yield at
            return
        for index in at[loops[0]]:
            yield from within(loops[1:], {**at, loops[0]: index})

    def tiles(loops, at):
        if not loops:
            yield from within(outer, at)
            return
        for part in parts(getattr(layer, loops[0]), tile[loops[0]]):
            yield from tiles(loops[1:], {**at, loops[0]: part})

    yield from tiles(outer, {})


def lru_bits(layer, tile, order, capacity_bits, line_bits=None):
    """Bits that a cache of a capacity exchanges with the backing store while a nest runs."""
    wide = any(tile[dim] < getattr(layer, dim) for dim in "crs")
    cache = Lru(layer, capacity_bits, wide, line_bits)
    cache.left = dict.fromkeys(range(layer.ofmap_elems), layer.c * layer.r * layer.s)
    n_g, height, width = layer.g * layer.c, layer.ifmap_h, layer.ifmap_w
    for at in macs(layer, tile, order):
        row = at["p"] * layer.stride_h + at["r"] * layer.dilation_h - layer.pad_top
        column = at["q"] * layer.stride_w + at["s"] * layer.dilation_w - layer.pad_left
        filters = (at["g"] * layer.k + at["k"]) * layer.c + at["c"]
        cache.touch("weight", (filters * layer.r + at["r"]) * layer.s + at["s"])
        if 0 <= row < height and 0 <= column < width:
            cache.touch("ifmap", ((at["n"] * n_g + at["g"] * layer.c + at["c"]) * height + row) * width + column)
        channel = (at["n"] * layer.g + at["g"]) * layer.k + at["k"]
        output = (channel * layer.p + at["p"]) * layer.q + at["q"]
        cache.touch("ofmap", output)
        cache.left[output] -= 1
    cache.flush()
    return cache.moved_bits


def buffer(capacity_bits):
    """A backing store and one shared store."""
    free = dict.fromkeys(OPERANDS, 1.0)
    return Hierarchy((Store("dram", None, free, free), Store("cache", capacity_bits, free, free)))


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


def ratios(layer, capacity_bits, nest, line_bits=None):
    """What caches as large as the buffer, and twice as large, move over what the mapper says of its nest."""
    said = priced(layer, buffer(capacity_bits), nest).dram_bits
    order = nest.orders[0]
    return tuple(lru_bits(layer, nest.tiles[0], order, times * capacity_bits, line_bits) / said for times in (1, 2))
