"""The shipped networks beside the model files of the same networks, made by others: equal layer by layer."""

from pathlib import Path

import pytest

from costmodel.importers import load_network

ONNX = Path(__file__).parents[1] / "models" / "onnx"
PRODUCTS = ("conv", "linear", "matmul")

# The file, the same network here, and the operations beside products that are compared as well. Where the file ends in
# scores, ours has one softmax more; files of transformers copy what ours reads in place.
SAMPLES = [
    ("light_vgg19", "vgg:depth=19", ("max_pool", "softmax")),
    ("light_densenet121", "densenet", ("max_pool", "avg_pool")),
    ("alexnet.legacy13", "alexnet:variant=torchvision", ("max_pool",)),
    ("light_squeezenet", "squeezenet:version=1.1,ceil_mode=False", ("max_pool", "avg_pool", "softmax")),
    ("squeezenet1_0.dynamo", "squeezenet", ("max_pool", "avg_pool")),
    ("squeezenet1_1.dynamo", "squeezenet:version=1.1", ("max_pool", "avg_pool")),
    ("googlenet.dynamo", "googlenet:variant=torchvision,folded=True", ("max_pool", "avg_pool")),
    ("efficientnet_b0.dynamo", "efficientnet:folded=True", ("avg_pool", "add", "mul")),
    ("mobilenet_v2.dynamo", "mobilenet_v2:folded=True", ("avg_pool", "add")),
    ("mobilenet_v3_small.dynamo", "mobilenet_v3:variant=small,folded=True", ("avg_pool", "add", "mul")),
    ("shufflenet_v2_x1_0.dynamo", "shufflenet_v2:folded=True", ("max_pool", "avg_pool", "transpose")),
    ("resnet18.dynamo", "resnet:depth=18,folded=True", ("max_pool", "avg_pool", "add")),
    ("resnet50.dynamo", "resnet:folded=True", ("max_pool", "avg_pool", "add")),
    ("vit_b_16.dynamo", "vit:variant=base", ("layer_norm", "add")),
]
IDS = [sample for sample, _, _ in SAMPLES]


def table_of(sample):
    """The rows of a model file."""
    return load_network(ONNX / f"{sample}.onnx").table()


def columns(table, ops, names):
    """Some columns of the rows of some operations, in order."""
    part = table.rows(
        [op in ops and status == "counted" for op, status in zip(table.ops, table.status, strict=True)]
    )
    return list(zip(*(getattr(part, name)[:, 0].tolist() for name in names), strict=True))


def nests(table):
    """Loop nests of the products: groups, channels of a group, positions of all images, window, MACs."""
    found = columns(table, PRODUCTS, ("g", "k", "c", "n", "p", "q", "r", "s", "macs"))
    return [(g, k, c, n * p * q, r, s, macs) for g, k, c, n, p, q, r, s, macs in found]


@pytest.mark.parametrize(("sample", "spec", "_"), SAMPLES, ids=IDS)
def test_products_are_those_of_the_file(sample, spec, _):
    """Convolutions, linear layers and products of activations: same loop nests in the same order."""
    assert nests(load_network(spec).table()) == nests(table_of(sample))


@pytest.mark.parametrize(("sample", "spec", "_"), SAMPLES, ids=IDS)
def test_elements_of_products_are_those_of_the_file(sample, spec, _):
    """What each of them reads and writes, and the parameters it owns."""
    names = ("weight_elems", "bias_elems", "params", "ifmap_elems", "ofmap_elems")

    assert columns(load_network(spec).table(), PRODUCTS, names) == columns(table_of(sample), PRODUCTS, names)


@pytest.mark.parametrize(("sample", "spec", "others"), SAMPLES, ids=IDS)
def test_other_work_is_that_of_the_file(sample, spec, others):
    """Pools, sums and products element by element, each operation in order."""
    ours, theirs = load_network(spec).table(), table_of(sample)
    names = ("ifmap_elems", "ofmap_elems", "other_ops")
    for op in others:
        found = columns(theirs, (op,), names)
        assert found
        assert columns(ours, (op,), names) == found


@pytest.mark.parametrize(
    ("sample", "spec"),
    [
        ("efficientnet_b0.dynamo", "efficientnet:folded=True"),
        ("mobilenet_v3_small.dynamo", "mobilenet_v3:variant=small,folded=True"),
        ("shufflenet_v2_x1_0.dynamo", "shufflenet_v2:folded=True"),
        ("vit_b_16.dynamo", "vit:variant=base"),
        ("light_vgg19", "vgg:depth=19"),
    ],
)
def test_parameters_of_the_whole_file(sample, spec):
    """Nothing is trained elsewhere: class tokens, positions, normalisations."""
    assert load_network(spec).table().total("params")[0] == table_of(sample).total("params")[0]


def test_caffe_normalises_densenet_with_two_pairs():
    """The file scales and shifts once more behind every normalisation: 83,648 parameters."""
    extra = (
        table_of("light_densenet121").total("params")[0] - load_network("densenet").table().total("params")[0]
    )
    channels = sum(
        int(layer.outputs[0].shape[1])
        for layer in load_network("densenet").layers
        if type(layer.op).__name__ == "BatchNorm"
    )

    assert extra == 2 * channels == 83648


def test_one_softmax_per_layer_of_attention():
    """The file has no softmax over the classes, ours has."""
    names = ("ifmap_elems", "ofmap_elems", "other_ops")
    *layers, classes = columns(load_network("vit:variant=base").table(), ("softmax",), names)

    assert layers == columns(table_of("vit_b_16.dynamo"), ("softmax",), names)
    assert classes == (1000, 1000, 5000)
