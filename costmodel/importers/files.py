"""Any network to a graph: shipped names, Python files, and model files recognised by their content."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from costmodel.errors import InputError
from costmodel.importers import python

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costmodel.graph import Graph

    Inputs = Mapping[str, Sequence[int]]

SUFFIXES: Final = {".onnx": "onnx", ".tflite": "tflite", ".lite": "tflite", ".keras": "keras"}
SHAPE: Final = re.compile(r"[0-9]{1,12}(x[0-9]{1,12})*")
HOW_TO: Final = {
    "hdf5": "is an HDF5 file, Keras's old format; save it again with model.save('model.keras')",
    "torch": "is a PyTorch archive, which holds no layers by itself; load the module and call costmodel.from_torch",
}


def load_network(spec: str | Path, inputs: Inputs | None = None, **arguments: Any) -> Graph:  # noqa: ANN401
    """Build the graph of a network.

    Parameters
    ----------
    spec
        Name of a shipped network or path of a ``.py`` file (executed), with arguments after a colon; or path of an ONNX,
        TFLite or Keras file, told by its content.
    inputs
        Shapes by input name, for axes that a model file leaves open.
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
    path = Path(spec)
    kind = format_of(path)
    if kind == "python":
        if inputs:
            raise InputError(f"{spec}: input shapes are for model files; a Python network takes arguments, {spec}:input=224")
        return python.load_network(spec, **arguments)
    if arguments:
        raise InputError(f"{path}: {', '.join(arguments)}: a model file takes no arguments; only Python networks do")
    return imported(path, kind, inputs)


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
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return "keras"
    return "torch" if any(name.endswith("data.pkl") for name in names) else "keras"
