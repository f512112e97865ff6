"""Densities of activations, from a number or from a YAML file that says where they were measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from costmodel.compression.scheme import SUFFIXES, checked_data, hint
from costmodel.data import data_dir
from costmodel.errors import InputError
from costmodel.sparsity import ActivationDensities, ActivationDensity

if TYPE_CHECKING:
    from costmodel.hardware.documents import Document

TOP: Final = ("name", "network", "source", "place", "layers")
ZEROS: Final = ("ifmap_zeros", "ofmap_zeros")


def activation_names() -> tuple[str, ...]:
    """Names of the shipped measurements, sorted."""
    return tuple(sorted(file.stem for file in (data_dir("sparsity") / "activations").glob("*.yaml")))


def load_activations(given: float | str | Path) -> ActivationDensities:
    """Densities from one number for all layers, the name of a shipped measurement, or a YAML file.

    Raises
    ------
    InputError
        A number that is no share, no such measurement, or everything that is wrong with the file.
    """
    try:
        share = float(given) if isinstance(given, str | int | float) else None
    except ValueError:
        share = None
    if share is None:
        return read_activations(str(given))
    if isinstance(given, bool) or not 0 <= share <= 1:
        raise InputError(f"activation density: {given!r} is no share; give a number from 0 to 1, a name or a YAML file")
    return ActivationDensities(f"{share:g} everywhere", {"*": ActivationDensity(share, share)})


def read_activations(name: str) -> ActivationDensities:
    """Densities from a shipped measurement or a file."""
    known = activation_names()
    if name not in known and not name.endswith(SUFFIXES):
        raise InputError(
            f"activation density: {name!r} is no number and no measurement{hint(name, known)}; "
            f"shipped are {', '.join(known)}; or give a .yaml file"
        )
    file = data_dir("sparsity") / "activations" / f"{name}.yaml" if name in known else Path(name)
    data = checked_data(file, document_problems)
    layers = {
        key: ActivationDensity(*(1 - float(values.get(zeros, 0)) for zeros in ZEROS)) for key, values in data["layers"].items()
    }
    source, place = (str(data.get(key, "")) for key in ("source", "place"))
    return ActivationDensities(str(data.get("name", file.stem)), layers, source, place)


def document_problems(document: Document) -> list[str]:
    """Everything that is wrong with a file, each with its place."""
    data = document.data
    found = [f"{document.place((key,))}: {key!r} is not known; use {', '.join(TOP)}" for key in data if key not in TOP]
    layers = data.get("layers")
    if not isinstance(layers, dict) or not layers:
        return [*found, f"{document.place(('layers',))}: layers is missing or empty; write 'layers:' and one line per layer"]
    for key, values in layers.items():
        pairs = values.items() if isinstance(values, dict) else [("", values)]
        texts = [text for name, value in pairs if (text := problem(name, value))]
        found += [f"{document.place(('layers', key))}: {key}: {text}" for text in texts]
    return found


def problem(name: str, value: Any) -> str:  # noqa: ANN401 - whatever a file holds
    """What is wrong with a share of zeros, "" where nothing is."""
    if name not in ZEROS:
        return f"{name or value!r} is not known; write for example {{ifmap_zeros: 0.4, ofmap_zeros: 0.6}}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return f"{name} is {value!r}; give a share from 0 to 1"
    return ""
