"""Timelines of small networks worked out by hand, under every convention."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.graph import Graph
from costmodel.importers import load_network
from costmodel.schedule.conventions import CONVENTIONS, convention
from costmodel.schedule.timeline import Sized, timeline


def sized(graph, bits=8, batch=1):
    """Return a graph with its sizes at one width."""
    table = graph.table().with_batch(batch)
    widths = np.full((len(table), 1), bits)
    return Sized(graph, table, widths, widths, batch)


def counted(graph, name="live", in_place=None, order="program", **options):
    """Return the timeline of a graph."""
    return timeline(sized(graph, **options), convention(name, in_place), order)


def residual():
    """Build a block with a bypass: 8 channels in and out, 4 between, then a pool to one pixel; 16 pixels."""
    graph = Graph("residual")
    x = graph.conv("stem", graph.input("image", (1, 3, 4, 4)), 8, kernel=1)
    y = graph.conv("narrow", x, 4, kernel=1)
    z = graph.conv("wide", y, 8, kernel=1)
    x = graph.relu("relu", graph.add("add", x, z))
    graph.output(graph.global_avg_pool("pool", x))
    return graph


def fire():
    """Build a squeeze and two expansions that are joined: 16 pixels, 4 channels, 2 x 8."""
    graph = Graph("fire")
    x = graph.conv("squeeze", graph.input("image", (1, 8, 4, 4)), 4, kernel=1)
    parts = [graph.relu(f"relu{i}", graph.conv(f"expand{i}", x, 8, kernel=1)) for i in range(2)]
    graph.output(graph.conv("next", graph.concat("join", *parts), 2, kernel=1))
    return graph


def names(found):
    """Return the names of the steps in order."""
    return [found.program.steps[number].name for number in found.order.steps]


def test_live_step_by_step():
    """Image and stem; stem and narrow; all three; the sum in the place of an input; the pool beside it."""
    found = counted(residual())
    assert names(found) == ["stem", "narrow", "wide", "add", "pool"]
    assert found.step_bytes == (48 + 128, 128 + 64, 128 + 64 + 128, 128 + 128, 128 + 8)
    assert found.peak_bytes == 320
    assert names(found)[found.peak_position] == "wide"
    assert found.alive[3] == ("stem", "wide", "add")


def test_live_without_writing_over():
    """The sum beside both its inputs."""
    found = counted(residual(), in_place=["concat", "view"])
    assert found.step_bytes[3] == 3 * 128
    assert found.peak_bytes == 384


def test_in_out_forgets_the_bypass():
    """Only what a layer reads and writes: the sum's three tensors are the most."""
    found = counted(residual(), "in_out")
    assert found.step_bytes == (176, 192, 192, 384, 136)
    assert found.alive[2] == ("wide", "narrow")
    assert found.addresses == (None,) * 6
    assert (found.packing, found.least_packing) == (None, None)


@pytest.mark.parametrize(
    ("in_place", "step_bytes"),
    [
        (["elementwise"], (176, 192, 192, 256, 136)),
        (["layer"], (128, 128, 128, 128, 128)),
        (["depthwise"], (176, 192, 192, 384, 136)),
    ],
)
def test_in_out_with_more_in_place(in_place, step_bytes):
    """The sum over an input; every layer over its input; no depthwise convolution to change anything."""
    assert counted(residual(), "in_out", in_place).step_bytes == step_bytes


def test_a_depthwise_convolution_in_place():
    """Stride 2 over 16 pixels: the larger of input and output; a grouped or full convolution counts both."""
    graph = Graph("depthwise")
    x = graph.conv("one", graph.input("image", (1, 8, 4, 4)), 8, kernel=3, stride=2, padding=1, groups=8)
    x = graph.conv("two", x, 8, kernel=1, groups=4)
    graph.output(graph.conv("three", x, 8, kernel=1))
    assert counted(graph, "in_out").step_bytes == (128 + 32, 64, 64)
    assert counted(graph, "in_out", ["depthwise"]).step_bytes == (128, 64, 64)


def test_a_pool_with_its_convolution():
    """The convolution's output is never stored: both steps need the image and the pooled map."""
    graph = Graph("pool")
    x = graph.relu("relu", graph.conv("conv", graph.input("image", (1, 3, 8, 8)), 8, kernel=1))
    x = graph.max_pool("pool", x, kernel=2, stride=2)
    graph.output(graph.max_pool("again", x, kernel=2, stride=2))
    assert counted(graph, "in_out").step_bytes == (192 + 512, 512 + 128, 128 + 32)
    assert counted(graph, "in_out", ["pool"]).step_bytes == (192 + 128, 192 + 128, 128 + 32)


def test_a_pool_is_not_computed_with_what_others_read():
    """A bypass around the pool needs the convolution's output."""
    graph = Graph("bypass")
    x = graph.conv("conv", graph.input("image", (1, 3, 8, 8)), 8, kernel=1)
    y = graph.max_pool("pool", x, kernel=3, stride=1, padding=1)
    graph.output(graph.add("add", x, y))
    assert counted(graph, "in_out", ["pool"]).step_bytes == counted(graph, "in_out").step_bytes


def test_a_join_in_place_takes_its_whole_room_at_once():
    """Live holds both halves from the first; in_out looks at one half at a time, and at no join."""
    assert counted(fire()).step_bytes == (128 + 64, 64 + 256, 64 + 256, 256 + 32)
    assert counted(fire(), "in_out").step_bytes == (192, 64 + 128, 64 + 128, 256 + 32)


@pytest.mark.parametrize("name", ["live", "arena", "in_out"])
def test_a_join_that_copies_is_a_step(name):
    """Both halves and the whole, whatever the convention."""
    found = counted(fire(), name, ["view"])
    assert names(found) == ["squeeze", "expand0", "expand1", "join", "next"]
    assert found.step_bytes[3] == 128 + 128 + 256


def test_addresses_of_live_reach_the_peak():
    """A packing within the most that is alive, an in-place sum at the address of its input."""
    found = counted(residual())
    by_name = dict(zip((b.name for b in found.program.buffers), found.addresses, strict=True))
    assert found.packing == found.least_packing
    assert found.packing.size_bytes == found.peak_bytes == 320
    assert by_name["add"] == by_name["stem"]
    assert by_name["wide"] != by_name["stem"]


def test_the_arena_is_planned_greedily():
    """The largest first at 0, of equals the last one, each at the lowest gap: 384 bytes for a sum of three."""
    found = counted(residual(), "arena")
    by_name = dict(zip((b.name for b in found.program.buffers), found.addresses, strict=True))
    assert by_name == {"image": 0, "stem": 256, "narrow": 0, "wide": 128, "add": 0, "pool": 128}
    assert found.peak_bytes == found.packing.size_bytes == 384


def test_the_arena_is_aligned():
    """Three tensors of one byte take 16 each."""
    graph = Graph("bytes")
    x = graph.linear("fc", graph.input("x", (1, 1)), 1)
    graph.output(graph.linear("out", x, 1), x)
    found = counted(graph, "arena")
    assert found.step_bytes == (2, 2)
    assert (found.peak_bytes, found.lower_bound_bytes) == (32, 2)


def test_widths_and_batch_scale_everything():
    """32 bits are four times 8; a batch of three is three times one."""
    for name in CONVENTIONS:
        one = counted(residual(), name, ["concat", "view"])
        assert counted(residual(), name, ["concat", "view"], bits=32).step_bytes == tuple(4 * b for b in one.step_bytes)
        assert counted(residual(), name, ["concat", "view"], batch=3).step_bytes == tuple(3 * b for b in one.step_bytes)


def test_the_least_order_is_used():
    """SqueezeNet with convolutions in its bypasses needs 15 % less if a bypass waits."""
    graph = load_network("squeezenet:bypass=complex")
    program, least = counted(graph), counted(graph, order="least")
    assert (program.peak_bytes, least.peak_bytes) == (1_866_240, 1_586_304)
    assert sorted(names(program)) == sorted(names(least)) != names(least)
    assert least.peak_bytes == least.lower_bound_bytes
    assert counted(graph, "in_out", order="least").peak_bytes == counted(graph, "in_out").peak_bytes


def test_a_network_without_steps():
    """Only views: what is given is all there is."""
    graph = Graph("views")
    graph.output(graph.flatten("flat", graph.input("x", (1, 3, 4))))
    for name in ("live", "in_out"):
        found = counted(graph, name)
        assert (names(found), found.step_bytes, found.alive) == ([], (12,), (("x",),))


@pytest.mark.parametrize("file", ["light_resnet50", "light_densenet121", "googlenet.dynamo", "swin_t.dynamo"])
def test_conventions_are_in_order(file):
    """One layer's operands are alive together; what is copied is too; an arena is never below what it holds."""
    graph = load_network(f"tests/models/onnx/{file}.onnx")
    nothing = counted(graph, "live", [])
    arena = counted(graph, "arena")
    assert counted(graph, "in_out", ["layer"]).peak_bytes < counted(graph, "in_out", []).peak_bytes <= nothing.peak_bytes
    assert nothing.peak_bytes <= arena.least_packing.size_bytes <= arena.peak_bytes
    assert arena.liveness.live_bytes == nothing.liveness.live_bytes
