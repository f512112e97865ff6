"""Candidates of the innermost tile against every tile there is, and the record the compiled search starts from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping import DIMS, Layer
from costmodel.mapping.axis import Axis, smallest_tiles
from costmodel.mapping.levels.arrays import LEVELS, RESOURCES, SIDES, work_record
from costmodel.mapping.levels.candidates import along, steps_along
from costmodel.mapping.levels.hierarchy import OPERANDS, Hierarchy, Side, Store
from costmodel.mapping.levels.pinned import Pinned
from costmodel.mapping.levels.pins import FREE
from costmodel.mapping.levels.price import spread_steps
from costmodel.mapping.levels.setup import UNBOUNDED, arrays_of, longest
from costmodel.mapping.levels.tables import axis_table
from tests.oracle.levels_strategies import problems
from tests.oracle.strategies import axes

NO_TABLE = np.zeros((5, 1, 1))
NO_SIDES = np.zeros((0, 2), dtype=np.int64)
ONE = dict.fromkeys(OPERANDS, 1.0)


def interpreted(function):
    """Return a function as Python runs it, where Numba compiled it."""
    return getattr(function, "py_func", function)


def plain(total, most, sides=NO_SIDES):
    """Rows of a dimension that fetches no ifmap of its own."""
    return along(total, most, np.array(sides, dtype=np.int64).reshape(-1, 2), False, False, NO_TABLE)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 9))
def test_steps_are_those_of_the_busiest_element(total, tile, elements):
    """Groups of elements work side by side as long as the first of them; alone, an element works on everything."""
    literal = sum(min(tile, total - first) for first in range(0, total, tile * elements)) if elements > 1 else total
    assert steps_along(total, tile, elements) == spread_steps(total, tile, elements) == literal
    assert interpreted(steps_along)(total, tile, elements) == literal


@pytest.mark.parametrize("total", [1, 2, 7, 10, 36, 100])
def test_without_sides_the_smallest_tile_of_every_trip_count(total):
    """Nothing is unrolled, and every other tile has as many trips and more room to take."""
    rows = plain(total, total)
    assert rows[:, 0].tolist() == smallest_tiles(total).tolist()
    assert (rows[:, 1] == -1).all()
    assert (rows[:, 2] == 1).all()
    assert (rows[:, 6] == total).all()


def test_rows_of_six_over_a_side_of_two_by_hand():
    """Tile, side, elements, tile of the array, copies, trips, steps."""
    assert plain(6, 2, [(1, 2)]).tolist() == [
        [1, -1, 1, 1, 6, 6, 6],
        [2, -1, 1, 2, 3, 3, 6],
        [1, 1, 2, 2, 6, 3, 3],
        [2, 1, 2, 4, 3, 2, 4],
    ]


def test_elements_without_work_are_left_out():
    """Five tiles over four elements take two trips, as over three; both take two steps."""
    rows = plain(5, 1, [(0, 4)])
    assert rows[:, 2].tolist() == [1, 2, 3]
    assert plain(1, 1, [(0, 4)]).tolist() == [[1, -1, 1, 1, 1, 1, 1]]


@st.composite
def dimensions(draw):
    """Draw an axis, which of its loops, and sides that may unroll it."""
    axis = Axis(*draw(axes(14)))
    along_taps = draw(st.booleans())
    total = axis.taps if along_taps else axis.outputs
    sides = [(at, draw(st.integers(2, 6))) for at in range(draw(st.integers(0, 2)))]
    return axis, along_taps, total, draw(st.integers(1, total)), np.array(sides, dtype=np.int64).reshape(-1, 2)


@given(dimensions(), st.booleans())
def test_every_row_is_what_it_says(case, spatial):
    """Tiles fit, elements are on the side, and the counts are literal; no row comes twice."""
    axis, along_taps, total, most, sides = case
    rows = along(total, most, sides, spatial, along_taps, axis_table(axis))
    size = {-1: 1, **dict(sides.tolist())}
    for tile, side, many, array, copies, trips, steps in rows.tolist():
        assert 1 <= tile <= most
        assert 1 <= many <= size[side]
        assert array == min(tile * many, total)
        assert copies == len(range(0, total, tile))
        assert trips == len(range(0, copies, many))
        assert steps == spread_steps(total, tile, many)
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)


@given(dimensions(), st.booleans())
def test_nothing_left_out_is_better(case, spatial):
    """Every tile over every number of elements has a row of as many copies and trips that needs no more of anything."""
    axis, along_taps, total, most, sides = case
    rows = along(total, most, sides, spatial, along_taps, axis_table(axis)).tolist()
    for side, size in [(-1, 1), *sides.tolist()]:
        for many in range(1, min(size, total) + 1):
            for tile in range(1, most + 1):
                copies = -(-total // tile)
                assert any(
                    row[1] in (side, -1) and row[0] <= tile and row[2] <= many and row[4] == copies
                    and row[5] == -(-copies // many) and row[6] <= spread_steps(total, tile, many)
                    for row in rows
                )  # fmt: skip


@given(dimensions())
def test_spatial_loops_only_add_rows_that_fetch_less(case):
    """A larger tile than needed is looked at only where it, or what the array then has, fetches less somewhere."""
    axis, along_taps, total, most, sides = case
    table = axis_table(axis)
    rows = {tuple(row) for row in along(total, most, sides, True, along_taps, table).tolist()}
    fewer = {tuple(row) for row in along(total, most, sides, False, along_taps, table).tolist()}
    assert fewer <= rows
    columns = np.moveaxis(table, 2 if along_taps else 1, 0)[:, :, 1:]
    for tile, _, many, array, copies, trips, _ in rows - fewer:
        leader, fewest = -(-total // copies), -(-copies // trips)
        pairs = [(tile, leader), (array, min(leader * many, total)), (array, min(tile * fewest, total))]
        multiples = [(a * by, b * by) for a, b in pairs if a > b for by in range(1, total + 1) if a * by < total]
        assert any((columns[a] < columns[b]).any() for a, b in multiples)


@settings(max_examples=40)
@given(dimensions(), st.booleans())
def test_interpreted_candidates_are_the_compiled_ones(case, spatial):
    """The same rows in the same order without Numba."""
    axis, along_taps, total, most, sides = case
    compiled = along(total, most, sides, spatial, along_taps, axis_table(axis))
    assert (interpreted(along)(total, most, sides, spatial, along_taps, axis_table(axis)) == compiled).all()


# ---- the record


LAYER = Layer(
    n=2, k=12, c=8, p=5, q=4, r=3, s=2, stride_h=2, dilation_w=3, pad_top=1, ifmap_h=10, ifmap_w=7,
    weight_bits=4, ifmap_bits=16, ofmap_bits=8, psum_bits=32,
)  # fmt: skip
DRAM, GLB = Store("dram", None, ONE, ONE), Store("glb", 4096, ONE, ONE, {"ofmap": 512})
RF = Store("rf", 64, ONE, ONE, {"weight": 16}, holds=("weight", "ofmap"), per_element=True)
ARRAY = Hierarchy((DRAM, GLB, RF), (Side("rows", 4, ("c", "r")), Side("columns", 2, ("k",), False, False)))


def test_an_empty_record_is_zero():
    """A fresh record has room for every level, side and resource, and nothing in it."""
    w = work_record()
    assert (w.room.shape, w.side.shape, w.total.shape) == ((LEVELS, 4), (SIDES, 3), (RESOURCES,))
    assert not any(np.any(w[name]) for name in w.dtype.names)


def test_a_layer_on_an_array_as_numbers():
    """Extents in the order of the dimensions, geometry by axis, widths, and the levels of the hierarchy."""
    w = arrays_of(LAYER, ARRAY).works[0]
    assert w.extent.tolist() == [2, 1, 12, 8, 5, 4, 3, 2]
    assert (w.gaps.tolist(), w.geometry.tolist()) == ([[2, 1], [1, 3]], [[1, 10], [0, 7]])
    assert w.bits.tolist() == [4, 16, 8, 32]
    assert (w.last, w.inner, w.sides) == (2, 2, 2)
    assert w.tile[0].tolist() == w.extent.tolist()
    assert w.side[:2].tolist() == [[4, 1, 1], [2, 0, 0]]
    assert {DIMS[dim]: w.unrolls[dim, :2].tolist() for dim in range(8) if w.unrolls[dim].any()} == {
        "k": [0, 1], "c": [1, 0], "r": [1, 0],
    }  # fmt: skip


def test_rooms_as_numbers():
    """What operands share and their parts; no bound where none is given, and a register holds one value."""
    w = arrays_of(LAYER, ARRAY).works[0]
    assert w.room[:3].tolist() == [[UNBOUNDED, -1, -1, -1], [4096, -1, -1, 512], [64, 16, UNBOUNDED, -1]]
    assert w.values.tolist() == [UNBOUNDED, 1.0, UNBOUNDED]


def test_tiles_of_elements_are_no_larger_than_their_room():
    """Four weights of 4 bits in 16, whole axes in 64; an ifmap register of one value leaves no n or c, and g is single."""
    arrays = arrays_of(LAYER, ARRAY)
    begin = arrays.works[0].begin
    most = {dim: int(arrays.rows[begin[at] : begin[at + 1], 0].max()) for at, dim in enumerate(DIMS)}
    assert most == {"n": 1, "g": 1, "k": 4, "c": 1, "p": 5, "q": 4, "r": 3, "s": 2}


def test_rows_are_in_order_and_their_fewest_known():
    """Per dimension by trips, elements, tile; fewest copies, trips and steps of each."""
    arrays = arrays_of(LAYER, ARRAY)
    begin = arrays.works[0].begin
    assert begin[0] == 0
    assert begin[-1] == len(arrays.rows)
    for dim in range(8):
        rows = arrays.rows[begin[dim] : begin[dim + 1]]
        keys = [(row[5], row[2], row[0]) for row in rows.tolist()]
        assert keys == sorted(keys)
        assert arrays.works[0].fewest[dim].tolist() == rows[:, 4:7].min(axis=0).tolist()


def test_without_a_store_in_elements_tiles_are_single():
    """The array has a level of its own behind the last store, and elements work on one value."""
    shared = replace(ARRAY, stores=(DRAM, GLB))
    arrays = arrays_of(LAYER, shared)
    assert (arrays.works[0].last, arrays.works[0].inner) == (1, 2)
    assert (arrays.rows[:, 0] == 1).all()
    assert arrays_of(LAYER, shared).wants is arrays.wants
    other = replace(shared, sides=tuple(replace(side, multicast=not side.multicast) for side in shared.sides))
    assert arrays_of(LAYER, other).wants is not arrays.wants


@settings(max_examples=150)
@given(problems(2, macs=4000, longest=8))
def test_candidates_that_are_kept_are_those_of_the_layer(case):
    """What is remembered by extent, room, sides and axis is what no pin leaves of this layer, whatever came before."""
    layer, hierarchy = case
    arrays, free = arrays_of(layer, hierarchy), Pinned(layer, hierarchy, FREE)
    begin = arrays.works[0].begin
    for at, dim in enumerate(DIMS):
        some = all(span > 0 for span in arrays.spans[:, 0, 1, 1])
        most = longest(layer, hierarchy, arrays.works[0], dim, some)
        literal = free.rows(dim, most, arrays.spans[0 if dim in "pr" else 1])
        assert sorted(literal.tolist()) == sorted(arrays.rows[begin[at] : begin[at + 1]].tolist())
