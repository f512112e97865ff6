"""Contents of small constants, so that shapes that a file computes are known."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np

from costmodel.importers.onnx.shapes import Inputs, given, padding, permutation, reduced_axes, slices
from costmodel.importers.onnx.values import DTYPES, MOST_KNOWN, Array, Ints, Node, Value

Fold: TypeAlias = Callable[[Node, list[Array], Inputs, list[Ints]], Any]


def folded(node: Node, inputs: Inputs, shapes: list[Ints]) -> list[Array] | None:
    """Contents of the outputs of a node with constant inputs; None where unknown or not small.

    `shapes` are those of the outputs. Arithmetic follows NumPy with ONNX's integer division.
    """
    fold = FOLDS.get(node.op)
    known = [value.data for value in inputs if value is not None]
    if fold is None or any(data is None for data in known) or any(prod(shape) > MOST_KNOWN for shape in shapes):
        return None
    with np.errstate(all="ignore"):
        result = fold(node, [data for data in known if data is not None], inputs, shapes)
    if result is None:
        return None
    outputs = [np.asarray(item) for item in (result if isinstance(result, list) else [result])]
    fits = all(item.shape == shape for item, shape in zip(outputs, shapes, strict=False))
    return outputs if fits else None


def _divided(a: Array, b: Array) -> Array:
    """Quotient, towards zero for integers."""
    if a.dtype.kind not in "iu":
        return np.asarray(a / b)
    if not np.all(b):
        raise ZeroDivisionError
    return np.asarray(np.trunc(np.true_divide(a, b)) if a.dtype.itemsize < 8 else _whole(a, b)).astype(a.dtype)


def _whole(a: Array, b: Array) -> Array:
    return np.asarray(np.abs(a) // np.abs(b) * np.sign(a) * np.sign(b))


def _modulo(node: Node, data: list[Array], *_: object) -> Array:
    """Remainder with the sign of the divisor, with ``fmod`` that of the dividend."""
    a, b = data
    if a.dtype.kind in "iu" and not np.all(b):
        raise ZeroDivisionError
    return np.asarray(np.fmod(a, b) if node.int("fmod", 0) else np.mod(a, b))


def _cast(node: Node, data: list[Array], *_: object) -> Array | None:
    dtype = DTYPES.get(node.int("to", 0))
    return None if dtype is None else data[0].astype(dtype)


def _slice(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
    return data[0][tuple(slices(node, inputs))]


def _gather(node: Node, data: list[Array], *_: object) -> Array:
    return np.take(data[0], data[1].astype(np.int64), axis=node.int("axis", 0))


def _gather_nd(node: Node, data: list[Array], *_: object) -> Array | None:
    if node.int("batch_dims", 0):
        return None
    return np.asarray(data[0][tuple(np.moveaxis(data[1].astype(np.int64), -1, 0))])


def _split(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> list[Array]:  # noqa: ARG001
    axis = node.int("axis", 0)
    edges = np.cumsum([shape[axis] for shape in shapes])[:-1]
    return list(np.split(data[0], edges, axis=axis))


def _transpose(node: Node, data: list[Array], *_: object) -> Array:
    return data[0].transpose(permutation(node, data[0].ndim))


def _reshaped(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
    return data[0].reshape(shapes[0])


def _expanded(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
    return np.broadcast_to(data[0], shapes[0])


def _filled(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
    value = node.attributes.get("value")
    content = value.data if isinstance(value, Value) else None
    return np.full(shapes[0], np.float32(0) if content is None or not content.size else content.ravel()[0])


def _range(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
    start, step = data[0].ravel()[0], data[2].ravel()[0]
    return np.asarray(start + np.arange(shapes[0][0]) * step).astype(data[0].dtype)


def _reduction(function: Callable[..., Any]) -> Fold:
    def reduce(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
        kept = bool(node.int("keepdims", 1))
        return np.asarray(function(data[0], axis=reduced_axes(node, inputs), keepdims=kept)).astype(data[0].dtype)

    return reduce


def _arg(function: Callable[..., Any]) -> Fold:
    def found(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array:  # noqa: ARG001
        return np.asarray(function(data[0], axis=node.int("axis", 0))).reshape(shapes[0])

    return found


def _padded(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array | None:  # noqa: ARG001
    pairs = list(zip(*padding(node, inputs), strict=True))
    if node.text("mode", "constant") != "constant" or any(min(pair) < 0 for pair in pairs):
        return None
    value = given(inputs, 2)
    fill = value.data.ravel()[0] if value is not None and value.data is not None and value.data.size else 0
    return np.pad(data[0], pairs, constant_values=fill)


def _clipped(node: Node, data: list[Array], inputs: Inputs, shapes: list[Ints]) -> Array | None:  # noqa: ARG001
    found = data[0]
    for side, bounded in ((given(inputs, 1), np.maximum), (given(inputs, 2), np.minimum)):
        found = found if side is None or side.data is None else np.asarray(bounded(found, side.data))
    return found


def _scattered(node: Node, data: list[Array], *_: object) -> Array | None:
    if node.text("reduction", "none") != "none":
        return None
    result = data[0].copy()
    result[tuple(np.moveaxis(data[1].astype(np.int64), -1, 0))] = data[2]
    return result


def _tiled(node: Node, data: list[Array], *_: object) -> Array:  # noqa: ARG001
    return np.tile(data[0], tuple(data[1].astype(np.int64).tolist()))


def _joined(node: Node, data: list[Array], *_: object) -> Array:
    return np.concatenate(data, axis=node.int("axis", 1))


def _first(node: Node, data: list[Array], *_: object) -> Array:  # noqa: ARG001
    return data[0]


def _cumulated(node: Node, data: list[Array], *_: object) -> Array:
    """Sums of what comes before, the element itself included or not, from either end."""
    axis = int(data[1].ravel()[0])
    items = np.flip(data[0], axis) if node.int("reverse", 0) else data[0]
    sums = np.cumsum(items, axis=axis, dtype=items.dtype)
    sums = sums - items if node.int("exclusive", 0) else sums
    return np.flip(sums, axis) if node.int("reverse", 0) else sums


def _numpy(function: Callable[..., Any]) -> Fold:
    """A function of all inputs."""
    return lambda _, data, *__: function(*data)


FOLDS: Final[dict[str, Fold]] = {
    "Identity": _first, "Cast": _cast, "Slice": _slice,
    "Gather": _gather, "GatherND": _gather_nd, "Split": _split, "Transpose": _transpose, "Reshape": _reshaped,
    "Squeeze": _reshaped, "Unsqueeze": _reshaped, "Flatten": _reshaped, "Expand": _expanded, "ConstantOfShape": _filled,
    "Range": _range, "Pad": _padded, "Clip": _clipped, "ScatterND": _scattered, "Tile": _tiled, "Concat": _joined,
    "Add": _numpy(np.add), "Sub": _numpy(np.subtract), "Mul": _numpy(np.multiply), "Div": _numpy(_divided),
    "Mod": _modulo, "Pow": _numpy(np.power), "Max": lambda _, d, *__: np.maximum.reduce(np.broadcast_arrays(*d)),
    "Min": lambda _, d, *__: np.minimum.reduce(np.broadcast_arrays(*d)), "Sum": lambda _, d, *__: sum(d[1:], d[0]),
    "Neg": _numpy(np.negative), "Abs": _numpy(np.abs), "Floor": _numpy(np.floor), "Ceil": _numpy(np.ceil),
    "Round": _numpy(np.round), "Sqrt": _numpy(np.sqrt), "Exp": _numpy(np.exp), "Log": _numpy(np.log),
    "Sign": _numpy(np.sign), "Reciprocal": _numpy(np.reciprocal), "Relu": lambda _, d, *__: np.maximum(d[0], 0),
    "Equal": _numpy(np.equal), "Greater": _numpy(np.greater), "Less": _numpy(np.less), "And": _numpy(np.logical_and),
    "GreaterOrEqual": _numpy(np.greater_equal), "LessOrEqual": _numpy(np.less_equal), "Or": _numpy(np.logical_or),
    "Xor": _numpy(np.logical_xor), "Not": _numpy(np.logical_not), "Where": _numpy(np.where),
    "ReduceProd": _reduction(np.prod), "ReduceSum": _reduction(np.sum), "ReduceMax": _reduction(np.max),
    "ReduceMin": _reduction(np.min), "ReduceMean": _reduction(np.mean), "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin), "CumSum": _cumulated,
}  # fmt: skip
