"""DenseNet: every layer reads the outputs of all layers before it in its block.

G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely connected convolutional networks", CVPR 2017,
arXiv:1608.06993. Table 1:

    conv1 7x7/2, maxpool 3x3/2, four dense blocks with a transition between them, average pool, 1000 classes

A layer normalises and rectifies what it reads, then convolves 1x1 to 4 k channels and 3x3 to k, the growth rate. A
transition halves the channels by 1x1 and the image by an average pool.

    depth  growth   parameters           MACs
    121    32        7,978,856  2,834,161,664
    161    48       28,681,000  7,727,907,072
    169    32       14,149,480  3,359,843,328
    201    32       20,013,928  4,291,365,888
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor, as_dim
from costmodel.graph.blocks import as_choice, classified, conv_block
from costmodel.graph.shapes import product

LAYERS: Final = {"121": (6, 12, 24, 16), "161": (6, 12, 36, 24), "169": (6, 12, 32, 32), "201": (6, 12, 48, 32)}
"""Layers of every block."""
GROWTH: Final = {"121": 32, "161": 48, "169": 32, "201": 32}


def build(
    depth: str | int = "121",
    growth: Dim | None = None,
    bottleneck: Dim = 4,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
) -> Graph:
    """DenseNet.

    Parameters
    ----------
    depth
        Layers with weights: 121, 161, 169 or 201.
    growth
        Growth rate: channels that a layer adds; conv1 has twice as many. None for 32, or 48 at depth 161.
    bottleneck
        Filters of the 1x1 convolution of a layer per channel that it adds.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    """
    depth = as_choice("densenet: depth", depth, tuple(LAYERS))
    growth = as_dim(GROWTH[depth] if growth is None else growth, "growth")
    bottleneck = as_dim(bottleneck, "bottleneck")
    g = Graph(f"densenet-{depth}")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, product(2, growth), 7, stride=2)
    x = g.max_pool("pool1", x, kernel=3, stride=2, padding=1)
    for block, layers in enumerate(LAYERS[depth], start=1):
        if block > 1:
            x = _transition(g, f"transition{block - 1}", x)
        for i in range(1, layers + 1):
            x = _layer(g, f"block{block}/layer{i}", x, growth, bottleneck)
    x = g.relu("relu_last", g.batch_norm("bn_last", x))
    return classified(g, x, num_classes)


def _layer(g: Graph, name: str, x: Tensor, growth: Dim, bottleneck: Dim) -> Tensor:
    """The input and, beside it, `growth` channels made from it."""
    y = g.relu(f"{name}/relu", g.batch_norm(f"{name}/bn", x))
    y = conv_block(g, f"{name}/conv1", y, product(bottleneck, growth), 1)
    return g.concat(f"{name}/concat", x, g.conv(f"{name}/conv2", y, growth, kernel=3, padding=1, bias=False))


def _transition(g: Graph, name: str, x: Tensor) -> Tensor:
    """Half of the channels, half of the rows and columns."""
    y = g.relu(f"{name}/relu", g.batch_norm(f"{name}/bn", x))
    y = g.conv(f"{name}/conv", y, x.shape[1] // 2, kernel=1, bias=False)
    return g.avg_pool(f"{name}/pool", y, kernel=2)
