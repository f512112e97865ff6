"""The search through a whole hierarchy: against enumeration and the one-boundary solver; limits, messages, compilation."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from math import inf, isclose
from random import Random

import pytest

from costmodel.errors import MappingError
from costmodel.hardware import load_hardware
from costmodel.joint.machine import hierarchy_of
from costmodel.mapping import DIMS, Problems, solve
from costmodel.mapping.levels.forms import bypasses
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy, Side, Store
from costmodel.mapping.levels.loopnest import LoopNest, extents
from costmodel.mapping.levels.price import Priced, priced, value_of
from costmodel.mapping.levels.search import Found, orders, search
from costmodel.mapping.levels.setup import OBJECTIVES
from costmodel.mapping.nest import Layer


def each(value: float) -> dict[str, float]:
    """One energy for every operand."""
    return dict.fromkeys(OPERANDS, value)


DRAM = Store("dram", None, each(200 / 16), each(200 / 16))
EYERISS = Hierarchy(
    (
        DRAM,
        Store("glb", 55296 * 16, each(6 / 16), each(6 / 16), optional=("weight",)),
        Store("rf", None, each(1 / 16), each(1 / 16), {"weight": 3584, "ifmap": 192, "ofmap": 384}, per_element=True),
    ),
    (Side("rows", 12, ("r", "c", "k")), Side("columns", 14, ("p", "k"))),
    168 * 200e6,
)
WIDE = {"weight_bits": 16, "ifmap_bits": 16, "ofmap_bits": 16, "psum_bits": 16}
CONV5 = Layer(g=2, k=128, c=192, p=13, q=13, r=3, s=3, pad_top=1, pad_left=1, ifmap_h=13, ifmap_w=13, **WIDE)
SMALL = Layer(n=2, k=6, c=4, p=5, q=4, r=3, s=2, pad_top=1, ifmap_h=5, ifmap_w=5, **WIDE)


def multiples(total: int, inner: int) -> list[int]:
    """Whole numbers of an inner tile, and the whole extent."""
    return sorted({min(many * inner, total) for many in range(1, -(-total // inner) + 1)})


def chains(total: int, dim: str, h: Hierarchy) -> list[tuple[int | None, int, tuple[int, ...]]]:
    """Side, factor and tiles, outermost first, that one loop can have."""
    found = []
    sides = [(None, 1)] + [(at, x) for at, side in enumerate(h.sides) if dim in side.dims for x in range(2, side.size + 1)]
    own = range(1, total + 1) if h.in_elements and dim != "g" else [1]
    for (side, factor), tile in product(sides, own):
        if factor > total:
            continue
        together = min(total, tile * factor)
        tiles = [[together]]
        for _ in range(len(h.on_chip) - h.in_elements):
            tiles = [[size, *one] for one in tiles for size in (multiples(total, one[0]) if dim != "g" else [together])]
        found += [(side, factor, (*one[:-1], tile) if h.in_elements else tuple(one[:-1])) for one in tiles]
    return found


def nests(layer: Layer, h: Hierarchy) -> list[LoopNest]:
    """Every mapping of a tiny layer, each block in its three forms with each loop walked."""
    every = [chains(size, dim, h) for dim, size in extents(layer).items()]
    found = []
    choices = [order for stay in range(3) for order in orders(stay)]
    for chosen in product(*every):
        used = [1] * len(h.sides)
        for side, factor, _ in chosen:
            if side is not None:
                used[side] *= factor
        if any(many > side.size for many, side in zip(used, h.sides, strict=True)):
            continue
        unroll = {dim: (side, factor) for dim, (side, factor, _) in zip(DIMS, chosen, strict=True) if side is not None}
        tiles = tuple({dim: one[2][at] for dim, one in zip(DIMS, chosen, strict=True)} for at in range(len(h.on_chip)))
        for passing, order in product(bypasses(h), product(choices, repeat=len(h.on_chip))):
            found.append(LoopNest(tiles, order, unroll, passing))
    return found


def pair(price: Priced, objective: str) -> tuple[float, float]:
    """What is minimised, and what decides among equals."""
    return value_of(price, objective), price.energy_pj


def random_case(seed: int) -> tuple[Layer, Hierarchy, Fixed]:
    """A tiny layer on a random hierarchy."""
    r = Random(seed)
    sizes = dict.fromkeys(DIMS, 1)
    for dim in r.sample(DIMS, 2):
        sizes[dim] = r.choice([2, 3, 3, 4])
    u, v, d = r.choice([1, 1, 2, 3]), r.choice([1, 2]), r.choice([1, 2])
    pad = r.choice([0, 0, 1])
    height = max(1, (sizes["p"] - 1) * u + (sizes["r"] - 1) * d + 1 - pad)
    width = (sizes["q"] - 1) * v + sizes["s"]
    layer = Layer(
        **sizes, stride_h=u, stride_w=v, dilation_h=d, pad_top=pad, ifmap_h=height, ifmap_w=width,
        weight_bits=r.choice([8, 4, 0]), psum_bits=r.choice([8, 16, 32]),
    )  # fmt: skip

    def energies() -> dict[str, float]:
        return {operand: r.choice([0.0, 0.25, 1.0]) for operand in OPERANDS}

    stores = [Store("dram", None, each(25.0), each(25.0), bits_per_s=r.choice([inf, 8.0]))]
    inside = r.random() < 0.6
    for at in range(2):
        parts = {operand: 8 * r.choice([1, 2, 4]) for operand in OPERANDS if r.random() < 0.3}
        holds = OPERANDS if at == 0 or r.random() < 0.7 else tuple(o for o in OPERANDS if r.random() < 0.7)
        stores.append(Store(
            f"s{at}", r.choice([64, 96, 160]), energies(), energies(), parts, holds, ("weight",) if at == 0 else (),
            inside and at == 1, r.choice([inf, 16.0]),
        ))  # fmt: skip
    dims = tuple(r.sample(DIMS, 3))
    sides = (Side("rows", r.choice([2, 3]), dims, r.random() < 0.7, r.random() < 0.7),)
    h = Hierarchy(tuple(stores), sides, r.choice([inf, 4.0]), r.random() < 0.6, r.choice([0.0, 5e-12]))
    return layer, h, Fixed(7.0, 1.0, r.choice([0.0, 2.0]), 0.5)


@pytest.mark.parametrize("seed", range(40))
def test_enumeration_finds_nothing_better(seed: int) -> None:
    """On tiny layers every mapping is priced; the search finds the best of each objective, and says when there is none."""
    layer, h, fixed = random_case(seed)
    legal = [price for nest in nests(layer, h) if (price := priced(layer, h, nest, fixed)).fits]
    for objective in OBJECTIVES:
        if not legal:
            with pytest.raises(MappingError):
                search([layer], h, objective, fixed)
            continue
        best = min(pair(price, objective) for price in legal)
        (found,) = search([layer], h, objective, fixed)
        assert found.optimal
        assert found.priced.fits
        assert isclose(found.value, best[0], rel_tol=1e-9)
        if objective in {"latency", "dram_bytes"}:
            assert isclose(found.priced.energy_pj, best[1], rel_tol=1e-9)


def random_layer(r: Random) -> Layer:
    """A layer of some hundred elements."""
    p, q, s = r.randint(1, 9), r.randint(1, 9), r.randint(1, 3)
    u, d, pad = r.choice([1, 1, 2]), r.choice([1, 1, 2]), r.choice([0, 1])
    height = max(1, (p - 1) * u + (s - 1) * d + 1 - pad)
    return Layer(
        n=r.choice([1, 2, 3]), g=r.choice([1, 1, 2]), k=r.randint(1, 24), c=r.randint(1, 24), p=p, q=q, r=s, s=1,
        stride_h=u, dilation_h=d, pad_top=pad, ifmap_h=height, ifmap_w=q, psum_bits=r.choice([8, 32]),
    )  # fmt: skip


def test_one_store_moves_what_the_one_boundary_solver_finds() -> None:
    """With one store, no array and the objective ``dram_bytes`` both searches solve the same problem."""
    r = Random(1)
    for _ in range(300):
        layer, room = random_layer(r), 8 * r.choice([64, 150, 400, 1000, 3000])
        one = solve(Problems.of_layer(layer), room)
        h = Hierarchy((DRAM, Store("buffer", room, each(1.0), each(1.0))))
        if not one.fits[0]:
            with pytest.raises(MappingError, match="buffer"):
                search([layer], h, "dram_bytes")
            continue
        (found,) = search([layer], h, "dram_bytes")
        assert found.priced.dram_bits == int(one.weight_bits[0] + one.ifmap_bits[0] + one.ofmap_bits[0])


def test_a_published_layer_is_no_dearer_than_other_mappers_make_it() -> None:
    """AlexNet conv5 on the array of Eyeriss: at most the energy and the cycles that nn_dataflow finds for these constants."""
    macs = CONV5.weight_elems * CONV5.p * CONV5.q
    (energy,) = search([CONV5], EYERISS, "energy", Fixed(5.0 * macs))
    (latency,) = search([CONV5], EYERISS, "latency")
    assert energy.value <= 500.4e6
    assert latency.priced.cycles <= 479_232


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_value_is_that_of_the_nest(objective: str) -> None:
    """What the search returns is what pricing its nest gives, and it fits."""
    (found,) = search([SMALL], EYERISS, objective)
    again = priced(SMALL, EYERISS, found.nest)
    assert found.value == value_of(again, objective)
    assert found.lower == found.value
    assert again.fits


def test_equal_layers_are_searched_once() -> None:
    """Equal layers share one result, in the order of the layers; other constants are another problem."""
    first, second, third = search([SMALL, CONV5, SMALL], EYERISS, "dram_bytes")
    assert first is third
    assert second.layer == CONV5
    one, two = search([SMALL, SMALL], EYERISS, "energy", [Fixed(), Fixed(1.0)])
    assert isclose(two.value, one.value + 1.0)


def test_the_search_is_deterministic() -> None:
    """Two searches return the same nest."""
    assert search([SMALL], EYERISS, "edp")[0].nest == search([SMALL], EYERISS, "edp")[0].nest


def test_more_room_and_cheaper_accesses_are_never_worse() -> None:
    """The best energy falls with capacity and with the energy of every access."""
    def best(room: int, energy: float) -> float:
        store = Store("buffer", room, each(energy), each(energy))
        return search([SMALL], Hierarchy((DRAM, store)), "energy")[0].value

    values = [best(room, 1.0) for room in (600, 1000, 2000, 4000, 100_000)]
    assert values == sorted(values, reverse=True)
    assert best(1000, 0.5) <= best(1000, 1.0)


def test_a_time_limit_leaves_a_gap_that_is_stated() -> None:
    """A limit that is hit at once returns a legal mapping and a bound that the best does not undercut."""
    (best,) = search([CONV5], EYERISS, "energy")
    (found,) = search([CONV5], EYERISS, "energy", time_limit_s=0.0)
    assert found.priced.fits
    assert found.lower <= best.value * (1 + 1e-12) <= found.value * (1 + 2e-12)
    assert found.optimal or found.lower <= found.value


def test_the_clock_is_read_between_plans() -> None:
    """What is found in no time is legal, no better than the best, and no better than the bound beside it says."""
    (best,) = search([CONV5], EYERISS, "dram_bytes")
    (hasty,) = search([CONV5], EYERISS, "dram_bytes", time_limit_s=0.0)
    assert hasty.lower <= best.value <= hasty.value
    assert hasty.priced.fits
    assert not hasty.optimal or hasty.value == best.value


def refused(h: Hierarchy, layer: Layer = SMALL, objective: str = "energy") -> str:
    """Message of a search that fails."""
    with pytest.raises(MappingError) as caught:
        search([layer], h, objective)
    return str(caught.value)


def test_a_store_without_room_is_named() -> None:
    """Messages name the store, the operand, what one value needs and what there is."""
    small = Store("rf", None, each(1.0), each(1.0), {"weight": 8, "ifmap": 160, "ofmap": 160}, per_element=True)
    message = refused(Hierarchy((DRAM, small), (Side("rows", 2, ("k",)),)))
    assert message == "rf: no tile of the weight fits: one value needs 16 bit, its part has 8 bit"
    shared = Store("buffer", 40, each(1.0), each(1.0))
    message = refused(Hierarchy((DRAM, shared)))
    assert message == "buffer: no tile fits: one value of weight, ifmap, ofmap needs 48 bit, it has 40 bit"


def test_an_operand_without_a_home_is_named() -> None:
    """Without a store in the elements, every operand needs a store on chip."""
    assert "holds the weight" in refused(Hierarchy((DRAM, Store("sram", 800, each(1.0), each(1.0), holds=("ifmap", "ofmap")))))
    assert "unknown" in refused(EYERISS, objective="speed")
    many = Hierarchy((DRAM, *(Store(f"s{at}", 800, each(1.0), each(1.0)) for at in range(9))))
    assert "at most 7" in refused(many)


@pytest.mark.parametrize("rounds", [(1 << 62,), (1, 2, 3, 5, 8, 1 << 62)])
def test_rounds_change_nothing_but_the_time(rounds: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans searched to the end at once, or broken off after single steps, lead to the same value and the same tie breaker."""
    cases = [(SMALL, EYERISS, Fixed(), objective) for objective in OBJECTIVES]
    cases += [(*random_case(seed), objective) for seed in (0, 3, 5) for objective in OBJECTIVES]
    usual = [found_or_none(*case) for case in cases]
    monkeypatch.setattr("costmodel.mapping.levels.search.ROUNDS", rounds)
    for one, other in zip(usual, (found_or_none(*case) for case in cases), strict=True):
        assert (one is None) == (other is None)
        if one and other:
            assert other.optimal
            assert isclose(other.value, one.value, rel_tol=1e-9)
            assert isclose(other.lower, one.lower, rel_tol=1e-9)


def found_or_none(layer: Layer, h: Hierarchy, fixed: Fixed, objective: str) -> Found | None:
    """What is found; None where nothing fits."""
    try:
        return search([layer], h, objective, fixed)[0]
    except MappingError:
        return None


POINTWISE = Layer(k=1024, c=256, p=14, q=14, ifmap_h=14, ifmap_w=14, **WIDE)


def test_a_tile_of_all_channels_need_be_no_multiple_of_the_arrays() -> None:
    """The buffer has all 256 channels, of which the array takes 12 x 11 at a time; 26 filters fill it. Counted by hand.

    Weights pass the buffer by, once; the ifmap is read for each of 40 tiles of filters, and written in elements for each of 79
    of 13; sums leave the array twice and come back once, of 22 tiles of channels in elements each leaves and one takes them.
    """
    hardware = load_hardware("eyeriss-168")
    compute = hardware.compute
    hierarchy = hierarchy_of(hardware, compute.macs_per_cycle["int16"].value * compute.clock_hz.value)
    (found,) = search([POINTWISE], hierarchy, "energy")
    assert found.optimal
    assert found.priced.fits
    dram, buffer, element = 200, 6, 1  # pJ per 16 bits
    weight, ifmap, ofmap = 1024 * 256, 256 * 196, 1024 * 196
    assert found.value == pytest.approx(
        weight * (dram + element)
        + ifmap * (dram + (1 + 40) * buffer + 79 * element)
        + ofmap * (dram + (1 + 3) * buffer + 23 * element)
    )
    assert found.value == pytest.approx(128_607_232)


SCRIPT = """
from tests.unit.test_mapping_levels_search import random_case
from costmodel.mapping.levels.search import search
for seed in (0, 3, 5):
    layer, h, fixed = random_case(seed)
    for objective in ("energy", "latency", "dram_bytes"):
        try:
            print(search([layer], h, objective, fixed)[0].nest)
        except Exception as error:
            print(error)
"""


def printed(**environment: str) -> str:
    """Output of a search in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    ).stdout


def test_interpreted_and_compiled_searches_find_the_same() -> None:
    """Without Numba's compiler the same mappings are found."""
    compiled, interpreted = printed(), printed(NUMBA_DISABLE_JIT="1")
    assert compiled.count("LoopNest") >= 3
    assert interpreted == compiled


def test_numba_is_loaded_only_for_a_search() -> None:
    """Importing the package, and the search's module, loads no compiler."""
    code = "import sys, costmodel.mapping.levels.search, costmodel; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_found_prices_itself() -> None:
    """The cached price belongs to the nest found."""
    (found,) = search([SMALL], EYERISS, "latency")
    assert isinstance(found, Found)
    assert found.priced.latency_s == found.value
