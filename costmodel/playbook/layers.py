"""What steps ask about the layers of a graph: which convolutions may change, what they cost alone, who reads them."""

from __future__ import annotations

from collections import Counter
from math import ceil, prod
from typing import TYPE_CHECKING, Any, TypeGuard

from costmodel.graph import Graph
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.elementwise import Activation, Identity
from costmodel.graph.ops.layout import Flatten, Reshape
from costmodel.graph.ops.normalization import BatchNorm
from costmodel.graph.ops.pooling import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from costmodel.graph import Dim, Layer, Shape, Tensor
    from costmodel.graph.ops.base import Op

PER_CHANNEL = (Activation, BatchNorm, Identity)
"""Operations on every channel by itself, which may stand before or behind a concatenation alike."""


def convolutions(graph: Graph) -> Iterator[Layer]:
    """Convolutions that no other layer shares weights with, in order of execution."""
    shared = set(shared_weights(graph))
    for layer in graph.layers:
        if is_conv(layer.op) and weights_of(layer) not in shared:
            yield layer


def is_conv(op: Op) -> TypeGuard[Conv]:
    """Whether it is a convolution, and no operation derived from it."""
    return type(op) is Conv


def conv_of(layer: Layer) -> Conv:
    """The operation of a layer that is a convolution."""
    if not is_conv(layer.op):
        raise TypeError(f"{layer.name} is no convolution")
    return layer.op


def weights_of(layer: Layer) -> tuple[Any, ...]:
    """Kind and shape of the weights of a layer; layers that share weights agree in it."""
    op: Any = layer.op
    return (type(op), op.weight_shape(layer.inputs))


def shared_weights(graph: Graph) -> Iterator[tuple[Any, ...]]:
    """Kinds and shapes of weights that some layer uses a second time: nothing says whose they are."""
    for layer in graph.layers:
        if getattr(layer.op, "shared", False) and hasattr(layer.op, "weight_shape"):
            yield weights_of(layer)


def inner(graph: Graph) -> Iterator[Layer]:
    """Convolutions across channels that do not read the network's input: small networks all keep their first one whole."""
    giver = givers(graph)
    for layer in convolutions(graph):
        x = layer.inputs[0]
        if source(x, giver) is not None and conv_of(layer).groups != x.shape[1]:
            yield layer


def spatial(graph: Graph) -> Iterator[Layer]:
    """Of these, the ones of more than one tap: those that most of the playbook is about."""
    return (layer for layer in inner(graph) if max(conv_of(layer).kernel) > 1)


def givers(graph: Graph) -> dict[Tensor, Layer]:
    """The layer that gives each tensor; inputs of the network have none."""
    return {tensor: layer for layer in graph.layers for tensor in layer.outputs}


def source(tensor: Tensor, giver: Mapping[Tensor, Layer]) -> Layer | None:
    """The layer that gives a tensor, seen through normalisations and activations; None where that is an input."""
    layer = giver.get(tensor)
    while layer is not None and isinstance(layer.op, PER_CHANNEL):
        layer = giver.get(layer.inputs[0])
    return layer


def readers(graph: Graph) -> dict[Tensor, list[Layer]]:
    """Layers that read each tensor."""
    found: dict[Tensor, list[Layer]] = {}
    for layer in graph.layers:
        for tensor in dict.fromkeys(layer.inputs):
            found.setdefault(tensor, []).append(layer)
    return found


def tail(graph: Graph, layer: Layer, read_by: dict[Tensor, list[Layer]]) -> list[Layer]:
    """Operations per channel that directly follow a layer and alone read it: its normalisation and activation."""
    outputs, found, tensor = set(graph.outputs), [], layer.outputs[0]
    while tensor not in outputs and len(read_by.get(tensor, ())) == 1:
        (reader,) = read_by[tensor]
        if not isinstance(reader.op, PER_CHANNEL):
            break
        found.append(reader)
        tensor = reader.outputs[0]
    return found


def flattens(layer: Layer) -> bool:
    """Whether a layer makes features of the channels and positions of a map."""
    if type(layer.op) not in (Flatten, Reshape):
        return False
    x, y = layer.inputs[0].shape, layer.outputs[0].shape
    return len(x) > 1 and y == (x[0], prod(map(int, x[1:])))


def alone(layer: Layer) -> Graph:
    """A graph of the layer by itself."""
    graph = Graph(layer.name)
    inputs = [graph.input(f"in{i}", tensor.shape) for i, tensor in enumerate(layer.inputs)]
    graph.layer(layer.name, layer.op, *inputs)
    return graph


def macs_and_params(graph: Graph) -> tuple[int, int]:
    """MACs and parameters of a graph [1]."""
    table = graph.table()
    return int(table.total("macs")[0]), int(table.total("params")[0])


def heaviest(layers: Sequence[Layer], fraction: float) -> list[Layer]:
    """That fraction of the layers which has most MACs, at least one where it is above zero, in order of execution."""
    count = ceil(fraction * len(layers))
    ranked = sorted(layers, key=lambda layer: -macs_and_params(alone(layer))[0])[:count]
    return [layer for layer in layers if layer in ranked]


def kept(size: int, strength: float, unit: int = 1) -> int:
    """What is left of some channels or bits after a fraction is taken away: whole units, at least one.

    >>> kept(96, 0.25), kept(3, 1.0), kept(5, 0.0), kept(6, 0.25, unit=2)
    (72, 1, 5, 4)
    """
    units = size // unit
    return unit * max(1, units - round(strength * units))


def described(layers: Sequence[Layer]) -> str:
    """Layers in words, those that only pass data on left out; equal ones counted."""
    counts = Counter(filter(None, map(in_words, layers)))
    return ", ".join(text if count == 1 else f"{count} times {text}" for text, count in counts.items())


def in_words(layer: Layer) -> str:
    """A layer in a few words; nothing for what works on every channel by itself."""
    op = layer.op
    if isinstance(op, PER_CHANNEL):
        return ""
    if is_conv(op):
        return conv_in_words(op, layer.inputs[0].shape[1])
    if isinstance(op, Pool):
        return f"{op.kind} {by_axis(op.kernel)} /{by_stride(op.stride)}"
    return f"{type(op).__name__.lower()} {by_axis(layer.outputs[0].shape[1:])}"


def conv_in_words(op: Conv, in_channels: Dim) -> str:
    """A convolution in a few words.

    >>> conv_in_words(Conv.of(2, 96, 11, 4), 3), conv_in_words(Conv.of(2, 64, 3, groups=64), 64)
    ('11x11 3 -> 96 /4', '3x3 64 -> 64 in 64 groups')
    """
    stride = f" /{by_stride(op.stride)}" if max(op.stride) > 1 else ""
    groups = f" in {op.groups} groups" if op.groups != 1 else ""
    return f"{by_axis(op.kernel)} {in_channels} -> {op.out_channels}{stride}{groups}"


def by_axis(sizes: Shape) -> str:
    """One size per axis."""
    return "x".join(map(str, sizes))


def by_stride(stride: Shape) -> str:
    """A stride, once where it is the same along every axis."""
    return by_axis(tuple(dict.fromkeys(stride)))
