"""Operations without MACs: what each folds to if its inputs are constant, and which layer it is otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, Literal

import numpy as np

from costmodel.errors import NetworkError
from costmodel.graph import Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.dense import Embedding
from costmodel.graph.ops.elementwise import Activation, Combine, Identity, Unknown
from costmodel.graph.ops.general import ChannelWise, Part, Work
from costmodel.graph.ops.layout import Concat, Reshape, Transpose
from costmodel.graph.ops.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm, Softmax
from costmodel.graph.ops.pooling import GlobalPool, Pool
from costmodel.importers.onnx import shapes
from costmodel.importers.onnx.attention import ATTENTION
from costmodel.importers.onnx.folding import folded
from costmodel.importers.onnx.importer import FILL, Handler, Importer, empty
from costmodel.importers.onnx.products import PRODUCTS, quantised, windows
from costmodel.importers.onnx.shapes import Inputs, ShapeOf, axis_of, given, needed
from costmodel.importers.onnx.values import (
    BITS,
    BOOL,
    FLOAT,
    FLOATS,
    INT64,
    STRING,
    UINT8,
    Array,
    Ints,
    Node,
    Value,
    constant,
)
from costmodel.importers.onnx.wire import Message

Values = Sequence[Value | None]
Style = Literal["activation", "combine", "view", "part", "copy", "work", "unknown"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How a plain operation is read.

    Attributes
    ----------
    style
        activation (one element at a time), combine (several tensors), view (no data moves), part (some elements, no data
        moves), copy (`ops` other operations per output), work (per input), unknown (no model of its work).
    shape
        Shapes of the outputs.
    label
        Name of the operation in tables.
    kind
        Element type of the output, None for that of the data.
    ops
        Other operations per element.
    """

    style: Style
    shape: ShapeOf = shapes.like_first
    label: str = ""
    kind: int | None = None
    ops: int = 1

    def __call__(self, importer: Importer, node: Node, inputs: Inputs) -> Values:
        """Outputs of a node: constants from constants, a layer otherwise."""
        if node.outputs[:1] and node.outputs[0] in importer.body.merged:
            return [_merged(inputs)]
        shapes_ = self.shape(node, inputs)
        kinds = [self._kind(node, inputs)] + [INT64] * (len(shapes_) - 1)
        if node.op == "Split":
            kinds = [kinds[0]] * len(shapes_)
        if all(value is None or value.tensor is None for value in inputs):
            return self._constants(importer, node, inputs, shapes_, kinds)
        values = self._layers(importer, node, inputs, shapes_)
        bits = needed(inputs, 0).bits if self.style in ("view", "part") else 0
        unsure = self.style == "unknown"
        return [
            replace(value, kind=kind, bits=bits or BITS.get(kind, 32), bounded=unsure)
            for value, kind in zip(values, kinds, strict=False)
        ]

    def _kind(self, node: Node, inputs: Inputs) -> int:
        if node.op == "Cast":
            return node.int("to", FLOAT)
        data = next((v for v in inputs[1 if node.op == "Where" else 0 :] if v is not None), None)
        return self.kind or (FLOAT if data is None else data.kind)

    def _constants(
        self, importer: Importer, node: Node, inputs: Inputs, shapes_: list[Ints], kinds: list[int]
    ) -> list[Value]:
        contents: Sequence[Array | None] = folded(node, inputs, shapes_) or [None] * len(shapes_)
        return [
            importer.folded(node, inputs, shape, kind, data)
            for shape, kind, data in zip(shapes_, kinds, contents, strict=False)
        ]

    def _layers(self, importer: Importer, node: Node, inputs: Inputs, shapes_: list[Ints]) -> list[Value]:
        """The outputs of the layer, or of one layer per output for parts."""
        if not all(prod(shape) for shape in shapes_):
            made = self._parts(importer, node, inputs, shapes_) if self.style == "part" else None
            return made or [empty(shape, FLOAT) for shape in shapes_]
        match self.style:
            case "activation":
                return [_activation(importer, node, needed(inputs, 0), self.label)]
            case "combine":
                return [combined(importer, node, inputs, shapes_[0], self.label)]
            case "view":
                return [importer.made(node, Reshape(shapes_[0]), _tensor(inputs), like=needed(inputs, 0))]
            case "part":
                return self._parts(importer, node, inputs, shapes_)
        return self._streamed(importer, node, inputs, shapes_)

    def _parts(self, importer: Importer, node: Node, inputs: Inputs, shapes_: list[Ints]) -> list[Value]:
        x = _tensor(inputs)
        return [
            importer.made(node, Part(0, shape=shape), x, like=needed(inputs, 0)) if prod(shape) else empty(shape, FLOAT)
            for shape in shapes_
        ]

    def _streamed(self, importer: Importer, node: Node, inputs: Inputs, shapes_: list[Ints]) -> list[Value]:
        """A copy, work or unknown layer with all its outputs."""
        name = importer.name(node)
        data = inputs[:1] if node.op in _CONTROLLED else inputs
        read = [value for value in data if value is not None and _is_data(value)]
        tensors = tuple(dict.fromkeys(importer.operand(value, name) for value in read))
        elems = prod(shapes_[0]) if self.style == "copy" else needed(inputs, 0).elems
        op: Op = Work(self.label, tuple(shapes_), self.ops * elems)
        if self.style == "unknown":
            op = Unknown(self.label, tuple(shapes_))
        outputs = importer.layer(name, op, *tensors)
        return [importer.value(tensor, needed(inputs, 0), name) for tensor in outputs]


_CONTROLLED: Final = frozenset({"Resize", "Upsample", "Pad", "Tile", "Expand", "OneHot", "RotaryEmbedding"})
"""Operations whose further inputs only say what to do."""


def _is_data(value: Value) -> bool:
    """Whether a layer reads the value from memory: computed, or a constant of more than one number."""
    return value.tensor is not None or (value.kind in FLOATS and value.elems > 1)


def _merged(inputs: Inputs) -> Value | None:
    """The value behind a node whose work is part of the layer before: what it is computed from."""
    return next((value for value in inputs if value is not None and value.tensor is not None), None)


def _tensor(inputs: Inputs) -> Tensor:
    tensor = needed(inputs, 0).tensor
    if tensor is None:
        raise NetworkError("reads a constant where a computed tensor is expected")
    return tensor


# ---- element by element


def _activation(importer: Importer, node: Node, x: Value, label: str) -> Value:
    """A function of one element."""
    if x.tensor is None:
        raise NetworkError("reads a constant where a computed tensor is expected")
    y = importer.made(node, Activation(label), x.tensor, like=x)
    return replace(y, layer=x.layer or y.layer)


def combined(importer: Importer, node: Node, inputs: Inputs, shape: Ints, label: str) -> Value:
    """A function of several tensors; constants that are numbers or one per channel do not make it one of several."""
    runtime = [value for value in inputs if value is not None and value.tensor is not None]
    constants = [v for v in inputs if v is not None and v.tensor is None and v.elems > 1]
    first = runtime[0]
    if len(runtime) == 1 and first.dims == shape and first.tensor is not None:
        if not constants:
            return _activation(importer, node, first, label)
        if len(constants) == 1 and max(constants[0].dims) == constants[0].elems:
            scale = constants[0]
            op: Op = ChannelWise(label, scale.elems, scale.dims, importer.trained(scale))
            y = importer.made(node, op, first.tensor, like=first)
            return replace(y, layer=first.layer or y.layer)
    name = importer.name(node)
    tensors = [importer.operand(value, name) for value in (*runtime, *constants)]
    if len(tensors) < 2 or broadcast_differs(tensors, shape):
        return importer.value(importer.layer(name, Work(label, (shape,), prod(shape)), *tensors)[0], first, name)
    return importer.value(importer.layer(name, Combine(label), *tensors)[0], first, name)  # type: ignore[arg-type]  # a table's label


def broadcast_differs(tensors: Sequence[Tensor], shape: Ints) -> bool:
    """Whether the tensors alone do not broadcast to the shape: a scalar constant with more axes stretches it."""
    return max(tensor.rank for tensor in tensors) != len(shape)


def clip(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Clip: 0 .. 6 is relu6."""
    low, high = (_bound(node, inputs, index, name) for index, name in ((1, "min"), (2, "max")))
    label = {(0.0, 6.0): "relu6", (0.0, None): "relu"}.get((low, high), "clip")
    return Rule("activation", label=label)(importer, node, inputs)


def _bound(node: Node, inputs: Inputs, index: int, name: str) -> Any:  # noqa: ANN401 - a number or None
    value = given(inputs, index)
    if value is None:
        return node.attributes.get(name)
    return float(value.data.ravel()[0]) if value.data is not None and value.data.size else None


def sigmoid(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Sigmoid; where a product with its own input is all that reads it, the two are silu."""
    x = needed(inputs, 0)
    reader = importer.body.reader(node.outputs[0])
    gated = reader is not None and reader.op == "Mul" and set(reader.inputs) == {node.inputs[0], node.outputs[0]}
    if gated and reader is not None and x.tensor is not None:
        y = _activation(importer, node, x, "silu")
        importer.body.silu[reader.outputs[0]] = y
        return [y]
    return Rule("activation", label="sigmoid")(importer, node, inputs)


def multiply(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Mul; the second half of silu is part of it."""
    if node.outputs and node.outputs[0] in importer.body.silu:
        return [importer.body.silu[node.outputs[0]]]
    return Rule("combine", shapes.like_all, "mul")(importer, node, inputs)


def cast(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Cast and CastLike; to the type that the tensor has, it is nothing."""
    x = needed(inputs, 0)
    if node.op == "CastLike":
        node = replace(node, op="Cast", attributes={"to": needed(inputs, 1).kind})
    if x.tensor is not None and node.int("to", FLOAT) == x.kind:
        return [x]
    return Rule("activation", label="cast")(importer, node, inputs[:1])


def identity(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Identity and Dropout: nothing at inference."""
    x = needed(inputs, 0)
    if x.tensor is None:
        return [x, constant(x.dims, BOOL, None)][: max(1, len(node.outputs))]
    op = Identity("dropout" if node.op == "Dropout" else "identity")
    y = importer.made(node, op, x.tensor, like=x)
    mask = Value(x.shape, BOOL, tensor=y.tensor)
    return [replace(y, bits=x.bits, layer=x.layer), mask]


# ---- quantisation


def quantize(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """QuantizeLinear: the last step of the layer that computes its input."""
    x, zero = needed(inputs, 0), given(inputs, 2)
    kind = zero.kind if zero is not None else node.int("output_dtype", UINT8)
    if x.tensor is None:
        return [importer.folded(node, inputs, x.dims, kind, None)]
    y = _activation(importer, node, x, "quantize")
    importer.stored_as(x, BITS.get(kind, 8))
    importer.body.quantized.add(node.outputs[0])
    return [replace(y, kind=kind, bits=BITS.get(kind, 8))]


def dequantize(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """DequantizeLinear: nothing for weights and behind QuantizeLinear, a conversion elsewhere."""
    x, scale = needed(inputs, 0), needed(inputs, 1)
    importer.narrow = "fp" if x.kind in FLOATS else "int"
    if x.tensor is None:
        return [replace(importer.folded(node, inputs, x.dims, scale.kind, None), bits=x.bits)]
    if node.inputs[0] in importer.body.quantized:
        y = importer.made(node, Identity("dequantize"), x.tensor, like=x)
    else:
        y = _activation(importer, node, x, "dequantize")
    return [replace(y, kind=scale.kind, bits=x.bits, layer=x.layer)]


def dynamic_quantize(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """DynamicQuantizeLinear: the data, its scale and its zero point."""
    x = needed(inputs, 0)
    name = importer.name(node)
    op = Work("quantize", (x.dims, (), ()), 3 * x.elems)
    outputs = importer.layer(name, op, importer.operand(x, name))
    data, scale, zero = (importer.value(tensor, x, name) for tensor in outputs)
    return [replace(data, kind=UINT8, bits=8), scale, replace(zero, kind=UINT8, bits=8)]


# ---- windows


def pool(kind: Literal["max_pool", "avg_pool"]) -> Handler:
    """A handler for pooling over windows."""

    def handler(importer: Importer, node: Node, inputs: Inputs) -> Values:
        x, kernel = needed(inputs, 0), node.ints("kernel_shape") or ()
        arguments = windows(node, x, kernel)
        op = Pool.of(len(kernel), kind, ceil_mode=bool(node.int("ceil_mode", 0)), **arguments)
        y = importer.made(node, op, importer.operand(x, importer.label(node)), like=x)
        y = replace(y, bits=x.bits or y.bits)
        return [y, replace(y, kind=INT64)]

    return handler


def global_pool(kind: Literal["max_pool", "avg_pool"]) -> Handler:
    """A handler for pooling over the whole feature map."""

    def handler(importer: Importer, node: Node, inputs: Inputs) -> Values:
        x = needed(inputs, 0)
        return [importer.made(node, GlobalPool(kind), importer.operand(x, importer.label(node)), like=x)]

    return handler


def reduction(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """A sum over axes; the mean or maximum of a whole feature map is a global pooling."""
    x = needed(inputs, 0)
    kind = {"ReduceMean": "avg_pool", "ReduceMax": "max_pool"}.get(node.op)
    rule = Rule("work", shapes.reduce, _snake(node.op))
    if x.tensor is None or kind is None or len(x.dims) not in (4, 5):
        return rule(importer, node, inputs)
    if shapes.reduced_axes(node, inputs) != tuple(range(2, len(x.dims))):
        return rule(importer, node, inputs)
    (y,) = global_pool(kind)(importer, node, inputs)  # type: ignore[arg-type]  # one of the two
    if node.int("keepdims", 1) or y is None or y.tensor is None:
        return [y]
    return [importer.made(node, Reshape(x.dims[:2]), y.tensor, like=y, part="squeeze")]


# ---- normalisation


def batch_norm(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """BatchNormalization: scale and shift are trained, the statistics are not counted."""
    x, scale, shift = (needed(inputs, index) for index in range(3))
    affine = not importer.shares(scale, shift)
    return [importer.made(node, BatchNorm(None, affine), importer.operand(x, importer.label(node)), like=x)]


def layer_norm(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """LayerNormalization over the axes from ``axis`` on; also without shift (RMS)."""
    x, scale, shift = needed(inputs, 0), given(inputs, 1), given(inputs, 2)
    axis = axis_of(node.int("axis", -1), len(x.dims))
    tensor = importer.operand(x, importer.label(node))
    both = scale is not None and shift is not None and scale.elems == shift.elems == prod(x.dims[axis:])
    if both and axis and not importer.shares(scale, shift):
        return [importer.made(node, LayerNorm(len(x.dims) - axis), tensor, like=x)]
    params = importer.trained(scale, shift)
    return [importer.made(node, Work("layer_norm", (x.dims,), 7 * x.elems, params), tensor, like=x)]


def skip_layer_norm(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.SkipLayerNormalization: a sum, then a normalisation; the sum is the fourth output."""
    x, skip = needed(inputs, 0), needed(inputs, 1)
    simple = node.op.startswith("SkipSimplified")
    name = importer.label(node)
    total = importer.made(
        node, Combine("add"), importer.operand(x, name), importer.operand(skip, name), like=x, part="add"
    )
    picked = [total, given(inputs, 2), None if simple else given(inputs, 3)]
    bias = given(inputs, 3 if simple else 4)
    importer.shares_rows(bias, name)
    (y,) = layer_norm(importer, node, picked)
    return [y, None, None, total]


def group_norm(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """GroupNormalization and InstanceNormalization, one group per channel."""
    x, scale, shift = (needed(inputs, index) for index in range(3))
    groups = x.dims[1] if node.op == "InstanceNormalization" else node.int("num_groups", 1)
    affine = not importer.shares(scale, shift)
    op = GroupNorm.of(groups, affine=affine and scale.elems == shift.elems == x.dims[1])
    return [importer.made(node, op, importer.operand(x, importer.label(node)), like=x)]


def lrn(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """LRN."""
    x = needed(inputs, 0)
    op = LocalResponseNorm.of(node.int("size", 5))
    return [importer.made(node, op, importer.operand(x, importer.label(node)), like=x)]


def softmax(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Softmax and its logarithm."""
    x = needed(inputs, 0)
    axis = axis_of(node.int("axis", -1), len(x.dims))
    return [importer.made(node, Softmax(axis), importer.operand(x, importer.label(node)), like=x)]


# ---- layout


def transpose(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Transpose; a view where only axes of size 1 move."""
    x = needed(inputs, 0)
    if x.tensor is None:
        return Rule("view", shapes.transpose)(importer, node, inputs)
    order = shapes.permutation(node, len(x.dims))
    moving = [axis for axis in order if x.dims[axis] != 1 or axis == 0]
    op: Op = Transpose(order)
    if moving == sorted(moving):
        op = Reshape(shapes.transpose(node, inputs)[0])
    return [importer.made(node, op, x.tensor, like=x)]


def concat(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Concat; tensors without elements do not take part."""
    (shape,) = shapes.concat(node, inputs)
    values = [value for value in inputs if value is not None]
    if all(value.tensor is None for value in values):
        return Rule("copy", shapes.concat)(importer, node, inputs)
    name = importer.name(node)
    tensors = [importer.operand(value, name) for value in values if value.elems]
    op = Concat(axis_of(node.int("axis", 1), len(shape)))
    like = next(value for value in values if value.tensor is not None)
    y = importer.value(importer.layer(name, op, *tensors)[0], like, name)
    return [replace(y, bits=like.bits)]


def qlinear_concat(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.QLinearConcat: each tensor is followed by its scale and zero point."""
    return concat(importer, node, inputs[2::3])


def gather(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Gather: rows of a trained table, one index of an axis (a view), or a copy."""
    table, indices = needed(inputs, 0), needed(inputs, 1)
    (shape,) = shapes.gather(node, inputs)
    axis = axis_of(node.int("axis", 0), len(table.dims))
    if table.tensor is None and indices.tensor is not None and len(table.dims) == 2 and axis == 0:
        shared = importer.shares(table)
        op: Op = Embedding(*table.dims, shared)
        return [importer.made(node, op, indices.tensor, like=table)]
    if table.tensor is not None and indices.tensor is None and indices.elems == 1:
        return Rule("part", shapes.gather)(importer, node, inputs)
    if table.tensor is None and indices.tensor is None:
        return Rule("copy", shapes.gather)(importer, node, inputs)
    name = importer.name(node)
    read = (table, indices) if indices.tensor is not None else (table,)
    tensors = [importer.operand(value, name) for value in read]
    reads = prod(shape) + (indices.elems if indices.tensor is not None else 0)
    op = Work("gather", (shape,), 0, 0, reads if table.tensor is not None else indices.elems)
    return [importer.value(importer.layer(name, op, *tensors)[0], table, name)]


def slice_(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Slice: a view, a copy where it reverses an axis."""
    steps = shapes.listed(node, inputs, 4, "steps") or ()
    return Rule("copy" if min(steps, default=1) < 0 else "part", shapes.sliced, "slice", ops=0)(importer, node, inputs)


def expand(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Expand: a copy, nothing where the shape stays."""
    x = needed(inputs, 0)
    if x.tensor is not None and shapes.expand(node, inputs)[0] == x.dims:
        return [x]
    return Rule("copy", shapes.expand, "expand", ops=0)(importer, node, inputs)


def resize(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Resize and Upsample: taps of the interpolation per output."""
    taps = {"linear": 2, "cubic": 4}.get(node.text("mode", "nearest"), 1) ** max(0, len(needed(inputs, 0).dims) - 2)
    return Rule("copy", shapes.resize, "upsample", ops=0 if taps == 1 else 2 * taps - 1)(importer, node, inputs[:])


def shape_of(importer: Importer, node: Node, inputs: Inputs) -> Values:  # noqa: ARG001 - one signature for all
    """Shape and Size: known without the data."""
    x = needed(inputs, 0)
    if node.op == "Size":
        return [constant((), INT64, np.array(x.elems, dtype=np.int64))]
    dims = x.dims[slice(node.int("start", 0), node.int("end", len(x.dims)))]
    return [constant((len(dims),), INT64, np.array(dims, dtype=np.int64))]


def constant_(importer: Importer, node: Node, inputs: Inputs) -> Values:  # noqa: ARG001
    """Constant: a tensor or numbers."""
    name = "" if importer.literals else importer.body.origin + node.outputs[0]
    for key, kind in (("value_float", FLOAT), ("value_floats", FLOAT), ("value_int", INT64), ("value_ints", INT64)):
        if key in node.attributes:
            data = np.array(node.attributes[key], dtype=np.float32 if kind == FLOAT else np.int64)
            return [constant(data.shape, kind, data, name)]
    value = node.attributes.get("value", node.attributes.get("sparse_value"))
    if isinstance(value, Value):
        return [replace(value, sources=frozenset({(name, value.elems)} if name else ()))]
    return [constant((), STRING, None)]


def constant_of_shape(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """ConstantOfShape: an initializer in disguise."""
    value = node.attributes.get("value")
    kind = value.kind if isinstance(value, Value) else FLOAT
    (y,) = Rule("copy", shapes.filled, "fill", kind)(importer, node, inputs)
    if y is None:
        return [None]
    sources = frozenset({(FILL + importer.body.origin + node.outputs[0], y.elems)}) if kind in FLOATS else frozenset()
    return [replace(y, sources=sources)]


def if_(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """If: the branch that a constant condition takes."""
    condition = needed(inputs, 0)
    branches = [node.attributes.get(name) for name in ("else_branch", "then_branch")]
    if condition.data is None or condition.data.size != 1 or not all(isinstance(b, dict) for b in branches):
        return importer.unknown(node, inputs, f"'If' on a condition unknown before the network runs; within: {_inside(node)}")
    return importer.branch(node, branches[bool(condition.data.ravel()[0])] or {})


def repeated(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Loop, Scan and SequenceMap: unknown, with the operations that they repeat."""
    return importer.unknown(node, inputs, f"{node.op!r} repeats what is within: {_inside(node)}")


def _inside(node: Node) -> str:
    """Operations with MACs within the graphs of a node, for messages."""
    graphs = (value for value in node.attributes.values() if isinstance(value, dict))
    return ", ".join(sorted(set(_products(graphs)))) or "no products"


def _products(graphs: Iterable[Message]) -> Iterator[str]:
    """Operations with MACs within graphs."""
    for graph in graphs:
        for message in graph.get("node", ()):
            if message.get("op_type") in PRODUCTS.keys() | ATTENTION.keys():
                yield message["op_type"]
            yield from _products(entry["g"] for entry in message.get("attribute", ()) if "g" in entry)


def _snake(name: str) -> str:
    """ReduceMean as reduce_mean."""
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _microsoft_activation(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.BiasGelu, FastGelu: an optional bias, then gelu."""
    x, bias = needed(inputs, 0), given(inputs, 1)
    if bias is not None and x.tensor is not None:
        op = ChannelWise("add", bias.elems, bias.dims, importer.trained(bias))
        x = importer.made(node, op, x.tensor, like=x, part="bias")
    return [_activation(importer, node, x, "gelu")]


_ACTIVATIONS: Final = {
    "Relu": "relu", "LeakyRelu": "leaky_relu", "Elu": "elu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Gelu": "gelu",
    "Mish": "mish", "Softplus": "softplus", "HardSwish": "hardswish", "HardSigmoid": "hardsigmoid", "Exp": "exp",
    "Sqrt": "sqrt", "Abs": "abs", "Neg": "neg", "Erf": "erf", "Swish": "silu", "QuickGelu": "gelu", "ThresholdedRelu": "relu",
    **{name: _snake(name) for name in (
        "Selu", "Celu", "Softsign", "Shrink", "Log", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Tan",
        "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "BitwiseNot",
    )},
}  # fmt: skip
_COMBINED: Final = {
    "Add": "add", "Sub": "sub", "Div": "div", "Max": "max", "Min": "min", "Sum": "add", "Mean": "mean", "Pow": "pow",
    "Mod": "mod", "PRelu": "prelu", "BitShift": "shift", "BitwiseAnd": "and", "BitwiseOr": "or", "BitwiseXor": "xor",
}  # fmt: skip
_COMPARED: Final = ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor")
_COPIES: Final = {
    "Tile": shapes.tile, "Pad": shapes.pad, "DepthToSpace": shapes.depth_to_space, "SpaceToDepth": shapes.space_to_depth,
    "GatherElements": shapes.gather_elements, "GatherND": shapes.gather_nd, "ScatterND": shapes.like_first,
    "ScatterElements": shapes.like_first, "Scatter": shapes.like_first, "ReverseSequence": shapes.like_first,
    "Trilu": shapes.like_first, "OneHot": shapes.one_hot, "Range": shapes.range_, "EyeLike": shapes.like_first,
    "RandomNormalLike": shapes.like_first, "RandomUniformLike": shapes.like_first, "Bernoulli": shapes.like_first,
}  # fmt: skip
_WORKS: Final = {
    "ArgMax": shapes.arg, "ArgMin": shapes.arg, "CumSum": shapes.like_first, "TopK": shapes.top_k,
    "LpNormalization": shapes.like_first, "MeanVarianceNormalization": shapes.like_first, "Hardmax": shapes.like_first,
}  # fmt: skip
_UNKNOWN: Final = {
    "NonZero": shapes.non_zero, "Unique": shapes.unique, "NonMaxSuppression": shapes.suppressed,
    "Compress": shapes.compressed, "GridSample": shapes.grid_sample, "RoiAlign": shapes.roi_align,
}  # fmt: skip

HANDLERS: Final[dict[str, Handler]] = {
    **{name: Rule("activation", label=label) for name, label in _ACTIVATIONS.items()},
    **{name: Rule("activation", label=_snake(name), kind=BOOL) for name in ("Not", "IsNaN", "IsInf")},
    **{name: Rule("combine", shapes.like_all, label) for name, label in _COMBINED.items()},
    **{name: Rule("combine", shapes.like_all, _snake(name), BOOL) for name in _COMPARED},
    **{name: Rule("copy", shape, _snake(name), ops=0) for name, shape in _COPIES.items()},
    **{name: Rule("work", shape, _snake(name)) for name, shape in _WORKS.items()},
    **{name: Rule("unknown", shape, name) for name, shape in _UNKNOWN.items()},
    **dict.fromkeys(shapes.REDUCTIONS, reduction),
    "ArgMax": Rule("work", shapes.arg, "arg_max", INT64), "ArgMin": Rule("work", shapes.arg, "arg_min", INT64),
    "Where": Rule("copy", shapes.like_all, "where"),
    "Reshape": Rule("view", shapes.reshape), "Squeeze": Rule("view", shapes.squeeze),
    "Unsqueeze": Rule("view", shapes.unsqueeze), "Flatten": Rule("view", shapes.flatten),
    "Split": Rule("part", shapes.split), "Slice": slice_, "Expand": expand, "Concat": concat, "Transpose": transpose,
    "Gather": gather, "Resize": resize, "Upsample": resize, "Shape": shape_of, "Size": shape_of,
    "Constant": constant_, "ConstantOfShape": constant_of_shape, "If": if_, "Loop": repeated, "Scan": repeated,
    "SequenceMap": repeated, "Clip": clip, "Sigmoid": sigmoid,
    "Mul": multiply, "Cast": cast, "CastLike": cast, "Identity": identity, "Dropout": identity,
    "MaxPool": pool("max_pool"), "AveragePool": pool("avg_pool"), "LpPool": pool("avg_pool"),
    "GlobalMaxPool": global_pool("max_pool"), "GlobalAveragePool": global_pool("avg_pool"),
    "GlobalLpPool": global_pool("avg_pool"),
    "BatchNormalization": batch_norm, "LayerNormalization": layer_norm, "RMSNormalization": layer_norm,
    "SimplifiedLayerNormalization": layer_norm, "SkipLayerNormalization": skip_layer_norm,
    "SkipSimplifiedLayerNormalization": skip_layer_norm, "InstanceNormalization": group_norm,
    "GroupNormalization": group_norm, "LRN": lrn, "Softmax": softmax, "LogSoftmax": softmax,
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize, "DynamicQuantizeLinear": dynamic_quantize,
    "RotaryEmbedding": Rule("work", label="rotary_embedding", ops=3),
    "BiasGelu": _microsoft_activation, "FastGelu": _microsoft_activation,
    "QLinearAdd": quantised(Rule("combine", shapes.like_all, "add"), 0, 3),
    "QLinearMul": quantised(Rule("combine", shapes.like_all, "mul"), 0, 3),
    "QLinearConcat": qlinear_concat, "QLinearGlobalAveragePool": quantised(global_pool("avg_pool"), 0),
    "QLinearAveragePool": quantised(pool("avg_pool"), 0), "QLinearReduceMean": quantised(reduction, 0),
    "QLinearSigmoid": quantised(Rule("activation", label="sigmoid"), 0),
    "QLinearLeakyRelu": quantised(Rule("activation", label="leaky_relu"), 0),
    "QLinearSoftmax": quantised(softmax, 0),
    "QLinearWhere": quantised(Rule("copy", shapes.like_all, "where"), 0, 1, 4),
    **PRODUCTS, **ATTENTION,
}  # fmt: skip
