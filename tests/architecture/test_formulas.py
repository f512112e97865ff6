"""Formulas are pure: no branches, numpy only, a unit in each first line, and arrays give exactly what scalars give."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.architecture.source import Function, Source, definitions, listing, public, sources

BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.While,
    ast.For,
    ast.Try,
    ast.Match,
    ast.Assert,
    ast.BoolOp,
    ast.Raise,
    ast.With,
)
CALLS = (
    "min",
    "max",
    "abs",
    "round",
    "int",
    "float",
    "bool",
    "isinstance",
    "sum",
    "any",
    "all",
    "divmod",
    "pow",
    "map",
)
LIBRARIES = ("__future__", "typing", "numpy", "numpy.typing")

SUFFIXES = {
    "J": "_j",
    "pJ": "_pj",
    "s": "_s",
    "B": "_bytes",
    "bits": "_bits",
    "ratio": "_ratio",
    "cycles": "_cycles",
}
COUNTS = ("MAC", "elements", "positions", "position", "flag", "operations", "-")


def formula_sources() -> tuple[Source, ...]:
    """Return the files of formulas."""
    return sources("costmodel/formulas")


def impure(source: Source) -> Iterator[str]:
    """Yield what a file of formulas must not contain."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
            yield from (f"{source.place(node)}: imports {name}" for name in names if not allowed(name))
    for name, function in functions(source):
        for node in ast.walk(function):
            if isinstance(node, BRANCHES):
                yield f"{source.place(node)}: {name}: {type(node).__name__}"
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
                yield f"{source.place(node)}: {name}: {ast.unparse(node.func)}()"


def allowed(module: str) -> bool:
    """Whether formulas may import a module."""
    return module in LIBRARIES or module.startswith("costmodel.formulas")


def functions(source: Source) -> list[tuple[str, Function]]:
    """Return every function of a file."""
    return [(name, node) for name, node in definitions(source.tree) if isinstance(node, Function)]


def test_formulas_do_not_branch():
    """What holds for one network holds for an array of them."""
    found = [line for source in formula_sources() for line in impure(source)]

    assert not found, listing(
        found,
        "Write it with operators, np.minimum, np.maximum, np.where and ceil_div, so that arrays pass through.",
    )


@pytest.mark.parametrize(
    "body",
    ["return a if a else b", "return max(a, b)", "import math\n    return math.ceil(a)", "return a and b"],
)
def test_impure_formulas_are_seen(body):
    """The rule would catch a branch, a built-in that does not take arrays, and math."""
    text = f"def f(a, b):\n    {body}\n"

    assert len(list(impure(Source(formula_sources()[0].path, "f", text, ast.parse(text))))) == 1


def described() -> list[tuple[str, str, str]]:
    """Return (place, name, first line of the docstring) of every public formula."""
    return [
        (source.place(node), name, (ast.get_docstring(node) or "").partition("\n")[0])
        for source in formula_sources()
        for name, node in functions(source)
        if public(name)
    ]


def test_formulas_state_their_unit():
    """The first line of a formula's docstring has its unit in brackets: a known one."""
    known = (*SUFFIXES, *COUNTS)
    found = [f"{place}: {name}: {line}" for place, name, line in described() if unit(line) not in known]

    assert not found, listing(
        found, f"Put the unit in brackets into the first line, one of {', '.join(known)}."
    )


def test_formulas_end_in_their_unit():
    """A formula that gives joules ends in _j, one that gives seconds in _s."""
    found = [
        f"{place}: {name} [{unit(line)}]"
        for place, name, line in described()
        if unit(line) in SUFFIXES and not name.endswith(SUFFIXES[unit(line)])
    ]

    assert not found, listing(found, f"Let the name end in its unit: {SUFFIXES}.")


def unit(line: str) -> str:
    """Return what stands last in brackets in a line, references left out."""
    found: list[str] = re.findall(r"\[([^\]]+)\](?!_)", line)
    return found[-1] if found else ""


# ---- arrays and scalars

EXTENT = st.integers(1, 12)
SIGNED = st.integers(-6, 40)
NONE_OR_MORE = st.integers(0, 6)
INTEGERS = {
    "start": SIGNED, "output": NONE_OR_MORE, "tap": NONE_OR_MORE, "top": st.integers(0, 40), "count": NONE_OR_MORE,
    "padding": NONE_OR_MORE, "pad": NONE_OR_MORE, "pad_before": NONE_OR_MORE, "pad_after": NONE_OR_MORE,
    "output_padding": NONE_OR_MORE, "extent": st.integers(1, 60), "size": st.integers(1, 60), "total": st.integers(1, 60),
    "a": SIGNED, "taps": st.integers(1, 7), "stride": st.integers(1, 5), "dilation": st.integers(1, 5),
}  # fmt: skip
"""Integers by the name of the parameter; other extents are 1 to 12."""
REALS = st.floats(1e-3, 1e12)


@cache
def formulas() -> dict[str, Callable[..., Any]]:
    """Return every public formula by name."""
    return {
        f"{source.module}.{name}": getattr(import_module(source.module), name)
        for source in formula_sources()
        for name, _ in functions(source)
        if public(name)
    }


def values(parameter: inspect.Parameter) -> st.SearchStrategy[Any]:
    """Return what a parameter of a formula may be, by its annotation and its name."""
    return REALS if "Real" in str(parameter.annotation) else INTEGERS.get(parameter.name, EXTENT)


@st.composite
def calls(draw: st.DrawFn, formula: Callable[..., Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Draw arguments for several points, and the same arguments as arrays where they differ between points."""
    points = draw(st.integers(1, 4))
    parameters = inspect.signature(formula).parameters.values()
    varies = {parameter.name: draw(st.booleans()) for parameter in parameters}
    columns = {p.name: draw(column(values(p), points, varies=varies[p.name])) for p in parameters}
    arrays = {name: np.array(column) if varies[name] else column[0] for name, column in columns.items()}
    return [{name: column[point] for name, column in columns.items()} for point in range(points)], arrays


def column(value: st.SearchStrategy[Any], points: int, *, varies: bool) -> st.SearchStrategy[list[Any]]:
    """Return one value per point, the same one everywhere where it does not vary."""
    return (
        st.lists(value, min_size=points, max_size=points) if varies else value.map(lambda one: [one] * points)
    )


@pytest.mark.parametrize("name", formulas())
@settings(max_examples=60)
@given(data=st.data())
def test_arrays_equal_scalars(name, data):
    """A call with arrays gives, point by point and to the last bit, what the scalar calls give."""
    formula = formulas()[name]
    points, arrays = data.draw(calls(formula))
    together = np.broadcast_to(formula(**arrays), (len(points),))

    assert together.tolist() == [np.asarray(formula(**point)).item() for point in points]


@pytest.mark.parametrize("name", formulas())
@settings(max_examples=10)
@given(data=st.data())
def test_formulas_leave_their_arguments_alone(name, data):
    """Arrays given to a formula are unchanged after the call."""
    formula = formulas()[name]
    _, arrays = data.draw(calls(formula))
    before = {key: np.array(value) for key, value in arrays.items()}
    formula(**arrays)

    assert all(np.array_equal(before[key], value) for key, value in arrays.items())


def test_every_formula_is_found():
    """The formulas of the traffic model are among those tested."""
    assert {"costmodel.formulas.counts.macs", "costmodel.formulas.energy.access_j"} <= set(formulas())
