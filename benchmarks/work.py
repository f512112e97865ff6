"""What the benchmarks time: the tool's own work, and the references beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import permutations, product
from pathlib import Path
from shutil import which
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np

import costmodel as cm
from costmodel.activations import sized
from costmodel.boundary import layer_at, operand_widths
from costmodel.mapping import Layer, Problems, buffer_bits, solve, traffic
from costmodel.precision import precision, stored
from costmodel.schedule.order import least_memory_order
from costmodel.schedule.program import Program

NETWORKS: Final = ("alexnet", "squeezenet")
COUNTS: Final = ("params", "macs", "compulsory_bytes")
EXACT: Final = ("dram_bytes",)
YARDSTICK: Final = 1_000_000


def yardstick() -> int:
    """Add a million integers in plain Python: how fast the machine is today."""
    total = 0
    for number in range(YARDSTICK):
        total += number
    return total


def counted() -> int:
    """Build both networks and count their MACs: all that a counter does."""
    return sum(int(cm.load_network(name).table().macs.sum()) for name in NETWORKS)


def analysed(hardware: cm.HardwareProfile) -> int:
    """Analyse both networks, every layer tiled exactly; energy and latency included."""
    found = [cm.analyze(name, hardware).totals for name in NETWORKS]
    return sum(total.dram_bytes for total in found)


# ---- memory

ORDERED: Final = ("squeezenet:bypass=complex", "mobilenet_v2", "resnet:depth=50", "googlenet", "inception_v4")


def compiled(name: str) -> Program:
    """Build a network and compile its steps and buffers at 8 bits; ``chain:N`` is N convolutions."""
    graph = chain(int(name.removeprefix("chain:"))) if name.startswith("chain:") else cm.load_network(name)
    return sized(graph, stored("int8"), 1).program()


def chain(layers: int) -> cm.Graph:
    """Convolutions one after another."""
    graph = cm.Graph("chain")
    x = graph.input("x", (1, 4, 8, 8))
    for index in range(layers):
        x = graph.conv(f"conv{index}", x, 4 + index % 3, kernel=3, padding=1)
    graph.output(x)
    return graph


def ordered(program: Program) -> bool:
    """Find the order of least memory; whether it is proved."""
    return least_memory_order(program).proved


# ---- design spaces


def axes(designs: int) -> dict[str, list[Any]]:
    """A grid of about `designs` SqueezeNets: squeeze ratio, share of 3x3 filters, filters of the first module.

    100,000 designs are 50 x 40 x 50.
    """
    ratios = max(2, round((1.25 * designs) ** (1 / 3)))
    shares = max(2, round(0.8 * ratios))
    bases = max(1, round(designs / ratios / shares))
    return {
        "squeeze_ratio": np.linspace(0.1, 1.0, ratios).tolist(),
        "pct_3x3": np.linspace(0.05, 0.95, shares).tolist(),
        "base_e": list(range(32, 32 + 4 * bases, 4)),
    }


def swept(hardware: cm.HardwareProfile, designs: int, metrics: Sequence[str]) -> int:
    """Price a grid of designs at once; how many there were."""
    return len(cm.sweep("squeezenet", axes(designs), hardware, metrics=metrics))


def looped(
    hardware: cm.HardwareProfile, designs: int, sample: int, metrics: Sequence[str]
) -> list[list[int]]:
    """Price `sample` designs spread over the same grid one by one: the loop a user would write."""
    points = list(product(*axes(designs).values()))
    chosen = points[:: max(1, len(points) // sample)][:sample]
    found = []
    for squeeze_ratio, pct_3x3, base_e in chosen:
        net = cm.load_network("squeezenet", squeeze_ratio=squeeze_ratio, pct_3x3=pct_3x3, base_e=base_e)
        totals = cm.analyze(net, hardware).totals
        found.append([getattr(totals, name) for name in metrics])
    return found


# ---- one layer


def layer_of(network: str, name: str, hardware: cm.HardwareProfile) -> Layer:
    """One layer of a network at the profile's own precision."""
    table = cm.load_network(network).table()
    return layer_at(table, operand_widths(table, [precision(hardware)] * len(table)), table.names.index(name))


def searched(layer: Layer, capacity_bits: int) -> int:
    """Fewest bits by the exact search."""
    found = solve(Problems.of_layer(layer), capacity_bits)
    return int((found.weight_bits + found.ifmap_bits + found.ofmap_bits)[0])


def smallest_tiles(extent: int) -> list[int]:
    """The smallest tile of every trip count; the others of that count only take more memory."""
    return sorted({-(-extent // trips) for trips in range(1, extent + 1)})


def enumerated(layer: Layer, capacity_bits: int) -> int:
    """Fewest bits by trying every tile that matters in every order; for 1x1 filters of stride 1, where no tiles overlap."""
    if (layer.r, layer.s, layer.stride_h, layer.stride_w) != (1, 1, 1, 1):
        raise ValueError("tiles of this layer overlap; choose a 1x1 convolution")
    best = sys.maxsize
    for sizes in product(*(smallest_tiles(getattr(layer, dim)) for dim in "ngkcpqrs")):
        tile = dict(zip("ngkcpqrs", sizes, strict=True))
        if buffer_bits(layer, tile) <= capacity_bits:
            loops = [dim for dim in tile if tile[dim] < getattr(layer, dim)]
            best = min([best, *(traffic(layer, tile, order).bits for order in permutations(loops))])
    return best


# ---- commands


def costmodel_command() -> list[str]:
    """How to start the command line: the installed script beside this Python, else the module."""
    script = which("costmodel", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "costmodel"]


def ran(command: Sequence[str]) -> None:
    """Run a command to its end, its output thrown away; bytecode is cached, as it is for installed libraries."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


# ---- clocks


def seconds(task: Callable[[], Any]) -> float:
    """Wall time of one run [s]."""
    start = perf_counter()
    task()
    return perf_counter() - start


def medians(tasks: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Median wall time of each task [s]; the tasks take turns, so that a busy machine slows all of them."""
    times = [[seconds(task) for task in tasks] for _ in range(rounds)]
    return [median(column) for column in zip(*times, strict=True)]


def fastest(tasks: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """Least wall time of each task [s]; the tasks take turns, and other programs only add time."""
    times = [[seconds(task) for task in tasks] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]
