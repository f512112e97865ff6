"""Schedules across layers: shipped networks as profiles declare them, chains of growing length, a sweep of capacities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import costmodel as cm
from benchmarks import work
from benchmarks.result import Result, shown, times

SAMPLES: Final = Path(__file__).resolve().parents[1] / "tests" / "models" / "onnx"
NETWORKS: Final = {
    "squeezenet": 0.5,
    "mobilenet_v2": 0.5,
    "resnet": 0.5,
    str(SAMPLES / "light_densenet121.onnx"): 0.5,
    "googlenet": 2.0,
}
"""Networks and the most seconds that their schedule may take."""
PROFILES: Final = ("ethos-u65-512", "stm32n6", "edge-tpu")
"""Profiles that declare schedules: cascades with activations that stay, activations, activations and weights."""
CHAINS: Final = (250, 500, 1000)
MOST_CHAIN_S: Final = 2.0
CAPACITIES: Final = 100
MOST_CAPACITIES_S: Final = 5.0
ROUNDS: Final = 5


def scheduled(network: cm.Graph, hardware: cm.HardwareProfile) -> int:
    """Price a network as its profile declares."""
    return cm.analyze(network, hardware).schedule.dram_bytes


def alone(network: cm.Graph, hardware: cm.HardwareProfile) -> int:
    """Price a network layer by layer."""
    return cm.analyze(network, hardware, schedule="layer").totals.dram_bytes


def schedules() -> Iterator[Result]:
    """Networks on profiles that declare schedules, beside the same layer by layer."""
    for name in PROFILES:
        hardware = cm.load_hardware(name)
        for net, most in NETWORKS.items():
            graph = cm.load_network(net)
            tasks = (partial(scheduled, graph, hardware), partial(alone, graph, hardware))
            spent, layers = work.medians(tasks, ROUNDS)
            what = f"schedule of {Path(net).stem} on {name}, {cm.analyze(graph, hardware).kind}"
            goal = f"{most:g} s", spent <= most
            yield Result(what, shown(spent), f"{shown(layers)} layer by layer", times(spent / layers), *goal)


def chain(layers: int) -> cm.Graph:
    """A chain of convolutions of 1 x 1 and 3 x 3 filters with 32 to 128 channels on 56 x 56 pixels."""
    graph = cm.Graph(f"chain of {layers}")
    x = graph.input("image", (1, 64, 56, 56))
    for number in range(layers):
        kernel, channels = (1, 32) if number % 2 == 0 else (3, 128)
        x = graph.conv(f"conv{number}", x, channels if number % 3 else 64, kernel=kernel, padding=kernel // 2)
        x = graph.relu(f"relu{number}", x)
    return graph


def chains() -> Iterator[Result]:
    """Chains of growing length: how the time grows."""
    for name in PROFILES:
        hardware = cm.load_hardware(name)
        spent = [work.medians((partial(scheduled, chain(layers), hardware),), 3)[0] for layers in CHAINS]
        shortest = f"{shown(spent[0])} for {CHAINS[0]} layers, {shown(spent[1])} for {CHAINS[1]}"
        what = f"schedule of a chain of {CHAINS[-1]} layers on {name}"
        goal = f"{MOST_CHAIN_S:g} s", spent[-1] <= MOST_CHAIN_S
        yield Result(what, shown(spent[-1]), shortest, times(spent[-1] / spent[0]), *goal)


def capacities() -> Iterator[Result]:
    """SqueezeNet at many sizes of memory, beside as many single analyses."""
    hardware = cm.load_hardware("snapdragon")
    graph = cm.load_network("squeezenet")
    sizes = [(32 << 10) + (16 << 20) * number // CAPACITIES for number in range(CAPACITIES)]
    sweep = partial(cm.vary, [graph], hardware, {"hw.sram": sizes}, schedule="resident")

    def singly() -> None:
        for size in sizes[:: CAPACITIES // 10]:
            cm.analyze(graph, hardware.with_constant("vtcm.capacity", size), schedule="resident")

    spent, each = work.medians((sweep, singly), 3)
    what = f"{CAPACITIES} capacities of SqueezeNet on snapdragon, resident"
    reference = f"{shown(each * 10)} for as many single analyses"
    goal = f"{MOST_CAPACITIES_S:g} s", spent <= MOST_CAPACITIES_S
    yield Result(what, shown(spent), reference, times(spent / each / 10), *goal)
