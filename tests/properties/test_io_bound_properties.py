"""Compulsory <= I/O bound <= what is moved: every shipped network, and random layers of realistic size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.formulas import counts
from costmodel.formulas.pebbling import schedule_bound_bits, window_reuse
from costmodel.importers import net_names
from costmodel.mapping import Problems, smallest_buffer_bits
from tests.properties.test_traffic_properties import compulsory_bits, moved_bits, real_layers

SIZES = "256B:16MiB:4x"


@pytest.mark.parametrize("net", net_names())
def test_every_layer_of_every_network_is_ordered_at_every_size(net):
    """And nothing grows with the memory: neither the bound, nor what is moved."""
    curve = cm.curve(net, capacity=SIZES)
    priced = [point for layer in curve.layers for point in layer.points if point.dram_bytes is not None]

    assert len(priced) > 5 * len(curve.layers)
    assert [p for p in priced if not p.compulsory_bytes <= p.io_bound_bytes <= p.dram_bytes] == []
    for layer in curve.layers:
        moved = [point.dram_bytes for point in layer.points if point.dram_bytes is not None]
        assert moved == sorted(moved, reverse=True)
        bounds = [point.io_bound_bytes for point in layer.points]
        assert bounds == sorted(bounds, reverse=True)


@pytest.mark.parametrize("hw", ["snapdragon", "eyeriss-168", "stm32h743"])
@pytest.mark.parametrize("net", ["alexnet", "squeezenet", "mobilenet_v2", "kws_rnn", "style_transfer"])
def test_the_column_of_an_analysis_is_ordered(net, hw):
    """Layer by layer, on profiles with and without double buffering, several formats among them."""
    for layer in cm.analyze(net, hw, schedule="layer", objective="none").layers:
        assert layer.compulsory_bytes <= layer.io_bound_bytes <= layer.dram_bytes, layer.name


@pytest.mark.parametrize("hw", ["snapdragon", "eyeriss-168"])
def test_an_analysis_and_a_curve_agree(hw):
    """At the size of the memory of the profile, with its number format and buffering."""
    profile = cm.load_hardware(hw)
    size = int(profile.levels[1].capacity_bytes.value)
    curve = cm.curve("squeezenet", capacity=[size], hardware=profile)
    analysis = cm.analyze("squeezenet", profile, schedule="layer", objective="none")
    expected = {layer.name: (layer.dram_bytes, layer.io_bound_bytes, layer.compulsory_bytes) for layer in analysis.layers}

    for layer in curve.layers:
        (point,) = layer.points
        assert (point.dram_bytes, point.io_bound_bytes, point.compulsory_bytes) == expected[layer.name]


def test_compressed_weights_and_coded_activations_are_bounded():
    """The bound holds behind codes, too: narrower operands only lower it."""
    compressed = cm.analyze("squeezenet@squeezenet-deep-compression-6bit", "stm32h743", schedule="layer")
    coded = cm.analyze("alexnet", "eyeriss-168", schedule="layer", objective="none", activation_density="alexnet")

    for layer in (*compressed.layers, *coded.layers):
        assert layer.compulsory_bytes <= layer.io_bound_bytes <= layer.dram_bytes, layer.name


@settings(max_examples=250, deadline=None)
@given(real_layers(), st.integers(0, 1 << 18))
def test_random_layers_are_ordered(layer, more_bits):
    """From the smallest memory that holds a tile upwards."""
    capacity_bits = smallest_buffer_bits(Problems.of_layer(layer)) + more_bits
    height, width = (
        (axis.outputs, axis.taps, axis.stride, axis.dilation, axis.pad, axis.size) for axis in (layer.height, layer.width)
    )
    macs = layer.n * layer.g * layer.k * layer.c * int(counts.meeting(*height) * counts.meeting(*width))
    reuse = int(window_reuse(*height[:4]) * window_reuse(*width[:4]))
    bound = schedule_bound_bits(macs, reuse, layer.ofmap_elems, 8, 8, 8, 32, capacity_bits)

    assert max(float(bound) * (1 - 1e-9), compulsory_bits(layer)) <= moved_bits(layer, capacity_bits)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(1, 20))
def test_taps_that_meet_the_input_are_counted(outputs, taps, stride, dilation, pad, size):
    """As one by one."""
    positions = [p * stride + r * dilation - pad for p in range(outputs) for r in range(taps)]
    expected = sum(0 <= position < size for position in positions)

    assert int(counts.meeting(outputs, taps, stride, dilation, pad, size)) == expected


def test_a_sweep_gives_the_bound_where_it_is_asked_for():
    """The bound of every design is that of its own analysis; by default it is not computed."""
    axes = {"squeeze_ratio": [0.125, 0.5]}
    frame = cm.sweep("squeezenet", axes, "stm32h743", metrics=["io_bound_bytes"])
    each = [cm.analyze(f"squeezenet:squeeze_ratio={ratio}", "stm32h743").totals.io_bound_bytes for ratio in (0.125, 0.5)]

    assert frame["io_bound_bytes"].tolist() == each
    assert "io_bound_bytes" not in cm.sweep("squeezenet", axes, "stm32h743")
    assert np.all(frame["io_bound_bytes"] > 0)
