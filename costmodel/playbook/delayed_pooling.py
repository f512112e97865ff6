"""Delayed pooling: down-sampling moved later, strategy 3 of SqueezeNet, or earlier.

F. N. Iandola et al., "SqueezeNet", arXiv:1602.07360, section 3.1: "downsample late in the network so that convolution layers
have large activation maps". Strength from 0 to 1 is how far every pooling and every stride moves towards the next one, as a
fraction of the stages between them; from 0 to -1 how far towards the one before. Later means more MACs and larger activations,
earlier fewer; parameters stay. A stage is what lies between two tensors through which everything passes, with at least one
convolution.

A convolution of stride u is one of stride 1 of which every u-th output is kept, so its stride can move like a pooling; it is
taken on by the convolution that gives the tensor where it arrives, or else is a pooling with one tap. Where that convolution
has a stride of its own, both go on together.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, cast

from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.elementwise import Combine
from costmodel.graph.ops.general import ChannelWise
from costmodel.graph.ops.layout import Concat
from costmodel.graph.ops.normalization import LocalResponseNorm
from costmodel.graph.ops.pooling import Pool
from costmodel.playbook.design import Change, restructured
from costmodel.playbook.kernel_reduction import spare_padding
from costmodel.playbook.layers import PER_CHANNEL, by_stride, conv_of, givers, in_words, is_conv, readers
from costmodel.playbook.rebuild import rebuilt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.graph import Graph, Layer, Tensor
    from costmodel.graph.ops.base import Op
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder, Rewrite


POINTWISE = (*PER_CHANNEL, LocalResponseNorm, ChannelWise)
"""Operations on every position by itself: they belong to the layer that gives their input, wherever that gives it."""


class Flow:
    """Who gives and who reads each tensor of a graph, and where down-sampling can go."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.outputs, self.read_by = graph, set(graph.outputs), readers(graph)
        self.giver = givers(graph)
        self.place = {layer: index for index, layer in enumerate(graph.layers)}

    def begun(self, tensor: Tensor) -> bool:
        """Whether a normalisation or an activation still belongs to the tensor."""
        found = self.read_by.get(tensor, [])
        return len(found) == 1 and tensor not in self.outputs and isinstance(found[0].op, POINTWISE)

    def closed(self, tensor: Tensor, inside: set[Layer]) -> bool:
        """Whether all that read a tensor are inside."""
        return tensor not in self.outputs and inside.issuperset(self.read_by.get(tensor, ()))

    def stages(self, start: Tensor) -> Iterator[Tensor]:
        """Ends of the stages behind a tensor, as far as the size of the map stays the same."""
        region, waiting, convolved = {start}, {start}, False
        inside: set[Layer] = set()
        first = self.place[self.giver[start]] + 1 if start in self.giver else 0
        for layer in self.graph.layers[first:]:
            if region.isdisjoint(layer.inputs):
                continue
            if not (region.issuperset(layer.inputs) and keeps_size(layer)):
                return
            y = layer.outputs[0]
            inside.add(layer)
            region.add(y)
            waiting = {tensor for tensor in waiting | {y} if not self.closed(tensor, inside)}
            convolved |= is_conv(layer.op)
            if waiting <= {y} and convolved and not self.begun(y):
                convolved = False
                yield y

    def beginnings(self, end: Tensor) -> list[Tensor]:
        """Tensors that begin a stage which ends here, the nearest first."""
        last = self.place[self.giver[end]] + 1 if end in self.giver else 0
        before = [*self.graph.inputs, *(tensor for layer in self.graph.layers[:last] for tensor in layer.outputs)]
        return [
            tensor
            for tensor in reversed(before)
            if tensor is not end and not self.begun(tensor) and end in self.stages(tensor)
        ]

    def strider(self, tensor: Tensor) -> Layer | None:
        """The convolution that gives a tensor, seen through its normalisation and activation; None if there is none."""
        layer = self.giver.get(tensor)
        while layer is not None and isinstance(layer.op, POINTWISE) and len(self.read_by[layer.inputs[0]]) == 1:
            layer = self.giver.get(layer.inputs[0])
        return layer if layer is not None and is_conv(layer.op) else None


def keeps_size(layer: Layer) -> bool:
    """Whether a layer leaves the extents of a map as they are, whatever these are."""
    op, x, y = layer.op, layer.inputs[0], layer.outputs[0]
    if isinstance(op, (*PER_CHANNEL, LocalResponseNorm)):
        return True
    if isinstance(op, ChannelWise):
        return x.shape == y.shape and all(size == 1 for size in op.constant_shape[2 - x.rank :])
    if isinstance(op, Concat):
        return op.axis == 1
    if isinstance(op, Combine):
        return all(tensor.shape[2:] == y.shape[2:] for tensor in layer.inputs)
    return type(op) in (Conv, Pool) and not down_samples(layer) and x.shape[2:] == y.shape[2:]


def down_samples(layer: Layer) -> bool:
    """Whether a layer is a pooling or a convolution with a stride."""
    return type(layer.op) in (Conv, Pool) and max(map(int, cast("Conv | Pool", layer.op).stride)) > 1


def without_stride(op: Conv) -> Conv:
    """A convolution that gives every output."""
    return replace(op, stride=(1,) * len(op.stride))


def strided(op: Conv, by: Conv) -> Conv:
    """A convolution that takes on the stride of another."""
    return replace(op, stride=tuple(own * other for own, other in zip(op.stride, by.stride, strict=True)))


def followed_by(op: Op, name: str, builder: Builder, layer: Layer) -> None:
    """Rewrite of a layer behind which a pooling arrives."""
    builder.copied(layer)
    tensor = layer.outputs[0]
    builder.tensors[tensor] = builder.named(name, op, builder.tensors[tensor])


def preceded_by(op: Op, name: str, start: Tensor, builder: Builder, layer: Layer) -> None:
    """Rewrite of the first layer that reads a tensor of the network's inputs, where a pooling arrives."""
    builder.tensors[start] = builder.named(name, op, builder.tensors[start])
    builder.copied(layer)


def with_op(op: Conv, builder: Builder, layer: Layer) -> None:
    """Rewrite of a layer with another operation."""
    builder.copied(layer, op)


def passed(builder: Builder, layer: Layer) -> None:
    """Rewrite of a pooling that has gone elsewhere."""
    (builder.tensors[layer.outputs[0]],) = builder.inputs(layer)


def arrival(flow: Flow, sampler: Layer, target: Tensor) -> tuple[str, Rewrite]:
    """Name and rewrite of the layer at which the down-sampling arrives."""
    op, name = sampler.op, sampler.name
    giver, strider = flow.giver.get(target), flow.strider(target)
    if isinstance(op, Conv):
        if strider is not None:
            return strider.name, partial(with_op, strided(conv_of(strider), op))
        op, name = Pool.of(len(op.stride), "max_pool", 1, op.stride), f"{name}_stride"
    if giver is not None:
        return giver.name, partial(followed_by, op, name)
    reader = flow.read_by[target][0]
    return reader.name, partial(preceded_by, op, name, target)


def departure(sampler: Layer) -> tuple[str, Rewrite]:
    """Name and rewrite of the layer that no longer makes the map smaller."""
    op = sampler.op
    return sampler.name, partial(with_op, without_stride(op)) if is_conv(op) else passed


def target_of(flow: Flow, sampler: Layer, strength: float) -> Tensor | None:
    """Tensor to which the down-sampling moves; None where it stays."""
    x, op = sampler.inputs[0], sampler.op
    if strength > 0:
        places = list(flow.stages(sampler.outputs[0]))
    elif flow.read_by[x] != [sampler] or x in flow.outputs or (is_conv(op) and any(spare_padding(op))):
        places = []
    else:
        places = flow.beginnings(x)
    return places[ceil(abs(strength) * len(places)) - 1] if places and strength else None


def moved(graph: Graph, name: str, strength: float) -> tuple[Graph, Change | None]:
    """A graph with one down-sampling moved, and the change; the graph itself where it stays."""
    flow = Flow(graph)
    sampler = next(layer for layer in graph.layers if layer.name == name)
    target = target_of(flow, sampler, strength)
    if target is None:
        return graph, None
    rewrites = dict((departure(sampler), arrival(flow, sampler, target)))
    change = Change(name, place(sampler, sampler.inputs[0]), place(sampler, target))
    return rebuilt(graph, rewrites), change


def transformed(design: Design, strength: float) -> Transformed:
    """Every pooling and stride moved by a fraction of the stages to the next one, or to the one before.

    Those go first that have the others behind them, in the direction in which all move: each moves as far as the place from
    which the next one has not gone yet.
    """
    graph = design.graph
    names = [layer.name for layer in graph.layers if down_samples(layer)]
    changes = []
    for name in names if strength > 0 else reversed(names):
        graph, change = moved(graph, name, strength)
        changes += [change] if change else []
    return restructured(design, graph, changes)


def place(sampler: Layer, tensor: Tensor) -> str:
    """Where a down-sampling stands, in words."""
    what = f"stride {by_stride(sampler.op.stride)}" if isinstance(sampler.op, Conv) else in_words(sampler)
    return f"{what} behind {tensor.name}"
