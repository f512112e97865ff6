"""Names carry base units: allowed suffixes on quantities, no prefixed units anywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import (
    Function,
    Source,
    decorators,
    definitions,
    listing,
    package,
    public,
    sources,
)

SUFFIXES = (
    "_bytes", "_bits", "_elems", "_cycles", "_s", "_hz", "_j", "_pj", "_w", "_bytes_per_s", "_pj_per_byte", "_ratio",
)  # fmt: skip
BANNED = frozenset(
    {
        "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib", "kbytes", "mbytes", "gbytes", "byte", "bit",
        "ms", "us", "ns", "ps", "msec", "usec", "sec", "secs", "seconds", "khz", "mhz", "ghz",
        "mj", "uj", "nj", "fj", "joule", "joules", "mw", "kw", "uw", "watt", "watts",
        "gbps", "mbps", "gops", "tops", "gflops", "mflops", "gmacs", "mmacs",
    }
)  # fmt: skip
"""Last words of a name that are a prefixed unit, or one spelled otherwise than the suffix."""
LET_BE = frozenset({"mtime_ns"})
"""Names that others gave: a field of ``os.stat``."""
QUANTITIES = {
    "energy": ("_j", "_pj", "_pj_per_byte", "_ratio"),
    "latency": ("_s", "_ratio"),
    "overhead": ("_s", "_ratio"),
    "power": ("_w",),
    "bandwidth": ("_bytes_per_s",),
    "capacity": ("_bytes", "_bits", "_elems"),
    "traffic": ("_bytes", "_bits", "_elems"),
    "clock": ("_hz",),
    "utilisation": ("_ratio",),
}
"""What a number called so ends in."""
NUMBERS = ("int", "float", "Ints", "Floats", "Count", "Real", "Dim", "Ratio", "Constant", "NDArray", "Range")


def identifiers(source: Source) -> Iterator[tuple[str, ast.AST]]:
    """Yield every name that a file defines: functions, classes, parameters, variables, fields."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.arg):
            yield node.arg, node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node


def banned(name: str) -> bool:
    """Whether a name ends in a prefixed unit: ``size_mb``, ``time_ms``, ``gb_per_s``."""
    if name.strip("_") in LET_BE:
        return False
    words = name.lower().strip("_").split("_")
    if "per" in words[1:-1]:
        place = words.index("per", 1)
        return words[place - 1] in BANNED or words[place + 1] in BANNED - {"byte"}
    return len(words) > 1 and words[-1] in BANNED


def test_no_prefixed_units_in_names():
    """Only ``units.py`` scales, and only for people: no name has a prefix."""
    every = (*package(), *sources("nets"), *sources("tests"), *sources("benchmarks"))
    found = [
        f"{source.place(node)}: {name}"
        for source in every
        for name, node in identifiers(source)
        if banned(name)
    ]

    assert not found, listing(
        found, f"Hold it in the base unit and let the name end in one of {' '.join(SUFFIXES)}."
    )


@pytest.mark.parametrize(
    "name", ["size_mb", "time_ms", "clock_mhz", "energy_uj", "gb_per_s", "pj_per_bit", "total_seconds"]
)
def test_prefixed_units_are_seen(name):
    """The rule would catch these."""
    assert banned(name)


@pytest.mark.parametrize(
    "name", [*(f"x{suffix}" for suffix in SUFFIXES), "macs_per_cycle", "once_per_machine", "us", "items"]
)
def test_base_units_are_let_be(name):
    """The rule lets these be."""
    assert not banned(name)


def fields(source: Source) -> Iterator[tuple[str, str, ast.AST]]:
    """Yield (name, annotation, node) of the fields of dataclasses, and of public functions and properties."""
    for name, node in definitions(source.tree):
        if isinstance(node, ast.ClassDef) and "dataclass" in decorators(node):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield line.target.id, ast.unparse(line.annotation), line
        elif isinstance(node, Function) and public(name) and node.returns is not None:
            yield node.name, ast.unparse(node.returns), node


def wanted(name: str) -> tuple[str, ...]:
    """Return the suffixes of which a name needs one, by the last quantity it names; none if it names none."""
    words = [word for word in name.split("_") if word in QUANTITIES]
    return QUANTITIES[words[-1]] if words else ()


def test_quantities_end_in_their_unit():
    """A number called energy ends in _j or _pj, one called latency in _s: fields and what functions return."""
    found = [
        f"{source.place(node)}: {name}: {annotation}"
        for source in package()
        for name, annotation, node in fields(source)
        if annotation.split("[")[0].split(" ")[0] in NUMBERS
        and wanted(name)
        and not name.endswith(wanted(name))
    ]

    assert not found, listing(found, f"Let the name end in its base unit: {QUANTITIES}.")


@pytest.mark.parametrize(
    ("name", "unit"), [("energy_off_chip_j", "_j"), ("layer_overhead_s", "_s"), ("capacity_bits", "_bits")]
)
def test_quantities_are_recognised(name, unit):
    """The rule asks these for their unit."""
    assert unit in wanted(name)
