"""The search equals the enumeration of every tile and every order."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping import Layer, Problems, buffer_bits, mapping_of, smallest_buffer_bits, solve, traffic
from tests.oracle.strategies import layers


def enumerated(layer, capacity_bits):
    """Return the fewest bits over all tiles of all eight loops that fit and all orders of the loops that exist, or None."""
    best = None
    for sizes in product(*(range(1, getattr(layer, dim) + 1) for dim in "ngkcpqrs")):
        tile = dict(zip("ngkcpqrs", sizes, strict=True))
        if buffer_bits(layer, tile) > capacity_bits:
            continue
        loops = [dim for dim in tile if tile[dim] < getattr(layer, dim)]
        for order in permutations(loops):
            bits = traffic(layer, tile, order).bits
            best = bits if best is None or bits < best else best
    return best


def solved(layer, capacity_bits):
    """Return the bits and the mapping found by the search, or None where nothing fits."""
    solution = solve(Problems.of_layer(layer), capacity_bits)
    if not solution.fits[0]:
        return None, None
    bits = int(solution.weight_bits[0] + solution.ifmap_bits[0] + solution.ofmap_bits[0])
    return bits, mapping_of(layer, int(solution.stationary[0]), solution.tile[:, 0], 1)


def check(layer, capacity_bits):
    """Compare the search with the enumeration, and its mapping with what it is said to move."""
    bits, mapping = solved(layer, capacity_bits)
    assert bits == enumerated(layer, capacity_bits)
    if mapping is not None:
        assert bits == traffic(layer, mapping.tile, mapping.order).bits
        assert buffer_bits(layer, mapping.tile) <= capacity_bits


def whole_layer_bits(layer):
    """Return the bits of a buffer that holds everything."""
    return buffer_bits(layer, {dim: getattr(layer, dim) for dim in "ngkcpqrs"})


@st.composite
def cases(draw):
    """Draw a layer of at most four loops and a buffer from too small to more than enough."""
    layer = draw(layers(longest=4, channels=3, batch=2, groups=1))
    loops = [dim for dim in "nkcpqrs" if getattr(layer, dim) > 1]
    for dim in loops[draw(st.integers(2, 4)) :]:
        layer = Layer(**{**vars(layer), dim: 1})
    share = draw(st.floats(0.0, 1.1))
    return layer, max(1, int(share * share * whole_layer_bits(layer)))


@settings(max_examples=1200, deadline=None)
@given(cases())
def test_search_equals_enumeration(case):
    """On 1,200 random small layers and buffers the search finds exactly the enumerated minimum."""
    layer, capacity_bits = case
    check(layer, capacity_bits)


@settings(max_examples=150, deadline=None)
@given(layers(longest=3, channels=2, batch=2, groups=2), st.floats(0.02, 0.8))
def test_search_equals_enumeration_with_groups_and_every_loop(layer, share):
    """The same where up to eight loops exist, groups among them."""
    loops = [dim for dim in "ngkcpqrs" if getattr(layer, dim) > 1]
    for dim in loops[5:]:
        layer = Layer(**{**vars(layer), dim: 1})
    capacity_bits = max(1, int(share * whole_layer_bits(layer)))
    assert solved(layer, capacity_bits)[0] == enumerated(layer, capacity_bits)


KEPT = [chosen for chosen in product((False, True), repeat=3) if any(chosen)]


def with_kept(layer, kept):
    """Return a layer some of whose operands are on chip: no bits, and outputs that are added up where they stay."""
    weight, ifmap, ofmap = kept
    in_place = ofmap and layer.psum_bits <= layer.ofmap_bits
    taken = {"weight_bits": weight, "ifmap_bits": ifmap, "ofmap_bits": ofmap, "psum_bits": in_place}
    return Layer(**{**vars(layer), **{name: 0 for name, here in taken.items() if here}})


@settings(max_examples=600, deadline=None)
@given(cases(), st.sampled_from(KEPT), st.floats(0.0, 1.1))
def test_search_equals_enumeration_with_operands_on_chip(case, kept, share):
    """An operand of no bits is neither moved nor buffered: 600 layers with one, two or three operands on chip."""
    layer = with_kept(case[0], kept)
    capacity_bits = int(share * share * whole_layer_bits(layer))
    check(layer, capacity_bits)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(cases(), st.sampled_from([(False,) * 3, *KEPT])), min_size=2, max_size=6))
def test_each_problem_in_its_own_buffer(drawn):
    """Layers solved together, each in a buffer of its own, move what each moves alone; some of them twice in one call."""
    chosen = [(with_kept(layer, kept), capacity_bits) for (layer, capacity_bits), kept in drawn]
    chosen += [(chosen[0][0], 2 * chosen[0][1]), chosen[0]]
    columns = [vars(Problems.of_layer(layer)) for layer, _ in chosen]
    problems = Problems(**{name: np.concatenate([column[name] for column in columns]) for name in columns[0]})
    found = solve(problems, np.array([capacity_bits for _, capacity_bits in chosen]))
    bits = (found.weight_bits + found.ifmap_bits + found.ofmap_bits).tolist()
    together = [moved if fits else None for moved, fits in zip(bits, found.fits.tolist(), strict=True)]
    assert together == [enumerated(layer, capacity_bits) for layer, capacity_bits in chosen]


@settings(max_examples=200, deadline=None)
@given(cases(), st.sampled_from([(False,) * 3, *KEPT]))
def test_a_buffer_for_everything_is_as_good_as_any(case, kept):
    """What moves where every operand fits whole is what moves in an unlimited buffer."""
    layer = with_kept(case[0], kept)
    whole = whole_layer_bits(Layer(**{**vars(layer), "ofmap_bits": max(layer.ofmap_bits, layer.psum_bits)}))
    assert solved(layer, whole)[0] == solved(layer, 1 << 40)[0]


@settings(max_examples=300, deadline=None)
@given(layers(longest=4, channels=3))
def test_smallest_buffer_is_the_smallest(layer):
    """A layer fits into the smallest buffer named, and into none that is one bit smaller."""
    smallest = smallest_buffer_bits(Problems.of_layer(layer))
    assert solve(Problems.of_layer(layer), smallest).fits[0]
    assert not solve(Problems.of_layer(layer), smallest - 1).fits[0]


@pytest.mark.parametrize("capacity_bits", [100, 400, 1600, 6400])
def test_longer_axes(capacity_bits):
    """A longer, strided, padded axis where remainders and borders differ for tiles of one trip count."""
    layer = Layer(k=3, c=2, p=11, r=4, stride_h=3, pad_top=2, ifmap_h=30, psum_bits=16)
    assert solved(layer, capacity_bits)[0] == enumerated(layer, capacity_bits)
