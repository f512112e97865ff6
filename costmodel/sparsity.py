"""Sparse activations: shares of zeros per layer, a run-length code off chip, and MACs whose activation is not zero.

The mapping does not know which activations will be zero, so it stays that of dense ones; what it moves is counted behind
the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

import numpy as np

from costmodel.errors import InputError
from costmodel.formulas.compression import run_length_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from costmodel.boundary import Crossing, Widths
    from costmodel.graph import LayerTable

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

RUN_BITS: Final = 5
"""Width of a run of zeros in the off-chip code of Eyeriss, beside each 16-bit value: doi:10.1109/JSSC.2016.2616357."""


@dataclass(frozen=True)
class ActivationDensity:
    """Shares of the elements of a layer's ifmap and ofmap that are not zero."""

    ifmap_ratio: float = 1.0
    ofmap_ratio: float = 1.0


@dataclass(frozen=True)
class ActivationDensities:
    """Densities by layer, or by a pattern of names; layers that nothing is said of are dense."""

    name: str
    layers: Mapping[str, ActivationDensity]
    source: str = ""
    place: str = ""

    def of_layer(self, name: str) -> ActivationDensity | None:
        """The densities of a layer: its own, else those of the first pattern that matches."""
        if name in self.layers:
            return self.layers[name]
        return next((found for key, found in self.layers.items() if fnmatchcase(name, key)), None)


@dataclass(frozen=True)
class ActivationCode:
    """Size of coded activations over that of dense ones per row, arrays (L, 1), at most 1: longer codes are not used.

    ``ifmap_density`` is the share of ifmap elements that are not zero; ``layers`` counts the rows that have a density.
    """

    densities: ActivationDensities
    ifmap_ratio: Floats
    ofmap_ratio: Floats
    ifmap_density: Floats
    layers: int


def activation_code(table: LayerTable, widths: Widths, densities: ActivationDensities) -> ActivationCode:
    """The run-length code of every row at the width of its operands.

    Raises
    ------
    InputError
        Densities of layers that the network does not have.
    """
    unknown = [key for key in densities.layers if not any(name == key or fnmatchcase(name, key) for name in table.names)]
    if unknown:
        raise InputError(*(f"activation density: no layer {key!r} in the network ({densities.name})" for key in unknown))
    found = [densities.of_layer(name) for name in table.names]
    each = [one or ActivationDensity() for one in found]
    ifmap = np.array([[one.ifmap_ratio] for one in each])
    ofmap = np.array([[one.ofmap_ratio] for one in each])
    ratios = coded_ratio(table.ifmap_elems, ifmap, widths.ifmap), coded_ratio(table.ofmap_elems, ofmap, widths.ofmap)
    return ActivationCode(densities, *ratios, ifmap, sum(one is not None for one in found))


def coded_ratio(elems: Ints, density: Floats, width_bits: Ints) -> Floats:
    """Size behind the run-length code over the dense one [ratio], 1 where the code is no shorter."""
    count = np.maximum(elems, 1)
    coded = run_length_bits(count, np.rint(count * density).astype(np.int64), RUN_BITS, width_bits)
    return np.minimum(coded / (count * width_bits), 1.0)


def coded_bytes(size: Ints, ratio: Floats) -> Ints:
    """Bytes behind the code, rounded up [B].

    >>> coded_bytes(np.array([[10]]), np.array([[0.25]])).tolist()
    [[3]]
    """
    return np.ceil(size * ratio).astype(np.int64)


def coded_boundary(crossing: Crossing, code: ActivationCode) -> Crossing:
    """The traffic of a boundary behind the code; partial sums are never coded, since none of them need be zero."""
    finished = crossing.ofmap_bytes - 2 * crossing.psum_bytes
    return replace(
        crossing,
        ifmap_bytes=coded_bytes(crossing.ifmap_bytes, code.ifmap_ratio),
        ofmap_bytes=coded_bytes(finished, code.ofmap_ratio) + 2 * crossing.psum_bytes,
    )


def effective_macs(macs: Ints, code: ActivationCode) -> Ints:
    """MACs whose activation is expected not to be zero; padding is counted as if it were data."""
    return np.rint(macs * code.ifmap_density).astype(np.int64)
