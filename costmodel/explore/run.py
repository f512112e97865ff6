"""Design spaces evaluated as a whole: into a frame, or into a Parquet data set that a killed run leaves ready to continue."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.analysis import COUNT_COLUMNS, SUMMED
from costmodel.errors import CostModelError, InputError
from costmodel.explore import manifest, parts
from costmodel.explore.chunks import Chunk, chunk_at, chunk_points, chunks
from costmodel.explore.engine import Flow, Plain, Pool, Result, Task, WorkerError, flowing, pool_of
from costmodel.explore.evaluate import ONE_AT_A_TIME, checked_metrics, evaluate, layers_of, nests_of
from costmodel.explore.kept import Kept
from costmodel.explore.nests import Told
from costmodel.explore.pricing import NESTED
from costmodel.explore.resolving import version
from costmodel.explore.solving import Solving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

    import pandas as pd
    from numpy.typing import NDArray

    from costmodel.explore.nests import Layers
    from costmodel.explore.parts import Part
    from costmodel.explore.space import DesignSpace

    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]

Columns = dict[str, "NDArray[Any]"]
SCANNED: Final = 1 << 16
"""Points that are looked at together for one that meets the constraints."""
WHOLE: Final = ("_bytes", "_bits", "_elems", "_cycles")
"""Ends of the names of metrics that are whole numbers, beside the counts."""


class UnwrittenError(CostModelError):
    """A file of a run that cannot be written."""


@dataclass(frozen=True)
class RunReport:
    """How far a run is, or what it left.

    Attributes
    ----------
    path
        The directory.
    points, done
        Grid points of the space, and those of them that are behind the run: evaluated, or ruled out by a constraint.
    rows, problems
        Rows on disk, and those of them that have a problem and no figures.
    parts, resumed_parts
        Files on disk, and those of them that an earlier run had written.
    resumed
        Grid points that an earlier run had evaluated.
    """

    path: Path
    points: int
    done: int = 0
    rows: int = 0
    problems: int = 0
    parts: int = 0
    resumed_parts: int = 0
    resumed: int = 0

    @property
    def finished(self) -> bool:
        """Whether every point is behind the run."""
        return self.done == self.points

    def with_part(self, chunk: Chunk, part: Part) -> RunReport:
        """The report with one part more."""
        return replace(
            self, done=self.done + chunk.points, rows=self.rows + part.rows, problems=self.problems + part.problems,
            parts=self.parts + 1,
        )  # fmt: skip


# ---- in a worker


def payload_of(space: DesignSpace, metrics: Sequence[str]) -> bytes:
    """What a worker must know, small enough to go with every chunk."""
    return pickle.dumps((space, space.digest, tuple(metrics)))


@lru_cache(maxsize=4)
def unpacked(payload: bytes) -> tuple[DesignSpace, tuple[str, ...]]:
    """The space and the metrics in a payload; loaded once per worker, by one thread at a time.

    Raises
    ------
    InputError
        This worker has other files than the run, or another version of this package.
    """
    space, digest, metrics = pickle.loads(payload)
    if space.digest != digest:
        raise InputError(
            f"{space.name}: a worker has another version of costmodel than the run, or other files of networks or hardware; "
            "install the same version everywhere, and give paths that all workers see"
        )
    return space, metrics


def layers_in(payload: bytes, start: int, stop: int) -> Layers:
    """Layers of a chunk that are mapped through all memories."""
    with ONE_AT_A_TIME:  # loading runs the files of networks
        space, metrics = unpacked(payload)
    return layers_of(space, start, stop, metrics)


def columns_of(payload: bytes, start: int, stop: int, keys: Keys | None = None, found: Floats | None = None) -> Columns:
    """Columns of a chunk; of layers with these keys somebody has ``found`` what they move."""
    with ONE_AT_A_TIME:  # loading runs the files of networks
        space, metrics = unpacked(payload)
    nests = None if keys is None or found is None else Told(keys, found, nests_of(space.resolved.most_levels))
    return evaluate(space, start, stop, metrics, nests)


def part_of(payload: bytes, start: int, stop: int, keys: Keys | None = None, found: Floats | None = None) -> Part:
    """A chunk as a Parquet file: encoded where it is evaluated, so that little is sent and the run only writes."""
    columns = columns_of(payload, start, stop, keys, found)
    return parts.encoded(columns, whole_metrics(tuple(columns)))


def flow_of(
    space: DesignSpace,
    metrics: Sequence[str],
    price: Callable[..., Result],
    chunks: Iterable[Chunk],
    kept: Kept | None = None,
) -> Flow[Result]:
    """The jobs of a run: chunk by chunk, or with the layers that are mapped through all memories listed and mapped before."""
    payload = payload_of(space, metrics)
    pricing = Task(price, payload)
    if not (space.resolved.maps_jointly and any(name in NESTED for name in metrics)):
        return Plain(pricing, chunks)
    levels = space.resolved.most_levels
    if kept is None:
        return Solving(Task(layers_in, payload), pricing, chunks, levels)
    found = Solving(Task(layers_in, payload), pricing, chunks, levels, kept.add)
    found.remember(*kept.load())
    return found


def whole_metrics(metrics: Sequence[str]) -> frozenset[str]:
    """Metrics that are whole numbers.

    >>> sorted(whole_metrics(["macs", "dram_bytes", "energy_j"]))
    ['dram_bytes', 'macs']
    """
    return frozenset(name for name in metrics if name in COUNT_COLUMNS or name.endswith(WHOLE))


# ---- a frame


def sweep_space(
    space: DesignSpace, metrics: Sequence[str] | None = None, executor: Executor | None = None, chunk: int | None = None
) -> pd.DataFrame:
    """Evaluate every point of a space; see :func:`costmodel.sweep`."""
    import pandas as pd

    chosen = checked_metrics(metrics or SUMMED)
    size = chunk_points(space.size, chosen, chunk, jointly=space.resolved.maps_jointly)
    checked_space(space)
    pool = pool_of(executor)
    flow = flow_of(space, chosen, columns_of, chunks(space.size, size))
    with closing(flowing(flow, pool)) as results:
        found = dict(results)
    columns = joined([found.pop(each) for each in sorted(found)])
    for name in whole_metrics(chosen):
        columns[name] = whole(columns[name])
    return pd.DataFrame(columns)


def joined(parts: list[Columns]) -> Columns:
    """Columns one behind the other; those joined are freed."""
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}


def whole(column: NDArray[np.float64]) -> NDArray[Any]:
    """A column of whole numbers as such, unless some are missing, which integers cannot say."""
    return column if np.isnan(column).any() else parts.whole_numbers(column)


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV, whole numbers without a fraction also where some are missing."""
    numbers = dict.fromkeys(whole_metrics([str(name) for name in frame.columns]), "Int64")
    return frame.astype(numbers).to_csv(index=False, lineterminator="\n")


def checked_space(space: DesignSpace) -> None:
    """Refuse a space none of whose points meets its constraints.

    Raises
    ------
    InputError
        There is no such point.
    """
    for start in range(0, space.size, SCANNED):
        stop = min(start + SCANNED, space.size)
        if space.feasible(space.columns(start, stop)).any():
            return
    raise InputError(f"{space.name}: none of its {space.size:,} points meets the constraints; relax one of them")


# ---- a data set


def stream(
    space: DesignSpace,
    path: str | Path,
    metrics: Sequence[str] | None = None,
    pool: Pool | None = None,
    chunk: int | None = None,
    progress: Callable[[RunReport], None] | None = None,
    *,
    resume: bool = False,
) -> RunReport:
    """Evaluate every point of a space into a directory of Parquet files; see :func:`costmodel.stream`."""
    parts.checked_pyarrow()
    directory, chosen = Path(path), checked_metrics(metrics or SUMMED)
    before = checked_target(directory, resume=resume)
    given = before.chunk_points if before and chunk is None else chunk
    size = chunk_points(space.size, chosen, given, jointly=space.resolved.maps_jointly)
    run = manifest.Manifest(version(), space.model_dump(mode="json"), space.digest, chosen, space.size, size)
    refuse_another(directory, before, run)
    checked_space(space)
    directory.mkdir(exist_ok=True)
    with manifest.locked(directory):
        if before is None:
            written(directory / manifest.NAME, run.text())
        return continued(run, space, pool or pool_of(None), directory, progress or (lambda _: None))


def checked_target(directory: Path, *, resume: bool) -> manifest.Manifest | None:
    """The run that a directory holds, None where it holds nothing.

    Raises
    ------
    InputError
        Something is there that this run would add to without being asked, or that is no run.
    """
    if not directory.parent.is_dir():
        raise InputError(f"-o {directory}: the directory {directory.parent} does not exist; create it first")
    if not directory.exists():
        return None
    if not resume:
        raise InputError(f"-o {directory}: exists; give --resume to continue the run in it, or another -o")
    found = manifest.read(directory) if directory.is_dir() else None
    if found is None and not (directory.is_dir() and abandoned(directory)):
        raise InputError(f"-o {directory}: is no directory of a run, so there is nothing to resume; give another -o")
    return found


def abandoned(directory: Path) -> bool:
    """Whether a directory holds nothing but what a run leaves that was killed before it began."""
    return all(file.name == manifest.LOCK or file.suffix == parts.TEMPORARY for file in directory.iterdir())


def refuse_another(directory: Path, before: manifest.Manifest | None, run: manifest.Manifest) -> None:
    """Continue only the run that a directory holds."""
    reasons = list(manifest.changes(before, run)) if before else []
    if reasons:
        raise InputError(
            f"-o {directory}: --resume continues the same run only: {'; '.join(reasons)}. Undo that, or give another -o"
        )


def continued(
    run: manifest.Manifest,
    space: DesignSpace,
    pool: Pool,
    directory: Path,
    progress: Callable[[RunReport], None],
) -> RunReport:
    """Evaluate the chunks that have no part yet, and write theirs.

    Raises
    ------
    KeyboardInterrupt
        As the caller interrupts; its text says how to go on.
    InputError
        A part cannot be written, or one is there that the run does not have.
    WorkerError
        Workers died.
    """
    parts.drop_temporaries(directory)
    there = parts.finished_parts(directory)
    report = begun(run, there, directory)
    progress(report)
    missing = (chunk for chunk in chunks(run.points, run.chunk_points) if chunk not in there)
    kept = Kept(directory, space.resolved.most_levels, written)
    flow = flow_of(space, run.metrics, part_of, missing, kept)
    try:
        with closing(flowing(flow, pool)) as results, flushed(kept):
            for chunk, part in results:
                written(directory / parts.part_name(chunk), part.data)
                report = report.with_part(chunk, part)
                progress(report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: {left_in(report)}") from None
    except (WorkerError, UnwrittenError) as error:
        raise type(error)(*error.problems, left_in(report)) from error
    written(directory / manifest.NAME, run.ended(report.rows, report.problems).text())
    kept.remove()
    return report


@contextmanager
def flushed(kept: Kept) -> Iterator[None]:
    """Write what is known of layers where a run ends early, unless it ends since nothing can be written."""
    try:
        yield
    except UnwrittenError:
        raise
    except BaseException:
        kept.flush()
        raise


def written(target: Path, data: bytes) -> None:
    """Write a file of a run, whole or not at all.

    Raises
    ------
    UnwrittenError
        The disk is full, or does not take it for another reason.
    """
    try:
        parts.write_durably(target, data)
    except OSError as error:
        raise UnwrittenError(f"{target}: cannot be written: {error.strerror or error}") from error


def begun(run: manifest.Manifest, there: Mapping[Chunk, Part], directory: Path) -> RunReport:
    """What earlier runs left."""
    strange = [chunk for chunk in there if chunk != chunk_at(chunk.start, run.points, run.chunk_points)]
    if strange:
        name = parts.part_name(strange[0])
        raise InputError(f"{directory / name}: is not of this run, whose chunks have {run.chunk_points} points; move it away")
    report = RunReport(directory, run.points)
    for chunk, part in there.items():
        report = report.with_part(chunk, part)
    return replace(report, resumed_parts=report.parts, resumed=report.done)


def left_in(report: RunReport) -> str:
    """Where a run that ends early stands, and how to go on."""
    return f"{report.done:,} of {report.points:,} points are in {report.path}; run the same command with --resume to go on"
