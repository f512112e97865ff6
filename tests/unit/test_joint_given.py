"""Given mappings: read, refused, priced as the ones that are found, and the Eyeriss chip under the mappings it ran."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from costmodel.analysis import analysis_of, estimate_of
from costmodel.errors import MappingError
from costmodel.hardware import load_hardware
from costmodel.joint.given import given_costs, on_chip_pj
from costmodel.joint.tasks import Work
from costmodel.sparsity import ActivationDensities, ActivationDensity, activation_code
from costmodel.validation import check, network, published
from tests.unit.joint_machine import small, spatial

CHIP = {row["id"]: row for row in published() if row["id"].startswith("eyeriss-chip")}
WRITTEN = {
    "levels": [
        {"name": "sram", "tile": {"k": 4, "c": 3, "p": 2, "q": 2}, "order": "pqrs"},
        {"name": "rf", "tile": {"k": 1}, "order": "kcpq"},
    ],
    "unroll": {"c": {"side": "rows", "elements": 2}, "k": {"side": "columns", "elements": 4}},
}


def work(graph, hardware, batch=1):
    """What is to be priced, as an estimate for energy asks it."""
    estimate = replace(estimate_of(graph, hardware, batch, None, None), objective="energy")
    return Work(estimate.table, estimate.widths, estimate.precisions, hardware, estimate.feed_bytes("value"))


# ---- reading


def test_what_is_wrong_with_any_mapping_is_said_with_its_layer():
    """A layer that is not there; tiles, with sums of 32 bits, that do not fit; memories that are not there."""
    graph, hardware = small(), spatial()
    with pytest.raises(MappingError, match="conv7: no layer of this name is mapped; take one of conv"):
        given_costs(work(graph, hardware), {"conv7": WRITTEN}, None)
    sram, rf = WRITTEN["levels"]
    whole = {**sram, "tile": {"k": 4, "c": 3, "p": 6, "q": 6, "r": 3, "s": 3}, "order": ""}
    large = {**WRITTEN, "levels": [whole, {**rf, "order": "kcpqrs"}]}
    with pytest.raises(MappingError) as caught:
        given_costs(work(graph, hardware), {"conv": large, "fc": {"levels": [{**sram, "name": "glb"}, rf]}}, None)

    assert caught.value.problems == (
        "conv: sram: weight 108 B, ifmap 108 B, ofmap 576 B do not fit into 512 B",
        "fc: levels: are glb, rf; give sram, rf, in this order",
    )


# ---- pricing


def test_a_mapping_that_was_found_costs_the_same_when_it_is_given():
    """Traffic, energy and every access of a whole network; only the named layers are priced."""
    graph, hardware = small(), spatial()
    analysis = analysis_of(graph, hardware, 1, None, None, objective="energy")
    found = {layer.name: layer.mapping for layer in analysis.layers if layer.op in ("conv", "linear")}
    given = given_costs(work(graph, hardware), {name: one.to_dict() for name, one in found.items()}, None)
    rows = {layer.name: row for row, layer in enumerate(analysis.layers)}

    assert {given.nests[rows[name]].priced.energy_pj for name in found} == {one.priced.energy_pj for one in found.values()}
    for layer in analysis.layers:
        crossing, row = given.off_chip, rows[layer.name]
        moved = sum(int(size[row, 0]) for size in (crossing.weight_bytes, crossing.ifmap_bytes, crossing.ofmap_bytes))
        assert moved == (layer.dram_bytes if layer.name in found else 0), layer.name


def test_a_given_mapping_is_never_better_than_the_one_found():
    """The search looked at it too."""
    graph, hardware = small(), spatial()
    analysis = analysis_of(graph, hardware, 1, None, None, objective="energy")
    best = next(layer.mapping for layer in analysis.layers if layer.name == "conv")
    (given,) = given_costs(work(graph, hardware), {"conv": WRITTEN}, None).nests.values()

    assert best.optimal
    assert best.value < given.value


def test_energy_on_chip_is_what_is_left_without_the_backing_store():
    """With a backing store that costs nothing, all of it."""
    graph, hardware = small(), spatial(static_w=1e-3)
    first = hardware.levels[0]
    nothing = {name: replace(getattr(first, name), value=0.0, low=0.0) for name in ("read_pj_per_byte", "write_pj_per_byte")}
    free = replace(hardware, levels=(replace(first, **nothing), *hardware.levels[1:]))
    (paid,), (spared,) = (given_costs(work(graph, one), {"conv": WRITTEN}, None).nests.values() for one in (hardware, free))

    assert on_chip_pj(paid.priced) == pytest.approx(spared.priced.energy_pj, rel=1e-12)
    assert on_chip_pj(paid.priced) < paid.priced.energy_pj


def test_given_mappings_are_coded_off_chip():
    """Half of the activations zero: fewer bytes for them, as many for weights."""
    graph, hardware = small(), spatial()
    asked = work(graph, hardware)
    half = ActivationDensities("half", {"*": ActivationDensity(0.2, 0.2)})
    code = activation_code(asked.table, asked.widths, half)
    plain, coded = (given_costs(asked, {"conv": WRITTEN}, one).off_chip for one in (None, code))

    assert np.array_equal(plain.weight_bytes, coded.weight_bytes)
    assert plain.ifmap_bytes.sum() > coded.ifmap_bytes.sum() > 0


# ---- the chip


def test_the_chip_moves_what_was_measured():
    """Off-chip bytes within 10 % of Table V, and without the code far more than it says."""
    row = CHIP["eyeriss-chip-dram-bytes"]

    assert abs(check(row).deviation_ratio) < 0.1
    assert check({key: value for key, value in row.items() if key != "activations"}).deviation_ratio > 0.2


@pytest.mark.parametrize(
    ("layer", "published_bytes", "within"),
    [("conv1", 5.0e6, 0.06), ("conv2", 4.0e6, 0.02), ("conv3", 3.0e6, 0.02), ("conv4", 2.1e6, 0.02), ("conv5", 1.3e6, 0.04)],
)
def test_the_chip_layer_by_layer(layer, published_bytes, within):
    """Cells of Table V, which were not verified in the paper itself: DRAM access by layer [B]."""
    row = CHIP["eyeriss-chip-dram-bytes"]
    one = check({**row, "mappings": {layer: row["mappings"][layer]}, "value": published_bytes})

    assert abs(one.deviation_ratio) < within


@pytest.mark.parametrize(("layer", "active"), [("conv1", 154), ("conv3", 156), ("conv4", 156), ("conv5", 156)])
def test_the_chip_keeps_as_many_elements_busy(layer, active):
    """Active elements of Table V; conv2 is folded otherwise here."""
    unroll = CHIP["eyeriss-chip-dram-bytes"]["mappings"][layer]["unroll"]

    assert np.prod([one["elements"] for one in unroll.values()]) == active


def test_the_chip_takes_the_time_of_the_array_at_least():
    """Processing latency of Table V [ms], conv2 aside, is at most a fifth above the steps of the array."""
    row, hardware = CHIP["eyeriss-chip-dram-bytes"], load_hardware("eyeriss")
    costs = given_costs(work(network("alexnet"), hardware, 4), row["mappings"], None)
    names = network("alexnet").table().names
    ms = {names[at]: nest.cycles / 200e3 for at, nest in costs.nests.items()}

    for layer, measured in {"conv1": 16.5, "conv3": 21.8, "conv4": 16.0, "conv5": 10.0}.items():
        assert ms[layer] < measured < 1.2 * ms[layer], layer


def test_energy_is_said_twice():
    """With cited constants only it is a prediction, two thirds of what was measured; calibrated, what was measured."""
    cited, calibrated = (check(CHIP[f"eyeriss-chip-energy-{name}"]) for name in ("cited", "calibrated"))

    assert 0.6 < cited.actual / cited.expected < 0.75
    assert calibrated.actual == pytest.approx(calibrated.expected, rel=0.01)
    assert cited.expected == pytest.approx(278e-3 * 115.3e-3 / 4, rel=1e-3)


def test_the_calibrated_profile_differs_by_one_number():
    """Every energy on chip is the same multiple of the cited one; the rest is inherited; both say which they are."""
    cited, fitted = load_hardware("eyeriss"), load_hardware("eyeriss-calibrated")
    pairs = [(one, two) for one, two in zip(cited.constants(), fitted.constants(), strict=True) if one.value != two.value]

    accesses = {f"{level}.{way}_energy" for level in ("glb", "rf") for way in ("read", "write")}
    assert {two.name for _, two in pairs} == accesses | {"compute.mac_energy.int16", "compute.mac_energy.int8"}
    assert {round(two.value / one.value, 9) for one, two in pairs} == {round(2.22 / 1.5, 9)}
    assert {two.tier for _, two in pairs} == {"calibrated"}
    assert "calibrated" not in {one.tier for one in cited.constants()}
    assert all(two.low < two.value < two.high for _, two in pairs)
