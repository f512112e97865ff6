"""What the compiled search reads and writes: one record of plain numbers and small arrays.

Dimensions are numbered as in ``DIMS`` (n g k c p q r s), operands as in ``OPERANDS``. Level 0 is the whole layer, levels
1 to ``last`` the stores on chip; ``inner`` is the level of the array's tile, which is ``last`` where its elements have a
store, else one more.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

N, G, K, C, P, Q, R, S = range(8)
WEIGHT, IFMAP, OFMAP = range(3)
ORDER: Final = (N, P, R, Q, S, C, K, G)
"""Dimensions in the order in which the search decides them."""

TILE, SIDE, UNROLLED, TOGETHER, COPIES, TRIPS, STEPS = range(7)
"""Columns of a candidate: tile of an element, side of the array (-1: none), elements, tile of the array, tiles of elements,
tiles of the array, steps."""

LEVELS: Final = 9
"""Most levels, the whole layer and the array's tile included, and one more that is always empty."""
RESOURCES: Final = 9
"""Most quantities that are counted: energy, the time of each port, bits of the backing store."""
SIDES: Final = 4
"""Most sides of an array."""

INT, FLOAT = np.int64, np.float64

WORK: Final = np.dtype([
    # The layer: extents, stride and dilation of both axes, padding and size, widths with that of partial sums, and the
    # positions that any walk fetches along each axis.
    ("extent", INT, 8), ("gaps", INT, (2, 2)), ("geometry", INT, (2, 2)), ("bits", FLOAT, 4), ("least", FLOAT, 2),
    # The hierarchy: bits that operands share in a store, and those of their parts (-1: none); the most elements in an
    # element's tile; size, multicast and reduction of each side, and the sides that may unroll each dimension.
    ("last", INT), ("inner", INT), ("room", FLOAT, (LEVELS, 4)), ("values", FLOAT, 3), ("sides", INT),
    ("side", INT, (SIDES, 3)), ("unrolls", INT, (8, SIDES)),
    # Candidates of the innermost tile: where those of each dimension begin; fewest copies, trips and steps of them.
    ("begin", INT, 9), ("fewest", FLOAT, (8, 3)),
    # Pins, of levels outside the array's tile: the size of a tile (0: free), the size that it must divide (0: any), the least
    # and the most it can be; the operand that has to stay in place in the block of a store (-1: any).
    ("pin", INT, (LEVELS, 8)), ("within", INT, (LEVELS, 8)), ("floor", INT, (LEVELS, 8)), ("cap", INT, (LEVELS, 8)),
    ("keep", INT, LEVELS),
    # The plan: the operand in place in the block of each store, whether its tile (2: every tile) is that of the store
    # outside, what each store holds; what a sweep costs (per position along both axes for the ifmap) at the boundaries
    # numbered below ``stores``, and for elements of the array: what they share, what each pays; the level whose trips
    # multiply that, and the level within a tile of which they walk over the ifmap.
    ("stays", INT, LEVELS), ("tied", INT, LEVELS), ("holds", INT, (LEVELS, 3)), ("stores", INT),
    ("flow", FLOAT, (LEVELS, 3, RESOURCES)), ("outer", FLOAT, (3, RESOURCES)), ("own", FLOAT, (3, RESOURCES)),
    ("counted", INT, 3), ("walked", INT),
    # What is minimised: 0 energy, 1 latency, 2 their product, 3 bits of the backing store, the last resource; resource 0
    # is energy, ``ports`` of them are times. ``second``: among equals of the first, what decides.
    ("kind", INT), ("second", INT), ("ports", INT), ("resources", INT), ("scale", FLOAT), ("compute_s", FLOAT),
    ("feed_s", FLOAT), ("overhead_s", FLOAT), ("overlap", INT), ("static_pj_per_s", FLOAT), ("always", FLOAT, RESOURCES),
    # Where the search stands: tiles (0: undecided), the least they can be, trips (the fewest they can be); rows of the
    # innermost candidates, their copies and steps; elements used of each side; what is settled, what a level and those
    # inside it are charged so far, and where its trips stand in the tables; bounds for what elements exchange that is not
    # settled, and what they exchange of the ifmap for each loop walked.
    ("tile", INT, (LEVELS, 8)), ("low", INT, (LEVELS, 8)), ("trips", FLOAT, (LEVELS, 8)), ("pick", INT, 8),
    ("copies", FLOAT, 8), ("steps", FLOAT, 8), ("used", INT, SIDES), ("settled", FLOAT, (LEVELS, RESOURCES)),
    ("reached", FLOAT, (LEVELS, RESOURCES)), ("place", INT, (LEVELS, 6)),
    ("waiting", FLOAT, (3, RESOURCES)), ("walks", FLOAT, (5, RESOURCES)), ("read", FLOAT, 5), ("written", FLOAT, 5),
    ("total", FLOAT, RESOURCES),
    ("depth", INT), ("walking", INT), ("ranked", INT, 2), ("at", INT, 8 * LEVELS), ("count", INT),
    # Trips, rungs and rows of the tables where the level outside what is decided is looked at; how many of them were gathered
    # (-1: none were); the pair taken and its figures.
    ("walked_trips", INT, 5), ("walked_rung", INT, 5), ("walked_row", INT, 6), ("leaves", INT), ("pair", INT),
    ("figures", FLOAT, 23),
    # Where the search of all plans stands: the round, the place in its order, how many there are, how many are left for the
    # next, the plan, its pair, how many pairs it has, whether it is in the middle, the steps at which it is left for the next
    # round, work done of any kind.
    ("lap", INT), ("turn", INT), ("many", INT), ("rest", INT), ("plan", INT), ("at_pair", INT), ("pairs", INT),
    ("going", INT), ("until", INT), ("spent", INT),
    # Latency scored last; how much dearer the level outside is than alone; positions that an element's tile needs at least,
    # known and charged; fewest steps of any mapping.
    ("latency", FLOAT), ("known", FLOAT, 2), ("fetched", FLOAT, 2), ("least_steps", FLOAT),
    # The best found.
    ("best", FLOAT, 2), ("best_plan", INT), ("best_tile", INT, (LEVELS, 8)), ("best_pick", INT, 8),
])  # fmt: skip


def work_record() -> Any:  # noqa: ANN401  # NumPy has no type for a record with named fields
    """Return a record of zeros."""
    return works()[0]


def works() -> Any:  # noqa: ANN401
    """Return an array of one record of zeros: compiled code takes it faster than the record."""
    return np.zeros(1, dtype=WORK).view(np.recarray)
