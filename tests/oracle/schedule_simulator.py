"""Every schedule of a small network, enumerated by plain recursion with literal accounts of memory.

Shares with the scheduler only the least that one layer moves in some memory (``costmodel.mapping.solve``, which has an oracle
of its own). The moves are those of ``docs/models/schedule.md``; nothing is pruned. The recursion runs twice: first it only
asks the mapper, so that one search answers all questions; then it adds up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from math import inf

import numpy as np

from costmodel.mapping import Problems, solve
from tests.oracle.stripe_simulator import possible, wanted, ways

LOOPS = (
    "n", "g", "k", "c", "p", "q", "r", "s", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left",
    "ifmap_h", "ifmap_w",
)  # fmt: skip


def subsets(items):
    """Return every subset."""
    items = tuple(items)
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


@dataclass(frozen=True)
class Rules:
    """Memory on chip [bits], buffering factor, whether layers are cascaded, and the order of execution if it is fixed."""

    capacity_bits: int
    buffering: int
    fusion: bool
    fixed_order: bool = False


class Enumeration:
    """All schedules of a network with some weights on chip for ever."""

    def __init__(self, net, rules, mapper):
        self.net, self.rules, self.mapper = net, rules, mapper
        self.steps = range(len(net.tasks))

    def least_bits(self, pinned):
        """Return the fewest bits of any schedule with the weights of ``pinned`` steps on chip; infinite if there is none."""
        reserve = sum(self.net.weight_bits(m) for m in pinned)
        known = {}

        def rest(executed, on_chip):
            if len(executed) == len(self.steps):
                return 0
            key = (executed, on_chip)
            if key not in known:
                found = self.moves(executed, dict(on_chip), pinned, reserve)
                known[key] = min((bits + rest(*after) for bits, after in found), default=inf)
            return known[key]

        return rest(frozenset(), frozenset())

    def moves(self, executed, on_chip, pinned, reserve):
        """Yield bits moved and the state that follows, for everything that can happen next; ``on_chip`` maps to clean."""
        net = self.net
        spillable = [
            b for b in on_chip if net.readers[b] & executed and net.readers[b] - executed and net.writers[b] <= executed
        ]
        for gone in subsets(spillable):
            moved = sum(net.places[b].bits for b in gone if not on_chip[b])
            left = {b: clean for b, clean in on_chip.items() if b not in gone}
            for bits, after in chain(
                self.single(executed, left, pinned, reserve), self.together(executed, left, pinned, reserve)
            ):
                yield moved + bits, after

    def ready(self, executed):
        """Return the steps that can be executed next."""
        if self.rules.fixed_order:
            return [len(executed)]
        return [m for m in self.steps if m not in executed and self.net.tasks[m].needs <= executed]

    def single(self, executed, on_chip, pinned, reserve):
        """Yield what one step can do."""
        net = self.net
        for m in self.ready(executed):
            task, after = net.tasks[m], executed | {m}
            loadable = {
                b for b, _ in task.reads
                if b not in on_chip and net.readers[b] - after and net.writers[b] <= executed
            }  # fmt: skip
            begun = net.writers[task.writes] & executed
            may_stay = task.writes not in on_chip and not begun and net.readers[task.writes] - after
            for loaded in subsets(loadable):
                for stays in (False, True) if may_stay else (False,):
                    here = on_chip | dict.fromkeys(loaded, True) | ({task.writes: False} if stays else {})
                    size = sum(net.places[b].bits for b in here) - self.shared(m, here, after, stays)
                    room = self.rules.capacity_bits - reserve - size
                    moved = sum(net.places[b].bits for b in loaded) + self.step_bits(m, here, room, pinned)
                    yield self.ended(moved, after, here)

    def shared(self, m, here, after, stays):
        """Return the bits that count once because an element-wise step writes over an input nobody reads any more."""
        net, task = self.net, self.net.tasks[m]
        for b in task.replaces if stays else ():
            owed = net.places[b].is_output and not here.get(b, True)
            if b in here and not net.readers[b] - after and not owed and net.places[b].bits == net.places[task.writes].bits:
                return net.places[b].bits
        return 0

    def ended(self, moved, after, here):
        """Return bits and state after a move: what nobody uses any more is dropped, outputs are written first."""
        net = self.net
        dead = {b for b in here if (net.readers[b] | net.writers[b]) <= after}
        moved += sum(net.places[b].bits for b in dead if net.places[b].is_output and not here[b])
        return moved, (after, frozenset((b, clean) for b, clean in here.items() if b not in dead))

    def step_bits(self, m, here, room, pinned):
        """Return the fewest bits a step moves: weights on chip for ever, loaded whole, or streamed through its tiles."""
        weights = self.net.weight_bits(m)
        if m in pinned or not weights:
            return self.tiled_bits(m, here, room, weights_here=True)
        streamed = self.tiled_bits(m, here, room, weights_here=False)
        return min(streamed, weights + self.tiled_bits(m, here, room - weights, weights_here=True))

    def tiled_bits(self, m, here, room, *, weights_here):
        """Return the fewest bits of a step's tiles in the memory that is left."""
        if room < 0:
            return inf
        net, task = self.net, self.net.tasks[m]
        row, table = task.row, net.table
        if table.streamed[row]:
            moved = 0 if task.writes in here else int(table.ofmap_elems[row, 0]) * net.widths["ofmap"]
            moved += 0 if weights_here else net.weight_bits(m)
            return moved + sum(net.size[name] * net.widths["ifmap"] for b, name in task.reads if b not in here)
        dynamic = bool(table.dynamic_weight[row])
        kept = (task.reads[-1][0] in here if dynamic else weights_here, task.reads[0][0] in here, task.writes in here)
        return self.mapper.bits(net, row, kept, room // self.rules.buffering)

    def together(self, executed, on_chip, pinned, reserve):
        """Yield what every cascade can do."""
        net = self.net
        for members in self.cascades(executed) if self.rules.fusion else ():
            after = executed | set(members)
            written = {net.tasks[m].writes for m in members}
            fresh = [
                b for b in written
                if wanted(net, members, b) and b not in on_chip and not net.writers[b] & executed and net.readers[b] - after
            ]  # fmt: skip
            for stays in subsets(fresh):
                here = on_chip | dict.fromkeys(stays, False)
                room = self.rules.capacity_bits - reserve - sum(net.places[b].bits for b in here)
                for way in self.ways(members, frozenset(here), pinned & set(members)):
                    if way.need_bits <= room:
                        yield self.ended(way.moved_bits, after, here)

    def cascades(self, executed):
        """Return the sets of steps that can be cascaded next."""
        left = [m for m in self.steps if m not in executed]
        if self.rules.fixed_order:
            found = [tuple(left[:size]) for size in range(2, len(left) + 1)]
        else:
            found = [members for members in subsets(left) if len(members) > 1]
        return [members for members in found if self.mapper.possible(self.net, members, executed)]

    def ways(self, members, here, pinned):
        """Return the ways to execute a cascade."""
        return self.mapper.ways(self.net, members, here, pinned, self.rules.buffering)


class Mapper:
    """The least that a layer moves by itself, and what cascades can do; questions are collected, then answered together."""

    def __init__(self):
        self.questions, self.answers, self.cut, self.allowed = {}, {}, {}, {}

    def bits(self, net, row, kept, capacity):
        """Return the fewest bits of a layer with some operands on chip; 0 while questions are only collected."""
        key = (row, kept, capacity)
        if key in self.answers:
            return self.answers[key]
        self.questions[key] = problem(net, row, kept)
        return 0

    def answer(self):
        """Answer every question."""
        if not self.questions:
            return
        asked = list(self.questions.values())
        columns = {name: np.array([one[name] for one in asked], dtype=np.int64) for name in asked[0]}
        found = solve(Problems(**columns), np.array([capacity for _, _, capacity in self.questions], dtype=np.int64))
        total = found.weight_bits + found.ifmap_bits + found.ofmap_bits
        for key, bits, fits in zip(self.questions, total.tolist(), found.fits.tolist(), strict=True):
            self.answers[key] = bits if fits else inf
        self.questions = {}

    def possible(self, net, members, executed):
        """Whether steps can be one cascade; remembered."""
        key = (members, executed)
        if key not in self.allowed:
            self.allowed[key] = possible(net, members, executed)
        return self.allowed[key]

    def ways(self, net, members, here, pinned, buffering):
        """Return the ways to execute a cascade; remembered."""
        touched = {b for m in members for b, _ in net.tasks[m].reads} | {net.tasks[m].writes for m in members}
        key = (members, here & touched, pinned)
        if key not in self.cut:
            self.cut[key] = ways(net, members, here & touched, pinned, buffering)
        return self.cut[key]


def problem(net, row, kept):
    """Return the mapping problem of a layer, operands on chip at zero bits."""
    table, widths = net.table, net.widths
    weight, ifmap, ofmap = kept
    bits = {
        "weight_bits": 0 if weight else widths["ifmap" if table.dynamic_weight[row] else "weight"],
        "ifmap_bits": 0 if ifmap else widths["ifmap"],
        "ofmap_bits": 0 if ofmap else widths["ofmap"],
        "psum_bits": 0 if ofmap and widths["psum"] <= widths["ofmap"] else widths["psum"],
    }
    loops = {name: int(getattr(table, name)[row, 0]) for name in LOOPS}
    weights = int(table.weight_elems[row, 0] - table.bias_elems[row, 0])
    return {**loops, "weight_elems": weights, "ofmap_elems": int(table.ofmap_elems[row, 0]), **bits}


class Optimum:
    """The optimum over all schedules of a network, by choice of weights that stay."""

    def __init__(self, net, rules, *, pins, together):
        self.net = net
        heavy = [m for m in range(len(net.tasks)) if net.weight_bits(m)]
        choices = subsets(heavy) if pins and not together else [(), tuple(heavy)] if pins else [()]
        fitting = (frozenset(c) for c in choices if sum(net.weight_bits(m) for m in c) <= rules.capacity_bits)
        self.choices = list(fitting)
        self.enumeration = Enumeration(net, rules, Mapper())

    @cached_property
    def bits(self):
        """The fewest bits of any schedule; infinite where there is none."""
        for pinned in self.choices:
            self.enumeration.least_bits(pinned)
        self.enumeration.mapper.answer()
        return min(self.enumeration.least_bits(pinned) for pinned in self.choices)
