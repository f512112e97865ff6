"""Chunks on any executor: a bounded number in flight, results as they complete, pools opened again where a worker dies."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from costmodel.errors import CostModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from contextlib import AbstractContextManager

    from costmodel.explore.chunks import Chunk

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

FALLBACK_IN_FLIGHT: Final = 64
"""Chunks in flight where an executor does not tell how many workers it has."""
LOSSES: Final = 3
"""Pools that may die one after the other without a single chunk completed in between."""


class WorkerError(CostModelError):
    """A worker that died, and died again."""


class Inline(Executor):
    """Evaluates in the calling thread, when a chunk is submitted."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:  # noqa: ANN401 - as the base class has it
        """Evaluate now; interrupts and exits are not kept for later."""
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Task(Generic[Result]):
    """What a worker does with a chunk: ``function(payload, start, stop)``; the payload says which space and metrics."""

    function: Callable[[bytes, int, int], Result]
    payload: bytes

    def job(self, chunk: Chunk, *more: object) -> Job:
        """What to submit for a chunk."""
        return Job(chunk, self.function, (self.payload, chunk.start, chunk.stop, *more))


@dataclass(frozen=True, eq=False)
class Job:
    """What is submitted to an executor at once; ``chunk`` is the one that needs it, or the first of those that do."""

    chunk: Chunk
    function: Callable[..., Any]
    arguments: tuple[object, ...]


class Flow(Protocol[Result_co]):
    """Jobs one after the other; what comes of one may make others ready."""

    def take(self, window: int) -> Job | None:
        """A job that is ready where so many may be in flight; None until the result of another is given, or at the end."""

    def give(self, job: Job, result: Any) -> Iterator[tuple[Chunk, Result_co]]:  # noqa: ANN401 - of any job
        """Take the result of a job; chunks that are done with it, and what came of them."""


class Plain(Flow[Result]):
    """One job per chunk, whose result is that of the chunk."""

    def __init__(self, task: Task[Result], chunks: Iterable[Chunk]) -> None:
        self.task, self.waiting = task, iter(chunks)

    def take(self, _window: int) -> Job | None:
        """The job of the next chunk."""
        chunk = next(self.waiting, None)
        return None if chunk is None else self.task.job(chunk)

    def give(self, job: Job, result: Any) -> Iterator[tuple[Chunk, Result]]:  # noqa: ANN401 - of the task
        """The chunk and its result."""
        yield job.chunk, result


@dataclass(frozen=True)
class Pool:
    """Where chunks are evaluated.

    Parameters
    ----------
    opened
        Gives an executor, and closes it where it is the pool's own.
    in_flight
        How many chunks may be submitted whose results were not taken yet; asked again and again, as clusters grow.
    reopens
        Whether another executor can be had where a worker died.
    lost
        What a future raises where a worker died.
    advice
        What else to say where workers die.
    """

    opened: Callable[[], AbstractContextManager[Executor]]
    in_flight: Callable[[], int]
    reopens: bool = False
    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)
    advice: str = ""


def pool_of(executor: Executor | None) -> Pool:
    """The pool of an executor that somebody else opened and will close; None evaluates in the calling thread."""
    if executor is None:
        return Pool(lambda: nullcontext(Inline()), lambda: 1)
    if type(executor).__module__.startswith("distributed."):
        client = executor._client  # type: ignore[attr-defined]
        return Pool(lambda: nullcontext(executor), lambda: in_flight_of_dask(client), lost=lost_by_dask())
    workers = getattr(executor, "_max_workers", None)  # no public name in any version of Python
    most = in_flight(workers) if isinstance(workers, int) else FALLBACK_IN_FLIGHT
    return Pool(lambda: nullcontext(executor), lambda: most)


def in_flight(workers: int) -> int:
    """Chunks in flight that keep every worker busy: two each, and two more.

    >>> in_flight(2)
    6
    """
    return 2 * workers + 2


def in_flight_of_dask(client: Any) -> int:  # noqa: ANN401 - a client of Dask, which may not be installed
    """Chunks in flight for the workers that a cluster has at the moment, or for those that are still to come."""
    return max(in_flight(sum(client.nthreads().values())), FALLBACK_IN_FLIGHT)


def lost_by_dask() -> tuple[type[BaseException], ...]:
    """What a future of Dask raises where a worker died again and again, or the scheduler is gone."""
    from distributed import CancelledError
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    return (KilledWorker, CancelledError, CommClosedError, FutureCancelled)


def completed(task: Task[Result], chunks: Iterable[Chunk], pool: Pool) -> Generator[tuple[Chunk, Result]]:
    """Every chunk once with its result, as soon as it is there; see :func:`flowing`."""
    yield from flowing(Plain(task, chunks), pool)


def flowing(flow: Flow[Result], pool: Pool) -> Generator[tuple[Chunk, Result]]:
    """Every chunk of a flow of jobs once with its result, as soon as it is there.

    Raises
    ------
    WorkerError
        A worker died: at once where the pool cannot be opened again, else after a few times without any progress.
    """
    taken = dict.fromkeys(job for job in [flow.take(1)] if job is not None)
    losses = 0
    while taken:
        try:
            with pool.opened() as executor:
                waiting = noted(list(taken), flow, taken)
                for job, result in submitted(executor, waiting, pool.in_flight):
                    del taken[job]
                    losses = 0
                    yield from flow.give(job, result)
        except pool.lost as error:
            losses += 1
            if not pool.reopens or losses == LOSSES:
                raise WorkerError(loss(next(iter(taken)).chunk, losses, error) + pool.advice) from error


def noted(again: list[Job], flow: Flow[Any], taken: dict[Job, None]) -> Callable[[int], Job | None]:
    """What gives jobs that are to be done again, then those of a flow, each noted as taken."""
    first = iter(again)

    def job(window: int) -> Job | None:
        """The next one that is ready."""
        found = next(first, None) or flow.take(window)
        if found is not None:
            taken[found] = None
        return found

    return job


def submitted(executor: Executor, job: Callable[[int], Job | None], most: Callable[[], int]) -> Iterator[tuple[Job, Any]]:
    """Results as they complete, while at most so many jobs are in flight; what is left is cancelled."""
    window = most()
    pending: dict[Future[Any], Job] = {}
    try:
        send(executor, job, pending, window)
        while pending:
            for future in sorted(wait(pending, return_when=FIRST_COMPLETED).done, key=failed):
                yield pending.pop(future), future.result()
                send(executor, job, pending, window)
            window = most()
    finally:
        for future in pending:
            future.cancel()


def send(executor: Executor, job: Callable[[int], Job | None], pending: dict[Future[Any], Job], window: int) -> None:
    """Give jobs to an executor until so many are in flight, or none is ready."""
    while len(pending) < window:
        found = job(window)
        if found is None:
            return
        pending[executor.submit(found.function, *found.arguments)] = found


def failed(future: Future[Any]) -> bool:
    """Whether a future that is done has no result; those that have one come first, since a failure ends the run."""
    return future.cancelled() or future.exception() is not None


def loss(chunk: Chunk, times: int, error: BaseException) -> str:
    """What to say where workers die."""
    often = "a worker was lost" if times == 1 else f"workers were lost {times} times in a row"
    return (
        f"sweep: {often} ({type(error).__name__}), the first unfinished chunk being {chunk}: killed, out of memory, or the "
        "cluster has ended; where memory is short, take fewer workers or smaller chunks"
    )
