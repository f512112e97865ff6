"""MobileNet: depthwise separable convolutions throughout.

A. G. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam, "MobileNets: efficient
convolutional neural networks for mobile vision applications", arXiv:1704.04861. Table 1:

    conv 3x3/2 (32), 13 blocks of a depthwise 3x3 and a pointwise 1x1, average pool, 1000 classes

Both hyperparameters of the paper are arguments: the width multiplier thins every layer, the resolution is `input`.

    width  input   parameters          MACs
    1.0    224      4,231,976   568,740,352
    0.25   224        470,072    41,030,272
    0.25    96        213,586     7,489,664    2 classes: visual wake words of MLPerf Tiny
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio
from costmodel.graph.blocks import classified, separable_stack

BLOCKS: Final = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1),
)  # fmt: skip
"""Output channels and stride of every block."""


def build(
    width: Ratio = 1.0,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """MobileNet V1.

    Parameters
    ----------
    width
        Width multiplier: the fraction of the channels of every layer.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    g = Graph("mobilenet-v1")
    return classified(g, separable_stack(g, BLOCKS, width, input, folded=folded), num_classes)
