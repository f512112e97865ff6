"""Convolution and transposed convolution over one, two or three spatial axes."""

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
    touched_elems,
)
from costmodel.graph.rows import Row, Rows
from costmodel.graph.shapes import (
    Dim,
    Padding,
    Pads,
    PerAxis,
    Shape,
    as_dim,
    as_pads,
    checked,
    format_dim,
    per_axis,
    product,
    require,
)
from costmodel.graph.tensor import Tensor


def _require_groups(tensor: Tensor, out_channels: Dim, groups: Dim) -> None:
    """ShapeError unless the groups divide the channels of both sides."""
    if type(groups) is int and groups == 1:
        return
    require(
        tensor.shape[1] % groups == 0,
        f"groups {format_dim(groups)} do not divide the input channels: {tensor}",
    )
    require(
        out_channels % groups == 0,
        f"groups {format_dim(groups)} do not divide the {format_dim(out_channels)} output channels",
    )


@operation
class Conv(Op):
    """Convolution (N, C, *spatial) -> (N, K, *out); grouped, depthwise, dilated.

    Lowers to one loop nest with ``g`` groups of ``c -> k`` channels. One spatial axis is a width (p = r = 1).
    Of three, the depth of the kernel folds into ``c`` and the depth of the output into ``n``: MACs, weights
    and outputs of the nest are exact, while its input repeats what overlapping depths share; the count
    columns are exact in every case.
    """

    out_channels: Dim
    kernel: Shape
    stride: Shape
    padding: Pads | Literal["same"]
    dilation: Shape
    groups: Dim = 1
    bias: bool = True
    shared: bool = False

    @classmethod
    def of(
        cls,
        rank: int,
        out_channels: Dim,
        kernel: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: Dim = 1,
        *,
        bias: bool = True,
        shared: bool = False,
    ) -> Conv:
        """A convolution over `rank` spatial axes from arguments as people write them."""
        return cls(
            as_dim(out_channels, "out_channels"),
            per_axis(kernel, rank, "kernel"),
            per_axis(stride, rank, "stride"),
            as_pads(padding, rank),
            per_axis(dilation, rank, "dilation"),
            as_dim(groups, "groups"),
            bias,
            shared,
        )

    def weight_shape(self, inputs: Inputs) -> Shape:
        """(K, C / groups, *kernel), as torch stores it."""
        return (self.out_channels, inputs[0].shape[1] // self.groups, *self.kernel)

    def _pads(self, tensor: Tensor) -> Pads:
        return resolved(self.padding, tensor.shape[2:], self.kernel, self.stride, self.dilation)

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, out_channels, *floor outputs)."""
        x = only(inputs)
        expect_axes(x, self.kernel)
        _require_groups(x, self.out_channels, self.groups)
        pads = self._pads(x)
        require_window(x, self.kernel, self.dilation, pads)
        spatial = tuple(
            counts.conv_out(extent, taps, step, before + after, spread)
            for extent, taps, step, (before, after), spread in zip(
                x.shape[2:], self.kernel, self.stride, pads, self.dilation, strict=True
            )
        )
        return ((x.shape[0], self.out_channels, *spatial),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row."""
        x, y = inputs[0], outputs[0]
        pads, out = self._pads(x), y.shape[2:]
        g, k, c = self.groups, self.out_channels // self.groups, x.shape[1] // self.groups
        (r, s), (p, q) = planar(self.kernel, 1), planar(out, 1)
        n, c = product(x.shape[0], depth(out)), product(c, depth(self.kernel))
        (stride_h, stride_w), (dilation_h, dilation_w) = planar(self.stride, 1), planar(self.dilation, 1)
        row = Row(
            "conv",
            n=n,
            g=g,
            k=k,
            c=c,
            p=p,
            q=q,
            r=r,
            s=s,
            stride_h=stride_h,
            stride_w=stride_w,
            dilation_h=dilation_h,
            dilation_w=dilation_w,
            macs=checked(counts.macs, n, g, k, c, p, q, r, s),
            weight_elems=checked(counts.weight_elems, g, k, c, r, s),
            ifmap_elems=touched_elems(x, out, self.kernel, self.stride, self.dilation, pads),
        )
        return (_completed(row, self, x, y, pads),)


def _completed(row: Row, conv: Conv | ConvTranspose, x: Tensor, y: Tensor, pads: Pads) -> Row:
    """`row` with what both kinds of convolution share: biases, outputs, padding, input extents."""
    bias = conv.out_channels if conv.bias else 0
    weights = row.weight_elems + bias
    pad_top, pad_left = planar(pads, (0, 0))
    ifmap_h, ifmap_w = planar(x.shape[2:], 1)
    return row._replace(
        pad_top=pad_top[0],
        pad_left=pad_left[0],
        ifmap_h=ifmap_h,
        ifmap_w=ifmap_w,
        params=0 if conv.shared else weights,
        other_ops=y.elems if conv.bias else 0,
        weight_elems=weights,
        bias_elems=bias,
        ofmap_elems=y.elems,
    )


@operation
class ConvTranspose(Op):
    """Transposed convolution (N, C, *spatial) -> (N, K, *out), as ``torch.nn.ConvTranspose2d``.

    MACs count by the size of the *input*: every input element meets every weight of its group once. The
    loop nest is that of the sub-pixel equivalent: a stride-1 convolution of ``ceil(r / u)`` taps with
    ``u_h u_w`` times the output channels and ``ceil(out / u)`` outputs per axis, whose product equals the
    MACs where the stride ``u`` divides kernel and output; the count columns are exact in every case.
    """

    out_channels: Dim
    kernel: Shape
    stride: Shape
    padding: Pads
    output_padding: Shape
    dilation: Shape
    groups: Dim = 1
    bias: bool = True
    shared: bool = False

    @classmethod
    def of(
        cls,
        rank: int,
        out_channels: Dim,
        kernel: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        output_padding: PerAxis = 0,
        dilation: PerAxis = 1,
        groups: Dim = 1,
        *,
        bias: bool = True,
        shared: bool = False,
    ) -> ConvTranspose:
        """A transposed convolution over `rank` spatial axes from arguments as people write them."""
        pads = as_pads(padding, rank)
        if isinstance(pads, str):
            raise ShapeError('padding "same" is not defined for a transposed convolution; give sizes')
        return cls(
            as_dim(out_channels, "out_channels"),
            per_axis(kernel, rank, "kernel"),
            per_axis(stride, rank, "stride"),
            pads,
            per_axis(output_padding, rank, "output_padding", least=0),
            per_axis(dilation, rank, "dilation"),
            as_dim(groups, "groups"),
            bias,
            shared,
        )

    def weight_shape(self, inputs: Inputs) -> Shape:
        """(C, K / groups, *kernel), as torch stores it."""
        return (inputs[0].shape[1], self.out_channels // self.groups, *self.kernel)

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, out_channels, *outputs)."""
        x = only(inputs)
        expect_axes(x, self.kernel)
        _require_groups(x, self.out_channels, self.groups)
        for extra, step, spread in zip(self.output_padding, self.stride, self.dilation, strict=True):
            require(
                (extra < step) | (extra < spread),
                f"output_padding {format_dim(extra)} must be smaller than "
                f"stride {format_dim(step)} or dilation {format_dim(spread)}",
            )
        spatial = tuple(
            counts.conv_transpose_out(extent, taps, step, before + after, spread, extra)
            for extent, taps, step, (before, after), spread, extra in zip(
                x.shape[2:],
                self.kernel,
                self.stride,
                self.padding,
                self.dilation,
                self.output_padding,
                strict=True,
            )
        )
        for axis, extent in enumerate(spatial):
            require(extent >= 1, f"the padding crops the whole output on spatial axis {axis}: {x}")
        return ((x.shape[0], self.out_channels, *spatial),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One row, the sub-pixel equivalent."""
        x, y = inputs[0], outputs[0]
        g, c = self.groups, x.shape[1] // self.groups
        k = self.out_channels // g
        taps = tuple(map(counts.ceil_div, self.kernel, self.stride))
        out = tuple(map(counts.ceil_div, y.shape[2:], self.stride))
        (r, s), (p, q) = planar(taps, 1), planar(out, 1)
        row = Row(
            "conv_transpose",
            n=product(x.shape[0], depth(out)),
            g=g,
            k=product(k, *self.stride),
            c=product(c, depth(taps)),
            p=p,
            q=q,
            r=r,
            s=s,
            macs=product(x.elems, k, *self.kernel),
            weight_elems=product(g, k, c, *self.kernel),
            ifmap_elems=x.elems,
        )
        return (_completed(row, self, x, y, tuple((tap - 1, tap - 1) for tap in taps)),)
