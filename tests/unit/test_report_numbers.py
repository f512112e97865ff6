"""Numbers as a report shows them: one unit per column, honest rounding."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.report.names import visible
from costmodel.report.numbers import Scale, bar, bare_ratio, counted, listed, scale, share, span, times


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([1552, 9280], "B", Scale("kB", 1e3, 3)),
        ([724_406_816, 12], "", Scale("M", 1e6, 1)),
        ([0.0014705], "J", Scale("mJ", 1e-3, 3)),
        ([659.4e-6, 0.6e-6], "s", Scale("us", 1e-6, 1)),
        ([12, 7], "B", Scale("B", 1, 0)),
        ([12, 7], "", Scale("", 1, 0)),
        ([0, 0], "B", Scale("B", 1, 0)),
        ([], "", Scale("", 1, 0)),
        ([math.inf, 5000], "B", Scale("kB", 1e3, 3)),
    ],
)
def test_the_largest_value_chooses_the_unit(values, unit, expected):
    """One unit for a column, with four digits of its largest value."""
    assert scale(values, unit) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(1552, "1.6"), (1_234_567, "1,234.6"), (2, "<0.1"), (0, "-"), (math.inf, "inf"), (51, "0.1")]
)
def test_small_values_do_not_become_zero(value, expected):
    """What would round to nothing says that it is less than the last digit; nothing at all is a dash."""
    assert Scale("kB", 1e3, 1).text(value) == expected


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=8))
def test_a_column_shows_every_value_within_half_a_digit(values):
    """Reading a cell back gives the value to the digits shown, in the unit of the header."""
    found = scale(values, "B")

    for value in values:
        shown = found.text(value)
        if not shown.startswith("<"):
            read = float(shown.replace(",", "")) * found.factor
            assert abs(read - value) <= found.factor * 10.0**-found.decimals / 2 * (1 + 1e-9) + value * 1e-12


@given(st.lists(st.integers(1, 10**15), min_size=1, max_size=8))
def test_the_largest_value_has_three_or_four_digits(values):
    """The largest value is neither hidden nor a wall of digits."""
    found = scale(values, "B")
    digits = found.text(max(values)).replace(",", "").replace(".", "").lstrip("0")

    assert 1 <= len(digits) <= 5


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(1, 8, "12.5 %"), (1, 10**6, "<0.1 %"), (0, 3, "-"), (1, 0, "-"), (3, 3, "100 %"), (99_999, 100_000, "100 %")],
)
def test_shares(part, whole, expected):
    """Percent with one decimal; tiny parts stay visible."""
    assert share(part, whole) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (48.833, "48.8x"), (1, "1.00x"), (9.996, "10.0x"), (99.96, "100x"), (1234.5, "1,234x"), (0.0123, "0.0123x"),
        (0.5, "0.50x"), (0, "0.00x"), (math.inf, "infx"),
    ],
)  # fmt: skip
def test_ratios(ratio, expected):
    """Three digits, whatever the size."""
    assert times(ratio) == expected
    assert bare_ratio(ratio) + "x" == expected


@pytest.mark.parametrize(
    ("low", "high", "unit", "expected"),
    [
        (0.0027, 0.0305, "J", "2.7 to 30.5 mJ"),
        (0.0008, 0.0305, "J", "800 uJ to 30.5 mJ"),
        (1.0, 1.0, "s", "exactly 1 s"),
        (0.0, 0.5, "J", "0 J to 500 mJ"),
    ],
)
def test_ranges(low, high, unit, expected):
    """The unit is written once where both ends share it."""
    assert span(low, high, unit) == expected


@pytest.mark.parametrize(("part", "width"), [(0, 4), (1, 4), (0.5, 10), (0.99, 10), (1, 10)])
def test_a_bar_is_as_long_as_its_part(part, width):
    """A bar never exceeds its width, and is rounded to an eighth."""
    assert abs(len(bar(part, 1, width)) - part * width) < 1


def test_a_bar_of_nothing_is_empty():
    """No whole, no bar."""
    assert (bar(1, 0), bar(0, 1)) == ("", "")


def test_lists_in_sentences():
    """Commas, and the last item after an and."""
    assert [listed(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_counted_things():
    """One layer, two layers."""
    assert [counted(n, "layer") for n in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fire2/squeeze1x1", "fire2/squeeze1x1"), ("größe 层", "größe 层"), ("a\x1b[31mb", "a\\x1b[31mb"), ("a\nb", "a\\nb"),
        ("\u202edesrever", "\\u202edesrever"), ("\ud800", "\\ud800"), ("a\tb\r", "a\\tb\\r"), ("", ""),
    ],
)  # fmt: skip
def test_names_cannot_act(text, expected):
    """Control characters, changes of direction and broken code points are written as escapes."""
    assert visible(text) == expected


@given(st.text())
def test_whatever_the_name_it_is_printable(text):
    """No text survives with a character that is not printable, and none is lost."""
    assert visible(text).isprintable()
    assert len(visible(text)) >= len(text)
