"""Kernel reduction: a fraction of the filters becomes 1x1, strategy 1 of SqueezeNet.

F. N. Iandola et al., "SqueezeNet", arXiv:1602.07360, section 3.1: "replace 3x3 filters with 1x1 filters". Strength is the
fraction of the filters of each convolution; the others keep their taps, and both are concatenated, normalised and activated
alike. Convolutions that make the feature map smaller for want of padding stay: a 1x1 filter would see another map.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from costmodel.formulas.counts import window
from costmodel.graph.ops.layout import Concat
from costmodel.playbook.design import Change, restructured
from costmodel.playbook.layers import conv_in_words, conv_of, described, readers, spatial, tail
from costmodel.playbook.rebuild import left_out, rebuilt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costmodel.graph import Layer, Tensor
    from costmodel.graph.ops.convolution import Conv
    from costmodel.playbook.design import Design, Transformed
    from costmodel.playbook.rebuild import Builder, Rewrite


def spare_padding(op: Conv) -> list[int]:
    """Padding beyond what keeps the size of the map, per axis [positions]; below zero where the map shrinks."""
    if isinstance(op.padding, str):
        return [0] * len(op.kernel)
    return [
        int(before + after - (window(taps, spread) - 1))
        for (before, after), taps, spread in zip(op.padding, op.kernel, op.dilation, strict=True)
    ]


def one_tap(op: Conv, out_channels: int) -> Conv:
    """The 1x1 convolution beside another: of the same stride, padded so that it gives as many outputs."""
    ones, spare = (1,) * len(op.kernel), spare_padding(op)
    padding = op.padding if isinstance(op.padding, str) else tuple((pad // 2, pad - pad // 2) for pad in spare)
    return replace(op, out_channels=out_channels, kernel=ones, dilation=ones, padding=padding)


def followed(builder: Builder, x: Tensor, after: Sequence[Layer], suffix: str) -> Tensor:
    """A branch with what followed the convolution; names of the first branch stay."""
    for layer in after:
        x = builder.added(f"{layer.name}{suffix}", layer.op, x) if suffix else builder.named(layer.name, layer.op, x)
    return x


def reduced(count: int, after: Sequence[Layer], builder: Builder, layer: Layer) -> None:
    """Rewrite of a convolution of which `count` filters become 1x1, with what follows it."""
    op = conv_of(layer)
    (x,) = builder.inputs(layer)
    last = (after[-1] if after else layer).outputs[0]
    rest = int(op.out_channels) - count
    if not rest:
        builder.tensors[last] = followed(builder, builder.named(layer.name, one_tap(op, count), x), after, "")
        return
    large = followed(builder, builder.named(layer.name, replace(op, out_channels=rest), x), after, "")
    small = followed(builder, builder.added(f"{layer.name}_1x1", one_tap(op, count), x), after, "_1x1")
    builder.tensors[last] = builder.added(f"{layer.name}_concat", Concat(1), small, large)


def transformed(design: Design, strength: float) -> Transformed:
    """A fraction of the filters of every group as 1x1 filters."""
    graph, read_by = design.graph, readers(design.graph)
    rewrites: dict[str, Rewrite] = {}
    changes = []
    for layer in spatial(graph):
        op = conv_of(layer)
        count = int(op.groups) * round(strength * int(op.out_channels // op.groups))
        if not count or min(spare_padding(op)) < 0:
            continue
        after = tail(graph, layer, read_by)
        rewrites |= {one.name: left_out for one in after}
        rewrites[layer.name] = partial(reduced, count, after)
        changes.append(Change(layer.name, described([layer]), beside(layer, count)))
    return restructured(design, rebuilt(graph, rewrites), changes)


def beside(layer: Layer, count: int) -> str:
    """Filters of a convolution once `count` are 1x1, in words."""
    op, channels = conv_of(layer), layer.inputs[0].shape[1]
    rest = int(op.out_channels) - count
    parts = [one_tap(op, count), *([replace(op, out_channels=rest)] if rest else [])]
    return ", ".join(conv_in_words(part, channels) for part in parts)
