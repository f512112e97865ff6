"""Groups of points: every point is in one, members share what cannot be an array, and candidates left out never win."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.errors import NetworkError
from costmodel.explore.axis_spec import column_of, repeated, scalar
from costmodel.explore.grouping import distinct, groups
from costmodel.explore.resolving import without_directory
from costmodel.graph import Graph
from costmodel.mapping import Problems, search, solve
from tests.unit.spaces import builder, space


def grouped_space(directory):
    """Two machines, a topology, two arrays, a constant and a setting."""
    return space(
        builder(directory), ["eyeriss", "eyeriss-168"],
        axes={"net.depth": [1, 2], "net.width": [4, 8, 9], "hw.sram": [1024, 4096], "net.share": [0.5, 1.0], "batch": [1, 2]},
    )  # fmt: skip


def test_every_point_is_in_one_group(tmp_path):
    """Machine, topology and batch part the points; arguments that are arrays and constants do not."""
    made = grouped_space(tmp_path)
    positions = made.positions(np.arange(made.size))
    found = list(groups(made, positions))
    assert sorted(np.concatenate([places for places, _ in found]).tolist()) == list(range(made.size))
    assert len(found) == 2 * 2 * 2
    assert {group.networks for _, group in found} == {6}


def test_members_have_their_own_values(tmp_path):
    """Arguments, constants and settings of a member are those of its point."""
    made = grouped_space(tmp_path)
    points = np.random.default_rng(3).permutation(made.size)[:40]
    for places, group in groups(made, made.positions(points)):
        for member, place in enumerate(places.tolist()):
            values = made.at(int(points[place]))
            named = group.named(group.network_of[[member]])
            assert named == {"depth": values["net.depth"], "width": values["net.width"], "share": values["net.share"]}
            assert group.batch == values["batch"]
            assert group.profile.name == values["hardware"]
            assert group.hardware_of(member).levels[1].capacity_bytes.value == values["hw.sram"]
        columns = group.hardware(np.arange(len(group))).levels[1].capacity_bytes.value
        assert columns.tolist() == [made.at(int(points[place]))["hw.sram"] for place in places]


@pytest.mark.parametrize("keys", [[], [3], [1, 5, 9], [9, 5, 1], [4, 4, 4], [1, 2, 1, 3, 2]])
def test_distinct_keys(keys):
    """Each key is met through its representative, whether the keys ascend or not."""
    given = np.array(keys, dtype=np.int64)
    first, which = distinct(given)
    assert given[first][which].tolist() == keys
    assert first.size == len(set(keys))


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 2], "i"), ([1, 2.5], "f"), ([True, False], "b"), ([True, 1], "O"), (["a", 1], "O"), (["a", "b"], "O"), ([2.0], "f")],
)
def test_kinds_of_columns(values, kind):
    """Whole numbers, numbers and truth values are arrays of their own kind; values stay what they were."""
    column = column_of(values)
    assert column.dtype.kind == kind
    assert column.tolist() == values
    assert [type(value) for value in column.tolist()] == [float if kind == "f" else type(value) for value in values]


def test_values_that_repeat():
    """One and true differ, one and 1.0 do not; each repeated value is told once."""
    assert repeated([1, True, 2, 0, False]) == []
    assert repeated([1, 1.0, 1]) == [1.0]
    assert repeated(["a", "b", "a", "b", "a"]) == ["a", "b"]


def test_words_of_an_argument():
    """Numbers and truth values are told from words."""
    assert [scalar(word) for word in ("3", "-2.5", "1e3", "TRUE", "false", "simple", "1.x")] == [
        3, -2.5, 1000.0, True, False, "simple", "1.x",
    ]  # fmt: skip


def test_paths_are_no_part_of_a_digest():
    """The name of a file and the arguments are, its directory is not."""
    assert without_directory("/a/b/net.py:width=3,path=x/y") == "net.py:width=3,path=x/y"
    assert without_directory("squeezenet") == "squeezenet"


def drawn(seed, count=400):
    """Problems of a few geometries, some of whose operands are on chip already, and a capacity each."""
    random = np.random.default_rng(seed)
    shapes = np.array([(1, 9, 9, 3, 3, 1), (2, 7, 5, 1, 1, 1), (1, 12, 4, 5, 3, 2), (3, 1, 1, 1, 1, 1)])
    n, p, q, r, s, stride = shapes[random.integers(0, len(shapes), count)].T
    g, k, c = random.integers(1, 3, count), random.integers(1, 200, count), random.integers(1, 200, count)
    one, zero = np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    bits = [random.choice([0, 8, 8, 16], count) for _ in range(3)]
    problems = Problems(
        n, g, k, c, p, q, r, s, stride, stride, one, one, zero, zero, (p - 1) * stride + r, (q - 1) * stride + s,
        g * k * c * r * s, n * g * k * p * q, *bits, np.full(count, 32),
    )  # fmt: skip
    return problems, random.choice([500, 4_000, 30_000, 200_000], count)


@pytest.mark.parametrize("seed", range(4))
def test_candidates_that_are_left_out_never_win(monkeypatch, seed):
    """With every candidate tried for every problem the mappings are the same, tiles included."""
    problems, capacity = drawn(seed)
    narrow = solve(problems, capacity)
    monkeypatch.setattr(
        search, "narrowed", lambda _best, tiles, rows, _passes: ((part, tiles) for part in search.chunks(rows, len(tiles)))
    )
    wide = solve(problems, capacity)
    assert narrow.fits.sum() > 0
    assert np.array_equal(narrow.fits, wide.fits)
    for name in ("weight_bits", "ifmap_bits", "ofmap_bits", "passes", "stationary", "tile"):
        assert np.array_equal(getattr(narrow, name)[..., wide.fits], getattr(wide, name)[..., wide.fits]), name


# ---- sums that are kept


def weighed(column, times):
    """The sum of a column over the layers of a small design space, each layer weighed, worked out anew."""
    graph = Graph("kept")
    graph.linear("two", graph.linear("one", graph.input("x", (1, 5)), np.array([3, 4, 9])), 7)
    table = graph.table()
    expected = (table[column] * np.array(times)[:, None]).sum(axis=0)
    return table, np.broadcast_to(expected, table.total(column, times).shape)


@pytest.mark.parametrize("times", [(1, 1), (2, 2), (0, 0), (1, 3), (4, 0)])
@pytest.mark.parametrize("column", ["params", "macs", "ofmap_elems"])
def test_sums_are_kept_by_their_weights(column, times):
    """A second sum with other weights is not the first one, whichever is asked for first, and asking twice changes nothing."""
    table, expected = weighed(column, times)
    for _ in range(2):
        assert table.total(column, times).tolist() == expected.tolist()
        assert table.total(column).tolist() == weighed(column, (1, 1))[1].tolist()


def test_weighed_sums_beyond_64_bits_are_refused():
    """One factor for all layers is checked as factors of their own are."""
    graph = Graph("large")
    graph.linear("one", graph.input("x", (2**20, 2**20)), 2**20)
    with pytest.raises(NetworkError, match="the total of macs does not fit in 64 bits"):
        graph.table().total("macs", [16])
