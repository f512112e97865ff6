"""Energy of arithmetic, of transfers between memories, and of time; each linear in its constants.

References
----------
.. [1] M. Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014,
   doi:10.1109/ISSCC.2014.6757323.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Real: TypeAlias = float | NDArray[np.float64]

PJ_PER_J = 1e12


def access_j(moved_bytes: Real, pj_per_byte: Real) -> Real:
    """Energy of reading or writing one memory [J].

    ``moved_bytes * pj_per_byte / 1e12``; ignores row activation, which is part of the constant.

    Examples
    --------
    >>> access_j(1e6, 160.0)
    0.00016
    """
    return moved_bytes * pj_per_byte / PJ_PER_J


def mac_j(operations: Real, pj_per_mac: Real) -> Real:
    """Energy of multiply-accumulates, other operations priced alike [J].

    ``operations * pj_per_mac / 1e12``. Ignores data-dependent switching. Reference [1]_ gives such constants.

    Examples
    --------
    >>> mac_j(1e9, 4.6)
    0.0046
    """
    return operations * pj_per_mac / PJ_PER_J


def static_j(static_w: Real, latency_s: Real) -> Real:
    """Energy of leakage and of everything always on [J].

    ``static_w * latency_s``.

    Examples
    --------
    >>> static_j(0.5, 0.25)
    0.125
    """
    return static_w * latency_s


def operand_feed_bytes(macs: Real, operand_bits: Real, macs_per_access: Real) -> Real:
    """Bytes the multipliers take from the innermost memory for one operand [B].

    ``macs / macs_per_access * operand_bits / 8``: an element once read feeds ``macs_per_access`` multipliers.

    Examples
    --------
    >>> operand_feed_bytes(1024.0, 16, 32)
    64.0
    """
    return macs / macs_per_access * operand_bits / 8
