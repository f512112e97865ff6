"""Pins of mappings as a user gives them, for the layers of a network on a profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from costmodel.errors import HardwareError, InputError, PinError, located
from costmodel.joint.machine import hierarchy_of
from costmodel.mapping.levels.pin_problems import Machine
from costmodel.mapping.levels.pin_words import read_mapping, read_words
from costmodel.mapping.levels.pins import UNPINNED, LayerPins, pins_of

if TYPE_CHECKING:
    from costmodel.hardware import HardwareProfile

PinsGiven: TypeAlias = "LayerPins | Mapping[str, Any] | Sequence[str] | str | Path | None"
"""Pins as a mapping, as words such as ``glb.k=16``, or as YAML files of a mapping."""


def given_pins(given: PinsGiven, layers: Sequence[str] = ()) -> LayerPins:
    """Read pins; those without a pattern of layers hold for ``layers``, or for all where these are not said.

    Raises
    ------
    InputError
        Everything that is no pin; a file that cannot be read.
    """
    if given is None:
        return UNPINNED
    if isinstance(given, LayerPins):
        found = given
    elif isinstance(given, Mapping):
        found = read_mapping(given)
    else:
        each = [given] if isinstance(given, str | Path) else list(given)
        words = read_words(str(one) for one in each if is_word(one))
        files = [file_pins(Path(one)) for one in each if not is_word(one)]
        found = LayerPins(tuple(entry for part in (words, *files) for entry in part.entries))
    return replace(found, layers=tuple(layers))


def is_word(one: str | Path) -> bool:
    """Whether it is a pin; else it is a file of pins."""
    return isinstance(one, str) and "=" in one


def file_pins(file: Path) -> LayerPins:
    """Pins of a YAML file."""
    from costmodel.hardware.documents import read_document

    try:
        data = read_document(file).data
    except HardwareError as error:
        missing = "; a pin is written such as glb.k=16" if not file.exists() else ""
        raise InputError(*(f"pins: {problem}{missing}" for problem in error.problems)) from None
    with located(str(file)):
        return read_mapping(data)


def refuse_strange(pins: LayerPins, layers: Sequence[str], hardware: HardwareProfile) -> None:
    """Refuse pins of layers that are not mapped, and of what a profile does not have.

    Raises
    ------
    InputError
        Patterns that match no layer.
    PinError
        Memories, sides, operands or dimensions that the profile does not have there.
    """
    unmatched = pins.unmatched(layers)
    if unmatched:
        known = ", ".join(layers)
        raise InputError(*(f"pins: {pattern!r} matches no layer that is mapped; these are {known}" for pattern in unmatched))
    found = list(Machine(hierarchy_of(hardware, inf), pins_of(pin for _, pin in pins.entries)).unknown())
    if found:
        raise PinError(*dict.fromkeys(found))
