"""SqueezeDet: detection of cars, cyclists and pedestrians by SqueezeNet and one convolution more.

B. Wu, A. Wan, F. Iandola, P. H. Jin, K. Keutzer, "SqueezeDet: unified, small, low power fully convolutional neural networks
for real-time object detection for autonomous driving", CVPR workshops 2017, arXiv:1612.01051, and the authors' code,
BichenWuUCB/squeezeDet. SqueezeNet up to fire9, two more fire modules, and ConvDet: a 3x3 convolution that gives, for
every anchor box at every position, the probability of each class, a confidence and four coordinates.

    variant  padding  image       parameters            MACs
    "base"   "valid"  1242 x 375   2,082,120   4,818,116,352    SqueezeNet 1.1
    "base"   "same"   1248 x 384   2,082,120   5,283,053,568    the same in the last state of the code
    "plus"   "valid"  1242 x 375   7,021,640  38,534,011,200    squeezes to 0.75 instead of 0.125 of the expand filters
"""

from __future__ import annotations

from typing import Final, Literal

from costmodel.graph import Dim, Graph, as_dim
from costmodel.graph.blocks import as_choice, fire_module
from costmodel.graph.shapes import product

FIRES: Final = {
    "base": ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256), (96, 384), (96, 384)),
    "plus": (
        (96, 64), (96, 64), (192, 128), (192, 128), (288, 192), (288, 192), (384, 256), (384, 256), (384, 256),
        (384, 256),
    ),
}  # fmt: skip
"""Squeeze filters, and expand filters of either kernel, of fire2 to fire11."""
POOLED: Final = {"base": (3, 5), "plus": (4, 8)}
"""Fire modules with a pool behind them."""
FIRST: Final = {"base": (64, 3), "plus": (96, 7)}
"""Filters and kernel of conv1."""


def build(
    variant: str = "base",
    padding: Literal["valid", "same"] = "valid",
    height: Dim = 375,
    width: Dim = 1242,
    anchors: Dim = 9,
    num_classes: Dim = 3,
) -> Graph:
    """SqueezeDet.

    Parameters
    ----------
    variant
        "base", or "plus" for SqueezeDet+.
    padding
        Of conv1 and of the pools: "valid" for none, or "same", rounding up.
    height, width
        Size of the image [pixels].
    anchors
        Anchor boxes per position.
    num_classes
        Classes; each anchor has a probability per class, a confidence and four coordinates.
    """
    variant = as_choice("squeezedet: variant", variant, tuple(FIRES))
    anchors, num_classes = as_dim(anchors, "anchors"), as_dim(num_classes, "num_classes")
    as_choice("squeezedet: padding", padding, ("valid", "same"))
    filters, kernel = FIRST[variant]
    g = Graph("squeezedet" if variant == "base" else "squeezedet-plus")
    x = g.input("data", (1, 3, height, width))
    x = g.relu("relu_conv1", g.conv("conv1", x, filters, kernel, stride=2, padding=padding))
    x = g.max_pool("pool1", x, kernel=3, stride=2, padding=padding)
    for i, (squeeze, expand) in enumerate(FIRES[variant], start=2):
        x = fire_module(g, f"fire{i}", x, squeeze, (expand, expand))
        if i in POOLED[variant]:
            x = g.max_pool(f"pool{i}", x, kernel=3, stride=2, padding=padding)
    x = g.dropout("drop11", x)
    g.output(g.conv("conv12", x, product(anchors, num_classes + 5), kernel=3, padding=1))
    return g
