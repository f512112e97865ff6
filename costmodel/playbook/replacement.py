"""Convolutions replaced by others of the same output, only where that leaves fewer MACs and no more parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.elementwise import Activation
from costmodel.playbook.design import Change, Design, Transformed, restructured
from costmodel.playbook.layers import alone, described, macs_and_params
from costmodel.playbook.rebuild import Builder, Rewrite, rebuilt

if TYPE_CHECKING:
    from costmodel.graph import Dim, Graph, Layer, Tensor

Make: TypeAlias = Callable[[Builder, "Layer", "Tensor"], "Tensor"]
"""Adds what replaces a layer on its input, and gives the output."""


def pointwise(op: Conv, out_channels: Dim) -> Conv:
    """A 1x1 convolution over as many axes and in as many groups as another, with biases."""
    return Conv.of(len(op.kernel), out_channels, 1, groups=op.groups)


def rectified(builder: Builder, name: str, op: Conv, x: Tensor) -> Tensor:
    """A convolution that is put in before another, with biases (a folded normalisation is one) and a ReLU."""
    y = builder.added(name, replace(op, bias=True), x)
    return builder.added(f"{name}_relu", Activation("relu"), y)


def trial(layer: Layer, make: Make) -> Graph:
    """What would replace a layer, by itself."""
    builder = Builder(alone(layer))
    x = next(iter(builder.tensors.values()))
    builder.new.output(make(builder, layer, x))
    return builder.new


def smaller(layer: Layer, instead: Graph) -> bool:
    """Whether what would replace a layer has fewer MACs and no more parameters."""
    (macs, params), (was_macs, was_params) = macs_and_params(instead), macs_and_params(alone(layer))
    return macs < was_macs and params <= was_params


def replaced_layer(make: Make, builder: Builder, layer: Layer) -> None:
    """Rewrite of one layer."""
    (x,) = builder.inputs(layer)
    builder.tensors[layer.outputs[0]] = make(builder, layer, x)


def replacements(layers: Iterable[Layer], make: Make) -> dict[Layer, Graph]:
    """Layers that are worth replacing, and what replaces them."""
    trials = {layer: trial(layer, make) for layer in layers}
    return {layer: instead for layer, instead in trials.items() if smaller(layer, instead)}


def replaced(design: Design, layers: Iterable[Layer], make: Make) -> Transformed:
    """The design with those of the layers replaced that become smaller."""
    chosen = replacements(layers, make)
    rewrites: dict[str, Rewrite] = {layer.name: partial(replaced_layer, make) for layer in chosen}
    changes = [
        Change(layer.name, described([layer]), described(instead.layers)) for layer, instead in chosen.items()
    ]
    return restructured(design, rebuilt(design.graph, rewrites) if rewrites else design.graph, changes)
