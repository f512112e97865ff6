"""Updates over the air: what changes, what is sent, and what it costs a device and a fleet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.formulas.download import download_j, download_s
from costmodel.graph import Graph
from costmodel.hardware.link import Link, Receiver
from costmodel.importers.weights import StoredTensor
from costmodel.updates import Holding, decoded, layers_of, update_of
from costmodel.updates.coding import coded
from tests.golden.samples import small
from tests.unit.machine import constant
from tests.unit.onnx_files import encoded, model, node, tensor, value, weight


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def radio(name="radio", receiver=True, spread=1.0):
    """Return a link of round numbers: 1 MB/s, 10 ms, 0.5 W, 100 nJ/B, 2 s of tail at 0.25 W; ranges by a factor."""

    def one(what, number, unit):
        return constant(what, number, unit, number / spread, number * spread)

    receiving = Receiver(
        one("receiver.active_power", 0.5, "W"),
        one("receiver.energy", 1e5, "pJ/B"),
        one("receiver.tail_time", 2.0, "s"),
        one("receiver.tail_power", 0.25, "W"),
    )
    rate, delay = one("bandwidth", 1e6, "B/s"), one("latency", 0.01, "s")
    return Link(name, "a radio", rate, delay, receiving if receiver else None, Path("radio.yaml"))


def held(name="net", **arrays):
    """Return what a device holds: arrays by name."""
    tensors = (StoredTensor(k, a.shape, str(a.dtype), a.dtype.itemsize, a.tobytes()) for k, a in arrays.items())
    return Holding(name, tuple(tensors))


def weights(seed=1, shape=(16, 8), dtype="float32"):
    """Return trained weights."""
    return (np.random.default_rng(seed).normal(size=shape) * 0.05).astype(dtype)


def statuses(found):
    """Return {tensor: status}."""
    return {tensor.name: tensor.status for tensor in found.tensors}


def layers(make):
    """Return what a device holds of a network."""
    return layers_of(make)


# ---- by layers


def test_a_layer_of_another_shape_changes():
    """The convolutions have other channels; the classifier reads more of them."""
    found = update_of(layers_of(small()), layers_of(small(channels=9)), [radio()])

    assert statuses(found) == dict.fromkeys(["conv1", "block/one", "block/three", "fc"], "changed")
    assert found.basis == "layers"


def test_the_same_network_sends_nothing():
    """Nothing to send takes no time, no energy."""
    found = update_of(layers_of(small()), layers_of(small()), [radio()], 1000)

    assert found.sizes()["changed"] == 0
    nothing = next(d for d in found.deliveries if d.sent == "changed")
    assert (nothing.device_s.value, nothing.device_j.value, nothing.fleet_bytes) == (0, 0, 0)


def test_a_new_classifier_is_the_only_thing_sent():
    """AlexNet with another number of classes."""
    found = cm.update("alexnet", "alexnet:num_classes=10")

    assert {name for name, status in statuses(found).items() if status != "same"} == {"fc8"}
    assert found.sizes() == {"full": 4 * (60_965_224 - 4_097_000 + 40_970), "changed": 4 * 40_970}


def test_new_and_removed_layers():
    """A layer of another name is new, one that is gone is deleted and sends nothing."""
    other = small()
    other.linear("extra", other.outputs[0], 3)
    found = update_of(layers_of(other), layers_of(small()), [radio()])
    back = update_of(layers_of(small()), layers_of(other), [radio()])

    assert (found.removed, found.sizes()["changed"]) == (("extra",), 0)
    assert statuses(back)["extra"] == "new"
    assert back.sizes()["changed"] == 4 * (10 * 3 + 3)


def test_another_kind_of_layer_changes():
    """Of the same name and as many parameters."""

    def net(kind):
        g = Graph("net")
        x = g.input("x", (1, 4, 1, 1))
        g.conv("layer", x, 5, 1) if kind == "conv" else g.linear("layer", g.flatten("flatten", x), 5)
        return g

    assert statuses(update_of(layers_of(net("conv")), layers_of(net("linear")), [radio()])) == {"layer": "changed"}


def test_retrained_layers():
    """Patterns name layers whose shape stays; the others stay."""
    found = cm.update("alexnet", retrained=["fc*"])

    assert {name for name, status in statuses(found).items() if status == "changed"} == {"fc6", "fc7", "fc8"}
    assert found.sizes()["changed"] == 4 * 58_631_144
    assert found.old == "alexnet"


def test_retrained_layers_of_another_network():
    """Patterns and shapes together."""
    found = update_of(layers_of(small()), layers_of(small()), [radio()], retrained=["block/*"])

    assert [name for name, status in statuses(found).items() if status == "changed"] == ["block/one", "block/three"]


def test_the_first_time_everything_is_sent():
    """Without a new network and without patterns, nothing is there yet."""
    found = cm.update("squeezenet")

    assert set(statuses(found).values()) == {"new"}
    assert found.sizes() == {"full": 4_993_696, "changed": 4_993_696}
    assert (found.old, found.old_bytes) == ("nothing", 0)


@pytest.mark.parametrize(("dtype", "size"), [("fp32", 4_993_696), ("fp16", 2_496_848), ("int8", 1_248_424), ("int4", 624_212)])
def test_number_formats(dtype, size):
    """Bytes in proportion to the width."""
    assert cm.update("squeezenet", dtype=dtype).sizes()["full"] == size


def test_odd_parameters_of_four_bits_fill_whole_bytes():
    """Layer by layer."""
    g = Graph("odd")
    g.linear("fc", g.input("x", (1, 1)), 3, bias=False)

    assert cm.update(g, dtype="int4").sizes()["full"] == 2


def test_the_case_of_the_papers():
    """An update of SqueezeNet sends a fiftieth of one of AlexNet, in a fiftieth of the time."""
    big, little = (next(iter(cm.update(net).deliveries)) for net in ("alexnet", "squeezenet"))

    assert big.sent_bytes / little.sent_bytes == pytest.approx(48.8, abs=0.05)
    assert big.device_s.value / little.device_s.value > 45


# ---- by weights


def test_tensors_by_content():
    """One stays, one changes, one is new, one goes."""
    stays, moved = weights(1), weights(2)
    found = update_of(
        held("old", stays=stays, moves=moved, goes=weights(3)),
        held("new", stays=stays, moves=moved + 1, comes=weights(4)),
        [radio()],
    )

    assert statuses(found) == {"stays": "same", "moves": "changed", "comes": "new"}
    assert found.removed == ("goes",)
    assert (found.basis, found.dtype) == ("weights", "as stored")


def test_a_change_of_one_bit_is_seen():
    """Also one that leaves the number equal: minus zero."""
    found = update_of(held(w=np.zeros(9, "float32")), held(w=-np.zeros(9, "float32")), [radio()])

    assert statuses(found) == {"w": "changed"}


@pytest.mark.parametrize("other", [weights(1, (8, 16)), weights(1).astype("float16")])
def test_another_shape_or_format_changes(other):
    """Although the numbers are the same; it is then coded alone."""
    found = update_of(held(w=weights(1)), held(w=other), [radio()])
    (only,) = found.tensors

    assert only.status == "changed"
    assert only.delta_coded_bytes == only.coded_bytes == len(coded(other.tobytes(), other.dtype.itemsize))


def test_sizes_are_those_of_real_codes():
    """What is counted can be sent: a device that has the old weights gets the new ones from these bytes, to the last bit."""
    old = {name: weights(seed, (64, 32)) for seed, name in enumerate("abcd")}
    new = {**old, "b": old["b"] * np.float32(1.0001), "c": weights(99, (64, 32)), "e": weights(7, (3, 3))}
    found = update_of(held("old", **old), held("new", **new), [radio()])
    device, sent = dict(old), 0
    for tensor_ in found.tensors:
        array = new[tensor_.name].tobytes()
        if tensor_.status == "same":
            continue
        before = old[tensor_.name].tobytes() if tensor_.status == "changed" else None
        codes = [(len(coded(array, 4, base)), base) for base in {None, before}]
        size, base = min(codes, key=lambda code: code[0])
        message = coded(array, 4, base)
        assert len(message) == size == tensor_.delta_coded_bytes
        device[tensor_.name] = np.frombuffer(decoded(message, 4, base), "float32").reshape(tensor_.shape)
        sent += size
    for name in found.removed:
        del device[name]

    assert sent == found.sizes()["changed coded"]
    assert device.keys() == new.keys()
    assert all(np.array_equal(device[name], array) for name, array in new.items())


def test_full_codes_rebuild_a_device_without_weights():
    """Everything coded is everything."""
    new = {name: weights(seed) for seed, name in enumerate("abc")}
    found = update_of(held("new", **new), None, [radio()])

    assert found.sizes()["full coded"] == sum(len(coded(array.tobytes(), 4)) for array in new.values())
    assert found.sizes()["changed coded"] == found.sizes()["full coded"]


@given(st.integers(0, 40))
def test_fewer_changes_never_send_more(changed):
    """Stored bytes grow with the number of tensors that change; codes stay within them and a header."""
    old = {f"w{i}": weights(i, (8, 8)) for i in range(40)}
    new = {name: array + (i < changed) for i, (name, array) in enumerate(old.items())}
    sizes = update_of(held("old", **old), held("new", **new), [radio()]).sizes()

    assert sizes["changed"] == changed * 256
    assert sizes["changed coded"] <= sizes["changed"] + 16 * changed
    assert sizes["changed coded"] <= sizes["full coded"]


def test_archives_and_onnx_files():
    """Files of either kind, mixed; the names decide."""
    old, new = weights(1, (4, 3, 1, 1)), weights(2, (4, 3, 1, 1))
    np.savez("old.npz", w=old)
    Path("new.onnx").write_bytes(
        encoded(model([node("Conv", "x w", "y")], [value("x", 1, 3, 8, 8)], [tensor("w", new)]))
    )
    found = cm.update("old.npz", "new.onnx")

    assert (found.old, found.new, found.basis) == ("old.npz", "new.onnx", "weights")
    assert statuses(found) == {"w": "changed"}
    assert found.old_bytes == 48


def test_a_stripped_onnx_file_is_compared_by_layers():
    """Where one side has no weights, layers are what both have."""
    nodes, image = [node("Conv", "x w", "y")], [value("x", 1, 3, 8, 8)]
    Path("full.onnx").write_bytes(encoded(model(nodes, image, [tensor("w", weights(1, (4, 3, 1, 1)))])))
    Path("bare.onnx").write_bytes(encoded(model(nodes, image, [weight("w", 4, 3, 1, 1)])))

    assert cm.update("full.onnx", "bare.onnx").basis == "layers"
    assert cm.update("full.onnx", "full.onnx").basis == "weights"


# ---- time and energy


def delivery(size, fleet=1, **options):
    """Return the delivery of a tensor of so many bytes over a radio."""
    found = update_of(held(w=np.zeros(size, "uint8")), None, [radio(**options)], fleet)
    return next(d for d in found.deliveries if d.sent == "full")


def test_time_and_energy_by_hand():
    """1 MB over 1 MB/s after 10 ms; 0.5 W meanwhile, 0.1 J for the bytes, and 0.5 J afterwards."""
    found = delivery(1_000_000)

    assert found.device_s.value == pytest.approx(1.01)
    assert found.device_j.value == pytest.approx(0.5 * 1.01 + 0.1 + 2.0 * 0.25)


def test_a_fleet_is_that_many_devices():
    """Bytes and joules add up, the time of a device stays."""
    one, many = delivery(1000), delivery(1000, fleet=1_000_000)

    assert many.fleet_bytes == 1_000_000 * one.sent_bytes
    assert many.fleet_j.value == pytest.approx(1e6 * one.device_j.value)
    assert many.device_s == one.device_s


def test_ranges_are_those_of_the_constants():
    """All at their cheap ends, and all at their dear ones."""
    found = delivery(1_000_000, spread=2.0)
    cheap_s, dear_s = 0.005 + 0.5, 0.02 + 2.0

    assert (found.device_s.low, found.device_s.high) == pytest.approx((cheap_s, dear_s))
    assert found.device_j.low == pytest.approx(0.25 * cheap_s + 0.05 + 1.0 * 0.125)
    assert found.device_j.high == pytest.approx(1.0 * dear_s + 0.2 + 4.0 * 0.5)


def test_unpublished_energies_stay_unknown():
    """A link that says nothing of its receiver has a time, and no energy."""
    found = delivery(1000, receiver=False)

    assert found.device_s.value > 0
    assert (found.device_j, found.fleet_j) == (None, None)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_more_bytes_take_longer(a, b):
    """Time and energy grow with the bytes, and no two messages are cheaper than one of both."""

    def cost(size):
        seconds = download_s(float(size), 0.01, 1e6)
        return seconds, download_j(float(size), seconds, 0.5, 1e5, 2.0, 0.25)

    (sa, ja), (sb, jb), (sab, jab) = cost(a), cost(b), cost(a + b)
    assert max(sa, sb) < sab <= sa + sb
    assert max(ja, jb) < jab <= ja + jb


@pytest.mark.parametrize("name", ["lte", "5g", "5g-mmwave", "wifi", "nb-iot", "ethernet-1g"])
def test_shipped_links_price_an_update(name):
    """Value within its range, on every link that devices have."""
    for found in cm.update("squeezenet", link=name).deliveries:
        assert found.device_s.low <= found.device_s.value <= found.device_s.high
        assert found.device_j.low <= found.device_j.value <= found.device_j.high


def test_power_of_the_artifact_is_met():
    """At 100 Mbit/s the phone of narayanan2021 draws 2.84 + 1.15 W over LTE, of which 2.35 W are not the radio's."""
    link = cm.load_link("lte")
    seconds, rate = 10.0, 100e6 / 8
    joules = download_j(rate * seconds, seconds, link.receiver.active_w.value, link.receiver.pj_per_byte.value, 0.0, 0.0)

    assert joules / seconds == pytest.approx(2.84 + 1.15 - 2.35, rel=0.01)


# ---- the result


def test_several_links():
    """Each with every way to send it, in the order given."""
    found = cm.update("squeezenet", link=["wifi", "lte"], fleet=10)

    assert [(d.link, d.sent) for d in found.deliveries] == [
        ("wifi", "full"), ("wifi", "changed"), ("lte", "full"), ("lte", "changed"),
    ]  # fmt: skip
    assert {c.name.split(".")[0] for c in found.constants()} == {"wifi", "lte"}


def test_records_and_plain_data():
    """One flat record per delivery; JSON holds them with the tensors, constants and sources."""
    found = cm.update("alexnet", "squeezenet", link=["lte", "gemini"], fleet=7)
    data = json.loads(json.dumps(found.to_dict()))
    first, *_, last = data["deliveries"]

    assert (data["old"], data["new"], data["fleet"]) == ("alexnet", "squeezenet-1.0", 7)
    assert data["old_bytes"] == 243_860_896
    assert first["device_low_s"] <= first["device_s"] <= first["device_high_s"]
    assert last["device_j"] is None
    assert len(data["tensors"]) == 26
    assert {"huang2012", "narayanan2021", "euroben2013"} == {source["key"] for source in data["sources"]}
    assert found.to_frame().shape == (4, len(first))


def test_assumptions_carry_the_name_of_their_link():
    """Two links may assume the same constant."""
    names = {c.name for c in cm.update("squeezenet", link=["lte", "nb-iot"]).assumptions()}

    assert {"lte.receiver.tail_power", "nb-iot.receiver.tail_power"} <= names


# ---- refusals


@pytest.mark.parametrize("fleet", [0, -1, 1.5, True, "7", 10**13])
def test_fleets_that_make_no_sense(fleet):
    """A whole number of devices."""
    with pytest.raises(InputError, match="whole number of devices"):
        update_of(held(w=weights()), None, [radio()], fleet)


@pytest.mark.parametrize(("link", "fragment"), [(["lte", "lte"], "lte is given twice"), ([], "none given")])
def test_links_that_make_no_sense(link, fragment):
    """None, or one twice, whose lines could not be told apart."""
    with pytest.raises(InputError, match=f"link: {fragment}"):
        cm.update("squeezenet", link=link)


def test_weights_on_one_side_only():
    """An archive has no layers to compare, a network no weights."""
    np.savez("old.npz", w=weights())
    with pytest.raises(InputError, match=r"old\.npz: has weights and no layers, and the other has no weights"):
        cm.update("old.npz", "squeezenet")


@pytest.mark.parametrize("options", [{"dtype": "int8"}, {"retrained": ["w"]}])
def test_weights_answer_themselves(options):
    """Formats and changes are in the file."""
    np.savez("old.npz", w=weights())
    with pytest.raises(InputError, match="which say it themselves"):
        cm.update("old.npz", **options)


def test_patterns_that_fit_no_layer():
    """A misspelt layer would mean an update of nothing."""
    with pytest.raises(InputError, match=r"'fc9\*', 'x' fits no layer with parameters of alexnet"):
        cm.update("alexnet", retrained=["fc*", "fc9*", "x"])


def test_a_network_without_parameters():
    """There is nothing to send."""
    g = Graph("bare")
    g.relu("relu", g.input("x", (1, 3)))
    with pytest.raises(NetworkError, match="nothing to send"):
        cm.update(g)


def test_design_spaces_are_refused():
    """An update is that of one network."""
    with pytest.raises(InputError, match="carries 2 design points"):
        cm.update(small(channels=np.array([4, 8])))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("gone",), {}),
        (("squeezenet", "gone"), {}),
        (("gone.npz",), {}),
        (("squeezenet",), {"link": "gone"}),
        (("squeezenet",), {"dtype": "int9"}),
    ],
)
def test_what_is_not_there(arguments, options):
    """A network, file, link or format of that name."""
    with pytest.raises(CostModelError, match=r"gone|int9"):
        cm.update(*arguments, **options)
