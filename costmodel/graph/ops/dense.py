"""Products without windows: linear layers, products of two activations, embedding tables."""

from __future__ import annotations

import numpy as np

from costmodel.errors import ShapeError
from costmodel.formulas import counts
from costmodel.graph.ops.base import Inputs, Op, expect_inputs, only, operation
from costmodel.graph.rows import Row, Rows
from costmodel.graph.shapes import Dim, Shape, as_dim, checked, plain, product, require, same
from costmodel.graph.tensor import Tensor


@operation
class Linear(Op):
    """Fully connected layer on the last axis: (N, ..., C) -> (N, ..., K).

    A 1x1 convolution: ``c`` inputs, ``k`` outputs, the axes between batch and features are ``p``.
    """

    out_features: Dim
    bias: bool = True
    shared: bool = False

    @classmethod
    def of(cls, out_features: Dim, *, bias: bool = True, shared: bool = False) -> Linear:
        """A linear layer from arguments as people write them."""
        return cls(as_dim(out_features, "out_features"), bias, shared)

    def weight_shape(self, inputs: Inputs) -> Shape:
        """(K, C), as torch stores it."""
        return (self.out_features, inputs[0].shape[-1])

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape with the last axis replaced."""
        x = only(inputs)
        if x.rank < 2:
            raise ShapeError(f"needs axes (batch, ..., features), but {x}")
        return ((*x.shape[:-1], self.out_features),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row."""
        x, y = inputs[0], outputs[0]
        n, p, c, k = x.shape[0], product(*x.shape[1:-1]), x.shape[-1], self.out_features
        bias = k if self.bias else 0
        weights = checked(counts.weight_elems, 1, k, c, 1, 1)
        return (
            Row(
                "linear",
                n=n,
                k=k,
                c=c,
                p=p,
                ifmap_h=p,
                params=0 if self.shared else weights + bias,
                macs=checked(counts.macs, n, 1, k, c, p, 1, 1, 1),
                other_ops=y.elems if self.bias else 0,
                weight_elems=weights + bias,
                bias_elems=bias,
                ifmap_elems=x.elems,
                ofmap_elems=y.elems,
            ),
        )


def broadcast(shapes: tuple[Shape, ...]) -> Shape:
    """Common shape of operands aligned at their last axes, where a size of 1 stretches.

    Raises ValueError if there is none; only the caller knows the names for a message.
    """
    rank = max(map(len, shapes))
    axes = zip(*[(1,) * (rank - len(shape)) + shape for shape in shapes], strict=True)
    return tuple(map(_broadcast_axis, axes))


def _broadcast_axis(sizes: tuple[Dim, ...]) -> Dim:
    """The one size other than 1; ValueError where there are two."""
    found: Dim = 1
    for size in sizes:
        if same(size, 1) or same(size, found):
            continue
        if not same(found, 1):
            raise ValueError
        found = size
    return found


@operation
class MatMul(Op):
    """Product of two tensors, (..., M, C) x (..., C, K) -> (..., M, K); leading axes broadcast.

    Of two activations, the second is the weight operand and ``g`` counts the leading axes. A parameter on
    either side is the weight operand of what is then a linear layer.
    """

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(..., M, K)."""
        expect_inputs(inputs, 2)
        a, b = inputs
        if a.rank < 2 or b.rank < 2:
            raise ShapeError(f"needs two tensors with at least two axes: {a}, {b}")
        require(
            a.shape[-1] == b.shape[-2],
            f"the last axis of the first input must equal the last but one of the second: {a}, {b}",
        )
        try:
            leading = broadcast((a.shape[:-2], b.shape[:-2]))
        except ValueError:
            raise ShapeError(f"leading axes do not broadcast: {a}, {b}") from None
        return ((*leading, a.shape[-2], b.shape[-1]),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row."""
        a, b = inputs
        y = outputs[0]
        if b.origin == "parameter" and b.rank == 2:
            return (self._static(a, b, y, n=y.shape[0], p=product(*y.shape[1:-1]), k=y.shape[-1]),)
        if a.origin == "parameter" and a.rank == 2:
            n, p = (y.shape[0], product(*y.shape[1:-2], y.shape[-1])) if y.rank > 2 else (1, y.shape[-1])
            return (self._static(b, a, y, n=n, p=p, k=y.shape[-2]),)
        return (self._dynamic(a, b, y),)

    def _static(self, x: Tensor, weight: Tensor, y: Tensor, *, n: Dim, p: Dim, k: Dim) -> Row:
        """A linear layer whose weights are a parameter; the parameter's own row holds `params`."""
        return Row(
            "matmul",
            n=n,
            k=k,
            c=weight.elems // k,
            p=p,
            ifmap_h=p,
            macs=product(y.elems, plain(weight.elems // k)),
            weight_elems=weight.elems,
            ifmap_elems=x.elems,
            ofmap_elems=y.elems,
        )

    def _dynamic(self, a: Tensor, b: Tensor, y: Tensor) -> Row:
        """One group per leading index."""
        g, m, c, k = product(*y.shape[:-2]), a.shape[-2], a.shape[-1], b.shape[-1]
        return Row(
            "matmul",
            g=g,
            k=k,
            c=c,
            p=m,
            ifmap_h=m,
            macs=checked(counts.macs, 1, g, k, c, m, 1, 1, 1),
            weight_elems=b.elems,
            ifmap_elems=a.elems,
            ofmap_elems=y.elems,
            dynamic_weight=b.origin != "parameter",
        )


@operation
class Embedding(Op):
    """Table look-up (N, T) -> (N, T, dim): a gather of rows, no MACs.

    The whole table is in `params`; reads are the indices and at most one row per index, never more than
    the table. It is streamed: `weight_elems` is 0, since most of the table is not touched.
    """

    entries: Dim
    dim: Dim
    shared: bool = False

    @classmethod
    def of(cls, entries: Dim, dim: Dim, *, shared: bool = False) -> Embedding:
        """An embedding from arguments as people write them."""
        return cls(as_dim(entries, "entries"), as_dim(dim, "dim"), shared)

    def weight_shape(self, inputs: Inputs) -> Shape:  # noqa: ARG002 - the same for every input
        """(entries, dim)."""
        return (self.entries, self.dim)

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The indices' shape with `dim` appended."""
        return ((*only(inputs).shape, self.dim),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        x, y = inputs[0], outputs[0]
        rows = plain(np.minimum(x.elems, self.entries))
        row = Row(
            "embedding",
            n=y.shape[0],
            g=self.dim,
            p=product(*y.shape[1:-1]),
            params=0 if self.shared else product(self.entries, self.dim),
            ifmap_elems=x.elems + product(rows, self.dim),
            ofmap_elems=y.elems,
            streamed=True,
        )
        return (row,)
