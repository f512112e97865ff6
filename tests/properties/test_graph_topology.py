"""Random graphs: the free rules against a literal reading of the topology, batches against graphs built so."""

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.graph import Graph
from costmodel.graph.rows import FOLDED, FUSED, IN_PLACE
from costmodel.graph.table import COUNTS, DIMENSIONS

CHANNELS, EXTENT = 4, 6
UNARY = ("conv", "depthwise", "relu", "batch_norm", "dropout", "max_pool", "slice", "unknown")
BINARY = ("add", "concat")

steps = st.lists(
    st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 10**6), st.integers(0, 10**6)),
    min_size=1,
    max_size=14,
)
"""Operations, each with two picks among the tensors that exist by then."""


def random_graph(choices, batch=1):
    """A graph of one resolution in which any tensor can feed any layer."""
    g = Graph("random")
    tensors = [g.input("x", (batch, CHANNELS, EXTENT, EXTENT))]
    for position, (op, first, second) in enumerate(choices):
        name = f"{op}{position}"
        a, b = tensors[first % len(tensors)], tensors[second % len(tensors)]
        tensors.append(added(g, name, op, a, b))
    return g


def added(g, name, op, a, b):
    """One layer; sums need equal channels, so they take the first tensor twice if they must."""
    make = {
        "conv": lambda: g.conv(name, a, CHANNELS, 3, padding=1),
        "depthwise": lambda: g.conv(name, a, a.shape[1], 3, padding=1, groups=a.shape[1], bias=False),
        "max_pool": lambda: g.max_pool(name, a, 3, 1, 1),
        "slice": lambda: g.slice(name, a, 1, 0, CHANNELS // 2),
        "unknown": lambda: g.unknown(name, "Magic", [a], a.shape),
        "add": lambda: g.add(name, a, b if b.shape == a.shape else a),
        "concat": lambda: g.concat(name, a, b),
    }
    return make.get(op, lambda: getattr(g, op)(name, a))()


def kind(name):
    """Operation of a layer by its name."""
    return name.rstrip("0123456789")


def readers(graph, tensor):
    """How many layers read a tensor."""
    return sum(tensor in layer.inputs for layer in graph.layers)


def computing(graph, tensor):
    """Name of the layer that computes a tensor for one reader, seen through dropout; None if there is none."""
    by_output = {layer.outputs[0]: layer for layer in graph.layers}
    while tensor in by_output and readers(graph, tensor) == 1:
        layer = by_output[tensor]
        if kind(layer.name) != "dropout":
            return None if kind(layer.name) in ("slice", "unknown") else layer.name
        tensor = layer.inputs[0]
    return None


def owners(graph, tensor):
    """Every tensor that would be written if `tensor` were, through operations that work in place."""
    by_output = {layer.outputs[0]: layer for layer in graph.layers}
    found = [tensor]
    while found[-1] in by_output and kind(by_output[found[-1]].name) in ("relu", "batch_norm", "dropout"):
        found.append(by_output[found[-1]].inputs[0])
    return found


def joins(graph, tensor):
    """How often concats read a tensor."""
    return sum(layer.inputs.count(tensor) for layer in graph.layers if kind(layer.name) == "concat")


@given(steps)
@settings(max_examples=150, deadline=None)
def test_free_rules_follow_the_topology(choices):
    """Fused, folded and in place exactly where a literal reading of the graph says so."""
    graph = random_graph(choices)
    table = graph.table()
    notes = dict(zip(table.names, table.notes, strict=True))
    for layer in graph.layers:
        source = computing(graph, layer.inputs[0])
        if kind(layer.name) == "relu":
            assert (notes[layer.name] == FUSED) == (source is not None)
        if kind(layer.name) == "batch_norm":
            folds = source is not None and kind(source) in ("conv", "depthwise")
            assert (notes[layer.name] == FOLDED) == folds
        if kind(layer.name) == "concat":
            chains = [owners(graph, tensor) for tensor in layer.inputs]
            once = all(joins(graph, tensor) <= 1 for chain in chains for tensor in chain)
            made = all(kind(chain[-1].name) not in ("x", "slice", "unknown") for chain in chains)
            assert (notes[layer.name] == IN_PLACE) == (once and made)


@given(steps)
@settings(max_examples=80, deadline=None)
def test_rows_are_counted_free_or_unknown(choices):
    """Every row has one status; free rows name a rule and move nothing; counted rows move something."""
    table = random_graph(choices).table()
    moved = (table.ifmap_elems + table.ofmap_elems + table.weight_elems)[:, 0]
    for status, note, elems, op in zip(table.status, table.notes, moved, table.ops, strict=True):
        assert status == ("unknown" if op == "Magic" else "free" if note else "counted")
        assert (elems == 0) == (status == "free")


@given(steps)
@settings(max_examples=80, deadline=None)
def test_networkx_sees_the_same_graph(choices):
    """Acyclic, in execution order, with one edge per tensor read."""
    graph = random_graph(choices)
    found = graph.to_networkx()
    order = {name: position for position, name in enumerate(found.nodes)}

    assert nx.is_directed_acyclic_graph(found)
    assert all(order[a] < order[b] for a, b in found.edges)
    assert set(found.edges) == {(t.name, layer.name) for layer in graph.layers for t in layer.inputs}


@given(steps, st.integers(2, 5))
@settings(max_examples=80, deadline=None)
def test_a_batch_is_a_graph_built_so(choices, batch):
    """Multiplying the table equals building every tensor at that batch."""
    multiplied = random_graph(choices).table().with_batch(batch)
    built = random_graph(choices, batch).table()

    assert (multiplied.names, multiplied.status, multiplied.notes) == (built.names, built.status, built.notes)
    for column in COUNTS:
        assert multiplied[column].tolist() == built[column].tolist(), column
    work = [op in ("conv", "max_pool") for op in built.ops]
    for column in DIMENSIONS:
        assert multiplied.rows(work)[column].tolist() == built.rows(work)[column].tolist(), column


@given(steps)
@settings(max_examples=40, deadline=None)
def test_dropping_the_free_rows_changes_no_traffic(choices):
    """What is free is free: totals of traffic are those of the other rows."""
    table = random_graph(choices).table()
    paid = table.rows([status != "free" for status in table.status])
    for column in ("weight_elems", "ifmap_elems", "ofmap_elems", "macs"):
        assert paid.total(column).tolist() == table.total(column).tolist()


def transformer(batch):
    """A block with products of activations, parameters, norms, a recurrent layer and an embedding."""
    g = Graph("transformer")
    x = g.embedding("embed", g.input("tokens", (batch, 6)), 1000, 8)
    x = g.add("position", x, g.parameter("table", (1, 6, 8)))
    q, k = g.linear("q", x, 8), g.linear("k", x, 8)
    scores = g.softmax("weights", g.matmul("scores", q, g.transpose("kt", k, (0, 2, 1))))
    x = g.layer_norm("norm", g.add("residual", g.matmul("mix", scores, x), x))
    x = g.gru("gru", g.lstm("lstm", x, 5, bidirectional=True), 3)
    g.matmul("head", x, g.parameter("w", (3, 7)))
    return g


@given(st.integers(2, 6))
@settings(max_examples=5, deadline=None)
def test_a_batch_of_a_transformer_is_one_built_so(batch):
    """Parameters stay, second operands that are activations grow."""
    multiplied, built = transformer(1).table().with_batch(batch), transformer(batch).table()

    for column in COUNTS:
        assert multiplied[column].tolist() == built[column].tolist(), column
    for column in DIMENSIONS:
        same = multiplied.rows(built.counted())[column] == built.rows(built.counted())[column]
        assert same.all(), column
