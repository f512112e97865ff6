"""The same network from different files, and written by hand: equal rows for everything that has products."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmodel.importers import load_network
from costmodel.importers.keras import keras_graph
from tests.unit.test_importer_keras import archive, fed, functional, layer, node, tensor

MODELS = Path(__file__).parents[1] / "models"
FIRES = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
"""Squeeze and expand filters of SqueezeNet 1.1; poolings come before the first, third and fifth."""


def products(graph, *columns):
    """Rows with MACs by loops, weights without biases and further columns; a linear layer is a 1x1 convolution here."""
    table = graph.table()
    names = ("n", "g", "k", "c", "p", "q", "r", "s", "stride_h", "stride_w", "macs", "ofmap_elems", *columns)
    chosen = [index for index in range(len(table)) if table.macs[index, 0]]
    return sorted(
        (*(int(table[name][i, 0]) for name in names), int(table.weight_elems[i, 0] - table.bias_elems[i, 0])) for i in chosen
    )


def squeezenet_in_keras():
    """SqueezeNet 1.1 as Keras writes it."""
    layers = [(fed([None, 224, 224, 3]), [])]

    def add(kind, name, *reads, **config):
        joined = [tensor(read) for read in reads]
        layers.append((layer(kind, name, **config), [node(joined if kind == "Concatenate" else joined[0])]))
        return name

    def conv(name, read, filters, taps, **config):
        return add("Conv2D", name, read, filters=filters, kernel_size=[taps, taps], activation="relu", **config)

    last = conv("conv1", "x", 64, 3, strides=[2, 2], padding="valid")
    for index, (squeeze, expand) in enumerate(FIRES):
        if index in (0, 2, 4):
            last = add("MaxPooling2D", f"pool{index}", last, pool_size=[3, 3], strides=[2, 2], padding="valid")
        small = conv(f"squeeze{index}", last, squeeze, 1, padding="valid")
        sides = [conv(f"expand{index}_{taps}", small, expand, taps, padding="same") for taps in (1, 3)]
        last = add("Concatenate", f"join{index}", *sides, axis=-1)
    last = add("GlobalAveragePooling2D", "mean", conv("conv10", last, 1000, 1, padding="valid"))
    return functional(layers, [last, 0, 0])


@pytest.fixture(params=["dynamo", "qdq", "qop", "caffe2", "tflite", "keras", "torch"])
def squeezenet(request, tmp_path):
    """SqueezeNet 1.1 out of each format."""
    if request.param == "torch":
        pytest.importorskip("torch", reason='needs PyTorch: pip install "nn-costmodel[torch]"')
        from costmodel.importers.torch import torch_graph
        from tests.unit.test_importer_torch import SqueezeNet

        return torch_graph(SqueezeNet(), (1, 3, 224, 224))
    if request.param == "keras":
        return keras_graph(archive(tmp_path / "squeezenet.keras", squeezenet_in_keras()))
    files = {
        "dynamo": "onnx/squeezenet1_1.dynamo.onnx", "qdq": "onnx/squeezenet1_1.qdq.onnx",
        "qop": "onnx/squeezenet1_1.qop.onnx", "caffe2": "onnx/light_squeezenet.onnx",
        "tflite": "tflite/squeezenet1_1_int8.tflite",
    }  # fmt: skip
    return load_network(MODELS / files[request.param])


def test_squeezenet_is_the_same_from_every_format(squeezenet):
    """26 convolutions with all their loops, operands, biases and MACs, as in the network written by hand."""
    columns = ("ifmap_elems", "weight_elems", "bias_elems", "params")
    hand = products(load_network("squeezenet:version=1.1"), *columns)

    assert products(squeezenet, *columns) == hand
    assert len(hand) == 26


ALL = ("ifmap_elems", "bias_elems", "params")
PAIRS = {
    "convnext_tiny": ("onnx/convnext_tiny.dynamo.onnx", "keras/convnext_tiny.keras", {}, ALL),
    "mobilenet_v3_small": ("onnx/mobilenet_v3_small.dynamo.onnx", "keras/mobilenet_v3_small.keras", {}, ()),
    "mobilenet_v3_small_int8": (
        "onnx/mobilenet_v3_small.dynamo.onnx", "tflite/mobilenet_v3_small_int8.tflite",
        {"keras_tensor_196": (1, 224, 224, 3)}, (),
    ),
    "mobilenet_v2": ("onnx/mobilenet_v2.dynamo.onnx", "onnx/mobilenet_v2.legacy13.onnx", {}, ALL),
    "resnet50": ("onnx/resnet50.dynamo.onnx", "onnx/light_resnet50.onnx", {}, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_two_files_of_one_network_agree(name):
    """Products with all their loops, weights and MACs.

    Where batch normalisation is folded in one file only, biases differ; Keras pads in a layer of its own before strides,
    so that a convolution reads what torch's takes for zeros.
    """
    first, second, inputs, columns = PAIRS[name]
    mine, other = load_network(MODELS / first), load_network(MODELS / second, inputs=inputs or None)

    assert products(mine, *columns) == products(other, *columns)
    assert sum(row[10] for row in products(mine)) == int(other.table().total("macs")[0])
