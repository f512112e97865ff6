"""Attachments for Netron, read as Netron reads them.

The rules are those of ``metadata.Attachment`` in ``source/view.js`` of https://github.com/lutzroeder/netron, tag v9.2.1: a
file whose name ends in ``.json``, ``signature`` is ``netron:attachment``, and ``metadata`` and ``metrics`` are lists. An entry
counts if it has a ``kind`` and a ``target`` or an ``identifier``; the last one of a name wins. A node shows the entries whose
target is the first line of its name, if it has one, and those with its identifier; the model shows those whose target is its
name, which is empty for these formats.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.errors import InputError
from costmodel.graph import FileNode, Graph
from costmodel.importers.onnx.wire import model_message
from costmodel.importers.tflite_file import read_model
from costmodel.report.as_netron import Place, ambiguous, netron_text, place_of, without_names
from tests.unit.onnx_files import encoded, model, node, value, weight

MODELS = Path(__file__).parents[1] / "models"
FILES = {
    "onnx": MODELS / "onnx" / "squeezenet1_1.qdq.onnx",
    "vit": MODELS / "onnx" / "vit_b_16.dynamo.onnx",
    "tflite": MODELS / "tflite" / "squeezenet1_1_int8.tflite",
    "keras": MODELS / "keras" / "nested.keras",
}


class Netron:
    """What Netron knows of an attachment."""

    def __init__(self, text):
        data = json.loads(text)
        assert data["signature"] == "netron:attachment"
        self.entries = {
            category: self.keyed(data[category]) for category in ("metadata", "metrics")
        }

    @staticmethod
    def keyed(items):
        """Entries by what they belong to."""
        entries = {}
        for item in items:
            if item.get("kind") and ("target" in item or "identifier" in item):
                key = f"{item['kind']}::{item['target']}" if "target" in item else f"{item['kind']}[{item['identifier']}]"
                entries.setdefault(key, {})[item["name"]] = item["value"]
        return entries

    def shown(self, category, kind, name="", identifier=""):
        """What a sidebar shows of something."""
        entries, found = self.entries[category], {}
        if name or kind in ("model", "graph"):
            found |= entries.get(f"{kind}::{name.split(chr(10))[0]}", {})
        if identifier:
            found |= entries.get(f"{kind}[{identifier}]", {})
        return found


def read(path, **options):
    """Analyse a file, and open its attachment."""
    analysis = cm.analyze(path, "snapdragon", **options)
    return analysis, Netron(netron_text(analysis))


@pytest.mark.parametrize("name", FILES)
def test_nodes_add_up_to_the_model(name):
    """Every layer belongs to one node, so that counts and bytes of the nodes sum to the totals that the model shows."""
    analysis, netron = read(FILES[name])
    whole = netron.shown("metrics", "model")
    summed = Counter()
    for key, entries in netron.entries["metrics"].items():
        if key != "model::":
            summed.update({title: amount for title, amount in entries.items() if isinstance(amount, int)})

    assert whole["MACs"] == analysis.totals.macs > 0
    assert whole["off-chip bytes"] == analysis.totals.dram_bytes
    assert summed == {title: amount for title, amount in whole.items() if isinstance(amount, int)}


def test_nodes_of_onnx_are_found_by_their_names():
    """Every entry is at a node of the file, and a convolution shows what its layer costs."""
    analysis, netron = read(FILES["onnx"])
    names = {entry.get("name", "").split("\n")[0] for entry in model_message(FILES["onnx"])["graph"]["node"]}
    first = next(layer for layer in analysis.layers if layer.op == "conv")
    shown = netron.shown("metrics", "node", analysis.nodes[first.name].name)

    assert {key.removeprefix("node::") for key in netron.entries["metrics"]} - {"model::"} <= names
    assert (shown["MACs"], shown["off-chip bytes"], shown["parameters"]) == (first.macs, first.dram_bytes, first.params)
    assert shown["energy"].startswith("59.")
    assert shown["energy"].endswith(" uJ)")
    assert netron.shown("metadata", "node", analysis.nodes[first.name].name) == {
        "layers": "features/0",
        "status": "counted",
        "weight, ifmap and ofmap": "8, 8 and 8 bits; MACs at int8",
        "bound by": "dram",
        "mapping off chip": str(first.mapping),
    }


def test_nodes_of_tflite_are_found_by_their_positions():
    """They have no names; the figures of a fused activation are with its operator."""
    analysis, netron = read(FILES["tflite"])
    operators = read_model(FILES["tflite"]).subgraphs[0].operators
    shown = netron.shown("metadata", "node", identifier="0")

    assert len(netron.entries["metrics"]) == 1 + len(operators)
    assert shown["layers"] == "conv2d_1, conv2d_1_relu"
    assert shown["conv2d_1_relu"] == "free: fused into the producing layer"
    assert netron.shown("metrics", "node", identifier="0")["MACs"] == analysis.layers[0].macs


def test_layers_of_keras_are_found_by_their_names():
    """Those of a model within under its name; a layer that is called twice shows both calls."""
    analysis, netron = read(FILES["keras"])
    calls = [layer for layer in analysis.layers if layer.name.startswith("tower/c") and layer.macs]

    assert netron.shown("metrics", "node", "tower/c")["MACs"] == sum(layer.macs for layer in calls) > calls[0].macs


def test_the_model_says_what_it_was_priced_for():
    """Hardware, precision and batch; figures are for the batch."""
    analysis, netron = read(FILES["onnx"], batch=4)

    assert netron.shown("metadata", "model") == {"hardware": "snapdragon", "precision": "int8 as stored", "batch": 4}
    assert netron.shown("metrics", "model")["MACs"] == analysis.totals.macs == 4 * 349_151_936


@pytest.fixture
def nodes(tmp_path):
    """Return a function from node names to the attachment of a chain of Gemm nodes."""

    def chain(*names):
        made = [node("Gemm", f"{'x' if not i else f'y{i - 1}'} w", f"y{i}") for i, _ in enumerate(names)]
        for entry, name in zip(made, names, strict=True):
            entry["name"] = name
        path = tmp_path / "net.onnx"
        path.write_bytes(encoded(model(made, [value("x", 1, 4)], [weight("w", 4, 4)])))
        return read(path)

    return chain


@pytest.mark.parametrize(
    ("names", "places", "unnamed"),
    [
        (("a", "b"), {"node::a", "node::b"}, 0),
        (("a", ""), {"node::a", "value::y1"}, 1),
        (("", ""), {"value::y0", "value::y1"}, 2),
        (("a", "a", "b"), {"value::y0", "value::y1", "node::b"}, 2),
        (("a\nrest", "b"), {"node::a", "node::b"}, 0),
        (("a\nrest", "a\nother"), {"value::y0", "value::y1"}, 2),
    ],
)
def test_nodes_that_netron_cannot_name(nodes, names, places, unnamed):
    """Without a name, or with that of another up to its first line, the figures are at the value that the node gives."""
    analysis, netron = nodes(*names)

    assert set(netron.entries["metrics"]) == places | {"model::"}
    assert without_names(analysis) == (unnamed, len(names))
    assert {entries["MACs"] for key, entries in netron.entries["metrics"].items() if key != "model::"} == {16}


def test_layers_of_a_function_belong_to_its_call(tmp_path):
    """Netron shows the call in the graph; the layers within are summed there."""
    inner = [node("MatMul", "a w", "h"), node("Relu", "h", "b")]
    function = {"name": "Block", "domain": "local", "input": ["a", "w"], "output": ["b"], "node": inner}
    calls = [node("Block", "x w", "y", name="first", domain="local"), node("Block", "y w", "z", name="second", domain="local")]
    path = tmp_path / "net.onnx"
    path.write_bytes(encoded(model(calls, [value("x", 1, 4)], [weight("w", 4, 4)], functions=[function])))
    _, netron = read(path)

    assert set(netron.entries["metrics"]) == {"model::", "node::first", "node::second"}
    assert netron.shown("metrics", "node", "second")["MACs"] == 16


def test_positions_are_never_ambiguous():
    """Where a node has an identifier its missing name does not matter."""
    found = [FileNode("", "0", "y"), FileNode("", "1", "y")]

    assert ambiguous(found) == frozenset()
    assert place_of(found[1], by_value=False) == Place("node", identifier="1")


def test_rows_of_one_layer_belong_to_its_node():
    """A recurrent layer has a row per direction."""
    graph = Graph("net")
    graph.lstm("rnn", graph.input("x", (1, 3, 8)), 4, bidirectional=True)
    graph.note_node(FileNode("LSTM_1"), graph.added(0))
    analysis = cm.analyze(graph, "snapdragon")
    shown = Netron(netron_text(analysis)).shown("metrics", "node", "LSTM_1")

    assert len(analysis.layers) > 1
    assert shown["MACs"] == analysis.totals.macs


def test_an_unknown_operation_is_said_to_be_one(tmp_path):
    """Its figures are zero, and the reason stands beside them."""
    made = [node("Gemm", "x w", "y"), node("Mystery", "y", "z", domain="acme")]
    path = tmp_path / "net.onnx"
    path.write_bytes(encoded(model(made, [value("x", 1, 4)], [weight("w", 4, 4)], [value("z", 1, 4)])))
    _, netron = read(path)

    assert netron.shown("metadata", "node", "z")["status"].startswith("unknown")


@pytest.mark.parametrize("make", [lambda: "squeezenet", lambda: cm.load_network("alexnet")])
def test_networks_without_a_file_are_refused(make):
    """Netron has nothing to show them on."""
    with pytest.raises(InputError, match="this network comes from none"):
        cm.analyze(make(), "snapdragon").to_netron()


def test_the_same_file_gives_the_same_bytes():
    """The attachment can be kept beside the model."""
    first, second = (netron_text(cm.analyze(FILES["tflite"], "snapdragon")) for _ in range(2))

    assert first == second
    assert first.isascii()
