"""SqueezeNet: AlexNet's accuracy with 50 times fewer parameters.

F. N. Iandola, S. Han, M. W. Moskewicz, K. Ashraf, W. J. Dally, K. Keutzer, "SqueezeNet: AlexNet-level
accuracy with 50x fewer parameters and <0.5MB model size", arXiv:1602.07360. Table 1 (version 1.0):

    conv1 7x7/2 (96), maxpool1, fire2-4, maxpool4, fire5-8, maxpool8, fire9, conv10 1x1 (1000), avgpool10

Version 1.1 of the authors' repository has conv1 3x3/2 (64) and pools after fire3 and fire5 instead. Section 5
describes the modules by metaparameters: fire module i = 0..7 has

    e_i = base_e + incr_e * floor(i / freq)    expand filters, of which
    e_i * pct_3x3                              are 3x3 and the others 1x1,
    s_i = squeeze_ratio * e_i                  squeeze filters.

Filter counts are rounded to the nearest integer, halves to the even one.

Published MAC counts differ by convention, and each convention is an argument here:

    version  input  ceil_mode  conv10_pad        MACs
    1.0      227    any        1           861.34 M    the authors' prototxt, "1.72 GFLOPS"
    1.0      227    any        0           832.67 M
    1.0      224    True       0           818.92 M    torchvision
    1.0      224    False      0           777.22 M    exporters that drop ceil mode
    1.1      227    True       1           418.47 M    the benchmark of ncnn
    1.1      227    True       0           387.75 M    Caffe
    1.1      227    "pool3"    0           357.72 M    pool3 rounded up, pool5 down
    1.1      227    False      0           352.54 M
    1.1      224    any        0           349.15 M    torchvision
"""

from __future__ import annotations

from typing import Final

from costmodel.graph import Dim, Graph, Ratio, Tensor, as_dim, as_ratio
from costmodel.graph.blocks import as_choice, fire_module, scaled

FIRES: Final = tuple(f"fire{i}" for i in range(2, 10))
POOLED_AFTER: Final = {"1.0": ("conv1", "fire4", "fire8"), "1.1": ("conv1", "fire3", "fire5")}
SIMPLE_BYPASS: Final = ("fire3", "fire5", "fire7", "fire9")


def build(
    version: str | float = "1.0",
    input: Dim = 224,  # noqa: A002 - the resolution has this name in every network
    conv10_pad: Dim = 0,
    ceil_mode: bool | str = True,
    base_e: Dim = 128,
    incr_e: Dim = 128,
    pct_3x3: Ratio = 0.5,
    freq: Dim = 2,
    squeeze_ratio: Ratio = 0.125,
    bypass: str = "none",
    num_classes: Dim = 1000,
) -> Graph:
    """SqueezeNet.

    Parameters
    ----------
    version
        "1.0", the paper's, or "1.1", 2.4 times fewer MACs.
    input
        Height and width of the image [pixels]; 224 as torchvision, 227 as the authors.
    conv10_pad
        Padding of conv10: 0 as torchvision, 1 as the authors' prototxt and ncnn.
    ceil_mode
        Incomplete windows of the max pools: True keeps them (Caffe, torchvision), False drops them (the
        default of torch and ONNX), a name keeps them there only ("pool3", or "pool1+pool3" for several).
    base_e, incr_e, freq
        Expand filters: of the first module, added every `freq` modules.
    pct_3x3
        Fraction of the expand filters that are 3x3.
    squeeze_ratio
        Squeeze filters per expand filter.
    bypass
        "none", "simple" (around fire 3, 5, 7, 9) or "complex" (a 1x1 convolution around the others as well).
    num_classes
        Filters of conv10.
    """
    version = as_choice("squeezenet: version", version, tuple(POOLED_AFTER))
    bypass = as_choice("squeezenet: bypass", bypass, ("none", "simple", "complex"))
    ceil = _ceil_pools(ceil_mode, POOLED_AFTER[version])
    base_e, incr_e = as_dim(base_e, "base_e"), as_dim(incr_e, "incr_e", least=0)
    freq = as_dim(freq, "freq")
    pct_3x3, squeeze_ratio = as_ratio(pct_3x3, "pct_3x3"), as_ratio(squeeze_ratio, "squeeze_ratio", most=8)
    g = Graph(f"squeezenet-{version}")

    def pooled(after: str, x: Tensor) -> Tensor:
        if after not in POOLED_AFTER[version]:
            return x
        return g.max_pool(_pool(after), x, kernel=3, stride=2, ceil_mode=_pool(after) in ceil)

    x = g.input("data", (1, 3, input, input))
    filters, kernel = (96, 7) if version == "1.0" else (64, 3)
    x = g.relu("relu_conv1", g.conv("conv1", x, filters, kernel=kernel, stride=2))
    x = pooled("conv1", x)
    for i, fire in enumerate(FIRES):
        e: Dim = base_e + incr_e * (i // freq)
        e3x3 = scaled(e, pct_3x3)
        x = _fire(g, fire, x, squeeze=scaled(e, squeeze_ratio), expand=(e - e3x3, e3x3), bypass=bypass)
        x = pooled(fire, x)
    x = g.dropout("drop9", x)
    x = g.relu("relu_conv10", g.conv("conv10", x, num_classes, kernel=1, padding=conv10_pad))
    x = g.flatten("flatten10", g.global_avg_pool("pool10", x))
    g.output(g.softmax("prob", x))
    return g


def _fire(g: Graph, name: str, x: Tensor, *, squeeze: Dim, expand: tuple[Dim, Dim], bypass: str) -> Tensor:
    """Fire module (figure 1 of the paper), and what leads around it (figure 2)."""
    y = fire_module(g, name, x, squeeze, expand)
    if bypass == "none" or (bypass == "simple" and name not in SIMPLE_BYPASS):
        return y
    if name not in SIMPLE_BYPASS:
        x = g.conv(f"{name}/bypass1x1", x, y.shape[1], kernel=1)
    return g.add(f"{name}/bypass", x, y)


def _pool(after: str) -> str:
    """Name of the pool behind a layer: pool4 behind fire4."""
    return "pool" + after.removeprefix("conv").removeprefix("fire")


def _ceil_pools(ceil_mode: bool | str, after: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the max pools that round up."""
    pools = tuple(map(_pool, after))
    if not isinstance(ceil_mode, str):
        return pools if ceil_mode else ()
    return tuple(as_choice("squeezenet: ceil_mode", name, pools) for name in ceil_mode.split("+"))
