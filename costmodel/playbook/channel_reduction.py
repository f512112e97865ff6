"""Channel reduction: a squeeze layer before every wide convolution, strategy 2 of SqueezeNet.

F. N. Iandola et al., "SqueezeNet", arXiv:1602.07360, section 3.1: "decrease the number of input channels to 3x3 filters".
Strength is the fraction of the input channels that a 1x1 convolution takes away before the filters of more taps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from costmodel.playbook.layers import conv_of, kept, spatial
from costmodel.playbook.replacement import pointwise, rectified, replaced

if TYPE_CHECKING:
    from costmodel.graph import Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder


def transformed(design: Design, strength: float) -> Transformed:
    """Input channels of convolutions of more than one tap squeezed, where that leaves fewer MACs."""

    def squeezed(builder: Builder, layer: Layer, x: Tensor) -> Tensor:
        op = conv_of(layer)
        squeeze = pointwise(op, kept(int(x.shape[1]), strength, int(op.groups)))
        return builder.named(layer.name, op, rectified(builder, f"{layer.name}_squeeze", squeeze, x))

    return replaced(design, spatial(design.graph), squeezed)
