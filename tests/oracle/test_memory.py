"""The order of least memory equals brute force, the timeline equals a literal execution, and addresses never collide."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.schedule.liveness import Block, blocks, liveness
from costmodel.schedule.order import least_memory_order, least_of_steps, program_order
from costmodel.schedule.packing import greedy_by_size, least_packing
from tests.oracle.programs import executed, program, programs, topological

CASES = settings(max_examples=1000)
FEWER = settings(max_examples=300)


def peak(found, order, *, in_place):
    """Return the bytes that a literal execution holds at its peak."""
    return max(bytes_held for bytes_held, _ in executed(found, order, in_place=in_place))


@CASES
@given(programs(), st.booleans())
def test_the_least_order_is_the_minimum_over_all_orders(found, in_place):
    """Of all topological orders, none needs less; the program's own is kept where it is one of the best."""
    order = least_memory_order(found, in_place=in_place)
    peaks = {steps: peak(found, steps, in_place=in_place) for steps in topological(found)}

    assert order.steps in peaks
    assert order.peak_bits == 8 * peaks[order.steps] == 8 * min(peaks.values())
    assert order.proved
    own = tuple(range(len(found.steps)))
    assert order.steps == own or peaks[own] > peaks[order.steps]


@CASES
@given(programs(5), st.booleans(), st.data())
def test_the_timeline_is_that_of_a_literal_execution(found, in_place, data):
    """Bytes and buffers alive at every step, in any order."""
    order = data.draw(st.sampled_from(topological(found)))
    timeline = liveness(found, order, in_place=in_place)
    trace = executed(found, order, in_place=in_place)

    assert list(timeline.live_bytes) == [held for held, _ in trace]
    assert [timeline.alive(position) for position in range(len(order))] == [held for _, held in trace]


@FEWER
@given(programs(5), st.booleans(), st.integers(1, 6))
def test_a_search_that_is_cut_short_is_still_bounded(found, in_place, most_sets):
    """Whatever the limit: a valid order, at least as good as the program's, and a bound under the true minimum."""
    order = least_memory_order(found, in_place=in_place, most_sets=most_sets)
    peaks = {steps: peak(found, steps, in_place=in_place) for steps in topological(found)}

    assert order.peak_bits == 8 * peaks[order.steps] <= 8 * peaks[tuple(range(len(found.steps)))]
    assert least_of_steps(found, in_place=in_place) <= order.lower_bound_bits <= 8 * min(peaks.values())


@FEWER
@given(programs(), st.booleans())
def test_bounds_are_in_order(found, in_place):
    """Least of the steps, least order, program order, and the sum of all buffers; in place never needs more."""
    least = least_memory_order(found, in_place=in_place)
    own = program_order(found, in_place=in_place)
    everything = 8 * sum((buffer.bits + 7) // 8 for buffer in found.buffers)

    assert own.lower_bound_bits <= least.lower_bound_bits <= least.peak_bits <= own.peak_bits <= everything
    assert least_memory_order(found, in_place=True).peak_bits <= least_memory_order(found, in_place=False).peak_bits


# ---- addresses


@st.composite
def memories(draw):
    """Draw blocks with sizes and lifetimes."""
    spans = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(1, 70)), max_size=9))
    return [Block((number,), size, first, first + more) for number, (first, more, size) in enumerate(spans)]


def collisions(found, packing, alignment):
    """Return pairs of blocks that share a byte at some time."""
    sizes = [rounded(block, alignment) for block in found]
    return [
        (one, two)
        for one, two in combinations(range(len(found)), 2)
        if set(range(found[one].first, found[one].last + 1)) & set(range(found[two].first, found[two].last + 1))
        and set(range(packing.addresses[one], packing.addresses[one] + sizes[one]))
        & set(range(packing.addresses[two], packing.addresses[two] + sizes[two]))
    ]


def most_alive(found, alignment):
    """Return the most bytes alive together, looking at every position."""
    return max(
        (
            sum(rounded(b, alignment) for b in found if b.first <= position <= b.last)
            for position in range(20)
        ),
        default=0,
    )


@pytest.mark.parametrize("pack", [greedy_by_size, least_packing])
@CASES
@given(memories(), st.sampled_from([1, 4, 16]))
def test_addresses_never_collide(pack, found, alignment):
    """No byte is used twice at one time; addresses are aligned; the arena is never below what is alive."""
    packing = pack(found, alignment)

    assert collisions(found, packing, alignment) == []
    assert all(address % alignment == 0 for address in packing.addresses)
    assert packing.lower_bound_bytes == most_alive(found, alignment) <= packing.size_bytes
    assert packing.proved == (packing.size_bytes == most_alive(found, alignment))


@FEWER
@given(memories(), st.sampled_from([1, 16]))
def test_the_greedy_packing_is_that_of_tflite_micro(found, alignment):
    """By size, of equals the last one first, each at the lowest address free; the least packing is never larger."""
    greedy = sorted(range(len(found)), key=lambda b: (rounded(found[b], alignment), b), reverse=True)
    packing = greedy_by_size(found, alignment)
    placed = {}
    for block in greedy:
        placed[block] = lowest(found, placed, block, alignment)

    assert packing.addresses == tuple(placed[b] for b in range(len(found)))
    assert least_packing(found, alignment).size_bytes <= packing.size_bytes


def rounded(one, alignment):
    """Return the size of a block in whole multiples of the alignment."""
    return next(size for size in range(0, 1000, alignment) if size >= one.size_bytes)


def lowest(found, placed, block, alignment):
    """Return the lowest aligned address at which a block collides with none placed already, trying one after another."""
    sizes = [rounded(one, alignment) for one in found]

    def free(address):
        return all(
            found[other].last < found[block].first
            or found[block].last < found[other].first
            or at + sizes[other] <= address
            or address + sizes[block] <= at
            for other, at in placed.items()
        )

    return next(address for address in range(0, 10_000, alignment) if free(address))


@FEWER
@given(programs(5), st.booleans(), st.data())
def test_buffers_that_take_a_place_share_one_block(found, in_place, data):
    """Blocks hold every buffer once; those of one block follow each other; all blocks together are what is alive."""
    order = data.draw(st.sampled_from(topological(found)))
    timeline = liveness(found, order, in_place=in_place)
    memory = blocks(found, timeline)

    assert sorted(buffer for block in memory for buffer in block.buffers) == list(range(len(found.buffers)))
    for block in memory:
        ends = [timeline.ranges[buffer] for buffer in block.buffers]
        assert all(one[1] == two[0] for one, two in pairwise(ends))
    assert [sum(b.size_bytes for b in memory if b.first <= at <= b.last) for at in range(len(order))] == list(
        timeline.live_bytes
    )


def test_the_oracle_can_tell_orders_apart():
    """Two branches from one input, the small result first or last: 13 or 15 bytes, so a wrong minimum would be seen."""
    found = program([([0], [1], False), ([1], [2], False), ([0], [3], False), ([2, 3], [4], False)], [16, 80, 8, 24, 8], [0])

    assert {peak(found, order, in_place=False) for order in topological(found)} == {13, 15}
    assert least_memory_order(found, in_place=False).peak_bits == 8 * 13
