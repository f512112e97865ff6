"""Worker processes of this machine: started afresh, one thread each, and gone when their parent is."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Final

from costmodel.errors import InputError
from costmodel.explore.engine import Pool, in_flight

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from multiprocessing.connection import Connection

THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "ARROW_NUM_THREADS")
"""Settings of libraries that would otherwise start a thread per core in every worker."""
MOST_WORKERS: Final = 1024
GUARD: Final = '. A script must start workers below if __name__ == "__main__":, or each of them starts the script again'


def processes(count: int) -> Pool:
    """A pool of so many worker processes, opened again where one of them dies.

    Raises
    ------
    InputError
        Fewer workers than one, or more than an operating system would start.
    """
    if not 1 <= count <= MOST_WORKERS:
        raise InputError(f"workers: {count}; give a number from 1 to {MOST_WORKERS}")
    return Pool(lambda: opened(count), lambda: in_flight(count), reopens=True, advice=GUARD)


@contextmanager
def opened(count: int) -> Iterator[Executor]:
    """Worker processes; where this is left by an exception, they end at once and not after their chunk.

    They are spawned and not forked: a copy of a process with threads may hang. The pipe is how they learn that nobody wants
    their results any more: the parent closes its end, or the operating system does where the parent was killed.
    """
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    with single_threaded(), reader, writer:
        executor = ProcessPoolExecutor(count, context, initializer=begin, initargs=(reader,))
        try:
            yield executor
        except BaseException:
            writer.close()
            raise
        finally:
            executor.shutdown(cancel_futures=True)


def begin(parent: Connection) -> None:
    """First thing in a worker: leave Ctrl-C to the parent, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with, args=(parent,), daemon=True).start()


def end_with(parent: Connection) -> None:
    """End this process, whatever it is at, as soon as the other end of a pipe is closed."""
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Processes started within have one thread per library, where the user did not say otherwise."""
    absent = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(absent, "1"))
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)
