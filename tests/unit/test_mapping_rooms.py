"""The least larger memory that lowers a value: found by doubling and halving, as trying every size would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from costmodel.mapping.levels.rooms import Reach, Room, enlarged, next_drop, rooms
from tests.unit.mapped import LAYER, pair


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 20))
def test_the_next_drop_is_the_first(drops, start):
    """On any value that never rises, the size found is the first at which it is lower; None where none is."""
    values = [100 - sum(drops[: at + 1]) for at in range(len(drops))]
    low = min(start, len(values) - 1)
    expected = next((at for at in range(low, len(values)) if values[at] < values[low]), None)

    reach = next_drop(lambda size: values[size] < values[low], low, len(values) - 1)

    assert reach == Reach(expected, len(values) - 1 if expected is None else expected - 1)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_what_is_not_known_is_not_claimed(first, begin, many):
    """Sizes whose answer is not known are neither called a drop nor proved to be none."""
    unknown = range(begin, begin + many)

    def lowers(size):
        return None if size in unknown else size >= first

    reach = next_drop(lowers, 0, 60)
    assert reach.size_bytes is None or (lowers(reach.size_bytes) and reach.size_bytes >= first)
    assert reach.proved_bytes == 0 or lowers(reach.proved_bytes) is False or reach.proved_bytes < first


def test_no_size_beyond_the_most_is_tried():
    """A memory that already has room for everything is not searched at all."""
    tried = []

    assert next_drop(tried.append, 8, 8) == Reach(None, 8)
    assert tried == []


def test_rooms_are_parts_and_what_the_others_share():
    """The buffer has one room for all; elements a part for weights and one for partial sums, at most four times as large."""
    assert list(rooms(LAYER, pair())) == [
        Room(1, None, 1024, 96 + 128 + 192 * 4),
        Room(2, "weight", 8, 32),
        Room(2, "ofmap", 8, 32),
    ]


def test_only_one_room_is_enlarged():
    """All else stays as it is."""
    shared, part, _ = rooms(LAYER, pair())

    assert enlarged(pair(), shared, 4096).stores == pair(8 * 4096).stores
    assert enlarged(pair(), part, 16).stores[2].part_bits == {"weight": 128, "ofmap": 64}
    assert enlarged(pair(), part, 16).stores[:2] == pair().stores[:2]
