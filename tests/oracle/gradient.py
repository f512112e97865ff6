"""A small network run forwards and backwards in literal loops, every multiplication counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Counter:
    """Multiplications so far."""

    macs: int = 0


@dataclass
class Convolution:
    """A convolution without bias: weights (k, c, r, s), stride and padding the same along both axes, groups of channels."""

    weights: np.ndarray
    stride: int = 1
    padding: int = 0
    groups: int = 1

    def padded(self, x):
        """The input (c, h, w) with its border."""
        return np.pad(x, ((0, 0), (self.padding, self.padding), (self.padding, self.padding)))

    def products(self, x):
        """Every product: (output, weight and padded input positions)."""
        k, c, r, s = self.weights.shape
        _, height, width = self.padded(x).shape
        for ok in range(k):
            first = ok // (k // self.groups) * c
            for p in range((height - r) // self.stride + 1):
                for q in range((width - s) // self.stride + 1):
                    for ic, ir, iq in np.ndindex(c, r, s):
                        yield (ok, p, q), (ok, ic, ir, iq), (first + ic, p * self.stride + ir, q * self.stride + iq)

    def forward(self, x, count):
        """The output (k, p, q)."""
        padded, (k, _, r, s) = self.padded(x), self.weights.shape
        size = [(extent - window) // self.stride + 1 for extent, window in zip(padded.shape[1:], (r, s), strict=True)]
        y = np.zeros((k, *size))
        for out, weight, at in self.products(x):
            y[out] += self.weights[weight] * padded[at]
            count.macs += 1
        return y

    def weight_gradient(self, x, dy, count):
        """Derivative by the weights."""
        padded, gradient = self.padded(x), np.zeros_like(self.weights)
        for out, weight, at in self.products(x):
            gradient[weight] += dy[out] * padded[at]
            count.macs += 1
        return gradient

    def input_gradient(self, x, dy, count):
        """Derivative by the input."""
        gradient = np.zeros_like(self.padded(x))
        for out, weight, at in self.products(x):
            gradient[at] += dy[out] * self.weights[weight]
            count.macs += 1
        inside = slice(self.padding, -self.padding or None)
        return gradient[:, inside, inside]


def trained(layers, x):
    """Loss (half the squares), gradients of all weights, and multiplications both ways; a ReLU after every layer."""
    forward, backward = Counter(), Counter()
    inputs, sums = [x], []
    for layer in layers:
        sums.append(layer.forward(inputs[-1], forward))
        inputs.append(np.maximum(sums[-1], 0))
    dy = inputs[-1]
    gradients = []
    for number in reversed(range(len(layers))):
        dy = dy * (sums[number] > 0)
        gradients.append(layers[number].weight_gradient(inputs[number], dy, backward))
        if number:
            dy = layers[number].input_gradient(inputs[number], dy, backward)
    return float((inputs[-1] ** 2).sum() / 2), gradients[::-1], forward.macs, backward.macs
