"""Every access with its formula: the parts multiply to the counts, and the counts are those that are priced."""

from __future__ import annotations

from hypothesis import given, settings

from costmodel.mapping.levels.accounts import Access, Repeat, accounts
from costmodel.mapping.levels.price import priced
from tests.unit.mapped import LAYER, mappings, nest, pair

WAYS = ("read", "write")
OPERANDS = ("weight", "ifmap", "ofmap")


@settings(max_examples=500)
@given(mappings())
def test_accesses_are_those_that_are_priced(case):
    """Bits by store, operand and way are what the pricing sums up, which the walk of every iteration confirms."""
    price = priced(*case)
    found = accounts(price)

    for store in range(len(price.hierarchy.stores)):
        for operand in OPERANDS:
            for way in WAYS:
                own = [one for one in found if (one.store, one.operand, one.way) == (store, operand, way)]
                assert sum(one.bits for one in own) == price.bits(store, way, operand)


@settings(max_examples=500)
@given(mappings())
def test_elements_times_sweeps_at_their_widths_are_the_bits(case):
    """What the formula says in elements is, at the widths of finished values and partial sums, what moves in bits."""
    price = priced(*case)
    layer = price.layer
    widths = {"weight": layer.weight_bits, "ifmap": layer.ifmap_bits, "ofmap": layer.ofmap_bits}

    for one in accounts(price):
        narrow = (one.accesses - one.wide) * widths[one.operand]
        assert narrow + one.wide * layer.psum_bits == one.bits


@settings(max_examples=300)
@given(mappings())
def test_reasons_are_divisions_that_hold(case):
    """A reason that shows a tile is the extent over it, rounded up."""
    for one in accounts(priced(*case)):
        for reason in one.repeats:
            assert not reason.tile or reason.times == -(-reason.whole // reason.tile)


def test_formulas_by_hand():
    """12 output channels in three tiles of 4: inputs are loaded once, kept, and read three times over by pairs of elements."""
    price = priced(LAYER, pair(), nest())
    names = ("dram", "glb", "rf")

    lines = [one.formula(names) for one in accounts(price)]

    assert "dram reads of ifmap = 128 elements (8 planes x 4 rows x 4 columns) x 1 sweep = 128" in lines
    assert "dram reads of weight = 96 elements x 1 sweep = 96" in lines
    assert "glb reads of ifmap = 128 elements (8 planes x 4 rows x 4 columns) x 3 sweeps (k: 12 / 4) = 384" in lines
    assert "glb writes of ofmap = 192 elements x 4 sweeps (c: 8 / 2) = 768, of which 576 partial sums" in lines
    assert "glb reads of ofmap = 192 elements x 4 sweeps (c: 8 / 2) less the first = 3 = 576" in lines
    assert "rf reads of ofmap = 192 elements x 8 sweeps (c: 8 / 1) = 1,536, of which 1,344 partial sums" in lines


def test_registers_are_told_apart():
    """Elements that hold no inputs take each from a register, whose energy is part of the MAC's."""
    found = accounts(priced(LAYER, pair(), nest()))

    assert [(one.store, one.operand) for one in found if not one.held] == [(2, "ifmap")]


def test_copies_are_said_where_no_division_gives_them():
    """Elements that are busy for each tile of a loop are counted, not divided."""
    copies = Access(0, 1, "weight", "read", 10, "", (Repeat("p", 5, 8, 0),), 0, 400, 0, held=True)

    assert copies.formula(("a", "b")) == "a reads of weight = 10 elements x 5 sweeps (p: 5 copies in elements) = 50"
