"""Mappings of single layers: axes, tiles, orders, the smallest buffer, the description people read."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.analysis import analysis_of
from costmodel.errors import MappingError
from costmodel.graph import Graph
from costmodel.mapping import (
    DIMS,
    EXACT_BITS,
    Layer,
    Problems,
    buffer_bits,
    mapping_of,
    smallest_buffer_bits,
    solve,
    traffic,
)
from costmodel.mapping.axis import (
    Axis,
    all_tiles,
    smallest_tiles,
    tiles_with_taps,
    touched,
    whole_filter_tiles,
)
from costmodel.mapping.nest import ifmap_sweep, refetches, tile_trips
from costmodel.mapping.problem import grouped, hashed
from costmodel.mapping.space import (
    batched,
    crossed,
    efficient,
    ifmap_stationary,
    ofmap_stationary,
    weight_stationary,
)
from tests.unit.machine import machine

CONV1 = Layer(
    k=96, c=3, p=55, q=55, r=11, s=11, stride_h=4, stride_w=4, ifmap_h=227, ifmap_w=227,
    weight_bits=16, ifmap_bits=16, ofmap_bits=16, psum_bits=16,
)  # fmt: skip
CONV3 = Layer(
    k=384, c=256, p=13, q=13, r=3, s=3, pad_top=1, pad_left=1, ifmap_h=13, ifmap_w=13,
    weight_bits=16, ifmap_bits=16, ofmap_bits=16, psum_bits=16,
)  # fmt: skip
BUFFER_BITS = 55296 * 16


def whole(layer):
    """Return the tile that is the whole layer."""
    return {dim: getattr(layer, dim) for dim in DIMS}


def bits_of(layer, capacity_bits):
    """Return what the optimum moves."""
    found = solve(Problems.of_layer(layer), capacity_bits)
    return int((found.weight_bits + found.ifmap_bits + found.ofmap_bits)[0])


# ---- axes


def test_touched_positions_of_a_plain_window():
    """27 outputs of 5 taps with padding 2 touch all 27 positions; 55 outputs of stride 4 and 11 taps all 227."""
    assert touched(Axis(27, 5, pad=2, size=27)) == 27
    assert touched(Axis(55, 11, stride=4, size=227)) == 227


def test_touched_positions_with_gaps():
    """A 1-tap window of stride 2 touches every other position; a floor-mode pool leaves the last one."""
    assert touched(Axis(28, 1, stride=2, size=56)) == 28
    assert touched(Axis(27, 2, stride=2, size=55)) == 54


def test_padding_is_never_fetched():
    """An axis all of whose first window lies in the padding fetches what is real."""
    tiles = tiles_with_taps(Axis(3, 3, pad=1, size=3), np.array([1, 3]), 3)
    assert tiles.extent.tolist() == [3, 3]
    assert tiles.fetched.tolist() == [2 + 3 + 2, 3]


def test_halos_are_fetched_again_unless_the_window_slides():
    """Four tiles of 14 outputs share 7 rows with their neighbours: 227 rows and three times 7, or 227 where kept."""
    tiles = tiles_with_taps(Axis(55, 11, stride=4, size=227), np.array([14]), 11)
    assert tiles.output_trips.tolist() == [4]
    assert tiles.extent.tolist() == [63]
    assert tiles.fetched.tolist() == [227 + 3 * 7]
    assert tiles.fetched_by_output.tolist() == [227]


def test_windows_that_do_not_meet_keep_nothing():
    """With a stride beyond the filter, tiles share nothing, and small ones skip what no window needs."""
    tiles = tiles_with_taps(Axis(4, 1, stride=3, size=10), np.array([1, 2, 4]), 1)
    assert tiles.fetched.tolist() == [4, 8, 10]
    assert tiles.fetched_by_output.tolist() == [4, 8, 10]


def test_taps_split_and_kept():
    """Three taps one by one read an axis of 5 outputs three times; sliding over taps reads its 7 positions once."""
    tiles = tiles_with_taps(Axis(5, 3, size=7), np.array([5]), 1)
    assert tiles.tap_trips.tolist() == [3]
    assert tiles.extent.tolist() == [5]
    assert tiles.fetched.tolist() == [15]
    assert tiles.fetched_by_tap.tolist() == [7]


def test_dilated_taps_do_not_always_slide():
    """Taps 4 apart over tiles of 2 outputs share nothing: each is fetched by itself."""
    tiles = tiles_with_taps(Axis(2, 3, dilation=4, size=10), np.array([2]), 1)
    assert tiles.fetched.tolist() == tiles.fetched_by_tap.tolist() == [6]


def test_candidates_start_with_one_output():
    """The first tile of a group has one output: the one that slides."""
    assert whole_filter_tiles(Axis(55, 11, stride=4, size=227)).outputs[0] == 1


def test_every_part_of_the_filter_is_a_candidate():
    """Tiles with any number of taps are there, whole filters first."""
    taps = all_tiles(Axis(7, 5, pad=2, size=7)).taps
    assert sorted(set(taps.tolist())) == [1, 2, 3, 4, 5]
    assert taps[0] == 5


@pytest.mark.parametrize(
    ("total", "expected"), [(1, [1]), (2, [1, 2]), (10, [1, 2, 3, 4, 5, 10]), (13, [1, 2, 3, 4, 5, 7, 13])]
)
def test_smallest_tiles(total, expected):
    """One tile for each number of trips."""
    assert smallest_tiles(total).tolist() == expected


# ---- spaces


def test_crossing_two_axes():
    """Every pair of tiles, with the cheaper of the walks asked for."""
    height = whole_filter_tiles(Axis(4, 3, size=6))
    width = whole_filter_tiles(Axis(2, 1, size=2))
    space = crossed(height, width, ("fetched", "fetched"), ("fetched_by_output", "fetched"))
    assert len(space) == height.outputs.size * width.outputs.size
    assert space.sweep.min() == 6 * 2
    assert space.trips.max() == 4 * 2


def test_inefficient_candidates_are_dropped_and_order_kept():
    """Of a space, nothing remains that another candidate beats in every feature."""
    axis = Axis(27, 3, pad=1, size=27)
    everything = crossed(whole_filter_tiles(axis), whole_filter_tiles(axis), ("fetched", "fetched"))
    kept = efficient(everything)
    assert 0 < len(kept) < len(everything)
    assert set(zip(kept.p, kept.q, strict=True)) <= set(zip(everything.p, everything.q, strict=True))


def test_batch_tiles():
    """Every useful batch tile with every spatial tile; trips multiply, the area stays per image."""
    axis = Axis(3, 1, size=3)
    space = crossed(whole_filter_tiles(axis), whole_filter_tiles(Axis(1, 1)), ("fetched", "fetched"))
    assert len(batched(space, 6)) == len(space) * smallest_tiles(6).size
    assert batched(space, 1) is space


@pytest.mark.parametrize("make", [weight_stationary, ifmap_stationary, lambda h, w: ofmap_stationary(2, h, w)])
def test_spaces_are_made_once(make):
    """Geometries repeat: the same axes give the same object."""
    axis = Axis(9, 3, pad=1, size=9)
    assert make(axis, axis) is make(Axis(9, 3, pad=1, size=9), axis)


# ---- closed form


def test_refetches_count_irrelevant_loops_outside_the_innermost_relevant_one():
    """A loop over k outside p sweeps the ifmap again; innermost it does not."""
    trips = {"n": 1, "g": 1, "k": 5, "c": 2, "p": 3, "q": 1, "r": 1, "s": 1}
    assert refetches("ifmap", ("k", "c", "p"), trips) == 5
    assert refetches("ifmap", ("c", "p", "k"), trips) == 1
    assert refetches("weight", ("c", "p", "k"), trips) == 3
    assert refetches("ofmap", ("c", "p", "k"), trips) == 2
    assert refetches("ofmap", ("p", "k", "c"), trips) == 1
    assert refetches("weight", (), trips) == 1


def test_one_tile_moves_every_operand_once():
    """The whole layer as one tile moves compulsory traffic, whatever the order."""
    moved = traffic(CONV3, whole(CONV3), DIMS)
    assert moved.weight_bits == 384 * 256 * 9 * 16
    assert moved.ifmap_bits == 256 * 169 * 16
    assert moved.ofmap_bits == 384 * 169 * 16
    assert moved.bits == 992896 * 16


def test_partial_sums_leave_and_come_back():
    """Input channels outermost in two tiles: the ofmap is written twice and read back once, wide the first time."""
    layer = Layer(k=2, c=2, p=4, ifmap_h=4, psum_bits=32, ofmap_bits=8)
    tile = {**whole(layer), "c": 1, "p": 2}
    assert traffic(layer, tile, ("c", "p", "n", "g", "k", "q", "r", "s")).ofmap_bits == 8 * (8 + 2 * 32)
    assert traffic(layer, tile, ("p", "c", "n", "g", "k", "q", "r", "s")).ofmap_bits == 8 * 8


def test_buffer_holds_wide_partial_sums_only_while_unfinished():
    """With the reduction in one tile the ofmap takes its own width, with a split reduction that of partial sums."""
    layer = Layer(k=3, c=4, psum_bits=32, ofmap_bits=8, weight_bits=8, ifmap_bits=8)
    assert buffer_bits(layer, whole(layer)) == 8 * (12 + 4 + 3)
    assert buffer_bits(layer, {**whole(layer), "c": 2}) == 8 * (6 + 2) + 32 * 3


def test_sweep_depends_on_the_innermost_loop():
    """Sliding along rows keeps row halos, sliding along columns column halos."""
    layer = Layer(p=8, q=8, r=3, s=3, ifmap_h=10, ifmap_w=10)
    tile = {**whole(layer), "p": 4, "q": 4}
    assert ifmap_sweep(layer, tile, ("p", "q")) == (10 + 2) * 10
    assert ifmap_sweep(layer, tile, ("q", "p")) == 10 * (10 + 2)
    assert ifmap_sweep(layer, tile, ("p", "q", "k")) == (10 + 2) * 10
    assert tile_trips(layer, tile)["p"] == 2


# ---- search


@pytest.mark.parametrize(("layer", "words"), [(CONV1, 479835), (CONV3, 992896)])
def test_real_layers_reach_compulsory_traffic(layer, words):
    """AlexNet's conv1 and conv3 move nothing twice in 108 KiB."""
    assert bits_of(layer, BUFFER_BITS) == words * 16


def test_no_sampled_mapping_beats_the_search():
    """3,000 random legal tiles and orders of two real layers in three buffers move at least as much."""
    rng = np.random.default_rng(20160224)
    tried = 0
    while tried < 3000:
        layer = (CONV1, CONV3)[tried % 2]
        capacity = BUFFER_BITS // (1, 8, 64)[tried % 3]
        sizes = {dim: int(getattr(layer, dim) ** rng.random() + 0.5) for dim in DIMS}
        if buffer_bits(layer, sizes) > capacity:
            continue
        tried += 1
        order = [DIMS[i] for i in rng.permutation(8)]
        assert traffic(layer, sizes, order).bits >= bits_of_cached(layer, capacity)


def bits_of_cached(layer, capacity, found={}):  # noqa: B006 - a cache
    """Return the optimum of a layer in a buffer, solved once."""
    if (layer, capacity) not in found:
        found[layer, capacity] = bits_of(layer, capacity)
    return found[layer, capacity]


def test_mapping_reads_like_a_loop_nest():
    """The description names what stays, then the loops from outermost, trips times tile."""
    solution = solve(Problems.of_layer(CONV1), BUFFER_BITS)
    mapping = mapping_of(CONV1, int(solution.stationary[0]), solution.tile[:, 0], 1)
    assert str(mapping) == "weight stationary; for p 55x1"
    assert mapping.order == ("p",)
    assert mapping.buffer_bytes == 2 * (34848 + 3 * 11 * 227 + 96 * 55)
    assert mapping.to_dict()["tile"]["k"] == 96


def test_mapping_of_a_layer_that_fits_whole():
    """A layer that fits is one tile without loops."""
    layer = Layer(k=2, c=2)
    solution = solve(Problems.of_layer(layer), 1 << 20)
    assert str(mapping_of(layer, int(solution.stationary[0]), solution.tile[:, 0], 1)) == "weight stationary; one tile"


def test_double_buffering_counts_in_the_footprint():
    """Twice the tile where a second one is loaded meanwhile."""
    layer = Layer(k=2, c=2)
    solution = solve(Problems.of_layer(layer), 1 << 20)
    single, double = (mapping_of(layer, 0, solution.tile[:, 0], buffering).buffer_bytes for buffering in (1, 2))
    assert double == 2 * single


def test_smallest_buffer_prefers_a_short_reduction_over_a_wide_partial_sum():
    """Two products with an 8-bit result take 40 bits, one with a 32-bit partial sum 48."""
    assert smallest_buffer_bits(Problems.of_layer(Layer(c=2))) == 2 * 8 + 2 * 8 + 8
    assert smallest_buffer_bits(Problems.of_layer(Layer(c=9))) == 8 + 8 + 32
    assert smallest_buffer_bits(Problems.of_layer(Layer())) == 24


def test_a_buffer_that_is_too_small_fits_nothing():
    """Where no tile fits the solution says so, for that problem alone."""
    small, large = Layer(c=9), Layer(c=9, weight_bits=64)
    columns = {
        name: np.concatenate([getattr(Problems.of_layer(layer), name) for layer in (small, large)])
        for name in vars(Problems.of_layer(small))
    }
    assert solve(Problems(**columns), 50).fits.tolist() == [True, False]


def test_no_problems_have_no_solutions():
    """A network without products and pooling asks for nothing."""
    assert solve(Problems.of_layer(CONV1)[:0], 100).fits.size == 0


def test_counts_beyond_exactness_are_marked():
    """A layer so large that bits cannot be counted exactly is marked, and refused where it has a name."""
    assert not solve(Problems.of_layer(Layer(k=1 << 26, c=1 << 26)), 1 << 30).exact[0]
    graph = Graph("huge")
    graph.linear("fc", graph.input("x", (1, 1 << 26)), 1 << 26)
    with pytest.raises(MappingError, match=f"fc: moves more than {EXACT_BITS} bits, beyond what is counted exactly"):
        analysis_of(graph, machine(), 1, None, None)


def test_axes_too_long_to_list_are_refused():
    """An image of 2^30 rows is an error with the layer's name, not a machine out of memory."""
    graph = Graph("huge")
    graph.conv("conv", graph.input("x", (1, 1, 1 << 30, 1)), 1, kernel=1)
    with pytest.raises(MappingError, match="conv: 1073741824 positions along loop p; at most 4194304 can be mapped"):
        analysis_of(graph, machine(), 1, None, None)


def test_colliding_hashes_do_not_mix_problems(monkeypatch):
    """Where all hashes collide, problems are compared in full."""
    monkeypatch.setattr("costmodel.mapping.problem.hashed", lambda columns: np.zeros(columns.shape[1], dtype=np.int64))
    layers = [Layer(k=3), Layer(k=5), Layer(k=3)]
    columns = {
        name: np.concatenate([getattr(Problems.of_layer(layer), name) for layer in layers])
        for name in vars(Problems.of_layer(layers[0]))
    }
    first, inverse = Problems(**columns).classes()
    assert len(first) == 2
    assert inverse[0] == inverse[2] != inverse[1]


def test_hash_depends_on_every_column():
    """Swapping two columns changes the hash."""
    a, b = np.array([1, 2]), np.array([2, 1])
    assert hashed(np.stack([a, b]))[0] != hashed(np.stack([b, a]))[0]
    assert grouped(hashed(np.stack([a, a])))[1].tolist() in ([0, 1], [1, 0])
