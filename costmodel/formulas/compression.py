"""Sizes of data with many zeros: entries that carry how many zeros they skip, and what the entries take.

An entry is a value and the number of zeros before it, at most ``2**gap_bits - 1``; where more follow each other, an entry with
the value zero is put in, which skips ``2**gap_bits`` positions. The weights of Deep Compression [1]_ (a *relative index*) and
the activations of Eyeriss [2]_ (a *run-length code*) are both stored so.

References
----------
.. [1] S. Han, H. Mao, W. J. Dally, "Deep Compression: compressing deep neural networks with pruning, trained quantization and
   Huffman coding", ICLR 2016, arXiv:1510.00149, section 2 and figure 2.
.. [2] Y.-H. Chen, T. Krishna, J. S. Emer, V. Sze, "Eyeriss: an energy-efficient reconfigurable accelerator for deep
   convolutional neural networks", IEEE JSSC 52(1), 2017, doi:10.1109/JSSC.2016.2616357.
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Real: TypeAlias = float | NDArray[np.float64]
Count: TypeAlias = int | NDArray[np.int64]

LEAST = 1e-300
"""Keeps the quotient of nothing by nothing at zero."""


def zeros_ratio(elems: Count, nonzero_elems: Count) -> Real:
    """Share of zeros [ratio]: ``1 - nonzero_elems / elems``; nothing at all has none.

    Examples
    --------
    >>> float(zeros_ratio(8, 2))
    0.75
    """
    return cast(Real, 1 - np.minimum(nonzero_elems, elems) / np.maximum(elems, 1))


def _power(base: Any, exponent: Any) -> Any:  # noqa: ANN401 - ratios and counts, scalars or arrays
    """A ratio to a power [ratio], through logarithms: NumPy's own power differs between scalars and arrays in the last bit."""
    return np.exp(exponent * np.log(np.maximum(base, LEAST)))


def padding_ratio(elems: Count, nonzero_elems: Count, gap_bits: Count) -> Real:
    """Share of entries that are padding: a gap too long for its field goes on [ratio].

    ``q ** (2 ** gap_bits)`` for a share ``q`` of zeros, each position zero independently of the others: the probability that
    all positions that one entry can skip are zero.

    Examples
    --------
    >>> round(float(padding_ratio(8, 4, 2)), 9)
    0.0625
    """
    return cast(Real, _power(zeros_ratio(elems, nonzero_elems), 2.0**gap_bits))


def entry_elems(elems: Count, nonzero_elems: Count, gap_bits: Count) -> Real:
    """Expected entries with the padding between them [elements].

    ``nonzero_elems / (1 - padding_ratio)``; every position where ``gap_bits`` is 0. Positions are zero independently of each
    other: values that come in clusters need fewer. Ignores that zeros at the very end need no entry.

    Examples
    --------
    >>> round(float(entry_elems(1000, 90, 4)), 1)
    115.6
    """
    return cast(Real, nonzero_elems / np.maximum(1 - padding_ratio(elems, nonzero_elems, gap_bits), LEAST))


def gap_ratio(elems: Count, nonzero_elems: Count, gap_bits: Count, gap: Count) -> Real:
    """Share of entries that skip ``gap`` zeros [ratio].

    ``(1 - q) q ** gap``, geometric; the longest gap, ``2 ** gap_bits - 1``, is that of padding as well: ``q ** gap``.

    Examples
    --------
    >>> gap_ratio(8, 4, 2, np.arange(4)).round(9).tolist()
    [0.5, 0.25, 0.125, 0.125]
    """
    zeros = zeros_ratio(elems, nonzero_elems)
    return cast(Real, np.where(gap >= 2.0**gap_bits - 1, 1, 1 - zeros) * _power(zeros, gap))


def run_length_bits(elems: Count, nonzero_elems: Count, run_bits: Count, value_bits: Count) -> Real:
    """Expected size of a run-length code of 64-bit words [bits], as off-chip activations of Eyeriss [2]_.

    ``entry_elems * 64 / floor(63 / (run_bits + value_bits))``: a word holds as many entries as fit beside a bit that marks the
    last word, three of 5 and 16 bits. Ignores that the last word may be part empty.

    Examples
    --------
    >>> round(float(run_length_bits(300, 300, 5, 16)))
    6400
    """
    return cast(Real, entry_elems(elems, nonzero_elems, run_bits) * 64 / np.maximum(63 // (run_bits + value_bits), 1))
