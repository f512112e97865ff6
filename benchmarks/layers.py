"""Layers of AlexNet by themselves, as other mappers take them, and chains of layers that all differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import costmodel as cm

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Conv:
    """A convolution with square maps and filters; a fully connected layer is one whose filter covers its map."""

    name: str
    groups: int
    filters: int
    channels: int
    size: int
    kernel: int
    stride: int
    padding: int


ALEXNET: Final = (
    Conv("conv1", 1, 96, 3, 227, 11, 4, 0),
    Conv("conv2", 2, 256, 96, 27, 5, 1, 2),
    Conv("conv3", 1, 384, 256, 13, 3, 1, 1),
    Conv("conv4", 2, 384, 384, 13, 3, 1, 1),
    Conv("conv5", 2, 256, 384, 13, 3, 1, 1),
    Conv("fc6", 1, 4096, 256, 6, 6, 1, 0),
    Conv("fc7", 1, 4096, 4096, 1, 1, 1, 0),
    Conv("fc8", 1, 1000, 4096, 1, 1, 1, 0),
)
"""Krizhevsky et al., NIPS 2012."""
HALVED: Final = ("conv1", "conv2", "conv3", "conv4", "conv5")
"""Layers that nn_dataflow computes in two halves, each of which reads its inputs by itself."""
CHANNELS: Final = 64


def alexnet() -> cm.Graph:
    """Every layer of AlexNet with an input of its own, without biases; padding is there but never fetched."""
    return layers(ALEXNET)


def alexnet_in_halves() -> cm.Graph:
    """AlexNet as nn_dataflow has it: half of the filters of every convolution, and zero padding that is part of the input."""
    return layers([padded(halved(one) if one.name in HALVED else one) for one in ALEXNET])


def halved(one: Conv) -> Conv:
    """Half of the filters, and the channels that they read."""
    return replace(one, groups=1, filters=one.filters // 2, channels=one.channels // one.groups)


def padded(one: Conv) -> Conv:
    """The same outputs from an input that the padding is part of."""
    return replace(one, size=one.size + 2 * one.padding, padding=0)


def layers(convs: Sequence[Conv]) -> cm.Graph:
    """Convolutions that do not depend on each other."""
    graph = cm.Graph("layers")
    for one in convs:
        x = graph.input(f"{one.name}_in", (1, one.channels, one.size, one.size))
        y = graph.conv(
            one.name, x, one.filters, one.kernel, stride=one.stride, padding=one.padding, groups=one.groups, bias=False
        )
        graph.output(y)
    return graph


def distinct(count: int, first: int = 0) -> cm.Graph:
    """So many 3x3 convolutions of 14x14 maps from the first on, no two of them equal and none much harder than another."""
    filters = [CHANNELS + number for number in range(first, first + count)]
    return layers([Conv(f"conv{n}", 1, n, CHANNELS, 14, 3, 1, 1) for n in filters])


def matmul(size: int) -> cm.Graph:
    """A product of two square matrices."""
    graph = cm.Graph(f"matmul_{size}")
    graph.output(graph.linear("matmul", graph.input("x", (size, size)), size, bias=False))
    return graph
