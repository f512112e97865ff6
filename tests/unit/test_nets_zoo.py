"""The networks that stand for a family or a task: tables of their papers, published files, metaparameters, refusals."""

import numpy as np
import pytest

from costmodel.importers import load_network
from tests.unit.zoo import (
    hand_macs,
    hand_weights,
    macs_of,
    message,
    of_products,
    params_of,
    same_alone,
    shapes_of,
    square,
)


class TestVGG:
    """Table 1 of the paper, and the network that ncnn times."""

    # Tencent/ncnn, commit a4d2ea1d, benchmark/models/vgg16.param: weights, biases and MACs of conv1_1 to fc8.
    NCNN = (
        (1728, 64, 86704128), (36864, 64, 1849688064), (73728, 128, 924844032), (147456, 128, 1849688064),
        (294912, 256, 924844032), (589824, 256, 1849688064), (589824, 256, 1849688064),
        (1179648, 512, 924844032), (2359296, 512, 1849688064), (2359296, 512, 1849688064),
        (2359296, 512, 462422016), (2359296, 512, 462422016), (2359296, 512, 462422016),
        (102760448, 4096, 102760448), (16777216, 4096, 16777216), (4096000, 1000, 4096000),
    )  # fmt: skip

    def test_layers_of_ncnn(self):
        """Every layer of depth 16."""
        assert of_products("vgg", "params") == [weights + biases for weights, biases, _ in self.NCNN]
        assert of_products("vgg", "macs") == [macs for *_, macs in self.NCNN]

    def test_layers_are_named_as_published(self):
        """Caffe's names."""
        names = load_network("vgg").table().names

        assert {"conv1_1", "conv3_3", "conv5_3", "pool5", "fc6", "fc7", "fc8"} <= set(names)

    @pytest.mark.parametrize("depth", [11, 13, 16, 19])
    def test_layers_with_weights(self, depth):
        """The depth counts them."""
        assert len(of_products(f"vgg:depth={depth}", "macs")) == depth

    def test_pools(self):
        """Table 1: 224 pixels are halved five times."""
        shapes = shapes_of(load_network("vgg:depth=19"))

        assert [shapes[f"pool{i}"][1:] for i in range(1, 6)] == [
            (64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7),
        ]  # fmt: skip

    def test_normalised(self):
        """A scale and a shift per filter beside the biases; no MACs."""
        plain, normalised = load_network("vgg"), load_network("vgg:batch_norm=True")
        filters = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512

        assert params_of(normalised) - params_of(plain) == 2 * filters
        assert macs_of(normalised) == macs_of(plain)

    def test_widths_as_one_graph(self):
        """An array of widths, an array of hidden sizes."""
        assert same_alone("vgg", "params", "width", [0.25, 0.5, 1.0], depth=11)
        assert same_alone("vgg", "macs", "hidden", [512, 4096])

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("vgg:depth=12", "vgg: depth must be one of 11, 13, 16, 19, got 12"),
            ("vgg:width=0", "width must lie in 0.01 .. 8, got 0"),
            ("vgg:hidden=0", "hidden must be at least 1, got 0"),
            ("vgg:input=16", "pool5: the window is larger than the padded input"),
        ],
    )
    def test_refusals(self, spec, text):
        """Each says what there is, or where it fails."""
        assert text in message(spec)


class TestNiN:
    """Both networks of the authors."""

    # ethereon/caffe-tensorflow, examples/imagenet/models/nin.py; sizes of Caffe, whose pools round up, from a crop of 224.
    IMAGENET = (
        square(11, 3, 96, 54), square(1, 96, 96, 54), square(1, 96, 96, 54),
        square(5, 96, 256, 27), square(1, 256, 256, 27), square(1, 256, 256, 27),
        square(3, 256, 384, 13), square(1, 384, 384, 13), square(1, 384, 384, 13),
        square(3, 384, 1024, 6), square(1, 1024, 1024, 6), square(1, 1024, 1000, 6),
    )  # fmt: skip
    # osmr/imgclsmob, pytorch/pytorchcv/models/nin_cifar.py.
    CIFAR = (
        square(5, 3, 192, 32), square(1, 192, 160, 32), square(1, 160, 96, 32),
        square(5, 96, 192, 16), square(1, 192, 192, 16), square(1, 192, 192, 16),
        square(3, 192, 192, 8), square(1, 192, 192, 8), square(1, 192, 10, 8),
    )  # fmt: skip

    @pytest.mark.parametrize(("spec", "layers"), [("nin", IMAGENET), ("nin:variant=cifar", CIFAR)])
    def test_layers(self, spec, layers):
        """Weights, biases and MACs of every convolution."""
        assert of_products(spec, "macs") == hand_macs(layers)
        assert of_products(spec, "weight_elems") == [
            weights + filters
            for weights, (_, _, filters, _) in zip(hand_weights(layers), layers, strict=True)
        ]

    def test_pools(self):
        """The larger one takes maxima; the smaller one averages from the second on."""
        for spec, ops in (("nin", ["max_pool"] * 3), ("nin:variant=cifar", ["max_pool", "avg_pool"])):
            table = load_network(spec).table()
            assert [op for op in table.ops if op.endswith("pool")] == [*ops, "avg_pool"]

    def test_no_layer_is_fully_connected(self):
        """The maps of the last convolution are the classes."""
        graph = load_network("nin:num_classes=7,input=227")

        assert "linear" not in graph.table().ops
        assert graph.outputs[0].shape == (1, 7)
        assert graph.inputs[0].shape == (1, 3, 227, 227)

    def test_refusals(self):
        """Another variant, an image too small."""
        assert message("nin:variant=mnist") == "nin: variant must be one of imagenet, cifar, got 'mnist'"
        assert "mlpconv1/conv1: the window is larger than the padded input" in message("nin:input=10")


class TestSqueezeNext:
    """Files of the authors, amirgholami/SqueezeNext, commit 2dd29a95, train_val.prototxt: filters of the convolutions."""

    # Kernel, input channels, filters, size of the output, groups: the first convolutions of 1.0-G-SqNxt-23.
    FIRST = (
        ((7, 7), 3, 64, 111, 1), ((1, 1), 64, 32, 55, 1),
        ((1, 1), 64, 16, 55, 2), ((1, 1), 16, 8, 55, 1), ((3, 1), 8, 16, 55, 2), ((1, 3), 16, 16, 55, 2),
        ((1, 1), 16, 32, 55, 1),
        ((1, 1), 32, 16, 55, 2), ((1, 1), 16, 8, 55, 1), ((1, 3), 8, 16, 55, 2), ((3, 1), 16, 16, 55, 2),
        ((1, 1), 16, 32, 55, 1),
    )  # fmt: skip
    # From the last block of 2.0-SqNxt-23v5 on, which reads its projected shortcut.
    LAST = (
        ((1, 1), 256, 512, 7, 1), ((1, 1), 512, 256, 7, 1), ((1, 1), 256, 128, 7, 1), ((3, 1), 128, 256, 7, 1),
        ((1, 3), 256, 256, 7, 1), ((1, 1), 256, 512, 7, 1), ((1, 1), 512, 128, 7, 1),
    )  # fmt: skip

    def test_first_convolutions(self):
        """The stem, the shortcut, and two blocks whose separable filters change places."""
        macs = [
            kernel[0] * kernel[1] * inputs * filters * extent**2 // groups
            for kernel, inputs, filters, extent, groups in self.FIRST
        ]

        assert of_products("squeezenext:groups=2", "macs")[: len(macs)] == macs

    def test_last_convolutions(self):
        """The shortcut comes before the block in version 23v5."""
        macs = [
            kernel[0] * kernel[1] * inputs * filters * extent**2
            for kernel, inputs, filters, extent, _ in self.LAST
        ]

        assert of_products("squeezenext:version=23v5,width=2", "macs")[-8:] == [*macs, 128000]

    def test_tall_filters_come_first_in_every_other_block(self):
        """3x1 then 1x3, and the other way round."""
        names = load_network("squeezenext").table().names
        convs = [
            n for n in names if n.startswith(("stage1/block1/conv", "stage1/block2/conv")) and "_" not in n
        ]

        assert [n.removeprefix("stage1/") for n in convs] == [
            "block1/conv3x1", "block1/conv1x3", "block2/conv1x3", "block2/conv3x1",
        ]  # fmt: skip

    @pytest.mark.parametrize(("version", "blocks"), [("23", (6, 6, 8, 1)), ("23v5", (2, 4, 14, 1))])
    def test_blocks(self, version, blocks):
        """112 layers with weights in both versions: the stem, five per block, four shortcuts, two at the end."""
        graph = load_network("squeezenext", version=version)
        names = [n for n in shapes_of(graph) if n.endswith("/add")]

        assert tuple(sum(n.startswith(f"stage{i}/") for n in names) for i in (1, 2, 3, 4)) == blocks
        assert len(of_products(f"squeezenext:version={version}", "macs")) == 1 + 5 * 21 + 4 + 2

    def test_sizes_of_the_stages(self):
        """55, 28, 14 and 7 pixels at 227."""
        shapes = shapes_of(load_network("squeezenext"))

        assert [shapes[f"stage{i}/block1/relu"][1:] for i in (1, 2, 3, 4)] == [
            (32, 55, 55), (64, 28, 28), (128, 14, 14), (256, 7, 7),
        ]  # fmt: skip

    def test_112_times_fewer_parameters_than_alexnet(self):
        """The claim of the abstract, by the network with groups."""
        ratio = params_of(load_network("alexnet")) / params_of(load_network("squeezenext:groups=2"))

        assert round(ratio) == 112

    def test_the_port_has_biases(self):
        """Layers of the port: one bias per filter beside scale and shift, and 7x7 first in both versions."""
        table = load_network("squeezenext:variant=imgclsmob,version=23v5").table()
        convs = table.rows([op == "conv" for op in table.ops])

        assert (convs.bias_elems[:, 0] == convs.g[:, 0] * convs.k[:, 0]).all()
        assert (int(convs.r[0, 0]), int(convs.p[0, 0])) == (7, 110)

    def test_widths_as_one_graph(self):
        """An array of widths, an array of groups."""
        assert same_alone("squeezenext", "params", "width", [0.5, 1.0, 1.5, 2.0])
        assert same_alone("squeezenext", "macs", "groups", [1, 2, 4], version="23v5")

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("squeezenext:version=44", "squeezenext: version must be one of 23, 23v5, got 44"),
            (
                "squeezenext:variant=keras",
                "squeezenext: variant must be one of caffe, imgclsmob, got 'keras'",
            ),
            ("squeezenext:width=0.1", "width: channels must be at least 4, got 3"),
            ("squeezenext:groups=3", "stage1/block1/reduce1: groups 3 do not divide the input channels"),
            ("squeezenext:groups=0", "groups must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is; a block needs four channels."""
        assert text in message(spec)


class TestSqueezeDet:
    """The authors' code, BichenWuUCB/squeezeDet, commits bd081e08 (without padding) and e7c0860e."""

    # Squeeze filters, and expand filters of either kernel, of fire2 to fire11: src/nets/squeezeDet.py and squeezeDetPlus.py.
    BASE = (*[(16, 64)] * 2, *[(32, 128)] * 2, *[(48, 192)] * 2, *[(64, 256)] * 2, *[(96, 384)] * 2)
    PLUS = (*[(96, 64)] * 2, *[(192, 128)] * 2, *[(288, 192)] * 2, *[(384, 256)] * 4)

    @pytest.mark.parametrize(
        ("spec", "grid"),
        [
            ("squeezedet", (22, 76)),
            ("squeezedet:padding=same,height=384,width=1248", (24, 78)),
            ("squeezedet:variant=plus", (22, 76)),
        ],
    )
    def test_grid_of_the_anchors(self, spec, grid):
        """Height and width in kitti_squeezeDet_config.py at both commits, and in kitti_squeezeDetPlus_config.py."""
        assert load_network(spec).outputs[0].shape == (1, 9 * (3 + 1 + 4), *grid)

    def test_backbone_is_squeezenet(self):
        """Parameters of SqueezeNet 1.1 up to fire9, two modules of 96 and 384 more, 72 filters 3x3."""
        backbone = params_of(load_network("squeezenet:version=1.1")) - 513000
        fire10 = 512 * 96 + 96 + (96 * 384 + 384) + (9 * 96 * 384 + 384)
        fire11 = fire10 + (768 - 512) * 96

        assert params_of(load_network("squeezedet")) == backbone + fire10 + fire11 + 9 * 768 * 72 + 72

    @pytest.mark.parametrize(
        ("spec", "stem", "squeezes", "sizes", "last"),
        [
            (
                "squeezedet",
                9 * 3 * 64 * 187 * 620,
                BASE,
                (*[93 * 309] * 2, *[46 * 154] * 2, *[22 * 76] * 6),
                9 * 768 * 72 * 22 * 76,
            ),
            (
                "squeezedet:padding=same,height=384,width=1248",
                9 * 3 * 64 * 192 * 624,
                BASE,
                (*[96 * 312] * 2, *[48 * 156] * 2, *[24 * 78] * 6),
                9 * 768 * 72 * 24 * 78,
            ),
            (
                "squeezedet:variant=plus",
                49 * 3 * 96 * 185 * 618,
                PLUS,
                (*[92 * 308] * 3, *[45 * 153] * 4, *[22 * 76] * 3),
                9 * 512 * 72 * 22 * 76,
            ),
        ],
    )
    def test_macs_by_hand(self, spec, stem, squeezes, sizes, last):
        """The first convolution, ten fire modules at the sizes between the pools, the last convolution."""
        fires, channels = [], 64 if squeezes is self.BASE else 96
        for area, (squeeze, expand) in zip(sizes, squeezes, strict=True):
            fires.append(area * squeeze * (channels + 10 * expand))
            channels = 2 * expand

        assert macs_of(load_network(spec)) == stem + sum(fires) + last

    def test_parameters_of_plus_by_hand(self):
        """Weights and biases of the same layers."""
        counted, channels = 49 * 3 * 96 + 96, 96
        for squeeze, expand in self.PLUS:
            counted += channels * squeeze + squeeze + 10 * squeeze * expand + 2 * expand
            channels = 2 * expand

        assert params_of(load_network("squeezedet:variant=plus")) == counted + 9 * 512 * 72 + 72

    def test_anchors_and_classes(self):
        """Filters of the last convolution."""
        assert load_network("squeezedet:anchors=4,num_classes=1").outputs[0].shape[1] == 4 * 6
        assert same_alone("squeezedet", "params", "anchors", [3, 9, 12])

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("squeezedet:variant=vgg", "squeezedet: variant must be one of base, plus, got 'vgg'"),
            ("squeezedet:padding=half", "squeezedet: padding must be one of valid, same, got 'half'"),
            ("squeezedet:anchors=0", "anchors must be at least 1, got 0"),
            ("squeezedet:height=20", "pool5: the window is larger than the padded input"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is."""
        assert text in message(spec)


class TestMobileNetV3:
    """Tables 1 and 2 of the paper."""

    def test_sizes_of_the_large_one(self):
        """Outputs of the fifteen bottlenecks where the size changes, and at the end."""
        shapes = shapes_of(load_network("mobilenet_v3"))

        assert [shapes[f"block{i}/project"][1:] for i in (1, 3, 6, 10, 12, 15)] == [
            (16, 112, 112), (24, 56, 56), (40, 28, 28), (80, 14, 14), (112, 14, 14), (160, 7, 7),
        ]  # fmt: skip
        assert shapes["conv_last"][1:] == (960, 7, 7)
        assert shapes["fc1"] == (1, 1280)

    def test_sizes_of_the_small_one(self):
        """Eleven bottlenecks, 576 and 1024 at the end."""
        shapes = shapes_of(load_network("mobilenet_v3:variant=small"))

        assert [shapes[f"block{i}/project"][1:] for i in (1, 3, 6, 8, 11)] == [
            (16, 56, 56), (24, 28, 28), (40, 14, 14), (48, 14, 14), (96, 7, 7),
        ]  # fmt: skip
        assert (shapes["conv_last"][1], shapes["fc1"]) == (576, (1, 1024))

    @pytest.mark.parametrize(
        ("variant", "weighted"), [("large", (4, 5, 6, 11, 12, 13, 14, 15)), ("small", (1, *range(4, 12)))]
    )
    def test_where_channels_are_weighted(self, variant, weighted):
        """Column SE; the first convolution has a quarter of the channels, a multiple of 8."""
        shapes = shapes_of(load_network("mobilenet_v3", variant=variant))

        assert [n for n in shapes if n.endswith("/se/scale")] == [f"block{i}/se/scale" for i in weighted]
        for i in weighted:
            quarter, inner = shapes[f"block{i}/se/reduce"][1], shapes[f"block{i}/conv_dw"][1]
            assert quarter % 8 == 0
            assert abs(quarter - inner / 4) <= 8

    def test_where_inputs_are_added(self):
        """Stride 1 and equal channels."""
        shapes = shapes_of(load_network("mobilenet_v3"))

        assert [n for n in shapes if n.endswith("/add")] == [
            f"block{i}/add" for i in (1, 3, 5, 6, 8, 9, 10, 12, 14, 15)
        ]
        assert "block1/expand" not in shapes

    def test_activations(self):
        """Column NL: rectified up to block 6, hardswish from 7 on."""
        names = load_network("mobilenet_v3").table().names

        assert {"block6/conv_dw_relu", "block7/conv_dw_hardswish"} <= set(names)
        assert not {"block6/conv_dw_hardswish", "block7/conv_dw_relu"} & set(names)

    def test_widths_as_one_graph(self):
        """An array of widths."""
        for variant in ("large", "small"):
            assert same_alone("mobilenet_v3", "params", "width", [0.75, 1.0, 1.25], variant=variant)
            assert same_alone("mobilenet_v3", "macs", "width", [0.75, 1.0, 1.25], variant=variant)

    def test_refusals(self):
        """Another variant; widths of which only some have a shortcut."""
        assert (
            message("mobilenet_v3:variant=tiny")
            == "mobilenet_v3: variant must be one of large, small, got 'tiny'"
        )
        assert "width must lie in 0.01 .. 8, got 0" in message("mobilenet_v3:width=0")
        mixed = message("mobilenet_v3", variant="small", width=np.array([0.1, 1.0]))
        assert "mobilenet-v3-small: block7: a shortcut exists at some design points and not at others" in mixed


class TestShuffleNetV1:
    """Table 1 of the paper, and the network that ncnn times."""

    # Tencent/ncnn, commit a4d2ea1d, benchmark/models/shufflenet.param: MACs and weights of conv1, the units, fc1000.
    MACS = (
        8128512, 4064256, 381024, 3048192, *[3763200, 423360, 3763200] * 3, 3763200, 105840, 940800,
        *[3763200, 211680, 3763200] * 7, 3763200, 52920, 940800, *[3763200, 105840, 3763200] * 3, 960000,
    )  # fmt: skip
    WEIGHTS = (
        648, 1296, 486, 3888, *[4800, 540, 4800] * 3, 4800, 540, 4800, *[19200, 1080, 19200] * 7, 19200, 1080, 19200,
        *[76800, 2160, 76800] * 3, 960000,
    )  # fmt: skip

    def test_layers_of_ncnn(self):
        """Every layer, in order."""
        spec = "shufflenet_v1:bottleneck=branch,folded=True"
        weights = np.subtract(of_products(spec, "weight_elems"), of_products(spec, "bias_elems"))

        assert of_products(spec, "macs") == list(self.MACS)
        assert weights.tolist() == list(self.WEIGHTS)

    @pytest.mark.parametrize(
        ("groups", "channels"),
        [(1, (144, 288, 576)), (2, (200, 400, 800)), (3, (240, 480, 960)), (4, (272, 544, 1088)), (8, (384, 768, 1536))],
    )  # fmt: skip
    def test_channels_of_the_paper(self, groups, channels):
        """Table 1: output channels and sizes of the stages by groups."""
        shapes = shapes_of(load_network("shufflenet_v1", groups=groups))

        assert tuple(shapes[f"stage{i}/unit4/relu"][1] for i in (2, 3, 4)) == channels
        assert [shapes[f"stage{i}/unit1/relu"][2] for i in (2, 3, 4)] == [28, 14, 7]

    def test_every_grouped_unit_shuffles(self):
        """Sixteen copies of a feature map; none with one group."""
        assert load_network("shufflenet_v1").table().ops.count("transpose") == 16
        assert load_network("shufflenet_v1:groups=1").table().ops.count("transpose") == 0

    def test_the_first_convolution_is_not_grouped(self):
        """Its 24 channels are few."""
        table = load_network("shufflenet_v1").table()
        groups = {n: int(v) for n, v in zip(table.names, table.g[:, 0], strict=True)}

        assert [groups[f"stage2/unit{i}/reduce"] for i in (1, 2)] == [1, 3]
        assert groups["stage3/unit1/reduce"] == 3

    def test_bottlenecks(self):
        """A quarter of the unit's outputs, or of its convolutions' alone."""
        unit, branch = (
            shapes_of(load_network("shufflenet_v1", bottleneck=b))["stage2/unit1/reduce"][1]
            for b in ("unit", "branch")
        )

        assert (unit, branch) == (240 // 4, (240 - 24) // 4)

    def test_widths_as_one_graph(self):
        """An array of widths."""
        assert same_alone("shufflenet_v1", "params", "width", [0.25, 0.5, 1.0])
        assert same_alone("shufflenet_v1", "macs", "width", [0.5, 1.0, 1.5])

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("shufflenet_v1:groups=5", "shufflenet_v1: groups must be one of 1, 2, 3, 4, 8, got 5"),
            (
                "shufflenet_v1:bottleneck=half",
                "shufflenet_v1: bottleneck must be one of unit, branch, got 'half'",
            ),
            ("shufflenet_v1:width=0.3", "stage2/unit1/expand: groups 3 do not divide the 65 output channels"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is; groups divide channels."""
        assert text in message(spec)


class TestShuffleNetV2:
    """Table 5 of the paper."""

    @pytest.mark.parametrize(
        ("width", "channels", "last"),
        [
            (0.5, (48, 96, 192), 1024),
            (1, (116, 232, 464), 1024),
            (1.5, (176, 352, 704), 1024),
            (2, (244, 488, 976), 2048),
        ],
    )
    def test_channels_of_the_paper(self, width, channels, last):
        """Output channels and sizes of the stages."""
        shapes = shapes_of(load_network("shufflenet_v2", width=width))

        assert tuple(shapes[f"stage{i}/unit1/join"][1] for i in (2, 3, 4)) == channels
        assert [shapes[f"stage{i}/unit4/join"][2] for i in (2, 3, 4)] == [28, 14, 7]
        assert shapes["conv_last"][1:] == (last, 7, 7)

    def test_units(self):
        """Four, eight and four; each joins and shuffles, the first of each has two branches of convolutions."""
        names = load_network("shufflenet_v2").table().names

        assert [
            sum(n.startswith(f"stage{i}/") and n.endswith("/concat") for n in names) for i in (2, 3, 4)
        ] == [4, 8, 4]
        assert [n for n in names if n.endswith("left_pw")] == [f"stage{i}/unit1/left_pw" for i in (2, 3, 4)]

    def test_half_of_the_channels_is_left_alone(self):
        """Splitting moves nothing."""
        table = load_network("shufflenet_v2").table()
        slices = table.rows([op == "slice" for op in table.ops])

        assert len(slices.names) == 2 * 13
        assert set(slices.status) == {"free"}

    def test_channels_as_one_graph(self):
        """Design points of the first stage, also between those of the paper."""
        assert same_alone("shufflenet_v2", "params", "channels", [48, 100, 116, 244])
        assert same_alone("shufflenet_v2", "macs", "last_channels", [512, 1024])
        paper = load_network("shufflenet_v2", width=1.5).table()
        assert load_network("shufflenet_v2", channels=176).table().total("macs")[0] == paper.total("macs")[0]

    @pytest.mark.parametrize("width", [1, 1.0, "1"])
    def test_widths_are_texts_or_numbers(self, width):
        """The command line gives integers and floats."""
        assert load_network("shufflenet_v2", width=width).name == "shufflenet-v2-1"

    def test_refusals(self):
        """Another width, too few channels."""
        assert (
            message("shufflenet_v2:width=0.75")
            == "shufflenet_v2: width must be one of 0.5, 1, 1.5, 2, got '0.75'"
        )
        assert "channels must be at least 2, got 1" in message("shufflenet_v2:channels=1")


class TestEfficientNet:
    """Table 1 of the paper, and the scaling of its section 3."""

    def test_stages_of_the_paper(self):
        """Output channels and sizes of the seven stages of B0."""
        shapes = shapes_of(load_network("efficientnet"))
        ends = (1, 2, 2, 3, 3, 4, 1)

        assert [shapes[f"stage{s}/block{i}/project"][1:] for s, i in enumerate(ends, start=1)] == [
            (16, 112, 112), (24, 56, 56), (40, 28, 28), (80, 14, 14), (112, 14, 14), (192, 7, 7), (320, 7, 7),
        ]  # fmt: skip
        assert shapes["conv_last"][1] == 1280

    def test_channels_are_weighted_by_a_quarter_of_the_input(self):
        """Not of the channels within."""
        shapes = shapes_of(load_network("efficientnet"))

        assert (shapes["stage1/block1/se/reduce"][1], shapes["stage6/block2/se/reduce"][1]) == (8, 48)
        assert sum(n.endswith("/se/scale") for n in shapes) == 16

    @pytest.mark.parametrize(("depth", "blocks"), [(1.0, 16), (1.1, 23), (1.4, 26), (3.1, 55)])
    def test_depths(self, depth, blocks):
        """Residuals of a stage are rounded upwards: B0, B1, B3, B7."""
        shapes = shapes_of(load_network("efficientnet", depth=depth))

        assert sum(n.endswith("/project") for n in shapes) == blocks

    def test_widths_are_rounded(self):
        """B2: 32, 16, 24 and 320 channels times 1.1 as multiples of 8, at least 90 % of it."""
        shapes = shapes_of(load_network("efficientnet", width=1.1, depth=1.2))

        assert shapes["conv1"][1] == 32
        assert [shapes[f"stage{i}/block1/project"][1] for i in (1, 2, 7)] == [16, 24, 352]
        assert shapes["conv_last"][1] == 4 * 352

    def test_widths_as_one_graph(self):
        """An array of widths and resolutions."""
        assert same_alone("efficientnet", "params", "width", [1.0, 1.1, 1.4, 2.0])
        assert same_alone("efficientnet", "macs", "input", [224, 240, 300])

    @pytest.mark.parametrize("depth", [0, -1.0, 17, "deep", True, np.array([1.0, 2.0])])
    def test_depths_that_are_none(self, depth):
        """A graph has one depth."""
        assert "efficientnet: depth must be one number above 0, at most 16" in message(
            "efficientnet", depth=depth
        )


class TestDenseNet:
    """Table 1 of the paper."""

    @pytest.mark.parametrize("depth", [121, 161, 169, 201])
    def test_layers_with_weights(self, depth):
        """The depth counts them: one first, two per layer, three transitions, one last."""
        assert len(of_products(f"densenet:depth={depth}", "macs")) == depth

    def test_channels(self):
        """64, then 32 more per layer; transitions halve."""
        shapes = shapes_of(load_network("densenet"))

        assert [shapes[f"block{b}/layer{n}/concat"][1:] for b, n in ((1, 6), (2, 12), (3, 24), (4, 16))] == [
            (256, 56, 56), (512, 28, 28), (1024, 14, 14), (1024, 7, 7),
        ]  # fmt: skip
        assert [shapes[f"transition{i}/pool"][1:] for i in (1, 2, 3)] == [
            (128, 28, 28),
            (256, 14, 14),
            (512, 7, 7),
        ]

    def test_parameters_of_a_layer(self):
        """Two normalisations, 1x1 to four times the growth, 3x3 to the growth."""
        graph = load_network("densenet")

        assert params_of(graph, "block1/layer2/") == 2 * 96 + 96 * 128 + 2 * 128 + 9 * 128 * 32

    def test_what_is_free_and_what_is_not(self):
        """Layers write where they are joined; normalising what is joined is work, since no layer with weights precedes it."""
        table = load_network("densenet").table()
        status = dict(zip(table.names, table.status, strict=True))

        assert (status["block1/layer2/concat"], status["block1/layer2/conv1_bn"]) == ("free", "free")
        assert (status["block1/layer2/bn"], status["transition1/bn"], status["bn_last"]) == ("counted",) * 3

    def test_growths_as_one_graph(self):
        """An array of growth rates, of bottlenecks."""
        assert same_alone("densenet", "params", "growth", [12, 24, 32, 48])
        assert same_alone("densenet", "macs", "bottleneck", [1, 2, 4])
        assert load_network("densenet", depth=161).table().total("params")[0] == 28681000

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("densenet:depth=100", "densenet: depth must be one of 121, 161, 169, 201, got 100"),
            ("densenet:growth=0", "growth must be at least 1, got 0"),
            ("densenet:bottleneck=0", "bottleneck must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is."""
        assert text in message(spec)


class TestStyleTransfer:
    """Table 1 of the supplementary material."""

    LATER = "style_transfer:upsampling=nearest,normalisation=instance,padding=reflect"
    DOWN = (square(9, 3, 32, 256), square(3, 32, 64, 128), square(3, 64, 128, 64))
    BLOCKS = (square(3, 128, 128, 64),) * 10

    def test_layers_of_the_paper(self):
        """Activation sizes of the table."""
        shapes = shapes_of(load_network("style_transfer"))

        assert [shapes[n][1:] for n in ("conv1", "conv2", "conv3", "block5/add", "up1", "up2", "conv_last")] == [
            (32, 256, 256), (64, 128, 128), (128, 64, 64), (128, 64, 64), (64, 128, 128), (32, 256, 256), (3, 256, 256),
        ]  # fmt: skip

    def test_macs_of_the_paper(self):
        """A convolution of stride 1/2 has one product per input, weight and filter."""
        up = (square(3, 128, 64, 64), square(3, 64, 32, 128), square(9, 32, 3, 256))

        assert of_products("style_transfer", "macs") == hand_macs(self.DOWN + self.BLOCKS + up)

    def test_macs_of_later_versions(self):
        """pytorch/examples: enlarged first, four times the work in two layers."""
        up = (square(3, 128, 64, 128), square(3, 64, 32, 256), square(9, 32, 3, 256))

        assert of_products(self.LATER, "macs") == hand_macs(self.DOWN + self.BLOCKS + up)

    @pytest.mark.parametrize("spec", ["style_transfer", LATER])
    def test_parameters(self, spec):
        """Weights, biases, and a scale and a shift behind all but the last layer."""
        layers = (*self.DOWN, *self.BLOCKS, square(3, 128, 64, 0), square(3, 64, 32, 0), square(9, 32, 3, 0))
        filters = [filters for _, _, filters, _ in layers]

        assert params_of(load_network(spec)) == sum(hand_weights(layers)) + 3 * sum(filters) - 2 * 3

    def test_what_is_free_and_what_is_not(self):
        """Statistics of the image itself cannot be merged; a reflection is a copy."""
        plain, later = load_network("style_transfer").table(), load_network(self.LATER).table()

        assert {s for op, s in zip(plain.ops, plain.status, strict=True) if op == "batch_norm"} == {"free"}
        assert {s for op, s in zip(later.ops, later.status, strict=True) if op == "group_norm"} == {"counted"}
        assert (plain.ops.count("pad"), later.ops.count("pad")) == (0, 16)

    def test_metaparameters(self):
        """Filters, residual blocks and sizes."""
        assert same_alone("style_transfer", "params", "filters", [8, 16, 32])
        assert same_alone("style_transfer", "macs", "input", [128, 256, 512])
        assert params_of(load_network("style_transfer:blocks=0"), "block") == 0

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (
                {"upsampling": "bilinear"},
                "style_transfer: upsampling must be one of transposed, nearest, got 'bilinear'",
            ),
            (
                {"normalisation": "layer"},
                "style_transfer: normalisation must be one of batch, instance, got 'layer'",
            ),
            ({"padding": "none"}, "style_transfer: padding must be one of zero, reflect, got 'none'"),
            ({"blocks": -1}, "style_transfer: blocks must be one integer of at least 0, got -1"),
            ({"input": 255}, "style_transfer: input must be a multiple of 4"),
            (
                {"input": np.array([256, 258])},
                "style_transfer: input must be a multiple of 4 (first at design point 1)",
            ),
        ],
    )
    def test_refusals(self, arguments, text):
        """Choices list what there is."""
        assert text in message("style_transfer", **arguments)


class TestKeywordSpotting:
    """ARM-software/ML-KWS-for-MCU: train_commands.txt and models.py."""

    @pytest.mark.parametrize(
        ("cell", "gates", "hidden", "frames"),
        [
            ("gru", 3, 154, 25), ("gru", 3, 250, 49), ("gru", 3, 400, 49),
            ("lstm", 4, 118, 49), ("lstm", 4, 214, 49), ("lstm", 4, 344, 49),
        ],
    )  # fmt: skip
    def test_counts_by_hand(self, cell, gates, hidden, frames):
        """Every frame is multiplied by the weights of the features, every state by those of the states."""
        graph = load_network("kws_rnn", cell=cell, hidden=hidden, frames=frames)
        weights = gates * hidden * (10 + hidden)

        assert macs_of(graph) == frames * weights + 12 * hidden
        assert params_of(graph) == weights + 2 * gates * hidden + 12 * hidden + 12

    def test_rows(self):
        """The products of the input at once, those of the state frame after frame; the last state is classified."""
        graph = load_network("kws_rnn")
        table = graph.table()

        assert [n for n in table.names if n.startswith("gru")] == ["gru/input", "gru/recurrent"]
        assert int(table.steps[table.names.index("gru/recurrent"), 0]) == 25
        assert shapes_of(graph)["flatten"] == (1, 154)

    def test_sizes_as_one_graph(self):
        """Arrays of states, frames and features."""
        assert same_alone("kws_rnn", "params", "hidden", [32, 154, 400])
        assert same_alone("kws_rnn", "macs", "frames", [25, 49], cell="lstm")
        assert same_alone("kws_rnn", "macs", "features", [10, 40])

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("kws_rnn:cell=rnn", "kws_rnn: cell must be one of gru, lstm, got 'rnn'"),
            ("kws_rnn:hidden=0", "gru: hidden must be at least 1, got 0"),
            ("kws_rnn:frames=0", "data: shape[1] must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is."""
        assert text in message(spec)


class TestViT:
    """Table 1 of arXiv:2012.12877; ViT-B/16 is compared with a file elsewhere."""

    @pytest.mark.parametrize(("variant", "dim"), [("tiny", 192), ("small", 384), ("base", 768)])
    def test_parameters_by_hand(self, variant, dim):
        """Patches, class token, positions, twelve layers, two numbers per feature of every normalisation, classes."""
        layer = 3 * dim * dim + 3 * dim + dim * dim + dim + 2 * 4 * dim * dim + 4 * dim + dim + 2 * 2 * dim
        embedding = 3 * 16 * 16 * dim + dim + dim + 197 * dim

        assert (
            params_of(load_network("vit", variant=variant))
            == embedding + 12 * layer + 2 * dim + 1000 * dim + 1000
        )

    def test_macs_by_hand(self):
        """Products with weights for each of 197 tokens, and two products of tokens with tokens."""
        layer = 197 * 12 * 192**2 + 2 * 197**2 * 192

        assert macs_of(load_network("vit")) == 196 * 768 * 192 + 12 * layer + 1000 * 192

    def test_attention(self):
        """Shapes of scores and mixtures; queries, keys and values are read in place."""
        graph = load_network("vit")
        shapes, table = shapes_of(graph), graph.table()

        assert (shapes["layer1/attention/scores"], shapes["layer1/attention/mix"]) == (
            (1, 3, 197, 197),
            (1, 3, 197, 64),
        )
        assert table.ops.count("transpose") == 1
        assert {s for op, s in zip(table.ops, table.status, strict=True) if op in ("reshape", "slice")} == {
            "free"
        }

    def test_products_of_tokens_have_no_stored_weights(self):
        """Both operands are activations."""
        table = load_network("vit").table()

        assert sum(map(bool, table.dynamic_weight)) == 2 * 12
        assert not table.rows([op == "matmul" for op in table.ops]).params.any()

    def test_heads_change_no_product_but_the_softmax(self):
        """One map of scores per head."""
        one, six = (load_network("vit", heads=heads).table() for heads in (1, 6))
        softmax = [t.rows([op == "softmax" for op in t.ops]).ofmap_elems[0, 0] for t in (one, six)]

        assert one.total("macs")[0] == six.total("macs")[0]
        assert softmax == [197**2, 6 * 197**2]

    def test_sizes_as_one_graph(self):
        """Arrays of token sizes, resolutions and patches."""
        assert same_alone("vit", "params", "dim", [96, 192, 384])
        assert same_alone("vit", "macs", "input", [224, 384])
        assert same_alone("vit", "macs", "patch", [16, 32])

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"variant": "huge"}, "vit: variant must be one of tiny, small, base, got 'huge'"),
            ({"heads": 5}, "vit: heads must divide dim"),
            ({"input": 225}, "vit: input must be a multiple of patch"),
            ({"dim": np.array([192, 200])}, "vit: heads must divide dim (first at design point 1)"),
            ({"layers": 0}, "vit: layers must be one integer of at least 1, got 0"),
            ({"mlp_ratio": 0}, "mlp_ratio must be at least 1, got 0"),
        ],
    )
    def test_refusals(self, arguments, text):
        """Choices list what there is; sizes divide."""
        assert text in message("vit", **arguments)


class TestTinyYOLO:
    """pjreddie/darknet: cfg/yolov2-tiny-voc.cfg and cfg/yolov3-tiny.cfg."""

    COMMON = (
        square(3, 3, 16, 416), square(3, 16, 32, 208), square(3, 32, 64, 104), square(3, 64, 128, 52),
        square(3, 128, 256, 26), square(3, 256, 512, 13), square(3, 512, 1024, 13),
    )  # fmt: skip
    V2 = (*COMMON, square(3, 1024, 1024, 13), square(1, 1024, 125, 13))
    V3 = (
        *COMMON, square(1, 1024, 256, 13), square(3, 256, 512, 13), square(1, 512, 255, 13),
        square(1, 256, 128, 13), square(3, 384, 256, 26), square(1, 256, 255, 26),
    )  # fmt: skip

    @pytest.mark.parametrize(("version", "layers"), [(2, V2), (3, V3)])
    def test_layers_of_the_configuration(self, version, layers):
        """Every convolution, in order."""
        assert of_products(f"tiny_yolo:version={version}", "macs") == hand_macs(layers)

    @pytest.mark.parametrize(("version", "layers", "detections"), [(2, V2, 125), (3, V3, 2 * 255)])
    def test_parameters_of_the_configuration(self, version, layers, detections):
        """Two per filter where batch_normalize=1, a bias at the boxes."""
        filters = sum(filters for _, _, filters, _ in layers)
        weights = sum(hand_weights(layers))

        assert params_of(load_network("tiny_yolo", version=version)) == weights + 2 * filters - detections

    def test_outputs(self):
        """One grid, or two."""
        assert [t.shape for t in load_network("tiny_yolo").outputs] == [(1, 125, 13, 13)]
        assert [t.shape for t in load_network("tiny_yolo:version=3").outputs] == [
            (1, 255, 13, 13),
            (1, 255, 26, 26),
        ]
        assert load_network("tiny_yolo:boxes=2,num_classes=1").outputs[0].shape[1] == 12

    def test_the_last_pool_keeps_the_size(self):
        """Stride 1, one row and one column of padding behind."""
        shapes = shapes_of(load_network("tiny_yolo"))

        assert (shapes["pool5"][2:], shapes["pool6"][2:]) == ((13, 13), (13, 13))

    def test_widths_as_one_graph(self):
        """Arrays of widths and boxes."""
        for version in (2, 3):
            assert same_alone("tiny_yolo", "params", "width", [0.25, 0.5, 1.0], version=version)
            assert same_alone("tiny_yolo", "macs", "boxes", [1, 3, 5], version=version)

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("tiny_yolo:version=4", "tiny_yolo: version must be one of 2, 3, got 4"),
            ("tiny_yolo:boxes=0", "boxes must be at least 1, got 0"),
            ("tiny_yolo:version=3,input=400", "tiny_yolo: input must be a multiple of 32 in version 3"),
        ],
    )
    def test_refusals(self, spec, text):
        """Choices list what there is; two grids must meet."""
        assert text in message(spec)


FOLDABLE = (
    "mobilenet_v3", "mobilenet_v3:variant=small", "shufflenet_v1", "shufflenet_v1:groups=1", "shufflenet_v2", "efficientnet",
    "tiny_yolo", "tiny_yolo:version=3",
)  # fmt: skip


@pytest.mark.parametrize("spec", FOLDABLE)
def test_folding_keeps_the_work(spec):
    """Folded, every normalised channel has a bias instead of a scale and a shift; MACs and sizes of products stay."""
    plain, folded = load_network(spec), load_network(spec, folded=True)
    channels = sum(
        int(layer.outputs[0].shape[1]) for layer in plain.layers if type(layer.op).__name__ == "BatchNorm"
    )

    assert params_of(plain) - params_of(folded) == channels
    assert of_products(spec, "macs") == [int(v) for v in folded.table().macs[:, 0] if v]
    assert "batch_norm" not in folded.table().ops
