"""Counts of one layer: extents, elements, operations; integers in, integers out, on scalars or arrays.

Every argument is an ``int`` or an ``int64`` array of design points; arrays broadcast. Symbols are those of
``docs/conventions.md``: ``n`` batch, ``g`` groups, ``k`` and ``c`` output and input channels per group,
``p q`` output and ``r s`` filter extents. Nothing here checks its arguments or guards against overflow;
:mod:`costmodel.graph` does both.

References
----------
.. [1] V. Sze, Y.-H. Chen, T.-J. Yang, J. S. Emer, "Efficient Processing of Deep Neural Networks: A Tutorial
   and Survey", Proc. IEEE 105(12), 2017, doi:10.1109/JPROC.2017.2761740.
.. [2] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Count: TypeAlias = int | NDArray[np.int64]


def ceil_div(a: Count, b: Count) -> Count:
    r"""Quotient rounded up [-].

    .. math:: \lceil a / b \rceil = -\lfloor -a / b \rfloor

    Valid for ``b > 0``. Exact: no floating point is involved.

    Examples
    --------
    >>> ceil_div(7, 2)
    4
    """
    return -(-a // b)


def window(taps: Count, dilation: Count) -> Count:
    """Extent of a dilated filter on its input [elements].

    ``dilation * (taps - 1) + 1``. Valid for ``taps >= 1``. Reference [2]_, section 5.1.

    Examples
    --------
    >>> window(3, 2)
    5
    """
    return dilation * (taps - 1) + 1


def conv_out(extent: Count, taps: Count, stride: Count = 1, padding: Count = 0, dilation: Count = 1) -> Count:
    """Output extent of a convolution or pooling that drops incomplete windows [elements].

    ``floor((extent + padding - window) / stride) + 1``; `padding` is the sum of both sides. Zero or negative
    where the window does not fit. Reference [2]_, relationship 15.

    Examples
    --------
    >>> conv_out(227, 11, stride=4)
    55
    """
    return (extent + padding - window(taps, dilation)) // stride + 1


def pool_out_ceil(
    extent: Count,
    taps: Count,
    stride: Count = 1,
    pad_before: Count = 0,
    pad_after: Count = 0,
    dilation: Count = 1,
) -> Count:
    """Output extent of a pooling that keeps the incomplete last window [elements].

    ``ceil((extent + pad_before + pad_after - window) / stride) + 1``, less one where the last window would
    start beyond the input and its leading padding, as in Caffe and torch (``ceil_mode=True``). Valid where
    ``pad_after < window``: only one window can then start beyond.

    Examples
    --------
    >>> pool_out_ceil(54, 3, stride=2), conv_out(54, 3, stride=2)
    (27, 26)
    >>> pool_out_ceil(2, 1, stride=2)
    1
    """
    out = ceil_div(extent + pad_before + pad_after - window(taps, dilation), stride) + 1
    return out - ((out - 1) * stride >= extent + pad_before)


def conv_transpose_out(
    extent: Count,
    taps: Count,
    stride: Count = 1,
    padding: Count = 0,
    dilation: Count = 1,
    output_padding: Count = 0,
) -> Count:
    """Output extent of a transposed convolution [elements].

    ``(extent - 1) * stride - padding + window + output_padding``; `padding` is the sum of both sides.
    Reference [2]_, relationship 14, and ``torch.nn.ConvTranspose2d``.

    Examples
    --------
    >>> conv_transpose_out(16, 4, stride=2, padding=2)
    32
    """
    return (extent - 1) * stride - padding + window(taps, dilation) + output_padding


def same_padding(extent: Count, taps: Count, stride: Count = 1, dilation: Count = 1) -> Count:
    """Sum of the padding on both sides that gives ``ceil(extent / stride)`` outputs [elements].

    ``max(0, (ceil(extent / stride) - 1) * stride + window - extent)``: TensorFlow's ``SAME``; the odd
    element goes to the far side.

    Examples
    --------
    >>> int(same_padding(224, 3, stride=2))
    1
    """
    needed = (ceil_div(extent, stride) - 1) * stride + window(taps, dilation) - extent
    return cast(Count, np.maximum(needed, 0))


def adaptive_taps(extent: Count, outputs: Count) -> Count:
    """Input positions read by all windows of an adaptive pooling along one axis, repeats included [elements].

    Window ``i`` is ``floor(i extent / outputs) .. ceil((i + 1) extent / outputs)``, so neighbours share one
    position wherever a boundary is not an integer: ``extent + outputs - gcd(extent, outputs)``.
    As ``torch.nn.AdaptiveAvgPool2d``.

    Examples
    --------
    >>> int(adaptive_taps(13, 6))
    18
    """
    return cast(Count, extent + outputs - np.gcd(extent, outputs))


def _touched_below(end: Count, run: Count, period: Count) -> Count:
    """Positions below `end` that lie in one of the runs ``[i period, i period + run)`` [elements]."""
    filled = np.minimum(run, period)
    return cast(Count, end // period * filled + np.minimum(end % period, filled))


def touched_regular(
    outputs: Count, taps: Count, stride: Count, dilation: Count, pad_before: Count, extent: Count
) -> Count:
    """Distinct input positions read along one axis, padding excluded [elements].

    Closed form of :func:`touched` where `stride` divides `dilation` or `dilation` divides `stride` (always so
    when one of them is 1): positions are runs of ``outputs`` or ``taps`` elements with a regular period.

    Examples
    --------
    >>> int(touched_regular(111, 3, 2, 1, 0, 224))  # the last row of 224 is never read
    223
    >>> int(touched_regular(5, 1, 2, 1, 0, 10))
    5
    """
    step = np.minimum(stride, dilation)
    period = np.maximum(stride, dilation) // step
    run = np.where(stride >= dilation, taps, outputs)
    repeats = np.where(stride >= dilation, outputs, taps)
    span = (repeats - 1) * period + run
    end = np.minimum(ceil_div(pad_before + extent, step), span)
    begin = np.minimum(ceil_div(pad_before, step), span)
    return cast(Count, _touched_below(end, run, period) - _touched_below(begin, run, period))


def _inside(outputs: Count, offset: Count, stride: Count, extent: Count) -> Count:
    """How many of ``offset + i stride`` for ``0 <= i < outputs`` lie in ``[0, extent)`` [elements]."""
    first = np.maximum(ceil_div(-offset, stride), 0)
    last = np.minimum(ceil_div(extent - offset, stride), outputs)
    return cast(Count, np.maximum(last - first, 0))


def touched(
    outputs: Count, taps: Count, stride: Count, dilation: Count, pad_before: Count, extent: Count
) -> Count:
    """Distinct input positions read along one axis, padding excluded [elements].

    Size of ``{i stride + j dilation - pad_before : i < outputs, j < taps}`` within ``[0, extent)``. Two pairs
    meet where they differ by a multiple of ``(dilation, -stride) / gcd``, so the distinct positions are all
    pairs less those that have such a neighbour; both are summed tap by tap. Exact for any arguments; a
    regular stride has the cheaper :func:`touched_regular`.

    Examples
    --------
    >>> int(touched(outputs=4, taps=2, stride=2, dilation=3, pad_before=0, extent=20))  # 0 2 4 6, 3 5 7 9
    8
    """
    common = np.gcd(stride, dilation)
    shift = stride // common
    axes = np.ndim(outputs + taps + stride + dilation + pad_before + extent)
    tap = np.arange(np.max(taps)).reshape(-1, *(1,) * axes)
    offset = cast(Count, tap * dilation - pad_before)
    pairs = _inside(outputs, offset, stride, extent) * (tap < taps)
    repeated = _inside(outputs - dilation // common, offset, stride, extent)
    repeated = np.maximum(repeated, 0) * (tap >= shift) * (tap < taps)
    return cast(Count, np.sum(pairs - repeated, axis=0))


def meeting(
    outputs: Count, taps: Count, stride: Count, dilation: Count, pad_before: Count, extent: Count
) -> Count:
    """Pairs of a window and one of its taps along one axis that meet the input, not its padding [positions].

    Summed tap by tap, so exact for any arguments; ``outputs * taps`` where nothing is padded.

    Examples
    --------
    >>> int(meeting(4, 3, 1, 1, 1, 4))  # the first and the last window have one tap in the padding
    10
    """
    axes = np.ndim(outputs + taps + stride + dilation + pad_before + extent)
    tap = np.arange(np.max(taps)).reshape(-1, *(1,) * axes)
    offset = cast(Count, tap * dilation - pad_before)
    return cast(Count, np.sum(_inside(outputs, offset, stride, extent) * (tap < taps), axis=0))


def macs(n: Count, g: Count, k: Count, c: Count, p: Count, q: Count, r: Count, s: Count) -> Count:
    """Multiply-accumulate operations of one loop nest [MAC].

    ``n g k c p q r s``: one multiplication and one addition at every point of the nest; FLOPs are twice this.
    Taps that fall on padding count, as in every published figure. Reference [1]_, equation 1.

    Examples
    --------
    >>> macs(1, 1, 96, 3, 55, 55, 11, 11)  # conv1 of AlexNet
    105415200
    """
    return n * g * k * c * p * q * r * s


def weight_elems(g: Count, k: Count, c: Count, r: Count, s: Count) -> Count:
    """Weights of a convolution or linear layer without biases [elements].

    ``g k c r s``. Reference [1]_, table I.

    Examples
    --------
    >>> weight_elems(2, 128, 48, 5, 5)  # conv2 of AlexNet, two groups
    307200
    """
    return g * k * c * r * s


def ofmap_elems(n: Count, g: Count, k: Count, p: Count, q: Count) -> Count:
    """Elements of an output feature map [elements].

    ``n g k p q``. Reference [1]_, table I.

    Examples
    --------
    >>> ofmap_elems(1, 1, 96, 55, 55)
    290400
    """
    return n * g * k * p * q
