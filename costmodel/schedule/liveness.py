"""Largest set of activations alive at once when layers run in the order they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from costmodel.graph import Graph, Tensor


def storage(graph: Graph, free: frozenset[str]) -> dict[Tensor, Tensor]:
    """The tensor whose memory each tensor shares: outputs of layers that move no data live where their input does.

    A concatenation is the storage of its inputs, which are written in place.
    """
    home: dict[Tensor, Tensor] = {}

    def root(tensor: Tensor) -> Tensor:
        while tensor in home:
            tensor = home[tensor]
        return tensor

    for layer in graph.layers:
        if layer.name not in free:
            continue
        if len(layer.inputs) > 1:
            home |= {root(tensor): layer.outputs[0] for tensor in layer.inputs}
        else:
            home |= dict.fromkeys(layer.outputs, layer.inputs[0])
    tensors = [*graph.inputs, *(t for layer in graph.layers for t in (*layer.inputs, *layer.outputs))]
    return {tensor: root(tensor) for tensor in tensors}


def peak_live_bytes(graph: Graph, activation_bits: int, batch: int = 1) -> int:
    """Largest total size of activations alive at once [B], in program order.

    A tensor lives from the layer that writes its first part to the last layer that reads it; network outputs live to the
    end. Layers that are free by rule (fused, in place, views) add no tensor. Convention ``live`` of ``docs/conventions.md``.
    """
    table = graph.table()
    free = frozenset(name for name, status in zip(table.names, table.status, strict=True) if status == "free")
    home = storage(graph, free)
    first: dict[Tensor, int] = {home[t]: 0 for t in graph.inputs}
    last: dict[Tensor, int] = dict(first)
    for step, layer in enumerate(graph.layers):
        for tensor in layer.outputs:
            first.setdefault(home[tensor], step)
        for tensor in (*layer.inputs, *layer.outputs):
            last[home[tensor]] = step
    end = len(graph.layers)
    last |= {home[tensor]: end for tensor in graph.outputs}
    change = [0] * (end + 2)
    for tensor, start in first.items():
        size = -(-int(tensor.elems) * batch * activation_bits // 8)
        change[start] += size
        change[last[tensor] + 1] -= size
    peak = alive = 0
    for delta in change:
        alive += delta
        peak = max(peak, alive)
    return peak
