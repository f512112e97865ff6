"""The layer table: columns, selection, batches, totals, and the rules by which rows are free."""

import numpy as np
import pytest

from costmodel.errors import NetworkError, ShapeError
from costmodel.graph import Graph
from costmodel.graph.rows import FOLDED, FREE_RULES, FUSED, IDENTITY, IN_PLACE, PARAMETER, VIEW
from costmodel.graph.table import COUNTS, DIMENSIONS


@pytest.fixture
def g():
    """An empty graph."""
    return Graph("net")


def row(table, name):
    """One row as a dictionary of plain values."""
    index = table.names.index(name)
    columns = ("ops", "groups", "status", "notes")
    plain = {column: table[column][index] for column in columns}
    return plain | {column: int(table[column][index, 0]) for column in DIMENSIONS + COUNTS}


def test_columns_have_one_layer_axis(g):
    """Integer columns are (L, 1) without design points, flags are (L,)."""
    g.relu("relu", g.conv("block/conv", g.input("x", (1, 3, 8, 8)), 4, 3))
    table = g.table()

    assert len(table) == 2
    assert table.names == ("block/conv", "relu")
    assert table.groups == ("block", "")
    for column in DIMENSIONS + COUNTS:
        assert (table[column].shape, table[column].dtype) == ((2, 1), np.int64)
    assert (table.streamed.shape, table.streamed.dtype) == ((2,), np.bool_)
    assert repr(table) == "<LayerTable: 2 rows>"


def test_only_columns_that_vary_are_wide(g):
    """A column no design axis touches keeps extent 1."""
    g.conv("conv", g.input("x", (1, 3, 8, 8)), np.array([4, 8, 16]), 3)
    table = g.table()

    assert table.k.tolist() == [[4, 8, 16]]
    assert table.c.tolist() == [[3]]
    assert table.design_points == 3
    assert repr(table) == "<LayerTable: 1 rows, 3 design points>"


def test_an_empty_graph_has_an_empty_table(g):
    """No rows, and totals of nothing."""
    table = g.table()

    assert len(table) == 0
    assert table.total("macs").tolist() == [0]
    assert table.with_batch(4).design_points == 1


def test_unknown_columns_list_the_known(g):
    """A misspelt column says which there are."""
    with pytest.raises(KeyError, match="no column 'mac'; columns are names, ops"):
        g.table()["mac"]


def test_rows_selects_by_mask_or_index(g):
    """Labels, columns and flags stay aligned."""
    x = g.input("x", (1, 3, 8, 8))
    g.flatten("flat", g.relu("relu", g.conv("conv", x, 4, 3)))
    table = g.table()

    assert table.rows([True, False, True]).names == ("conv", "flat")
    assert table.rows([2, 0]).ops == ("flatten", "conv")
    assert table.rows(table.counted()).names == ("conv",)


class TestBatch:
    """The same network on several inputs."""

    def test_activations_multiply_and_weights_do_not(self, g):
        """A convolution has more outputs, not more filters."""
        g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        one, four = g.table(), g.table().with_batch(4)

        before, after = row(one, "conv"), row(four, "conv")
        assert after["n"] == 4
        for column in ("macs", "other_ops", "ifmap_elems", "ofmap_elems"):
            assert after[column] == 4 * before[column]
        for column in ("params", "weight_elems", "bias_elems", "g", "k", "c"):
            assert after[column] == before[column]

    def test_products_of_activations_multiply_groups(self, g):
        """Each input has its own second operand."""
        a = g.input("a", (1, 2, 5, 3))
        g.matmul("mm", a, g.input("b", (1, 2, 3, 7)))
        before, after = row(g.table(), "mm"), row(g.table().with_batch(3), "mm")

        assert (after["n"], after["g"], after["weight_elems"]) == (1, 6, 3 * before["weight_elems"])

    def test_batches_can_be_design_points(self, g):
        """An array of batches is a design axis."""
        g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        table = g.table().with_batch(np.array([1, 2, 8]))

        assert table.n.tolist() == [[1, 2, 8]]
        assert (table.macs == g.table().macs * np.array([1, 2, 8])).all()
        assert table.params.shape == (1, 1)

    def test_batch_one_is_the_table_itself(self, g):
        """Nothing to do."""
        table = g.table()

        assert table.with_batch(1) is table

    @pytest.mark.parametrize("batch", [0, -1, 1.5])
    def test_bad_batches_are_refused(self, g, batch):
        """A batch is a size."""
        with pytest.raises(ShapeError, match="batch must be"):
            g.table().with_batch(batch)

    def test_overflow_names_the_layer(self, g):
        """MACs at the batch must fit."""
        g.linear("fc", g.input("x", (1, 2**20)), 2**20)

        with pytest.raises(NetworkError, match="fc: macs at this batch does not fit in 64 bits"):
            g.table().with_batch(2**24)


def test_totals_that_overflow_are_refused(g):
    """Rows fit, their sum does not."""
    x = g.input("x", (1, 2**30))
    for position in range(9):
        g.linear(f"fc{position}", x, 2**30, bias=False)

    with pytest.raises(NetworkError, match="the total of macs does not fit in 64 bits"):
        g.table().total("macs")


def test_a_count_that_overflows_in_a_sum_names_the_layer():
    """Each input fits, all of them do not."""
    shape = (2**30, 2**30, 4)
    with pytest.raises(NetworkError, match="a: ifmap_elems does not fit in 64 bits"):
        summed("a", shape).table()


def test_a_design_point_that_overflows_in_a_sum_names_the_layer():
    """The same where only one design point is too large."""
    shape = (2**30, np.array([2**30, 1]), 4)
    with pytest.raises(NetworkError, match=r"a: .*do not fit in 64 bits"):
        summed("a", shape).table()


def summed(name, shape):
    """The sum of two inputs of one shape."""
    graph = Graph("sum")
    graph.add(name, *[graph.input(f"x{i}", shape) for i in range(2)])
    return graph


class TestFreeRules:
    """Every free row names its rule and moves nothing."""

    def test_rules_are_named(self):
        """The exact words are part of the result."""
        assert FREE_RULES == (
            "folded into the producing layer",
            "fused into the producing layer",
            "view: no data moves",
            "written in place by its producers",
            "identity at inference",
            "parameter: read by its consumers",
        )

    def test_free_rows_move_nothing(self, g):
        """No traffic, but operations and parameters stay."""
        x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3, bias=False)
        x = g.activation("prelu", g.batch_norm("bn", x), "prelu")
        table = g.table()

        for name, params, other_ops in (("bn", 8, 288), ("prelu", 4, 144)):
            found = row(table, name)
            assert found["status"] == "free"
            assert (found["params"], found["other_ops"]) == (params, other_ops)
            assert found["ifmap_elems"] == found["ofmap_elems"] == found["weight_elems"] == 0

    def test_activation_of_a_layer_is_fused(self, g):
        """Also through a view or dropout."""
        x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        g.tanh("tanh", g.relu("relu", g.dropout("drop", g.flatten("flat", x))))

        assert g.table().notes == ("", VIEW, IDENTITY, FUSED, FUSED)

    def test_activation_of_an_input_is_counted(self, g):
        """Nobody computes it, so it is read and written."""
        found_in = g.input("x", (1, 3, 8, 8))
        g.relu("relu", found_in)

        found = row(g.table(), "relu")
        assert (found["status"], found["ifmap_elems"], found["ofmap_elems"]) == ("counted", 192, 192)

    def test_activation_of_a_value_others_read_is_counted(self, g):
        """The value before it must be written as well."""
        x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        g.add("sum", x, g.relu("relu", x))

        assert row(g.table(), "relu")["status"] == "counted"

    def test_activation_of_an_output_is_counted(self, g):
        """A declared output is read by somebody outside."""
        x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        g.output(x, g.relu("relu", x))

        assert row(g.table(), "relu")["status"] == "counted"

    @pytest.mark.parametrize("source", ["slice", "unknown"])
    def test_activation_of_what_computes_nothing_is_counted(self, g, source):
        """A slice moves no data to fuse into, an unknown operation promises nothing."""
        x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        y = g.slice("part", x, 1, 0, 2) if source == "slice" else g.unknown("part", "Magic", [x], x.shape)
        g.relu("relu", y)

        assert row(g.table(), "relu")["status"] == "counted"

    @pytest.mark.parametrize(
        ("layers", "note"),
        [
            (("conv",), FOLDED),
            (("linear",), FOLDED),
            (("up",), FOLDED),
            (("conv", "relu"), ""),
            (("pool",), ""),
        ],
    )
    def test_batch_norm_folds_into_weights(self, g, layers, note):
        """Only where a layer with weights comes right before."""
        x = g.input("x", (1, 3, 8, 8))
        make = {
            "conv": lambda x: g.conv("conv", x, 4, 3),
            "linear": lambda x: g.linear("linear", g.flatten("flat", x), 4),
            "up": lambda x: g.conv_transpose("up", x, 4, 2),
            "relu": lambda x: g.relu("relu", x),
            "pool": lambda x: g.max_pool("pool", x, 2),
        }
        for layer in layers:
            x = make[layer](x)
        g.batch_norm("bn", x)

        assert row(g.table(), "bn")["notes"] == note

    def test_batch_norm_folds_into_a_product_with_a_parameter(self, g):
        """A product of activations has no weights to fold into."""
        x = g.input("x", (1, 5, 3))
        w = g.parameter("w", (3, 4))
        g.batch_norm("static", g.matmul("xw", x, w))
        g.batch_norm("dynamic", g.matmul("xx", x, g.input("y", (1, 3, 4))))

        assert row(g.table(), "static")["notes"] == FOLDED
        assert row(g.table(), "dynamic")["notes"] == ""

    def test_batch_norm_by_request(self, g):
        """Folding can be forced or forbidden."""
        x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 4, 3)
        y = g.batch_norm("never", x, folded=False)
        g.batch_norm("always", g.max_pool("pool", y, 2), folded=True)
        table = g.table()

        assert (row(table, "never")["status"], row(table, "never")["other_ops"]) == ("counted", 288)
        assert (row(table, "always")["notes"], row(table, "always")["other_ops"]) == (FOLDED, 0)

    def test_concat_of_computed_tensors_is_in_place(self, g):
        """Through activations and nested concats too."""
        x = g.input("x", (1, 3, 8, 8))
        a, b = g.relu("ra", g.conv("a", x, 4, 1)), g.conv("b", x, 4, 1)
        c = g.concat("ab", a, b)
        g.concat("abc", c, g.conv("c", x, 4, 1))

        assert [row(g.table(), name)["notes"] for name in ("ab", "abc")] == [IN_PLACE, IN_PLACE]

    @pytest.mark.parametrize("member", ["input", "slice", "parameter", "twice"])
    def test_concat_of_other_tensors_is_a_copy(self, g, member):
        """Graph inputs, slices, parameters, and tensors that another concat holds already."""
        x = g.input("x", (1, 3, 8, 8))
        a = g.conv("a", x, 4, 1)
        other = {
            "input": lambda: x,
            "slice": lambda: g.slice("part", a, 1, 0, 2),
            "parameter": lambda: g.parameter("token", (1, 2, 8, 8)),
            "twice": lambda: g.concat("first", g.conv("b", x, 4, 1), a),
        }[member]()
        joined = g.concat("cat", a, other)

        found = row(g.table(), "cat")
        assert (found["status"], found["ofmap_elems"]) == ("counted", joined.elems)
        assert found["ifmap_elems"] + found["weight_elems"] == joined.elems

    def test_parameters_are_held_and_read(self, g):
        """The parameter's row has the count, the consumer's row the traffic."""
        x = g.input("x", (1, 5, 3))
        g.add("add", x, g.parameter("position", (1, 5, 3)))
        table = g.table().with_batch(4)

        assert (row(table, "position")["params"], row(table, "position")["notes"]) == (15, PARAMETER)
        found = row(table, "add")
        assert (found["weight_elems"], found["ifmap_elems"], found["ofmap_elems"]) == (15, 60, 60)

    def test_unknown_operations_are_listed(self, g):
        """Elements counted, work not, and the status says so."""
        x = g.input("x", (1, 3, 8, 8))
        g.unknown("nms", "NonMaxSuppression", [x], (1, 100, 6))

        found = row(g.table(), "nms")
        assert (found["status"], found["ops"]) == ("unknown", "NonMaxSuppression")
        assert found["notes"] == "no model of operation 'NonMaxSuppression'"
        assert (found["macs"], found["ifmap_elems"], found["ofmap_elems"]) == (0, 192, 600)
