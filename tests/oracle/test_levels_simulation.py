"""Counts of a loop nest through a whole hierarchy, in closed form, equal a literal walk of every iteration."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.mapping.levels.price import priced
from tests.oracle.levels_simulator import walked
from tests.oracle.levels_strategies import hierarchies, nests, small_layers

COUNTS = ("out_down", "in_down", "out_up", "in_up", "finished")


@st.composite
def cases(draw, **limits):
    """Draw a layer, a hierarchy and a nest."""
    layer, hierarchy = draw(small_layers(longest=4, channels=3)), draw(hierarchies(**limits))
    return layer, hierarchy, draw(nests(layer, hierarchy))


def widths(layer, operand, *, wide):
    """Bits of an element where it lies."""
    return layer.psum_bits if wide and operand == "ofmap" else getattr(layer, f"{operand}_bits")


def check(layer, hierarchy, nest):
    """Compare every flow, the room and the steps."""
    walk, cost = walked(layer, hierarchy, nest), priced(layer, hierarchy, nest)
    assert {(f.inner, f.operand): (f.outer, *(getattr(f, name) for name in COUNTS)) for f in cost.flows} == {
        (b.store, b.operand): (b.outer, *(b.moved[name] for name in COUNTS)) for b in walk.boundaries
    }
    assert {(at, op): bits for at, used in enumerate(cost.used_bits, 1) for op, bits in used.items()} == {
        (at, op): most * widths(layer, op, wide=walk.wide[at]) for (at, op), most in walk.room.items()
    }
    assert cost.cycles == walk.cycles


@settings(max_examples=1000)
@given(cases(elements=False))
def test_shared_stores_equal_the_walk(case):
    """One to three stores that all elements share: 1,000 nests in any order, with remainders, and operands passing by."""
    check(*case)


@settings(max_examples=1500)
@given(cases(elements=True))
def test_stores_in_elements_equal_the_walk(case):
    """The innermost store in every element, sides with and without multicast and reduction: 1,500 nests."""
    check(*case)
