"""Cascades as the scheduler plans them equal a literal walk, stripe by stripe on sets of rows."""

from __future__ import annotations

from itertools import combinations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from costmodel.schedule.program import mask_of
from costmodel.schedule.stripes import Cascade, Verdict
from tests.oracle.small_networks import striped_networks
from tests.oracle.stripe_simulator import described, possible, ways
from tests.unit.scheduled import INT8, planner_of


def candidates(net):
    """Return every set of two to five steps, with every prefix of the network executed before it."""
    count = len(net.tasks)
    return [
        (tuple(range(first)), members)
        for first in range(count)
        for size in range(2, min(5, count - first) + 1)
        for members in combinations(range(first, count), size)
    ]


@st.composite
def cases(draw):
    """Draw a cascade of a network, the network and the steps, what is on chip, whose weights stay, and the buffering."""
    graph = draw(striped_networks())
    batch = draw(st.sampled_from([1, 1, 3]))
    net = described(graph, batch, INT8)
    found = [(before, members) for before, members in candidates(net) if possible(net, members, before)]
    assume(found)
    before, members = draw(st.sampled_from(found))
    buffering = draw(st.sampled_from([1, 2]))
    on_chip = frozenset(b for b in range(len(net.places)) if draw(st.integers(0, 3)) == 0)
    pinned = frozenset(m for m in members if net.weight_bits(m) and draw(st.integers(0, 3)) == 0)
    planner = planner_of(graph, buffering, batch)
    other_before, other = draw(st.sampled_from(found))
    planner.cascade(other, mask_of(other_before))  # what it remembers must serve this cascade alone
    return planner.cascade(members, mask_of(before)), net, members, on_chip, pinned, buffering


@settings(max_examples=1200)
@given(cases())
def test_cascades_equal_the_walk(case):
    """Memory, bits moved and MACs computed again of 1,200 cascades, every style, height and treatment of weights."""
    cascade, net, members, on_chip, pinned, buffering = case
    assert isinstance(cascade, Cascade)
    expected = ways(net, members, on_chip & cascade.outside, pinned, buffering)
    loose = sum(net.weight_bits(m) for m in members if m not in pinned)
    planned = list(cascade.ways(on_chip, loose, stream=not pinned))
    key = [(w.style, w.rows, w.held, w.need_bits, w.moved_bits, w.again_macs) for w in expected]
    assert sorted(key) == sorted((o.style, o.rows, o.held, o.need_bits, o.moved_bits, o.again_macs) for o in planned)


@settings(max_examples=400)
@given(striped_networks(most=4))
def test_cascades_are_possible_where_the_rules_say_so(graph):
    """Sets of steps are cascades exactly where the rules allow; nothing is given up that more steps would make possible."""
    net, planner = described(graph, 1, INT8), planner_of(graph)
    for before, members in candidates(net):
        if all(net.tasks[m].needs <= set(before) | set(members) for m in members):
            verdict = planner.cascade(members, mask_of(before))
            assert isinstance(verdict, Cascade) == possible(net, members, before)
            if verdict is Verdict.NEVER:
                rest = range(len(net.tasks))
                more = (set(members) | set(extra) for size in (1, 2, 3) for extra in combinations(rest, size))
                assert not any(possible(net, tuple(sorted(one - set(before))), before) for one in more)


@settings(max_examples=300)
@given(striped_networks(most=4))
def test_more_steps_never_need_less_than_the_bound(graph):
    """What a cascade needs at least is at most what it and every larger one need: none is left out for nothing."""
    net, planner = described(graph, 1, INT8), planner_of(graph)
    found = {}
    for before, members in candidates(net):
        if possible(net, members, before):
            cascade = planner.cascade(members, mask_of(before))
            found[before, members] = cascade
            everything = frozenset(range(len(net.places)))
            needs = [way.need_bits for way in cascade.ways(everything, 0, stream=False)]
            assert planner.fits(members, cascade.need_bits)
            assert cascade.need_bits <= min(needs)
    rooms = sorted({cascade.need_bits - less for cascade in found.values() for less in (0, 1)})
    for before, members in found:
        larger = [m for b, m in found if b == before and set(members) < set(m)]
        assert all(planner.fits(members, room) for more in larger for room in rooms if planner.fits(more, room))


@settings(max_examples=200)
@given(cases(), st.floats(0, 1.2))
def test_the_best_way_is_the_cheapest_that_fits(case, share):
    """Of the ways that fit, the one with the fewest bits is taken, then the one with the fewest MACs again."""
    cascade, net, members, on_chip, pinned, buffering = case
    found = ways(net, members, on_chip & cascade.outside, pinned, buffering)
    room = int(share * max(way.need_bits for way in found))
    fitting = [(way.moved_bits, way.again_macs) for way in found if way.need_bits <= room]
    loose = sum(net.weight_bits(m) for m in members if m not in pinned)
    option = cascade.best(on_chip, loose, room, stream=not pinned)
    assert (option and (option.moved_bits, option.again_macs)) == min(fitting, default=None)
