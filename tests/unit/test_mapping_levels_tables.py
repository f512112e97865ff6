"""Ifmap positions of tiles: tables and walks, compiled and interpreted, against sets of positions written out one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping.axis import Axis, touched
from costmodel.mapping.levels import tables, walks
from costmodel.mapping.levels.tables import axis_table, cover, least_fetched, span, spans_of, wanted
from costmodel.mapping.levels.walks import afresh, along_outputs, along_taps, distinct, largest, parts
from tests.oracle.strategies import axes


def interpreted(function):
    """Return a function as Python runs it, where Numba compiled it."""
    return getattr(function, "py_func", function)


def spanned(axis, outputs, taps):
    """Positions of the ifmap from the first that some outputs and taps want to the last, one by one."""
    found = [o * axis.stride + t * axis.dilation - axis.pad for o, t in product(outputs, taps)]
    return {at for at in range(min(found), max(found) + 1) if 0 <= at < axis.size}


def pieces(total, size):
    """Ranges that make up a loop."""
    return [range(first, min(first + size, total)) for first in range(0, total, size)]


def kept(tiles):
    """Positions fetched in a walk that keeps what the tile before it had."""
    total, before = 0, set()
    for tile in tiles:
        total += len(tile - before)
        before = tile
    return total


@st.composite
def tiled(draw, longest=9):
    """Draw an axis, a tile of it, and a tile around that one."""
    axis = Axis(*draw(axes(longest)))
    outputs, taps = draw(st.integers(1, axis.outputs)), draw(st.integers(1, axis.taps))
    around = outputs * draw(st.integers(1, 4)), taps * draw(st.integers(1, 3))
    return axis, (outputs, taps), (min(around[0], axis.outputs), min(around[1], axis.taps))


def test_parts_of_a_loop():
    """The last part is what remains, and a size beyond the loop leaves one."""
    assert list(parts(7, 3)) == [(0, 3), (3, 3), (6, 1)]
    assert list(parts(6, 3)) == [(0, 3), (3, 3)]
    assert list(parts(4, 9)) == [(0, 4)]


@pytest.mark.parametrize(
    ("outputs", "taps", "seen"),
    [
        ((0, 1), (0, 3), (0, 2)),  # one position of padding before the first output
        ((1, 2), (0, 3), (1, 6)),
        ((4, 1), (0, 3), (7, 9)),  # the last tap lies behind the end
        ((0, 1), (0, 1), (0, 0)),  # nothing but padding
    ],
)
def test_interval_by_hand(outputs, taps, seen):
    """Stride 2, three taps, one position of padding on each side of nine positions."""
    axis = Axis(5, 3, stride=2, pad=1, size=9)
    assert walks.interval(axis, outputs, taps) == seen
    assert walks.positions(axis, outputs, taps) == seen[1] - seen[0]


def test_overlapping_and_separate_intervals_are_united():
    """What several intervals share counts once, in any order; empty ones count nothing."""
    assert walks.union([]) == 0
    assert walks.union([(4, 8), (0, 5), (20, 22)]) == 10
    assert walks.union([(3, 3), (0, 10), (2, 4), (5, 9)]) == 10


@given(tiled())
def test_every_tile_fetched_whole(case):
    """Sum and largest over all tiles, each as a set of positions."""
    axis, (outputs, taps), _ = case
    sizes = [len(spanned(axis, o, t)) for o in pieces(axis.outputs, outputs) for t in pieces(axis.taps, taps)]
    assert afresh(axis, outputs, taps) == sum(sizes)
    assert largest(axis, outputs, taps) == max(sizes)


@given(tiled())
def test_a_walk_over_outputs_keeps_what_neighbours_share(case):
    """Within a tile of the store outside, a tile of outputs fetches what the one before it lacks."""
    axis, (outputs, taps), (outer, _) = case
    literal = sum(
        kept([spanned(axis, range(big.start + o.start, big.start + o.stop), tap) for o in pieces(len(big), outputs)])
        for tap in pieces(axis.taps, taps)
        for big in pieces(axis.outputs, outer)
    )
    assert along_outputs(axis, outputs, taps, outer) == literal


@given(tiled())
def test_a_walk_over_taps_keeps_what_neighbours_share(case):
    """The same where taps advance: dilated taps that do not touch share nothing."""
    axis, (outputs, taps), (_, outer) = case
    literal = sum(
        kept([spanned(axis, output, range(big.start + t.start, big.start + t.stop)) for t in pieces(len(big), taps)])
        for output in pieces(axis.outputs, outputs)
        for big in pieces(axis.taps, outer)
    )
    assert along_taps(axis, outputs, taps, outer) == literal


@given(tiled(), st.integers(1, 4), st.integers(1, 3))
def test_what_several_elements_want_once(case, many, wide):
    """Groups of neighbours as sets, walked and in the compiled count, interpreted too."""
    axis, (outputs, taps), _ = case
    literal = 0
    for out, tap in product(pieces(axis.outputs, outputs * many), pieces(axis.taps, taps * wide)):
        literal += len(set().union(*(
            spanned(axis, range(out.start + o.start, out.start + o.stop), range(tap.start + t.start, tap.start + t.stop))
            for o in pieces(len(out), outputs) for t in pieces(len(tap), taps)
        )))  # fmt: skip
    assert distinct(axis, (outputs, many), (taps, wide)) == literal
    gaps, geometry = np.array([axis.stride, axis.dilation]), np.array([axis.pad, axis.size])
    for function in (wanted, interpreted(wanted)):
        assert function(axis.outputs, axis.taps, gaps, geometry, outputs, many, taps, wide) == literal


@given(tiled())
def test_cover_is_the_walk(case):
    """The loop walked innermost: none, outputs, taps; from the table, compiled and interpreted."""
    axis, (outputs, taps), (outer, around) = case
    table = axis_table(axis)
    walked = [
        afresh(axis, outputs, taps), along_outputs(axis, outputs, taps, outer), along_taps(axis, outputs, taps, around),
    ]  # fmt: skip
    for loop, fetched in enumerate(walked):
        given_ = table, axis.outputs, axis.taps, axis.stride, axis.dilation, outputs, taps, outer, around, loop
        assert cover(*given_) == interpreted(cover)(*given_) == fetched


@given(tiled())
def test_columns_of_a_table(case):
    """Largest extent, and positions fetched by tiles with all their taps or outputs and by the rest."""
    axis, (outputs, taps), _ = case
    table = axis_table(axis)
    split = {"taps": [0, 0], "outputs": [0, 0]}
    for out, tap in product(pieces(axis.outputs, outputs), pieces(axis.taps, taps)):
        fetched = len(spanned(axis, out, tap))
        split["taps"][len(tap) < taps] += fetched
        split["outputs"][len(out) < outputs] += fetched
    assert table[:, outputs, taps].tolist() == [largest(axis, outputs, taps), *split["taps"], *split["outputs"]]


@given(axes(8))
def test_a_table_interpreted_is_the_table_compiled(drawn):
    """The same numbers without Numba."""
    axis = Axis(*drawn)
    geometry = axis.outputs, axis.taps, axis.stride, axis.dilation, axis.pad, axis.size
    table = np.zeros((5, axis.outputs + 1, axis.taps + 1))
    interpreted(tables.fill)(table, *geometry)
    assert (table[:, 1:, 1:] == axis_table(axis)[:, 1:, 1:]).all()


@given(tiled(), st.integers(0, 5), st.integers(0, 2))
def test_span_is_a_set_of_positions(case, first, tap):
    """Outputs and taps from any first one on, in padding and beyond the end as well."""
    axis, (outputs, taps), _ = case
    found = span(first, outputs, tap, taps, axis.stride, axis.dilation, axis.pad, axis.size)
    assert found == len(spanned(axis, range(first, first + outputs), range(tap, tap + taps)))


def flagged(table, total, along):
    """Trip counts whose smallest tile another beats, and those a divided one of which is so; ``along`` the tile's axis."""
    columns = np.moveaxis(table, along, 0)[:, :, 1:]
    bad = {
        -(-total // tile)
        for tile in range(2, total + 1)
        if -(-total // tile) == -(-total // (tile - 1)) and (columns[tile] < columns[tile - 1]).any()
    }
    return [float(any(-(-many // by) in bad for by in range(1, many + 1))) for many in range(1, total + 1)]


@settings(max_examples=60)
@given(axes(12))
def test_irregular_trip_counts_are_flagged(drawn):
    """Row and column 0 of the first column tell where larger tiles of as many trips can fetch less."""
    axis = Axis(*drawn)
    table = axis_table(axis)
    assert table[0, 1:, 0].tolist() == flagged(table, axis.outputs, 1)
    assert table[0, 0, 1:].tolist() == flagged(table, axis.taps, 2)


def test_a_larger_tile_that_can_fetch_less_is_flagged():
    """One tap at stride 3: two full tiles of two outputs span 8, one of three spans 7 and leaves a single position."""
    axis = Axis(4, 1, stride=3, size=10)
    table = axis_table(axis)
    assert [afresh(axis, outputs, 1) for outputs in (1, 2, 3, 4)] == [4, 8, 8, 10]
    assert table[tables.EXTENT, 1:, 1].tolist() == [1, 4, 7, 10]
    assert table[tables.FULL_OUTPUTS, 1:, 1].tolist() == [4, 8, 7, 10]
    assert table[tables.LAST_OUTPUTS, 1:, 1].tolist() == [0, 0, 1, 0]
    assert table[0, 1:, 0].tolist() == [0.0, 1.0, 1.0, 1.0]  # two trips, and three and four, half of which are two


@given(axes(9), st.data())
def test_better_looks_at_every_multiple(drawn, data):
    """Whether a tile or a multiple of it has fewer positions in any column than the same multiple of a smaller one."""
    axis = Axis(*drawn)
    table, total = axis_table(axis), axis.outputs
    tile = data.draw(st.integers(1, total))
    leader = data.draw(st.integers(1, tile))
    literal = any(
        (table[:, tile * by, 1:] < table[:, leader * by, 1:]).any() for by in range(1, total + 1) if tile * by < total
    )
    assert tables.better(table, total, False, tile, leader) == literal
    assert interpreted(tables.better)(table, total, False, tile, leader) == literal


@given(axes(6), axes(9))
def test_tables_of_both_axes_are_padded(height, width):
    """Each in its corner, nothing around it."""
    one, two = Axis(*height), Axis(*width)
    spans = spans_of(one, two)
    for axis, found in zip((one, two), spans, strict=True):
        table = axis_table(axis)
        assert (found[:, : axis.outputs + 1, : axis.taps + 1] == table).all()
        assert found.sum() == table.sum()


@given(tiled())
def test_no_walk_fetches_less_than_the_least(case):
    """What bounds the search is below every walk, and no more than what is needed at all."""
    axis, (outputs, taps), (outer, around) = case
    least = least_fetched(axis)
    assert least <= touched(axis)
    assert least <= along_outputs(axis, outputs, taps, outer) <= afresh(axis, outputs, taps)
    assert least <= along_taps(axis, outputs, taps, around) <= afresh(axis, outputs, taps)


def test_the_least_of_a_plain_filter_is_what_it_touches():
    """Stride 1: the whole filter over the whole axis fetches every position once."""
    assert least_fetched(Axis(6, 3, size=8)) == 8 == touched(Axis(6, 3, size=8))
    assert least_fetched(Axis(4, 1, stride=3, size=10)) == 4
