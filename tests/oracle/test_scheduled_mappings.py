"""Mappings of scheduled layers, walked literally: what the schedule says of a layer is what its loop nest moves.

Operands on chip have width zero: they are neither moved nor buffered, whatever the loops do to them.
"""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.analysis import analysis_of
from costmodel.boundary import layer_at
from costmodel.schedule import KINDS, PHASES
from tests.oracle.simulator import simulate
from tests.properties.test_sharing import networks
from tests.unit.machine import machine


def walked_bits(layer, mapping):
    """Bits of weights, inputs and outputs that a nest moves, and bits that its tiles take."""
    walked = simulate(layer, mapping.tile, mapping.order)
    spilled = walked["ofmap_spills"] + walked["ofmap_reads"]
    unfinished = any(mapping.trips[dim] > 1 for dim in "crs")
    footprint = walked["footprint"]
    tiles = (
        footprint["weight"] * layer.weight_bits
        + footprint["ifmap"] * layer.ifmap_bits
        + footprint["ofmap"] * (layer.psum_bits if unfinished else layer.ofmap_bits)
    )
    moved = (
        walked["weight"] * layer.weight_bits,
        walked["ifmap"] * layer.ifmap_bits,
        walked["ofmap_finals"] * layer.ofmap_bits + spilled * layer.psum_bits,
    )
    return moved, tiles


@settings(max_examples=80, deadline=None)
@given(networks(), st.integers(16, 900), st.sampled_from(KINDS), st.sampled_from(PHASES), st.booleans())
def test_scheduled_nests_move_what_is_reported(graph, capacity, kind, phase, double_buffered):
    """Each operand, exactly; and tiles fit into what the weights that stay for ever leave of the memory."""
    hardware = machine(capacity, double_buffered=double_buffered)
    found = analysis_of(graph, hardware, 1, None, None, kind, phase)
    crossing, table = found.estimate.off_chip, found.estimate.table
    assume(found.mappings)
    for index, row in enumerate(crossing.mapped.tolist()):
        if row not in found.mappings:
            assert not any(getattr(crossing.solutions, f"{name}_bits")[index] for name in ("weight", "ifmap", "ofmap"))
            continue
        moved, tiles = walked_bits(layer_at(table, crossing.widths, row), found.mappings[row])
        if table.ops[row].endswith("pool"):  # its taps take room in the tile as weights do, and are none
            moved = (0, *moved[1:])
        assert moved == tuple(
            int(getattr(crossing.solutions, f"{name}_bits")[index]) for name in ("weight", "ifmap", "ofmap")
        )
        assert -(-tiles * (2 if double_buffered else 1) // 8) == found.mappings[row].buffer_bytes
        assert found.mappings[row].buffer_bytes <= capacity - found.schedule.pinned_bytes


@settings(max_examples=60, deadline=None)
@given(networks(), st.integers(16, 900), st.sampled_from(PHASES))
def test_layers_report_their_nests_and_what_is_loaded_whole(graph, capacity, phase):
    """A layer moves no less than its nest; the rest are tensors and weights that are loaded or stored whole."""
    found = analysis_of(graph, machine(capacity), 1, None, None, "resident", phase)
    crossing = found.estimate.off_chip
    nests = sum(
        int(getattr(crossing.solutions, f"{name}_bits").sum()) for name in ("weight", "ifmap", "ofmap")
    )
    assert nests <= 8 * found.totals.dram_bytes
    for index, row in enumerate(crossing.mapped.tolist()):
        layer = found.layers[row]
        assert 8 * layer.weight_dram_bytes >= int(crossing.solutions.weight_bits[index])
        assert 8 * layer.ifmap_dram_bytes >= int(crossing.solutions.ifmap_bits[index])
        assert 8 * layer.ofmap_dram_bytes >= int(crossing.solutions.ofmap_bits[index])
