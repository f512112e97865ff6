"""Lists of networks and profiles, one profile, published figures."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import pytest

from costmodel.hardware import load_hardware
from costmodel.report import render_document
from costmodel.report.catalogue import argument, checks, networks, number, percent, profile, profiles


@dataclass(frozen=True)
class Figure:
    """A published figure."""

    id: str = "alexnet-macs"
    quantity: str = "macs"
    expected: float = 100
    actual: float = 100
    relation: str = "="
    deviation_ratio: float = 0.0
    tolerance_ratio: float = 0.0
    ok: bool = True
    source: str = "a paper"
    place: str = "Table 1"
    why: str = ""


def build(version="1.0", *, classes=10, required):
    """Stand in for the build function of a network."""


def text(document, width=80):
    """Return a document as words, without line breaks."""
    return " ".join(render_document(document, width=width).split())


def test_networks_have_their_arguments_and_defaults():
    """Name, one line, every argument."""
    found = text(networks([("tiny", "A tiny network.", build)]))

    assert "tiny A tiny network. version=1.0, classes=10, required" in found


@pytest.mark.parametrize(
    ("name", "expected"), [("version", "version=1.0"), ("classes", "classes=10"), ("required", "required")]
)
def test_arguments_show_their_default(name, expected):
    """As a user writes them after the colon."""
    assert argument(inspect.signature(build).parameters[name]) == expected


def test_profiles_are_listed_with_what_is_assumed():
    """Name, hardware, format, memory, and how much of it rests on no source."""
    found = text(profiles([load_hardware("horowitz-45nm")]), 120)
    hardware = load_hardware("horowitz-45nm")

    assert "horowitz-45nm reference accelerator with the 45 nm energies" in found
    assert f"1 MiB {len(hardware.assumptions())} of {len(hardware.constants())}" in found


def test_a_profile_shows_every_constant():
    """Value, range, tier, source and place of each."""
    hardware = load_hardware("horowitz-45nm")
    found = text(profile(hardware, sources=False))

    for constant in hardware.constants():
        assert f"- {constant.name} = {constant.text}" in found
    assert "dram.read_energy = 160 pJ/B (160 to 325 pJ/B), literature, han2015: Figure 1" in found
    assert "static_power = 0 W, assumed: left out" in found
    assert "Sources" not in found


def test_a_profile_shows_its_bibliography_when_asked():
    """Each source once, with how its figures were seen."""
    found = text(profile(load_hardware("horowitz-45nm"), sources=True))

    assert "Sources" in found
    assert found.count("- han2015: ") == 1
    assert "(read: " in found


@pytest.mark.parametrize("name", ["snapdragon", "stm32h743"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_profiles_fit_the_terminal(name, width):
    """No line is longer than the terminal is wide."""
    lines = render_document(profile(load_hardware(name), sources=True), width=width).splitlines()

    assert [line for line in lines if len(line) > width] == []


def test_exact_figures_are_listed_first():
    """What is reproduced to the digit needs one number; what deviates needs both, and the reason."""
    found = text(
        checks(
            [
                Figure(),
                Figure("size", expected=240, actual=243.9, deviation_ratio=0.01625, tolerance_ratio=0.02, why="rounded"),
                Figure("bound", expected=90, actual=80, relation="<=", deviation_ratio=-0.111),
            ]
        )
    )

    assert "alexnet-macs 100" in found
    assert "size 240 243.9 1.6 % 2.0 % ok" in found
    assert "bound at most 90 80 -11.1 % - ok" in found
    assert "3 of 3 published figures reproduced." in found
    assert "- size: rounded" in found


def test_a_reason_is_told_once():
    """Figures that deviate for the same reason share its sentence."""
    whys = {"a": "x", "b": "y", "c": "x"}
    figures = [Figure(name, actual=99, deviation_ratio=-0.01, tolerance_ratio=0.02, why=why) for name, why in whys.items()]
    (block,) = checks(figures).notes

    assert block.sentences == ("a, c: x", "b: y")


def test_a_figure_that_is_not_reproduced_is_loud():
    """The verdict counts it, its line says it."""
    document = checks([Figure(), Figure("bad", actual=90, deviation_ratio=-0.1, ok=False)])

    assert "bad 100 90 -10.0 % WRONG" in text(document)
    assert "1 of 2 published figures reproduced." in text(document)
    assert document.summary[0].alarm


@pytest.mark.parametrize(("value", "expected"), [(60965224, "60,965,224"), (0.5, "0.5"), (3.14159265, "3.14159"), (0, "0")])
def test_figures_are_in_full(value, expected):
    """Whole numbers keep every digit."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.0, "-"), (-0.02, "-2.0 %"), (0.0001, "<0.1 %"), (-0.0001, "<0.1 %"), (1.5, "150.0 %")]
)
def test_deviations(ratio, expected):
    """Signed percent; tiny ones lose their sign, not their existence."""
    assert percent(ratio) == expected
