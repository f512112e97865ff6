"""Schedules that nn_dataflow found, priced by the rules of this tool.

nn_dataflow takes one partial sum and one window of inputs for all that an element keeps of a row, also where it keeps the row
from one channel to the next: 13 partial sums for each of 48 filters, kept over 192 channels, need 48 words. Here those that
elements have no room for go to the buffer and come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, combinations
from math import prod
from typing import TYPE_CHECKING, Any, Final

import costmodel as cm
from costmodel.analysis import estimate_of
from costmodel.errors import MappingError
from costmodel.joint.given import given_costs
from costmodel.joint.tasks import Work, tasks

if TYPE_CHECKING:
    from costmodel.mapping import Layer

OPERANDS: Final = ("weight", "ifmap", "ofmap")
ROWS: Final = 12
COLUMNS: Final = 14


def machine() -> cm.HardwareProfile:
    """The profile as nn_dataflow sees it: one memory in an element, a buffer that everything may pass by."""
    profile = cm.load_hardware("eyeriss-168")
    dram, buffer, element = profile.levels
    return replace(profile, levels=(dram, replace(buffer, bypass=OPERANDS), replace(element, parts={})))


def energies(graph: cm.Graph, schedules: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Energy of every layer under its schedule, by the cheapest choice of what passes by the buffer [MAC energies]."""
    estimate = replace(estimate_of(graph, machine(), 1, None, None), objective="energy")
    work = Work(estimate.table, estimate.widths, estimate.precisions, machine(), estimate.feed_bytes("value"))
    found = {task.name: task.layer for task in tasks(work)}
    return {name: min(energies_of(work, name, nest(found[name], one))) for name, one in schedules.items()}


def energies_of(work: Work, name: str, written: Mapping[str, Any]) -> Iterator[float]:
    """Energies of a schedule by what passes by the buffer, where the rest fits."""
    for bypass in chain.from_iterable(combinations(OPERANDS, count) for count in range(len(OPERANDS))):
        try:
            (found,) = given_costs(work, {name: passing(written, bypass)}, None).nests.values()
        except MappingError:
            continue
        yield found.value


def passing(written: Mapping[str, Any], bypass: Sequence[str]) -> dict[str, Any]:
    """A mapping with operands that pass the buffer by."""
    buffer, element = written["levels"]
    return {**written, "levels": [{**buffer, "bypass": bypass}, element]}


def nest(layer: Layer, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule as a mapping: rows of filters by rows of the array, output rows by columns, copies by filter or channel.

    Its loops over images are over output rows that columns are too few for, one after the other here; an element slides along
    a row innermost.
    """
    (ti, to, tb), orders = schedule["trips"], schedule["orders"]
    columns = min(layer.p, COLUMNS)
    beside = {"k": -(-layer.k // prod(to)), "c": -(-layer.c // prod(ti))}
    trips = {"c": ti, "k": to, "p": tb}
    each = {"c": ti[2], "k": to[2], "p": 1}
    spread = {"c": each["c"] * beside["c"], "k": each["k"] * beside["k"], "p": columns * tb[2]}
    extents = {"c": layer.c, "k": layer.k, "p": layer.p}
    glb = {dim: extents[dim] if trips[dim][0] == 1 else min(extents[dim], spread[dim] * trips[dim][1]) for dim in trips}
    tiles = {"glb": {**glb, "q": layer.q, "r": layer.r, "s": layer.s}, "rf": {**each, "s": layer.s}}
    order = {"glb": loops(orders[0]), "rf": loops(orders[1]).replace("p", "") + "pq"}
    unroll = {"rows": {"r": layer.r, **beside}, "columns": {"p": columns}}
    return {
        "levels": [{"name": name, "tile": tile, "order": order[name]} for name, tile in tiles.items()],
        "unroll": {dim: {"side": side, "elements": n} for side, dims in unroll.items() for dim, n in dims.items()},
    }


def loops(order: Sequence[int]) -> str:
    """Loops from the outside in; nn_dataflow numbers those over channels, filters and images from the inside out."""
    return "".join(dim for _, dim in sorted(zip(order, "ckp", strict=True), reverse=True))
