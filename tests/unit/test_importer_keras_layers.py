"""Keras layers one by one: rows, shapes, parameters and MACs worked out by hand, and every message."""

from __future__ import annotations

import pytest

from costmodel.errors import CostModelError, InputError
from costmodel.graph import Graph
from costmodel.importers.keras import keras_graph
from costmodel.importers.keras_layers import HANDLERS
from tests.unit.test_importer_keras import archive, fed, functional, layer, node, sequential, tensor, totals

FIRST = {"data_format": "channels_first"}


@pytest.fixture
def load(tmp_path):
    """Write a configuration and read it back."""
    return lambda config, inputs=None: keras_graph(archive(tmp_path / "net.keras", config), inputs)


def only(entry: dict, *shape: int | None) -> dict:
    """A model of one layer on an input of `shape`, batch left out."""
    return sequential(fed([None, *shape]), entry)


def rows(graph: Graph) -> list[tuple[str, str]]:
    """Operation and status of every row."""
    table = graph.table()
    return list(zip(table.ops, table.status, strict=True))


def others(graph: Graph) -> int:
    """Operations other than MACs."""
    return int(graph.table().total("other_ops")[0])


def shapes(graph: Graph) -> list[tuple[int, ...]]:
    """Shapes of the outputs in the graph: channels behind the batch where windows slide."""
    return [tuple(map(int, found.shape)) for found in graph.outputs]


# ---- products

CONVOLUTIONS = {
    "1d, strided": (layer("Conv1D", filters=5, kernel_size=[3], strides=[2]), (10, 3), (5, 4), 50, 4 * 45),
    "1d, dilated": (
        layer("Conv1D", filters=5, kernel_size=3, dilation_rate=3, padding="same"), (10, 3), (5, 10), 50, 10 * 45,
    ),
    "1d, causal, dilated": (
        layer("Conv1D", filters=5, kernel_size=3, dilation_rate=2, padding="causal"), (10, 3), (5, 10), 50, 10 * 45,
    ),
    "1d, causal, strided": (
        layer("Conv1D", filters=5, kernel_size=3, strides=2, padding="causal"), (10, 3), (5, 5), 50, 5 * 45,
    ),
    "1d, causal, channels first": (
        layer("Conv1D", filters=5, kernel_size=3, padding="causal", **FIRST), (3, 10), (5, 10), 50, 10 * 45,
    ),
    "2d, same": (
        layer("Conv2D", filters=4, kernel_size=[3, 5], strides=[2, 3], padding="same"), (9, 7, 3), (4, 5, 3), 184,
        5 * 3 * 180,
    ),
    "2d, dilated": (
        layer("Conv2D", filters=4, kernel_size=[3, 5], dilation_rate=[2, 1]), (9, 7, 3), (4, 5, 3), 184, 5 * 3 * 180,
    ),
    "2d, channels first": (
        layer("Conv2D", filters=4, kernel_size=[3, 5], strides=[3, 2], **FIRST), (3, 9, 7), (4, 3, 2), 184, 6 * 180,
    ),
    "2d, groups": (
        layer("Conv2D", filters=9, kernel_size=1, groups=3, use_bias=False), (4, 4, 6), (9, 4, 4), 18, 16 * 18,
    ),
    "3d, strided": (
        layer("Conv3D", filters=5, kernel_size=[2, 3, 3], strides=[1, 1, 2]), (4, 6, 8, 2), (5, 3, 4, 3), 185,
        36 * 180,
    ),
    "3d, channels first": (
        layer("Conv3D", filters=5, kernel_size=[2, 3, 3], padding="same", **FIRST), (2, 4, 6, 8), (5, 4, 6, 8), 185,
        192 * 180,
    ),
    "depthwise 1d": (
        layer("DepthwiseConv1D", kernel_size=3, strides=2, depth_multiplier=2, padding="same"), (10, 4), (8, 5), 32,
        5 * 24,
    ),
    "depthwise 2d, dilated": (
        layer("DepthwiseConv2D", kernel_size=3, dilation_rate=[2, 2]), (6, 6, 4), (4, 2, 2), 40, 4 * 36,
    ),
    "depthwise 2d, channels first": (
        layer("DepthwiseConv2D", kernel_size=[3, 3], use_bias=False, **FIRST), (4, 6, 6), (4, 4, 4), 36, 16 * 36,
    ),
    "separable 1d": (
        layer("SeparableConv1D", filters=5, kernel_size=3, depth_multiplier=2), (10, 4), (5, 8), 24 + 40 + 5,
        8 * 24 + 8 * 40,
    ),
    "separable 1d, causal": (
        layer("SeparableConv1D", filters=5, kernel_size=3, padding="causal"), (10, 4), (5, 10), 12 + 20 + 5,
        10 * 12 + 10 * 20,
    ),
    "separable 2d, channels first": (
        layer("SeparableConv2D", filters=4, kernel_size=3, strides=2, padding="same", use_bias=False, **FIRST),
        (3, 5, 5), (4, 3, 3), 27 + 12, 9 * 27 + 9 * 12,
    ),
    "transposed 1d, valid": (
        layer("Conv1DTranspose", filters=4, kernel_size=4, strides=3), (5, 3), (4, 16), 52, 5 * 48,
    ),
    "transposed 1d, more stride than window": (
        layer("Conv1DTranspose", filters=4, kernel_size=2, strides=3, padding="same"), (5, 3), (4, 15), 28, 5 * 24,
    ),
    "transposed 2d, output padding": (
        layer("Conv2DTranspose", filters=4, kernel_size=3, strides=2, padding="same", output_padding=[1, 0]),
        (4, 4, 2), (4, 8, 7), 76, 16 * 72,
    ),
    "transposed 2d, valid, output padding": (
        layer("Conv2DTranspose", filters=4, kernel_size=3, strides=2, output_padding=1), (4, 4, 2), (4, 10, 10), 76,
        16 * 72,
    ),
    "transposed 2d, dilated": (
        layer("Conv2DTranspose", filters=4, kernel_size=3, dilation_rate=2, use_bias=False), (4, 4, 2), (4, 8, 8), 72,
        16 * 72,
    ),
    "transposed 2d, channels first": (
        layer("Conv2DTranspose", filters=4, kernel_size=3, strides=2, padding="same", **FIRST), (2, 4, 4), (4, 8, 8),
        76, 16 * 72,
    ),
    "transposed 3d": (
        layer("Conv3DTranspose", filters=3, kernel_size=2, strides=2, padding="same"), (2, 3, 4, 2), (3, 4, 6, 8), 51,
        24 * 48,
    ),
}  # fmt: skip
"""Layer, input, output in the graph without the batch, parameters, MACs."""

PRODUCTS = {
    "dense": (layer("Dense", units=5), (7,), (5,), 40, 35),
    "dense over an image": (layer("Dense", units=5), (4, 4, 3), (4, 4, 5), 20, 16 * 15),
    "einsum, no bias": (layer("EinsumDense", equation="ab,bc->ac", output_shape=5), (7,), (5,), 35, 35),
    "einsum, bias": (
        layer("EinsumDense", equation="ab,bc->ac", output_shape=[5], bias_axes="c"), (7,), (5,), 40, 35,
    ),
    "einsum, any axes": (
        layer("EinsumDense", equation="...x, xy -> ...y", output_shape=[None, 5]), (3, 7), (3, 5), 35, 105,
    ),
    "einsum, heads joined": (
        layer("EinsumDense", equation="abcd,cde->abe", output_shape=[None, 5], bias_axes="e"), (3, 2, 4), (3, 5), 45,
        3 * 40,
    ),
    "embedding": (layer("Embedding", input_dim=9, output_dim=4), (3, 2), (3, 2, 4), 36, 0),
    "lstm": (layer("LSTM", units=4, use_bias=False), (5, 3), (4,), 16 * 7, 5 * 16 * 7),
    "lstm, every step": (layer("LSTM", units=4, return_sequences=True), (5, 3), (5, 4), 16 * 8, 5 * 16 * 7),
    "gru": (layer("GRU", units=4), (5, 3), (4,), 12 * 9, 5 * 12 * 7),
    "gru, no bias": (layer("GRU", units=4, use_bias=False, reset_after=False), (5, 3), (4,), 12 * 7, 5 * 12 * 7),
    "both ways, joined": (
        layer("Bidirectional", layer=layer("LSTM", units=4)), (5, 3), (8,), 2 * 128, 2 * 560,
    ),
    "both ways, every step": (
        layer("Bidirectional", layer=layer("GRU", units=4, return_sequences=True)), (5, 3), (5, 8), 2 * 108, 2 * 420,
    ),
    "both ways, multiplied": (
        layer("Bidirectional", merge_mode="mul", layer=layer("LSTM", units=4)), (5, 3), (4,), 2 * 128, 2 * 560,
    ),
    "both ways, averaged": (
        layer("Bidirectional", merge_mode="ave", layer=layer("GRU", units=4, reset_after=False)), (5, 3), (4,),
        2 * 96, 2 * 420,
    ),
    "every step": (
        layer("TimeDistributed", layer=layer("Conv2D", filters=4, kernel_size=3)), (3, 6, 6, 2), (3, 4, 4, 4), 76,
        3 * 16 * 72,
    ),
}  # fmt: skip
"""Layer, input, output without the batch, parameters, MACs."""


@pytest.mark.parametrize("case", [*CONVOLUTIONS, *PRODUCTS])
def test_products(load, case):
    """Layers with weights give the output, the weights and the products that Keras's documentation says."""
    entry, shape, out, params, macs = (CONVOLUTIONS | PRODUCTS)[case]
    graph = load(only(entry, *shape))

    assert (params, macs) == totals(graph)
    assert [(1, *out)] == shapes(graph)
    assert "unknown" not in graph.table().status


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_batches(load, case):
    """A batch of 3 has 3 times the MACs and the same parameters."""
    entry, shape, out, params, macs = CONVOLUTIONS[case]
    graph = load(only(entry, *shape), {"x": (3, *shape)})

    assert (params, 3 * macs) == totals(graph)
    assert [(3, *out)] == shapes(graph)


def attention(**config) -> dict:
    """Attention of 5 queries of 8 features over 7 values of 6."""
    entry = layer("MultiHeadAttention", "mha", num_heads=2, key_dim=3, **config)
    queries, values = (layer("InputLayer", name, batch_shape=[None, *shape]) for name, shape in (("q", (5, 8)), ("v", (7, 6))))
    call = node(query=tensor("q"), value=tensor("v"))
    return functional([(queries, []), (values, []), (entry, [call])], [["mha", 0, 0]])


@pytest.mark.parametrize(
    ("config", "out", "params", "macs"),
    [
        ({"value_dim": 4}, (1, 5, 8), 54 + 42 + 56 + 72, 240 + 252 + 336 + 210 + 280 + 320),
        ({"use_bias": False}, (1, 5, 8), 48 + 36 + 36 + 48, 240 + 252 + 252 + 210 + 210 + 240),
        ({"output_shape": [10]}, (1, 5, 10), 54 + 42 + 42 + 70, 240 + 252 + 252 + 210 + 210 + 300),
        ({"output_shape": 4, "attention_axes": [1]}, (1, 5, 4), 54 + 42 + 42 + 28, 240 + 252 + 252 + 210 + 210 + 120),
    ],
)
def test_cross_attention(load, config, out, params, macs):
    """Projections of query, key, value and output, scores and context, in this order."""
    graph = load(attention(**config))

    assert (params, macs) == totals(graph)
    assert [out] == shapes(graph)


@pytest.mark.parametrize(("kind", "index", "params"), [("LSTM", 2, 128), ("GRU", 1, 108)])
def test_states(load, kind, index, params):
    """A returned state is the last step of the sequence: a view."""
    entry = layer(kind, "r", units=4, return_sequences=True, return_state=True)
    graph = load(functional([(fed([None, 5, 3]), []), (entry, [node(tensor("x"))])], [["r", 0, 0], ["r", 0, index]]))

    assert shapes(graph) == [(1, 5, 4), (1, 4)]
    assert params == totals(graph)[0]


# ---- activations

FUNCTIONS = {
    **{name: name for name in ("relu", "relu6", "sigmoid", "tanh", "gelu", "silu", "elu", "mish", "softplus", "leaky_relu",
                               "selu", "softsign", "celu", "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus",
                               "log_sigmoid", "threshold", "sparse_plus", "sparse_sigmoid")},
    "swish": "silu", "hard_sigmoid": "hardsigmoid", "hard_silu": "hardswish", "hard_swish": "hardswish",
    "hard_tanh": "hardtanh", "exponential": "exp",
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("form", ["{}", {"class_name": "function", "config": "{}"}])
def test_activations(load, name, form):
    """An activation is a free row behind its layer, by name or as an object."""
    kind = name if isinstance(form, str) else {**form, "config": name}
    graph = load(only(layer("Dense", units=5, activation=kind), 7))

    assert [("linear", "counted"), (FUNCTIONS[name], "free")] == rows(graph)


@pytest.mark.parametrize("kind", ["linear", None])
def test_no_activation(load, kind):
    """A linear activation is no row."""
    assert rows(load(only(layer("Dense", units=5, activation=kind), 7))) == [("linear", "counted")]


@pytest.mark.parametrize(
    "entry",
    [
        layer("Conv2D", filters=2, kernel_size=1, activation="relu"),
        layer("DepthwiseConv2D", kernel_size=1, activation="relu"),
        layer("Conv2DTranspose", filters=2, kernel_size=1, activation="relu"),
        layer("EinsumDense", equation="abcd,de->abce", output_shape=[None, None, 2], activation="relu"),
    ],
)
def test_activations_of_layers(load, entry):
    """Every layer with weights may end in an activation."""
    assert rows(load(only(entry, 4, 4, 3)))[-1] == ("relu", "free")


@pytest.mark.parametrize(
    ("entry", "op", "other_ops"),
    [
        (layer("Activation", activation="relu"), "relu", 48),
        (layer("Activation", activation="softmax"), "softmax", 240),
        (layer("Activation", activation="log_softmax"), "softmax", 240),
        (layer("LeakyReLU", negative_slope=0.2), "leaky_relu", 48),
        (layer("ELU", alpha=1.0), "elu", 48),
        (layer("Softmax", axis=-1), "softmax", 240),
        (layer("Softmax", axis=1), "softmax", 240),
        (layer("Softmax", axis=[1, 2]), "softmax", 240),
        (layer("ReLU"), "relu", 48),
        (layer("ReLU", max_value=6), "relu6", 48),
        (layer("ReLU", max_value=3.0), "hardtanh", 48),
        (layer("ReLU", negative_slope=0.1), "leaky_relu", 48),
        (layer("Rescaling", scale=0.1), "mul", 48),
        (layer("Normalization", axis=-1), "normalize", 48),
        *[
            (layer(kind, module="keras.src.ops.numpy"), kind.lower(), 48)
            for kind in ("Exp", "Sqrt", "Square", "Abs", "Negative", "Sin", "Cos", "Log", "Rsqrt", "Clip")
        ],
    ],
)
def test_functions(load, entry, op, other_ops):
    """Functions of each element: one row without parameters that keeps the shape."""
    graph = load(only(entry, 4, 4, 3))

    assert [(op, "counted")] == rows(graph)
    assert ((0, 0), other_ops, [(1, 4, 4, 3)]) == (totals(graph), others(graph), shapes(graph))


IDENTITIES = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout", "GaussianNoise",
    "AlphaDropout", "ActivityRegularization", "Identity", "Masking", "RandomFlip", "RandomRotation", "RandomZoom",
    "StochasticDepth", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomCrop",
)  # fmt: skip


@pytest.mark.parametrize("kind", IDENTITIES)
def test_identities(load, kind):
    """Layers that only train: free."""
    graph = load(only(layer(kind), 4, 4, 3))

    assert [(kind.lower(), "free")] == rows(graph)
    assert shapes(graph) == [(1, 4, 4, 3)]


# ---- layers with a few parameters

TRAINED = {
    "batch norm": (layer("BatchNormalization"), (4, 4, 6), 12),
    "batch norm of features": (layer("BatchNormalization"), (6,), 12),
    "batch norm, listed axis": (layer("BatchNormalization", axis=[3]), (4, 4, 6), 12),
    "batch norm, channels first": (layer("BatchNormalization", axis=1), (6, 4, 3), 12),
    "batch norm, from the end": (layer("BatchNormalization", axis=-3), (6, 4, 3), 12),
    "batch norm, shift": (layer("BatchNormalization", scale=False), (4, 4, 6), 6),
    "batch norm, scale": (layer("BatchNormalization", center=False), (4, 4, 6), 6),
    "batch norm, neither": (layer("BatchNormalization", center=False, scale=False), (4, 4, 6), 0),
    "layer norm": (layer("LayerNormalization"), (4, 6), 12),
    "layer norm of two axes": (layer("LayerNormalization", axis=[2, 1]), (4, 6), 48),
    "layer norm, shift": (layer("LayerNormalization", scale=False), (4, 6), 6),
    "layer norm, scale": (layer("LayerNormalization", center=False, axis=[1, 2]), (4, 6), 24),
    "layer norm, neither": (layer("LayerNormalization", center=False, scale=False), (4, 6), 0),
    "layer norm by squares": (layer("LayerNormalization", rms_scaling=True), (4, 6), 6),
    "layer norm by squares, scaled anyway": (layer("LayerNormalization", rms_scaling=True, scale=False), (4, 6), 6),
    "rms norm": (layer("RMSNormalization", axis=-1), (4, 6), 6),
    "group norm": (layer("GroupNormalization", groups=3), (4, 4, 6), 12),
    "instance norm": (layer("GroupNormalization", groups=-1), (4, 4, 6), 12),
    "group norm, channels first": (layer("GroupNormalization", groups=3, axis=1), (6, 4, 5), 12),
    "group norm, from the end": (layer("GroupNormalization", groups=3, axis=-3), (6, 4, 5), 12),
    "group norm, scale": (layer("GroupNormalization", groups=3, center=False), (4, 4, 6), 6),
    "group norm, shift": (layer("GroupNormalization", groups=3, scale=False), (4, 4, 6), 6),
    "group norm, neither": (layer("GroupNormalization", groups=3, scale=False, center=False), (4, 4, 6), 0),
    "slopes": (layer("PReLU"), (4, 4, 6), 96),
    "slopes per channel": (layer("PReLU", shared_axes=[1, 2]), (4, 4, 6), 6),
    "slope": (layer("PReLU", shared_axes=[1, 2, 3]), (4, 4, 6), 1),
    "layer scale": (layer("LayerScale", projection_dim=6), (4, 4, 6), 6),
}
"""Layer, input, parameters."""


@pytest.mark.parametrize("case", TRAINED)
def test_trained(load, case):
    """Normalisations and slopes count what they train and nothing else, once for two calls."""
    entry, shape, params = TRAINED[case]
    graph = load(only(entry, *shape))
    name = entry["config"]["name"]
    twice = load(functional([(fed([None, *shape]), []), (entry, [node(tensor("x")), node(tensor(name))])], [[name, 1, 0]]))

    assert [(params, 0)] * 2 == [totals(graph), totals(twice)]
    assert sorted((1, *shape)) == sorted(shapes(graph)[0]) == sorted(shapes(twice)[0])


@pytest.mark.parametrize(
    ("entry", "shape", "params", "macs"),
    [
        (layer("Conv2D", "s", filters=3, kernel_size=3, padding="same"), (4, 4, 3), 84, 16 * 81),
        (layer("DepthwiseConv2D", "s", kernel_size=3, padding="same"), (4, 4, 3), 30, 16 * 27),
        (layer("SeparableConv2D", "s", filters=3, kernel_size=3, padding="same"), (4, 4, 3), 39, 16 * 36),
        (layer("Conv2DTranspose", "s", filters=3, kernel_size=3, padding="same"), (4, 4, 3), 84, 16 * 81),
        (layer("Dense", "s", units=6), (6,), 42, 36),
        (layer("EinsumDense", "s", equation="ab,bc->ac", output_shape=6, bias_axes="c"), (6,), 42, 36),
        (layer("LSTM", "s", units=6, return_sequences=True), (5, 6), 24 * 13, 5 * 24 * 12),
        (layer("GRU", "s", units=6, return_sequences=True), (5, 6), 18 * 14, 5 * 18 * 12),
        (layer("TimeDistributed", "s", layer=layer("Dense", units=6)), (5, 6), 42, 5 * 36),
        (
            layer("Bidirectional", "s", merge_mode="sum", layer=layer("LSTM", units=6, return_sequences=True)), (5, 6),
            2 * 24 * 13, 2 * 5 * 24 * 12,
        ),
        ({**sequential(fed([None, 6]), layer("Dense", units=6)), "name": "net"}, (6,), 42, 36),
    ],
)  # fmt: skip
def test_shared_layers(load, entry, shape, params, macs):
    """A layer or a model called twice has its parameters once and its MACs twice."""
    name = entry["config"]["name"]
    calls = [node(tensor("x")), node(tensor(name))]
    graph = load(functional([(fed([None, *shape]), []), (entry, calls)], [[name, 1, 0]]))

    assert (params, 2 * macs) == totals(graph)


def test_shared_attention(load):
    """Attention called twice has four projections, and every product twice."""
    entry = layer("MultiHeadAttention", "mha", num_heads=2, key_dim=4, use_bias=False)
    calls = [node(tensor(name), tensor(name)) for name in ("x", "mha")]
    graph = load(functional([(fed([None, 5, 8]), []), (entry, calls)], [["mha", 1, 0]]))

    assert totals(graph) == (4 * 64, 2 * (4 * 5 * 64 + 2 * 2 * 5 * 5 * 4))


def test_models_within_models(load):
    """Inner models take their inputs in order, name their layers under theirs, and may lie three deep."""
    inner = functional([(fed([None, 6]), []), (layer("Dense", "d", units=4), [node(tensor("x"))])], [["d", 0, 0]])
    inner["config"]["name"] = "inner"
    middle = sequential(inner, layer("Dense", "e", units=2))
    middle["config"]["name"] = "middle"
    graph = load(only(middle, 6))

    assert graph.table().names == ("middle/inner/d", "middle/e")
    assert totals(graph) == (28 + 10, 24 + 8)


# ---- layers without parameters

PLAIN = {
    "max 1d": (layer("MaxPooling1D", pool_size=3, strides=2), (9, 4), (4, 4)),
    "max 2d, same": (layer("MaxPooling2D", pool_size=[2, 3], padding="same"), (5, 7, 4), (4, 3, 3)),
    "max 2d, channels first": (layer("MaxPooling2D", pool_size=[2, 3], **FIRST), (4, 5, 7), (4, 2, 2)),
    "max 3d": (layer("MaxPooling3D", pool_size=2, strides=[1, 2, 2]), (4, 4, 4, 3), (3, 3, 2, 2)),
    "average 1d": (layer("AveragePooling1D", pool_size=[2], strides=None), (9, 4), (4, 4)),
    "average 2d": (layer("AveragePooling2D", pool_size=3, strides=1), (5, 7, 4), (4, 3, 5)),
    "average 3d, channels first": (layer("AveragePooling3D", pool_size=2, **FIRST), (3, 4, 4, 6), (3, 2, 2, 3)),
    "global max 1d": (layer("GlobalMaxPooling1D"), (9, 4), (4,)),
    "global max 2d, kept": (layer("GlobalMaxPooling2D", keepdims=True), (5, 7, 4), (4, 1, 1)),
    "global max 3d": (layer("GlobalMaxPooling3D"), (4, 4, 4, 3), (3,)),
    "global average 1d, channels first": (layer("GlobalAveragePooling1D", **FIRST), (4, 9), (4,)),
    "global average 2d, channels first": (layer("GlobalAveragePooling2D", **FIRST), (4, 5, 7), (4,)),
    "global average 3d": (layer("GlobalAveragePooling3D"), (4, 4, 4, 3), (3,)),
    "up 1d": (layer("UpSampling1D", size=3), (4, 2), (2, 12)),
    "up 2d": (layer("UpSampling2D", size=[2, 3]), (4, 5, 2), (2, 8, 15)),
    "up 2d, channels first": (layer("UpSampling2D", interpolation="bilinear", **FIRST), (2, 4, 5), (2, 8, 10)),
    "up 3d": (layer("UpSampling3D", size=[1, 2, 3]), (2, 3, 4, 2), (2, 2, 6, 12)),
    "resize": (layer("Resizing", height=3, width=9, interpolation="bicubic"), (4, 5, 2), (2, 3, 9)),
    "resize, channels first": (layer("Resizing", height=3, width=9, **FIRST), (2, 4, 5), (2, 3, 9)),
    "pad 1d": (layer("ZeroPadding1D", padding=[1, 2]), (4, 2), (2, 7)),
    "pad 1d, both": (layer("ZeroPadding1D", padding=2), (4, 2), (2, 8)),
    "pad 2d, one for all": (layer("ZeroPadding2D", padding=2), (4, 5, 2), (2, 8, 9)),
    "pad 2d, per axis": (layer("ZeroPadding2D", padding=[1, 2]), (4, 5, 2), (2, 6, 9)),
    "pad 2d, per edge": (layer("ZeroPadding2D", padding=[[0, 1], [2, 3]], **FIRST), (2, 4, 5), (2, 5, 10)),
    "pad 3d": (layer("ZeroPadding3D", padding=[[0, 1], [2, 0], [1, 1]]), (2, 3, 4, 2), (2, 3, 5, 6)),
    "flatten": (layer("Flatten"), (4, 5, 2), (40,)),
    "flatten features": (layer("Flatten"), (4,), (4,)),
    "reshape": (layer("Reshape", target_shape=[5, 8]), (4, 5, 2), (5, 8)),
    "reshape, rest": (layer("Reshape", target_shape=[-1, 10]), (4, 5, 2), (4, 10)),
    "permute": (layer("Permute", dims=[3, 1, 2]), (4, 5, 2), (2, 4, 5)),
    "transpose": (layer("Transpose", axes=[0, 2, 1], module="keras.src.ops.numpy"), (4, 5), (5, 4)),
    "repeat": (layer("RepeatVector", n=3), (4,), (3, 4)),
    "mean": (layer("Mean", axis=[1, 2], keepdims=False, module="keras.src.ops.numpy"), (4, 5, 2), (2,)),
    "sum, kept": (layer("Sum", axis=-1, keepdims=True, module="keras.src.ops.numpy"), (4, 5), (4, 1)),
    "max": (layer("Max", axis=1, module="keras.src.ops.numpy"), (4, 5), (5,)),
    "min": (layer("Min", axis=2, module="keras.src.ops.numpy"), (4, 5), (4,)),
}
"""Layer, input, output in the graph without the batch."""

CROPS = {
    "1d": (layer("Cropping1D", cropping=[1, 2]), (9, 4), (6, 4)),
    "2d, one for all": (layer("Cropping2D", cropping=1), (9, 7, 4), (7, 5, 4)),
    "2d, channels first": (layer("Cropping2D", cropping=[[1, 0], [0, 2]], **FIRST), (4, 9, 7), (4, 8, 5)),
    "3d": (layer("Cropping3D", cropping=[1, 0, 2]), (4, 5, 6, 2), (2, 5, 2, 2)),
}


@pytest.mark.parametrize("case", PLAIN)
def test_layers_without_parameters(load, case):
    """Pooling, interpolation, padding and layout: shapes by Keras's own rules, no weights, no MACs."""
    entry, shape, out = PLAIN[case]
    graph = load(only(entry, *shape))

    assert [(1, *out)] == shapes(graph)
    assert totals(graph) == (0, 0)
    assert "unknown" not in graph.table().status


@pytest.mark.parametrize("case", CROPS)
def test_cropping(load, case):
    """Cropping is a view, free; where windows slide the graph has channels behind the batch."""
    entry, shape, out = CROPS[case]
    graph = load(only(entry, *shape))
    last = out if "first" in case else (out[-1], *out[:-1])

    assert [(1, *last)] == shapes(graph)
    assert {"free"} == {status for _, status in rows(graph)}


COMBINED = {
    "Add": "add", "Subtract": "sub", "Multiply": "mul", "Maximum": "max", "Minimum": "min", "Average": "add",
    "Divide": "div", "TrueDivide": "div", "Power": "pow",
}  # fmt: skip


@pytest.mark.parametrize("kind", COMBINED)
@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 1, 3), (1, 4, 1)])
def test_joined_element_by_element(load, kind, shape):
    """Two tensors that broadcast, in one list or as two arguments: one operation per element."""
    inputs = [(layer("InputLayer", name, batch_shape=[None, *size]), []) for name, size in (("x", (4, 4, 3)), ("y", shape))]
    for call in (node([tensor("x"), tensor("y")]), node(tensor("x"), tensor("y"))):
        graph = load(functional([*inputs, (layer(kind, "j"), [call])], [["j", 0, 0]]))

        assert [(COMBINED[kind], "counted")] == rows(graph)
        assert (others(graph), shapes(graph)) == (48, [(1, 4, 4, 3)])


@pytest.mark.parametrize(("axis", "out"), [(-1, (1, 7, 4, 4)), (3, (1, 7, 4, 4))])
def test_concatenation_behind_windows(load, axis, out):
    """Channels of two convolutions are joined where the graph has them, in place."""
    convolutions = [
        (layer("Conv2D", name, filters=filters, kernel_size=1), [node(tensor("x"))]) for name, filters in (("a", 3), ("b", 4))
    ]
    join = (layer("Concatenate", "j", axis=axis), [node([tensor("a"), tensor("b")])])
    graph = load(functional([(fed([None, 4, 4, 3]), []), *convolutions, join], [["j", 0, 0]]))

    assert [out] == shapes(graph)
    assert rows(graph)[-1] == ("concat", "free")


# ---- messages


@pytest.mark.parametrize(("kind", "each"), [("LSTM", 2), ("GRU", 1)])
@pytest.mark.parametrize(
    ("mode", "sequences", "shapes"),
    [
        ("concat", False, [(1, 8)]),
        ("concat", True, [(1, 5, 8)]),
        ("sum", True, [(1, 5, 4)]),
        (None, False, [(1, 4), (1, 4)]),
        (None, True, [(1, 5, 4), (1, 5, 4)]),
    ],
)
def test_states_of_both_directions(load, kind, each, mode, sequences, shapes):
    """The outputs, then hidden (and cell) state of the forward and of the backward direction; MACs do not change."""
    recurrent = layer(kind, units=4, return_sequences=sequences, return_state=True)
    entry = layer("Bidirectional", "both", merge_mode=mode, layer=recurrent)
    count = len(shapes) + 2 * each
    layers = [(fed([None, 5, 3]), []), (entry, [node(tensor("x"))])]
    layers += [(layer("ReLU", f"relu{index}"), [node(tensor("both", 0, index))]) for index in range(count)]
    graph = load(functional(layers, [[f"relu{index}", 0, 0] for index in range(count)]))
    gates = {"LSTM": 4, "GRU": 3}[kind]

    assert [made.shape for made in graph.outputs] == shapes + [(1, 4)] * 2 * each
    assert totals(graph)[1] == 2 * 5 * gates * 4 * (3 + 4)


@pytest.mark.parametrize(
    ("entry", "shape", "message"),
    [
        (layer("BatchNormalization", axis=2), (4, 5, 6), "batch normalisation of axis 2"),
        (layer("GroupNormalization", groups=2, axis=2), (4, 6, 5), "group normalisation of axis 2"),
        (layer("LayerNormalization", axis=1), (4, 5, 6), r"layer normalisation of axes \[1\]"),
        (layer("EinsumDense", equation="ab,ca->cb", output_shape=[2]), (4,), "EinsumDense with the equation 'ab,ca->cb'"),
        (layer("EinsumDense", equation="ab,bcd->acd", output_shape=[2, 3], bias_axes="d"), (4,), "biases along 'd'"),
        (layer("Bidirectional", layer=layer("SimpleRNN", units=3)), (4, 5), "Bidirectional around SimpleRNN"),
        (layer("Bidirectional", merge_mode="max", layer=layer("LSTM", units=3)), (4, 5), "with merge mode 'max'"),
        (layer("MultiHeadAttention", num_heads=2, key_dim=3), (4, 5), "attention without query and value"),
        (layer("Dense", units=3, activation="my_function"), (4,), "the activation 'my_function'"),
        (layer("SimpleRNN", units=3), (4, 5), "the layer SimpleRNN"),
        (layer("TimeDistributed", layer=layer("Lambda")), (4, 5), "layer 'timedistributed/lambda'.*the layer Lambda"),
    ],
)
def test_forms_without_a_model(load, entry, shape, message):
    """Known layers in a form nobody models are named, and the message leads to ONNX."""
    with pytest.raises(InputError, match=rf"{message}.* is not described by the file alone; export the model"):
        load(only(entry, *shape))


def test_attention_over_several_axes(load):
    """Attention over other axes than the sequence has no model."""
    with pytest.raises(InputError, match="attention over several axes or with a gate"):
        load(attention(attention_axes=[1, 2]))


@pytest.mark.parametrize(
    ("entry", "shape", "message"),
    [
        (layer("Conv2D", filters=2, kernel_size=[70_000, 1]), (4, 4, 3), "a window of 70000 taps; the most is 65536"),
        (layer("Conv2D", filters=2, kernel_size=5), (4, 4, 3), "the window is larger than the padded input"),
        (layer("Conv2D", filters=2, kernel_size=1, padding="reflect"), (4, 4, 3), "padding must be sizes, .*got 'reflect'"),
        (layer("Conv2D", filters=3, kernel_size=1, groups=2), (4, 4, 3), "groups 2 do not divide the input channels"),
        (layer("Conv2D", filters=2, kernel_size=[1, 1, 1]), (4, 4, 3), "kernel must have one entry per spatial axis"),
        (layer("Conv2D", kernel_size=1), (4, 4, 3), "not as Keras 3 writes it .KeyError: 'filters'"),
        (layer("UpSampling2D", interpolation="lanczos3"), (4, 4, 3), "mode must be one of nearest"),
        (layer("Concatenate", axis=7), (4, 3), "axis 7 does not exist"),
        (layer("Permute", dims=[1, 1]), (4, 3), r"axes must name each axis once, got \(0, 1, 1\)"),
        (layer("Reshape", target_shape=[5]), (4, 3), "cannot hold the same elements"),
        (layer("Cropping1D", cropping=9), (9, 4), "is empty or outside"),
        (layer("RepeatVector", n=3), (4, 3), "not as Keras 3 writes it"),
        (layer("GroupNormalization", groups=4), (4, 4, 6), "groups 4 do not divide the channels"),
        (layer("LSTM", units=4), (3,), "batch, time, features"),
    ],
)
def test_layers_that_do_not_fit(load, entry, shape, message):
    """Sizes that contradict each other are refused by one message."""
    with pytest.raises(CostModelError, match=message):
        load(only(entry, *shape))


def test_every_layer_is_tested():
    """No layer has a handler that the tables of this file leave out."""
    tables = (CONVOLUTIONS, PRODUCTS, TRAINED, PLAIN, CROPS)
    tested = {case[0]["class_name"] for table in tables for case in table.values()} | {*IDENTITIES, *COMBINED}
    tested |= {"Activation", "LeakyReLU", "ELU", "Softmax", "ReLU", "MultiHeadAttention", "Concatenate"}
    tested |= {"Rescaling", "Normalization", "Exp", "Sqrt", "Square", "Abs", "Negative", "Sin", "Cos", "Log", "Rsqrt", "Clip"}

    assert set() == HANDLERS.keys() - tested
