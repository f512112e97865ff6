"""No schedule undercuts the I/O bound: tiny layers played perfectly, beside bound and mapper."""

from __future__ import annotations

from itertools import count, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costmodel.formulas import counts
from costmodel.formulas.pebbling import schedule_bound_bits, window_reuse
from costmodel.mapping import Layer, Problems, smallest_buffer_bits, solve
from tests.oracle.pebbles import Game, game_of, products

MOST_MACS = 8
MOST_ELEMS = 11


def axis_arguments(axis):
    """Return the geometry of an axis as the formulas take it."""
    return axis.outputs, axis.taps, axis.stride, axis.dilation, axis.pad, axis.size


def bound_bits(layer, capacity_bits):
    """Return the bound of a layer by the formulas."""
    height, width = axis_arguments(layer.height), axis_arguments(layer.width)
    macs = layer.n * layer.g * layer.k * layer.c * counts.meeting(*height) * counts.meeting(*width)
    return float(
        schedule_bound_bits(
            macs, window_reuse(*height[:4]) * window_reuse(*width[:4]), layer.ofmap_elems, layer.weight_bits, layer.ifmap_bits,
            layer.ofmap_bits, layer.psum_bits, capacity_bits,
        )
    )  # fmt: skip


def mapped_bits(layer, capacity_bits):
    """Return what the mapper moves."""
    found = solve(Problems.of_layer(layer), capacity_bits)
    assert found.fits[0]
    return int((found.weight_bits + found.ifmap_bits + found.ofmap_bits)[0])


def axis_of(random, longest):
    """Geometry of one axis at random, as (outputs, taps, stride, dilation, pad, size)."""
    outputs, taps = random.randint(1, longest), random.randint(1, 3)
    stride, dilation, pad = random.randint(1, 3), random.randint(1, 2), random.randint(0, 1)
    span = (outputs - 1) * stride + (taps - 1) * dilation + 1
    return outputs, taps, stride, dilation, pad, max(1, span - pad - random.randint(-1, 1))


def drawn_layer(random, *, convolution):
    """A small layer at random; most of its sizes are 1."""
    sizes = {name: random.choice((1, 1, 2, 2, 3)) for name in ("n", "k", "c")} | {"g": random.choice((1, 1, 1, 2))}
    if convolution:
        names = ("p", "r", "stride_h", "dilation_h", "pad_top", "ifmap_h")
        sizes |= dict(zip(names, axis_of(random, 4), strict=True))
        if random.random() < 0.3:
            names = ("q", "s", "stride_w", "dilation_w", "pad_left", "ifmap_w")
            sizes |= dict(zip(names, axis_of(random, 2), strict=True))
    widths = {name: random.randint(1, 3) for name in ("weight_bits", "ifmap_bits", "ofmap_bits")}
    return Layer(**sizes, **widths, psum_bits=random.randint(widths["ofmap_bits"], 5))


def tiny(layer):
    """Whether a layer can be played out, and every weight and every output of it meets an input."""
    found = list(products(layer))
    if not 3 <= len(found) <= MOST_MACS:
        return False
    weights, ifmaps, outputs = (set(column) for column in zip(*found, strict=True))
    if len(weights) + len(ifmaps) + len(outputs) > MOST_ELEMS:
        return False
    return len(weights) == layer.weight_elems and len(outputs) == layer.ofmap_elems


@st.composite
def tiny_layers(draw, convolution=True):
    """Draw a layer of a few MACs: the first one of a random series that is tiny."""
    random = Random(draw(st.integers(0, 1 << 32)))
    return next(filter(tiny, (drawn_layer(random, convolution=convolution) for _ in count())))


def check(layer, share):
    """Compare bound, game and mapper at a memory between the smallest that the mapper can use and one for everything."""
    found = list(products(layer))
    everything = layer.weight_elems * layer.weight_bits + len({i for _, i, _ in found}) * layer.ifmap_bits
    least = everything + layer.ofmap_elems * layer.ofmap_bits
    smallest = smallest_buffer_bits(Problems.of_layer(layer))
    capacity_bits = smallest + int(share * max(least - smallest, 0))
    optimum = game_of(layer, capacity_bits).optimum_bits()

    assert optimum is not None
    assert max(bound_bits(layer, capacity_bits), least) <= optimum + 1e-6
    assert optimum <= mapped_bits(layer, capacity_bits)


@settings(max_examples=400, deadline=None)
@given(tiny_layers(), st.floats(0, 1))
def test_no_schedule_of_a_convolution_undercuts_the_bound(layer, share):
    """On 400 random tiny layers: bound <= perfect play <= mapper."""
    check(layer, share)


@settings(max_examples=200, deadline=None)
@given(tiny_layers(convolution=False), st.floats(0, 1))
def test_no_schedule_of_a_product_undercuts_the_bound(layer, share):
    """On 200 random tiny matrix products the same."""
    check(layer, share)


@pytest.mark.parametrize(("n", "k", "c"), [(2, 2, 2), (3, 2, 1), (1, 3, 3), (3, 3, 1)])
@pytest.mark.parametrize("capacity_bits", [1, 2, 3])
def test_no_schedule_undercuts_the_bound_in_the_tightest_memories(n, k, c, capacity_bits):
    """Words of one bit in memories of one to three words and an accumulator: where the bound is far above compulsory."""
    layer = Layer(n=n, k=k, c=c, weight_bits=1, ifmap_bits=1, ofmap_bits=1, psum_bits=1)
    optimum = game_of(layer, capacity_bits).optimum_bits()

    if capacity_bits == 1:
        assert optimum is None  # a MAC needs both of its inputs
    else:
        assert bound_bits(layer, capacity_bits) <= optimum


@pytest.mark.parametrize(("capacity_bits", "n", "k", "c"), [(2, 2, 2, 2), (3, 2, 2, 2), (2, 3, 3, 1)])
def test_the_bound_is_nearly_reached(capacity_bits, n, k, c):
    """In words of one bit, perfect play moves at most 1.6 times the larger of the bound and compulsory traffic."""
    layer = Layer(n=n, k=k, c=c, weight_bits=1, ifmap_bits=1, ofmap_bits=1, psum_bits=1)
    least = layer.weight_elems + n * c + layer.ofmap_elems

    assert game_of(layer, capacity_bits).optimum_bits() <= 1.6 * max(least, bound_bits(layer, capacity_bits))


# ---- the game itself


def test_the_game_of_one_mac():
    """Two loads and a store; a memory for one input cannot play."""
    game = {"macs": ((0b11, 0),), "input_bits": (2, 3), "outputs": 1, "ofmap_bits": 4, "psum_bits": 9}

    assert Game(**game, capacity_bits=5).optimum_bits() == 2 + 3 + 4
    assert Game(**game, capacity_bits=4).optimum_bits() is None


def test_the_game_of_a_dot_product_needs_no_more_than_its_operands():
    """The sum stays in the accumulator, inputs come and go."""
    layer = Layer(c=4, weight_bits=2, ifmap_bits=1, ofmap_bits=3, psum_bits=7)

    assert game_of(layer, 3).optimum_bits() == 4 * (2 + 1) + 3


def test_the_game_of_an_outer_product_reloads_what_does_not_fit():
    """2 x 2 with room for two inputs: each output stays in turn; going round, one operand is kept at every step."""
    layer = Layer(n=2, k=2, weight_bits=1, ifmap_bits=1, ofmap_bits=1, psum_bits=1)

    assert game_of(layer, 2).optimum_bits() == (2 + 1 + 1 + 1) + 4
    assert game_of(layer, 3).optimum_bits() == 4 + 4


def walked(game, seed_order):
    """Bits that a schedule in a given order of MACs moves which keeps nothing between two MACs."""
    moved, begun = 0, set()
    left = [parts.bit_count() for parts in game.parts]
    for number in seed_order:
        inputs, output = game.macs[number]
        moved += sum(bits for place, bits in enumerate(game.input_bits) if inputs >> place & 1)
        moved += game.psum_bits if output in begun else 0
        begun.add(output)
        left[output] -= 1
        moved += game.psum_bits if left[output] else game.ofmap_bits
    return moved


@settings(max_examples=60, deadline=None)
@given(tiny_layers(), st.randoms(use_true_random=False))
def test_perfect_play_is_no_worse_than_any_other(layer, random):
    """A schedule that keeps nothing is a legal one: the optimum is at most that."""
    capacity_bits = layer.weight_bits + layer.ifmap_bits
    game = game_of(layer, capacity_bits)
    order = list(range(len(game.macs)))
    random.shuffle(order)

    assert game.optimum_bits() <= walked(game, order)


# ---- the inequality behind the bound


@settings(max_examples=300, deadline=None)
@given(tiny_layers(), st.data())
def test_macs_are_bounded_by_what_they_touch(layer, data):
    """Any subset of the MACs of a layer has at most sqrt(reuse W I O) members, W I O the elements it touches."""
    chosen = [mac for mac in products(layer) if data.draw(st.booleans())]
    touched = [len({mac[i] for mac in chosen}) for i in range(3)]
    height, width = axis_arguments(layer.height), axis_arguments(layer.width)
    reuse = int(window_reuse(*height[:4]) * window_reuse(*width[:4]))

    assert len(chosen) ** 2 <= reuse * touched[0] * touched[1] * touched[2]


@pytest.mark.parametrize(
    ("outputs", "taps", "stride", "dilation"),
    list(product((1, 2, 5), (1, 3, 4), (1, 2, 3), (1, 2, 3))),
)
def test_reuse_is_never_less_than_the_windows_that_share_an_input(outputs, taps, stride, dilation):
    """Counted literally; without padding some input reaches it wherever there are windows enough."""
    windows = [position * stride + tap * dilation for position in range(outputs) for tap in range(taps)]
    most = max(map(windows.count, windows))

    assert most <= window_reuse(outputs=outputs, taps=taps, stride=stride, dilation=dilation)
