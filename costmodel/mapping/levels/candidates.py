"""Candidates for the innermost tile of every dimension: tile of an element, side of the array, elements.

Imported only when a search runs: compiling it loads Numba.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from costmodel.mapping.levels.compiled import compiled
from costmodel.mapping.levels.tables import better

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@compiled
def steps_along(total: int, tile: int, elements: int) -> int:
    """Steps of the array along a dimension spread over elements."""
    if elements == 1:
        return total
    full = -(-total // (tile * elements)) - 1
    return full * tile + min(tile, total - full * tile * elements)


@compiled
def fetches_less(table: Floats, total: int, along_taps: bool, spatial: bool, tile: int, leader: int) -> bool:
    """Whether a larger tile of as many trips can fetch less than a smaller one."""
    return spatial and tile > leader and better(table, total, along_taps, tile, leader)


@compiled
def along(
    total: int, most: int, sides: Ints, spatial: bool, along_taps: bool, table: Floats, own: int = 0, every: bool = False
) -> Ints:
    """Rows (tile, side, elements, array tile, copies, trips, steps) of one dimension.

    ``sides`` (M, 2) are number and size of those that may unroll it. Of the tiles of one number of copies, and of the elements
    of one number of trips, the smallest is taken, and others that take fewer steps or whose clipped extents are smaller.
    Where pinned, tiles of one size alone (``own``), or numbers of elements of ``every`` size.
    """
    rows = []
    for at in range(-1, sides.shape[0]):
        size = sides[at, 1] if at >= 0 else 1
        for many in range(2 if at >= 0 else 1, min(size, total) + 1):
            for tile in range(max(own, 1), (own if own > 0 else most) + 1):
                copies = -(-total // tile)
                first = -(-total // copies)
                trips = -(-copies // many)
                fewest = -(-copies // trips)
                steps, array = steps_along(total, tile, many), min(tile * many, total)
                smallest = own > 0 or tile == first or steps < steps_along(total, first, many)
                smallest = smallest or fetches_less(table, total, along_taps, spatial, tile, first)
                smallest = smallest or fetches_less(table, total, along_taps, spatial, array, min(first * many, total))
                least = every or many == fewest or steps < steps_along(total, tile, fewest)
                least = least or fetches_less(table, total, along_taps, spatial, array, min(tile * fewest, total))
                if smallest and least:
                    rows.append((tile, sides[at, 0] if at >= 0 else -1, many, array, copies, trips, steps))
    found = np.zeros((len(rows), 7), dtype=np.int64)
    for number, row in enumerate(rows):
        for column in range(7):
            found[number, column] = row[column]
    return found
