"""Tiles of one spatial axis (height or width): what each spans, and what the ifmap costs when it is walked in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.formulas import counts
from costmodel.formulas.counts import ceil_div
from costmodel.formulas.traffic import axis_first, axis_last, clipped_sum, remainder, slides, tile_extent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


class Axis(NamedTuple):
    """Geometry of one axis: output positions, filter taps, stride, dilation, leading padding, ifmap size."""

    outputs: int
    taps: int
    stride: int = 1
    dilation: int = 1
    pad: int = 0
    size: int = 1


@dataclass(frozen=True, eq=False)
class AxisTiles:
    """Candidate tiles of one axis, arrays of equal length (M,).

    ``outputs``/``taps`` are tile sizes, ``output_trips``/``tap_trips`` trip counts, ``extent`` the largest number of
    ifmap positions a tile holds, ``fetched`` the positions fetched in a walk over all tiles, and ``fetched_by_output``
    and ``fetched_by_tap`` the same where the loop over outputs (taps) is innermost and keeps the overlap.
    """

    outputs: Ints
    taps: Ints
    output_trips: Ints
    tap_trips: Ints
    extent: Ints
    fetched: Ints
    fetched_by_output: Ints
    fetched_by_tap: Ints

    def __getitem__(self, index: object) -> AxisTiles:
        """Return the candidates that ``index`` selects."""
        return AxisTiles(**{name: column[index] for name, column in vars(self).items()})


def extents(axis: Axis, outputs: Ints, taps: int, tap: int) -> Ints:
    """Largest clipped extent of the tiles with ``outputs`` outputs and ``taps`` taps from ``tap`` on [positions].

    The clipped extent is concave in the tile index, so its maximum over full tiles is at the indices that bracket the
    two clipping points; the remainder tile is looked at by itself.
    """
    trips = ceil_div(axis.outputs, outputs)
    step = outputs * axis.stride
    start = tap * axis.dilation - axis.pad
    span = tile_extent(outputs, taps, axis.stride, axis.dilation)
    last_full = np.maximum(trips - 2, 0)

    def clipped(index: Ints, count: Ints) -> Ints:
        first = axis_first(index * outputs, tap, axis.stride, axis.dilation, axis.pad, axis.size)
        last = axis_last(
            index * outputs + count - 1, tap + taps - 1, axis.stride, axis.dilation, axis.pad, axis.size
        )
        extent: Ints = np.maximum(last - first, 0)
        return extent

    best = clipped(np.asarray(trips - 1), np.asarray(remainder(axis.outputs, outputs)))
    first, last = -start // step, (axis.size - start - span) // step
    for index in (first, first + 1, first + 2, last, last + 1):
        inside = np.minimum(np.maximum(index, 0), last_full)
        best = np.maximum(best, np.where(trips > 1, clipped(inside, outputs), 0))
    return best


def walk(axis: Axis, outputs: Ints, taps: int, tap: int) -> tuple[Ints, Ints]:
    """Positions fetched over all output tiles at one tap tile: each tile afresh, and with the overlap kept."""
    trips = ceil_div(axis.outputs, outputs)
    step = outputs * axis.stride
    low = tap * axis.dilation - axis.pad
    high = low + tile_extent(outputs, taps, axis.stride, axis.dilation)
    end = axis_last(axis.outputs - 1, tap + taps - 1, axis.stride, axis.dilation, axis.pad, axis.size)
    starts = clipped_sum(low, step, trips, axis.size)
    ends = clipped_sum(high, step, trips - 1, axis.size) + end
    begin = axis_first(0, tap, axis.stride, axis.dilation, axis.pad, axis.size)
    span = (taps - 1) * axis.dilation + 1
    kept = np.where(slides(axis.stride, span) == 1, end - begin, ends - starts)
    return ends - starts, kept


def last_tile(axis: Axis, outputs: Ints, taps: int, tap: int) -> Ints:
    """Positions of the remainder tile of outputs at one tap tile [positions]."""
    first = (ceil_div(axis.outputs, outputs) - 1) * outputs
    low = axis_first(first, tap, axis.stride, axis.dilation, axis.pad, axis.size)
    high = axis_last(axis.outputs - 1, tap + taps - 1, axis.stride, axis.dilation, axis.pad, axis.size)
    return np.asarray(high - low)


def kept_by_tap(axis: Axis, outputs: Ints, fetched: Ints, fetched_last: Ints) -> Ints:
    """Positions fetched where the tap loop is innermost and keeps its overlap, split in full tiles and remainder."""
    whole, _ = walk(axis, outputs, axis.taps, 0)
    whole_last = last_tile(axis, outputs, axis.taps, 0)
    rest = remainder(axis.outputs, outputs)
    full = np.where(
        slides(axis.dilation, (outputs - 1) * axis.stride + 1) == 1, whole - whole_last, fetched - fetched_last
    )
    last = np.where(
        slides(axis.dilation, (rest - 1) * axis.stride + 1) == 1, whole_last, fetched_last
    )
    return np.asarray(full + last)


def tiles_with_taps(axis: Axis, outputs: Ints, taps: int) -> AxisTiles:
    """All candidates with ``taps`` filter taps a tile."""
    fetched = kept = extent = fetched_last = np.zeros_like(outputs)
    for tap in range(0, axis.taps, taps):
        count = min(taps, axis.taps - tap)
        afresh, sliding = walk(axis, outputs, count, tap)
        fetched, kept = fetched + afresh, kept + sliding
        fetched_last = fetched_last + last_tile(axis, outputs, count, tap)
        extent = np.maximum(extent, extents(axis, outputs, count, tap))
    trips = np.full_like(outputs, -(-axis.taps // taps))
    by_tap = kept_by_tap(axis, outputs, fetched, fetched_last) if taps < axis.taps else fetched
    return AxisTiles(
        outputs, np.full_like(outputs, taps), np.asarray(ceil_div(axis.outputs, outputs)), trips, extent, fetched, kept, by_tap
    )


def smallest_tiles(total: int) -> Ints:
    """The smallest tile for each distinct trip count of a loop of ``total`` positions, ascending (at most 2 sqrt(total)).

    >>> smallest_tiles(10)
    array([ 1,  2,  3,  4,  5, 10])
    """
    root = int(total**0.5) + 1
    sizes = {size for count in range(1, min(root, total) + 1) for size in (count, -(-total // count))}
    smallest = {-(-total // size): size for size in sorted(sizes, reverse=True)}  # the last one set is the smallest
    return np.array(sorted(smallest.values()), dtype=np.int64)


def undominated(tiles: AxisTiles) -> AxisTiles:
    """Drop each tile that the smallest tile of its trip count equals or beats in extent and in every walk.

    The smallest tile of a trip count almost always does; clipping at the border, or a stride beyond the filter, can
    make a larger one fetch less.
    """
    first = np.concatenate([[True], tiles.output_trips[1:] != tiles.output_trips[:-1]])
    leader = np.maximum.accumulate(np.where(first, np.arange(first.size), 0))
    better = np.zeros(first.size, dtype=bool)
    for column in (tiles.extent, tiles.fetched, tiles.fetched_by_output, tiles.fetched_by_tap):
        better |= column < column[leader]
    return tiles[first | better]


def joined(parts: list[AxisTiles]) -> AxisTiles:
    """One table of several."""
    return AxisTiles(*(np.concatenate(columns) for columns in zip(*(vars(p).values() for p in parts), strict=True)))


@lru_cache(maxsize=4096)
def touched(axis: Axis) -> int:
    """Distinct ifmap positions that any output needs: what must be fetched at least once [positions]."""
    regular = 0 in (axis.stride % axis.dilation, axis.dilation % axis.stride)
    formula = counts.touched_regular if regular else counts.touched
    return int(np.max(formula(axis.outputs, axis.taps, axis.stride, axis.dilation, axis.pad, axis.size)))


@lru_cache(maxsize=4096)
def whole_filter_tiles(axis: Axis) -> AxisTiles:
    """Every tile with the whole filter that an optimal mapping of ``axis`` can need."""
    return undominated(tiles_with_taps(axis, np.arange(1, axis.outputs + 1, dtype=np.int64), axis.taps))


@lru_cache(maxsize=1024)
def all_tiles(axis: Axis) -> AxisTiles:
    """Every tile that an optimal mapping of ``axis`` can need, parts of the filter included."""
    outputs = np.arange(1, axis.outputs + 1, dtype=np.int64)
    return joined([undominated(tiles_with_taps(axis, outputs, taps)) for taps in range(axis.taps, 0, -1)])
