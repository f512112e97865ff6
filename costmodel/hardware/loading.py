"""From a name or a path to a `HardwareProfile`: find, read, inherit, check, and only then build."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from costmodel.data import data_dir
from costmodel.errors import HardwareError
from costmodel.hardware.bibliography import BIBLIOGRAPHY_FILE, Bibliography, shipped_bibliography
from costmodel.hardware.building import profile_of
from costmodel.hardware.documents import Document, read_document
from costmodel.hardware.inheritance import chain, merged
from costmodel.hardware.profile import HardwareProfile, did_you_mean
from costmodel.hardware.regular import IrregularError

SUFFIXES: Final = (".yaml", ".yml")


def profile_names() -> tuple[str, ...]:
    """Names of the shipped profiles, sorted."""
    files = data_dir("hw_profiles").glob("*.yaml")
    return tuple(sorted(file.stem for file in files if file.name != BIBLIOGRAPHY_FILE))


def load_hardware(name_or_path: str | Path) -> HardwareProfile:
    """Load a hardware profile.

    The result is immutable and cached until one of its files changes.

    Parameters
    ----------
    name_or_path
        Name of a shipped profile (see `profile_names`), or a YAML file.

    Raises
    ------
    HardwareError
        Every problem at once, each with file, line and column.
    """
    file = profile_file(str(name_or_path)) if isinstance(name_or_path, str) else name_or_path
    documents = _chain(file)
    return _profile(_Documents(documents, shipped_bibliography()))


def profile_file(name: str, beside: Path | None = None) -> Path:
    """Return the file of a shipped profile by its bare name, else of a path relative to the file `beside`."""
    directory = beside.parent if beside else Path()
    looks_like_a_path = "/" in name or "\\" in name or name.endswith(SUFFIXES)
    if looks_like_a_path:
        return directory / name
    known = profile_names()
    if name in known:
        return data_dir("hw_profiles") / f"{name}.yaml"
    if name and (directory / name).exists():
        return directory / name
    raise HardwareError(
        f"no hardware profile {name!r}{did_you_mean(name, known)}: "
        f"shipped are {', '.join(known)}; or give a .yaml file"
    )


def _chain(file: Path) -> tuple[Document, ...]:
    return chain(read_document(file), profile_file)


class _Documents:
    """Parsed files as a cache key: equal only to the very same ones, which change when the files do."""

    def __init__(self, documents: tuple[Document, ...], shipped: Bibliography) -> None:
        self.documents = documents
        self.shipped = shipped
        self._identity = (*map(id, documents), id(shipped))

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Documents) and other._identity == self._identity


@lru_cache(maxsize=64)
def _profile(loaded: _Documents) -> HardwareProfile:
    data = merged(loaded.documents)
    file = loaded.documents[0].file
    data.setdefault("name", file.stem)
    data.setdefault("title", _title(data))
    try:
        return profile_of(data, file, loaded.shipped)
    except IrregularError:
        from costmodel.hardware.checking import checked_profile

        return profile_of(checked_profile(data, loaded.shipped.tiers, loaded.documents), file, loaded.shipped)


def _title(data: Mapping[str, Any]) -> str:
    return f"{data['name']}, a variation of {data['inherits']}" if data.get("inherits") else str(data["name"])
