"""Any network to a graph: shipped names, Python files, model files recognised by their content, PyTorch modules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from costmodel.errors import InputError
from costmodel.importers import python
from costmodel.importers.channels_last import clean

if TYPE_CHECKING:
    from costmodel.graph import Graph
    from costmodel.importers.inventory import Inventory
    from costmodel.importers.torch import Example, Module

    Inputs: TypeAlias = Mapping[str, Sequence[int]]
    Examples: TypeAlias = Mapping[str, Example] | Sequence[Example]

SUFFIXES: Final = {".onnx": "onnx", ".tflite": "tflite", ".lite": "tflite", ".keras": "keras"}
SHAPE: Final = re.compile(r"[0-9]{1,12}(x[0-9]{1,12})*")
HOW_TO: Final = {
    "hdf5": "is an HDF5 file, Keras's old format; save it again with model.save('model.keras')",
    "torch": "is a PyTorch archive, which holds no layers by itself; load the module and call costmodel.from_torch",
}


def load_network(spec: str | Path | Module, inputs: Examples | None = None, **arguments: Any) -> Graph:  # noqa: ANN401
    """Build the graph of a network.

    Parameters
    ----------
    spec
        Name of a shipped network or path of a ``.py`` file (executed), with arguments after a colon; path of an ONNX,
        TFLite or Keras file, told by its content; or a ``torch.nn.Module``.
    inputs
        Shapes by input name, for axes that a model file leaves open. For a module one example per argument of ``forward``,
        in their order or by their names: a tensor, a shape, or (shape, dtype).
    **arguments
        Arguments of ``build``; they win over those of the specification.

    Returns
    -------
    Graph
        The network.

    Raises
    ------
    InputError
        The file cannot be read or is of no known format, or inputs or arguments are given where there are none.
    NetworkError
        The network in it cannot be built.

    Examples
    --------
    >>> load_network("alexnet").name
    'alexnet'
    """
    if not isinstance(spec, str | Path):
        return traced(spec, inputs, arguments)
    path = Path(spec)
    kind = format_of(path)
    if kind == "python":
        if inputs:
            raise InputError(PYTHON_INPUTS.format(spec))
        return python.load_network(spec, **arguments)
    if arguments:
        raise InputError(f"{path}: {', '.join(arguments)}: a model file takes no arguments; only Python networks do")
    return imported(path, kind, named(path, inputs))


BY_NAME: Final = "inputs are shapes by name, such as {'data': (1, 3, 224, 224)}"
PYTHON_INPUTS: Final = "{0}: input shapes are for model files; a Python network takes arguments, {0}:input=224"


def traced(module: Module, inputs: Examples | None, arguments: Mapping[str, Any]) -> Graph:
    """The graph of a PyTorch module; InputError for anything else that is no path."""
    if not hasattr(module, "named_parameters"):
        raise InputError(f"a network is a name, a path, a Graph or a torch.nn.Module, got {type(module).__name__}")
    if arguments:
        raise InputError(f"{type(module).__name__}: {', '.join(arguments)}: a module takes no arguments; it is built already")
    from costmodel.importers.torch import positional, torch_graph

    return torch_graph(module, *positional(module, inputs or ()))


def input_names(spec: str | Path | Module) -> tuple[str, ...]:
    """Names by which the inputs of a network may be given: of a model file's inputs, of the arguments of ``forward``."""
    if not isinstance(spec, str | Path):
        from costmodel.importers.torch import argument_names

        return argument_names(spec)
    path = Path(spec)
    match format_of(path):
        case "onnx":
            from costmodel.importers.onnx import onnx_inputs as names
        case "tflite":
            from costmodel.importers.tflite import tflite_inputs as names
        case "keras":
            from costmodel.importers.keras import keras_inputs as names
        case _:
            return ()
    return names(path)


def inputs_each(specs: Sequence[str | Path | Module], inputs: Examples | None) -> list[Examples | None]:
    """The inputs of several networks, each given those that it has by name.

    Raises
    ------
    InputError
        No network has an input of a name, or there are no names.
    """
    if not inputs:
        return [None] * len(specs)
    if not isinstance(inputs, Mapping):
        raise InputError(f"compare: {BY_NAME}, got {inputs!r}")
    known = [input_names(spec) for spec in specs]
    if not any(known):
        raise InputError(PYTHON_INPUTS.format(specs[0]))
    every = sorted({name for names in known for name in names})
    listed = ", ".join(map(clean, every))
    problems = [f"--input: no network has an input {name!r}; there are {listed}" for name in inputs if name not in every]
    if problems:
        raise InputError(*problems)
    return [{name: shape for name, shape in inputs.items() if name in names} or None for names in known]


def inventory_of(spec: str | Path | Module | Graph, inputs: Examples | None = None) -> Inventory:
    """What a network stores, tensor by tensor; arguments and errors as of :func:`load_network`."""
    from costmodel.importers.inventory import graph_inventory

    if not isinstance(spec, str | Path):
        if not hasattr(spec, "named_parameters"):
            return graph_inventory(spec, "the graph", GRAPH_RULE)
        from costmodel.importers.torch import positional
        from costmodel.importers.torch_inventory import torch_inventory

        return torch_inventory(spec, *positional(spec, inputs or ()))
    match format_of(Path(spec)):
        case "onnx":
            from costmodel.importers.onnx.inventory import onnx_inventory as stored
        case "tflite":
            from costmodel.importers.tflite_inventory import tflite_inventory as stored
        case "keras":
            from costmodel.importers.keras_inventory import keras_inventory as stored
        case _:
            return graph_inventory(load_network(spec, inputs), "the graph", GRAPH_RULE)
    return stored(spec, named(spec, inputs))


GRAPH_RULE: Final = "the parameters of its layers"


def named(spec: str | Path, inputs: Examples | None) -> Inputs | None:
    """Inputs of a model file; InputError where they are not by name."""
    if inputs is not None and not isinstance(inputs, Mapping):
        raise InputError(f"{spec}: {BY_NAME}, got {inputs!r}")
    return inputs


def parse_inputs(texts: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Parse ``name=1x3x224x224`` into shapes by name.

    >>> parse_inputs(["data=1x3x224x224"])
    {'data': (1, 3, 224, 224)}
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, equals, sizes = text.rpartition("=")
        if not equals or not name or not SHAPE.fullmatch(sizes):
            raise InputError(f"--input: {text!r} is not NAME=SHAPE; write for example data=1x3x224x224")
        if name in shapes:
            raise InputError(f"--input: {name!r} is given twice; give one shape per input")
        shapes[name] = tuple(int(size) for size in sizes.split("x"))
    return shapes


def imported(path: Path, kind: str, inputs: Inputs | None) -> Graph:
    """Read a model file with the importer of its format, loaded only now."""
    if kind not in HOW_TO and not is_file(path):
        problem = "is a directory or a device" if path.exists() else "no such file"
        raise InputError(f"{path}: {problem}; give a model file, {', '.join(SUFFIXES)}")
    if kind == "onnx":
        from costmodel.importers.onnx import onnx_graph

        return onnx_graph(path, inputs)
    if kind == "tflite":
        from costmodel.importers.tflite import tflite_graph

        return tflite_graph(path, inputs)
    if kind == "keras":
        from costmodel.importers.keras import keras_graph

        return keras_graph(path, inputs)
    raise InputError(f"{path}: {HOW_TO[kind]}")


def format_of(path: Path) -> str:  # noqa: PLR0911 - one return per format
    """Tell the format of a file by its first bytes, else by its suffix; ``python`` for everything that is no file.

    >>> format_of(Path("squeezenet"))
    'python'
    """
    by_suffix = SUFFIXES.get(path.suffix.lower(), "python")
    if path.suffix.lower() == ".py" or not is_file(path):
        return by_suffix
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return by_suffix
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"\x89HDF"):
        return "hdf5"
    if head.startswith(b"PK\x03\x04"):
        return format_of_archive(path)
    if head[:1] == b"\x08" and head[2:3] in (b"\x12", b"\x1a", b"\x3a", b"\x42"):
        return "onnx"  # ModelProto: ir_version, then a producer, opset or graph
    return by_suffix


def is_file(path: Path) -> bool:
    """Whether a path is that of a regular file, which can be read without waiting for anybody.

    >>> is_file(Path("."))
    False
    """
    try:
        return path.is_file()
    except ValueError:  # a null byte
        return False


def format_of_archive(path: Path) -> str:
    """Tell a Keras archive from one of PyTorch; both are zip files."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    # Damaged, or (RuntimeError) of a zip version that zipfile does not know: the Keras reader opens it and says what is wrong.
    except (zipfile.BadZipFile, RuntimeError, OSError, ValueError):
        return "keras"
    return "torch" if any(name.endswith("data.pkl") for name in names) else "keras"
