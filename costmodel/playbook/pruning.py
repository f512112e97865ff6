"""Pruning of whole channels: filters of convolutions and units of fully connected layers.

H. Li et al., "Pruning filters for efficient ConvNets", arXiv:1608.08710. Strength is the fraction of the channels of every
layer that is free to lose some; what reads them shrinks as well. Channels that are added to others, or pass through a
normalisation or a depthwise convolution, go together. Those of the network's inputs and outputs stay, and those that reach an
operation which is not known to treat every channel alike: a transposition, attention, a recurrence. Groups of channels lose as
many each.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import lcm
from typing import TYPE_CHECKING, Any

from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.dense import Linear
from costmodel.graph.ops.elementwise import Activation, Combine, Identity
from costmodel.graph.ops.general import ChannelWise
from costmodel.graph.ops.layout import Concat, Flatten, Pad, Upsample
from costmodel.graph.ops.normalization import BatchNorm, LocalResponseNorm, Softmax
from costmodel.graph.ops.pooling import AdaptivePool, GlobalPool, Pool
from costmodel.playbook.design import Change, restructured
from costmodel.playbook.layers import flattens, in_words, kept, shared_weights, weights_of
from costmodel.playbook.rebuild import rebuilt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmodel.graph import Graph, Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder, Rewrite

ALIKE = (Activation, AdaptivePool, BatchNorm, GlobalPool, Identity, LocalResponseNorm, Pad, Pool, Softmax, Upsample)
"""Operations that treat every channel of a map alike, whatever their number."""


class Channels:
    """Which tensors have their channels together: sets that are joined, and sets that must stay as they are.

    The channels of a map are axis 1; a vector has its features there.
    """

    def __init__(self, graph: Graph) -> None:
        self.parent: dict[Tensor, Tensor] = {}
        self.fixed: set[Tensor] = set()
        self.made: dict[Tensor, list[Layer]] = {}
        self.units: dict[Tensor, int] = {}
        self.shared = set(shared_weights(graph))
        for layer in graph.layers:
            self.visited(layer)
        for tensor in (*graph.inputs, *graph.outputs):
            self.fix(tensor)
        while self.settled(graph):
            pass

    def root(self, tensor: Tensor) -> Tensor:
        """What stands for the set of a tensor."""
        while tensor in self.parent:
            tensor = self.parent[tensor]
        return tensor

    def tie(self, *tensors: Tensor) -> None:
        """Join the sets of some tensors."""
        first = self.root(tensors[0])
        for tensor in tensors[1:]:
            root = self.root(tensor)
            if root is not first:
                self.parent[root] = first
                self.made.setdefault(first, []).extend(self.made.pop(root, []))
                self.divide(first, self.units.pop(root, 1))
                if root in self.fixed:
                    self.fix(first)

    def fix(self, *tensors: Tensor) -> None:
        """Let the channels of some tensors stay."""
        self.fixed.update(map(self.root, tensors))

    def divide(self, tensor: Tensor, unit: int) -> None:
        """Let the channels of a tensor remain a multiple of something."""
        root = self.root(tensor)
        self.units[root] = lcm(self.units.get(root, 1), unit)

    def unit(self, tensor: Tensor) -> int:
        """What the number of channels of a tensor is a multiple of."""
        return self.units.get(self.root(tensor), 1)

    def frees(self, layer: Layer) -> bool:
        """Whether a layer has channels of its own, to which it maps any number of inputs."""
        op, shape = layer.op, layer.outputs[0].shape
        if type(op) is Linear:
            return len(shape) == 2 and weights_of(layer) not in self.shared
        return type(op) is Conv and not depthwise(layer) and weights_of(layer) not in self.shared

    def visited(self, layer: Layer) -> None:
        """Take in what a layer asks of its channels."""
        if not layer.inputs:
            return self.fix(*layer.outputs)
        x, y = layer.inputs[0], layer.outputs[0]
        if self.frees(layer) or joins(layer) or flattens(layer):
            self.made.setdefault(self.root(y), []).append(layer)
            if type(layer.op) is Conv:
                self.divide(y, int(layer.op.groups))
                self.divide(x, int(layer.op.groups))
        elif ties(layer) and not (depthwise(layer) and weights_of(layer) in self.shared):
            self.tie(y, *(layer.inputs if isinstance(layer.op, Combine) else (x,)))
        else:
            self.fix(*layer.inputs, *layer.outputs)
        return None

    def settled(self, graph: Graph) -> bool:
        """Fix what concatenations and flattened maps ask for; whether anything was fixed.

        Their channels are those of their inputs: tied to other channels, or fixed, they fix these. So do channels
        that are no whole number of groups.
        """
        before = len(self.fixed), sum(self.units.values())
        for layer in graph.layers:
            y = layer.outputs[0]
            root = self.root(y)
            if joins(layer):
                for tensor in layer.inputs:
                    self.divide(tensor, self.unit(y))
            if (joins(layer) or flattens(layer)) and (root in self.fixed or len(self.made[root]) > 1):
                self.fix(y, *layer.inputs)
            if len(y.shape) > 1 and y.shape[1] % self.unit(y):
                self.fix(y)
        return before != (len(self.fixed), sum(self.units.values()))

    def loses(self, layer: Layer) -> bool:
        """Whether the channels that a layer gives may become fewer."""
        return self.root(layer.outputs[0]) not in self.fixed


def joins(layer: Layer) -> bool:
    """Whether a layer puts channels side by side."""
    return type(layer.op) is Concat and layer.op.axis % layer.outputs[0].rank == 1


def depthwise(layer: Layer) -> bool:
    """Whether a layer is a convolution with one filter per channel."""
    return type(layer.op) is Conv and layer.op.groups == layer.op.out_channels == layer.inputs[0].shape[1] != 1


def ties(layer: Layer) -> bool:
    """Whether a layer gives the channels that it reads."""
    shapes = [tensor.shape for tensor in (*layer.inputs, *layer.outputs)]
    if isinstance(layer.op, Combine):
        same = len({shape[:2] for shape in shapes}) == len({len(shape) for shape in shapes}) == 1
        return same and all(tensor.origin != "parameter" for tensor in layer.inputs)
    if depthwise(layer):
        return True
    if isinstance(layer.op, ChannelWise):
        return per_channel(layer.op, layer.inputs[0]) and shapes[0] == shapes[-1]
    return isinstance(layer.op, ALIKE) and len(shapes[0]) != 3


def per_channel(op: ChannelWise, x: Tensor) -> bool:
    """Whether a constant has one value for each channel of a map, or one in all."""
    sizes = (*(1,) * (x.rank - len(op.constant_shape)), *op.constant_shape)
    others = sizes[:1] + sizes[2:]
    return x.rank != 3 and len(sizes) == x.rank and sizes[1] in (1, x.shape[1]) and set(others) <= {1}


def for_channels(op: ChannelWise, before: int, after: int) -> ChannelWise:
    """A constant with values for other channels than before."""
    shape = tuple(after if size != 1 else 1 for size in op.constant_shape)
    if shape == op.constant_shape:
        return op
    return replace(
        op, constant_shape=shape, constants=op.constants * after // before, params=op.params * after // before
    )


def narrowed(strength: float, unit: int, builder: Builder, layer: Layer) -> None:
    """Rewrite of a layer that gives fewer channels."""
    op: Any = layer.op
    if type(op) is Linear:
        op = replace(op, out_features=kept(int(op.out_features), strength, unit))
    elif depthwise(layer):
        channels = builder.inputs(layer)[0].shape[1]
        op = replace(op, out_channels=channels, groups=channels)
    elif isinstance(op, ChannelWise):
        op = for_channels(op, int(layer.inputs[0].shape[1]), int(builder.inputs(layer)[0].shape[1]))
    elif type(op) is Conv:
        op = replace(op, out_channels=kept(int(op.out_channels), strength, unit))
    elif flattens(layer):
        op = Flatten(1)
    builder.copied(layer, op)


def narrower(graph: Graph, channels: Channels) -> Iterator[Layer]:
    """Layers that give fewer channels and have a number of their own to change."""
    for layer in graph.layers:
        sized = channels.frees(layer) or depthwise(layer) or flattens(layer) or isinstance(layer.op, ChannelWise)
        if sized and channels.loses(layer):
            yield layer


def transformed(design: Design, strength: float) -> Transformed:
    """A fraction of the channels of every layer that can lose some."""
    channels = Channels(design.graph)
    found = list(narrower(design.graph, channels))
    rewrites: dict[str, Rewrite] = {
        layer.name: partial(narrowed, strength, channels.unit(layer.outputs[0])) for layer in found
    }
    graph = rebuilt(design.graph, rewrites)
    changes = [
        Change(old.name, in_words(old), in_words(new))
        for old, new in zip(design.graph.layers, graph.layers, strict=True)
        if old in found and (channels.frees(old) or depthwise(old)) and in_words(old) != in_words(new)
    ]
    return restructured(design, graph, changes)
