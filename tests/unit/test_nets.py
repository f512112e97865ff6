"""The shipped networks: the tables of their papers, metaparameters, refusals."""

import ast
import inspect
import re

import numpy as np
import pytest

from costmodel.data import data_dir
from costmodel.errors import InputError, ShapeError
from costmodel.importers import load_builder, load_network, net_names
from tests.unit.zoo import message, of_products, params_of, shapes_of

NETS = data_dir("nets")

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


# MACs and output sizes of the convolutions and linear layers of MLPerf Tiny's reference .tflite files, in order.
# mlcommons/tiny, commit 1afd2c98, benchmark/training: keyword_spotting, image_classification, visual_wake_words and
# anomaly_detection trained_models.
MLPERF_TINY_MACS = {
    "ds_cnn": [320000, *[72000, 512000] * 4, 768],
    "resnet_cifar": [
        442368, 2359296, 2359296, 1179648, 2359296, 131072, 1179648, 2359296, 131072, 640,
    ],
    "mobilenet_v1:width=0.25,input=96,num_classes=2,folded=True": [
        497664, 165888, 294912, 82944, 294912, 165888, 589824, 41472, 294912, 82944, 589824, 20736, 294912,
        *[41472, 589824] * 5, 10368, 294912, 20736, 589824, 512,
    ],
    "autoencoder": [81920, 16384, 16384, 16384, 1024, 1024, 16384, 16384, 16384, 81920],
}  # fmt: skip
MLPERF_TINY_PARAMS = {
    "ds_cnn": [2624, *[640, 4160] * 4, 780],
    "resnet_cifar": [448, 2320, 2320, 4640, 9248, 544, 18496, 36928, 2112, 650],
    "mobilenet_v1:width=0.25,input=96,num_classes=2,folded=True": [
        224, 80, 144, 160, 544, 320, 1056, 320, 2112, 640, 4160, 640, 8320, *[1280, 16512] * 5, 1280, 33024, 2560,
        65792, 514,
    ],
    "autoencoder": [82048, 16512, 16512, 16512, 1032, 1152, 16512, 16512, 16512, 82560],
}  # fmt: skip


class TestMLPerfTiny:
    """The four reference networks, layer by layer, as in the published .tflite files."""

    @pytest.mark.parametrize("spec", MLPERF_TINY_MACS)
    def test_macs_of_every_layer(self, spec):
        """In the order of the file."""
        assert of_products(spec, "macs") == MLPERF_TINY_MACS[spec]

    @pytest.mark.parametrize("spec", MLPERF_TINY_PARAMS)
    def test_params_of_every_layer(self, spec):
        """Weights and biases, normalisations folded."""
        assert of_products(spec, "params") == MLPERF_TINY_PARAMS[spec]

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("resnet_cifar:depth=9", "resnet_cifar: depth must be 6 n + 2, such as 8, 20 or 32, got 9"),
            ("resnet_cifar:depth=2", "resnet_cifar: depth must be 6 n + 2, such as 8, 20 or 32, got 2"),
            ("ds_cnn:blocks=-1", "ds_cnn: blocks must be one integer of at least 0, got -1"),
            ("autoencoder:hidden=0", "hidden must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, spec, text):
        """Depths that have no stages of equal length, sizes below one."""
        assert text in message(spec)

    def test_depth_of_a_cifar_network(self):
        """6 n + 2 layers with weights beside the two projections."""
        for depth in (8, 20, 32):
            assert len(of_products(f"resnet_cifar:depth={depth}", "macs")) == depth + 2


class TestMobileNets:
    """Widths and resolutions of the papers."""

    @pytest.mark.parametrize("net", ["mobilenet_v1", "mobilenet_v2", "fd_mobilenet"])
    def test_seven_by_seven_at_the_end(self, net):
        """All of them halve the image five times."""
        shapes = shapes_of(load_network(net))
        last = [name for name in shapes if name.endswith("_relu") or name.endswith("_relu6")][-1]

        assert shapes[last][2:] == (7, 7)

    def test_bottlenecks_of_the_paper(self):
        """Table 2: output sizes of the seven stages, and shortcuts within them."""
        shapes = shapes_of(load_network("mobilenet_v2"))
        ends = [shapes[f"block{i}/project"][1:] for i in (1, 3, 6, 10, 13, 16, 17)]

        assert ends == [
            (16, 112, 112), (24, 56, 56), (32, 28, 28), (64, 14, 14), (96, 14, 14), (160, 7, 7), (320, 7, 7),
        ]  # fmt: skip
        assert [n for n in shapes if n.endswith("/add")] == [f"block{i}/add" for i in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)]

    def test_the_last_convolution_never_shrinks(self):
        """1280 filters up to width 1, more beyond, or what is asked for."""
        for width, expected in ((0.35, 1280), (1.0, 1280), (1.4, 1792)):
            assert shapes_of(load_network("mobilenet_v2", width=width))["conv_last"][1] == expected
        assert shapes_of(load_network("mobilenet_v2", last_channels=448))["conv_last"][1] == 448

    def test_a_first_block_with_a_shortcut(self):
        """At a quarter of the width the first bottleneck keeps its 8 channels."""
        assert "block1/add" in shapes_of(load_network("mobilenet_v2", width=0.25))
        assert "block1/add" not in shapes_of(load_network("mobilenet_v2"))

    @pytest.mark.parametrize("net", ["mobilenet_v1", "fd_mobilenet", "mobilenet_v2"])
    def test_widths_as_one_graph(self, net):
        """An array of widths counts what each of them counts."""
        widths = np.array([0.35, 0.5, 0.75, 1.0, 1.4])
        table = load_network(net, width=widths).table()
        for column in ("params", "macs"):
            alone = [int(load_network(net, width=float(w)).table().total(column)[0]) for w in widths]
            assert table.total(column).tolist() == alone

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("mobilenet_v1:width=0", "width must lie in 0.01 .. 8, got 0"),
            ("mobilenet_v2:width=9", "width must lie in 0.01 .. 8, got 9"),
            ("fd_mobilenet:width=0.01", "conv1: out_channels must be at least 1, got 0"),
            ("mobilenet_v2:expansion=0", "expansion must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, spec, text):
        """Widths that leave nothing."""
        assert text in message(spec)

    def test_widths_with_and_without_a_shortcut(self):
        """They are not one graph."""
        assert "mobilenet-v2: block1: a shortcut exists at some design points" in message(
            "mobilenet_v2", width=np.array([0.25, 1.0])
        )


class TestResNet:
    """Depths of table 1."""

    @pytest.mark.parametrize(("depth", "layers"), [(18, 18), (34, 34), (50, 50), (101, 101), (152, 152)])
    def test_layers_with_weights(self, depth, layers):
        """The depth counts convolutions and the classifier, but no shortcuts."""
        table = load_network("resnet", depth=depth).table()
        names = [n for n, op in zip(table.names, table.ops, strict=True) if op in ("conv", "linear")]

        assert len([n for n in names if not n.endswith("/shortcut")]) == layers

    def test_stages(self):
        """56, 28, 14 and 7 pixels; the first stage of the deep ones widens without a stride."""
        shapes = shapes_of(load_network("resnet"))

        assert [shapes[f"stage{i}/block1/add"][1:] for i in (2, 3, 4, 5)] == [
            (256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7),
        ]  # fmt: skip
        assert [n for n in shapes if n.endswith("shortcut")] == [f"stage{i}/block1/shortcut" for i in (2, 3, 4, 5)]
        assert "stage2/block1/shortcut" not in shapes_of(load_network("resnet:depth=18"))

    def test_where_the_stride_is(self):
        """Version 1 halves before the 3x3 convolution, 1.5 within it; the shapes after the block agree."""
        one, later = (shapes_of(load_network(f"resnet:variant={v}")) for v in (1, 1.5))

        assert (one["stage3/block1/conv1"][2], later["stage3/block1/conv1"][2]) == (28, 56)
        assert one["stage3/block1/conv2"] == later["stage3/block1/conv2"]
        assert one["stage3/block1/add"] == later["stage3/block1/add"]

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("resnet:depth=19", "resnet: depth must be one of 18, 34, 50, 101, 152, got 19"),
            ("resnet:variant=2", "resnet: variant must be one of 1, 1.5, got 2"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is."""
        assert message(spec) == text


class TestInception:
    """GoogLeNet and its fourth version."""

    def test_modules_of_the_paper(self):
        """Table 1: output sizes of the nine modules."""
        shapes = shapes_of(load_network("googlenet"))

        assert {n.removesuffix("/concat"): s[1:] for n, s in shapes.items() if n.endswith("/concat")} == {
            "inception_3a": (256, 28, 28), "inception_3b": (480, 28, 28),
            "inception_4a": (512, 14, 14), "inception_4b": (512, 14, 14), "inception_4c": (512, 14, 14),
            "inception_4d": (528, 14, 14), "inception_4e": (832, 14, 14),
            "inception_5a": (832, 7, 7), "inception_5b": (1024, 7, 7),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("module", "c", "filters"),
        [
            ("3a", 192, (64, 96, 128, 16, 32, 32)),
            ("4e", 528, (256, 160, 320, 32, 128, 128)),
            ("5b", 832, (384, 192, 384, 48, 128, 128)),
        ],
    )
    def test_parameters_of_a_module(self, module, c, filters):
        """Arithmetic on the filters of table 1: four 1x1 convolutions of the input, a 3x3 and a 5x5, and biases."""
        one, three_reduce, three, five_reduce, five, pool = filters
        weights = c * (one + three_reduce + five_reduce + pool) + 9 * three_reduce * three + 25 * five_reduce * five

        assert params_of(load_network("googlenet"), f"inception_{module}/") == weights + sum(filters)

    def test_variants(self):
        """One normalises across channels, the other per batch."""
        caffe, torchvision = (load_network(f"googlenet:variant={v}").table() for v in ("caffe", "torchvision"))

        assert ("lrn" in caffe.ops, "lrn" in torchvision.ops) == (True, False)
        assert ("batch_norm" in caffe.ops, "batch_norm" in torchvision.ops) == (False, True)
        assert message("googlenet:variant=v2") == "googlenet: variant must be one of caffe, torchvision, got 'v2'"

    def test_grids_of_inception_v4(self):
        """Figure 9: 384 x 35 x 35, 1024 x 17 x 17 and 1536 x 8 x 8."""
        shapes = shapes_of(load_network("inception_v4"))

        assert [shapes[f"{name}/concat"][1:] for name in ("a4", "b7", "c3")] == [
            (384, 35, 35),
            (1024, 17, 17),
            (1536, 8, 8),
        ]
        assert shapes["stem/concat3"][1:] == (384, 35, 35)

    def test_too_small_images(self):
        """The stem needs pixels."""
        assert "stem/conv5: the window is larger than the padded input" in message("inception_v4:input=20")


@pytest.mark.parametrize("spec", ["mobilenet_v1", "mobilenet_v2", "fd_mobilenet", "resnet", "inception_v4"])
def test_folding_keeps_the_work(spec):
    """Folded, every channel has a bias instead of a scale and a shift; MACs and shapes stay."""
    plain, folded = load_network(spec), load_network(spec, folded=True)
    channels = sum(
        int(layer.outputs[0].shape[1]) for layer in plain.layers if type(layer.op).__name__ == "Conv"
    )

    assert params_of(plain, "") - params_of(folded, "") == channels
    assert plain.table().total("macs")[0] == folded.table().total("macs")[0]
    assert "batch_norm" not in folded.table().ops


@pytest.mark.parametrize("name", net_names())
def test_every_network_documents_its_arguments(name):
    """Each argument of build appears in its docstring."""
    build = load_builder(name)
    documented = inspect.getdoc(build)
    for parameter in inspect.signature(build).parameters:
        assert re.search(rf"^(\w+, )*{parameter}(, \w+)*$", documented, re.MULTILINE)


@pytest.mark.parametrize("name", net_names())
def test_every_network_cites_its_paper(name):
    """An arXiv number, or the conference and year of a paper before arXiv."""
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|NIPS \d{4}", ast.get_docstring(ast.parse((NETS / f"{name}.py").read_text())))


@pytest.mark.parametrize("name", net_names())
def test_defaults_build(name):
    """Without arguments, there is one input, one output, and nothing unknown."""
    graph = load_network(name)

    assert len(graph.inputs) == len(graph.outputs) == 1
    assert "unknown" not in graph.table().status


class TestGoogLeNet:
    """The auxiliary classifiers of section 5, which serve training only."""

    def test_parameters_of_the_trained_network(self):
        """13,378,280 with both classifiers, as Caffe's bvlc_googlenet is trained; none of them without."""
        table = load_network("googlenet:auxiliary=true").table()

        assert int(table.total("params")[0]) == 13_378_280
        assert int(load_network("googlenet").table().total("params")[0]) == 6_998_552

    @pytest.mark.parametrize(("name", "channels"), [("loss_4a", 512), ("loss_4d", 528)])
    def test_a_classifier_by_hand(self, name, channels):
        """Average of 5 x 5 in steps of 3, 128 filters 1 x 1, 1024 features, 1000 classes."""
        graph = load_network("googlenet:auxiliary=true")
        shapes = shapes_of(graph)

        assert shapes[f"{name}/ave_pool"] == (1, channels, 4, 4)
        assert shapes[f"{name}/conv"] == (1, 128, 4, 4)
        assert params_of(graph, f"{name}/") == channels * 128 + 128 + 2048 * 1024 + 1024 + 1024 * 1000 + 1000

    def test_classifiers_are_outputs(self):
        """Of the trained network; the deployed one has a single one."""
        assert len(load_network("googlenet:auxiliary=true").outputs) == 3
        assert len(load_network("googlenet").outputs) == 1

    def test_classifiers_of_the_other_variant(self):
        """Torchvision has them as well, with as many classes as the network."""
        shapes = shapes_of(load_network("googlenet:variant=torchvision,auxiliary=true,num_classes=10"))

        assert shapes["loss_4a/classifier"] == shapes["loss_4d/classifier"] == (1, 10)
