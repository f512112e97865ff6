"""Mappings from plain data: what is written is read back, and everything that is wrong is said, where and what is allowed."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from hypothesis import given, settings

from costmodel.errors import MappingError
from costmodel.mapping.levels.given import from_dict
from costmodel.mapping.levels.price import priced
from tests.unit.mapped import LAYER, mapped, mappings, nest, pair


def data():
    """Return the mapping of the tests as plain data."""
    return deepcopy(mapped(LAYER, pair(), nest()).to_dict())


def refused(given_data, hierarchy=None):
    """Return the problems of a mapping."""
    with pytest.raises(MappingError) as caught:
        from_dict(given_data, LAYER, hierarchy or pair())
    return list(caught.value.problems)


@settings(max_examples=500)
@given(mappings())
def test_what_is_written_is_read_back(case):
    """Through JSON and back, a nest has the same tiles and moves the same; more than registers hold is refused."""
    layer, hierarchy, given_nest = case
    written = json.loads(json.dumps(mapped(*case).to_dict()))
    if not priced(*case).fits:
        with pytest.raises(MappingError, match="has a register of one"):
            from_dict(written, layer, hierarchy)
        return

    read = from_dict(written, layer, hierarchy)

    assert read.tiles == tuple(dict(tile) for tile in given_nest.tiles)
    assert priced(layer, hierarchy, read).flows == priced(*case).flows
    assert priced(layer, hierarchy, read).cycles == priced(*case).cycles


def test_sizes_of_one_may_be_left_out():
    """A hand-written mapping says what matters only."""
    short = {
        "levels": [
            {"name": "glb", "tile": {"k": 4, "c": 8, "p": 4, "q": 4}, "order": ["k"], "bypass": ["weight"]},
            {"name": "rf", "tile": {"k": 2}, "order": "cpq"},
        ],
        "unroll": {"c": {"side": "rows", "elements": 2}, "k": {"side": "columns", "elements": 2}},
    }

    assert from_dict(short, LAYER, pair()) == nest()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("levels",), None, "levels: missing; give a list with one entry per memory on chip: glb, rf"),
        (("levels", 0, "name"), "sram", "levels: are sram, rf; give glb, rf, in this order"),
        (("levels", 0, "bypass"), ["ofmap"], "glb: ofmap may not pass by; the profile allows weight"),
        (("levels", 0, "bypass"), ["psum"], "glb: bypass has 'psum', no operand; these are weight, ifmap, ofmap"),
        (("levels", 0, "order"), "kxk", "glb: order has x, no loops of a layer; these are n g k c p q r s"),
        (("levels", 0, "order"), "kk", "glb: order k k has a loop twice; a memory has one loop per dimension"),
        (("levels", 0, "tile"), 4, "glb: tile is 4; give a size by dimension, such as {k: 16, c: 4}"),
        (("levels", 0, "tile", "k"), 13, "glb: tile of k is 13; give a whole number from 1 to its extent 12"),
        (("levels", 0, "tile", "k"), 1.5, "glb: tile of k is 1.5; give a whole number from 1 to its extent 12"),
        (("levels", 0, "tile", "z"), 1, "glb: tile has 'z', no loop of a layer; these are n g k c p q r s"),
        (("levels", 0, "size"), 1, "glb: 'size' is not known; use name, tile, order, bypass"),
        (("unroll", "c", "side"), "lines", "unroll: c is along 'lines'; the sides of the array are rows, columns"),
        (("unroll", "k", "side"), "rows", "unroll: k along rows, which unrolls c only"),
        (("unroll", "k", "elements"), 0, "unroll: k over 0 elements; give a whole number from 1 to 2"),
        (("unroll", "k", "elements"), 4, "unroll: 4 elements along columns, which has 2"),
        (("unroll",), [1], "unroll: is no mapping; write for example {k: {side: columns, elements: 4}}"),
    ],
)
def test_one_mistake_is_one_message(path, value, message):
    """Each names the memory, the operand or dimension, what was given and what is allowed."""
    found = data()
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value

    assert refused(found) == [message]


def test_all_mistakes_are_said_at_once():
    """Two levels and the array: three messages."""
    found = data()
    found["levels"][0]["tile"]["k"] = 0
    found["levels"][1]["order"] = "cc"
    found["unroll"]["c"]["elements"] = 3

    assert len(refused(found)) == 3


def test_tiles_nest():
    """6 channels in the buffer are no whole number of the 4 that the array takes."""
    found = data()
    found["levels"][0]["tile"]["k"] = 6

    assert refused(found) == [
        "glb: tile of k is 6, no whole number of the 4 of the elements of the array, rf, nor the extent 12"
    ]


def test_loops_of_several_trips_are_ordered():
    """Which loop is inside decides what moves: it has to be said."""
    found = data()
    found["levels"][0]["order"] = []

    assert refused(found) == ["glb: order is empty and leaves out k, which has several trips"]


def test_tiles_fit():
    """192 B of partial sums at 32 bits and inputs do not fit into half of the buffer; nor four weights into a part of two."""
    whole = data()
    small = refused(whole, pair(8 * 300))
    whole["levels"][1]["tile"]["k"] = 4
    whole["unroll"]["k"] = {"side": "columns", "elements": 1}

    assert small == ["glb: ifmap 128 B, ofmap 256 B do not fit into 300 B"]
    assert refused(whole) == ["rf: ofmap takes 16 B of its part of 8 B"]


def test_a_register_takes_one_value():
    """Elements that hold no inputs take them one by one."""
    found = data()
    found["levels"][1]["tile"]["q"] = 2
    found["levels"][1]["tile"]["k"] = 1
    found["levels"][1]["order"] = "kcpq"

    assert refused(found) == ["rf: an element takes 2 values of ifmap at a time and has a register of one"]
