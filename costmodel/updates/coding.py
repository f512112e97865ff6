"""A tensor as few bytes: alone, or as its difference to the one that the device has.

The difference of two tensors of one format is taken between the bit patterns of their elements, as integers modulo their
width, so that any format comes back exactly; small differences of either sign become small numbers (zigzag). The bytes of the
elements are then grouped by significance, and coded with deflate [1]_, Huffman codes and runs, which every device can undo.

References
----------
.. [1] P. Deutsch, "DEFLATE compressed data format specification version 1.3", RFC 1951, 1996, doi:10.17487/RFC1951.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import InputError

RAW_DEFLATE: Final = -zlib.MAX_WBITS
"""A stream without zlib's header and checksum."""
STRATEGIES: Final = (zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)
"""Huffman codes alone, which come nearest the entropy of noise, or with runs, for what is mostly zero; the shorter one."""
UNSIGNED: Final = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def coded(new: bytes, width_bytes: int, old: bytes | None = None) -> bytes:
    """The code of a tensor, as its difference to `old` where that is given.

    Examples
    --------
    >>> old, new = bytes(4000), bytes(3999) + b"1"
    >>> len(coded(new, 4, old)) < 40, decoded(coded(new, 4, old), 4, old) == new
    (True, True)
    """
    items = patterns(new, width_bytes)
    planes = grouped(items if old is None else difference(items, patterns(old, width_bytes)), width_bytes)
    return min((deflated(planes, strategy) for strategy in STRATEGIES), key=len)


def deflated(data: bytes, strategy: int) -> bytes:
    """A deflate stream made by one strategy."""
    coder = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, RAW_DEFLATE, zlib.DEF_MEM_LEVEL, strategy)
    return coder.compress(data) + coder.flush()


def decoded(code: bytes, width_bytes: int, old: bytes | None = None) -> bytes:
    """The tensor that a code stands for; InputError where it is damaged."""
    try:
        planes = zlib.decompress(code, RAW_DEFLATE)
    except zlib.error as error:
        raise InputError(f"the code of a tensor is damaged: {error}") from None
    items = np.frombuffer(planes, np.uint8).reshape(width_bytes, -1).T.copy().view(UNSIGNED[width_bytes]).ravel()
    return (items if old is None else restored(items, patterns(old, width_bytes))).tobytes()


def patterns(data: bytes, width_bytes: int) -> NDArray[Any]:
    """The elements of a tensor as unsigned integers."""
    return np.frombuffer(data, np.dtype(UNSIGNED[width_bytes]).newbyteorder("<"))


def grouped(items: NDArray[Any], width_bytes: int) -> bytes:
    """Bytes of the elements by significance: the lowest of all of them, then the next."""
    return items.view(np.uint8).reshape(-1, width_bytes).T.tobytes()


def difference(new: NDArray[Any], old: NDArray[Any]) -> NDArray[Any]:
    """New less old modulo the width, small numbers of either sign as small numbers: 0, -1, 1, -2 as 0, 1, 2, 3."""
    less = new - old
    one = less.dtype.type(1)
    sign = less >> less.dtype.type(8 * less.itemsize - 1)
    turned: NDArray[Any] = (less << one) ^ (~sign + one)
    return turned


def restored(turned: NDArray[Any], old: NDArray[Any]) -> NDArray[Any]:
    """The new elements from their difference to the old ones."""
    one = turned.dtype.type(1)
    less = (turned >> one) ^ (~(turned & one) + one)
    new: NDArray[Any] = less + old
    return new
