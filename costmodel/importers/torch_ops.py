"""Operations of torch, drawn one by one: what each means as layers of a Graph.

Names are those of ATen without overload and underscore. What is not here is decomposed by torch first, and listed as
unknown if nothing comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Final, cast

from costmodel.graph import Tensor
from costmodel.graph.ops.base import Op
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.dense import Embedding, Linear, MatMul
from costmodel.graph.ops.dynamic import DynamicConv
from costmodel.graph.ops.elementwise import Activation, Combine, Identity
from costmodel.graph.ops.general import ChannelWise, Part, Work
from costmodel.graph.ops.layout import Concat, Flatten, Pad, Reshape, Slice, Transpose, Upsample
from costmodel.graph.ops.normalization import BatchNorm, GroupNorm, LayerNorm, Softmax
from costmodel.graph.ops.pooling import AdaptivePool, GlobalPool, Kind, Pool
from costmodel.graph.ops.recurrent import GATES, Recurrent
from costmodel.graph.ops.streams import Reused
from costmodel.importers.torch_program import (
    STATES,
    Call,
    Constant,
    Handler,
    Ints,
    Item,
    Node,
    is_pointwise,
    is_view,
    op_of,
)


def sizes(item: Tensor | Constant) -> Ints:
    """Shape in plain integers."""
    return cast(Ints, tuple(item.shape))


def handler_of(node: Node) -> Handler | None:
    """What draws a node, None where nobody knows."""
    op = op_of(node)
    if op in HANDLERS:
        return HANDLERS[op] if _applies(op, node) else None
    if is_pointwise(node):
        return pointwise
    if is_view(node):
        return view
    return None


def is_known(node: Node) -> bool:
    """Whether a node needs no decomposition: drawn, without a tensor as output, or made of constants."""
    value = node.meta.get("val")
    return op_of(node) == "getitem" or value is None or isinstance(value, int | float) or handler_of(node) is not None


def _applies(op: str, node: Node) -> bool:
    """Whether the model of an operation covers this use of it: states of an LSTM are not projected, lists are."""
    if op not in GATES or not isinstance(node.args[2], list | tuple):
        return op not in GATES
    recurrent = node.args[2][1].meta["val"].shape
    return bool(recurrent[0] == GATES[op] * recurrent[1])


# ---- shapes of their own


def reshaped(call: Call, x: Tensor, shape: Sequence[int], part: str = "reshape") -> Tensor:
    """The same elements under another shape; nothing if it is the same."""
    return x if sizes(x) == tuple(shape) else call.add(Reshape.of(tuple(shape)), x, part=part)


def batched(call: Call, x: Tensor, rank: int, make: Callable[[Tensor], Tensor]) -> Tensor:
    """What `make` gives for (N, C, *spatial) of `rank` spatial axes, also where the batch is left out."""
    if x.rank != rank + 1:
        return make(x)
    y = make(reshaped(call, x, (1, *sizes(x))))
    return reshaped(call, y, sizes(y)[1:])


def per_axis(value: Item, rank: int) -> Ints:
    """One integer per axis of a list that may hold one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    return values * rank if len(values) == 1 else values


# ---- products


def conv(call: Call) -> Item:
    """Convolution of any rank, transposed or not."""
    weight, bias = call.get("weight"), call.get("bias")
    rank = len(weight.shape) - 2
    transposed = call.get("transposed", call.op.startswith("conv_transpose"))
    groups = call.get("groups", 1)
    dynamic = isinstance(weight, Tensor)
    shared = not dynamic and call.program.shares(weight, bias)
    options = {"bias": bias is not None, "shared": shared}
    padding: Item = call.get("padding", 0)
    padding = padding if isinstance(padding, str) else per_axis(padding, rank)
    kernel = tuple(weight.shape[2:])
    stride, dilation = per_axis(call.get("stride", 1), rank), per_axis(call.get("dilation", 1), rank)
    if transposed:
        extra = per_axis(call.get("output_padding", 0), rank)
        channels = weight.shape[1] * groups
        op: Op = ConvTranspose.of(rank, channels, kernel, stride, padding, extra, dilation, groups, **options)
    else:
        kind = DynamicConv if dynamic else Conv
        op = kind.of(rank, weight.shape[0], kernel, stride, padding, dilation, groups, **options)
    operands = [weight] if dynamic and not transposed else []
    return batched(call, call.tensor("input"), rank, lambda x: call.add(op, x, *operands))


def linear(call: Call) -> Item:
    """``x W^T + b``."""
    x, weight, bias = call.tensor("input"), call.get("weight"), call.get("bias")
    if isinstance(weight, Constant):
        return _with_weights(call, x, weight, bias, weight.shape[0])
    flipped = call.add(Reshape.of(sizes(weight)[::-1]), weight, part="weight")
    y = reshaped(call, call.add(MatMul(), _at_least(call, x, 2), flipped), call.shape())
    return y if bias is None else call.add(Combine("add"), y, call.tensor("bias"), part="bias")


def _with_weights(call: Call, x: Tensor, weight: Constant, bias: Item, features: int) -> Tensor:
    """A linear layer on the last axis."""
    inside = bias if isinstance(bias, Constant) and bias.elems == features else None
    op = Linear.of(features, bias=inside is not None, shared=call.program.shares(weight, inside))
    y = reshaped(call, call.add(op, _at_least(call, x, 2)), call.shape())
    if bias is None or inside is not None:
        return y
    return call.add(Combine("add"), y, call.program.operand(bias, f"{call.name}_bias"), part="bias")


def _at_least(call: Call, x: Tensor, rank: int) -> Tensor:
    """`x` with leading axes of extent 1."""
    return reshaped(call, x, (1,) * (rank - x.rank) + sizes(x))


def matmul(call: Call) -> Item:
    """Product of two tensors of any rank."""
    first, second = [name for name in call.arguments if name in _FACTORS][:2]
    return product(call, call.get(first), call.get(second), None)


_FACTORS: Final = ("self", "other", "mat2", "vec", "tensor", "mat1", "batch1", "batch2")


def addmm(call: Call) -> Item:
    """``c + a b``."""
    a, b = ("mat1", "mat2") if call.op == "addmm" else ("batch1", "batch2")
    return product(call, call.get(a), call.get(b), call.get("self"))


def product(call: Call, a: Item, b: Item, bias: Item) -> Tensor:
    """``a b + bias``: a linear layer where the second factor is one matrix of constants."""
    matrix = isinstance(b, Constant) and len(b.shape) > 1 and prod(b.shape[:-2]) == 1
    if matrix and isinstance(a, Tensor):
        return _with_weights(call, a, b, bias, b.shape[-1])
    left = call.program.operand(_as_matrix(a), call.name)
    right = call.program.operand(_as_matrix(b), call.name)
    left = _at_least(call, left, 2)
    right = reshaped(call, right, (*sizes(right), 1), "column") if right.rank == 1 else right
    y = reshaped(call, call.add(MatMul(), left, right), call.shape())
    return y if bias is None else call.add(Combine("add"), y, call.program.operand(bias, call.name), part="bias")


def _as_matrix(item: Item) -> Item:
    """A constant without leading axes of extent 1."""
    if not isinstance(item, Constant) or len(item.shape) < 3 or prod(item.shape[:-2]) > 1:
        return item
    return Constant(item.shape[-2:], item.sources)


def attention(call: Call) -> Item:
    """Scaled dot-product attention: two products and a softmax; the transposed keys are read in place."""
    q, k, v = (call.tensor(name) for name in ("query", "key", "value"))
    mask = call.get("attn_mask")
    grouped = (*sizes(k)[:-2], prod(sizes(q)[:-1]) // prod(sizes(k)[:-2]), sizes(q)[-1])
    whole = (*sizes(q)[:-1], sizes(k)[-2])
    flipped = call.add(Reshape.of((*sizes(k)[:-2], sizes(k)[-1], sizes(k)[-2])), k, part="keys")
    grouped = grouped if call.get("enable_gqa", False) else sizes(q)
    scores = call.add(MatMul(), reshaped(call, q, grouped), flipped, part="scores")
    scores = call.add(Activation("mul"), scores, part="scale")
    if mask is not None:
        operand = call.program.operand(mask, f"{call.name}_mask")
        scores = call.add(Combine("add"), reshaped(call, scores, whole), operand, part="mask")
        scores = reshaped(call, scores, (*grouped[:-1], whole[-1]))
    weights = call.add(Softmax(-1), scores, part="softmax")
    return reshaped(call, call.add(MatMul(), weights, v, part="mix"), call.shape())


def embedding(call: Call) -> Item:
    """Look-up of rows in a table."""
    table, indices = call.get("weight"), call.get("indices")
    if isinstance(table, Tensor) or not isinstance(indices, Tensor):
        return gather(call)
    return call.add(Embedding.of(*table.shape, shared=call.program.shares(table)), indices)


def recurrent(call: Call) -> Item:
    """LSTM or GRU, layer by layer; initial states are not counted."""
    x, weights = call.tensor("input"), call.get("params")
    first = call.get("batch_first", False)
    ways, layers = 1 + bool(call.get("bidirectional")), call.get("num_layers")
    n, time, features = sizes(x) if first else (sizes(x)[1], sizes(x)[0], sizes(x)[2])
    y = reshaped(call, x, (n, time, features), "batch_first")
    each = len(weights) // layers
    steps = []
    for layer in range(layers):
        part = f"l{layer}" if layers > 1 else ""
        y = _recurrent_layer(call, y, weights[layer * each : (layer + 1) * each], part)
        steps.append(y)
    out = reshaped(call, y, call.shape(), "time_first")
    names = ("hidden", "cell") if call.op == "lstm" else ("hidden",)
    return [out, *(_last_states(call, steps, ways, name) if at in call.used() else None for at, name in enumerate(names, 1))]


def _last_states(call: Call, steps: Sequence[Tensor], ways: int, name: str) -> Tensor:
    """The states of all layers after the last step, (layers times directions, N, hidden): elements like those of the steps."""
    shapes = [(ways, sizes(y)[0], sizes(y)[2] // ways) for y in steps]
    parts = [call.add(Part(1, shape=s), y, part=f"{name}{i}") for i, (s, y) in enumerate(zip(shapes, steps, strict=True))]
    return parts[0] if len(parts) == 1 else call.add(Concat(0), *parts, part=f"{name}s")


def _recurrent_layer(call: Call, x: Tensor, weights: Sequence[Item], part: str) -> Tensor:
    """One layer of an LSTM or GRU, both directions."""
    bidirectional = len(weights) in (4, 8) if not call.get("has_biases") else len(weights) == 8
    op = Recurrent.of(
        cast("Kind", call.op),  # type: ignore[arg-type]  # lstm or gru: the handler is theirs
        weights[1].shape[1],
        bias=call.get("has_biases"),
        bidirectional=bidirectional,
    )
    return call.add(_owned(call, op, *weights), x, part=part)


def _owned(call: Call, op: Op, *weights: Item) -> Op:
    """An operation whose parameters count only where they are met first."""
    params = call.program.fresh_elems(*weights)
    return op if params == sum(w.elems for w in weights if isinstance(w, Constant)) else Reused(op, params)


# ---- pooling


def pool(call: Call, kind: Kind, rank: int) -> Item:
    """Maximum or average over windows."""
    kernel = per_axis(call.get("kernel_size"), rank)
    stride = per_axis(call.get("stride") or kernel, rank)
    padding, dilation = per_axis(call.get("padding", 0), rank), per_axis(call.get("dilation", 1), rank)
    op = Pool.of(rank, kind, kernel, stride, padding, dilation, ceil_mode=call.get("ceil_mode", False))
    return _first_of(call, batched(call, call.x(), rank, partial(call.add, op)))


def adaptive_pool(call: Call, kind: Kind, rank: int) -> Item:
    """Windows chosen to give a number of outputs; one output per channel is a global pooling."""
    outputs = call.shape()[-rank:]
    op = GlobalPool(kind) if prod(outputs) == 1 else AdaptivePool.of(rank, kind, outputs)
    return _first_of(call, batched(call, call.x(), rank, partial(call.add, op)))


def _first_of(call: Call, y: Tensor) -> Item:
    """The outputs: those of the shape of the first come with it, nobody reads the others at inference."""
    if not isinstance(call.node.meta["val"], list | tuple):
        return y
    return [y if shape == sizes(y) else None for shape in call.shapes()]


def reduction(call: Call) -> Item:
    """Sums, means and extremes along axes; the mean over the whole feature map is a global pooling."""
    if isinstance(call.get("other"), Tensor | Constant):
        return pointwise(call)
    x, axes = call.x(), call.get("dim")
    spatial = set(range(2, x.rank))
    chosen = {axis % x.rank for axis in axes} if isinstance(axes, list) else set()
    if call.op == "mean" and x.rank in (4, 5) and chosen == spatial:
        return reshaped(call, call.add(GlobalPool("avg_pool"), x), call.shape())
    return _first_of(call, call.add(_stream(call, other_ops=x.elems), x))


def _stream(call: Call, *, other_ops: Item = 0, params: int = 0, reads: Item = None) -> Work:
    """A stream that gives the outputs which torch gives."""
    return Work(call.op.strip("_"), (call.shape(),), other_ops, params, reads)


def stream(call: Call) -> Item:
    """Inputs read once, outputs written once."""
    shapes = tuple(shape for shape in call.shapes() if shape is not None)
    operands = [call.program.operand(item, call.name) for item in call.items() if isinstance(item, Tensor) or item.sources]
    outputs = call.layers(Work(call.op.strip("_"), shapes), *operands)
    return list(outputs) if isinstance(call.node.meta["val"], list | tuple) else outputs[0]


def gather(call: Call) -> Item:
    """Elements picked by indices: as many are read as written, besides the indices."""
    operands = call.items()
    source = call.program.operand(operands[0], call.name)
    indices = [item for item in operands[1:] if isinstance(item, Tensor)]
    picked = prod(call.shape()) if source.origin != "parameter" else 0
    reads = picked + sum(cast(int, index.elems) for index in indices)
    return call.add(_stream(call, reads=reads), source, *indices)


# ---- element by element


def pointwise(call: Call) -> Item:
    """A function of one element of every argument; single constants are part of the function."""
    tensors = call.tensors()
    constants = [item for item in call.items() if isinstance(item, Constant) and (item.sources or item.elems > 1)]
    kind = _kind(call)
    if not constants and len(tensors) == 1:
        return _to_shape(call, call.add(Activation(kind), tensors[0]))
    vectors = [constant for constant in constants if max(constant.shape, default=1) == constant.elems]
    if len(tensors) == 1 and len(constants) == len(vectors) == 1 and sizes(tensors[0]) == call.shape():
        (constant,) = constants
        params = call.program.fresh_elems(constant)
        return call.add(ChannelWise(kind, constant.elems, constant.shape, params), tensors[0])
    operands = [*tensors, *(call.program.operand(constant, call.name) for constant in constants)]
    return _to_shape(call, call.add(Combine(kind), *operands))  # type: ignore[arg-type]  # any name will do


def _to_shape(call: Call, y: Tensor) -> Tensor:
    """`y` under the shape torch gives it, which a constant may have stretched."""
    shape = call.shape()
    if prod(shape) == y.elems:
        return reshaped(call, y, shape)
    return call.add(Work("expand", (shape,)), y, part="expand")


_KINDS: Final[Mapping[str, str]] = {
    "rsub": "sub", "maximum": "max", "minimum": "min", "clamp_min": "max", "clamp_max": "min", "clamp": "clip",
    "true_divide": "div", "subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg",
}  # fmt: skip


def _kind(call: Call) -> str:
    """Name of an element-wise function as reports show it."""
    op = call.op.strip("_")
    bounds = (call.get("min", call.get("min_val")), call.get("max", call.get("max_val")))
    if op in ("hardtanh", "clamp") and bounds == (0, 6):
        return "relu6"
    if op == "clamp" and bounds == (0, None):
        return "relu"
    return _KINDS.get(op, op)


def prelu(call: Call) -> Item:
    """A slope per channel, or one for all."""
    x, slopes = call.x(), call.get("weight")
    if isinstance(slopes, Constant) and x.rank > 1 and slopes.elems == x.shape[1]:
        return call.add(_owned(call, Activation("prelu"), slopes), x)
    return call.add(ChannelWise("prelu", slopes.elems, (1,), call.program.fresh_elems(slopes)), x)


def same(call: Call) -> Item:
    """The value itself: other types and memory formats are not modelled."""
    return call.x()


def dropout(call: Call) -> Item:
    """The identity at inference."""
    return _first_of(call, call.add(Identity(), call.x()))


def made(call: Call) -> Item:
    """A new constant that takes only its shape from an argument."""
    return Constant(call.shape(), state=call.op in STATES)


# ---- normalisation


def batch_norm(call: Call) -> Item:
    """Scale and shift per channel."""
    weights = [call.get(name) for name in ("weight", "bias")]
    op = BatchNorm(affine=any(isinstance(weight, Constant) for weight in weights))
    return _first_of(call, call.add(_owned(call, op, *weights), call.tensor("input")))


def layer_norm(call: Call) -> Item:
    """Normalisation over the last axes, also by the root mean square."""
    x, weights = call.x(), [call.get(name) for name in ("weight", "bias")]
    axes = len(call.get("normalized_shape"))
    both = all(isinstance(weight, Constant) for weight in weights)
    if axes < x.rank and (both or weights == [None, None]):
        return _first_of(call, call.add(_owned(call, LayerNorm(axes, both), *weights), x))
    params = call.program.fresh_elems(*weights)
    kind = call.op.strip("_").removeprefix("fused_").removeprefix("native_")
    op = Work(kind, (call.shape(),), (5 + sum(weight is not None for weight in weights)) * cast(int, x.elems), params)
    return _first_of(call, call.add(op, x))


def group_norm(call: Call) -> Item:
    """Normalisation over groups of channels."""
    x, weights = call.tensor("input"), [call.get(name) for name in ("weight", "bias")]
    groups = call.get("num_groups", call.get("group", x.shape[1]))
    op = GroupNorm.of(groups, affine=isinstance(weights[0], Constant))
    return _first_of(call, call.add(_owned(call, op, *weights), x))


def softmax(call: Call) -> Item:
    """Softmax along one axis, also its logarithm."""
    return call.add(Softmax(call.get("dim")), call.x())


# ---- layout


def view(call: Call) -> Item:
    """The same elements, or some of them, under another shape."""
    x = call.x()
    if isinstance(call.node.meta["val"], list | tuple):
        return _parts(call, x)
    shape = call.shape()
    if prod(shape) == x.elems:
        joins = call.op == "flatten" and shape == (*sizes(x)[:1], prod(sizes(x)[1:]))
        return call.add(Flatten(), x) if joins and x.rank > 2 else reshaped(call, x, shape, "")
    if prod(shape) < cast(int, x.elems):
        return call.add(Part(0, shape=shape), x)
    return call.add(Work(call.op, (shape,)), x)


def _parts(call: Call, x: Tensor) -> Item:
    """Parts of a tensor, as far as somebody reads them."""
    used = call.used()
    return [
        call.add(Part(0, shape=shape), x) if position in used else None
        for position, shape in enumerate(cast("list[Ints]", call.shapes()))
    ]


def sliced(call: Call) -> Item:
    """``start:end:step`` of one axis."""
    x, axis = call.x(), call.get("dim", 0) % max(call.x().rank, 1)
    extent, step = sizes(x)[axis], call.get("step", 1)
    if call.shape() == sizes(x):
        return x
    bounds = slice(call.get("start", 0), call.get("end", extent), step).indices(extent)
    return call.add(Slice(axis, bounds[0], bounds[1], step), x)


def permuted(call: Call) -> Item:
    """Axes in another order: a copy, unless only axes of extent 1 move."""
    x = call.x()
    order = _order(call, x.rank)
    moved = [axis for axis in order if sizes(x)[axis] > 1]
    if moved == sorted(moved):
        return reshaped(call, x, call.shape(), "")
    return call.add(Transpose(tuple(order)), x)


def _order(call: Call, rank: int) -> list[int]:
    """The axes of the input in their new order."""
    if call.op == "permute":
        return [axis % rank for axis in call.get("dims")]
    order = list(range(rank))
    if call.op in ("transpose", "swapaxes", "swapdims"):
        names = ("dim0", "dim1") if call.op != "swapaxes" else ("axis0", "axis1")
        a, b = (call.get(name) % max(rank, 1) for name in names)
    else:
        a, b = (-1, -2) if rank > 1 else (0, 0)
    if rank:
        order[a], order[b] = order[b], order[a]
    return order


def expanded(call: Call) -> Item:
    """Axes of extent 1 stretched; nothing where those who read it stretch it themselves."""
    x, shape = call.x(), call.shape()
    if prod(shape) == x.elems:
        return reshaped(call, x, shape, "")
    return call.add(Work("expand", (shape,)), x)


def concat(call: Call) -> Item:
    """Tensors joined along an axis; empty ones are left out."""
    items = [item for item in call.get("tensors") if prod(item.shape)]
    tensors = [call.program.operand(item, call.name) for item in items]
    axis = call.get("dim", 0)
    if call.op == "stack":
        axis %= len(call.shape())
        tensors = [reshaped(call, t, (*sizes(t)[:axis], 1, *sizes(t)[axis:])) for t in tensors]
    return tensors[0] if len(tensors) == 1 else call.add(Concat(axis), *tensors)


def padded(call: Call) -> Item:
    """Padding, whatever it is filled with."""
    x, pads = call.x(), list(call.get("pad", call.get("padding")))
    pairs = [(pads[at], pads[at + 1]) for at in range(0, len(pads), 2)][::-1]
    if call.shape() == sizes(x):
        return x
    if x.rank in (3, 4, 5) and len(pairs) <= x.rank - 2 and min(pads) >= 0:
        rank = x.rank - 2
        return call.add(Pad.of(rank, ((0, 0),) * (rank - len(pairs)) + tuple(pairs)), x)
    return call.add(Work("pad", (call.shape(),)), x)


def upsample(call: Call) -> Item:
    """Interpolation to another grid."""
    x = call.x()
    name = call.op.strip("_").removeprefix("upsample_")
    mode = next(mode for mode in ("nearest", "linear", "cubic") if mode in name)
    return call.add(Upsample.of(x.rank - 2, size=call.shape()[2:], mode=mode), x)


# ---- who draws what


def _named(handler: Handler, names: str) -> dict[str, Handler]:
    """The same handler for several operations."""
    return dict.fromkeys(names.split(), handler)


FACTORIES: Final = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "randint_like", "new_zeros", "new_ones",
     "new_full", "new_empty", "new_empty_strided"}
)  # fmt: skip
"""Operations that take only a shape or a type from a tensor."""

HANDLERS: Final[Mapping[str, Handler]] = {
    **_named(conv, "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution"),
    **_named(linear, "linear"),
    **_named(matmul, "matmul mm bmm mv dot"),
    **_named(addmm, "addmm baddbmm"),
    **_named(attention, "scaled_dot_product_attention"),
    **_named(embedding, "embedding"),
    **_named(recurrent, "lstm gru"),
    **{f"max_pool{r}d": partial(pool, kind="max_pool", rank=r) for r in (1, 2, 3)},
    **{f"max_pool{r}d_with_indices": partial(pool, kind="max_pool", rank=r) for r in (1, 2, 3)},
    **{f"avg_pool{r}d": partial(pool, kind="avg_pool", rank=r) for r in (1, 2, 3)},
    **{f"adaptive_avg_pool{r}d": partial(adaptive_pool, kind="avg_pool", rank=r) for r in (1, 2, 3)},
    **{f"_adaptive_avg_pool{r}d": partial(adaptive_pool, kind="avg_pool", rank=r) for r in (2, 3)},
    **{f"adaptive_max_pool{r}d": partial(adaptive_pool, kind="max_pool", rank=r) for r in (1, 2, 3)},
    **_named(
        reduction,
        "mean sum amax amin max min prod var std var_mean std_mean any all argmax argmin logsumexp norm"
        " linalg_vector_norm cumsum cumprod median aminmax",
    ),
    **_named(
        stream,
        "repeat tile repeat_interleave roll flip scatter scatter_add slice_scatter select_scatter index_put index_add"
        " index_fill tril triu im2col col2im pixel_shuffle pixel_unshuffle channel_shuffle copy rot90 unfold fold"
        " grid_sampler grid_sampler_2d grid_sampler_3d embedding_bag masked_scatter",
    ),
    **_named(gather, "index gather index_select take take_along_dim"),
    **_named(
        pointwise,
        "relu relu6 leaky_relu elu selu celu sigmoid tanh gelu silu mish softplus softsign hardswish hardsigmoid hardtanh"
        " hardshrink softshrink tanhshrink threshold log_sigmoid logsigmoid exp sqrt rsqrt abs neg erf where masked_fill"
        " clamp clip rsub add sub mul div pow maximum minimum floor_divide remainder rrelu",
    ),
    **_named(prelu, "prelu _prelu_kernel"),
    **_named(
        same,
        "contiguous detach alias clone to _to_copy type_as lift_fresh_copy lift_fresh float half double bfloat16"
        " _unsafe_index_identity positive resolve_conj resolve_neg requires_grad",
    ),
    **_named(dropout, "dropout native_dropout feature_dropout alpha_dropout feature_alpha_dropout"),
    **_named(made, " ".join(sorted(FACTORIES))),
    **_named(batch_norm, "batch_norm _native_batch_norm_legit_no_training"),
    **_named(layer_norm, "layer_norm native_layer_norm rms_norm _fused_rms_norm"),
    **_named(group_norm, "group_norm instance_norm"),
    **_named(softmax, "softmax _softmax log_softmax _log_softmax special_softmax special_log_softmax"),
    **_named(
        view,
        "view reshape _unsafe_view flatten unflatten squeeze unsqueeze ravel view_as reshape_as select split chunk"
        " unbind split_with_sizes narrow diagonal",
    ),
    **_named(sliced, "slice"),
    **_named(permuted, "permute transpose swapaxes swapdims t numpy_T mT"),
    **_named(expanded, "expand expand_as broadcast_to"),
    **_named(concat, "cat concat concatenate stack"),
    **_named(padded, "pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d"),
    **_named(
        upsample,
        "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d"
        " _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d"
        " _upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    ),
}
"""Who draws an operation."""
