"""Training: the passes of a layer, shares of a batch, points of the curve, ranges, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import costmodel as cm
from costmodel.analysis import analysis_of
from costmodel.errors import CostModelError, InputError, NetworkError
from costmodel.graph import Graph
from costmodel.hardware.link import Link
from costmodel.training import ALGORITHMS, backward, parse_workers, training_of
from costmodel.training.scaling import checked_workers, exchange_of
from tests.golden.samples import evil, small
from tests.unit.machine import constant, machine

NAMES = tuple(ALGORITHMS)


def link(bandwidth=1e6, latency=0.001, ends=(1.0, 1.0)):
    """Return a link; `ends` are factors of the lower and upper bandwidth."""
    low, high = ends
    rate = constant("bandwidth", bandwidth, "B/s", bandwidth * low, bandwidth * high)
    return Link("wire", "a wire", rate, constant("latency", latency, "s"), None, Path("wire.yaml"))


def trained(workers=(1, 2, 4), batch=8, make=small, wire=None, hardware=None, **options):
    """Train a small network on machines of round numbers."""
    return training_of(make(), hardware or machine(), wire or link(), list(workers), batch, **options)


def point(found, workers, name):
    """Return one point."""
    return next(p for p in found.points if (p.workers, p.algorithm) == (workers, name))


def counts(graph):
    """Gradients by row."""
    return dict(zip(graph.table().names, backward(graph).gradients, strict=True))


# ---- the backward pass


def test_the_image_has_no_gradient():
    """The first layer has that of its weights, what comes before it none, every later product two."""
    g = Graph("net")
    x = g.relu("clip", g.input("x", (1, 3, 8, 8)))
    x = g.conv("first", g.max_pool("pool", x, kernel=2, stride=2), 4, 3)
    g.linear("last", g.flatten("flatten", g.relu("relu", x)), 5)

    assert counts(g) == {"clip": 0, "pool": 0, "first": 1, "relu": 1, "flatten": 1, "last": 2}


def test_all_branches_of_an_image():
    """Two layers that read the image are both first; what joins them has gradients for both."""
    g = Graph("net")
    x = g.input("x", (1, 3, 8, 8))
    joined = g.add("sum", g.conv("left", x, 4, 3), g.conv("right", x, 4, 3))
    g.conv("next", joined, 4, 3)

    assert counts(g) == {"left": 1, "right": 1, "sum": 1, "next": 2}


def test_a_product_of_activations_has_one_gradient_per_operand():
    """Both need one where both come from trained layers, one where the other is an input."""
    g = Graph("net")
    x, y = g.input("x", (1, 4, 6)), g.input("y", (1, 6, 4))
    a = g.linear("a", x, 6)
    g.matmul("both", a, g.linear("b", y, 4))
    g.matmul("one", a, y)

    found = counts(g)
    assert (found["both"], found["one"]) == (2, 1)


def test_a_product_with_a_trained_tensor_is_a_layer_with_weights():
    """The tensor's gradient, and the input's where something before it is trained."""
    g = Graph("net")
    weights = g.parameter("w", (6, 4))
    first = g.matmul("first", g.input("x", (1, 2, 6)), weights)
    g.matmul("second", first, g.parameter("v", (4, 3)))

    found = counts(g)
    assert (found["first"], found["second"]) == (1, 2)


def test_layers_that_share_weights_have_gradients_each():
    """Weights counted once as parameters are still multiplied twice."""
    g = Graph("net")
    x = g.conv("one", g.input("x", (1, 4, 8, 8)), 4, 3, padding=1)
    g.conv("two", x, 4, 3, padding=1, share="one")

    assert counts(g) == {"one": 1, "two": 2}


def test_a_network_without_weights_has_no_backward_pass():
    """Nothing is trained, nothing is derived."""
    g = Graph("net")
    g.relu("relu", g.max_pool("pool", g.input("x", (1, 3, 8, 8)), kernel=2))

    assert set(counts(g).values()) == {0}


@pytest.mark.parametrize("name", ["alexnet", "squeezenet", "googlenet", "resnet:depth=18", "mobilenet_v2"])
def test_the_backward_pass_is_about_twice_the_forward_pass(name):
    """Exactly twice, less the gradient of the image in the first layer."""
    graph = cm.load_network(name)
    table = graph.table()
    first = table.names[0]
    macs = dict(zip(table.names, table.macs[:, 0].tolist(), strict=True))

    assert backward(graph).macs(table) == 2 * sum(macs.values()) - macs[first]


# ---- points by hand


def test_shares_of_the_batch_are_rounded_up():
    """The slowest worker sets the time."""
    found = trained(workers=(1, 3, 8), batch=8)

    assert [point(found, count, "ring").samples for count in (1, 3, 8)] == [8, 3, 1]


def test_times_of_a_worker_are_those_of_the_analysis():
    """Forward the latency of its samples; backward each layer's latency times its gradients."""
    found = trained(workers=(4,), batch=8)
    analysis = analysis_of(small(), machine(), 2, None, None)
    gradients = backward(small()).gradients

    at = point(found, 4, "tree")
    assert at.forward_s == pytest.approx(analysis.totals.latency_s)
    assert at.backward_s == pytest.approx(sum(c.latency_s * n for c, n in zip(analysis.layers, gradients, strict=True)))


@pytest.mark.parametrize(
    ("name", "rounds", "serial"), [("server", 2, 2 * 4), ("tree", 4, 4), ("ring", 6, None)]
)
def test_the_exchange_by_hand(name, rounds, serial):
    """Four workers: the server passes 8 gradients, the tree sends 4 one after the other, the ring 6 quarters."""
    found = trained(workers=(4,), wire=link(bandwidth=1000.0, latency=0.5))
    elems = found.params
    at = point(found, 4, name)
    expected = 6 * -(-elems // 4) if serial is None else serial * elems

    assert at.exchange.rounds == rounds
    assert at.exchange.serial_bytes == 4 * expected
    assert at.exchange_s == pytest.approx(0.5 * rounds + 4 * expected / 1000)
    assert at.iteration_s == pytest.approx(at.forward_s + at.backward_s + at.exchange_s)


def test_speedup_and_efficiency():
    """One worker's iteration over that of many, and the same per worker."""
    found = trained(workers=(1, 4))
    alone, four = point(found, 1, "tree"), point(found, 4, "tree")

    assert four.speedup.value == pytest.approx(alone.iteration_s / four.iteration_s)
    assert four.efficiency_ratio == pytest.approx(four.speedup.value / 4)


@pytest.mark.parametrize("name", NAMES)
def test_one_worker_exchanges_nothing(name):
    """Nobody to exchange with, whatever the algorithm; a speed-up of exactly 1."""
    at = point(trained(), 1, name)

    assert (at.exchange.rounds, at.exchange.serial_bytes, at.exchange.total_bytes) == (0, 0, 0)
    assert (at.speedup.value, at.speedup.low, at.speedup.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_an_endless_bandwidth_leaves_the_compute(name):
    """Without exchange the speed-up is that of the shares."""
    found = trained(workers=(8,), batch=8, wire=link(bandwidth=1e30, latency=0.0))
    one, eight = (analysis_of(small(), machine(), batch, None, None) for batch in (8, 1))
    gradients = backward(small()).gradients
    times = [sum(c.latency_s * (1 + n) for c, n in zip(a.layers, gradients, strict=True)) for a in (one, eight)]

    assert point(found, 8, name).speedup.value == pytest.approx(times[0] / times[1])


def test_the_curve_without_one_worker_is_the_same():
    """The baseline is one worker, asked for or not."""
    with_one, without = trained(workers=(1, 4)), trained(workers=(4,))

    assert [p for p in with_one.points if p.workers == 4] == list(without.points)


def test_overlap_hides_the_exchange_behind_the_backward_pass():
    """As far as that lasts; what is longer sets the time."""
    short, long = link(bandwidth=1e7, latency=0.0), link(bandwidth=1e3, latency=0.0)
    hidden = point(trained(workers=(2,), wire=short, overlap=True), 2, "ring")
    seen = point(trained(workers=(2,), wire=long, overlap=True), 2, "ring")

    assert hidden.exchange_s < hidden.backward_s
    assert hidden.iteration_s == pytest.approx(hidden.forward_s + hidden.backward_s)
    assert seen.exchange_s > seen.backward_s
    assert seen.iteration_s == pytest.approx(seen.forward_s + seen.exchange_s)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_narrow_gradients_send_fewer_bytes(bits):
    """Bytes in proportion; the compute stays."""
    wide, narrow = trained(), trained(gradient_bits=bits)

    assert narrow.gradient_bytes == wide.params * bits // 8
    for a, b in zip(wide.points, narrow.points, strict=True):
        assert b.exchange.total_bytes * 32 == a.exchange.total_bytes * bits
        assert b.forward_s == a.forward_s


# ---- ranges


def test_the_range_of_the_link():
    """A faster link is the high end, a slower one the low end."""
    found = trained(workers=(4,), wire=link(ends=(0.5, 2.0)))
    slow, fast = (trained(workers=(4,), wire=link(bandwidth=rate)) for rate in (5e5, 2e6))
    at = point(found, 4, "tree").speedup

    assert at.low == pytest.approx(point(slow, 4, "tree").speedup.value)
    assert at.high == pytest.approx(point(fast, 4, "tree").speedup.value)


def test_the_range_of_the_hardware():
    """Slow hardware hides the exchange: its end is the high one."""
    hardware = machine()
    rate = hardware.compute.macs_per_cycle["int8"]
    wide = replace(hardware.compute, macs_per_cycle={"int8": replace(rate, low=1.0, high=100.0)})
    at = point(trained(workers=(4,), hardware=replace(hardware, compute=wide)), 4, "tree").speedup

    assert at.low < at.value < at.high


@pytest.mark.parametrize("name", NAMES)
def test_values_lie_in_their_ranges(name):
    """Over the shipped hardware and link."""
    for at in cm.train_cost("squeezenet", "k20x", "titan").points:
        assert at.speedup.low <= at.speedup.value <= at.speedup.high, (at.workers, name)
        assert at.speedup.high <= at.workers


# ---- the published speed-ups


@pytest.mark.parametrize("network", ["googlenet:auxiliary=true", "nin"])
def test_published_speedups_are_within_the_ranges(network):
    """47 and 39 on 128 GPUs of Titan (arXiv:1511.00175): within the ranges that the cited constants give."""
    from costmodel.validation import TRAINED, check, graph_of, published

    row = next(r for r in published() if r["quantity"] == "training_speedup" and network.partition(":")[0] in r["id"])
    found = training_of(graph_of(row), cm.load_hardware("k20x"), cm.load_link("titan"), [128], 1024)
    at = point(found, 128, "tree")

    assert at.speedup.low < row["value"] < at.speedup.high
    assert check(row).ok
    assert TRAINED["training_speedup"](row) == at.speedup.value


def test_the_trees_of_the_paper_beat_its_servers():
    """The reason why FireCaffe left the parameter server: it is slower on 128 workers than on 16."""
    found = cm.train_cost("googlenet:auxiliary=true", "k20x", "titan")
    servers = {p.workers: p.speedup.value for p in found.points if p.algorithm == "server"}
    trees = {p.workers: p.speedup.value for p in found.points if p.algorithm == "tree"}

    assert servers[128] < servers[16]
    assert all(trees[count] >= servers[count] for count in trees)


def test_small_networks_scale_further():
    """SqueezeNet's gradient is a fiftieth of AlexNet's: on the same machines it keeps more of its efficiency."""
    efficiency = {
        name: point(cm.train_cost(name, "k20x", "titan", [128]), 128, "tree").efficiency_ratio
        for name in ("alexnet", "squeezenet")
    }

    assert efficiency["squeezenet"] > 5 * efficiency["alexnet"]


@pytest.mark.parametrize(("name", "measured_s"), [("alexnet", 36.0)])
def test_time_of_training_on_a_k20(name, measured_s):
    """Caffe on a K20: 5,120 images of CaffeNet in 36.0 s (BVLC/caffe, docs/performance_hardware.md).

    CaffeNet has AlexNet's products; a K20 has 2496 of the K20X's 2688 cores at 706 instead of 732 MHz. The measured time lies
    within the range of the profile.
    """
    found = analysis_of(cm.load_network(name), cm.load_hardware("k20x"), 256, None, None)
    gradients = backward(cm.load_network(name)).gradients
    slower = (2688 * 732) / (2496 * 706)

    def seconds(column):
        return 20 * slower * sum(t * (1 + n) for t, n in zip(found.values[column], gradients, strict=True))

    assert seconds("latency_low_s") < measured_s < seconds("latency_high_s")
    assert seconds("latency_s") == pytest.approx(measured_s, rel=0.2)


# ---- the result


def test_records_and_plain_data():
    """One record per number of workers and algorithm; JSON holds them, the constants and their sources."""
    found = cm.train_cost("squeezenet", "k20x", "titan", [1, 2])
    data = json.loads(json.dumps(found.to_dict()))

    assert [(r["workers"], r["algorithm"]) for r in data["points"]] == [(n, a) for n in (1, 2) for a in NAMES]
    assert (data["params"], data["gradient_bytes"]) == (1_248_424, 4_993_696)
    assert data["forward_macs"] == 1024 * 818_924_576
    assert {"titan.bandwidth", "titan.latency", "compute.clock"} <= {c["name"] for c in data["constants"]}
    assert {"euroben2013", "paleo"} <= {source["key"] for source in data["sources"]}
    assert found.to_frame().shape == (6, len(data["points"][0]))


def test_energies_are_not_among_the_constants():
    """Times depend on no energy, and neither on what receiving costs."""
    units = {c.unit for c in cm.train_cost("squeezenet", "k20x", "lte", [2]).constants()}

    assert units == {"B", "B/s", "Hz", "s", "MAC/cycle"}


def test_assumptions_are_those_used():
    """What no source gives is listed."""
    names = {c.name for c in cm.train_cost("squeezenet", "k20x", "titan", [2]).assumptions()}

    assert names == {"layer_overhead", "titan.latency"}


def test_unknown_layers_are_named():
    """Their work is missing, and it is said."""
    found = trained(make=evil, workers=(1,))

    assert len(found.unknown) == 1
    assert "mystery" in found.unknown[0]


# ---- what is asked for


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", [1]),
        ("1:1", [1]),
        ("1:128", [1, 2, 4, 8, 16, 32, 64, 128]),
        ("3:20", [3, 6, 12]),
        ("1:100:10x", [1, 10, 100]),
        ("8:32:8", [8, 16, 24, 32]),
        (" 4, 16 ,4", [4, 16, 4]),
    ],
)
def test_numbers_of_workers(text, expected):
    """Doubling, a factor, a step, a list."""
    assert parse_workers(text) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "1:", ":8", "0:8", "8:1", "1:8:0", "1:8:1x", "1:8:0x", "-1", "1.5", "1:2:3:4", "1e3", "1,,2", "9" * 30]
)
def test_texts_that_are_no_numbers_of_workers(text):
    """One message that says what to write."""
    with pytest.raises(InputError, match=r"^workers: "):
        parse_workers(text)


@pytest.mark.parametrize("workers", [[], [0], [-1], [9], [1.5], [True], ["2"]])
def test_numbers_of_workers_that_make_no_sense(workers):
    """None, none at all, or more than there are samples."""
    with pytest.raises(InputError, match="whole numbers from 1 to 8"):
        checked_workers(workers, 8)


def test_repeats_are_left_out():
    """In the order in which they were given."""
    assert checked_workers([4, 1, 4], 8) == (4, 1)


@pytest.mark.parametrize("bits", [0, 1, 12, 64, "32"])
def test_widths_that_no_gradient_has(bits):
    """8, 16 or 32."""
    with pytest.raises(InputError, match="gradient bits"):
        trained(gradient_bits=bits)


def test_a_network_without_parameters():
    """There is nothing to train."""
    def bare():
        g = Graph("bare")
        g.relu("relu", g.input("x", (1, 3, 8, 8)))
        return g

    with pytest.raises(NetworkError, match="bare: has no parameters"):
        trained(make=bare, workers=(1,))


@pytest.mark.parametrize(
    "arguments",
    [("gone", "k20x", "titan"), ("squeezenet", "gone", "titan"), ("squeezenet", "k20x", "gone")],
)
def test_what_is_not_there(arguments):
    """A network, hardware or link of that name."""
    with pytest.raises(CostModelError, match="gone"):
        cm.train_cost(*arguments)


def test_a_format_that_the_hardware_does_not_compute():
    """The message of every other command."""
    with pytest.raises(CostModelError, match="no multiplier for int8"):
        cm.train_cost("squeezenet", "k20x", "titan", [1], dtype="int8")


def test_exchange_of_nobody():
    """One worker sends nothing even through a server."""
    assert exchange_of(ALGORITHMS["server"], 1000, 32, 1).total_bytes == 0
