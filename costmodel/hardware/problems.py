"""pydantic's findings as sentences with file, line and column: where, what, what was given, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from costmodel.hardware.documents import Document, Path_
from costmodel.hardware.profile import did_you_mean
from costmodel.hardware.schema import allowed_fields

Known = Callable[[Path_], Mapping[str, Any]]
"""Fields of the mapping at a path."""

_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping of names to values",
    "model": "a mapping, or 'VALUE | SOURCE | WHERE' for a constant",
    "list": "a list",
}


def sentences(error: ValidationError, chain: tuple[Document, ...], known: Known = allowed_fields) -> list[str]:
    """Write one sentence per problem, in file order; `chain` is the file and what it inherits from, `known` its fields."""
    found = findings(error, known)
    unique = dict.fromkeys((place(path, chain), f"{_dotted(path)}{text}") for path, text in found)
    ordered = sorted(unique, key=lambda entry: _order(entry[0], chain))
    return [f"{where}: {text}" for where, text in ordered]


def findings(error: ValidationError, known: Known) -> list[tuple[Path_, str]]:
    """Path and sentence of every problem."""
    return [(path, text) for item in error.errors() for path, text in _problems(item, known)]


def place(path: Path_, chain: tuple[Document, ...]) -> str:
    """``file:line:column`` in the nearest document of the chain that says most of the path."""
    return max(chain, key=lambda document: document.depth(path)).place(path)


def _order(where: str, chain: tuple[Document, ...]) -> tuple[int, int, int]:
    file, line, column = where.rsplit(":", 2)
    return [str(document.file) for document in chain].index(file), int(line), int(column)


def _dotted(path: Path_) -> str:
    return ".".join(str(part) for part in path) + ": " if path else ""


def _problems(item: Any, fields: Known) -> Iterator[tuple[Path_, str]]:  # noqa: ANN401 - pydantic's ErrorDetails
    """Path and sentence of one finding; a finding of ours may carry several sentences."""
    path = tuple(part for part in item["loc"] if part not in ("[key]", "constrained-str", "str", "float"))
    kind, context, given = item["type"], item.get("ctx", {}), item.get("input")
    if kind == "costmodel":
        yield from (((*path, *below), text) for below, text in context["findings"])
    elif kind == "extra_forbidden":
        known = list(fields(path[:-1]))
        yield path, f"unknown field{did_you_mean(str(path[-1]), known)}: known here are {', '.join(known)}"
    elif kind == "missing":
        yield path, f"missing{_example(path, fields)}"
    elif kind == "literal_error":
        known = re.findall("'([^']*)'", context["expected"])
        yield path, f"{given!r} is not known{did_you_mean(str(given), known)}: write {context['expected']}"
    else:
        yield path, _plain(kind, context, given, item["msg"])


def _example(path: Path_, fields: Known) -> str:
    field = fields(path[:-1]).get(str(path[-1]))
    return f": add it ({field.description})" if field is not None and field.description else ": add it"


def _plain(kind: str, context: dict[str, Any], given: object, message: str) -> str:
    """Sentence for wrong types, empty collections and numbers out of bounds."""
    expected = _KINDS.get(kind.removesuffix("_type").removesuffix("_parsing"))
    if expected:
        return f"{_short(given)} given: write {expected}"
    if kind in ("too_short", "string_too_short"):
        return f"{_short(given)} given, which is too short: write at least {context['min_length']} of them"
    return f"{_short(given)} given: {message[0].lower()}{message[1:]}"


def _short(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."
