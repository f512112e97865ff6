"""Workers of Dask: a cluster of this machine, or one whose scheduler has an address."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from costmodel.errors import InputError
from costmodel.explore.engine import Pool, in_flight_of_dask, lost_by_dask
from costmodel.explore.workers import single_threaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

LOCAL: Final = "local"
ANY_PORT: Final = "127.0.0.1:0"
PATIENCE_S: Final = 10
"""How long a scheduler has to answer."""
INSTALL: Final = "Dask is not installed: pip install 'nn-costmodel[dask]'"


def dask(address: str, workers: int | None = None) -> Pool:
    """The pool of a scheduler, or of a cluster started here for ``local``.

    Parameters
    ----------
    address
        ``local``, or what the scheduler printed when it started, such as ``tcp://10.0.0.1:8786``.
    workers
        Worker processes of a local cluster, as many as cores where None.

    Raises
    ------
    InputError
        Dask is not installed, the scheduler does not answer, or a number of workers where they are there already.
    """
    try:
        import distributed  # noqa: F401 - whether it is there
    except ImportError:
        raise InputError(INSTALL) from None
    if address != LOCAL and workers is not None:
        raise InputError(f"--workers {workers}: the cluster at {address} has its own workers; leave --workers away")
    if address != LOCAL:
        with quiet(), connected(address, workers):
            pass  # before anything is written
    client: list[Any] = []
    return Pool(lambda: opened(address, workers, client), lambda: in_flight_of_dask(client[0]), lost=lost_by_dask())


@contextmanager
def opened(address: str, workers: int | None, held: list[Any]) -> Iterator[Executor]:
    """An executor of a cluster; whoever asks how many workers there are finds the client in ``held``."""
    with single_threaded(), quiet(), connected(address, workers) as client:
        held[:] = [client]
        yield client.get_executor(pure=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Dask logs a traceback for whatever a message of ours says already; it does not within."""
    loggers = [logger for name, logger in logging.root.manager.loggerDict.items() if name.partition(".")[0] == "distributed"]
    levels = [(logger, logger.level) for logger in loggers if isinstance(logger, logging.Logger)]
    for logger, _ in levels:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)


@contextmanager
def connected(address: str, workers: int | None) -> Iterator[Any]:
    """A client of the scheduler at an address, or of a cluster that lives as long as the client."""
    from distributed import Client, LocalCluster

    if address == LOCAL:
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=ANY_PORT) as cluster,  # type: ignore[no-untyped-call]  # Dask's own
            Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask's own
        ):
            yield client
        return
    try:
        client = Client(address, timeout=PATIENCE_S)  # type: ignore[no-untyped-call]  # Dask's own
    except (OSError, ValueError) as error:
        raise InputError(
            f"--dask {address}: no scheduler answers within {PATIENCE_S} s ({error}); start one with `dask scheduler` and "
            "give the address that it prints, or give local"
        ) from None
    with client:
        yield client
