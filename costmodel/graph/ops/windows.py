"""What convolution and pooling share: sliding windows over one to three spatial axes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, TypeVar, cast

from costmodel.errors import ShapeError
from costmodel.formulas import counts
from costmodel.graph.ops.base import expect_rank
from costmodel.graph.shapes import Dim, Pads, Shape, format_dim, plain, product, require, same_pads
from costmodel.graph.tensor import Tensor

T = TypeVar("T")
SPATIAL_AXES: Final = "(batch, channels, 1 to 3 spatial)"


def spatial_rank(tensor: Tensor) -> int:
    """Number of spatial axes, 1 to 3."""
    expect_rank(tensor, 3, 5, SPATIAL_AXES)
    return tensor.rank - 2


def expect_axes(tensor: Tensor, kernel: Shape) -> None:
    """ShapeError unless the tensor has as many spatial axes as the kernel."""
    if spatial_rank(tensor) != len(kernel):
        raise ShapeError(f"has a kernel for {len(kernel)} spatial axes, but {tensor}")


def resolved(
    padding: Pads | Literal["same"], extents: Shape, kernel: Shape, stride: Shape, dilation: Shape
) -> Pads:
    """The padding in numbers, which "same" has only once the input is known."""
    return same_pads(extents, kernel, stride, dilation) if isinstance(padding, str) else padding


def require_window(tensor: Tensor, kernel: Shape, dilation: Shape, pads: Pads) -> None:
    """ShapeError where a window is larger than the padded input."""
    for axis, (taps, spread, (before, after)) in enumerate(zip(kernel, dilation, pads, strict=True)):
        fits = tensor.shape[2 + axis] + (before + after) >= counts.window(taps, spread)
        if fits is not True:
            require(
                fits,
                f"the window is larger than the padded input on spatial axis {axis}: "
                f"kernel {format_dim(taps)}, dilation {format_dim(spread)}, "
                f"padding {format_dim(before)} + {format_dim(after)}, but {tensor}; "
                "use a smaller kernel, more padding or a larger input",
            )


def planar(values: tuple[T, ...], fill: T) -> tuple[T, T]:
    """The two innermost of one to three spatial values; `fill` stands for a missing height."""
    return (fill, values[0]) if len(values) == 1 else (values[-2], values[-1])


def depth(values: Shape) -> Dim:
    """The outermost of three spatial sizes, or 1."""
    return values[0] if len(values) == 3 else 1


MOST_TAPS: Final = 1 << 22


@lru_cache(maxsize=4096)
def _touched_ints(*args: int) -> int:
    """Positions touched, of plain integers; a window too long for the general formula is refused."""
    _, taps, stride, dilation, _, _ = args
    if 0 in (stride % dilation, dilation % stride):
        return int(counts.touched_regular(*args))
    if taps > MOST_TAPS:
        raise ShapeError(f"a window of {taps} taps with dilation {dilation} is too long; at most {MOST_TAPS} are counted")
    return int(counts.touched(*args))


def touched(outputs: Dim, taps: Dim, stride: Dim, dilation: Dim, pad: Dim, extent: Dim) -> Dim:
    """Distinct input positions read along one axis, by the cheapest formula that is exact here."""
    args = (outputs, taps, stride, dilation, pad, extent)
    if set(map(type, args)) == {int}:
        return _touched_ints(*cast("tuple[int, ...]", args))
    regular = type(stride) is int and type(dilation) is int and 0 in (stride % dilation, dilation % stride)
    return plain((counts.touched_regular if regular else counts.touched)(*args))


def touched_elems(
    tensor: Tensor, out: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pads
) -> Dim:
    """Distinct elements of the input that any window reads, padding excluded."""
    per_axis = [
        touched(outputs, taps, step, spread, before, extent)
        for outputs, taps, step, spread, (before, _), extent in zip(
            out, kernel, stride, dilation, pads, tensor.shape[2:], strict=True
        )
    ]
    return product(tensor.shape[0], tensor.shape[1], *per_axis)
