"""Depthwise separable convolution: k x k per channel, then 1x1 across channels.

A. G. Howard et al., "MobileNets", arXiv:1704.04861, section 3.1. Strength is the fraction of the convolutions of more
than one tap that are replaced, those with most MACs first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.playbook.layers import conv_of, heaviest, spatial
from costmodel.playbook.replacement import pointwise, rectified, replaced, replacements

if TYPE_CHECKING:
    from costmodel.graph import Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder


def separated(builder: Builder, layer: Layer, x: Tensor) -> Tensor:
    """A filter per channel, then a 1x1 convolution under the old name."""
    op, channels = conv_of(layer), x.shape[1]
    depthwise = replace(op, out_channels=channels, groups=channels)
    across = replace(pointwise(op, op.out_channels), bias=op.bias)
    return builder.named(layer.name, across, rectified(builder, f"{layer.name}_dw", depthwise, x))


def transformed(design: Design, strength: float) -> Transformed:
    """A fraction of the convolutions as depthwise and pointwise ones."""
    candidates = list(replacements(spatial(design.graph), separated))
    return replaced(design, heaviest(candidates, strength), separated)
