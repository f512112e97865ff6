"""Bytes of summing a gradient over workers and giving the sum to each of them, by the way it is done.

A link carries traffic in both directions at once; a node sends to, and receives from, one other node at a time. ``serial`` is
what is sent one after the other until everybody has the sum, ``total`` what all nodes together send.

References
----------
.. [1] F. N. Iandola, K. Ashraf, M. W. Moskewicz, K. Keutzer, "FireCaffe: near-linear acceleration of deep neural network
   training on compute clusters", CVPR 2016, arXiv:1511.00175: parameter server against reduction tree.
.. [2] P. Patarasuk, X. Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", Journal of Parallel and
   Distributed Computing 69(2), 2009, doi:10.1016/j.jpdc.2008.09.002: the ring.
.. [3] R. Thakur, R. Rabenseifner, W. Gropp, "Optimization of collective communication operations in MPICH", International
   Journal of High Performance Computing Applications 19(1), 2005, doi:10.1177/1094342005051521: binomial trees, latencies.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from costmodel.formulas.counts import ceil_div

Count: TypeAlias = int | NDArray[np.int64]
Real: TypeAlias = float | NDArray[np.float64]


def server_serial_elems(elems: Count, workers: Count) -> Count:
    """What passes a parameter server one after the other [elements].

    ``2 * workers * elems``: every worker's gradient comes in, then the sum goes out to every worker [1]_. The server is a
    node of its own, so that even one worker sends.

    Examples
    --------
    >>> server_serial_elems(1000, 8)
    16000
    """
    return 2 * workers * elems


def tree_rounds(workers: Count) -> Count:
    """Rounds of a binomial tree, up and down [-].

    ``2 * ceil(log2(workers))``: in each round half of the nodes that still hold a part send it to the other half [3]_.

    Examples
    --------
    >>> int(tree_rounds(8)), int(tree_rounds(5)), int(tree_rounds(1))
    (6, 6, 0)
    """
    # frexp gives the exponent e of n = m * 2**e with m in [0.5, 1): ceil(log2(n)) is that of n - 1, without rounding
    return 2 * np.frexp(workers - 1)[1].astype(np.int64)


def tree_serial_elems(elems: Count, workers: Count) -> Count:
    """What a reduction tree sends one after the other [elements].

    ``tree_rounds(workers) * elems``: the whole gradient in every round [1]_ [3]_.

    Examples
    --------
    >>> int(tree_serial_elems(1000, 8))
    6000
    """
    return tree_rounds(workers) * elems


def ring_rounds(workers: Count) -> Count:
    """Rounds of a ring [-].

    ``2 * (workers - 1)``: each chunk goes around once to be summed, and once as the sum [2]_.

    Examples
    --------
    >>> ring_rounds(8)
    14
    """
    return 2 * (workers - 1)


def ring_serial_elems(elems: Count, workers: Count) -> Count:
    """What a ring sends one after the other [elements].

    ``ring_rounds(workers) * ceil(elems / workers)``: the largest chunk in every round, all nodes at once [2]_.

    Examples
    --------
    >>> ring_serial_elems(1000, 8), ring_serial_elems(1001, 8)
    (1750, 1764)
    """
    return ring_rounds(workers) * ceil_div(elems, workers)


def peer_total_elems(elems: Count, workers: Count) -> Count:
    """What all workers together send, in a tree or in a ring [elements].

    ``2 * (workers - 1) * elems``: all but one give their part away, and all but one receive the sum.

    Examples
    --------
    >>> peer_total_elems(1000, 8)
    14000
    """
    return 2 * (workers - 1) * elems


def exchange_s(rounds: Real, serial_bytes: Real, latency_s: Real, bytes_per_s: Real) -> Real:
    """Time until every worker has the sum [s].

    ``rounds * latency_s + serial_bytes / bytes_per_s``; ignores the additions themselves and contention in the network [3]_.

    Examples
    --------
    >>> exchange_s(6.0, 6e6, 1e-6, 1e9)
    0.006006
    """
    return rounds * latency_s + serial_bytes / bytes_per_s


def iteration_s(forward_s: Real, backward_s: Real, exchanged_s: Real, hidden_ratio: Real) -> Real:
    """Time of an iteration of synchronous training [s].

    ``forward_s + backward_s + exchanged_s - min(exchanged_s, hidden_ratio * backward_s)``: the exchange follows the backward
    pass (``hidden_ratio`` 0), or happens during it as far as it lasts (1). Ignores the update of the weights and reading data.

    Examples
    --------
    >>> float(iteration_s(1.0, 2.0, 0.5, 0.0)), float(iteration_s(1.0, 2.0, 2.5, 1.0))
    (3.5, 3.5)
    """
    return forward_s + backward_s + exchanged_s - np.minimum(exchanged_s, hidden_ratio * backward_s)
