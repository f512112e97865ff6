"""Corners of exploration: arrays of another size and memories in their elements, vast layers, groups of points, pools."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import prod
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import HardwareError, MappingError
from costmodel.explore.engine import FALLBACK_IN_FLIGHT, Inline, in_flight, in_flight_of_dask, pool_of
from costmodel.explore.grouping import distinct, groups
from costmodel.hardware.columns import array_axes, column, resized, with_columns
from tests.unit.searched import shared

SIDES = st.integers(1, 64)

# ---- arrays of another size


@pytest.mark.parametrize("name", ["eyeriss", "tpu-v1", "ws-16x16", "os-16x16"])
def test_memories_in_elements_are_as_many_as_elements(name):
    """Twice an axis, twice the instances of what each element has; memories that all share stay one."""
    before = cm.load_hardware(name)
    for axis, side in before.compute.array.items():
        after = resized(before, {axis: 2 * side.size})
        for old, new in zip(before.levels, after.levels, strict=True):
            assert new.instances == (2 * old.instances if old.per_element else old.instances)
            assert new.capacity_bytes == old.capacity_bytes


@given(SIDES, SIDES)
def test_resizing_is_in_proportion(rows, columns):
    """Whatever the sides: as many elements as their product, and rates in proportion to the 12 x 14 of the chip."""
    before = cm.load_hardware("eyeriss")
    after = resized(before, {"rows": rows, "columns": columns})
    [elements] = {level.instances for level in after.levels if level.per_element}

    assert elements == rows * columns == prod(side.size for side in after.compute.array.values())
    for form, rate in after.compute.macs_per_cycle.items():
        assert rate.value == pytest.approx(before.compute.macs_per_cycle[form].value * rows * columns / (12 * 14))


@given(st.lists(SIDES, min_size=1, max_size=5))
def test_columns_of_sides_are_the_sides_one_by_one(rows):
    """A column of sizes has at every point the rate of a profile of that size."""
    before = cm.load_hardware("eyeriss")
    together = with_columns(before, {"array.rows": np.array(rows)}).compute.macs_per_cycle
    for form, rate in together.items():
        alone = [resized(before, {"rows": side}).compute.macs_per_cycle[form].value for side in rows]
        assert rate.value.tolist() == pytest.approx(alone)


def test_sizes_that_are_no_numbers_are_named_together():
    """All of them in one message, before axes are looked up."""
    with pytest.raises(HardwareError, match=r"eyeriss: rows='4', column=-1 is no size of an array; give whole numbers"):
        resized(cm.load_hardware("eyeriss"), {"rows": "4", "column": -1})


def test_columns_are_exact_and_of_the_user():
    """The ends of their range are the value, in the unit that their name has."""
    values = np.array([1.0, 2.0])
    found = column("dram.bandwidth", values)

    assert found.low is found.value is found.high is values
    assert (found.unit, found.tier, found.where) == ("B/s", "assumed", "varies")


def test_axes_of_an_array_have_names():
    """In their order; none where there is no array."""
    assert array_axes(cm.load_hardware("eyeriss")) == ("array.rows", "array.columns")
    assert array_axes(cm.load_hardware("stm32h743")) == ()


# ---- layers beyond what is counted exactly


def test_a_layer_that_moves_too_much_is_refused():
    """2^40 weights and 64 x 64 positions in 16 bytes: more than 2^52 bits cross."""
    g = cm.Graph("vast")
    g.output(g.conv("conv", g.input("x", (1, 1 << 20, 64, 64)), 1 << 20, kernel=1, bias=False))

    with pytest.raises(MappingError, match=f"conv: moves more than {1 << 52} bits, beyond what is counted exactly"):
        cm.curve(g, capacity="16")


# ---- groups


@given(st.lists(st.integers(0, 71), min_size=1, max_size=12, unique=True))
def test_points_of_a_group_share_what_is_fixed(points):
    """Every point is in one group, whose fixed arguments, arguments in columns and constants are those of the point."""
    space, seen = shared(), []
    for places, group in groups(space, space.positions(np.array(points))):
        assert len(group) == places.size
        for member, place in enumerate(places.tolist()):
            at = space.at(points[place])
            arguments = group.named(group.network_of[[member]])
            assert {f"net.{name}": value for name, value in arguments.items() if f"net.{name}" in at} == {
                name: value for name, value in at.items() if name.startswith("net.")
            }
            assert group.hardware_of(member).levels[1].capacity_bytes.value == at["hw.sram"]
        seen += places.tolist()

    assert sorted(seen) == list(range(len(points)))


@given(st.lists(st.integers(-5, 5), min_size=1))
def test_distinct_keys_stand_for_all(keys):
    """Each once, and every key is that of its number."""
    array = np.array(keys)
    first, which = distinct(array)

    assert sorted(array[first].tolist()) == sorted(set(keys))
    assert array[first][which].tolist() == keys


# ---- pools


def test_an_error_is_kept_for_who_asks():
    """The thread that submits goes on; the result raises."""
    future = Inline().submit(int, "x")

    assert isinstance(future.exception(), ValueError)
    assert Inline().submit(int, "12").result() == 12


@pytest.mark.parametrize("workers", [1, 5])
def test_a_pool_keeps_every_worker_busy(workers):
    """Two chunks each and two more; where nobody tells how many there are, a fixed number."""
    with ThreadPoolExecutor(workers) as executor:
        assert pool_of(executor).in_flight() == in_flight(workers) == 2 * workers + 2
        assert not pool_of(executor).reopens
    assert pool_of(SimpleNamespace()).in_flight() == FALLBACK_IN_FLIGHT
    assert pool_of(None).in_flight() == 1


@pytest.mark.parametrize(("threads", "expected"), [({}, 64), ({"a": 1, "b": 2}, 64), ({"a": 16, "b": 16}, 66)])
def test_a_cluster_that_is_still_to_come_has_work(threads, expected):
    """Two chunks per thread and two more, and at least as many as where nobody tells."""
    assert in_flight_of_dask(SimpleNamespace(nthreads=lambda: threads)) == expected
