"""Links: the shipped ones, and what a file must hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.data import data_dir
from costmodel.errors import HardwareError
from costmodel.hardware.link_loading import link_names, load_link
from costmodel.hardware.profile import TIERS

GOOD = """\
name: radio
title: a radio of round numbers
bandwidth: 1 (0.5 to 2) MB/s | assumed | a round number
latency: 10 ms | assumed | a round number
receiver:
  active_power: 0.5 W | assumed | a round number
  energy: 100 nJ/B | assumed | a round number
  tail_time: 2 s | assumed | a round number
  tail_power: 0.25 W | assumed | a round number
"""


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def written(text, name="radio.yaml"):
    """Write a file and return its path."""
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def problems(text):
    """What is wrong with a file."""
    with pytest.raises(HardwareError) as caught:
        load_link(written(text))
    return caught.value.problems


# ---- shipped


def test_every_kind_of_link_is_there():
    """Phones, things, wires, clusters, and the ones of the published training."""
    assert {"lte", "5g", "wifi", "nb-iot", "ethernet-1g", "ethernet-10g", "gemini", "titan", "nvlink"} <= set(link_names())


@pytest.mark.parametrize("name", link_names())
def test_shipped_links_are_complete(name):
    """The name of its file, values within their ranges, a tier, a place, and every source in the bibliography."""
    link = load_link(name)

    assert link.name == name == link.file.stem
    for constant in link.constants():
        assert constant.low <= constant.value <= constant.high, constant
        assert constant.tier in TIERS
        assert len(constant.where) > 10
    cited = {constant.source for constant in link.constants()} - {"assumed"}
    assert {source.key for source in link.sources()} == cited
    assert all(re.fullmatch(r"https?://\S+", source.reference.split()[-1]) for source in link.sources())


@pytest.mark.parametrize("name", link_names())
def test_bandwidths_of_shipped_links_have_a_source(name):
    """What a link is chosen for is never merely assumed."""
    assert load_link(name).bandwidth_bytes_per_s.source != "assumed"


def test_places_name_no_machine():
    """Shipped data mention files of the sources, never paths of the machine they were written on."""
    for file in data_dir("link_profiles").glob("*.yaml"):
        assert not re.search(r"(^|\s)/(work|tmp|home|shared)\b", file.read_text()), file


def test_links_are_ordered_as_the_field_knows_them():
    """A thing is slower than a phone, a phone slower than a wire, a wire slower than GPUs beside each other."""
    order = ("nb-iot", "lte", "wifi", "5g", "ethernet-1g", "ethernet-10g", "titan", "gemini", "nvlink")
    rates = [load_link(name).bandwidth_bytes_per_s.value for name in order]

    assert rates == sorted(rates)


def test_ethernet_carries_the_payload_of_its_frames():
    """1460 bytes of TCP in 1518 + 8 + 12 on the wire."""
    for name, bits_per_s in (("ethernet-1g", 1e9), ("ethernet-10g", 1e10)):
        expected = bits_per_s / 8 * 1460 / (1518 + 8 + 12)
        assert load_link(name).bandwidth_bytes_per_s.value == pytest.approx(expected, rel=1e-3)


def test_titan_lies_between_copies_in_a_row_and_in_a_pipeline():
    """PCIe, Gemini and PCIe again, each at 6 GB/s; the value is the geometric mean of both ends."""
    rate, gemini = load_link("titan").bandwidth_bytes_per_s, load_link("gemini").bandwidth_bytes_per_s.value

    assert rate.low == pytest.approx(1 / (1 / 6e9 + 1 / gemini + 1 / 6e9))
    assert rate.high == gemini
    assert rate.value == pytest.approx((rate.low * rate.high) ** 0.5, rel=0.02)


# ---- files


def test_a_file_of_ones_own():
    """Every constant in base units, under its path in the file."""
    link = cm.load_link(written(GOOD))

    assert {c.name: c.value for c in link.constants()} == {
        "bandwidth": 1e6,
        "latency": 0.01,
        "receiver.active_power": 0.5,
        "receiver.energy": 1e5,
        "receiver.tail_time": 2.0,
        "receiver.tail_power": 0.25,
    }
    assert (link.bandwidth_bytes_per_s.low, link.bandwidth_bytes_per_s.high) == (5e5, 2e6)
    assert len(link.assumptions()) == 6
    assert link.sources() == ()


def test_a_source_of_ones_own():
    """An entry under sources is part of the bibliography."""
    text = GOOD.replace("1 (0.5 to 2) MB/s | assumed", "1 MB/s | mine")
    link = load_link(written(f"{text}sources:\n  mine:\n    title: My measurement\n    tier: measured\n"))

    assert [source.title for source in link.sources()] == ["My measurement"]
    assert link.bandwidth_bytes_per_s.tier == "measured"


def test_a_link_without_a_receiver():
    """What receiving costs may be unknown."""
    link = load_link(written(GOOD[: GOOD.index("receiver")]))

    assert link.receiver is None
    assert len(link.constants()) == 2


def test_a_name_and_a_path_are_both_taken():
    """A bare name is a shipped link, everything with a suffix a file."""
    written(GOOD)

    assert cm.load_link("radio.yaml").name == "radio"
    assert cm.load_link("lte").name == "lte"


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("bandwidth: 1 (0.5 to 2) MB/s | assumed | a round number\n", "", "radio.yaml:1:1: bandwidth: missing: add it"),
        ("1 (0.5 to 2) MB/s", "1 MB", "radio.yaml:3:1: bandwidth.value: '1 MB' is a number of bytes, not a bandwidth"),
        ("1 (0.5 to 2) MB/s", "0 MB/s", "0 MB/s is zero: write more than 0"),
        ("1 (0.5 to 2) MB/s | assumed", "1 MB/s | nobody", "'nobody' is not in the bibliography"),
        ("1 (0.5 to 2)", "1 (2 to 3)", "is above the value"),
        ("10 ms | assumed | a round number", "10 ms", "does not say where it comes from"),
        ("10 ms", "-10 ms", "is negative"),
        ("latency:", "latancy:", "unknown field (did you mean 'latency'?)"),
        ("  tail_time: 2 s | assumed | a round number\n", "", "receiver.tail_time: missing: add it (how long it stays awake"),
        ("tail_power", "tailpower", "known here are active_power, energy, tail_time, tail_power"),
        ("title: a radio of round numbers", "title: 3", "title: 3 given: write text"),
    ],
)
def test_mistakes_are_named_with_their_place(old, new, fragment):
    """Where, what, what was given, and what to do."""
    assert old in GOOD
    assert any(fragment in problem for problem in problems(GOOD.replace(old, new))), problems(GOOD.replace(old, new))


def test_a_file_of_other_things_is_quoted_briefly():
    """One line, however long the file."""
    (problem,) = problems("word " * 500)

    assert problem.startswith("radio.yaml:1:1: the single value 'word word ")
    assert len(problem) < 200


def test_all_mistakes_at_once():
    """One line each, in the order of the file."""
    text = GOOD.replace("10 ms", "10 kg").replace("0.5 W", "0.5 V")
    found = problems(text)

    assert [problem.split(": ")[0] for problem in found] == ["radio.yaml:4:1", "radio.yaml:6:3"]


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("ltee", "no link 'ltee' (did you mean 'lte'?)"),
        ("gone.yaml", "gone.yaml: no such file"),
        ("", "no link ''"),
        ("nets/x", "nets/x: no such file"),
    ],
)
def test_links_that_are_not_there(name, fragment):
    """The nearest name, or the path."""
    with pytest.raises(HardwareError, match=re.escape(fragment)):
        load_link(name)


# ---- commands


def run(*arguments):
    """Run the command line."""
    return CliRunner().invoke(cli, arguments)


def test_links_list():
    """Every shipped link with its bandwidth."""
    result = run("links", "list")

    assert result.exit_code == 0
    assert all(name in result.stdout for name in link_names())
    assert "1.625 MB/s" in result.stdout


def test_links_show():
    """Every constant with range and source; the bibliography where asked for."""
    plain, full = run("links", "show", "lte"), run("links", "show", "lte", "--sources")

    assert "receiver.tail_time = 10.2 s (5 to 10.2 s), measured, narayanan2021" in " ".join(plain.stdout.split())
    assert "doi.org" not in plain.stdout
    assert "doi.org/10.1145/2307636.2307658" in full.stdout


def test_links_show_refuses_what_is_none():
    """One line, exit code 2."""
    result = run("links", "show", "carrier-pigeon")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: no link 'carrier-pigeon'")
