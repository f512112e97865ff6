"""Designs counted as arrays, beside the loop over candidates that one writes with torchinfo or fvcore."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import peers, work
from benchmarks.result import Result, per_second, shown, times
from benchmarks.spaces import BOUNDED, BOUNDED_SLICE_POINTS, squeezenets
from costmodel.explore.evaluate import evaluate, evaluate_points

SAMPLE: Final = 21
"""Designs that the loops count; the first is not timed."""
TOOLS: Final = ("torchinfo", "fvcore")
HARDWARE: Final = "eyeriss-168"


def sampled(designs: int) -> list[dict[str, Any]]:
    """Builder arguments of designs spread over the space, and what we count of them."""
    space = squeezenets(designs, HARDWARE)
    chosen = np.linspace(0, space.size - 1, SAMPLE).astype(np.int64)
    rows = evaluate_points(space, chosen, ["params", "macs"])
    nets = [{name.removeprefix("net."): value for name, value in space.at(int(point)).items()} for point in chosen]
    return [
        {"net": net, "params": int(params), "macs": int(macs)}
        for net, params, macs in zip(nets, rows["params"], rows["macs"], strict=True)
    ]


def looped(tool: str, designs: list[dict[str, Any]]) -> float:
    """Seconds per design of a loop with a tool, whose counts are to be ours.

    torchinfo counts one multiply-add for every bias that is added, so that its MACs are only bounded from below.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "designs.json"
        file.write_text(json.dumps([one["net"] for one in designs]), encoding="utf-8")
        theirs = peers.TORCHINFO.run(tool, str(file))
    ours = [(one["params"], one["macs"]) for one in designs]
    found = list(zip(theirs["params"], theirs["macs"], strict=True))
    same = found == ours if tool == "fvcore" else all(p == q and m >= n for (p, m), (q, n) in zip(found, ours, strict=True))
    if not same:
        raise AssertionError(f"{tool} counts other networks: {found[0]} instead of {ours[0]}")
    return float(theirs["seconds"]) / (len(designs) - 1)


def counters(designs: int) -> Iterator[Result]:
    """One process of ours beside one of each."""
    space, sample = squeezenets(designs, HARDWARE), sampled(designs)
    starts = range(0, space.size, BOUNDED_SLICE_POINTS)
    evaluate(space, 0, 8, BOUNDED)
    spent = work.seconds(
        lambda: [evaluate(space, start, min(start + BOUNDED_SLICE_POINTS, space.size), BOUNDED) for start in starts]
    )
    for tool in TOOLS:
        each = looped(tool, sample)
        what = f"{space.size:,} SqueezeNets counted and bounded in one process: {', '.join(BOUNDED)}"
        beside = f"{shown(each)} each in a loop with {peers.TORCHINFO.title if tool == 'torchinfo' else peers.FVCORE}"
        yield Result(what, per_second(space.size, spent), beside, times(each * space.size / spent))
