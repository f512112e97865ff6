"""Latency of one layer: its multipliers, its memory ports, and what overlaps.

References
----------
.. [1] S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
   architectures", CACM 52(4), 2009, doi:10.1145/1498765.1498785.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from costmodel.formulas.counts import ceil_div

Real: TypeAlias = float | NDArray[np.float64]
Count: TypeAlias = int | NDArray[np.int64]


def compute_s(operations: Real, macs_per_cycle: Real, utilisation_ratio: Real, clock_hz: Real) -> Real:
    """Time the multipliers need [s].

    ``operations / (macs_per_cycle * utilisation_ratio) / clock_hz``; ignores filling and draining the array.

    Examples
    --------
    >>> compute_s(1e9, 100.0, 0.5, 1e9)
    0.02
    """
    return operations / (macs_per_cycle * utilisation_ratio) / clock_hz


def transfer_s(moved_bytes: Real, bytes_per_s: Real) -> Real:
    """Time a memory port needs [s].

    ``moved_bytes / bytes_per_s``, reads and writes sharing the port; ignores latency of the first byte. An infinite
    bandwidth takes no time.

    Examples
    --------
    >>> transfer_s(1e6, 1e9)
    0.001
    """
    return moved_bytes / bytes_per_s


def unrolled_ratio(extent: Count, lanes: Count) -> Real:
    """Share of ``lanes`` busy on average when a loop of ``extent`` is unrolled over them [ratio].

    ``extent / (ceil(extent / lanes) * lanes)``.

    Examples
    --------
    >>> unrolled_ratio(13, 14), unrolled_ratio(15, 14)
    (0.9285714285714286, 0.5357142857142857)
    """
    return extent / (ceil_div(extent, lanes) * lanes)


def overlapped_s(first_s: Real, second_s: Real) -> Real:
    """Time of two activities that overlap fully [s]: the longer one, the roofline's assumption [1]_.

    Examples
    --------
    >>> float(overlapped_s(0.2, 0.3))
    0.3
    """
    return np.maximum(first_s, second_s)
