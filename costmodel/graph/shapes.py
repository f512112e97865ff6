"""Sizes: plain integers or one integer per design point, checked alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import NetworkError, ShapeError
from costmodel.formulas import counts

Dim: TypeAlias = int | NDArray[np.int64]
"""A size: an integer, or an int64 array of shape (D,) with one size per design point."""

Ratio: TypeAlias = float | NDArray[np.float64]
"""A fraction: a float, or a float64 array of shape (D,)."""

Shape: TypeAlias = tuple[Dim, ...]
Pads: TypeAlias = tuple[tuple[Dim, Dim], ...]
PerAxis: TypeAlias = Dim | Sequence[Dim]
Padding: TypeAlias = Dim | Sequence[Dim] | Sequence[tuple[Dim, Dim]] | Literal["same", "valid"]

LIMIT: Final = 2**63 - 1
"""Largest count a table can hold."""

LARGEST: Final = 2**31 - 1
"""Largest size a layer may be given, so that no arithmetic on two of them leaves 64 bits."""


def as_dim(value: object, what: str, *, least: int = 1) -> Dim:
    """`value` as a :data:`Dim`, or a ShapeError that says what is wrong with it.

    Arrays and scalars obey the same rules: integers from `least` to :data:`LARGEST`.
    """
    if type(value) is int:
        return value if least <= value <= LARGEST else _refused(what, least, value)
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise ShapeError(f"{what} must be an integer, or an integer array of design points, got {value!r}")
    if array.ndim > 1 or array.size == 0:
        raise ShapeError(f"{what} must hold one size per design point, got an array of shape {array.shape}")
    if array.size == 1:
        return as_dim(int(array.reshape(())), what, least=least)
    for point in (int(array.argmin()), int(array.argmax())):
        if not least <= array[point] <= LARGEST:
            _refused(what, least, int(array[point]), f" at design point {point}")
    return array.astype(np.int64, copy=False)


def _refused(what: str, least: int, value: int, where: str = "") -> NoReturn:
    """Raise the ShapeError of a size that is out of range."""
    if value > LARGEST:
        raise ShapeError(f"{what} must be at most {LARGEST}, got {value}{where}")
    limit = {0: "zero or more", 1: "at least 1"}.get(least, f"at least {least}")
    raise ShapeError(f"{what} must be {limit}, got {value}{where}")


def as_shape(values: object, what: str = "shape") -> Shape:
    """A tuple of checked sizes; `what` names the shape in messages."""
    if not isinstance(values, (tuple, list)):
        raise ShapeError(f"{what} must be a tuple of sizes, got {values!r}")
    return tuple(as_dim(value, f"{what}[{axis}]") for axis, value in enumerate(values))


def as_ratio(value: object, what: str, *, least: float = 0.0, most: float = 1.0) -> Ratio:
    """`value` as a :data:`Ratio` within bounds, or a ShapeError that says what is wrong with it."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or array.size == 0:
        raise ShapeError(f"{what} must be a number, or a 1-D array of design points, got {value!r}")
    outside = ~((array >= least) & (array <= most))
    if outside.any():
        point = int(outside.argmax())
        where = f" at design point {point}" if array.ndim else ""
        raise ShapeError(f"{what} must lie in {least:g} .. {most:g}, got {array.ravel()[point]:g}{where}")
    return array.astype(np.float64) if array.size > 1 else float(array.reshape(()))


def per_axis(value: object, rank: int, what: str, *, least: int = 1) -> Shape:
    """One size per spatial axis: a single size is repeated, a tuple must have `rank` entries."""
    if type(value) is int:
        return (as_dim(value, what, least=least),) * rank
    if not isinstance(value, (tuple, list)):
        return (as_dim(value, what, least=least),) * rank
    if len(value) != rank:
        raise ShapeError(f"{what} must have one entry per spatial axis ({rank}), got {tuple(value)!r}")
    return tuple(as_dim(entry, what, least=least) for entry in value)


def as_pads(value: object, rank: int) -> Pads | Literal["same"]:
    """Padding before and after every spatial axis; "same" stays, as it depends on the input."""
    if type(value) is int:
        size = as_dim(value, "padding", least=0)
        return ((size, size),) * rank
    if isinstance(value, str):
        if value == "valid":
            return ((0, 0),) * rank
        if value == "same":
            return "same"
        raise ShapeError(f'padding must be sizes, "same" or "valid", got {value!r}')
    if isinstance(value, (tuple, list)) and any(isinstance(entry, (tuple, list)) for entry in value):
        return _pad_pairs(value, rank)
    return tuple((size, size) for size in per_axis(value, rank, "padding", least=0))


def _pad_pairs(value: Sequence[Any], rank: int) -> Pads:
    """Asymmetric padding, ((before, after), ...) per axis."""
    if len(value) != rank or any(not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in value):
        raise ShapeError(f"padding must be (before, after) for each of {rank} spatial axes, got {value!r}")
    return tuple(
        (as_dim(before, "padding", least=0), as_dim(after, "padding", least=0)) for before, after in value
    )


def same_pads(extents: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Pads:
    """Padding that gives ceil(extent / stride) outputs on every axis, the odd element behind."""
    pads = []
    for extent, taps, step, spread in zip(extents, kernel, stride, dilation, strict=True):
        total = plain(counts.same_padding(extent, taps, step, spread))
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def plain(value: object) -> Dim:
    """A NumPy scalar as int; anything else unchanged."""
    return cast(Dim, value) if isinstance(value, np.ndarray) and value.ndim else int(cast(int, value))


def same(a: Dim, b: Dim) -> bool:
    """Whether two sizes agree at every design point."""
    if a is b:
        return True
    if type(a) is int and type(b) is int:
        return a == b
    return bool(np.all(a == b))


def same_shape(a: Shape, b: Shape) -> bool:
    """Whether two shapes agree on every axis at every design point."""
    return len(a) == len(b) and all(map(same, a, b))


def _plain_ints(dims: tuple[Dim, ...]) -> bool:
    """Whether no size is an array: the fast path of one network."""
    return set(map(type, dims)) <= {int}


def product(*dims: Dim) -> Dim:
    """Product of sizes; NetworkError where it leaves 64 bits, never a wrapped number."""
    if _plain_ints(dims):
        total = prod(cast("tuple[int, ...]", dims))
        if total > LIMIT:
            raise _overflow(total)
        return total
    sizes = [dim for dim in dims if isinstance(dim, int)]  # first, so that each array is multiplied once
    return checked(lambda *factors: prod(factors), prod(sizes), *(dim for dim in dims if not isinstance(dim, int)))


def total(*dims: Dim) -> Dim:
    """Sum of sizes or counts; NetworkError where it leaves 64 bits."""
    if _plain_ints(dims):
        return sum(cast("tuple[int, ...]", dims))
    return checked(lambda *sizes: sum(sizes), *dims)


def _overflow(count: float) -> NetworkError:
    """The error of a count that no table can hold."""
    return NetworkError(f"{count:.3e} elements or operations do not fit in 64 bits; reduce the sizes")


def checked(formula: Callable[..., Any], *dims: Dim) -> Dim:
    """``formula(*dims)`` for a formula that grows with each argument, guarded against overflow.

    The largest entries are tried in exact Python integers first; only where they overflow together is
    every design point compared in float64.
    """
    if _plain_ints(dims):
        count = formula(*dims)
        if count > LIMIT:
            raise _overflow(count)
        return cast(int, count)
    largest = [dim if isinstance(dim, int) else largest_unsigned(dim) for dim in dims]
    if max(largest) > LIMIT:
        raise NetworkError("a size has left 64 bits; reduce the sizes")
    bound = formula(*largest)
    if bound > LIMIT:
        worst = np.max(formula(*[np.asarray(dim, dtype=np.float64) for dim in dims]))
        if worst >= float(LIMIT):
            raise _overflow(worst)
    return cast(Dim, formula(*dims))


def largest_unsigned(dim: NDArray[np.int64]) -> int:
    """Largest entry, read as unsigned: a negative one, wrapped or not, is beyond every limit. One pass instead of two."""
    return int(dim.view(np.uint64).max())


def design_points(shape: Sequence[Dim]) -> int:
    """Number of design points a shape carries: the longest of its arrays, or 1."""
    return max((np.size(dim) for dim in shape), default=1)


def format_dim(dim: Dim) -> str:
    """A size for people: 64, or [16..64] over the design points."""
    if type(dim) is int:
        return str(dim)
    low, high = int(np.min(dim)), int(np.max(dim))
    return str(low) if low == high else f"[{low}..{high}]"


def format_shape(shape: Shape) -> str:
    """A shape for people: (1, 64, 55, 55)."""
    inner = ", ".join(map(format_dim, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def require(ok: object, problem: str) -> None:
    """ShapeError with `problem` unless `ok` holds at every design point; says where it first does not."""
    if ok is True or np.all(cast(bool, ok)):
        return
    where = (
        "" if np.ndim(cast(bool, ok)) == 0 else f" (first at design point {int(np.argmin(cast(bool, ok)))})"
    )
    raise ShapeError(problem + where)
