"""What the importer knows of a tensor, a node and a model: plain data, decoded from messages."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from costmodel.errors import NetworkError
from costmodel.graph import Tensor
from costmodel.importers.onnx.wire import Message, WireError, packed

Array: TypeAlias = NDArray[Any]
Ints: TypeAlias = tuple[int, ...]

MOST_KNOWN: Final = 1 << 16
"""Elements of a constant whose content is kept; larger ones are weights, and only their shape matters."""

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, HALF, DOUBLE = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
BFLOAT: Final = 16
BITS: Final = {
    FLOAT: 32, UINT8: 8, INT8: 8, UINT16: 16, INT16: 16, INT32: 32, INT64: 64, BOOL: 8, HALF: 16, DOUBLE: 64,
    12: 32, 13: 64, 16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
"""Width of an element by its ONNX type [bits]; 16 is bfloat16, 17 to 20 float8, 21 to 23 four bits."""
FLOATS: Final = frozenset({FLOAT, HALF, DOUBLE, 16, 17, 18, 19, 20, 23})
DTYPES: Final[dict[int, Any]] = {
    FLOAT: np.float32, UINT8: np.uint8, INT8: np.int8, UINT16: np.uint16, INT16: np.int16, INT32: np.int32,
    INT64: np.int64, BOOL: np.bool_, HALF: np.float16, DOUBLE: np.float64, 12: np.uint32, 13: np.uint64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """One tensor of the file.

    Attributes
    ----------
    shape
        Sizes, or None where nothing says them.
    kind
        ONNX element type.
    data
        Its content, where constant and small.
    tensor
        Its tensor in the graph; None for constants, which get one only when a layer reads them as an operand.
    sources
        Trained tensors that a constant is made of: (name, elements).
    bits
        Width of a stored element [bits]: of the integers, behind DequantizeLinear.
    bounded
        The shape depends on data and is the largest possible one.
    layer
        Name of the layer that computes it, or "".
    """

    shape: Ints | None
    kind: int = FLOAT
    data: Array | None = None
    tensor: Tensor | None = None
    sources: frozenset[tuple[str, int]] = frozenset()
    bits: int = 0
    bounded: bool = False
    layer: str = ""

    @property
    def constant(self) -> bool:
        """Whether it is known before the network runs."""
        return self.tensor is None and self.shape is not None

    @property
    def dims(self) -> Ints:
        """The sizes; NetworkError where nothing says them."""
        if self.shape is None:
            raise NetworkError("the shape of an input is unknown")
        return self.shape

    @property
    def elems(self) -> int:
        """Number of elements."""
        return prod(self.dims)

    def ints(self) -> Ints:
        """The content as integers; NetworkError where it is not known before the network runs."""
        if self.data is None:
            raise NetworkError(
                "a size or axis is computed from data or stored in another file, so the shape is not known before the network "
                "runs; simplify the model (onnxsim) or fix its input shapes"
            )
        return tuple(int(item) for item in np.ravel(self.data))


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the file. Attributes are numbers, texts, lists of them, :class:`Value` or a graph's message."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def int(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise NetworkError(f"attribute {name} must be an integer, got {_brief(value)}")
        return value

    def ints(self, name: str, default: tuple[Any, ...] | None = None) -> tuple[Any, ...] | None:
        """A list attribute, of integers unless the file says otherwise."""
        value = self.attributes.get(name, default)
        if value is not None and not isinstance(value, (list, tuple)):
            raise NetworkError(f"attribute {name} must be a list, got {_brief(value)}")
        return None if value is None else tuple(value)

    def text(self, name: str, default: str = "") -> str:
        """A text attribute."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, str) else default


def _brief(value: object) -> str:
    return repr(value)[:60]


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute of a node in a function that the caller gives."""

    name: str


def node_of(message: Message) -> Node:
    """A node from its message."""
    return Node(
        message.get("op_type", ""),
        message.get("domain", ""),
        message.get("name", ""),
        tuple(message.get("input", ())),
        tuple(message.get("output", ())),
        {entry.get("name", ""): attribute(entry) for entry in message.get("attribute", ())},
        {entry.get("key", ""): entry.get("value", "") for entry in message.get("metadata_props", ())},
    )


def attribute(message: Message) -> Any:  # noqa: ANN401 - what the file says
    """The value of an attribute's message."""
    if message.get("ref_attr_name"):
        return Reference(message["ref_attr_name"])
    kind = message.get("type", 0)
    name = {1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 11: "sparse_tensor"}.get(kind)
    names = (name,) if name else ("ints", "floats", "strings", "s", "t", "g", "i", "f")
    for known in names:
        if known in message:
            value = message[known]
            return tensor_value(value, "") if known == "t" else sparse_value(value, "") if name == "sparse_tensor" else value
    return {"f": 0.0, "i": 0, "s": "", "floats": [], "ints": [], "strings": []}.get(name or "")


def tensor_value(message: Message, name: str) -> Value:
    """A constant from a tensor's message; its content only if it is small and inside the file."""
    shape, kind = tuple(message.get("dims", ())), message.get("data_type", 0)
    if any(size < 0 for size in shape):
        raise NetworkError(f"tensor {name or message.get('name', '')!r} has a negative size: {shape}")
    known = prod(shape) <= MOST_KNOWN and message.get("data_location", 0) == 0
    try:
        return constant(shape, kind, content(message, shape, kind) if known else None, name)
    except WireError as error:
        raise NetworkError(f"the content of tensor {name or message.get('name', '')!r} is damaged: {error}") from None


def sparse_value(message: Message, name: str) -> Value:
    """A constant from a sparse tensor's message: its dense shape."""
    values = message.get("values", {})
    return constant(tuple(message.get("dims", ())), values.get("data_type", FLOAT), None, name)


def constant(shape: Ints, kind: int, data: Array | None, name: str = "") -> Value:
    """A constant; one with a name is its own source."""
    sources = frozenset({(name, prod(shape))}) if name else frozenset()
    return Value(shape, kind, data, sources=sources, bits=BITS.get(kind, 0))


def content(message: Message, shape: Ints, kind: int) -> Array | None:
    """The elements of a tensor; None if they are missing (stripped) or of a type without numbers."""
    dtype = DTYPES.get(kind)
    if dtype is None:
        return None
    if "raw_data" in message:
        raw = bytes(message["raw_data"])
        items = np.frombuffer(raw[: len(raw) // np.dtype(dtype).itemsize * np.dtype(dtype).itemsize], dtype=dtype)
    else:
        items = _typed(message, kind, dtype)
    return items.reshape(shape) if items.size == prod(shape) else None


def _typed(message: Message, kind: int, dtype: Any) -> Array:  # noqa: ANN401 - a type of NumPy
    """Elements from the typed fields."""
    for name, code in (("float_data", "f"), ("double_data", "d")):
        if name in message:
            data = b"".join(bytes(part) for part in message[name] if not isinstance(part, int))
            size = struct.calcsize(code)
            return np.frombuffer(data[: len(data) // size * size], dtype=f"<f{size}").astype(dtype)
    numbers: list[int] = []
    for name in ("int64_data", "int32_data", "uint64_data"):
        for part in message.get(name, ()):
            numbers += [part] if isinstance(part, int) else packed(part)
    if kind == HALF:
        return (np.array(numbers, dtype=np.int64) & 0xFFFF).astype(np.uint16).view(np.float16)
    items = np.array(numbers, dtype=np.object_).astype(np.float64 if kind in FLOATS else np.int64)
    return items.astype(dtype)


def tensor_content(message: Message) -> Array | None:
    """The elements of a tensor, however many; None if they are not in the file or of a type without numbers."""
    if message.get("data_location", 0):
        return None
    try:
        return content(message, tuple(message.get("dims", ())), message.get("data_type", 0))
    except WireError:
        return None
