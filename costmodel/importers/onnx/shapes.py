"""Output shapes of ONNX operations, from the shapes and small contents of their inputs.

Each function takes the node and its inputs and gives one shape per output. References: the operators' specification,
https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, prod
from typing import Final, TypeAlias

import numpy as np

from costmodel.errors import NetworkError
from costmodel.importers.onnx.values import Ints, Node, Value

Inputs: TypeAlias = Sequence[Value | None]
ShapeOf: TypeAlias = Callable[[Node, Inputs], list[Ints]]


def given(inputs: Inputs, index: int) -> Value | None:
    """An optional input."""
    return inputs[index] if index < len(inputs) else None


def needed(inputs: Inputs, index: int) -> Value:
    """An input that must be there; NetworkError where it is not."""
    value = given(inputs, index)
    if value is None:
        raise NetworkError(f"input {index} is missing")
    return value


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front; NetworkError where there is none."""
    if not -rank <= axis < rank:
        raise NetworkError(f"axis {axis} does not exist in {rank} axes")
    return axis % rank


def broadcast(shapes: Iterable[Ints]) -> Ints:
    """Common shape of operands aligned at their last axes; NetworkError where there is none."""
    listed = list(shapes)
    rank = max(map(len, listed), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in listed]
    common = []
    for sizes in zip(*padded, strict=True):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise NetworkError(f"shapes do not broadcast: {', '.join(map(str, listed))}")
        common.append(others.pop() if others else 1)
    return tuple(common)


def like_first(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001 - one signature for all
    """The shape of the first input."""
    return [needed(inputs, 0).dims]


def like_all(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """The shape to which all inputs broadcast."""
    return [broadcast(value.dims for value in inputs if value is not None)]


def listed(node: Node, inputs: Inputs, index: int, name: str) -> Ints | None:
    """Integers that older opsets have as an attribute and newer ones as an input; None where left out."""
    value = given(inputs, index)
    return node.ints(name) if value is None else value.ints()


def reshape(node: Node, inputs: Inputs) -> list[Ints]:
    """The requested sizes: 0 keeps one, -1 takes the rest."""
    x, wanted = needed(inputs, 0), listed(node, inputs, 1, "shape")
    if wanted is None:
        raise NetworkError("has no shape")
    if not node.int("allowzero", 0):
        if any(size == 0 and axis >= len(x.dims) for axis, size in enumerate(wanted)):
            raise NetworkError(f"shape {wanted} keeps an axis that the input {x.dims} does not have")
        wanted = tuple(x.dims[axis] if size == 0 else size for axis, size in enumerate(wanted))
    if any(size < -1 for size in wanted) or wanted.count(-1) > 1:
        raise NetworkError(f"shape {wanted} is not a shape")
    known = prod(size for size in wanted if size != -1)
    if -1 in wanted:
        rest = x.elems // known if known else 0
        wanted = tuple(rest if size == -1 else size for size in wanted)
    if prod(wanted) != x.elems:
        raise NetworkError(f"cannot reshape {x.dims} into {wanted}")
    return [wanted]


def squeeze(node: Node, inputs: Inputs) -> list[Ints]:
    """Without the axes of size 1, or without those listed."""
    dims, axes = needed(inputs, 0).dims, listed(node, inputs, 1, "axes")
    if axes is None:
        return [tuple(size for size in dims if size != 1)]
    gone = {axis_of(axis, len(dims)) for axis in axes}
    if any(dims[axis] != 1 for axis in gone):
        raise NetworkError(f"cannot squeeze axes {axes} of {dims}: a size is not 1")
    return [tuple(size for axis, size in enumerate(dims) if axis not in gone)]


def unsqueeze(node: Node, inputs: Inputs) -> list[Ints]:
    """With new axes of size 1."""
    dims, axes = needed(inputs, 0).dims, listed(node, inputs, 1, "axes") or ()
    rank = len(dims) + len(axes)
    new = {axis_of(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise NetworkError(f"axes {axes} name an axis twice")
    old = iter(dims)
    return [tuple(1 if axis in new else next(old, 1) for axis in range(rank))]


def flatten(node: Node, inputs: Inputs) -> list[Ints]:
    """Two axes."""
    dims = needed(inputs, 0).dims
    axis = node.int("axis", 1)
    axis = axis if axis == len(dims) else axis_of(axis, len(dims))
    return [(prod(dims[:axis]), prod(dims[axis:]))]


def transpose(node: Node, inputs: Inputs) -> list[Ints]:
    """Axes in another order."""
    dims = needed(inputs, 0).dims
    order = permutation(node, len(dims))
    return [tuple(dims[axis] for axis in order)]


def permutation(node: Node, rank: int) -> Ints:
    """The order of axes of a Transpose; reversed by default."""
    order = tuple(node.ints("perm") or reversed(range(rank)))
    if sorted(order) != list(range(rank)):
        raise NetworkError(f"perm {order} does not name each of {rank} axes once")
    return order


def concat(node: Node, inputs: Inputs) -> list[Ints]:
    """Joined along an axis."""
    shapes = [value.dims for value in inputs if value is not None]
    axis = axis_of(node.int("axis", 1), len(shapes[0]))
    if any(len(s) != len(shapes[0]) or s[:axis] + s[axis + 1 :] != _without(shapes[0], axis) for s in shapes):
        raise NetworkError(f"cannot join {', '.join(map(str, shapes))} along axis {axis}")
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _without(dims: Ints, axis: int) -> Ints:
    return dims[:axis] + dims[axis + 1 :]


def split(node: Node, inputs: Inputs) -> list[Ints]:
    """Parts along an axis, equal ones by default."""
    dims = needed(inputs, 0).dims
    axis = axis_of(node.int("axis", 0), len(dims))
    sizes = listed(node, inputs, 1, "split")
    if sizes is None:
        parts = len(node.outputs)
        each = -(-dims[axis] // parts)
        sizes = tuple(min(each, dims[axis] - each * part) for part in range(parts))
    if sum(sizes) != dims[axis] or min(sizes) < 0 or len(sizes) < len(node.outputs):
        raise NetworkError(f"cannot split axis {axis} of {dims} into {sizes}")
    return [(*dims[:axis], size, *dims[axis + 1 :]) for size in sizes[: len(node.outputs)]]


def slices(node: Node, inputs: Inputs) -> list[slice]:
    """One Python slice per axis."""
    dims = needed(inputs, 0).dims
    starts, stops = listed(node, inputs, 1, "starts") or (), listed(node, inputs, 2, "ends") or ()
    axes = listed(node, inputs, 3, "axes")
    steps = listed(node, inputs, 4, "steps") or (1,) * len(starts)
    cut = [slice(None)] * len(dims)
    if not len(starts) == len(stops) == len(steps):
        raise NetworkError(f"starts {starts}, ends {stops} and steps {steps} do not fit each other")
    for axis, start, stop, step in zip(range(len(starts)) if axes is None else axes, starts, stops, steps, strict=True):
        at = axis_of(axis, len(dims))
        if step == 0:
            raise NetworkError("a step is 0")
        behind = stop if step > 0 or stop >= -dims[at] else None
        cut[at] = slice(start, behind, step)
    return cut


def sliced(node: Node, inputs: Inputs) -> list[Ints]:
    """What the slices leave."""
    dims = needed(inputs, 0).dims
    cut = slices(node, inputs)
    return [tuple(len(range(*part.indices(size))) for part, size in zip(cut, dims, strict=True))]


def gather(node: Node, inputs: Inputs) -> list[Ints]:
    """The axis replaced by the indices' axes."""
    dims, indices = needed(inputs, 0).dims, needed(inputs, 1).dims
    axis = axis_of(node.int("axis", 0), len(dims))
    return [dims[:axis] + indices + dims[axis + 1 :]]


def gather_elements(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """The shape of the indices."""
    return [needed(inputs, 1).dims]


def gather_nd(node: Node, inputs: Inputs) -> list[Ints]:
    """One element or block per index tuple."""
    dims, indices, batch = needed(inputs, 0).dims, needed(inputs, 1).dims, node.int("batch_dims", 0)
    return [indices[:-1] + dims[batch + indices[-1] :]]


def expand(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """Broadcast to a shape."""
    return [broadcast((needed(inputs, 0).dims, needed(inputs, 1).ints()))]


def tile(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """Repeated along each axis."""
    dims, repeats = needed(inputs, 0).dims, needed(inputs, 1).ints()
    if len(dims) != len(repeats):
        raise NetworkError(f"repeats {repeats} do not fit {dims}")
    return [tuple(size * times for size, times in zip(dims, repeats, strict=True))]


def pad(node: Node, inputs: Inputs) -> list[Ints]:
    """Longer, or with negative padding shorter, along each axis."""
    dims = needed(inputs, 0).dims
    befores, afters = padding(node, inputs)
    return [tuple(b + size + a for b, size, a in zip(befores, dims, afters, strict=True))]


def padding(node: Node, inputs: Inputs) -> tuple[Ints, Ints]:
    """Elements before and after each axis."""
    rank = len(needed(inputs, 0).dims)
    pads, axes = listed(node, inputs, 1, "pads") or (), listed(node, inputs, 3, "axes")
    chosen = list(range(rank)) if axes is None else [axis_of(axis, rank) for axis in axes]
    if len(pads) != 2 * len(chosen):
        raise NetworkError(f"pads {pads} do not fit {len(chosen)} axes")
    before, after = dict(zip(chosen, pads[: len(chosen)], strict=True)), dict(zip(chosen, pads[len(chosen) :], strict=True))
    return tuple(before.get(axis, 0) for axis in range(rank)), tuple(after.get(axis, 0) for axis in range(rank))


def reduced_axes(node: Node, inputs: Inputs) -> Ints:
    """Axes that a reduction sums over."""
    rank = len(needed(inputs, 0).dims)
    axes = listed(node, inputs, 1, "axes")
    if not axes:
        return () if node.int("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted({axis_of(axis, rank) for axis in axes}))


def reduce(node: Node, inputs: Inputs) -> list[Ints]:
    """Reduced axes kept with size 1, or dropped."""
    return [_reduced(needed(inputs, 0).dims, reduced_axes(node, inputs), keep=node.int("keepdims", 1))]


def _reduced(dims: Ints, axes: Ints, *, keep: int) -> Ints:
    return tuple(1 if axis in axes else size for axis, size in enumerate(dims) if keep or axis not in axes)


def arg(node: Node, inputs: Inputs) -> list[Ints]:
    """One axis reduced."""
    dims = needed(inputs, 0).dims
    return [_reduced(dims, (axis_of(node.int("axis", 0), len(dims)),), keep=node.int("keepdims", 1))]


def top_k(node: Node, inputs: Inputs) -> list[Ints]:
    """The k largest along an axis, and their indices."""
    dims = needed(inputs, 0).dims
    count = needed(inputs, 1).ints()[0] if given(inputs, 1) else node.int("k", 1)
    axis = axis_of(node.int("axis", -1), len(dims))
    if not 0 <= count <= dims[axis]:
        raise NetworkError(f"k is {count}, but axis {axis} of {dims} has fewer")
    return [(*dims[:axis], count, *dims[axis + 1 :])] * 2


def resize(node: Node, inputs: Inputs) -> list[Ints]:
    """By factors or to sizes."""
    x = needed(inputs, 0)
    index = 1 if len(inputs) == 2 else 2
    sizes, scales = given(inputs, 3), given(inputs, index)
    if sizes is not None and sizes.elems:
        return [_resized(node, x.dims, sizes.ints())]
    factors = node.ints("scales") if scales is None else None if scales.data is None else tuple(scales.data.ravel().tolist())
    axes = node.ints("axes") or tuple(range(len(x.dims)))
    if not factors or len(factors) != len(axes):
        raise NetworkError(f"needs one constant scale or size per axis of {x.dims}, got {factors}")
    wanted = {axis_of(axis, len(x.dims)): factor for axis, factor in zip(axes, factors, strict=True)}
    return [tuple(_scaled(size, wanted.get(axis, 1.0)) for axis, size in enumerate(x.dims))]


def _scaled(size: int, factor: float) -> int:
    """A size times a factor in single precision, as runtimes multiply: 3 times float32(5 / 3) is 5."""
    if factor == 1:
        return size
    with np.errstate(all="ignore"):
        return floor(np.float32(size) * np.float32(factor))


def _resized(node: Node, dims: Ints, sizes: Ints) -> Ints:
    """Sizes of some or all axes; the aspect kept where the file says so."""
    axes = node.ints("axes") or tuple(range(len(dims)))
    chosen = [axis_of(axis, len(dims)) for axis in axes]
    if len(chosen) != len(sizes):
        raise NetworkError(f"sizes {sizes} do not fit {len(chosen)} axes")
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        least = min if policy == "not_larger" else max
        scale = least(size / dims[axis] for axis, size in zip(chosen, sizes, strict=True))
        sizes = tuple(floor(dims[axis] * scale + 0.5) for axis in chosen)
    wanted = dict(zip(chosen, sizes, strict=True))
    return tuple(wanted.get(axis, size) for axis, size in enumerate(dims))


def depth_to_space(node: Node, inputs: Inputs) -> list[Ints]:
    """Channels become blocks."""
    n, c, h, w = needed(inputs, 0).dims
    b = node.int("blocksize", 1)
    if c % (b * b):
        raise NetworkError(f"{c} channels are no multiple of {b} x {b} blocks")
    return [(n, c // (b * b), h * b, w * b)]


def space_to_depth(node: Node, inputs: Inputs) -> list[Ints]:
    """Blocks become channels."""
    n, c, h, w = needed(inputs, 0).dims
    b = node.int("blocksize", 1)
    if h % b or w % b:
        raise NetworkError(f"{h} x {w} pixels are no multiple of {b} x {b} blocks")
    return [(n, c * b * b, h // b, w // b)]


def one_hot(node: Node, inputs: Inputs) -> list[Ints]:
    """A new axis of the given depth."""
    dims, depth = needed(inputs, 0).dims, needed(inputs, 1).ints()[0]
    axis = axis_of(node.int("axis", -1), len(dims) + 1)
    return [(*dims[:axis], depth, *dims[axis:])]


def range_(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """As many numbers as fit."""
    start, limit, delta = (_number(needed(inputs, index)) for index in range(3))
    return [(max(0, ceil((limit - start) / delta)),)]


def _number(value: Value) -> float:
    if value.data is None or value.data.size != 1:
        raise NetworkError("bounds are computed from data, so the shape is not known before the network runs")
    return float(value.data.ravel()[0])


def filled(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """The shape that the input holds."""
    shape = needed(inputs, 0).ints()
    if any(size < 0 for size in shape):
        raise NetworkError(f"shape {shape} is not a shape")
    return [shape]


def non_zero(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """Index tuples: at most one per element."""
    x = needed(inputs, 0)
    return [(max(1, len(x.dims)), x.elems)]


def unique(node: Node, inputs: Inputs) -> list[Ints]:
    """At most as many as there are elements."""
    x = needed(inputs, 0)
    if "axis" not in node.attributes:
        return [(x.elems,)] * 4
    size = x.dims[axis_of(node.int("axis", 0), len(x.dims))]
    return [x.dims, (size,), (size,), (size,)]


def suppressed(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """At most the given number of boxes per class and image."""
    scores, most = needed(inputs, 1).dims, given(inputs, 2)
    kept = most.ints()[0] if most is not None and most.data is not None else scores[2]
    return [(scores[0] * scores[1] * min(kept, scores[2]), 3)]


def compressed(node: Node, inputs: Inputs) -> list[Ints]:
    """At most all entries of an axis."""
    x = needed(inputs, 0)
    return [x.dims if "axis" in node.attributes else (x.elems,)]


def grid_sample(node: Node, inputs: Inputs) -> list[Ints]:  # noqa: ARG001
    """(N, C, *grid)."""
    return [needed(inputs, 0).dims[:2] + needed(inputs, 1).dims[1:-1]]


def roi_align(node: Node, inputs: Inputs) -> list[Ints]:
    """One small feature map per region."""
    regions, channels = needed(inputs, 1).dims[0], needed(inputs, 0).dims[1]
    return [(regions, channels, node.int("output_height", 1), node.int("output_width", 1))]


REDUCTIONS: Final = (
    "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceSumSquare",
)  # fmt: skip
