"""Bytes between all memories, added up from flows made by hand: levels, operands, codes, rounding, proofs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.analysis import analysis_of, estimate_of
from costmodel.graph import Graph
from costmodel.joint.costs import (
    JointCosts,
    Moved,
    holders,
    joint_costs,
    moved_by,
    stays,
    streamed,
    streamed_by,
    whole,
)
from costmodel.joint.tasks import Work, tasks
from costmodel.sparsity import ActivationCode, ActivationDensities
from tests.unit.joint_machine import level, small, spatial, stationary
from tests.unit.machine import constant, machine

WEIGHT = Moved(0, "weight", 0, 2, down=800, up=0, in_down=1600, in_up=0)
"""Past the buffer; two elements share what is read once."""
SUMS = Moved(0, "ofmap", 0, 1, down=64, up=192, in_down=64, in_up=192, unfinished=64)
"""8 B of partial sums come back, 8 B and 16 B of outputs go out."""
INPUT = Moved(1, "ifmap", 0, 1, down=12, up=0, in_down=12, in_up=0)
"""A byte and a half."""
CODE = ActivationCode(
    ActivationDensities("made up", {}), np.array([[0.5], [0.5]]), np.array([[0.25], [1.0]]), np.ones((2, 1)), 1
)


def by_hand(code=None, moved=(WEIGHT, SUMS, INPUT)):
    """Costs of two rows on the machine with an array."""
    return JointCosts("energy", spatial(), 2, {}, moved, code)


def asked(graph, hardware, batch=1, dtype=None):
    """What is to be priced, as an estimate for energy asks it."""
    estimate = replace(estimate_of(graph, hardware, batch, dtype, None), objective="energy")
    return Work(estimate.table, estimate.widths, estimate.precisions, hardware, estimate.feed_bytes("value"))


# ---- adding up


def test_accesses_are_bytes_at_both_ends():
    """What the outer level reads the inner one writes, and the other way round, each with its own count."""
    found = {key: size.ravel().tolist() for key, size in by_hand().accesses.items() if size.any()}

    assert found == {
        (0, "weight", "read"): [100, 0],
        (2, "weight", "write"): [200, 0],
        (0, "ofmap", "read"): [8, 0],
        (0, "ofmap", "write"): [24, 0],
        (1, "ofmap", "write"): [8, 0],
        (1, "ofmap", "read"): [24, 0],
        (0, "ifmap", "read"): [0, 1.5],
        (1, "ifmap", "write"): [0, 1.5],
    }


def test_every_level_operand_and_way_has_its_place():
    """Three levels, three operands, two ways; nothing moved is zero, not missing."""
    found = by_hand(moved=()).accesses

    assert len(found) == 3 * 3 * 2
    assert all(size.shape == (2, 1) and not size.any() for size in found.values())
    assert by_hand(moved=()).total(0, "read").tolist() == [[0], [0]]


def test_totals_add_operands():
    """Of one level and one way."""
    costs = by_hand()

    assert [costs.total(at, "read").ravel().tolist() for at in range(3)] == [[108, 1.5], [24, 0], [0, 0]]
    assert [costs.total(at, "write").ravel().tolist() for at in range(3)] == [[24, 0], [8, 1.5], [200, 0]]


def test_ports_carry_what_the_outer_level_counts():
    """A level exchanges with those further in, both ways together; the innermost with none."""
    costs = by_hand()

    assert [costs.through(at).ravel().tolist() for at in range(3)] == [[132, 1.5], [0, 0], [0, 0]]


def test_off_chip_bytes_are_whole():
    """Rounded up per operand; partial sums are read once, and part of the ofmap's bytes twice."""
    found = by_hand().off_chip

    assert (found.outer, found.inner) == ("dram", "sram")
    assert found.weight_bytes.ravel().tolist() == [100, 0]
    assert found.ifmap_bytes.ravel().tolist() == [0, 2]
    assert found.ofmap_bytes.ravel().tolist() == [32, 0]
    assert found.psum_bytes.ravel().tolist() == [8, 0]


def test_whole_bytes_forgive_rounding_only():
    """A millionth of a byte is an error of floating point, a thousandth is a byte more."""
    sizes = np.array([[3.0], [3.0 + 1e-9], [2.9999999], [3.001], [0.0]])

    assert whole(sizes).ravel().tolist() == [3, 3, 3, 4, 0]
    assert whole(sizes).dtype == np.int64


# ---- codes


def test_codes_shorten_finished_activations_off_chip():
    """Half of the input, a quarter of the 16 B of outputs; 8 B of partial sums each way and weights as they are."""
    costs = by_hand(CODE)

    assert costs.outside(WEIGHT) == (800, 0)
    assert costs.outside(SUMS) == (64, 64 + 128 / 4)
    assert costs.outside(INPUT) == (6, 0)
    assert costs.through(0).ravel().tolist() == [100 + 8 + 12, 0.75]
    assert costs.off_chip.ofmap_bytes.ravel().tolist() == [8 + 12, 0]


def test_codes_end_at_the_chip():
    """Between memories on chip, and at the inner end of what crosses, activations are dense."""
    within = replace(INPUT, outer=1, inner=2)
    costs = by_hand(CODE, (INPUT, within))

    assert costs.outside(within) == (12, 0)
    assert costs.accesses[1, "ifmap", "write"][1, 0] == costs.accesses[1, "ifmap", "read"][1, 0] == 1.5
    assert costs.accesses[0, "ifmap", "read"][1, 0] == 0.75


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_without_gain_a_code_changes_nothing(down, finished, unfinished):
    """A ratio of one is a dense activation, whatever is moved."""
    plain = ActivationCode(CODE.densities, np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 1)), 0)
    one = Moved(0, "ofmap", 0, 1, down, finished + unfinished, down, finished + unfinished, unfinished)

    assert by_hand(plain, (one,)).outside(one) == by_hand(None, (one,)).outside(one) == (down, finished + unfinished)


# ---- which levels


def test_operands_go_through_the_levels_that_hold_them():
    """All but those that they may pass by, and elements that keep another operand."""
    levels, kept = spatial().levels, stationary().levels

    assert [holders(levels, operand) for operand in ("weight", "ifmap", "ofmap")] == [[0, 2], [0, 1, 2], [0, 1, 2]]
    assert [holders(kept, operand) for operand in ("weight", "ifmap", "ofmap")] == [[0, 1, 2], [0, 1], [0, 1]]


def test_streamed_rows_are_those_without_a_nest():
    """A softmax; free rows (activation functions, reshaping) move nothing."""
    work = asked(small(), spatial())
    names = work.table.names

    assert [names[row] for row in streamed(work)] == ["prob"]
    assert [names[row] for row in work.mapped] == ["conv", "pool", "fc"]


def test_streamed_operands_cross_every_level_once():
    """An addition of two tensors of 24 elements: 48 in, 24 out, through the buffer; no partial sums."""
    graph = Graph("sum")
    x = graph.input("x", (1, 4, 2, 3))
    graph.output(graph.add("sum", x, graph.input("y", (1, 4, 2, 3))))
    work = asked(graph, machine())
    (row,) = streamed(work)
    found = {one.operand: one for one in streamed_by(work, row)}

    assert found["ifmap"] == Moved(row, "ifmap", 0, 1, 48 * 8, 0, 48 * 8, 0)
    assert found["ofmap"] == Moved(row, "ofmap", 0, 1, 0, 24 * 8, 0, 24 * 8)
    assert found["weight"].down == 0


def test_streamed_rows_have_the_width_of_their_format():
    """A softmax over five outputs in fp32: 20 B in, 20 B out."""
    analysis = analysis_of(small(), machine(2048), 1, "fp32", None, objective="dram_bytes")
    prob = next(layer for layer in analysis.layers if layer.name == "prob")

    assert (prob.ifmap_dram_bytes, prob.ofmap_dram_bytes, prob.weight_dram_bytes) == (20, 20, 0)


# ---- repeated steps


def recurrent(hardware, hidden=3):
    """The recurrent product of an LSTM of five steps as a task."""
    graph = Graph("lstm")
    graph.output(graph.lstm("lstm", graph.input("x", (1, 5, 4)), hidden))
    return next(task for task in tasks(asked(graph, hardware)) if task.name == "lstm/recurrent")


def with_part(hardware, **parts):
    """The machine with parts in its buffer."""
    buffer = level("sram", hardware.levels[1].capacity_bytes.value, 2.0, parts=parts)
    return replace(hardware, levels=(hardware.levels[0], buffer))


@pytest.mark.parametrize(("capacity", "kept"), [(51, True), (50, False), (1, False)])
def test_weights_stay_beside_the_vectors_of_a_step(capacity, kept):
    """Four gates of 3 x 3 weights, 3 inputs and 12 outputs: 36 + 15 B, and not one byte less."""
    assert stays(recurrent(machine(capacity)), 1) is kept


@pytest.mark.parametrize(("part", "kept"), [(36.0, True), (35.0, False)])
def test_weights_stay_in_a_part_of_their_own(part, kept):
    """Vectors take no room there: 36 B are enough."""
    assert stays(recurrent(with_part(machine(100), weight=part)), 1) is kept


def test_what_is_executed_once_keeps_nothing():
    """A fully connected layer has one step; elements and the backing store keep nothing between steps either."""
    fc = next(task for task in tasks(asked(small(), machine(4096))) if task.name == "fc")
    of_array, of_buffer = recurrent(stationary()), recurrent(machine(4096))

    assert not stays(fc, 1)
    assert not stays(of_array, 2)
    assert not stays(of_buffer, 0)
    assert stays(of_buffer, 1)


def test_steps_multiply_everything_else():
    """Activations of five steps, weights of one, partial sums of none."""
    task = recurrent(machine(4096))
    costs = joint_costs(asked_lstm(), "energy", None, None, {})
    moved = {one.operand: one for one in moved_by(task, costs.nests[task.row])}

    assert moved["weight"].down == 36 * 8
    assert moved["ifmap"].down == 5 * 3 * 8
    assert moved["ofmap"].up == 5 * 12 * 8
    assert (moved["ofmap"].down, moved["ofmap"].unfinished) == (0, 0)


def asked_lstm():
    """The LSTM of five steps on a machine with room for all of it."""
    graph = Graph("lstm")
    graph.output(graph.lstm("lstm", graph.input("x", (1, 5, 4)), 3))
    return asked(graph, machine(4096))


@pytest.mark.parametrize("overlap", [True, False])
def test_a_step_has_its_share_of_what_no_mapping_changes(overlap):
    """Where no weight stays, the five steps of an LSTM together take what the row takes: energy, feeds, time, overhead."""
    base = machine(30, overlap=overlap, static_w=1e-3, overhead_s=1e-3)
    buffer = replace(base.levels[1], bandwidth_bytes_per_s=constant("sram.bandwidth", 1e6, "B/s"))
    graph = Graph("lstm")
    graph.output(graph.lstm("lstm", graph.input("x", (1, 5, 4)), 3))
    hardware = replace(base, levels=(base.levels[0], buffer))
    layers = analysis_of(graph, hardware, 1, None, None, objective="energy").layers
    layer = next(one for one in layers if one.name == "lstm/recurrent")
    step = layer.mapping.priced

    assert layer.mapping.steps == 5
    assert layer.energy_j == pytest.approx(5 * step.energy_pj * 1e-12)
    assert layer.latency_s == pytest.approx(5 * step.latency_s)
    assert step.fixed.overhead_s == pytest.approx(1e-3 / 5)
    assert step.fixed.feed_s == pytest.approx(layer.macs * (1 + 1 + 4) / 1e6 / 5)  # what is taken; not what is put back
    assert step.fixed.compute_s == pytest.approx(layer.other_ops / 10e6 / 5)


# ---- mappings that are given


def test_the_best_mapping_given_is_proved_and_another_has_a_gap():
    """What was found bounds what was given from below."""
    work = asked(small(), spatial())
    best = joint_costs(work, "energy", None, None, {})
    row = work.table.names.index("fc")
    nest = best.nests[row].priced.nest
    same = joint_costs(work, "energy", None, None, {row: nest})
    alone = replace(nest, unroll={})
    worse = joint_costs(work, "energy", None, None, {row: alone})

    assert same.nests[row].optimal
    assert (same.proved, same.gap_ratio) == (3, 0.0)
    assert worse.nests[row].value > best.nests[row].value == pytest.approx(worse.nests[row].lower)
    assert worse.gap_ratio == pytest.approx(1 - best.nests[row].value / worse.nests[row].value)
    assert (worse.proved, worse.nests[work.table.names.index("conv")].optimal) == (2, True)


def test_slots_count_idle_elements():
    """Steps of the array times its eight elements, at least the MACs; none for rows without a nest."""
    work = asked(small(), spatial())
    costs = joint_costs(work, "latency", None, None, {})
    slots = dict(zip(work.table.names, costs.slots.ravel(), strict=True))

    assert slots["fc"] == 8 * costs.nests[work.table.names.index("fc")].cycles >= 180
    assert slots["prob"] == slots["relu"] == 0


def test_nothing_mapped_is_proved():
    """Without a nest there is no gap."""
    assert (by_hand().gap_ratio, by_hand().proved, by_hand().slots.tolist()) == (0.0, 0, [[0], [0]])
