"""Pins: what a user fixes of a mapping, so that the search finds the best of what is left."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STATIONARY: Final = "stationary"
BYPASS: Final = "bypass"
HOLD: Final = "hold"
MORE: Final = "*"
EVERY: Final = "*"
"""The pattern of all layers."""
NONE: Final = "none"


@dataclass(frozen=True)
class TilePin:
    """Size of a memory's tile along a dimension; the whole extent where a layer has less.

    >>> str(TilePin("glb", "k", 16))
    'glb.k=16'
    """

    store: str
    dim: str
    size: int

    def __str__(self) -> str:
        return f"{self.store}.{self.dim}={self.size}"

    def against(self, other: Pin) -> str:
        """Why another pin cannot hold too; empty where it can."""
        same = isinstance(other, TilePin) and (other.store, other.dim) == (self.store, self.dim)
        return f"two sizes of one tile along {self.dim} of {self.store}" if same else ""


@dataclass(frozen=True)
class StationaryPin:
    """The operand that stays in place while the innermost loop around a memory's tile runs."""

    store: str
    operand: str

    def __str__(self) -> str:
        return f"{self.store}.{STATIONARY}={self.operand}"

    def against(self, other: Pin) -> str:
        """Why another pin cannot hold too; empty where it can."""
        same = isinstance(other, StationaryPin) and other.store == self.store
        return f"two operands stay in place in {self.store}; one can" if same else ""


@dataclass(frozen=True)
class PassingPin:
    """Whether an operand passes a memory by, or has to be held."""

    store: str
    operand: str
    passes: bool

    def __str__(self) -> str:
        return f"{self.store}.{BYPASS if self.passes else HOLD}={self.operand}"

    def against(self, other: Pin) -> str:
        """Why another pin cannot hold too; empty where it can."""
        same = isinstance(other, PassingPin) and (other.store, other.operand) == (self.store, self.operand)
        return f"{self.operand} cannot pass {self.store} by and be held in it" if same else ""


@dataclass(frozen=True)
class SidePin:
    """What is unrolled along a side of the array.

    Attributes
    ----------
    side
        Its name.
    dims
        Dimensions, each with the number of elements it is spread over, or 0 for any number; at most its extent.
    more
        Whether other dimensions may be unrolled along it too.

    >>> str(SidePin("rows", (("r", 11), ("c", 0)), more=False)), str(SidePin("columns", (), more=False))
    ('rows=r:11,c', 'columns=none')
    """

    side: str
    dims: tuple[tuple[str, int], ...]
    more: bool

    def __str__(self) -> str:
        along = [f"{dim}:{many}" if many else dim for dim, many in self.dims] + [MORE] * self.more
        return f"{self.side}={','.join(along) or NONE}"

    def against(self, other: Pin) -> str:
        """Why another pin cannot hold too; empty where it can."""
        if not isinstance(other, SidePin):
            return ""
        if other.side == self.side:
            return f"{self.side} is pinned twice; write what is unrolled along it as one pin"
        twice = [dim for dim, many in self.dims if many > 1 and dict(other.dims).get(dim, 0) > 1]
        return f"{', '.join(twice)} would be unrolled along two sides" if twice else ""


Pin: TypeAlias = TilePin | StationaryPin | PassingPin | SidePin


@dataclass(frozen=True)
class Pins:
    """What is fixed of the mapping of one layer; nothing where empty.

    Attributes
    ----------
    tiles, stationary, passing, sides
        The pins by kind, each once.
    """

    tiles: tuple[TilePin, ...] = ()
    stationary: tuple[StationaryPin, ...] = ()
    passing: tuple[PassingPin, ...] = ()
    sides: tuple[SidePin, ...] = ()

    @property
    def all(self) -> tuple[Pin, ...]:
        """Every pin."""
        return (*self.tiles, *self.sides, *self.stationary, *self.passing)

    @property
    def of_stores(self) -> tuple[TilePin | StationaryPin | PassingPin, ...]:
        """Every pin of a memory."""
        return (*self.tiles, *self.stationary, *self.passing)

    @property
    def words(self) -> tuple[str, ...]:
        """Every pin as ``--pin`` takes it."""
        return tuple(map(str, self.all))

    def __bool__(self) -> bool:
        return bool(self.all)


FREE: Final = Pins()
"""No pins: the search decides everything."""


def pins_of(found: Iterable[Pin]) -> Pins:
    """Pins sorted by kind, each once."""
    each = tuple(dict.fromkeys(found))
    return Pins(
        tuple(pin for pin in each if isinstance(pin, TilePin)),
        tuple(pin for pin in each if isinstance(pin, StationaryPin)),
        tuple(pin for pin in each if isinstance(pin, PassingPin)),
        tuple(pin for pin in each if isinstance(pin, SidePin)),
    )


@dataclass(frozen=True)
class LayerPins:
    """Pins of a whole network: each with a pattern of the names of layers that it holds for, such as ``conv*``.

    Those without one hold for ``layers``, or for all where these are not said.
    """

    entries: tuple[tuple[str, Pin], ...] = ()
    layers: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entries)

    def of(self, layer: str) -> Pins:
        """Pins of a layer."""
        return pins_of(pin for pattern, pin in self.entries if self.concerns(pattern, layer))

    def concerns(self, pattern: str, layer: str) -> bool:
        """Whether a pattern is one of a layer."""
        if pattern == EVERY:
            return not self.layers or layer in self.layers
        return fnmatchcase(layer, pattern)

    @property
    def words(self) -> tuple[str, ...]:
        """Every pin as ``--pin`` takes it."""
        return tuple(str(pin) if pattern == EVERY else f"{pattern}:{pin}" for pattern, pin in self.entries)

    def unmatched(self, layers: Sequence[str]) -> list[str]:
        """Patterns that match no layer."""
        patterns = dict.fromkeys(pattern for pattern, _ in self.entries if pattern != EVERY)
        return [pattern for pattern in patterns if not any(fnmatchcase(layer, pattern) for layer in layers)]


UNPINNED: Final = LayerPins()
"""No pins in any layer."""
