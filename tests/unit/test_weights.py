"""Weights of files: archives of arrays, and initialisers of ONNX files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from costmodel.errors import InputError
from costmodel.importers.weights import StoredTensor, archived_weights, onnx_weights, stored_weights
from tests.unit.onnx_files import encoded, model, node, tensor, value, weight

IMAGE = value("x", 1, 3, 8, 8)
CONV = [node("Conv", "x w", "y")]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def archive(path="weights.npz", **tensors):
    """Write an archive of arrays."""
    np.savez(path, **tensors)
    return Path(path)


def onnx(*initialisers, name="net.onnx", **fields):
    """Write an ONNX file of one convolution."""
    message = model(CONV, [IMAGE], list(initialisers))
    message["graph"].update(fields)
    Path(name).write_bytes(encoded(message))
    return Path(name)


# ---- archives


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"])
def test_arrays_of_every_number_format(dtype):
    """Name, shape, format, width and content."""
    array = np.arange(6).reshape(2, 3).astype(dtype)

    assert archived_weights(archive(w=array)) == (
        StoredTensor("w", (2, 3), dtype, array.dtype.itemsize, array.tobytes()),
    )


def test_arrays_of_another_byte_order_are_the_same_weights():
    """What is stored for another machine is compared as numbers."""
    array = np.array([1.0, 2.5], dtype="<f4")
    big = archived_weights(archive("big.npz", w=array.astype(">f4")))[0]

    assert big.data == array.tobytes()


def test_arrays_in_any_memory_layout():
    """Rows come first."""
    array = np.arange(12, dtype="float32").reshape(3, 4)

    assert archived_weights(archive(w=np.asfortranarray(array)))[0].data == array.tobytes()


def test_a_scalar_and_an_empty_array():
    """Their shapes are () and (0,)."""
    scalar, empty = archived_weights(archive(a=np.float32(3), b=np.zeros(0, "float32")))

    assert (scalar.shape, len(scalar.data)) == ((), 4)
    assert (empty.shape, empty.data) == ((0,), b"")


def test_compressed_archives():
    """np.savez_compressed is read as well."""
    np.savez_compressed("w.npz", w=np.zeros(1000, "float32"))

    assert len(archived_weights(Path("w.npz"))[0].data) == 4000


@pytest.mark.parametrize(
    ("array", "fragment"),
    [
        (np.array(["a", "b"]), "w: <U1 is not a number format"),
        (np.array([1 + 2j]), "w: complex128 is not a number format"),
        (np.array([(1, 2.0)], dtype="i4,f4"), "is not a number format"),
    ],
)
def test_arrays_that_are_no_numbers(array, fragment):
    """Texts, complex numbers, records."""
    with pytest.raises(InputError, match=fragment.replace("[", r"\[")):
        archived_weights(archive(w=array))


def test_objects_are_never_unpickled():
    """An array of objects could run anything."""
    np.savez("o.npz", w=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"cannot be read as an \.npz archive"):
        archived_weights(Path("o.npz"))


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"", "cannot be read"),
        (b"just some text", "cannot be read"),
        (b"PK\x03\x04" + bytes(40), "cannot be read"),
        (None, "no such file"),
    ],
)
def test_files_that_are_no_archives(content, fragment):
    """One message with the path."""
    path = Path("broken.npz")
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"broken.npz: .*{fragment}"):
        archived_weights(path)


def test_every_truncation_is_refused():
    """Cut anywhere, an archive is one message."""
    whole = archive(w=np.arange(100, dtype="float32")).read_bytes()
    for end in range(1, len(whole) - 1, 37):
        Path("cut.npz").write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"cut\.npz"):
            archived_weights(Path("cut.npz"))


def test_a_directory_and_an_empty_archive():
    """Neither holds weights."""
    Path("dir.npz").mkdir()
    with pytest.raises(InputError, match="is a directory or a device"):
        archived_weights(Path("dir.npz"))
    with pytest.raises(InputError, match="holds no arrays"):
        archived_weights(archive("none.npz"))


# ---- ONNX


def test_raw_initialisers():
    """Stored as raw bytes."""
    array = np.arange(12, dtype="float32").reshape(4, 3, 1, 1)

    assert onnx_weights(onnx(tensor("w", array))) == (StoredTensor("w", (4, 3, 1, 1), "float32", 4, array.tobytes()),)


def test_typed_initialisers():
    """Stored in the field of their type."""
    array = np.arange(12, dtype="float32")
    typed = weight("w", 4, 3, 1, 1) | {"float_data": [struct.pack("<12f", *array)]}

    assert onnx_weights(onnx(typed))[0].data == array.tobytes()


def test_large_initialisers():
    """The content of weights that the importer leaves alone is read here."""
    array = np.random.default_rng(1).normal(size=(300, 3, 11, 11)).astype("float32")

    assert onnx_weights(onnx(tensor("w", array)))[0].data == array.tobytes()


@pytest.mark.parametrize(("kind", "bits"), [(16, 16), (17, 8), (21, 4), (22, 4)])
def test_formats_that_numpy_does_not_have(kind, bits):
    """bfloat16, float8 and four bits are compared as bytes."""
    raw = bytes(range(12 * bits // 8))
    stored = onnx_weights(onnx(weight("w", 4, 3, 1, 1, kind=kind) | {"raw_data": raw}))[0]

    assert (stored.data, stored.width_bytes) == (raw, 2 if bits == 16 else 1)


def test_stripped_weights_are_none():
    """A file without content is a network, not weights."""
    assert onnx_weights(onnx(weight("w", 4, 3, 1, 1))) is None
    assert stored_weights(onnx(weight("w", 4, 3, 1, 1))) is None


@pytest.mark.parametrize(
    ("initialiser", "fragment"),
    [
        (weight("w", 4, 3, 1, 1) | {"raw_data": bytes(40)}, "'w' does not have its size"),
        (weight("w", 4, 3, 1, 1, kind=16) | {"raw_data": bytes(3)}, "'w' does not have its size"),
        (weight("w", 4, 3, 1, 1, kind=99) | {"raw_data": bytes(48)}, "ONNX type 99"),
        (
            weight("w", 4, 3, 1, 1) | {"data_location": 1, "external_data": [{"key": "location", "value": "w.bin"}]},
            "'w' is in another file",
        ),
    ],
)
def test_initialisers_that_cannot_be_read(initialiser, fragment):
    """Damaged, of an unknown type, elsewhere."""
    with pytest.raises(InputError, match=f"net.onnx: .*{fragment}"):
        onnx_weights(onnx(initialiser))


def test_sparse_initialisers_are_refused():
    """Rather than left out."""
    sparse = [{"values": weight("s", 2), "dims": [9]}]
    with pytest.raises(InputError, match="sparse initialisers"):
        onnx_weights(onnx(tensor("w", np.zeros((4, 3, 1, 1), "float32")), sparse_initializer=sparse))


# ---- either


def test_what_a_specification_names():
    """Archives and ONNX files have weights, the names of networks have none."""
    array = np.zeros((4, 3, 1, 1), "float32")

    assert stored_weights(archive(w=array))[0].name == "w"
    assert stored_weights(str(onnx(tensor("w", array))))[0].name == "w"
    assert stored_weights("squeezenet") is None


def test_an_encrypted_archive_is_refused(tmp_path):
    """One message, and no question for a password."""
    file = tmp_path / "locked.npz"
    np.savez(file, x=np.ones(3))
    data = bytearray(file.read_bytes())
    data[data.find(b"PK\x03\x04") + 6] |= 1  # the flag of encryption, beside the entry and in the directory
    data[data.find(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(data)

    with pytest.raises(InputError, match=r"locked\.npz: cannot be read as an \.npz archive: .*encrypted"):
        archived_weights(file)


def test_a_single_array_is_no_archive(tmp_path):
    """An .npy file by the name of an archive."""
    np.save(tmp_path / "one.npy", np.ones(3))
    file = (tmp_path / "one.npy").rename(tmp_path / "one.npz")

    with pytest.raises(InputError, match=r"one\.npz: cannot be read as an \.npz archive"):
        archived_weights(file)
