"""Sweeps: one vectorised graph per topology gives what one analysis per design gives."""

from __future__ import annotations

import numpy as np
import pytest

import costmodel as cm
from costmodel.errors import InputError, NetworkError
from costmodel.explore import sweep as module
from costmodel.explore.sweep import DEFAULT as METRICS
from costmodel.graph import Dim, Graph
from tests.unit.machine import machine


def build(outputs: Dim = 10, layers: int = 1, kind: str = "relu") -> Graph:
    """Build a chain whose width is an array and whose depth and activation are not."""
    graph = Graph("chain")
    x = graph.input("x", (1, 16))
    for index in range(layers):
        x = graph.activation(f"act{index}", graph.linear(f"fc{index}", x, outputs), kind)
    return graph


AXES = {"layers": [1, 3], "outputs": [4, 50, 9], "kind": ["relu", "sigmoid"]}


def test_every_design_equals_its_own_analysis():
    """Each row of the frame is what analyze gives for that design, for every metric."""
    hardware = machine(capacity=128, static_w=0.5, inner=64)
    frame = cm.sweep(build, AXES, hardware, batch=2)
    assert len(frame) == 12
    assert list(frame.columns) == [*AXES, *METRICS]
    for row in frame.to_dict("records"):
        totals = cm.analyze(build(row["outputs"], row["layers"], row["kind"]), hardware, batch=2).totals.to_dict()
        energy = totals["energy_j"]
        totals |= {"energy_j": energy["value"], "energy_low_j": energy["low"], "energy_high_j": energy["high"]}
        for name in METRICS:
            assert row[name] == pytest.approx(totals[name], rel=1e-12), name


def test_chunks_do_not_change_the_result(monkeypatch):
    """Evaluated in chunks of two points the frame is the same."""
    whole = cm.sweep(build, AXES, machine())
    monkeypatch.setattr(module, "CHUNK_POINTS", 2)
    chunked = cm.sweep(build, AXES, machine())
    assert whole.equals(chunked)


def test_only_the_metrics_asked_for(monkeypatch):
    """Counts and bounds never ask the mapper."""
    monkeypatch.setattr("costmodel.boundary.solve", None)
    frame = cm.sweep(build, {"outputs": range(1, 5)}, machine(), metrics=["params", "compulsory_bytes"])
    assert frame["params"].tolist() == [17, 34, 51, 68]


def test_shipped_network_by_name():
    """A name works like a builder; the paper's squeeze ratio of 0.5 gives 3.4 M parameters, its 13 MB."""
    frame = cm.sweep("squeezenet", {"squeeze_ratio": np.array([0.125, 0.5])}, "snapdragon", metrics=["params"])
    assert frame["params"].iloc[0] == 1248424
    assert frame["params"].iloc[1] * 4 / 2**20 == pytest.approx(13, rel=0.01)


def test_unannotated_arguments_are_passed_one_by_one():
    """Without annotations an argument selects a topology, never an array: slower, but right."""

    def plain(width=3):
        graph = Graph("plain")
        graph.linear("fc", graph.input("x", (1, 2)), int(width))
        return graph

    assert cm.sweep(plain, {"width": [1, 2, 5]}, machine(), metrics=["params"])["params"].tolist() == [3, 6, 15]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"output": [1]}, "'output' is not an argument of the network; it has outputs, layers, kind"),
        ({"outputs": []}, "outputs has no values; give at least one"),
        ({"outputs": 5}, "outputs is 5; give a list of values"),
        ({"kind": "relu"}, "kind is 'relu'; give a list of values"),
    ],
)
def test_axes_that_cannot_be_swept(axes, message):
    """Unknown arguments and axes without values are named."""
    with pytest.raises(InputError, match=message):
        cm.sweep(build, axes, machine())


def test_too_many_points():
    """A grid that no memory holds is refused before it is built."""
    with pytest.raises(InputError, match="design points; give at most 50000000"):
        cm.sweep(build, {"outputs": range(1, 100_000), "layers": range(1, 1000)}, machine())


def test_unknown_metric():
    """A metric that does not exist is named with the list."""
    with pytest.raises(InputError, match=r"no metric joules; the metrics are params, macs"):
        cm.sweep(build, {"outputs": [1]}, machine(), metrics=["joules"])


def test_designs_that_cannot_be_built_are_located():
    """A wrong design in an array is refused like a wrong single one."""
    with pytest.raises(NetworkError, match="fc0"):
        cm.sweep(build, {"outputs": [4, 0, 9]}, machine())


def test_builder_that_returns_something_else():
    """A builder that returns no graph is told so."""
    with pytest.raises(InputError, match="build returned int, not a Graph"):
        cm.sweep(lambda: 3, {}, machine())
