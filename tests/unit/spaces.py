"""Small design spaces: a network of two layers that is written to a file, and what varies of it."""

from __future__ import annotations

from pathlib import Path

from costmodel.explore.space import DesignSpace

BUILDER = '''"""Two convolutions and as many more as asked for."""

import numpy as np

from costmodel.graph import Dim, Graph, Ratio


def build(width: Dim = 8, share: Ratio = 0.5, depth: int = 1, kind: str = "relu") -> Graph:
    """Build them; odd depths beyond three are refused."""
    if depth > 3:
        raise ValueError("too deep")
    g = Graph("tiny")
    x = g.conv("conv0", g.input("image", (1, 3, 12, 10)), width, kernel=3, padding=1)
    narrow = np.maximum(1, np.rint(share * np.asarray(width))).astype(np.int64)
    for index in range(depth):
        x = g.activation(f"act{index}", g.conv(f"conv{index + 1}", x, narrow, kernel=3), kind)
    g.output(x)
    return g
'''


EMPTY = '''"""A graph without layers."""

from costmodel.graph import Graph


def build() -> Graph:
    """Build it."""
    g = Graph("empty")
    return g
'''


def builder(directory: Path, text: str = BUILDER) -> str:
    """Write the network into a directory; its path."""
    path = directory / "tiny.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def space(network: str = "squeezenet", hardware: str | list[str] = "eyeriss-168", **fields: object) -> DesignSpace:
    """A space called test, mapped layer by layer."""
    return DesignSpace(**{"name": "test", "network": network, "hardware": hardware, "schedule": "layer", **fields})
