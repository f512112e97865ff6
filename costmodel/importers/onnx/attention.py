"""Attention, as ONNX 23 and ONNX Runtime fuse it: scores, softmax and context, with the keys and values of earlier steps.

Masks leave no product out: scores that are thrown away count, as every counter has them. Heads of the queries that share
keys are rows of one product, so that the keys are read once. Where a cache is given, its declared length and the new
positions are what is attended to.

References
----------
.. [1] https://onnx.ai/onnx/operators/onnx__Attention.html
.. [2] https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md: Attention, MultiHeadAttention,
   GroupQueryAttention, QAttention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from costmodel.errors import NetworkError
from costmodel.graph.ops.general import Part, Work
from costmodel.graph.ops.layout import Concat, Reshape
from costmodel.importers.onnx.importer import Handler, Importer
from costmodel.importers.onnx.products import contraction, linear, quantised
from costmodel.importers.onnx.shapes import Inputs, given, needed
from costmodel.importers.onnx.values import Ints, Node, Value

Values = Sequence[Value | None]


class Heads(NamedTuple):
    """Sizes of an attention: batch, heads of the queries and of the keys, queries, width of a key and of a value."""

    batch: int
    heads: int
    groups: int
    length: int
    depth: int
    wide: int


def heads_of(batch: int, heads: int, groups: int, length: int, widths: Sequence[int]) -> Heads:
    """Sizes from the widths of all heads of queries, keys and values together; NetworkError where they do not divide."""
    q, k, v = widths
    if min(heads, groups) < 1 or heads % groups or q % heads or v % groups or q // heads != k // groups:
        raise NetworkError(f"widths {q}, {k} and {v} do not fit {heads} heads of queries and {groups} of keys")
    return Heads(batch, heads, groups, length, q // heads, v // groups)


# ---- operators


def attention(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """Attention of ONNX 23: (B, heads, S, D), or (B, S, heads D) with the heads as attributes."""
    if node.domain == "com.microsoft":
        return packed_attention(importer, node, inputs)
    q, k, v = (needed(inputs, index) for index in range(3))
    if len(q.dims) == 4:
        (batch, heads, length, _), groups = q.dims, k.dims[1]
        sizes = heads_of(batch, heads, groups, length, (heads * q.dims[3], groups * k.dims[3], groups * v.dims[3]))
        shape: Ints = (batch, heads, length, sizes.wide)
    else:
        (batch, length, width), heads = q.dims, node.int("q_num_heads", 1)
        sizes = heads_of(batch, heads, node.int("kv_num_heads", 1), length, (width, k.dims[2], v.dims[2]))
        shape = (batch, length, heads * sizes.wide)
    new = k.dims[-2]
    return attended(importer, node, (q, k, v), sizes, new, (given(inputs, 4), given(inputs, 5)), shape)


def multi_head_attention(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.MultiHeadAttention: operands (B, S, width), packed ones, or keys and values of an encoder."""
    heads, q, k, v = node.int("num_heads", 1), needed(inputs, 0), given(inputs, 1), given(inputs, 2)
    importer.shares_rows(given(inputs, 3), importer.label(node))
    if len(q.dims) == 5:
        q, k, v = unpacked(importer, node, q, "qkv")
    elif k is not None and len(k.dims) == 5:
        k, v = unpacked(importer, node, k, "kv")
    if k is None or v is None:
        raise NetworkError("has neither keys and values nor a packed operand")
    ready = len(k.dims) == 4
    widths = (q.dims[2], *(value.dims[1] * value.dims[3] if ready else value.dims[2] for value in (k, v)))
    sizes = heads_of(q.dims[0], heads, heads, q.dims[1], widths)
    new = k.dims[2 if ready else 1]
    past = (given(inputs, 6), given(inputs, 7))
    return attended(importer, node, (q, k, v), sizes, new, past, (*q.dims[:2], heads * sizes.wide))


def group_query_attention(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.GroupQueryAttention: queries of many heads, keys and values of few, or all three packed."""
    q, k, v = needed(inputs, 0), given(inputs, 1), given(inputs, 2)
    heads, groups = node.int("num_heads", 1), node.int("kv_num_heads", 1)
    if k is None or v is None:
        each = q.dims[2] // max(1, heads + 2 * groups)
        shapes = [(*q.dims[:2], count * each) for count in (heads, groups, groups)]
        q, k, v = (part(importer, node, q, shape, name) for shape, name in zip(shapes, ("q", "k", "v"), strict=True))
    sizes = heads_of(q.dims[0], heads, groups, q.dims[1], (q.dims[2], k.dims[2], v.dims[2]))
    past = (given(inputs, 3), given(inputs, 4))
    return attended(importer, node, (q, k, v), sizes, k.dims[1], past, q.dims)


def packed_attention(importer: Importer, node: Node, inputs: Inputs) -> Values:
    """com.microsoft.Attention: x (B, S, C), packed weight (C, widths), packed bias, past keys and values in one."""
    x, weight, bias, past = needed(inputs, 0), needed(inputs, 1), given(inputs, 2), given(inputs, 4)
    heads, (batch, length) = node.int("num_heads", 1), x.dims[:2]
    widths = node.ints("qkv_hidden_sizes") or (weight.dims[1] // 3,) * 3
    if len(widths) != 3 or sum(widths) != weight.dims[1]:
        raise NetworkError(f"widths {widths} do not fit a weight of {weight.dims}")
    sizes = heads_of(batch, heads, heads, length, widths)
    packed = linear(importer, node, x, weight, weight.dims[1], bias)
    names = zip(widths, ("q", "k", "v"), strict=True)
    q, k, v = (part(importer, node, packed, (batch, length, width), name) for width, name in names)
    halves: list[Value | None] = [None, None]
    if past is not None and past.elems:
        halves = [part(importer, node, past, past.dims[1:], f"past_{name}") for name in ("k", "v")]
    y, keys, values = attended(importer, node, (q, k, v), sizes, length, halves, (batch, length, widths[2]))
    return [y, stacked(importer, node, keys, values)] if any(node.outputs[1:2]) else [y]


# ---- parts


def part(importer: Importer, node: Node, x: Value, shape: Ints, name: str) -> Value:
    """Some elements of a packed operand."""
    return importer.made(node, Part(0, shape=shape), importer.operand(x, importer.label(node)), like=x, part=name)


def unpacked(importer: Importer, node: Node, x: Value, names: str) -> list[Value]:
    """The operands in (B, S, heads, operands, D)."""
    batch, length, heads, count, depth = x.dims
    if count != len(names):
        raise NetworkError(f"a packed operand of {x.dims} does not hold {len(names)} operands")
    return [part(importer, node, x, (batch, length, heads * depth), name) for name in names]


def cached(importer: Importer, node: Node, past: Value | None, new: Value, shape: Ints, name: str) -> Value:
    """Keys or values of earlier steps and the new ones behind them, (B, heads, positions, D)."""
    before = past is not None and bool(past.elems)
    if not before and not any(node.outputs[1:3]):
        return new
    label = importer.label(node)
    view = new if new.dims == shape else importer.made(
        node, Reshape(shape), importer.operand(new, label), like=new, part=f"{name}_heads"
    )  # fmt: skip
    if past is None or not before:
        return view
    both = (importer.operand(value, label) for value in (past, view))
    return importer.made(node, Concat(2), *both, like=new, part=f"{name}_cache")


def stacked(importer: Importer, node: Node, keys: Value, values: Value) -> Value:
    """Keys and values in one, (2, B, heads, positions, D)."""
    both = (importer.operand(value, importer.label(node)) for value in (keys, values))
    joined = importer.made(node, Concat(0), *both, like=keys, part="present")
    return importer.made(
        node, Reshape((2, *keys.dims)), importer.operand(joined, ""), like=keys, part="present_view"
    )


def attended(
    importer: Importer,
    node: Node,
    operands: Sequence[Value],
    sizes: Heads,
    new: int,
    past: Sequence[Value | None],
    shape: Ints,
) -> list[Value]:
    """Scores, softmax, context; the result, and the keys and values of all steps."""
    q, k, v = operands
    batch, heads, groups, length, depth, wide = sizes
    keys = cached(importer, node, past[0], k, (batch, groups, new, depth), "k")
    values = cached(importer, node, past[1], v, (batch, groups, new, wide), "v")
    span = new if keys is k else keys.dims[2]
    rows = heads // groups * length
    scored: Ints = (batch, heads, length, span)
    scores = contraction(importer, node, q, keys, (batch * groups, rows, depth, span), scored, "scores")
    name = importer.name(node, "softmax")
    work = Work("softmax", (scored,), 5 * batch * heads * length * span)
    weights = importer.value(importer.layer(name, work, importer.operand(scores, name))[0], q, name)
    y = contraction(importer, node, weights, values, (batch * groups, rows, span, wide), shape, "context")
    return [y, replace(keys, layer=""), replace(values, layer="")]


ATTENTION: Final[dict[str, Handler]] = {
    "Attention": attention, "MultiHeadAttention": multi_head_attention, "GroupQueryAttention": group_query_attention,
    "QAttention": quantised(packed_attention, 0, 1, 2, 5, 8),
}  # fmt: skip
"""Operations with the products of an attention."""
