"""Pooling: windows, the whole feature map, or a fixed number of outputs."""

from __future__ import annotations

from typing import Literal

from costmodel.errors import ShapeError
from costmodel.formulas import counts
from costmodel.graph.ops.base import Inputs, Op, only, operation
from costmodel.graph.ops.windows import (
    depth,
    expect_axes,
    planar,
    require_window,
    resolved,
    spatial_rank,
    touched_elems,
)
from costmodel.graph.rows import Row, Rows
from costmodel.graph.shapes import (
    Dim,
    Padding,
    Pads,
    PerAxis,
    Shape,
    as_pads,
    format_dim,
    per_axis,
    plain,
    product,
    require,
)
from costmodel.graph.tensor import Tensor

Kind = Literal["max_pool", "avg_pool"]


def _row(
    op: str,
    x: Tensor,
    y: Tensor,
    kernel: Shape,
    stride: Shape,
    dilation: Shape,
    pads: Pads,
    *,
    other_ops: Dim,
    ifmap_elems: Dim,
) -> Row:
    """The row of a pooling: one group per channel, no weights, no MACs."""
    out = y.shape[2:]
    (r, s), (p, q), (stride_h, stride_w) = planar(kernel, 1), planar(out, 1), planar(stride, 1)
    dilation_h, dilation_w = planar(dilation, 1)
    pad_top, pad_left = planar(pads, (0, 0))
    ifmap_h, ifmap_w = planar(x.shape[2:], 1)
    return Row(
        op,
        n=product(x.shape[0], depth(out)),
        g=x.shape[1],
        c=depth(kernel),
        p=p,
        q=q,
        r=r,
        s=s,
        stride_h=stride_h,
        stride_w=stride_w,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
        pad_top=pad_top[0],
        pad_left=pad_left[0],
        ifmap_h=ifmap_h,
        ifmap_w=ifmap_w,
        other_ops=other_ops,
        ifmap_elems=ifmap_elems,
        ofmap_elems=y.elems,
    )


@operation
class Pool(Op):
    """Maximum or average over sliding windows.

    Other operations are outputs times taps, taps on padding included. `ceil_mode` keeps an incomplete last
    window that starts inside the input or its leading padding, as Caffe and torch do.
    """

    kind: Kind
    kernel: Shape
    stride: Shape
    padding: Pads | Literal["same"]
    dilation: Shape
    ceil_mode: bool = False

    @classmethod
    def of(
        cls,
        rank: int,
        kind: Kind,
        kernel: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        *,
        ceil_mode: bool = False,
    ) -> Pool:
        """A pooling over `rank` spatial axes; the stride defaults to the kernel, as in torch."""
        return cls(
            kind,
            per_axis(kernel, rank, "kernel"),
            per_axis(kernel if stride is None else stride, rank, "stride"),
            as_pads(padding, rank),
            per_axis(dilation, rank, "dilation"),
            ceil_mode,
        )

    def _pads(self, tensor: Tensor) -> Pads:
        return resolved(self.padding, tensor.shape[2:], self.kernel, self.stride, self.dilation)

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, C, *outputs), rounded down or up."""
        x = only(inputs)
        expect_axes(x, self.kernel)
        pads = self._pads(x)
        require_window(x, self.kernel, self.dilation, pads)
        for (before, after), taps, spread in zip(pads, self.kernel, self.dilation, strict=True):
            extent = counts.window(taps, spread)
            require(
                (before < extent) & (after < extent),
                f"padding {format_dim(before)} + {format_dim(after)} would make windows of padding only: "
                f"the window covers {format_dim(extent)}",
            )
        return ((*x.shape[:2], *self._outputs(x, pads)),)

    def _outputs(self, x: Tensor, pads: Pads) -> Shape:
        axes = zip(x.shape[2:], self.kernel, self.stride, pads, self.dilation, strict=True)
        if self.ceil_mode:
            return tuple(
                counts.pool_out_ceil(h, r, u, before, after, d) for h, r, u, (before, after), d in axes
            )
        return tuple(counts.conv_out(h, r, u, before + after, d) for h, r, u, (before, after), d in axes)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row with the window as its filter."""
        x, y = inputs[0], outputs[0]
        pads = self._pads(x)
        row = _row(
            self.kind,
            x,
            y,
            self.kernel,
            self.stride,
            self.dilation,
            pads,
            other_ops=product(y.elems, *self.kernel),
            ifmap_elems=touched_elems(x, y.shape[2:], self.kernel, self.stride, self.dilation, pads),
        )
        return (row,)


@operation
class GlobalPool(Op):
    """Maximum or average over the whole feature map: (N, C, *spatial) -> (N, C, 1, ...)."""

    kind: Kind

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """One value per channel, spatial axes kept with extent 1."""
        x = only(inputs)
        return ((*x.shape[:2], *(1,) * spatial_rank(x)),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row whose window is the feature map."""
        x, y = inputs[0], outputs[0]
        extents = x.shape[2:]
        ones, pads = (1,) * len(extents), ((0, 0),) * len(extents)
        row = _row(self.kind, x, y, extents, ones, ones, pads, other_ops=x.elems, ifmap_elems=x.elems)
        return (row,)


@operation
class AdaptivePool(Op):
    """Maximum or average over windows chosen to give `outputs` values per axis, as in torch.

    Windows differ by at most one element; the loop nest has equal windows that cover the input, the count
    columns are exact.
    """

    kind: Kind
    outputs: Shape

    @classmethod
    def of(cls, rank: int, kind: Kind, outputs: PerAxis) -> AdaptivePool:
        """An adaptive pooling over `rank` spatial axes."""
        return cls(kind, per_axis(outputs, rank, "output size"))

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, C, *outputs)."""
        x = only(inputs)
        if spatial_rank(x) != len(self.outputs):
            raise ShapeError(f"has {len(self.outputs)} output sizes, but {x}")
        return ((*x.shape[:2], *self.outputs),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row with windows of equal size."""
        x, y = inputs[0], outputs[0]
        extents = x.shape[2:]
        taps = tuple(map(_covering_taps, extents, self.outputs))
        stride = tuple(map(_covering_stride, extents, self.outputs))
        reads = [plain(counts.adaptive_taps(h, out)) for h, out in zip(extents, self.outputs, strict=True)]
        ones, pads = (1,) * len(extents), ((0, 0),) * len(extents)
        other_ops = product(x.shape[0], x.shape[1], *reads)
        row = _row(self.kind, x, y, taps, stride, ones, pads, other_ops=other_ops, ifmap_elems=x.elems)
        return (row,)


def _covering_stride(extent: Dim, outputs: Dim) -> Dim:
    """Stride of equal windows that cover the input; 1 where outputs outnumber inputs."""
    return extent // outputs + (extent < outputs)


def _covering_taps(extent: Dim, outputs: Dim) -> Dim:
    """Size of equal windows that cover the input at :func:`_covering_stride`."""
    rest = extent - (outputs - 1) * _covering_stride(extent, outputs)
    return rest * (rest > 0) + (rest <= 0)
