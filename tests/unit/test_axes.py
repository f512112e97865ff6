"""What varies in a sweep: names, ranges, lists, and everything that makes no sense."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import CostModelError, HardwareError, InputError
from costmodel.explore.axes import MOST_POINTS, Axis, axis_of, constant_name, number, numbers, ranged, tidy
from costmodel.hardware import load_hardware, profile_names
from tests.unit.machine import constant, machine

KIB = 1024


def values(name, text, hardware=None):
    """Return the values of an axis on the machine of round numbers."""
    return axis_of(name, text, hardware or machine()).values


# ---- names


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("hw.sram", "hw.sram.capacity"),
        ("hw.rf", "hw.rf.capacity"),
        ("hw.sram.capacity", "hw.sram.capacity"),
        ("hw.sram.read_energy", "hw.sram.read_energy"),
        ("hw.dram.bandwidth", "hw.dram.bandwidth"),
        ("hw.sram.bandwidth", "hw.sram.bandwidth"),
        ("hw.compute.clock", "hw.compute.clock"),
        ("hw.static_power", "hw.static_power"),
        ("batch", "batch"),
        ("dtype", "dtype"),
        ("schedule", "schedule"),
        ("state", "state"),
    ],
)
def test_names_in_full(name, full):
    """A level stands for its capacity; every other name is complete, a bandwidth that is not limited yet among them."""
    assert constant_name(name, machine(inner=64)) == full


def test_sram_is_the_first_memory_on_chip_whatever_its_name():
    """The phone calls it vtcm."""
    assert constant_name("hw.sram", load_hardware("snapdragon")) == "hw.vtcm.capacity"


def test_a_level_called_sram_is_meant_by_its_name():
    """Where an inner memory has that name, the name wins over the alias."""
    plain = machine(inner=64)
    dram, first, second = plain.levels
    renamed = replace(plain, levels=(dram, replace(first, name="cache"), replace(second, name="sram")))
    named = constant("sram.capacity", 64.0, "B")
    renamed = replace(renamed, levels=(*renamed.levels[:2], replace(renamed.levels[2], capacity_bytes=named)))
    assert constant_name("hw.sram", renamed) == "hw.sram.capacity"
    assert constant_name("hw.cache", renamed) == "hw.cache.capacity"


@pytest.mark.parametrize("profile", profile_names())
def test_every_profile_has_something_to_vary(profile):
    """The alias and every constant of a level, but the size of the backing store, which no figure depends on."""
    hardware = load_hardware(profile)
    first = hardware.levels[1].name
    assert constant_name("hw.sram", hardware) in (f"hw.{first}.capacity", "hw.sram.capacity")
    for path in hardware.settable_names():
        if path == f"{hardware.levels[0].name}.capacity":
            with pytest.raises(InputError, match="cannot vary"):
                constant_name(f"hw.{path}", hardware)
        else:
            assert constant_name(f"hw.{path}", hardware) == f"hw.{path}"


@pytest.mark.parametrize("name", ["hw.dram", "hw.dram.capacity", "hw.bogus", "sram", "hw.", "", "batches", "hw.sram.bogus"])
def test_names_that_cannot_vary(name):
    """One message, with everything that can."""
    with pytest.raises(InputError) as raised:
        constant_name(name, machine())
    (message,) = raised.value.problems
    assert message.startswith(f"vary: {name!r} cannot vary on machine")
    assert "use hw.sram, batch, dtype, schedule, state, hw.dram.read_energy" in message
    assert "hw.dram.capacity" not in message.partition("use ")[2]


def test_a_typing_mistake_is_recognised():
    """The nearest name is proposed."""
    with pytest.raises(InputError, match=r"did you mean 'hw\.dram\.bandwidth'\?"):
        constant_name("hw.dram.bandwith", machine())


# ---- values in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32KiB:256KiB:2x", [32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB]),
        ("32KiB:300KiB:2x", [32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB]),
        ("32KiB:32KiB:2x", [32 * KIB]),
        ("1KiB:4KiB:1KiB", [KIB, 2 * KIB, 3 * KIB, 4 * KIB]),
        ("1KiB:4KiB:1.5KiB", [KIB, 2.5 * KIB, 4 * KIB]),
        (" 1 KiB : 4 KiB : 2x ", [KIB, 2 * KIB, 4 * KIB]),
        ("1:10:3", [1, 4, 7, 10]),
        ("1kB:8kB:1.5x", [1000, 1500, 2250, 3375, 5062.5, 7593.75]),
        ("1MiB", [KIB * KIB]),
        ("1MiB,4kB , 17", [KIB * KIB, 4000, 17]),
        ("4MiB,1MiB", [4 * KIB * KIB, KIB * KIB]),
        ("1e3,2.5", [1000, 2.5]),
        ("1B:1e18B:1000x", [10**power for power in range(0, 19, 3)]),
    ],
)
def test_sizes(text, expected):
    """Factors, sums, lists and single values, with units or in bytes."""
    assert values("hw.sram", text) == tuple(map(float, expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1:64:2x", (1, 2, 4, 8, 16, 32, 64)), ("1:9:2", (1, 3, 5, 7, 9)), ("16,1", (16, 1)), ("3", (3,)), ("1e3", (1000,))],
)
def test_batches(text, expected):
    """Whole numbers, as they are."""
    found = axis_of("batch", text, machine())
    assert found == Axis("batch", expected, tuple(map(str, expected)))
    assert [type(value) for value in found.values] == [int] * len(expected)


@pytest.mark.parametrize(
    ("name", "text", "expected", "labels"),
    [
        ("hw.sram", "32KiB:64KiB:2x", (32768.0, 65536.0), ("32 KiB", "64 KiB")),
        ("hw.sram", "512kB", (512000.0,), ("512 kB",)),
        ("hw.dram.bandwidth", "1GB/s:4GB/s:2x", (1e9, 2e9, 4e9), ("1 GB/s", "2 GB/s", "4 GB/s")),
        ("hw.dram.read_energy", "5 pJ/bit", (40.0,), ("40 pJ/B",)),
        ("hw.compute.clock", "787 MHz", (787e6,), ("787 MHz",)),
        ("hw.static_power", "0,100mW,0.5", (0.0, 0.1, 0.5), ("0 W", "100 mW", "500 mW")),
        ("hw.layer_overhead", "1us:3us:1us", (1e-6, 2e-6, 3e-6), ("1 us", "2 us", "3 us")),
        ("hw.compute.macs_per_cycle.int8", "16 MAC/cycle,1e3", (16.0, 1000.0), ("16 MAC/cycle", "1000 MAC/cycle")),
        ("dtype", "int8, fp32", ("int8", "fp32"), ("int8", "fp32")),
        ("schedule", "layer,fused", ("layer", "fused"), ("layer", "fused")),
        ("state", "cold", ("cold",), ("cold",)),
    ],
)
def test_values_and_labels(name, text, expected, labels):
    """Values in base units, labels for people; words with blanks around them."""
    found = axis_of(name, text, machine())
    assert (found.values, found.labels) == (expected, labels)


@given(st.integers(1, 40), st.integers(0, 12), st.integers(2, 5))
def test_a_range_of_factors_holds_its_ends(start, count, factor):
    """Start times a power, and the stop where a power meets it."""
    stop = start * factor**count
    found = numbers("batch", f"{start}:{stop}:{factor}x", "")
    assert found == [start * factor**step for step in range(count + 1)]
    assert numbers("batch", f"{start}:{stop + start}:{factor}x", "")[-1] <= stop + start


@given(st.integers(0, 1000), st.integers(0, 50), st.integers(1, 99))
def test_a_range_of_sums_holds_its_ends(start, count, step):
    """Like range(), with the stop."""
    stop = start + count * step
    assert numbers("batch", f"{start}:{stop}:{step}", "") == list(range(start, stop + 1, step))
    assert numbers("batch", f"{start}:{stop + step - 1}:{step}", "") == list(range(start, stop + 1, step))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3.0, 3), (2.5, 2.5), (1e-6 + 4 * 1e-6, 5e-6), (1e300, 1e300), (1.0000000000000004e285, 1e285), (7, 7)],
)
def test_values_are_tidy(value, expected):
    """Nobody sees the digits that binary fractions leave behind."""
    assert tidy(value) == expected


# ---- values from Python


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("hw.sram", [1024, 2048.0], (1024.0, 2048.0)),
        ("hw.sram", (1024, "2 KiB"), (1024.0, 2048.0)),
        ("hw.sram", np.array([1024, 4096]), (1024.0, 4096.0)),
        ("hw.sram", 1024, (1024.0,)),
        ("hw.sram", range(10, 31, 10), (10.0, 20.0, 30.0)),
        ("batch", np.array([1, 8]), (1, 8)),
        ("batch", [2, "4"], (2, 4)),
        ("dtype", ["int8", "fp32"], ("int8", "fp32")),
        ("state", iter(["cold", "steady"]), ("cold", "steady")),
    ],
)
def test_sequences(name, given, expected):
    """Anything that can be listed, of numbers of any library or quantities as text; one value may stand alone."""
    assert values(name, given) == expected


# ---- what makes no sense


@pytest.mark.parametrize(
    "text",
    [
        "nan", "inf", "-inf", "1e400", "1e400 B", "", " ", ",", "1MiB,", "1MiB,,2MiB", "abc", "1 KB", "1 MB/s", "1MiB:4MiB",
        "1:2:3:4", "::", "1MiB:2MiB:x", "1MiB:2MiB:nanx", "nan:2MiB:2x", "1MiB:inf:2x", "1:10:nan", "unlimited", "0x10",
        "9" * 5000, "1:4:1" + "0" * 400, "\u0663x",
    ],
)  # fmt: skip
def test_sizes_that_are_none(text):
    """One message that says which axis, what was given and what to write."""
    with pytest.raises(InputError) as raised:
        values("hw.sram", text)
    (message,) = raised.value.problems
    assert message.startswith("vary: hw.sram")
    assert "write" in message or "is not a unit" in message


@pytest.mark.parametrize(
    "text", ["4MiB:1MiB:2x", "1MiB:4MiB:1x", "1MiB:4MiB:0.5x", "1MiB:4MiB:0x", "0:4MiB:2x", "1:9:0", "1:9:-1"]
)
def test_ranges_that_lead_nowhere(text):
    """A range that does not reach its end, or never leaves its start."""
    with pytest.raises(InputError, match=r"does not lead from START to STOP; START must not exceed STOP"):
        values("hw.sram", text)


@pytest.mark.parametrize("text", ["1:10001:1", "1B:1GiB:1", "1:9999999999999999:1", "1:1e300:1.01x"])
def test_ranges_that_are_too_long(text):
    """As many values as points are priced at once, at most."""
    with pytest.raises(InputError, match=rf"takes more than {MOST_POINTS} values; take longer steps"):
        values("hw.sram", text)


def test_a_range_as_long_as_allowed():
    """The limit itself is no error."""
    assert len(list(ranged("batch", 1, MOST_POINTS, 1, grows=False))) == MOST_POINTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "machine: sram.capacity: 0.0 B is zero: write more than 0"),
        ("-1", "machine: sram.capacity: -1.0 B is negative: write more than 0"),
        ("1KiB,0", "machine: sram.capacity: 0.0 B is zero: write more than 0"),
        ("0 KiB", "vary: hw.sram: 0 KiB is zero: write more than 0"),
        ("-2MiB:2MiB:1MiB", "vary: hw.sram: -2MiB is negative: write more than 0"),
    ],
)
def test_sizes_that_no_memory_has(text, message):
    """What a profile refuses, an axis refuses, before anything is priced."""
    with pytest.raises(CostModelError) as raised:
        values("hw.sram", text)
    assert raised.value.problems == (message,)


@pytest.mark.parametrize(
    "given", [True, None, 10**400, float("nan"), float("inf"), 1j, [None], [True], [[1]], {1j: 1}, [1, object()]]
)
def test_what_is_no_number(given):
    """Python values of the wrong kind are the same error as text."""
    with pytest.raises(InputError, match=r"vary: hw\.sram is .*; write a quantity in B"):
        values("hw.sram", given)


@pytest.mark.parametrize("given", [[], (), np.array([]), {}, iter(())])
@pytest.mark.parametrize("name", ["hw.sram", "batch", "dtype", "schedule", "state"])
def test_no_values_at_all(name, given):
    """An empty axis has no points."""
    with pytest.raises(InputError, match=f"vary: no values given for {name}; give at least one"):
        values(name, given)


@pytest.mark.parametrize("text", ["0", "1.5", "-1", "2000000", "1:4:0.5", [1.5], [0], "1:8:1.5x"])
def test_batches_that_are_none(text):
    """Only positive whole numbers."""
    with pytest.raises(InputError, match=r"batch: .* given; give a whole number from 1 to 1048576"):
        values("batch", text)


@pytest.mark.parametrize("text", ["true", "nan", "1MiB", "", [True], [None], "all"])
def test_batches_that_are_no_numbers(text):
    """Nothing but numbers."""
    with pytest.raises(InputError, match=r"vary: batch is .*; write a whole number"):
        values("batch", text)


@pytest.mark.parametrize(
    ("name", "text", "unknown", "known"),
    [
        ("dtype", "int8,int9", "'int9'", "int4, int8, int16, fp16, bf16, fp32"),
        ("dtype", "", "''", "int4, int8, int16, fp16, bf16, fp32"),
        ("schedule", "layers,fuse", "'layers', 'fuse'", "layer, resident, fused"),
        ("schedule", [None], "'None'", "layer, resident, fused"),
        ("state", "warm", "'warm'", "steady, cold"),
        ("state", [1, True], "'1', 'True'", "steady, cold"),
    ],
)
def test_words_that_are_none(name, text, unknown, known):
    """All wrong words at once, and the right ones."""
    with pytest.raises(InputError) as raised:
        values(name, text)
    assert raised.value.problems == (f"vary: {name} cannot be {unknown}; it takes {known}",)


def test_formats_that_the_hardware_cannot_multiply():
    """Known before the first point is priced."""
    with pytest.raises(HardwareError, match="machine has no multiplier for bf16; it has int8, fp32"):
        values("dtype", "int8,bf16")


def outcome(call, *arguments):
    """Return what a call gives, or the problems it has with the input."""
    try:
        return call(*arguments)
    except CostModelError as error:
        return error.problems


@given(st.text(max_size=12))
def test_no_text_breaks_a_number(text):
    """Whatever is typed is a finite number or a message."""
    for path in ("sram.capacity", "compute.macs_per_cycle.int8", ""):
        found = outcome(number, "hw.sram", text, path)
        if isinstance(found, tuple):
            assert all(problem.startswith("vary: hw.sram") for problem in found)
        else:
            assert isfinite(found)


@given(st.text(alphabet="0123456789.:,xKiMB -e", max_size=14))
def test_no_text_breaks_an_axis(text):
    """Nor any range or list."""
    found = outcome(axis_of, "hw.sram", text, machine())
    if isinstance(found, Axis):
        assert len(found.values) == len(found.labels) >= 1
        assert all(value > 0 for value in found.values)
    else:
        assert found
        assert all("\n" not in problem for problem in found)


# ---- order


@pytest.mark.parametrize(
    ("name", "text", "ascends"),
    [
        ("batch", "1:8:2x", True),
        ("batch", "8,1", False),
        ("batch", "4", True),
        ("hw.sram", "1,1", False),
        ("schedule", "layer,resident", False),
    ],
)
def test_what_ascends(name, text, ascends):
    """Numbers, each larger than the one before."""
    assert axis_of(name, text, machine()).ascends is ascends
