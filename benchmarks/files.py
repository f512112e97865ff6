"""Model files that the benchmarks read: a VGG-19 with its weights, and a Swin Transformer of 6,000 nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from costmodel.importers.onnx.wire import MODEL, model_message
from tests.unit.onnx_files import encoded, model, node, number, value

MODELS: Final = Path(__file__).resolve().parents[1] / "tests" / "models" / "onnx"
VGG19: Final = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions between two poolings: Simonyan and Zisserman, arXiv:1409.1556, table 1, column E."""
VGG19_PARAMS: Final = 143_667_240
"""torchvision.models.vgg19."""
PAIR: Final = ("features.5.2", "features.5.3")
"""Two blocks of Swin-T's third stage, one with shifted windows: what a deeper Swin has more of."""
GRAPH_FIELD: Final = next(field for field, (name, *_) in MODEL.items() if name == "graph")
INITIALIZER_FIELD: Final = next(field for field, (name, *_) in MODEL[GRAPH_FIELD][1].items() if name == "initializer")
TENSOR: Final = MODEL[GRAPH_FIELD][1][INITIALIZER_FIELD][1]

Message = dict[str, Any]
Shapes = Mapping[str, Sequence[int]]


# ---- VGG-19


def vgg19() -> tuple[list[Message], dict[str, tuple[int, ...]]]:
    """Nodes of VGG-19, and shapes of its weights."""
    nodes: list[Message] = []
    shapes: dict[str, tuple[int, ...]] = {}
    channels, last = 3, "x"
    for stage, (out, count) in enumerate(VGG19):
        for layer in range(count):
            name = f"conv{stage}_{layer}"
            shapes |= {f"{name}.weight": (out, channels, 3, 3), f"{name}.bias": (out,)}
            nodes += [
                node("Conv", f"{last} {name}.weight {name}.bias", name, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                node("Relu", name, f"{name}r"),
            ]
            channels, last = out, f"{name}r"
        nodes.append(node("MaxPool", last, f"pool{stage}", kernel_shape=[2, 2], strides=[2, 2]))
        last = f"pool{stage}"
    nodes.append(node("Flatten", last, "flat"))
    last, features = "flat", 512 * 7 * 7
    for name, out in (("fc6", 4096), ("fc7", 4096), ("fc8", 1000)):
        shapes |= {f"{name}.weight": (out, features), f"{name}.bias": (out,)}
        nodes += [node("Gemm", f"{last} {name}.weight {name}.bias", name, transB=1), node("Relu", name, f"{name}r")]
        last, features = f"{name}r", out
    return nodes[:-1], shapes


def write_vgg19(path: Path) -> int:
    """Write VGG-19 with random weights inside the file; its size [bytes]."""
    nodes, shapes = vgg19()
    outputs = [value("fc8", 1, 1000)]
    whole = model(nodes, [value("x", 1, 3, 224, 224)], outputs=outputs, opset=13)
    graph = encoded(whole.pop("graph"), MODEL[GRAPH_FIELD][1])
    sizes = [len(head) + 4 * prod(shapes[name]) for name, head in heads(shapes)]
    with path.open("wb") as file:
        file.write(encoded(whole))
        file.write(number(GRAPH_FIELD << 3 | 2) + number(len(graph) + sum(sizes)) + graph)
        chance = np.random.default_rng(19)
        for name, head in heads(shapes):
            file.write(head)
            file.write(chance.standard_normal(shapes[name], dtype=np.float32).tobytes())
    return path.stat().st_size


def heads(shapes: Shapes) -> Iterator[tuple[str, bytes]]:
    """Each weight's name, and the bytes of its field up to its content."""
    for name, shape in shapes.items():
        size = 4 * prod(shape)
        tensor = encoded({"dims": list(shape), "data_type": 1, "name": name}, TENSOR)
        raw = number(9 << 3 | 2) + number(size)
        length = len(tensor) + len(raw) + size
        yield name, number(INITIALIZER_FIELD << 3 | 2) + number(length) + tensor + raw


# ---- Swin


def write_swin(path: Path, nodes: int) -> int:
    """Write Swin-T with a third stage so deep that the file has at least `nodes` nodes; how many it has."""
    message = model_message(MODELS / "swin_t.dynamo.onnx")
    graph = message["graph"]
    pair = [entry for entry in graph["node"] if any(f"'{block}'" in scopes(entry) for block in PAIR)]
    made = {name for entry in pair for name in entry["output"]}
    entering = next(name for name in pair[0]["input"] if name not in made and not name.startswith("features"))
    leaving = pair[-1]["output"][0]
    copies = -(-(nodes - len(graph["node"])) // len(pair))
    at = graph["node"].index(pair[-1]) + 1
    added: list[Message] = []
    for copy in range(copies):
        names = {name: f"{name}_{copy}" for name in made}
        before = leaving if copy == 0 else f"{leaving}_{copy - 1}"
        added += [renamed(entry, names | {entering: before}, f"_{copy}") for entry in pair]
    behind = {leaving: f"{leaving}_{copies - 1}"}
    rest = [renamed(entry, behind, "") for entry in graph["node"][at:]]
    graph["node"] = [*graph["node"][:at], *added, *rest]
    del graph["value_info"]
    path.write_bytes(encoded(plain(message)))
    return len(graph["node"])


def scopes(entry: Message) -> str:
    """The modules that a node is in, as torch's exporter writes them down."""
    return next((prop["value"] for prop in entry.get("metadata_props", ()) if prop["key"].endswith("name_scopes")), "")


def renamed(entry: Message, names: Mapping[str, str], suffix: str) -> Message:
    """A node that reads and gives other values."""
    return entry | {
        "name": entry["name"] + suffix,
        "input": [names.get(name, name) for name in entry.get("input", ())],
        "output": [names.get(name, name) for name in entry["output"]] if suffix else entry["output"],
    }


def plain(item: Any) -> Any:
    """A decoded message with bytes in place of views."""
    if isinstance(item, dict):
        return {name: plain(inner) for name, inner in item.items()}
    if isinstance(item, list):
        return [plain(inner) for inner in item]
    return bytes(item) if isinstance(item, memoryview) else item
