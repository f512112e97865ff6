"""Damaged model files: what they store is listed, or refused by a CostModelError; nothing else is raised."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import costmodel as cm
from costmodel.errors import CostModelError
from costmodel.importers.inventory import KINDS
from costmodel.importers.onnx.inventory import USES as OPERATORS_OF_ONNX
from costmodel.importers.tflite_inventory import USES as OPERATORS_OF_TFLITE
from costmodel.importers.tflite_inventory import tflite_inventory
from costmodel.reconciliation import reconciliation_of
from costmodel.report.as_netron import netron_text

SAMPLES = Path(__file__).parents[1] / "models" / "tflite"
FILES = ("okay_nabu_streaming", "squeezenet1_1_int8")


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_file_is_listed_or_refused(name, tmp_path, places):
    """Bytes changed anywhere; a list that comes about accounts for every parameter, and Netron gets valid JSON."""
    data = bytearray((SAMPLES / f"{name}.tflite").read_bytes())
    for place, byte in places:
        data[int(place * len(data))] = byte
    path = tmp_path / "net.tflite"
    path.write_bytes(data)
    with suppress(CostModelError):
        found = reconciliation_of(tflite_inventory(path))
        assert all(line.kind and line.tensors for line in found.lines)
        assert netron_text(cm.analyze(path, "snapdragon"))


@pytest.mark.parametrize("table", [OPERATORS_OF_ONNX, OPERATORS_OF_TFLITE], ids=["onnx", "tflite"])
def test_every_use_is_of_a_kind(table):
    """What the importers say an operand is for has its place in the table of a report, and in its guide."""
    guide = (Path(__file__).parents[2] / "docs" / "reading-a-report.md").read_text(encoding="utf-8")
    kinds = {kind for positions in table.values() for kind in positions.values()}

    assert kinds <= set(KINDS)
    assert [kind for kind in KINDS if kind.partition(",")[0].removeprefix("quantisation ") not in guide] == []
