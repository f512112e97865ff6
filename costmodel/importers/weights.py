"""Trained weights as they are stored: the tensors of an ``.npz`` archive, or the initialisers of an ``.onnx`` file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from costmodel.errors import InputError
from costmodel.importers.files import format_of, is_file

ARCHIVE: Final = ".npz"
ADVICE: Final = "give an .npz archive of arrays, or an .onnx file with its weights"


@dataclass(frozen=True)
class StoredTensor:
    """A trained tensor as it is stored.

    Attributes
    ----------
    name
        Name in the file.
    shape
        Sizes of its axes.
    kind
        Number format, such as ``float32``.
    width_bytes
        Size of an element; 1 where elements share bytes.
    data
        Its content, little-endian.
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    width_bytes: int
    data: bytes


def is_archive(path: Path) -> bool:
    """Whether a path names an archive of arrays, which holds weights and no layers."""
    return path.suffix.lower() == ARCHIVE


def stored_weights(spec: str | Path) -> tuple[StoredTensor, ...] | None:
    """The weights that a specification names; None where it names a network without them.

    Raises
    ------
    InputError
        A file of weights that cannot be read.
    """
    path = Path(spec)
    if is_archive(path):
        return archived_weights(path)
    return onnx_weights(path) if format_of(path) == "onnx" else None


def archived_weights(path: Path) -> tuple[StoredTensor, ...]:
    """The arrays of an ``.npz`` archive, by name.

    Raises
    ------
    InputError
        A file that is missing, damaged or no archive, or arrays that are not numbers.
    """
    if not is_file(path):
        problem = "is a directory or a device" if path.exists() else "no such file"
        raise InputError(f"{path}: {problem}; {ADVICE}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    # What NumPy and zipfile raise on damage; RuntimeError is an encrypted entry, or a compression that zipfile does not know;
    # TypeError a single array (.npy) by the name of an archive, which no with statement takes.
    except (OSError, ValueError, EOFError, RuntimeError, TypeError, MemoryError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: cannot be read as an .npz archive: {reason}; {ADVICE}") from None
    if not arrays:
        raise InputError(f"{path}: holds no arrays; {ADVICE}")
    return tuple(array_tensor(path, name, array) for name, array in arrays.items())


def array_tensor(path: Path, name: str, array: object) -> StoredTensor:
    """One array as a stored tensor; InputError where it does not hold numbers."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize not in (1, 2, 4, 8):
        kind = array.dtype if isinstance(array, np.ndarray) else "no array"
        raise InputError(f"{path}: {name}: {kind} is not a number format; store integers or floating-point numbers")
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return StoredTensor(name, array.shape, str(array.dtype), array.dtype.itemsize, plain.tobytes())


def onnx_weights(path: Path) -> tuple[StoredTensor, ...] | None:
    """The initialisers of an ONNX file, by name; None where their content was stripped.

    Raises
    ------
    InputError
        A file that cannot be read, or whose weights are in another file, damaged or sparse.
    """
    from costmodel.importers.onnx.wire import model_message

    graph = model_message(path)["graph"]
    messages = graph.get("initializer", [])
    outside = [message.get("name", "") for message in messages if message.get("data_location", 0)]
    if outside or graph.get("sparse_initializer"):
        which = f"the content of {outside[0]!r} is in another file" if outside else "it has sparse initialisers"
        raise InputError(f"{path}: {which}, which is not read; save the model with all weights inside, dense")
    found = [initialiser(path, message) for message in messages]
    return None if not found or None in found else tuple(tensor for tensor in found if tensor)


def initialiser(path: Path, message: dict[str, object]) -> StoredTensor | None:
    """One initialiser as a stored tensor; None where it has no content, InputError where that has the wrong size."""
    from costmodel.importers.onnx.values import BITS, DTYPES, content

    name, kind = str(message.get("name", "")), int(str(message.get("data_type", 0)))
    shape = tuple(int(size) for size in message.get("dims", ()))  # type: ignore[attr-defined]  # a list of integers
    if kind not in BITS:
        raise InputError(f"{path}: {name}: elements of ONNX type {kind} are not numbers; {ADVICE}")
    if not any(key.endswith("_data") for key in message):
        return None if prod(shape) else StoredTensor(name, shape, f"onnx{kind}", 1, b"")
    if kind in DTYPES:
        array = content(message, shape, kind)
        if array is None:
            raise InputError(f"{path}: the content of {name!r} does not have its size; the file is damaged")
        return array_tensor(path, name, array)
    raw = message.get("raw_data")
    if not isinstance(raw, memoryview) or len(raw) * 8 < prod(shape) * BITS[kind]:
        raise InputError(f"{path}: the content of {name!r} does not have its size, or is not stored as raw bytes")
    width = BITS[kind] // 8
    return StoredTensor(name, shape, f"onnx{kind}", width if width in (1, 2) else 1, bytes(raw))
