"""Built-in Keras layers, drawn one by one: what each configuration means as layers of a Graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, Protocol, TypeAlias

from costmodel.errors import InputError
from costmodel.graph import Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.dense import Embedding, Linear
from costmodel.graph.ops.elementwise import Activation, Combine, Identity
from costmodel.graph.ops.normalization import BatchNorm, GroupNorm, LayerNorm, Softmax
from costmodel.graph.ops.pooling import Pool
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.ops.streams import HalfBatchNorm, OneBias, Reused, Stream
from costmodel.importers.channels_last import Sheet, Value, crops, expect_window

Shape: TypeAlias = tuple[int, ...]


class Owner(Protocol):
    """The model that a layer is part of."""

    sheet: Sheet

    def unsupported(self, name: str, what: str) -> InputError:
        """The error for a layer that is known but not in this form."""

    def layer(self, entry: Mapping[str, Any], prefix: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Value]:
        """Outputs of one call of a layer."""


@dataclass(eq=False)
class Called:
    """One call of a layer: its configuration and arguments; `again` if its parameters were counted before."""

    owner: Owner
    name: str
    kind: str
    config: Mapping[str, Any]
    args: list[Any]
    kwargs: dict[str, Any]
    again: bool = False

    @property
    def sheet(self) -> Sheet:
        """The graph being drawn."""
        return self.owner.sheet

    @property
    def values(self) -> list[Value]:
        """Tensors among the positional arguments."""
        return list(_flat(self.args))

    @property
    def x(self) -> Value:
        """The one tensor that the layer reads."""
        found = self.values or list(_flat(list(self.kwargs.values())))
        if not found:
            raise InputError(f"layer {self.name!r}: has no input; save the model again")
        return found[0]

    @property
    def rank(self) -> int:
        """Spatial axes of a layer, from the digit in its name."""
        return next((int(char) for char in self.kind if char in "123"), 2)

    def unsupported(self, what: str) -> InputError:
        """The error for a form of the layer that has no model."""
        return self.owner.unsupported(self.name, what)

    def sizes(self, key: str, rank: int, default: int | None = None) -> Shape:
        """A configured size per spatial axis."""
        value = self.config.get(key)
        value = default if value is None else value
        sizes = (value,) * rank if isinstance(value, int) else tuple(value or ())
        if key in ("kernel_size", "pool_size"):
            expect_window(f"layer {self.name!r}", sizes)
        return sizes

    def add(self, op: Op, *tensors: Tensor, suffix: str = "") -> Tensor:
        """Add an operation; parameters count at the first call only."""
        if self.again and isinstance(op, (Conv, ConvTranspose, Linear, Embedding)):
            op = replace(op, shared=True)
        elif self.again and isinstance(op, BatchNorm):
            op = replace(op, affine=False)
        elif self.again and isinstance(op, (LayerNorm, GroupNorm, Recurrent, Reused)):
            op = Reused(op)
        return self.sheet.op(self.name + suffix, op, *tensors)

    @property
    def channels_last(self) -> bool:
        """Whether the layer has its channels last."""
        return bool(self.config.get("data_format", "channels_last") != "channels_first")

    def window(self, value: Value) -> Tensor:
        """A tensor with channels behind the batch, as windows need it."""
        return self.sheet.spatial(value) if self.channels_last else self.sheet.plain(value)

    def windowed(self, tensor: Tensor) -> Value:
        """The output of a layer with windows."""
        return Value(tensor, self.channels_last and tensor.rank > 2)

    def activated(self, value: Value) -> list[Value]:
        """The output after the activation in the configuration."""
        kind = self.config.get("activation")
        return [self.function(value, kind, f"_{_function_name(kind)}")]

    def function(self, value: Value, kind: Any, suffix: str = "") -> Value:  # noqa: ANN401 - text or a serialised object
        """An activation function by name."""
        name = _function_name(kind)
        if name == "linear":
            return value
        if name in ("softmax", "log_softmax"):
            return Value(self.add(Softmax(value.axis(-1)), value.tensor, suffix=suffix), value.channels_first)
        if name not in _FUNCTIONS:
            raise self.unsupported(f"the activation {name!r}")
        tensor = self.add(Activation(_FUNCTIONS[name]), value.tensor, suffix=suffix)
        return Value(tensor, value.channels_first)


_FUNCTIONS: Final = {
    **{name: name for name in ("relu", "relu6", "sigmoid", "tanh", "gelu", "silu", "elu", "mish", "softplus",
                               "leaky_relu", "selu", "softsign", "celu", "hard_shrink", "soft_shrink", "tanh_shrink",
                               "squareplus", "log_sigmoid", "threshold", "sparse_plus", "sparse_sigmoid")},
    "swish": "silu", "hard_sigmoid": "hardsigmoid", "hard_silu": "hardswish", "hard_swish": "hardswish",
    "hard_tanh": "hardtanh", "exponential": "exp",
}  # fmt: skip


def _function_name(kind: Any) -> str:  # noqa: ANN401 - text or a serialised object
    """Name of an activation, "linear" for none."""
    if isinstance(kind, dict):
        inner = kind.get("config")
        kind = inner if isinstance(inner, str) else kind.get("class_name")
    return str(kind) if kind else "linear"


def _flat(value: Any) -> Iterator[Value]:  # noqa: ANN401 - nested arguments
    if isinstance(value, Value):
        yield value
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _flat(inner)


# ---- products


def _pads(call: Called, taps: Sequence[int], spread: Sequence[int]) -> Any:  # noqa: ANN401 - one of the forms of a padding
    """Padding of a convolution; a causal one is all in front."""
    kind = call.config.get("padding", "valid")
    if kind == "causal":
        return (((taps[0] - 1) * spread[0], 0),)
    return kind


def _conv(call: Called) -> list[Value]:
    rank = call.rank
    kernel, stride = call.sizes("kernel_size", rank), call.sizes("strides", rank, 1)
    spread = call.sizes("dilation_rate", rank, 1)
    x = call.window(call.x)
    depthwise = call.kind.startswith("Depthwise")
    groups = int(x.shape[1]) if depthwise else call.config.get("groups", 1)
    out = groups * call.config.get("depth_multiplier", 1) if depthwise else call.config["filters"]
    padding = _pads(call, kernel, spread)
    op = Conv.of(rank, out, kernel, stride, padding, spread, groups, bias=bool(call.config.get("use_bias", True)))
    return call.activated(call.windowed(call.add(op, x)))


def _separable(call: Called) -> list[Value]:
    rank = call.rank
    kernel, stride = call.sizes("kernel_size", rank), call.sizes("strides", rank, 1)
    spread = call.sizes("dilation_rate", rank, 1)
    x = call.window(call.x)
    channels = int(x.shape[1])
    out = channels * call.config.get("depth_multiplier", 1)
    first = Conv.of(rank, out, kernel, stride, _pads(call, kernel, spread), spread, channels, bias=False)
    second = Conv.of(rank, call.config["filters"], 1, bias=bool(call.config.get("use_bias", True)))
    y = call.add(first, x, suffix="/depthwise")
    return call.activated(call.windowed(call.add(second, y, suffix="/pointwise")))


def _conv_transpose(call: Called) -> list[Value]:
    rank = call.rank
    kernel, stride = call.sizes("kernel_size", rank), call.sizes("strides", rank, 1)
    spread, extra = call.sizes("dilation_rate", rank, 1), call.config.get("output_padding")
    x = call.window(call.x)
    extents = tuple(map(int, x.shape[2:]))
    taps = [(tap - 1) * by + 1 for tap, by in zip(kernel, spread, strict=True)]
    same = call.config.get("padding") == "same"
    wanted = [
        _transposed_size(extent, tap, step, same=same, extra=None if extra is None else plus)
        for extent, tap, step, plus in zip(extents, taps, stride, call.sizes("output_padding", rank, 0), strict=True)
    ]
    pads, more = crops(extents, taps, stride, wanted)
    bias = bool(call.config.get("use_bias", True))
    op = ConvTranspose.of(rank, call.config["filters"], kernel, stride, pads, more, spread, bias=bias)
    return call.activated(call.windowed(call.add(op, x)))


def _transposed_size(extent: int, taps: int, step: int, *, same: bool, extra: int | None) -> int:
    """Output size of a transposed convolution (keras/src/ops/operation_utils.py, compute_conv_transpose_output)."""
    if extra is None:
        return extent * step if same else extent * step + max(taps - step, 0)
    return (extent - 1) * step + taps - 2 * (taps // 2 if same else 0) + extra


def _dense(call: Called) -> list[Value]:
    op = Linear.of(call.config["units"], bias=bool(call.config.get("use_bias", True)))
    return call.activated(Value(call.add(op, call.sheet.plain(call.x))))


def _einsum_dense(call: Called) -> list[Value]:
    """A product over the last axes of the input that gives new last axes: a linear layer between two views."""
    reads, _, gives = str(call.config["equation"]).replace(" ", "").partition("->")
    taken, _, weight = reads.partition(",")
    taken, gives, weight = (part.replace("...", "") for part in (taken, gives, weight))
    summed = [label for label in taken if label not in gives]
    made = [label for label in gives if label not in taken]
    ends = taken.endswith("".join(summed)) and gives.endswith("".join(made)) and set(weight) == {*summed, *made}
    if not ends or not summed or not made:
        raise call.unsupported(f"EinsumDense with the equation {call.config['equation']!r}")
    x = Value(call.sheet.plain(call.x))
    output = call.config["output_shape"]
    sizes = [output] if isinstance(output, int) else list(output)
    new = tuple(sizes[len(sizes) - len(made) :])
    kept = x.shape[: x.rank - len(summed)]
    flat = call.sheet.reshaped(f"{call.name}/input", x, (*kept, prod(x.shape[len(kept) :])))
    axes = call.config.get("bias_axes") or ""
    op = Linear.of(prod(new), bias=set(axes) == set(made))
    if axes and not op.bias:
        raise call.unsupported(f"EinsumDense with biases along {axes!r}")
    y = call.add(op, flat.tensor)
    return call.activated(call.sheet.reshaped(f"{call.name}/output", Value(y), (*kept, *new)))


def _embedding(call: Called) -> list[Value]:
    op = Embedding.of(call.config["input_dim"], call.config["output_dim"])
    return [Value(call.add(op, call.sheet.plain(call.x)))]


def _attention(call: Called) -> list[Value]:
    """Multi-head attention: four linear layers and two products of activations."""
    query, value, key = _attended(call)
    heads, depth = call.config["num_heads"], call.config["key_dim"]
    depth_v = call.config.get("value_dim") or depth
    axes = call.config.get("attention_axes")
    if call.config.get("use_gate") or query.rank != 3 or axes not in (None, [1], 1):
        raise call.unsupported("attention over several axes or with a gate")
    bias = bool(call.config.get("use_bias", True))
    q = _heads(call, "query", query, heads, depth, bias, (0, 2, 1, 3))
    k = _heads(call, "key", key, heads, depth, bias, (0, 2, 3, 1))
    v = _heads(call, "value", value, heads, depth_v, bias, (0, 2, 1, 3))
    graph, fresh = call.sheet.graph, call.sheet.fresh
    scores = graph.matmul(fresh(f"{call.name}/scores"), q, k)
    scaled = call.add(Activation("mul"), scores, suffix="/scale")
    weights = graph.softmax(fresh(f"{call.name}/softmax"), scaled)
    mixed = graph.matmul(fresh(f"{call.name}/context"), weights, v)
    merged = graph.transpose(fresh(f"{call.name}/merge"), mixed, (0, 2, 1, 3))
    n, time = query.shape[:2]
    flat = graph.reshape(fresh(f"{call.name}/flatten"), merged, (n, time, heads * depth_v))
    output = call.config.get("output_shape") or query.shape[-1]
    features = prod(output) if isinstance(output, (list, tuple)) else output
    return [Value(call.add(Linear.of(features, bias=bias), flat, suffix="/output"))]


def _attended(call: Called) -> list[Value]:
    """Query, value and key, the last two of which default to what is before."""
    given = dict(zip(("query", "value", "key"), call.args, strict=False)) | call.kwargs
    query, value, key = (given.get(name) for name in ("query", "value", "key"))
    chosen = [query, value, value if key is None else key]
    if not all(isinstance(item, Value) for item in chosen):
        raise call.unsupported("attention without query and value")
    return [Value(call.sheet.plain(item)) for item in chosen if isinstance(item, Value)]


def _heads(call: Called, part: str, x: Value, heads: int, depth: int, bias: bool, axes: Sequence[int]) -> Tensor:
    """One projection, split into heads."""
    y = call.add(Linear.of(heads * depth, bias=bias), x.tensor, suffix=f"/{part}")
    graph, fresh = call.sheet.graph, call.sheet.fresh
    split = graph.reshape(fresh(f"{call.name}/{part}_heads"), y, (*x.shape[:2], heads, depth))
    return graph.transpose(fresh(f"{call.name}/{part}_transposed"), split, axes)


# ---- recurrence


def _recurrent_op(kind: str, config: Mapping[str, Any], *, bidirectional: bool = False) -> Op:
    """An LSTM, or a GRU with one bias or, reset after the product, with two."""
    bias = bool(config.get("use_bias", True))
    op = Recurrent.of("lstm" if kind == "LSTM" else "gru", config["units"], bias=bias, bidirectional=bidirectional)
    if kind == "GRU" and config.get("reset_after", True):
        return op
    return OneBias(op.kind, op.hidden, op.bias, op.bidirectional)


def _recurrent(call: Called) -> list[Value]:
    y = call.add(_recurrent_op(call.kind, call.config), call.sheet.plain(call.x))
    states = 0 if not call.config.get("return_state") else (2 if call.kind == "LSTM" else 1)
    sequence = bool(call.config.get("return_sequences"))
    last = None if sequence and not states else _last(call, y)
    return [Value(y) if sequence or last is None else last, *([last] * states if last else [])]


def _last(call: Called, y: Tensor) -> Value:
    """The state after the last step."""
    n, time, hidden = map(int, y.shape)
    step = call.sheet.sliced(f"{call.name}_last", Value(y), 1, time - 1, time)
    return call.sheet.reshaped(f"{call.name}_state", step, (n, hidden))


def _bidirectional(call: Called) -> list[Value]:
    """Both directions: their states joined as asked, then the last states of one and of the other."""
    inner = call.config["layer"]
    kind, config = inner["class_name"], inner["config"]
    mode = call.config.get("merge_mode", "concat")
    if kind not in ("LSTM", "GRU") or mode not in ("concat", "sum", "ave", "mul", None):
        raise call.unsupported(f"Bidirectional around {kind} with merge mode {mode!r}")
    y = call.add(_recurrent_op(kind, config, bidirectional=True), call.sheet.plain(call.x))
    units, sequence = config["units"], bool(config.get("return_sequences"))
    last = None if sequence and not config.get("return_state") else _last(call, y)
    both = Value(y) if sequence or last is None else last
    states = []
    if config.get("return_state") and last is not None:
        count = 2 if kind == "LSTM" else 1
        states = [state for half in _halves(call, last, units, "state") for state in [half] * count]
    if mode == "concat":
        return [both, *states]
    halves = _halves(call, both, units, "half")
    if mode is None:
        return [*halves, *states]
    return [Value(call.add(Combine("mul" if mode == "mul" else "add"), *(half.tensor for half in halves))), *states]


def _halves(call: Called, value: Value, units: int, name: str) -> list[Value]:
    """What each direction gives."""
    axis = value.rank - 1
    return [call.sheet.sliced(f"{call.name}_{name}", value, axis, at, at + units) for at in (0, units)]


def _time_distributed(call: Called) -> list[Value]:
    """A layer applied to every step: the steps join the batch."""
    x = Value(call.sheet.plain(call.x))
    n, time, *rest = x.shape
    merged = call.sheet.reshaped(f"{call.name}/steps", x, (n * time, *rest))
    inner = call.config["layer"]
    (y, *_) = call.owner.layer(inner, f"{call.name}/", [merged], {})
    plain = Value(call.sheet.plain(y))
    return [call.sheet.reshaped(f"{call.name}/sequence", plain, (n, time, *plain.shape[1:]))]


# ---- normalisation


def _batch_norm(call: Called) -> list[Value]:
    x, axis = call.x, call.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    scale, center = (bool(call.config.get(key, True)) for key in ("scale", "center"))
    last = axis % x.rank == x.rank - 1
    tensor = call.sheet.spatial(x) if last else call.sheet.plain(x)
    if not last and axis % x.rank != 1:
        raise call.unsupported(f"batch normalisation of axis {axis}")
    op = BatchNorm(None, scale) if scale == center else HalfBatchNorm(None)
    return [Value(call.add(op, tensor), last and tensor.rank > 2)]


def _layer_norm(call: Called) -> list[Value]:
    x = Value(call.sheet.plain(call.x))
    axes = call.config.get("axis", -1)
    axes = sorted(axis % x.rank for axis in (axes if isinstance(axes, list) else [axes]))
    if axes != list(range(x.rank - len(axes), x.rank)):
        raise call.unsupported(f"layer normalisation of axes {axes}")
    squares = bool(call.config.get("rms_scaling"))
    scale = squares or bool(call.config.get("scale", True))
    center = not squares and bool(call.config.get("center", call.kind == "LayerNormalization"))
    op: Op = LayerNorm(len(axes), scale or center)
    if scale != center:
        op = Reused(op, prod(x.shape[axis] for axis in axes))
    return [Value(call.add(op, x.tensor))]


def _group_norm(call: Called) -> list[Value]:
    axis = call.config.get("axis", -1) % call.x.rank
    last = axis == call.x.rank - 1
    x = call.sheet.spatial(call.x) if last else call.sheet.plain(call.x)
    if not last and axis != 1:
        raise call.unsupported(f"group normalisation of axis {axis}")
    groups = call.config.get("groups", 32)
    scale, center = (bool(call.config.get(key, True)) for key in ("scale", "center"))
    op: Op = GroupNorm.of(x.shape[1] if groups == -1 else groups, affine=scale or center)
    if scale != center:
        op = Reused(op, x.shape[1])
    return [Value(call.add(op, x), last and x.rank > 2)]


# ---- pooling and interpolation


def _pool(call: Called) -> list[Value]:
    rank = call.rank
    kernel = call.sizes("pool_size", rank, 2)
    stride = kernel if call.config.get("strides") is None else call.sizes("strides", rank)
    kind: Any = "max_pool" if call.kind.startswith("Max") else "avg_pool"
    op = Pool.of(rank, kind, kernel, stride, call.config.get("padding", "valid"))
    return [call.windowed(call.add(op, call.window(call.x)))]


def _global_pool(call: Called) -> list[Value]:
    graph, x = call.sheet.graph, call.window(call.x)
    add = graph.global_max_pool if "Max" in call.kind else graph.global_avg_pool
    y = call.windowed(add(call.sheet.fresh(call.name), x))
    if call.config.get("keepdims"):
        return [y]
    return [call.sheet.reshaped(f"{call.name}_flatten", y, tuple(map(int, x.shape[:2])))]


def _upsample(call: Called) -> list[Value]:
    mode, graph = str(call.config.get("interpolation", "nearest")), call.sheet.graph
    x = call.window(call.x)
    name = call.sheet.fresh(call.name)
    if call.kind == "Resizing":
        size = (call.config["height"], call.config["width"])
        return [call.windowed(graph.upsample(name, x, size=size, mode=mode))]
    return [call.windowed(graph.upsample(name, x, call.sizes("size", call.rank, 2), mode=mode))]


def _edges(call: Called, key: str) -> list[tuple[int, int]]:
    """(before, after) per spatial axis."""
    value = call.config[key]
    if isinstance(value, int):
        return [(value, value)] * call.rank
    if call.rank == 1 and len(value) == 2 and all(isinstance(size, int) for size in value):
        return [tuple(value)]
    return [(size, size) if isinstance(size, int) else (size[0], size[1]) for size in value]


def _zero_padding(call: Called) -> list[Value]:
    x = call.window(call.x)
    return [call.windowed(call.sheet.graph.pad(call.sheet.fresh(call.name), x, tuple(_edges(call, "padding"))))]


def _cropping(call: Called) -> list[Value]:
    value = call.windowed(call.window(call.x))
    start = 1 if call.channels_last else 2
    for axis, (before, after) in enumerate(_edges(call, "cropping"), start):
        value = call.sheet.sliced(call.name, value, axis, before, value.shape[axis] - after)
    return [value]


# ---- element by element


def _identity(call: Called) -> list[Value]:
    return [Value(call.add(Identity(call.kind.lower()), call.x.tensor), call.x.channels_first)]


def _elementwise(call: Called) -> list[Value]:
    kind = {"Rescaling": "mul", "Normalization": "normalize"}.get(call.kind, call.kind.lower())
    return [Value(call.add(Activation(kind), call.x.tensor), call.x.channels_first)]


def _activation(call: Called) -> list[Value]:
    names = {"LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}
    kind = names.get(call.kind) or call.config.get("activation")
    if call.kind == "Softmax" and call.config.get("axis", -1) != -1:
        axis = call.config["axis"]
        axis = axis[-1] if isinstance(axis, list) else axis
        return [Value(call.add(Softmax(call.x.axis(axis)), call.x.tensor), call.x.channels_first)]
    return [call.function(call.x, kind)]


def _relu(call: Called) -> list[Value]:
    limit, slope = call.config.get("max_value"), call.config.get("negative_slope")
    kind = "leaky_relu" if slope else ("relu6" if limit == 6 else ("relu" if limit is None else "hardtanh"))
    return [call.function(call.x, kind if kind != "hardtanh" else "hard_tanh")]


def _prelu(call: Called) -> list[Value]:
    shared = set(call.config.get("shared_axes") or ())
    slopes = prod(size for axis, size in enumerate(call.x.shape) if axis and axis not in shared)
    op = Reused(Activation("leaky_relu"), 0 if call.again else slopes)
    return [Value(call.sheet.op(call.name, op, call.x.tensor), call.x.channels_first)]


def _layer_scale(call: Called) -> list[Value]:
    """A trained factor per channel, of ConvNeXt."""
    op = Reused(Activation("mul"), 0 if call.again else call.config["projection_dim"])
    return [Value(call.sheet.op(call.name, op, call.x.tensor), call.x.channels_first)]


def _combine(call: Called) -> list[Value]:
    """Tensors that broadcast; a number among them is part of the function."""
    values = call.values
    kind = _COMBINE[call.kind]
    if len(values) == 1:
        return [Value(call.add(Activation(kind), values[0].tensor), values[0].channels_first)]
    tensors, channels_first = call.sheet.together(values)
    op = Combine(kind)  # type: ignore[arg-type]  # any name of an operation
    return [Value(call.add(op, *tensors), channels_first)]


_COMBINE: Final = {
    "Add": "add", "Subtract": "sub", "Multiply": "mul", "Maximum": "max", "Minimum": "min", "Average": "add",
    "Divide": "div", "TrueDivide": "div", "Power": "pow",
}  # fmt: skip


def _concatenate(call: Called) -> list[Value]:
    tensors, channels_first = call.sheet.together(call.values)
    axis = Value(tensors[0], channels_first).axis(call.config.get("axis", -1))
    y = call.sheet.graph.concat(call.sheet.fresh(call.name), *tensors, axis=axis)
    return [Value(y, channels_first)]


# ---- layout


def _flatten(call: Called) -> list[Value]:
    x = Value(call.sheet.plain(call.x))
    return [call.sheet.reshaped(call.name, x, (x.shape[0], prod(x.shape[1:])))]


def _reshape(call: Called) -> list[Value]:
    x = Value(call.sheet.plain(call.x))
    target = call.config.get("target_shape")
    shape = call.config.get("newshape") if target is None else [x.shape[0], *target]
    if not isinstance(shape, (list, tuple)):
        raise call.unsupported("a reshape to a computed shape")
    sizes = [-1 if size is None else size for size in shape]
    if target is None and sizes and sizes[0] == -1:
        sizes[0] = x.shape[0] if prod(sizes[1:]) * x.shape[0] in (prod(x.shape), -prod(x.shape)) else -1
    known = prod(size for size in sizes if size != -1)
    sizes = [prod(x.shape) // max(known, 1) if size == -1 else size for size in sizes]
    return [call.sheet.reshaped(call.name, x, sizes)]


def _permute(call: Called) -> list[Value]:
    axes = call.config.get("dims")
    axes = call.config.get("axes") if axes is None else [0, *axes]
    axes = list(range(call.x.rank))[::-1] if axes is None else axes
    return [call.sheet.permuted(call.name, call.x, axes, channels_first=False)]


def _repeat(call: Called) -> list[Value]:
    x = call.sheet.plain(call.x)
    n, features = map(int, x.shape)
    return [Value(call.add(Stream("repeat", ((n, call.config["n"], features),)), x))]


def _mean(call: Called) -> list[Value]:
    x, axes = Value(call.sheet.plain(call.x)), call.config.get("axis")
    kind = call.kind.lower()
    chosen = range(x.rank) if axes is None else (axes if isinstance(axes, (list, tuple)) else [axes])
    reduced = {axis % x.rank for axis in chosen}
    kept = [1 if axis in reduced else size for axis, size in enumerate(x.shape)]
    if not call.config.get("keepdims"):
        kept = [size for axis, size in enumerate(x.shape) if axis not in reduced]
    return [Value(call.add(Stream(kind, (tuple(kept),), prod(x.shape)), x.tensor))]


Handler: TypeAlias = Callable[[Called], list[Value]]


def _ranks(names: Sequence[str], ranks: Sequence[int], handler: Handler) -> dict[str, Handler]:
    """A handler under the names of its variants for 1 to 3 spatial axes."""
    return {f"{name}{rank}D": handler for name in names for rank in ranks}


_IDENTITIES: Final = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise",
    "AlphaDropout", "ActivityRegularization", "Identity", "Masking", "RandomFlip", "RandomRotation", "RandomZoom",
    "StochasticDepth", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomCrop",
)  # fmt: skip

HANDLERS: Final[Mapping[str, Handler]] = {
    **_ranks(["Conv"], [1, 2, 3], _conv), **_ranks(["DepthwiseConv"], [1, 2], _conv),
    **_ranks(["SeparableConv"], [1, 2], _separable),
    **{f"Conv{rank}DTranspose": _conv_transpose for rank in (1, 2, 3)},
    "Dense": _dense, "EinsumDense": _einsum_dense, "Embedding": _embedding, "MultiHeadAttention": _attention,
    "LSTM": _recurrent, "GRU": _recurrent, "Bidirectional": _bidirectional, "TimeDistributed": _time_distributed,
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "RMSNormalization": _layer_norm,
    "GroupNormalization": _group_norm, **_ranks(["MaxPooling", "AveragePooling"], [1, 2, 3], _pool),
    **_ranks(["GlobalMaxPooling", "GlobalAveragePooling"], [1, 2, 3], _global_pool),
    **_ranks(["UpSampling"], [1, 2, 3], _upsample), "Resizing": _upsample,
    **_ranks(["ZeroPadding"], [1, 2, 3], _zero_padding), **_ranks(["Cropping"], [1, 2, 3], _cropping),
    **dict.fromkeys(_IDENTITIES, _identity),
    **dict.fromkeys(("Rescaling", "Normalization", "Exp", "Sqrt", "Square", "Abs", "Negative", "Sin", "Cos", "Log",
                     "Rsqrt", "Clip"), _elementwise),
    "Activation": _activation, "LeakyReLU": _activation, "ELU": _activation, "Softmax": _activation, "ReLU": _relu,
    "PReLU": _prelu, "LayerScale": _layer_scale, **dict.fromkeys(_COMBINE, _combine), "Concatenate": _concatenate,
    "Flatten": _flatten,
    "Reshape": _reshape, "Permute": _permute, "Transpose": _permute, "RepeatVector": _repeat, "Mean": _mean,
    "Sum": _mean, "Max": _mean, "Min": _mean,
}  # fmt: skip
