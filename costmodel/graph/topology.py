"""Who reads what: the questions that decide whether a layer is free at its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from costmodel.graph.ops.base import Op
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.dense import Linear, MatMul
from costmodel.graph.ops.elementwise import Identity, Parameter, Unknown
from costmodel.graph.ops.layout import Concat, Flatten, Reshape, Slice
from costmodel.graph.shapes import format_shape
from costmodel.graph.tensor import Tensor

_RENAMES = (Flatten, Reshape, Identity)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One named operation of a graph with the tensors it reads and gives."""

    name: str
    op: Op
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def __repr__(self) -> str:
        reads = ", ".join(tensor.name for tensor in self.inputs)
        gives = ", ".join(format_shape(tensor.shape) for tensor in self.outputs)
        return f"<{self.name}: {type(self.op).__name__}({reads}) -> {gives}>"


class Topology:
    """Producers and readers of every tensor of a finished graph."""

    def __init__(self, layers: Sequence[Layer], outputs: Sequence[Tensor]) -> None:
        self._producer = {tensor: layer for layer in layers for tensor in layer.outputs}
        self._readers = Counter(tensor for layer in layers for tensor in dict.fromkeys(layer.inputs))
        self._readers.update(outputs)
        self._joins = Counter(
            tensor for layer in layers if isinstance(layer.op, Concat) for tensor in layer.inputs
        )

    def producer(self, tensor: Tensor) -> Layer | None:
        """The layer that computes a tensor; None for graph inputs."""
        return self._producer.get(tensor)

    def sole_source(self, tensor: Tensor) -> Layer | None:
        """The layer that computes a tensor, seen through views, if each step has one reader only."""
        while True:
            layer = self._producer.get(tensor)
            if layer is None or tensor.origin == "parameter" or self._readers[tensor] != 1:
                return None
            if not isinstance(layer.op, _RENAMES):
                return layer if _computes(layer.op) else None
            tensor = layer.inputs[0]

    def writable(self, tensor: Tensor) -> bool:
        """Whether the producer of a tensor can write it into a concat: computed, and joined once."""
        while self._joins[tensor] <= 1:
            layer = self._producer.get(tensor)
            if layer is None or tensor.origin == "parameter":
                return False
            if layer.op.in_place or isinstance(layer.op, _RENAMES):
                tensor = layer.inputs[0]
                continue
            return _computes(layer.op)
        return False


def _computes(op: Op) -> bool:
    """Whether the operation is known to write new data, so that it may choose the place and do more."""
    return not isinstance(op, (Slice, Parameter, Unknown))


def _has_weights(layer: Layer) -> bool:
    """Whether the layer is a product with trained weights, into which a scale can be folded."""
    if isinstance(layer.op, MatMul):
        return any(tensor.origin == "parameter" for tensor in layer.inputs)
    return isinstance(layer.op, (Conv, ConvTranspose, Linear))


class LayerPlace(NamedTuple):
    """Answers of a topology for one layer; see :class:`costmodel.graph.ops.base.Place`."""

    topology: Topology
    layer: Layer

    def fusible(self) -> bool:
        """Whether a layer computes the first input and nobody else reads it before this layer."""
        return self.topology.sole_source(self.layer.inputs[0]) is not None

    def after_product(self) -> bool:
        """Whether it is :meth:`fusible` and that layer has weights to fold into."""
        source = self.topology.sole_source(self.layer.inputs[0])
        return source is not None and _has_weights(source)

    def placeable(self) -> bool:
        """Whether the producers of all inputs can write straight into the output."""
        return all(map(self.topology.writable, self.layer.inputs))
