"""Huffman codes: the lengths of an optimal prefix code, and what they average to."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def huffman_bits(weights: Sequence[float]) -> float:
    """Size of symbols in an optimal prefix code [bits]: their number times their length, summed.

    Every merge of the two lightest groups lengthens the codes within by one bit, so the size is the sum of what is merged.
    One symbol alone takes one bit. Symbols that do not occur have no code.

    Parameters
    ----------
    weights
        How often every symbol occurs; shares of one give the average length.

    Examples
    --------
    >>> huffman_bits([4, 2, 1, 1]), huffman_bits([0.5, 0.5]), huffman_bits([7, 0])
    (14, 1.0, 7)
    """
    heap = [weight for weight in weights if weight > 0]
    if len(heap) < 2:
        return sum(heap)
    heapify(heap)
    size: float = 0
    while len(heap) > 1:
        merged = heappop(heap) + heappop(heap)
        size += merged
        heappush(heap, merged)
    return size


def entropy_bits(weights: Sequence[float]) -> float:
    """Entropy of symbols times their number [bits]: no code of single symbols takes less.

    >>> entropy_bits([4, 2, 1, 1])
    14.0
    """
    found = np.array([weight for weight in weights if weight > 0], dtype=np.float64)
    return float(-(found * np.log2(found / found.sum())).sum()) if found.size else 0.0
