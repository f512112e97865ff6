"""Networks as graphs of layers, and the table of loop nests they lower to."""

from costmodel.graph.graph import Graph
from costmodel.graph.shapes import Dim, Ratio, Shape, as_dim, as_ratio
from costmodel.graph.stored import EncodedWeights, FileNode, StoredWidths
from costmodel.graph.table import LayerTable
from costmodel.graph.tensor import Tensor
from costmodel.graph.topology import Layer

__all__ = [
    "Dim", "EncodedWeights", "FileNode", "Graph", "Layer", "LayerTable", "Ratio", "Shape", "StoredWidths", "Tensor", "as_dim",
    "as_ratio",
]  # fmt: skip
