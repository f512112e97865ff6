"""MACs of the backward pass against a network whose gradients are computed in literal loops and checked by differences."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.graph import Graph
from costmodel.training import backward
from tests.oracle.gradient import Convolution, trained

NETWORKS = {
    "one layer": [(3, 4, 3, 1, 0, 1)],
    "three layers": [(2, 4, 3, 1, 1, 1), (4, 6, 1, 1, 0, 1), (6, 3, 3, 2, 1, 1)],
    "depthwise": [(3, 6, 3, 2, 1, 1), (6, 6, 3, 1, 1, 6), (6, 4, 1, 1, 0, 1)],
    "grouped": [(4, 4, 3, 1, 1, 2), (4, 8, 3, 2, 0, 4)],
}
"""Layers as channels in and out, window, stride, padding, groups."""
EXTENT = 6


def literal(name):
    """The layers with weights, and an input."""
    random = np.random.default_rng(len(name))
    layers = [
        Convolution(random.normal(size=(k, c // groups, r, r)), stride, padding, groups)
        for c, k, r, stride, padding, groups in NETWORKS[name]
    ]
    return layers, random.normal(size=(NETWORKS[name][0][0], EXTENT, EXTENT))


def graph(name):
    """The same network as a graph."""
    g = Graph(name)
    x = g.input("x", (1, NETWORKS[name][0][0], EXTENT, EXTENT))
    for number, (_, k, r, stride, padding, groups) in enumerate(NETWORKS[name]):
        x = g.conv(f"conv{number}", x, k, r, stride=stride, padding=padding, groups=groups, bias=False)
        x = g.relu(f"relu{number}", x)
    return g


@pytest.mark.parametrize("name", NETWORKS)
def test_macs_forward_and_backward(name):
    """As many multiplications as the loops do."""
    _, _, forward_macs, backward_macs = trained(*literal(name))
    table = graph(name).table()

    assert int(table.total("macs")[0]) == forward_macs
    assert backward(graph(name)).macs(table) == backward_macs


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loops_compute_gradients(name):
    """What is counted is the derivative: differences of the loss agree with it."""
    layers, x = literal(name)
    _, gradients, _, _ = trained(layers, x)
    step = 1e-6
    for layer, gradient in zip(layers, gradients, strict=True):
        for at in list(np.ndindex(layer.weights.shape))[::7]:
            kept = layer.weights[at]
            losses = []
            for moved in (kept + step, kept - step):
                layer.weights[at] = moved
                losses.append(trained(layers, x)[0])
            layer.weights[at] = kept
            assert (losses[0] - losses[1]) / (2 * step) == pytest.approx(gradient[at], rel=1e-4, abs=1e-5)


def test_one_layer_needs_no_gradient_of_the_image():
    """Its backward pass is one product; every further layer adds two."""
    _, _, forward_macs, backward_macs = trained(*literal("one layer"))

    assert backward_macs == forward_macs
