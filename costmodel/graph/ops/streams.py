"""Operations that importers meet: streams whose shape is known, reused layers, SVDF, one-bias recurrence."""

from __future__ import annotations

from costmodel.graph.ops.base import Inputs, Op, Place, expect_rank, only, operation
from costmodel.graph.ops.normalization import BatchNorm
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.rows import Row, Rows, streamed
from costmodel.graph.shapes import Dim, Shape, product, total


@operation
class Stream(Op):
    """Reads its inputs once and writes outputs of known shapes: reductions, gathers, tiles, reversals."""

    op: str
    shapes: tuple[Shape, ...]
    other_ops: Dim = 0

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:  # noqa: ARG002 - declared, not inferred
        """The declared shapes."""
        return self.shapes

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        row = streamed(self.op, inputs, outputs[0])
        written = total(*(tensor.elems for tensor in outputs))
        return (row._replace(other_ops=self.other_ops, ofmap_elems=written),)


@operation
class Reused(Op):
    """An operation that costs the same with other `params`: those of an earlier layer do not count again."""

    op: Op
    params: Dim = 0

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The shapes of the operation."""
        return self.op.infer(inputs)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The rows of the operation; the first has the parameters."""
        first, *rest = self.op.lower(inputs, outputs)
        return (first._replace(params=self.params), *(row._replace(params=0) for row in rest))

    def rule(self, place: Place) -> str:
        """The rule of the operation."""
        return self.op.rule(place)


@operation
class HalfBatchNorm(BatchNorm):
    """Batch normalisation that trains a scale or a shift, not both."""

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The row of a batch normalisation with one parameter per channel."""
        (row,) = BatchNorm.lower(self, inputs, outputs)
        return (row._replace(params=outputs[0].shape[1] if self.affine else 0),)


@operation
class OneBias(Recurrent):
    """A recurrent layer with one bias per gate, as TFLite and Keras have it; torch and ONNX have two."""

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The rows "input" and "recurrent", the second without biases."""
        first, second = Recurrent.lower(self, inputs, outputs)
        bias = second.bias_elems
        return first, second._replace(
            params=second.params - bias,
            weight_elems=second.weight_elems - bias,
            bias_elems=0,
            other_ops=second.other_ops - (second.ofmap_elems if self.bias else 0),
        )


@operation
class Svdf(Op):
    """A rank-decomposed layer with memory: (N, C) -> (N, units) (Nakkiran et al., Interspeech 2015).

    Two rows. ``feature``: a linear layer to `units` x `rank` filters. ``time``: each filter's product with the
    last `memory` features; then `rank` filters sum to one unit.
    """

    units: int
    rank: int
    memory: int
    bias: bool = True

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, units)."""
        x = only(inputs)
        expect_rank(x, 2, 2, "(batch, features)")
        return ((x.shape[0], self.units),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The rows "feature" and "time"."""
        x, y = inputs[0], outputs[0]
        n, c, filters = x.shape[0], x.shape[1], product(self.units, self.rank)
        feature = Row(
            "linear",
            n=n,
            k=filters,
            c=c,
            params=product(filters, c),
            macs=product(n, filters, c),
            weight_elems=product(filters, c),
            ifmap_elems=x.elems,
            ofmap_elems=product(n, filters),
            suffix="feature",
        )
        return feature, self._time(n, filters, y.elems)

    def _time(self, n: Dim, filters: Dim, outputs: Dim) -> Row:
        """Products along time: one group per filter, a window over its memory."""
        bias = self.units if self.bias else 0
        weights = product(filters, self.memory)
        return Row(
            "conv",
            n=n,
            g=filters,
            s=self.memory,
            ifmap_w=self.memory,
            params=weights + bias,
            macs=product(n, weights),
            other_ops=product(outputs, self.rank - 1) + (outputs if self.bias else 0),
            weight_elems=weights + bias,
            bias_elems=bias,
            ifmap_elems=product(n, weights),
            ofmap_elems=product(n, filters),
            suffix="time",
        )
