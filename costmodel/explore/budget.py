"""What a network may cost at most, and by how much others exceed it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import Analysis
from costmodel.errors import CostModelError, InputError
from costmodel.explore.objectives import columns_of, unit_of
from costmodel.hardware.profile import did_you_mean
from costmodel.schedule.liveness import liveness
from costmodel.units import parse, parse_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

LIMITED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "max_energy": "energy_j",
        "max_latency": "latency_s",
        "max_ram": "peak_ram_bytes",
        "max_dram": "dram_bytes",
        "max_storage": "weight_bytes",
        "max_params": "params",
        "max_macs": "macs",
    }
)
"""The metric that each limit bounds."""
Limit = str | float | None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Most that a network may cost; every figure is for the whole batch.

    A limit is a quantity with its unit (``"5 mJ"``, ``"320 KiB"``), or a number in the base unit (J, s, B); counts take
    ``"1.2 M"`` as well. None limits nothing.

    Parameters
    ----------
    max_energy
        Energy, metric ``energy_j`` [J].
    max_latency
        Latency, ``latency_s`` [s].
    max_ram
        Most activations alive at once, ``peak_ram_bytes`` [B]: convention ``live`` of :func:`costmodel.memory`.
    max_dram
        Bytes across the off-chip boundary, ``dram_bytes`` [B].
    max_storage
        Stored weights, ``weight_bytes`` [B].
    max_params, max_macs
        Parameters, and multiply-accumulates.

    Raises
    ------
    InputError
        One message per limit that is not a positive quantity of its kind.

    Examples
    --------
    >>> budget = Budget(max_energy="5 mJ", max_ram="320 KiB")
    >>> budget.violations({"energy_j": 0.006, "peak_ram_bytes": 163840})
    {'max_energy': 0.2, 'max_ram': -0.5}
    """

    max_energy: Limit = None
    max_latency: Limit = None
    max_ram: Limit = None
    max_dram: Limit = None
    max_storage: Limit = None
    max_params: Limit = None
    max_macs: Limit = None

    def __post_init__(self) -> None:
        self.limits  # noqa: B018 - a limit that cannot be read is an error here, not when it is used

    @cached_property
    def limits(self) -> Mapping[str, float]:
        """Limits in base units, by name; those given only."""
        found, problems = {}, []
        for field in fields(self):
            given = getattr(self, field.name)
            if given is None:
                continue
            try:
                found[field.name] = limit(field.name, given)
            except CostModelError as error:
                problems += [f"budget: {field.name}: {problem}" for problem in error.problems]
        if problems:
            raise InputError(*problems)
        return MappingProxyType(found)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that are needed to tell whether it holds."""
        return tuple(LIMITED[name] for name in self.limits)

    def violations(self, given: Analysis | Mapping[str, Any]) -> dict[str, Any]:
        """By how much each limit is exceeded, as a share of the limit: ``(value - limit) / limit``; at most 0 is fine.

        Parameters
        ----------
        given
            An Analysis, a mapping of metrics, or a DataFrame with their columns.

        Returns
        -------
        dict
            By limit a float, or for arrays and frames a float64 array of their length; infinite where a value is missing.

        Raises
        ------
        InputError
            A metric that is not there, or no number.
        """
        found = figures(given) if isinstance(given, Analysis) else given
        columns = columns_of(found, self.metrics, "budget")
        each = ((name, excess(columns[LIMITED[name]], most)) for name, most in self.limits.items())
        return {name: value.item() if value.ndim == 0 else value for name, value in each}

    def matrix(self, columns: Mapping[str, Any], rows: int) -> NDArray[np.float64]:
        """Violations as a matrix (rows, limits), columns in the order of :attr:`limits`."""
        found = [np.broadcast_to(value, rows) for value in self.violations(columns).values()]
        return np.column_stack(found) if found else np.empty((rows, 0))

    def fits(self, given: Analysis | Mapping[str, Any]) -> Any:  # noqa: ANN401 - a bool, or an array of them
        """Whether no limit is exceeded: a bool, or an array of them for arrays and frames."""
        found = [np.asarray(value) <= 0 for value in self.violations(given).values()]
        fine = np.stack(np.broadcast_arrays(*found)).all(axis=0) if found else np.True_
        return bool(fine) if np.ndim(fine) == 0 else fine

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Budget:
        """A budget from texts such as ``max_energy=5mJ``.

        Raises
        ------
        InputError
            One message per text that is no limit, and as the class.

        Examples
        --------
        >>> Budget.parse(["max_energy=5mJ"]).limits["max_energy"]
        0.005
        """
        found: dict[str, str] = {}
        problems = []
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if name not in LIMITED:
                problems.append(f"budget: no limit {name!r}{did_you_mean(name, LIMITED)}; use {', '.join(LIMITED)}")
            elif not equals or not value:
                problems.append(f"budget: {text!r} is not NAME=QUANTITY; write for example max_energy=5mJ")
            elif name in found:
                problems.append(f"budget: {name} is given twice; give it once")
            else:
                found[name] = value
        if problems:
            raise InputError(*problems)
        return cls(**found)


def limit(name: str, given: str | float) -> float:
    """A limit in the base unit of its metric, positive and finite.

    Raises
    ------
    CostModelError
        It is not.
    """
    unit = unit_of(LIMITED[name])
    if isinstance(given, bool) or not isinstance(given, str | int | float | np.number):
        raise InputError(f"{given!r} is no quantity; write for example {'5 M' if not unit else f'5 {unit}'}")
    read = parse_count if not unit else lambda text: parse(text, unit)
    value = read(given) if isinstance(given, str) else float(given)
    if not isfinite(value) or value <= 0:
        raise InputError(f"{given!r} leaves room for nothing, or is no number; give more than 0")
    return value


def excess(values: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    """Values above a limit as a share of it; what is not known exceeds every limit."""
    return np.asarray(np.where(np.isnan(values), np.inf, (values - most) / most))


def figures(analysis: Analysis) -> dict[str, float]:
    """The limited metrics of an analysis; the memory of activations in program order."""
    totals, program = analysis.totals, analysis.scheduler.program
    return {
        "energy_j": totals.energy_j.value,
        "latency_s": totals.latency_s,
        "peak_ram_bytes": liveness(program, range(len(program.steps))).peak_bytes,
        "dram_bytes": totals.dram_bytes,
        "weight_bytes": totals.weight_bytes,
        "params": totals.params,
        "macs": totals.macs,
    }
