"""Small design spaces on small machines, written as files, for tests of runs."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from costmodel.explore.space import DesignSpace

BUILDER = """
    import time

    import costmodel as cm

    PAUSE_S = 0.0


    def build(width: cm.Dim = 8, depth: int = 1, kind: str = "relu") -> cm.Graph:
        if depth == 4:
            raise ValueError("four layers are too many")
        time.sleep(PAUSE_S)
        g = cm.Graph("chain")
        x = g.input("x", (1, 16))
        for index in range(depth):
            x = g.activation(f"act{index}", g.linear(f"fc{index}", x, width), kind)
        return g
    """
SPACE = """
    name: chains
    network: ./chain.py
    hardware: [eyeriss-168, snapdragon]
    axes:
      net.depth: [1, 2, 4]
      net.width: "4:40:4"
      net.kind: [relu, sigmoid]
      batch: [1, 4]
    constraints:
      - net.depth * net.width <= 100
    """
METRICS = ("params", "macs", "dram_bytes", "energy_j")
POINTS = 2 * 3 * 10 * 2 * 2
FEASIBLE = 2 * (10 + 10 + 6) * 2 * 2
PROBLEMS = 2 * 6 * 2 * 2


def space_file(directory: Path, pause_s: float = 0.0, space: str = SPACE) -> Path:
    """A space whose networks have one, two or four layers, of which four are an error; each build takes a while."""
    builder = dedent(BUILDER).replace("PAUSE_S = 0.0", f"PAUSE_S = {pause_s}")
    (directory / "chain.py").write_text(builder, encoding="utf-8")
    file = directory / "chains.yaml"
    file.write_text(dedent(space), encoding="utf-8")
    return file


def chain_space(directory: Path, pause_s: float = 0.0) -> DesignSpace:
    """That space, loaded."""
    return DesignSpace.load(space_file(directory, pause_s))
