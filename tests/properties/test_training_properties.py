"""Training and updates: what holds for every batch, number of workers, link and device."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.formulas import collectives
from costmodel.training import ALGORITHMS, training_of
from costmodel.updates import layers_of, update_of
from tests.golden.samples import small
from tests.unit.machine import constant, machine

RATES = st.floats(1e3, 1e12)
DELAYS = st.floats(0.0, 1.0)
GRAPH, MACHINE = small(), machine()


@cache
def wire():
    """Return a link whose constants are replaced."""
    return cm.load_link("gemini")


def link(bytes_per_s, latency_s=0.0):
    """Return an exact link."""
    rate, delay = constant("bandwidth", bytes_per_s, "B/s"), constant("latency", latency_s, "s")
    return replace(wire(), bandwidth_bytes_per_s=rate, latency_s=delay)


def curve(workers, batch, bytes_per_s, latency_s=0.0, **options):
    """Return the points of a small network by algorithm, one number of workers."""
    found = training_of(GRAPH, MACHINE, link(bytes_per_s, latency_s), [workers], batch, **options)
    return {point.algorithm: point for point in found.points}


SHARES = st.integers(1, 64).flatmap(lambda workers: st.tuples(st.just(workers), st.integers(workers, 256)))


@given(SHARES, RATES, DELAYS)
def test_no_iteration_is_shorter_than_its_compute(share, rate, delay):
    """The exchange only adds, and a worker's share is at least the average."""
    workers, batch = share
    for point in curve(workers, batch, rate, delay).values():
        assert point.iteration_s >= point.forward_s + point.backward_s
        assert point.samples * workers >= batch
        assert 0 < point.efficiency_ratio <= 1 + 1e-9


@given(SHARES, RATES, DELAYS)
def test_overlap_never_hurts_and_never_hides_compute(share, rate, delay):
    """Between the compute alone and one after the other."""
    workers, batch = share
    apart, together = curve(workers, batch, rate, delay), curve(workers, batch, rate, delay, overlap=True)
    for name, point in together.items():
        assert point.forward_s + point.backward_s <= point.iteration_s * (1 + 1e-12)
        assert point.iteration_s <= apart[name].iteration_s


@given(SHARES, RATES, st.floats(1.0, 1e3))
def test_a_faster_link_is_never_slower(share, rate, factor):
    """Under any algorithm."""
    workers, batch = share
    slow, fast = curve(workers, batch, rate), curve(workers, batch, rate * factor)

    assert all(fast[name].speedup.value >= slow[name].speedup.value * (1 - 1e-12) for name in ALGORITHMS)


@given(SHARES)
def test_the_ring_is_shortest_without_latency(share):
    """No algorithm sends fewer bytes in a row than the ring, but for what chunks are rounded up by."""
    workers, batch = share
    points = curve(workers, batch, 1e6)
    slack = 4 * 2 * workers

    assert points["ring"].exchange.serial_bytes <= points["tree"].exchange.serial_bytes + slack
    assert points["tree"].exchange.serial_bytes <= points["server"].exchange.serial_bytes


@given(st.integers(2, 4096), st.integers(1, 1 << 40))
def test_nobody_can_send_less_than_the_sum_needs(workers, elems):
    """Each of p workers must give its part away and learn the sum: 2 (p - 1) / p of the gradient in a row at least."""
    least = 2 * (workers - 1) * elems / workers

    assert int(collectives.ring_serial_elems(elems, workers)) >= least
    assert int(collectives.tree_serial_elems(elems, workers)) >= least


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_fleets_add_up(a, b):
    """Two fleets are one fleet of both."""
    one, other, both = (update_of(layers_of(GRAPH), None, [cm.load_link("lte")], fleet) for fleet in (a, b, a + b))
    for x, y, z in zip(one.deliveries, other.deliveries, both.deliveries, strict=True):
        assert x.fleet_bytes + y.fleet_bytes == z.fleet_bytes
        assert x.fleet_j.value + y.fleet_j.value == pytest.approx(z.fleet_j.value)


@given(st.sets(st.sampled_from(["conv1", "block/one", "block/three", "fc"])))
def test_retraining_more_sends_more(names):
    """Exactly the layers that are named."""
    found = update_of(layers_of(GRAPH), layers_of(GRAPH), [cm.load_link("lte")], retrained=sorted(names))
    table = GRAPH.table()
    params = dict(zip(table.names, table.params[:, 0].tolist(), strict=True))

    assert found.sizes()["changed"] == 4 * sum(params[name] for name in names)
