"""One row of the layer table, and the named rules by which a row is free."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from costmodel.graph.shapes import Dim, product, total
from costmodel.graph.tensor import Tensor

Status = Literal["counted", "free", "unknown"]

FOLDED: Final = "folded into the producing layer"
FUSED: Final = "fused into the producing layer"
VIEW: Final = "view: no data moves"
IN_PLACE: Final = "written in place by its producers"
IDENTITY: Final = "identity at inference"
PARAMETER: Final = "parameter: read by its consumers"
FREE_RULES: Final = (FOLDED, FUSED, VIEW, IN_PLACE, IDENTITY, PARAMETER)


class Row(NamedTuple):
    """Canonical loop dimensions and counts of one layer at the batch of its graph.

    `suffix` is appended to the layer's name where one layer gives several rows. The counts are exact
    whatever the loop dimensions are; `steps` repetitions of the loop nest are in the counts already.
    """

    op: str
    n: Dim = 1
    g: Dim = 1
    k: Dim = 1
    c: Dim = 1
    p: Dim = 1
    q: Dim = 1
    r: Dim = 1
    s: Dim = 1
    stride_h: Dim = 1
    stride_w: Dim = 1
    dilation_h: Dim = 1
    dilation_w: Dim = 1
    pad_top: Dim = 0
    pad_left: Dim = 0
    ifmap_h: Dim = 1
    ifmap_w: Dim = 1
    steps: Dim = 1
    params: Dim = 0
    macs: Dim = 0
    other_ops: Dim = 0
    weight_elems: Dim = 0
    bias_elems: Dim = 0
    ifmap_elems: Dim = 0
    ofmap_elems: Dim = 0
    dynamic_weight: bool = False
    streamed: bool = False
    status: Status = "counted"
    note: str = ""
    suffix: str = ""

    def freed(self, note: str) -> Row:
        """The same row without traffic, free by the rule `note`; parameters and other operations stay."""
        return self._replace(
            weight_elems=0, bias_elems=0, ifmap_elems=0, ofmap_elems=0, status="free", note=note
        )


Rows = tuple[Row, ...]


def distinct(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors without repeats: an operand used twice is read once."""
    return tuple(dict.fromkeys(tensors))


def total_elems(tensors: tuple[Tensor, ...]) -> Dim:
    """Elements of all the tensors together."""
    return total(*(tensor.elems for tensor in tensors))


def streamed(op: str, inputs: tuple[Tensor, ...], output: Tensor, *, ops_per_elem: Dim = 0) -> Row:
    """A row that reads its inputs once and writes its output once.

    Parameters among the inputs are its weight operand, so that they do not grow with the batch.
    """
    reads = distinct(inputs)
    shape = output.shape
    return Row(
        op,
        n=shape[0] if shape else 1,
        g=shape[1] if len(shape) > 1 else 1,
        p=product(*shape[2:]) if len(shape) > 2 else 1,
        other_ops=product(ops_per_elem, output.elems),
        weight_elems=total_elems(tuple(t for t in reads if t.origin == "parameter")),
        ifmap_elems=total_elems(tuple(t for t in reads if t.origin != "parameter")),
        ofmap_elems=output.elems,
        streamed=True,
    )
