"""The memory of a network step by step under one convention: what is alive, from when to when, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from costmodel.graph.rows import IN_PLACE, VIEW
from costmodel.schedule.liveness import blocks, liveness, whole_bytes_of
from costmodel.schedule.order import least_memory_order, program_order
from costmodel.schedule.packing import Packing, greedy_by_size, least_packing
from costmodel.schedule.program import program_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.graph import Graph, LayerTable
    from costmodel.schedule.conventions import Convention
    from costmodel.schedule.liveness import Block, Liveness
    from costmodel.schedule.order import Order
    from costmodel.schedule.program import Buffer, Program, Step

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Sized:
    """A network whose activations have a size: table and widths at one batch."""

    graph: Graph
    table: LayerTable
    ifmap_bits: Ints
    ofmap_bits: Ints
    batch: int

    def program(self, copied: frozenset[str] = frozenset()) -> Program:
        """Steps and buffers; see :func:`costmodel.schedule.program.program_of`."""
        return program_of(self.graph, self.table, self.ifmap_bits, self.ofmap_bits, self.batch, copied)


@dataclass(frozen=True)
class Timeline:
    """A program in one order under one convention.

    Attributes
    ----------
    convention, program, order, liveness
        What was counted, and how it came out.
    step_bytes, alive
        Memory that each position needs under the convention [B], and the names of what is counted there,
        the largest first.
    packing, least_packing
        Addresses as the convention places them, and the smallest packing found; None where it has none.
    addresses
        Address of each buffer [B]; None where the convention has none.
    peak_bytes
        The figure of the convention [B].
    lower_bound_bytes
        What it is at least in any order and with any addresses [B].
    """

    convention: Convention
    program: Program
    order: Order
    liveness: Liveness
    step_bytes: tuple[int, ...]
    alive: tuple[tuple[str, ...], ...]
    packing: Packing | None
    least_packing: Packing | None
    addresses: tuple[int | None, ...]
    peak_bytes: int
    lower_bound_bytes: int

    @property
    def peak_position(self) -> int:
        """Position that needs most, the first of several."""
        return self.step_bytes.index(max(self.step_bytes))


def timeline(network: Sized, convention: Convention, order: str = "program") -> Timeline:
    """Memory of a network under a convention, in the order of the program or in the one that needs least."""
    program = network.program(convention.copied)
    chosen = (least_memory_order if order == "least" else program_order)(program, in_place=convention.overwrites)
    found = liveness(program, chosen.steps, in_place=convention.overwrites)
    make = in_out if convention.name == "in_out" else addressed
    return make(network, convention, program, chosen, found)


def addressed(
    _network: Sized, convention: Convention, program: Program, order: Order, found: Liveness
) -> Timeline:
    """Conventions in which every buffer has an address: ``live`` and ``arena``."""
    memory = blocks(program, found)
    least = least_packing(memory, convention.alignment_bytes)
    greedy = convention.name == "arena"
    packing = greedy_by_size(memory, convention.alignment_bytes) if greedy else least
    alive = (found.alive(position) for position in range(len(found.live_bytes)))
    return Timeline(
        convention,
        program,
        order,
        found,
        found.live_bytes,
        tuple(names(program.buffers[number] for number in numbers) for numbers in alive),
        packing,
        least,
        addresses_of(program, memory, packing),
        packing.size_bytes if greedy else found.peak_bytes,
        order.lower_bound_bits // 8,
    )


def addresses_of(program: Program, memory: Sequence[Block], packing: Packing) -> tuple[int, ...]:
    """Address of every buffer [B]: that of its block."""
    address = {buffer: at for block, at in zip(memory, packing.addresses, strict=True) for buffer in block.buffers}
    return tuple(address[buffer] for buffer in range(len(program.buffers)))


def in_out(network: Sized, convention: Convention, program: Program, order: Order, found: Liveness) -> Timeline:
    """Convention ``in_out``: every step by itself, whatever the order, and nothing has an address."""
    needs = operands(network, convention)
    steps = [needs[program.steps[number].name] for number in order.steps] or [needs_of_none(program, found)]
    step_bytes, alive = zip(*steps, strict=True)
    nowhere = (None,) * len(program.buffers)
    most = max(step_bytes)
    return Timeline(convention, program, order, found, step_bytes, alive, None, None, nowhere, most, most)


def needs_of_none(program: Program, found: Liveness) -> tuple[int, tuple[str, ...]]:
    """What a program without steps needs: its inputs and outputs [B], and their names."""
    return found.peak_bytes, names(program.buffers)


def operands(network: Sized, convention: Convention) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Inputs plus outputs of every step by name [B], and their names: whole tensors, each once.

    Of a concatenation in place a layer has only the part that it reads or writes. An output in the place of an input does
    not count beside it: where nothing else is in the way, the larger of both does.
    """
    whole = network.program(frozenset((IN_PLACE, VIEW)))
    replaced = liveness(whole, range(len(whole.steps)), in_place=convention.overwrites).replaced
    pooled = pools(whole, network.table) if "pool" in convention.in_place else {}
    found = {}
    for number, step in enumerate(whole.steps):
        first, last = (whole.steps[end] for end in pooled.get(number, (number, number)))
        inputs = dict.fromkeys(access.buffer for access in first.reads)
        outputs = dict.fromkeys(access.buffer for access in last.writes if access.buffer not in replaced)
        counted = [whole.buffers[buffer] for buffer in inputs | outputs]
        sizes = [whole_bytes_of(buffer.bits) for buffer in counted]
        size_bytes = max(sizes) if overwritten(network.table, step, convention) else sum(sizes)
        found[step.name] = size_bytes, names(counted)
    return found


def overwritten(table: LayerTable, step: Step, convention: Convention) -> bool:
    """Whether a convention lets a step write over its input whatever it computes."""
    row = step.rows[0]
    channel_by_channel = int(table.g[row, 0]) > 1 == int(table.c[row, 0]) == int(table.k[row, 0])
    depthwise = channel_by_channel and table.ops[row] == "conv"
    return "layer" in convention.in_place or ("depthwise" in convention.in_place and depthwise)


def pools(program: Program, table: LayerTable) -> dict[int, tuple[int, int]]:
    """Convolutions and pools that are computed together, each with both step numbers: the pool alone reads the convolution."""
    found = {}
    readers = program.readers()
    for number, step in enumerate(program.steps[1:], 1):
        before = program.steps[number - 1]
        ops = table.ops[before.rows[0]], table.ops[step.rows[0]]
        between = [access.buffer for access in before.writes]
        alone = [access.buffer for access in step.reads] == between and readers[between[0]] == (number,)
        if ops == ("conv", "max_pool") and alone:
            found[number - 1] = found[number] = number - 1, number
    return found


def names(buffers: Iterable[Buffer]) -> tuple[str, ...]:
    """Names of buffers, the largest first."""
    return tuple(buffer.name for buffer in sorted(buffers, key=lambda buffer: -buffer.bits))
