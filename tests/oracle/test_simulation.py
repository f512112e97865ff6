"""The closed-form traffic equals a literal walk of the loop nest."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping import buffer_bits, traffic
from tests.oracle.simulator import simulate
from tests.oracle.strategies import layers, mappings


@settings(max_examples=1500, deadline=None)
@given(data=st.data())
def test_closed_form_equals_simulation(data):
    """Bits per operand and the footprint of 1,500 random layers, tiles and orders are those of the walked nest."""
    layer = data.draw(layers(longest=4, channels=3))
    tile, order = data.draw(mappings(layer))
    walked = simulate(layer, tile, order)
    moved = traffic(layer, tile, order)
    assert walked["weight"] * layer.weight_bits == moved.weight_bits
    assert walked["ifmap"] * layer.ifmap_bits == moved.ifmap_bits
    spilled = walked["ofmap_spills"] + walked["ofmap_reads"]
    assert walked["ofmap_finals"] * layer.ofmap_bits + spilled * layer.psum_bits == moved.ofmap_bits
    assert walked["macs"] == layer.weight_elems * layer.n * layer.p * layer.q
    unfinished = any(tile[dim] < getattr(layer, dim) for dim in "crs")
    bits = (
        walked["footprint"]["weight"] * layer.weight_bits
        + walked["footprint"]["ifmap"] * layer.ifmap_bits
        + walked["footprint"]["ofmap"] * (layer.psum_bits if unfinished else layer.ofmap_bits)
    )
    assert bits == buffer_bits(layer, tile)
