"""Layers with MACs: convolutions, linear layers, products of activations, recurrence; attention has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from string import ascii_uppercase
from typing import Any, Final

from costmodel.errors import NetworkError
from costmodel.graph.ops.convolution import Conv, ConvTranspose
from costmodel.graph.ops.dense import Linear, MatMul
from costmodel.graph.ops.dynamic import DynamicConv
from costmodel.graph.ops.elementwise import Activation, Combine
from costmodel.graph.ops.general import Contraction, TimeMajorRecurrent, Work
from costmodel.importers.onnx.importer import Handler, Importer
from costmodel.importers.onnx.shapes import Inputs, broadcast, given, needed
from costmodel.importers.onnx.values import FLOAT, FLOATS, INT32, Ints, Node, Value

Values = Sequence[Value | None]


# ---- convolution


def pads_of(node: Node, x: Ints, kernel: Ints, stride: Ints, dilation: Ints) -> Any:  # noqa: ANN401 - as Graph.conv takes it
    """Padding of a window: sizes, or those of ``auto_pad``."""
    mode, rank = node.text("auto_pad", "NOTSET"), len(kernel)
    if mode == "VALID":
        return 0
    if mode == "SAME_UPPER":
        return "same"
    if mode == "SAME_LOWER":
        totals = [
            max(0, (-(-size // u) - 1) * u + (r - 1) * d + 1 - size)
            for size, r, u, d in zip(x[2:], kernel, stride, dilation, strict=True)
        ]
        return tuple((total - total // 2, total // 2) for total in totals)
    pads = node.ints("pads") or (0,) * (2 * rank)
    if len(pads) != 2 * rank:
        raise NetworkError(f"pads {pads} do not fit {rank} spatial axes")
    return tuple(zip(pads[:rank], pads[rank:], strict=True))


def windows(node: Node, x: Value, kernel: Ints) -> dict[str, Any]:
    """Arguments of a sliding window."""
    ones = (1,) * len(kernel)
    stride, dilation = node.ints("strides") or ones, node.ints("dilations") or ones
    if not len(stride) == len(dilation) == len(kernel) == len(x.dims) - 2:
        raise NetworkError(f"kernel {kernel}, strides {stride} and dilations {dilation} do not fit an input of {x.dims}")
    pads = pads_of(node, x.dims, kernel, stride, dilation)
    return {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": pads}


def conv(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Conv: x, weight (K, C / groups, *kernel), bias."""
    x, weight, bias = needed(inputs, 0), needed(inputs, 1), given(inputs, 2)
    out, channels, *taps = weight.dims
    groups = node.int("group", 1)
    kernel = _kernel(node, tuple(taps))
    if len(x.dims) != len(weight.dims) or channels * groups != x.dims[1]:
        raise NetworkError(
            f"weight {weight.dims} with {groups} group(s) takes {channels * groups} channels, but the input has {x.dims}"
        )
    arguments = windows(node, x, kernel)
    shared = importer.shares(weight, bias)
    kind = Conv if weight.tensor is None else DynamicConv
    op = kind.of(len(kernel), out, groups=groups, bias=bias is not None, shared=shared, **arguments)
    name = importer.name(node)
    return [importer.value(importer.layer(name, op, importer.operand(x, name), *importer.tensors([weight]))[0], x, name)]


def _kernel(node: Node, taps: Ints) -> Ints:
    """The kernel, which the weight and the attribute must agree on."""
    kernel = node.ints("kernel_shape") or taps
    if kernel != taps:
        raise NetworkError(f"kernel_shape {kernel} differs from the weight's {taps}")
    return kernel


def conv_transpose(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """ConvTranspose: x, weight (C, K / groups, *kernel), bias."""
    x, weight, bias = needed(inputs, 0), needed(inputs, 1), given(inputs, 2)
    channels, each, *taps = weight.dims
    kernel, groups = _kernel(node, tuple(taps)), node.int("group", 1)
    if len(x.dims) != len(weight.dims) or channels != x.dims[1]:
        raise NetworkError(f"weight {weight.dims} takes {channels} channels, but the input has {x.dims}")
    arguments = windows(node, x, kernel)
    extra = node.ints("output_padding") or (0,) * len(kernel)
    arguments["padding"], extra = _transposed_pads(node, x, arguments, extra)
    op = ConvTranspose.of(
        len(kernel), each * groups, output_padding=extra, groups=groups, bias=bias is not None,
        shared=importer.shares(weight, bias), **arguments,
    )  # fmt: skip
    return [importer.made(node, op, importer.operand(x, importer.label(node)), like=x)]


def _transposed_pads(node: Node, x: Value, arguments: dict[str, Any], extra: Ints) -> tuple[Any, Ints]:
    """What a transposed convolution crops and adds: sizes, or what gives ``output_shape`` or "same" outputs."""
    wanted = declared = node.ints("output_shape")
    kernel, stride, dilation = (arguments[key] for key in ("kernel", "stride", "dilation"))
    if wanted is None:
        if not node.text("auto_pad").startswith("SAME"):
            return arguments["padding"], extra
        wanted = tuple(size * u for size, u in zip(x.dims[2:], stride, strict=True))
    wanted = wanted[-len(kernel) :]
    pads, added = [], []
    for size, r, u, d, more, out in zip(x.dims[2:], kernel, stride, dilation, extra, wanted, strict=True):
        total = u * (size - 1) + more + (r - 1) * d + 1 - out
        crop = max(0, total)
        pads.append((crop // 2, crop - crop // 2))
        added.append(more + (max(0, -total) if declared is not None else 0))
    return tuple(pads), tuple(added)


def fused_conv(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.FusedConv: a convolution, an optional sum, an activation."""
    (y,) = conv(importer, node, inputs[:3])
    other = given(inputs, 3)
    if y is not None and other is not None and other.tensor is not None and y.tensor is not None:
        y = importer.made(node, Combine("add"), y.tensor, other.tensor, like=y, part="add")
    return [activated(importer, node, y)]


def activated(importer: Importer, node: Node, y: Value | None) -> Value | None:
    """The activation that a fused operation names."""
    kind = node.text("activation").lower()
    if y is None or y.tensor is None or not kind:
        return y
    return importer.made(node, Activation(kind), y.tensor, like=y, part=kind)


# ---- linear layers and products


def linear(importer: Importer, node: Node, x: Value, weight: Value, out: int, bias: Value | None) -> Value:
    """A linear layer from constants."""
    name = importer.name(node)
    op = Linear.of(out, bias=bias is not None, shared=importer.shares(weight, bias))
    return importer.value(importer.layer(name, op, importer.operand(x, name))[0], x, name)


def gemm(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Gemm: A (M, C), B (C, K), optional sum with C; either may be transposed."""
    a, b, c = needed(inputs, 0), needed(inputs, 1), given(inputs, 2)
    if len(a.dims) != 2 or len(b.dims) != 2:
        raise NetworkError(f"needs two matrices, got {a.dims} and {b.dims}")
    m, depth = reversed(a.dims) if node.int("transA", 0) else a.dims
    k, depth_b = b.dims if node.int("transB", 0) else tuple(reversed(b.dims))
    if depth != depth_b:
        raise NetworkError(f"the inner sizes differ: {a.dims} and {b.dims}")
    bias = c if c is not None and c.constant and c.elems == k else None
    if b.constant and not a.constant and not node.int("transA", 0):
        y = linear(importer, node, a, b, k, bias)
    else:
        y, bias = contraction(importer, node, a, b, (1, m, depth, k), (m, k)), None
    if c is not None and bias is None and c.elems > 1 and y.tensor is not None:
        other = importer.operand(c, importer.label(node))
        y = importer.made(node, Combine("add"), y.tensor, other, like=y, part="add")
    return [activated(importer, node, y)]


def contraction(
    importer: Importer, node: Node, a: Value, b: Value, sizes: Ints, shape: Ints, part: str = ""
) -> Value:
    """A product of two operands; `sizes` are batch, rows, depth and columns."""
    name = importer.name(node, part)
    tensors = [importer.operand(value, name) for value in (a, b)]
    batch, rows, depth, columns = sizes
    op = Contraction(batch, rows, depth, columns, shape)
    return importer.value(importer.layer(name, op, *tensors)[0], a, name)


def matmul(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """MatMul: a constant matrix on the right makes a linear layer; a bias added at once is part of it."""
    a, b = needed(inputs, 0), needed(inputs, 1)
    if min(len(a.dims), len(b.dims)) < 2:
        return [_vector_product(importer, node, a, b)]
    if b.constant and len(b.dims) == 2 and not a.constant:
        if a.dims[-1] != b.dims[0]:
            raise NetworkError(f"the inner sizes differ: {a.dims} and {b.dims}")
        bias = given(inputs, 2) or _added_bias(importer, node, b.dims[1])
        return [linear(importer, node, a, b, b.dims[1], bias)]
    if a.constant and not b.constant and len(a.dims) > 2 and a.dims[-1] == b.dims[-2]:
        return fused_matmul(importer, node, inputs)
    name = importer.name(node)
    tensors = [importer.operand(value, name) for value in (a, b)]
    return [importer.value(importer.layer(name, MatMul(), *tensors)[0], a, name)]


def _vector_product(importer: Importer, node: Node, a: Value, b: Value) -> Value:
    """A product with a vector on one side or on both."""
    left, right = len(a.dims) == 1, len(b.dims) == 1
    if not a.dims or not b.dims or a.dims[-1] != b.dims[0 if right else -2]:
        raise NetworkError(f"the inner sizes differ: {a.dims} and {b.dims}")
    if right:
        shape = a.dims[:-1]
        return contraction(importer, node, a, b, (1, prod(shape), a.dims[-1], 1), shape)
    shape = (*b.dims[:-2], b.dims[-1]) if left else ()
    return contraction(importer, node, a, b, (prod(b.dims[:-2]), 1, a.dims[-1], b.dims[-1]), shape)


MERGED: Final = "merged"
"""Attribute of a node whose work is part of the layer before."""


def _added_bias(importer: Importer, node: Node, out: int) -> Value | None:
    """The constant vector that the only reader of a product adds to it; the sum is then part of the layer."""
    reader = importer.body.reader(node.outputs[0])
    if node.op != "MatMul" or reader is None or reader.op != "Add" or len(reader.inputs) != 2:
        return None
    other = next((name for name in reader.inputs if name != node.outputs[0]), "")
    bias = importer.body.scope.get(other)
    if bias is None or not bias.constant or bias.dims != (out,) or bias.kind not in FLOATS:
        return None
    importer.body.merged.add(reader.outputs[0])
    return bias


def quantised(base: Handler, *indices: int, kind: int | None = None) -> Handler:
    """A handler that picks the data of an operation out of scales and zero points."""

    def handler(importer: Importer, node: Node, inputs: Inputs) -> Values:
        values = base(importer, node, [given(inputs, index) for index in indices])
        return values if kind is None else [v and replace(v, kind=kind, bits=32) for v in values]

    return handler


def matmul_n_bits(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.MatMulNBits: a linear layer whose weights are packed."""
    x, packed, bias = needed(inputs, 0), needed(inputs, 1), given(inputs, 5)
    out, depth = node.int("N", 0), node.int("K", 0)
    if x.dims[-1] != depth:
        raise NetworkError(f"has K = {depth}, but the input has {x.dims}")
    weight = Value((out, depth), packed.kind, sources=packed.sources, bits=node.int("bits", 4))
    op = Linear.of(out, bias=bias is not None, shared=importer.shares(weight, bias, elems=out * depth))
    y = importer.made(node, op, importer.operand(x, importer.label(node)), like=x)
    importer.packed[y.layer] = weight.bits
    return [y]


def fused_matmul(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.FusedMatMul: either side may be transposed."""
    a, b = needed(inputs, 0), needed(inputs, 1)
    if min(len(a.dims), len(b.dims)) < 2:
        return [_vector_product(importer, node, a, b)]
    m, depth = a.dims[:-3:-1] if node.int("transA", 0) else a.dims[-2:]
    k, depth_b = b.dims[-2:] if node.int("transB", 0) else b.dims[:-3:-1]
    if depth != depth_b:
        raise NetworkError(f"the inner sizes differ: {a.dims} and {b.dims}")
    leading = broadcast((a.dims[:-2], b.dims[:-2]))
    return [contraction(importer, node, a, b, (prod(leading), m, depth, k), (*leading, m, k))]


# ---- einsum


def einsum(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Einsum of two operands: their contraction; of one: its sums, or a copy. Those of more are unknown."""
    equation = node.text("equation").replace(" ", "")
    values = [needed(inputs, index) for index in range(len(inputs))]
    terms = equation.partition("->")[0].split(",")
    if not 1 <= len(values) <= 2 or len(terms) != len(values):
        return importer.unknown(node, inputs, f"'Einsum' {equation[:60]!r}: only one or two operands are modelled")
    terms, result = _spelled(equation, [len(value.dims) for value in values])
    sizes: dict[str, int] = {}
    for letters, value in zip(terms, values, strict=True):
        for letter, size in zip(letters, value.dims, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise NetworkError(f"{equation}: {letter!r} is {sizes[letter]} and {size}")
    shape = tuple(sizes[letter] for letter in result)
    if len(values) == 2:
        roles = _roles(terms[0], terms[1], result, sizes)
        return [contraction(importer, node, values[0], values[1], roles, shape)]
    op = Work("einsum", (shape,), values[0].elems - prod(shape))
    return [importer.made(node, op, importer.operand(values[0], importer.label(node)), like=values[0])]


def _spelled(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with capitals that the equation does not use in place of dots.

    >>> _spelled("...ij,...jk->...ik", (3, 4))
    (['Bij', 'ABjk'], 'ABik')
    >>> _spelled("ij,jk", (2, 2))
    (['ij', 'jk'], 'ik')
    """
    left, arrow, result = equation.partition("->")
    terms = left.split(",")
    most = max(rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True))
    free = "".join(letter for letter in ascii_uppercase if letter not in equation)[: max(0, most)]
    spelled = [
        term.replace("...", free[len(free) - (rank - len(term) + 3) :] if rank - len(term) + 3 else "")
        for term, rank in zip(terms, ranks, strict=True)
    ]
    once = "".join(sorted(letter for letter in set(left) - {",", "."} if left.count(letter) == 1))
    return spelled, result.replace("...", free) if arrow else (free if "..." in left else "") + once


def _roles(left: str, right: str, result: str, sizes: dict[str, int]) -> Ints:
    """Batch, rows, depth and columns; an axis of one operand that is summed at once adds no products of its own."""
    both, out = set(left) & set(right), set(result)
    batch, depth = both & out, both - out
    rows, columns = (set(left) - both) & out, (set(right) - both) & out
    return tuple(prod(sizes[letter] for letter in letters) for letters in (batch, rows, depth, columns))


# ---- recurrence


def recurrent(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """LSTM, GRU, RNN: x (T, N, C), weights (D, gates H, C) and (D, gates H, H), biases (D, 2 gates H)."""
    x, weight, state, bias = needed(inputs, 0), needed(inputs, 1), needed(inputs, 2), given(inputs, 3)
    kind, (ways, _, hidden) = node.op.lower(), state.dims
    gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    if len(x.dims) != 3 or weight.dims != (ways, gates * hidden, x.dims[2]) or state.dims[1] != gates * hidden:
        raise NetworkError(f"weights {weight.dims} and {state.dims} do not fit an input of {x.dims}")
    op = TimeMajorRecurrent(
        kind, hidden, ways, bias is not None, importer.shares(weight, state, bias), bool(node.int("layout", 0))
    )
    name = importer.name(node)
    importer.shares_rows(given(inputs, 7), name)
    before = importer.tensors((given(inputs, 5), given(inputs, 6)))
    outputs = importer.layer(name, op, importer.operand(x, name), *before)
    return [importer.value(tensor, x, name) for tensor in outputs]


PRODUCTS: Final[dict[str, Handler]] = {
    "Conv": conv, "ConvTranspose": conv_transpose, "FusedConv": fused_conv, "Gemm": gemm, "FusedGemm": gemm,
    "MatMul": matmul, "FusedMatMul": fused_matmul, "MatMulNBits": matmul_n_bits, "Einsum": einsum,
    "QLinearConv": quantised(conv, 0, 3, 8), "ConvInteger": quantised(conv, 0, 1, kind=INT32),
    "QLinearMatMul": quantised(matmul, 0, 3), "MatMulInteger": quantised(matmul, 0, 1, kind=INT32),
    "QGemm": quantised(gemm, 0, 3, 6), "DynamicQuantizeMatMul": quantised(matmul, 0, 1, 4),
    "MatMulIntegerToFloat": quantised(matmul, 0, 1, 6, kind=FLOAT),
    "LSTM": recurrent, "GRU": recurrent, "RNN": recurrent,
}  # fmt: skip
