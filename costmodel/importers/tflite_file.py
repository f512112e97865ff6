"""What a TensorFlow Lite file says: its operators and tensors as plain data, weights untouched.

Slots are those of ``schema.fbs`` (tensorflow/compiler/mlir/lite/schema, version 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from costmodel.errors import InputError
from costmodel.graph.stored import Kind
from costmodel.importers.flatbuffer import INT8, INT32, UINT8, UINT32, UINT64, Bytes, Table

IDENTIFIER: Final = b"TFL3"
LONGEST_CONSTANT: Final = 4096
"""Integers of a constant (axes, shapes, strides) that are read at most; longer ones are data."""
MOST_AXES: Final = 8

_OPERATORS: Final = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR
FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM
MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT
LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL
LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS
SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG
ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE
RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST
BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE
STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR
STABLEHLO_LOG STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT
STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT
STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL
STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE
STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
"""
OPERATORS: Final = tuple(_OPERATORS.split())
"""Builtin operators by code."""

_TYPES: Final = (
    ("fp32", 32), ("fp16", 16), ("int32", 32), ("uint8", 8), ("int64", 64), ("string", 8), ("bool", 8), ("int16", 16),
    ("complex64", 64), ("int8", 8), ("fp64", 64), ("complex128", 128), ("uint64", 64), ("resource", 0), ("variant", 0),
    ("uint32", 32), ("uint16", 16), ("int4", 4), ("bf16", 16),
)  # fmt: skip
_INTEGERS: Final = {"int32": "i", "int64": "q"}


@dataclass(frozen=True, slots=True)
class TensorFact:
    """A tensor as the file declares it; a size of -1 is not known before the network runs."""

    name: str
    shape: tuple[int, ...]
    format: str
    bits: int
    buffer: int
    variable: bool
    sparse: bool

    def key(self, index: int) -> tuple[str, int]:
        """What its elements are held in: a buffer, or where there is none the tensor itself, by its index."""
        return ("buffer", self.buffer) if self.buffer else ("tensor", index)

    @property
    def kind(self) -> Kind:
        """Kind of its numbers."""
        name = self.format.removeprefix("u")
        return "int" if name.startswith("int") else "bf" if name == "bf16" else "fp" if name.startswith("fp") else ""


@dataclass(frozen=True, slots=True)
class OperatorFact:
    """An operator: its builtin or custom code, tensor indices (-1 for an optional one left out), options."""

    code: str
    custom: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, slot: int, kind: str = INT32, default: int = 0) -> int:
        """A scalar of the options; `default` where it is absent."""
        return default if self.options is None else self.options.number(slot, kind, default)

    def flag(self, slot: int) -> bool:
        """A boolean of the options."""
        return bool(self.option(slot, UINT8))

    def activation(self, slot: int) -> int:
        """The fused activation in the options."""
        return self.option(slot, INT8)


@dataclass(frozen=True, slots=True)
class SubgraphFact:
    """A subgraph: tensors, operators in execution order, and the indices of inputs and outputs."""

    name: str
    tensors: tuple[TensorFact, ...]
    operators: tuple[OperatorFact, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelFact:
    """A file: subgraphs, the first of which is the network; buffers hold the constants."""

    path: Path
    data: Bytes
    subgraphs: tuple[SubgraphFact, ...]
    buffers: tuple[Table, ...]

    def integers(self, tensor: TensorFact) -> tuple[int, ...] | None:
        """Values of a small integer constant; None where it is long, of another type, or has no data."""
        kind = _INTEGERS.get(tensor.format)
        if kind is None or not 0 < tensor.buffer < len(self.buffers):
            return None
        buffer = self.buffers[tensor.buffer]
        width = tensor.bits // 8
        start, size = buffer.number(1, UINT64), buffer.number(2, UINT64)
        if size and start:  # data behind the flatbuffer, as in files above 2 GB
            inside = size <= LONGEST_CONSTANT * width and start + size <= len(self.data)
            raw = self.data[start : start + size] if inside else b""
        else:
            raw = buffer.raw(0) if buffer.length(0) <= LONGEST_CONSTANT * width else b""
        if not raw or len(raw) % width:
            return None
        return tuple(
            int.from_bytes(raw[place : place + width], "little", signed=True)
            for place in range(0, len(raw), width)
        )


def read_model(path: Path) -> ModelFact:
    """Read all of a file but its weights, which are mapped and not touched.

    Raises
    ------
    InputError
        The file cannot be read, is not TensorFlow Lite, or is damaged.
    """
    data = _mapped(path)
    if data[4:8] != IDENTIFIER:
        raise InputError(f"{path}: is not a TensorFlow Lite file: bytes 4 to 8 are {data[4:8]!r}, not {IDENTIFIER!r}")
    root = Table.root(data, path)
    version = root.number(0, UINT32)
    if version != 3:
        raise InputError(f"{path}: has TensorFlow Lite schema version {version}; only version 3 is known")
    codes = [_code(table) for table in root.tables(1)]
    subgraphs = tuple(_subgraph(table, codes, path) for table in root.tables(2))
    if not subgraphs:
        raise InputError(f"{path}: holds no network (no subgraph)")
    return ModelFact(path, data, subgraphs, tuple(root.tables(4)))


def _mapped(path: Path) -> Bytes:
    """The bytes of a file without reading them."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise InputError(f"{path}: is empty")
            return mmap(file.fileno(), 0, access=ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _code(table: Table) -> tuple[str, bool]:
    """Name of an operator code, and whether it is a custom one."""
    code = max(table.number(0, INT8), table.number(3, INT32))
    name = OPERATORS[code] if 0 <= code < len(OPERATORS) else f"BUILTIN_{code}"
    if name == "CUSTOM":
        return table.text(1) or "CUSTOM", True
    return name, False


def _subgraph(table: Table, codes: list[tuple[str, bool]], path: Path) -> SubgraphFact:
    tensors = tuple(_tensor(entry, path) for entry in table.tables(0))
    operators = tuple(_operator(entry, codes, len(tensors), path) for entry in table.tables(3))
    inputs, outputs = table.ints(1), table.ints(2)
    _expect_tensors((*inputs, *outputs), 0, len(tensors), f"{path}: inputs and outputs")
    return SubgraphFact(table.text(4), tensors, operators, inputs, outputs)


def _tensor(table: Table, path: Path) -> TensorFact:
    shape, signature = table.ints(0), table.ints(7)
    kind = table.number(1, INT8)
    name = table.text(3)
    sizes = signature if len(signature) == len(shape) else shape
    if len(sizes) > MOST_AXES or min(sizes, default=0) < -1:
        raise InputError(f"{path}: tensor {name[:80]!r} has the shape {sizes[:MOST_AXES]}, which no tensor has")
    format_, bits = _TYPES[kind] if 0 <= kind < len(_TYPES) else (f"type{kind}", 8)
    return TensorFact(
        name, sizes, format_, bits, table.number(2, UINT32), bool(table.number(5, UINT8)), 6 in table
    )


def _operator(table: Table, codes: list[tuple[str, bool]], tensors: int, path: Path) -> OperatorFact:
    index = table.number(0, UINT32)
    if index >= len(codes):
        raise InputError(f"{path}: an operator has the code {index}, but the file has {len(codes)} codes")
    inputs, outputs = table.ints(1), table.ints(2)
    _expect_tensors(inputs, -1, tensors, f"{path}: {codes[index][0]}")
    _expect_tensors(outputs, 0, tensors, f"{path}: {codes[index][0]}")
    return OperatorFact(*codes[index], inputs, outputs, table.table(4) if 4 in table else None)


def _expect_tensors(indices: tuple[int, ...], least: int, count: int, where: str) -> None:
    """InputError where an index is not that of a tensor."""
    wrong = [index for index in indices if not least <= index < count]
    if wrong:
        raise InputError(f"{where}: refers to tensor {wrong[0]}, but there are {count}; the file is damaged")

