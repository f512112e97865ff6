"""Concat, views, slices, transposes, padding, interpolation."""

import numpy as np
import pytest

from costmodel.errors import ShapeError
from costmodel.graph import Graph


def built(build, *shapes):
    """Output shape of a graph of one layer, and its last row's op, status and counts."""
    g = Graph("some")
    y = build(g, *[g.input(f"x{i}", shape) for i, shape in enumerate(shapes)])
    table = g.table()
    counts = tuple(int(table[name][-1, 0]) for name in ("ifmap_elems", "ofmap_elems", "other_ops"))
    return y.shape, (table.ops[-1], table.status[-1], *counts)


def message(build, *shapes):
    """The text of the ShapeError that a layer raises."""
    with pytest.raises(ShapeError) as caught:
        built(build, *shapes)
    return str(caught.value)


class TestConcat:
    """Joining along one axis."""

    @pytest.mark.parametrize(("axis", "shape"), [(1, (1, 6, 3)), (-2, (1, 6, 3))])
    def test_sizes_add_up(self, axis, shape):
        """Negative axes count from the end."""
        assert built(lambda g, a, b: g.concat("cat", a, b, axis=axis), (1, 2, 3), (1, 4, 3))[0] == shape

    def test_one_input_is_fine(self):
        """As some exporters write it."""
        assert built(lambda g, a: g.concat("cat", a), (1, 2, 3))[0] == (1, 2, 3)

    def test_disagreeing_layers_are_named(self):
        """Which layer gives which shape."""

        def build(g, x):
            a = g.conv("fire2/expand1x1", x, 64, 1)
            return g.concat("fire2/concat", a, g.conv("fire2/expand3x3", x, 64, 2))

        assert message(build, (1, 16, 55, 55)) == (
            "fire2/concat: inputs disagree outside axis 1: fire2/expand1x1 gives (1, 64, 55, 55), "
            "fire2/expand3x3 gives (1, 64, 54, 54); give their layers the same kernel, stride and padding "
            "arithmetic"
        )

    def test_other_refusals(self):
        """Another rank, a missing axis, nothing at all."""
        assert "inputs disagree outside axis 1" in message(
            lambda g, a, b: g.concat("cat", a, b), (1, 2, 3), (1, 2)
        )
        assert message(lambda g, a: g.concat("cat", a, axis=3), (1, 2, 3)) == (
            "cat: axis 3 does not exist: x0 gives (1, 2, 3)"
        )
        assert message(lambda g: g.concat("cat")) == "cat: needs at least 1 input, got 0"


class TestViews:
    """Operations that rename elements."""

    @pytest.mark.parametrize(
        ("start", "shape"), [(1, (2, 60)), (0, (120,)), (2, (2, 3, 20)), (-2, (2, 3, 20))]
    )
    def test_flatten(self, start, shape):
        """From an axis on."""
        found, row = built(lambda g, x: g.flatten("flat", x, start), (2, 3, 4, 5))

        assert (found, row) == (shape, ("flatten", "free", 0, 0, 0))

    @pytest.mark.parametrize(
        ("wanted", "shape"),
        [((2, 60), (2, 60)), ((2, -1, 4), (2, 15, 4)), ([-1], (120,)), ((1, 120), (1, 120))],
    )
    def test_reshape(self, wanted, shape):
        """With at most one free size."""
        found, row = built(lambda g, x: g.reshape("view", x, wanted), (2, 3, 4, 5))

        assert (found, row) == (shape, ("reshape", "free", 0, 0, 0))

    def test_reshape_of_design_points(self):
        """The free size can vary."""
        found, _ = built(lambda g, x: g.reshape("view", x, (1, 2, -1)), (1, np.array([4, 6])))

        assert found[2].tolist() == [2, 3]

    @pytest.mark.parametrize(
        ("wanted", "text"),
        [
            ((2, 61), "view: cannot hold the same elements in (2, 61): x0 gives (2, 60)"),
            ((7, -1), "view: cannot hold the same elements in (7, -1): x0 gives (2, 60)"),
            ((-1, -1), "view: shape may hold -1 once, got (-1, -1)"),
            ((2, 0), "view: shape must be at least 1, got 0"),
            ((2, -3), "view: shape must be at least 1, got -3"),
            (5, "view: shape must be a tuple of sizes, got 5"),
        ],
    )
    def test_reshape_refusals(self, wanted, text):
        """Each mistake has its message."""
        assert message(lambda g, x: g.reshape("view", x, wanted), (2, 60)) == text

    @pytest.mark.parametrize(
        ("bounds", "size"), [((1,), 9), ((1, 4), 3), ((0, None, 3), 4), ((-3,), 3), ((1, -1, 2), 4)]
    )
    def test_slice(self, bounds, size):
        """Python's bounds."""
        found, row = built(lambda g, x: g.slice("part", x, 1, *bounds), (1, 10, 4))

        assert (found, row) == ((1, size, 4), ("slice", "free", 0, 0, 0))

    def test_slice_at_design_points(self):
        """A bound can vary, and so can its size."""
        found, _ = built(lambda g, x: g.slice("part", x, 1, np.array([0, 2]), np.array([5, 9])), (1, 10))

        assert found[1].tolist() == [5, 7]

    @pytest.mark.parametrize("bounds", [(5, 5), (6, 2), (0, 11), (-11,)])
    def test_slice_refusals(self, bounds):
        """Empty or outside."""
        text = message(lambda g, x: g.slice("part", x, 1, *bounds), (1, 10))

        assert text.startswith("part: slice ")
        assert text.endswith("of axis 1 is empty or outside: x0 gives (1, 10)")

    def test_slice_step_is_checked(self):
        """Steps go forward."""
        assert message(lambda g, x: g.slice("part", x, 1, 0, 5, -1), (1, 10)) == (
            "part: step must be at least 1, got -1"
        )

    def test_dropout(self):
        """The identity."""
        assert built(lambda g, x: g.dropout("drop", x), (1, 10)) == ((1, 10), ("dropout", "free", 0, 0, 0))


class TestCopies:
    """Operations that move every element."""

    def test_transpose(self):
        """Read once, written once, nothing computed."""
        found, row = built(lambda g, x: g.transpose("swap", x, (0, 2, -2)), (1, 3, 4))

        assert (found, row) == ((1, 4, 3), ("transpose", "counted", 12, 12, 0))

    @pytest.mark.parametrize("axes", [(0, 1), (0, 1, 1), (2, 1, 0, 0)])
    def test_transpose_refusals(self, axes):
        """Each axis once."""
        text = message(lambda g, x: g.transpose("swap", x, axes), (1, 3, 4))

        assert text == f"swap: axes must name each axis once, got {axes}: x0 gives (1, 3, 4)"

    @pytest.mark.parametrize(
        ("padding", "shape"), [(1, (1, 2, 6, 7)), ((1, 0), (1, 2, 6, 5)), (((0, 1), (2, 0)), (1, 2, 5, 7))]
    )
    def test_pad(self, padding, shape):
        """Padding as convolution takes it."""
        found, row = built(lambda g, x: g.pad("pad", x, padding), (1, 2, 4, 5))

        assert (found, row) == (shape, ("pad", "counted", 40, int(np.prod(shape)), 0))

    def test_pad_refusals(self):
        """Sizes only, for tensors with space."""
        assert message(lambda g, x: g.pad("pad", x, "same"), (1, 2, 4, 5)) == (
            'pad: padding "same" needs a window; give sizes'
        )
        assert message(lambda g, x: g.pad("pad", x, -1), (1, 2, 4, 5)) == (
            "pad: padding must be zero or more, got -1"
        )

    @pytest.mark.parametrize(
        ("arguments", "shape", "per_elem"),
        [
            ({"factor": 2}, (1, 2, 8, 10), 0),
            ({"factor": (1, 3)}, (1, 2, 4, 15), 0),
            ({"size": (7, 9)}, (1, 2, 7, 9), 0),
            ({"factor": 2, "mode": "bilinear"}, (1, 2, 8, 10), 7),
            ({"factor": 2, "mode": "linear"}, (1, 2, 8, 10), 7),
            ({"factor": 2, "mode": "bicubic"}, (1, 2, 8, 10), 31),
        ],
    )
    def test_upsample(self, arguments, shape, per_elem):
        """By a factor or to a size; taps of the interpolation are other operations."""
        elems = int(np.prod(shape))
        found, row = built(lambda g, x: g.upsample("up", x, **arguments), (1, 2, 4, 5))

        assert (found, row) == (shape, ("upsample", "counted", 40, elems, per_elem * elems))

    def test_trilinear(self):
        """Eight taps for a volume."""
        _, row = built(lambda g, x: g.upsample("up", x, 2, mode="trilinear"), (1, 1, 2, 2, 2))

        assert row[-1] == 15 * 64

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({}, "up: needs either factor or size"),
            ({"factor": 2, "size": 8}, "up: needs either factor or size"),
            ({"factor": 0}, "up: factor must be at least 1, got 0"),
            (
                {"factor": 2, "mode": "area"},
                "up: mode must be one of nearest, linear, bilinear, cubic, bicubic, got 'area'",
            ),
        ],
    )
    def test_upsample_refusals(self, arguments, text):
        """Each mistake has its message."""
        assert message(lambda g, x: g.upsample("up", x, **arguments), (1, 2, 4, 5)) == text
