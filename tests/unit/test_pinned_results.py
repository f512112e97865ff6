"""Pins in results: analyses, explanations, mappings and commands, profiles that say what stays, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.errors import InputError, MappingError, PinError
from costmodel.joint import solving
from costmodel.joint.solving import several
from costmodel.mapping.levels.pins import TilePin
from costmodel.report import render
from tests.unit.joint_machine import small, spatial, stationary

NET = ("alexnet", "--hw", "ws-16x16", "--objective", "dram_bytes")


def run(*words):
    """Run a command."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def nests(channels=4, **options):
    """Mappings of the small network, by layer."""
    found = cm.analyze(small(channels), spatial(), objective="energy", **options)
    return {layer.name: layer.mapping for layer in found.layers if layer.mapping}


def test_pins_hold_for_every_layer_or_those_they_name():
    """A pattern of names; what is pinned is at least as dear, and the other layers cost what they cost."""
    free, some, every = nests(), nests(pins={"conv*": {"sram.k": 2}}), nests(pins=["sram.k=2"])

    assert some["conv"].priced.nest.tiles[0]["k"] == 2
    assert some["fc"].value == free["fc"].value
    assert {one.priced.nest.tiles[0]["k"] for one in every.values()} <= {1, 2}
    assert all(every[name].value >= free[name].value for name in free)
    assert (some["conv"].pins.tiles, some["fc"].pins.tiles) == ((TilePin("sram", "k", 2),), ())


def test_pinned_answers_are_kept_by_their_pins(monkeypatch):
    """The same layer with and without pins are two questions."""
    monkeypatch.setattr(solving, "ANSWERS", type(solving.ANSWERS)())
    first, pinned, again = nests(), nests(pins=["rows=none"]), nests()

    assert first["conv"].value == again["conv"].value < pinned["conv"].value
    assert len(solving.ANSWERS) == 2 * len(first)


def test_mappings_show_what_was_pinned():
    """A line under the heading, with the extent where the pin is beyond it; JSON has the words."""
    found = nests(3, pins=["rows=c", "sram.k=99", "columns=k:4", "sram.hold=weight", "rf.stationary=weight"])["conv"]

    assert str(found).splitlines()[1] == (
        "pinned: sram.k=99 (of 3), rows=c, columns=k:4 (k of 3), rf.stationary=weight, sram.hold=weight"
    )
    assert found.to_dict()["pins"] == ["sram.k=99", "rows=c", "columns=k:4", "rf.stationary=weight", "sram.hold=weight"]
    assert "pins" not in nests()["conv"].to_dict()


def test_reports_say_what_was_pinned():
    """How it was modelled, and the JSON of the objective."""
    found = cm.analyze(small(), spatial(), objective="energy", pins=["sram.k=2", "conv:rows=c"])

    assert "Pinned, and the rest searched: sram.k=2, conv:rows=c." in render(found, width=130)
    assert found.to_dict()["objective"]["pins"] == ["sram.k=2", "conv:rows=c"]
    assert "pins" not in cm.analyze(small(), spatial(), objective="energy").to_dict()["objective"]


def test_an_explanation_pins_its_layer_alone():
    """Pins without a pattern hold for the layer; what more room would save is searched under them."""
    found = cm.explain(small(), spatial(), "conv", "energy", pins=["sram.c=1", "sram.k=3"])
    dearer = found.parts[0].priced

    assert (dearer.nest.tiles[0]["c"], dearer.nest.tiles[0]["k"]) == (1, 3)
    changed = [change for one in found.parts[0].drops for change in one.changes if change.startswith("tile of sram: ")]
    assert not any(" c " in change.split(":")[1] or " k " in change.split(":")[1] for change in changed)
    assert "pinned: sram.c=1, sram.k=3" in render(found, width=130)
    assert json.loads(json.dumps(found.to_dict()))["nests"][0]["text"][1] == "pinned: sram.c=1, sram.k=3"


def test_a_profile_says_what_stays():
    """The innermost loop around the elements is one of n p q in every layer; the report says so."""
    machine = stationary()
    levels = (*machine.levels[:-1], replace(machine.levels[-1], stationary="weight"))
    free, kept = (cm.analyze(small(), one, schedule="layer") for one in (machine, replace(machine, levels=levels)))

    for before, after in zip(free.layers, kept.layers, strict=True):
        if after.mapping:
            assert not after.mapping.blocks[-1] or after.mapping.blocks[-1][-1].dim in "npq"
            assert after.mapping.value >= before.mapping.value
    assert "The weight stays in place around every tile of pe, as the profile says." in render(kept, width=130)
    with pytest.raises(PinError, match=r"^conv, pool, fc: pin pe\.stationary=ofmap: the profile says that weight is "):
        cm.analyze(small(), replace(machine, levels=levels), pins=["pe.stationary=ofmap"])


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        (["sram.k=2", "cnov*:sram.c=1"], "pins: 'cnov*' matches no layer that is mapped; these are conv, pool, fc"),
        (["relu:sram.k=2"], "pins: 'relu' matches no layer that is mapped; these are conv, pool, fc"),
        (["glb.k=2"], "pin glb.k=2: no memory 'glb' on chip; there are sram, rf"),
        (["conv:sram.k=4", "conv*:sram.k=2"], "conv: pins sram.k=4 and sram.k=2: two sizes of one tile along k of sram"),
        (["sram.k=4", "sram.k=2"], "conv, pool, fc: pins sram.k=4 and sram.k=2: two sizes of one tile along k of sram"),
    ],
)
def test_pins_that_cannot_be_name_their_layers(pins, message):
    """Each problem once."""
    with pytest.raises((InputError, PinError)) as caught:
        cm.analyze(small(), spatial(), objective="energy", pins=pins)
    assert str(caught.value) == message


@pytest.mark.parametrize("options", [{}, {"objective": "none"}, {"schedule": "resident"}])
def test_pins_need_an_objective(options):
    """Boundaries one by one have no mapping through all memories."""
    with pytest.raises(InputError) as caught:
        cm.analyze(small(), spatial(), pins=["sram.k=2"], **options)
    assert str(caught.value) == (
        "pins: they fix mappings through all memories, which are made for an objective only; give energy, latency, edp or "
        "dram_bytes, or leave them out"
    )


def test_a_schedule_that_leaves_no_objective_is_the_reason():
    """The profile's own objective is not used for a schedule across layers."""
    kept = replace(spatial("energy"), residency="all")
    with pytest.raises(InputError, match=r"^pins: they fix .* objective, which is not used: the schedule resident is made"):
        cm.analyze(small(), kept, schedule="resident", pins=["sram.k=2"])


def test_a_search_under_pins_that_none_satisfies_names_the_layer():
    """Without loops over n p q around the elements, these would have to hold 108 weights at once, 4 in each of 8."""
    tile = {"sram.p": 1, "sram.q": 1, "sram.k": 4, "sram.c": 3, "sram.r": 3, "sram.s": 3}
    pins = {"conv": {**tile, "rf.stationary": "weight"}}
    with pytest.raises(MappingError) as caught:
        cm.analyze(small(), spatial(), objective="energy", pins=pins)
    assert str(caught.value) == (
        "conv: no mapping satisfies sram.p=1 sram.q=1 sram.k=4 sram.c=3 sram.r=3 sram.s=3 rf.stationary=weight together: no "
        "tiles that fit do; take one away"
    )


def test_a_buffer_that_would_have_to_hold_everything_is_named_with_its_size():
    """Weights stay in a buffer that holds all rows and columns only where it holds the layer, and it is too small."""
    pins = {"conv": {"sram.p": 6, "sram.q": 6, "sram.stationary": "weight"}}
    with pytest.raises(PinError) as caught:
        cm.analyze(small(16), spatial(), objective="energy", pins=pins)
    assert str(caught.value) == (
        "conv: pin sram.stationary=weight with sram.p=6 sram.q=6: no loop of n p q steps through tiles of sram, so that sram "
        "would have to hold the whole layer: ifmap 108 B, ofmap 576 B do not fit into 512 B"
    )


def test_names_are_few():
    """More than three are counted."""
    assert several(["a", "b", "c"]) == "a, b, c"


# ---- commands


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_the_commands_take_pins(fmt, tmp_path):
    """Words, and a file of them."""
    (tmp_path / "pins.yaml").write_text("conv3:\n  buffer.k: 48\n")
    words = ("--layer", "conv3", "--pin", "pe.stationary=weight", "--pin", tmp_path / "pins.yaml", "--format", fmt)
    explained, mapped = run("explain", *NET, *words, "--no-drops"), run("mapping", *NET, *words)

    for result in (explained, mapped):
        assert result.exit_code == 0, result.stderr
        assert "buffer.k=48" in result.stdout
        assert "pe.stationary=weight" in result.stdout
    if fmt == "json":
        levels = json.loads(mapped.stdout)["layers"]["conv3"]["levels"]
        assert (levels[0]["tile"]["k"], set(levels[1]["order"][-1]) <= set("npq")) == (48, True)


def test_analyze_takes_pins():
    """The figures are those of the library."""
    result = run("analyze", *NET, "--pin", "conv*:pe.stationary=weight", "--format", "json")
    found = cm.analyze("alexnet", "ws-16x16", objective="dram_bytes", pins={"conv*:pe.stationary": "weight"})

    assert json.loads(result.stdout)["totals"] == json.loads(json.dumps(found.to_dict()))["totals"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("analyze", *NET, "--pin", "buffer.k=0"), "error: pin buffer.k: '0' given; give a whole number of at least 1"),
        (("analyze", *NET, "--pin", "glb.k=4"), "error: pin glb.k=4: no memory 'glb' on chip; there are buffer, pe"),
        (("analyze", *NET, "--pin", "no.yaml"), "error: pins: no.yaml: no such file: check the path of the profile; a pin is "
                                                "written such as glb.k=16"),
        (("analyze", *NET[:3], "--pin", "buffer.k=4"), "error: pins: they fix mappings through all memories, which are made"),
        (("explain", *NET, "--layer", "conv3", "--pin", "rows=k"), "error: pin rows=k: k along rows, which unrolls c only"),
        (("explain", *NET, "--layer", "conv3", "--pin", "pe.k=2"), "error: conv3: pin pe.k=2: no tile of pe that they allow "
                                                                   "fits: weight 4 B do not fit into 2 B"),
        (("explain", *NET, "--layer", "conv99", "--pin", "buffer.k=4"), "error: layer 'conv99' is not in alexnet"),
        (("explain", *NET, "--layer", "conv3", "--pin", "buffer.k=4", "--mapping", "mine.yaml"),
         "error: --mapping mine.yaml gives the whole mapping, and leaves nothing to --pin; leave one of them out"),
        (("mapping", *NET, "--layer", "conv3", "--pin", "conv3:buffer.k=4", "--pin", "buffer.k=8"),
         "error: conv3: pins buffer.k=4 and buffer.k=8: two sizes of one tile along k of buffer"),
    ],
)  # fmt: skip
def test_commands_refuse_in_one_message(words, message):
    """Exit 2, nothing on stdout, no traceback."""
    result = run(*words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
