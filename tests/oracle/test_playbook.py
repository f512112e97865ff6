"""Transformed networks run literally: they can be executed, and use as many products and weights as the table says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.graph import Graph
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.pooling import Pool
from costmodel.playbook import STEPS, Design, transformed
from tests.oracle.execution import Execution, conv, executed, pool
from tests.unit.networks import classifier, macs, pair, params, residual, stages

STRUCTURAL = tuple(step for step in STEPS if step.name != "lower_precision")


def fires():
    """Build two fire modules with a pooling between, a normalisation, and a bypass around the second."""
    g = Graph("fires")
    x = g.conv("conv1", g.input("data", (1, 3, 12, 12)), 8, kernel=3, padding=1, bias=False)
    x = g.relu("relu1", g.batch_norm("bn1", x))
    for name in ("fire2", "fire3"):
        s = g.relu(f"{name}/relu", g.conv(f"{name}/squeeze", x, 4, kernel=1))
        one, three = g.conv(f"{name}/one", s, 4, kernel=1), g.conv(f"{name}/three", s, 4, kernel=3, padding=1)
        y = g.concat(f"{name}/concat", one, three)
        x = g.max_pool("pool2", y, kernel=2) if name == "fire2" else g.add("bypass", x, y)
    g.output(g.flatten("flatten", g.global_avg_pool("pool", g.conv("conv4", x, 5, kernel=1))))
    return g


def depthwise():
    """Build separable blocks with strides."""
    g = Graph("depthwise")
    x = g.relu("relu1", g.conv("conv1", g.input("data", (1, 3, 12, 12)), 6, kernel=3, stride=2, padding="same"))
    for number, (filters, stride) in enumerate([(8, 1), (12, 2), (12, 1)]):
        x = g.relu(f"dw{number}_relu", g.conv(f"dw{number}", x, x.shape[1], 3, stride, 1, groups=x.shape[1]))
        x = g.relu(f"pw{number}_relu", g.conv(f"pw{number}", x, filters, kernel=1))
    g.output(g.linear("fc", g.flatten("flatten", g.global_avg_pool("pool", x)), 5))
    return g


NETWORKS = {
    "pair": pair,
    "grouped": lambda: pair(8, 12, groups=4),
    "strided": lambda: pair(6, 4, size=9, kernel=(5, 3), stride=(2, 1), padding=((2, 1), (1, 1))),
    "dilated": lambda: pair(6, 8, dilation=2),
    "classifier": classifier,
    "stages": stages,
    "strides": lambda: stages(pool=False),
    "residual": residual,
    "fires": fires,
    "depthwise": depthwise,
}


def expect_literal(graph, outputs):
    """Assert that a network runs, gives these shapes, and uses what its table says."""
    run, shapes = executed(graph)

    assert shapes == outputs
    assert (run.macs, run.params) == (macs(graph), params(graph))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_run(name):
    """Before any step."""
    graph = NETWORKS[name]()

    expect_literal(graph, [tensor.shape for tensor in graph.outputs])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("step", "strength"),
    [(step.name, value) for step in STRUCTURAL for value in (-1, -0.4, 0.25, 0.75, 1) if step.least <= value],
)
def test_transformed_networks_run(name, step, strength):
    """After every step, at several strengths."""
    graph = NETWORKS[name]()
    made = transformed(Design(graph, {}), step, strength).graph

    expect_literal(made, [tensor.shape for tensor in graph.outputs])


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(NETWORKS)),
    st.lists(st.tuples(st.sampled_from([step.name for step in STRUCTURAL]), st.floats(0, 1)), min_size=2, max_size=4),
)
def test_compositions_run(name, steps):
    """Any steps in any order, at any strength."""
    graph = NETWORKS[name]()
    design = Design(graph, {})
    for step, strength in steps:
        design = transformed(design, step, strength).design

    expect_literal(design.graph, [tensor.shape for tensor in graph.outputs])


def test_a_moved_stride_keeps_the_same_values():
    """A convolution of stride 1 of which every second value is kept gives what stride 2 gives: not only the shape."""
    strided, every, kept = Conv.of(2, 3, 3, 2, 1), Conv.of(2, 3, 3, 1, 1), Pool.of(2, "max_pool", 1, 2)
    x = np.random.default_rng(1).standard_normal((2, 9, 9))
    all_values = conv(every, x, Execution())  # whose weights are those of any other execution

    assert np.array_equal(conv(strided, x, Execution()), pool(kept, all_values, Execution()))


def test_the_execution_counts_what_it_does():
    """By hand: 3x3 filters on 4x4 positions, 2 to 3 channels, and a linear layer of 48 to 2."""
    g = Graph("hand")
    x = g.conv("conv", g.input("x", (1, 2, 4, 4)), 3, 3, 1, 1)
    g.output(g.linear("fc", g.flatten("flatten", x), 2, bias=False))
    run, shapes = executed(g)

    assert run.macs == 16 * 9 * 2 * 3 + 48 * 2
    assert run.params == 9 * 2 * 3 + 3 + 48 * 2
    assert shapes == [(1, 2)]
