"""Schedules of one network on the first memory on chip: layer by layer, with residency, and with fusion besides."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

import numpy as np

from costmodel.boundary import LARGEST_BITS, boundary
from costmodel.errors import InputError
from costmodel.schedule.costs import Costs
from costmodel.schedule.pinning import Plan, with_pins, without_pins
from costmodel.schedule.program import Program, mask_of, program_of
from costmodel.schedule.search import Path, Search
from costmodel.schedule.stripes import Links
from costmodel.schedule.traffic import traffic_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from costmodel.boundary import Boundary, Crossing, Widths
    from costmodel.graph import Graph, LayerTable
    from costmodel.hardware import HardwareProfile, MemoryLevel

    Ints = NDArray[np.int64]

Kind = Literal["layer", "resident", "fused"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Phase = Literal["steady", "cold"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
Memory = tuple[str, str, int, bool, str]
MOST_ORDERS: Final = 256
"""Sets of executed steps up to which every order of execution is searched; beyond, the one that needs least memory is kept."""


@dataclass(frozen=True)
class Stay:
    """A tensor that stays on chip: from the step that brings it there to the last one that finds it there."""

    tensor: str
    size_bytes: int
    first: str
    last: str


@dataclass(frozen=True)
class Fused:
    """A cascade: its layers, rows per stripe, ``lines`` or ``halo``, whether its weights are held, MACs computed again."""

    layers: tuple[str, ...]
    rows: int
    style: str
    weights_held: bool
    again_macs: int


@dataclass(frozen=True)
class Schedule:
    """How a network is executed, and what crosses the off-chip boundary.

    Attributes
    ----------
    kind
        ``layer`` (every layer by itself), ``resident`` (tensors may stay on chip) or ``fused`` (and layers may be cascaded).
    phase
        ``steady`` (weights that stay are there already) or ``cold`` (every weight is loaded in every inference).
    level, capacity_bytes
        The memory on chip it is made for.
    boundary
        What crosses, per row of the layer table.
    again_macs
        MACs computed again because stripes overlap, per row, (L, 1).
    places
        What each row finds on chip: operands, or the number of its cascade.
    order
        Names of the layers in order of execution.
    stays, fused, pinned
        Tensors that stay on chip, cascades, and layers whose weights stay for ever.
    pinned_bytes
        Size of those weights.
    lower_bytes
        What no schedule of the declared moves undercuts, in the order given or, where ``every_order``, in any.
    """

    kind: Kind
    phase: Phase
    level: str
    capacity_bytes: int
    boundary: Crossing
    again_macs: Ints
    places: tuple[str, ...]
    order: tuple[str, ...]
    stays: tuple[Stay, ...]
    fused: tuple[Fused, ...]
    pinned: tuple[str, ...]
    pinned_bytes: int
    lower_bytes: int
    every_order: bool

    @cached_property
    def dram_bytes(self) -> int:
        """Everything that crosses the off-chip boundary in one inference [B]."""
        return int(self.boundary.moved_bytes.sum())

    @property
    def gap_ratio(self) -> float:
        """Part of the bytes moved by which the schedule may exceed the optimum; 0 where it is proved optimal."""
        return max(1 - self.lower_bytes / self.dram_bytes, 0.0) if self.dram_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "kind": self.kind,
            "phase": self.phase,
            "level": self.level,
            "capacity_bytes": self.capacity_bytes,
            "dram_bytes": self.dram_bytes,
            "lower_bytes": self.lower_bytes,
            "gap_ratio": self.gap_ratio,
            "every_order": self.every_order,
            "order": list(self.order),
            "stays": [vars(stay) for stay in self.stays],
            "fused": [{**vars(one), "layers": list(one.layers)} for one in self.fused],
            "pinned": list(self.pinned),
            "pinned_bytes": self.pinned_bytes,
        }


def declared_kind(hardware: HardwareProfile) -> Kind:
    """The schedule a profile declares: what its hardware and compiler do."""
    if hardware.fusion:
        return "fused"
    return "layer" if hardware.residency == "none" else "resident"


def checked_kind(kind: str | None, hardware: HardwareProfile) -> Kind:
    """The schedule asked for, or the profile's own."""
    if kind is None:
        return declared_kind(hardware)
    for known in KINDS:
        if kind == known:
            return known
    raise InputError(f"schedule: {kind!r} is not a schedule; use one of {', '.join(KINDS)}")


def checked_phase(phase: str) -> Phase:
    """The phase asked for."""
    for known in PHASES:
        if phase == known:
            return known
    raise InputError(f"state: {phase!r} given; use one of {', '.join(PHASES)}")


class Scheduler:
    """Schedules of one network at one batch and precision; what they share is worked out once.

    Parameters
    ----------
    graph, table
        The network without design axes, and its table at ``batch``.
    widths
        Operand widths of every row.
    batch
        Inputs processed together.
    largest_bits
        Size of the largest memory that will be asked for; where it is known, what is worked out for a small one serves all.
    """

    def __init__(self, graph: Graph, table: LayerTable, widths: Widths, batch: int, largest_bits: int = 0) -> None:
        self.table, self.widths = table, widths
        self.searches: dict[tuple[bool, int], Search] = {}
        self.plans: dict[tuple[bool, int, str], list[tuple[int, Plan]]] = {}
        self.alone: tuple[Memory, Boundary] | None = None
        self.improved: dict[tuple[Phase, str], tuple[Memory, Schedule]] = {}
        self.largest_bits = largest_bits
        self.program = program_of(graph, table, widths.ifmap, widths.ofmap, batch)

    @cached_property
    def costs(self) -> Costs:
        """Off-chip bits of every step."""
        return Costs(self.program, self.table, self.widths)

    def links(self, buffering: int) -> Links:
        """Readers, writers, MACs, weights and filters of the program."""
        program, table = self.program, self.table
        filters = []
        for step in program.steps:
            each = [self.costs.row_weight_bits[row] // max(int(table.k[row, 0] * table.g[row, 0]), 1) for row in step.rows]
            filters.append(max(each, default=0))
        return Links(
            tuple(map(frozenset, program.readers())),
            tuple(map(frozenset, program.writers())),
            tuple(int(sum(table.macs[row, 0] for row in step.rows)) for step in program.steps),
            tuple(self.costs.weight_bits),
            tuple(filters),
            buffering,
        )

    def bound_bytes(self, hardware: HardwareProfile, kind: Kind, phase: Phase) -> int:
        """What every schedule moves: inputs and outputs once, and weights that cannot stay [B]."""
        ends: int = 0
        for step in self.program.steps:
            ends += sum(a.bits for a in step.writes if self.program.buffers[a.buffer].is_output)
        reads = [[a.bits for step in self.program.steps for a in step.reads if a.buffer == b] for b in self.inputs()]
        ends += sum(min(found) for found in reads if found)
        weights = sum(self.costs.weight_bits)
        if pins(hardware, kind, phase):
            weights = max(weights - level_bits(hardware.levels[1]) * self.widths.unit, 0)
        return -(-(ends + weights) // (8 * self.widths.unit))

    def inputs(self) -> Iterator[int]:
        """Buffers of the network's inputs."""
        return (number for number, buffer in enumerate(self.program.buffers) if buffer.is_input)

    def schedule(self, hardware: HardwareProfile, kind: Kind, phase: Phase = "steady") -> Schedule:
        """The schedule of a kind that moves the fewest off-chip bytes.

        Raises
        ------
        MappingError
            A layer cannot be tiled into the memory on chip.
        """
        best = self.by_layer(hardware, phase)
        if kind == "layer":
            return best
        least = self.bound_bytes(hardware, kind, phase)
        best = replace(best, kind=kind, lower_bytes=least)
        with collection_paused():
            if best.dram_bytes > least:
                best = replace(self._resident(best, hardware, least, whole=kind == "fused"), kind=kind)
            if kind == "fused" and best.dram_bytes > least:
                best = self._improved(best, hardware, least, fusion=True)
        return best

    def _resident(self, known: Schedule, hardware: HardwareProfile, least: int, *, whole: bool) -> Schedule:
        """The optimum with residency; for the memory that was asked for last it is found once for all kinds."""
        key, memory = (known.phase, self._pinning(hardware, known, whole=whole)), memory_of(hardware)
        if key not in self.improved or self.improved[key][0] != memory:
            self.improved[key] = memory, self._improved(known, hardware, least, whole=whole)
        return self.improved[key][1]

    def by_layer(self, hardware: HardwareProfile, phase: Phase, crossing: Crossing | None = None) -> Schedule:
        """Every layer by itself: the sum of the optima of the layers, or what is said to cross."""
        level, memory = hardware.levels[1], memory_of(hardware)
        if crossing is None:
            if self.alone is None or self.alone[0] != memory:
                self.alone = memory, boundary(self.table, self.widths, hardware.levels[0].name, level)
            crossing = self.alone[1]
        moved = int(crossing.moved_bytes.sum())
        nothing = np.zeros((len(self.table.names), 1), dtype=np.int64)
        order = tuple(step.name for step in self.program.steps)
        capacity = level_bits(level) // 8
        return Schedule(
            "layer", phase, level.name, capacity, crossing, nothing, ("",) * len(nothing), order, (), (), (), 0, moved,
            every_order=True,
        )  # fmt: skip

    def _improved(
        self, known: Schedule, hardware: HardwareProfile, least: int, *, fusion: bool = False, whole: bool = False
    ) -> Schedule:
        """The optimum with residency, and with cascades too where ``fusion``; ``known`` where nothing moves less.

        ``whole`` leaves out schedules in which some weights stay for ever, and not all.
        """
        outer, level = hardware.levels[:2]
        unit = 8 * self.widths.unit
        plan = self._plan(level, known.dram_bytes * unit, fusion=fusion, pinning=self._pinning(hardware, known, whole=whole))
        lower = max(least, min(int(-(-plan.lower_bits // unit)), known.dram_bytes))
        if plan.path.bits == inf:
            return replace(known, lower_bytes=lower, every_order=self.every_order)
        found = traffic_of(plan.path, plan.pinned, self.costs, outer.name, level.name)
        described = Description(self.program, plan.path, unit)
        return replace(
            known,
            boundary=found.boundary,
            again_macs=found.again_macs,
            places=found.places,
            order=described.order(),
            stays=described.stays(),
            fused=described.fused(),
            pinned=tuple(self.program.steps[number].name for number in sorted(plan.pinned)),
            pinned_bytes=-(-sum(self.costs.weight_bits[number] for number in plan.pinned) // unit),
            lower_bytes=lower,
            every_order=self.every_order,
        )

    def _pinning(self, hardware: HardwareProfile, known: Schedule, *, whole: bool) -> str:
        """Which weights may stay for ever: ``none``, ``whole`` (all or none) or ``any``."""
        if not pins(hardware, known.kind, known.phase):
            return "none"
        return "whole" if whole or hardware.levels[1].kind == "cache" else "any"

    def _plan(self, level: MemoryLevel, most_bits: int, *, fusion: bool, pinning: str) -> Plan:
        """The cheapest plan below ``most_bits``; one that was found for a smaller memory is possible in a larger one."""
        search = self.search(level, fusion=fusion)
        key = (fusion, search.links.buffering, pinning)
        smaller = [plan for capacity, plan in self.plans.get(key, []) if capacity <= search.capacity_bits]
        carried = min(smaller, key=lambda plan: plan.path.bits, default=None)
        most = most_bits if carried is None else min(most_bits, carried.path.bits)
        plan = without_pins(search, most)
        if pinning != "none":
            plan = with_pins(search, plan, most, whole=pinning == "whole")
        if plan.path.bits == inf and carried is not None and carried.path.bits < most_bits:
            plan = carried._replace(lower_bits=min(plan.lower_bits, carried.path.bits))
        if plan.path.bits < inf:
            self.plans.setdefault(key, []).append((search.capacity_bits, plan))
        return plan

    def search(self, level: MemoryLevel, *, fusion: bool) -> Search:
        """The search for a memory; one that was made for a memory as large or larger is used again."""
        capacity, buffering = level_bits(level) * self.widths.unit, 2 if level.double_buffered else 1
        self.largest_bits = max(self.largest_bits, capacity)
        known = self.searches.get((fusion, buffering))
        if known is None or known.largest_bits < capacity:
            plain = self.search(level, fusion=False) if fusion else None
            links = plain.links if plain else self.links(buffering)
            known = Search(self.program, self.costs, links, self.largest_bits, self.fixed_order, fusion=fusion, plain=plain)
            self.searches[fusion, buffering] = known
        return known.sized(capacity)

    @cached_property
    def fixed_order(self) -> tuple[int, ...] | None:
        """The order that needs least memory, or None where every order is searched."""
        if self.every_order:
            return None
        from costmodel.schedule.order import least_memory_order

        return least_memory_order(self.program).steps

    @cached_property
    def every_order(self) -> bool:
        """Whether there are few enough orders to search them all."""
        before = [mask_of(steps) for steps in self.program.predecessors()]
        seen, waiting = {0}, [0]
        while waiting and len(seen) <= MOST_ORDERS:
            executed = waiting.pop()
            for number, needed in enumerate(before):
                after = executed | 1 << number
                if after != executed and needed & ~executed == 0 and after not in seen:
                    seen.add(after)
                    waiting.append(after)
        return len(seen) <= MOST_ORDERS


@contextmanager
def collection_paused() -> Iterator[None]:
    """No search for cycles while states are made by the thousand: they have none, and looking for them takes a fifth."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def level_bits(level: MemoryLevel) -> int:
    """Size of a memory on chip [bits]."""
    return min(level.total_bytes * 8, LARGEST_BITS) if level.total_bytes else 0


def memory_of(hardware: HardwareProfile) -> Memory:
    """What a schedule depends on: names of both sides of the boundary, size, buffering, and whether somebody manages it."""
    outer, level = hardware.levels[:2]
    return outer.name, level.name, level_bits(level), level.double_buffered, level.kind


def pins(hardware: HardwareProfile, kind: Kind, phase: Phase) -> bool:
    """Whether weights may stay on chip for ever: in steady state, unless the profile keeps activations only."""
    return phase == "steady" and kind != "layer" and hardware.residency != "activations"


class Description(NamedTuple):
    """A path in words; a byte has ``unit`` of its smallest pieces."""

    program: Program
    path: Path
    unit: int = 8

    def order(self) -> tuple[str, ...]:
        """Layers in order of execution."""
        return tuple(self.program.steps[number].name for move, _ in self.path.moves for number in move.steps)

    def stays(self) -> tuple[Stay, ...]:
        """Tensors that are found on chip by a later move than the one that brought them there."""
        found: dict[int, list[int]] = {}
        stays: list[Stay] = []
        for place, (move, _) in enumerate(self.path.moves):
            for buffer in [b for b in found if b not in move.on_chip]:
                stays += self._stay(buffer, found.pop(buffer))
            for buffer in sorted(move.on_chip):
                found.setdefault(buffer, []).append(place)
        for buffer, places in found.items():
            stays += self._stay(buffer, places)
        return tuple(stays)

    def _stay(self, buffer: int, places: list[int]) -> list[Stay]:
        if len(places) < 2:
            return []
        one = self.program.buffers[buffer]
        steps = [self.path.moves[place][0].steps for place in (places[0], places[-1])]
        ends = self.program.steps[steps[0][-1]].name, self.program.steps[steps[1][0]].name
        return [Stay(one.name, -(-one.bits // self.unit), *ends)]

    def fused(self) -> tuple[Fused, ...]:
        """Cascades in order of execution."""
        return tuple(
            Fused(
                tuple(self.program.steps[number].name for number in move.steps),
                way.option.rows,
                way.option.style,
                way.option.held,
                way.option.again_macs,
            )
            for move, way in self.path.moves
            if way.option is not None
        )
