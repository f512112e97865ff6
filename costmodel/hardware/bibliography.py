"""The bibliography: entries shipped beside the profiles, and those a profile brings under ``sources:``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from costmodel.data import data_dir
from costmodel.errors import HardwareError
from costmodel.hardware.documents import read_document
from costmodel.hardware.problems import sentences
from costmodel.hardware.profile import Source
from costmodel.hardware.schema import BibliographySpec, SourceSpec

BIBLIOGRAPHY_FILE: Final = "sources.yaml"


def bibliography_file() -> Path:
    """Return the file of the shipped bibliography."""
    return data_dir("hw_profiles") / BIBLIOGRAPHY_FILE


def shipped_sources() -> dict[str, Source]:
    """Return the shipped bibliography by key; it is read again only when the file changes."""
    file = bibliography_file()
    return _sources(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _sources(file: Path, _mtime_ns: int) -> dict[str, Source]:
    document = read_document(file)
    try:
        spec = BibliographySpec.model_validate(document.data)
    except ValidationError as error:
        raise HardwareError(*sentences(error, (document,))) from None
    return {key: Source(key=key, **entry.model_dump()) for key, entry in spec.sources.items()}


def own_sources(data: object) -> dict[str, Source]:
    """Return the entries under a profile's ``sources:``.

    One that is not valid stands in by its key; its problems are reported with those of the profile.
    """
    return {str(key): _own(str(key), entry) for key, entry in data.items()} if isinstance(data, dict) else {}


def _own(key: str, entry: Any) -> Source:  # noqa: ANN401 - YAML data
    try:
        return Source(key=key, **SourceSpec.model_validate(entry).model_dump())
    except ValidationError:
        return Source(key=key, title=key)
