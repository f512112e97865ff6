"""Small networks whose schedules can be worked out by hand on the machine of round numbers."""

from __future__ import annotations

from costmodel.graph import Graph


def perceptron(name="perceptron", widths=(100, 50, 10)):
    """Build a chain of fully connected layers: 5,000 and 500 weights, 100, 50 and 10 activations."""
    graph = Graph(name)
    x = graph.input("x", (1, widths[0]))
    for index, width in enumerate(widths[1:]):
        x = graph.linear(f"fc{index}", x, width)
    graph.output(x)
    return graph


def pair(name="pair"):
    """Build two convolutions of 144 and 16 weights over maps of 4 x 16 x 16 = 1,024 elements."""
    graph = Graph(name)
    x = graph.conv("conv1", graph.input("x", (1, 4, 16, 16)), 4, kernel=3, padding=1)
    graph.output(graph.conv("conv2", x, 4, kernel=1))
    return graph


def tower(name="tower"):
    """Build five convolutions over maps of 12 rows of 8; conv2 alone has a height of 3.

    Weights are 1, 1, 3, 6 and 12; channels 1, 1, 1, 1, 6 and 2.
    """
    graph = Graph(name)
    x = graph.input("x", (1, 1, 12, 8))
    for index, (channels, height) in enumerate([(1, 1), (1, 1), (1, 3), (6, 1), (2, 1)]):
        x = graph.conv(f"conv{index}", x, channels, kernel=(height, 1), padding=(height // 2, 0))
    graph.output(x)
    return graph

