"""Published peaks of RAM and figures of flash, each by the convention its row names.

The conventions are computed here from the graph alone, apart from the scheduler.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from costmodel.importers import load_network
from costmodel.schedule.liveness import peak_live_bytes
from costmodel.validation import REQUIRED, Check, actual

PEAKS = YAML(typ="safe").load((Path(__file__).parent / "memory.yaml").read_text())
CONVENTIONS = ("live", "in_out", "largest", "int8_weights_int32_biases")
ASSUMPTIONS = {"depthwise_in_place", "fused_pool", "copied_concat"}
RAM = [row for row in PEAKS if row["quantity"] == "peak_ram_bytes"]


def steps(graph, assume=()):
    """Layers that do work as (layer, tensors read, tensor written), every tensor by the one whose memory it has."""
    table = graph.table()
    status = dict(zip(table.names, table.status, strict=True))
    home, found = {}, []
    for layer in graph.layers:
        kind, read = type(layer.op).__name__, [home.get(t, t) for t in layer.inputs]
        joins = kind == "Concat" and "copied_concat" not in assume
        if status[layer.name] == "free" and kind != "Concat":
            home[layer.outputs[0]] = read[0]
        elif joins:
            for tensor in read:
                home |= dict.fromkeys([tensor, *(k for k, v in home.items() if v is tensor)], layer.outputs[0])
        elif "fused_pool" in assume and kind == "Pool" and found and found[-1][2] is read[0] and is_convolution(found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1], layer.outputs[0])
        else:
            found.append((layer, read, layer.outputs[0]))
    return [(layer, {home.get(t, t) for t in read}, home.get(written, written)) for layer, read, written in found]


def is_convolution(layer):
    """Whether a layer is a convolution."""
    return type(layer.op).__name__ == "Conv"


def depthwise(layer):
    """Whether a layer convolves each channel by itself."""
    return is_convolution(layer) and layer.op.groups == layer.inputs[0].shape[1] > 1


def in_out_bytes(graph, assume=()):
    """Largest total of inputs and outputs of one layer [B] at 8 bits."""
    return max(
        max(t.elems for t in (*read, written))
        if "depthwise_in_place" in assume and depthwise(layer)
        else sum(t.elems for t in {*read, written})
        for layer, read, written in steps(graph, assume)
    )


def largest_bytes(graph):
    """Largest tensor [B] at 8 bits."""
    return max(t.elems for _, read, written in steps(graph) for t in (*read, written))


def flash_bytes(graph):
    """Weights of 1 byte and biases of 4 [B]."""
    table = graph.table()
    biases = int(table.total("bias_elems")[0])
    return int(table.total("weight_elems")[0]) + 3 * biases


def ours(row):
    """Our figure for a row, by its convention."""
    graph = load_network(row["network"])
    return {
        "live": lambda: peak_live_bytes(graph, 8),
        "in_out": lambda: in_out_bytes(graph, row.get("assume", ())),
        "largest": lambda: largest_bytes(graph),
        "int8_weights_int32_biases": lambda: flash_bytes(graph),
    }[row["convention"]]()


def check(row, actual):
    """One figure against ours."""
    fields = (row["source"], row["place"], row["why"])
    return Check(
        row["id"], row["quantity"], row["value"], actual, row.get("relation", "="), row["tolerance_ratio"], *fields
    )


@pytest.mark.parametrize("row", PEAKS, ids=[row["id"] for row in PEAKS])
def test_published_peak(row):
    """Each figure comes out by the convention of its row, within its tolerance."""
    found = check(row, ours(row))
    assert found.ok, f"{found.actual} {found.relation} {found.expected} ({found.deviation_ratio:+.4f}): {row}"


@pytest.mark.parametrize("row", PEAKS, ids=[row["id"] for row in PEAKS])
def test_the_library_gives_the_same_figure(row):
    """What `costmodel validate` computes through the scheduler is what is computed here from the graph alone."""
    assert actual(row) == ours(row)


@pytest.mark.parametrize("row", PEAKS, ids=[row["id"] for row in PEAKS])
def test_tolerances_are_tight(row):
    """A tolerance is not wider than the deviation needs, and only where a row says why."""
    deviation = abs(check(row, ours(row)).deviation_ratio)
    if row.get("relation", "=") != "=":
        return
    assert row["tolerance_ratio"] <= max(1.1 * deviation, 7e-5)
    assert row["why"] or row["tolerance_ratio"] == 0


def test_rows_are_complete():
    """Every row has what the other published figures have, a unique id, known words only."""
    rows = PEAKS
    assert [row.get("id") for row in rows if set(REQUIRED) - set(row)] == []
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["convention"] for row in PEAKS} <= set(CONVENTIONS)
    assert {name for row in PEAKS for name in row.get("assume", ())} == ASSUMPTIONS


def test_other_conventions_do_not_explain_a_figure():
    """Each row rests on its convention: without it, or without one of its assumptions, the deviation is larger."""
    for row in RAM:
        if row.get("relation", "=") != "=" or row["value"] < 10_000:
            continue
        graph = load_network(row["network"])
        deviation = abs(ours(row) / row["value"] - 1)
        if row["convention"] == "largest":
            assert abs(in_out_bytes(graph) / row["value"] - 1) > 2 * deviation, row["id"]
        for name in row.get("assume", ()):
            less = [other for other in row["assume"] if other != name]
            assert abs(in_out_bytes(graph, less) / row["value"] - 1) > deviation or row["source"].startswith("mit"), row["id"]


def test_what_is_alive_bounds_one_layer():
    """Inputs and output of a layer are alive at once, and none is larger than both."""
    for row in RAM:
        graph = load_network(row["network"])
        assert largest_bytes(graph) <= in_out_bytes(graph) <= peak_live_bytes(graph, 8)


def test_steps_of_a_fire_module():
    """Concatenations in place take no step; copied, they read both halves."""
    graph = load_network("squeezenet:version=1.1,ceil_mode=False")
    plain, copied = steps(graph), steps(graph, ("copied_concat",))
    joined = next(written for layer, _, written in plain if layer.name == "fire2/expand1x1")

    assert joined.shape == (1, 128, 55, 55)
    assert [written is joined for layer, _, written in plain if layer.name == "fire2/expand3x3"] == [True]
    assert [len(read) for layer, read, _ in copied if layer.name == "fire2/concat"] == [2]
    assert in_out_bytes(graph, ("copied_concat", "fused_pool")) == 2 * 128 * 55 * 55
