"""Pins on one machine: what each leaves of the mapspace, and every message about pins that cannot be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from costmodel.errors import MappingError, PinError
from costmodel.mapping.levels.forms import bypasses, forms
from costmodel.mapping.levels.given import from_dict
from costmodel.mapping.levels.hierarchy import Side
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.pin_words import read_words
from costmodel.mapping.levels.pinned import Pinned
from costmodel.mapping.levels.pins import FREE, Pins
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.search import search
from costmodel.mapping.levels.setup import OBJECTIVES, arrays_of
from costmodel.mapping.levels.tables import spans_of
from tests.unit.mapped import LAYER, nest, pair, tiles


def pins(*words):
    """Return pins of any layer."""
    return read_words(words).of("layer")


def best(*words, hierarchy=None, layer=LAYER, objective="energy"):
    """Return the best mapping under pins."""
    (found,) = search([layer], hierarchy or pair(), objective, pins=pins(*words))
    return found


def with_store(number, **changes):
    """Return the machine of the tests, one of whose memories is another."""
    machine = pair()
    stores = list(machine.stores)
    stores[number] = replace(stores[number], **changes)
    return replace(machine, stores=tuple(stores))


# ---- what is found


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("store", "dim", "size"), [(0, "k", 4), (0, "c", 2), (0, "q", 3), (1, "k", 2), (0, "k", 5)])
def test_a_tile_has_the_size_that_is_pinned(store, dim, size, objective):
    """Also where a smaller one has as many trips: 3 of 4 columns are 2 trips, as 2 are; 5 of 12 filters 3, as 4 are."""
    found = best(f"{('glb', 'rf')[store]}.{dim}={size}", objective=objective)

    assert found.nest.tiles[store][dim] == size
    assert found.value >= best(objective=objective).value * (1 - 1e-12)


@pytest.mark.parametrize("more", [(), ("rows=g",), ("rows=g:2",)])
def test_groups_of_a_tile_are_unrolled(more):
    """Two groups in the buffer and one in each element go together wherever the array may unroll both."""
    grouped = replace(LAYER, g=2)
    machine = replace(pair(), sides=(Side("rows", 2, ("g", "c")),))

    found = best("glb.g=2", "rf.g=1", *more, hierarchy=machine, layer=grouped)

    assert found.nest.unroll["g"] == (0, 2)


def test_a_size_beyond_the_extent_is_the_whole():
    """Of a network, most layers are larger than the smallest: the pin holds for all."""
    assert best("glb.k=4096").value == best("glb.k=12").value
    assert best("glb.k=4096").nest.tiles[0]["k"] == 12
    assert best("rows=c:2", layer=replace(LAYER, c=1)).nest.unroll.get("c") is None


@pytest.mark.parametrize(
    ("word", "unrolled"),
    [
        ("columns=k:2", {"k": (1, 2)}),
        ("columns=p:2", {"p": (1, 2)}),
        ("columns=none", {}),
        ("columns=p", {"p": (1, 2)}),
        ("columns=k:1", {}),
        ("columns=p:1,*", {"k": (1, 2)}),
    ],
)
def test_a_side_unrolls_what_is_pinned(word, unrolled):
    """A factor, a dimension by what is best, nothing, or anything but one."""
    found = best(word, objective="latency")

    assert {dim: one for dim, one in found.nest.unroll.items() if one[0] == 1} == unrolled


@pytest.mark.parametrize("passes", [True, False])
def test_an_operand_passes_by_or_is_held(passes):
    """Whatever is cheaper."""
    found = best(f"glb.{'bypass' if passes else 'hold'}=weight")

    assert ("weight" in found.nest.bypass[0]) == passes


@pytest.mark.parametrize(("operand", "loops"), [("weight", "npq"), ("ifmap", "k"), ("ofmap", "crs")])
@pytest.mark.parametrize("store", ["glb", "rf"])
def test_an_operand_stays_in_place(store, operand, loops):
    """The innermost loop around the tile is none that the operand depends on; a profile that says so is the same."""
    machine = with_store(1 + (store == "rf"), stationary=operand)
    for found in (best(f"{store}.stationary={operand}"), best(hierarchy=machine)):
        blocks = MappedNest("energy", found.priced, 1.0, 1.0, optimal=True).blocks[store == "rf"]
        assert not blocks or blocks[-1].dim in loops
    assert best(f"{store}.stationary={operand}").value == best(hierarchy=machine).value


def test_what_divides_a_pinned_tile_is_tried():
    """Of 4 channels in tiles of 3, only 1 or 3 can be spread, though 2 elements take as few steps as 3."""
    machine = replace(pair(), sides=(Side("rows", 4, ("c",)), pair().sides[1]))
    found = best("glb.c=3", layer=replace(LAYER, c=4), hierarchy=machine, objective="latency")

    assert found.nest.unroll["c"] == (0, 3)


def test_what_divides_a_pinned_tile_is_tried_in_memories_between():
    """Of 4 filters in tiles of 3, a memory inside has 1 or 3, though 2 are as many tiles as 3."""
    dram, glb, _ = pair().stores
    machine = replace(pair(), stores=(dram, replace(glb, name="l2"), replace(glb, name="l1")), sides=())
    found = best("l2.k=3", layer=replace(LAYER, k=4), hierarchy=machine)

    assert [tile["k"] for tile in found.nest.tiles] == [3, 3]
    assert found.value == min(best("l2.k=3", f"l1.k={k}", layer=replace(LAYER, k=4), hierarchy=machine).value for k in (1, 3))


@pytest.mark.parametrize("size", range(1, 13))
def test_every_size_of_an_element_is_as_pinned(size):
    """Whatever number of trips it shares with a smaller one."""
    machine = with_store(2, part_bits={"weight": 640, "ofmap": 640})

    assert best(f"rf.k={size}", hierarchy=machine).nest.tiles[1]["k"] == size


@pytest.mark.parametrize("many", range(2, 5))
def test_every_number_of_elements_is_as_pinned(many):
    """Two trips over 4 rows or 4 filters take 2 elements or 3."""
    machine = replace(pair(), sides=(pair().sides[0], Side("columns", 4, ("k", "p"))))

    assert best(f"columns=p:{many}", hierarchy=machine).nest.unroll["p"] == (1, many)
    assert best(f"columns=k:{many}", layer=replace(LAYER, k=4), hierarchy=machine).nest.unroll["k"] == (1, many)


def test_pins_together():
    """What a person would write for a weight-stationary array."""
    found = best("rows=c:2", "columns=k:2", "rf.k=2", "glb.k=4", "glb.bypass=weight", "rf.stationary=weight")

    assert found.nest.unroll == {"c": (0, 2), "k": (1, 2)}
    assert (found.nest.tiles[0]["k"], found.nest.tiles[1]["k"]) == (4, 2)
    assert found.optimal


def test_a_whole_mapping_pinned_is_the_mapping():
    """Every size of a mapping with the best order: its price."""
    given = nest()
    words = [f"{name}.{dim}={tile[dim]}" for name, tile in zip(("glb", "rf"), given.tiles, strict=True) for dim in "nkcpqrs"]
    found = best(*words, "rows=c:2", "columns=k:2", "glb.bypass=weight", "rf.stationary=weight")

    assert found.nest.tiles == tuple(dict(tile) for tile in given.tiles)
    assert found.value == priced(LAYER, pair(), given).energy_pj


def test_equal_layers_are_searched_once_under_pins():
    """One answer for both, and not that without pins."""
    first, second = search([LAYER, LAYER], pair(), pins=pins("glb.k=4"))

    assert first is second
    assert first.nest.tiles[0]["k"] == 4


# ---- what is left to choose from


def test_without_pins_everything_is_left():
    """The same plans and the same candidates."""
    free = Pinned(LAYER, pair(), FREE)

    assert list(free.passings()) == list(bypasses(pair()))
    assert list(free.forms()) == list(forms(2))
    w = arrays_of(LAYER, pair()).works[0]
    assert (w.pin == 0).all()
    assert (w.within == 0).all()
    assert (w.keep == -1).all()
    assert (w.cap == w.extent).all()
    assert (w.floor == 1).all()


def test_sizes_outside_the_array():
    """A pinned tile is the least and the most; one outside caps those inside, which divide it; one inside is the least."""
    machine = replace(pair(), stores=(*pair().stores[:2], replace(pair().stores[1], name="l1"), pair().stores[2]))
    w = arrays_of(LAYER, machine, pins("glb.k=6", "rf.k=2", "rows=c:2", "l1.p=2", "glb.q=99")).works[0]
    k, c, p, q = 2, 3, 4, 5

    assert (w.pin[1, k], w.pin[2, k], w.within[2, k], w.cap[2, k]) == (6, 0, 6, 6)
    assert (w.floor[1, k], w.floor[2, k]) == (6, 2)
    assert (w.floor[1, c], w.floor[2, c], w.cap[2, c]) == (2, 2, 8)
    assert (w.floor[1, p], w.pin[2, p], w.within[1, p]) == (2, 2, 0)
    assert (w.pin[1, q], w.within[2, q], w.cap[2, q]) == (4, 0, 4)


def test_candidates_divide_what_is_pinned_outside():
    """Under a tile of 6 filters: 1, 2, 3 or 6 of them, in elements and over elements; 4 of 12 have the trips of 3."""
    spans = spans_of(LAYER.height, LAYER.width)[0]
    rows = Pinned(LAYER, pair(), pins("glb.k=6")).rows("k", 12, spans)

    assert sorted((tile, many) for tile, _, many, *_ in rows.tolist()) == [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (6, 1)]
    assert {tuple(row[3:]) for row in rows.tolist() if row[0] == 3} == {(3, 4, 4, 12), (6, 4, 2, 6)}
    assert len(Pinned(LAYER, pair(), pins("glb.k=6")).rows("k", 2, spans)) == 3
    assert len(Pinned(LAYER, pair(), pins("rf.k=4")).rows("k", 2, spans)) == 0


def test_forms_of_what_stays():
    """Its own, and where a block has no loop, that of the block outside with every tile tied."""
    left = list(Pinned(LAYER, pair(), pins("rf.stationary=weight")).forms())

    assert left == [((0, 0), (0, 0)), ((0, 0), (0, 1)), ((0, 0), (0, 2)), ((1, 0), (0, 0)), ((1, 1), (0, 2)),
                    ((2, 0), (0, 0)), ((2, 2), (0, 2))]  # fmt: skip
    first = {stays[0] for stays, _ in Pinned(LAYER, pair(), pins("glb.stationary=ifmap")).forms()}
    assert first == {1}
    flat = replace(LAYER, p=1, q=1, ifmap_h=1, ifmap_w=1)
    only_empty = list(Pinned(flat, pair(), pins("rf.stationary=weight")).forms())
    assert only_empty == [((0, 0), (0, 2)), ((1, 1), (0, 2)), ((2, 2), (0, 2))]


def test_a_block_that_can_spare_nothing_has_no_loops():
    """Without loops over n p q, weights stay in the buffer only where it holds the whole layer."""
    flat = replace(LAYER, p=1, q=1, ifmap_h=1, ifmap_w=1)
    found = best("glb.stationary=weight", layer=flat)

    assert found.nest.tiles[0] == {"n": 1, "g": 1, "k": 12, "c": 8, "p": 1, "q": 1, "r": 1, "s": 1}
    assert refused("glb.stationary=weight", layer=flat, hierarchy=with_store(1, capacity_bits=200, optional=())) == [
        "pin glb.stationary=weight: no loop of n p q steps through tiles of glb, so that glb would have to hold the whole "
        "layer: weight 96 B, ifmap 8 B, ofmap 12 B do not fit into 25 B"
    ]


# ---- messages


def refused(*words, hierarchy=None, layer=LAYER):
    """Return the problems of pins."""
    with pytest.raises(PinError) as caught:
        best(*words, hierarchy=hierarchy, layer=layer)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gbl.k=4"], "pin gbl.k=4: no memory 'gbl' on chip (did you mean 'glb'?); there are glb, rf"),
        (["dram.k=4"], "pin dram.k=4: dram holds everything; pin one of glb, rf"),
        (["row=c"], "pin row=c: no side 'row' of the array (did you mean 'rows'?); there are rows, columns; of a memory, pin "
                    "such as row.k"),
        (["rows=k:2"], "pin rows=k:2: k along rows, which unrolls c only"),
        (["glb.bypass=ifmap"], "pin glb.bypass=ifmap: ifmap may not pass by; the profile allows weight"),
        (["rf.bypass=weight"], "pin rf.bypass=weight: weight may not pass by; the profile allows none"),
        (["rf.hold=ifmap"], "pin rf.hold=ifmap: rf holds weight, ofmap only"),
    ],
)  # fmt: skip
def test_what_the_machine_does_not_have(words, message):
    """The pin, what there is, and what was perhaps meant."""
    assert refused(*words) == [message]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["glb.k=4", "glb.k=6"], "pins glb.k=4 and glb.k=6: two sizes of one tile along k of glb"),
        (["glb.stationary=weight", "glb.stationary=ofmap"],
         "pins glb.stationary=weight and glb.stationary=ofmap: two operands stay in place in glb; one can"),
        (["glb.bypass=weight", "glb.hold=weight"],
         "pins glb.bypass=weight and glb.hold=weight: weight cannot pass glb by and be held in it"),
        (["rows=c", "rows=none"],
         "pins rows=c and rows=none: rows is pinned twice; write what is unrolled along it as one pin"),
        (["columns=k:4"], "pin columns=k:4: 4 elements along columns, which has 2"),
        (["columns=k:2,p:2"], "pin columns=k:2,p:2: 4 elements along columns, which has 2"),
        (["glb.k=6", "rf.k=4"], "pins glb.k=6 and rf.k=4: a tile of 6 is no whole number of 4, nor the extent 12"),
        (["glb.k=2", "rf.k=4"], "pins glb.k=2 and rf.k=4: a tile of 2 is no whole number of 4, nor the extent 12"),
        (["glb.k=6", "rf.k=2", "columns=k:2"],
         "pins glb.k=6 and rf.k=2 with columns=k:2: a tile of 6 is no whole number of 4, nor the extent 12"),
        (["glb.k=3", "columns=k:2"], "pins glb.k=3 and columns=k:2: a tile of 3 is no whole number of 2, nor the extent 12"),
        (["rf.k=12", "rf.c=8"],
         "pins rf.k=12 rf.c=8: no tile of rf that they allow fits: weight takes 96 B of its part of 8 B"),
        (["rf.c=2"], "pin rf.c=2: no tile of rf that they allow fits: an element takes 2 values of ifmap at a time and has a "
                     "register of one"),
    ],
)  # fmt: skip
def test_what_contradicts(words, message):
    """Both pins, and why."""
    assert message in refused(*words)


def test_a_buffer_that_is_too_small_is_named_with_what_it_has():
    """Every operand that cannot pass by, in bytes."""
    assert refused("glb.k=12", "glb.p=4", "glb.q=4", hierarchy=pair(1024)) == [
        "pins glb.k=12 glb.p=4 glb.q=4: no tile of glb that they allow fits: ifmap 16 B, ofmap 192 B do not fit into 128 B"
    ]


def test_one_dimension_along_two_sides():
    """It is unrolled along one at most."""
    machine = replace(pair(), sides=(Side("rows", 2, ("c", "k")), Side("columns", 2, ("k",))))

    assert refused("rows=k:2", "columns=k:2", hierarchy=machine) == [
        "pins rows=k:2 and columns=k:2: k would be unrolled along two sides"
    ]


def test_groups_are_as_the_array_unrolls_them():
    """A tile of other groups is none of the mapspace."""
    layer, machine = replace(LAYER, g=4), replace(pair(), sides=(Side("rows", 2, ("c", "g")), pair().sides[1]))

    assert best("rows=g:2", layer=layer, hierarchy=machine).nest.tiles[0]["g"] == 2
    assert best("glb.g=2", layer=layer, hierarchy=machine).nest.unroll["g"] == (0, 2)
    assert refused("glb.g=4", "rows=g:2", layer=layer, hierarchy=machine) == [
        "pins glb.g=4 and rows=g:2: a tile has as many groups as the array unrolls"
    ]
    assert "pins of g: an element takes one group at a time" in refused("rf.g=2", layer=layer, hierarchy=machine)
    assert refused("glb.g=4", layer=layer, hierarchy=machine) == [
        "no mapping satisfies glb.g=4: no tiles that fit do; take it away"
    ]


def test_groups_are_a_loop_of_the_first_block_always():
    """A tile has no more groups than the array unrolls, so that the block is never without loops."""
    pooled = replace(LAYER, g=4, k=1, c=1)

    assert refused("glb.stationary=ifmap", layer=pooled) == [
        "pin glb.stationary=ifmap: no loop of k steps through tiles of glb, and g does"
    ]
    assert best("glb.stationary=weight", layer=pooled).nest.tiles[0]["g"] == 1


def test_what_feeds_the_multipliers_cannot_pass_by():
    """Where elements have no memory, the last memory is what they read."""
    machine = replace(pair(), stores=(*pair().stores[:1], replace(pair().stores[1], optional=("weight",))))
    free = replace(machine, stores=(machine.stores[0], replace(machine.stores[1], name="l2"), machine.stores[1]))

    assert refused("glb.bypass=weight", hierarchy=machine) == [
        "pin glb.bypass=weight: weight would pass by the memory that feeds the multipliers with it"
    ]
    assert best("l2.bypass=weight", hierarchy=free).nest.bypass[0] == {"weight"}


def test_the_profile_and_a_pin_contradict():
    """A weight-stationary array is none that keeps its sums; what it does anyway may be pinned."""
    machine = with_store(2, stationary="weight")

    assert refused("rf.stationary=ofmap", hierarchy=machine) == [
        "pin rf.stationary=ofmap: the profile says that weight is stationary in rf"
    ]
    assert best("rf.stationary=weight", hierarchy=machine).value == best(hierarchy=machine).value


def test_a_block_with_loops_that_none_spares():
    """Weights cannot stay where only loops that they depend on are left, and some are."""
    flat = replace(LAYER, p=1, q=1, ifmap_h=1, ifmap_w=1)

    assert refused("glb.stationary=weight", "glb.k=6", layer=flat) == [
        "pin glb.stationary=weight with glb.k=6: no loop of n p q steps through tiles of glb, and k does"
    ]
    machine = with_store(1, stationary="weight")
    assert refused("glb.k=6", layer=flat, hierarchy=machine) == [
        "glb.stationary=weight (the profile's) with glb.k=6: no loop of n p q steps through tiles of glb, and k does"
    ]


def test_layers_that_fit_nowhere_are_no_pins_fault():
    """Without pins the message is that of the machine."""
    with pytest.raises(MappingError) as caught:
        search([LAYER], pair(8, optional=()), "energy", pins=Pins())
    assert not isinstance(caught.value, PinError)


# ---- given mappings on a profile that says what stays


def test_a_given_mapping_keeps_what_the_profile_says():
    """The loop that changes a stationary operand is named; with another inside, the mapping is legal."""
    machine = with_store(2, stationary="ofmap")
    data = {
        "levels": [
            {"name": "glb", "tile": {"k": 4, "c": 8, "p": 4, "q": 4}, "order": "k"},
            {"name": "rf", "tile": {"k": 2}, "order": "cpq"},
        ],
        "unroll": {"c": {"side": "rows", "elements": 2}, "k": {"side": "columns", "elements": 2}},
    }
    with pytest.raises(MappingError) as caught:
        from_dict(data, LAYER, machine)
    assert caught.value.problems == (
        "rf: loop q is innermost and changes the ofmap, which is stationary in rf as the profile says; put a loop inside that "
        "it does not depend on",
    )
    data["levels"][1]["order"] = "pqc"
    assert isinstance(from_dict(data, LAYER, machine), LoopNest)
    assert from_dict(data, LAYER, machine).tiles[1] == tiles(k=2)
