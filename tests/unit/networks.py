"""Small networks to transform, whose counts can be worked out by hand."""

from __future__ import annotations

from costmodel.graph import Graph


def pair(channels=16, filters=32, size=8, kernel=3, *, bias=True, **options):
    """Build a first convolution, which no step touches, and the convolution under test with normalisation and ReLU."""
    g = Graph("pair")
    x = g.conv("first", g.input("data", (1, 3, size, size)), channels, kernel=1)
    options.setdefault("padding", "same")
    x = g.conv("conv", x, filters, kernel=kernel, bias=bias, **options)
    x = g.relu("relu", g.batch_norm("bn", x))
    g.output(g.conv("last", x, 4, kernel=1))
    return g


def classifier(hidden=(20, 12), size=6):
    """Build a convolution, a flattened map of 5 channels and fully connected layers down to 7 classes."""
    g = Graph("classifier")
    x = g.relu("relu", g.conv("conv", g.input("data", (1, 3, size, size)), 5, kernel=3, padding=1))
    x = g.flatten("flatten", g.max_pool("pool", x, kernel=2))
    for number, units in enumerate(hidden):
        x = g.dropout(f"drop{number}", g.relu(f"act{number}", g.linear(f"fc{number}", x, units)))
    g.output(g.softmax("prob", g.linear("fc", x, 7)))
    return g


def stages(pool=True):
    """Build a pooling (or a stride of 2), three stages of one convolution at the same size, a second pooling and an end."""
    g = Graph("stages")
    x = g.relu("relu0", g.conv("conv0", g.input("data", (1, 3, 32, 32)), 4, kernel=3, padding=1, stride=1 if pool else 2))
    if pool:
        x = g.max_pool("pool0", x, kernel=2)
    for number in (1, 2, 3):
        x = g.relu(f"relu{number}", g.conv(f"conv{number}", x, 4, kernel=3, padding=1))
    x = g.max_pool("pool3", x, kernel=2)
    g.output(g.conv("end", x, 4, kernel=8))
    return g


def residual(channels=8):
    """Build a block that adds its input to its output, and a head of one linear layer."""
    g = Graph("residual")
    x = g.conv("stem", g.input("data", (1, 3, 8, 8)), channels, kernel=3, padding=1)
    y = g.relu("relu", g.conv("one", x, 6, kernel=3, padding=1))
    x = g.add("sum", x, g.conv("two", y, channels, kernel=3, padding=1))
    g.output(g.linear("fc", g.flatten("flatten", g.global_avg_pool("pool", x)), 10))
    return g


def params(graph):
    """Parameters of a graph."""
    return int(graph.table().total("params")[0])


def macs(graph):
    """MACs of a graph."""
    return int(graph.table().total("macs")[0])


def conv_params(channels, filters, taps, *, bias=True, groups=1):
    """Weights and biases of a convolution."""
    return channels // groups * filters * taps + (filters if bias else 0)
