"""ShuffleNet: grouped 1x1 convolutions whose groups exchange channels.

X. Zhang, X. Zhou, M. Lin, J. Sun, "ShuffleNet: an extremely efficient convolutional neural network for mobile devices",
CVPR 2018, arXiv:1707.01083. Table 1:

    conv 3x3/2 (24), maxpool 3x3/2, three stages of 4, 8 and 4 units, average pool, 1000 classes

A unit is a grouped 1x1 convolution, the shuffle, a depthwise 3x3 and a grouped 1x1; its first convolution has a quarter of
the channels. A unit of stride 2 is joined with the average pool of its input. The first 1x1 of all is not grouped.

    groups  width  parameters          MACs
    1       1.0     1,531,936   143,078,976
    3       1.0     1,865,728   137,460,672
    8       1.0     2,434,768   138,365,952
    3       0.5       718,324    37,589,856
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio, Tensor, as_ratio
from costmodel.graph.blocks import as_choice, channel_shuffle, classified, conv_block, scaled

CHANNELS: Final = {"1": 144, "2": 200, "3": 240, "4": 272, "8": 384}
"""Output channels of the first stage by groups; each of the others has twice those before."""
UNITS: Final = (4, 8, 4)


def build(
    groups: str | int = "3",
    width: Ratio = 1.0,
    bottleneck: str = "unit",
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """ShuffleNet.

    Parameters
    ----------
    groups
        Groups of the 1x1 convolutions: 1, 2, 3, 4 or 8, each with channels of its own (table 1).
    width
        Scale factor: the fraction of the channels of every layer.
    bottleneck
        What the first convolution of a unit of stride 2 has a quarter of: the outputs of the "unit", as in the paper, or
        of its convolutions alone, "branch", as in the network that ncnn times.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    groups = as_choice("shufflenet_v1: groups", groups, tuple(CHANNELS))
    bottleneck = as_choice("shufflenet_v1: bottleneck", bottleneck, ("unit", "branch"))
    width = as_ratio(width, "width", least=0.01, most=8)
    g = Graph(f"shufflenet-v1-g{groups}")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, scaled(24, width), 3, stride=2, folded=folded)
    x = g.max_pool("pool1", x, kernel=3, stride=2, padding=1)
    for stage, units in enumerate(UNITS, start=2):
        out = scaled(CHANNELS[groups] * 2 ** (stage - 2), width)
        for i in range(1, units + 1):
            name = f"stage{stage}/unit{i}"
            branch = out - x.shape[1] if i == 1 else out
            inner = (branch if bottleneck == "branch" else out) // 4
            first = 1 if stage == 2 and i == 1 else int(groups)
            y = _branch(g, name, x, (inner, branch), (first, int(groups)), stride=2 if i == 1 else 1, folded=folded)
            x = _joined(g, name, x, y, halved=i == 1)
    return classified(g, x, num_classes)


def _branch(
    g: Graph, name: str, x: Tensor, channels: tuple[Dim, Dim], groups: tuple[int, int], *, stride: int, folded: bool
) -> Tensor:
    """Grouped 1x1, shuffle, depthwise 3x3, grouped 1x1; channels and groups of both 1x1."""
    y = conv_block(g, f"{name}/reduce", x, channels[0], 1, groups=groups[0], folded=folded)
    if groups[1] > 1:
        y = channel_shuffle(g, name, y, groups[1])
    y = conv_block(
        g, f"{name}/conv_dw", y, channels[0], 3, stride=stride, groups=channels[0], activation="", folded=folded
    )
    return conv_block(g, f"{name}/expand", y, channels[1], 1, groups=groups[1], activation="", folded=folded)


def _joined(g: Graph, name: str, x: Tensor, y: Tensor, *, halved: bool) -> Tensor:
    """Sum of input and branch, or the branch beside the averages of the input (figure 2)."""
    if not halved:
        return g.relu(f"{name}/relu", g.add(f"{name}/add", x, y))
    x = g.avg_pool(f"{name}/avg_pool", x, kernel=3, stride=2, padding=1)
    return g.relu(f"{name}/relu", g.concat(f"{name}/concat", x, y))
