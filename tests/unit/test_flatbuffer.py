"""The reader of FlatBuffers: scalars, vectors, texts and tables by hand-laid bytes, and every way out of the file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from costmodel.errors import InputError
from costmodel.importers.flatbuffer import INT8, INT32, INT64, LONGEST_TEXT, UINT8, UINT32, UINT64, Table
from costmodel.importers.tflite_file import read_model
from tests.models.tflite.writer import Fields, Ints, Model, written

PATH = Path("net.tflite")


def read(fields: dict) -> Table:
    """The root table of a file with these fields."""
    return Table.root(written(Fields(fields)), PATH)


def table_at(place: int, vtable: tuple[int, ...], body: bytes = b"", *, length: int | None = None) -> bytes:
    """A file laid out by hand: root offset, identifier, the virtual table at byte 8, the table at `place`.

    `vtable` holds the offsets of the fields; `length` is what it claims to be long.
    """
    claimed = 4 + 2 * len(vtable) if length is None else length
    out = struct.pack("<I4s", place, b"TFL3") + struct.pack(f"<{2 + len(vtable)}H", claimed, 4 + len(body), *vtable)
    return out.ljust(place, b"\0") + struct.pack("<i", place - 8) + body


# ---- what is there


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INT8, -128),
        (INT8, 127),
        (UINT8, 255),
        (INT32, -(2**31)),
        (INT32, 2**31 - 1),
        (UINT32, 2**32 - 1),
        (INT64, -(2**63)),
        (UINT64, 2**64 - 1),
    ],
)
def test_scalars(kind, value):
    """The least and the largest number of every format, beside another field."""
    table = read({0: ("<b", 1), 2: (kind, value)})

    assert table.number(2, kind) == value
    assert table.number(0, INT8) == 1


def test_absent_fields():
    """Fields that the file leaves out have their defaults, in the middle and beyond the end."""
    table = read({1: ("<i", 5)})

    assert [table.number(slot, INT32, 9) for slot in (0, 1, 2, 1000)] == [9, 5, 9, 9]
    assert [slot in table for slot in (0, 1, 2, 1000)] == [False, True, False, False]
    assert (table.table(0), table.tables(0), table.ints(0), table.text(0)) == (None, [], (), "")
    assert (table.length(0), table.raw(0)) == (0, b"")


def test_table_without_fields():
    """An empty table is one whose fields are all absent."""
    table = read({})

    assert 0 not in table
    assert table.number(0, INT64, -3) == -3


def test_scalar_of_value_zero():
    """A field that is there with the value 0 is not its default."""
    assert read({0: ("<i", 0)}).number(0, INT32, 7) == 0


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("i", (1, -2, 2**31 - 1)),
        ("q", (-(2**63), 2**63 - 1)),
        ("b", (-128, 0, 127)),
        ("B", (255,)),
        ("h", (-1, 2)),
        ("i", ()),
    ],
)
def test_vectors(kind, values):
    """Vectors of every width, also an empty one."""
    table = read({3: Ints(kind, values)})

    assert (table.ints(3, kind), table.length(3)) == (values, len(values))


@pytest.mark.parametrize("content", [b"", b"a", b"\0\xff" * 100])
def test_raw_bytes(content):
    """Bytes as they are, and their number without touching them."""
    table = read({0: content})

    assert (table.length(0), table.raw(0)) == (len(content), content)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"conv/weights", "conv/weights"),
        ("Größe 大小".encode(), "Größe 大小"),
        (b"a\xffb", "a\ufffdb"),
        (b"\xe5\xa4", "\ufffd"),
        (b"x" * (LONGEST_TEXT + 1), "x" * LONGEST_TEXT),
    ],
)
def test_texts(content, text):
    """UTF-8, bytes that are not, and texts that are cut."""
    assert read({0: content}).text(0) == text


def test_tables_within_tables():
    """A table in a table in a vector of tables."""
    inner = [Fields({0: ("<i", number), 1: Fields({0: Ints("i", (number, 10 * number))})}) for number in (1, 2, 3)]
    tables = read({0: inner}).tables(0)
    deepest = [table.table(1) for table in tables]

    assert [table.number(0, INT32) for table in tables] == [1, 2, 3]
    assert [table.ints(0) for table in deepest if table] == [(1, 10), (2, 20), (3, 30)]


def test_tables_that_share_a_layout():
    """Writers store equal virtual tables once; one in front and one behind its tables are both read."""
    data = struct.pack("<I4s", 16, b"TFL3") + struct.pack("<3H", 6, 8, 4) + bytes(2)
    data += struct.pack("<ii", 8, 42) + struct.pack("<ii", 16, 43)
    backwards = struct.pack("<I4s", 8, b"TFL3") + struct.pack("<ii", -8, 44) + struct.pack("<3H", 6, 8, 4)

    assert Table.root(data, PATH).number(0, INT32) == 42
    assert Table(data, 24, PATH).number(0, INT32) == 43
    assert Table.root(backwards, PATH).number(0, INT32) == 44


# ---- ways out of the file


@pytest.mark.parametrize("size", range(8))
def test_files_too_short_for_a_root(size):
    """Less than an offset and an identifier."""
    with pytest.raises(InputError, match=f"net.tflite: is truncated: {size} bytes do not hold a model"):
        Table.root(bytes(size), PATH)


@pytest.mark.parametrize(
    ("data", "byte"),
    [
        (struct.pack("<I4s", 8, b"TFL3"), 8),
        (struct.pack("<I4s", 2**32 - 1, b"TFL3"), 2**32 - 1),
        (struct.pack("<I4si", 8, b"TFL3", 9), -1),
        (struct.pack("<I4si", 8, b"TFL3", -4), 12),
        (struct.pack("<I4si", 8, b"TFL3", -(2**31)), 8 + 2**31),
        (struct.pack("<I4si", 8, b"TFL3", 2**31 - 1), 8 - (2**31 - 1)),
        (table_at(16, (), length=2**16 - 1), 8),
        (table_at(16, (4,), length=18), 8),
    ],
)
def test_roots_that_lead_nowhere(data, byte):
    """Offsets of the root and of its virtual table, and virtual tables longer than the file."""
    with pytest.raises(InputError, match=f"has {len(data)} bytes and refers to byte {byte}; export or download it again"):
        Table.root(data, PATH)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5])
def test_layouts_without_fields(length):
    """Virtual tables that claim to be shorter than their own head have no fields."""
    table = Table.root(table_at(16, (4,), bytes(4), length=length), PATH)

    assert 0 not in table


@pytest.mark.parametrize("kind", [INT8, INT32, INT64])
def test_scalars_outside(kind):
    """Scalars whose first or last byte is behind the end."""
    size = struct.calcsize(kind)
    fits = table_at(16, (4,), b"\x01" + bytes(size - 1))

    assert Table.root(fits, PATH).number(0, kind) == 1
    with pytest.raises(InputError, match="damaged or truncated"):
        Table.root(fits[:-1], PATH).number(0, kind)
    with pytest.raises(InputError, match=f"refers to byte {16 + 65535}"):
        Table.root(table_at(16, (65535,), bytes(8)), PATH).number(0, kind)


METHODS = {
    "table": lambda table: table.table(0),
    "tables": lambda table: table.tables(0),
    "ints": lambda table: table.ints(0),
    "longs": lambda table: table.ints(0, "q"),
    "length": lambda table: table.length(0),
    "raw": lambda table: table.raw(0),
    "text": lambda table: table.text(0),
}
"""Ways to follow an offset."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("offset", [4, 100, 2**31, 2**32 - 1])
def test_offsets_outside(method, offset):
    """Offsets to the end of the file and far behind it."""
    table = Table.root(table_at(16, (4,), struct.pack("<I", offset)), PATH)

    with pytest.raises(InputError, match="has 24 bytes and refers to byte"):
        METHODS[method](table)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "table"])
@pytest.mark.parametrize("length", [2, 5, 2**31, 2**32 - 1])
def test_vectors_that_are_too_long(method, length):
    """Lengths that the file does not hold are refused before memory is taken."""
    table = Table.root(table_at(16, (4,), struct.pack("<II", 4, length) + b"\0"), PATH)

    with pytest.raises(InputError, match="has 29 bytes and refers to byte 24"):
        METHODS[method](table)


@pytest.mark.parametrize("entries", [0, 1, 2])
def test_vectors_at_the_end(entries):
    """A vector may end with the file; one byte less and it is refused."""
    data = table_at(16, (4,), struct.pack(f"<II{entries}i", 4, entries, *range(entries)))

    assert Table.root(data, PATH).ints(0) == tuple(range(entries))
    with pytest.raises(InputError, match="damaged or truncated"):
        Table.root(data[:-1], PATH).ints(0)


def test_tables_of_a_vector_outside():
    """A vector of tables, the second of which is not in the file."""
    data = table_at(16, (4,), struct.pack("<IIII", 4, 2, 2**32 - 12, 1000))

    with pytest.raises(InputError, match="damaged or truncated"):
        Table.root(data, PATH).tables(0)


def test_table_that_holds_itself():
    """Offsets lead forwards, so no table holds itself: the nearest is its own reference, read as an empty table."""
    table = Table.root(table_at(16, (4,), struct.pack("<I", 0)), PATH).table(0)

    assert table is not None
    assert (0 in table, table.table(0)) == (False, None)


def test_overlapping_tables():
    """A vector whose entries all lead to one table gives that table as often, and no more."""
    count = 5
    offsets = [4 * (count - index) for index in range(count)]
    vector = struct.pack(f"<II{count}I", 4, count, *offsets)
    at = 16 + 4 + len(vector)
    data = table_at(16, (4,), vector + struct.pack("<i", at - 8) + bytes(4))
    tables = Table.root(data, PATH).tables(0)

    assert [table.number(0, UINT32) for table in tables] == [0] * count


# ---- whole files


def small() -> bytes:
    """A file of one operator with options, two tensors and a constant."""
    model = Model()
    fed, axis = model.input("x", (1, 4, 6)), model.tensor("axis", (2,), "int32", values=(1, 2))
    model.add("MEAN", [fed, axis], [model.tensor("y", (1,))], {0: ("<B", 1)})
    return model.bytes()


def refusal(path: Path, content: bytes) -> str:
    """Why a file with this content is refused, "" if it is read."""
    path.write_bytes(content)
    try:
        model = read_model(path)
        for tensor in model.subgraphs[0].tensors:
            model.integers(tensor)
    except InputError as error:
        return str(error)
    return ""


def test_every_truncation_is_refused(tmp_path):
    """A file cut anywhere is refused by one message with its path, or has lost no more than its last buffer."""
    data, path = small(), tmp_path / "cut.tflite"
    messages = [refusal(path, data[:size]) for size in range(1, len(data) + 1)]
    read_from = next(size for size, message in enumerate(messages, 1) if not message)

    assert all(str(path) in message for message in messages[: read_from - 1])
    assert set(messages[read_from - 1 :]) == {""}
    assert len(data) - read_from < 16


@pytest.mark.parametrize("word", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_every_word_replaced(tmp_path, word):
    """Every aligned word in turn as nothing, as an offset out of the file and as a negative one."""
    data, path = small(), tmp_path / "bent.tflite"
    bent = [data[:at] + struct.pack("<I", word) + data[at + 4 :] for at in range(8, len(data) - 3, 4)]
    messages = {refusal(path, content) for content in bent} - {""}

    assert messages
    assert all(str(path) in message for message in messages)


def test_constants_behind_the_flatbuffer(tmp_path):
    """Files above 2 GB hold constants behind the tables: read where they are inside, None where they are not."""
    model = Model()
    fed, axis = model.input("x", (1, 4)), model.tensor("axis", (2,), "int32")
    model.add("SUM", [fed, axis], [model.tensor("y", (1, 1))], {})
    model.buffers[2] = Fields({1: ("<Q", 2000), 2: ("<Q", 8)})
    path = tmp_path / "large.tflite"
    path.write_bytes(model.bytes().ljust(2000, b"\0") + struct.pack("<2i", -1, 5))
    whole = read_model(path)
    path.write_bytes(path.read_bytes()[:-1])
    cut = read_model(path)

    assert whole.integers(whole.subgraphs[0].tensors[1]) == (-1, 5)
    assert cut.integers(cut.subgraphs[0].tensors[1]) is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({0: ("<I", 2)}, "has TensorFlow Lite schema version 2; only version 3 is known"),
        ({0: ("<I", 3)}, r"holds no network \(no subgraph\)"),
        ({0: ("<I", 3), 2: [Fields({1: Ints("i", (0,))})]}, "inputs and outputs: refers to tensor 0, but there are 0"),
        ({0: ("<I", 3), 2: [Fields({2: Ints("i", (-1,))})]}, "inputs and outputs: refers to tensor -1"),
        ({0: ("<I", 3), 2: [Fields({3: [Fields({})]})]}, "an operator has the code 0, but the file has 0 codes"),
        (
            {0: ("<I", 3), 1: [Fields({})], 2: [Fields({3: [Fields({1: Ints("i", (-2,))})]})]},
            "ADD: refers to tensor -2, but there are 0; the file is damaged",
        ),
        (
            {0: ("<I", 3), 1: [Fields({})], 2: [Fields({3: [Fields({2: Ints("i", (-1,))})]})]},
            "ADD: refers to tensor -1, but there are 0; the file is damaged",
        ),
        (
            {0: ("<I", 3), 2: [Fields({0: [Fields({0: Ints("i", (1, -2)), 3: b"t"})]})]},
            r"tensor 't' has the shape \(1, -2\), which no tensor has",
        ),
        (
            {0: ("<I", 3), 2: [Fields({0: [Fields({0: Ints("i", (1,) * 9), 3: b"t"})]})]},
            r"tensor 't' has the shape \(1, 1, 1, 1, 1, 1, 1, 1\), which no tensor has",
        ),
    ],
)
def test_models_that_contradict_themselves(tmp_path, fields, message):
    """Sound tables that say what no model can be."""
    path = tmp_path / "net.tflite"
    path.write_bytes(written(Fields(fields)))

    with pytest.raises(InputError, match=message):
        read_model(path)
