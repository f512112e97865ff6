"""ShuffleNet V2: units that leave half of their channels alone.

N. Ma, X. Zhang, H.-T. Zheng, J. Sun, "ShuffleNet V2: practical guidelines for efficient CNN architecture design",
ECCV 2018, arXiv:1807.11164. Table 5:

    conv 3x3/2 (24), maxpool 3x3/2, three stages of 4, 8 and 4 units, conv 1x1 (1024), average pool, 1000 classes

A unit splits its channels, sends one half through 1x1, depthwise 3x3 and 1x1, joins both and shuffles; a unit of stride 2
sends its whole input through two branches.

    width  parameters          MACs
    0.5     1,366,792    40,476,448
    1       2,278,604   144,907,992
    1.5     3,503,624   295,759,392
    2       7,393,996   583,253,464
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor, as_dim
from costmodel.graph.blocks import as_choice, channel_shuffle, classified, conv_block
from costmodel.graph.shapes import product

CHANNELS: Final = {"0.5": (48, 1024), "1": (116, 1024), "1.5": (176, 1024), "2": (244, 2048)}
"""Output channels of the first stage, and of the last convolution, by width."""
UNITS: Final = (4, 8, 4)


def build(
    width: str | float = "1",
    channels: Dim | None = None,
    last_channels: Dim | None = None,
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
) -> Graph:
    """ShuffleNet V2.

    Parameters
    ----------
    width
        Network of table 5: 0.5, 1, 1.5 or 2.
    channels
        Output channels of the first stage, an even number; each of the others has twice those before. None for those of
        the `width`.
    last_channels
        Filters of the last convolution; None for those of the `width`.
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    width = as_choice("shufflenet_v2: width", f"{width:g}" if isinstance(width, float) else width, tuple(CHANNELS))
    stage2, last = CHANNELS[width]
    half = as_dim(stage2 if channels is None else channels, "channels", least=2) // 2
    g = Graph(f"shufflenet-v2-{width}")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, 24, 3, stride=2, folded=folded)
    x = g.max_pool("pool1", x, kernel=3, stride=2, padding=1)
    for stage, units in enumerate(UNITS, start=2):
        for i in range(1, units + 1):
            x = _unit(g, f"stage{stage}/unit{i}", x, product(half, 2 ** (stage - 2)), halved=i == 1, folded=folded)
    x = conv_block(g, "conv_last", x, last if last_channels is None else last_channels, 1, folded=folded)
    return classified(g, x, num_classes)


def _unit(g: Graph, name: str, x: Tensor, half: Dim, *, halved: bool, folded: bool) -> Tensor:
    """Two branches of `half` channels each, joined and shuffled (figure 3, c and d)."""
    if halved:
        left, right = _left(g, name, x, half, folded=folded), x
    else:
        left = g.slice(f"{name}/left", x, axis=1, stop=half)
        right = g.slice(f"{name}/right", x, axis=1, start=half)
    y = conv_block(g, f"{name}/conv1", right, half, 1, folded=folded)
    y = conv_block(
        g, f"{name}/conv_dw", y, half, 3, stride=2 if halved else 1, groups=half, activation="", folded=folded
    )
    y = conv_block(g, f"{name}/conv2", y, half, 1, folded=folded)
    return channel_shuffle(g, name, g.concat(f"{name}/concat", left, y), 2)


def _left(g: Graph, name: str, x: Tensor, half: Dim, *, folded: bool) -> Tensor:
    """Depthwise 3x3 of stride 2 and 1x1: what a unit of stride 2 does instead of leaving channels alone."""
    y = conv_block(
        g, f"{name}/left_dw", x, x.shape[1], 3, stride=2, groups=x.shape[1], activation="", folded=folded
    )
    return conv_block(g, f"{name}/left_pw", y, half, 1, folded=folded)
