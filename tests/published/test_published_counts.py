"""The published counts among themselves: hand counts are their products, layers add up to networks."""

import ast
import re
from math import prod

import pytest

from costmodel.importers import load_network
from costmodel.validation import graph_of, published

ROWS = published()
CASES = [row for row in ROWS if "case" in row]
LAYERS = [row for row in ROWS if row.get("layer") and "hardware" not in row]
SPECS = sorted({row["network"] for row in ROWS if "network" in row})


def hand_count(place):
    """The number that a product written out as ``2*3 + 4*5`` stands for."""
    sums = re.sub(r"\(input size\)|no product", "", place).strip() or "0"
    tree = ast.parse(sums, mode="eval")
    assert all(
        isinstance(n, ast.Expression | ast.BinOp | ast.Constant | ast.Add | ast.Mult) for n in ast.walk(tree)
    )
    return eval(compile(tree, "place", "eval"))


def value_of(network, quantity):
    """The exact published figure of a network, if there is one."""
    return [
        row["value"]
        for row in ROWS
        if row.get("network") == network
        and row["quantity"] == quantity
        and row["tolerance_ratio"] == 0
        and not {"layer", "hardware"} & set(row)
    ]


@pytest.mark.parametrize("row", CASES, ids=[row["id"] for row in CASES])
def test_hand_counts_are_the_products_written_beside_them(row):
    """The place of a one-operator case spells its loop extents out."""
    assert hand_count(row["place"]) == row["value"]


@pytest.mark.parametrize("row", CASES, ids=[row["id"] for row in CASES])
def test_macs_are_counted_and_never_hidden(row):
    """The table itself, without the code that prints figures; everything is known, and work is somewhere."""
    table = graph_of(row).table()

    assert sum(int(macs) for macs in table.macs[:, 0]) == row["value"]
    assert "unknown" not in table.status
    assert row["value"] or table.total("other_ops")[0]


def test_batches_multiply_one_operator_cases():
    """Four images at once, or one image at batch four."""
    one, four = (next(r for r in CASES if r["case"] == name) for name in ("conv 16->32 k3", "conv batch 4"))

    batched = graph_of(one).table().with_batch(4)

    assert batched.total("macs")[0] == four["value"] == 4 * one["value"]
    assert batched.total("params")[0] == graph_of(four).table().total("params")[0]


def test_a_shared_layer_has_its_parameters_once():
    """The module used twice: the MACs of two layers, the parameters of one."""
    row = next(row for row in CASES if row["case"] == "module used twice")
    table = graph_of(row).table()

    assert table.total("params")[0] == 16 * 16 * 9
    assert table.total("macs")[0] == row["value"] == 2 * prod((16, 16, 9, 256))


@pytest.mark.parametrize("network", sorted({row["network"] for row in LAYERS}))
@pytest.mark.parametrize("quantity", ["params", "macs"])
def test_layers_add_up_to_networks(network, quantity):
    """The published layers are all layers with weights: they sum to ours, and to the published total."""
    found = [row["value"] for row in LAYERS if row["network"] == network and row["quantity"] == quantity]

    assert sum(found) == load_network(network).table().total(quantity)[0]
    assert all(sum(found) == value for value in value_of(network, quantity))


def test_conventions_differ():
    """Each convention of SqueezeNet has MACs of its own."""
    specs = [row["network"] for row in ROWS if row["id"].startswith("squeezenet-macs-")]
    found = [int(load_network(spec).table().total("macs")[0]) for spec in specs]

    assert len(found) == len(set(found)) == 9


@pytest.mark.parametrize("spec", SPECS)
def test_published_networks_are_wholly_counted(spec):
    """No published figure rests on an operation without a model."""
    table = load_network(spec).table()

    assert set(table.status) <= {"counted", "free"}
    assert all(note for note, status in zip(table.notes, table.status, strict=True) if status == "free")
