"""A run in chunks: ranges of grid indices that are evaluated anywhere and come back in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from costmodel.errors import InputError
from costmodel.explore.evaluate import NEST_CHUNK_POINTS, step_points
from costmodel.explore.pricing import NESTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST_POINTS: Final = 256
"""Smaller chunks cost more to send than to evaluate."""
LEAST_CHUNKS: Final = 64
"""Chunks that a small space is cut into, so that several workers end at the same time."""
MOST_CHUNKS: Final = 1_000_000
"""Files that a directory, and whoever reads them, still takes."""


@dataclass(frozen=True, order=True, slots=True)
class Chunk:
    """Grid points from ``start`` to before ``stop``."""

    start: int
    stop: int

    @property
    def points(self) -> int:
        """Number of grid points."""
        return self.stop - self.start

    def __str__(self) -> str:
        return f"points {self.start:,} to {self.stop - 1:,}"


def chunk_points(size: int, metrics: Sequence[str], given: int | None = None, *, jointly: bool = False) -> int:
    """Points of a chunk: those given, else a part of the space that is worth sending and not too long to lose.

    Layers that are mapped ``jointly``, through all memories, are sent along with a chunk, which has fewer points then.

    >>> chunk_points(10**9, ["macs"]), chunk_points(10**9, ["dram_bytes"]), chunk_points(1000, ["macs"])
    (20480, 4096, 256)

    Raises
    ------
    InputError
        Fewer points than one, or so few that a run has more chunks than a directory takes.
    """
    if given is None:
        most = 2 * NEST_CHUNK_POINTS if jointly and set(metrics) & set(NESTED) else step_points(metrics, jointly=False)
        return max(min(-(-size // LEAST_CHUNKS), most), LEAST_POINTS, -(-size // MOST_CHUNKS))
    if given < 1:
        raise InputError(f"chunk: {given} points; give at least 1")
    if size > given * MOST_CHUNKS:
        said = f"{given} points make {-(-size // given):,} chunks of {size:,} points"
        raise InputError(f"chunk: {said}; give {-(-size // MOST_CHUNKS)} or more")
    return given


def chunks(size: int, points: int) -> Iterator[Chunk]:
    """All chunks of a space in order; the last may be shorter.

    >>> [str(chunk) for chunk in chunks(5, 2)]
    ['points 0 to 1', 'points 2 to 3', 'points 4 to 4']
    """
    for start in range(0, size, points):
        yield chunk_at(start, size, points)


def chunk_at(start: int, size: int, points: int) -> Chunk:
    """The chunk of a space that holds the point ``start``.

    >>> str(chunk_at(3, 5, 2))
    'points 2 to 3'
    """
    first = start - start % points
    return Chunk(first, min(first + points, size))
