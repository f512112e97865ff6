"""Words and cells on a terminal: widths, line breaks, cuts, colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from costmodel.report.layout import NARROW, chopped, colored, columns, cut, padded, shortened, wrapped

TEXT = st.text(st.sampled_from("ab 1%-.层é…"), max_size=60)


@pytest.mark.parametrize(("text", "expected"), [("", 0), ("abc", 3), ("层层", 4), ("é", 1), ("█▋", 2)])
def test_columns_of_the_screen(text, expected):
    """A wide character takes two columns."""
    assert columns(text) == cell_len(text) == expected


@pytest.mark.parametrize(("right", "expected"), [(False, "层  "), (True, "  层")])
def test_padding_counts_columns(right, expected):
    """Blanks fill up the columns, not the characters."""
    assert padded("层", 4, right=right) == expected


def test_padding_never_cuts():
    """A text that is too long stays as it is."""
    assert padded("abc", 2) == "abc"


@given(TEXT, st.integers(2, 30))
def test_lines_fit_and_lose_nothing(text, width):
    """No line is too wide, and joined they hold every word."""
    lines = wrapped(text, width)

    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(TEXT, st.integers(2, 30))
def test_breaking_at_hyphens_loses_nothing(text, width):
    """The same with breaks behind hyphens."""
    lines = wrapped(text, width, name=True)

    assert all(columns(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("one two three", 7, ["one two", "three"]),
        ("one two", 80, ["one two"]),
        ("", 10, [""]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("a abcdefgh b", 3, ["a", "abc", "def", "gh", "b"]),
        ("shares 37.5 % and", 12, ["shares", "37.5 % and"]),
        ("from 841 uJ to 1.52 mJ, all", 14, ["from 841 uJ to", "1.52 mJ, all"]),
        ("at 160 pJ/B, each", 9, ["at", "160 pJ/B,", "each"]),
        ("by 2 Macs", 7, ["by 2", "Macs"]),
    ],
)
def test_line_breaks(text, width, expected):
    """At blanks, never between a number and its unit, and within a word only where nothing else helps."""
    assert wrapped(text, width) == expected


def test_breaks_behind_hyphens():
    """Names of figures are broken where they have hyphens."""
    assert wrapped("alexnet-conv1-at-most", 15, name=True) == ["alexnet-conv1-", "at-most"]
    assert wrapped("squeezenet:version=1.1,input=64@int8", 14, name=True) == ["squeezenet", ":version=1.1", ",input=64@int8"]
    assert wrapped("::a,,@", 1, name=True) == [":", ":", "a", ",", ",", "@"]
    assert wrapped("alexnet-conv1-at-most", 15) == ["alexnet-conv1-a", "t-most"]


@given(st.text(st.sampled_from("ab层"), min_size=1, max_size=30), st.integers(2, 9))
def test_chopped_words_fit(word, width):
    """Parts fit, and make up the word."""
    parts = list(chopped(word, width))

    assert all(columns(part) <= width for part in parts)
    assert "".join(parts) == word


@pytest.mark.parametrize("width", range(8, 60, 3))
@pytest.mark.parametrize("name", ["features.denseblock3.denselayer11.conv1", "层" * 30, "short", "a"])
def test_shortened_names_fit(name, width):
    """A shortened name fits, keeps its end, and says that it is shortened."""
    found = shortened(name, width)

    assert columns(found) <= width
    assert found == name or ("…" in found and name.endswith(found.rpartition("…")[2]))


@pytest.mark.parametrize(("text", "width", "expected"), [("abc", 2, "ab"), ("层层", 3, "层"), ("abc", 0, ""), ("abc", -1, "")])
def test_cuts(text, width, expected):
    """A wide character is not cut in half."""
    assert cut(text, width) == expected


@pytest.mark.parametrize(
    ("style", "color", "expected"),
    [("bold", True, "\x1b[1mab\x1b[0m"), ("bold", False, "ab"), ("", True, "ab"), ("red", True, "\x1b[1;31mab\x1b[0m")],
)
def test_colours(style, color, expected):
    """A style is closed on its line, and blanks at the end are left out."""
    assert colored("ab  ", style, color=color) == expected


def test_an_empty_line_has_no_colour():
    """Nothing is not bold."""
    assert colored("   ", "bold", color=True) == ""


def test_narrow_characters_take_one_column():
    """What is counted without the library takes the columns that the library says."""
    narrow = [chr(code) for code in range(0x11000) if NARROW.fullmatch(chr(code))]

    assert {"…", "─", "│", "╭", "█", "µ", "é"} <= set(narrow)
    assert [character for character in narrow if cell_len(character) != 1] == []
