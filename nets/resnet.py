"""ResNet: residual networks of 18, 34, 50, 101 and 152 layers on ImageNet.

K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016, arXiv:1512.03385. Table 1:

    conv1 7x7/2 (64), maxpool 3x3/2, four stages of residual blocks, average pool, 1000 classes

Blocks of 18 and 34 layers are two 3x3 convolutions, those of the deeper ones 1x1, 3x3, 1x1 with four times the
channels at the end; a shortcut of other shape is a 1x1 convolution. `variant` places the stride of such a block:

    depth  variant   parameters            MACs
    18     any       11,689,512   1,814,073,344    torchvision
    50     "1.5"     25,557,032   4,089,184,256    stride in the 3x3: torchvision
    50     "1"       25,557,032   3,857,973,248    stride in the first 1x1: the paper, Caffe
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor
from costmodel.graph.blocks import as_choice, classified, conv_block

STAGES: Final = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
"""Blocks of every stage."""
CHANNELS: Final = (64, 128, 256, 512)


def build(
    depth: str | int = "50",
    variant: str | float = "1.5",
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """ResNet.

    Parameters
    ----------
    depth
        Layers with weights: 18, 34, 50, 101 or 152.
    variant
        "1.5", the stride of a deep block in its 3x3 convolution, or "1", in its first 1x1.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    depth = as_choice("resnet: depth", depth, tuple(STAGES))
    variant = as_choice("resnet: variant", variant, ("1", "1.5"))
    g = Graph(f"resnet-{depth}")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, 64, 7, stride=2, folded=folded)
    x = g.max_pool("pool1", x, kernel=3, stride=2, padding=1)
    for stage, (blocks, channels) in enumerate(zip(STAGES[depth], CHANNELS, strict=True), start=2):
        for i in range(blocks):
            name, stride = f"stage{stage}/block{i + 1}", 2 if stage > 2 and i == 0 else 1
            if depth in ("18", "34"):
                x = _basic(g, name, x, channels, stride, folded=folded)
            else:
                x = _bottleneck(g, name, x, channels, stride, early=variant == "1", folded=folded)
    return classified(g, x, num_classes)


def _basic(g: Graph, name: str, x: Tensor, channels: int, stride: int, *, folded: bool) -> Tensor:
    """Two 3x3 convolutions beside the shortcut."""
    y = conv_block(g, f"{name}/conv1", x, channels, 3, stride=stride, folded=folded)
    y = conv_block(g, f"{name}/conv2", y, channels, 3, activation="", folded=folded)
    return _joined(g, name, x, y, stride, folded=folded)


def _bottleneck(
    g: Graph, name: str, x: Tensor, channels: int, stride: int, *, early: bool, folded: bool
) -> Tensor:
    """1x1, 3x3 and 1x1 convolutions beside the shortcut."""
    strides = (stride, 1) if early else (1, stride)
    y = conv_block(g, f"{name}/conv1", x, channels, 1, stride=strides[0], folded=folded)
    y = conv_block(g, f"{name}/conv2", y, channels, 3, stride=strides[1], folded=folded)
    y = conv_block(g, f"{name}/conv3", y, 4 * channels, 1, activation="", folded=folded)
    return _joined(g, name, x, y, stride, folded=folded)


def _joined(g: Graph, name: str, x: Tensor, y: Tensor, stride: int, *, folded: bool) -> Tensor:
    """Sum of the shortcut and the branch, rectified; the shortcut is projected where shapes differ."""
    if x.shape[1] != y.shape[1]:
        x = conv_block(g, f"{name}/shortcut", x, y.shape[1], 1, stride=stride, activation="", folded=folded)
    return g.relu(f"{name}/relu", g.add(f"{name}/add", x, y))
