"""Single parts under pytest-benchmark, for work on one of them; goals and references are in ``run.py``."""

from __future__ import annotations

import pytest

import costmodel as cm
from benchmarks import work

HARDWARE = ("eyeriss-168", "snapdragon", "horowitz-45nm")
DESIGNS = 1000


@pytest.mark.parametrize("hardware", HARDWARE)
@pytest.mark.parametrize("network", work.NETWORKS)
def test_analysis(benchmark, network, hardware):
    """One network analysed, every layer tiled exactly."""
    profile = cm.load_hardware(hardware)
    totals = benchmark(lambda: cm.analyze(network, profile).totals)

    assert totals.dram_bytes >= totals.compulsory_bytes


def test_counting(benchmark):
    """Both networks built and counted."""
    assert benchmark(work.counted) == 724_406_816 + 818_924_576


def test_loading_a_profile(benchmark):
    """One YAML file with its bibliography, checked."""
    assert benchmark(cm.load_hardware, "snapdragon").name == "snapdragon"


@pytest.mark.parametrize("metrics", [work.COUNTS, work.EXACT], ids=["counts", "exact"])
@pytest.mark.parametrize("hardware", HARDWARE[:2])
def test_sweep(benchmark, hardware, metrics):
    """A thousand designs at once."""
    profile = cm.load_hardware(hardware)

    assert benchmark(work.swept, profile, DESIGNS, metrics) == 11 * 9 * 10


def test_search_of_one_layer(benchmark):
    """The exact search equals the enumeration on a layer that can be enumerated."""
    hardware = cm.load_hardware("eyeriss-168")
    layer = work.layer_of("squeezenet", "fire9/squeeze1x1", hardware)
    least = layer.weight_elems + layer.ofmap_elems + layer.c * layer.p * layer.q

    assert benchmark(work.searched, layer, 55_296 * 16) >= 16 * least


@pytest.mark.parametrize("network", work.ORDERED)
def test_order_of_least_memory(benchmark, network):
    """Every order is proved."""
    assert benchmark(work.ordered, work.compiled(network))
