"""Names of layers: the module of a node, where the exporter wrote it down, and the node's own name."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from costmodel.importers.onnx.values import Node

SCOPES: Final = "pkg.torch.onnx.name_scopes"
"""Metadata of torch's exporter: modules from the outermost to the node, ``['', 'features', 'features.0', 'conv2d']``."""
PRODUCTS: Final = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger",
     "MatMulInteger", "FusedConv", "FusedGemm", "FusedMatMul", "MatMulNBits"}
)  # fmt: skip
QUIET: Final = frozenset({"Constant", "Identity", "Transpose", "QuantizeLinear", "DequantizeLinear"})
"""Operations that do not make a module compound."""
WEIGHTS: Final = ("weight", "weight_quantized", "weight_DequantizeLinear_Output")
CAFFE2: Final = "_w_0"
LONGEST: Final = 120
MOST_SCOPES: Final = 4096
"""Longest text that is split into scopes."""


def clean(text: str) -> str:
    """A name for people: control characters escaped, of bounded length."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 20]}...{text[-16:]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if unicodedata.category(c)[0] != "C" else c.encode("unicode_escape").decode() for c in text)


def place(node: Node) -> tuple[str, str]:
    """Module and own name of a node: ("layer1.0.conv2", "Conv"); the module is "" where nobody says it.

    A product belongs to the module of its weight: exporters give a convolution the place of the batch-norm folded into it.
    """
    owner = _owner(node)
    if owner:
        return owner, node.op
    scopes = _scopes(node)
    if len(scopes) > 1 and scopes[-2]:
        return scopes[-2], scopes[-1]
    if node.name.startswith("/") and node.name.count("/") > 1:
        *modules, leaf = node.name.strip("/").split("/")
        return dotted(modules), leaf
    return "", (node.name or next(filter(None, node.outputs), node.op)).strip("/")


def _owner(node: Node) -> str:
    """The module whose weight a product reads, or ""."""
    if node.op in PRODUCTS:
        for name in node.inputs[1:4]:
            if name.endswith(CAFFE2):
                return name.removesuffix(CAFFE2)
            module, dot, ending = name.rpartition(".")
            if dot and ending in WEIGHTS and module.replace(".", "").isidentifier():
                return module
    return ""


def _scopes(node: Node) -> Sequence[str]:
    """The scopes that torch's exporter wrote, or ()."""
    text = node.metadata.get(SCOPES, "")
    written = text.startswith("['") and text.endswith("']") and len(text) <= MOST_SCOPES
    return text[2:-2].split("', '") if written else ()


def dotted(modules: Iterable[str]) -> str:
    """Join the modules of a node name: ("layer1", "layer1.0", "conv2") is layer1.0.conv2.

    >>> dotted(["features", "features.2", "conv", "conv.0", "conv.0.2"])
    'features.2.conv.0.2'
    """
    path: list[str] = []
    for module in modules:
        if path and module.startswith(f"{path[-1]}."):
            path[-1] = module
        else:
            path.append(module)
    return ".".join(path)


class Names:
    """Names of the layers of one graph.

    A module that one operation makes up gives it its name, ``layer1.0/conv2``; in one that several share each has its
    own below, ``layer1.0/add``.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._products: Counter[str] = Counter()
        self._nodes: Counter[str] = Counter()
        for node in nodes:
            module = place(node)[0]
            if module and node.op not in QUIET:
                self._nodes[module] += 1
                self._products[module] += node.op in PRODUCTS
        self._parents = {p for module in self._nodes for p in _prefixes(module)}
        self._used: set[str] = set()

    def of(self, node: Node, prefix: str = "") -> str:
        """A name for the layer of a node; not unique yet."""
        module, leaf = place(node)
        if module and self._alone(module, node):
            parent, _, leaf = module.rpartition(".")
            module = parent
        return clean("/".join(filter(None, (prefix, module, leaf))))

    def _alone(self, module: str, node: Node) -> bool:
        """Whether the node is what its module is."""
        if module in self._parents:
            return False
        if self._products[module]:
            return self._products[module] == 1 and node.op in PRODUCTS
        return self._nodes[module] <= 1

    def unique(self, name: str) -> str:
        """The name, with a number behind it if it is taken."""
        name, count = name or "unnamed", 1
        found = name
        while found in self._used:
            count += 1
            found = f"{name}_{count}"
        self._used.add(found)
        return found


def _prefixes(module: str) -> Iterable[str]:
    """The modules around a module."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module
