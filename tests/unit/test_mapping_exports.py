"""Mappings in the formats of Timeloop and ZigZag, read back: the loops have the same trips, tiles and MACs."""

from __future__ import annotations

import re
from itertools import pairwise
from math import prod

import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from costmodel.errors import MappingError
from costmodel.mapping.levels.hierarchy import Side
from costmodel.mapping.levels.loopnest import array_tile, extents
from costmodel.mapping.levels.steps import steps
from costmodel.mapping.levels.timeloop import timeloop_text
from costmodel.mapping.levels.zigzag import inexpressible, zigzag_text
from tests.unit.mapped import LAYER, mapped, mappings, nest, pair

TIMELOOP = {"N": "n", "G": "g", "M": "k", "C": "c", "Q": "p", "P": "q", "S": "r", "R": "s"}
ZIGZAG = {"B": "n", "G": "g", "K": "k", "C": "c", "OY": "p", "OX": "q", "FY": "r", "FX": "s"}
SPACES = {"Weights": "weight", "Inputs": "ifmap", "Outputs": "ofmap"}


def loaded(text):
    """Parse YAML."""
    return YAML(typ="safe").load(text)


def factors(directive):
    """Read factors and those of the last tile, by dimension."""
    found = re.findall(r"([A-Z])=(\d+)(?:,(\d+))?", directive["factors"])
    return {TIMELOOP[name]: (int(full), int(last or full)) for name, full, last in found}


def rebuilt(directives):
    """Tiles from the inside out, as Timeloop makes them of its factors: full ones, and the last."""
    full = last = dict.fromkeys("ngkcpqrs", 1)
    found = [full]
    for directive in reversed(directives):
        f = {**dict.fromkeys("ngkcpqrs", (1, 1)), **factors(directive)}
        last = {dim: (f[dim][1] - 1) * full[dim] + last[dim] for dim in full}
        full = {dim: f[dim][0] * full[dim] for dim in full}
        found.insert(0, full)
    return last, found


@settings(max_examples=500)
@given(mappings())
def test_timeloop_factors_make_the_same_tiles(case):
    """With its remainders, the file makes the layer's extents, and the tile of every store."""
    layer, hierarchy, given_nest = case
    directives = loaded(timeloop_text(mapped(*case), "a layer"))["mapping"]

    whole, tiles = rebuilt([one for one in directives if one["type"] != "datatype"])

    sizes = extents(layer)
    shared = given_nest.tiles[:-1] if hierarchy.in_elements else given_nest.tiles
    inner = [given_nest.tiles[-1]] if hierarchy.in_elements else []
    expected = [*shared, array_tile(layer, hierarchy, given_nest), *inner]
    assert whole == sizes
    assert prod(whole.values()) == prod(sizes.values())
    assert [{dim: min(tile[dim], sizes[dim]) for dim in sizes} for tile in tiles[1 : 1 + len(expected)]] == [
        dict(tile) for tile in expected
    ]


@settings(max_examples=200)
@given(mappings())
def test_timeloop_orders_and_contents_are_those_of_the_nest(case):
    """Permutations run inside out; what a store keeps is what it holds and does not pass by."""
    result = mapped(*case)
    directives = loaded(timeloop_text(result, "a layer"))["mapping"]
    stores = result.priced.hierarchy.stores
    temporal = [one for one in directives if one["type"] == "temporal"]

    for number, loops in enumerate(result.blocks):
        order = [TIMELOOP[letter] for letter in reversed(temporal[number]["permutation"])]
        many = [dim for dim in order if factors(temporal[number])[dim][0] > 1]
        assert temporal[number]["target"] == stores[number].name
        assert [loop.dim for loop in loops] == many
    for number, one in enumerate(one for one in directives if one["type"] == "datatype"):
        passing = result.priced.nest.passes_by(number - 1) if number else set()
        assert {SPACES[name] for name in one["keep"]} == set(stores[number].holds) - passing
        assert {SPACES[name] for name in [*one["keep"], *one["bypass"]]} == {"weight", "ifmap", "ofmap"}


def test_timeloop_sides_are_meshes():
    """Columns run along X, innermost in the permutation; the split says how many dimensions do."""
    directives = loaded(timeloop_text(mapped(LAYER, pair(), nest()), "a layer"))["mapping"]
    (spatial,) = [one for one in directives if one["type"] == "spatial"]

    assert spatial["target"] == "glb"
    assert spatial["permutation"][: spatial["split"]] == "M"
    assert factors(spatial)["k"] == (2, 2)
    assert factors(spatial)["c"] == (2, 2)


def test_a_third_side_has_no_mesh():
    """An array of three sides is refused, with what to do."""
    hierarchy = pair()
    third = type(hierarchy)(hierarchy.stores, (*hierarchy.sides, Side("depth", 2, ("q",))), 8.0)

    with pytest.raises(MappingError, match=r"a layer: the array has 3 sides \(rows, columns, depth\).*export it as json"):
        timeloop_text(mapped(LAYER, third, nest()), "a layer")


@settings(max_examples=500)
@given(mappings())
def test_zigzag_orders_are_complete_or_left_out(case):
    """An order that is written multiplies to every extent over its elements, as ZigZag asks; remainders leave it out."""
    layer, _, given_nest = case
    result = mapped(*case)
    entries = {one["name"]: one for one in loaded(zigzag_text({"a layer": result}))}
    one = entries["a layer"]
    ordering = one.get("temporal_ordering")

    assert (ordering is None) == bool(inexpressible(result))
    for dim, size in extents(layer).items() if ordering is not None else ():
        many = given_nest.unroll.get(dim, (0, 1))[1]
        assert prod(trips for name, trips in ordering if ZIGZAG[name] == dim) == -(-size // many)
    unrolled = {ZIGZAG[text.split(", ")[0]]: (int(side[1:]) - 1, int(text.split(", ")[1]))
                for side, texts in (one["spatial_mapping"] or {}).items() for text in texts}  # fmt: skip
    assert unrolled == {dim: value for dim, value in given_nest.unroll.items() if value[1] > 1}


def test_zigzag_orders_run_inside_out():
    """The innermost loop comes first: within an element, over its tiles, over those of the buffer."""
    one = loaded(zigzag_text({"conv": mapped(LAYER, pair(), nest())}))[1]

    assert one["temporal_ordering"] == [["K", 2], ["OX", 4], ["OY", 4], ["C", 4], ["K", 3]]
    assert one["spatial_mapping"] == {"D1": ["C, 2"], "D2": ["K, 2"]}


def test_zigzag_has_the_default_that_it_asks_for():
    """The first entry is the default; every entry links operands to memories."""
    entries = loaded(zigzag_text({"conv": mapped(LAYER, pair(), nest())}))

    assert entries[0]["name"] == "default"
    assert all(one["memory_operand_links"] == {"O": "O", "W": "I2", "I": "I1"} for one in entries)


@settings(max_examples=200)
@given(mappings())
def test_steps_make_the_extents(case):
    """From the inside out, factors and last factors make the tile of every loop outside, and at last the layer."""
    found = steps(mapped(*case))
    last = dict.fromkeys("ngkcpqrs", 1)
    full = dict(last)
    for step in reversed(found):
        last = {dim: (step.factors[dim][1] - 1) * full[dim] + last[dim] for dim in full}
        full = {dim: step.factors[dim][0] * full[dim] for dim in full}

    assert last == extents(case[0])
    assert all(outer.store <= inner.store for outer, inner in pairwise(found))
