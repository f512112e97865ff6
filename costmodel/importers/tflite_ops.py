"""TensorFlow Lite operators, drawn one by one: what each means as layers of a Graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import InputError, NetworkError
from costmodel.graph import StoredWidths, Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.dense import Linear
from costmodel.graph.ops.elementwise import Activation, Combine, Unknown
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.ops.streams import OneBias, Reused, Stream, Svdf
from costmodel.graph.stored import Kind
from costmodel.importers.channels_last import Sheet, Value, clean, crops, expect_window, first
from costmodel.importers.tflite_file import LONGEST_CONSTANT, ModelFact, OperatorFact, TensorFact

Shape: TypeAlias = tuple[int, ...]
Integers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A tensor that is in the file: its shape, the buffer that holds it, and its values if they are few integers.

    `bits` and `kind` are those of an element as stored, before it is dequantised.
    """

    name: str
    shape: Shape
    key: object
    values: Integers | None = None
    bits: int = 32
    kind: Kind = ""

    @property
    def elems(self) -> int:
        """Number of elements."""
        return prod(self.shape)


Item: TypeAlias = Value | Constant


@dataclass(eq=False)
class Network:
    """A network being drawn from a file; `owned` are parameters that layers with weights count, by their constant."""

    sheet: Sheet
    model: ModelFact
    checked: bool = True
    widths: dict[str, StoredWidths] = field(default_factory=dict)
    weights: dict[object, tuple[str, object]] = field(default_factory=dict)
    parameters: dict[tuple[object, Shape], Tensor] = field(default_factory=dict)
    owned: Counter[object] = field(default_factory=Counter)
    written: list[Tensor] = field(default_factory=list)

    @property
    def counted(self) -> Mapping[object, int]:
        """Parameters that layers count, by the key of the constant that holds them."""
        found = Counter(self.owned)
        for key, shape in self.parameters:
            found[key] += prod(shape)
        return found

    def own(self, *constants: Item | None) -> None:
        """Note that a layer counts constants as its own parameters."""
        for item in constants:
            if isinstance(item, Constant):
                self.owned[item.key] += item.elems

    def constant(self, index: int, fact: TensorFact) -> Constant:
        """A constant of the file; constants of one buffer have one key."""
        values = self.model.integers(fact)
        shape = tuple(max(size, 0) for size in fact.shape)
        array = np.array(values, np.int64) if values is not None else None
        if array is not None and array.size == prod(shape):
            array = array.reshape(shape)
        return Constant(fact.name, shape, fact.key(index), array, fact.bits, fact.kind)

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
    return Constant(source.name, shape, key, bits=source.bits, kind=source.kind)


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


def _padding(call: Call) -> Literal["same", "valid"]:
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
    expect_window(call.where, item.shape[1:3] if rank == 4 else item.shape[: rank - 2])
    return item


def _product(call: Call, make: Callable[..., Op], weight: Constant, bias: Item | None, x: Tensor) -> Tensor:
    """Add a layer with weights; those met before are shared, and so are biases if they are the same."""
    name = call.fresh()
    bias_key = bias.key if isinstance(bias, Constant) else None
    key = (weight.key, weight.shape, getattr(make, "func", make))
    first_name, first_bias = call.network.weights.setdefault(key, (name, bias_key))
    shared = first_name != name
    op = make(bias=bias is not None, shared=shared)
    again = shared and bias_key == first_bias
    call.network.own(None if shared else weight, None if again else bias)
    if shared and bias is not None and not again:
        op = Reused(op, bias.elems if isinstance(bias, Constant) else 0)
    return call.graph.layer(name, op, x)[0]


def _counted_once(call: Call, op: Op, *weights: Item | None, biases: Sequence[Item | None] = ()) -> Op:
    """The operation, without parameters if one before it has the same weights."""
    key = (call.fact.code, *(weight.key for weight in weights if isinstance(weight, Constant)))
    first_name, _ = call.network.weights.setdefault(key, (call.name, None))
    if first_name != call.name:
        return Reused(op)
    call.network.own(*weights, *biases)
    return op


def _conv(call: Call) -> list[Item]:
    weight = _weight(call, 1, 4)
    if weight is None:
        return call.unknown()
    x = call.sheet.spatial(call.value(0))
    out_channels, *kernel, depth = weight.shape
    return _windowed(call, x, weight, out_channels, kernel, _groups(call, x, depth), dilation=(5, 4), act=3)


def _groups(call: Call, x: Tensor, depth: int) -> int:
    """Groups of a convolution whose filters see `depth` of the channels."""
    channels = int(x.shape[1]) if x.rank > 1 else 0
    if depth < 1 or channels % depth:
        raise NetworkError(f"{call.where}: filters of {depth} channels do not divide the input: {x}")
    return channels // depth


def _depthwise(call: Call) -> list[Item]:
    weight = _weight(call, 1, 4)
    if weight is None:
        return call.unknown()
    x = call.sheet.spatial(call.value(0))
    _, *kernel, out_channels = weight.shape
    groups = int(x.shape[1]) if x.rank > 1 else 1
    return _windowed(call, x, weight, out_channels, kernel, groups, dilation=(6, 5), act=4)


def _windowed(
    call: Call,
    x: Tensor,
    weight: Constant,
    out_channels: int,
    kernel: Sequence[int],
    groups: int,
    *,
    dilation: tuple[int, int],
    act: int,
) -> list[Item]:
    """A convolution over height and width, grouped or depthwise."""
    stride = tuple(call.fact.option(slot) for slot in (2, 1))
    spread = tuple(call.fact.option(slot, default=1) for slot in dilation)
    make = partial(Conv.of, 2, out_channels, tuple(kernel), stride, _padding(call), spread, groups)
    y = _product(call, make, weight, call.optional(2), x)
    return call.finished(y, channels_first=True, act=act)


def _conv_3d(call: Call) -> list[Item]:
    weight = _weight(call, 1, 5)
    if weight is None:
        return call.unknown()
    x = call.sheet.spatial(call.value(0))
    *kernel, depth, out_channels = weight.shape
    stride = tuple(call.fact.option(slot) for slot in (1, 3, 2))
    spread = tuple(call.fact.option(slot, default=1) for slot in (5, 7, 6))
    groups = _groups(call, x, depth)
    make = partial(Conv.of, 3, out_channels, tuple(kernel), stride, _padding(call), spread, groups)
    y = _product(call, make, weight, call.optional(2), x)
    return call.finished(y, channels_first=True, act=4)


def _transpose_conv(call: Call) -> list[Item]:
    weight = _weight(call, 1, 4)
    if weight is None:
        return call.unknown()
    x = call.sheet.spatial(call.value(2))
    if x.rank != 4:
        raise NetworkError(f"{call.where}: needs (batch, height, width, channels), but {x}")
    out_channels, *kernel, _ = weight.shape
    stride = tuple(call.fact.option(slot) for slot in (2, 1))
    spatial = tuple(map(int, x.shape[2:]))
    wanted = (call.ints(0) or ())[1:3] or _transposed(call, spatial, kernel, stride)
    pads, extra = crops(spatial, kernel, stride, wanted)
    make = partial(ConvTranspose.of, 2, out_channels, tuple(kernel), stride, pads, extra, 1, 1)
    y = _product(call, make, weight, call.optional(3), x)
    return call.finished(y, channels_first=True, act=3)


def _transposed(call: Call, extents: Shape, kernel: Sequence[int], stride: Sequence[int]) -> Shape:
    """Output size of a transposed convolution whose file does not say it in numbers."""
    if _padding(call) == "same":
        return tuple(extent * step for extent, step in zip(extents, stride, strict=True))
    return tuple(
        (extent - 1) * step + max(taps, step) for extent, step, taps in zip(extents, stride, kernel, strict=True)
    )


def _fully_connected(call: Call) -> list[Item]:
    weight = _weight(call, 1, 2)
    if weight is None:
        return _linear_by_activation(call)
    units, features = weight.shape
    x = _features(call, call.value(0), features)
    y = _product(call, partial(Linear.of, units), weight, call.optional(2), call.sheet.plain(x))
    return call.finished(y, act=0)


def _features(call: Call, x: Value, features: int) -> Value:
    """The input of a fully connected layer: (..., features), or flattened to two axes."""
    keeps = call.fact.flag(2) or x.rank == 2
    if keeps and x.shape and x.shape[-1] == features and x.rank > 1:
        return x
    if features < 1 or prod(x.shape) % features:
        raise NetworkError(f"{call.where}: {features} features do not divide the input: {x.tensor}")
    plain = Value(call.sheet.plain(x))
    return call.sheet.reshaped(f"{call.name}_flatten", plain, (prod(x.shape) // features, features))


def _linear_by_activation(call: Call) -> list[Item]:
    """A fully connected layer whose weights are computed: a product of two activations."""
    weights = call.value(1)
    if weights.rank != 2:
        return call.unknown()
    units, features = weights.shape
    x = _features(call, call.value(0), features)
    turned = call.sheet.reshaped(f"{call.name}_transposed", weights, (features, units))
    return call.finished(call.graph.matmul(call.fresh(), call.sheet.plain(x), turned.tensor), act=0)


def _batch_matmul(call: Call) -> list[Item]:
    operands = [_adjoint(call, position) for position in (0, 1)]
    return call.finished(call.graph.matmul(call.fresh(), *operands))


def _adjoint(call: Call, position: int) -> Tensor:
    """An operand of a product; the kernel reads it along either axis, so turning it moves nothing."""
    item = call.item(position)
    turned = call.fact.flag(position)
    if isinstance(item, Constant):
        shape = (*item.shape[:-2], *item.shape[:-3:-1]) if turned else item.shape
        return call.network.value(Constant(item.name, shape, item.key)).tensor
    value = Value(call.sheet.plain(item))
    if not turned:
        return value.tensor
    shape = (*value.shape[:-2], *value.shape[:-3:-1])
    return call.sheet.reshaped(f"{call.name}_turned", value, shape).tensor


def _svdf(call: Call) -> list[Item]:
    feature, time = _weight(call, 1, 2), _weight(call, 2, 2)
    rank = call.fact.option(0)
    if feature is None or time is None or rank < 1 or feature.shape[0] % rank:
        return call.unknown()
    op = Svdf(feature.shape[0] // rank, rank, time.shape[1], call.optional(3) is not None)
    once = _counted_once(call, op, feature, time, biases=(call.optional(3),))
    y = call.graph.layer(call.fresh(), once, call.sheet.plain(call.value(0)))[0]
    return call.finished(y, act=1)


def _lstm(call: Call) -> list[Item]:
    plain = all(call.optional(position) is not None for position in (1, 2, 3, 4))
    special = any(call.optional(position) is not None for position in (9, 10, 11, 16, 20, 21, 22, 23))
    weight = _weight(call, 2, 2)
    if not plain or special or weight is None:
        return call.unknown(f"{call.fact.code} with projection, peepholes, layer norm or coupled gates")
    x = Value(call.sheet.plain(call.value(0)))
    if call.fact.flag(3) and x.rank == 3:
        time, batch, features = x.shape
        x = call.sheet.reshaped(f"{call.name}_batch_first", x, (batch, time, features))
    op = Recurrent.of("lstm", weight.shape[0], bias=call.optional(13) is not None)
    cell = OneBias(op.kind, op.hidden, op.bias)
    once = _counted_once(call, cell, *map(call.optional, range(1, 9)), biases=tuple(map(call.optional, range(12, 16))))
    y = call.sheet.op(call.name, once, x.tensor)
    if call.fact.flag(3):
        batch, time, hidden = map(int, y.shape)
        return [call.sheet.reshaped(f"{call.name}_time_first", Value(y), (time, batch, hidden))]
    return [Value(y)]


# ---- windows without weights, interpolation


def _pool(call: Call) -> list[Item]:
    x = call.sheet.spatial(call.value(0))
    kernel = (call.fact.option(4), call.fact.option(3))
    expect_window(call.where, kernel)
    stride = (call.fact.option(2), call.fact.option(1))
    add = call.graph.max_pool if call.fact.code == "MAX_POOL_2D" else call.graph.avg_pool
    y = add(call.fresh(), x, kernel, stride, _padding(call))
    return call.finished(y, channels_first=True, act=5)


def _reduce(call: Call) -> list[Item]:
    x, axes = call.value(0), call.ints(1)
    kind = _REDUCTIONS[call.fact.code]
    if axes is None:
        return call.stream(kind, [call.declared()], prod(x.shape))
    reduced = sorted({axis % x.rank for axis in axes})
    keep = call.fact.flag(0)
    kept = tuple(1 if axis in reduced else size for axis, size in enumerate(x.shape))
    shape = kept if keep else tuple(size for axis, size in enumerate(x.shape) if axis not in reduced)
    if kind not in ("mean", "max") or reduced != list(range(1, x.rank - 1)) or not 3 <= x.rank <= 5:
        return call.stream(kind, [shape], prod(x.shape))
    add = call.graph.global_avg_pool if kind == "mean" else call.graph.global_max_pool
    pooled = Value(add(call.fresh(), call.sheet.spatial(x)), channels_first=True)
    return [call.sheet.reshaped(f"{call.name}_flatten", pooled, shape, channels_first=keep)]


_REDUCTIONS: Final = {
    "MEAN": "mean", "SUM": "sum", "REDUCE_MAX": "max", "REDUCE_MIN": "min", "REDUCE_PROD": "prod", "REDUCE_ANY": "any",
    "REDUCE_ALL": "all",
}  # fmt: skip


def _resize(call: Call) -> list[Item]:
    x, size = call.sheet.spatial(call.value(0)), call.ints(1)
    mode = "nearest" if "NEAREST" in call.fact.code else "bilinear"
    y = call.graph.upsample(call.fresh(), x, size=size or call.declared()[1:3], mode=mode)
    return [Value(y, channels_first=True)]


def _blocks(call: Call) -> list[Item]:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH: a copy."""
    n, h, w, c = call.value(0).shape
    block = call.fact.option(0)
    if block < 1:
        raise InputError(f"{call.where}: block size {block}; the file is damaged")
    if call.fact.code == "DEPTH_TO_SPACE":
        shape = (n, h * block, w * block, c // block**2)
    else:
        shape = (n, h // block, w // block, c * block**2)
    return call.stream(call.fact.code.lower(), [shape])


def _batch_blocks(call: Call) -> list[Item]:
    """SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, which converters put around dilated convolutions: a copy."""
    x, blocks, edges = call.value(0).shape, call.ints(1), call.ints(2)
    if blocks is None or edges is None or min(blocks, default=0) < 1:
        return call.stream(call.fact.code.lower(), [call.declared()])
    sums = [sum(edges[2 * axis : 2 * axis + 2]) for axis in range(len(blocks))]
    sizes = list(zip(x[1:], blocks, sums, strict=False))
    rest = x[1 + len(blocks) :]
    if call.fact.code == "SPACE_TO_BATCH_ND":
        shape = (x[0] * prod(blocks), *((size + pad) // block for size, block, pad in sizes), *rest)
    else:
        shape = (x[0] // prod(blocks), *(size * block - crop for size, block, crop in sizes), *rest)
    return call.stream(call.fact.code.lower(), [shape])


# ---- element by element


def _fused_name(kind: int, where: str) -> str:
    names = ("none", "relu", "hardtanh", "relu6", "tanh", "sign")
    if not 0 < kind < len(names):
        raise InputError(f"{where}: unknown fused activation {kind}; the file is damaged or newer than costmodel")
    return names[kind]


def _unary(call: Call) -> list[Item]:
    x = call.value(0)
    y = call.sheet.op(call.name, Activation(_UNARY[call.fact.code]), x.tensor)
    return [Value(y, x.channels_first)]


_UNARY: Final = {
    "RELU": "relu", "RELU6": "relu6", "RELU_N1_TO_1": "hardtanh", "RELU_0_TO_1": "hardtanh", "TANH": "tanh",
    "LOGISTIC": "sigmoid", "HARD_SWISH": "hardswish", "GELU": "gelu", "ELU": "elu", "LEAKY_RELU": "leaky_relu",
    "EXP": "exp", "SQRT": "sqrt", "ABS": "abs", "NEG": "neg", "RSQRT": "rsqrt", "LOG": "log", "SQUARE": "square",
    "FLOOR": "floor", "CEIL": "ceil", "ROUND": "round", "SIN": "sin", "COS": "cos", "SIGN": "sign",
    "LOGICAL_NOT": "not", "QUANTIZE": "quantize", "DEQUANTIZE": "dequantize", "CAST": "cast",
    "FAKE_QUANT": "fake_quant",
}  # fmt: skip


def _combine(call: Call) -> list[Item]:
    """Operands that broadcast; a single constant number is part of the function, not an operand."""
    kind, act = _COMBINE[call.fact.code]
    items = [call.item(position) for position in range(len(call.inputs))]
    operands = [item for item in items if isinstance(item, Value) or item.elems != 1]
    rank = max(len(item.shape) for item in items)
    by_channels = any(isinstance(item, Value) and item.channels_first for item in operands)
    values = [call.network.value(item, channels_first=by_channels, rank=rank) for item in operands]
    tensors, channels_first = call.sheet.together(values)
    if len(tensors) == 1:
        y = call.sheet.op(call.name, Activation(kind), tensors[0])
    else:
        y = call.sheet.op(call.name, Combine(kind), *tensors)  # type: ignore[arg-type]  # any name of an operation
    return call.finished(y, channels_first=channels_first, act=act)


_COMBINE: Final[Mapping[str, tuple[str, int | None]]] = {
    "ADD": ("add", 0), "SUB": ("sub", 0), "MUL": ("mul", 0), "DIV": ("div", 0), "ADD_N": ("add", None),
    "MAXIMUM": ("max", None), "MINIMUM": ("min", None), "POW": ("pow", None), "FLOOR_DIV": ("div", None),
    "FLOOR_MOD": ("mod", None), "SQUARED_DIFFERENCE": ("squared_difference", None), "LESS": ("less", None),
    "LESS_EQUAL": ("less_equal", None), "GREATER": ("greater", None), "GREATER_EQUAL": ("greater_equal", None),
    "EQUAL": ("equal", None), "NOT_EQUAL": ("not_equal", None), "LOGICAL_AND": ("and", None),
    "LOGICAL_OR": ("or", None), "SELECT": ("select", None), "SELECT_V2": ("select", None), "ATAN2": ("atan2", None),
    "BITWISE_XOR": ("xor", None), "RIGHT_SHIFT": ("shift", None), "PRELU": ("leaky_relu", None),
}  # fmt: skip


def _prelu(call: Call) -> list[Item]:
    x = call.value(0)
    slopes = call.item(1)
    if isinstance(slopes, Constant) and slopes.elems in (1, x.shape[-1]):
        op: Op = Activation("prelu") if slopes.elems == x.shape[-1] else Reused(Activation("leaky_relu"), 1)
        op = _counted_once(call, op, slopes)
        return [Value(call.sheet.op(call.name, op, call.sheet.spatial(x)), x.rank > 2)]
    return _combine(call)


def _softmax(call: Call) -> list[Item]:
    x = call.value(0)
    y = call.graph.softmax(call.fresh(), x.tensor, x.axis(-1))
    return [Value(y, x.channels_first)]


def _l2_norm(call: Call) -> list[Item]:
    x = call.value(0)
    return call.stream("l2_norm", [x.shape], 3 * prod(x.shape))


def _lrn(call: Call) -> list[Item]:
    y = call.graph.lrn(call.fresh(), call.sheet.spatial(call.value(0)), 2 * call.fact.option(0) + 1)
    return [Value(y, channels_first=True)]


# ---- layout


def _concat(call: Call) -> list[Item]:
    items = [call.item(position) for position in range(len(call.inputs))]
    rank = max(len(item.shape) for item in items)
    by_channels = any(isinstance(item, Value) and item.channels_first for item in items)
    values = [call.network.value(item, channels_first=by_channels, rank=rank) for item in items]
    tensors, channels_first = call.sheet.together(values)
    axis = Value(tensors[0], channels_first).axis(call.fact.option(0))
    y = call.graph.concat(call.fresh(), *tensors, axis=axis)
    return call.finished(y, channels_first=channels_first, act=1)


def _reshape(call: Call) -> list[Item]:
    x = call.value(0)
    shape = call.ints(1) or (call.fact.options.ints(0) if call.fact.options and len(call.inputs) < 2 else None)
    if call.fact.code in ("SQUEEZE", "EXPAND_DIMS") or shape is None or prod(shape) == 0:
        shape = _unsqueezed(call, x) if call.fact.code != "RESHAPE" else call.declared()
    if -1 in shape:
        known = -prod(shape)
        shape = tuple(prod(x.shape) // known if size == -1 else size for size in shape) if known > 0 else shape
    return [call.sheet.reshaped(call.name, x, shape, channels_first=call.wants_channels_first())]


def _unsqueezed(call: Call, x: Value) -> Shape:
    """The shape with axes of one element taken out or put in."""
    if call.fact.code == "EXPAND_DIMS":
        axis = (call.ints(1) or (0,))[0]
        place = axis + x.rank + 1 if axis < 0 else axis
        return (*x.shape[:place], 1, *x.shape[place:])
    axes = call.fact.options.ints(0) if call.fact.options else ()
    dropped = {axis % x.rank for axis in axes} or {axis for axis, size in enumerate(x.shape) if size == 1}
    return tuple(size for axis, size in enumerate(x.shape) if axis not in dropped)


def _transpose(call: Call) -> list[Item]:
    axes = call.ints(1)
    if axes is None:
        return call.stream("transpose", [call.declared()])
    by_channels = call.wants_channels_first()
    return [call.sheet.permuted(call.name, call.value(0), axes, channels_first=by_channels)]


def _pad(call: Call) -> list[Item]:
    x, flat = call.value(0), call.ints(1)
    if flat is None or len(flat) != 2 * x.rank:
        return call.stream("pad", [call.declared()])
    pads = tuple((flat[2 * axis], flat[2 * axis + 1]) for axis in range(x.rank))
    if 3 <= x.rank <= 5 and pads[0] == pads[-1] == (0, 0):
        y = call.graph.pad(call.fresh(), call.sheet.spatial(x), pads[1:-1])
        return [Value(y, channels_first=True)]
    shape = tuple(size + before + after for size, (before, after) in zip(x.shape, pads, strict=True))
    return call.stream("pad", [shape])


def _indices(call: Call, begin: Shape, end: Shape, step: Shape) -> tuple[Any, ...]:
    """The index of a strided slice in NumPy's terms."""
    masks = [call.fact.option(slot) for slot in range(5)]
    index: list[Any] = []
    for axis, (start, stop, by) in enumerate(zip(begin, end, step, strict=True)):
        drops_start, drops_stop, ellipsis, new, shrink = (bool(mask >> axis & 1) for mask in masks)
        if ellipsis:
            index.append(Ellipsis)
        elif new:
            index.append(None)
        elif shrink:
            index.append(int(start))
        else:
            index.append(slice(None if drops_start else int(start), None if drops_stop else int(stop), int(by)))
    return tuple(index)


def _strided_slice(call: Call) -> list[Item]:
    x = call.value(0)
    bounds = [call.ints(position) for position in (1, 2, 3)]
    if any(bound is None for bound in bounds):
        return call.stream("slice", [call.declared()])
    index = _indices(call, *(bound or () for bound in bounds))
    present = sum(part is not None and part is not Ellipsis for part in index)
    gap = [slice(None)] * (x.rank - present)
    if Ellipsis in index:
        at = index.index(Ellipsis)
        full: list[Any] = [*index[:at], *gap, *index[at + 1 :]]
    else:
        full = [*index, *gap]
    return _indexed(call, x, full)


def _indexed(call: Call, x: Value, index: Sequence[Any]) -> list[Item]:
    """Slices along each axis in turn, then axes dropped or added."""
    axes = [part for part in index if part is not None]
    if len(axes) != x.rank:
        raise InputError(f"{call.where}: {len(axes)} indices for {x.rank} axes; the file is damaged")
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in axes):
        return call.stream("reverse", [call.declared()])
    shape: list[int] = []
    value, axis = x, 0
    for part in index:
        if part is None:
            shape.append(1)
            continue
        size = x.shape[axis]
        start, stop, step = _bounds(part, size)
        value = call.sheet.sliced(call.name, value, axis, start, stop, step)
        if isinstance(part, slice):
            shape.append(-(-(stop - start) // step))
        axis += 1
    return [call.sheet.reshaped(f"{call.name}_shape", value, shape, channels_first=call.wants_channels_first())]


def _bounds(part: Any, size: int) -> tuple[int, int, int]:  # noqa: ANN401 - an int or a slice
    """Start, stop and step of one index."""
    if isinstance(part, slice):
        return part.indices(size)
    start = part + size if part < 0 else part
    return start, start + 1, 1


def _slice(call: Call) -> list[Item]:
    x, begin, size = call.value(0), call.ints(1), call.ints(2)
    if begin is None or size is None:
        return call.stream("slice", [call.declared()])
    parts = [slice(b, None if s < 0 else b + s) for b, s in zip(begin, size, strict=True)]
    return _indexed(call, x, parts)


def _split(call: Call) -> list[Item]:
    """SPLIT and SPLIT_V: one slice per output."""
    by_sizes = call.fact.code == "SPLIT_V"
    x = call.value(0 if by_sizes else 1)
    at = call.ints(2 if by_sizes else 0) or (0,)
    axis = at[0] % x.rank
    count = len(call.outputs)
    sizes = list((call.ints(1) if by_sizes else None) or (x.shape[axis] // count,) * count)
    sizes = [x.shape[axis] - sum(sizes) - 1 if size == -1 else size for size in sizes]
    ends = np.cumsum(sizes)
    return [
        call.sheet.sliced(call.name, x, axis, int(end) - size, int(end))
        for size, end in zip(sizes, ends, strict=True)
    ]


def _unpack(call: Call) -> list[Item]:
    x = call.value(0)
    axis = call.fact.option(1) % x.rank
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    parts = [call.sheet.sliced(call.name, x, axis, index, index + 1) for index in range(len(call.outputs))]
    return [
        call.sheet.reshaped(f"{call.name}_part", part, shape, channels_first=call.wants_channels_first(position))
        for position, part in enumerate(parts)
    ]


def _pack(call: Call) -> list[Item]:
    values = [Value(call.sheet.plain(call.value(position))) for position in range(len(call.inputs))]
    rank = values[0].rank + 1
    axis = call.fact.option(1) % rank
    shape = (*values[0].shape[:axis], 1, *values[0].shape[axis:])
    parts = [call.sheet.reshaped(f"{call.name}_part", value, shape).tensor for value in values]
    return [Value(call.graph.concat(call.fresh(), *parts, axis=axis))]


def _gather(call: Call) -> list[Item]:
    """Rows of a table of parameters are an embedding; of an activation, a copy."""
    table, at = call.item(0), call.item(1)
    if call.fact.code == "EMBEDDING_LOOKUP":
        table, at = at, table
    axis = call.fact.option(0) if call.fact.code == "GATHER" else 0
    if not isinstance(table, Constant) or not isinstance(at, Value) or axis or len(table.shape) != 2:
        return call.stream("gather", [call.declared()])
    shared = call.network.weights.setdefault(("embedding", table.key), (call.name, None))[0]
    share = None if shared == call.name else shared
    call.network.own(None if share else table)
    y = call.graph.embedding(call.fresh(), call.sheet.plain(at), *table.shape, share=share)
    return [Value(y)]


def _copied(call: Call) -> list[Item]:
    """Operators that read everything once and write outputs of the declared shapes."""
    shapes = [call.declared(position) for position in range(len(call.outputs))]
    return call.stream(call.fact.code.lower(), shapes, prod(shapes[0]) if shapes else 0)


_COPIED: Final = (
    "TILE", "BROADCAST_TO", "REVERSE_V2", "MIRROR_PAD", "GATHER_ND", "ARG_MAX", "ARG_MIN", "ONE_HOT", "CUMSUM", "TOPK_V2",
    "DYNAMIC_UPDATE_SLICE", "SCATTER_ND", "REVERSE_SEQUENCE", "ZEROS_LIKE", "WHERE",
)  # fmt: skip


# ---- state and control


def _read_variable(call: Call) -> list[Item]:
    """The state of a streaming network, fed from outside."""
    shape = call.declared()
    by_channels = call.wants_channels_first() and len(shape) > 2
    bits = call.outputs[0].bits
    return [Value(call.graph.input(call.fresh(), first(shape) if by_channels else shape, bits), by_channels)]


def _assign_variable(call: Call) -> list[Item]:
    """The new state is an output of the network, written by whoever computes it."""
    item = call.optional(1)
    if isinstance(item, Value) and item.tensor.origin == "layer":
        call.network.written.append(item.tensor)
    return []


def _handle(call: Call) -> list[Item]:
    """A handle of a variable holds no data."""
    return [Constant(tensor.name, (), ("handle", index)) for index, tensor in enumerate(call.outputs)]


def _initialised(call: Call) -> list[Item]:  # noqa: ARG001 - runs once, before the first inference
    return []


def _invoked(call: Call) -> list[Item]:
    """Another subgraph, named and unknown."""
    slots = {"IF": (0, 1), "WHILE": (0, 1), "CALL": (0,)}[call.fact.code]
    subgraphs = call.network.model.subgraphs
    found = [call.fact.option(slot) for slot in slots]
    named = [subgraphs[index].name or f"#{index}" for index in found if 0 <= index < len(subgraphs)]
    return call.unknown(clean(f"{call.fact.code} of subgraph {', '.join(named)}"))


HANDLERS: Final[Mapping[str, Handler]] = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _depthwise, "CONV_3D": _conv_3d, "TRANSPOSE_CONV": _transpose_conv,
    "FULLY_CONNECTED": _fully_connected, "BATCH_MATMUL": _batch_matmul, "SVDF": _svdf,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm, "MAX_POOL_2D": _pool, "AVERAGE_POOL_2D": _pool,
    **dict.fromkeys(_REDUCTIONS, _reduce), "RESIZE_BILINEAR": _resize, "RESIZE_NEAREST_NEIGHBOR": _resize,
    "DEPTH_TO_SPACE": _blocks, "SPACE_TO_DEPTH": _blocks, "SPACE_TO_BATCH_ND": _batch_blocks,
    "BATCH_TO_SPACE_ND": _batch_blocks, **dict.fromkeys(_UNARY, _unary), **dict.fromkeys(_COMBINE, _combine),
    "PRELU": _prelu, "SOFTMAX": _softmax, "LOG_SOFTMAX": _softmax, "L2_NORMALIZATION": _l2_norm,
    "LOCAL_RESPONSE_NORMALIZATION": _lrn, "CONCATENATION": _concat, "RESHAPE": _reshape, "SQUEEZE": _reshape,
    "EXPAND_DIMS": _reshape, "TRANSPOSE": _transpose, "PAD": _pad, "PADV2": _pad, "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice, "SPLIT": _split, "SPLIT_V": _split, "UNPACK": _unpack, "PACK": _pack, "GATHER": _gather,
    "EMBEDDING_LOOKUP": _gather, **dict.fromkeys(_COPIED, _copied), "READ_VARIABLE": _read_variable,
    "ASSIGN_VARIABLE": _assign_variable, "VAR_HANDLE": _handle, "CALL_ONCE": _initialised, "IF": _invoked,
    "WHILE": _invoked, "CALL": _invoked,
}  # fmt: skip
