"""Properties of off-chip traffic on layers too large to enumerate."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping import Layer, Problems, buffer_bits, mapping_of, smallest_buffer_bits, solve, traffic
from costmodel.mapping.axis import Axis, smallest_tiles, touched, whole_filter_tiles
from costmodel.mapping.problem import grouped
from tests.oracle.strategies import axes


@st.composite
def real_layers(draw):
    """Draw a layer of realistic size."""
    p, r, stride_h, dilation_h, pad_top, ifmap_h = draw(axes(40))
    q, s, stride_w, dilation_w, pad_left, ifmap_w = draw(axes(40))
    channels = st.integers(1, 600)
    return Layer(
        n=draw(st.integers(1, 16)), g=draw(st.integers(1, 3)), k=draw(channels), c=draw(channels), p=p, q=q, r=r, s=s,
        stride_h=stride_h, stride_w=stride_w, dilation_h=dilation_h, dilation_w=dilation_w, pad_top=pad_top,
        pad_left=pad_left, ifmap_h=ifmap_h, ifmap_w=ifmap_w, weight_bits=8, ifmap_bits=8, ofmap_bits=8, psum_bits=32,
    )  # fmt: skip


def together(problems):
    """Join problems into one batch."""
    columns = {name: np.concatenate([getattr(p, name) for p in problems]) for name in vars(problems[0])}
    return Problems(**columns)


def moved_bits(layer, capacity_bits):
    """Return the bits moved at the optimum."""
    solution = solve(Problems.of_layer(layer), capacity_bits)
    return int((solution.weight_bits + solution.ifmap_bits + solution.ofmap_bits)[0])


def compulsory_bits(layer):
    """Return every touched element once."""
    ifmap = layer.n * layer.g * layer.c * touched(layer.height) * touched(layer.width)
    return layer.weight_elems * layer.weight_bits + ifmap * layer.ifmap_bits + layer.ofmap_elems * layer.ofmap_bits


@settings(max_examples=150, deadline=None)
@given(real_layers(), st.integers(200, 1 << 22))
def test_never_below_compulsory_and_mapping_legal(layer, capacity_bits):
    """The optimum moves at least every operand once; its mapping fits and is priced alike by the closed form."""
    solution = solve(Problems.of_layer(layer), capacity_bits)
    bits = int((solution.weight_bits + solution.ifmap_bits + solution.ofmap_bits)[0])
    mapping = mapping_of(layer, int(solution.stationary[0]), solution.tile[:, 0], 1)
    assert bits >= compulsory_bits(layer)
    assert buffer_bits(layer, mapping.tile) <= capacity_bits
    assert traffic(layer, mapping.tile, mapping.order).bits == bits


@settings(max_examples=80, deadline=None)
@given(real_layers(), st.lists(st.integers(100, 1 << 24), min_size=2, max_size=5))
def test_more_buffer_never_moves_more(layer, capacities):
    """The optimum falls, or stays, as the buffer grows; and ends at compulsory where everything fits."""
    whole = buffer_bits(layer, {dim: getattr(layer, dim) for dim in "ngkcpqrs"})
    moved = [moved_bits(layer, capacity) for capacity in sorted(capacities)]
    assert moved == sorted(moved, reverse=True)
    skipped = layer.stride_h > layer.r or layer.stride_w > layer.s or layer.dilation_h > 1 or layer.dilation_w > 1
    if not skipped:
        assert moved_bits(layer, whole) == compulsory_bits(layer)


@settings(max_examples=60, deadline=None)
@given(st.lists(real_layers(), min_size=2, max_size=6), st.integers(200, 1 << 20))
def test_layers_solved_together_equal_layers_solved_alone(layers, capacity_bits):
    """A batch of problems, some of them equal, gives each the answer it gets alone."""
    problems = [Problems.of_layer(layer) for layer in [*layers, layers[0]]]
    batch = solve(together(problems), capacity_bits)
    for index, problem in enumerate(problems):
        alone = solve(problem, capacity_bits)
        for name in ("fits", "weight_bits", "ifmap_bits", "ofmap_bits", "stationary"):
            assert getattr(alone, name)[0] == getattr(batch, name)[index]
        assert alone.tile[:, 0].tolist() == batch.tile[:, index].tolist()


@settings(max_examples=60, deadline=None)
@given(real_layers())
def test_tiny_buffers_are_refused_exactly(layer):
    """One bit less than the smallest buffer holds nothing."""
    smallest = smallest_buffer_bits(Problems.of_layer(layer))
    assert solve(Problems.of_layer(layer), smallest).fits[0]
    assert not solve(Problems.of_layer(layer), smallest - 1).fits[0]


@given(st.integers(1, 3000))
def test_smallest_tiles_have_every_trip_count_once(total):
    """One tile per distinct trip count, the smallest of it."""
    tiles = smallest_tiles(total)
    trips = [-(-total // int(tile)) for tile in tiles]
    assert sorted(set(trips)) == sorted({-(-total // tile) for tile in range(1, total + 1)})
    assert all(tile == 1 or -(-total // int(tile - 1)) > trip for tile, trip in zip(tiles, trips, strict=True))


@settings(deadline=None)
@given(axes(30))
def test_axis_tiles_cover_the_touched_positions(drawn):
    """However an axis is tiled, its walk fetches at least what is touched, and no tile is longer than the ifmap."""
    axis = Axis(*drawn)
    tiles = whole_filter_tiles(axis)
    assert (tiles.fetched_by_output >= touched(axis)).all()
    assert (tiles.fetched >= tiles.fetched_by_output).all()
    assert (tiles.extent <= axis.size).all()


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=50))
def test_grouping_is_an_equivalence(keys):
    """Entries share a class exactly where their keys are equal."""
    first, inverse = grouped(np.array(keys, dtype=np.int64))
    assert [keys[first[i]] for i in inverse] == keys
    assert len(first) == len(set(keys))
