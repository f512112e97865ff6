"""Mappings that are given, from files and as data, and every message about layers and files that cannot be explained."""

from __future__ import annotations

import json

import pytest
from ruamel.yaml import YAML

import costmodel as cm
from costmodel.analysis import analysis_of
from costmodel.errors import CostModelError, InputError, MappingError
from costmodel.explanation import explanation_of, given_analysis, layer_row
from costmodel.explanation.given import file_data, of_layer
from costmodel.mapping.levels.given import from_dict
from costmodel.report import render
from tests.unit.joint_machine import small, spatial
from tests.unit.machine import machine
from tests.unit.mapped import LAYER, mapped, nest, pair
from tests.unit.test_explanation import ARRAY, network

HARDWARE = machine(400, array=ARRAY)
GIVEN = {"levels": [{"name": "sram", "tile": {"k": 1, "c": 1, "r": 3, "s": 3}, "order": "kcpq"}]}


@pytest.fixture(scope="module")
def analysis():
    """Return the network of a convolution and a pooling, mapped for energy."""
    return cm.analyze(network(), HARDWARE, objective="energy", schedule="layer")


def price(mapping, layer="conv1", objective="energy", hardware=HARDWARE):
    """Price a mapping of one layer."""
    return cm.price_mapping(network(), hardware, layer, mapping, objective)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv2", "layer 'conv2' is not in small; did you mean 'conv1'?; its layers are conv1, pool1, relu1"),
        ("xyz", "layer 'xyz' is not in small; its layers are conv1, pool1, relu1"),
        ("", "layer '' is not in small; its layers are conv1, pool1, relu1"),
        ("relu1", "layer 'relu1' of small is free and has no loop nest; these have one: conv1, pool1"),
    ],
)
def test_layers_without_a_nest_are_named_with_those_that_have_one(analysis, name, message):
    """A near name is suggested; an activation that is fused has nothing to explain."""
    with pytest.raises(InputError) as caught:
        layer_row(analysis, name)
    assert str(caught.value) == message
    with pytest.raises(InputError, match="layer"):
        explanation_of(analysis, name)
    with pytest.raises(InputError, match="layer"):
        given_analysis(analysis, name, GIVEN)


def test_a_layer_that_moves_operands_once_has_no_loops():
    """A softmax reads and writes everything once: no order could change that."""
    found = cm.analyze(small(), spatial("energy"), schedule="layer")

    with pytest.raises(InputError, match="layer 'prob' of small moves every operand once and has no loop nest"):
        layer_row(found, "prob")
    assert layer_row(found, "fc") == found.estimate.table.names.index("fc")


@pytest.mark.parametrize("objective", [None, "none"])
def test_boundaries_one_by_one_take_no_mapping(objective):
    """There is nothing to compare with, and the message says which objectives there are."""
    with pytest.raises(InputError) as caught:
        price(GIVEN, objective=objective)
    assert str(caught.value) == (
        "machine declares no objective, and a mapping through all memories needs one; give --objective energy, latency, edp "
        "or dram_bytes"
    )


def test_compressed_weights_have_no_whole_bits():
    """Fractions of a bit are no formula's; the network without its scheme is."""
    net = "squeezenet@squeezenet-deep-compression-6bit"

    with pytest.raises(InputError, match=r"^conv10: its weights are compressed to fractions of a bit off chip; explain the"):
        cm.explain(net, "snapdragon", "conv10", drops=False)


def test_a_mapping_by_hand_costs_what_it_moves():
    """One channel at a time: weights 36 times over as their order is outside, 4 visits to sums of which 3 read back."""
    found = price(GIVEN)
    moved = {(one.operand, one.way): one.accesses for one in found.parts[0].accesses if one.store == 0}

    assert moved["weight", "read"] == 288
    assert moved["ifmap", "read"] >= 8 * 4 * 8 * 8
    assert (moved["ofmap", "read"], moved["ofmap", "write"]) == (3 * 288, 4 * 288)
    dram = {one.operand: (one.read_bytes, one.write_bytes) for one in found.spent if one.level == "dram"}
    assert dram["ofmap"] == (3 * 288 * 4, 3 * 288 * 4 + 288)


@pytest.mark.parametrize("objective", ["energy", "latency", "edp", "dram_bytes"])
def test_no_given_mapping_undercuts_the_optimum(objective):
    """Its report says what the best would be, and searches no larger memory."""
    found = price(GIVEN, objective=objective)
    best = cm.explain(network(), HARDWARE, "conv1", objective, drops=False)

    assert found.optimum.objective == objective
    assert found.optimum.optimal
    assert found.parts[0].drops == ()
    assert best.optimum is None
    values = {"energy": "energy_j", "latency": "latency_s"}
    if objective in values:
        assert getattr(found, values[objective]) >= getattr(best, values[objective])
    data = json.loads(render(found, "json"))
    assert data["optimum"] == found.optimum.to_dict()
    assert "optimum" in render(found, "text")


@pytest.mark.parametrize("layer", ["conv1", "pool1"])
@pytest.mark.parametrize("form", ["data", "one.json", "one.yaml", "all.json", "string"])
def test_the_best_comes_back_whatever_it_is_read_from(analysis, layer, form, tmp_path):
    """As data, as a file of one layer in JSON or YAML, as a file of all by layer, by a path that is a string."""
    nests = {one.name: one.mapping.to_dict() for one in analysis.layers if one.mapping is not None}
    file = tmp_path / (form if "." in form else "one.json")
    if form == "one.yaml":
        with file.open("w", encoding="utf-8") as out:
            YAML().dump(nests[layer], out)
    else:
        file.write_text(json.dumps({"layers": nests} if form == "all.json" else nests[layer]), encoding="utf-8")
    mapping = {"data": nests[layer], "string": str(file)}.get(form, file)

    found = price(mapping, layer)
    best = cm.explain(network(), HARDWARE, layer, "energy", drops=False)

    assert found.energy_j == pytest.approx(best.energy_j)
    assert found.latency_s == pytest.approx(best.latency_s)
    assert [one.formula(("a", "b")) for one in found.parts[0].accesses] == [
        one.formula(("a", "b")) for one in best.parts[0].accesses
    ]


def test_only_the_given_layer_changes(analysis):
    """All others keep their mapping and their costs; the analysis that was given stays as it was."""
    changed, best = given_analysis(analysis, "conv1", GIVEN)

    assert best is analysis.layers[0].mapping
    assert changed.layers[0].energy_j > analysis.layers[0].energy_j
    assert [one.energy_j for one in changed.layers[1:]] == [one.energy_j for one in analysis.layers[1:]]
    assert analysis.estimate.given != changed.estimate.given


def test_a_layer_of_a_file_of_several():
    """Levels at the top make it one mapping, even beside layers; else the name has to be among them."""
    one, several = {"levels": [], "layers": {}}, {"layers": {"a": 1, "b": 2}}

    assert of_layer(one, "a") is one
    assert of_layer(several, "b") == 2
    assert of_layer({"layers": 3}, "a") == {"layers": 3}
    with pytest.raises(InputError, match=r"^layers: 'c' is not among them; the file has a, b$"):
        of_layer(several, "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("levels: [1", "not valid YAML"),
        ("- 1\n- 2\n", "at the top: write a mapping"),
        ("levels: []\nlevels: []\n", "levels"),
        ("", "at the top: write a mapping"),
        ("a\0b", "binary file"),
    ],
)
def test_files_that_hold_no_mapping_are_named(tmp_path, text, message):
    """Syntax, lists, duplicate keys, nothing, bytes: the file comes first in the message."""
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(InputError) as caught:
        file_data(file)
    assert all(problem.startswith(str(file)) for problem in caught.value.problems)
    assert message in str(caught.value)
    with pytest.raises(InputError):
        price(file)


def test_a_missing_file_is_said_to_be(tmp_path):
    """So is a directory in its place."""
    with pytest.raises(InputError, match=r"no\.yaml: no such file"):
        price(tmp_path / "no.yaml")
    with pytest.raises(InputError, match="is a directory"):
        price(str(tmp_path))


def test_problems_of_a_mapping_say_where_it_came_from(tmp_path):
    """The layer for data, the file for a file, in front of every problem."""
    wrong = {"levels": [{"name": "sram", "tile": {"k": 99, "x": 1}, "order": "kk"}]}
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong), encoding="utf-8")

    for mapping, place in ((wrong, "conv1"), (file, str(file))):
        with pytest.raises(MappingError) as caught:
            price(mapping)
        assert list(caught.value.problems) == [
            f"{place}: sram: tile of k is 99; give a whole number from 1 to its extent 8",
            f"{place}: sram: tile has 'x', no loop of a layer; these are n g k c p q r s",
            f"{place}: sram: order k k has a loop twice; a memory has one loop per dimension",
        ]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "levels: missing; give a list with one entry per memory on chip: sram"),
        ({"levels": []}, "levels: are empty; give sram, in this order"),
        ({"levels": ["sram"]}, "levels: 'sram' is no mapping; write such as {name: sram, tile: {k: 16}}"),
        ({"levels": [GIVEN["levels"][0], 7]}, "levels: 7 is no mapping"),
        ({**GIVEN, "unroll": {"k": {"side": ["rows"], "elements": 2}}}, "unroll: k is along ['rows']; the sides of the array"),
        ({"levels": [{"name": "sram", "tile": {}, "order": 5}]}, "sram: order has 5, no loops of a layer"),
        ({"levels": [{"name": "sram", "tile": {}, "order": "kcpqrs", "bypass": "psum"}]}, "sram: bypass has 'psum', no "),
        ({"levels": [{"name": "sram", "tile": {}, "order": "kcpqrs", "bypass": "ifmap"}]}, "the profile allows none"),
        ({"levels": [{"name": "sram"}]}, "sram: tile is None; give a size by dimension"),
        ({"levels": [{"name": "sram", "tile": {"k": True}}]}, "sram: tile of k is True; give a whole number"),
        ({**GIVEN, "unroll": {"k": 2}}, "unroll: k is along None; the sides of the array are rows, columns"),
        ({**GIVEN, "unroll": {"k": {"side": "rows", "elements": 2}, "c": {"side": "rows", "elements": 2}}},
         "unroll: 4 elements along rows, which has 2"),
        ({**GIVEN, "unroll": {"k": {"side": "rows", "elements": 2}}}, "tile of k is 1, no whole number of the 2 of the array"),
        ({"levels": [{"name": "sram", "tile": {"k": 8, "c": 4, "p": 6, "q": 6, "r": 3, "s": 3}}]}, "do not fit into 400 B"),
    ],
)  # fmt: skip
def test_every_problem_ends_in_a_message(mapping, message):
    """Nothing that a file can hold ends in anything but an error of the model."""
    with pytest.raises(CostModelError) as caught:
        price(mapping)
    assert str(caught.value).startswith("conv1: ")
    assert message in str(caught.value)


def test_elements_take_inputs_that_pass_the_buffer_by():
    """Where the profile lets two operands pass, both do, and elements have room or a register for each."""
    hierarchy = pair(optional=("weight", "ifmap"))
    found = {
        "levels": [
            {"name": "glb", "tile": {"k": 4, "c": 8, "p": 4, "q": 4}, "order": "k", "bypass": ["weight", "ifmap"]},
            {"name": "rf", "tile": {"k": 2}, "order": "cpq"},
        ],
        "unroll": {"c": {"side": "rows", "elements": 2}, "k": {"side": "columns", "elements": 2}},
    }
    read = from_dict(found, LAYER, hierarchy)

    assert read.passes_by(0) == {"weight", "ifmap"}
    assert read.passes_by(1) == frozenset()


@pytest.mark.parametrize("given", ["weight", ["weight"], ("weight",)])
def test_one_operand_may_pass_by_as_a_word(given):
    """A word is an operand, not its letters: both ways of writing it move the same."""
    found = mapped(LAYER, pair(), nest()).to_dict()
    found["levels"][0]["bypass"] = given

    assert from_dict(found, LAYER, pair()) == nest()


def test_the_analysis_of_an_objective_needs_no_second_search(analysis):
    """The layer's row and its nest are those of the analysis."""
    again = analysis_of(network(), HARDWARE, 1, None, None, objective="energy")

    assert explanation_of(again, "conv1", drops=False).parts[0].text == str(analysis.layers[0].mapping)
