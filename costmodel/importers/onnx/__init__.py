"""ONNX files, opsets 7 and newer, without the onnx package: bytes to Graph.

Weights are never read, only their shapes; files that hold external data are never opened. Shapes are followed from the
inputs through every node, small constants are folded, and what the file declares about intermediate shapes is believed
only where an operation has no model. Where a size depends on data (NonZero, NMS), the largest possible one is counted.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from costmodel.errors import InputError, NetworkError, located
from costmodel.graph import Graph, StoredWidths
from costmodel.importers.onnx.importer import Body, Importer, initializers
from costmodel.importers.onnx.inputs import given_names, input_values
from costmodel.importers.onnx.names import Names, clean
from costmodel.importers.onnx.operations import HANDLERS
from costmodel.importers.onnx.values import BITS, Value, node_of
from costmodel.importers.onnx.wire import Message, model_message

__all__ = ["OnnxNetwork", "onnx_graph", "onnx_network"]

OLDEST: Final = 7


@dataclass(frozen=True)
class OnnxNetwork:
    """A network from an ONNX file.

    Attributes
    ----------
    graph
        Its layers.
    widths
        Widths at which the file stores the operands of each layer.
    opset
        Version of the standard operators.
    producer
        The exporter, as it names itself.
    counted
        Parameters that its layers count, by the tensor of the file that holds them.
    """

    graph: Graph
    widths: Mapping[str, StoredWidths]
    opset: int
    producer: str
    counted: Mapping[str, int]


def onnx_graph(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Build the graph of an ONNX file.

    Parameters
    ----------
    path
        A binary ``.onnx`` file. Files it names for external data are not opened.
    inputs
        Shapes by input name, for axes that the file leaves open, or sizes by the name of a symbolic axis; one named like a
        batch is 1 without. For an input without axes, the one number is its value: it may decide the branch of an If.

    Returns
    -------
    Graph
        Named after the file; layers are named after modules where the exporter wrote them down, after nodes otherwise.

    Raises
    ------
    InputError
        The file is no ONNX model, or an input has open axes or another name.
    NetworkError
        A node whose inputs do not fit, a cycle, or sizes beyond all bounds.
    """
    return onnx_network(path, inputs).graph


def onnx_network(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> OnnxNetwork:
    """Build the graph of an ONNX file, with the stored widths of its operands.

    Parameters
    ----------
    path, inputs
        As for :func:`onnx_graph`.

    Returns
    -------
    OnnxNetwork
        The graph and what else the file says.

    Raises
    ------
    InputError, NetworkError
        As :func:`onnx_graph`.
    """
    file = Path(path)
    model = model_message(file)
    try:
        with located(str(file)):
            return _network(file, model, inputs or {})
    except RecursionError:
        raise NetworkError(f"{file}: functions or branches nest too deeply; simplify the model") from None


def onnx_inputs(path: str | Path) -> tuple[str, ...]:
    """Names by which inputs may be given: those of the inputs that are fed, and of their open axes."""
    file = Path(path)
    message = model_message(file)["graph"]
    with located(str(file)):
        return given_names(_fed(message, initializers(message)))


def _fed(message: Message, constants: Mapping[str, Value]) -> list[Message]:
    """The inputs that no initializer gives."""
    return [entry for entry in message.get("input", ()) if entry.get("name", "") not in constants]


def _network(file: Path, model: Message, shapes: Mapping[str, Sequence[int]]) -> OnnxNetwork:
    """The network of a decoded model."""
    message = model["graph"]
    opset = _opset(file, model)
    functions = {(f.get("domain", ""), f.get("name", "")): f for f in model.get("functions", ())}
    importer = Importer(Graph(clean(file.stem) or "model"), str(file), HANDLERS, functions)
    importer.literals = model.get("producer_name") == "pytorch"
    constants = initializers(message)
    nodes = [node_of(entry) for entry in message.get("node", ())]
    entries = [*message.get("value_info", ()), *message.get("output", ())]
    declared = {entry.get("name", ""): declared_value(entry) for entry in entries}
    fed = _fed(message, constants)
    names = Names(nodes)
    scope = ChainMap({**constants, **input_values(file, fed, shapes, importer, names)})
    outputs = [entry.get("name", "") for entry in message.get("output", ())]
    importer.run(Body(nodes, scope, declared, outputs=frozenset(outputs)), names)
    if not importer.graph.layers:
        raise NetworkError(f"{file}: computes nothing: no node depends on an input with elements")
    found = [scope[name].tensor for name in outputs if name in scope]
    own = {tensor for layer in importer.graph.layers for tensor in layer.outputs}
    importer.graph.output(*dict.fromkeys(tensor for tensor in found if tensor is not None and tensor in own))
    importer.graph.store(importer.widths)
    return OnnxNetwork(importer.graph, importer.graph.stored, opset, model.get("producer_name", ""), importer.counted)


def _opset(file: Path, model: Message) -> int:
    """Version of the standard operators; InputError where it is too old."""
    versions = [e.get("version", 1) for e in model["opset_import"] if e.get("domain", "") in ("", "ai.onnx")]
    if versions and max(versions) < OLDEST:
        raise InputError(
            f"{file}: uses opset {max(versions)}, older than {OLDEST}; convert it with onnx.version_converter.convert_version"
        )
    return max(versions, default=0)


def declared_value(entry: Message) -> Value:
    """What the file declares about a value: sizes, where all of them are numbers, and its element type."""
    tensor = entry.get("type", {}).get("tensor_type", {})
    kind = tensor.get("elem_type", 1)
    dims = [dim.get("dim_value", 0) for dim in tensor.get("shape", {}).get("dim", ())]
    shape = tuple(dims) if "shape" in tensor and all(size > 0 for size in dims) else None
    return Value(shape, kind, bits=BITS.get(kind, 32))
