"""What a network stores, tensor by tensor: what each is for, and who counts it as a parameter."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from costmodel.errors import InputError
from costmodel.graph import Graph, Layer
from costmodel.graph.ops.normalization import BatchNorm

WEIGHTS: Final = "weights"
BIASES: Final = "biases"
BATCH_NORM: Final = "batch-norm, trained"
STATISTICS: Final = "batch-norm, statistics"
NORM: Final = "other norms, trained"
TRAINED: Final = "other, trained"
SCALES: Final = "quantisation scales"
ZERO_POINTS: Final = "quantisation zero points"
CONSTANTS: Final = "constants"
UNUSED: Final = "read by no layer"
KINDS: Final = (WEIGHTS, BIASES, BATCH_NORM, STATISTICS, NORM, TRAINED, SCALES, ZERO_POINTS, CONSTANTS, UNUSED)
"""What a tensor may be for, in the order of a table."""

NOT_TRAINED: Final = {
    STATISTICS: "moving mean and variance: measured, not trained",
    SCALES: "say how numbers are stored, not trained",
    ZERO_POINTS: "say how numbers are stored, not trained",
    CONSTANTS: "shapes, axes, indices, anchors, single numbers: not trained",
    UNUSED: "not part of the computation",
}
"""Why tensors of a kind are no parameters here."""
UNKNOWN: Final = "read by operations without a model only"

_NORMS: Final = {
    "batch_norm": BATCH_NORM, "layer_norm": NORM, "group_norm": NORM, "rms_norm": NORM, "embedding": WEIGHTS,
    "parameter": TRAINED, "prelu": TRAINED, "layer_scale": TRAINED,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor, or several of one kind.

    Attributes
    ----------
    name
        Its name where it is stored.
    kind
        What it is for, one of :data:`KINDS`.
    elems
        Its elements.
    bits
        Width of a stored element [bits], 0 where nothing says it.
    framework
        How many parameters the framework's own total counts in it.
    counted
        How many parameters are counted in it here.
    why
        Why the two differ, "" where they do not.
    shared
        Whether several layers read it.
    """

    name: str
    kind: str
    elems: int
    bits: int
    framework: int
    counted: int
    why: str = ""
    shared: bool = False


@dataclass(frozen=True)
class Inventory:
    """What a network stores; `rule` says what the framework's total is, as in "sum of all initializers"."""

    graph: Graph
    framework: str
    rule: str
    tensors: tuple[Stored, ...]


def graph_inventory(graph: Graph, framework: str, rule: str, *, statistics: bool = False) -> Inventory:
    """The tensors of a graph, layer by layer; `statistics` says that the framework's total holds those of batch-norm.

    Raises
    ------
    InputError
        The graph carries a design space.
    """
    if graph.design_points != 1:
        raise InputError(f"{graph.name}: carries {graph.design_points} design points; reconcile takes one network")
    tensors = [stored for layer in graph.layers for stored in layer_tensors(graph, layer)]
    seen: dict[str, Stored] = {}
    for layer in graph.layers:
        if isinstance(layer.op, BatchNorm):
            found = moving_statistics(graph, layer, counted=statistics)
            seen.setdefault(found.name, found)
    return Inventory(graph, framework, rule, (*tensors, *seen.values()))


def layer_tensors(graph: Graph, layer: Layer) -> list[Stored]:
    """Parameters of one layer by kind."""
    found = []
    for row in layer.op.lower(layer.inputs, layer.outputs):
        params, biases = int(row.params), min(int(row.bias_elems), int(row.params))
        kind = _NORMS.get(row.op, WEIGHTS)
        parts = {kind: params} if kind != WEIGHTS else {WEIGHTS: params - biases, BIASES: biases}
        bits = graph.stored[layer.name].weight_bits if layer.name in graph.stored else 0
        found += [Stored(layer.name, part, elems, bits, elems, elems) for part, elems in parts.items() if elems]
    return found


def moving_statistics(graph: Graph, layer: Layer, *, counted: bool) -> Stored:
    """Mean and variance per channel; a layer that a file calls twice has them once, under its name in the file."""
    name = graph.nodes[layer.name].name if layer.name in graph.nodes else layer.name
    elems = 2 * int(layer.outputs[0].shape[1])
    return Stored(name, STATISTICS, elems, 0, elems if counted else 0, 0, NOT_TRAINED[STATISTICS] if counted else "")


def judged(name: str, kind: str, elems: int, bits: int, counted: int, why: str, *, shared: bool = False) -> Stored:
    """A tensor that the framework counts in full; `why` says so where more or fewer of its elements are counted here."""
    reason = "" if counted == elems else why if counted else NOT_TRAINED.get(kind, UNKNOWN)
    return Stored(name, kind, elems, bits, elems, counted, reason, shared)


Use = tuple[str, int]
"""An operation that reads a tensor, and at which position."""
Value = TypeVar("Value", bound=Hashable)
Node = TypeVar("Node")


def followed(
    start: Value,
    places: Mapping[Value, Sequence[tuple[Node, int]]],
    outputs: Callable[[Node, int], Sequence[Value] | None],
    role: Callable[[Node, int], Use],
) -> list[Use]:
    """Who reads a value; `outputs` are those of a node behind which it is still the same, None for every other node."""
    found, waiting, seen = [], [start], {start}
    while waiting:
        for node, position in places.get(waiting.pop(), ()):
            same = outputs(node, position)
            if same is None:
                found.append(role(node, position))
            else:
                fresh = [value for value in same if value not in seen]
                seen.update(fresh)
                waiting += fresh
    return found


def kind_of(uses: Sequence[Use], table: Mapping[str, Mapping[int, str]], counted: int) -> str:
    """What a tensor is for, from the first use that the table knows; unknown uses go by whether it is counted."""
    known = [table[op][position] for op, position in uses if op in table and position in table[op]]
    if known:
        return known[0]
    if not uses:
        return UNUSED
    return TRAINED if counted else CONSTANTS
