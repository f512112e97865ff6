"""Recurrent layers: LSTM and GRU."""

from __future__ import annotations

from typing import Final, Literal

from costmodel.formulas import counts
from costmodel.graph.ops.base import Inputs, Op, expect_rank, only, operation
from costmodel.graph.rows import Row, Rows
from costmodel.graph.shapes import Dim, Shape, as_dim, checked, product

GATES: Final = {"lstm": 4, "gru": 3}
CELL_OPS: Final = {"lstm": 9, "gru": 10}
"""Element-wise operations of one cell per hidden unit and step, biases not included.

LSTM: 3 sigmoids, 2 tanh, 3 products, 1 sum. GRU: 2 sigmoids, 1 tanh, 3 products, 1 difference, 3 sums (its
candidate keeps the two halves apart). The sum of the two products' gates is an accumulation.
"""


@operation
class Recurrent(Op):
    """LSTM or GRU over (N, T, C) -> (N, T, H), or (N, T, 2 H) if bidirectional.

    Two rows. ``input``: the products of all time steps with the input weights, one linear layer of T
    positions. ``recurrent``: one step's product with the previous state, repeated ``steps`` = T times.
    Each gate has two biases, as in torch and ONNX. Gates are written by both products; the cell's
    element-wise work is in the other operations of the second row.
    """

    kind: Literal["lstm", "gru"]
    hidden: Dim
    bias: bool = True
    bidirectional: bool = False

    @classmethod
    def of(
        cls, kind: Literal["lstm", "gru"], hidden: Dim, *, bias: bool = True, bidirectional: bool = False
    ) -> Recurrent:
        """A recurrent layer from arguments as people write them."""
        return cls(kind, as_dim(hidden, "hidden"), bias, bidirectional)

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """(N, T, hidden times directions): the state after every step."""
        x = only(inputs)
        expect_rank(x, 3, 3, "(batch, time, features)")
        return ((*x.shape[:2], product(self.directions, self.hidden)),)

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """The rows "input" and "recurrent"."""
        x, y = inputs[0], outputs[0]
        n, time, features = x.shape
        cells = product(CELL_OPS[self.kind], y.elems)
        return (
            self._product("input", features, n, k=self.directions, p=time, ifmap_elems=x.elems),
            self._product(
                "recurrent", self.hidden, n, g=self.directions, steps=time, ifmap_elems=y.elems, cells=cells
            ),
        )

    def _product(
        self,
        suffix: str,
        c: Dim,
        n: Dim,
        *,
        ifmap_elems: Dim,
        g: int = 1,
        k: Dim = 1,
        p: Dim = 1,
        steps: Dim = 1,
        cells: Dim = 0,
    ) -> Row:
        """The product of `c` features with all gates: directions share the input but not the state."""
        k = product(k, GATES[self.kind], self.hidden)
        weights = checked(counts.weight_elems, g, k, c, 1, 1)
        biases = product(g, k) if self.bias else 0
        gates = product(n, g, k, p, steps)
        return Row(
            self.kind,
            n=n,
            g=g,
            k=k,
            c=c,
            p=p,
            ifmap_h=p,
            steps=steps,
            params=weights + biases,
            macs=product(gates, c),
            other_ops=(gates if self.bias else 0) + cells,
            weight_elems=weights + biases,
            bias_elems=biases,
            ifmap_elems=ifmap_elems,
            ofmap_elems=gates,
            suffix=suffix,
        )
