"""Runs of design spaces: one process and two, what executors cost per chunk, and memory for ten million points.

``python benchmarks/running.py POINTS WORKERS METRIC,... DIRECTORY`` is one run, which prints what it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import costmodel as cm  # noqa: E402 - after the path
from benchmarks import work  # noqa: E402 - after the path
from benchmarks.peaks import peak_bytes  # noqa: E402 - after the path
from benchmarks.result import MB, Result, per_second, shown, times  # noqa: E402 - after the path
from costmodel.explore.chunks import chunks  # noqa: E402 - after the path
from costmodel.explore.dask_workers import dask  # noqa: E402 - after the path
from costmodel.explore.engine import Pool, Task, completed, pool_of  # noqa: E402 - after the path
from costmodel.explore.run import columns_of, payload_of  # noqa: E402 - after the path
from costmodel.explore.workers import processes  # noqa: E402 - after the path

HARDWARE: Final = "eyeriss-168"
BOUNDS: Final = ("params", "macs", "energy_bound_j")
EXACT: Final = ("dram_bytes",)
LONG: Final = 2_000_000
"""Points of exact mapping that are long enough for workers to pay."""
MANY: Final = 10_000_000
MOST_MEMORY: Final = 1500 * MB
LEAST_SCALING: Final = 1.8
EMPTY_CHUNKS: Final = 2000
CHUNK: Final = 4096
STEP: Final = 25 * 4 * 20
"""Points per value of the last axis."""


def space(points: int) -> cm.DesignSpace:
    """SqueezeNet's metaparameters, as many points as asked for or a few more."""
    axes = {
        "net.base_e": "64:256:8", "net.incr_e": [32, 64, 128, 256], "net.pct_3x3": {"low": 0.05, "high": 0.95, "count": 20},
        "net.squeeze_ratio": {"low": 0.1, "high": 1.0, "count": -(-points // STEP)},
    }  # fmt: skip
    return cm.DesignSpace(name="squeezenet", network="squeezenet", hardware=HARDWARE, axes=axes, schedule="layer")


@dataclass(frozen=True)
class Run:
    """What a run in a process of its own took; memory is that of the process and of its workers together."""

    rows: int
    seconds: float
    peak_bytes: int


def ran(points: int, workers: int, metrics: Sequence[str]) -> Run:
    """A run in a process of its own, into a directory that is thrown away."""
    with tempfile.TemporaryDirectory() as directory:
        words = [sys.executable, __file__, str(points), str(workers), ",".join(metrics), directory]
        return Run(**json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout))


def main(arguments: Sequence[str]) -> None:
    """One run; the clock starts before workers do."""
    points, workers, metrics, directory = arguments
    found = space(int(points))
    seconds = work.seconds(
        lambda: cm.stream(found, f"{directory}/out.parquet", metrics.split(","), workers=int(workers))
    )
    rows = json.loads(Path(f"{directory}/out.parquet/_run.json").read_text(encoding="utf-8"))["rows"]
    sys.stdout.write(json.dumps({"rows": rows, "seconds": seconds, "peak_bytes": peak_bytes(int(workers))}))


# ---- results


def scaling() -> Iterator[Result]:
    """The same run in one process and in two."""
    one, two = (ran(LONG, workers, EXACT) for workers in (1, 2))
    what = f"{one.rows:,} SqueezeNets on {HARDWARE} to Parquet with 2 workers: {', '.join(EXACT)}"
    reference = f"{per_second(one.rows, one.seconds)} in one process"
    ratio = one.seconds / two.seconds
    goal = f"{LEAST_SCALING}x one process", ratio >= LEAST_SCALING
    yield Result(what, per_second(two.rows, two.seconds), reference, times(ratio), *goal)


def empty(_payload: bytes, start: int, _stop: int) -> int:
    """A chunk without work."""
    return start


def overheads() -> Iterator[Result]:
    """What an executor costs per chunk, beside evaluating one."""
    found = space(MANY)
    payload = payload_of(found, BOUNDS)
    columns_of(payload, 0, CHUNK)
    chunk = work.medians((lambda: columns_of(payload, CHUNK, 2 * CHUNK),), 5)[0]
    pools = {"the calling thread": pool_of(None), "2 processes": processes(2), "2 workers of Dask": dask("local", 2)}
    for name, pool in pools.items():
        each = chunk_s(pool, payload)
        reference = f"{shown(chunk)} to evaluate {CHUNK:,} points: {', '.join(BOUNDS)}"
        yield Result(f"an empty chunk on {name}", shown(each), reference, times(each / chunk))


def chunk_s(pool: Pool, payload: bytes) -> float:
    """Time of an empty chunk when workers are there; two each are evaluated before the clock starts."""
    with pool.opened() as executor:
        there = Pool(lambda: nullcontext(executor), pool.in_flight)
        task = Task(empty, payload)
        list(completed(task, chunks(4, 1), there))
        return work.seconds(lambda: list(completed(task, chunks(EMPTY_CHUNKS, 1), there))) / EMPTY_CHUNKS


def memory() -> Iterator[Result]:
    """Ten million points, beside a tenth of them."""
    few, many = (ran(points, 1, BOUNDS) for points in (MANY // 10, MANY))
    what = f"memory of {many.rows:,} SqueezeNets to Parquet: {', '.join(BOUNDS)}"
    reference = f"{few.peak_bytes / MB:,.0f} MB for {few.rows:,}"
    goal = f"{MOST_MEMORY / MB:,.0f} MB", many.peak_bytes < MOST_MEMORY
    yield Result(what, f"{many.peak_bytes / MB:,.0f} MB", reference, times(many.peak_bytes / few.peak_bytes), *goal)
    speeds = per_second(many.rows, many.seconds), per_second(few.rows, few.seconds)
    ratio = many.rows / many.seconds / (few.rows / few.seconds)
    yield Result("its speed", speeds[0], f"{speeds[1]} for {few.rows:,}", times(ratio))


if __name__ == "__main__":
    main(sys.argv[1:])
