"""Write small TensorFlow Lite files, for samples and tests: no library, weights left out.

A FlatBuffer is laid out parent before children, so every offset points forwards
(https://flatbuffers.dev/internals/). Slots are those of ``schema.fbs``, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from costmodel.importers.tflite_file import OPERATORS

TYPES = {
    "fp32": 0, "fp16": 1, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int16": 7, "int8": 9, "resource": 13, "int4": 17,
}  # fmt: skip


@dataclass
class Fields:
    """A table: struct format and value, bytes, a list of tables, or another table, by slot."""

    slots: Mapping[int, Any]


@dataclass
class Ints:
    """A vector of numbers of one struct format."""

    kind: str
    values: Sequence[int]


@dataclass
class Raw:
    """A table without references, copied byte by byte."""

    vtable: bytes
    body: bytes


def written(root: Fields, identifier: bytes = b"TFL3") -> bytes:
    """The bytes of a FlatBuffer."""
    out = bytearray(struct.pack("<I4s", 0, identifier))
    place = _table(out, root)
    struct.pack_into("<I", out, 0, place)
    return bytes(out)


def _table(out: bytearray, table: Fields | Raw) -> int:
    if isinstance(table, Raw):
        return _placed(out, table.vtable, table.body[4:])
    slots = {slot: value for slot, value in table.slots.items() if value is not None}
    offsets, inline, waiting = [0] * (max(slots, default=-1) + 1), bytearray(), []
    for slot, value in slots.items():
        kind = value[0] if isinstance(value, tuple) else "<I"
        size = struct.calcsize(kind)
        inline += bytes(-len(inline) % size)
        offsets[slot] = 4 + len(inline)
        if not isinstance(value, tuple):
            waiting.append((len(inline), value))
        inline += struct.pack(kind, value[1] if isinstance(value, tuple) else 0)
    vtable = struct.pack(f"<{2 + len(offsets)}H", 4 + 2 * len(offsets), 4 + len(inline), *offsets)
    place = _placed(out, vtable, bytes(inline))
    for at, value in waiting:
        _linked(out, place + 4 + at, value)
    return place


def _placed(out: bytearray, vtable: bytes, inline: bytes) -> int:
    """Append a virtual table and its table; give the place of the latter."""
    out += bytes(len(out) % 2)
    start = len(out)
    out += vtable
    out += bytes(-len(out) % 8)
    place = len(out)
    out += struct.pack("<i", place - start) + inline
    return place


def _linked(out: bytearray, at: int, value: Any) -> None:
    """Append what a field refers to, and point the field at it."""
    out += bytes(-len(out) % 8)
    if isinstance(value, (Fields, Raw)):
        target = _table(out, value)
    else:
        target = len(out)
        if isinstance(value, Ints):
            out += struct.pack(f"<I{len(value.values)}{value.kind}", len(value.values), *value.values)
        elif isinstance(value, bytes):
            out += struct.pack("<I", len(value)) + value + b"\0"
        else:
            out += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for index, table in enumerate(value):
                _linked(out, target + 4 + 4 * index, table)
    struct.pack_into("<I", out, at, target - at)


# ---- models


@dataclass
class Model:
    """A network under construction: tensors by name, operators in order."""

    tensors: list[Fields] = field(default_factory=list)
    operators: list[Fields] = field(default_factory=list)
    buffers: list[Fields] = field(default_factory=lambda: [Fields({})])
    codes: list[Fields] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    others: list[Fields] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str = "int8",
        *,
        signature: Sequence[int] | None = None,
        values: Sequence[int] | None = None,
        buffer: int | None = None,
    ) -> int:
        """Add a tensor, with integer `values` if it is a known constant; gives its index."""
        if buffer is None:
            letter = {"int64": "q"}.get(kind, "i")
            data = None if values is None else struct.pack(f"<{len(values)}{letter}", *values)
            self.buffers.append(Fields({0: data}))
            buffer = len(self.buffers) - 1
        slots = {0: Ints("i", shape), 1: ("<b", TYPES[kind]), 2: ("<I", buffer), 3: name.encode()}
        if signature is not None:
            slots[7] = Ints("i", signature)
        self.tensors.append(Fields(slots))
        return len(self.tensors) - 1

    def input(self, name: str, shape: Sequence[int], kind: str = "int8", **more: Any) -> int:
        """Add an input of the network."""
        self.inputs.append(self.tensor(name, shape, kind, **more))
        return self.inputs[-1]

    def add(
        self, code: str, inputs: Sequence[int], outputs: Sequence[int], options: Mapping[int, Any] | Raw | None = None
    ) -> None:
        """Add an operator; a code that is not built in is a custom one."""
        known = code in OPERATORS
        number = OPERATORS.index(code if known else "CUSTOM")
        custom = None if known else code.encode()
        self.codes.append(Fields({0: ("<b", min(number, 127)), 1: custom, 3: ("<i", number)}))
        table = Fields(options) if isinstance(options, Mapping) else options
        slots = {0: ("<I", len(self.codes) - 1), 1: Ints("i", inputs), 2: Ints("i", outputs), 4: table}
        self.operators.append(Fields(slots))

    def bytes(self) -> bytes:
        """The file; outputs default to those of the last operator."""
        outputs = self.outputs or list(self.operators[-1].slots[2].values)
        main = Fields(
            {0: self.tensors, 1: Ints("i", self.inputs), 2: Ints("i", outputs), 3: self.operators, 4: b"main"}
        )
        return written(
            Fields({0: ("<I", 3), 1: self.codes, 2: [main, *self.others], 3: b"costmodel test", 4: self.buffers})
        )
