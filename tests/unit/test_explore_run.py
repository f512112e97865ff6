"""Design spaces as a whole: one frame on every executor, one data set whatever happens to the run that writes it."""

from __future__ import annotations

import errno
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore import manifest, parts, run
from costmodel.explore.evaluate import evaluate
from tests.unit.run_spaces import FEASIBLE, METRICS, POINTS, PROBLEMS, SPACE, chain_space, space_file, swept


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    """A small space with constraints and errors at some points."""
    return chain_space(tmp_path_factory.mktemp("space"))


@pytest.fixture(scope="module")
def frame(space):
    """Its rows, evaluated at once."""
    return cm.sweep(space, metrics=METRICS)


def same_rows(path, expected):
    """A data set holds these rows, in the order of the points, where files are read by name."""
    found = pd.read_parquet(path)
    assert_frame_equal(found, expected, check_dtype=False)


# ---- a frame


def test_a_frame_is_what_evaluation_gives(space, frame):
    """Points that meet the constraints, what varies, the metrics, and the problem of a point that has one."""
    expected = evaluate(space, 0, POINTS, METRICS)
    assert (len(frame), int((frame["problem"] != "").sum())) == (FEASIBLE, PROBLEMS)
    assert list(frame.columns) == ["point", *space.names, *METRICS, "problem"]
    for name, column in expected.items():
        np.testing.assert_array_equal(frame[name].to_numpy(), column)


def test_every_row_is_the_analysis_of_its_point(space, frame):
    """Drawn from all over the frame."""
    for row in frame[frame["problem"] == ""].iloc[::17].to_dict("records"):
        network = f"{space.network}:width={row['net.width']},depth={row['net.depth']},kind={row['net.kind']}"
        totals = cm.analyze(network, row["hardware"], row["batch"], objective="none").totals
        assert (row["params"], row["macs"], row["dram_bytes"]) == (totals.params, totals.macs, totals.dram_bytes)
        assert row["energy_j"] == pytest.approx(totals.energy_j.value, rel=1e-12)


def test_whole_numbers_are_integers_where_none_is_missing(space, tmp_path):
    """As in the frame of a builder's sweep."""
    assert cm.sweep(space, metrics=["macs"])["macs"].dtype == np.float64
    whole = chain_space(tmp_path, space=SPACE.replace("[1, 2, 4]", "[1, 2]"))
    found = cm.sweep(whole, metrics=["macs", "energy_j"])
    assert (found["macs"].dtype, found["energy_j"].dtype) == (np.int64, np.float64)


@settings(max_examples=12)
@given(chunk=st.integers(1, POINTS + 5), workers=st.integers(0, 3))
def test_frames_do_not_depend_on_chunks_or_threads(space, frame, chunk, workers):
    """Bit for bit, problems included."""
    assert_frame_equal(swept(space, METRICS, chunk, workers), frame)


CROWDED = """
import time
import costmodel as cm

INSIDE = []


def build(width: cm.Dim = 8, depth: int = 1) -> cm.Graph:
    INSIDE.append(depth)
    print("building")
    time.sleep(0.002)
    alone = len(INSIDE) == 1
    INSIDE.pop()
    if not alone:
        raise RuntimeError("another thread is building")
    g = cm.Graph("chain")
    x = g.input("x", (1, 16))
    for index in range(depth):
        x = g.linear(f"fc{index}", x, width)
    return g
"""


def test_threads_take_turns(tmp_path, capsys):
    """A file of a network is run by one thread at a time: its output goes to stderr, and that of the process stays its own."""
    (tmp_path / "crowded.py").write_text(CROWDED, encoding="utf-8")
    axes = {"net.depth": [1, 2, 3, 4], "net.width": [4, 8, 12]}
    space = cm.DesignSpace(name="crowded", network=str(tmp_path / "crowded.py"), hardware="snapdragon", axes=axes)
    before = sys.stdout
    with ThreadPoolExecutor(4) as executor:
        found = cm.sweep(space, metrics=["dram_bytes"], executor=executor, chunk=1)
    assert sys.stdout is before
    assert found["problem"].tolist() == [""] * 12
    out, err = capsys.readouterr()
    assert (out, err.count("building")) == ("", 12)


def test_all_columns_of_an_analysis_by_default():
    """As for a builder."""
    space = cm.DesignSpace(name="one", network="autoencoder", hardware="snapdragon")
    assert list(cm.sweep(space).columns) == ["point", *run.SUMMED, "problem"]


def test_a_space_by_its_file(tmp_path, frame):
    """A path stands for the space in it."""
    found = cm.sweep(space_file(tmp_path), metrics=METRICS)
    assert_frame_equal(found.drop(columns="problem"), frame.drop(columns="problem"))


def test_metrics_that_do_not_exist(space):
    """Before anything is computed."""
    with pytest.raises(InputError, match=r"no metric energy \(did you mean 'energy_j'\?\)"):
        cm.sweep(space, metrics=["energy"])


@pytest.mark.parametrize("call", [cm.sweep, lambda space: cm.stream(space, "never.parquet")])
def test_constraints_that_no_point_meets(tmp_path, monkeypatch, call):
    """One message, and no directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    space = chain_space(tmp_path / "there", space=SPACE.replace("<= 100", "<= 1"))
    with pytest.raises(InputError, match=rf"chains: none of its {POINTS} points meets the constraints; relax one of them"):
        call(space)
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


def test_constraints_that_few_points_meet(tmp_path, monkeypatch):
    """The first of them is looked for slice by slice."""
    monkeypatch.setattr(run, "SCANNED", 7)
    space = chain_space(tmp_path, space=SPACE.replace("net.depth * net.width <= 100", "net.depth * net.width >= 160"))
    assert len(cm.sweep(space, metrics=["macs"], chunk=13)) == 2 * 2 * 2


def test_options_that_a_space_has_itself(space):
    """Axes, hardware, batch and dtype are the file's; executors are not for builders."""
    for more in ({"axes": {}}, {"hw": "snapdragon"}, {"batch": 2}, {"dtype": "int8"}):
        with pytest.raises(InputError, match="chains says its axes, hardware, batch and dtype itself"):
            cm.sweep(space, **more)
    with pytest.raises(InputError, match="a builder needs axes and hw"):
        cm.sweep("squeezenet", {"base_e": [64]})
    with pytest.raises(InputError, match="takes neither executor nor chunk"):
        cm.sweep("squeezenet", {"base_e": [64]}, "snapdragon", chunk=3)
    with pytest.raises(InputError, match="'squeezenet' is no DesignSpace"):
        cm.stream("squeezenet", "x.parquet")


# ---- a data set


@pytest.mark.parametrize("chunk", [None, 1000, 20, 7])
def test_a_data_set_holds_the_frame(space, frame, tmp_path, chunk):
    """In as many parts as there are chunks, with a manifest that says so."""
    report = cm.stream(space, tmp_path / "o.parquet", METRICS, chunk=chunk)
    same_rows(report.path, frame)
    size = chunk or 256
    assert report == run.RunReport(tmp_path / "o.parquet", POINTS, POINTS, FEASIBLE, PROBLEMS, -(-POINTS // size))
    said = json.loads((report.path / manifest.NAME).read_text(encoding="utf-8"))
    assert said["finished"] is True
    assert (said["rows"], said["problems"], said["chunk_points"]) == (FEASIBLE, PROBLEMS, size)
    assert (said["digest"], said["metrics"]) == (space.digest, list(METRICS))


def test_threads_write_the_same_files(space, tmp_path):
    """Byte for byte."""
    alone = cm.stream(space, tmp_path / "alone.parquet", METRICS, chunk=20)
    with ThreadPoolExecutor(3) as executor:
        together = cm.stream(space, tmp_path / "together.parquet", METRICS, executor=executor, chunk=20)
    assert contents(alone.path) == contents(together.path)


def contents(directory):
    """Files of a run by name."""
    return {file.name: file.read_bytes() for file in directory.iterdir()}


class StopRunError(Exception):
    """What ends a run in these tests."""


def stopped_after(count, error=StopRunError):
    """Progress that ends a run when so many parts are on disk."""

    def told(report):
        if report.parts - report.resumed_parts == count:
            raise error

    return told


@settings(max_examples=8)
@given(stops=st.lists(st.integers(0, 3), max_size=3), chunk=st.sampled_from([20, 31]))
def test_a_run_that_ends_anywhere_is_resumed(space, tmp_path_factory, stops, chunk):
    """Again and again, also before the first part: the files are those of a run that nothing ended."""
    directory = tmp_path_factory.mktemp("run")
    whole = cm.stream(space, directory / "whole.parquet", METRICS, chunk=chunk)
    target = directory / "torn.parquet"
    for count in stops:
        with suppress(StopRunError):  # what is left may be less than that
            cm.stream(space, target, METRICS, chunk=chunk, resume=True, progress=stopped_after(count))
    report = cm.stream(space, target, METRICS, chunk=chunk, resume=True)
    assert (report.resumed_parts, report.parts, report.rows) == (min(sum(stops), whole.parts), whole.parts, FEASIBLE)
    assert contents(target) == contents(whole.path)


def test_progress_counts_what_is_on_disk(space, tmp_path):
    """From nothing to everything; after a resume from what was there."""
    told = []
    cm.stream(space, tmp_path / "o.parquet", METRICS, chunk=50, progress=told.append)
    assert [report.done for report in told] == [0, 50, 100, 150, 200, 240]
    assert [report.finished for report in told] == [False] * 5 + [True]
    (tmp_path / "o.parquet" / parts.part_name(run.Chunk(50, 100))).unlink()
    again = []
    cm.stream(space, tmp_path / "o.parquet", METRICS, progress=again.append, resume=True)
    assert [(report.done, report.resumed, report.resumed_parts) for report in again] == [(190, 190, 4), (240, 190, 4)]


def test_resuming_evaluates_only_what_is_missing(space, tmp_path, monkeypatch):
    """Parts that are there are not computed again; a finished run computes nothing."""
    first = cm.stream(space, tmp_path / "o.parquet", METRICS, chunk=60)
    seen = []

    def recorded(space, start, stop, metrics, _nests):
        seen.append((start, stop))
        return evaluate(space, start, stop, metrics)

    monkeypatch.setattr(run, "evaluate", recorded)
    (first.path / parts.part_name(run.Chunk(120, 180))).unlink()
    (first.path / ".part-000000000120-000000000180.parquet.abc.tmp").write_bytes(b"half a part")
    before = contents(first.path)
    assert cm.stream(space, first.path, METRICS, resume=True).rows == FEASIBLE
    assert seen == [(120, 180)]
    assert cm.stream(space, first.path, METRICS, resume=True).resumed_parts == 4
    assert seen == [(120, 180)]
    assert {name for name in contents(first.path) if name.endswith(".tmp")} == set()
    assert set(contents(first.path)) == {name for name in before if not name.endswith(".tmp")} | {
        parts.part_name(run.Chunk(120, 180))
    }


def test_an_interrupt_says_how_to_go_on(space, tmp_path):
    """The directory is left ready."""
    with pytest.raises(KeyboardInterrupt, match=r"interrupted: 40 of 240 points are in .*o\.parquet; run .* --resume"):
        cm.stream(space, tmp_path / "o.parquet", METRICS, chunk=20, progress=stopped_after(2, KeyboardInterrupt))
    assert not manifest.read(tmp_path / "o.parquet").finished
    assert cm.stream(space, tmp_path / "o.parquet", METRICS, resume=True).resumed_parts == 2


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_full_disk(space, frame, tmp_path, monkeypatch, after):
    """One message that says where the run stands, nothing half-written, and a resume when there is room again."""
    writes = []
    sync = parts.os.fsync

    def filling(descriptor):
        writes.append(descriptor)
        if len(writes) > 2 * after:  # a file and its directory
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    target = tmp_path / "o.parquet"
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", filling)
        with pytest.raises(run.UnwrittenError, match="cannot be written: No space left on device") as caught:
            cm.stream(space, target, METRICS, chunk=20)
    assert [file.name for file in target.iterdir() if file.suffix == ".tmp"] == []
    if after:
        assert caught.value.problems[1:] == (run.left_in(run.RunReport(target, POINTS, 20 * (after - 1))),)
    same_rows(cm.stream(space, target, METRICS, resume=True, chunk=20).path, frame)


# ---- what is refused


def test_an_output_that_exists(space, tmp_path):
    """A run, another directory or a file: none is touched without being asked, and only a run with being asked."""
    cm.stream(space, tmp_path / "o.parquet", METRICS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file.parquet").write_text("mine", encoding="utf-8")
    for name in ("o.parquet", "mine", "file.parquet"):
        with pytest.raises(InputError, match=f"{name}: exists; give --resume to continue the run in it, or another -o"):
            cm.stream(space, tmp_path / name, METRICS)
    for name in ("mine", "file.parquet"):
        with pytest.raises(InputError, match=f"{name}: is no directory of a run, so there is nothing to resume"):
            cm.stream(space, tmp_path / name, METRICS, resume=True)
    assert (tmp_path / "mine" / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_directory_without_parent(space, tmp_path):
    """It is not created, whatever its name would be a slip of."""
    with pytest.raises(InputError, match=r"the directory .*nowhere does not exist; create it first"):
        cm.stream(space, tmp_path / "nowhere" / "o.parquet", METRICS)


def test_resuming_what_never_began(space, frame, tmp_path):
    """A script may always say --resume; also where the run was killed before its manifest was there."""
    same_rows(cm.stream(space, tmp_path / "new.parquet", METRICS, resume=True).path, frame)
    killed = tmp_path / "killed.parquet"
    killed.mkdir()
    (killed / "._run.json.abc.tmp").write_bytes(b"{")
    (killed / manifest.LOCK).touch()
    same_rows(cm.stream(space, killed, METRICS, resume=True).path, frame)


def test_another_run_is_not_continued(space, tmp_path):
    """Metrics, chunks, the space, and the files it names; each is said."""
    target = tmp_path / "o.parquet"
    with pytest.raises(StopRunError):
        cm.stream(space, target, METRICS, chunk=20, progress=stopped_after(2))
    before = contents(target)
    (tmp_path / "other").mkdir()
    wider = chain_space(tmp_path / "other", space=SPACE.replace("4:40:4", "4:44:4"))
    file = space_file(tmp_path)
    builder = tmp_path / "chain.py"
    builder.write_text(builder.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    for now, options, reason in (
        (space, {"metrics": ["macs"]}, "the metrics were params, macs, dram_bytes, energy_j and are macs"),
        (space, {"chunk": 30}, "chunks were of 20 points and are of 30"),
        (wider, {}, r"the space has changed in axes\.net\.width"),
        (file, {}, "the space has changed in a file of a network or of the hardware"),
    ):
        with pytest.raises(InputError, match=f"--resume continues the same run only: {reason}. Undo that, or give another -o"):
            cm.stream(now, target, **{"metrics": METRICS, "resume": True, **options})
    assert contents(target) == before


def test_the_same_space_elsewhere_is_continued(space, frame, tmp_path):
    """Where its files are does not matter; what is in them does."""
    target = tmp_path / "o.parquet"
    with pytest.raises(StopRunError):
        cm.stream(space, target, METRICS, chunk=20, progress=stopped_after(2))
    same = cm.stream(space_file(tmp_path), target, METRICS, resume=True)
    assert (same.resumed_parts, same.rows) == (2, len(frame))


def test_parts_of_another_run(space, tmp_path):
    """A part that the run does not have is named, not counted."""
    target = cm.stream(space, tmp_path / "o.parquet", METRICS, chunk=20).path
    (target / parts.part_name(run.Chunk(0, 20))).rename(target / parts.part_name(run.Chunk(0, 30)))
    with pytest.raises(InputError, match=r"is not of this run, whose chunks have 20 points; move it away"):
        cm.stream(space, target, METRICS, resume=True)


def test_two_runs_on_one_directory(space, tmp_path):
    """The second is refused while the first runs."""
    target = tmp_path / "o.parquet"
    refusals = []

    def again(report):
        if report.parts == 1:
            with pytest.raises(InputError, match="another run is writing there") as caught:
                cm.stream(space, target, METRICS, resume=True)
            refusals.append(caught.value)

    assert cm.stream(space, target, METRICS, chunk=20, progress=again).rows == FEASIBLE
    assert len(refusals) == 1


# ---- in a worker


def test_a_payload_is_small_and_loaded_once(space):
    """What goes with every chunk is the description, not what it stands for."""
    payload = run.payload_of(space, METRICS)
    assert len(payload) < 2000
    assert run.unpacked(payload)[0] is run.unpacked(payload)[0]
    assert (run.unpacked(payload)[0].digest, run.unpacked(payload)[1]) == (space.digest, METRICS)


def test_a_worker_with_other_files(tmp_path):
    """A builder that changed between the run and the worker's load, or another version there, is not evaluated."""
    space = chain_space(tmp_path)
    payload = run.payload_of(space, METRICS)
    builder = tmp_path / "chain.py"
    builder.write_text(builder.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(InputError, match="chains: a worker has another version of costmodel than the run, or other files"):
        run.columns_of(payload, 0, 10)


def test_pools_exclude_each_other(space, tmp_path):
    """One place to evaluate."""
    with ThreadPoolExecutor(1) as executor, pytest.raises(InputError, match="give one of workers, dask and executor"):
        cm.stream(space, tmp_path / "o.parquet", METRICS, executor=executor, workers=2)
    with pytest.raises(InputError, match="workers: 0; give a number from 1 to 1024"):
        cm.stream(space, tmp_path / "o.parquet", METRICS, workers=0)
