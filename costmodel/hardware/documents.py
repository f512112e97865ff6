"""YAML files read into plain data in one pass, with the line and column of every key and value.

ruamel.yaml scans and parses; the data are built here from its events, because the positions then cost
nothing, duplicate keys are seen where they stand, and nesting is bounded before any recursion. Plain scalars
follow the core schema of YAML 1.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from costmodel.errors import HardwareError

Path_ = tuple[str | int, ...]
"""Keys (and list indices) from the top of a document down to one value."""

MAX_DEPTH = 16
MAX_BYTES = 1 << 20

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}


class Mark(NamedTuple):
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """A YAML mapping and where each of its keys (and list items) stands."""

    file: Path
    data: dict[str, Any]
    marks: dict[Path_, Mark]

    def place(self, path: Path_) -> str:
        """Write ``file:line:column`` of a path, or of its nearest ancestor that the file contains."""
        while path and path not in self.marks:
            path = path[:-1]
        mark = self.marks.get(path, Mark(1, 1))
        return f"{self.file}:{mark.line}:{mark.column}"

    def depth(self, path: Path_) -> int:
        """Return how many leading keys of a path the file contains."""
        return next((n for n in range(len(path), 0, -1) if path[:n] in self.marks), 0)


def read_document(file: Path) -> Document:
    """Read a YAML file whose top is a mapping.

    The result is cached until the file changes; treat it as read-only.

    Raises
    ------
    HardwareError
        Missing, unreadable, binary, empty or huge file; not YAML; duplicate keys, aliases, tags, several
        documents or absurd nesting: all duplicates at once, each with line and column.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise HardwareError(f"{file}: {_reason(error)}: check the path of the profile") from None
    if file.is_dir():
        raise HardwareError(f"{file}: is a directory: give the .yaml file of a profile in it")
    return _document(file, status.st_mtime_ns, status.st_size)


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or "cannot be read").lower()


@lru_cache(maxsize=64)
def _document(file: Path, _mtime_ns: int, size_bytes: int) -> Document:
    if size_bytes > MAX_BYTES:
        raise HardwareError(f"{file}: {size_bytes} bytes is too large for a profile: {MAX_BYTES} at most")
    return parse_document(_text(file), file)


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise HardwareError(f"{file}: {_reason(error)}: check the permissions of the file") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise HardwareError(f"{file}:{line}: not UTF-8 text: give a YAML file, not a binary one") from None
    if "\0" in text:
        raise HardwareError(f"{file}: binary file: give a YAML file")
    return text


def parse_document(text: str, file: Path) -> Document:
    """Parse YAML text; `file` is named in errors only."""
    reader = _Reader(file)
    try:
        data = reader.read(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise HardwareError(f"{place}: not valid YAML: {error.problem or error.context}") from None
    except YAMLError as error:
        raise HardwareError(f"{file}: not valid YAML: {' '.join(str(error).split())}") from None
    if reader.problems:
        raise HardwareError(*reader.problems)
    if not isinstance(data, dict):
        raise HardwareError(
            f"{file}:1:1: {_kind(data)} at the top: write a mapping, lines such as 'name: value'"
        )
    return Document(file, data, reader.marks)


def _kind(data: object) -> str:
    if data is None:
        return "nothing"
    text = repr(data)
    return "a list" if isinstance(data, list) else f"the single value {text if len(text) <= 60 else text[:57] + '...'}"


@dataclass
class _Reader:
    """Builds data from YAML events; `problems` collects what can be passed over, the rest raises at once."""

    file: Path
    marks: dict[Path_, Mark] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def read(self, events: Iterator[Any]) -> Any:  # noqa: ANN401 - YAML data
        """Return the data of the first document; a second one is a problem."""
        data, documents = None, 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document starts here: one file holds one profile")
            elif isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent | AliasEvent):
                data = self._value(event, events, ())
        return data

    def _value(self, event: Any, events: Iterator[Any], path: Path_) -> Any:  # noqa: ANN401 - YAML data
        if len(path) > MAX_DEPTH:
            raise self._error(event, f"nested more than {MAX_DEPTH} deep: a profile needs 5 levels at most")
        if isinstance(event, AliasEvent) or event.anchor:
            raise self._error(event, "anchors and aliases (& and *) are not used here: write the value again")
        if event.tag is not None:
            raise self._error(event, f"the tag {event.tag} is not used in profiles: leave it out")
        if isinstance(event, ScalarEvent):
            text = self._text(event)
            return scalar(text) if event.implicit[0] else text
        if isinstance(event, SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _sequence(self, events: Iterator[Any], path: Path_) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            here = (*path, len(items))
            self.marks[here] = _mark(event)
            items.append(self._value(event, events, here))
        return items

    def _mapping(self, events: Iterator[Any], path: Path_) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                raise self._error(event, "a list or mapping as a key: keys are names")
            key = self._text(event)
            here = (*path, key)
            if key in data:
                first = self.marks[here].line
                self._note(event, f"{key!r} is given twice, first on line {first}: keep one of them")
                self._value(next(events), events, (*path, f"{key} (again)"))
                continue
            self.marks[here] = _mark(event)
            data[key] = self._value(next(events), events, here)
        return data

    def _text(self, event: Any) -> str:  # noqa: ANN401 - ruamel has no common event type
        """Return the text of a scalar, whose escapes may name halves of characters, which no output can hold."""
        text: str = event.value
        if not text.isascii() and _HALF_CHARACTER.search(text):
            raise self._error(event, "half of a character (\\ud800 to \\udfff) is no text: write the whole one")
        return text

    def _note(self, event: Any, problem: str) -> None:  # noqa: ANN401 - ruamel has no common event type
        mark = _mark(event)
        self.problems.append(f"{self.file}:{mark.line}:{mark.column}: {problem}")

    def _error(self, event: Any, problem: str) -> HardwareError:  # noqa: ANN401 - as above
        self._note(event, problem)
        return HardwareError(*self.problems)


def _mark(event: Any) -> Mark:  # noqa: ANN401 - ruamel has no common event type
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def scalar(text: str) -> Any:  # noqa: ANN401 - YAML data
    """Return a plain scalar by the core schema of YAML 1.2: ``1e-12`` is a number, ``yes`` is text.

    >>> scalar("1e-12"), scalar("0x10"), scalar("yes"), scalar("true"), scalar("~")
    (1e-12, 16, 'yes', True, None)
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text) if _FLOAT.fullmatch(text) else text
