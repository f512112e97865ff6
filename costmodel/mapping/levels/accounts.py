"""Every access of a loop nest with its formula filled in: elements of one sweep, times the trips that repeat it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

from costmodel.mapping.levels.price import SPATIAL, Counter, trips
from costmodel.mapping.nest import RELEVANT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.mapping.levels.price import Flow, Priced

Way = Literal["read", "write"]


@dataclass(frozen=True)
class Repeat:
    """Why an operand is swept again: a dimension it does not depend on, and how many tiles of it are visited.

    ``tile`` is their size; 0 where elements of the array are counted each by itself, and tiles do not tell how many.
    """

    dim: str
    times: int
    whole: int
    tile: int

    def __str__(self) -> str:
        return f"{self.dim}: {self.whole} / {self.tile}" if self.tile else f"{self.dim}: {self.times} copies in elements"


@dataclass(frozen=True)
class Access:
    """What one store reads or writes of an operand, in exchange with another store.

    Attributes
    ----------
    store, other
        Numbers of the store that is accessed and of the one it exchanges with, the backing store 0.
    elems
        Elements of one sweep.
    extent
        What these are, of the ifmap: its channels, rows and columns with what is fetched again at the edges of tiles.
    repeats
        What repeats the sweep.
    skipped
        Sweeps that need no access: the first visit to partial sums has none to read back.
    bits
        All of it [bit].
    wide
        Elements that are partial sums.
    held
        Whether it is a store; else a register, whose energy is part of the MAC's.
    """

    store: int
    other: int
    operand: str
    way: Way
    elems: int
    extent: str
    repeats: tuple[Repeat, ...]
    skipped: int
    bits: int
    wide: int
    held: bool

    @property
    def sweeps(self) -> int:
        """How often the operand is swept."""
        return prod(one.times for one in self.repeats)

    @property
    def accesses(self) -> int:
        """Elements read or written."""
        return self.elems * (self.sweeps - self.skipped)

    def formula(self, names: tuple[str, ...]) -> str:
        """The access as a line, with the names of the stores.

        >>> seen = Access(1, 2, "ifmap", "read", 43264, "", (Repeat("k", 24, 384, 16),), 0, 692224, 0, True)
        >>> seen.formula(("dram", "glb", "rf"))
        'glb reads of ifmap = 43,264 elements x 24 sweeps (k: 384 / 16) = 1,038,336'
        """
        reasons = [str(one) for one in self.repeats if one.times > 1]
        why = f" ({', '.join(reasons)})" if reasons else ""
        many = "1 sweep" if self.sweeps == 1 else f"{self.sweeps:,} sweeps"
        less = f" less the first = {self.sweeps - self.skipped:,}" if self.skipped else ""
        extent = f" ({self.extent})" if self.extent else ""
        return (
            f"{names[self.store]} {self.way}s of {self.operand} = {self.elems:,} elements{extent} x {many}{why}{less}"
            f" = {self.accesses:,}{self.sums}"
        )

    @property
    def sums(self) -> str:
        """How many of them are partial sums, where any are."""
        return f", of which {self.wide:,} partial sums" if 0 < self.wide < self.accesses else ""


def accounts(priced: Priced) -> tuple[Access, ...]:
    """Every access of a loop nest, the outermost exchange first; what moves nothing is left out."""
    count = Counter(priced.layer, priced.hierarchy, priced.nest)
    return tuple(one for flow in priced.flows for one in of_flow(priced, count, flow) if one.accesses)


def of_flow(priced: Priced, count: Counter, flow: Flow) -> Iterator[Access]:
    """Both ends of what an operand moves between two stores."""
    layer = priced.layer
    shared, own = repeats(count, flow, shared=True), repeats(count, flow, shared=False)
    if flow.operand != "ofmap":
        width = layer.weight_bits if flow.operand == "weight" else layer.ifmap_bits
        read: tuple[int, int, Way, tuple[Repeat, ...], int] = (flow.outer, flow.inner, "read", shared, flow.out_down)
        write: tuple[int, int, Way, tuple[Repeat, ...], int] = (flow.inner, flow.outer, "write", own, flow.in_down)
        for store, other, way, repeated, total in (read, write):
            elems, extent = sweep(count, flow, store)
            held = flow.operand in priced.hierarchy.stores[store].holds
            assert elems * prod(one.times for one in repeated) == total
            yield Access(store, other, flow.operand, way, elems, extent, repeated, 0, total * width, 0, held)
        return
    done = layer.ofmap_elems
    yield from visits(priced, flow, flow.outer, flow.inner, ("read", "write"), shared, shared, done)
    yield from visits(priced, flow, flow.inner, flow.outer, ("write", "read"), shared, own, done)


def visits(
    priced: Priced, flow: Flow, store: int, other: int, ways: tuple[Way, Way],
    down: tuple[Repeat, ...], up: tuple[Repeat, ...], done: int,
) -> Iterator[Access]:  # fmt: skip
    """Partial sums on their way in, and results on their way out, the last time finished."""
    layer, held = priced.layer, "ofmap" in priced.hierarchy.stores[store].holds
    back = done * (prod(one.times for one in down) - 1)
    out = done * prod(one.times for one in up)
    final = flow.finished * layer.ofmap_bits + (out - flow.finished) * layer.psum_bits
    yield Access(store, other, "ofmap", ways[0], done, "", down, 1, back * layer.psum_bits, back, held)
    yield Access(store, other, "ofmap", ways[1], done, "", up, 0, final, out - flow.finished, held)


def repeats(count: Counter, flow: Flow, *, shared: bool) -> tuple[Repeat, ...]:
    """What repeats the sweep over an operand; with ``shared`` as the outer store sees it, elements that share a read once."""
    block, _, inside = count.stepping(flow.inner, flow.operand)
    found = []
    for dim, whole in count.tiles[0].items():
        if dim in RELEVANT[flow.operand]:
            continue
        alone = count.inside(flow.inner) and dim in count.nest.unroll and not (shared and count.together(dim, flow.operand))
        found.append(copied(count, dim, block, inside) if alone else visited(count, dim, block, inside, whole))
    return tuple(one for one in found if one.times > 1)


def visited(count: Counter, dim: str, block: int, inside: frozenset[str], whole: int) -> Repeat:
    """Tiles of a dimension visited one after the other."""
    at = max(block - 1, 0) if dim in inside or block == 0 else block
    return Repeat(dim, count.counted(dim, block, inside), whole, count.tiles[at][dim])


def copied(count: Counter, dim: str, block: int, inside: frozenset[str]) -> Repeat:
    """Tiles of a dimension in elements of the array, each of which has its own."""
    times, whole, own = count.copies(dim, block, inside), count.tiles[0][dim], count.nest.tiles[-1][dim]
    return Repeat(dim, times, whole, own if times == trips(whole, own) else 0)


def sweep(count: Counter, flow: Flow, store: int) -> tuple[int, str]:
    """Elements of one sweep over the weight or the ifmap at a store, and what they are made of."""
    if flow.operand == "weight":
        return count.layer.weight_elems, ""
    block, innermost, _ = count.stepping(flow.inner, "ifmap")
    layer, lengths = count.layer, []
    for output, tap in SPATIAL:
        if count.inside(flow.inner):
            lengths.append(count.wanted(output, tap, block, innermost, sharing=store == flow.outer))
        else:
            lengths.append(count.positions(output, tap, block, innermost))
    planes = layer.n * layer.g * layer.c
    return planes * prod(lengths), f"{planes:,} planes x {lengths[0]:,} rows x {lengths[1]:,} columns"
