"""What the importers of channels-last files share: layouts, names, views, reused layers, a bounded reader."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from costmodel.errors import InputError, NetworkError
from costmodel.graph import Graph
from costmodel.graph.ops.convolution import Conv
from costmodel.graph.ops.normalization import BatchNorm
from costmodel.graph.ops.recurrent import Recurrent
from costmodel.graph.ops.streams import HalfBatchNorm, OneBias, Reused, Stream, Svdf
from costmodel.importers.channels_last import Sheet, Value, clean, crops, expect_window, first
from costmodel.importers.flatbuffer import Table
from tests.models.tflite.writer import Fields, Ints, written

PATH = Path("net.tflite")


def drawn(shape, *, channels_first: bool = False) -> tuple[Sheet, Value]:
    """A sheet with one input of the file's shape."""
    sheet = Sheet("net")
    tensor = sheet.graph.input("x", first(shape) if channels_first else shape)
    return sheet, Value(tensor, channels_first)


# ---- layouts


def test_shapes_are_told_in_the_order_of_the_file():
    """A tensor with channels first in the graph still has the file's shape."""
    _, value = drawn((1, 8, 6, 3), channels_first=True)

    assert value.tensor.shape == (1, 3, 8, 6)
    assert value.shape == (1, 8, 6, 3)


@pytest.mark.parametrize(("axis", "place"), [(0, 0), (1, 2), (2, 3), (3, 1), (-1, 1), (-3, 2)])
def test_axes_follow_the_layout(axis, place):
    """The last axis of the file is the second of the graph."""
    _, value = drawn((1, 8, 6, 3), channels_first=True)

    assert place == value.axis(axis)


@pytest.mark.parametrize("axis", [4, -5])
def test_axes_that_do_not_exist(axis):
    """An axis beyond the rank is refused."""
    _, value = drawn((1, 8, 6, 3))

    with pytest.raises(NetworkError, match="does not exist"):
        value.axis(axis)


def test_a_change_of_layout_is_a_view_made_once():
    """Going to the other layout moves no data, and going twice makes one layer."""
    sheet, value = drawn((1, 8, 6, 3))
    once, twice = sheet.spatial(value), sheet.spatial(value)

    assert once is twice
    assert once.shape == (1, 3, 8, 6)
    assert sheet.graph.table().status == ("free",)


def test_two_axes_have_no_layout():
    """(batch, channels) is the same either way."""
    sheet, value = drawn((1, 8))

    assert sheet.spatial(value) is sheet.plain(value) is value.tensor


def test_the_same_shape_is_no_layer():
    """A reshape to the shape that is there adds nothing."""
    sheet, value = drawn((1, 8, 6, 3), channels_first=True)

    assert sheet.reshaped("r", value, (1, 8, 6, 3), channels_first=True) is value
    assert sheet.reshaped("r", value, (1, 144)).shape == (1, 144)


def test_permuted_axes_are_those_of_the_file():
    """A transpose in the file's terms, whatever the graph's layout before and after."""
    sheet, value = drawn((1, 8, 6, 3), channels_first=True)

    assert sheet.permuted("t", value, (0, 3, 1, 2), channels_first=False).shape == (1, 3, 8, 6)
    assert sheet.permuted("t", value, (0, 2, 1, 3), channels_first=True).shape == (1, 6, 8, 3)


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 1, 1, 2), (0, 1, 2, 9)])
def test_permutations_name_each_axis_once(axes):
    """Missing, repeated and unknown axes are refused."""
    sheet, value = drawn((1, 8, 6, 3))

    with pytest.raises(NetworkError, match="each axis once"):
        sheet.permuted("t", value, axes, channels_first=False)


def test_operands_meet_in_one_layout():
    """Tensors of one rank take channels first if any has it; of several ranks, the file's order."""
    sheet, image = drawn((1, 8, 6, 3), channels_first=True)
    plain = Value(sheet.graph.input("y", (1, 8, 6, 3)))
    vector = Value(sheet.graph.input("z", (1, 3)))

    assert [t.shape for t in sheet.together([image, plain])[0]] == [(1, 3, 8, 6)] * 2
    assert [t.shape for t in sheet.together([image, vector])[0]] == [(1, 8, 6, 3), (1, 3)]


# ---- names and sizes


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("block/conv", "block/conv"),
        ("a\x00b\x1b[2Jc", "a_b_[2Jc"),
        ("<b>&\"'`", "_b_____"),
        ("/ ", ""),
        ("\u202eevil", "_evil"),
        ("x" * 500, "x" * 120),
        ("\ud800", "_"),
    ],
)
def test_names_are_cleaned(raw, name):
    """Letters, digits and harmless punctuation stay."""
    assert name == clean(raw)


def test_names_are_made_unique():
    """A second layer of one name is numbered; a nameless one has the fallback."""
    sheet = Sheet("net")

    assert [sheet.fresh("a"), sheet.fresh("a"), sheet.fresh("\n"), sheet.fresh("", "op")] == ["a", "a_2", "_", "op"]


@pytest.mark.parametrize(
    ("extent", "taps", "stride", "wanted", "found"),
    [(4, 3, 2, 8, ((0, 1), 0)), (4, 3, 2, 9, ((0, 0), 0)), (4, 1, 2, 8, ((0, 0), 1)), (5, 4, 1, 5, ((1, 2), 0))],
)
def test_crops_give_the_output_wanted(extent, taps, stride, wanted, found):
    """(extent - 1) stride + taps, less the crop, plus the extension."""
    pads, extra = crops((extent,), (taps,), (stride,), (wanted,))

    assert found == (pads[0], extra[0])
    assert (extent - 1) * stride + taps - sum(pads[0]) + extra[0] == wanted


def test_windows_are_bounded():
    """A window that no network has is refused before its taps are counted."""
    expect_window("pool", (3, 65_536))
    with pytest.raises(NetworkError, match="pool: a window of 65537 taps"):
        expect_window("pool", (3, 65_537))


# ---- operations


def row_of(op, shape):
    """Rows of one operation alone."""
    graph = Graph("net")
    graph.layer("op", op, graph.input("x", shape))
    return graph.table()


def test_streams_read_and_write_once():
    """A stream reads its inputs and writes outputs of the shapes declared."""
    table = row_of(Stream("tile", ((1, 4), (1, 2)), 7), (1, 3))

    assert [int(table[name][0, 0]) for name in ("ifmap_elems", "ofmap_elems", "other_ops", "macs")] == [3, 6, 7, 0]


def test_reused_layers_cost_the_same():
    """Everything but the parameters is that of the layer."""
    op = Conv.of(2, 8, 3)
    once, again, biased = (row_of(each, (1, 3, 6, 6)) for each in (op, Reused(op), Reused(op, 8)))

    assert [int(table.params[0, 0]) for table in (once, again, biased)] == [224, 0, 8]
    assert int(once.macs[0, 0]) == int(again.macs[0, 0])
    assert int(once.weight_elems[0, 0]) == int(again.weight_elems[0, 0])


def test_one_bias_per_gate():
    """Half the biases of a recurrent layer with two; the same products."""
    two, one = row_of(Recurrent.of("lstm", 8), (1, 5, 3)), row_of(OneBias("lstm", 8), (1, 5, 3))

    assert int(two.total("params")[0] - one.total("params")[0]) == 32
    assert int(two.total("macs")[0]) == int(one.total("macs")[0])
    assert int(two.total("other_ops")[0] - one.total("other_ops")[0]) == 5 * 32


def test_half_a_batch_norm():
    """One parameter per channel, folded where a whole one is."""
    half, whole = row_of(HalfBatchNorm(), (1, 6, 4, 4)), row_of(BatchNorm(), (1, 6, 4, 4))

    assert (int(half.params[0, 0]), int(whole.params[0, 0])) == (6, 12)


def test_svdf_is_two_products():
    """Features by filters, and filters by memory."""
    table = row_of(Svdf(units=8, rank=2, memory=10), (1, 40))

    assert table.names == ("op/feature", "op/time")
    assert table.macs[:, 0].tolist() == [640, 160]
    assert table.params[:, 0].tolist() == [640, 168]


# ---- the reader


def test_fields_are_read_back():
    """Numbers, texts, vectors and tables of a file; absent fields have their default."""
    inner = Fields({0: ("<i", -7)})
    data = written(Fields({0: ("<I", 3), 1: b"name", 2: Ints("q", (1, -2)), 3: [inner, inner], 5: inner}))
    table = Table.root(data, PATH)

    assert (table.number(0, "<I"), table.text(1), table.ints(2, "q")) == (3, "name", (1, -2))
    assert [entry.number(0, "<i") for entry in table.tables(3)] == [-7, -7]
    assert (table.number(4, "<i", 9), table.text(9), table.table(4), 5 in table, 4 in table) == (9, "", None, True, False)


def test_texts_that_are_no_utf8():
    """Bytes of another encoding are replaced, not refused."""
    assert Table.root(written(Fields({0: b"\xff\xfe"})), PATH).text(0) == "\ufffd\ufffd"


@pytest.mark.parametrize("length", [2**31, 2**32 - 1])
def test_vectors_end_within_the_file(length):
    """A vector that claims more entries than the file has bytes."""
    data = bytearray(written(Fields({0: Ints("i", (1, 2))})))
    struct.pack_into("<I", data, len(data) - 12, length)
    table = Table.root(bytes(data), PATH)

    with pytest.raises(InputError, match="damaged or truncated"):
        table.ints(0)


@pytest.mark.parametrize("start", [2**31, 2**32 - 1, 4_000])
def test_offsets_end_within_the_file(start):
    """A table beyond the end, and one before the start."""
    data = bytearray(written(Fields({0: ("<i", 1)})))
    struct.pack_into("<I", data, 0, start)

    with pytest.raises(InputError, match="damaged or truncated"):
        Table.root(bytes(data), PATH)
