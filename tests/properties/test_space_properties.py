"""Random design spaces: every point is its own analysis, slices and processes change nothing, indices are a bijection."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.boundary import mapped as mapped_alone
from costmodel.errors import CostModelError
from costmodel.estimate import Estimate
from costmodel.explore.evaluate import evaluate, evaluate_points
from costmodel.explore.indexing import digits, grid_size, number
from costmodel.explore.solutions import OPERANDS, SolutionCache
from costmodel.graph import Graph
from costmodel.precision import precision_of
from tests.unit.machine import machine
from tests.unit.spaces import space
from tests.unit.test_space_evaluate import analysed

METRICS = ("params", "macs", "compulsory_bytes", "dram_bytes", "energy_j", "energy_low_j", "latency_high_s", "energy_static_j")
NETWORKS = {
    "squeezenet:version=1.1,input=64": {
        "net.squeeze_ratio": st.floats(0.01, 1.0),
        "net.pct_3x3": st.floats(0.0, 1.0),
        "net.base_e": st.integers(1, 40),
        "net.freq": st.integers(1, 4),
        "net.bypass": st.sampled_from(["none", "simple", "complex"]),
    },
    "ds_cnn": {},
    "resnet_cifar:depth=8": {"net.depth": st.sampled_from([8, 14])},
}
HARDWARE = {
    "hw.sram": st.integers(2, 1 << 20),
    "hw.static_power": st.floats(0, 2),
    "hw.compute.clock": st.floats(1e6, 1e10),
    "hw.layer_overhead": st.floats(0, 1e-4),
}
PROFILES = {
    "eyeriss-168": {
        "hw.dram.bandwidth": st.floats(1e5, 1e11), "hw.array.rows": st.integers(1, 40),
        "hw.rf.capacity": st.integers(520, 2000),
    },
    "snapdragon": {"hw.vtcm.read_energy": st.floats(0, 100), "hw.dram.bandwidth": st.floats(1e5, 1e11)},
    "stm32h743": {},
}
SETTINGS = {"batch": st.integers(1, 5), "bits.weight": st.integers(1, 9), "bits.psum": st.integers(16, 40)}


@st.composite
def spaces(draw):
    """Draw a space of at most a few dozen points."""
    network, profile = draw(st.sampled_from(list(NETWORKS))), draw(st.sampled_from(list(PROFILES)))
    known = NETWORKS[network] | HARDWARE | PROFILES[profile] | SETTINGS
    chosen = draw(st.lists(st.sampled_from(list(known)), min_size=1, max_size=4, unique=True))
    axes = {name: draw(st.lists(known[name], min_size=1, max_size=3, unique=True)) for name in chosen}
    return space(network, profile, axes=axes)


@settings(max_examples=25)
@given(spaces(), st.data())
def test_points_are_their_own_analyses(made, data):
    """At points drawn from a random space every metric equals that of an analysis, or both refuse for the same reason."""
    points = data.draw(st.lists(st.integers(0, made.size - 1), min_size=1, max_size=4))
    rows = evaluate_points(made, points, METRICS)
    for place, point in enumerate(points):
        problem = rows["problem"][place]
        if problem:
            with pytest.raises(CostModelError) as refused:
                analysed(made, made.at(point))
            assert problem.partition(" (and ")[0] in str(refused.value)
            continue
        expected = analysed(made, made.at(point))
        for name in METRICS:
            assert np.isclose(rows[name][place], expected[name], rtol=1e-11, atol=0), (made.at(point), name)


@settings(max_examples=15)
@given(spaces(), st.data())
def test_slices_change_nothing(made, data):
    """Cut anywhere, a space gives the same rows to the last bit, whatever was solved before."""
    cut = data.draw(st.integers(0, made.size))
    whole = evaluate(made, 0, made.size, METRICS)
    parts = [evaluate(made, 0, cut, METRICS), evaluate(made, cut, made.size, METRICS)]
    for name, column in whole.items():
        joined = np.concatenate([part[name] for part in parts])
        assert np.array_equal(joined, column, equal_nan=column.dtype.kind == "f"), name


@given(st.lists(st.integers(1, 9), max_size=5), st.data())
def test_indices_are_a_bijection(lengths, data):
    """Positions lead back to their index, and lie on their axes."""
    index = data.draw(st.integers(0, grid_size(lengths) - 1))
    columns = digits(np.array([index]), lengths)
    assert number(columns, lengths).tolist() == [index]
    assert all(0 <= column[0] < length for column, length in zip(columns, lengths, strict=True))


# ---- the memory of solved layers

WIDTHS = st.lists(st.integers(1, 60), min_size=1, max_size=8)
CHUNKS = st.lists(st.tuples(WIDTHS, st.integers(4, 4000)), min_size=1, max_size=4)


@settings(max_examples=40)
@given(CHUNKS, st.sampled_from([0, 3, 40, 1 << 12]), st.booleans())
def test_the_memory_changes_nothing(chunks, most, several):
    """Whatever was asked before, and however little is remembered, layers move what the mapper alone finds."""
    cache = SolutionCache(most)
    for widths, capacity in chunks:
        sizes = np.array(widths, dtype=np.int64)
        graph = Graph("drawn")
        x = graph.conv("one", graph.input("x", (1, 3, 6, 5)), sizes if several and sizes.size > 1 else widths[0], kernel=3)
        graph.conv("two", graph.conv("again", x, 7, kernel=1), 7, kernel=1)
        hardware = machine(capacity)
        table = graph.table()
        estimate = Estimate(table, hardware, precision_of(table, hardware))
        rows = np.arange(3)
        refusing = Mock()
        found, _ = cache.moved(table, estimate.widths, rows, hardware.levels[1], table.design_points, refusing)
        try:
            alone, _ = mapped_alone(table, estimate.widths, rows, hardware.levels[1], table.design_points)
        except CostModelError:
            refusing.assert_called_once()
            continue
        refusing.assert_not_called()
        for name in OPERANDS:
            assert np.array_equal(found[name], alone[name]), name
