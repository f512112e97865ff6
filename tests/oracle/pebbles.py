"""The red-blue pebble game of a tiny layer, played perfectly: the least bits that any schedule whatever moves.

Nothing here knows tiles, loops or bounds. A position is which MACs are done, which inputs are held and which sums are
held; every order of MACs, every load, every eviction and every spilled sum is a path through positions, and the
cheapest path is found (A*, whose estimate is what is certain still to come).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import product


@dataclass(frozen=True)
class Game:
    """MACs as (input bit mask, output number), widths of inputs and sums, and the memory.

    The memory has ``capacity_bits`` and one accumulator beside it, which holds one sum. A sum that is not finished takes
    ``psum_bits``; a finished one leaves at once at ``ofmap_bits``.
    """

    macs: tuple[tuple[int, int], ...]
    input_bits: tuple[int, ...]
    outputs: int
    ofmap_bits: int
    psum_bits: int
    capacity_bits: int
    needs: tuple[int, ...] = field(init=False)
    parts: tuple[int, ...] = field(init=False)

    def __post_init__(self):
        """Index the MACs by input and by output, as masks over the MACs."""
        needs, parts = [0] * len(self.input_bits), [0] * self.outputs
        for number, (inputs, output) in enumerate(self.macs):
            parts[output] |= 1 << number
            for place in bits_of(inputs):
                needs[place] |= 1 << number
        object.__setattr__(self, "needs", tuple(needs))
        object.__setattr__(self, "parts", tuple(parts))

    def taken_bits(self, inputs, sums):
        """Memory that inputs and sums take, one sum being in the accumulator."""
        held = sum(self.input_bits[place] for place in bits_of(inputs))
        return held + self.psum_bits * max(sums.bit_count() - 1, 0)

    def settled(self, done, inputs, sums):
        """Do every MAC whose operands are held, which costs nothing, and let go what is no longer needed.

        Returns the position and the bits of the outputs that leave.
        """
        for number, (wanted, output) in enumerate(self.macs):
            if not done >> number & 1 and wanted & ~inputs == 0 and sums >> output & 1:
                done |= 1 << number
        finished = [output for output in bits_of(sums) if self.parts[output] & ~done == 0]
        for output in finished:
            sums &= ~(1 << output)
        for place in bits_of(inputs):
            if self.needs[place] & ~done == 0:
                inputs &= ~(1 << place)
        return (done, inputs, sums), len(finished) * self.ofmap_bits

    def certain_bits(self, position):
        """Bits that cross in any case from here on: inputs still needed, sums that are away, outputs to come."""
        done, inputs, sums = position
        loads = sum(
            bits
            for place, bits in enumerate(self.input_bits)
            if not inputs >> place & 1 and self.needs[place] & ~done
        )
        waiting = [output for output in range(self.outputs) if self.parts[output] & ~done]
        away = sum(1 for output in waiting if self.parts[output] & done and not sums >> output & 1)
        return loads + away * self.psum_bits + len(waiting) * self.ofmap_bits

    def moves(self, position):
        """Yield every next position that fits, before it is settled, and its bits."""
        done, inputs, sums = position
        room = self.capacity_bits - self.taken_bits(inputs, sums)
        full = room < max(*self.input_bits, self.psum_bits)  # what need not go yet may as well go later
        for place, bits in enumerate(self.input_bits):
            if inputs >> place & 1:
                if full:
                    yield (done, inputs & ~(1 << place), sums), 0
            elif self.needs[place] & ~done:
                yield (done, inputs | 1 << place, sums), bits
        for output, parts in enumerate(self.parts):
            begun = bool(parts & done)
            if sums >> output & 1:
                if full:
                    yield (done, inputs, sums & ~(1 << output)), self.psum_bits if begun else 0
            elif parts & ~done:
                yield (done, inputs, sums | 1 << output), self.psum_bits if begun else 0

    def optimum_bits(self):
        """Return the least bits of any schedule, or None where none exists."""
        start = (0, 0, 0)
        everything = (1 << len(self.macs)) - 1
        best = {start: 0}
        queue = [(self.certain_bits(start), 0, start)]
        while queue:
            _, spent, position = heappop(queue)
            if spent > best[position]:
                continue
            if position[0] == everything:
                return spent
            for (done, inputs, sums), bits in self.moves(position):
                if self.taken_bits(inputs, sums) > self.capacity_bits:
                    continue
                after, stored = self.settled(done, inputs, sums)
                cost = spent + bits + stored
                if cost < best.get(after, cost + 1):
                    best[after] = cost
                    heappush(queue, (cost + self.certain_bits(after), cost, after))
        return None


def bits_of(mask):
    """Yield the places of the ones of a mask."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def products(layer):
    """Yield (weight, input, output) of every MAC of a layer that meets no padding, as index tuples."""
    loops = (layer.n, layer.g, layer.k, layer.c, layer.p, layer.q, layer.r, layer.s)
    for n, g, k, c, p, q, r, s in product(*map(range, loops)):
        row = p * layer.stride_h + r * layer.dilation_h - layer.pad_top
        column = q * layer.stride_w + s * layer.dilation_w - layer.pad_left
        if 0 <= row < layer.ifmap_h and 0 <= column < layer.ifmap_w:
            yield (g, k, c, r, s), (n, g, c, row, column), (n, g, k, p, q)


def game_of(layer, capacity_bits):
    """Return the game of a layer."""
    found = list(products(layer))
    numbers: dict[object, dict[object, int]] = defaultdict(dict)
    for weight, ifmap, output in found:
        numbers["in"].setdefault(("weight", weight), len(numbers["in"]))
        numbers["in"].setdefault(("ifmap", ifmap), len(numbers["in"]))
        numbers["out"].setdefault(output, len(numbers["out"]))
    inputs, outputs = numbers["in"], numbers["out"]
    return Game(
        macs=tuple((1 << inputs["weight", w] | 1 << inputs["ifmap", i], outputs[o]) for w, i, o in found),
        input_bits=tuple(layer.weight_bits if kind == "weight" else layer.ifmap_bits for kind, _ in inputs),
        outputs=len(outputs),
        ofmap_bits=layer.ofmap_bits,
        psum_bits=layer.psum_bits,
        capacity_bits=capacity_bits,
    )
