"""Machines with arrays and memories in elements, of round numbers, and small networks for them."""

from __future__ import annotations

from dataclasses import replace

from costmodel.graph import Graph
from costmodel.hardware.profile import ArrayAxis, HardwareProfile, MemoryLevel
from tests.unit.machine import constant, machine


def level(name, capacity, read_pj, *, bandwidth=None, reuse=None, **options):
    """Return a scratchpad of some bytes."""
    parts = {operand: constant(f"{name}.parts.{operand}", size, "B") for operand, size in options.pop("parts", {}).items()}
    return MemoryLevel(
        name, "scratchpad", constant(f"{name}.capacity", float(capacity), "B"),
        constant(f"{name}.read_energy", read_pj, "pJ/B", read_pj / 2, read_pj * 2),
        constant(f"{name}.write_energy", 1.5 * read_pj, "pJ/B"),
        constant(f"{name}.bandwidth", bandwidth, "B/s") if bandwidth else None,
        macs_per_access={op: constant(f"{name}.macs_per_access.{op}", n, "MAC") for op, n in (reuse or {}).items()},
        parts=parts, **options,
    )  # fmt: skip


def spatial(objective=None, **options) -> HardwareProfile:
    """Return DRAM, a buffer of 512 B that weights may pass by, and 2 x 4 elements with 4 B of weights and 4 B for the rest."""
    base = machine(512, **options)
    buffer = replace(base.levels[1], bypass=("weight",))
    reuse = dict.fromkeys(("weight", "ifmap", "ofmap"), 1.0)
    elements = level("rf", 24, 0.25, reuse=reuse, parts={"weight": 4.0}, per_element=True, instances=8)
    array = {"rows": ArrayAxis(2, ("c", "r")), "columns": ArrayAxis(4, ("k", "p"))}
    compute = replace(base.compute, array=array)
    return replace(base, levels=(base.levels[0], buffer, elements), compute=compute, objective=objective)


def stationary(objective="energy") -> HardwareProfile:
    """Return an array of 2 x 2 elements with one weight in each: inputs and sums pass through registers."""
    base = machine(1024)
    element = level("pe", 1, 0.125, reuse={"weight": 1.0}, per_element=True, instances=4, holds=("weight",))
    array = {"rows": ArrayAxis(2, ("c",)), "columns": ArrayAxis(2, ("k",))}
    return replace(base, levels=(*base.levels, element), compute=replace(base.compute, array=array), objective=objective)


def small(channels=4, size=6, features=5) -> Graph:
    """Build a padded convolution, a pooling, a softmax and a fully connected layer."""
    graph = Graph("small")
    x = graph.input("x", (1, 3, size, size))
    y = graph.conv("conv", x, channels, 3, padding=1)
    y = graph.max_pool("pool", graph.relu("relu", y), 2, stride=2)
    y = graph.linear("fc", graph.flatten("flatten", y), features)
    graph.softmax("prob", y)
    return graph
