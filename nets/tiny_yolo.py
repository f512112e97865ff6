"""Tiny YOLO: object detection by a short chain of convolutions and pools.

J. Redmon, A. Farhadi, "YOLO9000: better, faster, stronger", CVPR 2017, arXiv:1612.08242, and "YOLOv3: an incremental
improvement", arXiv:1804.02767; the tiny networks are the files yolov2-tiny-voc.cfg and yolov3-tiny.cfg of pjreddie/darknet:

    six 3x3 convolutions (16 to 512), each followed by a 2x2 max pool, conv 3x3 (1024), then

    version 2: conv 3x3 (1024), conv 1x1 to the boxes at 13 x 13
    version 3: conv 1x1 (256), conv 3x3 (512), conv 1x1 to the boxes at 13 x 13; and from the 256, conv 1x1 (128), enlarged
               and joined with the fifth convolution, conv 3x3 (256), conv 1x1 to the boxes at 26 x 26

Every convolution but those to the boxes is normalised and has a leaky activation.

    version  boxes  classes  parameters           MACs
    2        5           20  15,861,773  3,485,520,896    6.97 billion operations
    3        3           80   8,852,366  2,782,480,896    5.56 billion
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio, Tensor, as_dim, as_ratio
from costmodel.graph.blocks import as_choice, conv_block, scaled
from costmodel.graph.shapes import product, require

FILTERS: Final = (16, 32, 64, 128, 256, 512)
PUBLISHED: Final = {"2": (5, 20), "3": (3, 80)}
"""Boxes per position and scale, and classes: VOC and COCO."""


def build(
    version: str | int = "2",
    width: Ratio = 1.0,
    boxes: Dim | None = None,
    num_classes: Dim | None = None,
    input: Dim = 416,  # noqa: A002 - the resolution has this name in every network
    folded: bool = False,
) -> Graph:
    """Tiny YOLO.

    Parameters
    ----------
    version
        2, or 3, which has two outputs.
    width
        Fraction of the filters of every convolution but those to the boxes.
    boxes
        Boxes per position and scale; None for 5 or 3.
    num_classes
        Classes; a box has a probability per class, a confidence and four coordinates. None for 20 or 80.
    input
        Height and width of the image [pixels]; a multiple of 32 in version 3, so that its grids meet.
    folded
        Whether batch normalisations are merged into the convolutions, as in deployed networks.
    """
    version = as_choice("tiny_yolo: version", version, tuple(PUBLISHED))
    width = as_ratio(width, "width", least=0.01, most=8)
    boxes = as_dim(PUBLISHED[version][0] if boxes is None else boxes, "boxes")
    num_classes = as_dim(PUBLISHED[version][1] if num_classes is None else num_classes, "num_classes")
    require(version == "2" or as_dim(input, "input") % 32 == 0, "tiny_yolo: input must be a multiple of 32 in version 3")
    g = Graph(f"tiny-yolo-v{version}")

    def conv(name: str, x: Tensor, filters: int, kernel: int) -> Tensor:
        return conv_block(g, name, x, scaled(filters, width), kernel, activation="leaky_relu", folded=folded)

    def detected(name: str, x: Tensor) -> None:
        g.output(g.conv(name, x, product(boxes, num_classes + 5), kernel=1))

    x = g.input("data", (1, 3, input, input))
    for i, filters in enumerate(FILTERS[:-1], start=1):
        fine = conv(f"conv{i}", x, filters, 3)
        x = g.max_pool(f"pool{i}", fine, kernel=2)
    x = conv("conv6", x, FILTERS[-1], 3)
    x = g.max_pool("pool6", x, kernel=2, stride=1, padding=((0, 1), (0, 1)))
    x = conv("conv7", x, 1024, 3)
    if version == "2":
        detected("boxes", conv("conv8", x, 1024, 3))
        return g
    x = conv("conv8", x, 256, 1)
    detected("boxes_13", conv("conv9", x, 512, 3))
    x = g.upsample("enlarged", conv("conv10", x, 128, 1), 2)
    detected("boxes_26", conv("conv11", g.concat("joined", x, fine), 256, 3))
    return g
