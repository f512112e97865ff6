"""Layers of many points as columns: what the mapper is asked of each, and what becomes of its answers, as point by point."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.analysis import estimate_of
from costmodel.errors import MappingError
from costmodel.estimate import Estimate
from costmodel.explore.nests import Listed, Nests, joint_costs_at, second_half
from costmodel.graph import Graph
from costmodel.hardware.columns import with_columns
from costmodel.hardware.profile import OBJECTIVES
from costmodel.joint.answers import answer_columns, answers, reasons, searched, task_of, without_outputs
from costmodel.joint.columns import AT, COLUMNS, UNCOUNTED, Machines, amount_names, asked
from costmodel.joint.costs import joint_costs
from costmodel.joint.tasks import Work, tasks
from tests.unit.joint_machine import small, spatial, stationary
from tests.unit.machine import machine

MACHINES = (spatial(static_w=1e-3, bandwidth=1e9), machine(256), stationary())
CHANNELS = np.array([1, 4, 7])


def work_of(estimate):
    """What is asked of an estimate."""
    feeds = replace(estimate, objective="energy").feed_bytes("value")
    return Work(estimate.table, estimate.widths, estimate.precisions, estimate.hardware, feeds)


def never(_place, _points, text):
    """No point is refused."""
    raise AssertionError(text)


def recurrent(features=3) -> Graph:
    """A layer of four steps, and rows that are streamed or free."""
    graph = Graph("recurrent")
    graph.output(graph.gru("gru", graph.input("words", (1, 4, 5)), features))
    graph.output(graph.relu("relu", graph.avg_pool("pool", graph.input("x", (1, features, 4, 4)), 2)))
    return graph


def at_points(graph, hardware, objective="energy", nests=None, refuse=never, **columns):
    """An estimate of all points together, constants of the hardware as columns, mapped as a design space is."""
    points = max((len(column) for column in columns.values()), default=1)
    profiles = [with_columns(hardware, {name: column[at].item() for name, column in columns.items()}) for at in range(points)]
    plain = estimate_of(graph, hardware, 1, None, None)
    many = replace(plain, hardware=with_columns(hardware, columns), hardware_points=points, objective=objective)
    machines = Machines(tuple(profiles), np.arange(points))
    levels = len(hardware.levels)
    mapper = partial(joint_costs_at, machines=machines, nests=nests or Nests(levels, 64), refuse=refuse)
    return replace(many, joint_mapper=mapper), profiles


# ---- the question


@pytest.mark.parametrize("hardware", MACHINES)
@pytest.mark.parametrize("build", [small, recurrent])
def test_columns_ask_what_tasks_ask(hardware, build):
    """The same layer, machine, constants and steps for every row and point: equal to the last bit."""
    many = estimate_of(build(CHANNELS), hardware, 1, None, None)
    found = asked(work_of(many), "edp", Machines((hardware,), np.zeros(1, dtype=np.int64)))
    for point, channels in enumerate(CHANNELS.tolist()):
        expected = tasks(work_of(estimate_of(build(channels), hardware, 1, None, None)))
        assert [task.row for task in expected] == found.rows.tolist()
        for row, task in enumerate(expected):
            layer = np.array([column[row, min(point, column.shape[1] - 1)] for column in found.columns])
            again = task_of(layer, found.hierarchies, task.name)
            assert replace(again, row=task.row) == task
            assert OBJECTIVES[layer[AT["objective"]]] == "edp"


def test_machines_are_told_apart_by_all_that_matters():
    """One digest per machine and number of MACs per second, whether constants vary or not."""
    columns = {"sram.capacity": np.array([128, 256, 128]), "dram.read_energy": np.array([1.0, 1.0, 2.0])}
    many, profiles = at_points(small(), machine(256), **columns)
    found = asked(work_of(many), "energy", Machines(tuple(profiles), np.arange(3)))
    conv = found.columns[AT["machine"]][0]
    assert np.unique(conv).size == 3
    assert len(found.hierarchies) == 6  # each with MACs and without
    one = work_of(replace(many, hardware=profiles[1], hardware_points=1))
    alone = asked(one, "energy", Machines((profiles[1],), np.zeros(1, int)))
    assert alone.columns[AT["machine"]][0].tolist() == [conv[1]]


def test_elements_that_loops_do_not_count():
    """Poolings have no weights; what loops count is not said again."""
    hardware = machine(256)
    found = asked(work_of(estimate_of(small(), hardware, 1, None, None)), "energy", Machines((hardware,), np.zeros(1, int)))
    counts = np.concatenate([found.columns[AT["weight_count"]], found.columns[AT["ofmap_count"]]], axis=1)
    assert counts.min() >= UNCOUNTED
    assert (found.columns[AT["weight_bits"]][:, 0] == 0).tolist() == [False, True, False]
    assert found.columns[AT["weight_count"]][:, 0].tolist() == [UNCOUNTED] * 3


# ---- the answer


@pytest.mark.parametrize("hardware", MACHINES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_answers_are_the_costs_of_tasks(hardware, objective):
    """Bytes by level, operand and way, what passes every port, and busy slots: as for one point after the other."""
    for build in (small, recurrent):
        many, _ = at_points(build(CHANNELS), hardware, objective)
        for point, channels in enumerate(CHANNELS.tolist()):
            alone = work_of(estimate_of(build(channels), hardware, 1, None, None))
            expected = joint_costs(alone, objective, None, None, {})
            for key, column in expected.accesses.items():
                assert many.joint.accesses[key][:, point].tolist() == column[:, 0].tolist(), key
            for level in range(len(hardware.levels) - 1):
                assert many.joint.through(level)[:, point].tolist() == expected.through(level)[:, 0].tolist()
            assert many.joint.slots[:, point].tolist() == expected.slots[:, 0].tolist()
            for name in ("weight_bytes", "ifmap_bytes", "ofmap_bytes", "psum_bytes"):
                assert getattr(many.joint.off_chip, name)[:, point].tolist() == getattr(expected.off_chip, name)[:, 0].tolist()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(20, 2000), min_size=2, max_size=4),
    st.lists(st.sampled_from([0.5, 1.0, 8.0]), min_size=4, max_size=4),
    st.sampled_from(OBJECTIVES),
)
def test_machines_that_vary(capacities, energies, objective):
    """Any sizes and energies of a memory, as columns or as profiles of their own."""
    columns = {"sram.capacity": np.array(capacities), "sram.read_energy": np.array(energies[: len(capacities)])}
    many, profiles = at_points(small(), machine(256), objective, **columns)
    for point, profile in enumerate(profiles):
        alone = replace(estimate_of(small(), profile, 1, None, None), objective=objective)
        for name in ("energy_j", "latency_s"):
            assert getattr(many, name)()[:, point].tolist() == getattr(alone, name)()[:, 0].tolist()


def test_rows_without_outputs_are_streamed():
    """At points where a row has no outputs it moves its operands once, at the others it is mapped."""
    hardware = spatial()
    plain = estimate_of(small(), hardware, 1, None, None)
    row = plain.table.names.index("conv")
    none = np.where(np.arange(len(plain.table.names))[:, None] == row, 0, plain.table.ofmap_elems)
    without = replace(plain.table, ofmap_elems=none, k=np.where(none == 0, 0, plain.table.k))
    both = replace(
        plain.table, ofmap_elems=np.concatenate([plain.table.ofmap_elems, none], axis=1),
        k=np.concatenate([np.broadcast_to(table.k, none.shape) for table in (plain.table, without)], axis=1),
    )  # fmt: skip
    mapper = partial(joint_costs_at, machines=Machines((hardware,), np.zeros(1, int)), nests=Nests(3, 64), refuse=never)
    many = Estimate(both, hardware, plain.precision, objective="energy", joint_mapper=mapper)
    for point, table in enumerate((plain.table, without)):
        alone = Estimate(table, hardware, plain.precision, objective="energy")
        for key, column in alone.joint.accesses.items():
            assert many.joint.accesses[key][row, point] == column[row, 0]
    assert many.joint.slots[row].tolist()[1] == 0


def test_names_of_amounts():
    """As many as an answer has columns, the last of which says whether there is one."""
    for levels in (2, 3, 4):
        names = list(amount_names(levels))
        assert len(set(names)) == len(names) == answer_columns(levels) - 1


# ---- layers that fit nowhere


def test_a_layer_that_fits_nowhere_does_not_stop_the_others():
    """It has no answer, with the search's reason; the points that are concerned are told."""
    told = {}
    columns = {"sram.capacity": np.array([2, 256])}
    many, profiles = at_points(small(), machine(256), refuse=lambda *args: told.update({args[0]: args[1:]}), **columns)
    assert many.joint.slots[0].tolist()[0] == 0 < many.joint.slots[0].tolist()[1]
    with pytest.raises(MappingError) as caught:
        joint_costs(work_of(estimate_of(small(), profiles[0], 1, None, None)), "energy", None, None, {})
    first, *more = caught.value.problems
    assert set(told) == {0}
    points, text = told[0]
    assert points == 2
    assert text.startswith(first)
    assert (f"{len(more)} more problem" in text) == bool(more)


def test_a_reason_is_asked_for_only_where_there_is_one():
    """Asking why a layer cannot be mapped that can is a mistake of ours."""
    listed = Listed(2)
    many, _ = at_points(small(), machine(256), nests=listed)
    _ = many.joint
    found = listed.layers()
    with pytest.raises(AssertionError, match="can be mapped"):
        reasons(found.columns[0], found.hierarchies)
    assert len(searched([task_of(layer, found.hierarchies) for layer in found.columns], "energy")) == found.count


def test_listing_maps_nothing_and_keys_tell_layers_apart():
    """What is listed is what would be mapped; both halves of a key differ between layers."""
    listed, nests = Listed(2), Nests(2, 64)
    for source in (listed, nests):
        _ = at_points(small(CHANNELS), machine(256), nests=source)[0].joint
    found = listed.layers()
    assert found.count == nests.solved
    assert [np.unique(found.keys[:, half]).size for half in range(2)] == [found.count] * 2
    assert second_half(found.columns).tolist() == found.keys[:, 1].tolist()
    assert not without_outputs(found.columns).any()
    empty = found.columns.copy()
    empty[0, AT["k"]] = 0
    assert without_outputs(empty).tolist() == [True] + [False] * (found.count - 1)
    assert answers(found.columns[:0], {}, 2).shape == (0, answer_columns(2))
    assert found.columns.shape[1] == len(COLUMNS)
