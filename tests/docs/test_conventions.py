"""The page on conventions names everything that has a name, and says how operations count."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

import costmodel as cm
from costmodel.analysis import LayerCost, Totals
from costmodel.graph.ops.elementwise import ACTIVATIONS
from costmodel.graph.rows import FREE_RULES
from costmodel.graph.table import COUNTS, DIMENSIONS, FLAGS
from costmodel.precision import FORMAT_BITS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
CODE = {word for code in re.findall(r"`([^`\n]+)`", PAGE) for word in re.split(r"[ ,]+", code)}
CHANNELS = 8


@pytest.mark.parametrize("names", [DIMENSIONS, COUNTS, FLAGS], ids=["dimensions", "counts", "flags"])
def test_columns_of_the_table_are_named(names):
    """Every column of the layer table has its meaning."""
    assert [name for name in names if name not in CODE] == []


@pytest.mark.parametrize("kind", [LayerCost, Totals])
def test_columns_of_an_analysis_are_named(kind):
    """Every column of an analysis has its unit and meaning; the latency of totals carries its range."""
    names = {field.name for field in fields(kind)} - {"latency_range_s"}

    assert sorted(names - CODE) == []


def test_free_rules_are_listed_with_their_conditions():
    """Every rule by which a layer is free, and no other."""
    assert (
        tuple(re.findall(r"^\| ([^|`]+?) \| [^|]+ \| (?:always|`folded|a layer|layers)", PAGE, re.MULTILINE))
        == FREE_RULES
    )


def test_formats_are_listed():
    """Every number format."""
    assert ", ".join(list(FORMAT_BITS)[:-1]) in PAGE


def other_ops_per_output(add):
    """Other operations per output element of one operation on an (1, 8, 6, 6) input."""
    g = cm.Graph("one")
    x = g.input("x", (1, CHANNELS, 6, 6))
    add(g, x)
    table = g.table()
    return int(table.total("other_ops")[0]) / int(table["ofmap_elems"][-1, 0])


@pytest.mark.parametrize(
    ("add", "expected"),
    [
        (lambda g, x: g.conv("l", x, 4, kernel=1), 1),
        (lambda g, x: g.conv("l", x, 4, kernel=1, bias=False), 0),
        (lambda g, x: g.max_pool("l", x, kernel=3), 9),
        (lambda g, x: g.relu("l", x), 1),
        (lambda g, x: g.add("l", x, x, x), 2),
        (lambda g, x: g.batch_norm("l", x), 2),
        (lambda g, x: g.layer_norm("l", x), 7),
        (lambda g, x: g.layer_norm("l", x, affine=False), 5),
        (lambda g, x: g.group_norm("l", x, 2), 7),
        (lambda g, x: g.lrn("l", x, 5), 5 + 3),
        (lambda g, x: g.softmax("l", x), 5),
        (lambda g, x: g.upsample("l", x, factor=2), 0),
        (lambda g, x: g.upsample("l", x, factor=2, mode="bilinear"), 2 * 4 - 1),
        (lambda g, x: g.transpose("l", x, (0, 2, 3, 1)), 0),
        (lambda g, x: g.pad("l", x, 1), 0),
    ],
)
def test_other_operations_count_as_the_page_says(add, expected):
    """The table of MACs and other operations holds for the code; nothing of it is a MAC but the convolution's products."""
    assert other_ops_per_output(add) == expected


def test_every_activation_is_one_operation():
    """Whatever the function, one other operation per element."""
    found = {
        kind: other_ops_per_output(lambda g, x, kind=kind: g.activation("l", x, kind)) for kind in ACTIVATIONS
    }

    assert found == dict.fromkeys(ACTIVATIONS, 1)


def test_recurrent_cells_count_as_the_page_says():
    """9 operations per unit and step for LSTM and 10 for GRU, and one per gate for each of two biases."""
    found = []
    for kind, gates in (("lstm", 4), ("gru", 3)):
        g = cm.Graph(kind)
        x = g.input("x", (1, 5, 6))
        getattr(g, kind)("l", x, 7)
        found.append(int(g.table().total("other_ops")[0]) / (5 * 7) - 2 * gates)

    assert found == [9, 10]
