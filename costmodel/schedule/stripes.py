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
    from collections.abc import Iterable, Sequence

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
    ``again_by_step`` the MACs it computes again. A style that the cascade cannot have is missing.
    """

    steps: tuple[int, ...]
    heights: tuple[int, ...]
    inner_bits: dict[str, Ints]
    entering: tuple[Edge, ...]
    leaving: tuple[Edge, ...]
    visits: dict[str, tuple[Ints, ...]]
    again_by_step: dict[str, tuple[Ints, ...]]
    links: Links
    known: dict[tuple[frozenset[int], frozenset[int]], tuple[list[int], list[Option]]] = field(default_factory=dict)

    def options(self, on_chip: frozenset[int], pinned: frozenset[int]) -> tuple[list[int], list[Option]]:
        """Ways worth having, by rising need and falling bits moved, and their needs."""
        key = (on_chip & self.outside, pinned & frozenset(self.steps))
        if key not in self.known:
            kept: list[Option] = []
            for option in sorted(self._options(*key)):
                if not kept or (option.moved_bits, option.again_macs) < (kept[-1].moved_bits, kept[-1].again_macs):
                    kept.append(option)
            self.known[key] = ([option.need_bits for option in kept], kept)
        return self.known[key]

    @cached_property
    def need_bits(self) -> int:
        """Memory that it needs at least, whatever is on chip."""
        return min(int(inner.min()) for inner in self.inner_bits.values())

    @cached_property
    def outside(self) -> frozenset[int]:
        """Buffers that others see."""
        return frozenset(edge.buffer for edge in (*self.entering, *self.leaving))

    def best(self, on_chip: frozenset[int], pinned: frozenset[int], room: int) -> Option | None:
        """The way that moves fewest bits in ``room`` bits, then the one that computes fewest MACs again."""
        needs, options = self.options(on_chip, pinned)
        place = bisect_right(needs, room)
        return options[place - 1] if place else None

    def _options(self, on_chip: frozenset[int], pinned: frozenset[int]) -> list[Option]:
        off = [edge for edge in (*self.entering, *self.leaving) if edge.buffer not in on_chip]
        weights = self.links.weight_bits
        loose = [place for place, step in enumerate(self.steps) if step not in pinned and weights[step]]
        held = sum(weights[self.steps[place]] for place in loose)
        found = []
        for style, inner in self.inner_bits.items():
            need = inner + self.links.buffering * sum((edge.stripe_bits[style] for edge in off), np.int64(0))
            moved = sum((edge.moved_bits[style] for edge in off), np.zeros_like(inner))
            found += self._listed(style, need + held, moved + held, held=True)
            if loose and not pinned:
                filters = self.links.buffering * max(self.links.filter_bits[self.steps[place]] for place in loose)
                visits = self.visits[style]
                streamed = sum((weights[self.steps[place]] * visits[place] for place in loose), np.zeros_like(inner))
                found += self._listed(style, need + filters, moved + streamed, held=False)
        return found

    def _listed(self, style: str, need: Ints, moved: Ints, *, held: bool) -> list[Option]:
        again = sum(self.again_by_step[style], np.zeros_like(need))
        columns = zip(need.tolist(), moved.tolist(), again.tolist(), self.heights, strict=True)
        return [Option(n, m, a, style, rows, held) for n, m, a, rows in columns]


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

    @property
    def last(self) -> Ints:
        """Position of the last stripe of each height."""
        return np.append(self.first[1:], self.start.size) - 1

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


def least_rows(window: Window, outputs: int) -> int:
    """Input rows under that many neighbouring output rows, wherever they lie: fewest at one of the borders."""
    below = (window.outputs - 1) * window.stride - window.pad + window.reach + 1 - window.inputs
    return min((outputs - 1) * window.stride + window.reach + 1 - max(window.pad, below, 0), window.inputs)


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
        self.images = [self._images(buffer) for buffer in self.target]
        self.window_bits = [self._window_bits(buffer) for buffer in range(len(program.buffers))]
        self.readers = [mask_of(steps) for steps in links.readers]
        self.writers = [mask_of(steps) for steps in links.writers]
        self.after = self._descendants()
        self.alive = [
            [b for b, users in enumerate(zip(links.writers, links.readers, strict=True)) if spans(*users, number)]
            for number in range(len(program.steps))
        ]
        self.flows: dict[tuple[int, int, bool], Flow] = {}

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

    def _images(self, buffer: int) -> int:
        """Inputs of the batch in a buffer that can be cut into stripes, else 0."""
        one = self.program.buffers[buffer]
        return one.bits // (one.rows * one.row_bits) if buffer >= 0 and one.row_bits else 0

    def least_bits(self, members: Sequence[int]) -> int:
        """Memory that steps need together at least, in stripes of any height and either style; more steps never need less."""
        inside = mask_of(members)
        inner = {b for b in {self.target[number] for number in members} if not self._leaves(b, inside)}
        least: dict[int, int] = {}
        for number in reversed(members):
            step = self.program.steps[number]
            rows = least_rows(step.window, least.get(self.target[number], 1)) if step.window else 1
            least |= {access.buffer: max(rows, least.get(access.buffer, 1)) for access in step.reads}
        halo = {b: least.get(b, 1) * self.program.buffers[b].row_bits for b in inner}
        alive = max(sum(halo[b] for b in self.alive[number] if b in inner) for number in members)
        return min(alive, sum(self.window_bits[b] for b in inner))

    def _window_bits(self, buffer: int) -> int:
        """What one window of its most demanding reader takes of a buffer [bits]."""
        windows = [self.program.steps[number].window for number in self.links.readers[buffer]]
        return self.program.buffers[buffer].row_bits * max((least_rows(one, 1) for one in windows if one), default=1)

    def cascade(self, members: Sequence[int], executed: int) -> Cascade | Verdict:
        """The cascade of some steps, given in order of execution after the ``executed`` ones, or why there is none.

        There is none where a step needs more of its input than a window of rows, where a buffer is read and written in it
        but also written outside or by a step that depends on its readers, or where the sinks are of different height or a
        single row.
        """
        steps = self.program.steps
        inside = mask_of(members)
        if any(steps[number].window is None for number in members) or len({self.images[n] for n in members}) != 1:
            return Verdict.NEVER
        written = dict.fromkeys(self.target[number] for number in members)
        read = dict.fromkeys(access.buffer for number in members for access in steps[number].reads)
        both = [b for b in read if b in written]
        if any(self.writers[b] & (self.after[b] | executed) for b in both):
            return Verdict.NEVER
        heights = {self.program.buffers[b].rows for b in written if not self.readers[b] & inside}
        if len(heights) != 1 or min(heights) < 2 or any(self.writers[b] & ~inside for b in both):
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
        images = self.images[members[0]]
        every = stripes.total(np.ones_like(stripes.start)) * images
        targets = [flow[self.target[number]] for number in members]
        lines = sum((flow[b].held_bits for b in inner), nothing)
        bits = {"lines": lines, "halo": self._alive_bits(members, {b: flow[b].halo_bits for b in inner}, nothing)}
        visits = {"lines": tuple(f.active * images for f in targets), "halo": (every,) * len(members)}
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
        )

    def _leaves(self, buffer: int, inside: int) -> bool:
        """Whether others read a buffer, write the rest of it, or expect it at the end."""
        outside = (self.readers[buffer] | self.writers[buffer]) & ~inside
        return bool(outside) or self.program.buffers[buffer].is_output

    def _row_macs(self, number: int) -> int:
        """MACs of one output row of a step, of all inputs of the batch."""
        return self.links.macs[number] // self.program.buffers[self.target[number]].rows

    def flow(self, buffer: int, inside: int, stripes: Stripes) -> Flow:
        """Rows of a buffer that the steps of ``inside`` after it need; sinks give all rows of a stripe.

        A buffer that others want as well is finished in the last stripe.
        """
        key = (buffer, inside & self.after[buffer], bool(inside & self.writers[buffer]))
        if key not in self.flows:
            self.flows[key] = self._flow(buffer, inside, stripes)
        return self.flows[key]

    def _flow(self, buffer: int, inside: int, stripes: Stripes) -> Flow:
        readers = [number for number in self.links.readers[buffer] if inside >> number & 1]
        one = self.program.buffers[buffer]
        if not readers:
            done, kept, start, end = stripes.end, stripes.before(stripes.end), stripes.start, stripes.end
        else:
            pairs = [(self._window(n), self.flow(self.target[n], inside, stripes)) for n in readers]
            done = np.maximum.reduce([needed_end(w, f.done) for w, f in pairs])
            kept = np.minimum.reduce([needed_start(w, stripes.before(f.done)) for w, f in pairs])
            start = np.minimum.reduce([needed_start(w, f.start) for w, f in pairs])
            end = np.maximum.reduce([needed_end(w, f.end) for w, f in pairs])
        if readers and (one.is_output or self.readers[buffer] & ~inside) and self.writers[buffer] & inside:
            done[stripes.last] = one.rows
            kept = np.minimum(kept, stripes.before(done))
        held = np.maximum(stripes.most(done - kept), 1) * one.row_bits
        active = stripes.total((done > stripes.before(done)).astype(np.int64))
        again = stripes.total(np.maximum(stripes.before(end) - start, 0))
        return Flow(done, start, end, held, stripes.most(end - start) * one.row_bits, active, again)

    def _window(self, number: int) -> Window:
        window = self.program.steps[number].window
        if window is None:
            raise AssertionError("a member of a cascade has a window")
        return window

    def _alive_bits(self, members: tuple[int, ...], sizes: dict[int, Ints], nothing: Ints) -> Ints:
        """Most memory during a stripe of buffers that each live from their first writer to their last reader."""
        peak = nothing
        for number in members:
            peak = np.maximum(peak, sum((sizes[b] for b in self.alive[number] if b in sizes), nothing))
        return peak

    def _edge(self, buffer: int, members: tuple[int, ...], flow: Flow, styles: list[str]) -> Edge:
        once = self._once_bits(buffer, members) + np.zeros_like(flow.again)
        repeated = flow.again * self.program.buffers[buffer].row_bits * self.images[members[0]]
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
