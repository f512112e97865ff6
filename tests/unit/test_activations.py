"""Memory of activations as the library gives it: figures, lifetimes, addresses, what stands beside them, mistakes."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest

import costmodel as cm
from costmodel.errors import HardwareError, InputError, NetworkError
from costmodel.graph import Graph
from tests.unit.machine import machine


def residual(name="residual"):
    """Build a block with a bypass: 128 bytes in and out, 64 between, at 8 bits."""
    graph = Graph(name)
    x = graph.conv("stem", graph.input("image", (1, 3, 4, 4)), 8, kernel=1, bias=False)
    y = graph.conv("narrow", x, 4, kernel=1, bias=False)
    z = graph.conv("wide", y, 8, kernel=1, bias=False)
    graph.output(graph.add("add", x, z))
    return graph


def test_the_figures_of_a_block():
    """Peak, where it is, weights, and the three conventions side by side."""
    found = cm.memory(residual())
    assert (found.peak_bytes, found.peak.peak_step, found.weight_bytes) == (320, "wide", 24 + 32 + 32)
    assert [(peak.convention, peak.peak_bytes) for peak in found.peaks] == [("live", 320), ("in_out", 384), ("arena", 384)]
    assert (found.order, found.order_proved) == ("program", True)
    assert (found.packed_bytes, found.packed_proved) == (320, True)


def test_lifetimes_and_addresses():
    """From step to step, counted from 0; the sum lies where the stem's output was."""
    buffers = {buffer.name: buffer for buffer in cm.memory(residual()).buffers}
    assert {name: (b.size_bytes, b.first, b.last) for name, b in buffers.items()} == {
        "image": (48, 0, 0), "stem": (128, 0, 3), "narrow": (64, 1, 2), "wide": (128, 2, 3), "add": (128, 3, 3),
    }  # fmt: skip
    assert [name for name, b in buffers.items() if b.overwrites] == ["add"]
    assert buffers["add"].overwrites == "stem"
    assert buffers["add"].address_bytes == buffers["stem"].address_bytes
    assert [name for name, b in buffers.items() if b.is_input] == ["image"]
    assert [name for name, b in buffers.items() if b.is_output] == ["add"]


def test_steps_say_what_is_alive():
    """Names, the largest first; the operation of each step."""
    found = cm.memory(residual())
    assert [(step.name, step.op, step.live_bytes) for step in found.steps] == [
        ("stem", "conv", 176), ("narrow", "conv", 192), ("wide", "conv", 320), ("add", "add", 256),
    ]  # fmt: skip
    assert found.steps[2].alive == ("stem", "wide", "narrow")


def test_convention_and_order_are_chosen():
    """The timeline is that of the convention asked for; the others stay beside it."""
    found = cm.memory("squeezenet:bypass=complex", convention="arena", order="least")
    assert (found.convention, found.order, found.peak_bytes) == ("arena", "least", 2_612_736)
    assert {peak.convention: peak.peak_bytes for peak in found.peaks}["live"] == 1_586_304
    assert (found.packed_bytes, found.packed_proved) == (2_239_488, True)


def test_what_is_in_place_changes_the_chosen_convention_alone():
    """``live`` without anything in place is the arena without alignment; the others keep their own."""
    found = cm.memory(residual(), in_place=[])
    assert found.peak.in_place == ()
    assert found.peak_bytes == 384
    assert [peak.in_place for peak in found.peaks[1:]] == [("concat", "view"), ()]


@pytest.mark.parametrize(("dtype", "times"), [("int8", 1), ("fp16", 2), ("fp32", 4)])
def test_the_format_sets_all_sizes(dtype, times):
    """Activations and weights."""
    found = cm.memory(residual(), dtype)
    assert (found.peak_bytes, found.weight_bytes) == (320 * times, 88 * times)
    assert found.precision.name == dtype


def test_half_bytes_are_rounded_up():
    """Every buffer begins at a whole byte: 3 elements of 4 bits take 2."""
    graph = Graph("odd")
    graph.output(graph.linear("fc", graph.input("x", (1, 3)), 5))
    assert cm.memory(graph, "int4").steps[0].live_bytes == 2 + 3


def test_widths_per_operand():
    """Inputs of the network at the width of ifmaps, the rest at that of ofmaps, weights at their own."""
    found = cm.memory(residual(), bits={"ofmap": 16, "weight": 4})
    assert {b.name: b.size_bytes for b in found.buffers}["image"] == 48
    assert {b.name: b.size_bytes for b in found.buffers}["stem"] == 256
    assert found.weight_bytes == 44
    assert found.precision.name == "int8, ofmap 16 bit, weight 4 bit"


def test_the_batch_multiplies_activations_alone():
    """Weights do not grow."""
    found = cm.memory(residual(), batch=5)
    assert (found.peak_bytes, found.weight_bytes, found.batch) == (1600, 88, 5)


def test_hardware_gives_its_memory_and_its_format():
    """The first memory on chip, and the profile's own dtype where none is asked for."""
    found = cm.memory(residual(), hw=machine(capacity=1000))
    assert (found.hardware, found.memory, found.capacity_bytes) == ("machine", "sram", 1000)
    assert found.precision.name == "int8"
    assert cm.memory(residual(), "fp32", hw=machine()).precision.name == "fp32"


def test_without_hardware_nothing_is_said_of_one():
    """No capacity to stand beside."""
    found = cm.memory(residual())
    assert (found.hardware, found.memory, found.capacity_bytes) == (None, None, None)


def test_data_for_json():
    """Everything, unrounded, in base units; plain enough for JSON."""
    found = cm.memory(residual(), hw=machine())
    data = json.loads(json.dumps(found.to_dict()))
    assert data["schema_version"] == 1
    assert (data["peak_bytes"], data["peak_step"], data["lower_bound_bytes"]) == (320, "wide", 320)
    assert data["conventions"][1] == {**asdict(found.peaks[1]), "in_place": ["concat", "view"]}
    assert [step["step"] for step in data["steps"]] == [0, 1, 2, 3]
    assert data["buffers"][1]["address_bytes"] == found.buffers[1].address_bytes


def test_data_as_a_frame():
    """One row per step."""
    frame = cm.memory(residual()).to_frame()
    assert frame["live_bytes"].tolist() == [176, 192, 320, 256]
    assert frame.columns.tolist() == ["step", "name", "op", "live_bytes", "alive"]


def test_the_result_is_frozen_and_can_be_sent():
    """As any result."""
    found = cm.memory(residual())
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(FrozenInstanceError):
        found.batch = 2


def test_the_repr_is_the_report():
    """In a terminal and in a notebook."""
    found = cm.memory(residual())
    assert repr(found).startswith("Activation memory of residual, int8, batch 1, convention live")
    assert "<table>" in found._repr_html_()


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2"])
def test_batches_that_cannot_be_are_refused(batch):
    """As by analyze."""
    with pytest.raises(InputError, match="batch: "):
        cm.memory(residual(), batch=batch)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"convention": "peak"}, "convention: 'peak' is not known; use one of live, in_out, arena"),
        ({"order": "best"}, "order: 'best' is not known; use one of program, least"),
        ({"in_place": ["sums"]}, "in_place: 'sums' is not known"),
        ({"in_place": ["pool"]}, "in_place: 'pool' is of one layer, and convention live looks at all of them"),
        ({"dtype": "int7"}, "dtype: 'int7' is not a number format"),
        ({"bits": {"weights": 4}}, "bits: 'weights' is not an operand"),
    ],
)
def test_options_that_cannot_be_are_refused(options, fragment):
    """One line that says what to write instead."""
    with pytest.raises(InputError) as caught:
        cm.memory(residual(), **options)
    assert fragment in str(caught.value)


def test_a_format_that_hardware_lacks_is_refused():
    """As by analyze."""
    with pytest.raises(HardwareError, match="has no multiplier for int4"):
        cm.memory(residual(), "int4", hw=machine())


def test_networks_that_cannot_be_counted_are_refused():
    """Without layers, or with a design space."""
    empty = Graph("empty")
    empty.input("x", (1, 3))
    with pytest.raises(NetworkError, match="empty: has no layers"):
        cm.memory(empty)
    space = Graph("space")
    space.output(space.linear("fc", space.input("x", (1, 3)), np.array([2, 3])))
    with pytest.raises(InputError, match="space: carries 2 design points"):
        cm.memory(space)


def test_networks_with_parameters_are_counted():
    """ViT's position embedding and class token are weights, not activations."""
    found = cm.memory("tests/models/onnx/vit_b_16.dynamo.onnx")
    assert found.peak_bytes == 1_234_008
    assert not any("position" in buffer.name or "class_token" in buffer.name for buffer in found.buffers)
