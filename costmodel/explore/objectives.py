"""What a search minimises and a budget limits: metrics by their names, or by the short names of everyday."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.hardware.profile import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "energy": "energy_j",
        "latency": "latency_s",
        "dram": "dram_bytes",
        "storage": "weight_bytes",
        "ram": "peak_ram_bytes",
    }
)
"""Short names of metrics."""
UNITS: Final[Mapping[str, str]] = MappingProxyType({"_j": "J", "_s": "s", "_bytes": "B"})
"""Unit of a metric by how its name ends; every other one is a count."""


def metric(name: str) -> str:
    """The metric that a name stands for.

    >>> metric("energy"), metric("params")
    ('energy_j', 'params')
    """
    return ALIASES.get(name, name)


def unit_of(name: str) -> str:
    """Unit of a metric, empty for a count.

    >>> unit_of("energy_j"), unit_of("weight_bytes"), unit_of("macs")
    ('J', 'B', '')
    """
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def objective_names(names: str | Iterable[str], known: Iterable[str], where: str = "objective") -> tuple[str, ...]:
    """Metrics of objectives, each given by its name or its short one; a text separates them by commas.

    Parameters
    ----------
    names
        What is to be optimised.
    known
        Metrics that there are.
    where
        What an error begins with.

    Raises
    ------
    InputError
        No objective, one that is not known, or one that is given twice.

    Examples
    --------
    >>> objective_names("energy,params", ["energy_j", "params"])
    ('energy_j', 'params')
    """
    given = [part.strip() for part in (names.split(",") if isinstance(names, str) else names)]
    found, available = [metric(name) for name in given], tuple(known)
    short = [name for name, full in ALIASES.items() if full in available]
    problems = [
        f"{where}: {name!r} is not known{did_you_mean(name, (*short, *available))}; use {', '.join((*short, *available))}"
        for name, full in zip(given, found, strict=True)
        if full not in available
    ]
    twice = sorted({name for name in found if found.count(name) > 1})
    problems += [f"{where}: {name} is given twice; give it once" for name in twice]
    if not given:
        problems.append(f"{where}: none given; give at least one, such as energy")
    if problems:
        raise InputError(*problems)
    return tuple(found)


def numeric(name: str, given: Any, where: str) -> NDArray[np.float64]:  # noqa: ANN401 - whatever a frame or a mapping holds
    """A metric as floating-point numbers.

    Raises
    ------
    InputError
        It holds something else.
    """
    values = np.asarray(given)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{where}: {name} is not numeric: it holds {first_text(values)!r}; give a column of numbers")
    return values.astype(np.float64)


def first_text(values: NDArray[Any]) -> object:
    """The first value that is not a number."""
    return next((value for value in values.ravel().tolist() if not isinstance(value, int | float)), values.dtype.name)


def columns_of(frame: Mapping[str, Any] | pd.DataFrame, names: Sequence[str], where: str) -> dict[str, NDArray[np.float64]]:
    """Columns of a frame, or entries of a mapping, as numbers.

    Raises
    ------
    InputError
        One message per column that is not there or not numeric.
    """
    present = [str(name) for name in frame]
    missing = [name for name in names if name not in present]
    if missing:
        listed = ", ".join(present) or "none"
        raise InputError(
            *(f"{where}: no column {name}{did_you_mean(name, present)}; the columns are {listed}" for name in missing)
        )
    return {name: numeric(name, frame[name], where) for name in names}
