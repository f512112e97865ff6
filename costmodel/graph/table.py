"""The layer table: all that any model of cost sees of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import repeat
from typing import Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import NetworkError
from costmodel.graph.rows import Row, Rows
from costmodel.graph.shapes import LIMIT, Dim, as_dim, largest_unsigned
from costmodel.graph.stored import EncodedWeights, StoredWidths

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

DIMENSIONS: Final = (
    "n", "g", "k", "c", "p", "q", "r", "s", "stride_h", "stride_w", "dilation_h", "dilation_w",
    "pad_top", "pad_left", "ifmap_h", "ifmap_w", "steps",
)  # fmt: skip
COUNTS: Final = (
    "params", "macs", "other_ops", "weight_elems", "bias_elems", "ifmap_elems", "ofmap_elems",
)  # fmt: skip
FLAGS: Final = ("dynamic_weight", "streamed")
_BATCHED: Final = ("macs", "other_ops", "ifmap_elems", "ofmap_elems")


@dataclass(frozen=True, eq=False)
class LayerTable:
    """Loop dimensions and counts of every layer, in execution order.

    Labels are tuples of length L. Integer columns have shape (L, D) with one column per design point, or
    (L, 1) where no design axis touches them. Flags have shape (L,). Counts are those of batch 1 unless
    :meth:`with_batch` says otherwise. Free and unknown rows have a `note`; free rows have no traffic.
    A column with design points is put together when it is first read: a sweep pays for what it uses.

    Attributes
    ----------
    n, g, k, c, p, q, r, s
        Loop dimensions; their product times `steps` is `macs` for convolution, linear and matmul rows.
    ifmap_h, ifmap_w
        Extents of the real input, to clip windows that reach into the padding.
    steps
        Sequential repetitions of the loop nest (time steps of a recurrent layer).
    params
        Trained parameters, counted once where layers share them.
    weight_elems, bias_elems
        Elements of the weight operand with biases; of these, the biases. For a product of two activations,
        the second one.
    ifmap_elems, ofmap_elems
        Distinct input elements that are read, and output elements.
    dynamic_weight
        The weight operand is an activation.
    streamed
        No window and no MACs: inputs are read once and outputs written once, whatever the memory.
    """

    names: tuple[str, ...]
    ops: tuple[str, ...]
    groups: tuple[str, ...]
    status: tuple[str, ...]
    notes: tuple[str, ...]
    n: Ints
    g: Ints
    k: Ints
    c: Ints
    p: Ints
    q: Ints
    r: Ints
    s: Ints
    stride_h: Ints
    stride_w: Ints
    dilation_h: Ints
    dilation_w: Ints
    pad_top: Ints
    pad_left: Ints
    ifmap_h: Ints
    ifmap_w: Ints
    steps: Ints
    params: Ints
    macs: Ints
    other_ops: Ints
    weight_elems: Ints
    bias_elems: Ints
    ifmap_elems: Ints
    ofmap_elems: Ints
    dynamic_weight: Bools
    streamed: Bools

    @classmethod
    def deferred(cls, ready: dict[str, Any], waiting: dict[str, Callable[[], Ints]], points: int) -> LayerTable:
        """A table of columns that are `ready` and of columns that wait to be read."""
        table = object.__new__(cls)
        table.__dict__.update(ready, _waiting=waiting, _points=points)
        return table

    def __getattr__(self, name: str) -> Ints:
        """Put together a column that has been waiting (called only where the instance has none)."""
        waiting = self.__dict__.get("_waiting", {})
        if name not in waiting:
            raise AttributeError(f"LayerTable has no attribute {name!r}")
        column: Ints = waiting[name]()
        self.__dict__[name] = column
        return column

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, column: str) -> Any:  # noqa: ANN401 - labels are tuples, the rest arrays
        """A column by name: an array, or a tuple for labels."""
        if column not in self.__dataclass_fields__:
            raise KeyError(f"no column {column!r}; columns are {', '.join(self.__dataclass_fields__)}")
        return getattr(self, column)

    def __repr__(self) -> str:
        points = "" if self.design_points == 1 else f", {self.design_points} design points"
        return f"<LayerTable: {len(self)} rows{points}>"

    @property
    def design_points(self) -> int:
        """Number of design points, 1 if no column varies."""
        known = self.__dict__.get("_points")
        return known or max((getattr(self, name).shape[1] for name in DIMENSIONS + COUNTS), default=1)

    def rows(self, mask: Bools | Ints | Sequence[int]) -> LayerTable:
        """The rows selected by a boolean mask or by indices, as a table."""
        chosen = np.arange(len(self))[np.asarray(mask)]
        picked: dict[str, Any] = {}
        for column in fields(self):
            values = getattr(self, column.name)
            picked[column.name] = (
                tuple(values[i] for i in chosen) if isinstance(values, tuple) else values[chosen]
            )
        return LayerTable(**picked)._like(self, chosen)

    @property
    def stored(self) -> tuple[StoredWidths, ...]:
        """Widths at which a model file stores the operands of each row; no column, since a network is the same at others."""
        return self.__dict__.get("_stored") or (StoredWidths(),) * len(self)

    def with_stored(self, stored: Sequence[StoredWidths]) -> LayerTable:
        """The table with widths that a file stores, one per row."""
        self.__dict__["_stored"] = tuple(stored)
        return self

    @property
    def encoded(self) -> tuple[EncodedWeights | None, ...]:
        """Size of the weights of each row as they are stored compressed, None where they are not; () where none are."""
        found: tuple[EncodedWeights | None, ...] = self.__dict__.get("_encoded", ())
        return found

    def with_encoded(self, encoded: Sequence[EncodedWeights | None]) -> LayerTable:
        """The table with compressed weights, one entry per row."""
        self.__dict__["_encoded"] = tuple(encoded)
        return self

    @property
    def states_widths(self) -> bool:
        """Whether a file says at what widths it is to be computed: a product of anything but single precision."""
        if "_stored" not in self.__dict__:
            return False
        return any(macs and not found.plain for macs, found in zip(self.multiplies, self.stored, strict=True))

    @property
    def multiplies(self) -> list[bool]:
        """Whether each row has MACs."""
        return [bool(row.any()) for row in self.macs]

    def counted(self) -> Bools:
        """Mask of the rows that have a model and cost traffic, shape (L,)."""
        return np.array([status == "counted" for status in self.status], dtype=np.bool_)

    def total(self, column: str, times: Sequence[int] | None = None) -> Ints:
        """Sum of a column over the layers, shape (D,) or (1,); NetworkError if it leaves 64 bits.

        `times` weighs the layers, such as by bytes per element. A column that is still waiting is summed row by row
        without being put together. Sums are kept.
        """
        factors = tuple(times) if times is not None else None
        if factors and factors.count(factors[0]) == len(factors) and factors[0] != 1:
            return self._multiple(column, factors[0])
        known: dict[tuple[str, tuple[int, ...] | None], Ints] = self.__dict__.setdefault("_totals", {})
        if (column, factors) not in known:
            known[column, factors] = self._total(column, factors)
        return known[column, factors]

    def _multiple(self, column: str, factor: int) -> Ints:
        """A sum times one factor."""
        total = self.total(column)
        if factor and int(total.max(initial=0)) > LIMIT // factor:
            raise self._too_large(column)
        return total * factor

    @staticmethod
    def _too_large(column: str) -> NetworkError:
        """The error of a sum that no table can hold."""
        return NetworkError(f"the total of {column} does not fit in 64 bits; reduce the sizes")

    def _total(self, column: str, times: Sequence[int] | None) -> Ints:
        """Compute :meth:`total`."""
        if column not in self.__dict__ and column in self.__dict__.get("_waiting", {}):
            rows = self.__dict__["_waiting"][column].args[1]
        else:
            values = self[column]
            rows = values[:, 0].tolist() if values.shape[1] == 1 else list(values)
        total: Dim = 0
        bound = 0
        for row, factor in zip(rows, times or repeat(1), strict=times is not None):
            plain = isinstance(row, int)
            if (plain and not row) or not factor:
                continue
            total = total + (row if factor == 1 else row * factor)
            bound += (row if plain else largest_unsigned(row)) * factor
        if bound > LIMIT:
            raise self._too_large(column)
        return np.atleast_1d(np.asarray(total, dtype=np.int64))

    def with_batch(self, batch: Dim) -> LayerTable:
        """The table at another batch size.

        Multiplies ``n`` (``g`` where the weight operand is an activation), MACs, other operations and
        activations; weights only where they are activations.
        """
        batch = as_dim(batch, "batch")
        if type(batch) is int and batch == 1:
            return self
        dynamic = self.dynamic_weight[:, None]
        factors: dict[str, Ints] = {
            "n": np.where(dynamic, 1, batch),
            "g": np.where(dynamic, batch, 1),
            "weight_elems": np.where(dynamic, batch, 1),
            **{name: np.broadcast_to(batch, (1, np.size(batch))) for name in _BATCHED},
        }
        scaled: dict[str, Any] = {name: self._times(name, by) for name, by in factors.items()}
        return replace(self, **scaled)._like(self, np.arange(len(self)))

    def _like(self, other: LayerTable, rows: Ints) -> LayerTable:
        """The table with the stored widths and the compressed weights of some rows of another, if that has any."""
        if other.encoded:
            self.with_encoded([other.encoded[row] for row in rows])
        return self.with_stored([other.stored[row] for row in rows]) if "_stored" in other.__dict__ else self

    def _times(self, column: str, factor: Ints) -> Ints:
        """A column times `factor`; NetworkError naming the layer where the product leaves 64 bits."""
        values = getattr(self, column)
        with np.errstate(over="ignore"):
            product = values * factor
        too_large = (values.astype(np.float64) * factor >= float(LIMIT)).any(axis=1)
        if too_large.any():
            name = self.names[int(too_large.argmax())]
            raise NetworkError(f"{name}: {column} at this batch does not fit in 64 bits; reduce the batch")
        return cast(Ints, product)


def group_of(name: str) -> str:
    """Module of a layer: its name up to the last "/", or ""."""
    return name.rpartition("/")[0]


def table_of(layers: Sequence[tuple[str, Rows]]) -> LayerTable:
    """The table of named rows."""
    names: list[str] = []
    rows: list[Row] = []
    for name, lowered in layers:
        for row in lowered:
            names.append(f"{name}/{row.suffix}" if row.suffix else name)
            rows.append(row)
    points = _design_points(names, rows)
    entries = zip(*rows, strict=True) if rows else ((),) * len(Row._fields)
    columns: dict[str, Any] = dict(zip(Row._fields, entries, strict=True))
    ready: dict[str, Any] = {
        "names": tuple(names),
        "groups": tuple(map(group_of, names)),
        "ops": columns["op"],
        "notes": columns["note"],
        "status": columns["status"],
        **{flag: np.array(columns[flag], dtype=np.bool_) for flag in FLAGS},
    }
    waiting: dict[str, Callable[[], Ints]] = {}
    for column in DIMENSIONS + COUNTS:
        values = columns[column]
        if set(map(type, values)) <= {int}:
            ready[column] = _plain_ints(column, values, names)
        else:
            waiting[column] = partial(_ints, column, values, names, points)
    return LayerTable.deferred(ready, waiting, points)


def _design_points(names: list[str], rows: list[Row]) -> int:
    """The one number of design points of all arrays; NetworkError where layers disagree."""
    seen: dict[int, str] = {}
    for name, row in zip(names, rows, strict=True):
        if np.ndarray in set(map(type, row)):
            for value in row:
                if isinstance(value, np.ndarray):
                    seen.setdefault(value.shape[0], name)
    if len(seen) > 1:
        found = ", ".join(f"{name} has {points}" for points, name in seen.items())
        raise NetworkError(
            f"layers carry different numbers of design points: {found}; use arrays of one length"
        )
    return next(iter(seen), 1)


def _plain_ints(column: str, values: tuple[int, ...], names: list[str]) -> Ints:
    """A column that no design axis touches, (L, 1)."""
    try:
        return np.array(values, dtype=np.int64).reshape(len(values), 1)
    except OverflowError:
        name = next(n for n, value in zip(names, values, strict=True) if value > LIMIT)
        raise NetworkError(f"{name}: {column} does not fit in 64 bits; reduce the sizes") from None


def _ints(column: str, values: tuple[Dim, ...], names: list[str], points: int) -> Ints:
    """A column with design points, (L, points)."""
    table = np.empty((len(values), points), dtype=np.int64)
    for index, value in enumerate(values):
        table[index] = value
    if table.min(initial=0) < 0:  # the sum of two counts that each fit
        raise NetworkError(f"{names[int((table < 0).argmax()) // points]}: {column} does not fit in 64 bits")
    return table
