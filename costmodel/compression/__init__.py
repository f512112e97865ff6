"""Compressed storage: pruning, shared weights, relative indices and Huffman codes, in bytes per layer and stage."""

from costmodel.compression.scheme import LayerScheme, Scheme, load_scheme, scheme_names, split_scheme
from costmodel.compression.sizes import LayerStorage
from costmodel.compression.storage import Storage, storage_of

__all__ = [
    "LayerScheme",
    "LayerStorage",
    "Scheme",
    "Storage",
    "load_scheme",
    "scheme_names",
    "split_scheme",
    "storage_of",
]
