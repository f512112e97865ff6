"""The backward pass in products: which gradients each layer computes.

A product with trained weights has two gradients, each as many MACs as the product itself: that of its weights, and that of its
input, which is not computed where nothing before the layer is trained. A product of two activations has one per operand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.graph import Graph, LayerTable, Tensor
    from costmodel.graph.topology import Layer


@dataclass(frozen=True)
class Backward:
    """How many gradients the backward pass computes per row of the layer table, each like the row's forward pass."""

    gradients: tuple[int, ...]

    def macs(self, table: LayerTable) -> int:
        """MACs of the backward pass."""
        return int(table.total("macs", self.gradients)[0])


def backward(graph: Graph) -> Backward:
    """Count the gradients of every row of a graph's table.

    Examples
    --------
    >>> from costmodel.graph import Graph
    >>> g = Graph("two layers")
    >>> x = g.conv("first", g.input("x", (1, 3, 8, 8)), 4, 3)
    >>> x = g.conv("second", g.relu("relu", x), 4, 3)
    >>> backward(g).gradients
    (1, 1, 2)
    """
    table = graph.table()
    trained = trained_layers(graph, table)
    needed: set[Tensor] = set()
    counts: list[int] = []
    for layer, rows in graph.layer_rows():
        inputs = sum(tensor in needed or tensor.origin == "parameter" for tensor in layer.inputs)
        own = layer.name in trained
        if own or inputs:
            needed.update(layer.outputs)
        counts += [gradients(table, row, inputs, own=own) for row in rows]
    return Backward(tuple(counts))


def gradients(table: LayerTable, row: int, inputs: int, *, own: bool) -> int:
    """Gradients of one row: of its weights, and of its input; of two operands where both are tensors.

    `inputs` of the layer's operands need a gradient, `own` says whether it has weights of its own.
    """
    operands = 2 if table.ops[row] == "matmul" else 1
    return own + min(inputs, operands)


def trained_layers(graph: Graph, table: LayerTable) -> set[str]:
    """Names of the layers with trained weights of their own, or those of an earlier layer; tensors of weights are inputs."""

    def weighs(layer: Layer, rows: range) -> bool:
        if any(tensor.origin == "parameter" for tensor in layer.inputs):
            return False
        return any(table.params[row, 0] or (table.weight_elems[row, 0] and not table.dynamic_weight[row]) for row in rows)

    return {layer.name for layer, rows in graph.layer_rows() if weighs(layer, rows)}
