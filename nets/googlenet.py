"""GoogLeNet, also known as Inception v1: nine modules of four branches each.

C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A. Rabinovich, "Going deeper with
convolutions", CVPR 2015, arXiv:1409.4842. Table 1, without the auxiliary classifiers, which serve training only;
`auxiliary` adds the two of section 5, with which Caffe's network has 13,378,280 parameters.
`variant` selects one of two published networks:

"caffe"        bvlc_googlenet of Caffe: biases, local response normalisation, 5x5 convolutions in the third branch;
               6,998,552 parameters, 1,582,671,872 MACs.
"torchvision"  batch normalisation, and 3x3 instead of 5x5, as torchvision and TensorFlow-Slim;
               6,624,904 parameters, 1,498,376,192 MACs.
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor
from costmodel.graph.blocks import as_choice, classified, conv_block

MODULES: Final = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Filters of a module: 1x1; 3x3 after its reduction; 5x5 after its reduction; 1x1 after the pool (table 1)."""


def build(
    variant: str = "caffe",
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
    folded: bool = False,
    auxiliary: bool = False,
) -> Graph:
    """GoogLeNet.

    Parameters
    ----------
    variant
        "caffe" or "torchvision".
    input
        Height and width of the image [pixels].
    num_classes
        Outputs of the last layer.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks; "caffe" has none.
    auxiliary
        Whether the classifiers after modules 4a and 4d are there, as while training.
    """
    variant = as_choice("googlenet: variant", variant, ("caffe", "torchvision"))
    caffe = variant == "caffe"
    folded, large = folded or caffe, 5 if caffe else 3
    g = Graph("googlenet" if caffe else "googlenet-torchvision")
    x = g.input("data", (1, 3, input, input))
    x = conv_block(g, "conv1", x, 64, 7, stride=2, folded=folded)
    x = g.max_pool("pool1", x, kernel=3, stride=2, ceil_mode=True)
    x = g.lrn("norm1", x, 5) if caffe else x
    x = conv_block(g, "conv2_reduce", x, 64, 1, folded=folded)
    x = conv_block(g, "conv2", x, 192, 3, folded=folded)
    x = g.lrn("norm2", x, 5) if caffe else x
    x = g.max_pool("pool2", x, kernel=3, stride=2, ceil_mode=True)
    for name, filters in MODULES.items():
        x = _module(g, f"inception_{name}", x, filters, large, folded=folded)
        if auxiliary and name in ("4a", "4d"):
            _auxiliary(g, f"loss_{name}", x, num_classes, folded=folded)
        if name in ("3b", "4e"):
            kernel = 3 if caffe or name == "3b" else 2
            x = g.max_pool(f"pool{name[0]}", x, kernel=kernel, stride=2, ceil_mode=True)
    return classified(g, x, num_classes)


def _module(
    g: Graph, name: str, x: Tensor, filters: tuple[int, int, int, int, int, int], large: int, *, folded: bool
) -> Tensor:
    """Four branches side by side: 1x1, 3x3, `large` x `large`, and a pool (figure 2 of the paper)."""
    one, three_reduce, three, five_reduce, five, pool = filters
    a = conv_block(g, f"{name}/1x1", x, one, 1, folded=folded)
    b = conv_block(g, f"{name}/3x3_reduce", x, three_reduce, 1, folded=folded)
    b = conv_block(g, f"{name}/3x3", b, three, 3, folded=folded)
    c = conv_block(g, f"{name}/5x5_reduce", x, five_reduce, 1, folded=folded)
    c = conv_block(g, f"{name}/5x5", c, five, large, folded=folded)
    d = g.max_pool(f"{name}/pool", x, kernel=3, stride=1, padding=1)
    d = conv_block(g, f"{name}/pool_proj", d, pool, 1, folded=folded)
    return g.concat(f"{name}/concat", a, b, c, d)


def _auxiliary(g: Graph, name: str, x: Tensor, num_classes: Dim, *, folded: bool) -> None:
    """A classifier that trains the modules before it (section 5 of the paper)."""
    x = g.avg_pool(f"{name}/ave_pool", x, kernel=5, stride=3, ceil_mode=True)
    x = conv_block(g, f"{name}/conv", x, 128, 1, folded=folded)
    x = g.linear(f"{name}/fc", g.flatten(f"{name}/flatten", x), 1024)
    x = g.linear(f"{name}/classifier", g.dropout(f"{name}/dropout", g.relu(f"{name}/relu_fc", x)), num_classes)
    g.output(g.softmax(f"{name}/prob", x))
