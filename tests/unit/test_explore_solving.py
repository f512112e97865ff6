"""Runs whose layers are mapped through all memories: each once, the same rows everywhere, and nothing lost that was found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import costmodel as cm
from costmodel.cli import cli
from costmodel.errors import InputError
from costmodel.explore import kept as kept_module
from costmodel.explore import run, solving
from costmodel.explore.chunks import Chunk
from costmodel.explore.engine import Inline, Task, flowing, pool_of
from costmodel.explore.evaluate import evaluate, layers_of, nests_of
from costmodel.explore.kept import Kept
from costmodel.explore.nests import Layers, Told, places_of
from costmodel.explore.run import payload_of
from costmodel.explore.solving import Book, Solving
from costmodel.joint.answers import answer_columns, answers
from costmodel.joint.columns import COLUMNS
from tests.unit.run_spaces import ROOT_ENVIRONMENT, SPACE, chain_space, space_file, swept

AIMED = SPACE.replace("hardware: [eyeriss-168, snapdragon]", "hardware: [ws-16x16, snapdragon]\n    objective: energy")
METRICS = ("params", "dram_bytes", "energy_j", "latency_s")
KEY = st.tuples(st.integers(0, 5), st.integers(0, 5))


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """Chains of linear layers on two machines, mapped for energy."""
    return chain_space(tmp_path_factory.mktemp("space"), space=AIMED)


@pytest.fixture(scope="module")
def frame(space):
    """Its rows, point by point in this process."""
    found = pd.DataFrame(evaluate(space, 0, space.size, METRICS))
    for name in run.whole_metrics(METRICS):
        found[name] = run.whole(found[name].to_numpy())
    return found


class Counting(Executor):
    """Evaluates at once, and notes what it was asked for."""

    def __init__(self, workers: int = 31) -> None:
        self.jobs = []
        self._max_workers = workers

    def submit(self, fn, /, *args):
        """Evaluate now."""
        self.jobs.append((fn, args))
        return Inline().submit(fn, *args)


# ---- the same rows everywhere


@settings(max_examples=8, deadline=None)
@given(chunk=st.integers(1, 300), workers=st.integers(0, 3))
def test_frames_do_not_depend_on_chunks_or_threads(space, frame, chunk, workers):
    """Bit for bit, problems included."""
    assert_frame_equal(swept(space, METRICS, chunk, workers), frame)


def test_processes_and_dask_give_the_same_frame(space, frame, tmp_path):
    """Workers that share nothing but the process that runs."""
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        assert_frame_equal(cm.sweep(space, metrics=METRICS, executor=executor, chunk=37), frame)
    for number, more in enumerate(({"workers": 2}, {"dask": "local", "workers": 2})):
        found = cm.stream(space, tmp_path / f"{number}.parquet", METRICS, chunk=37, **more)
        assert_frame_equal(pd.read_parquet(found.path), frame, check_dtype=False)
        assert not list(found.path.glob("_mapped*"))


def test_every_row_is_the_analysis_of_its_point(space, frame):
    """Drawn from all over the frame."""
    for row in frame[frame["problem"] == ""].iloc[::23].to_dict("records"):
        network = f"{space.network}:width={row['net.width']},depth={row['net.depth']},kind={row['net.kind']}"
        totals = cm.analyze(network, row["hardware"], row["batch"], objective="energy").totals
        expected = totals.params, totals.dram_bytes, totals.energy_j.value, totals.latency_s
        assert tuple(row[name] for name in METRICS) == expected


def test_the_command(tmp_path, frame):
    """The file says the objective; there is nothing else to give."""
    file, target = space_file(tmp_path, space=AIMED), tmp_path / "o.parquet"
    result = CliRunner().invoke(cli, ["sweep", str(file), "-o", str(target), "--metrics", ",".join(METRICS)])
    assert result.exit_code == 0, result.output
    found = pd.read_parquet(target).drop(columns="problem")
    assert_frame_equal(found, frame.drop(columns="problem"), check_dtype=False)


# ---- each layer once


@pytest.mark.parametrize("chunk", [7, 40, 1000])
def test_every_layer_is_mapped_once(space, chunk):
    """In one batch of one job, however the space is cut; workers map none by themselves."""
    executor = Counting()
    nests = nests_of(space.resolved.most_levels)
    before = nests.solved
    cm.sweep(space, metrics=METRICS, executor=executor, chunk=chunk)
    assert nests.solved == before
    mapped = np.concatenate([args[0] for fn, args in executor.jobs if fn is answers])
    assert np.unique(mapped, axis=0).shape == mapped.shape
    assert len(mapped) == layers_of(space, 0, space.size, METRICS).count
    assert max(len(args[0]) for fn, args in executor.jobs if fn is answers) <= solving.BATCH


def test_metrics_without_mappings_list_nothing(space):
    """One job per chunk, as without an objective."""
    executor = Counting()
    cm.sweep(space, metrics=["params", "energy_bound_j"], executor=executor, chunk=40)
    assert {fn for fn, _ in executor.jobs} == {run.columns_of}


def test_chunks_are_not_listed_far_ahead(space):
    """Memory does not grow with the space: few chunks are open at a time, and the first ends before the last is listed."""
    executor = Counting(1)
    cm.sweep(space, metrics=METRICS, executor=executor, chunk=5)
    kinds = [fn for fn, _ in executor.jobs]
    ahead = 0
    for kind in kinds:
        ahead += (kind is run.layers_in) - (kind is run.columns_of)
        assert ahead <= 4 + solving.OPEN
    assert kinds.index(run.columns_of) < len(kinds) - kinds[::-1].index(run.layers_in)


def test_an_executor_in_another_order(space, frame):
    """Whatever completes first, chunks wait for the layers that others list and map."""
    with ThreadPoolExecutor(5) as executor:
        class Slow(Executor):
            """Waits a little, longer for some."""

            def submit(self, fn, /, *args):
                """Submit with a delay."""
                wait = 0.02 * (hash(str(args[1:3])) % 3)
                return executor.submit(lambda: (time.sleep(wait), fn(*args))[1])

        assert_frame_equal(cm.sweep(space, metrics=METRICS, executor=Slow(), chunk=11), frame)


# ---- what is known


def layers(*numbers, halves=None):
    """Distinct layers with these keys."""
    keys = np.array([(n, n % 7) for n in numbers] if halves is None else halves, dtype=np.uint64).reshape(-1, 2)
    return keys, np.repeat(keys[:, :1].astype(np.float64), answer_columns(3), axis=1)


def test_a_book_numbers_layers_and_notes_what_they_move():
    """Each has one number for ever; what is noted is found under it."""
    book = Book(3)
    keys, found = layers(9, 2, 5)
    numbers, new = book.numbered(keys)
    assert (numbers.tolist(), new.tolist()) == ([0, 1, 2], [0, 1, 2])
    book.note(numbers[:2], found[:2])
    again, fresh = book.numbered(layers(5, 7, 9)[0])
    assert (again.tolist(), fresh.tolist()) == ([2, 3, 0], [1])
    assert book.known[again].tolist() == [False, False, True]
    assert book.found[again[2]].tolist() == found[0].tolist()


@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12, unique=True), max_size=6))
def test_a_book_tells_layers_apart_that_share_half_a_key(parts):
    """Numbers are one to one with keys of two halves."""
    book, known = Book(3), {}
    for part in parts:
        keys = np.array(part, dtype=np.uint64).reshape(-1, 2)
        numbers, new = book.numbered(keys)
        assert [part[place] for place in new] == [key for key in part if key not in known]
        for key, number in zip(part, numbers.tolist(), strict=True):
            assert known.setdefault(key, number) == number
    assert sorted(known.values()) == list(range(len(known)))


@given(st.lists(KEY, max_size=20), st.sets(KEY))
def test_places_of_keys(wanted, known):
    """As a dictionary finds them."""
    order = sorted(known, key=lambda key: key[0])
    found = places_of(*(np.array(keys, dtype=np.uint64).reshape(-1, 2) for keys in (wanted, order)))
    assert found.tolist() == [order.index(key) if key in known else -1 for key in wanted]


def test_who_is_told_some_maps_the_rest(space):
    """What is told is taken as it is, what is not is searched for: a worker never lacks an answer."""
    listed = layers_of(space, 0, space.size, METRICS)
    levels = space.resolved.most_levels
    right = answers(listed.columns, listed.hierarchies, levels)
    told = Told(listed.keys[::2], right[::2], nests_of(levels))
    assert told.answers(listed).tolist() == right.tolist()
    wrong = Told(listed.keys[::2], right[::2] + 1, nests_of(levels)).answers(listed)
    assert (wrong != right).all(axis=1).tolist() == [place % 2 == 0 for place in range(listed.count)]


def test_a_layer_that_two_chunks_list_at_once_is_queued_once():
    """The second waits for the first's batch."""
    keys = np.array([[1, 1], [2, 2]], dtype=np.uint64)
    digest = np.zeros((2, len(COLUMNS)), dtype=np.int64)
    found = Layers(keys, digest, {bytes(16): None})
    one, two = Chunk(0, 1), Chunk(1, 2)
    flow = Solving(Task(layers_of, b""), Task(evaluate, b""), [one, two], 3)
    lists = [flow.take(4), flow.take(4)]
    assert [job.chunk for job in lists] == [one, two]
    assert flow.take(4) is None
    for job in lists:
        assert list(flow.give(job, found)) == []
    for _ in keys:
        job = flow.take(4)
        assert flow.take(4) is None
        assert len(job.arguments[0]) == 1
        assert list(flow.give(job, np.ones((1, answer_columns(3))))) == []
    priced = [flow.take(4), flow.take(4)]
    assert [job.chunk for job in priced] == [one, two]
    assert [list(flow.give(job, "rows")) for job in priced] == [[(one, "rows")], [(two, "rows")]]
    assert flow.take(4) is None


def test_one_layer_is_mapped_before_all_others():
    """The first worker compiles the search alone, while others list; then batches are given to all, none before."""
    numbers = np.arange(40)
    found = Layers(layers(*numbers)[0], np.zeros((40, len(COLUMNS)), dtype=np.int64), {bytes(16): None})
    flow = Solving(Task(layers_of, b""), Task(evaluate, b""), [Chunk(at, at + 1) for at in range(9)], 3)
    assert list(flow.give(flow.take(4), found)) == []
    jobs = [flow.take(4)]
    while (job := flow.take(4)) is not None:
        jobs.append(job)
    assert [job.function for job in jobs].count(answers) == 1
    assert len({job.chunk for job in jobs}) == len(jobs) > 3
    (first,) = (job for job in jobs if job.function is answers)
    assert len(first.arguments[0]) == 1
    assert list(flow.give(first, np.ones((1, answer_columns(3))))) == []
    sizes = []
    while (job := flow.take(4)) is not None:
        sizes += [len(job.arguments[0])] if job.function is answers else []
    assert sum(sizes) == 39


def test_the_last_batches_are_small():
    """Many layers are dealt in batches worth sending, the last few in small ones, so that nobody waits for a long batch."""
    numbers = np.arange(1000)
    found = Layers(layers(*numbers)[0], np.zeros((1000, len(COLUMNS)), dtype=np.int64), {bytes(16): None})
    flow = Solving(Task(layers_of, b""), Task(evaluate, b""), [Chunk(0, 1)], 3)
    assert list(flow.give(flow.take(6), found)) == []
    sizes, mapped = [], []
    while (job := flow.take(6)) is not None and job.function is answers:
        sizes.append(len(job.arguments[0]))
        mapped += flow.mapping[job].numbers.tolist()
        assert list(flow.give(job, np.ones((sizes[-1], answer_columns(3))))) == []
    assert mapped == list(range(1000))
    assert sizes[0] == 1
    assert sizes[1:] == sorted(sizes[1:], reverse=True)
    assert sizes.count(solving.BATCH) > 6
    assert sizes[-2] == solving.LEAST_BATCH >= sizes[-1]
    assert job.chunk == Chunk(0, 1)


# ---- kept beside the parts


def kept(directory):
    """Layers kept in a directory."""
    return Kept(directory, 3, lambda path, data: path.write_bytes(data) and None)


def test_layers_are_kept_file_by_file(tmp_path):
    """In as many files as were written, each layer once, whatever number of runs wrote it."""
    assert [len(part) for part in kept(tmp_path).load()] == [0, 0]
    for numbers in ((3, 1), (2,), (1, 5)):
        one = kept(tmp_path)
        one.add(*layers(*numbers))
        one.flush()
        one.flush()
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"_mapped-{n:06d}.npz" for n in (1, 2, 3)]
    keys, found = kept(tmp_path).load()
    assert keys[:, 0].tolist() == found[:, 0].tolist() == [1, 2, 3, 5]
    kept(tmp_path).remove()
    assert not list(tmp_path.iterdir())


def test_layers_are_written_now_and_then(tmp_path, monkeypatch):
    """A killed run loses what it found since the last time."""
    now = [0.0]
    monkeypatch.setattr(kept_module, "monotonic", lambda: now[0])
    one = kept(tmp_path)
    for second in range(40):
        now[0] = float(second)
        one.add(*layers(second))
    assert kept(tmp_path).load()[0][:, 0].tolist() == list(range(31))


@pytest.mark.parametrize("data", [b"", b"not a zip", None])
def test_files_that_are_damaged(tmp_path, data):
    """One message that says which, and what to do."""
    file = tmp_path / "_mapped-000001.npz"
    if data is None:
        np.savez(file, keys=np.zeros((2, 2), dtype=np.uint64), found=np.zeros((2, 5)))
    else:
        file.write_bytes(data)
    with pytest.raises(InputError, match=r"_mapped-000001\.npz: is damaged \(.*\); delete it and run again with --resume"):
        kept(tmp_path).load()


def test_what_is_kept_is_not_mapped_again(space, frame, tmp_path, monkeypatch):
    """A run that ends early leaves what it found, and the next one maps the rest; the rows are the same."""
    target, mapped = tmp_path / "o.parquet", []

    def counted(columns, hierarchies, levels):
        mapped.append(len(columns))
        if len(mapped) == 2:
            raise KeyboardInterrupt
        return answers(columns, hierarchies, levels)

    monkeypatch.setattr(solving, "answers", counted)
    with pytest.raises(KeyboardInterrupt, match=r"interrupted: .* run the same command with --resume to go on"):
        cm.stream(space, target, METRICS, chunk=50)
    found = len(kept(target).load()[0])
    assert found == sum(mapped[:-1]) > 0
    mapped[:] = [0] * 2
    report = cm.stream(space, target, METRICS, resume=True)
    assert found + sum(mapped) == layers_of(space, 0, space.size, METRICS).count
    assert report.finished
    assert not list(target.glob("_mapped*"))
    assert_frame_equal(pd.read_parquet(target), frame, check_dtype=False)


PARENT = """
    import os, signal, sys
    import costmodel as cm
    from costmodel.explore import kept, solving

    kept.EVERY_S = 0.0
    before, count = solving.Book.note, [0]

    def noted(self, numbers, found):
        before(self, numbers, found)
        count[0] += 1
        if count[0] == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    if __name__ == "__main__":
        solving.Book.note = noted
        cm.stream(sys.argv[1], sys.argv[2], sys.argv[3].split(","), workers=2, chunk=50)
    """


def test_a_parent_that_is_killed(frame, tmp_path):
    """What was written of layers is there, and nothing is half written; another run ends with the same rows."""
    file, target = space_file(tmp_path, space=AIMED), tmp_path / "o.parquet"
    script = tmp_path / "parent.py"
    script.write_text(dedent(PARENT), encoding="utf-8")
    words = [sys.executable, str(script), str(file), str(target), ",".join(METRICS)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=ROOT_ENVIRONMENT, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(kept(target).load()[0]) > 0
    report = cm.stream(cm.DesignSpace.load(file), target, METRICS, workers=2, resume=True)
    assert report.finished
    found = pd.read_parquet(target).drop(columns="problem")
    assert_frame_equal(found, frame.drop(columns="problem"), check_dtype=False)


def test_a_worker_that_is_killed(frame, tmp_path):
    """Other workers go on where it was, whatever it was at."""
    space = chain_space(tmp_path, "SIGKILL self", AIMED)
    report = cm.stream(space, tmp_path / "o.parquet", METRICS, workers=2, chunk=20)
    assert not (tmp_path / "act").exists()
    found = pd.read_parquet(report.path).drop(columns="problem")
    assert_frame_equal(found, frame.drop(columns="problem"), check_dtype=False)


def test_another_objective_is_another_run(tmp_path):
    """Refused by the digest, with the field that has changed."""
    file, target = space_file(tmp_path, space=AIMED), tmp_path / "o.parquet"
    cm.stream(file, target, METRICS)
    changed = space_file(tmp_path, space=AIMED.replace("objective: energy", "objective: latency"))
    with pytest.raises(InputError, match=r"--resume continues the same run only: the space has changed in objective\."):
        cm.stream(changed, target, METRICS, resume=True)


def test_a_disk_that_is_full(space, tmp_path, monkeypatch):
    """Layers that cannot be written end the run as parts do, and what is there stays."""
    monkeypatch.setattr(kept_module, "EVERY_S", 0.0)
    real = run.parts.write_durably

    def full(target, data):
        if target.name.startswith("_mapped"):
            raise OSError(28, os.strerror(28))
        real(target, data)

    monkeypatch.setattr(run.parts, "write_durably", full)
    with pytest.raises(run.UnwrittenError, match=r"_mapped-000001\.npz: cannot be written: No space left on device"):
        cm.stream(space, tmp_path / "o.parquet", METRICS, chunk=50)
    monkeypatch.undo()
    assert cm.stream(space, tmp_path / "o.parquet", METRICS, resume=True).finished


def test_a_payload_is_small(space):
    """It goes with every job."""
    assert len(payload_of(space, METRICS)) < 2000
    assert list(flowing(Solving(Task(layers_of, b""), Task(evaluate, b""), [], 3), pool_of(None))) == []
