"""Mapping problems as a struct of arrays: which rows of a layer table the mapper solves, each distinct one once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from costmodel.mapping.axis import Axis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from costmodel.mapping.nest import Layer

    Ints = NDArray[np.int64]

GEOMETRY = (
    "n", "p", "q", "r", "s", "stride_h", "stride_w", "dilation_h", "dilation_w",
    "pad_top", "pad_left", "ifmap_h", "ifmap_w",
)  # fmt: skip
MULTIPLIER = 0x9E3779B97F4A7C15
"""Odd, its digits without a pattern: its powers tell columns apart."""


def hashed(columns: Ints) -> Ints:
    """One 64-bit hash per problem of columns stacked as (C, M): their sum, each times an odd number of its own."""
    factors = np.cumprod(np.full(len(columns), MULTIPLIER, dtype=np.uint64))
    return np.asarray((columns.view(np.uint64) * factors[:, None]).sum(axis=0).view(np.int64))


def grouped(keys: Ints) -> tuple[Ints, Ints]:
    """One position per distinct key, and for every entry the number of its key (the unstable, faster ``np.unique``)."""
    order = np.argsort(keys)
    ordered = keys[order]
    new = np.ones(keys.size, dtype=np.bool_)
    new[1:] = ordered[1:] != ordered[:-1]
    inverse = np.empty(keys.size, dtype=np.int64)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse


@dataclass(frozen=True, eq=False)
class Problems:
    """Layers to map, one entry each, int64 arrays of shape (M,).

    Loop dimensions are per group; ``weight_elems`` and ``ofmap_elems`` are the elements of one sweep over the operand
    (all groups), which the caller may give exactly where the loop dimensions only bound them.
    """

    n: Ints
    g: Ints
    k: Ints
    c: Ints
    p: Ints
    q: Ints
    r: Ints
    s: Ints
    stride_h: Ints
    stride_w: Ints
    dilation_h: Ints
    dilation_w: Ints
    pad_top: Ints
    pad_left: Ints
    ifmap_h: Ints
    ifmap_w: Ints
    weight_elems: Ints
    ofmap_elems: Ints
    weight_bits: Ints
    ifmap_bits: Ints
    ofmap_bits: Ints
    psum_bits: Ints

    @classmethod
    def of_layer(cls, layer: Layer) -> Problems:
        """Return the single problem of ``layer``."""
        return cls(**{f.name: np.array([getattr(layer, f.name)], dtype=np.int64) for f in fields(cls)})

    def __len__(self) -> int:
        """Return the number of layers."""
        return int(self.n.size)

    def __getitem__(self, index: Ints | NDArray[np.bool_] | slice) -> Problems:
        """Return the problems that ``index`` selects."""
        return Problems(**{name: column[index] for name, column in vars(self).items()})

    def classes(self, *more: Ints, names: tuple[str, ...] = ()) -> tuple[Ints, Ints]:
        """One position per distinct combination of columns, and the class of every problem.

        The columns are the named ones (default: all of the problem) and ``more`` arrays of one value per problem.
        """
        columns = np.stack([*(getattr(self, name) for name in names or vars(self)), *more])
        first, inverse = grouped(hashed(columns))
        if np.array_equal(columns, columns[:, first[inverse]]):
            return first, inverse
        # two combinations share a hash: compare them in full
        _, first, inverse = np.unique(columns, axis=1, return_index=True, return_inverse=True)
        return first, inverse.reshape(-1)

    def by_geometry(self) -> Iterator[tuple[Ints, int, Axis, Axis]]:
        """Yield the indices of problems that share batch and spatial geometry, with batch and both axes."""
        first, inverse = self.classes(names=GEOMETRY)
        order = np.argsort(inverse, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(inverse))[:-1]) if order.size else []
        rows = np.stack([getattr(self, name)[first] for name in GEOMETRY], axis=1)
        for indices, row in zip(groups, rows, strict=True):
            n, p, q, r, s, *rest = (int(value) for value in row)
            stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, ifmap_h, ifmap_w = rest
            yield (
                indices,
                n,
                Axis(p, r, stride_h, dilation_h, pad_top, ifmap_h),
                Axis(q, s, stride_w, dilation_w, pad_left, ifmap_w),
            )
