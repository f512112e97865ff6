"""YAML files into plain data with positions: YAML 1.2, duplicates, and files that are no YAML at all."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import HardwareError
from costmodel.hardware.documents import MAX_BYTES, Mark, parse_document, read_document, scalar

HERE = Path("x.yaml")


def refusal(text: str) -> str:
    """Message of the error that the text causes."""
    with pytest.raises(HardwareError) as error:
        parse_document(text, HERE)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-12", 1e-12),
        ("1e9", 1e9),
        ("1.0e9", 1e9),
        ("-.5", -0.5),
        ("12", 12),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("~", None),
        ("", None),
        ("null", None),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("8 MiB", "8 MiB"),
    ],
)
def test_scalars_follow_yaml_1_2(text, expected):
    """Exponents without a sign are numbers; yes, on and 1:30 are text."""
    assert expected == scalar(text)
    assert type(expected) is type(scalar(text))


def test_nan_is_a_number():
    """The one value that does not equal itself."""
    assert math.isnan(scalar(".nan"))


def test_quoted_scalars_stay_text():
    """Quotes keep a number text."""
    assert parse_document("a: '12'\nb: \"true\"\n", HERE).data == {"a": "12", "b": "true"}


def test_data_and_marks():
    """Every key and list item has its line and column, counted from 1."""
    document = parse_document("a:\n  b: [x, y]\n  c: {d: 1}\n", HERE)
    assert document.data == {"a": {"b": ["x", "y"], "c": {"d": 1}}}
    assert Mark(1, 1) == document.marks["a",]
    assert Mark(2, 3) == document.marks["a", "b"]
    assert Mark(2, 10) == document.marks["a", "b", 1]
    assert Mark(3, 7) == document.marks["a", "c", "d"]


def test_place_falls_back_to_the_nearest_ancestor():
    """A path the file does not contain is placed where its parent stands, in the end at the top."""
    document = parse_document("a:\n  b: 1\n", HERE)
    assert document.place(("a", "b", "z")) == "x.yaml:2:3"
    assert document.place(("q",)) == "x.yaml:1:1"
    assert (document.depth(("a", "b", "z")), document.depth(("q",))) == (2, 0)


def test_duplicate_keys_are_all_reported():
    """Each second key with both lines; what stands below it is still read."""
    text = "a: 1\nb:\n  c: 1\n  c: {d: 2}\na: 3\n"
    expected = (
        "x.yaml:4:3: 'c' is given twice, first on line 3: keep one of them\n"
        "x.yaml:5:1: 'a' is given twice, first on line 1: keep one of them"
    )
    assert expected == refusal(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.yaml:1:1: nothing at the top: write a mapping"),
        ("# only a comment\n", "x.yaml:1:1: nothing at the top"),
        ("- a\n- b\n", "x.yaml:1:1: a list at the top"),
        ("just text\n", "x.yaml:1:1: the single value 'just text' at the top"),
        ("a: 1\nb: [1, 2\n", "x.yaml:3:1: not valid YAML: "),
        ("a: 'open\n", "x.yaml:2:1: not valid YAML: "),
        ("a: b: c\n", "x.yaml:1:5: not valid YAML: mapping values are not allowed"),
        ("a:\n\tb: 1\n", "x.yaml:2:1: not valid YAML: "),
        ("a: &x 1\n", "x.yaml:1:4: anchors and aliases (& and *) are not used here: write the value again"),
        ("a: !!python/object:os.system 1\n", "x.yaml:1:4: the tag "),
        ("? [a, b]\n: 1\n", "x.yaml:1:3: a list or mapping as a key"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document starts here"),
        ('a: "\\ud800"\n', "x.yaml:1:4: half of a character (\\ud800 to \\udfff) is no text: write the whole one"),
        ('a: 1\n"b\\udfff": 1\n', "x.yaml:2:1: half of a character"),
        ("a: \x01\n", "x.yaml: not valid YAML: "),
    ],
)
def test_what_is_refused(text, message):
    """Each refusal has its place and says what to do."""
    assert message in refusal(text)


def test_unknown_alias_is_refused():
    """An alias is refused before anyone looks for its anchor."""
    assert "x.yaml:1:4: anchors and aliases" in refusal("a: *nowhere\n")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 50_000,
        "- " * 50_000 + "x",
        "a:\n" + "".join(f"{' ' * n}b:\n" for n in range(1, 200)),
    ],
)
def test_absurd_nesting_is_refused_quickly(text):
    """Neither a recursion error nor a long wait."""
    assert "nested more than 16 deep" in refusal(text)


def test_files_that_cannot_be_read(tmp_path):
    """Missing, a directory, binary, not UTF-8, and too large."""
    cases = {
        tmp_path / "missing.yaml": "no such file: check the path of the profile",
        tmp_path: "is a directory: give the .yaml file of a profile in it",
        tmp_path / "file.yaml" / "below.yaml": "check the path of the profile",
    }
    (tmp_path / "file.yaml").write_text("a: 1\n")
    for name, content, message in (
        ("nul.yaml", b"a: 1\0\n", "binary file: give a YAML file"),
        ("elf.yaml", b"ok: 1\n\x7fELF\xff\xfe", ":2: not UTF-8 text: give a YAML file, not a binary one"),
        ("huge.yaml", b"#" * (MAX_BYTES + 1), f"too large for a profile: {MAX_BYTES} at most"),
    ):
        (tmp_path / name).write_bytes(content)
        cases[tmp_path / name] = message
    for file, message in cases.items():
        with pytest.raises(HardwareError) as error:
            read_document(file)
        assert str(error.value).startswith(str(file))
        assert message in str(error.value)


def test_file_without_permission(tmp_path, monkeypatch):
    """The system's own reason, and what to check."""
    file = tmp_path / "locked.yaml"
    file.write_text("a: 1\n")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(HardwareError, match="permission denied: check the permissions of the file"):
        read_document(file)


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}&*!|>'\"%@`#? \n\t,.1e~<")), max_size=40))
def test_any_text_is_read_or_refused(text):
    """No text causes anything but data or a HardwareError with a place."""
    try:
        marks, problems = parse_document(text, HERE).marks.values(), ()
    except HardwareError as error:
        marks, problems = (), error.problems
    assert all(problem.startswith("x.yaml:") for problem in problems)
    assert all(mark.line >= 1 and mark.column >= 1 for mark in marks)


PRINTABLE = "".join(map(chr, range(32, 127)))
KEYS = st.text(alphabet="abcxyz_", min_size=1, max_size=6)
VALUES = st.one_of(
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=PRINTABLE, max_size=12),
)
DATA = st.dictionaries(
    KEYS,
    st.recursive(
        VALUES,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
)


@given(DATA)
def test_json_is_yaml(data):
    """What JSON writes comes back unchanged, and every key has a mark."""
    document = parse_document(json.dumps(data), HERE)
    assert data == document.data
    assert {(key,) for key in data} <= set(document.marks)


def test_byte_order_mark_is_skipped(tmp_path):
    """Files from Windows editors."""
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_document(tmp_path / "bom.yaml").data == {"a": 1}


def test_read_document_is_cached_until_the_file_changes(tmp_path):
    """The same object again, and a new one after a change of the file."""
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n")
    first = read_document(file)
    assert first is read_document(file)
    file.write_text("a: 10\n")
    assert read_document(file).data == {"a": 10}
