"""One layer on one memory boundary: the mapspace, the exact search over it, and the mapping chosen."""

from costmodel.mapping.mapping import DIMS, Mapping
from costmodel.mapping.nest import Layer, Traffic, buffer_bits, traffic
from costmodel.mapping.problem import Problems
from costmodel.mapping.search import (
    EXACT_BITS,
    Solutions,
    mapping_of,
    needed_bits,
    smallest_buffer_bits,
    solve,
    solve_distinct,
)

__all__ = [
    "DIMS",
    "EXACT_BITS",
    "Layer",
    "Mapping",
    "Problems",
    "Solutions",
    "Traffic",
    "buffer_bits",
    "mapping_of",
    "needed_bits",
    "smallest_buffer_bits",
    "solve",
    "solve_distinct",
    "traffic",
]
