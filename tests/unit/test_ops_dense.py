"""Linear layers, products of tensors, embeddings, recurrent layers."""

import numpy as np
import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph
from costmodel.graph.table import COUNTS, DIMENSIONS


def rows_of(build, *shapes):
    """Rows of a graph by name, as plain values, and the output shape."""
    g = Graph("some")
    y = build(g, *[g.input(f"x{i}", shape) for i, shape in enumerate(shapes)])
    table = g.table()
    rows = {
        name: {column: int(table[column][i, 0]) for column in DIMENSIONS + COUNTS}
        | {"op": table.ops[i], "dynamic": bool(table.dynamic_weight[i]), "streamed": bool(table.streamed[i])}
        for i, name in enumerate(table.names)
    }
    return rows, y.shape


def message(build, *shapes):
    """The text of the ShapeError that a layer raises."""
    with pytest.raises(ShapeError) as caught:
        rows_of(build, *shapes)
    return str(caught.value)


class TestLinear:
    """Fully connected layers."""

    def test_two_axes(self):
        """fc8 of AlexNet."""
        rows, shape = rows_of(lambda g, x: g.linear("fc", x, 1000), (1, 4096))
        row = rows["fc"]

        assert (row["op"], shape) == ("linear", (1, 1000))
        assert (row["n"], row["k"], row["c"], row["p"], row["q"]) == (1, 1000, 4096, 1, 1)
        assert (row["params"], row["macs"], row["other_ops"]) == (4097000, 4096000, 1000)
        assert (row["ifmap_elems"], row["ofmap_elems"], row["dynamic"]) == (4096, 1000, False)

    def test_inner_axes_are_positions(self):
        """A transformer's tokens are p, the batch stays n."""
        rows, shape = rows_of(lambda g, x: g.linear("fc", x, 32, bias=False), (2, 5, 20, 64))

        assert shape == (2, 5, 20, 32)
        assert (rows["fc"]["n"], rows["fc"]["p"], rows["fc"]["macs"]) == (2, 100, 2 * 100 * 64 * 32)

    def test_refusals(self):
        """A vector has no batch; a layer needs features."""
        assert message(lambda g, x: g.linear("fc", x, 3), (4,)) == (
            "fc: needs axes (batch, ..., features), but x0 gives (4,)"
        )
        assert message(lambda g, x: g.linear("fc", x, 0), (1, 4)) == (
            "fc: out_features must be at least 1, got 0"
        )


class TestMatMul:
    """Products of two tensors."""

    def test_two_activations(self):
        """Scores of four heads: one group per head, the second operand is the weight."""
        rows, shape = rows_of(lambda g, a, b: g.matmul("mm", a, b), (1, 4, 100, 64), (1, 4, 64, 50))
        row = rows["mm"]

        assert shape == (1, 4, 100, 50)
        assert (row["g"], row["p"], row["c"], row["k"], row["n"]) == (4, 100, 64, 50, 1)
        assert (row["macs"], row["params"], row["dynamic"]) == (4 * 100 * 64 * 50, 0, True)
        assert (row["weight_elems"], row["ifmap_elems"], row["ofmap_elems"]) == (12800, 25600, 20000)

    def test_leading_axes_broadcast(self):
        """An operand that is repeated is stored once."""
        rows, shape = rows_of(lambda g, a, b: g.matmul("mm", a, b), (2, 4, 5, 6), (6, 7))

        assert shape == (2, 4, 5, 7)
        assert (rows["mm"]["g"], rows["mm"]["weight_elems"], rows["mm"]["macs"]) == (8, 42, 8 * 5 * 6 * 7)

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_a_parameter_on_either_side_is_the_weight(self, side):
        """A linear layer in disguise: weights do not grow with the batch."""

        def build(g, x):
            w = g.parameter("w", (3, 6) if side == "left" else (6, 3))
            return g.matmul("mm", *((w, x) if side == "left" else (x, w)))

        shape = (2, 6, 5) if side == "left" else (2, 5, 6)
        rows, _ = rows_of(build, shape)
        row = rows["mm"]

        assert (row["n"], row["k"], row["c"], row["p"]) == (2, 3, 6, 5)
        assert (row["macs"], row["weight_elems"], row["ifmap_elems"]) == (2 * 5 * 6 * 3, 18, 60)
        assert (row["dynamic"], row["params"], rows["w"]["params"]) == (False, 0, 18)

    def test_a_parameter_times_a_matrix(self):
        """Without leading axes there is no batch."""
        rows, shape = rows_of(lambda g, x: g.matmul("mm", g.parameter("w", (3, 6)), x), (6, 5))

        assert shape == (3, 5)
        assert (rows["mm"]["n"], rows["mm"]["p"], rows["mm"]["macs"]) == (1, 5, 90)

    def test_a_parameter_per_head(self):
        """A stack of weights has one group each, and is still no activation."""
        rows, _ = rows_of(lambda g, x: g.matmul("mm", x, g.parameter("w", (4, 6, 7))), (1, 4, 5, 6))

        assert (rows["mm"]["g"], rows["mm"]["dynamic"]) == (4, False)

    @pytest.mark.parametrize(
        ("a", "b", "text"),
        [
            (
                (1, 5, 6),
                (1, 5, 6),
                "mm: the last axis of the first input must equal the last but one of the second: "
                "x0 gives (1, 5, 6), x1 gives (1, 5, 6)",
            ),
            ((6,), (6, 5), "mm: needs two tensors with at least two axes: x0 gives (6,), x1 gives (6, 5)"),
            (
                (2, 5, 6),
                (3, 6, 5),
                "mm: leading axes do not broadcast: x0 gives (2, 5, 6), x1 gives (3, 6, 5)",
            ),
        ],
    )
    def test_refusals(self, a, b, text):
        """Both operands are named."""
        assert message(lambda g, x, y: g.matmul("mm", x, y), a, b) == text


class TestEmbedding:
    """Table look-up."""

    def test_reads_a_row_per_index(self):
        """The table is parameters, the traffic is the rows."""
        rows, shape = rows_of(lambda g, x: g.embedding("e", x, 1000, 64), (1, 20))
        row = rows["e"]

        assert (shape, row["op"], row["streamed"]) == ((1, 20, 64), "embedding", True)
        assert (row["params"], row["macs"], row["weight_elems"]) == (64000, 0, 0)
        assert (row["ifmap_elems"], row["ofmap_elems"]) == (20 + 20 * 64, 20 * 64)

    def test_never_reads_more_than_the_table(self):
        """Distinct rows are at most all rows."""
        rows, _ = rows_of(lambda g, x: g.embedding("e", x, 10, 64), (1, 20))

        assert rows["e"]["ifmap_elems"] == 20 + 10 * 64

    def test_refusals(self):
        """Sizes are checked."""
        assert (
            message(lambda g, x: g.embedding("e", x, 0, 4), (1, 2)) == "e: entries must be at least 1, got 0"
        )
        assert message(lambda g, x: g.embedding("e", x, 4, 0), (1, 2)) == "e: dim must be at least 1, got 0"


class TestRecurrent:
    """LSTM and GRU."""

    def test_lstm_gives_two_rows(self):
        """All time steps at once, and one step repeated."""
        rows, shape = rows_of(lambda g, x: g.lstm("lstm", x, 48), (1, 100, 64))
        first, second = rows["lstm/input"], rows["lstm/recurrent"]

        assert shape == (1, 100, 48)
        assert (first["op"], first["k"], first["c"], first["p"], first["steps"]) == ("lstm", 192, 64, 100, 1)
        assert (second["k"], second["c"], second["p"], second["steps"]) == (192, 48, 1, 100)
        assert (first["macs"], second["macs"]) == (100 * 192 * 64, 100 * 192 * 48)
        assert (first["ifmap_elems"], second["ifmap_elems"]) == (6400, 4800)
        assert first["ofmap_elems"] == second["ofmap_elems"] == 100 * 192

    def test_parameters_are_those_of_torch(self):
        """4 H (I + H) weights and two biases per gate."""
        rows, _ = rows_of(lambda g, x: g.lstm("lstm", x, 48), (1, 100, 64))

        assert sum(row["params"] for row in rows.values()) == 4 * 48 * (64 + 48) + 2 * 4 * 48

    def test_gru_has_three_gates(self):
        """Three quarters of an LSTM."""
        rows, _ = rows_of(lambda g, x: g.gru("gru", x, 48, bias=False), (2, 100, 64))

        assert sum(row["params"] for row in rows.values()) == 3 * 48 * (64 + 48)
        assert sum(row["macs"] for row in rows.values()) == 2 * 100 * 3 * 48 * (64 + 48)
        assert rows["gru/input"]["other_ops"] == 0
        assert rows["gru/recurrent"]["other_ops"] == 10 * 2 * 100 * 48

    def test_directions_share_the_input_but_not_the_state(self):
        """Twice the outputs on one input; two groups of states."""
        rows, shape = rows_of(lambda g, x: g.lstm("bi", x, 48, bidirectional=True), (1, 100, 64))
        first, second = rows["bi/input"], rows["bi/recurrent"]

        assert shape == (1, 100, 96)
        assert (first["g"], first["k"], first["ifmap_elems"]) == (1, 384, 6400)
        assert (second["g"], second["k"], second["ifmap_elems"]) == (2, 192, 9600)
        assert first["macs"] + second["macs"] == 2 * 100 * 192 * (64 + 48)
        assert first["params"] + second["params"] == 2 * (192 * (64 + 48) + 2 * 192)

    def test_refusals(self):
        """Sequences have three axes."""
        assert message(lambda g, x: g.lstm("l", x, 8), (1, 64)) == (
            "l: needs axes (batch, time, features), but x0 gives (1, 64)"
        )
        assert message(lambda g, x: g.gru("l", x, 0), (1, 5, 6)) == "l: hidden must be at least 1, got 0"


def test_sizes_may_be_design_points():
    """Every size of a product can vary."""
    hidden = np.array([8, 16])
    g = Graph("space")
    x = g.linear("fc", g.input("x", (1, 10, 4)), hidden)
    x = g.matmul("mm", x, g.transpose("t", x, (0, 2, 1)))

    assert g.table().total("macs").tolist() == [10 * 4 * h + 100 * h for h in hidden]
