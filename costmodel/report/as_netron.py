"""An analysis as an attachment for Netron, which shows it beside the nodes of an open model file.

The form is that of ``metadata.Attachment`` in Netron's ``source/view.js`` (https://github.com/lutzroeder/netron, 8.2.8 and
later): a ``.json`` file with the signature ``netron:attachment`` and two lists, ``metadata`` and ``metrics``. An entry has a
``kind`` (model, graph, node, value, tensor), a ``name``, a ``value``, and says what it belongs to by the first line of its
name (``target``) or by its ``identifier``. A node without a name, or with a name that others have too, cannot be said: its
entries belong to the first value that it gives.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from costmodel.errors import InputError
from costmodel.report.names import visible
from costmodel.report.numbers import span
from costmodel.units import si

if TYPE_CHECKING:
    from costmodel.analysis import Analysis, LayerCost
    from costmodel.graph import FileNode

Entry: TypeAlias = dict[str, Any]

SIGNATURE: Final = "netron:attachment"
COUNTS: Final = {
    "parameters": "params", "weight bytes": "weight_bytes", "MACs": "macs", "other operations": "other_ops",
    "off-chip bytes": "dram_bytes", "off-chip bytes of weights": "weight_dram_bytes",
    "off-chip bytes of ifmaps": "ifmap_dram_bytes", "off-chip bytes of ofmaps": "ofmap_dram_bytes",
}  # fmt: skip
"""Metrics that are whole numbers, and the columns that give them."""


@dataclass(frozen=True)
class Place:
    """What an entry belongs to: a kind, and the name or identifier of one of that kind."""

    kind: str
    target: str = ""
    identifier: str = ""

    def entry(self, name: str, value: int | str) -> Entry:
        """One line that Netron shows there."""
        where = {"identifier": self.identifier} if self.identifier else {"target": self.target}
        return {"kind": self.kind, **where, "name": name, "value": value}


def netron_attachment(analysis: Analysis) -> dict[str, Any]:
    """The attachment: metrics and metadata of every node that layers were made of, and the totals at the model.

    Raises
    ------
    InputError
        The network comes from no file that Netron opens.
    """
    if not analysis.nodes:
        raise InputError(
            f"{visible(analysis.network)}: Netron shows the nodes of a model file, and this network comes from none; "
            "give an ONNX, TFLite or Keras file"
        )
    model = Place("model")
    placed = list(places(analysis))
    return {
        "signature": SIGNATURE,
        "metadata": [*about(model, analysis), *(e for place, layers in placed for e in remarks(place, layers))],
        "metrics": [*metrics(model, analysis.layers), *(e for place, layers in placed for e in metrics(place, layers))],
    }


def netron_text(analysis: Analysis) -> str:
    """The attachment as JSON."""
    return json.dumps(netron_attachment(analysis), indent=1) + "\n"


def places(analysis: Analysis) -> Iterator[tuple[Place, list[LayerCost]]]:
    """Where the figures of each node go, and the layers that were made of it."""
    made: dict[FileNode, list[LayerCost]] = {}
    for layer in analysis.layers:
        node = analysis.nodes.get(layer.name) or analysis.nodes.get(layer.name.rpartition("/")[0])
        if node is not None:
            made.setdefault(node, []).append(layer)
    unsure = ambiguous(made)
    for node, layers in made.items():
        yield place_of(node, by_value=node in unsure), layers


def ambiguous(nodes: Iterable[FileNode]) -> frozenset[FileNode]:
    """Nodes that Netron cannot tell by their names: without one, or with that of another."""
    found = [node for node in nodes if not node.identifier]
    names = Counter(first_line(node.name) for node in found)
    return frozenset(node for node in found if not node.name or names[first_line(node.name)] > 1)


def place_of(node: FileNode, *, by_value: bool) -> Place:
    """The place of a node."""
    if by_value:
        return Place("value", first_line(node.output))
    return Place("node", first_line(node.name), node.identifier)


def first_line(name: str) -> str:
    """What Netron takes of a name."""
    return name.partition("\n")[0]


def metrics(place: Place, layers: Sequence[LayerCost]) -> Iterator[Entry]:
    """Sums over layers; counts and bytes as whole numbers, energy and time with unit and range."""
    for name, key in COUNTS.items():
        yield place.entry(name, sum(getattr(layer, key) for layer in layers))
    yield place.entry("energy", ranged(layers, "energy", "J"))
    yield place.entry("latency", ranged(layers, "latency", "s"))


def ranged(layers: Sequence[LayerCost], quantity: str, unit: str) -> str:
    """The sum of a quantity over layers, and its range."""
    ends = [f"{quantity}{end}_{unit.lower()}" for end in ("", "_low", "_high")]
    value, low, high = (sum(getattr(layer, key) for layer in layers) for key in ends)
    return f"{si(value, unit)} ({span(low, high, unit)})"


def remarks(place: Place, layers: Sequence[LayerCost]) -> Iterator[Entry]:
    """What is said of the layers of a node in words."""
    yield place.entry("layers", ", ".join(layer.name for layer in layers))
    for layer in layers:
        label = layer.name if len(layers) > 1 else "status"
        yield place.entry(label, layer.status + (f": {layer.note}" if layer.note else ""))
        if layer.status != "free":
            bits = f"{layer.weight_bits}, {layer.ifmap_bits} and {layer.ofmap_bits} bits"
            prefix = f"{layer.name}: " if len(layers) > 1 else ""
            yield place.entry(f"{prefix}weight, ifmap and ofmap", f"{bits}; MACs at {layer.mac_format}")
            yield place.entry(f"{prefix}bound by", layer.binding)
            if layer.mapping:
                what = "mapping" if layer.accesses else "mapping off chip"
                yield place.entry(f"{prefix}{what}", layer.mapping.summary)


def about(place: Place, analysis: Analysis) -> Iterator[Entry]:
    """What the model was priced for."""
    yield place.entry("hardware", analysis.hardware.name)
    yield place.entry("precision", analysis.precision.name)
    yield place.entry("batch", analysis.batch)


def without_names(analysis: Analysis) -> tuple[int, int]:
    """Nodes whose figures are at the value that they give, and all nodes with figures."""
    found = list(places(analysis))
    return sum(place.kind == "value" for place, _ in found), len(found)
