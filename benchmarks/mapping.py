"""Speed of the exact search through all memories, beside two mappers that search fewer mappings, or fewer well."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import costmodel as cm
from benchmarks import layers, peers, schedule, work
from benchmarks.result import MB, Result, shown, times
from costmodel.joint import solving

PROFILE: Final = "eyeriss-168"
OBJECTIVE: Final = "energy"
ROUNDS: Final = 5
NETWORKS: Final = (("alexnet", "AlexNet", 0.1), ("squeezenet", "SqueezeNet v1.0", 0.2), ("resnet:depth=50", "ResNet-50", 0.5))
"""Specification, name, and seconds that mapping it may take."""
LIMIT_S: Final = 60.0
"""What a search is given; what is not proved by then does not meet its goal."""
MATMUL: Final = 4096
MOST_MATMUL_S: Final = 0.05
COUNTS: Final = (8, 16, 32)
"""Numbers of distinct layers."""
MOST_MEMORY: Final = 500 * MB
FASTER: Final = {"nn-dataflow": 10.0, "zigzag-dse": 500.0}
MEASURED: Final = """\
import json, re, resource
from pathlib import Path
from benchmarks import mapping
proved = mapping.mapped("resnet:depth=50").proved
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on Linux at least that of the process that started this one
status = Path("/proc/self/status")
peak = 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]) if status.exists() else peak
print(json.dumps({"peak_bytes": peak, "proved": proved}))
"""


class Mapped:
    """One network, every layer mapped, nothing of it known before."""

    def __init__(self, net: str | cm.Graph) -> None:
        solving.ANSWERS.clear()
        self.analysis = cm.analyze(net, PROFILE, objective=OBJECTIVE, time_limit_s=LIMIT_S)
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


def mapped(net: str | cm.Graph) -> Mapped:
    """Map a network."""
    return Mapped(net)


def measured(net: str | cm.Graph, beside: Callable[[], Any]) -> tuple[Mapped, float, float]:
    """A network mapped, its time, and that of a reference; medians of some rounds, or one round where that takes long."""
    found: list[Mapped] = []
    task = lambda: found.append(mapped(net))  # noqa: E731 - timed
    first = work.seconds(task)
    if first > 10:
        return found[-1], first, work.seconds(beside)
    spent, reference = work.medians((task, beside), ROUNDS)
    return found[-1], spent, reference


def proof(found: Mapped) -> str:
    """What is to be said of a network that is not mapped to the end."""
    left = sum(not nest.optimal for nest in found.nests.values())
    return f", {left} of {len(found.nests)} layers not proved within {LIMIT_S:g} s" if left else ""


def networks() -> Iterator[Result]:
    """Whole networks, all memories at once, every layer proved; beside plain Python."""
    mapped(layers.distinct(1))  # compiled
    for net, name, goal in NETWORKS:
        found, spent, yard = measured(cm.load_network(net), work.yardstick)
        python = f"{shown(yard)} for a loop of {work.YARDSTICK:,} additions"
        what = f"{name} mapped through all memories of {PROFILE} for {OBJECTIVE}{proof(found)}"
        yield Result(what, shown(spent), python, times(spent / yard), shown(goal), found.proved and spent < goal)
    found, spent, yard = measured(layers.matmul(MATMUL), work.yardstick)
    python = f"{shown(yard)} for a loop of {work.YARDSTICK:,} additions"
    what = f"a product of matrices, {MATMUL} x {MATMUL} x {MATMUL}, on three levels{proof(found)}"
    goal = shown(MOST_MATMUL_S), found.proved and spent < MOST_MATMUL_S
    yield Result(what, shown(spent), python, times(spent / yard), *goal)


def growth() -> Iterator[Result]:
    """Ever more distinct layers: at most as many times the time."""
    graphs = [layers.distinct(count) for count in COUNTS]
    spent = work.medians([partial(mapped, graph) for graph in graphs], 3)
    most = COUNTS[-1] / COUNTS[0]
    others = ", ".join(f"{shown(time)} for {count}" for time, count in zip(spent[:-1], COUNTS[:-1], strict=True))
    ratio = spent[-1] / spent[0]
    what = f"{COUNTS[-1]} distinct layers mapped"
    yield Result(what, shown(spent[-1]), others, times(ratio), f"{most:g}x", ratio <= 1.1 * most)


def memory() -> Iterator[Result]:
    """Peak memory of a process that maps ResNet-50."""
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
    found, spent, _ = measured(graph, work.yardstick)
    ratio = theirs["seconds"] / spent
    least = FASTER[peer.name]
    reference = f"{shown(theirs['seconds'])} for {peer.title}{what}"
    goal = f"{least:g}x faster", found.proved and ratio >= least
    yield Result(f"AlexNet, layers by themselves{proof(found)}", shown(spent), reference, f"1/{ratio:,.3g}", *goal)
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


def nn_dataflow() -> Iterator[Result]:
    """Beside nn_dataflow: half of every convolution, padding part of the input, as it has them."""
    twice = dict.fromkeys(layers.HALVED, 2)
    graph = layers.alexnet_in_halves()
    for what, arguments in ((", closed form", ()), (", exhaustive", ("exhaustive",))):
        theirs = peers.NN_DATAFLOW.run(*arguments)
        yield from beside(peers.NN_DATAFLOW, what, graph, theirs, twice)
        yield schedules(what, graph, theirs["layers"])


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
