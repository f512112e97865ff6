"""SqueezeNext: SqueezeNet's successor, with two squeeze layers, separable 3x3 filters and shortcuts.

A. Gholami, K. Kwon, B. Wu, Z. Tai, X. Yue, P. Jin, S. Zhao, K. Keutzer, "SqueezeNext: hardware-aware neural network
design", CVPR workshops 2018, arXiv:1803.10615. A block with C outputs (figure 1) is, each normalised and rectified,

    1x1 (C/2), 1x1 (C/4), 3x1 (C/2), 1x3 (C/2), 1x1 (C), plus a shortcut,

where 3x1 and 1x3 change places from block to block. Widths, depths and layers are those of the authors' prototxt files:

    name             parameters          MACs
    1.0-G-SqNxt-23      543,072   224,191,552    groups=2: 112 times fewer parameters than AlexNet
    1.0-SqNxt-23        717,280   277,999,808
    1.0-SqNxt-23v5      930,016   224,916,480    version="23v5": 5x5 first, blocks moved to the later stages
    2.0-SqNxt-23      2,361,728   742,070,464    width=2
    2.0-SqNxt-23v5    3,222,912   702,592,000    version="23v5", width=2

The port whose counts are listed most often, of osmr/imgclsmob, is `variant="imgclsmob"`: 7x7 first and projections beside
the block in both versions, a bias in every layer, and ends as wide as `width`.
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio, Tensor, as_dim, as_ratio
from costmodel.graph.blocks import as_choice, conv_block, scaled

BLOCKS: Final = {"23": (6, 6, 8, 1), "23v5": (2, 4, 14, 1)}
"""Blocks of every stage."""
CHANNELS: Final = (32, 64, 128, 256)
FIRST: Final = {"caffe-23": (7, 0), "caffe-23v5": (5, 0), "imgclsmob-23": (7, 1), "imgclsmob-23v5": (7, 1)}
"""Kernel and padding of the first convolution."""


def build(
    version: str | int = "23",
    variant: str = "caffe",
    width: Ratio = 1.0,
    groups: Dim = 1,
    input: Dim | None = None,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
) -> Graph:
    """SqueezeNext.

    Parameters
    ----------
    version
        "23", or "23v5" with fewer blocks where the feature maps are large.
    variant
        "caffe", the authors', or "imgclsmob", the port.
    width
        Fraction of the channels of every block.
    groups
        Groups of the first 1x1 convolution of a block, the 3x1 and the 1x3.
    input
        Height and width of the image [pixels]; None for 227 of the authors or 224 of the port.
    num_classes
        Outputs of the last layer.
    """
    version = as_choice("squeezenext: version", version, tuple(BLOCKS))
    variant = as_choice("squeezenext: variant", variant, ("caffe", "imgclsmob"))
    width, groups = as_ratio(width, "width", least=0.01, most=8), as_dim(groups, "groups")
    ported = variant == "imgclsmob"
    size = (224 if ported else 227) if input is None else input
    ends = width if ported else 1.0
    g = Graph(f"squeezenext-{version}")
    kernel, padding = FIRST[f"{variant}-{version}"]
    x = g.input("data", (1, 3, size, size))
    x = conv_block(g, "conv1", x, scaled(64, ends), kernel, stride=2, padding=padding, bias=ported)
    x = g.max_pool("pool1", x, kernel=3, stride=2, ceil_mode=True)
    x = _stages(g, x, version, width, groups, ported=ported)
    x = conv_block(g, "conv_last", x, scaled(128, ends), 1, bias=ported)
    x = g.flatten("flatten", g.global_avg_pool("avg_pool", x))
    g.output(g.softmax("prob", g.linear("fc", x, num_classes, bias=ported)))
    return g


def _stages(g: Graph, x: Tensor, version: str, width: Ratio, groups: Dim, *, ported: bool) -> Tensor:
    """Four stages; the first block of each projects its shortcut, and all but the first stage halve the image."""
    for stage, (blocks, channels) in enumerate(zip(BLOCKS[version], CHANNELS, strict=True), start=1):
        out = as_dim(scaled(channels, width), "width: channels", least=4)
        for i in range(blocks):
            name, stride = f"stage{stage}/block{i + 1}", 2 if i == 0 and stage > 1 else 1
            shortcut = x
            if i == 0:
                shortcut = conv_block(g, f"{name}/shortcut", x, out, 1, stride=stride, bias=ported)
            if i == 0 and version == "23v5" and not ported:
                x, stride = shortcut, 1
            y = _branch(g, name, x, out, stride, groups, tall_first=ported is False and i % 2 == 0, bias=ported)
            x = g.relu(f"{name}/relu", g.add(f"{name}/add", shortcut, y))
    return x


def _branch(
    g: Graph, name: str, x: Tensor, out: Dim, stride: int, groups: Dim, *, tall_first: bool, bias: bool
) -> Tensor:
    """The five convolutions of a block."""
    half, quarter = out // 2, out // 4
    kernels = ((3, 1), (1, 3)) if tall_first else ((1, 3), (3, 1))
    y = conv_block(g, f"{name}/reduce1", x, half, 1, stride=stride, groups=groups, bias=bias)
    y = conv_block(g, f"{name}/reduce2", y, quarter, 1, bias=bias)
    for rows, columns in kernels:
        y = conv_block(g, f"{name}/conv{rows}x{columns}", y, half, (rows, columns), groups=groups, bias=bias)
    return conv_block(g, f"{name}/expand", y, out, 1, bias=bias)
