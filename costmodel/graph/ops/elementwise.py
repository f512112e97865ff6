"""Operations on one element at a time: activations, sums and products, dropout, unknown operations."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from costmodel.errors import ShapeError
from costmodel.graph.ops.base import Inputs, Op, Place, expect_rank, only, operation
from costmodel.graph.ops.dense import broadcast
from costmodel.graph.rows import FUSED, IDENTITY, PARAMETER, Row, Rows, streamed
from costmodel.graph.shapes import Dim, Shape, product

ACTIVATIONS: Final = (
    "relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "gelu", "silu", "mish", "softplus",
    "hardswish", "hardsigmoid", "hardtanh", "exp", "sqrt", "abs", "neg", "erf", "prelu",
)  # fmt: skip
"""Known element-wise functions; each counts as one other operation per element."""


@operation
class Activation(Op):
    """A function of one element. One other operation each, whatever the function.

    Free by "fused into the producing layer" where a layer computes the input for this one alone; read
    and written like any element-wise layer otherwise. `prelu` has one parameter per channel.
    """

    in_place: ClassVar[bool] = True
    overwrites: ClassVar[bool] = True
    row_local: ClassVar[bool] = True
    kind: str

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        x = only(inputs)
        if self.kind == "prelu":
            expect_rank(x, 2, 5, "(batch, channels, ...)")
        return (x.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        row = streamed(self.kind, inputs, outputs[0], ops_per_elem=1)
        if self.kind == "prelu":
            slopes = outputs[0].shape[1]
            row = row._replace(params=slopes, weight_elems=slopes)
        return (row,)

    def rule(self, place: Place) -> str:
        """Fused where nobody else needs the value before it."""
        return FUSED if place.fusible() else ""


@operation
class Combine(Op):
    """Sum, product, difference, ... of tensors whose shapes broadcast; one other operation per pair."""

    overwrites: ClassVar[bool] = True
    row_local: ClassVar[bool] = True
    kind: Literal["add", "sub", "mul", "div", "max", "min"]

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The broadcast shape."""
        if len(inputs) < 2:
            raise ShapeError(f"needs at least 2 inputs, got {len(inputs)}")
        try:
            return (broadcast(tuple(tensor.shape for tensor in inputs)),)
        except ValueError:
            raise ShapeError(
                f"inputs do not broadcast: {', '.join(map(str, inputs))}; sizes must agree or be 1"
            ) from None

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        return (streamed(self.kind, inputs, outputs[0], ops_per_elem=len(inputs) - 1),)


@operation
class Identity(Op):
    """Dropout and other operations that do nothing at inference: free by "identity at inference"."""

    op: str = "dropout"

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape."""
        return (only(inputs).shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One free row."""
        return (streamed(self.op, inputs, outputs[0]).freed(IDENTITY),)


@operation
class Parameter(Op):
    """A trained tensor that is an operand of its own, such as a position embedding.

    The row holds the parameters; consumers read them as their weight operand. `trained` replaces their number where the
    tensor is made of more or fewer, or of ones counted elsewhere.
    """

    shape: Shape
    trained: Dim | None = None

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:  # noqa: ARG002 - has none
        """The parameter's shape."""
        return (self.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:  # noqa: ARG002 - depends on its shape only
        """One free row."""
        params = product(*self.shape) if self.trained is None else self.trained
        row = Row("parameter", params=params, streamed=True)
        return (row.freed(PARAMETER),)


@operation
class Unknown(Op):
    """An operation nobody models: elements are counted, work is not, and the row says so."""

    op: str
    shapes: tuple[Shape, ...]

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:  # noqa: ARG002 - declared, not inferred
        """The declared shapes."""
        return self.shapes

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row with status "unknown"."""
        row = streamed(self.op, inputs, outputs[0])
        for extra in outputs[1:]:
            row = row._replace(ofmap_elems=row.ofmap_elems + extra.elems)
        return (row._replace(status="unknown", note=f"no model of operation {self.op!r}"),)
