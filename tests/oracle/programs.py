"""Random small programs for the oracles of memory, and a machine that executes them one step after another.

The machine knows nothing of closed sets, ranges or bit masks: it holds a set of buffers, and frees a buffer when no step that
is still to come uses it.
"""

from __future__ import annotations

from itertools import permutations

from hypothesis import strategies as st

from costmodel.schedule.program import Access, Buffer, Program, Step


def program(steps, sizes, inputs=(), outputs=()):
    """Build a program from (reads, writes, overwrites) per step, every access to a whole buffer, and sizes in bits."""
    buffers = tuple(
        Buffer(f"b{i}", bits, 0, 0, is_input=i in inputs, is_output=i in outputs) for i, bits in enumerate(sizes)
    )
    made = []
    for number, (reads, writes, overwrites) in enumerate(steps):
        ins = tuple(Access(b, number, "ifmap", sizes[b]) for b in reads)
        outs = tuple(Access(b, number, "ofmap", sizes[b]) for b in writes)
        needs = frozenset(n for n, (_, written, _) in enumerate(steps[:number]) if set(written) & set(reads))
        made.append(Step(f"s{number}", range(number, number + 1), ins, outs, needs, overwrites, None))
    return Program("random", 1, tuple(made), buffers)


@st.composite
def programs(draw, most_steps=6):
    """Draw a program: bypasses, several inputs, steps of two outputs, joins in place, outputs read or not, odd sizes."""
    inputs = draw(st.integers(1, 2))
    sizes = [draw(SIZES) for _ in range(inputs)]
    steps = []
    joined = None
    for _ in range(draw(st.integers(1, most_steps))):
        readable = [b for b in range(len(sizes)) if b != joined]
        reads = draw(st.lists(st.sampled_from(readable), min_size=0, max_size=3, unique=True))
        kind = draw(st.sampled_from(["new", "new", "new", "two", "join"]))
        if kind == "join" and joined is not None:
            writes = [joined]
            joined = draw(st.sampled_from([joined, None]))
        else:
            writes = list(range(len(sizes), len(sizes) + (2 if kind == "two" else 1)))
            sizes += [draw(st.one_of(SIZES, st.sampled_from([sizes[b] for b in reads] or [8]))) for _ in writes]
            joined = writes[0] if kind == "join" else joined
        steps.append((reads, writes, draw(st.booleans())))
    outputs = draw(st.sets(st.integers(0, len(sizes) - 1)))
    return program(steps, sizes, range(inputs), outputs)


SIZES = st.integers(1, 48)


def topological(found):
    """Return every order of the steps in which each comes after the writers of what it reads."""
    before = found.predecessors()
    numbers = range(len(found.steps))
    return [
        order
        for order in permutations(numbers)
        if all(order.index(one) < order.index(step) for step in numbers for one in before[step])
    ]


def executed(found, order, *, in_place):
    """Execute steps one after another; the bytes held during each, and the buffers."""
    held = {number for number, buffer in enumerate(found.buffers) if buffer.is_input}
    trace = []
    for position, number in enumerate(order):
        step = found.steps[number]
        later = {used for other in order[position + 1 :] for used in touched(found.steps[other])}
        kept = later | {b for b, buffer in enumerate(found.buffers) if buffer.is_output}
        new = {access.buffer for access in step.writes} - held
        during = held | new
        saved = 0
        if in_place and takes_a_place(found, step, new, kept):
            saved = size(found, *new)
        trace.append((size(found, *during) - saved, sorted(during)))
        held = during & kept
    return trace


def touched(step):
    """Return the buffers that a step reads or writes."""
    return [access.buffer for access in (*step.reads, *step.writes)]


def size(found, *numbers):
    """Return the bytes of buffers, each rounded up."""
    return sum((found.buffers[number].bits + 7) // 8 for number in numbers)


def takes_a_place(found, step, new, kept):
    """Whether the one output of an element-wise step begins here, is nobody else's, and an input as large ends here."""
    outputs = {access.buffer for access in step.writes}
    if not step.overwrites or len(outputs) != 1 or outputs != new:
        return False
    writers = [other for other in found.steps if outputs & {access.buffer for access in other.writes}]
    bits = found.buffers[min(outputs)].bits
    ends = [a.buffer for a in step.reads if a.buffer not in kept and a.bits == found.buffers[a.buffer].bits == bits]
    return len(writers) == 1 and bool(ends)
