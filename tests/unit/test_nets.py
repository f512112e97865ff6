"""The shipped networks: the tables of their papers, metaparameters, refusals."""

import inspect

import numpy as np
import pytest

from costmodel.errors import CostModelError, InputError, ShapeError
from costmodel.importers import load_builder, load_network, net_names

# arXiv:1602.07360, table 1: output size, s1x1, e1x1, e3x3 and parameters before pruning (weights and biases).
PAPER_TABLE_1 = {
    "fire2": (55, 16, 64, 64, 11920),
    "fire3": (55, 16, 64, 64, 12432),
    "fire4": (55, 32, 128, 128, 45344),
    "fire5": (27, 32, 128, 128, 49440),
    "fire6": (27, 48, 192, 192, 104880),
    "fire7": (27, 48, 192, 192, 111024),
    "fire8": (27, 64, 256, 256, 188992),
    "fire9": (13, 64, 256, 256, 197184),
}


def params_of(graph, prefix):
    """Parameters of the layers whose name starts with a prefix."""
    table = graph.table()
    return sum(int(v) for n, v in zip(table.names, table.params[:, 0], strict=True) if n.startswith(prefix))


def shapes_of(graph):
    """Output shape of every layer."""
    return {layer.name: layer.outputs[0].shape for layer in graph.layers}


def message(spec, **arguments):
    """The text of the error a network raises."""
    with pytest.raises(CostModelError) as caught:
        load_network(spec, **arguments)
    return str(caught.value)


class TestSqueezeNet:
    """Version 1.0 is the paper's."""

    @pytest.mark.parametrize("fire", PAPER_TABLE_1)
    def test_fire_modules_of_the_paper(self, fire):
        """Sizes, filters and parameters of table 1, at the 227 pixels its sizes need."""
        graph = load_network("squeezenet:input=227")
        shapes = shapes_of(graph)
        extent, squeeze, expand1x1, expand3x3, params = PAPER_TABLE_1[fire]

        assert shapes[f"{fire}/squeeze1x1"] == (1, squeeze, extent, extent)
        assert shapes[f"{fire}/expand1x1"] == (1, expand1x1, extent, extent)
        assert shapes[f"{fire}/expand3x3"] == (1, expand3x3, extent, extent)
        assert params_of(graph, f"{fire}/") == params

    def test_ends_of_the_paper(self):
        """conv1 and conv10 of table 1."""
        graph = load_network("squeezenet:input=227")

        assert (params_of(graph, "conv1"), shapes_of(graph)["conv1"]) == (14208 + 513000, (1, 96, 111, 111))
        assert shapes_of(graph)["conv10"] == (1, 1000, 13, 13)
        assert graph.outputs[0].shape == (1, 1000)

    def test_layers_are_named_as_published(self):
        """Caffe's names, with the fire module as the group."""
        table = load_network("squeezenet").table()

        assert {"conv1", "pool1", "pool4", "pool8", "conv10", "pool10", "drop9"} <= set(table.names)
        assert {"fire2/squeeze1x1", "fire2/expand1x1", "fire2/expand3x3", "fire2/concat"} <= set(table.names)
        assert table.groups[table.names.index("fire9/concat")] == "fire9"

    def test_version_11_pools_earlier(self):
        """pool1, pool3, pool5 and a smaller first layer."""
        shapes = shapes_of(load_network("squeezenet:version=1.1"))

        assert [name for name in shapes if name.startswith("pool")] == ["pool1", "pool3", "pool5", "pool10"]
        assert shapes["conv1"] == (1, 64, 111, 111)

    @pytest.mark.parametrize("version", ["1.1", 1.1])
    def test_versions_are_texts_or_numbers(self, version):
        """The command line gives a float."""
        assert load_network("squeezenet", version=version).name == "squeezenet-1.1"

    def test_concats_and_activations_are_free(self):
        """All of them fuse or are in place; only real work is counted."""
        table = load_network("squeezenet").table()
        counted = {op for op, status in zip(table.ops, table.status, strict=True) if status == "counted"}

        assert counted == {"conv", "max_pool", "avg_pool", "softmax"}
        assert "unknown" not in table.status

    def test_metaparameters_of_the_paper(self):
        """e_i = base + incr floor(i / freq), s_i = SR e_i, pct 3x3 of them."""
        graph = load_network("squeezenet", base_e=100, incr_e=30, freq=3, pct_3x3=0.25, squeeze_ratio=0.5)
        shapes = shapes_of(graph)
        for i in range(8):
            e = 100 + 30 * (i // 3)
            e3 = round(e / 4)
            assert shapes[f"fire{i + 2}/squeeze1x1"][1] == e // 2
            assert shapes[f"fire{i + 2}/expand3x3"][1] == e3
            assert shapes[f"fire{i + 2}/expand1x1"][1] == e - e3

    def test_bypasses(self):
        """Simple ones add nothing to learn, complex ones a 1x1 convolution where channels change."""
        plain, simple, complex_ = (
            load_network("squeezenet", bypass=b) for b in ("none", "simple", "complex")
        )
        adds = [n for n in simple.table().names if n.endswith("/bypass")]

        assert params_of(simple, "") == params_of(plain, "")
        assert adds == ["fire3/bypass", "fire5/bypass", "fire7/bypass", "fire9/bypass"]
        extra = sum(a * b + b for a, b in ((96, 128), (128, 256), (256, 384), (384, 512)))
        assert params_of(complex_, "") == params_of(plain, "") + extra

    def test_a_bypass_reads_its_two_inputs(self):
        """The sum is real traffic."""
        table = load_network("squeezenet:bypass=simple").table()
        row = table.names.index("fire3/bypass")

        assert int(table.ifmap_elems[row, 0]) == 2 * int(table.ofmap_elems[row, 0])

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("squeezenet:version=1.2", "squeezenet: version must be one of 1.0, 1.1, got 1.2"),
            ("squeezenet:bypass=some", "squeezenet: bypass must be one of none, simple, complex, got 'some'"),
            ("squeezenet:ceil_mode=pool4+pool9", "squeezenet: ceil_mode must be one of pool1, pool4, pool8, got 'pool9'"),
        ],
    )  # fmt: skip
    def test_refused_choices(self, spec, text):
        """Choices list what there is."""
        assert message(spec) == text

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"freq": 0}, "freq must be at least 1, got 0"),
            ({"base_e": 0}, "base_e must be at least 1, got 0"),
            ({"incr_e": -1}, "incr_e must be zero or more, got -1"),
            (
                {"base_e": "wide"},
                "base_e must be an integer, or an integer array of design points, got 'wide'",
            ),
            ({"pct_3x3": 1.5}, "pct_3x3 must lie in 0 .. 1, got 1.5"),
            ({"squeeze_ratio": float("nan")}, "squeeze_ratio must lie in 0 .. 8, got nan"),
            ({"pct_3x3": 0.0}, "fire2/expand3x3: out_channels must be at least 1, got 0"),
            ({"input": 5}, "conv1: the window is larger than the padded input"),
            ({"num_classes": 0}, "conv10: out_channels must be at least 1, got 0"),
        ],
    )
    def test_refused_sizes(self, arguments, text):
        """The message says which argument or layer, after the place in the file."""
        found = message("squeezenet", **arguments)

        assert "squeezenet.py:" in found
        assert text in found

    def test_a_bad_design_point_is_named(self):
        """One point of a sweep without squeeze filters."""
        text = message("squeezenet", squeeze_ratio=np.array([0.5, 0.001]))

        assert "fire2/squeeze1x1: out_channels must be at least 1, got 0 at design point 1" in text


class TestAlexNet:
    """Caffe's and torchvision's."""

    def test_shapes_of_caffe(self):
        """Every feature map of the reference model."""
        shapes = shapes_of(load_network("alexnet"))

        assert [shapes[name][1:] for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "pool5")] == [
            (96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (256, 6, 6),
        ]  # fmt: skip

    def test_local_response_norms_are_other_operations(self):
        """Counted as traffic and other operations, never as MACs."""
        table = load_network("alexnet").table().rows([2])

        assert (table.names, table.ops, table.status) == (("norm1",), ("lrn",), ("counted",))
        assert (int(table.macs[0, 0]), int(table.other_ops[0, 0])) == (0, 8 * 96 * 55 * 55)
        assert bool(table.streamed[0])

    def test_torchvision_has_neither_groups_nor_norms(self):
        """64, 192, 384, 256, 256 filters."""
        table = load_network("alexnet:variant=torchvision").table()
        convs = table.rows([op == "conv" for op in table.ops])

        assert convs.g[:, 0].tolist() == [1] * 5
        assert convs.k[:, 0].tolist() == [64, 192, 384, 256, 256]
        assert "lrn" not in table.ops

    def test_resolution_and_classes(self):
        """Both are arguments of both variants."""
        small = load_network("alexnet:input=195,num_classes=10")

        assert small.outputs[0].shape == (1, 10)
        assert small.inputs[0].shape == (1, 3, 195, 195)
        assert load_network("alexnet:variant=torchvision,input=256").inputs[0].shape == (1, 3, 256, 256)

    def test_refusals(self):
        """Another variant, an image too small."""
        with pytest.raises(InputError, match='variant must be "caffe" or "torchvision", got \'vgg\''):
            load_network("alexnet:variant=vgg")
        with pytest.raises(ShapeError, match=r"alexnet.py:\d+: conv1: the window is larger"):
            load_network("alexnet:input=10")


@pytest.mark.parametrize("name", net_names())
def test_every_network_documents_its_arguments(name):
    """Each argument of build appears in its docstring, and a source is cited."""
    build = load_builder(name)
    documented = inspect.getdoc(build)
    for parameter in inspect.signature(build).parameters:
        assert parameter in documented


@pytest.mark.parametrize("name", net_names())
def test_defaults_build(name):
    """Without arguments, there is one input, one output, and nothing unknown."""
    graph = load_network(name)

    assert len(graph.inputs) == len(graph.outputs) == 1
    assert "unknown" not in graph.table().status
