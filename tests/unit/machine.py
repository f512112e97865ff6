"""A machine with round numbers, so that expected costs can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

from costmodel.hardware import HardwareProfile
from costmodel.hardware.profile import ArrayAxis, Compute, Constant, MemoryLevel


def constant(name, value, unit, low=None, high=None):
    """Return a constant that is exact unless a range is given."""
    ends = (value if low is None else low, value if high is None else high)
    return Constant(name, value, *ends, unit, "test", "made up", "assumed")


def machine(
    capacity=1 << 20, *, double_buffered=False, overlap=True, static_w=0.0, overhead_s=0.0, array=None, inner=None,
    dram_pj=(100.0, 50.0, 200.0), bandwidth=1e9,
):  # fmt: skip
    """Build DRAM at 100 (50 to 200) pJ/B read and 200 written, a buffer at 2 and 3, 10 MACs a cycle at 1 MHz, 1 pJ a MAC."""
    value, low, high = dram_pj
    levels = [
        MemoryLevel(
            "dram", "backing", None, constant("dram.read_energy", value, "pJ/B", low, high),
            constant("dram.write_energy", 2 * value, "pJ/B", 2 * low, 2 * high),
            constant("dram.bandwidth", bandwidth, "B/s") if bandwidth else None,
        ),
        MemoryLevel(
            "sram", "scratchpad", constant("sram.capacity", float(capacity), "B"), constant("sram.read_energy", 2.0, "pJ/B"),
            constant("sram.write_energy", 3.0, "pJ/B"), None, double_buffered,
        ),
    ]  # fmt: skip
    if inner:
        levels.append(
            MemoryLevel(
                "rf", "scratchpad", constant("rf.capacity", float(inner), "B"), constant("rf.read_energy", 1.0, "pJ/B"),
                constant("rf.write_energy", 1.0, "pJ/B"), None,
                macs_per_access={"weight": constant("rf.macs_per_access.weight", 4.0, "MAC", 2.0, 8.0)},
            )
        )  # fmt: skip
    axes = {name: ArrayAxis(size, dims) for name, (size, dims) in (array or {}).items()} or None
    compute = Compute(
        constant("compute.clock", 1e6, "Hz"),
        {"int8": constant("compute.macs_per_cycle.int8", 10.0, "MAC/cycle"), "fp32": constant("x.fp32", 1.0, "MAC/cycle")},
        {"int8": constant("compute.mac_energy.int8", 1.0, "pJ", 0.5, 4.0), "fp32": constant("y.fp32", 5.0, "pJ")},
        axes,
    )
    return HardwareProfile(
        "machine", "machine of round numbers", "int8", 32, tuple(levels), compute, constant("static_power", static_w, "W"),
        constant("layer_overhead", overhead_s, "s"), overlap, Path("machine.yaml"),
    )  # fmt: skip
