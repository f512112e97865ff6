"""What the compiled search reads and writes: plain arrays, grouped.

Dimensions are numbered as in ``DIMS`` (n g k c p q r s), operands as in ``OPERANDS``. Level 0 is the whole layer, levels
1 to ``L`` the stores on chip; the innermost level is the tile of the array, which is level ``L`` where its elements have a
store, else ``L + 1``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

N, G, K, C, P, Q, R, S = range(8)
WEIGHT, IFMAP, OFMAP = range(3)
ORDER: Final = (N, P, R, Q, S, C, K, G)
"""Dimensions in the order in which the search decides them."""

TILE, SIDE, UNROLLED, TOGETHER, COPIES, TRIPS, STEPS = range(7)
"""Columns of a candidate: tile of an element, side of the array (-1: none), elements, tile of the array, tiles of elements,
tiles of the array, steps."""


class Case(NamedTuple):
    """A layer on a hierarchy.

    ``size`` (8,) extents; ``height``, ``width`` (5, outputs + 1, taps + 1) ifmap positions; ``gaps`` (2, 2) stride and
    dilation of both axes, ``geometry`` (2, 2) padding and ifmap size; ``irregular`` (8, most + 1) flags by trip count;
    ``bits`` (4,) widths of weight, ifmap, ofmap, partial sum; ``least`` (2,) positions that any walk fetches.
    ``last`` is the number of stores on chip, ``inner`` the level of the array's tile.
    ``room`` (L + 1, 4) bits that the operands of a store share, and those of their parts (-1: none); ``values`` (3,) most
    elements in an element's tile. ``candidates`` (M, 7) of the innermost tile, from ``begin[d]`` to ``begin[d + 1]``, and
    ``fewest`` (8, 3) the fewest copies, trips and steps of them. ``side`` (sides, 3): size, multicast, reduction.
    """

    size: Ints
    height: Floats
    width: Floats
    gaps: Ints
    geometry: Ints
    irregular: Ints
    bits: Floats
    least: Floats
    last: int
    inner: int
    room: Floats
    values: Floats
    candidates: Ints
    begin: Ints
    fewest: Floats
    side: Ints


class Plan(NamedTuple):
    """What passes by and which operand stays in place in each block.

    ``stays`` (L + 2,) the operand in place in the block of each store; ``tied`` (L + 2,) whether its tile is that of the store
    outside. ``holds`` (L + 1, 3) flags. ``flow`` (L + 2, 3, resources): what one sweep over an operand costs between a store
    and the next outside, per element of the ifmap along both axes; ``outer``, ``own`` (3, resources): the same for elements of
    the array, what is shared on the way and what each pays by itself; ``counted_at`` (3,) the level whose trips multiply these.
    """

    stays: Ints
    tied: Ints
    holds: Ints
    flow: Floats
    outer: Floats
    own: Floats
    counted_at: Ints


class Aim(NamedTuple):
    """What is minimised. Resource 0 is energy; ``ports`` of them are times; ``scale`` turns steps into seconds.

    ``kind`` 0 energy, 1 latency, 2 their product, 3 bits of the backing store (the last resource).
    """

    kind: int
    ports: int
    scale: float
    compute_s: float
    feed_s: float
    overhead_s: float
    overlap: bool
    static_pj_per_s: float
    base: Floats
    rest: Floats


class State(NamedTuple):
    """Where the search stands, and the best it found.

    ``tile`` (L + 2, 8) and ``low``: what is decided, else 0 and the least; ``trips`` (L + 2, 8) likewise, else the fewest;
    ``pick`` (8,) rows of the innermost candidates; ``settled`` (L + 2, resources); ``waiting`` (3, resources) bounds for what
    elements exchange that is not settled; ``walks`` (5, resources) what elements exchange of the ifmap for each loop walked.
    """

    tile: Ints
    low: Ints
    trips: Floats
    pick: Ints
    copies: Floats
    steps: Floats
    settled: Floats
    waiting: Floats
    walks: Floats
    distinct_h: Floats
    distinct_w: Floats
    best: Floats
    best_tile: Ints
    best_pick: Ints
    best_walk: Ints
    count: Ints
