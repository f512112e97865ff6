"""Small functions, and at least as many lines of tests as of source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from statistics import median, quantiles

from tests.architecture.source import Function, Source, listing, sources

MEDIAN, MOST, LONGEST = 12, 40, 60
"""Lines of half of the functions, of nine in ten, and of the longest one."""


def lines(function: Function) -> int:
    """Lines of a function, its docstring left out."""
    docstring = ast.get_docstring(function)
    return (
        (function.end_lineno or 0) - function.lineno + 1 - (len(docstring.splitlines()) if docstring else 0)
    )


def functions() -> Iterator[tuple[Source, Function]]:
    """Yield every function of the library and of the shipped networks, also those inside others."""
    for source in sources("costmodel", "nets"):
        for node in ast.walk(source.tree):
            if isinstance(node, Function):
                yield source, node


def longer_than(limit: int) -> list[str]:
    """Return the functions with more lines than that, the longest first."""
    found = sorted(
        ((lines(node), source.place(node), node.name) for source, node in functions()), reverse=True
    )
    return [f"{count} lines: {place} {name}" for count, place, name in found if count > limit]


def test_half_of_the_functions_are_short():
    """The median function can be read at a glance."""
    assert median(lines(node) for _, node in functions()) <= MEDIAN, listing(
        longer_than(MEDIAN), "Split the longest."
    )


def test_nine_in_ten_functions_are_moderate():
    """Long functions are the exception."""
    assert quantiles([lines(node) for _, node in functions()], n=10)[-1] <= MOST, listing(
        longer_than(MOST), "Split some of these."
    )


def test_no_function_is_long():
    """No function is longer than a screen."""
    assert not longer_than(LONGEST), listing(longer_than(LONGEST), "Split these.")


def filled(*directories: str) -> int:
    """Lines below directories that are not blank."""
    return sum(bool(line.strip()) for source in sources(*directories) for line in source.text.splitlines())


def test_there_are_as_many_tests_as_source():
    """At least one line of tests per line of source."""
    assert filled("tests") >= filled("costmodel", "nets")
