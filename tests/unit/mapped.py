"""Random mappings, and one that can be worked out by hand."""

from __future__ import annotations

from hypothesis import strategies as st

from costmodel.mapping import Layer
from costmodel.mapping.levels.hierarchy import Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.mapped import MappedNest
from costmodel.mapping.levels.price import priced
from tests.oracle.levels_strategies import hierarchies, nests, small_layers

LAYER = Layer(k=12, c=8, p=4, q=4, ifmap_h=4, ifmap_w=4, weight_bits=8, ifmap_bits=8, ofmap_bits=8, psum_bits=32)
PJ = {"weight": 1.0, "ifmap": 1.0, "ofmap": 1.0}


def pair(capacity_bits=8192, *, optional=("weight",)):
    """Return DRAM, a buffer, a register file in each of 4 elements that hold weights and partial sums."""
    dram = Store("dram", None, PJ, PJ)
    glb = Store("glb", capacity_bits, PJ, PJ, optional=optional)
    rf = Store("rf", None, PJ, PJ, {"weight": 64, "ofmap": 64}, holds=("weight", "ofmap"), per_element=True)
    return Hierarchy((dram, glb, rf), (Side("rows", 2, ("c",)), Side("columns", 2, ("k", "p"))), 4.0)


def tiles(**sizes):
    """Return a tile, 1 along what is not given."""
    return {**dict.fromkeys("ngkcpqrs", 1), **sizes}


def nest():
    """Return 3 output tiles of 4 channels each: weights pass the buffer by, 2 x 2 elements work on c and k."""
    outer, inner = tiles(k=4, c=8, p=4, q=4), tiles(k=2)
    return LoopNest((outer, inner), ("k", "cpq"), {"c": (0, 2), "k": (1, 2)}, (frozenset({"weight"}), frozenset()))


def mapped(layer, hierarchy, given):
    """Return a nest as a result."""
    price = priced(layer, hierarchy, given)
    return MappedNest("energy", price, price.energy_pj, price.energy_pj, optimal=True)


LAYERS, HIERARCHIES = small_layers(longest=6, channels=4), hierarchies()


@st.composite
def mappings(draw):
    """Draw a layer, a hierarchy without bounds and a nest through it."""
    layer, hierarchy = draw(LAYERS), draw(HIERARCHIES)
    return layer, hierarchy, draw(nests(layer, hierarchy))
