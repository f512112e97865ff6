"""Mappings of a network as text, JSON, or in the formats of other mappers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from costmodel.errors import InputError
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.text import nest_text
from costmodel.mapping.levels.timeloop import timeloop_text
from costmodel.mapping.levels.zigzag import inexpressible, zigzag_text
from costmodel.report.as_json import json_text
from costmodel.report.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from costmodel.analysis import Analysis

FORMATS: Final = ("text", "json", "timeloop", "zigzag")
SCHEMA_VERSION: Final = 1


class Mappings:
    """Mappings by layer, as plain data."""

    def __init__(self, analysis: Analysis, nests: Mapping[str, MappedNest]) -> None:
        self.analysis, self.nests = analysis, nests

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``; ``costmodel explain --mapping`` reads it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.analysis.network,
            "hardware": self.analysis.hardware.name,
            "layers": {name: nest.to_dict() for name, nest in self.nests.items()},
        }


def nests_of(analysis: Analysis, layers: Iterable[str] = ()) -> dict[str, MappedNest]:
    """Mappings through all memories, of some layers or of all that have one.

    Raises
    ------
    InputError
        The analysis has no objective, or a layer has no mapping.
    """
    from costmodel.explanation import layer_row

    if analysis.objective is None:
        raise InputError(
            f"{analysis.hardware.name} declares no objective: its boundaries are mapped one by one; give --objective energy, "
            "latency, edp or dram_bytes"
        )
    rows = [layer_row(analysis, name) for name in layers] or sorted(analysis.mappings)
    found = {analysis.estimate.table.names[row]: analysis.mappings[row] for row in rows}
    return {name: nest for name, nest in found.items() if isinstance(nest, MappedNest)}


def texts(analysis: Analysis, nests: Mapping[str, MappedNest], fmt: str) -> dict[str, str]:
    """Texts of mappings by name of a file: one for all, but one per layer in Timeloop's format.

    Raises
    ------
    InputError, MappingError
        An unknown format, or one that has no words for the array.
    """
    match fmt:
        case "text":
            blocks = (f"{visible(name)}: {nest_text(nest)}\n" for name, nest in nests.items())
            return {"mappings.txt": "\n".join(blocks)}
        case "json":
            return {"mappings.json": json_text(Mappings(analysis, nests))}
        case "zigzag":
            return {"mappings.yaml": zigzag_text(nests)}
        case "timeloop":
            titles = {name: f"{name} of {analysis.network} on {analysis.hardware.name}" for name in nests}
            return {file: timeloop_text(nests[name], titles[name]) for name, file in file_names(nests).items()}
    raise InputError(f"format: {fmt!r} is not known; use one of {', '.join(FORMATS)}")


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file for every layer, its name safe on any system.

    >>> file_names(["fire2/squeeze1x1", "fire2_squeeze1x1"])
    {'fire2/squeeze1x1': 'fire2_squeeze1x1.map.yaml', 'fire2_squeeze1x1': 'fire2_squeeze1x1-2.map.yaml'}
    """
    found: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "layer"
        file, number = f"{stem}.map.yaml", 1
        while file in found.values():
            number += 1
            file = f"{stem}-{number}.map.yaml"
        found[name] = file
    return found


def remarks(nests: Mapping[str, MappedNest], fmt: str) -> list[str]:
    """What a format cannot say of single layers."""
    if fmt != "zigzag":
        return []
    return [f"{name}: {text}" for name, nest in nests.items() for text in inexpressible(nest)[:1]]
