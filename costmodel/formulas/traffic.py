"""Off-chip traffic of one layer across one memory boundary: extents, fetches and partial sums.

Every function takes scalars or arrays of equal shape and is exact in integers below 2**52 (values may be held as float64).
The model and its proof are in ``docs/models/traffic.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodel.formulas.counts import ceil_div

__all__ = [
    "axis_first",
    "axis_last",
    "clipped_sum",
    "moved_ofmap_bits",
    "remainder",
    "slides",
    "tile_extent",
]


def remainder(total: Any, tile: Any) -> Any:
    """Size of the last tile of a loop [positions]: ``total - (ceil(total / tile) - 1) * tile``.

    >>> remainder(55, 14)
    13
    """
    return total - (ceil_div(total, tile) - 1) * tile


def tile_extent(outputs: Any, taps: Any, stride: Any, dilation: Any) -> Any:
    """Input positions spanned by ``outputs`` outputs and ``taps`` filter taps along one axis [positions].

    ``(outputs - 1) * stride + (taps - 1) * dilation + 1``; ignores padding and the end of the ifmap.

    >>> tile_extent(14, 11, 4, 1)
    63
    """
    return (outputs - 1) * stride + (taps - 1) * dilation + 1


def axis_first(output: Any, tap: Any, stride: Any, dilation: Any, pad: Any, size: Any) -> Any:
    """First input position under ``output`` and ``tap``, clipped to the ifmap ``[0, size]`` [position].

    >>> int(axis_first(0, 0, 1, 1, 2, 27))
    0
    """
    return np.minimum(np.maximum(output * stride + tap * dilation - pad, 0), size)


def axis_last(output: Any, tap: Any, stride: Any, dilation: Any, pad: Any, size: Any) -> Any:
    """One past the input position under ``output`` and ``tap``, clipped to ``[0, size]`` [position].

    >>> int(axis_last(26, 4, 1, 1, 2, 27))
    27
    """
    return np.minimum(np.maximum(output * stride + tap * dilation - pad + 1, 0), size)


def clipped_sum(start: Any, step: Any, count: Any, top: Any) -> Any:
    """Sum of ``clip(start + i * step, 0, top)`` for ``i = 0 .. count - 1`` [positions]; ``step >= 1``, ``top >= 0``.

    The terms at or below zero vanish, those at or above ``top`` count ``top``, the rest is an arithmetic series.

    >>> int(clipped_sum(-2, 3, 4, 6))  # 0 + 1 + 4 + 6
    11
    """
    zero = np.minimum(np.maximum(ceil_div(-start, step), 0), count)
    below = np.maximum(np.minimum(np.maximum(ceil_div(top - start, step), 0), count), zero)
    inside = below - zero
    series = inside * start + step * ((zero + below - 1) * inside // 2)
    return series + (count - below) * top


def slides(shift: Any, span: Any) -> Any:
    """1 where two tiles of ``span`` positions, ``shift`` apart, touch or overlap, else 0 [flag].

    Where they do, keeping the overlap makes consecutive fetches add up to the union of the tiles.

    >>> int(slides(4, 11)), int(slides(2, 1))
    (1, 0)
    """
    return np.where(shift <= span, 1, 0)[()]


def moved_ofmap_bits(ofmap_elems: Any, passes: Any, ofmap_bits: Any, psum_bits: Any) -> Any:
    """Bits written and read back for an ofmap accumulated in ``passes`` visits [bits].

    ``ofmap_elems * (ofmap_bits + 2 * (passes - 1) * psum_bits)``: each unfinished visit leaves at partial-sum width
    and is read back; the last leaves at ofmap width.

    >>> moved_ofmap_bits(10, 1, 8, 32), moved_ofmap_bits(10, 3, 8, 32)
    (80, 1360)
    """
    return ofmap_elems * (ofmap_bits + 2 * (passes - 1) * psum_bits)
