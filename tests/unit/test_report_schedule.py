"""Reports under a schedule: the table of schedules, totals, columns, sentences, at several widths and in every format."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from costmodel.analysis import analysis_of
from costmodel.comparison import comparison_of
from costmodel.graph import Graph
from costmodel.report import document_of, html_table, render
from costmodel.report.analysis_document import title
from costmodel.report.assumptions import modelling, order_kept
from costmodel.report.comparison_document import crossover
from costmodel.report.comparison_names import title as comparison_title
from costmodel.report.comparison_tables import quantities, side_by_side
from costmodel.report.dominance import dominance
from costmodel.report.layer_table import layer_table
from costmodel.report.numbers import at_most
from costmodel.report.schedule_table import cascades, executed, schedule_table
from costmodel.report.totals import totals_facts
from costmodel.schedule import KINDS, PHASES
from tests.golden.samples import EVIL
from tests.unit.cascades import pair, perceptron, tower
from tests.unit.machine import machine


def priced(graph, kind=None, phase="steady", capacity=1 << 20, **hardware):
    """Analyse a graph on the machine of round numbers under a schedule."""
    return analysis_of(graph, machine(capacity, **hardware), 1, None, None, kind, phase)


def compared(*graphs, kind=None, phase="steady", hardware=None):
    """Compare graphs under a schedule."""
    return comparison_of(graphs, hardware or [machine()], 1, None, None, kind, phase)


def wide(columns=40):
    """Build parallel convolutions: more orders than are searched."""
    graph = Graph("wide")
    x = graph.input("x", (1, 2, 4, 4))
    graph.output(graph.concat("join", *(graph.conv(f"c{index}", x, 1, kernel=1) for index in range(columns))))
    return graph


# ---- titles


@pytest.mark.parametrize(
    ("kind", "phase", "expected"),
    [
        ("layer", "steady", "layer by layer"),
        ("layer", "cold", "layer by layer"),
        ("resident", "steady", "resident, steady"),
        ("fused", "cold", "fused, cold"),
    ],
)
def test_titles_say_what_was_priced(kind, phase, expected):
    """Of an analysis, and of a comparison."""
    assert executed(kind, phase) == expected
    assert title(priced(pair(), kind, phase)) == f"pair on machine, int8, batch 1, {expected}"
    found = compared(pair(), tower(), kind=kind, phase=phase)
    assert comparison_title(found) == f"pair and tower on machine, int8, batch 1, {expected}"


def test_titles_of_hardware_that_declares_different_schedules():
    """Both are named."""
    hardware = [machine(), replace(machine(), name="fusing", residency="all", fusion=True)]
    found = compared(pair(), hardware=hardware)
    assert comparison_title(found) == "pair on machine and fusing, int8, batch 1, layer by layer or fused, steady"


# ---- the table of schedules


def test_the_table_by_hand():
    """Two convolutions in 600 bytes, in stripes from a steady state."""
    table = schedule_table(priced(pair(), "fused", "steady", 600))
    assert table.title == "Across layers: what sram of 600 B saves (priced: *; the profile declares layer by layer)"
    assert [row.cells for row in table.rows] == [
        ("layer by layer", "loaded", "4.256 kB", "100 %", "-", "-", "-", "-", "0, proved"),
        ("resident", "on chip", "4.096 kB", "96.2 %", "-", "160 B", "-", "-", "0, proved"),
        ("resident", "loaded", "4.256 kB", "100 %", "-", "-", "-", "-", "0, proved"),
        ("fused *", "on chip", "2.048 kB", "48.1 %", "-", "160 B", "1", "-", "0, proved"),
        ("fused", "loaded", "2.208 kB", "51.9 %", "-", "-", "1", "-", "0, proved"),
        ("lower bound", "on chip", "2.048 kB", "48.1 %", "-", "-", "-", "-", "-"),
    ]
    assert table.rows[-1].style == "free"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("phase", PHASES)
def test_one_line_is_marked(kind, phase):
    """That of the schedule whose bytes are the totals."""
    analysis = priced(pair(), kind, phase, 600)
    marked = [row.cells for row in schedule_table(analysis).rows if row.cells[0].endswith(" *")]
    assert len(marked) == 1
    assert marked[0][2] == f"{analysis.totals.dram_bytes / 1000:g} kB"


def test_weights_that_may_not_stay_leave_one_line_per_kind():
    """Steady and cold are the same where the profile keeps activations only."""
    hardware = replace(machine(600), residency="activations", fusion=True)
    table = schedule_table(analysis_of(pair(), hardware, 1, None, None))
    assert [row.cells[:2] for row in table.rows] == [
        ("layer by layer", "loaded"), ("resident", "loaded"), ("fused *", "loaded"), ("lower bound", "loaded"),
    ]  # fmt: skip
    assert table.title.endswith("the profile declares fused)")


def test_macs_computed_again_are_in_the_table():
    """Where stripes overlap."""
    rows = {row.cells[:2]: row.cells for row in schedule_table(priced(tower(), "fused", "cold", 123)).rows}
    assert rows["fused *", "loaded"][7] == "352"
    assert rows["resident", "loaded"][7] == "-"


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.0011, "0.2 %"), (0.001, "0.1 %"), (0.1234, "12.4 %"), (0.5, "50.0 %"), (1e-9, "0.1 %")]
)
def test_a_gap_is_rounded_up(ratio, expected):
    """A bound that is rounded down is none."""
    assert at_most(ratio) == expected


def test_a_gap_is_said_where_there_is_one():
    """In the table and beside the totals."""
    analysis = priced(pair(), "fused", "steady", 600)
    schedule = replace(analysis.schedule, lower_bytes=2000)
    gapped = replace(analysis, estimate=replace(analysis.estimate, schedule=schedule))
    row = next(row for row in schedule_table(gapped).rows if row.cells[0] == "fused *")
    assert row.cells[8] == "<= 2.4 %"
    fact = next(fact for fact in totals_facts(gapped).facts if fact.label == "  at least")
    assert (fact.value, fact.detail) == ("2 kB", "at most 2.4 % less; 48.1 % of layer by layer")


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_both_states_can_be_told_apart_at_any_width(width):
    """Lines of one kind differ in whether weights are on chip already."""
    text = render(priced(pair(), "fused", "steady", 600), width=width)
    block = text.partition("Across layers")[2].partition("What dominates")[0]
    for kind in ("resident", "fused"):
        lines = [line for line in block.splitlines() if re.match(rf"{kind}( \*)? ", line)]
        assert [re.findall("on chip|loaded", line) for line in lines] == [["on chip"], ["loaded"]]
    assert "lower bound" in block


# ---- cascades


def test_cascades_in_words():
    """Layers, stripe, weights, style; MACs computed again where there are any."""
    assert cascades(priced(pair(), "fused", "steady", 600)).sentences == (
        "1: conv1 and conv2; 1 row at a time, weights held, rows that are read again kept in line buffers.",
    )
    assert cascades(priced(tower(), "fused", "cold", 123)).sentences == (
        "1: conv0, conv1, conv2, conv3 and conv4; 1 row at a time, weights held, rows that stripes share computed again, "
        "352 MACs again.",
    )
    assert cascades(priced(pair(), "resident", "steady", 600)).sentences == ()


# ---- totals


def test_totals_compare_with_what_the_schedule_can_reach():
    """Compulsory bytes layer by layer; under a schedule what it does not undercut, and the part that is left."""
    by_layer = {fact.label: fact for fact in totals_facts(priced(pair(), "layer", "steady", 600)).facts}
    fused = {fact.label: fact for fact in totals_facts(priced(pair(), "fused", "steady", 600)).facts}
    assert by_layer["  compulsory"].detail == "reached: no byte crosses twice"
    assert "  at least" not in by_layer
    assert "  compulsory" not in fused
    assert fused["  at least"].value == "2.048 kB"
    assert fused["  at least"].detail == "the optimum, proved; 48.1 % of layer by layer"
    assert fused["off-chip bytes"].value == "2.048 kB"
    assert fused["  weights"].value == "0 B"


def test_macs_executed_again_stand_below_the_macs():
    """Only where there are some."""
    facts = {fact.label: fact for fact in totals_facts(priced(tower(), "fused", "cold", 123)).facts}
    assert facts["  again"].value == "352"
    assert facts["  again"].detail == "computed more than once, where stripes overlap"
    assert "  again" not in {fact.label for fact in totals_facts(priced(pair(), "fused", "cold", 600)).facts}


# ---- layers and sentences


def test_columns_follow_the_schedule():
    """`times least` means something layer by layer, `on chip` across layers."""
    titles = {
        kind: [f"{column.title} {column.unit}".strip() for column in layer_table(priced(pair(), kind, "steady", 600)).columns]
        for kind in KINDS
    }
    assert ["times least" in titles[kind] for kind in KINDS] == [True, False, False]
    for kind, expected in (("layer", False), ("resident", True), ("fused", True)):
        text = render(priced(pair(), kind, "steady", 600), width=200)
        assert ("on chip" in text.splitlines()[4]) is expected


def test_places_of_layers():
    """The operands that are on chip, or the cascade."""
    table = layer_table(priced(perceptron(), "resident"))
    place = [column.title for column in table.columns].index("on chip")
    assert [row.cells[place] for row in table.rows[:2]] == ["weight ofmap", "weight ifmap"]
    table = layer_table(priced(pair(), "fused", "steady", 600))
    assert [row.cells[place] for row in table.rows[:2]] == ["cascade 1", "cascade 1"]


def test_what_is_fetched_twice_is_said_layer_by_layer_only():
    """Across layers a layer may move less than its compulsory bytes, so that more says nothing."""
    analyses = [priced(perceptron(), kind, "cold", 120) for kind in KINDS]
    said = [any("Fetched more than once" in s for s in dominance(analysis).sentences) for analysis in analyses]
    assert said == [True, False, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_moves_nothing_has_a_report(kind):
    """No operand, no layer, no byte to name."""
    graph = Graph("view")
    graph.output(graph.flatten("flat", graph.input("x", (1, 2, 2))))
    text = render(priced(graph, kind))
    assert "nan" not in text.lower()
    assert "inf" not in text.replace("inference", "")


# ---- how it was modelled


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("layer", "Every layer reads its inputs from dram", "Off-chip bytes of a layer are the exact minimum"),
        ("resident", "What the schedule keeps in sram is neither", "What a layer still moves is the exact minimum"),
        ("fused", "What the schedule keeps in sram, or hands on", "What a layer outside the cascades still moves"),
    ],
)
def test_the_model_follows_the_schedule(kind, first, second):
    """What is taken to stay, and what is tiled."""
    sentences = modelling([priced(pair(), kind, "steady", 600)]).sentences
    assert sentences[0].startswith(first)
    assert sentences[1].startswith(second)
    half = modelling([priced(pair(), kind, "steady", 1200, double_buffered=True)]).sentences[1]
    room = "half of it" if kind == "layer" else "half of what is left"
    assert half.endswith(f", {room} holding the next tile (double buffering).")


def test_orders_that_were_not_searched_are_named():
    """Forty parallel layers have too many orders; two have few; layer by layer there is nothing to order."""
    many = priced(wide(), "resident", "cold", 100)
    few = priced(pair(), "resident", "cold", 600)
    assert not many.schedule.every_order
    assert list(order_kept([many])) == [
        "The layers are executed in the order in which they are written: there are too many others to search."
    ]
    assert list(order_kept([few])) == list(order_kept([priced(wide(), "layer")])) == []
    assert list(order_kept([few, many])) == [
        "The layers of wide are executed in the order in which they are written: there are too many others to search."
    ]
    assert "in the order in which they are written" in render(many, width=200)


# ---- comparisons


def test_compulsory_bytes_are_compared_layer_by_layer_only():
    """Elsewhere less than these may cross."""
    for kind in KINDS:
        found = compared(pair(), tower(), kind=kind)
        names = [quantity.name.strip() for quantity in quantities(found)]
        assert ("compulsory" in names) is (kind == "layer")
        assert [row.cells[0].strip() for row in side_by_side(found)[0].rows] == names


def test_crossovers_name_the_compulsory_batch_layer_by_layer_only():
    """The least of layers by themselves is no bound across layers."""
    graphs = (perceptron("dense", (100, 100)), pair("few"))
    for kind in KINDS:
        found = compared(*graphs, kind=kind, phase="cold")
        turn = replace(found.crossovers[0], batch=9, compulsory_batch=7)
        sentence = crossover(found, found.pairs[0], turn)
        assert ("(by compulsory bytes: from 7)" in sentence) is (kind == "layer")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_of_both_stays_within_its_width(kind, width):
    """An analysis and a comparison, whatever the schedule."""
    results = (priced(tower(), kind, "cold", 123), compared(pair(), tower(), perceptron(), kind=kind))
    for result in results:
        assert [line for line in render(result, width=width).splitlines() if len(line) > width] == []


@pytest.mark.parametrize("fmt", ["md", "html"])
def test_pages_have_every_block(fmt):
    """Titles and tables of a scheduled analysis and comparison."""
    def page(result):
        return html_table(result) if fmt == "html" else render(result, fmt)

    one = page(priced(tower(), "fused", "cold", 123))
    for text in ("Across layers: what sram of 123 B saves", "Cascades", "lower bound", "on chip", "352 MACs again"):
        assert text in one
    two = page(compared(pair(), tower(), kind="fused"))
    for text in ("residency", "fusion", "What fits on chip, and the off-chip bytes of each schedule", "fused, steady"):
        assert text in two


def test_csv_has_the_places():
    """A column per layer."""
    rows = list(csv.DictReader(io.StringIO(render(priced(pair(), "fused", "steady", 600), "csv"))))
    assert [row["on_chip"] for row in rows] == ["cascade 1", "cascade 1"]
    assert [row["mapping"] for row in rows] == ["", ""]


def test_json_is_what_the_library_gives():
    """Schedule and all."""
    analysis = priced(tower(), "fused", "cold", 123)
    assert json.loads(render(analysis, "json")) == json.loads(json.dumps(analysis.to_dict()))


@pytest.mark.parametrize("fmt", ["text", "md", "csv", "json", "html"])
def test_names_in_cascades_do_nothing(fmt):
    """Layers of a cascade, and tensors that stay, come from files of others."""
    graph = Graph(f"net{EVIL}")
    x = graph.conv(f"one{EVIL}", graph.input("x", (1, 4, 16, 16)), 4, kernel=3, padding=1)
    graph.output(graph.conv(f"two{EVIL}", x, 4, kernel=1))
    analysis = priced(graph, "fused", "steady", 600)
    assert len(analysis.schedule.fused) == 1
    text = html_table(analysis) if fmt == "html" else render(analysis, fmt, width=200)
    assert "\x1b" not in text
    if fmt == "html":
        assert "<b>" not in text
    if fmt == "md":
        assert not re.search(r"(?<!\\)<b>", text)


def test_the_sentences_of_two_formats_agree():
    """One document, several renderings."""
    analysis = priced(pair(), "fused", "steady", 600)
    document = document_of(analysis)
    assert [block.title for block in document.for_page][:3] == [
        "Totals", "Across layers: what sram of 600 B saves (priced: *; the profile declares layer by layer)", "What dominates",
    ]  # fmt: skip
