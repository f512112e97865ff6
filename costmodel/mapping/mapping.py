"""The mapping chosen for one layer: tiles, loop order, what it moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DIMS = ("n", "g", "k", "c", "p", "q", "r", "s")
"""Canonical loop dimensions, in the order in which tiles and trip counts are stored."""


@dataclass(frozen=True)
class Mapping:
    """A tile and an order of the tile loops at the off-chip boundary.

    Attributes
    ----------
    stationary
        Operand that the innermost loops leave in place: ``weight``, ``ifmap`` or ``ofmap``.
    tile, trips
        Elements of a tile and number of tiles per loop dimension (n, g, k, c, p, q, r, s).
    order
        Loops with more than one trip, outermost first.
    buffer_bytes
        Footprint of one tile of every operand, buffering factor included [bytes].
    """

    stationary: str
    tile: dict[str, int]
    trips: dict[str, int]
    order: tuple[str, ...]
    buffer_bytes: int

    def __str__(self) -> str:
        tiled = ", ".join(f"{d} {self.trips[d]}x{self.tile[d]}" for d in self.order)
        return f"{self.stationary} stationary; " + (f"for {tiled}" if tiled else "one tile")

    @property
    def summary(self) -> str:
        """The mapping on one line."""
        return str(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the mapping as plain data for JSON."""
        return {
            "stationary": self.stationary,
            "tile": dict(self.tile),
            "trips": dict(self.trips),
            "order": list(self.order),
            "buffer_bytes": self.buffer_bytes,
        }
