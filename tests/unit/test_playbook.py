"""The playbook as a whole: on every network each step keeps it valid, says what it did, and does nothing at strength zero."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import costmodel as cm
from costmodel.errors import InputError
from costmodel.graph import Graph, StoredWidths
from costmodel.importers import net_names
from costmodel.playbook import STEPS, Change, Design, checked_step, transformed
from costmodel.playbook.rebuild import Builder, rebuilt
from tests.unit.networks import macs, pair, params

MODELS = sorted((Path(__file__).parents[1] / "models" / "onnx").glob("*.onnx"))
NETWORKS = (*net_names(), *map(str, MODELS))
NAMES = tuple(step.name for step in STEPS)
STRUCTURAL = tuple(name for name in NAMES if name != "lower_precision")
TRIALS = [(step.name, strength) for step in STEPS for strength in step.usual]
BITS = {"weight": 8, "ifmap": 8, "ofmap": 8}
SMALLER = tuple(name for name in STRUCTURAL if name != "delayed_pooling")
"""Steps that leave no more parameters and no more MACs."""


@cache
def network(spec):
    """One graph per specification."""
    return cm.load_network(spec)


def applied(graph, name, strength):
    """Return the graph after a step, and what the step changed."""
    design, changes = transformed(Design(graph, BITS), name, strength)
    return design.graph, changes


def ends(graph):
    """Names and shapes of inputs, and shapes of outputs, of a graph."""
    return [(t.name, t.shape) for t in graph.inputs], [t.shape for t in graph.outputs]


# ---- every network


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: Path(spec).stem)
def test_inputs_outputs_and_kinds_of_layers_are_kept(spec):
    """A network can stand where it stood; no step makes an unknown layer, and every free one names its rule."""
    graph = network(spec)
    unknown = graph.table().status.count("unknown")

    for name, strength in TRIALS:
        made, _ = applied(graph, name, strength)
        assert ends(made) == ends(graph), (name, strength)
        table = made.table()
        assert set(table.status) <= {"counted", "free", "unknown"}
        assert table.status.count("unknown") == unknown, (name, strength)
        assert all(note for note, status in zip(table.notes, table.status, strict=True) if status == "free")


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: Path(spec).stem)
def test_strength_zero_is_the_identity(spec):
    """Nothing is changed and nothing is said to be."""
    design = Design(network(spec), BITS)

    for name in NAMES:
        assert transformed(design, name, 0) == (design, ())


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: Path(spec).stem)
def test_a_copy_is_the_network(spec):
    """A graph rebuilt without rewrites has the same layers, and the same table at the widths of its file."""
    graph = network(spec)
    copy = rebuilt(graph, {})
    one, two = graph.table(), copy.table()

    assert [(a.name, a.op) for a in copy.layers] == [(b.name, b.op) for b in graph.layers]
    assert (one.names, one.status, one.stored) == (two.names, two.status, two.stored)
    for column in ("params", "macs", "weight_elems", "ifmap_elems", "ofmap_elems", "other_ops"):
        assert np.array_equal(one[column], two[column])


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: Path(spec).stem)
@pytest.mark.parametrize("name", SMALLER)
def test_more_strength_leaves_no_more_parameters_and_macs(spec, name):
    """From nothing to everything, neither grows on the way."""
    graph = network(spec)
    made = [applied(graph, name, strength)[0] for strength in (0, 0.4, 0.9)]

    assert all(params(before) >= params(after) for before, after in pairwise(made))
    assert all(macs(before) >= macs(after) for before, after in pairwise(made))


@pytest.mark.parametrize("spec", NETWORKS, ids=lambda spec: Path(spec).stem)
def test_pooling_later_needs_more_macs_and_the_same_parameters(spec):
    """Maps stay larger for longer, or shorter where it moves to the front."""
    graph = network(spec)
    made = [applied(graph, "delayed_pooling", strength)[0] for strength in (-1, -0.4, 0, 0.4, 1)]

    assert all(macs(before) <= macs(after) for before, after in pairwise(made))
    assert {params(one) for one in made} == {params(graph)}


@pytest.mark.parametrize("spec", ["alexnet", "squeezenet", "resnet", "googlenet", str(MODELS[0])])
@pytest.mark.parametrize(("name", "strength"), TRIALS)
def test_no_changes_means_the_same_network(spec, name, strength):
    """A step that says it did nothing did nothing, and one that says otherwise did."""
    graph = network(spec)
    made, changes = applied(graph, name, strength)

    if name == "lower_precision":
        assert made is graph
        assert [str(change) for change in changes] == [f"all layers: {one} of 8 bits becomes 4 bits" for one in BITS]
    else:
        assert (made is graph) == (not changes)
        assert {change.layer for change in changes} <= {layer.name for layer in graph.layers}
        assert all(change.before != change.after for change in changes)


# ---- one after the other


@pytest.mark.parametrize("spec", ["alexnet", "squeezenet:bypass=complex", "mobilenet_v2", *map(str, MODELS[-4:])])
def test_all_steps_in_the_order_of_composition(spec):
    """The whole playbook on one network: valid at every stage, and smaller at the end."""
    graph = network(spec)
    design = Design(graph, BITS)
    for step in STEPS:
        design = transformed(design, step.name, 0.5).design
        assert ends(design.graph) == ends(graph), step.name

    assert params(design.graph) <= params(graph)
    assert design.bits == {"weight": 4, "ifmap": 4, "ofmap": 4}


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_step_can_be_applied_again(name):
    """Names of layers that are put in stay apart from those that are there."""
    graph = network("squeezenet")
    once, _ = applied(graph, name, 0.5)
    twice, _ = applied(once, name, 0.5)

    assert ends(twice) == ends(graph)
    assert len({layer.name for layer in twice.layers}) == len(twice.layers)


def test_steps_do_not_commute():
    """Filters that have become 1x1 need no squeeze layer before them: the order matters, and is documented."""
    graph = pair(64, 64)
    one = applied(applied(graph, "kernel_reduction", 0.5)[0], "channel_reduction", 0.5)[0]
    two = applied(applied(graph, "channel_reduction", 0.5)[0], "kernel_reduction", 0.5)[0]

    assert params(one) != params(two)


def test_the_order_of_composition_is_documented():
    """The page lists all steps in this order, and nothing else."""
    page = (Path(__file__).parents[2] / "docs" / "models" / "playbook.md").read_text(encoding="utf-8")
    places = [page.index(f"| `{name}` |") for name in NAMES]

    assert places == sorted(places)


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "strength", "message"),
    [
        ("kernel_reducton", 0.5, "'kernel_reducton' is not a step, did you mean 'kernel_reduction'?; the steps are global"),
        ("zzz", 0.5, "'zzz' is not a step; the steps are"),
        ("bottleneck", 1.5, "bottleneck has strength 1.5; give a number from 0 to 1"),
        ("bottleneck", -0.5, "give a number from 0 to 1"),
        ("bottleneck", float("nan"), "give a number from 0 to 1"),
        ("bottleneck", "half", "bottleneck has strength 'half'"),
        ("bottleneck", True, "bottleneck has strength True"),
        ("delayed_pooling", -1.5, "give a number from -1 to 1"),
    ],
)
def test_unknown_steps_and_strengths(name, strength, message):
    """One message with what to write instead."""
    with pytest.raises(InputError) as error:
        checked_step(name, strength)

    assert message in str(error.value)
    assert len(error.value.problems) == 1


def test_a_design_space_is_no_network():
    """A graph that carries design points is refused; a step is about one network."""
    graph = cm.load_network("squeezenet", squeeze_ratio=np.array([0.125, 0.5]))

    with pytest.raises(InputError, match="carries 2 design points; the playbook transforms one network"):
        transformed(Design(graph, BITS), "bottleneck", 0.5)


def test_every_step_cites_a_paper_and_explains_its_strength():
    """The docstring of its module says where it comes from."""
    from importlib import import_module

    for name in NAMES:
        text = import_module(f"costmodel.playbook.{name}").__doc__
        assert "arXiv:" in text
        assert "Strength" in text


# ---- how a graph is rebuilt


def test_a_change_in_words():
    """A layer, or all of them."""
    assert str(Change("conv", "a", "b")) == "conv: a becomes b"
    assert str(Change("", "a", "b")) == "all layers: a becomes b"


def test_free_names():
    """A name that is taken by any layer, old or new, gets a number."""
    graph = Graph("names")
    graph.relu("x_relu", graph.input("x", (1, 4)))
    builder = Builder(graph)
    op = graph.layers[0].op
    (x,) = builder.tensors.values()

    assert [builder.added("x_relu", op, x).name, builder.added("x_relu", op, x).name] == ["x_relu2", "x_relu3"]


def test_weights_that_are_shared_stay():
    """A convolution whose weights another one uses is left alone: nothing else says whose they are."""
    graph = Graph("shared")
    x = graph.conv("first", graph.input("data", (1, 3, 8, 8)), 16, kernel=1)
    x = graph.conv("one", x, 16, kernel=3, padding=1)
    x = graph.conv("two", x, 16, kernel=3, padding=1, share="one")
    graph.output(graph.conv("three", x, 16, kernel=3, padding=1, groups=2))

    for name in SMALLER:
        made, changes = applied(graph, name, 0.5)
        assert {change.layer for change in changes} <= {"three", "first"}, name
        assert params(made) <= params(graph)


def test_what_is_put_in_is_stored_like_what_it_replaces():
    """A file's widths go on to the layers in the place of its own."""
    graph = pair()
    graph.store({"conv": StoredWidths(4, 8, 8, "int"), "last": StoredWidths(8, 8, 8, "int")})
    made, _ = applied(graph, "channel_reduction", 0.75)

    assert made.stored["conv_squeeze"] == made.stored["conv"] == StoredWidths(4, 8, 8, "int")
    assert made.stored["last"] == StoredWidths(8, 8, 8, "int")
    assert made.stored["first"] == StoredWidths()
