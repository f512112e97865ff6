"""Single parts under pytest-benchmark, for work on one of them; goals and references are in ``run.py``."""

from __future__ import annotations

import subprocess
import sys
from math import prod
from pathlib import Path

import pytest

import costmodel as cm
from benchmarks import files, layers, mapping, nested, peers, run, schedule, work
from benchmarks.peaks import own_peak_bytes
from benchmarks.result import MB

ROOT = Path(__file__).resolve().parents[1]
HARDWARE = ("eyeriss-168", "snapdragon", "horowitz-45nm")
DESIGNS = 1000


@pytest.mark.parametrize("hardware", HARDWARE)
@pytest.mark.parametrize("network", work.NETWORKS)
def test_analysis(benchmark, network, hardware):
    """One network analysed, every layer tiled exactly."""
    profile = cm.load_hardware(hardware)
    totals = benchmark(lambda: cm.analyze(network, profile).totals)

    assert totals.dram_bytes >= totals.compulsory_bytes


def test_counting(benchmark):
    """Both networks built and counted."""
    assert benchmark(work.counted) == 724_406_816 + 818_924_576


def test_loading_a_profile(benchmark):
    """One YAML file with its bibliography, checked."""
    assert benchmark(cm.load_hardware, "snapdragon").name == "snapdragon"


@pytest.mark.parametrize("metrics", [work.COUNTS, work.EXACT], ids=["counts", "exact"])
@pytest.mark.parametrize("hardware", HARDWARE[:2])
def test_sweep(benchmark, hardware, metrics):
    """A thousand designs at once."""
    profile = cm.load_hardware(hardware)

    assert benchmark(work.swept, profile, DESIGNS, metrics) == 11 * 9 * 10


@pytest.mark.parametrize("name", ["resnet50.dynamo", "vit_b_16.dynamo", "swin_t.dynamo"])
def test_importing(benchmark, name):
    """A file without weights, from bytes to a graph."""
    path = files.MODELS / f"{name}.onnx"

    assert len(benchmark(cm.load_network, path).layers) > 100


def test_files_of_the_benchmarks(tmp_path):
    """VGG-19 has as many weights as torchvision's, and a deep Swin is the network that it says it is."""
    _, shapes = files.vgg19()
    nodes = files.write_swin(tmp_path / "swin.onnx", 1000)
    deep, shallow = (cm.load_network(path).table() for path in (tmp_path / "swin.onnx", files.MODELS / "swin_t.dynamo.onnx"))
    pair = sum(int(m) for name, m in zip(shallow.names, shallow.macs[:, 0], strict=True) if "5.2" in name or "5.3" in name)
    copies = (nodes - 712) // 87

    assert sum(map(prod, shapes.values())) == files.VGG19_PARAMS
    assert int(deep.macs.sum()) == int(shallow.macs.sum()) + copies * pair


def test_search_of_one_layer(benchmark):
    """The exact search equals the enumeration on a layer that can be enumerated."""
    hardware = cm.load_hardware("eyeriss-168")
    layer = work.layer_of("squeezenet", "fire9/squeeze1x1", hardware)
    least = layer.weight_elems + layer.ofmap_elems + layer.c * layer.p * layer.q

    assert benchmark(work.searched, layer, 55_296 * 16) >= 16 * least


@pytest.mark.parametrize("network", work.ORDERED)
def test_order_of_least_memory(benchmark, network):
    """Every order is proved."""
    assert benchmark(work.ordered, work.compiled(network))


def test_mapping(benchmark):
    """A layer through all memories, proved."""
    found = benchmark(mapping.mapped, layers.distinct(1))

    assert found.proved
    assert found.energies["conv64"] > 5 * 64 * 64 * 9 * 14 * 14


def test_growth(monkeypatch):
    """Pieces are the same layers as the whole: every layer is mapped once, however many at a time."""
    names = []
    monkeypatch.setattr(mapping, "mapped", lambda graph: names.append(graph.table().names))
    mapping.in_pieces(8, 2)
    mapping.in_pieces(8, 8)

    *pieces, whole = names
    assert [len(piece) for piece in pieces] == [2, 2, 2, 2]
    assert tuple(name for piece in pieces for name in piece) == tuple(whole)


def test_fastest_takes_turns():
    """Every task runs as often as there are rounds, one after the other, and has a time of its own."""
    ran = []
    spent = work.fastest([lambda: ran.append("a"), lambda: ran.append("b")], 3)

    assert ran == ["a", "b"] * 3
    assert all(0 < time < 1 for time in spent)


def test_layers_of_the_benchmarks():
    """AlexNet by itself has its MACs; in halves, twice half as many; other layers are all different."""
    network, alone, halves = cm.load_network("alexnet").table(), layers.alexnet().table(), layers.alexnet_in_halves().table()
    macs = {name: int(count) for name, count in zip(network.names, network.macs[:, 0], strict=True) if count}

    assert dict(zip(alone.names, alone.macs[:, 0].tolist(), strict=True)) == macs
    counts = dict(zip(halves.names, halves.macs[:, 0].tolist(), strict=True))
    assert {name: count * (1 + (name in layers.HALVED)) for name, count in counts.items()} == macs
    assert len(set(layers.distinct(32).table().k[:, 0].tolist())) == 32
    assert layers.distinct(2, 30).table().k[:, 0].tolist() == layers.distinct(32).table().k[30:, 0].tolist()
    assert int(layers.matmul(64).table().macs.sum()) == 64**3


def test_schedules_of_another_mapper():
    """A schedule of nn_dataflow moves partial sums that its elements have no room for: more than it counts, and than ours."""
    conv4 = {"trips": [[192, 1, 1], [1, 1, 48], [1, 1, 1]], "orders": [[0, 2, 1], [0, 2, 1]]}
    (again,) = schedule.energies(layers.alexnet_in_halves(), {"conv4": conv4}).values()
    counted = 732_716_544 / 2
    sums = 13 * 13 * 192

    assert again - counted > 6 * 2 * 191 * sums
    assert 374.1e6 < again < 500e6


def test_environments_of_peers():
    """Every peer is pinned and has its script; each part of the run has a name of its own."""
    for peer in (peers.NN_DATAFLOW, peers.ZIGZAG, peers.TORCHINFO):
        assert (peers.HERE / peer.script).is_file()
        assert all("==" in one for one in peer.pinned)
        assert peer.title.split()[1] in str(peer.python)
    assert {"mapping", "profiles", "growth", "memory", "nn-dataflow", "zigzag", "nested", "counters"} <= set(run.parts(1000))


def test_peaks_are_a_process_s_own():
    """A small process that a large one starts is small; what it held and gave back counts."""
    large = bytearray(300 * MB)
    large[::1024] = b"x" * len(large[::1024])
    text = "from benchmarks.peaks import own_peak_bytes; {} print(own_peak_bytes())"
    words = [[sys.executable, "-c", text.format(more)] for more in ("", "bytes(range(256)) * 400_000;")]
    small, held = (int(subprocess.check_output(each, text=True, cwd=ROOT)) for each in words)

    assert small < 60 * MB < 100 * MB < held < 200 * MB
    assert own_peak_bytes() > 300 * MB


@pytest.mark.parametrize(("designs", "size"), [(1, 960), (2000, 1920), (100_000, 107_520), (1_000_000, 983_040)])
def test_spaces_of_the_benchmarks(designs, size):
    """As many points as asked for or a few less, and the layers are those of the space."""
    found = nested.space(designs)

    assert found.size == size
    assert found.resolved.maps_jointly
