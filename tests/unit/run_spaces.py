"""Small design spaces on small machines, written as files, for tests of runs."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import costmodel as cm
from costmodel.explore.space import DesignSpace

BUILDER = """
    import os
    import signal
    from pathlib import Path

    import costmodel as cm

    ACT = Path(__file__).with_name("act")


    def once():
        # a signal, to this process or to the one that started it, as the file next to this one says
        try:
            name, target = ACT.read_text().split()
            ACT.unlink()
        except OSError:
            return
        os.kill(os.getpid() if target == "self" else os.getppid(), getattr(signal, name))


    def build(width: cm.Dim = 8, depth: int = 1, kind: str = "relu") -> cm.Graph:
        if depth == 4:
            raise ValueError("four layers are too many")
        if depth == 2:
            once()
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
ROOT_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
"""For processes that import the package as this one does."""
METRICS = ("params", "macs", "dram_bytes", "energy_j")
POINTS = 2 * 3 * 10 * 2 * 2
FEASIBLE = 2 * (10 + 10 + 6) * 2 * 2
PROBLEMS = 2 * 6 * 2 * 2


def space_file(directory: Path, act: str = "", space: str = SPACE) -> Path:
    """A space whose networks have one, two or four layers, of which four are an error.

    ``act`` is a signal and whether to send it to oneself or to one's parent, such as ``SIGKILL parent``: the first network of
    two layers that is built does so. With chunks of 20 points the first two chunks come before.
    """
    (directory / "chain.py").write_text(dedent(BUILDER), encoding="utf-8")
    if act:
        (directory / "act").write_text(act, encoding="utf-8")
    file = directory / "chains.yaml"
    file.write_text(dedent(space).lstrip(), encoding="utf-8")
    return file


def chain_space(directory: Path, act: str = "", space: str = SPACE) -> DesignSpace:
    """That space, loaded."""
    return DesignSpace.load(space_file(directory, act, space))


def swept(space, metrics, chunk, workers):
    """Sweep a space in chunks, on the calling thread or on some others."""
    if not workers:
        return cm.sweep(space, metrics=metrics, chunk=chunk)
    with ThreadPoolExecutor(workers) as executor:
        return cm.sweep(space, metrics=metrics, executor=executor, chunk=chunk)
