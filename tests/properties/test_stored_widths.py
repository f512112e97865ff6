"""Stored widths, whatever they are: bytes follow elements and bits, and what is asked for does not depend on the file."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from costmodel.analysis import analysis_of
from costmodel.graph import Graph, StoredWidths
from tests.unit.machine import machine

BITS = st.sampled_from((2, 4, 8, 16, 32))
PRODUCTS = st.tuples(BITS, BITS, st.just("fp")) | st.tuples(BITS, BITS, st.just("int")).filter(lambda w: max(w[:2]) < 32)
WIDTHS = st.builds(lambda product, ofmap: StoredWidths(*product[:2], ofmap, product[2]), PRODUCTS, BITS)
LAYERS = st.lists(st.tuples(st.integers(1, 9), WIDTHS), min_size=1, max_size=4)


def stack(layers, *, stored):
    """Build fully connected layers one behind the other."""
    graph = Graph("stack")
    x = graph.input("x", (1, 7))
    for index, (features, _) in enumerate(layers):
        x = graph.linear(f"fc{index}", x, features)
    if stored:
        graph.store({f"fc{index}": widths for index, (_, widths) in enumerate(layers)})
    return graph


@given(LAYERS)
def test_bytes_are_elements_times_bits(layers):
    """Every operand of every layer, rounded up to whole bytes; a file in single precision throughout says nothing."""
    analysis = analysis_of(stack(layers, stored=True), machine(), 1, None, None)
    plain = all(widths.plain for _, widths in layers)
    inputs = [7, *(features for features, _ in layers)]

    assert analysis.precision.as_stored is not plain
    for layer, (features, widths), channels in zip(analysis.layers, layers, inputs, strict=False):
        bits = (8, 8, 8) if plain else widths[:3]
        elems = ((channels + 1) * features, channels, features)
        found = (layer.weight_bytes, layer.ifmap_bytes, layer.ofmap_bytes)
        assert found == tuple(ceil(count * width / 8) for count, width in zip(elems, bits, strict=True))


@given(LAYERS, st.sampled_from(("int8", "fp32")), st.none() | st.fixed_dictionaries({"weight": st.sampled_from((4, 8))}))
def test_what_is_asked_for_does_not_depend_on_the_file(layers, dtype, bits):
    """With a dtype every column is that of the network without a file."""
    stored, plain = (analysis_of(stack(layers, stored=s), machine(), 1, dtype, bits) for s in (True, False))

    assert stored.values == plain.values
    assert stored.precision == plain.precision


@given(LAYERS)
def test_parts_of_mixed_formats_make_the_whole(layers):
    """Terms by format sum to the energy of each layer, and each layer's operations are in one of them."""
    estimate = analysis_of(stack(layers, stored=True), machine(), 1, None, None).estimate
    split = sum(estimate.operations_at(form) for form in estimate.formats)

    assert (split == estimate.operations).all()
    assert [term.part for term in estimate.terms].count("mac") == len(estimate.formats)
