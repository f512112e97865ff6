"""Fast style transfer: a network that repaints an image in one pass.

J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016,
arXiv:1603.08155; supplementary material, table 1:

    conv 9x9 (32), conv 3x3/2 (64), conv 3x3/2 (128), five residual blocks (128),
    conv 3x3/(1/2) (64), conv 3x3/(1/2) (32), conv 9x9 (3)

Every layer but the last is normalised, all but that and the sums of the residual blocks are rectified. The two layers of
stride 1/2 are transposed convolutions in the paper; later versions enlarge the image and convolve, with four times the MACs
in these layers. 1,679,235 parameters either way.

    upsampling     normalisation   input            MACs
    "transposed"   "batch"         256     8,266,973,184    the paper
    "nearest"      "instance"      256    10,078,912,512    pytorch/examples, with padding="reflect"
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Tensor, as_dim
from costmodel.graph.blocks import as_choice, as_count
from costmodel.graph.shapes import require

LAYERS_DOWN: Final = ((9, 1), (3, 2), (3, 2))
"""Kernel and stride of the convolutions before the residual blocks."""


def build(
    upsampling: str = "transposed",
    normalisation: str = "batch",
    padding: str = "zero",
    filters: Dim = 32,
    blocks: int = 5,
    input: Dim = 256,  # noqa: A002 - the resolution has this name in every network
) -> Graph:
    """Fast style transfer.

    Parameters
    ----------
    upsampling
        "transposed", convolutions of stride 1/2, or "nearest", the nearest pixel and then a convolution.
    normalisation
        "batch", which is merged into the convolutions, or "instance", which is not.
    padding
        "zero", within the convolutions, or "reflect", a copy of its own before each of them; a transposed convolution is
        padded by zeros in both.
    filters
        Filters of the first layer; the residual blocks have four times as many.
    blocks
        Number of residual blocks.
    input
        Height and width of the image [pixels], a multiple of 4.
    """
    upsampling = as_choice("style_transfer: upsampling", upsampling, ("transposed", "nearest"))
    normalisation = as_choice("style_transfer: normalisation", normalisation, ("batch", "instance"))
    reflect = as_choice("style_transfer: padding", padding, ("zero", "reflect")) == "reflect"
    filters, blocks = as_dim(filters, "filters"), as_count("style_transfer: blocks", blocks, least=0)
    require(as_dim(input, "input") % 4 == 0, "style_transfer: input must be a multiple of 4")
    g = Graph("style-transfer")

    def normalised(name: str, x: Tensor) -> Tensor:
        if normalisation == "batch":
            return g.batch_norm(f"{name}_bn", x)
        return g.group_norm(f"{name}_in", x, x.shape[1])

    def conv(name: str, x: Tensor, channels: Dim, kernel: int, stride: int = 1) -> Tensor:
        if reflect:
            x = g.pad(f"{name}_pad", x, kernel // 2)
        return g.conv(name, x, channels, kernel, stride, padding=0 if reflect else kernel // 2)

    x = g.input("data", (1, 3, input, input))
    for i, (kernel, stride) in enumerate(LAYERS_DOWN):
        x = conv(f"conv{i + 1}", x, filters * 2**i, kernel, stride)
        x = g.relu(f"conv{i + 1}_relu", normalised(f"conv{i + 1}", x))
    for i in range(1, blocks + 1):
        y = conv(f"block{i}/conv1", x, x.shape[1], 3)
        y = g.relu(f"block{i}/relu", normalised(f"block{i}/conv1", y))
        y = normalised(f"block{i}/conv2", conv(f"block{i}/conv2", y, x.shape[1], 3))
        x = g.add(f"block{i}/add", x, y)
    for i in (1, 2):
        name, channels = f"up{i}", filters * 2 ** (2 - i)
        if upsampling == "transposed":
            x = g.conv_transpose(name, x, channels, 3, stride=2, padding=1, output_padding=1)
        else:
            x = conv(name, g.upsample(f"{name}_nearest", x, 2), channels, 3)
        x = g.relu(f"{name}_relu", normalised(name, x))
    g.output(conv("conv_last", x, 3, 9))
    return g
