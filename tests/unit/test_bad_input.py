"""Every mistake a user can make: exit code 2, nothing on stdout, one line per problem that says where, what and what to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (ROOT / "hw_profiles" / "snapdragon.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    """Files are named without a directory, as a user would."""
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    """Run the command line in this process."""
    return CliRunner().invoke(cli, arguments, prog_name="costmodel")


def refused(*arguments):
    """Run the command line on bad input and give its problems, every line of them."""
    result = run(*arguments)
    unexpected = result.exception if not isinstance(result.exception, SystemExit) else None

    assert unexpected is None, f"a traceback instead of a message: {unexpected!r}"
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


def messages(lines):
    """Check that each line is a problem of its own, and give them without their mark."""
    assert [line for line in lines if not line.startswith("error: ")] == []
    return [line.removeprefix("error: ") for line in lines]


def check(lines, count, *fragments):
    """Check the number of problems, and that the fragments stand in them."""
    found = messages(lines)

    assert len(found) == count
    assert [fragment for fragment in fragments if not any(fragment in message for message in found)] == []


def network(body, header="", parameters=""):
    """Text of a network: a file with a function build."""
    code = indent(dedent(body).strip(), "    ")
    return f"from costmodel import Graph\n{header}\ndef build({parameters}):\n{code}\n"


def graph(*lines):
    """Text of a network with an 8 x 8 image of 3 channels; its lines start on line 6."""
    return network("\n".join(["g = Graph('net')", "x = g.input('data', (1, 3, 8, 8))", *lines, "return g"]))


# ---- files of networks

NO_NETWORK = {
    "missing file": ("gone.py", "gone.py: no such file"),
    "missing file in a directory": ("nets/gone.py", "nets/gone.py: no such file"),
    "directory": (".", "is a directory", "give a .py file with build()"),
    "misspelt name": (
        "squeeznet",
        "no network called 'squeeznet'",
        "did you mean 'squeezenet'?",
        "shipped are alexnet",
    ),
    "no name": ("", "needs a name or a path"),
    "another format": ("picture.png", "picture.png: cannot read .png files", "give a .py file"),
    "binary file": ("binary.py", "binary.py: is a binary file", "not Python source"),
    "another encoding": ("latin.py", "latin.py: is not Python source"),
    "argument without value": ("squeezenet:version", "expected argument=value after the colon"),
    "argument that does not exist": (
        "squeezenet:versio=1.1",
        "'versio'",
        "did you mean 'version'?",
        "its arguments are",
    ),
    "argument given twice": ("squeezenet:version=1.0,version=1.1", "argument 'version' is given twice"),
    "argument out of range": ("squeezenet:version=9", "version must be one of 1.0, 1.1, got 9"),
    "ratio that is not a number": (
        "squeezenet:squeeze_ratio=nan",
        "squeeze_ratio must lie in 0 .. 8, got nan",
    ),
    "size that is not whole": ("squeezenet:base_e=1.5", "base_e must be an integer", "got 1.5"),
    "size of zero": ("squeezenet:input=0", "data: shape[2] must be at least 1, got 0"),
    "size below zero": ("alexnet:num_classes=-1", "must be at least 1, got -1"),
    "size too small for the network": (
        "squeezenet:input=3",
        "conv1",
        "larger than the padded input",
        "larger input",
    ),
    "size beyond any memory": (
        "squeezenet:base_e=1000000000000",
        "base_e must be at most",
        "got 1000000000000",
    ),
    "null byte": ("a\0b", "no network called 'a\\x00b'"),
    "absurdly long name": ("x" * 5000, "File name too long"),
}


@pytest.fixture
def _unreadable_files(tmp_path):
    """Files that exist and are no networks."""
    (tmp_path / "binary.py").write_bytes(bytes(range(256)))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    (tmp_path / "latin.py").write_bytes("# caf\u00e9\ndef build(): ...\n".encode("latin-1"))


@pytest.mark.usefixtures("_unreadable_files")
@pytest.mark.parametrize("case", NO_NETWORK)
def test_what_is_no_network_is_refused(case):
    """Names and files that give no network, and arguments that its build does not take."""
    name, *fragments = NO_NETWORK[case]

    check(refused("analyze", name, "--hw", "snapdragon"), 1, *fragments)


BAD_FILES = {
    "empty": ("", "net.py: has no function build", "`def build() -> Graph`"),
    "no build": ("def buld():\n    pass\n", "has no function build", "did you mean 'buld'?"),
    "build that is no function": ("build = 3\n", "net.py: build is int, not a function"),
    "syntax error": ("def build(:\n", "net.py:1:11: syntax error"),
    "no Graph": (network("Graph('net')"), "net.py: build returned NoneType, not a Graph", "`return g`"),
    "table instead of a Graph": (
        network("return Graph('net').table()"),
        "build returned LayerTable, not a Graph",
    ),
    "argument it cannot do without": (
        network("return Graph('net')", parameters="width"),
        "build needs the argument 'width'",
        "write net.py:width=...",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_without_a_network_are_refused(case):
    """Python files that define no build, or one that gives no Graph."""
    text, *fragments = BAD_FILES[case]
    Path("net.py").write_text(text)

    check(refused("analyze", "net.py", "--hw", "snapdragon"), 1, *fragments)


BAD_GRAPHS = {
    "concat of shapes that differ": (
        graph("a = g.conv('a', x, 4, kernel=1)", "b = g.conv('b', x, 4, kernel=3)", "g.concat('cat', a, b)"),
        "net.py:8: cat: inputs disagree",
        "a gives (1, 4, 8, 8)",
        "b gives (1, 4, 6, 6)",
        "give their layers the same",
    ),
    "add of shapes that differ": (
        graph("a = g.conv('a', x, 4, kernel=1)", "g.add('sum', x, a)"),
        "net.py:7: sum: inputs do not broadcast",
        "data gives (1, 3, 8, 8)",
        "a gives (1, 4, 8, 8)",
        "sizes must agree",
    ),
    "matmul of shapes that differ": (
        graph("a = g.conv('a', x, 4, kernel=1)", "g.matmul('m', x, a)"),
        "net.py:7: m: ",
        "data gives",
        "a gives",
    ),
    "window larger than its input": (
        graph("g.conv('c', x, 4, kernel=9)"),
        "net.py:6: c: ",
        "use a smaller kernel",
    ),
    "groups that do not divide": (
        graph("g.conv('c', x, 4, kernel=1, groups=2)"),
        "net.py:6: c: groups 2 do not divide",
    ),
    "no channels": (
        graph("g.conv('c', x, 0, kernel=1)"),
        "net.py:6: c: out_channels must be at least 1, got 0",
    ),
    "channels below zero": (
        graph("g.conv('c', x, -4, kernel=1)"),
        "net.py:6: c: out_channels must be at least 1, got -4",
    ),
    "half a channel": (
        graph("g.conv('c', x, 4.5, kernel=1)"),
        "c: out_channels must be an integer",
        "got 4.5",
    ),
    "no kernel": (graph("g.max_pool('p', x, kernel=0)"), "net.py:6: p: kernel must be at least 1, got 0"),
    "no stride": (graph("g.conv('c', x, 4, kernel=1, stride=0)"), "c: stride must be at least 1, got 0"),
    "padding below zero": (
        graph("g.conv('c', x, 4, kernel=1, padding=-1)"),
        "c: padding must be zero or more, got -1",
    ),
    "empty image": (
        network("g = Graph('net')\ng.input('data', (1, 0, 8, 8))\nreturn g"),
        "data: shape[1] must be at least 1",
    ),
    "image beyond any memory": (
        network("g = Graph('net')\ng.input('data', (1, 3, 2**40, 8))\nreturn g"),
        "net.py:5: data: shape[2] must be at most",
    ),
    "tensor beyond 64 bits": (
        network("g = Graph('net')\ng.input('data', (1, 2**30, 2**30, 2**30))\nreturn g"),
        "data: 1.238e+27",
        "do not fit in 64 bits",
    ),
    "operations beyond 64 bits": (
        network(
            "g = Graph('net')\nx = g.input('d', (1, 2**20, 2**20, 1))\ng.conv('c', x, 2**30, kernel=1)\nreturn g"
        ),
        "c: 1.181e+21",
        "do not fit in 64 bits",
        "reduce the sizes",
    ),
    "two layers of one name": (
        graph("g.relu('r', x)", "g.relu('r', x)"),
        "net.py:7: r: ",
        "already has a layer",
    ),
    "tensor of another graph": (
        graph("y = Graph('other').input('y', (1, 3))", "g.relu('r', y)"),
        "net.py:7: r: 'y' is a tensor of another graph",
    ),
    "number instead of a tensor": (graph("g.relu('r', 3)"), "net.py:6: r: expected a tensor as input, got 3"),
    "design space instead of a network": (
        graph("import numpy", "g.conv('c', x, numpy.array([1, 2]), kernel=1)"),
        "net: carries 2 design points",
        "sweep prices",
    ),
    "design points of two lengths": (
        graph(
            "import numpy",
            "y = g.conv('c', x, numpy.array([1, 2]), kernel=1)",
            "g.conv('d', y, numpy.array([1, 2, 3]), kernel=1)",
        ),
        "d: arrays of design points have different lengths",
        "use one length",
    ),
    "no layers": (network("return Graph('net')"), "net: has no layers"),
    "inputs without layers": (graph(), "net: has no layers"),
}


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_graphs_that_cannot_be_priced_are_refused(case):
    """Shapes that do not meet, sizes that cannot be, numbers beyond 64 bits: with the line of the file."""
    text, *fragments = BAD_GRAPHS[case]
    Path("net.py").write_text(text)

    check(refused("analyze", "net.py", "--hw", "snapdragon"), 1, *fragments)


@pytest.mark.parametrize("case", [*BAD_FILES, *BAD_GRAPHS])
def test_the_library_says_what_the_command_says(case):
    """The same mistake raises a CostModelError with the same problems."""
    text, *_ = {**BAD_FILES, **BAD_GRAPHS}[case]
    Path("net.py").write_text(text)

    with pytest.raises(cm.CostModelError) as raised:
        cm.analyze("net.py", "snapdragon")
    assert list(raised.value.problems) == messages(refused("analyze", "net.py", "--hw", "snapdragon"))


@pytest.mark.parametrize(
    "line", ["g.relu('r', x)", "g.flatten('f', x)", "g.softmax('s', x)", "g.dropout('d', x)"]
)
def test_a_network_without_a_product_is_priced(line):
    """A layer that the mapper is not asked about is not a mistake, also where there is no other."""
    Path("net.py").write_text(graph(line))
    result = run("analyze", "net.py", "--hw", "snapdragon")

    assert (result.exit_code, result.stderr) == (0, "")


# ---- networks that raise

RAISING = {
    "in build": (network("return 1 / 0"), "build raised ZeroDivisionError: division by zero", ["build"]),
    "in a function of the file": (
        network("return inner()", header="def inner():\n    raise KeyError('nope')\n"),
        "build raised KeyError: 'nope'",
        ["build", "inner"],
    ),
    "while the file is read": (
        "import no_such_module\n",
        "the file raised ModuleNotFoundError",
        ["<module>"],
    ),
    "by leaving": (network("raise SystemExit(3)"), "build raised SystemExit: 3", ["build"]),
    "by a method that does not exist": (graph("g.conf('c', x)"), "has no attribute 'conf'", ["build"]),
    "by an argument that is missing": (graph("g.conv('c', x)"), "build raised TypeError", ["build"]),
    "by a file of its own": (
        network("return open('weights.bin')"),
        "build raised FileNotFoundError",
        ["build"],
    ),
    "by calling itself": (
        network("return build()"),
        "build raised RecursionError",
        ["build", "build", "build"],
    ),
}


@pytest.mark.parametrize("case", RAISING)
def test_an_exception_of_a_network_is_trimmed_to_its_frames(case):
    """What it was, then the lines of the user's own file, and none of ours."""
    text, what, functions = RAISING[case]
    Path("net.py").write_text(text)
    first, *frames = refused("analyze", "net.py", "--hw", "snapdragon")

    assert first.startswith("error: net.py: ")
    assert what in first
    assert [line.rpartition(" in ")[2] for line in frames if line.startswith("  File ")] == functions
    assert all('"net.py"' in line for line in frames if line.startswith("  File "))


def test_what_a_network_prints_does_not_reach_stdout():
    """Its prints are not part of the result."""
    Path("net.py").write_text(network("print('hello')\nraise ValueError('no')"))
    lines = refused("analyze", "net.py", "--hw", "snapdragon")

    assert lines[:2] == ["hello", "error: net.py: build raised ValueError: no"]


def test_a_message_cannot_act_on_the_terminal():
    """Control characters in a network's message are shown, not obeyed."""
    Path("net.py").write_text(network("raise ValueError('\\x1b[31mred\\x07')"))
    lines = refused("analyze", "net.py", "--hw", "snapdragon")

    assert "\\x1b[31mred\\x07" in lines[0]
    assert not {"\x1b", "\x07"} & set("".join(lines))


# ---- unknown operations

UNKNOWN = graph("y = g.conv('c', x, 4, kernel=1)", "g.unknown('mystery', 'FancyOp', [y], (1, 4, 8, 8))")


def test_an_unknown_layer_is_listed():
    """Without --strict the result is printed and the layer is named on both streams; the exit code is 0."""
    Path("net.py").write_text(UNKNOWN)
    result = run("analyze", "net.py", "--hw", "snapdragon")

    assert result.exit_code == 0
    assert "mystery" in result.stdout
    assert "mystery (FancyOp)" in result.stderr


def test_an_unknown_layer_fails_where_it_must_not_be():
    """With --strict the result is the same and the exit code is 1."""
    Path("net.py").write_text(UNKNOWN)
    lenient, strict = (run("analyze", "net.py", "--hw", "snapdragon", *flag) for flag in ([], ["--strict"]))

    assert strict.exit_code == 1
    assert (strict.stdout, strict.stderr) == (lenient.stdout, lenient.stderr)


def test_a_known_network_passes_strictly():
    """--strict is silent where everything is known."""
    result = run("analyze", "squeezenet", "--hw", "snapdragon", "--strict")

    assert (result.exit_code, result.stderr) == (0, "")


# ---- hardware

NO_PROFILE = {
    "missing file": ("gone.yaml", "gone.yaml: no such file", "check the path"),
    "directory": (".", "is a directory", "give the .yaml file"),
    "misspelt name": (
        "snapdragn",
        "no hardware profile 'snapdragn'",
        "did you mean 'snapdragon'?",
        "shipped are edge-tpu",
    ),
    "no name": ("", "no hardware profile ''", "give a .yaml file"),
    "binary file": ("binary.yaml", "binary.yaml:1: not UTF-8 text", "not a binary one"),
    "null bytes": ("null.yaml", "null.yaml: binary file"),
}


@pytest.mark.parametrize("case", NO_PROFILE)
def test_what_is_no_profile_is_refused(case):
    """Names and files that give no hardware."""
    Path("binary.yaml").write_bytes(bytes(range(128, 256)))
    Path("null.yaml").write_bytes(b"name: x\0\n")
    name, *fragments = NO_PROFILE[case]

    check(refused("analyze", "squeezenet", "--hw", name), 1, *fragments)


def varied(*lines):
    """Text of a profile that inherits and changes something, from line 2 on."""
    return "\n".join(["inherits: snapdragon", *lines, ""])


def vtcm(*lines):
    """The same for the memory on chip, from line 4 on."""
    return varied("memory:", "  vtcm:", *(f"    {line}" for line in lines))


POWER = "static_power: {}"
SAID = "| assumed | why"
BAD_PROFILES = {
    "a key twice": (
        varied("overlap: true", "overlap: false"),
        "hw.yaml:3:1: 'overlap' is given twice, first on line 2",
    ),
    "a key twice below": (
        vtcm(f"capacity: 1 MiB {SAID}", f"capacity: 2 MiB {SAID}"),
        "hw.yaml:5:5: 'capacity' is given twice",
        "keep one",
    ),
    "a unit of another dimension": (
        vtcm(f"capacity: 8 MHz {SAID}"),
        "hw.yaml:4:5: memory.vtcm.capacity",
        "a frequency, not a number of bytes",
        "write for example 2 MiB",
    ),
    "a misspelt unit": (
        vtcm(f"capacity: 8 KB {SAID}"),
        "hw.yaml:4:5:",
        "'KB' is not a unit",
        "kB (1000 bytes), KiB (1024 bytes)",
    ),
    "no unit": (
        vtcm(f"capacity: 8388608 {SAID}"),
        "hw.yaml:4:5:",
        "'8388608' has no unit",
        "write for example",
    ),
    "a bare number": (
        vtcm("capacity: 8388608"),
        "hw.yaml:4:5: memory.vtcm.capacity",
        "VALUE | SOURCE | WHERE",
    ),
    "no source": (
        varied("static_power: 1 W"),
        "hw.yaml:2:1: static_power",
        "does not say where it comes from",
    ),
    "no place in the source": (
        varied("static_power: {value: 1 W, source: assumed}"),
        "hw.yaml:2:1: static_power.where: missing: add it",
    ),
    "an unknown source": (
        varied("static_power: 1 W | horowitz2041 | Table 1"),
        "hw.yaml:2:1: static_power.source: 'horowitz2041' is not in the bibliography",
        "did you mean 'horowitz2014'?",
        "add it under 'sources:'",
    ),
    "an unknown tier": (
        varied(f"static_power: 1 W {SAID} | guess"),
        "static_power.tier: 'guess' is not known",
        "'measured'",
    ),
    "a misspelt field": (
        vtcm(f"capasity: 8 MiB {SAID}"),
        "hw.yaml:4:5: memory.vtcm.capasity: unknown field",
        "did you mean 'capacity'?",
        "known here are",
    ),
    "a misspelt field at the top": (
        varied("overlp: true"),
        "hw.yaml:2:1: overlp: unknown field",
        "did you mean 'overlap'?",
    ),
    "a field that is missing": (
        SHIPPED.replace("overlap: true\n", ""),
        "hw.yaml:1:1: overlap: missing: add it",
    ),
    "a negative constant": (
        varied(f"static_power: -1 W {SAID}"),
        "hw.yaml:2:1: static_power",
        "-1 W is negative",
        "write 0 or more",
    ),
    "a constant that is not a number": (
        varied(f"static_power: nan W {SAID}"),
        "hw.yaml:2:1: static_power",
        "not a finite number",
    ),
    "a number that is not a number": (
        varied("compute:", "  macs_per_cycle:", "    int8: {value: .nan, source: assumed, where: why}"),
        "hw.yaml:4:12: compute.macs_per_cycle.int8",
        "not a finite number",
    ),
    "an infinite constant": (
        varied(f"static_power: inf W {SAID}"),
        "hw.yaml:2:1: static_power",
        "not a finite number",
    ),
    "a constant beyond any number": (
        varied(f"static_power: 1e400 W {SAID}"),
        "static_power",
        "not a finite number",
    ),
    "a memory of no size": (
        vtcm(f"capacity: 0 B {SAID}"),
        "hw.yaml:4:5: memory.vtcm.capacity",
        "zero",
        "write more than 0",
    ),
    "a memory without an end": (
        vtcm("capacity: unlimited"),
        "hw.yaml:4:5: memory.vtcm.capacity",
        "only the backing store",
    ),
    "a clock that stands": (
        varied("compute:", f"  clock: 0 Hz {SAID}"),
        "hw.yaml:3:3: compute.clock",
        "write more than 0",
    ),
    "a range beside its value": (
        varied(f"static_power: 1 (2 to 3) W {SAID}"),
        "hw.yaml:2:1: static_power",
        "low <= value <= high",
    ),
    "a word for true": (varied("overlap: yes"), "hw.yaml:2:1: overlap: 'yes' given: write true or false"),
    "a number format nobody knows": (
        varied("default_dtype: int7"),
        "hw.yaml:2:1: default_dtype: 'int7' is not known",
        "'int8'",
    ),
    "a number format it cannot compute": (
        varied("default_dtype: int4"),
        "no int4, which is the default_dtype",
    ),
    "a kind of memory nobody knows": (
        vtcm("kind: ram"),
        "hw.yaml:4:5: memory.vtcm.kind: 'ram' is not known",
        "'scratchpad'",
    ),
    "partial sums of no width": (varied("psum_bits: 0"), "hw.yaml:2:1: psum_bits: 0 given"),
    "a parent nobody knows": (
        "inherits: snapdragn\n",
        "hw.yaml:1:1: inherits: no hardware profile 'snapdragn'",
        "did you mean 'snapdragon'?",
    ),
    "its own parent": ("inherits: ./hw.yaml\n", "hw.yaml:1:1: inherits: hw.yaml -> hw.yaml is a circle"),
    "no YAML": ("a: [1\n", "hw.yaml:2:1: not valid YAML"),
    "tabs": ("memory:\n\tdram: 1\n", "hw.yaml:2:1: not valid YAML"),
    "a list": ("- a\n", "hw.yaml:1:1: a list at the top", "write a mapping"),
    "nothing": ("", "hw.yaml:1:1: nothing at the top", "write a mapping"),
    "two profiles": (
        varied("---", "name: b"),
        "hw.yaml:2:1: a second document starts here",
        "one file holds one profile",
    ),
    "aliases": (varied("name: &x a", "title: *x"), "hw.yaml:2:7: anchors and aliases"),
    "absurd nesting": (varied("name: " + "[" * 50 + "]" * 50), "nested more than 16 deep"),
}


@pytest.mark.parametrize("case", BAD_PROFILES)
def test_profiles_with_a_mistake_are_refused(case):
    """Each with file, line and column, the field, and what to write instead."""
    text, *fragments = BAD_PROFILES[case]
    Path("hw.yaml").write_text(text)

    check(refused("analyze", "squeezenet", "--hw", "hw.yaml"), 1, *fragments)


@pytest.mark.parametrize("command", [["profiles", "validate", "hw.yaml"], ["profiles", "show", "hw.yaml"]])
@pytest.mark.parametrize("case", BAD_PROFILES)
def test_every_command_says_the_same_of_a_profile(case, command):
    """What `analyze` refuses, `profiles validate` and `profiles show` refuse in the same words."""
    Path("hw.yaml").write_text(BAD_PROFILES[case][0])

    assert refused(*command) == refused("analyze", "squeezenet", "--hw", "hw.yaml")


def test_all_problems_of_a_profile_come_at_once():
    """Four mistakes are four lines, in the order of the file."""
    own = [
        "overlp: true",
        f"static_power: -1 W {SAID}",
        "memory:",
        "  vtcm:",
        f"    capacity: 8 MHz {SAID}",
        "    size: 1",
    ]
    Path("hw.yaml").write_text(varied(*own))
    found = messages(refused("profiles", "validate", "hw.yaml"))

    assert [message.split(": ")[0] for message in found] == [
        "hw.yaml:2:1",
        "hw.yaml:3:1",
        "hw.yaml:6:5",
        "hw.yaml:7:5",
    ]


def test_every_file_is_validated():
    """A missing file does not hide what is wrong with the next one, nor that a third one is right."""
    Path("hw.yaml").write_text(varied("overlp: true"))
    result = run("profiles", "validate", "gone.yaml", "hw.yaml", str(ROOT / "hw_profiles" / "eyeriss.yaml"))

    assert result.exit_code == 2
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["gone.yaml", "hw.yaml:2:1"]
    assert "eyeriss.yaml: ok" in result.stdout


# ---- a buffer that is too small


def with_buffer(size_bytes):
    """Write a profile whose memory on chip has so many bytes."""
    capacity = f"    capacity: {size_bytes} B {SAID}"
    Path("hw.yaml").write_text("\n".join(["inherits: eyeriss-168", "memory:", "  glb:", capacity, ""]))


def test_a_buffer_that_is_too_small_names_the_smallest():
    """Every layer that does not fit is named with the smallest buffer that holds one of its tiles."""
    with_buffer(1)
    found = messages(refused("analyze", "squeezenet", "--hw", "hw.yaml"))

    assert found[0].startswith(
        "conv1: cannot be tiled into glb of 1 B; the smallest glb that holds one tile is "
    )


def test_the_smallest_buffer_is_enough_and_nothing_smaller_is():
    """What the message names works, and one byte less does not."""
    with_buffer(1)
    named = [
        int(re.search(r"one tile is (\d+) B", line)[1])
        for line in refused("analyze", "alexnet", "--hw", "hw.yaml")
    ]
    with_buffer(max(named))
    enough = run("analyze", "alexnet", "--hw", "hw.yaml")
    with_buffer(max(named) - 1)

    assert (enough.exit_code, enough.stderr) == (0, "")
    assert refused("analyze", "alexnet", "--hw", "hw.yaml")


# ---- options

ANALYZE = ("analyze", "squeezenet", "--hw", "snapdragon")
BAD_OPTIONS = {
    "no batch": ([*ANALYZE, "--batch", "0"], "--batch", "0", "x>=1"),
    "a batch below zero": ([*ANALYZE, "--batch", "-3"], "--batch", "-3", "x>=1"),
    "half a batch": ([*ANALYZE, "--batch", "1.5"], "--batch", "'1.5'"),
    "a batch beyond any memory": (
        [*ANALYZE, "--batch", "99999999999999999999"],
        "batch: 99999999999999999999 given",
        "from 1 to",
    ),
    "a number format nobody knows": ([*ANALYZE, "--dtype", "int7"], "'int7'", "int4, int8"),
    "a number format the hardware lacks": (
        [*ANALYZE, "--dtype", "bf16"],
        "snapdragon has no multiplier for bf16",
        "it has int8",
        "--dtype",
    ),
    "a width without a number": (
        [*ANALYZE, "--bits", "weight"],
        "--bits: 'weight' is not OPERAND=BITS",
        "write for example",
    ),
    "an operand nobody knows": (
        [*ANALYZE, "--bits", "weigth=4"],
        "'weigth' is not an operand",
        "weight, ifmap, ofmap, psum",
    ),
    "no width": ([*ANALYZE, "--bits", "weight=0"], "weight is 0 bits wide", "from 1 to 64"),
    "a width nobody has": ([*ANALYZE, "--bits", "weight=65"], "weight is 65 bits wide", "from 1 to 64"),
    "a format nobody knows": ([*ANALYZE, "--format", "xml"], "--format", "'xml'", "'json'"),
    "a directory as output": ([*ANALYZE, "-o", "."], "-o .: is a directory", "give a file in it"),
    "an output in no directory": (
        [*ANALYZE, "-o", "no/report.md"],
        "-o no/report.md",
        "does not exist",
        "create it first",
    ),
    "no hardware": (["analyze", "squeezenet"], "Missing option '--hw'"),
    "no network": (["analyze"], "Missing argument 'NET'"),
    "one network too many": ([*ANALYZE, "alexnet"], "unexpected extra argument", "alexnet"),
    "a misspelt command": (["analyse"], "No such command 'analyse'", "analyze"),
    "a misspelt option": (["analyze", "--hep"], "No such option", "--help"),
    "nothing to compare with": (["compare", "alexnet", "--hw", "snapdragon"], "needs at least two networks"),
    "more formats than networks": (
        ["compare", "alexnet", "squeezenet", "--hw", "snapdragon", "--dtype", "int8,int8,fp16"],
        "3 dtypes for 2 networks",
        "give one",
    ),
    "a bad network among good ones": (
        ["compare", "alexnet", "gone.py", "--hw", "snapdragon"],
        "gone.py: no such file",
    ),
    "a bad profile among good ones": (
        ["compare", "alexnet", "--hw", "snapdragon", "--hw", "gone.yaml"],
        "gone.yaml: no such file",
    ),
    "a profile that is not there": (["profiles", "show", "snapdragn"], "did you mean 'snapdragon'?"),
    "no file to validate": (["profiles", "validate"], "Missing argument 'FILE...'"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_options_that_cannot_be_are_refused(case):
    """Each names the option, what was given, and what may be."""
    arguments, *fragments = BAD_OPTIONS[case]

    check(refused(*arguments), 1, *fragments)


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "2", 10**30])
def test_the_library_refuses_the_same_batches(batch):
    """From Python the same mistakes are InputErrors, and a bool is no batch."""
    with pytest.raises(cm.CostModelError, match=r"^batch: "):
        cm.analyze("alexnet", "snapdragon", batch=batch)


def test_the_library_refuses_the_same_formats():
    """An unknown number format is refused with those that are known."""
    with pytest.raises(cm.CostModelError, match="'int7' is not a number format; use one of int4"):
        cm.analyze("alexnet", "snapdragon", dtype="int7")


def test_a_refused_command_leaves_its_output_alone():
    """A mistake does not cost the report of yesterday, nor leave half a file behind."""
    Path("report.md").write_text("yesterday")
    refused(*ANALYZE, "--dtype", "bf16", "-o", "report.md")

    assert Path("report.md").read_text() == "yesterday"
    assert sorted(Path().iterdir()) == [Path("report.md")]


# ---- the same in a process of its own


def process(*arguments):
    """Run the command in a process of its own, in the present directory."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from costmodel.cli import main; main()",
    ]
    return subprocess.run(
        [*command, str(ROOT), *arguments], capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["analyze", "gone.py", "--hw", "snapdragon"], "gone.py: no such file"),
        (["analyze", "raises.py", "--hw", "snapdragon"], "ZeroDivisionError"),
        (["analyze", "squeezenet", "--hw", "twice.yaml"], "given twice"),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--batch", "0"], "--batch"),
        (["nothing"], "No such command"),
    ],
)
def test_a_process_ends_with_2(arguments, fragment):
    """The exit code and the streams of a real process are those above."""
    Path("raises.py").write_text(network("return 1 / 0"))
    Path("twice.yaml").write_text(varied("overlap: true", "overlap: true"))
    result = process(*arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert fragment in result.stderr
    assert "Traceback" not in result.stderr
