"""What the fields of a design space stand for: networks and hardware loaded, values in base units, constraints compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any, Final

from costmodel.analysis import checked_batch
from costmodel.errors import CostModelError, InputError
from costmodel.explore import axis_spec
from costmodel.explore.axes import HARDWARE, WORDS
from costmodel.explore.constraints import NUMBER, TEXT, TRUTH, Constraint, constraint_of
from costmodel.explore.indexing import MOST_POINTS, grid_size
from costmodel.explore.subjects import (
    BITS,
    NET,
    Machine,
    Subject,
    argument_problem,
    array_problem,
    hardware_names,
    hardware_problem,
    is_array,
    machine_of,
    subject_of,
)
from costmodel.hardware.profile import OBJECTIVES, did_you_mean
from costmodel.hardware.variation import field_of
from costmodel.joint.choice import NO_OBJECTIVE, checked_objective
from costmodel.precision import MOST_BITS, OPERANDS, precision
from costmodel.schedule import checked_kind, checked_phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from costmodel.explore.axis_spec import AxisSpec
    from costmodel.explore.space import DesignSpace

Finding = tuple[tuple[str | int, ...], str]
"""The field that a problem is about, and a sentence."""
DISTRIBUTION: Final = "nn-costmodel"
SUBJECTS: Final = ("network", "hardware")
SPACE_WORDS: Final[Mapping[str, Sequence[str]]] = {**WORDS, "objective": (*OBJECTIVES, NO_OBJECTIVE)}
"""Settings that take words, and these."""


class SpaceError(InputError):
    """Problems of a design space, each with the field that it is about."""

    def __init__(self, found: list[Finding]) -> None:
        super().__init__(*(f"design space: {dotted(path)}{text}" for path, text in found))
        self.findings = found


def dotted(path: tuple[str | int, ...]) -> str:
    """A path in front of its problem."""
    return f"{'.'.join(map(str, path))}: " if path else ""


def version() -> str:
    """Version of costmodel that is installed."""
    try:
        return installed(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Resolved:
    """A design space with everything loaded and checked.

    ``values`` are those of every axis, the slowest first, in base units; an axis ``network`` or ``hardware`` has the
    specifications of ``subjects`` or ``machines``. ``maps_jointly`` says whether layers may be mapped through all memories.
    """

    subjects: tuple[Subject, ...]
    machines: tuple[Machine, ...]
    values: Mapping[str, list[Any]]
    constraints: tuple[Constraint, ...]
    maps_jointly: bool = False

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Values of every axis as a column."""
        return {name: axis_spec.column_of(values) for name, values in self.values.items()}

    @cached_property
    def hardware_paths(self) -> tuple[dict[str, str], ...]:
        """For every machine, axes of the hardware and the constant or array axis that each stands for."""
        axes = [name for name in self.values if name.startswith(HARDWARE)]
        return tuple({name: hardware_names(machine)[name] for name in axes} for machine in self.machines)

    @property
    def most_levels(self) -> int:
        """Memories of the machine that has the most."""
        return max(len(machine.profile.levels) for machine in self.machines)

    def contents(self) -> dict[str, Any]:
        """What the figures depend on, wherever the files are."""
        return {
            "network": [(without_directory(subject.spec), subject.content) for subject in self.subjects],
            "hardware": [machine.content for machine in self.machines],
        }


def without_directory(spec: str) -> str:
    """A specification without the directory of its file.

    >>> without_directory("nets/mine.py:width=3"), without_directory("squeezenet:version=1.1")
    ('mine.py:width=3', 'squeezenet:version=1.1')
    """
    target, colon, arguments = spec.partition(":")
    return target.rpartition("/")[2] + colon + arguments


def resolved(space: DesignSpace) -> Resolved:
    """Load and check everything that a space names.

    Raises
    ------
    SpaceError
        Every problem at once.
    """
    found: list[Finding] = []
    subjects = tuple(_loaded(space.network, "network", subject_of, found))
    machines = tuple(_loaded(space.hardware, "hardware", machine_of, found))
    found += settings_problems(space, machines)
    if found:  # axes mean nothing on networks and hardware that are not there
        raise SpaceError(found)
    values: dict[str, list[Any]] = {}
    values |= {"network": list(space.network)} if isinstance(space.network, list) else {}
    values |= {"hardware": list(space.hardware)} if isinstance(space.hardware, list) else {}
    for name, spec in space.axes.items():
        values[name] = _values(name, spec, subjects, machines, found)
    if not found and grid_size([len(axis) for axis in values.values()]) > MOST_POINTS:
        found.append((("axes",), f"more than {MOST_POINTS} points; take fewer values"))
    constraints = _constraints(space, values, machines, found) if not found else ()
    if found:
        raise SpaceError(found)
    aims = values.get("objective", [space.objective])
    declared = any(machine.profile.objective for machine in machines)
    jointly = any(declared if aim is None else aim != NO_OBJECTIVE for aim in aims)
    return Resolved(subjects, machines, values, constraints, jointly)


def _loaded(specs: str | list[str], field: str, load: Callable[[str], Any], found: list[Finding]) -> Iterator[Any]:
    """What specifications stand for; problems are noted."""
    several = isinstance(specs, list)
    listed = specs if isinstance(specs, list) else [specs]
    if not listed:
        found.append(((field,), "an empty list; give at least one"))
    for index, spec in enumerate(listed):
        path = (field, index) if several else (field,)
        if spec in listed[:index]:
            found.append((path, f"{spec} is given twice; give it once"))
            continue
        try:
            yield load(spec)
        except CostModelError as error:
            found += [(path, problem) for problem in error.problems]


def settings_problems(space: DesignSpace, machines: Sequence[Machine]) -> Iterator[Finding]:
    """What is wrong with the settings that do not vary."""
    checks: list[tuple[str, Callable[[], Any]]] = [
        ("batch", lambda: checked_batch(space.batch)),
        ("state", lambda: checked_phase(space.state)),
        ("schedule", lambda: [checked_kind(space.schedule, machine.profile) for machine in machines]),
    ]
    if space.objective is not None:
        checks.append(("objective", lambda: checked_aim(space)))
    if "dtype" not in space.axes:
        checks.append(("dtype", lambda: [precision(machine.profile, space.dtype) for machine in machines]))
    for field, check in checks:
        try:
            check()
        except CostModelError as error:
            yield from (((field,), problem.removeprefix(f"{field}: ")) for problem in error.problems)


def _values(
    name: str, spec: AxisSpec, subjects: Sequence[Subject], machines: Sequence[Machine], found: list[Finding]
) -> list[Any]:
    """Values of an axis in base units; problems are noted."""
    try:
        values, problem = axis_values(name, spec, subjects, machines)
    except CostModelError as error:
        found += [(("axes", name), problem) for problem in axis_spec.without_prefix(error, name)]
        return []
    twice = axis_spec.repeated(values)
    if not problem and twice:
        problem = f"{', '.join(map(repr, twice))} is given twice; give every value once"
    if problem:
        found.append((("axes", name), problem))
    return values


def axis_values(
    name: str, spec: AxisSpec, subjects: Sequence[Subject], machines: Sequence[Machine]
) -> tuple[list[Any], str]:
    """Values of an axis in base units, and what is wrong with them.

    Raises
    ------
    CostModelError
        Values that are none.
    """
    if name.startswith(NET):
        return axis_spec.argument_values(name, spec), argument_problem(name, subjects)
    if name.startswith(HARDWARE):
        return hardware_values(name, spec, machines)
    if name == "batch" or name.startswith(BITS):
        return whole_values(name, spec)
    if name in SPACE_WORDS:
        return word_values(name, spec, machines)
    known = ["net.ARGUMENT", "hw.CONSTANT", "batch", *SPACE_WORDS, *(BITS + operand for operand in OPERANDS)]
    hint = " (a list of them is an axis by itself)" if name in SUBJECTS else did_you_mean(name, known)
    return [], f"no axis of that name{hint}; use {', '.join(known)}"


def hardware_values(name: str, spec: AxisSpec, machines: Sequence[Machine]) -> tuple[list[Any], str]:
    """Values of a constant or of a size of the array, and what is wrong with them."""
    problem = hardware_problem(name, machines)
    if problem:
        return [], problem
    paths = [hardware_names(machine)[name] for machine in machines]
    if is_array(paths[0]):
        sizes = axis_spec.numeric_values(name, spec, "")
        return sizes, array_problem(sizes)
    amounts = axis_spec.numeric_values(name, spec, paths[0])
    for machine, path in zip(machines, paths, strict=True):
        for amount in amounts:
            machine.profile.with_constant(path, float(amount))
    return amounts, ""


def whole_values(name: str, spec: AxisSpec) -> tuple[list[Any], str]:
    """Batches, or widths of an operand."""
    amounts = axis_spec.numeric_values(name, spec, "")
    if name == "batch":
        return [checked_batch(amount) for amount in amounts], ""  # type: ignore[arg-type]  # checked to be whole there
    operand = name.removeprefix(BITS)
    if operand not in OPERANDS:
        return [], f"{operand!r} is not an operand{did_you_mean(operand, OPERANDS)}; the operands are {', '.join(OPERANDS)}"
    wrong = [width for width in amounts if not isinstance(width, int) or not 1 <= width <= MOST_BITS]
    return amounts, f"{wrong[0]!r} bits; give whole numbers from 1 to {MOST_BITS}" if wrong else ""


def word_values(name: str, spec: AxisSpec, machines: Sequence[Machine]) -> tuple[list[Any], str]:
    """Number formats, schedules or states."""
    given = axis_spec.words(spec)
    known = SPACE_WORDS[name]
    if given is None:
        return [], f"give a list of words; it takes {', '.join(known)}"
    for word in given:
        if word not in known:
            return [], f"{word!r} is not known{did_you_mean(word, known)}; it takes {', '.join(known)}"
    if name == "objective":
        for word in given:
            checked_objective(word)
    if name == "dtype":
        for machine in machines:
            for word in given:
                precision(machine.profile, word)
    return list(given), ""


def checked_aim(space: DesignSpace) -> None:
    """Refuse an objective that is none, that this installation cannot search for, or beside a schedule across layers."""
    asked = checked_objective(str(space.objective))
    if asked and "schedule" not in space.axes and space.schedule not in (None, "layer"):
        raise InputError(f"{asked} is layer by layer, and the schedule is {space.schedule}; leave one of them out")


def _constraints(
    space: DesignSpace, values: Mapping[str, list[Any]], machines: Sequence[Machine], found: list[Finding]
) -> tuple[Constraint, ...]:
    """Constraints, compiled; problems are noted."""
    kinds = {name: (kind_of_values(axis), unit_of(name, machines)) for name, axis in values.items()}
    compiled = []
    for index, text in enumerate(space.constraints):
        try:
            compiled.append(constraint_of(text, kinds))
        except CostModelError as error:
            found += [(("constraints", index), problem) for problem in error.problems]
    return tuple(compiled)


def kind_of_values(values: Sequence[Any]) -> str:
    """What a name stands for in a constraint."""
    kinds = set(map(type, values))
    return TRUTH if kinds == {bool} else NUMBER if kinds <= {int, float} else TEXT


def unit_of(name: str, machines: Sequence[Machine]) -> str:
    """Unit of an axis; "" where it has none."""
    if not name.startswith(HARDWARE):
        return ""
    path = hardware_names(machines[0])[name]
    return "" if is_array(path) else field_of(path).unit

