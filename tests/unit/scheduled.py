"""Small networks and their schedulers, for tests whose figures are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from costmodel.boundary import Widths
from costmodel.graph import Graph
from costmodel.schedule import Scheduler
from costmodel.schedule.search import Search
from costmodel.schedule.stripes import Cascades
from tests.unit.machine import machine

INT8 = {"weight": 8, "ifmap": 8, "ofmap": 8, "psum": 32}


def scheduler_of(graph, batch=1, bits=INT8):
    """Return the scheduler of a graph at some widths."""
    table = graph.table().with_batch(batch)
    ones = np.ones((len(table), 1), dtype=np.int64)
    weight = np.where(np.asarray(table.dynamic_weight)[:, None], bits["ifmap"], bits["weight"])
    return Scheduler(graph, table, Widths(weight, *(ones * bits[name] for name in ("ifmap", "ofmap", "psum"))), batch)


def hardware(capacity, *, doubled=False, residency="all", fusion=True, kind="scratchpad"):
    """Return a machine with a memory on chip of some bytes, that does what is asked."""
    profile = machine(capacity, double_buffered=doubled)
    outer, inner = profile.levels
    return replace(profile, residency=residency, fusion=fusion, levels=(outer, replace(inner, kind=kind)))


def search_of(graph, capacity_bytes, *, fusion=False, buffering=1, order=None):
    """Return the search for schedules in a memory of some bytes."""
    scheduler = scheduler_of(graph)
    links = scheduler.links(buffering)
    return Search(scheduler.program, scheduler.costs, links, capacity_bytes * 8, order, fusion=fusion)


def planner_of(graph, buffering=1, batch=1):
    """Return what plans the cascades of a graph."""
    scheduler = scheduler_of(graph, batch)
    return Cascades(scheduler.program, scheduler.links(buffering))


def pair(height=8):
    """Return two 3 x 3 convolutions of 4 channels on maps 8 columns wide: rows of 32 B, filters of 36 B."""
    graph = Graph("pair")
    x = graph.input("x", (1, 4, height, 8))
    graph.conv("b", graph.conv("a", x, 4, 3, padding=1, bias=False), 4, 3, padding=1, bias=False)
    return graph


def unet():
    """Return a network whose first map is kept in the concatenation that its last one joins."""
    graph = Graph("unet")
    x = graph.input("x", (1, 4, 8, 8))
    high = graph.conv("high", x, 4, 3, padding=1, bias=False)
    low = graph.conv("low", high, 8, 3, padding=1, stride=2, bias=False)
    up = graph.conv_transpose("up", low, 4, 2, stride=2, bias=False)
    graph.conv("out", graph.concat("skip", high, up), 4, 1, bias=False)
    return graph


def fire():
    """Return a fire module: squeeze to 2 channels, expand by 1 x 1 and 3 x 3 to 4 each, 6 x 6 maps."""
    graph = Graph("fire")
    squeezed = graph.conv("squeeze", graph.input("x", (1, 8, 6, 6)), 2, 1, bias=False)
    one = graph.conv("one", squeezed, 4, 1, bias=False)
    three = graph.conv("three", squeezed, 4, 3, padding=1, bias=False)
    graph.concat("expand", graph.relu("relu1", one), graph.relu("relu3", three))
    return graph


def widened():
    """Return 8 elements ``a``, widened to 16 and narrowed to 8 again, and added to ``a`` at the end."""
    graph = Graph("widened")
    a = graph.linear("a", graph.input("x", (1, 4)), 8, bias=False)
    b = graph.linear("b", a, 16, bias=False)
    c = graph.linear("c", b, 8, bias=False)
    graph.add("d", a, c)
    return graph
