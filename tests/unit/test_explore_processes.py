"""Runs on processes: worker processes, clusters of Dask, and processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import costmodel as cm
from costmodel.errors import InputError
from costmodel.explore import dask_workers, manifest, workers
from costmodel.explore.chunks import Chunk
from costmodel.explore.engine import Task, WorkerError, completed
from tests.unit.run_spaces import FEASIBLE, METRICS, POINTS, PROBLEMS, chain_space, space_file

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
SWEEP = (sys.executable, "-m", "costmodel", "sweep")


def command(file, output, *more):
    """Run the command in a process group of its own, as a shell does."""
    words = [*SWEEP, str(file), "-o", str(output), "--metrics", ",".join(METRICS), "--chunk", "20", *more]
    return subprocess.run(words, check=False, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def alone(space):
    """The rows as one process computes them."""
    return cm.sweep(space, metrics=METRICS)


def same_rows(path, expected):
    """A data set holds these rows."""
    assert_frame_equal(pd.read_parquet(path), expected, check_dtype=False)


def test_processes_of_any_kind_give_the_same_frame(tmp_path):
    """Spawned workers load the space themselves."""
    space = chain_space(tmp_path)
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        for chunk in (None, 37):
            assert_frame_equal(cm.sweep(space, metrics=METRICS, executor=executor, chunk=chunk), alone(space))


def test_a_worker_that_is_killed(tmp_path):
    """Other workers go on where it was; no row is lost or doubled."""
    space = chain_space(tmp_path, "SIGKILL self")
    report = cm.stream(space, tmp_path / "o.parquet", METRICS, workers=2, chunk=20)
    assert not (tmp_path / "act").exists()
    assert (report.rows, report.problems, report.parts) == (FEASIBLE, PROBLEMS, POINTS // 20)
    same_rows(report.path, alone(space))


def test_a_worker_of_somebody_else_that_is_killed(tmp_path):
    """A pool that others opened is not opened again: one message, and a directory to continue from."""
    space = chain_space(tmp_path, "SIGKILL self")
    target = tmp_path / "o.parquet"
    lost = pytest.raises(WorkerError, match="a worker was lost")
    with ProcessPoolExecutor(1, get_context("spawn")) as executor, lost as caught:
        cm.stream(space, target, METRICS, executor=executor, chunk=20)
    assert "run the same command with --resume to go on" in caught.value.problems[1]
    before = len(list(target.glob("part-*")))
    report = cm.stream(space, target, METRICS, resume=True)
    assert (report.resumed_parts, report.rows) == (before, FEASIBLE)
    same_rows(target, alone(space))


def test_a_run_that_is_killed(tmp_path):
    """Its workers end by themselves, what is on disk is whole, and --resume adds what is missing."""
    file = space_file(tmp_path, "SIGKILL parent")
    target = tmp_path / "o.parquet"
    killed = command(file, target, "--workers", "2")
    assert killed.returncode == -signal.SIGKILL
    there = len(list(target.glob("part-*")))
    assert there < POINTS // 20
    assert not manifest.read(target).finished
    resumed = command(file, target, "--workers", "2", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{FEASIBLE} rows of {POINTS} points in 12 parts" in resumed.stderr
    same_rows(target, alone(cm.DesignSpace.load(file)))


def test_workers_end_with_their_parent(tmp_path):
    """Whatever they are at: none is left over when the run is killed."""
    program = (
        "import os, sys, time\nfrom pathlib import Path\nfrom costmodel.explore.workers import processes\n"
        "if __name__ == '__main__':\n"
        "    with processes(2).opened() as executor:\n"
        "        print(*executor.map(abs, [1, 2]), executor.submit(os.getpid).result(), flush=True)\n"
        "        executor.submit(time.sleep, 600)\n"
        "        executor.submit(time.sleep, 600)\n"
        "        time.sleep(600)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(program, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    one, two, worker = parent.stdout.readline().split()
    assert (one, two, alive(int(worker))) == ("1", "2", True)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while alive(int(worker)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(worker))


def alive(pid):
    """Whether a process runs, zombies left out."""
    status = Path(f"/proc/{pid}/stat")
    if status.parent.parent.joinpath("self").exists():
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("more", [("--workers", "2"), ()])
def test_an_interrupt(tmp_path, more):
    """Ctrl-C: one line that says how to go on, exit code 130, no traceback of any process, a directory to continue."""
    file = space_file(tmp_path, f"SIGINT {'parent' if more else 'self'}")
    target = tmp_path / "o.parquet"
    result = command(file, target, *more)
    assert (result.returncode, result.stdout) == (130, "")
    assert result.stderr.startswith("\ninterrupted: ")  # click goes to a new line, below the ^C
    assert result.stderr.endswith(f"0 of {POINTS} points are in {target}; run the same command with --resume to go on\n")
    assert result.stderr.count("\n") == 2
    assert command(file, target, "--resume").returncode == 0
    same_rows(target, alone(cm.DesignSpace.load(file)))


def deadly(_payload, start, _stop):
    """Die at one chunk."""
    if start == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return start


def test_a_chunk_that_kills_every_worker():
    """What comes before is done once, then the run ends with the chunk that cannot be."""
    found = []
    results = completed(Task(deadly, b""), [Chunk(i, i + 1) for i in range(4)], workers.processes(1))
    message = r"workers were lost 3 times in a row .* chunk being points 2 to 2: .* below if __name__"
    with pytest.raises(WorkerError, match=message):
        found.extend(chunk.start for chunk, _ in results)
    assert sorted(found) == [0, 1]


def threads():
    """Settings that a worker sees."""
    return {name: os.environ.get(name) for name in workers.THREADS}


def test_workers_have_one_thread_each(monkeypatch):
    """Unless the user says otherwise; the settings of this process are as before."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with workers.processes(1).opened() as executor:
        found = executor.submit(threads).result()
    assert found == {**dict.fromkeys(workers.THREADS, "1"), "OMP_NUM_THREADS": "3"}
    assert dict(os.environ) == before


@pytest.mark.parametrize("count", [0, -1, 5000])
def test_numbers_of_workers_that_cannot_be(count):
    """What was given, and what can be."""
    with pytest.raises(InputError, match=f"workers: {count}; give a number from 1 to 1024"):
        workers.processes(count)


# ---- Dask


@pytest.fixture(scope="module")
def cluster():
    """A real cluster of two worker processes."""
    from distributed import Client, LocalCluster

    with workers.single_threaded():
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=dask_workers.ANY_PORT)
    with cluster, Client(cluster) as client:
        yield client


def test_a_cluster_gives_the_same_frame(tmp_path, cluster):
    """Every chunk on one of two workers."""
    space = chain_space(tmp_path)
    for chunk in (None, 37):
        assert_frame_equal(cm.sweep(space, metrics=METRICS, executor=cluster.get_executor(), chunk=chunk), alone(space))


def test_a_scheduler_by_its_address(tmp_path, cluster):
    """The same data set, also where a worker is killed meanwhile: Dask starts another."""
    file = space_file(tmp_path, "SIGKILL self")
    space = cm.DesignSpace.load(file)
    report = cm.stream(space, tmp_path / "o.parquet", METRICS, dask=cluster.scheduler.address, chunk=20)
    assert not (tmp_path / "act").exists()
    assert (report.rows, report.parts) == (FEASIBLE, POINTS // 20)
    same_rows(report.path, alone(space))


def test_a_cluster_whose_chunk_kills_every_worker(cluster):
    """Dask gives up after a few; one message."""
    from costmodel.explore.engine import pool_of

    with pytest.raises(WorkerError, match=r"a worker was lost \(KilledWorker\)"):
        list(completed(Task(deadly, b""), [Chunk(2, 3)], pool_of(cluster.get_executor(pure=False))))


SCHEDULER = """
import time
from distributed import LocalCluster

if __name__ == "__main__":
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    print(cluster.scheduler_address, flush=True)
    time.sleep(600)
"""


def test_a_cluster_that_ends_meanwhile(tmp_path, capfd):
    """The run ends as well, with one message, no traceback of Dask, and a directory to continue."""
    (tmp_path / "scheduler.py").write_text(SCHEDULER, encoding="utf-8")
    words = [sys.executable, str(tmp_path / "scheduler.py")]
    scheduler = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    space = chain_space(tmp_path)

    def told(report):
        if report.parts == 1:
            scheduler.kill()

    address, target = scheduler.stdout.readline().strip(), tmp_path / "o.parquet"
    with config_set(), pytest.raises(WorkerError, match="a worker was lost") as caught:
        cm.stream(space, target, METRICS, dask=address, chunk=1, progress=told)
    scheduler.communicate()
    assert "run the same command with --resume to go on" in caught.value.problems[1]
    assert "Traceback" not in capfd.readouterr().err
    same_rows(cm.stream(space, target, METRICS, resume=True).path, alone(space))


def config_set():
    """Dask gives a scheduler half a minute to come back; a test does not."""
    import dask

    return dask.config.set({"distributed.comm.timeouts.connect": "1s"})


def test_errors_on_a_cluster_are_the_caller_s(tmp_path, cluster):
    """A worker that sees another file says so, and not with a traceback of Dask."""
    space = chain_space(tmp_path)
    builder = tmp_path / "chain.py"
    space.digest  # noqa: B018 - of the file as it is
    builder.write_text(builder.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(InputError, match="chains: a worker has another version of costmodel than the run, or other files"):
        cm.sweep(space, metrics=METRICS, executor=cluster.get_executor())


def test_a_cluster_started_for_the_command(tmp_path):
    """``--dask local``: the same rows, and nothing of Dask on the terminal."""
    file = space_file(tmp_path)
    result = command(file, tmp_path / "o.parquet", "--dask", "local", "--workers", "2")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (0, "", 1), result.stderr
    same_rows(tmp_path / "o.parquet", alone(cm.DesignSpace.load(file)))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere://x"])
def test_a_scheduler_that_does_not_answer(tmp_path, monkeypatch, address):
    """One message soon, which says what to start; nothing of the run is left that would stand in the way."""
    monkeypatch.setattr(dask_workers, "PATIENCE_S", 1)
    message = rf"--dask {address}: no scheduler answers within 1 s .*start one with `dask scheduler`"
    with pytest.raises(InputError, match=message):
        cm.stream(chain_space(tmp_path), tmp_path / "o.parquet", METRICS, dask=address)
    assert not (tmp_path / "o.parquet").exists()


def test_workers_of_a_cluster_that_is_there(tmp_path):
    """Their number is not ours to say."""
    with pytest.raises(InputError, match=r"--workers 3: the cluster at tcp://h:1 has its own workers"):
        cm.stream(chain_space(tmp_path), tmp_path / "o.parquet", METRICS, dask="tcp://h:1", workers=3)


def test_dask_that_is_not_installed(tmp_path, monkeypatch):
    """What to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"Dask is not installed: pip install 'nn-costmodel\[dask\]'"):
        cm.stream(chain_space(tmp_path), tmp_path / "o.parquet", METRICS, dask="local")
