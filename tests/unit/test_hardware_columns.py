"""Profiles whose constants are columns: one estimate of many machines is the estimates of each."""

from __future__ import annotations

import numpy as np
import pytest

import costmodel as cm
from costmodel.analysis import SUMMED, estimate_of, total
from costmodel.errors import HardwareError, MappingError
from costmodel.estimate import Estimate
from costmodel.hardware.columns import array_axes, with_columns
from tests.unit.machine import machine

COLUMNS = {
    "glb.capacity": np.array([8192.0, 65536.0, 110592.0]),
    "rf.capacity": np.array([64.0, 100.0, 512.0]),
    "dram.bandwidth": np.array([1e7, 1e9, 1e8]),
    "glb.read_energy": np.array([1.0, 2.0, 3.0]),
    "rf.macs_per_access.ifmap": np.array([1.0, 2.0, 4.0]),
    "compute.clock": np.array([1e8, 2e8, 3e8]),
    "static_power": np.array([0.0, 1.0, 0.1]),
    "layer_overhead": np.array([0.0, 1e-6, 2e-6]),
    "array.rows": np.array([3, 12, 24]),
}


@pytest.mark.parametrize("names", [[name] for name in COLUMNS] + [list(COLUMNS)])
def test_columns_are_many_machines(names):
    """Every figure of every machine equals that of its own profile, whether one constant varies or all do."""
    profile, graph = cm.load_hardware("eyeriss-168"), cm.load_network("ds_cnn")
    alone = estimate_of(graph, profile, 2, None, None)
    columns = {name: COLUMNS[name] for name in names}
    together = Estimate(alone.table, with_columns(profile, columns), alone.precision, hardware_points=3)
    for machine_number in range(3):
        one = with_columns(profile, {name: column[machine_number].item() for name, column in columns.items()})
        single = Estimate(alone.table, one, alone.precision)
        for name in SUMMED:
            column = np.broadcast_to(total(together, name), 3)
            assert column[machine_number] == pytest.approx(total(single, name)[0], rel=1e-12), name


def test_networks_and_machines_vary_together():
    """Point by point the n-th design meets the n-th machine."""
    profile = machine(1 << 12)
    graph = cm.Graph("designs")
    graph.conv("conv", graph.input("x", (1, 3, 8, 8)), np.array([4, 40, 400]), kernel=3)
    columns = with_columns(profile, {"sram.capacity": np.array([100.0, 1000.0, 10000.0])})
    table = estimate_of(graph, profile, 1, None, None).table
    precision = estimate_of(graph, profile, 1, None, None).precision
    found = total(Estimate(table, columns, precision, hardware_points=3), "dram_bytes").tolist()
    for point, (width, capacity) in enumerate([(4, 100), (40, 1000), (400, 10000)]):
        alone = cm.Graph("alone")
        alone.conv("conv", alone.input("x", (1, 3, 8, 8)), width, kernel=3)
        assert found[point] == cm.analyze(alone, machine(capacity)).totals.dram_bytes


def test_the_machine_that_is_too_small_is_named():
    """Among columns the capacity in the message is that of the point that fails."""
    profile, graph = cm.load_hardware("eyeriss-168"), cm.load_network("ds_cnn")
    alone = estimate_of(graph, profile, 1, None, None)
    columns = with_columns(profile, {"glb.capacity": np.array([65536.0, 3.0])})
    with pytest.raises(MappingError, match="cannot be tiled into glb of 3 B"):
        _ = Estimate(alone.table, columns, alone.precision, hardware_points=2).boundaries


def test_values_are_given_by_the_user():
    """A single value is what with_constant makes of it, but for its note."""
    profile = cm.load_hardware("eyeriss-168")
    mine = with_columns(profile, {"glb.capacity": 4096.0}).levels[1].capacity_bytes
    theirs = profile.with_constant("glb.capacity", 4096.0).levels[1].capacity_bytes
    assert (mine.value, mine.low, mine.high, mine.unit, mine.source, mine.tier) == (
        theirs.value, theirs.low, theirs.high, theirs.unit, theirs.source, theirs.tier,
    )  # fmt: skip


def test_nothing_varies():
    """Without columns the profile is the same."""
    profile = cm.load_hardware("eyeriss-168")
    assert with_columns(profile, {}) is profile


def test_longer_axes_multiply_the_rate():
    """Twice the rows are twice the MACs per cycle, with their range; formats that are given keep what is given."""
    profile = cm.load_hardware("eyeriss-168")
    before = profile.compute.macs_per_cycle
    grown = with_columns(profile, {"array.rows": 24, "compute.macs_per_cycle.int8": 5.0}).compute
    assert grown.array["rows"].size == 24
    assert grown.macs_per_cycle["int16"].value == 2 * before["int16"].value
    assert grown.macs_per_cycle["int16"].high == 2 * before["int16"].high
    assert grown.macs_per_cycle["int8"].value == 5.0


def test_names_that_are_none():
    """Constants and axes that a profile does not have are refused."""
    profile = cm.load_hardware("eyeriss-168")
    assert array_axes(profile) == ("array.rows", "array.columns")
    assert array_axes(cm.load_hardware("snapdragon")) == ()
    with pytest.raises(HardwareError, match=r"no constant 'glb.capcity' \(did you mean 'glb.capacity'\?\)"):
        with_columns(profile, {"glb.capcity": 1.0})
    with pytest.raises(HardwareError, match=r"no array axis 'row' \(did you mean 'rows'\?\): it has rows, columns"):
        with_columns(profile, {"array.row": 1})
    with pytest.raises(HardwareError, match="no array axis 'rows': it has no array"):
        with_columns(cm.load_hardware("snapdragon"), {"array.rows": 1})


# ---- sizes of the array, one profile


def test_a_resized_array_is_a_profile_of_that_size():
    """Rates of every format grow in proportion with their ranges, and all other constants are the same."""
    before = machine(array={"rows": (4, ("k",)), "columns": (2, ("p",))})
    after = before.with_array(rows=6, columns=4)

    assert {name: axis.size for name, axis in after.compute.array.items()} == {"rows": 6, "columns": 4}
    for form, rate in before.compute.macs_per_cycle.items():
        grown = after.compute.macs_per_cycle[form]
        assert (grown.low, grown.value, grown.high) == (3 * rate.low, 3 * rate.value, 3 * rate.high)
    assert [c for c in before.constants() if c.unit != "MAC/cycle"] == [
        c for c in after.constants() if c.unit != "MAC/cycle"
    ]


def test_resizing_to_the_same_size_changes_nothing():
    """The profile itself, and back again."""
    profile = cm.load_hardware("eyeriss")

    assert profile.with_array(rows=12, columns=14) == profile
    assert profile.with_array() == profile


def test_a_rate_that_grew_says_what_it_was():
    """Its source is no longer that of the profile, and back at the old size its value is the old one."""
    profile = cm.load_hardware("eyeriss")
    grown = profile.with_array(rows=24)
    rate, again = grown.compute.macs_per_cycle["int16"], grown.with_array(rows=12).compute.macs_per_cycle["int16"]

    assert str(rate).endswith("assumed: given by the user, was 168 MAC/cycle (chen2017), in proportion to the array")
    assert again.value == profile.compute.macs_per_cycle["int16"].value


@pytest.mark.parametrize("name", ["eyeriss", "ethos-u65-512"])
def test_a_larger_array_is_never_slower(name):
    """Whatever grows: all multipliers of the smaller array are in the larger one."""
    profile = cm.load_hardware(name)
    before = cm.analyze("squeezenet:version=1.1", profile).totals.latency_s
    for axis, side in profile.compute.array.items():
        grown = profile.with_array(**{axis: 2 * side.size})
        assert cm.analyze("squeezenet:version=1.1", grown).totals.latency_s <= before


@pytest.mark.parametrize(
    ("profile", "sizes", "said"),
    [
        ("eyeriss", {"rows": 0}, "rows=0 is no size of an array; give whole numbers from 1"),
        ("eyeriss", {"rows": 1.5, "columns": True}, "rows=1.5, columns=True is no size"),
        ("eyeriss", {"row": 4}, r"no array axis 'row' \(did you mean 'rows'\?\): it has rows, columns"),
        ("stm32h743", {"rows": 4}, "no array axis 'rows': it has no array"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(profile, sizes, said):
    """One message per profile says what to give."""
    with pytest.raises(HardwareError, match=said):
        cm.load_hardware(profile).with_array(**sizes)
