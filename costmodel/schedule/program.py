"""A network as a program: the steps that are executed, and the buffers they read and write.

Layers that are free by rule are no steps: views, fused activations and concatenations in place share the buffer of the
tensor they rename. A step is one layer; a buffer is one piece of memory with every tensor that lives in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from costmodel.graph.ops.layout import Concat, Slice
from costmodel.graph.shapes import same_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from costmodel.graph import Graph, Layer, LayerTable, Tensor

    Ints = NDArray[np.int64]

Operand = Literal["weight", "ifmap", "ofmap"]
STRIPED_RANK: Final = 4
"""Axes of a tensor that can be cut into stripes: batch, channels, height, width."""
WINDOWS: Final = ("conv", "max_pool", "avg_pool")
"""Operations whose rows depend on a window of rows as the layer table has it."""


class Window(NamedTuple):
    """How rows of a step's output depend on rows of its inputs, all of one height.

    Output row y reads input rows ``y * stride - pad`` to ``y * stride - pad + reach``, as far as they exist.
    """

    outputs: int
    inputs: int
    stride: int = 1
    reach: int = 0
    pad: int = 0


class Access(NamedTuple):
    """What a step moves if a buffer it reads or writes is off chip: ``bits`` of one operand of row ``row``."""

    buffer: int
    row: int
    operand: Operand
    bits: int


class Buffer(NamedTuple):
    """Memory of one or several tensors.

    ``bits`` is its size for the whole batch; ``rows`` the height of its tensors, 0 where they cannot be cut into stripes;
    ``row_bits`` the size of one row of one input of the batch.
    """

    name: str
    bits: int
    rows: int
    row_bits: int
    is_input: bool
    is_output: bool


class Step(NamedTuple):
    """One executed layer: its rows in the table, its accesses, and the steps that it needs the results of.

    ``overwrites`` are the buffers that the output may take the place of once nobody reads them any more, all of the
    output's elements; ``window`` is None where the step cannot be executed stripe by stripe; ``needs`` are the steps that
    write any part of what it reads.
    """

    name: str
    rows: range
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    needs: frozenset[int]
    overwrites: frozenset[int]
    window: Window | None


@dataclass(frozen=True)
class Program:
    """Steps in the order of the graph, and buffers."""

    network: str
    batch: int
    steps: tuple[Step, ...]
    buffers: tuple[Buffer, ...]

    def readers(self) -> tuple[tuple[int, ...], ...]:
        """Steps that read each buffer, in order."""
        return self._users("reads")

    def writers(self) -> tuple[tuple[int, ...], ...]:
        """Steps that write each buffer, in order; several where a concatenation is written in place."""
        return self._users("writes")

    def predecessors(self) -> tuple[frozenset[int], ...]:
        """Steps that must be executed before each step."""
        return tuple(step.needs for step in self.steps)

    def _users(self, kind: Literal["reads", "writes"]) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.buffers]
        for number, step in enumerate(self.steps):
            for buffer in dict.fromkeys(access.buffer for access in getattr(step, kind)):
                found[buffer].append(number)
        return tuple(map(tuple, found))


def homes(graph: Graph, free: frozenset[str]) -> dict[Tensor, Tensor]:
    """The tensor in whose memory each tensor lives; parameters have none.

    Outputs of layers that move no data live where their input does. A concatenation is the home of its inputs, which are
    written in place.
    """
    home: dict[Tensor, Tensor] = {}

    def root(tensor: Tensor) -> Tensor:
        while tensor in home:
            tensor = home[tensor]
        return tensor

    for layer in graph.layers:
        inputs = tuple(tensor for tensor in layer.inputs if tensor.origin != "parameter")
        if layer.name not in free or not inputs:
            continue
        if len(inputs) > 1:
            home |= {root(tensor): layer.outputs[0] for tensor in inputs}
        else:
            home |= dict.fromkeys(layer.outputs, inputs[0])
    tensors = [*graph.inputs, *(t for layer in graph.layers for t in (*layer.inputs, *layer.outputs))]
    return {tensor: root(tensor) for tensor in tensors if tensor.origin != "parameter"}


def program_of(
    graph: Graph,
    table: LayerTable,
    ifmap_bits: Ints,
    ofmap_bits: Ints,
    batch: int,
    copied: frozenset[str] = frozenset(),
) -> Program:
    """Steps and buffers of a graph without design axes.

    Parameters
    ----------
    graph, table
        The network, and its table at ``batch``.
    ifmap_bits, ofmap_bits
        Width of every row's operands [bits], shape (L, 1).
    batch
        Inputs processed together.
    copied
        Rules of :data:`costmodel.graph.rows.FREE_RULES` that are not granted: a layer that is free by one of them becomes
        a step with buffers of its own, as in runtimes that copy. The table counts no traffic for it, so its accesses have
        0 bits: such a program is for memory, not for traffic.

    Returns
    -------
    Program
        Its steps are the layers that are not free, in the order of the graph.
    """
    return _Compiler(graph, table, ifmap_bits, ofmap_bits, batch, copied).program()


class _Compiler:
    """State of :func:`program_of`."""

    def __init__(
        self,
        graph: Graph,
        table: LayerTable,
        ifmap_bits: Ints,
        ofmap_bits: Ints,
        batch: int,
        copied: frozenset[str],
    ) -> None:
        self.graph, self.table, self.batch = graph, table, batch
        self.ifmap_bits, self.ofmap_bits = ifmap_bits[:, 0].tolist(), ofmap_bits[:, 0].tolist()
        spans = graph.layer_rows()
        rules = [note if status == "free" else "" for status, note in zip(table.status, table.notes, strict=True)]
        granted = [bool(rule) and rule not in copied for rule in rules]
        free = frozenset(layer.name for layer, rows in spans if all(granted[rows.start : rows.stop]))
        self.executed = [(layer, rows) for layer, rows in spans if layer.name not in free]
        self.home = homes(graph, free)
        self.shuffled = {self.home[t] for t in self._reshaped(free) if t in self.home}
        self.widths = self._widths()
        self.number: dict[Tensor, int] = {}

    def program(self) -> Program:
        """Number the buffers in the order of first use, then write down every step."""
        outputs = {self.home[tensor] for tensor in self.graph.outputs if tensor in self.home}
        inputs = set(self.graph.inputs)
        for tensor in self._in_order():
            self.number.setdefault(tensor, len(self.number))
        buffers = tuple(self._buffer(tensor, tensor in inputs, tensor in outputs) for tensor in self.number)
        makers = self._makers()
        steps = tuple(self._step(layer, rows, makers) for layer, rows in self.executed)
        return Program(self.graph.name, self.batch, steps, buffers)

    def _in_order(self) -> Iterator[Tensor]:
        """Homes in the order of first use: the network's inputs, then what is written."""
        yield from (self.home[tensor] for tensor in self.graph.inputs)
        for layer, _ in self.executed:
            yield from (self.home[t] for t in (*layer.inputs, *layer.outputs) if t in self.home)

    def _reshaped(self, free: frozenset[str]) -> Iterator[Tensor]:
        """Tensors of free layers that move elements between rows, so that stripes of it are not stripes of its buffer."""
        for layer in self.graph.layers:
            if layer.name in free and layer.inputs and not keeps_rows(layer):
                yield from (*layer.inputs, *layer.outputs)

    def _widths(self) -> dict[Tensor, int]:
        """Width of every home [bits]: that of its first writer, or of its first reader where it is an input.

        An input that no step reads has that of the first row.
        """
        widths: dict[Tensor, int] = {}
        for layer, rows in self.executed:
            for tensor in layer.outputs:
                widths.setdefault(self.home[tensor], self.ofmap_bits[rows[-1]])
        for layer, rows in self.executed:
            for tensor in layer.inputs:
                if tensor in self.home:
                    widths.setdefault(self.home[tensor], self.ifmap_bits[rows[0]])
        for tensor in self.graph.inputs:
            widths.setdefault(self.home[tensor], self.ifmap_bits[0])
        return widths

    def _buffer(self, tensor: Tensor, is_input: bool, is_output: bool) -> Buffer:
        bits = int(tensor.elems) * self.batch * self.widths[tensor]
        rows = 0 if tensor in self.shuffled else height(tensor)
        images = int(tensor.shape[0]) * self.batch if rows else 1
        return Buffer(tensor.name, bits, rows, bits // (images * rows) if rows else 0, is_input, is_output)

    def _makers(self) -> dict[Tensor, frozenset[int]]:
        """Steps that compute each tensor, seen through layers that are free."""
        number = {layer.name: step for step, (layer, _) in enumerate(self.executed)}
        makers: dict[Tensor, frozenset[int]] = {}
        for layer in self.graph.layers:
            through = frozenset[int]().union(*(makers.get(tensor, frozenset()) for tensor in layer.inputs))
            found = frozenset((number[layer.name],)) if layer.name in number else through
            makers |= dict.fromkeys(layer.outputs, found)
        return makers

    def _step(self, layer: Layer, rows: range, makers: dict[Tensor, frozenset[int]]) -> Step:
        reads = tuple(self._reads(layer, rows[0]))
        writes = tuple(self._writes(layer, rows))
        needs = frozenset[int]().union(*(makers.get(tensor, frozenset()) for tensor in layer.inputs))
        return Step(layer.name, rows, reads, writes, needs, self._overwrites(layer), self._window(layer, rows))

    def _overwrites(self, layer: Layer) -> frozenset[int]:
        """Buffers that an element-wise layer reads whole and whose every element one of its output can replace."""
        inputs = [tensor for tensor in layer.inputs if tensor in self.home] if layer.op.overwrites else []
        whole = [t for t in inputs if t.elems == self.home[t].elems == layer.outputs[0].elems]
        return frozenset(self.number[self.home[tensor]] for tensor in whole)

    def _reads(self, layer: Layer, row: int) -> Iterator[Access]:
        """Activations that the first row reads; a product of two reads the second one as its weight operand."""
        tensors = [tensor for tensor in dict.fromkeys(layer.inputs) if tensor in self.home]
        width, left = self.ifmap_bits[row], int(self.table.ifmap_elems[row, 0])
        if bool(self.table.dynamic_weight[row]):
            yield Access(self.number[self.home[tensors[0]]], row, "ifmap", left * width)
            elems = int(self.table.weight_elems[row, 0])
            yield Access(self.number[self.home[tensors[-1]]], row, "weight", elems * width)
            return
        for position, tensor in enumerate(tensors, 1):
            elems = left if position == len(tensors) else min(left, int(tensor.elems) * self.batch)
            left -= elems
            yield Access(self.number[self.home[tensor]], row, "ifmap", elems * width)

    def _writes(self, layer: Layer, rows: range) -> Iterator[Access]:
        """Activations that the last row writes. Of a recurrent layer the row writes gates, which never stay on chip."""
        width, left = self.ofmap_bits[rows[-1]], int(self.table.ofmap_elems[rows[-1], 0])
        for tensor in layer.outputs:
            elems = min(left, int(tensor.elems) * self.batch) if len(rows) == 1 else 0
            left -= elems
            yield Access(self.number[self.home[tensor]], rows[-1], "ofmap", elems * width)

    def _window(self, layer: Layer, rows: range) -> Window | None:
        """Row dependence of convolutions, pooling and element-wise layers over (batch, channels, height, width)."""
        tensors = [tensor for tensor in (*layer.inputs, *layer.outputs) if tensor in self.home]
        striped = all(t.rank == STRIPED_RANK and self.home[t] not in self.shuffled for t in tensors)
        images = {tensor.shape[:1] for tensor in tensors}
        if len(rows) != 1 or len(layer.outputs) != 1 or not striped or len(images) != 1:
            return None
        heights = {height(tensor) for tensor in tensors[:-1]}
        if len(heights) != 1:
            return None
        return self._window_of(rows[0], layer, heights.pop(), height(tensors[-1]))

    def _window_of(self, row: int, layer: Layer, inputs: int, outputs: int) -> Window | None:
        t = self.table
        if bool(t.streamed[row]):
            return Window(outputs, inputs) if layer.op.row_local and inputs == outputs else None
        literal = t.ops[row] in WINDOWS and not t.dynamic_weight[row]
        if not literal or (int(t.p[row, 0]), int(t.ifmap_h[row, 0])) != (outputs, inputs):
            return None
        stride, pad = int(t.stride_h[row, 0]), int(t.pad_top[row, 0])
        reach = (int(t.r[row, 0]) - 1) * int(t.dilation_h[row, 0])
        padding_only = pad > reach or (outputs - 1) * stride - pad >= inputs
        return None if padding_only else Window(outputs, inputs, stride, reach, pad)


def keeps_rows(layer: Layer) -> bool:
    """Whether row y of what a free layer gives is, or is part of, row y of what it takes."""
    shapes = [tensor.shape for tensor in (*layer.inputs, *layer.outputs)]
    if isinstance(layer.op, Concat) or type(layer.op) is Slice:
        return len(shapes[0]) == STRIPED_RANK and layer.op.axis % STRIPED_RANK in (1, 3)
    return all(same_shape(shape, shapes[0]) for shape in shapes)


def height(tensor: Tensor) -> int:
    """Rows of a (batch, channels, height, width) tensor; 0 for any other."""
    return int(tensor.shape[2]) if tensor.rank == STRIPED_RANK else 0


def live_ranges(program: Program, order: Sequence[int]) -> list[tuple[int, int]]:
    """First and last position in ``order`` at which each buffer is needed.

    Inputs are there from the start, outputs stay to the end; a buffer begins with the first part written into it.
    """
    place = {step: position for position, step in enumerate(order)}
    uses = zip(program.buffers, program.writers(), program.readers(), strict=True)
    found = []
    for buffer, writers, readers in uses:
        places = [place[step] for step in (*writers, *readers)]
        first = 0 if buffer.is_input else min(places, default=0)
        last = len(order) - 1 if buffer.is_output else max(places, default=0)
        found.append((first, last))
    return found


def mask_of(steps: Iterable[int]) -> int:
    """A set of steps as bits of an integer.

    >>> bin(mask_of([0, 3]))
    '0b1001'
    """
    mask = 0
    for step in steps:
        mask |= 1 << step
    return mask
