"""Broken files: every mutation of every sample file is either read or refused with one clear message.

A hundred mutations of each file, three hundred in CI, and a thousand with ``make fuzz``, which takes some minutes.
Half of them damage bytes anywhere; the other half keep the container whole and change what it says: sizes, names,
attributes. They are drawn from the name of the file and the number of the mutation, the same ones in every run.
"""

from __future__ import annotations

import io
import os
import random
import resource
import struct
import sys
import time
import zipfile
from functools import cache
from pathlib import Path

import pytest

from costmodel.errors import CostModelError, NetworkError
from costmodel.importers import load_network
from costmodel.importers.onnx.wire import MODEL, varint
from tests.unit.test_importer_tflite import sample_bytes
from tests.wheels.records import records

MODELS = Path(__file__).parents[1] / "models"
FILES = sorted(path for path in MODELS.rglob("*") if path.suffix in (".onnx", ".tflite", ".keras"))
IDS = [str(path.relative_to(MODELS)) for path in FILES]
SHAPES = {record.copy: record.inputs for record in records() if record.copy} | {
    "tflite/mobilenet_v3_small_int8.tflite": {"keras_tensor_196": [1, 224, 224, 3]}
}
MUTATIONS = int(os.environ.get("COSTMODEL_FUZZ", "100"))
PARTS = 4
"""A file's mutations in so many tests, which run in parallel."""
LONGEST_S = 20.0
"""No mutation makes an import take longer, on a slow and shared machine."""
MOST_GROWTH_BYTES = 1 << 30
NUMBERS = (0, 1, 2, 3, 7, 127, 128, 10**6, 10**12, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = ("null", "-1", "0", "1e9", "[]", "{}", '"x"', "true", "99999999999999")


# ---- bytes


def damaged(data: bytes, dice: random.Random) -> bytes:
    """A copy with bits flipped, bytes or words replaced, parts cut, doubled or moved, or the end missing."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at, size = dice.randrange(max(1, len(changed) - 4)), dice.choice((1, 2, 8, 64, 512))
        match dice.randrange(7):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at : at + 1] = bytes([dice.choice((0, 1, 127, 128, 255))])
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at : at + size] = dice.randbytes(size)
            case 5:
                word = dice.choice((0, -1, 1, 2**31 - 1, -(2**31), len(data)))
                changed[at & ~3 : (at & ~3) + 4] = struct.pack("<i", word)
            case 6:
                del changed[max(at, 64) :]
        changed = changed or bytearray(1)
    return bytes(changed)


# ---- ONNX: what fields say, in as many bytes


@cache
def fields(path: Path) -> list[tuple[int, int, str]]:
    """Where a file has numbers and names: from, to, kind."""
    view = memoryview(path.read_bytes())
    return list(_fields(view, 0, len(view), MODEL))


def _fields(view, at, end, schema):
    while at < end:
        tag, at = varint(view, at)
        kind = schema.get(tag >> 3, ("", "", False))[1]
        if tag & 7 == 0:
            start, (_, at) = at, varint(view, at)
            yield start, at, "int"
        elif tag & 7 == 2:
            size, at = varint(view, at)
            if isinstance(kind, dict):
                yield from _fields(view, at, at + size, kind)
            elif size and kind in ("text", "ints", "view"):
                yield at, at + size, kind
            at += size
        else:
            at += 4 if tag & 7 == 5 else 8


def respelled(data: bytes, path: Path, dice: random.Random) -> bytes:
    """A copy whose numbers and names are others, of the same length: sizes, axes, operations, edges."""
    changed, places = bytearray(data), fields(path)
    for _ in range(dice.choice((1, 1, 2, 8))):
        start, end, kind = dice.choice(places)
        if kind == "int":
            changed[start:end] = number(dice.choice(NUMBERS), end - start)
        elif kind == "text":
            alike = [p for p in dice.choices(places, k=40) if p[1] - p[0] == end - start and p[2] == "text"]
            other = dice.choice(alike or [(start, end, kind)])
            changed[start:end] = data[other[0] : other[1]] if other[0] != start else dice.randbytes(end - start)
        else:
            at = dice.randrange(start, end)
            changed[at] = changed[at] & 128 | dice.randrange(128) if kind == "ints" else dice.randrange(256)
    return bytes(changed)


def number(value: int, size: int) -> bytes:
    """A number of variable length in exactly so many bytes, the upper ones without meaning."""
    return bytes([value >> 7 * i & 127 | (128 if i < size - 1 else 0) for i in range(size)])


# ---- TensorFlow Lite: words and bytes in place


def rewritten(data: bytes, dice: random.Random) -> bytes:
    """A copy with a few bytes, bits or aligned words replaced: references, sizes, options, codes."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        at = dice.randrange(8, len(data) - 4)
        match dice.randrange(3):
            case 0:
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at] = dice.randrange(256)
            case 2:
                struct.pack_into("<i", changed, at & ~3, dice.choice((0, -1, 1, 2**31 - 1, -(2**31), len(data))))
    return bytes(changed)


# ---- Keras: the configuration within the archive


def reworded(data: bytes, dice: random.Random) -> bytes:
    """An archive whose configuration has a character, a part or a number changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read("config.json").decode()
    at = dice.randrange(len(text))
    match dice.randrange(4):
        case 0:
            text = text[:at] + chr(dice.randrange(32, 127)) + text[at + 1 :]
        case 1:
            text = text[:at] + text[at + dice.randrange(1, 40) :]
        case _:
            starts = [i for i, char in enumerate(text) if char.isdigit() and not text[i - 1].isalnum()]
            at = dice.choice(starts)
            end = next(i for i in range(at, len(text)) if not text[i].isdigit())
            text = text[:at] + dice.choice(WORDS) + text[end:]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("config.json", text)
    return out.getvalue()


# ---- the tests


def mutated(path: Path, data: bytes, seed: int) -> bytes:
    """One mutation of a file."""
    dice = random.Random(f"{path.name} {seed}")
    if seed % 2 == 0:
        return damaged(data, dice)
    if path.suffix == ".onnx":
        return respelled(data, path, dice)
    return reworded(data, dice) if path.suffix == ".keras" else rewritten(data, dice)


def outcome(path: Path, inputs: dict[str, list[int]] | None) -> str:
    """What comes of importing a file and lowering its graph: "read" or "refused"; any other exception passes."""
    try:
        load_network(path, inputs=inputs).table()
    except CostModelError as error:
        said = all(problem.strip() and problem.isprintable() for problem in error.problems)
        return "refused" if said and error.problems else "refused without a reason"
    return "read"


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("file", FILES, ids=IDS)
def test_mutated_files_are_read_or_refused(file, part, tmp_path):
    """No traceback, no endless work, no runaway memory, no message that acts on a terminal."""
    data, path = file.read_bytes(), tmp_path / f"mutated{file.suffix}"
    inputs = SHAPES.get(str(file.relative_to(MODELS)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(part, MUTATIONS, PARTS):
        path.write_bytes(mutated(file, data, seed))
        start = time.perf_counter()
        assert outcome(path, inputs) in ("read", "refused"), seed
        assert time.perf_counter() - start < LONGEST_S, f"seed {seed}"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)

    assert grown < MOST_GROWTH_BYTES


def test_a_small_file_is_hit_everywhere(tmp_path):
    """A file of one layer, where most mutations hit structure."""
    data, path = sample_bytes(), tmp_path / "mutated.tflite"
    seen = set()
    for seed in range(4 * MUTATIONS):
        path.write_bytes(damaged(data, random.Random(seed)))
        seen.add(outcome(path, None))

    assert seen == {"read", "refused"}


PLAIN = [MODELS / "onnx/resnet18.dynamo.onnx", MODELS / "tflite/squeezenet1_1_int8.tflite", MODELS / "keras/cnn.keras"]


@pytest.mark.parametrize("file", PLAIN, ids=lambda file: file.suffix)
def test_mutations_reach_the_network(file, tmp_path):
    """Of those that keep the container whole, many are read, or refused for what one layer says."""
    data, path, reached = file.read_bytes(), tmp_path / f"mutated{file.suffix}", 0
    for seed in range(1, 201, 2):
        path.write_bytes(mutated(file, data, seed))
        try:
            reached += bool(load_network(path).layers)
        except CostModelError as error:
            reached += isinstance(error, NetworkError) or "layer" in str(error)

    assert reached >= 40


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("file", PLAIN, ids=lambda file: file.suffix)
def test_truncated_files_are_refused(file, share, tmp_path):
    """A file that ends early is never read as a smaller network."""
    data, path = file.read_bytes(), tmp_path / f"cut{file.suffix}"
    path.write_bytes(data[: max(1, int(len(data) * share))])

    assert outcome(path, None) == "refused"
