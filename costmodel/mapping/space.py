"""Spatial tiles of a layer: the cross product of both axes, and which of them can be part of an optimal mapping."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from costmodel.mapping.axis import Axis, AxisTiles, all_tiles, smallest_tiles, whole_filter_tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Space:
    """Candidate tiles over batch and both axes, float64 arrays (M,) that hold integers exactly.

    ``n p q r s`` tile sizes; ``trips`` tiles over n, p and q; ``tap_trips`` tiles over r and s; ``area`` ifmap positions
    a tile holds; ``sweep`` ifmap positions fetched in one walk over all tiles.
    """

    n: Floats
    p: Floats
    q: Floats
    r: Floats
    s: Floats
    trips: Floats
    tap_trips: Floats
    area: Floats
    sweep: Floats

    def __getitem__(self, index: object) -> Space:
        """Return the candidates that ``index`` selects."""
        return Space(**{name: column[index] for name, column in vars(self).items()})

    def __len__(self) -> int:
        """Return the number of candidates."""
        return int(self.n.size)


LEADERS = 96
LEADER_CELLS = 262144


def crossed(height: AxisTiles, width: AxisTiles, *walks: tuple[str, str]) -> Space:
    """All pairs of a height tile and a width tile; ``sweep`` is the cheapest of the named walks (one image)."""
    h = np.repeat(np.arange(height.outputs.size), width.outputs.size)
    w = np.tile(np.arange(width.outputs.size), height.outputs.size)
    sweep = np.minimum.reduce([getattr(height, a)[h] * getattr(width, b)[w] for a, b in walks])
    columns = (
        np.ones_like(h),
        height.outputs[h],
        width.outputs[w],
        height.taps[h],
        width.taps[w],
        height.output_trips[h] * width.output_trips[w],
        height.tap_trips[h] * width.tap_trips[w],
        height.extent[h] * width.extent[w],
        sweep,
    )
    return Space(*(column.astype(np.float64) for column in columns))


def stacked(*parts: Space) -> Space:
    """One table of several."""
    return Space(*(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True)))


def batched(space: Space, batch: int) -> Space:
    """Each candidate with every useful batch tile; ``area`` stays per image."""
    tiles = smallest_tiles(batch).astype(np.float64)
    if batch == 1:
        return space
    columns = {name: np.tile(column, tiles.size) for name, column in vars(space).items()}
    columns["n"] = np.repeat(tiles, len(space))
    columns["trips"] = columns["trips"] * np.ceil(batch / columns["n"])
    return Space(**columns)


def efficient(space: Space) -> Space:
    """Drop candidates that another one equals or beats in every quantity a cost or a footprint depends on.

    The first undominated ones by the product of these quantities (fewer of a large space) are compared with all others,
    which drops nearly everything that can be dropped. What is left is in order of falling tile size: of equal mappings,
    the one with the largest tiles is found first.
    """
    features = np.stack(
        [
            space.sweep,
            space.trips,
            space.n * space.area,
            space.n * space.p * space.q,
            space.tap_trips,
            space.r * space.s,
        ]
    )
    waiting = np.argsort(np.log1p(features).sum(axis=0), kind="stable")
    features = features[:, waiting]
    leaders: list[np.int64] = []
    for _ in range(max(8, min(LEADERS, LEADER_CELLS // len(space)))):
        if waiting.size == 0:
            break
        leaders.append(waiting[0])
        undominated = np.zeros(waiting.size, dtype=np.bool_)
        for feature in features:
            undominated |= feature < feature[0]
        waiting, features = waiting[undominated], features[:, undominated]
    kept = np.sort(np.concatenate([np.array(leaders, dtype=np.int64), waiting]))
    return space[kept[::-1]]


ROWS_KEPT = ("fetched_by_output", "fetched")
COLUMNS_KEPT = ("fetched", "fetched_by_output")
ROW_TAPS_KEPT = ("fetched_by_tap", "fetched")
COLUMN_TAPS_KEPT = ("fetched", "fetched_by_tap")


@lru_cache(maxsize=2048)
def weight_stationary(height: Axis, width: Axis) -> Space:
    """Whole-filter tiles for weights in place: one output row (or column) at a time, its overlap kept."""
    h, w = whole_filter_tiles(height), whole_filter_tiles(width)
    return stacked(crossed(h[:1], w[::-1], ROWS_KEPT), crossed(h[::-1], w[:1], COLUMNS_KEPT))


@lru_cache(maxsize=2048)
def ifmap_stationary(height: Axis, width: Axis) -> Space:
    """Whole-filter tiles for the ifmap in place: any output tile, the overlap along one axis kept."""
    return efficient(crossed(whole_filter_tiles(height), whole_filter_tiles(width), ROWS_KEPT, COLUMNS_KEPT))


@lru_cache(maxsize=1024)
def ofmap_stationary(batch: int, height: Axis, width: Axis) -> Space:
    """Tiles for the ofmap in place: filter taps innermost, one at a time along one axis, its overlap kept."""
    h, w = all_tiles(height), all_tiles(width)
    rows = crossed(h[h.taps == 1], w, ROW_TAPS_KEPT)
    columns = crossed(h, w[w.taps == 1], COLUMN_TAPS_KEPT)
    everything = stacked(rows, columns)
    tap_free = Space(**{**vars(everything), "tap_trips": np.ones(len(everything))})
    return efficient(batched(efficient(tap_free), batch))


@lru_cache(maxsize=256)
def weight_stationary_split(height: Axis, width: Axis) -> Space:
    """As :func:`weight_stationary` with parts of the filter, for mappings that spill partial sums."""
    h, w = all_tiles(height), all_tiles(width)
    rows = crossed(h[h.outputs == 1], w, ROWS_KEPT)
    return efficient(stacked(rows, crossed(h, w[w.outputs == 1], COLUMNS_KEPT)))


@lru_cache(maxsize=256)
def ifmap_stationary_split(batch: int, height: Axis, width: Axis) -> Space:
    """As :func:`ifmap_stationary` with parts of the filter, for mappings that spill partial sums."""
    walks = (ROWS_KEPT, COLUMNS_KEPT, ROW_TAPS_KEPT, COLUMN_TAPS_KEPT)
    space = efficient(crossed(all_tiles(height), all_tiles(width), *walks))
    return efficient(batched(space, batch))
