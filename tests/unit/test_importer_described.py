"""Graphs written as plain data."""

import pytest

from costmodel.errors import InputError
from costmodel.importers.described import described_graph

IMAGE = {"x": [1, 16, 16, 16]}


def test_layers_follow_each_other():
    """Without inputs, a layer reads the one before."""
    g = described_graph("net", IMAGE, [{"op": "conv", "out_channels": 4, "kernel": [3, 1]}, {"op": "relu"}])

    assert [layer.name for layer in g.layers] == ["conv0", "relu1"]
    assert g.outputs[0].shape == (1, 4, 14, 16)


def test_layers_can_be_named_and_read():
    """A fork and a join."""
    layers = [
        {"op": "conv", "name": "a", "out_channels": 4, "kernel": 1},
        {"op": "conv", "name": "b", "inputs": ["x"], "out_channels": 4, "kernel": 1},
        {"op": "add", "inputs": ["a", "b"]},
    ]

    assert described_graph("net", IMAGE, layers).outputs[0].name == "add2"


def test_parameters_have_no_input():
    """And are read like a layer."""
    layers = [{"op": "parameter", "name": "w", "shape": [16, 4]}, {"op": "matmul", "inputs": ["x", "w"]}]

    assert described_graph("net", {"x": [1, 5, 16]}, layers).outputs[0].shape == (1, 5, 4)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        ({"op": "konv"}, "net: konv0: no operation 'konv'; operations are methods of Graph"),
        ({"op": "_add"}, "net: _add0: no operation '_add'; operations are methods of Graph"),
        ({"op": "name"}, "net: name0: no operation 'name'; operations are methods of Graph"),
        ({"out_channels": 4}, "net: None0: no operation None; operations are methods of Graph"),
        ({"op": "relu", "inputs": ["y"]}, "net: relu0: no earlier layer or input 'y'"),
        ({"op": "relu", "size": 3}, "net: relu0: relu: got an unexpected keyword argument 'size'"),
        ({"op": "conv", "kernel": 3}, "net: conv0: conv: missing a required argument: 'out_channels'"),
    ],
)
def test_refusals(layer, text):
    """The graph, the layer, and what is wrong."""
    with pytest.raises(InputError) as caught:
        described_graph("net", IMAGE, [layer])
    assert str(caught.value) == text


def test_a_graph_without_inputs():
    """Nothing to read is the operation's own problem."""
    with pytest.raises(InputError, match="relu: missing a required argument: 'x'"):
        described_graph("net", {}, [{"op": "relu"}])
