"""Whole outputs of the tool, compared with files: any change of a number or of a layout is seen in review.

``pytest tests/golden --update-goldens`` writes the files again. Text and Markdown are compared to the letter, JSON and CSV
by value, since the last digits of a float may differ between machines.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from costmodel.cli import cli

EXPECTED = Path(__file__).parent / "expected"
NETWORKS = ("alexnet", "squeezenet")
QUANTISED = str(Path(__file__).parents[1] / "models" / "onnx" / "squeezenet1_1.qdq.onnx")
CASES = {
    **{
        f"{net}-{width}.txt": ["analyze", net, "--hw", "horowitz-45nm", "--width", str(width)]
        for net in NETWORKS
        for width in (80, 120)
    },
    **{
        f"{net}.{fmt}": ["analyze", net, "--hw", "horowitz-45nm", "--format", fmt]
        for net in NETWORKS
        for fmt in ("md", "json", "csv")
    },
    "squeezenet-snapdragon-batch.txt": [
        "analyze", "squeezenet:version=1.1", "--hw", "snapdragon", "--batch", "8", "--width", "100",
    ],
    "fused.md": ["analyze", "squeezenet:version=1.1", "--hw", "ethos-u65-512", "--schedule", "fused", "--format", "md"],
    "fused-100.txt": ["analyze", "squeezenet:version=1.1", "--hw", "ethos-u65-512", "--width", "100"],
    "compare-resident-100.txt": [
        "compare", "alexnet", "squeezenet", "--hw", "snapdragon", "--schedule", "resident", "--width", "100",
    ],
    "sweep-80.txt": [
        "sweep", "alexnet", "squeezenet", "squeezenet@weight=3", "--hw", "snapdragon", "--vary", "hw.sram=1MiB:8MiB:2x",
        "--vary", "schedule=layer,fused", "--width", "80",
    ],
    "sweep.csv": [
        "sweep", "alexnet", "squeezenet:version=1.1", "--hw", "snapdragon", "--vary", "batch=1:16:4x", "--schedule",
        "resident", "--format", "csv",
    ],
    "sweep.json": [
        "sweep", "alexnet", "squeezenet:version=1.1", "--hw", "snapdragon", "--vary", "batch=1:16:4x", "--schedule",
        "resident", "--format", "json",
    ],
    "compare-80.txt": ["compare", "alexnet", "squeezenet", "--hw", "snapdragon", "--width", "80"],
    "compare-120.txt": ["compare", "alexnet", "squeezenet", "squeezenet:version=1.1", "--hw", "snapdragon", "--width", "120"],
    "squeezenet-quantised.txt": ["analyze", QUANTISED, "--hw", "snapdragon", "--reconcile", "--width", "120"],
    "memory-80.txt": ["memory", "squeezenet", "--hw", "snapdragon", "--width", "80"],
    "memory-120.txt": ["memory", "resnet:depth=50", "--dtype", "fp16", "--convention", "arena", "--width", "120"],
    **{
        f"memory.{fmt}": ["memory", "squeezenet:bypass=complex", "--order", "least", "--batch", "2", "--format", fmt]
        for fmt in ("md", "json", "csv")
    },
    "advise-80.txt": ["advise", "mobilenet_v2", "--hw", "snapdragon", "--objective", "latency", "--width", "80"],
    **{
        f"shrink.{fmt}": [
            "shrink", "alexnet", "--hw", "snapdragon", "--step", "global_pooling=1", "--step", "pruning=0.5", "--format", fmt,
        ]
        for fmt in ("json", "csv")
    },
    "nets-list.txt": ["nets", "list"],
}  # fmt: skip


def printed(arguments):
    """Return what a command prints on stdout."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def records(name, text):
    """Return the content of JSON or CSV, numbers as numbers."""
    if name.endswith(".json"):
        return flat(json.loads(text))
    return flat(list(csv.DictReader(text.splitlines())))


def flat(data, path=""):
    """Return a nested structure as {path: scalar}."""
    if isinstance(data, dict):
        return {k: v for key, value in data.items() for k, v in flat(value, f"{path}.{key}").items()}
    if isinstance(data, list):
        return {k: v for index, value in enumerate(data) for k, v in flat(value, f"{path}[{index}]").items()}
    try:
        return {path: pytest.approx(float(data), rel=1e-9)}
    except (TypeError, ValueError):
        return {path: data}


@pytest.mark.parametrize("name", CASES)
def test_output_is_as_reviewed(name, request):
    """The command prints what the file holds."""
    text = printed(CASES[name])
    file = EXPECTED / name
    if request.config.getoption("--update-goldens", default=False):
        file.write_text(text, encoding="utf-8")
    expected = file.read_text(encoding="utf-8")

    if name.endswith((".json", ".csv")):
        assert records(name, expected) == {
            path: value.expected if hasattr(value, "expected") else value for path, value in records(name, text).items()
        }
    else:
        assert expected == text


def test_every_file_has_its_command():
    """No expected output is left behind by a command that is gone."""
    assert sorted(CASES) == sorted(file.name for file in EXPECTED.iterdir())


@pytest.mark.parametrize("name", [name for name in CASES if name.endswith(".txt") and "--width" in CASES[name]])
def test_text_stays_within_its_width(name):
    """No line of a reviewed output is longer than the width it was made for."""
    lines = (EXPECTED / name).read_text(encoding="utf-8").splitlines()
    width = int(CASES[name][CASES[name].index("--width") + 1])

    assert [line for line in lines if len(line) > width] == []


@pytest.mark.parametrize("net", NETWORKS)
def test_json_has_the_promised_keys(net):
    """The keys of the schema are there, whatever else stands beside them."""
    data = json.loads((EXPECTED / f"{net}.json").read_text(encoding="utf-8"))
    totals = {"params", "macs", "weight_bytes", "dram_bytes", "compulsory_bytes", "energy_j", "latency_s"}
    layer = {
        "name", "op", "params", "macs", "dram_bytes", "weight_dram_bytes", "ifmap_dram_bytes", "ofmap_dram_bytes", "energy_j",
        "latency_s",
    }  # fmt: skip

    assert data["schema_version"] == 1
    assert {"network", "hardware", "batch", "totals", "layers"} <= data.keys()
    assert totals <= data["totals"].keys()
    assert {"value", "low", "high"} == data["totals"]["energy_j"].keys()
    assert all(layer <= row.keys() for row in data["layers"])


@pytest.mark.parametrize("net", NETWORKS)
def test_layers_add_up_to_the_totals_of_the_file(net):
    """Sums over the CSV are the totals of the JSON."""
    totals = json.loads((EXPECTED / f"{net}.json").read_text(encoding="utf-8"))["totals"]
    rows = list(csv.DictReader((EXPECTED / f"{net}.csv").read_text(encoding="utf-8").splitlines()))

    for column in ("params", "macs", "weight_bytes", "dram_bytes", "compulsory_bytes"):
        assert totals[column] == sum(int(row[column]) for row in rows)
    assert totals["energy_j"]["value"] == pytest.approx(sum(float(row["energy_j"]) for row in rows))
    assert totals["latency_s"] == pytest.approx(sum(float(row["latency_s"]) for row in rows))
