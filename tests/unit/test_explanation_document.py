"""The report of an explanation: every sentence about a larger memory, every fact, and what a table leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

import costmodel as cm
from costmodel.explanation import Explanation
from costmodel.explanation.enlarging import changes, drop, loops, sized
from costmodel.explanation.explanation import Drop, Spent, part_of
from costmodel.mapping.levels.loopnest import LoopNest
from costmodel.mapping.levels.price import priced
from costmodel.mapping.levels.rooms import Reach, Room
from costmodel.report.explanation_document import document, drop_text, facts, spent_cells
from tests.unit.machine import machine
from tests.unit.mapped import LAYER, mapped, nest, pair, tiles
from tests.unit.test_explanation import network

BEST = mapped(LAYER, pair(), nest())
SPENT = (
    Spent("dram", "weight", 2000.0, 0.0, 6e-9),
    Spent("glb", "weight", 0.0, 0.0, 0.0),
    Spent("glb", "ofmap", 0.0, 500.0, 1e-9),
)


def explanation(**options):
    """Return an explanation of round numbers: 7 nJ in memories, 2 in multipliers, 1 of static power."""
    found = Explanation(
        network="net", hardware="chip", layer="conv", objective="energy", joint=True, parts=(part_of(BEST, ()),), fed=(),
        spent=SPENT, arithmetic_j=2e-9, static_j=1e-9, energy_j=1e-8, latency_s=5e-6, overhead_s=1e-6,
        times_s={"compute": 4e-6, "dram": 3e-6, "glb": 0.0}, overlap=True,
    )  # fmt: skip
    return replace(found, **options)


def larger(**options):
    """Return a drop of a quarter with 8 more bytes, proved the least."""
    found = Drop("glb", None, 1024, 8, 7, 3072, 4000.0, 3000.0, ("tile of glb: k 8 instead of 4",))
    return replace(found, **options)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {},
            "With 8 more bytes in glb (of 1,024 B), energy 4 nJ would be energy 3 nJ, 25.0 % less: tile of glb: "
            "k 8 instead of 4.",
        ),
        (
            {"changes": ()},
            "With 8 more bytes in glb (of 1,024 B), energy 4 nJ would be energy 3 nJ, 25.0 % less: the same loops.",
        ),
        (
            {"changes": ("one", "two"), "operand": "ofmap", "size_bytes": 16},
            "With 8 more bytes in glb for ofmap (of 16 B), energy 4 nJ would be energy 3 nJ, 25.0 % less: one; two.",
        ),
        (
            {"proved_bytes": 6, "changes": ()},
            "With 8 more bytes in glb (of 1,024 B), energy 4 nJ would be energy 3 nJ, 25.0 % less: the same loops.",
        ),
        (
            {"proved_bytes": 5, "changes": ()},
            "With 8 more bytes (perhaps fewer, but more than 5) in glb (of 1,024 B), energy 4 nJ would be energy 3 nJ, "
            "25.0 % less: the same loops.",
        ),
        (
            {"more_bytes": None, "most_bytes": 0, "proved_bytes": 0},
            "glb of 1,024 B has room for the whole layer: no size lowers energy 4 nJ.",
        ),
        (
            {"more_bytes": None, "proved_bytes": 3072},
            "glb of 1,024 B: up to 3,072 more bytes do not lower energy 4 nJ.",
        ),
        (
            {"more_bytes": None, "proved_bytes": 100, "operand": "weight"},
            "glb for weight of 1,024 B: up to 100 more bytes do not lower energy 4 nJ; with more, the search takes too long "
            "to tell.",
        ),
    ],
)  # fmt: skip
def test_what_a_larger_memory_saves_is_a_sentence(options, text):
    """Found, found but perhaps not the least, none, none known, or nothing left to save."""
    assert drop_text(explanation(), larger(**options)) == text


@pytest.mark.parametrize(
    ("objective", "now", "then"),
    [
        ("energy", "energy 4 nJ", "energy 3 nJ"),
        ("dram_bytes", "off-chip 4 kB", "off-chip 3 kB"),
        ("latency", "latency 4 ks", "latency 3 ks"),
        ("edp", "energy x latency 4e-09 J s", "energy x latency 3e-09 J s"),
    ],
)
def test_what_is_saved_has_the_unit_of_the_objective(objective, now, then):
    """The same numbers as pJ, bytes, seconds and pJ s."""
    text = drop_text(explanation(objective=objective), larger())

    assert f", {now} would be {then}, 25.0 % less" in text


def test_boundaries_save_bytes_that_cross():
    """Without a mapping through all memories, what one of them lets through is named."""
    text = drop_text(explanation(joint=False, objective="dram_bytes"), larger(changes=()))

    assert text == (
        "With 8 more bytes in glb (of 1,024 B), bytes that cross to glb 4 kB would be 3 kB, 25.0 % less: the same loops."
    )


def test_the_document_has_its_sections_in_order():
    """Loop nest, accesses, multipliers, energy, time; what is to be read first is the facts, last the drops."""
    found = document(explanation(parts=(part_of(BEST, (larger(),)),)))

    assert found.title == "conv of net on chip"
    assert [block.title for block in found.details] == [
        "Loop nest", "Accesses [elements]", "Multipliers", "Energy", "Time: the slowest counts, then the overhead",
    ]  # fmt: skip
    assert [note.title for note in found.notes] == ["Next drop: the least room that saves anything"]
    assert found.details[0].sentences == tuple(str(BEST).splitlines())
    assert len(found.notes[0].sentences) == 1


def test_energy_is_by_memory_and_adds_up_to_the_total():
    """What moves nothing has no row; shares are of the whole layer."""
    table = document(explanation()).details[3]

    assert [row.cells for row in table.rows] == [
        ("dram", "weight", "2 kB", "0 B", "6 nJ", "60.0 %"),
        ("glb", "ofmap", "0 B", "500 B", "1 nJ", "10.0 %"),
        ("arithmetic", "", "", "", "2 nJ", "20.0 %"),
        ("static power", "", "", "", "1 nJ", "10.0 %"),
        ("total", "", "", "", "10 nJ", ""),
    ]
    assert [column.title for column in table.columns] == ["memory", "operand", "read", "written", "energy", "share"]


def test_no_static_power_has_no_row():
    """A profile without it says nothing of it."""
    table = document(explanation(static_j=0.0, spent=())).details[3]

    assert [row.cells[0] for row in table.rows] == ["arithmetic", "total"]


def test_names_of_memories_do_not_act_on_a_terminal():
    """A name from a profile is shown, not executed."""
    cells = spent_cells(explanation(), Spent("a\x1bb", "all", 1.0, 1.0, 1e-9))

    assert "\x1b" not in cells[0]


@pytest.mark.parametrize("overlap", [True, False])
def test_times_name_the_slowest(overlap):
    """Resources that take no time have no row; the overhead comes on top."""
    table = document(explanation(overlap=overlap)).details[4]

    assert [row.cells for row in table.rows] == [
        ("compute", "4 us", "slowest"), ("dram", "3 us", ""), ("overhead", "1 us", ""), ("total", "5 us", ""),
    ]  # fmt: skip
    assert table.title.startswith("Time: the slowest" if overlap else "Time: their sum")


def test_facts_say_what_was_minimised():
    """Searched through all memories, or at every boundary; given mappings stand beside the optimum."""
    searched, apart = facts(explanation()), facts(explanation(joint=False))
    compared = facts(explanation(optimum=replace(BEST, value=2e6), steps=3))

    assert searched.facts[0].value == apart.facts[0].value == "searched"
    assert searched.facts[0].detail == "mapped through all memories for energy"
    assert apart.facts[0].detail == "least bytes at every boundary by itself"
    assert [(one.label, one.value, one.detail) for one in compared.facts] == [
        ("mapping", "given", "mapped through all memories for energy"),
        ("optimum", "energy 2 uJ", "what the search finds"),
        ("energy", "10 nJ", "the nest is executed 3 times"),
        ("latency", "5 us", ""),
    ]


def test_each_boundary_has_a_heading_of_its_own():
    """Two nests of two memories are told apart by these."""
    found = cm.explain(network(), machine(2000, inner=200), "conv1")
    titles = [block.title for block in document(found).details]

    assert titles[:4] == [
        "Loop nest, dram to sram", "Accesses [elements]", "Loop nest, sram to rf", "Accesses [elements]",
    ]  # fmt: skip


@pytest.mark.parametrize(("double", "times"), [(False, 1), (True, 2)])
@pytest.mark.parametrize("reach", [Reach(110, 109), Reach(None, 400), Reach(120, 90)])
def test_sizes_are_told_as_the_memory_is_bought(double, times, reach):
    """What tiles need is doubled where one half is filled while the other is in use."""
    level = machine(200, double_buffered=double).levels[1]
    found = drop(level, Room(1, None, 100, 400), reach, 9.0, 8.0, ("x",))

    assert found.size_bytes == times * 100 == sized(level, 100)
    assert found.more_bytes == (None if reach.size_bytes is None else times * (reach.size_bytes - 100))
    assert (found.proved_bytes, found.most_bytes) == (max(times * (reach.proved_bytes - 100), 0), times * 300)
    assert (found.level, found.operand, found.value, found.then, found.changes) == ("sram", None, 9.0, 8.0, ("x",))


def test_a_memory_larger_than_the_layer_promises_no_negative_room():
    """Nothing is to be looked at beyond what it has."""
    found = drop(machine(200).levels[1], Room(1, None, 200, 50), Reach(None, 200), 9.0, 9.0, ())

    assert (found.most_bytes, found.proved_bytes) == (0, 0)


def test_changes_name_tiles_sides_loops_and_what_passes_by():
    """Each kind by the memory it is about, tiles first; the same nest changes nothing."""
    outer, inner = tiles(k=12, c=4, p=4, q=4), tiles()
    other = LoopNest((outer, inner), ("c", "kcpq"), {"c": (0, 2)}, (frozenset(), frozenset()))
    now, then = (priced(LAYER, pair(), one) for one in (nest(), other))

    assert list(changes(now, then)) == [
        "tile of glb: k 12 instead of 4, c 4 instead of 8",
        "tile of rf: k 1 instead of 2",
        "unrolled: k x 1 instead of 2",
        "loops around glb: c instead of k",
        "weight stays in glb",
        "loops around rf: k c p q instead of c p q",
    ]
    assert "weight passes by glb" in changes(then, now)
    assert changes(now, now) == changes(then, then) == ()
    assert [loops(then, number) for number in (0, 1)] == ["c", "k c p q"]


def test_no_loops_are_called_none():
    """A tile of the whole layer has no loop around it."""
    outer = tiles(k=12, c=8, p=4, q=4)
    whole = priced(LAYER, pair(), replace(nest(), tiles=(outer, tiles(k=2)), orders=("", "kcpq")))

    assert "loops around glb: none instead of k" in changes(priced(LAYER, pair(), nest()), whole)
    assert "loops around glb: k instead of none" in changes(whole, priced(LAYER, pair(), nest()))
