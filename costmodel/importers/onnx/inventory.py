"""Initializers of an ONNX file: what each is for, from the nodes that read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from costmodel.errors import InputError
from costmodel.importers.inventory import (
    BATCH_NORM,
    BIASES,
    NORM,
    SCALES,
    STATISTICS,
    TRAINED,
    WEIGHTS,
    ZERO_POINTS,
    Inventory,
    Stored,
    Use,
    followed,
    judged,
    kind_of,
)
from costmodel.importers.onnx import onnx_network
from costmodel.importers.onnx.importer import FILL, captured
from costmodel.importers.onnx.names import clean
from costmodel.importers.onnx.values import BITS, Array, Node, node_of, tensor_content
from costmodel.importers.onnx.wire import Message, model_message

PASSING: Final = frozenset(
    {"DequantizeLinear", "QuantizeLinear", "Identity", "Transpose", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
)
"""Operations behind whose first input a tensor is still what it was."""
PACKED: Final = "an element of the file holds several"
INSIDE: Final = "held by a node, not by an initializer of the graph"

_FILTER: Final = {1: WEIGHTS, 2: BIASES}
_LINEAR: Final = {1: SCALES, 2: ZERO_POINTS}
_INTEGERS: Final = {0: WEIGHTS, 1: WEIGHTS, 2: ZERO_POINTS, 3: ZERO_POINTS}
_PRODUCT: Final = {0: WEIGHTS, 1: WEIGHTS, 2: BIASES}
_CELL: Final = {1: WEIGHTS, 2: WEIGHTS, 3: BIASES, 7: WEIGHTS}
_AFFINE: Final = {1: NORM, 2: NORM}


def _scaled(**positions: Sequence[int]) -> dict[int, str]:
    """Positions of weights, biases, scales and zero points of a quantised operation."""
    kinds = {"weights": WEIGHTS, "biases": BIASES, "scales": SCALES, "zeros": ZERO_POINTS}
    return {position: kinds[name] for name, found in positions.items() for position in found}


_ONE: Final = _scaled(scales=(1, 3), zeros=(2, 4))
_TWO: Final = _scaled(scales=(1, 4, 6), zeros=(2, 5, 7))
USES: Final[Mapping[str, Mapping[int, str]]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "FusedConv"), _FILTER),
    **dict.fromkeys(("Gemm", "FusedGemm", "MatMul", "FusedMatMul", "Attention"), _PRODUCT),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _CELL),
    "Einsum": {0: WEIGHTS, 1: WEIGHTS}, "Gather": {0: WEIGHTS},
    "BatchNormalization": {1: BATCH_NORM, 2: BATCH_NORM, 3: STATISTICS, 4: STATISTICS},
    **dict.fromkeys(
        ("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization", "InstanceNormalization",
         "GroupNormalization"), _AFFINE,
    ),
    "SkipLayerNormalization": {2: NORM, 3: NORM, 4: BIASES}, "SkipSimplifiedLayerNormalization": {2: NORM, 3: BIASES},
    "BiasGelu": {1: BIASES}, "FastGelu": {1: BIASES}, "PRelu": {1: TRAINED},
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), _LINEAR),
    "QLinearConv": _TWO | {3: WEIGHTS, 8: BIASES}, "QLinearMatMul": _TWO | {0: WEIGHTS, 3: WEIGHTS},
    "QGemm": _scaled(weights=(0, 3), biases=(6,), scales=(1, 4, 7), zeros=(2, 5, 8)),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), _INTEGERS),
    "MatMulIntegerToFloat": _scaled(weights=(0, 1), scales=(2, 3), zeros=(4, 5), biases=(6,)),
    "DynamicQuantizeMatMul": _scaled(weights=(1,), scales=(2,), zeros=(3,), biases=(4,)),
    "MatMulNBits": _scaled(weights=(1,), scales=(2,), zeros=(3,), biases=(5,)),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _TWO),
    **dict.fromkeys(
        ("QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearReduceMean", "QLinearSigmoid", "QLinearLeakyRelu",
         "QLinearSoftmax"), _ONE,
    ),
}  # fmt: skip
"""What the inputs of an operation are for, by position."""


def onnx_inventory(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Inventory:
    """Every initializer of an ONNX file, and what nodes hold themselves; parameters and errors as of ``onnx_graph``."""
    network = onnx_network(path, inputs)
    message = model_message(Path(path))["graph"]
    readers = _Readers([node_of(entry) for entry in message.get("node", ())])
    held = dict(_initializers(message))
    tensors = [_stored(name, *size, readers.uses(name), network.counted.get(name, 0)) for name, size in held.items()]
    tensors += [_inside(name, size, readers) for name, size in network.counted.items() if name not in held]
    return Inventory(network.graph, "ONNX", "the elements of all initializers", tuple(tensors))


def _initializers(message: Message) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, elements and element type of every initializer; a sparse one counts in full."""
    for entry in message.get("initializer", ()):
        yield entry.get("name", ""), (prod(entry.get("dims", ())), entry.get("data_type", 0))
    for entry in message.get("sparse_initializer", ()):
        values = entry.get("values", {})
        yield values.get("name", ""), (prod(entry.get("dims", ())), values.get("data_type", 0))


class _Readers:
    """The nodes that read each value of a graph, and those that give it."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._makers = {name: node.op for node in nodes for name in node.outputs}
        self._places: dict[str, list[tuple[Node, int]]] = {}
        for node in nodes:
            within = [(name, -1) for name in captured(node)]
            for name, position in [*((name, position) for position, name in enumerate(node.inputs)), *within]:
                self._places.setdefault(name, []).append((node, position))

    def uses(self, name: str) -> list[Use]:
        """Who reads a tensor, seen through operations that leave it what it is."""

        def outputs(node: Node, position: int) -> tuple[str, ...] | None:
            return node.outputs[:1] if node.op in PASSING and position == 0 else None

        return followed(name, self._places, outputs, self._role)

    def _role(self, node: Node, position: int) -> Use:
        """An operation and a position; those of others where it is part of one or repeats its positions."""
        if node.op == "Add" and any(self._makers.get(name) in PRODUCTS for name in node.inputs):
            return "Gemm", 2
        if node.op == "QLinearConcat":
            return "QuantizeLinear", position + 1 if position < 2 else (position - 2) % 3
        return node.op, position


PRODUCTS: Final = ("MatMul", "MatMulInteger", "QLinearMatMul")
"""Products that leave their biases to an Add."""


def _stored(name: str, elems: int, element: int, uses: Sequence[Use], counted: int) -> Stored:
    """One initializer."""
    kind = kind_of(uses, USES, counted)
    shared = counted > 0 and len(uses) > 1
    return judged(clean(name), kind, elems, BITS.get(element, 0), counted, PACKED, shared=shared)


def _inside(name: str, size: int, readers: _Readers) -> Stored:
    """A tensor that a Constant node, a function or a branch holds."""
    plain = name.removeprefix(FILL)
    kind = kind_of(readers.uses(plain) or [("", 0)], USES, size)
    return Stored(clean(plain), kind, size, 0, 0, size, INSIDE)


# ---- content


def node_weights(path: Path) -> list[tuple[tuple[str, ...], list[Array]]]:
    """What nodes multiply that the file stores: names of node, output and initializers, and the content, node by node.

    Raises
    ------
    InputError
        No ONNX file, or weights that it does not hold.
    """
    message = model_message(path)["graph"]
    held = {entry.get("name", ""): entry for entry in message.get("initializer", ())}
    nodes = [node_of(entry) for entry in message.get("node", ())]
    first = {node.outputs[0]: node.inputs[0] for node in nodes if node.op in PASSING and node.inputs and node.outputs}
    found = []
    for node in nodes:
        positions = [at for at, kind in USES.get(node.op, {}).items() if kind == WEIGHTS and at < len(node.inputs)]
        sources = [name for at in positions if (name := origin(node.inputs[at], first)) in held]
        if node.op not in PASSING and sources:
            names = tuple(map(clean, filter(None, (node.name, *node.outputs[:1], *sources))))
            found.append((names, [content(held[name], path) for name in sources]))
    return found


def origin(name: str, first: Mapping[str, str]) -> str:
    """The tensor that a value still is, behind operations that pass it on."""
    seen = set()
    while name in first and name not in seen:
        seen.add(name)
        name = first[name]
    return name


def content(message: Message, path: Path) -> Array:
    """The elements of an initializer in single precision."""
    name = message.get("name", "")
    found = tensor_content(message)
    if found is None:
        raise InputError(
            f"--weights {path}: the content of {name!r} is not in the file, or of a type without numbers; "
            "save the model with its weights inside"
        )
    return found.astype(np.float32)
