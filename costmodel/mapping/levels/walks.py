"""Ifmap positions that a walk over the tiles of one axis fetches."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from costmodel.formulas.traffic import axis_first, axis_last

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from costmodel.mapping.axis import Axis


def parts(total: int, size: int) -> Iterator[tuple[int, int]]:
    """First index and length of every tile of a loop."""
    for first in range(0, total, size):
        yield first, min(size, total - first)


def interval(axis: Axis, outputs: tuple[int, int], taps: tuple[int, int]) -> tuple[int, int]:
    """First position under some outputs and taps, and one past the last; what lies in the padding is left out."""
    first = axis_first(outputs[0], taps[0], axis.stride, axis.dilation, axis.pad, axis.size)
    last = axis_last(sum(outputs) - 1, sum(taps) - 1, axis.stride, axis.dilation, axis.pad, axis.size)
    return int(first), int(last)


def positions(axis: Axis, outputs: tuple[int, int], taps: tuple[int, int]) -> int:
    """Positions under some outputs and taps, each given as first index and count, less what lies in the padding."""
    first, last = interval(axis, outputs, taps)
    return max(last - first, 0)


@lru_cache(maxsize=8192)
def largest(axis: Axis, outputs: int, taps: int) -> int:
    """Positions of the largest tile."""
    spans = (positions(axis, o, t) for o in parts(axis.outputs, outputs) for t in parts(axis.taps, taps))
    return max(spans)


@lru_cache(maxsize=8192)
def afresh(axis: Axis, outputs: int, taps: int) -> int:
    """Positions fetched where every tile is fetched whole."""
    return sum(positions(axis, o, t) for o in parts(axis.outputs, outputs) for t in parts(axis.taps, taps))


@lru_cache(maxsize=8192)
def distinct(axis: Axis, outputs: tuple[int, int], taps: tuple[int, int]) -> int:
    """Positions read where several elements of an array work side by side, what several want once.

    ``outputs`` and ``taps`` are the size of an element's tile and how many neighbours share what they read. Between tiles that
    do not touch lie positions that no element wants.
    """
    total = 0
    for many in product(parts(axis.outputs, outputs[0] * outputs[1]), parts(axis.taps, taps[0] * taps[1])):
        (first, count), (tap, width) = many
        total += union(
            interval(axis, (first + o, size), (tap + t, span))
            for o, size in parts(count, outputs[0])
            for t, span in parts(width, taps[0])
        )
    return total


def union(intervals: Iterable[tuple[int, int]]) -> int:
    """Positions in any of several intervals, each given as first and one past the last."""
    total, reached = 0, 0
    for first, last in sorted(intervals):
        total += max(last - max(first, reached), 0)
        reached = max(last, reached)
    return total


@lru_cache(maxsize=8192)
def along_outputs(axis: Axis, outputs: int, taps: int, outer: int) -> int:
    """Positions fetched where a walk over the outputs of a tile of ``outer`` outputs keeps what neighbours share.

    Neighbours share, or at least touch, where the stride is no longer than the taps of a tile span.
    """
    total = 0
    for tap in parts(axis.taps, taps):
        step = outer if axis.stride <= (tap[1] - 1) * axis.dilation + 1 else outputs
        for at, size in parts(axis.outputs, outer):
            total += sum(positions(axis, (at + first, count), tap) for first, count in parts(size, step))
    return total


@lru_cache(maxsize=8192)
def along_taps(axis: Axis, outputs: int, taps: int, outer: int) -> int:
    """Positions fetched where a walk over the taps of a tile of ``outer`` taps keeps what neighbours share."""
    total = 0
    for output in parts(axis.outputs, outputs):
        step = outer if axis.dilation <= (output[1] - 1) * axis.stride + 1 else taps
        for at, size in parts(axis.taps, outer):
            total += sum(positions(axis, output, (at + first, count)) for first, count in parts(size, step))
    return total
