"""The mapping and explain commands and what they write: text, JSON, Timeloop and ZigZag, word for word and file by file."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import costmodel as cm
from costmodel.cli import cli
from costmodel.errors import InputError
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.timeloop import ascii_text, timeloop_text
from costmodel.mapping.levels.zigzag import inexpressible, rounded, zigzag_text
from costmodel.mapping.nest import Layer
from costmodel.report.as_mapping import FORMATS, Mappings, file_names, nests_of, remarks, texts
from tests.unit.joint_machine import small, spatial
from tests.unit.machine import machine
from tests.unit.mapped import LAYER, mapped, nest, pair, tiles
from tests.unit.test_explanation import ARRAY, network

BEST = mapped(LAYER, pair(), nest())
NET = ("autoencoder", "--hw", "horowitz-45nm", "--objective", "dram_bytes")


def uneven():
    """Return 12 output channels in tiles of 8 and what is left, 5 rows of outputs over 2 elements."""
    layer = Layer(k=12, c=8, p=5, q=4, ifmap_h=5, ifmap_w=4)
    outer, inner = tiles(k=8, c=8, p=5, q=4), tiles()
    return mapped(layer, pair(), LoopNest((outer, inner), ("k", "kcpq"), {"c": (0, 2), "p": (1, 2)}, (frozenset(),) * 2))


def partial():
    """Return a nest without remainders in time whose 5 rows take 3 steps of 2 elements."""
    layer = Layer(k=12, c=8, p=5, q=4, ifmap_h=5, ifmap_w=4)
    outer, inner = tiles(k=12, c=8, p=5, q=4), tiles()
    return mapped(layer, pair(), LoopNest((outer, inner), ("", "kcpq"), {"c": (0, 2), "p": (1, 2)}, (frozenset(),) * 2))


@pytest.fixture(scope="module")
def analysis():
    """Return the network of a convolution and a pooling, mapped for energy."""
    return cm.analyze(network(), machine(400, array=ARRAY), objective="energy", schedule="layer")


def loaded(text):
    """Parse YAML."""
    return YAML(typ="safe").load(text)


def run(*words):
    """Run a command."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_timeloop_word_for_word():
    """Three tiles of 4 channels; what each store keeps; loops inside out; the last side of the array along X."""
    assert timeloop_text(BEST, "conv").splitlines() == [
        "# conv",
        "# N=1 G=1 M=12 C=8 Q=4 P=4 S=1 R=1",
        "# P and R run along the width, Q and S along the height, as in Timeloop's convolution problem.",
        "# Timeloop fetches padding, and keeps no overlap of tiles that the order lets this nest keep: its counts can be "
        "higher.",
        "mapping:",
        '  - {target: "dram", type: datatype, keep: [Weights, Inputs, Outputs], bypass: []}',
        '  - {target: "glb", type: datatype, keep: [Inputs, Outputs], bypass: [Weights]}',
        '  - {target: "rf", type: datatype, keep: [Weights, Outputs], bypass: [Inputs]}',
        '  - {target: "dram", type: temporal, factors: "M=3 R=1 S=1 P=1 Q=1 C=1 N=1", permutation: "MRSPQCN"}',
        '  - {target: "glb", type: temporal, factors: "P=4 Q=4 C=4 R=1 S=1 M=1 N=1", permutation: "PQCRSMN"}',
        '  - {target: "glb", type: spatial, factors: "M=2 N=1 C=2 Q=1 P=1 S=1 R=1", permutation: "MNCQPSR", split: 1}',
        '  - {target: "rf", type: temporal, factors: "R=1 S=1 P=1 Q=1 C=1 M=2 N=1", permutation: "RSPQCMN"}',
    ]


def test_timeloop_writes_remainders_as_last_factors():
    """Two trips over 8 of 12 channels leave 4 in the last; 5 rows over 2 elements leave 1."""
    lines = timeloop_text(uneven(), "conv").splitlines()

    assert '"M=2 R=1' in lines[8]
    assert "M=8,4" in lines[9]
    assert "Q=3" in lines[9]
    assert "Q=2,1" in lines[10]


def test_timeloop_names_groups_where_there_are_some():
    """G is a loop of grouped convolutions only, and then part of every permutation."""
    layer = replace(LAYER, g=2)
    outer = tiles(g=2, k=4, c=8, p=4, q=4)
    grouped = mapped(layer, pair(), LoopNest((outer, tiles(k=2)), ("k", "gcpq"), nest().unroll, nest().bypass))
    directives = loaded(timeloop_text(grouped, "conv"))["mapping"]
    loops = [one for one in directives if one["type"] != "datatype"]

    assert all("G" in one["permutation"] for one in loops)
    assert "G=2" in loops[1]["factors"]
    assert not any("G" in one.get("permutation", "") for one in loaded(timeloop_text(BEST, "conv"))["mapping"])


@given(st.text())
def test_titles_stay_in_their_comment(title):
    """Whatever a network is called, its title is one line and the file says the same."""
    text = timeloop_text(BEST, title)

    assert ascii_text(title).isascii()
    assert text.splitlines()[0] == f"# {ascii_text(title)}"
    assert loaded(text) == loaded(timeloop_text(BEST, "conv"))


def test_zigzag_word_for_word():
    """The default entry, sides by number, loops inside out."""
    assert zigzag_text({"conv": BEST}).splitlines()[2:] == [
        "- name: default",
        "  spatial_mapping: null",
        "  memory_operand_links: {O: O, W: I2, I: I1}",
        '- name: "conv"',
        "  spatial_mapping:",
        '    D1: ["C, 2"]',
        '    D2: ["K, 2"]',
        "  temporal_ordering:",
        "    - [K, 2]",
        "    - [OX, 4]",
        "    - [OY, 4]",
        "    - [C, 4]",
        "    - [K, 3]",
        "  memory_operand_links: {O: O, W: I2, I: I1}",
    ]


def test_zigzag_leaves_out_an_order_with_remainders():
    """The reason is a comment before the entry; what is unrolled is said all the same."""
    text = zigzag_text({"conv": uneven()})

    assert inexpressible(uneven()) == ("loop k of 8 trips has 4 in its last tile: no temporal_ordering",)
    assert list(rounded(uneven())) == ["p of 5 over 2 elements is no whole number: ZigZag counts the last step as full"]
    comments = [line for line in text.splitlines() if line.startswith("# conv: ")]
    assert comments == [f"# conv: {reason}" for reason in (*inexpressible(uneven()), *rounded(uneven()))]
    assert loaded(text)[1] == {
        "name": "conv",
        "spatial_mapping": {"D1": ["C, 2"], "D2": ["OY, 2"]},
        "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
    }


def test_zigzag_counts_a_last_step_as_full():
    """An order without remainders in time is written: 3 steps over 5 rows, with a note on the idle element."""
    text = zigzag_text({"conv": partial()})

    assert inexpressible(partial()) == ()
    assert loaded(text)[1]["temporal_ordering"] == [["OX", 4], ["OY", 3], ["C", 4], ["K", 12]]
    assert "# conv: p of 5 over 2 elements is no whole number" in text


def test_zigzag_without_an_array_or_loops():
    """One value is one step: no sides, and an order that is empty but there."""
    layer = Layer(k=1, c=1, p=1, q=1, ifmap_h=1, ifmap_w=1)
    one = mapped(layer, pair(), LoopNest((tiles(), tiles()), ("", ""), {}, (frozenset(), frozenset())))
    entry = loaded(zigzag_text({"conv": one}))[1]

    assert entry["spatial_mapping"] is None
    assert entry["temporal_ordering"] == []
    assert str(one).startswith("one value; ")


@given(st.lists(st.text(max_size=12), unique=True, max_size=8))
def test_files_are_safe_and_apart(names):
    """One file per name, none hidden, in a folder or with a character that a system refuses."""
    files = file_names(names)

    assert list(files) == names
    assert len(set(files.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.map\.yaml", file) for file in files.values())


def test_names_without_letters_are_layers():
    """Dots alone would be hidden, or a folder."""
    assert file_names(["", ".", "..", "a/../b"]) == {
        "": "layer.map.yaml", ".": "layer-2.map.yaml", "..": "layer-3.map.yaml", "a/../b": "a_.._b.map.yaml",
    }  # fmt: skip


def test_nests_are_those_asked_for_in_that_order(analysis):
    """All that have one, or the layers that are named."""
    assert list(nests_of(analysis)) == ["conv1", "pool1"]
    assert list(nests_of(analysis, ["pool1", "conv1"])) == ["pool1", "conv1"]
    assert nests_of(analysis, ["conv1"])["conv1"] is analysis.layers[0].mapping
    with pytest.raises(InputError, match="layer 'relu1' of small is free"):
        nests_of(analysis, ["conv1", "relu1"])


def test_nests_need_an_objective():
    """Boundaries one by one have no nest through all memories."""
    with pytest.raises(InputError) as caught:
        nests_of(cm.analyze(network(), machine(400)))
    assert str(caught.value) == (
        "machine declares no objective: its boundaries are mapped one by one; give --objective energy, latency, edp or "
        "dram_bytes"
    )


def test_every_format_has_its_files(analysis):
    """One for all layers, one each for Timeloop; JSON is the plain data, and its layers are read back."""
    nests = nests_of(analysis)
    files = {fmt: texts(analysis, nests, fmt) for fmt in FORMATS}

    assert {fmt: list(found) for fmt, found in files.items()} == {
        "text": ["mappings.txt"],
        "json": ["mappings.json"],
        "timeloop": ["conv1.map.yaml", "pool1.map.yaml"],
        "zigzag": ["mappings.yaml"],
    }
    data = json.loads(files["json"]["mappings.json"])
    assert data == json.loads(json.dumps(Mappings(analysis, nests).to_dict()))
    assert (data["schema_version"], data["network"], data["hardware"]) == (1, "small", "machine")
    assert {name: one["value"] for name, one in data["layers"].items()} == {name: one.value for name, one in nests.items()}
    assert files["text"]["mappings.txt"] == "\n".join(f"{name}: {one}\n" for name, one in nests.items())
    assert files["timeloop"]["conv1.map.yaml"].startswith("# conv1 of small on machine\n")
    assert [one["name"] for one in loaded(files["zigzag"]["mappings.yaml"])] == ["default", "conv1", "pool1"]


def test_an_unknown_format_is_refused(analysis):
    """With those that there are."""
    with pytest.raises(InputError, match=r"^format: 'maestro' is not known; use one of text, json, timeloop, zigzag$"):
        texts(analysis, nests_of(analysis), "maestro")


def test_remarks_are_zigzag_s_alone():
    """One per layer that it has no words for."""
    nests = {"even": BEST, "odd": uneven()}

    assert remarks(nests, "zigzag") == ["odd: loop k of 8 trips has 4 in its last tile: no temporal_ordering"]
    assert [remarks(nests, fmt) for fmt in ("text", "json", "timeloop")] == [[], [], []]


def test_exports_of_a_machine_with_elements_name_every_store():
    """Every layer of a network that a searched mapping covers, in both formats."""
    found = cm.analyze(small(), spatial("energy"), schedule="layer")
    nests = nests_of(found)

    for text in texts(found, nests, "timeloop").values():
        kept = [one["target"] for one in loaded(text)["mapping"] if one["type"] == "datatype"]
        assert kept == ["dram", "sram", "rf"]
    assert len(loaded(texts(found, nests, "zigzag")["mappings.yaml"])) == len(nests) + 1


@pytest.mark.parametrize("fmt", ["text", "json", "timeloop", "zigzag"])
def test_a_layer_is_written_to_stdout_or_a_file(fmt, tmp_path):
    """The same text, and nothing else on stdout."""
    words = ("mapping", *NET, "--layer", "fc1", "--format", fmt)
    shown, written = run(*words), run(*words, "-o", tmp_path / "out")

    assert (shown.exit_code, written.exit_code, written.stdout) == (0, 0, "")
    assert (tmp_path / "out").read_text(encoding="utf-8") == shown.stdout
    assert "fc1" in shown.stdout


def test_timeloop_documents_are_separated_on_stdout():
    """Several layers are several documents, in the order asked for."""
    result = run("mapping", *NET, "--format", "timeloop", "--layer", "fc5", "--layer", "fc1")
    documents = list(YAML(typ="safe").load_all(result.stdout))

    assert [set(one) for one in documents] == [{"mapping"}, {"mapping"}]
    assert re.findall(r"^# (\w+) of ", result.stdout, re.MULTILINE) == ["fc5", "fc1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mapping", *NET, "--layer", "conv99"), "error: layer 'conv99' is not in "),
        (("mapping", *NET, "--layer", "fc1", "-o", "no/such/file"), "error: -o no/such/file: the directory no/such does"),
        (("explain", *NET, "--layer", "fc1", "-o", "no/such/file"), "error: -o no/such/file: the directory no/such does"),
        (("explain", *NET, "--layer", "fc1", "--mapping", "no.yaml"), "error: no.yaml: no such file: check the path"),
        (("mapping", *NET, "--format", "maestro"), "'maestro' is not one of 'text', 'json', 'timeloop', 'zigzag'"),
        (("explain", *NET, "--layer", "fc1", "--objective", "area"), "'area' is not one of 'energy', 'latency'"),
        (("explain", *NET), "Missing option '--layer'"),
        (("mapping", "alexnet", "--hw", "nowhere"), "nowhere"),
    ],
)
def test_commands_refuse_in_one_message(words, message):
    """Exit 2, nothing on stdout, no traceback."""
    result = run(*words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message.lower() in " ".join(result.stderr.split()).lower()
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("fmt", ["text", "md", "json", "csv"])
def test_explain_writes_every_format(fmt, tmp_path):
    """To a file as to stdout; the formula of the weights is in each."""
    words = ("explain", *NET, "--layer", "fc1", "--no-drops", "--format", fmt)
    shown, written = run(*words), run(*words, "-o", tmp_path / "out")

    assert (shown.exit_code, written.exit_code) == (0, 0)
    assert "reads of weight = 81,920 elements" in shown.stdout.replace("\\", "")
    assert "reads of weight = 81,920 elements" in (tmp_path / "out").read_text(encoding="utf-8").replace("\\", "")


def test_explain_is_the_report_of_the_library():
    """The command prints what the function's JSON has, with the options of pricing."""
    result = run("explain", *NET, "--layer", "fc1", "--no-drops", "--batch", 2, "--bits", "weight=4", "--format", "json")
    found = cm.explain(NET[0], NET[2], "fc1", NET[4], 2, None, {"weight": 4}, drops=False)

    assert json.loads(result.stdout)["nests"] == json.loads(json.dumps(found.to_dict()))["nests"]
    assert {one.bits // one.accesses for one in found.parts[0].accesses if one.operand == "weight"} == {4}
    assert found.fed[0].macs == 2 * 128 * 640
