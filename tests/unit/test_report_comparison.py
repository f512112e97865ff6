"""The report of a comparison: side by side, why, what fits, at which batch, and how certain."""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod

import pytest

from costmodel.comparison import Cause, Crossover, Factor
from costmodel.report import document_of, render
from costmodel.report.comparison_document import (
    byte_prices,
    certainty,
    crossover,
    document,
    headline,
    in_short,
    kept_on_chip,
    unknowns,
)
from costmodel.report.comparison_names import both, by_hardware, number, subject, title
from costmodel.report.comparison_tables import (
    INLINE,
    QUANTITIES,
    causes,
    fits,
    quantity_column,
    ratio_in,
    side_by_side,
    sweep,
    two_words,
    why,
)
from tests.golden.samples import comparison


def cells(table):
    """Return a table as {first cell: other cells}."""
    return {row.cells[0].strip(): row.cells[1:] for row in table.rows}


# ---- names


def test_networks_on_one_machine_are_named_by_their_network():
    """What all share is in the title and nowhere else."""
    assert [subject(comparison(), a) for a in comparison().analyses] == ["large", "small"]
    assert title(comparison()) == "large and small on machine0, int8, batch 1, layer by layer"


def test_hardware_is_named_where_it_differs():
    """One network on two machines."""
    grid = comparison(1, 2)

    assert [subject(grid, a) for a in grid.analyses] == ["large (machine0)", "large (machine1)"]
    assert title(grid) == "large on machine0 and machine1, int8, batch 1, layer by layer"


def test_formats_are_named_where_they_differ():
    """One format per network."""
    mixed = comparison(2, 1, ("fp32", "int8"))

    assert [subject(mixed, a) for a in mixed.analyses] == ["large (fp32)", "small (int8)"]
    assert title(mixed) == "large and small on machine0, fp32 and int8, batch 1, layer by layer"


def test_analyses_are_grouped_by_profile():
    """Assumptions are listed once per machine."""
    groups = by_hardware(comparison(2, 2))

    assert [[a.network for a in group] for group in groups] == [["large", "small"], ["large", "small"]]
    assert [group[0].hardware.name for group in groups] == ["machine0", "machine1"]


def test_an_analysis_is_found_by_identity():
    """Equal networks on equal machines are still two analyses."""
    grid = comparison(2, 2)

    assert [number(grid, a) for a in grid.analyses] == [0, 1, 2, 3]


# ---- side by side


def test_few_analyses_stand_side_by_side_with_their_ratio():
    """One column per analysis, the ratio behind every other one."""
    (table,) = side_by_side(comparison(3))

    assert [column.title for column in table.columns] == ["", "large", "small", "ratio", "smaller", "ratio"]
    assert [row.cells[0] for row in table.rows] == [quantity.name for quantity in QUANTITIES]


def test_ratios_are_those_of_the_library():
    """Baseline over other, three digits."""
    pair = comparison().pairs[0]
    (table,) = side_by_side(comparison())
    found = cells(table)

    assert float(found["parameters"][2].removesuffix("x")) == pytest.approx(pair.ratios["params"], rel=0.01)
    assert float(found["energy"][2].removesuffix("x")) == pytest.approx(pair.ratios["energy_j"], rel=0.01)
    assert found["weights"][2] == ""


def test_many_analyses_stand_below_each_other():
    """One line per analysis, and ratios in a table of their own."""
    grid = comparison(2, 2)
    totals, ratios = side_by_side(grid)

    assert len(grid.analyses) > INLINE
    assert [row.cells[0] for row in totals.rows] == [subject(grid, a) for a in grid.analyses]
    assert len(ratios.rows) == len(grid.pairs)


def test_parts_are_named_with_their_whole_in_a_header():
    """A column called "at least" would say nothing."""
    names = [f"{c.title} {c.unit}".strip() for c in map(quantity_column, QUANTITIES)]

    assert len(names) == len(set(names))
    assert {"energy at least", "latency at most", "off-chip compulsory"} <= set(names)


def test_two_words():
    """A long name takes two lines of a header."""
    assert [two_words(name) for name in ("energy at least", "MACs")] == [("energy", "at least"), ("MACs", "")]


def test_a_ratio_to_nothing():
    """Infinite ratios are shown as such."""
    pair = replace(comparison().pairs[0], ratios={"params": inf})

    assert ratio_in(pair)(QUANTITIES[0]) == "infx"


# ---- why


def test_factors_multiply_to_the_ratio():
    """The last line is the product, and the product is the ratio of the off-chip energies."""
    pair = comparison().pairs[0]
    total = why(comparison(), pair).rows[-1]

    assert prod(factor.ratio for factor in pair.factors) == pytest.approx(pair.ratios["energy_off_chip_j"])
    assert (total.cells[0], total.cells[1], total.style) == ("off-chip energy", total.cells[2], "total")


def test_factors_that_make_no_difference_are_one_line():
    """Equal ingredients are named together."""
    pair = replace(
        comparison().pairs[0],
        factors=(Factor("weights", 2.0, "4 against 2"), Factor("bits", 1.0, ""), Factor("memory", 1.0 + 1e-12, "")),
    )
    rows = [row.cells for row in why(comparison(), pair).rows]

    assert rows[:2] == [("weights", "2.00x", "2.00x", "4 against 2"), ("no difference", "1.00x", "", "bits, memory")]


def test_the_title_says_what_is_explained():
    """Which network spends how many times the off-chip energy of which."""
    pair = comparison().pairs[0]

    assert why(comparison(), pair).title.startswith("Why large spends ")
    assert why(comparison(), pair).title.endswith(" the off-chip energy of small")


def test_modules_that_cause_it():
    """The modules of both networks that move most."""
    (table,) = causes(comparison())

    assert table.rows[0].cells[:2] == (comparison().pairs[0].causes[0].group, comparison().pairs[0].causes[0].network)


def test_the_same_network_twice_has_no_causing_modules():
    """On two machines the modules are the same; their table would say nothing."""
    assert list(causes(comparison(1, 2))) == []


def test_hostile_module_names():
    """A control character in a module's name is shown as its escape."""
    pair = replace(comparison().pairs[0], causes=(Cause("net\x1b", "mod\x1b", 10, 0.5),))
    object.__setattr__(changed := replace(comparison()), "pairs", (pair,))
    (table,) = causes(changed)

    assert table.rows[0].cells == ("mod\\x1b", "net\\x1b", "10 B", "50.0 %")


# ---- what fits, batch


def test_what_fits():
    """A megabyte holds both networks whole: with residency only inputs and outputs cross, and less never does."""
    found = cells(fits(comparison()))

    assert found["large"][2:] == ("1.049 MB", "186.8 kB", "778 B", "778 B", "778 B")
    assert found["small"][2:] == ("1.049 MB", "19.57 kB", "778 B", "778 B", "778 B")


def test_the_sweep_has_one_line_per_batch():
    """Bytes per input and the ratio, for every batch of the library's sweep."""
    table = sweep(comparison())

    assert [row.cells[0] for row in table.rows] == [str(point.batch) for point in comparison().batch_sweep]
    assert [column.title for column in table.columns] == ["batch", "large", "small", "ratio"]


def test_the_sweep_of_many_has_one_line_per_analysis():
    """Batches become columns."""
    table = sweep(comparison(2, 2))

    assert len(table.rows) == 4
    assert [column.unit for column in table.columns[1:]] == [str(point.batch) for point in comparison().batch_sweep]


def test_a_crossover_is_put_into_words():
    """From which batch on which network moves fewer bytes."""
    pair = comparison().pairs[0]

    found = crossover(comparison(), pair, Crossover("a", "b", 9, 8))

    assert found == (
        "From batch 9 on (by compulsory bytes: from 8), large moves fewer off-chip bytes per input than small."
    )


def test_no_crossover_is_said_as_well():
    """The order that never turns is a finding, not a gap."""
    found = crossover(comparison(), comparison().pairs[0], Crossover("a", "b", None, None))

    assert found == "The order of large and small by off-chip bytes per input is the same at every batch up to 1024."


# ---- in short


def test_the_headline_leaves_out_what_is_equal():
    """Ratios of one are no news; where all are one there is no headline."""
    pair = comparison().pairs[0]
    same = dict.fromkeys(pair.ratios, 1.0)

    assert list(headline(comparison(), replace(pair, ratios=same))) == []
    assert list(headline(comparison(), replace(pair, ratios={**same, "macs": 2.0}))) == [
        "large has 2.00 times the MACs of small."
    ]


@pytest.mark.parametrize(
    ("ratio", "certain", "expected"),
    [
        (2.0, True, "Certain: large spends more energy than small for every value"),
        (0.5, True, "Certain: small spends more energy than large for every value"),
        (2.0, False, "Not certain: large spends more energy than small, but some values"),
    ],
)
def test_certainty_names_the_hungrier_one(ratio, certain, expected):
    """The claim follows the ratio, the certainty the library."""
    pair = replace(comparison().pairs[0], ratios={"energy_j": ratio}, certain=certain)

    assert certainty(comparison(), pair).startswith(expected)


def test_what_would_cross_if_the_hardware_kept_what_fits():
    """Both fit whole: the same inputs and outputs remain."""
    (sentence,) = kept_on_chip(comparison(), comparison().pairs[0])

    assert sentence.endswith("large would need 1.00 times the off-chip bytes of small: 778 B against 778 B.")


def test_nothing_is_said_where_nothing_fits():
    """Without room on chip the same crosses as layer by layer."""
    nothing = tuple(replace(fit, resident_bytes=fit.layer_bytes) for fit in comparison().fits)
    object.__setattr__(changed := replace(comparison()), "fits", nothing)

    assert list(kept_on_chip(changed, changed.pairs[0])) == []


def test_the_price_of_a_byte_is_told_once_per_machine():
    """Two networks on one machine pay the same price."""
    assert list(byte_prices(comparison())) == [
        "On machine0 reading one byte off chip costs 100 pJ, one int8 MAC 1 pJ: a 32-bit word costs as much as 400 MACs."
    ]
    assert len(list(byte_prices(comparison(2, 2)))) == 2


def test_in_short_covers_every_pair():
    """Each other analysis has its headline and its certainty."""
    sentences = in_short(comparison(3)).sentences

    for other in ("small", "smaller"):
        assert any(s.startswith("large has ") and s.endswith(f" of {other}.") for s in sentences)


# ---- the whole


def test_unknown_layers_name_their_network():
    """No alarm where every layer is known."""
    assert [block.sentences for block in unknowns(comparison())] == [(), ()]


def test_assumptions_are_told_once_per_machine():
    """One list of assumptions for one machine, one each for two."""
    one = [block.title for block in document(comparison()).notes]
    two = [block.title for block in document(comparison(2, 2)).notes]

    assert sum("assumed" in name for name in one) == 1
    assert [name.partition(":")[0] for name in two] == ["machine0", "machine1", "machine0", "machine1"]


def test_both_names_of_a_pair():
    """Baseline first."""
    assert both(comparison(), comparison().pairs[0]) == ("large", "small")


def test_the_document_is_chosen_by_the_result():
    """Analyses and comparisons have documents of their own."""
    assert document_of(comparison()).title == title(comparison())


def test_repr_is_the_report():
    """The repr of a comparison is what the command line prints."""
    assert repr(comparison()) == render(comparison(), "text")
