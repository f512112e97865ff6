"""PyTorch modules become graphs: exact counts, names of modules, parameters once, clear refusals."""

from math import prod
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.errors import InputError, NetworkError
from costmodel.graph.table import COUNTS
from costmodel.importers import load_network
from costmodel.importers import torch as importer
from costmodel.importers.onnx import onnx_graph
from costmodel.importers.torch import torch_graph
from costmodel.validation import published

torch = pytest.importorskip("torch", reason='needs PyTorch: pip install "nn-costmodel[torch]"')
nn, functional = torch.nn, torch.nn.functional

HAND = {row["case"]: row["value"] for row in published() if "case" in row}


class Fn(nn.Module):
    """A function as a module, with the modules and parameters it uses."""

    def __init__(self, function, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, *inputs):
        return self.function(self, *inputs)


def parameter(*shape):
    """A parameter without numbers."""
    return nn.Parameter(torch.empty(shape))


IMAGE, TOKENS = (1, 16, 16, 16), (1, 100, 64)
HEADS = (1, 4, 100, 64)

CASES = {
    "conv 16->32 k3": (lambda: nn.Conv2d(16, 32, 3, padding=1, bias=False), [IMAGE]),
    "conv + bias": (lambda: nn.Conv2d(16, 32, 3, padding=1), [IMAGE]),
    "conv batch 4": (lambda: nn.Conv2d(16, 32, 3, padding=1, bias=False), [(4, 16, 16, 16)]),
    "grouped conv g4": (lambda: nn.Conv2d(16, 32, 3, padding=1, groups=4, bias=False), [IMAGE]),
    "dilated conv d2": (lambda: nn.Conv2d(16, 32, 3, padding=2, dilation=2, bias=False), [IMAGE]),
    "conv3d": (lambda: nn.Conv3d(4, 8, 3, padding=1, bias=False), [(1, 4, 8, 8, 8)]),
    "convT s2": (lambda: nn.ConvTranspose2d(16, 32, 4, 2, 1, bias=False), [IMAGE]),
    "convT s2 g4": (lambda: nn.ConvTranspose2d(16, 32, 4, 2, 1, groups=4, bias=False), [IMAGE]),
    "F.conv2d on nn.Parameter": (
        lambda: Fn(lambda m, x: functional.conv2d(x, m.w, padding=1), w=parameter(32, 16, 3, 3)),
        [IMAGE],
    ),
    "linear 2-D": (lambda: nn.Linear(64, 32, bias=False), [(1, 64)]),
    "linear 3-D (1,100,64)": (lambda: nn.Linear(64, 32, bias=False), [TOKENS]),
    "x @ Parameter": (lambda: Fn(lambda m, x: x @ m.w, w=parameter(64, 32)), [TOKENS]),
    "einsum": (lambda: Fn(lambda m, x: torch.einsum("btc,ck->btk", x, m.w), w=parameter(64, 32)), [TOKENS]),
    "SDPA": (lambda: Fn(lambda _, *qkv: functional.scaled_dot_product_attention(*qkv)), [HEADS] * 3),
    "MultiheadAttention": (
        lambda: Fn(lambda m, x: m.attention(x, x, x)[0], attention=nn.MultiheadAttention(64, 4, batch_first=True)),
        [TOKENS],
    ),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), [TOKENS]),
    "LSTM": (lambda: nn.LSTM(64, 48, batch_first=True), [TOKENS]),
    "GRU": (lambda: nn.GRU(64, 48, batch_first=True), [TOKENS]),
    "module used twice": (
        lambda: Fn(lambda m, x: m.conv(m.conv(x)), conv=nn.Conv2d(16, 16, 3, padding=1, bias=False)),
        [IMAGE],
    ),
    "ReLU": (nn.ReLU, [(1, 32, 16, 16)]),
    "BatchNorm2d (eval)": (lambda: nn.BatchNorm2d(16), [IMAGE]),
    "MaxPool2d 2": (lambda: nn.MaxPool2d(2), [(1, 32, 16, 16)]),
    "AdaptiveAvgPool2d(1)": (lambda: nn.AdaptiveAvgPool2d(1), [IMAGE]),
    "LayerNorm": (lambda: nn.LayerNorm(64), [TOKENS]),
    "Softmax": (lambda: nn.Softmax(-1), [TOKENS]),
    "add (x+x)": (lambda: Fn(lambda _, x: x + x), [IMAGE]),
    "interpolate x2 bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), [IMAGE]),
}


def total(graph, column):
    """Sum of a column of the table."""
    return int(graph.table().total(column)[0])


def trained(module):
    """Parameters of a module, each once."""
    return sum(p.numel() for p in module.parameters())


def torch_macs(module, *shapes):
    """Half of what torch's own counter says on the meta device."""
    from torch.utils.flop_counter import FlopCounterMode

    inputs = [torch.empty(shape, device="meta") for shape in shapes]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta").eval()(*inputs)
    return counter.get_total_flops() // 2


def ops(graph):
    """Operations of the rows that cost anything."""
    table = graph.table()
    return [op for op, status in zip(table.ops, table.status, strict=True) if status == "counted"]


def row(graph, name):
    """A row of the table as a dictionary of plain values."""
    table = graph.table()
    index = table.names.index(name)
    return {
        column: table[column][index] if isinstance(table[column], tuple) else table[column][index].item()
        for column in table.__dataclass_fields__
    }


# ---- one operation


def test_every_published_case_is_here():
    """The cases are those of the published table."""
    assert set(HAND) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_one_operator_cases_are_exact(case):
    """MACs by hand, all parameters once, and nothing unknown."""
    make, shapes = CASES[case]
    module = make()

    graph = torch_graph(module, *shapes)

    assert HAND[case] == total(graph, "macs")
    assert trained(module) == total(graph, "params")
    assert "unknown" not in graph.table().status


# ---- networks


class Fire(nn.Module):
    """Fire module of SqueezeNet, as torchvision has it."""

    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.squeeze_activation(self.squeeze(x))
        sides = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return torch.cat(sides, 1)


def pool():
    """The pooling between the stages of SqueezeNet."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1, as torchvision has it."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(inplace=True), pool(),
            Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(512, 1000, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


def alexnet():
    """AlexNet, as torchvision has it."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(True), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(True), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(True),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(True),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Dropout(),
        nn.Linear(9216, 4096), nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(True),
        nn.Linear(4096, 1000), nn.Softmax(-1),
    )  # fmt: skip


class Residual(nn.Module):
    """A basic block of ResNet with a projection."""

    def __init__(self, inputs=64, outputs=128):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.downsample(x)
        return self.relu(y)


class SmallViT(nn.Module):
    """A vision transformer of two layers with a class token and a position embedding."""

    def __init__(self, dim=64, heads=4, patches=16):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, dim, 8, 8)
        self.class_token = parameter(1, 1, dim)
        self.pos_embedding = parameter(1, patches + 1, dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.ln = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        x = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embedding
        return self.head(self.ln(self.encoder(x))[:, 0])


NETWORKS = {
    "squeezenet": (SqueezeNet, (1, 3, 224, 224), 349_151_936),
    "alexnet": (alexnet, (1, 3, 224, 224), 714_188_480),
    "residual": (lambda: nn.Sequential(Residual(), Residual(128, 128)), (1, 64, 28, 28), None),
    "vit": (SmallViT, (1, 3, 32, 32), None),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_count_what_torch_counts(name):
    """MACs equal half of the FLOPs of torch's own counter, parameters those of the module."""
    make, shape, published_macs = NETWORKS[name]
    module = make()

    graph = torch_graph(module, shape)

    assert torch_macs(module, shape) == total(graph, "macs")
    assert trained(module) == total(graph, "params")
    assert published_macs in (None, total(graph, "macs"))
    assert "unknown" not in graph.table().status


@pytest.mark.parametrize(
    ("make", "spec"),
    [(SqueezeNet, "squeezenet:version=1.1,ceil_mode=true"), (alexnet, "alexnet:variant=torchvision")],
)
def test_layers_equal_those_of_the_shipped_networks(make, spec):
    """Every row that costs something is the same as in the network written by hand, in the same order."""
    ours, shipped = torch_graph(make(), (1, 3, 224, 224)).table(), load_network(spec).table()
    columns = [c for c in ours.__dataclass_fields__ if c not in ("names", "groups", "notes", "status")]

    def rows(table):
        """Rows of convolutions, linear layers and poolings."""
        chosen = [i for i, op in enumerate(table.ops) if op in ("conv", "linear", "max_pool", "avg_pool")]
        return [[table[c][i] if c == "ops" else table[c][i].item() for c in columns] for i in chosen]

    assert rows(shipped) == rows(ours)


def test_layers_equal_those_of_the_onnx_file():
    """The same network read from a file that torch wrote: every row that costs something, and all totals."""
    file = Path(__file__).parents[1] / "models" / "onnx" / "squeezenet1_1.dynamo.onnx"
    ours, read = torch_graph(SqueezeNet(), (1, 3, 224, 224)).table(), onnx_graph(file).table()
    columns = [c for c in ours.__dataclass_fields__ if c not in ("names", "groups", "notes", "status")]

    def rows(table):
        """Rows that cost something, without their names."""
        chosen = [i for i, status in enumerate(table.status) if status == "counted"]
        return [[table[c][i] if c == "ops" else table[c][i].item() for c in columns] for i in chosen]

    assert rows(read) == rows(ours)
    assert all(read.total(column) == ours.total(column) for column in COUNTS)


def test_batch_norm_folds_where_the_graph_says_so():
    """Behind a convolution it is folded, behind a sum it is not."""
    module = Fn(
        lambda m, x: m.second(m.first(m.conv(x)) + x),
        conv=nn.Conv2d(16, 16, 3, padding=1),
        first=nn.BatchNorm2d(16),
        second=nn.BatchNorm2d(16),
    )
    table = torch_graph(module, IMAGE).table()
    status = dict(zip(table.names, table.status, strict=True))

    assert (status["first"], status["second"]) == ("free", "counted")


# ---- names


def test_modules_are_names_and_groups():
    """The path of a module is the name of its layer, and the module around it the group."""
    module = nn.Sequential()
    module.add_module("layer1", nn.Sequential(Residual(64, 64), Residual(64, 64)))
    table = torch_graph(module, (1, 64, 8, 8)).table()
    groups = dict(zip(table.names, table.groups, strict=True))

    assert groups["layer1.0/conv2"] == "layer1.0"
    assert groups["layer1.1.downsample/0"] == "layer1.1.downsample"
    assert groups["layer1.0/add"] == "layer1.0"
    assert [name for name in groups if name.endswith("relu_2")] == ["layer1.0/relu_2", "layer1.1/relu_2"]


@pytest.mark.parametrize(
    "inputs",
    [[(1, 3, 8, 8)], {"input": (1, 3, 8, 8)}, [torch.zeros(1, 3, 8, 8)], {"input": ((1, 3, 8, 8), "float32")}],
)
def test_a_module_is_a_network_wherever_one_is(inputs):
    """load_network, analyze and compare take it with shapes or tensors, by position or by name."""
    module = nn.Conv2d(3, 4, 3)
    graph = load_network(module, inputs=inputs)

    assert graph.table().total("macs") == 4 * 3 * 9 * 36
    assert cm.analyze(module, "snapdragon", inputs=inputs).totals.macs == 4 * 3 * 9 * 36


def test_modules_side_by_side():
    """Each takes the arguments of its forward pass by name."""
    found = cm.compare([nn.Conv2d(3, 4, 3), nn.ReLU()], "snapdragon", inputs={"input": (1, 3, 8, 8)}).analyses

    assert [analysis.network for analysis in found] == ["Conv2d", "ReLU"]


def test_a_module_without_examples_is_refused():
    """The message lists the arguments that need one."""
    with pytest.raises(NetworkError, match=r"give one example per argument of forward\(input"):
        load_network(nn.Conv2d(3, 4, 3))


def test_the_graph_is_named_after_the_class():
    """The class of the module, or what the caller says."""
    assert torch_graph(nn.ReLU(), (1, 4)).name == "ReLU"
    assert torch_graph(nn.ReLU(), (1, 4), name="mine").name == "mine"
    assert [t.name for t in torch_graph(Residual(), (1, 64, 8, 8)).inputs] == ["x"]


# ---- parameters


def test_tied_weights_count_once():
    """A language model's table of tokens is its last layer as well."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = nn.Embedding(100, 16)
            self.head = nn.Linear(16, 100)
            self.head.weight = self.tokens.weight

        def forward(self, x):
            return self.head(self.tokens(x))

    module = Tied()
    graph = torch_graph(module, ((1, 7), "int64"))

    assert trained(module) == 1600 + 100 == total(graph, "params")
    assert total(graph, "macs") == 7 * 16 * 100
    assert row(graph, "head")["weight_elems"] == 1700


def test_a_module_used_twice_is_two_layers_with_one_set_of_parameters():
    """Names are numbered; the second layer has no parameters and reads all weights."""
    module = CASES["module used twice"][0]()
    graph = torch_graph(module, IMAGE)

    assert graph.table().names == ("conv", "conv_2")
    assert [row(graph, name)["params"] for name in graph.table().names] == [2304, 0]
    assert [row(graph, name)["weight_elems"] for name in graph.table().names] == [2304, 2304]


def test_buffers_are_no_parameters():
    """A fixed kernel is read as weights and is not trained."""

    class Blur(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("kernel", torch.ones(16, 1, 3, 3))
            self.register_buffer("offset", torch.ones(1, 16, 16, 16))

        def forward(self, x):
            return functional.conv2d(x, self.kernel, padding=1, groups=16) + self.offset

    graph = torch_graph(Blur(), IMAGE)

    assert total(graph, "params") == 0
    assert row(graph, "conv2d")["weight_elems"] == 144
    assert row(graph, "add")["weight_elems"] == 4096


def test_weights_made_of_parameters_are_constants():
    """Weight normalisation is computed once: its parameters count, its arithmetic does not."""
    module = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(16, 32, 3))
    graph = torch_graph(module, IMAGE)

    assert trained(module) == total(graph, "params")
    assert total(graph, "macs") == 32 * 16 * 9 * 14 * 14
    assert ops(graph) == ["conv"]


def test_per_channel_parameters_are_part_of_an_elementwise_layer():
    """A learned scale per channel is fused like an activation and keeps its parameters."""
    module = Fn(lambda m, x: m.conv(x) * m.scale, conv=nn.Conv2d(16, 16, 1), scale=parameter(16, 1, 1))
    graph = torch_graph(module, IMAGE)

    assert (row(graph, "mul")["status"], row(graph, "mul")["params"]) == ("free", 16)
    assert trained(module) == total(graph, "params")


def test_positions_are_parameters_of_their_own():
    """A position embedding is read as it is; slices of a table count the whole table once."""
    module = Fn(lambda m, x: x + m.table[:, :100], table=parameter(1, 512, 64))
    graph = torch_graph(module, TOKENS)

    assert total(graph, "params") == 512 * 64
    assert row(graph, "add")["weight_elems"] == 6400


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LayerNorm(64, bias=False), lambda: nn.RMSNorm(64), nn.PReLU, lambda: nn.PReLU(100),
        lambda: nn.LayerNorm((100, 64)), lambda: nn.BatchNorm1d(100), lambda: nn.GroupNorm(10, 100),
        lambda: nn.InstanceNorm1d(100, affine=True), lambda: nn.BatchNorm1d(100, affine=False),
        lambda: nn.LSTM(64, 8, 2, bidirectional=True), lambda: nn.GRU(64, 8, bias=False), lambda: nn.RNN(64, 8),
        lambda: nn.LSTM(64, 32, proj_size=8), lambda: nn.Conv1d(100, 20, 3, padding="same"),
        lambda: nn.ConvTranspose1d(100, 20, 3), lambda: nn.Conv1d(100, 20, 3, padding=1, padding_mode="circular"),
    ],
)  # fmt: skip
def test_layers_with_parameters_reconcile(make):
    """Parameters and MACs are those of torch, whatever the variant."""
    module = make()
    graph = torch_graph(module, TOKENS)

    assert trained(module) == total(graph, "params")
    assert "unknown" not in graph.table().status
    assert torch_macs(module, TOKENS) == total(graph, "macs")


# ---- operations


def unary(name):
    """A function of one tensor from torch or its functional namespace."""
    return getattr(torch, name, None) or getattr(functional, name)


@pytest.mark.parametrize(
    "name",
    [
        "relu", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "elu", "leaky_relu", "mish", "exp",
        "erf", "abs",
    ],
)  # fmt: skip
def test_activations_are_fused_under_their_own_name(name):
    """Behind a convolution an activation is free and keeps its name, whatever torch would decompose it to."""
    module = Fn(lambda m, x: unary(name)(m.conv(x)), conv=nn.Conv2d(16, 16, 1))
    graph = torch_graph(module, IMAGE)

    assert (name, "free") == (row(graph, name)["ops"], row(graph, name)["status"])
    assert prod(IMAGE) == row(graph, name)["other_ops"]


@pytest.mark.parametrize(
    ("function", "shapes", "expected"),
    [
        (lambda x: x.mean((2, 3)), [IMAGE], ["avg_pool"]),
        (lambda x: x.mean((2, 3), keepdim=True), [IMAGE], ["avg_pool"]),
        (lambda x: x.sum(1), [IMAGE], ["sum"]),
        (lambda x: x.amax(-1), [IMAGE], ["amax"]),
        (lambda x: x.max(1)[0], [IMAGE], ["max"]),
        (torch.max, [IMAGE, IMAGE], ["max"]),
        (lambda x, y: torch.where(x > 0, x, y), [IMAGE, IMAGE], ["gt", "where"]),
        (lambda x, y: x * torch.sigmoid(y), [IMAGE, (1, 16, 1, 1)], ["sigmoid", "mul"]),
        (lambda x, y: x - y, [IMAGE, (16, 1)], ["sub"]),
        (lambda x, y: x / y, [IMAGE, IMAGE], ["div"]),
        (lambda x: 1 - x, [IMAGE], ["sub"]),
        (lambda x: x.permute(0, 2, 3, 1), [IMAGE], ["transpose"]),
        (lambda x: x.transpose(0, 1), [TOKENS], []),
        (lambda x: x.transpose(-1, -2).contiguous(), [TOKENS], ["transpose"]),
        (lambda x: x.view(1, -1), [IMAGE], []),
        (lambda x: x.flatten(1), [IMAGE], []),
        (lambda x: x[:, 1:9:2], [IMAGE], []),
        (lambda x: x[:, -1], [IMAGE], []),
        (lambda x: x.squeeze(0).unsqueeze(1), [IMAGE], []),
        (lambda x: torch.cat([x.relu(), x.exp()], 1), [IMAGE], ["relu", "exp", "concat"]),
        (lambda x: torch.cat([x, x], 1), [IMAGE], ["concat"]),
        (lambda x: torch.stack([x + x, x * x], -1), [IMAGE], ["add", "mul"]),
        (lambda x: torch.cat(x.chunk(2, 1)[::-1], 1), [IMAGE], ["concat"]),
        (lambda x: sum(x.split([4, 12], 1)[1].unbind(2)), [IMAGE], ["add"] * 16),
        (lambda x: x.expand(3, 16, 16, 16), [IMAGE], ["expand"]),
        (lambda x: x.repeat(1, 2, 1, 1), [IMAGE], ["repeat"]),
        (lambda x: x.roll(1, -1), [IMAGE], ["roll"]),
        (lambda x: functional.pad(x, (1, 2)), [IMAGE], ["pad"]),
        (lambda x: functional.pad(x, (0, 0, 0, 0, 1, 1)), [IMAGE], ["pad"]),
        (lambda x: functional.avg_pool2d(x, 2), [IMAGE], ["avg_pool"]),
        (lambda x: functional.avg_pool1d(x, 2), [TOKENS], ["avg_pool"]),
        (lambda x: functional.max_pool2d(x, 3, 2, 1, return_indices=True)[0], [IMAGE], ["max_pool"]),
        (lambda x: functional.adaptive_max_pool2d(x, 4), [IMAGE], ["max_pool"]),
        (lambda x: functional.adaptive_avg_pool2d(x, (4, None)), [IMAGE], ["avg_pool"]),
        (lambda x: functional.interpolate(x, scale_factor=2), [IMAGE], ["upsample"]),
        (lambda x: functional.interpolate(x, size=(5, 7), mode="bicubic"), [IMAGE], ["upsample"]),
        (lambda x: functional.log_softmax(x, -1), [TOKENS], ["softmax"]),
        (functional.instance_norm, [IMAGE], ["group_norm"]),
        (lambda x: functional.pixel_shuffle(x, 2), [IMAGE], ["pixel_shuffle"]),
        (lambda x: functional.unfold(x, 3), [IMAGE], ["im2col"]),
        (lambda x: functional.dropout(x, training=False), [IMAGE], []),
        (lambda x: x.half().float().detach(), [IMAGE], []),
        (lambda x: x + torch.arange(16), [IMAGE], ["add"]),
        (lambda x: x @ x.transpose(-1, -2), [TOKENS], ["transpose", "matmul"]),
        (lambda x: x.cumsum(-1), [TOKENS], ["cumsum"]),
    ],
)
def test_operations(function, shapes, expected):
    """What costs anything, in order; torch's own shapes are checked while importing."""
    graph = torch_graph(Fn(lambda _, *inputs: (function(*inputs), inputs[0].neg())), *shapes)
    found = [op for op in ops(graph) if op != "neg"]

    assert expected == found
    assert "unknown" not in graph.table().status


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (torch.matmul, [(5,), (5,)]),
        (torch.matmul, [(3, 5), (5,)]),
        (torch.matmul, [(5,), (2, 5, 4)]),
        (torch.matmul, [(2, 3, 5), (5, 4)]),
        (torch.matmul, [(7, 1, 3, 5), (2, 5, 4)]),
        (torch.bmm, [(2, 3, 5), (2, 5, 4)]),
        (torch.baddbmm, [(2, 3, 4), (2, 3, 5), (2, 5, 4)]),
        (torch.addmm, [(4,), (3, 5), (5, 4)]),
        (lambda *x: torch.einsum("bhid,bhjd->bhij", *x), [(1, 2, 3, 5), (1, 2, 4, 5)]),
        (functional.linear, [(3, 5), (4, 5), (4,)]),
        (functional.conv2d, [(1, 4, 9, 9), (8, 2, 3, 3)]),
    ],
)
def test_products_of_activations(function, shapes):
    """MACs are those of torch's counter, and no parameters appear."""
    options = {"groups": 2} if function is functional.conv2d else {}
    module = Fn(lambda _, *inputs: function(*inputs, **options))
    graph = torch_graph(module, *shapes)

    expected = torch_macs(module, *shapes) or prod(shapes[0]) * (prod(shapes[1]) // 5 if len(shapes[1]) > 1 else 1)

    assert expected == total(graph, "macs")
    assert total(graph, "params") == 0
    assert "unknown" not in graph.table().status


COMPOSED = {
    "encoder and decoder": (lambda: nn.Transformer(32, 4, 2, 2, 64, batch_first=True), [(1, 10, 32), (1, 7, 32)]),
    "cell of an LSTM": (lambda: nn.LSTMCell(8, 16), [(1, 8)]),
    "cell of a GRU": (lambda: nn.GRUCell(8, 16), [(1, 8)]),
    "transposed in 3-D": (lambda: nn.ConvTranspose3d(4, 8, 3, 2, 1, 1), [(1, 4, 5, 5, 5)]),
    "reflected padding": (lambda: nn.Conv2d(4, 8, 3, padding="same", dilation=2, padding_mode="reflect"), [(1, 4, 9, 9)]),
    "local response": (lambda: nn.LocalResponseNorm(5), [(1, 16, 8, 8)]),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8)), [(1, 8)]),
    "bfloat16": (lambda: nn.Linear(4, 4).bfloat16(), [((1, 4), torch.bfloat16)]),
    "several outputs": (
        lambda: Fn(lambda m, x: {"a": m.linear(x), "b": [x + 1, None]}, linear=nn.Linear(4, 4)),
        [(1, 4)],
    ),
    "sizes in arithmetic": (lambda: Fn(lambda m, x: x.shape[0] * m.l(x) / x.size(-1), l=nn.Linear(8, 8)), [(1, 8)]),
    "other keys and values": (
        lambda: Fn(
            lambda m, x, y: m.a(x, y, y, need_weights=False)[0],
            a=nn.MultiheadAttention(32, 4, kdim=16, vdim=16, batch_first=True),
        ),
        [(1, 10, 32), (1, 7, 16)],
    ),
    "scalars that are trained": (
        lambda: Fn(lambda m, x: m.l(x) * m.a + m.b, l=nn.Linear(4, 4), a=parameter(), b=parameter(1)),
        [(1, 4)],
    ),
    "bags of embeddings": (lambda: nn.EmbeddingBag(10, 4), [((2, 5), torch.int64)]),
    "similarity": (nn.CosineSimilarity, [(1, 8), (1, 8)]),
    "sampling of a grid": (
        lambda: Fn(lambda _, x, g: functional.grid_sample(x, g, align_corners=True)),
        [(1, 3, 8, 8), (1, 4, 4, 2)],
    ),
    "patches": (lambda: nn.Fold((8, 8), 2, stride=2), [(1, 12, 16)]),
    "dilated pooling": (lambda: nn.MaxPool2d(2, dilation=2), [(1, 3, 9, 9)]),
    "pooling of volumes": (lambda: nn.AdaptiveAvgPool3d((2, None, 1)), [(1, 3, 8, 8, 8)]),
    "loss": (nn.CrossEntropyLoss, [(4, 10), ((4,), torch.int64)]),
}


@pytest.mark.parametrize("case", COMPOSED)
def test_composed_modules_count_what_torch_counts(case):
    """What torch decomposes or builds from parts: MACs of its counter, all parameters, nothing unknown."""
    make, inputs = COMPOSED[case]
    module = make()
    shapes = [(shape, torch.float32) if isinstance(shape[0], int) else shape for shape in inputs]

    graph = torch_graph(module, *shapes)

    assert trained(module) == total(graph, "params")
    assert "unknown" not in graph.table().status
    assert typed_macs(module, shapes) == total(graph, "macs")


def typed_macs(module, shapes):
    """Half of what torch's own counter says for inputs of any type."""
    from torch.utils.flop_counter import FlopCounterMode

    inputs = [torch.zeros(shape, dtype=dtype, device="meta") for shape, dtype in shapes]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.to("meta").eval()(*inputs)
    return counter.get_total_flops() // 2


def test_branches_are_unknown_but_keep_their_parameters():
    """Which branch runs is not known: the choice is listed, and its parameters count."""

    def chosen(m, x):
        return torch.cond(x.sum() > 0, m.linear, lambda y: y + 1, (x,))

    graph = torch_graph(Fn(chosen, linear=nn.Linear(4, 4)), (1, 4))

    assert "unknown" in graph.table().status
    assert total(graph, "params") == 20


def test_grouped_query_attention_with_a_mask():
    """Keys and values of fewer heads are shared by groups of queries; the mask is an operand."""

    def attended(_, q, k, v, mask):
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

    graph = torch_graph(Fn(attended), (1, 8, 10, 16), (1, 2, 12, 16), (1, 2, 12, 16), (10, 12))

    assert total(graph, "macs") == 2 * 8 * 10 * 12 * 16
    assert ops(graph) == ["matmul", "add", "softmax", "matmul"]
    assert graph.outputs[0].shape == (1, 8, 10, 16)


def test_recurrent_layers_keep_their_time_steps():
    """An LSTM is two rows with its steps, not a thousand of them, and gives its last states."""
    module = nn.LSTM(64, 48, num_layers=2, bidirectional=True)
    graph = torch_graph(module, (100, 1, 64))

    assert [tensor.shape for tensor in graph.outputs] == [(100, 1, 96), (4, 1, 48), (4, 1, 48)]
    assert row(graph, "lstm_l0/recurrent")["steps"] == 100
    assert total(graph, "macs") == 100 * 2 * 4 * 48 * (64 + 48 + 96 + 48)
    assert trained(module) == total(graph, "params")


@pytest.mark.parametrize(
    ("make", "macs", "width"),
    [
        (lambda: nn.LSTM(16, 24), 10 * 3 * 4 * 24 * (16 + 24), 24 + 24),
        (lambda: nn.LSTM(16, 24, proj_size=5), 10 * 3 * (4 * 24 * (16 + 5) + 24 * 5), 5 + 24),
        (lambda: nn.GRU(16, 24, num_layers=2), 10 * 3 * 3 * 24 * (16 + 24 + 24 + 24), 24),
        (lambda: nn.RNN(16, 24), 10 * 3 * 24 * (16 + 24), 24),
    ],
    ids=["lstm", "lstm-projected", "gru", "rnn"],
)
def test_last_states_are_exact(make, macs, width):
    """What reads hidden and cell state reads them; nothing is unknown, and products and parameters are all there."""
    module = make()
    both = isinstance(module, nn.LSTM)

    def joined(m, x):
        _, last = m.recurrent(x)
        return torch.cat([last[0][-1], last[1][-1]], -1) if both else last[-1]

    network = Fn(joined, recurrent=module)
    graph = torch_graph(network, (10, 3, 16))

    assert (macs, trained(network)) == (total(graph, "macs"), total(graph, "params"))
    assert "unknown" not in graph.table().status
    assert graph.outputs[0].shape == (3, width)


def test_images_without_a_batch():
    """(C, H, W) is an image; a graph needs the batch and gets it."""
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2))
    graph = torch_graph(module, (3, 8, 8))

    assert graph.outputs[0].shape == (8, 3, 3)
    assert total(graph, "macs") == 8 * 3 * 9 * 36


def test_inputs_are_read_through_in_place_operations():
    """What is written in place is what later operations read, also through views."""

    def written(m, x):
        y = m.conv(x)
        y[:, :4] += 1
        y.relu_()
        return y.exp()

    graph = torch_graph(Fn(written, conv=nn.Conv2d(16, 16, 1)), IMAGE)

    assert "relu" in graph.table().ops
    assert "unknown" not in graph.table().status


def test_constants_may_be_written_in_place():
    """The attention mask of Swin: a constant filled part by part is as much a constant as any other."""

    def masked(_, x):
        mask = x.new_zeros(4, 4)
        for value, part in enumerate((slice(0, 2), slice(2, 4))):
            mask[part] = value
        return x + mask.masked_fill(mask != 0, -100.0)

    graph = torch_graph(Fn(masked), (1, 8, 4, 4))

    assert ops(graph) == ["add"]
    assert row(graph, "add")["weight_elems"] == 16
    assert total(graph, "params") == 0


def test_values_written_into_a_constant_are_computed():
    """A buffer that the network fills with what it computes is no constant."""

    def filled(m, x):
        y = torch.zeros(2, 8)
        y[:1] = m.linear(x)
        return m.linear(y)

    graph = torch_graph(Fn(filled, linear=nn.Linear(8, 8)), (1, 8))

    assert total(graph, "macs") == 64 + 2 * 64
    assert "unknown" not in graph.table().status


def test_unknown_operations_are_listed_with_their_place():
    """Nobody prices a Fourier transform: it is there, unknown, with its elements and its module."""
    module = nn.Sequential(nn.Linear(64, 64), Fn(lambda _, x: torch.fft.rfft(x).abs()))
    graph = torch_graph(module, TOKENS)
    table = graph.table()
    unknown = [(n, o) for n, o, s in zip(table.names, table.ops, table.status, strict=True) if s == "unknown"]

    assert unknown == [("1/_fft_r2c", "_fft_r2c")] or len(unknown) == 1
    assert total(graph, "macs") == 100 * 64 * 64


def test_sizes_that_depend_on_data_are_unknown():
    """Non-zero elements are as many as there are: listed, and so is what reads them."""
    module = Fn(lambda m, x: m.linear(x[x[:, 0] > 0]), linear=nn.Linear(64, 8))
    graph = torch_graph(module, (100, 64))

    assert "unknown" in graph.table().status
    assert any("depends on data" in note for note in graph.table().notes)


# ---- inputs


def test_examples_are_tensors_shapes_or_shapes_with_types():
    """The same graph from each; None is passed on."""
    module = nn.Embedding(10, 4)
    examples = (torch.zeros(1, 5, dtype=torch.int64), ((1, 5), torch.int64), ((1, 5), "int64"), ([1, 5], "torch.int64"))

    assert {(1, 5, 4)} == {torch_graph(module, example).outputs[0].shape for example in examples}
    assert len(torch_graph(Fn(lambda _, x, y: x + 1 if y is None else x), (1, 4), None).layers) == 1


def test_the_type_is_that_of_the_module():
    """A module of half precision gets halves."""
    assert torch_graph(nn.Linear(4, 8).half(), (1, 4)).outputs[0].shape == (1, 8)


def test_the_module_stays_as_it_is():
    """Weights, modes and devices are the caller's, and no weight is copied."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    before = {key: (value.data_ptr(), value.clone()) for key, value in module.state_dict().items()}

    torch_graph(module, (1, 3, 8, 8))
    after = module.state_dict()

    assert all(part.training for part in module.modules())
    assert all(pointer == after[key].data_ptr() and torch.equal(value, after[key]) for key, (pointer, value) in before.items())


def test_modules_on_the_meta_device_and_enormous_ones():
    """100 GB of weights that nobody has are priced like any others."""
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(160_000, 160_000), nn.ReLU())

    assert total(torch_graph(module, (1, 160_000)), "macs") == 160_000**2


def test_compiled_modules_are_unwrapped():
    """The wrapper of torch.compile hides a module."""
    assert torch_graph(torch.compile(nn.Linear(4, 8), backend="eager"), (1, 4)).name == "Linear"


# ---- refusals


class Undecided(nn.Module):
    """Control flow that depends on data."""

    def forward(self, x):
        return x + 1 if x.sum() > 0 else x


REFUSED = [
    (Undecided, [(1, 3)], NetworkError, "Undecided: its control flow depends on the data"),
    (
        lambda: Fn(lambda m, x: m.head(m.body(x)), body=nn.Linear(3, 3), head=Undecided()), [(1, 3)], NetworkError,
        r"always run \(its parts: body, head\), or follow the example: torch.onnx.export\(.*dynamo=False\)",
    ),
    (lambda: nn.Conv2d(3, 4, 3), [(1, 4, 8, 8)], NetworkError, r"Conv2d: cannot run on \(1, 4, 8, 8\).*3 channels"),
    (lambda: nn.Bilinear(3, 4, 5), [(1, 3)], NetworkError, "Bilinear: .*one example per argument of forward"),
    (lambda: nn.Bilinear(3, 4, 5), [], NetworkError, "got no inputs"),
    (lambda: nn.LazyLinear(4), [(1, 3)], InputError, "call the module once on real data"),
    (lambda: nn.Linear, [(1, 3)], InputError, r"is a class: give an instance of it, Linear\(...\)"),
    (lambda: len, [(1, 3)], InputError, "expected a torch.nn.Module, got builtin_function_or_method"),
    (lambda: "resnet50", [(1, 3)], InputError, "expected a torch.nn.Module, got str"),
    (lambda: nn.Linear(3, 4), [(0, 3)], InputError, "input 1: expected a tensor, a shape of positive integers"),
    (lambda: nn.Linear(3, 4), [(1, -3)], InputError, "input 1: "),
    (lambda: nn.Linear(3, 4), [(1, 10**12)], InputError, "input 1: "),
    (lambda: nn.Linear(3, 4), [3], InputError, "input 1: .*got 3"),
    (lambda: nn.Linear(3, 4), [(1, 3.0)], InputError, "input 1: "),
    (lambda: nn.Linear(3, 4), [((1, 3), "int65")], InputError, "no type of elements 'int65'"),
    (lambda: Fn(lambda *_: torch.zeros(3)), [(1, 3)], NetworkError, "nothing it returns is computed from its inputs"),
    (lambda: Fn(lambda *_: 3), [(1, 3)], NetworkError, "nothing it returns"),
    (lambda: Fn(lambda _, x: undefined(x)), [(1, 3)], NetworkError, "name 'undefined' is not defined"),  # noqa: F821
]


@pytest.mark.parametrize(("make", "inputs", "kind", "message"), REFUSED)
def test_refusals_are_one_clear_message(make, inputs, kind, message, capfd):
    """What was given, what is wrong, what to do; nothing else on the terminal."""
    with pytest.raises(kind, match=message) as caught:
        torch_graph(make(), *inputs)

    assert len(caught.value.problems) == 1
    assert capfd.readouterr() == ("", "")


def test_all_unusable_inputs_are_named_at_once():
    """Two problems, two messages."""
    with pytest.raises(InputError) as caught:
        torch_graph(nn.Bilinear(3, 4, 5), (0, 3), "x")

    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["input 1", "input 2"]


def test_the_place_of_a_failure_is_the_users_own_line():
    """A file and a line, not torch's."""
    with pytest.raises(NetworkError, match=rf"\({__file__}:\d+\)"):
        torch_graph(Undecided(), (1, 3))


def test_without_torch_the_message_says_how_to_install_it(monkeypatch):
    """The extra is named."""

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importer.importlib, "import_module", missing)

    with pytest.raises(InputError, match=r'pip install "nn-costmodel\[torch\]"'):
        torch_graph(object(), (1, 3))


def test_modules_that_cannot_be_copied():
    """A generator in a module is no part of a network."""
    module = Fn(lambda _, x: x + 1)
    module.source = (value for value in range(3))

    with pytest.raises(NetworkError, match="Fn: cannot be copied"):
        torch_graph(module, (1, 3))
