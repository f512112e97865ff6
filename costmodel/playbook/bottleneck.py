"""Bottlenecks: 1x1 to fewer channels, the filters among these, 1x1 back.

K. He et al., "Deep residual learning for image recognition", arXiv:1512.03385, figure 5. Strength is the fraction of the
channels, of the narrower side, that the middle does without; 0.75 is the paper's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.playbook.layers import conv_of, kept, spatial
from costmodel.playbook.replacement import pointwise, rectified, replaced

if TYPE_CHECKING:
    from costmodel.graph import Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder


def transformed(design: Design, strength: float) -> Transformed:
    """Convolutions of more than one tap as bottlenecks, where that leaves fewer MACs."""

    def narrowed(builder: Builder, layer: Layer, x: Tensor) -> Tensor:
        op = conv_of(layer)
        middle = kept(int(min(x.shape[1], op.out_channels)), strength, int(op.groups))
        y = rectified(builder, f"{layer.name}_reduce", pointwise(op, middle), x)
        y = rectified(builder, f"{layer.name}_middle", replace(op, out_channels=middle), y)
        return builder.named(layer.name, replace(pointwise(op, op.out_channels), bias=op.bias), y)

    return replaced(design, spatial(design.graph), narrowed)
