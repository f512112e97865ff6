"""Products whose weights the network computes itself."""

from __future__ import annotations

from costmodel.graph.ops.base import Inputs, expect_inputs, operation
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.rows import Rows
from costmodel.graph.shapes import Shape


@operation
class DynamicConv(Conv):
    """A convolution of the first input with the second one as its weights: hypernetworks, correlation."""

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The shape of the convolution."""
        expect_inputs(inputs, 2)
        return Conv.infer(self, inputs[:1])

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row without parameters, whose weight operand is an activation."""
        (row,) = Conv.lower(self, inputs[:1], outputs)
        return (row._replace(params=0, dynamic_weight=True),)
