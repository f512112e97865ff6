"""Chunks: what a run is cut into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.explore.chunks import (
    LEAST_CHUNKS,
    LEAST_POINTS,
    MOST_CHUNKS,
    Chunk,
    chunk_at,
    chunk_points,
    chunks,
)
from costmodel.explore.evaluate import COUNT_CHUNK_POINTS, METRICS


@given(size=st.integers(0, 500), points=st.integers(1, 600))
def test_chunks_hold_every_point_once(size, points):
    """One behind the other, in order, none larger than asked for and none empty."""
    found = list(chunks(size, points))
    assert [index for chunk in found for index in range(chunk.start, chunk.stop)] == list(range(size))
    assert all(1 <= chunk.points <= points for chunk in found)
    assert all(chunk.points == points for chunk in found[:-1])
    assert all(chunk_at(index, size, points) == chunk for chunk in found for index in (chunk.start, chunk.stop - 1))


@given(size=st.integers(1, 10**12), metrics=st.sets(st.sampled_from(METRICS), min_size=1))
def test_chunks_are_worth_sending(size, metrics):
    """Hundreds to thousands of points; several chunks where there are enough points."""
    points = chunk_points(size, sorted(metrics))
    assert LEAST_POINTS <= points <= max(COUNT_CHUNK_POINTS, -(-size // MOST_CHUNKS))
    assert -(-size // points) <= MOST_CHUNKS
    if size >= LEAST_POINTS * LEAST_CHUNKS:
        assert -(-size // points) >= LEAST_CHUNKS - 1


def test_exact_traffic_comes_in_smaller_chunks():
    """What takes longer is lost in smaller pieces."""
    assert chunk_points(10**9, ["dram_bytes", "macs"]) < chunk_points(10**9, ["macs", "energy_bound_j"])
    assert chunk_points(10**9, ["energy_j"], jointly=True) < chunk_points(10**9, ["energy_j"])
    assert chunk_points(10**9, ["io_bound_bytes"], jointly=True) == chunk_points(10**9, ["io_bound_bytes"])


def test_a_chunk_that_is_given_is_taken():
    """Also one that is larger than the space, or a single point."""
    assert [chunk_points(10, ["macs"], given) for given in (1, 7, 99)] == [1, 7, 99]


@pytest.mark.parametrize("given_points", [0, -5])
def test_chunks_without_points(given_points):
    """A message that says what was given."""
    with pytest.raises(InputError, match=f"chunk: {given_points} points; give at least 1"):
        chunk_points(100, ["macs"], given_points)


def test_more_chunks_than_files_fit_in_a_directory():
    """A message with the smallest chunk that works."""
    with pytest.raises(InputError, match=r"make 100,000,000 chunks of 1,000,000,000 points; give 1000 or more"):
        chunk_points(10**9, ["macs"], 10)
    assert chunk_points(10**9, ["macs"], 10**9 // MOST_CHUNKS) == 1000


def test_chunks_sort_as_their_points():
    """A frame is joined in this order."""
    assert sorted([Chunk(8, 12), Chunk(0, 4), Chunk(4, 8)]) == [Chunk(0, 4), Chunk(4, 8), Chunk(8, 12)]
    assert (str(Chunk(1000, 2000)), Chunk(3, 10).points) == ("points 1,000 to 1,999", 7)
