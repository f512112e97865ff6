"""nn_dataflow on AlexNet and an abstract Eyeriss, run by the Python of its own environment: prints one JSON object.

A transfer through the array is priced like a write to the register file that it ends in, since nn_dataflow counts no writes
there.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from time import perf_counter
from typing import Any, Final

WORDS_OF_ELEMENT: Final = 12 + 224 + 24
WORDS_OF_BUFFER: Final = 55_296
COSTS: Final = {"DRAM": 200, "GBUF": 6, "ITCN": 1, "REGF": 1}
LAYERS: Final = {"fc1": "fc6", "fc2": "fc7", "fc3": "fc8"}


def scheduled(hop: float, *, closed_form: bool) -> dict[str, Any]:
    """Energy [MAC energies], words and cycles by layer, and seconds of the whole network with its pooling."""
    from nn_dataflow.core import (
        Cost,
        MapStrategyEyeriss,
        MemHierEnum,
        NNDataflow,
        NodeRegion,
        Option,
        PhyDim2,
        Resource,
    )
    from nn_dataflow.nns import import_network

    one, corner = PhyDim2(1, 1), PhyDim2(0, 0)
    memory = NodeRegion(dim=PhyDim2(2, 2), origin=corner, dist=corner, type=NodeRegion.DRAM)
    resource = Resource(
        proc_region=NodeRegion(dim=one, origin=corner, type=NodeRegion.PROC),
        dram_region=memory,
        src_data_region=memory,
        dst_data_region=memory,
        dim_array=PhyDim2(12, 14),
        size_gbuf=WORDS_OF_BUFFER,
        size_regf=WORDS_OF_ELEMENT,
        array_bus_width=float("inf"),
        dram_bandwidth=float("inf"),
        no_time_mux=False,
    )
    costs = [0.0] * MemHierEnum.NUM
    for name, value in (COSTS | {"ITCN": hop}).items():
        costs[getattr(MemHierEnum, name)] = value
    cost = Cost(mac_op=1, mem_hier=tuple(costs), noc_hop=0, idl_unit=0)
    options = Option(sw_gbuf_bypass=(True, True, True), sw_solve_loopblocking=closed_form, nprocesses=1)
    start = perf_counter()
    (found, *_), _ = NNDataflow(import_network("alex_net"), 1, resource, cost, MapStrategyEyeriss).schedule_search(options)
    seconds = perf_counter() - start
    layers: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(float))
    for name in found:
        stem = name.partition("_")[0]
        layer = layers[LAYERS.get(stem, stem)]
        layer["trips"] = [list(found[name].scheme[key]) for key in ("ti", "to", "tb")]
        layer["orders"] = [list(order) for order in found[name].scheme["orders"]]
        layer["energy"] += found[name].total_cost
        layer["dram_words"] += found[name].total_accesses[MemHierEnum.DRAM]
        layer["cycles"] += found[name].total_time
    return {"seconds": seconds, "layers": layers}


def main() -> None:
    """Schedule and print what was found; ``exhaustive`` asks for the loop blocking by enumeration."""
    closed_form = "exhaustive" not in sys.argv[1:]
    json.dump(scheduled(COSTS["ITCN"], closed_form=closed_form), sys.stdout)


if __name__ == "__main__":
    main()
