"""A lower bound on what one layer moves across one memory boundary, whatever its schedule.

Every function takes scalars or arrays. The model, the proof and what others have shown are in ``docs/models/io_bound.md``.

References
----------
.. [1] J.-W. Hong, H. T. Kung, "I/O complexity: the red-blue pebble game", STOC 1981, doi:10.1145/800076.802486.
.. [2] T. M. Smith, B. Lowery, J. Langou, R. A. van de Geijn, "A tight I/O lower bound for matrix multiplication",
   arXiv:1702.02017.
.. [3] J. Demmel, G. Dinh, "Communication-optimal convolutional neural nets", arXiv:1802.06905.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from costmodel.formulas.counts import ceil_div

FULL = (2 / 3) ** 1.5
"""Share of the MACs of a whole segment for which the first one, which begins with nothing, needs as much to enter."""
PRICES = np.exp2(-0.5 * np.arange(16))
"""Prices of a sum that are tried, in widths of a partial sum; the best of all prices gives at most 1 % more."""

__all__ = ["pebbled_bits", "schedule_bound_bits", "window_reuse"]


def window_reuse(outputs: Any, taps: Any, stride: Any, dilation: Any) -> Any:
    """Most windows along one axis that read the same input position [-].

    ``min(ceil(taps / (stride / gcd(stride, dilation))), outputs)``: the taps that meet one position lie ``stride / gcd``
    apart. Ignores padding, which only lowers it.

    >>> int(window_reuse(55, 11, 4, 1)), int(window_reuse(13, 3, 1, 1)), int(window_reuse(1, 6, 1, 1))
    (3, 3, 1)
    """
    return np.minimum(ceil_div(taps, stride // np.gcd(stride, dilation)), outputs)


def pebbled_bits(
    macs: Any, reuse: Any, weight_bits: Any, ifmap_bits: Any, sum_bits: Any, capacity_bits: Any
) -> Any:
    """Least bits of operands that enter a memory in which some MACs are executed, new sums included [bits].

    With ``f = macs sqrt(weight_bits ifmap_bits sum_bits / reuse) / capacity_bits^(3/2)``, the segments in which as much enters
    as twice the memory holds: ``capacity_bits (2 floor(f) + min(2, 3 frac(f)^(2/3)))``, which is at least
    ``2 macs sqrt(weight_bits ifmap_bits sum_bits / (reuse capacity_bits))``; or what a larger memory gives, where that is
    more. Valid for any order of the MACs and any replacement, without recomputation; ``capacity_bits`` above 0, ``reuse``
    at least 1. References [1]_, [2]_, [3]_.

    >>> round(float(pebbled_bits(64**3, 1, 1, 1, 1, 256)))  # at least 2 n^3 / sqrt(S) words, 32768
    32924
    """
    segments = macs * np.sqrt(weight_bits * 1.0 * ifmap_bits * sum_bits / reuse) / (capacity_bits * np.sqrt(capacity_bits))
    whole = np.floor(segments)
    part = segments - whole
    here = np.where(part < FULL, 2.0 * whole + 3.0 * np.square(np.cbrt(part)), _peak(segments, whole))
    larger = np.maximum(_peak(segments, whole - 1.0), _peak(segments, 0.0))
    return capacity_bits * np.maximum(here, larger)


def _peak(segments: Any, whole: Any) -> Any:
    """The bound where a memory larger than this one is entered ``whole + FULL`` times, in units of this one [-]."""
    return 2.0 * (whole + 1.0) * np.square(np.cbrt(segments / (whole + FULL)))


def schedule_bound_bits(
    macs: Any,
    reuse: Any,
    ofmap_elems: Any,
    weight_bits: Any,
    ifmap_bits: Any,
    ofmap_bits: Any,
    psum_bits: Any,
    capacity_bits: Any,
) -> Any:
    """Bits that any schedule of one layer moves between a memory and the store that has its operands [bits].

    :func:`pebbled_bits` with sums at a price ``x``, less ``(x - ofmap_bits) ofmap_elems``: what enters includes every sum
    once at ``x``, and every output leaves at ``ofmap_bits``. Each ``x`` up to ``psum_bits`` gives a bound, and
    the highest of some of them is taken. The memory is ``capacity_bits`` and one accumulator of ``psum_bits``. Valid where
    unfinished sums take ``psum_bits`` wherever they wait, and nothing is computed twice; it may be below compulsory
    traffic, which is a bound as well.

    >>> round(float(schedule_bound_bits(64**3, 1, 64**2, 1, 1, 1, 1, 255)))
    32924
    """
    axes = np.ndim(macs + reuse + ofmap_elems + weight_bits + ifmap_bits + ofmap_bits + psum_bits + capacity_bits)
    price_bits = psum_bits * PRICES.reshape(-1, *(1,) * axes)
    entering = pebbled_bits(macs, reuse, weight_bits, ifmap_bits, price_bits, capacity_bits + psum_bits)
    return np.maximum(np.max(entering - price_bits * ofmap_elems, axis=0), 0.0) + ofmap_bits * ofmap_elems
