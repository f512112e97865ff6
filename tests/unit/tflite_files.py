"""Small TFLite models through a file: what the tests of the importer share."""

from __future__ import annotations

from pathlib import Path

from costmodel.graph import Graph
from costmodel.importers.tflite import tflite_graph
from tests.models.tflite.writer import Model


def reread(path: Path, model: Model, inputs=None) -> Graph:
    """Write a model and read it back."""
    path.write_bytes(model.bytes())
    return tflite_graph(path, inputs)


def totals(graph: Graph) -> tuple[int, int]:
    """Parameters and MACs."""
    table = graph.table()
    return int(table.total("params")[0]), int(table.total("macs")[0])
