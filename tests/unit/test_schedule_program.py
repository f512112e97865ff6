"""Programs: the steps of a network, the buffers they share, and what they move."""

from __future__ import annotations

import pytest

from costmodel.graph import Graph
from costmodel.graph.ops.streams import Stream
from costmodel.schedule.program import Access, Buffer, Window, live_ranges
from tests.unit.scheduled import INT8, fire, pair, scheduler_of, unet


def program(graph, batch=1, bits=INT8):
    """Return the program of a graph."""
    return scheduler_of(graph, batch, bits).program


def names(found):
    """Return names of steps or buffers."""
    return [one.name for one in found]


def step_of(found, name):
    """Return a step by name."""
    return next(step for step in found.steps if step.name == name)


def test_a_chain_has_a_step_per_layer_and_a_buffer_per_tensor():
    """Sizes are for the whole batch, rows for one of its inputs."""
    found = program(pair(), batch=3)
    assert names(found.steps) == ["a", "b"]
    assert found.buffers == (
        Buffer("x", 3 * 256 * 8, 8, 32 * 8, is_input=True, is_output=False),
        Buffer("a", 3 * 256 * 8, 8, 32 * 8, is_input=False, is_output=False),
        Buffer("b", 3 * 256 * 8, 8, 32 * 8, is_input=False, is_output=True),
    )
    assert found.steps[1].reads == (Access(1, 1, "ifmap", 3 * 256 * 8),)
    assert found.steps[1].writes == (Access(2, 1, "ofmap", 3 * 256 * 8),)


def test_buffers_have_the_width_of_what_is_written():
    """What a layer writes is as wide as outputs are; an input is as wide as it is read."""
    found = program(pair(), bits={**INT8, "ifmap": 4, "ofmap": 16})
    assert [buffer.bits for buffer in found.buffers] == [256 * 4, 256 * 16, 256 * 16]
    assert [access.bits for step in found.steps for access in step.reads] == [256 * 4, 256 * 4]


def test_views_and_fused_layers_share_a_buffer():
    """A flattened map has no rows to cut; the activation in between is no step."""
    graph = Graph("views")
    x = graph.conv("conv", graph.input("x", (1, 2, 4, 4)), 4, 1)
    graph.linear("fc", graph.flatten("flat", graph.relu("relu", x)), 3)
    found = program(graph)
    assert names(found.steps) == ["conv", "fc"]
    assert [(one.name, one.bits, one.rows) for one in found.buffers] == [("x", 256, 4), ("conv", 512, 0), ("fc", 24, 0)]
    assert step_of(found, "conv").window is None


def test_a_concatenation_in_place_is_one_buffer():
    """Both parts are written into the whole, each step its own share."""
    found = program(fire())
    assert names(found.steps) == ["squeeze", "one", "three"]
    assert [(one.name, one.bits, one.row_bits) for one in found.buffers[2:]] == [("expand", 8 * 36 * 8, 8 * 6 * 8)]
    assert [access.bits for step in found.steps[1:] for access in step.writes] == [4 * 36 * 8, 4 * 36 * 8]
    assert found.writers() == ((), (0,), (1, 2))
    assert found.readers() == ((0,), (1, 2), ())


def test_a_concatenation_that_is_copied_is_a_step():
    """A network input cannot be written in place."""
    graph = Graph("copy")
    x = graph.input("x", (1, 2, 4, 4))
    graph.concat("join", x, graph.conv("conv", x, 2, 1))
    found = program(graph)
    assert names(found.steps) == ["conv", "join"]
    assert [(a.buffer, a.bits) for a in step_of(found, "join").reads] == [(0, 256), (1, 256)]


def test_a_step_waits_for_the_parts_it_reads_and_no_others():
    """In a network with a skip connection a step reads the first part before the second part exists."""
    found = program(unet())
    assert [sorted(step.needs) for step in found.steps] == [[], [0], [1], [0, 2]]
    assert [access.buffer for access in step_of(found, "low").reads] == [1]
    assert found.writers()[1] == (0, 2)


def test_several_outputs_are_written_apart():
    """A layer with two outputs writes each into a buffer of its own, and is not cut into stripes."""
    graph = Graph("split")
    a, b = graph.layer("split", Stream("split", ((1, 1, 4, 4), (1, 3, 4, 4))), graph.input("x", (1, 4, 4, 4)))
    graph.add("sum", graph.conv("one", a, 3, 1), b)
    found = program(graph)
    assert [(access.buffer, access.bits) for access in found.steps[0].writes] == [(1, 128), (2, 384)]
    assert found.steps[0].window is None
    assert step_of(found, "sum").needs == {0, 1}


def test_a_parameter_is_no_buffer():
    """A trained tensor is read as weights, on chip or not like those."""
    graph = Graph("embedding")
    x = graph.input("x", (1, 4, 8))
    graph.add("sum", x, graph.parameter("position", (1, 4, 8)))
    scheduler = scheduler_of(graph)
    assert names(scheduler.program.buffers) == ["x", "sum"]
    assert [access.buffer for access in scheduler.program.steps[0].reads] == [0]
    assert scheduler.costs.weight_bits == [32 * 8]


def test_attention_reads_its_second_operand_as_weights():
    """Of a product of two activations the second one is the weight operand, at the width of activations."""
    graph = Graph("attention")
    x = graph.input("x", (1, 3, 4))
    q, k, v = (graph.linear(name, x, 4, bias=False) for name in "qkv")
    scores = graph.softmax("softmax", graph.matmul("scores", q, graph.transpose("kt", k, (0, 2, 1))))
    graph.linear("out", graph.matmul("mix", scores, v), 4, bias=False)
    found = program(graph, bits={**INT8, "weight": 4})
    assert [(a.operand, a.bits) for a in step_of(found, "mix").reads] == [("ifmap", 9 * 8), ("weight", 12 * 8)]
    assert [(a.operand, a.bits) for a in step_of(found, "scores").reads] == [("ifmap", 12 * 8), ("weight", 12 * 8)]
    assert [step.window for step in found.steps] == [None] * len(found.steps)
    assert scheduler_of(graph).costs.weight_bits == [16 * 8] * 3 + [0] * 4 + [16 * 8]


def test_a_recurrent_layer_writes_gates_and_no_states():
    """Its output is a buffer, but the rows write gates, which never stay on chip."""
    graph = Graph("recurrent")
    graph.linear("fc", graph.lstm("lstm", graph.input("x", (1, 5, 3)), 4), 2)
    found = program(graph)
    assert found.steps[0].rows == range(2)
    assert [(a.row, a.bits) for a in found.steps[0].writes] == [(1, 0)]
    assert [(a.row, a.operand) for a in found.steps[0].reads] == [(0, "ifmap")]
    assert [one.bits for one in found.buffers] == [15 * 8, 20 * 8, 10 * 8]


def window(make, shape=(1, 4, 9, 9), bits=INT8):
    """Return the window of the layer that ``make`` adds."""
    graph = Graph("window")
    make(graph, graph.input("x", shape))
    return program(graph, bits=bits).steps[-1].window


WINDOWS = {
    "pointwise": (lambda g, x: g.conv("y", x, 2, 1), Window(9, 9)),
    "padded": (lambda g, x: g.conv("y", x, 2, 3, padding=1), Window(9, 9, 1, 2, 1)),
    "strided": (lambda g, x: g.conv("y", x, 2, 3, stride=2), Window(4, 9, 2, 2, 0)),
    "dilated": (lambda g, x: g.conv("y", x, 2, 3, dilation=2, padding=2), Window(9, 9, 1, 4, 2)),
    "depthwise": (lambda g, x: g.conv("y", x, 4, 5, padding=2, groups=4), Window(9, 9, 1, 4, 2)),
    "pooling": (lambda g, x: g.max_pool("y", x, 3, stride=2), Window(4, 9, 2, 2, 0)),
    "sum with itself": (lambda g, x: g.add("y", x, x), Window(9, 9)),
    "normalisation": (lambda g, x: g.lrn("y", x), Window(9, 9)),
    "transposed convolution": (lambda g, x: g.conv_transpose("y", x, 2, 3, padding=1), None),
    "linear": (lambda g, x: g.linear("y", x, 9), None),
    "product with a parameter": (lambda g, x: g.matmul("y", g.parameter("w", (9, 9)), x), None),
    "whole map": (lambda g, x: g.global_avg_pool("y", x), Window(1, 9, 1, 8, 0)),
    "softmax": (lambda g, x: g.softmax("y", x), None),
    "sum over rows": (lambda g, x: g.multiply("y", x, g.global_avg_pool("p", x)), None),
    "another batch": (lambda g, x: g.add("y", x, g.conv("c", g.input("z", (2, 4, 9, 9)), 4, 1)), None),
    "padding alone": (lambda g, x: g.conv("y", x, 2, 1, padding=1), None),
    "padding alone below": (lambda g, x: g.conv("y", x, 2, 2, padding=((0, 2), (0, 0))), None),
    "a transposed map": (lambda g, x: g.transpose("y", x, (0, 1, 3, 2)), None),
}


@pytest.mark.parametrize("case", WINDOWS)
def test_windows(case):
    """How rows of the output depend on rows of the input, None where no stripe can be cut."""
    make, expected = WINDOWS[case]
    assert window(make) == expected


VIEWS = {
    "channels": (lambda g, x: g.slice("v", x, 1, 0, 2), True),
    "columns": (lambda g, x: g.slice("v", x, 3, 0, 2), True),
    "columns from the end": (lambda g, x: g.slice("v", x, -1, 0, 2), True),
    "rows": (lambda g, x: g.slice("v", x, 2, 0, 2), False),
    "images": (lambda g, x: g.slice("v", x, 0, 0, 1), False),
    "same height, other rows": (lambda g, x: g.reshape("v", x, (1, 2, 4, 8)), False),
    "transposed sizes": (lambda g, x: g.reshape("v", x, (1, 4, 4, 4)), True),
    "dropout": (lambda g, x: g.dropout("v", x), True),
}


@pytest.mark.parametrize("case", VIEWS)
def test_views_that_keep_rows(case):
    """A view is cut into stripes like its buffer only where row y of it is a part of row y of the buffer."""
    make, kept = VIEWS[case]
    graph = Graph("view")
    x = graph.conv("a", graph.input("x", (1, 4, 4, 4)), 4, 1)
    graph.conv("b", make(graph, x), 2, 1)
    graph.output(x, *graph.outputs)
    found = program(graph)
    assert (found.buffers[1].rows, step_of(found, "a").window, step_of(found, "b").window) == (
        (4, Window(4, 4), Window(4, 4)) if kept else (0, None, None)
    )


def joined(axis):
    """Return a network that joins two maps along an axis and reads the result."""
    graph = Graph("joined")
    x = graph.input("x", (1, 4, 4, 4))
    graph.conv("c", graph.concat("j", graph.conv("a", x, 4, 1), graph.conv("b", x, 4, 1), axis=axis), 2, 1)
    return graph


@pytest.mark.parametrize(("axis", "rows"), [(1, 4), (-3, 4), (3, 4), (2, 0), (0, 0)])
def test_concatenations_that_keep_rows(axis, rows):
    """Joined along channels or columns a row is a row; joined along height or batch it is not."""
    found = program(joined(axis))
    assert [one.rows for one in found.buffers if one.name == "j"] == [rows]


OVERWRITES = {
    "activation": (lambda g, x: g.sigmoid("y", x), ["x"]),
    "sum": (lambda g, x: g.add("y", x, g.input("z", (1, 4, 3, 3))), ["x", "z"]),
    "smaller operand": (lambda g, x: g.add("y", x, g.input("z", (1, 4, 1, 1))), ["x"]),
    "part of a buffer": (lambda g, x: g.add("y", g.slice("v", x, 1, 0, 2), g.input("z", (1, 2, 3, 3))), ["z"]),
    "both halves": (lambda g, x: g.add("y", g.slice("v", x, 1, 0, 2), g.slice("w", x, 1, 2, 4)), []),
    "softmax": (lambda g, x: g.softmax("y", x), []),
    "convolution": (lambda g, x: g.conv("y", x, 4, 1), []),
}


@pytest.mark.parametrize("case", OVERWRITES)
def test_what_an_element_wise_step_may_write_over(case):
    """Inputs that are read whole and have as many elements as the output."""
    make, expected = OVERWRITES[case]
    graph = Graph("overwrites")
    make(graph, graph.input("x", (1, 4, 3, 3)))
    found = program(graph)
    assert sorted(found.buffers[number].name for number in step_of(found, "y").overwrites) == expected


def test_live_ranges():
    """Inputs live from the start, outputs to the end, a concatenation from its first part."""
    found = program(unet())
    assert live_ranges(found, [0, 1, 2, 3]) == [(0, 0), (0, 3), (1, 2), (3, 3)]
    assert live_ranges(program(fire()), [0, 2, 1]) == [(0, 0), (0, 2), (1, 2)]
