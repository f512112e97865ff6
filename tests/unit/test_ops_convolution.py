"""Convolution and transposed convolution: shapes, rows and refusals."""

import numpy as np
import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph
from costmodel.graph.table import COUNTS, DIMENSIONS


def only_row(build, shape):
    """The only row of a graph of one layer, as plain values, with its output shape."""
    g = Graph("one")
    y = build(g, g.input("x", shape))
    table = g.table()
    assert len(table) == 1
    plain = {column: int(table[column][0, 0]) for column in DIMENSIONS + COUNTS}
    return plain | {"op": table.ops[0], "shape": y.shape, "streamed": bool(table.streamed[0])}


def message(build, shape):
    """The text of the ShapeError that a layer raises."""
    g = Graph("one")
    with pytest.raises(ShapeError) as caught:
        build(g, g.input("x", shape))
    return str(caught.value)


class TestConv:
    """Convolution over one to three axes."""

    def test_conv1_of_alexnet(self):
        """All columns of a plain layer."""
        row = only_row(lambda g, x: g.conv("c", x, 96, 11, 4), (1, 3, 227, 227))

        assert row == {
            "op": "conv", "shape": (1, 96, 55, 55), "streamed": False,
            "n": 1, "g": 1, "k": 96, "c": 3, "p": 55, "q": 55, "r": 11, "s": 11,
            "stride_h": 4, "stride_w": 4, "dilation_h": 1, "dilation_w": 1, "pad_top": 0, "pad_left": 0,
            "ifmap_h": 227, "ifmap_w": 227, "steps": 1,
            "params": 34848 + 96, "macs": 105415200, "other_ops": 290400,
            "weight_elems": 34848 + 96, "bias_elems": 96, "ifmap_elems": 3 * 227 * 227, "ofmap_elems": 290400,
        }  # fmt: skip

    def test_no_bias(self):
        """Neither parameters nor additions."""
        row = only_row(lambda g, x: g.conv("c", x, 4, 1, bias=False), (1, 3, 5, 5))

        assert (row["params"], row["bias_elems"], row["other_ops"]) == (12, 0, 0)

    def test_groups_divide_channels(self):
        """conv2 of AlexNet."""
        row = only_row(lambda g, x: g.conv("c", x, 256, 5, padding=2, groups=2), (1, 96, 27, 27))

        assert (row["g"], row["k"], row["c"]) == (2, 128, 48)
        assert (row["params"], row["macs"]) == (307456, 223948800)

    def test_depthwise_has_a_group_per_channel(self):
        """One filter per channel, or several."""
        row = only_row(lambda g, x: g.conv("c", x, 64, 3, padding=1, groups=32), (1, 32, 8, 8))

        assert (row["g"], row["k"], row["c"], row["macs"]) == (32, 2, 1, 64 * 64 * 9)

    def test_axes_have_their_own_windows(self):
        """Height and width differ in everything."""
        row = only_row(
            lambda g, x: g.conv("c", x, 4, (3, 5), (1, 2), ((0, 1), (2, 3)), (2, 1)), (1, 2, 20, 30)
        )

        assert row["shape"] == (1, 4, 17, 16)
        assert (row["r"], row["s"], row["stride_h"], row["stride_w"]) == (3, 5, 1, 2)
        assert (row["dilation_h"], row["dilation_w"], row["pad_top"], row["pad_left"]) == (2, 1, 0, 2)

    @pytest.mark.parametrize(("stride", "extent"), [(1, 15), (2, 8), (3, 5)])
    def test_same_padding(self, stride, extent):
        """As many outputs as strides fit."""
        row = only_row(lambda g, x: g.conv("c", x, 4, 4, stride, "same"), (1, 2, 15, 15))

        assert row["shape"] == (1, 4, extent, extent)

    def test_same_padding_puts_the_odd_element_behind(self):
        """Padding before is the smaller half."""
        row = only_row(lambda g, x: g.conv("c", x, 4, 4, 1, "same"), (1, 2, 15, 15))

        assert (row["pad_top"], row["pad_left"]) == (1, 1)

    def test_valid_padding_is_none(self):
        """The other word."""
        row = only_row(lambda g, x: g.conv("c", x, 4, 3, padding="valid"), (1, 2, 15, 15))

        assert row["shape"] == (1, 4, 13, 13)

    def test_only_touched_inputs_count(self):
        """A stride beyond the kernel skips rows; a remainder is never read."""
        skipping = only_row(lambda g, x: g.conv("c", x, 4, 1, 2), (1, 2, 8, 8))
        remainder = only_row(lambda g, x: g.conv("c", x, 4, 3, 2), (1, 2, 8, 8))

        assert skipping["ifmap_elems"] == 2 * 4 * 4
        assert remainder["ifmap_elems"] == 2 * 7 * 7

    def test_padding_is_never_read(self):
        """All of the input, nothing more."""
        row = only_row(lambda g, x: g.conv("c", x, 4, 5, padding=2), (1, 2, 8, 8))

        assert row["ifmap_elems"] == 2 * 64

    def test_one_axis_is_a_width(self):
        """Signals (N, C, L)."""
        row = only_row(lambda g, x: g.conv("c", x, 8, 5, 2, 2), (1, 4, 100))

        assert row["shape"] == (1, 8, 50)
        assert (row["p"], row["q"], row["r"], row["s"]) == (1, 50, 1, 5)
        assert (row["stride_h"], row["stride_w"], row["pad_top"], row["pad_left"]) == (1, 2, 0, 2)
        assert (row["ifmap_h"], row["ifmap_w"], row["macs"]) == (1, 100, 8 * 4 * 50 * 5)

    def test_three_axes_fold_their_depth(self):
        """Kernel depth into channels, output depth into the batch; counts stay exact."""
        row = only_row(
            lambda g, x: g.conv("c", x, 8, (3, 1, 2), padding=((1, 1), (0, 0), (0, 0)), bias=False),
            (2, 4, 8, 7, 6),
        )

        assert row["shape"] == (2, 8, 8, 7, 5)
        assert (row["n"], row["k"], row["c"]) == (16, 8, 12)
        assert (row["p"], row["q"], row["r"], row["s"]) == (7, 5, 1, 2)
        assert row["macs"] == 2 * 8 * 8 * 7 * 5 * 4 * 3 * 1 * 2
        assert row["weight_elems"] == 8 * 4 * 3 * 1 * 2
        assert row["ifmap_elems"] == 2 * 4 * 8 * 7 * 6
        assert row["ofmap_elems"] == 2 * 8 * 8 * 7 * 5

    @pytest.mark.parametrize(
        ("build", "shape", "text"),
        [
            (
                lambda g, x: g.conv("c", x, 4, 3),
                (1, 64),
                "c: needs axes (batch, channels, 1 to 3 spatial), but x gives (1, 64)",
            ),
            (
                lambda g, x: g.conv("c", x, 4, 3, groups=2),
                (1, 3, 8, 8),
                "c: groups 2 do not divide the input channels: x gives (1, 3, 8, 8)",
            ),
            (
                lambda g, x: g.conv("c", x, 5, 3, groups=2),
                (1, 4, 8, 8),
                "c: groups 2 do not divide the 5 output channels",
            ),
            (
                lambda g, x: g.conv("c", x, 4, 5, dilation=2),
                (1, 3, 8, 9),
                "c: the window is larger than the padded input on spatial axis 0: kernel 5, dilation 2, "
                "padding 0 + 0, but x gives (1, 3, 8, 9); use a smaller kernel, more padding or a larger input",
            ),
            (lambda g, x: g.conv("c", x, 0, 3), (1, 3, 8, 8), "c: out_channels must be at least 1, got 0"),
            (lambda g, x: g.conv("c", x, 4, 0), (1, 3, 8, 8), "c: kernel must be at least 1, got 0"),
            (lambda g, x: g.conv("c", x, 4, 3, -1), (1, 3, 8, 8), "c: stride must be at least 1, got -1"),
            (
                lambda g, x: g.conv("c", x, 4, 3, 1, -1),
                (1, 3, 8, 8),
                "c: padding must be zero or more, got -1",
            ),
            (
                lambda g, x: g.conv("c", x, 4, 3, dilation=0),
                (1, 3, 8, 8),
                "c: dilation must be at least 1, got 0",
            ),
            (
                lambda g, x: g.conv("c", x, 4, 3, groups=0),
                (1, 3, 8, 8),
                "c: groups must be at least 1, got 0",
            ),
            (
                lambda g, x: g.conv("c", x, 4, (3, 3, 3)),
                (1, 3, 8, 8),
                "c: kernel must have one entry per spatial axis (2), got (3, 3, 3)",
            ),
        ],
    )
    def test_refusals(self, build, shape, text):
        """Each mistake has its message."""
        assert message(build, shape) == text

    def test_a_design_point_too_small_is_named(self):
        """Windows that fit only some resolutions."""
        text = message(lambda g, x: g.conv("c", x, 4, 5), (1, 3, np.array([8, 4]), np.array([8, 4])))

        assert "but x gives (1, 3, [4..8], [4..8])" in text
        assert text.endswith("(first at design point 1)")

    def test_groups_that_fail_at_a_design_point(self):
        """Arrays of channels obey the same rule."""
        text = message(lambda g, x: g.conv("c", x, np.array([4, 6, 7]), 1, groups=2), (1, 2, 8, 8))

        assert text == "c: groups 2 do not divide the [4..7] output channels (first at design point 2)"


class TestConvTranspose:
    """Transposed convolution counts by its input."""

    def test_sub_pixel_equivalent(self):
        """Kernel 4, stride 2, padding 1: 2x2 taps on four times the channels."""
        row = only_row(lambda g, x: g.conv_transpose("t", x, 32, 4, 2, 1), (1, 16, 16, 16))

        assert (row["op"], row["shape"]) == ("conv_transpose", (1, 32, 32, 32))
        assert (row["k"], row["c"], row["p"], row["q"], row["r"], row["s"]) == (128, 16, 16, 16, 2, 2)
        assert (row["stride_h"], row["stride_w"]) == (1, 1)
        assert row["macs"] == 16 * 32 * 16 * 16 * 4 * 4 == 128 * 16 * 16 * 16 * 2 * 2
        assert row["params"] == 16 * 32 * 4 * 4 + 32
        assert row["ifmap_elems"] == 16 * 16 * 16
        assert row["other_ops"] == row["ofmap_elems"] == 32 * 32 * 32

    def test_counts_are_exact_where_the_stride_divides_nothing(self):
        """Kernel 3, stride 2: the nest is larger than the work, the counts are not."""
        row = only_row(
            lambda g, x: g.conv_transpose("t", x, 8, 3, 2, 1, output_padding=1, bias=False), (1, 4, 5, 7)
        )

        assert row["shape"] == (1, 8, 10, 14)
        assert row["macs"] == 4 * 8 * 5 * 7 * 9
        assert (row["params"], row["ofmap_elems"]) == (4 * 8 * 9, 8 * 10 * 14)

    def test_groups(self):
        """Four groups do a quarter of the work."""
        row = only_row(lambda g, x: g.conv_transpose("t", x, 32, 4, 2, 1, groups=4), (1, 16, 16, 16))

        assert (row["g"], row["c"], row["k"], row["macs"]) == (4, 4, 32, 524288)

    @pytest.mark.parametrize(
        ("shape", "output"), [((1, 4, 9), (1, 8, 18)), ((1, 4, 3, 5, 7), (1, 8, 6, 10, 14))]
    )
    def test_one_and_three_axes(self, shape, output):
        """Signals and volumes."""
        row = only_row(lambda g, x: g.conv_transpose("t", x, 8, 2, 2, bias=False), shape)
        taps = 2 ** (len(shape) - 2)
        nest = row["n"] * row["k"] * row["c"] * row["p"] * row["q"] * row["r"] * row["s"]

        assert row["shape"] == output
        assert row["macs"] == nest == int(np.prod(shape)) * 8 * taps
        assert row["weight_elems"] == 4 * 8 * taps

    def test_dilation_widens_the_output(self):
        """A dilated kernel scatters further."""
        row = only_row(lambda g, x: g.conv_transpose("t", x, 8, 3, 1, dilation=2), (1, 4, 5, 5))

        assert row["shape"] == (1, 8, 9, 9)

    @pytest.mark.parametrize(
        ("build", "text"),
        [
            (
                lambda g, x: g.conv_transpose("t", x, 8, 3, padding="same"),
                't: padding "same" is not defined for a transposed convolution; give sizes',
            ),
            (
                lambda g, x: g.conv_transpose("t", x, 8, 3, 2, output_padding=2),
                "t: output_padding 2 must be smaller than stride 2 or dilation 1",
            ),
            (
                lambda g, x: g.conv_transpose("t", x, 8, 3, 1, 4),
                "t: the padding crops the whole output on spatial axis 0: x gives (1, 4, 5, 5)",
            ),
            (
                lambda g, x: g.conv_transpose("t", x, 8, 3, groups=3),
                "t: groups 3 do not divide the input channels: x gives (1, 4, 5, 5)",
            ),
        ],
    )
    def test_refusals(self, build, text):
        """Each mistake has its message."""
        assert message(build, (1, 4, 5, 5)) == text


def test_an_operation_with_a_kernel_of_another_rank():
    """An operation built by hand meets a tensor of another rank."""
    from costmodel.graph.ops.convolution import Conv

    g = Graph("one")
    x = g.input("x", (1, 3, 8, 8))
    with pytest.raises(ShapeError, match="c: has a kernel for 1 spatial axes, but x gives"):
        g.layer("c", Conv.of(1, 4, 3), x)
