"""Copy a TensorFlow Lite file without its weights: ``python -m tests.models.tflite.strip from.tflite to.tflite``.

Shapes, types, names, signatures, options and small integer constants stay; every other buffer is empty. Only the
first subgraph and its first-level structure are copied.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from costmodel.importers.flatbuffer import Table
from costmodel.importers.tflite_file import LONGEST_CONSTANT, read_model
from tests.models.tflite.writer import Fields, Ints, Model, Raw

SMALL_BYTES = 64
WITH_VECTORS = {"RESHAPE", "SQUEEZE"}


def raw(table: Table) -> Raw:
    """A table without references as it is in the file."""
    data, place = table._data, table._position
    start = place - struct.unpack_from("<i", data, place)[0]
    size, length = struct.unpack_from("<HH", data, start)
    return Raw(bytes(data[start : start + size]), bytes(data[place : place + length]))


def stripped(path: Path) -> bytes:
    """The file without weights."""
    source = read_model(path)
    main = source.subgraphs[0]
    model = Model(buffers=[])
    integer = {tensor.buffer for tensor in main.tensors if tensor.format in ("int32", "int64")}
    for index, buffer in enumerate(source.buffers):
        small = index in integer and buffer.length(0) <= SMALL_BYTES
        model.buffers.append(Fields({0: buffer.raw(0) if small and buffer.length(0) else None}))
    root = Table.root(source.data, path)
    for fact, table in zip(main.tensors, root.tables(2)[0].tables(0), strict=True):
        kind = table.number(1, "<b")
        slots = {0: Ints("i", table.ints(0)), 1: ("<b", kind), 2: ("<I", fact.buffer), 3: fact.name.encode()}
        if 7 in table:
            slots[7] = Ints("i", table.ints(7))
        if fact.variable:
            slots[5] = ("<B", 1)
        if fact.sparse:
            slots[6] = Fields({})
        model.tensors.append(Fields(slots))
    for fact in main.operators:
        options = None
        if fact.options is not None:
            vector = fact.code in WITH_VECTORS
            options = {0: Ints("i", fact.options.ints(0))} if vector else raw(fact.options)
        model.add(fact.code, fact.inputs, fact.outputs, options)
    model.inputs, model.outputs = list(main.inputs), list(main.outputs)
    return model.bytes()


if __name__ == "__main__":
    assert LONGEST_CONSTANT >= SMALL_BYTES // 4
    Path(sys.argv[2]).write_bytes(stripped(Path(sys.argv[1])))
