"""Equal layers solved once: what is told apart, what is remembered, and for how long."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.explore import solutions as module
from costmodel.explore.evaluate import evaluate
from costmodel.explore.solutions import (
    COLUMNS,
    FOUND,
    Generation,
    SolutionCache,
    distinct_layers,
    gathered,
    mixed,
)
from tests.unit.spaces import space


def columns(*varying, rows=2, points=3):
    """Columns of layers: the given ones vary with the design, the rest are one and the same."""
    found = [np.ones((rows, 1), dtype=np.int64) for _ in COLUMNS]
    for index, column in enumerate(varying):
        found[index] = np.array(column, dtype=np.int64).reshape(rows, -1)
    return found, (rows, points)


def test_equal_layers_are_one():
    """Rows and points with the same columns have one number, whichever columns vary."""
    given, shape = columns([[1, 2, 1], [2, 2, 3]], [[5], [5]])
    keys, first, which = distinct_layers(given, shape)
    assert keys.size == first.size == 3
    layers = gathered(given, first, 3)[which]
    assert layers[:, 0].tolist() == [1, 2, 1, 2, 2, 3]
    assert set(layers[:, 1].tolist()) == {5}


def test_a_column_that_varies_in_one_chunk_only_has_the_same_key():
    """A layer has one key, whether a column was an array or not when it was met."""
    fixed, shape = columns([[7], [7]], points=1)
    varying, other = columns([[7, 8, 7], [8, 7, 7]])
    alone = distinct_layers(fixed, shape)[0]
    several = distinct_layers(varying, other)[0]
    assert alone.size == 1
    assert alone[0] in several


def test_columns_are_not_interchangeable():
    """Swapping two columns gives another key."""
    one = distinct_layers(*columns([[3], [3]], [[5], [5]], points=1))[0]
    two = distinct_layers(*columns([[5], [5]], [[3], [3]], points=1))[0]
    assert one[0] != two[0]


@pytest.mark.parametrize("varies", [True, False])
def test_layers_that_share_a_hash_are_told_apart(monkeypatch, varies):
    """A hash that is always zero costs time, and changes nothing."""
    monkeypatch.setattr(module, "mixed", lambda column, _: np.zeros(column.shape, dtype=np.uint64))
    given, shape = columns([[1, 2, 1], [2, 2, 3]]) if varies else columns([[1], [2]], points=3)
    _, first, which = distinct_layers(given, shape)
    layers = gathered(given, first, 3)[which]
    expected = np.broadcast_to(given[0], shape).reshape(-1)
    assert layers[:, 0].tolist() == expected.tolist()
    assert first.size == np.unique(expected).size


def test_remembered_layers_that_share_a_hash_are_told_apart(monkeypatch):
    """Figures are right though every layer has the same key; only reuse suffers."""
    made = space("squeezenet", axes={"net.squeeze_ratio": [0.1, 0.3, 0.7], "hw.sram": ["32KiB", "64KiB"]})
    expected = evaluate(made, 0, 6, ["dram_bytes"])["dram_bytes"]
    monkeypatch.setattr("costmodel.explore.evaluate.CACHE", SolutionCache())
    monkeypatch.setattr(module, "mixed", lambda column, _: np.zeros(column.shape, dtype=np.uint64))
    assert evaluate(made, 0, 3, ["dram_bytes"])["dram_bytes"].tolist() == expected[:3].tolist()
    assert evaluate(made, 0, 6, ["dram_bytes"])["dram_bytes"].tolist() == expected.tolist()


def test_hashes_are_spread():
    """Neighbouring sizes, and the same size in another column, have keys without pattern: no two of 100,000 are equal."""
    sizes = np.arange(50_000, dtype=np.int64)
    keys = np.concatenate([mixed(sizes, 2), mixed(sizes, 3)])
    assert np.unique(keys).size == keys.size
    bits = (keys[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert (abs(bits.mean(axis=0) - 0.5) < 0.02).all()


def test_the_second_time_nothing_is_solved(monkeypatch):
    """A slice that was evaluated before asks the mapper nothing, and other slices only for layers that are new."""
    cache = SolutionCache()
    monkeypatch.setattr("costmodel.explore.evaluate.CACHE", cache)
    made = space("squeezenet", axes={"net.squeeze_ratio": [0.125, 0.25], "net.num_classes": [10, 1000]})
    first = evaluate(made, 0, 2, ["dram_bytes"])
    solved = cache.solved
    assert solved > 10
    assert evaluate(made, 0, 2, ["dram_bytes"])["dram_bytes"].tolist() == first["dram_bytes"].tolist()
    assert cache.solved == solved
    evaluate(made, 2, 4, ["dram_bytes"])
    assert solved < cache.solved < 2 * solved
    assert cache.reused > solved


def rows(*numbers):
    """Keys, columns and results of some layers."""
    keys = np.array(numbers, dtype=np.uint64)
    layers = np.repeat(np.array(numbers, dtype=np.int64)[:, None], len(COLUMNS), axis=1)
    return keys, layers, np.repeat(10 * np.array(numbers, dtype=np.int64)[:, None], len(FOUND), axis=1)


def known(generation, *numbers):
    """Which layers a generation knows, checked to have their own results."""
    keys, layers, expected = rows(*numbers)
    found = np.zeros((keys.size, len(FOUND)), dtype=np.int64)
    missing = generation.look_up(keys, layers, found, np.arange(keys.size))
    there = np.setdiff1d(np.arange(keys.size), missing)
    assert found[there].tolist() == expected[there].tolist()
    assert not found[missing].any()
    return [numbers[place] for place in there]


def test_a_generation_remembers_what_fits():
    """Layers come in any order; what there is no room for is left out."""
    generation = Generation(4)
    assert known(generation, 1, 2) == []
    generation.remember(*rows(9, 2, 5))
    assert known(generation, 1, 2, 5, 9, 10) == [2, 5, 9]
    generation.remember(*rows(1, 7, 3))
    assert known(generation, 1, 2, 3, 5, 7, 9) == [1, 2, 5, 9]
    assert generation.size == 4
    generation.forget()
    assert known(generation, 1, 2, 5, 9) == []


def test_what_is_asked_for_again_stays(monkeypatch):
    """Of more layers than there is room for, those that are used stay and the others go."""
    monkeypatch.setattr(module, "solved", lambda layers: np.repeat(10 * layers[:, :1], len(FOUND), axis=1))
    cache = SolutionCache(8)

    def ask(*numbers):
        keys, layers, expected = rows(*numbers)
        before = cache.solved
        assert cache.found(keys, layers).tolist() == expected.tolist()
        return cache.solved - before

    assert ask(1, 2, 3) == 3
    for number in range(10, 40):
        assert ask(1, number) == 1
    assert ask(1) == 0
    assert ask(2) == 1


def test_the_memory_is_bounded(monkeypatch):
    """Many times as many layers as there is room for are solved, and no more are kept."""
    monkeypatch.setattr(module, "solved", lambda layers: np.repeat(10 * layers[:, :1], len(FOUND), axis=1))
    cache = SolutionCache(10)
    for start in range(1, 1000, 7):
        cache.found(*rows(*range(start, start + 7))[:2])
        assert cache.memory.young.size + cache.memory.old.size <= 10
