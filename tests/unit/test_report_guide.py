"""docs/reading-a-report.md: the layer worked out by hand is that of the report, and every line of a report is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from costmodel.api import analyze
from costmodel.hardware import TIER_RATIO
from costmodel.report import document_of
from costmodel.report.document import Facts, Table
from tests.golden.samples import comparison

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "reading-a-report.md").read_text(encoding="utf-8")
OUTPUTS = 109 * 109
WORKED = {
    "parameters": ("params", 96 * 147 + 96, "14,208"),
    "MACs": ("macs", OUTPUTS * 96 * 147, "167,664,672"),
    "other operations": ("other_ops", OUTPUTS * 96, "1,140,576"),
    "weights moved": ("weight_dram_bytes", 96 * 147 * 4, "56,448 B"),
    "ifmap moved": ("ifmap_dram_bytes", 223 * 223 * 3 * 4, "596,748 B"),
    "ofmap moved": ("ofmap_dram_bytes", OUTPUTS * 96 * 4, "4,562,304 B"),
    "off-chip bytes": ("dram_bytes", 5_215_500, "5,215,500 B"),
    "off-chip energy": ("energy_off_chip_j", 5_215_500 * 160e-12, "834.48 uJ"),
    "arithmetic energy": ("energy_mac_j", 168_805_248 * 4.6e-12, "776.50 uJ"),
    "latency": ("latency_s", 168_805_248 / 256 / 1e9, "659.40 us"),
}


@pytest.mark.parametrize("quantity", WORKED)
def test_the_worked_layer_is_the_layer_of_the_report(quantity):
    """Each line of the table by hand is what the tool computes, and is printed as such."""
    column, by_hand, printed = WORKED[quantity]
    conv1 = analyze("squeezenet", "horowitz-45nm").layers[0]

    assert by_hand == pytest.approx(getattr(conv1, column), rel=1e-9)
    assert re.search(rf"^\| {quantity} \|.*\| {re.escape(printed)} \|$", GUIDE, re.MULTILINE)


def test_compute_binds_the_worked_layer():
    """The other resource takes less."""
    assert analyze("squeezenet", "horowitz-45nm").layers[0].binding == "compute"
    assert f"{5_215_500 / 12.8e9 * 1e6:.2f} us" == "407.46 us"


def described(name):
    """Whether the guide has a line or a paragraph for a name of the report."""
    return f"`{name}`" in GUIDE or f"*{name}" in GUIDE or f"## {name}" in GUIDE


def test_every_column_is_explained():
    """The header of the table of layers, whatever the width."""
    table = next(block for block in document_of(analyze("squeezenet", "horowitz-45nm")).details if isinstance(block, Table))
    titles = [f"{c.title} {c.unit}".strip() if c.title == "times" else c.title for c in table.columns if c.title]

    assert [title for title in titles if not described(title)] == []


def test_every_line_of_the_box_is_explained():
    """The totals and their parts."""
    box = next(block for block in document_of(analyze("squeezenet", "horowitz-45nm")).summary if isinstance(block, Facts))

    assert [fact.label for fact in box.facts if not described(fact.label.strip())] == []


MAKERS = {"analysis": lambda: analyze("squeezenet", "horowitz-45nm"), "comparison": comparison}
NAMED = {"Layers": "The table of layers", "Totals": "The box of totals", "Why": "Why ..."}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_heading_is_explained(make):
    """Each titled block of a report on a terminal."""
    titles = [block.title for block in document_of(make()).for_terminal if block.title]
    headings = [re.split(r"[:,]| on chip| for | large", title)[0] for title in titles]

    assert [heading for heading in headings if not described(NAMED.get(heading, heading))] == []


@pytest.mark.parametrize("tier", TIER_RATIO)
def test_ranges_of_tiers_are_those_of_the_code(tier):
    """The default range of each tier."""
    assert f"value / {TIER_RATIO[tier]:g} to value x {TIER_RATIO[tier]:g} |" in GUIDE
    assert f"| {tier} |" in GUIDE
