"""Docstrings: everything public has one, and its sections name what the signature names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.source import (
    Definition,
    Function,
    Source,
    decorators,
    definitions,
    listing,
    package,
    parameters,
    public,
    sources,
)


def section(docstring: str, title: str) -> list[str] | None:
    """Return the names that a section of a docstring describes, or None where it has no such section."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    if match is None:
        return None
    entries = re.findall(r"^(\*{0,2}\w[^\n:]*?)(?: ?:.*)?$", match[1], re.MULTILINE)
    return [name.strip() for entry in entries for name in entry.split(",")]


def documented() -> Iterator[tuple[Source, str, Definition]]:
    """Yield every public definition of the library and of the shipped networks."""
    for source in (*package(), *sources("nets")):
        for name, node in definitions(source.tree):
            if public(name) and "overload" not in decorators(node):
                yield source, name, node


def test_everything_public_has_a_docstring():
    """Modules, classes, functions and methods say what they are."""
    found = [
        f"{source.place(node)}: {name}" for source, name, node in documented() if not ast.get_docstring(node)
    ]
    found += [str(source.path) for source in package() if not ast.get_docstring(source.tree)]

    assert not found, listing(found, "Write one line: what it gives, with its unit.")


def accepted(node: Definition) -> list[str] | None:
    """Return the parameters of a function or class, None where nothing can be said about them."""
    if isinstance(node, Function):
        return parameters(node)
    made = [line for line in node.body if isinstance(line, Function) and line.name == "__init__"]
    return parameters(made[0]) if made else fields(node)


def fields(node: ast.ClassDef) -> list[str]:
    """Return the annotated fields of a class."""
    return [
        line.target.id
        for line in node.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    ]


def mismatch(node: Definition) -> str:
    """Say how the Parameters section of a docstring differs from the signature, "" where it does not."""
    described, given = section(ast.get_docstring(node) or "", "Parameters"), accepted(node)
    if described is None or given is None:
        return ""
    unknown = [name for name in described if name not in given]
    missing = [name for name in given if name not in described]
    twice = sorted({name for name in described if described.count(name) > 1})
    return "; ".join(
        f"{what} {', '.join(names)}"
        for what, names in (
            ("not a parameter:", unknown),
            ("not described:", missing),
            ("described twice:", twice),
        )
        if names
    )


def test_parameters_are_those_of_the_signature():
    """A Parameters section describes every parameter of the signature, and nothing else."""
    found = [
        f"{source.place(node)}: {name}: {text}"
        for source, name, node in documented()
        if (text := mismatch(node))
    ]

    assert not found, listing(found, "Let the Parameters section name exactly what the signature names.")


def test_attributes_are_those_of_the_class():
    """An Attributes section describes fields and properties that exist."""
    found = []
    for source, name, node in documented():
        described = (
            section(ast.get_docstring(node) or "", "Attributes") if isinstance(node, ast.ClassDef) else None
        )
        if isinstance(node, ast.ClassDef) and described:
            known = fields(node) + [line.name for line in node.body if isinstance(line, Function)]
            found += [f"{source.place(node)}: {name}.{field}" for field in described if field not in known]

    assert not found, listing(found, "Let the Attributes section name fields that exist.")


@pytest.mark.parametrize("source", sources("nets"), ids=lambda source: source.path.stem)
def test_networks_cite_their_paper(source):
    """The docstring of a shipped network says where it was published."""
    docstring = ast.get_docstring(source.tree) or ""

    assert re.search(r"arXiv:|doi:|NIPS|NeurIPS|CVPR|ICCV|ICML|ICLR", docstring), (
        "cite the paper in the docstring"
    )


def test_sections_are_read():
    """Several names on a line, stars and types are understood; text and other sections are not names."""
    given = "Parameters\n----------\na, b\n    Sizes: two.\n*rest : int\n    More.\n"
    docstring = f"Title.\n\n{given}\nReturns\n-------\nint\n    It.\n"

    assert section(docstring, "Parameters") == ["a", "b", "*rest"]
    assert section(docstring, "Raises") is None


def test_mismatches_are_seen():
    """The rule would catch a parameter that is renamed and one that is left out."""
    text = (
        'def f(a, b):\n    """Title.\n\n    Parameters\n    ----------\n    a, c\n        Sizes.\n    """\n'
    )

    assert mismatch(next(definitions(ast.parse(text)))[1]) == "not a parameter: c; not described: b"
