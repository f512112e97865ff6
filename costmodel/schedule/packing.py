"""Addresses: blocks of memory placed so that no two that are alive together overlap.

The least size of such a packing is NP-hard to find (Garey and Johnson 1979, problem SR2, dynamic storage allocation), but it
is never below the most memory alive at once: a packing that reaches this bound is optimal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from costmodel.schedule.liveness import Block

ROUNDS: Final = 64
"""Further packings tried where no simple order of placing reaches the bound."""


@dataclass(frozen=True)
class Packing:
    """Address of every block, the memory that they span, and the most of it alive at once [B].

    All of them are multiples of the alignment that was asked for.
    """

    addresses: tuple[int, ...]
    size_bytes: int
    lower_bound_bytes: int

    @property
    def proved(self) -> bool:
        """Whether no packing is smaller."""
        return self.size_bytes == self.lower_bound_bytes


def aligned(size_bytes: int, alignment_bytes: int) -> int:
    """The size rounded up to whole multiples of the alignment [B].

    >>> aligned(17, 16), aligned(32, 16)
    (32, 32)
    """
    return -(-size_bytes // alignment_bytes) * alignment_bytes


def greedy_by_size(blocks: Sequence[Block], alignment_bytes: int = 1) -> Packing:
    """Packing of TensorFlow Lite for Microcontrollers: the largest block first, each at the lowest gap that holds it.

    As ``GreedyMemoryPlanner`` does: sizes are rounded up to the alignment, of two blocks of one size the later one is placed
    first, and the gaps are those between blocks placed already that are alive at some time together with the new one.
    """
    sizes = sizes_of(blocks, alignment_bytes)
    order = sorted(range(len(blocks)), key=lambda block: (-sizes[block], -block))
    return placed(blocks, sizes, order)


def least_packing(blocks: Sequence[Block], alignment_bytes: int = 1) -> Packing:
    """The smallest packing found; stops at one that is proved.

    Tries several orders of placing; then, from the best of them, lets the blocks that stick out of the bound be placed
    before the others, again and again.
    """
    sizes = sizes_of(blocks, alignment_bytes)
    best, order = None, list(range(len(blocks)))
    for key in ORDERS:
        tried = sorted(range(len(blocks)), key=lambda block: key(blocks[block], sizes[block]))
        found = placed(blocks, sizes, tried)
        if best is None or found.size_bytes < best.size_bytes:
            best, order = found, tried
        if best.proved:
            return best
    return improved(blocks, sizes, order, best or placed(blocks, sizes, order))


ORDERS: Final[tuple[Callable[[Block, int], tuple[int, ...]], ...]] = (
    lambda block, size: (-size, block.first),
    lambda block, size: (block.first, -size),
    lambda block, size: (-block.last, -size),
    lambda block, size: (block.first - block.last, -size),
    lambda block, size: (-size * (block.last - block.first + 1), block.first),
)
"""Orders of placing: by size, by beginning, by end, by duration, by size times duration."""


def improved(blocks: Sequence[Block], sizes: Sequence[int], order: list[int], best: Packing) -> Packing:
    """The best packing when blocks that stick out of the bound are placed first, again and again."""
    found = best
    for _ in range(ROUNDS):
        out = [b for b in order if found.addresses[b] + sizes[b] > best.lower_bound_bytes]
        order = [*out, *(b for b in order if b not in set(out))]
        found = placed(blocks, sizes, order)
        if found.size_bytes < best.size_bytes:
            best = found
        if best.proved:
            break
    return best


def sizes_of(blocks: Iterable[Block], alignment_bytes: int) -> list[int]:
    """Sizes rounded up to the alignment [B]."""
    return [aligned(block.size_bytes, alignment_bytes) for block in blocks]


def placed(blocks: Sequence[Block], sizes: Sequence[int], order: Iterable[int]) -> Packing:
    """Blocks placed one after another, each at the lowest gap that holds it."""
    first, last = (np.array([getattr(block, end) for block in blocks], dtype=np.int64) for end in ("first", "last"))
    done = np.zeros(len(blocks), dtype=np.bool_)
    addresses = [0] * len(blocks)
    for block in order:
        beside = np.flatnonzero(done & (first <= last[block]) & (first[block] <= last)).tolist()
        taken = sorted((addresses[b], addresses[b] + sizes[b]) for b in beside)
        addresses[block] = lowest_gap(taken, sizes[block])
        done[block] = True
    size_bytes = max((a + s for a, s in zip(addresses, sizes, strict=True)), default=0)
    return Packing(tuple(addresses), size_bytes, most_alive(blocks, sizes))


def lowest_gap(taken: Iterable[tuple[int, int]], size_bytes: int) -> int:
    """Lowest address at which a size fits between intervals sorted by their beginning [B].

    >>> lowest_gap([(0, 16), (32, 64)], 16), lowest_gap([(0, 16), (32, 64)], 17)
    (16, 64)
    """
    address = 0
    for begin, end in taken:
        if begin - address >= size_bytes:
            break
        address = max(address, end)
    return address


def most_alive(blocks: Sequence[Block], sizes: Sequence[int]) -> int:
    """The most memory alive at once [B]."""
    change: dict[int, int] = {}
    for block, size in zip(blocks, sizes, strict=True):
        change[block.first] = change.get(block.first, 0) + size
        change[block.last + 1] = change.get(block.last + 1, 0) - size
    alive = most = 0
    for position in sorted(change):
        alive += change[position]
        most = max(most, alive)
    return most
