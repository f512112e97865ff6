"""The sources of the project, parsed once, and what the rules ask of them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """A Python file: its module name, its text and its tree."""

    path: Path
    module: str
    text: str
    tree: ast.Module

    def place(self, node: ast.AST) -> str:
        """Write ``path:line`` of a node."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"

    @property
    def is_package(self) -> bool:
        """Whether the file is an ``__init__.py``."""
        return self.path.name == "__init__.py"


@cache
def sources(*directories: str) -> tuple[Source, ...]:
    """Return the Python files below directories of the project, in order."""
    files = [file for directory in directories for file in sorted((ROOT / directory).rglob("*.py"))]
    return tuple(_source(file) for file in files if "__pycache__" not in file.parts)


def _source(file: Path) -> Source:
    parts = file.relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts).removesuffix(".__init__")
    text = file.read_text(encoding="utf-8")
    return Source(file, module, text, ast.parse(text, str(file)))


def package() -> tuple[Source, ...]:
    """Return the files of the library."""
    return sources("costmodel")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files that are, or are about to be, in the repository; every file where git is not to be had."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        return tuple(file for file in ROOT.rglob("*") if file.is_file() and not hidden(file))
    return tuple(file for name in listed.stdout.split("\0") if name and (file := ROOT / name).is_file())


def hidden(file: Path) -> bool:
    """Whether a file is in a directory of tools: an environment, a cache, a build."""
    parts = file.relative_to(ROOT).parts
    return any(part.startswith(".") or part in ("build", "dist", "__pycache__") for part in parts[:-1])


def definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Yield every function, method and class with its dotted name, not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, f"{prefix}{node.name}.")


def public(name: str) -> bool:
    """Whether a dotted name has no private or special part."""
    return not any(part.startswith("_") for part in name.split("."))


def decorators(node: Definition) -> set[str]:
    """Return the last words of a definition's decorators: ``dataclass``, ``property``, ``overload``."""
    return {ast.unparse(item).split("(")[0].split(".")[-1] for item in node.decorator_list}


def parameters(node: Function) -> list[str]:
    """Return the names of a function's parameters as a docstring writes them: ``*problems``, no ``self``."""
    given = node.args
    names = [argument.arg for argument in [*given.posonlyargs, *given.args]]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    names += [f"*{given.vararg.arg}"] if given.vararg else []
    names += [argument.arg for argument in given.kwonlyargs]
    return names + ([f"**{given.kwarg.arg}"] if given.kwarg else [])


def listing(problems: Any, advice: str) -> str:
    """Return a message for a failed rule: the offenders, one per line, and what to do."""
    return "\n  ".join([advice, *problems])
