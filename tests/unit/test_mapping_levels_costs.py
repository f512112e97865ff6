"""What the compiled search counts: scores and bounds by hand, and its best cost against that of the nest it returns."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isclose, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.errors import MappingError
from costmodel.hardware import load_hardware
from costmodel.joint.machine import hierarchy_of
from costmodel.mapping import DIMS, Layer
from costmodel.mapping.levels import costs
from costmodel.mapping.levels.arrays import work_record
from costmodel.mapping.levels.hierarchy import OPERANDS, Fixed, Hierarchy
from costmodel.mapping.levels.price import priced, value_of
from costmodel.mapping.levels.search import Search, search
from costmodel.mapping.levels.setup import OBJECTIVES, Setup, arrays_of
from costmodel.mapping.levels.walks import afresh, along_outputs, along_taps
from costmodel.mapping.nest import RELEVANT
from tests.oracle.levels_strategies import small_layers
from tests.unit.levels_search import fewest_of
from tests.unit.test_mapping_levels_search import SMALL, random_case


def interpreted(function):
    """Return a function as Python runs it, where Numba compiled it."""
    return getattr(function, "py_func", function)


def test_operands_and_the_loops_they_do_not_depend_on():
    """The compiled rule is the table of relevant loops."""
    for at, operand in enumerate(OPERANDS):
        free = {dim for number, dim in enumerate(DIMS) if costs.is_free(at, number)}
        assert free == set(DIMS) - set(RELEVANT[operand])


@given(st.lists(st.integers(1, 9), min_size=8, max_size=8), st.integers(0, 2))
def test_sweeps_multiply_the_trips_of_free_loops(trips, operand):
    """Compiled and interpreted, the product of the loops an operand does not depend on."""
    w = work_record()
    w.trips[3] = trips
    literal = prod(many for dim, many in zip(DIMS, trips, strict=True) if dim not in RELEVANT[OPERANDS[operand]])
    assert costs.sweeps(w, operand, 3) == interpreted(costs.sweeps)(w, operand, 3) == literal


@settings(max_examples=60)
@given(small_layers(longest=6, channels=2), st.data())
def test_halo_is_the_best_walk_that_a_form_allows(layer, data):
    """Outputs may be walked innermost unless they stay in place, taps unless the weights do; one axis keeps its overlap."""
    arrays = arrays_of(layer, search_free())
    w = arrays.works[0]
    inner = {dim: data.draw(st.integers(1, getattr(layer, dim))) for dim in "pqrs"}
    outer = {dim: min(inner[dim] * data.draw(st.integers(1, 4)), getattr(layer, dim)) for dim in "pqrs"}
    for number, dim in enumerate(DIMS):
        if dim in outer:
            w.tile[1, number], w.tile[2, number] = outer[dim], inner[dim]
    whole, by_outputs, by_taps = [], [], []
    for axis, out, tap in ((layer.height, "p", "r"), (layer.width, "q", "s")):
        whole.append(afresh(axis, inner[out], inner[tap]))
        by_outputs.append(along_outputs(axis, inner[out], inner[tap], outer[out]))
        by_taps.append(along_taps(axis, inner[out], inner[tap], outer[tap]))
    for stay in range(3):
        walks = [whole] + ([by_outputs] if stay != 2 else []) + ([by_taps] if stay != 0 else [])
        literal = min(min(kept[0] * whole[1], whole[0] * kept[1]) for kept in walks)
        assert costs.halo(w, arrays.spans, stay, 2, 1) == literal


def search_free():
    """Return a hierarchy of two shared stores without bounds."""
    store = replace(load("ws-16x16").stores[1], capacity_bits=None, optional=())
    return Hierarchy((load("ws-16x16").stores[0], store, replace(store, name="inner")))


def test_an_undecided_axis_is_bounded_by_the_least_of_it():
    """Where a tile is not known, no walk fetches less than the least of any."""
    arrays = arrays_of(SMALL, search_free())
    assert costs.axis_cover(arrays.works[0], arrays.spans, 0, 2, 0, 0) == arrays.works[0].least[0]
    arrays.works[0].tile[2] = arrays.works[0].extent
    assert costs.axis_cover(arrays.works[0], arrays.spans, 0, 2, 0, 0) == afresh(SMALL.height, SMALL.p, SMALL.r)


def scored(kind, *, overlap=True, **changes):
    """Score of 10 steps of 0.5 s, two ports of 7 and 3 s, 1000 pJ, and 64 bits off chip."""
    w = work_record()
    w.kind, w.scale, w.overlap, w.ports, w.resources = kind, 0.5, overlap, 2, 4
    w.total[:4] = 1000.0, 7.0, 3.0, 64.0
    for name, value in changes.items():
        setattr(w, name, value)
    assert interpreted(costs.score)(w, 10.0) == costs.score(w, 10.0)
    return costs.score(w, 10.0)


@pytest.mark.parametrize(
    ("kind", "overlap", "pair"),
    [
        (0, True, (1000.0, 7.0)), (1, True, (7.0, 1000.0)), (2, True, (7000.0, 1000.0)), (3, True, (64.0, 1000.0)),
        (0, False, (1000.0, 15.0)), (1, False, (15.0, 1000.0)), (2, False, (15000.0, 1000.0)),
    ],
)  # fmt: skip
def test_scores_by_hand(kind, overlap, pair):
    """The slowest of 5, 7 and 3 s where they overlap, else their sum; what decides among equals comes second."""
    assert scored(kind, overlap=overlap) == pair


def test_what_no_mapping_changes_counts_in_the_latency():
    """Other work adds to the steps, feeding is another resource, overhead comes on top; static power takes all of it."""
    assert scored(1, compute_s=4.0) == (9.0, 1000.0)
    assert scored(1, feed_s=8.0, overhead_s=1.0) == (9.0, 1000.0)
    assert scored(1, overlap=False, compute_s=4.0, feed_s=8.0, overhead_s=1.0)[0] == 9.0 + 8.0 + 7.0 + 3.0 + 1.0
    assert scored(0, static_pj_per_s=10.0) == (1070.0, 7.0)
    assert scored(2, static_pj_per_s=10.0) == (7490.0, 1070.0)


@pytest.mark.parametrize(
    ("best", "second", "pair", "better"),
    [
        ((inf, inf), 0, (5.0, 1.0), True),
        ((inf, inf), 0, (inf, 1.0), False),
        ((5.0, 3.0), 0, (4.0, 9.0), True),
        ((5.0, 3.0), 0, (5.0 * (1 - 1e-13), 1.0), False),
        ((5.0, 3.0), 1, (5.0 * (1 + 1e-13), 2.0), True),
        ((5.0, 3.0), 1, (5.1, 2.0), False),
        ((5.0, 3.0), 1, (5.0, 3.0 * (1 - 1e-13)), False),
    ],
)
def test_what_improves_on_the_best(best, second, pair, better):
    """By the first entry; once that is settled by the second; rounding is no improvement."""
    w = work_record()
    w.best[:], w.second = best, second
    assert bool(costs.improves(w, *pair)) == better
    assert bool(interpreted(costs.improves)(w, *pair)) == better


def test_charges_add_up():
    """Two sweeps over what crosses a boundary, resource by resource, and nothing beyond those counted."""
    w = work_record()
    w.resources, w.total[:3] = 2, (1.0, 1.0, 1.0)
    w.flow[1, 2, :3] = 3.0, 5.0, 7.0
    costs.charge(w, 1, 2, 2.0)
    assert w.total[:3].tolist() == [7.0, 11.0, 1.0]


def unit(objective):
    """Off-chip traffic is counted in bits and stated in bytes."""
    return 8 if objective == "dram_bytes" else 1


@pytest.mark.parametrize("seed", range(24))
def test_the_search_scores_what_pricing_gives(seed):
    """The best pair that the compiled search has counted is the value and the tie breaker of the nest it describes."""
    layer, hierarchy, fixed = random_case(100 + seed)
    for objective in OBJECTIVES:
        one = Setup(layer, hierarchy, objective, fixed)
        try:
            found = Search(one).run(None)
        except MappingError:
            continue
        first, second = one.arrays.works[0].best
        assert isclose(found.value * unit(objective), first, rel_tol=1e-9)
        if one.breaks_ties and objective != "energy":
            assert isclose(found.priced.energy_pj, second, rel_tol=1e-9)


@pytest.mark.parametrize("seed", range(16))
def test_bounds_of_plans_are_below_what_is_found(seed):
    """No plan's bound exceeds the best of all, of which it is sorted the most promising first."""
    layer, hierarchy, fixed = random_case(200 + seed)
    for objective in OBJECTIVES:
        one = Setup(layer, hierarchy, objective, fixed)
        steps = fewest_of(one)
        if steps == inf:
            continue
        firsts = [tuple(one.prepared.bound[number]) for number in one.prepared.order]
        assert firsts == sorted(firsts)
        try:
            found = Search(Setup(layer, hierarchy, objective, fixed)).run(None)
        except MappingError:
            continue
        assert firsts[0][0] <= found.value * unit(objective) * (1 + 1e-12)
        assert steps <= found.priced.cycles


# ---- shipped profiles


WIDE = {"weight_bits": 16, "ifmap_bits": 16, "ofmap_bits": 16, "psum_bits": 32}
DRAM_PJ, BUFFER_PJ, PE_PJ = 200 / 16, 6 / 16, 1 / 16  # of a bit, as in the energies of Chen et al. 2016, Table IV


def load(name, bits=16):
    """Return the hierarchy of a shipped profile at the rate of a number format."""
    hardware = load_hardware(name)
    compute = hardware.compute
    return hierarchy_of(hardware, compute.macs_per_cycle[f"int{bits}"].value * compute.clock_hz.value)


def found_on(name, layer, objective="energy", bits=16):
    """Search a layer on a profile and return a nest that is proved best, fits and costs what is said."""
    (found,) = search([layer], load(name, bits), objective)
    assert found.optimal
    assert found.priced.fits
    assert found.value == value_of(priced(layer, load(name, bits), found.nest), objective)
    return found


@pytest.mark.parametrize(("k", "c", "steps"), [(16, 16, 1), (32, 48, 6), (17, 16, 2), (8, 5, 1)])
def test_a_weight_stationary_array_takes_a_step_per_tile_of_channels(k, c, steps):
    """16 x 16 elements over c and k: every output position once per 16 x 16 weights, remainders included."""
    layer = Layer(k=k, c=c, p=3, q=5, ifmap_h=3, ifmap_w=5, **WIDE)
    assert found_on("ws-16x16", layer, "latency").priced.cycles == steps * 15


@pytest.mark.parametrize(("p", "q", "steps"), [(16, 16, 1), (17, 16, 2), (20, 40, 6), (3, 2, 1)])
def test_an_output_stationary_array_takes_a_step_per_tile_of_outputs(p, q, steps):
    """16 x 16 elements over p and q: every weight once per 16 x 16 outputs."""
    layer = Layer(k=3, c=2, p=p, q=q, ifmap_h=p, ifmap_w=q, **WIDE)
    assert found_on("os-16x16", layer, "latency").priced.cycles == steps * 6


def test_energy_of_one_tile_of_weights_by_hand():
    """Weights go to the elements once, past the buffer; ifmap and ofmap pass the buffer once, through registers."""
    layer = Layer(k=16, c=16, p=4, q=2, ifmap_h=4, ifmap_w=2, **WIDE)
    found = found_on("ws-16x16", layer)
    weight, ifmap, ofmap = 256 * 16, 128 * 16, 128 * 16
    literal = weight * (DRAM_PJ + PE_PJ) + ifmap * (DRAM_PJ + 2 * BUFFER_PJ) + ofmap * (2 * BUFFER_PJ + DRAM_PJ)
    assert isclose(found.value, literal)
    assert found.nest.passes_by(0) == {"weight"}


def test_energy_of_one_tile_of_outputs_by_hand():
    """Partial sums stay in the elements: every weight is read once, every input once per filter, every output leaves once."""
    layer = Layer(k=4, c=8, p=16, q=16, ifmap_h=16, ifmap_w=16, **WIDE)
    found = found_on("os-16x16", layer)
    weight, ifmap, ofmap = 32 * 16, 8 * 256 * 16, 4 * 256 * 16
    literal = weight * DRAM_PJ + ifmap * (DRAM_PJ + (1 + 4) * BUFFER_PJ) + ofmap * (PE_PJ + 2 * BUFFER_PJ + DRAM_PJ)
    assert isclose(found.value, literal)


@pytest.mark.parametrize(("c", "r", "k", "steps"), [(256, 1, 256, 1), (64, 3, 256, 3), (30, 3, 300, 4), (256, 1, 257, 2)])
def test_a_matrix_unit_takes_rows_of_channels_and_taps(c, r, k, steps):
    """256 x 256 elements of TPU v1: c, r and s share the rows, k the columns; 64 channels of 9 taps are 576 of 768 rows."""
    layer = Layer(k=k, c=c, p=4, q=1, r=r, s=r, pad_top=r // 2, pad_left=r // 2, ifmap_h=4, ifmap_w=1)
    assert found_on("tpu-v1", layer, "latency", 8).priced.cycles == steps * 4


@pytest.mark.parametrize("name", ["ws-16x16", "os-16x16", "tpu-v1"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_shipped_arrays_move_no_less_than_everything_once(name, objective):
    """A layer that fits on chip is read and written once off chip whatever is minimised for, and not below in any case."""
    layer = Layer(k=20, c=12, p=6, q=6, r=3, s=3, pad_top=1, pad_left=1, ifmap_h=6, ifmap_w=6)
    found = found_on(name, layer, objective, 8)
    once = 8 * (20 * 12 * 9 + 12 * 36 + 20 * 36)
    assert found.priced.dram_bits >= once
    assert found.priced.cycles * found.hierarchy.elements >= 20 * 12 * 9 * 36
    if objective == "dram_bytes":
        assert found.value == once / 8


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_unfinished_search_states_a_bound_in_the_unit_of_its_value(objective, monkeypatch):
    """Stopped as soon as it has found anything, the bound is at most the best there is, off-chip bytes included."""
    layer = Layer(k=60, c=50, p=14, q=14, r=3, s=3, pad_top=1, pad_left=1, ifmap_h=14, ifmap_w=14, **WIDE)
    dram, buffer, pe = load("os-16x16").stores
    hierarchy = replace(load("os-16x16"), stores=(dram, replace(buffer, capacity_bits=8000), pe))
    (best,) = search([layer], hierarchy, objective)
    assert best.optimal
    assert best.lower == best.value
    monkeypatch.setattr("costmodel.mapping.levels.search.BUDGET", 20)
    (stopped,) = search([layer], hierarchy, objective, time_limit_s=0.0)
    assert not stopped.optimal
    assert 0 < stopped.lower <= best.value * (1 + 1e-12) <= stopped.value * (1 + 2e-12)


@pytest.mark.parametrize("name", ["ws-16x16", "os-16x16", "tpu-v1"])
def test_unused_sides_and_fixed_parts_add_up(name):
    """Constants shift energy by what they are and, without static power, leave the best nest as it is."""
    layer, hierarchy = Layer(k=8, c=4, p=4, q=4, ifmap_h=4, ifmap_w=4), replace(load(name, 8), static_w=0.0)
    (plain,), (shifted,) = (search([layer], hierarchy, "energy", fixed) for fixed in (Fixed(), Fixed(1000.0, overhead_s=2.0)))
    assert isclose(shifted.value, plain.value + 1000.0)
    assert isclose(shifted.priced.latency_s, plain.priced.latency_s + 2.0)
    assert np.isclose(shifted.priced.cycles, plain.priced.cycles)
