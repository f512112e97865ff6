"""Two ways to a profile, the quick one and the models of the schema: they agree wherever the quick one answers."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmodel.errors import HardwareError
from costmodel.hardware import load_hardware, profile_file, profile_names, shipped_sources
from costmodel.hardware.bibliography import bibliography_file, outline, shipped_bibliography, sources_of
from costmodel.hardware.building import profile_of
from costmodel.hardware.checking import checked_bibliography, checked_profile
from costmodel.hardware.documents import Document, read_document
from costmodel.hardware.inheritance import chain, merged
from costmodel.hardware.regular import IrregularError

FILE = Path("toy.yaml")
GONE = object()


def constant(value: Any, **fields: Any) -> dict[str, Any]:
    """Return a constant in its long form."""
    return {"value": value, "source": "assumed", "where": "a plain choice", **fields}


def rich_data() -> dict[str, Any]:
    """Return the data of a profile that uses everything a profile may have."""
    return {
        "name": "toy",
        "title": "a toy accelerator",
        "description": "what it leaves out",
        "inherits": "parent.yaml",
        "default_dtype": "int8",
        "psum_bits": 24,
        "overlap": True,
        "objective": "edp",
        "memory": {
            "dram": {
                "kind": "backing",
                "capacity": "unlimited",
                "bandwidth": "10 (5 to 20) GB/s | assumed | a plain choice",
                "read_energy": constant("160 pJ/B", low="80 pJ/B", high="320 pJ/B", tier="assumed"),
                "write_energy": "160 pJ/B | ours | Figure 1 | measured",
            },
            "sram": {
                "kind": "scratchpad",
                "capacity": constant("64 KiB"),
                "bandwidth": "unlimited",
                "read_energy": "1.25 pJ/B | han2015 | Figure 1",
                "write_energy": "1.25 pJ/B | ours | Figure 1",
                "double_buffered": True,
                "bypass": ["weight"],
                "stationary": "ifmap",
            },
            "rf": {
                "kind": "scratchpad",
                "capacity": "96 B | assumed | a plain choice",
                "bandwidth": "unlimited",
                "read_energy": "0.25 pJ/B | han2015 | Figure 1",
                "write_energy": "0.25 pJ/B | ours | Figure 1",
                "per_element": True,
                "holds": ["weight", "ofmap"],
                "parts": {"weight": "64 B | ours | Figure 1"},
                "macs_per_access": {"weight": constant(16), "ofmap": "8 MAC | assumed | a plain choice"},
            },
        },
        "compute": {
            "clock": "500 MHz | assumed | a plain choice",
            "macs_per_cycle": {"int8": constant(64, low=32, high=64.5), "fp16": "32 | assumed | half of it"},
            "mac_energy": {"int8": constant("0.23 pJ"), "fp16": constant("1 pJ")},
            "array": {
                "rows": {"size": 8, "dims": ["c", "r"], "reduction": False},
                "columns": {"size": 8, "dims": ["k"], "multicast": False},
            },
        },
        "static_power": "0 W | assumed | left out",
        "layer_overhead": constant("1 us"),
        "sources": {
            "ours": {
                "title": "Our own measurements", "authors": "A. Author", "venue": "A lab", "year": 2024, "doi": "10.1/2",
                "url": "https://example.org", "read": "in person", "tier": "measured",
            },
            "assumed": {"title": "No source at all", "year": None},
        },
    }  # fmt: skip


def shipped_data() -> dict[str, dict[str, Any]]:
    """Return the data of every shipped profile, with what it inherits."""
    return {name: merged(chain(read_document(profile_file(name)), profile_file)) for name in profile_names()}


def quickly(data: dict[str, Any]) -> Any:
    """Return the profile, or None where the quick way does not answer."""
    try:
        return profile_of(data, FILE, shipped_bibliography())
    except IrregularError:
        return None


def by_schema(data: dict[str, Any]) -> Any:
    """Return the profile, or None where the models refuse it."""
    try:
        full = checked_profile(data, shipped_bibliography().tiers, (Document(FILE, data, {}),))
    except HardwareError:
        return None
    return profile_of(full, FILE, shipped_bibliography())


def paths(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value below the top."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield (*path, key)
        yield from paths(value, (*path, key))


def at(data: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        data = data[key]
    return data


def with_value(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return data with one value replaced, or gone; what is not changed is shared."""
    if not path:
        return value
    new = with_value(data[path[0]], path[1:], value)
    entries = enumerate(data) if isinstance(data, list) else data.items()
    changed = {key: new if key == path[0] else old for key, old in entries}
    kept = {key: found for key, found in changed.items() if found is not GONE}
    return list(kept.values()) if isinstance(data, list) else kept


def renamed(data: dict[str, Any], path: tuple[Any, ...], name: str) -> dict[str, Any]:
    """Return data with one key renamed in its place."""
    parent = at(data, path[:-1])
    entries = {name if key == path[-1] else key: value for key, value in parent.items()}
    return with_value(data, path[:-1], entries)


VALUES = (
    GONE, None, True, False, 0, 1, 64, -1, 1 << 60, 10**400, 2.5, -2.5, math.nan, math.inf, -math.inf, "", "x", "text",
    "unlimited", "int8", "fp16", "bf16", "backing", "cache", "weight", "assumed", "measured", "han2015", "nowhere",
    "1 GB/s", "energy",
    "160 pJ/B", "-3 pJ/B", "nan pJ/B", "160 pJ", "1 furlong", "1e400 pJ/B", "8 MiB", "16", "16 MAC", "n",
    "160 pJ/B | han2015 | Figure 1", "160 (80 to 320) pJ/B | han2015 | Figure 1", "160 (320 to 80) pJ/B | ours | Figure 1",
    "16 | ours | Figure 1", "0 | ours | Figure 1", "-1 us | ours | Figure 1", "1 us | nowhere | Figure 1", "1 us | ours | F",
    "1 us | ours | Figure 1 | guessed", "1 us | assumed | why | measured", "1 us | ours", "1 us | ours | a | scaled | b",
    f"1 pJ / {'9' * 400} bit | ours | Figure 1",
    [], ["n"], ["n", "n"], ["weight"], ["ofmap", "weight"], ["weight", "weight"],
    ["x"], [None], [["n"]], {}, {"a": 1}, {"value": "1 us"}, {"int8": "1 pJ | ours | Figure 1"},
    {"value": "1 us", "source": "ours", "where": "Figure 1"}, {"value": True, "source": "ours", "where": "Figure 1"},
    {"value": 8, "source": "ours", "where": "Figure 1", "low": None, "tier": None}, {"size": 8, "dims": ["n"]},
    {"title": "A title"}, {"title": "A title", "year": 1899}, {"title": "A title", "tier": "best"},
)  # fmt: skip
NAMES = ("x", "X y", "", "compute", "int4", "ifmap", "assumed", "value", "tier", "name", "sram", "half é")


def mutants(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every document with one value replaced, dropped, wrapped or renamed, or one entry too many."""
    for path in paths(data):
        found = at(data, path)
        for value in (*VALUES, [found], {"value": found}, {path[-1]: found}, f" {found} ", str(found)):
            yield f"{path} = {value!r}"[:200], with_value(data, path, value)
        for name in NAMES if isinstance(path[-1], str) else ():
            yield f"{path} renamed {name!r}", renamed(data, path, name)
        if isinstance(found, dict):
            yield f"{path} with one more", with_value(data, path, {**found, "more": 1})
            yield f"{path} reversed", with_value(data, path, dict(reversed(found.items())))
    yield "one more at the top", {**data, "more": 1}


# ---- both ways agree


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_are_the_same_both_ways(name):
    """Every shipped profile takes the quick way, to the profile that the models give."""
    data = {"title": "filled in", **shipped_data()[name]}
    quick = quickly(data)

    assert quick is not None
    assert quick == by_schema(data)


def test_a_profile_with_everything_is_the_same_both_ways():
    """Long forms, own sources, arrays, reuse and bare counts as well."""
    quick = quickly(rich_data())

    assert quick == by_schema(rich_data())
    assert [constant.tier for constant in quick.constants()][:3] == ["assumed", "measured", "literature"]


def disagreements(cases: Iterator[tuple[str, dict[str, Any]]]) -> list[str]:
    """Name the cases in which the quick way answers, but not as the models do.

    `by_schema` raises where the models take data whose long form is irregular.
    """
    answers = ((name, quickly(data), by_schema(data)) for name, data in cases)
    return [name for name, quick, full in answers if quick is not None and quick != full]


def test_the_quick_way_never_takes_what_the_models_refuse():
    """Every value of a profile replaced by everything that might stand there instead."""
    assert disagreements(mutants(rich_data())) == []


def test_mutants_are_taken_and_refused():
    """The documents tried above are of both kinds, and the quick way takes most of the good ones."""
    cases = [data for _, data in mutants(rich_data())][::7]
    quick, full = (sum(way(data) is not None for data in cases) for way in (quickly, by_schema))

    assert 0.8 * full < quick < 0.5 * len(cases)


@pytest.mark.parametrize("name", profile_names())
def test_damaged_shipped_profiles_are_the_same_both_ways(name):
    """Every value of a shipped profile dropped, emptied, or made negative."""
    data = {"title": "filled in", **shipped_data()[name]}
    changes = ((path, value) for path in paths(data) for value in (GONE, "", -1, {}, ["n"]))

    assert disagreements((f"{path} = {value!r}", with_value(data, path, value)) for path, value in changes) == []


def test_what_the_models_take_is_always_built():
    """What the models accept in a form that the quick way does not know is built from what they return."""
    odd = with_value(rich_data(), ("compute", "macs_per_cycle", "int8"), constant(True))

    assert quickly(odd) is None
    assert by_schema(odd).compute.macs_per_cycle["int8"].value == 1.0


@given(st.data())
def test_two_mistakes_are_no_better_than_one(data):
    """Two changes at random places: the quick way answers as the models do, or not at all."""
    first = rich_data()
    second = with_value(first, data.draw(st.sampled_from(list(paths(first)))), data.draw(st.sampled_from(VALUES)))
    third = with_value(second, data.draw(st.sampled_from(list(paths(second)))), data.draw(st.sampled_from(VALUES)))

    assert disagreements(iter([("both", third)])) == []


# ---- the bibliography


def test_outline_of_the_shipped_bibliography():
    """Keys and tiers without YAML are those of the entries, in their order."""
    found = outline(bibliography_file().read_text())

    assert list(found.items()) == [(key, source.tier) for key, source in shipped_sources().items()]


@pytest.mark.parametrize(
    "content",
    [
        "sources:\n  a: {title: One}\n",
        "sources:\n  a:\n    title: One\n  a:\n    title: Two\n",
        "sources:\n  a:\n    title: >-\n      One\n",
        "sources:\n  a:\n    title: 'one\n\n  b:\n    year: two'\n",
        "sources:\n  a:\n    title: One\n    tier: best\n",
        "sources:\n  a:\n    title: One\n    tier: measured # by us\n",
        "sources:\n  a:\n    title: One\n    tiers: [x,\n  b:\n    title: Two\n",
        "- a\n",
    ],
)
def test_outline_leaves_the_rest_to_yaml(content):
    """What is not written line by line is read as YAML, which says what is wrong with it."""
    with pytest.raises(IrregularError):
        outline(content)


def test_shipped_sources_are_the_same_both_ways():
    """The entries without the models are those that the models give."""
    document = read_document(bibliography_file())

    assert sources_of(checked_bibliography(document)["sources"]) == shipped_sources()


def test_bibliography_reads_as_a_mapping():
    """Keys, length, membership, entries, equality and repr are those of the mapping it stands for."""
    found, expected = shipped_bibliography(), shipped_sources()

    assert found == expected
    assert (list(found), len(found), "han2015" in found, "nowhere" in found) == (list(expected), len(expected), True, False)
    assert (found["han2015"], repr(found)) == (expected["han2015"], repr(expected))


def test_bibliography_travels_with_its_profile():
    """A copy in another process holds the entries themselves."""
    profile = load_hardware("snapdragon")
    there = pickle.loads(pickle.dumps(profile))

    assert there == profile
    assert type(there.bibliography) is dict


def test_entries_are_read_when_looked_at(tmp_path, monkeypatch):
    """A mistake in an entry that no constant cites is found by whoever lists the entries."""
    (tmp_path / "sources.yaml").write_text("sources:\n  assumed:\n    title: None\n  han2015:\n    titel: Learning both\n")
    monkeypatch.setattr("costmodel.hardware.bibliography.data_dir", lambda _: tmp_path)
    assert list(shipped_bibliography()) == ["assumed", "han2015"]
    with pytest.raises(HardwareError, match=r"sources.yaml:4:3: sources.han2015.title: missing"):
        shipped_bibliography()["han2015"]


# ---- what is loaded


@pytest.mark.parametrize(("damage", "expected"), [("", False), ("overlap: maybe", True)])
def test_pydantic_is_loaded_only_for_mistakes(tmp_path, damage, expected):
    """A profile that is regular loads without pydantic; one that is not is explained by it."""
    file = tmp_path / "ours.yaml"
    file.write_text(f"inherits: snapdragon\n{damage}\n")
    script = (
        "import sys, contextlib; from costmodel.hardware import load_hardware; from costmodel.errors import HardwareError\n"
        f"with contextlib.suppress(HardwareError): load_hardware({str(file)!r})\n"
        "print('pydantic' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert found.strip() == str(expected)
