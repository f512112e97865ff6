"""The report of an update: bytes, deliveries, tensors, remarks, in every format, and the command."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import costmodel as cm
from costmodel.cli import cli
from costmodel.report import html_table, render
from costmodel.report.update_document import (
    changes,
    deliveries,
    document,
    facts,
    remarks,
    removed,
    tensors,
    title,
)
from tests.golden.samples import EVIL, small


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(old="alexnet", new="squeezenet", **options):
    """Bring one network to devices that have another."""
    return cm.update(old, new, **options)


def weighed(**options):
    """Bring weights to devices that have others."""
    random = np.random.default_rng(1)
    old = {name: random.normal(size=(8, 8)).astype("float32") for name in ("stays", "moves", "goes")}
    np.savez("old.npz", **old)
    np.savez("new.npz", stays=old["stays"], moves=old["moves"] + 1, comes=old["goes"][:4])
    return cm.update("old.npz", "new.npz", **options)


def run(*arguments):
    """Run the command."""
    return CliRunner().invoke(cli, ["update", *map(str, arguments)])


# ---- the document


@pytest.mark.parametrize(("fleet", "text"), [(1, "one device"), (1_000_000, "1,000,000 devices")])
def test_the_title_says_what_comes_instead_of_what(fleet, text):
    """Networks, fleet, links."""
    expected = f"Update from alexnet to squeezenet-1.0, {text}, over lte and wifi"

    assert title(found(fleet=fleet, link=["lte", "wifi"])) == expected


def test_bytes_by_what_is_sent():
    """What devices have, everything, what changes, with its share."""
    shown = {fact.label: (fact.value, fact.detail) for fact in facts(cm.update("alexnet", retrained=["fc8"])).facts}

    assert shown["on devices"] == ("243.9 MB", "243,860,896 B, alexnet")
    assert shown["full"] == ("243.9 MB", "243,860,896 B, everything, as stored")
    assert shown["changed"] == ("16.39 MB", "16,388,000 B, changed tensors, as stored, 6.7 % of full")
    assert shown["changes"][0] == "1 layer changed and 7 layers same"


def test_bytes_with_codes():
    """Four ways to send it where weights are known."""
    assert [fact.label for fact in facts(weighed()).facts] == [
        "on devices", "full", "full coded", "changed", "changed coded", "changes",
    ]  # fmt: skip


def test_what_changes_is_counted():
    """New, changed, same, removed."""
    assert changes(weighed()) == "1 tensor new, 1 tensor changed, 1 tensor same and 1 removed"


def test_nothing_before_the_first_time():
    """Devices have nothing yet."""
    assert [fact.label for fact in facts(cm.update("squeezenet")).facts] == ["full", "changed", "changes"]


def test_a_table_per_link():
    """A line per way to send it: bytes, time, energy, of a device and of the fleet."""
    result = found(fleet=1000, link=["lte", "gemini"])
    radio, wire = (deliveries(result, link) for link in result.links)

    assert radio.title == "lte: 4G LTE to a smartphone, downlink"
    assert [row.cells[:3] for row in radio.rows] == [("full", "4.994 MB", "3.148 s"), ("changed", "4.994 MB", "3.148 s")]
    assert radio.rows[0].cells[6] == "4.994 GB"
    assert (wire.rows[0].cells[4], wire.rows[0].cells[7]) == ("-", "-")


def test_every_tensor_is_a_line():
    """Shape, status, sizes; what stays is set apart."""
    table = tensors(weighed())
    rows = {row.cells[0]: row for row in table.rows}

    assert rows["stays"].cells[1:4] == ("8x8", "same", "256")
    assert rows["stays"].cells[5:] == ("-", "-")
    assert (rows["stays"].style, rows["moves"].style) == ("free", "plain")
    assert rows["comes"].cells[1:3] == ("4x8", "new")


def test_a_scalar_has_a_shape():
    """As a word."""
    np.savez("s.npz", step=np.float32(3))

    assert tensors(cm.update("s.npz")).rows[0].cells[1] == "scalar"


def test_remarks_say_what_a_change_was_told_by():
    """Shapes, and what is not seen; or content, and the codes."""
    by_layers, by_weights = " ".join(remarks(found())), " ".join(remarks(weighed()))

    assert "give files with weights, or --retrained" in by_layers
    assert "stored as fp32" in by_layers
    assert "Codes are deflate" in by_weights
    assert "Deleted, which sends nothing: goes." in by_weights
    assert "Layers called 'fc*' were retrained" in " ".join(remarks(cm.update("alexnet", retrained=["fc*"])))


def test_links_without_energies_are_named():
    """No energy is not zero energy."""
    assert any("receiving over gemini and titan costs is not" in line for line in remarks(found(link=["gemini", "titan"])))
    assert not any("is not in its file" in line for line in remarks(found()))


def test_many_removed_tensors_are_counted():
    """Five names, and how many others."""
    assert removed(tuple("abcdefg")) == "Deleted, which sends nothing: a, b, c, d, e and 2 others."
    assert removed(tuple("ab")) == "Deleted, which sends nothing: a and b."


def test_hostile_names():
    """Neither a layer nor a network nor a file acts on a terminal or a page."""
    result = cm.update(small(name=f"net{EVIL}"), small(channels=9, name=f"other{EVIL}"))
    text = render(result, "text")

    assert EVIL not in text
    assert not any(ord(character) < 32 and character != "\n" for character in text)
    assert "<script" not in html_table(result)


def test_a_page_has_constants_and_sources():
    """Every constant with its place, and the bibliography."""
    text = render(found(), "md")

    assert "lte.receiver.tail_time" in text
    assert "huang2012: Junxian Huang" in text
    assert document(found()).appendix()[0].rows


# ---- the command


def test_the_command_prints_the_report():
    """The same as the library."""
    result = run("alexnet", "squeezenet", "--link", "lte", "--fleet", "1e6")

    assert result.exit_code == 0
    assert result.stdout.rstrip("\n") == repr(found(fleet=1_000_000)).rstrip("\n")


@pytest.mark.parametrize(("text", "fleet"), [("1", 1), ("1e6", 1_000_000), ("250000", 250_000), ("1.5e3", 1500), ("2.0", 2)])
def test_fleets(text, fleet):
    """Whole numbers, however written."""
    assert json.loads(run("squeezenet", "--link", "lte", "--fleet", text, "--format", "json").stdout)["fleet"] == fleet


def test_json_and_csv():
    """One record per link and way to send it, unrounded; no energy where none is published."""
    arguments = ("alexnet", "squeezenet", "--link", "lte", "--link", "gemini", "--fleet", "9")
    data = json.loads(run(*arguments, "--format", "json").stdout)
    rows = list(csv.DictReader(StringIO(run(*arguments, "--format", "csv").stdout)))

    assert [row["sent"] for row in rows] == ["full", "changed"] * 2
    assert float(rows[0]["device_j"]) == data["deliveries"][0]["device_j"]
    assert rows[2]["device_j"] == ""
    assert int(rows[0]["fleet_bytes"]) == 9 * int(rows[0]["sent_bytes"])


def test_markdown_begins_with_its_command():
    """What a reader types to get it again."""
    text = run("alexnet", "--link", "lte", "--fleet", "1e6", "--retrained", "fc*", "--format", "md").stdout

    assert text.splitlines()[0] == (
        "`$ costmodel update alexnet --link lte --fleet 1000000 --retrained 'fc*' --format md`"
    )


def test_weights_from_files():
    """Archives on the command line; the report in a file."""
    weighed()
    result = run("old.npz", "new.npz", "--link", "nb-iot", "-o", "update.csv", "--format", "csv")

    assert (result.exit_code, result.stdout) == (0, "")
    assert [row["sent"] for row in csv.DictReader(StringIO(Path("update.csv").read_text()))] == [
        "full", "full coded", "changed", "changed coded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (("squeezenet", "--link", "gone"), "no link 'gone'"),
        (("squeezenet", "--link", "lte", "--fleet", "many"), "--fleet: 'many' is no whole number of devices"),
        (("squeezenet", "--link", "lte", "--fleet", "1.5"), "--fleet: '1.5' is no whole number of devices"),
        (("squeezenet", "--link", "lte", "--fleet", "nan"), "--fleet: 'nan' is no whole number"),
        (("squeezenet", "--link", "lte", "--fleet", "inf"), "--fleet: 'inf' is no whole number"),
        (("squeezenet", "--link", "lte", "--fleet", "0"), "fleet: 0 given"),
        (("squeezenet", "--link", "lte", "--fleet", "1e300"), "give a whole number of devices from 1 to"),
        (("squeezenet", "--link", "lte", "--dtype", "int3"), "dtype: 'int3' is not a number format"),
        (("squeezenet", "--link", "lte", "--retrained", "fc"), "retrained: 'fc' fits no layer"),
        (("gone", "--link", "lte"), "gone"),
        (("gone.npz", "--link", "lte"), "gone.npz: no such file"),
        (("squeezenet", "gone.onnx", "--link", "lte"), "gone.onnx: no such file"),
        (("squeezenet", "--link", "lte", "-o", "gone/x"), "the directory gone does not exist"),
    ],
)
def test_mistakes_are_one_message(arguments, fragment):
    """Exit code 2, nothing on stdout, no traceback."""
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert fragment in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


def test_a_link_must_be_given():
    """There is no usual one."""
    result = run("squeezenet")

    assert result.exit_code == 2
    assert "Missing option '--link'" in result.stderr
