"""The exact minimum of off-chip traffic over every tile and every loop order, for many layers at once.

For any order, the innermost loop belongs to one of three classes: loops the weight does not depend on (n, p, q), the loop
the ifmap does not depend on (k), or loops the ofmap does not depend on (c, r, s). An order whose whole class is innermost
is at least as good as any other of that class, so three forms cover all orders:

- weight in place: ``W + trips(k) I + O(trips(c r s))``
- ifmap in place:  ``trips(n p q) W + I + O(trips(c r s))``
- ofmap in place:  ``trips(n p q) W + trips(k) I + O(1)``

In each form some tile sizes are free (they only enlarge the footprint, so 1 is best) and one follows from the memory that
is left; the others are enumerated. The proof is in ``docs/models/traffic.md``; ``tests/oracle`` enumerates the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from costmodel.formulas.counts import ceil_div
from costmodel.formulas.traffic import moved_ofmap_bits
from costmodel.mapping import space as tiles
from costmodel.mapping.axis import Axis, touched, whole_filter_tiles
from costmodel.mapping.mapping import DIMS, Mapping
from costmodel.mapping.nest import Layer, axis_row, buffer_bits, tile_trips, traffic
from costmodel.mapping.problem import GEOMETRY, Problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from costmodel.mapping.space import Space

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

OPERANDS = ("weight", "ifmap", "ofmap")
ORDERS = {  # outermost first; by operand in place and, for the ifmap's overlap, the axis walked innermost
    "weight": {"p": "gkcrsnqp", "q": "gkcrsnpq"},
    "ifmap": {"p": "gncrsqpk", "q": "gncrspqk", "r": "gncpqsrk", "s": "gncpqrsk"},
    "ofmap": {"r": "gnkpqcsr", "s": "gnkpqcrs"},
}
CHUNK_CELLS = 1 << 17
EXACT_BITS = 1 << 52
LEAST_BITS = 2.0**-30
"""Stands for the zero bits of an operand that is on chip already, where a size is divided by it."""
CHANNELS = ("g", "k", "c", "weight_elems", "ofmap_elems", "weight_bits", "ifmap_bits", "ofmap_bits", "psum_bits")


@dataclass(frozen=True, eq=False)
class Solutions:
    """Optimal mappings of a set of problems, arrays of shape (M,).

    ``fits`` is False where no tile fits, ``exact`` where more than ``EXACT_BITS`` would move; ``weight_bits``,
    ``ifmap_bits`` and ``ofmap_bits`` are what crosses the boundary [bits]; ``passes`` visits to each ofmap tile (more than
    1: partial sums leave and come back); ``stationary`` indexes ``OPERANDS``; ``tile`` has the tile sizes in the order of
    ``DIMS``, shape (8, M).
    """

    fits: NDArray[np.bool_]
    exact: NDArray[np.bool_]
    weight_bits: Ints
    ifmap_bits: Ints
    ofmap_bits: Ints
    passes: Ints
    stationary: Ints
    tile: Ints

    def __getitem__(self, index: Ints | slice) -> Solutions:
        """Return the solutions that ``index`` selects."""
        return Solutions(**{name: column[..., index] for name, column in vars(self).items()})


class Best:
    """The cheapest mapping found so far of each of some problems that share a geometry.

    ``bound`` is what no mapping undercuts, ``spilled`` what none undercuts whose partial sums leave [bits].
    """

    def __init__(self, rows: Problems, capacity_bits: Ints, batch: int, height: Axis, width: Axis) -> None:
        self.rows = rows
        self.batch, self.height, self.width = batch, height, width
        count = len(rows)
        self.cost = np.full(count, np.inf)
        self.stationary = np.zeros(count, dtype=np.int64)
        self.tile = np.ones((8, count), dtype=np.int64)
        self.column = {name: getattr(rows, name).astype(np.float64) for name in CHANNELS}
        self.column["capacity"] = capacity_bits.astype(np.float64)
        self.least = LEAST_BITS if any((self.column[f"{name}_bits"] == 0).any() for name in OPERANDS) else 0.0
        self.weight = self.column["weight_elems"] * self.column["weight_bits"]
        self.ifmap = self.column["g"] * self.column["c"] * batch * self.column["ifmap_bits"]
        positions = touched(height) * touched(width)
        self.bound = self.weight + self.ifmap * positions + self.ofmap(1.0)
        self.spilled = self.bound - self.ofmap(1.0) + self.ofmap(2.0)

    @property
    def taps(self) -> int:
        """Positions of the whole filter."""
        return self.height.taps * self.width.taps

    def columns(self, rows: Ints) -> dict[str, Floats]:
        """Channel columns of some problems as (rows, 1), to meet candidates as (1, M)."""
        return {name: column[rows, None] for name, column in self.column.items()}

    def ofmap(self, passes: float | Floats, rows: slice | Ints = slice(None)) -> Floats:
        """Bits moved for the ofmap in ``passes`` visits, for ``rows``."""
        c = self.column
        elems, bits, psum = c["ofmap_elems"][rows], c["ofmap_bits"][rows], c["psum_bits"][rows]
        return np.asarray(moved_ofmap_bits(elems, passes, bits, psum))

    def fitting(self, room: Floats, each: Floats, most: Floats | float) -> Floats:
        """How many of ``each`` bits fit into ``room`` bits, at most ``most``; below 1 where none does."""
        if self.least:  # half a bit more changes no quotient of integers, and lets nothing fit into no room
            return np.minimum(np.floor((room + 0.5) / np.maximum(each, self.least)), most)
        return np.minimum(np.floor(room / each), most)

    def open(self, bound: Floats) -> Ints:
        """Indices of problems that a mapping with at least ``bound`` bits could still improve."""
        return np.flatnonzero(bound < self.cost)

    def update(self, rows: Ints, cost: Floats, stationary: int, **tile: Floats) -> None:
        """Keep, for each of ``rows``, the given mapping if it is strictly cheaper; tiles not given are 1."""
        better = cost < self.cost[rows]
        target = rows[better]
        self.cost[target] = cost[better]
        self.stationary[target] = stationary
        self.tile[:, target] = 1
        for dim, sizes in tile.items():
            self.tile[DIMS.index(dim), target] = sizes[better]


def chunks(rows: Ints, candidates: int) -> Iterator[Ints]:
    """Split ``rows`` so that rows x candidates stays in cache."""
    step = max(1, CHUNK_CELLS // max(candidates, 1))
    for start in range(0, rows.size, step):
        yield rows[start : start + step]


def narrowed(best: Best, space: Space, open_rows: Ints, passes: float) -> Iterator[tuple[Ints, Space]]:
    """Problems in groups that fit the cache, each with the candidates that could still improve one of its problems.

    A candidate moves at least ``trips W + sweep I + O(passes)`` bits, so that what a problem moves already limits the trips
    and the sweep of whatever is cheaper. Problems with like limits come together; candidates keep their order.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        left = best.cost[open_rows] - best.ofmap(passes, open_rows)
        weight, ifmap = best.weight[open_rows], best.ifmap[open_rows]
        trips = (left - ifmap * space.sweep.min()) / weight
        sweep = (left - weight) / ifmap
    trips[np.isnan(trips)], sweep[np.isnan(sweep)] = np.inf, np.inf  # no bits of an operand on chip: no limit
    order = np.argsort(np.minimum(trips, sweep * space.trips.max()), kind="stable")
    step = max(1, CHUNK_CELLS // max(len(space), 1))
    for start in range(0, order.size, step):
        chosen = order[start : start + step]
        useful = (space.trips <= trips[chosen].max()) & (space.sweep <= sweep[chosen].max())
        if useful.all():
            yield open_rows[chosen], space
        elif useful.any():
            yield open_rows[chosen], space[useful]


def cheapest(cost: Floats, fits: NDArray[np.bool_]) -> tuple[Ints, Floats]:
    """Position and cost of the first cheapest candidate that fits, per row; infinite where none does."""
    cost = np.where(fits, cost, np.inf)
    choice = cost.argmin(axis=1)
    return choice, cost[np.arange(choice.size), choice]


def picked(matrix: Floats, choice: Ints) -> Floats:
    """Entry ``choice`` of each row of a matrix that may be one broadcast row."""
    return np.asarray(matrix[np.arange(choice.size) if len(matrix) > 1 else 0, choice])


def even(total: Floats, trips: Floats) -> Floats:
    """Return the smallest tile with that many trips."""
    return np.ceil(total / trips)


def weight_in_place(best: Best, space: Space) -> None:
    """Whole reduction in a tile; the output channels of a tile follow from the memory that is left."""
    for rows in chunks(best.open(best.bound), len(space)):
        c = best.columns(rows)
        room = c["capacity"] - c["ifmap_bits"] * c["c"] * space.area
        per_channel = c["weight_bits"] * c["c"] * best.taps + c["ofmap_bits"] * (space.p * space.q)
        channels = best.fitting(room, per_channel, c["k"])
        fits = channels >= 1
        trips = np.ceil(c["k"] / np.maximum(channels, 1))
        choice, sweeps = cheapest(trips * space.sweep, fits)
        reached = np.isfinite(sweeps)  # an ifmap of no bits times infinity would be no number
        cost = best.weight[rows] + best.ifmap[rows] * np.where(reached, sweeps, 0) + best.ofmap(1.0, rows)
        cost = np.where(reached, cost, np.inf)
        k, chosen = best.column["k"][rows], space[choice]
        best.update(
            rows, cost, 0, k=even(k, picked(trips, choice)), c=best.column["c"][rows],
            p=chosen.p, q=chosen.q, r=chosen.r, s=chosen.s,
        )  # fmt: skip


def ifmap_in_place(best: Best, everything: Space) -> None:
    """Whole reduction in a tile; the images of a tile follow from the memory that is left."""
    batch = float(best.batch)
    for rows, space in narrowed(best, everything, best.open(best.bound), 1.0):
        c = best.columns(rows)
        room = c["capacity"] - c["weight_bits"] * c["c"] * best.taps
        per_image = c["ifmap_bits"] * c["c"] * space.area + c["ofmap_bits"] * (space.p * space.q)
        images = best.fitting(room, per_image, batch)
        trips = np.ceil(batch / np.maximum(images, 1))
        weight, ifmap = best.weight[rows, None], best.ifmap[rows, None]
        moved = weight * (trips * space.trips) + ifmap * space.sweep
        choice, cost = cheapest(moved, images >= 1)
        chosen = space[choice]
        best.update(
            rows, cost + best.ofmap(1.0, rows), 1, n=even(np.full(rows.size, batch), picked(trips, choice)),
            c=best.column["c"][rows], p=chosen.p, q=chosen.q, r=chosen.r, s=chosen.s,
        )  # fmt: skip


def ofmap_in_place(best: Best, everything: Space) -> None:
    """One input channel at a time; the output channels of a tile follow from the memory that is left."""
    for rows, space in narrowed(best, everything, best.open(best.bound), 1.0):
        c = best.columns(rows)
        room = c["capacity"] - c["ifmap_bits"] * (space.n * space.area)
        outputs = space.n * space.p * space.q
        per_channel = c["weight_bits"] * (space.r * space.s) + c["psum_bits"] * outputs
        channels = best.fitting(room, per_channel, c["k"])
        trips = np.ceil(c["k"] / np.maximum(channels, 1))
        moved = best.weight[rows, None] * space.trips + best.ifmap[rows, None] * (trips * space.sweep)
        choice, cost = cheapest(moved, channels >= 1)
        chosen = space[choice]
        best.update(
            rows, cost + best.ofmap(1.0, rows), 2, n=chosen.n, k=even(best.column["k"][rows], picked(trips, choice)),
            p=chosen.p, q=chosen.q, r=chosen.r, s=chosen.s,
        )  # fmt: skip


def spilled_weight_in_place(best: Best, space: Space) -> None:
    """As :func:`weight_in_place`, the reduction split: partial sums leave and come back.

    From the whole depth downwards, one tile per trip count; a problem is done when the partial sums alone cost too much.
    """
    depth = best.column["c"].copy()
    rows = best.open(best.spilled)
    while rows.size:
        for part in chunks(rows, len(space)):
            spilled_weight_step(best, space, part, depth[part])
        rows = rows[depth[rows] > 1]
        channels = best.column["c"][rows]
        depth[rows] = np.ceil(channels / np.ceil(channels / (depth[rows] - 1)))
        passes = np.ceil(channels / depth[rows])
        rows = rows[best.bound[rows] - best.ofmap(1.0, rows) + best.ofmap(passes, rows) < best.cost[rows]]


def spilled_weight_step(best: Best, space: Space, rows: Ints, depth: Floats) -> None:
    """Price the tiles with ``depth`` input channels, one value per row."""
    c = best.columns(rows)
    passes = np.ceil(c["c"] / depth[:, None]) * space.tap_trips
    room = c["capacity"] - c["ifmap_bits"] * depth[:, None] * space.area
    per_channel = c["weight_bits"] * depth[:, None] * (space.r * space.s) + c["psum_bits"] * (space.p * space.q)
    channels = best.fitting(room, per_channel, c["k"])
    trips = np.ceil(c["k"] / np.maximum(channels, 1))
    moved = best.ifmap[rows, None] * (trips * space.sweep) + moved_ofmap_bits(
        c["ofmap_elems"], passes, c["ofmap_bits"], c["psum_bits"]
    )
    choice, cost = cheapest(moved, (channels >= 1) & (passes > 1))
    chosen = space[choice]
    best.update(
        rows, cost + best.weight[rows], 0, k=even(best.column["k"][rows], picked(trips, choice)), c=depth,
        p=chosen.p, q=chosen.q, r=chosen.r, s=chosen.s,
    )  # fmt: skip


def spilled_ifmap_in_place(best: Best, everything: Space) -> None:
    """As :func:`ifmap_in_place`, the reduction split; the input channels of a tile follow from the memory left."""
    for rows, space in narrowed(best, everything, best.open(best.spilled), 2.0):
        c = best.columns(rows)
        room = c["capacity"] - c["psum_bits"] * (space.n * space.p * space.q)
        per_channel = c["weight_bits"] * (space.r * space.s) + c["ifmap_bits"] * (space.n * space.area)
        depth = best.fitting(room, per_channel, c["c"])
        trips = np.ceil(c["c"] / np.maximum(depth, 1))
        passes = trips * space.tap_trips
        moved = (
            best.weight[rows, None] * space.trips
            + best.ifmap[rows, None] * space.sweep
            + moved_ofmap_bits(c["ofmap_elems"], passes, c["ofmap_bits"], c["psum_bits"])
        )
        choice, cost = cheapest(moved, (depth >= 1) & (passes > 1))
        chosen = space[choice]
        best.update(
            rows, cost, 1, n=chosen.n, c=even(best.column["c"][rows], picked(trips, choice)),
            p=chosen.p, q=chosen.q, r=chosen.r, s=chosen.s,
        )  # fmt: skip


def solve_geometry(rows: Problems, capacity_bits: Ints, batch: int, height: Axis, width: Axis) -> Best:
    """Best mappings of problems with one batch and one spatial geometry; each step only for those still improvable."""
    best = Best(rows, capacity_bits, batch, height, width)
    weight_in_place(best, tiles.weight_stationary(height, width))
    if best.open(best.bound).size:
        ifmap_in_place(best, tiles.ifmap_stationary(height, width))
    if best.open(best.bound).size:
        ofmap_in_place(best, tiles.ofmap_stationary(batch, height, width))
    if best.open(best.spilled).size and int(rows.c.max()) * best.taps > 1:
        spilled_ifmap_in_place(best, tiles.ifmap_stationary_split(batch, height, width))
        if best.open(best.spilled).size:
            spilled_weight_in_place(best, tiles.weight_stationary_split(height, width))
    return best


def smallest_buffer_bits(problem: Problems) -> int:
    """Bits of the smallest buffer that any mapping of one problem fits into.

    Either one element of every operand, partial sums wide, or one output with its whole reduction.
    """
    ((_, _, height, width),) = problem.by_geometry()
    weight, ifmap, ofmap, psum, depth = (
        int(column[0])
        for column in (problem.weight_bits, problem.ifmap_bits, problem.ofmap_bits, problem.psum_bits, problem.c)
    )
    area = int(whole_filter_tiles(height).extent[0] * whole_filter_tiles(width).extent[0])
    whole = depth * (weight * height.taps * width.taps + ifmap * area) + ofmap
    split = weight + ifmap * int(axis_row(height, 1, 1).extent[0] * axis_row(width, 1, 1).extent[0]) + psum
    return min(whole, split) if depth * height.taps * width.taps > 1 else whole


def needed_bits(problems: Problems, solutions: Solutions) -> list[int]:
    """Bits of buffer that each mapping takes: every buffer between that and the one it was found for has the same optimum."""
    dims = dict(zip(DIMS, solutions.tile, strict=True))
    unfinished = np.zeros(len(problems), dtype=np.bool_)
    for dim in "crs":
        unfinished |= dims[dim] < getattr(problems, dim)
    names = GEOMETRY[1:]
    geometry = zip(*(getattr(problems, name).tolist() for name in names), *(dims[d].tolist() for d in "prqs"), strict=True)
    area = np.array([tile_area(*sizes) for sizes in geometry], dtype=np.int64)
    bits = dims["k"] * dims["c"] * dims["r"] * dims["s"] * problems.weight_bits
    bits = bits + dims["n"] * dims["c"] * area * problems.ifmap_bits
    width = np.where(unfinished, problems.psum_bits, problems.ofmap_bits)
    found: list[int] = (dims["g"] * (bits + dims["n"] * dims["k"] * dims["p"] * dims["q"] * width)).tolist()
    return found


@lru_cache(maxsize=65536)
def tile_area(
    p: int, q: int, r: int, s: int, stride_h: int, stride_w: int, dilation_h: int, dilation_w: int,
    pad_top: int, pad_left: int, ifmap_h: int, ifmap_w: int, rows: int, row_taps: int, columns: int, column_taps: int,
) -> int:  # fmt: skip
    """Ifmap positions that the largest tile holds."""
    height = axis_row(Axis(p, r, stride_h, dilation_h, pad_top, ifmap_h), rows, row_taps)
    width = axis_row(Axis(q, s, stride_w, dilation_w, pad_left, ifmap_w), columns, column_taps)
    return int(height.extent[0] * width.extent[0])


def solve(problems: Problems, capacity_bits: int | Ints) -> Solutions:
    """Minimise the bits each layer moves between a backing store and a buffer of ``capacity_bits``.

    Parameters
    ----------
    problems
        Layers to map, any number. An operand of 0 bits is on chip already: it is neither moved nor buffered.
    capacity_bits
        Buffer size divided by the buffering factor (2 where double-buffered) [bits]; one for all, or one per problem.

    Returns
    -------
    Solutions
        One per problem; where ``fits`` or ``exact`` is False the rest is meaningless.
    """
    capacities = np.broadcast_to(np.asarray(capacity_bits, dtype=np.int64), len(problems))
    each = () if np.ndim(capacity_bits) == 0 else (capacities,)
    first, inverse = problems.classes(*each)  # none at all where a network has neither products nor pooling
    return solve_distinct(problems[first], capacities[first])[inverse]


def solve_distinct(problems: Problems, capacity_bits: Ints) -> Solutions:
    """As :func:`solve` for problems of which no two are equal, one capacity each."""
    count = len(problems)
    cost = np.full(count, np.inf)
    stationary = np.zeros(count, dtype=np.int64)
    tile = np.ones((8, count), dtype=np.int64)
    for indices, batch, height, width in problems.by_geometry():
        best = solve_geometry(problems[indices], capacity_bits[indices], batch, height, width)
        cost[indices], stationary[indices], tile[:, indices] = best.cost, best.stationary, best.tile
    return solutions(problems, cost, stationary, tile)


def solutions(problems: Problems, cost: Floats, stationary: Ints, tile: Ints) -> Solutions:
    """Split the cost of each mapping by operand."""
    trips = {dim: ceil_div(getattr(problems, dim), tile[i]) for i, dim in enumerate(DIMS)}
    sweeps = np.where(stationary == OPERANDS.index("weight"), 1, trips["n"] * trips["p"] * trips["q"])
    passes = np.where(stationary == OPERANDS.index("ofmap"), 1, trips["c"] * trips["r"] * trips["s"])
    fits = np.isfinite(cost)
    exact = ~fits | (cost < EXACT_BITS)
    cost = np.where(fits & exact, cost, 0)
    weight = problems.weight_elems * problems.weight_bits * sweeps
    ofmap = moved_ofmap_bits(problems.ofmap_elems, passes, problems.ofmap_bits, problems.psum_bits)
    ifmap = cost.astype(np.int64) - weight - ofmap
    return Solutions(fits, exact, weight, ifmap, ofmap, passes, stationary, tile)


def mapping_of(layer: Layer, stationary: int, tile: Ints, buffering: int) -> Mapping:
    """Describe a solution: the order is the first of its form that moves the fewest bits."""
    sizes = {dim: int(size) for dim, size in zip(DIMS, tile, strict=True)}
    trips = tile_trips(layer, sizes)
    orders = ORDERS[OPERANDS[stationary]].values()
    order = min(orders, key=lambda loops: traffic(layer, sizes, loops).bits)
    return Mapping(
        OPERANDS[stationary],
        sizes,
        trips,
        tuple(dim for dim in order if trips[dim] > 1),
        -(-buffer_bits(layer, sizes) * buffering // 8),
    )
