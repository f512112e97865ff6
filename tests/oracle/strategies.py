"""Random small layers for the oracles: strides, dilation, groups, padding, remainders, odd widths."""

from __future__ import annotations

from functools import cache

from hypothesis import strategies as st

from costmodel.mapping import Layer

WEIGHT_BITS, IFMAP_BITS = st.sampled_from([1, 8, 16]), st.sampled_from([4, 8, 16])
OFMAP_BITS, PSUM_BITS = st.sampled_from([8, 16]), st.sampled_from([16, 32])
ORDER = st.permutations("ngkcpqrs")


@cache  # Hypothesis checks every strategy that is made
@st.composite
def axes(draw, longest):
    """Draw (outputs, taps, stride, dilation, pad, size) of one axis, every output touching the padded ifmap."""
    outputs = draw(st.integers(1, longest))
    taps = draw(st.integers(1, 3))
    stride = draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2))
    pad = draw(st.integers(0, 2))
    span = (outputs - 1) * stride + (taps - 1) * dilation + 1
    size = max(1, span - pad - draw(st.integers(-1, 2)))
    return outputs, taps, stride, dilation, pad, size


@cache
def ends(longest):
    """One output along an axis, or the most."""
    return st.sampled_from([1, longest])


@st.composite
def layers(draw, longest=5, channels=4, batch=2, groups=2):
    """Draw a layer small enough to enumerate."""
    p, r, stride_h, dilation_h, pad_top, ifmap_h = draw(axes(longest))
    q, s, stride_w, dilation_w, pad_left, ifmap_w = draw(axes(draw(ends(longest))))
    return Layer(
        n=draw(st.integers(1, batch)), g=draw(st.integers(1, groups)), k=draw(st.integers(1, channels)),
        c=draw(st.integers(1, channels)), p=p, q=q, r=r, s=s, stride_h=stride_h, stride_w=stride_w,
        dilation_h=dilation_h, dilation_w=dilation_w, pad_top=pad_top, pad_left=pad_left, ifmap_h=ifmap_h,
        ifmap_w=ifmap_w, weight_bits=draw(WEIGHT_BITS), ifmap_bits=draw(IFMAP_BITS),
        ofmap_bits=draw(OFMAP_BITS), psum_bits=draw(PSUM_BITS),
    )  # fmt: skip


@st.composite
def mappings(draw, layer):
    """Draw a tile and an order of the eight loops."""
    tile = {dim: draw(st.integers(1, getattr(layer, dim))) for dim in "ngkcpqrs"}
    return tile, draw(ORDER)
