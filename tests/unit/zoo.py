"""What the tests of the shipped networks share: counts from layers written by hand, shapes, messages."""

from math import prod

import pytest

from costmodel.errors import CostModelError
from costmodel.importers import load_network


def params_of(graph, prefix=""):
    """Parameters of the layers whose name starts with a prefix."""
    table = graph.table()
    return sum(int(v) for n, v in zip(table.names, table.params[:, 0], strict=True) if n.startswith(prefix))


def macs_of(graph, prefix=""):
    """MACs of the layers whose name starts with a prefix."""
    table = graph.table()
    return sum(int(v) for n, v in zip(table.names, table.macs[:, 0], strict=True) if n.startswith(prefix))


def shapes_of(graph):
    """Output shape of every layer."""
    return {layer.name: layer.outputs[0].shape for layer in graph.layers}


def of_products(spec, column, ops=("conv", "conv_transpose", "linear", "matmul")):
    """A column of the products of a network, in order."""
    table = load_network(spec).table()
    return [int(v) for v, op in zip(getattr(table, column)[:, 0], table.ops, strict=True) if op in ops]


def hand_macs(layers):
    """MACs of layers ((kernel height, kernel width), input channels of a group, filters, (height, width) of the output)."""
    return [prod(kernel) * inputs * filters * prod(extent) for kernel, inputs, filters, extent in layers]


def hand_weights(layers):
    """Weights of the same layers."""
    return [prod(kernel) * inputs * filters for kernel, inputs, filters, _ in layers]


def square(kernel, inputs, filters, extent):
    """A layer whose kernel and output are square."""
    return ((kernel, kernel), inputs, filters, (extent, extent))


def message(spec, **arguments):
    """The text of the error a network raises."""
    with pytest.raises(CostModelError) as caught:
        load_network(spec, **arguments)
    return str(caught.value)


def same_alone(net, column, name, values, **arguments):
    """Whether an array of a metaparameter counts at every point what a network with that value counts."""
    import numpy as np

    together = load_network(net, **{name: np.array(values)}, **arguments).table().total(column).tolist()
    alone = [
        int(load_network(net, **{name: value}, **arguments).table().total(column)[0]) for value in values
    ]
    return together == alone
