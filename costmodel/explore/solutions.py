"""Equal layers solved once: the mapper behind a memory of what it found, across chunks of a design space.

Layers that repeat within a chunk are told apart by a 64-bit hash and compared in full; so are those that were solved before.
Nothing is taken for equal that is not. The memory has a bound: what was not asked for in the time that filled half of it is
forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.boundary import LOOPS, capacity_bits, operand_bits, weight_operand_elems
from costmodel.mapping import Problems, Solutions, solve_distinct
from costmodel.mapping.problem import grouped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from costmodel.boundary import Widths
    from costmodel.graph import LayerTable
    from costmodel.hardware import MemoryLevel

    Ints = NDArray[np.int64]
    Keys = NDArray[np.uint64]
    Refuse = Callable[[LayerTable, Ints, "Places", MemoryLevel, int], None]

OPERANDS: Final = ("weight", "ifmap", "ofmap", "psum")
WIDTHS: Final = tuple(f"{operand}_bits" for operand in OPERANDS)
COLUMNS: Final = (*LOOPS, *WIDTHS, "weight_elems", "ofmap_elems", "steps", "capacity")
"""All that the bits of a layer depend on."""
FOUND: Final = (*OPERANDS, "good")
"""What is kept: bits that cross, and whether the layer fits and is counted exactly."""
KEPT_LAYERS: Final = 1 << 19
"""Layers that are remembered; 250 bytes each."""
UNTILED: Final = Solutions(*(np.zeros(0, dtype=kind) for kind in (bool, bool, *"qqqqqq")))
"""Stands for mappings that nobody looks at."""


@dataclass(frozen=True)
class Places:
    """Distinct layers, columns of :data:`COLUMNS` (M, 24), what was found (M, 5), and which of them each row and point is."""

    columns: Ints
    found: Ints
    which: Ints

    def problems(self, chosen: Ints) -> Problems:
        """Some of the distinct layers as problems."""
        return problems_in(self.columns[chosen])


class SolutionCache:
    """Maps layers as :func:`costmodel.boundary.mapped` does, equal ones once; ``solved`` and ``reused`` count distinct layers.

    Parameters
    ----------
    most
        Layers that are remembered.
    """

    def __init__(self, most: int = KEPT_LAYERS) -> None:
        self.memory = Memory(most)
        self.solved = self.reused = 0

    def moved(
        self, table: LayerTable, widths: Widths, rows: Ints, level: MemoryLevel, points: int, refuse: Refuse
    ) -> tuple[dict[str, Ints], Solutions]:
        """Bits that cross by operand, (rows, points) each; layers that do not fit are told to ``refuse`` and move nothing."""
        columns = columns_of(table, widths, rows, level)
        keys, first, which = distinct_layers(columns, (rows.size, points))
        layers = gathered(columns, first, points)
        found = self.found(keys, layers)
        if not found[:, -1].all():
            refuse(table, rows, Places(layers, found, which.reshape(rows.size, points)), level, widths.unit)
        bits = {
            name: found[:, index][which].reshape(rows.size, points) for index, name in enumerate(OPERANDS)
        }
        return bits, UNTILED

    def found(self, keys: Keys, layers: Ints) -> Ints:
        """What is known of distinct layers, those included that are solved now; (M, 5)."""
        found: Ints = np.empty((keys.size, len(FOUND)), dtype=np.int64)
        still = self.memory.recall(keys, layers, found)
        found[still] = solved(layers[still])
        self.solved += still.size
        self.reused += keys.size - still.size
        self.memory.keep(keys, layers, found)
        return found


class Memory:
    """Two generations of remembered layers: what was not asked for while the younger one filled is forgotten.

    Parameters
    ----------
    most
        Layers that are remembered.
    columns, found, kind
        Columns that tell layers apart, columns of what is remembered of each, and the type of these.
    """

    def __init__(self, most: int, columns: int = len(COLUMNS), found: int = len(FOUND), kind: type = np.int64) -> None:
        self.young, self.old = (Generation(max(most // 2, 1), columns, found, kind) for _ in range(2))
        self.older: Ints = np.zeros(0, dtype=np.int64)

    def recall(self, keys: Keys, layers: Ints, found: NDArray[Any]) -> Ints:
        """Fill in what is known of distinct layers, and return the places of those of which nothing is."""
        self.older = self.young.look_up(keys, layers, found, np.arange(keys.size))
        return self.old.look_up(keys, layers, found, self.older)

    def keep(self, keys: Keys, layers: Ints, found: NDArray[Any]) -> None:
        """Remember the layers that were recalled last, with what was found of those of which nothing was known."""
        chosen, self.older = self.older, np.zeros(0, dtype=np.int64)
        if not chosen.size:
            return
        if self.young.size + chosen.size > self.young.most:
            self.old, self.young = self.young, self.old
            self.young.forget()
        self.young.remember(keys[chosen], layers[chosen], found[chosen])


class Generation:
    """Remembered layers: keys in order, the place of each in the columns, and the columns as they came, room for ``most``."""

    def __init__(self, most: int, columns: int = len(COLUMNS), found: int = len(FOUND), kind: type = np.int64) -> None:
        self.most = most
        self.layers = np.empty((most, columns), dtype=np.int64)  # memory that is not used yet takes none
        self.found: NDArray[Any] = np.empty((most, found), dtype=kind)
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.keys: Keys = np.zeros(0, dtype=np.uint64)
        self.places: Ints = np.zeros(0, dtype=np.int64)

    @property
    def size(self) -> int:
        """Layers that are remembered."""
        return int(self.keys.size)

    def look_up(self, keys: Keys, layers: Ints, found: NDArray[Any], wanted: Ints) -> Ints:
        """Fill in what is known of the ``wanted`` layers, and return those of which nothing is."""
        if not self.keys.size or not wanted.size:
            return wanted
        at = np.minimum(np.searchsorted(self.keys, keys[wanted]), self.keys.size - 1)
        likely = np.flatnonzero(self.keys[at] == keys[wanted])
        places = self.places[at[likely]]
        equal = (self.layers[places] == layers[wanted[likely]]).all(axis=1)
        known = likely[equal]
        found[wanted[known]] = self.found[places[equal]]
        unknown = np.ones(wanted.size, dtype=np.bool_)
        unknown[known] = False
        return wanted[unknown]

    def remember(self, keys: Keys, layers: Ints, found: NDArray[Any]) -> None:
        """Add layers, as many as there is room for."""
        keys = keys[: self.most - self.size]
        order = np.argsort(keys)
        at = np.searchsorted(self.keys, keys[order])
        new = slice(self.size, self.size + keys.size)
        self.layers[new], self.found[new] = layers[: keys.size], found[: keys.size]
        self.places = np.insert(self.places, at, self.size + order)
        self.keys = np.insert(self.keys, at, keys[order])


# ---- layers as columns


def columns_of(table: LayerTable, widths: Widths, rows: Ints, level: MemoryLevel) -> list[Ints]:
    """What the bits of some rows depend on, in the order of :data:`COLUMNS`, arrays (rows, 1) or (rows, points)."""
    loops = [getattr(table, name)[rows] for name in LOOPS]
    bits = [column[rows] for column in widths.columns().values()]
    elems = [weight_operand_elems(table)[rows], (table.ofmap_elems // table.steps)[rows]]
    capacity = np.broadcast_to(capacity_bits(level) * widths.unit, (rows.size, capacity_bits(level).size))
    return [*loops, *bits, *elems, table.steps[rows], capacity]


def mixed(column: Ints, number: int) -> Keys:
    """A hash of every entry of the column of that number; those of all columns are added up."""
    with np.errstate(over="ignore"):
        key = (column.view(np.uint64) + np.uint64(2 * number + 1)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(32)
        key *= np.uint64(0xD6E8FEB86659FD93 + 2 * number)
        key ^= key >> np.uint64(29)
    return key


def distinct_layers(columns: list[Ints], shape: tuple[int, int]) -> tuple[Keys, Ints, Ints]:
    """Keys of distinct layers, one place (row and point) of each, and for every place the number of its layer.

    Columns that no design axis touches are hashed once per row.
    """
    summed: Keys = np.zeros((1, 1), dtype=np.uint64)
    for number, column in sorted(enumerate(columns), key=lambda entry: entry[1].shape[1]):
        summed = summed + mixed(np.ascontiguousarray(column), number)
    keys = np.ascontiguousarray(np.broadcast_to(summed, shape)).reshape(-1)
    first, which = grouped(keys.view(np.int64))
    if alike(columns, first[which], shape):
        return keys[first], first, which
    full = np.stack([np.broadcast_to(column, shape).reshape(-1) for column in columns], axis=1)
    _, first, which = np.unique(full, axis=0, return_index=True, return_inverse=True)  # two layers share a hash
    return keys[first], first, which.reshape(-1)


def alike(columns: list[Ints], places: Ints, shape: tuple[int, int]) -> bool:
    """Whether every place has the entries of the place that stands for it.

    Columns that no design axis touches are compared once per row.
    """
    fixed = np.concatenate([column for column in columns if column.shape[1] == 1], axis=1)
    kind = np.unique(fixed, axis=0, return_inverse=True)[1].reshape(-1)
    rows = np.repeat(np.arange(shape[0]), shape[1])
    if not np.array_equal(kind[places // shape[1]], kind[rows]):
        return False
    varying = (column.reshape(-1) for column in columns if column.shape[1] > 1)
    return all(np.array_equal(column[places], column) for column in varying)


def taken(column: Ints, places: Ints, shape: tuple[int, int]) -> Ints:
    """Entries of a column at some places."""
    if column.shape[1] == 1:
        return np.asarray(column[places // shape[1], 0])
    return np.asarray(column.reshape(-1)[places])


def gathered(columns: list[Ints], places: Ints, points: int) -> Ints:
    """All columns at some places, (places, columns)."""
    layers = np.empty((places.size, len(columns)), dtype=np.int64)
    for index, column in enumerate(columns):
        layers[:, index] = taken(np.ascontiguousarray(column), places, (len(column), points))
    return layers


def problems_in(layers: Ints) -> Problems:
    """Layers as problems for the mapper."""
    named = dict(zip(COLUMNS, np.ascontiguousarray(layers.T), strict=True))
    return Problems(**{name: column for name, column in named.items() if name not in ("steps", "capacity")})


def solved(layers: Ints) -> Ints:
    """Bits that cross, and whether the layer fits and is counted exactly, (M, 5); one search for all."""
    problems, steps, capacity = problems_in(layers), layers[:, COLUMNS.index("steps")], layers[:, COLUMNS.index("capacity")]
    solutions = solve_distinct(problems, capacity)
    bits = operand_bits(problems, steps, capacity, solutions)
    good = solutions.fits & solutions.exact
    return np.stack([*(np.where(good, bits[name], 0) for name in OPERANDS), good.astype(np.int64)], axis=1)
