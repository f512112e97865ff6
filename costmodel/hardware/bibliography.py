"""The bibliography: entries shipped beside the profiles, and those a profile brings under ``sources:``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from costmodel.data import data_dir
from costmodel.hardware.documents import read_document
from costmodel.hardware.profile import TIERS, Source, Tier
from costmodel.hardware.regular import IrregularError, keys, one_of, table, text, whole

BIBLIOGRAPHY_FILE: Final = "sources.yaml"

Entries: TypeAlias = Mapping[str, Source]

_LINE = re.compile(
    r"""(?: sources:
        | \ {2}(?P<key>[\w-]+):
        | \ {4}tier:\ (?P<tier>\w+)
        | \ {4}(?!tier)\w+:\ (?:"[^"\\]*"|[^\s"'\[{&*!|>%@`#].*)
        | \#.*
        | )\ *""",
    re.VERBOSE,
)


class Bibliography(Mapping[str, Source]):
    """Entries by key: keys and `tiers` are at hand, the entries are read when the first one is looked at."""

    def __init__(self, tiers: Mapping[str, Tier], read: Callable[[], Entries]) -> None:
        self.tiers = tiers
        self._read = read

    @cached_property
    def _entries(self) -> Entries:
        return self._read()

    def __getitem__(self, key: str) -> Source:
        return self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self.tiers

    def __iter__(self) -> Iterator[str]:
        return iter(self.tiers)

    def __len__(self) -> int:
        return len(self.tiers)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[type, tuple[dict[str, Source]]]:
        """Travel as a plain mapping, whose files may not be there on arrival."""
        return dict, (dict(self),)

    def extended(self, own: Entries) -> Bibliography:
        """Return the bibliography with the entries of a profile, which win."""
        tiers = {**self.tiers, **{key: source.tier for key, source in own.items()}}
        return Bibliography(tiers, lambda: {**self, **own})

    def only(self, cited: Collection[str]) -> Bibliography:
        """Return the bibliography of what is cited."""
        return Bibliography({key: tier for key, tier in self.tiers.items() if key in cited}, lambda: self)


def bibliography_file() -> Path:
    """Return the file of the shipped bibliography."""
    return data_dir("hw_profiles") / BIBLIOGRAPHY_FILE


def shipped_sources() -> dict[str, Source]:
    """Return the shipped bibliography by key; it is read again only when the file changes."""
    file = bibliography_file()
    return _sources(file, file.stat().st_mtime_ns)


def shipped_bibliography() -> Bibliography:
    """Return the shipped bibliography, its entries not read yet; the same object until the file changes."""
    file = bibliography_file()
    return _outlined(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _sources(file: Path, _mtime_ns: int) -> dict[str, Source]:
    document = read_document(file)
    try:
        return sources_of(keys(document.data, ("sources",))["sources"])
    except IrregularError:
        from costmodel.hardware.checking import checked_bibliography

        return sources_of(checked_bibliography(document)["sources"])


@lru_cache(maxsize=4)
def _outlined(file: Path, mtime_ns: int) -> Bibliography:
    try:
        tiers = outline(file.read_text(encoding="utf-8"))
    except (IrregularError, OSError, ValueError):
        tiers = {key: source.tier for key, source in _sources(file, mtime_ns).items()}
    return Bibliography(tiers, lambda: _sources(file, mtime_ns))


def outline(content: str) -> dict[str, Tier]:
    r"""Return keys and tiers of a bibliography that is written line by line, without reading it as YAML.

    >>> outline("sources:\n  a:\n    title: One\n  b:\n    title: Two\n    tier: measured\n")
    {'a': 'literature', 'b': 'measured'}

    Raises
    ------
    IrregularError
        A line that is no key of an entry, no field on one line, and no comment.
    """
    found: dict[str, Tier] = {}
    for line in content.splitlines():
        match = _LINE.fullmatch(line)
        if match is None or match["key"] in found:
            raise IrregularError
        if match["key"]:
            found[match["key"]] = "literature"
        elif match["tier"] and found:
            found[list(found)[-1]] = one_of(match["tier"], TIERS)
    return found


def sources_of(data: Any) -> dict[str, Source]:  # noqa: ANN401 - YAML data
    """Return the entries of a bibliography.

    Raises
    ------
    IrregularError
        Data that the models of `schema` refuse.
    """
    return {text(key): _source(key, entry) for key, entry in table(data).items()}


def _source(key: str, entry: Any) -> Source:  # noqa: ANN401 - YAML data
    texts = ("authors", "venue", "doi", "url", "read")
    found = keys(entry, ("title",), (*texts, "year", "tier"))
    year = found.get("year")
    return Source(
        key=key,
        title=text(found["title"], 3),
        year=None if year is None else whole(year, 1900, 2100),
        tier=one_of(found.get("tier", "literature"), TIERS),
        **{name: text(found.get(name, "")) for name in texts},
    )
