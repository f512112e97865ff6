"""Design spaces whose layers are mapped through all memories at once: designs and distinct layers a second, by one and two.

``python benchmarks/nested.py POINTS WORKERS DIRECTORY`` is one run, which prints what it took.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402 - after the path

import costmodel as cm  # noqa: E402 - after the path
from benchmarks import work  # noqa: E402 - after the path
from benchmarks.peaks import peak_bytes  # noqa: E402 - after the path
from benchmarks.result import MB, Result, per_second, shown, times  # noqa: E402 - after the path
from costmodel.explore.evaluate import evaluate, layers_of  # noqa: E402 - after the path
from costmodel.explore.nests import Layers, Nests, Told  # noqa: E402 - after the path
from costmodel.explore.solving import Book  # noqa: E402 - after the path
from costmodel.joint import answers, solving  # noqa: E402 - after the path

HARDWARE: Final = "eyeriss-168"
OBJECTIVE: Final = "energy"
METRICS: Final = ("dram_bytes", "energy_j", "latency_s")
CHUNK: Final = 2048
"""Points that are listed and priced together, as in a run."""
WORKERS: Final = 2
LEAST: Final = 2000
"""Designs a second that two workers should reach, on ten times as many designs as other parts take."""
LEAST_PRICED: Final = 20_000
LEAST_SCALING: Final = 1.8
MOST_MEMORY: Final = 1500 * MB
SAMPLE: Final = 5
SHORT: Final = 10_000
"""Designs that one worker and two are compared on."""


def space(designs: int) -> cm.DesignSpace:
    """SqueezeNet's metaparameters in steps of 32 filters, sixteenths and eighths; 983,040 points or fewer.

    Both versions, four numbers of classes, and as many values of ``base_e`` and ``incr_e`` as it takes.
    """
    wide = designs >= 100_000
    each = 8 * 15 * 8 * (8 if wide else 1)
    bases = max(1, min(16, round(designs / each / 8)))
    steps = max(1, min(8, round(designs / each / bases)))
    axes: dict[str, Any] = {
        "net.version": ["1.0", "1.1"] if wide else ["1.0"],
        "net.base_e": [32 * (index + 1) for index in range(bases)],
        "net.incr_e": [32 * index for index in range(steps)],
        "net.freq": list(range(1, 9)),
        "net.pct_3x3": [index / 16 for index in range(1, 16)],
        "net.squeeze_ratio": [index / 8 for index in range(1, 9)],
        "net.num_classes": [10, 100, 200, 1000] if wide else [1000],
    }
    return cm.DesignSpace(name="squeezenets", network="squeezenet", hardware=HARDWARE, axes=axes, objective=OBJECTIVE)


# ---- whole runs


@dataclass(frozen=True)
class Run:
    """What a run in a process of its own took: wall time, time of its processors together, memory of it and its workers."""

    rows: int
    seconds: float
    busy_s: float
    peak_bytes: int


def ran(designs: int, workers: int) -> Run:
    """A run in a process of its own, into a directory that is thrown away."""
    with tempfile.TemporaryDirectory() as directory:
        words = [sys.executable, __file__, str(designs), str(workers), directory]
        return Run(**json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout))


def main(arguments: list[str]) -> None:
    """Do one run and print what it took."""
    designs, workers, directory = arguments
    found = space(int(designs))
    report = []
    seconds = work.seconds(lambda: report.append(cm.stream(found, f"{directory}/out.parquet", METRICS, workers=int(workers))))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = sum(one.ru_utime + one.ru_stime for one in used)
    peak = peak_bytes(int(workers))
    sys.stdout.write(json.dumps({"rows": report[0].rows, "seconds": seconds, "busy_s": spent, "peak_bytes": peak}))


# ---- results


def distinct(found: cm.DesignSpace) -> int:
    """Distinct layers of a space."""
    book = Book(found.resolved.most_levels)
    for start in range(0, found.size, CHUNK):
        book.numbered(layers_of(found, start, min(start + CHUNK, found.size), METRICS).keys)
    return int(book.numbers.size)


def looped(found: cm.DesignSpace) -> float:
    """Seconds that each design takes in a loop over analyze, nothing known before; on a sample of the same space."""
    profile = cm.load_hardware(HARDWARE)
    points = [found.at(int(point)) for point in np.linspace(0, found.size - 1, SAMPLE)]
    nets = [{name.removeprefix("net."): value for name, value in point.items()} for point in points]

    def loop() -> None:
        """Build and analyse each."""
        solving.ANSWERS.clear()
        for arguments in nets:
            _ = cm.analyze(cm.load_network("squeezenet", **arguments), profile, objective=OBJECTIVE).totals

    return work.seconds(loop) / SAMPLE


def rate(designs: int) -> Iterator[Result]:
    """Designs a second by two workers, from a standing start to the last file; distinct layers are mapped once."""
    found = space(designs)
    layers, loop, run = distinct(found), looped(found), ran(designs, WORKERS)
    what = f"{run.rows:,} SqueezeNets of {layers:,} distinct layers on {HARDWARE}, all memories at once, {WORKERS} workers"
    reference = f"{per_second(1, loop)} in a loop over analyze"
    speed = run.rows / run.seconds
    goal = f"{LEAST:,} designs/s", speed >= LEAST
    yield Result(what, per_second(run.rows, run.seconds), reference, times(loop * speed), *goal)
    each = shown(run.busy_s / layers)
    yield Result("its time of processors by distinct layer", each, f"{shown(run.busy_s)} in all", "")
    goal = f"{MOST_MEMORY / MB:,.0f} MB", run.peak_bytes < MOST_MEMORY
    yield Result("its memory, workers included", f"{run.peak_bytes / MB:,.0f} MB", "", "", *goal)


def parts(designs: int) -> Iterator[Result]:
    """What is spent on designs whose layers are known: listing them, and pricing them; by one process."""
    found = space(designs)
    slices = [(start, min(start + CHUNK, found.size)) for start in range(0, found.size, CHUNK)][:8]
    count = sum(stop - start for start, stop in slices)
    listed: list[Layers] = []
    layers_of(found, 0, 8, METRICS)
    listing = work.seconds(lambda: listed.extend(layers_of(found, *each, METRICS) for each in slices))
    told = [Told(one.keys, np.ones((one.count, answers.answer_columns(3))), Nests(3)) for one in listed]
    pricing = work.seconds(
        lambda: [evaluate(found, *each, METRICS, one) for each, one in zip(slices, told, strict=True)]
    )
    yield Result(f"layers of {count:,} of them listed, one process", per_second(count, listing), "", "")
    goal = f"{LEAST_PRICED:,} designs/s", count / pricing >= LEAST_PRICED
    yield Result("the same priced, their layers known", per_second(count, pricing), "", "", *goal)


def scaling(designs: int) -> Iterator[Result]:
    """The same run in one process and in two."""
    one, two = (ran(min(designs, SHORT), workers) for workers in (1, WORKERS))
    ratio = one.seconds / two.seconds
    what = f"{one.rows:,} SqueezeNets on {HARDWARE}, all memories at once, with {WORKERS} workers"
    reference = f"{per_second(one.rows, one.seconds)} in one process"
    goal = f"{LEAST_SCALING}x one process", ratio >= LEAST_SCALING
    yield Result(what, per_second(two.rows, two.seconds), reference, times(ratio), *goal)
    extra = f"{shown(two.busy_s)} of processors"
    yield Result("what two workers spend", extra, f"{shown(one.busy_s)} by one", times(two.busy_s / one.busy_s))


def nested(designs: int) -> Iterator[Result]:
    """All of them."""
    yield from rate(designs)
    yield from parts(designs)
    yield from scaling(designs)


if __name__ == "__main__":
    main(sys.argv[1:])
