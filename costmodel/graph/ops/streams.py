"""Operations that importers meet: streams whose shape is known, reused layers, SVDF, one-bias recurrence."""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.graph.ops.base import Inputs, Op, Place, expect_rank, only
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.rows import Row, Rows, streamed
from costmodel.graph.shapes import Dim, Shape, product, total


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Reused(Op):
    """A layer called again: it costs the same, and its parameters were counted at the first call.

    With `own_bias` it reuses the weights only, and its biases count.
    """

    op: Op
    own_bias: bool = False

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The shapes of the layer."""
        return self.op.infer(inputs)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The rows of the layer without the parameters that it reuses."""
        rows = self.op.lower(inputs, outputs)
        return tuple(row._replace(params=row.bias_elems if self.own_bias else 0) for row in rows)

    def rule(self, place: Place) -> str:
        """The rule of the layer."""
        return self.op.rule(place)


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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
