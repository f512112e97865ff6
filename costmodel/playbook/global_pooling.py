"""Global average pooling instead of fully connected layers.

M. Lin, Q. Chen, S. Yan, "Network in network", arXiv:1312.4400, section 3.2. Strength is the fraction of the fully connected
layers behind a flattened feature map that go, the first ones first: a 1x1 convolution to the outputs of the last of them, a
ReLU and the average over the map take their place.
"""

from __future__ import annotations

from functools import partial
from math import ceil, prod
from typing import TYPE_CHECKING

from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.dense import Linear
from costmodel.graph.ops.elementwise import Activation, Combine
from costmodel.graph.ops.layout import Concat, Flatten
from costmodel.graph.ops.normalization import LocalResponseNorm
from costmodel.graph.ops.pooling import AdaptivePool, GlobalPool, Pool
from costmodel.playbook.design import Change, restructured
from costmodel.playbook.layers import (
    PER_CHANNEL,
    alone,
    by_axis,
    flattens,
    givers,
    macs_and_params,
    readers,
    shared_weights,
    source,
    weights_of,
)
from costmodel.playbook.rebuild import left_out, rebuilt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from costmodel.graph import Graph, Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder, Rewrite


MAPS = (AdaptivePool, Combine, Concat, Conv, LocalResponseNorm, Pool)
"""Operations that give feature maps."""


def flattens_map(layer: Layer, giver: Mapping[Tensor, Layer]) -> bool:
    """Whether a layer makes a vector of a feature map of more than one position."""
    if not flattens(layer) or prod(map(int, layer.inputs[0].shape[2:])) == 1:
        return False
    made = source(layer.inputs[0], giver)
    return made is not None and isinstance(made.op, MAPS)


def chain(graph: Graph, flatten: Layer, read_by: dict[Tensor, list[Layer]]) -> list[Layer]:
    """Fully connected layers behind a flattened map, with what stands between them; each has one reader."""
    outputs, shared = set(graph.outputs), set(shared_weights(graph))
    found: list[Layer] = []
    tensor = flatten.outputs[0]
    while tensor not in outputs and len(read_by.get(tensor, ())) == 1:
        (reader,) = read_by[tensor]
        owned = type(reader.op) is Linear and weights_of(reader) not in shared
        if not owned and not isinstance(reader.op, PER_CHANNEL):
            break
        found.append(reader)
        tensor = reader.outputs[0]
    return found


def gone(layers: Sequence[Layer], strength: float) -> list[Layer]:
    """Layers of a chain up to the last fully connected one that goes."""
    linear = [index for index, layer in enumerate(layers) if type(layer.op) is Linear]
    count = ceil(strength * len(linear))
    return list(layers[: linear[count - 1] + 1]) if count else []


def instead(flatten: Layer, builder: Builder, last: Layer) -> None:
    """Rewrite of the last layer that goes: convolution, ReLU, average, all under old names where there are any."""
    op = last.op
    if not isinstance(op, Linear):
        raise TypeError(f"{last.name} is not fully connected")
    x = builder.tensors[flatten.inputs[0]]
    y = builder.named(last.name, Conv.of(x.rank - 2, op.out_features, 1, bias=op.bias), x)
    y = builder.added(f"{last.name}_relu", Activation("relu"), y)
    y = builder.added(f"{last.name}_pool", GlobalPool("avg_pool"), y)
    builder.tensors[last.outputs[0]] = builder.named(flatten.name, Flatten(1), y)


def worthwhile(layers: Sequence[Layer], flatten: Layer) -> bool:
    """Whether the convolution has fewer parameters than what goes, and no more MACs."""
    alone_ = [macs_and_params(alone(layer)) for layer in layers]
    outputs, (_, channels, *extents) = int(layers[-1].outputs[0].shape[-1]), map(int, flatten.inputs[0].shape)
    macs, params = (sum(counts) for counts in zip(*alone_, strict=True))
    return bool(outputs * channels * prod(extents) <= macs and outputs * (channels + 1) < params)


def chains(graph: Graph, strength: float) -> Iterator[tuple[Layer, list[Layer]]]:
    """Flattening layers, and what goes behind each."""
    read_by, giver = readers(graph), givers(graph)
    for flatten in (layer for layer in graph.layers if flattens_map(layer, giver)):
        layers = gone(chain(graph, flatten, read_by), strength)
        if layers and worthwhile(layers, flatten):
            yield flatten, layers


def transformed(design: Design, strength: float) -> Transformed:
    """A fraction of the fully connected layers as one 1x1 convolution and an average."""
    rewrites: dict[str, Rewrite] = {}
    changes = []
    for flatten, layers in chains(design.graph, strength):
        rewrites |= {layer.name: left_out for layer in (flatten, *layers)}
        rewrites[layers[-1].name] = partial(instead, flatten)
        changes.append(Change(layers[-1].name, before(layers), after(layers[-1], flatten)))
    return restructured(design, rebuilt(design.graph, rewrites), changes)


def before(layers: Sequence[Layer]) -> str:
    """Fully connected layers in words."""
    linear = [layer for layer in layers if type(layer.op) is Linear]
    widths = [linear[0].inputs[0].shape[-1], *(layer.outputs[0].shape[-1] for layer in linear)]
    return f"linear {' -> '.join(map(str, widths))}"


def after(last: Layer, flatten: Layer) -> str:
    """What takes their place in words."""
    _, channels, *extents = flatten.inputs[0].shape
    return f"1x1 {channels} -> {last.outputs[0].shape[-1]} and the average over {by_axis(tuple(extents))}"
