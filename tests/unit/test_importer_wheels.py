"""Networks that nobody here wrote: copies, without weights, of model files inside wheels."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.importers import load_network
from costmodel.importers.onnx.wire import MODEL, message
from tests.models.onnx.strip import CONTENT, stripped
from tests.unit.onnx_files import encoded, ints, model, node, value, weight
from tests.wheels.records import MODELS, macs, records, unknown

COPIES = [record for record in records() if record.copy]
VAD = MODELS / "wheels" / "silero_vad.onnx"


@pytest.mark.parametrize("record", COPIES, ids=[record.name for record in COPIES])
def test_macs_are_exact(record):
    """Equal to what the file's own runtime gives for the original, and nothing unknown but what is recorded."""
    graph = load_network(MODELS / record.copy, inputs=record.inputs or None)

    assert (record.macs, list(record.unknown)) == (macs(graph), unknown(graph))


def test_every_copy_has_a_record():
    """A file without a record would be tested by nobody."""
    found = {f"wheels/{path.name}" for path in (MODELS / "wheels").iterdir() if path.suffix in (".onnx", ".tflite")}

    assert found == {record.copy for record in COPIES if record.copy.startswith("wheels/")}


def test_eight_wheels_are_recorded():
    """Of both formats; the originals are compared by ``make test-models``."""
    assert len({record.distribution for record in records()}) >= 8
    assert {record.path.rpartition(".")[2] for record in records()} == {"onnx", "tflite"}


# ---- branches


def test_a_branch_on_an_unknown_number_is_unknown():
    """Silero's network has one branch per sample rate; without the rate, what is within them is named."""
    table = load_network(VAD, inputs={"input": (1, 576), "state": (2, 1, 128)}).table()
    notes = [note for note, status in zip(table.notes, table.status, strict=True) if status == "unknown"]

    assert notes == ["'If' on a condition unknown before the network runs; within: Conv, LSTM"]


def test_the_value_of_an_input_without_axes_chooses_the_branch():
    """One network per sample rate in one file; both are recorded, with what the runtime gives."""
    rates = {record.inputs["sr"][0]: record.macs for record in COPIES if record.copy == "wheels/silero_vad.onnx"}

    assert sorted(rates) == [8000, 16000]
    assert rates[8000] < rates[16000]


def test_the_branch_is_chosen_on_the_command_line():
    """As any other input."""
    shapes = [word for text in ("input=1x576", "state=2x1x128", "sr=16000") for word in ("--input", text)]
    result = CliRunner().invoke(cli, ["analyze", str(VAD), *shapes, "--hw", "snapdragon", "--format", "json", "--strict"])

    assert result.exit_code == 0, result.stderr
    assert '"macs": 679552' in result.stdout


# ---- the script that strips


def test_stripping_keeps_structure_and_small_constants():
    """Shapes, types and names stay; the content of weights goes, also within branches."""
    table = weight("t", 100) | {"raw_data": bytes(400)}
    branch = {"node": [node("Constant", "", "c", value=table)], "output": [{"name": "c"}]}
    nodes = [node("Reshape", "x s", "a"), node("Conv", "a w", "y"), node("If", "b", "z", then_branch=branch)]
    heavy = weight("w", 4, 3, 3, 3) | {"raw_data": bytes(432)}
    before = message(memoryview(encoded(model(nodes, [value("x", 3, 64)], [heavy, ints("s", 1, 3, 8, 8)]))), MODEL)
    after = stripped(before)["graph"]

    assert [entry.keys() & CONTENT for entry in after["initializer"]] == [set(), {"raw_data"}]
    assert [entry["op_type"] for entry in after["node"]] == ["Reshape", "Conv", "If"]
    assert "raw_data" not in after["node"][2]["attribute"][0]["g"]["node"][0]["attribute"][0]["t"]


@pytest.mark.parametrize("record", COPIES, ids=[record.name for record in COPIES])
def test_copies_are_priced(record):
    """From file to report, on hardware."""
    graph = load_network(MODELS / record.copy, inputs=record.inputs or None)

    assert cm.analyze(graph, "snapdragon").totals.macs == record.macs
