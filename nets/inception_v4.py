"""Inception v4: 42.7 million parameters at 299 x 299 pixels.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, "Inception-v4, Inception-ResNet and the impact of residual connections on
learning", AAAI 2017, arXiv:1602.07261. Figures 3 to 9: a stem, four modules A, a reduction, seven modules B, a reduction,
three modules C; without the auxiliary classifier, which serves training only. 42,679,816 parameters.
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor
from costmodel.graph.blocks import classified, conv_block

Conv = tuple[int, int, int]
"""Filters, height and width of a convolution."""

A: Final[tuple[tuple[Conv, ...], ...]] = (
    ((96, 1, 1),),
    ((64, 1, 1), (96, 3, 3)),
    ((64, 1, 1), (96, 3, 3), (96, 3, 3)),
)
B: Final[tuple[tuple[Conv, ...], ...]] = (
    ((384, 1, 1),),
    ((192, 1, 1), (224, 1, 7), (256, 7, 1)),
    ((192, 1, 1), (192, 7, 1), (224, 1, 7), (224, 7, 1), (256, 1, 7)),
)
REDUCTION_A: Final[tuple[tuple[Conv, ...], ...]] = (((384, 3, 3),), ((192, 1, 1), (224, 3, 3), (256, 3, 3)))
REDUCTION_B: Final[tuple[tuple[Conv, ...], ...]] = (
    ((192, 1, 1), (192, 3, 3)),
    ((256, 1, 1), (256, 1, 7), (320, 7, 1), (320, 3, 3)),
)
"""Convolutions of the branches of a module; the last of a reduction has stride 2 and no padding."""


def build(
    input: Dim = 299,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """Inception v4.

    Parameters
    ----------
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    g = Graph("inception-v4")
    x = _stem(g, g.input("data", (1, 3, input, input)), folded=folded)
    for i in range(4):
        x = _module(g, f"a{i + 1}", x, A, 96, folded=folded)
    x = _reduction(g, "reduction_a", x, REDUCTION_A, folded=folded)
    for i in range(7):
        x = _module(g, f"b{i + 1}", x, B, 128, folded=folded)
    x = _reduction(g, "reduction_b", x, REDUCTION_B, folded=folded)
    for i in range(3):
        x = _module_c(g, f"c{i + 1}", x, folded=folded)
    return classified(g, x, num_classes)


def _stem(g: Graph, x: Tensor, *, folded: bool) -> Tensor:
    """From the image to 384 channels of 35 x 35 (figure 3)."""
    x = conv_block(g, "stem/conv1", x, 32, 3, stride=2, padding=0, folded=folded)
    x = conv_block(g, "stem/conv2", x, 32, 3, padding=0, folded=folded)
    x = conv_block(g, "stem/conv3", x, 64, 3, folded=folded)
    pool = g.max_pool("stem/pool1", x, kernel=3, stride=2)
    conv = conv_block(g, "stem/conv4", x, 96, 3, stride=2, padding=0, folded=folded)
    x = g.concat("stem/concat1", pool, conv)
    left = conv_block(g, "stem/left1", x, 64, 1, folded=folded)
    left = conv_block(g, "stem/left2", left, 96, 3, padding=0, folded=folded)
    right = _chain(g, "stem/right", x, ((64, 1, 1), (64, 1, 7), (64, 7, 1)), folded=folded)
    right = conv_block(g, "stem/right4", right, 96, 3, padding=0, folded=folded)
    x = g.concat("stem/concat2", left, right)
    conv = conv_block(g, "stem/conv5", x, 192, 3, stride=2, padding=0, folded=folded)
    return g.concat("stem/concat3", conv, g.max_pool("stem/pool2", x, kernel=3, stride=2))


def _chain(g: Graph, name: str, x: Tensor, convs: tuple[Conv, ...], *, folded: bool) -> Tensor:
    """Convolutions one after the other, numbered from 1, that keep the size."""
    for i, (filters, *kernel) in enumerate(convs, start=1):
        x = conv_block(g, f"{name}{i}", x, filters, (kernel[0], kernel[1]), folded=folded)
    return x


def _pooled(g: Graph, name: str, x: Tensor, filters: int, *, folded: bool) -> Tensor:
    """The branch of an average pool and a 1x1 convolution."""
    x = g.avg_pool(f"{name}/pool", x, kernel=3, stride=1, padding=1)
    return conv_block(g, f"{name}/pool_proj", x, filters, 1, folded=folded)


def _module(
    g: Graph, name: str, x: Tensor, branches: tuple[tuple[Conv, ...], ...], pool: int, *, folded: bool
) -> Tensor:
    """Module A or B: branches side by side, the last one after a pool (figures 4 and 5)."""
    found = [_chain(g, f"{name}/branch{i}_", x, b, folded=folded) for i, b in enumerate(branches, start=1)]
    return g.concat(f"{name}/concat", *found, _pooled(g, name, x, pool, folded=folded))


def _module_c(g: Graph, name: str, x: Tensor, *, folded: bool) -> Tensor:
    """Module C, whose branches fork into 1x3 and 3x1 (figure 6)."""
    found = [_chain(g, f"{name}/branch1_", x, ((256, 1, 1),), folded=folded)]
    for i, convs in enumerate((((384, 1, 1),), ((384, 1, 1), (448, 3, 1), (512, 1, 3))), start=2):
        y = _chain(g, f"{name}/branch{i}_", x, convs, folded=folded)
        found += [
            conv_block(g, f"{name}/branch{i}_1x3", y, 256, (1, 3), folded=folded),
            conv_block(g, f"{name}/branch{i}_3x1", y, 256, (3, 1), folded=folded),
        ]
    return g.concat(f"{name}/concat", *found, _pooled(g, name, x, 256, folded=folded))


def _reduction(g: Graph, name: str, x: Tensor, branches: tuple[tuple[Conv, ...], ...], *, folded: bool) -> Tensor:
    """Reduction: branches that end in stride 2, beside a max pool (figures 7 and 8)."""
    found = []
    for i, (*convs, (filters, *_)) in enumerate(branches, start=1):
        y = _chain(g, f"{name}/branch{i}_", x, tuple(convs), folded=folded)
        found.append(conv_block(g, f"{name}/branch{i}_out", y, filters, 3, stride=2, padding=0, folded=folded))
    return g.concat(f"{name}/concat", *found, g.max_pool(f"{name}/pool", x, kernel=3, stride=2))
