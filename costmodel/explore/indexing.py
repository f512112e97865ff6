"""Points of a grid by one number: mixed radix, the last axis fastest."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

MOST_POINTS: Final = 1 << 62
"""Points of a grid whose index, and the sum of two, is a 64-bit integer."""


def grid_size(lengths: Sequence[int]) -> int:
    """Points of a grid with axes of these lengths.

    >>> grid_size([3, 4]), grid_size([])
    (12, 1)
    """
    return prod(lengths)


def digits(indices: Ints, lengths: Sequence[int]) -> list[Ints]:
    """Position on every axis of the points with these indices, one array per axis.

    >>> [column.tolist() for column in digits(np.array([0, 5, 11]), [3, 4])]
    [[0, 1, 2], [0, 1, 3]]
    """
    found: list[Ints] = []
    rest = np.asarray(indices, dtype=np.int64)
    for length in reversed(lengths):
        above = rest // length
        found.append(rest - above * length)
        rest = above
    return found[::-1]


def number(positions: Sequence[Ints], lengths: Sequence[int]) -> Ints:
    """Indices of the points at these positions; the inverse of :func:`digits`.

    >>> number([np.array([1]), np.array([1])], [3, 4]).tolist()
    [5]
    """
    found = np.zeros(positions[0].shape if positions else (1,), dtype=np.int64)
    for position, length in zip(positions, lengths, strict=True):
        found = found * length + position
    return found
