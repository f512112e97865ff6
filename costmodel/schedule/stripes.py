"""A cascade: consecutive steps executed stripe by stripe, so that what flows between them never leaves the chip.

A stripe is a number of output rows of the last steps, the sinks. Two styles: ``lines`` computes every row once and keeps the
rows that later stripes read again in line buffers; ``halo`` keeps nothing between stripes and computes those rows again.
Weights are held for the whole cascade; with ``lines``, where none of them is on chip for ever, they may all be streamed once
per stripe instead, one filter at a time.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, lru_cache, reduce
from math import inf
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from costmodel.schedule.program import mask_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


class Edge(NamedTuple):
    """A buffer that a cascade reads from, or leaves for, the outside; arrays over stripe heights, by style.

    ``stripe_bits`` is the memory it takes where it is off chip, ``moved_bits`` what crosses then.
    """

    buffer: int
    stripe_bits: dict[str, Ints]
    moved_bits: dict[str, Ints]


@dataclass(frozen=True, eq=False)
class Cascade:
    """Steps that can be executed stripe by stripe, and what they then need and move; most of it is worked out when asked for.

    Attributes
    ----------
    planner
        The cascades it is one of.
    steps, inside
        Its steps in order of execution, and as a mask.
    stripes
        All stripes of all heights; what is "over heights" has one entry per number of rows in ``heights``.
    inner, entered, left
        Buffers that nobody else sees, that are only read, and that others see and the cascade writes.
    """

    planner: Cascades
    steps: tuple[int, ...]
    inside: int
    stripes: Stripes
    inner: tuple[int, ...]
    entered: tuple[int, ...]
    left: tuple[int, ...]
    lean: dict[frozenset[int], list[int]] = field(default_factory=dict)
    known: dict[frozenset[int], tuple[list[int], list[Option]]] = field(default_factory=dict)

    @property
    def heights(self) -> tuple[int, ...]:
        """Rows of a stripe that can be chosen."""
        return self.stripes.heights

    @cached_property
    def outside(self) -> frozenset[int]:
        """Buffers that others see."""
        return frozenset((*self.entered, *self.left))

    @cached_property
    def flows(self) -> dict[int, Flow]:
        """Rows of each of its buffers that its stripes need."""
        buffers = (*self.inner, *self.entered, *self.left)
        return {buffer: self.planner.flow(buffer, self.inside, self.stripes) for buffer in buffers}

    def over_heights(self, columns: Sequence[Sequence[int]]) -> list[int]:
        """Sum of columns over heights; there are too few heights for arrays to pay."""
        return [sum(each) for each in zip(*columns, strict=True)] if columns else [0] * len(self.heights)

    @cached_property
    def nothing(self) -> Ints:
        """Zeros over heights."""
        return np.zeros(len(self.heights), dtype=np.int64)

    @cached_property
    def styles(self) -> tuple[str, ...]:
        """``lines``, and ``halo`` where no buffer that is read inside is wanted outside."""
        shared = any(self.planner.readers[b] & self.inside for b in self.left)
        return ("lines",) if shared else ("lines", "halo")

    @cached_property
    def inner_bits(self) -> dict[str, Ints]:
        """Memory of the inner buffers over heights, by style."""
        found = {"lines": self.inner_bits_of_lines, "halo": self.inner_bits_of_halo}
        return {style: np.array(found[style], dtype=np.int64) for style in self.styles}

    @cached_property
    def need_bits(self) -> int:
        """Memory that it needs at least, whatever is on chip."""
        lines = min(self.inner_bits_of_lines)
        return min(lines, *self.inner_bits_of_halo) if "halo" in self.styles else lines

    @cached_property
    def entering(self) -> tuple[Edge, ...]:
        """Buffers that are only read."""
        return tuple(self.planner.edge(b, self) for b in self.entered)

    @cached_property
    def leaving(self) -> tuple[Edge, ...]:
        """Buffers that are written and that others see."""
        return tuple(self.planner.edge(b, self) for b in self.left)

    @cached_property
    def visits(self) -> tuple[Ints, ...]:
        """Stripes in which each step computes anything, of all inputs of the batch, over heights; with line buffers."""
        images = self.planner.images[self.steps[0]]
        flows = (self.flows[self.planner.target[number]] for number in self.steps)
        return tuple(np.array(flow.active, dtype=np.int64) * images for flow in flows)

    @cached_property
    def again_by_step(self) -> dict[str, tuple[Ints, ...]]:
        """MACs that each step computes again, over heights, by style."""
        rows = [(self.flows[self.planner.target[number]].again, number) for number in self.steps]
        again = tuple(np.array(found, dtype=np.int64) * self.planner.row_macs(number) for found, number in rows)
        return {"lines": (self.nothing,) * len(self.steps), "halo": again}

    @cached_property
    def written_bits(self) -> int:
        """Its parts of outputs of the network [bits]."""
        program = self.planner.program
        steps = (program.steps[number] for number in self.steps)
        return sum(a.bits for step in steps for a in step.writes if program.buffers[a.buffer].is_output)

    @cached_property
    def once_by_buffer(self) -> dict[int, int]:
        """What crosses of each buffer that others see if every row crosses once [bits]."""
        return {b: self.planner.once_bits(b, self.steps) for b in (*self.entered, *self.left)}

    def once_bits(self, on_chip: frozenset[int]) -> int:
        """Bits of activations that it moves at least: every row of what is off chip once."""
        crossing = self.once_by_buffer
        if on_chip.isdisjoint(crossing):
            return self.whole_bits
        return sum([bits for buffer, bits in crossing.items() if buffer not in on_chip])

    @cached_property
    def whole_bits(self) -> int:
        """Bits of activations that it moves at least if nothing is on chip."""
        return sum(self.once_by_buffer.values())

    def best(
        self, on_chip: frozenset[int], loose_bits: int, room: int, most_bits: float = inf, *, stream: bool
    ) -> Option | None:
        """The way that moves fewest bits, then computes fewest MACs again, then has the tallest stripes.

        Parameters
        ----------
        on_chip
            Buffers on chip.
        loose_bits
            Size of the weights that are not on chip for ever.
        room
            Memory that it may take [bits].
        most_bits
            Ways that move as much or more are of no interest.
        stream
            Whether the weights may be streamed.
        """
        moved = self.once_bits(on_chip)
        if moved + loose_bits >= most_bits:
            return None
        on_chip = on_chip & self.outside
        needs = self._needs(on_chip)
        place = tallest(needs, room - loose_bits)
        if place >= 0:  # every row and every weight once: nothing moves less
            return Option(needs[place] + loose_bits, moved + loose_bits, 0, "lines", self.heights[place], held=True)
        found = [self._with_halo(on_chip, loose_bits, room)]
        if stream and loose_bits > 0 and moved + 2 * loose_bits < most_bits:  # in two stripes at least
            found.append(self._streamed(needs, moved, room))
        return min((option for option in found if option), key=lambda option: option[1:3], default=None)

    def _needs(self, on_chip: frozenset[int]) -> list[int]:
        """Needs over heights with line buffers, weights on chip."""
        if on_chip not in self.lean:
            off = [buffer for buffer in (*self.entered, *self.left) if buffer not in on_chip]
            edges = self.over_heights([self.flows[b].held_bits for b in off])
            self.lean[on_chip] = self._with_edges(self.inner_bits_of_lines, edges)
        return self.lean[on_chip]

    def _with_edges(self, inner: list[int], edges: list[int]) -> list[int]:
        """Memory of inner buffers and of those off chip, which are buffered, over heights."""
        buffering = self.planner.links.buffering
        return [held + buffering * streamed for held, streamed in zip(inner, edges, strict=True)]

    @cached_property
    def inner_bits_of_lines(self) -> list[int]:
        """Memory of the inner buffers with line buffers, over heights."""
        return self.over_heights([self.flows[b].held_bits for b in self.inner])

    @cached_property
    def inner_bits_of_halo(self) -> list[int]:
        """Most memory of inner buffers during a stripe without line buffers, over heights.

        Each lives from its first writer to its last reader within the stripe.
        """
        taken = {b: self.flows[b].halo_bits for b in self.inner}
        alive = ([taken[b] for b in self.planner.alive[number] if b in taken] for number in self.steps)
        return [max(each) for each in zip(*(self.over_heights(columns) for columns in alive), strict=True)]

    def _streamed(self, needs: list[int], moved: int, room: int) -> Option | None:
        """Line buffers, weights streamed: the tallest stripes that fit, since every stripe moves them again."""
        place = tallest(needs, room - self.filter_bits)
        if place < 0:
            return None
        need = needs[place] + self.filter_bits
        return Option(need, moved + self.streamed_bits[place], 0, "lines", self.heights[place], held=False)

    @cached_property
    def filter_bits(self) -> int:
        """Memory through which weights are streamed: the largest filter, buffered."""
        return self.planner.links.buffering * max(self.planner.links.filter_bits[step] for step in self.steps)

    @cached_property
    def streamed_bits(self) -> list[int]:
        """Bits of weights moved where they are streamed, over heights."""
        planner = self.planner
        weights = [planner.links.weight_bits[number] * planner.images[number] for number in self.steps]
        active = [self.flows[planner.target[number]].active for number in self.steps]
        return [sum(map(mul, weights, each)) for each in zip(*active, strict=True)]

    def _with_halo(self, on_chip: frozenset[int], loose_bits: int, room: int) -> Option | None:
        """Nothing kept between stripes, weights held."""
        if "halo" not in self.styles:
            return None
        if min(self.inner_bits_of_halo) + loose_bits > room:
            return None
        if on_chip not in self.known:
            self.known[on_chip] = self._halo_options(on_chip)
        needs, options = self.known[on_chip]
        place = bisect_right(needs, room - loose_bits) - 1
        if place < 0:
            return None
        best = options[place]
        return best._replace(need_bits=best.need_bits + loose_bits, moved_bits=best.moved_bits + loose_bits)

    def _halo_options(self, on_chip: frozenset[int]) -> tuple[list[int], list[Option]]:
        """Heights worth having without line buffers, by rising need, and their needs; weights on chip at no cost."""
        kept: list[Option] = []
        for option in sorted(self._every_halo(on_chip), key=lambda option: (*option[:3], -option.rows)):
            if not kept or option[1:3] < kept[-1][1:3]:
                kept.append(option)
        return [option.need_bits for option in kept], kept

    def _every_halo(self, on_chip: frozenset[int]) -> list[Option]:
        """Every height without line buffers."""
        if "halo" not in self.styles:
            return []
        off = [buffer for buffer in (*self.entered, *self.left) if buffer not in on_chip]
        need = self._with_edges(self.inner_bits_of_halo, self.over_heights([self.flows[b].halo_bits for b in off]))
        once, images = self.once_bits(on_chip), self.planner.images[self.steps[0]]
        row_bits = [self.planner.program.buffers[b].row_bits * images for b in off]
        repeated = zip(*(self.flows[b].again for b in off), strict=True) if off else ((),) * len(need)
        moved = [once + sum(map(mul, row_bits, each)) for each in repeated]
        columns = zip(need, moved, self.again_macs, self.heights, strict=True)
        return [Option(n, m, a, "halo", rows, held=True) for n, m, a, rows in columns]

    @cached_property
    def again_macs(self) -> list[int]:
        """MACs computed again without line buffers, over heights."""
        macs = [self.planner.row_macs(number) for number in self.steps]
        again = [self.flows[self.planner.target[number]].again for number in self.steps]
        return [sum(map(mul, macs, each)) for each in zip(*again, strict=True)]

    def ways(self, on_chip: frozenset[int], loose_bits: int, *, stream: bool) -> Iterator[Option]:
        """Every style, height and treatment of the weights, whatever the room; :meth:`best` takes one of them."""
        needs, moved = self._needs(on_chip & self.outside), self.once_bits(on_chip)
        for place, (need, rows) in enumerate(zip(needs, self.heights, strict=True)):
            yield Option(need + loose_bits, moved + loose_bits, 0, "lines", rows, held=True)
            if stream and loose_bits:
                filters = self.filter_bits
                yield Option(need + filters, moved + self.streamed_bits[place], 0, "lines", rows, held=False)
        for one in self._every_halo(on_chip & self.outside):
            yield one._replace(need_bits=one.need_bits + loose_bits, moved_bits=one.moved_bits + loose_bits)


def tallest(needs: list[int], room: int) -> int:
    """Position of the last need that fits; -1 where none does."""
    for place in range(len(needs) - 1, -1, -1):
        if needs[place] <= room:
            return place
    return -1


@dataclass(frozen=True, eq=False)
class Stripes:
    """All stripes of all heights, one after the other: ``first`` position of each height, and the sinks' rows per stripe."""

    rows: int
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
        return cls(rows, heights, first, start, end)

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
    start = np.minimum(np.maximum(outputs * window.stride - window.pad, 0), window.inputs)
    return np.where(outputs >= window.outputs, window.inputs, start)


def needed_end(window: Window, outputs: Ints) -> Ints:
    """One past the last input row under the first ``outputs`` output rows."""
    behind = outputs * window.stride + (window.reach + 1 - window.stride - window.pad)
    return np.minimum(np.maximum(behind, 0), window.inputs) * (outputs > 0)


def least_rows(window: Window, outputs: int) -> int:
    """Input rows under that many neighbouring output rows, wherever they lie: fewest at one of the borders."""
    below = (window.outputs - 1) * window.stride - window.pad + window.reach + 1 - window.inputs
    return min((outputs - 1) * window.stride + window.reach + 1 - max(window.pad, below, 0), window.inputs)


class Links(NamedTuple):
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
    """A buffer of a cascade: arrays over all stripes, then columns over heights.

    ``done`` rows needed up to each stripe; ``start`` and ``end`` the rows that a stripe needs by itself. ``held_bits`` memory
    with line buffers, ``halo_bits`` without; ``active`` stripes in which anything is new, ``again`` rows that stripes share.
    """

    done: Ints
    start: Ints
    end: Ints
    held_bits: list[int]
    halo_bits: list[int]
    active: list[int]
    again: list[int]


def flow_of(stripes: Stripes, row_bits: int, readers: Sequence[tuple[Window, Flow]], finished: int) -> Flow:
    """The flow of a buffer with rows of ``row_bits``, from the windows of its readers and the flows of what they write.

    Where others want it too, all its ``finished`` rows are there after the last stripe; else 0.
    """
    done, start, end = stripes.end, stripes.start, stripes.end
    if readers:
        done = reduce(np.maximum, [needed_end(window, flow.done) for window, flow in readers])
        start = reduce(np.minimum, [needed_start(window, flow.start) for window, flow in readers])
        end = reduce(np.maximum, [needed_end(window, flow.end) for window, flow in readers])
    if finished:
        done[stripes.last] = finished
    kept = before = stripes.before(done)
    if readers:
        kept = reduce(np.minimum, [needed_start(window, stripes.before(flow.done)) for window, flow in readers])
    if finished:
        kept = np.minimum(kept, before)
    held = np.maximum(stripes.most(done - kept), 1) * row_bits
    active = stripes.total((done > before).astype(np.int64))
    again = stripes.total(np.maximum(stripes.before(end) - start, 0))
    halo = stripes.most(end - start) * row_bits
    return Flow(done, start, end, held.tolist(), halo.tolist(), active.tolist(), again.tolist())


class Cascades:
    """Cascades of one program; what its buffers need is worked out once for all cascades with the same steps after it."""

    def __init__(self, program: Program, links: Links) -> None:
        self.program, self.links = program, links
        self.target = [step.writes[0].buffer if step.writes else -1 for step in program.steps]
        self.images = [self._images(buffer) for buffer in self.target]
        self.window_bits = [self._window_bits(buffer) for buffer in range(len(program.buffers))]
        self.readers = [mask_of(steps) for steps in links.readers]
        self.writers = [mask_of(steps) for steps in links.writers]
        self.windows = [step.window for step in program.steps]
        self.reads = [tuple(dict.fromkeys(access.buffer for access in step.reads)) for step in program.steps]
        self.row_bits = [buffer.row_bits for buffer in program.buffers]
        self.kept = [
            0 if buffer.is_output else readers | writers
            for buffer, readers, writers in zip(program.buffers, self.readers, self.writers, strict=True)
        ]
        self.after = self._descendants()
        self.alive: list[list[int]] = [[] for _ in program.steps]
        for buffer, (writers, readers) in enumerate(zip(links.writers, links.readers, strict=True)):
            if writers and readers:
                for number in range(min(writers), max(readers) + 1):
                    self.alive[number].append(buffer)
        self.flows: dict[tuple[int, int, bool], Flow] = {}
        self.shared: dict[tuple[int, int, int, frozenset[tuple[Window, int]]], Flow] = {}

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

    def _window_bits(self, buffer: int) -> int:
        """What one window of its most demanding reader takes of a buffer [bits]."""
        windows = [self.program.steps[number].window for number in self.links.readers[buffer]]
        return self.program.buffers[buffer].row_bits * max((least_rows(one, 1) for one in windows if one), default=1)

    def fits(self, members: Sequence[int], room: int) -> bool:
        """Whether there is room for what steps need together at least, in stripes of any height and either style.

        More steps never need less.
        """
        inside = mask_of(members)
        inner = {self.target[number] for number in members if not self._leaves(self.target[number], inside)}
        return sum([self.window_bits[b] for b in inner]) <= room or self._alive_bits(members, inner) <= room

    def _alive_bits(self, members: Sequence[int], inner: set[int]) -> int:
        """Memory of the inner buffers at least while the most demanding step is executed, one row of the sinks at a time."""
        least: dict[int, int] = {}
        for number in reversed(members):
            window = self.windows[number]
            rows = least_rows(window, least.get(self.target[number], 1)) if window else 1
            for buffer in self.reads[number]:
                if rows > least.get(buffer, 0):
                    least[buffer] = rows
        halo = {b: least.get(b, 1) * self.row_bits[b] for b in inner}
        return max([sum([halo[b] for b in self.alive[number] if b in halo]) for number in members])

    def cascade(self, members: Sequence[int], executed: int) -> Cascade | Verdict:
        """The cascade of some steps, given in order of execution after the ``executed`` ones, or why there is none.

        There is none where a step needs more of its input than a window of rows, where a buffer is read and written in it
        but also written outside or by a step that depends on its readers, or where the sinks are of different height or a
        single row.
        """
        inside = mask_of(members)
        if None in [self.windows[number] for number in members] or len({self.images[number] for number in members}) != 1:
            return Verdict.NEVER
        written = dict.fromkeys([self.target[number] for number in members])
        read = dict.fromkeys([buffer for number in members for buffer in self.reads[number]])
        both = [b for b in read if b in written]
        if any(self.writers[b] & (self.after[b] | executed) for b in both):
            return Verdict.NEVER
        heights = {self.program.buffers[b].rows for b in written if not self.readers[b] & inside}
        if len(heights) != 1 or min(heights) < 2 or any(self.writers[b] & ~inside for b in both):
            return Verdict.NOT_YET
        left = [b for b in written if self._leaves(b, inside)]
        inner = tuple(b for b in written if b not in left)
        entered = tuple(b for b in read if b not in written)
        return Cascade(self, tuple(members), inside, Stripes.of(min(heights)), inner, entered, tuple(left))

    def _leaves(self, buffer: int, inside: int) -> bool:
        """Whether others read a buffer, write the rest of it, or expect it at the end."""
        users = self.kept[buffer]
        return not users or bool(users & ~inside)

    def row_macs(self, number: int) -> int:
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
        """The flow of a buffer; buffers of the same size with the same readers share one."""
        one = self.program.buffers[buffer]
        readers = [number for number in self.links.readers[buffer] if inside >> number & 1]
        pairs = [(self._window(number), self.flow(self.target[number], inside, stripes)) for number in readers]
        wanted = one.is_output or self.readers[buffer] & ~inside
        finished = one.rows if pairs and wanted and self.writers[buffer] & inside else 0
        key = (one.row_bits, stripes.rows, finished, frozenset((window, id(flow)) for window, flow in pairs))
        if key not in self.shared:
            self.shared[key] = flow_of(stripes, one.row_bits, pairs, finished)
        return self.shared[key]

    def _window(self, number: int) -> Window:
        window = self.program.steps[number].window
        if window is None:
            raise AssertionError("a member of a cascade has a window")
        return window

    def edge(self, buffer: int, cascade: Cascade) -> Edge:
        """A buffer of a cascade that others see."""
        flow = cascade.flows[buffer]
        held, halo, again = (np.array(column, dtype=np.int64) for column in (flow.held_bits, flow.halo_bits, flow.again))
        once = self.once_bits(buffer, cascade.steps) + cascade.nothing
        repeated = again * self.program.buffers[buffer].row_bits * self.images[cascade.steps[0]]
        return Edge(buffer, {"lines": held, "halo": halo}, {"lines": once, "halo": once + repeated})

    def once_bits(self, buffer: int, members: tuple[int, ...]) -> int:
        """Bits that cross if every row is read, or written, once."""
        steps = [self.program.steps[number] for number in members]
        written = [a.bits for step in steps for a in step.writes if a.buffer == buffer]
        if written:
            return sum(written)
        read = [a.bits for step in steps for a in step.reads if a.buffer == buffer]
        return read[0] if len(read) == 1 else self.program.buffers[buffer].bits
