"""Largest live set in program order."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.graph import Graph
from costmodel.importers import load_network
from costmodel.schedule.liveness import liveness, peak_live_bytes
from costmodel.schedule.program import program_of


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


def broadcast(whole):
    """Build the sum of a row and its first element, both of one buffer, or of that element and a row that is needed later."""
    graph = Graph("broadcast")
    x = graph.linear("fc", graph.input("x", (1, 2)), 6)
    first = graph.slice("first", x, axis=1, stop=1)
    other = x if whole else graph.linear("other", graph.input("y", (1, 3)), 6)
    total = graph.add("add", first, other)
    graph.output(total, *([] if whole else [other]))
    return graph


@pytest.mark.parametrize("whole", [True, False])
def test_a_part_that_is_broadcast_is_not_overwritten(whole):
    """The sum lies beside its inputs, although a buffer as large as it ends there."""
    assert liveness_of(broadcast(whole)).replaced == {}


def test_an_input_of_the_network_is_overwritten():
    """It is as good as any other that dies; an output is not."""
    graph = Graph("ends")
    x = graph.input("x", (1, 6))
    y = graph.sigmoid("y", x)
    graph.output(graph.tanh("z", y), y)
    found = liveness_of(graph)
    assert found.replaced == {1: 0}
    assert found.live_bytes == (6, 12)


def test_what_is_written_over_is_the_first_that_fits():
    """Of two inputs that end, the first one read; of one that is read later and one that ends, the latter."""
    graph = Graph("two")
    x, y = graph.input("x", (1, 6)), graph.input("y", (1, 6))
    total = graph.add("add", x, y)
    graph.output(graph.multiply("mul", x, total))
    assert liveness_of(graph).replaced == {2: 1, 3: 0}


def liveness_of(graph):
    """Return the lifetimes of a graph in program order at 8 bits."""
    table = graph.table()
    bits = np.full((len(table), 1), 8)
    program = program_of(graph, table, bits, bits, 1)
    return liveness(program, range(len(program.steps)))


def test_squeezenet_1_1_against_a_compiler():
    """Within 0.2 % of the SRAM that Arm's Vela 5.2 allocates for SqueezeNet 1.1 in int8 (960.3 KiB on Ethos-U55-128)."""
    peak = peak_live_bytes(load_network("squeezenet:version=1.1"), 8)
    assert abs(peak / 1024 / 960.3 - 1) < 0.002
