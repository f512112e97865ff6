"""Parts of a loop nest one by one: extents, tiles that loops step through, what is unrolled, and every piece of its text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.mapping import DIMS, Layer
from costmodel.mapping.levels import text
from costmodel.mapping.levels.hierarchy import Fixed, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest, array_tile, chain, extents, factor
from costmodel.mapping.levels.mapped import Loop, Spread
from tests.unit.mapped import LAYER, PJ, mapped, mappings, nest, pair, tiles


def example(**changes):
    """Return the worked example as a result, with some of its fields changed."""
    return replace(mapped(LAYER, pair(), nest()), **changes)


def shared():
    """Return a result on a buffer without stores in the elements: 3 tiles of k, 2 x 2 elements over c and k."""
    hierarchy = replace(pair(optional=()), stores=pair(optional=()).stores[:2])
    return mapped(LAYER, hierarchy, LoopNest((tiles(k=5, c=8, p=4, q=4),), ("ngkcpqrs",), {"c": (0, 2), "k": (1, 2)}))


def test_a_hierarchy_counts_its_elements():
    """Sides multiply; without any there is one element; a store in elements is the last."""
    assert (pair().elements, pair().in_elements, [store.name for store in pair().on_chip]) == (4, True, ["glb", "rf"])
    alone = Hierarchy((Store("dram", None, PJ, PJ),))
    assert (alone.elements, alone.in_elements, alone.on_chip) == (1, False, ())
    assert Hierarchy(alone.stores, (Side("x", 3, ("k",)), Side("y", 5, ("c",)), Side("z", 2, ("p",)))).elements == 30


def test_by_default_nothing_is_fixed():
    """A layer without constants costs what its mapping does."""
    assert Fixed() == Fixed(0.0, 0.0, 0.0, 0.0)


def test_tiles_that_loops_step_through():
    """The layer, the buffer's tile, and for the elements what all of them have together, no larger than the layer."""
    assert extents(LAYER) == tiles(k=12, c=8, p=4, q=4)
    assert (factor(nest(), "c"), factor(nest(), "p")) == (2, 1)
    assert array_tile(LAYER, pair(), nest()) == tiles(k=4, c=2)
    assert chain(LAYER, pair(), nest()) == [extents(LAYER), tiles(k=4, c=8, p=4, q=4), tiles(k=4, c=2)]
    assert array_tile(Layer(k=3), pair(), nest()) == tiles(k=3)
    assert nest().passes_by(0) == {"weight"}
    assert LoopNest((), ()).passes_by(3) == frozenset()


def test_without_stores_in_elements_the_array_takes_single_values():
    """Tiles of the array are its factors, and each element steps through its share, rounded up."""
    found = shared()
    assert array_tile(LAYER, found.priced.hierarchy, found.priced.nest) == tiles(k=2, c=2)
    assert chain(LAYER, found.priced.hierarchy, found.priced.nest) == [extents(LAYER), tiles(k=5, c=8, p=4, q=4)]
    assert found.innermost == tiles(k=3, c=4, p=4, q=4)
    assert found.summary == "glb k3; array c2 k2"
    assert str(found).splitlines()[-3:] == [
        "      along rows: c x 2, 2 of 2", "      along columns: k x 2, 2 of 2", "      MAC: for k3 c4 p4 q4",
    ]  # fmt: skip


@given(mappings())
def test_tiles_nest_and_blocks_step_through_them(case):
    """No tile is larger than the one outside; trips times steps cover it and one trip fewer does not."""
    layer, hierarchy, given_ = case
    steps = chain(layer, hierarchy, given_)
    found = mapped(layer, hierarchy, given_)
    assert len(found.blocks) == len(hierarchy.on_chip) == len(steps) - 1
    for outer, inner, block in zip(steps, steps[1:], found.blocks, strict=False):
        assert all(inner[dim] <= outer[dim] for dim in DIMS)
        assert {loop.dim for loop in block} == {dim for dim in DIMS if inner[dim] < outer[dim]}
        for loop in block:
            assert (loop.trips - 1) * loop.step < outer[loop.dim] <= loop.trips * loop.step
    assert sum(one.elements for one in found.spread) == sum(many for _, many in given_.unroll.values() if many > 1)


def test_loops_and_elements_of_the_example():
    """Three tiles of filters, then channels and positions; two filters within each element."""
    found = example()
    assert found.blocks == ((Loop("k", 3, 4),), (Loop("c", 4, 2), Loop("p", 4, 1), Loop("q", 4, 1)))
    assert found.within == (Loop("k", 2, 1),)
    assert found.spread == (Spread("c", "rows", 2, 1), Spread("k", "columns", 2, 2))
    assert found.cycles == 3 * 4 * 16 * 2
    assert found.utilisation_ratio == 1.0


@pytest.mark.parametrize(
    ("value", "lower", "optimal", "gap"),
    [(200.0, 150.0, False, 0.25), (200.0, 150.0, True, 0.0), (0.0, 0.0, False, 0.0), (100.0, 120.0, False, 0.0)],
)
def test_gaps(value, lower, optimal, gap):
    """Part of the value that may be saved: none where proved, nothing is spent, or the bound is above by rounding."""
    assert example(value=value, lower=lower, optimal=optimal).gap_ratio == gap


def test_headings():
    """Dimensions longer than one, repeated steps, the verdict, and the array only where there is one."""
    assert text.heading(example(value=5e6, steps=2)) == "k12 c8 p4 q4, 2 times; energy 5 uJ, proved least; array 100 % busy"
    plain = Hierarchy((Store("dram", None, PJ, PJ), Store("sram", None, PJ, PJ)))
    one = mapped(Layer(), plain, LoopNest((tiles(),), ("",)))
    assert text.heading(one).startswith("one value; energy ")
    assert "busy" not in text.heading(one)
    assert (text.inner_text(one), one.summary) == ("MAC", "sram once")


def test_a_loop_says_its_length_step_and_trips():
    """A step of one goes without saying."""
    assert text.loop_text(Loop("k", 3, 4), example()) == "for k of 12 by 4: 3 trips"
    assert text.loop_text(Loop("p", 4, 1), example()) == "for p of 4: 4 trips"


def test_tiles_in_words():
    """Sizes larger than one along what the operand depends on; of the ifmap the rows and columns that a tile spans."""
    layer = Layer(n=2, k=6, c=4, p=5, q=5, r=3, s=3, stride_h=2, pad_top=1, pad_left=1, ifmap_h=9, ifmap_w=5)
    tile = tiles(n=2, k=3, c=4, p=2, r=3)
    assert text.tile_text(layer, tile, "weight") == "k3 c4 r3"
    assert text.tile_text(layer, tile, "ifmap") == "n2 c4 5 rows"
    assert text.tile_text(layer, tile, "ofmap") == "n2 k3 p2"
    assert text.tile_text(layer, tiles(), "weight") == "1 value"


def test_sides_say_what_lies_along_them():
    """An idle side has nothing along it; what each element has of a dimension is told where it is more than one."""
    assert list(text.sides(example())) == ["along rows: c x 2, 2 of 2", "along columns: k x 2 (2 each), 2 of 2"]
    idle = mapped(LAYER, pair(), replace(nest(), unroll={}))
    assert list(text.sides(idle)) == ["along rows: nothing, 1 of 2", "along columns: nothing, 1 of 2"]


@pytest.mark.parametrize(
    ("capacity_bits", "part_bits", "words"),
    [(None, {}, ""), (None, {"weight": 64}, ""), (100, {}, "; 50 % full"), (100, {"weight": 100}, "; 25 % full"), (0, {}, "")],
)
def test_how_full_a_store_is(capacity_bits, part_bits, words):
    """Of the shared room and all parts together; nothing is said where there is no bound."""
    store = Store("glb", capacity_bits, PJ, PJ, part_bits)
    assert text.full(store, {"weight": 30, "ofmap": 20}) == words


@given(st.floats(0.0, 1.0))
def test_percent_has_three_digits(ratio):
    """A share reads back to within half of its last digit."""
    shown = text.percent(ratio)
    assert shown.endswith(" %")
    assert float(shown[:-2]) == pytest.approx(100 * ratio, rel=6e-3, abs=1e-300)
