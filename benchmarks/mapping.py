"""Speed of the exact search through all memories, beside two mappers that search fewer mappings, or fewer well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest import mock

import costmodel as cm
from benchmarks import layers, peers, schedule, work
from benchmarks.result import MB, Result, shown, times
from costmodel.hardware.loading import profile_names
from costmodel.joint import solving

PROFILE: Final = "eyeriss-168"
OBJECTIVE: Final = "energy"
ROUNDS: Final = 5
PROFILE_ROUNDS: Final = 3
GROWTH_ROUNDS: Final = 5
NETWORKS: Final = (("alexnet", "AlexNet", 0.1), ("squeezenet", "SqueezeNet v1.0", 0.2), ("resnet:depth=50", "ResNet-50", 0.5))
"""Specification, name, and seconds that mapping it may take."""
LIMIT_S: Final = 60.0
"""What a search is given; what is not proved by then does not meet its goal."""
MATMUL: Final = 4096
MOST_MATMUL_S: Final = 0.05
DISTINCT: Final = 64
PIECES: Final = (8, 16, 32)
"""Numbers of distinct layers mapped at once, and the rest after them."""
MOST_GROWTH: Final = 1.1
"""Time of all of them at once beside that of the same in pieces; a tenth is left to the clock."""
ON_PROFILES: Final = ("energy", "dram_bytes")
LONG_S: Final = 10.0
"""Where one round takes longer, it is the only one."""
MOST_MEMORY: Final = 500 * MB
FASTER: Final = {"nn-dataflow": 10.0, "zigzag-dse": 500.0}
MEASURED: Final = """\
import json, re, resource
from pathlib import Path
from benchmarks import mapping
mapping.mapped("resnet:depth=50")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on Linux at least that of the process that started this one
status = Path("/proc/self/status")
peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) if status.exists() else peak
print(json.dumps({"peak_bytes": peak}))
"""


class Mapped:
    """One network, every layer mapped, the answers to earlier searches forgotten."""

    def __init__(self, net: str | cm.Graph, hardware: str = PROFILE, objective: str = OBJECTIVE) -> None:
        solving.ANSWERS.clear()
        self.analysis = cm.analyze(net, hardware, objective=objective, time_limit_s=LIMIT_S)
        self.nests = {layer.name: layer.mapping for layer in self.analysis.layers if layer.mapping is not None}

    @property
    def proved(self) -> bool:
        """Whether every mapping is the best."""
        return all(nest.optimal for nest in self.nests.values())

    @property
    def compulsory_words(self) -> dict[str, float]:
        """Words that are moved at least, by layer."""
        bits = self.analysis.precision.ifmap_bits
        return {layer.name: layer.compulsory_bytes * 8 / bits for layer in self.analysis.layers}

    @property
    def energies(self) -> dict[str, float]:
        """Energy by layer [pJ, which is the energy of a MAC here]."""
        return {name: nest.value for name, nest in self.nests.items()}


def mapped(net: str | cm.Graph, hardware: str = PROFILE, objective: str = OBJECTIVE) -> Mapped:
    """Map a network."""
    return Mapped(net, hardware, objective)


def settled(net: str | cm.Graph, hardware: str = PROFILE, objective: str = OBJECTIVE) -> Mapped:
    """A network mapped when code is compiled and tables are filled, which an earlier time may take longest for."""
    mapped(net, hardware, objective)
    return mapped(net, hardware, objective)


def one_at_a_time(net: cm.Graph) -> Mapped:
    """Map a network, one layer at a time on one processor, whatever the machine has."""
    with mock.patch.object(solving, "processors", return_value=1):
        return mapped(net)


def measured(net: cm.Graph, beside: Callable[[], Any]) -> tuple[Mapped, float, float, float]:
    """A network mapped, its time, that of one layer at a time, and that of a reference.

    Medians of some rounds, or one round where that takes long.
    """
    found = settled(net)
    tasks = (partial(mapped, net), partial(one_at_a_time, net), beside)
    spent, alone, reference = (work.seconds(task) for task in tasks)
    if spent <= LONG_S:
        spent, alone, reference = work.medians(tasks, ROUNDS)
    return found, spent, alone, reference


def proof(found: Mapped) -> str:
    """What is to be said of a network that is not mapped to the end."""
    left = sum(not nest.optimal for nest in found.nests.values())
    return f", {left} of {len(found.nests)} layers not proved within {LIMIT_S:g} s" if left else ""


def networks() -> Iterator[Result]:
    """Whole networks, all memories at once, every layer proved; beside plain Python."""
    for net, name, goal in NETWORKS:
        found, spent, alone, yard = measured(cm.load_network(net), work.yardstick)
        python = f"{shown(yard)} for a loop of {work.YARDSTICK:,} additions"
        what = f"{name} mapped through all memories of {PROFILE} for {OBJECTIVE}{proof(found)}"
        yield Result(what, shown(spent), python, times(spent / yard), shown(goal), found.proved and spent < goal)
        what = "the same, one layer at a time"
        yield Result(what, shown(alone), python, times(alone / yard), shown(goal), found.proved and alone < goal)
    found, spent, _, yard = measured(layers.matmul(MATMUL), work.yardstick)
    python = f"{shown(yard)} for a loop of {work.YARDSTICK:,} additions"
    what = f"a product of matrices, {MATMUL} x {MATMUL} x {MATMUL}, on three levels{proof(found)}"
    goal = shown(MOST_MATMUL_S), found.proved and spent < MOST_MATMUL_S
    yield Result(what, shown(spent), python, times(spent / yard), *goal)


def profiles() -> Iterator[Result]:
    """SqueezeNet on every shipped profile, for energy and for off-chip bytes."""
    net = cm.load_network("squeezenet")
    for name in profile_names():
        tasks = [partial(mapped, net, name, objective) for objective in ON_PROFILES]
        found = [settled(net, name, objective) for objective in ON_PROFILES]
        *spent, yard = work.medians((*tasks, work.yardstick), PROFILE_ROUNDS)
        both = ", ".join(f"{shown(time)} for {objective}" for time, objective in zip(spent, ON_PROFILES, strict=True))
        levels = len(found[0].analysis.hardware.levels)
        left = "".join(proof(one) for one in found)
        what = f"SqueezeNet v1.0 mapped through all {levels} memories of {name}{left}"
        python = f"{shown(yard)} for a loop of {work.YARDSTICK:,} additions"
        yield Result(what, both, python, ", ".join(times(time / yard) for time in spent))


def growth() -> Iterator[Result]:
    """Many distinct layers at once beside the very same ones a few at a time: no more time, so that it grows linearly."""
    tasks = [partial(in_pieces, DISTINCT, size) for size in (*PIECES, DISTINCT)]
    settled(layers.distinct(DISTINCT))
    *pieces, whole = work.fastest(tasks, GROWTH_ROUNDS)
    others = ", ".join(f"{shown(time)} for {size} at a time" for time, size in zip(pieces, PIECES, strict=True))
    ratio = whole / pieces[0]
    goal = f"at most linear: {MOST_GROWTH:g}x", ratio <= MOST_GROWTH
    yield Result(f"{DISTINCT} distinct layers mapped at once", shown(whole), others, times(ratio), *goal)


def in_pieces(count: int, size: int) -> None:
    """Map distinct layers so many at a time, each of them once."""
    for first in range(0, count, size):
        mapped(layers.distinct(size, first))


def memory() -> Iterator[Result]:
    """Peak memory of a process that maps ResNet-50."""
    mapped(layers.distinct(1))  # its code is compiled before, by another process
    root = str(Path(__file__).resolve().parents[1])
    done = subprocess.run([sys.executable, "-c", MEASURED], check=True, stdout=subprocess.PIPE, text=True, cwd=root)
    peak = json.loads(done.stdout)["peak_bytes"]
    goal = f"{MOST_MEMORY / MB:,.0f} MB", peak < MOST_MEMORY
    yield Result("peak memory of mapping ResNet-50", f"{peak / MB:,.0f} MB", "", "", *goal)


# ---- peers


def beside(
    peer: peers.Peer, what: str, graph: cm.Graph, theirs: Mapping[str, Any], parts: Mapping[str, int]
) -> Iterator[Result]:
    """Time and energy of the same layers; `parts` says how many times a layer of the graph is in theirs."""
    found = settled(graph)
    (spent,) = work.fastest((partial(mapped, graph),), ROUNDS)
    reference = f"{shown(theirs['seconds'])} for {peer.title}{what}"
    least = None if peer is peers.NN_DATAFLOW else FASTER[peer.name]
    yield faster(f"AlexNet, layers by themselves{proof(found)}", found, spent, theirs["seconds"], reference, least)
    impossible = [name for name, words in found.compulsory_words.items() if theirs["layers"][name]["dram_words"] < words]
    ours = {name: energy * parts.get(name, 1) for name, energy in found.energies.items() if name not in impossible}
    other = {name: theirs["layers"][name]["energy"] for name in ours}
    worse = [name for name in ours if ours[name] > other[name] * (1 + 1e-9)]
    total, reached = sum(ours.values()), sum(other.values())
    yield Result(
        "its energy, in MACs"
        + (f", without {', '.join(impossible)}, of which {peer.name} moves less than every word once" if impossible else "")
        + (f"; more in {', '.join(worse)}" if worse else ""),
        f"{total / 1e6:,.1f} M",
        f"{reached / 1e6:,.1f} M",
        f"{total / reached:.4f}x",
        *(("no layer takes more", not worse) if peer.legal else ()),
    )


def faster(what: str, found: Mapped, spent: float, theirs: float, reference: str, least: float | None) -> Result:
    """Our time beside theirs, and how many times faster it is to be."""
    ratio = theirs / spent
    shown_ratio = f"1/{float(f'{ratio:.3g}'):,g}" if ratio >= 1 else times(1 / ratio)
    goal = () if least is None else (f"{least:g}x faster", found.proved and ratio >= least)
    return Result(what, shown(spent), reference, shown_ratio, *goal)


def nn_dataflow() -> Iterator[Result]:
    """Beside nn_dataflow: half of every convolution, padding part of the input, as it has them."""
    twice = dict.fromkeys(layers.HALVED, 2)
    graph = layers.alexnet_in_halves()
    for what, arguments in ((", closed form", ()), (", exhaustive", ("exhaustive",))):
        theirs = peers.NN_DATAFLOW.run(*arguments)
        yield whole(what, theirs["network_seconds"])
        yield from beside(peers.NN_DATAFLOW, what, graph, theirs, twice)
        yield schedules(what, graph, theirs["layers"])


def whole(what: str, theirs: float) -> Result:
    """Time of the whole network as it comes, poolings included."""
    net = cm.load_network("alexnet")
    found = settled(net)
    (spent,) = work.fastest((partial(mapped, net),), ROUNDS)
    reference = f"{shown(theirs)} for {peers.NN_DATAFLOW.title}{what}"
    return faster(f"AlexNet, poolings included{proof(found)}", found, spent, theirs, reference, FASTER["nn-dataflow"])


def schedules(what: str, graph: cm.Graph, theirs: Mapping[str, Any]) -> Result:
    """Its schedules of convolutions with every word counted that they move, beside what it says of them."""
    again = schedule.energies(graph, {name: theirs[name] for name in layers.HALVED})
    ours = mapped(graph).energies
    worse = [name for name in again if ours[name] > again[name] * (1 + 1e-9)]
    total, said = 2 * sum(again.values()), sum(theirs[name]["energy"] for name in again)
    mine = 2 * sum(ours[name] for name in again)
    more = f"; more in {', '.join(worse)}" if worse else ""
    return Result(
        f"energy of the convolutions, beside its schedules priced here{what}{more}",
        f"{mine / 1e6:,.1f} M",
        f"{total / 1e6:,.1f} M, of which it counts {said / 1e6:,.1f} M",
        f"{mine / total:.4f}x",
        "no layer takes more",
        not worse,
    )


def zigzag() -> Iterator[Result]:
    """Beside ZigZag, whose temporal mappings are searched by LOMA at its default effort."""
    yield from beside(peers.ZIGZAG, ", LOMA", layers.alexnet(), peers.ZIGZAG.run(), {})
