"""What a report says of one analysis: totals, what dominates, what was assumed; figures worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from costmodel.analysis import LayerCost, analysis_of
from costmodel.report.assumptions import (
    assumed_constants,
    bibliography,
    constant_table,
    free_rules,
    modelling,
    unknown,
    used_constants,
)
from costmodel.report.dominance import (
    byte_against_mac,
    dominance,
    energy,
    half,
    latency,
    swing,
    traffic,
    uncertainty,
)
from costmodel.report.totals import compulsory_detail, totals_facts
from tests.golden.samples import analysis, evil, small
from tests.unit.machine import constant, machine


def layer(name, **quantities):
    """Return a layer that has only what is given."""
    blank = dict.fromkeys((field for field in LayerCost.__dataclass_fields__ if field != "mapping"), 0)
    words = {"group": "", "op": "conv", "status": "counted", "note": "", "binding": "dram"}
    return LayerCost(**{**blank, **words, "mapping": None, "name": name, **quantities})


def facts(result):
    """Return the facts of the totals box by label."""
    return {fact.label.strip(): fact for fact in totals_facts(result).facts}


# ---- totals


def test_totals_are_those_of_the_library():
    """The box shows the totals, scaled for people."""
    found, t = facts(analysis()), analysis().totals

    assert found["parameters"].value == f"{t.params / 1e3:.4g} k"
    assert found["off-chip bytes"].value == f"{t.dram_bytes / 1e3:.4g} kB"
    assert found["compulsory"].value == f"{t.compulsory_bytes / 1e3:.4g} kB"
    assert found["energy"].value == f"{t.energy_j.value * 1e6:.4g} uJ"
    assert found["latency"].value == f"{t.latency_s * 1e3:.4g} ms"


def test_parts_are_shares_of_their_whole():
    """Operands add up to the off-chip bytes, parts to the energy."""
    found = facts(analysis())

    for parts in (("weights", "ifmaps", "ofmaps"), ("arithmetic", "on-chip memory", "off-chip traffic", "static power")):
        shares = [float(found[part].detail.removesuffix(" %")) for part in parts if found[part].detail != "-"]
        assert sum(shares) == pytest.approx(100, abs=0.2)


def test_the_batch_is_named():
    """Figures of several inputs say so."""
    assert totals_facts(analysis()).title == "Totals"
    assert totals_facts(analysis(batch=16)).title == "Totals for the batch of 16"


def test_the_range_of_the_energy_stands_beside_it():
    """Low and high of the energy, its unit once."""
    low, high = analysis().totals.energy_j.low, analysis().totals.energy_j.high

    assert facts(analysis())["energy"].detail == f"{low * 1e6:.3g} to {high * 1e6:.3g} uJ"


@pytest.mark.parametrize(
    ("moved", "least", "expected"),
    [(10, 10, "reached: no byte crosses twice"), (15, 10, "the least; 1.50 times that crosses")],
)
def test_compulsory_bytes_are_put_into_words(moved, least, expected):
    """A report says whether the bound is reached, and by how much it is missed."""
    assert compulsory_detail(SimpleNamespace(dram_bytes=moved, compulsory_bytes=least)) == expected


# ---- what dominates


def test_the_fewest_layers_that_make_half():
    """One layer is named with its share; two with their sum; the others are counted."""
    layers = [layer("a", macs=60), layer("b", macs=30), layer("c", macs=10)]

    assert half(layers, "macs", 100) == "a 60.0 %"
    assert half([layer(n, macs=1) for n in "abcd"], "macs", 4) == "a 25.0 % and b 25.0 %, together 50.0 %"
    assert half([layer(n, macs=1) for n in "abcdefghij"], "macs", 10) == (
        "half of it in 5 of 10 layers, most in a 10.0 %, b 10.0 % and c 10.0 %"
    )


def test_free_layers_are_not_counted_among_those_that_share():
    """The number of layers is that of layers that cost something and are not free."""
    layers = [layer(n, macs=1) for n in "abcdefghij"] + [layer("relu", macs=1, status="free"), layer("none")]

    assert "of 10 layers" in half(layers, "macs", 11)


def test_the_largest_part_of_the_energy_is_named():
    """DRAM at 100 pJ a byte against a MAC at 1 pJ: which is larger follows from the counts."""
    t = analysis().totals
    parts = {"off-chip traffic": t.energy_off_chip_j, "on-chip memory": t.energy_on_chip_j, "arithmetic": t.energy_mac_j}
    largest = max(parts, key=parts.get)
    first = next(iter(energy(analysis())))

    assert first.startswith(f"Energy: {largest} takes {100 * parts[largest] / t.energy_j.value:.1f} %")


def test_a_byte_is_worth_so_many_macs():
    """Bytes are read at 100 and written at 200 pJ, a MAC takes 1 pJ: the ratio lies between."""
    sentence = next(byte_against_mac(analysis()))
    worth = float(sentence.split(" as ")[2].split()[0])

    assert 100 <= worth <= 200
    assert sentence.endswith("MACs (int8).")


def test_the_largest_operand_is_named():
    """Off-chip bytes are split by operand, the largest one named."""
    t = analysis().totals
    operands = {"weights": t.weight_dram_bytes, "ifmaps": t.ifmap_dram_bytes, "ofmaps": t.ofmap_dram_bytes}

    assert next(iter(traffic(analysis()))).startswith(f"Off-chip bytes: {max(operands, key=operands.get)} are ")


def test_what_is_fetched_again_is_listed():
    """With a buffer of a few hundred bytes something is fetched more than once, and the report says which layers."""
    tight = analysis(capacity=400)
    again = [e for e in tight.layers if e.dram_bytes > e.compulsory_bytes]
    sentence = next(s for s in traffic(tight) if s.startswith("Fetched more than once"))

    assert again
    assert max(again, key=lambda e: e.dram_bytes - e.compulsory_bytes).name in sentence
    assert not [s for s in traffic(analysis()) if s.startswith("Fetched more than once")]


def test_the_resource_that_most_time_waits_for():
    """Shares of the time by binding resource, the largest first."""
    sentence = next(iter(latency(analysis())))

    assert sentence.startswith("Latency: waiting ")
    assert "% for compute" in sentence


def test_the_constant_that_widens_the_range():
    """DRAM reads range from half to double, MACs from half to four times: the wider one in joules is named."""
    sentence = next(iter(uncertainty(analysis())))

    assert sentence.startswith("The range of the energy comes mostly from ")
    assert "dram.read_energy" in sentence or "dram.write_energy" in sentence or "compute.mac_energy.int8" in sentence


def test_exact_constants_widen_nothing():
    """Without ranges there is no such sentence."""
    term = SimpleNamespace(constant=constant("c", 2.0, "pJ"), amount={"value": SimpleNamespace(sum=lambda: 5.0)})
    exact = SimpleNamespace(
        estimate=SimpleNamespace(terms=[term]), totals=SimpleNamespace(energy_j=SimpleNamespace(value=1e-11))
    )

    assert list(uncertainty(exact)) == []


def test_a_swing_is_amount_times_range():
    """Five bytes at 2 (1 to 4) pJ: from -5 to +10 pJ."""
    term = SimpleNamespace(constant=constant("c", 2.0, "pJ", 1.0, 4.0), amount={"value": SimpleNamespace(sum=lambda: 5.0)})

    assert swing([term]) == pytest.approx((-5e-12, 10e-12))


def test_nothing_dominates_an_empty_result():
    """No energy, no bytes, no time: no sentence divides by zero."""
    zero = SimpleNamespace(
        macs=0, other_ops=0, dram_bytes=0, energy_mac_j=0.0, energy_off_chip_j=0.0, latency_s=0.0,
        energy_j=SimpleNamespace(value=0.0),
    )  # fmt: skip
    empty = SimpleNamespace(totals=zero, layers=(), precision=SimpleNamespace(mac_format="int8"))

    assert [*energy(empty), *traffic(empty), *latency(empty)] == []


def test_sentences_name_hostile_layers_safely():
    """A control character in a name is shown as its escape."""
    assert all("\x1b" not in sentence for sentence in dominance(analysis(evil)).sentences)


# ---- assumptions


def test_assumed_constants_come_with_their_reason():
    """Value, range and reason; exact ones without a range."""
    used = used_constants([analysis()])
    found = assumed_constants(used)

    assert found.title == f"What was assumed: {len(used)} of the {len(used)} constants used have no source"
    assert "dram.read_energy = 100 pJ/B (50 to 200 pJ/B): made up" in found.sentences
    assert "sram.capacity = 1 MiB: made up" in found.sentences


def test_constants_of_several_analyses_are_listed_once():
    """Two number formats share memories and have their own multipliers."""
    names = [c.name for c in used_constants([analysis(), analysis(dtype="fp32")])]

    assert len(names) == len(set(names))
    assert {"compute.mac_energy.int8", "y.fp32"} <= set(names)


def test_constant_table_has_one_row_per_constant():
    """Name, value, range, tier, source and place."""
    table = constant_table([constant("a", 2.0, "pJ", 1.0, 4.0), constant("b", 1.0, "MAC")])

    assert [row.cells for row in table.rows] == [
        ("a", "2 pJ", "1 to 4 pJ", "assumed", "test", "made up"),
        ("b", "1 MAC", "exact", "assumed", "test", "made up"),
    ]


def test_ranges_of_different_units_name_both():
    """Half a picojoule to two nanojoules."""
    row = constant_table([constant("a", 1.0, "pJ", 0.5, 2000.0)]).rows[0]

    assert row.cells[2] == "0.5 pJ to 2 nJ"


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        (machine(), "Transfers and compute overlap: a layer takes as long as its slowest resource."),
        (machine(overlap=False), "Transfers and compute take turns: their times add."),
        (machine(double_buffered=True), "half of it holding the next tile (double buffering)."),
    ],
)
def test_the_model_follows_the_profile(hardware, expected):
    """What the profile declares is what the report says was modelled."""
    sentences = modelling([analysis_of(small(), hardware, 1, None, None)]).sentences
    assert any(sentence.endswith(expected) for sentence in sentences)


def test_free_rules_are_counted_by_op_and_rule():
    """One sentence, the most frequent rule first; none where nothing is free."""
    layers = [layer(f"r{i}", op="relu", status="free", note="fused") for i in range(2)]
    layers.append(layer("f", op="flatten", status="free", note="a view"))

    assert free_rules(layers).sentences == (
        "3 layers free by rule, with no traffic of their own: 2 relu (fused) and 1 flatten (a view).",
    )
    assert free_rules([layer("a")]).sentences == ()


def test_unknown_layers_are_named_with_their_reason():
    """Name, operation, and why nobody models it."""
    found = unknown([layer("x", op="Warp", status="unknown", note="no model")])

    assert found.alarm
    assert found.sentences == ("x (Warp): no model",)


def test_bibliography_leaves_out_the_reasoning():
    """Only sources are listed; what is assumed has none."""
    source = SimpleNamespace(key="han2015", reference="Han: Learning. 2015")
    assumed = SimpleNamespace(key="assumed", reference="No source")

    assert bibliography(SimpleNamespace(sources=lambda: (source, assumed))).sentences == ("han2015: Han: Learning. 2015",)
