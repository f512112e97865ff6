"""Pins as users write them: ``glb.k=16``, ``rows=r:11,c``, ``conv*:pe.stationary=weight``, or as a mapping of the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from costmodel.errors import InputError
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.pins import (
    BYPASS,
    EVERY,
    HOLD,
    MORE,
    NONE,
    STATIONARY,
    LayerPins,
    PassingPin,
    Pin,
    SidePin,
    StationaryPin,
    TilePin,
)
from costmodel.mapping.mapping import DIMS

PARTS: Final = (*DIMS, STATIONARY, BYPASS, HOLD)
"""What can be pinned of a memory."""


class RefusedError(Exception):
    """A pin that cannot be read; its text says why."""


def read_words(words: Iterable[str]) -> LayerPins:
    """Read pins such as ``glb.k=16``, ``rows=r:11``, ``glb.stationary=weight``, ``conv*:glb.bypass=weight``.

    Raises
    ------
    InputError
        Every word that is none.
    """
    return collected(pair for word in words for pair in split_word(word))


def read_mapping(data: Mapping[Any, Any]) -> LayerPins:
    """Read pins from a mapping: ``{"glb.k": 16, "rows": "r:11", "conv*": {"glb.stationary": "weight"}}``.

    Raises
    ------
    InputError
        Every entry that is no pin.
    """
    return collected(pair for key, value in data.items() for pair in split_entry(key, value))


def split_word(word: str) -> Iterator[tuple[str, str, Any]]:
    """Pattern, place and value of a word."""
    name, sign, value = word.rpartition("=")
    if not sign:
        yield EVERY, word, None
        return
    yield (*split_name(name), value)


def split_entry(key: Any, value: Any) -> Iterator[tuple[str, str, Any]]:  # noqa: ANN401 - whatever a file holds
    """Pattern, place and value of an entry; of each entry below it where it is a pattern of layers."""
    if not isinstance(value, Mapping):
        yield (*split_name(str(key)), value)
        return
    if not value:
        yield EVERY, str(key), None
    yield from ((str(key), str(place), inner) for place, inner in value.items())


def split_name(name: str) -> tuple[str, str]:
    """Pattern and place.

    >>> split_name("conv*:glb.k"), split_name("glb.k")
    (('conv*', 'glb.k'), ('*', 'glb.k'))
    """
    pattern, sign, place = name.rpartition(":")
    return (pattern if sign else EVERY), place


def collected(pairs: Iterable[tuple[str, str, Any]]) -> LayerPins:
    """Read every pin, or refuse all that are none."""
    found: list[tuple[str, Pin]] = []
    problems = []
    for pattern, place, value in pairs:
        try:
            found += [(pattern, pin) for pin in read(place, value)]
        except RefusedError as refused:
            problems.append(f"pin {'' if pattern == EVERY else pattern + ':'}{place}: {refused}")
    if problems:
        raise InputError(*problems)
    return LayerPins(tuple(dict.fromkeys(found)))


def read(place: str, value: Any) -> list[Pin]:  # noqa: ANN401 - whatever a file holds
    """One entry as pins: of a memory where the place has a point, else of a side of the array."""
    if value is None or value == "":
        raise RefusedError("has no value; write such as glb.k=16, glb.stationary=weight, glb.bypass=weight or rows=r:11,c")
    store, point, part = place.rpartition(".")
    if not point:
        return [side_pin(place, value)]
    if part in DIMS:
        return [TilePin(store, part, count(value))]
    if part == STATIONARY:
        return [StationaryPin(store, only(operands(value)))]
    if part in (BYPASS, HOLD):
        return [PassingPin(store, operand, part == BYPASS) for operand in operands(value)]
    close = get_close_matches(part, PARTS, 1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    words = f"{STATIONARY}, {BYPASS}, {HOLD} or a loop of {' '.join(DIMS)}"
    raise RefusedError(f"{part!r} is nothing to pin of a memory{meant}; use {words}")


def listed(value: Any) -> list[str]:  # noqa: ANN401 - whatever a file holds
    """Words of a list, or of a text with commas."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",")]
    if isinstance(value, list | tuple):
        return [str(word) for word in value]
    return [str(value)]


def count(value: Any) -> int:  # noqa: ANN401 - whatever a file holds
    """A whole number of at least 1."""
    digits = isinstance(value, str) and value.isascii() and value.isdigit()
    if isinstance(value, bool) or not (digits or isinstance(value, int)) or int(value) < 1:
        raise RefusedError(f"{value!r} given; give a whole number of at least 1")
    return int(value)


def operands(value: Any) -> list[str]:  # noqa: ANN401 - whatever a file holds
    """Names of operands."""
    for word in listed(value):
        if word not in OPERANDS:
            raise RefusedError(f"{word!r} is no operand; these are {', '.join(OPERANDS)}")
    return listed(value)


def only(found: list[str]) -> str:
    """The one operand that is given."""
    if len(found) != 1:
        raise RefusedError(f"{', '.join(found)} given; one operand stays in place")
    return found[0]


def side_pin(side: str, value: Any) -> SidePin:  # noqa: ANN401 - whatever a file holds
    """What is unrolled along a side: dimensions with or without their elements; ``none``; ``*`` where others may be too."""
    words = listed(value)
    if words == [NONE]:
        return SidePin(side, (), more=False)
    found: dict[str, int] = {}
    for word in words:
        dim, sign, many = word.partition(":")
        if word == MORE:
            continue
        if dim not in DIMS:
            raise RefusedError(
                f"{word!r} is nothing to unroll along a side; write such as r:11,c with loops of {' '.join(DIMS)}, {NONE}, or "
                f"{MORE} where others may be unrolled too; what is pinned of a memory has its name in front, such as glb.k=16"
            )
        if dim in found:
            raise RefusedError(f"{dim} is given twice")
        found[dim] = count(many) if sign else 0
    return SidePin(side, tuple(found.items()), more=MORE in words)
