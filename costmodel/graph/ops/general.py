"""Operations that importers meet: views and copies of declared shape, trained constants, contractions, recurrences."""

from __future__ import annotations

from typing import ClassVar, Final

from costmodel.errors import ShapeError
from costmodel.formulas import counts
from costmodel.graph.ops.base import Inputs, Op, Place, expect_rank, only, operation
from costmodel.graph.ops.dense import broadcast
from costmodel.graph.ops.elementwise import Unknown
from costmodel.graph.ops.layout import Slice
from costmodel.graph.ops.streams import Stream
from costmodel.graph.rows import FUSED, Row, Rows, streamed
from costmodel.graph.shapes import Dim, Shape, checked, format_shape, product


@operation
class Part(Slice):
    """Some elements of the input under a declared shape, such as one index of an axis: free like :class:`Slice`."""

    shape: Shape = ()

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The declared shape."""
        x = only(inputs)
        if product(*self.shape) > x.elems:
            raise ShapeError(f"cannot take {format_shape(self.shape)} out of it: {x}")
        return (self.shape,)


@operation
class Work(Stream):
    """A stream with trained parameters, or one that touches only `reads` elements of its inputs."""

    params: Dim = 0
    reads: Dim | None = None

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        (row,) = Stream.lower(self, inputs, outputs)
        return (
            row._replace(
                params=self.params,
                weight_elems=row.weight_elems + self.params,
                ifmap_elems=row.ifmap_elems if self.reads is None else self.reads,
            ),
        )


@operation
class ChannelWise(Op):
    """A function of an element and of a trained constant of its channel: sums, products, slopes.

    One other operation per element; free by "fused into the producing layer" like an activation.
    """

    overwrites: ClassVar[bool] = True
    row_local: ClassVar[bool] = True
    kind: str
    constants: Dim
    constant_shape: Shape
    params: Dim = 0

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape, which the constant must not stretch."""
        x = only(inputs)
        try:
            shape = broadcast((x.shape, self.constant_shape))
        except ValueError:
            raise ShapeError(f"a constant {format_shape(self.constant_shape)} does not broadcast: {x}") from None
        return (shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        row = streamed(self.kind, inputs, outputs[0], ops_per_elem=1)
        return (row._replace(params=self.params, weight_elems=self.constants),)

    def rule(self, place: Place) -> str:
        """Fused where nobody else needs the value before it."""
        return FUSED if place.fusible() else ""


@operation
class Unshaped(Unknown):
    """An operation whose output shape nobody knows: listed, with one element."""

    reason: str = ""

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row with status "unknown" and the reason."""
        row = streamed(self.op, inputs, outputs[0])
        return (row._replace(status="unknown", note=self.reason or f"shape of {self.op!r} unknown"),)


@operation
class Contraction(Op):
    """Sum of products of two tensors over common axes: `batch` x (`rows`, `depth`) x (`depth`, `columns`).

    What an einsum of two operands is; the second one is the weight operand.
    """

    batch: Dim
    rows: Dim
    depth: Dim
    columns: Dim
    shape: Shape

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The declared shape, which holds the product."""
        if len(inputs) != 2:
            raise ShapeError(f"needs 2 inputs, got {len(inputs)}")
        return (self.shape,)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row; a parameter is the weight operand on either side."""
        a, b = inputs
        m, k = self.rows, self.columns
        if a.origin == "parameter" and b.origin != "parameter":
            (a, b), (m, k) = (b, a), (k, m)
        return (
            Row(
                "matmul",
                g=self.batch,
                k=k,
                c=self.depth,
                p=m,
                ifmap_h=m,
                macs=checked(counts.macs, 1, self.batch, k, self.depth, m, 1, 1, 1),
                weight_elems=b.elems,
                ifmap_elems=a.elems,
                ofmap_elems=outputs[0].elems,
                dynamic_weight=b.origin != "parameter",
            ),
        )


GATES: Final = {"lstm": 4, "gru": 3, "rnn": 1}
CELL_OPS: Final = {"lstm": 9, "gru": 10, "rnn": 1}
"""As :data:`costmodel.graph.ops.recurrent.CELL_OPS`; a plain RNN has one tanh."""


@operation
class TimeMajorRecurrent(Op):
    """LSTM, GRU or RNN over (T, N, C), or (N, T, C) if `batch_first`, with ONNX's outputs.

    Rows "input" and "recurrent" as :class:`costmodel.graph.ops.recurrent.Recurrent` has them.
    """

    kind: str
    hidden: Dim
    directions: int = 1
    bias: bool = True
    shared: bool = False
    batch_first: bool = False

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """All states (T, D, N, H), the last ones (D, N, H), and the last cells."""
        x = inputs[0]
        expect_rank(x, 3, 3, "(time, batch, features)")
        n, time = self._sizes(x.shape)
        if self.batch_first:
            last: Shape = (n, self.directions, self.hidden)
            return ((n, time, self.directions, self.hidden), last, last)
        last = (self.directions, n, self.hidden)
        return ((time, self.directions, n, self.hidden), last, last)

    def _sizes(self, shape: Shape) -> tuple[Dim, Dim]:
        """Batch and time."""
        return (shape[0], shape[1]) if self.batch_first else (shape[1], shape[0])

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The rows "input" and "recurrent"."""
        x, y = inputs[0], outputs[0]
        n, time = self._sizes(x.shape)
        gates, ways = product(GATES[self.kind], self.hidden), self.directions
        first = self._product(x.shape[2], Row(self.kind, n=n, k=product(ways, gates), p=time, suffix="input"), x.elems)
        second = self._product(
            self.hidden, Row(self.kind, n=n, g=ways, k=gates, steps=time, suffix="recurrent"), y.elems
        )
        cells = product(CELL_OPS[self.kind], y.elems)
        return (first, second._replace(other_ops=second.other_ops + cells))

    def _product(self, depth: Dim, row: Row, reads: Dim) -> Row:
        """A row completed by the counts of its product."""
        weights, biases = product(row.g, row.k, depth), product(row.g, row.k) if self.bias else 0
        made = product(row.n, row.g, row.k, row.p, row.steps)
        return row._replace(
            c=depth,
            ifmap_h=row.p,
            params=0 if self.shared else weights + biases,
            macs=product(made, depth),
            other_ops=made if self.bias else 0,
            weight_elems=weights + biases,
            bias_elems=biases,
            ifmap_elems=reads,
            ofmap_elems=made,
        )

