"""Real weights: read from a file, pruned, shared, and counted as codes and gaps."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.compression.huffman import huffman_bits
from costmodel.compression.sizes import Streams, default_index_bits
from costmodel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from costmodel.compression.scheme import LayerScheme
    from costmodel.graph import LayerTable

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

METHODS: Final = ("linear", "kmeans")
ENDINGS: Final = ("", ".weight", "/weight", "_weight", ":weight", "/kernel", ".kernel", "_w", "_W")


@dataclass(frozen=True)
class Named:
    """One tensor of weights and the names by which a layer may know it."""

    names: tuple[str, ...]
    values: Floats


# ---- files


def read_weights(path: Path) -> list[Named]:
    """Tensors of weights of an ``.npz`` or ``.onnx`` file, in its order.

    Raises
    ------
    InputError
        It cannot be read, or holds no weights.
    """
    if not path.is_file():
        raise InputError(f"--weights {path}: {'is no file' if path.exists() else 'no such file'}; give an .npz or .onnx file")
    found = read_npz(path) if zipfile.is_zipfile(path) else read_onnx(path)
    if not found:
        raise InputError(f"--weights {path}: holds no weights of two or more axes")
    for one in found:
        if not np.isfinite(one.values).all():
            raise InputError(f"--weights {path}: {one.names[0]} holds values that are not finite; there is no code for them")
    return found


def read_npz(path: Path) -> list[Named]:
    """Arrays of two or more axes of numbers, by name."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [(name, archive[name]) for name in archive.files]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"--weights {path}: is no .npz file of plain numbers: {error}") from None
    return [
        Named((name,), np.asarray(array, dtype=np.float32))
        for name, array in arrays
        if array.ndim > 1 and array.dtype.kind in "fiu"
    ]


def read_onnx(path: Path) -> list[Named]:
    """The initializers that nodes multiply, one tensor per node, named after the node, its output and the initializers."""
    from costmodel.importers.onnx.inventory import node_weights

    return [Named(names, np.concatenate([array.ravel() for array in arrays])) for names, arrays in node_weights(path)]


def of_layers(table: LayerTable, rows: Sequence[int], found: Sequence[Named], path: Path) -> list[Floats]:
    """The weights of every row: by its name, else, where no name fits, in the order of the file.

    Raises
    ------
    InputError
        Layers without weights, or weights of another size.
    """
    by_name = {name: one for one in found for name in one.names}
    named = [next((by_name[key] for end in ENDINGS if (key := table.names[row] + end) in by_name), None) for row in rows]
    if all(one is None for one in named):
        named = list(found) if len(found) == len(rows) else named
    problems = [
        problem
        for row, one in zip(rows, named, strict=True)
        if (problem := misfit(table.names[row], weights_of(table, row), one))
    ]
    if problems:
        held = ", ".join(one.names[0] for one in found[:6])
        raise InputError(*(f"--weights {path}: {problem}; the file holds {held}" for problem in problems[:8]))
    return [one.values.ravel() for one in named if one is not None]


def misfit(name: str, weights: int, one: Named | None) -> str:
    """Why a tensor is not the weights of a layer, "" where it may be."""
    if one is None:
        return f"no weights of {name}"
    if one.values.size != weights:
        return f"{name} has {weights} weights, {one.names[0]} {one.values.size}"
    return ""


def weights_of(table: LayerTable, row: int) -> int:
    """Weights of a row without its biases."""
    return int(table.params[row, 0]) - min(int(table.bias_elems[row, 0]), int(table.params[row, 0]))


# ---- what is stored of them


@dataclass(frozen=True)
class Encoded:
    """The weights of one layer as entries: shared weights, the code of every entry (0 is zero) and the zeros it skips."""

    shared: Floats
    codes: Ints
    gaps: Ints


def pruned(values: Floats, scheme: LayerScheme) -> Floats:
    """The weights with all but the largest set to zero, as many as the scheme keeps; fewer where more are zero already."""
    keep = round(values.size * scheme.density) if scheme.nonzero is None else min(scheme.nonzero, values.size)
    if keep >= np.count_nonzero(values):
        return values
    left = values.copy()
    left[np.argsort(np.abs(values), kind="stable")[: values.size - keep]] = 0
    return left


def shared_weights(nonzero: Floats, count: int, method: str) -> Floats:
    """The values that weights are rounded to: evenly spaced between the extremes, or k-means that starts there."""
    if not nonzero.size:
        return np.zeros(count, np.float32)
    spaced = np.linspace(nonzero.min(), nonzero.max(), count, dtype=np.float32)
    if method == "linear":
        return spaced
    return distinct(nonzero, count) if np.unique(nonzero).size <= count else clustered(nonzero, spaced)


def distinct(nonzero: Floats, count: int) -> Floats:
    """The values themselves where there are no more of them than codes."""
    values = np.unique(nonzero)
    return np.concatenate([values, np.full(count - values.size, values[-1], np.float32)])


def clustered(nonzero: Floats, start: Floats) -> Floats:
    """Centres of k-means, from evenly spaced ones: the initialisation that Deep Compression found best."""
    try:
        from sklearn.cluster import KMeans  # type: ignore[import-untyped]  # ships no types
    except ImportError:
        raise InputError("k-means needs scikit-learn: pip install 'nn-costmodel[kmeans]', or take --quantize linear") from None
    found = KMeans(start.size, init=start.reshape(-1, 1), n_init=1).fit(nonzero.reshape(-1, 1))
    return np.sort(found.cluster_centers_.ravel()).astype(np.float32)


def nearest(values: Floats, sorted_values: Floats) -> Ints:
    """Position of the nearest of sorted values."""
    middles = (sorted_values[1:] + sorted_values[:-1]) / 2
    return np.searchsorted(middles, values).astype(np.int64)


def entries_of(positions: Ints, index_bits: int) -> tuple[Ints, Ints]:
    """Zeros that every entry skips, and which weight it holds, -1 for padding.

    >>> entries_of(np.array([1, 9]), 2)
    (array([1, 3, 3]), array([ 0, -1,  1]))
    """
    zeros = np.diff(positions, prepend=-1) - 1
    reach = 1 << index_bits
    padding = zeros // reach
    ends = np.cumsum(padding + 1) - 1
    gaps = np.full(int(ends[-1]) + 1 if ends.size else 0, reach - 1, dtype=np.int64)
    holds = np.full(gaps.size, -1, dtype=np.int64)
    gaps[ends], holds[ends] = zeros % reach, np.arange(positions.size)
    return gaps, holds


def encoded(values: Floats, scheme: LayerScheme, method: str) -> Encoded:
    """Prune, share and index the weights of one layer; every position is an entry where the index has no bits."""
    left = pruned(values, scheme)
    chosen = np.flatnonzero(left)
    index_bits = default_index_bits(scheme, chosen.size < values.size)
    centres = shared_weights(left[chosen], 2**scheme.bits - 1, method)
    codes = np.zeros(values.size, dtype=np.int64)
    codes[chosen] = 1 + nearest(left[chosen], centres)
    shared = np.concatenate([np.zeros(1, np.float32), centres])
    if not index_bits:
        return Encoded(shared, codes, np.zeros(values.size, dtype=np.int64))
    gaps, holds = entries_of(chosen, index_bits)
    return Encoded(shared, np.where(holds < 0, 0, codes[chosen][holds]) if chosen.size else holds, gaps)


def measured_streams(values: Floats, others: int, scheme: LayerScheme, method: str, *, huffman: bool) -> Streams:
    """What is stored of a layer with its real weights."""
    found = encoded(values, scheme, method)
    nonzero = int(np.count_nonzero(found.codes))
    index_bits = default_index_bits(scheme, bool(np.count_nonzero(pruned(values, scheme)) < values.size))
    codes = indices = None
    if huffman:
        codes = stream_bits(found.codes)
        indices = stream_bits(found.gaps) if index_bits else None
    return Streams(values.size, others, nonzero, found.codes.size, scheme.bits, index_bits, codes, indices)


def stream_bits(symbols: NDArray[Any]) -> int:
    """Size of symbols behind their own Huffman code [bits]."""
    return int(huffman_bits(np.bincount(symbols).tolist())) if symbols.size else 0
