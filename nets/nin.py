"""Network in Network: 1x1 convolutions after every convolution, and no fully connected layer.

M. Lin, Q. Chen, S. Yan, "Network in network", ICLR 2014, arXiv:1312.4400, figures 1 and 2: a convolution and two 1x1
convolutions make a layer, and the last maps are averaged, one per class. `variant` selects one of two published networks:

    variant      input  parameters           MACs
    "imagenet"   224     7,595,176  1,100,188,800    four layers, as trained by the authors for Caffe
    "cifar"       32       966,986    222,486,528    three layers, table 1
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor
from costmodel.graph.blocks import as_choice

Layer = tuple[int, int, int, tuple[int, ...]]
"""Kernel, stride and padding of the first convolution; filters of all."""

LAYERS: Final[dict[str, tuple[Layer, ...]]] = {
    "imagenet": (
        (11, 4, 0, (96, 96, 96)),
        (5, 1, 2, (256, 256, 256)),
        (3, 1, 1, (384, 384, 384)),
        (3, 1, 1, (1024, 1024)),
    ),
    "cifar": ((5, 1, 2, (192, 160, 96)), (5, 1, 2, (192, 192, 192)), (3, 1, 1, (192, 192))),
}
"""The last layer of each has one more 1x1 convolution, to the classes."""
PUBLISHED: Final = {"imagenet": (224, 1000), "cifar": (32, 10)}
"""Resolution and classes."""


def build(
    variant: str = "imagenet",
    input: Dim | None = None,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim | None = None,
) -> Graph:
    """Network in Network.

    Parameters
    ----------
    variant
        "imagenet" or "cifar".
    input
        Height and width of the image [pixels]; None for the published one, 224 or 32.
    num_classes
        Filters of the last convolution; None for 1000 or 10.
    """
    variant = as_choice("nin: variant", variant, tuple(LAYERS))
    resolution, classes = PUBLISHED[variant]
    size = resolution if input is None else input
    g = Graph(f"nin-{variant}")
    x = g.input("data", (1, 3, size, size))
    *first, last = LAYERS[variant]
    for i, layer in enumerate(first, start=1):
        x = _mlpconv(g, i, x, layer, layer[3])
        average = variant == "cifar" and i > 1
        pool = g.avg_pool if average else g.max_pool
        x = g.dropout(f"drop{i}", pool(f"pool{i}", x, kernel=3, stride=2, ceil_mode=True))
    x = _mlpconv(g, len(first) + 1, x, last, (*last[3], classes if num_classes is None else num_classes))
    x = g.flatten("flatten", g.global_avg_pool("pool_last", x))
    g.output(g.softmax("prob", x))
    return g


def _mlpconv(g: Graph, number: int, x: Tensor, layer: Layer, filters: tuple[Dim, ...]) -> Tensor:
    """Add one layer: a convolution, then 1x1 convolutions, all rectified."""
    kernel, stride, padding, _ = layer
    name = f"mlpconv{number}"
    x = g.relu(f"{name}/relu1", g.conv(f"{name}/conv1", x, filters[0], kernel, stride, padding))
    for i, channels in enumerate(filters[1:], start=2):
        x = g.relu(f"{name}/relu{i}", g.conv(f"{name}/conv{i}", x, channels, kernel=1))
    return x
