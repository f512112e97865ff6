"""Equal layers mapped through all memories once: what a process remembers, what it is told, what it is asked to list.

A layer at a point is a row of numbers, :data:`costmodel.joint.columns.COLUMNS`. Within a chunk, and in the memory of a
process, rows are compared in full; between processes a hash of 128 bits stands for a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from costmodel.errors import MappingError
from costmodel.explore.solutions import Memory, distinct_layers, gathered, mixed
from costmodel.explore.vary import problem
from costmodel.joint.answers import answer_columns, answers, reasons, without_outputs
from costmodel.joint.columns import COLUMNS, asked, joint_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from costmodel.hardware.profile import Objective
    from costmodel.joint.columns import Asked, JointColumns, Machines
    from costmodel.joint.tasks import Work
    from costmodel.mapping.levels.hierarchy import Hierarchy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]
    Hierarchies = Mapping[bytes, Hierarchy]
    Refuse = Callable[[int, int, str], None]

KEPT_NESTS: Final = 1 << 18
"""Layers that a process remembers; 430 bytes each on machines of three memories."""
SECOND: Final = 101
"""What the columns' numbers begin with in the second half of a key, so that it is another hash."""
KEPT_REASONS: Final = 1 << 14
"""Layers that fit nowhere of which a process remembers why."""
REASONS: Final[dict[bytes, tuple[str, ...]]] = {}
"""Why they do, the latest last."""


@dataclass(frozen=True)
class Layers:
    """Distinct layers: keys of two halves (M, 2), columns (M, columns), and the machines that they name."""

    keys: Keys
    columns: Ints
    hierarchies: Hierarchies

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.keys.shape[0])

    def at(self, places: Ints) -> Layers:
        """Some of them, with all the machines."""
        return Layers(self.keys[places], self.columns[places], self.hierarchies)


class Source(Protocol):
    """What says how distinct layers are mapped."""

    levels: int

    def answers(self, layers: Layers) -> Floats:
        """What distinct layers move, (M, :func:`costmodel.joint.answers.answer_columns`)."""


class Nests:
    """Maps layers of many points for an objective, equal ones once; ``solved`` and ``reused`` count distinct layers.

    Parameters
    ----------
    levels
        The most memories that a machine has.
    most
        Layers that are remembered.
    """

    def __init__(self, levels: int, most: int = KEPT_NESTS) -> None:
        self.levels = levels
        self.memory = Memory(most, len(COLUMNS), answer_columns(levels), np.float64)
        self.solved = self.reused = 0

    def answers(self, layers: Layers) -> Floats:
        """What distinct layers move, (M, :func:`costmodel.joint.answers.answer_columns`)."""
        found = np.empty((layers.count, answer_columns(self.levels)))
        still = self.memory.recall(layers.keys[:, 0], layers.columns, found)
        found[still] = answers(layers.columns[still], layers.hierarchies, self.levels)
        self.solved += still.size
        self.reused += layers.count - still.size
        self.memory.keep(layers.keys[:, 0], layers.columns, found)
        return found


class Told:
    """Layers that another process has mapped, and another source for those that it has not.

    Parameters
    ----------
    keys, found
        Keys of the layers, (M, 2), and what they move.
    otherwise
        What maps the others.
    """

    def __init__(self, keys: Keys, found: Floats, otherwise: Nests) -> None:
        order = np.argsort(keys[:, 0])
        self.keys, self.found, self.otherwise = keys[order], found[order], otherwise
        self.levels = otherwise.levels

    def answers(self, layers: Layers) -> Floats:
        """What distinct layers move."""
        places = places_of(layers.keys, self.keys)
        missing = np.flatnonzero(places < 0)
        if not missing.size:
            return self.found[places]
        found = np.empty((places.size, answer_columns(self.levels)))
        found[places >= 0] = self.found[places[places >= 0]]
        found[missing] = self.otherwise.answers(layers.at(missing))
        return found


class Listed:
    """Maps nothing, and lists what it is asked for; what is computed with its answers means nothing."""

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self.parts: list[Layers] = []

    def answers(self, layers: Layers) -> Floats:
        """Nothing moves."""
        self.parts.append(layers)
        return np.ones((layers.count, answer_columns(self.levels)))

    def layers(self) -> Layers:
        """All that was asked for, each layer once."""
        if not self.parts:
            return Layers(np.zeros((0, 2), dtype=np.uint64), np.zeros((0, len(COLUMNS)), dtype=np.int64), {})
        keys = np.concatenate([part.keys for part in self.parts])
        columns = np.concatenate([part.columns for part in self.parts])
        _, first = np.unique(keys.view([("one", np.uint64), ("two", np.uint64)]).reshape(-1), return_index=True)
        return Layers(keys[first], columns[first], {k: v for part in self.parts for k, v in part.hierarchies.items()})


def places_of(wanted: Keys, known: Keys) -> Ints:
    """Place of each wanted key among known ones, whose first halves ascend; -1 where it is none of them.

    >>> known = np.array([[3, 1], [5, 0], [5, 2]], dtype=np.uint64)
    >>> places_of(np.array([[5, 2], [3, 2], [9, 9]], dtype=np.uint64), known).tolist()
    [2, -1, -1]
    """
    found = np.full(wanted.shape[0], -1, dtype=np.int64)
    at = np.searchsorted(known[:, 0], wanted[:, 0])
    open_ = np.flatnonzero(at < known.shape[0])
    while open_.size:  # once more for every layer that shares the first half
        open_ = open_[known[at[open_], 0] == wanted[open_, 0]]
        same = known[at[open_], 1] == wanted[open_, 1]
        found[open_[same]] = at[open_[same]]
        open_ = open_[~same]
        at[open_] += 1
        open_ = open_[at[open_] < known.shape[0]]
    return found


def second_half(columns: Ints) -> Keys:
    """Another hash of layers than that which tells them apart within a chunk."""
    found = np.zeros(columns.shape[0], dtype=np.uint64)
    for number in range(columns.shape[1]):
        found += mixed(np.ascontiguousarray(columns[:, number]), SECOND + number)
    return found


def joint_costs_at(
    work: Work, objective: Objective, machines: Machines, nests: Source, refuse: Refuse
) -> JointColumns:
    """Map every layer at every point, equal ones once.

    Parameters
    ----------
    work
        A table and a profile of one or many design points.
    objective
        What is minimised.
    machines
        The profile as profiles of single values.
    nests
        What maps distinct layers.
    refuse
        Told of every point at which a layer fits nowhere: its place, of how many, and what an analysis would say.

    Raises
    ------
    MappingError
        A loop so long that its tiles cannot be listed.
    """
    found = asked(work, objective, machines)
    points = max([column.shape[1] for column in (*found.columns, found.has_nest)])
    shape = (found.rows.size, points)
    keys, first, which = distinct_layers(found.columns, shape)
    columns = gathered(found.columns, first, points)
    layers = Layers(np.stack([keys, second_half(columns)], axis=1), columns, found.hierarchies)
    moved = np.zeros((keys.size, answer_columns(nests.levels)))
    moved[:, -1] = 1.0
    nested = np.flatnonzero(~without_outputs(columns))
    moved[nested] = nests.answers(layers.at(nested))
    which = which.reshape(shape)
    if not moved[:, -1].all():
        for place, text in refusals(work, found, layers, which, moved[:, -1] > 0):
            refuse(place, points, text)
    return joint_columns(work, objective, found, moved, which)


def refusals(
    work: Work, found: Asked, layers: Layers, which: Ints, good: NDArray[np.bool_]
) -> Iterator[tuple[int, str]]:
    """Points at which a layer fits nowhere, and what an analysis would say: the search's problems, equal layers once."""
    wrong = ~good[which]
    for point in np.flatnonzero(wrong.any(axis=0)).tolist():
        rows = np.flatnonzero(wrong[:, point])
        names = {int(which[row, point]): work.table.names[found.rows[row]] for row in rows}  # the last row's, as there
        yield point, refusal(names, layers)


def refusal(names: Mapping[int, str], layers: Layers) -> str:
    """What an analysis would say of some layers with their names."""
    texts: Sequence[str] = [
        f"{name}: {text}" for number, name in names.items() for text in why(layers, number)
    ]
    return problem(MappingError(*texts))


def why(layers: Layers, number: int) -> tuple[str, ...]:
    """Why a layer cannot be mapped; looked up where that was asked before."""
    columns = layers.columns[number]
    key = columns.tobytes()
    if key not in REASONS:
        REASONS[key] = reasons(columns, layers.hierarchies)
        while len(REASONS) > KEPT_REASONS:
            REASONS.pop(next(iter(REASONS)))
    return REASONS[key]
