"""One constant: its line, its units, its range, its source."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from costmodel.errors import CostModelError, HardwareError
from costmodel.hardware import TIER_RATIO, TIERS, Constant, Source
from costmodel.hardware import constants as fields
from costmodel.hardware.constants import Given, constant, default_range, number, split_shorthand

KNOWN = {"han2015": "literature", "sheet": "datasheet", "assumed": "assumed"}
ENERGY = fields.ENERGY_PER_BYTE
FINITE = st.floats(min_value=1e-6, max_value=1e12)


def given_constant(value="160 pJ/B", *, low=None, high=None, source="han2015", tier=None):
    """Return a constant as a file gives it."""
    return Given(value, low, high, source, "Figure 1", tier)


def problems(given, kind=ENERGY) -> tuple[str, ...]:
    """Return what is wrong with a constant."""
    with pytest.raises(HardwareError) as error:
        constant("dram.read_energy", given, kind, KNOWN)
    return error.value.problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("160 pJ/B | han2015 | Figure 1", {"value": "160 pJ/B", "source": "han2015", "where": "Figure 1"}),
        (
            "160 (80 to 320) pJ/B | assumed | why | assumed",
            {
                "low": "80 pJ/B",
                "high": "320 pJ/B",
                "value": "160 pJ/B",
                "source": "assumed",
                "where": "why",
                "tier": "assumed",
            },
        ),
        (
            "200(200 to 200)pJ / 16 bit | k | w",
            {
                "low": "200 pJ / 16 bit",
                "high": "200 pJ / 16 bit",
                "value": "200 pJ / 16 bit",
                "source": "k",
                "where": "w",
            },
        ),
        ("32 (16 to 128) | k | w", {"low": "16", "high": "128", "value": "32", "source": "k", "where": "w"}),
    ],
)
def test_split_shorthand(text, expected):
    """Value, range, source, place and tier from one line."""
    assert expected == split_shorthand(text)


@pytest.mark.parametrize(
    "text", ["160 pJ/B", "160 pJ/B | han2015", "| a | b", "1 W | a | b | measured | more", "1 W || b"]
)
def test_split_shorthand_wants_source_and_place(text):
    """A constant without a source does not load; the message shows the form."""
    with pytest.raises(
        HardwareError, match=r"does not say where it comes from: write 'VALUE \| SOURCE \| WHERE'"
    ):
        split_shorthand(text)


def test_constant_in_base_units():
    """Quantities become floats, the tier and its range come from the source."""
    expected = Constant("dram.read_energy", 160.0, 128.0, 200.0, "pJ/B", "han2015", "Figure 1", "literature")
    assert expected == constant("dram.read_energy", given_constant("20 pJ/bit"), ENERGY, KNOWN)


def test_given_range_and_tier_win():
    """The file's own range and tier replace the defaults."""
    found = constant("x", given_constant(low="80 pJ/B", high="0.32 nJ/B", tier="scaled"), ENERGY, KNOWN)
    assert (found.low, found.value, found.high, found.tier) == (80.0, 160.0, 320.0, "scaled")


def test_one_given_end_leaves_the_other_to_the_tier():
    """Only low is given."""
    found = constant("x", given_constant(low="100 pJ/B"), ENERGY, KNOWN)
    assert (found.low, found.high) == (100.0, 200.0)


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        (given_constant("160"), ENERGY, "value: '160' has no unit: write for example 160 pJ/B or 20 pJ/bit"),
        (given_constant(160), ENERGY, "value: '160' has no unit"),
        (given_constant("160 pJ"), ENERGY, "value: '160 pJ' is an energy, not an energy per byte"),
        (given_constant("-1 pJ/B"), ENERGY, "value: -1 pJ/B is negative: write 0 or more"),
        (given_constant("-1 MHz"), fields.CLOCK, "value: -1 MHz is negative: write more than 0"),
        (given_constant("0 B"), fields.CAPACITY, "value: 0 B is zero: write more than 0"),
        (given_constant("0 GB/s"), fields.BANDWIDTH, "value: 0 GB/s is zero"),
        (given_constant(0), fields.MACS_PER_CYCLE, "value: 0 is zero"),
        (given_constant(math.nan), ENERGY, "value: nan is not a finite number"),
        (given_constant(math.inf), fields.MACS_PER_CYCLE, "value: inf is not a finite number"),
        (given_constant("nan"), fields.MACS_PER_CYCLE, "value: nan is not a finite number"),
        (
            given_constant("many"),
            fields.MACS_PER_CYCLE,
            "value: 'many' is no number of MAC/cycle: write for example 16",
        ),
        (
            given_constant(low="200 pJ/B"),
            ENERGY,
            "low: 200 pJ/B is above the value 160 pJ/B: low <= value <= high",
        ),
        (given_constant(high="100 pJ/B"), ENERGY, "high: 100 pJ/B is below the value 160 pJ/B"),
        (given_constant(low="100"), ENERGY, "low: '100' has no unit"),
        (
            given_constant(source="han2016"),
            ENERGY,
            "source: 'han2016' is not in the bibliography (did you mean 'han2015'?)",
        ),
        (
            given_constant(source="assumed", tier="measured"),
            ENERGY,
            "tier: 'measured' given with the source 'assumed'",
        ),
    ],
)
def test_what_is_refused(given, kind, expected):
    """One sentence, beginning with the field it speaks of."""
    (problem,) = problems(given, kind)
    assert problem.startswith(expected)


def test_all_problems_of_a_constant_at_once():
    """Value, both ends and the source are judged together."""
    found = problems(given_constant("160", low="1 W", high="-2 pJ/B", source="nowhere"))
    assert [problem.split(":")[0] for problem in found] == ["value", "low", "high", "source"]


@pytest.mark.parametrize(
    ("quantity", "expected"), [(16, 16.0), ("16", 16.0), ("16 MAC/cycle", 16.0), (0.95, 0.95)]
)
def test_counts_need_no_unit(quantity, expected):
    """MACs per cycle are plain numbers, their unit optional."""
    assert expected == number(quantity, fields.MACS_PER_CYCLE)


def test_zero_energy_is_allowed():
    """What a comparison leaves out may cost nothing."""
    assert number("0 W", fields.STATIC_POWER) == 0.0


def test_tiers_widen_in_order():
    """The less is known, the wider the default range."""
    assert list(TIERS) == list(TIER_RATIO)
    assert sorted(TIER_RATIO.values()) == list(TIER_RATIO.values())
    assert min(TIER_RATIO.values()) > 1.0


@pytest.mark.parametrize("tier", TIERS)
def test_sizes_are_exact(tier):
    """A memory of another size is another machine."""
    assert default_range(8.0, tier, fields.CAPACITY) == (8.0, 8.0)


def test_design_figures_are_exact_unless_scaled_or_assumed():
    """A published clock has no range, an assumed one has."""
    assert default_range(2e8, "literature", fields.CLOCK) == (2e8, 2e8)
    assert default_range(2e8, "assumed", fields.CLOCK) == (1e8, 4e8)


@given(FINITE, st.sampled_from(TIERS), st.sampled_from(list(fields.FIELDS.values())))
def test_default_ranges_contain_the_value(value, tier, kind):
    """Low <= value <= high for every tier and field, and their ratio is the tier's."""
    low, high = default_range(value, tier, kind)
    assert low <= value <= high
    assert math.isclose(1.0 if low == high else TIER_RATIO[tier] ** 2, high / low, rel_tol=1e-12)


@given(FINITE, FINITE, FINITE)
def test_a_range_loads_exactly_when_it_is_ordered(low, value, high):
    """Any three numbers: either the constant has them, or the refusal says which end is wrong."""
    given = given_constant(f"{value!r} pJ/B", low=f"{low!r} pJ/B", high=f"{high!r} pJ/B")
    if low <= value <= high:
        found = constant("x", given, ENERGY, KNOWN)
        assert (low, value, high) == (found.low, found.value, found.high)
    else:
        expected = ["low"] * (low > value) + ["high"] * (high < value)
        assert expected == [problem.split(":")[0] for problem in problems(given)]


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(list(fields.FIELDS.values())))
def test_numbers_in_are_finite_and_not_negative(value, kind):
    """Whatever float is given, what comes out is one a formula can use."""
    text = f"{value!r} {kind.unit}"
    try:
        found = number(text if kind.unit not in fields.DIMENSIONLESS else value, kind)
    except CostModelError:
        assert not math.isfinite(value) or value < 0 or (value == 0 and kind.positive)
    else:
        assume(math.isfinite(value))
        assert value == found
        assert found > 0 or not kind.positive


def test_constant_reads_well():
    """A constant as a line of a listing."""
    found = constant("glb.capacity", given_constant("108 KiB", source="sheet"), fields.CAPACITY, KNOWN)
    assert str(found) == "glb.capacity = 108 KiB, datasheet: sheet, Figure 1"
    assert found.exact
    assert (
        str(constant("dram.read_energy", given_constant(), ENERGY, KNOWN))
        == "dram.read_energy = 160 pJ/B (128 pJ/B to 200 pJ/B), literature: han2015, Figure 1"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("k", "Title"), "Title"),
        (Source("k", "Title", url="https://a.b"), "Title. https://a.b"),
        (
            Source("k", "Title", authors="A", venue="V", year=2014, doi="10/1"),
            "A: Title. V, 2014. https://doi.org/10/1",
        ),
        (Source("k", "Title", year=2014), "Title. 2014"),
    ],
)
def test_references(source, expected):
    """One line per entry of the bibliography, without empty parts."""
    assert expected == source.reference
