"""Co-design: the best configurations beside plain analyses, draws beside the plain way, sizes of arrays, and every misuse."""

from __future__ import annotations

import csv
import json
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore.codesign import (
    ALL,
    GOALS,
    MOST_POINTS,
    Best,
    Transfer,
    checked_goals,
    codesign_of,
    first_least,
    mean_ratios,
)
from costmodel.explore.space import DesignSpace
from costmodel.explore.uncertainty import Uncertainty, drawn, draws, ranged
from costmodel.report import document_of, html_table, render
from costmodel.report.codesign_document import agreement, cell, doubts, figure_texts
from tests.unit.test_cli import refused, run

NETWORKS = ["squeezenet:version=1.1,input=64", "mobilenet_v1:width=0.25,input=128"]
SPACE = {
    "name": "small",
    "network": NETWORKS,
    "hardware": "snapdragon",
    "schedule": "layer",
    "axes": {"hw.dram.bandwidth": ["10 GB/s", "40 GB/s"], "hw.sram": ["16 KiB", "64 KiB"], "dtype": ["fp16", "int8"]},
    "constraints": ["hw.sram < 64KiB or hw.dram.bandwidth < 20000000000"],
}
"""Six configurations of eight meet the constraint."""
FEW = Uncertainty(samples=8, seed=3)


def space(**changes):
    """Build the space, with fields changed."""
    return DesignSpace.of({**SPACE, **changes})


@pytest.fixture(scope="module")
def found():
    """Return the co-design of the space."""
    return codesign_of(space(), "energy,latency,edp", FEW)


def analysed(network, at, sample=None):
    """Energy and latency of a network on a configuration, by an analysis; under one draw of the constants."""
    hardware = cm.load_hardware("snapdragon").with_constant("dram.bandwidth", float(at["hw.dram.bandwidth"]))
    hardware = hardware.with_constant("vtcm.capacity", float(at["hw.sram"]))
    for constant in ranged(hardware) if sample is not None else ():
        place = draws("snapdragon", constant.name, FEW)[sample]
        hardware = hardware.with_constant(constant.name, float(drawn(np.array(constant.low), np.array(constant.high), place)))
    totals = cm.analyze(network, hardware, dtype=at["dtype"], schedule="layer").totals
    return {"energy_j": totals.energy_j.value, "latency_s": totals.latency_s}


def figure(goal, figures):
    """A goal from its metrics."""
    value = 1.0
    for name in GOALS[goal]:
        value *= figures[name]
    return value


def configurations(of):
    """Every configuration that meets the constraints, by its number."""
    each = of.size // len(NETWORKS)
    met = of.feasible(of.columns(0, each))
    return {index: of.at(index) for index in np.flatnonzero(met).tolist()}


# ---- the best


@pytest.mark.parametrize("goal", GOALS)
def test_the_best_is_that_of_plain_analyses(found, goal):
    """For every network no configuration of the space costs less, and the figure is that of an analysis."""
    for network in NETWORKS:
        costs = {index: figure(goal, analysed(network, at)) for index, at in configurations(found.space).items()}
        best = found.of(goal, network)

        assert best.configuration == min(costs, key=costs.__getitem__)
        assert best.value == pytest.approx(costs[best.configuration], rel=1e-12)
    assert found.configurations == len(costs) == 6


@pytest.mark.parametrize("goal", GOALS)
def test_the_compromise_has_the_least_geometric_mean(found, goal):
    """By brute force over all configurations."""
    costs = {
        network: {index: figure(goal, analysed(network, at)) for index, at in configurations(found.space).items()}
        for network in NETWORKS
    }
    means = {
        index: exp(sum(log(costs[n][index] / min(costs[n].values())) for n in NETWORKS) / len(NETWORKS))
        for index in configurations(found.space)
    }
    compromise = found.of(goal, ALL)

    assert compromise.value == pytest.approx(min(means.values()), rel=1e-12)
    assert means[compromise.configuration] == pytest.approx(compromise.value, rel=1e-12)


def test_transfers_are_ratios_of_analyses(found):
    """What a network costs where another one is at its best."""
    for transfer in found.transfers:
        own, other = (found.of(transfer.goal, name) for name in (transfer.network, transfer.best_for))
        expected = figure(transfer.goal, analysed(transfer.network, other.at)) / figure(
            transfer.goal, analysed(transfer.network, own.at)
        )

        assert transfer.ratio == pytest.approx(expected, rel=1e-12)
        assert transfer.ratio >= 1


def test_equal_configurations_give_the_first():
    """A buffer beyond what anything needs changes nothing."""
    roomy = space(axes={"hw.sram": ["64 MiB", "128 MiB"]}, constraints=[])
    best = codesign_of(roomy, "energy", FEW).of("energy", NETWORKS[0])

    assert best.at == {"hw.sram": 64 << 20}
    assert best.certain


@given(st.lists(st.lists(st.floats(0.1, 10), min_size=3, max_size=3), min_size=1, max_size=4))
def test_the_mean_ratio_is_at_least_one(figures):
    """It is one where a configuration is the best of all, and scaling a network changes nothing."""
    values = np.array(figures)
    means = mean_ratios(values)

    assert (means >= 1 - 1e-12).all()
    assert means == pytest.approx(mean_ratios(values * np.arange(1, len(values) + 1)[:, None]))


def test_missing_figures_do_not_win():
    """A configuration on which a network does not fit is no compromise, and never the least."""
    assert first_least(np.array([np.nan, 2.0, 1.0])) == 2
    assert np.isnan(mean_ratios(np.array([[1.0, np.nan], [2.0, 1.0]]))).tolist() == [False, True]


def test_a_network_that_fits_nowhere_does_not_count():
    """The compromise is that of the others."""
    assert mean_ratios(np.array([[np.nan, np.nan], [2.0, 1.0]])).tolist() == [2.0, 1.0]


# ---- constants that are not known exactly


def test_shares_are_counted_over_draws(found):
    """In how many draws a configuration is the best, and what it costs at most, by analyses on drawn profiles."""
    network = NETWORKS[0]
    each = configurations(found.space)
    costs = np.array([[figure("edp", analysed(network, at, s)) for s in range(FEW.samples)] for at in each.values()])
    best = found.of("edp", network)
    ratios = costs[list(each).index(best.configuration)] / costs.min(axis=0)

    assert best.share == (ratios <= 1 + 1e-9).mean()
    assert best.regret_ratio == pytest.approx(ratios.max(), rel=1e-9)
    assert best.certain == (best.share == 1)


def test_ratios_stay_within_their_draws(found):
    """The own configuration costs itself in every draw, and marks follow from the lower end."""
    for transfer in found.transfers:
        assert transfer.low <= transfer.high
        if transfer.network == transfer.best_for:
            assert (transfer.low, transfer.ratio, transfer.high) == (1, 1, 1)
        assert transfer.certain == (transfer.low >= 1 - 1e-8)


def test_exact_constants_leave_no_doubt():
    """On a profile without ranges whatever is best is so for certain."""
    exact = space(hardware="eyeriss-168", axes={"hw.sram": ["16 KiB", "64 KiB"]}, constraints=[])
    result = codesign_of(exact, "energy", FEW)

    assert all(best.certain and best.regret_ratio == 1 for best in result.best)
    assert all(t.low == t.high == t.ratio for t in result.transfers)


# ---- arrays


def test_sizes_of_the_array_are_configurations():
    """A larger array multiplies faster and is better for latency where memory does not limit, as a profile of that size."""
    grown = space(
        network=NETWORKS[0],
        hardware="ethos-u65-512",
        axes={"hw.array.depth": [8, 16, 32], "hw.dram.bandwidth": ["100 GB/s"]},
        constraints=[],
    )
    result = codesign_of(grown, "latency", FEW)
    best = result.of("latency", NETWORKS[0])
    hardware = cm.load_hardware("ethos-u65-512").with_constant("dram.bandwidth", "100 GB/s").with_array(depth=32)

    assert best.at["hw.array.depth"] == 32
    assert best.value == pytest.approx(cm.analyze(NETWORKS[0], hardware, schedule="layer").totals.latency_s, rel=1e-12)


def test_batches_count_per_input():
    """Figures are divided by the batch of their configuration."""
    batched = space(network=NETWORKS[0], axes={"batch": [1, 4]}, constraints=[])
    best = codesign_of(batched, "energy", FEW).of("energy", NETWORKS[0])
    per_input = {n: cm.analyze(NETWORKS[0], "snapdragon", batch=n, schedule="layer").totals.energy_j.value / n for n in (1, 4)}

    assert best.at["batch"] == min(per_input, key=per_input.__getitem__)
    assert best.value == pytest.approx(min(per_input.values()), rel=1e-12)


# ---- what does not fit


def test_points_that_do_not_fit_are_left_out():
    """A configuration on which nothing can be tiled is counted and never chosen."""
    tight = space(axes={"hw.sram": ["4 B", "64 KiB"]}, constraints=[])
    result = codesign_of(tight, "energy", FEW)

    assert result.unpriced == 2
    assert {best.at["hw.sram"] for best in result.best} == {64 << 10}
    assert "2 points left out, since a layer does not fit" in render(result, width=200)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": {"net.input": [64]}, "network": "squeezenet", "constraints": []}, "varies net.input, but only hardware"),
        ({"axes": {}, "constraints": []}, "nothing varies in small besides networks"),
        ({"constraints": ["hw.sram > 1MiB"]}, "exclude all of its 16 points"),
        ({"axes": {"hw.sram": ["2 B", "4 B"]}, "constraints": []}, "none of 4 points of small can be priced; the first"),
        ({"axes": {"batch": f"1:{MOST_POINTS}:3", "hw.sram": ["1 MiB", "2 MiB"]}, "constraints": []}, "points; at most"),
    ],
)
def test_spaces_that_make_no_sense_are_refused(changes, said):
    """One message says what is wrong."""
    with pytest.raises(InputError, match=said):
        codesign_of(space(**changes), "energy", FEW)


@pytest.mark.parametrize(
    ("goals", "said"),
    [
        ("enrgy", r"no goal 'enrgy' \(did you mean 'energy'\?\)"),
        ("edp,edp", "edp is given twice"),
        ([], "no goal; give energy, latency, edp"),
    ],
)
def test_goals_that_do_not_exist_are_refused(goals, said):
    """A name is close, twice, or missing."""
    with pytest.raises(InputError, match=said):
        checked_goals(goals)


# ---- reports


def test_every_figure_of_the_result_is_in_the_report(found):
    """A table per goal of the best, one of what they cost each other, and what is certain."""
    document = document_of(found)
    tables = document.details

    assert [table.title.split(":")[0] for table in tables[::2]] == ["Best configurations"] * 3
    assert [len(table.rows) for table in tables] == [3, 2] * 3
    assert [row.cells[0] for row in tables[0].rows] == [*NETWORKS, ALL]
    assert tables[1].rows[0].cells[1] == "1.00x"
    text = render(found, width=200)
    for best in found.best:
        assert ("all" if best.certain else "%") in text
    assert "common random numbers" in html_table(found)


def best(network, configuration, share=1.0, regret=1.0):
    """Build a choice."""
    return Best("edp", network, configuration, {"hw.sram": 1}, 1.0, share, regret)


def test_agreement_is_counted_in_words():
    """One network, all alike, or several configurations."""
    one, same, other = best("a", 1), best("b", 1), best("c", 2)

    assert agreement([one]) == "one configuration is best for a"
    assert agreement([one, same]) == "one configuration is best for all 2 networks"
    assert agreement([one, same, other]) == "2 different configurations are best for 3 networks"


def test_doubts_name_the_networks_and_the_most_that_is_at_stake():
    """Certain for all, or who is not and what that may cost."""
    sure, open_one = best("a", 1), best("b", 2, share=0.25, regret=1.125)

    assert list(doubts("edp", [sure])) == [
        "Which one is best for least energy-delay product is certain for every network: it is in every draw."
    ]
    assert list(doubts("edp", [sure, open_one])) == [
        "Not certain for least energy-delay product: b (25 % of draws); whatever the constants are drawn, the ones shown "
        "cost at most 1.12x the best."
    ]


@pytest.mark.parametrize(
    ("ratio", "low", "high", "shown"),
    [
        (1.25, 1.1, 1.5, "1.25x"),
        (1.25, 0.9, 1.5, "1.25x ?"),
        (1.0, 1.0, 1.0, "1.00x"),
        (float("nan"), float("nan"), float("nan"), "-"),
    ],
)
def test_ratios_that_a_draw_turns_round_are_marked(ratio, low, high, shown):
    """A question mark where some draw is below 1; a dash where a layer does not fit."""
    assert cell(Transfer("edp", "a", "b", ratio, low, high)) == shown


def test_figures_have_the_unit_of_their_goal():
    """One unit a column."""
    assert figure_texts("energy", [0.00797, 0.052]) == ["mJ", "7.97", "52.00"]
    assert figure_texts("edp", [2.586e-4]) == ["mJ ms", "258.6"]


def test_records_and_plain_data_agree(found):
    """JSON and CSV hold the same ratios."""
    plain = json.loads(render(found, "json"))
    rows = list(csv.DictReader(render(found, "csv").splitlines()))

    assert [float(row["ratio"]) for row in rows] == [transfer["ratio"] for transfer in plain["transfers"]]
    assert plain["uncertainty"] == {"samples": 8, "seed": 3}
    assert len(found.to_frame()) == len(found.transfers) == 3 * 2 * 3


def test_what_cannot_be_used_is_null_in_plain_data():
    """A network that does not fit on what suits another has no ratio there, and JSON says null."""
    networks = ["squeezenet:version=1.1,input=64", "alexnet"]
    uneven = space(network=networks, axes={"hw.sram": ["20 B", "64 KiB"]}, constraints=[])
    result = codesign_of(uneven, "energy", FEW)

    assert "NaN" not in render(result, "json")


@pytest.fixture
def file(tmp_path):
    """Write the space to a file; JSON is YAML."""
    path = tmp_path / "space.yaml"
    path.write_text(json.dumps(SPACE), encoding="utf-8")
    return path


def test_the_command_prints_what_the_library_gives(file):
    """The function and the command are one."""
    result = run("codesign", file, "--by", "edp", "--samples", "8", "--seed", "3", "--format", "csv")

    assert result.exit_code == 0, result.output
    assert result.stdout == render(cm.codesign(file, "edp", samples=8, seed=3), "csv")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--by", "power"], "no goal 'power'"),
        (["--samples", "1"], "Invalid value for '--samples'"),
        (["-o", "gone/report.md"], "the directory gone does not exist"),
    ],
)
def test_misuse_is_one_line(file, arguments, said):
    """Exit 2, nothing on stdout, no traceback."""
    refused(run("codesign", file, *arguments), said)
