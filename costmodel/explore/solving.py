"""A run whose layers are mapped through all memories: listed chunk by chunk, each mapped once, and told to who prices them.

A worker lists the layers of a chunk; those that nobody listed before are mapped in batches by whoever has time; when all of a
chunk's are known, they are sent along with it. Workers need nothing in common but the process that runs: no disk, no memory.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from costmodel.explore.engine import Flow, Job, Result
from costmodel.explore.nests import Layers, places_of
from costmodel.joint.answers import answer_columns, answers, machine_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from costmodel.explore.chunks import Chunk
    from costmodel.explore.engine import Task
    from costmodel.mapping.levels.hierarchy import Hierarchy

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Keys = NDArray[np.uint64]

BATCH: Final = 64
"""Layers that are mapped in one job: worth sending, and soon done."""
LEAST_BATCH: Final = 4
"""Layers of a job where few are left, so that all workers end at the same time: just worth sending."""
OPEN: Final = 2
"""Chunks that are listed and not priced yet, beyond those that workers are busy with."""


class Book:
    """What is known of layers where a run is led: a number for each, what it moves, and whether that is known yet."""

    def __init__(self, levels: int) -> None:
        self.keys: Keys = np.zeros((0, 2), dtype=np.uint64)
        self.numbers: Ints = np.zeros(0, dtype=np.int64)
        self.found = np.empty((0, answer_columns(levels)))
        self.known = np.zeros(0, dtype=np.bool_)

    def numbered(self, keys: Keys) -> tuple[Ints, Ints]:
        """The numbers of distinct layers, and the places of those that are new."""
        places = places_of(keys, self.keys)
        new = np.flatnonzero(places < 0)
        found = np.empty(places.size, dtype=np.int64)
        found[places >= 0] = self.numbers[places[places >= 0]]
        found[new] = self.numbers.size + np.arange(new.size)
        self.insert(keys[new], found[new])
        return found, new

    def insert(self, keys: Keys, numbers: Ints) -> None:
        """Add layers with their numbers."""
        order = np.argsort(keys[:, 0])
        at = np.searchsorted(self.keys[:, 0], keys[order, 0])
        self.keys, self.numbers = np.insert(self.keys, at, keys[order], axis=0), np.insert(self.numbers, at, numbers[order])
        if self.numbers.size > self.known.size:
            more = max(self.numbers.size, 3 * self.known.size // 2) - self.known.size
            self.found = np.concatenate([self.found, np.empty((more, self.found.shape[1]))])
            self.known = np.concatenate([self.known, np.zeros(more, dtype=np.bool_)])

    def note(self, numbers: Ints, found: Floats) -> None:
        """Note what layers move."""
        self.found[numbers], self.known[numbers] = found, True


@dataclass
class Opened:
    """A chunk whose layers are listed: their keys and numbers, and those of the numbers of which nothing is known yet."""

    keys: Keys
    numbers: Ints
    missing: Ints


@dataclass(frozen=True)
class Batch:
    """Layers to be mapped: their numbers, and what they are."""

    chunk: Chunk
    numbers: Ints
    layers: Layers

    def part(self, places: slice) -> Batch:
        """Some of them."""
        keys, columns = self.layers.keys[places], self.layers.columns[places]
        return Batch(self.chunk, self.numbers[places], Layers(keys, columns, self.layers.hierarchies))


class Solving(Flow[Result]):
    """The jobs of such a run.

    Parameters
    ----------
    listing, pricing
        What lists the layers of a chunk, and what prices it when it is told their keys and what they move.
    chunks
        The chunks.
    levels
        The most memories that a machine of the space has.
    keep
        Told the keys of layers and what they move, as they are mapped.
    """

    def __init__(
        self,
        listing: Task[Layers],
        pricing: Task[Result],
        chunks: Iterable[Chunk],
        levels: int,
        keep: Callable[[Keys, Floats], None] = lambda _keys, _found: None,
    ) -> None:
        self.listing, self.pricing, self.waiting = listing, pricing, iter(chunks)
        self.levels, self.keep = levels, keep
        self.window = 1
        self.book = Book(levels)
        self.listed = 0
        self.opened: dict[Chunk, Opened] = {}
        self.ready: deque[Chunk] = deque()
        self.queue: deque[Batch] = deque()
        self.mapping: dict[Job, Batch] = {}
        self.compiled = False

    def remember(self, keys: Keys, found: Floats) -> None:
        """Layers that an earlier run has mapped."""
        self.book.note(self.book.numbered(keys)[0], found)

    # ---- jobs

    def take(self, window: int) -> Job | None:
        """First what ends a chunk, then lists as long as few layers wait, then layers, then lists."""
        self.window = window
        if self.ready:
            return self.priced(self.ready.popleft())
        few = self.queued < BATCH * self.window
        return (self.next_listing() if few else None) or self.next_batch() or self.next_listing()

    def priced(self, chunk: Chunk) -> Job:
        """The job that ends a chunk."""
        one = self.opened.pop(chunk)
        return self.pricing.job(chunk, one.keys, self.book.found[one.numbers])

    def next_listing(self) -> Job | None:
        """The job that lists the layers of the next chunk, unless many are open."""
        if self.listed + len(self.opened) >= self.window + OPEN:
            return None
        chunk = next(self.waiting, None)
        if chunk is None:
            return None
        self.listed += 1
        return self.listing.job(chunk)

    def next_batch(self) -> Job | None:
        """The job that maps the next layers; none beside the first, a single layer, until its result is there.

        Where the search was never compiled, that takes a minute and 600 MB; then all workers find it on disk.
        """
        if not self.queue or (self.mapping and not self.compiled):
            return None
        size, whole = self.batch_size(), self.queue.popleft()
        if whole.numbers.size > size:
            self.queue.appendleft(whole.part(slice(size, None)))
        batch = whole.part(slice(size))
        job = Job(batch.chunk, answers, (batch.layers.columns, own_machines(batch.layers), self.levels))
        self.mapping[job] = batch
        return job

    @property
    def queued(self) -> int:
        """Layers that are listed, and given to nobody to map."""
        return sum(batch.numbers.size for batch in self.queue)

    def batch_size(self) -> int:
        """Layers of the next job: fewer, the fewer are queued."""
        if not self.compiled:
            return 1
        return min(max(-(-self.queued // self.window), LEAST_BATCH), BATCH)

    # ---- results

    def give(self, job: Job, result: Any) -> Iterator[tuple[Chunk, Result]]:  # noqa: ANN401 - of any of the jobs
        """Layers that were listed, or mapped, or a chunk that is done."""
        if job in self.mapping:
            self.note(self.mapping.pop(job), result)
        elif job.function is self.listing.function:
            self.open(job.chunk, result)
        else:
            yield job.chunk, result

    def open(self, chunk: Chunk, layers: Layers) -> None:
        """Note the layers of a chunk, and queue those that nobody listed before."""
        self.listed -= 1
        numbers, new = self.book.numbered(layers.keys)
        missing = numbers[~self.book.known[numbers]]
        self.opened[chunk] = Opened(layers.keys, numbers, missing)
        if not missing.size:
            self.ready.append(chunk)
        if new.size:
            self.queue.append(Batch(chunk, numbers[new], layers.at(new)))

    def note(self, batch: Batch, found: Floats) -> None:
        """Note what layers move; chunks that waited for the last of them are ready."""
        self.compiled = True
        self.book.note(batch.numbers, found)
        self.keep(batch.layers.keys, found)
        for chunk, one in self.opened.items():
            if one.missing.size:
                one.missing = one.missing[~self.book.known[one.missing]]
                if not one.missing.size:
                    self.ready.append(chunk)


def own_machines(layers: Layers) -> dict[bytes, Hierarchy]:
    """The machines that some layers name."""
    return {digest: layers.hierarchies[digest] for digest in {machine_digest(layer) for layer in layers.columns}}
