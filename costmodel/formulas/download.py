"""Time and energy of receiving bytes over a link.

References
----------
.. [1] J. Huang, F. Qian, A. Gerber, Z. M. Mao, S. Sen, O. Spatscheck, "A close examination of performance and power
   characteristics of 4G LTE networks", MobiSys 2012, doi:10.1145/2307636.2307658: power linear in throughput, and the tail.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from costmodel.formulas.energy import PJ_PER_J

Real: TypeAlias = float | NDArray[np.float64]


def download_s(received_bytes: Real, latency_s: Real, bytes_per_s: Real) -> Real:
    """Time to receive bytes [s].

    ``latency_s + received_bytes / bytes_per_s`` where anything is received, else 0; ignores lost packets and slow starts.

    Examples
    --------
    >>> float(download_s(1e6, 0.05, 1e6)), float(download_s(0.0, 0.05, 1e6))
    (1.05, 0.0)
    """
    return np.where(received_bytes > 0, latency_s + received_bytes / bytes_per_s, 0.0)[()]


def download_j(received_bytes: Real, active_s: Real, active_w: Real, pj_per_byte: Real, tail_s: Real, tail_w: Real) -> Real:
    """Energy of the receiver, above idle [J].

    ``active_s * active_w + received_bytes * pj_per_byte / 1e12 + tail_s * tail_w`` where anything is received, else 0: the
    radio is on while it receives, spends more per byte, and stays on for a while afterwards [1]_.

    Examples
    --------
    >>> float(download_j(1e6, 1.0, 0.5, 1e5, 10.0, 0.25))
    3.1
    """
    spent_j = active_s * active_w + received_bytes * pj_per_byte / PJ_PER_J + tail_s * tail_w
    return np.where(received_bytes > 0, spent_j, 0.0)[()]
