"""ZigZag on AlexNet and an abstract Eyeriss, run by the Python of its own environment: prints one JSON object.

Words have 16 bits, and every port moves one word per access, so that energies per access are energies per word. An operand
takes one path through ZigZag's memories: weights pass the global buffer by.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any, Final

WORD: Final = 16
DRAM: Final = 200.0
CONV: Final = {
    "conv1": (1, 96, 3, 55, 11, 4, 0),
    "conv2": (2, 128, 48, 27, 5, 1, 2),
    "conv3": (1, 384, 256, 13, 3, 1, 1),
    "conv4": (2, 192, 192, 13, 3, 1, 1),
    "conv5": (2, 128, 192, 13, 3, 1, 1),
    "fc6": (1, 4096, 256, 1, 6, 1, 0),
    "fc7": (1, 4096, 4096, 1, 1, 1, 0),
    "fc8": (1, 1000, 4096, 1, 1, 1, 0),
}
"""Groups, filters and channels of one, output height, kernel, stride, padding: Krizhevsky et al. 2012."""


def port(kind: str, number: int, allocation: list[str]) -> dict[str, Any]:
    """A port that moves a word."""
    name = "".join(word[0] for word in kind.split("_"))
    return {
        "name": f"{name}_port_{number}",
        "type": kind,
        "bandwidth_min": WORD,
        "bandwidth_max": WORD,
        "allocation": allocation,
    }


def memory(words: int, cost: float, operands: list[str], served: list[str]) -> dict[str, Any]:
    """A memory with an energy per word."""
    reads = [f"{operand}, {way}" for operand in operands for way in (("tl", "th") if operand == "O" else ("tl",))]
    writes = [f"{operand}, {way}" for operand in operands for way in (("fh", "fl") if operand == "O" else ("fh",))]
    return {
        "size": words * WORD,
        "r_cost": cost,
        "w_cost": cost,
        "area": 0.0,
        "latency": 1,
        "operands": operands,
        "ports": [port("read", 1, reads), port("write", 1, writes)],
        "served_dimensions": served,
    }


def accelerator() -> dict[str, Any]:
    """12 x 14 elements with register files of 12, 224 and 24 words, and 55,296 words of buffer for ifmaps and ofmaps."""
    everywhere = ["D1", "D2"]
    return {
        "name": "eyeriss_168",
        "memories": {
            "rf_ifmap": memory(12, 1.0, ["I1"], []),
            "rf_weight": memory(224, 1.0, ["I2"], []),
            "rf_ofmap": memory(24, 1.0, ["O"], []),
            "glb": memory(55_296, 6.0, ["I1", "O"], everywhere),
            "dram": memory(1 << 30, DRAM, ["I1", "I2", "O"], everywhere),
        },
        "operational_array": {"unit_energy": 1.0, "unit_area": 0.0, "dimensions": everywhere, "sizes": [14, 12]},
    }


def mapping() -> list[dict[str, Any]]:
    """Columns unroll output rows and filters, rows unroll kernel rows, channels and filters; the choice is ZigZag's."""
    return [
        {
            "name": "default",
            "spatial_mapping_hint": {"D1": ["OY", "K"], "D2": ["FY", "C", "K"]},
            "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
        }
    ]


def layer(number: int, name: str) -> dict[str, Any]:
    """A layer of AlexNet by itself; all operands come from and go to the off-chip memory."""
    g, k, c, p, r, stride, padding = CONV[name]
    return {
        "id": number,
        "name": name,
        "operator_type": "Conv",
        "equation": "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]",
        "dimension_relations": [f"ix={stride}*ox+1*fx", f"iy={stride}*oy+1*fy"],
        "loop_dims": ["B", "G", "K", "C", "OY", "OX", "FY", "FX"],
        "loop_sizes": [1, g, k, c, p, p, r, r],
        "operand_precision": {"O": WORD, "O_final": WORD, "W": WORD, "I": WORD},
        "pr_loop_dims": ["IX", "IY"],
        "pr_loop_sizes": [(p - 1) * stride + r - 2 * padding] * 2,
        "padding": [[padding, padding], [padding, padding]],
    }


def searched(folder: Path, name: str) -> dict[str, float]:
    """Energy [MAC energies], off-chip words, cycles and seconds of one layer, at ZigZag's own effort.

    As in its ``get_hardware_performance_zigzag``, but every MAC is charged for its operands: there, what stays at the output
    of a register file is read free of charge.
    """
    import yaml

    for stem, data in (("hardware", accelerator()), ("mapping", mapping()), ("workload", [layer(0, name)])):
        (folder / f"{stem}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    start = perf_counter()
    (found, _), *_ = stages(folder).run()
    seconds = perf_counter() - start
    words = sum(energies[-1] for energies in found.mem_energy_breakdown.values()) / DRAM
    return {
        "seconds": seconds,
        "energy": float(found.energy_total),
        "dram_words": float(words),
        "cycles": float(found.latency_total2),
    }


def stages(folder: Path) -> Any:  # ZigZag's
    """Stages of ZigZag's search for least energy over spatial mappings of its own and temporal ones by LOMA."""
    from zigzag.mapping.temporal_mapping import TemporalMappingType
    from zigzag.stages.evaluation.cost_model_evaluation import CostModelStage
    from zigzag.stages.main import MainStage
    from zigzag.stages.mapping.spatial_mapping_generation import SpatialMappingGeneratorStage
    from zigzag.stages.mapping.temporal_mapping_generator_stage import TemporalMappingGeneratorStage
    from zigzag.stages.parser.accelerator_parser import AcceleratorParserStage
    from zigzag.stages.parser.workload_parser import WorkloadParserStage
    from zigzag.stages.results.reduce_stages import MinimalEnergyStage
    from zigzag.stages.workload_iterator import WorkloadStage

    return MainStage(
        list_of_callables=[
            WorkloadParserStage,
            AcceleratorParserStage,
            WorkloadStage,
            MinimalEnergyStage,
            SpatialMappingGeneratorStage,
            MinimalEnergyStage,
            TemporalMappingGeneratorStage,
            CostModelStage,
        ],
        workload=str(folder / "workload.yaml"),
        accelerator=str(folder / "hardware.yaml"),
        mapping=str(folder / "mapping.yaml"),
        dump_folder=str(folder),
        loma_lpf_limit=6,
        loma_show_progress_bar=False,
        nb_mappings_generated=3,
        enable_mix_spatial_mapping_generation=False,
        access_same_data_considered_as_no_access=False,
        temporal_mapping_type=TemporalMappingType.UNEVEN,
    )


def main() -> None:
    """Search every layer and print what was found."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        layers = {name: searched(Path(folder), name) for name in sys.argv[1:] or CONV}
    json.dump({"seconds": sum(one["seconds"] for one in layers.values()), "layers": layers}, sys.stdout)


if __name__ == "__main__":
    main()
