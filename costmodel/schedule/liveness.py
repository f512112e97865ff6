"""What is alive at the same time: the buffers of a program in one order, and how much memory they take together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from costmodel.schedule.program import live_ranges, program_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from costmodel.graph import Graph
    from costmodel.schedule.program import Program, Step


def whole_bytes_of(bits: int) -> int:
    """Bytes that hold ``bits`` [B]: every buffer begins at a whole byte.

    >>> whole_bytes_of(12)
    2
    """
    return -(-bits // 8)


@dataclass(frozen=True)
class Block:
    """Memory that one buffer takes after another, each in the place of the one before.

    ``first`` and ``last`` are positions in the order between which it is occupied.
    """

    buffers: tuple[int, ...]
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Liveness:
    """Buffers of a program in one order.

    Attributes
    ----------
    order
        Steps in the order of execution.
    ranges
        First and last position at which each buffer is alive.
    replaced
        Buffers that begin in the place of another one, by number, and the buffer they overwrite.
    live_bytes
        Memory alive at every position [B].
    """

    order: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]
    replaced: dict[int, int]
    live_bytes: tuple[int, ...]

    @property
    def peak_bytes(self) -> int:
        """The most memory alive at once [B]."""
        return max(self.live_bytes)

    @property
    def peak_position(self) -> int:
        """Position at which the peak is first reached."""
        return self.live_bytes.index(self.peak_bytes)

    def alive(self, position: int) -> list[int]:
        """Buffers alive at a position."""
        return [buffer for buffer, (first, last) in enumerate(self.ranges) if first <= position <= last]


def liveness(program: Program, order: Sequence[int], *, in_place: bool = True) -> Liveness:
    """Lifetimes of the buffers of a program executed in ``order``, and the memory alive at every step.

    Parameters
    ----------
    program
        Steps and buffers.
    order
        Numbers of its steps, each after its predecessors.
    in_place
        Whether element-wise steps write over an input that dies there.

    Returns
    -------
    Liveness
        A program without steps has one position, at which its inputs and outputs are alive.

    Examples
    --------
    >>> from costmodel.importers import load_network
    >>> peak_live_bytes(load_network("squeezenet:version=1.1"), 8)
    982144
    """
    ranges = [(first, max(first, last)) for first, last in live_ranges(program, order)]
    replaced = dict(replacements(program, order, ranges)) if in_place else {}
    change = [0] * (max(len(order), 1) + 1)
    for buffer, (first, last) in zip(program.buffers, ranges, strict=True):
        size_bytes = whole_bytes_of(buffer.bits)
        change[first] += size_bytes
        change[last + 1] -= size_bytes
    for begun in replaced:
        size_bytes = whole_bytes_of(program.buffers[begun].bits)
        change[ranges[begun][0]] -= size_bytes
        change[ranges[begun][0] + 1] += size_bytes
    return Liveness(tuple(order), tuple(ranges), replaced, tuple(accumulate(change[:-1])))


def replacements(program: Program, order: Sequence[int], ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Buffers that begin in the place of another one: (buffer, buffer overwritten)."""
    writers = program.writers()
    for position, number in enumerate(order):
        step = program.steps[number]
        begun = overwriting(program, step, writers)
        if begun is not None:
            dying = (old for old in replaceable(program, step, begun) if ranges[old][1] == position)
            yield from ((begun, old) for old in list(dying)[:1])


def overwriting(program: Program, step: Step, writers: Sequence[Sequence[int]]) -> int | None:
    """The buffer that a step may begin in the place of an input: the only one it writes, written by nobody else."""
    outputs = {access.buffer for access in step.writes}
    if not step.overwrites or len(outputs) != 1:
        return None
    (output,) = outputs
    return output if len(writers[output]) == 1 and not program.buffers[output].is_input else None


def replaceable(program: Program, step: Step, output: int) -> list[int]:
    """Inputs in whose place a step may write ``output`` if they die there, in the order in which it reads them.

    As large as the output, and read as a whole by all its names: an element of a part that is broadcast would be overwritten
    too early.
    """
    bits = program.buffers[output].bits
    read: dict[int, set[int]] = {}
    for access in step.reads:
        read.setdefault(access.buffer, {program.buffers[access.buffer].bits}).add(access.bits)
    whole = (buffer for buffer, sizes in read.items() if sizes == {bits} and buffer != output)
    return [buffer for buffer in whole if not program.buffers[buffer].is_output]


def blocks(program: Program, found: Liveness) -> list[Block]:
    """Memory of the buffers, those that replace one another as one block, in the order of their first buffers."""
    following = {old: begun for begun, old in found.replaced.items()}
    chains = (chain(buffer, following) for buffer in range(len(program.buffers)) if buffer not in found.replaced)
    return [
        Block(
            members,
            whole_bytes_of(program.buffers[members[0]].bits),
            found.ranges[members[0]][0],
            found.ranges[members[-1]][1],
        )
        for members in chains
    ]


def chain(buffer: int, following: dict[int, int]) -> tuple[int, ...]:
    """A buffer and those that take its place one after another."""
    members = [buffer]
    while members[-1] in following:
        members.append(following[members[-1]])
    return tuple(members)


def peak_live_bytes(graph: Graph, activation_bits: int, batch: int = 1) -> int:
    """Largest total size of activations alive at once [B], in program order: convention ``live``.

    See ``docs/models/memory.md``.
    """
    table = graph.table()
    bits = np.full((len(table), 1), activation_bits)
    program = program_of(graph, table.with_batch(batch), bits, bits, batch)
    return liveness(program, range(len(program.steps))).peak_bytes
