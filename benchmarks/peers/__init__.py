"""Other tools, each in an environment of its own that the benchmark makes on first use, on the same machine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
ENVIRONMENTS: Final = HERE.parents[1] / ".benchmarks"


@dataclass(frozen=True)
class Peer:
    """A distribution, what it needs pinned beside it, and the script that runs under its Python.

    For mappers, ``legal`` says whether its energies are of mappings that fit, so that ours are to be no larger.
    """

    name: str
    version: str
    pinned: tuple[str, ...]
    script: str
    legal: bool = True

    @property
    def title(self) -> str:
        """Its name with its version."""
        return f"{self.name} {self.version}"

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return ENVIRONMENTS / f"{self.name}-{self.version}" / "bin" / "python"

    def make(self) -> None:
        """Make its environment where there is none that was finished."""
        folder = self.python.parents[1]
        made = folder / "made"
        if made.exists():
            return
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        packages = [f"{self.name}=={self.version}", *self.pinned]
        subprocess.run([str(self.python), "-m", "pip", "install", "--quiet", *packages], check=True)
        made.touch()

    def run(self, *arguments: str) -> dict[str, Any]:
        """What its script prints."""
        self.make()
        words = [str(self.python), str(HERE / self.script), *arguments]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        return dict(json.loads(done.stdout))


NN_DATAFLOW: Final = Peer("nn-dataflow", "2.1", ("six==1.17.0", "sympy==1.5.1"), "alexnet_on_nn_dataflow.py", legal=False)
"""Does not declare six, and fails with any sympy that refuses None as a value."""
ZIGZAG: Final = Peer("zigzag-dse", "3.9.1", ("six==1.17.0",), "alexnet_on_zigzag.py", legal=True)
"""Does not declare six."""
TORCHINFO: Final = Peer("torchinfo", "1.8.0", ("fvcore==0.1.5.post20221221", "torch==2.13.0"), "squeezenet_in_torch.py")
"""Stands for fvcore as well, which needs the same torch."""
FVCORE: Final = TORCHINFO.pinned[0].replace("==", " ")
