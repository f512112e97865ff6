"""Addresses: blocks of memory placed so that no two that are alive together overlap.

The least size of such a packing is NP-hard to find (Garey and Johnson 1979, problem SR2, dynamic storage allocation), but it
is never below the most memory alive at once: a packing that reaches this bound is optimal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from costmodel.schedule.liveness import Block

ROUNDS: Final = 1_000
"""Further packings tried where no simple order of placing reaches the bound."""
FORWARD: Final = 32
"""Of these, those in which blocks that stick out are only placed earlier."""
PLACINGS: Final = 40_000
"""Blocks placed in all of them together: about half a second."""


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
    return placed(blocks, sizes, by_size(sizes))


def least_packing(blocks: Sequence[Block], alignment_bytes: int = 1) -> Packing:
    """The smallest packing found; stops at one that is proved.

    Tries several orders of placing, that of :func:`greedy_by_size` first, then improves the best of them.
    """
    sizes = sizes_of(blocks, alignment_bytes)
    order = by_size(sizes)
    best = placed(blocks, sizes, order)
    for key in ORDERS:
        if best.proved:
            return best
        tried = sorted(range(len(blocks)), key=lambda block: key(blocks[block], sizes[block]))
        found = placed(blocks, sizes, tried)
        if found.size_bytes < best.size_bytes:
            best, order = found, tried
    return improved(blocks, sizes, order, best)


def by_size(sizes: Sequence[int]) -> list[int]:
    """Numbers of blocks, the largest first; of two of one size the later one.

    >>> by_size([16, 32, 16])
    [1, 2, 0]
    """
    return sorted(range(len(sizes)), key=lambda block: (-sizes[block], -block))


ORDERS: Final[tuple[Callable[[Block, int], tuple[int, ...]], ...]] = (
    lambda block, size: (-size, block.first),
    lambda block, size: (block.first, -size),
    lambda block, size: (-block.last, -size),
    lambda block, size: (block.first - block.last, -size),
    lambda block, size: (-size * (block.last - block.first + 1), block.first),
)
"""Orders of placing: by size, of equals the first; by beginning, by end, by duration, by size times duration."""


def improved(blocks: Sequence[Block], sizes: Sequence[int], order: list[int], best: Packing) -> Packing:
    """The best packing of a local search over orders of placing.

    Every packing comes from some order of placing, that by address. First, blocks that stick out of the bound are placed
    before all others, again and again; then, from where this began, one at the top changes turns with one that was placed
    before it, and what is not worse stays. The same choices on every call.
    """
    rounds = min(ROUNDS, PLACINGS // max(len(blocks), 1))
    start, found = order, best
    for _ in range(min(FORWARD, rounds)):
        if best.proved:
            return best
        order = forwarded(sizes, order, found)
        found = placed(blocks, sizes, order)
        best = min(best, found, key=size_of)
    return swapping(blocks, sizes, start, best, rounds - FORWARD)


def swapping(blocks: Sequence[Block], sizes: Sequence[int], order: list[int], best: Packing, rounds: int) -> Packing:
    """The best packing when blocks change turns, round after round."""
    choices, found = Random(0), placed(blocks, sizes, order)
    for _ in range(rounds):
        if best.proved:
            break
        changed = swapped(blocks, sizes, order, found, choices)
        tried = placed(blocks, sizes, changed)
        if tried.size_bytes <= found.size_bytes:
            found, order = tried, changed
        best = min(best, found, key=size_of)
    return best


def size_of(packing: Packing) -> int:
    """Memory that a packing spans [B]."""
    return packing.size_bytes


def forwarded(sizes: Sequence[int], order: Sequence[int], found: Packing) -> list[int]:
    """The order with the blocks that stick out of the bound before all others."""
    out = [b for b in order if found.addresses[b] + sizes[b] > found.lower_bound_bytes]
    return [*out, *(b for b in order if b not in set(out))]


def swapped(
    blocks: Sequence[Block], sizes: Sequence[int], order: Sequence[int], found: Packing, choices: Random
) -> list[int]:
    """The order with a block at the top and one before it, alive at some time together with it, in each other's turn."""
    top = choices.choice([b for b in order if found.addresses[b] + sizes[b] == found.size_bytes])
    before = [b for b in order[: order.index(top)] if meet(blocks[b], blocks[top])]
    other = choices.choice(before or [top])
    exchanged = {top: other, other: top}
    return [exchanged.get(block, block) for block in order]


def meet(one: Block, other: Block) -> bool:
    """Whether two blocks are alive at some time together."""
    return one.first <= other.last and other.first <= one.last


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
