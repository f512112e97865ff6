"""Inputs of an ONNX file: shapes that it fixes or leaves open, and what a user gives for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from costmodel.errors import InputError
from costmodel.importers.onnx.importer import Importer, empty
from costmodel.importers.onnx.names import Names, clean
from costmodel.importers.onnx.values import BITS, DTYPES, FLOAT, Ints, Value, constant
from costmodel.importers.onnx.wire import Message

Shapes: TypeAlias = Mapping[str, Sequence[int]]

BATCH: Final = re.compile(r"(.*[._-])?batch([._-]?(size|dim|axis))?(_?\d+)?", re.IGNORECASE)
"""Names of a symbolic axis that stands for the batch; a first axis may also be called n or bs."""


def input_values(
    file: Path, entries: Sequence[Message], given: Shapes, importer: Importer, names: Names
) -> dict[str, Value]:
    """Values of the inputs; InputError for open axes and for shapes of inputs that do not exist."""
    known = [entry.get("name", "") for entry in entries]
    sizes = axis_sizes(entries, {name: shape for name, shape in given.items() if name not in known})
    problems = [_unknown(file, name, known) for name in given if name not in known and name not in sizes]
    values: dict[str, Value] = {}
    for entry, name in zip(entries, known, strict=True):
        kind, shape = element_type(entry), given.get(name)
        found, problem = number(kind, shape[0]) if shape and is_scalar(entry, shape) else input_shape(entry, shape, sizes)
        if problem or found is None:
            problems.append(f"{file}: input {clean(name)!r} {problem}")
        elif isinstance(found, Value):
            values[name] = found
        elif 0 in found:
            values[name] = empty(found, kind)
        else:
            tensor = importer.graph.input(names.unique(clean(name)), found, BITS.get(kind, 32))
            values[name] = Value(found, kind, tensor=tensor, bits=BITS.get(kind, 32))
    if problems:
        raise InputError(*problems)
    return values


def given_names(entries: Sequence[Message]) -> tuple[str, ...]:
    """Names by which inputs may be given: their own, then those of their open axes."""
    axes = (dim.get("dim_param", "") for entry in entries for dim in _dims(entry))
    return tuple(dict.fromkeys(filter(None, (*(entry.get("name", "") for entry in entries), *axes))))


def axis_sizes(entries: Iterable[Message], given: Shapes) -> dict[str, int]:
    """Sizes given for symbolic axes by their names."""
    axes = {dim.get("dim_param", "") for entry in entries for dim in _dims(entry)}
    return {name: int(shape[0]) for name, shape in given.items() if name in axes and len(shape) == 1}


def element_type(entry: Message) -> int:
    """Element type of an input."""
    return int(_tensor(entry).get("elem_type", FLOAT))


def is_scalar(entry: Message, given: Sequence[int]) -> bool:
    """Whether the file says that an input has no axes; the one number that is given for it is then its value."""
    return "shape" in _tensor(entry) and not _dims(entry) and len(given) == 1


def number(kind: int, value: int) -> tuple[Value, str]:
    """The value of an input without axes, and what is wrong with it."""
    data = np.array(value).astype(DTYPES.get(kind, np.float32))
    return constant((), kind, data), "" if data == value else f"is a number, and its type cannot hold {value}"


def input_shape(entry: Message, given: Sequence[int] | None, sizes: Mapping[str, int]) -> tuple[Ints | None, str]:
    """The shape of an input, or what is wrong with it."""
    tensor, dims, option = _tensor(entry), _dims(entry), clean(entry.get("name", ""))
    if given is not None:
        if "shape" in tensor and len(given) != len(dims):
            return None, f"has {len(dims)} axes, but its shape is given as {'x'.join(map(str, given))}"
        return tuple(int(size) for size in given), ""
    if "shape" not in tensor:
        advice = "which this tool does not read" if not tensor else f"give it: --input {option}=1x3x224x224"
        return None, f"has no shape in the file; {advice}"
    found = [axis_size(axis, dim, sizes) for axis, dim in enumerate(dims)]
    if any(size is None for size in found):
        text = "x".join(
            str(clean(dim.get("dim_param", "")) or "?") if size is None else str(size)
            for size, dim in zip(found, dims, strict=True)
        )
        example = "x".join("N" if size is None else str(size) for size in found)
        return None, f"has open axes ({text}); give its shape: --input {option}={example} with a number for each N{_all(dims)}"
    shape = tuple(size for size in found if size is not None)
    if any(dim.get("dim_value", 1) < 1 for dim in dims if dim.get("dim_value", -1) != -1):
        return None, f"has the shape {shape} in the file, with a size below 1; give it: --input {option}=1x3x224x224"
    return shape, ""


def _all(dims: Sequence[Message]) -> str:
    """How to give one size for all axes of a name."""
    name = next((dim["dim_param"] for dim in dims if dim.get("dim_param", "").isidentifier() and not _is_batch(0, dim)), "")
    return f", or {clean(name)} wherever it is: --input {clean(name)}=N" if name else ""


def axis_size(axis: int, dim: Mapping[str, Any], sizes: Mapping[str, int]) -> int | None:
    """A size; what is given for the name of an open axis, 1 for the batch, None for another open axis."""
    if dim.get("dim_value", -1) != -1:
        return int(dim["dim_value"])
    return sizes.get(dim.get("dim_param", ""), 1 if _is_batch(axis, dim) else None)


def _is_batch(axis: int, dim: Mapping[str, Any]) -> bool:
    name = dim.get("dim_param", "")
    return bool(BATCH.fullmatch(name)) or (axis == 0 and name.lower() in ("n", "bs"))


def _tensor(entry: Message) -> Message:
    tensor: Message = entry.get("type", {}).get("tensor_type", {})
    return tensor


def _dims(entry: Message) -> list[Message]:
    dims: list[Message] = _tensor(entry).get("shape", {}).get("dim", [])
    return dims


def _unknown(file: Path, name: str, known: Sequence[str]) -> str:
    """What to say of a name that is no input."""
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean {clean(close[0])!r}?" if close else ""
    return f"{file}: has no input {clean(name)!r}{hint}; its inputs are {', '.join(map(clean, known)) or 'none'}"
