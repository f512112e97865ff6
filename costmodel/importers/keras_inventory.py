"""Weights of a Keras archive, from its configuration: those of its layers, and what layers measure instead of train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from costmodel.importers.channels_last import clean
from costmodel.importers.inventory import CONSTANTS, Inventory, Stored, graph_inventory
from costmodel.importers.keras import Config, archive_config, keras_graph, well_formed

ADAPTED: Final = "measured by adapt(), not trained"
RULE: Final = "the total of model.summary(), trainable or not"


def keras_inventory(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Inventory:
    """What ``model.summary()`` counts, and what it is for; parameters and errors as of ``keras_graph``."""
    path = Path(path)
    found = graph_inventory(keras_graph(path, inputs), "Keras", RULE, statistics=True)
    with well_formed(path):
        adapted = {stored.name: stored for stored in _adapted(archive_config(path), "")}
    return Inventory(found.graph, "Keras", RULE, (*found.tensors, *adapted.values()))


def _adapted(entry: Config, prefix: str) -> Iterator[Stored]:
    """Mean, variance and count of every Normalization layer that was not given its own."""
    for layer in entry["config"].get("layers", ()):
        config = layer.get("config") or {}
        name = f"{prefix}{config.get('name')}"
        if layer.get("class_name") == "Normalization" and config.get("mean") is None:
            shape = (layer.get("build_config") or {}).get("input_shape") or ()
            axes = config.get("axis", -1)
            elems = 2
            for axis in axes if isinstance(axes, list) else [] if axes is None else [axes]:
                elems *= int(shape[axis])
            yield Stored(clean(name), CONSTANTS, elems + 1, 0, elems + 1, 0, ADAPTED)
        elif "layers" in config:
            yield from _adapted(layer, f"{name}/")
