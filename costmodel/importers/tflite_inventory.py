"""Constants of a TensorFlow Lite file: what each is for, from the operators that read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Final

from costmodel.importers.channels_last import clean
from costmodel.importers.flatbuffer import Table
from costmodel.importers.inventory import (
    BIASES,
    CONSTANTS,
    SCALES,
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
from costmodel.importers.tflite import tflite_network
from costmodel.importers.tflite_file import ModelFact, OperatorFact, SubgraphFact

PASSING: Final = frozenset({"DEQUANTIZE", "QUANTIZE", "CAST", "DENSIFY", "FAKE_QUANT", "RESHAPE", "TRANSPOSE"})
"""Operators behind whose first input a constant is still what it was."""

TOGETHER: Final = "one buffer for several layers, each of which counts its own"

_PRODUCT: Final = {1: WEIGHTS, 2: BIASES}
_RESIZED: Final = {0: CONSTANTS, 1: WEIGHTS, 3: BIASES}
USES: Final[Mapping[str, Mapping[int, str]]] = {
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "CONV_3D"), _PRODUCT),
    **dict.fromkeys(("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE"), _RESIZED),
    "BATCH_MATMUL": {0: WEIGHTS, 1: WEIGHTS}, "GATHER": {0: WEIGHTS}, "EMBEDDING_LOOKUP": {1: WEIGHTS},
    "SVDF": {1: WEIGHTS, 2: WEIGHTS, 3: BIASES}, "PRELU": {1: TRAINED},
    "UNIDIRECTIONAL_SEQUENCE_LSTM": dict.fromkeys(range(1, 9), WEIGHTS) | dict.fromkeys(range(12, 16), BIASES),
}  # fmt: skip
"""What the inputs of an operator are for, by position."""


def tflite_inventory(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Inventory:
    """Every constant of the first subgraph, each buffer once; parameters and errors as of ``tflite_graph``."""
    network = tflite_network(path, inputs)
    main = network.model.subgraphs[0]
    counted = network.counted
    readers = _Readers(main)
    tensors = [_stored(main, indices, readers, counted.get(key, 0)) for key, indices in _constants(main).items()]
    scales = _quantisation(network.model)
    rule = "the elements of all constants, each buffer once"
    return Inventory(network.sheet.graph, "TFLite", rule, (*tensors, *scales))


def _constants(main: SubgraphFact) -> dict[object, list[int]]:
    """Tensors that nobody computes or feeds, by the buffer that holds them."""
    computed = {index for fact in main.operators for index in fact.outputs} | set(main.inputs)
    found: dict[object, list[int]] = {}
    for index, fact in enumerate(main.tensors):
        if index not in computed and not fact.variable:
            found.setdefault(fact.key(index), []).append(index)
    return found


def _stored(main: SubgraphFact, indices: Sequence[int], readers: _Readers, counted: int) -> Stored:
    """The constants of one buffer as one tensor."""
    fact = main.tensors[indices[0]]
    uses = [use for index in indices for use in readers.uses(index)]
    kind = kind_of(uses, USES, counted)
    elems = max(prod(max(size, 0) for size in main.tensors[index].shape) for index in indices)
    shared = counted > 0 and len(uses) > 1
    return judged(clean(fact.name), kind, elems, fact.bits, counted, TOGETHER, shared=shared)


class _Readers:
    """The operators that read each tensor of a subgraph."""

    def __init__(self, main: SubgraphFact) -> None:
        self._places: dict[int, list[tuple[OperatorFact, int]]] = {}
        for fact in main.operators:
            for position, index in enumerate(fact.inputs):
                self._places.setdefault(index, []).append((fact, position))

    def uses(self, index: int) -> list[Use]:
        """Who reads a tensor, seen through operators that leave it what it is."""

        def outputs(fact: OperatorFact, position: int) -> tuple[int, ...] | None:
            return fact.outputs[:1] if fact.code in PASSING and position == 0 else None

        return followed(index, self._places, outputs, lambda fact, position: (fact.code, position))


def _quantisation(model: ModelFact) -> list[Stored]:
    """Scales and zero points of the first subgraph, which its tensors carry beside their elements."""
    root = Table.root(model.data, model.path)
    tables = [tensor.table(4) for tensor in root.tables(2)[0].tables(0)]
    lengths = [(table.length(2), table.length(3)) for table in tables if table is not None]
    both = zip((SCALES, ZERO_POINTS), map(sum, zip(*lengths, strict=True)), (32, 64), strict=False)
    return [Stored("quantization", kind, elems, bits, 0, 0) for kind, elems, bits in both if elems]
