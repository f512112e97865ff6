"""Small ONNX files for tests, written without the onnx package."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from costmodel.importers.onnx.wire import MODEL, Schema

KINDS = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


def number(value: int) -> bytes:
    """An integer of variable length."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def encoded(message: dict[str, Any], schema: Schema = MODEL) -> bytes:
    """The bytes of a message."""
    numbers = {name: (field, kind, repeated) for field, (name, kind, repeated) in schema.items()}
    out = b""
    for name, value in message.items():
        field, kind, repeated = numbers[name]
        items = value if repeated and kind not in ("ints", "floats") else [value]
        for item in items:
            out += _field(field, kind, item)
    return out


def _field(field: int, kind: Any, item: Any) -> bytes:
    if kind == "int":
        return number(field << 3) + number(item)
    if kind == "float":
        return number(field << 3 | 5) + struct.pack("<f", item)
    if kind == "ints":
        data = b"".join(map(number, item))
    elif kind == "floats":
        data = struct.pack(f"<{len(item)}f", *item)
    elif kind in ("text", "view"):
        data = item if isinstance(item, bytes) else item.encode()
    else:
        data = encoded(item, kind)
    return number(field << 3 | 2) + number(len(data)) + data


def tensor(name: str, data: Any = None, *, shape: tuple[int, ...] | None = None, kind: int = 1) -> dict[str, Any]:
    """A tensor with its content, or of a shape without."""
    if data is None:
        return {"name": name, "dims": list(shape or ()), "data_type": kind}
    array = np.asarray(data)
    return {"name": name, "dims": list(array.shape), "data_type": KINDS[str(array.dtype)], "raw_data": array.tobytes()}


def weight(name: str, *shape: int, kind: int = 1) -> dict[str, Any]:
    """A trained tensor without content."""
    return tensor(name, shape=shape, kind=kind)


def ints(name: str, *values: int) -> dict[str, Any]:
    """A vector of integers."""
    return tensor(name, np.array(values, dtype=np.int64))


def value(name: str, *shape: int | str, kind: int = 1) -> dict[str, Any]:
    """An input or output; texts are symbolic sizes."""
    dims = [{"dim_value": size} if isinstance(size, int) else {"dim_param": size} for size in shape]
    return {"name": name, "type": {"tensor_type": {"elem_type": kind, "shape": {"dim": dims}}}}


def attribute(name: str, item: Any) -> dict[str, Any]:
    """An attribute from a Python value."""
    if isinstance(item, bool | int):
        return {"name": name, "i": int(item), "type": 2}
    if isinstance(item, float):
        return {"name": name, "f": item, "type": 1}
    if isinstance(item, str):
        return {"name": name, "s": item, "type": 3}
    if isinstance(item, dict):
        return {"name": name, "g": item, "type": 5} if "node" in item else {"name": name, "t": item, "type": 4}
    if item and isinstance(item[0], float):
        return {"name": name, "floats": list(item), "type": 6}
    return {"name": name, "ints": list(item), "type": 7}


def node(op: str, inputs: str, outputs: str, *, name: str = "", domain: str = "", **attributes: Any) -> dict[str, Any]:
    """A node; names separated by blanks, "_" for one that is left out."""
    split = [["" if part == "_" else part for part in text.split()] for text in (inputs, outputs)]
    return {
        "op_type": op, "input": split[0], "output": split[1], "name": name or split[1][0], "domain": domain,
        "attribute": [attribute(key, item) for key, item in attributes.items()],
    }  # fmt: skip


def model(
    nodes: list[dict[str, Any]],
    inputs: list[dict[str, Any]],
    constants: list[dict[str, Any]] | None = None,
    outputs: list[dict[str, Any]] | None = None,
    *,
    opset: int = 20,
    **more: Any,
) -> dict[str, Any]:
    """A model's message; `more` are further fields of the model or of its graph."""
    last = nodes[-1]["output"][0] if nodes else ""
    graph = {
        "node": nodes,
        "name": "g",
        "initializer": constants or [],
        "input": inputs,
        "output": outputs or [{"name": last}],
        "value_info": more.pop("value_info", []),
    }
    return {"ir_version": 9, "graph": graph, "opset_import": [{"domain": "", "version": opset}], **more}
