"""What-if: one constant changed, everything else the same."""

from __future__ import annotations

import dataclasses
import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import HardwareError
from costmodel.hardware import GIVEN_BY_USER, load_hardware, profile_names

NAMES = profile_names()


def refusal(path: str, value, **ends) -> str:
    """Return the message of a change that is refused."""
    with pytest.raises(HardwareError) as error:
        load_hardware("snapdragon").with_constant(path, value, **ends)
    return str(error.value)


def constants(profile) -> dict[str, float]:
    """Return the values of a profile by name."""
    return {constant.name: constant.value for constant in profile.constants()}


@pytest.mark.parametrize("name", NAMES)
def test_every_constant_can_be_changed_alone(name):
    """Twice its value, half that of a part, which must fit; exact, given by the user; all others stay."""
    profile = load_hardware(name)
    for before in profile.constants():
        new = before.value * (0.5 if ".parts." in before.name else 2)
        changed = profile.with_constant(before.name, new)
        (after,) = [constant for constant in changed.constants() if constant.name == before.name]
        assert (new,) * 3 == (after.low, after.value, after.high)
        assert (after.source, after.tier) == (GIVEN_BY_USER, "assumed")
        assert before.unit == after.unit
        assert constants(changed) == constants(profile) | {before.name: new}


def test_parts_stay_within_their_memory():
    """A part that is made too large, or a memory too small for its parts, is refused by name."""
    profile = load_hardware("eyeriss-168")
    with pytest.raises(HardwareError, match=r"^eyeriss-168: rf\.parts: weight 500 B, ifmap 24 B, ofmap 48 B are 572 B tog"):
        profile.with_constant("rf.parts.weight", "500 B")
    with pytest.raises(HardwareError, match=r"the capacity is 256 B: make them smaller or it larger$"):
        profile.with_constant("rf.capacity", "256 B")
    assert profile.with_constant("rf.parts.weight", "64 B").level("rf").parts["weight"].value == 64.0


def test_quantities_and_ranges():
    """Text with a unit, a number in the base unit, and a range."""
    profile = load_hardware("snapdragon")
    vtcm = profile.with_constant("vtcm.capacity", "2 MiB").level("vtcm").capacity_bytes
    assert vtcm.value == 2.0**21
    assert vtcm.where == "was 8 MiB (litert)"
    clock = profile.with_constant("compute.clock", "1.2 GHz", low=1e9, high="1.4 GHz").compute.clock_hz
    assert (clock.low, clock.value, clock.high) == (1e9, 1.2e9, 1.4e9)
    rate = profile.with_constant("compute.macs_per_cycle.int8", 4096).compute.macs_per_cycle["int8"]
    assert rate.text == "4096 MAC/cycle"
    assert profile.with_constant("static_power", 0).static_w.value == 0.0


def test_unlimited():
    """A bandwidth can be lifted, and one that is not set can be given."""
    lifted = load_hardware("snapdragon").with_constant("dram.bandwidth", "unlimited")
    assert lifted.level("dram").bandwidth_bytes_per_s is None
    assert "dram.bandwidth" not in constants(lifted)
    limited = lifted.with_constant("dram.bandwidth", "10 GB/s").level("dram").bandwidth_bytes_per_s
    assert (limited.value, limited.where) == (1e10, "was unlimited")
    small = lifted.with_constant("dram.capacity", "4 GiB")
    assert small.level("dram").capacity_bytes.value == 2.0**32
    assert small.with_constant("dram.capacity", "unlimited").level("dram").capacity_bytes is None


def test_changes_add_up_and_leave_the_original_alone():
    """Profiles are values: a change makes a new one."""
    profile = load_hardware("snapdragon")
    before = constants(profile)
    twice = profile.with_constant("vtcm.capacity", "1 MiB").with_constant("compute.clock", "2 GHz")
    assert constants(twice) == before | {"vtcm.capacity": 2.0**20, "compute.clock": 2e9}
    assert constants(profile) == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.overlap = False


@pytest.mark.parametrize(
    ("path", "value", "ends", "part"),
    [
        (
            "vtcm.capacty",
            "1 MiB",
            {},
            "snapdragon: no constant 'vtcm.capacty' (did you mean 'vtcm.capacity'?): it has",
        ),
        ("vtcm", "1 MiB", {}, "snapdragon: no constant 'vtcm'"),
        ("compute.clock", "1 GB", {}, "compute.clock: '1 GB' is a number of bytes, not a frequency"),
        ("compute.clock", "1000", {}, "compute.clock: '1000' has no unit"),
        ("compute.clock", 0, {}, "compute.clock: 0.0 Hz is zero: write more than 0"),
        ("compute.clock", -1.0, {}, "compute.clock: -1.0 Hz is negative"),
        ("compute.clock", math.nan, {}, "compute.clock: 'nan Hz' is not a finite number"),
        ("compute.clock", math.inf, {}, "is not a finite number"),
        ("compute.macs_per_cycle.int8", math.nan, {}, "nan is not a finite number"),
        (
            "compute.clock",
            "1 GHz",
            {"low": "2 GHz"},
            "low <= value <= high does not hold: 2e+09, 1e+09, 1e+09 Hz",
        ),
        ("vtcm.capacity", "unlimited", {}, "only a bandwidth and dram.capacity can, give a quantity in B"),
        ("compute.mac_energy.int8", "unlimited", {}, "cannot be unlimited"),
    ],
)
def test_what_is_refused(path, value, ends, part):
    """A change obeys the rules of a file."""
    assert part in refusal(path, value, **ends)


def test_unknown_level():
    """Levels are known by name."""
    with pytest.raises(
        HardwareError, match=r"no memory level 'vtmc' \(did you mean 'vtcm'\?\): it has dram, vtcm"
    ):
        load_hardware("snapdragon").level("vtmc")


@given(st.floats(min_value=1.0, max_value=1e15))
def test_numbers_are_taken_in_the_base_unit(value):
    """No float is rounded on its way in."""
    profile = load_hardware("snapdragon")
    assert value == profile.with_constant("dram.bandwidth", value).level("dram").bandwidth_bytes_per_s.value


@pytest.mark.parametrize("name", NAMES)
def test_profiles_travel_to_other_processes(name):
    """A profile survives pickling, which executors need."""
    profile = load_hardware(name)
    assert profile == pickle.loads(pickle.dumps(profile))
