"""Quick checks of plain data: what is as it must be passes, everything else is irregular and nothing is said about why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

Data: TypeAlias = dict[str, Any]
T = TypeVar("T")


class IrregularError(Exception):
    """Data that the quick way does not take; caught inside this package, never seen by users."""


def expect(condition: object) -> None:
    """Go on only if a condition holds."""
    if not condition:
        raise IrregularError


def table(data: Any, least: int = 0) -> Data:  # noqa: ANN401 - YAML data
    """Return a mapping of at least so many entries."""
    expect(type(data) is dict and len(data) >= least)
    return data  # type: ignore[no-any-return]  # checked in the line above


def keys(data: Any, required: Iterable[str], optional: Iterable[str] = ()) -> Data:  # noqa: ANN401 - YAML data
    """Return a mapping that has all required keys and no unknown ones."""
    found = table(data)
    required = frozenset(required)
    expect(required <= found.keys() <= required.union(optional))
    return found


def text(data: Any, least: int = 0) -> str:  # noqa: ANN401 - YAML data
    """Return a text of at least so many characters."""
    expect(type(data) is str and len(data) >= least)
    return data  # type: ignore[no-any-return]  # checked in the line above


def one_of(data: Any, known: tuple[T, ...]) -> T:  # noqa: ANN401 - YAML data
    """Return one of several words."""
    expect(type(data) is str and data in known)
    return data  # type: ignore[no-any-return]  # checked in the line above


def whole(data: Any, least: int, most: int) -> int:  # noqa: ANN401 - YAML data
    """Return a whole number within bounds."""
    expect(type(data) is int and least <= data <= most)
    return data  # type: ignore[no-any-return]  # checked in the line above


def flag(data: Any) -> bool:  # noqa: ANN401 - YAML data
    """Return true or false."""
    expect(type(data) is bool)
    return data  # type: ignore[no-any-return]  # checked in the line above
