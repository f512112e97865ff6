"""Largest live set in program order."""

from __future__ import annotations

from costmodel.graph import Graph
from costmodel.importers import load_network
from costmodel.schedule import peak_live_bytes


def test_chain_holds_input_and_output_of_one_layer():
    """In a chain the peak is the largest input plus output of a layer."""
    graph = Graph("chain")
    x = graph.input("x", (1, 100))
    for index, width in enumerate((40, 70, 10)):
        x = graph.linear(f"fc{index}", x, width)
    assert peak_live_bytes(graph, 8) == 140
    assert peak_live_bytes(graph, 32, batch=2) == 140 * 8


def test_a_bypass_is_alive_until_it_is_added():
    """A tensor that a later layer reads stays alive over the layers between; the sum takes its place."""
    graph = Graph("bypass")
    x = graph.input("x", (1, 10))
    y = graph.linear("narrow", x, 4)
    z = graph.linear("wide", y, 10)
    graph.add("add", x, z)
    assert peak_live_bytes(graph, 8) == 24


def test_activations_in_place_and_views_take_no_room():
    """A fused activation and a view live where their input does."""
    graph = Graph("views")
    x = graph.relu("relu", graph.conv("conv", graph.input("x", (1, 1, 4, 4)), 4, kernel=1))
    graph.linear("fc", graph.flatten("flat", x), 2)
    assert peak_live_bytes(graph, 8) == 16 + 64


def test_concat_is_written_in_place():
    """Both parts of a concatenation take the room of the whole once."""
    graph = Graph("concat")
    x = graph.input("x", (1, 4, 2, 2))
    parts = [graph.relu(f"relu{i}", graph.conv(f"conv{i}", x, 8, kernel=1)) for i in range(2)]
    graph.concat("concat", *parts)
    assert peak_live_bytes(graph, 8) == 16 + 64


def test_squeezenet_1_1_against_a_compiler():
    """Within 0.2 % of the SRAM that Arm's Vela 5.2 allocates for SqueezeNet 1.1 in int8 (960.3 KiB on Ethos-U55-128)."""
    peak = peak_live_bytes(load_network("squeezenet:version=1.1"), 8)
    assert abs(peak / 1024 / 960.3 - 1) < 0.002
