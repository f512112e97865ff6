"""MobileNet V2: inverted residuals with linear bottlenecks.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen, "MobileNetV2: inverted residuals and linear bottlenecks",
CVPR 2018, arXiv:1801.04381. Table 2:

    conv 3x3/2 (32), 17 bottlenecks in 7 stages, conv 1x1 (1280), average pool, 1000 classes

A bottleneck expands by 1x1 to `expansion` times its input channels, convolves 3x3 per channel, and projects by 1x1
without an activation; it adds its input where stride and channels allow it. Channels are rounded to multiples of 8,
and the 1280 of the last convolution grow with the width but never shrink, as in the authors' code, Keras and torchvision.

    width  input   parameters          MACs
    1.0    224      3,504,872   300,774,272
    0.35   144        750,280    23,499,152    with last_channels=448: the baseline of MCUNet
"""

from __future__ import annotations

from typing import Final

import numpy as np

from costmodel.graph import Dim, Graph, Ratio, as_dim, as_ratio
from costmodel.graph.blocks import classified, conv_block, inverted_residual, scaled_to_multiple
from costmodel.graph.shapes import product

STAGES: Final = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""Output channels, bottlenecks and first stride of every stage."""


def build(
    width: Ratio = 1.0,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    expansion: Dim = 6,
    last_channels: Dim | None = None,
    folded: bool = False,
) -> Graph:
    """MobileNet V2.

    Parameters
    ----------
    width
        Width multiplier: the fraction of the channels of every layer.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    expansion
        Channels within a bottleneck per input channel; the first one does not expand.
    last_channels
        Filters of the last convolution; None for 1280, or more at widths above 1.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    width, expansion = as_ratio(width, "width", least=0.01, most=8), as_dim(expansion, "expansion")
    g = Graph("mobilenet-v2")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, scaled_to_multiple(32, width), 3, stride=2, activation="relu6", folded=folded)
    block = 0
    for channels, repeats, first_stride in STAGES:
        out = scaled_to_multiple(channels, width)
        for i in range(repeats):
            block += 1
            stride, expands = first_stride if i == 0 else 1, block > 1
            inner = product(expansion, x.shape[1]) if expands else x.shape[1]
            x = inverted_residual(g, f"block{block}", x, (inner, out), stride=stride, expands=expands, folded=folded)
    if last_channels is None:
        last_channels = scaled_to_multiple(1280, np.maximum(width, 1.0))
    x = conv_block(g, "conv_last", x, last_channels, 1, activation="relu6", folded=folded)
    return classified(g, x, num_classes)
