"""Networks whose files put channels last, drawn into a Graph, which puts them behind the batch.

A file's tensor (N, *spatial, C) becomes (N, C, *spatial) where windows slide over it, and stays as it is elsewhere.
Going from one to the other moves no data in the file's own layout: it is a view, free by rule.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from costmodel.errors import NetworkError
from costmodel.graph import Graph, Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.shapes import Pads, Shape

LONGEST_NAME: Final = 120
MOST_TAPS: Final = 1 << 16
_REFUSED: Final = re.compile(r"[^\w\-./+:@#=,()\[\]{} ]")


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor of the file: its axes in the file's order, and where it is in the graph."""

    tensor: Tensor
    channels_first: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes in the file's order."""
        sizes = tuple(int(size) for size in self.tensor.shape)
        return (sizes[0], *sizes[2:], sizes[1]) if self.channels_first else sizes

    @property
    def rank(self) -> int:
        """Number of axes."""
        return self.tensor.rank

    def axis(self, axis: int) -> int:
        """Position in the graph of an axis of the file, which may count from the end."""
        if not -self.rank <= axis < self.rank:
            raise NetworkError(f"axis {axis} does not exist: {self.tensor}")
        axis %= self.rank
        if not self.channels_first or axis == 0:
            return axis
        return 1 if axis == self.rank - 1 else axis + 1


def first(shape: Sequence[int]) -> tuple[int, ...]:
    """(N, *spatial, C) as (N, C, *spatial)."""
    return (shape[0], shape[-1], *shape[1:-1])


def expect_window(where: str, kernel: Sequence[int]) -> None:
    """NetworkError for windows that no network has, whose taps would take memory to count."""
    if max(kernel, default=0) > MOST_TAPS:
        raise NetworkError(f"{where}: a window of {max(kernel)} taps; the most is {MOST_TAPS} along an axis")


def crops(extents: Sequence[int], taps: Sequence[int], stride: Sequence[int], wanted: Sequence[int]) -> tuple[Pads, Shape]:
    """Padding and output padding with which a transposed convolution of `taps` (dilated) gives the outputs wanted.

    >>> crops((4,), (3,), (2,), (8,))
    (((0, 1),), (0,))
    """
    full = [(extent - 1) * step + tap for extent, step, tap in zip(extents, stride, taps, strict=True)]
    cut = [max(size - out, 0) for size, out in zip(full, wanted, strict=True)]
    extra = tuple(max(out - size, 0) for size, out in zip(full, wanted, strict=True))
    return tuple((crop // 2, crop - crop // 2) for crop in cut), extra


class Sheet:
    """A graph being drawn: names made unique, layouts changed where an operation asks for it."""

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self._taken: set[str] = set()
        self._views: dict[tuple[Tensor, bool], Tensor] = {}

    def fresh(self, name: str, fallback: str = "layer") -> str:
        """`name` in characters fit for a terminal and a report, and not used before."""
        base = clean(name) or fallback
        unique, count = base, 1
        while unique in self._taken:
            count += 1
            unique = f"{base}_{count}"
        self._taken.add(unique)
        return unique

    def spatial(self, value: Value) -> Tensor:
        """The tensor with its channels behind the batch."""
        return self._laid_out(value, channels_first=True)

    def plain(self, value: Value) -> Tensor:
        """The tensor with its axes in the file's order."""
        return self._laid_out(value, channels_first=False)

    def _laid_out(self, value: Value, *, channels_first: bool) -> Tensor:
        if value.channels_first == channels_first or value.rank < 3:
            return value.tensor
        key = (value.tensor, channels_first)
        if key not in self._views:
            order = "channels_first" if channels_first else "channels_last"
            name = self.fresh(f"{value.tensor.name}_{order}")
            shape = first(value.shape) if channels_first else value.shape
            self._views[key] = self.graph.reshape(name, value.tensor, shape)
        return self._views[key]

    def reshaped(self, name: str, value: Value, shape: Sequence[int], *, channels_first: bool = False) -> Value:
        """The same elements under another shape, given in the file's order; nothing if it is the same."""
        shape = tuple(shape)
        channels_first = channels_first and len(shape) > 2
        if shape == value.shape and (channels_first == value.channels_first or len(shape) < 3):
            return value
        target = first(shape) if channels_first else shape
        return Value(self.graph.reshape(self.fresh(name), value.tensor, target), channels_first)

    def op(self, name: str, op: Op, *inputs: Tensor) -> Tensor:
        """Add one operation under a fresh name; gives its first output."""
        return self.graph.layer(self.fresh(name), op, *inputs)[0]

    def permuted(self, name: str, value: Value, axes: Sequence[int], *, channels_first: bool) -> Value:
        """The axes of the file in another order: a copy."""
        rank = value.rank
        if sorted(axis % rank for axis in axes if -rank <= axis < rank) != list(range(rank)):
            raise NetworkError(f"{name}: axes must name each axis once, got {tuple(axes)}: {value.tensor}")
        order = list(axes)
        channels_first = channels_first and rank > 2
        order = list(first(order)) if channels_first else order
        moved = self.graph.transpose(self.fresh(name), value.tensor, [value.axis(axis) for axis in order])
        return Value(moved, channels_first)

    def sliced(self, name: str, value: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
        """Part of one axis of the file."""
        if (start, stop, step) == (0, value.shape[axis], 1):
            return value
        tensor = self.graph.slice(self.fresh(name), value.tensor, value.axis(axis), start, stop, step)
        return Value(tensor, value.channels_first)

    def together(self, values: Sequence[Value]) -> tuple[list[Tensor], bool]:
        """Tensors that meet element by element, in one layout, and whether that has channels first."""
        ranks = {value.rank for value in values}
        channels_first = len(ranks) == 1 and any(value.channels_first for value in values)
        return [self._laid_out(value, channels_first=channels_first) for value in values], channels_first


def clean(name: str) -> str:
    r"""`name` without control characters, markup and excess; may be empty.

    >>> clean("block/<b>conv\x1b[1m")
    'block/_b_conv_[1m'
    """
    text = unicodedata.normalize("NFKC", name)
    text = "".join(char if char.isprintable() else "_" for char in text)
    return _REFUSED.sub("_", text).strip(" /")[:LONGEST_NAME].strip(" /")
