"""Measure the speed of the tool beside references, all in one run, and write ``benchmarks/RESULTS.md``.

``python benchmarks/run.py`` measures everything in about a quarter of an hour; ``--designs 2000 -o -`` takes a small
design space and only prints.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import costmodel as cm  # noqa: E402 - after the path
from benchmarks import counters, importing, mapping, nested, peers, running, scheduling, spaces, work  # noqa: E402 - after the path
from benchmarks.peaks import own_peak_bytes  # noqa: E402 - after the path
from benchmarks.result import HEADER, MB, Result, per_second, shown, times  # noqa: E402 - after the path

RESULTS: Final = HERE / "RESULTS.md"
DESIGNS: Final = 100_000
WARM_ROUNDS: Final = 15
COLD_ROUNDS: Final = 9
SWEEP_ROUNDS: Final = 3
SAMPLE: Final = 40
SWEPT_ON: Final = ("eyeriss-168", "snapdragon")
LAYER: Final = ("squeezenet", "fire9/squeeze1x1", "eyeriss-168")
LIBRARIES: Final = "numpy, pydantic, rich, ruamel.yaml"
MOST_MEMORY: Final = 1000 * MB
ANALYZE: Final = "analyze squeezenet --hw snapdragon"


# ---- warm


def warm() -> Iterator[Result]:
    """Both networks analysed in a warm process, beside plain Python and beside counting alone."""
    for name in SWEPT_ON:
        hardware = cm.load_hardware(name)
        analyse = partial(work.analysed, hardware)
        first = work.seconds(analyse)
        spent, counting, yard = work.medians((analyse, work.counted, work.yardstick), WARM_ROUNDS)
        what = f"AlexNet and SqueezeNet analysed on {name}, warm"
        count = f"{shown(counting)} to build and count both"
        yield Result(what, shown(spent), count, times(spent / counting), "25 ms", spent <= 0.025)
        python = f"{shown(yard)} for a loop of {work.YARDSTICK:,} additions"
        yield Result("the same, beside plain Python", shown(spent), python, times(spent / yard))
        yield Result(
            "the same, first time in a process", shown(first), f"{shown(spent)} warm", times(first / spent)
        )


# ---- sweeps


@dataclass(frozen=True)
class Sweep:
    """What a sweep in a process of its own took."""

    designs: int
    seconds: float
    peak_bytes: int


def worker(hardware: str, designs: int, metrics: Sequence[str]) -> None:
    """Sweep a few times and print what it took; runs in a process of its own, whose memory is the sweep's."""
    profile = cm.load_hardware(hardware)
    work.swept(profile, 8, metrics)
    found: list[int] = []
    spent = min(
        work.seconds(lambda: found.append(work.swept(profile, designs, metrics))) for _ in range(SWEEP_ROUNDS)
    )
    sys.stdout.write(json.dumps({"designs": found[0], "seconds": spent, "peak_bytes": own_peak_bytes()}))


def swept(hardware: str, designs: int, metrics: Sequence[str]) -> Sweep:
    """A sweep in a process of its own."""
    words = [
        sys.executable,
        __file__,
        "--worker",
        hardware,
        "--designs",
        str(designs),
        "--metrics",
        ",".join(metrics),
    ]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return Sweep(**json.loads(done.stdout))


def sweeps(designs: int) -> Iterator[Result]:
    """Counts, bounds and exact traffic of a design space, beside a loop over the same designs."""
    for name, metrics, goal in (
        (SWEPT_ON[0], work.COUNTS, 500_000),
        *((name, work.EXACT, 5_000) for name in SWEPT_ON),
    ):
        found = swept(name, designs, metrics)
        each = work.seconds(partial(work.looped, cm.load_hardware(name), designs, SAMPLE, metrics)) / SAMPLE
        rate = found.designs / found.seconds
        what = f"{found.designs:,} SqueezeNets on {name}: {', '.join(metrics)}"
        speed, loop = per_second(found.designs, found.seconds), per_second(1, each)
        goals = f"{goal:,} designs/s", rate >= goal
        yield Result(what, speed, f"{loop} in a Python loop over analyze", times(rate * each), *goals)
        memory = f"{found.peak_bytes / MB:,.0f} MB"
        yield Result(
            "its peak memory", memory, "", "", f"{MOST_MEMORY / MB:,.0f} MB", found.peak_bytes < MOST_MEMORY
        )


# ---- cold


def cold() -> Iterator[Result]:
    """Commands from a standing start, beside importing the libraries that they cannot do without."""
    command = work.costmodel_command()
    for arguments, imports in (("--help", "import click"), (ANALYZE, f"import {LIBRARIES}")):
        words = [*command, *arguments.split()]
        tasks = (partial(work.ran, words), partial(work.ran, [sys.executable, "-c", imports]))
        work.medians(tasks, 1)
        spent, least = work.medians(tasks, COLD_ROUNDS)
        reference = f'{shown(least)} for `python -c "{imports}"`'
        yield Result(
            f"`costmodel {arguments}`",
            shown(spent),
            reference,
            times(spent / least),
            "2x",
            spent <= 2 * least,
        )


# ---- search


def search() -> Iterator[Result]:
    """The exact search of one layer beside trying every tile in every order."""
    network, name, profile = LAYER
    hardware = cm.load_hardware(profile)
    layer = work.layer_of(network, name, hardware)
    capacity = hardware.levels[1].capacity_bytes
    bits = int(capacity.value) * 8 if capacity else 0
    found: list[int] = []
    naive = work.seconds(lambda: found.append(work.enumerated(layer, bits)))
    spent = work.medians((lambda: found.append(work.searched(layer, bits)),), WARM_ROUNDS)[0]
    if len(set(found)) != 1:
        raise AssertionError(f"the search and the enumeration disagree: {sorted(set(found))} bits")
    reference = f"{shown(naive)} to try every tile in every order, same result"
    yield Result(f"exact search of {name} on {profile}", shown(spent), reference, f"1/{naive / spent:,.0f}")


# ---- memory


def orders() -> Iterator[Result]:
    """The order of least memory, proved, beside building the network and compiling its program."""
    for name, goal in (*((name, 0.1) for name in work.ORDERED), ("chain:1000", 0.5)):
        program = work.compiled(name)
        spent, building = work.medians((partial(work.ordered, program), partial(work.compiled, name)), WARM_ROUNDS)
        if not work.ordered(program):
            raise AssertionError(f"the order of {name} is not proved")
        reference = f"{shown(building)} to build it"
        what = f"order of least memory of {name}, {len(program.steps)} steps"
        yield Result(what, shown(spent), reference, times(spent / building), shown(goal), spent <= goal)


# ---- the page


def machine() -> str:
    """The machine and what runs on it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [f"{processor()}, {cores} cores", platform.system(), f"Python {platform.python_version()}"]
    if hasattr(os, "getloadavg"):
        parts.append(f"load average {os.getloadavg()[0]:.1f}")
    return ", ".join([*parts, *(f"{name} {installed(name)}" for name in ("numpy", "pandas", "nn-costmodel"))])


def processor() -> str:
    """Model of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def installed(name: str) -> str:
    """Version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return cm.__version__ if name == "nn-costmodel" else "not installed"


def page(command: str, on: str, results: Sequence[Result]) -> str:
    """The results as Markdown, the command on the first line."""
    rows = [HEADER, ("---",) * len(HEADER), *(result.cells() for result in results)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    return f"`$ {command}`\n\n# Speed\n\nOn {on}.\n\n{table}\n\n{METHOD}"


METHOD: Final = f"""\
Wall times. Everything in a line was measured in the same run, task and reference taking turns where both are short:
medians of {WARM_ROUNDS} rounds warm, of {COLD_ROUNDS} cold after one that fills the file cache. Ratios carry over to other
machines better than times do. A sweep runs in a process of its own, whose peak memory is in the line below it, with the
profile loaded and eight designs swept before the clock starts; the fastest of {SWEEP_ROUNDS} counts, since other programs
only add time. The loop builds and analyses {SAMPLE} designs spread over the same grid.
The first analysis in a process includes what later ones find in caches. VGG-19 with weights ({importing.VGG19_BYTES:,} bytes)
and the deep Swin are written by `benchmarks/files.py` before the clock starts; memory is the peak of a process of its own,
the pages of the file that it touched included. A run of a design space is a process of its own as well, timed from before
its workers start to after its last file; its memory is that of the process and its workers. Mapped through all memories,
designs are priced for {nested.OBJECTIVE}; distinct layers are counted before the clock starts. The loops beside counting build
{counters.SAMPLE - 1} of the networks in torch, on as many threads as it takes by itself, and let {peers.TORCHINFO.title} or
{peers.FVCORE} count each; parameters and MACs are compared with ours (torchinfo's MACs include an addition per bias).
onnx-tool {importing.ONNX_TOOL} runs in an environment of its own, which the benchmark makes.

Mapped networks are analysed for {mapping.OBJECTIVE}, or what is said, in a process that did so before: code is compiled and
tables of the positions that windows read are there. Answers of earlier searches are forgotten; within a network, equal
layers are searched once, on as many threads as there are processors or, where it is said, one at a time. Medians of
{mapping.ROUNDS} rounds, {mapping.PROFILE_ROUNDS} on all profiles; where one takes more than {mapping.LONG_S:g} s, it is the
only one. How time grows is seen on the same {mapping.DISTINCT} layers at once and
in pieces, since no two layers are equally hard: the fastest of {mapping.GROWTH_ROUNDS} rounds in turns. Memory is that of a
process that finds the code compiled.

{peers.NN_DATAFLOW.title} with {" and ".join(peers.NN_DATAFLOW.pinned)} and {peers.ZIGZAG.title} with
{" and ".join(peers.ZIGZAG.pinned)} run in a process and an environment of their own, imports not timed. ZigZag searches
every layer once. nn-dataflow's time is that of the whole network as it comes with its poolings, searched once, and the
fastest of three searches of its distinct layers with weights, each by itself, for which no goal is set: its closed form looks
at a handful of blockings of each. Beside it and ZigZag, the fastest of {mapping.ROUNDS} of ours. Energies
are compared like with like, on the same layers without biases: 1 for a MAC, 1 for a word in an element, 6 in the buffer,
200 off chip. nn-dataflow computes the convolutions of AlexNet in halves, each of which reads its inputs, padding among
them; so do we beside it. It counts no writes into elements, so that its transfers through the array are priced as those.
Its elements have one memory of 260 words instead of three of 12, 224 and 24, and everything may pass by its buffer. It
takes one partial sum and one window of inputs for all that an element keeps, so that rows of partial sums stay where there
is no room for them: what it counts is no mapping that this machine could run, and no goal is set against it.
`benchmarks/schedule.py` prices its schedules with every word that they move. ZigZag is made to charge every MAC for its
operands; by default it reads for free what stays at the output of a register file.
"""


def parts(designs: int) -> dict[str, Callable[[], Iterator[Result]]]:
    """What is measured, by name, in order."""
    return {
        "warm": warm, "cold": cold, "sweeps": partial(sweeps, designs), "search": search, "orders": orders,
        "schedules": scheduling.schedules, "chains": scheduling.chains, "capacities": scheduling.capacities,
        "spaces": spaces.spaces, "nested": partial(nested.nested, 10 * designs),
        "counters": partial(counters.counters, designs), "scaling": running.scaling, "overheads": running.overheads,
        "run-memory": running.memory, "files": importing.files_cold, "deep": importing.deep_file,
        "large": importing.large_file,
        "mapping": mapping.networks, "profiles": mapping.profiles, "growth": mapping.growth, "memory": mapping.memory,
        "nn-dataflow": mapping.nn_dataflow, "zigzag": mapping.zigzag,
    }  # fmt: skip


def measured(designs: int, only: Sequence[str] = ()) -> Iterator[Result]:
    """All results, or those of some parts, each as soon as it is there."""
    for name, part in parts(designs).items():
        if not only or name in only:
            yield from part()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; the exit code is 0 whether goals are met or not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--designs", type=int, default=DESIGNS, help="size of the design space")
    parser.add_argument("-o", "--output", default=str(RESULTS), help="file to write, - for none")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--metrics", default="", help=argparse.SUPPRESS)
    parser.add_argument(
        "--only", action="append", default=[], choices=list(parts(DESIGNS)), metavar="PART",
        help=f"only this part, printed and not written; repeatable: {', '.join(parts(DESIGNS))}",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if options.worker:
        worker(options.worker, options.designs, options.metrics.split(","))
        return 0
    on = machine()
    results = []
    for result in measured(options.designs, options.only):
        sys.stderr.write(" | ".join(filter(None, result.cells())) + "\n")
        results.append(result)
    extra = "" if options.designs == DESIGNS else f" --designs {options.designs}"
    extra += "".join(f" --only {name}" for name in options.only)
    text = page(f"python benchmarks/run.py{extra}", on, results)
    if options.output == "-" or (options.only and options.output == str(RESULTS)):
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
