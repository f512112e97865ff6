"""Activations, sums, normalisation and softmax: operations, parameters, refusals."""

import pytest

from costmodel.errors import NetworkError, ShapeError
from costmodel.graph import Graph
from costmodel.graph.ops.elementwise import ACTIVATIONS
from costmodel.graph.table import COUNTS

SHAPE = (2, 4, 3, 5)
ELEMS = 120


def only_row(build, *shapes):
    """The last row of a graph as plain values, with its output shape."""
    g = Graph("some")
    y = build(g, *[g.input(f"x{i}", shape) for i, shape in enumerate(shapes)])
    table = g.table()
    counts = {column: int(table[column][-1, 0]) for column in COUNTS}
    nest = table.n[-1, 0] * table.g[-1, 0] * table.k[-1, 0] * table.p[-1, 0] * table.q[-1, 0]
    return counts | {
        "op": table.ops[-1], "shape": y.shape, "streamed": bool(table.streamed[-1]), "nest": int(nest),
    }  # fmt: skip


def message(build, *shapes, error=ShapeError):
    """The text of the error that a layer raises."""
    with pytest.raises(error) as caught:
        only_row(build, *shapes)
    return str(caught.value)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation_is_one_operation_per_element(kind):
    """By name, whatever the function costs."""
    row = only_row(lambda g, x: g.activation("act", x, kind), SHAPE)

    assert (row["op"], row["shape"], row["streamed"]) == (kind, SHAPE, True)
    assert (row["other_ops"], row["ifmap_elems"], row["ofmap_elems"], row["nest"]) == (ELEMS,) * 4
    assert (row["macs"], row["params"]) == (0, 4 if kind == "prelu" else 0)


@pytest.mark.parametrize(
    "kind", ["relu", "relu6", "sigmoid", "tanh", "gelu", "silu", "hardswish", "hardsigmoid"]
)
def test_common_activations_have_methods(kind):
    """The same row as by name."""
    assert only_row(lambda g, x: getattr(g, kind)("act", x), SHAPE)["op"] == kind


def test_unknown_activations_are_refused():
    """With the nearest name, or all of them."""
    near = message(lambda g, x: g.activation("act", x, "relu7"), SHAPE, error=NetworkError)
    far = message(lambda g, x: g.activation("act", x, "???"), SHAPE, error=NetworkError)

    assert near.startswith("act: unknown activation 'relu7'; did you mean 'relu")
    assert far == f"act: unknown activation '???'; known are {', '.join(ACTIVATIONS)}"


class TestCombine:
    """Sums and products of several tensors."""

    @pytest.mark.parametrize(
        ("method", "op"), [("add", "add"), ("sub", "sub"), ("multiply", "mul"), ("divide", "div")]
    )
    def test_two_tensors(self, method, op):
        """One operation per output, both inputs read."""
        row = only_row(lambda g, a, b: getattr(g, method)("c", a, b), SHAPE, SHAPE)

        assert (row["op"], row["other_ops"], row["ifmap_elems"]) == (op, ELEMS, 2 * ELEMS)

    def test_several_tensors(self):
        """One operation per pair."""
        row = only_row(lambda g, *xs: g.add("sum", *xs), SHAPE, SHAPE, SHAPE)

        assert (row["other_ops"], row["ifmap_elems"], row["ofmap_elems"]) == (2 * ELEMS, 3 * ELEMS, ELEMS)

    def test_the_same_tensor_twice_is_read_once(self):
        """The case of x + x."""
        row = only_row(lambda g, x: g.add("sum", x, x), SHAPE)

        assert (row["other_ops"], row["ifmap_elems"]) == (ELEMS, ELEMS)

    @pytest.mark.parametrize(
        ("other", "shape"),
        [((2, 4, 1, 1), SHAPE), ((5,), SHAPE), ((3, 1), SHAPE), ((7, 2, 4, 3, 5), (7, *SHAPE))],
    )
    def test_broadcasting_reads_what_is_stored(self, other, shape):
        """A size of 1 stretches without being read again."""
        row = only_row(lambda g, a, b: g.multiply("scale", a, b), SHAPE, other)
        elems = 1
        for size in other:
            elems *= size

        assert row["shape"] == shape
        assert row["ifmap_elems"] == ELEMS + elems

    def test_refusals(self):
        """Both layers are named."""
        text = message(lambda g, a, b: g.add("sum", a, g.relu("r", b)), SHAPE, (2, 4, 3, 6))
        assert text == (
            "sum: inputs do not broadcast: x0 gives (2, 4, 3, 5), r gives (2, 4, 3, 6); "
            "sizes must agree or be 1"
        )
        assert message(lambda g, a: g.add("sum", a), SHAPE) == "sum: needs at least 2 inputs, got 1"


class TestNormalisation:
    """Batch, layer, group, local response normalisation; softmax."""

    def test_batch_norm(self):
        """Two operations per element, two parameters per channel."""
        row = only_row(lambda g, x: g.batch_norm("bn", x), SHAPE)

        assert (row["op"], row["params"], row["other_ops"]) == ("batch_norm", 8, 2 * ELEMS)
        assert (row["weight_elems"], row["ifmap_elems"], row["ofmap_elems"]) == (8, ELEMS, ELEMS)

    def test_batch_norm_without_parameters(self):
        """The scale and shift of the statistics are still read."""
        row = only_row(lambda g, x: g.batch_norm("bn", x, affine=False), SHAPE)

        assert (row["params"], row["weight_elems"]) == (0, 8)

    @pytest.mark.parametrize(("axes", "params"), [(1, 10), (2, 30), (3, 120)])
    def test_layer_norm(self, axes, params):
        """Seven operations per element with parameters over the last axes."""
        row = only_row(lambda g, x: g.layer_norm("ln", x, axes), SHAPE)

        assert (row["params"], row["weight_elems"], row["other_ops"]) == (params, params, 7 * ELEMS)

    def test_layer_norm_without_parameters(self):
        """Five operations per element."""
        row = only_row(lambda g, x: g.layer_norm("ln", x, affine=False), SHAPE)

        assert (row["params"], row["other_ops"]) == (0, 5 * ELEMS)

    @pytest.mark.parametrize(("affine", "params", "ops"), [(True, 8, 7), (False, 0, 5)])
    def test_group_norm(self, affine, params, ops):
        """Like layer norm, with parameters per channel."""
        row = only_row(lambda g, x: g.group_norm("gn", x, 2, affine=affine), SHAPE)

        assert (row["op"], row["params"], row["other_ops"]) == ("group_norm", params, ops * ELEMS)

    def test_local_response_norm(self):
        """Eight operations per element for five neighbours; no parameters."""
        row = only_row(lambda g, x: g.lrn("norm1", x), SHAPE)

        assert (row["op"], row["params"], row["other_ops"], row["streamed"]) == ("lrn", 0, 8 * ELEMS, True)

    def test_softmax(self):
        """Five operations per element."""
        row = only_row(lambda g, x: g.softmax("prob", x, axis=1), SHAPE)

        assert (row["op"], row["shape"], row["other_ops"]) == ("softmax", SHAPE, 5 * ELEMS)

    @pytest.mark.parametrize(
        ("build", "shape", "text"),
        [
            (lambda g, x: g.batch_norm("b", x), (4,), "b: needs axes (batch, channels, ...), but x0 gives (4,)"),
            (lambda g, x: g.layer_norm("b", x, 2), (2, 4), "b: normalises 2 axes besides the batch, but x0 gives (2, 4)"),
            (lambda g, x: g.layer_norm("b", x, 0), (2, 4), "b: normalises 0 axes besides the batch, but x0 gives (2, 4)"),
            (lambda g, x: g.group_norm("b", x, 3), (2, 4), "b: groups 3 do not divide the channels: x0 gives (2, 4)"),
            (lambda g, x: g.group_norm("b", x, 2), (4,), "b: needs axes (batch, channels, ...), but x0 gives (4,)"),
            (lambda g, x: g.lrn("b", x, 0), SHAPE, "b: size must be at least 1, got 0"),
            (lambda g, x: g.lrn("b", x), (2, 4), "b: needs axes (batch, channels, 1 to 3 spatial), but x0 gives (2, 4)"),
            (lambda g, x: g.softmax("b", x, 2), (2, 4), "b: axis 2 does not exist: x0 gives (2, 4)"),
            (lambda g, x: g.softmax("b", x, "last"), (2, 4), "b: axis 'last' does not exist: x0 gives (2, 4)"),
            (lambda g, x: g.activation("b", x, "prelu"), (4,), "b: needs axes (batch, channels, ...), but x0 gives (4,)"),
        ],
    )  # fmt: skip
    def test_refusals(self, build, shape, text):
        """Each mistake has its message."""
        assert message(build, shape) == text


class TestUnknown:
    """Operations nobody models."""

    def test_bad_shapes_are_refused(self):
        """The declared shape is checked like any other."""
        text = message(lambda g, x: g.unknown("u", "Magic", [x], (1, 0)), SHAPE)

        assert text == "u: output_shape[1] must be at least 1, got 0"

    def test_several_outputs_are_all_written(self):
        """An importer may know more than one output."""
        from costmodel.graph.ops.elementwise import Unknown

        row = only_row(lambda g, x: g.layer("u", Unknown("Split", ((1, 2), (1, 3))), x)[0], (1, 5))

        assert (row["ifmap_elems"], row["ofmap_elems"]) == (5, 5)


def test_one_input_means_one():
    """An operation on one tensor refuses two, and a product refuses three."""
    from costmodel.graph.ops.dense import MatMul
    from costmodel.graph.ops.elementwise import Activation

    two = message(lambda g, a, b: g.layer("r", Activation("relu"), a, b)[0], (1, 2), (1, 2))
    one = message(lambda g, a: g.layer("m", MatMul(), a)[0], (1, 2))

    assert two == "r: needs 1 input(s), got 2"
    assert one == "m: needs 2 input(s), got 1"


def test_a_scalar_can_be_streamed():
    """A tensor without axes is one element."""
    row = only_row(lambda g, x: g.tanh("t", x), ())

    assert (row["ifmap_elems"], row["ofmap_elems"], row["nest"]) == (1, 1, 1)
