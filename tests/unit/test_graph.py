"""The graph as a builder: names, tensors, sharing, outputs, and what it says when something is wrong."""

import numpy as np
import pytest

from costmodel.errors import NetworkError, ShapeError
from costmodel.graph import Graph
from costmodel.graph.ops.base import Op
from costmodel.graph.rows import Row


@pytest.fixture
def g():
    """An empty graph."""
    return Graph("net")


@pytest.fixture
def x(g):
    """Its input."""
    return g.input("data", (1, 3, 8, 8))


def message(call, error=NetworkError):
    """The text of the error a call raises."""
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_layers_keep_their_order_and_shapes(g, x):
    """Execution order is the order of the calls."""
    y = g.relu("relu", g.conv("conv", x, 4, 3))

    assert [layer.name for layer in g.layers] == ["conv", "relu"]
    assert (y.name, y.shape, y.rank, y.elems) == ("relu", (1, 4, 6, 6), 4, 144)
    assert g.inputs == (x,)


def test_outputs_default_to_what_nobody_reads(g, x):
    """Both heads of a fork."""
    a, b = g.conv("a", x, 4, 1), g.conv("b", x, 4, 1)

    assert g.outputs == (a, b)


def test_declared_outputs_win(g, x):
    """An inner tensor can be the output."""
    a = g.conv("a", x, 4, 1)
    g.relu("b", a)
    g.output(a)

    assert g.outputs == (a,)


def test_repr_says_what_flows(g, x):
    """Name, size, inputs and outputs at a glance."""
    g.conv("conv", x, np.array([4, 8]), 1)

    assert repr(g) == "<Graph 'net': 1 layers, data (1, 3, 8, 8) -> conv (1, [4..8], 8, 8)>"
    assert repr(g.layers[0]) == "<conv: Conv(data) -> (1, [4..8], 8, 8)>"
    assert repr(x) == "Tensor('data', (1, 3, 8, 8))"
    assert repr(Graph("void")) == "<Graph 'void': 0 layers, no input -> nothing>"


def test_the_table_is_kept_until_the_graph_grows(g, x):
    """Computed once, and again after another layer or output."""
    a = g.conv("a", x, 4, 1)
    first = g.table()

    assert g.table() is first
    g.relu("b", a)
    assert len(g.table()) == 2
    g.output(a)
    assert len(g.table()) == 2


def test_names_are_unique(g, x):
    """Among layers and inputs alike."""
    g.relu("relu", x)

    text = "the graph 'net' already has a layer or input of this name"
    assert message(lambda: g.relu("relu", x)) == f"relu: {text}"
    assert message(lambda: g.relu("data", x)) == f"data: {text}"
    assert message(lambda: g.input("relu", (1,))) == f"relu: {text}"


@pytest.mark.parametrize("name", ["", None, 3])
def test_names_are_texts(g, x, name):
    """An empty or missing name is refused."""
    assert message(lambda: g.relu(name, x)) == f"a layer's name must be a non-empty string, got {name!r}"


def test_tensors_of_another_graph_are_refused(g):
    """Mixing two graphs names both ends."""
    other = Graph("other").input("image", (1, 3, 8, 8))

    assert (
        message(lambda: g.relu("relu", other)) == "relu: 'image' is a tensor of another graph, not of 'net'"
    )
    assert message(lambda: g.output(other)) == "output: 'image' is a tensor of another graph, not of 'net'"


def test_inputs_are_tensors(g):
    """Anything else is named."""
    assert message(lambda: g.relu("relu", "data")) == "relu: expected a tensor as input, got 'data'"


def test_a_failed_layer_leaves_no_trace(g, x):
    """After an error, the name is free again."""
    message(lambda: g.conv("conv", x, 4, 99), ShapeError)

    assert g.conv("conv", x, 4, 1).shape == (1, 4, 8, 8)


class TestShare:
    """Layers that use the parameters of another."""

    def test_parameters_count_once(self, g, x):
        """The second layer has work and traffic, but no parameters of its own."""
        g.conv("one", x, 4, 3)
        g.conv("two", x, 4, 3, share="one")

        table = g.table()

        assert table.params[:, 0].tolist() == [3 * 4 * 9 + 4, 0]
        assert table.weight_elems[0, 0] == table.weight_elems[1, 0]
        assert table.macs[0, 0] == table.macs[1, 0]

    def test_all_kinds_of_weights(self, g):
        """Linear layers, transposed convolutions and embeddings share too."""
        tokens = g.input("tokens", (1, 5))
        a = g.embedding("embed", tokens, 50, 8)
        g.embedding("again", tokens, 50, 8, share="embed")
        b = g.linear("fc", a, 8)
        g.linear("fc2", b, 8, share="fc")
        up = g.reshape("map", b, (1, 8, 5))
        g.conv_transpose("up", up, 2, 2)
        g.conv_transpose("up2", up, 2, 2, share="up")

        assert g.table().total("params")[0] == 400 + 72 + 34

    @pytest.mark.parametrize(
        ("share", "text"),
        [
            ("on", "two: cannot share the weights of 'on': no such earlier layer; did you mean 'one'?"),
            ("two", "two: cannot share the weights of 'two': no such earlier layer"),
            ("relu", "two: cannot share the weights of 'relu', which is another kind of layer"),
            ("one", "two: cannot share the weights of 'one': it needs (4, 3, 1, 1), one has (4, 3, 3, 3)"),
        ],
    )
    def test_refusals(self, g, x, share, text):
        """Missing, its own name, another kind, another shape."""
        g.relu("relu", g.conv("one", x, 4, 3))

        assert message(lambda: g.conv("two", x, 4, 1, share=share), ShapeError).startswith(text)
        assert [layer.name for layer in g.layers] == ["one", "relu"]


class TestDesignPoints:
    """Arrays that do not fit together."""

    def test_points_of_one_length(self, g, x):
        """The graph knows how many points it has."""
        g.conv("conv", x, np.array([1, 2, 3]), 1)

        assert g.design_points == 3
        assert Graph("void").design_points == 1

    def test_lengths_that_meet_in_a_layer(self, g, x):
        """The layer where they meet is named."""
        y = g.conv("a", x, np.array([4, 6, 8]), 1)

        text = message(lambda: g.linear("b", g.flatten("flat", y), np.array([1, 2])) and g.table())
        assert text.startswith("b: arrays of design points have different lengths")

    def test_lengths_that_never_meet(self, g, x):
        """Two branches are compared when the table is made."""
        g.conv("a", x, np.array([4, 6, 8]), 1)
        g.conv("b", x, np.array([4, 6]), 1)

        text = message(g.table)
        assert text == (
            "layers carry different numbers of design points: a has 3, b has 2; use arrays of one length"
        )

    def test_lengths_in_one_shape(self, g):
        """An input can be wrong by itself."""
        text = message(lambda: g.input("data", (1, np.array([3, 4]), np.array([5, 6, 7]))), ShapeError)

        assert text.startswith("data: arrays of design points have different lengths")


def test_networkx_has_inputs_layers_and_edges(g, x):
    """One node per input and layer, one edge per tensor read."""
    a = g.conv("a", x, 3, 1)
    g.add("sum", a, x)

    graph = g.to_networkx()

    assert set(graph.nodes) == {"data", "a", "sum"}
    assert set(graph.edges) == {("data", "a"), ("a", "sum"), ("data", "sum")}
    assert graph.nodes["a"]["shape"] == (1, 3, 8, 8)
    assert graph.edges["a", "sum"]["tensor"] == "a"


class Doubler(Op):
    """An operation defined outside of the library: twice the channels, two outputs."""

    def infer(self, inputs):
        """Twice the channels, and the input's shape."""
        shape = inputs[0].shape
        return (shape[0], 2 * shape[1], *shape[2:]), shape

    def lower(self, inputs, outputs):  # noqa: ARG002 - the interface
        """One streamed row."""
        return (Row("double", ofmap_elems=outputs[0].elems, streamed=True),)


def test_any_operation_can_be_added(g, x):
    """An operation needs infer and lower, nothing else; all outputs come back."""
    wide, same = g.layer("double", Doubler(), x)

    assert (wide.name, wide.shape) == ("double", (1, 6, 8, 8))
    assert (same.name, same.shape) == ("double:1", (1, 3, 8, 8))
    assert g.table().ofmap_elems[0, 0] == 6 * 64


class Broken(Op):
    """An operation with a mistake of its own."""

    def infer(self, inputs):
        """The input's shape."""
        return (inputs[0].shape,)

    def lower(self, inputs, outputs):  # noqa: ARG002 - the interface
        """Raise something that is no mistake of the user."""
        raise ValueError("a bug")


def test_bugs_of_operations_are_not_hidden(g, x):
    """Only failed broadcasts are reported as shape errors."""
    g.layer("broken", Broken(), x)

    with pytest.raises(ValueError, match="a bug"):
        g.table()


def test_the_base_operation_is_abstract():
    """Forgetting infer or lower shows as soon as the operation is made."""
    with pytest.raises(TypeError, match="abstract"):
        Op()
    with pytest.raises(TypeError, match="lower"):
        type("Half", (Op,), {"infer": Op.rule})()


def test_overflow_names_the_layer(g):
    """A product beyond 64 bits never wraps."""
    x = g.input("x", (1, 2**10, 2**30))
    g.linear("huge", x, 2**30)

    assert message(g.table).startswith("huge: 1.181e+21 elements or operations do not fit in 64 bits")
