"""Broken files: every mutation of every sample file is either read or refused with one clear message.

The suite tries a few mutations of each file. A thousand of each, which takes some minutes::

    ONNX_MUTATIONS=1000 python -m pytest tests/unit/test_importer_onnx_fuzz.py
"""

from __future__ import annotations

import os
import random
import resource
import time
from pathlib import Path

import pytest

from costmodel.errors import CostModelError
from costmodel.importers.onnx import onnx_graph

FILES = sorted((Path(__file__).parents[1] / "models" / "onnx").glob("*.onnx"))
MUTATIONS = int(os.environ.get("ONNX_MUTATIONS", "12"))
LONGEST_S = 20.0
"""No mutation makes an import take longer, on a slow and shared machine."""
MOST_GROWTH_BYTES = 1 << 30


def mutated(data: bytes, seed: int) -> bytes:
    """A damaged copy of a file: bits flipped, bytes replaced, parts cut, doubled or moved."""
    chance, changed = random.Random(seed), bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed))
        size = chance.choice((1, 2, 8, 64, 512))
        match chance.randrange(6):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at : at + 1] = bytes([chance.choice((0, 1, 127, 128, 255))])
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at : at + size] = chance.randbytes(size)
            case 5:
                del changed[max(at, 64) :]
    return bytes(changed or b"\0")


def outcome(path: Path) -> str:
    """What comes of importing a file and lowering its graph: "read" or "refused"; any other exception passes."""
    try:
        onnx_graph(path).table()
    except CostModelError as error:
        return "refused" if str(error).strip() else "refused without a reason"
    return "read"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_damaged_files_are_read_or_refused(file, tmp_path):
    """No traceback, no endless work, no runaway memory."""
    data, path = file.read_bytes(), tmp_path / "damaged.onnx"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(MUTATIONS):
        path.write_bytes(mutated(data, seed))
        start = time.perf_counter()
        assert outcome(path) in ("read", "refused"), seed
        assert time.perf_counter() - start < LONGEST_S, f"seed {seed}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024

    assert grown < MOST_GROWTH_BYTES


def test_mutations_hurt(tmp_path):
    """The mutations reach behind the decoder: some are read, some are refused."""
    data, path = FILES[0].read_bytes(), tmp_path / "damaged.onnx"
    seen = set()
    for seed in range(40):
        path.write_bytes(mutated(data, seed))
        seen.add(outcome(path))

    assert seen == {"read", "refused"}


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.9, 0.999])
def test_truncated_files_are_refused(share, tmp_path):
    """A file that ends early is never read as a smaller network."""
    data, path = FILES[0].read_bytes(), tmp_path / "cut.onnx"
    path.write_bytes(data[: max(1, int(len(data) * share))])

    assert outcome(path) == "refused"
