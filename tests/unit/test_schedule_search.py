"""The search for the cheapest path, on networks whose best schedule can be worked out by hand."""

from __future__ import annotations

from math import inf

import pytest

from costmodel.graph import Graph
from costmodel.schedule import moves as following
from costmodel.schedule import search as searching
from costmodel.schedule.moves import distinct, prefixes, subsets
from tests.unit.scheduled import fire, pair, search_of, unet, widened

NONE = frozenset()


def run(graph, capacity_bytes, *, pinned=NONE, **how):
    """Return the cheapest path in a memory of some bytes."""
    found = search_of(graph, capacity_bytes, **how)
    return found.run(pinned, sum(found.costs.weight_bits[n] for n in pinned))


def chain(*sizes):
    """Return linear layers without bias, as wide as given."""
    graph = Graph("chain")
    x = graph.input("x", (1, sizes[0]))
    for place, size in enumerate(sizes[1:]):
        x = graph.linear(f"fc{place}", x, size, bias=False)
    return graph


def activations(*kinds, output=()):
    """Return element-wise layers of 10 elements, each reading the tensors named before it; some are outputs."""
    graph = Graph("activations")
    made = {"x": graph.input("x", (1, 10))}
    for name, *reads in kinds:
        tensors = [made[read] for read in reads]
        made[name] = graph.add(name, *tensors) if len(tensors) > 1 else graph.softmax(name, *tensors)
    graph.output(*(made[name] for name in output))
    return graph


def moves(path):
    """Return the steps of every move."""
    return [move.steps for move, _ in path.moves]


def test_a_tensor_stays_between_two_layers():
    """4 inputs, weights of 16 + 16, 4 outputs: 40 B, with the 4 B between them on chip."""
    path = run(chain(4, 4, 4), 1000)
    assert (path.bits, path.lower_bits) == (40 * 8, 40 * 8)
    assert [sorted(move.on_chip) for move, _ in path.moves] == [[1], [1]]
    assert path.moves[0][0].after == (1, ((1, False),))


def test_without_room_for_it_the_tensor_is_written_and_read():
    """Beside 4 B that stay, 4 + 4 B of one output's tile fit into 12 B, not into 11; 9 B do without."""
    assert run(chain(4, 4, 4), 12).bits == 40 * 8
    assert run(chain(4, 4, 4), 11).bits > 40 * 8
    assert run(chain(4, 4, 4), 9).bits == 48 * 8
    assert run(chain(4, 4, 4), 5).bits == inf


def test_double_buffering_applies_to_tiles_alone():
    """Tiles of 8 B take 16, what stays takes 4."""
    assert run(chain(4, 4, 4), 20, buffering=2).bits == 40 * 8
    assert run(chain(4, 4, 4), 19, buffering=2).bits > 40 * 8


def test_weights_that_stay_cost_nothing_but_room():
    """16 of the 32 bytes of weights less."""
    assert run(chain(4, 4, 4), 1000, pinned=frozenset({0})).bits == 24 * 8
    assert run(chain(4, 4, 4), 1000, pinned=frozenset({0, 1})).bits == 8 * 8
    assert run(chain(4, 4, 4), 16 + 4, pinned=frozenset({0})).bits == inf


def test_weights_are_loaded_whole_where_that_is_cheaper():
    """A batch of 8 in 18 B, buffered twice: weights of 8 B beside tiles of 5 B are read once, in tiles again and again."""
    graph = Graph("batch")
    graph.linear("fc", graph.input("x", (8, 4)), 2, bias=False)
    path = run(graph, 8 + 2 * 5, buffering=2)
    assert [way.held for _, way in path.moves] == [True]
    assert path.bits == (32 + 8 + 16) * 8
    assert run(graph, 8 + 2 * 5 - 1, buffering=2).bits > path.bits


def test_an_input_read_twice_is_loaded_to_stay():
    """10 B in instead of 20."""
    graph = activations(("a", "x"), ("b", "x"), output=("a", "b"))
    path = run(graph, 10)
    assert path.bits == (10 + 10 + 10) * 8
    assert [move.loaded for move, _ in path.moves] == [(0,), ()]
    assert run(graph, 9).bits == 40 * 8


def test_a_tensor_is_given_up_and_read_again():
    """Room for two tensors: ``a`` is used by the next step, given up while a wider layer runs, and read at the end."""
    graph = widened()
    roomy, tight = run(graph, 8 + 16 + 25), run(graph, 16 + 17)
    assert roomy.bits == (4 + 32 + 128 + 128 + 8) * 8
    assert tight.bits == roomy.bits + 2 * 8 * 8
    stored = [move.stored for move, _ in tight.moves]
    assert stored in ([(), (), (1,), ()], [(), (), (), ()])


def test_the_output_takes_the_place_of_an_input_nobody_reads_any_more():
    """Two sums in a row in 20 B: the second writes over the first; a softmax would need another 10 B."""
    graph = Graph("overwrite")
    x, y, z = (graph.input(name, (1, 10)) for name in "xyz")
    last = graph.add("b", graph.add("a", x, y), z)
    graph.softmax("c", last)
    assert run(graph, 10).bits == 40 * 8
    assert run(graph, 9).bits > 40 * 8
    assert [move.resident_bits for move, _ in run(graph, 10).moves] == [80, 80, 80]


def test_an_output_that_is_not_written_yet_is_not_written_over():
    """``a`` is an output, so the sum that stays needs room beside it."""
    graph = Graph("outputs")
    x, y, z = (graph.input(name, (1, 10)) for name in "xyz")
    a = graph.add("a", x, y)
    b = graph.add("b", a, z)
    graph.output(a, graph.softmax("c", b))
    assert run(graph, 20).bits == (30 + 10 + 10) * 8
    assert run(graph, 19).bits == (30 + 10 + 10 + 20) * 8 - 10 * 8


def test_an_output_that_others_read_is_written_once():
    """It stays for its reader and is written when that is done, or whenever it leaves."""
    graph = activations(("a", "x"), ("b", "a"), output=("a", "b"))
    path = run(graph, 10)
    assert path.bits == 30 * 8
    assert [move.stored for move, _ in path.moves] == [(), (1,)]
    assert run(graph, 9).bits == 40 * 8


def test_a_part_follows_the_first_part():
    """The second half of a concatenation cannot begin to stay where the first half is off chip."""
    graph = Graph("parts")
    x = graph.input("x", (1, 30))
    small = graph.linear("small", x, 4, bias=False)
    part = graph.linear("part", graph.input("y", (1, 2)), 4, bias=False)
    graph.softmax("end", graph.concat("both", small, part))
    order = (0, 1, 2)
    roomy, tight = run(graph, 8 + 21, order=order), run(graph, 8 + 20, order=order)
    assert roomy.bits == (30 + 120 + 2 + 8 + 8) * 8
    assert tight.bits == roomy.bits + 16 * 8
    assert [len(move.on_chip) for move, _ in tight.moves] == [0, 0, 0]


def test_parts_of_a_concatenation_may_be_made_from_each_other():
    """A skip connection is read before it is whole, and there is a schedule."""
    path = run(unet(), 4000)
    assert moves(path) == [(0,), (1,), (2,), (3,)]
    assert path.bits == (256 + 144 + 288 + 128 + 32 + 256) * 8


def test_a_concatenation_is_neither_loaded_nor_given_up_before_it_is_whole():
    """Off chip it stays off chip until its last part is written."""
    found = search_of(unet(), 4000)
    after_high = (1, ())
    assert all(1 not in move.loaded for move in found.moves_from(after_high))
    held = (1 | 2, ((1, False), (2, False)))
    assert all(1 not in move.stored for move in found.moves_from(held))
    whole = (1 | 2 | 4, ())
    assert found.moves_from(whole)[0].steps == (3,)


def test_an_output_in_parts_is_promised_once():
    """A concatenation on chip that is an output owes the parts that are written, and its other steps owe the rest."""
    found = search_of(fire(), 4000)
    assert found.unwritten(2, 0b011) == 4 * 36 * 8
    assert found.unwritten(2, 0b111) == 8 * 36 * 8
    assert found.unwritten(1, 0b111) == 0


def test_cascades_save_what_does_not_fit():
    """Two convolutions of 512 B in 512 B: seven rows beside both weights; the map between never leaves."""
    graph = pair(16)
    fused, apart = run(graph, 7 * 32 + 288, fusion=True), run(graph, 7 * 32 + 288)
    assert fused.bits == (512 + 288 + 512) * 8
    assert moves(fused) == [(0, 1)]
    assert fused.moves[0][1].option.style == "lines"
    assert apart.bits == fused.bits + 2 * 512 * 8


def test_every_order_or_the_one_given():
    """Two branches of a wide map: finished one after the other they fit, in the order of the network they do not."""
    graph = Graph("branches")
    x = graph.input("x", (1, 10))
    a, b = graph.softmax("a", x), graph.softmax("b", x)
    ends = [graph.global_avg_pool(f"{t.name}/mean", graph.reshape(f"{t.name}/row", t, (1, 1, 10))) for t in (a, b)]
    graph.add("sum", *ends)
    any_order, given = run(graph, 25), run(graph, 25, order=range(5))
    assert any_order.bits == (10 + 1) * 8
    assert given.bits > any_order.bits
    assert moves(given) == [(n,) for n in range(5)]


def test_what_costs_as_much_as_something_known_is_not_searched():
    """With a known cost the path is only found where it is cheaper; else that cost is the bound."""
    found = search_of(chain(4, 4, 4), 1000)
    assert found.run(NONE, 0, 40 * 8 + 1).bits == 40 * 8
    none = found.run(NONE, 0, 40 * 8)
    assert (none.bits, none.lower_bits, none.moves) == (inf, 40 * 8, ())


def test_states_that_are_dropped_leave_a_bound(monkeypatch):
    """With one state a level the path may be worse; its bound is at most the optimum, and says so."""
    graph = activations(("a", "x"), ("b", "x"), ("c", "a", "b"), ("d", "a", "b"), ("e", "c", "d", "x"), output=("e", "b"))
    best = [run(graph, capacity).bits for capacity in range(8, 64, 4)]
    monkeypatch.setattr(searching, "MOST_STATES", 1)
    rough = [run(graph, capacity) for capacity in range(8, 64, 4)]
    assert all(path.lower_bits <= optimum <= path.bits for path, optimum in zip(rough, best, strict=True))
    assert any(path.lower_bits < path.bits for path in rough)


def test_longest_cascade(monkeypatch):
    """No cascade has more steps than are allowed."""
    monkeypatch.setattr(following, "MOST_CASCADE", 1)
    assert search_of(pair(), 700, fusion=True).cascades(0) == []
    monkeypatch.setattr(following, "MOST_CASCADE", 2)
    assert [one.steps for one in search_of(pair(), 700, fusion=True).cascades(0)] == [(0, 1)]


@pytest.mark.parametrize("capacity", [2 * 32 - 1, 3 * 32 - 1])
def test_cascades_that_cannot_fit_are_not_listed(capacity):
    """Two rows are the least by the bound, three what this cascade needs."""
    assert search_of(pair(), capacity, fusion=True).cascades(0) == []
    assert len(search_of(pair(), 3 * 32, fusion=True).cascades(0)) == 1


def test_helpers():
    """Prefixes of an order, distinct buffers, subsets."""
    assert list(prefixes((1, 0))) == [(0, (1,)), (2, (0,)), (3, ())]
    assert list(subsets("ab")) == [(), ("b",), ("a",), ("a", "b")]
    assert distinct(search_of(pair(), 1).program.steps[0].reads) == (0,)


@pytest.mark.parametrize("graph", [pair(), unet(), fire(), widened()], ids=["pair", "unet", "fire", "widened"])
@pytest.mark.parametrize("capacity", [200, 400, 700, 4000])
def test_no_move_leads_below_the_promise_of_its_state(graph, capacity):
    """What a move adds and leaves is no less than what was left before it, so states left out are no better."""
    found = search_of(graph, capacity, fusion=True)
    waiting, seen = [(0, ())], set()
    while waiting:
        state = waiting.pop()
        if state in seen:
            continue
        seen.add(state)
        for move in found.moves_from(state):
            assert move.added_bits + move.left_bits >= found.left_bits(*state)
            waiting.append(move.after)
    assert (found.all, ()) in seen


@pytest.mark.parametrize("capacity", range(100, 900, 50))
def test_schedules_without_cascades_bound_those_with_them_and_change_nothing(capacity):
    """The same cost as without the bound, and never more than without cascades."""
    plain = search_of(pair(), capacity)
    alone, bounded = search_of(pair(), capacity, fusion=True), search_of(pair(), capacity, fusion=True)
    bounded.plain = plain
    found, expected = bounded.run(NONE, 0), alone.run(NONE, 0)
    assert (found.bits, found.lower_bits) == (expected.bits, expected.lower_bits)
    assert found.bits <= plain.run(NONE, 0).bits


def test_the_same_moves_beside_other_weights():
    """Moves are priced again in the room that is left: as found where nothing changed, dearer or impossible in less."""
    found = search_of(widened(), 8 + 16 + 25)
    path = found.run(NONE, 0)
    assert found.again(path, NONE, 0).bits == path.bits
    pinned = frozenset({0})
    assert found.again(path, pinned, 0).bits == path.bits - found.costs.weight_bits[0]
    assert found.again(path, NONE, (8 + 16 + 25 - 17) * 8).bits >= path.bits
    assert found.again(path, NONE, (8 + 16 + 25) * 8).bits == inf
