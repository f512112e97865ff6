"""Quantities: what is read, what is refused and why, and what people see."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel import units
from costmodel.errors import UnitError
from costmodel.units import parse

POSITIVE = st.floats(min_value=1e-9, max_value=1e18, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("160 pJ/B", "pJ/B", 160.0),
        ("20 pJ/bit", "pJ/B", 160.0),
        ("640 pJ / 32 bit", "pJ/B", 160.0),
        ("640 pJ/32bit", "pJ/B", 160.0),
        ("0.16 nJ/B", "pJ/B", 160.0),
        ("416 pJ / 2048 bit", "pJ/B", 1.625),
        ("1 J/GB", "pJ/B", 1000.0),
        ("8 MiB", "B", 8388608.0),
        ("8 MB", "B", 8e6),
        ("512kB", "B", 512e3),
        ("16 Mbit", "B", 2e6),
        ("8 Kibit", "B", 1024.0),
        ("1 TiB", "B", 2.0**40),
        ("1 TB", "B", 1e12),
        ("67.2 GB/s", "B/s", 67.2e9),
        ("1 GiB/s", "B/s", 2.0**30),
        ("8 Gbit/s", "B/s", 1e9),
        ("4 B/ns", "B/s", 4e9),
        ("787 MHz", "Hz", 787e6),
        ("32 kHz", "Hz", 32e3),
        ("25 us", "s", 25e-6),
        ("25 µs", "s", 25e-6),
        ("25 μs", "s", 25e-6),
        ("1.5 ms", "s", 1.5e-3),
        ("278 mW", "W", 0.278),
        ("2 mJ/s", "W", 0.002),
        ("0.23 pJ", "pJ", 0.23),
        ("1.3 nJ", "pJ", 1300.0),
        (" +1e-3  s ", "s", 1e-3),
        (".5 W", "W", 0.5),
        ("2. W", "W", 2.0),
        ("0 W", "W", 0.0),
        ("-3 W", "W", -3.0),
    ],
)
def test_parse_converts_to_the_unit_asked_for(text, unit, expected):
    """Prefixes, bits and counted denominators come out in the base unit."""
    assert expected == pytest.approx(parse(text, unit), rel=1e-15)


@pytest.mark.parametrize("text", ["0.03 pJ", "0.2 pJ", "3.7 pJ", "1e-12 pJ"])
def test_parse_is_exact_without_a_prefix_change(text):
    """A value already in the unit asked for is the float that Python reads."""
    assert float(text.split()[0]) == parse(text, "pJ")


@pytest.mark.parametrize(
    ("text", "unit", "part"),
    [
        ("160", "pJ/B", "'160' has no unit: write for example 160 pJ/B or 20 pJ/bit"),
        ("160", "B", "has no unit: write for example 2 MiB or 512 kB"),
        ("12", "B/s", "write for example 12.8 GB/s"),
        ("pJ/B", "pJ/B", "'pJ/B' does not start with a number"),
        ("", "s", "'' does not start with a number: write for example 25 us"),
        ("one W", "W", "does not start with a number: write for example 0.5 W"),
        ("1 kg", "B", "'kg' is not a unit"),
        ("1 KB", "B", "write kB (1000 bytes), KiB (1024 bytes) or kbit (1000 bits)"),
        ("1 Mb", "B", "write MB for bytes or Mbit for bits"),
        ("1 b", "B", "write B for bytes or bit for bits"),
        ("1 gb/s", "B/s", "write gB for bytes or gbit for bits"),
        ("1 mhz", "Hz", "did you mean mHz or MHz?"),
        ("1 hz", "Hz", "did you mean Hz?"),
        ("1 mbit", "B", "did you mean Mbit?"),
        ("1 mB", "B", "did you mean MB?"),
        ("1 pj/B", "pJ/B", "did you mean pJ?"),
        ("1 sec", "s", "'sec' is not a unit"),
        ("1 bytes", "B", "'bytes' is not a unit"),
        ("1 KiHz", "Hz", "'KiHz' is not a unit"),
        ("1 pJ/B/s", "pJ/B", "divides twice"),
        ("1 pJ/", "pJ/B", "'' is not a unit"),
        ("1 /B", "pJ/B", "'' is not a unit"),
        ("1 2 pJ", "pJ", "'2 pJ' is not a unit"),
        ("1 pJ / 0 bit", "pJ/B", "'0 bit' is not a unit"),
        (f"1 pJ / {'9' * 400} bit", "pJ/B", "is not a unit"),
        ("1 GB", "B/s", "is a number of bytes, not a bandwidth: write for example 12.8 GB/s"),
        ("1 pJ", "pJ/B", "is an energy, not an energy per byte"),
        ("1 s", "Hz", "is a time, not a frequency"),
        ("1 W", "pJ", "is a power, not an energy"),
        ("1 B/J", "B", "is another kind of quantity, not a number of bytes"),
        ("nan W", "W", "'nan W' is not a finite number"),
        ("-inf B", "B", "is not a finite number"),
        ("1e400 B", "B", "is not a finite number"),
        ("1e305 TB", "B", "is not a finite number"),
    ],
)
def test_parse_refuses_with_what_to_write(text, unit, part):
    """A refusal names what was given and what to write instead."""
    with pytest.raises(UnitError) as error:
        parse(text, unit)
    assert part in str(error.value)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize("bare", [160, 160.0, None, True])
def test_parse_refuses_what_is_not_text(bare):
    """A number from YAML has no unit either."""
    with pytest.raises(UnitError, match="has no unit: write for example 160 pJ/B"):
        parse(bare, "pJ/B")


@pytest.mark.parametrize("prefix", ["k", "M", "G", "T"])
def test_decimal_and_binary_prefixes_are_never_mixed(prefix):
    """KB with k = 1000 and Ki = 1024: each step differs by 1024/1000."""
    power = "kMGT".index(prefix) + 1
    binary = {"k": "Ki", "M": "Mi", "G": "Gi", "T": "Ti"}[prefix]
    assert 1000.0**power == parse(f"1 {prefix}B", "B")
    assert 1024.0**power == parse(f"1 {binary}B", "B")


@given(POSITIVE)
def test_parse_inverts_repr(value):
    """Every float survives being written out with its unit."""
    assert value == parse(f"{value!r} s", "s")


@given(POSITIVE, st.sampled_from(["B", "B/s", "Hz", "s", "W", "J", "pJ", "pJ/B"]), st.integers(3, 9))
def test_si_round_trip(value, unit, digits):
    """What people see reads back as the value to the digits shown."""
    text = units.si(value, unit, digits)
    assert math.isclose(value, parse(text, unit), rel_tol=0.51 * 10.0 ** (1 - digits), abs_tol=1e-21)


@given(POSITIVE)
def test_si_bytes_binary_round_trip(value):
    """The binary form reads back too, and never carries a decimal prefix."""
    text = units.si_bytes(value, 5, binary=True)
    assert text.split()[1] in {"B", "KiB", "MiB", "GiB", "TiB"}
    assert math.isclose(value, parse(text, "B"), rel_tol=1e-4, abs_tol=1e-12)


@given(st.integers(1, 10**14))
def test_si_count_stays_between_1_and_1000(count):
    """A count below the largest prefix shows one to three digits before the point."""
    number = units.si_count(count).split()[0]
    assert 1 <= float(number) < 1000


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (243_860_896, "B", "243.9 MB"),
        (999_960, "B", "1 MB"),
        (999.94, "B", "999.9 B"),
        (0, "B", "0 B"),
        (0.5, "B", "0.5 B"),
        (67.2e9, "B/s", "67.2 GB/s"),
        (160.0, "pJ/B", "160 pJ/B"),
        (1300.0, "pJ/B", "1.3 nJ/B"),
        (0.1, "pJ", "0.1 pJ"),
        (1e-15, "J", "0.001 pJ"),
        (0.0, "J", "0 J"),
        (-0.0, "J", "0 J"),
        (-0.0123, "J", "-12.3 mJ"),
        (787e6, "Hz", "787 MHz"),
        (25e-6, "s", "25 us"),
        (120.0, "s", "120 s"),
        (1e16, "B", "10000 TB"),
        (1e30, "B", "1e+18 TB"),
        (math.inf, "J", "inf J"),
        (math.nan, "s", "nan s"),
    ],
)
def test_si(value, unit, expected):
    """Four significant digits, no trailing zeros, the prefix chosen after rounding."""
    assert expected == units.si(value, unit)


def test_formatters_for_people():
    """One formatter per kind of quantity."""
    assert units.si_bytes(4_941_984) == "4.942 MB"
    assert units.si_bytes(110_592, binary=True) == "108 KiB"
    assert units.si_bytes(1.5, binary=True) == "1.5 B"
    assert units.si_bytes(0, binary=True) == "0 B"
    assert units.si_bytes(math.inf, binary=True) == "inf TiB"
    assert units.si_energy(0.0123) == "12.3 mJ"
    assert units.si_time(0.00195) == "1.95 ms"
    assert units.si_power(0.278) == "278 mW"
    assert units.si_count(724_406_816) == "724.4 M"
    assert units.si_count(96) == "96"
    assert units.si_count(0) == "0"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (8388608.0, "B", "8 MiB"),
        (110592.0, "B", "108 KiB"),
        (87360.0, "B", "87.36 kB"),
        (3e6, "B", "3 MB"),
        (1024000.0, "B", "1.024 MB"),
        (160.0, "pJ/B", "160 pJ/B"),
        (16384.0, "MAC/cycle", "16384 MAC/cycle"),
        (0.95, "MAC/cycle", "0.95 MAC/cycle"),
    ],
)
def test_quantity_writes_constants(value, unit, expected):
    """Sizes that are powers of 1024 show as such; rates keep all their digits."""
    assert expected == units.quantity(value, unit)


def test_split_number():
    """The number and the rest."""
    assert units.split_number("12.8 GB/s") == (12.8, "GB/s")


def test_import_loads_nothing_heavy():
    """`costmodel.units` needs the standard library only."""
    heavy = "('numpy', 'pydantic', 'ruamel', 'difflib')"
    code = f"import sys, costmodel.units; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
