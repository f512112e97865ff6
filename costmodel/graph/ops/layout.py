"""Operations that arrange data: concat, flatten, reshape, slice, transpose, pad, upsample."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Final, Literal

import numpy as np

from costmodel.errors import ShapeError
from costmodel.formulas import counts
from costmodel.graph.ops.base import Inputs, Op, Place, as_axis, expect_rank, only, operation
from costmodel.graph.rows import IN_PLACE, VIEW, Rows, streamed
from costmodel.graph.shapes import (
    Dim,
    Padding,
    Pads,
    PerAxis,
    Shape,
    as_dim,
    as_pads,
    format_dim,
    format_shape,
    per_axis,
    plain,
    product,
    require,
    same,
    total,
)


@operation
class Concat(Op):
    """Joins tensors along one axis.

    Free by "written in place by its producers" where every input is computed by a layer, for one concat
    only; a copy of everything otherwise (graph inputs, slices, DenseNet's growing stack).
    """

    axis: int = 1

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The first input's shape with the axis summed."""
        if not inputs:
            raise ShapeError("needs at least 1 input, got 0")
        axis = as_axis(self.axis, inputs[0])
        first = inputs[0].shape
        for other in inputs[1:]:
            if not _joinable(first, other.shape, axis):
                raise ShapeError(
                    f"inputs disagree outside axis {axis}: {', '.join(map(str, inputs))}; "
                    "give their layers the same kernel, stride and padding arithmetic"
                )
        joined = total(*(tensor.shape[axis] for tensor in inputs))
        return ((*first[:axis], joined, *first[axis + 1 :]),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row: a copy."""
        return (streamed("concat", inputs, outputs[0]),)

    def rule(self, place: Place) -> str:
        """In place where the producers can write into the joined tensor."""
        return IN_PLACE if place.placeable() else ""


def _joinable(a: Shape, b: Shape, axis: int) -> bool:
    """Whether two shapes agree on all axes but one."""
    return len(a) == len(b) and all(
        same(x, y) for i, (x, y) in enumerate(zip(a, b, strict=True)) if i != axis
    )


class _View(Op):
    """Base of operations that only rename elements: free by "view: no data moves"."""

    __slots__ = ()
    op: ClassVar[str] = "view"

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One free row."""
        return (streamed(self.op, inputs, outputs[0]).freed(VIEW),)


@operation
class Flatten(_View):
    """Joins all axes from `start_axis` on."""

    op: ClassVar[str] = "flatten"
    start_axis: int = 1

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(..., product of the rest)."""
        x = only(inputs)
        axis = as_axis(self.start_axis, x)
        return ((*x.shape[:axis], product(*x.shape[axis:])),)


@operation
class Reshape(_View):
    """The same elements under another shape; one size may be -1. Also squeeze, unsqueeze, view."""

    op: ClassVar[str] = "reshape"
    shape: tuple[Dim, ...]

    @classmethod
    def of(cls, shape: object) -> Reshape:
        """A reshape from a tuple of sizes with at most one -1."""
        if not isinstance(shape, (tuple, list)):
            raise ShapeError(f"shape must be a tuple of sizes, got {shape!r}")
        if sum(type(size) is int and size == -1 for size in shape) > 1:
            raise ShapeError(f"shape may hold -1 once, got {tuple(shape)!r}")
        free = tuple(type(size) is int and size == -1 for size in shape)
        return cls(tuple(-1 if any_ else as_dim(s, "shape") for s, any_ in zip(shape, free, strict=True)))

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The requested shape, -1 replaced."""
        x = only(inputs)
        hole = [axis for axis, size in enumerate(self.shape) if type(size) is int and size == -1]
        known = product(*(size for axis, size in enumerate(self.shape) if axis not in hole))
        wanted = format_shape(self.shape)
        if not hole:
            require(known == x.elems, f"cannot hold the same elements in {wanted}: {x}")
            return (self.shape,)
        require(x.elems % known == 0, f"cannot hold the same elements in {wanted}: {x}")
        axis = hole[0]
        return ((*self.shape[:axis], x.elems // known, *self.shape[axis + 1 :]),)


@operation
class Slice(_View):
    """Elements ``start : stop : step`` of one axis; negative bounds count from the end, None is the end."""

    op: ClassVar[str] = "slice"
    axis: int
    start: Dim = 0
    stop: Dim | None = None
    step: Dim = 1

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape with one axis shortened."""
        x = only(inputs)
        axis = as_axis(self.axis, x)
        extent = x.shape[axis]
        start = _bound(self.start, extent)
        stop = extent if self.stop is None else _bound(self.stop, extent)
        step = as_dim(self.step, "step")
        require(
            np.asarray((start >= 0) & (stop <= extent) & (stop > start)),
            f"slice {format_dim(start)}:{format_dim(stop)} of axis {axis} is empty or outside: {x}",
        )
        return ((*x.shape[:axis], plain(counts.ceil_div(stop - start, step)), *x.shape[axis + 1 :]),)


def _bound(value: object, extent: Dim) -> Dim:
    """A slice bound counted from the front."""
    if type(value) is int:
        return value + extent if value < 0 else value
    return as_dim(value, "slice bound", least=0)


@operation
class Transpose(Op):
    """Axes in another order: every element is read and written once."""

    axes: tuple[int, ...]

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The permuted shape."""
        x = only(inputs)
        axes = tuple(as_axis(axis, x) for axis in self.axes)
        if sorted(axes) != list(range(x.rank)):
            raise ShapeError(f"axes must name each axis once, got {self.axes}: {x}")
        return (tuple(x.shape[axis] for axis in axes),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        return (streamed("transpose", inputs, outputs[0]),)


@operation
class Pad(Op):
    """Explicit padding of the spatial axes, counted as a copy."""

    padding: Pads

    @classmethod
    def of(cls, rank: int, padding: Padding) -> Pad:
        """Padding of `rank` spatial axes from arguments as people write them."""
        pads = as_pads(padding, rank)
        if isinstance(pads, str):
            raise ShapeError('padding "same" needs a window; give sizes')
        return cls(pads)

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """The input's shape with longer spatial axes."""
        x = only(inputs)
        expect_rank(x, 2 + len(self.padding), 2 + len(self.padding), "(batch, channels, spatial)")
        spatial = tuple(
            extent + (before + after)
            for extent, (before, after) in zip(x.shape[2:], self.padding, strict=True)
        )
        return ((*x.shape[:2], *spatial),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        return (streamed("pad", inputs, outputs[0]),)


TAPS: Final = {"nearest": 1, "linear": 2, "cubic": 4}
"""Interpolation modes and the taps they use along each axis."""


@operation
class Upsample(Op):
    """Interpolation to another grid; ``2 taps - 1`` other operations per output, nearest none."""

    factor: Shape | None
    size: Shape | None
    mode: Literal["nearest", "linear", "cubic"] = "nearest"

    @classmethod
    def of(
        cls, rank: int, factor: PerAxis | None = None, size: PerAxis | None = None, mode: str = "nearest"
    ) -> Upsample:
        """An upsampling of `rank` spatial axes by `factor` or to `size`; "bilinear" means "linear"."""
        name = mode.removeprefix("bi").removeprefix("tri")
        if name not in TAPS:
            raise ShapeError(f"mode must be one of nearest, linear, bilinear, cubic, bicubic, got {mode!r}")
        if (factor is None) == (size is None):
            raise ShapeError("needs either factor or size")
        return cls(
            None if factor is None else per_axis(factor, rank, "factor"),
            None if size is None else per_axis(size, rank, "size"),
            name,  # type: ignore[arg-type]  # checked against TAPS above
        )

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, C, *size)."""
        x = only(inputs)
        if self.size is not None:
            return ((*x.shape[:2], *self.size),)
        grown = [product(extent, by) for extent, by in zip(x.shape[2:], self.factor or (), strict=True)]
        return ((*x.shape[:2], *grown),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """One streamed row."""
        taps = prod([TAPS[self.mode]] * (outputs[0].rank - 2))
        per_elem = 0 if self.mode == "nearest" else 2 * taps - 1
        return (streamed("upsample", inputs, outputs[0], ops_per_elem=per_elem),)
