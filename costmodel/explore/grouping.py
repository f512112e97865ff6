"""Points in groups that one vectorised graph and one vectorised profile can stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.explore.axes import HARDWARE
from costmodel.explore.indexing import number
from costmodel.explore.subjects import BITS, NET
from costmodel.hardware.columns import with_columns
from costmodel.joint.choice import NO_OBJECTIVE
from costmodel.joint.columns import Machines
from costmodel.mapping.problem import grouped
from costmodel.schedule import checked_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from costmodel.explore.space import DesignSpace
    from costmodel.explore.subjects import Subject
    from costmodel.hardware import HardwareProfile
    from costmodel.schedule import Kind

    Ints = NDArray[np.int64]
    Columns = Mapping[str, NDArray[Any]]

SETTINGS: Final = ("batch", "dtype", "schedule", "state", "objective")


@dataclass(frozen=True)
class Group:
    """Points of one network, one machine and one setting; arguments and constants may differ from point to point.

    ``arguments`` and ``constants`` are columns, one value per distinct network (``network_of`` says which of them each point
    has) or machine (``machine_of``).
    """

    subject: Subject
    profile: HardwareProfile
    fixed: Mapping[str, Any]
    batch: int
    dtype: str | None
    bits: Mapping[str, int] | None
    schedule: str | None
    state: str
    objective: str | None
    arguments: Columns
    network_of: Ints
    constants: Columns
    machine_of: Ints

    def __len__(self) -> int:
        """Return the number of points."""
        return int(self.network_of.size)

    @property
    def kind(self) -> Kind:
        """The schedule that is priced: that given, else layer by layer for an objective, else that of the profile."""
        asked = self.schedule is None and self.objective not in (None, NO_OBJECTIVE)
        return checked_kind("layer" if asked else self.schedule, self.profile)

    @property
    def networks(self) -> int:
        """Distinct networks."""
        return max((column.size for column in self.arguments.values()), default=1)

    def named(self, networks: Ints) -> dict[str, Any]:
        """Arguments of some networks: columns, or plain values where there is one."""
        chosen = {name: column[networks] for name, column in self.arguments.items()}
        return {**self.fixed, **{name: column if column.size > 1 else column[0].item() for name, column in chosen.items()}}

    def hardware(self, points: Ints) -> HardwareProfile:
        """The machine of some points: constants that vary are columns, one value per point."""
        machines = self.machine_of[points]
        return with_columns(self.profile, {name: column[machines] for name, column in self.constants.items()})

    def machines(self, points: Ints) -> Machines:
        """The distinct machines of some points, plain."""
        _, first, which = np.unique(self.machine_of[points], return_index=True, return_inverse=True)
        return Machines(tuple(self.hardware_of(int(points[place])) for place in first), which if self.constants else which[:1])

    def hardware_of(self, point: int) -> HardwareProfile:
        """The machine of one point, plain."""
        machine = self.machine_of[point]
        return with_columns(self.profile, {name: column[machine].item() for name, column in self.constants.items()})


def distinct(keys: Ints) -> tuple[Ints, Ints]:
    """One place per distinct key, and for every place the number of its key; nothing is sorted where keys ascend.

    >>> [part.tolist() for part in distinct(np.array([7, 5, 7]))], [part.tolist() for part in distinct(np.array([5, 7]))]
    ([[1, 0], [1, 0, 1]], [[0, 1], [0, 1]])
    """
    if (keys[1:] > keys[:-1]).all():
        every = np.arange(keys.size)
        return every, every
    return grouped(keys)


def groups(space: DesignSpace, positions: Mapping[str, Ints]) -> Iterator[tuple[Ints, Group]]:
    """Groups of points and the places of their points.

    Parameters
    ----------
    space
        The space.
    positions
        Position on every axis, arrays (D,).
    """
    subjects = space.resolved.subjects
    count = next((column.size for column in positions.values()), 1)
    if "network" in positions:
        found = positions["network"]
        for index in np.unique(found).tolist():
            yield from _of_subject(space, subjects[index], positions, np.flatnonzero(found == index))
    else:
        yield from _of_subject(space, subjects[0], positions, np.arange(count))


def _of_subject(
    space: DesignSpace, subject: Subject, positions: Mapping[str, Ints], places: Ints
) -> Iterator[tuple[Ints, Group]]:
    """Groups of the points of one network."""
    free = [name for name in positions if name.startswith(NET) and name.removeprefix(NET) in subject.arrays]
    fixed = [name for name in positions if name not in free and (not name.startswith(HARDWARE))]
    lengths = dict(zip(space.names, space.lengths, strict=True))
    if not fixed:
        yield places, _group(space, subject, positions, places, free)
        return
    first, inverse = distinct(number([positions[name][places] for name in fixed], [lengths[name] for name in fixed]))
    order = np.argsort(inverse, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(inverse, minlength=first.size))[:-1]):
        yield places[members], _group(space, subject, positions, places[members], free)


def _group(space: DesignSpace, subject: Subject, positions: Mapping[str, Ints], places: Ints, free: Sequence[str]) -> Group:
    """The group of some points that differ in the ``free`` arguments and in the hardware's constants only."""
    resolved = space.resolved
    one = {name: resolved.values[name][int(column[places[0]])] for name, column in positions.items()}
    machine = resolved.machines[int(positions["hardware"][places[0]]) if "hardware" in positions else 0]
    paths = resolved.hardware_paths[resolved.machines.index(machine)]
    arguments, network_of = _columns(space, positions, places, {name: name.removeprefix(NET) for name in free})
    constants, machine_of = _columns(space, positions, places, paths)
    settings = {name: one.get(name, getattr(space, name)) for name in SETTINGS}
    fixed = {name.removeprefix(NET): value for name, value in one.items() if name.startswith(NET) and name not in free}
    bits = {name.removeprefix(BITS): value for name, value in one.items() if name.startswith(BITS)} or None
    return Group(
        subject, machine.profile, fixed, bits=bits, arguments=arguments, network_of=network_of, constants=constants,
        machine_of=machine_of, **settings,
    )  # fmt: skip


def _columns(
    space: DesignSpace, positions: Mapping[str, Ints], places: Ints, names: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], Ints]:
    """Distinct combinations of some axes as columns under other names, and which of them each point has."""
    if not names:
        return {}, np.zeros(places.size, dtype=np.int64)
    lengths = dict(zip(space.names, space.lengths, strict=True))
    chosen = [positions[name][places] for name in names]
    first, inverse = distinct(number(chosen, [lengths[name] for name in names]))
    arrays = space.resolved.arrays
    columns = {
        short: arrays[name][position[first]] for (name, short), position in zip(names.items(), chosen, strict=True)
    }
    return columns, inverse
