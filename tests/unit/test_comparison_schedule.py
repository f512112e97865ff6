"""Comparisons under a schedule: factors of residency and fusion, what fits, batches, crossovers."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf, isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel import comparison as module
from costmodel.analysis import analysis_of
from costmodel.comparison import Fit, comparison_of, ingredients, off_chip_j, part, product_of
from costmodel.errors import MappingError
from costmodel.graph import Graph
from costmodel.schedule import KINDS, PHASES
from tests.properties.test_sharing import networks
from tests.unit.cascades import pair, perceptron, tower
from tests.unit.machine import machine

FACTORS = (
    "fewer bits per weight", "fewer bits per activation", "fewer weights", "activations", "tiles that fit on chip",
    "residency", "fusion", "energy per off-chip byte",
)  # fmt: skip


def compared(*graphs, kind=None, phase="steady", hardware=None, batch=1, dtypes=None, capacity=1 << 20):
    """Compare graphs under a schedule on the machine of round numbers."""
    return comparison_of(graphs, hardware or [machine(capacity)], batch, dtypes, None, kind, phase)


def factors(comparison):
    """Factors of the first pair by name."""
    return {factor.name: factor.ratio for factor in comparison.pairs[0].factors}


# ---- factors


@pytest.mark.parametrize("kind", KINDS)
def test_factors_are_always_the_same_reasons(kind):
    """In the same order under every schedule; what a schedule does not do makes no difference."""
    found = factors(compared(perceptron(), pair(), kind=kind))
    assert tuple(found) == FACTORS
    assert found["fusion"] == 1.0 or kind == "fused"
    assert found["residency"] == 1.0 or kind != "layer"


def test_residency_by_hand():
    """The perceptron moves 110 of 5,710 bytes, two convolutions 2,048 of 4,256."""
    found = compared(perceptron(), pair(), kind="resident")
    assert factors(found)["residency"] == pytest.approx((110 / 5710) / (2048 / 4256))
    assert factors(found)["fusion"] == 1.0
    explanation = next(f.explanation for f in found.pairs[0].factors if f.name == "residency")
    assert explanation == "1.93 % against 48.12 % of that still moves where tensors stay on chip"


def test_fusion_by_hand():
    """In 600 bytes: 4,096 of 4,256 bytes with weights that stay, 2,048 of these in stripes; nothing for the perceptron."""
    found = compared(perceptron(), pair(), kind="fused", capacity=600)
    first = found.analyses[0]
    resident = first.scheduled("resident", "steady").dram_bytes
    assert first.totals.dram_bytes == resident
    assert factors(found)["fusion"] == pytest.approx(1 / (2048 / 4096))
    assert factors(found)["residency"] == pytest.approx(
        (resident / first.scheduled("layer", "steady").dram_bytes) / (4096 / 4256)
    )


def test_the_phase_is_that_of_the_analyses():
    """From a cold start residency saves the tensor between, not the weights."""
    found = factors(compared(perceptron(), perceptron(), kind="resident", phase="cold"))
    assert set(found.values()) == {1.0}
    against = factors(compared(perceptron(), pair(), kind="resident", phase="cold"))
    assert against["residency"] == pytest.approx((5610 / 5710) / (2208 / 4256))


@settings(max_examples=50, deadline=None)
@given(
    networks(), networks(), st.sampled_from([None, *KINDS]), st.sampled_from(PHASES), st.integers(40, 900),
    st.integers(40, 900), st.sampled_from([None, ["fp32", "int8"]]), st.integers(1, 3),
    st.sampled_from([("none", False), ("all", False), ("activations", True)]),
)  # fmt: skip
def test_factors_multiply_to_the_whole(one, two, kind, phase, small, large, dtypes, batch, declared):
    """Whatever the networks, capacities, formats, batch, schedule and what the profile declares."""
    residency, fusion = declared
    hardware = [replace(machine(small), name="small"), replace(machine(large), name="large")]
    profiles = [replace(profile, residency=residency, fusion=fusion) for profile in hardware]
    found = comparison_of([one, two], profiles, batch, dtypes, None, kind, phase)
    assert len(found.pairs) == 2
    for compared_pair in found.pairs:
        assert product_of(compared_pair.factors) == pytest.approx(compared_pair.ratios["energy_off_chip_j"], rel=1e-9)
    across = comparison_of([one], profiles, batch, None, None, kind, phase).pairs[0]
    assert product_of(across.factors) == pytest.approx(across.ratios["energy_off_chip_j"], rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(networks(), st.integers(40, 900), st.sampled_from(KINDS), st.sampled_from(PHASES))
def test_ingredients_are_the_off_chip_energy(graph, capacity, kind, phase):
    """Put together again they give the joules they were taken from."""
    analysis = analysis_of(graph, machine(capacity), 1, None, None, kind, phase)
    assert off_chip_j(ingredients(analysis)) == pytest.approx(analysis.totals.energy_off_chip_j)


def test_a_schedule_across_profiles_that_declare_others():
    """One network on hardware that does nothing and on hardware that cascades: residency and fusion are the difference."""
    plain = machine(600)
    fusing = replace(plain, name="fusing", residency="all", fusion=True)
    found = comparison_of([pair()], [plain, fusing], 1, None, None)
    assert [analysis.kind for analysis in found.analyses] == ["layer", "fused"]
    assert factors(found) == pytest.approx(
        {**dict.fromkeys(FACTORS, 1.0), "residency": 4256 / 4096, "fusion": 2.0,
         "energy per off-chip byte": ((2208 * 100 + 2048 * 200) / 4256) / ((1024 * 100 + 1024 * 200) / 2048)}
    )  # fmt: skip


@pytest.mark.parametrize(("some", "whole", "expected"), [(1, 4, 0.25), (0, 4, 0.0), (0, 0, 1.0), (3, 0, 1.0)])
def test_parts_of_nothing(some, whole, expected):
    """Of nothing everything is left."""
    assert part(some, whole) == expected


def test_a_network_that_moves_nothing():
    """Compared with one that does: no division by zero, nothing that JSON cannot hold."""
    graph = Graph("view")
    graph.output(graph.flatten("flat", graph.input("x", (1, 2, 2))))
    for kind in KINDS:
        found = compared(perceptron(), graph, kind=kind)
        assert found.pairs[0].ratios["dram_bytes"] == inf
        assert not isnan(product_of(found.pairs[0].factors))
        assert cm.compare([graph, perceptron()], machine(), schedule=kind).pairs[0].ratios["dram_bytes"] == 0.0
        assert "view" in repr(found)


# ---- what fits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phase", PHASES)
def test_fits_do_not_depend_on_what_was_priced(kind, phase):
    """Every schedule is worked out in the phase of the analysis."""
    fit = compared(pair(), pair(), kind=kind, phase=phase, capacity=600).fits[0]
    weights = 160 if phase == "cold" else 0
    assert (fit.layer_bytes, fit.resident_bytes, fit.fused_bytes, fit.bound_bytes) == (
        4256, 4096 + weights, 2048 + weights, 2048 + weights,
    )  # fmt: skip
    assert (fit.weight_bytes, fit.peak_bytes, fit.capacity_bytes) == (168, 2048, 600)


def test_fits_in_json():
    """All fields, as numbers."""
    found = json.loads(json.dumps(compared(pair(), tower(), kind="fused").to_dict()["fits"]))
    assert [set(fit) for fit in found] == [set(Fit.__dataclass_fields__)] * 2
    assert [fit["network"] for fit in found] == ["pair", "tower"]


# ---- batches


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_priced_under_the_same_schedule(kind):
    """Bytes per input at a batch are those of an analysis of it."""
    found = compared(perceptron(), pair(), kind=kind, phase="cold", capacity=700)
    for point in found.batch_sweep[:4]:
        for graph, moved in zip((perceptron(), pair()), point.bytes_per_input, strict=True):
            alone = analysis_of(graph, machine(700), point.batch, None, None, kind, "cold")
            assert moved == alone.totals.dram_bytes / point.batch


def test_crossovers_depend_on_the_schedule():
    """Layer by layer a batch shares the weights of the perceptron; where all stays, only inputs and outputs count."""
    many, few = perceptron("many weights", (30, 60, 10)), pair("few weights")
    by_layer = compared(many, few).crossovers[0]
    resident = compared(many, few, kind="resident").crossovers[0]
    assert by_layer.batch is None
    assert resident.batch is None
    turned = compared(few, perceptron("dense", (100, 100)), kind="resident", phase="cold").crossovers[0]
    bytes_at = [2048 + 160 / batch - (200 + 10000 / batch) for batch in range(1, 8)]
    assert turned.batch == next(batch for batch, difference in enumerate(bytes_at, 1) if difference > 0)


def test_the_crossover_is_the_first_batch():
    """Checked by pricing every batch before it."""
    found = compared(perceptron("dense", (100, 100)), pair("few"), kind="resident", phase="cold")
    turn = found.crossovers[0].batch
    favours = [found.bytes_per_input(0, batch)[0] > found.bytes_per_input(1, batch)[0] for batch in range(1, turn + 1)]
    assert favours == [True] * (turn - 1) + [False]


def test_each_batch_is_priced_once(monkeypatch):
    """The sweep and both crossovers ask for the same batches."""
    asked = []
    real = module.analysis_of

    def counting(graph, hardware, batch, *rest):
        asked.append((graph.name, batch))
        return real(graph, hardware, batch, *rest)

    found = compared(perceptron("a"), pair("b"), kind="resident")
    monkeypatch.setattr(module, "analysis_of", counting)
    assert found.batch_sweep
    assert found.crossovers
    assert found.bytes_per_input(0, 1) == found.bytes_per_input(0, 1)
    assert len(asked) == len(set(asked)) > 14


def test_a_layer_that_cannot_be_tiled_is_an_error():
    """As of one analysis."""
    with pytest.raises(MappingError, match="fc0: cannot be tiled into sram of 5 B"):
        compared(perceptron(), pair(), kind="fused", capacity=5)


def test_certainty_is_about_the_schedule_priced():
    """Executed MACs, again those that are computed twice, are part of the difference."""
    found = compared(tower(), tower("again"), kind="fused", phase="cold", capacity=123)
    assert not found.pairs[0].certain
    assert found.pairs[0].ratios["energy_j"] == 1.0
