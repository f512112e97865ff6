"""Conventions by name: what each writes in place, and which combinations mean nothing."""

from __future__ import annotations

import pytest

from costmodel.errors import InputError
from costmodel.graph.rows import IN_PLACE, VIEW
from costmodel.schedule.conventions import CONVENTIONS, ONE_LAYER, PLACES, convention, parse_places


def test_what_each_convention_does():
    """Live writes everything in place, in_out no sums, arena nothing and in multiples of 16 bytes."""
    assert {name: (found.in_place, found.alignment_bytes) for name, found in CONVENTIONS.items()} == {
        "live": (("elementwise", "concat", "view"), 1),
        "in_out": (("concat", "view"), 1),
        "arena": ((), 16),
    }


@pytest.mark.parametrize(
    ("name", "copied", "overwrites"),
    [("live", set(), True), ("in_out", set(), False), ("arena", {IN_PLACE, VIEW}, False)],
)
def test_rules_that_are_not_granted(name, copied, overwrites):
    """What is not in place is copied."""
    assert convention(name).copied == copied
    assert convention(name).overwrites is overwrites


def test_what_is_in_place_can_be_replaced():
    """The rest of the convention stays; names come in one order, once each."""
    found = convention("arena", ["view", "elementwise", "view"])
    assert found.in_place == ("elementwise", "view")
    assert found.alignment_bytes == 16
    assert found.copied == {IN_PLACE}


def test_nothing_in_place():
    """An empty list is not the convention's own."""
    assert convention("live", []).in_place == ()
    assert convention("live", []).copied == {IN_PLACE, VIEW}


@pytest.mark.parametrize("name", ["live", "arena"])
@pytest.mark.parametrize("place", ONE_LAYER)
def test_places_of_one_layer_belong_to_in_out(name, place):
    """Where all layers are looked at, a smaller output over a larger input would move what lies behind it."""
    with pytest.raises(InputError, match=f"in_place: '{place}' is of one layer, and convention {name}"):
        convention(name, [place])
    assert convention("in_out", [place]).in_place == (place,)


def test_all_problems_at_once():
    """Both places that do not fit."""
    with pytest.raises(InputError) as caught:
        convention("live", ["depthwise", "pool"])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("name", "fragment"), [("Live", "convention: 'Live' is not known; use one of live, in_out, arena")])
def test_unknown_conventions_are_refused(name, fragment):
    """With the names that exist."""
    with pytest.raises(InputError, match=fragment):
        convention(name)


@pytest.mark.parametrize(
    ("text", "places"),
    [("none", ()), ("view", ("view",)), ("concat, view", ("concat", "view")), (",".join(PLACES), tuple(PLACES))],
)
def test_places_are_read(text, places):
    """Separated by commas, blanks allowed."""
    assert parse_places(text) == places


@pytest.mark.parametrize("text", ["", "all", "view,,concat", "view;concat", "view,none"])
def test_unknown_places_are_refused(text):
    """One line with the names that exist; none stands alone."""
    with pytest.raises(InputError, match=r"is not known; use one of elementwise, concat, view, depthwise, layer, pool"):
        parse_places(text)
