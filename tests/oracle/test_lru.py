"""The cache itself, and how far it is from the memory that the mapper takes it for."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping import Layer
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.search import search
from tests.oracle.levels_strategies import small_layers
from tests.oracle.lru import (
    DIMS,
    Lru,
    caches,
    compulsory_bits,
    drawn,
    lru_bits,
    macs,
    requested_bits,
    small_layer,
    whole_bits,
)
from tests.oracle.strategies import mappings

ORDER = "ngkcpqrs"


def cache_of(layer, values):
    """Return a cache of so many values of eight bits."""
    return Lru(layer, 8 * values, wide=False, left={})


def test_the_least_recently_used_value_goes():
    """Of three values in room for two, the one used longest ago is fetched again, the other is not."""
    cache = cache_of(Layer(), 2)
    moved = []
    for index in (0, 1, 0, 2, 0, 1):
        cache.touch("weight", index)
        moved.append(cache.moved_bits // 8)
    assert moved == [1, 2, 2, 3, 3, 4]


def test_unfinished_outputs_are_written_wide_and_come_back():
    """An output that leaves with work to do costs two crossings of a partial sum and one of a result."""
    layer = Layer(k=2, c=2)
    left = {0: 2, 1: 2}
    cache = Lru(layer, 32, wide=True, left=left)
    for index in (0, 1, 0, 1):
        cache.touch("ofmap", index)
        left[index] -= 1
    cache.flush()
    assert cache.moved_bits == 2 * (2 * layer.psum_bits + layer.ofmap_bits)


@settings(max_examples=150)
@given(st.data())
def test_a_cache_for_everything_moves_everything_once(data):
    """Whatever the nest, a cache with room for all moves what is touched; every MAC is in the trace once."""
    layer = data.draw(small_layers(longest=4, channels=3))
    tile, order = data.draw(mappings(layer))
    assert len({tuple(at[dim] for dim in DIMS) for at in macs(layer, tile, order)}) == len(list(macs(layer, tile, order)))
    wide = Layer(**{**vars(layer), "ofmap_bits": layer.psum_bits})
    nest = LoopNest((tile,), ("".join(order),))
    assert lru_bits(layer, nest, whole_bits(wide)) == compulsory_bits(layer)


@settings(max_examples=150)
@given(st.data(), st.integers(1, 400))
def test_more_cache_never_moves_more(data, values):
    """Of values alike in size, the larger cache always holds what the smaller one does."""
    layer = data.draw(small_layers(longest=4, channels=3))
    layer = Layer(**{**vars(layer), **dict.fromkeys(("weight_bits", "ifmap_bits", "ofmap_bits", "psum_bits"), 8)})
    tile, order = data.draw(mappings(layer))
    nest = LoopNest((tile,), ("".join(order),))
    moved = [lru_bits(layer, nest, 8 * size) for size in (values, values + 1, 2 * values)]
    assert moved == sorted(moved, reverse=True)


@settings(max_examples=60)
@given(st.integers(0, 1000))
def test_a_line_of_one_value_is_the_value(seed):
    """Lines as wide as a value move what values by themselves do."""
    layer = small_layer(Random(seed), 50, 600)
    layer = Layer(**{**vars(layer), "psum_bits": 8})
    nest = LoopNest((dict.fromkeys(DIMS, 1),), (ORDER,))
    assert lru_bits(layer, nest, 256, 8) == lru_bits(layer, nest, 256)


@pytest.mark.parametrize(("layer", "capacity_bits"), list(drawn(20, 300, 2000)))
def test_two_stores_ask_the_cache_for_what_the_mapping_says(layer, capacity_bits):
    """A cache around an inner store, with room for everything, moves what is compulsory, its rectangles included."""
    hierarchy = caches(capacity_bits, max(256, capacity_bits // 8))
    (found,) = search([layer], hierarchy, "dram_bytes")
    everything = whole_bits(Layer(**{**vars(layer), "ofmap_bits": layer.psum_bits}))
    moved = requested_bits(layer, hierarchy, found.nest, everything)
    assert compulsory_bits(layer) <= moved <= priced(layer, hierarchy, found.nest).dram_bits
