"""What a model file says of the layers that come from it: the widths it stores, and the nodes they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal["", "int", "fp", "bf"]

SINGLE_BITS: Final = 32
"""Width of what frameworks train and save in [bits]; a file that stores nothing else says nothing of its hardware."""


class StoredWidths(NamedTuple):
    """Widths at which a file stores the operands of a layer [bits], 0 where it does not say.

    `kind` is that of the numbers a MAC multiplies: ``int``, ``fp`` where one of the two is a float, ``bf`` for bfloat16.
    """

    weight_bits: int = 0
    ifmap_bits: int = 0
    ofmap_bits: int = 0
    kind: Kind = ""

    @property
    def plain(self) -> bool:
        """Whether both operands of a product are in single precision, or not said.

        >>> StoredWidths(32, 32, 32, "fp").plain, StoredWidths(8, 32, 32, "fp").plain
        (True, False)
        """
        return self.kind in ("", "fp") and {self.weight_bits, self.ifmap_bits} <= {0, SINGLE_BITS}


class EncodedWeights(NamedTuple):
    """Size of the weights of a layer as they are stored compressed [bits]: of the operand, and with the biases."""

    operand_bits: int
    stored_bits: int


def multiplied(*kinds: Kind) -> Kind:
    """The kind of numbers that a product of operands of several kinds multiplies.

    >>> multiplied("int", "fp"), multiplied("bf", "bf"), multiplied("", "int")
    ('fp', 'bf', 'int')
    """
    known = {kind for kind in kinds if kind}
    if len(known) > 1:
        return "fp"
    return known.pop() if known else ""


@dataclass(frozen=True, slots=True)
class FileNode:
    """A node of a model file, of which one or several layers were made.

    Attributes
    ----------
    name
        Its name in the file, "" where it has none.
    identifier
        What it is known by where the format gives no names: its position, else "".
    output
        Name of the first tensor that it gives.
    """

    name: str
    identifier: str = ""
    output: str = ""
