"""Blocks of published networks: their layers, and channels scaled as papers scale them."""

import numpy as np
import pytest

from costmodel.errors import InputError, ShapeError
from costmodel.graph import Graph
from costmodel.graph.blocks import (
    as_choice,
    as_count,
    channel_shuffle,
    classified,
    conv_block,
    fire_module,
    inverted_residual,
    joins_input,
    scaled,
    scaled_to_multiple,
    separable_block,
    separable_stack,
    squeeze_excite,
)


def graph(channels=4, size=8):
    """Return a graph with an input."""
    g = Graph("g")
    return g, g.input("data", (1, channels, size, size))


def params(g):
    """Return the parameters of a graph."""
    return int(g.table().total("params")[0])


@pytest.mark.parametrize(
    ("options", "names", "learnt"),
    [
        ({}, ["c", "c_bn", "c_relu"], 4 * 6 * 9 + 2 * 6),
        ({"folded": True}, ["c", "c_relu"], 4 * 6 * 9 + 6),
        ({"activation": "relu6"}, ["c", "c_bn", "c_relu6"], 4 * 6 * 9 + 2 * 6),
        ({"activation": "", "folded": True}, ["c"], 4 * 6 * 9 + 6),
        ({"groups": 2}, ["c", "c_bn", "c_relu"], 2 * 6 * 9 + 2 * 6),
        ({"bias": True}, ["c", "c_bn", "c_relu"], 4 * 6 * 9 + 6 + 2 * 6),
        ({"bias": True, "folded": True}, ["c", "c_relu"], 4 * 6 * 9 + 6),
    ],
)
def test_conv_block(options, names, learnt):
    """A normalisation has a scale and a shift per channel; folded, there is a bias instead."""
    g, x = graph()
    conv_block(g, "c", x, 6, 3, **options)

    assert [layer.name for layer in g.layers] == names
    assert params(g) == learnt


@pytest.mark.parametrize(
    ("kernel", "options", "size"),
    [
        (3, {}, (8, 8)),
        (7, {}, (8, 8)),
        ((1, 7), {}, (8, 8)),
        ((3, 1), {}, (8, 8)),
        (3, {"stride": 2}, (4, 4)),
        (3, {"padding": 0}, (6, 6)),
        ((5, 2), {"stride": 2, "padding": "same"}, (4, 4)),
    ],
)
def test_padding_of_a_block(kernel, options, size):
    """Half of the kernel by default, on each axis."""
    g, x = graph()

    assert conv_block(g, "c", x, 6, kernel, **options).shape == (1, 6, *size)


def test_a_block_is_one_layer_of_work():
    """Normalisation and activation are free, each by its rule."""
    g, x = graph()
    g.output(conv_block(g, "c", x, 6, 3))
    table = g.table()

    assert dict(zip(table.names, table.notes, strict=True)) == {
        "c": "",
        "c_bn": "folded into the producing layer",
        "c_relu": "fused into the producing layer",
    }


def test_separable_block():
    """A filter per channel, then a product across channels."""
    g, x = graph(channels=4)
    y = separable_block(g, "block1", x, 6, stride=2, folded=True)
    table = g.table()

    assert y.shape == (1, 6, 4, 4)
    assert [n for n, op in zip(table.names, table.ops, strict=True) if op == "conv"] == [
        "block1/conv_dw",
        "block1/conv_pw",
    ]
    assert int(table.total("macs")[0]) == 4 * 9 * 16 + 4 * 6 * 16
    assert params(g) == (4 * 9 + 4) + (4 * 6 + 6)


def test_separable_stack():
    """The image, the first convolution, the blocks in their order; a width thins every layer, the image not."""
    g = Graph("g")
    y = separable_stack(g, ((64, 1), (128, 2)), 0.5, 32, folded=False)
    shapes = {layer.name: layer.outputs[0].shape for layer in g.layers}

    assert [tensor.shape for tensor in g.inputs] == [(1, 3, 32, 32)]
    assert [shapes[name] for name in ("conv1", "block1/conv_dw", "block1/conv_pw", "block2/conv_dw")] == [
        (1, 16, 16, 16),
        (1, 16, 16, 16),
        (1, 32, 16, 16),
        (1, 32, 8, 8),
    ]
    assert y.shape == (1, 64, 8, 8)


def test_fire_module():
    """Squeeze filters, then both kinds of expand filters on them, joined in place."""
    g, x = graph()
    y = fire_module(g, "fire", x, 3, (5, 7))

    assert y.shape == (1, 5 + 7, 8, 8)
    assert params(g) == (4 * 3 + 3) + (3 * 5 + 5) + (9 * 3 * 7 + 7)
    assert g.table().status[-1] == "free"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (
            {},
            ["expand", "expand_bn", "expand_relu6", "conv_dw", "conv_dw_bn", "conv_dw_relu6", "project", "project_bn", "add"],
        ),
        ({"stride": 2, "folded": True}, ["expand", "expand_relu6", "conv_dw", "conv_dw_relu6", "project"]),
        ({"activation": "silu", "folded": True}, ["expand", "expand_silu", "conv_dw", "conv_dw_silu", "project", "add"]),
    ],
)
def test_inverted_residual(options, names):
    """Expand, convolve per channel, project; the input is added at stride 1."""
    g, x = graph()
    y = inverted_residual(g, "block", x, (24, 4), **options)

    assert [layer.name.removeprefix("block/") for layer in g.layers] == names
    assert y.shape == (1, 4, 8 // options.get("stride", 1), 8 // options.get("stride", 1))


def test_inverted_residual_of_other_shape():
    """No expansion, a larger kernel, channels weighted before the projection, nothing to add to."""
    g, x = graph()
    y = inverted_residual(
        g, "block", x, (4, 6), 5, expands=False, weighted=lambda y: squeeze_excite(g, "se", y, 2), folded=True
    )

    names = [layer.name for layer in g.layers]
    assert names.index("block/conv_dw") < names.index("se/scale") < names.index("block/project")
    assert (y.shape, g.layers[0].name, g.layers[-1].name) == ((1, 6, 8, 8), "block/conv_dw", "block/project")
    assert params(g) == (25 * 4 + 4) + (4 * 2 + 2 + 2 * 4 + 4) + (4 * 6 + 6)


@pytest.mark.parametrize(("activation", "gate"), [("relu", "sigmoid"), ("silu", "hardsigmoid")])
def test_squeeze_excite(activation, gate):
    """Averages, two convolutions of one position, a weight per channel of every position."""
    g, x = graph()
    y = squeeze_excite(g, "se", x, 2, activation=activation, gate=gate)

    assert [layer.name for layer in g.layers] == [
        "se/avg_pool", "se/reduce", f"se/{activation}", "se/expand", f"se/{gate}", "se/scale",
    ]  # fmt: skip
    assert y.shape == x.shape
    assert (params(g), int(g.table().total("macs")[0])) == (4 * 2 + 2 + 2 * 4 + 4, 16)
    assert int(g.table().other_ops[-1, 0]) == 4 * 8 * 8


def test_channel_shuffle():
    """One copy of the feature map; what it reshapes moves nothing."""
    g, x = graph(channels=6)
    y = channel_shuffle(g, "unit", x, 3)
    table = g.table()

    assert y.shape == x.shape
    assert g.layers[0].outputs[0].shape == (1, 3, 2, 8, 8)
    assert g.layers[1].outputs[0].shape == (1, 2, 3, 8, 8)
    assert table.status == ("free", "counted", "free")
    assert (int(table.ifmap_elems[1, 0]), int(table.ofmap_elems[1, 0])) == (384, 384)


def test_groups_that_do_not_divide_channels():
    """The layer that splits them says so."""
    g, x = graph(channels=6)
    with pytest.raises(ShapeError, match="unit/split: cannot hold the same elements"):
        channel_shuffle(g, "unit", x, 4)


def test_classified():
    """Pooled to one value per channel, weighted, normalised."""
    g, x = graph(channels=4)
    done = classified(g, x, 10)

    assert done is g
    assert [layer.name for layer in g.layers] == ["avg_pool", "flatten", "fc", "prob"]
    assert [tensor.shape for tensor in g.outputs] == [(1, 10)]
    assert params(g) == 4 * 10 + 10


@pytest.mark.parametrize(
    ("channels", "ratio", "expected"),
    [(32, 0.25, 8), (32, 1.0, 32), (5, 0.5, 2), (7, 0.5, 4), (24, 0.35, 8), (3, 0.1, 0)],
)
def test_scaled(channels, ratio, expected):
    """The nearest integer, halves to the even one; what becomes nothing is refused by the layer, not here."""
    assert scaled(channels, ratio) == expected
    assert type(scaled(channels, ratio)) is int


@pytest.mark.parametrize(
    ("channels", "ratio", "expected"),
    [
        (32, 1.0, 32),
        (32, 0.35, 16),  # 11.2: the nearest, 8, is below 90 %
        (24, 0.35, 8),  # 8.4
        (16, 0.75, 16),  # 12, half-way: upwards
        (1280, 1.4, 1792),
        (16, 0.01, 8),  # never below 8
    ],
)
def test_scaled_to_multiple(channels, ratio, expected):
    """The nearest multiple of 8 that is not below 90 % of the exact fraction."""
    assert scaled_to_multiple(channels, ratio) == expected
    assert type(scaled_to_multiple(channels, ratio)) is int


@pytest.mark.parametrize("function", [scaled, scaled_to_multiple])
def test_arrays_are_scaled_like_scalars(function):
    """A sweep of widths gives what each width gives alone."""
    widths = np.linspace(0.05, 2, 97)
    alone = [function(96, float(width)) for width in widths]

    assert function(96, widths).tolist() == alone
    assert function(96, widths).dtype == np.int64
    assert function(np.arange(1, 98), 0.35).tolist() == [function(c, 0.35) for c in range(1, 98)]


@pytest.mark.parametrize(
    ("inputs", "outputs", "joined"),
    [(8, 8, True), (8, 16, False), (np.array([8, 16]), np.array([8, 16]), True), (np.array([8, 16]), 24, False)],
)
def test_joins_input(inputs, outputs, joined):
    """A shortcut exists where channels agree."""
    assert joins_input(inputs, outputs, "net: block1") is joined


def test_a_shortcut_at_some_points_only_is_refused():
    """One graph cannot have a layer at some design points."""
    with pytest.raises(InputError, match="net: block1: a shortcut exists at some design points and not at others"):
        joins_input(np.array([8, 16]), 8, "net: block1")


@pytest.mark.parametrize(("value", "least"), [(0, 1), (-1, 0), (1.0, 1), ("2", 1), (True, 1), (np.array([1, 2]), 1)])
def test_refused_counts(value, least):
    """A number of layers is one integer."""
    with pytest.raises(InputError, match=f"net: blocks must be one integer of at least {least}, got "):
        as_count("net: blocks", value, least)


def test_counts_that_would_take_minutes_are_refused():
    """Ten thousand repetitions are the most."""
    assert as_count("net: blocks", 10_000) == 10_000
    with pytest.raises(InputError, match="net: blocks must be at most 10000, got 10001"):
        as_count("net: blocks", 10_001)


def test_counts_and_choices():
    """What is allowed is given back, choices as texts."""
    assert (as_count("n", 0, 0), as_count("n", 3)) == (0, 3)
    assert [as_choice("v", value, ("1", "1.5", "a")) for value in (1, 1.5, "a")] == ["1", "1.5", "a"]
    with pytest.raises(InputError, match=r"^v must be one of 1, 1\.5, got 2$"):
        as_choice("v", 2, ("1", "1.5"))
