"""Import direction: a module imports only from the layers before its own; heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from tests.architecture.source import ROOT, Source, listing, package

LAYERS = (
    "errors", "data", "units", "formulas", "graph", "playbook", "hardware", "mapping", "precision", "boundary", "io_bound",
    "sparsity", "joint", "schedule", "estimate", "importers", "reconciliation", "results", "analysis", "explanation",
    "activations", "compression", "comparison", "advice", "training", "updates", "explore", "report", "validation", "api",
    "cli_shared", "cli_explore", "cli_mapping", "cli", "__main__",
)  # fmt: skip
"""From the bottom upwards."""

LAZY = {
    ("costmodel.advice", "report"): "the repr of a result is its report",
    ("costmodel.analysis", "report"): "the repr of a result is its report",
    ("costmodel.comparison", "report"): "the repr of a result is its report",
    ("costmodel.results", "report"): "the repr of a result is its report",
    ("costmodel.compression.storage", "report"): "the repr of a result is its report",
    ("costmodel.reconciliation", "report"): "the repr of a result is its report",
}
"""Imports inside a function that point upwards, and why."""

HOMES = {
    "pydantic": ("hardware", "explore"),
    "pydantic_core": ("hardware",),
    "ruamel": ("hardware", "validation"),
    "rich": ("report",),
    "click": ("cli_shared", "cli_explore", "cli_mapping", "cli"),
}
"""Libraries, and the only layers that import them."""

LATE = ("pandas", "networkx")
"""Libraries that are imported inside the function that needs them."""

HEAVY = ("numpy", "pandas", "networkx", "pydantic", "ruamel", "rich")


class Imports(ast.NodeVisitor):
    """Run-time imports of a file: (module imported, node, whether inside a function)."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[tuple[str, ast.stmt, bool]] = []
        self.depth = 0
        self.visit(source.tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Imports below are lazy."""
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    def visit_If(self, node: ast.If) -> None:
        """Imports for annotations alone do not happen."""
        checked = "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.orelse if checked else [*node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        """``import a.b``."""
        self.found += [(alias.name, node, self.depth > 0) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """``from a import b``, where b may be a module."""
        base = node.module or ""
        if node.level:
            parts = self.source.module.split(".")
            parts = parts[: len(parts) - node.level + self.source.is_package]
            base = ".".join([*parts, *filter(None, [node.module])])
        modules = {source.module for source in package()}
        names = {f"{base}.{alias.name}" for alias in node.names}
        self.found += [(name, node, self.depth > 0) for name in sorted(names & modules) or [base]]


def imports(source: Source) -> list[tuple[str, ast.stmt, bool]]:
    """Return the run-time imports of a file."""
    return Imports(source).found


def layer(module: str) -> str:
    """Return the layer a module of the library is in; "" for the package itself."""
    return [*module.split("."), ""][1]


def upward(source: Source) -> Iterator[str]:
    """Yield the imports of a file that do not point downwards."""
    own = layer(source.module)
    for name, node, lazy in imports(source):
        if name.split(".")[0] != "costmodel" or name == "costmodel":
            continue
        other = layer(name)
        if lazy and (source.module, other) in LAZY:
            continue
        if LAYERS.index(other) > LAYERS.index(own):
            yield f"{source.place(node)}: {own} imports {name}, and {other} comes after {own}"


def test_every_module_has_a_layer():
    """A new top-level module is given its place in the order."""
    unknown = {layer(source.module) for source in package()} - {*LAYERS, ""}

    assert unknown == set(), "give these their place in LAYERS, after everything they import"


def test_modules_import_from_earlier_layers_only():
    """No import points upwards, unless it is listed with its reason."""
    inner = [source for source in package() if layer(source.module)]
    found = [line for source in inner for line in upward(source)]

    assert not found, listing(
        found,
        "Move what is shared down into the earlier layer, or pass it in as an argument; for annotations import it under "
        f"TYPE_CHECKING. The order is {', '.join(LAYERS)}.",
    )


def test_listed_exceptions_exist():
    """An exception that is no longer needed is taken off the list."""
    present = {
        (source.module, layer(name))
        for source in package()
        for name, _, lazy in imports(source)
        if lazy and name.startswith("costmodel.")
    }

    assert set(LAZY) <= present


def test_the_package_itself_imports_nothing_of_its_own():
    """``import costmodel`` loads no module before a name is used."""
    root = next(source for source in package() if source.module == "costmodel")

    assert [name for name, _, _ in imports(root) if name.startswith("costmodel")] == []


def test_only_the_command_line_imports_the_package_itself():
    """Modules import from the module that defines a name, not from the lazy package."""
    found = [
        source.place(node)
        for source in package()
        for name, node, _ in imports(source)
        if name == "costmodel" and layer(source.module) != "cli"
    ]

    assert not found, listing(found, "Import from the module that defines the name.")


def test_no_circular_imports():
    """The modules have an order in which each comes after all it imports."""
    graph = {
        source.module: {
            name for name, _, lazy in imports(source) if name.startswith("costmodel.") and not lazy
        }
        for source in package()
    }
    packages = {source.module for source in package() if source.is_package}
    inside = {
        module: {name for name in names if not (name in packages and module.startswith(f"{name}."))}
        for module, names in graph.items()
    }

    assert len(list(TopologicalSorter(inside).static_order())) >= len(graph)


def test_libraries_stay_in_their_layer():
    """Pydantic and YAML at the edge, rich in reports, click on the command line."""
    found = [
        f"{source.place(node)}: {name} belongs in {' or '.join(homes)}"
        for source in package()
        for name, node, _ in imports(source)
        if (homes := HOMES.get(name.split(".")[0])) and layer(source.module) not in homes
    ]

    assert not found, listing(found, "Move the code that needs the library to its layer.")


def test_slow_libraries_are_imported_late():
    """Pandas and networkx cost more than the whole analysis, and few calls need them."""
    found = [
        f"{source.place(node)}: {name}"
        for source in package()
        for name, node, lazy in imports(source)
        if name.split(".")[0] in LATE and not lazy
    ]

    assert not found, listing(found, "Import it inside the function that needs it.")


def loaded(program: str, libraries: tuple[str, ...]) -> list[str]:
    """Return which libraries a fresh interpreter has loaded after a program."""
    report = f"import sys; print([name for name in {libraries!r} if name in sys.modules], file=sys.stderr)"
    code = f"{program}\n{report}"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names: list[str] = ast.literal_eval(result.stderr.strip().splitlines()[-1])
    return names


COMMAND = """
from costmodel.cli import cli
try:
    cli.main({arguments!r}, prog_name="costmodel")
except SystemExit as leaving:
    assert not leaving.code, leaving.code
"""


@pytest.mark.parametrize(
    "program",
    ["import costmodel", COMMAND.format(arguments=["--help"]), COMMAND.format(arguments=["--version"])],
)
def test_the_start_is_light(program):
    """``import costmodel`` and ``costmodel --help`` load no library that takes time."""
    assert loaded(program, HEAVY) == []


@pytest.mark.parametrize("command", [["analyze", "squeezenet", "--hw", "snapdragon"]])
def test_an_analysis_loads_neither_pandas_nor_networkx(command):
    """The main job does not pay for what it does not use."""
    assert loaded(COMMAND.format(arguments=command), LATE) == []


def test_upward_imports_are_seen():
    """The rule would catch an import that points upwards, and lets annotations and downward imports be."""
    text = (
        "from typing import TYPE_CHECKING\nfrom costmodel.errors import InputError\nfrom costmodel import analysis\n"
        "if TYPE_CHECKING:\n    from costmodel.api import analyze\n"
    )
    source = Source(ROOT / "costmodel/units.py", "costmodel.units", text, ast.parse(text))

    assert list(upward(source)) == [
        "costmodel/units.py:3: units imports costmodel.analysis, and analysis comes after units"
    ]
