"""Curves of traffic against memory: exact breakpoints, sizes, precision, what does not fit, and every way to misuse them."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import CostModelError, InputError
from costmodel.explore.curve import CurvePoint, LayerCurve, capacities_of, drops, summed
from costmodel.graph import Graph
from costmodel.hardware.profile import HardwareProfile
from costmodel.mapping import Problems, solve
from tests.unit.machine import machine


def network(channels=16, size=12, kernel=3):
    """Build a convolution, a pooling, a classifier; relu and flatten are free."""
    g = Graph("small")
    x = g.relu("relu", g.conv("conv", g.input("data", (1, 8, size, size)), channels, kernel=kernel, padding=1))
    x = g.linear("fc", g.flatten("flat", g.max_pool("pool", x, kernel=2, stride=2)), 10)
    g.output(g.softmax("prob", x))
    return g


def moved_bytes(layer, sizes, network_=None, **options):
    """Return what a layer moves at some sizes."""
    return [p.dram_bytes for p in cm.curve(network_ or network(), layer=layer, capacity=sizes, **options).points]


# ---- figures


def test_a_product_in_figures():
    """4 x 4 weights and one input: compulsory from 9 B, a row and an output, down to one weight, one input, one wide sum."""
    g = Graph("product")
    g.output(g.linear("fc", g.input("x", (1, 4)), 4, bias=False))
    curve = cm.curve(g, layer="fc", capacity="4,6,9,100")
    moved = [point.dram_bytes for point in curve.points]

    assert moved[0] is None
    assert moved[1:] == sorted(moved[1:], reverse=True)
    assert moved[2] == moved[3] == 16 + 4 + 4
    assert curve.layers[0].smallest_bytes == 1 + 1 + 4
    assert curve.layers[0].least_from_bytes <= 9


def test_the_curve_is_what_the_mapper_finds():
    """At every size, beside the problem built by hand."""
    column = {"n": 1, "g": 1, "k": 16, "c": 8, "p": 12, "q": 12, "r": 3, "s": 3, "stride_h": 1, "stride_w": 1, "dilation_h": 1,
              "dilation_w": 1, "pad_top": 1, "pad_left": 1, "ifmap_h": 12, "ifmap_w": 12, "weight_elems": 16 * 72,
              "ofmap_elems": 16 * 144, "weight_bits": 8, "ifmap_bits": 8, "ofmap_bits": 8, "psum_bits": 32}  # fmt: skip
    problem = Problems(**{name: np.array([value], dtype=np.int64) for name, value in column.items()})
    sizes = [64, 200, 1000, 4096]
    expected = []
    for size in sizes:
        found = solve(problem, size * 8)
        expected.append(int((found.weight_bits + found.ifmap_bits + found.ofmap_bits)[0]) // 8)

    assert moved_bytes("conv", sizes) == expected


def test_layers_add_up():
    """The curve of a network is the sum of the curves of its layers; free layers have none."""
    curve = cm.curve(network(), capacity="64:4096:4x")

    assert [layer.name for layer in curve.layers] == ["conv", "pool", "fc", "prob"]
    for index, point in enumerate(curve.points):
        assert point.dram_bytes == sum(layer.points[index].dram_bytes for layer in curve.layers)
        assert point.io_bound_bytes == sum(layer.points[index].io_bound_bytes for layer in curve.layers)


def test_a_network_does_not_fit_where_a_layer_does_not():
    """The layers that do are still priced."""
    curve = cm.curve(network(), capacity="4,64")

    assert [point.dram_bytes is None for point in curve.points] == [True, False]
    assert curve.points[0].bound_ratio is None
    assert curve.layers[-1].points[0].dram_bytes is not None, "softmax streams"


def test_the_least_begins_where_it_is_said_to():
    """One byte less and more is moved; from there on it is what a huge memory moves."""
    for layer in cm.curve(network(), capacity="64").layers[:3]:
        sizes = [layer.least_from_bytes - 1, layer.least_from_bytes, 1 << 30]
        before, at, after = moved_bytes(layer.name, sizes)

        assert before is None or before > at
        assert at == after == layer.least_bytes


def test_a_stride_that_passes_over_rows_still_has_a_least():
    """Windows apart: the least may lie above compulsory traffic, and the report says so."""
    g = Graph("apart")
    g.output(g.conv("conv", g.input("x", (1, 4, 17, 17)), 8, kernel=1, stride=4))
    (layer,) = cm.curve(g, capacity="64:65536:4x").layers

    assert layer.least_bytes >= layer.points[0].compulsory_bytes
    assert layer.points[-1].dram_bytes == layer.least_bytes


def test_a_streamed_layer_has_a_flat_curve():
    """Whatever the memory; it has no breakpoints and no smallest memory."""
    curve = cm.curve(network(), layer="prob", capacity="1,1024")

    assert {(p.dram_bytes, p.io_bound_bytes, p.compulsory_bytes, p.stationary) for p in curve.points} == {(20, 20, 20, "")}
    assert (curve.breakpoints, curve.layers[0].smallest_bytes) == ((), 0)


def test_a_free_layer_moves_nothing():
    """It may be asked for by name."""
    (point,) = cm.curve(network(), layer="relu", capacity="64").points

    assert (point.dram_bytes, point.io_bound_bytes, point.bound_ratio) == (0, 0, None)


def test_recurrent_weights_stay_where_they_fit():
    """Below that they cross at every step."""
    g = Graph("steps")
    g.output(g.gru("gru", g.input("x", (1, 6, 5)), 7))
    name = next(name for name in g.table().names if name.endswith("recurrent"))
    curve = cm.curve(g, layer=name, capacity=[32, 1 << 20])

    assert curve.points[0].dram_bytes > 3 * curve.points[1].dram_bytes
    assert curve.layers[0].least_bytes == curve.points[1].dram_bytes


# ---- where it drops


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(3, 14), st.sampled_from([1, 3, 5]), st.integers(1, 200), st.integers(1, 3000))
def test_breakpoints_are_exact(channels, size, kernel, low, more):
    """A byte below a breakpoint more is moved, at it less, and between two of them always the same."""
    g, sizes = network(channels, max(size, kernel), kernel), [low, low + more]
    curve = cm.curve(g, layer="conv", capacity=sizes)
    steps = curve.breakpoints
    asked = sorted({size for step in steps for size in (step.capacity_bytes - 1, step.capacity_bytes) if size} | set(sizes))
    moved = dict(zip(asked, moved_bytes("conv", asked, g), strict=True))

    for step in steps:
        before = moved.get(step.capacity_bytes - 1)
        assert moved[step.capacity_bytes] == step.dram_bytes
        assert step.saved_bytes == (None if before is None else before - step.dram_bytes)
        assert step.saved_bytes is None or step.saved_bytes > 0
    for one, two in pairwise(steps):
        assert moved[two.capacity_bytes - 1] == one.dram_bytes
    if steps:
        assert moved[low + more] == steps[-1].dram_bytes


def test_every_breakpoint_of_a_small_layer():
    """All sizes one by one give the same breakpoints."""
    sizes = list(range(1, 700))
    curve = cm.curve(network(4, 6), layer="conv", capacity=sizes)
    moved = [point.dram_bytes for point in curve.points]
    falls = [size for size, one, two in zip(sizes[1:], moved, moved[1:], strict=False) if one != two]

    assert [step.capacity_bytes for step in curve.breakpoints] == falls
    assert curve.breakpoints[0].capacity_bytes == curve.layers[0].smallest_bytes


@given(st.lists(st.integers(0, 9), min_size=1, max_size=80))
def test_drops_of_any_function(values):
    """Every place at which a function that never grows is less than one before."""
    falling = np.array(sorted(values, reverse=True))
    expected = [at for at in range(1, falling.size) if falling[at] < falling[at - 1]]

    assert drops(lambda at: falling[at], 0, falling.size - 1) == expected


# ---- precision and hardware


def test_widths_are_int8_where_nothing_says_any():
    """With partial sums of 32 bits; a format or widths change them."""
    assert cm.curve(network(), capacity="64").precision.name == "int8"
    assert cm.curve(network(), capacity="64").precision.psum_bits == 32
    plain, half, narrow = (
        cm.curve(network(), capacity="1MiB", **options).points[0].dram_bytes
        for options in ({}, {"dtype": "fp16"}, {"bits": {"weight": 4}})
    )
    assert half == 2 * plain
    assert plain - narrow == (16 * 72 + 10 * 576) // 2


def test_hardware_gives_format_and_buffering():
    """A double-buffered memory of twice the size does what one does that is not."""
    single = cm.curve(network(), "conv", [500, 1000], machine())
    double = cm.curve(network(), "conv", [1000, 2000], machine(double_buffered=True))
    figures = [[(p.dram_bytes, p.io_bound_bytes, p.stationary) for p in curve.points] for curve in (single, double)]

    assert figures[0] == figures[1]
    assert (double.hardware, double.memory, double.double_buffered) == ("machine", "sram", True)
    assert double.layers[0].smallest_bytes == 2 * single.layers[0].smallest_bytes
    assert isinstance(machine(), HardwareProfile)


def test_a_batch_shares_the_weights():
    """Activations grow with the batch, weights do not."""
    one, four = (cm.curve(network(), "fc", "1MiB", batch=batch).points[0].dram_bytes for batch in (1, 4))

    assert four - one == 3 * (576 + 10)


def test_compressed_weights_cross_at_their_width():
    """A compressed network moves less at every size."""
    plain = cm.curve("squeezenet", capacity="64KiB,1MiB")
    packed = cm.curve("squeezenet@squeezenet-deep-compression-6bit", capacity="64KiB,1MiB")

    for one, two in zip(plain.points, packed.points, strict=True):
        assert two.compulsory_bytes <= two.io_bound_bytes <= two.dram_bytes < one.dram_bytes


# ---- sizes


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("1KiB:4KiB", (1024, 2048, 4096)),
        ("1KiB:16KiB:4x", (1024, 4096, 16384)),
        ("100:300:100", (100, 200, 300)),
        ("64KiB, 1 MiB", (65536, 1 << 20)),
        ("2kB", (2000,)),
        ([4096, 1024, 1024], (1024, 4096)),
        (["1 KiB", 2], (2, 1024)),
    ],
)
def test_sizes(given_, expected):
    """As on the command line, or a sequence; ascending, each once."""
    assert capacities_of(given_) == expected


@pytest.mark.parametrize(
    "given_", ["", "abc", "5:1", "1:2:3:4", "0", "0:8", "-5", "1GB/s", "1:", [], [True], [0], ["x"], "1e30"]
)
def test_sizes_that_make_no_sense(given_):
    """One clear message, which names what was given to the curve."""
    with pytest.raises(InputError, match=r"^curve: ") as caught:
        capacities_of(given_)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        (network(), {"layer": "cnv"}, r"small has no layer 'cnv' \(did you mean 'conv'\?\)"),
        (Graph("empty"), {}, "empty: has no layers"),
        (network(), {"dtype": "int7"}, "'int7' is not a number format"),
        (network(), {"batch": 0}, "batch: 0 given"),
        (network(np.array([4, 8])), {}, "small: carries 2 design points"),
        ("alexnet", {"hardware": "nowhere"}, "nowhere"),
    ],
)
def test_mistakes(net, options, message):
    """Every mistake is a message."""
    with pytest.raises(CostModelError, match=message):
        cm.curve(net, capacity="64", **options)


def test_a_layer_too_long_to_map_is_refused():
    """As by `analyze`."""
    g = Graph("long")
    g.output(g.conv("conv", g.input("x", (1, 1, (1 << 22) + 1, 1)), 1, kernel=1))

    with pytest.raises(CostModelError, match="conv: 4194305 positions along loop p"):
        cm.curve(g, capacity="64")


# ---- results


def test_sums_of_points():
    """A sum is None where a part is."""
    one, two = CurvePoint(8, 1, 2, 3, "weight"), CurvePoint(8, 10, 20, None)

    assert summed([one, one]) == CurvePoint(8, 2, 4, 6)
    assert summed([one, two]) == CurvePoint(8, 11, 22, None)
    assert (one.bound_ratio, two.bound_ratio) == (1.5, None)


def test_records_have_the_network_first():
    """One per size for all layers, then one per size and layer; of one layer only its own."""
    records = cm.curve(network(), capacity="64,128").records()
    names = [record["layer"] for record in records]

    assert names == ["", "", "conv", "conv", "pool", "pool", "fc", "fc", "prob", "prob"]
    assert {record["layer"] for record in cm.curve(network(), layer="fc", capacity="64").records()} == {"fc"}


def test_plain_data():
    """JSON has everything: points with ratios, layers, breakpoints with their mapping."""
    curve = cm.curve(network(), layer="conv", capacity="4:4096:4x")
    data = json.loads(json.dumps(curve.to_dict()))

    assert data["schema_version"] == 1
    assert [point["capacity_bytes"] for point in data["points"]] == list(curve.capacities)
    assert data["points"][0]["dram_bytes"] is None
    assert data["breakpoints"][0]["mapping"].startswith(curve.breakpoints[0].stationary)
    assert data["layers"][0]["points"] == data["points"]
    assert isinstance(curve.layers[0], LayerCurve)
