"""Small networks on the machine of round numbers, for tests of reports."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from costmodel.analysis import analysis_of
from costmodel.comparison import comparison_of
from costmodel.graph import Graph
from tests.unit.machine import machine

EVIL = "[red]x[/red]|<b>&`_*\x1b[31m\n"
"""A name that would colour, break or escape every format."""


def small(channels=8, name="small"):
    """Build a convolution, a module of two, a classifier; relu, concat and flatten are free."""
    g = Graph(name)
    x = g.relu("relu1", g.conv("conv1", g.input("data", (1, 3, 16, 16)), channels, kernel=3, padding=1))
    x = g.max_pool("pool1", x, kernel=2, stride=2)
    one = g.conv("block/one", x, channels, kernel=1)
    three = g.conv("block/three", x, channels, kernel=3, padding=1)
    x = g.flatten("flatten", g.concat("block/join", one, three))
    g.output(g.softmax("prob", g.linear("fc", x, 10)))
    return g


def evil():
    """Build a network whose names are hostile, one of its layers unknown."""
    g = Graph(f"net{EVIL}")
    x = g.conv(f"conv{EVIL}", g.input("data", (1, 3, 8, 8)), 4, kernel=3)
    g.output(g.unknown(f"mystery{EVIL}", f"Op{EVIL}", [x], x.shape))
    return g


def long_names(length=70):
    """Build a module whose names are longer than a terminal."""
    g = Graph("long")
    x = g.input("data", (1, 3, 8, 8))
    for letter in "ab":
        x = g.conv(f"{'module.' * (length // 7)}{letter}/{'层' * 20}{letter}", x, 4, kernel=1)
    g.output(x)
    return g


@cache
def analysis(make=small, batch=1, dtype=None, **hardware):
    """Price a network on a machine."""
    return analysis_of(make(), machine(**hardware), batch, dtype, None)


def renamed(name, **changes):
    """Return a machine of another name."""
    return replace(machine(**changes), name=name)


@cache
def comparison(networks=2, machines=1, dtypes=None):
    """Compare a large, a small and a smaller network on some machines."""
    graphs = [small(64, "large"), small(8), small(4, "smaller"), small(2, "least")][:networks]
    profiles = [renamed(f"machine{index}", dram_pj=(100.0 / (index + 1), 10.0, 200.0)) for index in range(machines)]
    return comparison_of(graphs, profiles, 1, dtypes, None)
