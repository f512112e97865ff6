"""Every published count, row by row, against the library."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from costmodel.graph import Graph, LayerTable
from costmodel.importers import load_network
from costmodel.importers.described import described_graph

HERE = Path(__file__).parent
FILES = ("networks.yaml", "squeezenet_macs.yaml", "op_macs.yaml", "layers.yaml")
KEYS = {"id", "quantity", "value", "tolerance_ratio", "source", "place", "why"}


def rows(file):
    """Rows of one file of published figures."""
    return YAML(typ="safe").load(HERE / file)


ROWS = [row for file in FILES for row in rows(file)]


def graph_of(row) -> Graph:
    """The graph a row is about."""
    if "network" in row:
        return load_network(row["network"])
    return described_graph(row["case"], row["inputs"], row["layers"])


def quantity(table: LayerTable, row) -> int:
    """The library's figure for a row."""
    if "layer" in row:
        table = table.rows([name == row["layer"] for name in table.names])
    if row["quantity"] == "weight_bytes":
        return int(table.total("params")[0]) * row["bits"] // 8
    if row["quantity"] == "flops":
        return 2 * int(table.total("macs")[0])
    if row["quantity"] == "weights_without_biases":
        return int(table.total("weight_elems")[0] - table.total("bias_elems")[0])
    if row["quantity"] == "compulsory_elems":
        products = table.rows([op in ("conv", "linear") for op in table.ops])
        moved = products.weight_elems - products.bias_elems + products.ifmap_elems + products.ofmap_elems
        return int(moved.sum())
    return int(table.total(row["quantity"])[0])


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_published_count(row):
    """Each figure comes out exactly, or within the tolerance its row gives."""
    found = quantity(graph_of(row).table(), row)

    assert abs(found - row["value"]) <= row["tolerance_ratio"] * row["value"]


@pytest.mark.parametrize("file", FILES)
def test_rows_are_regular(file):
    """Every row says what it is, where it comes from, and why it deviates if it may."""
    for row in rows(file):
        assert set(row) >= KEYS
        assert row["source"]
        assert row["place"]
        assert row["tolerance_ratio"] == 0 or row["why"]


def test_ids_are_unique():
    """No two rows share an id."""
    ids = [row["id"] for row in ROWS]

    assert len(ids) == len(set(ids))


def test_all_one_operator_cases_are_there():
    """The 27 cases on which counters were compared."""
    assert len(rows("op_macs.yaml")) == 27


def test_a_shared_layer_has_its_parameters_once():
    """The module used twice: the MACs of two layers, the parameters of one."""
    row = next(row for row in ROWS if row.get("case") == "module used twice")
    table = graph_of(row).table()

    assert table.total("params")[0] == 16 * 16 * 9
    assert table.total("macs")[0] == 2 * 16 * 16 * 9 * 256
