"""ResNet for images of 32 x 32 pixels; at depth 8, the image classification of MLPerf Tiny.

K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016, arXiv:1512.03385, section 4.2:
a 3x3 convolution, then three stages of residual blocks with 16, 32 and 64 filters, 6 n + 2 layers. Shortcuts of other
shape are 1x1 convolutions. Batch normalisations are folded: every convolution has a bias.

    depth  filters   parameters        MACs
    8      16            77,706  12,501,632    MLPerf Tiny (C. Banbury et al., arXiv:2106.07597), mlcommons/tiny
    8      40           480,330  76,473,920    its larger network
"""

from __future__ import annotations

from costmodel.errors import InputError
from costmodel.graph import Dim, Graph, Tensor, as_dim
from costmodel.graph.blocks import as_count, classified, conv_block


def build(
    depth: int = 8,
    filters: Dim = 16,
    input: Dim = 32,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 10,
) -> Graph:
    """ResNet for small images.

    Parameters
    ----------
    depth
        Layers with weights, shortcuts left out: 8, 14, 20, 26, 32, ...
    filters
        Filters of the first stage; each of the others has twice those before.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    """
    if as_count("resnet_cifar: depth", depth) < 8 or depth % 6 != 2:
        raise InputError(f"resnet_cifar: depth must be 6 n + 2, such as 8, 20 or 32, got {depth!r}")
    filters = as_dim(filters, "filters")
    g = Graph(f"resnet-cifar-{depth}")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, filters, 3, folded=True)
    for stage in range(3):
        for i in range(depth // 6):
            stride = 2 if stage and i == 0 else 1
            x = _block(g, f"stage{stage + 1}/block{i + 1}", x, filters * 2**stage, stride)
    return classified(g, x, num_classes)


def _block(g: Graph, name: str, x: Tensor, channels: Dim, stride: int) -> Tensor:
    """Two 3x3 convolutions beside the shortcut, which is projected where the stride is 2."""
    y = conv_block(g, f"{name}/conv1", x, channels, 3, stride=stride, folded=True)
    y = conv_block(g, f"{name}/conv2", y, channels, 3, activation="", folded=True)
    if stride == 2:
        x = conv_block(g, f"{name}/shortcut", x, channels, 1, stride=2, activation="", folded=True)
    return g.relu(f"{name}/relu", g.add(f"{name}/add", x, y))
