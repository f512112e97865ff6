"""The most memory that processes held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")
UNIT: Final = 1 if sys.platform == "darwin" else 1024


def own_peak_bytes() -> int:
    """Most memory that this process held since its program was started.

    Linux counts towards ``ru_maxrss`` what the process held that started it, as both share one memory until the program is
    loaded; a benchmark that compiled much would be taken for a run that it starts afterwards.
    """
    if STATUS.exists():
        (line,) = (line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def peak_bytes(workers: int) -> int:
    """Most memory that this process held, and that its workers held if each held as much as the largest."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT
    return own_peak_bytes() + (workers * child if workers > 1 else 0)
