"""Shapes and contents of the operations without MACs, each compared with NumPy: of constants and of computed tensors."""

from __future__ import annotations

from collections import ChainMap

import numpy as np
import pytest

from costmodel.errors import NetworkError
from costmodel.graph import Graph
from costmodel.importers.onnx.importer import Body, Importer
from costmodel.importers.onnx.names import Names
from costmodel.importers.onnx.operations import HANDLERS
from costmodel.importers.onnx.values import HALF, INT64, MOST_KNOWN, Value, attribute, node_of, tensor_value
from tests.unit.onnx_files import KINDS, node, number, tensor

A = np.arange(24, dtype=np.int64).reshape(2, 3, 4) - 9
F = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
V = np.array([5, -3, 2, 7], dtype=np.int64)


def read(nodes, **contents):
    """Read nodes with constants (arrays), or computed tensors (tuples: shapes); the values by name and the graph."""
    graph = Graph("net")
    reader = Importer(graph, "FILE", HANDLERS, {})
    scope = ChainMap({})
    for name, content in contents.items():
        if isinstance(content, tuple):
            scope[name] = Value(content, INT64, tensor=graph.input(name, content), bits=64)
        else:
            scope[name] = tensor_value(tensor(name, content), name)
    made = [node_of(message) for message in nodes]
    reader.run(Body(made, scope, {}), Names(made))
    return scope, graph


def whole(*values):
    """A vector of integers."""
    return np.array(values, dtype=np.int64)


# ---- shape-changing operations: node, further constants, the same in NumPy

MOVED = [
    (node("Reshape", "x s", "y"), {"s": whole(4, 6)}, A.reshape(4, 6)),
    (node("Reshape", "x s", "y"), {"s": whole(0, -1)}, A.reshape(2, 12)),
    (node("Reshape", "x s", "y"), {"s": whole(-1)}, A.reshape(24)),
    (node("Reshape", "x s", "y"), {"s": whole(0, 0, 2, -1)}, A.reshape(2, 3, 2, 2)),
    (node("Reshape", "x s", "y"), {"s": whole(3, -1, 0)}, A.reshape(3, 2, 4)),
    (node("Reshape", "x s", "y", allowzero=1), {"s": whole(6, 4)}, A.reshape(6, 4)),
    (node("Reshape", "x", "y", shape=[-1, 4]), {}, A.reshape(6, 4)),
    (node("Flatten", "x", "y"), {}, A.reshape(2, 12)),
    (node("Flatten", "x", "y", axis=0), {}, A.reshape(1, 24)),
    (node("Flatten", "x", "y", axis=2), {}, A.reshape(6, 4)),
    (node("Flatten", "x", "y", axis=3), {}, A.reshape(24, 1)),
    (node("Flatten", "x", "y", axis=-1), {}, A.reshape(6, 4)),
    (node("Transpose", "x", "y"), {}, A.transpose()),
    (node("Transpose", "x", "y", perm=[1, 0, 2]), {}, A.transpose(1, 0, 2)),
    (node("Transpose", "x", "y", perm=[2, 0, 1]), {}, A.transpose(2, 0, 1)),
    (node("Unsqueeze", "x a", "y"), {"a": whole(0)}, A[None]),
    (node("Unsqueeze", "x a", "y"), {"a": whole(-1, 0)}, A[None, ..., None]),
    (node("Unsqueeze", "x a", "y"), {"a": whole(4, 1)}, A[:, None, :, :, None].reshape(2, 1, 3, 4, 1)),
    (node("Unsqueeze", "x", "y", axes=[1, 2]), {}, A[:, None, None]),
    (node("Slice", "x a b", "y"), {"a": whole(1), "b": whole(2)}, A[1:2]),
    (node("Slice", "x a b c", "y"), {"a": whole(1, -3), "b": whole(3, -1), "c": whole(1, 2)}, A[:, 1:3, -3:-1]),
    (node("Slice", "x a b c", "y"), {"a": whole(1), "b": whole(2**62), "c": whole(-1)}, A[..., 1:]),
    (node("Slice", "x a b c d", "y"), {"a": whole(0), "b": whole(4), "c": whole(2), "d": whole(3)}, A[..., 0:4:3]),
    (node("Slice", "x a b c d", "y"), {"a": whole(-1), "b": whole(-(2**62)), "c": whole(1), "d": whole(-1)}, A[:, ::-1]),
    (node("Slice", "x a b c d", "y"), {"a": whole(3), "b": whole(0), "c": whole(2), "d": whole(-2)}, A[..., 3:0:-2]),
    (node("Slice", "x a b c d", "y"), {"a": whole(99), "b": whole(-99), "c": whole(2), "d": whole(-3)}, A[..., ::-3]),
    (node("Slice", "x a b _ d", "y"), {"a": whole(0, 0), "b": whole(2, 3), "d": whole(1, 2)}, A[0:2, 0:3:2]),
    (node("Slice", "x", "y", starts=[1, 0], ends=[9, -1], axes=[1, 2]), {}, A[:, 1:, :-1]),
    (node("Slice", "x", "y", starts=[1], ends=[2]), {}, A[1:2]),
    (node("Gather", "x i", "y"), {"i": whole(1, 0, 1)}, A[[1, 0, 1]]),
    (node("Gather", "x i", "y", axis=1), {"i": np.array(2)}, A[:, 2]),
    (node("Gather", "x i", "y", axis=-1), {"i": np.array([[0, -1], [2, 1]])}, np.take(A, [[0, -1], [2, 1]], axis=-1)),
    (node("Gather", "x i", "y", axis=2), {"i": np.array([3], dtype=np.int32)}, A[..., [3]]),
    (node("GatherND", "x i", "y"), {"i": np.array([[0, 1], [1, 2]])}, A[[0, 1], [1, 2]]),
    (node("GatherND", "x i", "y"), {"i": whole(1, 2, 3)}, A[1, 2, 3]),
    (node("Expand", "x s", "y"), {"s": whole(5, 1, 1, 1)}, np.broadcast_to(A, (5, 2, 3, 4))),
    (node("Expand", "x s", "y"), {"s": whole(3, 4)}, A),
    (node("Expand", "x s", "y"), {"s": whole(1)}, A),
    (node("Tile", "x s", "y"), {"s": whole(1, 2, 3)}, np.tile(A, (1, 2, 3))),
    (node("Tile", "x s", "y"), {"s": whole(1, 1, 1)}, A),
    (node("Concat", "x x", "y", axis=0), {}, np.concatenate([A, A], 0)),
    (node("Concat", "x k", "y", axis=-1), {"k": np.ones((2, 3, 1), np.int64)}, np.concatenate([A, np.ones((2, 3, 1))], -1)),
    (node("Pad", "x p", "y"), {"p": whole(0, 1, 2, 3, 0, 1)}, np.pad(A, [(0, 3), (1, 0), (2, 1)])),
    (node("Pad", "x p v", "y"), {"p": whole(1, 0, 0, 0, 0, 1), "v": whole(7)},
     np.pad(A, [(1, 0), (0, 0), (0, 1)], constant_values=7)),
    (node("Pad", "x p _ a", "y"), {"p": whole(1, 2), "a": whole(-1)}, np.pad(A, [(0, 0), (0, 0), (1, 2)])),
    (node("Pad", "x", "y", pads=[1, 0, 0, 0, 0, 2]), {}, np.pad(A, [(1, 0), (0, 0), (0, 2)])),
    (node("ReduceSum", "x a", "y"), {"a": whole(1)}, A.sum(1, keepdims=True)),
    (node("ReduceSum", "x a", "y", keepdims=0), {"a": whole(0, -1)}, A.sum((0, 2))),
    (node("ReduceSum", "x", "y", axes=[1], keepdims=0), {}, A.sum(1)),
    (node("ReduceSum", "x", "y"), {}, A.sum(keepdims=True)),
    (node("ReduceSum", "x", "y", keepdims=0), {}, A.sum()),
    (node("ReduceSum", "x a", "y", noop_with_empty_axes=1), {"a": whole()}, A),
    (node("ReduceProd", "x a", "y", keepdims=0), {"a": whole(2)}, A.prod(2)),
    (node("ReduceMax", "x", "y", axes=[-1]), {}, A.max(-1, keepdims=True)),
    (node("ReduceMin", "x a", "y"), {"a": whole(0)}, A.min(0, keepdims=True)),
    (node("ReduceMean", "x", "y", axes=[0], keepdims=0), {}, np.trunc(A.mean(0))),
    (node("ArgMax", "x", "y", axis=1), {}, A.argmax(1)[:, None]),
    (node("ArgMin", "x", "y", axis=-1, keepdims=0), {}, A.argmin(-1)),
    (node("CumSum", "x a", "y"), {"a": np.array(1)}, A.cumsum(1)),
    (node("CumSum", "x a", "y", reverse=1), {"a": np.array(1)}, A[:, ::-1].cumsum(1)[:, ::-1]),
    (node("CumSum", "x a", "y", exclusive=1), {"a": np.array(2)}, A.cumsum(2) - A),
    (node("CumSum", "x a", "y", exclusive=1, reverse=1), {"a": np.array(-1)}, A[..., ::-1].cumsum(2)[..., ::-1] - A),
]  # fmt: skip
IDS = [f"{case[0]['op_type']}{i}" for i, case in enumerate(MOVED)]


@pytest.mark.parametrize(("made", "constants", "expected"), MOVED, ids=IDS)
def test_contents(made, constants, expected):
    """Constants fold to what NumPy computes, without a layer."""
    scope, graph = read([made], x=A, **constants)

    assert scope["y"].dims == expected.shape
    assert np.array_equal(scope["y"].data, expected)
    assert graph.layers == ()


@pytest.mark.parametrize(("made", "constants", "expected"), MOVED, ids=IDS)
def test_shapes(made, constants, expected):
    """Computed tensors get the shape that NumPy gives, in the graph as well."""
    scope, graph = read([made], x=A.shape, **constants)

    assert scope["y"].dims == expected.shape
    assert (scope["y"].tensor.shape, scope["y"].data) == (expected.shape, None)
    assert not {"unknown"} & set(graph.table().status)


@pytest.mark.parametrize(
    ("made", "constants", "sizes"),
    [
        (node("Split", "x", "a b", axis=2), {}, [2, 2]),
        (node("Split", "x", "a b c", axis=-1, num_outputs=3), {}, [2, 2, 0]),
        (node("Split", "x s", "a b c", axis=2), {"s": whole(1, 2, 1)}, [1, 2, 1]),
        (node("Split", "x", "a b", axis=2, split=[3, 1]), {}, [3, 1]),
        (node("Split", "x s", "a b", axis=2), {"s": whole(4, 0)}, [4, 0]),
    ],
)
def test_splits(made, constants, sizes):
    """Equal parts, the last one smaller, or sizes as an attribute or an input; also empty ones."""
    edges = np.cumsum(sizes)[:-1]
    expected = np.split(A, edges, axis=2)
    folded, _ = read([made], x=A, **constants)
    computed, _ = read([made], x=A.shape, **constants)

    for name, part in zip("abc", expected, strict=False):
        assert np.array_equal(folded[name].data, part)
        assert part.shape == folded[name].dims == computed[name].dims


# ---- element by element

B = np.array([2, -2, 3, -5])
BINARY = [
    (node("Add", "a b", "y"), V + B), (node("Sub", "a b", "y"), V - B), (node("Mul", "a b", "y"), V * B),
    (node("Div", "a b", "y"), np.array([2, 1, 0, -1])), (node("Mod", "a b", "y"), np.mod(V, B)),
    (node("Mod", "a b", "y", fmod=1), np.fmod(V, B)), (node("Max", "a b", "y"), np.maximum(V, B)),
    (node("Min", "a b", "y"), np.minimum(V, B)), (node("Sum", "a b a", "y"), V + B + V),
    (node("Pow", "a two", "y"), V**2), (node("Equal", "a b", "y"), V == B), (node("Greater", "a b", "y"), V > B),
    (node("Less", "a b", "y"), V < B), (node("GreaterOrEqual", "a two", "y"), V >= 2),
    (node("LessOrEqual", "a b", "y"), V <= B), (node("And", "p q", "y"), np.array([False, False, True, False])),
    (node("Or", "p q", "y"), np.array([True, True, True, False])),
    (node("Xor", "p q", "y"), np.array([True, True, False, False])),
    (node("Not", "p", "y"), np.array([True, False, False, True])),
    (node("Where", "p a b", "y"), np.array([2, -3, 2, -5])), (node("Neg", "a", "y"), -V), (node("Abs", "a", "y"), abs(V)),
    (node("Sign", "a", "y"), np.sign(V)), (node("Relu", "a", "y"), np.maximum(V, 0)), (node("Identity", "a", "y"), V),
    (node("Clip", "a lo hi", "y"), np.clip(V, -1, 5)), (node("Clip", "a _ hi", "y"), np.minimum(V, 5)),
    (node("Cast", "a", "y", to=1), V.astype(np.float32)), (node("Cast", "a", "y", to=9), V != 0),
    (node("CastLike", "a f", "y"), V.astype(np.float32)), (node("Floor", "f", "y"), np.floor(F)),
    (node("Ceil", "f", "y"), np.ceil(F)), (node("Round", "f", "y"), np.round(F)), (node("Exp", "f", "y"), np.exp(F)),
    (node("Div", "f half", "y"), F / np.float32(0.5)), (node("Sqrt", "half", "y"), np.sqrt(np.float32(0.5))),
    (node("Reciprocal", "half", "y"), np.float32(2)), (node("Log", "half", "y"), np.log(np.float32(0.5))),
    (node("Squeeze", "one", "y"), np.array(4)), (node("Squeeze", "one ax", "y"), np.array([4])),
    (node("Squeeze", "one", "y", axes=[0, -1]), np.array(4)), (node("Size", "f", "y"), np.array(12)),
]  # fmt: skip


@pytest.mark.parametrize(("made", "expected"), BINARY, ids=[f"{case[0]['op_type']}{i}" for i, case in enumerate(BINARY)])
def test_arithmetic(made, expected):
    """Integers divide towards zero; types are those of ONNX."""
    p, q = np.array([False, True, True, False]), np.array([True, False, True, False])
    more = {"lo": np.array(-1), "hi": np.array(5), "half": np.float32(0.5), "one": np.array([[4]]), "ax": whole(1)}
    scope, _ = read([made], a=V, b=B, p=p, q=q, f=F, two=np.array(2), **more)

    assert np.array_equal(scope["y"].data, expected)
    assert scope["y"].kind == KINDS[str(np.asarray(expected).dtype)]


@pytest.mark.parametrize("kind", ["int8", "int32", "int64"])
def test_integers_divide_towards_zero(kind):
    """In every width: minus seven halves are minus three."""
    a, b = np.array([-7, 7, -7, 7], dtype=kind), np.array([2, -2, -2, 2], dtype=kind)

    assert read([node("Div", "a b", "y")], a=a, b=b)[0]["y"].data.tolist() == [-3, -3, 3, 3]


@pytest.mark.parametrize("op", ["Div", "Mod"])
def test_division_by_zero_is_refused(op):
    """With the place of the node; nothing is computed from it."""
    with pytest.raises(NetworkError, match=rf"FILE: node 'y' \({op}\): .*ZeroDivisionError"):
        read([node(op, "a b", "y")], a=V, b=np.array(0))


BROADCAST = [((2, 3), (3,)), ((2, 1, 4), (3, 1)), ((), (5,)), ((1,), (4, 1)), ((2, 3), (2, 3)), ((0, 3), (1, 3))]


@pytest.mark.parametrize(("left", "right"), BROADCAST)
def test_broadcasting(left, right):
    """As NumPy aligns shapes: constants and their contents."""
    scope, _ = read([node("Add", "a b", "y")], a=np.ones(left, np.int64), b=np.ones(right, np.int64))

    assert scope["y"].dims == np.broadcast_shapes(left, right)
    assert np.array_equal(scope["y"].data, np.full(np.broadcast_shapes(left, right), 2))


# ---- shapes as values


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, (2, 3, 4, 5)), ({"start": 1}, (3, 4, 5)), ({"start": -2}, (4, 5)), ({"end": 2}, (2, 3)), ({"end": -1}, (2, 3, 4)),
        ({"start": 1, "end": 3}, (3, 4)), ({"start": -9, "end": 9}, (2, 3, 4, 5)), ({"start": 3, "end": 1}, ()),
    ],
)  # fmt: skip
def test_shape_of(attributes, expected):
    """The sizes of a computed tensor are known; both bounds are clamped."""
    scope, graph = read([node("Shape", "x", "y", **attributes)], x=(2, 3, 4, 5))

    assert (tuple(scope["y"].data), scope["y"].dims, scope["y"].kind) == (expected, (len(expected),), INT64)
    assert graph.layers == ()


@pytest.mark.parametrize(
    ("start", "limit", "delta"), [(0, 5, 1), (3, 10, 3), (10, 0, -4), (5, 5, 1), (5, 1, 1), (0.0, 1.0, 0.25), (-1.5, 2.0, 0.5)]
)
def test_ranges(start, limit, delta):
    """As many numbers as lie before the limit, also downwards and with fractions."""
    bounds = {name: np.array(item) for name, item in zip("abc", (start, limit, delta), strict=True)}
    expected = np.arange(start, limit, delta)
    scope, _ = read([node("Range", "a b c", "y")], **bounds)

    assert np.array_equal(scope["y"].data, expected)
    assert scope["y"].dims == expected.shape


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, np.zeros((2, 3), np.float32)),
        ({"value": tensor("", whole(7))}, np.full((2, 3), 7)),
        ({"value": tensor("", np.array([True]))}, np.full((2, 3), True)),
    ],
)
def test_constants_of_a_shape(attributes, expected):
    """Zeros unless the file says otherwise, of the value's type."""
    scope, _ = read([node("ConstantOfShape", "s", "y", **attributes)], s=whole(2, 3))

    assert np.array_equal(scope["y"].data, expected)
    assert scope["y"].kind == KINDS[str(expected.dtype)]


def test_a_view_as_torch_exports_it():
    """Sizes are taken from a tensor, multiplied, joined and used as a shape: nothing but the view is left."""
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Gather", "s one", "c"), node("Div", "c two", "half"),
        node("Unsqueeze", "n axis", "n1"), node("Unsqueeze", "half axis", "h1"), node("Concat", "n1 h1 rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ]  # fmt: skip
    numbers = {"zero": np.array(0), "one": np.array(1), "two": np.array(2), "axis": whole(0), "rest": whole(2, -1)}
    scope, graph = read(nodes, x=(3, 8, 4, 4), **numbers)

    assert scope["y"].dims == (3, 4, 2, 16)
    assert list(graph.table().ops) == ["reshape"]


def test_a_mask_as_torch_exports_it():
    """Equal and Where replace the sizes that are minus one, Expand uses them."""
    nodes = [
        node("ConstantOfShape", "rank", "ones", value=tensor("", whole(1))), node("Mul", "ones minus", "m"),
        node("Equal", "target m", "e"), node("Where", "e ones target", "t"), node("Expand", "x t", "y"),
    ]  # fmt: skip
    scope, _ = read(nodes, x=(1, 5, 1), rank=whole(3), minus=np.array(-1), target=whole(4, -1, 6))

    assert scope["t"].data.tolist() == [4, 1, 6]
    assert scope["y"].dims == (4, 5, 6)


def test_sizes_computed_from_data_are_refused():
    """With what to do."""
    with pytest.raises(NetworkError, match=r"a size or axis is computed from data.*simplify the model"):
        read([node("Reshape", "x s", "y")], x=(2, 3), s=(2,))


@pytest.mark.parametrize(("elems", "known"), [(MOST_KNOWN, True), (MOST_KNOWN + 1, False)])
def test_large_constants_are_shapes(elems, known):
    """Their content is not kept, nor computed."""
    scope, _ = read([node("ConstantOfShape", "s", "y"), node("Neg", "y", "z")], s=whole(elems))

    assert scope["z"].dims == (elems,)
    assert (scope["z"].data is not None) is known


# ---- other sizes

OTHERS = [
    (node("Resize", "x _ s", "y"), {"s": np.array([1, 1, 2, 0.5], np.float32)}, (1, 8, 6, 6), (1, 8, 12, 3)),
    (node("Resize", "x s", "y"), {"s": np.array([1, 1, 2, 3], np.float32)}, (1, 8, 6, 6), (1, 8, 12, 18)),
    (node("Resize", "x _ s", "y"), {"s": np.array([1, 1, 5 / 3, 1.4], np.float32)}, (1, 8, 3, 5), (1, 8, 5, 7)),
    (node("Resize", "x _ s", "y", axes=[2, 3]), {"s": np.array([2, 3], np.float32)}, (1, 8, 6, 6), (1, 8, 12, 18)),
    (node("Resize", "x _ _ s", "y"), {"s": whole(1, 8, 5, 9)}, (1, 8, 6, 6), (1, 8, 5, 9)),
    (node("Resize", "x _ e s", "y"), {"e": np.array([], np.float32), "s": whole(1, 8, 5, 9)}, (1, 8, 6, 6), (1, 8, 5, 9)),
    (node("Resize", "x _ _ s", "y", axes=[-1]), {"s": whole(9)}, (1, 8, 6, 6), (1, 8, 6, 9)),
    (node("Resize", "x _ _ s", "y", axes=[2, 3], keep_aspect_ratio_policy="not_larger"), {"s": whole(12, 20)},
     (1, 8, 6, 8), (1, 8, 12, 16)),
    (node("Resize", "x _ _ s", "y", axes=[2, 3], keep_aspect_ratio_policy="not_smaller"), {"s": whole(12, 20)},
     (1, 8, 6, 8), (1, 8, 15, 20)),
    (node("Resize", "x _ _ s", "y", axes=[2, 3], keep_aspect_ratio_policy="not_larger"), {"s": whole(2, 9)},
     (1, 8, 4, 5), (1, 8, 2, 3)),
    (node("Upsample", "x s", "y"), {"s": np.array([1, 1, 2, 2], np.float32)}, (1, 8, 6, 6), (1, 8, 12, 12)),
    (node("DepthToSpace", "x", "y", blocksize=2), {}, (1, 8, 6, 6), (1, 2, 12, 12)),
    (node("SpaceToDepth", "x", "y", blocksize=3), {}, (1, 8, 6, 6), (1, 72, 2, 2)),
    (node("OneHot", "x d v", "y"), {"d": np.array(9), "v": whole(0, 1)}, (2, 3), (2, 3, 9)),
    (node("OneHot", "x d v", "y", axis=0), {"d": whole(9), "v": whole(0, 1)}, (2, 3), (9, 2, 3)),
    (node("TopK", "x k", "y i"), {"k": whole(2)}, (3, 5), (3, 2)),
    (node("TopK", "x", "y i", axis=0, k=1), {}, (3, 5), (1, 5)),
    (node("GatherElements", "x i", "y", axis=1), {"i": np.zeros((3, 2), np.int64)}, (3, 5), (3, 2)),
    (node("GatherND", "x i", "y", batch_dims=1), {"i": np.zeros((3, 2, 1), np.int64)}, (3, 5, 7), (3, 2, 7)),
    (node("ScatterND", "x i u", "y"), {"i": np.zeros((1, 1), np.int64), "u": np.zeros((1, 5))}, (3, 5), (3, 5)),
    (node("Pad", "x p", "y"), {"p": whole(0, -1, 0, -2)}, (3, 5), (3, 2)),
    (node("Trilu", "x", "y"), {}, (5, 5), (5, 5)),
    (node("CumSum", "x a", "y"), {"a": np.array(0)}, (3, 5), (3, 5)),
    (node("NonZero", "x", "y"), {}, (3, 5), (2, 15)),
    (node("Unique", "x", "y i j c", axis=1), {}, (3, 5), (3, 5)),
    (node("Unique", "x", "y"), {}, (3, 5), (15,)),
    (node("Compress", "x c", "y", axis=0), {"c": np.array([True, False, True])}, (3, 5), (3, 5)),
    (node("Compress", "x c", "y"), {"c": np.array([True, False, True])}, (3, 5), (15,)),
    (node("RoiAlign", "x r b", "y", output_height=7, output_width=5),
     {"r": np.zeros((9, 4), np.float32), "b": np.zeros(9, np.int64)}, (1, 8, 6, 6), (9, 8, 7, 5)),
    (node("MaxPool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0]), {}, (1, 8, 7, 6), (1, 8, 4, 3)),
    (node("MaxPool", "x", "y", kernel_shape=[2, 2], dilations=[3, 3]), {}, (1, 8, 7, 6), (1, 8, 4, 3)),
    (node("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"), {},
     (1, 8, 7, 6), (1, 8, 4, 3)),
    (node("AveragePool", "x", "y", kernel_shape=[3], strides=[2], ceil_mode=1), {}, (1, 8, 8), (1, 8, 4)),
    (node("LpPool", "x", "y", kernel_shape=[2, 2, 2], strides=[2, 2, 2]), {}, (1, 8, 4, 6, 8), (1, 8, 2, 3, 4)),
    (node("GlobalAveragePool", "x", "y"), {}, (1, 8, 4, 6, 8), (1, 8, 1, 1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "constants", "given", "shape"), OTHERS, ids=[f"{case[0]['op_type']}{i}" for i, case in enumerate(OTHERS)]
)
def test_other_shapes(made, constants, given, shape):
    """Sizes from the operators' specification."""
    assert read([made], x=given, **constants)[0]["y"].dims == shape


REFUSED = [
    (node("Reshape", "x s", "y"), {"s": whole(5, 5)}, "cannot reshape (2, 3, 4) into (5, 5)"),
    (node("Reshape", "x s", "y"), {"s": whole(-1, -1)}, "shape (-1, -1) is not a shape"),
    (node("Reshape", "x s", "y"), {"s": whole(2, 3, 4, 0)}, "keeps an axis that the input (2, 3, 4) does not have"),
    (node("Reshape", "x s", "y"), {"s": whole(5, -1)}, "cannot reshape"),
    (node("Reshape", "x", "y"), {}, "has no shape"),
    (node("Squeeze", "x", "y", axes=[1]), {}, "cannot squeeze axes (1,) of (2, 3, 4): a size is not 1"),
    (node("Squeeze", "x", "y", axes=[3]), {}, "axis 3 does not exist in 3 axes"),
    (node("Unsqueeze", "x", "y", axes=[0, 0]), {}, "axes (0, 0) name an axis twice"),
    (node("Unsqueeze", "x", "y", axes=[9]), {}, "axis 9 does not exist in 4 axes"),
    (node("Flatten", "x", "y", axis=4), {}, "axis 4 does not exist in 3 axes"),
    (node("Transpose", "x", "y", perm=[0, 1]), {}, "perm (0, 1) does not name each of 3 axes once"),
    (node("Concat", "x k", "y", axis=0), {"k": whole(1)}, "cannot join (2, 3, 4), (1,) along axis 0"),
    (node("Split", "x s", "a b", axis=1), {"s": whole(1, 1)}, "cannot split axis 1 of (2, 3, 4) into (1, 1)"),
    (node("Split", "x s", "a b c", axis=1), {"s": whole(1, 2)}, "cannot split axis 1"),
    (node("Slice", "x a b", "y"), {"a": whole(0, 0), "b": whole(1)}, "do not fit each other"),
    (node("Slice", "x a a a b", "y"), {"a": whole(0), "b": whole(0)}, "a step is 0"),
    (node("Gather", "x i", "y", axis=3), {"i": whole(0)}, "axis 3 does not exist in 3 axes"),
    (node("Expand", "x s", "y"), {"s": whole(5)}, "shapes do not broadcast: (2, 3, 4), (5,)"),
    (node("Tile", "x s", "y"), {"s": whole(2)}, "repeats (2,) do not fit (2, 3, 4)"),
    (node("Pad", "x p", "y"), {"p": whole(1, 1)}, "pads (1, 1) do not fit 3 axes"),
    (node("Resize", "x _ s", "y"), {"s": np.array([2.0], np.float32)}, "needs one constant scale or size per axis"),
    (node("Resize", "x _ _ s", "y"), {"s": whole(4, 4)}, "sizes (4, 4) do not fit 3 axes"),
    (node("TopK", "x k", "y i"), {"k": whole(5)}, "k is 5, but axis 2 of (2, 3, 4) has fewer"),
    (node("ReduceSum", "x", "y", axes=[7]), {}, "axis 7 does not exist in 3 axes"),
    (node("Add", "x k", "y"), {"k": np.ones(3)}, "do not broadcast"),
    (node("DepthToSpace", "q", "y", blocksize=2), {}, "6 channels are no multiple of 2 x 2 blocks"),
    (node("SpaceToDepth", "q", "y", blocksize=2), {}, "5 x 4 pixels are no multiple of 2 x 2 blocks"),
    (node("Range", "k k k", "y"), {"k": np.array(0)}, "ZeroDivisionError"),
    (node("Flatten", "x", "y", axis="two"), {}, "attribute axis must be an integer, got 'two'"),
    (node("Transpose", "x", "y", perm=2), {}, "attribute perm must be a list, got 2"),
    (node("ConstantOfShape", "s", "y"), {"s": whole(2, -3)}, "is not a shape"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "constants", "text"), REFUSED, ids=[f"{case[0]['op_type']}{i}" for i, case in enumerate(REFUSED)]
)
def test_what_does_not_fit_is_refused(made, constants, text):
    """The message names the node, its operation and the sizes."""
    with pytest.raises(NetworkError) as raised:
        read([made], x=(2, 3, 4), q=(1, 6, 5, 4), **constants)

    assert str(raised.value).startswith(f"FILE: node '{made['output'][0]}' ({made['op_type']}): ")
    assert text in str(raised.value)


# ---- contents of tensors


def numbers(*items):
    """Packed integers of variable length."""
    return [memoryview(b"".join(map(number, items)))]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"dims": [2], "data_type": 1, "raw_data": np.float32([1.5, -2]).tobytes()}, np.float32([1.5, -2])),
        ({"dims": [2], "data_type": 1, "float_data": [memoryview(np.float32([1.5, -2]).tobytes())]}, np.float32([1.5, -2])),
        ({"dims": [1], "data_type": 11, "double_data": [memoryview(np.float64([0.1]).tobytes())]}, np.float64([0.1])),
        ({"dims": [3], "data_type": 7, "int64_data": numbers(1, -1, 2**40)}, np.int64([1, -1, 2**40])),
        ({"dims": [3], "data_type": 7, "int64_data": [5, *numbers(6, 7)]}, np.int64([5, 6, 7])),
        ({"dims": [2], "data_type": 6, "int32_data": numbers(3, -4)}, np.int32([3, -4])),
        ({"dims": [2], "data_type": 3, "int32_data": numbers(3, -4)}, np.int8([3, -4])),
        ({"dims": [2], "data_type": 9, "int32_data": numbers(1, 0)}, np.array([True, False])),
        ({"dims": [2], "data_type": HALF, "int32_data": numbers(0x3C00, 0xC600)}, np.float16([1, -6])),
        ({"dims": [1], "data_type": 13, "uint64_data": numbers(2**64 - 1)}, np.uint64([2**64 - 1])),
        ({"dims": [], "data_type": 7, "int64_data": numbers(9)}, np.array(9)),
        ({"dims": [3], "data_type": 7, "int64_data": numbers(1)}, None),
        ({"dims": [2], "data_type": 7, "raw_data": b"123"}, None),
        ({"dims": [2], "data_type": 16, "raw_data": bytes(4)}, None),
        ({"dims": [1], "data_type": 7, "raw_data": bytes(8), "data_location": 1}, None),
    ],
)
def test_contents_of_tensors(message, expected):
    """Raw bytes and every typed field; half floats are bits in integers; what is missing is not made up."""
    data = tensor_value(message, "t").data

    assert (data is None) is (expected is None)
    assert data is None or (np.array_equal(data, expected) and data.dtype == expected.dtype)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": 2, "i": 3}, 3), ({"type": 1, "f": 0.5}, 0.5), ({"type": 3, "s": "SAME_UPPER"}, "SAME_UPPER"),
        ({"type": 7, "ints": [1, 2]}, [1, 2]), ({"type": 6, "floats": [0.5]}, [0.5]), ({"type": 2}, 0), ({"type": 7}, []),
        ({"type": 3}, ""), ({"ints": [4]}, [4]), ({"i": 5}, 5), ({"type": 8, "strings": ["a"]}, ["a"]), ({}, None),
    ],
)  # fmt: skip
def test_attributes(message, expected):
    """By their declared type, or by what is there; zero and empty values need not be written."""
    assert attribute(message) == expected
