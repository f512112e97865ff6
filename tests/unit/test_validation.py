"""Published figures: how a row becomes a figure of ours."""

from __future__ import annotations

import pytest

from costmodel import analyze
from costmodel.validation import Check, actual, check, counted, graph_of, published, rows

SQUEEZENET = {"network": "squeezenet:version=1.1"}


def row(quantity, value=0, **more):
    """Return a row with the fields every row has."""
    return {
        "id": "x", "quantity": quantity, "value": value, "tolerance_ratio": 0, "source": "s", "place": "p", "why": "",
        **SQUEEZENET, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "more", "expected"),
    [
        ("params", {}, 1_235_496),
        ("macs", {}, 349_151_936),
        ("flops", {}, 2 * 349_151_936),
        ("weight_bytes", {"bits": 32}, 4 * 1_235_496),
        ("weights_without_biases", {}, 1_231_552),
        ("macs", {"layer": "conv10"}, 512 * 1000 * 13 * 13),
    ],
)
def test_counts(quantity, more, expected):
    """Figures that need no hardware, of a network or of one of its layers."""
    assert actual(row(quantity, **more)) == expected


def test_costs_on_hardware():
    """Words of one layer and of all products, on a profile."""
    conv1 = actual(row("compulsory_words", network="alexnet", hardware="eyeriss-168", layer="conv1"))
    assert conv1 == 479_835
    assert actual(row("compulsory_words", network="alexnet", hardware="eyeriss-168")) == 62_028_963
    assert actual(row("macs", network="alexnet", hardware="eyeriss-168", batch=2)) == 2 * 724_406_816


def test_activations_that_leave_the_chip():
    """Under the schedule of the profile: none where all that is alive fits, what is written but the outputs where not."""
    small = {"network": "squeezenet:version=1.1,input=64"}
    assert actual(row("external_ram_bytes", hardware="stm32n6", **small)) == 0
    every = actual(row("external_ram_bytes", hardware="stm32h743", **small))
    analysis = analyze("squeezenet:version=1.1,input=64", "stm32h743")
    assert every == analysis.totals.ofmap_dram_bytes - 1000 > 0


def test_cases_written_as_data():
    """A row may describe its layers itself."""
    case = row("macs", case="one", inputs={"x": [1, 4]}, layers=[{"op": "linear", "out_features": 3}])
    del case["network"]
    assert counted(graph_of(case).table(), case) == 12


@pytest.mark.parametrize(
    ("expected", "found", "deviation"), [(100, 102, 0.02), (100, 100, 0.0), (0, 0, 0.0), (0, 3, 3.0), (200, 100, -0.5)]
)
def test_deviation(expected, found, deviation):
    """Ours over published minus 1; ours itself where nothing is published."""
    assert Check("x", "macs", expected, found, "=", 0, "s", "p", "").deviation_ratio == pytest.approx(deviation)


def test_a_wrong_figure_is_not_ok():
    """A row with another value fails."""
    assert not check(row("params", 1_235_497)).ok
    assert check(row("params", 1_235_496)).ok
    assert check(row("params", 1_235_497, relation="<=")).ok
    assert not check(row("params", 1_235_497, relation=">=")).ok


def test_selected_rows():
    """A selection is computed alone."""
    assert [c.id for c in rows([row("params", 1_235_496)])] == ["x"]


def test_issue_figures_are_published():
    """The figures the project must show are among the rows."""
    values = {(r.get("network"), r["quantity"]): r["value"] for r in published() if "layer" not in r}
    assert values["alexnet", "params"] == 60_965_224
    found = {r["value"] for r in published() if r["quantity"] in ("params", "macs")}
    assert {724_406_816, 61_100_840, 714_188_480, 1_248_424, 1_235_496, 349_151_936} <= found
