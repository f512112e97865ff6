"""A reader of FlatBuffers that never leaves the file: every offset and length is checked before use.

The format is the FlatBuffers internals page (https://flatbuffers.dev/internals/). The generated reader of the
``tflite`` package takes 0.25 s of CPU to import and follows damaged offsets; this one needs nothing.
"""

from __future__ import annotations

import struct
from mmap import mmap
from pathlib import Path
from typing import Final, TypeAlias

from costmodel.errors import InputError

Bytes: TypeAlias = bytes | mmap

INT8, UINT8, INT32, UINT32, INT64, UINT64 = "<b", "<B", "<i", "<I", "<q", "<Q"
LONGEST_TEXT: Final = 4096
"""Longest name that is read [bytes]; the rest is cut."""


class Table:
    """One table: its fields by slot, with the defaults of fields that are absent.

    Raises
    ------
    InputError
        From every method, where the file is too short or an offset leads out of it.
    """

    __slots__ = ("_data", "_fields", "_path", "_position")

    def __init__(self, data: Bytes, position: int, path: Path) -> None:
        self._data, self._position, self._path = data, position, path
        vtable = position - self._number(INT32, position)
        length = self._number("<H", vtable) // 2
        if vtable + 2 * length > len(data):
            raise self._damage(vtable)
        self._fields = struct.unpack_from(f"<{length}H", data, vtable)[2:] if length > 2 else ()

    @classmethod
    def root(cls, data: Bytes, path: Path) -> Table:
        """The table that a file starts with."""
        if len(data) < 8:
            raise InputError(f"{path}: is truncated: {len(data)} bytes do not hold a model")
        return cls(data, int(struct.unpack_from(UINT32, data, 0)[0]), path)

    def number(self, slot: int, kind: str, default: int = 0) -> int:
        """A scalar field; `kind` is its struct format."""
        place = self._place(slot)
        return self._number(kind, place) if place else default

    def table(self, slot: int) -> Table | None:
        """A table field, None where it is absent."""
        place = self._place(slot)
        return Table(self._data, self._target(place), self._path) if place else None

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables."""
        start, length = self._vector(slot, 4)
        return [
            Table(self._data, self._target(start + 4 * index), self._path) for index in range(length)
        ]

    def ints(self, slot: int, kind: str = "i") -> tuple[int, ...]:
        """A vector of integers; `kind` is the struct letter of one."""
        start, length = self._vector(slot, struct.calcsize(f"<{kind}"))
        return struct.unpack_from(f"<{length}{kind}", self._data, start)

    def length(self, slot: int) -> int:
        """Length of a vector field; its entries are not touched."""
        return self._vector(slot, 1)[1]

    def raw(self, slot: int) -> bytes:
        """A vector of bytes; ask for its :meth:`length` first."""
        start, length = self._vector(slot, 1)
        return self._data[start : start + length]

    def text(self, slot: int) -> str:
        """A string field, "" where it is absent; bytes that are not UTF-8 become U+FFFD."""
        start, length = self._vector(slot, 1)
        return self._data[start : start + min(length, LONGEST_TEXT)].decode("utf-8", "replace")

    def __contains__(self, slot: int) -> bool:
        return self._place(slot) != 0

    def _place(self, slot: int) -> int:
        """Position of a field, 0 where it is absent."""
        offset = self._fields[slot] if slot < len(self._fields) else 0
        return self._position + offset if offset else 0

    def _vector(self, slot: int, entry_bytes: int) -> tuple[int, int]:
        """Position of the first entry of a vector field, and its length."""
        place = self._place(slot)
        if not place:
            return 0, 0
        start = self._target(place)
        length = self._number(UINT32, start)
        if start + 4 + length * entry_bytes > len(self._data):
            raise self._damage(start)
        return start + 4, length

    def _target(self, place: int) -> int:
        """Where an offset leads."""
        return place + self._number(UINT32, place)

    def _number(self, kind: str, place: int) -> int:
        if not 0 <= place <= len(self._data) - struct.calcsize(kind):
            raise self._damage(place)
        return int(struct.unpack_from(kind, self._data, place)[0])

    def _damage(self, place: int) -> InputError:
        return InputError(
            f"{self._path}: is damaged or truncated: it has {len(self._data)} bytes and refers to byte {place}; "
            "export or download it again"
        )
