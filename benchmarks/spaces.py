"""Slices of a design space, by one process and by two: counts, bounds, exact mapping, and memory over ten million points."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

import costmodel as cm
from benchmarks import work
from benchmarks.peaks import own_peak_bytes
from benchmarks.result import MB, Result, per_second, times
from costmodel.explore.evaluate import evaluate
from costmodel.explore.space import DesignSpace

HERE: Final = Path(__file__).resolve()
BOUNDED: Final = ("params", "macs", "compulsory_bytes", "energy_bound_j")
EXACT: Final = ("dram_bytes",)
SLICE_POINTS: Final = 4096
BOUNDED_SLICE_POINTS: Final = 20480
PROCESSES: Final = 2
SAMPLE: Final = 20
LARGEST: Final = 10_000_000
MOST_BYTES: Final = 1500 * MB
GOALS: Final = ((BOUNDED, 1_000_000, 1_000_000), (EXACT, 100_000, 20_000))
"""Metrics, designs of the space, and designs a second that two processes should reach."""


def squeezenets(designs: int, hardware: str) -> DesignSpace:
    """About as many SqueezeNets as a space: squeeze ratio, share of 3x3 filters, filters of the first module."""
    axes = {f"net.{name}": values for name, values in work.axes(designs).items()}
    return DesignSpace(name="squeezenets", network="squeezenet", hardware=hardware, axes=axes, schedule="layer")


def walked(space: DesignSpace, metrics: Sequence[str], turn: int, turns: int) -> int:
    """Evaluate every ``turns``-th slice of a space; rows are dropped as they come. How many there were."""
    step = BOUNDED_SLICE_POINTS if tuple(metrics) == BOUNDED else SLICE_POINTS
    starts = range(turn * step, space.size, turns * step)
    return sum(evaluate(space, start, min(start + step, space.size), metrics)["point"].size for start in starts)


def worker(hardware: str, designs: int, metrics: Sequence[str], turn: int, turns: int) -> None:
    """Walk one's share of a space and print what it took; waits for a line first, so that processes start together."""
    space = squeezenets(designs, hardware)
    evaluate(space, 0, 8, metrics)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    found: list[int] = []
    spent = work.seconds(lambda: found.append(walked(space, metrics, turn, turns)))
    sys.stdout.write(json.dumps({"rows": found[0], "seconds": spent, "peak_bytes": own_peak_bytes()}))


def shared(hardware: str, designs: int, metrics: Sequence[str], processes: int) -> tuple[int, float, int]:
    """Walk a space by several processes at once: rows, seconds of the slowest, and the largest peak of one [B]."""
    words = [sys.executable, "-m", "benchmarks.spaces", hardware, str(designs), ",".join(metrics)]
    started = [
        subprocess.Popen(
            [*words, str(turn), str(processes)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]
        )
        for turn in range(processes)
    ]
    for process in started:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise AssertionError("a process did not start")
    for process in started:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    done = [json.loads(process.communicate()[0]) for process in started]
    rows = sum(each["rows"] for each in done)
    return rows, max(each["seconds"] for each in done), max(each["peak_bytes"] for each in done)


def looped(hardware: str, designs: int) -> float:
    """Seconds that each design takes in a loop over analyze: that of a user, on a sample of the same space."""
    space, profile = squeezenets(designs, hardware), cm.load_hardware(hardware)
    points = [space.at(int(point)) for point in np.linspace(0, space.size - 1, SAMPLE)]
    nets = [{name.removeprefix("net."): value for name, value in point.items()} for point in points]

    def loop() -> None:
        """Build and analyse each."""
        for arguments in nets:
            _ = cm.analyze(cm.load_network("squeezenet", **arguments), profile).totals

    return work.seconds(loop) / SAMPLE


def rates() -> Iterator[Result]:
    """Designs a second by two processes, beside one process and beside a loop over analyze."""
    for metrics, designs, goal in GOALS:
        for hardware in ("eyeriss-168", "snapdragon"):
            rows, alone, _ = shared(hardware, designs, metrics, 1)
            _, spent, _ = shared(hardware, designs, metrics, PROCESSES)
            loop = looped(hardware, designs)
            what = f"space of {rows:,} SqueezeNets on {hardware}, {PROCESSES} processes: {', '.join(metrics)}"
            beside = f"{per_second(rows, alone)} in one, {per_second(1, loop)} in a loop over analyze"
            ratio = f"{times(alone / spent)}, {times(loop * rows / spent)}"
            yield Result(what, per_second(rows, spent), beside, ratio, f"{goal:,} designs/s", rows / spent >= goal)


def memory() -> Iterator[Result]:
    """Peak memory of a process that walks ten million points, beside one that walks a hundredth of them."""
    _, _, small = shared("eyeriss-168", LARGEST // 100, BOUNDED, 1)
    rows, _, peak = shared("eyeriss-168", LARGEST, BOUNDED, 1)
    what, limit = f"peak memory over {rows:,} points, one process", f"{MOST_BYTES / MB:,.0f} MB"
    reference = f"{small / MB:,.0f} MB over a hundredth of them"
    yield Result(what, f"{peak / MB:,.0f} MB", reference, times(peak / small), limit, peak < MOST_BYTES)


def spaces() -> Iterator[Result]:
    """Both."""
    yield from rates()
    yield from memory()


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(","), int(sys.argv[4]), int(sys.argv[5]))
