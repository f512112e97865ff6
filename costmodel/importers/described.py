"""Small graphs written as plain data, as the published one-operator cases are."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

from costmodel.errors import InputError
from costmodel.graph import Graph, Tensor

Layers = Sequence[Mapping[str, Any]]


def described_graph(name: str, inputs: Mapping[str, Sequence[int]], layers: Layers) -> Graph:
    """Build a graph from plain data.

    Parameters
    ----------
    name
        Name of the graph.
    inputs
        Shape of each input by name, batch first.
    layers
        In execution order: ``op``, a method of Graph; ``name``, by default the op and its position;
        ``inputs``, names of earlier layers or inputs, by default the one before; the rest are arguments.

    Returns
    -------
    Graph
        The graph; its outputs are the tensors that no layer reads.

    Raises
    ------
    InputError
        An op or input that does not exist, or arguments the op does not take.

    Examples
    --------
    >>> conv = {"op": "conv", "out_channels": 32, "kernel": 3}
    >>> g = described_graph("tiny", {"x": (1, 16, 16, 16)}, [conv])
    >>> g.outputs[0].shape
    (1, 32, 14, 14)
    """
    graph = Graph(name)
    tensors = {key: graph.input(key, tuple(shape)) for key, shape in inputs.items()}
    for position, layer in enumerate(layers):
        label = str(layer.get("name", f"{layer.get('op')}{position}"))
        tensors[label] = _added(graph, label, layer, tensors)
    return graph


def _added(graph: Graph, label: str, layer: Mapping[str, Any], tensors: dict[str, Tensor]) -> Tensor:
    """Add one described layer to the graph and give its output."""
    op = layer.get("op")
    method = getattr(Graph, str(op), None)
    if str(op).startswith("_") or not inspect.isfunction(method):
        raise InputError(f"{graph.name}: {label}: no operation {op!r}; operations are methods of Graph")
    previous = [] if op == "parameter" or not tensors else [next(reversed(tensors))]
    names: Sequence[str] = layer.get("inputs", previous)
    missing = [name for name in names if name not in tensors]
    if missing:
        raise InputError(f"{graph.name}: {label}: no earlier layer or input {missing[0]!r}")
    operands = [tensors[name] for name in names]
    arguments = {key: _tuples(value) for key, value in layer.items() if key not in ("op", "name", "inputs")}
    try:
        inspect.signature(method).bind(graph, label, *operands, **arguments)
    except TypeError as error:
        raise InputError(f"{graph.name}: {label}: {op}: {error}") from None
    return cast(Tensor, method(graph, label, *operands, **arguments))


def _tuples(value: Any) -> Any:  # noqa: ANN401 - any plain data
    """Lists of plain data as tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value
