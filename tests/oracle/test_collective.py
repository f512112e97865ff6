"""The closed forms of exchanging gradients against arrays that are moved between workers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.formulas import collectives
from costmodel.training import ALGORITHMS
from costmodel.training.scaling import exchange_of
from tests.oracle.collective import Network, by_ring, by_server, by_tree

SIMULATED = {"server": by_server, "tree": by_tree, "ring": by_ring}
WORKERS = (2, 3, 4, 5, 7, 8, 13, 16, 31, 32)
SIZES = (1, 5, 32, 97, 1000)


def gradients(workers, elems):
    """A gradient of whole numbers per worker, so that sums in any order are equal."""
    random = np.random.default_rng(workers * 10_007 + elems)
    return [random.integers(-100, 100, elems) for _ in range(workers)]


@pytest.mark.parametrize("elems", SIZES)
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_bytes_are_those_of_the_simulation(name, workers, elems):
    """Every worker ends with the sum, and what was sent is what the closed form says."""
    given_ = gradients(workers, elems)
    held, network = SIMULATED[name](given_)
    exchange = exchange_of(ALGORITHMS[name], elems, 32, workers)

    assert all(np.array_equal(array, sum(given_)) for array in held)
    assert exchange.serial_bytes == 4 * network.serial_elems
    assert exchange.total_bytes == 4 * network.total_elems


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("name", ["tree", "ring"])
def test_rounds_are_those_of_the_simulation(name, workers):
    """As many rounds as the latency is paid for."""
    _, network = SIMULATED[name](gradients(workers, 64))

    assert ALGORITHMS[name].rounds(workers) == len(network.rounds)


def test_a_server_pays_latency_twice():
    """Messages to a server, and from it, follow each other without waiting: one latency in, one out."""
    assert ALGORITHMS["server"].rounds(2) == ALGORITHMS["server"].rounds(128) == 2


@given(st.integers(2, 40), st.integers(1, 300))
def test_any_number_of_workers_and_elements(workers, elems):
    """As above, wherever hypothesis looks."""
    given_ = gradients(workers, elems)
    for name, simulated in SIMULATED.items():
        held, network = simulated(given_)
        exchange = exchange_of(ALGORITHMS[name], elems, 8, workers)

        assert all(np.array_equal(array, sum(given_)) for array in held), name
        assert (exchange.serial_bytes, exchange.total_bytes) == (network.serial_elems, network.total_elems), name


def test_the_simulation_refuses_two_messages_at_once():
    """A node that sends or receives twice in one round would hide time."""
    array = np.zeros(3)
    with pytest.raises(AssertionError, match="sends one message"):
        Network().together([(0, 1, array), (0, 2, array)])
    with pytest.raises(AssertionError, match="receives one message"):
        Network().together([(0, 2, array), (1, 2, array)])


@given(st.integers(1, 1 << 40))
def test_rounds_of_a_tree_are_a_logarithm(workers):
    """Twice the number of times that one doubles to reach the workers, whatever their number."""
    assert int(collectives.tree_rounds(workers)) == 2 * (workers - 1).bit_length()


@given(st.integers(2, 1 << 16), st.integers(1, 1 << 40))
def test_a_ring_is_never_longer_than_twice_the_gradient(workers, elems):
    """2 (p - 1) / p of the gradient, and less than one element per round above."""
    serial = int(collectives.ring_serial_elems(elems, workers))

    assert 2 * (workers - 1) * elems <= serial * workers
    assert serial < 2 * (workers - 1) * (elems / workers + 1)


@pytest.mark.parametrize("workers", [4, 8, 64, 1024])
def test_order_of_the_algorithms(workers):
    """For large gradients the ring is shortest, the server longest; all that peers send together is the same."""
    serial = {name: algorithm.serial_elems(10**9, workers) for name, algorithm in ALGORITHMS.items()}

    assert serial["ring"] < serial["tree"] < serial["server"]
    assert ALGORITHMS["ring"].total_elems(1000, workers) == ALGORITHMS["tree"].total_elems(1000, workers)
