"""Constraints: what an expression means on columns, which are allowed, and that they run no code."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.errors import InputError
from costmodel.explore.constraints import DEEPEST, NUMBER, TEXT, TRUTH, constraint_of

KINDS = {
    "net.e1": (NUMBER, ""),
    "net.e3": (NUMBER, ""),
    "net.share": (NUMBER, ""),
    "net.folded": (TRUTH, ""),
    "net.version": (TEXT, ""),
    "hw.sram": (NUMBER, "B"),
    "hw.dram.bandwidth": (NUMBER, "B/s"),
    "dtype": (TEXT, ""),
}


def texts(*values):
    """A column of texts."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


COLUMNS = {
    "net.e1": np.array([64, 128, 0, 2**62]),
    "net.e3": np.array([64, 512, 0, 2**62]),
    "net.share": np.array([0.1, 0.5, 0.9, 0.25]),
    "net.folded": np.array([True, False, True, False]),
    "net.version": texts("1.0", "1.1", True, "1.0"),
    "hw.sram": np.array([65536, 65537, 1000, 1 << 20]),
    "hw.dram.bandwidth": np.array([1e9, 12.8e9, 2e9, 4e9]),
    "dtype": texts("int8", "int16", "int8", "fp16"),
}


def held(text):
    """Whether each of the four points meets a constraint, as digits."""
    return "".join(str(int(met)) for met in constraint_of(text, KINDS).holds(COLUMNS, 4))


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("net.e1 + net.e3 <= 512", "1010"),
        ("net.e1 + net.e3 > 0", "1101"),  # 2**62 + 2**62 does not wrap
        ("net.e1 * net.e3 > 0", "1101"),
        ("net.e1 * 4 == net.e3", "0110"),
        ("net.e3 // 100 == 5", "0100"),
        ("net.e3 % 100 == 64", "1000"),
        ("net.e1 ** 2 <= 4096", "1010"),
        ("-net.e1 < -64", "0101"),
        ("net.e1 / net.e3 == 1", "1001"),  # 0 / 0 is no number, equal to none, not even itself
        ("net.e1 / net.e3 != 1", "0110"),
        ("1 / net.e1 > 1", "0010"),
        ("0.1 < net.share < 0.6", "0101"),
        ("64 <= net.e1 <= net.e3 != 512", "1001"),
        ("net.folded", "1010"),
        ("not net.folded", "0101"),
        ("net.folded and net.share < 0.5", "1000"),
        ("net.folded or net.share < 0.3 and net.e1 > 64", "1011"),
        ("(net.folded or net.share < 0.3) and net.e1 > 64", "0001"),
        ("net.folded == (net.share < 0.5)", "1100"),
        ("dtype == 'int8'", "1010"),
        ("dtype != 'int8'", "0101"),
        ("dtype in ('int8', 'fp16')", "1011"),
        ("dtype not in ['int8', 'fp16']", "0100"),
        ("net.e1 in (64, 128)", "1100"),
        ("net.e1 in ()", "0000"),
        ("net.version == '1.0'", "1001"),
        ("hw.sram >= 64KiB", "1101"),
        ("hw.sram >= 64 KiB", "1101"),
        ("hw.sram >= '64 KiB'", "1101"),
        ("64KiB < hw.sram < 2MiB", "0101"),
        ("hw.sram == 1kB", "0010"),
        ("hw.sram - 1KiB >= 63KiB", "1101"),
        ("hw.sram in ('64 KiB', 1000)", "1010"),
        ("hw.dram.bandwidth > 2 GB/s", "0101"),
        ("hw.dram.bandwidth * 2 > '4 GB/s'", "0101"),
        ("net.e1 * net.e3 * 8 <= 64KiB", "1010"),
        ("max(net.e1, net.e3, 100) == 100", "1010"),
        ("min(net.e1, 100) == 100", "0101"),
        ("round(net.share * 10) == 5", "0100"),
        ("floor(net.share) + ceil(net.share) == 1", "1111"),
        ("abs(net.share - 0.5) < 0.3", "0101"),
        ("log2(hw.sram) >= 16 and sqrt(net.e1) <= 8", "1000"),
        ("True", "1111"),
        ("1 > 2", "0000"),
    ],
)
def test_meaning(text, points):
    """Each expression means at every point what Python means by it; whole numbers do not wrap."""
    assert held(text) == points


def test_names_are_those_that_are_read():
    """A constraint knows which axes it reads."""
    assert constraint_of("net.e1 + net.e3 <= 512 or dtype == 'int8'", KINDS).names == {"net.e1", "net.e3", "dtype"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net.e2 > 1", "no axis 'net.e2' (did you mean 'net.e3'?); the axes are net.e1, net.e3"),
        ("net > 1", "no axis 'net'"),
        ("net.e1", "'net.e1' is a number, not a condition; compare it with something"),
        ("dtype", "'dtype' is a text, not a condition"),
        ("net.e1 and net.e3 > 1", "'net.e1' is a number, not a condition; and, or join conditions"),
        ("not net.e1", "net.e1 is a number; use not with conditions"),
        ("-dtype == 1", "dtype is a text; use not with conditions, - with numbers"),
        ("dtype > 'int8'", "orders texts or conditions; only numbers have an order"),
        ("net.folded < net.folded", "orders texts or conditions"),
        ("net.folded == 1", "compares a condition with a number"),
        ("dtype + 1 > 2", "dtype is a text, not a number"),
        ("net.folded + 1 > 2", "net.folded is a condition, not a number"),
        ("net.e1 > 'int8'", "'int8' does not start with a number"),
        ("hw.sram > '1 GB/s'", "'1 GB/s' is a bandwidth, not a number of bytes"),
        ("dtype == 8", "'dtype == 8'"),
        ("net.e1 is net.e3", "this comparison is not allowed"),
        ("net.e1 & net.e3 > 1", "this operator is not allowed; use + - * / // % **"),
        ("net.e1 << 3 > 1", "this operator is not allowed"),
        ("(net.e1, 3) == 3", "a list stands behind in or not in only"),
        ("net.e1 < [3]", "a list stands behind in or not in only"),
        ("net.e1 >", "'net.e1 >' is no expression"),
        ("", "'' is no expression"),
        ("net.e1 > 1; 2", "is no expression"),
        ("x = 1", "is no expression"),
        ("net.e1 > None", "None is no number and no text"),
        ("net.e1 > 1j", "1j is no number and no text"),
        ("net.e1 > b'a'", "is no number and no text"),
        ("net.e1 > 1" + "0" * 400, "beyond every floating-point number"),
        ("+".join(["net.e1"] * (DEEPEST + 2)) + " > 1", f"nested more than {DEEPEST} deep"),
        ("(" * 300 + "1" + ")" * 300 + " > 0", "is no expression"),
        ("net.e1 > 1 " * 200, "write at most 1000, or several constraints"),
        ("min() > 1", "'min()' is not allowed; functions are min, max"),
        ("abs(1, 2) > 1", "is not allowed; functions are"),
        ("round(net.e1, ndigits=1) > 1", "is not allowed; functions are"),
        ("sum(net.e1) > 1", "is not allowed; functions are"),
    ],
)
def test_expressions_that_are_refused(text, message):
    """Each is met with what is wrong in it."""
    with pytest.raises(InputError) as refused:
        constraint_of(text, KINDS)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__[0]",
        "[x for x in (1, 2)]",
        "(lambda: 1)()",
        "f'{net.e1}' == '1'",
        "net.e1[0] > 1",
        "(y := 3) > 1",
        "net.e1 if net.folded else net.e3",
        "{1: 2}",
        "min(*net.e1) > 1",
        "net.e1.__class__ == 1",
        "dtype.upper() == 'INT8'",
    ],
)
def test_no_code_is_run(text):
    """Nothing but the listed nodes is accepted: no attributes, calls, subscripts or comprehensions."""
    with pytest.raises(InputError):
        constraint_of(text, KINDS)
