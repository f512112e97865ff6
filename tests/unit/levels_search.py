"""Random searches, their plans, and what a level is charged as the table of forms in docs/models/mapping.md says it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import inf

import numpy as np
from hypothesis import strategies as st

from costmodel.mapping import DIMS
from costmodel.mapping.levels.forms import Traffic, bypasses, forms, traffic
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.setup import OBJECTIVES, Setup
from costmodel.mapping.levels.walks import afresh, along_outputs, along_taps, largest
from costmodel.mapping.nest import RELEVANT
from tests.oracle.levels_strategies import constants, problems

WALKED = "nprqs"
"""Loops of the tables, in the order of their axes."""
MUCH = 1e100
"""Beyond any charge of a mapping: what has no room."""


@dataclass(frozen=True)
class Plan:
    """What passes by, what stays in place in each block, and the charges by the level whose trips multiply them.

    ``flow`` (L + 2, 3, resources) at the boundaries numbered below ``stores``; ``outer`` and ``own`` (3, resources) for
    elements of the array, ``counted`` (3,) the level for these, ``walked`` the level within a tile of which they walk over
    the ifmap; ``number`` is its place among those of a search.
    """

    traffic: Traffic
    stays: tuple[int, ...]
    tied: tuple[int, ...]
    stores: int
    flow: np.ndarray
    outer: np.ndarray
    own: np.ndarray
    counted: np.ndarray
    walked: int
    number: int = 0


def changed_by(operand, stays, tied):
    """Block whose loops change an operand in the innermost store: that of a store outside where the tiles are the same."""
    block = len(stays)
    while tied[block - 1] == 2 or (tied[block - 1] and stays[block - 1] == operand):
        block -= 1
    return block


def plan(hierarchy, traffic, stays, tied, number=0):
    """Charges by level: those of a tied boundary join those of the one outside."""
    inside = hierarchy.in_elements
    stores = len(hierarchy.stores) - inside
    flow = np.zeros((len(hierarchy.stores) + 1, 3, traffic.always.size))
    flow[:stores] = (traffic.shared + traffic.own)[:stores]
    for level in range(stores - 1, 1, -1):
        stay = stays[level - 1]
        moved = slice(None) if tied[level - 1] == 2 else slice(stay, stay + 1)
        if tied[level - 1]:
            flow[level - 1, moved] += flow[level, moved]
            flow[level, moved] = 0.0
    blocks = [changed_by(operand, stays, tied) for operand in range(3)]
    counted = np.array([block - (stays[block - 1] == operand) for operand, block in enumerate(blocks)], dtype=np.int64)
    outer, own = (traffic.shared[-1], traffic.own[-1]) if inside else np.zeros((2, *traffic.own[-1].shape))
    return Plan(traffic, stays, tied, stores, flow, outer, own, counted, blocks[1] - 1, number)


@st.composite
def searches(draw, most=3, objective=None, **limits):
    """Draw a small problem and what is minimised."""
    layer, hierarchy = draw(problems(most, **limits))
    return Setup(layer, hierarchy, objective or draw(st.sampled_from(OBJECTIVES)), draw(constants()))


def plans_of(setup):
    """Return every plan of a search in the order of their numbers."""
    found = []
    for passing in bypasses(setup.hierarchy):
        charged = traffic(setup.layer, setup.hierarchy, passing, setup.resources)
        charged.always[0] += setup.fixed.energy_pj
        for form in forms(len(setup.hierarchy.on_chip)):
            found.append(plan(setup.hierarchy, charged, *form, len(found)))
    return found


def opened(setup, one):
    """Write a plan into the record of a search, and return its tables."""
    from costmodel.mapping.levels import rounds

    return rounds.opened(setup.arrays.works, setup.plans, setup.prepared.tables, one.number)


@st.composite
def planned(draw, **limits):
    """Draw a search, one of its plans, and the tables of that, which is then in the record."""
    setup = draw(searches(**limits))
    setup.prepared  # noqa: B018  # what writes to the record is found before a plan is in it
    one = draw(st.sampled_from(plans_of(setup)))
    return setup, one, opened(setup, one)


def kernels_of(setup, one):
    """Fewest trips of ``k`` that the room of each level leaves, given what passes by in a plan."""
    return setup.prepared.tables.kernels[setup.plans.passing[one.number]]


def grid_of(setup):
    """Rungs of a layer, the least positions of both axes by them, and where the sections of tables begin."""
    tables = setup.prepared.tables
    return tables.rungs, tables.axes, tables.begin


def fewest_of(search):
    """Fewest steps of any mapping, found from the pairs."""
    from costmodel.mapping.levels import inner

    prepared = search.prepared
    return inner.fewest_of_all(search.arrays.works, search.arrays.rows, prepared.one, prepared.two, prepared.pairs)


def bounds_of(setup, some):
    """What no mapping of some plans undercuts, those that are charged the same looked at together (M, 2)."""
    from costmodel.mapping.levels import rounds

    numbers, plans = [one.number for one in some], setup.plans
    chosen = plans._replace(**{name: getattr(plans, name)[numbers] for name in ("stays", "tied", "passing", "room")})
    return rounds.bound_all(setup.arrays.works, chosen, setup.prepared.tables)


def trips_of(total):
    """Return the distinct numbers of tiles of a loop."""
    return sorted({-(-total // tile) for tile in range(1, total + 1)})


def nested_in(inside, tied):
    """Return the trips that a tile of whole numbers of one with so many can have."""
    return [inside] if tied else sorted({-(-inside // many) for many in range(1, inside + 1)})


def depends(operand, dim):
    """Whether an operand, by its number, depends on a loop."""
    return dim in RELEVANT[OPERANDS[operand]]


def tied_along(one, level, dim):
    """Whether a plan makes the tile of a level that of the next one inside along a loop."""
    if level >= len(one.stays):
        return False
    tied = one.tied[level]
    return tied == 2 or (tied == 1 and depends(one.stays[level], dim))


def rung_tuples(layer):
    """Every choice of trips of the loops of the tables, and where it stands among the rungs of each."""
    every = [list(enumerate(trips_of(getattr(layer, dim)))) for dim in WALKED]
    for chosen in product(*every):
        at = tuple(number for number, _ in chosen)
        yield at, dict(zip(WALKED, (trips for _, trips in chosen), strict=True))


def tiles_with(total, trips):
    """Return the tiles of a loop of which there are so many."""
    return [tile for tile in range(1, total + 1) if -(-total // tile) == trips]


def axis_walks(axis, trips, tap_trips):
    """Least positions of the largest tile, and fetched afresh, along outputs and along taps, over the tiles of two rungs."""
    pairs = list(product(tiles_with(axis.outputs, trips), tiles_with(axis.taps, tap_trips)))
    return (
        min(largest(axis, *pair) for pair in pairs),
        [
            min(afresh(axis, *pair) for pair in pairs),
            min(along_outputs(axis, *pair, axis.outputs) for pair in pairs),
            min(along_taps(axis, *pair, axis.taps) for pair in pairs),
        ],
    )


def fetched_least(layer, stay, trips):
    """Least positions of a sweep over the ifmap, each walk of a form at its best."""
    _, high = axis_walks(layer.height, trips["p"], trips["r"])
    _, wide = axis_walks(layer.width, trips["q"], trips["s"])
    loops = [0] + [1] * (stay != 2) + [2] * (stay != 0)
    return min(min(high[loop] * wide[0], high[0] * wide[loop]) for loop in loops)


def level_charge(w, one, level, trips, fetched, known=None):
    """What a level adds by resource: what moves at its boundary, and what stays in place further in, swept by its trips."""
    least = w.least[0] * w.least[1]
    sweeps = trips["n"] * trips["p"] * trips["q"], trips["k"], trips["c"] * trips["r"] * trips["s"]
    total = np.zeros(one.flow.shape[2])
    if 1 <= level < one.stores:
        stay = one.stays[level - 1]
        for operand in (0, 2):
            total += one.flow[level, operand] * sweeps[operand] * (operand != stay)
        total += one.flow[level, 1] * (fetched - least if stay == 1 else sweeps[1] * fetched)
    if level + 1 < one.stores:
        stay = one.stays[level]
        total += one.flow[level + 1, stay] * sweeps[stay] * (least if stay == 1 else 1)
    read, written = known or (w.fetched[0], w.fetched[1])
    for operand in range(3):
        if one.counted[operand] == level and w.inner == w.last:
            if operand == 1:
                total += (one.outer[1] * read + one.own[1] * written) * (sweeps[1] - 1) + (one.outer[1] + one.own[1]) * least
            else:
                total += (one.outer[operand] + one.own[operand]) * sweeps[operand]
    return total


def tile_bits(layer, tile, area):
    """Bits of every operand of a tile of one group, and the ofmap's at the least width it can have."""
    whole = tile["c"] == layer.c and tile["r"] == layer.r and tile["s"] == layer.s
    width = min(layer.ofmap_bits, layer.psum_bits) if whole else layer.psum_bits
    return {
        "weight": tile["k"] * tile["c"] * tile["r"] * tile["s"] * layer.weight_bits,
        "ifmap": tile["n"] * tile["c"] * area * layer.ifmap_bits,
        "ofmap": tile["n"] * tile["k"] * tile["p"] * tile["q"] * width,
    }


def has_room(store, held, bits, many=1):
    """Whether so many stores have room for bits of the operands that they hold, each in its part or all in the rest."""
    apart = [operand for operand in held if operand in store.part_bits]
    shared = sum(bits[operand] for operand in held if operand not in apart)
    capacity = inf if store.capacity_bits is None else store.capacity_bits
    return shared <= many * capacity and all(bits[operand] <= many * store.part_bits[operand] for operand in apart)


def extents_of(layer):
    """Return the extents of a layer in the order of the dimensions."""
    return np.array([getattr(layer, dim) for dim in DIMS], dtype=np.int64)
