"""``inherits``: a profile that states only what differs from another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from costmodel.errors import HardwareError
from costmodel.hardware.documents import Document, read_document

NOT_INHERITED: Final = ("name", "title", "description", "inherits")
CONSTANT_KEYS: Final = frozenset(("value", "low", "high", "source", "where", "tier"))

Data = dict[str, Any]


def chain(document: Document, find: Callable[[str, Path], Path]) -> tuple[Document, ...]:
    """Return the document, its parent, its parent's parent and so on.

    Parameters
    ----------
    document
        The profile that was asked for.
    find
        File of a parent, from its name and the file that names it.

    Raises
    ------
    HardwareError
        A parent that does not exist, is not readable, or inherits from its own child.
    """
    found = [document]
    while (parent := found[-1].data.get("inherits")) is not None:
        child = found[-1]
        where = child.place(("inherits",))
        if not isinstance(parent, str):
            raise HardwareError(
                f"{where}: inherits: {parent!r} given: write the name of one profile, or a file"
            )
        try:
            file = find(parent, child.file)
        except HardwareError as error:
            raise HardwareError(*(f"{where}: inherits: {problem}" for problem in error.problems)) from None
        if not file.is_file():
            raise HardwareError(
                f"{where}: inherits: {file} is no file: write a shipped profile's name, or a file"
            )
        seen = [one.file.resolve() for one in found]
        if file.resolve() in seen:
            cycle = " -> ".join(one.name for one in (*seen[seen.index(file.resolve()) :], file))
            raise HardwareError(f"{where}: inherits: {cycle} is a circle: let one of them stand alone")
        found.append(read_document(file))
    return tuple(found)


def merged(documents: tuple[Document, ...]) -> Data:
    """Merge a chain of documents, the first one having the last word; names and titles are not inherited."""
    result: Data = {}
    for document in reversed(documents):
        own = {key: value for key, value in result.items() if key not in NOT_INHERITED}
        result = merge(own, document.data)
    return result


def merge(parent: Data, child: Data) -> Data:
    """Deep merge: mappings key by key, everything else replaced; ``null`` takes an entry away.

    A constant is replaced as a whole, so that no value ever keeps the source of another one.

    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "d": 4}, "e": None})
    {'a': {'b': 1, 'c': 3, 'd': 4}}
    """
    result = dict(parent)
    for key, value in child.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and not CONSTANT_KEYS & value.keys():
            before = result.get(key)
            result[key] = merge(
                before if isinstance(before, dict) and not CONSTANT_KEYS & before.keys() else {}, value
            )
        else:
            result[key] = value
    return result
