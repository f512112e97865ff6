"""The command line in process: what it prints, where, and with which exit code; every mistake is one line per problem."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import costmodel.api
from costmodel import __version__
from costmodel.cli import cli
from costmodel.cli_shared import colored, deliver, permissions, terminal_width, write_atomically
from tests.unit.onnx_files import encoded, model, node, value

UNKNOWN = """
from costmodel.graph import Graph
def build():
    g = Graph("odd")
    x = g.conv("conv1", g.input("data", (1, 3, 8, 8)), 4, kernel=3)
    g.output(g.unknown("mystery", "Warp", [x], x.shape))
    return g
"""
SMALL = """
from costmodel.graph import Graph
def build(size=8, kernel=3, channels=4):
    g = Graph("mine")
    g.output(g.conv("conv1", g.input("data", (1, 3, size, size)), channels, kernel=kernel))
    return g
"""
TINY_MEMORY = """
inherits: horowitz-45nm
title: a machine without memory
memory:
  sram: {capacity: 4 B | assumed | far too small}
"""


def run(*arguments, **options):
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a function that writes a file into a fresh working directory."""
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text, encoding="utf-8")
        return name

    return write


def refused(result, *fragments):
    """Check that a command was refused: exit 2, nothing on stdout, one `error:` line per fragment."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]

    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(lines) >= 1
    for fragment in fragments:
        assert any(fragment in line for line in lines), (fragment, lines)


# ---- what works


def test_analyze_prints_the_report():
    """Text is the default."""
    result = run("analyze", "squeezenet", "--hw", "horowitz-45nm")

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith("squeezenet-1.0 on horowitz-45nm, fp32, batch 1, layer by layer\n")


def test_options_reach_the_library():
    """Batch, widths and network arguments."""
    result = run(
        "analyze", "squeezenet:version=1.1", "--hw", "snapdragon", "--batch", 4, "--dtype", "int8", "--bits",
        "weight=4,ofmap=16", "--format", "json",
    )  # fmt: skip
    data = json.loads(result.stdout)

    assert (data["network"], data["batch"]) == ("squeezenet-1.1", 4)
    assert (data["precision"]["weight_bits"], data["precision"]["ifmap_bits"]) == (4, 8)
    assert data["totals"]["macs"] == 4 * 349_151_936


def test_a_file_of_ones_own(files):
    """A path works where a name does."""
    result = run("analyze", files("mine.py", SMALL) + ":size=16", "--hw", "horowitz-45nm", "--format", "csv")
    (row,) = csv.DictReader(result.stdout.splitlines())

    assert (row["network"], row["macs"]) == ("mine", str(14 * 14 * 4 * 27))


def test_markdown_begins_with_its_command(files):
    """The first line repeats the command, without the file it was written to."""
    net = files("my net.py", SMALL)
    result = run("analyze", net, "--hw", "horowitz-45nm", "--format", "md", "--batch", "2", "--strict", "-o", "out.md")

    assert result.exit_code == 0
    assert Path("out.md").read_text().splitlines()[0] == (
        "`$ costmodel analyze 'my net.py' --hw horowitz-45nm --batch 2 --format md --strict`"
    )


def test_the_command_of_a_comparison(files):
    """All networks, all profiles, and widths as they are given."""
    net = files("mine.py", SMALL)
    result = run(
        "compare", net, f"{net}:size=6", "--hw", "snapdragon", "--hw", "horowitz-45nm", "--bits", "weight=8", "--format", "md"
    )

    assert result.stdout.splitlines()[0] == (
        "`$ costmodel compare mine.py mine.py:size=6 --hw snapdragon --hw horowitz-45nm --bits weight=8 --format md`"
    )


MODEL = Path(__file__).parents[1] / "models" / "onnx" / "light_squeezenet.onnx"


def test_a_model_file_and_the_shape_of_its_input(tmp_path, monkeypatch):
    """ONNX works where Python does; --input gives a shape, which the first line of the Markdown repeats."""
    monkeypatch.chdir(tmp_path)
    Path("model.onnx").write_bytes(MODEL.read_bytes())
    result = run("analyze", "model.onnx", "--hw", "snapdragon", "--input", "data_0=1x3x224x224", "--format", "md")
    refusal = run("analyze", "model.onnx", "--hw", "snapdragon", "--input", "data=1x3x224x224")

    assert result.stdout.splitlines()[0] == (
        "`$ costmodel analyze model.onnx --hw snapdragon --input data_0=1x3x224x224 --format md`"
    )
    refused(refusal, "has no input 'data'; did you mean 'data_0'?")


DYNAMIC = Path(__file__).parents[1] / "models" / "tflite" / "mobilenet_v3_small_int8.tflite"


def test_compare_takes_the_shapes_that_files_leave_open(files):
    """Each network takes those that it has; the first line of the Markdown repeats them."""
    net, shape = files("mine.py", SMALL), "keras_tensor_196=1x96x96x3"
    result = run("compare", net, str(DYNAMIC), "--hw", "snapdragon", "--input", shape, "--batch", "2", "--format", "md")
    without = run("compare", net, str(DYNAMIC), "--hw", "snapdragon")
    wrong = run("compare", net, str(DYNAMIC), "--hw", "snapdragon", "--input", "image=1x96x96x3")

    assert f"--hw snapdragon --input {shape} --batch 2 --format md`" in result.stdout.splitlines()[0]
    assert "batch 2" in result.stdout
    refused(without, "give their sizes, for example --input keras_tensor_196=1x224x224x3")
    refused(wrong, "no network has an input 'image'; there are keras_tensor_196")


def test_an_attachment_for_netron(tmp_path):
    """Written beside the report, whose command does not mention it."""
    sidecar = tmp_path / "model.costs.json"
    result = run("analyze", str(MODEL), "--hw", "snapdragon", "--netron", str(sidecar), "--format", "md")

    assert result.exit_code == 0
    assert json.loads(sidecar.read_text())["signature"] == "netron:attachment"
    assert "netron" not in result.stdout.splitlines()[0]
    assert result.stderr == ""


def test_nodes_that_netron_cannot_name_are_counted(tmp_path):
    """On stderr, so that the report stays what it is."""
    file = tmp_path / "net.onnx"
    nodes = [node("Relu", "x", "y"), node("Relu", "y", "z")]
    nodes[0]["name"] = ""
    file.write_bytes(encoded(model(nodes, [value("x", 1, 4)])))
    result = run("analyze", str(file), "--hw", "snapdragon", "--netron", str(tmp_path / "net.json"))

    assert result.stderr == "netron: 1 of 2 nodes have no name of their own; their figures are at the first value they give\n"


@pytest.mark.parametrize(
    ("net", "target", "message"),
    [
        (str(MODEL), "costs.txt", "Netron opens attachments from .json files only; give costs.txt.json"),
        (str(MODEL), "missing/costs.json", "the directory missing does not exist; create it first"),
        ("squeezenet", "costs.json", "this network comes from none"),
    ],
)
def test_attachments_that_cannot_be(tmp_path, monkeypatch, net, target, message):
    """One message, and no file is left behind."""
    monkeypatch.chdir(tmp_path)
    refused(run("analyze", net, "--hw", "snapdragon", "--netron", target), message)
    assert list(tmp_path.iterdir()) == []


def test_compare_prints_the_why(files):
    """Ratios and reasons."""
    net = files("mine.py", SMALL)
    result = run("compare", f"{net}:channels=64", net, "--hw", "horowitz-45nm")

    assert result.exit_code == 0
    assert "Why mine spends " in result.stdout
    assert "In short\n" in result.stdout


def test_compare_takes_a_format_per_network(files):
    """Formats separated by commas."""
    net = files("mine.py", SMALL)
    result = run("compare", net, net, "--hw", "horowitz-45nm", "--dtype", "fp32,int8", "--format", "json")

    assert [a["precision"]["name"] for a in json.loads(result.stdout)["analyses"]] == ["fp32", "int8"]


def test_nets_list():
    """Every shipped network with its arguments."""
    result = run("nets", "list")

    assert result.exit_code == 0
    assert "squeezenet" in result.stdout
    assert "squeeze_ratio=0.125" in result.stdout


def test_profiles_list():
    """Every shipped profile."""
    assert {"snapdragon", "eyeriss", "stm32h743"} <= set(run("profiles", "list").stdout.split())


@pytest.mark.parametrize(("options", "found"), [([], False), (["--sources"], True)])
def test_profiles_show(options, found):
    """Constants always, the bibliography when asked for."""
    result = run("profiles", "show", "horowitz-45nm", *options)

    assert "dram.read_energy = 160 pJ/B" in result.stdout
    assert ("- horowitz2014: " in result.stdout) is found


def test_profiles_validate_says_what_is_fine(files):
    """One line per file."""
    result = run("profiles", "validate", files("mine.yaml", TINY_MEMORY))

    assert result.exit_code == 0
    assert result.stdout.startswith("mine.yaml: ok, ")


def test_profiles_validate_checks_every_file(files):
    """A bad file does not keep the others from being checked."""
    bad = files("bad.yaml", "inherits: horowitz-45nm\ncolour: red\n")
    result = run("profiles", "validate", bad, files("good.yaml", TINY_MEMORY))

    assert result.exit_code == 2
    assert result.stdout.startswith("good.yaml: ok, ")
    assert result.stderr.startswith("error: bad.yaml:2:1: ")


def test_profiles_schema():
    """A JSON Schema for editors."""
    assert json.loads(run("profiles", "schema").stdout)["$schema"].startswith("https://json-schema.org/")


def test_validate_reproduces_the_published_figures():
    """Exit code 0 while every figure is reproduced."""
    result = run("validate")

    assert result.exit_code == 0
    assert "published figures reproduced." in result.stdout


def test_validate_fails_on_a_wrong_figure(monkeypatch):
    """Exit code 1, and the figure is marked."""
    from costmodel import validation

    wrong = validation.Check("alexnet-macs", "macs", 1, 2, "=", 0.0, "a paper", "Table 1", "")
    monkeypatch.setattr(validation, "rows", lambda: [wrong])
    result = run("validate")

    assert result.exit_code == 1
    assert "WRONG" in result.stdout


def test_version():
    """The version of the library."""
    assert run("--version").stdout == f"costmodel {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["analyze", "--help"], ["profiles", "show", "-h"]])
def test_help_goes_to_stdout(arguments):
    """Help that was asked for is a result."""
    result = run(*arguments)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: costmodel")


def test_examples_keep_their_lines():
    """Each example of a help text stands on a line of its own."""
    lines = [line.strip() for line in run("analyze", "--help").stdout.splitlines()]

    assert "costmodel analyze squeezenet --hw snapdragon" in lines
    assert "\\b" not in run("compare", "--help").stdout


# ---- options


def options():
    """Yield every option of every command."""

    def within(command, path):
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield path, parameter
        for name, inner in getattr(command, "commands", {}).items():
            yield from within(inner, f"{path} {name}")

    return list(within(cli, "costmodel"))


@pytest.mark.parametrize(("path", "option"), options(), ids=lambda value: getattr(value, "name", value))
def test_every_option_has_help_with_its_default(path, option):
    """Help says what an option does, with an example and its default where it takes a value."""
    shown = option.get_help_record(click.Context(cli))[1]

    if option.name != "version":
        assert "[default: " in shown or "required]" in shown, path
    if not option.is_flag:
        assert f"such as {max(option.opts, key=len)} " in shown or "such as -o " in shown, path


# ---- files


def test_a_result_in_a_file(files):
    """-o writes the file and nothing to stdout."""
    result = run("analyze", files("mine.py", SMALL), "--hw", "horowitz-45nm", "--format", "json", "-o", "out.json")

    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(Path("out.json").read_text())["network"] == "mine"
    assert sorted(file.name for file in Path().iterdir()) == ["mine.py", "out.json"]


def test_a_file_is_replaced_at_once(files, monkeypatch):
    """If writing fails, the old file is whole and no other is left behind."""
    files("out.txt", "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device", "out.txt")))
    result = run("analyze", files("mine.py", SMALL), "--hw", "horowitz-45nm", "-o", "out.txt")

    refused(result, "out.txt: No space left on device")
    assert Path("out.txt").read_text() == "old"
    assert sorted(file.name for file in Path().iterdir()) == ["mine.py", "out.txt"]


def test_a_failed_analysis_leaves_the_old_file(files):
    """Nothing is written before the result is complete."""
    files("out.txt", "old")

    refused(run("analyze", "nothing", "--hw", "horowitz-45nm", "-o", "out.txt"))
    assert Path("out.txt").read_text() == "old"


def test_the_mode_of_a_file_stays(tmp_path):
    """A file that only its owner reads remains so; a new one has the usual mode."""
    private, new = tmp_path / "private", tmp_path / "new"
    private.write_text("old")
    private.chmod(0o600)
    write_atomically(private, "text")
    write_atomically(new, "text")
    mask = os.umask(0)
    os.umask(mask)

    assert stat.S_IMODE(private.stat().st_mode) == permissions(private) == 0o600
    assert stat.S_IMODE(new.stat().st_mode) == 0o666 & ~mask


def test_a_link_stays_a_link(tmp_path):
    """The file behind a link is replaced, not the link."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")

    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_is_not_replaced():
    """Writing to /dev/null leaves it a device."""
    write_atomically(Path(os.devnull), "text")

    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("output", "fragment"),
    [(".", "-o .: is a directory; give a file in it"), ("gone/out.md", "-o gone/out.md: the directory gone does not exist")],
)
def test_places_that_cannot_be_written(files, monkeypatch, output, fragment):
    """A directory or a missing parent is refused before any work is done."""
    monkeypatch.setattr(costmodel.api, "analyze", lambda *_, **__: pytest.fail("worked before it checked"))

    refused(run("analyze", files("mine.py", SMALL), "--hw", "horowitz-45nm", "-o", output), fragment)


# ---- bad input


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["analyze"], ["Missing argument 'NET'"]),
        (["analyze", "squeezenet"], ["Missing option '--hw'"]),
        (["analyze", "squeezenet", "--hw", "snapdragn"], ["no hardware profile 'snapdragn'", "did you mean 'snapdragon'"]),
        (["analyze", "alexnt", "--hw", "snapdragon"], ["no network called 'alexnt'", "did you mean 'alexnet'"]),
        (["analyze", "squeezenet:versoin=1.1", "--hw", "snapdragon"], ["no argument 'versoin'", "did you mean 'version'"]),
        (["analyze", "squeezenet:version=9", "--hw", "snapdragon"], ["version must be one of 1.0, 1.1"]),
        (["analyze", "squeezenet:version", "--hw", "snapdragon"], ["squeezenet:version"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--batch", "0"], ["'--batch'", "0 is not in the range"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--batch", "x"], ["'--batch'", "not a valid integer"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--batch", 1 << 40], ["batch: 1099511627776 given"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--dtype", "int7"], ["dtype: 'int7' is not a number format"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--bits", "weight"], ["--bits: 'weight' is not OPERAND=BITS"]),
        (
            ["analyze", "squeezenet", "--hw", "snapdragon", "--bits", "wieght=4,ifmap=0"],
            ["'wieght' is not an operand", "ifmap is 0 bits wide"],
        ),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--input", "data=1x3x8x8"], ["input shapes are for model files"]),
        (["analyze", "a.onnx", "--hw", "snapdragon", "--input", "data"], ["'data'"]),
        (["analyze", "a.onnx", "--hw", "snapdragon", "--input", "data=1x-3"], ["'data=1x-3'"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--format", "xml"], ["'--format'", "'xml' is not one of"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--width", "3"], ["'--width'"]),
        (["analyze", "squeezenet", "--hw", "snapdragon", "--colour"], ["No such option", "--colour"]),
        (["analyse"], ["No such command 'analyse'"]),
        (["compare", "--hw", "snapdragon"], ["Missing argument 'NET...'"]),
        (["compare", "squeezenet", "--hw", "snapdragon"], ["needs at least two networks"]),
        (["compare", "alexnet", "squeezenet", "--hw", "snapdragon", "--dtype", "int8,int8,int8"], ["3 dtypes for 2 networks"]),
        (["profiles", "show", "snapdragn"], ["no hardware profile 'snapdragn'"]),
        (["profiles", "validate", "gone.yaml"], ["gone.yaml"]),
        (["profiles", "validate"], ["Missing argument 'FILE...'"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else value,
)
def test_mistakes_on_the_command_line(arguments, fragments):
    """Each mistake has its own message, exit code 2, and nothing on stdout."""
    refused(run(*arguments), *fragments)


@pytest.mark.parametrize(
    ("name", "text", "fragment"),
    [
        ("gone.py", None, "gone.py: no such file"),
        ("binary.py", b"\x00\x01\x02", "binary.py: is a binary file"),
        ("latin.py", b"# \xff\nx = 1\n", "latin.py: "),
        ("broken.py", "def build(:\n", "broken.py:1:"),
        ("empty.py", "x = 1\n", "empty.py: has no function build"),
        ("raises.py", "def build():\n    return 1 / 0\n", "raises.py: build raised ZeroDivisionError"),
        ("none.py", "def build():\n    pass\n", "none.py: build returned NoneType, not a Graph"),
        ("shapes.py", SMALL.replace("kernel=kernel", "kernel=99"), "shapes.py:5: conv1"),
        ("zero.py", SMALL.replace("channels=4", "channels=0"), "zero.py:5: "),
        ("huge.py", SMALL.replace("channels=4", "channels=10**30"), "huge.py"),
        ("negative.py", SMALL.replace("size=8", "size=-8"), "negative.py:5: "),
        ("notes.txt", "hello", "notes.txt: cannot read .txt files"),
    ],
)
def test_networks_that_cannot_be_used(files, name, text, fragment):
    """Files that are missing, not Python, without build, or that build nothing valid."""
    if text is not None:
        files(name, text)

    refused(run("analyze", name, "--hw", "horowitz-45nm"), fragment)


def test_a_directory_is_not_a_network(files):
    """The message says what to give instead."""
    files("mine.py", SMALL)
    Path("folder").mkdir()

    refused(run("analyze", "folder", "--hw", "horowitz-45nm"), "folder: is a directory")


def test_a_file_that_raises_shows_its_own_frames_only(files):
    """The traceback is trimmed to the file, below the one error line."""
    result = run("analyze", files("raises.py", "def build():\n    return 1 / 0\n"), "--hw", "horowitz-45nm")

    assert "return 1 / 0" in result.stderr
    assert "site-packages" not in result.stderr
    assert "costmodel/importers" not in result.stderr


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("a: 1\na: 2\n", "bad.yaml:2:1: "),
        ("inherits: horowitz-45nm\nlayer_overhaed: 1 s | assumed | a reason\n", "did you mean 'layer_overhead'"),
        ("inherits: horowitz-45nm\nlayer_overhead: 1 J | assumed | a reason\n", "bad.yaml:2:"),
        ("inherits: horowitz-45nm\nlayer_overhead: -1 s | assumed | a reason\n", "is negative"),
        ("inherits: horowitz-45nm\nlayer_overhead: nan s | assumed | a reason\n", "finite"),
        ("inherits: horowitz-45nm\nlayer_overhead: 1 s | nobody | a reason\n", "nobody"),
        ("inherits: gone\n", "gone"),
        ("title: nothing else\n", "bad.yaml"),
        ("\x00", "bad.yaml"),
        ("", "bad.yaml"),
    ],
)
def test_profiles_that_cannot_be_used(files, text, fragment):
    """Every mistake in a profile is refused with its place."""
    refused(run("analyze", "squeezenet", "--hw", files("bad.yaml", text)), fragment)


def test_every_problem_of_a_profile_is_told_at_once(files):
    """One line per problem."""
    text = "inherits: horowitz-45nm\nlayer_overhead: 1 J | assumed | a reason\nstatic_power: 1 s | assumed | a reason\n"
    result = run("profiles", "validate", files("bad.yaml", text))

    assert [line.split(":")[2] for line in result.stderr.splitlines() if line.startswith("error: bad.yaml")] == ["2", "3"]


def test_a_layer_that_does_not_fit_says_what_would(files):
    """The smallest buffer that would do is named."""
    result = run("analyze", files("mine.py", SMALL), "--hw", files("tiny.yaml", TINY_MEMORY))

    refused(result, "conv1: cannot be tiled into sram of 4 B; the smallest sram that holds one tile is ")


def test_messages_cannot_act_on_a_terminal():
    """A control character in what was typed is shown as its escape."""
    result = run("analyze", "net\x1b[31m", "--hw", "horowitz-45nm")

    refused(result, "\\x1b[31m")
    assert "\x1b" not in result.stderr


def test_no_command_shows_the_help_on_stderr():
    """A bare `costmodel` is no result: the help goes to stderr, with exit code 2."""
    result = run()

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: costmodel")


# ---- checks and signals


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
@pytest.mark.parametrize("command", ["analyze", "compare"])
def test_unknown_layers(files, command, options, code):
    """Unknown layers are named on stderr; with --strict the exit code says so as well; the result is printed anyway."""
    nets = [files("odd.py", UNKNOWN)] * (2 if command == "compare" else 1)
    result = run(command, *nets, "--hw", "horowitz-45nm", *options)

    assert result.exit_code == code
    assert "unknown layer: odd: mystery (Warp): its work is missing from every total" in result.stderr
    assert "UNKNOWN" in result.stdout


def test_strict_passes_when_every_layer_is_known():
    """Exit code 0 without unknown layers."""
    assert run("analyze", "squeezenet", "--hw", "horowitz-45nm", "--strict").exit_code == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_an_interruption_is_130(monkeypatch, error):
    """As the shell has it, without a traceback."""
    monkeypatch.setattr(costmodel.api, "analyze", lambda *_, **__: (_ for _ in ()).throw(error()))
    result = run("analyze", "squeezenet", "--hw", "horowitz-45nm")

    assert (result.exit_code, result.stdout, result.stderr.lstrip("\n")) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(13, "Permission denied", "net.py"), "error: net.py: Permission denied\n"),
        (OSError("strange"), "error: strange\n"),
    ],
)
def test_errors_of_the_system_are_one_line(monkeypatch, error, expected):
    """A file that cannot be read is named."""
    monkeypatch.setattr(costmodel.api, "analyze", lambda *_, **__: (_ for _ in ()).throw(error))
    result = run("analyze", "squeezenet", "--hw", "horowitz-45nm")

    assert (result.exit_code, result.stderr) == (2, expected)


def test_a_bug_is_not_hidden(monkeypatch):
    """What is not the user's mistake keeps its traceback."""
    monkeypatch.setattr(costmodel.api, "analyze", lambda *_, **__: (_ for _ in ()).throw(ZeroDivisionError("a bug")))

    assert isinstance(run("analyze", "squeezenet", "--hw", "horowitz-45nm").exception, ZeroDivisionError)


# ---- the terminal


class Terminal:
    """A stdout that is a terminal."""

    @staticmethod
    def isatty():
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("variables", "output", "expected"),
    [
        ({}, None, True),
        ({"NO_COLOR": "1"}, None, False),
        ({"NO_COLOR": ""}, None, True),
        ({"TERM": "dumb"}, None, False),
        ({}, Path("file"), False),
    ],
)
def test_colour_is_for_terminals(monkeypatch, variables, output, expected):
    """Colour on a terminal, unless NO_COLOR is set and not empty; never into a file."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("sys.stdout", Terminal())

    assert colored(output) is expected


def test_no_colour_in_a_pipe():
    """What another program reads holds no escape sequence."""
    assert "\x1b" not in run("analyze", "squeezenet", "--hw", "horowitz-45nm").stdout


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_width_of_the_terminal_is_used(monkeypatch, width):
    """COLUMNS, as the shell exports it, sets the width."""
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run("analyze", "squeezenet", "--hw", "horowitz-45nm").stdout.splitlines()

    assert terminal_width() == width
    assert max(map(len, lines)) <= width


def test_the_width_can_be_chosen():
    """--width wins over the terminal."""
    wide = run("analyze", "squeezenet", "--hw", "horowitz-45nm", "--width", 160).stdout

    assert 80 < max(map(len, wide.splitlines())) <= 160


def test_delivery_to_stdout(capsys):
    """A result is printed as it is."""
    deliver("text\n", None)

    assert capsys.readouterr() == ("text\n", "")
