"""What commands, reports and validation rows say of mappings for an objective; number formats side by side, ranges."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from math import inf

import pytest

import costmodel as cm
from costmodel.analysis import analysis_of, estimate_of
from costmodel.errors import InputError
from costmodel.hardware.profile import OBJECTIVES
from costmodel.joint.choice import checked_objective, checked_time_limit
from costmodel.joint.costs import joint_costs
from costmodel.joint.tasks import Work, formats, macs_per_s, tasks
from costmodel.precision import precision
from costmodel.report.objective import LEAST
from costmodel.validation import actual, check, mapped_cycles, mapped_energy_j
from tests.unit.joint_machine import small, spatial, stationary
from tests.unit.machine import constant
from tests.unit.test_cli import refused, run

NETWORK = """
from costmodel.graph import Graph


def build():
    g = Graph("tiny")
    x = g.input("x", (1, 3, 4, 4))
    y = g.conv("conv", x, 4, 3, padding=1)
    g.softmax("prob", g.linear("fc", g.flatten("flat", g.max_pool("pool", y, 2, stride=2)), 5))
    return g
"""


@pytest.fixture
def tiny(tmp_path):
    """Write a network of a convolution, a pooling, a fully connected layer and a softmax."""
    file = tmp_path / "tiny.py"
    file.write_text(NETWORK, encoding="utf-8")
    return file


def analysed(tiny, *options, hardware="ws-16x16"):
    """Run the command."""
    return run("analyze", tiny, "--hw", hardware, *options)


def layer_of(graph, hardware, name, objective="energy", **options):
    """One layer, mapped for an objective."""
    layers = analysis_of(graph, hardware, 1, options.get("dtype"), None, objective=objective).layers
    return next(layer for layer in layers if layer.name == name)


# ---- commands


@pytest.mark.parametrize("fmt", ["text", "md"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_reports_for_people_name_the_objective(tiny, fmt, objective):
    """In the title and in the sentence on what is proved, through the memories of the profile."""
    result = analysed(tiny, "--objective", objective, "--format", fmt)
    shown = " ".join(result.stdout.split())

    assert result.exit_code == 0, result.output
    assert shown.count(f"mapped for the {LEAST[objective]}") == 2
    assert "through dram, buffer and pe and over the array at once; 3 mappings proved to be the best there is." in shown


def test_json_has_the_nests(tiny):
    """Objective, count and proof; by layer the loops, or nothing where operands are streamed."""
    data = json.loads(analysed(tiny, "--objective", "edp", "--format", "json").stdout)
    layers = {layer["name"]: layer for layer in data["layers"]}

    assert data["objective"] == {"name": "edp", "mapped": 3, "proved": 3, "gap_ratio": 0.0}
    assert layers["prob"]["mapping"] is None
    assert layers["fc"]["mapping"]["extents"]["c"] == 16
    assert [one["name"] for one in layers["fc"]["mapping"]["levels"]] == ["buffer", "pe"]
    assert layers["fc"]["mapping"]["unroll"] == {
        "c": {"side": "rows", "elements": 16}, "k": {"side": "columns", "elements": 5}
    }  # fmt: skip


def test_csv_has_energies_by_memory_and_operand(tiny):
    """Nine columns that add up to the energy of the memories in every row."""
    rows = list(csv.DictReader(StringIO(analysed(tiny, "--objective", "energy", "--format", "csv").stdout)))
    columns = [f"energy_{level}_{op}_j" for level in ("dram", "buffer", "pe") for op in ("weight", "ifmap", "ofmap")]

    assert {"conv", "pool", "fc", "prob"} <= {row["name"] for row in rows}
    for row in rows:
        memories = float(row["energy_on_chip_j"]) + float(row["energy_off_chip_j"])
        assert sum(float(row[name]) for name in columns) == pytest.approx(memories)
        assert float(row["energy_pe_ifmap_j"]) == 0


def test_without_an_objective_nothing_is_said_of_one(tiny):
    """Neither by default nor with ``none``; both are the same report."""
    asked = (), ("--objective", "none")
    plain, none = (analysed(tiny, *options, "--format", "json", hardware="snapdragon") for options in asked)

    assert plain.stdout == none.stdout
    assert "objective" not in json.loads(plain.stdout)


@pytest.mark.parametrize("options", [(), ("--objective", "none")])
def test_limits_without_an_objective_are_refused(tiny, tmp_path, options):
    """Nothing is searched that long, and nothing is written."""
    file = tmp_path / "report.txt"
    result = analysed(tiny, *options, "--time-limit", "10", "-o", file, hardware="snapdragon")

    refused(result, "time limit: nothing is searched that long without an objective; give one, or leave the limit out")
    assert not file.exists()


@pytest.mark.parametrize("limit", ["0", "-1", "soon"])
def test_limits_are_times_above_zero(tiny, limit):
    """The command says so before anything is read."""
    result = analysed(tiny, "--objective", "energy", "--time-limit", limit)

    assert result.exit_code == 2
    assert "--time-limit" in result.stderr
    assert result.stdout == ""


def test_a_limit_that_suffices_changes_no_figure(tiny):
    """An hour is enough for three layers."""
    limits = (), ("--time-limit", "3600")
    free, limited = (analysed(tiny, "--objective", "energy", *more, "--format", "csv") for more in limits)

    assert limited.exit_code == 0
    assert limited.stdout == free.stdout


def test_objectives_meet_no_schedule(tiny):
    """Refused where both are asked for."""
    result = analysed(tiny, "--objective", "energy", "--schedule", "fused", hardware="ethos-u65-512")

    refused(result, "objective energy: the schedule fused is made for off-chip bytes and one memory on chip")


def test_compare_maps_for_an_objective(tiny):
    """Both analyses, in words and as data."""
    command = ("compare", tiny, f"{tiny}", "--hw", "ws-16x16", "--objective", "latency")
    shown, data = run(*command), run(*command, "--format", "json")

    assert shown.exit_code == data.exit_code == 0, shown.output
    assert "6 mappings proved to be the best there is" in " ".join(shown.stdout.split())
    assert '"objective"' in data.stdout


# ---- what is asked for


@pytest.mark.parametrize(("given", "meant"), [("latncy", "latency"), ("dram_byte", "dram_bytes"), ("non", "none")])
def test_words_that_are_almost_an_objective(given, meant):
    """Did you mean."""
    with pytest.raises(InputError) as caught:
        checked_objective(given)

    (problem,) = caught.value.problems
    assert f"did you mean '{meant}'?" in problem
    assert problem.endswith("use one of energy, latency, edp, dram_bytes, none")


def test_a_limit_is_a_length_of_time():
    """Whole or not, as a float; nothing where there is none; infinity is no limit but its absence."""
    assert checked_time_limit(None) is None
    assert checked_time_limit(3) == 3.0
    assert isinstance(checked_time_limit(3), float)
    with pytest.raises(InputError, match=r"^time limit: inf given; leave it out to search without a limit$"):
        checked_time_limit(inf)
    with pytest.raises(InputError, match=r"^time limit: True given; give a positive number of seconds$"):
        checked_time_limit(True)


# ---- number formats side by side


def mixed(hardware):
    """What is to be priced where the convolution is in fp32 and the rest in int8."""
    estimate = replace(estimate_of(small(), hardware, 1, None, None), objective="energy")
    wide, narrow = precision(hardware, "fp32"), precision(hardware)
    rows = [wide if name == "conv" else narrow for name in estimate.table.names]
    return Work(estimate.table, estimate.widths, rows, hardware, estimate.feed_bytes("value"))


def test_each_format_has_its_rate_and_its_multiplier():
    """10 MACs a cycle at 1 MHz and 1 pJ, or 1 a cycle at 5 pJ; the same array."""
    work = mixed(stationary())
    found = {task.name: task for task in tasks(work)}
    conv, fc = found["conv"], found["fc"]
    operations = 36 * 27 * 4 + 36 * 4

    assert formats(work, work.mapped) == ("fp32", "int8")
    assert (macs_per_s(work.hardware, "fp32"), macs_per_s(work.hardware, "int8")) == (1e6, 10e6)
    assert (conv.hierarchy.macs_per_s, fc.hierarchy.macs_per_s, found["pool"].hierarchy.macs_per_s) == (1e6, 10e6, inf)
    assert conv.hierarchy.sides == fc.hierarchy.sides
    assert conv.fixed.energy_pj == pytest.approx(5 * operations + 0.125 * 36 * 27 * 4)
    assert conv.fixed.compute_s == pytest.approx(36 * 4 / 1e6)
    assert fc.fixed.compute_s == pytest.approx(5 / 10e6)


def test_rows_of_one_format_share_a_machine():
    """So that what is asked of them is written down once."""
    found = tasks(mixed(spatial()))

    assert len({id(task.hierarchy) for task in found}) == 3


def test_formats_do_not_meet():
    """A row is mapped as if all were in its format, where widths are the same."""
    costs = joint_costs(mixed(spatial()), "energy", None, None, {})
    plain = analysis_of(small(), spatial(), 1, None, None, objective="energy")
    fc = plain.estimate.table.names.index("fc")

    assert costs.nests[fc].value == plain.mappings[fc].value
    conv = plain.estimate.table.names.index("conv")
    assert costs.nests[conv].value - plain.mappings[conv].value == pytest.approx(4 * (36 * 27 * 4 + 36 * 4))


# ---- ranges


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_high_ends_price_the_same_accesses(objective):
    """DRAM at 200 and 400 pJ/B, elements at 0.5 and 0.375, a MAC at 4 pJ; the buffer is exact."""
    prices = {"dram": (200.0, 400.0), "sram": (2.0, 3.0), "rf": (0.5, 0.375)}
    for layer in analysis_of(small(), spatial(), 1, None, None, objective=objective).layers:
        high = sum(
            one["read_bytes"] * prices[name][0] + one["write_bytes"] * prices[name][1]
            for name, operands in layer.accesses.items()
            for one in operands.values()
        )
        operations = layer.macs + layer.other_ops
        assert layer.energy_high_j == pytest.approx((high + 4 * operations) * 1e-12, rel=1e-12, abs=1e-30)
        assert layer.latency_low_s == layer.latency_s == layer.latency_high_s  # all rates are exact


def test_ranges_of_rates_are_ranges_of_time():
    """DRAM at 1 (0.5 to 2) MB/s: mapped for time, what waits for it takes half to twice as long."""
    base = spatial(bandwidth=1e6)
    slow = replace(base.levels[0], bandwidth_bytes_per_s=constant("dram.bandwidth", 1e5, "B/s", 0.5e5, 2e5))
    layer = layer_of(small(), replace(base, levels=(slow, *base.levels[1:])), "fc", "latency")

    assert layer.latency_s == pytest.approx(layer.dram_bytes / 1e5)
    assert layer.latency_low_s == pytest.approx(layer.latency_s / 2)
    assert layer.latency_high_s == pytest.approx(layer.latency_s * 2)


# ---- validation rows

ROW = {
    "id": "dense", "network": "ds_cnn:filters=8,blocks=1", "hardware": "ws-16x16", "objective": "energy",
    "tolerance_ratio": 0, "source": "made up", "place": "nowhere", "why": "a test",
}  # fmt: skip


def ds_cnn(objective="energy"):
    """The network of the rows, priced."""
    return cm.analyze(ROW["network"], "ws-16x16", objective=objective)


def test_rows_take_figures_of_mappings():
    """Steps of the array of one layer, or of several together."""
    steps = {layer.name: layer.mapping.cycles for layer in ds_cnn().layers if layer.mapping and layer.op in ("conv", "linear")}
    one, *_rest, last = steps

    assert actual({**ROW, "quantity": "mapped_cycles", "layer": one}) == steps[one]
    assert actual({**ROW, "quantity": "mapped_cycles", "layers": [one, last]}) == steps[one] + steps[last]
    assert actual({**ROW, "quantity": "mapped_cycles", "products": True}) == sum(steps.values())


def test_rows_count_words_of_the_width_of_an_activation():
    """16 bits here: half of the bytes, of products alone."""
    dram = sum(layer.dram_bytes for layer in ds_cnn("dram_bytes").layers if layer.op in ("conv", "linear"))

    assert actual({**ROW, "quantity": "dram_words", "objective": "dram_bytes"}) == dram / 2


def test_mapped_energy_leaves_biases_out():
    """Those of a fully connected layer of 180 inputs: 5 additions at 1 pJ."""
    layer = layer_of(small(), spatial(), "fc")

    assert (layer.macs, layer.other_ops) == (4 * 9 * 5, 5)
    assert layer.energy_j - mapped_energy_j(layer) == pytest.approx(5e-12)


def test_rows_without_an_objective_have_no_steps():
    """The sentence says what is missing."""
    row = {key: value for key, value in ROW.items() if key != "objective"} | {"hardware": "snapdragon"}
    with pytest.raises(InputError, match=r": has no mapping through all memories; give the row an objective$"):
        actual({**row, "quantity": "mapped_cycles", "products": True})


def test_repeated_steps_are_counted():
    """A recurrent layer takes its steps of the array as often as it has steps of time."""
    graph = cm.Graph("lstm")
    graph.output(graph.lstm("lstm", graph.input("x", (1, 5, 4)), 3))
    layer = layer_of(graph, spatial(), "lstm/recurrent", "latency")

    assert layer.mapping.steps == 5
    assert mapped_cycles(layer) == 5 * layer.mapping.cycles >= layer.macs / 8


@pytest.mark.parametrize(("relation", "factor", "ok"), [
    ("<=", 1.0, True), ("<=", 0.9, False), (">=", 1.0, True), (">=", 1.1, False), ("=", 1.0, True), ("=", 1.1, False),
])  # fmt: skip
def test_rows_are_bounds_or_figures(relation, factor, ok):
    """Of another mapper's result ours may be at most that; of a bound at least that."""
    row = {**ROW, "quantity": "dram_words", "relation": relation}

    assert check({**row, "value": factor * actual(row)}).ok is ok
