"""A Parquet data set that grows part by part: each part is there as a whole or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.explore.chunks import Chunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

INSTALL: Final = "Parquet needs pyarrow: pip install 'nn-costmodel[sweep]'"
PART: Final = re.compile(r"part-(\d+)-(\d+)\.parquet")
TEMPORARY: Final = ".tmp"
PROBLEMS: Final = b"costmodel.problems"
"""Key of a part's metadata: rows that have a problem and no figures."""


@dataclass(frozen=True)
class Part:
    """What a part holds: rows, those of them that have a problem, and the file as bytes unless it is on disk already."""

    rows: int
    problems: int
    data: bytes = b""


def checked_pyarrow() -> None:
    """Refuse to begin where Parquet cannot be written."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401 - whether it is there
    except ImportError:
        raise InputError(INSTALL) from None


# ---- columns


def encoded(columns: Mapping[str, NDArray[Any]], whole: frozenset[str]) -> Part:
    """Columns as a Parquet file; those named ``whole`` hold whole numbers, and nothing where a row has a problem."""
    import pyarrow as pa
    from pyarrow import parquet

    arrays = [arrow(column, whole=name in whole) for name, column in columns.items()]
    problems = int(np.count_nonzero(columns["problem"] != ""))
    table = pa.Table.from_arrays(arrays, names=list(columns)).replace_schema_metadata({PROBLEMS: str(problems)})
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd", use_dictionary=["problem"])
    return Part(table.num_rows, problems, sink.getvalue().to_pybytes())


def arrow(column: NDArray[Any], *, whole: bool) -> Any:  # noqa: ANN401 - an array of pyarrow, which has no types
    """A column for Arrow, of one type in every part: whole numbers stay whole where some are missing.

    Made of buffers: ``pyarrow.array`` loads pandas, 40 MB and a quarter of a second in every worker.
    """
    import pyarrow as pa

    if column.dtype.kind == "f":
        missing = np.isnan(column)
        values = whole_numbers(np.where(missing, 0, column)) if whole else column.astype(np.float64, copy=False)
        return of_buffers(pa.int64() if whole else pa.float64(), ~missing, values)
    if column.dtype.kind in "iu":
        return of_buffers(pa.int64(), None, column.astype(np.int64, copy=False))
    if column.dtype.kind == "b":
        return of_buffers(pa.bool_(), None, np.packbits(column, bitorder="little"), column.size)
    texts = [str(value).encode() for value in column]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return of_buffers(pa.string(), None, ends, len(texts), b"".join(texts))


def of_buffers(kind: Any, there: NDArray[np.bool_] | None, values: NDArray[Any], size: int | None = None, *more: bytes) -> Any:  # noqa: ANN401 - as above
    """An array of pyarrow without the entries that are not ``there``; ``size`` entries, one per value where None."""
    import pyarrow as pa

    bits = None if there is None or there.all() else np.packbits(there, bitorder="little")
    buffers = [None if one is None else pa.py_buffer(one) for one in (bits, np.ascontiguousarray(values), *more)]
    return pa.Array.from_buffers(kind, values.size if size is None else size, buffers)


def whole_numbers(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """Floating-point numbers that are whole as integers.

    Raises
    ------
    ValueError
        One is not whole: a metric has the wrong kind.
    """
    found = column.astype(np.int64)
    if (found != column).any():
        raise ValueError(f"{column[found != column][0]} is not a whole number")
    return found


# ---- files


def part_name(chunk: Chunk) -> str:
    """Name of the file of a chunk, such that names sort as chunks do.

    >>> part_name(Chunk(0, 4096))
    'part-000000000000-000000004096.parquet'
    """
    return f"part-{chunk.start:012d}-{chunk.stop:012d}.parquet"


def write_durably(target: Path, data: bytes) -> None:
    """A file that is complete on disk before it has its name."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=TEMPORARY)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def sync_directory(directory: Path) -> None:
    """Names on disk as well, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_temporaries(directory: Path) -> None:
    """Remove what a killed run left unfinished."""
    for file in directory.glob(f".*{TEMPORARY}"):
        file.unlink(missing_ok=True)


def finished_parts(directory: Path) -> dict[Chunk, Part]:
    """Parts on disk with what they hold.

    Raises
    ------
    InputError
        A file that Parquet cannot read.
    """
    found = {}
    for file in sorted(directory.glob("part-*.parquet")):
        match = PART.fullmatch(file.name)
        if match is None:
            raise InputError(f"{file}: is no part of a run; move it away")
        found[Chunk(int(match[1]), int(match[2]))] = held_by(file)
    return found


def held_by(file: Path) -> Part:
    """What a part on disk holds, from its last bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(file)
        return Part(metadata.num_rows, int(metadata.metadata[PROBLEMS]))
    except (pa.ArrowException, OSError, KeyError, TypeError) as error:
        raise InputError(f"{file}: is damaged ({error}); delete it and run again with --resume") from None
