"""Properties of all shipped networks: whatever they are given they count or refuse, and larger ones cost more."""

import inspect
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import CostModelError
from costmodel.importers import load_builder, load_network, net_names

NETS = net_names()
NONSENSE = (
    "x", "", -1, 0, 1, 2, 7, 10**12, 2**63, 0.5, 1.5, -0.0, float("nan"), float("inf"), True, (), (3,), [1, 2], {}, b"x",
    object(), np.array([]), np.array([[1]]), np.array(["a"]), np.array([1, 0]), np.array([2, 3]), np.array([0.5, 2.0]),
)  # fmt: skip
SIZED = {
    "densenet": (64, 256), "efficientnet": (32, 256), "mobilenet_v1": (32, 256), "mobilenet_v2": (32, 256),
    "mobilenet_v3": (32, 256), "nin": (128, 256), "resnet": (32, 256), "shufflenet_v1": (32, 256), "shufflenet_v2": (32, 256),
    "squeezenet": (64, 256), "squeezenext": (64, 256), "vgg": (32, 256),
}  # fmt: skip
"""Networks of any resolution, and the sizes tried."""
WIDE = {
    "efficientnet": "width", "fd_mobilenet": "width", "mobilenet_v1": "width", "squeezenext": "width", "tiny_yolo": "width",
    "vgg": "width", "densenet": "growth", "shufflenet_v2": "channels", "style_transfer": "filters", "kws_rnn": "hidden",
    "ds_cnn": "filters", "autoencoder": "hidden", "resnet_cifar": "filters",
}  # fmt: skip
"""Networks whose layers all grow with one metaparameter."""


def totals(name, **arguments):
    """Parameters, MACs and other operations."""
    table = load_network(name, **arguments).table()
    return [int(table.total(column)[0]) for column in ("params", "macs", "other_ops")]


@pytest.mark.parametrize("name", NETS)
def test_nonsense_is_counted_or_refused(name):
    """No argument of any network ends in an error that is not ours, and no network is empty."""
    for parameter in inspect.signature(load_builder(name)).parameters:
        for value in NONSENSE:
            with suppress(CostModelError):
                graph = load_network(name, **{parameter: value})
                assert (graph.table().total("macs") > 0).all(), (parameter, value)


@pytest.mark.parametrize("name", NETS)
def test_arguments_that_do_not_exist(name):
    """The message lists those that do."""
    with pytest.raises(CostModelError, match="no_such_argument"):
        load_network(name, no_such_argument=1)


@pytest.mark.parametrize("name", NETS)
def test_batches(name):
    """Three images are three times the work on the same parameters."""
    one = load_network(name).table()
    three = one.with_batch(3)

    assert three.total("macs")[0] == 3 * one.total("macs")[0]
    assert three.total("params")[0] == one.total("params")[0]
    assert three.total("ofmap_elems")[0] == 3 * one.total("ofmap_elems")[0]


@pytest.mark.parametrize("name", NETS)
def test_analysed(name):
    """Nothing is unknown; no layer moves fewer bytes than it must; every layer that computes takes energy and time."""
    analysis = cm.analyze(name, "snapdragon")

    assert not analysis.unknown
    assert analysis.totals.macs == totals(name)[1]
    for layer in analysis.layers:
        assert layer.dram_bytes >= layer.compulsory_bytes >= 0
        assert not layer.macs or (layer.energy_j > 0 and layer.latency_s > 0)


@pytest.mark.parametrize("name", sorted(SIZED))
@settings(max_examples=10)
@given(data=st.data())
def test_larger_images_are_more_work(name, data):
    """Never fewer MACs, and the same parameters but where layers are fully connected."""
    smallest, largest = SIZED[name]
    small = data.draw(st.integers(smallest, largest - 1))
    large = data.draw(st.integers(small, largest))
    a, b = totals(name, input=small), totals(name, input=large)

    assert a[1] <= b[1]
    assert a[0] == b[0] or name == "vgg"


@pytest.mark.parametrize("name", sorted(WIDE))
@settings(max_examples=10)
@given(data=st.data())
def test_wider_networks_are_more_work(name, data):
    """Parameters and MACs never shrink as channels are added."""
    step = data.draw(st.integers(1, 8))
    start = data.draw(st.integers(1, 8))
    unit = 0.25 if WIDE[name] == "width" else 16
    small, large = ({WIDE[name]: unit * k} for k in (start, start + step) if unit * k <= 8 or unit > 1)
    a, b = totals(name, **small), totals(name, **large)

    assert all(x <= y for x, y in zip(a, b, strict=True))
    assert a[0] < b[0]
