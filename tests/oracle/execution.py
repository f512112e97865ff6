"""Run a small network literally, value by value, and count what it multiplies and how many weights it holds.

Nothing here knows the playbook or the formulas of the counts: convolutions are loops over windows of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from costmodel.graph import Graph, Layer
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.dense import Linear
from costmodel.graph.ops.elementwise import Activation, Combine, Identity
from costmodel.graph.ops.layout import Concat, Flatten, Reshape, Transpose
from costmodel.graph.ops.normalization import BatchNorm, Softmax
from costmodel.graph.ops.pooling import GlobalPool, Pool


@dataclass
class Execution:
    """What running a network once has used: products of values with weights, and weights made."""

    macs: int = 0
    params: int = 0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def weights(self, *shape: int) -> np.ndarray:
        """Weights that were not there before."""
        self.params += int(np.prod(shape))
        return self.rng.standard_normal(shape)


def padded(x: np.ndarray, pads: tuple[tuple[int, int], ...], fill: float) -> np.ndarray:
    """A map (channels, height, width) with values around it."""
    return np.pad(x, ((0, 0), *pads), constant_values=fill)


def pads_of(op: Conv | Pool, x: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Values put before and after each axis; "same" gives as many outputs as strides fit, the odd one behind."""
    if op.padding != "same":
        return op.padding
    found = []
    for size, taps, step, spread in zip(x.shape[1:], op.kernel, op.stride, op.dilation, strict=True):
        outputs = -(-size // step)
        extra = max((outputs - 1) * step + spread * (taps - 1) + 1 - size, 0)
        found.append((extra // 2, extra - extra // 2))
    return tuple(found)


def windows(x: np.ndarray, op: Conv | Pool) -> dict[tuple[int, int], np.ndarray]:
    """The values under the window, (channels, taps, taps), by output position."""
    rows, columns = (
        [range(at, at + spread * (taps - 1) + 1, spread) for at in range(0, size - spread * (taps - 1), step)]
        for size, taps, step, spread in zip(x.shape[1:], op.kernel, op.stride, op.dilation, strict=True)
    )
    return {
        (i, j): x[np.ix_(range(len(x)), row, column)] for (i, row), (j, column) in product(enumerate(rows), enumerate(columns))
    }


def conv(op: Conv, x: np.ndarray, run: Execution) -> np.ndarray:
    """Every filter at every position, over the channels of its group."""
    ways, wide = len(x) // op.groups, op.out_channels // op.groups
    weight = run.weights(op.out_channels, ways, *op.kernel)
    bias = run.weights(op.out_channels) if op.bias else np.zeros(op.out_channels)
    seen = windows(padded(x, pads_of(op, x), 0.0), op)
    y = np.empty((op.out_channels, *(1 + max(at[axis] for at in seen) for axis in (0, 1))))
    for at, values in seen.items():
        for k in range(op.out_channels):
            part = values[k // wide * ways : (k // wide + 1) * ways]
            run.macs += part.size
            y[(k, *at)] = (part * weight[k]).sum() + bias[k]
    return y


def pool(op: Pool, x: np.ndarray, run: Execution) -> np.ndarray:  # noqa: ARG001 - multiplies nothing
    """The largest value, or the mean, under every window; incomplete windows are dropped."""
    if op.ceil_mode:
        raise AssertionError("the oracle drops incomplete windows; give it no pooling with ceil_mode")
    reduced = np.max if op.kind == "max_pool" else np.mean
    seen = windows(padded(x, pads_of(op, x), -np.inf), op)
    y = np.empty((len(x), *(1 + max(at[axis] for at in seen) for axis in (0, 1))))
    for at, values in seen.items():
        y[(slice(None), *at)] = reduced(values, axis=(1, 2))
    return y


def linear(op: Linear, x: np.ndarray, run: Execution) -> np.ndarray:
    """Every unit over all features."""
    weight = run.weights(op.out_features, len(x))
    run.macs += weight.size
    return weight @ x + (run.weights(op.out_features) if op.bias else 0)


def batch_norm(op: BatchNorm, x: np.ndarray, run: Execution) -> np.ndarray:  # noqa: ARG001 - its constants are trained
    """Scale and shift per channel."""
    scale, shift = run.weights(2, len(x)).reshape(2, len(x), *[1] * (x.ndim - 1))
    return x * scale + shift


Run = Callable[..., np.ndarray]
LITERAL: dict[type, Run] = {
    Conv: conv,
    Pool: pool,
    Linear: linear,
    BatchNorm: batch_norm,
    Activation: lambda _op, x, _run: np.maximum(x, 0),
    Identity: lambda _op, x, _run: x,
    Flatten: lambda _op, x, _run: x.reshape(-1),
    Reshape: lambda op, x, _run: x.reshape(op.shape[1:]),
    Transpose: lambda op, x, _run: x.transpose([axis - 1 for axis in op.axes[1:]]),
    Softmax: lambda _op, x, _run: np.exp(x) / np.exp(x).sum(),
    GlobalPool: lambda _op, x, _run: x.mean(axis=(1, 2), keepdims=True),
}
"""Operations of one input, on values without the batch."""


def value(layer: Layer, inputs: list[np.ndarray], run: Execution) -> np.ndarray:
    """What a layer gives."""
    if type(layer.op) is Concat:
        return np.concatenate(inputs)
    if type(layer.op) is Combine:
        return np.sum(inputs, axis=0)
    return LITERAL[type(layer.op)](layer.op, *inputs, run)


def executed(graph: Graph) -> tuple[Execution, list[tuple[int, ...]]]:
    """Run a network on random values: what it used, and the shapes that came out, batch included."""
    run = Execution()
    values = {tensor: run.rng.standard_normal(tensor.shape[1:]) for tensor in graph.inputs}
    for layer in graph.layers:
        (tensor,) = layer.outputs
        values[tensor] = value(layer, [values[one] for one in layer.inputs], run)
        assert (1, *values[tensor].shape) == tensor.shape, layer.name
    return run, [(1, *values[tensor].shape) for tensor in graph.outputs]
