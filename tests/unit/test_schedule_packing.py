"""Addresses: the greedy planner by hand, alignment, and better packings."""

from __future__ import annotations

import pytest

from costmodel.schedule.liveness import Block
from costmodel.schedule.packing import (
    ORDERS,
    Packing,
    aligned,
    by_size,
    greedy_by_size,
    least_packing,
    lowest_gap,
    most_alive,
    placed,
)


def block(size, first, last):
    """Build a block of one buffer."""
    return Block((0,), size, first, last)


def test_blocks_that_never_meet_share_an_address():
    """One after another in the same place."""
    assert greedy_by_size([block(8, 0, 1), block(4, 2, 3)]) == Packing((0, 0), 8, 8)


def test_the_largest_is_placed_first():
    """Whatever the order in which they are listed."""
    assert greedy_by_size([block(4, 0, 1), block(8, 1, 2)]).addresses == (8, 0)


def test_of_equals_the_later_one_is_placed_first():
    """As the planner of TFLite Micro, which reads its list backwards."""
    assert greedy_by_size([block(8, 0, 1), block(8, 1, 2)]).addresses == (8, 0)
    assert by_size([8, 8, 9]) == [2, 1, 0]


def test_a_gap_that_holds_a_block_is_used():
    """Between two blocks alive at that time, and not beside one that is gone."""
    found = greedy_by_size([block(10, 0, 9), block(9, 0, 2), block(8, 1, 9), block(3, 3, 4)])
    assert found.addresses == (0, 10, 19, 10)
    assert found == Packing((0, 10, 19, 10), 27, 27)


@pytest.mark.parametrize(("size", "alignment", "expected"), [(0, 16, 0), (1, 16, 16), (16, 16, 16), (17, 16, 32), (7, 1, 7)])
def test_sizes_are_rounded_up(size, alignment, expected):
    """To whole multiples."""
    assert aligned(size, alignment) == expected


def test_alignment_moves_what_comes_after():
    """A block of one byte takes 16 before the next one."""
    assert greedy_by_size([block(1, 0, 1), block(17, 0, 1)], 16) == Packing((32, 0), 48, 48)


WASTED = [block(2, 0, 2), block(2, 2, 3), block(3, 3, 4), block(4, 0, 0)]
"""Placing the 4 first, then the 3, leaves the first 2 only a place above both: 7 bytes where 6 are alive at most."""


def test_the_greedy_planner_can_waste():
    """Another order of placing reaches the bound, and is thereby proved."""
    assert greedy_by_size(WASTED) == Packing((5, 3, 0, 0), 7, 6)
    assert least_packing(WASTED) == Packing((4, 0, 2, 0), 6, 6)


def test_a_proof_is_the_bound_reached():
    """What is alive together cannot be packed into less; more than that is not proved."""
    assert not greedy_by_size(WASTED).proved
    assert least_packing(WASTED).proved


TANGLED = [block(4, 2, 4), block(3, 0, 1), block(2, 1, 1), block(3, 1, 3)]
"""No simple order of placing reaches the 8 bytes alive at position 1."""


def test_a_local_search_follows():
    """It finds one that does, and the same one on every call."""
    simple = min(placed(TANGLED, [b.size_bytes for b in TANGLED], order).size_bytes for order in simple_orders(TANGLED))
    assert simple > 8
    assert least_packing(TANGLED).size_bytes == 8
    assert least_packing(TANGLED) == least_packing(TANGLED)


def simple_orders(blocks):
    """Return the orders of placing that are tried before the local search."""
    sizes = [b.size_bytes for b in blocks]
    numbers = range(len(blocks))
    return [by_size(sizes), *(sorted(numbers, key=lambda b, key=key: key(blocks[b], sizes[b])) for key in ORDERS)]


def test_nothing_to_place():
    """No block, no memory."""
    assert greedy_by_size([]) == least_packing([]) == Packing((), 0, 0)


def test_the_lowest_gap():
    """From address 0, between intervals that may overlap, or after all of them."""
    assert lowest_gap([], 5) == 0
    assert lowest_gap([(5, 9)], 5) == 0
    assert lowest_gap([(0, 9), (2, 4), (12, 20)], 3) == 9
    assert lowest_gap([(0, 9), (2, 4), (12, 20)], 4) == 20


def test_the_most_alive():
    """Ends are included."""
    assert most_alive([block(3, 0, 2), block(4, 2, 3), block(5, 3, 9)], [3, 4, 5]) == 9
