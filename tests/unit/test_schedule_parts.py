"""What must be executed before what, and what is copied where a rule is not granted."""

from __future__ import annotations

import numpy as np

from costmodel.graph import Graph
from costmodel.graph.rows import IN_PLACE, VIEW
from costmodel.importers import load_network
from costmodel.schedule.program import program_of


def compiled(graph, copied=frozenset(), batch=1):
    """Return the program of a graph at 8 bits."""
    table = graph.table().with_batch(batch)
    bits = np.full((len(table), 1), 8)
    return program_of(graph, table, bits, bits, batch, copied)


def by_name(program):
    """Return the names of the steps before each step."""
    names = [step.name for step in program.steps]
    return {step.name: {names[b] for b in before} for step, before in zip(program.steps, program.predecessors(), strict=True)}


def dense():
    """Build a dense block: each convolution reads all before it, and the stack is joined again and again."""
    graph = Graph("dense")
    x = graph.conv("stem", graph.input("x", (1, 3, 4, 4)), 8, kernel=1)
    for index in range(3):
        y = graph.conv(f"grow{index}", x, 2, kernel=1)
        x = graph.concat(f"stack{index}", x, y)
    graph.conv("head", x, 4, kernel=1)
    return graph


def test_a_part_is_read_while_others_are_missing():
    """All of a dense block lies in one buffer, and still every convolution waits for those before it alone."""
    found = compiled(dense())
    assert len(found.buffers) == 3
    assert by_name(found) == {
        "stem": set(),
        "grow0": {"stem"},
        "grow1": {"stem", "grow0"},
        "grow2": {"stem", "grow0", "grow1"},
        "head": {"stem", "grow0", "grow1", "grow2"},
    }


def test_order_of_every_sample_is_valid():
    """No step waits for one that is written after it, in networks with joins, bypasses and views."""
    for name in ("light_densenet121", "light_shufflenet", "swin_t.dynamo", "ssdlite320_mobilenet_v3_large.legacy17"):
        found = compiled(load_network(f"tests/models/onnx/{name}.onnx"))
        assert all(before < number for number, steps in enumerate(found.predecessors()) for before in steps)


def test_a_view_passes_on_what_it_waits_for():
    """A reader of a flattened tensor comes after the layer that computed it."""
    graph = Graph("view")
    x = graph.conv("conv", graph.input("x", (1, 2, 4, 4)), 3, kernel=1)
    graph.linear("fc", graph.flatten("flat", x), 5)
    assert by_name(compiled(graph))["fc"] == {"conv"}


def test_parameters_are_neither_buffers_nor_waited_for():
    """A position embedding is read as a weight."""
    graph = Graph("embedding")
    x = graph.linear("fc", graph.input("x", (1, 4, 6)), 6)
    graph.add("add", x, graph.parameter("position", (1, 4, 6)))
    found = compiled(graph)
    assert [buffer.name for buffer in found.buffers] == ["x", "fc", "add"]
    assert by_name(found) == {"fc": set(), "add": {"fc"}}


def test_what_is_copied_is_a_step_with_a_buffer_of_its_own():
    """A concatenation and a view that are not granted read their inputs and write their output."""
    graph = Graph("copies")
    x = graph.input("x", (1, 2, 4, 4))
    parts = [graph.conv(f"conv{i}", x, 3, kernel=1) for i in range(2)]
    graph.linear("fc", graph.flatten("flat", graph.concat("join", *parts)), 5)
    granted, copied = compiled(graph), compiled(graph, frozenset((IN_PLACE, VIEW)))
    assert [step.name for step in granted.steps] == ["conv0", "conv1", "fc"]
    assert [step.name for step in copied.steps] == ["conv0", "conv1", "join", "flat", "fc"]
    assert {buffer.name: buffer.bits // 8 for buffer in copied.buffers} == {
        "x": 32, "conv0": 48, "conv1": 48, "join": 96, "flat": 96, "fc": 5,
    }  # fmt: skip
    assert by_name(copied)["join"] == {"conv0", "conv1"}
    assert by_name(copied)["fc"] == {"flat"}


def test_one_rule_can_be_granted_without_the_other():
    """Views shared, concatenations copied."""
    graph = Graph("one")
    x = graph.input("x", (1, 2, 4, 4))
    parts = [graph.conv(f"conv{i}", x, 3, kernel=1) for i in range(2)]
    graph.linear("fc", graph.flatten("flat", graph.concat("join", *parts)), 5)
    assert [step.name for step in compiled(graph, frozenset((IN_PLACE,))).steps] == ["conv0", "conv1", "join", "fc"]
    assert [step.name for step in compiled(graph, frozenset((VIEW,))).steps] == ["conv0", "conv1", "flat", "fc"]


def test_sizes_grow_with_the_batch():
    """Buffers hold the whole batch."""
    one, four = compiled(dense()), compiled(dense(), batch=4)
    assert [4 * buffer.bits for buffer in one.buffers] == [buffer.bits for buffer in four.buffers]
