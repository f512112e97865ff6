"""AlexNet: five convolutions and three fully connected layers on ImageNet.

A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
NIPS 2012. `variant` selects one of two published networks:

"caffe"        bvlc_alexnet of Caffe, 227 x 227: convolutions 2, 4 and 5 in two groups, local response
               normalisation; 60,965,224 parameters, 724,406,816 MACs.
"torchvision"  A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
               arXiv:1404.5997, as in torchvision, 224 x 224, no groups; 61,100,840 parameters,
               714,188,480 MACs.
"""

from __future__ import annotations

from typing import Literal

from costmodel.errors import InputError
from costmodel.graph import Dim, Graph, Tensor


def build(
    variant: Literal["caffe", "torchvision"] = "caffe",
    input: Dim | None = None,  # noqa: A002 - the resolution has this name in every network
    num_classes: Dim = 1000,
) -> Graph:
    """AlexNet.

    Parameters
    ----------
    variant
        "caffe" or "torchvision".
    input
        Height and width of the image [pixels]; None for the published one, 227 or 224.
    num_classes
        Outputs of the last layer.
    """
    if variant not in ("caffe", "torchvision"):
        raise InputError(f'alexnet: variant must be "caffe" or "torchvision", got {variant!r}')
    if variant == "caffe":
        return _caffe(227 if input is None else input, num_classes)
    return _torchvision(224 if input is None else input, num_classes)


def _caffe(size: Dim, num_classes: Dim) -> Graph:
    g = Graph("alexnet")
    x = g.input("data", (1, 3, size, size))
    x = g.relu("relu1", g.conv("conv1", x, 96, kernel=11, stride=4))
    x = g.lrn("norm1", x, 5)
    x = g.max_pool("pool1", x, kernel=3, stride=2, ceil_mode=True)
    x = g.relu("relu2", g.conv("conv2", x, 256, kernel=5, padding=2, groups=2))
    x = g.lrn("norm2", x, 5)
    x = g.max_pool("pool2", x, kernel=3, stride=2, ceil_mode=True)
    x = g.relu("relu3", g.conv("conv3", x, 384, kernel=3, padding=1))
    x = g.relu("relu4", g.conv("conv4", x, 384, kernel=3, padding=1, groups=2))
    x = g.relu("relu5", g.conv("conv5", x, 256, kernel=3, padding=1, groups=2))
    x = g.max_pool("pool5", x, kernel=3, stride=2, ceil_mode=True)
    x = g.flatten("flatten", x)
    x = g.dropout("drop6", g.relu("relu6", g.linear("fc6", x, 4096)))
    x = g.dropout("drop7", g.relu("relu7", g.linear("fc7", x, 4096)))
    return _classified(g, x, num_classes)


def _torchvision(size: Dim, num_classes: Dim) -> Graph:
    g = Graph("alexnet-torchvision")
    x = g.input("data", (1, 3, size, size))
    x = g.relu("relu1", g.conv("conv1", x, 64, kernel=11, stride=4, padding=2))
    x = g.max_pool("pool1", x, kernel=3, stride=2)
    x = g.relu("relu2", g.conv("conv2", x, 192, kernel=5, padding=2))
    x = g.max_pool("pool2", x, kernel=3, stride=2)
    x = g.relu("relu3", g.conv("conv3", x, 384, kernel=3, padding=1))
    x = g.relu("relu4", g.conv("conv4", x, 256, kernel=3, padding=1))
    x = g.relu("relu5", g.conv("conv5", x, 256, kernel=3, padding=1))
    x = g.max_pool("pool5", x, kernel=3, stride=2)
    x = g.adaptive_avg_pool("avgpool", x, 6)
    x = g.dropout("drop6", g.flatten("flatten", x))
    x = g.dropout("drop7", g.relu("relu6", g.linear("fc6", x, 4096)))
    x = g.relu("relu7", g.linear("fc7", x, 4096))
    return _classified(g, x, num_classes)


def _classified(g: Graph, x: Tensor, num_classes: Dim) -> Graph:
    x = g.linear("fc8", x, num_classes)
    g.output(g.softmax("prob", x))
    return g
