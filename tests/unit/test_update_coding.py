"""The code of a tensor: it comes back exactly, and small differences take few bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from costmodel.errors import InputError
from costmodel.updates.coding import coded, decoded, difference, grouped, patterns, restored

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64")
WIDTHS = (1, 2, 4, 8)


def weights(count=4096, dtype="float32", seed=1):
    """Return weights as they are trained: normal, small."""
    return (np.random.default_rng(seed).normal(size=count) * 0.05).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_comes_back(dtype):
    """Alone and as a difference, to the last bit."""
    random = np.random.default_rng(2)
    old, new = (random.integers(0, 256, 999 * np.dtype(dtype).itemsize, np.uint8).tobytes() for _ in range(2))
    width = np.dtype(dtype).itemsize

    assert decoded(coded(new, width), width) == new
    assert decoded(coded(new, width, old), width, old) == new


@given(
    st.sampled_from(WIDTHS).flatmap(
        lambda width: st.tuples(
            st.just(width),
            arrays.arrays(f"<u{width}", (17,)),
            arrays.arrays(f"<u{width}", (17,)),
        )
    )
)
def test_any_bits_come_back(given_):
    """Whatever stands in the tensors, infinities and not-a-numbers of any kind too."""
    width, old, new = given_

    assert decoded(coded(new.tobytes(), width, old.tobytes()), width, old.tobytes()) == new.tobytes()


@pytest.mark.parametrize("width", WIDTHS)
def test_an_empty_tensor_comes_back(width):
    """Nothing is something to code."""
    assert decoded(coded(b"", width), width) == b""
    assert decoded(coded(b"", width, b""), width, b"") == b""


@pytest.mark.parametrize("width", WIDTHS)
def test_small_differences_become_small_numbers(width):
    """0, -1, 1, -2, 2 as 0, 1, 2, 3, 4, around any value, the largest too."""
    unsigned = np.dtype(f"u{width}")
    for base in (0, 1, 100, np.iinfo(unsigned).max):
        old = np.full(5, base, unsigned)
        new = old + np.array([0, -1, 1, -2, 2]).astype(unsigned)

        assert difference(new, old).tolist() == [0, 1, 2, 3, 4]
        assert restored(difference(new, old), old).tolist() == new.tolist()


def test_bytes_are_grouped_by_significance():
    """The lowest bytes of all elements, then the next."""
    assert grouped(patterns(bytes([1, 2, 3, 4, 5, 6]), 2), 2) == bytes([1, 3, 5, 2, 4, 6])


def test_the_same_again_takes_next_to_nothing():
    """A tensor that did not change is a run of zeros."""
    data = weights().tobytes()

    assert len(coded(data, 4, data)) < len(data) / 400


def test_a_few_changes_take_a_few_bytes():
    """One weight in a hundred."""
    old = weights()
    new = old.copy()
    new[::100] *= 1.5

    assert len(coded(new.tobytes(), 4, old.tobytes())) < len(coded(new.tobytes(), 4)) / 10


def test_fine_tuning_takes_less_than_the_tensor():
    """All weights moved by about one in ten thousand."""
    old = weights()
    new = old * (1 + 1e-4 * np.random.default_rng(5).normal(size=old.size)).astype("float32")

    assert len(coded(new.tobytes(), 4, old.tobytes())) < 0.6 * len(coded(new.tobytes(), 4))


def test_codes_are_no_shorter_than_their_entropy():
    """Bytes that carry eight bits each cannot be made shorter; deflate loses less than one in a thousand."""
    data = np.random.default_rng(3).integers(0, 256, 200_000, np.uint8).tobytes()

    assert len(data) <= len(coded(data, 1)) < len(data) * 1.001


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6])
def test_codes_of_few_values_are_near_their_entropy(bits):
    """Independent bytes of so many bits take that many, and one symbol in 2**bits one more, beside which the end is coded."""
    data = np.random.default_rng(bits).integers(0, 1 << bits, 100_000, np.uint8).tobytes()

    assert bits / 8 <= len(coded(data, 1)) / len(data) < (bits + 2**-bits + 0.03) / 8


def test_codes_are_the_same_on_every_run():
    """A size in a report does not move."""
    assert coded(weights().tobytes(), 4) == coded(weights().tobytes(), 4)


def test_a_damaged_code_is_refused():
    """One message instead of a traceback of zlib."""
    with pytest.raises(InputError, match="damaged"):
        decoded(coded(weights().tobytes(), 4)[:-20], 4)
