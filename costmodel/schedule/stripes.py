"""A cascade: consecutive steps executed stripe by stripe, so that what flows between them never leaves the chip.

A stripe is a number of output rows of the last steps, the sinks. Two styles: ``lines`` computes every row once and keeps the
rows that later stripes read again in line buffers; ``halo`` keeps nothing between stripes and computes those rows again.
Weights are either held for the whole cascade, or, where none of them is on chip for ever, all streamed once per stripe, one
filter at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from costmodel.schedule.program import Program, Window

    Ints = NDArray[np.int64]



class Option(NamedTuple):
    """A way to execute a cascade: memory it needs, bits it moves, rows per stripe."""

    need_bits: int
    moved_bits: int
    again_macs: int
    style: str
    rows: int
    held: bool


@dataclass(frozen=True)
class Edge:
    """A buffer that a cascade reads from, or leaves for, the outside; arrays over stripe heights, by style.

    ``stripe_bits`` is the memory it takes where it is off chip, ``moved_bits`` what crosses then.
    """

    buffer: int
    stripe_bits: dict[str, Ints]
    moved_bits: dict[str, Ints]


@dataclass(frozen=True)
class Cascade:
    """What a set of steps needs and moves at every stripe height; arrays over ``heights`` (rows per stripe), by style.

    ``inner_bits`` is the memory of buffers that nobody else sees; ``visits`` the stripes that use each step's weights;
    ``again_by_step`` the MACs it computes again; ``outside`` the buffers that others see. A style that the cascade cannot
    have is missing.
    """

    steps: tuple[int, ...]
    heights: tuple[int, ...]
    inner_bits: dict[str, Ints]
    entering: tuple[Edge, ...]
    leaving: tuple[Edge, ...]
    visits: dict[str, tuple[Ints, ...]]
    again_by_step: dict[str, tuple[Ints, ...]]
    links: Links
    outside: frozenset[int]
    known: dict[tuple[frozenset[int], bool], tuple[list[int], list[Option]]] = field(default_factory=dict)

    @cached_property
    def least_bits(self) -> int:
        """Memory that it needs at least, whatever is on chip; more steps never need less."""
        return min(int(inner.min()) for inner in self.inner_bits.values())

    def best(self, on_chip: frozenset[int], loose_bits: int, room: int, *, stream: bool) -> Option | None:
        """The way that moves fewest bits, then the one that computes fewest MACs again.

        Parameters
        ----------
        on_chip
            Buffers on chip.
        loose_bits
            Size of the weights that are not on chip for ever.
        room
            Memory that it may take [bits].
        stream
            Whether the weights may be streamed.
        """
        held = self._chosen(on_chip & self.outside, room - loose_bits, streamed=False)
        best = held and held._replace(need_bits=held.need_bits + loose_bits, moved_bits=held.moved_bits + loose_bits)
        streamed = self._chosen(on_chip & self.outside, room, streamed=True) if stream and loose_bits else None
        if streamed is not None and (best is None or streamed[1:3] < best[1:3]):
            return streamed
        return best

    def _chosen(self, on_chip: frozenset[int], room: int, *, streamed: bool) -> Option | None:
        """The best option in some room: with weights on chip, or streamed."""
        key = (on_chip, streamed)
        if key not in self.known:
            kept: list[Option] = []
            for option in sorted(self._options(on_chip, streamed=streamed)):
                if not kept or option[1:3] < kept[-1][1:3]:
                    kept.append(option)
            self.known[key] = ([option.need_bits for option in kept], kept)
        needs, options = self.known[key]
        place = bisect_right(needs, room)
        return options[place - 1] if place else None

    def _options(self, on_chip: frozenset[int], *, streamed: bool) -> Iterator[Option]:
        """Every style and height, weights on chip at no cost, or streamed."""
        off = [edge for edge in (*self.entering, *self.leaving) if edge.buffer not in on_chip]
        weights = [self.links.weight_bits[step] for step in self.steps]
        filters = max(self.links.filter_bits[step] for step in self.steps) if streamed else 0
        for style, inner in self.inner_bits.items():
            need = inner + self.links.buffering * sum((edge.stripe_bits[style] for edge in off), filters + 0 * inner)
            moved = sum((edge.moved_bits[style] for edge in off), 0 * inner)
            if streamed:
                moved = sum((w * v for w, v in zip(weights, self.visits[style], strict=True)), moved)
            again = self.again_macs[style]
            for n, m, a, rows in zip(need.tolist(), moved.tolist(), again.tolist(), self.heights, strict=True):
                yield Option(n, m, a, style, rows, not streamed)

    @cached_property
    def again_macs(self) -> dict[str, Ints]:
        """MACs computed again by all steps, per style."""
        return {style: sum(found, np.zeros_like(found[0])) for style, found in self.again_by_step.items()}


@dataclass(frozen=True)
class Stripes:
    """All stripes of all heights, one after the other: ``first`` position of each height, and the sinks' rows per stripe."""

    heights: tuple[int, ...]
    first: Ints
    start: Ints
    end: Ints

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, rows: int) -> Stripes:
        """Stripes of 1, 2, 4, ... rows, fewer than all ``rows``."""
        heights = tuple(1 << i for i in range((rows - 1).bit_length()))
        starts = [np.arange(0, rows, height, dtype=np.int64) for height in heights]
        start = np.concatenate(starts)
        end = np.minimum(start + np.repeat(np.array(heights), [len(s) for s in starts]), rows)
        first = np.cumsum([0, *(len(s) for s in starts[:-1])])
        return cls(heights, first, start, end)

    def before(self, done: Ints) -> Ints:
        """What was done before each stripe: 0 before the first one of a height."""
        shifted = np.empty_like(done)
        shifted[1:] = done[:-1]
        shifted[self.first] = 0
        return shifted

    def most(self, values: Ints) -> Ints:
        """Largest value of each height."""
        return np.maximum.reduceat(values, self.first)

    def total(self, values: Ints) -> Ints:
        """Sum over the stripes of each height."""
        return np.add.reduceat(values, self.first)


def needed_start(window: Window, outputs: Ints) -> Ints:
    """First input row under output row ``outputs``; past the end of the input where there is no such output."""
    start = np.clip(outputs * window.stride - window.pad, 0, window.inputs)
    return np.where(outputs >= window.outputs, window.inputs, start)


def needed_end(window: Window, outputs: Ints) -> Ints:
    """One past the last input row under the first ``outputs`` output rows."""
    end = np.clip((outputs - 1) * window.stride - window.pad + window.reach + 1, 0, window.inputs)
    return np.where(outputs > 0, end, 0)


@dataclass(frozen=True)
class Links:
    """Readers and writers of every buffer of a program as sets, and per step its MACs, weights and one filter.

    ``buffering`` is the factor of memory for what streams in or out (2 where double-buffered).
    """

    readers: tuple[frozenset[int], ...]
    writers: tuple[frozenset[int], ...]
    macs: tuple[int, ...]
    weight_bits: tuple[int, ...]
    filter_bits: tuple[int, ...]
    buffering: int


class Verdict(Enum):
    """Why steps are no cascade: whether they can become one together with steps that follow."""

    NEVER = "never"
    NOT_YET = "not yet"


class Flow(NamedTuple):
    """A buffer of a cascade: arrays over all stripes, then arrays over heights.

    ``done`` rows needed up to each stripe; ``start`` and ``end`` the rows that a stripe needs by itself. ``held_bits`` memory
    with line buffers, ``halo_bits`` without; ``active`` stripes in which anything is new, ``again`` rows that stripes share.
    """

    done: Ints
    start: Ints
    end: Ints
    held_bits: Ints
    halo_bits: Ints
    active: Ints
    again: Ints


class Cascades:
    """Cascades of one program; what its buffers need is worked out once for all cascades with the same steps after it."""

    def __init__(self, program: Program, links: Links) -> None:
        self.program, self.links = program, links
        self.target = [step.writes[0].buffer if step.writes else -1 for step in program.steps]
        self.readers = [mask_of(steps) for steps in links.readers]
        self.writers = [mask_of(steps) for steps in links.writers]
        self.after = self._descendants()
        self.alive = [
            [b for b, users in enumerate(zip(links.writers, links.readers, strict=True)) if spans(*users, number)]
            for number in range(len(program.steps))
        ]
        self.flows: dict[tuple[int, int], Flow] = {}

    def _descendants(self) -> list[int]:
        """Steps that depend on each buffer, as masks."""
        below = [0] * len(self.program.buffers)
        for number in reversed(range(len(self.program.steps))):
            step = self.program.steps[number]
            after = 1 << number
            for access in step.writes:
                after |= below[access.buffer]
            for access in step.reads:
                below[access.buffer] |= after
        return below

    def cascade(self, members: Sequence[int]) -> Cascade | Verdict:
        """The cascade of some steps, given in order of execution, or why there is none.

        There is none where a step needs more of its input than a window of rows, where a buffer is read in the cascade and
        written both in it and before it, or where the sinks are of different height or a single row.
        """
        steps = self.program.steps
        inside = mask_of(members)
        if any(steps[number].window is None for number in members):
            return Verdict.NEVER
        written = dict.fromkeys(self.target[number] for number in members)
        read = dict.fromkeys(access.buffer for number in members for access in steps[number].reads)
        if any(b in written and self.writers[b] & ~inside for b in read):
            return Verdict.NEVER
        heights = {self.program.buffers[b].rows for b in written if not self.readers[b] & inside}
        if len(heights) != 1 or min(heights) < 2:
            return Verdict.NOT_YET
        return self._planned(tuple(members), inside, Stripes.of(min(heights)), [b for b in read if b not in written], written)

    def _planned(
        self, members: tuple[int, ...], inside: int, stripes: Stripes, entered: list[int], written: dict[int, None]
    ) -> Cascade:
        flow = {b: self.flow(b, inside, stripes) for b in (*written, *entered)}
        left = [b for b in written if self._leaves(b, inside)]
        inner = [b for b in written if b not in left]
        styles = ["lines"] if any(self.readers[b] & inside for b in left) else ["lines", "halo"]
        nothing = np.zeros(len(stripes.heights), dtype=np.int64)
        every = stripes.total(np.ones_like(stripes.start)) * self._images(members)
        targets = [flow[self.target[number]] for number in members]
        lines = sum((flow[b].held_bits for b in inner), nothing)
        bits = {"lines": lines, "halo": self._halo_bits(members, inner, flow, nothing)}
        visits = {"lines": tuple(f.active * self._images(members) for f in targets), "halo": (every,) * len(members)}
        again = tuple(f.again * self._row_macs(number) for f, number in zip(targets, members, strict=True))
        return Cascade(
            members,
            stripes.heights,
            {style: bits[style] for style in styles},
            tuple(self._edge(b, members, flow[b], styles) for b in entered),
            tuple(self._edge(b, members, flow[b], styles) for b in left),
            visits,
            {"lines": (nothing,) * len(members), "halo": again},
            self.links,
            frozenset((*entered, *left)),
        )

    def _leaves(self, buffer: int, inside: int) -> bool:
        """Whether others read a buffer, write the rest of it, or expect it at the end."""
        outside = (self.readers[buffer] | self.writers[buffer]) & ~inside
        return bool(outside) or self.program.buffers[buffer].is_output

    def _images(self, members: tuple[int, ...]) -> int:
        buffer = self.program.buffers[self.target[members[0]]]
        return buffer.bits // (buffer.rows * buffer.row_bits)

    def _row_macs(self, number: int) -> int:
        """MACs of one output row of a step, of all inputs of the batch."""
        return self.links.macs[number] // self.program.buffers[self.target[number]].rows

    def flow(self, buffer: int, inside: int, stripes: Stripes) -> Flow:
        """Rows of a buffer that the steps of ``inside`` after it need; sinks give all rows of a stripe."""
        key = (buffer, inside & self.after[buffer])
        if key not in self.flows:
            self.flows[key] = self._flow(buffer, inside, stripes)
        return self.flows[key]

    def _flow(self, buffer: int, inside: int, stripes: Stripes) -> Flow:
        readers = [number for number in self.links.readers[buffer] if inside >> number & 1]
        if not readers:
            done, kept, start, end = stripes.end, stripes.before(stripes.end), stripes.start, stripes.end
        else:
            pairs = [(self._window(n), self.flow(self.target[n], inside, stripes)) for n in readers]
            done = np.maximum.reduce([needed_end(w, f.done) for w, f in pairs])
            kept = np.minimum.reduce([needed_start(w, stripes.before(f.done)) for w, f in pairs])
            start = np.minimum.reduce([needed_start(w, f.start) for w, f in pairs])
            end = np.maximum.reduce([needed_end(w, f.end) for w, f in pairs])
        row_bits = self.program.buffers[buffer].row_bits
        held = np.maximum(stripes.most(done - kept), 1) * row_bits
        active = stripes.total((done > stripes.before(done)).astype(np.int64))
        again = stripes.total(np.maximum(stripes.before(end) - start, 0))
        return Flow(done, start, end, held, stripes.most(end - start) * row_bits, active, again)

    def _window(self, number: int) -> Window:
        window = self.program.steps[number].window
        if window is None:
            raise AssertionError("a member of a cascade has a window")
        return window

    def _halo_bits(self, members: tuple[int, ...], inner: list[int], flow: dict[int, Flow], nothing: Ints) -> Ints:
        """Most memory of inner buffers during a stripe: each lives from its first writer to its last reader."""
        peak, chosen = nothing, set(inner)
        for number in members:
            alive = [flow[b].halo_bits for b in self.alive[number] if b in chosen]
            peak = np.maximum(peak, sum(alive, nothing))
        return peak

    def _edge(self, buffer: int, members: tuple[int, ...], flow: Flow, styles: list[str]) -> Edge:
        once = self._once_bits(buffer, members) + np.zeros_like(flow.again)
        repeated = flow.again * self.program.buffers[buffer].row_bits * self._images(members)
        stripe = {"lines": flow.held_bits, "halo": flow.halo_bits}
        moved = {"lines": once, "halo": once + repeated}
        return Edge(buffer, {style: stripe[style] for style in styles}, {style: moved[style] for style in styles})

    def _once_bits(self, buffer: int, members: tuple[int, ...]) -> int:
        """Bits that cross if every row is read, or written, once."""
        steps = [self.program.steps[number] for number in members]
        written = [a.bits for step in steps for a in step.writes if a.buffer == buffer]
        if written:
            return sum(written)
        read = [a.bits for step in steps for a in step.reads if a.buffer == buffer]
        return read[0] if len(read) == 1 else self.program.buffers[buffer].bits


def mask_of(steps: Iterable[int]) -> int:
    """A set of steps as bits of an integer."""
    mask = 0
    for step in steps:
        mask |= 1 << step
    return mask


def spans(writers: frozenset[int], readers: frozenset[int], number: int) -> bool:
    """Whether a buffer lives during a step: from its first writer to its last reader."""
    return bool(writers and readers) and min(writers) <= number <= max(readers)
