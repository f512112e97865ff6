"""The bytes of an ONNX file, decoded without copying weights.

ONNX is one protocol buffer message. Only the fields that a cost needs are decoded; payloads of tensors stay where they
are, as views of the file, and files that external data names are never opened. Nothing here knows what a node means.

References
----------
.. [1] ``onnx.proto``, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, field numbers.
.. [2] https://protobuf.dev/programming-guides/encoding/, the wire format.
"""

from __future__ import annotations

import codecs
import mmap
import struct
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from costmodel.errors import InputError

Message: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["int", "float", "text", "view", "ints", "floats", "texts"]
Entry: TypeAlias = tuple[str, "Kind | Schema", bool]
"""Name, kind (or the schema of a message), repeated."""
Schema: TypeAlias = dict[int, Entry]
"""Entries by field number."""

MAPPED_BYTES: Final = 1 << 24
"""Files larger than this are mapped into memory and read where needed."""
DEEPEST: Final = 48
"""Nested messages; a graph within a graph takes three."""

_ENTRY: Final[Schema] = {1: ("key", "text", False), 2: ("value", "text", False)}
_TENSOR: Final[Schema] = {
    1: ("dims", "ints", True), 2: ("data_type", "int", False), 4: ("float_data", "view", True),
    5: ("int32_data", "view", True), 6: ("string_data", "view", True), 7: ("int64_data", "view", True),
    8: ("name", "text", False), 9: ("raw_data", "view", False), 10: ("double_data", "view", True),
    11: ("uint64_data", "view", True), 13: ("external_data", _ENTRY, True), 14: ("data_location", "int", False),
}  # fmt: skip
_SPARSE: Final[Schema] = {1: ("values", _TENSOR, False), 3: ("dims", "ints", True)}
_DIMENSION: Final[Schema] = {1: ("dim_value", "int", False), 2: ("dim_param", "text", False)}
_SHAPE: Final[Schema] = {1: ("dim", _DIMENSION, True)}
_TENSOR_TYPE: Final[Schema] = {1: ("elem_type", "int", False), 2: ("shape", _SHAPE, False)}
_TYPE: Final[Schema] = {1: ("tensor_type", _TENSOR_TYPE, False)}
_VALUE: Final[Schema] = {1: ("name", "text", False), 2: ("type", _TYPE, False)}
_ATTRIBUTE: Final[Schema] = {
    1: ("name", "text", False), 2: ("f", "float", False), 3: ("i", "int", False), 4: ("s", "text", False),
    5: ("t", _TENSOR, False), 7: ("floats", "floats", True), 8: ("ints", "ints", True), 9: ("strings", "text", True),
    20: ("type", "int", False), 21: ("ref_attr_name", "text", False), 22: ("sparse_tensor", _SPARSE, False),
}  # fmt: skip
_NODE: Final[Schema] = {
    1: ("input", "text", True), 2: ("output", "text", True), 3: ("name", "text", False), 4: ("op_type", "text", False),
    5: ("attribute", _ATTRIBUTE, True), 7: ("domain", "text", False), 8: ("overload", "text", False),
    9: ("metadata_props", _ENTRY, True),
}  # fmt: skip
_GRAPH: Final[Schema] = {
    1: ("node", _NODE, True), 2: ("name", "text", False), 5: ("initializer", _TENSOR, True), 11: ("input", _VALUE, True),
    12: ("output", _VALUE, True), 13: ("value_info", _VALUE, True), 15: ("sparse_initializer", _SPARSE, True),
}  # fmt: skip
_ATTRIBUTE[6] = ("g", _GRAPH, False)
_OPSET: Final[Schema] = {1: ("domain", "text", False), 2: ("version", "int", False)}
_FUNCTION: Final[Schema] = {
    1: ("name", "text", False), 4: ("input", "text", True), 5: ("output", "text", True), 6: ("attribute", "text", True),
    7: ("node", _NODE, True), 9: ("opset_import", _OPSET, True), 10: ("domain", "text", False),
    11: ("attribute_proto", _ATTRIBUTE, True), 13: ("overload", "text", False),
}  # fmt: skip
MODEL: Final[Schema] = {
    1: ("ir_version", "int", False), 2: ("producer_name", "text", False), 7: ("graph", _GRAPH, False),
    8: ("opset_import", _OPSET, True), 25: ("functions", _FUNCTION, True),
}  # fmt: skip

_MAGIC: Final = {
    b"PK\x03\x04": "a zip archive (a .keras or .pt file?)",
    b"\x89HDF": "an HDF5 file (Keras 2?)",
    b"\x89PNG": "a PNG image",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"\x80\x02": "a Python pickle (an old .pt file?)",
    b"version https://git-lfs": "a Git LFS pointer, not the model; run `git lfs pull`",
}


class WireError(Exception):
    """Bytes that are not the message they should be."""


def model_message(path: Path) -> Message:
    """The decoded model of a file; InputError where the file cannot be read or is none."""
    view = _view(path)
    try:
        model = message(view, MODEL)
    except WireError as error:
        raise InputError(f"{path}: is {_guess(view) or f'not a complete ONNX model: {error}'}; {_ADVICE}") from None
    if "graph" not in model or "opset_import" not in model or not model["graph"].get("node"):
        missing = next((key for key in ("graph", "opset_import") if key not in model), "nodes")
        raise InputError(f"{path}: is {_guess(view) or f'not an ONNX model: it has no {missing}'}; {_ADVICE}")
    return model


_ADVICE: Final = "give a complete binary .onnx file"


def _view(path: Path) -> memoryview:
    """The bytes of a file: read if small, mapped if large; InputError if it cannot be read."""
    if not path.is_file():
        problem = "is a directory or a device" if path.exists() else "no such file"
        raise InputError(f"{path}: {problem}; {_ADVICE}")
    try:
        if path.stat().st_size <= MAPPED_BYTES:
            data: bytes | mmap.mmap = path.read_bytes()
        else:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not data:
        raise InputError(f"{path}: is empty; {_ADVICE}")
    return memoryview(data)


def _guess(view: memoryview) -> str:
    """What a file that is no model seems to be, or ""."""
    head = bytes(view[:512])
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            return what
    if head[4:8] == b"TFL3":
        return "a TFLite model"
    return "a text file, not an ONNX model" if len(head) > 8 and _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    """Whether bytes read as text, possibly cut inside a character."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\n\r" for c in text)


def message(view: memoryview, schema: Schema) -> Message:
    """Decode one message: known fields by name, repeated ones as lists; WireError where the bytes end or lie."""
    return _message(view, 0, len(view), schema, 0)


def _message(view: memoryview, at: int, end: int, schema: Schema, depth: int) -> Message:
    """Decode the message between two places; the short forms of tags and sizes, which nearly all have, are read here."""
    if depth > DEEPEST:
        raise WireError(f"more than {DEEPEST} messages within each other")
    found: Message = {}
    while at < end:
        tag = view[at]
        at += 1
        if tag > 127:
            tag, at = varint(view, at - 1, end)
        entry = schema.get(tag >> 3)
        if tag & 7 != 2:
            number, at = _number(view, at, end, tag & 7)
            if entry is not None:
                _keep_number(found, entry, tag & 7, number)
            continue
        size = view[at] if at < end else 128
        at += 1
        if size > 127:
            size, at = varint(view, at - 1, end)
        if at + size > end:
            raise WireError(f"a field of {size} bytes at byte {at}, but only {end - at} are left")
        if entry is not None:
            _keep(found, entry, view, at, at + size, depth)
        at += size
    return found


def varint(view: memoryview, at: int, end: int | None = None) -> tuple[int, int]:
    """An unsigned integer of variable length that ends before `end`, and the place behind it."""
    end = len(view) if end is None else end
    value = shift = 0
    while at < end:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError(f"an integer of more than 64 bits before byte {at}")
    raise WireError(f"it ends inside a number at byte {at}")


def _number(view: memoryview, at: int, end: int, wire: int) -> tuple[Any, int]:
    """The value of a field of known size, and the place behind it; four or eight bytes as a view."""
    if wire == 0:
        return varint(view, at, end)
    if wire not in (1, 5):
        raise WireError(f"no field can start at byte {at}")
    size = 8 if wire == 1 else 4
    if at + size > end:
        raise WireError(f"a field of {size} bytes at byte {at}, but only {end - at} are left")
    return view[at : at + size], at + size


def _keep(found: Message, entry: Entry, view: memoryview, at: int, end: int, depth: int) -> None:
    """Add a field with a size; one whose kind has none is skipped, as protobuf does."""
    name, kind, repeated = entry
    if kind == "text":
        item: Any = str(view[at:end], "utf-8", "replace")
    elif isinstance(kind, dict):
        item = _message(view, at, end, kind, depth + 1)
    elif kind == "view":
        item = view[at:end]
    elif kind in ("ints", "floats"):
        found.setdefault(name, []).extend(packed(view[at:end]) if kind == "ints" else _floats(view[at:end]))
        return
    else:
        return
    if repeated:
        found.setdefault(name, []).append(item)
    else:
        found[name] = item


def _keep_number(found: Message, entry: Entry, wire: int, value: Any) -> None:  # noqa: ANN401 - integer or view
    """Add a field without a size; one whose kind is of another wire type is skipped, as protobuf does."""
    name, kind, repeated = entry
    if kind == "int" and wire == 0:
        found[name] = signed(value)
    elif kind == "float" and wire == 5:
        found[name] = struct.unpack("<f", value)[0]
    elif kind == "view" and repeated:
        found.setdefault(name, []).append(value)
    elif kind == "ints":
        found.setdefault(name, []).extend([signed(value)] if wire == 0 else [])
    elif kind == "floats":
        found.setdefault(name, []).extend(_floats(value) if wire == 5 else [])


def signed(value: int) -> int:
    """A 64-bit integer in two's complement as Python's."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _floats(view: memoryview) -> list[float]:
    """Single-precision numbers, one behind the other; an incomplete last one is left out."""
    return list(struct.unpack(f"<{len(view) // 4}f", view[: len(view) // 4 * 4]))


def packed(view: memoryview) -> list[int]:
    """Integers of variable length, one behind the other."""
    found, at = [], 0
    while at < len(view):
        value, at = varint(view, at)
        found.append(signed(value))
    return found
