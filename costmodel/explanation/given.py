"""A mapping that a user gives, in place of the best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.errors import HardwareError, InputError, located
from costmodel.explanation.explaining import layer_row
from costmodel.hardware.documents import read_document
from costmodel.mapping.levels.given import from_dict
from costmodel.mapping.levels.mapped import MappedNest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from costmodel.analysis import Analysis


def given_analysis(analysis: Analysis, name: str, mapping: Mapping[str, Any] | str | Path) -> tuple[Analysis, MappedNest]:
    """An analysis with one layer mapped as given, and the best mapping of that layer.

    Raises
    ------
    InputError
        No such layer, a file that cannot be read, or an analysis without an objective.
    MappingError
        Everything that is wrong with the mapping.
    """
    row = layer_row(analysis, name)
    best = analysis.mappings[row]
    if not isinstance(best, MappedNest):
        raise InputError(
            f"{analysis.hardware.name} declares no objective, and a mapping through all memories needs one; give --objective "
            "energy, latency, edp or dram_bytes"
        )
    place = str(mapping) if isinstance(mapping, str | Path) else name
    data = file_data(Path(mapping)) if isinstance(mapping, str | Path) else mapping
    with located(place):
        nest = from_dict(of_layer(data, name), best.priced.layer, best.priced.hierarchy)
    return replace(analysis, estimate=replace(analysis.estimate, given={row: nest})), best


def file_data(file: Path) -> dict[str, Any]:
    """Content of a YAML or JSON file."""
    try:
        return dict(read_document(file).data)
    except HardwareError as error:
        raise InputError(*error.problems) from None


def of_layer(data: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - whatever a file holds
    """The mapping of a layer, from a file of one or of several by layer."""
    layers = data.get("layers")
    if "levels" in data or not isinstance(layers, dict):
        return data
    if name not in layers:
        raise InputError(f"layers: {name!r} is not among them; the file has {', '.join(map(str, layers))}")
    return layers[name]
