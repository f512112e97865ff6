"""Exact non-dominated sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.explore.libraries import library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

UNRANKED: Final = -1
"""Rank of a row whose front was not asked for."""


def ranks(values: Floats, maximise: Sequence[bool], fronts: int | None = None) -> NDArray[np.int64]:
    """Rank of every row under exact non-dominated sorting, equal rows alike.

    A row dominates another if it is no worse in any column and better in one. Rank 0 are the rows that none dominates,
    rank ``r`` those that only rows of smaller rank dominate.

    Parameters
    ----------
    values
        One row per design, one column per objective, none missing.
    maximise
        For every column whether more is better.
    fronts
        How many ranks are told apart; all where None, which takes a time quadratic in the rows for three columns or more.

    Returns
    -------
    numpy.ndarray
        int64, one per row; -1 where the rank is ``fronts`` or more.

    Examples
    --------
    >>> ranks(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 3.0]]), [False, False]).tolist()
    [0, 0, 1]
    """
    moocore = library("moocore")
    least = np.where(maximise, -values, values)  # moocore 0.3.2 maximises a single column whatever it is told
    if fronts is None:
        return np.asarray(moocore.pareto_rank(least), dtype=np.int64)
    found = np.full(len(values), UNRANKED, dtype=np.int64)
    left = np.arange(len(values))
    for rank in range(fronts):
        if not left.size:
            break
        best = moocore.is_nondominated(least[left], keep_weakly=True)
        found[left[best]] = rank
        left = left[~best]
    return found
