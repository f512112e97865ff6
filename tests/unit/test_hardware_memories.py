"""What memories hold, in which parts, in how many instances: from YAML to the levels of a profile, and back to words."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from costmodel.boundary import capacity_bits
from costmodel.cli import cli
from costmodel.errors import HardwareError
from costmodel.hardware import load_hardware
from costmodel.hardware.profile import OPERANDS, room_problems
from tests.unit.test_hardware_loading import WHOLE

ELEMENTS = """\
inherits: toy.yaml
objective: latency
memory:
  sram:
    holds: [ofmap, ifmap, weight]
    bypass: [ifmap]
    stationary: ofmap
  rf:
    kind: scratchpad
    capacity: 100 B | assumed | a plain choice
    bandwidth: unlimited
    read_energy: 0.1 pJ/B | assumed | a plain choice
    write_energy: 0.1 pJ/B | assumed | a plain choice
    per_element: true
    double_buffered: true
    holds: [ofmap, weight]
    parts: {weight: 60 B | assumed | a plain choice}
compute:
  array:
    rows: {size: 4, dims: [c], multicast: false}
    columns: {size: 8, dims: [k, p], reduction: false}
"""


@pytest.fixture
def profile(tmp_path):
    """A profile with everything that can be said of memories."""
    (tmp_path / "toy.yaml").write_text(WHOLE)
    (tmp_path / "elements.yaml").write_text(ELEMENTS)
    return load_hardware(tmp_path / "elements.yaml")


def test_what_a_memory_holds(profile):
    """Operands stand in their usual order; what is not said is everything, in one room, in one instance."""
    dram, sram, rf = profile.levels
    assert (dram.holds, dram.bypass, dram.parts, dram.instances) == (OPERANDS, (), {}, 1)
    assert (sram.holds, sram.bypass, sram.per_element) == (OPERANDS, ("ifmap",), False)
    assert (rf.holds, rf.bypass, rf.per_element) == (("weight", "ofmap"), (), True)
    assert (dram.stationary, sram.stationary, rf.stationary) == (None, "ofmap", None)


def test_instances_are_elements_of_the_array(profile):
    """A memory in each of 32 elements is 32 times as large, also where one boundary is priced by itself."""
    rf = profile.levels[-1]
    assert (profile.compute.elements, rf.instances, rf.total_bytes) == (32, 32, 3200)
    assert capacity_bits(rf) == 3200 * 8 // 2
    assert profile.levels[0].total_bytes is None


def test_sides_say_what_elements_share(profile):
    """Multicast and reduction are the rule; a side may be without."""
    rows, columns = profile.compute.array.values()
    assert (rows.multicast, rows.reduction, columns.multicast, columns.reduction) == (False, True, True, False)


def test_parts_are_constants(profile):
    """A part has a source like every other number, and can be varied."""
    part = next(constant for constant in profile.constants() if constant.name == "rf.parts.weight")
    assert (part.value, part.unit, part.tier, part.exact) == (60.0, "B", "assumed", True)
    assert "rf.parts.weight" in profile.settable_names()


def test_a_profile_declares_its_objective(profile, tmp_path):
    """What layers are mapped for, nothing where it is not said."""
    assert profile.objective == "latency"
    assert load_hardware(tmp_path / "toy.yaml").objective is None


def test_only_the_innermost_memory_is_in_elements(tmp_path):
    """A memory outside cannot be one per element, and one inside needs an array, each said once."""
    (tmp_path / "toy.yaml").write_text(WHOLE)
    text = ELEMENTS.replace("    bypass: [ifmap]", "    per_element: true")
    (tmp_path / "elements.yaml").write_text(text)
    with pytest.raises(HardwareError) as error:
        load_hardware(tmp_path / "elements.yaml")
    (found,) = error.value.problems
    assert found.startswith(f"{tmp_path}/elements.yaml:6:5: memory.sram.per_element: only the innermost level can be")


def test_what_passes_by_must_be_held(tmp_path):
    """An operand that never enters a level does not pass it by either."""
    (tmp_path / "toy.yaml").write_text(WHOLE)
    (tmp_path / "elements.yaml").write_text(ELEMENTS.replace("holds: [ofmap, ifmap, weight]", "holds: [ofmap, weight]"))
    with pytest.raises(HardwareError, match=r"elements.yaml:6:5: memory.sram.bypass: ifmap never enters the level: add it"):
        load_hardware(tmp_path / "elements.yaml")


def test_show_says_what_memories_hold(profile, tmp_path):
    """`profiles show` has one line for each memory that does not simply hold everything."""
    result = CliRunner().invoke(cli, ["profiles", "show", str(tmp_path / f"{profile.name}.yaml")])
    lines = [line.removeprefix("- ") for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert "objective: layers are mapped for the least time, through all memories at once" in lines
    assert "sram: ifmap may pass it by, ofmap-stationary" in lines
    shown = " ".join(result.output.split())
    assert "rf: one in each of 32 processing elements, holds weight and ofmap only, a part for weight of 60 B" in shown


sizes = st.dictionaries(st.sampled_from(OPERANDS), st.integers(1, 100).map(float))
held = st.sets(st.sampled_from(OPERANDS), min_size=1).map(lambda found: tuple(op for op in OPERANDS if op in found))


@given(st.integers(1, 200).map(float), sizes, held)
def test_rooms_are_refused_exactly_where_an_operand_has_none(capacity, parts, holds):
    """Every operand that is held has a part or something of the rest, every part is held and all fit; else one says so."""
    rest = capacity - sum(parts.values())
    fine = set(parts) <= set(holds) and rest >= 0 and (rest > 0 or set(parts) == set(holds))
    found = room_problems(capacity, parts, holds)
    assert (not found) == fine
    assert all(path[0] in ("parts", "holds") and ":" in text for path, text in found)


def test_shipped_profiles_fit_their_parts():
    """The register files of Eyeriss have no room but the parts."""
    for name in ("eyeriss", "eyeriss-168"):
        rf = load_hardware(name).level("rf")
        assert sum(part.value for part in rf.parts.values()) == rf.capacity_bytes.value
