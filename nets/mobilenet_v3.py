"""MobileNet V3: searched inverted residuals with squeeze and excitation.

A. Howard, M. Sandler, G. Chu, L.-C. Chen, B. Chen, M. Tan, W. Wang, Y. Zhu, R. Pang, V. Vasudevan, Q. V. Le, H. Adam,
"Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244. Tables 1 (large) and 2 (small):

    conv 3x3/2 (16), 15 or 11 bottlenecks, conv 1x1 (960 or 576), average pool, 1280 or 1024, 1000 classes

A bottleneck expands by 1x1, convolves per channel, may weight its channels, and projects by 1x1. Channels are rounded to
multiples of 8, those of the weighting too, as in torchvision:

    variant   parameters         MACs
    "large"    5,483,032  216,589,760
    "small"    2,542,856   56,510,400
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio, Tensor, as_ratio
from costmodel.graph.blocks import (
    as_choice,
    conv_block,
    inverted_residual,
    scaled_to_multiple,
    squeeze_excite,
)
from costmodel.graph.shapes import product

Bottleneck = tuple[int, int, int, bool, str, int]
"""Kernel, channels within, output channels, whether channels are weighted, activation, stride."""

BOTTLENECKS: Final[dict[str, tuple[Bottleneck, ...]]] = {
    "large": (
        (3, 16, 16, False, "relu", 1),
        (3, 64, 24, False, "relu", 2),
        (3, 72, 24, False, "relu", 1),
        (5, 72, 40, True, "relu", 2),
        (5, 120, 40, True, "relu", 1),
        (5, 120, 40, True, "relu", 1),
        (3, 240, 80, False, "hardswish", 2),
        (3, 200, 80, False, "hardswish", 1),
        (3, 184, 80, False, "hardswish", 1),
        (3, 184, 80, False, "hardswish", 1),
        (3, 480, 112, True, "hardswish", 1),
        (3, 672, 112, True, "hardswish", 1),
        (5, 672, 160, True, "hardswish", 2),
        (5, 960, 160, True, "hardswish", 1),
        (5, 960, 160, True, "hardswish", 1),
    ),
    "small": (
        (3, 16, 16, True, "relu", 2),
        (3, 72, 24, False, "relu", 2),
        (3, 88, 24, False, "relu", 1),
        (5, 96, 40, True, "hardswish", 2),
        (5, 240, 40, True, "hardswish", 1),
        (5, 240, 40, True, "hardswish", 1),
        (5, 120, 48, True, "hardswish", 1),
        (5, 144, 48, True, "hardswish", 1),
        (5, 288, 96, True, "hardswish", 2),
        (5, 576, 96, True, "hardswish", 1),
        (5, 576, 96, True, "hardswish", 1),
    ),
}
HIDDEN: Final = {"large": 1280, "small": 1024}
"""Outputs of the linear layer before the last."""


def build(
    variant: str = "large",
    width: Ratio = 1.0,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """MobileNet V3.

    Parameters
    ----------
    variant
        "large" or "small".
    width
        Width multiplier: the fraction of the channels of every layer.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    variant = as_choice("mobilenet_v3: variant", variant, tuple(BOTTLENECKS))
    width = as_ratio(width, "width", least=0.01, most=8)
    g = Graph(f"mobilenet-v3-{variant}")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, scaled_to_multiple(16, width), 3, stride=2, activation="hardswish", folded=folded)
    for i, bottleneck in enumerate(BOTTLENECKS[variant], start=1):
        x = _bottleneck(g, f"block{i}", x, bottleneck, width, expands=i > 1, folded=folded)
    x = conv_block(g, "conv_last", x, product(6, x.shape[1]), 1, activation="hardswish", folded=folded)
    x = g.flatten("flatten", g.global_avg_pool("avg_pool", x))
    x = g.hardswish("fc1_hardswish", g.linear("fc1", x, scaled_to_multiple(HIDDEN[variant], width)))
    g.output(g.softmax("prob", g.linear("fc2", g.dropout("drop", x), num_classes)))
    return g


def _bottleneck(
    g: Graph, name: str, x: Tensor, bottleneck: Bottleneck, width: Ratio, *, expands: bool, folded: bool
) -> Tensor:
    """One row of the table."""
    kernel, within, channels, weighted, activation, stride = bottleneck
    inner, out = scaled_to_multiple(within, width), scaled_to_multiple(channels, width)

    def excited(y: Tensor) -> Tensor:
        return squeeze_excite(g, f"{name}/se", y, scaled_to_multiple(inner, 0.25), gate="hardsigmoid")

    return inverted_residual(
        g,
        name,
        x,
        (inner, out),
        kernel,
        stride=stride,
        expands=expands,
        activation=activation,
        weighted=excited if weighted else None,
        folded=folded,
    )
