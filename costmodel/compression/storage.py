"""The result: what the weights of one network take on flash or on the air, layer by layer and stage by stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costmodel.analysis import SCHEMA_VERSION
from costmodel.compression.scheme import LayerScheme, Scheme, Values, scheme_of_options, unmatched, weighty
from costmodel.compression.sizes import (
    FLOAT_BITS,
    STAGES,
    LayerStorage,
    declared_streams,
    plain_layer,
    stored_layer,
)
from costmodel.compression.weights import METHODS, measured_streams, of_layers, read_weights, weights_of
from costmodel.errors import InputError
from costmodel.graph import EncodedWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from costmodel.compression.sizes import Streams
    from costmodel.graph import Graph, LayerTable


@dataclass(frozen=True, repr=False)
class Storage:
    """Bytes of one network at every stage.

    Attributes
    ----------
    network, scheme
        What was stored, and how.
    layers
        Layers with parameters, in order of execution.
    compressed
        The network with its weights at the last stage: a network like others.
    weights
        The file that the weights were read from, "" where everything is declared.
    method
        How weights were shared, where they were read.
    """

    network: str
    scheme: Scheme
    layers: tuple[LayerStorage, ...]
    compressed: Graph
    weights: str = ""
    method: str = ""

    def total(self, column: str) -> int:
        """Sum of a column over the layers."""
        return sum(getattr(layer, column) for layer in self.layers)

    @property
    def stages(self) -> dict[str, int]:
        """Bytes of the whole network by stage [B]."""
        return {stage: self.total(f"{stage}_bytes") for stage in STAGES}

    @property
    def coded_bytes(self) -> int:
        """Bytes of the whole network at the last stage [B]."""
        return self.total("coded_bytes")

    def records(self) -> list[dict[str, Any]]:
        """One record per layer."""
        return [
            {**asdict(layer), "density_ratio": layer.density_ratio, "bits_per_weight": layer.bits_per_weight}
            for layer in self.layers
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with ``schema_version``."""
        texts = {name: getattr(self.scheme, name) for name in ("source", "place", "huffman")}
        return {
            "schema_version": SCHEMA_VERSION,
            "network": self.network,
            "scheme": {"name": self.scheme.name, **texts},
            "weights": self.weights,
            "method": self.method,
            "params": self.total("params"),
            "nonzero": self.total("nonzero"),
            "entries": self.total("entries"),
            "stages": self.stages,
            "layers": self.records(),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per layer."""
        import pandas as pd

        return pd.DataFrame.from_records(self.records())

    def to_scheme(self) -> Scheme:
        """A scheme that gives these figures again without the weights: entries and average lengths, as counted."""
        layers = {layer.name: counted_scheme(layer) for layer in self.layers if layer.bits < FLOAT_BITS}
        return replace(self.scheme, layers=layers)

    def __repr__(self) -> str:
        """Return the report that the command line prints."""
        from costmodel.report import render

        return render(self, "text")

    def _repr_html_(self) -> str:
        """Return the report for notebooks."""
        from costmodel.report import html_table

        return html_table(self)


def counted_scheme(layer: LayerStorage) -> LayerScheme:
    """A layer as it was counted; a stream without a Huffman code has no average length."""
    return LayerScheme(
        density=layer.density_ratio,
        bits=layer.bits,
        index_bits=layer.index_bits,
        nonzero=layer.nonzero,
        entries=layer.entries,
        coded_bits=layer.code_bits if layer.code_bits < layer.bits else None,
        coded_index_bits=layer.code_index_bits if layer.code_index_bits < layer.index_bits else None,
    )


def storage_of(
    graph: Graph,
    scheme: Scheme | None,
    density: Values | None = None,
    bits: Values | None = None,
    index_bits: Values | None = None,
    weights: str | Path | None = None,
    method: str = "linear",
) -> Storage:
    """Bytes of a graph under a scheme; see :func:`costmodel.storage`.

    Raises
    ------
    InputError
        Unknown layers or methods, values outside their range, weights that do not fit, or a design space.
    """
    table = graph.table()
    if table.design_points != 1:
        raise InputError(f"{graph.name}: carries {table.design_points} design points; storage is that of one network")
    if method not in METHODS:
        raise InputError(f"quantize: {method!r} is not known; use {' or '.join(METHODS)}")
    if scheme is not None:
        checked_layers(scheme, table)
    chosen = scheme_of_options(table, scheme, density, bits, index_bits)
    rows = [row for row in range(len(table)) if table.params[row, 0]]
    names = {name for name, _ in weighty(table)}
    schemes = {row: chosen.of_row(table.names[row], table.ops[row]) for row in rows if table.names[row] in names}
    compressed = [row for row, found in schemes.items() if found is not None]
    streams = streams_of(table, chosen, compressed, weights, method)
    layers = tuple(layer_of(table, row, streams.get(row)) for row in rows)
    stored = {layer.name: EncodedWeights(8 * layer.weight_operand_bytes, 8 * layer.coded_bytes) for layer in layers}
    encoded = {table.names[row]: stored[table.names[row]] for row in compressed}
    network = graph.with_encoded(f"{graph.name}@{chosen.name}", encoded)
    return Storage(graph.name, chosen, layers, network, str(weights or ""), method if weights else "")


def checked_layers(scheme: Scheme, table: LayerTable) -> None:
    """Refuse a scheme with layers that the network does not have, or more weights than a layer has."""
    problems = unmatched(f"scheme {scheme.name}", scheme.layers, table)
    sizes = {table.names[row]: weights_of(table, row) for row in range(len(table))}
    for name, op in weighty(table):
        found = scheme.of_row(name, op)
        counts = [(key, getattr(found, key)) for key in ("nonzero", "entries") if found and getattr(found, key) is not None]
        problems += [
            f"scheme {scheme.name}: {name} has {sizes[name]} weights, not {value} of {key}"
            for key, value in counts
            if value > sizes[name]
        ]
    if problems:
        raise InputError(*problems)


def streams_of(
    table: LayerTable, scheme: Scheme, rows: Sequence[int], weights: str | Path | None, method: str
) -> dict[int, Streams]:
    """What is stored of every compressed row, measured where there are weights."""
    found = {row: scheme.of_row(table.names[row], table.ops[row]) or LayerScheme() for row in rows}
    others = {row: int(table.params[row, 0]) - weights_of(table, row) for row in rows}
    if weights is None:
        return {
            row: declared_streams(weights_of(table, row), others[row], one, huffman=scheme.huffman)
            for row, one in found.items()
        }
    path = Path(weights)
    values = of_layers(table, rows, read_weights(path), path)
    return {
        row: measured_streams(array, others[row], found[row], method, huffman=scheme.huffman)
        for row, array in zip(rows, values, strict=True)
    }


def layer_of(table: LayerTable, row: int, streams: Streams | None) -> LayerStorage:
    """One layer, compressed or as it is."""
    name, op = table.names[row], table.ops[row]
    if streams is None:
        return plain_layer(name, op, int(table.params[row, 0]), weights_of(table, row))
    return stored_layer(name, op, streams)
