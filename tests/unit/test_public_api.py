"""The library surface: what ``import costmodel as cm`` offers, and what of it is promised."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pickle
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import costmodel as cm

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = (
    "analyze", "compare", "memory", "sweep", "load_network", "load_hardware", "advise", "shrink", "transform", "train_cost",
    "update", "curve", "codesign",
)  # fmt: skip


def test_the_promised_names_are_public():
    """The functions of the library, its results, what they are made of, and its error."""
    promised = {
        *FUNCTIONS,
        "Analysis",
        "Comparison",
        "MemoryTimeline",
        "Graph",
        "HardwareProfile",
        "CostModelError",
        "Dim",
        "Ratio",
    }

    assert promised <= set(cm.__all__)


@pytest.mark.parametrize("name", cm.__all__)
def test_every_public_name_loads(name):
    """A public name is the very object of its module."""
    assert getattr(cm, name) is getattr(import_module(f"costmodel.{cm.HOMES[name]}"), name)


def test_completion_offers_the_public_names():
    """``dir`` knows names that are not loaded yet."""
    assert set(cm.__all__) <= set(dir(cm))


def test_an_unknown_name_is_an_attribute_error():
    """As with any module, with the name in the message."""
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        cm.analyse  # noqa: B018 - the access is what is tested


def test_star_import_gives_the_public_names():
    """``from costmodel import *`` gives all of them and no helper."""
    code = "from costmodel import *\nprint(*sorted(set(dir()) - {'__builtins__'}))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert {name for name in result.stdout.split() if not name.startswith("__")} == set(cm.__all__)


def test_type_checkers_see_what_is_loaded():
    """The imports for type checkers are those the module makes at run time."""
    tree = ast.parse(Path(cm.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    shown = {
        alias.asname: (node.module or "").removeprefix("costmodel.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert shown == cm.HOMES


def test_the_version_is_that_of_the_distribution():
    """One version in both places."""
    assert cm.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_changelog_has_a_place_for_what_is_new():
    """Changes are written down under Unreleased, those that move a number under Results."""
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert changelog.index("## [Unreleased]") < changelog.index("### Results")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_annotated_and_explained(name):
    """Every argument and the result have a type; the docstring has its sections and an example."""
    function = getattr(cm, name)
    signature = inspect.signature(function)
    bare = [p.name for p in signature.parameters.values() if p.annotation is inspect.Parameter.empty]

    assert bare == []
    assert signature.return_annotation is not inspect.Signature.empty
    assert [part for part in ("Parameters", "Raises") if f"{part}\n" not in inspect.getdoc(function)] == []


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (cm.analyze, ["net", "hw", "batch", "dtype"]),
        (cm.compare, ["nets", "hw", "batch", "dtype"]),
        (cm.memory, ["net", "dtype", "batch", "convention", "order", "hw"]),
        (cm.sweep, ["build", "axes", "hw"]),
    ],
)
def test_arguments_come_in_the_promised_order(function, names):
    """Positional use does not break."""
    assert list(inspect.signature(function).parameters)[: len(names)] == names


@pytest.mark.parametrize("name", ["Advice", "Analysis", "Comparison", "Shrinking", "MemoryTimeline", "HardwareProfile"])
def test_results_are_frozen(name):
    """A result is a value: nobody changes it after the fact."""
    kind = getattr(cm, name)

    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen


def test_a_result_cannot_be_changed():
    """Assigning to a field is refused."""
    result = cm.analyze("alexnet", "snapdragon")

    with pytest.raises(dataclasses.FrozenInstanceError):
        result.batch = 2


def test_errors_have_one_base():
    """One ``except`` catches every user mistake, and only those."""
    errors = import_module("costmodel.errors")
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]

    assert all(issubclass(kind, cm.CostModelError) for kind in kinds)
    assert not issubclass(cm.CostModelError, ValueError)


def test_an_error_has_its_problems_one_by_one():
    """Problems are data; as text they stand on lines of their own."""
    error = cm.CostModelError("first", "second")

    assert error.problems == ("first", "second")
    assert str(error) == "first\nsecond"


def test_an_error_survives_another_process():
    """Workers of a pool hand errors back by pickle."""
    error = pickle.loads(pickle.dumps(cm.CostModelError("first", "second")))

    assert error.problems == ("first", "second")


def test_the_package_is_marked_as_typed():
    """Type checkers of users read our annotations."""
    assert (Path(cm.__file__).parent / "py.typed").exists()


def test_paths_and_objects_are_as_good_as_names():
    """A Graph, a Path and a name give the same result."""
    by_name = cm.analyze("squeezenet", "snapdragon").totals
    by_path = cm.analyze(ROOT / "nets" / "squeezenet.py", ROOT / "hw_profiles" / "snapdragon.yaml").totals
    by_object = cm.analyze(cm.load_network("squeezenet"), cm.load_hardware("snapdragon")).totals

    assert by_path == by_name
    assert by_object == by_name


def test_the_python_module_is_the_command():
    """``python -m costmodel`` is ``costmodel``."""
    words = [sys.executable, "-m", "costmodel", "--version"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)

    assert result.stdout == f"costmodel {cm.__version__}\n"
