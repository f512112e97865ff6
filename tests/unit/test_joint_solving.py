"""The search as it is asked: once for every distinct layer, each in its share of the time, answers kept, gaps reported."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from threading import Barrier, Event

import pytest

import costmodel as cm
from costmodel import validation
from costmodel.analysis import analysis_of
from costmodel.errors import InputError, MappingError
from costmodel.graph import Graph
from costmodel.joint import solving
from costmodel.joint.choice import checked_objective
from costmodel.mapping.levels import search as searching
from costmodel.report.objective import mapping_sentences, proved
from tests.unit.joint_machine import small, spatial
from tests.unit.test_joint import asked


@pytest.fixture(autouse=True)
def answers(monkeypatch):
    """No answers from other tests, and none left for them."""
    kept = OrderedDict()
    monkeypatch.setattr(solving, "ANSWERS", kept)
    return kept


class Clock:
    """A clock that shows 100 s, and more with every search, one at a time."""

    def __init__(self, monkeypatch, seconds):
        monkeypatch.setattr(solving, "processors", lambda: 1)
        self.now, self.shares, self.seconds, self.real = 100.0, [], seconds, searching.search
        monkeypatch.setattr(solving, "monotonic", lambda: self.now)
        monkeypatch.setattr(searching, "search", self.search)

    def search(self, layers, hierarchy, objective, fixed, share, pins):
        """Search without a limit, and note the limit."""
        self.shares.append(share)
        self.now += self.seconds
        return self.real(layers, hierarchy, objective, fixed, pins=pins)


def cut_off(monkeypatch, names, part):
    """Make the search say that it proved only a part of the value of some layers, by their number of filters."""
    real = searching.search

    def cut(layers, *options):
        (found,) = real(layers, *options)
        return [replace(found, optimal=False, lower=part * found.value) if layers[0].k in names else found]

    monkeypatch.setattr(searching, "search", cut)


def three(hardware=None):
    """Three different layers to be mapped."""
    return list(asked(small(), hardware or spatial()).values())


# ---- time


@pytest.mark.parametrize(
    ("limit_s", "seconds", "shares"),
    [
        (9.0, 0.0, [3.0, 4.5, 9.0]),
        (9.0, 1.0, [3.0, 4.0, 7.0]),
        (9.0, 3.0, [3.0, 3.0, 3.0]),
        (9.0, 5.0, [3.0, 2.0, solving.LEAST_TIME_S]),
        (1e-6, 1.0, [solving.LEAST_TIME_S] * 3),
    ],
)
def test_what_is_left_is_shared_by_the_layers_that_are_left(monkeypatch, limit_s, seconds, shares):
    """What a layer does not use the others have; where the time is over, each takes what it sees at once."""
    clock = Clock(monkeypatch, seconds)
    solving.solved(three(), "energy", limit_s)

    assert clock.shares == pytest.approx(shares)


def test_layers_at_a_time_take_the_time_together(monkeypatch):
    """Two at a time: each of three layers two thirds, and what is left whole where no other waits for it."""
    clock = Clock(monkeypatch, 0.0)
    monkeypatch.setattr(solving, "processors", lambda: 2)
    solving.solved(three(), "energy", 9.0)

    assert sorted(clock.shares) == pytest.approx([6.0, 9.0, 9.0])


def test_without_a_limit_nothing_is_cut_off(monkeypatch):
    """Every layer is searched without a limit, and the clock is not looked at."""
    clock = Clock(monkeypatch, 1e9)
    found = solving.solved(three(), "energy")

    assert clock.shares == [None, None, None]
    assert all(one.optimal for one in found)


def test_known_answers_take_no_share(monkeypatch):
    """Two layers that are known leave all of the time to the third."""
    tasks = three()
    solving.solved(tasks[:2], "energy")
    clock = Clock(monkeypatch, 0.0)
    solving.solved(tasks, "energy", 6.0)

    assert clock.shares == pytest.approx([6.0])


def test_equal_layers_have_one_share(monkeypatch):
    """The same task three times is one search, and three answers."""
    (task, *_rest), clock = three(), Clock(monkeypatch, 0.0)
    found = solving.solved([task, task, task], "energy", 6.0)

    assert clock.shares == pytest.approx([6.0])
    assert found[0] is found[1] is found[2]


def test_a_limit_changes_no_proof(monkeypatch):
    """A search that is completed in time gives the optimum with or without a limit."""
    free = analysis_of(small(), spatial(), 1, None, None, objective="edp")
    solving.ANSWERS.clear()
    Clock(monkeypatch, 0.0)
    limited = analysis_of(small(), spatial(), 1, None, None, objective="edp", time_limit_s=1e6)

    assert limited.totals.energy_j.value == free.totals.energy_j.value
    assert limited.to_dict()["objective"] == {"name": "edp", "mapped": 3, "proved": 3, "gap_ratio": 0.0}


# ---- answers


def test_questions_differ_by_all_that_matters(answers):
    """Objective, machine and what is fixed: each combination has an answer of its own."""
    conv = asked(small(), spatial())["conv"]
    wider = asked(small(), replace(spatial(), overlap=False))["conv"]
    dearer = replace(conv, fixed=replace(conv.fixed, energy_pj=conv.fixed.energy_pj + 1.0))
    solving.solved([conv, wider, dearer, conv], "energy")
    solving.solved([conv], "latency")

    assert len(answers) == 4
    assert {question[1] for question in answers} == {"energy", "latency"}


def test_equal_machines_share_answers(answers):
    """A profile that is read again is the same machine."""
    solving.solved(three(spatial()), "energy")
    solving.solved(three(spatial()), "energy")

    assert len(answers) == 3


def test_the_oldest_answers_are_forgotten(monkeypatch, answers):
    """Beyond the bound; asking again makes an answer new."""
    monkeypatch.setattr(solving, "MOST_ANSWERS", 2)
    first, second, third = three()
    solving.solved([first], "energy")
    solving.solved([second], "energy")
    solving.solved([first], "energy")
    solving.solved([third], "energy")

    assert [question[2] for question in answers] == [first.layer, third.layer]


def test_more_layers_than_answers_are_kept_are_all_answered(monkeypatch, answers):
    """The bound is on what is remembered."""
    monkeypatch.setattr(solving, "MOST_ANSWERS", 1)
    tasks = three()

    assert [one.layer for one in solving.solved(tasks, "energy")] == [task.layer for task in tasks]
    assert [question[2] for question in answers] == [tasks[-1].layer]


def test_what_was_cut_off_is_searched_again(monkeypatch, answers):
    """Only what is proved is kept."""
    cut_off(monkeypatch, {5}, 0.5)
    found = solving.solved(three(), "energy")

    assert [one.optimal for one in found] == [True, True, False]
    assert {question[2].k for question in answers} == {task.layer.k for task in three()} - {5}
    monkeypatch.undo()
    assert all(one.optimal for one in solving.solved(three(), "energy"))


def test_what_fits_nowhere_is_named_and_not_kept(monkeypatch, answers):
    """Every problem behind the name of its layer, also where others were found."""
    real = searching.search

    def refusing(layers, *options):
        if layers[0].k == 4:
            raise MappingError("too large", "too long")
        return real(layers, *options)

    monkeypatch.setattr(searching, "search", refusing)
    with pytest.raises(MappingError) as caught:
        solving.solved(three(), "energy")

    named = [problem for problem in caught.value.problems if problem.startswith("conv: ")]
    assert named == ["conv: too large", "conv: too long"]
    assert not answers


# ---- several at a time


def test_as_many_layers_are_searched_at_a_time_as_there_are_processors(monkeypatch):
    """Two searches wait for each other: alone, the first would wait in vain."""
    real, together = searching.search, Barrier(2)

    def meeting(layers, *options):
        together.wait(timeout=60)
        return real(layers, *options)

    monkeypatch.setattr(solving, "processors", lambda: 2)
    monkeypatch.setattr(searching, "search", meeting)
    tasks = three()[:2]
    assert [one.layer for one in solving.solved(tasks, "energy")] == [task.layer for task in tasks]


@pytest.mark.parametrize("objective", ["energy", "latency", "dram_bytes"])
def test_how_many_at_a_time_changes_nothing(monkeypatch, answers, objective):
    """One thread or eight: the same mappings, in the order of the layers."""
    found = []
    for many in (1, 8):
        monkeypatch.setattr(solving, "processors", lambda many=many: many)
        answers.clear()
        found.append(solving.solved(three(), objective))
    assert found[0] == found[1]
    assert [one.layer for one in found[0]] == [task.layer for task in three()]


def test_problems_come_in_the_order_of_the_layers(monkeypatch):
    """Whichever search fails first."""
    first = Event()

    def failing(layers, *_options):
        if layers[0] == three()[0].layer:
            first.wait(timeout=60)
        else:
            first.set()
        raise MappingError("too large")

    monkeypatch.setattr(solving, "processors", lambda: 3)
    monkeypatch.setattr(searching, "search", failing)
    with pytest.raises(MappingError) as caught:
        solving.solved(three(), "energy")
    assert list(caught.value.problems) == [f"{task.name}: too large" for task in three()]


def test_nothing_asked_is_nothing_found(answers):
    """An empty list of tasks."""
    assert solving.solved([], "energy", 1.0) == []
    assert not answers


# ---- gaps


def test_the_largest_gap_is_reported(monkeypatch):
    """Of a fully connected layer proved to nine tenths: at most 10 % might be saved; two mappings are proved."""
    cut_off(monkeypatch, {5}, 0.9)
    analysis = analysis_of(small(), spatial(), 1, None, None, objective="energy")
    found = analysis.to_dict()["objective"]
    shown = " ".join(repr(analysis).split())

    assert (found["mapped"], found["proved"]) == (3, 2)
    assert found["gap_ratio"] == pytest.approx(0.1)
    assert "2 of 3 mappings proved to be the best there is, in the others at most 10.0 % might be saved" in shown


def test_gaps_are_rounded_up(monkeypatch):
    """A bound stays one: 0.04 % is 0.1 %, not nothing."""
    cut_off(monkeypatch, {5}, 0.9996)
    joint = analysis_of(small(), spatial(), 1, None, None, objective="energy").estimate.joint

    assert proved([joint]) == "2 of 3 mappings proved to be the best there is, in the others at most 0.1 % might be saved"


def test_a_comparison_has_the_largest_gap_of_its_networks(monkeypatch):
    """One sentence over both; each analysis with its own in JSON."""
    cut_off(monkeypatch, {7}, 0.75)
    found = cm.compare([small(), small(features=7)], spatial(), objective="energy")
    gaps = [one.to_dict()["objective"]["gap_ratio"] for one in found.analyses]

    assert gaps == [0.0, pytest.approx(0.25)]
    (sentence,) = mapping_sentences(found.analyses)
    assert sentence.endswith("5 of 6 mappings proved to be the best there is, in the others at most 25.0 % might be saved.")


def test_gaps_survive_json(monkeypatch):
    """The mapping of a layer says what bounds it."""
    cut_off(monkeypatch, {5}, 0.5)
    analysis = analysis_of(small(), spatial(), 1, None, None, objective="latency")
    nest = next(layer.mapping for layer in analysis.layers if layer.name == "fc")
    data = json.loads(json.dumps(nest.to_dict()))

    assert (data["objective"], data["optimal"]) == ("latency", False)
    assert data["lower"] == data["value"] / 2 == pytest.approx(nest.priced.latency_s / 2)
    assert nest.gap_ratio == pytest.approx(0.5)


def test_no_gap_is_below_zero(monkeypatch):
    """A bound above the value is rounding, and a value of nothing leaves nothing to save."""
    cut_off(monkeypatch, {5}, 1 + 1e-12)
    analysis = analysis_of(small(), spatial(), 1, None, None, objective="energy")
    nest = next(layer.mapping for layer in analysis.layers if layer.name == "fc")

    assert nest.gap_ratio == 0.0
    assert replace(nest, value=0.0, lower=0.0).gap_ratio == 0.0


def test_a_search_that_is_cut_off_is_legal_and_bounded(monkeypatch):
    """With no time at all: a mapping that fits, at most its gap above the optimum, bounded from below by a true bound."""
    monkeypatch.setattr(searching, "BUDGET", 16)  # looks at the clock more often
    graph = Graph("large")
    graph.output(graph.conv("large", graph.input("x", (1, 96, 27, 27)), 60, 5, padding=2))
    (limited,) = analysis_of(graph, cm.load_hardware("eyeriss-168"), 1, None, None, objective="edp", time_limit_s=1e-9).layers
    assert not solving.ANSWERS
    (free,) = analysis_of(graph, cm.load_hardware("eyeriss-168"), 1, None, None, objective="edp").layers

    assert limited.mapping.priced.fits
    assert not limited.mapping.optimal
    assert free.mapping.optimal
    assert limited.mapping.lower <= free.mapping.value * (1 + 1e-9)
    assert free.mapping.value <= limited.mapping.value * (1 + 1e-9)
    assert limited.mapping.gap_ratio >= 1 - free.mapping.value / limited.mapping.value - 1e-9


def test_without_numba_nothing_is_searched(monkeypatch):
    """Interpreted, a network would take hours: refused where it is asked for, left out where figures are checked."""
    monkeypatch.setattr("costmodel.joint.choice.find_spec", lambda _name: None)

    with pytest.raises(InputError, match=r"^objective: energy needs Numba.*nn-costmodel\[fast\]"):
        checked_objective("energy")
    assert checked_objective("none") is None
    left = validation.left_out()
    assert {row["quantity"] for row in left} == {"mapped_energy_j", "mapped_cycles", "dram_words"}
    assert all("objective" in row for row in left)
