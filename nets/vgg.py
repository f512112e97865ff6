"""VGG: networks of 3x3 convolutions, of 11, 13, 16 and 19 layers.

K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015,
arXiv:1409.1556. Table 1, configurations A, B, D and E:

    five stages of 3x3 convolutions (64, 128, 256, 512, 512), each followed by a 2x2 max pool,
    fully connected layers of 4096, 4096 and 1000

    depth   parameters            MACs
    11     132,863,336   7,609,090,048
    13     133,047,848  11,308,466,176
    16     138,357,544  15,470,264,320
    19     143,667,240  19,632,062,464
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio, as_dim, as_ratio
from costmodel.graph.blocks import as_choice, conv_block, scaled

STAGES: Final = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
"""Convolutions of every stage."""
CHANNELS: Final = (64, 128, 256, 512, 512)


def build(
    depth: str | int = "16",
    batch_norm: bool = False,
    width: Ratio = 1.0,
    hidden: Dim = 4096,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
) -> Graph:
    """VGG.

    Parameters
    ----------
    depth
        Layers with weights: 11, 13, 16 or 19.
    batch_norm
        Whether a batch normalisation follows every convolution, as in torchvision's vgg16_bn.
    width
        Fraction of the filters of every convolution.
    hidden
        Outputs of the two fully connected layers before the last.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    """
    depth = as_choice("vgg: depth", depth, tuple(STAGES))
    width, hidden = as_ratio(width, "width", least=0.01, most=8), as_dim(hidden, "hidden")
    g = Graph(f"vgg-{depth}")
    x = g.input("data", (1, 3, input, input))
    for stage, (convs, channels) in enumerate(zip(STAGES[depth], CHANNELS, strict=True), start=1):
        for i in range(1, convs + 1):
            x = conv_block(g, f"conv{stage}_{i}", x, scaled(channels, width), 3, bias=True, folded=not batch_norm)
        x = g.max_pool(f"pool{stage}", x, kernel=2)
    x = g.flatten("flatten", x)
    for i in (6, 7):
        x = g.dropout(f"drop{i}", g.relu(f"relu{i}", g.linear(f"fc{i}", x, hidden)))
    g.output(g.softmax("prob", g.linear("fc8", x, num_classes)))
    return g
