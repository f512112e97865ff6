"""Orders of least memory on graphs whose answer is known by hand, their bounds, and how long they take."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest

from costmodel.graph import Graph
from costmodel.importers import load_network
from costmodel.schedule.order import (
    Memory,
    Order,
    alive_in_every_order,
    closures,
    cuts,
    least_memory_order,
    least_of_steps,
    members_of,
    program_order,
    successors_of,
)
from costmodel.schedule.program import program_of
from tests.oracle.programs import program


def compiled(graph, bits=8, copied=frozenset()):
    """Return the program of a graph at one width."""
    table = graph.table()
    widths = np.full((len(table), 1), bits)
    return program_of(graph, table, widths, widths, 1, copied)


def bytes_each(*sizes):
    """Return sizes in bits."""
    return [8 * size for size in sizes]


TWO_BRANCHES = program(
    [([0], [1], False), ([1], [2], False), ([0], [3], False), ([3], [4], False), ([2, 4], [5], False)],
    bytes_each(1, 3, 2, 9, 1, 1),
    inputs=[0],
    outputs=[5],
)
"""From one input a branch over 3 to 2 bytes and one over 9 to 1 byte, then their join: the second one first needs less."""


def test_the_branch_that_rises_highest_and_falls_lowest_goes_first():
    """12 bytes at 9 + 2 + 1 in program order; 11 with the second branch first, where only the input stands beside its 9."""
    assert program_order(TWO_BRANCHES).peak_bits == 8 * 12
    found = least_memory_order(TWO_BRANCHES)
    assert found == Order((2, 3, 0, 1, 4), 8 * 11, 8 * 11)
    assert found.proved


def test_a_chain_has_one_order():
    """Nothing to choose, and the largest input and output prove it."""
    chain = program([([i], [i + 1], False) for i in range(5)], bytes_each(1, 9, 2, 8, 8, 1), inputs=[0], outputs=[5])
    assert least_memory_order(chain) == Order((0, 1, 2, 3, 4), 8 * 16, 8 * 16)


def test_ties_go_to_program_order():
    """Equal branches are left as they are written."""
    equal = program(
        [([0], [1], False), ([0], [2], False), ([1, 2], [3], False)], bytes_each(4, 2, 2, 2), inputs=[0], outputs=[3]
    )
    assert least_memory_order(equal).steps == (0, 1, 2)


def test_the_same_order_on_every_call():
    """Nothing in the search depends on hashes or time."""
    graph = load_network("squeezenet:bypass=complex")
    assert len({least_memory_order(compiled(graph)) for _ in range(3)}) == 1


@pytest.mark.parametrize("in_place", [True, False])
def test_an_element_wise_step_takes_the_place_of_an_input_that_dies(in_place):
    """A sum of two branches needs two of three buffers where it writes over one of them."""
    total = program(
        [([0], [1], False), ([0], [2], False), ([1, 2], [3], True)], bytes_each(1, 5, 5, 5), inputs=[0], outputs=[3]
    )
    assert least_memory_order(total, in_place=in_place).peak_bits == 8 * (11 if in_place else 15)


def test_a_buffer_of_parts_is_alive_from_its_first_part():
    """A join in place takes its whole room when the first part is written."""
    joined = program(
        [([0], [1], False), ([0], [2], False), ([2], [1], False)], bytes_each(2, 10, 3), inputs=[0], outputs=[1]
    )
    assert program_order(joined).peak_bits == 8 * 15
    assert least_memory_order(joined) == Order((0, 1, 2), 8 * 15, 8 * 15)


def test_an_unused_input_is_there_at_the_start_alone():
    """It counts beside the first step, whichever that is."""
    unused = program([([0], [2], False), ([2], [3], False)], bytes_each(1, 7, 2, 9), inputs=[0, 1], outputs=[3])
    assert least_memory_order(unused).peak_bits == 8 * 11
    assert Memory(unused, in_place=True).start_bits() == 8


def test_a_dead_output_is_alive_while_it_is_written():
    """What nobody reads and nobody asked for is gone after its step."""
    dead = program([([0], [1, 2], False), ([1], [3], False)], bytes_each(1, 2, 30, 4), inputs=[0], outputs=[3])
    assert least_memory_order(dead).peak_bits == 8 * 33


def test_sizes_are_whole_bytes():
    """Three buffers of 4 bits take three bytes."""
    narrow = program([([0], [1], False), ([0, 1], [2], False)], [4, 4, 4], inputs=[0], outputs=[2])
    assert least_memory_order(narrow).peak_bits == 24


def test_a_program_without_steps_has_its_inputs():
    """Nothing is executed; what is given is there."""
    nothing = program([], bytes_each(3, 4), inputs=[0, 1], outputs=[1])
    assert least_memory_order(nothing) == Order((), 56, 56)


# ---- a search that is cut short


def wide(branches=8):
    """Build branches of two steps from one input, of growing width, joined at the end."""
    sizes, steps = [4], []
    for branch in range(branches):
        steps += [([0], [len(sizes)], False), ([len(sizes)], [len(sizes) + 1], False)]
        sizes += [3 + 2 * branch, 1 + branch % 3]
    ends = [2 + 2 * branch for branch in range(branches)]
    steps.append((ends, [len(sizes)], False))
    return program(steps, bytes_each(*sizes, 2), inputs=[0], outputs=[len(sizes)])


def test_a_search_without_limit_proves_its_order():
    """Eight branches have 2.5 million orders and are settled."""
    found = least_memory_order(wide())
    assert found.proved
    assert found.peak_bits < program_order(wide()).peak_bits


def test_a_search_cut_short_says_so():
    """The order found is valid; its bound is below."""
    found = least_memory_order(wide(), most_sets=1)
    assert sorted(found.steps) == list(range(17))
    assert found.lower_bound_bits <= least_memory_order(wide()).peak_bits <= found.peak_bits
    assert found.proved == (found.lower_bound_bits == found.peak_bits)


def test_a_proof_needs_equality():
    """An order above its bound is not called proved."""
    assert not Order((0,), 16, 8).proved
    assert Order((0,), 8, 8).proved


# ---- the parts


def test_what_every_order_keeps_alive():
    """The input while its readers are to come, a branch's result from its step to the join: not the other branch."""
    first, _, second, _, result = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4
    alive = alive_in_every_order(TWO_BRANCHES)
    assert alive[0] == first | second
    assert alive[2] == 1 << 1 | result
    assert alive[5] == result


def test_the_bound_of_the_steps_counts_what_a_bypass_keeps():
    """A bypass over a wide layer is in the bound, so that program order is proved without a search."""
    bypass = program(
        [([0], [1], False), ([1], [2], False), ([0, 2], [3], True)], bytes_each(10, 4, 10, 10), inputs=[0], outputs=[3]
    )
    assert least_of_steps(bypass) == 8 * 24
    assert program_order(bypass).proved


def test_the_bound_of_the_steps_counts_what_is_there_at_the_end():
    """All outputs together."""
    outputs = program([([0], [1], False), ([0], [2], False)], bytes_each(1, 6, 7), inputs=[0], outputs=[1, 2])
    assert least_of_steps(outputs, in_place=False) == 8 * 13


def test_cuts_are_steps_that_all_others_stand_before_or_behind():
    """The last step before a branch and the join after it; not the first if there are two."""
    diamond = [frozenset(), frozenset({0}), frozenset({1}), frozenset({1}), frozenset({2, 3})]
    assert cuts(diamond) == [True, True, False, False, True]
    assert cuts([frozenset(), frozenset(), frozenset({0, 1})]) == [False, False, True]
    assert cuts([frozenset(), frozenset({0}), frozenset()]) == [False, False, False]


def test_closures_and_successors():
    """All steps before, and all after."""
    before = [frozenset(), frozenset({0}), frozenset({0}), frozenset({1, 2})]
    assert [list(members_of(steps)) for steps in closures(before)] == [[], [0], [0], [0, 1, 2]]
    after = closures(successors_of(before), backwards=True)
    assert [list(members_of(steps)) for steps in after] == [[1, 2, 3], [3], [3], []]


# ---- networks


@pytest.mark.parametrize(
    ("network", "least_bytes", "program_bytes"),
    [
        ("squeezenet", 1_420_512, 1_420_512),
        ("squeezenet:version=1.1", 982_144, 982_144),
        ("squeezenet:bypass=complex", 1_586_304, 1_866_240),
        ("alexnet", 580_800, 580_800),
        ("tests/models/onnx/light_resnet50.onnx", 1_806_336, 1_806_336),
        ("tests/models/onnx/mobilenet_v2.dynamo.onnx", 1_505_280, 1_505_280),
        ("tests/models/onnx/googlenet.dynamo.onnx", 1_003_520, 1_003_520),
        ("tests/models/onnx/light_densenet121.onnx", 1_906_688, 1_906_688),
        ("tests/models/onnx/vit_b_16.dynamo.onnx", 1_234_008, 1_234_008),
    ],
)
def test_networks(network, least_bytes, program_bytes):
    """The least order is proved, in a tenth of a second; most networks are written in it already."""
    found = compiled(load_network(network))
    start = process_time()
    order = least_memory_order(found)
    assert process_time() - start < 0.1
    assert (order.peak_bits, program_order(found).peak_bits) == (8 * least_bytes, 8 * program_bytes)
    assert order.proved


def test_a_long_chain_is_fast():
    """A thousand convolutions in half a second, and twice as many at most about four times as long."""

    def spent(layers):
        graph = Graph("chain")
        x = graph.input("x", (1, 4, 8, 8))
        for index in range(layers):
            x = graph.conv(f"conv{index}", x, 4 + index % 3, kernel=3, padding=1)
        found = compiled(graph)
        start = process_time()
        assert least_memory_order(found).proved
        return process_time() - start

    spent(10)
    assert spent(1000) < 0.5


def test_a_long_ladder_of_branches_is_fast():
    """300 blocks of three unequal branches, each settled by itself, since no order avoids the joins between."""
    graph = Graph("ladder")
    x = graph.input("x", (1, 4, 8, 8))
    for index in range(300):
        ends = []
        for branch, width in enumerate((4, 24, 12)):
            y = graph.conv(f"b{index}/{branch}a", x, width, kernel=1)
            ends.append(graph.conv(f"b{index}/{branch}b", y, 4, kernel=1))
        x = graph.add(f"b{index}/add", *ends)
    found = compiled(graph)
    start = process_time()
    order = least_memory_order(found)
    assert process_time() - start < 2
    assert order.proved
    assert order.peak_bits < program_order(found).peak_bits
