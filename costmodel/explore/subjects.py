"""The networks and the hardware of a design space, loaded: what an axis may be called there, and what its values must be."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from costmodel.data import data_dir
from costmodel.errors import InputError
from costmodel.explore.axes import HARDWARE, ON_CHIP, constant_name
from costmodel.hardware import HardwareProfile, load_hardware
from costmodel.hardware.columns import ARRAY, array_axes
from costmodel.hardware.profile import did_you_mean
from costmodel.importers import load_builder, load_network, net_names, vectorisable
from costmodel.importers.python import split_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from costmodel.graph import Graph

NET: Final = "net."
BITS: Final = "bits."
SCHEME: Final = "@"


@dataclass(frozen=True)
class Subject:
    """A network: what builds it, the arguments that may vary, and those of them that may be arrays.

    ``arguments`` is None where the builder takes any.
    """

    spec: str
    build: Callable[..., Graph]
    arguments: tuple[str, ...] | None
    arrays: frozenset[str]
    content: str
    directory: str

    def reason(self, problem: str) -> str:
        """A problem in one line, the same wherever the network's file is."""
        return problem.replace(self.directory, "").partition("\n")[0]


@dataclass(frozen=True)
class Machine:
    """A piece of hardware, and the digest of what its profile says."""

    spec: str
    profile: HardwareProfile
    content: str


def subject_of(spec: str) -> Subject:
    """Load a network by its specification.

    Raises
    ------
    InputError, NetworkError
        As for an analysis, or a compression scheme, which a space does not vary.
    """
    if SCHEME in spec:
        raise InputError(f"{spec}: a space takes networks without a compression scheme; vary bits.weight instead")
    target, _ = split_spec(spec)
    path = data_dir("nets") / f"{target}.py" if target in net_names() else Path(target)
    if path.is_file() and path.suffix != ".py":
        return Subject(spec, _once(spec), (), frozenset(), sha256(path.read_bytes()), f"{path.parent}/")
    build = load_builder(spec)
    parameters = inspect.signature(build).parameters.values()
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    names = tuple(p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
    known = None if open_ended else names
    return Subject(spec, build, known, vectorisable(build), sha256(path.read_bytes()), f"{path.parent}/")


def _once(spec: str) -> Callable[[], Graph]:
    """What loads a model file, the first time that it is asked for."""
    return lru_cache(maxsize=1)(partial(load_network, spec))


def machine_of(spec: str) -> Machine:
    """Load a piece of hardware by its name or path.

    Raises
    ------
    HardwareError
        As for an analysis.
    """
    profile = load_hardware(spec)
    said = [(field.name, getattr(profile, field.name)) for field in fields(profile) if field.name != "file"]
    return Machine(spec, profile, sha256(repr(said).encode()))


def sha256(content: bytes) -> str:
    """Digest of a content."""
    return hashlib.sha256(content).hexdigest()


def argument_problem(name: str, subjects: Iterable[Subject]) -> str:
    """What is wrong with varying a builder's argument; "" where every network has it."""
    argument = name.removeprefix(NET)
    for subject in subjects:
        known = subject.arguments
        if known is not None and argument not in known:
            listed = f"its arguments are {', '.join(known)}" if known else "it takes none"
            return f"{subject.spec} has no argument {argument!r}{did_you_mean(argument, known)}; {listed}"
    return ""


def hardware_names(machine: Machine) -> dict[str, str]:
    """Names of axes that vary a machine, with the path of the constant or array axis that each stands for."""
    profile = machine.profile
    backing, *on_chip = (level.name for level in profile.levels)
    settable = [name for name in profile.settable_names() if name != f"{backing}.capacity"]
    found = {HARDWARE + name: name for name in settable}
    found |= {HARDWARE + level: f"{level}.capacity" for level in on_chip}
    found |= {HARDWARE + axis: axis for axis in array_axes(profile)}
    return {ON_CHIP: constant_name(ON_CHIP, profile).removeprefix(HARDWARE), **found}


def hardware_problem(name: str, machines: Iterable[Machine]) -> str:
    """What is wrong with varying the hardware so; "" where every machine has that constant."""
    for machine in machines:
        known = hardware_names(machine)
        if name not in known:
            return f"cannot vary on {machine.profile.name}{did_you_mean(name, known)}; use {', '.join(known)}"
    return ""


def array_problem(values: Iterable[Any]) -> str:
    """What is wrong with sizes of an axis of the array."""
    wrong = [value for value in values if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1 << 20]
    return f"{wrong[0]!r} is no size of an array; give whole numbers from 1 to {1 << 20}" if wrong else ""


def is_array(path: str) -> bool:
    """Whether a path is that of an axis of the array of multipliers."""
    return path.startswith(ARRAY)
