"""Hierarchies without room for one value of each operand have no mapping, as trying all of them shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.mapping.levels.hierarchy import Fixed, crowded
from costmodel.mapping.levels.pins import FREE
from costmodel.mapping.levels.search import search
from tests.oracle.levels_pins import pinned_enumerated
from tests.oracle.levels_strategies import problems

BITS = st.sampled_from([None, *range(8, 49, 4)])
FIXED = Fixed(0.0, 0.0, 0.0, 0.0)


@st.composite
def tight(draw):
    """Draw a layer and a hierarchy of which a store has room for few values."""
    layer, hierarchy = draw(problems(2, size=100, macs=60, longest=3, channels=2))
    at = draw(st.integers(1, len(hierarchy.on_chip)))
    store = hierarchy.stores[at]
    parts = {operand: draw(st.sampled_from([4, 8, 16, 32])) for operand in store.part_bits}
    stores = list(hierarchy.stores)
    stores[at] = replace(store, capacity_bits=draw(BITS), part_bits=parts)
    return layer, replace(hierarchy, stores=tuple(stores))


@settings(max_examples=200)
@given(tight())
def test_what_is_crowded_has_no_mapping(case):
    """Of all mappings none fits; and where some fit, the search finds one."""
    layer, hierarchy = case
    best = pinned_enumerated(layer, hierarchy, FREE, FIXED).get("energy")
    event(f"crowded {crowded(layer, hierarchy)}, {'no' if best is None else 'a'} mapping")

    if crowded(layer, hierarchy):
        assert best is None
    if best is None:
        with pytest.raises(MappingError, match="no tile"):
            search([layer], hierarchy, "energy", FIXED)
    else:
        assert search([layer], hierarchy, "energy", FIXED)[0].value == pytest.approx(best.value)
