"""Pins as they are written: words, mappings and files are read to the same, and whatever is none is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.joint.pinning import given_pins
from costmodel.mapping.levels.hierarchy import OPERANDS
from costmodel.mapping.levels.pin_words import read_mapping, read_words
from costmodel.mapping.levels.pins import (
    FREE,
    UNPINNED,
    LayerPins,
    PassingPin,
    Pins,
    SidePin,
    StationaryPin,
    TilePin,
    pins_of,
)

DIMS = "ngkcpqrs"
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
TILES = st.builds(TilePin, NAMES, st.sampled_from(DIMS), st.integers(1, 10**6))
STAYING = st.builds(StationaryPin, NAMES, st.sampled_from(OPERANDS))
PASSING = st.builds(PassingPin, NAMES, st.sampled_from(OPERANDS), st.booleans())
SIDES = st.builds(
    SidePin,
    NAMES,
    st.dictionaries(st.sampled_from(DIMS), st.integers(0, 99), max_size=3).map(lambda found: tuple(found.items())),
    st.booleans(),
)
PINS = st.one_of(TILES, STAYING, PASSING, SIDES)
ENTRIES = st.lists(st.tuples(st.sampled_from(["*", "conv*", "fc?", "fire2/squeeze"]), PINS), max_size=6, unique=True)


@given(ENTRIES)
def test_what_is_written_is_read_back(entries):
    """The words of pins are read to the same pins, and so is a mapping of them."""
    pins = LayerPins(tuple(entries))

    assert read_words(pins.words) == pins
    split = [word.rpartition("=") for word in pins.words]
    if len({key for key, _, _ in split}) == len(split):
        assert read_mapping({key: value for key, _, value in split}) == pins


def test_every_form_of_a_mapping_is_the_same():
    """Numbers or text, lists or commas, a pattern before the name or around several."""
    some = ["conv*:glb.bypass=weight,ifmap", "conv*:rf.stationary=ofmap"]
    words = read_words(["glb.k=16", "rows=r:11,c", "columns=none", *some])

    assert words == read_mapping(
        {
            "glb.k": 16, "rows": ["r:11", "c"], "columns": "none",
            "conv*": {"glb.bypass": ["weight", "ifmap"], "rf.stationary": "ofmap"},
        }
    )  # fmt: skip
    assert words.of("fc1") == Pins(
        tiles=(TilePin("glb", "k", 16),),
        sides=(SidePin("rows", (("r", 11), ("c", 0)), more=False), SidePin("columns", (), more=False)),
    )
    assert words.of("conv2").passing == (PassingPin("glb", "weight", passes=True), PassingPin("glb", "ifmap", passes=True))
    assert words.of("conv2").stationary == (StationaryPin("rf", "ofmap"),)


def test_a_star_leaves_a_side_to_others():
    """What is listed is pinned, what is not may be unrolled along the side too."""
    assert read_words(["rows=r:11,*"]).of("any").sides == (SidePin("rows", (("r", 11),), more=True),)


def test_files_and_words_are_read_together(tmp_path):
    """A word has a sign of equality; anything else is a file, whose messages have its name in front."""
    file = tmp_path / "pins.yaml"
    file.write_text("glb.k: 16\nconv*:\n  glb.stationary: weight\n")

    found = given_pins(["glb.c=4", str(file)])

    assert found.words == ("glb.c=4", "glb.k=16", "conv*:glb.stationary=weight")
    assert given_pins(file) == given_pins(str(file))
    file.write_text("glb.k: many\n")
    with pytest.raises(InputError) as caught:
        given_pins(file)
    assert str(caught.value) == f"{file}: pin glb.k: 'many' given; give a whole number of at least 1"
    with pytest.raises(InputError, match=r"^pins: glb\.k: no such file: .*; a pin is written such as glb\.k=16$"):
        given_pins(["glb.k"])


def test_pins_hold_for_the_layers_that_they_name():
    """A pattern as file names have it; without one, the layers asked for, or all."""
    pins = given_pins(["glb.k=16", "fire?/*:glb.c=4"])

    assert pins.of("conv1").words == ("glb.k=16",)
    assert pins.of("fire2/squeeze").words == ("glb.k=16", "glb.c=4")
    assert pins.unmatched(["conv1", "fire2/squeeze"]) == []
    assert pins.unmatched(["conv1"]) == ["fire?/*"]
    assert given_pins(pins, ["conv1"]).of("conv2") == FREE
    assert given_pins(pins, ["conv1"]).of("conv1").words == ("glb.k=16",)
    assert given_pins(None) == UNPINNED
    assert not UNPINNED


def test_equal_pins_are_one():
    """The same pin for a layer from two patterns is no contradiction."""
    twice = read_words(["conv1:glb.k=16", "conv*:glb.k=16"])

    assert twice.of("conv1").words == ("glb.k=16",)
    assert pins_of([]) == FREE
    assert not FREE


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("glb.k", "pin glb.k: has no value; write such as glb.k=16, glb.stationary=weight, glb.bypass=weight or rows=r:11,c"),
        ("glb.k=", "pin glb.k: has no value; write such as glb.k=16, glb.stationary=weight, glb.bypass=weight or rows=r:11,c"),
        ("glb.k=0", "pin glb.k: '0' given; give a whole number of at least 1"),
        ("glb.k=-4", "pin glb.k: '-4' given; give a whole number of at least 1"),
        ("glb.k=1.5", "pin glb.k: '1.5' given; give a whole number of at least 1"),
        ("glb.k=²", "pin glb.k: '²' given; give a whole number of at least 1"),
        ("conv*:glb.k=x", "pin conv*:glb.k: 'x' given; give a whole number of at least 1"),
        (
            "glb.stationery=weight",
            "pin glb.stationery: 'stationery' is nothing to pin of a memory (did you mean 'stationary'?); use stationary, "
            "bypass, hold or a loop of n g k c p q r s",
        ),
        ("glb.stationary=weights", "pin glb.stationary: 'weights' is no operand; these are weight, ifmap, ofmap"),
        ("glb.stationary=weight,ifmap", "pin glb.stationary: weight, ifmap given; one operand stays in place"),
        ("glb.bypass=none", "pin glb.bypass: 'none' is no operand; these are weight, ifmap, ofmap"),
        ("rows=r:11,r", "pin rows: r is given twice"),
        ("rows=r:many", "pin rows: 'many' given; give a whole number of at least 1"),
        (
            "rows=16",
            "pin rows: '16' is nothing to unroll along a side; write such as r:11,c with loops of n g k c p q r s, none, or * "
            "where others may be unrolled too; what is pinned of a memory has its name in front, such as glb.k=16",
        ),
    ],
)
def test_what_is_no_pin_is_refused(word, message):
    """The word, what was given, and what to write."""
    with pytest.raises(InputError) as caught:
        read_words([word])
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [True, 0, -1, 2.0, None, [], {}, object()])
def test_whatever_a_file_holds_is_a_pin_or_refused(value):
    """No number that is none is taken for a size, and a pattern without pins is no entry."""
    with pytest.raises(InputError, match=r"^pin glb\.k"):
        read_mapping({"glb.k": value})


@given(st.text(), st.text())
def test_any_text_is_read_or_refused(name, value):
    """Never anything but pins or messages, one for each."""
    problems = ()
    try:
        found = read_words([f"{name}={value}"]).words
    except InputError as error:
        found, problems = (), error.problems
    assert bool(found) + len(problems) == 1


def test_all_problems_are_said_at_once():
    """One line for each."""
    with pytest.raises(InputError) as caught:
        read_words(["glb.k=0", "rows=c", "glb.x=1"])
    assert [line.split(":")[0] for line in caught.value.problems] == ["pin glb.k", "pin glb.x"]
