"""Separable kernels: r x s filters as r x 1 followed by 1 x s.

A. Gholami et al., "SqueezeNext", arXiv:1803.10615, section 2; C. Szegedy et al., arXiv:1512.00567, section 3.2. Strength is
the fraction of the convolutions with more than one tap on both of two axes that are replaced, those with most MACs first.
Between the two stand as many channels as on the narrower side; groups stay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from costmodel.graph.ops.windows import resolved
from costmodel.playbook.layers import conv_of, heaviest, inner
from costmodel.playbook.replacement import rectified, replaced, replacements

if TYPE_CHECKING:
    from costmodel.graph import Graph, Layer, Tensor
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder


def planes(graph: Graph) -> list[Layer]:
    """Convolutions over two axes with more than one tap on each."""
    return [
        layer
        for layer in inner(graph)
        if len(conv_of(layer).kernel) == 2 and min(conv_of(layer).kernel) > 1
    ]


def split(builder: Builder, layer: Layer, x: Tensor) -> Tensor:
    """One axis after the other: each has its own taps, stride, padding and dilation, and one tap on the other axis."""
    op = conv_of(layer)
    pads = resolved(op.padding, x.shape[2:], op.kernel, op.stride, op.dilation)
    (r, s), (u, v), (d, e) = op.kernel, op.stride, op.dilation
    middle = min(x.shape[1], op.out_channels)
    rows = replace(
        op, out_channels=middle, kernel=(r, 1), stride=(u, 1), dilation=(d, 1), padding=(pads[0], (0, 0))
    )
    columns = replace(op, kernel=(1, s), stride=(1, v), dilation=(1, e), padding=((0, 0), pads[1]))
    return builder.named(layer.name, columns, rectified(builder, f"{layer.name}_rows", rows, x))


def transformed(design: Design, strength: float) -> Transformed:
    """A fraction of the convolutions along one axis after the other."""
    candidates = list(replacements(planes(design.graph), split))
    return replaced(design, heaviest(candidates, strength), split)
