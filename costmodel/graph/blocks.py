"""Blocks that published networks are made of, and widths scaled as their papers scale them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from costmodel.errors import InputError
from costmodel.graph.shapes import Dim, Padding, PerAxis, Ratio, as_ratio, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from costmodel.graph.graph import Graph
    from costmodel.graph.tensor import Tensor

MOST_LAYERS: Final = 10_000
"""Repetitions that a network may be asked for; more would take minutes before anything is counted."""


def conv_block(
    g: Graph,
    name: str,
    x: Tensor,
    out_channels: Dim,
    kernel: int | tuple[int, int],
    *,
    stride: PerAxis = 1,
    padding: Padding | None = None,
    groups: Dim = 1,
    activation: str = "relu",
    bias: bool = False,
    folded: bool = False,
) -> Tensor:
    """Convolution, batch normalisation, activation.

    Parameters
    ----------
    g, name, x
        Graph; name of the convolution, the others append to it; input.
    out_channels, kernel, stride, groups
        As :meth:`costmodel.graph.Graph.conv`.
    padding
        As there; None for half of the kernel, which keeps the size at stride 1.
    activation
        Its name, or "" for none.
    bias
        Whether the convolution has a bias although the normalisation shifts as well.
    folded
        Whether the normalisation is merged into the convolution, which has a bias instead, as deployed networks do.
    """
    if padding is None:
        padding = kernel // 2 if isinstance(kernel, int) else tuple(taps // 2 for taps in kernel)
    x = g.conv(name, x, out_channels, kernel, stride=stride, padding=padding, groups=groups, bias=bias or folded)
    if not folded:
        x = g.batch_norm(f"{name}_bn", x)
    return g.activation(f"{name}_{activation}", x, activation) if activation else x


def separable_block(
    g: Graph, name: str, x: Tensor, out_channels: Dim, *, stride: PerAxis = 1, folded: bool = False
) -> Tensor:
    """Depthwise separable convolution: 3 x 3 per channel, then 1 x 1, both normalised and rectified."""
    channels = x.shape[1]
    x = conv_block(g, f"{name}/conv_dw", x, channels, 3, stride=stride, groups=channels, folded=folded)
    return conv_block(g, f"{name}/conv_pw", x, out_channels, 1, folded=folded)


def separable_stack(
    g: Graph, blocks: Sequence[tuple[int, int]], width: Ratio, size: Dim, *, folded: bool
) -> Tensor:
    """Image of `size` pixels, 32 filters 3 x 3 of stride 2, separable blocks (channels, stride), all thinned by `width`."""
    width = as_ratio(width, "width", least=0.01, most=8)
    x = g.input("data", (1, 3, size, size))
    x = conv_block(g, "conv1", x, scaled(32, width), 3, stride=2, folded=folded)
    for i, (channels, stride) in enumerate(blocks, start=1):
        x = separable_block(g, f"block{i}", x, scaled(channels, width), stride=stride, folded=folded)
    return x


def fire_module(g: Graph, name: str, x: Tensor, squeeze: Dim, expand: tuple[Dim, Dim]) -> Tensor:
    """Fire module of SqueezeNet: `squeeze` filters 1 x 1, then `expand` filters 1 x 1 and 3 x 3 side by side."""
    s = g.relu(f"{name}/relu_squeeze1x1", g.conv(f"{name}/squeeze1x1", x, squeeze, kernel=1))
    e1 = g.relu(f"{name}/relu_expand1x1", g.conv(f"{name}/expand1x1", s, expand[0], kernel=1))
    e3 = g.relu(f"{name}/relu_expand3x3", g.conv(f"{name}/expand3x3", s, expand[1], kernel=3, padding=1))
    return g.concat(f"{name}/concat", e1, e3)


def inverted_residual(
    g: Graph,
    name: str,
    x: Tensor,
    channels: tuple[Dim, Dim],
    kernel: int = 3,
    *,
    stride: int = 1,
    expands: bool = True,
    activation: str = "relu6",
    weighted: Callable[[Tensor], Tensor] | None = None,
    folded: bool = False,
) -> Tensor:
    """Expand by 1 x 1, convolve per channel, project by 1 x 1 without activation; add the input where it fits.

    M. Sandler et al., "MobileNetV2", CVPR 2018, arXiv:1801.04381; figure 4.

    Parameters
    ----------
    g, name, x
        Graph; name of the block; input.
    channels
        Within, and at the end.
    kernel, stride
        Of the convolution per channel.
    expands
        Whether it begins with the expansion; without it, as many channels come in as are within.
    activation
        Behind the first two convolutions.
    weighted
        What happens to the channels before the projection, such as :func:`squeeze_excite`.
    folded
        As :func:`conv_block`.
    """
    (inner, out), y = channels, x
    if expands:
        y = conv_block(g, f"{name}/expand", x, inner, 1, activation=activation, folded=folded)
    y = conv_block(
        g, f"{name}/conv_dw", y, inner, kernel, stride=stride, groups=inner, activation=activation, folded=folded
    )
    if weighted is not None:
        y = weighted(y)
    y = conv_block(g, f"{name}/project", y, out, 1, activation="", folded=folded)
    if stride == 1 and joins_input(x.shape[1], out, f"{g.name}: {name}"):
        y = g.add(f"{name}/add", x, y)
    return y


def squeeze_excite(
    g: Graph, name: str, x: Tensor, squeezed: Dim, *, activation: str = "relu", gate: str = "sigmoid"
) -> Tensor:
    """Channels weighted by two 1 x 1 convolutions of their averages, the first with `squeezed` filters.

    J. Hu, L. Shen, G. Sun, "Squeeze-and-excitation networks", CVPR 2018, arXiv:1709.01507; figure 2.
    """
    s = g.global_avg_pool(f"{name}/avg_pool", x)
    s = g.activation(f"{name}/{activation}", g.conv(f"{name}/reduce", s, squeezed, kernel=1), activation)
    s = g.activation(f"{name}/{gate}", g.conv(f"{name}/expand", s, x.shape[1], kernel=1), gate)
    return g.multiply(f"{name}/scale", x, s)


def channel_shuffle(g: Graph, name: str, x: Tensor, groups: Dim) -> Tensor:
    """Channels of the groups interleaved: (groups, channels) transposed, one copy of the feature map.

    X. Zhang, X. Zhou, M. Lin, J. Sun, "ShuffleNet", CVPR 2018, arXiv:1707.01083; figure 1.
    """
    n, channels, *space = x.shape
    y = g.reshape(f"{name}/split", x, (n, groups, -1, *space))
    y = g.transpose(f"{name}/shuffle", y, (0, 2, 1, *range(3, 3 + len(space))))
    return g.reshape(f"{name}/join", y, (n, channels, *space))


def classified(g: Graph, x: Tensor, num_classes: Dim) -> Graph:
    """The graph with its end: global average pooling, one linear layer, softmax."""
    x = g.flatten("flatten", g.global_avg_pool("avg_pool", x))
    g.output(g.softmax("prob", g.linear("fc", x, num_classes)))
    return g


def scaled(channels: Dim, ratio: Ratio) -> Dim:
    """A fraction of some channels, in whole ones: the nearest integer, halves to the even one.

    Examples
    --------
    >>> scaled(32, 0.25), scaled(32, np.array([0.5, 0.75]))
    (8, array([16, 24]))
    """
    return plain(np.rint(np.multiply(ratio, channels)).astype(np.int64))


def scaled_to_multiple(channels: Dim, ratio: Ratio, multiple: int = 8) -> Dim:
    """A fraction of some channels as the nearest multiple, halves upwards, that is at least 90 % of it.

    Examples
    --------
    >>> [scaled_to_multiple(channels, 0.35) for channels in (16, 24, 32, 96)]  # 5.6, 8.4, 11.2, 33.6
    [8, 8, 16, 32]
    """
    exact = np.multiply(ratio, channels)
    nearest = np.maximum(multiple, np.floor(exact / multiple + 0.5) * multiple)
    return plain((nearest + multiple * (nearest < 0.9 * exact)).astype(np.int64))


def joins_input(inputs: Dim, outputs: Dim, what: str) -> bool:
    """Whether a block may add its input to its output: the channels agree, at all design points or at none."""
    agree = cast("np.ndarray[tuple[int, ...], np.dtype[np.bool_]]", np.equal(inputs, outputs))
    if agree.any() and not agree.all():
        raise InputError(f"{what}: a shortcut exists at some design points and not at others; sweep them apart")
    return bool(agree.all())


def as_count(what: str, value: object, least: int = 1) -> int:
    """`value` as a number of layers: one integer, since a graph has as many at every design point."""
    if type(value) is not int or value < least:
        raise InputError(f"{what} must be one integer of at least {least}, got {value!r}")
    if value > MOST_LAYERS:
        raise InputError(f"{what} must be at most {MOST_LAYERS}, got {value}")
    return value


def as_choice(what: str, value: object, allowed: tuple[str, ...]) -> str:
    """`value` as one of the `allowed` texts; InputError with all of them otherwise."""
    if str(value) not in allowed:
        raise InputError(f"{what} must be one of {', '.join(allowed)}, got {value!r}")
    return str(value)
