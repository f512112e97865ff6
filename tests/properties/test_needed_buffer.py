"""The room that a mapping takes: the same mapping is optimal for every buffer from there on to the one it was found for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from costmodel.mapping import Problems, buffer_bits, needed_bits, smallest_buffer_bits, solve
from costmodel.mapping.mapping import DIMS
from tests.oracle.strategies import layers


@given(layer=layers(longest=7, channels=9), slack=st.integers(0, 4000))
def test_room_of_a_mapping(layer, slack):
    """It is what one tile of every operand takes, and the buffer may shrink to it without a loss."""
    problems = Problems.of_layer(layer)
    capacity = smallest_buffer_bits(problems) + slack
    found = solve(problems, capacity)
    (needed,) = needed_bits(problems, found)
    tile = dict(zip(DIMS, found.tile[:, 0].tolist(), strict=True))
    assert needed == buffer_bits(layer, tile)
    assert needed <= capacity
    for smaller in {needed, (needed + capacity) // 2}:
        again = solve(problems, smaller)
        assert total(again) == total(found)


@given(layer=layers(), sizes=st.lists(st.integers(0, 3000), min_size=2, max_size=5))
def test_many_at_once(layer, sizes):
    """Rooms of many problems are those of each by itself."""
    one = Problems.of_layer(layer)
    problems = one[np.zeros(len(sizes), dtype=np.int64)]
    capacities = smallest_buffer_bits(one) + np.array(sizes, dtype=np.int64)
    together = needed_bits(problems, solve(problems, capacities))
    alone = [needed_bits(one, solve(one, int(capacity)))[0] for capacity in capacities]
    assert together == alone


def total(solutions):
    """Bits moved by the only solution."""
    return int(solutions.weight_bits[0] + solutions.ifmap_bits[0] + solutions.ofmap_bits[0])
