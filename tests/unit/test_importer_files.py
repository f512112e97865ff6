"""Which importer a file goes to: by content, then by suffix; and what is said of files that hold no network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from costmodel.errors import CostModelError, InputError
from costmodel.importers import load_network
from costmodel.importers.files import format_of, imported, parse_inputs

NETWORK = """
from costmodel.graph import Graph
def build(width=4):
    graph = Graph("net")
    graph.linear("fc", graph.input("x", (1, 3)), width)
    return graph
"""


def archive(path, *names):
    """Write a zip file with empty members."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return path


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("net.tflite", b"\x1c\x00\x00\x00TFL3", "tflite"),
        ("no_suffix", b"\x1c\x00\x00\x00TFL3", "tflite"),
        ("wrong.onnx", b"\x20\x00\x00\x00TFL3", "tflite"),
        ("net.onnx", b"\x08\x0a\x12\x07pytorch", "onnx"),
        ("no_suffix", b"\x08\x08\x12\x07pytorch", "onnx"),
        ("net.onnx", b"garbage", "onnx"),
        ("old.h5", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("old.keras", b"\x89HDF\r\n\x1a\n", "hdf5"),
        ("net.py", b"PK\x03\x04", "python"),
        ("net.keras", b"", "keras"),
        ("net.LITE", b"", "tflite"),
        ("text", b"hello", "python"),
    ],
)
def test_format(tmp_path, name, head, expected):
    """Content wins over the suffix, except for Python files, which are what they are called."""
    path = tmp_path / name
    path.write_bytes(head)
    assert format_of(path) == expected


def test_archives_are_told_apart(tmp_path):
    """Keras and PyTorch both write zip files."""
    assert format_of(archive(tmp_path / "a", "config.json", "metadata.json")) == "keras"
    assert format_of(archive(tmp_path / "b.pt", "model/data.pkl", "model/data/0")) == "torch"
    broken = tmp_path / "c.keras"
    broken.write_bytes(b"PK\x03\x04 and nothing else")
    assert format_of(broken) == "keras"


@pytest.mark.parametrize("spec", ["squeezenet", "squeezenet:version=1.1", "no/such/file", ""])
def test_what_is_no_file_is_a_name(spec):
    """Names and specifications go to the Python importer, which knows what to say of them."""
    assert format_of(Path(spec)) == "python"


def test_python_networks_keep_their_arguments(tmp_path):
    """A file of one's own, with an argument in the specification or beside it."""
    path = tmp_path / "net.py"
    path.write_text(NETWORK)
    assert load_network(f"{path}:width=7").table().total("params")[0] == 28
    assert load_network(path, width=5).table().total("params")[0] == 20


def test_input_shapes_are_for_model_files(tmp_path):
    """A Python network has arguments instead, and a model file has no arguments."""
    with pytest.raises(InputError, match="input shapes are for model files; a Python network takes arguments"):
        load_network("squeezenet", inputs={"data": (1, 3, 224, 224)})
    path = tmp_path / "net.onnx"
    path.write_bytes(b"\x08\x0a\x12\x07pytorch")
    with pytest.raises(InputError, match="width: a model file takes no arguments; only Python networks do"):
        load_network(path, width=3)


@pytest.mark.parametrize(
    ("kind", "message"), [("hdf5", r"HDF5 file.*save it again with model.save"), ("torch", r"PyTorch archive.*from_torch")]
)
def test_formats_that_hold_no_layers_say_what_to_do(kind, message):
    """HDF5 and PyTorch archives are named, with the way out."""
    with pytest.raises(InputError, match=message):
        imported(Path("model"), kind, None)


@pytest.mark.parametrize("name", ["empty.onnx", "empty.tflite", "empty.keras"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"just text\n", b"\xff" * 4096])
def test_files_that_hold_nothing_are_one_clear_error(tmp_path, name, content):
    """Every importer refuses rubbish by name, without a traceback."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CostModelError, match=name):
        load_network(path)


def test_a_directory_is_no_network(tmp_path):
    """A directory is refused by name."""
    with pytest.raises(CostModelError, match=str(tmp_path)):
        load_network(tmp_path)


def test_shapes_are_read_by_name():
    """NAME=SHAPE pairs; a name may itself hold an equals sign."""
    assert parse_inputs(["data=1x3x8x8", "a=b=5"]) == {"data": (1, 3, 8, 8), "a=b": (5,)}


@pytest.mark.parametrize("text", ["", "data", "data=", "=1x3", "data=1x", "data=1,3", "data=-1x3", "data=1xthree"])
def test_shapes_that_cannot_be_read(text):
    """Anything else is shown how to write."""
    with pytest.raises(InputError, match="is not NAME=SHAPE; write for example data=1x3x224x224"):
        parse_inputs([text])


def test_a_shape_given_twice():
    """Two shapes for one input contradict each other."""
    with pytest.raises(InputError, match="'x' is given twice"):
        parse_inputs(["x=1", "x=2"])
