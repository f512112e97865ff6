"""TensorFlow Lite operators, drawn one by one: what each means as layers of a Graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import InputError, NetworkError
from costmodel.graph import Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.elementwise import Activation, Combine, Unknown
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.ops.streams import OneBias, OwnBias, Stream, Svdf
from costmodel.graph.shapes import Pads
from costmodel.importers.channels_last import Sheet, Value, clean, first
from costmodel.importers.tflite_file import LONGEST_CONSTANT, ModelFact, OperatorFact, TensorFact

Shape: TypeAlias = tuple[int, ...]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor that is in the file: its shape, the buffer that holds it, and its values if they are few integers."""

    name: str
    shape: Shape
    key: object
    values: Integers | None = None

    @property
    def elems(self) -> int:
        """Number of elements."""
        return prod(self.shape)


Item: TypeAlias = Value | Constant


@dataclass(eq=False)
class Network:
    """A network being drawn from a file."""

    sheet: Sheet
    model: ModelFact
    checked: bool = True
    widths: dict[str, dict[str, int]] = field(default_factory=dict)
    weights: dict[object, tuple[str, object]] = field(default_factory=dict)
    parameters: dict[object, Tensor] = field(default_factory=dict)
    written: list[Tensor] = field(default_factory=list)

    def constant(self, index: int, fact: TensorFact) -> Constant:
        """A constant of the file; constants of one buffer have one key."""
        values = self.model.integers(fact)
        shape = tuple(max(size, 0) for size in fact.shape)
        array = np.array(values, np.int64) if values is not None else None
        if array is not None and array.size == prod(shape):
            array = array.reshape(shape)
        key = ("buffer", fact.buffer) if fact.buffer else ("tensor", index)
        return Constant(fact.name, shape, key, array)

    def value(self, item: Item, *, channels_first: bool = False, rank: int | None = None) -> Value:
        """An operand as a tensor of the graph; a constant becomes a parameter in the layout asked for."""
        if isinstance(item, Value):
            return item
        shape = (1,) * ((rank or len(item.shape)) - len(item.shape)) + item.shape
        channels_first = channels_first and len(shape) > 2
        shape = first(shape) if channels_first else shape
        key = (item.key, shape)
        if key not in self.parameters:
            name = self.sheet.fresh(item.name.split(";")[0].removesuffix(":0"), "parameter")
            self.parameters[key] = self.sheet.graph.parameter(name, shape)
        return Value(self.parameters[key], channels_first)


class Call:
    """One operator with its operands."""

    def __init__(
        self,
        network: Network,
        fact: OperatorFact,
        name: str,
        tensors: Sequence[TensorFact],
        items: dict[int, Item],
        channels_first: Sequence[bool],
    ) -> None:
        self.network, self.fact, self.name = network, fact, name
        self.tensors, self.items = tensors, items
        self.sheet, self.graph = network.sheet, network.sheet.graph
        self.inputs = [items.get(index) if index >= 0 else None for index in fact.inputs]
        self.outputs = [tensors[index] for index in fact.outputs]
        self._first = [channels_first[index] for index in fact.outputs]

    def item(self, position: int) -> Item:
        """An operand that must be there."""
        found = self.optional(position)
        if found is None:
            raise InputError(f"{self.where}: has no input {position}; the file is damaged")
        return found

    def optional(self, position: int) -> Item | None:
        """An operand, None where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def value(self, position: int) -> Value:
        """An operand as a tensor of the graph."""
        return self.network.value(self.item(position))

    def ints(self, position: int) -> Shape | None:
        """Values of an operand that is a known integer constant."""
        item = self.optional(position)
        if not isinstance(item, Constant) or item.values is None:
            return None
        return tuple(int(value) for value in item.values.reshape(-1))

    @property
    def where(self) -> str:
        """The place for messages."""
        return f"{self.network.model.path}: {self.name}: {self.fact.code}"

    def fresh(self, suffix: str = "") -> str:
        """A free name for a layer of this operator."""
        return self.sheet.fresh(self.name + suffix)

    def wants_channels_first(self, position: int = 0) -> bool:
        """Whether windows slide over an output."""
        return self._first[position]

    def declared(self, position: int = 0) -> Shape:
        """Shape of an output according to the file; an open batch is that of the first operand."""
        shape = self.outputs[position].shape
        batches = [item.shape[0] for item in self.inputs if isinstance(item, Value) and item.shape]
        if shape and shape[0] == -1 and batches:
            shape = (batches[0], *shape[1:])
        if -1 in shape:
            raise NetworkError(
                f"{self.where}: its output {'x'.join(map(str, shape))} is open in the file and cannot be computed; "
                "convert the model with fixed input sizes"
            )
        return shape

    def finished(self, tensor: Tensor, *, channels_first: bool = False, act: int | None = None) -> list[Item]:
        """The one output, after the activation that is fused into the operator."""
        if act is not None:
            kind = self.fact.activation(act)
            if kind:
                name = _fused_name(kind, self.where)
                tensor = self.sheet.op(f"{self.name}_{name}", Activation(name), tensor)
        return [Value(tensor, channels_first)]

    def stream(self, op: str, shapes: Sequence[Shape], other_ops: int = 0) -> list[Item]:
        """Read every operand once, write outputs of known shapes."""
        return self.opaque(Stream(op, self._laid_out(shapes), other_ops), shapes)

    def unknown(self, op: str | None = None) -> list[Item]:
        """An operator without a model."""
        shapes = [self.declared(position) for position in range(len(self.outputs))]
        return self.opaque(Unknown(op or clean(self.fact.code), self._laid_out(shapes) or ((1,),)), shapes)

    def opaque(self, op: Op, shapes: Sequence[Shape]) -> list[Item]:
        """Add an operation that reads every activation operand."""
        operands = [item.tensor for item in self.inputs if isinstance(item, Value)]
        tensors = self.graph.layer(self.fresh(), op, *operands)
        return [
            Value(tensor, self._by_channels(position, shape))
            for position, (tensor, shape) in enumerate(zip(tensors, shapes, strict=False))
        ]

    def _by_channels(self, position: int, shape: Shape) -> bool:
        return len(shape) > 2 and self._first[position]

    def _laid_out(self, shapes: Sequence[Shape]) -> tuple[Shape, ...]:
        return tuple(
            first(shape) if self._by_channels(position, shape) else shape for position, shape in enumerate(shapes)
        )


Handler: TypeAlias = Callable[[Call], list[Item]]


def lowered(call: Call) -> list[Item]:
    """Outputs of an operator after its layers are in the graph."""
    if call.fact.custom:
        return call.unknown()
    return HANDLERS.get(call.fact.code, Call.unknown)(call)


# ---- constants


def folded(call: Call) -> list[Item]:
    """Outputs of an operator whose operands are all constants; [] if it must run."""
    constants = [item for item in call.inputs if isinstance(item, Constant)]
    if call.fact.code in ("SHAPE", "RANK"):
        shape = call.item(0).shape
        values = np.array(shape if call.fact.code == "SHAPE" else len(shape), np.int64)
        return [Constant(call.outputs[0].name, values.shape, ("shape", call.fact.outputs[0]), values)]
    present = [item for item in call.inputs if item is not None]
    if not constants or len(constants) != len(present) or call.fact.custom or call.fact.code in _NEVER_FOLDED:
        return []
    evaluated = _evaluated(call, constants)
    if evaluated is not None:
        return [_result(call, position, values) for position, values in enumerate(evaluated)]
    return [_passed(call, position, constants[0]) for position in range(len(call.outputs))]


_NEVER_FOLDED: Final = frozenset({"IF", "WHILE", "CALL", "CALL_ONCE", "READ_VARIABLE", "ASSIGN_VARIABLE"})


def _result(call: Call, position: int, values: Integers) -> Constant:
    return Constant(call.outputs[position].name, values.shape, ("folded", call.fact.outputs[position]), values)


def _passed(call: Call, position: int, source: Constant) -> Constant:
    """A constant in another format or order: the same parameters."""
    shape = source.shape if call.fact.code in _SAME_SHAPE else call.declared(position)
    same = prod(shape) == source.elems and position == 0
    key = source.key if same else ("folded", call.fact.outputs[position])
    return Constant(source.name, shape, key)


_SAME_SHAPE: Final = frozenset({"DEQUANTIZE", "QUANTIZE", "CAST", "DENSIFY", "FAKE_QUANT"})


def _evaluated(call: Call, constants: Sequence[Constant]) -> list[Integers] | None:
    """Values of outputs where operands are small known integers and the operator is arithmetic on them."""
    formula = _FOLDS.get(call.fact.code)
    values = [constant.values for constant in constants]
    if formula is None or any(value is None for value in values):
        return None
    results = formula(call, *values)
    return [np.asarray(result, np.int64) for result in results]


def _ranged(_: Call, start: Integers, stop: Integers, step: Integers) -> list[Any]:
    count = (int(stop) - int(start)) // (int(step) or 1)
    if not 0 <= count <= LONGEST_CONSTANT:
        raise ValueError("range is too long")
    return [np.arange(int(start), int(stop), int(step))]


def _filled(_: Call, shape: Integers, value: Integers) -> list[Any]:
    if shape.size > 8 or not 0 <= float(np.prod(shape.astype(np.float64))) <= LONGEST_CONSTANT:
        raise ValueError("filled constant is too large")
    return [np.full(tuple(shape), value)]


_FOLDS: Final[Mapping[str, Callable[..., Sequence[Any]]]] = {
    "ADD": lambda _, a, b: [a + b],
    "SUB": lambda _, a, b: [a - b],
    "MUL": lambda _, a, b: [a * b],
    "FLOOR_DIV": lambda _, a, b: [a // np.where(b == 0, 1, b)],
    "MAXIMUM": lambda _, a, b: [np.maximum(a, b)],
    "MINIMUM": lambda _, a, b: [np.minimum(a, b)],
    "CAST": lambda _, a: [a],
    "RESHAPE": lambda _, a, shape=None: [a if shape is None else a.reshape(tuple(shape.reshape(-1)))],
    "SQUEEZE": lambda _, a: [a.squeeze()],
    "EXPAND_DIMS": lambda _, a, axis: [np.expand_dims(a, int(axis.reshape(-1)[0]))],
    "PACK": lambda call, *parts: [np.stack(parts, call.fact.option(1))],
    "UNPACK": lambda call, a: list(np.moveaxis(a, call.fact.option(1), 0)),
    "CONCATENATION": lambda call, *parts: [np.concatenate(parts, call.fact.option(0))],
    "GATHER": lambda call, a, at: [np.take(a, at, call.fact.option(0))],
    "STRIDED_SLICE": lambda call, a, *bounds: [a[_indices(call, *map(tuple, bounds))]],
    "SLICE": lambda _, a, begin, size: [
        a[tuple(slice(b, None if s < 0 else b + s) for b, s in zip(begin, size, strict=True))]
    ],
    "REDUCE_PROD": lambda call, a, axes: [a.prod(tuple(axes.reshape(-1)), keepdims=call.fact.flag(0))],
    "SUM": lambda call, a, axes: [a.sum(tuple(axes.reshape(-1)), keepdims=call.fact.flag(0))],
    "RANGE": _ranged,
    "FILL": _filled,
}


# ---- products


def _padding(call: Call) -> str:
    kind = call.fact.option(0, "<b")
    if kind not in (0, 1):
        raise InputError(f"{call.where}: padding {kind} is neither SAME nor VALID; the file is damaged")
    return "valid" if kind else "same"


def _weight(call: Call, position: int, rank: int) -> Constant | None:
    """The weights of a product; None where they are computed."""
    item = call.item(position)
    if isinstance(item, Value):
        return None
    if len(item.shape) != rank:
        raise NetworkError(f"{call.where}: weights have {len(item.shape)} axes instead of {rank}: {item.shape}")
    return item


def _product(call: Call, op: Callable[..., Any], weight: Constant, bias: Item | None, x: Tensor) -> Tensor:
    """Add a convolution; weights met before are shared, and biases with them if they are the same."""
    bias_key = bias.key if isinstance(bias, Constant) else None
    name = call.fresh()
    key = (weight.key, weight.shape, op.__qualname__)
    _, known_bias = call.network.weights.setdefault(key, (name, bias_key))
    first_use = call.network.weights[key][0] == name
    if first_use or known_bias == bias_key or not bias:
        return call.graph.layer(name, op(bias=bias is not None, shared=not first_use), x)[0]
    if op.__qualname__ == Conv.of.__qualname__:
        op = _own_bias(op)
    return call.graph.layer(name, op(bias=True, shared=True), x)[0]


def _own_bias(op: Any) -> Any:  # noqa: ANN401 - a partial of Conv.of
    return op
