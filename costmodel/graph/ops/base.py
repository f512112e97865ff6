"""What an operation of the graph must know: the shape it gives and the rows it costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform

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


class Op(ABC):
    """Base of all operations: frozen dataclasses that know shapes and costs but no names.

    Subclasses raise ShapeError without the layer's name; the graph puts it in front. `in_place` says whether
    the output may lie where the input did; `overwrites` whether it may lie where an input of the same size did that
    nobody reads any more; `row_local` whether a row of the output depends on that row of the inputs alone.
    """

    __slots__ = ()
    in_place: ClassVar[bool] = False
    overwrites: ClassVar[bool] = False
    row_local: ClassVar[bool] = False

    @abstractmethod
    def infer(self, inputs: Inputs) -> tuple[Shape, ...]:
        """Shapes of the outputs, after checking that the inputs fit."""

    @abstractmethod
    def lower(self, inputs: Inputs, outputs: Inputs) -> Rows:
        """Loop dimensions and counts, as if the layer stood alone."""

    def rule(self, place: Place) -> str:  # noqa: ARG002 - most operations are counted wherever they stand
        """Name of the rule by which the layer is free at this place, or ""."""
        return ""


Operation = TypeVar("Operation", bound=Op)


@dataclass_transform(frozen_default=True)
def operation(cls: type[Operation]) -> type[Operation]:
    """Make a frozen dataclass with slots; most of a process that prices one network would else go into such classes.

    Comparison, hash and repr are those of any dataclass, but shared instead of compiled for every class.
    """
    made = dataclass(frozen=True, slots=True, eq=False, repr=False)(cls)
    for name, method in (("__eq__", _equal), ("__hash__", _hash), ("__repr__", _repr)):
        setattr(made, name, method)
    return made


def _values(op: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any dataclass
    return tuple(getattr(op, field.name) for field in fields(op))


def _equal(op: Op, other: object) -> bool:
    return _values(op) == _values(other) if type(op) is type(other) else NotImplemented


def _hash(op: Op) -> int:
    return hash(_values(op))


def _repr(op: Any) -> str:  # noqa: ANN401 - any dataclass
    values = ", ".join(f"{field.name}={getattr(op, field.name)!r}" for field in fields(op))
    return f"{type(op).__qualname__}({values})"


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
