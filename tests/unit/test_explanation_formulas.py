"""The formulas of an explanation, read back as text: what they fill in comes to what they say, and to what is priced."""

from __future__ import annotations

import csv
import io
import json
import re
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.explanation.explanation import Fed, access_record, part_of
from costmodel.graph import Graph
from costmodel.mapping.levels.accounts import Access, Repeat, accounts
from costmodel.mapping.levels.loopnest import extents
from costmodel.mapping.levels.price import priced
from costmodel.report import FORMATS, html_table, render
from tests.unit.joint_machine import spatial
from tests.unit.machine import machine
from tests.unit.mapped import LAYER, mapped, mappings, nest, pair
from tests.unit.test_explanation import ARRAY, explained, network

MACS = 8 * 4 * 6 * 6 * 3 * 3
"""A convolution of 4 channels of 8 x 8 to 8 channels of 6 x 6, 3 x 3 taps."""

FORMULA = re.compile(
    r"(?P<store>\w+) (?P<way>reads|writes) of (?P<operand>\w+) = (?P<elems>[\d,]+) elements"
    r"(?: \((?P<planes>[\d,]+) planes x (?P<rows>[\d,]+) rows x (?P<columns>[\d,]+) columns\))?"
    r" x (?P<sweeps>[\d,]+) sweeps?(?: \((?P<why>[^)]*)\))?(?: less the first = (?P<left>[\d,]+))?"
    r" = (?P<total>[\d,]+)(?:, of which (?P<wide>[\d,]+) partial sums)?"
)
DIVISION = re.compile(r"(?P<dim>[a-z]): (?P<whole>\d+) / (?P<tile>\d+)|[a-z]: (?P<copies>\d+) copies in elements")


def number(text):
    """Read a count with its separators."""
    return int(text.replace(",", ""))


def reading(line):
    """Return the fields of a formula, which has to be one as a whole."""
    found = FORMULA.fullmatch(line)
    assert found, line
    return {name: number(text) if text[0].isdigit() and name != "why" else text
            for name, text in found.groupdict().items() if text is not None}  # fmt: skip


def recomputed(fields):
    """Accesses that the fields of a formula come to, from the division in each reason."""
    times = 1
    for reason in DIVISION.finditer(fields.get("why", "")):
        times *= int(reason["copies"] or 0) or -(-int(reason["whole"]) // int(reason["tile"]))
    assert times == fields["sweeps"]
    sides = [fields[name] for name in ("planes", "rows", "columns") if name in fields]
    assert not sides or prod(sides) == fields["elems"]
    assert fields.get("left", times - 1) == times - 1
    return fields["elems"] * fields.get("left", times)


@settings(max_examples=120)
@given(mappings())
def test_every_formula_comes_to_its_count(case):
    """Extents over tiles, rounded up, times elements: the number at the end, which is what is accessed."""
    price = priced(*case)
    names = tuple(f"store{number}" for number in range(len(price.hierarchy.stores)))

    for one in accounts(price):
        fields = reading(one.formula(names))
        assert recomputed(fields) == fields["total"] == one.accesses
        assert (fields["store"], fields["way"], fields["operand"]) == (names[one.store], f"{one.way}s", one.operand)


@settings(max_examples=120)
@given(mappings())
def test_reasons_are_loops_that_the_operand_does_not_depend_on(case):
    """Weights are swept again for images and positions, outputs for what is summed, inputs for output channels alone."""
    irrelevant = {"weight": "npq", "ifmap": "k", "ofmap": "crs"}
    for one in accounts(priced(*case)):
        assert {reason.dim for reason in one.repeats} <= set(irrelevant[one.operand])
        assert {reason.whole for reason in one.repeats} <= set(extents(case[0]).values())
        assert all(reason.times > 1 for reason in one.repeats)


@settings(max_examples=80)
@given(mappings())
def test_sweeps_are_over_the_whole_operand(case):
    """A sweep has every weight and every output once; the backing store gives each at least once, and gets all outputs."""
    layer = case[0]
    weights, outputs = layer.g * layer.k * layer.c * layer.r * layer.s, layer.n * layer.g * layer.k * layer.p * layer.q
    found = accounts(priced(*case))

    assert {one.elems for one in found if one.operand == "weight"} == {weights}
    assert {one.elems for one in found if one.operand == "ofmap"} == {outputs}
    outermost = {(one.operand, one.way): one.accesses for one in found if one.store == 0}
    assert outermost["weight", "read"] % weights == 0
    assert outermost["ofmap", "write"] - outermost.get(("ofmap", "read"), 0) == outputs


@given(st.integers(1, 10**6), st.lists(st.tuples(st.integers(2, 50), st.integers(1, 20)), max_size=3), st.booleans())
def test_any_access_reads_back(elems, pairs, first):
    """Whatever the numbers, with and without separators and a first sweep that needs nothing."""
    repeats = tuple(Repeat(dim, -(-whole // tile), whole, tile) for dim, (whole, tile) in zip("kcp", pairs, strict=False))
    one = Access(1, 2, "ofmap", "read", elems, "", repeats, int(first), 0, 0, held=True)

    fields = reading(one.formula(("dram", "glb", "rf")))

    assert fields["total"] == one.accesses == elems * (prod(-(-whole // tile) for whole, tile in pairs) - first)
    assert ("left" in fields) == first


@pytest.mark.parametrize(
    ("wide", "words"),
    [(0, "= 60"), (1, "= 60, of which 1 partial sums"), (59, "= 60, of which 59 partial sums"), (60, "= 60")],
)
def test_partial_sums_are_told_where_they_are_mixed(wide, words):
    """Where all values are of one kind, nothing is to be told."""
    one = Access(0, 1, "ofmap", "write", 20, "", (Repeat("c", 3, 9, 3),), 0, 0, wide, held=True)

    assert one.formula(("dram", "glb")) == f"dram writes of ofmap = 20 elements x 3 sweeps (c: 9 / 3) {words}"


@pytest.mark.parametrize(
    ("fed", "line"),
    [
        (Fed("rf", "weight", 1500, 8, 1.0, 1500.0), "rf reads of weight for the multipliers = 1,500 MACs"),
        (Fed("rf", "ifmap", 1500, 8, 4.0, 375.0), "rf reads of ifmap for the multipliers = 1,500 MACs / 4 per access"),
        (Fed("rf", "ifmap", 9, 8, 2.5, 3.6), "rf reads of ifmap for the multipliers = 9 MACs / 2.5 per access"),
        (Fed("l1", "ofmap", 9, 32, 1.0, 36.0), "l1 reads of ofmap for the multipliers = 9 MACs and as many writes"),
        (Fed("x", "ofmap", 6, 8, 3.0, 2.0), "x reads of ofmap for the multipliers = 6 MACs / 3 per access and as many writes"),
    ],
)
def test_feeds_are_macs_over_their_reuse(fed, line):
    """One value per MAC, or one for several; sums are read and written."""
    assert fed.formula == line


@pytest.mark.parametrize("objective", ["energy", "dram_bytes", "none"])
def test_multipliers_take_a_value_per_mac(objective):
    """A byte of weights and one of inputs, 4 bytes of a sum at 32 bits."""
    fed = {one.operand: one for one in explained(objective, drops=False).fed}

    assert {one.macs for one in fed.values()} == {MACS}
    assert {operand: one.read_bytes for operand, one in fed.items()} == {"weight": MACS, "ifmap": MACS, "ofmap": 4 * MACS}


def test_reuse_at_the_multipliers_divides():
    """Four MACs take one read of a weight."""
    fed = cm.explain(network(), machine(2000, inner=200), "conv1", drops=False).fed

    assert [(one.level, one.operand, one.macs_per_access, one.read_bytes) for one in fed] == [
        ("rf", "weight", 4.0, MACS / 4), ("rf", "ifmap", 1.0, MACS), ("rf", "ofmap", 1.0, 4 * MACS),
    ]  # fmt: skip


def test_energy_by_memory_is_bytes_at_the_profile_s_energies():
    """DRAM 100 and 200 pJ/B, the buffer 2 and 3, elements 0.25 and 0.375: what is read and written is all that costs."""
    pj = {"dram": (100, 200), "sram": (2, 3), "rf": (0.25, 0.375)}
    found = cm.explain(network(), spatial("energy"), "conv1", drops=False)

    for one in found.spent:
        read, write = pj[one.level]
        assert one.energy_j == pytest.approx((read * one.read_bytes + write * one.write_bytes) * 1e-12)
    assert {(one.level, one.operand) for one in found.spent} == {
        (level, operand) for level in pj for operand in ("weight", "ifmap", "ofmap")
    }
    assert found.arithmetic_j == pytest.approx((MACS + 8 * 6 * 6) * 1e-12)


def test_bytes_by_memory_are_the_accesses_and_the_feed():
    """Memory by memory and operand by operand, what the formulas move and what the multipliers take."""
    found = cm.explain(network(), spatial("energy"), "conv1", drops=False)
    (part,) = found.parts

    for one in found.spent:
        own = [access for access in part.accesses if (part.stores[access.store], access.operand) == (one.level, one.operand)]
        feed = sum(fed.read_bytes for fed in found.fed if (fed.level, fed.operand) == (one.level, one.operand))
        moved = {way: sum(access.bits for access in own if access.way == way) / 8 for way in ("read", "write")}
        assert one.read_bytes == moved["read"] + feed
        assert one.write_bytes == moved["write"] + (feed if one.operand == "ofmap" else 0)


def test_static_power_is_spent_for_the_whole_latency():
    """1 mW, the overhead included; the arithmetic of 10 MACs a cycle at 1 MHz takes longer than DRAM at 1 GB/s."""
    found = explained("dram_bytes", drops=False)

    assert found.static_j == pytest.approx(1e-3 * found.latency_s)
    assert found.overhead_s == 1e-6
    assert found.times_s["compute"] >= MACS / 10 / 1e6
    assert found.times_s["dram"] == pytest.approx(sum(one.bits for one in found.parts[0].accesses if one.store == 0) / 8 / 1e9)


def test_transfers_that_do_not_overlap_add_up():
    """The latency is the sum of all resources, and the report says which rule holds."""
    found = cm.explain(network(), machine(100, overlap=False, overhead_s=1e-6), "conv1", "energy", drops=False)

    assert not found.overlap
    assert sum(found.times_s.values()) + 1e-6 == pytest.approx(found.latency_s)
    assert "Time: their sum counts, then the overhead" in repr(found)
    assert "Time: the slowest counts, then the overhead" in repr(explained(drops=False))


def test_registers_are_marked_in_the_report_alone():
    """A line of a person's says whose energy it is; a record has a field for it."""
    result = mapped(LAYER, pair(), nest())
    part = part_of(result, ())
    lines = [line for line in part.formulas if line.endswith(" (a register: part of the MAC's energy)")]
    records = [access_record(part, one) for one in part.accesses]

    assert lines == [f"{one['formula']} (a register: part of the MAC's energy)" for one in records if one["register"]]
    assert len(lines) == 1
    assert lines[0].startswith("rf writes of ifmap")
    assert part.text == str(result)
    assert part.stores == ("dram", "glb", "rf")


@pytest.mark.parametrize("objective", ["energy", "none"])
def test_records_are_flat_and_agree_with_each_other(objective):
    """Frame, CSV and JSON have the same accesses: a formula's numbers stand beside it."""
    found = explained(objective, drops=False)
    data = json.loads(render(found, "json"))
    records = [one for part in data["nests"] for one in part["accesses"]]
    rows = list(csv.DictReader(io.StringIO(render(found, "csv"))))

    assert records == found.records()
    assert [row["formula"] for row in rows] == [one["formula"] for one in records] == list(found.to_frame()["formula"])
    for one in records:
        fields = reading(one["formula"])
        assert fields["elems"] == one["sweep_elems"]
        assert fields["total"] == one["accesses_elems"] == one["sweep_elems"] * one["sweeps"]
        assert one["partner"] != one["level"]
        assert one["bits"] == 8 * (one["accesses_elems"] - one["psum_elems"]) + 32 * one["psum_elems"]


def test_json_has_all_that_the_report_shows():
    """Names, nests, feeds, energy and time; no optimum where none was asked for; infinite or missing numbers nowhere."""
    data = json.loads(render(explained("energy"), "json"), parse_constant=pytest.fail)

    assert (data["schema_version"], data["network"], data["hardware"], data["layer"]) == (1, "small", "machine", "conv1")
    assert (data["objective"], data["joint"], data["steps"]) == ("energy", True, 1)
    assert set(data["energy"]) == {"levels", "arithmetic_j", "static_j", "energy_j"}
    assert set(data["time"]) == {"compute", "dram", "overhead", "overlap", "latency_s"}
    assert [one["formula"].split(" for ")[0] for one in data["feeds"]] == [
        f"sram reads of {operand}" for operand in ("weight", "ifmap", "ofmap")
    ]
    assert data["nests"][0]["drops"][0]["size_bytes"] == 100
    assert "optimum" not in data


@pytest.mark.parametrize("fmt", FORMATS)
def test_every_format_shows_every_formula(fmt):
    """Text, Markdown, JSON and CSV; and the fragment for notebooks."""
    found = explained(drops=False)
    shown = render(found, fmt, width=200) if fmt == "text" else render(found, fmt)

    assert shown.endswith("\n")
    plain = shown.replace("\\", "")
    assert all(line in plain for line in found.parts[0].formulas)
    assert all(line in html_table(found) for line in found.parts[0].formulas)


def test_names_of_networks_are_shown_safely():
    """A name with markup is escaped in a notebook, and a control character is not sent to a terminal."""
    graph = Graph("<b>\x1b[31m")
    graph.output(graph.conv("<i>", graph.input("data", (1, 4, 8, 8)), 8, kernel=3))
    found = cm.explain(graph, machine(400), "<i>", "energy", drops=False)

    assert "<i>" not in html_table(found)
    assert "&lt;i&gt;" in html_table(found)
    assert "\x1b" not in render(found, "text")


def test_steps_of_a_recurrent_layer_repeat_its_nest():
    """What a state is multiplied with is repeated 5 times, what inputs are is one product; the feed has the MACs of all."""
    graph = Graph("memory")
    graph.output(graph.lstm("lstm", graph.input("x", (1, 5, 6)), 7))
    hardware = machine(400, array=ARRAY)
    whole, found = (cm.explain(graph, hardware, f"lstm/{part}", "energy", drops=False) for part in ("input", "recurrent"))

    assert (whole.steps, found.steps) == (1, 5)
    assert {one.macs for one in whole.fed} == {5 * 4 * 7 * 6}
    assert {one.macs for one in found.fed} == {5 * 4 * 7 * 7}
    assert "the nest is executed 5 times" in render(found, "text", width=120)
    assert "the nest is executed" not in render(whole, "text", width=120)
    assert "5 times; energy" in found.parts[0].text
