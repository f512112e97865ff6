"""What no schedule of a layer undercuts at its off-chip boundary: the larger of compulsory traffic and the pebbling bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from costmodel.boundary import weight_operand_elems
from costmodel.formulas import counts
from costmodel.formulas.counts import ceil_div
from costmodel.formulas.pebbling import schedule_bound_bits, window_reuse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.boundary import Widths
    from costmodel.graph import LayerTable

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

ROUNDING = 1e-9
"""Share by which the bound is lowered, far beyond what floating point adds to it, so that it stays one."""


class Nest(NamedTuple):
    """What the bound needs of every row, arrays (L, 1) or (L, D).

    ``macs`` are those that meet no padding, ``reuse`` the windows that share an input, ``plain`` whether the row is a loop
    nest whose operands are what its loops say: no other is bounded beyond compulsory traffic.
    """

    macs: Ints
    reuse: Ints
    ofmap_elems: Ints
    plain: NDArray[np.bool_]


def axes_of(table: LayerTable) -> tuple[tuple[Ints, ...], tuple[Ints, ...]]:
    """Height and width of every row: outputs, taps, stride, dilation, leading padding, size."""
    height = table.p, table.r, table.stride_h, table.dilation_h, table.pad_top, table.ifmap_h
    width = table.q, table.s, table.stride_w, table.dilation_w, table.pad_left, table.ifmap_w
    return height, width


def nest_of(table: LayerTable) -> Nest:
    """The loop nests of a table.

    A folded third axis, a transposed convolution and a recurrent product have operands that the loops do not describe, so
    that an input may be used more often than its windows say: they are not ``plain``.
    """
    t, (height, width) = table, axes_of(table)
    rows, images = t.g * t.k, t.n * t.g * t.c
    exact = (
        (t.weight_elems - t.bias_elems == rows * t.c * t.r * t.s)
        & (t.ifmap_elems == images * counts.touched(*height) * counts.touched(*width))
        & (t.ofmap_elems == t.n * rows * t.p * t.q)
        & (t.macs == t.n * rows * t.c * t.p * t.q * t.r * t.s)
    )
    counted = np.array([[status == "counted" for status in t.status]]).T & ~np.asarray(t.streamed)[:, None]
    return Nest(
        macs=np.asarray(images * t.k * counts.meeting(*height) * counts.meeting(*width)),
        reuse=window_reuse(*height[:4]) * window_reuse(*width[:4]),
        ofmap_elems=t.ofmap_elems,
        plain=np.asarray(exact & counted & (t.steps == 1) & (t.macs > 0)),
    )


def schedule_bytes(nest: Nest, widths: Widths, capacity_bits: int | Ints, coded: tuple[Any, Any] = (1.0, 1.0)) -> Ints:
    """The pebbling bound of every row [bytes], 0 where there is none; not yet the larger of it and compulsory traffic.

    Parameters
    ----------
    nest, widths
        What is computed, at which widths.
    capacity_bits
        Memory that the operands of a row may take, in units of the widths [bits]; shape as the columns or one for all.
    coded
        Size of ifmap and ofmap behind a code off chip over that on chip [ratio]: an element that enters at less is
        taken to be as narrow on chip, which only lowers the bound.
    """
    bits = schedule_bound_bits(
        nest.macs,
        nest.reuse,
        np.maximum(nest.ofmap_elems, 1),
        widths.weight,
        widths.ifmap * coded[0],
        widths.ofmap * coded[1],
        widths.psum,
        np.asarray(capacity_bits, dtype=np.float64),
    )
    lowered = np.where(nest.plain, np.maximum(bits, 0.0) * (1 - ROUNDING), 0.0)
    return np.ceil(lowered / (8 * widths.unit)).astype(np.int64)


def compulsory_bytes(table: LayerTable, widths: Widths) -> Ints:
    """Every weight and input read once, every output written once, each operand in whole bytes [bytes]; free rows nothing."""
    counted = np.array([[status != "free" for status in table.status]]).T
    each = (
        (weight_operand_elems(table), widths.weight),
        (table.ifmap_elems, widths.ifmap),
        (table.ofmap_elems, widths.ofmap),
    )
    moved = sum((np.asarray(ceil_div(elems * bits, 8 * widths.unit)) for elems, bits in each), np.zeros((1, 1), np.int64))
    return np.where(counted, moved, 0)
