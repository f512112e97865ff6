"""What an axis of a design space takes, as it is written: a list, a text, or a range by steps, factors or their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
)

from costmodel.errors import CostModelError, InputError
from costmodel.explore.axes import MOST_POINTS, number, numbers, ranged, tidy

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scalar: TypeAlias = bool | int | float | str
Given: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
Amount: TypeAlias = StrictInt | StrictFloat | StrictStr
"""A number in the base unit, or a quantity."""


class Strict(BaseModel):
    """Frozen, without fields that nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Steps(Strict):
    """From ``start`` to ``stop`` by adding ``step``; ``stop`` is included where a step meets it."""

    start: Amount = Field(description="the first value")
    stop: Amount = Field(description="the last value, where a step meets it")
    step: Amount = Field(description="what is added")

    def amounts(self, name: str, path: str) -> list[float]:
        """The values in base units."""
        start, stop, step = (amount(name, value, path) for value in (self.start, self.stop, self.step))
        if start > stop or step <= 0:
            raise InputError("start must not exceed stop, and step must be more than 0")
        return list(ranged(name, start, stop, step, grows=False))


class Growth(Strict):
    """From ``start`` to ``stop`` by multiplying with ``factor``."""

    start: Amount = Field(description="the first value")
    stop: Amount = Field(description="the last value, where a factor meets it")
    factor: StrictInt | StrictFloat = Field(description="what is multiplied with, more than 1")

    def amounts(self, name: str, path: str) -> list[float]:
        """The values in base units."""
        start, stop = (amount(name, value, path) for value in (self.start, self.stop))
        if start > stop or start <= 0 or self.factor <= 1:
            raise InputError("start must be more than 0 and not exceed stop, and factor must be more than 1")
        return list(ranged(name, start, stop, self.factor, grows=True))


class Spread(Strict):
    """``count`` values from ``low`` to ``high``, by equal steps or, with ``log``, by equal factors.

    Where both bounds are whole numbers, values are rounded to whole numbers, and equal ones are taken once.
    """

    low: Amount = Field(description="the first value")
    high: Amount = Field(description="the last value")
    count: Annotated[StrictInt, Field(ge=1, le=MOST_POINTS)] = Field(description="how many values")
    log: StrictBool = Field(False, description="whether by equal factors")

    def amounts(self, name: str, path: str) -> list[float]:
        """The values in base units."""
        low, high = (amount(name, value, path) for value in (self.low, self.high))
        if low > high or (self.log and low <= 0):
            raise InputError("low must not exceed high" + (", and must be more than 0 for log: true" if self.log else ""))
        spread = np.geomspace(low, high, self.count) if self.log else np.linspace(low, high, self.count)
        if isinstance(low, int) and isinstance(high, int):
            return [int(value) for value in np.unique(np.rint(spread))]
        return list(dict.fromkeys(tidy(value) if self.log else float(f"{value:.12g}") for value in spread.tolist()))


def kind_of(given: Any) -> str | None:  # noqa: ANN401 - whatever a file holds
    """Which of the forms a specification has."""
    if isinstance(given, Strict):
        return type(given).__name__.lower()
    if isinstance(given, str):
        return "text"
    if isinstance(given, dict):
        return "growth" if "factor" in given else "spread" if {"low", "high", "count"} & given.keys() else "steps"
    return "values"


AxisSpec: TypeAlias = Annotated[
    Annotated[list[Given], Field(min_length=1), Tag("values")]
    | Annotated[StrictStr, Tag("text")]
    | Annotated[Steps, Tag("steps")]
    | Annotated[Growth, Tag("growth")]
    | Annotated[Spread, Tag("spread")],
    Discriminator(kind_of),
]
"""A list of values; a text as ``--vary`` takes it, ``a,b,c`` or ``START:STOP:STEP``; or a range as a mapping."""
TAGS: Final = ("values", "text", "steps", "growth", "spread")


def amount(name: str, given: Any, path: str) -> float:  # noqa: ANN401 - a number or a text
    """A number in base units; ``path`` names a constant of the hardware, or is empty."""
    return number(name, given, path) if isinstance(given, str) else given


def numeric_values(name: str, spec: AxisSpec, path: str) -> list[float]:
    """Values of an axis of numbers, in base units; quantities where ``path`` names a constant of the hardware.

    Raises
    ------
    InputError
        No numbers, units that are missing or wrong, or a range without end.
    """
    if isinstance(spec, Strict):
        return spec.amounts(name, path)
    return numbers(name, spec, path)


def words(spec: AxisSpec) -> list[str] | None:
    """Values of an axis of words; None where they are none."""
    if isinstance(spec, str):
        return [word.strip() for word in spec.split(",")]
    return list(spec) if isinstance(spec, list) and all(isinstance(value, str) for value in spec) else None  # type: ignore[arg-type]


def argument_values(name: str, spec: AxisSpec) -> list[Scalar]:
    """Values of a builder's argument: words stay words, texts with colons are ranges."""
    if isinstance(spec, list):
        return list(spec)
    if isinstance(spec, str) and ":" not in spec:
        return [scalar(word.strip()) for word in spec.split(",")]
    return list(numeric_values(name, spec, ""))


def scalar(word: str) -> Scalar:
    """A word as a number or a truth value, if it is one.

    >>> scalar("3"), scalar("0.5"), scalar("true"), scalar("simple")
    (3, 0.5, True, 'simple')
    """
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def column_of(values: list[Any]) -> NDArray[Any]:
    """Values as an array: whole numbers, numbers, truth values, or anything."""
    kinds = set(map(type, values))
    if kinds == {bool}:
        return np.array(values, dtype=np.bool_)
    if kinds <= {int}:
        return np.array(values, dtype=np.int64)
    if kinds <= {int, float}:
        return np.array(values, dtype=np.float64)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def repeated(values: list[Any]) -> list[Any]:
    """Values that are given more than once; 1 and True differ, 1 and 1.0 do not."""
    seen: set[tuple[bool, Any]] = set()
    found = []
    for value in values:
        key = (isinstance(value, bool), value)
        found += [value] if key in seen and value not in found else []
        seen.add(key)
    return found


def without_prefix(error: CostModelError, name: str) -> list[str]:
    """Problems of :mod:`costmodel.explore.axes` without what a design space says by itself: the command and the axis."""
    texts = [problem.removeprefix("vary: ") for problem in error.problems]
    return [text.removeprefix(f"{name}: ").removeprefix(f"{name} ") for text in texts]
