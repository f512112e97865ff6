"""Mappings as people read them and as data: worked examples, and what holds of every one."""

from __future__ import annotations

import json
import re

import pytest

from costmodel.analysis import analysis_of
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.mapping import DIMS
from costmodel.mapping.nest import Layer
from tests.unit.joint_machine import small, spatial, stationary
from tests.unit.machine import machine

FREE = dict.fromkeys(OPERANDS, 0.0)
LAYER = Layer(k=6, c=4, p=5, q=5, r=3, s=3, pad_top=1, pad_left=1, ifmap_h=5, ifmap_w=5)
STORES = (
    Store("dram", None, FREE, FREE),
    Store("glb", 8 * 400, FREE, FREE, optional=("weight",)),
    Store("rf", 8 * 40, FREE, FREE, part_bits={"weight": 8 * 24}, per_element=True),
)
SIDES = (Side("rows", 4, ("r", "c")), Side("columns", 8, ("k", "p")))


def tile(**sizes):
    """Return a tile, 1 along what is not given."""
    return dict.fromkeys(DIMS, 1) | sizes


NEST = LoopNest(
    tiles=(tile(k=6, c=2, p=5, q=5, r=3, s=3), tile(c=2, q=2, s=3)),
    orders=("ngkcpqrs", "kpq"),
    unroll={"r": (0, 3), "k": (1, 3), "p": (1, 2)},
    bypass=(frozenset(("weight",)), frozenset()),
)


def mapped(objective="energy", value=2.5e6, lower=None, steps=1):
    """Return the worked example as a result."""
    found = priced(LAYER, Hierarchy(STORES, SIDES), NEST, Fixed())
    return MappedNest(objective, found, value, value if lower is None else lower, optimal=lower is None, steps=steps)


def test_a_loop_nest_is_read_from_the_outside_in():
    """One line per loop, store and side; tiles by operand with their size; how full each store is."""
    assert str(mapped()).splitlines() == [
        "k6 c4 p5 q5 r3 s3; energy 2.5 uJ, proved least; array 46.9 % busy",
        "dram: everything",
        "  for c of 4 by 2: 2 trips",
        "    glb: ifmap c2 5 rows 5 columns (50 B), ofmap k6 p5 q5 (600 B); weight passes by; 162 % full",
        "      for k of 6 by 3: 2 trips",
        "        for p of 5 by 2: 3 trips",
        "          for q of 5 by 2: 3 trips",
        "            along rows: r x 3, 3 of 4",
        "            along columns: k x 3, p x 2, 6 of 8",
        "            rf in each element: weight c2 s3 (6 B), ifmap c2 4 columns (8 B), ofmap q2 (8 B); 34.4 % full",
        "              MAC: for c2 q2 s3",
    ]


def test_one_line_has_every_loop():
    """For tables: trips of every store's loops, and the array."""
    assert mapped().summary == "glb c2; array r3 k3 p2; rf k2 p3 q3"


def test_utilisation_is_macs_over_steps():
    """2 x 3 x 3 x 2 x 2 x 3 tile steps, less what the remainders of p and q leave."""
    found = mapped()
    assert found.cycles == 4 * 2 * 3 * 5 * 3
    assert found.utilisation_ratio == 6 * 4 * 5 * 5 * 9 / (found.cycles * 32)


@pytest.mark.parametrize(
    ("objective", "value", "words"),
    [
        ("energy", 1.5e9, "energy 1.5 mJ"),
        ("latency", 2e-3, "latency 2 ms"),
        ("edp", 3e6, "energy x latency 3e-06 J s"),
        ("dram_bytes", 1500.0, "off-chip 1.5 kB"),
    ],
)
def test_values_have_units(objective, value, words):
    """Each objective by its own."""
    assert words in str(mapped(objective, value))


def test_what_is_not_proved_says_how_far_it_may_be_off():
    """The gap to the lower bound, rounded."""
    found = mapped(value=200.0, lower=150.0)
    assert "energy 200 pJ, the least is at most 25 % below" in str(found)
    assert found.gap_ratio == 0.25
    assert mapped().gap_ratio == 0.0


def test_repeated_steps_are_named():
    """The nest of a recurrent layer is that of one step."""
    assert str(mapped(steps=7)).startswith("k6 c4 p5 q5 r3 s3, 7 times; ")


def test_data_holds_what_the_text_says():
    """Tiles, orders, trips, bypasses and sizes, ready for JSON."""
    data = json.loads(json.dumps(mapped().to_dict()))
    assert (data["objective"], data["optimal"], data["extents"]["k"], data["cycles"]) == ("energy", True, 6, 360)
    glb, rf = data["levels"]
    assert (glb["name"], glb["order"], glb["trips"], glb["bypass"]) == ("glb", ["c"], {"c": 2}, ["weight"])
    assert (rf["order"], rf["trips"]) == (["k", "p", "q"], {"k": 2, "p": 3, "q": 3})
    assert rf["used_bytes"] == {"weight": 6, "ifmap": 8, "ofmap": 8}
    assert data["unroll"]["p"] == {"side": "columns", "elements": 2}


HARDWARE = (spatial(), machine(256), stationary())


@pytest.mark.parametrize("hardware", HARDWARE, ids=["spatial", "plain", "stationary"])
def test_loops_multiply_to_the_layer(hardware):
    """Trips of all stores, elements and what an element steps through cover every extent, and no more than remainders."""
    for layer in analysis_of(small(), hardware, 1, None, None, objective="energy").layers:
        found = layer.mapping
        if found is None:
            continue
        for dim, extent in found.to_dict()["extents"].items():
            trips = [loop.trips for block in found.blocks for loop in block if loop.dim == dim]
            spread = [one.elements for one in found.spread if one.dim == dim]
            product = found.innermost[dim]
            for factor in (*trips, *spread):
                product *= factor
            assert product >= extent
            smallest = [loop.step for block in found.blocks for loop in block if loop.dim == dim]
            assert all(step < extent for step in smallest)


@pytest.mark.parametrize("hardware", HARDWARE, ids=["spatial", "plain", "stationary"])
def test_every_store_and_side_has_a_line(hardware):
    """No store is left out, none is more than full, no side has more elements than it has."""
    names = [level.name for level in hardware.levels]
    for layer in analysis_of(small(), hardware, 1, None, None, objective="latency").layers:
        if layer.mapping is None:
            continue
        text = str(layer.mapping)
        assert [line.split()[0].rstrip(":") for line in text.splitlines() if line.split()[0].rstrip(":") in names] == names
        assert all(float(share) <= 100 for share in re.findall(r"([\d.]+) % full", text))
        assert all(int(busy) <= int(size) for busy, size in re.findall(r", (\d+) of (\d+)$", text, re.MULTILINE))
