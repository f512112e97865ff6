"""Cascades, with line buffers and halos worked out by hand."""

from __future__ import annotations

import pytest

from costmodel.graph import Graph
from costmodel.schedule.program import Window, mask_of
from costmodel.schedule.stripes import (
    Cascade,
    Option,
    Stripes,
    Verdict,
    least_rows,
    needed_end,
    needed_start,
)
from tests.unit.scheduled import fire, pair, planner_of, unet

ROW = 32 * 8
"""Bits of one row of the maps of ``pair``."""


def cascade(graph, members, executed=(), buffering=1):
    """Return a cascade, or why there is none."""
    return planner_of(graph, buffering).cascade(members, mask_of(executed))


def test_stripes_are_powers_of_two_below_the_height():
    """A height of 5 is cut into stripes of 1, 2 and 4 rows, the last one of each smaller."""
    stripes = Stripes.of(5)
    assert stripes.heights == (1, 2, 4)
    assert stripes.start.tolist() == [0, 1, 2, 3, 4, 0, 2, 4, 0, 4]
    assert stripes.end.tolist() == [1, 2, 3, 4, 5, 2, 4, 5, 4, 5]
    assert stripes.before(stripes.end).tolist() == [0, 1, 2, 3, 4, 0, 2, 4, 0, 4]
    assert stripes.last.tolist() == [4, 7, 9]
    assert stripes.most(stripes.end - stripes.start).tolist() == [1, 2, 4]
    assert stripes.total(stripes.end - stripes.start).tolist() == [5, 5, 5]


def test_rows_under_a_window():
    """Rows that a padded window of three sees: two at the top, three inside, two at the bottom."""
    window, outputs = Window(8, 8, 1, 2, 1), Stripes.of(8)
    assert needed_start(window, outputs.start[:8]).tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert needed_end(window, outputs.end[:8]).tolist() == [2, 3, 4, 5, 6, 7, 8, 8]
    assert (needed_start(window, outputs.end[7]), needed_end(window, outputs.start[0])) == (8, 0)


@pytest.mark.parametrize(
    ("window", "outputs", "rows"),
    [
        (Window(8, 8), 1, 1),
        (Window(8, 8, 1, 2, 1), 1, 2),
        (Window(8, 8, 1, 2, 1), 3, 4),
        (Window(4, 9, 2, 2, 0), 2, 5),
        (Window(1, 9, 1, 8, 0), 1, 9),
        (Window(4, 8, 2, 2, 0), 1, 2),
    ],
)
def test_the_fewest_rows_under_neighbouring_outputs(window, outputs, rows):
    """At the border part of the window lies in the padding; the last window may hang over the end."""
    assert least_rows(window, outputs) == rows


def test_line_buffers_of_two_convolutions():
    """One row at a time, the map between holds three rows, and so does what comes in; nothing is computed twice."""
    found = cascade(pair(), (0, 1))
    assert found.heights == (1, 2, 4)
    assert (found.inner_bits["lines"] // ROW).tolist() == [3, 4, 5]
    (entering,), (leaving,) = found.entering, found.leaving
    assert (entering.stripe_bits["lines"] // ROW).tolist() == [3, 4, 6]
    assert (leaving.stripe_bits["lines"] // ROW).tolist() == [1, 2, 4]
    assert entering.moved_bits["lines"].tolist() == [8 * ROW] * 3
    assert [visits.tolist() for visits in found.visits] == [[7, 4, 2], [8, 4, 2]]
    assert [again.tolist() for again in found.again_by_step["lines"]] == [[0, 0, 0], [0, 0, 0]]


def test_halos_of_two_convolutions():
    """Eight stripes of one row need 2 + 6 x 3 + 2 rows of the map between, 14 more than it has, and 34 rows of the input."""
    found = cascade(pair(), (0, 1))
    (entering,), row_macs = found.entering, 4 * 4 * 9 * 8
    assert (found.inner_bits["halo"] // ROW).tolist() == [3, 4, 5]
    assert (entering.stripe_bits["halo"] // ROW).tolist() == [5, 6, 6]
    assert found.again_by_step["halo"][0].tolist() == [14 * row_macs, 6 * row_macs, 2 * row_macs]
    assert found.again_by_step["halo"][1].tolist() == [0, 0, 0]
    assert (entering.moved_bits["halo"] // ROW).tolist() == [34, 8 + 12, 8 + 4]


def test_weights_are_held_or_streamed():
    """Held, both filters banks of 144 B wait; streamed, one filter of 36 B is there and they cross once per visit."""
    found = cascade(pair(), (0, 1), buffering=2)
    options = {(o.style, o.rows, o.held): o for o in found.ways(frozenset({0, 2}), 288 * 8, stream=True)}
    assert options["lines", 1, True] == Option(3 * ROW + 288 * 8, 288 * 8, 0, "lines", 1, True)
    assert options["lines", 1, False] == Option(3 * ROW + 2 * 36 * 8, (7 + 8) * 144 * 8, 0, "lines", 1, False)
    assert ("halo", 1, False) not in options
    off = {(o.style, o.rows, o.held): o for o in found.ways(frozenset(), 288 * 8, stream=True)}
    assert off["lines", 1, True].need_bits == (3 + 2 * (3 + 1)) * ROW + 288 * 8
    assert off["lines", 1, True].moved_bits == 16 * ROW + 288 * 8


def test_weights_of_which_some_stay_for_ever_are_not_streamed():
    """The other ones are held."""
    found = cascade(pair(), (0, 1)).ways(frozenset(), 144 * 8, stream=False)
    assert {(option.held, option.moved_bits) for option in found if option.style == "lines"} == {(True, 16 * ROW + 144 * 8)}
    (free,) = {o.need_bits for o in cascade(pair(), (0, 1)).ways(frozenset({0, 2}), 0, stream=True) if o.rows == 4}
    assert free == 5 * ROW


def test_the_cheapest_way_that_fits():
    """More room allows the weights to be held; less leaves none."""
    found = cascade(pair(), (0, 1))
    everywhere = frozenset({0, 2})
    held = 3 * ROW + 288 * 8
    assert found.best(everywhere, 288 * 8, held, stream=True).held
    assert not found.best(everywhere, 288 * 8, held - 1, stream=True).held
    assert found.best(everywhere, 288 * 8, held - 1, stream=False) is None
    assert found.best(everywhere, 288 * 8, 3 * ROW, stream=True) is None
    assert found.need_bits == 3 * ROW


def test_a_fire_module_in_stripes():
    """Both expansions are sinks of one buffer; the squeezed map holds three rows for the larger of them."""
    found = cascade(fire(), (0, 1, 2))
    assert (found.inner_bits["lines"] // (2 * 6 * 8)).tolist() == [3, 4, 5]
    assert [edge.buffer for edge in found.leaving] == [2]
    assert found.leaving[0].moved_bits["lines"].tolist() == [8 * 36 * 8] * 3
    assert found.again_by_step["halo"][0].tolist() == [10 * 8 * 2 * 6, 4 * 8 * 2 * 6, 2 * 8 * 2 * 6]


def test_a_part_leaves_where_the_other_part_is_written_elsewhere():
    """One expansion alone leaves its half of the concatenation."""
    found = cascade(fire(), (0, 2))
    assert found.leaving[1].moved_bits["lines"].tolist() == [4 * 36 * 8] * 3
    assert sorted(edge.buffer for edge in found.leaving) == [1, 2]
    assert list(found.inner_bits) == ["lines"]


def test_what_others_want_is_finished_in_the_last_stripe():
    """A strided reader skips the last row; an output of the network must have it, so the last stripe has three new rows."""
    graph = Graph("skipped")
    x = graph.conv("a", graph.input("x", (1, 1, 6, 1)), 1, 1, bias=False)
    y = graph.max_pool("p", x, (1, 1), stride=(2, 1))
    graph.output(y, x)
    found = cascade(graph, (0, 1))
    (a, _) = (edge for edge in found.leaving)
    assert a.stripe_bits["lines"].tolist() == [3 * 8, 3 * 8]
    assert found.visits[0].tolist() == [3, 2]


VERDICTS = {
    "linear layers": (lambda g, x: g.linear("c", g.conv("a", x, 2, 1), 3), Verdict.NEVER),
    "one row": (lambda g, x: g.conv("c", g.conv("a", x, 2, 1), 2, (8, 1)), Verdict.NOT_YET),
    "two heights": (lambda g, x: (g.conv("a", x, 2, 1), g.conv("c", x, 2, 3)), Verdict.NOT_YET),
    "two batches": (lambda g, x: (g.conv("a", x, 2, 1), g.conv("c", g.input("z", (2, 2, 8, 8)), 2, 1)), Verdict.NEVER),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_what_is_no_cascade(case):
    """Steps without rows never are; sinks of one row or of different heights may become one with more steps."""
    make, expected = VERDICTS[case]
    graph = Graph("verdict")
    make(graph, graph.input("x", (1, 2, 8, 8)))
    assert cascade(graph, (0, 1)) == expected


def test_a_concatenation_read_before_it_is_whole():
    """The steps between a map and the concatenation that holds it are no cascade with it, but are one by themselves."""
    graph = Graph("skip")
    x = graph.conv("high", graph.input("x", (1, 4, 8, 8)), 4, 3, padding=1)
    y = graph.conv("deep", graph.conv("mid", x, 4, 3, padding=1), 4, 3, padding=1)
    graph.conv("out", graph.concat("skip", x, graph.conv("low", y, 4, 1)), 4, 1)
    assert cascade(graph, (0, 1)) is Verdict.NEVER
    assert cascade(graph, (0, 1, 2, 3, 4)) is Verdict.NEVER
    assert isinstance(cascade(graph, (1, 2), (0,)), Cascade)
    assert cascade(graph, (1, 2, 3), (0,)) is Verdict.NEVER
    assert isinstance(cascade(graph, (2, 3), (0, 1)), Cascade)


def test_a_concatenation_written_before_is_no_cascade_with_one_part():
    """Where one expansion was executed before, the other cannot be cascaded with a reader of both."""
    graph = fire()
    graph.conv("next", graph.outputs[0], 2, 1)
    assert cascade(graph, (2, 3), (0, 1)) is Verdict.NEVER
    assert isinstance(cascade(graph, (1, 2, 3), (0,)), Cascade)


def test_what_cascades_need_at_least():
    """The bound on memory that leaves out cascades: one window in line buffers, windows that add up without."""
    planner = planner_of(pair())
    assert [planner.fits((0, 1), room) for room in (2 * ROW - 1, 2 * ROW)] == [False, True]
    assert planner_of(unet()).fits((0,), 0)
    assert [planner_of(fire()).fits((0, 1, 2), room) for room in (2 * 2 * 6 * 8 - 1, 2 * 2 * 6 * 8)] == [False, True]


def test_masks():
    """Sets of steps as bits."""
    assert (mask_of(()), mask_of((0, 3))) == (0, 9)
