"""Sizes: what is accepted, what is refused, and what the refusal says."""

import numpy as np
import pytest

from costmodel.errors import NetworkError, ShapeError
from costmodel.graph import Graph
from costmodel.graph import shapes as sh


def message(call, error=ShapeError):
    """The text of the error a call raises."""
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


class TestAsDim:
    """One size, plain or per design point."""

    @pytest.mark.parametrize("value", [7, np.int64(7), np.int8(7), np.uint16(7), np.array(7), np.array([7])])
    def test_every_integer_type_becomes_int(self, value):
        """NumPy scalars and one-point arrays are plain integers."""
        found = sh.as_dim(value, "size")

        assert (type(found), found) == (int, 7)

    def test_arrays_become_int64(self):
        """Narrow arrays are widened before they can wrap."""
        found = sh.as_dim(np.array([1, 2], dtype=np.int16), "size")

        assert (found.dtype, found.tolist()) == (np.int64, [1, 2])

    @pytest.mark.parametrize("value", [0, -3, np.int64(0), np.array([0])])
    def test_scalars_must_be_positive(self, value):
        """Zero and negative sizes name the argument and the value."""
        assert (
            message(lambda: sh.as_dim(value, "kernel"))
            == f"kernel must be at least 1, got {int(np.max(value))}"
        )

    def test_arrays_obey_the_same_rule(self):
        """The message names the first design point that is wrong."""
        text = message(lambda: sh.as_dim(np.array([3, 0, -1]), "kernel"))

        assert text == "kernel must be at least 1, got -1 at design point 2"

    def test_zero_is_fine_where_allowed(self):
        """Padding may be zero, not negative."""
        assert sh.as_dim(0, "padding", least=0) == 0
        assert message(lambda: sh.as_dim(-1, "padding", least=0)) == "padding must be zero or more, got -1"

    @pytest.mark.parametrize("value", [1.0, 2.5, True, "3", None, np.array([1.0]), [1, 2.5], {}])
    def test_other_types_are_refused(self, value):
        """Floats, texts and truth values are not sizes."""
        assert "size must be an integer" in message(lambda: sh.as_dim(value, "size"))

    def test_two_axes_of_points_are_refused(self):
        """Design points are one axis."""
        text = message(lambda: sh.as_dim(np.ones((2, 3), dtype=np.int64), "size"))

        assert text == "size must hold one size per design point, got an array of shape (2, 3)"

    def test_no_points_are_refused(self):
        """An empty array describes no network."""
        assert "got an array of shape (0,)" in message(lambda: sh.as_dim(np.array([], dtype=int), "size"))

    @pytest.mark.parametrize("large", [2**31, 2**63, 2**200])
    def test_too_large_sizes_are_refused(self, large):
        """Products of two sizes must fit in 64 bits."""
        assert message(lambda: sh.as_dim(large, "size")) == f"size must be at most 2147483647, got {large}"

    @pytest.mark.parametrize("large", [2**31, 2**63])
    def test_too_large_sizes_in_arrays_are_refused(self, large):
        """Unsigned arrays do not slip through either."""
        text = message(lambda: sh.as_dim(np.array([1, large], dtype=np.uint64), "size"))

        assert text == f"size must be at most 2147483647, got {large} at design point 1"


class TestAsRatio:
    """A fraction, plain or per design point."""

    def test_scalars_become_float(self):
        """Integers are fine as fractions."""
        assert (sh.as_ratio(1, "pct"), type(sh.as_ratio(1, "pct"))) == (1.0, float)

    def test_arrays_become_float64(self):
        """Arrays keep their points."""
        assert sh.as_ratio(np.array([0, 1]), "pct").tolist() == [0.0, 1.0]

    @pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), float("inf")])
    def test_scalars_must_lie_within(self, value):
        """NaN is outside of everything."""
        assert message(lambda: sh.as_ratio(value, "pct")) == f"pct must lie in 0 .. 1, got {value:g}"

    def test_arrays_obey_the_same_rule(self):
        """The message names the first design point that is wrong."""
        text = message(lambda: sh.as_ratio(np.array([0.5, 9.0, np.nan]), "pct"))

        assert text == "pct must lie in 0 .. 1, got 9 at design point 1"

    @pytest.mark.parametrize("value", ["half", None, True, [[0.5]], []])
    def test_other_types_are_refused(self, value):
        """Texts, truth values and tables are not fractions."""
        assert "pct must be a number" in message(lambda: sh.as_ratio(value, "pct"))


class TestPerAxis:
    """One size per spatial axis."""

    def test_one_size_is_repeated(self):
        """A plain size serves all axes."""
        assert sh.per_axis(3, 2, "kernel") == (3, 3)

    def test_an_array_is_one_size(self):
        """An array of design points is one size, not one per axis."""
        points = np.array([1, 2, 3])

        assert [axis.tolist() for axis in sh.per_axis(points, 2, "kernel")] == [[1, 2, 3]] * 2

    def test_a_tuple_must_have_the_rank(self):
        """Two axes need two sizes."""
        text = message(lambda: sh.per_axis((3, 3, 3), 2, "kernel"))

        assert text == "kernel must have one entry per spatial axis (2), got (3, 3, 3)"

    def test_entries_are_checked(self):
        """Each entry is a size of its own."""
        assert message(lambda: sh.per_axis((3, 0), 2, "kernel")) == "kernel must be at least 1, got 0"


class TestPads:
    """Padding, as people write it."""

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (1, ((1, 1), (1, 1))),
            ((1, 2), ((1, 1), (2, 2))),
            (((1, 2), (3, 4)), ((1, 2), (3, 4))),
            ("valid", ((0, 0), (0, 0))),
            ("same", "same"),
        ],
    )
    def test_every_form(self, given, expected):
        """One size, one per axis, both sides of each axis, or a word."""
        assert sh.as_pads(given, 2) == expected

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            (-1, "padding must be zero or more, got -1"),
            ("full", 'padding must be sizes, "same" or "valid", got \'full\''),
            (((1, 2), 3), "padding must be (before, after) for each of 2 spatial axes, got ((1, 2), 3)"),
            (((1, 2),), "padding must be (before, after) for each of 2 spatial axes, got ((1, 2),)"),
            ((1, 2, 3), "padding must have one entry per spatial axis (2), got (1, 2, 3)"),
        ],
    )
    def test_every_refusal(self, given, text):
        """Each says what was given."""
        assert message(lambda: sh.as_pads(given, 2)) == text

    def test_same_puts_the_odd_element_behind(self):
        """TensorFlow's rule for an even input and stride 2."""
        assert sh.same_pads((224,), (3,), (2,), (1,)) == ((0, 1),)


class TestProduct:
    """Products are exact or refused."""

    def test_plain_integers(self):
        """Nothing, zero and large factors."""
        assert (sh.product(), sh.product(0, 5), sh.product(2**31, 2**31)) == (1, 0, 2**62)

    def test_plain_overflow(self):
        """A product beyond int64 is an error, not a number."""
        assert "do not fit in 64 bits" in message(lambda: sh.product(2**32, 2**31), NetworkError)

    def test_array_overflow(self):
        """One design point out of many suffices."""
        points = np.array([1, 2**32])

        assert "do not fit in 64 bits" in message(lambda: sh.product(points, 2**31), NetworkError)

    def test_sums_are_exact_or_refused(self):
        """Plain sums may grow, arrays must fit."""
        assert sh.total(2**63, 1) == 2**63 + 1
        assert sh.total(np.array([1, 2]), 3).tolist() == [4, 5]
        assert "do not fit" in message(lambda: sh.total(np.array([1, 2**62]), 2**62), NetworkError)

    def test_a_wrapped_size_is_refused(self):
        """A negative size can only come from an overflow."""
        assert message(lambda: sh.product(np.array([3, -3]), 2), NetworkError) == (
            "a size has left 64 bits; reduce the sizes"
        )

    def test_large_entries_at_different_points_are_fine(self):
        """Only sizes of the same design point multiply."""
        a, b = np.array([2**40, 1]), np.array([1, 2**40])

        assert sh.product(a, b).tolist() == [2**40, 2**40]


def test_shapes_print_ranges():
    """Design points print as a range, everything else as itself."""
    assert sh.format_shape((1, np.array([16, 64]), 55)) == "(1, [16..64], 55)"
    assert sh.format_shape((np.array([8, 8]),)) == "(8,)"


@pytest.mark.parametrize("shape", ["abc", 5, None, np.array([1, 2])])
def test_a_shape_is_a_tuple(shape):
    """Anything else is refused with its value."""
    assert "shape must be a tuple of sizes" in message(lambda: Graph("g").input("x", shape))


def test_an_input_names_its_bad_axis():
    """Which axis, and which input."""
    assert message(lambda: Graph("g").input("data", (1, 3, 0))) == "data: shape[2] must be at least 1, got 0"


def test_an_input_too_large_is_refused():
    """The elements of one tensor must fit."""
    text = message(lambda: Graph("g").input("data", (2**30, 2**30, 2**30)), NetworkError)

    assert text == "data: 1.238e+27 elements or operations do not fit in 64 bits; reduce the sizes"
