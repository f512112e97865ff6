"""What flows between layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from costmodel.graph.shapes import Dim, Shape, format_shape, product

Origin = Literal["input", "layer", "parameter"]


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value of the graph: its name, its shape with the batch axis first, and where it comes from.

    Tensors compare by identity; `elems` is the number of elements, checked against overflow, and `bits` the width at which
    a model file stores one, 0 where no file says it.
    """

    name: str
    shape: Shape
    origin: Origin = "layer"
    elems: Dim = field(init=False)
    bits: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "elems", product(*self.shape))

    def note_bits(self, bits: int) -> None:
        """Note the stored width [bits]: known only behind the tensor's last reader, when it has long been passed on."""
        object.__setattr__(self, "bits", bits)

    @property
    def rank(self) -> int:
        """Number of axes, the batch included."""
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.name} gives {format_shape(self.shape)}"

    def __repr__(self) -> str:
        return f"Tensor({self.name!r}, {format_shape(self.shape)})"
