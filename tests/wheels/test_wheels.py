"""Model files inside wheels that ``make test-models`` installs, beside their own runtimes; not part of ``make test``."""

from __future__ import annotations

import hashlib
import os
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

from costmodel.importers import load_network
from tests.wheels.oracle import runtime_macs
from tests.wheels.records import macs, records, unknown

FOLDER = Path(os.environ.get("MODEL_WHEELS", "build/model-wheels"))
RECORDS = records()
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
PINS = PROJECT["dependency-groups"]["model-wheels"]


@pytest.fixture(params=RECORDS, ids=[record.name for record in RECORDS])
def record(request):
    """One file, which is the one that was recorded."""
    data = (FOLDER / request.param.path).read_bytes()
    assert hashlib.sha256(data).hexdigest().startswith(request.param.sha256)
    return request.param


def test_macs_are_exact(record):
    """The importer, the record and the runtime agree to the last MAC."""
    mine = macs(load_network(FOLDER / record.path, inputs=record.inputs or None))

    assert mine == record.macs == runtime_macs(FOLDER / record.path, record.inputs)


def test_unknown_operations_are_listed(record):
    """Those that the record names, no more and no fewer."""
    assert list(record.unknown) == unknown(load_network(FOLDER / record.path, inputs=record.inputs or None))


def test_every_model_of_every_wheel_has_a_record():
    """A file without a record would be tested by nobody."""
    suffixes = (".onnx", ".tflite", ".keras")
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in suffixes}

    assert found == {record.path for record in RECORDS}


def test_installed_wheels_are_those_recorded():
    """Versions of the records, of the dependency group and of what is installed."""
    wanted = {f"{record.distribution}=={record.version}" for record in RECORDS}
    installed = {f"{found.metadata['Name']}=={found.version}" for found in distributions(path=[str(FOLDER)])}

    assert wanted == set(PINS) == installed
