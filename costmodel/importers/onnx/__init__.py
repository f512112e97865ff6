"""ONNX files, opsets 7 and newer, without the onnx package: bytes to Graph.

Weights are never read, only their shapes; files that hold external data are never opened. Shapes are followed from the
inputs through every node, small constants are folded, and what the file declares about intermediate shapes is believed
only where an operation has no model. Where a size depends on data (NonZero, NMS), the largest possible one is counted.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np

from costmodel.errors import InputError, NetworkError, located
from costmodel.graph import Graph
from costmodel.importers.onnx.importer import Body, Importer, LayerBits, empty, initializers
from costmodel.importers.onnx.names import Names, clean
from costmodel.importers.onnx.operations import HANDLERS
from costmodel.importers.onnx.values import BITS, DTYPES, FLOAT, Ints, Value, constant, node_of
from costmodel.importers.onnx.wire import Message, model_message

__all__ = ["LayerBits", "OnnxNetwork", "onnx_graph", "onnx_network"]

OLDEST: Final = 7
BATCH: Final = re.compile(r"(.*[._-])?batch([._-]?(size|dim|axis))?(_?\d+)?", re.IGNORECASE)
"""Names of a symbolic axis that stands for the batch; a first axis may also be called n or bs."""


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
    """

    graph: Graph
    widths: Mapping[str, LayerBits]
    opset: int
    producer: str


def onnx_graph(path: str | Path, inputs: Mapping[str, Sequence[int]] | None = None) -> Graph:
    """Build the graph of an ONNX file.

    Parameters
    ----------
    path
        A binary ``.onnx`` file. Files it names for external data are not opened.
    inputs
        Shapes by input name, for axes that the file leaves open; a symbolic axis named like a batch is 1 without. For an
        input without axes, the one number is its value: it may decide which branch of an If is taken.

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
    fed = [entry for entry in message.get("input", ()) if entry.get("name", "") not in constants]
    names = Names(nodes)
    scope = ChainMap({**constants, **_inputs(file, fed, shapes, importer, names)})
    outputs = [entry.get("name", "") for entry in message.get("output", ())]
    importer.run(Body(nodes, scope, declared, outputs=frozenset(outputs)), names)
    if not importer.graph.layers:
        raise NetworkError(f"{file}: computes nothing: no node depends on an input")
    found = [scope[name].tensor for name in outputs if name in scope]
    own = {tensor for layer in importer.graph.layers for tensor in layer.outputs}
    importer.graph.output(*dict.fromkeys(tensor for tensor in found if tensor is not None and tensor in own))
    return OnnxNetwork(importer.graph, importer.widths, opset, model.get("producer_name", ""))


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


def _inputs(
    file: Path, entries: Sequence[Message], shapes: Mapping[str, Sequence[int]], importer: Importer, names: Names
) -> dict[str, Value]:
    """Values of the inputs; InputError for open axes and for shapes of inputs that do not exist."""
    known = [entry.get("name", "") for entry in entries]
    problems = [_unknown_input(file, name, known) for name in shapes if name not in known]
    values: dict[str, Value] = {}
    for entry in entries:
        name = entry.get("name", "")
        given, kind = shapes.get(name), _kind(entry)
        if given is not None and len(given) == 1 and _is_scalar(entry):
            values[name] = number = constant((), kind, np.array(given[0]).astype(DTYPES.get(kind, np.float32)))
            if number.data != given[0]:
                problems.append(f"{file}: input {clean(name)!r} is a number, and its type cannot hold {given[0]}")
            continue
        if given is not None and 0 in given:
            values[name] = empty(tuple(given), kind)
            continue
        shape, problem = input_shape(entry, given)
        if problem or shape is None:
            problems.append(f"{file}: input {clean(name)!r} {problem}")
            continue
        tensor = importer.graph.input(names.unique(clean(name)), shape)
        values[name] = Value(shape, kind, tensor=tensor, bits=BITS.get(kind, 32))
    if problems:
        raise InputError(*problems)
    return values


def _kind(entry: Message) -> int:
    """Element type of an input."""
    return int(entry.get("type", {}).get("tensor_type", {}).get("elem_type", FLOAT))


def _is_scalar(entry: Message) -> bool:
    """Whether the file says that an input has no axes; what is given for it is then its value."""
    tensor = entry.get("type", {}).get("tensor_type", {})
    return "shape" in tensor and not tensor["shape"].get("dim")


def _unknown_input(file: Path, name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean {clean(close[0])!r}?" if close else ""
    return f"{file}: has no input {clean(name)!r}{hint}; its inputs are {', '.join(map(clean, known)) or 'none'}"


def input_shape(entry: Message, given: Sequence[int] | None) -> tuple[Ints | None, str]:
    """The shape of an input, or what is wrong with it."""
    tensor: Message = entry.get("type", {}).get("tensor_type", {})
    dims: list[dict[str, Any]] = tensor.get("shape", {}).get("dim", [])
    if given is not None:
        if "shape" in tensor and len(given) != len(dims):
            return None, f"has {len(dims)} axes, but its shape is given as {'x'.join(map(str, given))}"
        return tuple(int(size) for size in given), ""
    if "shape" not in tensor:
        advice = "which this tool does not read" if not tensor else f"give it: --input {_option(entry)}=1x3x224x224"
        return None, f"has no shape in the file; {advice}"
    sizes = [_size(axis, dim) for axis, dim in enumerate(dims)]
    if any(size is None for size in sizes):
        text = "x".join(str(size or clean(dim.get("dim_param", "")) or "?") for size, dim in zip(sizes, dims, strict=True))
        example = "x".join(str(size) if size else "N" for size in sizes)
        return None, f"has open axes ({text}); give its shape: --input {_option(entry)}={example} with a number for each N"
    shape = tuple(size for size in sizes if size is not None)
    if any(size < 1 for size in shape):
        return None, f"has the shape {shape} in the file, with a size below 1; give it: --input {_option(entry)}=1x3x224x224"
    return shape, ""


def _option(entry: Message) -> str:
    return clean(entry.get("name", ""))


def _size(axis: int, dim: Mapping[str, Any]) -> int | None:
    """A size; 1 for a symbolic batch, None for another open axis."""
    if dim.get("dim_value", -1) != -1:
        return int(dim["dim_value"])
    name = dim.get("dim_param", "")
    return 1 if BATCH.fullmatch(name) or (axis == 0 and name.lower() in ("n", "bs")) else None
