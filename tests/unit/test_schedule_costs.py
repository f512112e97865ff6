"""Off-chip bits of a step, given what is on chip and how much memory is left."""

from __future__ import annotations

from math import inf

import pytest

from costmodel.graph import Graph
from costmodel.schedule.costs import KINDS, with_kept
from tests.unit.scheduled import INT8, pair, scheduler_of

NOTHING = frozenset()
ROOM = 1 << 20


def costs_of(graph, batch=1, bits=INT8):
    """Return the costs of a graph's steps."""
    return scheduler_of(graph, batch, bits).costs


def bits(costs, number, on_chip=(), room=ROOM, *, pinned=False):
    """Return the bits of a step."""
    return costs.bits(number, frozenset(on_chip), room, pinned=pinned)


def linear():
    """Return one linear layer of 8 inputs and 6 outputs, without bias."""
    graph = Graph("linear")
    graph.linear("fc", graph.input("x", (1, 8)), 6, bias=False)
    return graph


def test_a_layer_in_enough_memory_moves_every_operand_once():
    """8 inputs, 48 weights, 6 outputs of one byte; what is on chip does not cross."""
    costs = costs_of(linear())
    assert bits(costs, 0) == (8 + 48 + 6) * 8
    assert bits(costs, 0, {0}) == (48 + 6) * 8
    assert bits(costs, 0, {1}) == (8 + 48) * 8
    assert bits(costs, 0, pinned=True) == (8 + 6) * 8
    assert bits(costs, 0, {0, 1}, pinned=True) == 0
    assert costs.weight_bits == [48 * 8]


def test_an_operand_on_chip_takes_no_tile():
    """Weights of one output, inputs and one output need 8 + 8 + 1 bytes; with weights there, 9; with both, one."""
    costs = costs_of(linear())
    assert bits(costs, 0, room=17 * 8) == 62 * 8
    assert bits(costs, 0, room=17 * 8 - 1) > 62 * 8
    assert bits(costs, 0, room=9 * 8, pinned=True) == 14 * 8
    assert bits(costs, 0, {0}, room=8, pinned=True) == 6 * 8
    assert bits(costs, 0, {0, 1}, room=0, pinned=True) == 0


def test_no_room_is_no_schedule():
    """Less than the smallest tile, or less than nothing."""
    costs = costs_of(linear())
    assert bits(costs, 0, room=8) == inf
    assert bits(costs, 0, room=-1) == inf
    assert bits(costs, 0, {0, 1}, room=-1, pinned=True) == inf


def test_partial_sums_are_added_where_the_output_stays():
    """Those no wider than the output need no room of their own; wider ones do."""
    narrow, wide = costs_of(linear(), bits={**INT8, "psum": 8}), costs_of(linear())
    assert bits(narrow, 0, {0, 1}, room=8) == 48 * 8
    assert bits(wide, 0, {0, 1}, room=8) == inf
    problems = wide.rows.problems
    assert with_kept(problems, [(False, False, True)]).psum_bits.tolist() == [32]
    assert with_kept(narrow.rows.problems, [(False, False, True)]).psum_bits.tolist() == [0]
    assert with_kept(problems, [(True, True, False)]).weight_bits.tolist() == [0]


def test_every_kind_of_operands_on_chip():
    """Eight kinds; each has a capacity from which nothing more is gained, and moves there what it moves anywhere at least."""
    costs = costs_of(pair())
    assert len(KINDS) == len(set(KINDS)) == 8
    for kept in KINDS:
        weight, ifmap, ofmap = kept
        expected = (0 if weight else 144) + (0 if ifmap else 256) + (0 if ofmap else 256)
        assert costs.least[0, kept] == expected * 8


def test_holes_are_not_skipped_by_tiles_that_hold_everything():
    """Taps on rows -1 and 1, 1 and 3 touch row 1 alone, which is read once for each: 4 B of the 6, not the 2 touched."""
    graph = Graph("holes")
    graph.max_pool("pool", graph.input("x", (1, 2, 3, 1)), (2, 1), stride=(2, 1), padding=(1, 0), dilation=(2, 1))
    costs = costs_of(graph)
    assert costs.program.steps[0].reads[0].bits == 2 * 8
    assert bits(costs, 0) == (4 + 4) * 8
    assert costs.least[0, (False, False, False)] == (4 + 4) * 8


def test_element_wise_steps_move_what_is_off_chip_once():
    """Each operand of a sum by itself, in no memory at all."""
    graph = Graph("sum")
    graph.add("sum", graph.input("a", (1, 5)), graph.input("b", (1, 5)))
    costs = costs_of(graph, batch=2)
    assert bits(costs, 0, room=0) == 30 * 8
    assert bits(costs, 0, {0}, room=0) == 20 * 8
    assert bits(costs, 0, {1, 2}, room=0) == 10 * 8


def test_weights_of_an_element_wise_step_can_stay():
    """Scale and shift of a normalisation are weights like any."""
    graph = Graph("norm")
    graph.layer_norm("norm", graph.input("x", (1, 3, 4)))
    costs = costs_of(graph)
    assert costs.weight_bits == [8 * 8]
    assert bits(costs, 0) - bits(costs, 0, pinned=True) == 8 * 8
    assert costs.least_bits(0, frozenset({0})) == 12 * 8


def test_a_product_of_two_activations():
    """Either operand may be on chip; nothing is a trained weight."""
    graph = Graph("product")
    graph.matmul("ab", graph.input("a", (1, 2, 3)), graph.input("b", (1, 3, 4)))
    costs = costs_of(graph)
    assert costs.weight_bits == [0]
    assert bits(costs, 0) == bits(costs, 0, pinned=True) == (6 + 12 + 8) * 8
    assert bits(costs, 0, {0}) == (12 + 8) * 8
    assert bits(costs, 0, {1}) == (6 + 8) * 8


def recurrent():
    """Return an LSTM of 4 units over 5 steps of 3 features, without bias."""
    graph = Graph("recurrent")
    graph.lstm("lstm", graph.input("x", (1, 5, 3)), 4, bias=False)
    return graph


def test_a_recurrent_layer_reads_its_weights_once_or_every_step():
    """48 weights of the input and 64 of the state: once where they fit beside two vectors, else the 64 at every step."""
    costs = costs_of(recurrent())
    states = 5 * (4 + 16)
    assert bits(costs, 0) == (15 + 48 + 80 + 64 + states) * 8
    assert bits(costs, 0, room=(64 + 4 + 16) * 8 - 8) == (15 + 48 + 80 + 5 * 64 + states) * 8
    assert bits(costs, 0, pinned=True) == (15 + 80 + states) * 8


def test_a_shared_weight_is_priced_where_it_is_read():
    """A layer that shares its parameters reads them like any other."""
    graph = Graph("shared")
    x = graph.input("x", (1, 4))
    graph.linear("two", graph.linear("one", x, 4, bias=False), 4, bias=False, share="one")
    assert costs_of(graph).weight_bits == [16 * 8, 16 * 8]


@pytest.mark.parametrize("room", [16 * 8, 100 * 8, ROOM])
def test_questions_are_answered_together_as_alone(room):
    """Answers do not depend on what was asked before, or together with it."""
    together, alone = costs_of(pair()), costs_of(pair())
    asked = [(number, kept) for number in (0, 1) for kept in (NOTHING, frozenset({1}))]
    for number, kept in asked:
        together.questions(number, kept, room, pinned=False)
    assert len(together.pending) <= len(asked)
    together.settle()
    assert together.pending == {}
    assert [bits(together, n, kept, room) for n, kept in asked] == [bits(alone, n, kept, room) for n, kept in asked]
    together.settle()
    assert together.answers.keys() == alone.answers.keys()


def test_an_answer_between_two_equal_ones_is_known():
    """More room never moves more: what lies between equal answers is the same, and equals what the mapper finds."""
    graph = Graph("one")
    graph.conv("conv", graph.input("x", (1, 8, 16, 16)), 16, 3, padding=1, bias=False)
    fresh = [scheduler_of(graph).costs for _ in range(2)]
    sizes = [0, 7, 8, 100, 1000, 3000, 5000, 10_000, 20_000, 40_000, 80_000]
    kept = frozenset()
    rising = [fresh[0].bits(0, kept, size, pinned=False) for size in sizes]
    falling = [fresh[1].bits(0, kept, size, pinned=False) for size in reversed(sizes)]
    alone = [scheduler_of(graph).costs.bits(0, kept, size, pinned=False) for size in sizes]
    assert rising == falling[::-1] == alone == sorted(alone, reverse=True)
