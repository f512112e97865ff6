"""What-ifs priced again: ranked, step by step, and on curves; as results, in every format and on the command line."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.advice import (
    FIGURES,
    OBJECTIVES,
    Pricing,
    advice_of,
    curve_of,
    figures,
    parsed_step,
    shrinking_of,
    split_spec,
)
from costmodel.cli import cli
from costmodel.errors import InputError, MappingError
from costmodel.graph import Graph
from costmodel.playbook import STEPS
from costmodel.report import render
from tests.golden.samples import EVIL
from tests.unit.machine import machine
from tests.unit.networks import classifier, pair

PRICING = Pricing(machine())


def advised(objective="energy", strengths=None, graph=None, **changes):
    """Return advice for a small network on a machine of round numbers."""
    return advice_of(graph or pair(), Pricing(machine(), **changes), objective, strengths)


def run(*words):
    """Run a command."""
    return CliRunner().invoke(cli, list(words))


# ---- advice


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_ifs_are_ranked_by_the_objective(objective):
    """The best first, by the figure asked for."""
    costs = [figures(one.analysis)[OBJECTIVES[objective]] for one in advised(objective).what_ifs]

    assert costs == sorted(costs)
    assert len(costs) >= 8


def test_what_ifs_are_priced_like_any_network():
    """The figures of a what-if are those of the transformed graph, analysed by itself."""
    for one in cm.advise("alexnet", "horowitz-45nm", batch=2).what_ifs:
        if one.step != "lower_precision":
            graph = cm.transform("alexnet", one.step, one.strength).graph
            assert figures(one.analysis) == figures(cm.analyze(graph, "horowitz-45nm", batch=2))


def test_lower_precision_is_priced_at_its_widths():
    """Half of the bits of int8 are what --bits weight=4,ifmap=4,ofmap=4 gives."""
    (one,) = [one for one in cm.advise("alexnet", "snapdragon").what_ifs if one.step == "lower_precision"]
    bits = {"weight": 4, "ifmap": 4, "ofmap": 4}

    assert figures(one.analysis) == figures(cm.analyze("alexnet", "snapdragon", bits=bits))


def test_widths_that_are_given_are_the_ones_that_shrink():
    """From 16 bits a weight to 8; what was not given is that of the format."""
    found = advised(bits={"weight": 16}, dtype="fp32")
    (one,) = [one for one in found.what_ifs if one.step == "lower_precision"]

    assert (found.before.precision.weight_bits, found.before.precision.ifmap_bits) == (16, 32)
    assert (one.analysis.precision.weight_bits, one.analysis.precision.ifmap_bits) == (8, 16)


def test_steps_without_effect_are_named():
    """What finds nothing to change is no what-if."""
    found = advised()

    assert found.idle == ("global_pooling=1", "delayed_pooling=0.5", "delayed_pooling=-0.5")
    assert {one.name for one in found.what_ifs}.isdisjoint(found.idle)
    assert all(one.changes for one in found.what_ifs)


@pytest.mark.parametrize(
    ("strengths", "count"), [([0.5], len(STEPS)), ([0.25, 0.75], 2 * len(STEPS)), ([-0.5], 1), ([0], len(STEPS))]
)
def test_strengths_given(strengths, count):
    """Every step at each of them, as far as it takes it; zero changes nothing."""
    found = advised(strengths=strengths, graph=classifier())

    assert len(found.what_ifs) + len(found.idle) == count
    assert strengths != [0] or found.what_ifs == ()


def test_a_certain_saving():
    """Fewer MACs, fewer bytes: less energy whatever the constants are; with other widths the multiplier is another."""
    by_name = {one.name: one for one in advised().what_ifs}

    assert by_name["pruning=0.5"].certain


def test_a_what_if_that_does_not_fit(monkeypatch):
    """A layer that no tiling fits is told apart, not left out, and comes last."""
    priced = Pricing.analysis

    def tight(pricing, design):
        if "conv_squeeze" in [layer.name for layer in design.graph.layers]:
            raise MappingError("conv_squeeze: does not fit")
        return priced(pricing, design)

    monkeypatch.setattr(Pricing, "analysis", tight)
    found = advised("dram")
    steps = shrinking_of(pair(), PRICING, [("channel_reduction", 0.75), ("pruning", 0.5)])

    assert {one.name for one in found.what_ifs if not one.analysis} == {"channel_reduction=0.5", "channel_reduction=0.75"}
    assert [one.problem for one in found.what_ifs[-3:]] == ["", "conv_squeeze: does not fit", "conv_squeeze: does not fit"]
    assert [stage.problem for stage in steps.stages] == ["conv_squeeze: does not fit"] * 2
    assert "channel_reduction=0.75 cannot be priced: conv_squeeze: does not fit." in " ".join(render(steps, "text").split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "accuracy"}, "objective: 'accuracy' is not known; use one of energy, latency, dram, storage"),
        ({"strengths": [2]}, "strength: 2 given; give a number from 0 to 1, or from -1 for delayed_pooling"),
        ({"strengths": [float("nan")]}, "strength: nan given"),
    ],
)
def test_advice_that_cannot_be_given(options, message):
    """One message with what to write instead."""
    with pytest.raises(InputError) as error:
        advised(**options)

    assert message in str(error.value)


def test_a_network_that_nothing_changes():
    """Said in words, not by an empty table."""
    graph = Graph("relu")
    graph.relu("relu", graph.input("x", (1, 4)))
    text = render(advised("energy", [0.0], graph), "text")

    assert "No step of the playbook changes this network." in text


# ---- step by step


def test_steps_build_on_each_other():
    """Every stage has all earlier steps applied."""
    made = cm.shrink("alexnet", "snapdragon", ["global_pooling=1", ("channel_reduction", 0.75)])
    first = cm.transform("alexnet", "global_pooling", 1).graph
    second = cm.transform(first, "channel_reduction", 0.75).graph

    assert [stage.name for stage in made.stages] == ["global_pooling=1", "channel_reduction=0.75"]
    assert [figures(stage.analysis) for stage in made.stages] == [
        figures(cm.analyze(graph, "snapdragon")) for graph in (first, second)
    ]


def test_widths_shrink_further():
    """Precision is lowered from what an earlier step left."""
    found = shrinking_of(pair(), PRICING, [("lower_precision", 0.5), ("lower_precision", 0.5)])

    assert [stage.analysis.precision.weight_bits for stage in found.stages] == [4, 2]


def test_a_step_without_effect_is_a_stage():
    """It stays in its place, with the figures of the one before."""
    found = shrinking_of(pair(), PRICING, [("global_pooling", 1.0), ("bottleneck", 0.75)])

    assert found.stages[0].changes == ()
    assert figures(found.stages[0].analysis) == figures(found.before)
    assert "global_pooling=1: nothing." in render(found, "text")


def test_what_stands_beside():
    """Networks are priced for the same hardware and widths."""
    made = cm.shrink("alexnet", "snapdragon", ["pruning=0.5"], ["squeezenet", pair()], dtype="fp32")

    assert [analysis.network for analysis in made.towards] == ["squeezenet-1.0", "pair"]
    assert {analysis.precision.name for analysis in made.towards} == {"fp32"}


@pytest.mark.parametrize("steps", [[], [("bottleneck", 2)], [("squash", 0.5)]])
def test_steps_that_cannot_be_applied(steps):
    """None, out of bounds, unknown."""
    with pytest.raises(InputError, match=r"no step given|from 0 to 1|'squash' is not a step"):
        cm.shrink(pair(), machine(), steps)


@pytest.mark.parametrize("text", ["bottleneck", "bottleneck=", "bottleneck=much", "=0.5", "squash=1", "bottleneck=nan"])
def test_steps_that_are_no_steps(text):
    """What to write instead."""
    with pytest.raises(InputError, match=r"is not NAME=STRENGTH; write for example|is not a step|give a number"):
        parsed_step(text)


def test_lower_precision_is_no_transformation_of_a_graph():
    """It says what to do instead."""
    with pytest.raises(InputError, match="lower_precision changes no graph; give analyze --dtype or --bits, or use shrink"):
        cm.transform("alexnet", "lower_precision", 0.5)


# ---- curves


def test_a_curve_of_squeezenet():
    """Sizes at 32 bits are those of the paper, where its text prints them: 4.8, 13 and 19 MB of 2^20 bytes."""
    made = cm.shrink(pair(), "snapdragon", ["pruning=0.5"], curves=["squeezenet:squeeze_ratio=0.125,0.25,0.5,0.75,1.0"])
    (curve,) = made.curves
    sizes = {point.value: point.analysis.totals.params * 4 / 2**20 for point in curve.points}
    published = {point.value: point.published.size_bytes / 2**20 for point in curve.points if point.published}

    assert (curve.network, curve.argument) == ("squeezenet", "squeeze_ratio")
    assert published == pytest.approx({"0.125": 4.8, "0.5": 13, "0.75": 19})
    assert all(sizes[value] == pytest.approx(size, rel=0.03) for value, size in published.items())
    assert sizes["0.25"] == pytest.approx(7.5, rel=0.01)
    assert sizes["1.0"] == pytest.approx(24, rel=0.01)


def test_a_curve_without_published_sizes():
    """No column of sizes stands in the table."""
    made = cm.shrink(pair(), "snapdragon", ["pruning=0.5"], curves=["mobilenet_v1:width=0.25,0.5"])

    assert "published" not in render(made, "md")


@pytest.mark.parametrize(
    "text", ["squeezenet", "squeezenet:squeeze_ratio", "squeezenet:squeeze_ratio=", "squeeze_ratio=1", "=1", ""]
)
def test_curves_that_are_no_curves(text):
    """What to write instead."""
    with pytest.raises(InputError, match=r"is not NET:ARGUMENT=VALUES; write for example squeezenet:squeeze_ratio"):
        curve_of(text, PRICING, {})


def test_arguments_that_stay():
    """The last argument varies, the others stay."""
    assert split_spec("squeezenet:squeeze_ratio=0.5,pct_3x3") == ("squeezenet:squeeze_ratio=0.5", "pct_3x3")


# ---- as results


@pytest.mark.parametrize(
    "made",
    [advised(), shrinking_of(pair(), PRICING, [("bottleneck", 0.75), ("global_pooling", 1.0)])],
    ids=["advice", "shrinking"],
)
def test_results_in_every_format(made):
    """Text, Markdown, JSON, CSV, a frame and HTML give the same figures, and the honest note."""
    records = list(csv.DictReader(StringIO(render(made, "csv"))))
    data = json.loads(render(made, "json"))
    frame = made.to_frame()

    assert len(records) == len(frame) == len(data.get("what_ifs", data.get("stages")))
    assert {*FIGURES, *(f"{name}_ratio" for name in FIGURES), "step", "strength", "certain"} <= set(records[0])
    assert float(records[0]["params"]) == frame["params"][0]
    assert set(data["before"]) == set(FIGURES)
    assert data["network"] == "pair"
    for text in (repr(made), render(made, "md"), made._repr_html_()):
        assert "Accuracy is not modelled: a network that was changed must be trained again" in " ".join(text.split())


def test_ratios_are_after_over_before():
    """Below one where something is saved."""
    found = advised("storage")
    best = found.records()[0]

    assert best["weight_bytes_ratio"] == best["weight_bytes"] / figures(found.before)["weight_bytes"] < 1


def test_a_what_if_without_a_price_in_every_format():
    """Dashes and its reason, nulls, empty cells."""
    graph = pair(channels=64, filters=64)
    found = advice_of(graph, PRICING, "energy", [0.5])
    broken = type(found)(found.objective, found.before, tuple(
        type(one)(one.step, one.strength, one.changes, None, "conv: does not fit") for one in found.what_ifs
    ), ())  # fmt: skip

    assert "conv: does not fit" in render(broken, "text")
    assert json.loads(render(broken, "json"))["what_ifs"][0]["figures"] is None
    assert next(csv.DictReader(StringIO(render(broken, "csv"))))["energy_j"] == ""
    assert "No what-if can be priced." in render(broken, "text")


def test_hostile_names_act_on_nothing():
    """Names of layers are shown, not obeyed."""
    graph = Graph(f"net{EVIL}")
    x = graph.conv("first", graph.input("data", (1, 3, 8, 8)), 16, kernel=1)
    graph.output(graph.conv(f"conv{EVIL}", x, 32, kernel=3, padding=1))
    made = shrinking_of(graph, PRICING, [("bottleneck", 0.75)], [graph])

    for result in (made, advised(graph=graph)):
        for fmt in ("text", "md", "csv", "json"):
            assert "\x1b" not in render(result, fmt)
        assert "<b>" not in result._repr_html_()


# ---- on the command line


def test_advise():
    """The best is named, and the command stands above the Markdown."""
    result = run("advise", "alexnet", "--hw", "snapdragon", "--objective", "storage", "--format", "md")

    assert result.exit_code == 0
    assert result.stdout.startswith("`$ costmodel advise alexnet --hw snapdragon --objective storage --format md`\n")
    assert "global_pooling=1 leaves 0.0425 of the stored weights" in result.stdout


def test_advise_with_strengths():
    """Each as often as it is given."""
    result = run("advise", "alexnet", "--hw", "snapdragon", "--strength", "0.25", "--strength", "-0.5", "--format", "csv")
    rows = list(csv.DictReader(StringIO(result.stdout)))

    assert {float(row["strength"]) for row in rows} == {0.25, -0.5}


def test_shrink():
    """Steps in the order given; what stands beside them last."""
    words = ["--step", "global_pooling=1", "--step", "pruning=0.5", "--towards", "squeezenet", "--width", "100"]
    result = run("shrink", "alexnet", "--hw", "snapdragon", *words)
    lines = [line.split("  ")[0] for line in result.stdout.split("Step by step")[1].splitlines()]

    assert result.exit_code == 0
    places = [lines.index(name) for name in ("alexnet", "+ global_pooling=1", "+ pruning=0.5", "beside it: squeezenet-1.0")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "words",
    [
        ["advise", "alexnet", "--hw", "snapdragon", "--strength", "3"],
        ["advise", "gone", "--hw", "snapdragon"],
        ["advise", "alexnet", "--hw", "gone"],
        ["advise", "alexnet", "--hw", "snapdragon", "--objective", "accuracy"],
        ["shrink", "alexnet", "--hw", "snapdragon"],
        ["shrink", "alexnet", "--hw", "snapdragon", "--step", "squash=1"],
        ["shrink", "alexnet", "--hw", "snapdragon", "--step", "pruning"],
        ["shrink", "alexnet", "--hw", "snapdragon", "--step", "pruning=0.5", "--towards", "gone"],
        ["shrink", "alexnet", "--hw", "snapdragon", "--step", "pruning=0.5", "--curve", "squeezenet:gone=1"],
        ["shrink", "alexnet", "--hw", "snapdragon", "--step", "pruning=0.5", "-o", "gone/report.md"],
    ],
)  # fmt: skip
def test_bad_input_is_one_message(words):
    """Exit code 2, nothing on stdout, no traceback."""
    result = run(*words)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr or "Missing option" in result.stderr


def test_unknown_layers_are_named(tmp_path):
    """With --strict, a network with a layer that nobody models fails."""
    file = tmp_path / "odd.py"
    file.write_text(
        "from costmodel.graph import Graph\n\n\ndef build():\n    g = Graph('odd')\n"
        "    x = g.conv('conv', g.input('x', (1, 3, 8, 8)), 4, kernel=1)\n"
        "    g.output(g.unknown('odd', 'Odd', [x], x.shape))\n    return g\n"
    )
    result = run("advise", str(file), "--hw", "snapdragon", "--strict")

    assert result.exit_code == 1
    assert "unknown layer: odd: odd (Odd)" in result.stderr
