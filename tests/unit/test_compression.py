"""Compressed storage: schemes, options, real weights, the command, and compressed networks on hardware."""

from __future__ import annotations

import csv
import json
from io import StringIO

import numpy as np
import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.boundary import ENCODED_UNIT, encoded_widths, operand_widths
from costmodel.cli import cli
from costmodel.compression import LayerScheme, Scheme, load_scheme, scheme_names, split_scheme, storage_of
from costmodel.compression.scheme import matches, parse_values
from costmodel.compression.sizes import plain_layer
from costmodel.errors import InputError
from costmodel.graph import Graph
from costmodel.precision import stored
from costmodel.report.storage_document import document
from tests.unit.onnx_files import encoded as onnx_bytes
from tests.unit.onnx_files import tensor

SIX = "squeezenet@squeezenet-deep-compression-6bit"


def small(name="small"):
    """Two convolutions, a normalisation and a linear layer."""
    g = Graph(name)
    x = g.input("x", (1, 3, 8, 8))
    x = g.batch_norm("bn", g.conv("conv1", x, 8, kernel=3, padding=1))
    x = g.conv("conv2", x, 16, kernel=1)
    x = g.linear("fc", g.flatten("flat", x), 10)
    g.output(x)
    return g


def run(*arguments):
    """Run ``costmodel storage``."""
    return CliRunner().invoke(cli, ["storage", *map(str, arguments)])


def by_name(found):
    """Layers by name."""
    return {layer.name: layer for layer in found.layers}


# ---- schemes


@pytest.mark.parametrize("name", scheme_names())
def test_shipped_schemes_have_a_source(name):
    """Each says where its figures were published, and every layer what holds."""
    scheme = load_scheme(name)

    assert scheme.source
    assert scheme.place
    assert all(layer.bits <= 8 for layer in scheme.layers.values())


def test_the_480_kilobyte_network():
    """The published file to the byte, and the 0.47 MB of the paper."""
    assert cm.storage("squeezenet@squeezenet-deep-compression-8bit").coded_bytes == 675_763
    assert 465_000 < cm.storage(SIX).coded_bytes < 475_000


def test_names_behind_an_at():
    """Shipped schemes and YAML files; anything else is part of the network's name."""
    assert split_scheme("alexnet@alexnet-deep-compression") == ("alexnet", "alexnet-deep-compression")
    assert split_scheme("a.py:k=1@b/c.yml") == ("a.py:k=1", "b/c.yml")
    assert split_scheme("alexnet@fp32") == ("alexnet@fp32", None)
    assert split_scheme("@x.yaml") == ("@x.yaml", None)


def test_a_layer_is_meant_by_name_first_then_by_the_first_match():
    """Its own name wins over patterns before it."""
    first, second, third = LayerScheme(bits=2), LayerScheme(bits=3), LayerScheme(bits=4)
    scheme = Scheme("s", {"c*": first, "conv": second, "conv1": third})

    assert scheme.of_row("conv1", "conv") is third
    assert scheme.of_row("conv2", "conv") is first
    assert scheme.of_row("stem", "conv") is second
    assert scheme.of_row("fc", "linear") is None
    assert matches("*", "anything", "op")


def test_schemes_are_read_with_every_problem_at_once(tmp_path):
    """Unknown keys, values outside their range and of the wrong kind, each with line and column."""
    file = tmp_path / "s.yaml"
    file.write_text(
        "huffman: maybe\nspeed: 3\nlayers:\n  a: {density: 2, bits: 4.5}\n  b: 7\n  c: {colour: 1}\n  d: {bits: true}\n"
    )
    with pytest.raises(InputError) as caught:
        load_scheme(file)

    assert [problem.removeprefix(f"{file}:").split(" ")[0] for problem in caught.value.problems] == [
        "2:1:", "1:1:", "4:7:", "4:19:", "5:3:", "6:7:", "7:7:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [("layers: {}\n", "layers is missing or empty"), ("- a\n", "a list at the top"), ("layers: [1]\n", "missing or empty")],
)
def test_schemes_without_layers_are_refused(tmp_path, text, message):
    """A file that says nothing is no scheme."""
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_scheme(tmp_path / "s.yaml")


def test_unknown_schemes_are_refused_with_a_hint():
    """The nearest name, and the list."""
    with pytest.raises(InputError, match="did you mean alexnet-deep-compression"):
        load_scheme("alexnet-deep-compresion")
    with pytest.raises(InputError, match="no such file"):
        load_scheme("absent.yaml")


def test_schemes_for_other_networks_are_refused():
    """A layer that the network does not have, and more entries than weights."""
    with pytest.raises(InputError, match="no layer 'fc6' with weights"):
        cm.storage("squeezenet@alexnet-deep-compression")
    with pytest.raises(InputError, match="conv2 has 128 weights, not 999 of entries"):
        storage_of(small(), Scheme("s", {"conv2": LayerScheme(entries=999)}))


# ---- options


def test_values_per_layer():
    """One for all, or by layer; the first match counts."""
    assert parse_values("bits", "6") == {"*": 6}
    assert parse_values("density", "fc*=0.09, conv=0.4,1") == {"fc*": 0.09, "conv": 0.4, "*": 1}


@pytest.mark.parametrize("text", ["", "conv1=", "a=1,a=2", "=3", "x"])
def test_values_that_make_no_sense_are_refused(text):
    """One message, exit 2."""
    result = run("alexnet", "--bits", text)

    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "--bits" in result.output


@pytest.mark.parametrize(
    "options",
    [("--density", "1.5"), ("--density", "nan"), ("--bits", "0"), ("--bits", "17"), ("--bits", "6.5"), ("--index-bits", "-1"),
     ("--density", "fc9=0.1"), ("--weights", "absent.npz"), ("--save", "absent/x.yaml")],
)  # fmt: skip
def test_options_that_cannot_be_used_are_refused(options):
    """One clear line each, and no traceback."""
    result = run("alexnet", *options)

    assert result.exit_code == 2
    assert result.output.count("error:") == 1


def test_options_win_over_a_scheme_and_forget_what_was_counted():
    """Half the weights of conv10: entries are expected again; other layers stay as they were counted."""
    plain, changed = by_name(cm.storage(SIX)), by_name(cm.storage(SIX, density={"conv10": 0.1}))

    assert changed["conv10"].nonzero == 51_200
    assert changed["conv10"].entries != plain["conv10"].entries
    assert changed["fire9/expand3x3"] == plain["fire9/expand3x3"]


def test_without_options_codes_of_a_byte_and_no_index():
    """Nothing is pruned, so nothing is skipped: 8 bits a weight, shared weights and biases."""
    layer = by_name(storage_of(small(), None))["conv2"]

    assert (layer.bits, layer.index_bits, layer.entries) == (8, 0, 128)
    assert layer.quantized_bytes == 128 + 4 * (1 + 256 + 16)


def test_parameters_that_multiply_nothing_stay_as_they_are():
    """Batch normalisation at 32 bits in every stage."""
    layer = by_name(storage_of(small(), None, bits=2))["bn"]

    assert layer == plain_layer("bn", "batch_norm", 16, layer.weights)
    assert layer.coded_bytes == layer.dense_bytes == 64


def test_design_spaces_and_unknown_methods_are_refused():
    """Storage is that of one network."""
    with pytest.raises(InputError, match="2 design points"):
        cm.storage(cm.load_network("squeezenet", squeeze_ratio=np.array([0.125, 0.25])))
    with pytest.raises(InputError, match="use linear or kmeans"):
        cm.storage("squeezenet", quantize="magic")


# ---- real weights


def arrays(seed=5):
    """Weights of :func:`small`."""
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (8, 3, 3, 3), "conv2": (16, 8, 1, 1), "fc": (10, 1024)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("ending", ["", ".weight", "/kernel"])
def test_npz_by_name(tmp_path, ending):
    """Names as frameworks write them; biases and other vectors are passed over."""
    np.savez(tmp_path / "w.npz", **{name + ending: array for name, array in arrays().items()}, bias=np.zeros(3))
    found = by_name(storage_of(small(), None, density=0.25, bits=4, weights=tmp_path / "w.npz"))

    assert [found[name].nonzero for name in ("conv1", "conv2", "fc")] == [54, 32, 2560]


def test_npz_in_order_where_no_name_fits(tmp_path):
    """As many tensors as layers, of their sizes."""
    np.savez(tmp_path / "w.npz", **{f"t{i}": array for i, array in enumerate(arrays().values())})
    found = storage_of(small(), None, bits=4, weights=tmp_path / "w.npz")

    assert [layer.entries for layer in found.layers if layer.op != "batch_norm"] == [216, 128, 10240]
    assert found.method == "linear"


def test_weights_that_do_not_fit_are_named(tmp_path):
    """Which layer lacks what, and what the file holds."""
    given = arrays()
    np.savez(tmp_path / "w.npz", conv1=given["conv1"], conv2=given["fc"])
    with pytest.raises(InputError) as caught:
        storage_of(small(), None, weights=tmp_path / "w.npz")

    assert "conv2 has 128 weights, conv2 10240" in caught.value.problems[0]
    assert "no weights of fc" in caught.value.problems[1]


def test_weights_without_numbers_are_refused(tmp_path):
    """Infinite values, pickles, text and emptiness."""
    bad = arrays()
    bad["fc"][0, 0] = np.inf
    np.savez(tmp_path / "inf.npz", **bad)
    np.savez(tmp_path / "object.npz", a=np.array([{}], dtype=object))
    np.savez(tmp_path / "empty.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no weights")
    for name, message in (("inf", "not finite"), ("object", "plain numbers"), ("empty", "no weights"), ("text", "text file")):
        with pytest.raises(InputError, match=message):
            storage_of(small(), None, weights=tmp_path / f"{name}.npz")


def onnx_model(path, weight):
    """A convolution by an initializer, behind an Identity."""
    shape = {"dim": [{"dim_value": size} for size in (1, 3, 8, 8)]}
    value = {"name": "x", "type": {"tensor_type": {"elem_type": 1, "shape": shape}}}
    nodes = [
        {"input": ["w"], "output": ["same"], "op_type": "Identity", "name": "id"},
        {"input": ["x", "same"], "output": ["y"], "op_type": "Conv", "name": "conv1"},
    ]
    graph = {"node": nodes, "name": "g", "initializer": [weight], "input": [value], "output": [{"name": "y"}]}
    path.write_bytes(onnx_bytes({"ir_version": 8, "graph": graph, "opset_import": [{"version": 17}]}))
    return path


def test_onnx_initializers_are_the_weights(tmp_path):
    """The file is network and weights at once."""
    array = arrays()["conv1"]
    path = onnx_model(tmp_path / "m.onnx", tensor("w", array))
    found = cm.storage(str(path), density=0.5, bits=6, weights=path)
    np.savez(tmp_path / "w.npz", conv1=array)
    same = cm.storage(str(path), density=0.5, bits=6, weights=tmp_path / "w.npz")

    assert found.layers == same.layers
    assert found.layers[0].nonzero == 108


def test_onnx_files_without_their_weights_are_refused(tmp_path):
    """Stripped, or stored beside the file."""
    path = onnx_model(tmp_path / "m.onnx", tensor("w", shape=(8, 3, 3, 3)))
    with pytest.raises(InputError, match="'w' is not in the file"):
        cm.storage(str(path), weights=path)


def test_kmeans_fits_better_than_even_spacing():
    """The sum of squared errors is smaller; few values are met exactly."""
    from costmodel.compression.weights import distinct, encoded

    values = np.random.default_rng(1).laplace(size=3000).astype(np.float32)
    errors = {}
    for method in ("linear", "kmeans"):
        layer = encoded(values, LayerScheme(bits=4), method)
        errors[method] = float(((layer.shared[layer.codes] - values) ** 2).sum())
    assert errors["kmeans"] < 0.8 * errors["linear"]
    assert set(distinct(np.array([2, 1, 1], np.float32), 4).tolist()) == {1, 2}
    few = encoded(np.array([0.5, -1, 0.5, 3], np.float32), LayerScheme(bits=3), "kmeans")
    assert few.shared[few.codes].tolist() == [0.5, -1, 0.5, 3]


def test_kmeans_without_its_library_says_what_to_install(monkeypatch):
    """No traceback of an import."""
    import sys

    from costmodel.compression.weights import clustered

    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(InputError, match="pip install"):
        clustered(np.zeros(4, np.float32), np.zeros(2, np.float32))


def test_what_was_counted_is_saved_and_gives_the_same(tmp_path):
    """A scheme written by --save needs no weights, and is the compressed network for every command."""
    np.savez(tmp_path / "w.npz", **arrays())
    found = storage_of(small(), None, density=0.2, bits=5, weights=tmp_path / "w.npz")
    from costmodel.compression.scheme import scheme_text

    (tmp_path / "s.yaml").write_text(scheme_text(found.to_scheme(), "small"))
    again = storage_of(small(), load_scheme(tmp_path / "s.yaml"))

    assert [layer.coded_bytes for layer in again.layers] == [layer.coded_bytes for layer in found.layers]
    assert [layer.entries for layer in again.layers] == [layer.entries for layer in found.layers]


# ---- the command


def test_every_format_shows_every_layer():
    """Text and Markdown for people, JSON and CSV in base units."""
    names = [layer.name for layer in cm.storage(SIX).layers]
    text, markdown = run(SIX, "--width", "140").output, run(SIX, "--format", "md").output
    data = json.loads(run(SIX, "--format", "json").output)
    rows = list(csv.DictReader(StringIO(run(SIX, "--format", "csv").output)))

    assert all(name in text and name in markdown for name in names)
    assert [layer["name"] for layer in data["layers"]] == names == [row["name"] for row in rows]
    assert sum(int(row["coded_bytes"]) for row in rows) == data["stages"]["coded"] == 471_964
    assert data["scheme"]["source"] == "songhan/SqueezeNet_compressed"


def test_save_writes_a_scheme(tmp_path):
    """And the same figures come back through an @."""
    file = tmp_path / "mine.yaml"
    first = run("alexnet", "--density", "fc*=0.1", "--save", file, "--format", "json")
    second = run(f"alexnet@{file}", "--format", "json")

    assert first.exit_code == second.exit_code == 0, first.output
    assert json.loads(first.output)["stages"] == json.loads(second.output)["stages"]


def test_schemes_are_listed():
    """Every shipped one with its source."""
    result = CliRunner().invoke(cli, ["schemes"])

    assert result.exit_code == 0
    assert all(name in result.output for name in scheme_names())


def test_the_report_says_what_it_rests_on():
    """The source, what is expected and not measured, and that accuracy is not known."""
    notes = document(cm.storage(SIX)).notes[0].sentences

    assert notes[0].startswith("songhan/SqueezeNet_compressed")
    assert "expected values" in notes[1]
    assert "Accuracy is not computed" in notes[-1]
    assert "no Huffman codes" in document(cm.storage("squeezenet@squeezenet-deep-compression-8bit")).notes[0].sentences[2]


# ---- compressed networks on hardware


def test_stored_bytes_are_those_of_the_storage():
    """Weight bytes of an analysis, layer by layer and in total."""
    analysis, storage = cm.analyze(SIX, "snapdragon"), cm.storage(SIX)

    assert analysis.totals.weight_bytes == storage.coded_bytes
    assert {layer.name: layer.weight_bytes for layer in analysis.layers if layer.params} == {
        layer.name: layer.coded_bytes for layer in storage.layers
    }


def test_weights_that_are_read_once_cross_compressed():
    """Off-chip weight bytes are the encoded operand, up to the rounding of the width to 1/256 bit; MACs stay."""
    analysis, plain, storage = cm.analyze(SIX, "snapdragon"), cm.analyze("squeezenet", "snapdragon"), cm.storage(SIX)
    operand = storage.total("weight_operand_bytes")
    slack = storage.total("weights") / ENCODED_UNIT / 8 + len(storage.layers)

    assert operand <= analysis.totals.weight_dram_bytes <= operand + slack
    assert analysis.totals.macs == plain.totals.macs
    assert analysis.totals.energy_mac_j == plain.totals.energy_mac_j
    assert analysis.totals.ifmap_bytes == plain.totals.ifmap_bytes
    assert plain.totals.dram_bytes - analysis.totals.dram_bytes == pytest.approx(
        plain.totals.weight_dram_bytes - operand, abs=slack
    )


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("schedule", ["layer", "resident", "fused"])
def test_a_whole_width_is_priced_as_that_width(bits, schedule):
    """A layer whose average is a whole number of bits costs what --bits would make it cost: traffic, schedule and mapping."""
    from costmodel.graph import EncodedWeights

    graph = cm.load_network("squeezenet:version=1.1,input=64")
    table = graph.table()
    rows = [row for row in range(len(table)) if table.params[row, 0]]
    sizes = {
        table.names[row]: EncodedWeights(
            bits * int(table.weight_elems[row, 0] - table.bias_elems[row, 0]), bits * int(table.params[row, 0])
        )
        for row in rows
    }
    one = cm.analyze(graph.with_encoded("x", sizes), "ethos-u65-512", schedule=schedule, dtype="int8")
    two = cm.analyze(graph, "ethos-u65-512", schedule=schedule, dtype="int8", bits={"weight": bits})

    for column in ("weight_bytes", "dram_bytes", "weight_dram_bytes", "ifmap_dram_bytes", "compulsory_bytes"):
        assert getattr(one.totals, column) == getattr(two.totals, column)
    products = [(a.mapping, b.mapping) for a, b in zip(one.layers, two.layers, strict=True) if a.params]
    assert all(a == b for a, b in products)
    assert (one.schedule.pinned, one.schedule.pinned_bytes, one.schedule.lower_bytes) == (
        two.schedule.pinned, two.schedule.pinned_bytes, two.schedule.lower_bytes,
    )  # fmt: skip
    assert one.schedule.stays == two.schedule.stays


def test_the_compressed_network_fits_where_the_other_does_not():
    """At 2 MiB nothing of it crosses but input and output; uncompressed it needs more."""
    found = cm.vary(["squeezenet", SIX], "snapdragon", {"hw.sram": "1MiB:4MiB:2x"}, schedule="resident").to_frame()
    fits = {(row.network, row["hw.vtcm.capacity"] / 2**20): row.fits for _, row in found.iterrows()}

    assert fits[SIX, 2]
    assert not fits["squeezenet", 2]
    assert not fits[SIX, 1]
    assert fits["squeezenet", 4]


def test_compressed_networks_are_compared_and_their_saving_explained():
    """Fewer bits per weight, as a factor; the report says how they are stored."""
    found = cm.compare(["squeezenet", SIX], "snapdragon")
    factors = {factor.name: factor for factor in found.pairs[0].factors}

    assert found.pairs[0].ratios["weight_bytes"] == pytest.approx(1_248_424 / 471_964)
    assert factors["fewer bits per weight"].explanation == "8 against 2.93428 bits"
    assert "Compressed weights stay so" in repr(cm.analyze(SIX, "snapdragon")).replace("\n", " ")
    assert "Compressed weights stay so" in repr(found).replace("\n", " ")


def test_memory_counts_them_compressed():
    """Weights beside the activations."""
    found = cm.memory(SIX)

    assert found.weight_bytes == 471_964
    assert found.compressed
    assert cm.memory("squeezenet").weight_bytes == 1_248_424


def test_the_original_is_left_alone():
    """Compressing gives a copy; the graph that was given keeps its weights, and may grow."""
    graph = small()
    graph.table()
    copy = storage_of(graph, None, bits=4).compressed
    copy.input("more", (1, 1, 1, 1))

    assert graph.table().encoded == ()
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    assert any(copy.table().encoded)


def test_widths_are_rounded_up_to_the_unit():
    """Average widths never lose a bit, and gain less than a unit."""
    found = storage_of(small(), None, density=0.3, bits=5)
    table = found.compressed.table()
    plain = operand_widths(table, (stored("int8"),) * len(table))
    widths = encoded_widths(table, plain)

    assert widths.unit == ENCODED_UNIT
    for row, encoded in enumerate(table.encoded):
        if encoded is None:
            assert widths.weight[row, 0] == plain.weight[row, 0] * ENCODED_UNIT
            continue
        elems = int(table.weight_elems[row, 0] - table.bias_elems[row, 0])
        assert 0 <= widths.weight[row, 0] * elems - encoded.operand_bits * ENCODED_UNIT < elems
    assert encoded_widths(small().table(), plain) is plain


def test_selected_rows_and_batches_keep_their_compression():
    """Weights do not grow with the batch."""
    table = storage_of(small(), None, bits=4).compressed.table()

    assert table.with_batch(8).encoded == table.encoded
    assert table.rows([0]).encoded == table.encoded[:1]
