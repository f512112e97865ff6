"""Off-chip traffic of one layer under a given tile and loop order: the mapspace, in closed form.

This is the definition the search is tested against, and is itself tested against a simulation of the loop nest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.formulas.traffic import moved_ofmap_bits
from costmodel.mapping.axis import Axis, AxisTiles, tiles_with_taps

if TYPE_CHECKING:
    from collections.abc import Mapping as Map
    from collections.abc import Sequence

RELEVANT = {
    "weight": frozenset("gkcrs"),
    "ifmap": frozenset("ngcpqrs"),
    "ofmap": frozenset("ngkpq"),
}
"""Loop dimensions that select which part of an operand a tile holds."""


@dataclass(frozen=True)
class Layer:
    """One row of the layer table on its own: loop dimensions per group, geometry, operand widths in bits.

    ``weight_count`` and ``ofmap_count`` are the elements of one sweep over the operand where the loops only bound them.
    """

    n: int = 1
    g: int = 1
    k: int = 1
    c: int = 1
    p: int = 1
    q: int = 1
    r: int = 1
    s: int = 1
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    pad_top: int = 0
    pad_left: int = 0
    ifmap_h: int = 1
    ifmap_w: int = 1
    weight_bits: int = 8
    ifmap_bits: int = 8
    ofmap_bits: int = 8
    psum_bits: int = 32
    weight_count: int | None = None
    ofmap_count: int | None = None

    @property
    def height(self) -> Axis:
        """Geometry of the p and r loops."""
        return Axis(self.p, self.r, self.stride_h, self.dilation_h, self.pad_top, self.ifmap_h)

    @property
    def width(self) -> Axis:
        """Geometry of the q and s loops."""
        return Axis(self.q, self.s, self.stride_w, self.dilation_w, self.pad_left, self.ifmap_w)

    @property
    def weight_elems(self) -> int:
        """Elements of the weight operand of all groups."""
        if self.weight_count is not None:
            return self.weight_count
        return self.g * self.k * self.c * self.r * self.s

    @property
    def ofmap_elems(self) -> int:
        """Elements of the ofmap."""
        if self.ofmap_count is not None:
            return self.ofmap_count
        return self.n * self.g * self.k * self.p * self.q


class Traffic(NamedTuple):
    """Bits that cross the boundary, per operand; the ofmap's include partial sums written and read back."""

    weight_bits: int
    ifmap_bits: int
    ofmap_bits: int

    @property
    def bits(self) -> int:
        """All operands together."""
        return self.weight_bits + self.ifmap_bits + self.ofmap_bits


def tile_trips(layer: Layer, tile: Map[str, int]) -> dict[str, int]:
    """Number of tiles along each loop dimension."""
    return {dim: -(-getattr(layer, dim) // tile[dim]) for dim in tile}


@lru_cache(maxsize=65536)
def axis_row(axis: Axis, outputs: int, taps: int) -> AxisTiles:
    """Extent and fetches of one tile size along one axis, as arrays of length 1."""
    return tiles_with_taps(axis, np.array([outputs], dtype=np.int64), taps)


def buffer_bits(layer: Layer, tile: Map[str, int]) -> int:
    """Bits that one tile of every operand takes (before double buffering)."""
    trips = tile_trips(layer, tile)
    t = dict(tile)
    height, width = axis_row(layer.height, t["p"], t["r"]), axis_row(layer.width, t["q"], t["s"])
    unfinished = trips["c"] * trips["r"] * trips["s"] > 1
    weight = t["g"] * t["k"] * t["c"] * t["r"] * t["s"]
    ifmap = t["n"] * t["g"] * t["c"] * int(height.extent[0]) * int(width.extent[0])
    ofmap = t["n"] * t["g"] * t["k"] * t["p"] * t["q"]
    return (
        weight * layer.weight_bits
        + ifmap * layer.ifmap_bits
        + ofmap * (layer.psum_bits if unfinished else layer.ofmap_bits)
    )


def refetches(operand: str, loops: Sequence[str], trips: Map[str, int]) -> int:
    """How often an operand is swept: trips of the irrelevant loops outside its innermost relevant loop."""
    relevant = [i for i, dim in enumerate(loops) if dim in RELEVANT[operand]]
    outside = loops[: relevant[-1]] if relevant else ()
    return prod(trips[dim] for dim in outside if dim not in RELEVANT[operand])


def ifmap_sweep(layer: Layer, tile: Map[str, int], loops: Sequence[str]) -> int:
    """Ifmap elements fetched in one sweep, the overlap along the innermost relevant loop kept on chip."""
    height, width = axis_row(layer.height, tile["p"], tile["r"]), axis_row(layer.width, tile["q"], tile["s"])
    innermost = next((dim for dim in reversed(loops) if dim in RELEVANT["ifmap"]), "")
    kept = {"p": "fetched_by_output", "r": "fetched_by_tap"}.get(innermost, "fetched")
    rows = getattr(height, kept)[0]
    kept = {"q": "fetched_by_output", "s": "fetched_by_tap"}.get(innermost, "fetched")
    columns = getattr(width, kept)[0]
    return layer.n * layer.g * layer.c * int(rows) * int(columns)


def traffic(layer: Layer, tile: Map[str, int], order: Sequence[str]) -> Traffic:
    """Bits moved across the boundary for one tile and one order of the eight loops, outermost first."""
    trips = tile_trips(layer, tile)
    loops = tuple(dim for dim in order if trips[dim] > 1)
    passes = refetches("ofmap", loops, trips)
    return Traffic(
        layer.weight_elems * layer.weight_bits * refetches("weight", loops, trips),
        ifmap_sweep(layer, tile, loops) * layer.ifmap_bits * refetches("ifmap", loops, trips),
        int(moved_ofmap_bits(layer.ofmap_elems, passes, layer.ofmap_bits, layer.psum_bits)),
    )
