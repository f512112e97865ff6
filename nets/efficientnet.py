"""EfficientNet: one searched network, B0, and its scaling in width, depth and resolution, B1 to B7.

M. Tan, Q. V. Le, "EfficientNet: rethinking model scaling for convolutional neural networks", ICML 2019, arXiv:1905.11946.
Table 1:

    conv 3x3/2 (32), 16 inverted residuals in 7 stages, conv 1x1 (1280), average pool, 1000 classes

Every residual weights its channels; channels are rounded to multiples of 8, numbers of residuals upwards.

    network  width  depth  input  parameters            MACs
    B0       1.0    1.0    224     5,288,548     385,814,752
    B1       1.0    1.1    240     7,794,184     686,802,832
    B3       1.2    1.4    300    12,233,232   1,827,141,392
    B4       1.4    1.8    380    19,341,616   4,393,771,024
    B7       2.0    3.1    600    66,347,960  37,745,884,192
"""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np

from costmodel.errors import InputError
from costmodel.graph import Dim, Graph, Ratio, Tensor, as_ratio
from costmodel.graph.blocks import (
    classified,
    conv_block,
    inverted_residual,
    scaled_to_multiple,
    squeeze_excite,
)
from costmodel.graph.shapes import plain, product

STAGES: Final = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)  # fmt: skip
"""Expansion, kernel, stride of the first residual, output channels, residuals."""


def build(
    width: Ratio = 1.0,
    depth: float = 1.0,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """EfficientNet.

    Parameters
    ----------
    width
        Width coefficient: the fraction of the channels of every layer.
    depth
        Depth coefficient: the fraction of the residuals of every stage, one number.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    width = as_ratio(width, "width", least=0.01, most=8)
    if type(depth) not in (int, float) or not 0 < depth <= 16:
        raise InputError(f"efficientnet: depth must be one number above 0, at most 16, got {depth!r}")
    g = Graph("efficientnet")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, scaled_to_multiple(32, width), 3, stride=2, activation="silu", folded=folded)
    for stage, (expansion, kernel, first_stride, channels, repeats) in enumerate(STAGES, start=1):
        out = scaled_to_multiple(channels, width)
        for i in range(ceil(repeats * depth)):
            name, stride = f"stage{stage}/block{i + 1}", first_stride if i == 0 else 1
            x = _residual(g, name, x, out, expansion, kernel, stride, folded=folded)
    x = conv_block(g, "conv_last", x, product(4, x.shape[1]), 1, activation="silu", folded=folded)
    return classified(g, x, num_classes)


def _residual(
    g: Graph, name: str, x: Tensor, out: Dim, expansion: int, kernel: int, stride: int, *, folded: bool
) -> Tensor:
    """Inverted residual; channels are weighted by way of a quarter of those that come in."""
    squeezed = plain(np.maximum(1, x.shape[1] // 4))
    return inverted_residual(
        g,
        name,
        x,
        (product(expansion, x.shape[1]), out),
        kernel,
        stride=stride,
        expands=expansion > 1,
        activation="silu",
        weighted=lambda y: squeeze_excite(g, f"{name}/se", y, squeezed, activation="silu"),
        folded=folded,
    )
