"""Rebuild a graph layer by layer, some of its layers rewritten: how every step keeps a graph valid.

Shapes are inferred and checked again, as for any graph under construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from costmodel.graph import Graph, StoredWidths

if TYPE_CHECKING:
    from costmodel.graph import Layer, Tensor
    from costmodel.graph.ops.base import Op


class Builder:
    """A graph that is made from another one: what stands for each old tensor, and names that are still free."""

    def __init__(self, graph: Graph) -> None:
        self.old, self.new = graph, Graph(graph.name)
        self.tensors: dict[Tensor, Tensor] = {t: self.new.input(t.name, t.shape, t.bits) for t in graph.inputs}
        self.taken = {t.name for t in graph.inputs} | {layer.name for layer in graph.layers}
        self.stored: dict[str, StoredWidths] = {}

    def rewritten(self, layer: Layer, rewrite: Rewrite) -> None:
        """Rewrite a layer; what is put in its place is stored at its widths, where a file says them."""
        since = self.new.layer_count
        rewrite(self, layer)
        stored = self.old.stored
        for name in self.new.added(since) if stored else ():
            self.stored[name] = stored.get(name) or stored.get(layer.name) or StoredWidths()

    def inputs(self, layer: Layer) -> tuple[Tensor, ...]:
        """What stands for the inputs of a layer."""
        return tuple(self.tensors[tensor] for tensor in layer.inputs)

    def copied(self, layer: Layer, op: Op | None = None) -> None:
        """The layer again, with the same operation or another."""
        outputs = self.new.layer(layer.name, op or layer.op, *self.inputs(layer))
        self.tensors.update(zip(layer.outputs, outputs, strict=True))

    def named(self, name: str, op: Op, *inputs: Tensor) -> Tensor:
        """A layer under the name of the one that it replaces."""
        return self.new.layer(name, op, *inputs)[0]

    def added(self, name: str, op: Op, *inputs: Tensor) -> Tensor:
        """A layer that was not there, under a name like `name` that is free."""
        free, count = name, 1
        while free in self.taken:
            count += 1
            free = f"{name}{count}"
        self.taken.add(free)
        return self.named(free, op, *inputs)


Rewrite: TypeAlias = Callable[[Builder, "Layer"], None]


def left_out(_builder: Builder, _layer: Layer) -> None:
    """Rewrite of a layer whose readers are given something else."""


COPIED: Final[Rewrite] = Builder.copied


def rebuilt(graph: Graph, rewrites: Mapping[str, Rewrite]) -> Graph:
    """The graph with some layers rewritten, by name; inputs and outputs keep their shapes and order."""
    builder = Builder(graph)
    for layer in graph.layers:
        builder.rewritten(layer, rewrites.get(layer.name, COPIED))
    builder.new.output(*(builder.tensors[tensor] for tensor in graph.outputs))
    if builder.stored:
        builder.new.store(builder.stored)
    return builder.new
