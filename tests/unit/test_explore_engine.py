"""Chunks on executors: each once, few in flight, and what happens where a worker dies or an evaluation fails."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import InputError
from costmodel.explore.chunks import chunks
from costmodel.explore.engine import (
    FALLBACK_IN_FLIGHT,
    LOSSES,
    Inline,
    Pool,
    Task,
    WorkerError,
    completed,
    in_flight,
    pool_of,
)


def summed(payload, start, stop):
    """Stands for an evaluation."""
    return len(payload) + sum(range(start, stop))


TASK = Task(summed, b"abc")


class Manual(Executor):
    """Completes what it was given in an order of its own, and knows how much was in flight."""

    def __init__(self, order):
        self.order = order
        self.waiting = []
        self.most = 0

    def submit(self, fn, /, *args, **kwargs):
        """Keep it; complete one of those kept when there are four."""
        future = Future()
        self.waiting.append((future, fn, args, kwargs))
        self.most = max(self.most, len(self.waiting))
        while len(self.waiting) >= 4:
            self.complete()
        return future

    def complete(self):
        """Complete one of those kept."""
        future, fn, args, kwargs = self.waiting.pop(self.order.draw(st.integers(0, len(self.waiting) - 1)))
        future.set_result(fn(*args, **kwargs))


@given(size=st.integers(0, 200), points=st.integers(1, 50), workers=st.integers(1, 4))
def test_every_chunk_comes_back_once(size, points, workers):
    """With its own result, on threads and in the caller's own."""
    expected = {chunk: summed(b"abc", chunk.start, chunk.stop) for chunk in chunks(size, points)}
    with ThreadPoolExecutor(workers) as executor:
        for pool in (pool_of(None), pool_of(executor)):
            found = list(completed(TASK, chunks(size, points), pool))
            assert dict(found) == expected
            assert len(found) == len(expected)


@given(data=st.data(), window=st.integers(4, 9))
def test_any_order_of_completion(data, window):
    """Chunks come as they complete, none is lost, and no more than the window are in flight."""
    executor = Manual(data)
    found = []
    pool = Pool(opened=lambda: opened(executor), in_flight=lambda: window)
    results = completed(TASK, chunks(100, 3), pool)
    for _ in range(34):
        while not any(future.done() for future, *_ in executor.waiting) and 0 < len(executor.waiting) < 4 and len(found) > 26:
            executor.complete()
        found.append(next(results)[0])
    assert sorted(found) == list(chunks(100, 3))


@contextmanager
def opened(executor):
    """An executor that stays open."""
    yield executor


def test_few_chunks_are_in_flight():
    """While one result is held, at most the window of others is submitted: memory does not grow with the space."""
    lock, submitted = Lock(), []

    class Counting(ThreadPoolExecutor):
        def submit(self, fn, /, *args, **kwargs):
            with lock:
                submitted.append(args)
            return super().submit(fn, *args, **kwargs)

    with Counting(2) as executor:
        taken = 0
        for _ in completed(TASK, chunks(1000, 1), pool_of(executor)):
            taken += 1
            assert len(submitted) <= taken + in_flight(2)
    assert taken == len(submitted) == 1000


def test_chunks_are_taken_as_they_are_needed():
    """A space of a billion points is no list of chunks."""

    def endless():
        yield from chunks(10**15, 1)

    results = completed(TASK, endless(), pool_of(None))
    with closing(results):
        assert [next(results)[0].start for _ in range(3)] == [0, 1, 2]


def test_no_chunks_open_no_pool():
    """A run that is finished already starts no workers."""
    assert list(completed(TASK, [], Pool(lambda: 1 / 0, lambda: 1))) == []


def test_the_window_follows_a_cluster_that_grows():
    """The number of workers is asked again while the run goes on."""
    sizes = iter([2, 5])
    asked = []

    def window():
        asked.append(next(sizes, 9))
        return asked[-1]

    with ThreadPoolExecutor(2) as executor:
        found = list(completed(TASK, chunks(50, 1), Pool(lambda: opened(executor), window)))
    assert len(found) == 50
    assert asked[:2] == [2, 5]
    assert len(asked) > 2


def test_windows():
    """As many as the executor's workers need; a fixed number where it does not say."""
    with ThreadPoolExecutor(3) as executor:
        assert pool_of(executor).in_flight() == 8
    assert pool_of(None).in_flight() == 1
    assert pool_of(Inline()).in_flight() == FALLBACK_IN_FLIGHT


def failing(_payload, start, _stop):
    """Stands for an evaluation that cannot be."""
    if start == 20:
        raise InputError("no such metric")
    return start


def test_an_error_of_an_evaluation_is_the_caller_s():
    """As it is, and what was submitted is cancelled."""
    for pool in (pool_of(None), pool_of(ThreadPoolExecutor(2))):
        with pytest.raises(InputError, match="no such metric"):
            list(completed(Task(failing, b""), chunks(100, 10), pool))


def test_an_interrupt_is_not_kept_for_later():
    """Ctrl-C in the calling thread ends the run."""

    def interrupted(_payload, _start, _stop):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(completed(Task(interrupted, b""), chunks(10, 1), pool_of(None)))


def test_a_caller_that_leaves_cancels_the_rest():
    """Futures that did not begin never do."""
    futures = []

    class Recording(Inline):
        def submit(self, fn, /, *args, **kwargs):
            future = super().submit(fn, *args, **kwargs) if not futures else Future()
            futures.append(future)
            return future

    with closing(completed(TASK, chunks(100, 1), pool_of(Recording()))) as results:
        next(results)
    assert len(futures) == FALLBACK_IN_FLIGHT
    assert all(future.cancelled() for future in futures[1:])


class Mortal(Inline):
    """Breaks when a chunk is submitted that it was told to die at."""

    def __init__(self, deadly):
        self.deadly = deadly

    def submit(self, fn, /, *args, **kwargs):
        """Evaluate or break."""
        if args[1] in self.deadly:
            self.deadly.remove(args[1])
            raise BrokenExecutor("a process was terminated abruptly")
        return super().submit(fn, *args, **kwargs)


def test_a_pool_is_opened_again_where_a_worker_dies():
    """Without a lost or doubled chunk; what was done is not done again."""
    deadly, opens = [10, 30, 30, 70], []

    @contextmanager
    def mortal():
        opens.append(1)
        yield Mortal(deadly)

    found = list(completed(TASK, chunks(100, 10), Pool(mortal, lambda: 3, reopens=True)))
    assert sorted(chunk for chunk, _ in found) == list(chunks(100, 10))
    assert len(found) == 10
    assert len(opens) == 5


def test_workers_that_keep_dying_end_the_run():
    """After a few times without progress, with the chunk that was first."""
    opens = []

    @contextmanager
    def deadly():
        opens.append(1)
        yield Mortal([0] * 99)

    with pytest.raises(WorkerError, match=r"workers were lost 3 times in a row .* points 0 to 9"):
        list(completed(TASK, chunks(100, 10), Pool(deadly, lambda: 3, reopens=True)))
    assert len(opens) == LOSSES


def test_an_executor_of_somebody_else_is_not_opened_again():
    """One message at once."""
    with pytest.raises(WorkerError, match=r"sweep: a worker was lost \(BrokenExecutor\)"):
        list(completed(TASK, chunks(100, 10), pool_of(Mortal([0]))))
