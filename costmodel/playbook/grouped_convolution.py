"""Grouped convolution with a shuffle of the channels before it.

X. Zhang et al., "ShuffleNet", arXiv:1707.01083, section 3.1. Strength is the fraction of the products that fall away,
1 - 1/groups: 0.5 is two groups, 0.75 four. A convolution has the largest number of groups up to that which divides the
channels on both sides. The shuffle is a transposition, and is priced like one.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd, inf
from typing import TYPE_CHECKING

from costmodel.graph.ops.layout import Reshape, Transpose
from costmodel.playbook.layers import conv_of, inner
from costmodel.playbook.replacement import replaced

if TYPE_CHECKING:
    from costmodel.graph import Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder


def groups_of(in_channels: int, out_channels: int, strength: float) -> int:
    """Largest number of groups that divides both and is at most 1 / (1 - strength).

    >>> groups_of(96, 256, 0.75), groups_of(96, 256, 0.8), groups_of(3, 64, 0.9), groups_of(96, 256, 1.0)
    (4, 4, 1, 32)
    """
    most = inf if strength == 1 else 1 / (1 - strength) + 1e-9
    common = gcd(in_channels, out_channels)
    return max(groups for groups in range(1, common + 1) if common % groups == 0 and groups <= most)


def shuffled(builder: Builder, name: str, x: Tensor, groups: int) -> Tensor:
    """Channels in turn from every group, so that the next groups see all of them."""
    n, channels, *extents = x.shape
    apart = builder.added(f"{name}_apart", Reshape((n, groups, channels // groups, *extents)), x)
    axes = (0, 2, 1, *range(3, 3 + len(extents)))
    turned = builder.added(f"{name}_shuffle", Transpose(axes), apart)
    return builder.added(f"{name}_together", Reshape(x.shape), turned)


def transformed(design: Design, strength: float) -> Transformed:
    """Convolutions in groups."""

    def grouped(builder: Builder, layer: Layer, x: Tensor) -> Tensor:
        op = conv_of(layer)
        groups = groups_of(int(x.shape[1]), int(op.out_channels), strength)
        if groups > 1:
            x = shuffled(builder, layer.name, x, groups)
        return builder.named(layer.name, replace(op, groups=groups), x)

    whole = [layer for layer in inner(design.graph) if conv_of(layer).groups == 1]
    return replaced(design, whole, grouped)
