"""FD-MobileNet: MobileNet that reaches 7 x 7 pixels in 12 layers instead of 24.

Z. Qin, Z. Zhang, X. Chen, C. Wang, Y. Peng, "FD-MobileNet: improved MobileNet with a fast downsampling strategy",
arXiv:1802.03750: five layers of stride 2 among the first twelve, then as MobileNet V1.

    width   parameters (1000 classes, 224 pixels)
    1.0      2,901,288
    0.75     1,833,304
    0.25       383,160
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio
from costmodel.graph.blocks import classified, separable_stack

BLOCKS: Final = ((64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 4, (1024, 1))
"""Output channels and stride of every block."""


def build(
    width: Ratio = 1.0,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """FD-MobileNet.

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
    g = Graph("fd-mobilenet")
    return classified(g, separable_stack(g, BLOCKS, width, input, folded=folded), num_classes)
