"""A design space: networks and hardware, what varies of them, and the constraints between; points addressed by one index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StrictInt, StrictStr, ValidationError

from costmodel.errors import HardwareError, InputError
from costmodel.explore.axis_spec import TAGS, AxisSpec, Growth, Spread, Steps
from costmodel.explore.indexing import digits, grid_size, number
from costmodel.explore.resolving import Resolved, SpaceError, dotted, resolved, version
from costmodel.explore.subjects import sha256
from costmodel.hardware.documents import Document, read_document
from costmodel.hardware.problems import findings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Columns = dict[str, NDArray[Any]]

FORMS: Final[Mapping[str, type[BaseModel]]] = {"steps": Steps, "growth": Growth, "spread": Spread}


class DesignSpace(BaseModel):
    """Networks and hardware, what varies of them, and the constraints between.

    Points are numbered from 0 to ``size - 1``: an axis of networks first, one of hardware second where there are several, then
    the axes in their order, the last one fastest. Constraints thin points out and leave the numbers as they are, so that any
    slice can be evaluated anywhere. A space is frozen and can be sent to other processes.

    Attributes
    ----------
    name
        Name of the space.
    network, hardware
        As for :func:`costmodel.analyze`; a list is an axis called ``network`` or ``hardware``.
    axes
        By name: ``net.ARGUMENT`` of the builder; ``hw.CONSTANT`` such as ``hw.dram.bandwidth``, ``hw.LEVEL`` and ``hw.sram``
        for capacities, ``hw.array.AXIS`` for sizes of the array; ``batch``, ``dtype``, ``schedule``, ``state``,
        ``objective``, ``bits.OPERAND``.
    constraints
        Expressions over these names; a point must meet all of them.
    batch, dtype, schedule, state, objective
        As for :func:`costmodel.analyze`, where they do not vary.

    Raises
    ------
    InputError
        Every problem at once.

    Examples
    --------
    >>> space = DesignSpace(name="tiny", network="squeezenet", hardware="eyeriss-168",
    ...                     axes={"net.squeeze_ratio": [0.125, 0.25], "hw.sram": "64KiB:128KiB:2x"})
    >>> space.size, space.at(3)
    (4, {'net.squeeze_ratio': 0.25, 'hw.sram': 131072})
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: StrictStr = Field(min_length=1, description="a name for the space")
    network: StrictStr | list[StrictStr] = Field(description="a network as for analyze, or a list of them")
    hardware: StrictStr | list[StrictStr] = Field(description="a profile as for analyze, or a list of them")
    axes: dict[StrictStr, AxisSpec] = Field(default_factory=dict, description="what varies, such as 'hw.sram: 32KiB:1MiB:2x'")
    constraints: list[StrictStr] = Field(default_factory=list, description="conditions, such as 'net.base_e <= 512'")
    batch: StrictInt = Field(1, description="inputs processed together")
    dtype: StrictStr | None = Field(None, description="a number format, such as int8")
    schedule: StrictStr | None = Field(None, description="layer, resident or fused")
    state: StrictStr = Field("steady", description="steady or cold")
    objective: StrictStr | None = Field(None, description="energy, latency, edp, dram_bytes or none")
    _resolved: Resolved = PrivateAttr()
    _digest: str = PrivateAttr("")

    def __init__(self, **data: Any) -> None:  # noqa: ANN401 - what a file holds
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise SpaceError(located_findings(error)) from None
        self._resolved = resolved(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Other processes load networks and hardware themselves."""
        return _restored, (type(self), self.model_dump())

    def __eq__(self, other: object) -> bool:
        """Whether the figures of two spaces are the same by their digest."""
        return isinstance(other, DesignSpace) and self.digest == other.digest

    def __hash__(self) -> int:
        """Return what fits :meth:`__eq__`."""
        return hash(self.digest)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """A space from plain data, as a file would hold it."""
        return cls(**{str(key): value for key, value in data.items()})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a space from a YAML file.

        Parameters
        ----------
        path
            The file; paths of networks and hardware in it are relative to it.

        Raises
        ------
        InputError
            Every problem at once, each with file, line and column.
        """
        try:
            document = read_document(Path(path))
        except HardwareError as error:
            raise InputError(*(text.replace("profile", "design space") for text in error.problems)) from None
        try:
            return cls.of(beside(document.data, Path(path).parent))
        except SpaceError as error:
            raise InputError(*(placed(document, place, text) for place, text in error.findings)) from None

    @property
    def resolved(self) -> Resolved:
        """What the fields stand for: networks, hardware, values of every axis, constraints."""
        return self._resolved

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes, the slowest first."""
        return tuple(self._resolved.values)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Values of every axis, the slowest first."""
        return tuple(len(values) for values in self._resolved.values.values())

    @property
    def size(self) -> int:
        """Points of the grid, those included that a constraint thins out."""
        return grid_size(self.lengths)

    @property
    def digest(self) -> str:
        """Digest of everything that figures of this space depend on.

        That is its fields, the content of the networks' files and of the hardware's profiles, and the version of costmodel;
        not the place of any file. Files that a builder imports are not part of it.
        """
        if not self._digest:
            said = self.model_dump(mode="json") | {"costmodel": version(), **self._resolved.contents()}
            self._digest = sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode())
        return self._digest

    def positions(self, indices: Ints) -> dict[str, Ints]:
        """Position on every axis of the points with these indices."""
        return dict(zip(self.names, digits(indices, self.lengths), strict=True))

    def columns_of(self, positions: Mapping[str, Ints]) -> Columns:
        """Values of every axis at positions."""
        arrays = self._resolved.arrays
        return {name: arrays[name][position] for name, position in positions.items()}

    def columns(self, start: int, stop: int) -> Columns:
        """Values of every axis at the points from ``start`` to ``stop - 1``, constraints not looked at.

        Raises
        ------
        InputError
            Indices outside the space.
        """
        return self.columns_of(self.positions(self.slice(start, stop)))

    def slice(self, start: int, stop: int) -> Ints:
        """Indices of a slice; InputError where it leaves the space."""
        if not 0 <= start <= stop <= self.size:
            raise InputError(f"{self.name}: points {start} to {stop}; it has points 0 to {self.size}")
        return np.arange(start, stop, dtype=np.int64)

    def feasible(self, columns: Columns) -> NDArray[np.bool_]:
        """Whether each point meets every constraint, (D,).

        Parameters
        ----------
        columns
            Values of every axis, as :meth:`columns` gives them.
        """
        count = max((column.size for column in columns.values()), default=1)
        met = np.ones(count, dtype=np.bool_)
        for constraint in self._resolved.constraints:
            met &= constraint.holds(columns, count)
        return met

    def at(self, index: int) -> dict[str, Any]:
        """Value of every axis at one point, plain Python values.

        Raises
        ------
        InputError
            An index outside the space.
        """
        positions = self.positions(self.slice(index, index + 1))
        return {name: self._resolved.values[name][int(position[0])] for name, position in positions.items()}

    def index_of(self, values: Mapping[str, Any]) -> int:
        """Index of the point with these values; the inverse of :meth:`at`.

        Raises
        ------
        InputError
            Axes that are missing or unknown, or values that they do not take.
        """
        unknown = [name for name in values if name not in self.names]
        problems = [f"{self.name}: no axis {name!r}; the axes are {', '.join(self.names)}" for name in unknown]
        positions = []
        for name, options in self._resolved.values.items():
            if name not in values:
                problems.append(f"{self.name}: no value for {name}; give one of every axis")
            elif values[name] not in options:
                problems.append(f"{self.name}: {name} does not take {values[name]!r}; {shortened(options)}")
            else:
                positions.append(np.array([options.index(values[name])]))
        if problems:
            raise InputError(*problems)
        return int(number(positions, self.lengths)[0])


def _restored(kind: type[DesignSpace], data: dict[str, Any]) -> DesignSpace:
    """A space in another process."""
    return kind(**data)


def located_findings(error: ValidationError) -> list[tuple[tuple[str | int, ...], str]]:
    """Field and sentence of every problem that pydantic found."""
    found = [
        (tuple(part for part in path if not (part in TAGS and len(path) > 2)), text)
        for path, text in findings(error, allowed_fields)
    ]
    return list(dict.fromkeys(found))


def allowed_fields(path: tuple[str | int, ...]) -> Mapping[str, Any]:
    """Fields of the mapping at a path, for messages about missing and unknown ones."""
    if path and path[-1] in FORMS:
        return FORMS[str(path[-1])].model_fields
    return DesignSpace.model_fields


def placed(document: Document, path: tuple[str | int, ...], text: str) -> str:
    """A problem with the place in its file."""
    return f"{document.place(path)}: {dotted(path)}{text}"


def beside(data: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The data of a file with the paths of its networks and hardware relative to where the file is."""

    def moved(spec: Any) -> Any:  # noqa: ANN401 - whatever a file holds
        if isinstance(spec, list):
            return [moved(each) for each in spec]
        if not isinstance(spec, str):
            return spec
        target, colon, arguments = spec.partition(":")
        is_path = "/" in target or Path(target).suffix in (".py", ".yaml", ".yml", ".onnx", ".tflite", ".keras")
        return str(directory / target) + colon + arguments if is_path else spec

    return {key: moved(value) if key in ("network", "hardware") else value for key, value in data.items()}


def shortened(options: list[Any]) -> str:
    """Values that an axis takes."""
    listed = ", ".join(map(str, options[:6]))
    return f"it takes {listed}" + (f", ... {options[-1]} ({len(options)} values)" if len(options) > 6 else "")

