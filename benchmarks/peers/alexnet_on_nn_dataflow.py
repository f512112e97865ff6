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
ROUNDS: Final = 3
LAYERS: Final = {"fc1": "fc6", "fc2": "fc7", "fc3": "fc8"}


def machine() -> Any:  # nn_dataflow's
    """One node of 12 x 14 elements with a buffer, between memories that are fast enough."""
    from nn_dataflow.core import NodeRegion, PhyDim2, Resource

    corner = PhyDim2(0, 0)
    memory = NodeRegion(dim=PhyDim2(2, 2), origin=corner, dist=corner, type=NodeRegion.DRAM)
    return Resource(
        proc_region=NodeRegion(dim=PhyDim2(1, 1), origin=corner, type=NodeRegion.PROC),
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


def cost() -> Any:  # nn_dataflow's
    """Energies, in those of a MAC."""
    from nn_dataflow.core import Cost, MemHierEnum

    costs = [0.0] * MemHierEnum.NUM
    for name, value in COSTS.items():
        costs[getattr(MemHierEnum, name)] = value
    return Cost(mac_op=1, mem_hier=tuple(costs), noc_hop=0, idl_unit=0)


def scheduled(*, closed_form: bool) -> dict[str, Any]:
    """Energy [MAC energies], words and cycles by layer, and seconds of the whole network and of its layers alone."""
    from nn_dataflow.core import MapStrategyEyeriss, NNDataflow, Option
    from nn_dataflow.nns import import_network

    options = Option(sw_gbuf_bypass=(True, True, True), sw_solve_loopblocking=closed_form, nprocesses=1)
    flow = NNDataflow(import_network("alex_net"), 1, machine(), cost(), MapStrategyEyeriss)
    start = perf_counter()
    (found, *_), _ = flow.schedule_search(options)
    whole = perf_counter() - start
    return {"network_seconds": whole, "seconds": seconds(flow, found, options), "layers": figures(found)}


def seconds(flow: Any, found: Any, options: Any) -> float:
    """Fastest of some searches of every distinct layer with weights, its input where the whole network has it.

    Halves of a layer are one layer; poolings, and what binds layers together, are not timed. Nothing is known of an earlier
    search, since searches are remembered by the object that made them.
    """
    from nn_dataflow.core import PoolingLayer, Scheduling, SchedulingCondition

    alone = {segment[0][0]: segment for segment in flow.ilp.gen_segment(options) if [len(part) for part in segment] == [1]}
    names = {flow.network[name]: name for name in flow.network if not isinstance(flow.network[name], PoolingLayer)}
    best = float("inf")
    for _ in range(ROUNDS):
        spent = 0.0
        for layer, name in names.items():
            ((constraint,),), _ = next(alone[name].gen_constraint(float("inf")))
            ((resource,),) = alone[name].allocation()
            layout = found.fmap_layout(flow.network.prevs(name))
            condition = SchedulingCondition(resource, constraint, layout, found[name].sched_seq)
            start = perf_counter()
            again, *_ = Scheduling(layer, 1, flow.cost, flow.map_strategy).schedule_search(condition, options)
            spent += perf_counter() - start
            if again.total_cost != found[name].total_cost:
                raise AssertionError(f"{name} by itself is scheduled otherwise than in its network")
        best = min(best, spent)
    return best


def figures(found: Any) -> dict[str, dict[str, Any]]:
    """Energy [MAC energies], words, cycles and loops by layer, halves together."""
    from nn_dataflow.core import MemHierEnum

    layers: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(float))
    for name in found:
        stem = name.partition("_")[0]
        layer = layers[LAYERS.get(stem, stem)]
        layer["trips"] = [list(found[name].scheme[key]) for key in ("ti", "to", "tb")]
        layer["orders"] = [list(order) for order in found[name].scheme["orders"]]
        layer["energy"] += found[name].total_cost
        layer["dram_words"] += found[name].total_accesses[MemHierEnum.DRAM]
        layer["cycles"] += found[name].total_time
    return layers


def main() -> None:
    """Schedule and print what was found; ``exhaustive`` asks for the loop blocking by enumeration."""
    json.dump(scheduled(closed_form="exhaustive" not in sys.argv[1:]), sys.stdout)


if __name__ == "__main__":
    main()
