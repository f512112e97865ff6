"""What an operation of the graph must know: the shape it gives and the rows it costs."""

from __future__ import annotations

from typing import Protocol

from costmodel.errors import ShapeError
from costmodel.graph.rows import Rows
from costmodel.graph.shapes import Shape
from costmodel.graph.tensor import Tensor

Inputs = tuple[Tensor, ...]


class Place(Protocol):
    """Where a layer stands in its graph; answers the questions of the free rules."""

    def fusible(self) -> bool:
        """Whether a layer computes the first input and nobody else reads it before this layer."""

    def after_product(self) -> bool:
        """Whether it is :meth:`fusible` and that layer is a convolution, linear layer or product."""

    def placeable(self) -> bool:
        """Whether the producers of all inputs can write straight into the output."""


class Op:
    """Base of all operations: frozen dataclasses that know shapes and costs but no names.

    Subclasses raise ShapeError without the layer's name; the graph puts it in front.
    """

    __slots__ = ()

    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """Shapes of the outputs, after checking that the inputs fit."""
        raise NotImplementedError

    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """Loop dimensions and counts, as if the layer stood alone."""
        raise NotImplementedError

    def rule(self, place: Place) -> str:  # noqa: ARG002 - most operations are counted wherever they stand
        """Name of the rule by which the layer is free at this place, or ""."""
        return ""


def only(inputs: Inputs) -> Tensor:
    """The single input of a one-input operation."""
    expect_inputs(inputs, 1)
    return inputs[0]


def expect_inputs(inputs: Inputs, least: int, most: int | None = None) -> None:
    """ShapeError unless there are `least` to `most` inputs."""
    most = least if most is None else most
    if not least <= len(inputs) <= most:
        raise ShapeError(f"needs {least} input(s), got {len(inputs)}")


def expect_rank(tensor: Tensor, least: int, most: int, axes: str) -> None:
    """ShapeError unless the tensor has between `least` and `most` axes; `axes` spells them out."""
    if not least <= tensor.rank <= most:
        raise ShapeError(f"needs axes {axes}, but {tensor}")


def as_axis(axis: int, tensor: Tensor) -> int:
    """`axis` counted from the front, or a ShapeError if the tensor has no such axis."""
    if type(axis) is not int or not -tensor.rank <= axis < tensor.rank:
        raise ShapeError(f"axis {axis!r} does not exist: {tensor}")
    return axis % tensor.rank
