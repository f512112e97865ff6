"""A loop nest walked literally: every tile is a set of elements, and what is not on chip is fetched and counted.

Shares no code with the closed form. The rules of the mapspace, as the simulator knows them:

- the buffer holds one tile of every operand;
- a weight or ifmap tile that stays the same from one step to the next is not fetched again;
- where only the ifmap's innermost loop has advanced by one, the elements that both tiles share stay (a window that slides
  forward; when its walk starts again it starts afresh);
- an ofmap tile that changes is written; if it was not finished, it comes back later and is read.
"""

from __future__ import annotations

from itertools import product

RELEVANT = {"weight": "gkcrs", "ifmap": "ngcpqrs", "ofmap": "ngkpq"}


def ranges(layer, tile):
    """Split every loop into the index ranges of its tiles."""
    return {
        dim: [range(start, min(start + tile[dim], getattr(layer, dim))) for start in range(0, getattr(layer, dim), tile[dim])]
        for dim in "ngkcpqrs"
    }


def ifmap_interval(outputs, taps, stride, dilation, pad, size):
    """Return the positions a tile spans along one axis, padding left out."""
    low = outputs[0] * stride + taps[0] * dilation - pad
    high = outputs[-1] * stride + taps[-1] * dilation - pad
    first = max(low, 0)
    return range(first, max(min(high + 1, size), first))


def ifmap_tile(layer, at):
    """Return the ifmap elements of a step."""
    rows = ifmap_interval(at["p"], at["r"], layer.stride_h, layer.dilation_h, layer.pad_top, layer.ifmap_h)
    columns = ifmap_interval(at["q"], at["s"], layer.stride_w, layer.dilation_w, layer.pad_left, layer.ifmap_w)
    return set(product(at["n"], at["g"], at["c"], rows, columns))


def operand_tile(at, operand):
    """Return the elements of the weight or ofmap of a step."""
    return set(product(*(at[dim] for dim in RELEVANT[operand])))


def simulate(layer, tile, order):
    """Return the elements fetched and the ofmap's spills, reads and final writes; and the largest footprint."""
    split = ranges(layer, tile)
    loops = [dim for dim in order if len(split[dim]) > 1]
    inner = next((dim for dim in reversed(loops) if dim in RELEVANT["ifmap"]), None)
    held = {"weight": set(), "ifmap": set(), "ofmap": set()}
    fetched = {"weight": 0, "ifmap": 0}
    writes = reads = finals = 0
    remaining = {}
    work = 0
    steps = 1
    for dim in "crs":
        steps *= getattr(layer, dim)
    footprint = {"weight": 0, "ifmap": 0, "ofmap": 0}
    before = None

    def leave(tile_elements):
        nonlocal writes, finals
        for element in tile_elements:
            if remaining[element] == 0:
                finals += 1
            else:
                writes += 1

    for index in product(*(range(len(split[dim])) for dim in loops)):
        position = dict(zip(loops, index, strict=True))
        at = {dim: split[dim][position.get(dim, 0)] for dim in split}
        weight, ifmap, ofmap = operand_tile(at, "weight"), ifmap_tile(layer, at), operand_tile(at, "ofmap")
        fetched["weight"] += 0 if weight == held["weight"] and before else len(weight)
        moved = [dim for dim in loops if dim in RELEVANT["ifmap"] and before and before[dim] != position[dim]]
        if before and not moved:
            pass
        elif moved == [inner] and position[inner] == before[inner] + 1:
            fetched["ifmap"] += len(ifmap - held["ifmap"])
        else:
            fetched["ifmap"] += len(ifmap)
        if ofmap != held["ofmap"]:
            leave(held["ofmap"])
            reads += sum(1 for element in ofmap if element in remaining)
            for element in ofmap:
                remaining.setdefault(element, steps)
        done = len(at["c"]) * len(at["r"]) * len(at["s"])
        for element in ofmap:
            remaining[element] -= done
        work += len(ofmap) * done
        held, before = {"weight": weight, "ifmap": ifmap, "ofmap": ofmap}, position
        footprint = {operand: max(footprint[operand], len(held[operand])) for operand in held}
    leave(held["ofmap"])
    return {
        "weight": fetched["weight"], "ifmap": fetched["ifmap"], "ofmap_spills": writes, "ofmap_reads": reads,
        "ofmap_finals": finals, "footprint": footprint, "macs": work,
    }  # fmt: skip
