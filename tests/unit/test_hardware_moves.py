"""What a profile declares of moves across layers: ``residency`` and ``fusion``, checked quickly and by the schema alike."""

from __future__ import annotations

import pytest

from costmodel.hardware import load_hardware
from costmodel.hardware.editor import json_schema
from tests.unit.test_hardware_building import by_schema, quickly, rich_data
from tests.unit.test_hardware_loading import changed, refusals, write
from tests.unit.test_hardware_profiles import schema_problems


def profile(tmp_path, *lines):
    """Write the toy profile with some lines after its fourth."""
    return write(tmp_path, changed("overlap: true", "\n".join(["overlap: true", *lines])))


DECLARED = [
    ((), ("none", False)),
    (("residency: activations",), ("activations", False)),
    (("residency: all", "fusion: false"), ("all", False)),
    (("fusion: true", "residency: activations"), ("activations", True)),
    (("residency: all", "fusion: true"), ("all", True)),
]


@pytest.mark.parametrize(("lines", "expected"), DECLARED)
def test_what_a_profile_declares(tmp_path, lines, expected):
    """Nothing stays, and nothing is cascaded, unless it says so; in either order."""
    found = load_hardware(profile(tmp_path, *lines))
    assert (found.residency, found.fusion) == expected


REFUSED = {
    "unknown residency": (("residency: weight",), ["toy.yaml:5:1: residency: 'weight' is not known: write 'none', "]),
    "nearly right": (
        ("residency: activation",),
        ["toy.yaml:5:1: residency: 'activation' is not known (did you mean 'activations'?): write 'none', 'activations' or "],
    ),
    "a truth value": (("residency: true",), ["toy.yaml:5:1: residency: True is not known: write 'none', "]),
    "fusion in words": (("residency: all", "fusion: yes"), ["toy.yaml:6:1: fusion: 'yes' given: write true or false"]),
    "fusion in numbers": (("residency: all", "fusion: 1"), ["toy.yaml:6:1: fusion: 1 given: write true or false"]),
    "nothing to hand on": (
        ("fusion: true",),
        [
            "toy.yaml:5:1: fusion: true, but residency is 'none': what a cascade hands on stays on chip, "
            "write residency: activations or all"
        ],
    ),
    "said twice over": (("residency: none", "fusion: true"), ["toy.yaml:6:1: fusion: true, but residency is 'none': "]),
    "misspelt": (("fusoin: true",), ["toy.yaml:5:1: fusoin: unknown field (did you mean 'fusion'?): known here are name, "]),
    "both wrong": (
        ("fusion: 3", "residency: 4"),
        ["toy.yaml:5:1: fusion: 3 given: write true or false", "toy.yaml:6:1: residency: 4 is not known: write"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(tmp_path, case):
    """File, line, column, what was given and what to write, one sentence per problem."""
    lines, expected = REFUSED[case]
    found = refusals(profile(tmp_path, *lines))
    assert len(found) == len(expected), found
    assert [problem[: len(start)] for problem, start in zip(found, expected, strict=True)] == expected


def test_a_profile_inherits_its_moves(tmp_path):
    """What it does not say is as its parent says; a child may keep less, but not fuse without keeping anything."""
    profile(tmp_path, "residency: all", "fusion: true").rename(tmp_path / "parent.yaml")
    child = load_hardware(write(tmp_path, "inherits: parent.yaml\nresidency: activations\n"))
    assert (child.residency, child.fusion) == ("activations", True)
    found = refusals(write(tmp_path, "inherits: parent.yaml\nresidency: none\n"))
    assert ["fusion: true, but residency is 'none'" in problem for problem in found] == [True]


@pytest.mark.parametrize("residency", ["none", "activations", "all", "some", None, True, 1])
@pytest.mark.parametrize("fusion", [True, False, None, "true", 1])
def test_the_quick_way_and_the_schema_agree(residency, fusion):
    """Where the quick way answers, so do the models, with the same profile; where they refuse, it does not answer."""
    data = {**rich_data(), "residency": residency, "fusion": fusion}
    fast, slow = quickly(data), by_schema(data)
    fine = residency in ("none", "activations", "all") and isinstance(residency, str) and isinstance(fusion, bool)
    assert (fast is not None) == (fine and not (fusion and residency == "none"))
    if fast is not None:
        assert (fast.residency, fast.fusion) == (slow.residency, slow.fusion) == (residency, fusion)
    assert slow is not None or fast is None


@pytest.mark.parametrize("field", ["residency", "fusion"])
def test_editors_know_the_fields(field):
    """Both have a description, and a wrong value is underlined."""
    schema = json_schema()
    assert schema["properties"][field]["description"]
    assert schema_problems({"inherits": "snapdragon", "residency": "all", "fusion": True}, schema, schema) == []
    assert schema_problems({"inherits": "snapdragon", field: "some"}, schema, schema)
