"""One exception per kind of user mistake; each carries one clear message per problem."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class CostModelError(Exception):
    """Base of every error a user can cause.

    Parameters
    ----------
    *problems
        One sentence per problem: where, what, what was given, what to do.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


class InputError(CostModelError):
    """A file, name or option that cannot be used."""


class NetworkError(CostModelError):
    """A network description that cannot be built."""


class ShapeError(NetworkError):
    """Layers whose shapes do not meet, or sizes that are not positive."""


class HardwareError(CostModelError):
    """A hardware profile that is incomplete, contradictory or without sources."""


class UnitError(CostModelError):
    """A quantity without a unit, with an unknown unit, or with one of another dimension."""


class MappingError(CostModelError):
    """A layer that cannot be tiled into the memory it is given."""


class PinError(MappingError):
    """Pins of a mapping that contradict one another, the machine or a layer."""


@contextmanager
def located(place: str) -> Iterator[None]:
    """Problems within get the place in front, unless they begin with it.

    >>> with located("net.onnx"):
    ...     raise ShapeError("conv1: the sizes differ")
    Traceback (most recent call last):
    costmodel.errors.ShapeError: net.onnx: conv1: the sizes differ
    """
    try:
        yield
    except CostModelError as error:
        problems = (problem if problem.startswith(place) else f"{place}: {problem}" for problem in error.problems)
        raise type(error)(*problems) from None
