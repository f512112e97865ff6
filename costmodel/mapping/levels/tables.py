"""Ifmap positions of every tile size of an axis, as arrays: what the search looks up instead of walking tiles.

Imported only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from costmodel.mapping.axis import touched
from costmodel.mapping.levels.compiled import compiled, lean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.mapping.axis import Axis

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

EXTENT, FULL_TAPS, LAST_TAPS, FULL_OUTPUTS, LAST_OUTPUTS = range(5)
"""Positions of the largest tile; positions fetched by all tiles, split into those whose taps (outputs) are a full tile's and
the rest."""


@lean
def span(first: int, outputs: int, tap: int, taps: int, stride: int, dilation: int, pad: int, size: int) -> int:
    """Positions under some outputs and taps, less what lies in the padding or beyond the ifmap."""
    low = first * stride + tap * dilation - pad
    high = (first + outputs - 1) * stride + (tap + taps - 1) * dilation - pad + 1
    return max(min(max(high, 0), size) - min(max(low, 0), size), 0)


@lean
def fill(table: Floats, outputs: int, taps: int, stride: int, dilation: int, pad: int, size: int) -> None:
    """Write all columns of one axis: ``table[which, tile outputs, tile taps]``."""
    for o in range(1, outputs + 1):
        for t in range(1, taps + 1):
            for first in range(0, outputs, o):
                count = min(o, outputs - first)
                for tap in range(0, taps, t):
                    length = min(t, taps - tap)
                    fetched = span(first, count, tap, length, stride, dilation, pad, size)
                    table[0, o, t] = max(table[0, o, t], fetched)
                    table[1 if length == t else 2, o, t] += fetched
                    table[3 if count == o else 4, o, t] += fetched


@compiled
def irregular(table: Floats, total: int, along_taps: bool) -> Ints:
    """Flag every trip count of which, or of a divided one of which, the smallest tile is not the best in every column."""
    bad = np.zeros(total + 1, dtype=np.int64)
    for tile in range(2, total + 1):
        trips = -(-total // tile)
        if -(-total // (tile - 1)) == trips and beats(table, along_taps, tile, tile - 1):
            bad[trips] = 1
    closed = bad.copy()
    for trips in range(1, total + 1):
        for factor in range(2, trips + 1):
            if bad[-(-trips // factor)]:
                closed[trips] = 1
    return closed


@lean
def beats(table: Floats, along_taps: bool, tile: int, other: int) -> bool:
    """Whether a tile has fewer positions than another in any column, whatever the tile of the other loop of the axis."""
    for column in range(5):
        if along_taps:
            for outputs in range(1, table.shape[1]):
                if table[column, outputs, tile] < table[column, outputs, other]:
                    return True
        else:
            for taps in range(1, table.shape[2]):
                if table[column, tile, taps] < table[column, other, taps]:
                    return True
    return False


@lean
def better(table: Floats, total: int, along_taps: bool, tile: int, leader: int) -> bool:
    """Whether a tile, or a multiple of it, beats the same multiple of a smaller tile of as many trips in any column."""
    factor = 1
    while tile * factor < total:
        if beats(table, along_taps, tile * factor, leader * factor):
            return True
        factor += 1
    return False


@lru_cache(maxsize=128)
def axis_table(axis: Axis) -> Floats:
    """Table of an axis, (5, outputs + 1, taps + 1); row and column 0 of the first flag irregular trips of outputs and taps."""
    table = np.zeros((5, axis.outputs + 1, axis.taps + 1))
    fill(table, axis.outputs, axis.taps, axis.stride, axis.dilation, axis.pad, axis.size)
    outputs, taps = irregular(table, axis.outputs, False), irregular(table, axis.taps, True)
    table[0, :, 0], table[0, 0, :] = outputs, taps
    return table


def spans_of(height: Axis, width: Axis) -> Floats:
    """Tables of both axes, padded to the same size."""
    tables = axis_table(height), axis_table(width)
    spans = np.zeros((2, 5, max(height.outputs, width.outputs) + 1, max(height.taps, width.taps) + 1))
    for axis, table in enumerate(tables):
        spans[axis, :, : table.shape[1], : table.shape[2]] = table
    return spans


@lru_cache(maxsize=1024)
def least_fetched(axis: Axis) -> float:
    """Positions that any walk fetches at least: the least of either split, part by part, or those that are needed at all."""
    table = axis_table(axis)
    by_taps = (table[FULL_TAPS, 1:, 1:].min(axis=0) + table[LAST_TAPS, 1:, 1:].min(axis=0)).min()
    by_outputs = (table[FULL_OUTPUTS, 1:, 1:].min(axis=1) + table[LAST_OUTPUTS, 1:, 1:].min(axis=1)).min()
    return float(min(by_taps, by_outputs, touched(axis)))


@lean
def cover(
    table: Floats, total: int, total_taps: int, stride: int, dilation: int, outputs: int, taps: int,
    outer_outputs: int, outer_taps: int, loop: int,
) -> float:
    """Positions fetched by tiles of an axis: each afresh (loop 0), or kept while outputs (1) or taps (2) advance."""
    if loop == 1:
        rest = total_taps % taps
        full = outer_outputs if stride <= (taps - 1) * dilation + 1 else outputs
        last = outer_outputs if stride <= (rest - 1) * dilation + 1 else outputs
        return float(table[1, full, taps] + table[2, last, taps])
    if loop == 2:
        rest = total % outputs
        full = outer_taps if dilation <= (outputs - 1) * stride + 1 else taps
        last = outer_taps if dilation <= (rest - 1) * stride + 1 else taps
        return float(table[3, outputs, full] + table[4, outputs, last])
    return float(table[1, outputs, taps] + table[2, outputs, taps])


@compiled
def wanted(
    outputs: int, taps: int, gaps: Ints, geometry: Ints, tile: int, many: int, tap_tile: int, tap_many: int
) -> float:
    """Distinct positions that neighbours in the array want, ``many`` tiles of outputs by ``tap_many`` of taps at a time."""
    stride, dilation, pad, size = gaps[0], gaps[1], geometry[0], geometry[1]
    total = 0
    marked = np.full(size + 1, -1, dtype=np.int64)
    group = 0
    for first in range(0, outputs, tile * many):
        for tap in range(0, taps, tap_tile * tap_many):
            for o in range(first, min(first + tile * many, outputs), tile):
                for t in range(tap, min(tap + tap_tile * tap_many, taps), tap_tile):
                    low = o * stride + t * dilation - pad
                    high = (min(o + tile, outputs) - 1) * stride + (min(t + tap_tile, taps) - 1) * dilation - pad
                    for position in range(max(low, 0), min(high + 1, size)):
                        if marked[position] != group:
                            marked[position] = group
                            total += 1
            group += 1
    return float(total)
