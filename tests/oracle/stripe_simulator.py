"""Cascades executed literally, stripe by stripe on explicit sets of rows; shares no code with the scheduler.

A network is described from its graph alone: steps are layers that are not free, a buffer is a set of tensors that share
memory. The rules are those of ``docs/models/schedule.md``:

- a stripe is ``h`` rows of the sinks; output row ``y`` of a window reads rows ``y s - p + t d`` of its inputs that exist;
- ``lines``: in each stripe a buffer advances to the last row that its readers need for theirs, one that others want is
  finished in the last stripe; held are the rows from the first that a reader still needs (or, where others want them, the
  first new one) to the last;
- ``halo``: each stripe computes every row from the first to the last that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from costmodel.graph.ops.layout import Concat, Slice


@dataclass(frozen=True)
class Place:
    """Memory that tensors share: its size, and the rows of its tensors where every one of them can be cut the same way."""

    bits: int
    elems: int
    rows: int
    row_bits: int
    is_input: bool
    is_output: bool


@dataclass(frozen=True)
class Task:
    """A layer that is executed: buffers with the tensors read in them, the buffer written, and the rows of its window."""

    name: str
    row: int
    reads: tuple[tuple[int, str], ...]
    writes: int
    needs: frozenset[int]
    window: tuple[int, int, int, int, int, int] | None
    images: int
    replaces: frozenset[int]


@dataclass(frozen=True)
class Described:
    """Steps and buffers of a network; sizes in bits, per batch."""

    tasks: list[Task]
    places: list[Place]
    batch: int
    table: object = field(repr=False)
    widths: dict[str, int]
    size: dict[str, int]
    readers: list[set[int]]
    writers: list[set[int]]

    def weight_bits(self, number):
        """Return the size of a step's trained weights, biases left out."""
        row, table = self.tasks[number].row, self.table
        if table.dynamic_weight[row]:
            return 0
        return int(table.weight_elems[row, 0] - table.bias_elems[row, 0]) * self.widths["weight"]

    def filter_bits(self, number):
        """Return the weights of one output channel."""
        row = self.tasks[number].row
        return self.weight_bits(number) // int(self.table.k[row, 0] * self.table.g[row, 0])

    def macs(self, number):
        """Return the MACs of a step for the whole batch."""
        return int(self.table.macs[self.tasks[number].row, 0])


def window_of(layer):
    """Return (outputs, inputs, taps, stride, dilation, pad) along the height; None where a step has no such window."""
    tensors = [*layer.inputs, *layer.outputs]
    if len(layer.outputs) != 1 or any(t.rank != 4 for t in tensors) or len({t.shape[0] for t in tensors}) != 1:
        return None
    if len({t.shape[2] for t in layer.inputs}) != 1:
        return None
    inputs, outputs = layer.inputs[0].shape[2], layer.outputs[0].shape[2]
    kind = type(layer.op).__name__
    if kind in ("Conv", "Pool"):
        taps, stride, dilation, pad = (getattr(layer.op, name)[0] for name in ("kernel", "stride", "dilation", "padding"))
        window = (outputs, inputs, taps, stride, dilation, pad[0])
    elif kind in ("Combine", "Activation", "BatchNorm", "LocalResponseNorm") and inputs == outputs:
        window = (outputs, inputs, 1, 1, 1, 0)
    else:
        return None
    return window if all(spanned(window, y) for y in range(outputs)) else None


def spanned(window, y):
    """Return the rows from the first to the last tap of output row ``y`` that exist."""
    _, inputs, taps, stride, dilation, pad = window
    first = y * stride - pad
    return set(range(max(first, 0), min(first + (taps - 1) * dilation + 1, inputs)))


def described(graph, batch, widths):
    """Describe a network whose layers have one row each."""
    table = graph.table().with_batch(batch)
    spans = graph.layer_rows()
    free = {layer.name for layer, rows in spans if all(table.status[row] == "free" for row in rows)}
    executed = [(layer, rows[0]) for layer, rows in spans if layer.name not in free]
    together, whole_rows = shared(graph, free)
    tensors = [*graph.inputs, *(t for layer in graph.layers for t in layer.outputs)]
    users = [*graph.inputs, *(t for layer, _ in executed for t in (*layer.inputs, *layer.outputs))]
    groups = list(dict.fromkeys(together[t] for t in users))
    number = {t: groups.index(together[t]) for t in tensors if together[t] in groups}
    written = {number[layer.outputs[0]] for layer, _ in executed}
    width = [widths["ofmap" if i in written else "ifmap"] for i in range(len(groups))]
    places = [place_of(group, batch, bits, graph, whole_rows) for group, bits in zip(groups, width, strict=True)]
    made = made_by(graph, free, executed)
    tasks = []
    for layer, row in executed:
        reads = tuple(dict.fromkeys((number[t], t.name) for t in layer.inputs))
        cut = all(places[b].rows for b, _ in reads) and places[number[layer.outputs[0]]].rows
        needs = frozenset().union(*(made[t] for t in layer.inputs))
        tasks.append(
            Task(
                layer.name, row, reads, number[layer.outputs[0]], needs, window_of(layer) if cut else None,
                int(layer.outputs[0].shape[0]) * batch, replaced(layer, number, places, batch),
            )
        )  # fmt: skip
    size = {t.name: int(t.elems) * batch for t in tensors}
    readers = [{i for i, task in enumerate(tasks) if b in dict(task.reads)} for b in range(len(places))]
    writers = [{i for i, task in enumerate(tasks) if b == task.writes} for b in range(len(places))]
    return Described(tasks, places, batch, table, widths, size, readers, writers)


def shared(graph, free):
    """Return the set of tensors that share memory with each, and the tensors of sets whose rows are the same rows."""
    group = {t: frozenset([t]) for t in (*graph.inputs, *(u for layer in graph.layers for u in layer.outputs))}
    moved = set()
    for layer in graph.layers:
        if layer.name not in free:
            continue
        tensors = (*layer.inputs, *layer.outputs)
        joined = frozenset().union(*(group[t] for t in tensors))
        group.update(dict.fromkeys(joined, joined))
        if isinstance(layer.op, (Concat, Slice)):
            kept = layer.op.axis in (1, 3) and all(t.rank == 4 for t in tensors)
        else:
            kept = len({t.shape for t in tensors}) == 1
        if not kept:
            moved |= set(tensors)
    return group, {t for t, members in group.items() if not members & moved}


def place_of(group, batch, width, graph, whole_rows):
    """Describe the memory of some tensors: that of the largest."""
    largest = max(group, key=lambda t: t.elems)
    bits = int(largest.elems) * batch * width
    rows = largest.shape[2] if largest.rank == 4 and largest in whole_rows else 0
    row_bits = int(largest.shape[1] * largest.shape[3]) * width if rows else 0
    ends = (bool(group & set(tensors)) for tensors in (graph.inputs, graph.outputs))
    return Place(bits, int(largest.elems) * batch, rows, row_bits, *ends)


def made_by(graph, free, executed):
    """Return the steps that write any part of each tensor."""
    step = {layer.name: i for i, (layer, _) in enumerate(executed)}
    made = {t: frozenset() for t in graph.inputs}
    for layer in graph.layers:
        before = frozenset().union(*(made[t] for t in layer.inputs))
        made.update(dict.fromkeys(layer.outputs, before if layer.name in free else frozenset([step[layer.name]])))
    return made


def replaced(layer, number, places, batch):
    """Return the buffers that an element-wise layer may write over: read whole, and with as many elements as its output."""
    if type(layer.op).__name__ not in ("Combine", "Activation", "BatchNorm", "ChannelWise"):
        return frozenset()
    size = int(layer.outputs[0].elems) * batch
    return frozenset(number[t] for t in layer.inputs if int(t.elems) * batch == size == places[number[t]].elems)


# ---- cascades


def possible(net, members, executed):
    """Whether steps can be one cascade after others are executed."""
    tasks = [net.tasks[m] for m in members]
    if not 2 <= len(members) <= 64 or any(task.window is None for task in tasks):
        return False
    if len({task.images for task in tasks}) > 1:
        return False
    if any(not task.needs <= set(executed) | set(members) for task in tasks):
        return False
    written, read = {task.writes for task in tasks}, {b for task in tasks for b, _ in task.reads}
    for b in written & read:
        if not net.writers[b] <= set(members) or any(b in reached(net, w) for w in net.writers[b]):
            return False
    heights = {net.places[b].rows for b in sinks(net, members)}
    return len(heights) == 1 and min(heights) > 1


def reached(net, number):
    """Return the buffers that a step depends on, through buffers."""
    found, waiting = set(), [number]
    while waiting:
        for b, _ in net.tasks[waiting.pop()].reads:
            if b not in found:
                found.add(b)
                waiting += net.writers[b]
    return found


def sinks(net, members):
    """Return the buffers written that no step of a cascade reads."""
    written = {net.tasks[m].writes for m in members}
    return {b for b in written if not net.readers[b] & set(members)}


def wanted(net, members, b):
    """Whether somebody outside a cascade reads a buffer, writes the rest of it, or expects it at the end."""
    return bool((net.readers[b] | net.writers[b]) - set(members)) or net.places[b].is_output


def stripes(rows, height):
    """Yield the sinks' rows of each stripe."""
    for start in range(0, rows, height):
        yield set(range(start, min(start + height, rows)))


@dataclass(frozen=True)
class Walk:
    """What one image's walk through a cascade showed: rows by buffer, inner memory alive [bits], visits by step."""

    held: dict[int, int]
    alive: int
    passed: dict[int, int]
    distinct: dict[int, int]
    visits: dict[int, int]

    def again(self, b):
        """Return the rows of a buffer that are computed, or read, another time."""
        return self.passed[b] - self.distinct[b]


def walked(net, members, height, style):
    """Walk one image through a cascade in stripes of ``height`` rows."""
    buffers = {net.tasks[m].writes for m in members} | {b for m in members for b, _ in net.tasks[m].reads}
    rows = {net.places[b].rows for b in sinks(net, members)}.pop()
    return (lines if style == "lines" else halo)(net, members, buffers, list(stripes(rows, height)))


def backwards(net, members, buffers, start):
    """Return for each buffer the rows its readers ask for, sinks given; ``start`` maps sinks to their rows."""
    asked = dict(start)
    for m in sorted(members, reverse=True):
        task = net.tasks[m]
        rows = asked.get(task.writes, set())
        below = set().union(*(spanned(task.window, y) for y in rows))
        for b, _ in task.reads:
            asked[b] = asked.get(b, set()) | below
    return {b: asked.get(b, set()) for b in buffers}


def lines(net, members, buffers, parts):
    """Every row computed once; rows that a reader still needs are held."""
    reach = dict.fromkeys(buffers, 0)
    marks = []
    for place, _ in enumerate(parts):
        whole = {b: set().union(*parts[: place + 1]) for b in sinks(net, members)}
        for b in buffers:
            inside = net.readers[b] & set(members)
            others = net.readers[b] - set(members) or net.places[b].is_output
            if inside and others and net.writers[b] & set(members) and place == len(parts) - 1:
                whole[b] = set(range(net.places[b].rows))
        asked = whole
        for _ in range(len(members)):  # rows asked of a step's output ask for rows before them too, until nothing changes
            filled = {b: set(range(max(rows) + 1)) if rows else set() for b, rows in asked.items()}
            asked = {b: rows | filled.get(b, set()) for b, rows in backwards(net, members, buffers, filled).items()}
        reach = {b: max(asked[b], default=-1) + 1 for b in buffers}
        marks.append(dict(reach))
    held = dict.fromkeys(buffers, 1)
    visits = dict.fromkeys(members, 0)
    before = dict.fromkeys(buffers, 0)
    for mark in marks:
        for b in buffers:
            held[b] = max(held[b], len(kept_rows(net, members, b, before, mark, marks[-1])))
        for m in members:
            visits[m] += mark[net.tasks[m].writes] > before[net.tasks[m].writes]
        before = mark
    return Walk(held, 0, marks[-1], marks[-1], visits)


def kept_rows(net, members, b, before, mark, final):
    """Return the rows of a buffer held during a stripe."""
    needed = set()
    for m in net.readers[b] & set(members):
        task = net.tasks[m]
        for y in range(before[task.writes], final[task.writes]):
            needed |= spanned(task.window, y)
    if not net.readers[b] & set(members) or (wanted_whole(net, members, b) and net.writers[b] & set(members)):
        needed |= set(range(before[b], mark[b]))
    needed = {row for row in needed if row < mark[b]}
    return set(range(min(needed), mark[b])) if needed else set()


def wanted_whole(net, members, b):
    """Whether a reader outside, or the world, wants a buffer."""
    return bool(net.readers[b] - set(members)) or net.places[b].is_output


def halo(net, members, buffers, parts):
    """Nothing held between stripes."""
    seen = {b: set() for b in buffers}
    most, count, visits = dict.fromkeys(buffers, 0), dict.fromkeys(buffers, 0), dict.fromkeys(members, 0)
    for part in parts:
        asked = dict.fromkeys(sinks(net, members), part)
        for _ in range(len(members)):
            hull = {b: set(range(min(rows), max(rows) + 1)) if rows else set() for b, rows in asked.items()}
            asked = {b: rows | hull.get(b, set()) for b, rows in backwards(net, members, buffers, hull).items()}
        for b in buffers:
            most[b], count[b], seen[b] = max(most[b], len(asked[b])), count[b] + len(asked[b]), seen[b] | asked[b]
        for m in members:
            visits[m] += bool(asked[net.tasks[m].writes])
    order = sorted(members)
    inner = [b for b in buffers if net.writers[b] & set(members) and not wanted(net, members, b)]
    alive = 0
    for place in range(len(order)):
        living = [
            b for b in inner
            if any(net.tasks[m].writes == b for m in order[: place + 1]) and net.readers[b] & set(order[place:])
        ]  # fmt: skip
        alive = max(alive, sum(most[b] * net.places[b].row_bits for b in living))
    return Walk(most, alive, count, {b: len(rows) for b, rows in seen.items()}, visits)


@dataclass(frozen=True)
class Way:
    """Memory and bits moved by a cascade for the whole batch, and MACs that it computes again."""

    need_bits: int
    moved_bits: int
    again_macs: int
    style: str
    rows: int
    held: bool


def ways(net, members, on_chip, pinned, buffering):
    """Return every way to execute a cascade: style, rows per stripe, and weights held or streamed."""
    height = {net.places[b].rows for b in sinks(net, members)}.pop()
    written = {net.tasks[m].writes for m in members}
    both = {b for b in written if net.readers[b] & set(members)}
    found = []
    for style in ("lines", "halo"):
        if style == "halo" and any(wanted(net, members, b) for b in both):
            continue
        rows = 1
        while rows < height:
            found += ways_of(net, members, on_chip, pinned, buffering, style, rows)
            rows *= 2
    return found


def ways_of(net, members, on_chip, pinned, buffering, style, rows):
    """Return the ways of one style and height."""
    walk = walked(net, members, rows, style)
    written = {net.tasks[m].writes for m in members}
    read = {b for m in members for b, _ in net.tasks[m].reads}
    inner = [b for b in written if not wanted(net, members, b)]
    need = sum(walk.held[b] * net.places[b].row_bits for b in inner) if style == "lines" else walk.alive
    moved = 0
    for b in (written | read) - set(inner) - set(on_chip):
        need += buffering * walk.held[b] * net.places[b].row_bits
        moved += crossing(net, members, b, walk)
    outputs = {m: net.tasks[m].writes for m in members}
    again = sum(walk.again(b) * net.macs(m) // net.places[b].rows for m, b in outputs.items())
    loose = [m for m in members if m not in pinned]
    weights = sum(net.weight_bits(m) for m in loose)
    found = [Way(need + weights, moved + weights, again, style, rows, True)]
    if style == "lines" and weights and not any(net.weight_bits(m) for m in members if m in pinned):
        largest = max(net.filter_bits(m) for m in loose)
        streamed = sum(net.weight_bits(m) * walk.visits[m] * net.tasks[m].images for m in loose)
        found.append(Way(need + buffering * largest, moved + streamed, again, style, rows, False))
    return found


def crossing(net, members, b, walk):
    """Return the bits of a buffer off chip that cross: written in parts, or read as often as its rows are needed."""
    table, place = net.table, net.places[b]
    parts = [net.tasks[m] for m in members if net.tasks[m].writes == b]
    if parts:
        return sum(int(table.ofmap_elems[task.row, 0]) for task in parts) * net.widths["ofmap"]
    reads = [(net.tasks[m], name) for m in members for c, name in net.tasks[m].reads if c == b]
    once = read_bits(net, *reads[0]) if len(reads) == 1 else place.bits
    return once + walk.again(b) * place.row_bits * net.tasks[members[0]].images


def read_bits(net, task, name):
    """Return the bits of one tensor that a step reads."""
    table, row = net.table, task.row
    if len(task.reads) == 1:
        return int(table.ifmap_elems[row, 0]) * net.widths["ifmap"]
    return net.size[name] * net.widths["ifmap"]
