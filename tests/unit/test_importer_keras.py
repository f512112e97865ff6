"""Keras 3 archives: parameters and MACs of networks that Keras itself wrote, layers one by one, bad files.

``COSTMODEL_FUZZ=1000`` sets the mutations per sample file (default 40).
"""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.graph import Graph
from costmodel.importers import keras as importer
from costmodel.importers.keras import keras_graph
from costmodel.importers.tflite import tflite_graph

SAMPLES = Path(__file__).parents[1] / "models" / "keras"


def totals(graph: Graph) -> tuple[int, int]:
    """Parameters and MACs."""
    table = graph.table()
    return int(table.total("params")[0]), int(table.total("macs")[0])


def layer(kind: str, name: str = "", module: str = "keras.layers", **config) -> dict:
    """A layer as Keras writes it."""
    name = name or kind.lower()
    return {"module": module, "class_name": kind, "config": {"name": name, **config}, "registered_name": None}


def fed(shape) -> dict:
    """An input layer."""
    return layer("InputLayer", "x", batch_shape=shape)


def sequential(*layers: dict) -> dict:
    """A Sequential model."""
    return layer("Sequential", "net", module="keras", layers=list(layers))


def tensor(name: str, node: int = 0, index: int = 0) -> dict:
    """A reference to the output of a layer."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "keras_history": [name, node, index]}}


def node(*args, **kwargs) -> dict:
    """One call of a layer."""
    return {"args": list(args), "kwargs": kwargs}


def functional(layers: list[tuple[dict, list]], outputs: list) -> dict:
    """A Functional model: layers with their calls."""
    entries = [{**entry, "name": entry["config"]["name"], "inbound_nodes": nodes} for entry, nodes in layers]
    inputs = [[e["name"], 0, 0] for e in entries if e["class_name"] == "InputLayer"]
    return layer("Functional", "net", module="keras", layers=entries, input_layers=inputs, output_layers=outputs)


def archive(path: Path, config: object, member: str = "config.json") -> Path:
    """Write an archive with one member; text and bytes as they are, anything else as JSON."""
    text = config if isinstance(config, (str, bytes)) else json.dumps(config)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(member, text)
    return path


@pytest.fixture
def load(tmp_path):
    """Write a configuration and read it back."""
    return lambda config, inputs=None: keras_graph(archive(tmp_path / "net.keras", config), inputs)


# ---- what Keras wrote


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("sequential", 13_610, 26 * 26 * 8 * 9 + 1352 * 10),
        ("cnn", 4_114, 853_920),
        ("recurrent", 7_948, 86_928),
        ("attention", 9_272, 159_744),
        ("nested", 145, 7_816),
        ("video", 766, 178_416),
        ("mobilenet_v3_small", 2_542_856, 56_510_400),
        ("convnext_tiny", 28_589_128, 4_455_531_264),
    ],
)
def test_real_files_are_exact(name, params, macs):
    """Trainable parameters as Keras counts them, and MACs; see PROVENANCE.md."""
    graph = keras_graph(SAMPLES / f"{name}.keras")

    assert (params, macs) == totals(graph)
    assert "unknown" not in graph.table().status


def test_needs_no_keras():
    """Reading an archive imports neither Keras nor a backend."""
    before = set(sys.modules)
    keras_graph(SAMPLES / "cnn.keras")

    assert not {"keras", "tensorflow", "jax", "torch", "h5py"} & (sys.modules.keys() - before)


def test_the_same_network_from_tflite():
    """MobileNetV3-Small has the same products from Keras and from the converted file."""
    converted = Path(__file__).parents[1] / "models" / "tflite" / "mobilenet_v3_small_int8.tflite"
    keras = keras_graph(SAMPLES / "mobilenet_v3_small.keras").table()
    tflite = tflite_graph(converted, {"keras_tensor_196": (1, 224, 224, 3)}).table()
    columns = ("n", "g", "k", "c", "p", "q", "r", "s", "stride_h", "macs", "ifmap_elems", "ofmap_elems")
    mine, other = (
        [tuple(int(table[c][i, 0]) for c in columns) for i, op in enumerate(table.ops) if op == "conv"]
        for table in (keras, tflite)
    )

    assert mine == other


def test_equals_the_hand_written_network(load):
    """An archive and a description of the same network give equal tables."""
    table = load(
        sequential(
            fed([None, 8, 8, 3]),
            layer("Conv2D", "conv", filters=16, kernel_size=[3, 3], strides=[2, 2], padding="same", use_bias=False),
            layer("BatchNormalization", "bn", axis=-1),
            layer("ReLU", "relu", max_value=6.0, negative_slope=0.0),
            layer("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        )
    ).table()
    g = Graph("hand")
    x = g.conv("conv", g.input("x", (1, 3, 8, 8)), 16, 3, stride=2, padding="same", bias=False)
    g.max_pool("pool", g.relu6("relu", g.batch_norm("bn", x)), 2)

    for column in table.__dataclass_fields__:
        mine, other = table[column], g.table()[column]
        assert mine == other if isinstance(mine, tuple) else (mine == other).all(), column


def test_models_within_are_groups():
    """Layers of a model within are named under it, and a second call does not count parameters again."""
    table = keras_graph(SAMPLES / "nested.keras").table()

    assert table.names[:2] == ("tower/c", "tower/b")
    assert [int(p) for n, p in zip(table.names, table.params[:, 0], strict=True) if n.startswith("tower/c")] == [112, 0]


# ---- layers


CASES = {
    "conv1d": (layer("Conv1D", filters=4, kernel_size=[3], padding="causal"), [None, 8, 2], (8, 4), 28, 192),
    "conv1d first": (
        layer("Conv1D", filters=4, kernel_size=[3], data_format="channels_first"), [None, 2, 8], (4, 6), 28, 144,
    ),
    "conv2d groups": (
        layer("Conv2D", filters=8, kernel_size=[3, 3], groups=2, dilation_rate=[2, 2]), [None, 8, 8, 4], (4, 4, 8), 152,
        4 * 4 * 8 * 18,
    ),
    "conv3d": (layer("Conv3D", filters=2, kernel_size=[2, 2, 2]), [None, 3, 3, 3, 1], (2, 2, 2, 2), 18, 128),
    "depthwise": (
        layer("DepthwiseConv2D", kernel_size=[3, 3], depth_multiplier=2, padding="same"), [None, 4, 4, 3], (4, 4, 6), 60,
        16 * 6 * 9,
    ),
    "separable": (
        layer("SeparableConv2D", filters=5, kernel_size=[3, 3], depth_multiplier=1), [None, 5, 5, 3], (3, 3, 5), 47,
        9 * 27 + 9 * 15,
    ),
    "transpose same": (
        layer("Conv2DTranspose", filters=4, kernel_size=[3, 3], strides=[2, 2], padding="same"), [None, 4, 4, 2],
        (8, 8, 4), 76, 16 * 72,
    ),
    "transpose valid": (
        layer("Conv2DTranspose", filters=4, kernel_size=[3, 3], strides=[2, 2], padding="valid"), [None, 4, 4, 2],
        (9, 9, 4), 76, 16 * 72,
    ),
    "dense": (layer("Dense", units=5, activation="softmax"), [None, 7], (5,), 40, 35),
    "dense over axes": (layer("Dense", units=5, use_bias=False), [None, 3, 7], (3, 5), 35, 105),
    "einsum": (
        layer("EinsumDense", equation="abc,cde->abde", output_shape=[None, 2, 4], bias_axes="de"), [None, 3, 7],
        (3, 2, 4), 64, 168,
    ),
    "batch norm": (layer("BatchNormalization", axis=-1), [None, 4, 4, 3], (4, 4, 3), 6, 0),
    "batch norm scale": (layer("BatchNormalization", axis=-1, scale=False), [None, 4, 4, 3], (4, 4, 3), 3, 0),
    "layer norm": (layer("LayerNormalization", axis=[-1]), [None, 4, 3], (4, 3), 6, 0),
    "layer norm scale": (layer("LayerNormalization", axis=-1, center=False), [None, 4, 3], (4, 3), 3, 0),
    "group norm": (layer("GroupNormalization", groups=2), [None, 4, 4, 6], (4, 4, 6), 12, 0),
    "average pool": (layer("AveragePooling2D", pool_size=[2, 2], padding="same"), [None, 5, 5, 3], (3, 3, 3), 0, 0),
    "max pool 3d": (layer("MaxPooling3D", pool_size=[2, 2, 2]), [None, 4, 4, 4, 3], (2, 2, 2, 3), 0, 0),
    "global max": (layer("GlobalMaxPooling2D"), [None, 5, 5, 3], (3,), 0, 0),
    "global keepdims": (layer("GlobalAveragePooling2D", keepdims=True), [None, 5, 5, 3], (1, 1, 3), 0, 0),
    "up": (layer("UpSampling2D", size=[2, 3], interpolation="bilinear"), [None, 2, 2, 3], (4, 6, 3), 0, 0),
    "resize": (layer("Resizing", height=7, width=5), [None, 2, 2, 3], (7, 5, 3), 0, 0),
    "pad": (layer("ZeroPadding2D", padding=[[1, 2], [0, 1]]), [None, 2, 2, 3], (5, 3, 3), 0, 0),
    "pad 1d": (layer("ZeroPadding1D", padding=[1, 2]), [None, 2, 3], (5, 3), 0, 0),
    "crop": (layer("Cropping2D", cropping=[[1, 0], [0, 1]]), [None, 4, 4, 3], (3, 3, 3), 0, 0),
    "prelu": (layer("PReLU", shared_axes=[1, 2]), [None, 4, 4, 3], (4, 4, 3), 3, 0),
    "leaky": (layer("LeakyReLU", negative_slope=0.1), [None, 4, 4, 3], (4, 4, 3), 0, 0),
    "dropout": (layer("SpatialDropout2D", rate=0.5), [None, 4, 4, 3], (4, 4, 3), 0, 0),
    "rescale": (layer("Rescaling", scale=0.1), [None, 4, 4, 3], (4, 4, 3), 0, 0),
    "flatten": (layer("Flatten"), [None, 4, 4, 3], (48,), 0, 0),
    "reshape": (layer("Reshape", target_shape=[-1, 3]), [None, 4, 6], (8, 3), 0, 0),
    "permute": (layer("Permute", dims=[2, 1]), [None, 4, 6], (6, 4), 0, 0),
    "repeat": (layer("RepeatVector", n=3), [None, 4], (3, 4), 0, 0),
    "embedding": (layer("Embedding", input_dim=10, output_dim=4), [None, 6], (6, 4), 40, 0),
    "lstm": (layer("LSTM", units=4), [None, 5, 3], (4,), 4 * 4 * (3 + 4 + 1), 5 * 16 * 7),
    "lstm sequence": (layer("LSTM", units=4, return_sequences=True), [None, 5, 3], (5, 4), 128, 560),
    "gru": (layer("GRU", units=4, reset_after=True), [None, 5, 3], (4,), 12 * (3 + 4 + 2), 5 * 12 * 7),
    "gru before": (layer("GRU", units=4, reset_after=False), [None, 5, 3], (4,), 12 * (3 + 4 + 1), 5 * 12 * 7),
    "both ways": (
        layer("Bidirectional", merge_mode="sum", layer=layer("LSTM", units=4, return_sequences=True)), [None, 5, 3],
        (5, 4), 256, 1120,
    ),
    "steps": (layer("TimeDistributed", layer=layer("Dense", units=2)), [None, 5, 3], (5, 2), 8, 30),
}  # fmt: skip
"""Layer, input, output without the batch, parameters, MACs."""


@pytest.mark.parametrize("case", CASES)
def test_layers(load, case):
    """Each layer gives the shape, the parameters and the MACs that Keras's documentation says."""
    entry, shape, out, params, macs = CASES[case]
    graph = load(sequential(fed(shape), entry))
    found = graph.outputs[0]
    sizes = sorted(map(int, found.shape))

    assert (params, macs) == totals(graph)
    assert sorted((1, *out)) == sizes
    assert all(status != "unknown" for status in graph.table().status)


def test_attention_counts_all_products(load):
    """Four projections, scores and context."""
    entry = layer("MultiHeadAttention", "mha", num_heads=2, key_dim=4, value_dim=4, use_bias=False)
    call = node(tensor("x"), tensor("x"))
    graph = load(functional([(fed([None, 5, 8]), []), (entry, [call])], ["mha", 0, 0]))

    assert totals(graph) == (4 * 64, 5 * 256 + 2 * 2 * 5 * 5 * 4)
    assert "mha/scores" in graph.table().names


def test_branches_join(load):
    """Sum, concatenation and a number among the arguments."""
    layers = [
        (fed([None, 4, 4, 3]), []),
        (layer("Conv2D", "a", filters=3, kernel_size=1), [node(tensor("x"))]),
        (layer("Add", "sum"), [node([tensor("x"), tensor("a")])]),
        (layer("Concatenate", "join", axis=-1), [node([tensor("sum"), tensor("a")])]),
        (layer("Multiply", "half", module="keras.src.ops.numpy"), [node(tensor("join"), 0.5)]),
    ]
    graph = load(functional(layers, [["half", 0, 0]]))

    assert totals(graph) == (12, 144)
    assert graph.outputs[0].shape == (1, 6, 4, 4)


def test_shared_layers_count_once(load):
    """A layer called twice has its parameters once and its MACs twice."""
    calls = [node(tensor("x")), node(tensor("head"))]
    graph = load(functional([(fed([None, 4]), []), (layer("Dense", "head", units=4), calls)], ["head", 1, 0]))

    assert totals(graph) == (20, 32)


def test_keras_2_connections(load):
    """Connections as Keras 2.13 wrote them into the same archive."""
    layers = [(fed([None, 4]), []), (layer("Dense", "d", units=3), [[["x", 0, 0, {}]]])]

    assert totals(load(functional(layers, [["d", 0, 0]]))) == (15, 12)


def test_file_order_does_not_matter(load):
    """A layer may come before what it reads."""
    layers = [
        (layer("Dense", "b", units=2), [node(tensor("a"))]),
        (layer("Dense", "a", units=3), [node(tensor("x"))]),
        (fed([None, 4]), []),
    ]

    assert load(functional(layers, ["b", 0, 0])).table().names == ("a", "b")


# ---- inputs


def test_open_axes_are_asked_for(load):
    """Height and width that the model leaves open."""
    config = sequential(fed([None, None, None, 3]), layer("Conv2D", filters=4, kernel_size=3, padding="same"))

    with pytest.raises(InputError, match=r"'x' has open axes \(\?x\?x\?x3\).*--input x=1x224x224x3"):
        load(config)
    assert totals(load(config, {"x": (2, 5, 6, 3)})) == (112, 2 * 30 * 108)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [({"y": (1, 4)}, "has no input 'y'"), ({"x": (1, 5)}, r"is \?x4 and cannot be 1x5"), ({"x": (0, 4)}, "at least 1")],
)
def test_sizes_that_do_not_fit(load, inputs, message):
    """Unknown names, fixed axes, and sizes that are not positive."""
    with pytest.raises(CostModelError, match=message):
        load(sequential(fed([None, 4]), layer("Dense", units=2)), inputs)


def test_models_without_an_input_layer(load):
    """A Sequential model that was built on data knows its input from that."""
    config = sequential(layer("Dense", units=2))
    config["config"]["build_input_shape"] = [None, 4]

    assert totals(load(config)) == (10, 8)


# ---- what is not built in


@pytest.mark.parametrize(
    "entry",
    [
        layer("MyBlock", module="my_package"),
        {**layer("Dense", units=3), "module": None, "registered_name": "custom>Dense"},
        layer("Lambda"),
        layer("ConvLSTM2D", filters=3),
        layer("Activation", activation="my_function"),
        layer("EinsumDense", equation="ab,cd->abcd", output_shape=[2]),
    ],
)
def test_other_layers_say_how_to_export(load, entry):
    """Custom and unsupported layers are named, and the message leads to ONNX."""
    with pytest.raises(InputError, match=rf"{entry['config']['name']}.*model.export\('model.onnx', format='onnx'\)"):
        load(sequential(fed([None, 4]), entry))


def test_subclassed_models_say_how_to_export(load):
    """A model whose calls are Python code has no layers in its configuration."""
    with pytest.raises(InputError, match="onnx"):
        load({"module": "my_package", "class_name": "MyModel", "config": {}})


# ---- bad files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"just text", "is not a Keras 3 archive"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 64, "is an HDF5 file of Keras 2"),
        (b"PK\x03\x04" + b"\0" * 64, "damaged or truncated"),
        ((SAMPLES / "cnn.keras").read_bytes()[:900], "damaged or truncated"),
    ],
)
def test_files_that_are_no_archives(tmp_path, content, message):
    """Empty, text, HDF5 and truncated files: one message with the path."""
    path = tmp_path / "bad.keras"
    path.write_bytes(content)

    with pytest.raises(InputError, match=message) as caught:
        keras_graph(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("path", ["gone.keras", "."])
def test_files_that_cannot_be_read(path):
    """A path that leads nowhere, and a directory."""
    with pytest.raises(InputError, match="cannot be read"):
        keras_graph(path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        ([], "does not describe a model"),
        ({"config": 3}, "does not describe a model"),
        (sequential(fed([None, 4]), layer("Dense")), "not as Keras 3 writes it"),
        (sequential(fed([None, 4]), layer("Dense", units="many")), "must be an integer"),
        (sequential(fed([None, 4]), layer("Dense", units=-3)), "at least 1"),
        (sequential(fed([None, 4]), layer("Dense", units=10**12)), "at most"),
        (sequential(fed([None, -4]), layer("Dense", units=2)), "at least 1"),
        (sequential(fed([None, 4]), layer("Conv2D", filters=2, kernel_size=3)), "batch, channels"),
        (sequential(layer("Dense", units=2)), "has no shape"),
        (
            sequential(fed([None, 4, 4, 1]), layer("MaxPooling2D", pool_size=[10**9, 2], padding="same")),
            "window of 1000000000 taps",
        ),
    ],
)
def test_configurations_that_are_wrong(load, config, message):
    """No JSON, no model, missing, negative and absurd sizes."""
    with pytest.raises(CostModelError, match=message):
        load(config)


def test_archives_of_something_else(tmp_path):
    """A zip file without a configuration."""
    with pytest.raises(InputError, match=r"without config\.json"):
        keras_graph(archive(tmp_path / "net.keras", "x", member="other.txt"))


def test_zip_bombs_are_not_unpacked(tmp_path, monkeypatch):
    """A configuration that unpacks to more than the limit is refused, whatever size the archive claims."""
    monkeypatch.setattr(importer, "LARGEST_CONFIG_BYTES", 1000)
    path = archive(tmp_path / "bomb.keras", " " * 2_000)
    claimed = bytearray(path.read_bytes())
    at = claimed.index(b"PK\x01\x02")
    struct.pack_into("<I", claimed, at + 24, 500)

    with pytest.raises(InputError, match="more than 1000 bytes"):
        keras_graph(path)
    path.write_bytes(claimed)
    with pytest.raises(InputError):
        keras_graph(path)


def test_weights_are_not_opened(tmp_path):
    """Other members of the archive may be anything."""
    path = archive(tmp_path / "net.keras", sequential(fed([None, 4]), layer("Dense", units=2)))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("model.weights.h5", b"no weights")
        file.writestr("outside/../../x.txt", b"never written")

    assert totals(keras_graph(path)) == (10, 8)
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.keras"]


@pytest.mark.parametrize("reads", ["b", "gone"])
def test_cycles_and_loose_ends_are_refused(load, reads):
    """A layer that reads itself through another, and one that reads nothing known."""
    layers = [
        (fed([None, 4]), []),
        (layer("Dense", "a", units=4), [node(tensor(reads))]),
        (layer("Dense", "b", units=4), [node(tensor("a"))]),
    ]

    with pytest.raises(NetworkError, match="reads"):
        load(functional(layers, ["b", 0, 0]))


def test_endless_nesting_is_refused(load):
    """Models within models end somewhere."""
    config = sequential(fed([None, 4]), layer("Dense", units=2))
    for _ in range(40):
        config = sequential(fed([None, 4]), config)

    with pytest.raises(InputError, match="nested deeper"):
        load(config)


def test_names_are_made_harmless(load):
    """Control characters and markup of a name do not reach a terminal or a page."""
    graph = load(sequential(fed([None, 4]), layer("Dense", "<img onerror=x>\x1b[31m\u202e", units=2)))

    assert not set("<>\x1b\u202e") & set(graph.table().names[0])
