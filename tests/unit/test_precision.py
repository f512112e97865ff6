"""Number formats: widths per operand and the multiplier a MAC is priced at."""

from __future__ import annotations

import pytest

from costmodel.errors import HardwareError, InputError
from costmodel.precision import Precision, parse_bits, precision
from tests.unit.machine import machine


def test_default_is_the_profiles_own():
    """Without a dtype the profile's default counts, with its accumulator width."""
    assert Precision("int8", 8, 8, 8, 32, "int8") == precision(machine())


def test_floating_point_accumulates_at_32_bits():
    """Partial sums of floating-point formats are 32 bits wide."""
    assert precision(machine(), "fp32") == Precision("fp32", 32, 32, 32, 32, "fp32")


def test_widths_per_operand_choose_the_narrowest_multiplier_that_holds_them():
    """4-bit weights and 8-bit activations use the int8 multiplier, 12-bit ones the next wider format."""
    narrow = precision(machine(), "int8", {"weight": 4})
    assert (narrow.weight_bits, narrow.ifmap_bits, narrow.mac_format) == (4, 8, "int8")
    assert precision(machine(), "int8", {"ifmap": 12}).mac_format == "fp32"


def test_partial_sums_are_never_narrower_than_outputs_unless_asked():
    """A wide ofmap widens the partial sums; an explicit width is taken as given."""
    assert precision(machine(), "int8", {"ofmap": 48}).psum_bits == 48
    assert precision(machine(), "int8", {"psum": 16}).psum_bits == 16


def test_name_tells_the_widths():
    """The name of a precision says what differs from the dtype."""
    assert precision(machine(), "int8", {"weight": 4}).name == "int8, weight 4 bit"


def test_parse_bits():
    """OPERAND=BITS pairs are read, spaces allowed."""
    assert parse_bits("weight=4, ifmap=8") == {"weight": 4, "ifmap": 8}


@pytest.mark.parametrize("text", ["", "weight", "weight=", "weight=4.5", "=4", "weight=4;ifmap=8"])
def test_bits_that_cannot_be_read(text):
    """Anything else is named and shown how to write."""
    with pytest.raises(InputError, match="OPERAND=BITS; write for example weight=4"):
        parse_bits(text)


def test_a_width_given_twice():
    """Two widths for one operand contradict each other."""
    with pytest.raises(InputError, match="--bits: weight is given twice; give one width per operand"):
        parse_bits("weight=4,weight=8")


def test_every_wrong_width_is_reported():
    """All problems with widths come at once."""
    with pytest.raises(InputError) as raised:
        precision(machine(), "int8", {"weights": 4, "ifmap": 0, "ofmap": 65, "psum": True})
    assert [text.split(";")[0] for text in raised.value.problems] == [
        "bits: 'weights' is not an operand",
        "bits: ifmap is 0 bits wide",
        "bits: ofmap is 65 bits wide",
        "bits: psum is True bits wide",
    ]


def test_unknown_dtype():
    """A dtype that is no number format is refused with the list."""
    with pytest.raises(InputError, match=r"dtype: 'int7' is not a number format; use one of int4, int8"):
        precision(machine(), "int7")


def test_format_the_hardware_lacks():
    """A format without a multiplier names those there are and the fields to add."""
    with pytest.raises(HardwareError, match=r"machine has no multiplier for fp16; it has int8, fp32: choose one with --dtype"):
        precision(machine(), "fp16")
    with pytest.raises(HardwareError, match=r"no multiplier for operands of 40 bits; its widest is fp32"):
        precision(machine(), "int8", {"weight": 40})
