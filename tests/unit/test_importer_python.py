"""Networks as files: specifications, names, and a clear message for everything that can be wrong."""

import inspect
import sys

import numpy as np
import pytest

from costmodel.errors import CostModelError, InputError, NetworkError, ShapeError
from costmodel.graph import Graph
from costmodel.importers import load_builder, load_network, net_names, net_title, vectorisable
from costmodel.importers.python import split_spec

GOOD = """
from costmodel.graph import Dim, Graph, Ratio

def build(width: Dim = 8, depth: int = 1, ratio: Ratio = 0.5, bias: bool = True, label: str = "tiny") -> Graph:
    '''A chain of convolutions.'''
    g = Graph(label)
    x = g.input("data", (1, 3, 8, 8))
    for i in range(depth):
        x = g.conv(f"conv{i}", x, width, 3, padding=1, bias=bias)
    return g
"""


@pytest.fixture
def write(tmp_path):
    """Write a file and give its path."""

    def written(text, name="net.py"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def message(spec, error=CostModelError, **arguments):
    """The text of the error that loading raises."""
    with pytest.raises(error) as caught:
        load_network(spec, **arguments)
    return str(caught.value)


class TestSpecifications:
    """name:argument=value,argument=value."""

    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ("squeezenet", ("squeezenet", {})),
            (
                "squeezenet:version=1.1,squeeze_ratio=0.25",
                ("squeezenet", {"version": 1.1, "squeeze_ratio": 0.25}),
            ),
            (" net : a = 1 , b = text ", ("net", {"a": 1, "b": "text"})),
            ("net:a=true,b=False,c=None", ("net", {"a": True, "b": False, "c": "None"})),
            ("net:a=-3,b=1e-3,c=1_000", ("net", {"a": -3, "b": 0.001, "c": 1000})),
            ("nets/net.py:a=1", ("nets/net.py", {"a": 1})),
            ("C:\\nets\\net.py:a=1", ("C:\\nets\\net.py", {"a": 1})),
            ("C:\\nets\\net.py", ("C:\\nets\\net.py", {})),
            ("net:a=b=c", ("net", {"a": "b=c"})),
        ],
    )
    def test_every_form(self, spec, expected):
        """Values are int, float, bool or text."""
        assert split_spec(spec) == expected

    def test_types_are_exact(self):
        """An integer is not a float."""
        _, arguments = split_spec("net:a=1,b=1.0,c=true,d=x")

        assert [type(value) for value in arguments.values()] == [int, float, bool, str]

    @pytest.mark.parametrize(
        ("spec", "text"),
        [
            ("", "a network needs a name or a path, got an empty text"),
            ("net:a=1,b", "net:a=1,b: expected argument=value between commas, got 'b'"),
            ("net:a=1,2=b", "net:a=1,2=b: expected argument=value between commas, got '2=b'"),
            ("net:a=", "net:a=: expected argument=value between commas, got 'a='"),
            ("net:a=1,a=2", "net:a=1,a=2: argument 'a' is given twice"),
        ],
    )
    def test_refusals(self, spec, text):
        """What is wrong with the text, as given."""
        with pytest.raises(InputError) as caught:
            split_spec(spec)
        assert str(caught.value) == text

    def test_a_colon_without_arguments(self):
        """A name with half a specification."""
        assert message("squeezenet:1.1") == "squeezenet:1.1: expected argument=value after the colon"


class TestNames:
    """Shipped networks."""

    def test_shipped_networks(self):
        """At least the two that the first report compares."""
        assert {"alexnet", "squeezenet"} <= set(net_names())

    def test_titles(self):
        """The first line of the file's docstring."""
        assert net_title("squeezenet").startswith("SqueezeNet: ")

    def test_bare_names_work_in_any_directory(self, tmp_path, monkeypatch):
        """Found beside the package, not in the current directory."""
        monkeypatch.chdir(tmp_path)

        assert load_network("alexnet").name == "alexnet"

    def test_a_misspelt_name(self):
        """The nearest name, and all there are."""
        assert message("squeezent", InputError) == (
            f"no network called 'squeezent'; did you mean 'squeezenet'?; shipped are {', '.join(net_names())}; "
            "your own is a path ending in .py"
        )


class TestBuilders:
    """What load_builder gives."""

    def test_arguments_are_bound_and_can_be_replaced(self, write):
        """Those of the call win over those of the specification."""
        build = load_builder(f"{write(GOOD)}:width=4,depth=2")

        assert build().outputs[0].shape == (1, 4, 8, 8)
        assert build(width=6).outputs[0].shape == (1, 6, 8, 8)
        assert len(build(depth=3).layers) == 3
        assert repr(build).endswith("net.py>")

    def test_the_signature_is_that_of_build(self, write):
        """With annotations, defaults and docstring."""
        build = load_builder(str(write(GOOD)))

        assert list(inspect.signature(build).parameters) == ["width", "depth", "ratio", "bias", "label"]
        assert inspect.getdoc(build) == "A chain of convolutions."

    def test_vectorisable_arguments_are_annotated(self, write):
        """Dim and Ratio take arrays; int, bool and str choose a topology."""
        assert vectorisable(load_builder(str(write(GOOD)))) == {"width", "ratio"}
        assert vectorisable(load_builder(f"{write(GOOD)}:width=4")) == {"width", "ratio"}

    def test_deferred_annotations_are_understood(self):
        """Files with annotations from the future, and optional sizes."""
        assert vectorisable(load_builder("alexnet")) == {"input", "num_classes"}

    def test_unannotated_arguments_take_no_arrays(self, write):
        """No annotation, no promise."""
        path = write("from costmodel.graph import Graph\ndef build(a=1, b: str = ''): return Graph('g')")

        assert vectorisable(load_builder(str(path))) == frozenset()

    def test_annotations_for_type_checkers_only(self, write):
        """Names that do not exist at run time are read as words."""
        path = write(
            "from __future__ import annotations\n"
            "from typing import TYPE_CHECKING\n"
            "from costmodel.graph import Graph\n"
            "if TYPE_CHECKING:\n"
            "    from costmodel.graph import Dim\n"
            "def build(width: Dim | None = None, Dimension: int = 3) -> Graph: return Graph('g')\n"
        )

        assert vectorisable(load_builder(str(path))) == {"width"}
        assert load_network(path).name == "g"

    def test_arrays_pass_through(self, write):
        """A builder of one network is a builder of many."""
        graph = load_network(str(write(GOOD)), width=np.array([4, 8, 16]))

        assert graph.design_points == 3

    def test_all_kinds_of_values_arrive(self, write):
        """Texts and truth values too."""
        graph = load_network(f"{write(GOOD)}:bias=false,label=mine")

        assert graph.name == "mine"
        assert graph.table().total("bias_elems")[0] == 0


class TestArguments:
    """Arguments that build does not take."""

    def test_unknown_argument(self, write):
        """The nearest, and all there are."""
        path = write(GOOD)

        assert message(f"{path}:widht=4", InputError) == (
            f"{path}: build has no argument 'widht'; did you mean 'width'?; "
            "its arguments are width, depth, ratio, bias, label"
        )

    def test_all_problems_at_once(self, write):
        """One message per argument."""
        lines = message(f"{write(GOOD)}:foo=1,bar=2", InputError).splitlines()

        assert len(lines) == 2

    def test_no_arguments_at_all(self, write):
        """A builder without arguments says so."""
        path = write("from costmodel.graph import Graph\ndef build(): return Graph('g')")

        assert message(f"{path}:a=1") == f"{path}: build has no argument 'a'; it takes none"

    def test_missing_argument(self, write):
        """A builder may insist."""
        path = write("from costmodel.graph import Graph\ndef build(width): return Graph(f'g{width}')")

        assert message(path) == f"{path}: build needs the argument 'width': write {path}:width=..."
        assert load_network(f"{path}:width=3").name == "g3"

    def test_a_builder_that_takes_anything(self, write):
        """Nothing to check."""
        path = write("from costmodel.graph import Graph\ndef build(**kw): return Graph('-'.join(kw))")

        assert load_network(f"{path}:a=1,b=2").name == "a-b"

    def test_unknown_argument_at_the_call(self):
        """Checked like those of the specification."""
        text = message("squeezenet", InputError, versoin=1.1)

        assert text.startswith("squeezenet: build has no argument 'versoin'; did you mean 'version'?; ")


class TestBadFiles:
    """Everything that can be wrong with a file."""

    def test_missing_file(self, write, tmp_path):
        """With the nearest file of the directory."""
        write(GOOD, "network.py")
        missing = tmp_path / "netwrk.py"

        assert message(missing, InputError) == (
            f"{missing}: no such file; did you mean '{tmp_path / 'network.py'}'?"
        )

    def test_directory(self, tmp_path):
        """A directory is no network."""
        assert message(tmp_path, InputError) == (
            f"{tmp_path}: is a directory; give a .py file with build(), or one of {', '.join(net_names())}"
        )

    @pytest.mark.parametrize(
        ("name", "kind"), [("net.caffemodel", ".caffemodel files"), ("net", "files without an ending")]
    )
    def test_other_formats(self, write, name, kind):
        """Only what can be read."""
        path = write("", name)

        assert message(path, InputError) == f"{path}: cannot read {kind}; give a .py file with build()"

    def test_binary_file(self, write):
        """Null bytes are not Python."""
        path = write(b"\x7fELF\x00\x00")

        assert message(path) == f"{path}: is a binary file (it holds null bytes), not Python source"

    @pytest.mark.parametrize("data", [b"\xff\xfe\x80 = 1", b"# coding: nonsense\n"])
    def test_undecodable_file(self, write, data):
        """Neither UTF-8 nor what it declares."""
        assert message(write(data)).startswith(f"{write(data)}: is not Python source: ")

    def test_unreadable_file(self, write, monkeypatch):
        """The reason of the operating system."""
        path = write(GOOD)

        def refuse(self):
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(type(path), "read_bytes", refuse)
        assert message(path) == f"{path}: cannot be read: Permission denied"

    def test_syntax_error(self, write):
        """File, line and column."""
        path = write("x = 1\ndef build(:\n    pass\n")

        assert message(path, NetworkError) == f"{path}:2:11: syntax error: invalid syntax"

    def test_no_build(self, write):
        """With the function that was probably meant."""
        path = write("def built(): pass\n")

        assert message(path, InputError) == (
            f"{path}: has no function build; did you mean 'built'?; a network is `def build() -> Graph`"
        )

    def test_build_is_no_function(self, write):
        """A name alone is not enough."""
        path = write("build = 3\n")

        assert message(path, InputError) == f"{path}: build is int, not a function"

    @pytest.mark.parametrize(("value", "kind"), [("None", "NoneType"), ("[1]", "list")])
    def test_no_graph(self, write, value, kind):
        """The commonest mistake is a forgotten return."""
        path = write(f"def build(): return {value}\n")

        assert message(path, NetworkError) == (
            f"{path}: build returned {kind}, not a Graph; end it with `return g`"
        )

    def test_a_file_that_raises(self, write):
        """Its own traceback, inside the message."""
        path = write("def f():\n    return 1 / 0\nf()\n")
        text = message(path, NetworkError)

        assert text.startswith(f"{path}: the file raised ZeroDivisionError: division by zero\n")
        assert f'File "{path}", line 3, in <module>' in text
        assert f'File "{path}", line 2, in f' in text

    def test_a_build_that_raises(self, write):
        """Only frames of the file: neither ours nor those of libraries it calls."""
        path = write("import json\ndef build():\n    return json.loads('{')\n")
        text = message(path, NetworkError)

        assert text.startswith(f"{path}: build raised json.decoder.JSONDecodeError: ")
        assert text.count("File ") == 1
        assert "line 3, in build" in text

    def test_a_file_that_exits(self, write):
        """It may not end the process."""
        path = write("raise SystemExit(3)\n")

        assert message(path, NetworkError).startswith(f"{path}: the file raised SystemExit: 3")

    def test_a_missing_module(self, write):
        """An import error is one of the file's own."""
        path = write("import no_such_module\n")

        assert "raised ModuleNotFoundError: No module named 'no_such_module'" in message(path, NetworkError)

    def test_shape_errors_say_where(self, write):
        """File and line of the layer; the kind of error stays."""
        path = write(
            "from costmodel.graph import Graph\n"
            "def build():\n"
            "    g = Graph('g')\n"
            "    x = g.input('x', (1, 3, 8, 8))\n"
            "    return g.conv('c', x, 4, 9)\n"
        )

        assert message(path, ShapeError).startswith(
            f"{path}:5: c: the window is larger than the padded input"
        )

    def test_errors_of_the_library_pass(self, write):
        """A builder may refuse its arguments in its own words."""
        path = write(
            "from costmodel.errors import InputError\ndef build(): raise InputError('depth must be even')\n"
        )

        assert message(path, InputError) == "depth must be even"


class TestExecution:
    """Executing somebody's file."""

    def test_prints_do_not_reach_stdout(self, write, capsys):
        """Results go to stdout, everything else to stderr."""
        load_network(
            write(
                "print('loading')\n" + GOOD.replace("    g = Graph", "    print('building')\n    g = Graph")
            )
        )
        captured = capsys.readouterr()

        assert (captured.out, captured.err) == ("", "loading\nbuilding\n")

    def test_siblings_can_be_imported(self, write):
        """A network may share blocks with the file next to it."""
        write("WIDTH = 5\n", "sibling_blocks.py")
        path = write(
            "from sibling_blocks import WIDTH\n" + GOOD.replace("width: Dim = 8", "width: Dim = WIDTH")
        )

        before = list(sys.path)
        assert load_network(path).outputs[0].shape == (1, 5, 8, 8)
        assert sys.path == before

    def test_a_file_may_change_the_path(self, write):
        """What it takes away need not be taken away again."""
        before = list(sys.path)
        load_network(write("import sys\nsys.path.pop()\n" + GOOD))

        assert sys.path == before

    def test_a_changed_file_is_read_again(self, write):
        """Nothing is cached."""
        assert load_network(write(GOOD)).outputs[0].shape[1] == 8
        assert load_network(write(GOOD.replace("= 8", "= 9"))).outputs[0].shape[1] == 9

    def test_nothing_is_written_beside_the_file(self, write, tmp_path):
        """No bytecode in a directory that is not ours."""
        load_network(write(GOOD))

        assert [path.name for path in tmp_path.iterdir()] == ["net.py"]

    def test_dataclasses_work(self, write):
        """They look their module up by name."""
        path = write(
            "from __future__ import annotations\n"
            "from dataclasses import dataclass\n"
            "from costmodel.graph import Graph\n"
            "@dataclass\n"
            "class Block:\n"
            "    width: int = 3\n"
            "def build() -> Graph:\n"
            "    return Graph(f'width {Block().width}')\n"
        )

        assert load_network(path).name == "width 3"

    def test_a_graph_comes_out(self, write):
        """And nothing else."""
        assert isinstance(load_network(write(GOOD)), Graph)
