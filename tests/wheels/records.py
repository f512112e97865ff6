"""Models inside wheels, as ``tests/models/wheels/truth.yaml`` records them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

from costmodel.graph import Graph

MODELS = Path(__file__).parents[1] / "models"
TRUTH = MODELS / "wheels" / "truth.yaml"


@dataclass(frozen=True)
class Record:
    """One file of a wheel; `path` is where the wheel installs it, `copy` where its copy without weights is."""

    distribution: str
    version: str
    path: str
    sha256: str
    macs: int
    inputs: dict[str, list[int]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    copy: str = ""

    @property
    def name(self) -> str:
        """The file's name, made unique by its distribution."""
        return f"{self.distribution}/{Path(self.path).name}"


def records() -> list[Record]:
    """All files of all wheels."""
    wheels = YAML(typ="safe").load(TRUTH)["wheels"]
    return [Record(wheel["distribution"], wheel["version"], **file) for wheel in wheels for file in wheel["files"]]


def macs(graph: Graph) -> int:
    """MACs of a graph."""
    return int(graph.table().total("macs")[0])


def unknown(graph: Graph) -> list[str]:
    """Operations of a graph that nobody models."""
    table = graph.table()
    return sorted({op for op, status in zip(table.ops, table.status, strict=True) if status == "unknown"})
