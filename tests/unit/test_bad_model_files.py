"""Model files that are broken, hostile or misnamed: exit code 2, one line, nothing else read, little memory."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.importers import load_network
from tests.unit.onnx_files import encoded, ints, model, node, value, weight
from tests.unit.test_importer_keras import fed, layer, sequential

MODELS = Path(__file__).parents[1] / "models"
ONNX = (MODELS / "onnx" / "squeezenet1_1.dynamo.onnx").read_bytes()
TFLITE = (MODELS / "tflite" / "squeezenet1_1_int8.tflite").read_bytes()
KERAS = (MODELS / "keras" / "cnn.keras").read_bytes()
IMAGE = value("x", 1, 3, 8, 8)
RELU = [node("Relu", "x", "y")]
HOSTILE = "<script>alert(1)</script>\x1b[2J|`\u202e"
MOST_MEMORY_BYTES = 1_500_000_000


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    """Files are named without a directory, as a user would."""
    monkeypatch.chdir(tmp_path)


def analyzed(name, *words):
    """Analyse a file on the command line."""
    return CliRunner().invoke(cli, ["analyze", name, "--hw", "snapdragon", *words], prog_name="costmodel")


def zipped(**members):
    """A zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_json", ".json"), text)
    return out.getvalue()


def fed_onnx(*shape):
    """An ONNX file whose input has a shape."""
    return encoded(model(RELU, [value("x", *shape)]))


def fed_keras(*shape):
    """A Keras archive whose input has a shape."""
    return zipped(config_json=json.dumps(sequential(fed(list(shape)), layer("ReLU", "relu"))))


def outside(location, **fields):
    """A convolution whose weights are in another file."""
    entries = [{"key": "location", "value": location}, *({"key": key, "value": item} for key, item in fields.items())]
    far = weight("w", 4, 3, 1, 1) | {"data_location": 1, "external_data": entries}
    return encoded(model([node("Conv", "x w", "y")], [IMAGE], [far]))


BROKEN = {
    "empty.onnx": (b"", "is empty"),
    "empty.tflite": (b"", "is empty"),
    "empty.keras": (b"", "is empty"),
    "half.onnx": (ONNX[: len(ONNX) // 2], "is not a complete ONNX model"),
    "half.tflite": (TFLITE[: len(TFLITE) // 2], "is damaged or truncated"),
    "half.keras": (KERAS[: len(KERAS) // 2], "is a damaged or truncated zip archive"),
    "text.onnx": (b"just some text\n" * 9, "is a text file, not an ONNX model"),
    "text.tflite": (b"just some text\n" * 9, "is not a TensorFlow Lite file"),
    "text.keras": (b"just some text\n" * 9, "is not a Keras 3 archive"),
    "zeros.onnx": (bytes(9000), "is not an ONNX model: it has no graph"),
    "zeros.tflite": (bytes(9000), "is not a TensorFlow Lite file"),
    "zeros.keras": (bytes(9000), "is not a Keras 3 archive"),
    "model.py": (ONNX, "is a binary file"),
    "cycle.onnx": (encoded(model([node("Relu", "b", "a"), node("Relu", "a", "b")], [IMAGE])), "the graph is cyclic"),
    "shapeless.onnx": (
        encoded(model(RELU, [{"name": "x", "type": {"tensor_type": {"elem_type": 1}}}])),
        "input 'x' has no shape in the file; give it: --input x=1x3x224x224",
    ),
    "negative.onnx": (fed_onnx(1, -3, 8, 8), "has the shape (1, -3, 8, 8) in the file, with a size below 1"),
    "negative.keras": (fed_keras(None, -8, 8, 3), "-8"),
    "absurd.onnx": (fed_onnx(10**12, 10**12), "must be at most 2147483647, got 1000000000000"),
    "absurd.keras": (fed_keras(None, 10**12, 8, 3), "1000000000000"),
    "absurd_product.onnx": (fed_onnx(*[2**31 - 1] * 3), "do not fit in 64 bits"),
    "absurd_number.keras": (zipped(config_json="[" + "9" * 5000 + "]"), "a number is too long"),
    "deep.keras": (zipped(config_json="[" * 10**5 + "]" * 10**5), "nested too deep"),
    "not_text.keras": (zipped(config_json=b"\xff\xfe\x00\xd8"), "config.json is not JSON"),
    "bomb.keras": (zipped(config_json=b" " * 100_000_000), "config.json unpacks to more than 67108864 bytes"),
    "other.keras": (zipped(other="x"), "is a zip archive without config.json"),
    "future.keras": (KERAS.replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xff"), "zip"),
    "data.onnx": (
        encoded(model([node("Relu", "x", "y")], [IMAGE], [weight("w", 9, kind=7) | {"int64_data": [b"\x80"]}])),
        "the content of tensor 'w' is damaged",
    ),
    "sized_outside.onnx": (
        encoded(model([node("Reshape", "x s", "y")], [IMAGE], [weight("s", 2, kind=7) | {
            "data_location": 1, "external_data": [{"key": "location", "value": "/etc/passwd"}]}])),
        "is computed from data or stored in another file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name):
    """One line that names the file, nothing on stdout, no traceback."""
    content, text = BROKEN[name]
    Path(name).write_bytes(content)
    result = analyzed(name)
    lines = result.stderr.splitlines()

    assert (result.exit_code, result.stdout, len(lines)) == (2, "", 1), result.output
    assert lines[0].startswith(f"error: {name}: ")
    assert text in lines[0]


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".keras", ".yaml", ".bin", ""])
@pytest.mark.parametrize("content", [ONNX, TFLITE, KERAS], ids=["onnx", "tflite", "keras"])
def test_the_content_wins_over_the_suffix(content, suffix):
    """A file of another name is the same network."""
    Path(f"model{suffix}").write_bytes(content)
    expected = 853_920 if content is KERAS else 349_151_936

    assert int(load_network(f"model{suffix}").table().total("macs")[0]) == expected


@pytest.mark.parametrize("name", ["gone.onnx", "gone.tflite", "gone.keras"])
def test_files_that_are_not_there(name):
    """A model file is missing, not a network of that name."""
    assert analyzed(name).stderr == f"error: {name}: no such file; give a model file, .onnx, .tflite, .lite, .keras\n"


# Windows has no named pipes to make, so there is none that could be waited for.
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["pipe.onnx", "pipe.tflite", "pipe.keras"])
def test_pipes_are_not_waited_for(name):
    """Nobody writes into them; a device has no end."""
    os.mkfifo(name)
    Path(f"zero_{name}").symlink_to("/dev/zero")

    for path in (name, f"zero_{name}"):
        assert analyzed(path).stderr.startswith(f"error: {path}: is a directory or a device")


# ---- hostile names


@pytest.fixture
def hostile():
    """A file whose layer has a hostile name."""
    convolution = node("Conv", "x w", "y", name=HOSTILE)
    Path("names.onnx").write_bytes(encoded(model([convolution], [IMAGE], [weight("w", 4, 3, 1, 1)])))
    return "names.onnx"


@pytest.mark.parametrize("form", ["text", "md", "csv", "json"])
def test_hostile_names_are_harmless(hostile, form):
    """No control characters anywhere, and in Markdown no markup."""
    text = analyzed(hostile, "--format", form).stdout

    assert "alert" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert form != "md" or ("<script" not in text.replace("\\<script", "") and "\\|" in text)


def test_hostile_names_are_text_in_a_notebook(hostile):
    """Markup of a file is not markup of the page."""
    page = cm.analyze(load_network(hostile), "snapdragon")._repr_html_()

    assert "&lt;script&gt;" in page
    assert "<script" not in page


# ---- files outside, memory


OPENED = """\
import json, sys
from costmodel.importers import load_network
import costmodel.importers.onnx, costmodel.importers.tflite, costmodel.importers.keras, encodings.idna
load_network(sys.argv[1]).table()
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event in ("open", "os.open") else None)
load_network(sys.argv[1]).table()
print(json.dumps(sorted({str(name) for name in opened})))
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.onnx", ONNX),
        ("plain.tflite", TFLITE),
        ("plain.keras", KERAS),
        ("outside.onnx", outside("../" * 6 + "etc/passwd")),
        ("absolute.onnx", outside("/dev/zero", length="99999999999999")),
        ("beside.onnx", outside("secret.bin", offset="0", length="48")),
    ],
)
def test_only_the_model_is_opened(name, content):
    """Weights in other files stay there, wherever they are."""
    Path(name).write_bytes(content)
    Path("secret.bin").write_bytes(bytes(48))
    done = subprocess.run([sys.executable, "-c", OPENED, name], check=True, stdout=subprocess.PIPE, text=True)

    assert json.loads(done.stdout) == [name]


LIMITED = """\
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from costmodel.errors import CostModelError
from costmodel.importers import load_network
for name in sys.argv[2:]:
    try:
        load_network(name).table()
    except CostModelError:
        continue
    raise SystemExit(f"{name} was read")
"""


# The limit is what the test is about: macOS takes RLIMIT_AS and does not hold to it.
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
def test_broken_files_take_little_memory():
    """All of them in one process that may not have more; the bomb would take 100 MB, absurd shapes any amount."""
    names = [name for name in BROKEN if name != "model.py"]
    for name in names:
        Path(name).write_bytes(BROKEN[name][0])
    words = [sys.executable, "-c", LIMITED, str(MOST_MEMORY_BYTES), *names]
    done = subprocess.run(words, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_an_absurd_copy_takes_no_memory():
    """What an operation would make is a shape, not an array."""
    Path("tile.onnx").write_bytes(encoded(model([node("Tile", "x r", "y")], [value("x", 9, 9)], [ints("r", 10**5, 10**5)])))
    table = load_network("tile.onnx").table()

    assert int(table.ofmap_elems[0, 0]) == 81 * 10**10
